//! The rows of STIX rules: one for each event, or for each match of several observations.

use query::{Answer, Column};
use serde_json::{Map, Value as Json, json};
use sql::types::ColumnType;
use translation::{SettleError, TaggedRow, Translation};

use crate::groups;
use crate::rule::Rule;
use crate::window::Look;

/// The most rows of a finding that become evidence.
pub const MAX_EVIDENCE: usize = 100;

/// Columns that are read from an OCSF event, with the JSON pointers to try in order.
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
/// The last column of a row of a single observation: the whole event.
const EVENT: &str = "event";
/// The last column of a match of several observations: its events as rows, in order.
pub(crate) const EVENTS: &str = "events";
/// Further columns of a match of several observations.
const MATCH_COLUMNS: [&str; 3] = ["start_time", "end_time", "event_count"];

/// The columns that rows of STIX rules can have, and that `group_by`, `threshold` and `dedupe` can name. `is_sequence` adds
/// those of a match of several observations (see [`Observation::is_single`]).
///
/// A row lacks the columns for which its event has no value.
pub fn columns(is_sequence: bool) -> Vec<&'static str> {
    let of_event = EVENT_COLUMNS.iter().map(|(name, _)| *name);
    let (of_match, last) = if is_sequence { (&MATCH_COLUMNS[..], EVENTS) } else { (&[][..], EVENT) };
    ROW_COLUMNS.into_iter().chain(of_match.iter().copied()).chain(of_event).chain([last]).collect()
}

/// The rows of a pattern's answer, grouped if the rule has `group_by`. A match of a single observation is a row with the
/// whole event in `event`. A match of several observations is one row with its events in `events`.
///
/// # Errors
/// The answer cannot be read, or has too many candidates.
pub(crate) fn hits(
    rule: &Rule,
    look: Look,
    translation: Option<&Translation>,
    answer: &Answer,
) -> Result<Answer, SettleError> {
    let rows: Vec<Map<String, Json>> = match translation {
        None => Vec::new(),
        Some(translation) => match translation.sequences(&answer.rows)? {
            Some(found) => found
                .matches
                .iter()
                .map(|places| match_of(places.iter().filter_map(|at| found.rows.get(*at))))
                .collect(),
            None => {
                let matches = translation.settle(&answer.rows)?;
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
        // A fixed order of columns, so that a row does not depend on other rows.
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

/// The row of a match: the columns of its first event, those that later events add, and the events. Of more than
/// [`MAX_EVIDENCE`] events it has the first ones and the last.
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

/// The events in the row of a match. Any other row is its own event.
pub(crate) fn events_of(row: &Map<String, Json>) -> Vec<&Map<String, Json>> {
    match row.get(EVENTS) {
        Some(Json::Array(events)) if events.iter().all(Json::is_object) && !events.is_empty() => {
            events.iter().filter_map(Json::as_object).collect()
        }
        _ => vec![row],
    }
}
