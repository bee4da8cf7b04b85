//! `cargo xtask test`: everything that must hold before a change goes in, in the order in which a fault is cheapest to find.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::cargo;
use crate::test_environment::TestEnvironment;

#[derive(clap::Args)]
pub(crate) struct Test {
    /// Run only these steps, in their usual order
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    /// cargo fmt --check
    Format,
    /// cargo clippy, every warning an error
    Lints,
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

const STEPS: [Step; 9] = [
    Step::Format,
    Step::Lints,
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
            let outcome = step.run().unwrap_or_else(|error| {
                println!("{error:#}");
                Outcome { counts: Counts::default(), succeeded: false }
            });
            outcomes.push((step, outcome, step_began.elapsed()));
        }
        report(&outcomes, began.elapsed());
        if outcomes.iter().any(|(_, outcome, _)| !outcome.succeeded) {
            bail!("the test suite failed");
        }
        Ok(())
    }
}

impl Step {
    fn run(self) -> Result<Outcome> {
        match self {
            Self::Format => component("fmt", &["--all", "--check"]),
            Self::Lints => component("clippy", &["--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
            Self::Fuzz if !has_cpp_compiler() => {
                println!("skipped: libFuzzer needs a C++ compiler, and there is no `c++`");
                Ok(Outcome { counts: Counts { skipped: 1, ..Counts::default() }, succeeded: true })
            }
            Self::Fuzz => single(cargo().args(["check", "--manifest-path", "fuzz/Cargo.toml", "--locked", "--quiet"])),
            Self::Crates => {
                if !crate::workspace().join("../shared/data").exists() {
                    println!("skipped: tests over real logs, because ../shared/data is not here");
                }
                if !crate::workspace().join("../shared/vectors").exists() {
                    println!(
                        "skipped: tests over vectors of patterns and detections, because ../shared/vectors is not here"
                    );
                }
                // What an earlier run has generated is not this run's.
                let statements = generated_statements();
                let _ = std::fs::remove_file(&statements);
                tests(
                    cargo()
                        .args(["test", "--workspace", "--exclude", "real-logs", "--no-fail-fast", "--quiet"])
                        .env(GENERATED_STATEMENTS, statements),
                )
            }
            Self::RealLogs if !crate::workspace().join("../shared/data").exists() => {
                println!("skipped: ../shared/data is not here");
                Ok(Outcome { counts: Counts { skipped: 1, ..Counts::default() }, succeeded: true })
            }
            Self::RealLogs => tests(cargo().args(["test", "--release", "-p", "real-logs", "--", "--nocapture"])),
            Self::Grammar => {
                let environment = TestEnvironment::prepare()?;
                let pytest = ["-rs", "--durations=5", "--durations-min=5", "tests/test_sql_grammar.py"];
                tests(environment.command("pytest").args(pytest).env(GENERATED_STATEMENTS, generated_statements()))
            }
            Self::Template => pytest(&["tests/test_template.py"]),
            Self::Readers => pytest(&["tests/test_readers.py", "tests/test_stix_bundles.py", "tests/test_hunting.py"]),
            // Together: what SAM builds takes minutes, and is the same for both.
            Self::Deployment => pytest(&["tests/test_deployment.py", "tests/test_detections.py"]),
        }
    }
}

/// How a step ended.
struct Outcome {
    counts: Counts,
    succeeded: bool,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// The counts on the closing line of a test runner, nothing on any other line.
    ///
    /// cargo: `test result: ok. 12 passed; 0 failed; 1 ignored; …`; pytest: `3 failed, 67 passed, 1 skipped in 6.38s`.
    fn on(line: &str) -> Self {
        let mut counts = Self::default();
        let cargo = line.starts_with("test result: ");
        let pytest = line.contains(" in ")
            && line.trim_end_matches(['=', ' ', ')']).ends_with(|c: char| c.is_ascii_digit() || c == 's');
        if !cargo && !pytest {
            return counts;
        }
        let words: Vec<&str> = line.split([' ', ',', ';', '=']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let [number, what] = pair else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match *what {
                "passed" => counts.passed += number,
                "failed" | "error" | "errors" => counts.failed += number,
                "ignored" | "skipped" => counts.skipped += number,
                _ => {}
            }
        }
        counts
    }
}

fn report(outcomes: &[(Step, Outcome, Duration)], total: Duration) {
    println!("\n=== summary {}", "=".repeat(93));
    let mut all = Counts::default();
    for (step, outcome, time) in outcomes {
        let Outcome { counts, succeeded } = outcome;
        let verdict = if *succeeded { "passed" } else { "FAILED" };
        println!(
            "{step:<12}{verdict:<8}{:>7.0} s   {} passed, {} failed, {} skipped",
            time.as_secs_f64(),
            counts.passed,
            counts.failed,
            counts.skipped
        );
        all.add(*counts);
    }
    println!("{:<20}{:>7.0} s", "all", total.as_secs_f64());
    println!("Tests: {} passed, {} failed, {} skipped", all.passed, all.failed, all.skipped);
}

/// A check by a part of Rust that a small installation may lack: it holds or it does not, so it counts as one test.
fn component(name: &str, arguments: &[&str]) -> Result<Outcome> {
    let there = cargo().args([name, "--version"]).output().context("running cargo")?.status.success();
    if !there {
        println!("skipped: this installation of Rust has no `cargo {name}`");
        return Ok(Outcome { counts: Counts { skipped: 1, ..Counts::default() }, succeeded: true });
    }
    single(cargo().arg(name).args(arguments))
}

/// A command that counts as one test.
fn single(command: &mut Command) -> Result<Outcome> {
    let succeeded = command.stdin(Stdio::null()).status().with_context(|| format!("running {command:?}"))?.success();
    let counts = Counts { passed: u64::from(succeeded), failed: u64::from(!succeeded), skipped: 0 };
    Ok(Outcome { counts, succeeded })
}

fn has_cpp_compiler() -> bool {
    Command::new("c++").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A test runner: its output goes on to ours, and is counted on the way.
fn tests(command: &mut Command) -> Result<Outcome> {
    let mut runner =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| format!("running {command:?}"))?;
    let mut counts = Counts::default();
    if let Some(output) = runner.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            counts.add(Counts::on(&line));
        }
    }
    let succeeded = runner.wait()?.success();
    if !succeeded && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(Outcome { counts, succeeded })
}

fn pytest(files: &[&str]) -> Result<Outcome> {
    let environment = TestEnvironment::prepare()?;
    tests(environment.command("pytest").args(["-rs", "--durations=5", "--durations-min=5"]).args(files))
}

/// Where the crates' tests write the statements that they generate, if it is set.
const GENERATED_STATEMENTS: &str = "SLUICE_SQL_DUMP";

fn generated_statements() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("sluice-statements-{}.ndjson", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn closing_lines_of_test_runners_are_counted() {
        for (line, passed, failed, skipped) in [
            ("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; finished in 0.05s", 12, 0, 1),
            ("test result: FAILED. 11 passed; 1 failed; 0 ignored; finished in 1.20s", 11, 1, 0),
            ("70 passed in 6.38s", 70, 0, 0),
            ("============= 2 failed, 68 passed, 1 skipped, 1 error in 66.38s (0:01:06) =============", 68, 3, 1),
        ] {
            let counts = Counts::on(line);
            assert_eq!((counts.passed, counts.failed, counts.skipped), (passed, failed, skipped), "{line}");
        }
    }

    #[test]
    fn other_lines_are_not() {
        for line in ["running 12 tests", "3 passed the post", "put 5 failed records in quarantine"] {
            let counts = Counts::on(line);
            assert_eq!((counts.passed, counts.failed, counts.skipped), (0, 0, 0), "{line}");
        }
    }
}
