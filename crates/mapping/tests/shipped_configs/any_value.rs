//! One value of a good event replaced by any other, of any type and length, or taken away: the event is written, valid, and
//! with all of its values, unless the value was one that the event cannot do without.

use std::collections::HashMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use samples::FirewallLog;
use serde_json::{Map, Value, json};

use crate::golden::golden_events;
use crate::harness::{Fate, Harness};

/// A shipped config with good events, and the fields without which one of its events cannot be written: nothing else says
/// what it is, when it was, or what OCSF requires of its class. Of a group, one field is enough.
struct Source {
    config: &'static str,
    events: fn() -> Vec<Value>,
    needed: &'static [&'static [&'static str]],
}

const SYSMON_NEEDED: &[&[&str]] = &[
    &["/EventId"],
    // `device`
    &["/MachineName", "/source_instance_id"],
    // `actor`
    &["/Description/ProcessId", "/Description/ProcessGuid", "/Description/User"],
    &[
        "/Description/SourceProcessId",
        "/Description/SourceProcessGuid",
        "/Description/SourceProcessGUID",
        "/Description/SourceUser",
    ],
    &["/Description/ParentProcessId", "/Description/ParentProcessGuid", "/Description/ParentUser"],
    // `process`
    &["/Description/ProcessId", "/Description/ProcessGuid"],
    &["/Description/TargetProcessId", "/Description/TargetProcessGuid", "/Description/TargetProcessGUID"],
    // `file`, `driver`, `reg_key`, `reg_value`
    &["/Description/TargetFilename"],
    &["/Description/TargetObject"],
    &["/Description/NewName"],
    &["/Description/PipeName"],
    &["/Description/Device"],
    &["/Description/ImageLoaded"],
    // `src_endpoint`, `dst_endpoint`
    &["/Description/SourceIp", "/Description/SourceHostname", "/Description/SourcePortName"],
    &["/Description/DestinationIp", "/Description/DestinationHostname", "/Description/DestinationPortName"],
    // `entity`
    &["/Description/Name"],
    &["/Description/Consumer", "/Description/Filter"],
    // `time`
    &["/Description/UtcTime", "/TimeCreated"],
];

const SOURCES: [Source; 10] = [
    Source { config: "windows-sysmon", events: sysmon_events, needed: SYSMON_NEEDED },
    Source { config: "windows-sysmon-precise", events: sysmon_events, needed: SYSMON_NEEDED },
    Source {
        config: "aws-network-firewall",
        events: firewall_events,
        needed: &[
            // The kind of record
            &["/event/event_type"],
            &["/event/tls_error"],
            &["/event/revocation_check"],
            // `src_endpoint` and `dst_endpoint` of all but alerts
            &["/event/src_ip"],
            &["/event/dest_ip", "/event/sni"],
            // `time`
            &["/event/timestamp", "/event_timestamp"],
        ],
    },
    Source {
        config: "aws-cloudtrail",
        events: cloudtrail_events,
        needed: &[
            // `api.operation`, and the kind of event
            &["/eventName"],
            &["/insightDetails"],
            // `time`
            &["/eventTime"],
            // `finding_info`
            &["/sharedEventID", "/eventID"],
            // `src_endpoint`
            &["/sourceIPAddress", "/vpcEndpointId", "/userIdentity/invokedBy", "/eventSource"],
            // `user` of an account change
            &[
                "/recipientAccountId",
                "/userIdentity/accountId",
                "/requestParameters/userName",
                "/requestParameters/roleName",
                "/responseElements/user",
                "/responseElements/role",
                "/responseElements/accessKey",
            ],
        ],
    },
    Source {
        config: "windows-security",
        events: security_events,
        needed: &[
            // `device`, `dst_endpoint`
            &["/Event/System/Computer"],
            // `time`
            &["/Event/System/TimeCreated/#attributes/SystemTime"],
            // `process`
            &["/Event/EventData/NewProcessId"],
            &["/Event/EventData/ProcessId"],
            // `job`
            &["/Event/EventData/TaskName"],
            // `file`, `win_resource`
            &["/Event/EventData/ObjectName"],
            &["/Event/EventData/HandleId"],
            &["/Event/EventData/ObjectServer", "/Event/EventData/Service"],
            // `entity`
            &["/Event/EventData/ServiceName"],
            &["/Event/EventData/SubcategoryGuid", "/Event/EventData/SubcategoryId"],
            // `user`, `group`
            &["/Event/EventData/TargetUserName", "/Event/EventData/TargetUserSid", "/Event/EventData/TargetSid"],
            &["/Event/EventData/OldTargetUserName", "/Event/EventData/TargetSid"],
            &["/Event/EventData/MemberSid", "/Event/EventData/MemberName"],
            &["/Event/EventData/SubjectUserSid", "/Event/EventData/SubjectUserName"],
            &["/Event/EventData/PrivilegeList"],
        ],
    },
    Source {
        config: "aws-guardduty",
        events: || events_of("aws-guardduty"),
        needed: &[
            // The envelope
            &["/detail-type"],
            &["/source"],
            &["/detail"],
            // The kind of event
            &["/type"],
            &["/detail/type"],
            &["/service", "/resource", "/severity"],
            &["/detail/service", "/detail/resource", "/detail/severity"],
            // `finding_info`
            &["/arn", "/id"],
            &["/detail/arn", "/detail/id"],
            // `time`
            &["/updatedAt", "/createdAt", "/service/eventLastSeen"],
            &["/detail/updatedAt", "/detail/createdAt", "/detail/service/eventLastSeen", "/time"],
        ],
    },
    Source {
        config: "aws-security-hub",
        events: || events_of("aws-security-hub"),
        needed: &[
            // The envelope
            &["/detail-type"],
            &["/source"],
            &["/detail/findings"],
            &["/detail/findings/0"],
            // The kind of event
            &["/ProductArn"],
            &["/detail/findings/0/ProductArn"],
            // `finding_info`
            &["/Id"],
            &["/detail/findings/0/Id"],
            // `vulnerabilities`
            &["/Vulnerabilities/0/Id"],
            &["/detail/findings/0/Vulnerabilities/0/Id"],
            // `time`
            &["/UpdatedAt", "/LastObservedAt", "/CreatedAt", "/ProcessedAt"],
            &[
                "/detail/findings/0/UpdatedAt",
                "/detail/findings/0/LastObservedAt",
                "/detail/findings/0/CreatedAt",
                "/detail/findings/0/ProcessedAt",
                "/time",
            ],
        ],
    },
    Source { config: "aws-waf", events: || events_of("aws-waf"), needed: &[&["/timestamp"]] },
    Source {
        config: "aws-eks-audit",
        events: || events_of("aws-eks-audit"),
        needed: &[&["/stageTimestamp", "/requestReceivedTimestamp", "/timestamp"]],
    },
    Source {
        config: "aws-route53-resolver",
        events: || events_of("aws-route53-resolver"),
        needed: &[&["/query_timestamp"]],
    },
];

/// Events of the Windows Security log. The texts of some are not in their rows: codes of rights that are shown in words,
/// and the mark of an IPv4 address in IPv6.
fn security_events() -> Vec<Value> {
    let events = crate::windows_security::events();
    let events = events.filter(|event| !["4768-unknown-user", "4769-expired", "5145"].contains(&event.name.as_str()));
    events.map(|event| event.evtx()).collect()
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

/// Events whose fields are members of an object, as collectors send them that read the log themselves: so that a field can
/// have a value of any type.
fn sysmon_events() -> Vec<Value> {
    let events = samples::sysmon_event_ids().filter_map(|id| samples::sysmon_event(id, 1)).map(|line| parsed(&line));
    events
        .map(|mut event| {
            let text = event["Description"].as_str().unwrap().to_owned();
            let mut lines = text.split("\r\n");
            let mut fields = Map::from_iter([("_title".to_owned(), lines.next().into())]);
            for line in lines {
                if let Some((name, value)) = line.split_once(": ") {
                    fields.insert(name.to_owned(), value.into());
                }
            }
            event["Description"] = fields.into();
            event
        })
        .collect()
}

fn firewall_events() -> Vec<Value> {
    use FirewallLog::*;
    let kinds = [
        Netflow,
        AlertAllowed,
        AlertBlocked,
        AlertHttp,
        AlertTls,
        AlertDecoder,
        TlsNoServerName,
        TlsNameMismatch,
        TlsRevoked,
        TlsRevocationUnknown,
    ];
    kinds.into_iter().map(|kind| parsed(&samples::network_firewall_log(kind, 1))).collect()
}

fn cloudtrail_events() -> Vec<Value> {
    samples::cloudtrail_kinds().map(|kind| parsed(&samples::cloudtrail_event(kind, 1).unwrap())).collect()
}

fn events_of(config: &str) -> Vec<Value> {
    golden_events(config).into_iter().map(|(_, event)| event).collect()
}

/// An event with the row that it becomes.
struct Sample {
    event: Value,
    row: String,
}

struct Samples {
    harness: Harness,
    samples: Vec<Sample>,
}

static SAMPLES: LazyLock<HashMap<&str, Samples>> = LazyLock::new(|| {
    let of = |source: &Source| {
        let harness = Harness::shipped(source.config);
        let sample = |event: Value| match harness.map(&event.to_string()) {
            Fate::Mapped(mapped) => Sample { row: mapped.event.to_string().to_lowercase(), event },
            Fate::Refused(reason) => panic!("{}: {reason}: {event}", source.config),
        };
        let samples = (source.events)().into_iter().map(sample).collect();
        (source.config, Samples { harness, samples })
    };
    SOURCES.iter().map(of).collect()
});

/// A text and a number that no sample has.
const TOKEN: &str = "oddvalue7q";
const NUMBER: u64 = 987_654_321;

/// What is put in a value's place; `None` takes it away.
fn replacements() -> Vec<Option<Value>> {
    vec![
        None,
        Some(Value::Null),
        Some(json!("")),
        Some(json!("-")),
        Some(json!(TOKEN)),
        Some(json!(format!("{TOKEN}{}", "x".repeat(200)))),
        Some(json!(format!("{TOKEN}{}", "ü".repeat(70_000)))),
        Some(json!(NUMBER)),
        Some(json!(-1.5)),
        Some(json!(true)),
        Some(json!([])),
        Some(json!({})),
        Some(json!([TOKEN, NUMBER, null, {"k": TOKEN}])),
        Some(json!({"k": {"l": [TOKEN]}, "n": NUMBER})),
    ]
}

/// The places of all values below the event itself.
fn places(value: &Value, at: String, into: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (escaped(name), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in below {
        let place = format!("{at}/{name}");
        into.push(place.clone());
        places(value, place, into);
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn replace(event: &mut Value, place: &str, value: Option<Value>) {
    if let Some(value) = value {
        *event.pointer_mut(place).unwrap() = value;
        return;
    }
    let (parent, name) = place.rsplit_once('/').unwrap();
    match event.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Value::Array(items) => {
            items.remove(name.parse().unwrap());
        }
        _ => {}
    }
}

/// The words of all values, in lower case; words of a few letters are everywhere.
fn words(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|value| words(value, into)),
        Value::Array(items) => items.iter().for_each(|item| words(item, into)),
        Value::Null | Value::Bool(_) => {}
        scalar => {
            let text = scalar.as_str().map_or_else(|| scalar.to_string(), str::to_owned).to_lowercase();
            let words = text
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| word.len() >= 4 && !word.trim_matches('0').is_empty());
            into.extend(words.map(str::to_owned));
        }
    }
}

/// Whether changes leave an event without any of some fields, of which it had one.
fn lacks(event: &Value, changes: &[(&str, Option<Value>)], fields: &[&str]) -> bool {
    let is_changed = |field: &str| {
        changes
            .iter()
            .any(|(place, _)| field.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    };
    let is_absent = |field: &str| match event.pointer(field) {
        None | Some(Value::Null) => true,
        Some(value) => ["", "-", "?"].iter().any(|text| value == text),
    };
    fields.iter().all(|field| is_changed(field) || is_absent(field)) && fields.iter().any(|field| is_changed(field))
}

/// What is wrong with what became of an event in which some values were replaced.
fn examine(source: &Source, sample: &Sample, changes: &[(&str, Option<Value>)]) -> Result<(), String> {
    let mut event = sample.event.clone();
    // A change of an outer value may take the place of a later one away.
    for (place, value) in changes {
        if event.pointer(place).is_some() {
            replace(&mut event, place, value.clone());
        }
    }
    let fault = |what: String| {
        let changes = changes.iter().map(|(place, value)| {
            let value = value.as_ref().map_or("nothing".to_owned(), Value::to_string);
            format!("{place} is {}", value.chars().take(60).collect::<String>())
        });
        Err(format!("{}: {}: {what}", source.config, changes.collect::<Vec<_>>().join(", ")))
    };
    let mapped = match SAMPLES[source.config].harness.map(&event.to_string()) {
        Fate::Mapped(mapped) => mapped,
        Fate::Refused(reason) => {
            let needed = source.needed.iter().find(|group| lacks(&sample.event, changes, group));
            return if needed.is_some() { Ok(()) } else { fault(reason) };
        }
    };
    if !mapped.errors.is_empty() {
        return fault(mapped.errors.join("; "));
    }
    let row = mapped.event.to_string().to_lowercase();
    let mut all = Vec::new();
    words(&event, &mut all);
    let is_new = |word: &str| word.starts_with(TOKEN) || word == NUMBER.to_string();
    let lost =
        all.iter().find(|word| !row.contains(word.as_str()) && (is_new(word) || sample.row.contains(word.as_str())));
    match lost {
        Some(word) => fault(format!("{:?} is lost: {row}", word.chars().take(30).collect::<String>())),
        None => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_event_with_any_values_is_written_valid_and_whole_unless_one_of_them_is_needed(
        source in 0..SOURCES.len(),
        sample in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<Index>()), 1..4),
    ) {
        let source = &SOURCES[source];
        let sample = sample.get(&SAMPLES[source.config].samples);
        let (mut all, values) = (Vec::new(), replacements());
        places(&sample.event, String::new(), &mut all);
        let changes: Vec<(&str, Option<Value>)> = changes
            .iter()
            .map(|(place, value)| (all[place.index(all.len())].as_str(), value.get(&values).clone()))
            .collect();
        let checked = examine(source, sample, &changes);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }
}

/// Every place with every replacement, in a few samples that have it: minutes, so it is run by hand (`-- --ignored`).
#[test]
#[ignore = "takes minutes"]
fn every_value_of_every_sample_may_be_anything() {
    let mut faults = std::collections::BTreeMap::<String, (u32, String)>::new();
    let mut seen = HashMap::<(&str, String), u32>::new();
    for source in &SOURCES {
        for sample in &SAMPLES[source.config].samples {
            let mut all = Vec::new();
            places(&sample.event, String::new(), &mut all);
            for place in &all {
                let count = seen.entry((source.config, place.clone())).or_default();
                *count += 1;
                if *count > 3 {
                    continue;
                }
                for value in replacements() {
                    if let Err(fault) = examine(source, sample, &[(place, value.clone())]) {
                        let what: String = fault.rsplit(": ").next().unwrap().chars().take(80).collect();
                        let key = format!(
                            "{} {place} {}",
                            source.config,
                            if fault.contains("is lost") { "LOST" } else { &what }
                        );
                        faults.entry(key).or_insert((0, fault.chars().take(1_500).collect())).0 += 1;
                    }
                }
            }
        }
    }
    let shown: Vec<String> =
        faults.iter().map(|(key, (count, example))| format!("{count} × {key}\n     {example}")).collect();
    assert!(faults.is_empty(), "{}", shown.join("\n"));
}
