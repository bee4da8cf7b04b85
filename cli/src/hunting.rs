//! Shared parts of the commands that run rules over a lake.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, ValueHint};
use detection::attack::Attacks;
use detection::entity::{BlockSize, EntityError, EntityHunt, EntityKey, EntityTable};
use detection::finding::FindingContext;
use detection::hunt::SharedAnswers;
use detection::rule::{ParameterValue, ParameterValues, Rule};
use detection::{Catalog, Finding, Found, Hunt, Window, shipped_sources};
use jiff::Timestamp;
use query::Engine;
use serde_json::Value;
use sql::table::Table as PhysicalTable;
use tokio::runtime::Runtime;

use crate::engine::EngineArguments;
use crate::exit::{Failure, Outcome, Verdict};
use crate::lake_arguments::runtime;
use crate::output::{Align, Output, Palette, Table, counted, cut, harmless, instant};
use crate::period::Period;
use crate::rules::{Accepted, RuleFile, complain};

/// Which physical tables stand behind a rule's logical ones.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CatalogArguments {
    /// Catalog file that maps logical tables to physical tables, if the names are not enough
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) catalog: Option<PathBuf>,
}

impl CatalogArguments {
    /// The catalog of these tables. The sources of shipped mappings are known though they have no objects yet.
    pub(crate) fn catalog(&self, tables: &[PhysicalTable]) -> Result<Catalog, Failure> {
        let database = tables.first().map_or("sluice", |table| table.database.as_str());
        let sources = shipped_sources().map_err(Failure::usage)?;
        self.with_file(Catalog::of_tables(tables, &sources, database), tables)
    }

    /// A catalog with what the file says, if one is named.
    pub(crate) fn with_file(&self, catalog: Catalog, tables: &[PhysicalTable]) -> Result<Catalog, Failure> {
        let Some(file) = &self.catalog else { return Ok(catalog) };
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
        let read = Catalog::read_file(&text).and_then(|file| catalog.with_file(&file, tables));
        read.map_err(|error| Failure::Invalid(anyhow::Error::new(error).context(name)))
    }
}

/// Rules over a time that has passed.
pub(crate) struct Hunting {
    pub(crate) rules: Accepted,
    pub(crate) window: Window,
    runtime: Runtime,
    engine: Box<dyn Engine>,
    catalog: Catalog,
    /// The most rows that are looked at for a rule.
    limit: u64,
    context: FindingContext,
    /// Values of parameters other than the defaults, by rule.
    parameters: BTreeMap<String, ParameterValues>,
}

/// `name=value`: a parameter of rules.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    name: String,
    value: String,
}

impl FromStr for Assignment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("a parameter is NAME=VALUE, such as access_keys=AKIAEXAMPLE"),
        }
    }
}

/// A rule that could not be run.
pub(crate) struct Unanswered {
    pub(crate) id: String,
    pub(crate) title: String,
    /// Why, in a line.
    pub(crate) reason: String,
    /// Whether the rule is at fault; the engine is otherwise.
    is_refused: bool,
}

impl Hunting {
    /// The rules at these places, the shipped ones if there are none, over the engine's tables. Those that lint refuses
    /// and those that do not run any more are left out, and that is said.
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
        let mut rules = Accepted::at(places, output)?;
        let all = rules.files.len();
        rules.files.retain(|file| file.checked.rule.as_ref().is_some_and(Rule::is_active));
        if rules.files.len() < all {
            let left_out = counted((all - rules.files.len()) as u64, "rule");
            output.say(output.talk.faint(format_args!("{left_out} deprecated or unsupported, skipped")));
        }
        let all = rules.files.len();
        rules.files.retain(|file| file.is_named || file.checked.rule.as_ref().is_some_and(Rule::is_scheduled));
        if rules.files.len() < all && !places.is_empty() {
            let left_out = counted((all - rules.files.len()) as u64, "rule");
            let why = "skipped, since they run on demand: name one to run it";
            output.say(output.talk.faint(format_args!("{left_out} {why}")));
        }
        let runtime = runtime()?;
        let engine = runtime.block_on(engine.open())?;
        let catalog = catalog.catalog(&runtime.block_on(engine.tables())?)?;
        let window = Window { start: since.as_millisecond(), end: until.as_millisecond() };
        let (context, parameters) = (FindingContext::default(), BTreeMap::new());
        Ok(Self { rules, window, runtime, engine, catalog, limit, context, parameters })
    }

    /// Sets parameters in the rules that declare them.
    ///
    /// # Errors
    /// No rule declares one, or its value is of another type.
    pub(crate) fn set(&mut self, assignments: &[Assignment]) -> Result<(), Failure> {
        for Assignment { name, value } in assignments {
            let mut is_declared = false;
            for rule in self.rules.rules() {
                let declared = rule.parameters.iter().find(|parameter| parameter.name.value == *name);
                let Some(parameter) = declared else { continue };
                is_declared = true;
                let Some(value) = parameter.parameter_type.read_text(value) else {
                    let (wanted, title) = (parameter.parameter_type, &rule.title);
                    return Err(Failure::usage(format_args!(
                        "--param {name}: `{title}` wants a value of type {wanted}"
                    )));
                };
                self.parameters.entry(rule.id.to_string()).or_default().insert(name.clone(), value);
            }
            if !is_declared {
                let names: BTreeSet<&str> =
                    self.rules.rules().flat_map(|rule| &rule.parameters).map(|p| p.name.value.as_str()).collect();
                let known = match names.is_empty() {
                    true => "they have no parameters".to_owned(),
                    false => format!("they have {}", names.into_iter().collect::<Vec<_>>().join(", ")),
                };
                return Err(Failure::usage(format_args!("--param {name}: no rule here declares it; {known}")));
            }
        }
        Ok(())
    }

    fn parameters_of(&self, rule: &Rule) -> &ParameterValues {
        static NONE: ParameterValues = ParameterValues::new();
        self.parameters.get(&rule.id.to_string()).unwrap_or(&NONE)
    }

    /// Runs rules over blocks of the events of each entity.
    pub(crate) fn by_entity(&self, size: BlockSize, key: Option<EntityKey>) -> Result<EntityTable, Failure> {
        let (catalog, window, max_rows) = (&self.catalog, self.window, self.limit);
        let hunt = EntityHunt { catalog, window, size, key, max_rows };
        let rules: Vec<&Rule> = self.rules.rules().collect();
        let run = self.runtime.block_on(hunt.run(&rules, self.engine.as_ref()));
        run.map_err(|error| match error {
            EntityError::Query { error, .. } => Failure::of_query(error),
            other => Failure::Invalid(anyhow::Error::new(other)),
        })
    }

    /// Runs each rule as its schedule would have, and passes on its findings and notes. A rule that cannot be run is
    /// reported and does not stop the others.
    pub(crate) fn each_rule(
        &mut self,
        output: &Output,
        mut each: impl FnMut(&Rule, Found, Vec<String>) -> Result<(), Failure>,
    ) -> Result<Vec<Unanswered>, Failure> {
        let mut files = std::mem::take(&mut self.rules.files);
        let shared = self.share(&files, output);
        let progress = output.steps(files.len() as u64, "rules");
        let mut unanswered = Vec::new();
        for file in &mut files {
            let Some(rule) = &file.checked.rule else { continue };
            let title = harmless(&rule.title).into_owned();
            progress.set_message(cut(&title, 40).into_owned());
            let mut step = |done: u64, total: u64| {
                if total > 1 {
                    progress.set_message(format!("{}, window {done} of {total}", cut(&title, 40)));
                }
            };
            match self.runtime.block_on(self.hunt(&shared, rule).rule(rule, self.window, now(), &mut step)) {
                Ok(found) => {
                    let notes = self.notes(rule, &found);
                    progress.suspend(|| {
                        for note in &notes {
                            output.complain(format_args!("{} {note}", output.talk.warning("warning:")));
                        }
                        each(rule, found, notes)
                    })?;
                }
                Err(error) => {
                    let is_refused = error.is_of_rule();
                    let (id, error) = (rule.id.to_string(), anyhow::Error::new(error));
                    let reason = crate::output::chain(&error);
                    unanswered.push(Unanswered { id, title: title.clone(), reason, is_refused });
                    progress.suspend(|| {
                        // Lint knows the place.
                        if is_refused {
                            file.plan(&self.catalog);
                        }
                        if !(is_refused && complain(file, output)) {
                            output.error(&error.context(format!("rule `{title}`")));
                        }
                    });
                }
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        self.rules.files = files;
        Ok(unanswered)
    }

    /// The outcome of a command that has passed on the findings.
    pub(crate) fn ending(&self, unanswered: &[Unanswered], verdict: Verdict) -> Outcome {
        if unanswered.iter().any(|rule| rule.is_refused) {
            return Err(Failure::Refused);
        }
        let ending = self.rules.ending(verdict)?;
        match unanswered {
            [] => Ok(ending),
            _ => Err(Failure::usage("a rule could not be run; the findings are from the other rules")),
        }
    }

    /// Runs the statements that rules share.
    fn share(&self, files: &[RuleFile], output: &Output) -> SharedAnswers {
        let rules = files.iter().filter_map(|file| file.checked.rule.as_ref());
        let rules: Vec<_> = rules.map(|rule| (rule, self.parameters_of(rule))).collect();
        let Some((first, _)) = rules.first() else { return SharedAnswers::default() };
        let waiting = output.waiting("running shared statements");
        let none = SharedAnswers::default();
        let shared = self.runtime.block_on(self.hunt(&none, first).share(&rules, self.window, &mut |_, _| {}));
        waiting.finish_and_clear();
        shared
    }

    fn hunt<'a>(&'a self, shared: &'a SharedAnswers, rule: &Rule) -> Hunt<'a> {
        Hunt {
            engine: self.engine.as_ref(),
            catalog: &self.catalog,
            parameters: self.parameters_of(rule),
            max_rows: self.limit,
            context: &self.context,
            shared,
        }
    }

    /// Notes that the findings do not contain.
    fn notes(&self, rule: &Rule, found: &Found) -> Vec<String> {
        let title = harmless(&rule.title);
        let mut notes = Vec::new();
        for parameter in &rule.parameters {
            let is_empty = matches!(&parameter.default, ParameterValue::TextList(items) if items.is_empty())
                || matches!(&parameter.default, ParameterValue::IntegerList(items) if items.is_empty())
                || matches!(&parameter.default, ParameterValue::Text(text) if text.is_empty());
            let name = &parameter.name.value;
            if rule.schedule.is_on_demand()
                && found.findings.is_empty()
                && is_empty
                && !self.parameters_of(rule).contains_key(name)
            {
                notes.push(format!("`{title}` looks for no value of `{name}`; set one with --param {name}=VALUE"));
            }
        }
        if found.truncated {
            let limit = self.limit;
            notes.push(format!(
                "`{title}` has more than {limit} rows, and the rest was not read; raise --limit for all findings"
            ));
        }
        let null: BTreeSet<&str> =
            found.findings.iter().flat_map(|finding| &finding.null_columns).map(String::as_str).collect();
        if !null.is_empty() {
            let columns = null.into_iter().collect::<Vec<_>>().join(", ");
            let count = found.findings.iter().filter(|finding| !finding.null_columns.is_empty()).count();
            let findings = counted(count as u64, "finding");
            notes.push(format!(
                "`{title}` has {findings} without a value in {columns} (NULL), where different things are one finding"
            ));
        }
        for table in self.catalog.missing_tables_of(rule) {
            let name = &table.table.name;
            notes.push(format!("`{title}` reads the table {name}, which is in the catalog but not in the engine"));
        }
        notes
    }
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
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
