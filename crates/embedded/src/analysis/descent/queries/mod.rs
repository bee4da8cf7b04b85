//! Queries: SELECT, VALUES, set operations, and the order and limit of their rows.

mod groups;
mod sets;

use std::cell::RefCell;

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use query::QueryError;

use crate::analysis::analyzer::{Analyzer, Planned, column};
use crate::analysis::descent::expressions::{Collected, Expressions, Output};
use crate::analysis::query_plan::QueryPlan;
use crate::analysis::scope::{CommonTables, Scope, ScopeField, qualified};
use crate::analysis::sorting::{ordinal, sort};
use crate::error::{invalid, planning, unsupported};
use crate::functions;
use crate::functions::cast::coerce;
use crate::functions::native::Typed;
use crate::syntax::ast::{At, Body, Expression, Kind, Name, Query, Select, SelectItem, SortItem};
use crate::types::Type;
use groups::Regrouping;

/// The name that a column has without an alias: that of a column, or of a field of one.
fn own_name(expression: &Expression) -> Option<&Name> {
    match &expression.kind {
        Kind::Identifier(name) => Some(name),
        Kind::Field(base, name) => own_name(base).map(|_| name),
        _ => None,
    }
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
                            let value = functions::rows::field_at(value.clone(), position)?;
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
