//! Patterns from stix-shifter's connector, as SQL: Trino accepts every statement, including its types.

use local_trino::Trino;
use same_rows::server;
use serde_json::Value;
use translation::{DialectMaps, Options, translate};

const DATABASE: &str = "peer_patterns";

#[tokio::test]
async fn trino_accepts_the_statements_of_all_patterns() {
    let (Some(server), Some(vectors)) = (server().unwrap(), vectors::read("stix-vectors.json")) else { return };
    let vectors: Value = serde_json::from_slice(&vectors).unwrap();
    let maps = DialectMaps::embedded().unwrap();
    let trino = Trino::new(server, DATABASE);
    let tables: Vec<_> = maps.iter().map(|map| map.table(DATABASE, map.dialect())).collect();
    for table in &tables {
        trino.register_empty(&table.name, &table.columns).unwrap();
    }
    let options = Options {
        since: Some(1_704_067_200_000_000_000),
        until: Some(1_704_153_600_000_000_000),
        ..Options::default()
    };
    let (mut statements, mut faults) = (0, Vec::new());
    for entry in vectors["entries"].as_array().unwrap() {
        let text = entry["pattern"].as_str().unwrap();
        let parsed = stix::parse(text, stix::Version::V21).or_else(|_| stix::parse(text, stix::Version::V20));
        let Ok(pattern) = parsed else { continue };
        for table in &tables {
            let Ok(translation) = translate(&pattern, std::slice::from_ref(table), &maps, &options) else { continue };
            statements += 1;
            if let Err(error) = trino.ask(&format!("EXPLAIN (TYPE VALIDATE) {}", translation.sql)) {
                faults.push(format!("{} {}: {text}\n{error}\n{}", entry["id"], table.name, translation.sql));
            }
        }
    }
    println!("{statements} statements, {} with faults", faults.len());
    assert!(statements > 900 && faults.is_empty(), "{statements}\n{}", faults.join("\n"));
}
