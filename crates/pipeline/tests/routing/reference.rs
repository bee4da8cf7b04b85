//! `docs/sources-reference.md` is true: its examples run, its tables are those of the program.
//!
//! An example is a block `json sources` and a block `text routes`, in which each line has an input, `=>`, and what becomes of
//! it. Tables stand between `<!-- table: … -->` and `<!-- end -->`.

use std::fs;
use std::iter::once;

use pipeline::diagnostic::DIAGNOSTICS;
use pipeline::{Sources, sources_json_schema};
use serde_json::Value;

use crate::{objects, sources, streams, workspace};

#[test]
fn every_example_and_table_is_as_the_program_has_it() {
    let page = workspace().join("docs/sources-reference.md");
    let text = fs::read_to_string(&page).unwrap();
    let shown = rewrite(&text);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&page, &shown).unwrap();
        return;
    }
    for (line, (said, found)) in text.lines().zip(shown.lines()).enumerate() {
        assert!(said == found, "docs/sources-reference.md:{}\n  page: {said}\n  run:  {found}", line + 1);
    }
    assert_eq!(text.lines().count(), shown.lines().count());
}

/// The page with its routes and tables as they are.
fn rewrite(text: &str) -> String {
    let mut shown = String::new();
    let mut example: Option<Sources> = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        shown.push_str(line);
        shown.push('\n');
        if let Some(name) = line.strip_prefix("<!-- table: ").and_then(|rest| rest.strip_suffix(" -->")) {
            let end = lines.find(|line| *line == "<!-- end -->").unwrap();
            shown.push_str(&format!("{}{end}\n", table(name)));
            continue;
        }
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let mut text: String = body.iter().map(|line| format!("{line}\n")).collect();
        if info == "json sources" {
            example = Some(sources(&text));
        } else if info == "text routes" {
            let sources = example.take().unwrap_or_else(|| panic!("routes without a sources file: {text}"));
            text = body.iter().map(|line| routed(&sources, line)).collect();
        }
        shown.push_str(&text);
        shown.push_str("```\n");
    }
    shown
}

/// A line of routes with what becomes of its input.
fn routed(sources: &Sources, line: &str) -> String {
    let (input, _) = line.rsplit_once(" => ").unwrap_or_else(|| panic!("no route: {line}"));
    let found = match input.strip_prefix("s3://") {
        Some(place) => {
            let (bucket, key) = place.split_once('/').unwrap();
            objects::route(sources, bucket, key)
        }
        None => {
            let (stream, event) = input.split_once(' ').unwrap();
            streams::route(sources, stream, event)
        }
    };
    format!("{input} => {found}\n")
}

fn table(name: &str) -> String {
    if name == "diagnostics" {
        let head = "| number | what is wrong | what it means |\n|---|---|---|\n".to_owned();
        let rows = DIAGNOSTICS.iter();
        return once(head)
            .chain(rows.map(|facts| format!("| {} | {} | {} |\n", facts.number, facts.summary, facts.explanation)))
            .collect();
    }
    let path: &[&str] = match name {
        "file" => &[],
        "sources" => &["sources"],
        "input_paths" => &["sources", "input_paths"],
        "s3" | "kinesis" => &["sources", "input_paths", name],
        "source_buckets" => &["sources", "input_paths", "s3", "source_buckets"],
        other => panic!("no table {other}"),
    };
    let mut schema = &sources_json_schema();
    for key in path {
        schema = &schema["properties"][*key];
        // The form of an optional key is one of two, the items of a list are below it.
        for below in ["/anyOf/0", "/items"] {
            schema = schema.pointer(below).unwrap_or(schema);
        }
    }
    let required: Vec<&str> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let head = "| key | required | meaning |\n|---|---|---|\n".to_owned();
    let rows = schema["properties"].as_object().unwrap().iter().map(|(key, schema)| {
        let is_required = if required.contains(&key.as_str()) { "yes" } else { "" };
        format!("| `{key}` | {is_required} | {} |\n", schema["description"].as_str().unwrap())
    });
    once(head).chain(rows).collect()
}
