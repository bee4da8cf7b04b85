//! The whole statement: flagged rows of every table, windows over them, and a limit that shows when it is reached.

use sql::dialect::{EventTime, TimeSpan};
use sql::sql;
use sql::table::Table;
use sql::text::{MAX_STATEMENT_BYTES, Sql};
use sql::types::ColumnType;
use stix::binder;
use stix::pattern::{
    Comparison, ComparisonKind, Observation, ObservationKind, Operator, Pattern, QualifierKind, Span, Timestamp,
};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::map::{DialectMap, DialectMaps};
use crate::plan::{Plan, flag};
use crate::{Columns, Options, Translation, leaf};

/// From this length on the conditions of several leaves are flags alone, and rows are chosen by the flags.
const LONG_CONDITIONS: usize = 10_000;

/// A leaf with the time in which it counts.
struct Leaf<'p> {
    comparison: &'p Comparison,
    window: Window,
    span: &'p Span,
}

/// From `start` to before `stop`, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    start: Option<Timestamp>,
    stop: Option<Timestamp>,
}

impl Window {
    fn narrowed(self, start: Option<Timestamp>, stop: Option<Timestamp>) -> Self {
        let latest = |a: Option<Timestamp>, b: Option<Timestamp>| a.into_iter().chain(b).max();
        let earliest = |a: Option<Timestamp>, b: Option<Timestamp>| a.into_iter().chain(b).min();
        Self { start: latest(self.start, start), stop: earliest(self.stop, stop) }
    }
}

pub(crate) fn translate(
    pattern: &Pattern,
    tables: &[Table],
    maps: &DialectMaps,
    options: &Options,
) -> Result<Translation, Diagnostics> {
    if tables.is_empty() {
        return Err(Diagnostic::error(None, "there is no table to search", "name at least one").into());
    }
    if let Some(span) = binder::too_complex(pattern) {
        let message = format!("observations can be in this in more than {} ways", binder::MOST_STATES);
        let help = "join at most 11 observations by AND, say an order by FOLLOWEDBY, or repeat less often";
        return Err(Diagnostic::error(Some(span), message, help).into());
    }
    let mut leaves: Vec<Leaf<'_>> = Vec::new();
    let everything = Window { start: options.since, stop: options.until };
    collect(&pattern.root, everything, &mut leaves);
    let mut bounds = Vec::with_capacity(leaves.len());
    for leaf in &leaves {
        let unbounded = options.unbounded;
        let start = leaf.window.start.or(unbounded.map(|(start, _)| start));
        match (start, leaf.window.stop.or(unbounded.map(|(_, stop)| stop))) {
            (Some(start), Some(stop)) => bounds.push(TimeSpan { start, stop }),
            _ => {
                let message = "no time is given for this";
                let help = "add START t'…' STOP t'…', or say since when and until when to search";
                return Err(Diagnostic::error(Some(leaf.span.clone()), message, help).into());
            }
        }
    }

    let mut warnings: Vec<Diagnostic> = Vec::new();
    let mut parts: Vec<Sql> = Vec::new();
    let mut searched: Vec<String> = Vec::new();
    let mut is_possible = vec![false; leaves.len()];
    let mut reasons: Vec<Vec<Reason>> = vec![Vec::new(); leaves.len()];
    for table in tables {
        let Some(map) = maps.get(&table.dialect) else {
            let message = format!("{} is of the dialect {:?}, which has no map", table.name, table.dialect);
            let known: Vec<&str> = maps.iter().map(DialectMap::dialect).collect();
            return Err(Diagnostic::error(None, message, format!("maps are at hand of {}", known.join(", "))).into());
        };
        let time = map.dialect.event_time(table).map_err(|error| {
            Diagnostic::error(None, error.to_string(), "take the map of the dialect that the table is of")
        })?;
        let mut conditions: Vec<Option<Sql>> = Vec::with_capacity(leaves.len());
        let mut reads: Vec<Vec<String>> = Vec::new();
        for (number, leaf) in leaves.iter().enumerate() {
            let of_table = leaf::condition(leaf.comparison, table, map, options)?;
            let is_empty = bounds[number].start >= bounds[number].stop;
            if is_empty {
                let message = "its time is empty: what START and STOP leave has no instant in it";
                let reason = Diagnostic::warning(Some(leaf.span.clone()), message, None);
                Reason::add(&mut reasons[number], reason, table);
            }
            for reason in of_table.warnings {
                Reason::add(&mut reasons[number], reason, table);
            }
            reads.extend(of_table.reads);
            let condition = of_table.condition.filter(|_| !is_empty);
            is_possible[number] |= condition.is_some();
            conditions.push(condition);
        }
        let scan = conditions
            .iter()
            .zip(&bounds)
            .filter(|(condition, _)| condition.is_some())
            .map(|(_, bounds)| *bounds)
            .reduce(|a, b| TimeSpan { start: a.start.min(b.start), stop: a.stop.max(b.stop) });
        let Some(scan) = scan else { continue };
        let rows = TableRows { table, map, time: &time, options, reads: &reads };
        parts.push(rows.statement(&conditions, &bounds, scan));
        searched.push(table.qualified_name());
    }
    let reasons: Vec<Vec<Diagnostic>> =
        reasons.into_iter().map(|of_leaf| of_leaf.into_iter().map(Reason::told).collect()).collect();
    for of_leaf in &reasons {
        for reason in of_leaf {
            if !warnings.contains(reason) {
                warnings.push(reason.clone());
            }
        }
    }
    if parts.is_empty() || !can_match(&pattern.root, &is_possible) {
        return Err(impossible(&is_possible, reasons));
    }

    let plan = Plan::of(&pattern.root);
    let (cap, refine) = match plan {
        Some(_) => (options.limit, None),
        None => (options.candidates, Some(pattern.clone())),
    };
    let columns = output_columns(leaves.len());
    let list = Sql::list(columns.iter().cloned());
    let limit = Sql::integer(i64::try_from(cap.saturating_add(1)).unwrap_or(i64::MAX));
    let flagged = Sql::joined("\n  UNION ALL\n  ", parts);
    let sql = match plan {
        Some(plan) if !plan.is_of_single_rows() => {
            let windows = plan.windows();
            let with = |list: &[(Sql, Sql)]| {
                Sql::joined("", list.iter().map(|(name, expression)| sql!(",\n    {} AS {}", expression, name)))
            };
            let (source, best) = if windows.best.is_empty() {
                (Sql::code("g"), Sql::code(""))
            } else {
                (Sql::code("h"), sql!(",\nh AS (\n  SELECT g.*{}\n  FROM g\n)", with(&windows.best)))
            };
            sql!(
                "WITH f AS (\n  {}\n),\ng AS (\n  SELECT f.*{}\n  FROM f\n){}\nSELECT {}\nFROM {}\nWHERE {}\nORDER BY t\nLIMIT {}",
                flagged,
                with(&windows.sums),
                best,
                list,
                source,
                windows.condition,
                limit,
            )
        }
        _ => sql!("WITH f AS (\n  {}\n)\nSELECT {}\nFROM f\nORDER BY t\nLIMIT {}", flagged, list, limit),
    };
    if sql.as_str().len() > MAX_STATEMENT_BYTES {
        return Err(too_long(&leaves, &pattern.root.span, sql.as_str().len(), searched.len()).into());
    }
    let scan = bounds.iter().zip(&is_possible).filter(|(_, possible)| **possible).map(|(b, _)| *b);
    let scan = scan.reduce(|a, b| TimeSpan { start: a.start.min(b.start), stop: a.stop.max(b.stop) });
    Ok(Translation {
        sql,
        leaves: leaves.len(),
        refine,
        sequence: (!pattern.root.is_single()).then(|| pattern.clone()),
        cap,
        tables: searched,
        window: scan.map(|b| (b.start, b.stop)).unwrap_or_default(),
        is_unbounded: leaves.iter().any(|leaf| leaf.window.start.is_none() || leaf.window.stop.is_none()),
        warnings,
    })
}

/// The statement has more bytes than Athena takes: the longest list is the place.
fn too_long(leaves: &[Leaf<'_>], whole: &Span, bytes: usize, tables: usize) -> Diagnostic {
    let message = format!("the statement has {bytes} bytes, and Athena takes {MAX_STATEMENT_BYTES}");
    let mut lists: Vec<(&Span, usize)> = Vec::new();
    leaves.iter().for_each(|leaf| lists_of(leaf.comparison, &mut lists));
    let fewer_tables = if tables > 1 { ", or search fewer tables at a time" } else { "" };
    match lists.into_iter().max_by_key(|(span, _)| span.len()).filter(|(span, _)| span.len() > LONG_CONDITIONS) {
        Some((span, values)) => {
            // What is not of the list stays as long as it is.
            let most = (values.saturating_mul(MAX_STATEMENT_BYTES / 10 * 9) / bytes).max(1);
            let help = format!("split the {values} values over several patterns of at most {most}{fewer_tables}");
            Diagnostic::error(Some(span.clone()), message, help)
        }
        None => {
            let help = format!("split the pattern in several{fewer_tables}");
            Diagnostic::error(Some(whole.clone()), message, help)
        }
    }
}

fn lists_of<'p>(comparison: &'p Comparison, lists: &mut Vec<(&'p Span, usize)>) {
    match &comparison.kind {
        ComparisonKind::And(left, right) | ComparisonKind::Or(left, right) => {
            lists_of(left, lists);
            lists_of(right, lists);
        }
        ComparisonKind::Test { operator: Operator::In(literals), .. } => lists.push((&comparison.span, literals.len())),
        _ => {}
    }
}

/// What a row comes back as: where from, when, how often, which leaves, and the row itself.
fn output_columns(leaves: usize) -> Vec<Sql> {
    let mut columns = vec![Sql::code("src"), Sql::code("t"), Sql::code("w")];
    columns.extend((0..leaves).map(flag));
    columns.push(Sql::code("ev"));
    columns
}

/// Why a part of a pattern is true of no row of some tables: said once, however many they are.
#[derive(Debug, Clone)]
struct Reason {
    /// With [`Reason::TABLE`] for the name of a table.
    diagnostic: Diagnostic,
    tables: Vec<String>,
}

impl Reason {
    /// No name of a table has it.
    const TABLE: &str = "\0";
    /// So many tables are named.
    const NAMED: usize = 3;

    fn add(reasons: &mut Vec<Self>, mut diagnostic: Diagnostic, table: &Table) {
        diagnostic.message = diagnostic.message.replace(&table.name, Self::TABLE);
        match reasons.iter_mut().find(|reason| reason.diagnostic == diagnostic) {
            Some(reason) => reason.tables.push(table.name.clone()),
            None => reasons.push(Self { diagnostic, tables: vec![table.name.clone()] }),
        }
    }

    fn told(self) -> Diagnostic {
        let Self { mut diagnostic, tables } = self;
        let message = match tables.as_slice() {
            [only] => diagnostic.message.replace(Self::TABLE, only),
            several => {
                let named = several.iter().take(Self::NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
                let list = match several.len().saturating_sub(Self::NAMED) {
                    0 => named,
                    more => format!("{named} and {more} more tables"),
                };
                let plural =
                    diagnostic.message.replace("\0 has ", "\0 have ").replace("no row of it", "no row of them");
                plural.replace(Self::TABLE, &list)
            }
        };
        diagnostic.message = message;
        diagnostic
    }
}

/// START and STOP come down to the leaves below them; within one another they intersect.
fn collect<'p>(observation: &'p Observation, window: Window, leaves: &mut Vec<Leaf<'p>>) {
    match &observation.kind {
        ObservationKind::Leaf { comparison, .. } => leaves.push(Leaf { comparison, window, span: &observation.span }),
        ObservationKind::And(left, right)
        | ObservationKind::Or(left, right)
        | ObservationKind::FollowedBy(left, right) => {
            collect(left, window, leaves);
            collect(right, window, leaves);
        }
        ObservationKind::Qualified(inner, qualifier) => {
            let window = match qualifier.kind {
                QualifierKind::StartStop(start, stop) => window.narrowed(Some(start), Some(stop)),
                _ => window,
            };
            collect(inner, window, leaves);
        }
    }
}

/// Whether a match needs none of the leaves that are never true.
fn can_match(observation: &Observation, is_possible: &[bool]) -> bool {
    match &observation.kind {
        ObservationKind::Leaf { number, .. } => is_possible.get(*number).copied().unwrap_or_default(),
        ObservationKind::Or(left, right) => can_match(left, is_possible) || can_match(right, is_possible),
        ObservationKind::And(left, right) | ObservationKind::FollowedBy(left, right) => {
            can_match(left, is_possible) && can_match(right, is_possible)
        }
        ObservationKind::Qualified(inner, _) => can_match(inner, is_possible),
    }
}

/// What was a warning of a leaf is an error where nothing else can satisfy the pattern.
fn impossible(is_possible: &[bool], reasons: Vec<Vec<Diagnostic>>) -> Diagnostics {
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    for (possible, reasons) in is_possible.iter().zip(reasons) {
        for mut reason in reasons {
            if !possible {
                reason.severity = Severity::Error;
                reason
                    .help
                    .get_or_insert_with(|| "search a table that has it, or leave it out of the pattern".to_owned());
            }
            if !diagnostics.contains(&reason) {
                diagnostics.push(reason);
            }
        }
    }
    diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
    Diagnostics(diagnostics)
}

/// A column of the table that is scanned.
fn column(name: &str) -> Sql {
    sql!("e.{}", Sql::name(name))
}

/// The flagged rows of one table.
struct TableRows<'a> {
    table: &'a Table,
    map: &'a DialectMap,
    time: &'a EventTime,
    options: &'a Options,
    /// What the pattern compares.
    reads: &'a [Vec<String>],
}

impl TableRows<'_> {
    fn statement(&self, conditions: &[Option<Sql>], bounds: &[TimeSpan], scan: TimeSpan) -> Sql {
        let own: Vec<Option<Sql>> = conditions
            .iter()
            .zip(bounds)
            .map(|(condition, own)| {
                let condition = condition.clone()?;
                Some(if *own == scan { condition } else { Sql::and([self.time.within(*own, &column), condition]) })
            })
            .collect();
        let flags = own.iter().enumerate().map(|(number, condition)| {
            let value = match condition {
                None => Sql::code("FALSE"),
                Some(_) if own.len() == 1 => Sql::code("TRUE"),
                Some(condition) => sql!("COALESCE({}, FALSE)", condition),
            };
            sql!(",\n    {} AS {}", value, flag(number))
        });
        let weight = match self.map.count.as_ref().filter(|count| self.table.column(count).is_some()) {
            Some(count) => sql!("COALESCE(e.{}, 1)", Sql::name(count)),
            None => Sql::code("1"),
        };
        let mut wheres = self.partitions(scan);
        wheres.push(self.time.within(scan, &column));
        let mut distinct: Vec<Sql> = Vec::new();
        for condition in own.iter().flatten() {
            if !distinct.contains(condition) {
                distinct.push(condition.clone());
            }
        }
        // Conditions that are long are not written twice.
        let is_long = own.len() > 1 && distinct.iter().map(|c| c.as_str().len()).sum::<usize>() > LONG_CONDITIONS;
        if !is_long {
            wheres.push(Sql::or(distinct));
        }
        let rows = sql!(
            "SELECT {} AS src, {} AS t, {} AS w{},\n    {} AS ev\n  FROM {} AS e\n  WHERE {}",
            Sql::text(&self.table.qualified_name()),
            self.time.milliseconds(&column),
            weight,
            Sql::joined("", flags),
            self.event(),
            self.table.reference(),
            Sql::joined("\n    AND ", wheres),
        );
        if is_long {
            let columns = Sql::list(output_columns(own.len()));
            let any = Sql::or((0..own.len()).map(flag));
            sql!("SELECT {} FROM (\n  {}\n  ) AS r\n  WHERE {}", columns, rows, any)
        } else {
            rows
        }
    }

    /// What spares reading objects that cannot hold a row.
    fn partitions(&self, scan: TimeSpan) -> Vec<Sql> {
        let mut conditions = Vec::new();
        for (column, values) in [("region", &self.options.regions), ("accountid", &self.options.accounts)] {
            if !values.is_empty() && self.table.column(column) == Some(&ColumnType::Varchar) {
                let values = Sql::list(values.iter().map(|value| Sql::text(value)));
                conditions.push(sql!("e.{} IN ({})", Sql::name(column), values));
            }
        }
        conditions.extend(self.map.dialect.partitions(self.table, scan, self.options.day_slack, &column));
        conditions
    }

    /// The row as one JSON object.
    fn event(&self) -> Sql {
        let kept = match &self.options.columns {
            Columns::Needed if !self.map.kept().is_empty() => Some(Kept::of(self.map.kept().iter().chain(self.reads))),
            _ => None,
        };
        let (names, values): (Vec<Sql>, Vec<Sql>) = self
            .table
            .columns
            .iter()
            .filter_map(|(name, column_type)| {
                let whole = || sql!("e.{}", Sql::name(name));
                let value = match (&self.options.columns, &kept) {
                    (Columns::Only(names), _) if !names.iter().any(|chosen| chosen.eq_ignore_ascii_case(name)) => {
                        return None;
                    }
                    (_, Some(kept)) => kept.below(name)?.value(whole(), column_type)?.0,
                    _ => whole(),
                };
                let value = match column_type {
                    ColumnType::Varbinary => sql!("to_base64({})", value),
                    _ => value,
                };
                Some((Sql::text(name), sql!("CAST({} AS JSON)", value)))
            })
            .unzip();
        if names.is_empty() {
            return Sql::code("'{}'");
        }
        sql!("json_format(CAST(MAP(ARRAY[{}], ARRAY[{}]) AS JSON))", Sql::list(names), Sql::list(values))
    }
}

/// The columns and fields of a row that are read. One without any below it is read whole.
#[derive(Debug, Default)]
struct Kept(Vec<(String, Kept)>);

impl Kept {
    fn of<'p>(paths: impl Iterator<Item = &'p Vec<String>>) -> Self {
        // Names are the same whatever their case.
        let lower = |path: &Vec<String>| path.iter().map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>();
        let mut paths: Vec<Vec<String>> = paths.map(lower).collect();
        // A path that is whole comes before those below it.
        paths.sort();
        let mut kept = Self::default();
        let mut last: Option<&[String]> = None;
        for path in &paths {
            if last.is_some_and(|whole| path.starts_with(whole)) {
                continue;
            }
            last = Some(path);
            let mut at = &mut kept;
            for name in path {
                let place = at.0.iter().position(|(other, _)| other == name);
                let place = place.unwrap_or_else(|| {
                    at.0.push((name.clone(), Self::default()));
                    at.0.len() - 1
                });
                at = &mut at.0[place].1;
            }
        }
        kept
    }

    fn below(&self, name: &str) -> Option<&Self> {
        self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, kept)| kept)
    }

    /// A value with only the fields that are kept, and its type; `None` if it has none of them.
    fn value(&self, whole: Sql, column_type: &ColumnType) -> Option<(Sql, ColumnType)> {
        let ColumnType::Row(fields) = column_type else { return Some((whole, column_type.clone())) };
        if self.0.is_empty() {
            return Some((whole, column_type.clone()));
        }
        let read = |(name, field): &(String, ColumnType)| {
            let (value, of) = self.below(name)?.value(sql!("{}.{}", whole, Sql::name(name)), field)?;
            Some((value, (name.clone(), of)))
        };
        let (values, fields): (Vec<Sql>, Vec<(String, ColumnType)>) = fields.iter().filter_map(read).unzip();
        if values.is_empty() {
            return None;
        }
        let narrow = ColumnType::Row(fields);
        let of = Sql::of_author(narrow.to_string());
        Some((sql!("CAST(ROW({}) AS {})", Sql::list(values), of), narrow))
    }
}
