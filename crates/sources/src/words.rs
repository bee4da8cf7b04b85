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

/// The first `byte`, which is near.
#[inline]
pub(crate) fn find_near(bytes: &[u8], byte: u8) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = load(bytes, at) {
        let mask = word.simd_eq(u8x16::splat(byte)).to_bitmask();
        if mask != 0 {
            return Some(at + first(mask));
        }
        at += WIDTH;
    }
    bytes.get(at..)?.iter().position(|other| *other == byte).map(|place| at + place)
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
                assert_eq!(find_near(&bytes, b'\n'), Some(place));
            }
            assert_eq!(find_near(&vec![b'a'; length], b'\n'), None);
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
