use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::support::{FAULTY, Folder, hold, quarantined, run, sluice, sysmon};

const MAPPING: [&str; 2] = ["--mapping", "windows-sysmon"];

fn ingest<'a>(lake: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["ingest", "--lake", lake], &MAPPING[..], more].concat()
}

#[test]
fn every_record_is_in_the_lake_or_in_quarantine() {
    let folder = Folder::new();
    let log = sysmon(60) + "{\"EventId\":99}\n\n{\"EventId\"\n{\"EventId\":1}\n";
    let file = folder.write("sysmon.ndjson", log);
    let lake = folder.path("lake");
    let summary = run(0, &ingest(&lake, &["--format", "json", &file])).json();
    assert_eq!(summary["records_in"], 63);
    assert_eq!(summary["quarantined"], json!({ "no_mapping": 1, "no_time": 1, "undecodable": 1 }));
    let written: u64 = summary["written"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(written, 60);
    let names: Vec<_> = summary.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "records_in",
            "written",
            "quarantined",
            "discarded",
            "examples",
            "objects",
            "bytes",
            "seconds",
            "problems",
            "repeated_fields",
            "inputs",
            "failed"
        ]
    );
    assert_eq!(
        summary["examples"]["no_mapping"],
        json!({ "message": "no event mapping for event `99`", "place": format!("{file}:61") })
    );
    assert_eq!(summary["examples"]["undecodable"]["place"], format!("{file}:63"));

    let files = folder.files("lake");
    assert_eq!(summary["objects"], files.len());
    assert_eq!(summary["bytes"], files.values().map(Vec::len).sum::<usize>());
    let rows = run(0, &["inspect", "--format", "ndjson", &lake]).lines();
    assert_eq!(rows.len(), 60);
    let refused = quarantined(&files);
    let raw: Vec<_> = refused.iter().map(|line| line["raw"].as_str().unwrap()).collect();
    assert_eq!(raw, ["{\"EventId\":99}", "{\"EventId\":1}", "{\"EventId\""]);
    assert_eq!(
        refused[0]["origin"],
        json!({ "kind": "file", "name": file, "offset": refused[0]["origin"]["offset"], "index": 60, "line": 61 })
    );
}

#[test]
fn what_the_mapping_discards_is_counted_by_its_name_and_is_in_no_store() {
    let folder = Folder::new();
    let config = json!({ "custom_source_events": {
        "extends": "windows-sysmon",
        "source_name": "windows-sysmon",
        "decode": { "steps": [{ "when": { "equals": ["$.type", "heartbeat"] }, "discard": "heartbeat" }] }
    } });
    let config = folder.write("config.json", config.to_string());
    let beats = "{\"type\":\"heartbeat\"}\n".repeat(3);
    let (log, only) = (folder.write("log", sysmon(2) + &beats), folder.write("only", &beats));
    let lake = folder.path("lake");
    let summary = run(0, &["ingest", "--lake", &lake, "--mapping", &config, "--format", "json", &log]).json();
    assert_eq!((&summary["records_in"], &summary["discarded"]), (&5.into(), &json!({ "heartbeat": 3 })));
    assert_eq!(summary["quarantined"], json!({}));
    let shown = run(0, &["ingest", "--lake", &lake, "--mapping", &config, &only]);
    assert_eq!(shown.stderr, "", "to discard everything is not to refuse it");
    assert!(shown.stdout.contains("\ndiscarded 3  by the mapping\n  heartbeat  3  100 %\n"), "{}", shown.stdout);
    assert!(quarantined(&folder.files("lake")).is_empty());
}

#[test]
fn quarantine_keeps_the_white_space_around_what_cannot_be_read() {
    let folder = Folder::new();
    let file = folder.write("log", "\t nonsense \t\r\n{\"EventId\" \u{a0} \n");
    let lake = folder.path("lake");
    run(1, &ingest(&lake, &[&file]));
    let refused = quarantined(&folder.files("lake"));
    let raw: Vec<_> = refused.iter().map(|line| line["raw"].as_str().unwrap()).collect();
    assert_eq!(raw, ["\t nonsense \t", "{\"EventId\" \u{a0} "]);
}

#[test]
fn the_summary_for_people_has_the_same_numbers() {
    let folder = Folder::new();
    let file = folder.write("sysmon.ndjson", sysmon(30) + "nonsense\n");
    let lake = folder.path("lake");
    let shown = run(0, &ingest(&lake, &[&file]));
    assert_eq!(shown.stderr, "");
    let text = shown.stdout.replace(&lake, "lake").replace(&file, "sysmon.ndjson");
    // Time and compressed size may differ between machines and versions of zstandard.
    let text: String = text
        .lines()
        .map(|line| match line {
            line if line.contains("records read in") => "… records read in …\n".to_owned(),
            line if line.contains(" objects, ") => format!("{} objects, …\n", line.split(' ').next().unwrap()),
            line => format!("{line}\n"),
        })
        .collect();
    hold("ingest/summary.txt", &text);
}

#[test]
fn the_same_input_gives_the_same_keys_and_bytes() {
    let folder = Folder::new();
    let file = folder.write("sysmon.ndjson", sysmon(300) + "nonsense\n");
    run(0, &ingest(&folder.path("a"), &[&file]));
    run(0, &ingest(&folder.path("b"), &[&file]));
    let first = folder.files("a");
    assert!(first.len() > 8);
    assert!(first == folder.files("b"));
    run(0, &ingest(&folder.path("a"), &[&file]));
    assert!(first == folder.files("a"), "a second time over the first");
}

/// Enough for several objects of a class with the smallest memory, so that batches are sealed in the middle.
#[test]
fn keys_do_not_depend_on_how_a_pipe_delivers() {
    let folder = Folder::new();
    let log = sysmon(400);
    let file = folder.write("sysmon.ndjson", &log);
    let packed = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let gzip = folder.write("sysmon.gz", packed(&log));
    let small = ["--memory", "200kB"];
    for (name, file, bytes) in [("plain", file, log.clone().into_bytes()), ("gzip", gzip, packed(&log))] {
        let from_file = folder.path(&format!("{name}-file"));
        run(0, &ingest(&from_file, &[&small[..], &[&file]].concat()));
        let expected = folder.files(&format!("{name}-file"));
        let parts = expected.keys().filter(|key| key.contains("ingest-00001-")).count();
        assert!(parts > 0, "everything fitted into one batch, so this tests nothing");
        for chunk in [1009, 70_001] {
            let lake = folder.path(&format!("{name}-{chunk}"));
            let mut child = Command::new(env!("CARGO_BIN_EXE_sluice"))
                .args(ingest(&lake, &[&small[..], &["--quiet", "-"]].concat()))
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            for part in bytes.chunks(chunk) {
                stdin.write_all(part).unwrap();
                stdin.flush().unwrap();
            }
            drop(stdin);
            assert!(child.wait().unwrap().success());
            assert!(folder.files(&format!("{name}-{chunk}")) == expected, "{name} in pieces of {chunk}");
        }
    }
}

#[test]
fn all_forms_of_an_input_hold_the_same_records() {
    let folder = Folder::new();
    let lines = sysmon(30);
    let array = format!("{{\"Records\": [{}]}}", lines.trim_end().replace('\n', ","));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(lines.as_bytes()).unwrap();
    for (name, content) in [
        ("lines", lines.clone().into_bytes()),
        ("windows", lines.replace('\n', "\r\n").into_bytes()),
        ("records", array.clone().into_bytes()),
        ("gzip", encoder.finish().unwrap()),
        ("zstd", zstd::encode_all(array.as_bytes(), 3).unwrap()),
    ] {
        let file = folder.write(name, content);
        let lake = folder.path(&format!("lake-{name}"));
        let summary = run(0, &ingest(&lake, &["--format", "json", &file])).json();
        assert_eq!((&summary["records_in"], &summary["quarantined"]), (&30.into(), &json!({})), "{name}");
    }
}

#[test]
fn a_second_file_with_the_same_content_is_skipped_and_said_to_be() {
    let folder = Folder::new();
    let (one, two) = (folder.write("one", sysmon(3)), folder.write("two", sysmon(3)));
    let done = run(0, &ingest(&folder.path("lake"), &["--format", "json", &one, &two]));
    assert_eq!(done.stderr, format!("{two}: skipped, same content as {one}\n"));
    assert_eq!(done.json()["records_in"], 3);
    assert_eq!(run(0, &ingest(&folder.path("lake"), &["--quiet", &one, &two])).stderr, "");
}

#[test]
fn quarantine_fails_the_command_only_if_asked_to() {
    let folder = Folder::new();
    let file = folder.write("log", sysmon(1) + "nonsense\n");
    let (lake, quarantine) = (folder.path("lake"), folder.path("aside"));
    run(1, &ingest(&lake, &["--fail-on-quarantine", "--quarantine", &quarantine, &file]));
    assert_eq!(run(0, &ingest(&lake, &["--quarantine", &quarantine, &file])).stderr, "");
    assert!(folder.files("lake").keys().all(|key| key.starts_with("ext/")));
    assert_eq!(quarantined(&folder.files("aside")).len(), 1);
    let sound = folder.write("sound", sysmon(1));
    run(0, &ingest(&lake, &["--fail-on-quarantine", &sound]));
}

#[test]
fn settings_reach_the_keys() {
    let folder = Folder::new();
    let file = folder.write("log", sysmon(1));
    run(0, &ingest(&folder.path("lake"), &["--region", "eu-west-3", "--account", "123456789012", &file]));
    let files = folder.files("lake");
    let key = files.keys().next().unwrap();
    assert!(
        key.starts_with(
            "ext/windows-sysmon-1007/region=eu-west-3/accountId=123456789012/eventDay=20250303/ingest-00000-"
        ),
        "{key}"
    );
    let level = |level: &str| {
        let lake = format!("level{level}");
        run(0, &ingest(&folder.path(&lake), &["--zstd-level", level, &file]));
        folder.files(&lake).values().map(Vec::len).sum::<usize>()
    };
    assert!(level("19") < level("1"));
}

#[test]
fn a_refused_mapping_is_explained_and_nothing_is_written() {
    let folder = Folder::new();
    let file = folder.write("log", sysmon(1));
    let config = folder.write("bad.json", FAULTY);
    let refused = run(2, &["ingest", "--lake", &folder.path("lake"), "--mapping", &config, &file]);
    hold("ingest/refused.txt", &refused.stderr.replace(&config, "bad.json"));
    assert_eq!(refused.stdout, "");
    assert!(folder.files("lake").is_empty());
}

#[test]
fn what_cannot_be_read_or_written_is_an_error_that_names_it() {
    let folder = Folder::new();
    let file = folder.write("log", sysmon(1));
    let lake = folder.path("lake");
    let none = folder.path("none");
    let missing = run(3, &ingest(&lake, &[&file, &none]));
    assert_eq!(missing.stderr, format!("error: cannot read {none}: No such file or directory (os error 2)\n"));
    assert!(folder.files("lake").is_empty(), "inputs are looked at before anything is written");

    let occupied = run(3, &ingest(&file, &[&file]));
    assert!(
        occupied.stderr.starts_with(&format!("error: {file}: cannot put an object: put ext/")),
        "{}",
        occupied.stderr
    );
    assert_eq!(
        run(3, &ingest("gs://x", &[&file])).stderr,
        "error: open gs://x: a location is s3://bucket/prefix or a folder\n"
    );
    let twice = "error: `-` is given twice, but standard input can be read only once\n";
    assert_eq!(run(3, &["ingest", "--lake", &lake, "--mapping", "-", "-"]).stderr, twice);
    assert_eq!(run(3, &ingest(&lake, &["-", "-"])).stderr, twice);
}

#[test]
fn the_failure_of_one_input_is_told_at_the_end_and_the_others_go_on() {
    let folder = Folder::new();
    let (one, two) = (folder.write("one", sysmon(1)), folder.write("two", samples::sysmon_event(22, 1).unwrap()));
    let three = folder.write("three", samples::sysmon_event(5, 1).unwrap());
    // The place of the second file's objects is taken.
    folder.write("lake/ext/windows-sysmon-4003", "");
    let failed = run(3, &ingest(&folder.path("lake"), &["--format", "json", &one, &two, &three]));
    let (said, error) = failed.stderr.split_once('\n').unwrap();
    assert!(said.starts_with(&format!("failed: {two}: cannot put an object: put ext/windows-sysmon-4003/")), "{said}");
    assert_eq!(error, "error: 1 of 3 inputs failed. Run it again; objects already written are overwritten\n");
    let summary = failed.json();
    assert_eq!((&summary["records_in"], &summary["inputs"]["read"]), (&2.into(), &2.into()));
    assert_eq!((&summary["inputs"]["failed"], &summary["failed"][0]["input"]), (&1.into(), &two.as_str().into()));
}

#[test]
fn a_store_that_keeps_failing_is_not_tried_for_every_input() {
    let folder = Folder::new();
    let files: Vec<String> =
        (1..8).map(|n| folder.write(&n.to_string(), samples::sysmon_event(22, n).unwrap())).collect();
    let inputs: Vec<&str> = files.iter().map(String::as_str).collect();
    let occupied = folder.write("lake", "");
    let failed = run(3, &ingest(&occupied, &inputs));
    assert!(
        failed.stderr.contains("3 of 7 inputs failed and 4 not tried, because the store keeps failing."),
        "{failed:?}"
    );
}

#[test]
fn a_run_of_which_everything_is_refused_says_so_and_what_to_do_and_fails() {
    let folder = Folder::new();
    let log = folder.write("app.log", "nonsense\nmore\u{1b}[2J nonsense\n{\"EventId\":99}\n");
    let refused = run(1, &ingest(&folder.path("lake"), &[&log]));
    let stderr = refused.stderr.replace(&folder.path(""), "");
    hold("ingest/all-refused.txt", &stderr);
    assert_eq!(run(1, &ingest(&folder.path("lake"), &["--quiet", &log])).stderr, refused.stderr);
    let coloured = run(1, &ingest(&folder.path("lake"), &["--color", "always", &log])).stderr;
    assert!(coloured.starts_with("\u{1b}[33mwarning:\u{1b}[0m "), "{coloured}");
    // One record that is written makes it a usual run.
    let sound = folder.write("sound", sysmon(1));
    let mixed = run(0, &ingest(&folder.path("lake"), &[&log, &sound]));
    assert_eq!(mixed.stderr, format!("warning: all records of 1 input were refused: {log}\n"));
}

#[test]
fn an_empty_input_is_no_fault() {
    let folder = Folder::new();
    let output = sluice(&ingest(&folder.path("lake"), &["--format", "json", "-"])).write_stdin("").output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "standard input: no records\n");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&summary["records_in"], &summary["objects"]), (&0.into(), &0.into()));
    assert!(folder.files("lake").is_empty());
    let (blank, empty, sound) =
        (folder.write("blank", "\n \r\n\t\n"), folder.write("empty", ""), folder.write("sound", sysmon(1)));
    let several = run(0, &ingest(&folder.path("lake"), &[&blank, &sound, &empty]));
    assert_eq!(several.stderr, format!("{blank}, {empty}: no records\n"));
}

#[test]
fn a_reader_that_stops_reading_does_not_stop_the_work() {
    let folder = Folder::new();
    let file = folder.write("log", sysmon(30));
    let lake = folder.path("lake");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(ingest(&lake, &[&file]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
    assert_eq!(run(0, &["inspect", "--format", "ndjson", &lake]).lines().len(), 30);
}
