//! The form of the files: blocks of a statement and what is expected of it, as `tests/trino.rs` describes it.

use serde_json::Value;

pub(crate) struct Block {
    /// The lines before the statement.
    pub(crate) comment: Vec<String>,
    pub(crate) sql: String,
    pub(crate) expected: Vec<String>,
}

pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for part in text.split("\n\n").map(|part| part.trim_matches('\n')).filter(|part| !part.is_empty()) {
        let (before, after) = part.split_once("\n----").unwrap_or_else(|| panic!("no ---- in: {part}"));
        let comment = before.lines().take_while(|line| line.starts_with("--")).map(str::to_owned).collect::<Vec<_>>();
        let sql = before.lines().skip(comment.len()).collect::<Vec<_>>().join("\n");
        blocks.push(Block { comment, sql, expected: after.lines().skip(1).map(str::to_owned).collect() });
    }
    blocks
}

/// A value as a file has it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) if text.is_empty() => "''".to_owned(),
        Value::String(text) => text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t"),
        other => other.to_string(),
    }
}

/// The lines of these rows.
pub(crate) fn lines(rows: &[Vec<Value>]) -> Vec<String> {
    rows.iter().map(|row| row.iter().map(shown).collect::<Vec<_>>().join("\t")).collect()
}
