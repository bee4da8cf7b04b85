//! The framing that an input has, found out from how it starts.

use crate::binary::without_space;
use crate::cursor::Cursor;
use crate::delimited::{Columns, Delimited};
use crate::found::Halt;
use crate::framing::Framing;

/// Members that hold the events of AWS's own logs, and of what `aws cloudtrail lookup-events` writes.
const ARRAYS: [&str; 2] = ["Records", "Events"];

/// The member with the events of a document, if it is the first one.
pub(crate) fn array_of_events(input: &[u8]) -> Option<&'static str> {
    ARRAYS.into_iter().find(|name| crate::json_stream::first_member_is_array(input, name))
}

/// The element that holds an event of a Windows event log.
const EVENT: &str = "Event";

/// Bytes that are looked at to choose a framing.
pub(crate) const LOOK: usize = 64 << 10;

/// The framing that the start of an input suggests.
pub(crate) fn detect(cursor: &mut Cursor<'_>) -> Result<Framing, Halt> {
    while cursor.window.bytes().len() < LOOK && !is_enough(cursor.window.bytes()) && cursor.window.grow()? {}
    let bytes = cursor.window.bytes();
    let bytes = without_space(bytes.get(..LOOK).unwrap_or(bytes));
    Ok(match bytes.first() {
        Some(b'[') => Framing::JsonArray { at: Vec::new() },
        Some(b'{') => {
            if let Some(name) = array_of_events(bytes) {
                Framing::JsonArray { at: vec![name.to_owned()] }
            } else {
                // A document that ends at the end of the first line is a line of JSON; one with lines of its own, or
                // with another document on its line, is not.
                let line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
                match crate::json_stream::end_of_value(bytes) {
                    _ if first_of_lines_is_broken(bytes, line) => Framing::Ndjson,
                    Some(end) if end > line => Framing::JsonDocuments,
                    Some(end) if !bytes.get(end..line).unwrap_or_default().trim_ascii().is_empty() => {
                        Framing::JsonDocuments
                    }
                    None if line < bytes.len() => Framing::JsonDocuments,
                    _ => Framing::Ndjson,
                }
            }
        }
        Some(b'<') if crate::xml_stream::has_element(bytes, EVENT) => {
            Framing::XmlElements { element: EVENT.to_owned() }
        }
        Some(_) if Delimited::looks_like_flow_log(bytes) => {
            Framing::Delimited(Delimited { columns: Columns::Header, separator: b' ', quote: None })
        }
        _ => Framing::Ndjson,
    })
}

/// True if the line that ends at `line` is no whole document but the next one is: a log whose first line was damaged, which
/// must not cost the others.
fn first_of_lines_is_broken(bytes: &[u8], line: usize) -> bool {
    let Some((first, rest)) = bytes.split_at_checked(line) else { return false };
    let next = rest.trim_ascii_start();
    let next = next.get(..memchr::memchr(b'\n', next).unwrap_or(next.len())).unwrap_or_default().trim_ascii_end();
    let end = crate::json_stream::end_of_value;
    next.starts_with(b"{") && end(first).is_none() && end(next) == Some(next.len())
}

/// True if more bytes could not change what [`detect`] says, so that a slow stream need not fill 64 KiB first.
fn is_enough(bytes: &[u8]) -> bool {
    let bytes = without_space(bytes);
    let line = || memchr::memchr(b'\n', bytes).and_then(|line| bytes.get(..line));
    match bytes.first() {
        None => false,
        Some(b'[') => true,
        // Of syslog, a number stands there.
        Some(b'<') if bytes.get(1).is_none_or(|byte| !byte.is_ascii_digit()) => {
            crate::xml_stream::has_element(bytes, EVENT)
        }
        Some(b'{') => line().is_some_and(|line| crate::json_stream::end_of_value(line).is_some()),
        Some(_) => line().is_some(),
    }
}
