//! The examples of README and docs are commands that people paste. Each runs here, as a shell runs it, within a time that a
//! person would wait. Each page has a folder of its own, in which its commands run in the order of the page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;

use crate::support::{FAULTY, Folder, gzip, run};

/// How long a command of an example may take. This build is not optimised.
const LIMIT: Duration = Duration::from_secs(60);

/// Commands that are not run here, by the page and how they begin, with the reason.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("README.md", "sam build", ACCOUNT),
    ("README.md", "cargo xtask test", "runs every test, this one included"),
    ("docs/cli.md", "cargo install", "compiles everything with optimisation"),
    ("docs/cli.md", "sluice ingest --lake s3://my-lake", ACCOUNT),
    ("docs/cli.md", "sluice replay --quarantine s3://my-quarantine", ACCOUNT),
    ("docs/cli.md", "sluice replay --on-failure s3://my-quarantine", ACCOUNT),
    ("docs/cli.md", "sluice query --engine athena", ACCOUNT),
    ("docs/conformance.md", "cargo xtask trino", "fetches a Trino server"),
    ("docs/detections.md", "aws s3 cp", ACCOUNT),
    ("docs/detections.md", "sam deploy", ACCOUNT),
    ("docs/functions.md", "zstd -dc", "needs zstd, jq, and parts of a file in quarantine"),
    ("docs/tutorial.md", "aws s3 cp", ACCOUNT),
    ("docs/tutorial.md", "sam build", ACCOUNT),
    ("docs/tutorial.md", "sam deploy", ACCOUNT),
    ("docs/tutorial.md", "sluice send", ACCOUNT),
];

const ACCOUNT: &str = "needs an AWS account";

/// Commands that end with another code than 0, which they tell.
const CODES: &[(&str, &str, i32)] = &[
    ("README.md", "target/debug/sluice hunt", 1),
    ("README.md", "target/debug/sluice stix run", 1),
    ("docs/cli.md", "sluice lint my-source.json", 2),
    ("docs/cli.md", "sluice lint --verbose my-source.json", 2),
    ("docs/detections.md", "sluice detect lint my-rules/", 2),
    ("docs/hunting.md", "sluice hunt --lake lake --since 2023-07-01 --by entity", 1),
    ("docs/tutorial.md", "sluice hunt", 1),
];

/// A rule that names a field that no row has.
const REFUSED_RULE: &str = "\
title: Refused calls
id: 6f3a1c52-7f2a-4f36-9d6c-0c7f0f8f6a02
status: test
description: Calls that were refused.
author: Sluice
date: 2024-05-01
tags: [attack.t1526]
falsepositives: [All of them]
level: low
schedule: rate(5 minutes)
lookback: 1h
ingest_delay: 10m
sql: \"SELECT time, api.respnse.error AS error FROM {{aws-cloudtrail}} WHERE {{window}}\"
tests:
  - {name: A refused call, source: aws-cloudtrail, events: \"{}\", expect: [{\"error\": \"AccessDenied\"}]}
  - {name: Another call, source: aws-cloudtrail, events: \"{}\", expect: none}
";

#[derive(Debug)]
struct Example {
    /// The page, as `docs/cli.md`.
    page: String,
    line: usize,
    command: String,
    /// The lines that a `console` block shows below the command.
    shown: String,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// README and all pages below `docs/`.
fn pages() -> Vec<String> {
    fn collect(folder: &Path, name: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                collect(&entry.path(), &name, found);
            } else if name.ends_with(".md") {
                found.push(name);
            }
        }
    }
    let mut found = vec!["README.md".to_owned()];
    collect(&repository().join("docs"), "docs", &mut found);
    found.sort();
    found
}

/// The commands of the `sh` and `console` blocks of a page. A block below `<!-- file: NAME -->` is a file that the reader
/// saves: a command that writes it.
fn examples(page: &str) -> Vec<Example> {
    let text = fs::read_to_string(repository().join(page)).unwrap();
    let mut found: Vec<Example> = Vec::new();
    let mut block: Option<&str> = None;
    let mut goes_on = false;
    // A file that the page has its reader save: how far its block is indented, and its lines so far.
    let mut file: Option<(usize, Example)> = None;
    for (number, line) in text.lines().enumerate() {
        if let Some(name) = line.trim_start().strip_prefix("<!-- file: ").and_then(|rest| rest.strip_suffix(" -->")) {
            let command = format!("mkdir -p \"$(dirname '{name}')\"; cat > '{name}' <<'END OF FILE'\n");
            let example = Example { page: page.to_owned(), line: number + 1, command, shown: String::new() };
            file = Some((line.len() - line.trim_start().len(), example));
            continue;
        }
        if let Some(language) = line.trim_start().strip_prefix("```") {
            if block.is_some()
                && let Some((_, mut example)) = file.take()
            {
                example.command += "END OF FILE";
                found.push(example);
            }
            block = if block.is_some() { None } else { Some(language.trim()) };
            goes_on = false;
            continue;
        }
        if let (Some(_), Some((indent, example))) = (block, &mut file) {
            example.command += line.get(*indent..).unwrap_or_default();
            example.command += "\n";
            continue;
        }
        let begins = match block {
            Some("sh") => !line.trim().is_empty() && !line.trim_start().starts_with('#'),
            Some("console") => line.starts_with("$ "),
            other => {
                let looks_like_one = line.starts_with("$ ") || line.starts_with("sluice ");
                let place = format!("{page}:{}", number + 1);
                assert!(other.is_none() || !looks_like_one, "{place}: mark the block as ```sh or ```console");
                continue;
            }
        };
        let text = line.strip_prefix("$ ").unwrap_or(line);
        if goes_on {
            let last = found.last_mut().unwrap();
            last.command += "\n";
            last.command += text;
        } else if begins {
            let (page, command) = (page.to_owned(), text.trim_start().to_owned());
            found.push(Example { page, line: number + 1, command, shown: String::new() });
        } else if block == Some("console") {
            let last = found.last_mut().unwrap();
            last.shown += &format!("{line}\n");
            continue;
        } else {
            continue;
        }
        let quotes = found.last().unwrap().command.matches('\'').count();
        goes_on = line.ends_with('\\') || quotes % 2 == 1;
    }
    found
}

/// What a page's commands find: a clone of the repository, and files with the names that the pages use.
fn workplace(page: &str) -> Folder {
    let folder = Folder::new();
    for shared in ["detections", "examples", "mapping-configs"] {
        copy(&repository().join(shared), Path::new(&folder.path(shared)));
    }
    let binary = env!("CARGO_BIN_EXE_sluice");
    for (name, script) in [
        ("bin/sluice", format!("#!/bin/sh\nexec '{binary}' \"$@\"\n")),
        ("target/debug/sluice", format!("#!/bin/sh\nexec '{binary}' \"$@\"\n")),
        // `cargo run -p sluice -- …` without building it again.
        (
            "bin/cargo",
            format!(
                "#!/bin/sh\n[ \"$1 $2 $3 $4\" = 'run -p sluice --' ] || exit 99\nshift 4\nexec '{binary}' \"$@\"\n"
            ),
        ),
    ] {
        let script = folder.write(name, script);
        executable(&script);
    }
    if page != "README.md" {
        let log = |name: &str| fs::read(repository().join(name)).unwrap();
        let sysmon = log("examples/windows-sysmon.ndjson");
        folder.write("logs/monday.ndjson.gz", gzip(&sysmon));
        folder.write("logs/test/tried.ndjson", &sysmon);
        folder.write("my-source.json", FAULTY);
        folder.write("my-rules/refused.yaml", REFUSED_RULE);
        folder.write(
            "111122223333_CloudTrail_eu-central-1_20250303T0800Z_a.json.gz",
            gzip(&log("examples/aws-cloudtrail.json")),
        );
        let balancer = gzip(&log("crates/pipeline/tests/text_logs/aws-alb.log"));
        folder.write("111122223333_elasticloadbalancing_eu-central-1_app.shop.01_20260304T0510Z_a.log.gz", balancer);
        let flows = gzip(&log("crates/pipeline/tests/text_logs/aws-vpc-flow.log"));
        folder.write("111122223333_vpcflowlogs_eu-central-1_fl-01_20260304T0505Z_a.log.gz", flows);
        let lake = folder.path("lake");
        for (mapping, log) in [("windows-sysmon", "windows-sysmon.ndjson"), ("aws-cloudtrail", "aws-cloudtrail.json")] {
            run(0, &["ingest", "--lake", &lake, "--mapping", mapping, &folder.path(&format!("examples/{log}"))]);
        }
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &to) } else { fs::copy(&path, &to).map(drop).unwrap() }
    }
}

fn executable(file: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs a command in a folder as a person's shell does, and ends it when it takes too long.
fn in_shell(folder: &Folder, command: &str) -> std::process::Output {
    let mut shell = Command::new("sh");
    // The shell makes way for a single command, so that ending it ends the command.
    let is_single = !command.contains(['|', ';', '&']);
    let exec = if is_single { "exec " } else { "" };
    shell.args(["-c", &format!("{exec}{command}")]).current_dir(folder.path("")).timeout(LIMIT);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            shell.env_remove(name);
        }
    }
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{}:{path}", folder.path("bin"))).env("HOME", folder.path("home"));
    fs::create_dir_all(folder.path("home")).unwrap();
    shell.output().unwrap_or_else(|error| panic!("{command}: {error}"))
}

fn begins(example: &Example, page: &str, command: &str) -> bool {
    example.page == page && example.command.starts_with(command)
}

#[test]
fn every_example_of_readme_and_docs_runs_in_the_time_that_a_person_waits() {
    let mut problems = Vec::new();
    let mut ran = 0;
    for page in pages() {
        let examples = examples(&page);
        let is_left = |example: &Example| NOT_RUN.iter().any(|(page, command, _)| begins(example, page, command));
        if examples.iter().all(is_left) {
            continue;
        }
        let folder = workplace(&page);
        for example in examples.iter().filter(|example| !is_left(example)) {
            let code =
                CODES.iter().find(|(page, command, _)| begins(example, page, command)).map_or(0, |(.., code)| *code);
            let output = in_shell(&folder, &example.command);
            let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            let place = format!("{}:{}: {}", example.page, example.line, example.command);
            match output.status.code() {
                Some(found) if found == code => {}
                Some(found) => problems.push(format!("{place}\nended with {found}, expected {code}\n{stderr}")),
                None => problems.push(format!("{place}\ndid not end within {LIMIT:?}\n{stderr}")),
            }
            let shown = example.shown.trim_end();
            let on_terminal = [format!("{stderr}{stdout}"), format!("{stdout}{stderr}")];
            if !on_terminal.iter().any(|whole| whole.contains(shown)) {
                problems.push(format!("{place}\nshows something else:\n{stderr}{stdout}"));
            }
            ran += 1;
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
    assert!(ran >= 15, "{ran}");
}

#[test]
fn what_is_not_run_is_still_in_the_pages() {
    let examples: Vec<Example> = pages().iter().flat_map(|page| examples(page)).collect();
    let listed = NOT_RUN.iter().map(|(page, command, _)| (*page, *command));
    let listed = listed.chain(CODES.iter().map(|(page, command, _)| (*page, *command)));
    let gone: BTreeSet<_> =
        listed.filter(|(page, command)| !examples.iter().any(|example| begins(example, page, command))).collect();
    assert!(gone.is_empty(), "no page has these any more: {gone:?}");
}
