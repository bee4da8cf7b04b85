//! Decides which rows of a key are findings, given what was published for the key before.
//!
//! The findings of a key are at least `dedupe.window` apart. The first row of a key is a finding; rows within the window
//! after it belong to it. This depends on the order of rows, and late events arrive out of order. So a finding is
//! *provisional* as long as an earlier row may still arrive. It is published anyway.
//!
//! Once all events have arrived, the rows are evaluated again in order. A row that starts an earlier finding replaces the
//! provisional one, and the finding is published again as an update. In the end the findings are those of the rows in order,
//! whenever they arrived.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

/// A row of an answer, as far as findings depend on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The time of its first event, in milliseconds since 1970.
    pub first: i64,
    /// The time of its last event.
    pub last: i64,
    /// The time from which it cannot change any more: the end of its window, or just after its last event.
    pub due: i64,
    /// Whether rows of one finding have different events, so that all of them are evidence. Rows of groups count the same
    /// events again.
    pub is_evidence: bool,
    /// Its columns.
    pub cells: Map<String, Json>,
}

/// What was published for a key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Published {
    /// The findings, oldest first.
    pub findings: Vec<PublishedFinding>,
}

/// A published finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFinding {
    /// The finding's id.
    pub id: String,
    /// The time of its first event.
    pub first: i64,
    /// The time of its last event.
    pub last: i64,
    /// Whether an earlier row may still replace it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

/// A change to what is published for a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The finding's id.
    pub id: String,
    /// Whether and how to publish it.
    pub news: News,
    /// Its rows. The first one starts the finding.
    pub rows: Vec<Row>,
    /// The published findings of the key after this change.
    pub after: Published,
}

/// Whether a finding must be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It is new.
    Created,
    /// It was published, but starts earlier than published: an update.
    Updated,
    /// It was published as it is.
    Settled,
}

impl Published {
    /// The most findings that are kept for a key: more than overlapping windows can contain.
    const KEPT: usize = 32;

    /// Adds the rows of a key, in the order of [`Keyed::rows`](crate::finding::Keyed::rows). `window` is the rule's
    /// `dedupe.window`; `None` means that a key has only one finding. Rows due by `settled` are final. Returns the changes, and
    /// the number of rows that were published before.
    pub fn take(
        &mut self,
        rule: Uuid,
        key: &str,
        rows: Vec<Row>,
        window: Option<i64>,
        settled: i64,
    ) -> (Vec<Entry>, u64) {
        let mut entries: Vec<Entry> = Vec::new();
        let mut repeated = 0;
        for row in rows {
            let is_settled = window.is_none() || row.due <= settled;
            // Settled findings come first, so that a late row belongs to one of them instead of starting a new finding.
            let covering = |provisional: bool| {
                let is_it = |found: &PublishedFinding| {
                    found.provisional == provisional && found.covers(row.first, row.last, window)
                };
                self.findings.iter().position(is_it)
            };
            match covering(false).or_else(|| covering(true)) {
                None => {
                    let id = Uuid::new_v5(&rule, format!("{key}/{}", row.first).as_bytes()).to_string();
                    let (first, last) = (row.first, row.last);
                    self.add(PublishedFinding { id: id.clone(), first, last, provisional: !is_settled });
                    entries.push(Entry { id, news: News::Created, rows: vec![row], after: self.clone() });
                }
                Some(index) if is_settled && self.findings[index].provisional => {
                    let finding = &mut self.findings[index];
                    let news = if finding.first == row.first { News::Settled } else { News::Updated };
                    finding.provisional = false;
                    (finding.first, finding.last) = (row.first, row.last);
                    let id = finding.id.clone();
                    self.sort();
                    entries.push(Entry { id, news, rows: vec![row], after: self.clone() });
                }
                Some(index) => {
                    let id = &self.findings[index].id;
                    match entries.iter_mut().find(|entry| entry.id == *id).filter(|_| row.is_evidence) {
                        Some(entry) => entry.rows.push(row),
                        None => repeated += 1,
                    }
                }
            }
        }
        (entries, repeated)
    }

    /// Whether events in this time span belong to a published finding.
    pub fn covers(&self, first: i64, last: i64, window: Option<i64>) -> bool {
        self.findings.iter().any(|finding| finding.covers(first, last, window))
    }

    /// Adds a finding.
    pub fn add(&mut self, finding: PublishedFinding) {
        self.findings.push(finding);
        self.sort();
        let surplus = self.findings.len().saturating_sub(Self::KEPT);
        self.findings.drain(..surplus);
    }

    fn sort(&mut self) {
        self.findings.sort_by(|a, b| (a.first, &a.id).cmp(&(b.first, &b.id)));
    }
}

impl PublishedFinding {
    /// Whether a row belongs to this finding: it starts after `first` minus `window`, and ends before `first` plus `window`.
    /// Without a `window`, every row does.
    fn covers(&self, first: i64, last: i64, window: Option<i64>) -> bool {
        match window {
            None => true,
            // The same finding again, perhaps with more events, or a later row of the same period.
            Some(window) => {
                first == self.first || (last < self.first.saturating_add(window) && first > self.first - window)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &str, first: i64, last: i64) -> PublishedFinding {
        PublishedFinding { id: id.to_owned(), first, last, provisional: false }
    }

    fn row(time: i64) -> Row {
        Row { first: time, last: time, due: time + 1, is_evidence: true, cells: Map::new() }
    }

    fn taken(published: &mut Published, times: &[i64], settled: i64) -> Vec<(News, i64)> {
        let rows = times.iter().map(|time| row(*time)).collect();
        let (entries, _) = published.take(Uuid::nil(), "k", rows, Some(100), settled);
        entries.iter().map(|entry| (entry.news, entry.rows[0].first)).collect()
    }

    #[test]
    fn a_key_is_not_published_again_within_its_window_and_is_after_it() {
        let mut published = Published::default();
        published.add(finding("a", 1000, 1010));
        for (first, last, covered) in [
            (1000, 1010, true),
            (1005, 1020, true),
            (901, 1050, true),
            (900, 1050, false),
            (1099, 1099, true),
            (1100, 1100, false),
            (1090, 1100, false),
            (850, 860, false),
        ] {
            assert_eq!(published.covers(first, last, Some(100)), covered, "{first} {last}");
            assert!(published.covers(first, last, None));
        }
        assert!(!Published::default().covers(1, 1, None));
    }

    #[test]
    fn a_row_that_comes_late_and_was_first_takes_the_place_of_what_was_published() {
        let mut published = Published::default();
        assert_eq!(taken(&mut published, &[1050], 1000), [(News::Created, 1050)]);
        assert_eq!(taken(&mut published, &[1010, 1050], 1000), [], "not before it is settled");
        assert_eq!(taken(&mut published, &[1010, 1050, 1115], 1100), [(News::Updated, 1010), (News::Created, 1115)]);
        assert_eq!(taken(&mut published, &[1010, 1050, 1115], 1200), [(News::Settled, 1115)]);
        assert_eq!(taken(&mut published, &[1010, 1050, 1115], 1300), []);
    }

    #[test]
    fn what_is_kept_of_a_key_is_bounded_and_the_newest() {
        let mut published = Published::default();
        for n in (0..100).rev() {
            published.add(finding(&n.to_string(), n, n));
        }
        assert_eq!(published.findings.len(), 32);
        assert_eq!(published.findings[31].first, 99);
    }
}
