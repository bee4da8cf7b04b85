//! Large patterns are translated, run and settled in proportion to their size, or refused with their place; and what a
//! comparison can never equal is said.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use embedded::Embedded;
use query::{Engine as _, Statement};
use sql::table::{Layout, Table};
use sql::text::MAX_STATEMENT_BYTES;
use translation::{DialectMap, DialectMaps, Options, Translation, translate};

fn joined(count: usize, operator: &str, operand: impl Fn(usize) -> String) -> String {
    (0..count).map(operand).collect::<Vec<_>>().join(operator)
}

fn address(number: usize) -> String {
    format!("'10.{}.{}.{}'", number / 65_536, number / 256 % 256, number % 256)
}

fn options() -> Options {
    Options { since: Some(0), until: Some(1_000_000_000_000), ..Options::default() }
}

fn translated(text: &str, tables: &[Table], maps: &DialectMaps) -> Result<Translation, (Option<String>, String)> {
    let pattern = stix::parse(text, stix::Version::default()).unwrap_or_else(|faults| panic!("{faults}"));
    translate(&pattern, tables, maps, &options()).map_err(|faults| {
        let fault = faults.iter().next().unwrap();
        (fault.span.clone().map(|span| text[span].to_owned()), fault.to_string())
    })
}

/// Everything that OCSF has for an address, in one table.
fn ocsf() -> (Table, DialectMaps) {
    let maps = DialectMaps::embedded().unwrap();
    (maps.get("ocsf").unwrap().table("db", "t"), maps)
}

#[test]
fn a_list_is_written_once_for_all_columns_of_a_table() {
    let (table, maps) = ocsf();
    for count in [2_000, 10_000] {
        let list = joined(count, ", ", address);
        let translation =
            translated(&format!("[ipv4-addr:value IN ({list})]"), std::slice::from_ref(&table), &maps).unwrap();
        assert_eq!(translation.sql.as_str().matches("'10.0.1.1'").count(), 1, "{count}");
        assert!(translation.sql.as_str().len() < list.len() + 15_000, "{}", translation.sql.as_str().len());
    }
    // Twice: each leaf has its own flag, and rows are chosen by the flags.
    let list = joined(2_000, ", ", address);
    let pattern = format!("[ipv4-addr:value IN ({list})] FOLLOWEDBY [ipv4-addr:value NOT IN ({list})]");
    let translation = translated(&pattern, &[table], &maps).unwrap();
    assert_eq!(translation.sql.as_str().matches("'10.0.1.1'").count(), 2);
}

#[test]
fn a_statement_longer_than_athena_takes_is_refused_at_its_longest_list() {
    let (table, maps) = ocsf();
    let pattern =
        |count| format!("[ipv4-addr:value IN ({}) AND network-traffic:dst_port = 22]", joined(count, ", ", address));
    let (place, message) = translated(&pattern(20_000), std::slice::from_ref(&table), &maps).unwrap_err();
    let place = place.unwrap();
    assert!(place.starts_with("ipv4-addr:value IN ('10.0.0.0'") && place.ends_with(')'), "{}", &place[..40]);
    assert!(message.contains("and Athena takes 262144 (split the 20000 values over several patterns of at most "));
    let most: usize = message.rsplit("at most ").next().unwrap().trim_end_matches(')').parse().unwrap();
    let part = translated(&pattern(most), std::slice::from_ref(&table), &maps).unwrap();
    assert!(part.sql.as_str().len() <= MAX_STATEMENT_BYTES);
    let tables: Vec<Table> = (0..120).map(|n| Table { name: format!("t{n}"), ..table.clone() }).collect();
    let (place, message) = translated("[ipv4-addr:value = '198.51.100.7']", &tables, &maps).unwrap_err();
    assert_eq!(place.as_deref(), Some("[ipv4-addr:value = '198.51.100.7']"));
    assert!(message.ends_with("(split the pattern in several, or search fewer tables at a time)"), "{message}");
}

#[test]
fn a_pattern_with_too_many_states_is_refused_at_the_part_that_has_them() {
    let (table, maps) = ocsf();
    let leaf = |number| format!("[network-traffic:dst_port = {number}]");
    let refused = |text: &str| translated(text, std::slice::from_ref(&table), &maps).unwrap_err();
    for count in [12, 500] {
        let (place, message) = refused(&joined(count, " AND ", leaf));
        assert_eq!(place.unwrap(), joined(12, " AND ", leaf));
        assert!(message.contains("join at most 11 observations by AND"), "{message}");
    }
    let twice = "([network-traffic:dst_port = 1] FOLLOWEDBY [network-traffic:dst_port = 2]) REPEATS 1000 TIMES";
    let place = refused(&format!("[file:name = 'x'] FOLLOWEDBY ({twice})")).0.unwrap();
    assert_eq!(place, format!("({twice})"));
    for accepted in [
        joined(11, " AND ", leaf),
        joined(500, " OR ", leaf),
        joined(500, " FOLLOWEDBY ", leaf),
        format!("{}{}{}", "(".repeat(99), leaf(1), ")".repeat(99)),
        format!("{} REPEATS 1000000 TIMES", leaf(1)),
        format!("{} REPEATS 1000 TIMES FOLLOWEDBY {}", leaf(1), leaf(2)),
    ] {
        translated(&accepted, std::slice::from_ref(&table), &maps).unwrap_or_else(|fault| panic!("{fault:?}"));
    }
}

/// A dialect whose addresses are in two columns, a list and a list of objects.
fn scattered() -> (Table, DialectMaps) {
    let columns = [
        ("id", "bigint"),
        ("time", "bigint"),
        ("a", "varchar"),
        ("b", "varchar"),
        ("c", "varchar"),
        ("list", "array(varchar)"),
        ("items", "array(row(kind bigint, v varchar))"),
    ];
    let map = r#"{
        "dialect": "scattered",
        "columns": { "id": "bigint", "time": "bigint", "a": "string", "b": "string", "c": "string",
            "list": "array<string>", "items": "array<struct<kind:bigint,v:string>>" },
        "time": { "column": "time", "unit": "milliseconds" },
        "objects": {
            "ipv4-addr": { "properties": { "value": [
                { "path": "a", "kind": "address" }, { "path": "b", "kind": "address" },
                { "path": "list[]", "kind": "address" }, { "path": "items[].v", "kind": "address", "where": { "kind": 1 } }
            ] } },
            "process": { "properties": { "name": ["a", "c"], "command_line": "b" } }
        }
    }"#;
    let mut maps = DialectMaps::empty();
    maps.insert(DialectMap::from_json(map).unwrap());
    let columns = columns.map(|(name, t)| (name.to_owned(), t.parse().unwrap())).to_vec();
    let (database, dialect) = ("db".to_owned(), "scattered".to_owned());
    (Table { database, name: "t".to_owned(), columns, layout: Layout::Plain, dialect }, maps)
}

/// Rows with few different addresses in all places, and with NULL in all of them.
fn rows() -> RecordBatch {
    let value = |number: usize| match number % 5 {
        0 => None,
        1 => Some("10.0.0.1".to_owned()),
        other => Some(format!("192.0.2.{other}")),
    };
    const ROWS: usize = 250;
    let texts = |step: usize| Arc::new((0..ROWS).map(|row| value(row / step)).collect::<StringArray>()) as ArrayRef;
    let mut list = ListBuilder::new(StringBuilder::new());
    let (mut kinds, mut values, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..ROWS {
        for part in 0..row % 3 {
            list.values().append_option(value(row / 2 + part));
        }
        list.append(row % 7 != 0);
        lengths.push(row % 4);
        for part in 0..row % 4 {
            kinds.push(i64::try_from(row % 2).unwrap());
            values.push(value(row / 3 + part));
        }
    }
    let items = StructArray::try_from(vec![
        ("kind", Arc::new(Int64Array::from(kinds)) as ArrayRef),
        ("v", Arc::new(StringArray::from(values)) as ArrayRef),
    ]);
    let items = items.unwrap();
    let field = arrow_array::Array::data_type(&items).clone();
    let field = Arc::new(arrow_schema::Field::new("item", field, true));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths(lengths);
    let items = ListArray::try_new(field, offsets, Arc::new(items), None).unwrap();
    let numbers = |step: i64| Arc::new((0..250).map(|row| row * step).collect::<Int64Array>()) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable([
        ("id", numbers(1), true),
        ("time", numbers(2), true),
        ("a", texts(1), true),
        ("b", texts(5), true),
        ("c", texts(25), true),
        ("list", Arc::new(list.finish()) as ArrayRef, true),
        ("items", Arc::new(items) as ArrayRef, true),
    ])
    .unwrap()
}

#[tokio::test]
async fn a_list_written_once_finds_what_a_short_one_finds_in_every_column() {
    let (table, maps) = scattered();
    let engine = Embedded::in_memory().with_table(table.clone(), vec![rows()]).unwrap();
    // Nothing holds the values that make the list long.
    let long = joined(200, ", ", |number| address(number + 1_000));
    let mut compared = 0;
    for pattern in [
        "[ipv4-addr:value IN ('10.0.0.1'LONG)]",
        "[ipv4-addr:value NOT IN ('10.0.0.1', '192.0.2.2'LONG)]",
        "[process:name IN ('10.0.0.1'LONG)]",
        "[ipv4-addr:value IN ('192.0.2.3'LONG) AND process:command_line = '10.0.0.1']",
        "[ipv4-addr:value IN ('192.0.2.3'LONG) AND ipv4-addr:value IN ('10.0.0.1'LONG)]",
        "[ipv4-addr:value IN ('192.0.2.3'LONG)] FOLLOWEDBY [process:name NOT IN ('10.0.0.1'LONG)]",
        "[process:name NOT IN ('192.0.2.3'LONG)] OR [ipv4-addr:value IN ('10.0.0.1'LONG)]",
    ] {
        let mut found = Vec::new();
        for list in ["", &format!(", {long}")] {
            let translation = translated(&pattern.replace("LONG", list), std::slice::from_ref(&table), &maps).unwrap();
            let is_once = translation.sql.as_str().contains("any_match(ARRAY[");
            assert_eq!(is_once, !list.is_empty(), "{}", translation.sql);
            sql::testing::keep(&translation.sql).unwrap();
            let answer = engine.run(&Statement::new(translation.sql.clone())).await;
            let answer = answer.unwrap_or_else(|error| panic!("{error}\n{}", translation.sql));
            let rows = translation.settle(&answer.rows).unwrap().rows.into_iter();
            found.push(rows.map(|row| (row.event, row.leaves)).collect::<BTreeSet<_>>());
        }
        assert_eq!(found[0], found[1], "{pattern}");
        assert!(!found[0].is_empty() && found[0].len() < 250, "{pattern}: {}", found[0].len());
        compared += 1;
    }
    assert_eq!(compared, 7);
}

#[tokio::test]
async fn large_patterns_are_planned_run_and_settled() {
    let (table, maps) = scattered();
    let engine = Embedded::in_memory().with_table(table.clone(), vec![rows()]).unwrap();
    for (pattern, some) in [
        (format!("[{}]", joined(500, " AND ", |n| format!("process:command_line != 'x{n}'"))), true),
        (format!("[{}]", joined(500, " OR ", |n| format!("process:command_line = '192.0.2.{n}'"))), true),
        (joined(100, " OR ", |n| format!("[process:command_line = '192.0.2.{n}']")), true),
        (joined(12, " FOLLOWEDBY ", |_| "[process:command_line = '10.0.0.1']".to_owned()), true),
        (joined(60, " FOLLOWEDBY ", |_| "[process:command_line = '10.0.0.1']".to_owned()), false),
        (joined(8, " AND ", |n| format!("[process:command_line LIKE '%{n}']")), false),
        ("[process:command_line = '10.0.0.1'] REPEATS 50 TIMES".to_owned(), true),
        ("[process:command_line = '10.0.0.1'] REPEATS 1000 TIMES WITHIN 60 SECONDS".to_owned(), false),
        (format!("[process:command_line IN ({}, '10.0.0.1')]", joined(10_000, ", ", |n| format!("'x{n}'"))), true),
        (format!("{}[process:command_line = '10.0.0.1']{}", "(".repeat(99), ")".repeat(99)), true),
    ] {
        let translation = translated(&pattern, std::slice::from_ref(&table), &maps).unwrap();
        let answer = engine.run(&Statement::new(translation.sql.clone())).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", &pattern[..80]));
        let rows = translation.settle(&answer.rows).unwrap().rows;
        let matches = translation.sequences(&answer.rows).unwrap().map(|found| found.matches);
        assert_eq!(!rows.is_empty(), some, "{}", &pattern[..60]);
        assert!(matches.is_none_or(|matches| matches.is_empty() != some), "{}", &pattern[..60]);
    }
}

#[test]
fn a_value_that_nothing_equals_is_said_with_its_place_and_a_remedy() {
    let (table, maps) = ocsf();
    for (pattern, place, message) in [
        (
            "[ipv4-addr:value = '10.0.0.0/8']",
            "'10.0.0.0/8'",
            "'10.0.0.0/8' is a network, and ipv4-addr:value is compared with single addresses (write ipv4-addr:value ISSUBSET '10.0.0.0/8' for the addresses in it)",
        ),
        (
            "[ipv4-addr:value IN ('198.51.100.7', '10.0.0')]",
            "'10.0.0'",
            "\"10.0.0\" is not an IP address (write it as '198.51.100.7' or '2001:db8::7')",
        ),
        (
            "[network-traffic:src_ref.value != '10.0.0.0/8']",
            "'10.0.0.0/8'",
            "'10.0.0.0/8' is a network, and network-traffic:src_ref.value is compared with single addresses (write network-traffic:src_ref.value NOT ISSUBSET '10.0.0.0/8' for the addresses in it)",
        ),
        (
            "[ipv4-addr:value NOT IN ('10.0.0.0/8')]",
            "'10.0.0.0/8'",
            "'10.0.0.0/8' is a network, and ipv4-addr:value is compared with single addresses (write ipv4-addr:value NOT ISSUBSET '10.0.0.0/8' for the addresses in it)",
        ),
        ("[network-traffic:dst_port IN (22, 70000)]", "70000", "70000 is not a port (ports are 0 to 65535)"),
        ("[x-ocsf:severity_id = 9]", "9", "x-ocsf:severity_id is never 9 (its values are 0, 1, 2, 3, 4, 5, 6, 99)"),
        (
            "[x-ocsf:severity = 'high']",
            "'high'",
            "OCSF writes 'High', and x-ocsf:severity is compared with its case (write 'High')",
        ),
    ] {
        let found = translated(pattern, std::slice::from_ref(&table), &maps).unwrap().warnings;
        let [warning] = &found[..] else { panic!("{pattern}: {found:?}") };
        assert_eq!((&pattern[warning.span.clone().unwrap()], warning.to_string().as_str()), (place, message));
        assert!(warning.is_of_value);
    }
    let (_, message) =
        translated("[network-traffic:dst_port = 'ssh']", std::slice::from_ref(&table), &maps).unwrap_err();
    assert!(message.ends_with("the text \"ssh\" is no number (compare it with a whole number: 22)"), "{message}");
    for fine in [
        "[ipv4-addr:value = '10.8.8.10/32']",
        "[ipv6-addr:value IN ('2001:DB8::7/128', '2001:db8:0:0::8')]",
        "[ipv4-addr:value ISSUBSET '10.0.0.0/8']",
        "[network-traffic:dst_port = 65535]",
        "[x-ocsf:severity_id = 99 OR x-ocsf:severity = 'High' OR x-ocsf:activity_name = 'anything']",
    ] {
        assert_eq!(translated(fine, std::slice::from_ref(&table), &maps).unwrap().warnings, [], "{fine}");
    }
    let many = format!("[ipv4-addr:value IN ({})]", joined(1_000, ", ", |n| format!("'x{n}'")));
    let warnings = translated(&many, &[table], &maps).unwrap().warnings;
    assert_eq!(warnings.len(), 5);
    assert!(warnings[4].message.ends_with("so are 995 more values of the list"), "{}", warnings[4].message);
}
