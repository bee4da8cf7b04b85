//! Expressions: what each name and operator means, with its type.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use datafusion::arrow::datatypes::Field;
use datafusion::common::{Column, Spans};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{Case, Expr, Subquery};
use query::QueryError;

use crate::analysis::analyzer::Analyzer;
use crate::analysis::literals;
use crate::analysis::scope::{CommonTables, Scope, field_position};
use crate::error::{invalid, placed, unsupported};
use crate::functions;
use crate::functions::cast::coerce;
use crate::functions::chains::Step;
use crate::functions::native::Typed;
use crate::functions::operators;
use crate::limits::MAX_CHAIN;
use crate::syntax::ast::{At, Comparison, Expression, Kind, Link, LinkOperator, Name, Query, Window};
use crate::types::Type;

/// A column of a SELECT.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) at: At,
    pub(crate) name: Option<String>,
    pub(crate) value: Typed,
}

/// Aggregations and windows that expressions ask for. In the expressions stand columns of these names.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) aggregates: Vec<(String, Expr)>,
    pub(crate) windows: Vec<(String, Expr)>,
}

/// The expressions of one clause.
#[derive(Clone)]
pub(crate) struct Expressions<'a> {
    pub(crate) analyzer: &'a Analyzer,
    pub(crate) scope: &'a Scope<'a>,
    pub(crate) common: CommonTables<'a>,
    clause: &'static str,
    pub(crate) collected: Option<&'a RefCell<Collected>>,
    pub(crate) windows: &'a [(Name, Window)],
    /// The columns of the SELECT, which ORDER BY can name.
    output: &'a [Output],
    /// Parameters of the lambdas around, innermost last.
    lambdas: Vec<(Name, Typed)>,
}

impl<'a> Expressions<'a> {
    pub(crate) fn new(
        analyzer: &'a Analyzer,
        scope: &'a Scope<'a>,
        common: CommonTables<'a>,
        clause: &'static str,
    ) -> Self {
        Self { analyzer, scope, common, clause, collected: None, windows: &[], output: &[], lambdas: Vec::new() }
    }

    /// Allows aggregations and windows, which are put into `collected`.
    pub(crate) fn collecting(mut self, collected: &'a RefCell<Collected>, windows: &'a [(Name, Window)]) -> Self {
        self.collected = Some(collected);
        self.windows = windows;
        self
    }

    pub(crate) fn with_output(&self, output: &'a [Output]) -> Self {
        Self { output, ..self.clone() }
    }

    /// Without aggregations and windows, as their own arguments are.
    pub(crate) fn inside(&self, clause: &'static str) -> Self {
        Self { collected: None, clause, output: &[], ..self.clone() }
    }

    pub(crate) fn with_lambda(&self, parameters: Vec<(Name, Typed)>) -> Self {
        let mut inner = self.inside("a lambda");
        inner.lambdas.extend(parameters);
        inner
    }

    pub(crate) fn no_place_for(&self, at: At, what: &str) -> QueryError {
        QueryError::Invalid(format!("{at}: {} cannot contain {what}", self.clause))
    }

    /// A condition.
    pub(crate) fn boolean(&self, expression: &Expression) -> Result<Expr, QueryError> {
        let value = self.value(expression)?;
        if value.ty != Type::Boolean && value.ty != Type::Unknown {
            return invalid(expression.at, format_args!("{} must be boolean: it is {}", self.clause, value.ty));
        }
        Ok(coerce(value, &Type::Boolean)?.expr)
    }

    /// A value that stands where `target` is wanted.
    pub(crate) fn value_as(&self, expression: &Expression, target: &Type, what: &str) -> Result<Typed, QueryError> {
        let value = self.value(expression)?;
        if !value.ty.coerces_to(target) {
            return invalid(expression.at, format_args!("{what} must be {target}: it is {}", value.ty));
        }
        coerce(value, target)
    }

    pub(crate) fn value(&self, expression: &Expression) -> Result<Typed, QueryError> {
        self.analyzer.count_expressions(expression.at, 1)?;
        self.value_of(expression).map_err(|error| placed(expression.at, error))
    }

    fn value_of(&self, expression: &Expression) -> Result<Typed, QueryError> {
        let at = expression.at;
        match &expression.kind {
            Kind::Null
            | Kind::Boolean(_)
            | Kind::Integer(_)
            | Kind::Decimal(_)
            | Kind::Double(_)
            | Kind::Text(_)
            | Kind::Binary(_)
            | Kind::Typed(..)
            | Kind::Interval { .. } => literals::literal(at, &expression.kind),
            Kind::Identifier(_) | Kind::Field(..) => self.reference(expression),
            Kind::Subscript(base, index) => operators::subscript(at, self.value(base)?, self.value(index)?),
            Kind::Array(items) => {
                let (items, element) = self.of_one_type(at, items, "ARRAY")?;
                Ok(functions::arrays::array(items, element))
            }
            Kind::Row(items) => {
                let items = items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?;
                Ok(functions::rows::row(items))
            }
            Kind::Call(call) => self.call(at, call),
            Kind::Lambda(..) => invalid(at, "a lambda is an argument of a function only"),
            Kind::Cast { value, target, length, safe } => {
                let value = self.value(value)?;
                functions::cast::cast(value, target, *length, *safe).map_err(|error| placed(at, error))
            }
            Kind::Case { operand, branches, otherwise } => {
                self.case(at, operand.as_deref(), branches, otherwise.as_deref())
            }
            Kind::Not(inner) => {
                let inner = self.value_as(inner, &Type::Boolean, "Value of logical NOT expression")?;
                Ok(Typed::new(Expr::Not(Box::new(inner.expr)), Type::Boolean))
            }
            Kind::And(terms) => self.logical(terms, true),
            Kind::Or(terms) => self.logical(terms, false),
            Kind::Negate(inner) => match &inner.kind {
                Kind::Integer(digits) => literals::literal(at, &Kind::Integer(format!("-{digits}"))),
                Kind::Decimal(digits) => literals::literal(at, &Kind::Decimal(format!("-{digits}"))),
                Kind::Double(digits) => literals::literal(at, &Kind::Double(format!("-{digits}"))),
                _ => operators::negate(at, self.value(inner)?),
            },
            Kind::Chain(first, links) => self.chain(first, links),
            Kind::Compare(comparison, left, right) => {
                let compared = operators::compare(at, *comparison, self.value(left)?, self.value(right)?)?;
                Ok(Typed::new(compared, Type::Boolean))
            }
            Kind::CompareQuantified { comparison, all, value, query } => match (comparison, all) {
                (Comparison::Equal, false) => self.in_query(at, value, query, false),
                (Comparison::NotEqual, true) => self.in_query(at, value, query, true),
                _ => unsupported("quantified comparison", "compare with (SELECT min(…) …) or (SELECT max(…) …)"),
            },
            Kind::Between { value, low, high, negated } => {
                let (value, low, high) = (self.value(value)?, self.value(low)?, self.value(high)?);
                self.analyzer.count_copies(at, &value, 1)?;
                let low = operators::compare(at, Comparison::GreaterOrEqual, value.clone(), low)?;
                let high = operators::compare(at, Comparison::LessOrEqual, value, high)?;
                let both = low.and(high);
                Ok(Typed::new(if *negated { Expr::Not(Box::new(both)) } else { both }, Type::Boolean))
            }
            Kind::InList { value, list, negated } => {
                let value = self.value(value)?;
                let list = list.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?;
                self.analyzer.count_copies(at, &value, list.len())?;
                operators::in_list(at, value, list, *negated)
            }
            Kind::InQuery { value, query, negated } => self.in_query(at, value, query, *negated),
            Kind::Like { value, pattern, escape, negated } => {
                let value = self.value_as(value, &Type::Varchar, "Left side of LIKE expression")?;
                let pattern = self.value_as(pattern, &Type::Varchar, "Pattern for LIKE expression")?;
                let escape = escape
                    .as_ref()
                    .map(|escape| self.value_as(escape, &Type::Varchar, "Escape for LIKE expression"))
                    .transpose()?;
                let like = functions::strings::like(value, pattern, escape)?;
                Ok(if *negated { Typed::new(Expr::Not(Box::new(like.expr)), Type::Boolean) } else { like })
            }
            Kind::IsNull(inner, negated) => {
                let inner = Box::new(self.value(inner)?.expr);
                Ok(Typed::new(if *negated { Expr::IsNotNull(inner) } else { Expr::IsNull(inner) }, Type::Boolean))
            }
            Kind::IsDistinct { left, right, negated } => {
                operators::is_distinct(at, self.value(left)?, self.value(right)?, *negated)
            }
            Kind::AtTimeZone(value, zone) => {
                let (value, zone) = (self.value(value)?, self.value(zone)?);
                functions::dates::at_timezone(at, value, &zone)
            }
            Kind::Extract(field, value) => functions::dates::extract(at, field, self.value(value)?),
            Kind::Subquery(query) => {
                let (plan, value) = self.single_column(at, query)?;
                // A subquery without a row gives null, whatever its column.
                self.scalar(plan, functions::native::nullable(value))
            }
            Kind::Exists(query) => {
                let planned = self.analyzer.within(at, || self.analyzer.query(query, self.common, Some(self.scope)))?;
                if self.is_filter() {
                    let subquery = subquery_of(planned.plan)?;
                    return Ok(Typed::new(Expr::Exists(Exists { subquery, negated: false }), Type::Boolean));
                }
                uncorrelated(&planned.plan, "EXISTS")?;
                let counted = datafusion::logical_expr::LogicalPlanBuilder::from(planned.plan)
                    .limit(0, Some(1))
                    .map_err(crate::error::planning)?;
                let (name, count) = self.placeholder("exists", Type::Bigint);
                let aggregate = datafusion::functions_aggregate::count::count(datafusion::logical_expr::lit(1_i64));
                let plan = counted
                    .aggregate(Vec::<Expr>::new(), vec![aggregate.alias(name)])
                    .and_then(datafusion::logical_expr::LogicalPlanBuilder::build)
                    .map_err(crate::error::planning)?;
                let zero = Typed::literal(datafusion::common::ScalarValue::Int64(Some(0)), Type::Bigint);
                let count = self.scalar(plan, count)?;
                Ok(Typed::new(operators::compare(at, Comparison::Greater, count, zero)?, Type::Boolean))
            }
            Kind::CurrentDate => literals::date(self.analyzer.now.div_euclid(86_400_000)),
            Kind::CurrentTimestamp(digits) => Ok(literals::instant(self.analyzer.now, *digits)),
            Kind::LocalTimestamp(digits) => Ok(literals::timestamp(self.analyzer.now, *digits)),
            Kind::Grouping(items) => self.grouping(at, items),
        }
    }

    /// `a`, `a.b`, `a.b.c`: a column, a parameter of a lambda, or a field of one; `x.y` a field of another expression.
    fn reference(&self, expression: &Expression) -> Result<Typed, QueryError> {
        let at = expression.at;
        let Some(names) = crate::analysis::scope::qualified(expression) else {
            let Kind::Field(base, name) = &expression.kind else { return invalid(at, "not a reference") };
            let base = self.value(base)?;
            return field(at, base, name);
        };
        if let [name, fields @ ..] = &names[..] {
            let mut outputs =
                self.output.iter().filter(|output| output.name.as_ref().is_some_and(|known| name.is(known)));
            if let Some(output) = outputs.next() {
                if outputs.any(|other| other.value.expr != output.value.expr) {
                    return invalid(at, format_args!("Column '{}' is ambiguous", name.text));
                }
                self.analyzer.count_copies(at, &output.value, 1)?;
                return fields.iter().try_fold(output.value.clone(), |value, name| field(at, value, name));
            }
        }
        for known in (1..=names.len()).rev() {
            let (column, fields) = names.split_at(known);
            let mut value = None;
            if let ([name], true) = (column, known == 1) {
                value =
                    self.lambdas.iter().rev().find(|(parameter, _)| parameter.is(&name.text)).map(|(_, v)| v.clone());
            }
            if value.is_none() {
                value = self.column(at, column)?;
            }
            if let Some(mut value) = value {
                for name in fields {
                    value = field(at, value, name)?;
                }
                return Ok(value);
            }
        }
        let unknown = self.scope.unknown(at, &crate::analysis::scope::spelled(&names));
        match (&names[..], unknown) {
            // A text in double quotes is the commonest reason, if no name is like it.
            ([name], QueryError::Invalid(text)) if name.quoted && !text.contains("did you mean") => {
                let remedy = name.text.replace('\'', "''");
                Err(QueryError::Invalid(format!("{text}; double quotes are for names, a text is '{remedy}'")))
            }
            (_, unknown) => Err(unknown),
        }
    }

    fn column(&self, at: At, names: &[Name]) -> Result<Option<Typed>, QueryError> {
        let Some((field, depth)) = self.scope.find(at, names)? else { return Ok(None) };
        let expr = match depth {
            0 => Expr::Column(field.column.clone()),
            1 if self.lambdas.is_empty() => Expr::OuterReferenceColumn(
                Arc::new(Field::new(&field.column.name, field.ty.arrow(), true)),
                field.column.clone(),
            ),
            1 => {
                return unsupported(
                    format!("column of an outer query in a lambda (`{}`)", crate::analysis::scope::spelled(names)),
                    "join the tables instead",
                );
            }
            _ => {
                return unsupported(
                    format!("column of a query two levels out (`{}`)", crate::analysis::scope::spelled(names)),
                    "join the tables instead",
                );
            }
        };
        Ok(Some(Typed::new(expr, field.ty.clone())))
    }

    /// Values of one type, which each of them becomes.
    pub(crate) fn of_one_type(
        &self,
        at: At,
        items: &[Expression],
        what: &str,
    ) -> Result<(Vec<Typed>, Type), QueryError> {
        let items = items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?;
        one_type(at, items, what)
    }

    fn logical(&self, terms: &[Expression], and: bool) -> Result<Typed, QueryError> {
        let what = if and { "Logical expression term of AND" } else { "Logical expression term of OR" };
        let mut flat = Vec::new();
        spread(terms, and, &mut flat);
        let terms = flat
            .into_iter()
            .map(|term| Ok(self.value_as(term, &Type::Boolean, what)?.expr))
            .collect::<Result<Vec<_>, QueryError>>()?;
        Ok(Typed::new(if and { self.analyzer.all_of(terms) } else { operators::balanced(terms, false) }, Type::Boolean))
    }

    /// Operators of one rank, from the left.
    fn chain(&self, first: &Expression, links: &[Link]) -> Result<Typed, QueryError> {
        let (tree, rest) = links.split_at(links.len().min(MAX_CHAIN));
        let mut value = self.value(first)?;
        for link in tree {
            value = operators::link(link.at, link.operator, value, self.value(&link.right)?)?;
        }
        let mut ty = value.ty.clone();
        let mut known: HashMap<(LinkOperator, Type, Type), Step> = HashMap::new();
        let mut steps = Vec::with_capacity(rest.len());
        for link in rest {
            let right = self.value(&link.right)?;
            let step = match known.entry((link.operator, ty, right.ty.clone())) {
                Entry::Occupied(step) => step.get().clone(),
                Entry::Vacant(place) => {
                    let (operator, ty, right) = place.key();
                    let step = self.step(link.at, *operator, ty, right)?;
                    place.insert(step).clone()
                }
            };
            ty = step.ty.clone();
            steps.push((step, right));
        }
        Ok(functions::chains::chain(value, steps))
    }

    /// An operator of a long chain, for values of these types.
    fn step(&self, at: At, operator: LinkOperator, left: &Type, right: &Type) -> Result<Step, QueryError> {
        let name = format!("{operator:?} {left}, {right}").into();
        let ((left_name, left), (right_name, right)) =
            (self.placeholder("left", left.clone()), self.placeholder("right", right.clone()));
        let parameters = vec![(left_name, left.ty.clone()), (right_name, right.ty.clone())];
        let body = operators::link(at, operator, left, right)?;
        let ty = body.ty.clone();
        match (functions::lambdas::Lambda { parameters, body }).closed()? {
            Some(program) => Ok(Step { name, program, ty }),
            None => unsupported("chain of operators", "put parts of it into parentheses"),
        }
    }

    fn case(
        &self,
        at: At,
        operand: Option<&Expression>,
        branches: &[(Expression, Expression)],
        otherwise: Option<&Expression>,
    ) -> Result<Typed, QueryError> {
        let operand = operand.map(|operand| self.value(operand)).transpose()?;
        if let Some(operand) = &operand {
            self.analyzer.count_copies(at, operand, branches.len())?;
        }
        let mut conditions = Vec::new();
        let mut results = Vec::new();
        for (condition, result) in branches {
            conditions.push(match &operand {
                Some(operand) => {
                    operators::compare(condition.at, Comparison::Equal, operand.clone(), self.value(condition)?)?
                }
                None => self.value_as(condition, &Type::Boolean, "CASE WHEN clause")?.expr,
            });
            results.push(self.value(result)?);
        }
        let has_else = otherwise.is_some();
        if let Some(otherwise) = otherwise {
            results.push(self.value(otherwise)?);
        }
        let (mut results, ty) = one_type(at, results, "CASE")?;
        let otherwise = if has_else { results.pop().map(|value| Box::new(value.expr)) } else { None };
        let branches = conditions
            .into_iter()
            .zip(results)
            .map(|(condition, result)| (Box::new(condition), Box::new(result.expr)))
            .collect();
        Ok(Typed::new(Expr::Case(Case::new(None, branches, otherwise)), ty))
    }

    fn in_query(&self, at: At, value: &Expression, query: &Query, negated: bool) -> Result<Typed, QueryError> {
        let value = self.value(value)?;
        let (plan, found) = self.single_column(at, query)?;
        let Some(ty) = value.ty.common(&found.ty) else {
            return invalid(
                at,
                format_args!(
                    "value and result of subquery must be of the same type for IN expression: {} vs {}",
                    value.ty, found.ty
                ),
            );
        };
        let value = coerce(value, &ty)?;
        let column = coerce(found, &ty)?;
        let unique = self.analyzer.unique("in");
        if !self.is_filter() {
            uncorrelated(&plan, "IN")?;
            let list = datafusion::functions_aggregate::array_agg::array_agg(column.expr).alias(unique.as_str());
            let plan = datafusion::logical_expr::LogicalPlanBuilder::from(plan)
                .aggregate(Vec::<Expr>::new(), vec![list])
                .and_then(datafusion::logical_expr::LogicalPlanBuilder::build)
                .map_err(crate::error::planning)?;
            let list = self.scalar(plan, Typed::new(crate::analysis::analyzer::column(&unique), Type::array(ty)))?;
            let found = functions::arrays::is_in(value, list);
            return Ok(if negated { Typed::new(Expr::Not(Box::new(found.expr)), Type::Boolean) } else { found });
        }
        let plan = datafusion::logical_expr::LogicalPlanBuilder::from(plan)
            .project([column.expr.alias(unique)])
            .and_then(datafusion::logical_expr::LogicalPlanBuilder::build)
            .map_err(crate::error::planning)?;
        let subquery = subquery_of(plan)?;
        Ok(Typed::new(Expr::InSubquery(InSubquery { expr: Box::new(value.expr), subquery, negated }), Type::Boolean))
    }

    /// Whether the expression is a condition of rows, in which DataFusion makes joins of subqueries.
    fn is_filter(&self) -> bool {
        self.clause == "WHERE" && self.lambdas.is_empty()
    }

    /// A query of one column.
    fn single_column(
        &self,
        at: At,
        query: &Query,
    ) -> Result<(datafusion::logical_expr::LogicalPlan, Typed), QueryError> {
        let planned = self.analyzer.within(at, || self.analyzer.query(query, self.common, Some(self.scope)))?;
        match &planned.fields[..] {
            [field] => {
                let value = Typed::new(Expr::Column(field.column.clone()), field.ty.clone());
                Ok((planned.plan, value))
            }
            fields => invalid(
                at,
                format_args!("Multiple columns returned by subquery are not yet supported. Found {}", fields.len()),
            ),
        }
    }

    /// The one value that `value` has over the rows of `plan`.
    fn scalar(&self, plan: datafusion::logical_expr::LogicalPlan, value: Typed) -> Result<Typed, QueryError> {
        let unique = self.analyzer.unique("scalar");
        let plan = datafusion::logical_expr::LogicalPlanBuilder::from(plan)
            .project([value.expr.alias(unique)])
            .and_then(datafusion::logical_expr::LogicalPlanBuilder::build)
            .map_err(crate::error::planning)?;
        Ok(Typed::new(Expr::ScalarSubquery(subquery_of(plan)?), value.ty))
    }

    pub(crate) fn placeholder(&self, label: &str, ty: Type) -> (String, Typed) {
        let name = self.analyzer.unique(label);
        let column = Expr::Column(Column::new_unqualified(name.as_str()));
        (name, Typed::new(column, ty))
    }
}

/// The terms of AND in AND, or of OR in OR.
fn spread<'a>(terms: &'a [Expression], and: bool, flat: &mut Vec<&'a Expression>) {
    for term in terms {
        match (&term.kind, and) {
            (Kind::And(inner), true) | (Kind::Or(inner), false) => spread(inner, and, flat),
            _ => flat.push(term),
        }
    }
}

fn subquery_of(plan: datafusion::logical_expr::LogicalPlan) -> Result<Subquery, QueryError> {
    let outer_ref_columns = plan.all_out_ref_exprs();
    Ok(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: Spans::new() })
}

/// Refuses a subquery that names columns of the query around it.
fn uncorrelated(plan: &datafusion::logical_expr::LogicalPlan, what: &str) -> Result<(), QueryError> {
    match plan.all_out_ref_exprs().is_empty() {
        true => Ok(()),
        false => unsupported(
            format!("{what} of a correlated subquery outside of WHERE"),
            "join the tables, or put the condition into WHERE",
        ),
    }
}

pub(crate) fn one_type(at: At, items: Vec<Typed>, what: &str) -> Result<(Vec<Typed>, Type), QueryError> {
    let mut ty = Type::Unknown;
    for item in &items {
        match ty.common(&item.ty) {
            Some(common) => ty = common,
            None => {
                return invalid(
                    at,
                    format_args!("All {what} values must be the same type or coercible to it: {ty}, {}", item.ty),
                );
            }
        }
    }
    let items = items.into_iter().map(|item| coerce(item, &ty)).collect::<Result<Vec<_>, _>>()?;
    Ok((items, ty))
}

/// A field of a row.
pub(crate) fn field(at: At, base: Typed, name: &Name) -> Result<Typed, QueryError> {
    let Type::Row(fields) = &base.ty else {
        return invalid(
            at,
            format_args!("Expression of type {} is not of type ROW, it has no field '{}'", base.ty, name.text),
        );
    };
    match field_position(fields, &name.text) {
        Some(position) => functions::rows::field_at(base, position),
        None => {
            let hint = crate::error::did_you_mean(&name.text, fields.iter().filter_map(|(name, _)| name.as_deref()));
            invalid(at, format_args!("the row has no field '{}'{hint}", name.text))
        }
    }
}
