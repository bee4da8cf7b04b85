//! `sluice detect`: rules listed, checked, tested, run as they are deployed, and run over the past.

mod backtest;
mod lint;
mod list;
mod run;
mod test;

use clap::Subcommand;

use crate::exit::Outcome;
use crate::output::Output;

/// List, lint, test, backtest and run detection rules
///
/// A rule is one YAML file; docs/detections.md describes the format. Without rule arguments, commands use all rules
/// that ship with Sluice.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice detect list
  sluice detect lint my-rules/ --deny-warnings
  sluice detect test my-rules/
  sluice detect backtest --lake ./lake --since 30d my-rules/
  sluice detect run --lake ./lake --state ./state my-rules/")]
pub(crate) struct Detect {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    List(list::List),
    Lint(lint::Lint),
    Test(test::Test),
    Run(run::Run),
    Backtest(backtest::Backtest),
    /// Print the JSON Schema of rule files, for editors
    Schema,
}

impl Detect {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.action {
            Action::List(list) => list.run(output),
            Action::Lint(lint) => lint.run(output),
            Action::Test(test) => test.run(output),
            Action::Run(run) => run.run(output),
            Action::Backtest(backtest) => backtest.run(output),
            Action::Schema => {
                output.json(&detection::json_schema())?;
                Ok(crate::exit::Verdict::Fine)
            }
        }
    }
}
