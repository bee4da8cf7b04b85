//! Functions with lambdas. The body of a lambda is computed for all elements of all rows at once.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, RecordBatch, RecordBatchOptions, UInt32Array,
};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{concat, interleave, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{ColumnarValue, Expr};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use query::QueryError;

use super::native::{Cell, Typed, by_array, call, cell, failed, is_caught, list_of, mistake, position};
use crate::syntax::ast::At;
use crate::types::Type;

const NAMES: [&str; 10] = [
    "any_match",
    "all_match",
    "none_match",
    "filter",
    "transform",
    "reduce",
    "zip_with",
    "map_filter",
    "transform_keys",
    "transform_values",
];

/// Whether the function takes a lambda. `array_sort` may.
pub(crate) fn takes_lambda(name: &str) -> bool {
    NAMES.contains(&name) || name == "array_sort"
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter()
}

/// A lambda: its parameters are columns of these names in its body.
pub(crate) struct Lambda {
    pub(crate) parameters: Vec<(String, Type)>,
    pub(crate) body: Typed,
}

impl Lambda {
    /// The lambda with a body of type `ty`.
    pub(crate) fn returning(self, at: At, ty: &Type) -> std::result::Result<Self, QueryError> {
        if !self.body.ty.coerces_to(ty) {
            return Err(QueryError::Invalid(format!("{at}: the lambda must give {ty}, it gives {}", self.body.ty)));
        }
        Ok(Self { body: super::cast::cast(self.body, ty, None, false)?, parameters: self.parameters })
    }

    /// The body as a program, if it needs nothing but its parameters.
    pub(crate) fn closed(self) -> std::result::Result<Option<Program>, QueryError> {
        let compiled = self.compile()?;
        Ok(compiled.captures.is_empty().then(|| compiled.program()))
    }

    /// The body as a program, and the columns around that it needs.
    fn compile(self) -> std::result::Result<Compiled, QueryError> {
        let mut captures: Vec<Expr> = Vec::new();
        self.body
            .expr
            .apply(|expr| {
                if let Expr::Column(column) = expr {
                    let is_parameter =
                        column.relation.is_none() && self.parameters.iter().any(|(name, _)| *name == column.name);
                    if !is_parameter && !captures.contains(expr) {
                        captures.push(expr.clone());
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .map_err(crate::error::of_datafusion)?;
        Ok(Compiled { parameters: self.parameters, captures, body: self.body })
    }
}

/// A lambda that knows its captures. They are passed as further arguments of the function.
struct Compiled {
    parameters: Vec<(String, Type)>,
    captures: Vec<Expr>,
    body: Typed,
}

impl Compiled {
    fn key(&self) -> String {
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        format!("({}) -> {} | {:?}", names.join(", "), self.body.expr, self.captures.len())
    }

    /// The captures as arguments; their types are those of the columns when the function runs.
    fn arguments(&self) -> Vec<Typed> {
        self.captures.iter().map(|capture| Typed::new(capture.clone(), Type::Unknown)).collect()
    }

    fn program(&self) -> Program {
        let names = self.captures.iter().enumerate().map(|(at, _)| format!("capture{at}")).collect::<Vec<_>>();
        let body = self.body.expr.clone();
        let renamed = datafusion::common::tree_node::TreeNode::transform(body, |expr| {
            use datafusion::common::tree_node::Transformed;
            match self.captures.iter().position(|capture| *capture == expr) {
                Some(at) => Ok(Transformed::yes(Expr::Column(Column::new_unqualified(names[at].as_str())))),
                None => Ok(Transformed::no(expr)),
            }
        });
        let body = match renamed {
            Ok(renamed) => renamed.data,
            Err(_) => self.body.expr.clone(),
        };
        Program {
            parameters: self.parameters.clone(),
            captures: names,
            body,
            planned: Arc::new(parking_lot::Mutex::new(None)),
        }
    }
}

/// The body, planned at its first use, when the types of the captures are known.
#[derive(Clone)]
pub(crate) struct Program {
    parameters: Vec<(String, Type)>,
    captures: Vec<String>,
    body: Expr,
    #[expect(clippy::type_complexity, reason = "a cache of one entry")]
    planned: Arc<parking_lot::Mutex<Option<(Arc<Schema>, Arc<dyn PhysicalExpr>)>>>,
}

impl Program {
    /// The body for `rows` sets of parameters.
    pub(crate) fn run(&self, parameters: &[ArrayRef], captures: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let mut fields = Vec::new();
        for ((name, _), array) in self.parameters.iter().zip(parameters) {
            fields.push(Field::new(name, array.data_type().clone(), true));
        }
        for (name, array) in self.captures.iter().zip(captures) {
            fields.push(Field::new(name, array.data_type().clone(), true));
        }
        let schema = Arc::new(Schema::new(fields));
        let known =
            self.planned.lock().as_ref().filter(|(known, _)| *known == schema).map(|(_, body)| Arc::clone(body));
        let body = match known {
            Some(body) => body,
            None => {
                let columns = DFSchema::try_from(Arc::clone(&schema))?;
                let simplifier = datafusion::optimizer::simplify_expressions::ExprSimplifier::new(
                    datafusion::logical_expr::simplify::SimplifyContext::builder()
                        .with_schema(Arc::new(columns.clone()))
                        .build(),
                );
                let simple = simplifier.simplify(self.body.clone())?;
                let body = create_physical_expr(
                    &simple,
                    &columns,
                    &ExecutionProps::new(),
                    &PhysicalPlanningContext::default(),
                )?;
                *self.planned.lock() = Some((Arc::clone(&schema), Arc::clone(&body)));
                body
            }
        };
        let columns = parameters.iter().chain(captures).cloned().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        body.evaluate(&batch)?.into_array(rows)
    }
}

/// The elements of a list array without those of null rows, and the row of each.
struct Elements {
    values: ArrayRef,
    rows: UInt32Array,
    offsets: OffsetBuffer<i32>,
}

fn elements(list: &ListArray) -> Result<Elements> {
    let mut positions = Vec::new();
    let mut rows = Vec::new();
    let mut lengths = Vec::with_capacity(list.len());
    for row in 0..list.len() {
        if list.is_null(row) {
            lengths.push(0);
            continue;
        }
        let range = list.value_offsets()[row]..list.value_offsets()[row + 1];
        lengths.push(range.len());
        positions.extend(range.map(i32::unsigned_abs));
        rows.resize(positions.len(), position(row)?);
    }
    // Most arrays are already as they should be.
    let whole = positions.len() == list.values().len();
    let values =
        if whole { Arc::clone(list.values()) } else { take(list.values(), &UInt32Array::from(positions), None)? };
    Ok(Elements { values, rows: UInt32Array::from(rows), offsets: OffsetBuffer::from_lengths(lengths) })
}

fn repeat(captures: &[ArrayRef], rows: &UInt32Array) -> Result<Vec<ArrayRef>> {
    captures.iter().map(|capture| Ok(take(capture, rows, None)?)).collect()
}

fn as_list(array: &ArrayRef) -> Result<ListArray> {
    match array.data_type() {
        DataType::List(_) => Ok(array.as_list::<i32>().clone()),
        // NULL without a type is no array.
        DataType::Null => {
            let element = Arc::new(Field::new("element", DataType::Null, true));
            Ok(ListArray::new_null(element, array.len()))
        }
        other => Err(mistake("an array", other)),
    }
}

type Analysed = std::result::Result<Typed, QueryError>;

/// any_match, all_match, none_match, filter, transform.
pub(crate) fn over_array(name: &str, array: Typed, lambda: Lambda) -> Analysed {
    let lambda = lambda.compile()?;
    let program = lambda.program();
    let returns = match name {
        "filter" => match &array.ty {
            Type::Unknown => Type::array(Type::Unknown),
            ty => ty.clone(),
        },
        "transform" => Type::array(lambda.body.ty.clone()),
        _ => Type::Boolean,
    };
    let (kind, result_type) = (name.to_owned(), returns.clone());
    let body = by_array(move |arguments: &[ArrayRef]| -> Result<ArrayRef> {
        let (array, captures) = arguments.split_first().ok_or_else(|| failed("no array"))?;
        let list = as_list(array)?;
        let elements = elements(&list)?;
        let captures = repeat(captures, &elements.rows)?;
        let values = program.run(std::slice::from_ref(&elements.values), &captures, elements.rows.len())?;
        let nulls = list.nulls().cloned();
        match kind.as_str() {
            "transform" => {
                let DataType::List(field) = result_type.arrow() else { return Err(failed("not an array")) };
                let values = super::native::conform(&values, field.data_type())?;
                Ok(Arc::new(ListArray::try_new(field, elements.offsets, values, nulls)?))
            }
            "filter" => {
                let keep = values.as_boolean();
                let mut lengths = Vec::with_capacity(list.len());
                let mut kept: Vec<u32> = Vec::new();
                for row in 0..list.len() {
                    let range = elements.offsets[row]..elements.offsets[row + 1];
                    let before = kept.len();
                    kept.extend(range.map(i32::unsigned_abs).filter(|at| {
                        let at = *at as usize;
                        keep.is_valid(at) && keep.value(at)
                    }));
                    lengths.push(kept.len() - before);
                }
                let DataType::List(field) = result_type.arrow() else { return Err(failed("not an array")) };
                let values = take(&elements.values, &UInt32Array::from(kept), None)?;
                let values = super::native::conform(&values, field.data_type())?;
                Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, nulls)?))
            }
            kind => Ok(Arc::new(quantify(kind, values.as_boolean(), &elements.offsets, nulls))),
        }
    });
    let mut arguments = vec![array];
    arguments.extend(lambda.arguments());
    Ok(call(name, lambda.key(), arguments, returns, body))
}

/// Whether any, all or no elements match; null if a null decides.
fn quantify(kind: &str, matches: &BooleanArray, offsets: &[i32], nulls: Option<NullBuffer>) -> BooleanArray {
    let rows = offsets.len() - 1;
    let mut result = Vec::with_capacity(rows);
    let mut valid = Vec::with_capacity(rows);
    // `all` looks for an element that does not match, the others for one that does.
    let wanted = kind != "all_match";
    for row in 0..rows {
        let range = offsets[row]..offsets[row + 1];
        let mut found = false;
        let mut unknown = false;
        for at in range.map(|at| at.unsigned_abs() as usize) {
            if matches.is_null(at) {
                unknown = true;
            } else if matches.value(at) == wanted {
                found = true;
                break;
            }
        }
        let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        valid.push(!is_null && (found || !unknown));
        result.push(if kind == "any_match" { found } else { !found });
    }
    BooleanArray::new(BooleanBuffer::from(result), Some(NullBuffer::from(valid)))
}

pub(crate) fn zip_with(a: Typed, b: Typed, lambda: Lambda) -> Analysed {
    let lambda = lambda.compile()?;
    let program = lambda.program();
    let returns = Type::array(lambda.body.ty.clone());
    let result_type = returns.clone();
    let body = by_array(move |arguments: &[ArrayRef]| -> Result<ArrayRef> {
        let (a, b, captures) = (as_list(&arguments[0])?, as_list(&arguments[1])?, &arguments[2..]);
        let (mut left, mut right, mut rows, mut lengths) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in 0..a.len() {
            if a.is_null(row) || b.is_null(row) {
                lengths.push(0);
                continue;
            }
            let (x, y) = (
                a.value_offsets()[row]..a.value_offsets()[row + 1],
                b.value_offsets()[row]..b.value_offsets()[row + 1],
            );
            let length = x.len().max(y.len());
            lengths.push(length);
            let at = |range: &std::ops::Range<i32>, i: usize| -> Result<Option<u32>> {
                (i < range.len()).then(|| Ok(range.start.unsigned_abs() + position(i)?)).transpose()
            };
            for i in 0..length {
                left.push(at(&x, i)?);
                right.push(at(&y, i)?);
                rows.push(position(row)?);
            }
        }
        let left = take(a.values(), &UInt32Array::from(left), None)?;
        let right = take(b.values(), &UInt32Array::from(right), None)?;
        let rows = UInt32Array::from(rows);
        let values = program.run(&[left, right], &repeat(captures, &rows)?, rows.len())?;
        let DataType::List(field) = result_type.arrow() else { return Err(failed("not an array")) };
        let values = super::native::conform(&values, field.data_type())?;
        let nulls = NullBuffer::union(a.nulls(), b.nulls());
        Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, nulls)?))
    });
    let mut arguments = vec![a, b];
    arguments.extend(lambda.arguments());
    Ok(call("zip_with", lambda.key(), arguments, returns, body))
}

/// Steps through all arrays at the same time: the n-th step is computed for all rows that have an n-th element.
pub(crate) fn reduce(array: Typed, initial: Typed, step: Lambda, output: Lambda) -> Analysed {
    let (step, output) = (step.compile()?, output.compile()?);
    let (step_program, output_program) = (step.program(), output.program());
    let returns = output.body.ty.clone();
    let (state_type, result_type) = (initial.ty.arrow(), returns.arrow());
    let step_captures = step.captures.len();
    let body = by_array(move |arguments: &[ArrayRef]| -> Result<ArrayRef> {
        let list = as_list(&arguments[0])?;
        let (step_captured, output_captured) = arguments[2..].split_at(step_captures);
        let mut state = super::native::conform(&arguments[1], &state_type)?;
        let longest = (0..list.len()).filter(|row| list.is_valid(*row)).map(|row| list.value_length(row)).max();
        for at in 0..longest.unwrap_or(0) {
            let rows: Vec<usize> =
                (0..list.len()).filter(|row| list.is_valid(*row) && list.value_length(*row) > at).collect();
            let row_numbers = rows.iter().map(|row| position(*row)).collect::<Result<Vec<_>>>()?;
            let row_numbers = UInt32Array::from(row_numbers);
            let positions: Vec<u32> = rows.iter().map(|row| (list.value_offsets()[*row] + at).unsigned_abs()).collect();
            let element = take(list.values(), &UInt32Array::from(positions), None)?;
            let before = take(&state, &row_numbers, None)?;
            let captures = repeat(step_captured, &row_numbers)?;
            let after = step_program.run(&[before, element], &captures, rows.len())?;
            let after = super::native::conform(&after, &state_type)?;
            let mut picks: Vec<(usize, usize)> = (0..list.len()).map(|row| (0, row)).collect();
            for (position, row) in rows.iter().enumerate() {
                picks[*row] = (1, position);
            }
            state = interleave(&[state.as_ref(), after.as_ref()], &picks)?;
        }
        let result = output_program.run(&[state], output_captured, list.len())?;
        let result = super::native::conform(&result, &result_type)?;
        // An array that is null gives null.
        let valid = UInt32Array::from(
            (0..list.len())
                .map(|row| list.is_valid(row).then(|| position(row)).transpose())
                .collect::<Result<Vec<_>>>()?,
        );
        Ok(take(&result, &valid, None)?)
    });
    let key = format!("{} {}", step.key(), output.key());
    let mut arguments = vec![array, initial];
    arguments.extend(step.arguments());
    arguments.extend(output.arguments());
    Ok(call("reduce", key, arguments, returns, body))
}

/// `array_sort(array, (x, y) -> …)`.
pub(crate) fn sort(array: Typed, lambda: Lambda) -> Analysed {
    let lambda = lambda.compile()?;
    let program = lambda.program();
    let returns = array.ty.clone();
    let result_type = returns.clone();
    let body = by_array(move |arguments: &[ArrayRef]| -> Result<ArrayRef> {
        let (array, captures) = arguments.split_first().ok_or_else(|| failed("no array"))?;
        let list = as_list(array)?;
        let mut sorted = Vec::with_capacity(list.len());
        for row in 0..list.len() {
            if list.is_null(row) {
                sorted.push(None);
                continue;
            }
            let values = list.value(row);
            let one = UInt32Array::from(vec![position(row)?]);
            let captured = repeat(captures, &one)?;
            let mut fault = None;
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|a, b| {
                if fault.is_some() {
                    return std::cmp::Ordering::Equal;
                }
                match program.run(&[values.slice(*a, 1), values.slice(*b, 1)], &captured, 1) {
                    Ok(result) => match cell(result.as_ref(), 0) {
                        Cell::Integer(value @ -1..=1) => value.cmp(&0),
                        _ => {
                            fault = Some(failed("Lambda comparator must return either -1, 0, or 1"));
                            std::cmp::Ordering::Equal
                        }
                    },
                    Err(error) => {
                        fault = Some(error);
                        std::cmp::Ordering::Equal
                    }
                }
            });
            if let Some(fault) = fault {
                return Err(fault);
            }
            let order = order.into_iter().map(position).collect::<Result<Vec<_>>>()?;
            sorted.push(Some(take(&values, &UInt32Array::from(order), None)?));
        }
        let DataType::List(field) = result_type.arrow() else { return Err(failed("not an array")) };
        Ok(Arc::new(list_of(&field, &sorted)?))
    });
    let mut arguments = vec![array];
    arguments.extend(lambda.arguments());
    Ok(call("array_sort", lambda.key(), arguments, returns, body))
}

pub(crate) fn over_map(name: &str, map: Typed, lambda: Lambda) -> Analysed {
    let lambda = lambda.compile()?;
    let program = lambda.program();
    let Type::Map(key, value) = map.ty.clone() else {
        return Err(QueryError::Invalid(format!("{name} takes a map")));
    };
    let result = lambda.body.ty.clone();
    let returns = match name {
        "map_filter" => map.ty.clone(),
        "transform_keys" => Type::map(result, (*value).clone()),
        _ => Type::map((*key).clone(), result),
    };
    let (kind, result_type) = (name.to_owned(), returns.clone());
    let body = by_array(move |arguments: &[ArrayRef]| -> Result<ArrayRef> {
        let (map, captures) = arguments.split_first().ok_or_else(|| failed("no map"))?;
        let map = map.as_map();
        let entries = Arc::new(map.entries().clone()) as ArrayRef;
        let field = Arc::new(Field::new("element", entries.data_type().clone(), true));
        let list = ListArray::try_new(field, map.offsets().clone(), entries, map.nulls().cloned())?;
        let elements = elements(&list)?;
        let entries = elements.values.as_struct();
        let captures = repeat(captures, &elements.rows)?;
        let (keys, values) = (Arc::clone(entries.column(0)), Arc::clone(entries.column(1)));
        let parameters = [Arc::clone(&keys), Arc::clone(&values)];
        let result = program.run(&parameters, &captures, elements.rows.len())?;
        let nulls = list.nulls().cloned();
        let made = |keys: ArrayRef, values: ArrayRef, offsets: OffsetBuffer<i32>| {
            let Type::Map(key, value) = &result_type else { return Err(failed("not a map")) };
            let keys = super::native::conform(&keys, &key.arrow())?;
            let values = super::native::conform(&values, &value.arrow())?;
            super::maps::checked(keys, values, key, value, offsets, nulls.clone())
        };
        match kind.as_str() {
            "transform_keys" => made(result, values, elements.offsets),
            "transform_values" => made(keys, result, elements.offsets),
            _ => {
                let keep = result.as_boolean();
                let mut lengths = Vec::new();
                let mut kept: Vec<u32> = Vec::new();
                for row in 0..list.len() {
                    let before = kept.len();
                    let range = elements.offsets[row]..elements.offsets[row + 1];
                    kept.extend(range.map(i32::unsigned_abs).filter(|at| {
                        let at = *at as usize;
                        keep.is_valid(at) && keep.value(at)
                    }));
                    lengths.push(kept.len() - before);
                }
                let kept = UInt32Array::from(kept);
                made(take(&keys, &kept, None)?, take(&values, &kept, None)?, OffsetBuffer::from_lengths(lengths))
            }
        }
    });
    let mut arguments = vec![map];
    arguments.extend(lambda.arguments());
    Ok(call(name, lambda.key(), arguments, returns, body))
}

/// `TRY(value)`: null where the value fails.
pub(crate) fn attempt(value: Typed) -> Analysed {
    let returns = value.ty.clone();
    let lambda = Lambda { parameters: Vec::new(), body: value }.compile()?;
    let program = lambda.program();
    let result_type = returns.arrow();
    let body: super::native::Body = Arc::new(move |arguments: &[ColumnarValue], rows: usize| {
        let captures =
            arguments.iter().map(|argument| argument.clone().into_array(rows)).collect::<Result<Vec<_>>>()?;
        let all = program.run(&[], &captures, rows).and_then(|all| super::native::conform(&all, &result_type));
        match all {
            Ok(all) => return Ok(ColumnarValue::Array(all)),
            Err(error) if !is_caught(&error) => return Err(error),
            Err(_) => {}
        }
        let mut parts = Vec::with_capacity(rows);
        for row in 0..rows {
            let captures: Vec<ArrayRef> = captures.iter().map(|capture| capture.slice(row, 1)).collect();
            let part = program.run(&[], &captures, 1).and_then(|part| super::native::conform(&part, &result_type));
            parts.push(match part {
                Ok(part) => part,
                Err(error) if is_caught(&error) => datafusion::arrow::array::new_null_array(&result_type, 1),
                Err(error) => return Err(error),
            });
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        let array =
            if parts.is_empty() { datafusion::arrow::array::new_empty_array(&result_type) } else { concat(&parts)? };
        Ok(ColumnarValue::Array(array))
    });
    let arguments = lambda.arguments();
    Ok(call("try", lambda.key(), arguments, returns, body))
}
