//! Rows become bundles that are STIX; what a row cannot give is told, and stops nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use stix::Version;
use stix::bundle::{Bundler, ResultsMap, Row, RowFault};

const NOW: i128 = 1_705_320_000_000_000_000; // 2024-01-15T12:00:00Z

fn bundle(dialect: &str, version: Version, rows: &[Json]) -> (Json, Vec<RowFault>) {
    let map = ResultsMap::shipped(dialect).unwrap();
    let rows = rows.iter().map(|row| row.as_object().unwrap());
    let (bundle, faults) = Bundler::new(&map, version, "logs", NOW).bundle(rows);
    let bundle = bundle.unwrap();
    check(&bundle, version);
    (bundle, faults)
}

fn of_type<'b>(bundle: &'b Json, object_type: &str) -> Vec<&'b Json> {
    let objects = bundle["objects"].as_array().unwrap();
    let top = objects.iter().filter(|object| object["type"] == object_type);
    let inner = objects.iter().filter_map(|object| object["objects"].as_object()).flat_map(|objects| objects.values());
    top.chain(inner.filter(|object| object["type"] == object_type)).collect()
}

/// What every bundle keeps: ids are there once, references lead somewhere, observations hold something and times are in
/// order.
fn check(bundle: &Json, version: Version) {
    let objects = bundle["objects"].as_array().unwrap();
    let mut ids = HashSet::new();
    for object in objects {
        let id = object["id"].as_str().unwrap();
        assert!(id.starts_with(&format!("{}--", object["type"].as_str().unwrap())) && ids.insert(id), "{object}");
        assert_eq!(object.get("spec_version").is_some(), version == Version::V21, "{object}");
    }
    for object in objects {
        check_references(object, &ids);
        if object["type"] == "observed-data" {
            assert!(object["first_observed"].as_str() <= object["last_observed"].as_str(), "{object}");
            assert!((1..=999_999_999).contains(&object["number_observed"].as_u64().unwrap()), "{object}");
            match version {
                Version::V21 => assert!(!object["object_refs"].as_array().unwrap().is_empty(), "{object}"),
                Version::V20 => {
                    let inner = object["objects"].as_object().unwrap();
                    assert!(!inner.is_empty(), "{object}");
                    let ids: HashSet<&str> = inner.keys().map(String::as_str).collect();
                    inner.values().for_each(|object| check_references(object, &ids));
                }
            }
        }
    }
}

fn check_references(object: &Json, ids: &HashSet<&str>) {
    for (name, value) in object.as_object().unwrap() {
        assert!(!value.is_null(), "{name} of {object}");
        let targets = match value {
            Json::String(target) if name.ends_with("_ref") => vec![target.as_str()],
            Json::Array(targets) if name.ends_with("_refs") => {
                targets.iter().map(|target| target.as_str().unwrap()).collect()
            }
            _ => continue,
        };
        assert!(!targets.is_empty() && targets.iter().all(|target| ids.contains(target)), "{name} of {object}");
    }
}

#[derive(Deserialize)]
struct Vectors {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    service: Option<String>,
    map: Option<String>,
    athena_row: Option<Row>,
    rows: Option<Vec<Row>>,
}

/// Faults by entry: what the rows themselves have that STIX cannot hold.
const ROW_FAULTS: &[(&str, &[&str])] = &[
    ("B001", &["no time: the time of the export is used"]),
    ("L034", &["ip-addr:value cannot be \"12.000.22.33\": it is left out"]),
    ("P012", &[r#"file:hashes cannot be [{"algorithm":"SHA-256","algorithm_id":3,"value":"AA"}]: it is left out"#]),
    ("P014", &[r#"file:hashes cannot be [{"algorithm":"TLSH","algorithm_id":6,"value":"T1"}]: it is left out"#]),
    (
        "R004",
        &[
            "mac-addr:value cannot be \"79:32:43:C9:22:5C:B7:F0\": it is left out",
            "mac-addr:value cannot be \"7C:7F:2B:4B:BF:C2:78:1A\": it is left out",
            "it ends before it starts: the start is used for both",
        ],
    ),
];

/// With `SLUICE_STIX_BUNDLES` the bundles are written there, one a line, for other validators.
#[test]
fn every_row_of_the_vectors_becomes_a_bundle_in_both_versions() {
    let Some(text) = vectors::read("stix-results-vectors.json") else { return };
    let vectors: Vectors = serde_json::from_slice(&text).unwrap();
    let mut dump = std::env::var_os("SLUICE_STIX_BUNDLES").map(|path| std::fs::File::create(path).unwrap());
    let mut told: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut without_objects = Vec::new();
    for entry in &vectors.entries {
        let dialect = match (entry.service.as_deref(), entry.map.as_deref()) {
            (Some(service), _) => service,
            (None, Some(map @ ("guardduty" | "vpcflow"))) => map,
            _ => "ocsf",
        };
        let rows: Vec<Json> =
            entry.athena_row.iter().chain(entry.rows.iter().flatten()).cloned().map(Json::Object).collect();
        assert!(!rows.is_empty(), "{}", entry.id);
        for version in [Version::V20, Version::V21] {
            let (bundle, faults) = bundle(dialect, version, &rows);
            assert_eq!(of_type(&bundle, "observed-data").len(), rows.len(), "{}", entry.id);
            if !of_type(&bundle, "x-sluice-row").is_empty() {
                without_objects.push(entry.id.as_str());
            }
            if version == Version::V21 && !faults.is_empty() {
                told.insert(&entry.id, faults.into_iter().map(|fault| fault.fault).collect());
            }
            if let Some(file) = &mut dump {
                let number = if version == Version::V20 { "2.0" } else { "2.1" };
                writeln!(file, "{}", json!({"id": entry.id, "version": number, "bundle": bundle})).unwrap();
            }
        }
    }
    assert_eq!(vectors.entries.len(), 60);
    assert!(without_objects.is_empty(), "{without_objects:?}");
    let expected: BTreeMap<&str, Vec<String>> =
        ROW_FAULTS.iter().map(|(id, faults)| (*id, faults.iter().map(|fault| (*fault).to_owned()).collect())).collect();
    assert_eq!(told, expected);
}

#[test]
fn the_time_of_an_export_has_milliseconds() {
    let map = ResultsMap::shipped("vpcflow").unwrap();
    let row = json!({"srcaddr": "10.0.0.5", "start": "1704067200"});
    for version in [Version::V20, Version::V21] {
        let (bundle, _) = Bundler::new(&map, version, "logs", NOW + 123_456_789).bundle([row.as_object().unwrap()]);
        for object in of_type(&bundle.unwrap(), "identity") {
            assert_eq!(object["created"], "2024-01-15T12:00:00.123Z");
        }
    }
}

#[test]
fn zero_and_one_are_values() {
    let row = json!({"srcaddr": "10.0.0.5", "dstaddr": "10.0.0.6", "srcport": "0", "dstport": 1, "protocol": "1",
        "start": 1704067200, "end": "1704067260", "packets": "0", "account_id": "012345678901"});
    let (bundle, faults) = bundle("vpcflow", Version::V21, &[row]);
    let traffic = of_type(&bundle, "network-traffic")[0];
    assert_eq!((&traffic["src_port"], &traffic["dst_port"]), (&json!(0), &json!(1)));
    assert_eq!((&traffic["protocols"], &traffic["src_packets"]), (&json!(["icmp"]), &json!(0)));
    assert_eq!(of_type(&bundle, "x-aws-details")[0]["account_id"], "012345678901");
    let observed = of_type(&bundle, "observed-data")[0];
    assert_eq!(observed["first_observed"], "2024-01-01T00:00:00.000Z");
    assert_eq!(observed["last_observed"], "2024-01-01T00:01:00.000Z");
    assert_eq!(faults, []);
}

#[test]
fn what_does_not_fit_is_left_out_and_told() {
    let rows = [
        json!({"srcaddr": "10.0.0.5", "dstaddr": "not an address", "srcport": "70000", "protocol": "6",
            "start": "1704067200", "end": "1704067100"}),
        json!({"srcaddr": "10.0.0.7", "start": "soon"}),
        json!({}),
    ];
    let (bundle, faults) = bundle("vpcflow", Version::V21, &rows);
    let told: Vec<_> = faults.iter().map(|fault| (fault.row, fault.fault.as_str())).collect();
    assert_eq!(
        told,
        [
            (0, "ip-addr:value cannot be \"not an address\": it is left out"),
            (0, "network-traffic:src_port cannot be \"70000\": it is left out"),
            (0, "it ends before it starts: the start is used for both"),
            (1, "network-traffic:start cannot be \"soon\": it is left out"),
            (1, "no time: the time of the export is used"),
            (2, "no time: the time of the export is used"),
        ]
    );
    assert_eq!(of_type(&bundle, "observed-data").len(), 3);
    assert_eq!(of_type(&bundle, "x-sluice-row").len(), 1);
    let traffic = of_type(&bundle, "network-traffic")[0];
    assert!(traffic.get("dst_ref").is_none() && traffic.get("end").is_none(), "{traffic}");
}

#[test]
fn the_same_rows_make_the_same_bundle_and_equal_rows_stay_two_observations() {
    let row = json!({"srcaddr": "10.0.0.5", "start": "1704067200"});
    let (first, _) = bundle("vpcflow", Version::V21, &[row.clone(), row.clone()]);
    let (second, _) = bundle("vpcflow", Version::V21, &[row.clone(), row]);
    assert_eq!(first, second);
    assert_eq!(of_type(&first, "ipv4-addr").len(), 1);
    assert_eq!(of_type(&first, "ipv4-addr")[0]["id"], "ipv4-addr--9b2a70bf-92d9-5cd3-a61c-f06e7f0277c9");
    assert_eq!(of_type(&first, "observed-data").len(), 2);
}

#[test]
fn a_process_has_its_file_its_parent_and_its_user() {
    let hash = "a".repeat(64);
    let row = json!({"time": 1704067200123_i64, "count": 3, "process": json!({
        "name": "p", "pid": 7, "cmd_line": "p -x", "user": {"name": "eve"},
        "parent_process": {"pid": 1, "file": {"path": "C:\\Windows\\explorer.exe", "name": "explorer.exe"}},
        "file": {"name": "p.exe", "path": "/opt/p.exe", "hashes": [{"algorithm_id": 3, "value": hash},
            {"algorithm_id": 1, "value": "AA"}]},
    }).to_string()});
    let (new, _) = bundle("ocsf", Version::V21, std::slice::from_ref(&row));
    let by_id = |id: &Json| of_any(&new).into_iter().find(|object| object["id"] == *id).unwrap();
    let process = of_type(&new, "process").into_iter().find(|process| process["pid"] == 7).unwrap();
    assert!(process.get("name").is_none(), "2.1 has no process:name");
    let file = by_id(&process["image_ref"]);
    assert_eq!(file["hashes"], json!({"SHA-256": hash}));
    assert_eq!(by_id(&file["parent_directory_ref"])["path"], "/opt");
    assert_eq!(by_id(&process["creator_user_ref"])["account_login"], "eve");
    let parent = by_id(&process["parent_ref"]);
    assert_eq!(by_id(&by_id(&parent["image_ref"])["parent_directory_ref"])["path"], "C:\\Windows");
    assert_eq!(of_type(&new, "observed-data")[0]["number_observed"], 3);
    let (old, _) = bundle("ocsf", Version::V20, &[row]);
    let process = of_type(&old, "process").into_iter().find(|process| process["pid"] == 7).unwrap();
    assert_eq!(process["name"], "p");
    assert!(process.get("binary_ref").is_some() && process.get("image_ref").is_none());
    assert_eq!(of_type(&old, "user-account")[0]["user_id"], "eve", "2.0 needs it");
}

fn of_any(bundle: &Json) -> Vec<&Json> {
    bundle["objects"].as_array().unwrap().iter().collect()
}

#[test]
fn an_inbound_finding_comes_from_the_remote_side() {
    let service = |direction: &str| {
        json!({"action": {"networkConnectionAction": {
        "connectionDirection": direction, "protocol": "TCP",
        "remoteIpDetails": {"ipAddressV4": "198.51.100.7"}, "remotePortDetails": {"port": 40000},
        "localPortDetails": {"port": 22}}}})
        .to_string()
    };
    let resource = json!({"instanceDetails": {"networkInterfaces": [{"privateIpAddress": "10.0.0.5"}]}}).to_string();
    for (direction, src_port) in [("INBOUND", 40_000), ("OUTBOUND", 22)] {
        let row = json!({"createdat": "2024-01-01T00:00:00Z", "service": service(direction), "resource": resource});
        let (bundle, _) = bundle("guardduty", Version::V21, &[row]);
        assert_eq!(of_type(&bundle, "network-traffic")[0]["src_port"], src_port, "{direction}");
    }
}

#[test]
fn no_rows_are_no_bundle() {
    let map = ResultsMap::shipped("ocsf").unwrap();
    assert_eq!(Bundler::new(&map, Version::V21, "logs", NOW).bundle([]), (None, Vec::new()));
}

#[test]
fn a_map_is_checked_when_it_is_read() {
    for dialect in ResultsMap::shipped_dialects() {
        assert_eq!(ResultsMap::shipped(dialect).unwrap().dialect(), dialect);
    }
    let fault = |object: Json| {
        let map = json!({"dialect": "x", "first_observed": [], "last_observed": [], "objects": [object]});
        ResultsMap::parse(&map.to_string()).unwrap_err().to_string()
    };
    for (object, expected) in [
        (
            json!({"type": "ipv4"}),
            "object 0 of the results map (ipv4): there is no such type here; own types start with `x-`",
        ),
        (
            json!({"type": "url", "properties": {"href": "a"}}),
            "object 0 of the results map (url): the type has no property `href`",
        ),
        (
            json!({"type": "process", "properties": {"image_ref": "a"}}),
            "object 0 of the results map (process): `image_ref` is a reference and belongs under `references`",
        ),
        (
            json!({"type": "process", "references": {"image_ref": "a"}}),
            "object 0 of the results map (process): `image_ref` refers to `a`, which no object is named",
        ),
        (
            json!({"type": "process", "references": {"file_ref": "a"}}),
            "object 0 of the results map (process): the type has no reference `file_ref`",
        ),
        (
            json!({"type": "x-own", "properties": {"Bad": "a"}}),
            "object 0 of the results map (x-own): `Bad` cannot be a property's name",
        ),
    ] {
        assert_eq!(fault(object), expected);
    }
    let unknown_key = ResultsMap::parse("{\"dialect\": \"x\", \"obejcts\": []}").unwrap_err().to_string();
    assert!(unknown_key.contains("obejcts"), "{unknown_key}");
}
