//! Several rules in one statement: the table is read once, and each row says which rules it is a row of.
//!
//! An engine reads, and Athena charges for, the columns of a table once for each statement. Rules that read the same logical
//! table over the same window can therefore share a statement, if each of their rows comes from one event: the statement
//! reads the table once, evaluates the condition of each rule as a flag, and returns the rows with a flag set. A rule's part
//! of the answer ([`Part::of`]) is what its own statement would have answered.
//!
//! Only [`RowQuery`]s are shared. Everything else, as groups and joins, has a statement of its own. Expressions that may fail
//! are evaluated only for rows of the rules that select them, so that a rule does not fail where it would not fail alone. What
//! may still fail is a condition: then the whole statement fails, and each of its rules has to be asked alone.

use query::{Answer, Column, Statement, Statistics};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sql::sql;
use sql::text::{MAX_STATEMENT_BYTES, Sql};
use sql::types::ColumnType;

use crate::catalog::Catalog;
use crate::rule::{Logic, ParameterValues, Rule, RuleSql};
use crate::shape::Shape;
use crate::statement::{Relation, StatementError, Values, Wanted, filled};
use crate::template::TableReference;
use crate::template::row_query::RowQuery;
use crate::window::{Look, Window};

/// A rule that is to be asked for a window.
#[derive(Debug, Clone, Copy)]
pub struct Question<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// What its next statement looks at.
    pub look: Look,
    /// Values of its parameters other than the defaults.
    pub parameters: &'r ParameterValues,
}

/// One statement for several rules.
#[derive(Debug, Clone)]
pub struct Shared<'r> {
    /// The statement, without a token.
    pub statement: Statement,
    /// Its questions, and where the rows of each are in its answer.
    pub questions: Vec<(Question<'r>, Part)>,
}

/// Where the rows of a rule are in the answer of a shared statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The column that says which rows are the rule's.
    flag: usize,
    /// The rule's own columns, and which column of the answer each is.
    columns: Vec<(String, usize)>,
    /// Among how many rules the cost is divided.
    rules: u64,
    /// The most rows of the statement; if there are so many, others may have been left out.
    limit: usize,
    /// What the statement may read: the sum of what its rules may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_scanned_bytes: Option<u64>,
}

impl Part {
    /// The rule's own answer, with its share of the cost. `None` if rows may be missing: then the rule has to be asked
    /// alone, which says whether it is the one with too many rows.
    pub fn of(&self, answer: &Answer) -> Option<Answer> {
        if answer.rows.len() >= self.limit {
            return None;
        }
        let is_own = |row: &&Vec<Json>| {
            // Athena returns texts.
            row.get(self.flag).is_some_and(|flag| *flag == Json::Bool(true) || flag.as_str() == Some("true"))
        };
        let own = |row: &Vec<Json>| {
            self.columns.iter().map(|(_, at)| row.get(*at).cloned().unwrap_or(Json::Null)).collect::<Vec<_>>()
        };
        let column_type =
            |at: usize| answer.columns.get(at).map_or(ColumnType::Json, |column| column.column_type.clone());
        let column = |(name, at): &(String, usize)| Column { name: name.clone(), column_type: column_type(*at) };
        let Statistics { scanned_bytes, scanned_objects, duration } = answer.statistics;
        Some(Answer {
            query_id: answer.query_id.clone(),
            columns: self.columns.iter().map(column).collect(),
            rows: answer.rows.iter().filter(is_own).map(own).collect(),
            statistics: Statistics {
                scanned_bytes: scanned_bytes.div_ceil(self.rules.max(1)),
                scanned_objects,
                duration: duration / u32::try_from(self.rules).unwrap_or(u32::MAX).max(1),
            },
            warnings: answer.warnings.clone(),
        })
    }
}

/// What a rule contributes to a shared statement.
struct Contribution<'r> {
    question: Question<'r>,
    wanted: Wanted,
    /// Which rows are the rule's.
    condition: Sql,
    columns: Vec<ContributedColumn>,
}

struct ContributedColumn {
    name: String,
    expression: Sql,
    is_plain: bool,
}

/// What rules have in common that share a statement.
#[derive(Debug, PartialEq, Eq)]
struct Scope {
    table: String,
    alias: Option<String>,
    window: Window,
}

/// Shared statements for these questions. Of those that are in none of them each needs a statement of its own; that includes
/// rules whose SQL is at fault, since their own statement says so. At most `max_rows` rows and one more of each rule come
/// out of a statement.
pub fn statements<'r>(questions: &[Question<'r>], catalog: &Catalog, max_rows: u64) -> Vec<Shared<'r>> {
    let mut groups: Vec<(Scope, Vec<Contribution<'r>>)> = Vec::new();
    for question in questions {
        let Some((scope, contribution)) = contribution(*question) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == scope) {
            Some((_, group)) => group.push(contribution),
            None => groups.push((scope, vec![contribution])),
        }
    }
    let mut shared = Vec::new();
    for (scope, group) in groups {
        add(&mut shared, &scope, group, catalog, max_rows);
    }
    shared
}

/// Adds the statement of a group, or several where one would be too long.
fn add<'r>(
    shared: &mut Vec<Shared<'r>>,
    scope: &Scope,
    mut group: Vec<Contribution<'r>>,
    catalog: &Catalog,
    max_rows: u64,
) {
    if group.len() < 2 {
        return;
    }
    // What is wrong with a logical table is wrong with it for each rule alone.
    let Ok(statement) = statement(scope, &group, catalog, max_rows) else { return };
    if statement.statement.sql.as_str().len() <= MAX_STATEMENT_BYTES {
        return shared.push(statement);
    }
    let rest = group.split_off(group.len() / 2);
    add(shared, scope, group, catalog, max_rows);
    add(shared, scope, rest, catalog, max_rows);
}

fn contribution(question: Question<'_>) -> Option<(Scope, Contribution<'_>)> {
    let Question { rule, look, parameters } = question;
    let Logic::Sql(sql) = &rule.logic else { return None };
    if Shape::of(rule) != Shape::Rows || rule.schedule.is_on_demand() || look.ends.is_some() {
        return None;
    }
    let RuleSql { text, template } = sql;
    let (text, template) = (text.value.as_str(), template.as_ref().ok()?);
    let query = RowQuery::of(text, template)?;
    let values = Values::new(rule, parameters).ok()?;
    // The bounds of time are those of the whole statement.
    let nothing = || Sql::code("TRUE");
    let sql = |range| filled(text, &template.part(range), &values, |_| nothing(), |_| nothing()).ok();
    let columns = query.columns.iter().map(|column| {
        let expression = sql(&column.expression)?;
        Some(ContributedColumn { name: column.name.clone(), expression, is_plain: column.is_plain })
    });
    let contribution = Contribution {
        question,
        wanted: Wanted::of(text, template),
        condition: sql(&query.condition)?,
        columns: columns.collect::<Option<_>>()?,
    };
    let scope = Scope { table: query.table.name.clone(), alias: query.table.alias.clone(), window: look.window };
    Some((scope, contribution))
}

fn statement<'r>(
    scope: &Scope,
    group: &[Contribution<'r>],
    catalog: &Catalog,
    max_rows: u64,
) -> Result<Shared<'r>, StatementError> {
    let wanted = group.iter().map(|contribution| &contribution.wanted).fold(Wanted::none(), Wanted::with);
    let reference = TableReference::named(&scope.table).called(scope.alias.clone());
    let relation = Relation::of(&reference, catalog, scope.window, &wanted)?;
    let flag = |number: usize| Sql::name(&format!("rule_{number}"));
    let column_name = |number: usize| Sql::name(&format!("column_{number}"));

    // Expressions that several rules select are one column, guarded by the flags of all of them.
    let mut columns: Vec<(Sql, bool, Vec<usize>)> = Vec::new();
    let mut placed: Vec<Vec<(String, usize)>> = Vec::new();
    for (number, contribution) in group.iter().enumerate() {
        let places = contribution.columns.iter().map(|column| {
            let known = columns.iter().position(|(expression, ..)| *expression == column.expression);
            let place = known.unwrap_or_else(|| {
                columns.push((column.expression.clone(), column.is_plain, Vec::new()));
                columns.len() - 1
            });
            columns[place].2.push(number);
            (column.name.clone(), place)
        });
        placed.push(places.collect());
    }
    let selected = columns.iter().enumerate().map(|(number, (expression, is_plain, rules))| {
        let name = column_name(number);
        if *is_plain {
            return sql!("{} AS {}", expression, name);
        }
        let conditions = rules.iter().filter_map(|rule| group.get(*rule)).map(|rule| sql!("({})", rule.condition));
        sql!("IF({}, {}) AS {}", Sql::or(conditions), expression, name)
    });
    let flags = || (0..group.len()).map(flag);
    let conditions = group.iter().enumerate();
    let conditions = conditions.map(|(number, rule)| sql!("({}) AS {}", rule.condition, flag(number)));
    let alias = Sql::name(scope.alias.as_deref().unwrap_or("events"));
    let rules = group.len() as u64;
    let limit = max_rows.saturating_add(1).saturating_mul(rules);
    let sql = sql!(
        "SELECT {} FROM (SELECT {} FROM {} AS {} WHERE {}) AS \"rows\" WHERE {} LIMIT {}",
        Sql::list((0..columns.len()).map(column_name).chain(flags())),
        Sql::list(selected.chain(conditions)),
        relation.sql,
        alias,
        relation.bounds,
        Sql::or(flags()),
        Sql::integer(i64::try_from(limit).unwrap_or(i64::MAX))
    );
    let limits = group.iter().map(|contribution| contribution.question.rule.max_scanned_bytes);
    let max_scanned_bytes = limits.sum::<Option<u64>>();
    let part = |(number, columns_of_rule): (usize, Vec<(String, usize)>)| Part {
        flag: columns.len() + number,
        columns: columns_of_rule,
        rules,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        max_scanned_bytes,
    };
    let parts = placed.into_iter().enumerate().map(part);
    Ok(Shared {
        statement: Statement { max_scanned_bytes, ..Statement::new(sql) },
        questions: group.iter().map(|contribution| contribution.question).zip(parts).collect(),
    })
}
