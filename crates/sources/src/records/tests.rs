use std::io::{Read, Write as _};

use super::*;
use crate::delimited::{Columns, Delimited};
use crate::detect::LOOK;

/// Gives one byte at a time, the worst that a reader may do.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (Some(to), Some((first, rest))) = (buffer.first_mut(), self.0.split_first()) else { return Ok(0) };
        *to = *first;
        self.0 = rest;
        Ok(1)
    }
}

fn small(event_bytes: usize) -> Limits {
    Limits { event_bytes, ..Limits::default() }
}

fn describe(records: &mut Records<'_>) -> Vec<String> {
    let mut items = Vec::new();
    let mut parts = 0;
    while let Some(item) = records.next_unskipped().unwrap() {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        items.push(match item {
            Item::Skipped => panic!("is not to come"),
            Item::Event(event) => {
                let Position { offset, index, line } = event.position;
                assert_eq!(index as usize, items.len() - parts);
                match line {
                    Some(line) => format!("{offset} line {line}: {}", text(event.bytes)),
                    None => format!("{offset}: {}", text(event.bytes)),
                }
            }
            Item::Oversized { position, part, length, bytes } => {
                parts += usize::from(length.is_none());
                let length = length.map(|length| format!(" of {length}")).unwrap_or_default();
                format!("{} part {part}{length}: {}", position.offset, text(bytes))
            }
            Item::Fault { position, error, bytes } => format!("{} fault {error}: {}", position.offset, text(bytes)),
        });
    }
    assert!(records.next_item().unwrap().is_none(), "the end stays the end");
    items
}

/// Items of an input as a slice, which must be those of a stream of single bytes.
fn items(framing: &Framing, input: &[u8], limits: Limits) -> Vec<String> {
    let items = describe(&mut Records::of_slice(framing, input, limits));
    if input.len() < 10_000 {
        assert_eq!(describe(&mut Records::of_stream(framing, Trickle(input), limits)), items);
    }
    assert_eq!(describe(&mut Records::of_stream(framing, input, limits)), items);
    items
}

fn array(path: &[&str]) -> Framing {
    Framing::JsonArray { at: path.iter().map(|&name| name.to_owned()).collect() }
}

#[test]
fn lines_end_with_lf_or_crlf_and_blank_ones_do_not_count() {
    let input = b"\xef\xbb\xbf{\"a\":1}\n\r\n  \n {\"b\":2} \r\nnot json\n{\"c\":3}";
    assert_eq!(
        items(&Framing::Ndjson, input, Limits::default()),
        ["3 line 1: {\"a\":1}", "17 line 4: {\"b\":2}", "27 line 5: not json", "36 line 6: {\"c\":3}"]
    );
    assert!(items(&Framing::Ndjson, b"", Limits::default()).is_empty());
    assert!(items(&Framing::Ndjson, b"\n\r\n", Limits::default()).is_empty());
}

#[test]
fn the_raw_bytes_of_an_event_are_all_that_stands_between_line_breaks() {
    let raw = |framing: &Framing, input: &[u8]| {
        let mut records = Records::of_stream(framing, Trickle(input), Limits::default());
        let mut all = Vec::new();
        while let Some(item) = records.next_item().unwrap() {
            let Item::Event(event) = item else { panic!("{item:?}") };
            assert!(event.raw.trim_ascii() == event.bytes.trim_ascii());
            all.push(String::from_utf8_lossy(event.raw).into_owned());
        }
        all
    };
    assert_eq!(raw(&Framing::Ndjson, b" a \t\r\n \nb \n\tc\r"), [" a \t", "b ", "\tc\r"]);
    assert_eq!(raw(&Framing::Json, b"\n {} \n"), ["\n {} \n"]);
    assert_eq!(raw(&Framing::JsonDocuments, b" {} \n[1] "), ["{}", "[1]"]);
}

#[test]
fn a_line_beyond_the_limit_is_reported_and_passed() {
    assert_eq!(
        items(&Framing::Ndjson, b"12345678\n123456789\r\n1\n0123456789", small(8)),
        [
            "0 line 1: 12345678",
            "9 part 1: 12345678",
            "17 part 2 of 10: 9\r",
            "20 line 3: 1",
            "22 part 1: 01234567",
            "30 part 2 of 10: 89"
        ]
    );
}

#[test]
fn the_elements_of_an_array_come_one_by_one() {
    let input = br#" {"x":{"Records":[0]},"y":"]}","Records" : [ {"a":[1,"]"]}, 2 ,"s,\"",null,[]] , "z":[1]} "#;
    assert_eq!(
        items(&array(&["Records"]), input, Limits::default()),
        ["45: {\"a\":[1,\"]\"]}", "60: 2", "63: \"s,\\\"\"", "70: null", "75: []"]
    );
    assert_eq!(items(&array(&[]), b"[1,{\"a\":2}]\n[3]", Limits::default()), ["1: 1", "3: {\"a\":2}", "13: 3"]);
    let nested = br#"{"a":{"x":1,"b":[1]},"a":{"b":[2]}}{"\u0061":{"b":[3]}}"#;
    assert_eq!(items(&array(&["a", "b"]), nested, Limits::default()), ["17: 1", "31: 2", "51: 3"]);
    assert!(items(&array(&[]), b"[]", Limits::default()).is_empty());
    assert!(items(&array(&["Records"]), b"{\"Records\":[]}", Limits::default()).is_empty());
}

#[test]
fn a_truncated_array_gives_its_good_elements_and_an_error() {
    let end = "fault the input ends within a document: ";
    let records = array(&["Records"]);
    let limits = Limits::default();
    assert_eq!(
        items(&records, br#"{"Records":[{"a":1},{"b"#, limits),
        ["12: {\"a\":1}".to_owned(), format!("20 {end}{{\"b")]
    );
    assert_eq!(items(&records, br#"{"Records":[{"a":1},"#, limits), ["12: {\"a\":1}".to_owned(), format!("20 {end}")]);
    assert_eq!(items(&records, br#"{"Records":[1]"#, limits), ["12: 1".to_owned(), format!("14 {end}")]);
    assert_eq!(items(&records, br#"{"Rec"#, limits), [format!("0 {end}{{\"Rec")]);
    assert_eq!(items(&records, br#"{"a":"#, limits), [format!("0 {end}{{\"a\":")]);
    assert_eq!(items(&records, br#"{"a":[1"#, limits), [format!("0 {end}{{\"a\":[1")]);
    assert_eq!(items(&array(&[]), b"[1, 2", limits), ["1: 1", "4: 2", &format!("5 {end}")]);
}

#[test]
fn a_document_without_the_array_is_reported_whole() {
    let fault = "fault there is no array at $.Records: ";
    let limits = Limits::default();
    for input in [r#"{"a":1,"b":[2]}"#, "{}", r#"{"Records":{"x":1}}"#, "[1]", "12", r#""text""#, "junk"] {
        let expected = [format!("0 {fault}{input}")];
        assert_eq!(items(&array(&["Records"]), input.as_bytes(), limits), expected);
    }
    let two = br#"{"a":1}{"Records":[2]}"#;
    assert_eq!(items(&array(&["Records"]), two, limits), [format!("0 {fault}{{\"a\":1}}"), "19: 2".to_owned()]);
    assert_eq!(
        items(&array(&["a", "b"]), br#"{"a":{"c":1}}"#, limits),
        [r#"0 fault there is no array at $.a.b: {"a":{"c":1}}"#]
    );
}

#[test]
fn long_parts_around_and_in_an_array_are_passed_in_bounded_memory() {
    let long = "x".repeat(12);
    let around = format!(r#"{{"Records":[1,"{long}",3],"{long}":[],"Records":[4]}}"#);
    assert_eq!(
        items(&array(&["Records"]), around.as_bytes(), small(12)),
        ["12: 1", "14 part 1: \"xxxxxxxxxxx", "26 part 2 of 14: x\"", "29: 3", "61: 4"]
    );
    let long = "x".repeat(10);
    let limits = small(10);
    // What comes before the array belongs to no event, but that is not known yet when it is too much to keep.
    let before = format!(r#"{{"{long}":2,"Records":[1]}}"#);
    assert_eq!(
        items(&array(&["Records"]), before.as_bytes(), limits),
        [
            "0 part 1: {",
            "1 part 2: \"xxxxxxxxx",
            "11 part 3: x\":2,",
            "16 part 4: \"Records\":",
            "26 part 5 of 27: [",
            "27: 1"
        ]
    );
    let without = format!(r#"{{"a":"{long}"}}[1]"#);
    assert_eq!(
        items(&array(&["Records"]), without.as_bytes(), limits),
        ["0 part 1: {\"a\":\"xxxx", "10 part 2 of 18: xxxxxx\"}", "18 fault there is no array at $.Records: [1]"]
    );
    let broken = format!(r#"{{"a":"{long}",5}}"#);
    let syntax = "fault not JSON at byte 18 of the input: expected a member name";
    assert_eq!(
        items(&array(&["Records"]), broken.as_bytes(), limits),
        ["0 part 1: {\"a\":\"xxxx".to_owned(), "10 part 2 of 18: xxxxxx\",".to_owned(), format!("18 {syntax}: 5}}")]
    );
}

#[test]
fn what_is_no_json_around_the_events_goes_out_as_it_is() {
    let limits = Limits::default();
    assert_eq!(
        items(&array(&["Records"]), br#"{"a" 1, "Records":[1]} x"#, limits),
        [r#"0 fault not JSON at byte 5 of the input: expected `:`: {"a" 1, "Records":[1]} x"#]
    );
    assert_eq!(
        items(&array(&["Records"]), br#"{"Records":[1] nope"#, limits),
        ["12: 1", "15 fault not JSON at byte 15 of the input: expected a member name: nope"]
    );
    // In the array every piece is an event, to be refused alone.
    assert_eq!(
        items(&array(&[]), br#"[1, nope, }:}, {"a":1} {"b":2},,]"#, limits),
        ["1: 1", "4: nope", "10: }:}", r#"15: {"a":1}"#, r#"23: {"b":2}"#]
    );
}

#[test]
fn documents_may_follow_each_other_without_separator() {
    let input = "{\"a\":1}{\"b\":\"}\"}\n{\n \"c\": [3]\n}\n\n 12 true\"x\"[] ,} {\"d\"";
    assert_eq!(
        items(&Framing::JsonDocuments, input.as_bytes(), Limits::default()),
        [
            "0: {\"a\":1}",
            "7: {\"b\":\"}\"}",
            "17: {\n \"c\": [3]\n}",
            "33: 12",
            "36: true",
            "40: \"x\"",
            "43: []",
            "46: ,}",
            "49 fault the input ends within a document: {\"d\""
        ]
    );
    assert_eq!(
        items(&Framing::JsonDocuments, br#"{"a":"0123456789"}{"b":1}"#, small(8)),
        [r#"0 part 1: {"a":"01"#, "8 part 2: 23456789", r#"16 part 3 of 18: "}"#, r#"18: {"b":1}"#]
    );
}

#[test]
fn one_document_is_the_whole_input() {
    assert_eq!(items(&Framing::Json, b"\n{\n}\n", Limits::default()), ["1: {\n}"]);
    assert_eq!(items(&Framing::Json, b"{} {}", Limits::default()), ["0: {} {}"]);
    assert_eq!(items(&Framing::Json, b"0123456789", small(9)), ["0 part 1: 012345678", "9 part 2 of 10: 9"]);
    assert!(items(&Framing::Json, b" \n", Limits::default()).is_empty());
}

#[test]
fn delimited_lines_have_a_header_or_names() {
    let flow = Delimited { columns: Columns::Header, separator: b' ', quote: None };
    let input = b"version account-id\n2 111\n\n2 222\r\n";
    assert_eq!(
        items(&Framing::Delimited(flow.clone()), input, Limits::default()),
        ["19 line 2: 2 111", "26 line 4: 2 222"]
    );
    let named = Delimited { columns: Columns::Named(vec!["version".into(), "account-id".into()]), ..flow.clone() };
    assert_eq!(items(&Framing::Delimited(named.clone()), input, Limits::default()).len(), 2);
    assert_eq!(items(&Framing::Delimited(named), b"2 111\n2 222", Limits::default()).len(), 2);
    let fault = "fault the header line cannot be read: \"2\" cannot be the name of a column: ";
    assert_eq!(
        items(&Framing::Delimited(flow), b"2 111\n2 222", Limits::default()),
        [format!("0 {fault}2 111"), format!("6 {fault}2 222")]
    );
}

#[test]
fn the_framing_is_found_out() {
    let auto = |input: &str| items(&Framing::Auto, input.as_bytes(), Limits::default());
    assert_eq!(auto("{\"a\":1}\n{\"b\":2}\n"), ["0 line 1: {\"a\":1}", "8 line 2: {\"b\":2}"]);
    assert_eq!(auto("{\"a\":1}"), ["0 line 1: {\"a\":1}"]);
    assert_eq!(auto("{\"a\":1}{\"b\":2}"), ["0: {\"a\":1}", "7: {\"b\":2}"]);
    assert_eq!(auto("{\n\"a\":1}\n{\"b\":2}"), ["0: {\n\"a\":1}", "9: {\"b\":2}"]);
    assert_eq!(auto("\n [1,\n2]"), ["3: 1", "6: 2"]);
    // A damaged first line costs that line.
    assert_eq!(auto("{\"a\":\n{\"b\":2}\n{}").len(), 3);
    assert_eq!(auto("{\"a\":\"x\r\n{\"b\":2}\r\n{}").len(), 3);
    assert_eq!(auto("{\n{\"b\":2}").len(), 2);
    assert_eq!(auto("{\"a\":1}{\"b\":2}\n{\"c\":3}").len(), 3);
    assert_eq!(auto("{\n \"Records\": [1, 2]}"), ["15: 1", "18: 2"]);
    assert_eq!(auto("{\"Records\": 1}\n{}"), ["0 line 1: {\"Records\": 1}", "15 line 2: {}"]);
    assert_eq!(auto("version account-id srcaddr\n2 1 10.0.0.1\n"), ["27 line 2: 2 1 10.0.0.1"]);
    assert_eq!(auto("some text\nmore"), ["0 line 1: some text", "10 line 2: more"]);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(LOOK));
    assert_eq!(auto(&format!("{long}\n{{}}")).len(), 2);
}

#[test]
fn a_slow_stream_gives_its_first_line_when_that_is_complete() {
    struct Waiting;
    impl Read for Waiting {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("the first line is there")
        }
    }
    let mut records = Records::of_stream(&Framing::Auto, b"{\"a\":1}\n".chain(Waiting), Limits::default());
    assert!(matches!(records.next_item(), Ok(Some(Item::Event(event))) if event.bytes == b"{\"a\":1}"));
}

#[test]
fn a_cut_off_gzip_gives_the_records_before_the_cut_and_an_error() {
    let lines: String =
        (0..20_000u64).map(|n| format!("{{\"n\":{}}}\n", n.wrapping_mul(6_364_136_223_846_793_005))).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(lines.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let elements = format!("[{}]", lines.trim_end().replace('\n', ","));
    let packed_array = zstd::encode_all(elements.as_bytes(), 1).unwrap();
    for (framing, packed) in [(Framing::Ndjson, packed), (array(&[]), packed_array)] {
        assert_eq!(items(&framing, &packed, Limits::default()).len(), 20_000);
        let cut = items(&framing, &packed[..packed.len() / 2], Limits::default());
        assert!((2_000..18_000).contains(&cut.len()), "{}", cut.len());
        let (fault, events) = cut.split_last().unwrap();
        assert!(fault.contains("data are cut off"), "{fault}");
        for (event, line) in events.iter().zip(lines.lines()) {
            assert!(event.ends_with(line), "{event} {line}");
        }
    }
    assert!(items(&Framing::Json, &[0x1f, 0x8b, 8, 0], Limits::default())[0].contains("cut off"));
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn text_in_utf16_is_read_and_its_places_count_utf8_bytes() {
    let limits = Limits::default();
    let text = "\u{feff}{\"a\":\"é\"}\r\n{\"b\":2}\r\n";
    let expected = ["3 line 1: {\"a\":\"é\"}", "15 line 2: {\"b\":2}"];
    assert_eq!(items(&Framing::Auto, &utf16(text), limits), expected);
    assert_eq!(items(&Framing::Auto, &gzip(&gzip(&utf16(text))), limits), expected);
    let odd = [utf16("\u{feff}{}\r\n[1"), b"]".to_vec()].concat();
    assert_eq!(
        items(&Framing::Ndjson, &odd, limits),
        ["3 line 1: {}", "7 fault the UTF-16 text ends within a character, with the byte 0x5d: [1"]
    );
}

#[test]
fn what_is_no_text_is_refused_whole() {
    let limits = Limits::default();
    // Starts as zlib data do, and is none.
    let input = b"\x78\x9c\x01\n\n\x02\r\n \n\x03\xff";
    let expected = [format!("0 fault binary data is not a log that can be read: {}", String::from_utf8_lossy(input))];
    for framing in [Framing::Auto, Framing::Ndjson, Framing::Json, array(&["Records"])] {
        assert_eq!(items(&framing, input, limits), expected, "{framing:?}");
    }
    assert_eq!(items(&Framing::Auto, &gzip(input), limits), expected);
    let parquet = [&b"PAR1\x15\n\x04"[..], &[0xe0; 100]].concat();
    let item = &items(&Framing::Auto, &parquet, limits)[..];
    assert!(item.len() == 1 && item[0].starts_with("0 fault the Parquet file cannot be read"), "{item:?}");
    // In as few pieces as memory allows.
    assert_eq!(items(&Framing::Auto, &parquet, small(40)).len(), 3);
}

#[test]
fn a_byte_that_is_no_text_costs_its_line() {
    let lines = b"{\"a\":\"one\"}\n{\"a\":\"\xff\"}\n{\"a\":\"\0\"}\n{}\n";
    for first in [&b""[..], b"\xff\xfd damage\n"] {
        let found = items(&Framing::Auto, &[first, lines].concat(), Limits::default());
        assert_eq!(found.len(), 4 + usize::from(!first.is_empty()), "{found:?}");
    }
}

#[test]
fn damage_in_the_header_of_a_gzip_member_is_one_fault_however_it_is_read() {
    let packed = gzip(b"{}\n");
    for flags in [0xff, 0x20, 0x04, 0x08, 0x10, 0x02] {
        let mut damaged = packed.clone();
        damaged[3] = flags;
        let found = items(&Framing::Auto, &damaged, Limits::default());
        assert!(found.len() == 1 && found[0].contains("fault the gzip data are"), "{flags:#x} {found:?}");
    }
}

/// How often control comes back, and the items.
fn turns(input: &[u8]) -> (usize, usize) {
    let mut records = Records::of_stream(&Framing::Auto, input, Limits::default());
    let (mut turns, mut items) = (0, 0);
    while let Some(item) = records.next_item().unwrap() {
        match item {
            Item::Skipped => turns += 1,
            _ => items += 1,
        }
    }
    (turns, items)
}

#[test]
fn control_comes_back_though_there_is_no_item() {
    let mebibytes = 4;
    let blank = vec![b'\n'; mebibytes << 20];
    let spaces = [&b"{\"Records\":["[..], &vec![b' '; mebibytes << 20], b"1]}"].concat();
    let around = [&b"{\"Records\":[1],\"x\":\""[..], &vec![b'y'; mebibytes << 20], b"\"}"].concat();
    let long = [&b"{\"a\":\""[..], &vec![b'y'; mebibytes << 20], b"\"}"].concat();
    let xml = [&b"<Events>"[..], &vec![b' '; mebibytes << 20], b"<Event/></Events>"].concat();
    for (input, expected) in [(blank, 0), (spaces, 1), (around, 1), (long, 1), (xml, 1)] {
        for input in [gzip(&input), input] {
            let (turns, items) = turns(&input);
            let start = String::from_utf8_lossy(&input[..9]).into_owned();
            assert!(items == expected && turns >= mebibytes - 2, "{start:?} {turns} {items}");
        }
    }
    // No plain bytes at all.
    let members = gzip(b"").repeat((mebibytes << 20) / gzip(b"").len());
    let (turns, items) = turns(&[members, gzip(b"{}")].concat());
    assert!(items == 1 && turns >= mebibytes, "{turns} {items}");
}

fn xml(element: &str) -> Framing {
    Framing::XmlElements { element: element.to_owned() }
}

#[test]
fn elements_of_xml_come_one_by_one() {
    let limits = Limits::default();
    let event = xml("Event");
    let one = "<Event a='>'><x>1</x></Event>";
    assert_eq!(items(&event, format!("{one}{one}\n {one}\n").as_bytes(), limits).len(), 3);
    let rooted = format!("<?xml version='1.0'?>\n<!-- <Event> --><Events n=\"1\">\n{one}\n<Event/></Events>\n");
    let expected = [format!("53: {one}"), "83: <Event/>".to_owned()];
    assert_eq!(items(&event, rooted.as_bytes(), limits), expected);
    assert_eq!(items(&Framing::Auto, rooted.as_bytes(), limits), expected);
    // Files joined with `cat`.
    assert_eq!(items(&event, format!("\u{feff}{rooted}\u{feff}{rooted}").as_bytes(), limits).len(), 4);
    let other_root = format!("<export><!-- 1 -->{one}</export>");
    assert_eq!(items(&event, other_root.as_bytes(), limits), [format!("18: {one}")]);
    assert!(items(&event, b" <?xml version='1.0'?><Events></Events><Events/>", limits).is_empty());
}

#[test]
fn an_end_tag_in_a_comment_or_in_character_data_ends_nothing() {
    for inner in [
        "<![CDATA[</Event>]]>",
        "<![CDATA[]]]]><![CDATA[></Event>]]>",
        "<!-- </Event> -->",
        "<?x </Event>?>",
        "<Data a='/>'/>",
        "<Event n='2'></Event>",
        "<EventData></EventData>",
    ] {
        let element = format!("<Event>{inner}</Event >");
        assert_eq!(items(&xml("Event"), element.as_bytes(), Limits::default()), [format!("0: {element}")]);
    }
}

#[test]
fn an_element_without_end_costs_itself() {
    let limits = Limits::default();
    let input = "<Event x='1'><a>\n<Event x='1'><b/></Event>\n<Event x='1'><c";
    assert_eq!(
        items(&xml("Event"), input.as_bytes(), limits),
        [
            "0: <Event x='1'><a>",
            "17: <Event x='1'><b/></Event>",
            "43 fault the input ends within a document: <Event x='1'><c"
        ]
    );
}

#[test]
fn what_stands_between_elements_is_a_fault() {
    let limits = Limits::default();
    let fault = "fault not part of an element <Event>: ";
    assert_eq!(
        items(&xml("Event"), b"junk <Event/> & <Events><Other><x/></Other>\n<Event/></Events></Events>", limits),
        [
            format!("0 {fault}junk"),
            "5: <Event/>".to_owned(),
            format!("14 {fault}&"),
            format!("24 {fault}<Other><x/></Other>"),
            "44: <Event/>".to_owned(),
            format!("61 {fault}</Events>"),
        ]
    );
    let declared = "<!DOCTYPE Events [<!ENTITY a 'b'>]><Events><Event>&a;</Event></Events>";
    assert_eq!(
        items(&xml("Event"), declared.as_bytes(), limits),
        [format!("0 {fault}<!DOCTYPE Events [<!ENTITY a 'b'>]>"), "43: <Event>&a;</Event>".to_owned()]
    );
    // Nothing is passed in silence where there is no element.
    for whole in ["<html><p>no</p></html>", "<html/>", "{\"a\":1}", "<Event", "<"] {
        let found = items(&xml("Event"), whole.as_bytes(), limits);
        assert_eq!(found, [format!("0 {fault}{whole}")]);
    }
    // A line of syslog is a line.
    assert_eq!(items(&Framing::Auto, b"<134>1 <Event> x\n<134>1 y", limits).len(), 2);
}

#[test]
fn a_long_element_comes_in_parts() {
    let input = "<Event>0123456789<a/>0123<![CDATA[</Event>0123456789]]></Event><Event/>";
    assert_eq!(
        items(&xml("Event"), input.as_bytes(), small(20)),
        [
            "0 part 1: <Event>0123456789",
            "17 part 2: <a/>0123",
            "25 part 3: <![CDATA[</Event>0",
            "43 part 4 of 63: 123456789]]></Event>",
            "63: <Event/>"
        ]
    );
}

#[test]
fn a_failing_source_is_an_error_and_no_item() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("connection reset"))
        }
    }
    let xml = Framing::XmlElements { element: "Event".to_owned() };
    for framing in [Framing::Auto, Framing::Ndjson, Framing::Json, Framing::JsonDocuments, array(&["Records"]), xml] {
        let input = b"{\"Records\":[\n".chain(Broken);
        let mut records = Records::of_stream(&framing, input, Limits::default());
        let error = loop {
            match records.next_item() {
                Ok(Some(Item::Event(event))) => assert!(event.bytes.ends_with(b"[")),
                Ok(other) => panic!("{other:?}"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, InputError::Source(_)), "{framing:?}");
    }
}
