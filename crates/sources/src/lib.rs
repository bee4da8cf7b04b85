//! Bytes to raw events.
//!
//! The first arrow of the flow: what a stream record, an S3 object or a file holds becomes [`Document`]s, one per event,
//! from which a mapping reads its values.

mod document;
mod json;
mod text_fields;

pub use document::{Children, DEPTH_LIMIT, Document, DocumentBuffer, DocumentError, NODE_LIMIT, NodeId, NodeValue};
pub use text_fields::{FIELD_LIMIT, FieldNames, FieldNamesError, TITLE_KEY, TextFields};
