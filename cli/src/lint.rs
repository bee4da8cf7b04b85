//! `sluice lint`: what is wrong with mapping configs, sources files and rules.

use std::path::{Path, PathBuf};

use clap::ValueHint;
use diagnostics::Facts;
use mapping::diagnostic::SourceText;
use pipeline::{check_sources, is_sources_file};

use crate::diagnosis::{Diagnosis, LintArguments, explain};
use crate::exit::{Failure, Outcome};
use crate::hunting::CatalogArguments;
use crate::mapping_config::MappingConfig;
use crate::output::{Output, counted};
use crate::rules::rule_files;

/// Check mapping configs, sources files and rules
///
/// Lint reads each file with the code that runs it, and prints each diagnostic as one line with its place and fix.
/// Errors (E…) mean that the file is refused; warnings (W…) mean that it runs, but not every part works as written. The
/// mapping configs of a sources file are checked, too; a .yaml file is checked as a detection rule.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice lint my-source.json              check a file
  sluice lint windows-sysmon              check a shipped config (see `sluice mappings`)
  sluice lint sources.json                check a sources file and the configs it names
  sluice lint *.json --deny-warnings      fail on warnings, for CI
  sluice lint my-source.json --verbose    also show the lines of the file
  sluice lint --explain W114              explain a diagnostic by its number
  sluice lint --explain                   list all numbers
  sluice lint my-source.json --format ndjson | jq -r '\"\\(.line): \\(.message)\"'

Exit code: 0 no errors, 1 warnings with --deny-warnings, 2 errors, 3 unreadable config.")]
pub(crate) struct Lint {
    /// Files, names of shipped configs, or `-` for standard input
    #[arg(value_name = "CONFIG", value_hint = ValueHint::FilePath, required_unless_present = "explain",
        conflicts_with = "explain")]
    configs: Vec<String>,
    /// Folder of the mapping configs that a sources file names [default: the folder of the sources file]
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    mappings: Option<PathBuf>,
    #[command(flatten)]
    lint: LintArguments,
}

impl Lint {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        if let Some(number) = &self.lint.explain {
            return explain(output, number, &diagnostics(), "sluice lint");
        }
        let (rules, configs): (Vec<&String>, Vec<&String>) = self.configs.iter().partition(|named| is_rule(named));
        let configs = configs.into_iter().map(|named| MappingConfig::read(named)).collect::<Result<Vec<_>, _>>()?;
        let mut diagnosis = Diagnosis::new(output, &self.lint);
        let mut checked = rules.len() + configs.len();
        if !rules.is_empty() {
            let catalog = CatalogArguments::default().catalog(&[])?;
            for file in &mut rule_files(&rules.into_iter().map(PathBuf::from).collect::<Vec<_>>())? {
                file.plan(&catalog);
                diagnosis.add(&SourceText::new(&file.name, &file.text), &file.checked.diagnostics);
            }
        }
        for config in &configs {
            if is_sources_file(&config.text) {
                checked += self.sources_file(config, &mut diagnosis)?;
            } else {
                diagnosis.add(&SourceText::new(&config.name, &config.text), &config.check().diagnostics);
            }
        }
        let what = if self.configs.iter().any(|named| is_rule(named)) { "file" } else { "config" };
        diagnosis.finish(counted(checked as u64, what))
    }

    /// Checks a sources file, and the mapping configs that it names and that are not shipped. Gives their number.
    fn sources_file(&self, file: &MappingConfig, diagnosis: &mut Diagnosis<'_>) -> Result<usize, Failure> {
        let named = |name: &str| file.neighbour(self.mappings.as_deref(), name);
        let checked = check_sources(&file.text, &|name| named(name).map(|config| config.text));
        diagnosis.add(&SourceText::new(&file.name, &file.text), &checked.diagnostics);
        let own = checked.mappings.iter().filter(|mapping| !mapping.is_shipped);
        let own: Vec<MappingConfig> = own.filter_map(|mapping| named(&mapping.name)).collect();
        for config in &own {
            diagnosis.add(&SourceText::new(&config.name, &config.text), &config.check().diagnostics);
        }
        Ok(own.len())
    }
}

/// Whether a file is a detection rule: those are YAML, configs are JSON.
fn is_rule(named: &str) -> bool {
    Path::new(named).extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Every diagnostic of mapping configs, of sources files and of rules, ordered by number within errors and warnings of each.
fn diagnostics() -> Vec<Facts<()>> {
    let of_mappings = mapping::diagnostic::DIAGNOSTICS.iter().map(Facts::without_code);
    let of_sources = pipeline::diagnostic::DIAGNOSTICS.iter().map(Facts::without_code);
    let of_rules = detection::diagnostic::DIAGNOSTICS.iter().map(Facts::without_code);
    of_mappings.chain(of_sources).chain(of_rules).collect()
}
