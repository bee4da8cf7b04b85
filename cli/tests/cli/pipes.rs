//! Pipes as inputs: what is in them is there once.
#![cfg(unix)]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::{Folder, Run, run, sluice, sysmon};

/// Runs the command with `content` coming out of a named pipe, whose path replaces `PIPE` among the arguments.
#[track_caller]
fn run_on_pipe(folder: &Folder, code: i32, arguments: &[&str], content: &[u8]) -> Run {
    let pipe = folder.path("pipe");
    let _ = fs::remove_file(&pipe);
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let arguments: Vec<&str> =
        arguments.iter().map(|word| if *word == "PIPE" { pipe.as_str() } else { word }).collect();
    let mut command = sluice(&arguments);
    // A command that opens the pipe a second time would wait for ever.
    command.timeout(Duration::from_secs(60));
    let writer = {
        let (pipe, content) = (pipe.clone(), content.to_vec());
        thread::spawn(move || {
            // Opening waits for the reader. A reader that takes only the beginning is no fault.
            let _ = OpenOptions::new().write(true).open(pipe).and_then(|mut pipe| pipe.write_all(&content));
        })
    };
    let output = command.output().unwrap();
    assert!(output.status.code().is_some(), "the command was waiting for ever");
    // Lets a writer go on that nobody reads from.
    drop(OpenOptions::new().read(true).write(true).open(&pipe));
    writer.join().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
    .ends_with(code)
}

#[test]
fn a_named_pipe_is_read_once_and_whole() {
    let folder = Folder::new();
    let log = sysmon(300);
    let lake = folder.path("lake");
    let arguments = ["ingest", "--lake", &lake, "--mapping", "windows-sysmon", "--format", "json", "PIPE"];
    let done = run_on_pipe(&folder, 0, &arguments, log.as_bytes());
    assert_eq!((&done.json()["records_in"], &done.json()["quarantined"]), (&300.into(), &serde_json::json!({})));
    let file = folder.write("log", &log);
    run(0, &["ingest", "--lake", &folder.path("from-file"), "--mapping", "windows-sysmon", &file]);
    assert!(folder.files("lake") == folder.files("from-file"));
}

#[test]
fn every_command_that_reads_logs_reads_them_from_a_pipe() {
    let folder = Folder::new();
    let log = sysmon(90);
    let arguments = ["map", "--mapping", "windows-sysmon", "--summary", "--format", "json", "PIPE"];
    assert_eq!(run_on_pipe(&folder, 0, &arguments, log.as_bytes()).json()["events"], 90);
    run_on_pipe(&folder, 0, &["map", "--mapping", "windows-sysmon", "--limit", "1", "PIPE"], log.as_bytes());

    let lake = folder.path("lake");
    let file = folder.write("log", &log);
    run(0, &["ingest", "--lake", &lake, "--mapping", "windows-sysmon", &file]);
    let object = fs::read(folder.path(&format!("lake/{}", folder.files("lake").keys().next().unwrap()))).unwrap();
    assert!(run_on_pipe(&folder, 0, &["inspect", "PIPE"], &object).stdout.contains("conforms to the rules"));
    let config = pipeline::shipped_mapping("windows-sysmon").unwrap();
    run_on_pipe(&folder, 0, &["lint", "PIPE"], config.as_bytes());
    run_on_pipe(&folder, 0, &["map", "--mapping", "PIPE", &file], config.as_bytes());
    let data = r#"{"type":"bundle","id":"bundle--f7a3f3a0-2f5e-4c7e-8f2b-0c7f0f8f6a01","objects":[]}"#;
    let matched = run_on_pipe(&folder, 0, &["stix", "match", "[a:b = 1]", "--data", "PIPE"], data.as_bytes());
    assert!(matched.stderr.ends_with("0 observations of 0 in a match\n"), "{}", matched.stderr);
}

#[test]
fn a_pipe_that_is_given_twice_is_refused_before_it_is_opened() {
    let folder = Folder::new();
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut command = sluice(&["ingest", "--lake", &folder.path("lake"), "--mapping", "windows-sysmon", &pipe, &pipe]);
    command.timeout(Duration::from_secs(60));
    let refused = Run::of(command).ends_with(3);
    assert_eq!(refused.stderr, format!("error: `{pipe}` is given twice, but a pipe can be read only once\n"));
}

#[test]
fn process_substitution_is_an_input() {
    let folder = Folder::new();
    let file = folder.write("log.zst", zstd::encode_all(sysmon(30).as_bytes(), 1).unwrap());
    let lake = folder.path("lake");
    let script = format!(
        "'{}' ingest --lake '{lake}' --mapping windows-sysmon --format json <(cat '{file}') <(echo nonsense)",
        env!("CARGO_BIN_EXE_sluice")
    );
    let mut command = assert_cmd::Command::new("bash");
    command.args(["-c", &script]).timeout(Duration::from_secs(60));
    let done = Run::of(command).ends_with(0).json();
    assert_eq!((&done["records_in"], &done["inputs"]["read"]), (&31.into(), &2.into()));
}
