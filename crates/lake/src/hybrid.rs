//! Parquet's hybrid of run lengths and bit packing, in which levels and dictionary indices are stored.
//!
//! Runs of eight and more are stored as a length and a value, what stands between them in groups of eight values of
//! `width` bits each (Parquet format, "Encodings", RLE = 3).

/// Runs that are shorter are packed: a group has eight values.
const GROUP: usize = 8;

/// Appends `values`, each of at most `width` bits.
pub(crate) fn write<T: Copy + PartialEq + Into<u32>>(values: &[T], width: u8, out: &mut Vec<u8>) {
    // Most columns have one value or one level throughout.
    if let [first, ..] = values
        && values.len() >= GROUP
        && is_run(values)
    {
        return write_run(values.len(), (*first).into(), width, out);
    }
    let (mut packed, mut at) = (0, 0);
    while let Some(&value) = values.get(at) {
        let run = values[at..].iter().take_while(|other| **other == value).count();
        // Values before a run are packed in whole groups, the last of which may take the run's first values.
        let missing = (at - packed).next_multiple_of(GROUP) - (at - packed);
        if run < missing + GROUP {
            at += run;
            continue;
        }
        write_packed(&values[packed..at + missing], width, out);
        write_run(run - missing, value.into(), width, out);
        at += run;
        packed = at;
    }
    write_packed(&values[packed..], width, out);
}

/// Whether all values are the same. Slices are compared faster than their items one by one.
pub(crate) fn is_run<T: PartialEq>(values: &[T]) -> bool {
    values.split_first().is_none_or(|(_, rest)| *rest == values[..rest.len()])
}

fn write_run(length: usize, value: u32, width: u8, out: &mut Vec<u8>) {
    write_varint((length as u64) << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..usize::from(width).div_ceil(8)]);
}

fn write_packed<T: Copy + Into<u32>>(values: &[T], width: u8, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    write_varint((values.len().div_ceil(GROUP) as u64) << 1 | 1, out);
    let (mut bits, mut held) = (0u64, 0);
    let padding = values.len().next_multiple_of(GROUP) - values.len();
    let values = values.iter().map(|value| (*value).into());
    for value in values.chain(std::iter::repeat_n(0, padding)) {
        bits |= u64::from(value) << held;
        held += u32::from(width);
        if held >= 32 {
            out.extend_from_slice(&(bits as u32).to_le_bytes());
            bits >>= 32;
            held -= 32;
        }
    }
    out.extend_from_slice(&bits.to_le_bytes()[..held as usize / 8]);
}

/// Appends a number in seven bits a byte, the lowest first.
pub(crate) fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the format says, read in the plainest way.
    fn read(mut bytes: &[u8], width: u8, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        while values.len() < count {
            let (mut head, mut shift) = (0u64, 0);
            loop {
                let byte = bytes[0];
                bytes = &bytes[1..];
                head |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            if head & 1 == 0 {
                let (value, rest) = bytes.split_at(usize::from(width).div_ceil(8));
                bytes = rest;
                let value = value.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
                values.extend(std::iter::repeat_n(value, head as usize >> 1));
            } else {
                let count = (head as usize >> 1) * GROUP;
                let bit = |at: usize| u32::from(bytes[at / 8] >> (at % 8) & 1);
                let width = usize::from(width);
                values.extend((0..count).map(|value| (0..width).map(|at| bit(value * width + at) << at).sum::<u32>()));
                bytes = &bytes[count * width / 8..];
            }
        }
        assert!(bytes.is_empty());
        values.truncate(count);
        values
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            runs in proptest::collection::vec((any::<u32>(), prop_oneof![1..4usize, 1..40usize]), 0..40),
            width in 1..=32u8,
        ) {
            let value = |value: u32| value >> (32 - width);
            let values: Vec<u32> = runs.iter().flat_map(|(of, length)| std::iter::repeat_n(value(*of), *length)).collect();
            let mut bytes = Vec::new();
            write(&values, width, &mut bytes);
            prop_assert_eq!(read(&bytes, width, values.len()), values);
        }

        #[test]
        fn levels_take_at_most_a_byte_each_and_what_one_group_rounds_up(
            levels in proptest::collection::vec(0..8u8, 0..300),
        ) {
            let mut bytes = Vec::new();
            write(&levels, 3, &mut bytes);
            prop_assert!(bytes.len() <= levels.len() + 8, "{} bytes for {}", bytes.len(), levels.len());
        }
    }

    #[test]
    fn a_run_takes_a_length_and_a_value() {
        let mut bytes = Vec::new();
        write(&[5u8; 100], 3, &mut bytes);
        assert_eq!(bytes, [0xc8, 0x01, 5]);
    }
}
