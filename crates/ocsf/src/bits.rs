//! A set of small numbers, one bit each: which cells of a record hold a value.
//!
//! Most attributes of a shape are absent from most events. Cells are in preorder, so whether an object is empty is a
//! test of a range of bits, and iterating over present values costs nothing for absent ones.

use std::ops::Range;

/// A set of numbers below a fixed length.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Empties the set and sets its length, keeping the memory.
    pub(crate) fn reset(&mut self, len: usize) {
        self.words.clear();
        self.grow(len);
    }

    /// Makes room for numbers below `len`.
    #[inline]
    pub(crate) fn grow(&mut self, len: usize) {
        let words = len.div_ceil(64);
        if words > self.words.len() {
            self.words.resize(words, 0);
        }
    }

    #[inline]
    pub(crate) fn contains(&self, number: usize) -> bool {
        self.words[number / 64] & (1 << (number % 64)) != 0
    }

    #[inline]
    pub(crate) fn insert(&mut self, number: usize) {
        self.words[number / 64] |= 1 << (number % 64);
    }

    #[inline]
    pub(crate) fn remove(&mut self, number: usize) {
        self.words[number / 64] &= !(1 << (number % 64));
    }

    /// Removes all numbers of a range.
    pub(crate) fn remove_range(&mut self, range: Range<usize>) {
        for (word, mask) in masks(range) {
            self.words[word] &= !mask;
        }
    }

    /// Whether any number of a range is in the set.
    #[inline]
    pub(crate) fn any(&self, range: Range<usize>) -> bool {
        masks(range).any(|(word, mask)| self.words[word] & mask != 0)
    }

    /// The numbers of a range that are in the set, ascending.
    #[inline]
    pub(crate) fn ones(&self, range: Range<usize>) -> Ones<'_> {
        let word = range.start / 64;
        let rest = self.words.get(word).map_or(0, |bits| bits & (u64::MAX << (range.start % 64)));
        Ones { words: &self.words, word, rest, end: range.end }
    }
}

/// The words that a range touches, each with the bits that belong to it.
#[inline]
fn masks(range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let Range { start, end } = range;
    let mut at = start;
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let word = at / 64;
            let mut mask = u64::MAX << (at % 64);
            at = (word + 1) * 64;
            if at > end {
                mask &= u64::MAX >> (at - end);
            }
            (word, mask)
        })
    })
}

/// See [`Bits::ones`].
pub(crate) struct Ones<'b> {
    words: &'b [u64],
    word: usize,
    /// The bits of the current word that have not been returned yet.
    rest: u64,
    end: usize,
}

impl Iterator for Ones<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.rest == 0 {
            self.word += 1;
            if self.word * 64 >= self.end {
                return None;
            }
            self.rest = *self.words.get(self.word)?;
        }
        let number = self.word * 64 + self.rest.trailing_zeros() as usize;
        self.rest &= self.rest - 1;
        (number < self.end).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_bits_is_a_set_of_numbers() {
        const LEN: usize = 200;
        for (step, offset) in [(1, 0), (2, 1), (7, 3), (63, 0), (64, 63), (65, 1), (500, 199)] {
            let mut bits = Bits::default();
            bits.reset(10);
            bits.grow(LEN);
            let numbers: Vec<usize> = (offset..LEN).step_by(step).collect();
            numbers.iter().for_each(|&number| bits.insert(number));
            for start in 0..LEN {
                assert_eq!(bits.contains(start), numbers.contains(&start));
                for end in [start, start + 1, start + 20, start + 64, start + 130, LEN] {
                    let range = start..end.min(LEN);
                    let inside: Vec<usize> = numbers.iter().copied().filter(|number| range.contains(number)).collect();
                    assert_eq!(bits.ones(range.clone()).collect::<Vec<_>>(), inside);
                    assert_eq!(bits.any(range.clone()), !inside.is_empty());
                    let mut without = bits.clone();
                    without.remove_range(range.clone());
                    let outside: Vec<usize> =
                        numbers.iter().copied().filter(|number| !range.contains(number)).collect();
                    assert_eq!(without.ones(0..LEN).collect::<Vec<_>>(), outside);
                }
            }
            bits.remove(offset);
            assert!(!bits.contains(offset));
            bits.reset(LEN);
            assert_eq!(bits.ones(0..LEN).next(), None);
        }
    }
}
