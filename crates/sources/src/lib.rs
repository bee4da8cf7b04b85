//! Bytes to raw events.
//!
//! The first arrow of the flow: what a stream record, an S3 object or a file holds becomes [`Document`]s, one per
//! event, from which a mapping reads its values.
//!
//! 1. [`kpl::deaggregate`]: a Kinesis record to the user records packed in it.
//! 2. [`Decompressed`]: gzip, zstd, zlib or plain, by the first bytes; UTF-16 to UTF-8.
//! 3. [`BinaryFormat`]: whether the plain bytes are text; what is not is refused whole.
//! 4. [`Records`]: the plain bytes to raw events, each with its place in the input.
//! 5. [`Document`]: a raw event to a flat tree of borrowed values, and [`TextFields`] to split a rendered message in it.
//!
//! [`Decode`] holds what a mapping says about all of these. Nothing here panics on any input, holds more than one event
//! (and a read buffer) in memory, or drops bytes without an item that says so.

mod binary;
mod compression;
mod cursor;
mod decode;
mod decoders;
mod decompressed;
mod delimited;
mod detect;
mod document;
mod document_error;
mod field_order;
mod found;
mod framing;
mod item;
mod json;
mod json_stream;
pub mod kpl;
mod lines;
mod node;
mod parquet_rows;
mod records;
mod reshape;
mod split_columns;
mod text_fields;
mod utf16;
mod window;
mod words;
mod xml;
mod xml_stream;

pub use binary::BinaryFormat;
pub use compression::{Compression, ExpansionLimits, InputError};
pub use decode::{Decode, LinePrefix};
pub use decompressed::Decompressed;
pub use delimited::{Columns, Delimited};
pub use document::{Children, Document, DocumentBuffer};
pub use document_error::{COLUMN_LIMIT, DEPTH_LIMIT, DelimitedError, DocumentError, NODE_LIMIT};
pub use field_order::FIELD_LIMIT;
pub use framing::{Framing, Limits};
pub use item::{FrameError, Item, Position, RawEvent};
pub use node::{NodeId, NodeValue};
pub use records::Records;
pub use reshape::{ENVELOPE_KEY, Move, Moved, OBJECT_KEY};
pub use split_columns::{SplitColumns, SplitColumnsError};
pub use text_fields::{FieldNames, FieldNamesError, TITLE_KEY, TextFields};
