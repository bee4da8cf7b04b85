//! `sluice stix translate`: the SQL of a pattern.

use serde::Serialize;
use sql::table::Table;
use translation::{Translation, translate};

use super::{PatternArguments, TranslationArguments, say_diagnostics};
use crate::exit::{Failure, Outcome, Verdict};
use crate::output::{Output, ResultFormat};

/// Print the SQL of a pattern
///
/// One statement for each dialect that can answer the pattern, for Athena and for the embedded engine alike. The tables
/// are called after their dialect unless you name them; they are taken to have every column that the dialect knows.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice stix translate --since 24h \"[ipv4-addr:value = '198.51.100.7']\"
  sluice stix translate --dialect ocsf --table lake.vpc_flow --since 2024-05-01 \"[network-traffic:dst_port = 22]\"
  sluice stix translate --format json --file pattern.stix

Exit code: 0 fine, 2 the pattern is refused by every dialect asked for, 3 bad usage.")]
pub(crate) struct Translate {
    #[command(flatten)]
    pattern: PatternArguments,
    /// Only this dialect
    #[arg(long = "dialect", value_name = "NAME")]
    dialects: Vec<String>,
    /// The table, as database.table; with one --dialect
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    #[command(flatten)]
    translation: TranslationArguments,
    /// How the result is written
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
}

/// What a dialect makes of a pattern.
#[derive(Serialize)]
struct Translated<'t> {
    dialect: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<&'t str>,
    /// Whether the rows are candidates that the exact binder must still settle.
    #[serde(skip_serializing_if = "Option::is_none")]
    needs_binder: Option<bool>,
    diagnostics: Vec<String>,
}

impl Translate {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let (pattern, text) = self.pattern.read(output)?;
        self.translation.is_bounded(&text)?;
        let (maps, options) = (self.translation.maps()?, self.translation.options());
        for dialect in &self.dialects {
            if maps.get(dialect).is_none() {
                let known: Vec<_> = maps.iter().map(|map| map.dialect()).collect();
                let known = known.join(", ");
                return Err(Failure::usage(format_args!("there is no dialect `{dialect}`; there are {known}")));
            }
        }
        if self.table.is_some() && self.dialects.len() != 1 {
            return Err(Failure::usage("--table needs one --dialect, which says what the table's rows look like"));
        }
        let mut translated: Vec<(String, Result<Translation, _>)> = Vec::new();
        for map in
            maps.iter().filter(|map| self.dialects.is_empty() || self.dialects.iter().any(|d| d == map.dialect()))
        {
            let (database, name) = match &self.table {
                Some(table) => table.split_once('.').unwrap_or(("default", table)),
                None => ("default", map.dialect()),
            };
            let table: Table = map.table(database, name);
            translated.push((map.dialect().to_owned(), translate(&pattern, &[table], &maps, &options)));
        }
        match self.format {
            ResultFormat::Json => {
                let report: Vec<_> = translated.iter().map(|(dialect, result)| report(dialect, result)).collect();
                output.json(&report)?;
            }
            ResultFormat::Table => {
                for (dialect, result) in &translated {
                    match result {
                        Ok(translation) => {
                            say_diagnostics(&translation.warnings, &text, output);
                            let remark = match translation.refine {
                                Some(_) => "; its rows are candidates, settled by `sluice stix run`",
                                None => "",
                            };
                            output.write(format_args!("-- {dialect}{remark}\n{}\n\n", translation.sql))?;
                        }
                        Err(diagnostics) => {
                            output.say(format_args!("{}", output.talk.strong(format_args!("{dialect} cannot answer"))));
                            say_diagnostics(diagnostics.iter(), &text, output);
                        }
                    }
                }
            }
        }
        match translated.iter().any(|(_, result)| result.is_ok()) {
            true => Ok(Verdict::Fine),
            false => Err(Failure::Refused),
        }
    }
}

fn report<'t>(dialect: &'t str, result: &'t Result<Translation, translation::Diagnostics>) -> Translated<'t> {
    let (translation, diagnostics) = match result {
        Ok(translation) => (Some(translation), translation.warnings.iter().map(ToString::to_string).collect()),
        Err(diagnostics) => (None, diagnostics.iter().map(ToString::to_string).collect()),
    };
    Translated {
        dialect,
        sql: translation.map(|translation| translation.sql.as_str()),
        needs_binder: translation.map(|translation| translation.refine.is_some()),
        diagnostics,
    }
}
