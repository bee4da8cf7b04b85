//! `sluice stix objects`: what patterns can ask of, and where rows hold it.

use serde::Serialize;
use translation::{DialectMaps, MappedProperty};

use crate::exit::{Failure, Outcome, Verdict};
use crate::output::{Align, Output, ResultFormat, Table};

/// List STIX objects and properties with their columns
///
/// Prints one line for each property of each dialect. A pattern searches every listed column that the table has.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice stix objects --dialect ocsf
  sluice stix objects ipv4-addr user-account
  sluice stix objects --format json

Exit code: 0 success, 3 bad usage.")]
pub(crate) struct Objects {
    /// List only these objects (ipv4-addr) or properties (ipv4-addr:value)
    #[arg(value_name = "OBJECT")]
    objects: Vec<String>,
    /// List only this dialect (repeatable)
    #[arg(long = "dialect", value_name = "NAME")]
    dialects: Vec<String>,
    /// Format of the list
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
}

/// A property as it is written.
#[derive(Serialize)]
struct Line {
    dialect: String,
    #[serde(flatten)]
    property: MappedProperty,
}

impl Objects {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let maps = DialectMaps::embedded()?;
        if let Some(unknown) = self.dialects.iter().find(|dialect| maps.get(dialect).is_none()) {
            let known = maps.iter().map(|map| map.dialect()).collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(format_args!("there is no dialect `{unknown}`; there are {known}")));
        }
        let is_asked = |property: &MappedProperty| {
            let name = format!("{}:{}", property.object, property.property);
            self.objects.is_empty() || self.objects.iter().any(|asked| *asked == name || *asked == property.object)
        };
        let lines: Vec<Line> = maps
            .iter()
            .filter(|map| self.dialects.is_empty() || self.dialects.iter().any(|dialect| dialect == map.dialect()))
            .flat_map(|map| {
                let dialect = map.dialect().to_owned();
                map.mapped_properties().into_iter().map(move |property| Line { dialect: dialect.clone(), property })
            })
            .filter(|line| is_asked(&line.property))
            .collect();
        if lines.is_empty() {
            return Err(Failure::usage("no dialect has such an object; `sluice stix objects` lists all"));
        }
        match self.format {
            ResultFormat::Json => output.json(&lines)?,
            ResultFormat::Table => {
                let titles = ["DIALECT", "PROPERTY", "COLUMNS"];
                let mut table = Table::new(titles.map(|title| (title, Align::Left)));
                for Line { dialect, property: MappedProperty { object, property, columns } } in lines {
                    table.row([dialect, format!("{object}:{property}"), columns.join(", ")]);
                }
                output.write(table.render("", output.data))?;
            }
        }
        Ok(Verdict::Fine)
    }
}
