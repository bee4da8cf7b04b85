//! When two values of any type are equal.

use datafusion::arrow::array::{Array, AsArray};

use super::native::{Cell, cell};
use crate::types::Type;

/// Whether two values are equal; unknown if that depends on a null.
pub(crate) fn structural(a: &dyn Array, i: usize, b: &dyn Array, j: usize, ty: &Type) -> Option<bool> {
    if a.is_null(i) || b.is_null(j) {
        return None;
    }
    let all = |parts: &mut dyn Iterator<Item = Option<bool>>| {
        let mut unknown = false;
        for part in parts {
            match part {
                Some(false) => return Some(false),
                None => unknown = true,
                Some(true) => {}
            }
        }
        if unknown { None } else { Some(true) }
    };
    match ty {
        Type::Array(element) => {
            let (a, b) = (a.as_list::<i32>().value(i), b.as_list::<i32>().value(j));
            if a.len() != b.len() {
                return Some(false);
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
                return Some(false);
            }
            all(&mut (0..a.len()).map(|at| {
                let same = |other: &usize| {
                    structural(a.column(0).as_ref(), at, b.column(0).as_ref(), *other, key) == Some(true)
                };
                match (0..b.len()).find(same) {
                    Some(other) => structural(a.column(1).as_ref(), at, b.column(1).as_ref(), other, value),
                    None => Some(false),
                }
            }))
        }
        Type::Unknown => None,
        _ => Some(same_cell(&cell(a, i), &cell(b, j))),
    }
}

#[expect(clippy::float_cmp, reason = "equality of doubles is what is asked for")]
pub(crate) fn same_cell(a: &Cell<'_>, b: &Cell<'_>) -> bool {
    match (a, b) {
        (Cell::Boolean(a), Cell::Boolean(b)) => a == b,
        (Cell::Integer(a), Cell::Integer(b)) => a == b,
        (Cell::Double(a), Cell::Double(b)) => a == b,
        (Cell::Decimal(a), Cell::Decimal(b)) => a == b,
        (Cell::Text(a), Cell::Text(b)) => a == b,
        (Cell::Bytes(a), Cell::Bytes(b)) => a == b,
        _ => false,
    }
}
