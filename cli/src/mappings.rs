//! `sluice mappings`: the shipped mapping configs and the format they are written in.

use std::collections::BTreeSet;

use clap::Subcommand;
use pipeline::SHIPPED_MAPPINGS;
use serde::Serialize;

use crate::exit::{Failure, Outcome, Verdict};
use crate::mapping_config::MappingConfig;
use crate::output::{Align, Format, Output, Table};

/// List the shipped mapping configs, print one, or print the format's JSON Schema
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice mappings                                  list the shipped configs
  sluice mappings show windows-sysmon > mine.json  start from a shipped config
  sluice mappings schema > mapping.schema.json     for completion and checks in an editor")]
pub(crate) struct Mappings {
    #[command(subcommand)]
    action: Option<Action>,
    /// Format of the list
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Subcommand)]
enum Action {
    /// Print a shipped config unchanged
    Show {
        /// Name of the config
        name: String,
    },
    /// Print the JSON Schema of the config format
    Schema,
}

/// A line of the list.
#[derive(Serialize)]
struct Entry {
    name: &'static str,
    source_name: String,
    ocsf_version: String,
    events: usize,
    classes: Vec<String>,
    description: Option<String>,
}

impl Mappings {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.action {
            Some(Action::Show { name }) => {
                if pipeline::shipped_mapping(&name).is_none() {
                    let names = SHIPPED_MAPPINGS.map(|(shipped, _)| shipped).join(", ");
                    return Err(Failure::usage(format_args!(
                        "no shipped mapping config `{name}`; the shipped ones are {names}"
                    )));
                }
                output.write(MappingConfig::read(&name)?.text)?;
            }
            Some(Action::Schema) => output.json(&mapping::json_schema())?,
            None => list(output, self.format)?,
        }
        Ok(Verdict::Fine)
    }
}

fn list(output: &Output, format: Format) -> Result<(), Failure> {
    let entries = SHIPPED_MAPPINGS.iter().map(|(name, _)| entry(output, name)).collect::<Result<Vec<_>, _>>()?;
    match format {
        Format::Json => output.json(&entries),
        Format::Ndjson => output.stream(|data| entries.iter().try_for_each(|entry| data.json(entry))),
        Format::Table => {
            let right = Align::Right;
            let columns = [("NAME", Align::Left), ("OCSF", Align::Left), ("EVENTS", right), ("CLASSES", Align::Left)];
            let mut table = Table::new(columns);
            for entry in entries {
                let classes = entry.classes.join(", ");
                table.row([entry.name.to_owned(), entry.ocsf_version, entry.events.to_string(), classes]);
            }
            output.write(table.render("", output.data))
        }
    }
}

fn entry(output: &Output, name: &'static str) -> Result<Entry, Failure> {
    let config = MappingConfig::read(name)?;
    let source = config.source(output)?;
    let checked = config.check();
    let mapping = source.mapping();
    let classes: BTreeSet<String> = mapping.tables().iter().map(|table| table.class().name.to_owned()).collect();
    Ok(Entry {
        name,
        source_name: mapping.source_name().to_owned(),
        ocsf_version: mapping.schema().version().to_string(),
        events: checked.config.as_ref().map_or(0, |config| config.events.len()),
        classes: classes.into_iter().collect(),
        description: checked.config.and_then(|config| config.description).map(|text| text.value),
    })
}
