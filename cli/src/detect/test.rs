//! `sluice detect test`: the tests that rules carry.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use detection::trial::{self, Engines};
use embedded::{Embedded, Options};
use query::{BoxFuture, Engine, QueryError};
use serde::Serialize;

use crate::exit::{Outcome, Verdict};
use crate::lake_arguments::runtime;
use crate::output::{Output, ResultFormat, counted, harmless, harmless_lines};
use crate::rules::Accepted;

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
        let mut tested = Vec::new();
        for file in files {
            let Some(rule) = &file.checked.rule else { continue };
            for test in &rule.tests {
                let folder = tempfile::tempdir()?;
                let verdict = runtime.block_on(trial::run(rule, test, &file.folder, folder.path(), &OverFolders));
                tested.push(Tested {
                    rule: rule.title.clone(),
                    test: verdict.name,
                    findings: verdict.findings.len(),
                    failure: verdict.failure,
                });
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
