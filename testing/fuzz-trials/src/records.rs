//! Any bytes with any framing, compressed or not: items come in order, and are the same whether the bytes come as a slice or
//! in pieces. The first two bytes choose framing and pieces.

use std::io::Read;

use bumpalo::Bump;
use sources::{
    Columns, Decode, Delimited, DocumentBuffer, ExpansionLimits, FieldNames, Framing, Item, Limits, Records, TextFields,
};

struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.1.min(buffer.len()).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        buffer[..length].copy_from_slice(piece);
        self.0 = rest;
        Ok(length)
    }
}

fn framing(choice: u8) -> Framing {
    let delimited = |columns| Framing::Delimited(Delimited { columns, separator: b' ', quote: Some(b'"') });
    match choice % 9 {
        0 => Framing::Auto,
        1 => Framing::Ndjson,
        2 => Framing::Json,
        3 => Framing::JsonDocuments,
        4 => Framing::JsonArray { at: Vec::new() },
        5 => Framing::JsonArray { at: vec!["Records".to_owned()] },
        6 => delimited(Columns::Header),
        7 => Framing::XmlElements { element: "Event".to_owned() },
        _ => delimited(Columns::Named(vec!["a".to_owned(), "b".to_owned()])),
    }
}

fn described(mut records: Records<'_>) -> Vec<String> {
    let mut items = Vec::new();
    let mut end = 0;
    while let Some(item) = records.next_unskipped().expect("the reader does not fail") {
        let (offset, length) = match &item {
            Item::Event(event) => (event.position.offset, event.bytes.len() as u64),
            Item::Oversized { position, bytes, .. } => (position.offset, bytes.len() as u64),
            Item::Fault { position, bytes, .. } => (position.offset, bytes.len() as u64),
            other => panic!("{other:?}"),
        };
        assert!(offset >= end, "items overlap");
        end = offset + length;
        items.push(format!("{item:?}"));
    }
    items
}

/// Runs one input.
pub fn run(input: &[u8]) {
    let [choice, piece, input @ ..] = input else { return };
    let decode = Decode {
        framing: framing(*choice),
        text_fields: Some(TextFields {
            at: vec!["a".to_owned()],
            event_id: vec!["b".to_owned()],
            names: FieldNames::shipped("windows-sysmon").expect("is shipped"),
        }),
        limits: Limits {
            event_bytes: 64,
            expansion: ExpansionLimits { bytes: 100_000, ratio: 200, ratio_from: 10_000 },
        },
        ..Decode::default()
    };
    let whole = described(decode.records_of_slice(input));
    let pieces = Pieces(input, usize::from(*piece) + 1);
    assert_eq!(described(decode.records_of_stream(pieces)), whole);

    read_documents(&decode, input);
}

/// Parses the document of every event, which may be refused.
pub(crate) fn read_documents(decode: &Decode, input: &[u8]) {
    let mut buffer = DocumentBuffer::default();
    let mut records = decode.records_of_slice(input);
    while let Some(item) = records.next_item().expect("a slice does not fail") {
        let bump = Bump::new();
        if let Item::Event(event) = item
            && let Ok(document) = decode.document(&event, &mut buffer, &bump)
        {
            buffer.recycle(document);
        }
    }
}
