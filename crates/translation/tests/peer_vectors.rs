//! What becomes of each pattern that stix-shifter's connector was asked, and how that differs from what it answers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

mod round_trip;

use std::collections::BTreeMap;
use std::path::PathBuf;

use embedded::Embedded;
use query::{Engine as _, Statement};
use round_trip::{Said, Written, constants};
use serde_json::Value as Json;
use sql::table::Table;
use stix::pattern::Pattern;
use translation::{Columns, DialectMaps, Options, Translation, translate};

fn vectors() -> Option<Json> {
    vectors::read("stix-vectors.json").map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

fn tables(maps: &DialectMaps) -> Vec<Table> {
    ["ocsf", "vpcflow", "guardduty"].map(|dialect| maps.get(dialect).unwrap().table("lake", dialect)).to_vec()
}

enum Ours {
    Statements(Vec<(String, Translation)>),
    NoPattern,
    Refused(String),
}

fn ours(text: &str, maps: &DialectMaps, options: &Options) -> (Ours, Option<Pattern>) {
    let parsed = stix::parse(text, stix::Version::V21).or_else(|error| {
        // 2.0 has a few forms that 2.1 dropped.
        stix::parse(text, stix::Version::V20).map_err(|_| error)
    });
    let pattern = match parsed {
        Ok(pattern) => pattern,
        Err(_) => return (Ours::NoPattern, None),
    };
    let mut statements = Vec::new();
    let mut refused = Vec::new();
    for table in tables(maps) {
        match translate(&pattern, std::slice::from_ref(&table), maps, options) {
            Ok(translation) => statements.push((table.dialect.clone(), translation)),
            Err(diagnostics) => refused.push(diagnostics.to_string()),
        }
    }
    let ours = if statements.is_empty() { Ours::Refused(refused.join("; ")) } else { Ours::Statements(statements) };
    (ours, Some(pattern))
}

fn options() -> Options {
    let day = 86_400_000_000_000_i128;
    let columns = Columns::Only(vec!["time".into(), "start".into(), "updatedat".into()]);
    Options { since: Some(19_723 * day), until: Some(19_724 * day), columns, ..Options::default() }
}

/// Entries for the windows of which the pattern alone speaks: far from the options' own.
fn unbounded() -> Options {
    Options { since: Some(0), until: Some(10_000_000_000_000_000_000), ..options() }
}

#[test]
fn every_pattern_has_a_statement_whose_values_round_trip_or_a_diagnostic() {
    let Some(vectors) = vectors() else { return };
    let maps = DialectMaps::embedded().unwrap();
    let entries = vectors["entries"].as_array().unwrap();
    let (mut statements, mut no_pattern, mut refused) = (0, 0, 0);
    let (mut found, mut left_out) = (0, 0);
    let mut faults = Vec::new();
    for entry in entries {
        let text = entry["pattern"].as_str().unwrap();
        let (ours, pattern) = ours(text, &maps, &unbounded());
        match ours {
            Ours::NoPattern => no_pattern += 1,
            Ours::Refused(message) => {
                assert!(!message.is_empty());
                refused += 1;
            }
            Ours::Statements(translations) => {
                statements += 1;
                let pattern = pattern.unwrap();
                for (dialect, translation) in &translations {
                    let sql = translation.sql.as_str();
                    sql::testing::keep(&translation.sql).unwrap();
                    let (written, said) = (Written::of(sql), Said(&translation.warnings));
                    for constant in constants(&pattern.root, &said) {
                        if written.has(&constant) {
                            found += 1;
                        } else if said.is_left_out(&constant) {
                            left_out += 1;
                        } else {
                            let of = &text[constant.comparison.span.clone()];
                            faults.push(format!(
                                "{} {dialect}: {:?} of {of} is lost: {sql}",
                                entry["id"], constant.value
                            ));
                        }
                    }
                    if let Err(error) = parsed(sql) {
                        faults.push(format!("{}: {error}", entry["id"]));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!((statements, refused, no_pattern), (519, 44, 61));
    assert_eq!((found, left_out), (1154, 5));
}

/// The statement as a parser has it, and again as it writes it.
fn parsed(sql: &str) -> Result<(), String> {
    let parse = |sql: &str| sqlparser::parser::Parser::parse_sql(&sqlparser::dialect::DuckDbDialect {}, sql);
    // Trino's own types, which this parser does not know, and backslashes, which it takes for escapes.
    let sql = &sql.replace("IPADDRESS '", "TIMESTAMP '").replace("AS array(json))", "AS json)").replace('\\', "/");
    let once = parse(sql).map_err(|error| format!("{error}\n{sql}"))?;
    let again =
        parse(&once.iter().map(ToString::to_string).collect::<Vec<_>>().join(";")).map_err(|e| e.to_string())?;
    if once == again { Ok(()) } else { Err(format!("the statement reads back as another\n{sql}")) }
}

/// Over tables without rows: what counts is that the engine takes the statement.
#[tokio::test]
async fn the_embedded_engine_runs_the_statement_of_every_pattern() {
    let Some(vectors) = vectors() else { return };
    let maps = DialectMaps::embedded().unwrap();
    let with_table = |engine: Embedded, table| engine.with_table(table, vec![]).unwrap();
    let engine = tables(&maps).into_iter().fold(Embedded::in_memory(), with_table);
    let (mut run, mut faults) = (0, Vec::new());
    for entry in vectors["entries"].as_array().unwrap() {
        let (Ours::Statements(translations), _) = ours(entry["pattern"].as_str().unwrap(), &maps, &unbounded()) else {
            continue;
        };
        for (_, translation) in translations {
            run += 1;
            if let Err(error) = engine.run(&Statement::new(translation.sql.clone())).await {
                faults.push(format!("{}: {error}\n{}", entry["id"], translation.sql));
            }
        }
    }
    assert!(run > 900 && faults.is_empty(), "{} of {run}\n{}", faults.len(), faults.join("\n"));
}

/// The causes of differences, as docs/stix-translation.md has them.
fn cause(entry: &Json, ours: &Ours) -> Option<&'static str> {
    let peer_translates = entry["result"]["success"] == true;
    let error = entry["result"]["code"].as_str().or_else(|| entry["result"]["error_code"].as_str()).unwrap_or_default();
    Some(match (peer_translates, ours) {
        (true, Ours::NoPattern) => {
            "the text is no STIX pattern: the peer's parser goes on after errors, here it is refused"
        }
        (true, Ours::Refused(message)) if message.contains("is never so") => {
            "no value of the column can satisfy the comparison: the peer compares anyway"
        }
        (true, Ours::Refused(message)) if message.contains("regular expression") => {
            "a regular expression that engines read differently: refused here"
        }
        (true, Ours::Refused(message)) if message.contains("neither an address nor") => {
            "a faulty network: refused here"
        }
        (true, Ours::Refused(_)) => {
            "what is asked does not exist in OCSF 1.1: the peer's map names columns that no table has"
        }
        (false, Ours::Statements(_)) => match error {
            "mapping_error" => "the peer has no columns for it, or drops the operator",
            "not_implemented" => "FOLLOWEDBY, protocols by any name, other times: not implemented by the peer",
            "invalid_parameter" => "the peer's validator is of STIX 2.0, or its option is faulty",
            _ => "the peer fails: literals, nested qualifiers, operators, options",
        },
        (false, _) => return None,
        (true, Ours::Statements(_)) => return None,
    })
}

fn table_of_differences(vectors: &Json) -> String {
    let maps = DialectMaps::embedded().unwrap();
    let entries = vectors["entries"].as_array().unwrap();
    let mut causes: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    let (mut both, mut neither, mut silent_window, mut refined) = (0, 0, 0, 0);
    for entry in entries {
        let (ours, _) = ours(entry["pattern"].as_str().unwrap(), &maps, &unbounded());
        let peer_translates = entry["result"]["success"] == true;
        if let Ours::Statements(translations) = &ours {
            refined += usize::from(translations.iter().any(|(_, t)| t.refine.is_some()));
        }
        match cause(entry, &ours) {
            Some(cause) => causes.entry(cause).or_default().push(entry["id"].as_str().unwrap()),
            None if peer_translates => both += 1,
            None => neither += 1,
        }
        silent_window += usize::from(entry["depends_on_now"] == true);
    }
    let mut table = String::from("| what | patterns | for example |\n|---|---|---|\n");
    table.push_str(&format!("| both translate | {both} | |\n| both refuse | {neither} | |\n"));
    for (cause, ids) in &causes {
        let examples: Vec<&str> = ids.iter().take(4).copied().collect();
        table.push_str(&format!("| {cause} | {} | {} |\n", ids.len(), examples.join(", ")));
    }
    table.push_str(&format!("| **all** | **{}** | |\n\n", entries.len()));
    table.push_str(&format!(
        "Without START and STOP, the peer silently searches the last five minutes ({silent_window} of the patterns). \
         Sluice requires a time. The binder decides {refined} patterns.\n"
    ));
    table
}

/// `cargo xtask bless peer_vectors` rewrites the table.
#[test]
fn the_documented_table_of_differences_is_true() {
    let Some(vectors) = vectors() else { return };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/stix-translation.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- differences: begin -->\n", "<!-- differences: end -->");
    let (before, rest) = page.split_once(begin).unwrap();
    let (documented, after) = rest.split_once(end).unwrap();
    let table = table_of_differences(&vectors);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{before}{begin}{table}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(documented, table, "docs/stix-translation.md is out of date: run `cargo xtask bless peer_vectors`");
}
