//! `sluice detect test`: the tests that rules carry.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::ValueHint;
use detection::Rule;
use detection::rule::Test as RuleTest;
use detection::trial::{self, Engines};
use embedded::{Embedded, Options};
use query::{BoxFuture, Engine, QueryError};
use serde::Serialize;

use crate::exit::{Outcome, Verdict};
use crate::lake_arguments::runtime;
use crate::output::{Output, ResultFormat, counted, harmless, harmless_lines};
use crate::rules::{Accepted, RuleFile};

/// Run the tests in rule files
///
/// The events of each test go through the real mapping into a lake of their own. The rule runs over that lake on the
/// embedded engine. Its findings are compared with those that the test expects.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice detect test
  sluice detect test my-rules/ --minimum 2       require two tests for each rule
  sluice detect test my-rules/ --format json | jq '.[] | select(.failure)'

Exit code: 0 all tests pass, 1 a test fails or is missing, 2 a rule is refused, 3 unreadable file.")]
pub(crate) struct Test {
    /// Files, folders, or names of shipped rules [default: all shipped rules]
    #[arg(value_name = "RULES", value_hint = ValueHint::AnyPath)]
    rules: Vec<PathBuf>,
    /// Minimum number of tests of each rule
    #[arg(long, value_name = "TESTS", default_value_t = 1)]
    minimum: usize,
    /// Format of the results
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
}

#[derive(Serialize)]
struct Tested {
    rule: String,
    test: String,
    findings: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl Test {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let accepted = Accepted::at(&self.rules, output)?;
        let files = &accepted.files;
        let runtime = runtime()?;
        let run = |rule: &Rule, test: &RuleTest, files: &Path| -> std::io::Result<Tested> {
            let folder = tempfile::tempdir()?;
            let verdict = runtime.block_on(trial::run(rule, test, files, folder.path(), &OverFolders));
            let (rule, findings) = (rule.title.clone(), verdict.findings.len());
            Ok(Tested { rule, test: verdict.name, findings, failure: verdict.failure })
        };
        let mut tested = Vec::new();
        let mut results = on_all_cores(&tests_of(files), |(rule, test, files)| run(rule, test, files)).into_iter();
        for file in files {
            let Some(rule) = &file.checked.rule else { continue };
            for result in results.by_ref().take(rule.tests.len()) {
                tested.push(result?);
            }
            if rule.tests.len() < self.minimum {
                tested.push(Tested {
                    rule: rule.title.clone(),
                    test: String::new(),
                    findings: 0,
                    failure: Some(format!(
                        "the rule has {} of at least {}",
                        rule.tests.len(),
                        counted(self.minimum as u64, "test")
                    )),
                });
            }
        }
        let failed = tested.iter().filter(|test| test.failure.is_some()).count();
        match self.format {
            ResultFormat::Json => output.json(&tested)?,
            ResultFormat::Table => {
                for test in &tested {
                    let name = format!("{}: {}", harmless(&test.rule), harmless(&test.test));
                    match &test.failure {
                        None => output.write(format_args!("{}  {name}\n", output.data.good("ok  ")))?,
                        Some(why) => {
                            let why = harmless_lines(why).replace('\n', "\n      ");
                            output.write(format_args!("{}  {name}\n      {why}\n", output.data.error("FAIL")))?;
                        }
                    }
                }
            }
        }
        let (tests, rules) = (counted(tested.len() as u64, "test"), counted(files.len() as u64, "rule"));
        output.say(match failed {
            0 => format!("{tests} of {rules}: {}", output.talk.good("all pass")),
            failed => format!("{tests} of {rules}: {}", output.talk.error(format_args!("{failed} failed"))),
        });
        accepted.ending(Verdict::of(failed > 0))
    }
}

/// The tests of rule files, in order, each with its rule and the folder that its paths are relative to.
fn tests_of(files: &[RuleFile]) -> Vec<(&Rule, &RuleTest, &Path)> {
    let rules = files.iter().filter_map(|file| Some((file.checked.rule.as_ref()?, file.folder.as_path())));
    rules.flat_map(|(rule, folder)| rule.tests.iter().map(move |test| (rule, test, folder))).collect()
}

/// What `work` makes of each item, in the order of the items.
fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(at) else { return done };
                done.push((at, work(item)));
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The embedded engine over the lake of a test.
struct OverFolders;

impl Engines for OverFolders {
    fn open<'a>(&'a self, lake: &'a Path) -> BoxFuture<'a, Result<Box<dyn Engine>, QueryError>> {
        Box::pin(async move {
            let engine: Box<dyn Engine> = Box::new(Embedded::over_folder(lake, Options::default()).await?);
            Ok(engine)
        })
    }
}
