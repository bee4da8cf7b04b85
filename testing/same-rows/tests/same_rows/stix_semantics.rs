//! The SQL of STIX patterns finds the intended rows, on both engines.

use std::collections::BTreeSet;

use same_rows::{Both, Tally, events_found, server};
use sql::table::Table;
use stix_trials::semantics;
use stix_trials::trials::{any_trials, batch, maps, options, table};
use translation::translate;

fn named(number: usize) -> Table {
    table(&format!("t{number}"))
}

#[tokio::test]
async fn patterns_find_the_rows_they_mean() {
    let (Some(server), Some(cases)) = (server().unwrap(), semantics::cases()) else { return };
    let tables = cases.iter().enumerate().map(|(number, case)| (named(number), vec![batch(&case.events)]));
    let folder = tempfile::tempdir().unwrap();
    let both = Both::of_tables(server, tables.collect(), folder.path()).unwrap();
    let (mut tally, mut wrong, mut empty) = (Tally::default(), Vec::new(), 0);
    for (number, case) in cases.iter().enumerate() {
        let table = Table { database: both.database.clone(), ..named(number) };
        let translation = match translate(&case.pattern, &[table], &maps(), &options(&case.events)) {
            Ok(translation) => translation,
            // An empty time range: nothing can match.
            Err(diagnostics) => {
                let is_empty = diagnostics.to_string().contains("its time is empty");
                assert!(is_empty && case.rows.is_empty(), "{}: {diagnostics}", case.name);
                empty += 1;
                continue;
            }
        };
        let answers = both.run_text(translation.sql.as_str()).await;
        tally.count(&case.name, answers.verdict(false));
        for (engine, answer) in [("Trino", &answers.trino), ("embedded", &answers.embedded)] {
            let found = events_found(&translation, answer)
                .map(|events| events.iter().map(|event| event["id"].as_i64().unwrap()).collect::<BTreeSet<_>>());
            match found {
                Ok(found) if found == case.rows => {}
                other => wrong.push(format!("{engine}: {}: {other:?}, meant {:?}", case.name, case.rows)),
            }
        }
    }
    println!("{} patterns, {empty} without time: {tally}wrong: {wrong:#?}", cases.len());
    assert!(wrong.is_empty() && tally.differences.is_empty(), "{} wrong\n{tally}", wrong.len());
}

/// The same patterns as in tests elsewhere, which compare the embedded engine with the matcher and with a list of all
/// bindings.
#[tokio::test]
async fn random_patterns_find_the_same_rows() {
    const PATTERNS: usize = 400;
    const SETS: usize = 16;
    let Some(server) = server().unwrap() else { return };
    let trials: Vec<_> =
        any_trials(1, 1).take(PATTERNS / 4).chain(any_trials(1, SETS).take(3 * PATTERNS / 4)).collect();
    let tables = trials.iter().enumerate().map(|(number, (_, sets))| (named(number), vec![batch(&sets.concat())]));
    let folder = tempfile::tempdir().unwrap();
    let both = Both::of_tables(server, tables.collect(), folder.path()).unwrap();
    let (mut tally, mut impossible, mut with_rows) = (Tally::default(), 0, 0);
    for (number, (pattern, sets)) in trials.iter().enumerate() {
        let table = Table { database: both.database.clone(), ..named(number) };
        let Ok(translation) = translate(pattern, &[table], &maps(), &options(&sets.concat())) else {
            impossible += 1;
            continue;
        };
        let answers = both.run_text(translation.sql.as_str()).await;
        with_rows += usize::from(answers.trino.as_ref().is_ok_and(|answer| !answer.rows.is_empty()));
        tally.count(&pattern.to_string(), answers.verdict(false));
    }
    println!("{PATTERNS} random patterns, {impossible} impossible, {with_rows} with rows: {tally}");
    assert!(
        tally.differences.is_empty() && tally.refused.is_empty() && with_rows > PATTERNS / 2,
        "{with_rows}\n{tally}"
    );
}
