//! How an input is said to fall into events, and how long an event may be.

use crate::compression::ExpansionLimits;
use crate::delimited::Delimited;

/// How an input falls into events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Found out from the first 64 KiB: lines of JSON, a JSON array, `{"Records": […]}`, JSON documents in a row, `<Event>`
    /// elements of XML, or a flow log with its header line. What looks like none of these is taken as lines of JSON, and
    /// fails line by line.
    #[default]
    Auto,
    /// A JSON document per line; blank lines do not count.
    Ndjson,
    /// The elements of the array at a path of member names; an empty path is the root. Documents may follow one
    /// another.
    JsonArray {
        /// Member names from the root to the array, `["Records"]` for `$.Records`.
        at: Vec<String>,
    },
    /// The whole input is one JSON document.
    Json,
    /// JSON documents one after the other, with or without white space between and in them.
    JsonDocuments,
    /// Lines of text with a fixed order of fields.
    Delimited(Delimited),
    /// XML elements of one name, one after the other or in one root, on any number of lines. XML declarations, comments
    /// and white space may stand between them; anything else there is a fault.
    ///
    /// An element ends at its own end tag, also where one of its descendants has the same name. A start tag that is byte
    /// for byte that of the open element starts the next element: the open one was cut off.
    XmlElements {
        /// The name of the elements, `Event` for Windows event logs. A namespace prefix is part of the name.
        element: String,
    },
}

/// Bounds of what an input may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest event in bytes, and longest part of what is longer. Default 16 MiB. Memory is a small multiple of the
    /// longest item seen.
    pub event_bytes: usize,
    /// What compressed input may expand to.
    pub expansion: ExpansionLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { event_bytes: 16 << 20, expansion: ExpansionLimits::default() }
    }
}
