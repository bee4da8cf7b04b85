//! `sluice query`: SQL over a lake.

mod holdings;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueHint;
use detection::session::{Command, Expanded, Session, SessionError, Show, commands};
use detection::{Catalog, Window};
use jiff::Timestamp;
use query::{Answer, Column, Engine, QueryError, Statement, Warning};
use serde_json::Value;
use sql::table::{PARTITION_KEYS, Table};
use sql::types::ColumnType;
use tokio::runtime::Runtime;

use crate::engine::{EngineArguments, EngineChoice};
use crate::exit::{Failure, Outcome, Verdict};
use crate::hunting::CatalogArguments;
use crate::input::given_text;
use crate::lake_arguments::runtime;
use crate::output::Output;
use crate::period::Period;
use crate::rows::{RowsFormat, cost, write_rows};

/// Run SQL over a lake, locally or with Athena
///
/// The SQL is Trino's, the dialect of Athena; the embedded engine refuses, by name, any construct that it cannot
/// execute exactly. Each source of a lake folder is a table in the database `sluice`, with `_` for `-`. Logical tables
/// such as {{windows-sysmon}} (or windows_sysmon) combine all tables of a source.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice query --lake ./lake --tables
  sluice query --lake ./lake \"DESCRIBE windows_sysmon_1007\"
  sluice query --lake ./lake \"SELECT type_name, count(*) AS events FROM windows_sysmon GROUP BY 1\"
  sluice query --lake ./lake --since 7d \"SELECT DISTINCT actor.user.name FROM {{aws-cloudtrail}}\"
  sluice query --lake ./lake --format ndjson --file hunt.sql | jq .
  sluice query --lake ./lake --init views.sql \"SELECT * FROM failed_logins\"
  sluice query --engine athena --database security_lake --workgroup hunting --file hunt.sql

Besides queries, there are SHOW TABLES, DESCRIBE t, EXPLAIN and CREATE VIEW. Views last until the
command ends.
Exit code: 0 success, 2 the SQL is refused, 3 bad usage or engine failure.")]
pub(crate) struct Query {
    /// Statements in Trino SQL, separated by `;`, or `-` to read them from standard input
    #[arg(value_name = "SQL", required_unless_present_any = ["file", "tables"])]
    #[arg(allow_hyphen_values = true, value_parser = no_unknown_option)]
    sql: Option<String>,
    /// Read the statements from a file
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// Create the views of a file first (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    init: Vec<PathBuf>,
    /// List the tables instead: source, rows, first and last day
    #[arg(long, conflicts_with_all = ["sql", "file"])]
    tables: bool,
    /// Format of the rows; json and ndjson print arrays, maps and rows as JSON
    #[arg(long, value_enum, default_value_t)]
    format: RowsFormat,
    #[command(flatten)]
    period: Period,
    #[command(flatten)]
    catalog: CatalogArguments,
    #[command(flatten)]
    engine: EngineArguments,
}

/// SQL may begin with a comment (`-- why`), and so with a hyphen. One word with a hyphen is a mistyped option.
fn no_unknown_option(text: &str) -> Result<String, String> {
    let is_option = text.len() > 1 && text.starts_with('-') && !text.contains(char::is_whitespace);
    if is_option { Err("unknown option; see `sluice query --help`".to_owned()) } else { Ok(text.to_owned()) }
}

impl Query {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let given = match self.tables {
            true => None,
            false => Some(given_text(self.sql.as_deref(), self.file.as_deref(), "query")?),
        };
        let views = self.init.iter().map(|file| read_views(file)).collect::<Result<Vec<_>, _>>()?;
        let runtime = runtime()?;
        let engine = runtime.block_on(self.engine.open())?;
        let (tables, catalog) = match runtime.block_on(engine.tables()) {
            Ok(tables) => {
                let catalog = self.catalog.catalog(&tables)?;
                (tables, catalog)
            }
            // Who may query tables need not have the right to list them. The names of shipped sources would hide
            // theirs.
            Err(error) if self.engine.engine == EngineChoice::Athena && !needs_tables(given.as_ref()) => {
                output.say(format_args!("{} no logical tables: {error}", output.talk.warning("warning:")));
                (Vec::new(), self.catalog.with_file(Catalog::default(), &[])?)
            }
            Err(error) => return Err(Failure::of_query(error)),
        };
        let database = match self.engine.engine {
            EngineChoice::Embedded => tables.first().map_or("sluice", |table| table.database.as_str()),
            EngineChoice::Athena => self.engine.athena.databases.first().map_or("default", String::as_str),
        };
        let window = self.period.end().map(|end| Window {
            start: self.period.since.unwrap_or(Timestamp::MIN).as_millisecond(),
            end: end.as_millisecond(),
        });
        let mut running = Running {
            session: Session::new(&catalog, &tables, database, window),
            tables: &tables,
            runtime: &runtime,
            engine: engine.as_ref(),
            is_embedded: self.engine.engine == EngineChoice::Embedded,
            format: self.format,
            output,
        };
        for (name, views) in views {
            for view in views {
                running.command(view).map_err(|failure| failure.context(name.clone()))?;
            }
        }
        let Some((name, text)) = given else {
            let listed = holdings::of(&running, &tables)?;
            holdings::list(&running, &listed)?;
            return Ok(Verdict::Fine);
        };
        let statements = commands(&text).map_err(|error| invalid(error, &name))?;
        if statements.is_empty() {
            return Err(Failure::usage(format_args!("{name} contains no statement")));
        }
        let results = statements.iter().filter(|(command, _)| has_rows(command)).count();
        if results > 1 && matches!(self.format, RowsFormat::Json | RowsFormat::Csv) {
            let message = format!(
                "{results} statements return rows, but --format json and csv accept only one. Use ndjson, or CREATE VIEW"
            );
            return Err(Failure::usage(message));
        }
        for (number, (command, _)) in statements.into_iter().enumerate() {
            if number > 0 && has_rows(&command) && self.format == RowsFormat::Table && results > 1 {
                output.write("\n")?;
            }
            running
                .command(command)
                .map_err(|failure| if name == "query" { failure } else { failure.context(name.clone()) })?;
        }
        Ok(Verdict::Fine)
    }
}

/// Whether more is asked for than queries of physical tables.
fn needs_tables(given: Option<&(String, String)>) -> bool {
    let Some((_, text)) = given else { return true };
    let is_query = |(command, _): &(Command, usize)| matches!(command, Command::Query(_) | Command::Explain(_));
    text.contains("{{") || !commands(text).is_ok_and(|commands| commands.iter().all(is_query))
}

fn has_rows(command: &Command) -> bool {
    !matches!(command, Command::CreateView(_) | Command::DropView { .. })
}

/// The statements of a file that may only create and drop views.
fn read_views(file: &std::path::Path) -> Result<(String, Vec<Command>), Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let commands = commands(&text).map_err(|error| invalid(error, &name))?;
    if let Some((_, line)) = commands.iter().find(|(command, _)| has_rows(command)) {
        let message = format!(
            "{name}: line {line}: --init accepts only CREATE VIEW and DROP VIEW; run other statements with --file"
        );
        return Err(Failure::usage(message));
    }
    Ok((name, commands.into_iter().map(|(command, _)| command).collect()))
}

fn invalid(error: impl Into<anyhow::Error>, name: &str) -> Failure {
    let error = error.into();
    Failure::Invalid(if name == "query" { error } else { error.context(name.to_owned()) })
}

/// A session on an engine.
struct Running<'r> {
    session: Session<'r>,
    tables: &'r [Table],
    runtime: &'r Runtime,
    engine: &'r dyn Engine,
    is_embedded: bool,
    format: RowsFormat,
    output: &'r Output,
}

impl Running<'_> {
    fn command(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Query(query) => self.query(&query),
            Command::Explain(query) => self.explain(&query),
            Command::Show(Show::Schemas) => {
                let mut names: Vec<&str> = self.tables.iter().map(|table| table.database.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                self.listed(["schema"], names.into_iter().map(|name| [name.to_owned()]))
            }
            Command::Show(Show::Tables { database, like }) => self.show_tables(database.as_deref(), like.as_deref()),
            Command::Describe(path) => self.describe(&path),
            Command::CreateView(view) => self.session.create_view(view).map_err(of_session),
            Command::DropView { name, if_exists } => self.session.drop_view(&name, if_exists).map_err(of_session),
        }
    }

    fn query(&self, query: &str) -> Result<(), Failure> {
        let nested = matches!(self.format, RowsFormat::Json | RowsFormat::Ndjson);
        let (answer, expanded) = self.answer(query, nested)?;
        write_rows(&answer, self.format, self.output)?;
        self.output.say(self.output.talk.faint(cost(&answer)));
        for Warning { line, column, message, help } in &answer.warnings {
            let text = expanded.in_words_of_the_author(&format!("line {line}:{column}: {message}; {help}"));
            self.output.say(format_args!("{} {text}", self.output.talk.warning("warning:")));
        }
        if answer.rows.is_empty() && !self.output.is_quiet() {
            self.say_what_there_is(&expanded);
        }
        Ok(())
    }

    fn answer(&self, query: &str, nested: bool) -> Result<(Answer, Expanded), Failure> {
        let expanded = self.session.expand(query).map_err(of_session)?;
        let turning = self.output.waiting("running");
        let answer =
            self.runtime.block_on(self.engine.run(&Statement { nested, ..Statement::new(expanded.sql.clone()) }));
        turning.finish_and_clear();
        match answer {
            Ok(answer) => Ok((answer, expanded)),
            Err(error) => Err(Failure::of_query(in_words_of_the_author(error, &expanded))),
        }
    }

    /// An empty answer may be one of an empty lake, or of the wrong days.
    fn say_what_there_is(&self, expanded: &Expanded) {
        for name in &expanded.absent {
            self.output.say(format_args!("no rows: the lake has no table of `{name}` yet"));
        }
        // The query has its answer, whether this can be found out or not.
        if self.is_embedded
            && !expanded.reads.is_empty()
            && let Ok(held) = holdings::of(self, &expanded.reads)
        {
            self.output.say(holdings::in_words(&held));
        }
    }

    fn explain(&self, query: &str) -> Result<(), Failure> {
        let expanded = self.session.expand(query).map_err(of_session)?;
        let plan = self.runtime.block_on(self.engine.explain(&Statement::new(expanded.sql.clone())));
        let plan = plan.map_err(|error| Failure::of_query(in_words_of_the_author(error, &expanded)))?;
        match self.format {
            RowsFormat::Table => self.output.write(format_args!("{}\n", crate::output::harmless_lines(&plan))),
            _ => self.listed(["Query Plan"], [[plan]]),
        }
    }

    fn show_tables(&self, database: Option<&str>, like: Option<&str>) -> Result<(), Failure> {
        let is_in = |name: &str| database.is_none_or(|database| database == name);
        let mut rows: Vec<[String; 3]> = Vec::new();
        for table in self.tables.iter().filter(|table| is_in(&table.database)) {
            rows.push([table.name.clone(), "table".to_owned(), self.source(table)]);
        }
        if database.is_none() {
            let of = |name: &&str| self.tables.iter().all(|table| table.name.replace('_', "-") != **name);
            for name in self.session.logical_tables().into_iter().filter(of) {
                rows.push([name.to_owned(), "logical".to_owned(), name.to_owned()]);
            }
            let views = self.session.views().iter();
            rows.extend(views.map(|view| [view.name.clone(), "view".to_owned(), String::new()]));
        }
        self.listed(["table", "kind", "source"], rows.into_iter().filter(|[name, ..]| Show::names(like, name)))
    }

    /// The source that a table is named after; where none is, the logical tables that it belongs to.
    fn source(&self, table: &Table) -> String {
        let all = self.session.logical_tables_of(table);
        let is_namesake = |name: &&&str| table.name.contains(&name.replace('-', "_"));
        let namesakes: Vec<&str> = all.iter().filter(is_namesake).copied().collect();
        if namesakes.is_empty() { all.join(", ") } else { namesakes.join(", ") }
    }

    fn describe(&self, path: &str) -> Result<(), Failure> {
        let columns = match self.session.columns(path).map_err(of_session)? {
            Some(columns) => columns,
            None => {
                // A view, or what the engine says is unknown.
                let (answer, _) = self.answer(&format!("SELECT * FROM {path} LIMIT 0"), false)?;
                answer.columns.into_iter().map(|column| (column.name, column.column_type)).collect()
            }
        };
        let extra = |name: &str| if PARTITION_KEYS.contains(&name) { "partition key" } else { "" };
        let rows = columns.iter().map(|(name, kind)| [name.clone(), kind.to_string(), extra(name).to_owned()]);
        self.listed(["column", "type", "extra"], rows)
    }

    /// Rows of texts, written as those of a query.
    fn listed<const N: usize>(
        &self,
        titles: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Result<(), Failure> {
        let column = |name: &str| Column { name: name.to_owned(), column_type: ColumnType::Varchar };
        let answer = Answer {
            columns: titles.map(column).into(),
            rows: rows.into_iter().map(|row| row.map(Value::String).into()).collect(),
            ..Answer::default()
        };
        write_rows(&answer, self.format, self.output)
    }
}

fn of_session(error: SessionError) -> Failure {
    Failure::Invalid(error.into())
}

fn in_words_of_the_author(error: QueryError, expanded: &Expanded) -> QueryError {
    match error {
        QueryError::Invalid(message) => QueryError::Invalid(expanded.in_words_of_the_author(&message)),
        QueryError::Failed(message) => QueryError::Failed(expanded.in_words_of_the_author(&message)),
        other => other,
    }
}
