//! What a mapping says about its source's bytes, in one value.

use std::io::Read;

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use regex::bytes::Regex;

use crate::delimited::Columns;
use crate::document::{Document, DocumentBuffer};
use crate::document_error::DocumentError;
use crate::framing::{Framing, Limits};
use crate::item::{RawEvent, Syntax};
use crate::records::Records;
use crate::reshape::ENVELOPE_KEY;
use crate::split_columns::SplitColumns;
use crate::text_fields::TextFields;

/// How the bytes of a source become documents. A mapping's `decode` section compiles to one.
///
/// ```
/// use bumpalo::Bump;
/// use sources::{Decode, DocumentBuffer, Framing, Item, NodeId};
///
/// let decode = Decode { framing: Framing::JsonArray { at: vec!["Records".to_owned()] }, ..Decode::default() };
/// let (mut buffer, mut bump) = (DocumentBuffer::default(), Bump::new());
/// let mut records = decode.records_of_slice(br#"{"Records":[{"a":1},{"a":2}]}"#);
/// let mut seen = Vec::new();
/// while let Some(item) = records.next_item()? {
///     if let Item::Event(event) = item {
///         let document = decode.document(&event, &mut buffer, &bump)?;
///         seen.push(document.to_json(NodeId::ROOT));
///         buffer.recycle(document);
///     }
///     bump.reset();
/// }
/// assert_eq!(seen, [r#"{"a":1}"#, r#"{"a":2}"#]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decode {
    /// How the input falls into events.
    pub framing: Framing,
    /// Columns of delimited text that hold several fields.
    pub split_columns: SplitColumns,
    /// What may stand before an event on its line.
    pub line_prefix: Option<LinePrefix>,
    /// The rendered message of each event, if it has one. It is split after all else is done with the event.
    pub text_fields: Option<TextFields>,
    /// Bounds of memory.
    pub limits: Limits,
}

impl Decode {
    /// The events of a slice, plain or compressed. Plain bytes are not copied.
    #[must_use]
    pub fn records_of_slice<'a>(&'a self, input: &'a [u8]) -> Records<'a> {
        Records::of_slice(&self.framing, input, self.limits)
    }

    /// The events of a stream, plain or compressed.
    #[must_use]
    pub fn records_of_stream<'a>(&'a self, input: impl Read + Send + 'a) -> Records<'a> {
        Records::of_stream(&self.framing, input, self.limits)
    }

    /// The document of an event.
    ///
    /// # Errors
    /// If the event is not what its framing says: not UTF-8, not JSON, with an open quote. The caller has its bytes.
    pub fn document<'a>(
        &self,
        event: &RawEvent<'a>,
        buffer: &mut DocumentBuffer,
        bump: &'a Bump,
    ) -> Result<Document<'a>, DocumentError> {
        let mut prefix = None;
        let mut read = match event.syntax {
            Syntax::Json => {
                let json;
                (json, prefix) = self.without_prefix(event.bytes, bump);
                buffer.parse(json, bump)
            }
            Syntax::Delimited(delimited, names) => {
                delimited.document(event.bytes, names, &self.split_columns, buffer, bump)
            }
            Syntax::Xml => crate::xml::document(event.bytes, buffer, bump),
        };
        // In its place: every event comes by here, and a document is large to move.
        if let Ok(document) = &mut read {
            document.rename_reserved();
            if let Some(prefix) = prefix {
                *document = document.with_member(ENVELOPE_KEY, prefix);
            }
        }
        read
    }

    /// The document that a text within an event holds: JSON, an XML element, or a line of this source. None, if it is none
    /// of them.
    pub fn document_of_text<'a>(
        &'a self,
        text: &'a str,
        buffer: &mut DocumentBuffer,
        bump: &'a Bump,
    ) -> Option<Document<'a>> {
        let text = text.trim_ascii();
        if text.starts_with('<') {
            return crate::xml::document(text.as_bytes(), buffer, bump).ok();
        }
        if let Framing::Delimited(delimited) = &self.framing
            && let Columns::Named(names) = &delimited.columns
            && !text.starts_with(['{', '['])
        {
            return delimited.document(text.as_bytes(), names, &self.split_columns, buffer, bump).ok();
        }
        let (json, _) = self.without_prefix(text.as_bytes(), bump);
        buffer.parse(json, bump).ok()
    }

    /// Splits the rendered message of an event.
    pub fn split_message(&self, document: &mut Document<'_>) {
        if let Some(text_fields) = &self.text_fields {
            text_fields.apply(document);
        }
    }

    /// The JSON of a line, and what stands before it.
    #[inline]
    fn without_prefix<'a>(&self, line: &'a [u8], bump: &'a Bump) -> (&'a [u8], Option<Groups<'a>>) {
        let prefix = self.line_prefix.as_ref().filter(|_| !matches!(line.first(), Some(b'{' | b'[')));
        match prefix.and_then(|prefix| prefix.split(line, bump)) {
            Some((json, members)) => (json, Some(members)),
            None => (line, None),
        }
    }
}

/// Names of groups with their texts.
type Groups<'a> = &'a [(&'a str, &'a str)];

/// Text that may stand before an event on its line, as a time that a collector adds.
#[derive(Clone, Debug)]
pub struct LinePrefix(Regex);

impl LinePrefix {
    /// The prefix that a pattern matches at the start of a line. None, if it does not compile.
    #[must_use]
    pub fn new(pattern: &str) -> Option<Self> {
        Regex::new(&format!("^(?:{pattern})")).ok().map(Self)
    }

    /// What follows the prefix, and its named groups; all of it as `prefix`, if the pattern names none. None, if the line
    /// has no such prefix.
    fn split<'a>(&self, line: &'a [u8], bump: &'a Bump) -> Option<(&'a [u8], Groups<'a>)> {
        let found = self.0.captures(line)?;
        let whole = found.get(0)?;
        let mut members = BumpVec::new_in(bump);
        for name in self.0.capture_names().flatten() {
            if let Some(text) = found.name(name).and_then(|group| std::str::from_utf8(group.as_bytes()).ok()) {
                members.push((&*bump.alloc_str(name), text));
            }
        }
        if members.is_empty() {
            members.push(("prefix", std::str::from_utf8(whole.as_bytes()).ok()?.trim_ascii_end()));
        }
        Some((line.get(whole.end()..)?.trim_ascii_start(), members.into_bump_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Item;
    use crate::node::NodeId;

    fn json(pattern: &str, line: &str) -> String {
        let decode = Decode { line_prefix: LinePrefix::new(pattern), ..Decode::default() };
        let (mut buffer, bump) = (DocumentBuffer::default(), Bump::new());
        let mut records = Records::of_slice(&Framing::Ndjson, line.as_bytes(), decode.limits);
        let Ok(Some(Item::Event(event))) = records.next_item() else { panic!("{line}") };
        match decode.document(&event, &mut buffer, &bump) {
            Ok(document) => document.to_json(NodeId::ROOT),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_prefix_of_the_line_is_no_part_of_the_event_but_stays_readable() {
        let times = r"(?<time>\d{4}-\S+)( (?<host>\w+))?";
        assert_eq!(
            json(times, r#"2025-01-01T00:00:00Z {"a":1}"#),
            r#"{"_envelope":{"time":"2025-01-01T00:00:00Z"},"a":1}"#
        );
        assert_eq!(
            json(times, r#"2025-01-01 pc  {"a":1}"#),
            r#"{"_envelope":{"time":"2025-01-01","host":"pc"},"a":1}"#
        );
        assert_eq!(json(r"[^{]*", r#"any text: {"a":1}"#), r#"{"_envelope":{"prefix":"any text:"},"a":1}"#);
    }

    #[test]
    fn a_line_without_the_prefix_is_read_as_it_is() {
        assert_eq!(json(r"[^{]*", r#"{"a":1}"#), r#"{"a":1}"#);
        assert!(json(r"\d+ ", "text").starts_with("not JSON at byte 0"));
    }
}
