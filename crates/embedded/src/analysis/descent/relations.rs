//! The FROM clause.

use std::sync::Arc;

use datafusion::common::{Column, JoinType, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use query::{QueryError, Warning};

use crate::analysis::analyzer::{Analyzer, column};
use crate::analysis::descent::expressions::Expressions;
use crate::analysis::scope::{CommonTables, RelationName, Scope, ScopeField, spelled};
use crate::error::{did_you_mean, internal, invalid, planning, unsupported};
use crate::functions;
use crate::functions::cast::coerce;
use crate::functions::native::Typed;
use crate::syntax::ast::{At, Criteria, Expression, JoinKind, Kind, Name, Relation};
use crate::types::Type;

/// A relation's plan, with the columns that it has.
pub(crate) struct Planned<'p> {
    pub(crate) plan: LogicalPlan,
    pub(crate) scope: Scope<'p>,
}

impl Analyzer {
    pub(crate) fn relation<'p>(
        &self,
        relation: &Relation,
        common: CommonTables<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Planned<'p>, QueryError> {
        if let Some(unnested) = Unnested::of(relation) {
            let one_row = LogicalPlanBuilder::empty(true).build().map_err(planning)?;
            return self.unnest(
                Planned { plan: one_row, scope: Scope { fields: Vec::new(), parent } },
                &unnested,
                false,
            );
        }
        match relation {
            Relation::Unnest { at, .. } => Err(internal("an UNNEST that is planned", at)),
            Relation::Table(at, names) => self.table(*at, names, common, parent),
            Relation::Query(query) => self.subquery_relation(query, common, parent),
            Relation::Lateral(_) => {
                unsupported("LATERAL", "write a join with a grouped subquery, or CROSS JOIN UNNEST for arrays")
            }
            Relation::Alias(inner, name, columns) => {
                let mut planned = self.relation(inner, common, parent)?;
                let at = place(inner);
                planned.scope = aliased(planned.scope, at, name, columns.as_deref())?;
                Ok(planned)
            }
            Relation::Join { at, kind, left, right, criteria } => {
                let left = self.relation(left, common, parent)?;
                self.join(*at, *kind, left, right, criteria, common)
            }
        }
    }

    fn subquery_relation<'p>(
        &self,
        query: &crate::syntax::ast::Query,
        common: CommonTables<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Planned<'p>, QueryError> {
        // A subquery in FROM sees the query around the whole statement, not its neighbours.
        let result = self.query(query, common, parent)?;
        Ok(Planned { plan: result.plan, scope: Scope { fields: result.fields, parent } })
    }

    pub(crate) fn table<'p>(
        &self,
        at: At,
        names: &[Name],
        common: CommonTables<'_>,
        parent: Option<&'p Scope<'p>>,
    ) -> Result<Planned<'p>, QueryError> {
        if let [name] = names {
            let mut level = Some(&common);
            while let Some(here) = level {
                let visible = here.tables[..here.visible].iter().enumerate().rev();
                if let Some((position, table)) = visible.into_iter().find(|(_, table)| name.is(&table.name.text)) {
                    let inside = CommonTables { visible: position, ..*here };
                    let result = self.query(&table.query, inside, None)?;
                    let scope = Scope { fields: result.fields, parent };
                    let scope = aliased(scope, at, &table.name, table.columns.as_deref())?;
                    return Ok(Planned { plan: result.plan, scope });
                }
                level = here.outer;
            }
        }
        let (database, name) = match names {
            [name] => (self.database.as_str(), name),
            [database, name] => (database.text.as_str(), name),
            [catalog, database, name] if catalog.is("awsdatacatalog") => (database.text.as_str(), name),
            _ => return invalid(at, format_args!("Table '{}' does not exist", spelled(names))),
        };
        let relation = self
            .relations
            .iter()
            .find(|known| name.is(&known.name) && crate::syntax::ast::same_name(database, &known.database));
        let Some(relation) = relation else {
            let known = self.relations.iter().map(|known| known.name.as_str());
            let mut hint = did_you_mean(&name.text, known);
            if let Some(elsewhere) = self.relations.iter().find(|known| name.is(&known.name)) {
                hint = format!("; it is in the database '{}'", elsewhere.database);
            }
            return invalid(at, format_args!("Table '{database}.{}' does not exist{hint}", name.text));
        };
        self.count_query(at)?;
        let reference = self.unique(&relation.name);
        let source = provider_as_source(Arc::clone(&relation.provider));
        let plan = LogicalPlanBuilder::scan(TableReference::bare(reference.as_str()), source, None)
            .and_then(LogicalPlanBuilder::build)
            .map_err(planning)?;
        let qualifier = RelationName { database: Some(relation.database.clone()), name: relation.name.clone() };
        let fields = relation
            .columns
            .iter()
            .map(|known| ScopeField {
                relation: Some(qualifier.clone()),
                name: Some(known.name.to_lowercase()),
                column: Column::new(Some(TableReference::bare(reference.as_str())), known.name.clone()),
                ty: known.column_type.clone(),
            })
            .collect();
        Ok(Planned { plan, scope: Scope { fields, parent } })
    }

    fn join<'p>(
        &self,
        at: At,
        kind: JoinKind,
        left: Planned<'p>,
        right: &Relation,
        criteria: &Criteria,
        common: CommonTables<'_>,
    ) -> Result<Planned<'p>, QueryError> {
        self.count_join(at)?;
        if let Some(unnested) = Unnested::of(right) {
            let outer = match (kind, criteria) {
                (JoinKind::Cross, _) => false,
                (JoinKind::Inner | JoinKind::Left, Criteria::On(Expression { kind: Kind::Boolean(true), .. })) => {
                    kind == JoinKind::Left
                }
                (JoinKind::Inner | JoinKind::Left, _) => {
                    return invalid(at, "a join with UNNEST has ON TRUE and no other condition");
                }
                _ => return invalid(at, "UNNEST stands on the right of CROSS JOIN, JOIN or LEFT JOIN"),
            };
            return self.unnest(left, &unnested, outer);
        }
        let parent = left.scope.parent;
        let right = self.relation(right, common, parent)?;
        let join_type = match kind {
            JoinKind::Cross | JoinKind::Inner => JoinType::Inner,
            JoinKind::Left => JoinType::Left,
            JoinKind::Right => JoinType::Right,
            JoinKind::Full => JoinType::Full,
        };
        let mut fields = left.scope.fields.clone();
        fields.extend(right.scope.fields.iter().cloned());
        let builder = LogicalPlanBuilder::from(left.plan);
        match criteria {
            Criteria::None => {
                let plan = builder.cross_join(right.plan).and_then(LogicalPlanBuilder::build).map_err(planning)?;
                Ok(Planned { plan, scope: Scope { fields, parent } })
            }
            Criteria::On(condition) => {
                let scope = Scope { fields, parent };
                let condition = Expressions::new(self, &scope, common, "JOIN ON").boolean(condition)?;
                let plan = builder
                    .join_on(right.plan, join_type, [condition])
                    .and_then(LogicalPlanBuilder::build)
                    .map_err(planning)?;
                Ok(Planned { plan, scope })
            }
            Criteria::Natural => unsupported("NATURAL JOIN", "name the columns in USING, as Trino asks for it, too"),
            Criteria::Using(names) => {
                let mut conditions = Vec::new();
                let mut merged: Vec<(Name, Typed)> = Vec::new();
                let mut hidden = Vec::new();
                for name in names {
                    let find = |scope: &Scope<'_>| {
                        let scope = Scope { fields: scope.fields.clone(), parent: None };
                        match scope.find(at, std::slice::from_ref(name))? {
                            Some((field, _)) => Ok(field.clone()),
                            None => Err(scope.unknown(at, &name.text)),
                        }
                    };
                    let (a, b) = (find(&left.scope)?, find(&right.scope)?);
                    let common_type = match a.ty.common(&b.ty) {
                        Some(ty) => ty,
                        None => return invalid(at, format_args!("Cannot apply operator: {} = {}", a.ty, b.ty)),
                    };
                    let x = coerce(Typed::new(Expr::Column(a.column.clone()), a.ty), &common_type)?;
                    let y = coerce(Typed::new(Expr::Column(b.column.clone()), b.ty), &common_type)?;
                    conditions.push(crate::functions::operators::equal(at, x.clone(), y.clone())?);
                    merged.push((name.clone(), crate::functions::operators::coalesce(vec![x, y], common_type)));
                    hidden.extend([a.column, b.column]);
                }
                let plan = builder
                    .join_on(right.plan, join_type, conditions)
                    .and_then(LogicalPlanBuilder::build)
                    .map_err(planning)?;
                let mut columns = Vec::new();
                let mut out = Vec::new();
                for (name, value) in merged {
                    let unique = self.unique(&name.label());
                    columns.push(value.expr.alias(unique.as_str()));
                    out.push(ScopeField {
                        relation: None,
                        name: Some(name.label()),
                        column: Column::new_unqualified(unique),
                        ty: value.ty,
                    });
                }
                for field in fields.into_iter().filter(|field| !hidden.contains(&field.column)) {
                    columns.push(Expr::Column(field.column.clone()));
                    out.push(field);
                }
                let plan = LogicalPlanBuilder::from(plan)
                    .project(columns)
                    .and_then(LogicalPlanBuilder::build)
                    .map_err(planning)?;
                Ok(Planned { plan, scope: Scope { fields: out, parent } })
            }
        }
    }

    /// Whether the elements of an array of rows are one column, the row, as on Athena, or as many as they have fields, as on
    /// Trino. The names decide: `CROSS JOIN UNNEST(resources) AS t(r)` is how Athena's documentation reads such arrays.
    fn whole_rows(&self, at: At, arrays: &[Typed], aliases: Option<usize>) -> bool {
        let of = |array: &Typed| match &array.ty {
            Type::Array(element) => match element.as_ref() {
                Type::Row(fields) => (1, fields.len()),
                _ => (1, 1),
            },
            Type::Map(..) => (2, 2),
            _ => (1, 1),
        };
        let (athena, trino) = arrays.iter().map(of).fold((0, 0), |(a, t), (x, y)| (a + x, t + y));
        let has_rows = arrays.iter().any(|array| matches!(&array.ty, Type::Array(of) if matches!(**of, Type::Row(_))));
        let Some(aliases) = aliases.filter(|_| has_rows) else { return false };
        if aliases != athena && aliases == trino {
            self.warnings.borrow_mut().push(Warning {
                line: at.line,
                column: at.column,
                message: "UNNEST of an array of rows gives one column, the row, on Athena; as many names as the row has fields \
                          may be refused there"
                    .to_owned(),
                help: "name the row, as UNNEST(resources) AS t(r), and read its fields, as r.arn".to_owned(),
            });
        }
        aliases == athena
    }

    /// The rows of `left`, each with the elements of its arrays and maps; with `outer`, a row that has none is kept.
    fn unnest<'p>(&self, left: Planned<'p>, of: &Unnested<'_>, outer: bool) -> Result<Planned<'p>, QueryError> {
        let Unnested { at, arrays, ordinality, .. } = *of;
        let aliases = of.alias.and_then(|(_, columns)| columns).map(<[Name]>::len);
        let before = left.scope.fields.len();
        let expressions = Expressions::new(self, &left.scope, CommonTables::default(), "UNNEST");
        let arrays = arrays.iter().map(|array| expressions.value(array)).collect::<Result<Vec<_>, _>>()?;
        let whole_rows = self.whole_rows(at, &arrays, aliases.map(|count| count.saturating_sub(ordinality.into())));
        let mut columns: Vec<(Option<String>, Type)> = Vec::new();
        for array in &arrays {
            match &array.ty {
                Type::Array(element) => match element.as_ref() {
                    Type::Row(fields) if !whole_rows => columns.extend(fields.iter().cloned()),
                    element => columns.push((None, element.clone())),
                },
                Type::Map(key, value) => columns.extend([(None, (**key).clone()), (None, (**value).clone())]),
                Type::Unknown => columns.push((None, Type::Unknown)),
                other => return invalid(at, format_args!("Cannot unnest type: {other}")),
            }
        }
        if ordinality {
            columns.push((None, Type::Bigint));
        }
        // The fields of the rows have names that cannot clash.
        let row = Type::Row(columns.iter().map(|(_, ty)| (None, ty.clone())).collect());
        let zipped = functions::unnest::zip(arrays, &row, functions::unnest::Shape { ordinality, outer, whole_rows })?;
        let list = self.unique("unnest");
        let mut projected: Vec<Expr> =
            left.scope.fields.iter().map(|field| Expr::Column(field.column.clone())).collect();
        projected.push(zipped.expr.alias(list.as_str()));
        let plan = LogicalPlanBuilder::from(left.plan)
            .project(projected)
            .and_then(|builder| builder.unnest_column(Column::new_unqualified(list.as_str())))
            .map_err(planning)?;
        let mut fields = left.scope.fields;
        let mut projected: Vec<Expr> = fields.iter().map(|field| Expr::Column(field.column.clone())).collect();
        for (position, (name, ty)) in columns.into_iter().enumerate() {
            let unique = self.unique(name.as_deref().unwrap_or("element"));
            let value = functions::rows::field_at(Typed::new(column(&list), row.clone()), position)?;
            projected.push(value.expr.alias(unique.as_str()));
            fields.push(ScopeField { relation: None, name, column: Column::new_unqualified(unique), ty });
        }
        let plan = plan.project(projected).and_then(LogicalPlanBuilder::build).map_err(planning)?;
        if let Some((name, columns)) = of.alias {
            let scope = Scope { fields: fields.split_off(before), parent: None };
            fields.extend(aliased(scope, at, name, columns)?.fields);
        }
        Ok(Planned { plan, scope: Scope { fields, parent: left.scope.parent } })
    }
}

/// An UNNEST, with its alias and the names of its columns if it has any.
struct Unnested<'a> {
    at: At,
    arrays: &'a [Expression],
    ordinality: bool,
    alias: Option<(&'a Name, Option<&'a [Name]>)>,
}

impl<'a> Unnested<'a> {
    fn of(relation: &'a Relation) -> Option<Self> {
        let (inner, alias) = match relation {
            Relation::Alias(inner, name, columns) => (inner.as_ref(), Some((name, columns.as_deref()))),
            other => (other, None),
        };
        match inner {
            Relation::Unnest { at, arrays, ordinality } => {
                Some(Self { at: *at, arrays, ordinality: *ordinality, alias })
            }
            _ => None,
        }
    }
}

fn place(relation: &Relation) -> At {
    match relation {
        Relation::Table(at, _) | Relation::Unnest { at, .. } | Relation::Lateral(at) | Relation::Join { at, .. } => *at,
        Relation::Alias(inner, ..) => place(inner),
        Relation::Query(_) => At::default(),
    }
}

/// The columns of a relation under an alias, with new names if there are any.
pub(crate) fn aliased<'p>(
    scope: Scope<'p>,
    at: At,
    name: &Name,
    columns: Option<&[Name]>,
) -> Result<Scope<'p>, QueryError> {
    let mut scope = scope.named(&name.text);
    if let Some(columns) = columns {
        if columns.len() != scope.fields.len() {
            return invalid(
                at,
                format_args!(
                    "Column alias list has {} entries but '{}' has {} columns available",
                    columns.len(),
                    name.text,
                    scope.fields.len()
                ),
            );
        }
        for (field, column) in scope.fields.iter_mut().zip(columns) {
            field.name = Some(column.label());
        }
    }
    Ok(scope)
}
