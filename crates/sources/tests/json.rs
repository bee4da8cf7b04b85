//! The JSON reader held against serde_json: what is accepted, and what it means.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, whose helpers clippy takes for code")]

use bumpalo::Bump;
use proptest::prelude::*;
use serde_json::Value;
use sources::{Document, NodeId, NodeValue};

/// Reads the same bytes with both readers. They may differ in three points, on purpose: a lone surrogate becomes
/// U+FFFD, a number beyond `f64` is kept as text, and a byte order mark is passed over.
fn compare(input: &[u8]) {
    let bump = Bump::new();
    let ours = Document::parse(input, &bump);
    let input = input.strip_prefix(b"\xef\xbb\xbf").filter(|_| ours.is_ok()).unwrap_or(input);
    let text = String::from_utf8_lossy(input);
    match (ours, serde_json::from_slice::<Value>(input)) {
        (Ok(document), Ok(value)) => {
            check_tree(&document);
            assert_eq!(document.to_value(NodeId::ROOT), value, "{text}");
            let again = document.to_json(NodeId::ROOT);
            assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), value, "{text}");
        }
        (Err(_), Err(_)) => {}
        (Ok(document), Err(theirs)) => {
            check_tree(&document);
            let theirs = theirs.to_string();
            let on_purpose = theirs.starts_with("number out of range")
                || theirs.starts_with("lone leading surrogate")
                || theirs.starts_with("unexpected end of hex escape");
            assert!(on_purpose, "serde_json refuses {text:?}: {theirs}");
        }
        (Err(ours), Ok(_)) => panic!("refused {text:?}: {ours}"),
    }
}

/// Nodes are in preorder, and every way of going through them agrees.
fn check_tree(document: &Document<'_>) {
    let mut next = 0;
    let mut pending = vec![NodeId::ROOT];
    while let Some(node) = pending.pop() {
        assert_eq!(node.0, next);
        next += 1;
        let children: Vec<NodeId> = document.children(node).collect();
        for &child in &children {
            assert_eq!(document.parent(child), Some(node));
            assert_eq!(document.key(child).is_some(), document.value(node) == NodeValue::Object);
        }
        let end = children.last().map_or(node.0 + 1, |last| document.subtree(*last).end);
        assert_eq!(document.subtree(node), node.0..end);
        pending.extend(children.iter().rev());
    }
    assert_eq!(document.len(), next as usize);
}

/// Any JSON value as text, in any of the ways to write it.
fn json() -> impl Strategy<Value = String> {
    let blank = "[ \t\r\n]{0,2}";
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
        string(),
    ];
    scalar.prop_recursive(6, 60, 8, move |inner| {
        let padded = (blank, inner, blank).prop_map(|(before, value, after)| format!("{before}{value}{after}"));
        let member =
            (blank, string(), blank, padded.clone()).prop_map(|(b, name, a, value)| format!("{b}{name}{a}:{value}"));
        prop_oneof![
            prop::collection::vec(padded, 0..8).prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[a-c]{0,12}",
        2 => "[^\"\\\\\\x00-\\x1f]{0,3}",
        1 => r#"\\["\\/bfnrt]"#,
        1 => "\\\\u00[0-9a-fA-F]{2}",
        1 => "\\\\u[eE]{1}[0-9a-f]{3}",
        1 => Just("\\ud83d\\uDe00".to_owned()),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_means_what_serde_json_makes_of_it(text in json()) {
        prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "the generator writes JSON: {text}");
        compare(text.as_bytes());
    }

    #[test]
    fn damaged_json_is_refused_where_serde_json_refuses_it(
        text in json(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0u8..3, prop_oneof![
            4 => prop::sample::select(b"{}[]\",:\\u0123eE.+-tfn \n\x00\xff\xed\xa0".to_vec()),
            1 => any::<u8>(),
        ]), 1..4),
    ) {
        let mut bytes = text.into_bytes();
        for (place, kind, byte) in damage {
            let at = place.index(bytes.len() + 1);
            match kind {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                _ if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.push(byte),
            }
        }
        compare(&bytes);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        compare(&bytes);
    }
}

/// The corners of RFC 8259 that readers get wrong (after the cases of nst/JSONTestSuite).
#[test]
fn corner_cases_are_those_of_serde_json() {
    let long_string = format!("\"{}\\n{}\"", "x".repeat(1_000), "é".repeat(1_000));
    for text in [
        // accepted
        "[]",
        "[ ]",
        "{}",
        " [] ",
        "[null, 1]",
        "[1\n]",
        "[[] ]",
        "[\"\"]",
        "[\"a\"]",
        "-0",
        "[-0]",
        "[-1]",
        "[0e1]",
        "[0e+1]",
        "[0E0]",
        "[20e1]",
        "[123e65]",
        "[123.456e-789]",
        "[1E22]",
        "[123.456789]",
        "[-0.0]",
        "\"\"",
        "\"asd\"",
        "1",
        "true",
        "42.5e-3",
        r#"{"a":"b","a":"c"}"#,
        r#"{"a":"b","a":"b"}"#,
        r#"{"":0}"#,
        r#"{"foo\u0000bar":42}"#,
        r#"["\u0060\u012a\u12AB"]"#,
        r#"["\uD801\udc37"]"#,
        r#"["\ud83d\ude39\ud83d\udc8d"]"#,
        r#"["\"\\\/\b\f\n\r\t"]"#,
        r#"["\\u0000"]"#,
        r#"["\u002c"]"#,
        "[\"\u{7f}\"]",
        "[\"\u{2028}\u{10ffff}\u{ffff}\"]",
        r#"["\uFFFE\uDBFF\uDFFE"]"#,
        r#"{"a":[{"b":{}}]}"#,
        &long_string,
        // refused
        "",
        " ",
        "\u{feff}",
        "[1 true]",
        "[a]",
        "[\"\": 1]",
        "[\"\"],",
        "[,1]",
        "[1,,2]",
        "[\"x\",,]",
        "[\"x\"]]",
        "[\"\",]",
        "[\"x\"",
        "[x",
        "[3[4]]",
        "[1:2]",
        "[\"a\",\n4\n,1,",
        "[1,]",
        "[*]",
        "[,",
        "[-]",
        "[--2.]",
        "[-01]",
        "[-1.0.]",
        "[-2.]",
        "[-NaN]",
        "[.-1]",
        "[.2e-3]",
        "[0.1.2]",
        "[0.3e+]",
        "[0.3e]",
        "[0.e1]",
        "[0E+]",
        "[0E]",
        "[0e+]",
        "[1.0e+]",
        "[1.0e-]",
        "[1.0e]",
        "[1 000.0]",
        "[1eE2]",
        "[2.e+3]",
        "[2.e3]",
        "[9.e+]",
        "[Inf]",
        "[NaN]",
        "[+1]",
        "[++1]",
        "[1+2]",
        "[0x1]",
        "[0x42]",
        "[-1x]",
        "[1ea]",
        "[012]",
        "[-012]",
        "[1.]",
        "[.123]",
        "[1e1.5]",
        "nul",
        "nulll",
        "True",
        "[tru]",
        "[fals]",
        "{[: \"x\"}",
        "{\"x\", null}",
        "{\"x\"::\"b\"}",
        "{\"a\":\"a\" 123}",
        "{key: 'v'}",
        "{\"a\" b}",
        "{:\"b\"}",
        "{\"a\" \"b\"}",
        "{\"a\":",
        "{\"a\"",
        "{1:1}",
        "{\"id\":0,}",
        "{\"id\":0,,}",
        "{'a':0}",
        "{\"a\":\"b\"}/**/",
        "{\"a\":\"b\"}#",
        "{\"a\":\"b\",,\"c\":\"d\"}",
        "{a: \"b\"}",
        "{\"a\":\"a",
        "{ \"foo\" : \"bar\", \"a\" }",
        "{\"a\":\"b\"}#{}",
        r#"["\uD800\"]"#,
        r#"["\uD800\u"]"#,
        r#"["\uD800\u1x"]"#,
        r#"["\é"]"#,
        r#"["\x00"]"#,
        r#"["\\\"]"#,
        "[\"\\\t\"]",
        r#"["\a"]"#,
        r#"["\uqqqq"]"#,
        r#"["\u00A"]"#,
        r#"["\"]"#,
        r#"["\u"#,
        "[\"new\nline\"]",
        "[\"\t\"]",
        "[\"\x00\"]",
        "\"\\UA66D\"",
        "\"",
        "['x']",
        "abc",
        "[\"asd]",
        "<.>",
        "[<null>]",
        "[1]x",
        "[1]]",
        "]",
        "[",
        "[[",
        "{",
        "}",
        "{]",
        "[}",
        "{\"x\": true,",
        "\u{b}[]",
        "\u{a0}[]",
        "[1,\n1\n,1",
        "\"x\"#",
        "123\x00",
        "[\u{c}]",
        "{}}",
        "{\"\":",
        "é",
        "\u{2060}[]",
    ] {
        compare(text.as_bytes());
    }
    for bytes in [
        &b"\xff"[..],
        b"[\"\xed\xa0\x80\"]",
        b"[\"\xc0\xaf\"]",
        b"[\"\xf4\xbf\xbf\xbf\"]",
        b"[\xe9]",
        b"[1\xe5]",
        b"\xfe\xff\0[\0]",
        b"[\"a\xe5\"]",
    ] {
        compare(bytes);
        assert!(Document::parse(bytes, &Bump::new()).is_err());
    }
}

#[test]
fn what_serde_json_cannot_hold_is_kept() {
    let bump = Bump::new();
    let document = Document::parse(br#"["\ud800x", 1e999, 123456789012345678901234567890.10]"#, &bump).unwrap();
    let values: Vec<_> = document.children(NodeId::ROOT).map(|node| document.value(node)).collect();
    assert_eq!(
        values,
        [
            NodeValue::String("\u{fffd}x"),
            NodeValue::Number("1e999"),
            NodeValue::Number("123456789012345678901234567890.10")
        ]
    );
}
