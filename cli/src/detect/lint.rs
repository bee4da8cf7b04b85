//! `sluice detect lint`: what is wrong with rules.

use std::path::PathBuf;

use clap::ValueHint;
use detection::diagnostic::{DIAGNOSTICS, SourceText};

use crate::diagnosis::{Diagnosis, LintArguments, explain};
use crate::exit::Outcome;
use crate::output::{Output, counted};
use crate::rules::rule_files;

/// Check rules
///
/// Reads each rule with the very front end that runs it. Errors (E…) mean that the rule is refused; warnings (W…) that it
/// runs, but that whoever gets its findings will miss something.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice detect lint my-rules/                    every .yaml file below
  sluice detect lint my-rules/ --deny-warnings    in a build: warnings fail it too
  sluice detect lint --explain E216               what a number means and what to do

Exit code: 0 no errors, 1 warnings and --deny-warnings, 2 errors, 3 a file that cannot be read.")]
pub(crate) struct Lint {
    /// Rule files or folders; the shipped rules if there are none
    #[arg(value_name = "RULES", value_hint = ValueHint::AnyPath, conflicts_with = "explain")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    lint: LintArguments,
}

impl Lint {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        if let Some(number) = &self.lint.explain {
            return explain(output, number, DIAGNOSTICS, "sluice detect lint");
        }
        let files = rule_files(&self.rules)?;
        let mut diagnosis = Diagnosis::new(output, &self.lint);
        for file in &files {
            diagnosis.add(&SourceText::new(&file.name, &file.text), &file.checked.diagnostics)?;
        }
        diagnosis.finish(counted(files.len() as u64, "rule"))
    }
}
