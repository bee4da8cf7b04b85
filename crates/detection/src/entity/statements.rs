//! The statements of an entity hunt: one for the blocks of a source, and one for several rules over them.

use sql::sql;
use sql::table::Table;
use sql::text::Sql;
use sql::types::ColumnType;

use super::key::{EntityKey, field};
use super::select::Select;
use super::{BlockSize, Source};
use crate::catalog::Catalog;
use crate::rule::{Logic, ParameterValues, Rule, RuleSql, Threshold};
use crate::statement::{Relation, StatementError, Values, Wanted, bounds, parameter};
use crate::template::{Piece, TableReference, Template};
use crate::window::Window;

/// Columns that are added to the events of a source: entity, time and id.
const ENTITY: &str = "sluice_entity";
const TIME: &str = "sluice_time";
const UID: &str = "sluice_uid";
const BLOCK: &str = "sluice_block";

/// What the statements of one source have in common.
pub(super) struct Statements<'s, 'c> {
    pub(super) source: &'s Source<'c>,
    pub(super) key: &'s EntityKey,
    pub(super) size: BlockSize,
    pub(super) window: Window,
}

impl Statements<'_, '_> {
    /// The statement for blocks. Its columns are entity, block, number of events, first and last time.
    pub(super) fn blocks(&self) -> Result<Sql, StatementError> {
        let counted = Sql::code("count(*) AS \"events\", min(\"time\") AS \"first\", max(\"time\") AS \"last\"");
        Ok(match self.size {
            BlockSize::Rows(rows) => {
                let rows = Sql::integer(i64::from(rows.get()));
                sql!(
                    "SELECT \"entity\", \"position\" / {} AS \"block\", {} FROM {} AS \"positions\" GROUP BY \"entity\", \
                     \"position\" / {}",
                    rows,
                    counted,
                    self.positions()?,
                    rows
                )
            }
            BlockSize::Time(_) => sql!(
                "SELECT \"entity\", {} AS \"block\", {} FROM {} AS \"events\" GROUP BY \"entity\", {}",
                self.slot(Sql::name("time")),
                counted,
                self.events()?,
                self.slot(Sql::name("time"))
            ),
        })
    }

    /// The statement for hits, with one row for each rule and block that it hits. Its columns are the rule's index in
    /// `rules`, entity, block, number of rows, and the times of the first and the last.
    pub(super) fn hits(&self, rules: &[&BlockRule<'_>], catalog: &Catalog) -> Result<Sql, StatementError> {
        let (mut rows, mut groups) = (Vec::new(), Vec::new());
        for (index, rule) in rules.iter().enumerate() {
            let index = Sql::integer(i64::try_from(index).unwrap_or(i64::MAX));
            if rule.is_grouped() {
                groups.push(sql!(
                    "SELECT {} AS \"rule\", \"sluice_entity\" AS \"entity\", \"sluice_block\" AS \"block\", count(*) AS \
                     \"hits\", min(\"sluice_first\") AS \"first\", max(\"sluice_last\") AS \"last\" FROM ({}) AS \"groups\" \
                     GROUP BY \"sluice_entity\", \"sluice_block\"",
                    index,
                    self.groups(rule, catalog)?
                ));
            } else {
                let columns = told([ENTITY, TIME, UID]);
                let relation = |rule_relation: Sql| self.keyed(rule_relation);
                rows.push(sql!(
                    "SELECT {} AS \"rule\", \"told_sluice_entity\" AS \"entity\", \"told_sluice_time\" AS \"time\", \
                     \"told_sluice_uid\" AS \"uid\" FROM ({}) AS \"hits\" WHERE \"told_sluice_entity\" IS NOT NULL",
                    index,
                    self.select(rule, catalog, &columns, &columns, relation)?
                ));
            }
        }
        if !rows.is_empty() {
            let rows = Sql::joined(" UNION ALL ", rows);
            let counted = Sql::code("count(*) AS \"hits\", min(h.\"time\") AS \"first\", max(h.\"time\") AS \"last\"");
            groups.push(match self.size {
                BlockSize::Rows(_) => sql!(
                    "SELECT h.\"rule\", n.\"entity\", n.\"block\", {} FROM ({}) AS h JOIN {} AS n ON h.\"entity\" = \
                     n.\"entity\" AND h.\"time\" = n.\"time\" AND h.\"uid\" = n.\"uid\" GROUP BY h.\"rule\", \
                     n.\"entity\", n.\"block\"",
                    counted,
                    rows,
                    self.located()?
                ),
                BlockSize::Time(_) => sql!(
                    "SELECT h.\"rule\", h.\"entity\", {} AS \"block\", {} FROM ({}) AS h GROUP BY h.\"rule\", \
                     h.\"entity\", {}",
                    self.slot(Sql::code("h.\"time\"")),
                    counted,
                    rows,
                    self.slot(Sql::code("h.\"time\""))
                ),
            });
        }
        Ok(Sql::joined(" UNION ALL ", groups))
    }

    /// The number of the time slot that contains a time, counted from 1970.
    fn slot(&self, time: Sql) -> Sql {
        match self.size {
            BlockSize::Time(length) => sql!("{} / {}", time, Sql::integer(length.get())),
            BlockSize::Rows(_) => time,
        }
    }

    /// A subquery with entity, time and id of every event.
    fn events(&self) -> Result<Sql, StatementError> {
        let mut branches = Vec::new();
        if let EntityKey::Expression(_) = self.key {
            // An expression may read columns that some of the tables lack.
            let relation = self.relation(self.source.name, self.wanted(Wanted::Words(Vec::new())))?;
            branches.push(sql!(
                "SELECT {} AS \"entity\", \"time\" AS \"time\", {} AS \"uid\" FROM {} AS \"all_events\" WHERE {}",
                self.key.sql(self.tables()),
                self.uid(self.tables()),
                relation.sql,
                relation.bounds
            ));
        } else {
            for table in self.tables() {
                branches.push(sql!(
                    "SELECT {} AS \"entity\", \"time\" AS \"time\", {} AS \"uid\" FROM {} WHERE {}",
                    self.key.sql([table].into_iter()),
                    self.uid([table].into_iter()),
                    table.reference(),
                    bounds(table, self.window, None)?
                ));
            }
        }
        Ok(sql!("({})", Sql::joined(" UNION ALL ", branches)))
    }

    /// Events with their positions among those of their entity. Events at the same time are ordered by id, so that every run
    /// and every engine numbers them alike.
    fn positions(&self) -> Result<Sql, StatementError> {
        Ok(sql!(
            "(SELECT \"entity\", \"time\", \"uid\", row_number() OVER (PARTITION BY \"entity\" ORDER BY \"time\", \"uid\") \
             - 1 AS \"position\" FROM {} AS \"events\")",
            self.events()?
        ))
    }

    /// The block of every event. Indistinguishable events are in the first block that contains one of them.
    fn located(&self) -> Result<Sql, StatementError> {
        let BlockSize::Rows(rows) = self.size else { return self.events() };
        Ok(sql!(
            "(SELECT \"entity\", \"time\", \"uid\", min(\"position\") / {} AS \"block\" FROM {} AS \"positions\" GROUP BY \
             \"entity\", \"time\", \"uid\")",
            Sql::integer(i64::from(rows.get())),
            self.positions()?
        ))
    }

    /// The existing tables of the source.
    fn tables(&self) -> impl Iterator<Item = &Table> + Clone {
        self.source.catalog.resolve(self.source.name).into_iter().flat_map(|resolved| {
            let there: Vec<&Table> =
                resolved.tables.into_iter().filter(|(entry, _)| entry.exists).map(|(entry, _)| &entry.table).collect();
            there
        })
    }

    fn uid<'t>(&self, mut tables: impl Iterator<Item = &'t Table>) -> Sql {
        let has = tables.any(|table| matches!(field(table, "metadata.uid"), Some(ColumnType::Varchar)));
        Sql::code(if has { "COALESCE(\"metadata\".\"uid\", '')" } else { "''" })
    }

    fn wanted(&self, wanted: Wanted) -> Wanted {
        wanted.and(self.key.words().into_iter().chain(["metadata".to_owned()]))
    }

    fn relation(&self, name: &str, wanted: Wanted) -> Result<Relation, StatementError> {
        let reference = TableReference::named(name);
        Relation::of(&reference, &self.source.catalog, self.window, &wanted)
    }

    /// A relation of events with their keys. A plain `"time" AS "sluice_time"` next to `time` would break DataFusion, which
    /// merges the two names when it pushes down a filter.
    fn keyed(&self, relation: Sql) -> Result<Sql, StatementError> {
        let block = match self.size {
            BlockSize::Time(_) => sql!(", {} AS \"sluice_block\"", self.slot(Sql::name("time"))),
            BlockSize::Rows(_) => Sql::code(""),
        };
        Ok(sql!(
            "(SELECT \"own\".*, {} AS \"sluice_entity\", COALESCE(\"time\", 0) AS \"sluice_time\", {} AS \"sluice_uid\"{} FROM {} AS \
             \"own\")",
            self.key.sql(self.tables()),
            self.uid(self.tables()),
            block,
            relation
        ))
    }

    /// A relation of events with their keys and blocks.
    fn blocked(&self, relation: Sql) -> Result<Sql, StatementError> {
        let keyed = self.keyed(relation)?;
        match self.size {
            BlockSize::Time(_) => Ok(keyed),
            BlockSize::Rows(_) => Ok(sql!(
                "(SELECT \"keyed\".*, n.\"block\" AS \"sluice_block\" FROM {} AS \"keyed\" JOIN {} AS n ON \
                 \"keyed\".\"sluice_entity\" = n.\"entity\" AND \"keyed\".\"sluice_time\" = n.\"time\" AND \
                 \"keyed\".\"sluice_uid\" = n.\"uid\")",
                keyed,
                self.located()?
            )),
        }
    }

    /// The groups of a rule within each block: entity, block, and the times of the first and the last event.
    fn groups(&self, rule: &BlockRule<'_>, catalog: &Catalog) -> Result<Sql, StatementError> {
        let relation = |relation: Sql| self.blocked(relation);
        if rule.select.is_grouped() {
            let columns = sql!(
                "{}, min(\"sluice_time\") AS \"sluice_first\", max(\"sluice_time\") AS \"sluice_last\"",
                told([ENTITY, BLOCK])
            );
            let groups = Sql::list([ENTITY, BLOCK].map(Sql::name));
            return Ok(sql!(
                "SELECT \"told_sluice_entity\" AS \"sluice_entity\", \"told_sluice_block\" AS \"sluice_block\", \
                 \"sluice_first\", \"sluice_last\" FROM ({}) AS \"own_groups\" WHERE \"told_sluice_entity\" IS NOT NULL",
                self.select(rule, catalog, &columns, &groups, relation)?
            ));
        }
        let rows = self.select(rule, catalog, &told([ENTITY, BLOCK, TIME]), &Sql::code(""), relation)?;
        let columns = Sql::code("\"told_sluice_entity\", \"told_sluice_block\"");
        let grouped = rule.rule.group_by.iter().map(|column| Sql::name(column));
        let (counted, wanted) = match &rule.rule.threshold {
            Some(Threshold { count, distinct: Some(column) }) => {
                (sql!("count(DISTINCT {})", Sql::name(column)), *count)
            }
            Some(Threshold { count, distinct: None }) => (Sql::code("count(*)"), *count),
            None => (Sql::code("count(*)"), 1),
        };
        Ok(sql!(
            "SELECT \"told_sluice_entity\" AS \"sluice_entity\", \"told_sluice_block\" AS \"sluice_block\", \
             min(\"told_sluice_time\") AS \"sluice_first\", max(\"told_sluice_time\") AS \"sluice_last\" FROM ({}) AS \
             \"hits\" WHERE \"told_sluice_entity\" IS NOT NULL GROUP BY {} HAVING {} >= {}",
            rows,
            Sql::list([columns].into_iter().chain(grouped)),
            counted,
            Sql::integer(i64::try_from(wanted).unwrap_or(i64::MAX))
        ))
    }

    /// The SQL of a rule with more columns, in which `relation` replaces the first table. Other tables are read whole.
    fn select(
        &self,
        rule: &BlockRule<'_>,
        catalog: &Catalog,
        columns: &Sql,
        groups: &Sql,
        relation: impl Fn(Sql) -> Result<Sql, StatementError>,
    ) -> Result<Sql, StatementError> {
        let (text, template) = (rule.text, rule.template);
        let no_parameters = ParameterValues::new();
        let values = Values::new(rule.rule, &no_parameters)?;
        let wanted = self.wanted(Wanted::of(text, template));
        let mut relations = Vec::new();
        for (index, reference) in template.tables.iter().enumerate() {
            if index == rule.select.table {
                let own = Relation::of(reference, &self.source.catalog, self.window, &wanted)?;
                relations.push(Relation { sql: relation(own.sql)?, bounds: own.bounds });
            } else {
                relations.push(Relation::of(reference, catalog, self.window, &wanted)?);
            }
        }
        for piece in &template.pieces {
            if let Piece::Parameter(name, _) = piece {
                values.get(name)?;
            }
        }
        let fill = |piece: &Piece| match piece {
            Piece::Table(index) => relations[*index].sql.clone(),
            Piece::Window(indices) => Sql::and(indices.iter().map(|index| relations[*index].bounds.clone())),
            Piece::Parameter(name, _) => values.get(name).map(parameter).unwrap_or_else(|_| Sql::code("NULL")),
            Piece::Text(_) => Sql::code(""),
        };
        Ok(rule.select.with(text, template, columns, groups, fill))
    }
}

/// Columns that are added to events, under names that `SELECT *` does not return.
fn told<const N: usize>(columns: [&str; N]) -> Sql {
    let told = |column| sql!("{} AS {}", Sql::name(column), Sql::name(&format!("told_{column}")));
    Sql::list(columns.into_iter().map(told))
}

/// A rule whose rows can be assigned to events or blocks.
pub(super) struct BlockRule<'r> {
    pub(super) rule: &'r Rule,
    text: &'r str,
    template: &'r Template,
    select: Select,
}

impl<'r> BlockRule<'r> {
    /// The error says why the rows of this rule cannot be assigned to events.
    pub(super) fn of(rule: &'r Rule) -> Result<Self, &'static str> {
        let Logic::Sql(RuleSql { text, template }) = &rule.logic else { return Err("it is a STIX pattern") };
        let template = template.as_ref().map_err(|_| "its SQL cannot be read")?;
        let select = Select::of(&text.value, template)?;
        if select.is_grouped() && !rule.group_by.is_empty() {
            return Err("it groups rows twice");
        }
        Ok(Self { rule, text: &text.value, template, select })
    }

    /// The logical table of the events.
    pub(super) fn table(&self) -> &str {
        self.template.tables.get(self.select.table).map_or("", |table| table.name.as_str())
    }

    /// Whether its rows are groups. Their statement determines the blocks of all events first.
    pub(super) fn is_grouped(&self) -> bool {
        self.select.is_grouped() || !self.rule.group_by.is_empty()
    }
}
