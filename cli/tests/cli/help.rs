//! Help texts are part of the interface: any change of them is seen.

use crate::support::{hold, run};

const COMMANDS: [&str; 14] = [
    "demo",
    "lint",
    "mappings",
    "map",
    "ingest",
    "inspect",
    "query",
    "hunt",
    "detect",
    "stix",
    "ddl",
    "replay",
    "send",
    "completions",
];

/// Commands below commands.
const STEPS: [[&str; 2]; 10] = [
    ["detect", "list"],
    ["detect", "lint"],
    ["detect", "test"],
    ["detect", "run"],
    ["detect", "backtest"],
    ["stix", "translate"],
    ["stix", "run"],
    ["stix", "match"],
    ["stix", "bundle"],
    ["stix", "objects"],
];

#[test]
fn help_is_as_reviewed() {
    hold("help/sluice.txt", &run(0, &["--help"]).stdout);
    for command in COMMANDS {
        let help = run(0, &[command, "--help"]);
        assert_eq!(help.stderr, "");
        hold(&format!("help/{command}.txt"), &help.stdout);
    }
    for [command, step] in STEPS {
        let help = run(0, &[command, step, "--help"]).stdout;
        assert!(help.contains("\nExamples:\n"), "{command} {step}");
        hold(&format!("help/{command}-{step}.txt"), &help);
    }
}

#[test]
fn every_command_is_in_the_overview_and_has_examples() {
    let overview = run(0, &["-h"]).stdout;
    for command in COMMANDS {
        assert!(overview.contains(&format!("\n  {command} ")), "{command}");
        let help = run(0, &[command, "--help"]).stdout;
        assert!(help.contains("\nExamples:\n"), "{command}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command}");
    }
}

#[test]
fn bad_usage_ends_with_3_and_says_so_on_standard_error() {
    for arguments in [
        &["nonsense"][..],
        &[],
        &["lint"],
        &["map", "x"],
        &["ingest", "--lake", "x", "--mapping", "windows-sysmon"],
        &["ingest", "--lake", "x", "--mapping", "windows-sysmon", "--region", "Mars", "y"],
        &["ingest", "--lake", "x", "--mapping", "windows-sysmon", "--account", "12", "y"],
        &["ingest", "--lake", "x", "--mapping", "windows-sysmon", "--zstd-level", "23", "y"],
        &["ingest", "--lake", "x", "--mapping", "windows-sysmon", "--memory", "5", "y"],
        &["replay", "--lake", "x", "--mapping", "windows-sysmon"],
        &["completions", "tcsh"],
        &["lint", "windows-sysmon", "--format", "xml"],
        &["query", "SELECT 1"],
        &["query", "--lake", "no-such-folder", "SELECT 1"],
        &["hunt", "--lake", "."],
        &["hunt", "--lake", ".", "--since", "yesterday"],
        &["detect", "lint", "no-such-file.yaml"],
        &["stix", "translate"],
        &["stix", "translate", "--since", "1d", "--dialect", "splunk", "[a:b = 1]"],
        &["ddl", "--mapping", "windows-sysmon", "--location", "/lake", "--region", "us-east-1"],
    ] {
        let run = run(3, arguments);
        assert_eq!(run.stdout, "", "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
    let unknown = run(3, &["ingets"]);
    assert!(unknown.stderr.contains("'ingest'"), "{}", unknown.stderr);
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(0, &["completions", shell]).stdout;
        assert!(COMMANDS.iter().all(|command| script.contains(command)), "{shell}");
    }
}

#[test]
fn colours_only_where_they_are_wanted() {
    let coloured = |arguments: &[&str]| run(0, arguments).stdout.contains("\u{1b}[");
    assert!(!coloured(&["mappings"]), "standard output is no terminal here");
    assert!(coloured(&["mappings", "--color", "always"]));
    assert!(coloured(&["--color=always", "help"]));
    assert!(!coloured(&["mappings", "--color", "never"]));
}
