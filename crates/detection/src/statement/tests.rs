//! Statements of SQL rules, word for word. `crates/translation` has those of patterns.

use proptest::prelude::*;

use sql::table::Layout;

use super::*;
use crate::catalog::CatalogTable;

const WINDOW: Window = Window { start: 1_714_557_600_000, end: 1_714_561_200_000 };

fn table(name: &str, layout: Layout, columns: &[(&str, &str)]) -> Table {
    let columns = columns.iter().map(|(name, column_type)| ((*name).to_owned(), column_type.parse().unwrap()));
    Table {
        database: "lake".to_owned(),
        name: name.to_owned(),
        columns: columns.collect(),
        layout,
        dialect: "ocsf".to_owned(),
    }
}

fn catalog(entries: &[(&str, Table, &[u32], bool)]) -> Catalog {
    let mut catalog = Catalog::default();
    for (name, table, classes, exists) in entries {
        catalog.add(name, CatalogTable::new(table.clone(), classes.to_vec(), *exists));
    }
    catalog
}

fn rule(sql: &str, more: &str) -> Rule {
    let indented = sql.replace('\n', "\n  ");
    let text = format!(
        "title: t\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: low\nschedule: rate(5 minutes)\n\
         lookback: 1h\ningest_delay: 10m\n{more}sql: |\n  {indented}\n"
    );
    let (rule, faults) = crate::parse::parse(&text);
    rule.unwrap_or_else(|| panic!("{faults:?}"))
}

fn built(sql: &str, more: &str, catalog: &Catalog) -> String {
    let statement = build(&rule(sql, more), catalog, WINDOW, &ParameterValues::new(), 10).unwrap().statement;
    let text = statement.sql.as_str().to_owned();
    let inner = text.strip_prefix("SELECT * FROM (").and_then(|text| text.strip_suffix("\n) AS \"hits\" LIMIT 11"));
    inner.map_or(text.clone(), str::to_owned)
}

#[test]
fn a_window_is_exact_and_names_the_partitions() {
    let columns = [("time", "bigint"), ("time_dt", "timestamp"), ("eventday", "string")];
    for (layout, expected) in [
        (
            Layout::EventDay,
            "SELECT 1 FROM \"lake\".\"t\" WHERE ((\"time\" >= 1714557600000 AND \"time\" < 1714561200000) AND \
             \"eventday\" BETWEEN '20240501' AND '20240501')",
        ),
        (
            Layout::TimeDt,
            "SELECT 1 FROM \"lake\".\"t\" WHERE ((\"time\" >= 1714557600000 AND \"time\" < 1714561200000) AND \
             \"time_dt\" >= TIMESTAMP '2024-05-01 10:00:00.000' AND \"time_dt\" < TIMESTAMP '2024-05-01 \
             11:00:00.000')",
        ),
        (Layout::Plain, "SELECT 1 FROM \"lake\".\"t\" WHERE (\"time\" >= 1714557600000 AND \"time\" < 1714561200000)"),
    ] {
        let catalog = catalog(&[("t", table("t", layout, &columns), &[], true)]);
        assert_eq!(built("SELECT 1 FROM {{t}} WHERE {{window}}", "", &catalog), expected);
    }
}

#[test]
fn the_last_day_of_a_window_that_ends_at_midnight_is_the_day_before() {
    let table = table("t", Layout::EventDay, &[("time", "bigint"), ("eventday", "string")]);
    let day = Window { start: 1_714_521_600_000, end: 1_714_608_000_000 };
    let bounds = bounds(&table, day, Some("e")).unwrap();
    assert!(bounds.as_str().contains("\"e\".\"eventday\" BETWEEN '20240501' AND '20240501'"), "{bounds}");
    let longer = super::bounds(&table, Window { end: day.end + 1, ..day }, None).unwrap();
    assert!(longer.as_str().contains("BETWEEN '20240501' AND '20240502'"), "{longer}");
}

#[test]
fn several_tables_are_one_with_null_for_what_one_lacks() {
    let one = table("s_1007", Layout::Plain, &[("time", "bigint"), ("process", "struct<name:string,pid:int>")]);
    let other = table(
        "s_1001",
        Layout::Plain,
        &[
            ("time", "bigint"),
            ("process", "struct<name:string,uid:string>"),
            ("file", "struct<name:string>"),
            ("unused", "string"),
        ],
    );
    let catalog = catalog(&[("s", one, &[1007], true), ("s", other, &[1001], true)]);
    let time = "(\"time\" >= 1714557600000 AND \"time\" < 1714561200000)";
    let row = "row(\"name\" varchar, \"pid\" integer, \"uid\" varchar)";
    let expected = format!(
        "SELECT process.name, file.name FROM (SELECT \"time\" AS \"time\", IF(\"process\" IS NULL, NULL, \
         CAST(ROW(\"process\".\"name\", \"process\".\"pid\", CAST(NULL AS varchar)) AS {row})) AS \"process\", \
         CAST(NULL AS row(\"name\" varchar)) AS \"file\" FROM \"lake\".\"s_1007\" WHERE {time} UNION ALL SELECT \
         \"time\" AS \"time\", IF(\"process\" IS NULL, NULL, CAST(ROW(\"process\".\"name\", CAST(NULL AS integer), \
         \"process\".\"uid\") AS {row})) AS \"process\", \"file\" AS \"file\" FROM \"lake\".\"s_1001\" WHERE {time}) \
         e WHERE (\"e\".\"time\" >= 1714557600000 AND \"e\".\"time\" < 1714561200000)"
    );
    assert_eq!(built("SELECT process.name, file.name FROM {{s}} e WHERE {{window:e}}", "", &catalog), expected);
}

#[test]
fn a_class_is_filtered_where_a_table_has_others_too() {
    let columns = [("time", "bigint"), ("class_uid", "int")];
    let trail = table("trail", Layout::Plain, &columns);
    let sysmon = table("sysmon", Layout::Plain, &columns);
    let catalog =
        catalog(&[("aws-cloudtrail", trail, &[6003, 3002, 3001], true), ("windows-sysmon", sysmon, &[3002], true)]);
    let sql = built("SELECT time FROM {{class:authentication}} WHERE {{window}}", "", &catalog);
    assert_eq!(sql.matches("\"class_uid\" = 3002").count(), 1, "{sql}");
    assert_eq!(sql.matches("UNION ALL").count(), 1, "{sql}");
    let whole = built("SELECT time FROM {{aws-cloudtrail}} WHERE {{window}}", "", &catalog);
    assert!(!whole.contains("class_uid"), "{whole}");
    let unknown = build(
        &rule("SELECT 1 FROM {{class:dns_activity}} WHERE {{window}}", ""),
        &catalog,
        WINDOW,
        &ParameterValues::new(),
        1,
    );
    assert!(matches!(unknown, Err(StatementError::UnknownTable(_))), "{unknown:?}");
}

#[test]
fn a_table_that_is_not_there_yet_has_no_rows() {
    let absent = table("t", Layout::Plain, &[("time", "bigint"), ("message", "string")]);
    let catalog = catalog(&[("t", absent, &[], false)]);
    assert_eq!(
        built("SELECT message FROM {{t}} WHERE {{window}}", "", &catalog),
        "SELECT message FROM (SELECT CAST(NULL AS bigint) AS \"time\", CAST(NULL AS varchar) AS \"message\" WHERE \
         FALSE) WHERE (\"time\" >= 1714557600000 AND \"time\" < 1714561200000)"
    );
}

#[test]
fn a_star_means_all_columns_wherever_it_stands() {
    let reads_all = |sql: &str| matches!(Wanted::of_text(sql), Wanted::All);
    for all in [
        "SELECT * FROM t",
        "SELECT -- everything\n * FROM t",
        "SELECT /* x */ * FROM t",
        "SELECT ALL * FROM t",
        "SELECT DISTINCT /* x */ * FROM t",
        "SELECT a, e . * FROM t e",
    ] {
        assert!(reads_all(all), "{all}");
    }
    for some in
        ["SELECT count(*), count( * ) FROM t", "SELECT a * b, (a) * 2 FROM t -- SELECT *", "SELECT 'x, *' FROM t"]
    {
        assert!(!reads_all(some), "{some}");
    }
}

#[test]
fn groups_are_counted_outside_of_the_rule() {
    let catalog = catalog(&[("t", table("t", Layout::Plain, &[("time", "bigint")]), &[], true)]);
    let more = "group_by: [ip]\nthreshold: {count: 5, distinct: port}\n";
    let sql = built("SELECT ip, port, time FROM {{t}} WHERE {{window}}", more, &catalog);
    assert!(
        sql.starts_with(
            "SELECT \"ip\", count(*) AS \"event_count\", count(DISTINCT \"port\") AS \"distinct_count\", min(\"time\") \
             AS \"start_time\", max(\"time\") AS \"end_time\" FROM (SELECT ip, port, time FROM"
        ),
        "{sql}"
    );
    assert!(sql.ends_with("GROUP BY \"ip\" HAVING count(DISTINCT \"port\") >= 5 LIMIT 11"), "{sql}");
}

#[test]
fn parameters_are_values_and_an_empty_list_excludes_nothing() {
    let catalog = catalog(&[("t", table("t", Layout::Plain, &[("time", "bigint")]), &[], true)]);
    let more = "parameters:\n  names: {type: text_list, default: []}\n  limit: {type: integer, default: 5}\n";
    let rule = rule("SELECT 1 FROM {{t}} WHERE {{window}} AND a NOT IN {{param:names}} AND b > {{param:limit}}", more);
    let with = |json: serde_json::Value| {
        let set = json.as_object().unwrap().clone().into_iter().collect();
        build(&rule, &catalog, WINDOW, &set, 10).map(|prepared| prepared.statement.sql.as_str().to_owned())
    };
    let text = with(serde_json::json!({})).unwrap();
    assert!(text.contains("a NOT IN (SELECT CAST(NULL AS varchar) WHERE FALSE) AND b > 5"), "{text}");
    let text = with(serde_json::json!({"names": ["it's", "b"], "limit": 7})).unwrap();
    assert!(text.contains("a NOT IN ('it''s', 'b') AND b > 7"), "{text}");
    assert_eq!(with(serde_json::json!({"nmaes": []})), Err(StatementError::UnknownParameter("nmaes".to_owned())));
    assert!(matches!(with(serde_json::json!({"limit": "7"})), Err(StatementError::WrongParameter { .. })));
}

#[test]
fn a_token_depends_on_rule_version_window_and_attempt_and_on_nothing_else() {
    let rule = rule("SELECT 1 FROM {{t}} WHERE {{window}}", "");
    let sql = Sql::code("SELECT 1");
    let token = |rule: &Rule, window, attempt| super::token([rule], window, attempt, &sql);
    let base = token(&rule, WINDOW, 0);
    // Athena takes 32 to 128 characters.
    assert_eq!(base.len(), 64);
    assert_eq!(base, token(&rule, WINDOW, 0));
    let changed = Rule { text: format!("{}#", rule.text), ..rule.clone() };
    for other in [
        token(&changed, WINDOW, 0),
        token(&rule, Window { end: WINDOW.end + 1, ..WINDOW }, 0),
        token(&rule, WINDOW, 1),
        super::token([&rule], WINDOW, 0, &Sql::code("SELECT 2")),
        super::token([&rule, &rule], WINDOW, 0, &sql),
    ] {
        assert_ne!(base, other);
    }
}

proptest! {
    /// No value of a parameter can become SQL: the text between the quotes is always the value.
    #[test]
    fn a_hostile_value_stays_a_value(value in "[ -~'\"\\\\{}%;\n\u{e4}\u{2028}-]{0,40}") {
        let catalog = catalog(&[("t", table("t", Layout::Plain, &[("time", "bigint")]), &[], true)]);
        let rule = rule(
            "SELECT 1 FROM {{t}} WHERE {{window}} AND a = {{param:v}}",
            "parameters:\n  v: {type: text, default: x}\n",
        );
        let set = [("v".to_owned(), serde_json::Value::from(value.clone()))].into();
        let text = build(&rule, &catalog, WINDOW, &set, 10).unwrap().statement.sql.as_str().to_owned();
        let literal = text.split_once("AND a = '").unwrap().1.strip_suffix("'\n) AS \"hits\" LIMIT 11").unwrap();
        prop_assert!(!literal.replace("''", "").contains('\''));
        prop_assert_eq!(literal.replace("''", "'"), value);
    }
}
