//! Rules whose logic is a STIX pattern: parameters, tables, and what a row of an answer says.

use std::ops::Range;
use std::sync::OnceLock;

use query::Answer;
use query::Column;
use serde_json::{Map, Value as Json, json};
use sql::table::Table;
use sql::text::Sql;
use sql::types::ColumnType;
use stix::pattern::{Observation, ObservationKind, Pattern, QualifierKind};
use translation::{DialectMaps, Options, TaggedRow, Translation};

use crate::catalog::Catalog;
use crate::finding::MAX_EVIDENCE;
use crate::groups;
use crate::rule::{ParameterValue, Rule};
use crate::statement::StatementError;
use crate::window::{Look, Window};

/// A pattern with its parameters filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// For every byte of the text the byte of the pattern as it was written, and one more for the end.
    origins: Vec<usize>,
    /// The parameters, with their places as written.
    pub(crate) parameters: Vec<(String, Range<usize>)>,
}

impl Filled {
    /// Puts values in the place of `{{param:name}}`; `value` gives none for one that is not declared, which then is empty.
    pub(crate) fn new(pattern: &str, value: impl Fn(&str) -> Option<ParameterValue>) -> Self {
        let mut filled = Self { text: String::new(), origins: Vec::new(), parameters: Vec::new() };
        let mut at = 0;
        while let Some(start) = pattern[at..].find("{{param:").map(|start| at + start) {
            let Some(end) = pattern[start..].find("}}").map(|end| start + end + 2) else { break };
            filled.push(&pattern[at..start], |offset| at + offset);
            let name = pattern[start + "{{param:".len()..end - 2].trim();
            let literal = value(name).map(|value| literal(&value)).unwrap_or_default();
            filled.push(&literal, |_| start);
            filled.parameters.push((name.to_owned(), start..end));
            at = end;
        }
        filled.push(&pattern[at..], |offset| at + offset);
        filled.origins.push(pattern.len());
        filled
    }

    /// The pattern of a rule with the defaults of its parameters.
    pub(crate) fn with_defaults(rule: &Rule, pattern: &str) -> Self {
        let declared = |name: &str| rule.parameters.iter().find(|parameter| parameter.name.value == name);
        Self::new(pattern, |name| declared(name).map(|parameter| parameter.default.clone()))
    }

    fn push(&mut self, text: &str, origin: impl Fn(usize) -> usize) {
        self.text.push_str(text);
        self.origins.extend((0..text.len()).map(origin));
    }

    /// The place of a part of the filled text in the pattern as it was written.
    pub(crate) fn origin(&self, span: &Range<usize>) -> Range<usize> {
        let at = |index: usize| self.origins.get(index).or(self.origins.last()).copied().unwrap_or_default();
        let start = at(span.start);
        let end = if span.end > span.start { at(span.end - 1) + 1 } else { start };
        start..end.max(start)
    }
}

/// A value as STIX writes it.
fn literal(value: &ParameterValue) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let list = |items: Vec<String>| format!("({})", items.join(", "));
    match value {
        ParameterValue::Text(value) => text(value),
        ParameterValue::Integer(number) => number.to_string(),
        ParameterValue::Decimal(number) => format!("{number:?}"),
        ParameterValue::Boolean(value) => value.to_string(),
        ParameterValue::TextList(items) => list(items.iter().map(|item| text(item)).collect()),
        ParameterValue::IntegerList(items) => list(items.iter().map(ToString::to_string).collect()),
    }
}

fn maps() -> Result<&'static DialectMaps, StatementError> {
    static MAPS: OnceLock<Result<DialectMaps, String>> = OnceLock::new();
    let maps = MAPS.get_or_init(|| DialectMaps::embedded().map_err(|error| error.to_string()));
    maps.as_ref().map_err(|error| StatementError::Pattern(error.clone()))
}

/// The physical tables behind the logical ones of a rule: those that are there, and all.
fn physical(names: &[&str], catalog: &Catalog) -> Result<(Vec<Table>, Vec<Table>), StatementError> {
    let (mut there, mut all) = (Vec::new(), Vec::new());
    for name in names {
        for (entry, class) in catalog.resolve(name)?.tables {
            if class.is_some() {
                let table = &entry.table.name;
                let why =
                    format!("table `{table}` has events of other classes than `{name}`; name its source in `tables`");
                return Err(StatementError::Pattern(why));
            }
            if !all.contains(&entry.table) {
                all.push(entry.table.clone());
                if entry.exists {
                    there.push(entry.table.clone());
                }
            }
        }
    }
    Ok((there, all))
}

/// What there is to say of a pattern over the tables that a catalog has: why it cannot be searched, and the constants that
/// no value equals.
pub(crate) fn faults(pattern: &Pattern, names: &[&str], catalog: &Catalog) -> Vec<translation::Diagnostic> {
    let window = Window { start: 0, end: 86_400_000 };
    let (Ok((_, all)), Ok(maps)) = (physical(names, catalog), maps()) else { return Vec::new() };
    let said: Vec<translation::Diagnostic> = match translation::translate(pattern, &all, maps, &options(window, 1)) {
        Ok(translation) => translation.warnings,
        Err(faults) => faults.iter().cloned().collect(),
    };
    let mut found: Vec<translation::Diagnostic> = Vec::new();
    for fault in said {
        let is_error = fault.severity == translation::Severity::Error;
        // The same place is at fault once per table.
        if (is_error || fault.is_of_value) && !found.iter().any(|other| other.span == fault.span) {
            found.push(fault);
        }
    }
    found
}

fn options(window: Window, max_rows: u64) -> Options {
    let nanoseconds = |millis: i64| i128::from(millis) * 1_000_000;
    Options {
        since: Some(nanoseconds(window.start)),
        until: Some(nanoseconds(window.end)),
        limit: max_rows,
        ..Options::default()
    }
}

/// The statement of a pattern, and how its answer is read; `None` where no row of any table that is there can match.
pub(crate) fn translated(
    text: &str,
    names: &[&str],
    catalog: &Catalog,
    window: Window,
    max_rows: u64,
) -> Result<(Sql, Option<Translation>), StatementError> {
    let refused = |error: &dyn std::fmt::Display| StatementError::Pattern(error.to_string());
    let pattern = stix::parse(text, stix::Version::default()).map_err(|faults| refused(&faults))?;
    let (there, all) = physical(names, catalog)?;
    let options = options(window, max_rows);
    let maps = maps()?;
    let translate = |tables: &[Table]| translation::translate(&pattern, tables, maps, &options);
    let found = match (there.is_empty(), all.len() > there.len()) {
        (false, false) => translate(&there).map(Some),
        // What the tables that are not there yet would have to match, nothing matches.
        (false, true) => translate(&there).map(Some).or_else(|_| translate(&all).map(|_| None)),
        (true, _) => translate(&all).map(|_| None),
    };
    match found.map_err(|faults| refused(&faults))? {
        Some(translation) => Ok((translation.sql.clone(), Some(translation))),
        None => Ok((Sql::code("SELECT CAST(NULL AS varchar) AS \"src\" WHERE FALSE"), None)),
    }
}

/// Columns of a finding's row that are taken from an OCSF event, with the places to look in.
static EVENT_COLUMNS: [(&str, &[&str]); 20] = [
    ("account", &["/cloud/account/uid", "/unmapped/recipientAccountId", "/accountid"]),
    ("region", &["/cloud/region", "/region"]),
    ("hostname", &["/device/hostname"]),
    ("user_name", &["/actor/user/name", "/user/name"]),
    ("user_uid", &["/actor/user/uid", "/user/uid"]),
    ("process_path", &["/process/file/path", "/process/name"]),
    ("cmd_line", &["/process/cmd_line"]),
    ("parent_process_path", &["/actor/process/file/path"]),
    ("file_path", &["/file/path"]),
    ("src_ip", &["/src_endpoint/ip"]),
    ("src_port", &["/src_endpoint/port"]),
    ("src_hostname", &["/src_endpoint/hostname"]),
    ("dst_ip", &["/dst_endpoint/ip"]),
    ("dst_port", &["/dst_endpoint/port"]),
    ("dst_hostname", &["/dst_endpoint/hostname"]),
    ("query_hostname", &["/query/hostname"]),
    ("service", &["/api/service/name"]),
    ("operation", &["/api/operation"]),
    ("error", &["/api/response/error"]),
    ("signature", &["/firewall_rule/name"]),
];

/// Columns of every row.
const ROW_COLUMNS: [&str; 2] = ["time", "table"];
/// The column that a row of a single observation has beside: the whole event.
const EVENT: &str = "event";
/// The column that a match of several observations has in its place: its events as rows, in order.
pub(crate) const EVENTS: &str = "events";
/// The other columns that a match of several observations has.
const MATCH_COLUMNS: [&str; 3] = ["start_time", "end_time", "event_count"];

/// The columns that rows of STIX rules can have, which `group_by`, `threshold` and `dedupe` may name: those of an event, and
/// with `is_sequence` those of a match of several observations (see [`Observation::is_single`]) beside.
///
/// An event has those for which it holds a value.
pub fn columns(is_sequence: bool) -> Vec<&'static str> {
    let of_event = EVENT_COLUMNS.iter().map(|(name, _)| *name);
    let (of_match, last) = if is_sequence { (&MATCH_COLUMNS[..], EVENTS) } else { (&[][..], EVENT) };
    ROW_COLUMNS.into_iter().chain(of_match.iter().copied()).chain(of_event).chain([last]).collect()
}

/// The answer of a pattern as rows with the columns that findings know, and groups counted where the rule has them. Matches
/// of single observations are rows with the whole event in `event`, those of several observations are one row with the
/// events in `events`.
///
/// # Errors
/// An answer that cannot be read, or candidates too many to settle.
pub(crate) fn hits(
    rule: &Rule,
    look: Look,
    translation: Option<&Translation>,
    answer: &Answer,
) -> Result<Answer, String> {
    let rows: Vec<Map<String, Json>> = match translation {
        None => Vec::new(),
        Some(translation) => match translation.sequences(&answer.rows).map_err(|error| error.to_string())? {
            Some(found) => found
                .matches
                .iter()
                .map(|places| match_of(places.iter().filter_map(|at| found.rows.get(*at))))
                .collect(),
            None => {
                let matches = translation.settle(&answer.rows).map_err(|error| error.to_string())?;
                matches.rows.iter().map(row_of).collect()
            }
        },
    };
    let rows = if rule.group_by.is_empty() { rows } else { groups::of_rows(rule, &rows, look.ends) };
    let mut names: Vec<String> = Vec::new();
    for name in rows.iter().flat_map(Map::keys) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if rule.group_by.is_empty() {
        // A row says the same, whatever other rows have.
        let order = columns(translation.is_some_and(|translation| translation.sequence.is_some()));
        names.sort_by_key(|name| order.iter().position(|known| known == name));
    }
    let values =
        |row: &Map<String, Json>| names.iter().map(|name| row.get(name).cloned().unwrap_or(Json::Null)).collect();
    Ok(Answer {
        query_id: answer.query_id.clone(),
        rows: rows.iter().map(values).collect(),
        columns: names.iter().map(|name| Column { name: name.clone(), column_type: ColumnType::Json }).collect(),
        statistics: answer.statistics,
        warnings: Vec::new(),
    })
}

fn row_of(found: &TaggedRow) -> Map<String, Json> {
    let mut row = Map::new();
    row.insert("time".to_owned(), json!(found.time));
    row.insert("table".to_owned(), json!(found.table));
    let event: Json = serde_json::from_str(&found.event).unwrap_or_else(|_| json!(found.event));
    for (name, places) in EVENT_COLUMNS {
        let found = places.iter().filter_map(|place| event.pointer(place)).find(|value| !value.is_null());
        if let Some(value) = found {
            row.insert(name.to_owned(), value.clone());
        }
    }
    row.insert(EVENT.to_owned(), event);
    row
}

/// One row for a match: the columns of its first event and those that later ones add, the time from first to last, and the
/// events. Of more than [`MAX_EVIDENCE`] events the last one stands at the end, and those before it are left out.
fn match_of<'r>(found: impl Iterator<Item = &'r TaggedRow>) -> Map<String, Json> {
    let found: Vec<&TaggedRow> = found.collect();
    let (first, last) = (found.first().map(|row| row.time), found.last().map(|row| row.time));
    let kept = if found.len() > MAX_EVIDENCE { MAX_EVIDENCE - 1 } else { found.len() };
    let shown = found.iter().take(kept).chain(found.last().filter(|_| kept < found.len()));
    let events: Vec<Map<String, Json>> = shown.map(|found| row_of(found)).collect();
    let mut row = Map::new();
    row.insert("time".to_owned(), json!(first));
    row.insert("table".to_owned(), json!(found.first().map(|row| &row.table)));
    row.insert("start_time".to_owned(), json!(first));
    row.insert("end_time".to_owned(), json!(last));
    row.insert("event_count".to_owned(), json!(found.len()));
    for (name, value) in events.iter().flatten().filter(|(name, _)| *name != EVENT) {
        if !row.contains_key(name) {
            row.insert(name.clone(), value.clone());
        }
    }
    row.insert(EVENTS.to_owned(), json!(events));
    row
}

/// The events of a match's row, each as a row of its own; of any other row itself.
pub(crate) fn events_of(row: &Map<String, Json>) -> Vec<&Map<String, Json>> {
    match row.get(EVENTS) {
        Some(Json::Array(events)) if events.iter().all(Json::is_object) && !events.is_empty() => {
            events.iter().filter_map(Json::as_object).collect()
        }
        _ => vec![row],
    }
}

/// The longest time, in milliseconds, that a match of several observations may span; `None` if nothing bounds it, and 0 if
/// a match is one observation.
pub(crate) fn extent(observation: &Observation) -> Option<i64> {
    match &observation.kind {
        ObservationKind::Leaf { .. } => Some(0),
        ObservationKind::Or(one, other) => Some(extent(one)?.max(extent(other)?)),
        ObservationKind::And(..) | ObservationKind::FollowedBy(..) => None,
        ObservationKind::Qualified(inner, qualifier) => match qualifier.kind {
            QualifierKind::Within(nanoseconds) => {
                let within = i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX);
                Some(extent(inner).map_or(within, |inner| inner.min(within)))
            }
            QualifierKind::Repeats(1) | QualifierKind::StartStop(..) => extent(inner),
            QualifierKind::Repeats(_) => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_literals_and_places_are_found_again() {
        let text = "[a:b = {{param:x}} AND a:c IN {{param:l}}]";
        let filled = Filled::new(text, |name| match name {
            "x" => Some(ParameterValue::Text("it's \\ here".to_owned())),
            _ => Some(ParameterValue::TextList(vec!["p".to_owned(), "q".to_owned()])),
        });
        assert_eq!(filled.text, "[a:b = 'it\\'s \\\\ here' AND a:c IN ('p', 'q')]");
        let at = filled.text.find("a:c").unwrap();
        assert_eq!(&text[filled.origin(&(at..at + 3))], "a:c");
        assert_eq!(filled.parameters.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x", "l"]);
        assert_eq!(&text[filled.parameters[0].1.clone()], "{{param:x}}");
    }

    #[test]
    fn the_extent_of_a_match_is_what_within_bounds() {
        let extent = |text: &str| extent(&stix::parse(text, stix::Version::default()).unwrap().root);
        assert_eq!(extent("[a:b = 1]"), Some(0));
        assert_eq!(extent("[a:b = 1] FOLLOWEDBY [a:b = 2]"), None);
        assert_eq!(extent("([a:b = 1] FOLLOWEDBY [a:b = 2]) WITHIN 90 SECONDS"), Some(90_000));
        assert_eq!(extent("[a:b = 1] REPEATS 5 TIMES WITHIN 60 SECONDS OR [a:b = 2]"), Some(60_000));
    }
}
