//! `sluice detect lint`: what is wrong with rules.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use clap::ValueHint;
use detection::Catalog;
use detection::diagnostic::{DIAGNOSTICS, SourceText};

use crate::diagnosis::{Diagnosis, LintArguments, explain};
use crate::engine::TablesArguments;
use crate::exit::Outcome;
use crate::hunting::CatalogArguments;
use crate::output::{Output, counted};
use crate::rules::rule_files;

/// Check rules for faults
///
/// Lint reads each rule with the code that runs it, and plans its statement without running it. By default, the tables
/// are those of the shipped mappings and of the mapping configs in the rule's tests. Errors (E…) mean that the rule is
/// refused; warnings (W…) mean that it runs, but not every part works as written.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice detect lint my-rules/                    check every .yaml file in a folder
  sluice detect lint my-rules/ --deny-warnings    fail on warnings, for CI
  sluice detect lint my-rules/ --lake ./lake      check against the tables of a lake folder
  sluice detect lint --explain E216               explain a diagnostic by its number

Exit code: 0 no errors, 1 warnings with --deny-warnings, 2 errors, 3 unreadable file.")]
pub(crate) struct Lint {
    /// Files, folders, or names of shipped rules [default: all shipped rules]
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
        let tables = self.tables.tables()?;
        let mut catalogs: BTreeMap<Option<PathBuf>, Catalog> = BTreeMap::new();
        let mut diagnosis = Diagnosis::new(output, &self.lint);
        for file in &mut files {
            let named = self.catalog_of(&file.folder);
            let catalog = match catalogs.entry(named) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let catalog = CatalogArguments { catalog: entry.key().clone() }.catalog(&tables)?;
                    entry.insert(catalog)
                }
            };
            file.plan(catalog);
            diagnosis.add(&SourceText::new(&file.name, &file.text), &file.checked.diagnostics);
        }
        diagnosis.finish(counted(files.len() as u64, "rule"))
    }

    /// The catalog file that is named, or else lies in the folder of a rule or in the named folder above it.
    fn catalog_of(&self, folder: &Path) -> Option<PathBuf> {
        let above = self.rules.iter().filter(|place| folder.starts_with(place)).map(PathBuf::as_path);
        let beside = || std::iter::once(folder).chain(above).map(|folder| folder.join("catalog.yaml"));
        self.catalog.catalog.clone().or_else(|| beside().find(|file| file.is_file()))
    }
}
