//! Makes findings (OCSF Detection Finding, class 2004) of an answer's rows, and messages of findings.
//!
//! A rule chooses the names of its columns. docs/detections.md lists those with a meaning: `time`, `start_time` and
//! `end_time` date the finding; `src_ip`, `user_name`, `cmd_line` and others become observables; `account` and `region` fill
//! `cloud`. The whole row is evidence.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ocsf::Version;
use query::{Answer, QueryError};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::attack::Attacks;
use crate::groups;
use crate::ledger::{Entry, News, Row};
use crate::matches;
use crate::message::{Attribute, MAX_MESSAGE_BYTES, Message, MessageKind};
use crate::rule::{Level, Logic, Rule};
use crate::shape::Shape;
use crate::window::{self, Look, Window};

pub use crate::matches::MAX_EVIDENCE;

/// The deployment, as findings name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingContext {
    /// The OCSF version of the findings.
    pub version: Version,
    /// The account that runs the detections, for findings whose rows name none.
    pub account: Option<String>,
    /// The Region that runs the detections.
    pub region: Option<String>,
}

impl Default for FindingContext {
    fn default() -> Self {
        Self { version: Version::V1_1_0, account: None, region: None }
    }
}

/// A finding, or an alert about a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// A finding or an alert.
    pub kind: MessageKind,
    /// The finding's `uid`: the same rows always give the same one.
    pub id: String,
    /// The message's id: the finding's, except for an update of it.
    pub message_id: String,
    /// The key under which its publication is stored: hexadecimal digits.
    pub key: String,
    /// The time of the first event, in milliseconds since 1970.
    pub first: i64,
    /// The time of the last event.
    pub last: i64,
    /// The columns of its key that are NULL.
    pub null_columns: Vec<String>,
    /// The rows of the finding. At most [`MAX_EVIDENCE`] of them are evidence.
    pub rows: Vec<Map<String, Json>>,
    /// The finding as OCSF.
    pub event: Json,
}

/// The shortest time between two alerts of the same kind, in milliseconds.
pub(crate) const ALERT_WINDOW: i64 = 86_400_000;

/// The product name in findings.
const PRODUCT: &str = "Sluice";

/// The rows of one key in an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Keyed {
    /// The key under which their findings are stored: hexadecimal digits.
    pub key: String,
    /// The columns of the key that are NULL. Such rows become one finding, although they may be unrelated.
    pub null_columns: Vec<String>,
    /// The rows in the order in which findings are made of them: by time, and for groups and windows first by [`Row::due`].
    pub rows: Vec<Row>,
}

/// How long after a finding no other of the same key is published, in milliseconds; `None` means for ever.
pub fn dedupe_window(rule: &Rule) -> Option<i64> {
    match &rule.dedupe {
        Some(dedupe) => Some(dedupe.window),
        None if rule.group_by.is_empty() || rule.schedule.is_on_demand() => None,
        None => Some(rule.lookback),
    }
}

/// Groups an answer's rows by key: the columns of `dedupe`, else those of `group_by`, else all. At most `max_rows` are read.
pub fn keyed(rule: &Rule, shape: Shape, look: Look, answer: &Answer, max_rows: usize) -> Vec<Keyed> {
    let columns = match &rule.dedupe {
        Some(dedupe) => Some(&dedupe.key),
        None => Some(&rule.group_by).filter(|columns| !columns.is_empty()),
    };
    let mut by_key: BTreeMap<String, Keyed> = BTreeMap::new();
    for values in answer.rows.iter().take(max_rows) {
        let names = answer.columns.iter().map(|column| column.name.clone());
        // A NULL of a STIX row is a column that only other rows have.
        let is_own = |(_, value): &(String, Json)| !value.is_null() || matches!(rule.logic, Logic::Sql(_));
        let mut cells: Map<String, Json> = names.zip(values.iter().cloned()).filter(is_own).collect();
        let end = cells.remove(groups::WINDOW_END).and_then(|end| end.as_i64());
        let window = end.map_or(look.window, |end| Window { start: end - rule.lookback, end });
        let (first, last) = times(&cells, window);
        if shape == Shape::Pairs && !window::fits(rule, first, last) {
            continue;
        }
        let due = match shape {
            Shape::Rows | Shape::Pairs => last + 1,
            Shape::Groups | Shape::Windows => window.end,
        };
        let is_evidence = shape != Shape::Groups;
        let null = |name: &&str| cells.get(*name).is_none_or(Json::is_null);
        let (value, null_columns) = match columns {
            Some(columns) => {
                let names = || columns.iter().map(|column| column.value.as_str());
                let values = names().map(|name| cells.get(name).cloned().unwrap_or(Json::Null)).collect();
                (values, names().filter(null).map(str::to_owned).collect())
            }
            None => (Json::Object(cells.clone()), Vec::new()),
        };
        let key = hash(&[&value.to_string()]);
        let keyed =
            by_key.entry(key).or_insert_with_key(|key| Keyed { key: key.clone(), null_columns, rows: Vec::new() });
        keyed.rows.push(Row { first, last, due, is_evidence, cells });
    }
    let mut keyed: Vec<Keyed> = by_key.into_values().collect();
    for Keyed { rows, .. } in &mut keyed {
        match shape {
            Shape::Rows | Shape::Pairs => rows.sort_by_key(|row| (row.first, row.last)),
            Shape::Groups | Shape::Windows => rows.sort_by_key(|row| (row.due, row.first, row.last)),
        }
    }
    keyed
}

fn hash(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// The times of a row's first and last event: from its columns, else the window.
fn times(row: &Map<String, Json>, window: Window) -> (i64, i64) {
    let at = |name: &str| row.get(name).and_then(cell_millis);
    let time = at("time");
    let first = at("start_time").or(time).unwrap_or(window.start);
    let last = at("end_time").or(time).unwrap_or(if time.is_some() { first } else { window.end - 1 });
    (first.min(last), first.max(last))
}

/// The milliseconds since 1970 of a cell: a number, or a text such as `2024-05-01 10:00:00.000`, optionally with `UTC`.
pub(crate) fn cell_millis(value: &Json) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let text = value.as_str()?;
    let civil: DateTime = text.trim_end_matches("UTC").trim_end_matches(['Z', ' ']).parse().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// Where a finding comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The window of the query.
    pub window: Window,
    /// The rule's rows.
    pub answer: &'a Answer,
    /// When the finding is made, in milliseconds since 1970.
    pub now: i64,
    /// The deployment.
    pub context: &'a FindingContext,
}

/// The finding of an entry.
pub fn finding(origin: &Origin<'_>, keyed: &Keyed, entry: &Entry) -> Finding {
    let Origin { rule, window, answer, now, context } = *origin;
    let first = entry.rows.first().map_or(window.start, |row| row.first);
    let last = entry.rows.iter().map(|row| row.last).max().unwrap_or(window.end - 1);
    let rows: Vec<Map<String, Json>> = entry.rows.iter().map(|row| row.cells.clone()).collect();
    // The row of a group carries its number of events.
    let events = rows.iter().map(|row| row.get("event_count").and_then(Json::as_i64).unwrap_or(1)).sum::<i64>();
    let is_update = entry.news == News::Updated;
    let mut event = base(rule, rule.level, context, now, &rows);
    if is_update {
        event["activity_id"] = json!(2);
        event["activity_name"] = json!("Update");
        event["type_uid"] = json!(200_402);
        event["type_name"] = json!("Detection Finding: Update");
    }
    event["message"] = json!(summary(rule, &rows, events));
    event["start_time"] = json!(first);
    event["end_time"] = json!(last);
    event["count"] = json!(i32::try_from(events.clamp(1, i64::from(i32::MAX))).unwrap_or(i32::MAX));
    event["finding_info"] = finding_info(rule, &entry.id, &rule.title, now);
    event["finding_info"]["first_seen_time"] = json!(first);
    event["finding_info"]["last_seen_time"] = json!(last);
    if is_update {
        event["finding_info"]["modified_time"] = json!(now);
    }
    event["evidences"] = rows.iter().flat_map(matches::events_of).take(MAX_EVIDENCE).map(evidence).collect();
    let observables = observables(&rows);
    if !observables.is_empty() {
        event["observables"] = json!(observables);
    }
    let mut unmapped = run_facts(window, Some(&answer.query_id));
    unmapped.insert("query.scanned_bytes".to_owned(), json!(answer.statistics.scanned_bytes.to_string()));
    let total = evidence_total(&rows);
    unmapped.insert("evidence.rows".to_owned(), json!(total.to_string()));
    if total > MAX_EVIDENCE {
        unmapped.insert("evidence.omitted".to_owned(), json!((total - MAX_EVIDENCE).to_string()));
    }
    if !keyed.null_columns.is_empty() {
        unmapped.insert("key.null_columns".to_owned(), json!(keyed.null_columns.join(", ")));
    }
    event["unmapped"] = Json::Object(unmapped);
    let message_id = match entry.news {
        // An update needs a message id of its own: a FIFO topic would drop a repeated id.
        News::Updated => Uuid::new_v5(&rule.id, format!("{}/{first}/update", keyed.key).as_bytes()).to_string(),
        News::Created | News::Settled => entry.id.clone(),
    };
    Finding {
        kind: MessageKind::Finding,
        id: entry.id.clone(),
        message_id,
        key: keyed.key.clone(),
        null_columns: keyed.null_columns.clone(),
        first,
        last,
        rows,
        event,
    }
}

/// An alert about a query that failed, was cancelled, or returned too many rows.
pub fn alert(
    rule: &Rule,
    window: Window,
    watermark: Option<i64>,
    query_id: Option<&str>,
    error: &QueryError,
    now: i64,
    context: &FindingContext,
) -> Finding {
    let what = match error {
        QueryError::OverBudget { .. } => "over budget",
        QueryError::Cancelled(_) => "cancelled",
        QueryError::Unsupported { .. } | QueryError::Invalid(_) => "refused",
        _ => "failed",
    };
    let key = hash(&["alert", what, &watermark.unwrap_or_default().to_string()]);
    let day = now.div_euclid(ALERT_WINDOW);
    let id = Uuid::new_v5(&rule.id, format!("{key}/{day}").as_bytes()).to_string();
    let title = format!("Detection {what}: {}", rule.title);
    let mut event = base(rule, Level::High, context, now, &[]);
    if let Json::Object(members) = &mut event {
        members.remove("remediation");
    }
    event["message"] = json!(format!("{title}: {error}"));
    event["finding_info"] = finding_info(rule, &id, &title, now);
    event["finding_info"]["types"] = json!(["Detection failure"]);
    if let Json::Object(info) = &mut event["finding_info"] {
        // A failure has no ATT&CK techniques.
        info.remove("attacks");
    }
    let mut facts = run_facts(window, query_id);
    facts.insert("error".to_owned(), json!(error.to_string()));
    event["evidences"] = json!([{ "data": facts.clone() }]);
    event["unmapped"] = Json::Object(facts);
    Finding {
        kind: MessageKind::Alert,
        message_id: id.clone(),
        id,
        key,
        null_columns: Vec::new(),
        first: now,
        last: now,
        rows: Vec::new(),
        event,
    }
}

fn run_facts(window: Window, query_id: Option<&str>) -> Map<String, Json> {
    let mut facts = Map::new();
    if let Some(query_id) = query_id {
        facts.insert("query.id".to_owned(), json!(query_id));
    }
    facts.insert("window.start".to_owned(), json!(window.start.to_string()));
    facts.insert("window.end".to_owned(), json!(window.end.to_string()));
    facts
}

/// The attributes that all findings of a rule share.
fn base(rule: &Rule, level: Level, context: &FindingContext, now: i64, rows: &[Map<String, Json>]) -> Json {
    let (severity_id, severity) = match level {
        Level::Informational => (1, "Informational"),
        Level::Low => (2, "Low"),
        Level::Medium => (3, "Medium"),
        Level::High => (4, "High"),
        Level::Critical => (5, "Critical"),
    };
    let mut event = json!({
        "activity_id": 1, "activity_name": "Create",
        "category_uid": 2, "category_name": "Findings",
        "class_uid": 2004, "class_name": "Detection Finding",
        "type_uid": 200_401, "type_name": "Detection Finding: Create",
        "time": now,
        "severity_id": severity_id, "severity": severity,
        "status_id": 1, "status": "New",
        "metadata": {
            "version": context.version.as_str(),
            "product": { "name": PRODUCT, "vendor_name": PRODUCT, "version": env!("CARGO_PKG_VERSION") },
            "event_code": rule.id.to_string(),
        },
    });
    let (account, region) = (account(rows, context), region(rows, context));
    if account.is_some() || region.is_some() {
        event["metadata"]["profiles"] = json!(["cloud"]);
        let mut cloud = json!({ "provider": "AWS" });
        if let Some(account) = account {
            cloud["account"] = json!({ "uid": account });
        }
        if let Some(region) = region {
            cloud["region"] = json!(region);
        }
        event["cloud"] = cloud;
    }
    if !rule.response.is_empty() {
        let steps = match &rule.response[..] {
            [text] => text.clone(),
            steps => steps.iter().enumerate().map(|(n, step)| format!("{}. {step}\n", n + 1)).collect(),
        };
        event["remediation"] = json!({ "desc": steps.trim_end() });
        if !rule.references.is_empty() {
            event["remediation"]["references"] = json!(rule.references);
        }
    }
    event
}

fn finding_info(rule: &Rule, id: &str, title: &str, now: i64) -> Json {
    let attacks = Attacks::of_tags(rule.tags.iter().map(|tag| tag.value.as_str()));
    let mut info = json!({
        "uid": id,
        "title": title,
        "created_time": now,
        "types": [match rule.logic { Logic::Stix { .. } => "STIX pattern", Logic::Sql(_) => "SQL rule" }],
        "analytic": {
            "uid": rule.id.to_string(), "name": rule.title, "type_id": 1, "type": "Rule", "version": rule.version(),
        },
        "data_sources": rule.sources(),
    });
    if let Some(description) = &rule.description {
        info["desc"] = json!(description.trim());
    }
    let attacks = attacks.to_ocsf();
    if !attacks.is_empty() {
        info["attacks"] = json!(attacks);
    }
    if let Some(url) = rule.references.iter().find(|reference| reference.starts_with("https://")) {
        info["src_url"] = json!(url);
    }
    info
}

fn cell_text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

fn first_of(rows: &[Map<String, Json>], names: &[&str]) -> Option<String> {
    rows.iter().find_map(|row| names.iter().find_map(|name| cell_text(row.get(*name)?)))
}

fn account(rows: &[Map<String, Json>], context: &FindingContext) -> Option<String> {
    first_of(rows, &["account", "account_id", "account_uid", "accountid"]).or_else(|| context.account.clone())
}

fn region(rows: &[Map<String, Json>], context: &FindingContext) -> Option<String> {
    first_of(rows, &["region"]).or_else(|| context.region.clone())
}

/// The title of a finding: the rule's title, and the values that tell it from other findings.
fn summary(rule: &Rule, rows: &[Map<String, Json>], events: i64) -> String {
    const LONGEST: usize = 300;
    const SHOWN: usize = 4;
    let facts: Vec<String> = rows
        .first()
        .into_iter()
        .flatten()
        .filter(|(name, _)| {
            !matches!(name.as_str(), "time" | "start_time" | "end_time" | "event_count" | matches::EVENTS)
        })
        .filter_map(|(name, value)| Some(format!("{name} {}", cell_text(value)?)))
        .take(SHOWN)
        .collect();
    let mut text = rule.title.clone();
    if !facts.is_empty() {
        text = format!("{text}: {}", facts.join(", "));
    }
    if events > 1 {
        text = format!("{text} ({events} events)");
    }
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST).chain(['…']).collect();
    }
    text
}

/// The number of evidences of some rows: a match of several observations has one per event.
fn evidence_total(rows: &[Map<String, Json>]) -> usize {
    let of_row = |row: &Map<String, Json>| match row.get(matches::EVENTS) {
        Some(Json::Array(events)) => {
            let count = row.get("event_count").and_then(Json::as_u64).and_then(|count| usize::try_from(count).ok());
            count.unwrap_or_default().max(events.len())
        }
        _ => 1,
    };
    rows.iter().map(of_row).sum()
}

/// A row as evidence: the whole row in `data`, and its known columns in their OCSF attributes.
fn evidence(row: &Map<String, Json>) -> Json {
    let mut evidence = json!({ "data": row });
    let text = |name: &str| row.get(name).and_then(cell_text);
    let port = |name: &str| row.get(name).and_then(Json::as_i64).filter(|port| (0..=65_535).contains(port));
    for (member, side) in [("src_endpoint", "src"), ("dst_endpoint", "dst")] {
        let mut endpoint = Map::new();
        if let Some(ip) = text(&format!("{side}_ip")).filter(|ip| ip.parse::<IpAddr>().is_ok()) {
            endpoint.insert("ip".to_owned(), json!(ip));
        }
        if let Some(hostname) = text(&format!("{side}_hostname")) {
            endpoint.insert("hostname".to_owned(), json!(hostname));
        }
        if !endpoint.is_empty() {
            if let Some(port) = port(&format!("{side}_port")) {
                endpoint.insert("port".to_owned(), json!(port));
            }
            evidence[member] = Json::Object(endpoint);
        }
    }
    if let Some(user) = text("user_name") {
        evidence["actor"] = json!({ "user": { "name": user } });
        if let Some(uid) = text("user_uid") {
            evidence["actor"]["user"]["uid"] = json!(uid);
        }
    }
    if let Some(operation) = text("operation") {
        evidence["api"] = json!({ "operation": operation });
        if let Some(service) = text("service") {
            evidence["api"]["service"] = json!({ "name": service });
        }
    }
    if let Some(hostname) = text("query_hostname") {
        evidence["query"] = json!({ "hostname": hostname });
    }
    evidence
}

/// The observable type for a column name. [`Version::V1_1_0`] has no others.
fn observable_type(column: &str) -> Option<(i64, &'static str)> {
    let ends = |ending: &str| column == ending || column.ends_with(&format!("_{ending}"));
    Some(if ends("ip") {
        (2, "IP Address")
    } else if ends("hostname") || ends("domain") {
        (1, "Hostname")
    } else if ends("mac") {
        (3, "MAC Address")
    } else if ends("user_name") {
        (4, "User Name")
    } else if ends("email") {
        (5, "Email Address")
    } else if ends("url") {
        (6, "URL String")
    } else if ends("file_name") || ends("file_path") {
        (7, "File Name")
    } else if ["hash", "md5", "sha1", "sha256", "imphash"].into_iter().any(ends) {
        (8, "Hash")
    } else if ends("process_name") || ends("process_path") {
        (9, "Process Name")
    } else if ends("arn") || ends("resource_uid") || ends("user_uid") || ends("access_key") {
        (10, "Resource UID")
    } else {
        return None;
    })
}

fn observables(rows: &[Map<String, Json>]) -> Vec<Json> {
    let mut found: Vec<Json> = Vec::new();
    for (name, value) in rows.iter().flat_map(matches::events_of).flatten() {
        let Some((type_id, caption)) = observable_type(name) else { continue };
        let Some(value) = cell_text(value) else { continue };
        if type_id == 2 && value.parse::<IpAddr>().is_err() {
            continue;
        }
        let observable =
            json!({ "name": place_in_evidence(name), "type_id": type_id, "type": caption, "value": value });
        if found.len() < MAX_EVIDENCE && !found.contains(&observable) {
            found.push(observable);
        }
    }
    found
}

/// The path of the attribute that holds a column's value. OCSF wants it as the observable's name.
fn place_in_evidence(column: &str) -> &'static str {
    match column {
        "src_ip" => "evidences.src_endpoint.ip",
        "src_hostname" => "evidences.src_endpoint.hostname",
        "dst_ip" => "evidences.dst_endpoint.ip",
        "dst_hostname" => "evidences.dst_endpoint.hostname",
        "user_name" => "evidences.actor.user.name",
        "query_hostname" => "evidences.query.hostname",
        _ => "evidences.data",
    }
}

impl Finding {
    /// The finding as a message. Evidence that does not fit is left out; `unmapped` has the number of rows left out.
    pub fn message(&self, rule: &Rule) -> Message {
        let attacks = Attacks::of_tags(rule.tags.iter().map(|tag| tag.value.as_str()));
        let text = |pointer: &str| self.event.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
        let mut attributes = BTreeMap::new();
        let mut add = |name, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                attributes.insert(name, Attribute::Text(value));
            }
        };
        add("kind", Some(if self.kind == MessageKind::Alert { "alert" } else { "finding" }.to_owned()));
        add("rule_id", Some(rule.id.to_string()));
        add("level", Some(if self.kind == MessageKind::Alert { Level::High } else { rule.level }.to_string()));
        add("status", Some(rule.status.to_string()));
        add("account", text("/cloud/account/uid"));
        add("region", text("/cloud/region"));
        let mut add_list = |name, values: Vec<String>| {
            if !values.is_empty() {
                attributes.insert(name, Attribute::Texts(values));
            }
        };
        add_list("tactic", attacks.tactic_ids().into_iter().map(str::to_owned).collect());
        add_list("technique", attacks.techniques.clone());
        add_list("source", rule.sources().into_iter().map(str::to_owned).collect());
        // SNS counts the names and values of attributes too.
        let of_attributes: usize =
            attributes.iter().map(|(name, value)| name.len() + value.data_type().len() + value.value().len()).sum();
        let body = self.body(MAX_MESSAGE_BYTES.saturating_sub(of_attributes + 1024));
        let title = text("/finding_info/title").unwrap_or_else(|| rule.title.clone());
        Message {
            kind: self.kind,
            id: self.message_id.clone(),
            group: rule.id.to_string(),
            subject: subject(&title, rule.level),
            body,
            attributes,
        }
    }

    /// The event as JSON of at most `limit` bytes.
    fn body(&self, limit: usize) -> String {
        let whole = self.event.to_string();
        if whole.len() <= limit {
            return whole;
        }
        let mut event = self.event.clone();
        let total = evidence_total(&self.rows);
        let evidences = event["evidences"].as_array().cloned().unwrap_or_default();
        let with = |event: &mut Json, count: usize| {
            event["unmapped"]["evidence.omitted"] = json!((total - count).to_string());
            event["evidences"] = evidences.iter().take(count).cloned().collect();
            event.to_string()
        };
        let mut kept = evidences.len();
        while kept > 1 {
            kept /= 2;
            let body = with(&mut event, kept);
            if body.len() <= limit {
                return body;
            }
        }
        // A single row may be too large, or there may be very many observables: then long texts are shortened.
        let mut longest = 16_384;
        loop {
            let mut event = event.clone();
            cut(&mut event, longest);
            let body = event.to_string();
            if body.len() <= limit || longest <= 64 {
                return body;
            }
            longest /= 2;
        }
    }
}

/// Shortens texts to `longest` characters and marks the cut.
fn cut(value: &mut Json, longest: usize) {
    match value {
        Json::String(text) if text.chars().count() > longest => {
            *text = text.chars().take(longest).chain(['…']).collect();
        }
        Json::Array(items) => items.iter_mut().for_each(|item| cut(item, longest)),
        Json::Object(members) => members.values_mut().for_each(|member| cut(member, longest)),
        _ => {}
    }
}

/// A valid SNS subject: printable ASCII, fewer than 100 characters.
fn subject(title: &str, level: Level) -> String {
    let plain = |c: char| if (' '..='~').contains(&c) { c } else { '?' };
    format!("[{level}] {title}").chars().map(plain).take(99).collect()
}
