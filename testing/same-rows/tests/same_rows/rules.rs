//! The shipped rules on both engines. Their tests also pass on Trino. Their statements return the same rows over a lake with
//! the events of all tests and the generated samples.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use detection::shipped_sources;
use detection::trial::{self, Engines};
use detection::{Catalog, Rule, SHIPPED_RULES, Window, statement};
use query::{Answer, BoxFuture, Engine, QueryError, Statement};
use same_rows::{Both, Lake, Tally, server};
use sql::table::Table;

/// Both engines as one: Trino's answers, and a count of differences.
#[derive(Debug)]
struct Compared {
    both: Both,
    name: String,
    tally: Arc<Mutex<Tally>>,
}

impl Engine for Compared {
    fn run<'a>(&'a self, statement: &'a Statement) -> BoxFuture<'a, Result<Answer, QueryError>> {
        Box::pin(async move {
            let answers = self.both.run(statement).await;
            self.tally.lock().unwrap().count(&self.name, answers.verdict(false));
            answers.trino
        })
    }

    fn tables<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Table>, QueryError>> {
        Box::pin(self.both.tables())
    }
}

struct OverBoth {
    server: SocketAddr,
    name: String,
    tally: Arc<Mutex<Tally>>,
}

impl Engines for OverBoth {
    fn open<'a>(&'a self, lake: &'a Path) -> BoxFuture<'a, Result<Box<dyn Engine>, QueryError>> {
        Box::pin(async move {
            let both = Both::over(self.server, lake).await;
            let both = both.map_err(|error| QueryError::Unavailable(error.to_string()))?;
            let (name, tally) = (self.name.clone(), Arc::clone(&self.tally));
            Ok(Box::new(Compared { both, name, tally }) as Box<dyn Engine>)
        })
    }
}

fn rules() -> Vec<(&'static str, Rule)> {
    SHIPPED_RULES.iter().map(|(name, text)| (*name, Rule::from_text(text).unwrap())).collect()
}

#[tokio::test]
async fn rules_find_on_trino_what_their_tests_say() {
    let Some(server) = server().unwrap() else { return };
    let detections = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../detections");
    let tally = Arc::new(Mutex::new(Tally::default()));
    let (mut failures, mut tests) = (Vec::new(), 0);
    for (name, rule) in rules() {
        let path = detections.join(name);
        for test in &rule.tests {
            tests += 1;
            let lake = tempfile::tempdir().unwrap();
            let engines = OverBoth { server, name: format!("{name}: {}", test.name), tally: Arc::clone(&tally) };
            let verdict = trial::run(&rule, test, path.parent().unwrap(), lake.path(), &engines).await;
            failures.extend(verdict.failure.map(|failure| format!("{}: {failure}", engines.name)));
        }
    }
    let tally = tally.lock().unwrap();
    println!("{tests} tests of rules: {tally}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(tally.same == tests && tests > 12, "{tally}");
}

#[tokio::test]
async fn rules_find_the_same_rows_in_the_samples() {
    let Some(server) = server().unwrap() else { return };
    let lake = Lake::new().unwrap();
    for (name, content) in samples::example_files() {
        lake.add(name, name.split('.').next().unwrap(), content.as_bytes()).unwrap();
    }
    let both = Both::over(server, lake.path()).await.unwrap();
    let tables = both.tables().await.unwrap();
    let catalog = Catalog::of_tables(&tables, &shipped_sources().unwrap(), &both.database);
    // All samples are of this century.
    let window = Window { start: 946_684_800_000, end: 4_102_444_800_000 };
    let (mut tally, mut found) = (Tally::default(), 0);
    for (name, rule) in rules() {
        let prepared = statement::build(&rule, &catalog, window, &Default::default(), 10_000).unwrap();
        let answers = both.run(&prepared.statement).await;
        if let Ok(answer) = &answers.trino {
            found += usize::from(!answer.rows.is_empty());
        }
        tally.count(name, answers.verdict(false));
    }
    println!("{} rules over the samples, {found} of them with rows: {tally}", rules().len());
    assert!(tally.same == rules().len() && found > 0, "{tally}");
}
