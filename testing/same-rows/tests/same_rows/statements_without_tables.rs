//! The test statements of the embedded engine on a real Trino. Their expected results are Trino's answers.

use std::fs;
use std::path::Path;

use query::QueryError;
use same_rows::{Both, Tally, Verdict, server};

#[path = "../../../../crates/embedded/tests/trino/blocks.rs"]
mod blocks;

#[tokio::test]
async fn what_is_expected_of_the_embedded_engine_is_what_trino_gives() {
    let Some(server) = server().unwrap() else { return };
    let both = Both::of_tables(server, Vec::new(), Path::new(".")).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/embedded/tests/trino");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    files.sort();
    let (mut tally, mut wrong, mut count) = (Tally::default(), Vec::new(), 0);
    for file in files {
        for block in blocks::blocks(&fs::read_to_string(&file).unwrap()) {
            count += 1;
            let answers = both.run_text(&block.sql).await;
            let expected = &block.expected[..];
            let fits = match (&answers.trino, expected) {
                (Err(QueryError::Unavailable(_)), _) => false,
                // Each engine has its own texts of failures.
                (Err(_), [line]) => line.starts_with("error:") || line.starts_with("refused:"),
                (Err(_), _) => false,
                (Ok(_), [line]) if line.starts_with("refused:") => true,
                (Ok(answer), expected) => blocks::lines(&answer.rows) == expected,
            };
            let comment = block.comment.join(" ");
            let name = format!("{}: {comment}\n{}", file.file_stem().unwrap().display(), block.sql);
            if !fits {
                wrong.push(format!("{name}\nexpected\n  {}\n{answers}", expected.join("\n  ")));
            }
            match answers.verdict(true) {
                Verdict::Refused(_) if expected.iter().any(|line| line.starts_with("refused:")) => {
                    tally.count(&name, answers.verdict(true));
                }
                Verdict::Refused(construct) => {
                    wrong.push(format!("{name}: refused, which is not expected: {construct}"))
                }
                verdict => tally.count(&name, verdict),
            }
        }
    }
    println!("{count} statements: {tally}");
    assert!(wrong.is_empty(), "{} expectations are not what Trino gives\n\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 200 && tally.differences.is_empty(), "{tally}");
}
