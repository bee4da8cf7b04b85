//! The JSON Schema of the config format agrees with the parser, and `docs/mapping.schema.json` is it.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use mapping::diagnostic::Code;
use serde_json::Value;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn configs_in(folder: &Path) -> Vec<(String, Value)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
    let files = paths.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()));
    let json = files.filter_map(|(name, text)| Some((name, serde_json::from_str(&text).ok()?)));
    json.filter(|(_, value): &(String, Value)| value.get("custom_source_events").is_some()).collect()
}

fn validator() -> jsonschema::Validator {
    let schema = mapping::json_schema();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn shipped_configs_and_those_of_the_aws_library_validate() {
    let validator = validator();
    let shipped = configs_in(&workspace().join("mapping-configs"));
    assert!(!shipped.is_empty());
    let library = configs_in(&workspace().join("../shared/data/aws-library"));
    if library.is_empty() {
        println!("skipped: ../shared/data is not here");
    }
    for (name, config) in shipped.iter().chain(&library) {
        let faults: Vec<String> =
            validator.iter_errors(config).map(|fault| format!("{} at {}", fault, fault.instance_path())).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
}

/// The kinds of faults that are faults of form, which a JSON Schema can see.
fn is_of_form(code: Code) -> bool {
    matches!(
        code,
        Code::WrongType
            | Code::UnknownKey
            | Code::MissingKey
            | Code::UnknownChoice
            | Code::UnknownOperator
            | Code::OperatorWithOtherKeys
            | Code::ValueExpected
            | Code::EmptyList
    )
}

#[test]
fn schema_and_parser_agree_on_what_is_a_fault_of_form() {
    let validator = validator();
    let config = |members: &str, attributes: &str| {
        format!(
            r#"{{"custom_source_events": {{"source_name": "lab", "matched_field": "$.id", "timestamp": {{"field": "$.at"}},
                {members} "ocsf_mapping": {{"1": {{"schema": "file_activity", "schema_mapping": {{{attributes}}}}}}}}}}}"#
        )
    };
    let mut texts: Vec<String> = [
        (r#""sorce_name": "x","#, ""),
        (r#""absent": "-","#, ""),
        (r#""absent": [],"#, ""),
        (r#""ocsf_version": "1.2.0","#, ""),
        (r#""ocsf_version": "1.3.0","#, ""),
        (r#""decode": {"format": "delimited", "columns": ["a"], "quote": "\"", "separator": "\t"},"#, ""),
        (r#""decode": {"format": "delimited", "columns": []},"#, ""),
        (r#""decode": {"quote": "''"},"#, ""),
        (r#""decode": {"format": "delimited", "separator": "\u00e9"},"#, ""),
        (r#""decode": {"format": "delimited", "separator": ""},"#, ""),
        (r#""decode": {"text_fields": {"at": "$.D", "event_id": "$.E", "names": {"1": ["A", "B"]}}},"#, ""),
        (r#""decode": {"text_fields": {"at": "$.D", "event_id": "$.E", "names": 1}},"#, ""),
        (r#""decode": {"text_fields": {"at": "$.D", "event_id": "$.E"}},"#, ""),
        (r#""select": [{"when": {"exists": "$.a"}, "event": "1"}],"#, ""),
        (r#""select": {"when": {"exists": "$.a"}, "event": "1"},"#, ""),
        (r#""select": [{"if": {"exists": "$.a"}, "event": "1"}],"#, ""),
        (r#""select": [{"when": {}, "event": "1"}],"#, ""),
        (r#""select": [{"when": {"all": [], "any": []}, "event": "1"}],"#, ""),
        (r#""select": [{"when": {"not": {"exist": "$.a"}}, "event": "1"}],"#, ""),
        (r#""select": [{"when": {"equals": ["$.a"]}, "event": "1"}],"#, ""),
        (r#""select": [{"when": {"equals": ["$.a", "b", "c"]}, "event": "1"}],"#, ""),
        (r#""select": [{"when": {"in": ["$.a", [1, "b", null]]}, "event": "1"}],"#, ""),
        (r#""select": [{"when": {"in": ["$.a", "b"]}, "event": "1"}],"#, ""),
        (r#""other": "quarantine","#, ""),
        (r#""other": {"event": "1"},"#, ""),
        (r#""other": "drop","#, ""),
        (r#""destination": {"layout": "prefix-per-class", "sources": {"file_activity": "files"}},"#, ""),
        (r#""destination": {"sources": {"file_activity": ""}},"#, ""),
        (
            r#""lookups": {"t": {"a": 1, "b": [1], "c": {"d": null}}},"#,
            r#""message": {"$lookup": {"table": "t", "key": "$.a"}}"#,
        ),
        (r#""lookups": {"t": []},"#, ""),
        (r#""fragments": {"f": {"schema_mapping": {}}},"#, ""),
        (r#""fragments": {"f": {}},"#, ""),
        (r#""common": {"profiles": ["host"], "schema_mapping": {"message": null}},"#, ""),
        (r#""account": {"$first": ["$.a", "external"]}, "region": "$.r","#, ""),
        (r#""account": {"a": "$.a"},"#, ""),
        (r#""unmapped": "explicit","#, ""),
        (r#""unmapped": true,"#, ""),
        ("", r#""message": {"enum": {"evaluate": "$.a", "values": {"1": 1}, "other": 2}}"#),
        ("", r#""message": {"enum": {"evaluate": "$.a"}}"#),
        ("", r#""message": {"enum": "$.a"}"#),
        ("", r#""message": {"$first": []}"#),
        ("", r#""message": {"$first": ["$.a", {"$lower": "$.b"}, ["$.c", 1]]}"#),
        ("", r#""message": {"$frist": ["$.a"]}"#),
        ("", r#""message": {"$first": ["$.a"], "else": 1}"#),
        ("", r#""message": {"$first": [{"a": "$.a"}]}"#),
        ("", r#""message": {"$literal": {"a": ["$.a", {"$b": null}]}}"#),
        ("", r#""message": {"$template": "{$.a}"}"#),
        ("", r#""message": {"$template": ["{$.a}"]}"#),
        ("", r#""message": {"$regex": {"value": "$.a", "pattern": "(a)", "group": 1}}"#),
        ("", r#""message": {"$regex": {"value": "$.a", "pattern": "(a)", "group": -1}}"#),
        ("", r#""message": {"$regex": {"value": "$.a"}}"#),
        ("", r#""message": {"$split": {"value": "$.a", "on": ",", "take": -1, "min_parts": 2, "limit": 3}}"#),
        ("", r#""message": {"$split": {"value": "$.a", "on": "", "take": -1}}"#),
        ("", r#""message": {"$split": {"value": "$.a", "on": ",", "limit": 0}}"#),
        ("", r#""message": {"$split": {"value": "$.a", "on": ",", "take": "last"}}"#),
        ("", r#""count": {"$int": {"value": "$.a", "base": 16}}"#),
        ("", r#""count": {"$int": {"value": "$.a", "base": "16"}}"#),
        ("", r#""start_time": {"$timestamp": {"value": "$.a", "format": ["epoch", "%Y-%m-%d"]}}"#),
        ("", r#""start_time": {"$timestamp": {"value": "$.a", "format": 1}}"#),
        ("", r#""file": {"$when": {"if": {"exists": "$.a"}, "then": {"name": "$.a"}, "else": null}}"#),
        ("", r#""file": {"$when": {"if": "$.a", "then": {"name": "$.a"}}}"#),
        ("", r#""file": {"name": {"$basename": {"$when": {"if": {"exists": "$.a"}, "then": "$.a"}}}}"#),
        ("", r#""file": {"name": {"$basename": {"path": "$.a"}}}"#),
        ("", r#""attacks": {"$each": {"in": "$.a", "where": {"exists": "@"}, "as": {"version": "@"}}}"#),
        ("", r#""attacks": {"$each": {"in": "$.a"}}"#),
        ("", r#""attacks": [{"version": "1"}, {"$when": {"if": {"exists": "$.a"}, "then": {"version": "2"}}}]"#),
        ("", r#""unmapped": {"a": {"b": "$.a"}}"#),
    ]
    .map(|(members, attributes)| config(members, attributes))
    .into();
    texts.push(r#"{"custom_source_events": {"source_name": "lab", "ocsf_mapping": {}}, "version": 1}"#.to_owned());
    texts.push(r#"{"custom_source_events": []}"#.to_owned());
    texts.push(r#"{"custom_source_events": {"source_name": "lab", "ocsf_mapping": {}}}"#.to_owned());
    texts.push(r#"{"custom_source_events": {"extends": "base"}}"#.to_owned());
    texts.push(r#"{"custom_source_events": {"extends": 1, "source_name": "lab"}}"#.to_owned());
    let base = config("", "");
    for (_, case) in configs_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint")) {
        // Of a key that stands twice a JSON value has only the last.
        texts.push(case.to_string());
    }
    let mut refused = 0;
    for text in &texts {
        let checked = mapping::check(text, &|_| Some(base.clone()));
        let of_form: Vec<_> = checked.diagnostics.iter().filter(|fault| is_of_form(fault.code)).collect();
        let value: Value = serde_json::from_str(text).unwrap();
        let valid = validator.is_valid(&value);
        assert_eq!(of_form.is_empty(), valid, "{text}\n{of_form:#?}\n{:?}", validator.validate(&value).err());
        refused += usize::from(!valid);
    }
    assert!(refused > 30 && texts.len() - refused > 20, "{refused} of {}", texts.len());
}

#[test]
fn the_published_schema_is_this_one() {
    let file = workspace().join("docs/mapping.schema.json");
    let schema = serde_json::to_string_pretty(&mapping::json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &schema).unwrap();
    }
    let published = fs::read_to_string(&file).unwrap_or_default();
    assert!(published == schema, "docs/mapping.schema.json is out of date: run `cargo xtask bless json_schema`");
}
