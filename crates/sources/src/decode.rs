//! What a mapping says about its source's bytes, in one value.

use std::io::Read;

use bumpalo::Bump;

use crate::document::{Document, DocumentBuffer, DocumentError};
use crate::framing::{Framing, Limits, RawEvent, Records};
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
    /// The rendered message of each event, if it has one.
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

    /// The document of an event, its rendered message split.
    ///
    /// # Errors
    /// If the event is not what its framing says: not UTF-8, not JSON, with an open quote. The caller has its bytes.
    pub fn document<'a>(
        &self,
        event: &RawEvent<'a>,
        buffer: &mut DocumentBuffer,
        bump: &'a Bump,
    ) -> Result<Document<'a>, DocumentError> {
        let mut document = match event.columns {
            Some((delimited, names)) => delimited.document(event.bytes, names, buffer, bump)?,
            None => buffer.parse(event.bytes, bump)?,
        };
        if let Some(text_fields) = &self.text_fields {
            text_fields.apply(&mut document);
        }
        Ok(document)
    }

    /// The document that a text within an event holds: JSON, or a line of this source. None, if it is neither.
    pub fn document_of_text<'a>(
        &self,
        text: &'a str,
        buffer: &mut DocumentBuffer,
        bump: &'a Bump,
    ) -> Option<Document<'a>> {
        buffer.parse(text.trim_ascii().as_bytes(), bump).ok()
    }
}
