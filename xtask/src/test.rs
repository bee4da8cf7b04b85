//! `cargo xtask test`: everything that must hold before a change goes in, in the order in which a fault is cheapest to find.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::cargo;
use crate::runner::{Counts, Outcome, Skip, cargo_tests, single};
use crate::test_environment::TestEnvironment;

/// Each step counts what passed, failed and was skipped. Skipped tests and their reasons are listed at the end, and so is the
/// command that repeats a step that failed.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test --only format,lints,crates")]
pub(crate) struct Test {
    /// Run only these steps, in their usual order
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Step>,
    /// Clone of RustSec's advisory database, https://github.com/rustsec/advisory-db, for the step supply-chain
    #[arg(long, value_name = "PATH", env = "SLUICE_ADVISORIES")]
    advisories: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    /// cargo fmt --check
    Format,
    /// cargo clippy, every warning an error
    Lints,
    /// Dependencies: licences, duplicates, sources, advisories, minimum version of Rust, and whether each is used
    SupplyChain,
    /// The fuzz targets, which are a workspace of their own, against the crates as they are
    Fuzz,
    /// cargo test --workspace
    Crates,
    /// Every record of the real logs through the pipeline, and every row past two judges; a release build, for there are many
    RealLogs,
    /// The SQL that the crates' tests generated, and that of the shipped rules, by Trino's own grammar
    Grammar,
    /// The template: SAM's and CloudFormation's linters, permissions, encryption, failure handling
    Template,
    /// What `sluice` writes, read by other readers (Arrow's C++ reader, DuckDB, STIX's validator, an HTML parser)
    Readers,
    /// sam build, sam deploy into a stand-in for AWS, logs through the deployed functions, and detections over them
    Deployment,
}

const STEPS: [Step; 10] = [
    Step::Format,
    Step::Lints,
    Step::SupplyChain,
    Step::Fuzz,
    Step::Crates,
    Step::Grammar,
    Step::RealLogs,
    Step::Template,
    Step::Readers,
    Step::Deployment,
];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Format => "format",
            Self::Lints => "lints",
            Self::SupplyChain => "supply-chain",
            Self::Fuzz => "fuzz",
            Self::Crates => "crates",
            Self::Grammar => "grammar",
            Self::RealLogs => "real-logs",
            Self::Template => "template",
            Self::Readers => "readers",
            Self::Deployment => "deployment",
        })
    }
}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        let began = Instant::now();
        let mut outcomes = Vec::new();
        for step in STEPS {
            if !self.only.is_empty() && !self.only.contains(&step) {
                continue;
            }
            println!("\n=== {step} {}", "=".repeat(100 - step.to_string().len()));
            let step_began = Instant::now();
            // A step that cannot even start has failed; the next ones still have something to say.
            let outcome = step.run(self.advisories.as_deref()).unwrap_or_else(|error| {
                println!("{error:#}");
                Outcome::default()
            });
            outcomes.push((step, outcome, step_began.elapsed()));
        }
        print!("{}", summary(&outcomes, began.elapsed()));
        if outcomes.iter().any(|(_, outcome, _)| !outcome.succeeded) {
            bail!("the test suite failed");
        }
        Ok(())
    }
}

impl Step {
    fn run(self, advisories: Option<&Path>) -> Result<Outcome> {
        if let Some(reason) = self.cannot_run() {
            return Ok(Outcome::skipped(&format!("all of {self}"), &reason));
        }
        match self {
            Self::Format | Self::Lints | Self::Fuzz => single(cargo().args(self.cargo_arguments())),
            Self::SupplyChain => crate::supply_chain::check(advisories),
            Self::Crates => {
                // What an earlier run has generated is not this run's.
                let statements = generated_statements();
                let _ = std::fs::remove_file(&statements);
                let mut tests = cargo();
                tests.args(self.cargo_arguments()).args(["--quiet", "--", "--show-output"]);
                cargo_tests(tests.env(GENERATED_STATEMENTS, statements))
            }
            Self::RealLogs => cargo_tests(cargo().args(self.cargo_arguments()).args(["--", "--nocapture"])),
            Self::Grammar => pytest(&["tests/test_sql_grammar.py"]),
            Self::Template => pytest(&["tests/test_template.py"]),
            Self::Readers => pytest(&["tests/test_readers.py", "tests/test_stix_bundles.py", "tests/test_hunting.py"]),
            // Together: what SAM builds takes minutes, and is the same for both.
            Self::Deployment => pytest(&["tests/test_deployment.py", "tests/test_detections.py"]),
        }
    }

    /// Why this machine cannot run the step, if it cannot.
    fn cannot_run(self) -> Option<String> {
        match self {
            Self::Format if !has_component("fmt") => Some("this installation of Rust has no `cargo fmt`".to_owned()),
            Self::Lints if !has_component("clippy") => {
                Some("this installation of Rust has no `cargo clippy`".to_owned())
            }
            Self::Fuzz if !has_cpp_compiler() => {
                Some("libFuzzer needs a C++ compiler, and there is no `c++`".to_owned())
            }
            Self::RealLogs if !crate::workspace().join("../shared/data").exists() => {
                Some("../shared/data is not here".to_owned())
            }
            _ => None,
        }
    }

    /// The arguments of `cargo` for a step that is one command of it.
    fn cargo_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Format => &["fmt", "--all", "--check"],
            Self::Lints => &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
            Self::Fuzz => &["check", "--manifest-path", "fuzz/Cargo.toml", "--locked", "--quiet"],
            Self::Crates => &["test", "--workspace", "--exclude", "real-logs", "--no-fail-fast"],
            Self::RealLogs => &["test", "--release", "-p", "real-logs"],
            Self::SupplyChain | Self::Grammar | Self::Template | Self::Readers | Self::Deployment => &[],
        }
    }

    /// Commands that repeat a step that failed: the step, and the least of it that failed as far as that is known.
    fn repeated_by(self, outcome: &Outcome) -> Vec<String> {
        let step = match self {
            // It reads the statements that the crates' tests of the same run have generated.
            Self::Grammar => "crates,grammar".to_owned(),
            step => step.to_string(),
        };
        let mut commands = vec![format!("cargo xtask test --only {step}")];
        if !outcome.failing_targets.is_empty() {
            commands.extend(outcome.failing_targets.iter().map(|target| format!("cargo test {target}")));
        } else if !self.cargo_arguments().is_empty() {
            commands.push(format!("cargo {}", self.cargo_arguments().join(" ")));
        }
        commands
    }
}

/// The lines that end a run.
fn summary(outcomes: &[(Step, Outcome, Duration)], total: Duration) -> String {
    let mut text = format!("\n=== summary {}\n", "=".repeat(93));
    let mut all = Counts::default();
    for (step, outcome, time) in outcomes {
        let Outcome { counts, succeeded, .. } = outcome;
        let verdict = if *succeeded { "passed" } else { "FAILED" };
        text.push_str(&format!(
            "{step:<14}{verdict:<8}{:>7.0} s   {} passed, {} failed, {} skipped\n",
            time.as_secs_f64(),
            counts.passed,
            counts.failed,
            counts.skipped
        ));
        all.add(*counts);
    }
    text.push_str(&format!("{:<22}{:>7.0} s\n", "all", total.as_secs_f64()));
    let skips: Vec<&Skip> = outcomes.iter().flat_map(|(_, outcome, _)| &outcome.skips).collect();
    text.push_str(&list_of_skips(&skips));
    for (step, outcome, _) in outcomes.iter().filter(|(_, outcome, _)| !outcome.succeeded) {
        text.push_str(&format!("\n{step} failed. To repeat it:\n"));
        text.extend(step.repeated_by(outcome).iter().map(|command| format!("  {command}\n")));
    }
    // Last, in the form that continuous integration reads.
    text.push_str(&format!("\nTests: {} passed, {} failed, {} skipped\n", all.passed, all.failed, all.skipped));
    text
}

/// Skipped tests by their reasons; nothing where there are none.
fn list_of_skips(skips: &[&Skip]) -> String {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for skip in skips {
        match by_reason.iter_mut().find(|(reason, _)| *reason == skip.reason) {
            Some((_, tests)) => tests.push(&skip.test),
            None => by_reason.push((&skip.reason, vec![&skip.test])),
        }
    }
    let mut text = String::new();
    if !by_reason.is_empty() {
        text.push_str("\nSkipped:\n");
    }
    for (reason, tests) in by_reason {
        text.push_str(&format!("  {reason} ({})\n", tests.len()));
        text.extend(tests.iter().map(|test| format!("    {test}\n")));
    }
    text
}

/// Whether a part of Rust that a small installation may lack is there.
fn has_component(name: &str) -> bool {
    cargo().args([name, "--version"]).output().is_ok_and(|output| output.status.success())
}

fn has_cpp_compiler() -> bool {
    Command::new("c++").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn pytest(files: &[&str]) -> Result<Outcome> {
    let environment = TestEnvironment::prepare().context("the Python packages of tests/requirements.txt")?;
    let mut pytest = environment.command("pytest");
    pytest.args(["-rs", "--durations=5", "--durations-min=5"]).args(files);
    crate::runner::pytest(pytest.env(GENERATED_STATEMENTS, generated_statements()))
}

/// Where the crates' tests write the statements that they generate, if it is set.
const GENERATED_STATEMENTS: &str = "SLUICE_SQL_DUMP";

fn generated_statements() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("sluice-statements-{}.ndjson", std::process::id()))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::Arguments;

    fn skip(reason: &str, test: &str) -> Skip {
        Skip { reason: reason.to_owned(), test: test.to_owned() }
    }

    #[test]
    fn the_summary_lists_what_was_skipped_and_how_to_repeat_what_failed() {
        let passed = Outcome {
            counts: Counts { passed: 7, failed: 0, skipped: 3 },
            succeeded: true,
            skips: vec![skip("no data", "a"), skip("no server", "b"), skip("no data", "c")],
            failing_targets: Vec::new(),
        };
        let failed = Outcome {
            counts: Counts { passed: 1, failed: 1, skipped: 0 },
            failing_targets: vec!["-p stix --test binder".to_owned()],
            ..Outcome::default()
        };
        let outcomes = [
            (Step::Readers, passed, Duration::from_secs(2)),
            (Step::Crates, failed, Duration::from_secs(30)),
            (Step::Lints, Outcome::of_one(false), Duration::from_secs(1)),
            (Step::Grammar, Outcome::of_one(false), Duration::from_secs(1)),
        ];
        let expected = "\
readers       passed        2 s   7 passed, 0 failed, 3 skipped
crates        FAILED       30 s   1 passed, 1 failed, 0 skipped
lints         FAILED        1 s   0 passed, 1 failed, 0 skipped
grammar       FAILED        1 s   0 passed, 1 failed, 0 skipped
all                        34 s

Skipped:
  no data (2)
    a
    c
  no server (1)
    b

crates failed. To repeat it:
  cargo xtask test --only crates
  cargo test -p stix --test binder

lints failed. To repeat it:
  cargo xtask test --only lints
  cargo clippy --workspace --all-targets --quiet -- -D warnings

grammar failed. To repeat it:
  cargo xtask test --only crates,grammar

Tests: 8 passed, 3 failed, 3 skipped
";
        let shown = summary(&outcomes, Duration::from_secs(34));
        assert_eq!(shown.trim_start().split_once('\n').unwrap().1, expected);
    }

    #[test]
    fn nothing_is_listed_where_nothing_was_skipped_or_failed() {
        let shown = summary(&[(Step::Format, Outcome::of_one(true), Duration::ZERO)], Duration::ZERO);
        assert!(!shown.contains("Skipped") && !shown.contains("repeat"), "{shown}");
        assert!(shown.ends_with("\nTests: 1 passed, 0 failed, 0 skipped\n"), "{shown}");
    }

    #[test]
    fn help_and_the_error_for_an_unknown_step_list_all_steps() {
        let mut command = Arguments::command();
        let help = command.find_subcommand_mut("test").unwrap().render_long_help().to_string();
        let refused = Arguments::try_parse_from(["xtask", "test", "--only", "crate"]).err().unwrap().to_string();
        for step in STEPS {
            assert!(help.contains(&format!("- {step}:")), "{step} is not in\n{help}");
            assert!(refused.contains(&step.to_string()), "{step} is not in\n{refused}");
        }
        assert!(refused.contains("a similar value exists: 'crates'"), "{refused}");
    }
}
