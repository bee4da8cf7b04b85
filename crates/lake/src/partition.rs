//! Rows into partitions, each in the order of event time.
//!
//! The mapping fills one batch per class with rows of any day and account. [`partition`] takes it apart along partition
//! ids that the caller has worked out per row, with one sort for all of them; [`sort_by_time`] orders the rows of one. Both
//! keep the input's order among rows of the same millisecond, so the result depends on nothing but the rows. Rows are
//! numbers here: nothing is copied before it is encoded.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, PrimitiveArray, RecordBatch};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;

/// The column of event time: Int64, milliseconds since 1970-01-01T00:00:00Z.
pub(crate) const TIME: &str = "time";

/// Why rows cannot be ordered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// There is no column `time` at the top level.
    #[error("the batch has no column `time`")]
    NoTime,
    /// `time` is not an Int64.
    #[error("the column `time` is {0}, not Int64")]
    TimeType(DataType),
    /// A row has no time.
    #[error("row {0} has no time")]
    NullTime(usize),
    /// There is not one partition id for each row.
    #[error("{ids} partition ids for {rows} rows")]
    IdCount {
        /// Ids given.
        ids: usize,
        /// Rows of the batch.
        rows: usize,
    },
    /// More rows than a 32-bit row number can name.
    #[error("{0} rows are too many for one batch")]
    TooManyRows(usize),
}

/// The rows of `batch` by partition: ascending id, and within one id ascending time; rows of equal time keep their order.
///
/// `ids[row]` is the partition of that row.
///
/// # Errors
/// Ids that are not one per row, or a `time` that is missing, not Int64 or null.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Int64Array, RecordBatch};
///
/// let time = Arc::new(Int64Array::from(vec![30, 20, 10]));
/// let batch = RecordBatch::try_from_iter([("time", time as _)])?;
/// assert_eq!(lake::partition::partition(&batch, &[7, 4, 7])?, [(4, vec![1]), (7, vec![2, 0])]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn partition(batch: &RecordBatch, ids: &[u32]) -> Result<Vec<(u32, Vec<u32>)>, RowsError> {
    let times = times(batch)?;
    if ids.len() != times.len() {
        return Err(RowsError::IdCount { ids: ids.len(), rows: times.len() });
    }
    let id = |row: &u32| ids[*row as usize];
    let mut order = rows(batch)?;
    order.sort_by_key(|row| (id(row), times[*row as usize]));
    Ok(order.chunk_by(|a, b| id(a) == id(b)).map(|rows| (id(&rows[0]), rows.to_vec())).collect())
}

/// The numbers of all rows.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<u32>, RowsError> {
    let rows = u32::try_from(batch.num_rows()).map_err(|_| RowsError::TooManyRows(batch.num_rows()))?;
    Ok((0..rows).collect())
}

/// Puts rows in ascending order of time; rows of equal time keep their order.
pub(crate) fn sort_by_time(times: &[i64], rows: &mut [u32]) {
    // Rows are mostly in order, or nearly so, which this sort makes use of.
    rows.sort_by_key(|row| times[*row as usize]);
}

/// Event times of all rows.
///
/// # Errors
/// A `time` that is missing, not Int64 or null.
pub(crate) fn times(batch: &RecordBatch) -> Result<ScalarBuffer<i64>, RowsError> {
    let column = batch.column_by_name(TIME).ok_or(RowsError::NoTime)?;
    let times: &PrimitiveArray<Int64Type> =
        column.as_primitive_opt().ok_or_else(|| RowsError::TimeType(column.data_type().clone()))?;
    match times.nulls() {
        Some(nulls) if nulls.null_count() > 0 => {
            Err(RowsError::NullTime(nulls.iter().position(|valid| !valid).unwrap_or_default()))
        }
        _ => Ok(times.values().clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use arrow_array::Int64Array;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn batch_of(times: &[i64]) -> RecordBatch {
        sample::numbered(times)
    }

    /// What `partition` promises, said in the plainest way.
    fn expected(times: &[i64], ids: &[u32]) -> Vec<(u32, Vec<u32>)> {
        let mut distinct = ids.to_vec();
        distinct.sort();
        distinct.dedup();
        let rows_of = |id: u32| {
            let mut rows: Vec<usize> = (0..times.len()).filter(|&row| ids[row] == id).collect();
            rows.sort_by_key(|&row| times[row]);
            rows.into_iter().map(|row| row as u32).collect()
        };
        distinct.into_iter().map(|id| (id, rows_of(id))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_row_comes_out_once_in_its_partition_in_order_of_time_then_input(
            rows in proptest::collection::vec((0..4_u32, -3..3_i64), 0..60),
        ) {
            let (ids, times): (Vec<u32>, Vec<i64>) = rows.into_iter().unzip();
            prop_assert_eq!(partition(&batch_of(&times), &ids).unwrap(), expected(&times, &ids));
        }

        #[test]
        fn ordering_by_time_is_stable(times in proptest::collection::vec(-3..3_i64, 0..60)) {
            let batch = batch_of(&times);
            let mut sorted = rows(&batch).unwrap();
            sort_by_time(&super::times(&batch).unwrap(), &mut sorted);
            let expected = expected(&times, &vec![0; times.len()]).pop().map(|(_, rows)| rows).unwrap_or_default();
            prop_assert_eq!(sorted, expected);
        }
    }

    #[test]
    fn rows_without_a_usable_time_are_refused() {
        let with = |column: Int64Array| {
            RecordBatch::try_from_iter_with_nullable([(TIME, Arc::new(column) as _, true)]).unwrap()
        };
        assert!(matches!(
            partition(&with(Int64Array::from(vec![Some(1), None])), &[0, 0]),
            Err(RowsError::NullTime(1))
        ));
        let text = arrow_array::StringArray::from(vec!["1"]);
        let text = RecordBatch::try_from_iter([(TIME, Arc::new(text) as _)]).unwrap();
        assert!(matches!(partition(&text, &[0]), Err(RowsError::TimeType(DataType::Utf8))));
        let other = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
        assert!(matches!(partition(&other, &[0]), Err(RowsError::NoTime)));
        assert!(matches!(partition(&batch_of(&[1, 2]), &[0]), Err(RowsError::IdCount { ids: 1, rows: 2 })));
    }
}
