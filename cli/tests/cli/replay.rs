use std::io::{Read as _, Write as _};

use lake::quarantine::{MAX_LINE_BYTES, Origin, Part, QuarantineLine, Reason, seal_lines};
use serde_json::{Value, json};

use crate::support::{Folder, Run, quarantined, run, sysmon};

/// A mapping that knows event 99, on top of the shipped one.
fn repaired(folder: &Folder) -> String {
    let config = json!({ "custom_source_events": {
        "extends": "windows-sysmon",
        "source_name": "windows-sysmon",
        "ocsf_mapping": { "99": {
            "schema": "application_lifecycle",
            "schema_mapping": { "activity_id": 99, "activity_name": "New", "app": { "name": "Sysmon", "vendor_name": "Microsoft" } }
        } }
    } });
    folder.write("repaired.json", config.to_string())
}

fn event_99(index: u64) -> String {
    json!({ "EventId": 99, "TimeCreated": "2025-03-03T08:00:00Z", "Index": index }).to_string() + "\n"
}

/// A lake with 30 events, and in quarantine three of event 99, one that is no JSON, and one without time.
fn lake(folder: &Folder) {
    let log = sysmon(30) + &event_99(1) + &event_99(2) + "nonsense\n" + &event_99(3) + "{\"EventId\":99}\n";
    let file = folder.write("log", log);
    run(0, &["ingest", "--lake", &folder.path("lake"), "--mapping", "windows-sysmon", &file]);
}

fn replay(folder: &Folder, more: &[&str]) -> Run {
    let lake = folder.path("lake");
    let mapping = repaired(folder);
    run(
        0,
        &[&["replay", "--quarantine", &lake, "--lake", &lake, "--mapping", &mapping, "--format", "json"], more]
            .concat(),
    )
}

fn rows(folder: &Folder) -> Vec<Value> {
    run(0, &["inspect", "--format", "ndjson", &folder.path("lake")]).lines()
}

#[test]
fn what_can_be_written_now_leaves_quarantine_and_the_rest_stays_as_it_was() {
    let folder = Folder::new();
    lake(&folder);
    let before = quarantined(&folder.files("lake"));
    assert_eq!((before.len(), rows(&folder).len()), (5, 30));

    let replayed = replay(&folder, &[]).json();
    assert_eq!(replayed["records_in"], 5);
    assert_eq!(replayed["written"], json!({ "application_lifecycle": 3 }));
    assert_eq!(replayed["quarantined"], json!({ "no_time": 1, "undecodable": 1 }));

    let after = quarantined(&folder.files("lake"));
    let kept: Vec<Value> = before
        .into_iter()
        .filter(|line| ["nonsense", "{\"EventId\":99}"].contains(&line["raw"].as_str().unwrap()))
        .collect();
    assert_eq!(after, kept, "not even the reason has changed");
    let rows = rows(&folder);
    assert_eq!(rows.len(), 33);
    let uids: Vec<_> =
        rows.iter().filter(|row| row["activity_name"] == "New").map(|row| &row["metadata"]["event_code"]).collect();
    assert_eq!(uids, ["99", "99", "99"]);

    let files = folder.files("lake");
    let again = replay(&folder, &[]).json();
    assert_eq!((&again["written"], &again["objects"]), (&json!({}), &0.into()));
    assert!(files == folder.files("lake"), "replaying twice changes nothing");
}

#[test]
fn an_object_from_which_everything_left_is_removed() {
    let folder = Folder::new();
    let file = folder.write("log", event_99(1) + &event_99(2));
    run(1, &["ingest", "--lake", &folder.path("lake"), "--mapping", "windows-sysmon", &file]);
    replay(&folder, &["--fail-on-quarantine"]);
    assert!(quarantined(&folder.files("lake")).is_empty());
    assert!(folder.files("lake").keys().all(|key| key.starts_with("ext/")));
}

/// Between the put into the lake and the change of quarantine the machine may stop.
#[test]
fn an_interrupted_replay_is_repeated_under_the_same_keys() {
    let folder = Folder::new();
    lake(&folder);
    let quarantine: Vec<_> =
        folder.files("lake").into_iter().filter(|(key, _)| key.starts_with("quarantine/")).collect();
    replay(&folder, &[]);
    let done = folder.files("lake");
    for (key, object) in quarantine {
        folder.write(&format!("lake/{key}"), object);
    }
    replay(&folder, &[]);
    assert!(done == folder.files("lake"));
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let folder = Folder::new();
    lake(&folder);
    let before = folder.files("lake");
    let would = replay(&folder, &["--dry-run"]).json();
    assert_eq!((&would["written"], &would["dry_run"]), (&json!({ "application_lifecycle": 3 }), &true.into()));
    assert!(before == folder.files("lake"));
}

#[test]
fn only_the_chosen_source_and_reason_are_replayed() {
    let folder = Folder::new();
    lake(&folder);
    assert_eq!(replay(&folder, &["--reason", "undecodable"]).json()["records_in"], 1);
    assert_eq!(replay(&folder, &["--source", "other"]).json()["records_in"], 0);
    assert_eq!(replay(&folder, &["--reason", "no_mapping"]).json()["written"], json!({ "application_lifecycle": 3 }));
}

#[test]
fn a_quarantine_object_that_cannot_be_read_is_left_and_told_of() {
    let folder = Folder::new();
    lake(&folder);
    let (key, object) = folder
        .files("lake")
        .into_iter()
        .find(|(key, _)| key.starts_with("quarantine/windows-sysmon/no_mapping/"))
        .unwrap();
    let mut text = zstd::decode_all(&object[..]).unwrap();
    text.extend(b"{\"not\": \"ours\"}\n");
    let odd = zstd::encode_all(&text[..], 1).unwrap();
    folder.write(&format!("lake/{key}"), &odd);
    let (lake, mapping) = (folder.path("lake"), repaired(&folder));
    let replayed =
        run(1, &["replay", "--quarantine", &lake, "--lake", &lake, "--mapping", &mapping, "--format", "json"]);
    assert!(replayed.stderr.contains("line 5 is not a quarantined event"), "{}", replayed.stderr);
    assert_eq!((&replayed.json()["unreadable"], &replayed.json()["records_in"]), (&1.into(), &1.into()));
    assert!(folder.files("lake")[&key] == odd);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn record(number: u64) -> Origin {
    Origin::Kinesis {
        stream: "arn:aws:kinesis:eu-central-1:123456789012:stream/logs".to_owned(),
        shard: "shardId-000000000000".to_owned(),
        sequence_number: number.to_string(),
        sub_sequence: None,
        index: 0,
        arrival: 1_741_000_000_000,
    }
}

fn line(raw: &[u8], origin: Origin) -> QuarantineLine {
    QuarantineLine::new(raw, Reason::Fault, "internal error on this record", "windows-sysmon", None, origin)
}

/// Writes a quarantine object; gives its key.
fn quarantine(folder: &Folder, lines: &[QuarantineLine]) -> String {
    let key = lines[0].key().object(&"a".parse().unwrap());
    folder.write(&format!("lake/{key}"), seal_lines(lines).unwrap());
    key
}

#[test]
fn a_record_that_was_kept_whole_is_decoded_again_as_the_stream_does() {
    let log = sysmon(5) + &event_99(1) + "nonsense\n{\"EventId\":99}\n";
    let name = "a.gz".to_owned();
    let file = Origin::File { name, offset: 0, index: 0, line: None };
    for whole in [
        line(&gzip(log.as_bytes()), record(7)).of_whole(),
        line(log.as_bytes(), record(7)).of_whole(),
        line(&gzip(log.as_bytes()), file).of_whole(),
        // Lines of older versions do not say that they hold a whole record.
        line(&gzip(log.as_bytes()), record(7)),
    ] {
        let folder = Folder::new();
        let key = quarantine(&folder, &[whole]);
        let would = replay(&folder, &["--dry-run"]).json();
        assert!(folder.files("lake").keys().eq([&key]));
        let replayed = replay(&folder, &[]).json();
        assert_eq!((&replayed["records_in"], &would["records_in"]), (&8.into(), &8.into()));
        assert_eq!(replayed["quarantined"], json!({ "no_time": 1, "undecodable": 1 }));
        assert_eq!(rows(&folder).len(), 6);
        let files = folder.files("lake");
        assert!(!files.contains_key(&key), "all of it is elsewhere");
        let mut left: Vec<Value> = quarantined(&files);
        left.sort_by_key(|line| line["raw"].to_string());
        assert_eq!((&left[0]["raw"], &left[1]["raw"]), (&"nonsense".into(), &"{\"EventId\":99}".into()));
        assert_eq!(left.len(), 2);
        replay(&folder, &[]);
        assert!(files == folder.files("lake"), "replaying twice changes nothing");
    }
}

#[test]
fn a_record_that_still_cannot_be_read_to_its_end_stays_and_nothing_of_it_is_written() {
    let folder = Folder::new();
    let mut cut = gzip(sysmon(50).as_bytes());
    cut.truncate(cut.len() - 4);
    let lines = [
        line(&cut, record(1)).of_whole(),
        // Nothing of it can be written, so that nothing is gained.
        line(&gzip(b"nonsense\n"), record(2)).of_whole(),
        line(b" \n ", record(3)).of_whole(),
    ];
    quarantine(&folder, &lines);
    let before = folder.files("lake");
    let replayed = replay(&folder, &[]).json();
    assert_eq!((&replayed["written"], &replayed["quarantined"]), (&json!({}), &json!({ "fault": 3 })));
    assert!(before == folder.files("lake"));
}

/// The beginning of a text can look whole, and so can a part of a record.
#[test]
fn a_part_is_never_tried_alone_and_never_removed() {
    let folder = Folder::new();
    let part = |number, of, raw: String| line(raw.as_bytes(), record(1)).of_part(Part { number, of });
    let lines = [
        part(1, None, event_99(1)),
        line(event_99(2).as_bytes(), record(2)),
        part(2, Some(2), event_99(3)),
        line(&gzip(event_99(4).as_bytes()), record(3)).of_whole().of_part(Part { number: 1, of: Some(1) }),
    ];
    let key = quarantine(&folder, &lines);
    let replayed = replay(&folder, &[]).json();
    assert_eq!(replayed["written"], json!({ "application_lifecycle": 1 }));
    assert_eq!(replayed["quarantined"], json!({ "fault": 2 }), "parts of one thing count once");
    let kept = seal_lines([&lines[0], &lines[2], &lines[3]]).unwrap();
    assert!(folder.files("lake")[&key] == kept);
}

#[test]
fn an_object_with_a_line_that_is_too_long_is_left_and_told_of() {
    let folder = Folder::new();
    let key = quarantine(&folder, &[line(event_99(1).as_bytes(), record(1))]);
    let text = zstd::decode_all(&folder.files("lake")[&key][..]).unwrap();
    let long = text.as_slice().chain(std::io::repeat(b'x').take(MAX_LINE_BYTES + 1)).chain(&b"\n"[..]);
    let object = zstd::encode_all(long, 1).unwrap();
    folder.write(&format!("lake/{key}"), &object);
    let (lake, mapping) = (folder.path("lake"), repaired(&folder));
    let replayed =
        run(1, &["replay", "--quarantine", &lake, "--lake", &lake, "--mapping", &mapping, "--format", "json"]);
    assert!(replayed.stderr.contains("line 2 is longer than 134217728 bytes"), "{}", replayed.stderr);
    assert_eq!((&replayed.json()["unreadable"], &replayed.json()["records_in"]), (&1.into(), &0.into()));
    assert!(folder.files("lake")[&key] == object);
}

#[test]
fn quarantine_that_stays_fails_the_command_only_if_asked_to() {
    let folder = Folder::new();
    lake(&folder);
    let (lake, mapping) = (folder.path("lake"), repaired(&folder));
    let arguments = ["replay", "--quarantine", &lake, "--lake", &lake, "--mapping", &mapping];
    let shown = run(1, &[&arguments[..], &["--fail-on-quarantine"]].concat());
    assert!(shown.stdout.contains("in quarantine 2 "), "{}", shown.stdout);
    run(0, &arguments);
}

/// Events of ten accounts in turn, two of each, and one of the year 2099.
fn accounts(folder: &Folder) -> (String, String) {
    let config = json!({ "custom_source_events": {
        "extends": "windows-sysmon",
        "source_name": "windows-sysmon",
        "account": "$.Account",
        "ocsf_mapping": { "99": {
            "schema": "application_lifecycle",
            "schema_mapping": { "activity_id": 99, "activity_name": "New", "app": { "name": "Sysmon", "vendor_name": "Microsoft" } }
        } }
    } });
    let event = |index: u64, time: &str| {
        let account = format!("{:012}", index % 10);
        json!({ "EventId": 99, "TimeCreated": time, "Index": index, "Account": account }).to_string() + "\n"
    };
    let log: String = (0..20).map(|index| event(index, "2025-03-03T08:00:00Z")).collect();
    (folder.write("accounts.json", config.to_string()), folder.write("log", log + &event(20, "2099-01-01T00:00:00Z")))
}

#[test]
fn events_beyond_the_bounds_are_written_by_one_replay() {
    let folder = Folder::new();
    let (mapping, log) = accounts(&folder);
    let lake = folder.path("lake");
    let in_lake = ["--lake", &lake, "--mapping", &mapping, "--format", "json", "--partitions", "3"];
    let ingested = run(0, &[&["ingest"], &in_lake[..], &[&log]].concat()).json();
    assert_eq!(ingested["written"], json!({ "application_lifecycle": 6 }));
    assert_eq!(ingested["quarantined"], json!({ "too_many_partitions": 14, "implausible_time": 1 }));

    // The limit is not one of quarantine's replay: nothing is left, and each account has one object.
    let replay = [&["replay", "--quarantine", &lake], &in_lake[..]].concat();
    let tried = run(0, &[&replay[..], &["--dry-run"]].concat()).json();
    assert_eq!(tried["written"], json!({ "application_lifecycle": 14 }));
    let replayed = run(0, &replay).json();
    assert_eq!(replayed["written"], json!({ "application_lifecycle": 14 }));
    assert_eq!(replayed["quarantined"], json!({ "implausible_time": 1 }));
    assert_eq!(replayed["objects"], 7);
    assert_eq!((rows(&folder).len(), quarantined(&folder.files("lake")).len()), (20, 1));

    let replayed = run(0, &[&replay[..], &["--days-ahead", "36500"]].concat()).json();
    assert_eq!(replayed["written"], json!({ "application_lifecycle": 1 }));
    assert_eq!((rows(&folder).len(), quarantined(&folder.files("lake")).len()), (21, 0));
}
