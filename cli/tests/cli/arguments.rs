//! Arguments that cannot be meant are refused before any work, in one line that says what to do; and commands that look for
//! something say by the same exit codes what they found.

use crate::detections::RULE;
use crate::query::lake;
use crate::support::{Folder, Run, run, sluice};

/// The one line on standard error.
#[track_caller]
fn only_line(run: &Run) -> &str {
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", run.stderr);
    lines[0]
}

#[test]
fn a_range_that_ends_before_it_begins_is_refused_first() {
    let range = ["--since", "2024-05-02", "--until", "2024-05-01"];
    for command in [
        // Nothing else of these could work: there is no lake, no rule and no pattern.
        &["query", "--lake", "nowhere", "SELECT 1"][..],
        &["hunt", "--lake", "nowhere", "--rules", "nowhere.yaml"],
        &["detect", "backtest", "--lake", "nowhere", "nowhere.yaml"],
        &["stix", "run", "--lake", "nowhere", "nonsense"],
        &["stix", "translate", "nonsense"],
    ] {
        let refused = run(3, &[command, &range].concat());
        let line = only_line(&refused);
        let wanted = "error: `--until` (2024-05-01T00:00:00Z) is before `--since` (2024-05-02T00:00:00Z)";
        assert!(line.starts_with(wanted), "{command:?}: {line}");
    }
    let empty = run(3, &["query", "--lake", ".", "--since", "2024-05-01", "--until", "2024-05-01", "SELECT 1"]);
    assert!(only_line(&empty).contains("is the same time as `--since`"), "{}", empty.stderr);
}

#[test]
fn a_missing_start_is_named_before_a_rule_is_read() {
    for command in [
        &["hunt", "--lake", "nowhere", "--rules", "nowhere.yaml"][..],
        &["detect", "backtest", "--lake", "nowhere", "nowhere.yaml"],
    ] {
        let refused = run(3, command);
        assert!(only_line(&refused).contains("--since"), "{command:?}: {}", refused.stderr);
    }
}

/// The command on a machine that nobody has signed in on.
fn signed_out(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let folder = Folder::new();
    let mut command = sluice(arguments);
    command.env("HOME", folder.path("")).env("AWS_EC2_METADATA_DISABLED", "true");
    command
        .env("AWS_CONFIG_FILE", folder.path("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.path("credentials"));
    command.env("AWS_REGION", "eu-central-1").envs(variables.iter().copied());
    Run::of(command).ends_with(3)
}

#[test]
fn missing_credentials_are_named_in_one_line_with_the_way_to_get_some() {
    let folder = Folder::new();
    let log = folder.write("log", "{}\n");
    for arguments in [
        &["query", "--engine", "athena", "--database", "lake", "SELECT 1"][..],
        &["hunt", "--engine", "athena", "--database", "lake", "--since", "1d"],
        &["stix", "run", "ping"],
        &["ingest", "--lake", "s3://a-lake", "--mapping", "windows-sysmon", &log],
        &["inspect", "s3://a-lake/ext/"],
        &["send", "--stream", "a-stream", &log],
    ] {
        let refused = signed_out(arguments, &[]);
        let line = only_line(&refused);
        assert!(line.starts_with("error: no AWS credentials found; set AWS_PROFILE"), "{arguments:?}: {line}");
    }
}

#[test]
fn an_unknown_profile_is_named() {
    let athena = ["query", "--engine", "athena", "--database", "lake", "SELECT 1"];
    let by_option = signed_out(&[&athena[..], &["--profile", "nobody"]].concat(), &[]);
    let by_variable = signed_out(&athena, &[("AWS_PROFILE", "nobody")]);
    for refused in [by_option, by_variable] {
        let line = only_line(&refused);
        assert!(line.starts_with("error: there is no AWS profile `nobody`; "), "{line}");
    }
}

#[test]
fn athena_without_a_region_is_refused_first() {
    let mut command = sluice(&["query", "--engine", "athena", "--database", "lake", "SELECT 1"]);
    command.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "secret");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    let refused = Run::of(command).ends_with(3);
    assert!(only_line(&refused).contains("no Region is set; give --athena-region"), "{}", refused.stderr);
}

/// `hunt`, `detect backtest`, `stix run` and `stix match`: 0 nothing found, 1 found, 2 what was asked is refused, 3 usage.
#[test]
fn commands_that_look_for_something_agree_on_exit_codes() {
    let folder = Folder::new();
    let lake = lake(&folder);
    let rule = folder.write("rule.yaml", RULE);
    let refused = folder.write("refused.yaml", RULE.replace("{{window}}", "TRUE"));
    let nothing =
        folder.write("nothing.yaml", RULE.replace("{{window}}", "{{window}} AND query.hostname = 'no.example'"));
    let data = folder.write(
        "data.json",
        r#"[{"type": "observed-data", "id": "observed-data--1", "number_observed": 1,
            "first_observed": "2024-01-01T00:00:00Z", "last_observed": "2024-01-01T00:00:00Z",
            "objects": {"0": {"type": "domain-name", "value": "a.example"}}}]"#,
    );
    let there = "[domain-name:value LIKE '%']";
    let (absent, malformed) = ("[domain-name:value = 'no.example']", "[domain-name:value =");
    let since = ["--since", "2000-01-01"];
    type Arguments<'a> = Vec<&'a str>;
    let hunt = |rule| -> Arguments<'_> { [&["hunt", "--lake", &lake, "--rules", rule][..], &since].concat() };
    let backtest = |rule| -> Arguments<'_> { [&["detect", "backtest", "--lake", &lake, rule][..], &since].concat() };
    let stix = |pattern| -> Arguments<'_> { [&["stix", "run", "--lake", &lake, pattern][..], &since].concat() };
    let matching =
        |pattern| -> Arguments<'_> { vec!["stix", "match", "--stix-version", "2.0", pattern, "--data", &data] };
    for (code, arguments) in [
        (0, hunt(&nothing)),
        (1, hunt(&rule)),
        (2, hunt(&refused)),
        (3, hunt("no-such-rule.yaml")),
        (0, backtest(&nothing)),
        (1, backtest(&rule)),
        (2, backtest(&refused)),
        (3, backtest("no-such-rule.yaml")),
        (0, stix(absent)),
        (1, stix(there)),
        (2, stix(malformed)),
        (3, vec!["stix", "run", "--lake", "nowhere", "--since", "1d", there]),
        (0, matching(absent)),
        (1, matching(there)),
        (2, matching(malformed)),
        (3, vec!["stix", "match", there, "--data", "no-such-file.json"]),
    ] {
        let ran = Run::of(sluice(&arguments));
        assert_eq!(ran.code, code, "{arguments:?}\n{}", ran.stderr);
    }
    for command in [&["hunt"][..], &["detect", "backtest"], &["stix", "run"], &["stix", "match"]] {
        let help = run(0, &[command, &["--help"]].concat()).stdout;
        assert!(help.contains("Exit code: 0 nothing found, 1 "), "{command:?}");
    }
}
