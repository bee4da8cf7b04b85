//! UTF-16 text to UTF-8, as a stream.
//!
//! Windows tools write it, always with a byte order mark. The mark becomes that of UTF-8. A surrogate without its other
//! half becomes U+FFFD, as a lone surrogate of a JSON text does.

use std::io::{self, Read};

use crate::compression::InputError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    LittleEndian,
    BigEndian,
}

/// The byte order of text that starts with a byte order mark of UTF-16, and not with the one of UTF-32.
pub(crate) fn byte_order(start: &[u8]) -> Option<ByteOrder> {
    match start {
        [0xff, 0xfe, 0, 0, ..] => None,
        [0xff, 0xfe, ..] => Some(ByteOrder::LittleEndian),
        [0xfe, 0xff, ..] => Some(ByteOrder::BigEndian),
        _ => None,
    }
}

/// Bytes read at a time.
const CHUNK: usize = 16 << 10;

/// Gives the UTF-8 of what its reader gives as UTF-16.
pub(crate) struct Transcoder<R> {
    reader: R,
    order: ByteOrder,
    raw: Vec<u8>,
    /// Half a unit.
    odd: Option<u8>,
    /// The first half of a surrogate pair.
    high: Option<u16>,
    text: String,
    given: usize,
    ended: bool,
}

impl<R: Read> Transcoder<R> {
    pub(crate) fn new(reader: R, order: ByteOrder) -> Self {
        let raw = vec![0; CHUNK];
        Self { reader, order, raw, odd: None, high: None, text: String::new(), given: 0, ended: false }
    }

    /// Transcodes what one read gives.
    fn refill(&mut self) -> io::Result<()> {
        let count = self.reader.read(&mut self.raw)?;
        self.text.clear();
        self.given = 0;
        let Self { raw, order, odd, high, text, .. } = self;
        let mut rest = raw.get(..count).unwrap_or_default();
        if let (Some(first), Some((second, others))) = (*odd, rest.split_first()) {
            push_unit(*order, [first, *second], high, text);
            *odd = None;
            rest = others;
        }
        let (units, last) = rest.as_chunks::<2>();
        for unit in units {
            push_unit(*order, *unit, high, text);
        }
        *odd = last.first().copied().or(*odd);
        if count == 0 {
            self.ended = true;
            if self.high.take().is_some() {
                self.text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(())
    }
}

fn push_unit(order: ByteOrder, bytes: [u8; 2], high: &mut Option<u16>, text: &mut String) {
    let unit = match order {
        ByteOrder::LittleEndian => u16::from_le_bytes(bytes),
        ByteOrder::BigEndian => u16::from_be_bytes(bytes),
    };
    if let Some(first) = high.take() {
        if (0xdc00..0xe000).contains(&unit) {
            let code = 0x1_0000 + (u32::from(first & 0x3ff) << 10) + u32::from(unit & 0x3ff);
            text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            return;
        }
        text.push(char::REPLACEMENT_CHARACTER);
    }
    match char::from_u32(u32::from(unit)) {
        Some(character) => text.push(character),
        None if unit < 0xdc00 => *high = Some(unit),
        None => text.push(char::REPLACEMENT_CHARACTER),
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.refill()?;
        }
        let rest = self.text.as_bytes().get(self.given..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        match self.odd {
            Some(byte) if self.ended && count == 0 && !buffer.is_empty() => {
                self.odd = None;
                Err(InputError::OddByte { byte }.pack())
            }
            _ => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcoded(bytes: &[u8]) -> (String, Option<InputError>) {
        let mut reader = Transcoder::new(bytes, byte_order(bytes).unwrap());
        let mut text = Vec::new();
        let error = reader.read_to_end(&mut text).err().map(InputError::unpack);
        (String::from_utf8(text).unwrap(), error)
    }

    fn utf16(text: &str, order: ByteOrder) -> Vec<u8> {
        let bytes = |unit: u16| match order {
            ByteOrder::LittleEndian => unit.to_le_bytes(),
            ByteOrder::BigEndian => unit.to_be_bytes(),
        };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn text_of_either_byte_order_is_the_same() {
        let text = format!("\u{feff}{}", "a\u{e9}\u{1f980}\r\n\u{ffff}".repeat(9_000));
        for order in [ByteOrder::LittleEndian, ByteOrder::BigEndian] {
            let (seen, error) = transcoded(&utf16(&text, order));
            assert!(seen == text && error.is_none(), "{order:?} {error:?}");
        }
    }

    #[test]
    fn half_a_pair_is_replaced_and_costs_nothing_else() {
        let units = [0xfeff, 0xd83e, 0x61, 0xdd80, 0x62, 0xd83e, 0xd83e, 0xdd80, 0xd83e];
        let bytes: Vec<u8> = units.iter().flat_map(|unit: &u16| unit.to_be_bytes()).collect();
        let (seen, error) = transcoded(&bytes);
        assert!(error.is_none());
        assert_eq!(seen, "\u{feff}\u{fffd}a\u{fffd}b\u{fffd}\u{1f980}\u{fffd}");
    }

    #[test]
    fn an_odd_byte_is_an_error_after_all_that_is_whole() {
        let bytes = [utf16("\u{feff}ab", ByteOrder::LittleEndian), vec![0x63]].concat();
        let (seen, error) = transcoded(&bytes);
        assert_eq!(seen, "\u{feff}ab");
        assert!(matches!(error, Some(InputError::OddByte { byte: 0x63 })), "{error:?}");
    }
}
