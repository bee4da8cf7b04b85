//! The pages of `docs/inputs/` are true: every example is read, mapped and shown as the page says.
//!
//! An example is a comment `<!-- example: <mapping> <attribute>… -->`, a fenced block with the raw input, and a fenced
//! block `json` with the attributes of every row that comes of it (or the reason of a refusal, or the rule of a discard).
//! `cargo xtask bless documented_inputs` rewrites the second block; review the difference
//! like code.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use bumpalo::Bump;
use mapping::Unwrapped;
use ocsf::{TableBuilder, rows_to_json};
use pipeline::{MappedSource, ReadBuffer, shipped_mapping};
use serde_json::{Map, Value, json};
use sources::Item;

fn pages() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/inputs");
    let mut pages: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    pages
}

#[test]
fn every_example_gives_what_its_page_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut faults = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        let (shown, examples) = rewrite(&text);
        if examples == 0 && name != "README.md" {
            faults.push(format!("{name} has no example"));
        }
        if shown == text {
            continue;
        }
        match update {
            true => fs::write(&page, shown).unwrap(),
            false => faults.push(format!("{name} says something else than\n{shown}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_index_names_every_page() {
    let index = pages().into_iter().find(|page| page.ends_with("README.md")).unwrap();
    let index = fs::read_to_string(index).unwrap();
    for page in pages() {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name == "README.md" || index.contains(&format!("({name})")), "{name} is not in the index");
    }
}

/// The page with the outputs of its examples as they are, and how many it has.
fn rewrite(text: &str) -> (String, usize) {
    let (mut shown, mut rest, mut examples) = (String::new(), text, 0);
    while let Some((before, after)) = rest.split_once("<!-- example: ") {
        let (head, after) = after.split_once(" -->\n").unwrap();
        let (gap, after) = after.split_once("```").unwrap();
        let (language, after) = after.split_once('\n').unwrap();
        let (input, after) = after.split_once("\n```\n").unwrap();
        let (between, after) = after.split_once("```json\n").unwrap();
        let (_, after) = after.split_once("```\n").unwrap();
        let output: String = run(head, input).iter().map(|row| format!("{}\n", layout(row))).collect();
        shown += &format!("{before}<!-- example: {head} -->\n{gap}```{language}\n{input}\n```\n{between}");
        shown += &format!("```json\n{output}```\n");
        rest = after;
        examples += 1;
    }
    (shown + rest, examples)
}

/// What comes of an input under a shipped mapping: the wanted attributes of each row.
fn run(head: &str, input: &str) -> Vec<Value> {
    let mut words = head.split(' ');
    let mapping = words.next().unwrap();
    let wanted: Vec<&str> = words.collect();
    let text = shipped_mapping(mapping).unwrap_or_else(|| panic!("no mapping {mapping} is shipped"));
    let source = MappedSource::new(mapping, text, &|_| None).unwrap();
    let mut rows = Vec::new();
    let mut items = source.decode().records_of_slice(input.as_bytes());
    while let Some(item) = items.next_item().unwrap() {
        let Item::Event(event) = item else { panic!("{item:?}") };
        let (bump, mut buffer) = (Bump::new(), ReadBuffer::default());
        let document = source.decode().document(&event, &mut buffer.documents, &bump).unwrap();
        let mut pieces = Vec::new();
        source.events(document, &mut buffer, &bump, &mut |piece, _| pieces.push(piece));
        for piece in pieces {
            rows.push(match piece {
                Unwrapped::Event(document) => match source.mapping().apply(&document, &bump) {
                    Ok(mapped) => {
                        let mut table = TableBuilder::new(source.mapping().tables()[mapped.table].shape.clone());
                        table.append(&mapped.record);
                        let batch = table.finish().unwrap();
                        let row = rows_to_json(source.mapping().schema(), &batch).unwrap().remove(0);
                        wanted.iter().map(|path| ((*path).to_owned(), at(&row, path))).collect::<Map<_, _>>().into()
                    }
                    Err(refusal) => json!({ "quarantine": refusal.code(), "message": refusal.to_string() }),
                },
                Unwrapped::Discarded(rule) => json!({ "discarded": rule }),
                other => panic!("{other:?}"),
            });
        }
    }
    rows
}

/// The value at a dotted path; keys of `unmapped` have dots of their own.
fn at(row: &Value, path: &str) -> Value {
    if let Some(key) = path.strip_prefix("unmapped.") {
        return row["unmapped"][key].clone();
    }
    path.split('.').fold(row.clone(), |value, name| value[name].clone())
}

/// A row on one line, or a line for each attribute if that is too long.
fn layout(row: &Value) -> String {
    let line = row.to_string();
    if line.len() <= 110 { line } else { serde_json::to_string_pretty(row).unwrap() }
}
