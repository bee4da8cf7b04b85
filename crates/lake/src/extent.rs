//! How many bytes a range of rows takes in each leaf column once it is written without compression.
//!
//! The Parquet writer looks at its page limit only after it has taken a batch of values, so whoever wants to keep the
//! limit must hand over little enough at a time. [`Leaf::bytes`] answers "how much is that" for any range of rows in
//! O(nesting depth), from the offsets that Arrow keeps anyway.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};

/// One leaf column of a batch: the lists that lead to it, and its values.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    /// Dotted path, with `[]` after each list.
    pub(crate) path: String,
    /// Offsets of each list on the way, outermost first. Each maps positions of one level to positions of the next.
    lists: Vec<&'a [i32]>,
    values: Values<'a>,
}

#[derive(Debug)]
enum Values<'a> {
    /// Values of equal size, in bytes, in Parquet's plain encoding.
    Fixed(u64),
    /// Texts, by their offsets.
    Text(&'a [i32]),
}

/// A column whose Arrow type has no place in the lake.
#[derive(Debug)]
pub(crate) struct UnsupportedType {
    pub(crate) column: String,
    pub(crate) data_type: DataType,
}

/// What one definition and one repetition level may take together: each is packed into fewer than 8 bits.
const LEVEL_BYTES: u64 = 2;
/// What stands before each text in the plain encoding.
const TEXT_LENGTH_BYTES: u64 = 4;

/// The leaf columns of `batch`, in the order in which Parquet stores them.
pub(crate) fn leaves(batch: &RecordBatch) -> Result<Vec<Leaf<'_>>, UnsupportedType> {
    let mut leaves = Vec::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        collect(field.name().clone(), column, &[], &mut leaves)?;
    }
    Ok(leaves)
}

fn collect<'a>(
    path: String,
    array: &'a ArrayRef,
    lists: &[&'a [i32]],
    leaves: &mut Vec<Leaf<'a>>,
) -> Result<(), UnsupportedType> {
    let values = match array.data_type() {
        DataType::Struct(fields) => {
            for (field, child) in fields.iter().zip(array.as_struct().columns()) {
                collect(format!("{path}.{}", field.name()), child, lists, leaves)?;
            }
            return Ok(());
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let lists = [lists, &[list.value_offsets()]].concat();
            return collect(format!("{path}[]"), list.values(), &lists, leaves);
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let lists = [lists, &[map.value_offsets()]].concat();
            for (field, child) in map.entries().fields().iter().zip(map.entries().columns()) {
                collect(format!("{path}[].{}", field.name()), child, &lists, leaves)?;
            }
            return Ok(());
        }
        DataType::Boolean => Values::Fixed(1),
        DataType::Int32 => Values::Fixed(4),
        DataType::Int64 | DataType::Float64 | DataType::Timestamp(TimeUnit::Millisecond, _) => Values::Fixed(8),
        DataType::Utf8 => Values::Text(array.as_string::<i32>().value_offsets()),
        other => {
            return Err(UnsupportedType { column: path, data_type: other.clone() });
        }
    };
    leaves.push(Leaf { path, lists: lists.to_vec(), values });
    Ok(())
}

impl Leaf<'_> {
    /// At most how many bytes the values and levels of `rows` take, in any encoding that the writer may choose.
    pub(crate) fn bytes(&self, rows: Range<usize>) -> u64 {
        let mut range = rows;
        // An empty list has no item, but a level of its own.
        let mut levels = range.len();
        for offsets in &self.lists {
            range = offsets[range.start] as usize..offsets[range.end] as usize;
            levels += range.len();
        }
        let values = match self.values {
            Values::Fixed(width) => width * range.len() as u64,
            Values::Text(offsets) => {
                let text = (offsets[range.end] - offsets[range.start]) as u64;
                text + TEXT_LENGTH_BYTES * range.len() as u64
            }
        };
        values + LEVEL_BYTES * levels as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn bytes_are_those_of_the_range_asked_for_also_in_a_slice() {
        let batch = sample::numbered(&[0; 12]);
        let slice = batch.slice(2, 7);
        let (whole, part) = (leaves(&batch).unwrap(), leaves(&slice).unwrap());
        assert_eq!(whole.len(), 13);
        for (whole, part) in whole.iter().zip(&part) {
            assert_eq!(whole.bytes(2..9), part.bytes(0..7), "{}", whole.path);
            assert_eq!(whole.bytes(0..12), (0..12).map(|row| whole.bytes(row..row + 1)).sum::<u64>(), "{}", whole.path);
        }
        let bytes = |path: &str, row: usize| whole.iter().find(|leaf| leaf.path == path).unwrap().bytes(row..row + 1);
        assert_eq!(bytes("time", 0), 8 + 2);
        assert_eq!(bytes("process.file.path", 1), "C:\\Windows\\1.exe".len() as u64 + 4 + 2);
        // Row 3 has three observables "3.0", "3.1", "3.2".
        assert_eq!(bytes("observables[].name", 3), 3 * (3 + 4 + 2) + 2);
        // Row 8 has two unmapped values "8".
        assert_eq!(bytes("unmapped[].value", 8), 2 * (1 + 4 + 2) + 2);
    }
}
