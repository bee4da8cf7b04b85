//! Rules over a lake: what the commands that run rules have in common.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueHint};
use detection::attack::Attacks;
use detection::entity::{BlockSize, EntityError, EntityHunt, EntityKey, EntityTable};
use detection::finding::FindingContext;
use detection::hunt::HuntError;
use detection::rule::{ParameterValues, Rule};
use detection::{Catalog, Finding, Found, Hunt, Window, shipped_sources};
use jiff::Timestamp;
use query::Engine;
use serde_json::Value;
use sql::table::Table as PhysicalTable;
use tokio::runtime::Runtime;

use crate::engine::EngineArguments;
use crate::exit::Failure;
use crate::lake_arguments::runtime;
use crate::output::{Align, Output, Palette, Table, counted, cut, harmless, instant};
use crate::period::Period;
use crate::rules::rules;

/// Which physical tables stand behind a rule's logical ones.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CatalogArguments {
    /// A catalog file: which tables stand behind logical ones, where their names do not tell
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) catalog: Option<PathBuf>,
}

impl CatalogArguments {
    /// The catalog of these tables. The sources of shipped mappings are known though they have no objects yet.
    pub(crate) fn catalog(&self, tables: &[PhysicalTable]) -> Result<Catalog, Failure> {
        let database = tables.first().map_or("sluice", |table| table.database.as_str());
        let sources = shipped_sources().map_err(Failure::usage)?;
        let catalog = Catalog::of_tables(tables, &sources, database);
        let Some(file) = &self.catalog else { return Ok(catalog) };
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        let read = Catalog::read_file(&text).and_then(|file| catalog.with_file(&file, tables));
        read.map_err(|error| Failure::Invalid(anyhow::Error::new(error).context(name)))
    }
}

/// Rules over a time that has passed.
pub(crate) struct Hunting {
    pub(crate) rules: Vec<Rule>,
    pub(crate) window: Window,
    runtime: Runtime,
    engine: Box<dyn Engine>,
    catalog: Catalog,
    /// The most rows of a statement that are made findings.
    limit: u64,
}

impl Hunting {
    /// The rules at these places, the shipped ones if there are none, over the engine's tables. Those that do not run any more
    /// are left out.
    pub(crate) fn new(
        places: &[PathBuf],
        period: &Period,
        catalog: &CatalogArguments,
        engine: &EngineArguments,
        limit: u64,
        output: &Output,
    ) -> Result<Self, Failure> {
        let Some(since) = period.since else {
            return Err(Failure::usage("`--since` is missing: the start of the range, such as 2024-05-01 or 7d"));
        };
        let until = period.end().unwrap_or_else(Timestamp::now);
        let rules = rules(places, output)?.into_iter().filter(Rule::is_active).collect();
        let runtime = runtime()?;
        let engine = runtime.block_on(engine.open())?;
        let catalog = catalog.catalog(&runtime.block_on(engine.tables())?)?;
        let window = Window { start: since.as_millisecond(), end: until.as_millisecond() };
        Ok(Self { rules, window, runtime, engine, catalog, limit })
    }

    /// Runs rules over blocks of the events of each entity.
    pub(crate) fn by_entity(&self, size: BlockSize, key: Option<EntityKey>) -> Result<EntityTable, Failure> {
        let (catalog, window, max_rows) = (&self.catalog, self.window, self.limit);
        let hunt = EntityHunt { catalog, window, size, key, max_rows };
        let rules: Vec<&Rule> = self.rules.iter().collect();
        let run = self.runtime.block_on(hunt.run(&rules, self.engine.as_ref()));
        run.map_err(|error| match error {
            EntityError::Query { error, .. } => Failure::of_query(error),
            other => Failure::Invalid(anyhow::Error::new(other)),
        })
    }

    /// The time that is looked at.
    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// Runs each rule as its schedule would have, and hands on what it found. A rule that cannot be run is named, and holds up
    /// no other; the first of them is what the command ends with.
    pub(crate) fn each_rule(
        &self,
        output: &Output,
        mut each: impl FnMut(&Rule, Found) -> Result<(), Failure>,
    ) -> Result<Option<Failure>, Failure> {
        let progress = output.steps(self.rules.len() as u64, "rules");
        let mut failed = None;
        for rule in &self.rules {
            let title = harmless(&rule.title);
            progress.set_message(cut(&title, 40).into_owned());
            let mut step = |done: u64, total: u64| {
                if total > 1 {
                    progress.set_message(format!("{}, window {done} of {total}", cut(&title, 40)));
                }
            };
            match self.runtime.block_on(self.hunt(rule, &mut step)) {
                Ok(found) => {
                    let said = progress.suspend(|| {
                        self.warn(rule, &found, output);
                        each(rule, found)
                    });
                    said?;
                }
                Err(error) => {
                    let failure = failure(error).context(format!("rule `{title}`"));
                    if let Failure::Invalid(error) | Failure::Other(error) = &failure {
                        progress.suspend(|| output.error(error));
                    }
                    failed = failed.or(Some(failure));
                }
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(failed.map(|failure| match failure {
            Failure::Invalid(_) => Failure::Refused,
            _ => Failure::usage("a rule could not be run; the findings are those of the others"),
        }))
    }

    async fn hunt(&self, rule: &Rule, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<Found, HuntError> {
        let hunt = Hunt {
            engine: self.engine.as_ref(),
            catalog: &self.catalog,
            parameters: &ParameterValues::new(),
            max_rows: self.limit,
            context: &FindingContext::default(),
        };
        hunt.rule(rule, self.window, Timestamp::now().as_millisecond(), progress).await
    }

    /// Says what the findings do not tell.
    fn warn(&self, rule: &Rule, found: &Found, output: &Output) {
        let warn = |what: &str, text: String| {
            output.complain(format_args!("{} `{}` {text}", output.talk.warning(what), harmless(&rule.title)));
        };
        if found.truncated {
            warn("cut:", format!("has more than {} rows, and the rest was not looked at; raise --limit", self.limit));
        }
        let null: BTreeSet<&str> =
            found.findings.iter().flat_map(|finding| &finding.null_columns).map(String::as_str).collect();
        if !null.is_empty() {
            let columns = null.into_iter().collect::<Vec<_>>().join(", ");
            let count = found.findings.iter().filter(|finding| !finding.null_columns.is_empty()).count();
            let findings = counted(count as u64, "finding");
            warn(
                "NULL:",
                format!("has {findings} without a value in {columns}, where different things are one finding"),
            );
        }
        for table in detection::finding::sources(rule).iter().flat_map(|name| self.catalog.tables(name)) {
            if table.expected && !table.exists {
                warn(
                    "missing:",
                    format!("reads the table {}, which the catalog expects and nobody sees", table.table.name),
                );
            }
        }
    }
}

fn failure(error: HuntError) -> Failure {
    match error {
        HuntError::Query(error) => Failure::of_query(error),
        error => Failure::Invalid(error.into()),
    }
}

/// The findings of a rule: what it is, and a line for each, as when, where, who and the first of its rows.
pub(crate) fn lines(rule: &Rule, findings: &[Finding], palette: Palette) -> String {
    let techniques = Attacks::of_tags(rule.tags.iter().map(|tag| tag.value.as_str())).techniques;
    let mut about = vec![rule.level.as_str().to_owned()];
    about.extend(techniques);
    let mut table = Table::new(["TIME", "HOST", "USER", "ROWS", "FIRST ROW"].map(|title| (title, Align::Left)));
    for finding in findings {
        let first = finding.rows.first();
        let cell = |names: &[&str]| {
            let values = names.iter().filter_map(|name| first?.get(*name)?.as_str());
            values.map(|value| cut(&harmless(value), 40).into_owned()).next().unwrap_or_default()
        };
        let cells = first.into_iter().flatten().filter(|(_, value)| !value.is_null());
        let row = cells.map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        });
        table.row([
            instant(finding.first),
            cell(&["hostname", "src_hostname", "device", "src_ip"]),
            cell(&["user_name", "user_uid", "account"]),
            finding.rows.len().to_string(),
            cut(&harmless(&row.collect::<Vec<_>>().join(" ")), 110).into_owned(),
        ]);
    }
    let title = palette.strong(harmless(&rule.title));
    let count = counted(findings.len() as u64, "finding");
    format!("{title} ({}): {count}\n{}\n", about.join(", "), table.render("  ", palette))
}
