//! The statements of `tests/trino/*.slt` give what stands under them.
//!
//! A file is blocks with an empty line between them:
//!
//! ```text
//! -- what is promised
//! SELECT 7 / 2, 'a'
//! ----
//! 3       a
//! ```
//!
//! Under the line of dashes stand the rows in order, values with a tab between them: `NULL` for null, `''` for an empty
//! text, `\n`, `\t` and `\\` for these characters. Or one line that says why there are none: `error: …` with a part of the
//! message, where Trino fails, too; `refused: …` with the construct, where this engine has not what Trino has.
//!
//! Except for what is refused, every expectation is Trino's answer: the statements name no tables, and `cargo xtask trino`
//! holds them against a real one. `EMBEDDED_REGENERATE=1 cargo test -p embedded --test trino` writes what the engine gives
//! into the files.

#![expect(clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::fs;
use std::path::Path;

use embedded::Embedded;
use query::{Engine, QueryError, Statement};
use sql::text::Sql;

#[path = "trino/blocks.rs"]
mod blocks;

use blocks::{blocks, lines};

async fn run(engine: &Embedded, sql: &str) -> Vec<String> {
    match engine.run(&Statement::new(Sql::of_author(sql))).await {
        Ok(answer) => lines(&answer.rows),
        Err(QueryError::Unsupported { construct, .. }) => vec![format!("refused: {construct}")],
        Err(error) => vec![format!("error: {}", error.to_string().replace('\n', " "))],
    }
}

/// Whether an answer is the one that is expected: of an error a part of its message.
fn agrees(expected: &[String], got: &[String]) -> bool {
    match (expected, got) {
        ([expected], [got]) if expected.starts_with("error:") => {
            got.starts_with("error:") && got.contains(expected["error:".len()..].trim())
        }
        (expected, got) => expected == got,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn statements_give_what_trino_gives() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trino");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    files.sort();
    assert!(!files.is_empty());
    let regenerate = std::env::var_os("EMBEDDED_REGENERATE").is_some();
    let engine = Embedded::in_memory();
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut written = String::new();
        for block in blocks(&text) {
            count += 1;
            let got = run(&engine, &block.sql).await;
            let agrees = agrees(&block.expected, &got);
            if !agrees {
                wrong.push(format!(
                    "{}: {}\n{}\nexpected\n  {}\ngot\n  {}\n",
                    file.file_name().unwrap().display(),
                    block.comment.join(" "),
                    block.sql,
                    block.expected.join("\n  "),
                    got.join("\n  ")
                ));
            }
            let rows = if agrees { &block.expected } else { &got };
            let head = block.comment.iter().chain([&block.sql]).cloned().collect::<Vec<_>>().join("\n");
            written.push_str(&format!("{head}\n----\n"));
            rows.iter().for_each(|row| written.push_str(&format!("{row}\n")));
            written.push('\n');
        }
        if regenerate {
            fs::write(&file, written.trim_end().to_owned() + "\n").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{} of {count} statements differ\n\n{}", wrong.len(), wrong.join("\n"));
}
