//! What `validate_event` reports: one valid event, and one change to it per case.

use ocsf::schema::{Schema, Version};
use ocsf::validate::{Severity, ViolationKind, validate_event};
use serde_json::{Value, json};

/// A process launch that has nothing to complain about.
fn launch() -> Value {
    json!({
        "class_uid": 1007, "class_name": "Process Activity", "category_uid": 1, "category_name": "System Activity",
        "activity_id": 1, "activity_name": "Launch", "type_uid": 100701, "type_name": "Process Activity: Launch",
        "severity_id": 1, "severity": "Informational", "time": 1714557600000_i64, "time_dt": "2024-05-01T10:00:00.000Z",
        "metadata": {
            "version": "1.1.0", "profiles": ["host", "datetime"], "uid": "WS01/7",
            "product": {"name": "Sysmon", "vendor_name": "Microsoft"}
        },
        "device": {"hostname": "ws01.example.org", "type_id": 0, "type": "Unknown", "ip": "10.0.0.1"},
        "actor": {"process": {"pid": 4}},
        "process": {
            "pid": 4711, "cmd_line": "cmd.exe /c dir",
            "file": {
                "name": "cmd.exe", "type_id": 1,
                "hashes": [{"algorithm_id": 3, "algorithm": "SHA-256", "value": "ab".repeat(32)}]
            },
            "parent_process": {"uid": "{A1}", "user": {"name": "SYSTEM"}}
        },
        "observables": [{"name": "device.hostname", "type_id": 1, "type": "Hostname", "value": "ws01.example.org"}],
        "unmapped": {"anything": {"goes": ["here", null, 1]}},
        "status": null
    })
}

/// Puts `value` at `path` (`process.file.hashes.0.value`), making objects on the way.
fn put(event: &mut Value, path: &str, value: Value) {
    let mut at = event;
    for step in path.split('.') {
        at = match step.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => {
                if !at.is_object() {
                    *at = json!({});
                }
                &mut at[step]
            }
        };
    }
    *at = value;
}

#[track_caller]
fn reported(event: &Value) -> Vec<(String, ViolationKind)> {
    let schema = Schema::get(Version::V1_1_0);
    validate_event(schema, event).into_iter().map(|violation| (violation.path, violation.kind)).collect()
}

#[test]
fn a_valid_event_has_no_violation() {
    assert_eq!(reported(&launch()), []);
}

#[test]
fn each_break_of_the_schema_is_reported_where_it_is() {
    use ViolationKind::*;
    let long_text = "x".repeat(65536);
    for (path, value, at, kind) in [
        // Class, version, profiles.
        ("class_uid", json!(1), "class_uid", ClassUnknown),
        ("class_uid", json!(-1), "class_uid", ClassUnknown),
        ("class_uid", json!(null), "class_uid", RequiredMissing),
        ("class_uid", json!("1007"), "class_uid", WrongType),
        ("class_uid", json!(1007.5), "class_uid", WrongType),
        ("metadata.version", json!("1.0.0"), "metadata.version", VersionIncorrect),
        ("metadata.profiles", json!(["host", "datetime", "firewall"]), "metadata.profiles[2]", ProfileUnknown),
        ("metadata.profiles", json!(["datetime", "load_balancer"]), "metadata.profiles[1]", ProfileNotOfClass),
        // Which attributes there are.
        ("colour", json!("red"), "colour", AttributeUnknown),
        ("process.file.colour", json!("red"), "process.file.colour", AttributeUnknown),
        ("process.file.hashes.0.colour", json!("red"), "process.file.hashes[0].colour", AttributeUnknown),
        ("metadata.profiles", json!(["host"]), "time_dt", AttributeProfileOff),
        ("cloud", json!({"provider": "AWS"}), "cloud", AttributeProfileOff),
        ("time", json!(null), "time", RequiredMissing),
        ("process.file.type_id", json!(null), "process.file.type_id", RequiredMissing),
        ("process.file.hashes.0.value", json!(null), "process.file.hashes[0].value", RequiredMissing),
        ("metadata.profiles", json!(["datetime", "security_control"]), "action_id", RequiredMissing),
        // Types.
        ("time", json!("2024-05-01T10:00:00Z"), "time", WrongType),
        ("time", json!(1714557600.5), "time", WrongType),
        ("process.pid", json!("4711"), "process.pid", WrongType),
        ("process.name", json!(1), "process.name", WrongType),
        ("process.user", json!("SYSTEM"), "process.user", WrongType),
        ("device.is_managed", json!("true"), "device.is_managed", WrongType),
        ("metadata.profiles", json!("host"), "metadata.profiles", WrongType),
        ("metadata.profiles", json!(["datetime", 7]), "metadata.profiles[1]", WrongType),
        ("process.file.hashes", json!({"algorithm_id": 3, "value": "ab"}), "process.file.hashes", WrongType),
        ("process.file.hashes.0", json!(null), "process.file.hashes[0]", WrongType),
        ("process.cmd_line", json!(["a"]), "process.cmd_line", WrongType),
        ("unmapped", json!("text"), "unmapped", WrongType),
        ("actor", json!([]), "actor", WrongType),
        // Values.
        ("process.pid", json!(2147483648_i64), "process.pid", IntegerOverflow),
        ("process.file.size", json!(9223372036854775808_u64), "process.file.size", IntegerOverflow),
        ("process.cmd_line", json!(long_text), "process.cmd_line", ExceedsMaxLen),
        ("process.file.hashes.0.value", json!("a".repeat(65)), "process.file.hashes[0].value", ExceedsMaxLen),
        ("severity_id", json!(7), "severity_id", EnumValueUnknown),
        ("device.ip", json!("10.0.0.256"), "device.ip", PatternNotMatched),
        ("device.ip", json!("10x0x0x1"), "device.ip", PatternNotMatched),
        ("device.hostname", json!("ws_01"), "device.hostname", PatternNotMatched),
        ("device.mac", json!("18-36"), "device.mac", PatternNotMatched),
        ("time_dt", json!("2024-05-01 10:00:00"), "time_dt", PatternNotMatched),
        // Several attributes together.
        ("type_uid", json!(100702), "type_uid", TypeUidIncorrect),
        ("type_name", json!("Launch"), "type_name", SiblingIncorrect),
        ("activity_name", json!("launch"), "activity_name", SiblingIncorrect),
        ("class_name", json!("Process"), "class_name", SiblingIncorrect),
        ("category_name", json!("System"), "category_name", SiblingIncorrect),
        ("process.file.hashes.0.algorithm", json!("SHA256"), "process.file.hashes[0].algorithm", SiblingIncorrect),
        ("process.parent_process.uid", json!(null), "process.parent_process", ConstraintFailed),
        ("actor.process", json!(null), "actor", ConstraintFailed),
        ("observables.0.name", json!("device.name.x"), "observables[0].name", ObservableReference),
        ("observables.0.name", json!("cloud.region"), "observables[0].name", ObservableReference),
        ("device.os", json!({"name": "W", "type_id": 99, "type": "Other"}), "device.os.type", SiblingUninformative),
    ] {
        let mut event = launch();
        put(&mut event, path, value.clone());
        let reported = reported(&event);
        assert!(reported.contains(&(at.to_owned(), kind)), "{path} = {value}: {reported:?}");
        // A changed class or type_uid also breaks the arithmetic and its caption; everything else breaks one thing.
        if !matches!(path, "type_uid" | "metadata.profiles") {
            assert_eq!(reported.len(), 1, "{path} = {value}: {reported:?}");
        }
    }
}

#[test]
fn what_ocsf_allows_is_not_reported() {
    for (path, value) in [
        ("activity_name", json!(null)),
        ("status", json!("Success")),
        ("raw_data", json!("é".repeat(65535))),
        ("device.ip", json!("fe80::1%eth0")),
        ("device.ip", json!("::ffff:10.0.0.1")),
        ("device.os", json!({"name": "W", "type_id": 99, "type": "Windows CE"})),
        ("process.parent_process.parent_process", json!({"pid": -1, "session": {"uuid": null}})),
        ("unmapped", json!({})),
        ("enrichments", json!([{"name": "a", "value": "b", "data": [1, {"any": null}]}])),
        ("device.location", json!({"coordinates": [1, 2.5]})),
        ("observables.0.name", json!("process.file.hashes.value")),
        ("colour", json!(null)),
    ] {
        let mut event = launch();
        put(&mut event, path, value.clone());
        assert_eq!(reported(&event), [], "{path} = {value}");
    }
}

#[test]
fn an_event_that_is_no_object_is_refused() {
    for event in [json!(null), json!([]), json!("x"), json!(1)] {
        assert_eq!(reported(&event), [(String::new(), ViolationKind::WrongType)]);
    }
}

#[test]
fn an_attribute_of_a_profile_may_be_there_once_the_profile_is_on() {
    let mut event = launch();
    put(&mut event, "cloud", json!({"provider": "AWS", "region": "eu-west-1"}));
    put(&mut event, "metadata.profiles", json!(["cloud", "datetime"]));
    assert_eq!(reported(&event), []);
    put(&mut event, "cloud", Value::Null);
    assert_eq!(reported(&event), [("cloud".to_owned(), ViolationKind::RequiredMissing)]);
}

#[test]
fn arrays_of_enumeration_values_are_compared_element_by_element() {
    let event = |flag_ids: Value, flags: Value| {
        json!({
            "class_uid": 4003, "category_uid": 4, "activity_id": 6, "type_uid": 400306, "severity_id": 1, "time": 0,
            "metadata": {"version": "1.1.0", "product": {"name": "Sysmon", "vendor_name": "Microsoft"}},
            "src_endpoint": {"hostname": "ws01"}, "dst_endpoint": {"ip": "10.0.0.53"},
            "query": {"hostname": "example.org"}, "rcode_id": 0,
            "answers": [{"rdata": "10.0.0.2", "flag_ids": flag_ids, "flags": flags}]
        })
    };
    use ViolationKind::*;
    let at = |index: usize, kind| vec![(format!("answers[0].flags[{index}]"), kind)];
    assert_eq!(reported(&event(json!([1, 99]), json!(["Authoritative Answer", "Odd"]))), []);
    assert_eq!(reported(&event(json!([1, 3]), json!(["Authoritative Answer"]))), at(1, SiblingMissing));
    assert_eq!(reported(&event(json!([1]), json!(["AA"]))), at(0, SiblingIncorrect));
    assert_eq!(
        reported(&event(json!([42]), json!(["Odd"]))),
        [("answers[0].flag_ids[0]".to_owned(), EnumValueUnknown)]
    );
}

#[test]
fn constraints_follow_dotted_paths_and_count() {
    let patch = |os: Value| {
        json!({
            "class_uid": 5004, "category_uid": 5, "activity_id": 1, "type_uid": 500401, "severity_id": 1, "time": 0,
            "metadata": {"version": "1.1.0", "product": {"name": "P", "vendor_name": "V"}},
            "device": {"hostname": "ws01", "type_id": 0, "os": os}
        })
    };
    assert_eq!(reported(&patch(json!({"name": "Windows", "type_id": 100, "version": "10"}))), []);
    let without = reported(&patch(json!({"name": "Windows", "type_id": 100})));
    assert_eq!(without, [(String::new(), ViolationKind::ConstraintFailed)]);

    let session = |extra: Value| {
        let mut event = json!({
            "class_uid": 3003, "category_uid": 3, "activity_id": 1, "type_uid": 300301, "severity_id": 1, "time": 0,
            "metadata": {"version": "1.1.0", "product": {"name": "P", "vendor_name": "V"}}, "user": {"name": "u"}
        });
        event.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        reported(&event)
    };
    assert_eq!(session(json!({"privileges": ["p"]})), []);
    let broken = [(String::new(), ViolationKind::ConstraintFailed)];
    assert_eq!(session(json!({})), broken);
    assert_eq!(session(json!({"privileges": ["p"], "group": {"name": "g"}})), broken);
}

#[test]
fn only_broken_rules_are_errors() {
    let schema = Schema::get(Version::V1_1_0);
    let mut event = launch();
    put(&mut event, "device.ip", json!("nowhere"));
    let violations = validate_event(schema, &event);
    assert_eq!(violations[0].severity(), Severity::Warning);
    assert_eq!(violations[0].to_string(), "device.ip: the text \"nowhere\" is not a valid ip_t");
    put(&mut event, "device.ip", json!("1".repeat(2000)));
    let violations = validate_event(schema, &event);
    assert_eq!(violations[0].severity(), Severity::Error);
    assert!(violations.iter().all(|violation| violation.message.len() < 200));
}

#[test]
fn each_version_has_its_own_facts() {
    let mut event = launch();
    put(&mut event, "metadata.version", json!("1.3.0"));
    assert_eq!(validate_event(Schema::get(Version::V1_3_0), &event), []);
    put(&mut event, "osint", json!([]));
    let kind = |version| validate_event(Schema::get(version), &event).into_iter().map(|v| (v.path, v.kind)).next_back();
    assert_eq!(kind(Version::V1_3_0), Some(("osint".to_owned(), ViolationKind::AttributeProfileOff)));
    assert!(
        validate_event(Schema::get(Version::V1_1_0), &event).iter().any(|v| v.kind == ViolationKind::AttributeUnknown)
    );
}
