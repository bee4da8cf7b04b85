//! Queries: SELECT, VALUES, set operations, and the order and limit of their rows.

use std::cell::RefCell;
use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Sort;
use datafusion::logical_expr::{Expr, GroupingSet, LogicalPlan, LogicalPlanBuilder};
use query::QueryError;

use super::expressions::{Collected, Expressions, Output};
use super::relations::CommonTables;
use super::scope::{Scope, ScopeField};
use super::{Analyzer, Planned, coerce, column, invalid, planning, unsupported};
use crate::functions;
use crate::functions::native::Typed;
use crate::syntax::ast::{
    At, Body, Expression, GroupBy, GroupingElement, Kind, Name, Query, Select, SelectItem, SetOperation, SetOperator,
    SortItem,
};
use crate::types::Type;

/// The name that a column has without an alias: that of a column, or of a field of one.
fn own_name(expression: &Expression) -> Option<&Name> {
    match &expression.kind {
        Kind::Identifier(name) => Some(name),
        Kind::Field(base, name) => own_name(base).map(|_| name),
        _ => None,
    }
}

/// A query's plan and its columns.
pub(crate) struct QueryPlan {
    pub(crate) plan: LogicalPlan,
    pub(crate) fields: Vec<ScopeField>,
}

impl QueryPlan {
    /// The types of rows that are these or those of `other`.
    fn types_with(&self, at: At, other: &QueryPlan) -> Result<Vec<Type>, QueryError> {
        if self.fields.len() != other.fields.len() {
            let (left, right) = (self.fields.len(), other.fields.len());
            return invalid(at, format_args!("the queries have different numbers of columns: {left}, {right}"));
        }
        let pairs = self.fields.iter().zip(&other.fields).enumerate();
        pairs
            .map(|(position, (a, b))| match a.ty.common(&b.ty) {
                Some(ty) => Ok(ty),
                None => invalid(
                    at,
                    format_args!("column {} has different types in the queries: {}, {}", position + 1, a.ty, b.ty),
                ),
            })
            .collect()
    }
}

/// Queries whose rows are taken together.
struct Union {
    parts: Vec<QueryPlan>,
    distinct: bool,
}

impl Analyzer {
    pub(crate) fn statement(&self, query: &Query) -> Result<Planned, QueryError> {
        let QueryPlan { plan, fields } = self.query(query, CommonTables::default(), None)?;
        let columns = fields
            .iter()
            .enumerate()
            .map(|(at, field)| (field.name.clone().unwrap_or_else(|| format!("_col{at}")), field.ty.clone()))
            .collect();
        // The plan's columns in the order of the answer, and no others.
        let columns_of_plan: Vec<Expr> = fields.iter().map(|field| Expr::Column(field.column.clone())).collect();
        let same = plan.schema().columns().iter().eq(fields.iter().map(|field| &field.column));
        let plan = if same {
            plan
        } else {
            let named = columns_of_plan.into_iter().map(|expr| expr.alias(self.unique("out"))).collect::<Vec<_>>();
            LogicalPlanBuilder::from(plan).project(named).and_then(LogicalPlanBuilder::build).map_err(planning)?
        };
        Ok(Planned { plan, columns, memory: 0, keeps: false, warnings: Vec::new() })
    }

    pub(crate) fn query<'p>(
        &self,
        query: &Query,
        common: CommonTables<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<QueryPlan, QueryError> {
        let inner = CommonTables { tables: &query.with, visible: query.with.len(), outer: Some(&common) };
        if query.with_ties {
            return unsupported("FETCH FIRST … WITH TIES", "use rank() OVER (ORDER BY …) <= n");
        }
        let ordered = match &query.body {
            Body::Select(select) => self.select(select, &query.order_by, inner, parent)?,
            body => {
                let result = self.body(body, inner, parent)?;
                self.order_result(result, &query.order_by, inner)?
            }
        };
        if query.offset == 0 && query.limit.is_none() {
            return Ok(ordered);
        }
        let small = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let plan = LogicalPlanBuilder::from(ordered.plan)
            .limit(small(query.offset), query.limit.map(small))
            .and_then(LogicalPlanBuilder::build)
            .map_err(planning)?;
        Ok(QueryPlan { plan, fields: ordered.fields })
    }

    fn body<'p>(
        &self,
        body: &Body,
        common: CommonTables<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<QueryPlan, QueryError> {
        match body {
            Body::Select(select) => self.select(select, &[], common, parent),
            Body::Query(query) => self.query(query, common, parent),
            Body::Table(at, names) => {
                let planned = self.table(*at, names, common, parent)?;
                Ok(QueryPlan { plan: planned.plan, fields: planned.scope.fields })
            }
            Body::Values(at, rows) => self.values(*at, rows, common, parent),
            Body::Sets(first, rest) => self.sets(first, rest, common, parent),
        }
    }

    /// Set operations of one rank, from the left. UNIONs that follow each other are one node of the plan.
    fn sets<'p>(
        &self,
        first: &Body,
        rest: &[SetOperation],
        common: CommonTables<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<QueryPlan, QueryError> {
        let mut so_far = Union { parts: vec![self.body(first, common, parent)?], distinct: false };
        for operation in rest {
            let right = self.body(&operation.right, common, parent)?;
            let types = so_far.parts[0].types_with(operation.at, &right)?;
            // The rows so far become rows of the types that they have with those of the right, step by step as written.
            let same = so_far.parts[0].fields.iter().zip(&types).all(|(field, ty)| field.ty == *ty);
            if operation.operator != SetOperator::Union || !same || so_far.distinct && !operation.distinct {
                so_far = Union { parts: vec![self.union(so_far)?], distinct: false };
            }
            if operation.operator != SetOperator::Union {
                let left = so_far.parts.remove(0);
                so_far.parts.push(self.difference(operation, left, right, &types)?);
                continue;
            }
            if !same {
                let left = so_far.parts.remove(0);
                so_far.parts.push(self.with_types(left, &types)?);
            }
            so_far.parts.push(self.with_types(right, &types)?);
            so_far.distinct = operation.distinct;
        }
        self.union(so_far)
    }

    /// The rows of all parts, which have the same types.
    fn union(&self, union: Union) -> Result<QueryPlan, QueryError> {
        let Union { mut parts, distinct } = union;
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let mut fields = Vec::new();
        for field in &parts[0].fields {
            let unique = self.unique(field.name.as_deref().unwrap_or("column"));
            let column = Column::new_unqualified(unique);
            fields.push(ScopeField { relation: None, name: field.name.clone(), column, ty: field.ty.clone() });
        }
        let inputs = parts
            .into_iter()
            .map(|part| {
                let columns = part.fields.iter().zip(&fields);
                let columns =
                    columns.map(|(field, named)| Expr::Column(field.column.clone()).alias(&named.column.name));
                LogicalPlanBuilder::from(part.plan)
                    .project(columns.collect::<Vec<_>>())
                    .and_then(LogicalPlanBuilder::build)
                    .map(Arc::new)
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(planning)?;
        let mut builder = LogicalPlanBuilder::from(LogicalPlan::Union(
            datafusion::logical_expr::Union::try_new_with_loose_types(inputs).map_err(planning)?,
        ));
        if distinct {
            builder = builder.distinct().map_err(planning)?;
        }
        Ok(QueryPlan { plan: builder.build().map_err(planning)?, fields })
    }

    /// The rows of INTERSECT or EXCEPT.
    fn difference(
        &self,
        operation: &SetOperation,
        left: QueryPlan,
        right: QueryPlan,
        types: &[Type],
    ) -> Result<QueryPlan, QueryError> {
        self.count_join(operation.at)?;
        let (left, right) = (self.with_types(left, types)?, self.with_types(right, types)?);
        let mut fields = Vec::new();
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for (a, b) in left.fields.into_iter().zip(right.fields) {
            let unique = self.unique(a.name.as_deref().unwrap_or("column"));
            lefts.push(Expr::Column(a.column).alias(unique.as_str()));
            rights.push(Expr::Column(b.column).alias(unique.as_str()));
            fields.push(ScopeField { relation: None, name: a.name, column: Column::new_unqualified(unique), ty: a.ty });
        }
        let project = |plan, columns: Vec<Expr>| {
            LogicalPlanBuilder::from(plan).project(columns).and_then(LogicalPlanBuilder::build).map_err(planning)
        };
        let (left, right) = (project(left.plan, lefts)?, project(right.plan, rights)?);
        let plan = match (operation.operator, operation.distinct) {
            (SetOperator::Intersect, true) => LogicalPlanBuilder::intersect(left, right, false),
            (SetOperator::Except, true) => LogicalPlanBuilder::except(left, right, false),
            (SetOperator::Intersect, false) => {
                return unsupported("INTERSECT ALL", "number the rows and use INTERSECT");
            }
            (SetOperator::Except | SetOperator::Union, false) | (SetOperator::Union, true) => {
                return unsupported("EXCEPT ALL", "number the rows and use EXCEPT");
            }
        };
        Ok(QueryPlan { plan: plan.map_err(planning)?, fields })
    }

    /// The rows of a query as rows of these types.
    fn with_types(&self, query: QueryPlan, types: &[Type]) -> Result<QueryPlan, QueryError> {
        if query.fields.iter().zip(types).all(|(field, ty)| field.ty == *ty) {
            return Ok(query);
        }
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for (field, ty) in query.fields.into_iter().zip(types) {
            let unique = self.unique(field.name.as_deref().unwrap_or("column"));
            let value = coerce(Typed::new(Expr::Column(field.column), field.ty), ty)?;
            columns.push(self.computed(&unique, value).expr.alias(unique.as_str()));
            let column = Column::new_unqualified(unique);
            fields.push(ScopeField { relation: None, name: field.name, column, ty: ty.clone() });
        }
        let plan = LogicalPlanBuilder::from(query.plan)
            .project(columns)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planning)?;
        Ok(QueryPlan { plan, fields })
    }

    fn values<'p>(
        &self,
        at: At,
        rows: &[Expression],
        common: CommonTables<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<QueryPlan, QueryError> {
        self.count_query(at)?;
        let scope = Scope { fields: Vec::new(), parent };
        let expressions = Expressions::new(self, &scope, common, "VALUES");
        let rows = rows
            .iter()
            .map(|row| match &row.kind {
                Kind::Row(items) => items.iter().map(|item| expressions.value(item)).collect::<Result<Vec<_>, _>>(),
                _ => Ok(vec![expressions.value(row)?]),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut types: Vec<Type> = rows.first().into_iter().flatten().map(|value| value.ty.clone()).collect();
        for row in &rows {
            if row.len() != types.len() {
                return invalid(at, "the rows of VALUES have different numbers of columns");
            }
            for (ty, value) in types.iter_mut().zip(row) {
                match ty.common(&value.ty) {
                    Some(common) => *ty = common,
                    None => {
                        return invalid(
                            at,
                            format_args!("the rows of VALUES have different types: {ty}, {}", value.ty),
                        );
                    }
                }
            }
        }
        let rows = rows
            .into_iter()
            .map(|row| {
                let values = row.into_iter().zip(&types);
                values.map(|(value, ty)| Ok(coerce(value, ty)?.expr)).collect::<Result<Vec<_>, QueryError>>()
            })
            .collect::<Result<Vec<_>, _>>()?;
        let builder = LogicalPlanBuilder::values(rows).map_err(planning)?;
        let mut fields = Vec::new();
        let mut projected = Vec::new();
        for (known, ty) in builder.schema().columns().into_iter().zip(types) {
            let unique = self.unique("value");
            projected.push(Expr::Column(known).alias(unique.as_str()));
            fields.push(ScopeField { relation: None, name: None, column: Column::new_unqualified(unique), ty });
        }
        let plan = builder.project(projected).and_then(LogicalPlanBuilder::build).map_err(planning)?;
        Ok(QueryPlan { plan, fields })
    }

    /// ORDER BY of what is not a SELECT: it can name the columns of the result only.
    fn order_result(
        &self,
        result: QueryPlan,
        order_by: &[SortItem],
        common: CommonTables<'_>,
    ) -> Result<QueryPlan, QueryError> {
        if order_by.is_empty() {
            return Ok(result);
        }
        let scope = Scope { fields: result.fields.clone(), parent: None };
        let expressions = Expressions::new(self, &scope, common, "ORDER BY");
        let mut sorts = Vec::new();
        for item in order_by {
            let key = match ordinal(&item.expression, result.fields.len())? {
                Some(position) => {
                    let field = &result.fields[position];
                    Typed::new(Expr::Column(field.column.clone()), field.ty.clone())
                }
                None => expressions.value(&item.expression)?,
            };
            sorts.push(sort(item, key)?);
        }
        let plan =
            LogicalPlanBuilder::from(result.plan).sort(sorts).and_then(LogicalPlanBuilder::build).map_err(planning)?;
        Ok(QueryPlan { plan, fields: result.fields })
    }

    fn select<'p>(
        &self,
        select: &Select,
        order_by: &[SortItem],
        common: CommonTables<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<QueryPlan, QueryError> {
        self.count_query(select.at)?;
        let (mut plan, scope) = match &select.from {
            Some(from) => {
                let planned = self.relation(from, common, parent)?;
                (planned.plan, planned.scope)
            }
            None => {
                let one_row = LogicalPlanBuilder::empty(true).build().map_err(planning)?;
                (one_row, Scope { fields: Vec::new(), parent })
            }
        };
        if let Some(filter) = &select.filter {
            let condition = Expressions::new(self, &scope, common, "WHERE").boolean(filter)?;
            plan = LogicalPlanBuilder::from(plan)
                .filter(condition)
                .and_then(LogicalPlanBuilder::build)
                .map_err(planning)?;
        }
        let collected = RefCell::new(Collected::default());
        let expressions = Expressions::new(self, &scope, common, "SELECT").collecting(&collected, &select.windows);
        let mut outputs = self.select_items(select, &scope, &expressions)?;
        let mut having = select.having.as_ref().map(|having| expressions.boolean(having)).transpose()?;
        let mut sort_keys = Vec::new();
        for item in order_by {
            let key = match ordinal(&item.expression, outputs.len())? {
                Some(position) => {
                    self.count_copies(item.expression.at, &outputs[position].value, 1)?;
                    outputs[position].value.clone()
                }
                None => expressions.with_output(&outputs).value(&item.expression)?,
            };
            sort_keys.push((item, key));
        }
        let Collected { aggregates, mut windows } = collected.into_inner();
        let grouped = select.group_by.is_some() || !aggregates.is_empty() || having.is_some();
        if grouped {
            let (grouped_plan, keys) =
                self.aggregate(plan, select.group_by.as_ref(), &outputs, &scope, common, &aggregates)?;
            plan = grouped_plan;
            let rewrite = Regrouping { keys: &keys, aggregates: &aggregates, scope: &scope };
            for output in &mut outputs {
                output.value.expr = rewrite.rewrite(output.at, output.value.expr.clone())?;
            }
            if let Some(having) = &mut having {
                *having = rewrite.rewrite(select.at, having.clone())?;
            }
            for (item, key) in &mut sort_keys {
                key.expr = rewrite.rewrite(item.expression.at, key.expr.clone())?;
            }
            for (_, window) in &mut windows {
                *window = rewrite.rewrite(select.at, window.clone())?;
            }
        }
        if let Some(having) = having {
            plan =
                LogicalPlanBuilder::from(plan).filter(having).and_then(LogicalPlanBuilder::build).map_err(planning)?;
        }
        if !windows.is_empty() {
            let mut columns: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
            let mut computed: Vec<Expr> = Vec::new();
            for (name, expr) in windows {
                // DataFusion names the columns of windows by their text.
                columns.push(column(&expr.schema_name().to_string()).alias(name));
                if !computed.contains(&expr) {
                    computed.push(expr);
                }
            }
            plan = LogicalPlanBuilder::window_plan(plan, computed)
                .and_then(|plan| LogicalPlanBuilder::from(plan).project(columns))
                .and_then(LogicalPlanBuilder::build)
                .map_err(planning)?;
        }
        self.project(plan, select, outputs, sort_keys)
    }

    fn select_items(
        &self,
        select: &Select,
        scope: &Scope<'_>,
        expressions: &Expressions<'_>,
    ) -> Result<Vec<Output>, QueryError> {
        let mut outputs = Vec::new();
        let whole = |field: &ScopeField, at: At| Output {
            at,
            name: field.name.clone(),
            value: Typed::new(Expr::Column(field.column.clone()), field.ty.clone()),
        };
        for item in &select.items {
            match item {
                SelectItem::All(at) => {
                    if scope.fields.is_empty() {
                        return invalid(*at, "SELECT * not allowed in queries without FROM clause");
                    }
                    outputs.extend(scope.fields.iter().map(|field| whole(field, *at)));
                }
                SelectItem::AllOf(expression, names) => {
                    let at = expression.at;
                    let mut found: Vec<Output> = Vec::new();
                    if let Some(qualifier) = qualified(expression) {
                        found.extend(scope.of_relation(&qualifier).into_iter().map(|field| whole(field, at)));
                    }
                    if found.is_empty() {
                        let value = expressions.value(expression)?;
                        let Type::Row(fields) = value.ty.clone() else {
                            return invalid(at, "what stands before .* is neither a relation nor a row");
                        };
                        self.count_copies(at, &value, fields.len())?;
                        for (position, (name, _)) in fields.into_iter().enumerate() {
                            let value = functions::rows::field_at(value.clone(), position);
                            found.push(Output { at, name, value });
                        }
                    }
                    if let Some(names) = names {
                        if names.len() != found.len() {
                            return invalid(at, "the list of names has another length than the columns");
                        }
                        for (output, name) in found.iter_mut().zip(names) {
                            output.name = Some(name.label());
                        }
                    }
                    outputs.extend(found);
                }
                SelectItem::Expression(expression, alias) => {
                    let value = expressions.value(expression)?;
                    let name = match alias {
                        Some(alias) => Some(alias.label()),
                        None => own_name(expression).map(Name::label),
                    };
                    outputs.push(Output { at: expression.at, name, value });
                }
            }
        }
        Ok(outputs)
    }

    /// The plan of GROUP BY, and the keys: what they were, and the columns that they are now.
    fn aggregate(
        &self,
        plan: LogicalPlan,
        group_by: Option<&GroupBy>,
        outputs: &[Output],
        scope: &Scope<'_>,
        common: CommonTables<'_>,
        aggregates: &[(String, Expr)],
    ) -> Result<(LogicalPlan, Vec<(Expr, Column)>), QueryError> {
        let expressions = Expressions::new(self, scope, common, "GROUP BY");
        let mut keys: Vec<(Expr, Column)> = Vec::new();
        let mut computed = Vec::new();
        let mut key = |expression: &Expression| -> Result<Expr, QueryError> {
            let value = match ordinal(expression, outputs.len())? {
                Some(position) => {
                    self.count_copies(expression.at, &outputs[position].value, 1)?;
                    outputs[position].value.clone()
                }
                None => expressions.value(expression)?,
            };
            if !value.ty.is_comparable() {
                return invalid(
                    expression.at,
                    format_args!("{} is not comparable, and therefore cannot be used in GROUP BY", value.ty),
                );
            }
            if let Some((_, column)) = keys.iter().find(|(known, _)| *known == value.expr) {
                return Ok(Expr::Column(column.clone()));
            }
            let column = match &value.expr {
                Expr::Column(column) => column.clone(),
                _ => {
                    let unique = self.unique("key");
                    computed.push(self.computed(&unique, value.clone()).expr.alias(unique.as_str()));
                    Column::new_unqualified(unique)
                }
            };
            keys.push((value.expr, column.clone()));
            Ok(Expr::Column(column))
        };
        let mut set = |expressions: &[Expression]| expressions.iter().map(&mut key).collect::<Result<Vec<_>, _>>();
        let elements = group_by.map_or(&[][..], |group_by| &group_by.elements);
        if group_by.is_some_and(|group_by| group_by.distinct) {
            return unsupported("GROUP BY DISTINCT", "leave DISTINCT out and name the sets in GROUPING SETS");
        }
        // Each element is a list of sets; the sets of the whole are all their combinations.
        let mut sets: Vec<Vec<Expr>> = vec![Vec::new()];
        let mut is_simple = true;
        for element in elements {
            let element_sets = match element {
                GroupingElement::Simple(expressions) => vec![set(expressions)?],
                GroupingElement::Sets(given) => {
                    is_simple = false;
                    given.iter().map(|given| set(given)).collect::<Result<Vec<_>, _>>()?
                }
                GroupingElement::Rollup(given) => {
                    is_simple = false;
                    let parts = given.iter().map(|given| set(given)).collect::<Result<Vec<_>, _>>()?;
                    (0..=parts.len()).rev().map(|kept| parts[..kept].concat()).collect()
                }
                GroupingElement::Cube(given) => {
                    is_simple = false;
                    let parts = given.iter().map(|given| set(given)).collect::<Result<Vec<_>, _>>()?;
                    (0..1_usize << parts.len().min(10))
                        .rev()
                        .map(|mask| {
                            let kept = parts.iter().rev().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
                            kept.map(|(_, part)| part.clone()).collect::<Vec<_>>().into_iter().rev().flatten().collect()
                        })
                        .collect()
                }
            };
            sets = sets
                .iter()
                .flat_map(|before| element_sets.iter().map(|set| before.iter().chain(set).cloned().collect()))
                .collect();
        }
        let mut builder = LogicalPlanBuilder::from(plan);
        if !computed.is_empty() {
            let mut projected: Vec<Expr> =
                scope.fields.iter().map(|field| Expr::Column(field.column.clone())).collect();
            projected.extend(computed);
            builder = builder.project(projected).map_err(planning)?;
        }
        let group: Vec<Expr> = if is_simple {
            let mut group: Vec<Expr> = Vec::new();
            for key in sets.into_iter().flatten() {
                if !group.contains(&key) {
                    group.push(key);
                }
            }
            group
        } else {
            vec![Expr::GroupingSet(GroupingSet::GroupingSets(sets))]
        };
        let aggregates: Vec<Expr> = aggregates.iter().map(|(name, expr)| expr.clone().alias(name.as_str())).collect();
        let plan = if group.is_empty() && aggregates.is_empty() {
            // HAVING without anything else: one group of all rows.
            let count = datafusion::functions_aggregate::count::count(datafusion::logical_expr::lit(1_i64));
            builder.aggregate(Vec::<Expr>::new(), vec![count.alias(self.unique("count"))])
        } else {
            builder.aggregate(group, aggregates)
        };
        Ok((plan.and_then(LogicalPlanBuilder::build).map_err(planning)?, keys))
    }

    /// The columns of the result, distinct and in order.
    fn project(
        &self,
        plan: LogicalPlan,
        select: &Select,
        outputs: Vec<Output>,
        sort_keys: Vec<(&SortItem, Typed)>,
    ) -> Result<QueryPlan, QueryError> {
        let mut fields = Vec::new();
        let mut projected = Vec::new();
        for output in &outputs {
            let unique = self.unique(output.name.as_deref().unwrap_or("column"));
            let value = self.computed(&unique, output.value.clone());
            projected.push(value.expr.alias(unique.as_str()));
            fields.push(ScopeField {
                relation: None,
                name: output.name.clone(),
                column: Column::new_unqualified(unique),
                ty: output.value.ty.clone(),
            });
            if select.distinct && !output.value.ty.is_comparable() {
                return invalid(
                    output.at,
                    format_args!("DISTINCT can only be applied to comparable types (actual: {})", output.value.ty),
                );
            }
        }
        let visible = projected.len();
        let mut sorts = Vec::new();
        for (item, key) in sort_keys {
            let known = outputs.iter().position(|output| output.value.expr == key.expr);
            let name = match known {
                Some(position) => fields[position].column.clone(),
                None if select.distinct => {
                    return invalid(
                        item.expression.at,
                        "For SELECT DISTINCT, ORDER BY expressions must appear in select list",
                    );
                }
                None => {
                    let unique = self.unique("order");
                    projected.push(key.expr.alias(unique.as_str()));
                    Column::new_unqualified(unique)
                }
            };
            sorts.push(sort(item, Typed::new(Expr::Column(name), key.ty))?);
        }
        let hidden = projected.len() > visible;
        let mut builder = LogicalPlanBuilder::from(plan).project(projected).map_err(planning)?;
        if select.distinct {
            builder = builder.distinct().map_err(planning)?;
        }
        if !sorts.is_empty() {
            builder = builder.sort(sorts).map_err(planning)?;
        }
        if hidden {
            let columns: Vec<Expr> = fields.iter().map(|field| column(&field.column.name)).collect();
            builder = builder.project(columns).map_err(planning)?;
        }
        Ok(QueryPlan { plan: builder.build().map_err(planning)?, fields })
    }
}

/// The position that an ORDER BY or GROUP BY item names by its number.
fn ordinal(expression: &Expression, columns: usize) -> Result<Option<usize>, QueryError> {
    let Kind::Integer(digits) = &expression.kind else { return Ok(None) };
    match digits.parse::<usize>() {
        Ok(position) if (1..=columns).contains(&position) => Ok(Some(position - 1)),
        _ => invalid(expression.at, format_args!("position {digits} is not in the select list")),
    }
}

pub(crate) fn sort(item: &SortItem, key: Typed) -> Result<Sort, QueryError> {
    if !key.ty.is_orderable() {
        return invalid(
            item.expression.at,
            format_args!("Type {} is not orderable, and therefore cannot be used in ORDER BY", key.ty),
        );
    }
    if matches!(key.ty, Type::Array(_) | Type::Row(_)) {
        return unsupported(format!("ORDER BY of {}", key.ty), "order by its parts");
    }
    Ok(Sort::new(key.expr, !item.descending, item.nulls_first))
}

/// `a`, `a.b` or `a.b.c` as names.
pub(crate) fn qualified(expression: &Expression) -> Option<Vec<Name>> {
    match &expression.kind {
        Kind::Identifier(name) => Some(vec![name.clone()]),
        Kind::Field(base, name) => {
            let mut names = qualified(base)?;
            names.push(name.clone());
            Some(names)
        }
        _ => None,
    }
}

/// Expressions over the rows of a source as expressions over its groups.
struct Regrouping<'a> {
    keys: &'a [(Expr, Column)],
    aggregates: &'a [(String, Expr)],
    scope: &'a Scope<'a>,
}

impl Regrouping<'_> {
    fn rewrite(&self, at: At, expr: Expr) -> Result<Expr, QueryError> {
        let mut ungrouped: Option<String> = None;
        let mut correlated = false;
        let rewritten = expr.transform_down(|expr| {
            if let Some((_, column)) = self.keys.iter().find(|(key, _)| *key == expr) {
                return Ok(Transformed::new(Expr::Column(column.clone()), true, TreeNodeRecursion::Jump));
            }
            match &expr {
                Expr::ScalarSubquery(subquery) => correlated |= !subquery.outer_ref_columns.is_empty(),
                Expr::Exists(exists) => correlated |= !exists.subquery.outer_ref_columns.is_empty(),
                Expr::InSubquery(within) => correlated |= !within.subquery.outer_ref_columns.is_empty(),
                Expr::Column(column) => {
                    let is_aggregate =
                        column.relation.is_none() && self.aggregates.iter().any(|(name, _)| *name == column.name);
                    let field = self.scope.fields.iter().find(|field| field.column == *column);
                    if let (false, Some(field)) = (is_aggregate, field) {
                        ungrouped.get_or_insert_with(|| field.name.clone().unwrap_or_default());
                    }
                }
                _ => {}
            }
            Ok(Transformed::no(expr))
        });
        let rewritten = rewritten.map_err(planning)?;
        if let Some(name) = ungrouped {
            return invalid(at, format_args!("'{name}' must be an aggregate expression or appear in GROUP BY clause"));
        }
        if correlated {
            return unsupported(
                "subquery that refers to a grouped query",
                "compute the groups in a common table and join it",
            );
        }
        Ok(rewritten.data)
    }
}
