use crate::support::{Folder, hold, run, sysmon};

/// A lake of some Sysmon events; the path of its DNS object.
fn lake(folder: &Folder) -> String {
    let file = folder.write("log", sysmon(90));
    run(0, &["ingest", "--lake", &folder.path("lake"), "--mapping", "windows-sysmon", &file]);
    let files = folder.files("lake");
    let key = files.keys().find(|key| key.contains("windows-sysmon-4003/")).unwrap();
    folder.path(&format!("lake/{key}"))
}

#[test]
fn an_object_is_shown_from_key_to_schema() {
    let folder = Folder::new();
    let object = lake(&folder);
    let shown = run(0, &["inspect", &object]);
    assert_eq!(shown.stderr, "");
    // Sizes and hashes follow from versions of libraries and of the mapping.
    let stable = |line: &str| match line.trim_start().split_once(' ') {
        Some(("size" | "columns" | "sluice.mapping", _)) => String::new(),
        _ if line.starts_with("ext/") => line.split("ingest-").next().unwrap().to_owned() + "ingest-…\n",
        _ => format!("{line}\n"),
    };
    hold("inspect/object.txt", &shown.stdout.lines().map(stable).collect::<String>());
}

#[test]
fn columns_are_shown_by_size() {
    let folder = Folder::new();
    let object = lake(&folder);
    let shown = run(0, &["inspect", "--columns", &object]).stdout;
    assert!(shown.contains("\n  COLUMN ") && shown.contains("\n  query.hostname "), "{shown}");
}

#[test]
fn a_folder_is_a_line_for_each_object_and_the_totals() {
    let folder = Folder::new();
    lake(&folder);
    let shown = run(0, &["inspect", &folder.path("lake")]).stdout;
    let lines: Vec<&str> = shown.lines().collect();
    let objects = folder.files("lake").len();
    assert_eq!(lines.iter().filter(|line| line.starts_with("ok   ")).count(), objects);
    assert!(lines.last().unwrap().starts_with(&format!("{objects} objects, 90 rows, ")));
    assert!(shown.ends_with(": all conform\n"));
    let reports = run(0, &["inspect", "--format", "json", &folder.path("lake")]).json();
    assert_eq!(reports.as_array().unwrap().len(), objects);
}

#[test]
fn rows_come_back_as_the_events_that_map_shows() {
    let folder = Folder::new();
    let object = lake(&folder);
    let rows = run(0, &["inspect", "--format", "ndjson", &object]).lines();
    let log = folder.path("log");
    let mapped = run(0, &["map", "--mapping", "windows-sysmon", "--event", "22", "--format", "ndjson", &log]).lines();
    assert_eq!(rows, mapped);
    assert_eq!(rows.len(), 3);
}

#[test]
fn an_object_that_breaks_a_rule_fails_the_check() {
    let folder = Folder::new();
    let object = lake(&folder);
    let content = std::fs::read(&object).unwrap();
    let elsewhere = object.split("/lake/").nth(1).unwrap().replace("eventDay=20250303", "eventDay=20250304");
    let moved = folder.write(&format!("moved/{elsewhere}"), &content);
    let shown = run(1, &["inspect", &moved]).stdout;
    assert!(shown.contains("\ndoes not conform\n  event-day: 3 rows are not of 20250304"), "{shown}");
    let report = run(1, &["inspect", "--format", "json", &moved]).json();
    assert_eq!((&report["conforms"], &report["findings"][0]["rule"]), (&false.into(), &"event-day".into()));

    let cut = folder.write("cut.parquet", &content[..content.len() / 2]);
    let shown = run(1, &["inspect", &cut]).stdout;
    assert!(shown.contains("readable: "), "{shown}");
    let rows = run(1, &["inspect", "--format", "ndjson", &cut]);
    assert!(rows.stdout.is_empty() && rows.stderr.contains("cut.parquet: readable: "), "{rows:?}");

    let both = run(1, &["inspect", &object, &cut]).stdout;
    assert!(both.contains("\nFAIL ") && both.ends_with(": 1 nonconforming\n"), "{both}");
}

#[test]
fn a_location_without_objects_is_bad_usage() {
    let folder = Folder::new();
    folder.write("empty/x.txt", "");
    let empty = folder.path("empty");
    assert_eq!(
        run(3, &["inspect", &empty]).stderr,
        format!("error: {empty} has no object whose key ends in .parquet\n")
    );
    let none = folder.path("none");
    assert_eq!(
        run(3, &["inspect", &none]).stderr,
        format!("error: cannot read {none}: No such file or directory (os error 2)\n")
    );
}
