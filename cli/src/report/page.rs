//! The page of a report: the template and what it needs.

use std::io::{self, Write};

use askama::Template;
use detection::rule::Level;
use jiff::Timestamp;

use super::Scope;
use super::shape::{Bucket, Cell, Report, Tactic, Technique};
use super::text::Text;
use crate::output::count;

/// The template. Every text of a finding is a [`Text`], and askama escapes all that it prints.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'r> {
    report: &'r Report,
    lake: Text,
    notes: Vec<Text>,
    scope: &'r Scope,
    written: i64,
    css: &'static str,
    version: &'static str,
}

/// The style sheet, in the page itself.
static CSS: &str = include_str!("../../templates/report.css");

/// Writes the page.
pub(super) fn write(report: &Report, scope: &Scope, now: Timestamp, to: &mut impl Write) -> io::Result<()> {
    let page = Page {
        report,
        lake: Text(scope.lake.clone()),
        notes: scope.notes.iter().cloned().map(Text).collect(),
        scope,
        written: now.as_millisecond(),
        css: CSS,
        version: env!("CARGO_PKG_VERSION"),
    };
    page.write_into(to)
}

impl Page<'_> {
    /// The height of a bar of the timeline, of 100. A bar with findings can be seen.
    fn height(&self, bucket: &Bucket) -> u64 {
        match bucket.findings {
            0 => 0,
            findings => (findings * 100 / self.report.timeline.highest.max(1)).max(3),
        }
    }

    /// Rows of the matrix: as many as the longest column.
    fn matrix_rows(&self) -> std::ops::Range<usize> {
        0..self.report.matrix.iter().map(|tactic| tactic.techniques.len()).max().unwrap_or_default()
    }
}

/// The technique in a row of a column.
fn technique<'t>(tactic: &'t Tactic, row: &usize) -> Option<&'t Technique> {
    tactic.techniques.get(*row)
}

/// `2024-05-01 12:00:00`, with milliseconds if there are any.
fn clock(milliseconds: &i64) -> String {
    let Ok(time) = Timestamp::from_millisecond(*milliseconds) else { return format!("{milliseconds} ms") };
    let format = if milliseconds % 1_000 == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.3f" };
    time.strftime(format).to_string()
}

/// `2024-05-01T12:00:00.000Z`, for machines.
fn machine(milliseconds: &i64) -> String {
    Timestamp::from_millisecond(*milliseconds).map(|time| format!("{time:.3}")).unwrap_or_default()
}

/// `1 finding`, `2 findings`.
fn many(number: &u64, what: &str) -> String {
    crate::output::counted(*number, what)
}

/// A number with its thousands apart.
fn thousands(number: &u64) -> String {
    count(*number)
}

/// The name of a level with a capital.
fn level_name(level: &Level) -> &'static str {
    match level {
        Level::Informational => "Informational",
        Level::Low => "Low",
        Level::Medium => "Medium",
        Level::High => "High",
        Level::Critical => "Critical",
    }
}

/// The class of a bar of the timeline.
fn bar_class(worst: &Option<Level>) -> &'static str {
    worst.map_or("", Level::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn page(findings: &[Json], notes: &[&str]) -> String {
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        let scope = Scope { lake: "<lake>".to_owned(), since: 0, until: 86_400_000, rules: 3, notes };
        let mut page = Vec::new();
        write(&Report::of(findings), &scope, Timestamp::UNIX_EPOCH, &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    /// A finding with a text in every place that the page shows.
    fn finding(text: &str) -> Json {
        json!({
            "severity_id": 4, "start_time": 1_000, "end_time": 2_500, "count": 2, "message": text,
            "finding_info": {
                "uid": text, "desc": text, "analytic": {"uid": "r", "name": text},
                "attacks": [{"tactic": {"uid": text, "name": text}, "technique": {"uid": text, "name": text}}],
            },
            "remediation": {"desc": format!("1. {text}\n2. {text}"), "references": [text]},
            "evidences": [{"data": {"user_name": text, text: text, "time": 1_500, "event": {"a": text}}}],
        })
    }

    #[test]
    fn no_text_of_a_finding_becomes_markup() {
        for hostile in [
            "<script>alert(1)</script>",
            "\" onclick=\"x",
            "' onclick='x",
            "</style><b>",
            "<!--",
            "]]>",
            "&lt;",
            "{{ 1 }}",
        ] {
            let page = page(&[finding(hostile)], &[hostile]);
            let plain = super::tests::page(&[finding("plain")], &["plain"]);
            // The markup is that of a harmless text: no tag and no attribute more.
            let markup = |page: &str| (page.matches('<').count(), page.matches('>').count(), page.matches('"').count());
            assert_eq!(markup(&page), markup(&plain), "{hostile}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_shown_escaped() {
        let page = page(&[finding("a\u{202e}b\u{0}c\u{1b}d\u{ffff}")], &[]);
        assert!(page.contains("a\\u{202e}b\\u{0}c\\u{1b}d\\u{ffff}"), "{page}");
        assert!(!page.contains(['\u{202e}', '\u{0}', '\u{1b}', '\u{ffff}']));
    }

    #[test]
    fn a_page_needs_nothing_from_outside_and_no_script() {
        let page = page(&[finding("https://example.org/x")], &[]);
        for needle in ["<script", "<link", "<img", "@import", "url(", "src=", "href=\"http"] {
            assert!(!page.contains(needle), "{needle}");
        }
        assert!(page.starts_with("<!DOCTYPE html>"), "{}", &page[..40]);
    }

    #[test]
    fn a_page_without_findings_says_so() {
        let page = page(&[], &["rule `x` was not run"]);
        assert!(page.contains("No findings.") && page.contains("rule `x` was not run"));
        assert!(page.contains("<b>0</b> findings"));
    }

    #[test]
    fn times_are_for_people_and_for_machines() {
        assert_eq!(clock(&1_714_557_600_000), "2024-05-01 10:00:00");
        assert_eq!(clock(&1_714_557_600_123), "2024-05-01 10:00:00.123");
        assert_eq!(machine(&1_714_557_600_123), "2024-05-01T10:00:00.123Z");
        assert_eq!(clock(&i64::MAX), format!("{} ms", i64::MAX));
    }
}
