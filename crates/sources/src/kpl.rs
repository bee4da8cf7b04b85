//! Kinesis records that the Kinesis Producer Library packed into one.
//!
//! A producer may send many user records as one Kinesis record to save requests; the stream's consumer has to take them
//! apart. The form is published in the library's repository (`aggregation-format.md`): four magic bytes, a protocol
//! buffer message of two tables of keys and the records, and the MD5 of the message.

use md5::{Digest as _, Md5};

/// First bytes of every aggregated record.
pub const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

const DIGEST_LENGTH: usize = 16;

/// One record as its producer put it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// Its place in the Kinesis record, from 0: the sub-sequence number.
    pub index: usize,
    /// The key its producer chose. `None` if the Kinesis record is not aggregated: then it is that record's own.
    pub partition_key: Option<&'a str>,
    /// The hash key that its producer chose in place of that of the partition key.
    pub explicit_hash_key: Option<&'a str>,
    /// Its bytes.
    pub data: &'a [u8],
}

/// Why a record that starts like an aggregated one is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KplError {
    /// It is too short for a message and its digest.
    #[error("the aggregated record is cut off")]
    Truncated,
    /// The MD5 at the end is not that of the message.
    #[error("the checksum of the aggregated record is wrong")]
    Checksum,
    /// The message is not of the published form.
    #[error("the aggregated record is malformed at byte {offset}: {reason}")]
    Malformed {
        /// Place in the Kinesis record.
        offset: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

/// The user records in a Kinesis record, in order; the Kinesis record's own data if it is not aggregated.
///
/// ```
/// let records = sources::kpl::deaggregate(br#"{"a":1}"#)?;
/// assert_eq!(records[0].data, br#"{"a":1}"#);
/// # Ok::<(), sources::kpl::KplError>(())
/// ```
///
/// # Errors
/// If it has the magic bytes, and is not sound to the last byte. Nothing can be taken from it then.
pub fn deaggregate(data: &[u8]) -> Result<Vec<UserRecord<'_>>, KplError> {
    let Some(rest) = data.strip_prefix(&MAGIC) else {
        return Ok(vec![UserRecord { index: 0, partition_key: None, explicit_hash_key: None, data }]);
    };
    let split = rest.len().checked_sub(DIGEST_LENGTH).ok_or(KplError::Truncated)?;
    let (message, digest) = rest.split_at(split);
    if Md5::digest(message).as_slice() != digest {
        return Err(KplError::Checksum);
    }
    let mut keys = Vec::new();
    let mut hash_keys = Vec::new();
    let mut packed = Vec::new();
    let mut fields = Fields { bytes: message, at: 0, offset: MAGIC.len() };
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(text)) => keys.push(fields.text(text)?),
            (2, Value::Bytes(text)) => hash_keys.push(fields.text(text)?),
            (3, Value::Bytes(record)) => {
                packed.push(Fields { bytes: record, at: 0, offset: fields.end() - record.len() })
            }
            (1..=3, _) => return Err(fields.malformed("a field has the wrong type")),
            _ => {}
        }
    }
    packed.into_iter().enumerate().map(|(index, fields)| user_record(index, fields, &keys, &hash_keys)).collect()
}

fn user_record<'a>(
    index: usize,
    mut fields: Fields<'a>,
    keys: &[&'a str],
    hash_keys: &[&'a str],
) -> Result<UserRecord<'a>, KplError> {
    let (mut key, mut hash_key, mut data) = (None, None, None);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Number(place)) => key = Some(place),
            (2, Value::Number(place)) => hash_key = Some(place),
            (3, Value::Bytes(bytes)) => data = Some(bytes),
            (1..=3, _) => return Err(fields.malformed("a field has the wrong type")),
            _ => {}
        }
    }
    let look_up = |table: &[&'a str], place: Option<u64>| match place {
        None => Ok(None),
        Some(place) => match usize::try_from(place).ok().and_then(|place| table.get(place)) {
            Some(key) => Ok(Some(*key)),
            None => Err(fields.malformed("a key is not in its table")),
        },
    };
    let partition_key = look_up(keys, key)?;
    let explicit_hash_key = look_up(hash_keys, hash_key)?;
    match (partition_key, data) {
        (Some(_), Some(data)) => Ok(UserRecord { index, partition_key, explicit_hash_key, data }),
        (None, _) => Err(fields.malformed("a record has no partition key")),
        (_, None) => Err(fields.malformed("a record has no data")),
    }
}

/// The fields of a protocol buffer message (<https://protobuf.dev/programming-guides/encoding>).
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Place of `bytes` in the Kinesis record.
    offset: usize,
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a type that the messages here have no field of.
    Other,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, KplError> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.varint()?;
                let length = usize::try_from(length).map_err(|_| self.malformed("a field is too long"))?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return Err(self.malformed("an unknown wire type")),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn varint(&mut self) -> Result<u64, KplError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes.get(self.at) else { return Err(self.malformed("a number is cut off")) };
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.malformed("a number has more than 64 bits"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], KplError> {
        let taken = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end));
        let Some(taken) = taken else { return Err(self.malformed("a field is cut off")) };
        self.at += length;
        Ok(taken)
    }

    fn text(&self, bytes: &'a [u8]) -> Result<&'a str, KplError> {
        std::str::from_utf8(bytes).map_err(|_| self.malformed("a key is not UTF-8"))
    }

    /// Place in the Kinesis record of what was read last.
    fn end(&self) -> usize {
        self.offset + self.at
    }

    fn malformed(&self, reason: &'static str) -> KplError {
        KplError::Malformed { offset: self.end(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        assert!(bytes.len() < 128);
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    fn seal(message: &[u8]) -> Vec<u8> {
        [&MAGIC[..], message, &Md5::digest(message)].concat()
    }

    /// Two records with the second key, one of them with a tag and a hash key, and an unknown field.
    fn message() -> Vec<u8> {
        let first = [&[0x08, 1][..], &field(3, b"one"), &field(4, b"\x0a\x01t")].concat();
        let second = [&field(3, b"")[..], &[0x10, 0, 0x08, 0x81, 0x00]].concat();
        [
            field(1, b"k0"),
            field(1, b"k1"),
            field(2, b"123"),
            field(3, &first),
            vec![0x4d, 1, 2, 3, 4],
            field(3, &second),
        ]
        .concat()
    }

    #[test]
    fn user_records_come_out_in_order_with_their_keys() {
        let data = seal(&message());
        let expected = [
            UserRecord { index: 0, partition_key: Some("k1"), explicit_hash_key: None, data: b"one" },
            UserRecord { index: 1, partition_key: Some("k1"), explicit_hash_key: Some("123"), data: b"" },
        ];
        assert_eq!(deaggregate(&data).unwrap(), expected);
        assert_eq!(deaggregate(&seal(b"")).unwrap(), []);
    }

    #[test]
    fn a_plain_record_is_itself() {
        for data in [&b"{}"[..], b"", &MAGIC[..3], &[0x1f, 0x8b]] {
            let expected = UserRecord { index: 0, partition_key: None, explicit_hash_key: None, data };
            assert_eq!(deaggregate(data).unwrap(), [expected]);
        }
    }

    #[test]
    fn damage_is_an_error() {
        let data = seal(&message());
        for at in MAGIC.len()..data.len() {
            let mut damaged = data.clone();
            damaged[at] ^= 1;
            assert_eq!(deaggregate(&damaged), Err(KplError::Checksum));
            assert!(deaggregate(&data[..at]).is_err());
        }
    }

    #[test]
    fn a_message_of_another_form_is_an_error_with_its_place() {
        let reason = |message: &[u8]| match deaggregate(&seal(message)) {
            Err(KplError::Malformed { offset, reason }) => {
                assert!((MAGIC.len()..=MAGIC.len() + message.len()).contains(&offset));
                reason
            }
            other => panic!("{other:?}"),
        };
        let record = |bytes: &[u8]| [field(1, b"k"), field(3, bytes)].concat();
        assert_eq!(reason(&[0x0a, 5, b'x']), "a field is cut off");
        assert_eq!(reason(&[0x0a]), "a number is cut off");
        assert_eq!(reason(&[0xff; 12]), "a number has more than 64 bits");
        assert_eq!(reason(&[0x0b]), "an unknown wire type");
        assert_eq!(reason(&[0x08, 1]), "a field has the wrong type");
        assert_eq!(reason(&field(1, b"\xff")), "a key is not UTF-8");
        assert_eq!(reason(&record(b"\x08\x01\x1a\x00")), "a key is not in its table");
        assert_eq!(reason(&record(b"\x1a\x00")), "a record has no partition key");
        assert_eq!(reason(&record(b"\x08\x00")), "a record has no data");
        assert_eq!(reason(&record(b"\x0a\x00")), "a field has the wrong type");
        assert_eq!(reason(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), "a field is cut off");
    }
}
