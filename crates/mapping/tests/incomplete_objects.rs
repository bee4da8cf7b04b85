//! What becomes of a record in which an object lacks what OCSF requires of it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::sync::Arc;

use bumpalo::Bump;
use mapping::diagnostic::SourceText;
use mapping::{Mapping, ProblemKind};
use ocsf::validate::{Severity, validate_event};
use ocsf::{TableBuilder, rows_to_json};
use serde_json::{Value, json};
use sources::Document;

/// A mapping of one class, laid over what every event needs.
fn mapping(class: &str, config: Value, attributes: Value) -> Mapping {
    let mut schema_mapping = json!({
        "metadata": { "product": { "name": "Lab", "vendor_name": "Example" } }, "severity_id": 1, "activity_id": 1,
    });
    let members = schema_mapping.as_object_mut().unwrap();
    members.extend(attributes.as_object().unwrap().clone());
    let mut events = json!({
        "source_name": "lab", "timestamp": { "field": "$.at" }, "other": { "event": "any" },
        "ocsf_mapping": { "any": { "schema": class, "schema_mapping": schema_mapping } },
    });
    events.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    let text = json!({ "custom_source_events": events }).to_string();
    Mapping::from_text(&text, &|_| None)
        .unwrap_or_else(|faults| panic!("{}", faults[0].render(&SourceText::new("test", &text), false)))
}

/// What a record becomes: the valid event and the problems, `attribute: reason` each.
fn map(mapping: &Mapping, raw: Value) -> Result<(Value, Vec<String>), String> {
    let bump = Bump::new();
    let text = with_time(raw).to_string();
    let document = Document::parse(text.as_bytes(), &bump).unwrap();
    let mapped = mapping.apply(&document, &bump).map_err(|refusal| refusal.to_string())?;
    let mut builder = TableBuilder::new(Arc::clone(&mapping.tables()[mapped.table].shape));
    builder.append(&mapped.record);
    let event = rows_to_json(mapping.schema(), &builder.finish().unwrap()).unwrap().remove(0);
    let violations = validate_event(mapping.schema(), &event).into_iter();
    let errors: Vec<String> =
        violations.filter(|violation| violation.severity() == Severity::Error).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0], "{event:#}");
    let problems = mapped.problems.iter().map(|problem| match &problem.breach {
        Some(breach) => format!("{}: {breach}", problem.attribute),
        None => format!("{}: {:?}", problem.attribute, problem.kind),
    });
    Ok((event, problems.collect()))
}

fn with_time(mut raw: Value) -> Value {
    raw["at"] = json!("2025-11-12T08:00:00Z");
    raw
}

fn file_mapping(config: Value) -> Mapping {
    let attributes = json!({
        "actor": { "user": { "name": "$.user" } },
        "device": { "hostname": "$.host", "os": { "name": "$.os.name", "type_id": 0, "build": "$.os.build" } },
        "file": {
            "name": "$.file.name",
            "hashes": { "$each": { "in": "$.file.hashes", "as": { "algorithm": "@.kind", "value": "@.value" } } },
            "signature": {
                "algorithm_id": 1,
                "certificate": { "issuer": "$.file.issuer", "serial_number": "$.file.serial", "fingerprints": [
                    { "algorithm_id": 1, "value": "$.file.fingerprint" },
                ] },
                "developer_uid": "$.file.developer",
            },
        },
    });
    mapping("file_activity", config, attributes)
}

fn good_file() -> Value {
    json!({ "user": "ann", "host": "pc", "os": { "name": "Linux" }, "file": { "name": "a.txt" } })
}

#[test]
fn an_optional_object_goes_and_its_fields_stay() {
    let mut raw = good_file();
    raw["os"] = json!({ "build": "6.8" });
    let (event, problems) = map(&file_mapping(json!({})), raw).unwrap();
    assert_eq!(event["device"], json!({ "hostname": "pc", "type": "Unknown", "type_id": 0 }));
    assert_eq!(event["unmapped"], json!({ "at": "2025-11-12T08:00:00Z", "os.build": "6.8" }));
    assert_eq!(problems, ["device.os: required attribute `device.os.name` is missing"]);
}

#[test]
fn only_the_incomplete_elements_of_an_array_go() {
    let mut raw = good_file();
    let long = "f".repeat(65);
    raw["file"]["hashes"] =
        json!([{ "kind": "MD5" }, { "kind": "SHA-1", "value": "abc" }, { "kind": "SHA-256", "value": long }]);
    let (event, problems) = map(&file_mapping(json!({})), raw).unwrap();
    assert_eq!(event["file"]["hashes"], json!([{ "algorithm": "SHA-1", "algorithm_id": 2, "value": "abc" }]));
    assert_eq!(event["unmapped"]["file.hashes[].kind"], "MD5,SHA-256");
    assert_eq!(event["unmapped"]["file.hashes[].value"], long.as_str());
    let left_out = "file.hashes: required attribute `file.hashes.value` is missing";
    assert_eq!(problems, ["file.hashes.value: Type", left_out, left_out]);
    let observed: Vec<_> = event["observables"].as_array().unwrap().iter().map(|found| &found["value"]).collect();
    assert!(observed.contains(&&json!("abc")) && !observed.contains(&&json!(long)), "{observed:?}");
}

#[test]
fn an_object_that_loses_what_it_needs_goes_too() {
    let mut raw = good_file();
    // Without fingerprints there is no certificate; the signature does without one.
    raw["file"]["issuer"] = json!("CA");
    raw["file"]["serial"] = json!("01");
    raw["file"]["developer"] = json!("dev");
    let (event, problems) = map(&file_mapping(json!({})), raw.clone()).unwrap();
    let signature = json!({ "algorithm": "DSA", "algorithm_id": 1, "developer_uid": "dev" });
    assert_eq!(event["file"]["signature"], signature);
    assert_eq!((&event["unmapped"]["file.issuer"], &event["unmapped"]["file.serial"]), (&json!("CA"), &json!("01")));
    assert_eq!(
        problems,
        ["file.signature.certificate: required attribute `file.signature.certificate.fingerprints` is missing"]
    );
    // With nothing of the event left in it, its constant alone is no signature.
    raw["file"]["developer"] = Value::Null;
    let (event, _) = map(&file_mapping(json!({})), raw).unwrap();
    assert_eq!(event["file"].get("signature"), None);
}

#[test]
fn what_the_event_itself_requires_cannot_be_left_out() {
    let mut raw = good_file();
    raw["file"] = json!({ "hashes": [{ "kind": "MD5", "value": "abc" }] });
    assert_eq!(map(&file_mapping(json!({})), raw.clone()).unwrap_err(), "required attribute `file.name` is missing");
    raw["file"]["name"] = json!("a.txt");
    raw["user"] = Value::Null;
    assert_eq!(map(&file_mapping(json!({})), raw).unwrap_err(), "required attribute `actor` is missing");
}

#[test]
fn without_automatic_unmapped_the_values_are_kept_under_their_attributes() {
    let mut raw = good_file();
    raw["file"]["hashes"] = json!([{ "kind": "MD5" }, { "kind": "SHA-1" }]);
    raw["other"] = json!("not wanted");
    let (event, problems) = map(&file_mapping(json!({ "unmapped": "explicit" })), raw).unwrap();
    assert_eq!(event["unmapped"], json!({ "file.hashes.algorithm": "MD5,SHA-1" }));
    assert_eq!(problems.len(), 2);
}

#[test]
fn an_explanation_does_not_name_what_was_left_out() {
    let mapping = file_mapping(json!({}));
    let mut raw = good_file();
    raw["os"] = json!({ "build": "6.8" });
    let text = with_time(raw).to_string();
    let bump = Bump::new();
    let document = Document::parse(text.as_bytes(), &bump).unwrap();
    let mapped = mapping.explain(&document, &bump).unwrap();
    assert!(mapped.written.iter().all(|written| written.attribute != "device.os.build"));
    let problem = &mapped.problems[0];
    assert_eq!((problem.attribute.as_str(), problem.kind), ("device.os", ProblemKind::Incomplete));
    assert_eq!(problem.value, r#"{"build":"6.8"}"#);
}

#[test]
fn a_profile_that_cannot_be_had_is_off() {
    let attributes = json!({
        "src_endpoint": { "ip": "$.from" }, "dst_endpoint": { "ip": "$.to" },
        "cloud": { "provider": "$.cloud.provider", "region": "$.cloud.region" },
    });
    let mapping = mapping("network_activity", json!({ "profiles": ["cloud", "datetime"] }), attributes);
    let raw = json!({ "from": "192.0.2.1", "to": "192.0.2.2", "cloud": { "region": "eu-central-1" } });
    let (event, problems) = map(&mapping, raw).unwrap();
    assert_eq!(event["metadata"]["profiles"], json!(["datetime"]));
    assert_eq!(event.get("cloud"), None);
    assert_eq!(event["unmapped"]["cloud.region"], "eu-central-1");
    assert_eq!(problems, ["cloud: required attribute `cloud.provider` is missing"]);
}

#[test]
fn of_attributes_that_exclude_each_other_the_first_stays() {
    let attributes = json!({
        "user": { "name": "$.user" }, "privileges": ["$.privilege"], "group": { "name": "$.group" },
    });
    let mapping = mapping("authorize_session", json!({}), attributes);
    let (event, problems) = map(&mapping, json!({ "user": "ann", "privilege": "root", "group": "wheel" })).unwrap();
    assert_eq!((&event["privileges"], event.get("group")), (&json!(["root"]), None));
    assert_eq!(event["unmapped"]["group"], "wheel");
    assert_eq!(problems, ["group: `the event` needs just one of privileges, group"]);
}

#[test]
fn an_observable_of_nothing_goes_alone() {
    let attributes = json!({
        "actor": { "user": { "name": "$.user" } }, "device": { "hostname": "$.host" }, "file": { "name": "$.file" },
        "observables": { "$each": { "in": "$.seen", "as": { "name": "@.where", "type_id": 7, "value": "@.what" } } },
    });
    let mapping = mapping("file_activity", json!({}), attributes);
    let seen = json!([{ "where": "nowhere", "what": "x" }, { "where": "file.name", "what": "y" }]);
    let (event, problems) = map(&mapping, json!({ "user": "ann", "host": "pc", "file": "a", "seen": seen })).unwrap();
    let of_mapping = event["observables"].as_array().unwrap().iter().filter(|found| found["type_id"] == 7);
    assert_eq!(of_mapping.map(|found| &found["value"]).collect::<Vec<_>>(), ["y", "a"]);
    assert_eq!(event["unmapped"]["seen[].where"], "nowhere");
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn the_first_alternative_that_fits_is_taken() {
    let attributes = json!({
        "src_endpoint": { "ip": { "$first": ["$.client", "$.peer"] } }, "dst_endpoint": { "ip": "$.to" },
        "start_time": { "$first": ["$.begin", "$.opened"] },
        "end_time": { "$first": [
            { "$timestamp": { "value": "$.end", "format": "%d.%m.%Y %H:%M" } },
            { "$timestamp": { "value": "$.closed", "format": "epoch" } },
        ] },
    });
    let mapping = mapping("network_activity", json!({}), attributes);
    let raw = json!({
        "client": "localhost", "peer": "192.0.2.1", "to": "192.0.2.2", "begin": "soon", "opened": 1762934400,
        "end": "late", "closed": "1762934401",
    });
    let (event, problems) = map(&mapping, raw).unwrap();
    assert_eq!(event["src_endpoint"], json!({ "ip": "192.0.2.1" }));
    assert_eq!(
        (&event["start_time"], &event["end_time"]),
        (&json!(1_762_934_400_000_i64), &json!(1_762_934_401_000_i64))
    );
    let unmapped = json!({ "at": "2025-11-12T08:00:00Z", "client": "localhost", "begin": "soon", "end": "late" });
    assert_eq!(event["unmapped"], unmapped);
    assert_eq!(problems, ["src_endpoint.ip: Type", "start_time: Type", "end_time: Type"]);
}

#[test]
fn many_incomplete_elements_take_time_in_proportion() {
    let mut raw = good_file();
    raw["file"]["hashes"] = (0..20_000).map(|index| json!({ "kind": "MD5", "n": index })).collect();
    let (event, problems) = map(&file_mapping(json!({})), raw).unwrap();
    assert_eq!((event["file"].get("hashes"), problems.len()), (None, 20_000));
}

#[test]
fn a_port_without_an_address_is_no_endpoint() {
    let evidence = json!({
        "src_endpoint": { "ip": "$.remote.ip", "port": "$.remote.port" },
        "dst_endpoint": { "ip": "$.local.ip", "port": "$.local.port" },
    });
    let attributes = json!({ "finding_info": { "title": "$.title", "uid": "$.id" }, "evidences": [evidence] });
    let mapping = mapping("detection_finding", json!({}), attributes);
    let mut raw = json!({ "title": "Brute force", "id": "7", "remote": { "ip": "192.0.2.7", "port": 50122 } });
    raw["local"] = json!({ "port": 22 });
    let (event, problems) = map(&mapping, raw.clone()).unwrap();
    assert_eq!(event["evidences"], json!([{ "src_endpoint": { "ip": "192.0.2.7", "port": 50122 } }]));
    assert_eq!(event["unmapped"]["local.port"], "22");
    assert_eq!(problems.len(), 1, "{problems:?}");
    // Without any endpoint there is no evidence either.
    raw["remote"]["ip"] = Value::Null;
    let (event, problems) = map(&mapping, raw).unwrap();
    assert_eq!((event.get("evidences"), &event["unmapped"]["remote.port"]), (None, &json!("50122")));
    assert_eq!(problems.len(), 2, "{problems:?}");
}
