//! Sixteen bytes at a time: what a search needs where most runs are so short that calling a vectorised one costs more
//! than it saves. A mask has a bit for each byte that matches, the first byte's lowest.

use wide::u8x16;

/// Bytes in a word.
pub(crate) const WIDTH: usize = 16;

/// The bytes at a place, if there are as many as a word has.
#[inline]
pub(crate) fn load(bytes: &[u8], at: usize) -> Option<u8x16> {
    bytes.get(at..)?.first_chunk().map(|word| u8x16::new(*word))
}

/// Quotes and backslashes.
#[inline]
pub(crate) fn quotes_and_backslashes(word: u8x16) -> u32 {
    either(word).to_bitmask()
}

/// Quotes, backslashes and control characters: what ends plain text in a JSON string.
#[inline]
pub(crate) fn specials(word: u8x16) -> u32 {
    (either(word) | word.simd_le(u8x16::splat(0x1f))).to_bitmask()
}

#[inline]
fn either(word: u8x16) -> u8x16 {
    word.simd_eq(u8x16::splat(b'"')) | word.simd_eq(u8x16::splat(b'\\'))
}

/// Bytes equal to `byte`.
#[inline]
pub(crate) fn equal(word: u8x16, byte: u8) -> u32 {
    word.simd_eq(u8x16::splat(byte)).to_bitmask()
}

/// Place of the first byte from `at` on that `mask` has, which is near.
#[inline]
pub(crate) fn find(bytes: &[u8], mut at: usize, mask: impl Fn(u8x16) -> u32) -> Option<usize> {
    while let Some(word) = load(bytes, at) {
        let place = first(mask(word));
        at += place;
        if place < WIDTH {
            return Some(at);
        }
    }
    let rest = bytes.get(at..)?;
    let mut last = [0; WIDTH];
    last.get_mut(..rest.len())?.copy_from_slice(rest);
    let place = first(mask(u8x16::new(last)));
    (place < rest.len()).then_some(at + place)
}

/// Place of the first match in the word; [`WIDTH`] if there is none.
#[inline]
pub(crate) fn first(mask: u32) -> usize {
    (mask | 1 << WIDTH).trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        for length in 0..3 * WIDTH {
            for place in 0..length {
                let mut bytes = vec![b'a'; length];
                bytes[place..].fill(b'\n');
                assert_eq!(find(&bytes, 0, |word| equal(word, b'\n')), Some(place));
                assert_eq!(find(&bytes, 0, specials), Some(place));
                assert_eq!(find(&bytes, place + 1, specials), (place + 1 < length).then_some(place + 1));
                assert_eq!(find(&bytes, 0, quotes_and_backslashes), None);
            }
            assert_eq!(find(&vec![b'a'; length], 0, |word| equal(word, b'\n')), None);
            // What fills the last word up is no byte of the text.
            assert_eq!(find(&vec![b'a'; length], 0, |word| equal(word, 0)), None);
            assert_eq!(find(&vec![b'a'; length], 0, specials), None);
        }
    }

    #[test]
    fn the_first_match_is_right_for_every_byte_at_every_place() {
        for other in [0x21, 0x5d, 0x7f, 0x80, 0xa2, 0xff] {
            for byte in 0..=255u8 {
                for place in 0..WIDTH {
                    let mut bytes = [other; WIDTH + 1];
                    bytes[place] = byte;
                    let word = load(&bytes, 0).unwrap();
                    let expected = |is_match: bool| if is_match { place } else { WIDTH };
                    let is_either = byte == b'"' || byte == b'\\';
                    assert_eq!(first(quotes_and_backslashes(word)), expected(is_either));
                    assert_eq!(first(specials(word)), expected(is_either || byte < 0x20));
                }
            }
        }
        assert_eq!(load(&[0; WIDTH + 1], 2), None);
        let word = load(b"plain\n\"\\ text 16", 0).unwrap();
        assert_eq!((first(quotes_and_backslashes(word)), first(specials(word))), (6, 5));
    }
}
