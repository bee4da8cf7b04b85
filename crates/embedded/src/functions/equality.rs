//! When two values of any type are equal.

use datafusion::arrow::array::{Array, AsArray};
use datafusion::common::Result;

use super::native::{Cell, cell, mistake};
use crate::types::Type;

/// Whether two values are equal; unknown if that depends on a null.
pub(crate) fn structural(a: &dyn Array, i: usize, b: &dyn Array, j: usize, ty: &Type) -> Result<Option<bool>> {
    if a.is_null(i) || b.is_null(j) {
        return Ok(None);
    }
    let all = |parts: &mut dyn Iterator<Item = Result<Option<bool>>>| {
        let mut unknown = false;
        for part in parts {
            match part? {
                Some(false) => return Ok(Some(false)),
                None => unknown = true,
                Some(true) => {}
            }
        }
        Ok(if unknown { None } else { Some(true) })
    };
    match ty {
        Type::Array(element) => {
            let (a, b) = (a.as_list::<i32>().value(i), b.as_list::<i32>().value(j));
            if a.len() != b.len() {
                return Ok(Some(false));
            }
            all(&mut (0..a.len()).map(|at| structural(a.as_ref(), at, b.as_ref(), at, element)))
        }
        Type::Row(fields) => {
            let (a, b) = (a.as_struct(), b.as_struct());
            all(&mut fields
                .iter()
                .enumerate()
                .map(|(at, (_, field))| structural(a.column(at).as_ref(), i, b.column(at).as_ref(), j, field)))
        }
        Type::Map(key, value) => {
            let (a, b) = (a.as_map().value(i), b.as_map().value(j));
            if a.len() != b.len() {
                return Ok(Some(false));
            }
            all(&mut (0..a.len()).map(|at| {
                for other in 0..b.len() {
                    if is_equal(a.column(0).as_ref(), at, b.column(0).as_ref(), other, key)? {
                        return structural(a.column(1).as_ref(), at, b.column(1).as_ref(), other, value);
                    }
                }
                Ok(Some(false))
            }))
        }
        Type::Unknown => Ok(None),
        _ => same_cell(&cell(a, i), &cell(b, j)).map(Some),
    }
}

/// Whether two values are known to be equal.
pub(crate) fn is_equal(a: &dyn Array, i: usize, b: &dyn Array, j: usize, ty: &Type) -> Result<bool> {
    Ok(structural(a, i, b, j, ty)? == Some(true))
}

/// The first position for which `holds`.
pub(crate) fn first<T: Copy>(
    mut places: impl Iterator<Item = T>,
    holds: impl Fn(T) -> Result<bool>,
) -> Result<Option<T>> {
    places.find_map(|at| holds(at).map(|found| found.then_some(at)).transpose()).transpose()
}

#[expect(clippy::float_cmp, reason = "equality of doubles is what is asked for")]
fn same_cell(a: &Cell<'_>, b: &Cell<'_>) -> Result<bool> {
    Ok(match (a, b) {
        (Cell::Boolean(a), Cell::Boolean(b)) => a == b,
        (Cell::Integer(a), Cell::Integer(b)) => a == b,
        (Cell::Double(a), Cell::Double(b)) => a == b,
        (Cell::Decimal(a), Cell::Decimal(b)) => a == b,
        (Cell::Text(a), Cell::Text(b)) => a == b,
        (Cell::Bytes(a), Cell::Bytes(b)) => a == b,
        (a, b) => return Err(mistake(a.kind(), b.kind())),
    })
}
