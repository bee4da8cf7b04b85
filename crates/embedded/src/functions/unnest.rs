//! `UNNEST`: arrays and maps beside each other as one list of rows.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StructArray, UInt32Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use query::QueryError;

use super::native::{Typed, by_array, call, conform, failed, position};
use crate::error::internal;
use crate::types::{Type, row_fields};

/// What the rows are like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// The position is a column, the last.
    pub(crate) ordinality: bool,
    /// There is one row of nulls for none.
    pub(crate) outer: bool,
    /// An element that is a row is one column, not one for each field.
    pub(crate) whole_rows: bool,
}

/// The elements of all arrays by position, padded with nulls to the longest.
pub(crate) fn zip(arrays: Vec<Typed>, row: &Type, shape: Shape) -> std::result::Result<Typed, QueryError> {
    let Shape { ordinality, outer, whole_rows } = shape;
    let Type::Row(fields) = row else { return Err(internal("a row", row)) };
    let fields = row_fields(fields);
    let body = by_array(move |arrays: &[ArrayRef]| -> Result<ArrayRef> {
        let rows = arrays.first().map_or(0, |array| array.len());
        let mut lengths = vec![0_usize; rows];
        for array in arrays {
            for (row, length) in lengths.iter_mut().enumerate() {
                *length = (*length).max(range(array, row).len());
            }
        }
        let mut ordinals = Vec::new();
        for length in &mut lengths {
            match (*length, outer) {
                (0, true) => {
                    *length = 1;
                    ordinals.push(None);
                }
                (length, _) => ordinals.extend((1..).take(length).map(Some)),
            }
        }
        let mut columns: Vec<ArrayRef> = Vec::new();
        for array in arrays {
            let mut positions: Vec<Option<u32>> = Vec::with_capacity(ordinals.len());
            for (row, length) in lengths.iter().enumerate() {
                let range = range(array, row);
                for at in 0..*length {
                    positions.push((at < range.len()).then(|| position(range.start + at)).transpose()?);
                }
            }
            let positions = UInt32Array::from(positions);
            match array.data_type() {
                DataType::List(_) => {
                    let taken = take(array.as_list::<i32>().values(), &positions, None)?;
                    match taken.data_type() {
                        DataType::Struct(_) if !whole_rows => {
                            let taken = taken.as_struct();
                            for column in taken.columns() {
                                columns.push(Arc::clone(column));
                            }
                        }
                        _ => columns.push(taken),
                    }
                }
                DataType::Map(..) => {
                    let map = array.as_map();
                    columns.push(take(map.keys(), &positions, None)?);
                    columns.push(take(map.values(), &positions, None)?);
                }
                DataType::Null => {
                    columns.push(datafusion::arrow::array::new_null_array(&DataType::Null, ordinals.len()))
                }
                other => return Err(failed(format!("Cannot unnest type: {other}"))),
            }
        }
        let total = ordinals.len();
        if ordinality {
            columns.push(Arc::new(Int64Array::from(ordinals)));
        }
        let columns = columns
            .into_iter()
            .zip(&fields)
            .map(|(column, field)| conform(&column, field.data_type()))
            .collect::<Result<Vec<_>>>()?;
        let values = StructArray::try_new_with_length(fields.clone(), columns, None, total)?;
        let element = Arc::new(Field::new("element", DataType::Struct(fields.clone()), true));
        Ok(Arc::new(ListArray::try_new(element, OffsetBuffer::from_lengths(lengths), Arc::new(values), None)?))
    });
    Ok(call("unnest_rows", format!("{ordinality}{outer}{whole_rows}"), arrays, Type::array(row.clone()), body))
}

/// Where the elements of a row stand; nowhere for null.
fn range(array: &ArrayRef, row: usize) -> std::ops::Range<usize> {
    let offsets = match array.data_type() {
        DataType::List(_) if array.is_valid(row) => array.as_list::<i32>().value_offsets(),
        DataType::Map(..) if array.is_valid(row) => array.as_map().value_offsets(),
        _ => return 0..0,
    };
    // Offsets of Arrow are never negative.
    let at = |offset: i32| offset.unsigned_abs() as usize;
    at(offsets[row])..at(offsets[row + 1])
}
