//! Help texts are part of the interface: any change of them is seen.

use crate::support::{hold, run};

const COMMANDS: [&str; 15] = [
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
    "schema",
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
fn completions_offer_shipped_mappings_and_rules_where_they_are_named() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(0, &["completions", shell]).stdout;
        for name in ["aws-cloudtrail", "windows-sysmon", "aws-cloudtrail/cloudtrail-disruption", "windows-sysmon/"] {
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
    let zsh = run(0, &["completions", "zsh"]).stdout;
    assert!(zsh.contains("CONFIG:_sluice_mappings") && zsh.contains("RULES:_sluice_rules"));
    assert!(zsh.contains("_sluice_mappings() {") && zsh.contains("_files"));
    let fish = run(0, &["completions", "fish"]).stdout;
    let mapping = fish.lines().find(|line| line.contains("subcommand map") && line.contains("-l mapping")).unwrap();
    assert!(mapping.contains(" -r -F -a \"windows-sysmon"), "{mapping}");
}

/// What bash completes at the end of a command line.
#[cfg(unix)]
fn completed_by_bash(line: &[&str]) -> Option<Vec<String>> {
    let script = run(0, &["completions", "bash"]).stdout;
    let words = line.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let ask = format!(
        "{script}\nCOMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         _sluice sluice \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    );
    let asked = std::process::Command::new("bash").args(["--norc", "-c", &ask]).output().ok()?;
    Some(String::from_utf8(asked.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[cfg(unix)]
#[test]
fn bash_completes_the_names_of_shipped_mappings_and_rules() {
    let Some(mappings) = completed_by_bash(&["sluice", "map", "--mapping", "aws-"]) else { return };
    assert!(
        mappings.contains(&"aws-cloudtrail".to_owned()) && mappings.contains(&"aws-alb".to_owned()),
        "{mappings:?}"
    );
    assert!(!mappings.contains(&"windows-sysmon".to_owned()), "{mappings:?}");
    let rules = completed_by_bash(&["sluice", "hunt", "--rules", "windows-sysmon/"]).unwrap();
    assert!(rules.contains(&"windows-sysmon/dns-tunnel".to_owned()), "{rules:?}");
    assert_eq!(completed_by_bash(&["sluice", "map", "--mapping", "./my"]).unwrap(), [""], "bash offers files then");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let coloured = |arguments: &[&str]| run(0, arguments).stdout.contains("\u{1b}[");
    assert!(!coloured(&["mappings"]), "standard output is no terminal here");
    assert!(coloured(&["mappings", "--color", "always"]));
    assert!(coloured(&["--color=always", "help"]));
    assert!(!coloured(&["mappings", "--color", "never"]));
}
