//! Promises about any input: nothing panics, nothing is dropped, and how the reader deals the bytes out does not
//! matter.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, whose helpers clippy takes for code")]

use std::io::{Read, Write as _};

use bumpalo::Bump;
use proptest::prelude::*;
use sources::{
    BinaryFormat, Columns, Decode, Delimited, Document, DocumentBuffer, ExpansionLimits, FieldNames, Framing, Item,
    Limits, NodeId, NodeValue, Records, TITLE_KEY, TextFields, kpl,
};

/// Deals out the bytes in pieces of these lengths, over and over.
struct Pieces<'a> {
    rest: &'a [u8],
    lengths: Vec<usize>,
    next: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.lengths[self.next % self.lengths.len()].min(buffer.len()).min(self.rest.len());
        self.next += 1;
        let (piece, rest) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(piece);
        self.rest = rest;
        Ok(length)
    }
}

/// An item without its borrow: offset, length, and all that is said about it.
type Seen = (u64, u64, String);

fn seen(mut records: Records<'_>) -> Vec<Seen> {
    let mut items = Vec::new();
    while let Some(item) = records.next_unskipped().unwrap() {
        let described = format!("{item:?}");
        items.push(match item {
            Item::Event(event) => (event.position.offset, event.bytes.len() as u64, described),
            Item::Oversized { position, bytes, .. } => (position.offset, bytes.len() as u64, described),
            Item::Fault { position, bytes, .. } => (position.offset, bytes.len() as u64, described),
            _ => panic!("a new kind of item: {described}"),
        });
    }
    items
}

fn framings() -> Vec<Framing> {
    let delimited = |columns| Framing::Delimited(Delimited { columns, separator: b' ', quote: Some(b'"') });
    vec![
        Framing::Auto,
        Framing::Ndjson,
        Framing::Json,
        Framing::JsonDocuments,
        Framing::JsonArray { at: vec![] },
        Framing::JsonArray { at: vec!["Records".to_owned()] },
        Framing::JsonArray { at: vec!["a".to_owned(), "b".to_owned()] },
        Framing::XmlElements { element: "Event".to_owned() },
        delimited(Columns::Header),
        delimited(Columns::Named(vec!["a".to_owned(), "b".to_owned()])),
    ]
}

fn limits() -> Limits {
    Limits { event_bytes: 40, expansion: ExpansionLimits { bytes: 10_000, ratio: 500, ratio_from: 5_000 } }
}

/// Text that is nearly what the framings are about.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "{", "}", "[", "]", "\"", ",", ":", "\\", "\n", "\r\n", " ", "\u{feff}", "{\"Records\":[", "{\"a\":{\"b\":[", "]}", "{\"a\":1}", "1", "null",
            "\"a b\"", "\"a\":", "x", "version account-id srcaddr", "a b\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => prop::collection::vec(Just(b'y'), 0..60),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Text that is nearly XML.
fn xml_input() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "<Event>", "</Event>", "<Event/>", "<Event a='1'>", "<Events>", "</Events>", "<x>", "</x>", "<!--", "-->", "<![CDATA[",
            "]]>", "<?xml", "?>", "<!DOCTYPE", ">", "<", "'", "\"", " ", "\n", "\u{feff}", "text", "&lt;", "/",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => prop::collection::vec(Just(b'y'), 0..60),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// True for what may stand between elements: white space, byte order marks, comments, declarations, and the tags of roots.
fn may_be_passed(gap: &[u8]) -> bool {
    let gap = String::from_utf8_lossy(gap);
    let mut rest = &*gap;
    loop {
        rest = rest.trim_start_matches(|character: char| character.is_ascii_whitespace() || character == '\u{feff}');
        let after = |start: &str, end: &str| rest.strip_prefix(start)?.split_once(end).map(|(_, behind)| behind);
        let behind = after("<!--", "-->").or_else(|| after("<?", "?>")).or_else(|| {
            let mut quote = None;
            let end = rest.strip_prefix('<')?.find(|character| {
                match (quote, character) {
                    (None, '"' | '\'') => quote = Some(character),
                    (Some(open), _) if open == character => quote = None,
                    _ => {}
                }
                quote.is_none() && character == '>'
            })?;
            let (tag, behind) = rest.split_at(end + 2);
            (!tag.starts_with("<Event>") && !tag.starts_with("<!")).then_some(behind)
        });
        match behind {
            Some(behind) => rest = behind,
            None => return rest.is_empty(),
        }
    }
}

fn packed(data: &[u8], how: u8) -> Vec<u8> {
    match how {
        0 => data.to_vec(),
        1 => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        2 => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        _ => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// A layer of compression: the format, where to cut into members, and what stands between and behind them.
type Layer = (u8, Vec<prop::sample::Index>, Vec<u8>);

fn layer() -> impl Strategy<Value = Layer> {
    let padding = prop::collection::vec(prop::sample::select(b"\0 \n\r\t".to_vec()), 0..5);
    (1u8..4, prop::collection::vec(any::<prop::sample::Index>(), 0..3), padding)
}

fn in_members(data: &[u8], (how, cuts, padding): &Layer) -> Vec<u8> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(data.len() + 1)).collect();
    cuts.sort_unstable();
    let mut from = 0;
    let mut all = Vec::new();
    for to in cuts.into_iter().chain([data.len()]) {
        all.extend(packed(&data[from..to], *how));
        all.extend(padding);
        from = to;
    }
    all
}

/// The events that are JSON, and whether anything is wrong.
fn events_of_lines(input: impl Read + Send) -> (Vec<String>, bool) {
    let framing = Framing::Ndjson;
    let limits = Limits { event_bytes: 1 << 20, ..limits() };
    let mut records = Records::of_stream(&framing, input, limits);
    let (mut events, mut is_wrong) = (Vec::new(), false);
    while let Some(item) = records.next_unskipped().unwrap() {
        match item {
            Item::Event(event) if serde_json::from_slice::<serde_json::Value>(event.bytes).is_ok() => {
                events.push(String::from_utf8(event.bytes.to_vec()).unwrap());
            }
            _ => is_wrong = true,
        }
    }
    (events, is_wrong)
}

/// Documents, one a line.
fn lines() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("\\{\"a\":\"[ -!#-\\[\\]-~é🦀]{0,40}\"\\}", 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_items_depend_on_the_bytes_alone(input in input(), lengths in prop::collection::vec(1usize..30, 1..5)) {
        for framing in framings() {
            let whole = seen(Records::of_slice(&framing, &input, limits()));
            let pieces = Pieces { rest: &input, lengths: lengths.clone(), next: 0 };
            prop_assert_eq!(&seen(Records::of_stream(&framing, pieces, limits())), &whole, "{:?}", framing);
            // In order, one behind the other, within the input.
            let mut end = 0;
            for (offset, length, item) in &whole {
                prop_assert!(*offset >= end, "{framing:?} {item}");
                end = offset + length;
            }
            prop_assert!(end <= input.len() as u64);
        }
    }

    #[test]
    fn the_lines_of_any_content_come_out_of_any_packing(
        lines in lines(),
        layers in prop::collection::vec(layer(), 0..3),
        lengths in prop::collection::vec(1usize..300, 1..4),
    ) {
        let mut bytes = lines.join("\n").into_bytes();
        for layer in &layers {
            bytes = in_members(&bytes, layer);
        }
        let pieces = Pieces { rest: &bytes, lengths, next: 0 };
        prop_assert_eq!(events_of_lines(pieces), (lines.clone(), false));
        prop_assert_eq!(events_of_lines(&bytes[..]), (lines, false));
    }

    #[test]
    fn damage_to_compressed_bytes_does_not_go_unseen(
        lines in lines(),
        how in (0u8..4, 1u8..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        length in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = packed(&packed(lines.join("\n").as_bytes(), how.0), how.1);
        for (place, byte) in damage {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        if is_cut {
            bytes.truncate(1 + length.index(bytes.len()));
        }
        let (events, is_wrong) = events_of_lines(&bytes[..]);
        prop_assert!(is_wrong || events == lines, "{events:?}");
    }

    #[test]
    fn text_in_utf16_is_what_it_is_in_utf8(
        lines in lines(),
        is_big_endian in any::<bool>(),
        how in 0u8..4,
        lengths in prop::collection::vec(1usize..300, 1..4),
    ) {
        let units = format!("\u{feff}{}", lines.join("\r\n"));
        let bytes = |unit: u16| if is_big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
        let bytes = packed(&units.encode_utf16().flat_map(bytes).collect::<Vec<_>>(), how);
        let pieces = Pieces { rest: &bytes, lengths, next: 0 };
        prop_assert_eq!(events_of_lines(pieces), (lines, false));
    }

    #[test]
    fn every_byte_of_xml_is_in_an_item_or_may_be_passed(input in xml_input(), lengths in prop::collection::vec(1usize..30, 1..5)) {
        let framing = Framing::XmlElements { element: "Event".to_owned() };
        let items = seen(Records::of_slice(&framing, &input, limits()));
        let pieces = Pieces { rest: &input, lengths, next: 0 };
        prop_assert_eq!(&seen(Records::of_stream(&framing, pieces, limits())), &items);
        let mut end = 0;
        for (offset, length, _) in items.iter().chain([&(input.len() as u64, 0, String::new())]) {
            let gap = &input[end..*offset as usize];
            prop_assert!(may_be_passed(gap), "{:?} was dropped of {items:?}", String::from_utf8_lossy(gap));
            end = (offset + length) as usize;
        }
    }

    #[test]
    fn every_byte_of_lines_is_in_an_item_or_is_a_separator(input in input()) {
        let items = seen(Records::of_slice(&Framing::Ndjson, &input, limits()));
        // What is no text is refused with its byte order mark.
        let is_text = BinaryFormat::of(&input).is_none();
        let mut end = if is_text && input.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        for (offset, length, _) in items.iter().chain([&(input.len() as u64, 0, String::new())]) {
            let gap = &input[end..*offset as usize];
            prop_assert!(gap.trim_ascii().is_empty(), "{gap:?} was dropped");
            end = (offset + length) as usize;
        }
    }

    #[test]
    fn every_byte_of_documents_is_in_an_item_or_is_white_space(input in input()) {
        let items = seen(Records::of_slice(&Framing::JsonDocuments, &input, limits()));
        // What is no text is refused with its byte order mark.
        let is_text = BinaryFormat::of(&input).is_none();
        let mut end = if is_text && input.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        for (offset, length, _) in items.iter().chain([&(input.len() as u64, 0, String::new())]) {
            let gap = &input[end..*offset as usize];
            prop_assert!(gap.trim_ascii().is_empty(), "{gap:?} was dropped");
            end = (offset + length) as usize;
        }
    }

    #[test]
    fn elements_of_an_array_are_what_serde_json_finds(
        elements in prop::collection::vec(prop_oneof![Just("1"), Just("\"],\\\"\""), Just("{\"Records\":[[]]}"), Just(" [ ] ")], 0..8),
        before in prop_oneof![Just(""), Just("\"x\":{\"Records\":[0]},"), Just("\"Records\":5 ,")],
        after in prop_oneof![Just(""), Just(",\"y\":\"]}\""), Just(" ")],
    ) {
        let text = format!("{{{before}\"Records\":[{}]{after}}}", elements.join(","));
        let framing = Framing::JsonArray { at: vec!["Records".to_owned()] };
        let mut records = Records::of_slice(&framing, text.as_bytes(), Limits::default());
        let mut found = Vec::new();
        while let Some(Item::Event(event)) = records.next_item().unwrap() {
            found.push(serde_json::from_slice::<serde_json::Value>(event.bytes).unwrap());
        }
        let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&whole["Records"], &serde_json::Value::Array(found));
    }

    #[test]
    fn compressed_bytes_may_be_damaged_in_any_way(
        data in prop::collection::vec(prop_oneof![input(), Just(vec![b'z'; 4_000])], 0..4).prop_map(|parts| parts.concat()),
        how in (0u8..4, 0u8..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in any::<prop::sample::Index>(),
        lengths in prop::collection::vec(1usize..500, 1..3),
    ) {
        let mut bytes = packed(&packed(&data, how.0), how.1);
        for (place, byte) in damage {
            if !bytes.is_empty() {
                let at = place.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes.truncate(bytes.len() / 2 + cut.index(bytes.len() + 1));
        for framing in [Framing::Auto, Framing::Json, Framing::JsonArray { at: vec![] }] {
            let whole = seen(Records::of_slice(&framing, &bytes, limits()));
            let pieces = Pieces { rest: &bytes, lengths: lengths.clone(), next: 0 };
            prop_assert_eq!(seen(Records::of_stream(&framing, pieces, limits())), whole);
        }
    }

    #[test]
    fn no_event_makes_a_decoder_panic(input in prop_oneof![input(), xml_input()]) {
        let mut buffer = DocumentBuffer::default();
        let text_fields = TextFields { at: vec!["a".into()], event_id: vec!["id".into()], names: FieldNames::default() };
        for framing in framings() {
            let decode = Decode { framing, text_fields: Some(text_fields.clone()), limits: limits(), ..Decode::default() };
            let bump = Bump::new();
            let mut records = decode.records_of_slice(&input);
            while let Some(item) = records.next_item().unwrap() {
                if let Item::Event(event) = item && let Ok(mut document) = decode.document(&event, &mut buffer, &bump) {
                    decode.split_message(&mut document);
                    prop_assert_eq!(document.subtree(NodeId::ROOT).end as usize, document.len());
                    buffer.recycle(document);
                }
            }
        }
    }

    #[test]
    fn the_parts_of_any_message_join_to_the_message(
        lines in prop::collection::vec(prop_oneof![
            prop::sample::select(vec!["Image", "User", "UtcTime", "Other", "RuleName:", "", "Image: ", "User:x", " User: ", "é: b", "A_b: :"]).prop_map(str::to_owned),
            ("(Image|User|UtcTime|ProcessId|Zz)", "[ -~]{0,10}").prop_map(|(name, value)| format!("{name}: {value}")),
        ], 0..12),
        id in prop_oneof![Just("1"), Just("5"), Just("none")],
        line_break in prop_oneof![Just("\r\n"), Just("\n")],
    ) {
        let message = lines.join(line_break);
        let fields = TextFields { at: vec!["d".into()], event_id: vec!["id".into()], names: FieldNames::shipped("windows-sysmon").unwrap() };
        let input = serde_json::json!({"id": id, "d": message}).to_string();
        let bump = Bump::new();
        let mut document = Document::parse(input.as_bytes(), &bump).unwrap();
        let was_split = fields.apply(&mut document);
        let node = document.find(&["d"]).unwrap();
        if was_split {
            let mut parts: Vec<String> = Vec::new();
            for part in document.children(node) {
                let NodeValue::String(value) = document.value(part) else { panic!() };
                match document.key(part).unwrap() {
                    TITLE_KEY => parts.push(value.to_owned()),
                    // The one thing that is not kept: whether an empty value had its space.
                    name if value.is_empty() || value.starts_with(line_break) => parts.push(format!("{name}:{value}")),
                    name => parts.push(format!("{name}: {value}")),
                }
            }
            let trimmed = |text: &str| text.replace(&format!(": {line_break}"), &format!(":{line_break}")).trim_end_matches(' ').to_owned();
            prop_assert_eq!(trimmed(&parts.join(line_break)), trimmed(&message));
        } else {
            prop_assert_eq!(document.value(node), NodeValue::String(&message));
        }
    }

    #[test]
    fn no_aggregated_record_makes_it_panic(message in prop::collection::vec(prop_oneof![Just(0x0au8), Just(0x1a), 0u8..16, any::<u8>()], 0..60)) {
        use md5::Digest as _;
        let sealed = [&kpl::MAGIC[..], &message, &md5::Md5::digest(&message)].concat();
        if let Ok(records) = kpl::deaggregate(&sealed) {
            for (place, record) in records.iter().enumerate() {
                prop_assert_eq!(record.index, place);
                prop_assert!(record.partition_key.is_some());
            }
        }
        prop_assert!(kpl::deaggregate(&sealed[..sealed.len() - 1]).is_err());
    }
}
