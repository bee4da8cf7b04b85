//! `sluice detect lint`: what is wrong with rules.

use std::path::PathBuf;

use clap::ValueHint;
use detection::Catalog;
use detection::diagnostic::{DIAGNOSTICS, SourceText};

use crate::diagnosis::{Diagnosis, LintArguments, explain};
use crate::engine::TablesArguments;
use crate::exit::{Failure, Outcome};
use crate::hunting::CatalogArguments;
use crate::output::{Output, counted};
use crate::rules::rule_files;

/// Check rules
///
/// Reads each rule with the code that runs it and plans its statement, without running it. The tables are those of the shipped
/// mappings and of the mappings that the rule's tests name; with `--lake` or `--engine athena` those of the engine, and with a
/// catalog file those that it names. Each fault is one line with its place in the rule; `--verbose` adds the lines of the file.
/// Errors (E…) mean that the rule is refused; warnings (W…) that it runs, but that whoever gets its findings will miss
/// something.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice detect lint my-rules/                    every .yaml file below
  sluice detect lint my-rules/ --deny-warnings    in a build: warnings fail it too
  sluice detect lint my-rules/ --lake ./lake      against the tables of a lake folder
  sluice detect lint --explain E216               what a number means and what to do

Exit code: 0 no errors, 1 warnings and --deny-warnings, 2 errors, 3 a file that cannot be read.")]
pub(crate) struct Lint {
    /// Rule files or folders; the shipped rules if there are none
    #[arg(value_name = "RULES", value_hint = ValueHint::AnyPath, conflicts_with = "explain")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    lint: LintArguments,
    #[command(flatten)]
    catalog: CatalogArguments,
    #[command(flatten)]
    tables: TablesArguments,
}

impl Lint {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        if let Some(number) = &self.lint.explain {
            return explain(output, number, DIAGNOSTICS, "sluice detect lint");
        }
        let mut files = rule_files(&self.rules)?;
        let catalog = self.catalog()?;
        let mut diagnosis = Diagnosis::new(output, &self.lint);
        for file in &mut files {
            file.plan(&catalog);
            diagnosis.add(&SourceText::new(&file.name, &file.text), &file.checked.diagnostics);
        }
        diagnosis.finish(counted(files.len() as u64, "rule"))
    }

    /// The catalog that is named, or that lies in a folder of the rules, over the engine's tables.
    fn catalog(&self) -> Result<Catalog, Failure> {
        let mut arguments = self.catalog.clone();
        if arguments.catalog.is_none() {
            let beside = self.rules.iter().map(|place| place.join("catalog.yaml"));
            arguments.catalog = beside.into_iter().find(|file| file.is_file());
        }
        arguments.catalog(&self.tables.tables()?)
    }
}
