//! `sluice detect list`: which rules there are.

use std::path::PathBuf;

use clap::ValueHint;
use detection::rule::Logic;
use serde::Serialize;

use crate::exit::{Outcome, Verdict};
use crate::output::{Align, Format, Output, Table, harmless};
use crate::rules::rules;

/// List rules
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice detect list
  sluice detect list my-rules/ --format ndjson | jq -r 'select(.level == \"critical\") | .title'")]
pub(crate) struct List {
    /// Rule files or folders; the shipped rules if there are none
    #[arg(value_name = "RULES", value_hint = ValueHint::AnyPath)]
    rules: Vec<PathBuf>,
    /// How the list is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
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
}

impl List {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let rules = rules(&self.rules, output)?;
        let entries: Vec<Entry<'_>> = rules
            .iter()
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
                tables: detection::finding::sources(rule),
                tags: rule.tags.iter().map(|tag| tag.value.as_str()).collect(),
                tests: rule.tests.len(),
            })
            .collect();
        match self.format {
            Format::Json => output.json(&entries)?,
            Format::Ndjson => output.stream(|data| entries.iter().try_for_each(|entry| data.json(entry)))?,
            Format::Table => {
                let columns = ["TITLE", "LEVEL", "IN", "SCHEDULE", "TABLES", "TESTS"];
                let mut table = Table::new(columns.map(|title| (title, Align::Left)));
                for entry in &entries {
                    table.row([
                        harmless(entry.title).into_owned(),
                        entry.level.to_owned(),
                        entry.language.to_owned(),
                        entry.schedule.to_owned(),
                        entry.tables.join(", "),
                        entry.tests.to_string(),
                    ]);
                }
                output.write(table.render("", output.data))?;
            }
        }
        Ok(Verdict::Fine)
    }
}
