//! Chains of operators that are too long for a tree of the plan.
//!
//! The optimizer walks an expression by recursion, and many times. `1 + 1 + …` of thousands of terms is therefore not a tree
//! of thousands of levels: blocks of it are calls of one function, which works from the left as the tree would.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;

use super::lambdas::Program;
use super::native::{Body, Cell, Out, Typed, by_row, call, conform, failed, mistake, strict};
use crate::types::Type;

/// Operators of a block at least; a block's arguments are in memory at the same time.
const BLOCK: usize = 256;
/// Blocks of a chain at most: each is a level of the plan.
const MAX_BLOCKS: usize = 32;

/// An operator of a chain: what it makes of the value so far and of its right side.
#[derive(Clone)]
pub(crate) struct Step {
    /// What tells it from other operators.
    pub(crate) name: Arc<str>,
    pub(crate) program: Program,
    /// The type of its result.
    pub(crate) ty: Type,
}

/// `first`, then each step with its right side.
pub(crate) fn chain(first: Typed, steps: Vec<(Step, Typed)>) -> Typed {
    let size = BLOCK.max(steps.len().div_ceil(MAX_BLOCKS));
    let mut value = first;
    let mut steps = steps.into_iter().peekable();
    while steps.peek().is_some() {
        value = block(value, steps.by_ref().take(size).collect());
    }
    value
}

fn block(first: Typed, steps: Vec<(Step, Typed)>) -> Typed {
    let returns = steps.last().map_or_else(|| first.ty.clone(), |(step, _)| step.ty.clone());
    let is_text = |value: &Typed| value.ty == Type::Varchar;
    let texts = is_text(&first) && steps.iter().all(|(step, right)| step.ty == Type::Varchar && is_text(right));
    let mut key = String::new();
    let mut times = 0_usize;
    for (at, (step, _)) in steps.iter().enumerate() {
        times += 1;
        if steps.get(at + 1).is_none_or(|(next, _)| next.name != step.name) {
            key.push_str(&format!("{times} {};", step.name));
            times = 0;
        }
    }
    let (steps, rights): (Vec<Step>, Vec<Typed>) = steps.into_iter().unzip();
    let mut arguments = vec![first];
    arguments.extend(rights);
    if texts {
        let body = strict(&Type::Varchar, |cells| {
            let parts = cells.iter().map(Cell::text).collect::<Result<Vec<_>>>()?;
            Ok(Out::Text(parts.concat()))
        });
        return call("chain", key, arguments, returns, body);
    }
    let types: Vec<_> = steps.iter().map(|step| step.ty.arrow()).collect();
    let body: Body = Arc::new(move |arguments: &[ColumnarValue], rows: usize| -> Result<ColumnarValue> {
        let constant = arguments.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { rows };
        let Some((first, rights)) = arguments.split_first() else { return Err(failed("no operands")) };
        let mut value = first.clone().into_array(rows)?;
        for ((step, ty), right) in steps.iter().zip(&types).zip(rights) {
            // One at a time: a constant as an array of all rows is large.
            let right = right.clone().into_array(rows)?;
            value = conform(&step.program.run(&[value, right], &[], rows)?, ty)?;
        }
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&value, 0)?));
        }
        Ok(ColumnarValue::Array(value))
    });
    call("chain", key, arguments, returns, body)
}

/// Whether all of the values are true; unknown if none is false and one is null.
pub(crate) fn all(values: Vec<Typed>) -> Typed {
    let body = by_row(&Type::Boolean, |cells| {
        let mut unknown = false;
        for cell in cells {
            match cell {
                Cell::Boolean(true) => {}
                Cell::Boolean(false) => return Ok(Out::Boolean(false)),
                Cell::Null => unknown = true,
                other => return Err(mistake("a boolean", other.kind())),
            }
        }
        Ok(if unknown { Out::Null } else { Out::Boolean(true) })
    });
    call("all", "", values, Type::Boolean, body)
}

/// Whether `value`, a double or real, is one of `list`, as `value = a OR value = b OR …` says it.
pub(crate) fn is_one_of(value: Typed, list: &[Option<f64>]) -> Typed {
    // Zero has one value, and NaN is equal to nothing.
    let bits = |number: f64| if number == 0.0 { 0 } else { number.to_bits() };
    let numbers: HashSet<u64> = list.iter().flatten().filter(|number| !number.is_nan()).map(|it| bits(*it)).collect();
    let has_null = list.contains(&None);
    let key = format!("{list:?}");
    let body = strict(&Type::Boolean, move |cells| {
        Ok(match numbers.contains(&bits(cells[0].double()?)) {
            true => Out::Boolean(true),
            false if has_null => Out::Null,
            false => Out::Boolean(false),
        })
    });
    call("is_one_of", key, vec![value], Type::Boolean, body)
}
