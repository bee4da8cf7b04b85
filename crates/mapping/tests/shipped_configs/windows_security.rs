//! The Windows Security event log: each kind of event, and the same event from every collector.
//!
//! `windows-security.ndjson` has invented events: the values of `EventData` as the log stores them, and the message that
//! Windows renders from them. `windows-security-odd.ndjson` has raw events in odd forms.

use serde_json::{Map, Value, json};

use crate::golden::{Case, case, check_golden};
use crate::harness::{Fate, Harness};

/// An invented event of the log.
pub(crate) struct Event {
    pub(crate) name: String,
    id: u64,
    success: bool,
    provider: String,
    data: Map<String, Value>,
    message: String,
}

const TIME: &str = "2026-01-01T00:00:00.010Z";
const HOST: &str = "pc-7.lab.example.com";

fn lines(file: &'static str) -> impl Iterator<Item = Value> {
    file.lines().map(|line| serde_json::from_str(line).unwrap())
}

pub(crate) fn events() -> impl Iterator<Item = Event> {
    lines(include_str!("windows-security.ndjson")).map(|event| Event {
        name: event["case"].as_str().unwrap().to_owned(),
        id: event["id"].as_u64().unwrap(),
        success: event["success"].as_bool().unwrap(),
        provider: event["provider"].as_str().unwrap_or("Microsoft-Windows-Security-Auditing").to_owned(),
        data: event["data"].as_object().unwrap().clone(),
        message: event["message"].as_str().unwrap().to_owned(),
    })
}

impl Event {
    fn audit(&self) -> &str {
        if self.success { "Audit Success" } else { "Audit Failure" }
    }

    /// The keywords of an audit event, as a hexadecimal number.
    fn keywords(&self) -> &str {
        if self.success { "0x8020000000000000" } else { "0x8010000000000000" }
    }

    /// The keywords as a signed number of 64 bits.
    fn signed_keywords(&self) -> i64 {
        if self.success { -9_214_364_837_600_034_816 } else { -9_218_868_437_227_405_312 }
    }

    /// The values as texts, as collectors write them that read the event's XML.
    fn texts(&self) -> Map<String, Value> {
        let text = |(name, value): (&String, &Value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let is_guid = name.ends_with("Guid") && text.len() == 36;
            (name.clone(), if is_guid { json!(format!("{{{}}}", text.to_lowercase())) } else { json!(text) })
        };
        self.data.iter().map(text).collect()
    }

    /// The binary event as `evtx_dump` shows it.
    pub(crate) fn evtx(&self) -> Value {
        let mut event = json!({ "System": {
            "Provider": { "#attributes": { "Name": self.provider } },
            "EventID": self.id, "Version": 2, "Level": 0, "Task": 12544, "Opcode": 0, "Keywords": self.keywords(),
            "TimeCreated": { "#attributes": { "SystemTime": TIME } }, "EventRecordID": 9,
            "Channel": "Security", "Computer": HOST,
        } });
        if self.id == 1102 {
            event["UserData"] = json!({ "LogFileCleared": self.data });
        } else {
            event["EventData"] = json!(self.data);
        }
        json!({ "Event": event })
    }

    fn form(&self, form: &str) -> Value {
        match form {
            "winlogbeat" => {
                let data = if self.id == 1102 { "user_data" } else { "event_data" };
                json!({
                    "@timestamp": TIME, "message": self.message, "log": { "level": "information" },
                    "event": { "code": self.id.to_string(), "outcome": if self.success { "success" } else { "failure" } },
                    "winlog": {
                        "channel": "Security", "event_id": self.id.to_string(), "record_id": 9, "computer_name": HOST,
                        "provider_name": self.provider, "time_created": TIME, "keywords": [self.audit()],
                        data: self.texts(),
                    },
                })
            }
            "winlogbeat-message" => json!({
                "@timestamp": TIME, "message": self.message,
                "winlog": {
                    "channel": "Security", "event_id": self.id, "record_id": 9, "computer_name": HOST,
                    "provider_name": self.provider, "keywords": [self.audit()],
                },
            }),
            "winlogbeat-6" => json!({
                "@timestamp": TIME, "event_id": self.id, "computer_name": HOST, "log_name": "Security",
                "record_number": "9", "source_name": self.provider, "level": "Information",
                "keywords": [self.audit()], "event_data": self.texts(),
            }),
            "nxlog" => {
                let mut event = self.texts();
                let own = json!({
                    "EventTime": "2026-01-01T01:00:00.010+01:00", "Hostname": HOST, "EventID": self.id,
                    "Keywords": self.signed_keywords().to_string(), "SeverityValue": 2, "SourceName": self.provider,
                    "EventType": if self.success { "AUDIT_SUCCESS" } else { "AUDIT_FAILURE" }, "Version": 2,
                    "RecordNumber": 9, "ProcessID": 700, "Channel": "Security", "Message": self.message,
                    "SourceModuleName": "eventlog", "SourceModuleType": "im_msvistalog",
                });
                event.extend(own.as_object().unwrap().clone());
                Value::Object(event)
            }
            "fluent-bit" => json!({
                "ProviderName": self.provider, "EventID": self.id, "Version": 2, "Level": 0,
                "Keywords": self.keywords(), "TimeCreated": "2026-01-01 01:00:00 +0100", "EventRecordID": 9,
                "Channel": "Security", "Computer": HOST, "Message": self.message,
                "StringInserts": self.texts().values().collect::<Vec<_>>(),
            }),
            "get-winevent" => json!({
                "Id": self.id, "Version": 2, "Level": 0, "Keywords": self.signed_keywords(),
                "ProviderName": self.provider, "LogName": "Security", "RecordId": 9, "MachineName": HOST,
                "TimeCreated": "/Date(1767225600010)/", "LevelDisplayName": "Information",
                "KeywordsDisplayNames": [self.audit()], "Message": self.message,
            }),
            "kinesis-agent" => json!({
                "EventId": self.id, "Description": self.message, "LevelDisplayName": "Information",
                "LogName": "Security", "MachineName": HOST, "ProviderName": self.provider, "TimeCreated": TIME,
                "Index": 9, "UserName": null, "Keywords": self.audit(),
            }),
            other => panic!("{other}"),
        }
    }
}

/// The row without what a form may not carry: the level's name, the time as it was written, what no attribute takes.
fn comparable(mut event: Value) -> Value {
    let metadata = event["metadata"].as_object_mut().unwrap();
    metadata.remove("log_level");
    metadata.remove("original_time");
    event.as_object_mut().unwrap().remove("unmapped");
    event
}

/// Fields that a message renders in words or leaves out.
const NOT_IN_MESSAGES: [&str; 6] =
    ["AccessReason", "ClientProcessId", "ClientProcessStartKey", "ParentProcessId", "SubcategoryId", "TransactionId"];

#[test]
fn windows_security_maps_every_kind_of_event_as_the_golden_files_say() {
    let kinds = events().map(|event| case(event.name.clone(), event.evtx().to_string()));
    let odd = lines(include_str!("windows-security-odd.ndjson"));
    let odd = odd.map(|event| case(event["case"].as_str().unwrap(), event["raw"].to_string()));
    check_golden("windows-security", kinds.chain(odd).collect::<Vec<Case>>());
}

#[test]
fn a_security_event_gives_the_same_row_from_every_collector() {
    let harness = Harness::shipped("windows-security");
    let row = |raw: &Value| match harness.map(&raw.to_string()) {
        Fate::Mapped(mapped) => {
            assert!(mapped.errors.is_empty() && mapped.problems.is_empty(), "{:?}\n{raw}", mapped.errors);
            (mapped.destination, mapped.event)
        }
        Fate::Refused(reason) => panic!("{reason}\n{raw}"),
    };
    // Only structured forms name the fields of an event that has no mapping of its own.
    for event in events().filter(|event| !matches!(event.id, 4608 | 4616)) {
        let (source, expected) = row(&event.evtx());
        for form in
            ["winlogbeat", "winlogbeat-message", "winlogbeat-6", "nxlog", "fluent-bit", "get-winevent", "kinesis-agent"]
        {
            let raw = event.form(form);
            let (found_source, mut found) = row(&raw);
            if form == "fluent-bit" {
                // It writes whole seconds.
                let times: [&[&str]; 4] =
                    [&["time"], &["time_dt"], &["process", "created_time"], &["process", "terminated_time"]];
                for path in
                    times.into_iter().chain([&["process", "created_time_dt"][..], &["process", "terminated_time_dt"]])
                {
                    let pointer = format!("/{}", path.join("/"));
                    if let (Some(found), Some(expected)) = (found.pointer_mut(&pointer), expected.pointer(&pointer)) {
                        *found = expected.clone();
                    }
                }
            }
            let has_names = matches!(form, "winlogbeat" | "winlogbeat-6" | "nxlog");
            for (name, value) in expected["unmapped"].as_object().unwrap() {
                let is_of_event = !name.contains('.') && name != "Level";
                if is_of_event && (has_names || !NOT_IN_MESSAGES.contains(&name.as_str())) {
                    assert_eq!(&found["unmapped"][name], value, "{} as {form}: {name}\n{raw}", event.name);
                }
            }
            assert_eq!(
                (found_source, comparable(found)),
                (source.clone(), comparable(expected.clone())),
                "{} as {form}\n{raw}",
                event.name
            );
        }
    }
}

#[test]
fn what_is_around_a_security_event_is_kept() {
    let harness = Harness::shipped("windows-security");
    let event = events().next().unwrap();
    let unmapped = |form: &str| match harness.map(&event.form(form).to_string()) {
        Fate::Mapped(mapped) => mapped.event["unmapped"].clone(),
        Fate::Refused(reason) => panic!("{reason}"),
    };
    assert_eq!(unmapped("nxlog")["SourceModuleName"], "eventlog");
    assert_eq!(unmapped("winlogbeat")["event.code"], "4624");
    assert!(unmapped("fluent-bit")["StringInserts[]"].as_str().unwrap().contains("NtLmSsp"));
}

#[test]
fn a_time_without_an_offset_is_utc() {
    let harness = Harness::shipped("windows-security");
    let mut raw = events().next().unwrap().form("nxlog");
    raw["EventTime"] = json!("2026-01-01 00:00:00");
    let Fate::Mapped(mapped) = harness.map(&raw.to_string()) else { panic!("{raw}") };
    assert_eq!(mapped.event["time"], 1_767_225_600_000_i64);
    assert_eq!(mapped.event["metadata"]["original_time"], "2026-01-01 00:00:00");
}
