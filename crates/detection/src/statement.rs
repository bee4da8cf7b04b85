//! The statement of a rule for a window: logical tables become physical ones, windows become bounds, parameters become
//! values. Nothing but the rule author's own SQL comes into it unquoted.

mod error;
mod pattern;

use std::borrow::Cow;

use query::{Answer, Statement};
use sql::dialect::{Dialect, TimeSpan};
use sql::sql;
use sql::table::Table;
use sql::text::{MAX_STATEMENT_BYTES, Sql};
use sql::types::ColumnType;
use translation::Translation;

use crate::catalog::{Catalog, CatalogTable};
use crate::groups;
use crate::matches;
use crate::pattern::Filled;
use crate::rule::{Logic, ParameterValue, ParameterValues, Rule};
use crate::template::tokens::{Token, tokens};
use crate::template::{self, Piece, TableReference, Template};
use crate::window::{Look, Window};

pub use error::StatementError;
pub(crate) use pattern::faults as pattern_faults;

/// What an engine runs for a rule, and how its answer is read.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The statement, without a token.
    pub statement: Statement,
    /// What it looks at.
    look: Look,
    /// For a pattern that some table can match.
    translation: Option<Box<Translation>>,
}

impl Prepared {
    /// The rows of an answer as findings are made of them: those of SQL as they are, those of a pattern settled, with the
    /// columns that findings know, and grouped where the rule says so.
    ///
    /// # Errors
    /// Why the answer of a pattern cannot be read, or its candidates are too many.
    pub fn hits<'a>(&self, rule: &Rule, answer: &'a Answer) -> Result<Cow<'a, Answer>, String> {
        match rule.logic {
            Logic::Sql(_) => Ok(Cow::Borrowed(answer)),
            Logic::Stix { .. } => matches::hits(rule, self.look, self.translation.as_deref(), answer).map(Cow::Owned),
        }
    }
}

/// The statement of a rule for what it is to look at. At most `max_rows` rows and one more come out of it, so that it can be
/// seen when there are too many. It has no token yet.
///
/// # Errors
/// [`StatementError`]
pub fn build(
    rule: &Rule,
    catalog: &Catalog,
    look: impl Into<Look>,
    parameters: &ParameterValues,
    max_rows: u64,
) -> Result<Prepared, StatementError> {
    let look = look.into();
    let window = look.window;
    let values = Values::new(rule, parameters)?;
    let (sql, translation) = match &rule.logic {
        Logic::Sql(text) => {
            let hits = of_sql(&text.value, catalog, window, &values)?;
            let rows = match rule.group_by[..] {
                [] => sql!("SELECT * FROM ({}) AS \"hits\"", hits),
                _ => groups::statement(rule, &hits, look.ends),
            };
            let limit = Sql::integer(i64::try_from(max_rows.saturating_add(1)).unwrap_or(i64::MAX));
            (sql!("{} LIMIT {}", rows, limit), None)
        }
        Logic::Stix { pattern, tables } => {
            let filled = Filled::new(&pattern.value, |name| values.get(name).ok().cloned());
            if let Some(unknown) = filled.parameters.iter().find(|parameter| values.get(&parameter.name).is_err()) {
                return Err(StatementError::UnknownParameter(unknown.name.clone()));
            }
            let names: Vec<&str> = tables.iter().map(|table| table.value.as_str()).collect();
            pattern::translated(&filled.text, &names, catalog, window, max_rows)?
        }
    };
    if sql.as_str().len() > MAX_STATEMENT_BYTES {
        return Err(StatementError::TooLong(sql.as_str().len()));
    }
    let statement = Statement { max_scanned_bytes: rule.max_scanned_bytes, ..Statement::new(sql) };
    Ok(Prepared { statement, look, translation: translation.map(Box::new) })
}

/// Statements that give the times of a rule's events within a window, each the multiple of `bucket` milliseconds before some
/// event. `None` if a table has no column `time` in milliseconds.
pub(crate) fn times(
    rule: &Rule,
    catalog: &Catalog,
    window: Window,
    bucket: i64,
) -> Result<Option<Vec<Sql>>, StatementError> {
    let mut statements = Vec::new();
    let mut seen: Vec<&Table> = Vec::new();
    for name in rule.sources() {
        for (entry, _) in catalog.resolve(&name)?.tables {
            let table = &entry.table;
            if !entry.exists || seen.contains(&table) {
                continue;
            }
            if !matches!(table.column("time"), Some(ColumnType::Bigint)) {
                return Ok(None);
            }
            seen.push(table);
            statements.push(sql!(
                "SELECT DISTINCT {} AS \"bucket\" FROM {} WHERE {}",
                groups::multiple_before(&Sql::name("time"), bucket),
                table.reference(),
                bounds(table, window, None)?
            ));
        }
    }
    Ok(Some(statements))
}

/// The token of a run: it differs if anything does that its answer depends on, and only then.
pub fn token(rule: &Rule, window: Window, attempt: u32, statement: &Sql) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [
        rule.id.to_string(),
        rule.version(),
        window.start.to_string(),
        window.end.to_string(),
        attempt.to_string(),
        statement.as_str().to_owned(),
    ] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The values of a rule's parameters.
pub(crate) struct Values<'r> {
    rule: &'r Rule,
    set: Vec<(String, ParameterValue)>,
}

impl<'r> Values<'r> {
    pub(crate) fn new(rule: &'r Rule, set: &ParameterValues) -> Result<Self, StatementError> {
        let read = |(name, value): (&String, &serde_json::Value)| {
            let declared = rule.parameters.iter().find(|parameter| parameter.name.value == *name);
            let declared = declared.ok_or_else(|| StatementError::UnknownParameter(name.clone()))?;
            let value = declared.parameter_type.read(value).ok_or_else(|| StatementError::WrongParameter {
                name: name.clone(),
                wanted: declared.parameter_type.as_str(),
            })?;
            Ok((name.clone(), value))
        };
        Ok(Self { rule, set: set.iter().map(read).collect::<Result<_, StatementError>>()? })
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Result<&ParameterValue, StatementError> {
        if let Some((_, value)) = self.set.iter().find(|(set, _)| set == name) {
            return Ok(value);
        }
        let declared = self.rule.parameters.iter().find(|parameter| parameter.name.value == name);
        declared.map(|parameter| &parameter.default).ok_or_else(|| StatementError::UnknownParameter(name.to_owned()))
    }
}

/// A value as SQL. A list stands to the right of IN; of an empty one it is a query without rows, so that `NOT IN` holds.
pub(crate) fn parameter(value: &ParameterValue) -> Sql {
    let list = |items: Vec<Sql>, none: &'static str| {
        if items.is_empty() { Sql::code(none) } else { sql!("({})", Sql::list(items)) }
    };
    match value {
        ParameterValue::Text(text) => Sql::text(text),
        ParameterValue::Integer(number) => Sql::integer(*number),
        ParameterValue::Decimal(number) => Sql::double(*number),
        ParameterValue::Boolean(value) => Sql::boolean(*value),
        ParameterValue::TextList(items) => {
            list(items.iter().map(|text| Sql::text(text)).collect(), "(SELECT CAST(NULL AS varchar) WHERE FALSE)")
        }
        ParameterValue::IntegerList(items) => list(
            items.iter().map(|number| Sql::integer(*number)).collect(),
            "(SELECT CAST(NULL AS bigint) WHERE FALSE)",
        ),
    }
}

fn of_sql(text: &str, catalog: &Catalog, window: Window, values: &Values<'_>) -> Result<Sql, StatementError> {
    let template = template::read(text).map_err(|faults| {
        StatementError::Template(faults.first().map(|fault| fault.message.clone()).unwrap_or_default())
    })?;
    let wanted = Wanted::of(text, &template);
    let relations = template
        .tables
        .iter()
        .map(|reference| Relation::of(reference, catalog, window, &wanted))
        .collect::<Result<Vec<_>, _>>()?;
    let mut whole = Vec::new();
    for piece in &template.pieces {
        whole.push(match piece {
            Piece::Text(range) => Sql::of_author(text.get(range.clone()).unwrap_or_default()),
            Piece::Table(index) => relations[*index].sql.clone(),
            Piece::Window(indices) => Sql::and(indices.iter().map(|index| relations[*index].bounds.clone())),
            Piece::Parameter(name, _) => parameter(values.get(name)?),
        });
    }
    Ok(Sql::joined("", whole))
}

/// Which columns a text of SQL may speak of: its words, or all.
pub(crate) enum Wanted {
    All,
    Words(Vec<String>),
}

impl Wanted {
    pub(crate) fn of(text: &str, template: &Template) -> Self {
        let outside: String = template
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(range) => text.get(range.clone()),
                _ => None,
            })
            .collect::<Vec<_>>()
            .join(" ");
        Self::of_text(&outside)
    }

    /// Of SQL without templates.
    pub(crate) fn of_text(outside: &str) -> Self {
        // `count(*)` reads no column; `SELECT *` and `e.*` read all.
        let tokens = tokens(outside);
        let reads_all = tokens.windows(2).any(|pair| {
            let [(before, _), (_, place)] = pair else { return false };
            let names_columns = match before {
                Token::Word(word) => matches!(word.as_str(), "select" | "distinct" | "all"),
                token => matches!(token, Token::Comma | Token::Dot),
            };
            names_columns && &outside[place.clone()] == "*"
        });
        if reads_all {
            return Self::All;
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let lower = outside.to_ascii_lowercase();
        let mut words: Vec<String> =
            lower.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        Self::Words(words)
    }

    /// These columns too, by their names in lower case.
    pub(crate) fn and(self, more: impl IntoIterator<Item = String>) -> Self {
        match self {
            Self::All => Self::All,
            Self::Words(mut words) => {
                words.extend(more);
                words.sort_unstable();
                words.dedup();
                Self::Words(words)
            }
        }
    }

    fn has(&self, column: &str) -> bool {
        const ALWAYS: [&str; 2] = ["time", "class_uid"];
        match self {
            Self::All => true,
            Self::Words(words) => {
                let column = column.to_ascii_lowercase();
                ALWAYS.contains(&column.as_str()) || words.binary_search(&column).is_ok()
            }
        }
    }
}

/// What stands for a logical table in one place.
pub(crate) struct Relation {
    pub(crate) sql: Sql,
    /// What `{{window}}` is for it.
    pub(crate) bounds: Sql,
}

impl Relation {
    pub(crate) fn of(
        reference: &TableReference,
        catalog: &Catalog,
        window: Window,
        wanted: &Wanted,
    ) -> Result<Self, StatementError> {
        let resolved = catalog.resolve(&reference.name)?;
        let alias = reference.alias.as_deref();
        if let [(table, None)] = resolved.tables[..]
            && table.exists
        {
            let bounds = Sql::and([bounds(&table.table, window, alias)?].into_iter().chain(not_of_such_rules(
                &table.table,
                &reference.name,
                alias,
            )));
            return Ok(Self { sql: table.table.reference(), bounds });
        }
        let sql = union(&reference.name, &resolved.tables, Reader::Rule(window), wanted)?;
        // The bounds are within; once more outside they change nothing. Raw logs have no column `time`.
        let has_time = |(entry, _): &(&CatalogTable, _)| {
            entry.table.columns.is_empty() || matches!(entry.table.column("time"), Some(ColumnType::Bigint))
        };
        let bounds = match resolved.tables.iter().all(has_time) {
            true => time_bounds(column(alias, "time"), window),
            false => Sql::code("TRUE"),
        };
        Ok(Self { sql, bounds })
    }
}

fn column(alias: Option<&str>, name: &str) -> Sql {
    match alias {
        Some(alias) => Sql::path([alias, name]),
        None => Sql::name(name),
    }
}

fn time_bounds(time: Sql, window: Window) -> Sql {
    sql!("({} >= {} AND {} < {})", time, Sql::integer(window.start), time, Sql::integer(window.end))
}

/// For a table of findings: those that are not of rules over findings. Otherwise a rule would find what it published itself, or
/// two rules each other's findings, for ever. Findings name the logical tables that their rule reads.
fn not_of_such_rules(table: &Table, logical: &str, alias: Option<&str>) -> Option<Sql> {
    table.column("finding_info")?.field("data_sources")?;
    let read = sql!("{}.\"data_sources\"", column(alias, "finding_info"));
    let mut names = vec!["sluice-findings", "class:detection_finding"];
    if !names.contains(&logical) {
        names.push(logical);
    }
    let names = Sql::list(names.into_iter().map(Sql::text));
    Some(sql!("coalesce(arrays_overlap({}, ARRAY[{}]), FALSE) = FALSE", read, names))
}

/// The rows of a table within a window: the exact bounds of time, and what lets the engine leave the rest unread.
pub(crate) fn bounds(table: &Table, window: Window, alias: Option<&str>) -> Result<Sql, StatementError> {
    let named = |name: &str| column(alias, name);
    let dialect = Dialect::of_table(table);
    let (Some(dialect), Some(time)) = (dialect, dialect.and_then(|dialect| dialect.event_time(table).ok())) else {
        return Err(StatementError::NoTime { table: table.qualified_name(), dialect: table.dialect.clone() });
    };
    let span = TimeSpan::of_milliseconds(window.start, window.end);
    let exact = sql!("({})", time.within(span, &named));
    Ok(Sql::and([exact].into_iter().chain(dialect.partitions(table, span, 0, &named))))
}

/// Who reads a logical table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reader {
    /// A rule, in a window. It does not see the findings of rules like it.
    Rule(Window),
    /// A person, who sees every row, of all time or of a range.
    Person(Option<Window>),
}

/// Several tables as one: all columns that the rule may speak of, NULL where a table lacks one, and each table read for
/// the window only, or whole without one.
pub(crate) fn union(
    logical: &str,
    tables: &[(&CatalogTable, Option<u32>)],
    reader: Reader,
    wanted: &Wanted,
) -> Result<Sql, StatementError> {
    let (window, is_rule) = match reader {
        Reader::Rule(window) => (Some(window), true),
        Reader::Person(window) => (window, false),
    };
    let within = |table: &Table| window.map_or(Ok(Sql::code("TRUE")), |window| bounds(table, window, None));
    if let Some((entry, _)) = tables.iter().find(|(entry, _)| entry.table.columns.is_empty()) {
        let table = &entry.table;
        if let [(only, Some(class))] = tables
            && only.exists
        {
            let class = sql!("{} = {}", Sql::name("class_uid"), Sql::integer(i64::from(*class)));
            return Ok(sql!("(SELECT * FROM {} WHERE {} AND {})", table.reference(), within(table)?, class));
        }
        return Err(StatementError::UnknownColumns(table.qualified_name()));
    }
    let columns = merged_columns(logical, tables, wanted)?;
    let mut branches = Vec::new();
    for (entry, class) in tables.iter().filter(|(entry, _)| entry.exists) {
        let table = &entry.table;
        let selected = columns.iter().map(|(name, column_type)| {
            let value = match table.column(name) {
                Some(own) => converted(Sql::name(name), own, column_type),
                None => null_of(column_type),
            };
            sql!("{} AS {}", value, Sql::name(name))
        });
        let mut conditions = vec![within(table)?];
        if is_rule {
            conditions.extend(not_of_such_rules(table, logical, None));
        }
        if let Some(class) = class {
            conditions.push(sql!("{} = {}", Sql::name("class_uid"), Sql::integer(i64::from(*class))));
        }
        let selected = Sql::list(selected);
        branches.push(sql!("SELECT {} FROM {} WHERE {}", selected, table.reference(), Sql::and(conditions)));
    }
    if branches.is_empty() {
        let nulls = columns.iter().map(|(name, column_type)| sql!("{} AS {}", null_of(column_type), Sql::name(name)));
        return Ok(sql!("(SELECT {} WHERE FALSE)", Sql::list(nulls)));
    }
    Ok(sql!("({})", Sql::joined(" UNION ALL ", branches)))
}

/// The columns of several tables as one, each with the narrowest type that holds its values in all of them.
pub(crate) fn merged_columns(
    logical: &str,
    tables: &[(&CatalogTable, Option<u32>)],
    wanted: &Wanted,
) -> Result<Vec<(String, ColumnType)>, StatementError> {
    let mut columns: Vec<(String, ColumnType)> = Vec::new();
    for (entry, _) in tables {
        let table = &entry.table;
        for (name, column_type) in table.columns.iter().filter(|(name, _)| wanted.has(name)) {
            match columns.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
                None => columns.push((name.to_ascii_lowercase(), column_type.clone())),
                Some((_, merged)) => {
                    *merged = merge(merged, column_type).ok_or_else(|| StatementError::TypeConflict {
                        table: logical.to_owned(),
                        column: name.clone(),
                        one: merged.to_string(),
                        other: column_type.to_string(),
                    })?;
                }
            }
        }
    }
    Ok(columns)
}

fn type_sql(column_type: &ColumnType) -> Sql {
    // Names of fields are quoted by its Display.
    Sql::of_author(column_type.to_string())
}

fn null_of(column_type: &ColumnType) -> Sql {
    sql!("CAST(NULL AS {})", type_sql(column_type))
}

/// The narrowest type that holds both.
pub(crate) fn merge(one: &ColumnType, other: &ColumnType) -> Option<ColumnType> {
    use ColumnType::{Array, Bigint, Double, Integer, Map, Real, Row};
    Some(match (one, other) {
        (one, other) if one == other => one.clone(),
        (Integer, Bigint) | (Bigint, Integer) => Bigint,
        (Real, Double) | (Double, Real) => Double,
        (Array(one), Array(other)) => Array(Box::new(merge(one, other)?)),
        (Map(key, one), Map(other_key, other)) if key == other_key => Map(key.clone(), Box::new(merge(one, other)?)),
        (Row(one), Row(other)) => {
            let mut fields = one.clone();
            for (name, field) in other {
                match fields.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                    None => fields.push((name.clone(), field.clone())),
                    Some((_, merged)) => *merged = merge(merged, field)?,
                }
            }
            Row(fields)
        }
        _ => return None,
    })
}

/// A value of one type as a wider one of [`merge`].
fn converted(value: Sql, from: &ColumnType, to: &ColumnType) -> Sql {
    match (from, to) {
        (from, to) if from == to => value,
        (ColumnType::Row(_), ColumnType::Row(fields)) => {
            let members = fields.iter().map(|(name, field)| match from.field(name) {
                Some(own) => converted(sql!("{}.{}", value, Sql::name(name)), own, field),
                None => null_of(field),
            });
            sql!("IF({} IS NULL, NULL, CAST(ROW({}) AS {}))", value, Sql::list(members), type_sql(to))
        }
        (ColumnType::Array(own), ColumnType::Array(element)) => {
            let element = converted(Sql::name("element"), own, element);
            sql!("transform({}, \"element\" -> {})", value, element)
        }
        _ => sql!("CAST({} AS {})", value, type_sql(to)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use sql::table::Layout;

    use super::*;
    use crate::catalog::CatalogTable;

    const WINDOW: Window = Window { start: 1_714_557_600_000, end: 1_714_561_200_000 };

    fn table(name: &str, layout: Layout, columns: &[(&str, &str)]) -> Table {
        let columns = columns.iter().map(|(name, column_type)| ((*name).to_owned(), column_type.parse().unwrap()));
        Table {
            database: "lake".to_owned(),
            name: name.to_owned(),
            columns: columns.collect(),
            layout,
            dialect: "ocsf".to_owned(),
        }
    }

    fn catalog(entries: &[(&str, Table, &[u32], bool)]) -> Catalog {
        let mut catalog = Catalog::default();
        for (name, table, classes, exists) in entries {
            catalog.add(name, CatalogTable::new(table.clone(), classes.to_vec(), *exists));
        }
        catalog
    }

    fn rule(sql: &str, more: &str) -> Rule {
        let indented = sql.replace('\n', "\n  ");
        let text = format!(
            "title: t\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: low\nschedule: rate(5 minutes)\n\
             lookback: 1h\ningest_delay: 10m\n{more}sql: |\n  {indented}\n"
        );
        let (rule, faults) = crate::parse::parse(&text);
        rule.unwrap_or_else(|| panic!("{faults:?}"))
    }

    fn built(sql: &str, more: &str, catalog: &Catalog) -> String {
        let statement = build(&rule(sql, more), catalog, WINDOW, &ParameterValues::new(), 10).unwrap().statement;
        let text = statement.sql.as_str().to_owned();
        let inner = text.strip_prefix("SELECT * FROM (").and_then(|text| text.strip_suffix("\n) AS \"hits\" LIMIT 11"));
        inner.map_or(text.clone(), str::to_owned)
    }

    #[test]
    fn a_window_is_exact_and_names_the_partitions() {
        let columns = [("time", "bigint"), ("time_dt", "timestamp"), ("eventday", "string")];
        for (layout, expected) in [
            (
                Layout::EventDay,
                "SELECT 1 FROM \"lake\".\"t\" WHERE ((\"time\" >= 1714557600000 AND \"time\" < 1714561200000) AND \
                 \"eventday\" BETWEEN '20240501' AND '20240501')",
            ),
            (
                Layout::TimeDt,
                "SELECT 1 FROM \"lake\".\"t\" WHERE ((\"time\" >= 1714557600000 AND \"time\" < 1714561200000) AND \
                 \"time_dt\" >= TIMESTAMP '2024-05-01 10:00:00.000' AND \"time_dt\" < TIMESTAMP '2024-05-01 \
                 11:00:00.000')",
            ),
            (
                Layout::Plain,
                "SELECT 1 FROM \"lake\".\"t\" WHERE (\"time\" >= 1714557600000 AND \"time\" < 1714561200000)",
            ),
        ] {
            let catalog = catalog(&[("t", table("t", layout, &columns), &[], true)]);
            assert_eq!(built("SELECT 1 FROM {{t}} WHERE {{window}}", "", &catalog), expected);
        }
    }

    #[test]
    fn the_last_day_of_a_window_that_ends_at_midnight_is_the_day_before() {
        let table = table("t", Layout::EventDay, &[("time", "bigint"), ("eventday", "string")]);
        let day = Window { start: 1_714_521_600_000, end: 1_714_608_000_000 };
        let bounds = bounds(&table, day, Some("e")).unwrap();
        assert!(bounds.as_str().contains("\"e\".\"eventday\" BETWEEN '20240501' AND '20240501'"), "{bounds}");
        let longer = super::bounds(&table, Window { end: day.end + 1, ..day }, None).unwrap();
        assert!(longer.as_str().contains("BETWEEN '20240501' AND '20240502'"), "{longer}");
    }

    #[test]
    fn several_tables_are_one_with_null_for_what_one_lacks() {
        let one = table("s_1007", Layout::Plain, &[("time", "bigint"), ("process", "struct<name:string,pid:int>")]);
        let other = table(
            "s_1001",
            Layout::Plain,
            &[
                ("time", "bigint"),
                ("process", "struct<name:string,uid:string>"),
                ("file", "struct<name:string>"),
                ("unused", "string"),
            ],
        );
        let catalog = catalog(&[("s", one, &[1007], true), ("s", other, &[1001], true)]);
        let time = "(\"time\" >= 1714557600000 AND \"time\" < 1714561200000)";
        let row = "row(\"name\" varchar, \"pid\" integer, \"uid\" varchar)";
        let expected = format!(
            "SELECT process.name, file.name FROM (SELECT \"time\" AS \"time\", IF(\"process\" IS NULL, NULL, \
             CAST(ROW(\"process\".\"name\", \"process\".\"pid\", CAST(NULL AS varchar)) AS {row})) AS \"process\", \
             CAST(NULL AS row(\"name\" varchar)) AS \"file\" FROM \"lake\".\"s_1007\" WHERE {time} UNION ALL SELECT \
             \"time\" AS \"time\", IF(\"process\" IS NULL, NULL, CAST(ROW(\"process\".\"name\", CAST(NULL AS integer), \
             \"process\".\"uid\") AS {row})) AS \"process\", \"file\" AS \"file\" FROM \"lake\".\"s_1001\" WHERE {time}) \
             e WHERE (\"e\".\"time\" >= 1714557600000 AND \"e\".\"time\" < 1714561200000)"
        );
        assert_eq!(built("SELECT process.name, file.name FROM {{s}} e WHERE {{window:e}}", "", &catalog), expected);
    }

    #[test]
    fn a_class_is_filtered_where_a_table_has_others_too() {
        let columns = [("time", "bigint"), ("class_uid", "int")];
        let trail = table("trail", Layout::Plain, &columns);
        let sysmon = table("sysmon", Layout::Plain, &columns);
        let catalog =
            catalog(&[("aws-cloudtrail", trail, &[6003, 3002, 3001], true), ("windows-sysmon", sysmon, &[3002], true)]);
        let sql = built("SELECT time FROM {{class:authentication}} WHERE {{window}}", "", &catalog);
        assert_eq!(sql.matches("\"class_uid\" = 3002").count(), 1, "{sql}");
        assert_eq!(sql.matches("UNION ALL").count(), 1, "{sql}");
        let whole = built("SELECT time FROM {{aws-cloudtrail}} WHERE {{window}}", "", &catalog);
        assert!(!whole.contains("class_uid"), "{whole}");
        let unknown = build(
            &rule("SELECT 1 FROM {{class:dns_activity}} WHERE {{window}}", ""),
            &catalog,
            WINDOW,
            &ParameterValues::new(),
            1,
        );
        assert!(matches!(unknown, Err(StatementError::UnknownTable(_))), "{unknown:?}");
    }

    #[test]
    fn a_table_that_is_not_there_yet_has_no_rows() {
        let absent = table("t", Layout::Plain, &[("time", "bigint"), ("message", "string")]);
        let catalog = catalog(&[("t", absent, &[], false)]);
        assert_eq!(
            built("SELECT message FROM {{t}} WHERE {{window}}", "", &catalog),
            "SELECT message FROM (SELECT CAST(NULL AS bigint) AS \"time\", CAST(NULL AS varchar) AS \"message\" WHERE \
             FALSE) WHERE (\"time\" >= 1714557600000 AND \"time\" < 1714561200000)"
        );
    }

    #[test]
    fn a_star_means_all_columns_wherever_it_stands() {
        let reads_all = |sql: &str| matches!(Wanted::of_text(sql), Wanted::All);
        for all in [
            "SELECT * FROM t",
            "SELECT -- everything\n * FROM t",
            "SELECT /* x */ * FROM t",
            "SELECT ALL * FROM t",
            "SELECT DISTINCT /* x */ * FROM t",
            "SELECT a, e . * FROM t e",
        ] {
            assert!(reads_all(all), "{all}");
        }
        for some in
            ["SELECT count(*), count( * ) FROM t", "SELECT a * b, (a) * 2 FROM t -- SELECT *", "SELECT 'x, *' FROM t"]
        {
            assert!(!reads_all(some), "{some}");
        }
    }

    #[test]
    fn groups_are_counted_outside_of_the_rule() {
        let catalog = catalog(&[("t", table("t", Layout::Plain, &[("time", "bigint")]), &[], true)]);
        let more = "group_by: [ip]\nthreshold: {count: 5, distinct: port}\n";
        let sql = built("SELECT ip, port, time FROM {{t}} WHERE {{window}}", more, &catalog);
        assert!(
            sql.starts_with(
                "SELECT \"ip\", count(*) AS \"event_count\", count(DISTINCT \"port\") AS \"distinct_count\", min(\"time\") \
                 AS \"start_time\", max(\"time\") AS \"end_time\" FROM (SELECT ip, port, time FROM"
            ),
            "{sql}"
        );
        assert!(sql.ends_with("GROUP BY \"ip\" HAVING count(DISTINCT \"port\") >= 5 LIMIT 11"), "{sql}");
    }

    #[test]
    fn parameters_are_values_and_an_empty_list_excludes_nothing() {
        let catalog = catalog(&[("t", table("t", Layout::Plain, &[("time", "bigint")]), &[], true)]);
        let more = "parameters:\n  names: {type: text_list, default: []}\n  limit: {type: integer, default: 5}\n";
        let rule =
            rule("SELECT 1 FROM {{t}} WHERE {{window}} AND a NOT IN {{param:names}} AND b > {{param:limit}}", more);
        let with = |json: serde_json::Value| {
            let set = json.as_object().unwrap().clone().into_iter().collect();
            build(&rule, &catalog, WINDOW, &set, 10).map(|prepared| prepared.statement.sql.as_str().to_owned())
        };
        let text = with(serde_json::json!({})).unwrap();
        assert!(text.contains("a NOT IN (SELECT CAST(NULL AS varchar) WHERE FALSE) AND b > 5"), "{text}");
        let text = with(serde_json::json!({"names": ["it's", "b"], "limit": 7})).unwrap();
        assert!(text.contains("a NOT IN ('it''s', 'b') AND b > 7"), "{text}");
        assert_eq!(with(serde_json::json!({"nmaes": []})), Err(StatementError::UnknownParameter("nmaes".to_owned())));
        assert!(matches!(with(serde_json::json!({"limit": "7"})), Err(StatementError::WrongParameter { .. })));
    }

    #[test]
    fn a_token_depends_on_rule_version_window_and_attempt_and_on_nothing_else() {
        let rule = rule("SELECT 1 FROM {{t}} WHERE {{window}}", "");
        let sql = Sql::code("SELECT 1");
        let token = |rule: &Rule, window, attempt| super::token(rule, window, attempt, &sql);
        let base = token(&rule, WINDOW, 0);
        // Athena takes 32 to 128 characters.
        assert_eq!(base.len(), 64);
        assert_eq!(base, token(&rule, WINDOW, 0));
        let changed = Rule { text: format!("{}#", rule.text), ..rule.clone() };
        for other in [
            token(&changed, WINDOW, 0),
            token(&rule, Window { end: WINDOW.end + 1, ..WINDOW }, 0),
            token(&rule, WINDOW, 1),
            super::token(&rule, WINDOW, 0, &Sql::code("SELECT 2")),
        ] {
            assert_ne!(base, other);
        }
    }

    proptest! {
        /// A value of a parameter never becomes anything but a value: what stands between the quotes is it again.
        #[test]
        fn a_hostile_value_stays_a_value(value in "[ -~'\"\\\\{}%;\n\u{e4}\u{2028}-]{0,40}") {
            let catalog = catalog(&[("t", table("t", Layout::Plain, &[("time", "bigint")]), &[], true)]);
            let rule = rule(
                "SELECT 1 FROM {{t}} WHERE {{window}} AND a = {{param:v}}",
                "parameters:\n  v: {type: text, default: x}\n",
            );
            let set = [("v".to_owned(), serde_json::Value::from(value.clone()))].into();
            let text = build(&rule, &catalog, WINDOW, &set, 10).unwrap().statement.sql.as_str().to_owned();
            let literal = text.split_once("AND a = '").unwrap().1.strip_suffix("'\n) AS \"hits\" LIMIT 11").unwrap();
            prop_assert!(!literal.replace("''", "").contains('\''));
            prop_assert_eq!(literal.replace("''", "'"), value);
        }
    }
}
