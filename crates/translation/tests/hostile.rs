//! What a value holds never changes a statement's structure, comes through unchanged, and matches only itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use embedded::Embedded;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use query::{Engine as _, Statement};
use sql::table::{Layout, Table};
use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, Tokenizer, Whitespace};
use stix::pattern::{Literal, Operator, Pattern, Step, Value};
use stix_trials::hostile::{HOSTILE, HOSTILE_PIECES, near_misses, pattern, text};
use translation::{Columns, DialectMap, DialectMaps, Options, translate};

fn options() -> Options {
    let since = Some(1_704_067_200_000_000_000);
    Options { since, until: since.map(|s| s + 1_000), columns: Columns::Only(vec![]), ..Options::default() }
}

fn tokens(sql: &str) -> Vec<Token> {
    let mut tokenizer = Tokenizer::new(&GenericDialect {}, sql);
    tokenizer.tokenize().unwrap_or_else(|error| panic!("{error}\n{sql}"))
}

/// The statement with every text and quoted name emptied: what a parser makes its tree of.
fn shape(sql: &str) -> Vec<String> {
    tokens(sql)
        .into_iter()
        .filter(|token| !matches!(token, Token::Whitespace(Whitespace::Space | Whitespace::Newline | Whitespace::Tab)))
        .map(|token| match token {
            Token::SingleQuotedString(_) => "a text".to_owned(),
            Token::Word(word) if word.quote_style.is_some() => "a name".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

fn texts(sql: &str) -> Vec<String> {
    let texts = tokens(sql).into_iter().filter_map(|token| match token {
        Token::SingleQuotedString(text) => Some(text),
        Token::Word(word) if word.quote_style.is_some() => Some(word.value),
        _ => None,
    });
    texts.collect()
}

fn maps() -> &'static DialectMaps {
    static MAPS: OnceLock<DialectMaps> = OnceLock::new();
    MAPS.get_or_init(|| DialectMaps::embedded().unwrap())
}

fn tables() -> &'static [Table] {
    static TABLES: OnceLock<Vec<Table>> = OnceLock::new();
    TABLES.get_or_init(|| ["ocsf", "guardduty"].map(|dialect| maps().get(dialect).unwrap().table("db", "t")).to_vec())
}

fn statement(table: &Table, pattern: &Pattern) -> String {
    let sql = translate(pattern, std::slice::from_ref(table), maps(), &options());
    sql.unwrap_or_else(|error| panic!("{error}")).sql.to_string()
}

/// Quotes, backslashes, wildcards, comments, statements, letters of every script, and nothing.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = proptest::sample::select(&HOSTILE_PIECES[..]);
    prop_oneof![
        3 => proptest::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

fn is_cased(text: &str) -> bool {
    text.chars().any(|c| c.is_lowercase() || c.is_uppercase())
}

fn folded(text: &str) -> String {
    text.chars().map(|c| if c.to_lowercase().count() == 1 { c.to_lowercase().next().unwrap() } else { c }).collect()
}

/// `(object type, property, whether columns are compared without regard to case)`.
const PLACES: [(&str, &str, bool); 3] =
    [("x-ibm-finding", "name", false), ("domain-name", "value", true), ("x-aws-api", "api", false)];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_value_is_one_literal_wherever_it_stands(value in hostile(), place in proptest::sample::select(&PLACES[..])) {
        let (object_type, property, is_folded) = place;
        // A harmless value of the same kind: lower-casing is left out where it changes nothing.
        let harmless = if is_folded && is_cased(&value) { "x" } else { "1" };
        let steps = [Step::Property(property.to_owned())];
        let operators: [fn(Literal) -> Operator; 5] = [
            Operator::Equal,
            Operator::NotEqual,
            Operator::Like,
            Operator::Greater,
            |literal| Operator::In(vec![literal, Literal { value: Value::Text("other".to_owned()), span: 0..0 }]),
        ];
        for table in tables() {
            for (place, operator) in operators.iter().enumerate() {
                let sql = statement(table, &pattern(object_type, &steps, operator(text(&value))));
                let plain = statement(table, &pattern(object_type, &steps, operator(text(harmless))));
                prop_assert_eq!(shape(&sql), shape(&plain), "{}", sql);
                let expected = if is_folded && (is_cased(&value) || place == 4) { folded(&value) } else { value.clone() };
                prop_assert!(texts(&sql).contains(&expected), "{:?} in {}", expected, sql);
            }
        }
    }

    #[test]
    fn a_regular_expression_is_one_literal(value in hostile()) {
        let escaped = regex::escape(&value);
        let steps = [Step::Property("name".to_owned())];
        for table in tables() {
            let sql = statement(table, &pattern("x-ibm-finding", &steps, Operator::Matches(text(&escaped))));
            let plain = statement(table, &pattern("x-ibm-finding", &steps, Operator::Matches(text("x"))));
            prop_assert_eq!(shape(&sql), shape(&plain), "{}", sql);
            prop_assert!(texts(&sql).contains(&escaped), "{}", sql);
        }
    }

    #[test]
    fn a_pattern_written_as_text_brings_the_value_through(value in hostile()) {
        let escaped = value.replace('\\', "\\\\").replace('\'', "\\'");
        let written = format!("[x-ibm-finding:name = '{escaped}']");
        if let Ok(pattern) = stix::parse(&written, stix::Version::default()) {
            for table in tables() {
                let sql = statement(table, &pattern);
                prop_assert!(texts(&sql).contains(&value), "{}", sql);
            }
        } else {
            prop_assert!(value.contains(['\n', '\r', '\0']) || value.chars().any(char::is_control), "refused: {}", written);
        }
    }

    #[test]
    fn a_key_of_a_map_or_of_json_is_one_literal(key in hostile()) {
        prop_assume!(!key.is_empty());
        for (table, column) in tables().iter().zip(["unmapped", "service"]) {
            let object_type = format!("x-{}", table.dialect);
            if table.column(column).is_none() {
                continue;
            }
            let steps = |key: &str| [Step::Property(column.to_owned()), Step::Property(key.to_owned())];
            let sql = statement(table, &pattern(&object_type, &steps(&key), Operator::Equal(text("v"))));
            let plain = statement(table, &pattern(&object_type, &steps("k"), Operator::Equal(text("v"))));
            prop_assert_eq!(shape(&sql), shape(&plain), "{}", sql);
        }
    }
}

#[test]
fn the_peers_injections_are_values_here() {
    for value in [
        "x')) OR 1=1 --",
        "x') union all select secret from other.secrets --",
        "##UNNEST(ARRAY[1]) AS z(z) ON TRUE LEFT JOIN other.secrets##x",
        "this OR NOT that",
        "a UNION (b",
        "it's",
        "'quoted'",
        "C:\\Windows\\'x",
    ] {
        for table in tables() {
            let steps = [Step::Property("name".to_owned())];
            let sql = statement(table, &pattern("x-ibm-finding", &steps, Operator::Equal(text(value))));
            let plain = statement(table, &pattern("x-ibm-finding", &steps, Operator::Equal(text("x"))));
            assert_eq!(shape(&sql), shape(&plain));
            assert!(texts(&sql).contains(&value.to_owned()));
        }
    }
}

/// Rows of these values: as a text, and as the key of a map whose value says `here`.
fn rows_of(values: &[String]) -> RecordBatch {
    let ids = || (0..values.len()).map(|id| i64::try_from(id).unwrap());
    let mut keyed = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for value in values {
        keyed.keys().append_value(value);
        keyed.values().append_value("here");
        keyed.append(true).unwrap();
    }
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(ids())) as ArrayRef, true),
        ("time", Arc::new(Int64Array::from_iter_values(ids().map(|id| 1_704_067_200_000 + id))), true),
        ("value", Arc::new(StringArray::from_iter_values(values)), true),
        ("keyed", Arc::new(keyed.finish()), true),
    ])
    .unwrap()
}

#[tokio::test]
async fn a_value_finds_its_own_row_alone() {
    let map = r#"{
        "dialect": "hostile",
        "columns": { "id": "bigint", "time": "bigint", "value": "string", "keyed": "map<string,string>" },
        "time": { "column": "time", "unit": "milliseconds" },
        "objects": { "x-row": { "passthrough": true } }
    }"#;
    let map = DialectMap::from_json(map).unwrap();
    let table = Table { layout: Layout::Plain, ..map.table("db", "t") };
    let mut maps = DialectMaps::empty();
    maps.insert(map);

    let mut runner = TestRunner::deterministic();
    let mut asked: BTreeSet<String> = HOSTILE.map(str::to_owned).into();
    while asked.len() < 80 {
        asked.insert(hostile().new_tree(&mut runner).unwrap().current());
    }
    let values: BTreeSet<String> = asked.iter().flat_map(|value| near_misses(value)).collect();
    let values: Vec<String> = values.into_iter().collect();
    let engine = Embedded::in_memory().with_table(table.clone(), vec![rows_of(&values)]).unwrap();

    let options = Options {
        until: Some(1_704_067_200_000_000_000 + 3_600_000_000_000),
        columns: Columns::Only(vec!["id".to_owned(), "value".to_owned()]),
        ..options()
    };
    let (mut statements, mut wrong) = (0, Vec::new());
    for value in &asked {
        let whole = format!(r"\A{}\z", regex::escape(value));
        let other = Literal { value: Value::Text("\u{1}no row's".to_owned()), span: 0..0 };
        let text_is = |operator| pattern("x-row", &[Step::Property("value".to_owned())], operator);
        let mut patterns = vec![
            text_is(Operator::Equal(text(value))),
            text_is(Operator::In(vec![other, text(value)])),
            text_is(Operator::Matches(text(&whole))),
        ];
        if !value.is_empty() {
            let steps = [Step::Property("keyed".to_owned()), Step::Property(value.clone())];
            patterns.push(pattern("x-row", &steps, Operator::Equal(text("here"))));
        }
        for asked in patterns {
            let translation = translate(&asked, std::slice::from_ref(&table), &maps, &options)
                .unwrap_or_else(|error| panic!("{value:?}: {error}"));
            let answer = engine.run(&Statement::new(translation.sql.clone())).await;
            let answer = answer.unwrap_or_else(|error| panic!("{value:?}: {error}\n{}", translation.sql));
            let rows = translation.settle(&answer.rows).unwrap().rows;
            let found = rows.iter().map(|row| {
                let event: serde_json::Value = serde_json::from_str(&row.event).unwrap();
                event["value"].as_str().unwrap().to_owned()
            });
            let found: Vec<String> = found.collect();
            statements += 1;
            if found != [value.clone()] {
                wrong.push(format!("{value:?}: {found:?}\n  {}", translation.sql));
            }
        }
    }
    println!("{statements} statements over {} rows", values.len());
    assert!(wrong.is_empty(), "{} of {statements}\n{}", wrong.len(), wrong.join("\n"));
}
