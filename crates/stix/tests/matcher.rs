//! The matcher answers as the specification's own matcher does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use stix::binder::Limits;
use stix::diagnostic::Code;
use stix::matcher::{AndScope, MatchError, Matcher, observations};
use stix::{Version, parse};

#[derive(Deserialize)]
struct Vectors {
    matcher: Matching,
}

#[derive(Deserialize)]
struct Matching {
    observation_sets: BTreeMap<String, ObservationSet>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct ObservationSet {
    observations: Json,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    stix_version: String,
    pattern: String,
    observations: String,
    expected: String,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(rename = "type")]
    class: String,
}

fn version(text: &str) -> Version {
    match text {
        "2.0" => Version::V20,
        "2.1" => Version::V21,
        other => panic!("version {other}"),
    }
}

/// `match`, `no-match`, or the class of the error as the specification's matcher names it.
fn outcome(pattern: &str, grammar: Version, version: Version, data: &Json, scope: AndScope) -> String {
    let pattern = match parse(pattern, grammar) {
        Ok(pattern) => pattern,
        // Both are grammatical there, and refused when it comes to matching.
        Err(fault) if matches!(fault.first().code, Code::ZeroQualifier | Code::BadWindowText) => {
            return "MatcherException".to_owned();
        }
        Err(_) => return "ParseException".to_owned(),
    };
    let found = observations(data, version).and_then(|observed| {
        let matcher = Matcher::new(&pattern, scope)?;
        matcher.find(&observed, Limits::default())
    });
    match found {
        Ok(found) if found.is_empty() => "no-match".to_owned(),
        Ok(_) => "match".to_owned(),
        Err(_) => "MatcherException".to_owned(),
    }
}

/// Cases of 2.1 that have a qualifier twice, which the validator refuses in 2.1 and the matcher does not look at; as
/// patterns of 2.0 both take them.
const TWICE_QUALIFIED: &[&str] = &["M0660", "M0664"];

/// Cases in which one observation has both, but no single object has: the reading of rows matches, the strict one does
/// not.
const ROW_READING_MATCHES: &[&str] = &["M0236", "M0655"];

#[test]
fn every_case_of_the_specifications_matcher_has_its_outcome() {
    let Some(text) = vectors::read("stix-grammar-vectors.json") else { return };
    let vectors: Vectors = serde_json::from_slice(&text).unwrap();
    let (mut wrong, mut row_differs) = (Vec::new(), Vec::new());
    for case in &vectors.matcher.cases {
        let data = &vectors.matcher.observation_sets[&case.observations].observations;
        let expected = case.error.as_ref().map_or(&case.expected, |error| &error.class);
        let version = version(&case.stix_version);
        let grammar = if TWICE_QUALIFIED.contains(&case.id.as_str()) { Version::V20 } else { version };
        let strict = outcome(&case.pattern, grammar, version, data, AndScope::Object);
        if strict != *expected {
            wrong.push(format!("{} expected {expected}, got {strict}: {}", case.id, case.pattern));
        }
        let row = outcome(&case.pattern, grammar, version, data, AndScope::Row);
        if row != *expected {
            assert_eq!((row.as_str(), expected.as_str()), ("match", "no-match"), "{}", case.id);
            row_differs.push(case.id.as_str());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(row_differs, ROW_READING_MATCHES);
    assert_eq!(vectors.matcher.cases.len(), 842);
}

#[derive(Deserialize)]
struct Semantics {
    cases: Vec<SemanticCase>,
}

#[derive(Deserialize)]
struct SemanticCase {
    id: String,
    pattern: String,
    pattern_2_0: String,
    events: Vec<BTreeMap<String, u64>>,
    rows: Vec<u64>,
}

/// The whole way: events as observed data of both versions, comparisons and all.
#[test]
fn every_expected_row_set_of_the_semantics_vectors_is_found_in_observed_data() {
    let Some(text) = vectors::stix_semantics() else { return };
    let vectors: Semantics = serde_json::from_slice(&text).unwrap();
    for case in &vectors.cases {
        let time = |event: &BTreeMap<String, u64>| {
            let time = jiff::Timestamp::from_millisecond(event["time_ms"] as i64).unwrap();
            format!("{time:.3}")
        };
        let properties = |event: &BTreeMap<String, u64>| {
            let mut object = json!({"type": "p"});
            for (name, value) in event {
                object[name] = json!(value);
            }
            object
        };
        let old = case.events.iter().map(|event| {
            let time = time(event);
            json!({"type": "observed-data", "number_observed": event["number_observed"], "first_observed": time,
                "last_observed": time, "objects": {"0": properties(event)}})
        });
        let new = case.events.iter().map(|event| {
            let (time, id) = (time(event), format!("p--{}", event["id"]));
            let mut object = properties(event);
            object["id"] = json!(id);
            json!({"type": "bundle", "objects": [object, {"type": "observed-data", "id": "observed-data--1",
                "number_observed": event["number_observed"], "first_observed": time, "last_observed": time,
                "object_refs": [id]}]})
        });
        let both: [(&String, Version, Json); 2] =
            [(&case.pattern_2_0, Version::V20, old.collect()), (&case.pattern, Version::V21, new.collect())];
        for (text, version, data) in both {
            let pattern = parse(text, version).unwrap();
            let observed = observations(&data, version).unwrap();
            for scope in [AndScope::Row, AndScope::Object] {
                let found = Matcher::new(&pattern, scope).unwrap().find(&observed, Limits::default()).unwrap();
                let mut rows: Vec<u64> = found.iter().map(|bound| case.events[bound.row]["id"]).collect();
                rows.sort_unstable();
                assert_eq!(rows, case.rows, "{}: {text}", case.id);
            }
        }
    }
    assert!(!vectors.cases.is_empty());
}

fn seen(objects: Json) -> Json {
    let time = "2024-01-01T00:00:00Z";
    json!([{"type": "observed-data", "number_observed": 1, "first_observed": time, "last_observed": time,
        "objects": objects}])
}

fn is_match(pattern: &str, objects: Json, scope: AndScope) -> bool {
    let pattern = parse(pattern, Version::V21).unwrap();
    let observed = observations(&seen(objects), Version::V20).unwrap();
    !Matcher::new(&pattern, scope).unwrap().find(&observed, Limits::default()).unwrap().is_empty()
}

#[test]
fn and_inside_brackets_is_the_row_by_default_and_the_object_if_asked() {
    let objects = json!({"0": {"type": "ipv4-addr", "value": "198.51.100.7"},
        "1": {"type": "network-traffic", "dst_ref": "0", "dst_port": 22}});
    let across = "[ipv4-addr:value = '198.51.100.7' AND network-traffic:dst_port = 22]";
    assert!(is_match(across, objects.clone(), AndScope::Row));
    assert!(!is_match(across, objects.clone(), AndScope::Object));
    let through = "[network-traffic:dst_ref.value = '198.51.100.7' AND network-traffic:dst_port = 22]";
    assert!(is_match(through, objects, AndScope::Object));
}

#[test]
fn exists_asks_for_a_value_and_not_exists_for_none() {
    let objects = json!({"0": {"type": "file", "name": "a", "size": null}, "1": {"type": "file"}});
    for scope in [AndScope::Row, AndScope::Object] {
        assert!(is_match("[EXISTS file:name]", objects.clone(), scope));
        assert!(!is_match("[EXISTS file:size]", objects.clone(), scope));
        assert!(is_match("[NOT EXISTS file:size]", objects.clone(), scope));
    }
    assert!(!is_match("[NOT EXISTS file:name]", objects.clone(), AndScope::Row));
    assert!(is_match("[NOT EXISTS file:name]", objects.clone(), AndScope::Object));
    assert!(is_match("[NOT EXISTS process:pid]", objects.clone(), AndScope::Row));
    assert!(!is_match("[NOT EXISTS process:pid]", objects, AndScope::Object));
}

#[test]
fn networks_of_both_families_are_compared_and_other_texts_are_in_none() {
    let object = |value: &str| json!({"0": {"type": "a", "v": value}});
    for (pattern, value, expected) in [
        ("[a:v ISSUBSET '198.51.100.0/24']", "198.51.100.7", true),
        ("[a:v ISSUBSET '2001:db8::/32']", "2001:db8:1::5", true),
        ("[a:v ISSUBSET '198.51.100.0/24']", "::ffff:198.51.100.7", true),
        ("[a:v ISSUBSET '0.0.0.0/0']", "2001:db8::1", false),
        ("[a:v ISSUBSET '0.0.0.0/0']", "example.com", false),
        ("[a:v NOT ISSUBSET '0.0.0.0/0']", "example.com", true),
        ("[a:v ISSUPERSET '198.51.100.7']", "198.51.100.0/24", true),
        ("[a:v ISSUPERSET '198.51.100.7']", "198.51.100.7", true),
    ] {
        assert_eq!(is_match(pattern, object(value), AndScope::Row), expected, "{pattern} {value}");
    }
    let pattern = parse("[a:v ISSUBSET 'example.com']", Version::V21).unwrap();
    let fault = Matcher::new(&pattern, AndScope::Row).unwrap_err();
    assert_eq!(fault, MatchError::NotANetwork("example.com".to_owned()));
}

#[test]
fn times_are_exact_to_the_nanosecond() {
    let object = json!({"0": {"type": "a", "t": "2024-01-01T00:00:00.123456789Z"}});
    assert!(is_match("[a:t = t'2024-01-01T00:00:00.123456789Z']", object.clone(), AndScope::Row));
    assert!(!is_match("[a:t = t'2024-01-01T00:00:00.123456788Z']", object.clone(), AndScope::Row));
    assert!(is_match("[a:t > t'2024-01-01T00:00:00.123456788Z']", object, AndScope::Row));
}

#[test]
fn observed_data_in_another_form_is_refused_by_its_place() {
    let fault = |data: Json, version| observations(&data, version).unwrap_err().to_string();
    let good = seen(json!({}))[0].clone();
    for (change, expected) in [
        (json!({"number_observed": 0}), "observed data 1: `number_observed` is a whole number, at least 1"),
        (
            json!({"first_observed": "2024-01-01"}),
            "observed data 1: `first_observed` is not a timestamp: \"2024-01-01\"",
        ),
        (json!({"last_observed": null}), "observed data 1: `last_observed` is missing"),
        (
            json!({"last_observed": "2023-01-01T00:00:00Z"}),
            "observed data 1: `last_observed` is before `first_observed`",
        ),
    ] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(fault(json!([good, bad]), Version::V20), expected);
    }
    assert_eq!(fault(json!({"type": "bundle"}), Version::V21), "observed data 0: a bundle has `objects`");
    let other = fault(json!([{"name": "x"}]), Version::V21);
    assert_eq!(other, "observed data 0: it is neither a bundle nor an object of STIX");
}

#[test]
fn bundles_and_observed_data_of_both_versions_are_read_side_by_side() {
    let time = "2024-01-01T00:00:00Z";
    let observed = |more: Json| {
        let mut data = json!({
            "type": "observed-data", "id": "observed-data--1",
            "number_observed": 1, "first_observed": time, "last_observed": time,
        });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    let identity = json!({"type": "identity", "id": "identity--1", "name": "x"});
    let address = json!({"type": "ipv4-addr", "id": "ipv4-addr--1", "value": "198.51.100.7"});
    let of_2_0 = observed(json!({"objects": {"0": {"type": "ipv4-addr", "value": "198.51.100.7"}}}));
    let of_2_1 = observed(json!({"object_refs": ["ipv4-addr--1"]}));
    let bundle = |objects: Json| json!({"type": "bundle", "id": "bundle--1", "objects": objects});
    let pattern = parse("[ipv4-addr:value = '198.51.100.7']", Version::V21).unwrap();
    for (data, expected) in [
        (of_2_0.clone(), 1),
        (json!([of_2_0]), 1),
        (bundle(json!([identity, of_2_0])), 1),
        (bundle(json!([identity, of_2_1, address])), 1),
        (json!([of_2_1, address]), 1),
        (json!([bundle(json!([identity, of_2_0])), bundle(json!([of_2_1])), bundle(json!([address]))]), 2),
        (bundle(json!([identity])), 0),
    ] {
        for version in [Version::V20, Version::V21] {
            let observed = observations(&data, version).unwrap();
            let found = Matcher::new(&pattern, AndScope::Row).unwrap().find(&observed, Limits::default()).unwrap();
            assert_eq!(found.len(), expected, "{version:?} {data}");
        }
    }
}

#[test]
fn a_reference_that_is_none_is_an_error_and_one_that_leads_nowhere_is_nothing() {
    assert!(!is_match("[a:b_ref.v = 1]", json!({"0": {"type": "a", "b_ref": "9"}}), AndScope::Row));
    assert!(is_match(
        "[a:b_refs[1].v = 1]",
        json!({"0": {"type": "a", "v": 1, "b_refs": ["9", "0", "0"]}}),
        AndScope::Row
    ));
    let pattern = parse("[a:b_ref.v = 1]", Version::V21).unwrap();
    let observed = observations(&seen(json!({"0": {"type": "a", "b_ref": 5}})), Version::V20).unwrap();
    let fault = Matcher::new(&pattern, AndScope::Row).unwrap().find(&observed, Limits::default()).unwrap_err();
    assert_eq!(fault, MatchError::NotAReference("b_ref".to_owned()));
}

#[test]
fn an_address_with_the_prefix_of_a_single_one_is_the_address() {
    let data = |values: [&str; 2]| {
        json!([{
            "type": "observed-data", "number_observed": 1,
            "first_observed": "2024-01-01T00:00:00Z", "last_observed": "2024-01-01T00:00:00Z",
            "objects": {
                "0": { "type": "ipv4-addr", "value": values[0] },
                "1": { "type": "ipv6-addr", "value": values[1] },
                "2": { "type": "network-traffic", "src_ref": "0", "protocols": ["tcp"] },
                "3": { "type": "url", "value": values[0] },
            },
        }])
    };
    let (plain, prefixed) = (data(["10.8.8.10", "2001:db8::7"]), data(["10.8.8.10/32", "2001:db8::7/128"]));
    let is_found = |pattern: &str, data: &Json| {
        let pattern = parse(pattern, Version::V21).unwrap();
        let matcher = Matcher::new(&pattern, AndScope::Row).unwrap();
        !matcher.find(&observations(data, Version::V20).unwrap(), Limits::default()).unwrap().is_empty()
    };
    for pattern in [
        "[ipv4-addr:value = 'A']",
        "[ipv4-addr:value IN ('198.51.100.7', 'A')]",
        "[ipv4-addr:value ISSUBSET 'A']",
        "[ipv4-addr:value ISSUPERSET 'A']",
        "[network-traffic:src_ref.value = 'A']",
        "[ipv6-addr:value = 'B']",
        "[ipv6-addr:value NOT != 'B']",
    ] {
        for (a, b) in [("10.8.8.10", "2001:db8::7"), ("10.8.8.10/32", "2001:db8::7/128")] {
            let pattern = pattern.replace("'A'", &format!("'{a}'")).replace("'B'", &format!("'{b}'"));
            assert!(is_found(&pattern, &plain) && is_found(&pattern, &prefixed), "{pattern}");
        }
    }
    for pattern in [
        "[ipv4-addr:value = '10.8.8.10/31']",
        "[ipv4-addr:value != '10.8.8.10/32']",
        "[ipv4-addr:value = '10.8.8.11/32']",
    ] {
        assert!(!is_found(pattern, &plain) && !is_found(pattern, &prefixed), "{pattern}");
    }
    // As over tables, where the column is compared in lower case: IPv6 in another case, and in its long form.
    for (pattern, found) in [
        ("[ipv6-addr:value = '2001:DB8::7']", true),
        ("[ipv6-addr:value = '2001:DB8:0::7/128']", true),
        ("[ipv6-addr:value IN ('2001:DB8::7')]", true),
        ("[ipv6-addr:value != '2001:DB8::7']", false),
        ("[ipv6-addr:value = '2001:DB8::8']", false),
    ] {
        assert!(is_found(pattern, &plain) == found && is_found(pattern, &prefixed) == found, "{pattern}");
    }
    // Elsewhere a text is a text.
    assert!(!is_found("[url:value = '10.8.8.10/32']", &plain));
}
