//! Finds the faults of a rule before it runs.
//!
//! [`check`] examines one file by itself. [`duplicates`] compares several files. [`Checked::complete`] adds the faults that only
//! the tables of a catalog show.

mod planned;
mod remedies;
mod words;

use std::collections::BTreeMap;

use diagnostics::{Span, Spanned, list, nearest, quote};
use stix::pattern::Observation;
use uuid::Uuid;

use crate::attack::{AttackTag, replacement};
use crate::catalog::{self, Catalog};
use crate::diagnostic::{self, Code, Diagnostic};
use crate::matches;
use crate::parse;
use crate::pattern::{self, Filled, FilledParameter};
use crate::rule::{Expectation, Level, Logic, ParameterType, ParameterValue, Rule, RuleSql, Test};
use crate::schedule::format_duration;
use crate::statement;
use crate::template::{FaultKind, Piece};
use crate::yaml::Places;

pub use planned::Planner;
use words::{Position, Words};

/// A rule file that was examined.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The rule, unless a required key is missing or unusable.
    pub rule: Option<Rule>,
    /// The faults, sorted by [`diagnostic::sort`].
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// The rule, if it has no errors. Warnings do not count.
    pub fn accepted(&self) -> Option<&Rule> {
        self.rule.as_ref().filter(|_| !self.diagnostics.iter().any(Diagnostic::is_error))
    }

    /// Adds the faults of the rule over the tables of a catalog. A place that has an error already gets no second one.
    pub fn complete(&mut self, catalog: &Catalog, planner: Planner) {
        let Some(rule) = &self.rule else { return };
        for fault in against_engine(rule, catalog, planner) {
            let is_told = |known: &Diagnostic| {
                let (one, other) = (known.primary.span, fault.primary.span);
                known.code == fault.code && known.primary.span == fault.primary.span && known.message == fault.message
                    || (known.is_error() && fault.is_error() && one.start < other.end && other.start < one.end)
            };
            if !self.diagnostics.iter().any(is_told) {
                self.diagnostics.push(fault);
            }
        }
        diagnostic::sort(&mut self.diagnostics);
    }
}

/// Reads and examines a rule file.
///
/// ```
/// use detection::diagnostic::SourceText;
///
/// let text = "titel: Root signs in\n";
/// let checked = detection::lint::check(text);
/// let shown = checked.diagnostics[0].render(&SourceText::new("root.yaml", text), false);
/// assert!(shown.starts_with("error[E203]: unknown key `titel` in a rule"));
/// assert!(shown.ends_with("= help: did you mean `title`?"));
/// ```
pub fn check(text: &str) -> Checked {
    let (rule, mut diagnostics) = parse::parse(text);
    if let Some(rule) = &rule {
        let mut lint = Lint { rule, diagnostics: Vec::new() };
        lint.metadata();
        lint.tags();
        lint.timing();
        lint.groups();
        lint.logic();
        lint.tests();
        diagnostics.append(&mut lint.diagnostics);
    }
    diagnostic::sort(&mut diagnostics);
    Checked { rule, diagnostics }
}

impl Rule {
    /// Reads a rule file.
    ///
    /// # Errors
    /// All faults of the file. At least one is an error; the others may be warnings.
    pub fn from_text(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let checked = check(text);
        match checked.accepted() {
            Some(_) => checked.rule.ok_or(checked.diagnostics),
            None => Err(checked.diagnostics),
        }
    }
}

/// Rules with the id of an earlier one: the index in `rules`, and the fault. `rules` are pairs of file name and rule.
pub fn duplicates(rules: &[(&str, &Rule)]) -> Vec<(usize, Diagnostic)> {
    let mut first: BTreeMap<Uuid, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, (name, rule)) in rules.iter().enumerate() {
        if let Some(other) = first.get(&rule.id) {
            let message = format!("{} has the same id, {}", quote(other), rule.id);
            found.push((index, Diagnostic::new(Code::DuplicateId, place_of_key(&rule.text, "id"), message)));
        } else {
            first.insert(rule.id, name);
        }
    }
    found
}

/// The faults of a rule's logical tables: unknown ones, and for a pattern those that it cannot be translated for.
pub fn against_catalog(rule: &Rule, catalog: &Catalog) -> Vec<Diagnostic> {
    let check = |name: &str, span: Span| {
        let unknown = catalog.resolve(name).err()?;
        if let Some(fault) = unknown_class(name, span) {
            return Some(fault);
        }
        let fault = Diagnostic::new(Code::UnknownTable, span, format!("there is no table {}", quote(name)));
        let known = || unknown.known.iter().map(String::as_str);
        Some(match (name.strip_prefix("class:"), nearest(name, known())) {
            (Some(_), _) => {
                fault.help("no known source has events of this class; name a source, or add one with `--catalog`")
            }
            (None, Some(near)) => fault.help(format!("did you mean {}?", quote(near))),
            (None, None) => {
                let help = format!("known tables: {}; a catalog file can add more", list(known()));
                fault.help(help)
            }
        })
    };
    match &rule.logic {
        Logic::Stix { pattern: text, tables } => {
            let mut faults: Vec<Diagnostic> =
                tables.iter().filter_map(|table| check(&table.value, table.span)).collect();
            let filled = filled(rule, &text.value);
            if let (true, Ok(parsed)) = (faults.is_empty(), stix::parse(&filled.text, stix::Version::default())) {
                let places = Places::new(&rule.text, text.span, &text.value);
                let names: Vec<&str> = tables.iter().map(|table| table.value.as_str()).collect();
                for said in statement::pattern_faults(&parsed, &names, catalog) {
                    let span = said.span.map_or(text.span, |span| places.of(filled.origin(&span)));
                    let code = if said.is_of_value { Code::DoubtfulPattern } else { Code::NotTranslatable };
                    let fault = Diagnostic::new(code, span, said.message);
                    faults.push(match said.help {
                        Some(help) => fault.help(help),
                        None => fault,
                    });
                }
            }
            faults
        }
        Logic::Sql(RuleSql { text, template }) => {
            let places = Places::new(&rule.text, text.span, &text.value);
            let Ok(template) = template else { return Vec::new() };
            let tables = template.tables.iter();
            tables.filter_map(|table| check(&table.name, places.of(table.span.clone()))).collect()
        }
    }
}

/// The faults of a rule over the tables of a catalog: unknown tables, and everything that an engine would refuse, from grammar to
/// types. No row is read.
fn against_engine(rule: &Rule, catalog: &Catalog, planner: Planner) -> Vec<Diagnostic> {
    let faults = against_catalog(rule, catalog);
    match &rule.logic {
        Logic::Sql(sql) if faults.is_empty() => planned::faults(rule, sql, catalog, planner),
        _ => faults,
    }
}

/// The fault of a table whose class OCSF does not have.
fn unknown_class(name: &str, span: Span) -> Option<Diagnostic> {
    let class = name.strip_prefix("class:")?;
    if catalog::class_uid(class).is_some() {
        return None;
    }
    let fault = Diagnostic::new(Code::UnknownTable, span, format!("OCSF has no class {}", quote(class)));
    Some(match nearest(class, catalog::class_names()) {
        Some(near) => fault.help(format!("did you mean {}?", quote(&format!("class:{near}")))),
        None => fault.help("classes have names like `class:api_activity`, see schema.ocsf.io"),
    })
}

/// A pattern with the defaults of the rule's parameters. An undeclared parameter is an empty text.
fn filled(rule: &Rule, pattern: &str) -> Filled {
    Filled::new(pattern, |name| {
        let declared = rule.parameters.iter().find(|parameter| parameter.name.value == name);
        Some(declared.map_or_else(|| ParameterValue::Text(String::new()), |parameter| parameter.default.clone()))
    })
}

/// The line of a top-level key.
fn place_of_key(text: &str, key: &str) -> Span {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')) {
            return Span::new(start, start + line.trim_end().len());
        }
        start += line.len();
    }
    Span::new(0, 0)
}

struct Lint<'r> {
    rule: &'r Rule,
    diagnostics: Vec<Diagnostic>,
}

impl Lint<'_> {
    fn fault(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn place(&self, key: &str) -> Span {
        place_of_key(&self.rule.text, key)
    }

    fn metadata(&mut self) {
        let rule = self.rule;
        for (missing, key, why) in [
            (rule.description.is_none(), "description", "describe what it finds and why that matters"),
            (rule.author.is_none(), "author", "name a person or team to ask"),
            (rule.date.is_none(), "date", "add the day on which it was written"),
            (rule.false_positives.is_empty(), "falsepositives", "describe harmless events that look the same"),
        ] {
            if missing {
                let place = self.place("title");
                self.fault(Diagnostic::new(Code::MissingMetadata, place, format!("no {}", quote(key))).help(why));
            }
        }
        if rule.response.is_empty() && matches!(rule.level, Level::High | Level::Critical) {
            let message = format!("a rule of level {} without `response`", rule.level);
            self.fault(
                Diagnostic::new(Code::NoResponse, self.place("level"), message).help("describe what to do first"),
            );
        }
    }

    fn tags(&mut self) {
        let mut technique = false;
        for tag in &self.rule.tags {
            match AttackTag::read(&tag.value) {
                Some(Ok(AttackTag::Technique(id))) => {
                    technique = true;
                    if let Some(new) = replacement(&id) {
                        let message = format!("{id} is no longer in ATT&CK");
                        let help = match new {
                            "" => "it has no successor; choose another technique".to_owned(),
                            new => format!("{new} replaces it: attack.{}", new.to_ascii_lowercase()),
                        };
                        self.fault(Diagnostic::new(Code::RevokedTechnique, tag.span, message).help(help));
                    }
                }
                Some(Err(near)) => {
                    let message = format!("{} is unknown in ATT&CK", quote(&tag.value));
                    let help = match near {
                        Some(near) => format!("did you mean `attack.{near}`?"),
                        None => "examples: `attack.credential-access`, `attack.t1003.001`".to_owned(),
                    };
                    self.fault(Diagnostic::new(Code::BadTag, tag.span, message).help(help));
                }
                _ => {}
            }
        }
        if !technique {
            let at = if self.rule.tags.is_empty() { self.place("title") } else { self.place("tags") };
            let fault = Diagnostic::new(Code::NoTechnique, at, "no tag names an ATT&CK technique");
            self.fault(fault.help("example: `attack.t1059.001`"));
        }
    }

    fn timing(&mut self) {
        let rule = self.rule;
        if rule.schedule.is_on_demand() {
            return;
        }
        let interval = rule.schedule.longest_interval();
        let least = interval + rule.ingest_delay;
        if rule.lookback < least {
            let message = format!(
                "`lookback` is {}, but {} (up to {} between runs) and `ingest_delay` {} need {}",
                format_duration(rule.lookback),
                quote(rule.schedule.as_str()),
                format_duration(interval),
                format_duration(rule.ingest_delay),
                format_duration(least)
            );
            let help = format!("lookback: {}", format_duration(least));
            let fault = Diagnostic::new(Code::LookbackTooShort, self.place("lookback"), message);
            self.fault(fault.also(self.place("schedule"), "runs this often").help(help));
        }
    }

    fn groups(&mut self) {
        let rule = self.rule;
        if rule.threshold.is_some() && rule.group_by.is_empty() {
            let message = "`threshold` without `group_by`";
            let help = "name the columns that make a group, for example `group_by: [src_ip]`";
            let place = self.place("threshold");
            self.fault(Diagnostic::new(Code::ThresholdWithoutGroup, place, message).help(help));
        }
        if let (Some(dedupe), false) = (&rule.dedupe, rule.group_by.is_empty()) {
            const COUNTED: [&str; 4] = ["event_count", "distinct_count", "start_time", "end_time"];
            let known = || rule.group_by.iter().map(|column| column.value.as_str()).chain(COUNTED);
            let unknown: Vec<&Spanned<String>> =
                dedupe.key.iter().filter(|column| !known().any(|name| name == column.value)).collect();
            for column in unknown {
                let message = format!("a group has no column {}", quote(&column.value));
                let help = format!("its columns are {}", list(known()));
                self.fault(Diagnostic::new(Code::DedupeOutsideGroup, column.span, message).help(help));
            }
        }
    }

    fn logic(&mut self) {
        let used = match &self.rule.logic {
            Logic::Sql(sql) => self.sql(sql),
            Logic::Stix { pattern, .. } => self.stix(pattern),
        };
        self.own_findings();
        let Some(used) = used else { return };
        let unused: Vec<_> =
            self.rule.parameters.iter().filter(|parameter| !used.contains(&parameter.name.value)).collect();
        for parameter in unused {
            let message = format!("unused parameter {}", quote(&parameter.name.value));
            self.fault(Diagnostic::new(Code::UnusedParameter, parameter.name.span, message));
        }
    }

    /// Examines SQL, and returns the names of the parameters that it uses; `None` if its templates cannot be read.
    fn sql(&mut self, sql: &RuleSql) -> Option<Vec<String>> {
        let RuleSql { text, template } = sql;
        let places = Places::new(&self.rule.text, text.span, &text.value);
        let template = match template {
            Ok(template) => template,
            Err(faults) => {
                for fault in faults {
                    let code = match fault.kind {
                        FaultKind::Bad => Code::BadTemplate,
                        FaultKind::InQuotes => Code::TemplateInQuotes,
                        FaultKind::NoWindow => Code::NoWindow,
                        FaultKind::NotOneQuery => Code::NotAQuery,
                        FaultKind::ReadByName => Code::ReadByName,
                    };
                    let diagnostic = Diagnostic::new(code, places.of(fault.span.clone()), fault.message.clone());
                    self.fault(match &fault.help {
                        Some(help) => diagnostic.help(help.clone()),
                        None => diagnostic,
                    });
                }
                return None;
            }
        };
        let words = Words::new(&text.value);
        for limit in words.limits() {
            let message = match limit.is_outermost {
                true => format!("{} drops events at random", limit.word),
                false => format!("{} without ORDER BY reads rows at random", limit.word),
            };
            let help = match limit.is_outermost {
                true => "remove it: runs are bounded anyway; use `group_by` to make one finding of many rows",
                false => "add ORDER BY, or remove it",
            };
            self.fault(Diagnostic::new(Code::LimitedRows, places.of(limit.span), message).help(help));
        }
        for table in &template.tables {
            if let Some(fault) = unknown_class(&table.name, places.of(table.span.clone())) {
                self.fault(fault);
            }
        }
        let mut used = Vec::new();
        for piece in &template.pieces {
            if let Piece::Parameter(name, span) = piece {
                let position = words.position(span);
                let place = places.of(span.clone());
                if self.declared(name, place) {
                    self.list_position(name, place, position);
                }
                used.push(name.clone());
            }
        }
        Some(used)
    }

    /// A list parameter must stand after IN, and no other parameter may.
    fn list_position(&mut self, name: &str, span: Span, position: Position) {
        let Some(parameter) = self.rule.parameters.iter().find(|parameter| parameter.name.value == name) else {
            return;
        };
        let list_type = match parameter.parameter_type {
            ParameterType::TextList | ParameterType::IntegerList => None,
            ParameterType::Text | ParameterType::Boolean => Some("text_list"),
            ParameterType::Integer | ParameterType::Decimal => Some("integer_list"),
        };
        let (message, help) = match (list_type, position) {
            (None, Position::AfterIn) | (Some(_), Position::Elsewhere | Position::WithinIn) => return,
            (None, Position::WithinIn) => (
                format!("the list {} is in parentheses", quote(name)),
                format!("remove the parentheses: IN {{{{param:{name}}}}}"),
            ),
            (None, Position::Elsewhere) => (
                format!("the list {} is not after IN", quote(name)),
                format!("write IN {{{{param:{name}}}}} or NOT IN {{{{param:{name}}}}}"),
            ),
            (Some(list_type), Position::AfterIn) => (
                format!("{} is after IN, but is not a list", quote(name)),
                format!("declare it with `type: {list_type}`, or compare with ="),
            ),
        };
        self.fault(Diagnostic::new(Code::ListOutsideIn, span, message).help(help));
    }

    /// A pattern over findings also finds those of its own rule. SQL rules exclude them automatically.
    fn own_findings(&mut self) {
        let Logic::Stix { pattern, tables } = &self.rule.logic else { return };
        let reads_findings = |name: &str| matches!(name, "sluice-findings" | "class:detection_finding");
        let Some(table) = tables.iter().find(|table| reads_findings(&table.value)) else { return };
        let id = self.rule.id.to_string();
        if pattern.value.contains(&id) {
            return;
        }
        let help = "write the rule in SQL, which excludes the findings of rules over findings";
        let message = "the pattern searches findings, including those of its own rule";
        self.fault(Diagnostic::new(Code::OwnFindings, table.span, message).help(help));
    }

    /// Whether a parameter is declared. If not, adds a fault.
    fn declared(&mut self, name: &str, span: Span) -> bool {
        let names = || self.rule.parameters.iter().map(|parameter| parameter.name.value.as_str());
        if names().any(|known| known == name) {
            return true;
        }
        let fault = Diagnostic::new(Code::UndeclaredParameter, span, format!("undeclared parameter {}", quote(name)));
        let fault = match nearest(name, names()) {
            Some(near) => fault.help(format!("did you mean {}?", quote(near))),
            None => fault.help("declare it under `parameters`, with `type` and `default`"),
        };
        self.fault(fault);
        false
    }

    /// Examines a pattern, and returns the names of the parameters that it uses.
    fn stix(&mut self, text: &Spanned<String>) -> Option<Vec<String>> {
        let places = Places::new(&self.rule.text, text.span, &text.value);
        let filled = self.filled(&text.value);
        let words = Words::new(&text.value);
        let before = self.diagnostics.len();
        for FilledParameter { name, place } in &filled.parameters {
            let at = places.of(place.clone());
            if self.declared(name, at) {
                self.list_position(name, at, words.position(place));
            }
        }
        let misplaced: Vec<Span> = self.diagnostics[before..].iter().map(|fault| fault.primary.span).collect();
        let checked = stix::check(&filled.text, stix::Version::default());
        for fault in &checked.diagnostics {
            let place = |span: Span| places.of(filled.origin(&span.range()));
            let code = if fault.is_error() { Code::BadPattern } else { Code::DoubtfulPattern };
            // A consequence of the misplaced list.
            let at = place(fault.primary.span);
            if misplaced.iter().any(|list| list.start <= at.start && at.end <= list.end) {
                continue;
            }
            let message = format!("{} ({})", fault.message, fault.code.number());
            let mut diagnostic = Diagnostic::new(code, place(fault.primary.span), message);
            diagnostic = diagnostic.label(fault.primary.text.clone());
            for other in &fault.secondary {
                diagnostic = diagnostic.also(place(other.span), other.text.clone());
            }
            self.fault(match &fault.help {
                Some(help) => diagnostic.help(help.clone()),
                None => diagnostic,
            });
        }
        if let Ok(pattern) = stix::parse(&filled.text, stix::Version::default()) {
            self.columns_of_stix(&pattern.root);
            let overlap = self.rule.lookback - self.rule.schedule.longest_interval();
            let extent = pattern::extent(&pattern.root);
            if extent.is_none_or(|extent| extent > overlap) {
                let span = places.of(filled.origin(&pattern.root.span));
                let message = match extent {
                    Some(extent) => format!("a match may span {}", format_duration(extent)),
                    None => "the time span of a match is unbounded".to_owned(),
                };
                let message = format!("{message}, but windows overlap by {}", format_duration(overlap));
                let help = "bound it with WITHIN, and make `lookback` at least one interval longer";
                self.fault(Diagnostic::new(Code::SequenceLongerThanOverlap, span, message).help(help));
            }
        }
        Some(filled.parameters.into_iter().map(|parameter| parameter.name).collect())
    }

    /// Checks that `group_by`, `threshold` and `dedupe` name columns of STIX rows.
    fn columns_of_stix(&mut self, root: &Observation) {
        let rule = self.rule;
        let known = matches::columns(!root.is_single());
        let distinct = rule.threshold.as_ref().and_then(|threshold| threshold.distinct.as_ref());
        let grouped = rule.group_by.iter().map(|column| ("group_by", column));
        let grouped = grouped.chain(distinct.map(|column| ("threshold", column)));
        let dedupe = rule.dedupe.iter().filter(|_| rule.group_by.is_empty()).flat_map(|dedupe| &dedupe.key);
        let mut faults = Vec::new();
        for (key, column) in grouped.chain(dedupe.map(|column| ("dedupe", column))) {
            if known.contains(&column.value.as_str()) {
                continue;
            }
            let message =
                format!("`{key}` names {}, but rows of a STIX rule have no such column", quote(&column.value));
            let fault = Diagnostic::new(Code::NotAColumn, column.span, message);
            faults.push(match nearest(&column.value, known.iter().copied()) {
                Some(near) => fault.help(format!("did you mean {}?", quote(near))),
                None => fault.help(format!("their columns are {}", list(known.iter().copied()))),
            });
        }
        self.diagnostics.append(&mut faults);
    }

    fn filled(&self, pattern: &str) -> Filled {
        filled(self.rule, pattern)
    }

    fn tests(&mut self) {
        let tests = &self.rule.tests;
        if tests.is_empty() {
            let message = "no tests";
            let fault = Diagnostic::new(Code::NoTests, self.place("title"), message);
            self.fault(fault.help("add events that it must find, and near misses that it must not"));
            return;
        }
        let finds = |test: &Test| test.expect != Expectation::Nothing;
        let lacking = match (tests.iter().any(finds), tests.iter().all(finds)) {
            (false, _) => "no test expects a finding",
            (_, true) => "no test expects `none`",
            _ => "",
        };
        if !lacking.is_empty() {
            self.fault(Diagnostic::new(Code::OneSidedTests, self.place("tests"), lacking));
        }
        for test in tests {
            let unknown: Vec<&String> = test.parameters.keys().filter(|name| !self.declares(name)).collect();
            for name in unknown {
                let message = format!("the test sets the undeclared parameter {}", quote(name));
                self.fault(Diagnostic::new(Code::UndeclaredParameter, test.span, message));
            }
        }
    }

    fn declares(&self, name: &str) -> bool {
        self.rule.parameters.iter().any(|parameter| parameter.name.value == name)
    }
}
