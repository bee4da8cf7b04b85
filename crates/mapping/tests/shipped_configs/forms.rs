//! The same Windows event in the form of every collector gives the same row.
//!
//! A generated event of the Kinesis agent is written in each other form; the rows must differ only in what the form does
//! not carry.

use serde_json::{Map, Value, json};
use sources::FieldNames;

use crate::harness::{Fate, Harness};

/// An event as the agent sends it, taken apart.
struct Event {
    agent: Map<String, Value>,
    title: String,
    /// Names and values in the order of the message.
    fields: Vec<(String, String)>,
}

impl Event {
    fn new(line: &str) -> Self {
        let mut agent: Map<String, Value> = serde_json::from_str(line).unwrap();
        // What the agent's configuration adds, no other collector knows.
        agent.remove("source_instance_id");
        let id = agent["EventId"].to_string();
        let names = FieldNames::shipped("windows-sysmon").unwrap();
        let names = names.of(&id).unwrap();
        let (title, text) = agent["Description"].as_str().unwrap().split_once("\r\n").unwrap();
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in text.split("\r\n") {
            let field = line.split_once(':').filter(|(name, _)| names.iter().any(|known| known == name));
            match (field, fields.last_mut()) {
                (Some((name, value)), _) => {
                    fields.push((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
                }
                (None, Some((_, value))) => *value += &format!("\r\n{line}"),
                (None, None) => panic!("no field at {line:?}"),
            }
        }
        Self { title: title.to_owned(), fields, agent }
    }

    fn get(&self, name: &str) -> Value {
        self.agent[name].clone()
    }

    fn message(&self) -> Value {
        self.get("Description")
    }

    fn data(&self) -> Map<String, Value> {
        self.fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
    }

    fn form(&self, form: &str) -> Value {
        let mut flat = self.data();
        match form {
            "winlogbeat" => json!({
                "@timestamp": "2030-01-01T00:00:00.000Z",
                "event": { "code": self.get("EventId").to_string(), "kind": "event" },
                "log": { "level": "information" },
                "winlog": {
                    "channel": self.get("LogName"), "event_id": self.get("EventId").to_string(),
                    "record_id": self.get("Index"), "computer_name": self.get("MachineName"),
                    "provider_name": self.get("ProviderName"), "time_created": self.get("TimeCreated"),
                    "event_data": self.data(),
                },
                "message": self.message(),
            }),
            "winlogbeat-message" => json!({
                "@timestamp": self.get("TimeCreated"),
                "winlog": {
                    "channel": self.get("LogName"), "event_id": self.get("EventId"), "record_id": self.get("Index"),
                    "computer_name": self.get("MachineName"), "provider_name": self.get("ProviderName"),
                },
                "message": self.message(),
            }),
            "winlogbeat-6" => json!({
                "@timestamp": self.get("TimeCreated"), "event_id": self.get("EventId"),
                "computer_name": self.get("MachineName"), "log_name": self.get("LogName"),
                "record_number": self.get("Index").to_string(), "source_name": self.get("ProviderName"),
                "level": "Information", "event_data": self.data(),
            }),
            "nxlog" => {
                // NXLog has a field of its own with the name of one of Sysmon's.
                flat.insert("EventType".to_owned(), json!("INFO"));
                let own = json!({
                    "EventTime": "2030-01-01 02:00:00", "Hostname": self.get("MachineName"), "SeverityValue": 2,
                    "EventID": self.get("EventId"), "SourceName": self.get("ProviderName"), "Version": 5,
                    "RecordNumber": self.get("Index"), "Channel": self.get("LogName"), "ProcessID": 2828,
                    "Message": self.message(), "SourceModuleName": "sysmon", "SourceModuleType": "im_msvistalog",
                });
                flat.extend(own.as_object().unwrap().clone());
                Value::Object(flat)
            }
            "fluent-bit" => json!({
                "ProviderName": self.get("ProviderName"), "EventID": self.get("EventId"), "Version": 5, "Level": 4,
                "TimeCreated": self.get("TimeCreated"), "EventRecordID": self.get("Index"), "ProcessID": 2828,
                "Channel": self.get("LogName"), "Computer": self.get("MachineName"), "Message": self.message(),
                "StringInserts": self.fields.iter().map(|(_, value)| value).collect::<Vec<_>>(),
            }),
            "get-winevent" => json!({
                "Id": self.get("EventId"), "Version": 5, "Level": 4, "ProviderName": self.get("ProviderName"),
                "LogName": self.get("LogName"), "RecordId": self.get("Index"), "MachineName": self.get("MachineName"),
                "TimeCreated": self.get("TimeCreated"), "LevelDisplayName": "Information", "Message": self.message(),
                "UserId": { "BinaryLength": 12, "Value": "S-1-5-18" },
            }),
            "evtx" | "evtx-qualifiers" => {
                let id = self.get("EventId");
                let id = if form == "evtx" { id } else { json!({ "#attributes": { "Qualifiers": 0 }, "#text": id }) };
                let data = self.fields.iter().map(|(name, value)| (name.clone(), as_evtx(name, value)));
                json!({ "Event": {
                    "#attributes": { "xmlns": "http://schemas.microsoft.com/win/2004/08/events/event" },
                    "System": {
                        "Provider": { "#attributes": { "Name": self.get("ProviderName") } },
                        "EventID": id, "Level": 4, "EventRecordID": self.get("Index"),
                        "TimeCreated": { "#attributes": { "SystemTime": self.get("TimeCreated") } },
                        "Channel": self.get("LogName"), "Computer": self.get("MachineName"),
                        "Security": { "#attributes": { "UserID": "S-1-5-18" } },
                    },
                    "EventData": data.collect::<Map<_, _>>(),
                } })
            }
            "cloudwatch" => json!({
                "messageType": "DATA_MESSAGE", "owner": "111122223333", "logGroup": "/hosts", "logStream": "pc",
                "logEvents": [{ "id": "1", "timestamp": 1, "message": Value::Object(self.agent.clone()).to_string() }],
            }),
            other => panic!("{other}"),
        }
    }
}

/// A value as the binary event has it, before it is rendered.
fn as_evtx(name: &str, value: &str) -> Value {
    let inner = value.strip_prefix('{').and_then(|value| value.strip_suffix('}'));
    match (inner, value.parse::<u32>()) {
        (Some(guid), _) if name.ends_with("Guid") || name.ends_with("GUID") => json!(guid.to_uppercase()),
        (_, Ok(number)) if number.to_string() == value => json!(number),
        _ if value == "true" || value == "false" => json!(value == "true"),
        _ if name == "LogonId" || name == "GrantedAccess" => json!(value.to_lowercase()),
        _ => json!(value),
    }
}

const FORMS: [&str; 9] = [
    "winlogbeat",
    "winlogbeat-message",
    "winlogbeat-6",
    "nxlog",
    "fluent-bit",
    "get-winevent",
    "evtx",
    "evtx-qualifiers",
    "cloudwatch",
];

/// The row without what a form may not carry: the level's name, when the log got the event, what no attribute takes.
pub(crate) fn comparable(mut event: Value) -> Value {
    let metadata = event["metadata"].as_object_mut().unwrap();
    for name in ["log_level", "logged_time", "logged_time_dt"] {
        metadata.remove(name);
    }
    let rule = event["unmapped"]["RuleName"].take();
    event["unmapped"] = json!({ "RuleName": rule });
    event
}

#[test]
fn a_sysmon_event_gives_the_same_row_from_every_collector() {
    for config in ["windows-sysmon", "windows-sysmon-precise"] {
        let harness = Harness::shipped(config);
        for (id, seed) in samples::sysmon_event_ids().flat_map(|id| (0..3).map(move |seed| (id, seed))) {
            let event = Event::new(&samples::sysmon_event(id, seed).unwrap());
            let row = |value: &Value| match harness.map(&value.to_string()) {
                Fate::Mapped(mapped) => {
                    assert!(mapped.errors.is_empty(), "{:?}\n{value}", mapped.errors);
                    (mapped.destination, comparable(mapped.event))
                }
                Fate::Refused(reason) => panic!("{reason}\n{value}"),
            };
            let expected = row(&Value::Object(event.agent.clone()));
            for form in FORMS {
                let raw = event.form(form);
                let found = row(&raw);
                assert_eq!(found, expected, "{config}: event {id} ({}) as {form}\n{raw}", event.title);
            }
        }
    }
}

#[test]
fn what_a_form_has_around_the_event_is_kept() {
    let harness = Harness::shipped("windows-sysmon");
    let event = Event::new(&samples::sysmon_event(5, 1).unwrap());
    let unmapped = |form: &str| match harness.map(&event.form(form).to_string()) {
        Fate::Mapped(mapped) => mapped.event["unmapped"].clone(),
        Fate::Refused(reason) => panic!("{reason}"),
    };
    assert_eq!(unmapped("nxlog")["EventTime"], "2030-01-01 02:00:00");
    assert_eq!(unmapped("nxlog")["nxlog.EventType"], "INFO");
    assert_eq!(unmapped("winlogbeat")["event.kind"], "event");
    assert_eq!(unmapped("winlogbeat")["message"], event.message());
    assert_eq!(unmapped("evtx")["Event.#attributes.xmlns"], "http://schemas.microsoft.com/win/2004/08/events/event");
    assert_eq!(unmapped("cloudwatch")["_envelope.logGroup"], "/hosts");
}
