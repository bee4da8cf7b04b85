//! Lint of a rule's SQL over the tables of a catalog, by planning it without running it.
//!
//! The templates are replaced by empty tables with the real columns, and the result is planned. The engine's error is mapped
//! back to its place in the rule. An unknown name is replaced by NULL and the statement planned again, so that further
//! unknown names are found.

use std::ops::Range;

use diagnostics::{Span, Spanned, list, nearest, quote};
use query::{Column, Planned, QueryError};
use sql::table::{Layout, Table};
use sql::text::Sql;
use sql::types::ColumnType;

use super::remedies::remedy;
use super::words::Words;
use crate::catalog::Catalog;
use crate::diagnostic::{Code, Diagnostic};
use crate::rule::{ParameterValue, ParameterValues, Rule, RuleSql};
use crate::statement::{self, StatementError};
use crate::template::{Piece, TableReference, Template};
use crate::window::Window;
use crate::yaml::Places;

/// Plans a statement over empty tables with these columns.
///
/// The text of [`QueryError::Invalid`] begins with the place, `line 2:7: …`, if there is one. Both numbers count from 1, the
/// second one in characters. The embedded engine has a planner; the function that runs rules on Athena has none.
pub type Planner = fn(&Sql, &[Table]) -> Result<Planned, QueryError>;

/// The most unknown names that are reported for one statement.
const MOST_REPAIRS: usize = 20;

/// The database of the empty tables.
const DATABASE: &str = "sluice";

/// Functions of Athena that the embedded engine lacks, one per line.
static ATHENA_FUNCTIONS: &str = include_str!("../../data/athena-functions.txt");

/// The faults of a rule's SQL over the tables of a catalog. All of its tables must be known.
pub(super) fn faults(rule: &Rule, sql: &RuleSql, catalog: &Catalog, planner: Planner) -> Vec<Diagnostic> {
    let RuleSql { text, template: Ok(template) } = sql else { return Vec::new() };
    let places = Places::new(&rule.text, text.span, &text.value);
    let mut plan = Plan { rule, text: &text.value, template, places, faults: Vec::new() };
    if let Some(tables) = plan.tables(catalog) {
        plan.check(planner, &tables);
    }
    plan.faults
}

struct Plan<'r> {
    rule: &'r Rule,
    text: &'r str,
    template: &'r Template,
    places: Places,
    faults: Vec<Diagnostic>,
}

impl Plan<'_> {
    fn fault(&mut self, code: Code, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        let fault = Diagnostic::new(code, self.places.of(span), message);
        self.faults.push(match help {
            Some(help) => fault.help(help),
            None => fault,
        });
    }

    /// For each logical table an empty table of the same name. `None` if one cannot be read or has unknown columns.
    fn tables(&mut self, catalog: &Catalog) -> Option<Vec<Table>> {
        let mut tables: Vec<Table> = Vec::new();
        for reference in &self.template.tables {
            if tables.iter().any(|table| table.name == reference.name) {
                continue;
            }
            let resolved = catalog.resolve(&reference.name).ok()?;
            let mut columns: Vec<(String, ColumnType)> = Vec::new();
            for (entry, _) in &resolved.tables {
                let table = &entry.table;
                if table.columns.is_empty() {
                    let message = format!("the columns of {}.{} are unknown", table.database, table.name);
                    let help =
                        "add `columns` to the catalog file, or name an engine: --lake FOLDER, or --engine athena";
                    self.fault(Code::UnknownColumns, reference.span.clone(), message, Some(help.to_owned()));
                    return None;
                }
                for (name, column_type) in &table.columns {
                    match columns.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                        None => columns.push((name.to_ascii_lowercase(), column_type.clone())),
                        // A type conflict is a fault only if the rule names the column.
                        Some((_, merged)) => {
                            if let Some(both) = statement::merge(merged, column_type) {
                                *merged = both;
                            }
                        }
                    }
                }
            }
            tables.push(Table {
                database: DATABASE.to_owned(),
                name: reference.name.clone(),
                columns,
                layout: Layout::Plain,
                dialect: "ocsf".to_owned(),
            });
        }
        let window = Window { start: 0, end: 86_400_000 };
        match statement::build(self.rule, catalog, window, &ParameterValues::new(), 1) {
            // The rule's own lint reports these.
            Ok(_)
            | Err(
                StatementError::UnknownTable(_)
                | StatementError::Template(_)
                | StatementError::UnknownParameter(_)
                | StatementError::WrongParameter { .. },
            ) => Some(tables),
            Err(error) => {
                let named = |table: &&TableReference| match &error {
                    StatementError::TypeConflict { table: name, .. } => table.name == *name,
                    _ => true,
                };
                let span = self.template.tables.iter().find(named).map_or(0..0, |table| table.span.clone());
                self.fault(Code::TablesDisagree, span, error.to_string(), None);
                None
            }
        }
    }

    /// Plans the statement, and checks the columns that it returns.
    fn check(&mut self, planner: Planner, tables: &[Table]) {
        let mut filled = Expansion::new(self.text, self.template, tables, self.rule);
        // A misplaced parameter is reported elsewhere. The NULL in its place can cause more errors, which are not reported.
        let is_misplaced = filled.is_misplaced;
        // The last parts of unknown names. The SELECT was meant to return them.
        let mut replaced: Vec<String> = Vec::new();
        let planned = loop {
            let error = match planner(&Sql::of_author(filled.sql.clone()), tables) {
                Ok(planned) => break planned,
                Err(error) => error,
            };
            let refusal = Refusal::of(&error, &filled.sql);
            if !refusal.is_unknown_name && (is_misplaced || !replaced.is_empty()) {
                // The NULL in place of a name caused it, not the rule.
                return;
            }
            let Some(span) = refusal.span else {
                self.fault(refusal.code, Words::new(self.text).main_select(), refusal.message, refusal.help);
                return;
            };
            let name = filled.sql.get(span.clone()).unwrap_or_default();
            let help = refusal.help.or_else(|| remedy(&refusal.message, name));
            let help = help.or_else(|| refusal.is_unknown_name.then(|| elsewhere(&refusal.message, name, tables))?);
            let shown = refusal.shown.unwrap_or_else(|| span.clone());
            self.fault(refusal.code, filled.origin(&shown), refusal.message, help);
            if !refusal.is_unknown_name || replaced.len() == MOST_REPAIRS {
                return;
            }
            let last = name.rsplit('.').next().unwrap_or_default();
            replaced.push(last.trim_matches('"').to_lowercase());
            filled.replace(&span, "NULL");
        };
        for warning in planned.warnings {
            let byte = byte_at(&filled.sql, warning.line as usize, warning.column as usize);
            let span = Words::new(&filled.sql).token_at(byte).unwrap_or(byte..byte);
            self.fault(Code::DiffersOnAthena, filled.origin(&span), warning.message, Some(warning.help));
        }
        self.columns(&planned.columns, &replaced);
    }

    /// Checks that the rule's rows have the columns that its other keys name.
    fn columns(&mut self, columns: &[Column], replaced: &[String]) {
        let rule = self.rule;
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let select = self.places.of(Words::new(self.text).main_select());
        let distinct = rule.threshold.as_ref().and_then(|threshold| threshold.distinct.as_ref());
        let grouped = rule.group_by.iter().map(|column| ("group_by", column));
        for (key, column) in grouped.chain(distinct.map(|column| ("threshold", column))) {
            let found = names.iter().filter(|name| name.eq_ignore_ascii_case(&column.value)).count();
            if found == 0 && !replaced.contains(&column.value) {
                self.faults.push(not_a_column(key, column, &names, select));
            } else if found > 1 {
                let message = format!(
                    "`{key}` names {}, but the SELECT returns {found} columns of this name",
                    quote(&column.value)
                );
                let fault = Diagnostic::new(Code::NotAColumn, column.span, message);
                self.faults.push(fault.help("rename the others with AS"));
            }
        }
        if let (Some(dedupe), true) = (&rule.dedupe, rule.group_by.is_empty()) {
            for column in &dedupe.key {
                // Here the case of letters matters: rows of findings keep the names of columns.
                if !names.contains(&column.value.as_str()) && !replaced.contains(&column.value) {
                    self.faults.push(not_a_column("dedupe", column, &names, select));
                }
            }
        }
        if rule.group_by.is_empty() {
            for (index, name) in names.iter().enumerate() {
                if names[..index].iter().filter(|other| *other == name).count() == 1 {
                    let message = format!("two columns of the SELECT are called {}", quote(name));
                    let fault = Diagnostic::new(Code::ColumnTwice, select, message);
                    self.faults.push(fault.help("rename one of them with AS"));
                }
            }
        }
        self.time(columns, replaced, select);
    }

    fn time(&mut self, columns: &[Column], replaced: &[String], select: Span) {
        let is_grouped = !self.rule.group_by.is_empty();
        let accepted: &[&str] = if is_grouped { &["time"] } else { &["time", "start_time", "end_time"] };
        let is_meant = |name: &str| match is_grouped {
            true => accepted.iter().any(|accepted| accepted.eq_ignore_ascii_case(name)),
            false => accepted.contains(&name),
        };
        let given: Vec<&Column> = columns.iter().filter(|column| is_meant(&column.name)).collect();
        for column in &given {
            let is_time = matches!(
                column.column_type,
                ColumnType::Integer
                    | ColumnType::Bigint
                    | ColumnType::Date
                    | ColumnType::Timestamp
                    | ColumnType::TimestampWithTimeZone
                    | ColumnType::Varchar
            );
            if !is_time {
                let message = format!("{} has type {}, which is not a time", quote(&column.name), column.column_type);
                let help = "return milliseconds since 1970, like the `time` of an event, or a timestamp";
                self.faults.push(Diagnostic::new(Code::NoTime, select, message).help(help));
            }
        }
        if !given.is_empty() || accepted.iter().any(|name| replaced.iter().any(|replaced| replaced == name)) {
            return;
        }
        let near = columns.iter().find(|column| column.name.eq_ignore_ascii_case("time"));
        let (message, help) = match (near, is_grouped) {
            (Some(column), _) => {
                (format!("{} is not spelt `time`", quote(&column.name)), "write `AS time`, without quotes")
            }
            (None, true) => (
                "the SELECT returns no column `time`, which `group_by` needs".to_owned(),
                "select the event's `time`: it becomes the time of the finding",
            ),
            (None, false) => (
                "the SELECT returns no column `time`".to_owned(),
                "select the event's `time`, or `min(time) AS start_time, max(time) AS end_time` of several events",
            ),
        };
        self.faults.push(Diagnostic::new(Code::NoTime, select, message).help(help));
    }
}

/// The fault of a `key` that names a column that the SELECT does not return.
fn not_a_column(key: &str, column: &Spanned<String>, names: &[&str], select: Span) -> Diagnostic {
    let message = format!("`{key}` names {}, which the SELECT does not return", quote(&column.value));
    let fault = Diagnostic::new(Code::NotAColumn, column.span, message).also(select, "returns the columns");
    let same = names.iter().find(|name| name.eq_ignore_ascii_case(&column.value));
    match (same, nearest(&column.value, names.iter().copied())) {
        (Some(name), _) => {
            fault.help(format!("it returns {}: write `AS {}`, without quotes", quote(name), column.value))
        }
        (None, Some(near)) => fault.help(format!("did you mean {}?", quote(near))),
        (None, None) => fault.help(format!(
            "it returns {}; add the column, with `AS {}`",
            list(names.iter().copied()),
            column.value
        )),
    }
}

/// An engine's error, and its place.
struct Refusal {
    code: Code,
    /// The place in the planned statement.
    span: Option<Range<usize>>,
    /// The part of the place to underline.
    shown: Option<Range<usize>>,
    message: String,
    help: Option<String>,
    /// Whether the place is an unknown name, which can be replaced by NULL to find further faults.
    is_unknown_name: bool,
}

impl Refusal {
    fn of(error: &QueryError, sql: &str) -> Self {
        let words = Words::new(sql);
        match error {
            QueryError::Invalid(text) => {
                let (at, text) = placed(text);
                let (message, help) = with_remedy(text);
                let is_unknown_name = message.contains("cannot be resolved") || message.contains("has no field");
                let byte = at.map(|(line, column)| byte_at(sql, line, column));
                let span = byte.map(|byte| {
                    let span = if is_unknown_name { words.path_at(byte) } else { words.token_at(byte) };
                    span.unwrap_or(byte..byte)
                });
                let shown = span.as_ref().filter(|_| message.contains("has no field")).and_then(|path| {
                    let field = quoted(&message)?;
                    words.name_within(path, field)
                });
                let is_unknown_name = is_unknown_name && span.is_some();
                Self { code: Code::BadStatement, is_unknown_name, span, shown, message, help }
            }
            QueryError::Unsupported { construct, remedy } => {
                let function = construct.strip_prefix("function ");
                let is_of_athena = match function {
                    Some(name) => ATHENA_FUNCTIONS.lines().any(|known| known.eq_ignore_ascii_case(name)),
                    None => true,
                };
                let first_words = construct.split(' ').next().unwrap_or_default();
                let name = function.unwrap_or(construct);
                let span = words.find(name).or_else(|| words.find(function.unwrap_or(first_words)));
                let (code, message) = match (is_of_athena, function) {
                    (true, _) => (Code::NotInEmbedded, format!("the embedded engine does not support {construct}")),
                    (false, Some(name)) => (Code::BadStatement, format!("there is no function {}", quote(name))),
                    (false, None) => (Code::BadStatement, format!("there is no {construct}")),
                };
                Self { code, span, shown: None, message, help: Some(remedy.clone()), is_unknown_name: false }
            }
            other => Self {
                code: Code::BadStatement,
                span: None,
                shown: None,
                message: other.to_string(),
                help: None,
                is_unknown_name: false,
            },
        }
    }
}

/// The text in single quotes, from the first quote to the last.
fn quoted(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once('\'')?;
    rest.rsplit_once('\'').map(|(name, _)| name)
}

/// A help line for an unknown name: the paths in these tables that end in it, a similar column, or the list of columns.
fn elsewhere(message: &str, path: &str, tables: &[Table]) -> Option<String> {
    let folded = |name: &str| name.trim_matches('"').replace('_', "").to_lowercase();
    let wanted = folded(quoted(message).unwrap_or(path).rsplit('.').next()?);
    let mut paths: Vec<String> = Vec::new();
    for table in tables {
        for (name, column_type) in &table.columns {
            paths_of(name, column_type, 1, &mut paths);
        }
    }
    let same = paths.iter().filter(|path| path.rsplit('.').next().is_some_and(|last| folded(last) == wanted));
    let mut same: Vec<&str> = same.map(String::as_str).collect();
    same.sort_unstable_by_key(|path| path.matches('.').count());
    same.dedup();
    same.truncate(3);
    if !same.is_empty() {
        return Some(format!("did you mean {}?", same.iter().map(|path| quote(path)).collect::<Vec<_>>().join(" or ")));
    }
    let columns = || tables.iter().flat_map(|table| &table.columns).map(|(name, _)| name.as_str());
    if let Some(near) = nearest(&wanted, columns()) {
        return Some(format!("did you mean {}?", quote(near)));
    }
    let [table] = tables else { return None };
    message.starts_with("Column").then(|| format!("{} has {}", quote(&table.name), list(columns())))
}

/// The paths of a column and of the fields in it, down to five levels.
fn paths_of(path: &str, column_type: &ColumnType, depth: usize, paths: &mut Vec<String>) {
    const DEEPEST: usize = 5;
    paths.push(path.to_owned());
    let ColumnType::Row(fields) = column_type else { return };
    for (name, field) in fields.iter().filter(|_| depth < DEEPEST) {
        paths_of(&format!("{path}.{name}"), field, depth + 1, paths);
    }
}

/// Splits a message into its leading line and column, and the rest.
fn placed(text: &str) -> (Option<(usize, usize)>, &str) {
    let parts = || {
        let (line, rest) = text.strip_prefix("line ")?.split_once(':')?;
        let (column, rest) = rest.split_once(": ")?;
        Some(((line.parse().ok()?, column.parse().ok()?), rest))
    };
    match parts() {
        Some((at, rest)) => (Some(at), rest),
        None => (None, text),
    }
}

/// Splits a message at its last semicolon outside quotes: what is wrong, and how to fix it.
fn with_remedy(text: &str) -> (String, Option<String>) {
    let is_outside = |at: usize| text[..at].matches('\'').count().is_multiple_of(2);
    let at = text.rmatch_indices("; ").map(|(at, _)| at).find(|at| is_outside(*at));
    match at.map(|at| (&text[..at], &text[at + 2..])) {
        Some((message, help)) if !help.contains('\n') => (message.to_owned(), Some(help.to_owned())),
        _ => (text.to_owned(), None),
    }
}

/// The byte offset of a line and a column (in characters), both counted from 1. The end of the text if they are beyond it.
fn byte_at(text: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for (number, whole) in text.split_inclusive('\n').enumerate() {
        if number + 1 == line {
            let byte = whole.char_indices().nth(column.saturating_sub(1)).map_or(whole.len(), |(byte, _)| byte);
            return start + byte;
        }
        start += whole.len();
    }
    text.len()
}

/// A rule's SQL with its templates replaced, and the origin of every part.
struct Expansion {
    sql: String,
    parts: Vec<Part>,
    /// Whether a list parameter is used outside IN, or another parameter after IN.
    is_misplaced: bool,
}

/// A part of an [`Expansion`].
#[derive(Clone)]
struct Part {
    /// The byte offset in the expanded SQL.
    start: usize,
    /// The range in the rule's SQL from which it was made.
    origin: Range<usize>,
    /// Whether it is unchanged text of the rule.
    is_verbatim: bool,
}

impl Expansion {
    fn new(text: &str, template: &Template, tables: &[Table], rule: &Rule) -> Self {
        let mut expansion = Self { sql: String::new(), parts: Vec::new(), is_misplaced: false };
        let mut end = 0;
        for piece in &template.pieces {
            match piece {
                Piece::Text(range) => {
                    expansion.push(text.get(range.clone()).unwrap_or_default(), range.clone(), true);
                    end = range.end;
                    continue;
                }
                Piece::Table(index) => {
                    let name = template.tables.get(*index).map_or("", |table| table.name.as_str());
                    expansion.push(Sql::name(name).as_str(), hole(text, end), false);
                }
                Piece::Window(indices) => {
                    let bounds = indices.iter().filter_map(|index| template.tables.get(*index)).map(|reference| {
                        let has_time = tables.iter().any(|t| t.name == reference.name && t.column("time").is_some());
                        match (&reference.alias, has_time) {
                            (_, false) => Sql::code("TRUE"),
                            (Some(alias), true) => Sql::path([alias.as_str(), "time"]),
                            (None, true) => Sql::name("time"),
                        }
                    });
                    let bounds: Vec<String> = bounds
                        .map(|time| match time.as_str() {
                            "TRUE" => "TRUE".to_owned(),
                            time => format!("{time} IS NOT NULL"),
                        })
                        .collect();
                    expansion.push(&format!("({})", bounds.join(" AND ")), hole(text, end), false);
                }
                Piece::Parameter(name, span) => {
                    let declared = rule.parameters.iter().find(|parameter| parameter.name.value == *name);
                    let default = declared.map(|parameter| &parameter.default);
                    let is_list = matches!(default, Some(ParameterValue::TextList(_) | ParameterValue::IntegerList(_)));
                    let is_after_in = Words::new(text).position(span) == super::words::Position::AfterIn;
                    let value = match default {
                        Some(value) if is_list == is_after_in => statement::parameter(value).as_str().to_owned(),
                        _ => {
                            expansion.is_misplaced = true;
                            if is_after_in { "(NULL)".to_owned() } else { "NULL".to_owned() }
                        }
                    };
                    expansion.push(&value, span.clone(), false);
                }
            }
        }
        expansion
    }

    fn push(&mut self, text: &str, origin: Range<usize>, is_verbatim: bool) {
        self.parts.push(Part { start: self.sql.len(), origin, is_verbatim });
        self.sql.push_str(text);
    }

    /// The range in the rule's SQL from which a range of the expanded SQL was made.
    fn origin(&self, span: &Range<usize>) -> Range<usize> {
        let at = |byte: usize, is_end: bool| {
            let part =
                self.parts.iter().rev().find(|part| part.start <= byte && (!is_end || part.start < byte || byte == 0));
            part.map_or(0, |part| match (part.is_verbatim, is_end) {
                (true, _) => (part.origin.start + (byte - part.start)).min(part.origin.end),
                (false, true) => part.origin.end,
                (false, false) => part.origin.start,
            })
        };
        let start = at(span.start, false);
        start..at(span.end, true).max(start)
    }

    /// Replaces a range by another text.
    fn replace(&mut self, span: &Range<usize>, text: &str) {
        let origin = self.origin(span);
        let mut parts: Vec<Part> = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let end = self.parts.get(index + 1).map_or(self.sql.len(), |next| next.start);
            if end <= span.start {
                parts.push(part.clone());
                continue;
            }
            if part.start < span.start {
                let cut =
                    if part.is_verbatim { part.origin.start + (span.start - part.start) } else { part.origin.end };
                parts.push(Part { origin: part.origin.start..cut, ..part.clone() });
            }
            if part.start <= span.start {
                parts.push(Part { start: span.start, origin: origin.clone(), is_verbatim: false });
            }
            if end > span.end {
                let start = part.start.max(span.end);
                let from = if part.is_verbatim { part.origin.start + (start - part.start) } else { part.origin.start };
                let shifted = start - (span.end - span.start) + text.len();
                parts.push(Part { start: shifted, origin: from..part.origin.end, is_verbatim: part.is_verbatim });
            }
        }
        self.sql.replace_range(span.clone(), text);
        self.parts = parts;
    }
}

/// The template that starts at a byte.
fn hole(text: &str, start: usize) -> Range<usize> {
    let length = text.get(start..).and_then(|rest| rest.find("}}")).map_or(0, |end| end + 2);
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_within_quotes_begins_no_remedy() {
        let of = |text: &str| {
            let (message, help) = with_remedy(text);
            (message, help.unwrap_or_default())
        };
        let quoted = "a text is 'Mozilla/5.0 (Win64; x64)'";
        assert_eq!(of(&format!("no column; {quoted}")), ("no column".to_owned(), quoted.to_owned()));
        assert_eq!(of("no column 'a; b'"), ("no column 'a; b'".to_owned(), String::new()));
        assert_eq!(of("one; two; three"), ("one; two".to_owned(), "three".to_owned()));
    }

    fn rule(sql: &str) -> Rule {
        let indented = sql.replace('\n', "\n  ");
        let text = format!(
            "title: t\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: low\nschedule: rate(5 minutes)\n\
             lookback: 1h\ningest_delay: 10m\nparameters:\n  names: {{type: text_list, default: [a, 'ä']}}\nsql: |\n  \
             {indented}\n"
        );
        crate::parse::parse(&text).0.unwrap()
    }

    #[test]
    fn a_place_in_the_expansion_is_found_in_the_rule_before_and_after_a_repair() {
        let sql = "SELECT 'ä', firsst FROM {{aws-cloudtrail}} e\nWHERE {{window:e}} AND x IN {{param:names}}\n  AND e.second = 1";
        let rule = rule(sql);
        let template = crate::template::read(sql).unwrap();
        let table = Table {
            database: DATABASE.to_owned(),
            name: "aws-cloudtrail".to_owned(),
            columns: vec![("time".to_owned(), ColumnType::Bigint)],
            layout: Layout::Plain,
            dialect: "ocsf".to_owned(),
        };
        let mut filled = Expansion::new(sql, &template, &[table], &rule);
        assert_eq!(
            filled.sql,
            "SELECT 'ä', firsst FROM \"aws-cloudtrail\" e\nWHERE (\"e\".\"time\" IS NOT NULL) AND x IN ('a', 'ä')\n  AND e.second = 1"
        );
        let source = |filled: &Expansion, part: &str| {
            let start = filled.sql.find(part).unwrap();
            &sql[filled.origin(&(start..start + part.len()))]
        };
        assert_eq!(source(&filled, "firsst"), "firsst");
        assert_eq!(source(&filled, "\"aws-cloudtrail\""), "{{aws-cloudtrail}}");
        assert_eq!(source(&filled, "\"time\""), "{{window:e}}");
        assert_eq!(source(&filled, "'ä')"), "{{param:names}}");
        assert_eq!(source(&filled, "e.second"), "e.second");
        assert_eq!(byte_at(&filled.sql, 3, 7), filled.sql.find("e.second").unwrap());
        assert_eq!(byte_at(&filled.sql, 1, 13), filled.sql.find("firsst").unwrap());
        for (part, value) in [("firsst", "NULL"), ("e.second", "NULL")] {
            let start = filled.sql.find(part).unwrap();
            filled.replace(&(start..start + part.len()), value);
        }
        assert!(filled.sql.ends_with("AND NULL = 1"), "{}", filled.sql);
        assert_eq!(source(&filled, "= 1"), "= 1");
        assert_eq!(source(&filled, "NULL FROM"), "firsst FROM");
    }
}
