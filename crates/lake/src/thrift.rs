//! A cursor over Thrift's compact protocol, in which Parquet writes its footer and page headers.
//!
//! It reads the few numbers that are needed and steps over the rest, with nothing taken on trust: a length that outruns
//! the bytes or a nesting without end is an error.

/// A cursor over the compact protocol.
pub(crate) struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What could not be read, in words.
pub(crate) type Step<T> = Result<T, &'static str>;

/// Whether a field has been read; if not, it is stepped over.
pub(crate) type Taken = bool;

// Types of the compact protocol.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
pub(crate) const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
pub(crate) const LIST: u8 = 9;
const SET: u8 = 10;
pub(crate) const STRUCT: u8 = 12;

/// How deep a field may nest that is stepped over. Parquet's own nest at most eight deep.
const MAX_DEPTH: u8 = 16;

impl<'a> Thrift<'a> {
    /// A cursor at `at` in `bytes`.
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where the cursor stands.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// Reads a struct. `field` is given each field's id and type, and may read its value.
    pub(crate) fn structure(&mut self, mut field: impl FnMut(&mut Self, i64, u8) -> Step<Taken>) -> Step<()> {
        let mut id = 0;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == STOP {
                return Ok(());
            }
            id = match head >> 4 {
                0 => self.zigzag()?,
                delta => i64::saturating_add(id, delta.into()),
            };
            if !field(self, id, kind)? {
                self.skip(kind, MAX_DEPTH)?;
            }
        }
    }

    /// Reads the head of a list: how many elements follow, and of which type. Each takes at least one byte.
    pub(crate) fn list(&mut self) -> Step<(usize, u8)> {
        let head = self.byte()?;
        let len = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        match usize::try_from(len) {
            Ok(len) if len <= self.left() => Ok((len, head & 0x0f)),
            _ => Err("a list outruns the bytes"),
        }
    }

    /// Reads a number of any integer type.
    pub(crate) fn zigzag(&mut self) -> Step<i64> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Step<()> {
        let depth = depth.checked_sub(1).ok_or("it nests too deep")?;
        match kind {
            TRUE | FALSE => Ok(()),
            BYTE => self.advance(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.advance(8),
            BINARY => {
                let len = self.varint()?;
                self.advance(len)
            }
            LIST | SET => {
                let (len, element) = self.list()?;
                // In a list, unlike in a struct, a boolean takes a byte.
                let element = if element == TRUE || element == FALSE { BYTE } else { element };
                (0..len).try_for_each(|_| self.skip(element, depth))
            }
            STRUCT => self.structure(|thrift, _, kind| thrift.skip(kind, depth).map(|()| true)),
            _ => Err("it has a type that Parquet does not use"),
        }
    }

    fn byte(&mut self) -> Step<u8> {
        let byte = self.bytes.get(self.at).ok_or("it ends too early")?;
        self.at += 1;
        Ok(*byte)
    }

    fn advance(&mut self, len: u64) -> Step<()> {
        match usize::try_from(len) {
            Ok(len) if len <= self.left() => {
                self.at += len;
                Ok(())
            }
            _ => Err("it ends too early"),
        }
    }

    fn varint(&mut self) -> Step<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number has too many bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_type_is_stepped_over_exactly() {
        let fields: &[u8] = &[
            0x11, // 1: true
            0x13, 0xff, // 2: byte
            0x16, 0x80, 0x01, // 3: i64
            0x17, 1, 2, 3, 4, 5, 6, 7, 8, // 4: double
            0x18, 2, b'a', b'b', // 5: binary
            0x19, 0x31, 1, 0, 1, // 6: list of three booleans
            0x1a, 0xf5, 0x01, 0x02, // 7: set of one i32, its length written apart
            0x1c, 0x12, 0x00, // 8: struct of a false
            0x05, 0x40, 0x06, // 32: i32 with its id written out, value 3
            0x00, b'x',
        ];
        let mut thrift = Thrift::new(fields, 0);
        let mut seen = Vec::new();
        let read = thrift.structure(|thrift, id, kind| {
            seen.push(id);
            match (id, kind) {
                (32, I32) => thrift.zigzag().map(|value| value == 3),
                _ => Ok(false),
            }
        });
        assert_eq!(read, Ok(()));
        assert_eq!(seen, [1, 2, 3, 4, 5, 6, 7, 8, 32]);
        assert_eq!(thrift.left(), 1);
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let deep = [0x1c; 10_000];
        assert_eq!(Thrift::new(&deep, 0).structure(|_, _, _| Ok(false)), Err("it nests too deep"));
        let lists = [[0x19].as_slice(), &[0x19; 10_000]].concat();
        assert_eq!(Thrift::new(&lists, 0).structure(|_, _, _| Ok(false)), Err("it nests too deep"));
    }

    #[test]
    fn a_list_cannot_be_longer_than_its_bytes() {
        let list = [0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00];
        assert_eq!(Thrift::new(&list, 0).structure(|_, _, _| Ok(false)), Err("a list outruns the bytes"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut thrift = Thrift::new(&bytes, 0);
            let _ = thrift.structure(|_, _, _| Ok(false));
            prop_assert!(thrift.position() <= bytes.len());
        }
    }
}
