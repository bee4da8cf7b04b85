//! The JSON Schema agrees with the reader, and `docs/sources.schema.json` is it.

use std::fs;

use pipeline::diagnostic::Code;
use pipeline::{DEFAULT_SOURCES, check_sources, sources_json_schema};
use serde_json::Value;

use crate::workspace;

fn validator() -> jsonschema::Validator {
    let schema = sources_json_schema();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn schema_and_reader_agree_on_what_is_a_fault_of_form() {
    let validator = validator();
    let source = |members: &str| format!(r#"{{"sources": [{{"name": "windows-sysmon", {members}}}]}}"#);
    let kinesis = |members: &str| source(&format!(r#""input_paths": {{"kinesis": {{"enabled": true{members}}}}}"#));
    let bucket = |members: &str| {
        source(&format!(r#""input_paths": {{"s3": {{"enabled": true, "source_buckets": [{{{members}}}]}}}}"#))
    };
    let mut texts = vec![DEFAULT_SOURCES.to_owned()];
    texts.extend(
        [r#"{"sources": []}"#, r#"{"sources": {}}"#, r#"{"source": []}"#, "[]", r#"{"sources": [1]}"#, "{}"]
            .map(str::to_owned),
    );
    texts.extend(
        [
            r#""input_paths": {}"#,
            r#""input_paths": null"#,
            r#""input_paths": {"kinesis": null, "s3": null}"#,
            r#""input_paths": {"kinesis": {}}"#,
            r#""input_paths": {"kinesis": {"enabled": "true"}}"#,
            r#""input_paths": {"kinesis": {"enabled": null}}"#,
            r#""input_paths": {"s3": {"enabled": true}}"#,
            r#""input_paths": {"s3": {"enabled": false, "source_buckets": []}}"#,
            r#""input_paths": {"s3": {"enabled": false, "source_buckets": ["a"]}}"#,
            r#""input_paths": {"sqs": {}}"#,
            r#""mapping_file": null, "input_paths": {}"#,
            r#""mapping_file": "", "input_paths": {}"#,
            r#""preprocessor_module": "x", "input_paths": {}"#,
            r#""preprocessor_module": 1, "input_paths": {}"#,
            r#""mapping": "x", "input_paths": {}"#,
        ]
        .map(source),
    );
    texts.extend(
        [
            "",
            r#", "metadata_field": "source""#,
            r#", "metadata_field": """#,
            r#", "metadata_field": ["source"]"#,
            r#", "stream": "logs-*""#,
            r#", "stream": ["logs-*"]"#,
            r#", "when": {"exists": "$.a"}"#,
            r#", "when": {}"#,
            r#", "when": "$.a""#,
            r#", "when": null"#,
            r#", "streams": "a""#,
        ]
        .map(kinesis),
    );
    texts.extend(
        [
            "",
            r#""bucket_name": "*""#,
            r#""bucket_name": "", "prefix": """#,
            r#""bucket_name": 1"#,
            r#""bucket_name": "*", "prefix": null"#,
            r#""bucket_name": "*", "prefix": ["a"]"#,
            r#""bucket_name": "*", "suffix": ".json""#,
            r#""bucket_name": "*", "suffix": [".json", ".gz"]"#,
            r#""bucket_name": "*", "suffix": []"#,
            r#""bucket_name": "*", "suffix": [1]"#,
            r#""bucket_name": "*", "suffix": {}"#,
            r#""bucket_name": "*", "exclude": []"#,
            r#""bucket_name": "*", "exclude": ["*.tmp"]"#,
            r#""bucket_name": "*", "exclude": "*.tmp""#,
            r#""bucket": "*""#,
        ]
        .map(bucket),
    );
    let is_of_form = |code| matches!(code, Code::WrongType | Code::UnknownKey | Code::MissingKey | Code::EmptyList);
    let mut refused = 0;
    for text in &texts {
        let checked = check_sources(text, &|_| None);
        let of_form: Vec<_> = checked.diagnostics.iter().filter(|fault| is_of_form(fault.code)).collect();
        let value: Value = serde_json::from_str(text).unwrap();
        let valid = validator.is_valid(&value);
        assert_eq!(of_form.is_empty(), valid, "{text}\n{of_form:#?}\n{:?}", validator.validate(&value).err());
        refused += usize::from(!valid);
    }
    assert!(refused > 20 && texts.len() - refused > 15, "{refused} of {}", texts.len());
}

#[test]
fn the_published_schema_is_this_one() {
    let file = workspace().join("docs/sources.schema.json");
    let schema = serde_json::to_string_pretty(&sources_json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &schema).unwrap();
    }
    let published = fs::read_to_string(&file).unwrap_or_default();
    assert!(published == schema, "docs/sources.schema.json is out of date: run `cargo xtask bless routing`");
}
