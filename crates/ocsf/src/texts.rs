//! A column of texts under construction.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, StringArray};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ArrowError;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxBuildHasher;

use crate::cells::Cells;
use crate::record::Cell;

/// A dictionary-encoded column of texts. Rows of one table repeat each other a lot, so later work is done once per
/// distinct text.
#[derive(Debug)]
pub(crate) struct TextColumn {
    /// The distinct texts one after the other, in the order in which they came.
    bytes: Vec<u8>,
    /// The end of each text in `bytes`.
    ends: Vec<i32>,
    /// Maps a text to its key, which is its position in `ends`.
    keys: HashTable<i32>,
    /// For each key, the key that followed it last time.
    following: Vec<i32>,
    /// The predicted next key.
    expected: i32,
    /// The key of each row.
    rows: Cells<i32>,
}

impl TextColumn {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            keys: HashTable::new(),
            following: Vec::new(),
            expected: 0,
            rows: Cells::new(),
        }
    }

    /// Appends a scalar. Returns the bytes of text added.
    #[inline]
    pub(crate) fn append(&mut self, row: u32, cell: &Cell<'_>) -> usize {
        match cell {
            Cell::Text(text) => {
                self.push(row, text);
                return text.len();
            }
            // An observable's value is text whatever the type of the attribute it repeats.
            Cell::Integer(value) => self.push(row, itoa::Buffer::new().format(*value)),
            _ => {}
        }
        0
    }

    #[inline]
    pub(crate) fn push(&mut self, row: u32, text: &str) {
        let text_bytes = text.as_bytes();
        // Rows repeat the text of the row before, and lists the same texts in the same order.
        let is_expected = entry(&self.bytes, &self.ends, self.expected) == Some(text_bytes);
        let key = if is_expected { self.expected } else { self.unexpected(text_bytes) };
        self.expected = self.following[key as usize];
        self.rows.push(row, key);
    }

    /// The key of a text other than the one expected.
    fn unexpected(&mut self, text: &[u8]) -> i32 {
        let key = self.key(text);
        if let Some(last) = self.rows.last() {
            self.following[last as usize] = key;
        }
        key
    }

    /// The key of a text, new or not.
    #[inline]
    fn key(&mut self, text: &[u8]) -> i32 {
        let Self { bytes, ends, keys, following, .. } = self;
        let is_same = |key: &i32| entry(bytes, ends, *key) == Some(text);
        let hash_of = |key: &i32| hash(entry(bytes, ends, *key).unwrap_or_default());
        match keys.entry(hash(text), is_same, hash_of) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                let key = ends.len() as i32;
                vacant.insert(key);
                bytes.extend_from_slice(text);
                // Beyond 2 GiB this is wrong, which `finish` finds.
                ends.push(bytes.len() as i32);
                following.push(key);
                key
            }
        }
    }

    /// A dictionary of the texts in order of first use, with a key for each of `rows` rows.
    pub(crate) fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        // The next batch will be much like this one, and a text that grows is copied again and again.
        let room = Vec::with_capacity(self.bytes.len() + self.bytes.len() / 8);
        let bytes = std::mem::replace(&mut self.bytes, room);
        if i32::try_from(bytes.len()).is_err() {
            return Err(ArrowError::OffsetOverflowError(bytes.len()));
        }
        let offsets: Vec<i32> = std::iter::once(0).chain(self.ends.drain(..)).collect();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        self.keys.clear();
        self.following.clear();
        self.expected = 0;
        let texts = StringArray::try_new(offsets, Buffer::from_vec(bytes), None)?;
        let keys = self.rows.finish::<Int32Type>(rows)?;
        Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(texts))?))
    }
}

/// The distinct text of a key.
#[inline]
fn entry<'b>(bytes: &'b [u8], ends: &[i32], key: i32) -> Option<&'b [u8]> {
    let end = *ends.get(key as usize)?;
    let start = if key == 0 { 0 } else { ends[key as usize - 1] };
    bytes.get(start as usize..end as usize)
}

#[inline]
fn hash(text: &[u8]) -> u64 {
    FxBuildHasher.hash_one(text)
}

#[cfg(test)]
mod tests {
    use arrow_array::Array as _;
    use arrow_array::cast::AsArray as _;
    use proptest::prelude::*;

    use super::*;

    /// Texts of rows as logs have them: mostly the same few, often in the same order, some missing.
    fn rows() -> impl Strategy<Value = Vec<Option<String>>> {
        let few = prop_oneof![Just(""), Just("a"), Just("ab"), Just("C:\\Windows\\explorer.exe")];
        let row = prop_oneof![
            8 => few.prop_map(|text| Some(text.to_owned())),
            2 => any::<u8>().prop_map(|number| Some(format!("é{number}"))),
            1 => Just(None),
        ];
        let cycle = (proptest::collection::vec(row.clone(), 1..5), 0..10usize)
            .prop_map(|(rows, times)| vec![rows; times].concat());
        prop_oneof![proptest::collection::vec(row, 0..60), cycle]
    }

    proptest! {
        #[test]
        fn batch_after_batch_each_row_has_its_text_and_the_dictionary_each_text_once(
            batches in proptest::collection::vec(rows(), 1..5),
        ) {
            let mut column = TextColumn::new();
            for batch in &batches {
                for (row, text) in (0..).zip(batch) {
                    if let Some(text) = text {
                        column.push(row, text);
                    }
                }
                let array = column.finish(batch.len()).unwrap();
                let texts = array.as_dictionary::<Int32Type>().downcast_dict::<StringArray>().unwrap();
                let got: Vec<Option<String>> = texts.into_iter().map(|text| text.map(str::to_owned)).collect();
                prop_assert_eq!(&got, batch);
                prop_assert_eq!(array.nulls().is_some(), batch.contains(&None));
                let mut distinct: Vec<&str> = Vec::new();
                for text in batch.iter().flatten() {
                    if !distinct.contains(&text.as_str()) {
                        distinct.push(text);
                    }
                }
                let entries: Vec<&str> = texts.values().iter().flatten().collect();
                prop_assert_eq!(entries, distinct);
            }
        }
    }

    #[test]
    fn a_number_is_a_text() {
        let mut column = TextColumn::new();
        assert_eq!(column.append(0, &Cell::Integer(-7)) + column.append(1, &Cell::Text("-7")), 2);
        let array = column.finish(2).unwrap();
        assert_eq!(
            array.as_dictionary::<Int32Type>().values().as_string::<i32>().iter().collect::<Vec<_>>(),
            [Some("-7")]
        );
    }
}
