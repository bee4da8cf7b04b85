//! What is wrong with a rule, before it runs.
//!
//! [`check`] reads and examines one file. What needs more than the file, [`duplicates`] and [`against_catalog`] say.

use std::collections::BTreeMap;

use diagnostics::{Span, Spanned, list, nearest, quote};
use uuid::Uuid;

use crate::attack::{AttackTag, replacement};
use crate::catalog::Catalog;
use crate::diagnostic::{self, Code, Diagnostic};
use crate::parse;
use crate::pattern::{self, Filled};
use crate::rule::{Expectation, Level, Logic, ParameterValue, Rule, Test};
use crate::schedule::format_duration;
use crate::template::{self, FaultKind, Piece, Template};
use crate::yaml::Places;

/// A rule file, examined.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The rule, if the file has the form of one.
    pub rule: Option<Rule>,
    /// What is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// The rule, if nothing refuses it.
    pub fn accepted(&self) -> Option<&Rule> {
        self.rule.as_ref().filter(|_| !self.diagnostics.iter().any(Diagnostic::is_error))
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
/// assert!(shown.starts_with("error[E203]: `titel` is no key of a rule"));
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

/// Rules that have another's id: for each the place in the list, and the fault. `rules` are names of files and rules.
pub fn duplicates(rules: &[(&str, &Rule)]) -> Vec<(usize, Diagnostic)> {
    let mut first: BTreeMap<Uuid, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, (name, rule)) in rules.iter().enumerate() {
        if let Some(other) = first.get(&rule.id) {
            let message = format!("the id {} is that of {} too", rule.id, quote(other));
            found.push((index, Diagnostic::new(Code::DuplicateId, place_of_key(&rule.text, "id"), message)));
        } else {
            first.insert(rule.id, name);
        }
    }
    found
}

/// Logical tables of a rule that a catalog does not have.
pub fn against_catalog(rule: &Rule, catalog: &Catalog) -> Vec<Diagnostic> {
    let check = |name: &str, span: Span| {
        let unknown = catalog.resolve(name).err()?;
        let mut fault = Diagnostic::new(Code::UnknownTable, span, format!("there is no table {}", quote(name)));
        fault = match nearest(name, unknown.known.iter().map(String::as_str)) {
            Some(near) => fault.help(format!("did you mean {}?", quote(near))),
            None => fault.help(format!("there are {}", list(unknown.known.iter().map(String::as_str)))),
        };
        Some(fault)
    };
    match &rule.logic {
        Logic::Stix { pattern: text, tables } => {
            let mut faults: Vec<Diagnostic> =
                tables.iter().filter_map(|table| check(&table.value, table.span)).collect();
            let filled = filled(rule, &text.value);
            if let (true, Ok(parsed)) = (faults.is_empty(), stix::parse(&filled.text, stix::Version::default())) {
                let places = Places::new(&rule.text, text.span, &text.value);
                let names: Vec<&str> = tables.iter().map(|table| table.value.as_str()).collect();
                for said in pattern::faults(&parsed, &names, catalog) {
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
        Logic::Sql(text) => {
            let places = Places::new(&rule.text, text.span, &text.value);
            let Ok(template) = template::read(&text.value) else { return Vec::new() };
            let tables = template.tables.iter();
            tables.filter_map(|table| check(&table.name, places.of(table.span.clone()))).collect()
        }
    }
}

/// A pattern with the defaults of its rule's parameters; one that is not declared is an empty text.
fn filled(rule: &Rule, pattern: &str) -> Filled {
    Filled::new(pattern, |name| {
        let declared = rule.parameters.iter().find(|parameter| parameter.name.value == name);
        Some(declared.map_or_else(|| ParameterValue::Text(String::new()), |parameter| parameter.default.clone()))
    })
}

/// Where a key of the file's top level stands.
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
            (rule.description.is_none(), "description", "say what it finds and why that matters"),
            (rule.author.is_none(), "author", "say whom to ask"),
            (rule.date.is_none(), "date", "say when it was made"),
            (rule.false_positives.is_empty(), "falsepositives", "say what else looks like it"),
        ] {
            if missing {
                let place = self.place("title");
                self.fault(Diagnostic::new(Code::MissingMetadata, place, format!("no {}", quote(key))).help(why));
            }
        }
        if rule.response.is_empty() && matches!(rule.level, Level::High | Level::Critical) {
            let message = format!("a rule of level {} without `response`", rule.level);
            self.fault(Diagnostic::new(Code::NoResponse, self.place("level"), message).help("say what to do first"));
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
                            "" => "it has no successor; choose the technique that is meant".to_owned(),
                            new => format!("it has become {new}: attack.{}", new.to_ascii_lowercase()),
                        };
                        self.fault(Diagnostic::new(Code::RevokedTechnique, tag.span, message).help(help));
                    }
                }
                Some(Err(near)) => {
                    let message = format!("{} names nothing in ATT&CK", quote(&tag.value));
                    let help = match near {
                        Some(near) => format!("did you mean `attack.{near}`?"),
                        None => "as `attack.credential-access` or `attack.t1003.001`".to_owned(),
                    };
                    self.fault(Diagnostic::new(Code::BadTag, tag.span, message).help(help));
                }
                _ => {}
            }
        }
        if !technique {
            let at = if self.rule.tags.is_empty() { self.place("title") } else { self.place("tags") };
            let fault = Diagnostic::new(Code::NoTechnique, at, "no tag names a technique of ATT&CK");
            self.fault(fault.help("as `attack.t1059.001`"));
        }
    }

    fn timing(&mut self) {
        let rule = self.rule;
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
            let message = "`threshold` counts the rows of a group, and there is no `group_by`";
            let help = "name the columns that make a group, as `group_by: [src_ip]`";
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
                let help = format!("there are {}", list(known()));
                self.fault(Diagnostic::new(Code::DedupeOutsideGroup, column.span, message).help(help));
            }
        }
    }

    fn logic(&mut self) {
        let used = match &self.rule.logic {
            Logic::Sql(text) => self.sql(text),
            Logic::Stix { pattern, .. } => self.stix(pattern),
        };
        let Some(used) = used else { return };
        let unused: Vec<_> =
            self.rule.parameters.iter().filter(|parameter| !used.contains(&parameter.name.value)).collect();
        for parameter in unused {
            let message = format!("nothing uses the parameter {}", quote(&parameter.name.value));
            self.fault(Diagnostic::new(Code::UnusedParameter, parameter.name.span, message));
        }
    }

    /// Examines SQL, and gives the parameters that it uses, unless it cannot be read.
    fn sql(&mut self, text: &Spanned<String>) -> Option<Vec<String>> {
        let places = Places::new(&self.rule.text, text.span, &text.value);
        let template: Template = match template::read(&text.value) {
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
                    let diagnostic = Diagnostic::new(code, places.of(fault.span), fault.message);
                    self.fault(match fault.help {
                        Some(help) => diagnostic.help(help),
                        None => diagnostic,
                    });
                }
                return None;
            }
        };
        let mut used = Vec::new();
        for piece in template.pieces {
            if let Piece::Parameter(name, span) = piece {
                self.declared(&name, places.of(span));
                used.push(name);
            }
        }
        Some(used)
    }

    fn declared(&mut self, name: &str, span: Span) {
        let names = || self.rule.parameters.iter().map(|parameter| parameter.name.value.as_str());
        if names().any(|known| known == name) {
            return;
        }
        let fault = Diagnostic::new(Code::UndeclaredParameter, span, format!("no parameter {}", quote(name)));
        let fault = match nearest(name, names()) {
            Some(near) => fault.help(format!("did you mean {}?", quote(near))),
            None => fault.help("declare it under `parameters`, with `type` and `default`"),
        };
        self.fault(fault);
    }

    /// Examines a pattern, and gives the parameters that it uses.
    fn stix(&mut self, text: &Spanned<String>) -> Option<Vec<String>> {
        let places = Places::new(&self.rule.text, text.span, &text.value);
        let filled = self.filled(&text.value);
        for (name, span) in &filled.parameters {
            self.declared(name, places.of(span.clone()));
        }
        let checked = stix::check(&filled.text, stix::Version::default());
        for fault in &checked.diagnostics {
            let place = |span: Span| places.of(filled.origin(&span.range()));
            let code = if fault.is_error() { Code::BadPattern } else { Code::DoubtfulPattern };
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
            let overlap = self.rule.lookback - self.rule.schedule.longest_interval();
            let extent = pattern::extent(&pattern.root);
            if extent.is_none_or(|extent| extent > overlap) {
                let span = places.of(filled.origin(&pattern.root.span));
                let message = match extent {
                    Some(extent) => format!("a match may take {}", format_duration(extent)),
                    None => "nothing bounds the time that a match may take".to_owned(),
                };
                let message = format!("{message}, windows overlap by {}", format_duration(overlap));
                let help = "bound it by WITHIN, and make `lookback` an interval longer than that";
                self.fault(Diagnostic::new(Code::SequenceLongerThanOverlap, span, message).help(help));
            }
        }
        Some(filled.parameters.into_iter().map(|(name, _)| name).collect())
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
            (false, _) => "no test in which something is found",
            (_, true) => "no test in which nothing is found",
            _ => "",
        };
        if !lacking.is_empty() {
            self.fault(Diagnostic::new(Code::OneSidedTests, self.place("tests"), lacking));
        }
        for test in tests {
            let unknown: Vec<&String> = test.parameters.keys().filter(|name| !self.declares(name)).collect();
            for name in unknown {
                let message = format!("the test sets {}, which is no parameter", quote(name));
                self.fault(Diagnostic::new(Code::UndeclaredParameter, test.span, message));
            }
        }
    }

    fn declares(&self, name: &str) -> bool {
        self.rule.parameters.iter().any(|parameter| parameter.name.value == name)
    }
}
