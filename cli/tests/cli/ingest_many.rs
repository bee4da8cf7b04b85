//! Folders and prefixes of buckets as inputs.

use std::path::Path;

use local_lambda::Buckets;
use serde_json::{Value, json};

use crate::support::{Folder, Run, quarantined, run, sluice, sysmon};

fn event(id: u16, number: u64) -> String {
    samples::sysmon_event(id, number).unwrap() + "\n"
}

fn ingest<'a>(lake: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["ingest", "--lake", lake, "--mapping", "windows-sysmon", "--format", "json"], more].concat()
}

/// Runs the command against buckets.
#[track_caller]
fn run_with(buckets: &Buckets, code: i32, arguments: &[&str]) -> Run {
    let mut command = sluice(arguments);
    command.env("AWS_ENDPOINT_URL", buckets.endpoint()).env("AWS_REGION", "eu-central-1");
    command.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret").env("AWS_MAX_ATTEMPTS", "1");
    Run::of(command).ends_with(code)
}

fn rows(lake: &str) -> usize {
    run(0, &["inspect", "--format", "ndjson", lake]).lines().len()
}

#[test]
fn a_folder_is_read_recursively_by_name_without_what_is_hidden() {
    let folder = Folder::new();
    folder.write("logs/b.ndjson", event(22, 1));
    folder.write("logs/a/z.ndjson.zst", zstd::encode_all(event(5, 2).as_bytes(), 1).unwrap());
    folder.write("logs/a.ndjson", event(1, 3) + "nonsense\n");
    folder.write("logs/.hidden", "nonsense\n");
    folder.write("logs/a/.git/x", "nonsense\n");
    let (logs, lake) = (folder.path("logs"), folder.path("lake"));
    let done = run(0, &ingest(&lake, &[&logs]));
    assert_eq!(done.stderr, format!("{logs}: skipped (hidden): .hidden, a/.git\n"));
    let summary = done.json();
    assert_eq!((&summary["records_in"], &summary["quarantined"]), (&4.into(), &json!({ "undecodable": 1 })));
    assert_eq!(summary["inputs"]["read"], 3);
    let origin = &quarantined(&folder.files("lake"))[0]["origin"];
    assert_eq!(origin["name"], folder.path("logs/a.ndjson"));
    assert_eq!(rows(&lake), 3);

    let chosen = |more: &[&str]| {
        let arguments = [more, &["--no-resume", &logs]].concat();
        run(0, &ingest(&folder.path("chosen"), &arguments)).json()["inputs"]["total"].clone()
    };
    assert_eq!(chosen(&["--include", "*.zst"]), 1);
    assert_eq!(chosen(&["--include", "a/**", "--include", "b.*"]), 2);
    assert_eq!(chosen(&["--exclude", "a.ndjson"]), 2);
    let none = run(3, &ingest(&lake, &["--include", "*.gz", &logs]));
    assert_eq!(none.stderr.lines().last().unwrap(), format!("error: {logs} is a folder without a file to read"));
}

#[test]
fn a_repeated_run_reads_only_what_is_not_finished() {
    let folder = Folder::new();
    for name in ["a", "b", "c"] {
        folder.write(&format!("logs/{name}"), event(22, name.len() as u64) + &event(5, u64::from(name.as_bytes()[0])));
    }
    folder.write("logs/d", "nonsense\n");
    let (logs, lake) = (folder.path("logs"), folder.path("lake"));
    let inputs = |more: &[&str]| {
        let summary = run(0, &ingest(&lake, &[more, &[logs.as_str()]].concat())).json();
        (summary["inputs"]["read"].as_u64().unwrap(), summary["inputs"]["finished_before"].as_u64().unwrap())
    };
    assert_eq!(inputs(&[]), (4, 0));
    let before = folder.files("lake");
    assert_eq!(inputs(&[]), (0, 4));
    assert_eq!(inputs(&["--memory", "1MB"]), (0, 4), "how objects are cut says nothing of what is in them");
    assert!(before == folder.files("lake"));
    assert_eq!(rows(&lake), 6);

    // The same length, and another content.
    folder.write("logs/b", event(22, 1) + &event(5, u64::from(b'x')));
    assert_eq!(inputs(&[]), (1, 3));
    assert_eq!(inputs(&[]), (0, 4));
    assert_eq!(inputs(&["--account", "123456789012"]), (4, 0), "the records belong elsewhere");
    assert_eq!(inputs(&["--no-resume"]), (4, 0));

    // One object of the lake is lost, and then one of quarantine: what it came of is read again, and it is back.
    for part in ["ext/windows-sysmon-4003/region=us-east-1/accountId=external/", "quarantine/"] {
        let files = folder.files("lake");
        let lost: Vec<_> = files.keys().filter(|key| key.starts_with(part)).collect();
        std::fs::remove_file(folder.path(&format!("lake/{}", lost[0]))).unwrap();
        assert_eq!(inputs(&[]), (1, 3), "{part}");
        assert!(files == folder.files("lake"), "{part}");
    }
    // Files that are named are read whatever came before.
    let named = run(1, &ingest(&lake, &[&folder.path("logs/d")])).json();
    assert_eq!(named["inputs"]["read"], 1);
}

#[test]
fn what_an_earlier_run_refused_stays_refused() {
    let folder = Folder::new();
    folder.write("logs/a", "nonsense\n");
    let (logs, lake) = (folder.path("logs"), folder.path("lake"));
    assert_eq!(run(1, &ingest(&lake, &[&logs])).json()["inputs"]["read"], 1);
    let again = run(1, &ingest(&lake, &[&logs]));
    assert_eq!(again.json()["inputs"]["finished_before"], 1);
    let said =
        "warning: an earlier run refused all records of these inputs; nothing was written to the lake\nnext steps:";
    assert!(again.stderr.starts_with(said), "{}", again.stderr);
    folder.write("logs/b", event(22, 1));
    assert_eq!(run(0, &ingest(&lake, &[&logs])).stderr, "");
    folder.write("logs/c", "more nonsense\n");
    let mixed = run(0, &ingest(&lake, &[&logs]));
    assert_eq!(mixed.stderr, format!("warning: all records of 1 input were refused: {logs}/c\n"));
}

#[cfg(unix)]
#[test]
fn one_bad_file_does_not_keep_the_others_out_and_is_tried_again() {
    let folder = Folder::new();
    folder.write("logs/a", event(22, 1));
    folder.write("logs/c", event(5, 2));
    let (logs, lake, bad) = (folder.path("logs"), folder.path("lake"), folder.path("logs/b"));
    std::os::unix::fs::symlink("not-there-yet", &bad).unwrap();
    let failed = run(3, &ingest(&lake, &[&logs]));
    let (said, error) = failed.stderr.split_once('\n').unwrap();
    assert_eq!(said, format!("failed: cannot read {bad}: No such file or directory (os error 2)"));
    assert!(error.starts_with("error: 1 of 3 inputs failed. "), "{error}");
    let summary = failed.json();
    assert_eq!((&summary["inputs"]["read"], &summary["failed"][0]["input"]), (&2.into(), &bad.as_str().into()));
    folder.write("logs/not-there-yet", sysmon(50));
    let again = run(0, &ingest(&lake, &["--exclude", "not-there-yet", &logs])).json();
    assert_eq!((&again["inputs"]["read"], &again["inputs"]["finished_before"]), (&1.into(), &2.into()));
    assert_eq!(rows(&lake), 52);
}

#[test]
fn the_lake_is_no_input_of_itself() {
    let folder = Folder::new();
    folder.write("all/log", event(22, 1));
    let (all, lake) = (folder.path("all"), folder.path("all/lake"));
    run(0, &ingest(&lake, &[&all]));
    let again = run(0, &ingest(&lake, &[&all]));
    assert_eq!(again.json()["inputs"]["total"], 1);
    assert!(
        again.stderr.contains("skipped (part of the lake or quarantine): lake/ext, lake/ingested"),
        "{}",
        again.stderr
    );
}

#[cfg(unix)]
#[test]
fn links_to_files_are_read_and_links_to_folders_are_not() {
    let folder = Folder::new();
    let file = folder.write("elsewhere/x", event(22, 1));
    folder.write("logs/a", event(5, 1));
    std::os::unix::fs::symlink(file, folder.path("logs/b")).unwrap();
    std::os::unix::fs::symlink(folder.path("logs"), folder.path("logs/loop")).unwrap();
    let done = run(0, &ingest(&folder.path("lake"), &[&folder.path("logs")]));
    assert_eq!(done.json()["inputs"]["read"], 2);
    assert!(done.stderr.ends_with(": skipped (symbolic link to a folder): loop\n"), "{}", done.stderr);
}

#[test]
fn objects_of_a_prefix_are_read_page_by_page_and_skipped_when_finished() {
    let (folder, buckets) = (Folder::new(), Buckets::start().unwrap());
    buckets.keep_versions();
    for n in 0..1010 {
        buckets.put(&format!("logs/2025/{n:04}.txt"), "not of interest");
    }
    let last = event(1, 3) + "nonsense\n";
    buckets.put("logs/2025/03/a.ndjson", event(22, 1));
    buckets.put("logs/2025/zz.ndjson.zst", zstd::encode_all(event(5, 2).as_bytes(), 1).unwrap());
    buckets.put("logs/2025/zzz.ndjson", last.clone());
    buckets.put("logs/2025/.tmp/x.ndjson", "nonsense");
    buckets.put("logs/2025/empty/", "");
    buckets.put("logs/2025-old/x.ndjson", "nonsense");
    let lake = folder.path("lake");
    let arguments = ingest(&lake, &["--include", "*.ndjson*", "s3://logs/2025"]);
    let done = run_with(&buckets, 0, &arguments);
    assert_eq!(done.stderr, "s3://logs/2025: skipped (hidden): .tmp/x.ndjson\ns3://logs/2025: 3 objects\n");
    let summary = done.json();
    assert_eq!((&summary["records_in"], &summary["inputs"]["read"]), (&4.into(), &3.into()));
    assert_eq!(
        summary["examples"]["undecodable"]["place"].as_str().unwrap().split(',').next(),
        Some("s3://logs/2025/zzz.ndjson")
    );
    let origin = quarantined(&folder.files("lake"))[0]["origin"].clone();
    let version = Buckets::version(last.as_bytes());
    let expected = json!({
        "kind": "s3", "bucket": "logs", "key": "2025/zzz.ndjson", "version": version,
        "offset": origin["offset"], "index": 1
    });
    assert_eq!(origin, expected);

    // The same content gives the same keys, wherever it comes from.
    let file = folder.write("a.ndjson", event(22, 1));
    run(0, &ingest(&folder.path("other"), &["--region", "eu-central-1", &file]));
    let objects = |lake: &str| {
        let files = folder.files(lake).into_iter();
        files.filter(|(key, _)| key.starts_with("ext/windows-sysmon-4003/")).collect::<Vec<_>>()
    };
    assert!(objects("lake") == objects("other"));

    let reads = buckets.reads().len();
    let again = run_with(&buckets, 0, &arguments).json();
    assert_eq!((&again["inputs"]["read"], &again["inputs"]["finished_before"]), (&0.into(), &3.into()));
    assert_eq!(buckets.reads().len(), reads, "nothing is read twice");
    buckets.put("logs/2025/zzz.ndjson", event(1, 4) + "nonsense\n");
    let changed = run_with(&buckets, 0, &arguments).json();
    assert_eq!((&changed["inputs"]["read"], &changed["inputs"]["finished_before"]), (&1.into(), &2.into()));
}

#[test]
fn a_bucket_is_lake_and_input_and_failures_are_listed() {
    let buckets = Buckets::start().unwrap();
    for (id, name) in [(22, "a"), (5, "b"), (1, "c")] {
        buckets.put(&format!("all/logs/{name}"), event(id, 1));
    }
    buckets.refuse("all/logs/a");
    // A connection that breaks off is tried again at once.
    buckets.break_off("all/logs/b");
    let arguments = ingest("s3://all/lake", &["s3://all"]);
    let failed = run_with(&buckets, 3, &arguments);
    assert!(failed.stderr.contains("failed: read s3://all/logs/a: AccessDenied"), "{}", failed.stderr);
    assert_eq!(failed.json()["inputs"]["read"], 2);
    let again = run_with(&buckets, 0, &arguments);
    assert!(again.stderr.contains("skipped (part of the lake or quarantine): lake/ext/"), "{}", again.stderr);
    let counts = &again.json()["inputs"];
    assert_eq!((&counts["read"], &counts["finished_before"], &counts["total"]), (&1.into(), &2.into(), &3.into()));
    let keys: Vec<String> = buckets.objects("all/lake/").into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys.iter().filter(|key| key.starts_with("all/lake/ingested/")).count(), 3);
    assert_eq!(keys.iter().filter(|key| key.starts_with("all/lake/ext/")).count(), 3);
}

#[test]
fn a_place_in_a_bucket_is_an_object_or_what_is_below_it() {
    let (folder, buckets) = (Folder::new(), Buckets::start().unwrap());
    buckets.put("logs/app", event(22, 1));
    buckets.put("logs/app/x", event(5, 1));
    buckets.put("logs/day-1", event(5, 2));
    buckets.put("logs/day-2", event(1, 2));
    let total = |place: &str| {
        let done = run_with(&buckets, 0, &ingest(&folder.path("lake"), &["--no-resume", place]));
        (done.json()["inputs"]["total"].as_u64().unwrap(), done.stderr)
    };
    assert_eq!(total("s3://logs/app"), (1, String::new()));
    assert_eq!(total("s3://logs/app/").0, 1);
    assert_eq!(total("s3://logs").0, 4);
    let (by_start, said) = total("s3://logs/day");
    assert!(by_start == 2 && said.contains("reading the objects whose key begins with day\n"), "{said}");
    let none = run_with(&buckets, 3, &ingest(&folder.path("lake"), &["s3://logs/none"]));
    assert_eq!(none.stderr, "error: s3://logs/none has no objects\n");
    let arguments = ["map", "--mapping", "windows-sysmon", "--format", "json", "s3://logs/app"];
    let mapped: Value = run_with(&buckets, 0, &arguments).json();
    assert_eq!(mapped["events"][0]["mapped"]["event"], "22");
    assert!(Path::new(&folder.path("lake")).is_dir());
}
