//! Whatever a config says: reading it ends, lint and compiler agree on it, and what is accepted can be applied.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use bumpalo::Bump;
use mapping::Mapping;
use mapping::diagnostic::SourceText;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use sources::Document;

/// The configs of `tests/lint`: between them they use every word of the language, rightly and wrongly.
static CONFIGS: LazyLock<Vec<Json>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().filter_map(|file| serde_json::from_str(&fs::read_to_string(file).ok()?).ok()).collect()
});

/// Every value in them.
static PIECES: LazyLock<Vec<Json>> = LazyLock::new(|| {
    let mut pieces =
        vec![json!(null), json!(""), json!(-1), json!(1e300), json!("$."), json!("@"), json!([]), json!({})];
    CONFIGS.iter().for_each(|config| collect(config, &mut pieces));
    pieces
});

fn collect(json: &Json, into: &mut Vec<Json>) {
    into.push(json.clone());
    match json {
        Json::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Json::Object(members) => members.values().for_each(|value| collect(value, into)),
        _ => {}
    }
}

/// The `index`th value in a JSON value.
fn nth<'j>(json: &'j mut Json, index: &mut usize) -> Option<&'j mut Json> {
    if *index == 0 {
        return Some(json);
    }
    *index -= 1;
    match json {
        Json::Array(items) => items.iter_mut().find_map(|item| nth(item, index)),
        Json::Object(members) => members.values_mut().find_map(|value| nth(value, index)),
        _ => None,
    }
}

/// A config with some of its values replaced by others.
fn changed_config() -> impl Strategy<Value = Json> {
    (
        any::<prop::sample::Index>(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
    )
        .prop_map(|(base, changes)| {
            let mut config = base.get(&CONFIGS).clone();
            for (place, piece) in changes {
                let mut count = Vec::new();
                collect(&config, &mut count);
                let mut at = place.index(count.len());
                if let Some(value) = nth(&mut config, &mut at) {
                    *value = piece.get(&PIECES).clone();
                }
            }
            config
        })
}

fn examine(text: &str) {
    let load = |_: &str| Some(CONFIGS[0].to_string());
    let checked = mapping::check(text, &load);
    let source = SourceText::new("any.json", text);
    for diagnostic in &checked.diagnostics {
        assert!(diagnostic.render(&source, false).contains(diagnostic.code.number()));
        let report = diagnostic.report(&source);
        assert!((report.line, report.column) <= (report.end_line, report.end_column));
    }
    let mapping = Mapping::from_text(text, &load);
    assert_eq!(mapping.is_ok(), checked.accepted().is_some(), "{text}\n{:#?}", mapping.err());
    let Ok(mapping) = mapping else { return };
    for event in [r#"{"id": "1", "kind": "x", "a": [1, {"b": "c"}], "at": 0, "name": "n", "user": "u"}"#, "[]", "7"] {
        let bump = Bump::new();
        let document = Document::parse(event.as_bytes(), &bump).unwrap();
        // Mapped or refused, but not a panic.
        let _ = mapping.apply(&document, &bump);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lint_and_compiler_agree_on_any_config(config in changed_config()) {
        examine(&config.to_string());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\\n]{0,60}|\\PC{0,30}", cut in any::<prop::sample::Index>()) {
        examine(&text);
        let config = CONFIGS[cut.index(CONFIGS.len())].to_string();
        let mut at = cut.index(config.len());
        while !config.is_char_boundary(at) {
            at -= 1;
        }
        examine(&format!("{}{text}{}", &config[..at], &config[at..]));
    }
}

#[test]
fn a_config_that_is_all_width_or_depth_is_read_in_bounded_time() {
    let wide: Vec<String> = (0..20_000).map(|index| format!("\"a{index}\": \"$.a{index}\"")).collect();
    let config = |attributes: &str| {
        format!(
            r#"{{"custom_source_events": {{"source_name": "lab", "matched_field": "$.id", "timestamp": {{"field": "$.at"}},
                "ocsf_mapping": {{"1": {{"schema": "file_activity", "schema_mapping": {{{attributes}}}}}}}}}}}"#
        )
    };
    let required = r#""metadata": {"product": {"name": "Lab", "vendor_name": "Example"}}, "actor": {"user": {"name": "$.user"}},
        "device": {"hostname": "$.host", "type_id": 0}, "file": {"name": "$.file", "type_id": 1}"#;
    let unmapped = config(&format!("{required}, \"unmapped\": {{{}}}", wide.join(",")));
    assert!(mapping::check(&unmapped, &|_| None).accepted().is_some());
    let deep = format!("\"actor\": {}{}", "{\"process\": ".repeat(100), "1") + &"}".repeat(100);
    let checked = mapping::check(&config(&deep), &|_| None);
    assert!(!checked.diagnostics.is_empty());
}
