use std::fs;
use std::path::Path;

use crate::support::run;

#[test]
fn shipped_configs_are_listed_and_printed_as_they_are() {
    let listed = run(0, &["mappings", "--format", "json"]).json();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"windows-sysmon") && names.contains(&"aws-network-firewall"));
    assert_eq!(listed[0]["events"], 30);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mapping-configs");
    for name in names {
        let shown = run(0, &["mappings", "show", name]);
        assert_eq!(shown.stdout, fs::read_to_string(folder.join(format!("{name}.json"))).unwrap());
        assert_eq!(shown.stderr, "");
    }
    let table = run(0, &["mappings"]).stdout;
    assert!(table.starts_with("NAME  ") && table.contains("\nwindows-sysmon  "), "{table}");
    let missing = run(3, &["mappings", "show", "x"]);
    assert!(missing.stderr.starts_with("error: no shipped mapping config `x`; the shipped ones are windows-sysmon, "));
}

#[test]
fn the_schema_of_the_format_is_a_json_schema() {
    let schema = run(0, &["mappings", "schema"]).json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}
