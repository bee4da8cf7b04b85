//! Rows into partitions, each in the order of event time.
//!
//! The mapping fills one batch per class with rows of any day and account. [`partition`] takes it apart along partition
//! ids that the caller has worked out per row, with one sort for all of them; [`by_time`] orders a batch that is already
//! one partition. Both keep the input's order among rows of the same millisecond, so the result depends on nothing but
//! the rows.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, PrimitiveArray, RecordBatch, UInt32Array};
use arrow_schema::{ArrowError, DataType};
use arrow_select::take::take_record_batch;

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
    /// Arrow could not gather the rows.
    #[error("cannot gather rows")]
    Arrow(#[from] ArrowError),
}

/// The rows of `batch` by partition: ascending id, and within one id ascending time; rows of equal time keep their order.
///
/// `ids[row]` is the partition of that row. Nothing is copied until a partition is asked for, and a partition whose rows
/// already stand together in order is a slice of `batch`.
///
/// # Errors
/// Here: ids that are not one per row, or a `time` that is missing, not Int64 or null. Later, per partition: Arrow's.
///
/// ```
/// use std::sync::Arc;
/// use arrow_array::{Int64Array, RecordBatch};
///
/// let time = Arc::new(Int64Array::from(vec![30, 20, 10]));
/// let batch = RecordBatch::try_from_iter([("time", time as _)])?;
/// let parts = lake::partition::partition(&batch, &[7, 4, 7])?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(parts.iter().map(|(id, rows)| (*id, rows.num_rows())).collect::<Vec<_>>(), [(4, 1), (7, 2)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn partition<'a>(batch: &'a RecordBatch, ids: &[u32]) -> Result<Partitions<'a>, RowsError> {
    let times = times(batch)?;
    if ids.len() != times.len() {
        return Err(RowsError::IdCount { ids: ids.len(), rows: times.len() });
    }
    let rows = 0..row_count(batch)?;
    let mut order: Vec<(u32, i64, u32)> =
        ids.iter().zip(times).zip(rows).map(|((&id, &time), row)| (id, time, row)).collect();
    // The row number makes every element different, so that an unstable sort is a stable one.
    order.sort_unstable();
    Ok(Partitions { batch, order, next: 0 })
}

/// `batch` in ascending order of time; rows of equal time keep their order. A batch in order is not copied.
///
/// # Errors
/// A `time` that is missing, not Int64 or null; Arrow's.
pub fn by_time(batch: &RecordBatch) -> Result<RecordBatch, RowsError> {
    let times = times(batch)?;
    if times.is_sorted() {
        return Ok(batch.clone());
    }
    let mut order: Vec<(i64, u32)> = times.iter().copied().zip(0..row_count(batch)?).collect();
    order.sort_unstable();
    gather(batch, order.iter().map(|&(_, row)| row))
}

/// The partitions of a batch, gathered one by one. Made by [`partition`].
#[derive(Debug)]
pub struct Partitions<'a> {
    batch: &'a RecordBatch,
    /// Every row as (partition, time, row number), sorted.
    order: Vec<(u32, i64, u32)>,
    /// Where in `order` the next partition begins.
    next: usize,
}

impl Iterator for Partitions<'_> {
    type Item = Result<(u32, RecordBatch), RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.order.get(self.next..)?;
        let id = rest.first()?.0;
        let part = &rest[..rest.partition_point(|&(other, ..)| other == id)];
        self.next += part.len();
        Some(gather(self.batch, part.iter().map(|&(.., row)| row)).map(|rows| (id, rows)))
    }
}

/// Event times of all rows.
pub(crate) fn times(batch: &RecordBatch) -> Result<&[i64], RowsError> {
    let column = batch.column_by_name(TIME).ok_or(RowsError::NoTime)?;
    let times: &PrimitiveArray<Int64Type> =
        column.as_primitive_opt().ok_or_else(|| RowsError::TimeType(column.data_type().clone()))?;
    match times.nulls() {
        Some(nulls) if nulls.null_count() > 0 => {
            Err(RowsError::NullTime(nulls.iter().position(|valid| !valid).unwrap_or_default()))
        }
        _ => Ok(times.values()),
    }
}

fn row_count(batch: &RecordBatch) -> Result<u32, RowsError> {
    u32::try_from(batch.num_rows()).map_err(|_| RowsError::TooManyRows(batch.num_rows()))
}

/// The given rows of `batch`, without a copy where they stand together already.
fn gather(batch: &RecordBatch, rows: impl ExactSizeIterator<Item = u32> + Clone) -> Result<RecordBatch, RowsError> {
    match run(rows.clone()) {
        Some(run) => Ok(batch.slice(run.start, run.len())),
        None => Ok(take_record_batch(batch, &UInt32Array::from_iter_values(rows))?),
    }
}

/// The range that `rows` is, if each is one more than the one before.
fn run(mut rows: impl ExactSizeIterator<Item = u32>) -> Option<Range<usize>> {
    let len = rows.len();
    let first = rows.next()?;
    let together = rows.zip(first + 1..).all(|(row, expected)| row == expected);
    together.then(|| first as usize..first as usize + len)
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
    fn expected(times: &[i64], ids: &[u32]) -> Vec<(u32, Vec<i64>)> {
        let mut distinct = ids.to_vec();
        distinct.sort();
        distinct.dedup();
        let rows_of = |id: u32| {
            let mut rows: Vec<usize> = (0..times.len()).filter(|&row| ids[row] == id).collect();
            rows.sort_by_key(|&row| times[row]);
            rows.into_iter().map(|row| row as i64).collect()
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
            let batch = batch_of(&times);
            let parts: Vec<_> = partition(&batch, &ids).unwrap().map(Result::unwrap).collect();
            let got: Vec<_> = parts.iter().map(|(id, rows)| (*id, sample::numbers(rows))).collect();
            prop_assert_eq!(got, expected(&times, &ids));
            for (_, rows) in &parts {
                sample::check_numbered(rows);
            }
        }

        #[test]
        fn ordering_by_time_is_stable(times in proptest::collection::vec(-3..3_i64, 0..60)) {
            let sorted = by_time(&batch_of(&times)).unwrap();
            let expected = expected(&times, &vec![0; times.len()]).pop().map(|(_, rows)| rows).unwrap_or_default();
            prop_assert_eq!(sample::numbers(&sorted), expected);
            sample::check_numbered(&sorted);
        }
    }

    #[test]
    fn rows_in_order_are_not_copied() {
        let batch = batch_of(&[1, 2, 2, 3]);
        let address = |batch: &RecordBatch| times(batch).unwrap().as_ptr();
        assert_eq!(address(&by_time(&batch).unwrap()), address(&batch));
        let parts: Vec<_> = partition(&batch, &[0, 0, 1, 1]).unwrap().map(Result::unwrap).collect();
        assert_eq!(address(&parts[0].1), address(&batch));
    }

    #[test]
    fn rows_without_a_usable_time_are_refused() {
        let with = |column: Int64Array| {
            RecordBatch::try_from_iter_with_nullable([(TIME, Arc::new(column) as _, true)]).unwrap()
        };
        assert!(matches!(by_time(&with(Int64Array::from(vec![Some(1), None]))), Err(RowsError::NullTime(1))));
        let text = arrow_array::StringArray::from(vec!["1"]);
        let text = RecordBatch::try_from_iter([(TIME, Arc::new(text) as _)]).unwrap();
        assert!(matches!(by_time(&text), Err(RowsError::TimeType(DataType::Utf8))));
        let other = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as _)]).unwrap();
        assert!(matches!(partition(&other, &[0]), Err(RowsError::NoTime)));
        assert!(matches!(partition(&batch_of(&[1, 2]), &[0]), Err(RowsError::IdCount { ids: 1, rows: 2 })));
    }
}
