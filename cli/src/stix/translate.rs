//! `sluice stix translate`: the SQL of a pattern.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueHint;
use detection::Catalog;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sql::table::Table;
use stix::pattern::Pattern;
use translation::{
    Diagnostic, Diagnostics, DialectMaps, Options, Translation, columns_of_text, named_tables, translate,
};

use super::{PatternArguments, TranslationArguments, say_diagnostics};
use crate::exit::{Failure, Outcome, Verdict};
use crate::output::{Output, ResultFormat};

/// How long before now is searched where neither the pattern nor the command says it.
const DEFAULT_HOURS: i64 = 24;

/// Print the SQL of a pattern
///
/// Prints one statement for each source that can answer the pattern, for both Athena and the embedded engine. By
/// default, the tables are those of the shipped mappings. Statements run unchanged on tables with exactly the known
/// columns; times and partitions are always bounded.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice stix translate --since 24h \"[ipv4-addr:value = '198.51.100.7']\"
  sluice stix translate --for aws-cloudtrail --database lake --since 2024-05-01 --file pattern.stix
  sluice stix translate --for security-lake/vpc-flow --region eu-central-1 \"[network-traffic:dst_port = 22]\"
  sluice stix translate --for raw/guardduty --table logs.guardduty \"[ipv4-addr:value = '198.51.100.7']\"
  aws glue get-table --database-name logs --name flow > flow.json
  sluice stix translate --columns flow.json --table logs.flow \"[network-traffic:dst_port = 22]\"

Exit code: 0 success, 2 the pattern is refused for every requested table, 3 bad usage.")]
pub(crate) struct Translate {
    #[command(flatten)]
    pattern: PatternArguments,
    /// Tables to translate for (repeatable): a shipped source (aws-cloudtrail), security-lake or one of its tables
    /// (security-lake/vpc-flow), raw logs (raw/cloudtrail, raw/vpc-flow-logs, raw/guardduty), or a source of --catalog
    #[arg(long = "for", value_name = "NAME", conflicts_with = "columns")]
    names: Vec<String>,
    /// Catalog file with the sources to translate for
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "columns")]
    catalog: Option<PathBuf>,
    /// File with the columns of the table to translate for: JSON of names and types, output of `aws glue get-table` or
    /// of Athena's DESCRIBE, or one name and type per line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    columns: Option<PathBuf>,
    /// Translate only for tables of this dialect (repeatable); with --columns, the dialect of the table
    #[arg(long = "dialect", value_name = "NAME")]
    dialects: Vec<String>,
    /// Name of the single table, as database.table
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Database of the tables [default: sluice for shipped sources, Security Lake's own for its tables]
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Region of Security Lake, part of the names of its tables
    #[arg(long, value_name = "REGION", env = "AWS_REGION", hide_env_values = true, default_value = "us-east-1")]
    region: String,
    #[command(flatten)]
    translation: TranslationArguments,
    /// Format of the result
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
}

/// What people call a source, and its tables.
struct Target {
    name: String,
    tables: Vec<Table>,
}

/// What a source makes of a pattern.
#[derive(Serialize)]
struct Translated<'t> {
    name: &'t str,
    dialect: &'t str,
    tables: Vec<String>,
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
        let (maps, mut options) = (self.translation.maps()?, self.translation.options());
        let targets = self.targets(&maps)?;
        if options.since.is_none() {
            let now = Timestamp::now();
            let stop = options.until.unwrap_or(now.as_nanosecond());
            options.unbounded = Some((stop - SignedDuration::from_hours(DEFAULT_HOURS).as_nanos(), stop));
        }
        let translated: Vec<Result<Translation, Diagnostics>> =
            targets.iter().map(|target| translate(&pattern, &target.tables, &maps, &options)).collect();
        match self.format {
            ResultFormat::Json => {
                let report: Vec<_> =
                    targets.iter().zip(&translated).map(|(target, result)| report(target, result)).collect();
                output.json(&report)?;
            }
            ResultFormat::Table => {
                say_all(&pattern, &text, &targets, &translated, &maps, &options, output);
                for (target, translation) in targets.iter().zip(&translated) {
                    let Ok(translation) = translation else { continue };
                    let remark = match translation.refine {
                        Some(_) => "; its rows are candidates, settled by `sluice stix run`",
                        None => "",
                    };
                    output.write(format_args!("-- {}{remark}\n{}\n\n", target.name, translation.sql))?;
                }
            }
        }
        say_remarks(&targets, &translated, &maps, options.until.is_some(), output);
        match translated.iter().any(Result::is_ok) {
            true => Ok(Verdict::Fine),
            false => Err(Failure::Refused),
        }
    }

    /// The tables that were asked for.
    fn targets(&self, maps: &DialectMaps) -> Result<Vec<Target>, Failure> {
        for dialect in &self.dialects {
            if maps.get(dialect).is_none() {
                let known = maps.iter().map(|map| map.dialect()).collect::<Vec<_>>().join(", ");
                return Err(Failure::usage(format_args!("there is no dialect `{dialect}`; there are {known}")));
            }
        }
        let mut targets = match &self.columns {
            Some(file) => vec![self.of_columns(file)?],
            None => self.named(maps)?,
        };
        if let Some(name) = &self.table {
            let [Target { tables, .. }] = targets.as_mut_slice() else {
                return Err(Failure::usage("--table names one table: choose it with --for or --columns"));
            };
            let [table] = tables.as_mut_slice() else {
                let names = tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(Failure::usage(format_args!("--table names one table, and there are {names}")));
            };
            let (database, name) = name.split_once('.').unwrap_or((table.database.as_str(), name));
            (table.database, table.name) = (database.to_owned(), name.to_owned());
        }
        Ok(targets)
    }

    fn of_columns(&self, file: &PathBuf) -> Result<Target, Failure> {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        let columns = columns_of_text(&text).map_err(|fault| Failure::usage(format_args!("{name}: {fault}")))?;
        let mut table = Table::of_columns(self.database.as_deref().unwrap_or("default"), "events", columns);
        match self.dialects.as_slice() {
            [] if table.dialect.is_empty() => {
                let hint = "its columns are of no dialect that is known; say which with --dialect";
                return Err(Failure::usage(format_args!("{name}: {hint}")));
            }
            [] => {}
            [dialect] => dialect.clone_into(&mut table.dialect),
            _ => return Err(Failure::usage("a table of --columns is of one --dialect")),
        }
        Ok(Target { name, tables: vec![table] })
    }

    /// Tables by their names: of a catalog, else of shipped sources, Security Lake and AWS's documentation.
    fn named(&self, maps: &DialectMaps) -> Result<Vec<Target>, Failure> {
        let shipped: Vec<Target> = shipped(self.database.as_deref().unwrap_or("sluice"))?;
        let mut others: Vec<Target> = Vec::new();
        for named in named_tables(&self.region)? {
            let mut table = named.table;
            if let Some(database) = &self.database {
                database.clone_into(&mut table.database);
            }
            others.push(Target { name: named.name, tables: vec![table] });
        }
        let is_named = |target: &Target, name: &str| {
            target.name == name || target.name.split_once('/').is_some_and(|(group, _)| group == name)
        };
        let (known, by_default) = match &self.catalog {
            Some(file) => {
                let known: Vec<Table> = shipped.into_iter().chain(others).flat_map(|target| target.tables).collect();
                let known = of_catalog(file, &known)?;
                let count = known.len();
                (known, count)
            }
            None => {
                // Raw logs are what the other dialects are of.
                let is_asked = !self.dialects.is_empty();
                let (raw, native): (Vec<_>, Vec<_>) =
                    others.into_iter().partition(|target| target.name.starts_with("raw/"));
                let mut known: Vec<Target> = shipped;
                let mut count = known.len();
                if is_asked {
                    count += raw.len();
                }
                known.extend(raw);
                known.extend(native);
                (known, count)
            }
        };
        for name in &self.names {
            if !known.iter().any(|target| is_named(target, name)) {
                let known = known.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ");
                return Err(Failure::usage(format_args!("there is no `{name}`; there are {known}")));
            }
        }
        let mut chosen: Vec<Target> = known
            .into_iter()
            .enumerate()
            .filter(|(place, target)| match self.names.is_empty() {
                true => *place < by_default,
                false => self.names.iter().any(|name| is_named(target, name)),
            })
            .map(|(_, target)| target)
            .collect();
        for target in &mut chosen {
            target.tables.retain(|table| {
                maps.get(&table.dialect).is_some()
                    && (self.dialects.is_empty() || self.dialects.contains(&table.dialect))
            });
        }
        chosen.retain(|target| !target.tables.is_empty());
        if chosen.is_empty() {
            return Err(Failure::usage("there is no such table of this dialect"));
        }
        Ok(chosen)
    }
}

/// The sources of the shipped mappings.
fn shipped(database: &str) -> Result<Vec<Target>, Failure> {
    let sources = detection::shipped_sources().map_err(|error| Failure::Other(error.into()))?;
    let target = |source: detection::catalog::KnownSource| Target {
        tables: source.tables.into_iter().map(|(name, _, columns)| Table::ocsf(database, name, columns)).collect(),
        name: source.name,
    };
    Ok(sources.into_iter().map(target).collect())
}

/// The sources of a catalog file. Tables whose columns it leaves out are known by their names.
fn of_catalog(file: &PathBuf, known: &[Table]) -> Result<Vec<Target>, Failure> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let invalid = |error: anyhow::Error| Failure::Other(error.context(name.clone()));
    let read = Catalog::read_file(&text).map_err(|error| invalid(error.into()))?;
    // Their databases are the catalog's.
    let unplaced = |table: &Table| Table { database: read.database.clone().unwrap_or_default(), ..table.clone() };
    let known: Vec<Table> = known.iter().map(unplaced).collect();
    let catalog = Catalog::default().with_file(&read, &known).map_err(|error| invalid(error.into()))?;
    let mut targets = Vec::new();
    for source in catalog.names() {
        let tables: Vec<Table> = catalog.tables(source).into_iter().map(|entry| entry.table.clone()).collect();
        if let Some(unknown) = tables.iter().find(|table| table.columns.is_empty()) {
            let hint = "the columns of the table are not known; give them in the catalog";
            return Err(Failure::usage(format_args!("{name}: {}: {hint}", unknown.name)));
        }
        targets.push(Target { name: source.to_owned(), tables });
    }
    Ok(targets)
}

/// What no row can satisfy, once for all tables: a part of the pattern that some source has is a warning at most. Where all
/// tables together are too much for a statement, those of each target are not.
fn say_all(
    pattern: &Pattern,
    text: &str,
    targets: &[Target],
    translated: &[Result<Translation, Diagnostics>],
    maps: &DialectMaps,
    options: &Options,
    output: &Output,
) {
    let mut all: Vec<Table> = Vec::new();
    for table in targets.iter().flat_map(|target| &target.tables) {
        if !all.contains(table) {
            all.push(table.clone());
        }
    }
    match translate(pattern, &all, maps, options) {
        Ok(translation) => say_diagnostics(&translation.warnings, text, output),
        Err(_) if translated.iter().any(Result::is_ok) => {
            let mut warnings: Vec<&Diagnostic> = Vec::new();
            for warning in translated.iter().flatten().flat_map(|translation| &translation.warnings) {
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
            say_diagnostics(warnings, text, output);
        }
        Err(diagnostics) => say_diagnostics(diagnostics.iter(), text, output),
    }
}

/// What a person must know who runs the statements.
fn say_remarks(
    targets: &[Target],
    translated: &[Result<Translation, Diagnostics>],
    maps: &DialectMaps,
    has_end: bool,
    output: &Output,
) {
    let note = output.talk.warning("note:");
    if translated.iter().flatten().any(|translation| translation.is_unbounded) {
        let hours = match has_end {
            true => format!("no start is given: the {DEFAULT_HOURS} hours before --until"),
            false => format!("no time is given: the last {DEFAULT_HOURS} hours"),
        };
        output.say(format_args!("{note} {hours}; --since says another"));
    }
    let silent: Vec<&str> =
        targets.iter().zip(translated).filter(|(_, result)| result.is_err()).map(|(t, _)| t.name.as_str()).collect();
    if !silent.is_empty() && silent.len() < targets.len() {
        output.say(output.talk.faint(format_args!("cannot answer: {}", silent.join(", "))));
    }
    for (target, translation) in targets.iter().zip(translated) {
        let Ok(translation) = translation else { continue };
        for table in &target.tables {
            let is_searched = translation.tables.contains(&table.qualified_name());
            if is_searched && maps.get(&table.dialect).is_some_and(|map| !map.is_partitioned(table)) {
                let why = "has no partitions by time: every query reads all of it";
                output.say(format_args!("{note} {} {why}", table.name));
            }
        }
    }
}

fn report<'t>(target: &'t Target, result: &'t Result<Translation, Diagnostics>) -> Translated<'t> {
    let (translation, diagnostics) = match result {
        Ok(translation) => (Some(translation), translation.warnings.iter().map(ToString::to_string).collect()),
        Err(diagnostics) => (None, diagnostics.iter().map(ToString::to_string).collect()),
    };
    Translated {
        name: &target.name,
        dialect: target.tables.first().map_or("", |table| table.dialect.as_str()),
        tables: translation.map(|translation| translation.tables.clone()).unwrap_or_default(),
        sql: translation.map(|translation| translation.sql.as_str()),
        needs_binder: translation.map(|translation| translation.refine.is_some()),
        diagnostics,
    }
}
