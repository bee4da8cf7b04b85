//! A partition folder of the lake that is a symbolic link is refused by every command, and named.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;

use crate::detections::RULE;
use crate::support::{Folder, run, sysmon};

#[test]
fn a_linked_partition_is_refused_by_every_command() {
    let folder = Folder::new();
    let log = folder.write("log", sysmon(90));
    let (lake, aside) = (folder.path("lake"), folder.path("aside"));
    let ingest = ["ingest", "--lake", &lake, "--mapping", "windows-sysmon", &log];
    run(0, &ingest);
    let partition = "ext/windows-sysmon-4003/region=us-east-1/accountId=external/eventDay=20250303";
    let link = folder.path(&format!("lake/{partition}"));
    fs::rename(&link, &aside).unwrap();
    symlink(&aside, &link).unwrap();

    let (rule, state) = (folder.write("rules/rule.yaml", RULE), folder.path("state"));
    let sql = "SELECT count(*) AS n FROM windows_sysmon_4003";
    for arguments in [
        &ingest[..],
        &["inspect", &lake],
        &["inspect", "--format", "ndjson", &lake],
        &["query", "--lake", &lake, sql],
        &["query", "--lake", &lake, "--tables"],
        &["hunt", "--lake", &lake, "--since", "2000-01-01", "--rules", &rule],
        &["detect", "backtest", "--lake", &lake, "--since", "2000-01-01", &rule],
        &["detect", "run", "--lake", &lake, "--state", &state, "--now", "2025-03-03T12:00:00Z", &rule],
        &["stix", "run", "--lake", &lake, "--since", "2000-01-01", "[domain-name:value = 'a.example']"],
    ] {
        let refused = run(3, arguments);
        assert!(refused.stderr.contains("is a symbolic link to a folder"), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(partition), "{arguments:?}: {}", refused.stderr);
    }
    assert_eq!(fs::read_dir(&aside).unwrap().count(), 1, "nothing was written through the link");

    // The lake itself may be a link.
    fs::remove_file(&link).unwrap();
    fs::rename(&aside, &link).unwrap();
    let linked = folder.path("linked");
    symlink(&lake, &linked).unwrap();
    run(0, &["ingest", "--lake", &linked, "--mapping", "windows-sysmon", &log]);
    assert_eq!(run(0, &["inspect", "--format", "ndjson", &linked]).lines().len(), 90);
    assert_eq!(run(0, &["query", "--lake", &linked, "--format", "json", sql]).json()[0]["n"], 3);
}

#[test]
fn a_linked_folder_of_quarantine_is_refused_by_replay() {
    let folder = Folder::new();
    let log = folder.write("log", "nonsense\n");
    let lake = folder.path("lake");
    run(1, &["ingest", "--lake", &lake, "--mapping", "windows-sysmon", &log]);
    let link = folder.path("lake/quarantine/windows-sysmon");
    fs::rename(&link, folder.path("aside")).unwrap();
    symlink(folder.path("aside"), &link).unwrap();
    let refused = run(3, &["replay", "--quarantine", &lake, "--lake", &lake, "--mapping", "windows-sysmon"]);
    assert!(refused.stderr.contains(&format!("{link} is a symbolic link to a folder")), "{}", refused.stderr);
}
