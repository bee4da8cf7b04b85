//! Whether the footer of a Parquet file can be given to the Parquet crate.
//!
//! The crate trusts a footer in places: it reserves room for as many row groups as are announced, and follows the schema
//! as deep as it goes. For an object of unknown origin that may end the process, so the announcements are checked
//! against the bytes first.

use crate::thrift::{I32, LIST, STRUCT, Step, Thrift};

const MAGIC: &[u8; 4] = b"PAR1";
/// Far more than the widest table in tens of row groups needs.
const MAX_FOOTER_BYTES: usize = 64 << 20;
/// The format numbers row groups with 16 bits.
const MAX_ROW_GROUPS: usize = i16::MAX as usize;
/// The deepest OCSF class nests below 20.
const MAX_SCHEMA_DEPTH: usize = 64;

/// The footer of a file, if it is sound enough to be read.
pub(crate) fn sound_footer(file: &[u8]) -> Step<&[u8]> {
    let body = file.strip_suffix(MAGIC).filter(|_| file.starts_with(MAGIC) && file.len() >= 12);
    let body = body.ok_or("it does not begin and end with PAR1, so it is no Parquet file or a part of one")?;
    let (body, length) = body.split_last_chunk::<4>().ok_or("it ends too early")?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > MAX_FOOTER_BYTES {
        return Err("its footer is larger than 64 MiB");
    }
    let start = body.len().checked_sub(length).ok_or("its footer is larger than the file")?;
    let footer = &body[start..];
    check(footer)?;
    Ok(footer)
}

/// `FileMetaData` of parquet-format: 2 schema, 4 row groups.
fn check(footer: &[u8]) -> Step<()> {
    Thrift::new(footer, 0).structure(|thrift, id, field_type| match (id, field_type) {
        (2, LIST) => check_schema(thrift).map(|()| true),
        (4, LIST) => {
            let (row_groups, element) = thrift.list()?;
            if row_groups > MAX_ROW_GROUPS {
                return Err("it has more than 32,767 row groups");
            }
            structs(thrift, row_groups, element, |_, _, _| Ok(false))?;
            Ok(true)
        }
        _ => Ok(false),
    })
}

/// The schema is a tree in preorder; each element says how many children follow it (`SchemaElement`: 5 num_children).
fn check_schema(thrift: &mut Thrift<'_>) -> Step<()> {
    let (elements, element) = thrift.list()?;
    // How many children each open group still lacks. The root is the only child of nothing.
    let mut lacking: Vec<i64> = vec![1];
    for _ in 0..elements {
        let mut children = 0;
        structs(thrift, 1, element, |thrift, id, field_type| match (id, field_type) {
            (5, I32) => {
                children = thrift.zigzag()?;
                Ok(true)
            }
            _ => Ok(false),
        })?;
        *lacking.last_mut().ok_or("its schema has more columns than it announces")? -= 1;
        if children < 0 || children > elements as i64 {
            return Err("its schema announces more columns than it has");
        }
        if children > 0 {
            lacking.push(children);
        }
        if lacking.len() > MAX_SCHEMA_DEPTH {
            return Err("its schema nests deeper than 64");
        }
        while lacking.last() == Some(&0) {
            lacking.pop();
        }
    }
    if lacking.is_empty() { Ok(()) } else { Err("its schema announces more columns than it has") }
}

fn structs(
    thrift: &mut Thrift<'_>,
    count: usize,
    element: u8,
    mut field: impl FnMut(&mut Thrift<'_>, i64, u8) -> Step<bool>,
) -> Step<()> {
    if element != STRUCT {
        return Err("a list in its footer is not of structs");
    }
    (0..count).try_for_each(|_| thrift.structure(&mut field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(footer: &[u8]) -> Vec<u8> {
        [MAGIC, footer, &(footer.len() as u32).to_le_bytes(), MAGIC].concat()
    }

    /// A footer with a schema of which each element has the given number of children.
    fn schema(children: &[u8]) -> Vec<u8> {
        let mut footer = vec![0x29, 0xfc, children.len() as u8 | 0x80, (children.len() >> 7) as u8];
        for count in children {
            footer.extend([0x55, count * 2, 0x00]);
        }
        footer.push(0x00);
        file(&footer)
    }

    #[test]
    fn a_schema_is_a_tree_of_moderate_depth() {
        assert!(sound_footer(&schema(&[2, 0, 1, 0])).is_ok());
        for (children, reason) in [
            (vec![2, 0], "its schema announces more columns than it has"),
            (vec![1, 0, 0], "its schema has more columns than it announces"),
            (vec![60, 0], "its schema announces more columns than it has"),
            (vec![1; 200], "its schema nests deeper than 64"),
        ] {
            assert_eq!(sound_footer(&schema(&children)), Err(reason));
        }
    }

    #[test]
    fn announcements_are_held_against_the_bytes() {
        for (footer, reason) in [
            (vec![0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00], "a list outruns the bytes"),
            ([vec![0x49, 0xfc, 0xff, 0xff, 0x03], vec![0; 70_000]].concat(), "it has more than 32,767 row groups"),
            (vec![0x49, 0x15, 0x00, 0x00], "a list in its footer is not of structs"),
            (vec![0x15], "it ends too early"),
        ] {
            assert_eq!(sound_footer(&file(&footer)), Err(reason));
        }
        let not_parquet = Err("it does not begin and end with PAR1, so it is no Parquet file or a part of one");
        assert_eq!(sound_footer(b""), not_parquet);
        assert_eq!(sound_footer(b"PAR1"), not_parquet);
        assert_eq!(sound_footer(b"PAR1\0\x01\0\0\0PAR"), not_parquet);
        assert_eq!(sound_footer(b"PAR1\x05\0\0\0PAR1"), Err("its footer is larger than the file"));
        assert_eq!(sound_footer(b"PAR1\xff\xff\xff\xffPAR1"), Err("its footer is larger than 64 MiB"));
    }
}
