//! `sluice lint`: what is wrong with mapping configs.

use clap::ValueHint;
use mapping::diagnostic::{DIAGNOSTICS, SourceText};

use crate::diagnosis::{Diagnosis, LintArguments, explain};
use crate::exit::Outcome;
use crate::mapping_config::MappingConfig;
use crate::output::{Output, counted};

/// Check mapping configs
///
/// Reads each config with the very front end that runs it, and shows every fault with its place, its number and the way
/// out. Errors (E…) mean that the mapping is refused; warnings (W…) that it runs, but not in every part as written.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice lint my-source.json              check a file
  sluice lint windows-sysmon              check a shipped config (see `sluice mappings`)
  sluice lint *.json --deny-warnings      in a build: warnings fail it too
  sluice lint --explain W114              what a number means and what to do
  sluice lint --explain                   all numbers
  sluice lint my-source.json --format ndjson | jq -r '\"\\(.line): \\(.message)\"'

Exit code: 0 no errors, 1 warnings and --deny-warnings, 2 errors, 3 a config that cannot be read.")]
pub(crate) struct Lint {
    /// Files, names of shipped configs, or `-` for standard input
    #[arg(value_name = "CONFIG", value_hint = ValueHint::FilePath, required_unless_present = "explain",
        conflicts_with = "explain")]
    configs: Vec<String>,
    #[command(flatten)]
    lint: LintArguments,
}

impl Lint {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        if let Some(number) = &self.lint.explain {
            return explain(output, number, DIAGNOSTICS, "sluice lint");
        }
        let configs = self.configs.iter().map(|named| MappingConfig::read(named)).collect::<Result<Vec<_>, _>>()?;
        let mut diagnosis = Diagnosis::new(output, &self.lint);
        for config in &configs {
            diagnosis.add(&SourceText::new(&config.name, &config.text), &config.check().diagnostics)?;
        }
        diagnosis.finish(counted(configs.len() as u64, "config"))
    }
}
