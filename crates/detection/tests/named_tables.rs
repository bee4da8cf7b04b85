//! The translation of a pattern for a table known by name runs on a table with exactly those columns, names its partitions,
//! and conforms to Trino's grammar.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use embedded::Embedded;
use query::{Engine as _, Statement};
use sql::dialect::{Dialect, TimeSpan};
use sql::table::Table;
use sql::text::Sql;
use translation::{DialectMaps, Options, named_tables, translate};

/// One pattern for each common kind of object, so that every table answers several.
const PATTERNS: [&str; 10] = [
    "[ipv4-addr:value = '198.51.100.7']",
    "[ipv4-addr:value ISSUBSET '198.51.100.0/24' AND network-traffic:dst_port = 22]",
    "[domain-name:value LIKE '%.example.com']",
    "[user-account:user_id = 'AIDAEXAMPLE' OR user-account:account_login = 'alice']",
    "[process:command_line LIKE '%-enc%']",
    "[file:hashes.'SHA-256' = 'aec070645fe53ee3b3763059376134f058cc337247c978add178b6ccdfb0019f']",
    "[x-oca-event:action = 'ConsoleLogin'] REPEATS 3 TIMES WITHIN 60 SECONDS",
    "[x-aws-details:account_id = '123456789012']",
    "[url:value = 'https://example.com/']",
    "[x-ibm-finding:finding_type = 'accept' OR x-ibm-finding:name LIKE '%crypto%']",
];

/// All tables known by name: of the shipped mappings, of Security Lake, of AWS's documentation.
fn tables() -> Vec<Table> {
    let mut tables: Vec<Table> = named_tables("us-east-1").unwrap().into_iter().map(|named| named.table).collect();
    for source in detection::shipped_sources().unwrap() {
        for (name, _, columns) in source.tables {
            let table = Table::ocsf("sluice", name, columns);
            if !tables.iter().any(|other| other.name == table.name) {
                tables.push(table);
            }
        }
    }
    tables
}

#[tokio::test]
async fn statements_for_every_named_table_run_on_a_table_with_just_its_columns() {
    let maps = DialectMaps::embedded().unwrap();
    let hour = TimeSpan::of_milliseconds(1_714_557_600_000, 1_714_561_200_000);
    let options = Options { since: Some(hour.start), until: Some(hour.stop), ..Options::default() };
    let mut answered = 0;
    for table in tables() {
        let engine = Embedded::in_memory().with_table(table.clone(), Vec::new()).unwrap();
        let dialect = Dialect::named(&table.dialect).unwrap();
        let qualified = |name: &str| Sql::of_author(format!("e.{}", Sql::name(name)));
        let partitions = dialect.partitions(&table, hour, 0, &qualified);
        assert_eq!(partitions.is_none(), table.name == "gd_logs", "{}", table.name);
        let mut of_table = 0;
        for text in PATTERNS {
            let pattern = stix::parse(text, stix::Version::default()).unwrap();
            let Ok(translation) = translate(&pattern, std::slice::from_ref(&table), &maps, &options) else { continue };
            of_table += 1;
            sql::testing::keep(&translation.sql).unwrap();
            if let Some(partitions) = &partitions {
                assert!(translation.sql.as_str().contains(partitions.as_str()), "{text}\n{}", translation.sql);
            }
            if let Err(error) = engine.run(&Statement::new(translation.sql.clone())).await {
                panic!("{error}\n{text}\n{}", translation.sql);
            }
        }
        assert!(of_table >= 1, "{} answers {of_table} patterns", table.name);
        answered += of_table;
    }
    assert!(answered >= 100, "{answered}");
}
