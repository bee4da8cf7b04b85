//! `sluice stix run`: a pattern over a lake, and Athena's queries one step at a time.

use clap::Subcommand;
use query::athena::{QueryId, State};
use query::{Engine, Statement};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use sql::table::Table;
use translation::{DialectMaps, Matches, SettleError, TaggedRow, Translation, translate};

use super::{PatternArguments, TranslationArguments, say_diagnostics};
use crate::engine::{AthenaArguments, EngineArguments};
use crate::exit::{Failure, Outcome, Verdict};
use crate::lake_arguments::runtime;
use crate::output::{
    Align, Format, Output, ResultFormat, Table as Lines, count, counted, cut, harmless, instant, size,
};
use crate::rows::{RowsFormat, write_rows};

/// Run a pattern over a lake, locally or with Athena
///
/// Prints the rows that belong to at least one match of the whole pattern, each with the `[…]` that it satisfies.
/// `ping`, `query`, `status`, `results` and `delete` are the single steps of a query in Athena, for programs that poll.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  sluice stix run --lake ./lake --since 2024-05-01 \"[process:command_line LIKE '%-enc%']\"
  sluice stix run --lake ./lake --since 7d --format ndjson --file pattern.stix | sluice stix bundle -
  sluice stix run --engine athena --database lake --since 24h \"[ipv4-addr:value = '198.51.100.7']\"
  id=$(sluice stix run query --database lake --since 24h --file pattern.stix)
  sluice stix run status $id && sluice stix run results $id --offset 0 --length 100

Exit code: 0 nothing found, 1 rows found, 2 the pattern is refused,
3 bad usage or engine failure."
)]
pub(crate) struct Run {
    #[command(flatten)]
    whole: Whole,
    #[command(subcommand)]
    step: Option<Step>,
}

/// A pattern from text to rows.
#[derive(clap::Args)]
struct Whole {
    #[command(flatten)]
    pattern: PatternArguments,
    /// Table to search, as name or database.name (repeatable) [default: all that a dialect map knows]
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,
    #[command(flatten)]
    translation: TranslationArguments,
    /// Format of the rows
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    engine: EngineArguments,
}

#[derive(Subcommand)]
enum Step {
    /// Check that Athena answers and the workgroup exists
    Ping {
        #[command(flatten)]
        athena: AthenaArguments,
    },
    /// Start a query in Athena and print its id
    Query(Box<Start>),
    /// Show the state of a query
    Status {
        /// Id of the query
        id: String,
        /// Format of the state
        #[arg(long, value_enum, default_value_t)]
        format: ResultFormat,
        #[command(flatten)]
        athena: AthenaArguments,
    },
    /// Print the rows of a query that has succeeded
    Results {
        /// Id of the query
        id: String,
        /// Number of rows to skip
        #[arg(long, default_value_t = 0, value_name = "ROWS")]
        offset: usize,
        /// Maximum number of rows
        #[arg(long, default_value_t = 1000, value_name = "ROWS")]
        length: usize,
        /// Format of the rows
        #[arg(long, value_enum, default_value_t)]
        format: RowsFormat,
        #[command(flatten)]
        athena: AthenaArguments,
    },
    /// Stop a running query; its result in S3 stays
    Delete {
        /// Id of the query
        id: String,
        #[command(flatten)]
        athena: AthenaArguments,
    },
}

#[derive(clap::Args)]
struct Start {
    #[command(flatten)]
    pattern: PatternArguments,
    /// Table to search, as name or database.name (repeatable) [default: all that a dialect map knows]
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,
    #[command(flatten)]
    translation: TranslationArguments,
    #[command(flatten)]
    athena: AthenaArguments,
}

impl Run {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.step {
            None => self.whole.run(output),
            Some(step) => step.run(output),
        }
    }
}

impl Whole {
    fn run(self, output: &Output) -> Outcome {
        let (pattern, text) = self.pattern.read(output)?;
        self.translation.is_bounded(&pattern)?;
        let runtime = runtime()?;
        let engine = runtime.block_on(self.engine.open())?;
        let maps = self.translation.maps()?;
        let tables = chosen(runtime.block_on(engine.tables())?, &self.tables, &maps)?;
        let translation = translate(&pattern, &tables, &maps, &self.translation.options());
        let translation = accept(translation, &text, output)?;
        let waiting = output.waiting("searching");
        let answer = runtime.block_on(engine.run(&Statement::new(translation.sql.clone())));
        waiting.finish_and_clear();
        let answer = answer.map_err(Failure::of_query)?;
        let matches = translation.settle(&answer.rows).map_err(|error| match error {
            SettleError::TooManyCandidates { .. } => Failure::Invalid(error.into()),
            error => Failure::Other(error.into()),
        })?;
        write_matches(&matches, self.format, output)?;
        let read = size(answer.statistics.scanned_bytes);
        let seconds = answer.statistics.duration.as_secs_f64();
        let found = counted(matches.rows.len() as u64, "row");
        let searched = counted(tables.len() as u64, "table");
        output.say(output.talk.faint(format_args!("{found} in {seconds:.2} s; {searched}, {read} read")));
        if matches.is_truncated {
            let cap = count(translation.cap);
            output.complain(format_args!(
                "{} there are more than {cap} rows; raise --limit or narrow the time",
                output.talk.warning("cut:")
            ));
        }
        Ok(Verdict::of(!matches.rows.is_empty()))
    }
}

impl Step {
    fn run(self, output: &Output) -> Outcome {
        let runtime = runtime()?;
        match self {
            Step::Ping { athena } => {
                runtime.block_on(async { Ok::<_, Failure>(athena.open().await?.ping().await?) })?;
                output.say("Athena answers");
            }
            Step::Query(start) => {
                let (pattern, text) = start.pattern.read(output)?;
                start.translation.is_bounded(&pattern)?;
                let athena = runtime.block_on(start.athena.open())?;
                let maps = start.translation.maps()?;
                let tables = chosen(runtime.block_on(athena.tables())?, &start.tables, &maps)?;
                let translation = translate(&pattern, &tables, &maps, &start.translation.options());
                let translation = accept(translation, &text, output)?;
                if translation.refine.is_some() {
                    output.say(format_args!(
                        "{} the rows are candidates; `sluice stix run` settles which of them match",
                        output.talk.warning("note:")
                    ));
                }
                let id = runtime.block_on(athena.start(&Statement::new(translation.sql))).map_err(Failure::of_query)?;
                output.write(format_args!("{id}\n"))?;
            }
            Step::Status { id, format, athena } => {
                let execution = runtime
                    .block_on(async { Ok::<_, Failure>(athena.open().await?.status(&QueryId::new(id)).await?) })?;
                let (state, reason) = match &execution.state {
                    State::Queued => ("QUEUED", None),
                    State::Running => ("RUNNING", None),
                    State::Succeeded => ("SUCCEEDED", None),
                    State::Ended(error) => ("FAILED", Some(error.to_string())),
                };
                let scanned = execution.statistics.scanned_bytes;
                match format {
                    ResultFormat::Json => {
                        output.json(&json!({"state": state, "reason": reason, "scanned_bytes": scanned}))?;
                    }
                    ResultFormat::Table => {
                        let reason = reason.map(|reason| format!(": {}", harmless(&reason))).unwrap_or_default();
                        output.write(format_args!("{state}{reason}  {} read\n", size(scanned)))?;
                    }
                }
                return Ok(Verdict::of(matches!(execution.state, State::Ended(_))));
            }
            Step::Results { id, offset, length, format, athena } => {
                let answer = runtime.block_on(async {
                    let athena = athena.open().await?;
                    let execution = athena.status(&QueryId::new(id)).await.map_err(Failure::of_query)?;
                    let page = athena.rows(&execution.id, offset, length).await.map_err(Failure::of_query)?;
                    Ok::<_, Failure>(query::Answer {
                        query_id: execution.id.to_string(),
                        columns: page.columns,
                        rows: page.rows,
                        statistics: execution.statistics,
                        warnings: Vec::new(),
                    })
                });
                write_rows(&answer?, format, output)?;
            }
            Step::Delete { id, athena } => {
                runtime.block_on(async { Ok::<_, Failure>(athena.open().await?.cancel(&QueryId::new(id)).await?) })?;
                output.say("stopped");
            }
        }
        Ok(Verdict::Fine)
    }
}

/// The tables that were asked for, or all that a map speaks of.
fn chosen(tables: Vec<Table>, asked: &[String], maps: &DialectMaps) -> Result<Vec<Table>, Failure> {
    let is = |table: &Table, name: &str| match name.split_once('.') {
        Some((database, name)) => {
            table.database.eq_ignore_ascii_case(database) && table.name.eq_ignore_ascii_case(name)
        }
        None => table.name.eq_ignore_ascii_case(name),
    };
    if let Some(missing) = asked.iter().find(|name| !tables.iter().any(|table| is(table, name))) {
        return Err(Failure::usage(format_args!("there is no table `{missing}`; `sluice query --tables` lists them")));
    }
    let chosen: Vec<Table> = tables
        .into_iter()
        .filter(|table| maps.get(&table.dialect).is_some())
        .filter(|table| asked.is_empty() || asked.iter().any(|name| is(table, name)))
        .collect();
    if chosen.is_empty() {
        return Err(Failure::usage("there is no table that a dialect map knows"));
    }
    Ok(chosen)
}

/// The translation; what it leaves out, or what stands against it, is said.
fn accept(
    translation: Result<Translation, translation::Diagnostics>,
    pattern: &str,
    output: &Output,
) -> Result<Translation, Failure> {
    match translation {
        Ok(translation) => {
            say_diagnostics(&translation.warnings, pattern, output);
            Ok(translation)
        }
        Err(diagnostics) => {
            say_diagnostics(diagnostics.iter(), pattern, output);
            Err(Failure::Refused)
        }
    }
}

/// A row that belongs to a match.
#[derive(Serialize)]
struct Row<'r> {
    table: &'r str,
    /// Milliseconds since 1970.
    time: i64,
    /// How many observations it stands for.
    number_observed: u64,
    /// The `[…]` that it satisfies, from 1.
    leaves: Vec<usize>,
    event: &'r RawValue,
}

fn row(tagged: &TaggedRow) -> Result<Row<'_>, Failure> {
    Ok(Row {
        table: &tagged.table,
        time: tagged.time,
        number_observed: tagged.weight,
        leaves: tagged.leaves.iter().map(|leaf| leaf + 1).collect(),
        event: serde_json::from_str(&tagged.event)?,
    })
}

fn write_matches(matches: &Matches, format: Format, output: &Output) -> Result<(), Failure> {
    let rows = || matches.rows.iter().map(row);
    match format {
        Format::Json => output.json(&rows().collect::<Result<Vec<_>, _>>()?),
        Format::Ndjson => output.stream(|data| rows().try_for_each(|row| data.json(&row?))),
        Format::Table => {
            let mut lines = Lines::new([
                ("TIME", Align::Left),
                ("TABLE", Align::Left),
                ("[…]", Align::Left),
                ("EVENT", Align::Left),
            ]);
            for tagged in &matches.rows {
                let leaves: Vec<_> = tagged.leaves.iter().map(|leaf| (leaf + 1).to_string()).collect();
                lines.row([
                    instant(tagged.time),
                    tagged.table.clone(),
                    leaves.join(","),
                    cut(&harmless(&summary(&tagged.event)), 100).into_owned(),
                ]);
            }
            output.write(lines.render("", output.data))
        }
    }
}

/// The row without what is null, in a line.
fn summary(event: &str) -> String {
    fn prune(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.values_mut().for_each(prune);
                members.retain(|_, member| {
                    !member.is_null() && member.as_object().is_none_or(|object| !object.is_empty())
                });
            }
            Value::Array(elements) => elements.iter_mut().for_each(prune),
            _ => {}
        }
    }
    let Ok(mut value) = serde_json::from_str::<Value>(event) else { return event.to_owned() };
    prune(&mut value);
    value.to_string()
}
