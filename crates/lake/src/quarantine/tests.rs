use super::*;
use proptest::prelude::*;

fn origins() -> impl Strategy<Value = Origin> {
    let texts = (".{0,20}", ".{0,20}", ".{0,20}");
    let kinesis = (texts, any::<Option<u64>>(), any::<u64>(), any::<i64>());
    let stored = (texts, any::<Option<u64>>(), any::<u64>(), any::<u64>());
    prop_oneof![
        kinesis.prop_map(|((stream, shard, sequence_number), sub_sequence, index, arrival)| Origin::Kinesis {
            stream,
            shard,
            sequence_number,
            sub_sequence,
            index,
            arrival,
        }),
        stored.clone().prop_map(|((bucket, key, version), number, offset, index)| Origin::S3 {
            bucket,
            key,
            version: number.map(|_| version),
            offset,
            index,
        }),
        stored.prop_map(|((name, ..), line, offset, index)| Origin::File { name, offset, index, line }),
    ]
}

fn lines() -> impl Strategy<Value = QuarantineLine> {
    let raw = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        "\\PC{0,40}".prop_map(String::into_bytes),
        "[\0-\x1f\"\\\\\n\r\u{2028}]{0,40}".prop_map(String::into_bytes),
    ];
    let day = proptest::option::of(-62_167_219_200_000_i64..253_402_300_799_999);
    let part = proptest::option::of((1..9_u64, any::<Option<u64>>()).prop_map(|(number, of)| Part { number, of }));
    let reasons = proptest::sample::select(&Reason::ALL[..]);
    let texts = (reasons, ".{0,40}", ".{0,20}", any::<Option<String>>());
    (raw, texts, day, origins(), any::<bool>(), part).prop_map(
        |(raw, (reason, message, source, mapping), day, origin, whole, part)| {
            let line = QuarantineLine::new(&raw, reason, message, source, mapping, origin);
            let line = if whole { line.of_whole() } else { line };
            let line = part.into_iter().fold(line, QuarantineLine::of_part);
            match day {
                Some(day) => line.with_day(EventDay::of_millis(day).unwrap()),
                None => line,
            }
        },
    )
}

fn line(raw: &[u8]) -> QuarantineLine {
    let origin = Origin::Kinesis {
        stream: "arn:aws:kinesis:eu-central-1:123456789012:stream/logs".to_owned(),
        shard: "shardId-000000000000".to_owned(),
        sequence_number: "49590338271490256608559692538361571095921575989136588898".to_owned(),
        sub_sequence: Some(2),
        index: 0,
        arrival: 1_700_000_000_000,
    };
    QuarantineLine::new(raw, Reason::NoMapping, "no event matches", "windows-sysmon", Some("5f0c".to_owned()), origin)
}

proptest! {
    #[test]
    fn whatever_goes_into_quarantine_comes_out_as_it_was(lines in proptest::collection::vec(lines(), 0..12)) {
        let object = seal_lines(&lines).unwrap();
        let read: Vec<_> = read_lines(&object[..]).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(&read, &lines);
        prop_assert_eq!(seal_lines(&read).unwrap(), object);
    }

    #[test]
    fn every_line_has_a_key_that_reads_back_and_stays_in_quarantine(line in lines()) {
        let key = line.key();
        let name = ObjectName::derive("x", &[], 0);
        let object = key.object(&name);
        prop_assert!(object.split('/').count() == 5 && !object.split('/').any(|s| s.is_empty() || s == ".." || s == "."));
        prop_assert!(object.starts_with(&QuarantineKey::prefix(Some(line.source()), Some(line.reason()))));
        prop_assert_eq!(QuarantineKey::of_object(&object), Some((key, name)));
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let compressed = zstd::encode_all(&bytes[..], 1).unwrap();
        prop_assert!(read_lines(&compressed[..]).unwrap().count() <= bytes.len());
        prop_assert!(read_lines(&bytes[..]).unwrap().count() <= 1);
    }
}

#[test]
fn a_line_is_written_as_documented() {
    let object = seal_lines([&line(b"{\"EventId\":99}"), &line(b"\xff\0")]).unwrap();
    let text = String::from_utf8(zstd::decode_all(&object[..]).unwrap()).unwrap();
    let start = concat!(
        r#"{"source":"windows-sysmon","reason":"no_mapping","message":"no event matches","mapping":"5f0c","#,
        r#""day":"20231114","origin":{"kind":"kinesis","#,
        r#""stream":"arn:aws:kinesis:eu-central-1:123456789012:stream/logs","shard":"shardId-000000000000","#,
        r#""sequence_number":"49590338271490256608559692538361571095921575989136588898","sub_sequence":2,"#,
        r#""index":0,"arrival":1700000000000},"#,
    );
    let expected = [format!(r#"{start}"raw":"{{\"EventId\":99}}"}}"#), format!(r#"{start}"raw_base64":"/wA="}}"#)];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_not_one_event_is_written_as_documented() {
    let lines = [line(b"\x1f\x8b").of_whole(), line(b"a").of_part(Part { number: 2, of: Some(2) })];
    let text = String::from_utf8(zstd::decode_all(&seal_lines(&lines).unwrap()[..]).unwrap()).unwrap();
    let ends = [r#","whole":true,"raw_base64":"H4s="}"#, r#","part":{"number":2,"of":2},"raw":"a"}"#];
    for (line, end) in text.lines().zip(ends) {
        assert!(line.ends_with(end), "{line}");
    }
    let unknown = text.replace("\"whole\"", "\"half\"");
    let object = zstd::encode_all(unknown.as_bytes(), 1).unwrap();
    let read: Vec<_> = read_lines(&object[..]).unwrap().collect();
    assert!(matches!(read[..], [Err(LineError::Malformed { line: 1, .. }), Ok(_)]), "{read:?}");
}

/// The worst of every member: control characters as text, no text at all, a message that quotes the event.
#[test]
fn the_longest_line_can_be_read_back() {
    for raw in [vec![1; MAX_TEXT_BYTES], vec![0xff; MAX_RAW_BYTES]] {
        let origin = Origin::File { name: "\u{1}".repeat(4096), offset: 0, index: 0, line: None };
        let line = QuarantineLine::new(&raw, Reason::Fault, "\u{1}".repeat(1 << 20), "x", None, origin);
        assert!(serde_json::to_vec(&line).unwrap().len() < MAX_LINE_BYTES as usize, "{} bytes", raw.len());
    }
    let line = line(&vec![1; MAX_TEXT_BYTES + 1]);
    let object = seal_lines([&line]).unwrap();
    assert!(read_lines(&object[..]).unwrap().map(Result::unwrap).eq([line]));
}

#[test]
fn a_line_that_could_not_be_read_back_is_not_written() {
    let line = line(&vec![0xff; (MAX_LINE_BYTES / 4 * 3) as usize]);
    assert!(matches!(seal_lines([&line]), Err(QuarantineError::TooLong { .. })));
}

#[test]
fn a_message_is_cut_between_two_characters() {
    let origin = Origin::File { name: "x".to_owned(), offset: 0, index: 0, line: None };
    let line = QuarantineLine::new(b"", Reason::Fault, "é".repeat(MAX_MESSAGE_BYTES) + "x", "x", None, origin);
    assert_eq!(line.message(), "é".repeat(MAX_MESSAGE_BYTES / 2) + "…");
}

#[test]
fn the_pages_list_every_reason_once_with_its_meaning() {
    let pages = [
        ("docs/functions.md", include_str!("../../../../docs/functions.md")),
        ("docs/mapping-reference.md", include_str!("../../../../docs/mapping-reference.md")),
    ];
    for (name, page) in pages {
        let tables = page.split("\n| reason | meaning |\n").skip(1);
        let rows = tables.flat_map(|table| {
            table.lines().skip(1).map_while(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
        });
        let (mut listed, meanings): (Vec<_>, Vec<_>) = rows.unzip();
        let mut reasons = Reason::ALL.map(Reason::as_str).to_vec();
        listed.sort_unstable();
        reasons.sort_unstable();
        assert_eq!(listed, reasons, "{name}");
        assert!(meanings.iter().all(|meaning| !meaning.trim().is_empty()), "{name}: {meanings:?}");
    }
}

#[test]
fn the_text_of_a_reason_is_what_json_has() {
    for reason in Reason::ALL {
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        assert_eq!(folder_name(reason.as_str()), reason.as_str());
    }
}

#[test]
fn a_line_with_a_reason_of_another_version_is_read_and_written_as_it_is() {
    let text = serde_json::to_string(&line(b"x")).unwrap().replace("no_mapping", "no time");
    let read: QuarantineLine = serde_json::from_str(&text).unwrap();
    assert_eq!(read.reason(), "no time");
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    assert!(read.key().to_string().starts_with("quarantine/windows-sysmon/no_time/"));
}

#[test]
fn lines_are_kept_by_source_reason_and_day() {
    let name: ObjectName = "a".parse().unwrap();
    assert_eq!(line(b"").key().object(&name), "quarantine/windows-sysmon/no_mapping/20231114/a.ndjson.zst");
    let origin = Origin::File { name: "x".to_owned(), offset: 0, index: 0, line: None };
    let undated = QuarantineLine::new(b"", Reason::NoTime, "", "../..", None, origin);
    assert_eq!(undated.key().object(&name), "quarantine/.._../no_time/undated/a.ndjson.zst");
}

#[test]
fn a_line_that_cannot_be_read_does_not_hide_the_next() {
    let mut text = zstd::decode_all(&seal_lines([&line(b"1")]).unwrap()[..]).unwrap();
    text.extend(b"{}\n{\"raw\n");
    text.extend(zstd::decode_all(&seal_lines([&line(b"2")]).unwrap()[..]).unwrap());
    let object = zstd::encode_all(&text[..], 1).unwrap();
    let read: Vec<_> = read_lines(&object[..]).unwrap().collect();
    assert_eq!(read.len(), 4);
    assert_eq!(read[0].as_ref().unwrap().raw(), b"1");
    assert_eq!(read[3].as_ref().unwrap().raw(), b"2");
    let message = read[1].as_ref().unwrap_err().to_string();
    assert!(message.starts_with("line 2 is not a quarantined event: missing field `source`"), "{message}");
}

#[test]
fn an_object_cut_short_is_an_error_after_what_could_be_read() {
    let object = seal_lines(&vec![line(b"same again"); 3]).unwrap();
    for end in 1..object.len() {
        let read: Vec<_> = read_lines(&object[..end]).unwrap().collect();
        assert!(matches!(read.last(), Some(Err(LineError::Read { .. }))), "cut at {end}");
    }
}

#[test]
fn a_line_too_long_is_skipped_without_being_held() {
    let long = io::repeat(b'x').take(MAX_LINE_BYTES + 5).chain(&b"\n"[..]);
    let next = zstd::decode_all(&seal_lines([&line(b"next")]).unwrap()[..]).unwrap();
    let object = zstd::encode_all(long.chain(&next[..]), 1).unwrap();
    let read: Vec<_> = read_lines(&object[..]).unwrap().collect();
    assert!(matches!(read[0], Err(LineError::TooLong { line: 1 })));
    assert_eq!(read[1].as_ref().unwrap().raw(), b"next");
}
