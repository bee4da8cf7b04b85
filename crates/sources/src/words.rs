//! Eight bytes at a time: what a search needs where most runs are so short that calling a vectorised one costs more
//! than it saves (after Mycroft; see "Bit Twiddling Hacks", determine if a word has a zero byte).
//!
//! A mask has the high bit of each byte that matches, up to and including the first; what it says of the bytes behind
//! the first may be wrong, since the subtraction borrows from them. Masks may be or-ed: the first of all stays right.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The eight bytes at a place, if there are as many.
#[inline]
pub(crate) fn load(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*word))
}

/// Bytes equal to `byte`.
#[inline]
pub(crate) fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (ONES * byte as u64), 1)
}

/// Bytes less than `limit`, which is at most 128.
#[inline]
pub(crate) fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * limit as u64) & !word & HIGH
}

/// Place of the first match in the word; 8 if there is none.
#[inline]
pub(crate) fn first(mask: u64) -> usize {
    mask.trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_match_is_right_for_every_byte_at_every_place() {
        for other in [0x01, 0x21, 0x5d, 0x7f, 0x80, 0xa2, 0xff] {
            for byte in 0..=255u8 {
                for place in 0..8 {
                    let mut bytes = [other; 9];
                    bytes[place] = byte;
                    let word = load(&bytes, 0).unwrap();
                    let expected = |is: &dyn Fn(u8) -> bool| bytes[..8].iter().position(|&byte| is(byte)).unwrap_or(8);
                    assert_eq!(first(equal(word, b'"')), expected(&|byte| byte == b'"'));
                    assert_eq!(first(below(word, 0x20)), expected(&|byte| byte < 0x20));
                    let either = equal(word, b'\\') | below(word, 0x20);
                    assert_eq!(first(either), expected(&|byte| byte == b'\\' || byte < 0x20));
                }
            }
        }
        assert_eq!(load(&[0; 9], 2), None);
    }
}
