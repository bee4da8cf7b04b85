//! Statements of `statements/*.sql` over the lake of the generated samples, on both engines.
//!
//! Each statement ends with `;` at the end of a line; `--` starts a comment. `{database}` is the database of the run. Rows of
//! a statement with ORDER BY are compared in order.

use std::path::Path;

use same_rows::{Both, Lake, Tally, server};

#[tokio::test]
async fn statements_over_the_samples_have_the_same_rows() {
    let Some(server) = server().unwrap() else { return };
    let lake = Lake::new().unwrap();
    for (name, content) in samples::example_files() {
        let mapping = name.split('.').next().unwrap();
        lake.add(name, mapping, content.as_bytes()).unwrap();
    }
    let both = Both::over(server, lake.path()).await.unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("statements");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut tally = Tally::default();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap().replace("{database}", &both.database);
        let text: String = text.lines().filter(|line| !line.starts_with("--")).flat_map(|line| [line, "\n"]).collect();
        for statement in text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
            let ordered = statement.contains("ORDER BY");
            let answers = both.run_text(statement).await;
            if let Err(error) = &answers.trino {
                tally.differences.push(format!("{statement}: Trino does not run it: {error}"));
                continue;
            }
            tally.count(statement, answers.verdict(ordered));
        }
    }
    println!("statements over the samples: {tally}");
    assert!(tally.same > 0 && tally.differences.is_empty(), "{tally}");
}
