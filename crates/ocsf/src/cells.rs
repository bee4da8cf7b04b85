//! The values of a column under construction. Rows without a value take no space.

use arrow_array::PrimitiveArray;
use arrow_array::types::ArrowPrimitiveType;
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;

/// The values of a column. Memory and form are reused from batch to batch: a column with a value in every row of one
/// batch most likely has one in every row of the next.
#[derive(Debug)]
pub(crate) enum Cells<T> {
    /// Every row so far has a value.
    Dense(Vec<T>),
    /// The values with their row numbers, ascending.
    Sparse(Vec<(u32, T)>),
}

impl<T: Copy + Default> Cells<T> {
    pub(crate) fn new() -> Self {
        Self::Dense(Vec::new())
    }

    #[inline]
    pub(crate) fn push(&mut self, row: u32, value: T) {
        match self {
            Self::Dense(values) if values.len() == row as usize => values.push(value),
            Self::Sparse(values) => values.push((row, value)),
            Self::Dense(_) => self.push_behind_gap(row, value),
        }
    }

    #[cold]
    fn push_behind_gap(&mut self, row: u32, value: T) {
        if let Self::Dense(values) = self {
            let mut sparse: Vec<_> = (0..).zip(values.iter().copied()).collect();
            sparse.push((row, value));
            *self = Self::Sparse(sparse);
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Dense(values) => values.len(),
            Self::Sparse(values) => values.len(),
        }
    }

    #[inline]
    pub(crate) fn last(&self) -> Option<T> {
        match self {
            Self::Dense(values) => values.last().copied(),
            Self::Sparse(values) => values.last().map(|(_, value)| *value),
        }
    }

    /// A value for each of `rows` rows.
    pub(crate) fn values(&self, rows: usize) -> Vec<T> {
        let mut values = Vec::with_capacity(rows);
        match self {
            Self::Dense(dense) => {
                values.extend_from_slice(dense);
                values.resize(rows, T::default());
            }
            Self::Sparse(sparse) => {
                values.resize(rows, T::default());
                for (row, value) in sparse {
                    values[*row as usize] = *value;
                }
            }
        }
        values
    }

    /// The validity bitmap for `rows` rows; `None` if every row has a value.
    pub(crate) fn nulls(&self, rows: usize) -> Option<NullBuffer> {
        if self.len() == rows {
            return None;
        }
        let mut bits = vec![0u8; rows.div_ceil(8)];
        match self {
            Self::Dense(values) => {
                let (whole, rest) = (values.len() / 8, values.len() % 8);
                bits[..whole].fill(u8::MAX);
                bits[whole] = (1 << rest) - 1;
            }
            Self::Sparse(values) => {
                for (row, _) in values {
                    bits[*row as usize / 8] |= 1 << (row % 8);
                }
            }
        }
        Some(NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(bits), 0, rows)))
    }

    /// Removes all values.
    pub(crate) fn clear(&mut self, rows: usize) {
        match self {
            Self::Dense(values) => values.clear(),
            Self::Sparse(values) if values.len() == rows => *self = Self::new(),
            Self::Sparse(values) => values.clear(),
        }
    }

    pub(crate) fn finish<A>(&mut self, rows: usize) -> Result<PrimitiveArray<A>, ArrowError>
    where
        A: ArrowPrimitiveType<Native = T>,
        T: ArrowNativeType,
    {
        let array = PrimitiveArray::try_new(ScalarBuffer::from(self.values(rows)), self.nulls(rows));
        self.clear(rows);
        array
    }
}

impl Cells<i32> {
    /// Of ends of ranges, where each row's range begins, and where the last ends.
    pub(crate) fn offsets(&self, rows: usize) -> OffsetBuffer<i32> {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        match self {
            Self::Dense(ends) => offsets.extend_from_slice(ends),
            Self::Sparse(ends) => {
                let mut last = 0;
                for (row, end) in ends {
                    offsets.resize(*row as usize + 1, last);
                    last = *end;
                    offsets.push(last);
                }
            }
        }
        offsets.resize(rows + 1, offsets[offsets.len() - 1]);
        OffsetBuffer::new(ScalarBuffer::from(offsets))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array as _;
    use arrow_array::types::Int64Type;
    use proptest::prelude::*;

    use super::*;

    /// A column with these values, null where there is none, as `cells` finish it.
    fn finish(cells: &mut Cells<i64>, values: &[Option<i64>]) -> Vec<Option<i64>> {
        for (row, value) in (0..).zip(values) {
            if let Some(value) = value {
                cells.push(row, *value);
            }
        }
        let array = cells.finish::<Int64Type>(values.len()).unwrap();
        assert_eq!(array.nulls().is_some(), values.contains(&None));
        array.iter().collect()
    }

    proptest! {
        #[test]
        fn batch_after_batch_every_value_is_in_its_row(
            batches in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<i64>().prop_map(Some), 0..20),
                    proptest::collection::vec(proptest::option::of(any::<i64>()), 0..20),
                    // Present up to a row, as where an optional attribute is missing at the end.
                    (0..20usize, 0..20usize).prop_map(|(there, not)| [vec![Some(7); there], vec![None; not]].concat()),
                ],
                1..6,
            ),
        ) {
            let mut cells = Cells::new();
            for values in &batches {
                prop_assert_eq!(&finish(&mut cells, values), values);
            }
        }

        #[test]
        fn a_row_without_a_range_has_an_empty_one(
            batches in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![3 => Just(Some(2)), 1 => proptest::option::of(0..5i32)], 0..20),
                1..4,
            ),
        ) {
            let mut ends = Cells::new();
            for lengths in &batches {
                let mut end = 0;
                let mut expected = vec![0];
                for (row, length) in (0..).zip(lengths) {
                    if let Some(length) = length {
                        end += length;
                        ends.push(row, end);
                    }
                    expected.push(end);
                }
                prop_assert_eq!(&ends.offsets(lengths.len())[..], &expected[..]);
                ends.clear(lengths.len());
            }
        }
    }
}
