//! The shipped maps: they load, they are of the documented form, they fit the tables that exist.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};
use sql::table::Table;
use sql::types::ColumnType;
use translation::{DialectMap, DialectMaps, MapError, Options, translate};

fn maps() -> &'static DialectMaps {
    static MAPS: OnceLock<DialectMaps> = OnceLock::new();
    MAPS.get_or_init(|| DialectMaps::embedded().unwrap_or_else(|error| panic!("{error}")))
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../dialect-maps"))
}

fn translated(pattern: &str, table: &Table) -> Result<String, String> {
    let text = format!("{pattern} START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'");
    let pattern = stix::parse(&text, stix::Version::default()).map_err(|e| format!("{text}: {e:?}"))?;
    match translate(&pattern, std::slice::from_ref(table), maps(), &Options::default()) {
        Ok(translation) => Ok(translation.sql.to_string()),
        Err(diagnostics) => Err(diagnostics.to_string()),
    }
}

#[test]
fn every_shipped_map_is_of_the_documented_form() {
    let schema: Value =
        serde_json::from_slice(&std::fs::read(folder().join("dialect-map.schema.json")).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() || path.to_string_lossy().ends_with(".schema.json") {
            continue;
        }
        let map: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&map).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        seen += 1;
    }
    assert_eq!(seen, 4);
    assert!(!validator.is_valid(&json!({ "dialect": "x", "time": { "column": "t", "unit": "hours" }, "objects": {} })));
}

#[test]
fn every_property_of_every_map_translates_over_the_tables_that_the_map_describes() {
    let mut properties = 0;
    for map in maps().iter() {
        let table = map.table("db", "t");
        for property in map.properties() {
            let (object, path) = property.split_once(':').unwrap();
            let path = path.replace("protocols", "protocols[*]");
            let exists = translated(&format!("[EXISTS {object}:{path}]"), &table);
            assert!(exists.is_ok(), "{} {property}: {exists:?}", map.dialect());
            properties += 1;
        }
    }
    assert!(properties > 400, "{properties}");
}

#[test]
fn a_path_that_does_not_exist_is_refused_with_the_nearest_that_does() {
    let with = |property: &str| {
        let map = json!({
            "dialect": "mine", "ocsf": "1.1.0", "time": { "column": "time", "unit": "milliseconds" },
            "objects": { "file": { "properties": { "name": property } } },
        });
        DialectMap::from_json(&map.to_string()).unwrap_err()
    };
    for (path, message) in [
        (
            "process.file.nmae",
            "dialect map mine: file:name: `process.file.nmae` is no attribute of OCSF 1.1.0; is `process.file.name` meant?",
        ),
        (
            "proces.file.name",
            "dialect map mine: file:name: `proces.file.name` is no attribute of OCSF 1.1.0; is `process` meant?",
        ),
        (
            "resources.uid",
            "dialect map mine: file:name: `resources.uid` is no attribute of OCSF 1.1.0 (arrays are written with `[]`)",
        ),
        (
            "file[].name",
            "dialect map mine: file:name: `file[].name` is no attribute of OCSF 1.1.0 (arrays are written with `[]`)",
        ),
    ] {
        assert_eq!(with(path).to_string(), message);
    }
}

#[test]
fn a_map_that_contradicts_itself_is_refused() {
    let of = |map: Value| DialectMap::from_json(&map.to_string()).unwrap_err();
    let time = json!({ "column": "at", "unit": "seconds" });
    let columns = json!({ "at": "bigint", "addr": "varchar" });
    let typo = of(
        json!({ "dialect": "d", "columns": columns, "time": time, "objects": { "ipv4-addr": { "properties": { "value": "adr" } } } }),
    );
    assert_eq!(
        typo.to_string(),
        "dialect map d: ipv4-addr:value: `adr` is no column that the map declares; is `addr` meant?"
    );
    let unknown_key = of(json!({ "dialect": "d", "columns": columns, "time": time, "objects": {}, "tiem": 1 }));
    assert!(matches!(&unknown_key, MapError::Form(problem) if problem.contains("tiem")), "{unknown_key}");
    let reference = of(json!({ "dialect": "d", "columns": columns, "time": time, "objects": {
        "network-traffic": { "references": { "src_ref": { "object": "ipv4-addr", "at": "." } } } } }));
    assert_eq!(reference.to_string(), "dialect map d: network-traffic:src_ref: ipv4-addr has no placement there");
    let no_time = of(json!({ "dialect": "d", "columns": columns, "time": { "unit": "seconds" }, "objects": {} }));
    assert_eq!(no_time.to_string(), "dialect map d: `time` names no column");
}

/// The custom attributes that the page of stix-shifter's connector lists, in its own spelling.
const CUSTOM_ATTRIBUTES: [&str; 22] = [
    "ipv4-addr:x_aws_interface_id",
    "ipv4-addr:x_aws_remote_city_name",
    "ipv4-addr:x_aws_remote_country_name",
    "ipv6-addr:x_aws_interface_id",
    "x-aws-details:account_id",
    "x-aws-details:aws_region",
    "x-aws:account_id",
    "x-aws:aws_region",
    "x-aws-instance:instance_id",
    "x-aws-instance:image_id",
    "x-aws-instance:availability_zone",
    "x-aws-vpc:vpc_id",
    "x-aws-vpc:subnet_id",
    "x-aws-vpc:security_group_name",
    "x-aws-vpc:security_group_id",
    "x-aws-api:access_key_id",
    "x-aws-api:api",
    "x-aws-api:api_service_name",
    "x-ibm-finding:name",
    "x-ibm-finding:finding_type",
    "x-ibm-finding:description",
    "x-ibm-finding:dst_geolocation",
];

#[test]
fn every_custom_attribute_of_the_connectors_page_is_mapped_in_guardduty_and_in_ocsf() {
    let maps = maps();
    for dialect in ["guardduty", "ocsf"] {
        let table = maps.get(dialect).unwrap().table("db", "t");
        for attribute in CUSTOM_ATTRIBUTES {
            let sql = translated(&format!("[{attribute} = 'x']"), &table);
            assert!(sql.is_ok(), "{dialect} {attribute}: {sql:?}");
        }
    }
}

fn shared(path: &str) -> Option<std::path::PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// A type of the table descriptions: `struct` and `array<struct>` have their fields beside them.
fn column_type(column: &Value) -> ColumnType {
    let text = column["type"].as_str().unwrap();
    let fields = || {
        let fields = column["fields"].as_array().unwrap();
        ColumnType::Row(fields.iter().map(|f| (f["name"].as_str().unwrap().to_owned(), column_type(f))).collect())
    };
    match text {
        "struct" => fields(),
        "array<struct>" => ColumnType::Array(Box::new(fields())),
        text => text.parse().unwrap_or_else(|error| panic!("{error}")),
    }
}

fn native_tables() -> Option<Vec<Table>> {
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(shared("data/security-lake-tables")?).unwrap() {
        let table: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let columns: Vec<(String, ColumnType)> = table["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| (column["name"].as_str().unwrap().to_owned(), column_type(column)))
            .collect();
        tables.push(Table {
            database: "amazon_security_lake_glue_db_us_east_1".to_owned(),
            name: table["table_name"].as_str().unwrap().to_owned(),
            layout: Table::detect_layout(&columns),
            columns,
            dialect: "ocsf".to_owned(),
        });
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    Some(tables)
}

#[test]
fn security_lakes_own_tables_answer_what_they_hold() {
    let Some(tables) = native_tables() else { return };
    assert_eq!(tables.len(), 8);
    let map_properties: Vec<String> = maps().get("ocsf").unwrap().properties().collect();
    let mut answered = std::collections::BTreeMap::new();
    for table in &tables {
        assert_eq!(table.layout, sql::table::Layout::TimeDt, "{}", table.name);
        for property in &map_properties {
            let (object, path) = property.split_once(':').unwrap();
            let path = path.replace("protocols", "protocols[*]");
            if translated(&format!("[EXISTS {object}:{path}]"), table).is_ok() {
                *answered.entry(table.name.clone()).or_insert(0) += 1;
            }
        }
    }
    println!("{answered:#?} of {}", map_properties.len());
    for (name, least) in [
        ("vpc_flow", 60),
        ("cloud_trail_mgmt", 60),
        ("sh_findings", 80),
        ("route53", 35),
        ("waf", 35),
        ("eks_audit", 50),
    ] {
        let count = answered.iter().find(|(table, _)| table.contains(name)).map_or(0, |(_, count)| *count);
        assert!(count >= least, "{name}: {count}");
    }
    for (table, pattern) in [
        ("vpc_flow", "[ipv4-addr:value = '198.51.100.7' AND network-traffic:protocols[*] = 'tcp']"),
        ("cloud_trail_mgmt", "[x-aws-api:api = 'GetObject' AND x-ocsf-resources:type = 'AWS::S3::Bucket']"),
        ("cloud_trail_mgmt", "[x-aws-details:account_id = '123456789012']"),
        ("route53", "[domain-name:value LIKE '%.example.com']"),
        ("sh_findings", "[file:hashes.'SHA-256' = 'aec070645fe53ee3b3763059376134f058cc337247c978add178b6ccdfb0019f']"),
        ("waf", "[url:value = 'https://example.com/' OR ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
        ("eks_audit", "[x-ocsf-identity:session.issuer = 'x' OR user-account:account_login = 'admin']"),
    ] {
        let table = tables.iter().find(|t| t.name.contains(table)).unwrap();
        let sql = translated(pattern, table);
        assert!(sql.is_ok(), "{pattern} on {}: {sql:?}", table.name);
    }
}
