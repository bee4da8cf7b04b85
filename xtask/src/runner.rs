//! Runs test runners (cargo's and pytest), passes on what they print, and reads from it what passed, failed and was skipped.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// How a step ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) succeeded: bool,
    pub(crate) skips: Vec<Skip>,
    /// Arguments of `cargo test` for each program with failing tests, as `-p stix --test binder`.
    pub(crate) failing_targets: Vec<String>,
}

impl Outcome {
    /// Of a check that counts as one test.
    pub(crate) fn of_one(succeeded: bool) -> Self {
        let counts = Counts { passed: u64::from(succeeded), failed: u64::from(!succeeded), skipped: 0 };
        Self { counts, succeeded, ..Self::default() }
    }

    /// Of a check that cannot run here; that is no failure.
    pub(crate) fn skipped(test: &str, reason: &str) -> Self {
        println!("skipped: {reason}");
        let skips = vec![Skip { reason: reason.to_owned(), test: test.to_owned() }];
        Self { counts: Counts { skipped: 1, ..Counts::default() }, succeeded: true, skips, ..Self::default() }
    }
}

/// A test that did not run, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Skip {
    pub(crate) reason: String,
    pub(crate) test: String,
}

/// Numbers of tests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
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

/// A command that counts as one test.
pub(crate) fn single(command: &mut Command) -> Result<Outcome> {
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("running {command:?}"))?;
    Ok(Outcome::of_one(status.success()))
}

/// `cargo test … -- --show-output`: what successful tests print is not shown, but a line `skipped: <reason>` is counted.
pub(crate) fn cargo_tests(command: &mut Command) -> Result<Outcome> {
    run(command, CargoOutput::default())
}

/// pytest with `-rs`.
pub(crate) fn pytest(command: &mut Command) -> Result<Outcome> {
    run(command, Pytest::default())
}

/// What is known of a test runner from its output.
trait Reading {
    /// Takes a line; returns whether a person wants to see it.
    fn line(&mut self, line: &str) -> bool;
    /// The counts of the closing lines, and the skipped tests.
    fn finish(self) -> (Counts, Vec<Skip>);
}

fn run(command: &mut Command, mut reading: impl Reading) -> Result<Outcome> {
    if std::io::stderr().is_terminal() && std::env::var_os("CARGO_TERM_COLOR").is_none() {
        // Cargo cannot see that its errors, which pass through a pipe, end on a terminal.
        command.env("CARGO_TERM_COLOR", "always");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("running {command:?}"))?;
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let failing_targets = std::thread::scope(|scope| -> Result<Vec<String>> {
        let errors = scope.spawn(move || {
            let mut targets = Vec::new();
            for line in lines(errors) {
                let line = line?;
                eprintln!("{line}");
                targets.extend(failing_target(&line));
            }
            anyhow::Ok(targets)
        });
        for line in lines(output) {
            let line = line?;
            if reading.line(&line) {
                println!("{line}");
            }
        }
        errors.join().unwrap_or_else(|_| Ok(Vec::new()))
    })?;
    let succeeded = child.wait()?.success();
    let (mut counts, skips) = reading.finish();
    if !succeeded && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(Outcome { counts, succeeded, skips, failing_targets })
}

fn lines(stream: Option<impl Read>) -> impl Iterator<Item = std::io::Result<String>> {
    let lines = stream.map(|stream| BufReader::new(stream).split(b'\n'));
    lines.into_iter().flatten().map(|line| Ok(String::from_utf8_lossy(&line?).into_owned()))
}

/// With `--no-fail-fast` cargo ends with a list of the programs that failed: "    `-p stix --test binder`".
fn failing_target(line: &str) -> Option<String> {
    let target = line.strip_prefix("    `")?.strip_suffix('`')?;
    target.starts_with("-p ").then(|| target.to_owned())
}

/// The output of cargo's test programs, in which `successes:` begins what successful tests printed.
#[derive(Default)]
struct CargoOutput {
    in_successes: bool,
    test: String,
    counts: Counts,
    /// Of the programs that have ended.
    skips: Vec<Skip>,
    /// Of the program that runs: a test may say it more than once.
    skips_of_program: BTreeSet<Skip>,
    blank: bool,
}

impl Reading for CargoOutput {
    fn line(&mut self, line: &str) -> bool {
        let ends = line == "failures:" || line.starts_with("test result: ");
        if self.in_successes && !ends {
            if let Some(test) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
                self.test = test.to_owned();
            } else if let Some(reason) = line.strip_prefix("skipped: ") {
                self.skips_of_program.insert(Skip { reason: short(reason), test: self.test.clone() });
            }
            return false;
        }
        self.in_successes = line == "successes:";
        if self.in_successes {
            return false;
        }
        if line.starts_with("test result: ") {
            let mut counts = Counts::on(line);
            // To cargo a test that returns early has passed.
            let skips = std::mem::take(&mut self.skips_of_program);
            let skipped = skips.iter().map(|skip| &skip.test).collect::<BTreeSet<_>>().len() as u64;
            counts.passed = counts.passed.saturating_sub(skipped);
            counts.skipped += skipped;
            self.counts.add(counts);
            self.skips.extend(skips);
        }
        // Blank lines around what is not shown would pile up.
        let shown = !(line.is_empty() && self.blank);
        self.blank = line.is_empty();
        shown
    }

    fn finish(self) -> (Counts, Vec<Skip>) {
        (self.counts, self.skips)
    }
}

/// A reason in which a file beside the project has its path from here, as `../shared/data`, and not the absolute one.
fn short(reason: &str) -> String {
    let words = reason.split_whitespace().map(|word| match word.rsplit_once("/../") {
        Some((_, beside)) if word.starts_with('/') => format!("../{beside}"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[derive(Default)]
struct Pytest {
    counts: Counts,
    skips: Vec<Skip>,
}

impl Reading for Pytest {
    fn line(&mut self, line: &str) -> bool {
        self.counts.add(Counts::on(line));
        // SKIPPED [2] tests/test_hunting.py:91: reason
        let skip = line.strip_prefix("SKIPPED [").and_then(|rest| rest.split_once("] "));
        if let Some((_, (place, reason))) = skip.and_then(|(count, rest)| Some((count, rest.split_once(": ")?))) {
            self.skips.push(Skip { reason: reason.to_owned(), test: place.to_owned() });
        }
        true
    }

    fn finish(self) -> (Counts, Vec<Skip>) {
        (self.counts, self.skips)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts { passed, failed, skipped }
    }

    fn read(mut reading: impl Reading, output: &str) -> (Vec<&str>, Counts, Vec<Skip>) {
        let shown = output.lines().filter(|line| reading.line(line)).collect();
        let (counts, skips) = reading.finish();
        (shown, counts, skips)
    }

    #[test]
    fn closing_lines_of_test_runners_are_counted() {
        for (line, expected) in [
            ("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; finished in 0.05s", counts(12, 0, 1)),
            ("test result: FAILED. 11 passed; 1 failed; 0 ignored; finished in 1.20s", counts(11, 1, 0)),
            ("70 passed in 6.38s", counts(70, 0, 0)),
            ("======== 2 failed, 68 passed, 1 skipped, 1 error in 66.38s (0:01:06) ========", counts(68, 3, 1)),
        ] {
            assert_eq!(Counts::on(line), expected, "{line}");
        }
    }

    #[test]
    fn other_lines_are_not() {
        for line in ["running 12 tests", "3 passed the post", "put 5 failed records in quarantine"] {
            assert_eq!(Counts::on(line), Counts::default(), "{line}");
        }
    }

    #[test]
    fn a_test_that_says_it_is_skipped_is_counted_and_named_and_other_output_is_hidden() {
        let output = "\nrunning 3 tests\n...\nsuccesses:\n\n---- real::all stdout ----\nsome text\n\
                      skipped: ../shared/data is not here\n\n---- vectors::one stdout ----\n\
                      skipped: /home/me/sluice/testing/vectors/../../../shared/vectors/a.json is not here\n\
                      \n\nsuccesses:\n    other\n    real::all\n    vectors::one\n\n\
                      test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; finished in 0.05s\n";
        let (shown, found, skips) = read(CargoOutput::default(), output);
        assert_eq!(
            shown,
            [
                "",
                "running 3 tests",
                "...",
                "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; finished in 0.05s"
            ]
        );
        assert_eq!(found, counts(1, 0, 2));
        let skip = |reason: &str, test: &str| Skip { reason: reason.to_owned(), test: test.to_owned() };
        assert_eq!(
            skips,
            [
                skip("../shared/data is not here", "real::all"),
                skip("../shared/vectors/a.json is not here", "vectors::one")
            ]
        );
    }

    #[test]
    fn what_failing_tests_print_is_shown() {
        let output = "running 2 tests\n.F\nsuccesses:\n\n---- a stdout ----\nhidden\n\nsuccesses:\n    a\n\n\
                      failures:\n\n---- b stdout ----\nshown\n\nfailures:\n    b\n\n\
                      test result: FAILED. 1 passed; 1 failed; 0 ignored; finished in 1.20s\n";
        let (shown, found, _) = read(CargoOutput::default(), output);
        assert!(shown.contains(&"shown") && shown.contains(&"    b") && !shown.contains(&"hidden"), "{shown:?}");
        assert_eq!(found, counts(1, 1, 0));
    }

    #[test]
    fn skips_of_pytest_are_named() {
        let output = "SKIPPED [2] tests/test_hunting.py:91: ../shared/data is not here\n3 passed, 2 skipped in 0.10s\n";
        let (shown, found, skips) = read(Pytest::default(), output);
        assert_eq!(shown.len(), 2);
        assert_eq!(found, counts(3, 0, 2));
        assert_eq!(skips.len(), 1);
        assert_eq!((&*skips[0].test, &*skips[0].reason), ("tests/test_hunting.py:91", "../shared/data is not here"));
    }

    #[test]
    fn programs_that_failed_are_read_from_cargos_last_lines() {
        assert_eq!(failing_target("    `-p stix --test binder`").as_deref(), Some("-p stix --test binder"));
        assert_eq!(failing_target("error: 1 target failed:"), None);
        assert_eq!(failing_target("    `x`"), None);
    }

    #[test]
    fn a_runner_that_cannot_build_counts_as_a_failure() {
        let outcome = cargo_tests(Command::new("sh").args(["-c", "echo 'error: no' >&2; exit 1"])).unwrap();
        assert_eq!((outcome.succeeded, outcome.counts), (false, counts(0, 1, 0)));
    }
}
