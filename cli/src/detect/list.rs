//! `sluice detect list`: which rules there are.

use std::path::PathBuf;

use clap::ValueHint;
use detection::rule::Logic;
use detection::{Catalog, Rule};
use serde::Serialize;

use crate::engine::TablesArguments;
use crate::exit::{Failure, Outcome, Verdict};
use crate::hunting::CatalogArguments;
use crate::output::{Align, Format, Output, Table, harmless};
use crate::rules::Accepted;

/// List rules
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice detect list
  sluice detect list --lake ./lake                also show which rules have tables
  sluice detect list my-rules/ --format ndjson | jq -r 'select(.level == \"critical\") | .title'")]
pub(crate) struct List {
    /// Files, folders, or names of shipped rules [default: all shipped rules]
    #[arg(value_name = "RULES", value_hint = ValueHint::AnyPath)]
    rules: Vec<PathBuf>,
    /// Format of the list
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    catalog: CatalogArguments,
    #[command(flatten)]
    tables: TablesArguments,
}

#[derive(Serialize)]
struct Entry<'r> {
    id: String,
    title: &'r str,
    level: &'static str,
    status: &'static str,
    language: &'static str,
    schedule: &'r str,
    tables: Vec<String>,
    tags: Vec<&'r str>,
    tests: usize,
    /// Only where an engine is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'static str>,
}

/// Whether a rule has tables to look at: one that is expected and missing is a fault, any other may come with its first
/// event.
fn data(rule: &Rule, catalog: &Catalog) -> &'static str {
    if !catalog.missing_tables_of(rule).is_empty() {
        "missing"
    } else if catalog.has_tables_of(rule) {
        "yes"
    } else {
        "no data yet"
    }
}

impl List {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        if self.catalog.catalog.is_some() && !self.tables.names_one() {
            return Err(Failure::usage("--catalog needs an engine to compare with; add --lake or --engine"));
        }
        let rules = Accepted::at(&self.rules, output)?;
        let catalog = match self.tables.names_one() {
            true => Some(self.catalog.catalog(&self.tables.tables()?)?),
            false => None,
        };
        let entries: Vec<Entry<'_>> = rules
            .rules()
            .map(|rule| Entry {
                id: rule.id.to_string(),
                title: &rule.title,
                level: rule.level.as_str(),
                status: rule.status.as_str(),
                language: match rule.logic {
                    Logic::Stix { .. } => "stix",
                    Logic::Sql(_) => "sql",
                },
                schedule: rule.schedule.as_str(),
                tables: rule.sources().into_iter().map(str::to_owned).collect(),
                tags: rule.tags.iter().map(|tag| tag.value.as_str()).collect(),
                tests: rule.tests.len(),
                data: catalog.as_ref().map(|catalog| data(rule, catalog)),
            })
            .collect();
        match self.format {
            Format::Json => output.json(&entries)?,
            Format::Ndjson => output.stream(|data| entries.iter().try_for_each(|entry| data.json(entry)))?,
            Format::Table => {
                let columns = ["TITLE", "LEVEL", "IN", "SCHEDULE", "TABLES", "TESTS"].into_iter();
                let columns = columns.chain(catalog.is_some().then_some("DATA"));
                let mut table = Table::new(columns.map(|title| (title, Align::Left)));
                for entry in &entries {
                    let cells = [
                        harmless(entry.title).into_owned(),
                        entry.level.to_owned(),
                        entry.language.to_owned(),
                        entry.schedule.to_owned(),
                        entry.tables.join(", "),
                        entry.tests.to_string(),
                    ];
                    table.row(cells.into_iter().chain(entry.data.map(str::to_owned)));
                }
                output.write(table.render("", output.data))?;
            }
        }
        rules.ending(Verdict::Fine)
    }
}
