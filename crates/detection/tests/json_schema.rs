//! The JSON Schema of rule files agrees with the parser, and `docs/rule.schema.json` is up to date.

use std::fs;
use std::path::{Path, PathBuf};

use detection::diagnostic::Code;
use detection::lint;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The diagnostics whose faults a JSON Schema can detect.
fn is_of_form(code: Code) -> bool {
    matches!(
        code,
        Code::WrongType
            | Code::UnknownKey
            | Code::MissingKey
            | Code::UnknownChoice
            | Code::BadForm
            | Code::Empty
            | Code::NoLogic
            | Code::TablesMisplaced
    )
}

#[test]
fn schema_and_parser_agree_on_what_is_a_fault_of_form() {
    let schema = detection::json_schema();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let fine = "title: t\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: low\n\
                schedule: rate(5 minutes)\nlookback: 1h\ningest_delay: 10m\n";
    let sql = "sql: SELECT 1 FROM {{a}} WHERE {{window}}\n";
    let mut faulty = 0;
    let cases = [
        String::new(),
        "titel: x\n".to_owned(),
        "description: 5\n".to_owned(),
        "description: ' '\n".to_owned(),
        "references: x\n".to_owned(),
        "references: []\n".to_owned(),
        "references: [x, 1]\n".to_owned(),
        "date: 2024-05-01\n".to_owned(),
        "date: 2024/05/01\n".to_owned(),
        "modified: 2024-13-01\n".to_owned(),
        "tags: [attack.t1059]\n".to_owned(),
        "tags: [Attack.T1059]\n".to_owned(),
        "tags: [attack]\n".to_owned(),
        "falsepositives: [a]\n".to_owned(),
        "parameters: {a: {type: text, default: x}}\n".to_owned(),
        "parameters: {A: {type: text, default: x}}\n".to_owned(),
        "parameters: {a: {type: texts, default: x}}\n".to_owned(),
        "parameters: {a: {type: text}}\n".to_owned(),
        "parameters: {}\n".to_owned(),
        "parameters: {a: x}\n".to_owned(),
        "group_by: [a]\nthreshold: {count: 5}\n".to_owned(),
        "group_by: [a]\nthreshold: {count: 0}\n".to_owned(),
        "group_by: [a]\nthreshold: {count: '5'}\n".to_owned(),
        "group_by: [a]\nthreshold: {count: 5, distinct: b}\n".to_owned(),
        "group_by: [a]\nthreshold: 5\n".to_owned(),
        "group_by: ['a b']\n".to_owned(),
        "group_by: a\n".to_owned(),
        "dedupe: {key: [a], window: 1h}\n".to_owned(),
        "dedupe: {key: [a], window: 1 h}\n".to_owned(),
        "dedupe: {key: [a]}\n".to_owned(),
        "max_scanned_bytes: 1000\n".to_owned(),
        "max_scanned_bytes: 10 GB\n".to_owned(),
        "max_scanned_bytes: 10GB\n".to_owned(),
        "max_scanned_bytes: 0\n".to_owned(),
        "response: look\n".to_owned(),
        "response: [look, act]\n".to_owned(),
        "response: {a: b}\n".to_owned(),
        "tables: [a]\n".to_owned(),
        "tests: [{name: a, source: b, events: x, expect: none}]\n".to_owned(),
        "tests: [{name: a, source: b, events: [x, {a: 1}], expect: 2}]\n".to_owned(),
        "tests: [{name: a, source: b, events: [1], expect: 2}]\n".to_owned(),
        "tests: [{name: a, source: b, file: x, expect: [{a: 1, b: x, c: true}]}]\n".to_owned(),
        "tests: [{name: a, source: b, file: x, expect: [{}]}]\n".to_owned(),
        "tests: [{name: a, source: b, file: x, expect: 0}]\n".to_owned(),
        "tests: [{name: a, source: b, file: x, expect: some}]\n".to_owned(),
        "tests: [{name: a, source: b, file: x}]\n".to_owned(),
        "tests: [{name: a, inputs: [{source: b, file: x}], expect: none}]\n".to_owned(),
        "tests: [{name: a, inputs: [{file: x}], expect: none}]\n".to_owned(),
        "stix: x\n".to_owned(),
    ];
    let mut texts: Vec<String> = cases.iter().map(|more| format!("{fine}{sql}{more}")).collect();
    texts.push(fine.to_owned());
    texts.push(format!("{fine}stix: '[a:b = 1]'\ntables: [a]\n"));
    texts.push(format!("{fine}stix: '[a:b = 1]'\n"));
    texts.push(format!("{fine}stix: '[a:b = 1]'\ntables: [A]\n"));
    for (key, value) in [("id", "X"), ("status", "good"), ("level", "bad"), ("schedule", "hourly"), ("lookback", "1w")]
    {
        let line = fine.lines().find(|line| line.starts_with(key)).unwrap();
        texts.push(format!("{}{sql}", fine.replace(line, &format!("{key}: {value}"))));
        texts.push(format!("{}{sql}", fine.replace(&format!("{line}\n"), "")));
    }
    let on_demand = fine.replace("rate(5 minutes)", "on demand");
    texts.push(format!("{on_demand}{sql}"));
    let without = |text: &str, key: &str| -> String {
        text.lines().filter(|line| !line.starts_with(key)).map(|line| format!("{line}\n")).collect()
    };
    texts.push(format!("{}{sql}", without(&without(&on_demand, "lookback"), "ingest_delay")));
    texts.push(format!("{}{sql}", without(&on_demand, "lookback")));
    for text in texts {
        let json: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let faults = lint::check(&text).diagnostics;
        let of_form: Vec<_> = faults.iter().filter(|fault| is_of_form(fault.code)).collect();
        assert_eq!(validator.is_valid(&json), of_form.is_empty(), "{text}\n{of_form:?}");
        faulty += usize::from(!of_form.is_empty());
    }
    assert!(faulty > 30, "{faulty}");
}

#[test]
fn the_published_schema_is_this_one() {
    let path = workspace().join("docs/rule.schema.json");
    let current = format!("{:#}\n", detection::json_schema());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &current).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), current, "run `cargo xtask bless json_schema`");
}
