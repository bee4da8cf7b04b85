//! The samples of the connector's page, in all three of its dialects.
//!
//! `connector_page/<name>.txt` holds a pattern and the SQL it becomes, or why it is refused. `cargo xtask bless
//! connector_page` rewrites the files; review the difference like code.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::fs;
use std::path::Path;

use sql::table::{Layout, Table};
use sql::types::ColumnType;
use translation::{Columns, DialectMaps, Options, translate};

const SAMPLES: [(&str, &str); 4] = [
    (
        "address",
        "[ipv4-addr:value = '172.31.76.105'] START t'2020-05-01T08:43:10.003Z' STOP t'2020-11-30T10:43:10.003Z'",
    ),
    (
        "finding",
        "[x-ibm-finding:name = '146.168.246.36 is performing SSH brute force attacks against i-03d7e6195920aa4c0.'] \
         START t'2020-05-01T08:43:10.003Z' STOP t'2020-11-30T10:43:10.003Z'",
    ),
    (
        "or",
        "([network-traffic:src_port = '3389'] OR [domain-name:value = 'guarddutyc2activityb.com']) \
         START t'2020-05-01T08:43:10.003Z' STOP t'2020-11-30T10:43:10.003Z'",
    ),
    (
        "and",
        "([x-aws-details:account_id = '979326520502'] AND [x-ibm-finding:finding_type = 'accept']) \
         START t'2020-05-01T08:43:10.003Z' STOP t'2020-11-30T10:43:10.003Z'",
    ),
];

fn table(dialect: &str, columns: &[(&str, &str)]) -> Table {
    let columns: Vec<(String, ColumnType)> =
        columns.iter().map(|(name, t)| ((*name).to_owned(), t.parse().unwrap())).collect();
    let layout = Table::detect_layout(&columns);
    Table { database: "logs".to_owned(), name: dialect.to_owned(), columns, layout, dialect: dialect.to_owned() }
}

/// Version 2 of VPC flow logs, with AWS's names of columns.
fn vpcflow() -> Table {
    table(
        "vpcflow",
        &[
            ("version", "int"),
            ("account_id", "string"),
            ("interface_id", "string"),
            ("srcaddr", "string"),
            ("dstaddr", "string"),
            ("srcport", "int"),
            ("dstport", "int"),
            ("protocol", "bigint"),
            ("packets", "bigint"),
            ("bytes", "bigint"),
            ("start", "bigint"),
            ("end", "bigint"),
            ("action", "string"),
            ("log_status", "string"),
        ],
    )
}

fn guardduty() -> Table {
    table(
        "guardduty",
        &[
            ("schemaversion", "string"),
            ("accountid", "string"),
            ("region", "string"),
            ("id", "string"),
            ("arn", "string"),
            ("type", "string"),
            ("resource", "string"),
            ("service", "string"),
            ("severity", "double"),
            ("createdat", "string"),
            ("updatedat", "string"),
            ("title", "string"),
            ("description", "string"),
        ],
    )
}

/// A table of Sluice's own layout with flows, names and findings.
fn ocsf() -> Table {
    table(
        "ocsf",
        &[
            ("time", "bigint"),
            ("count", "int"),
            ("class_uid", "int"),
            ("src_endpoint", "struct<ip:string,port:int,hostname:string,intermediate_ips:array<string>>"),
            ("dst_endpoint", "struct<ip:string,port:int,hostname:string>"),
            ("query", "struct<hostname:string>"),
            ("answers", "array<struct<rdata:string,type:string>>"),
            ("finding_info", "struct<title:string,desc:string,types:array<string>,uid:string>"),
            ("observables", "array<struct<name:string,type:string,type_id:int,value:string>>"),
            ("region", "string"),
            ("accountid", "string"),
            ("eventday", "string"),
        ],
    )
}

/// Compares with `connector_page/<name>.txt`, or rewrites it under `cargo xtask bless`.
#[track_caller]
fn hold(name: &str, pattern: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/connector_page").join(format!("{name}.txt"));
    let shown = format!("{pattern}\n\n{}\n", text.trim_end());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, &shown).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(shown == expected, "{name}\n--- expected\n{expected}\n--- found\n{shown}");
}

#[test]
fn all_four_samples_work_in_all_three_dialects() {
    let maps = DialectMaps::embedded().unwrap();
    let options = Options { regions: vec!["us-east-1".to_owned()], ..Options::default() };
    let mut refused = Vec::new();
    for (name, text) in SAMPLES {
        let pattern = stix::parse(text, stix::Version::default()).unwrap();
        for table in [vpcflow(), guardduty(), ocsf()] {
            match translate(&pattern, std::slice::from_ref(&table), &maps, &options) {
                Ok(translation) => {
                    let warnings: String =
                        translation.warnings.iter().map(|w| format!("\n\n{}", w.render(name, text, false))).collect();
                    hold(&format!("{name}_{}", table.dialect), text, &format!("{}{warnings}", translation.sql));
                }
                Err(diagnostics) => {
                    refused.push(format!("{name} {}", table.dialect));
                    let diagnostics: Vec<String> = diagnostics.iter().map(|d| d.render(name, text, false)).collect();
                    hold(&format!("{name}_{}", table.dialect), text, &diagnostics.join("\n\n"));
                }
            }
        }
    }
    // A VPC flow log has no findings with names; the page has no statement for it either.
    assert_eq!(refused, ["finding vpcflow"]);
}

#[test]
fn one_statement_searches_tables_of_several_dialects() {
    let maps = DialectMaps::embedded().unwrap();
    let text = "([ipv4-addr:value ISSUBSET '198.51.100.0/24'] FOLLOWEDBY [network-traffic:dst_port IN (22, 3389)]) \
                WITHIN 300 SECONDS START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'";
    let pattern = stix::parse(text, stix::Version::default()).unwrap();
    let options =
        Options { columns: Columns::Only(vec!["src_endpoint".into(), "srcaddr".into()]), ..Options::default() };
    let translation = translate(&pattern, &[ocsf(), vpcflow(), guardduty()], &maps, &options).unwrap();
    assert_eq!(translation.tables, ["logs.ocsf", "logs.vpcflow", "logs.guardduty"]);
    assert_eq!(translation.refine, None);
    hold("several_tables", text, &translation.sql.to_string());
    assert_eq!(vpcflow().layout, Layout::Plain);
}
