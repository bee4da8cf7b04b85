//! The leaf columns of a batch: what leads to them, their values, and what these take once they are written.
//!
//! Parquet stores a leaf as its values and, for each place where one could be, two levels: how far the path to the leaf is
//! there (definition) and at which list it goes on (repetition). [`Leaf::levels`] works them out for any rows, in any
//! order. [`Leaf::bytes`] says how large a range of rows will be at most, in O(nesting depth), from the offsets that Arrow
//! keeps anyway.
//!
//! A leaf shares the batch's buffers. Whatever takes a look at all rows is done when it is made, so that the work for
//! some rows depends on these rows only.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, TimeUnit};

use crate::hybrid::is_run;

/// One leaf column of a batch.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// From the column at the top down to the leaf.
    steps: Vec<Step>,
    pub(crate) values: Values,
    /// Whether the batch has but one value, those at null positions counted.
    pub(crate) is_constant: bool,
}

/// A field on the way to a leaf, or the leaf itself.
#[derive(Debug, Clone)]
struct Step {
    /// None of the items of a list, which have no name of their own.
    name: Option<String>,
    is_nullable: bool,
    nulls: Option<NullBuffer>,
    /// Where the items of each of its lists are, if it is one.
    items: Option<OffsetBuffer<i32>>,
}

/// The values of a leaf, null or not.
#[derive(Debug)]
pub(crate) enum Values {
    Boolean(BooleanArray),
    Int32(ScalarBuffer<i32>),
    Int64(ScalarBuffer<i64>),
    Float64(ScalarBuffer<f64>),
    Text(Texts),
}

/// Texts, in a dictionary or not.
#[derive(Debug)]
pub(crate) struct Texts {
    texts: StringArray,
    /// Bytes of the longest text.
    longest: u64,
    /// The text of each position, if it is not the one there.
    pub(crate) keys: Option<ScalarBuffer<i32>>,
    /// Positions without one, whose keys say nothing.
    nulls: Option<NullBuffer>,
}

/// Where a leaf has values, and where not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Levels {
    /// A definition level for each place.
    pub(crate) definitions: Vec<u8>,
    /// A repetition level for each place; none if no list leads to the leaf. Rows begin at 0.
    pub(crate) repetitions: Vec<u8>,
    /// The places that have a value, as positions in [`Values`].
    pub(crate) values: Vec<u32>,
    /// The definition level of a value.
    pub(crate) max_definition: u8,
    /// Lists that lead to the leaf.
    pub(crate) max_repetition: u8,
    /// How many of the places go on so far.
    reach: Reach,
}

/// Most columns are there in every row of an object or in none, and these need not be looked at row by row.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Reach {
    #[default]
    All,
    Some,
    None,
}

/// A column whose Arrow type has no place in the lake.
#[derive(Debug)]
pub(crate) struct UnsupportedType {
    pub(crate) column: String,
    pub(crate) data_type: DataType,
}

/// What one definition and one repetition level may take together: each is packed into fewer than 8 bits.
pub(crate) const LEVEL_BYTES: u64 = 2;
/// What stands before each text in the plain encoding.
const TEXT_LENGTH_BYTES: u64 = 4;

/// The leaf columns of `batch`, in the order in which Parquet stores them.
pub(crate) fn leaves(batch: &RecordBatch) -> Result<Vec<Leaf>, UnsupportedType> {
    let mut leaves = Vec::new();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        collect(Some(field.name()), field, column, &[], &mut leaves)?;
    }
    Ok(leaves)
}

fn collect(
    name: Option<&str>,
    field: &Field,
    array: &ArrayRef,
    above: &[Step],
    leaves: &mut Vec<Leaf>,
) -> Result<(), UnsupportedType> {
    let below = |items: Option<&OffsetBuffer<i32>>| {
        let step = Step {
            name: name.map(str::to_owned),
            is_nullable: field.is_nullable(),
            nulls: array.nulls().cloned(),
            items: items.cloned(),
        };
        [above, &[step]].concat()
    };
    let values = match array.data_type() {
        DataType::Struct(fields) => {
            let steps = below(None);
            for (field, child) in fields.iter().zip(array.as_struct().columns()) {
                collect(Some(field.name()), field, child, &steps, leaves)?;
            }
            return Ok(());
        }
        DataType::List(element) => {
            let list = array.as_list::<i32>();
            return collect(None, element, list.values(), &below(Some(list.offsets())), leaves);
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let steps = below(Some(map.offsets()));
            for (field, child) in map.entries().fields().iter().zip(map.entries().columns()) {
                collect(Some(field.name()), field, child, &steps, leaves)?;
            }
            return Ok(());
        }
        DataType::Boolean => Values::Boolean(array.as_boolean().clone()),
        DataType::Int32 => Values::Int32(array.as_primitive::<Int32Type>().values().clone()),
        DataType::Int64 => Values::Int64(array.as_primitive::<Int64Type>().values().clone()),
        DataType::Float64 => Values::Float64(array.as_primitive::<Float64Type>().values().clone()),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Values::Int64(array.as_primitive::<TimestampMillisecondType>().values().clone())
        }
        DataType::Utf8 => Values::Text(Texts::plain(array.as_string().clone())),
        DataType::Dictionary(key, text) if **key == DataType::Int32 && **text == DataType::Utf8 => {
            let dictionary = array.as_dictionary::<Int32Type>();
            Values::Text(Texts {
                keys: Some(dictionary.keys().values().clone()),
                nulls: dictionary.keys().nulls().cloned(),
                ..Texts::plain(dictionary.values().as_string().clone())
            })
        }
        other => {
            return Err(UnsupportedType { column: path(&below(None)), data_type: other.clone() });
        }
    };
    leaves.push(Leaf { steps: below(None), is_constant: values.are_all_equal(), values });
    Ok(())
}

/// Dotted path, with `[]` after each list.
fn path(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        if let Some(name) = &step.name {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(name);
        }
        path.push_str(if step.items.is_some() { "[]" } else { "" });
    }
    path
}

impl Texts {
    pub(crate) fn plain(texts: StringArray) -> Self {
        let lengths = texts.value_offsets().windows(2).map(|ends| ends[1] - ends[0]);
        Self { longest: lengths.max().unwrap_or_default() as u64, texts, keys: None, nulls: None }
    }

    /// Distinct texts, unless they are not in a dictionary.
    pub(crate) fn entries(&self) -> usize {
        self.texts.len()
    }

    #[inline]
    fn entry(&self, position: usize) -> usize {
        self.keys.as_ref().map_or(position, |keys| keys[position] as usize)
    }

    #[inline]
    pub(crate) fn value(&self, position: usize) -> &str {
        self.texts.value(self.entry(position))
    }

    #[inline]
    fn length(&self, position: usize) -> usize {
        self.texts.value_length(self.entry(position)) as usize
    }

    /// Of all texts of a range.
    fn bytes(&self, range: Range<usize>) -> u64 {
        if self.keys.is_none() {
            return self.bytes_bound(range);
        }
        let positions = range.filter(|position| self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*position)));
        positions.map(|position| self.length(position) as u64).sum()
    }

    /// Not less than [`Texts::bytes`].
    fn bytes_bound(&self, range: Range<usize>) -> u64 {
        if self.keys.is_none() {
            let offsets = self.texts.value_offsets();
            return (offsets[range.end] - offsets[range.start]) as u64;
        }
        self.longest_bound(range)
    }

    /// Not less than [`Texts::bytes_bound`].
    fn longest_bound(&self, range: Range<usize>) -> u64 {
        self.longest * range.len() as u64
    }

    fn are_all_equal(&self) -> bool {
        if let Some(keys) = &self.keys {
            return is_run(keys);
        }
        let offsets = self.texts.value_offsets();
        let [first, second, ..] = *offsets else { return true };
        let length = second - first;
        if !offsets.windows(2).all(|ends| ends[1] - ends[0] == length) {
            return false;
        }
        let bytes = &self.texts.value_data()[first as usize..offsets[offsets.len() - 1] as usize];
        bytes[length as usize..] == bytes[..bytes.len() - length as usize]
    }
}

impl Values {
    /// Whether there is but one value, those at null positions counted. This takes a comparison of the column with itself.
    fn are_all_equal(&self) -> bool {
        match self {
            Values::Boolean(_) => false,
            Values::Int32(numbers) => is_run(numbers),
            Values::Int64(numbers) => is_run(numbers),
            // Equal zeros may differ in their sign.
            Values::Float64(_) => false,
            Values::Text(texts) => texts.are_all_equal(),
        }
    }

    /// What the values at some positions take in the plain encoding, rounded up to bytes.
    pub(crate) fn bytes(&self, positions: &[u32]) -> usize {
        match self {
            Values::Boolean(_) => positions.len(),
            Values::Int32(_) => 4 * positions.len(),
            Values::Int64(_) | Values::Float64(_) => 8 * positions.len(),
            Values::Text(texts) => {
                positions.iter().map(|position| TEXT_LENGTH_BYTES as usize + texts.length(*position as usize)).sum()
            }
        }
    }
}

impl Leaf {
    /// Dotted path, with `[]` after each list.
    pub(crate) fn path(&self) -> String {
        path(&self.steps)
    }

    /// Whether it is the column of that name at the top.
    pub(crate) fn is_top(&self, name: &str) -> bool {
        matches!(&*self.steps, [step] if step.name.as_deref() == Some(name))
    }

    /// At most how many bytes the values and levels of `rows` take, in any encoding that the writer may choose.
    pub(crate) fn bytes(&self, rows: Range<usize>) -> u64 {
        self.bytes_with(rows, Texts::bytes)
    }

    /// [`Leaf::bytes`] of all rows, or an estimate that is not less if that is no more than `enough`: to add up the texts
    /// that a dictionary stands for takes a look at every row.
    pub(crate) fn bytes_of_all(&self, rows: usize, enough: u64) -> u64 {
        let estimate = self.bytes_with(0..rows, Texts::bytes_bound);
        if estimate <= enough { estimate } else { self.bytes(0..rows) }
    }

    /// What no single row of all takes more than, or an estimate that is not less if that is no more than `enough`.
    pub(crate) fn bytes_of_a_row(&self, rows: usize, enough: u64) -> u64 {
        let estimate = self.bytes_with(0..rows, Texts::bytes_bound);
        if estimate <= enough {
            return estimate;
        }
        if !self.is_repeated() && rows > 0 {
            return self.bytes_with(0..1, Texts::longest_bound);
        }
        (0..rows).map(|row| self.bytes_with(row..row + 1, Texts::longest_bound)).max().unwrap_or_default()
    }

    fn bytes_with(&self, rows: Range<usize>, text_bytes: impl FnOnce(&Texts, Range<usize>) -> u64) -> u64 {
        let mut range = rows;
        // An empty list has no item, but a level of its own.
        let mut levels = range.len();
        for offsets in self.steps.iter().filter_map(|step| step.items.as_ref()) {
            range = offsets[range.start] as usize..offsets[range.end] as usize;
            levels += range.len();
        }
        let count = range.len() as u64;
        let values = match &self.values {
            Values::Boolean(_) => count,
            Values::Int32(_) => 4 * count,
            Values::Int64(_) | Values::Float64(_) => 8 * count,
            Values::Text(texts) => text_bytes(texts, range) + TEXT_LENGTH_BYTES * count,
        };
        values + LEVEL_BYTES * levels as u64
    }

    /// Whether a row may have several values.
    pub(crate) fn is_repeated(&self) -> bool {
        self.steps.iter().any(|step| step.items.is_some())
    }

    /// The levels of the rows given, in that order.
    pub(crate) fn levels(&self, rows: &[u32]) -> Levels {
        let mut levels = Levels { definitions: vec![0; rows.len()], values: rows.to_vec(), ..Levels::default() };
        if self.is_repeated() {
            levels.repetitions = vec![0; rows.len()];
        }
        for step in &self.steps {
            levels.descend(step);
        }
        match levels.reach {
            Reach::All => {}
            Reach::Some => levels.values.retain(|position| *position != NOWHERE),
            Reach::None => levels.values.clear(),
        }
        levels
    }
}

/// The position of a place whose path ends above the leaf.
const NOWHERE: u32 = u32::MAX;

impl Levels {
    /// Goes one field down. Until the leaf is reached, `values` has a position for each place.
    fn descend(&mut self, step: &Step) {
        if step.is_nullable {
            self.max_definition += 1;
            let nulls = step.nulls.as_ref().filter(|nulls| nulls.null_count() > 0);
            match (self.reach, nulls) {
                (Reach::None, _) => {}
                (Reach::All, None) => self.definitions.iter_mut().for_each(|definition| *definition += 1),
                (_, Some(nulls)) if nulls.null_count() == nulls.len() => {
                    self.values.fill(NOWHERE);
                    self.reach = Reach::None;
                }
                _ => self.descend_where_there(nulls),
            }
        }
        if let Some(offsets) = &step.items {
            self.max_definition += 1;
            self.max_repetition += 1;
            if self.reach != Reach::None {
                self.enter_items(offsets);
            }
        }
    }

    fn descend_where_there(&mut self, nulls: Option<&NullBuffer>) {
        self.reach = Reach::Some;
        let places = self.values.iter_mut().zip(&mut self.definitions).filter(|(position, _)| **position != NOWHERE);
        for (position, definition) in places {
            if nulls.is_some_and(|nulls| nulls.is_null(*position as usize)) {
                *position = NOWHERE;
            } else {
                *definition += 1;
            }
        }
    }

    /// Replaces each list by its items; one without items stays as one place.
    fn enter_items(&mut self, offsets: &[i32]) {
        let above = std::mem::take(self);
        let Levels { max_definition, max_repetition, reach, .. } = above;
        *self = Levels { max_definition, max_repetition, reach, ..Levels::default() };
        for ((position, definition), repetition) in
            above.values.into_iter().zip(above.definitions).zip(above.repetitions)
        {
            let items = match position {
                NOWHERE => 0..0,
                list => offsets[list as usize] as u32..offsets[list as usize + 1] as u32,
            };
            if items.is_empty() {
                self.reach = Reach::Some;
                self.push(NOWHERE, definition, repetition);
            }
            for item in items.clone() {
                let repetition = if item == items.start { repetition } else { max_repetition };
                self.push(item, definition + 1, repetition);
            }
        }
    }

    fn push(&mut self, position: u32, definition: u8, repetition: u8) {
        self.values.push(position);
        self.definitions.push(definition);
        self.repetitions.push(repetition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_column_is_compared_with_itself() {
        let are_equal = |texts: &[&str]| Texts::plain(StringArray::from(texts.to_vec())).are_all_equal();
        assert!(are_equal(&[]) && are_equal(&["a"]) && are_equal(&["ab", "ab", "ab"]) && are_equal(&["", ""]));
        assert!(!are_equal(&["ab", "ba"]) && !are_equal(&["a", "aa"]) && !are_equal(&["ab", "ab", "ac"]));
        // As one text both would be the same.
        assert!(!are_equal(&["aa", "a", "aaa"]));
        let slice = StringArray::from(vec!["x", "ab", "ab", "y"]).slice(1, 2);
        assert!(Texts::plain(slice).are_all_equal());
        assert!(
            Values::Int32(vec![7, 7, 7].into()).are_all_equal() && !Values::Int32(vec![7, 7, 8].into()).are_all_equal()
        );
    }

    #[test]
    fn bytes_are_those_of_the_range_asked_for_also_in_a_slice() {
        let batch = sample::numbered(&[0; 12]);
        let slice = batch.slice(2, 7);
        let (whole, part) = (leaves(&batch).unwrap(), leaves(&slice).unwrap());
        assert_eq!(whole.len(), 13);
        for (whole, part) in whole.iter().zip(&part) {
            assert_eq!(whole.bytes(2..9), part.bytes(0..7), "{}", whole.path());
            assert_eq!(
                whole.bytes(0..12),
                (0..12).map(|row| whole.bytes(row..row + 1)).sum::<u64>(),
                "{}",
                whole.path()
            );
        }
        let bytes = |path: &str, row: usize| whole.iter().find(|leaf| leaf.path() == path).unwrap().bytes(row..row + 1);
        assert_eq!(bytes("time", 0), 8 + 2);
        assert_eq!(bytes("process.file.path", 1), "C:\\Windows\\1.exe".len() as u64 + 4 + 2);
        // Row 3 has three observables "3.0", "3.1", "3.2".
        assert_eq!(bytes("observables[].name", 3), 3 * (3 + 4 + 2) + 2);
        // Row 8 has two unmapped values "8".
        assert_eq!(bytes("unmapped[].value", 8), 2 * (1 + 4 + 2) + 2);
    }
}
