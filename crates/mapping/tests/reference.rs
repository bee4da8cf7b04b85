//! `docs/mapping-reference.md` is true: its examples run, its tables are those of the program.
//!
//! An example is three fenced blocks. `json mapping <class>` holds attributes, or `json config <class>` keys of
//! `custom_source_events` (a name after the class is an attribute that is shown); they are laid over a config that maps
//! what the class requires. `json input` has one raw event in each line. `json output` has, for each of them, the
//! attributes that the example names and what is left in `unmapped`, or why it is refused. Tables stand between
//! `<!-- table: … -->` and `<!-- end -->`. `cargo xtask bless reference` rewrites outputs and tables;
//! review the difference like code.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bumpalo::Bump;
use mapping::config::{Spanned, TextFieldNames, TextFieldsSpec};
use mapping::diagnostic::{DIAGNOSTICS, SourceText};
use mapping::operators::{CONDITIONS, Form, OPERATORS, ObjectForm, operator};
use mapping::operators::{
    CONFIG, DECODE, DESTINATION, EVENT, EXTRACT, FRAGMENT, NEST, OTHER, SELECT, STEP, TEXT_FIELDS, TIMESTAMP,
};
use mapping::{Mapping, StepsBuffer, Unwrapped};
use ocsf::{TableBuilder, rows_to_json};
use serde_json::{Map, Value as Json, json};
use sources::{Decode, Document, DocumentBuffer, FieldNames, Item, LinePrefix, TextFields};

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mapping-reference.md")
}

#[test]
fn every_example_gives_what_the_page_says() {
    let text = fs::read_to_string(page()).unwrap();
    let shown = rewrite(&text);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(page(), &shown).unwrap();
        return;
    }
    for (line, (said, found)) in text.lines().zip(shown.lines()).enumerate() {
        assert!(said == found, "docs/mapping-reference.md:{}\n  page: {said}\n  run:  {found}", line + 1);
    }
    assert_eq!(text.lines().count(), shown.lines().count());
}

#[test]
fn every_operator_and_condition_has_an_example() {
    let text = fs::read_to_string(page()).unwrap();
    let used: BTreeSet<String> = blocks(&text)
        .into_iter()
        .filter(|block| block.info.starts_with("json mapping") || block.info.starts_with("json config"))
        .flat_map(|block| words(&serde_json::from_str(block.body).unwrap()))
        .collect();
    let words = OPERATORS.iter().map(|operator| operator.name).chain(CONDITIONS.iter().map(|condition| condition.name));
    let without: Vec<_> = words.filter(|word| !used.contains(*word)).collect();
    assert!(without.is_empty(), "no example has {without:?}");
    for operator in OPERATORS {
        assert!(text.contains(&format!("\n### `{}`", operator.name)), "no section on {}", operator.name);
    }
}

/// Every key of a JSON value.
fn words(json: &Json) -> Vec<String> {
    match json {
        Json::Object(members) => {
            members.iter().flat_map(|(key, value)| std::iter::once(key.clone()).chain(words(value))).collect()
        }
        Json::Array(items) => items.iter().flat_map(words).collect(),
        _ => Vec::new(),
    }
}

/// A fenced block of the page.
struct Block<'p> {
    info: &'p str,
    body: &'p str,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (info, after) = after.split_once('\n').unwrap();
        let end = after.find("```").unwrap();
        blocks.push(Block { info, body: &after[..end] });
        rest = &after[end + 3..];
    }
    blocks
}

/// The page with its outputs and tables as they are.
fn rewrite(text: &str) -> String {
    let mut shown = String::new();
    let mut example: Option<Example> = None;
    let mut outputs = Vec::new();
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
        let mut text = body.iter().map(|line| format!("{line}\n")).collect::<String>();
        if info.starts_with("json mapping") || info.starts_with("json config") {
            example = Some(Example::new(info, &text));
        } else if info == "json input" {
            let example = example.take().unwrap_or_else(|| panic!("an input without mapping: {text}"));
            outputs = body.iter().flat_map(|line| example.run(line)).collect();
        } else if info == "json output" {
            assert!(!outputs.is_empty(), "an output without input: {text}");
            text = outputs.drain(..).map(|output| layout(&output, 0) + "\n").collect();
        }
        shown.push_str(&text);
        shown.push_str("```\n");
    }
    shown
}

/// A mapping of the page, ready to be applied.
struct Example {
    mapping: Mapping,
    decode: Decode,
    shows: Vec<String>,
}

impl Example {
    fn new(info: &str, text: &str) -> Example {
        let written: Json = serde_json::from_str(text).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
        let mut words = info.split_whitespace().skip(1);
        let kind = words.next().unwrap();
        let class = words.next().unwrap_or_else(|| panic!("`{info}` names no class"));
        let mut shows: Vec<String> = words.map(str::to_owned).collect();
        let mut config = base_config(class);
        if kind == "mapping" {
            shows.extend(written.as_object().unwrap().keys().cloned());
            merge(&mut config["ocsf_mapping"]["any"]["schema_mapping"], written);
        } else {
            merge(&mut config, written);
        }
        shows.push("unmapped".to_owned());
        let text = serde_json::to_string_pretty(&json!({ "custom_source_events": config })).unwrap();
        let checked = mapping::check(&text, &|_| None);
        let said: Vec<String> =
            checked.diagnostics.iter().map(|fault| fault.render(&SourceText::new("example", &text), false)).collect();
        assert!(said.is_empty(), "{}", said.join("\n"));
        let mapping = Mapping::from_text(&text, &|_| None).unwrap();
        let text_fields = mapping.decode().text_fields.as_ref().map(text_fields);
        let line_prefix = mapping.decode().line_prefix.as_ref().and_then(|pattern| LinePrefix::new(pattern));
        Example { mapping, decode: Decode { text_fields, line_prefix, ..Decode::default() }, shows }
    }

    /// What becomes of each event that a line holds.
    fn run(&self, line: &str) -> Vec<Json> {
        let (bump, mut documents, mut memory) = (Bump::new(), DocumentBuffer::default(), StepsBuffer::default());
        let mut records = self.decode.records_of_slice(line.as_bytes());
        let Ok(Some(Item::Event(event))) = records.next_item() else { panic!("{line}") };
        let document = self.decode.document(&event, &mut documents, &bump).unwrap();
        let mut pieces = Vec::new();
        self.mapping
            .unwrap(document, &self.decode, &bump, &mut documents, &mut memory, &mut |piece, _| pieces.push(piece));
        let outcomes = pieces.into_iter().map(|piece| match piece {
            Unwrapped::Event(document) => self.map(document, &bump),
            Unwrapped::Discarded(rule) => json!({ "discarded": rule }),
            other => panic!("{other:?}"),
        });
        outcomes.collect()
    }

    fn map<'a>(&'a self, mut document: Document<'a>, bump: &'a Bump) -> Json {
        self.decode.split_message(&mut document);
        let mapped = match self.mapping.apply(&document, bump) {
            Ok(mapped) => mapped,
            Err(refusal) => return json!({ "quarantine": refusal.code(), "message": refusal.to_string() }),
        };
        let table = &self.mapping.tables()[mapped.table];
        let mut builder = TableBuilder::new(Arc::clone(&table.shape));
        builder.append(&mapped.record);
        let event = rows_to_json(self.mapping.schema(), &builder.finish().unwrap()).unwrap().remove(0);
        let shown = self.shows.iter().filter_map(|name| Some((name.clone(), event.get(name)?.clone())));
        Json::Object(shown.filter(|(_, value)| !value.is_null()).collect())
    }
}

/// The rendered message of a config with names of its own.
fn text_fields(spec: &TextFieldsSpec) -> TextFields {
    let TextFieldNames::Inline(lists) = &spec.names else { panic!("the page's examples have names of their own") };
    let names = |names: &[Spanned<String>]| names.iter().map(|name| name.value.clone()).collect();
    let lists = lists.iter().map(|(id, list)| (id.value.clone(), names(list)));
    let names = FieldNames::new(lists).unwrap();
    TextFields { at: spec.at.value.clone(), event_id: spec.event_id.value.clone(), names }
}

/// A config that maps what the class requires, with constants.
fn base_config(class: &str) -> Json {
    let mut attributes = json!({
        "metadata": { "product": { "name": "Lab", "vendor_name": "Example" } },
        "activity_id": 1,
        "severity_id": 1,
    });
    let required = match class {
        "process_activity" => json!({
            "actor": { "user": { "name": "ann" } },
            "device": { "hostname": "pc", "type_id": 0 },
            "process": { "pid": 1 },
        }),
        "file_activity" => json!({
            "actor": { "user": { "name": "ann" } },
            "device": { "hostname": "pc", "type_id": 0 },
            "file": { "name": "a.txt", "type_id": 1 },
        }),
        "network_activity" => json!({ "dst_endpoint": { "ip": "192.0.2.1" }, "src_endpoint": { "ip": "192.0.2.2" } }),
        "dns_activity" => json!({ "dst_endpoint": { "ip": "192.0.2.1" }, "src_endpoint": { "ip": "192.0.2.2" } }),
        _ => panic!("the tests have no base for {class}"),
    };
    merge(&mut attributes, required);
    json!({
        "source_name": "lab",
        "timestamp": { "field": "2025-11-12T08:00:00Z" },
        "other": { "event": "any" },
        "ocsf_mapping": { "any": { "schema": class, "schema_mapping": attributes } },
    })
}

fn merge(base: &mut Json, own: Json) {
    let is_operator = |members: &Map<String, Json>| members.keys().any(|key| key.starts_with('$') || key == "enum");
    match (base, own) {
        (Json::Object(base), Json::Object(own)) if !is_operator(&own) => {
            for (key, value) in own {
                merge(base.entry(key).or_insert(Json::Null), value);
            }
        }
        (base, own) => *base = own,
    }
}

/// JSON on one line where it fits, else on several.
fn layout(json: &Json, indent: usize) -> String {
    const WIDTH: usize = 100;
    let line = one_line(json);
    if indent + line.len() <= WIDTH {
        return line;
    }
    let pad = " ".repeat(indent + 2);
    let (open, items, close) = match json {
        Json::Object(members) => {
            let members = members.iter().map(|(key, value)| {
                let key = format!("{}: ", Json::from(key.as_str()));
                format!("{pad}{key}{}", layout(value, indent + 2))
            });
            ('{', members.collect::<Vec<_>>(), '}')
        }
        Json::Array(items) => {
            ('[', items.iter().map(|item| format!("{pad}{}", layout(item, indent + 2))).collect(), ']')
        }
        scalar => return scalar.to_string(),
    };
    format!("{open}\n{}\n{}{close}", items.join(",\n"), " ".repeat(indent))
}

fn one_line(json: &Json) -> String {
    match json {
        Json::Object(members) if !members.is_empty() => {
            let members =
                members.iter().map(|(key, value)| format!("{}: {}", Json::from(key.as_str()), one_line(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

// Tables.

fn table(name: &str) -> String {
    if name == "diagnostics" {
        let rows = DIAGNOSTICS
            .iter()
            .map(|facts| format!("| {} | {} | {} |\n", facts.number, facts.summary, facts.explanation));
        return format!("| number | diagnostic | effect and fix |\n|---|---|---|\n{}", rows.collect::<String>());
    }
    if name == "operators" {
        let rows = OPERATORS.iter().map(|operator| {
            // The page has a heading for the key `timestamp` too, so the operator's anchor is numbered.
            let anchor = match operator.name.trim_start_matches('$') {
                "timestamp" => "timestamp-1",
                name => name,
            };
            format!("| [`{}`](#{anchor}) | {} | {} |\n", operator.name, form_text(operator.argument), operator.summary)
        });
        return format!("| operator | argument | result |\n|---|---|---|\n{}", rows.collect::<String>());
    }
    if name == "conditions" {
        let rows = CONDITIONS.iter().map(|condition| {
            format!("| `{}` | {} | {} |\n", condition.name, form_text(condition.argument), condition.summary)
        });
        return format!("| condition | argument | holds if |\n|---|---|---|\n{}", rows.collect::<String>());
    }
    let form = match name {
        "custom_source_events" => &CONFIG,
        "decode" => &DECODE,
        "decode.steps" => &STEP,
        "decode.steps.nest" => &NEST,
        "decode.steps.extract" => &EXTRACT,
        "decode.text_fields" => &TEXT_FIELDS,
        "select" => &SELECT,
        "timestamp" => &TIMESTAMP,
        "destination" => &DESTINATION,
        "other" => &OTHER,
        "fragments" => &FRAGMENT,
        "ocsf_mapping" => &EVENT,
        _ => match operator(name).map(|operator| operator.argument) {
            Some(Form::Object(form)) => form,
            _ => panic!("there is no table {name}"),
        },
    };
    keys(form)
}

fn keys(form: &ObjectForm) -> String {
    let rows = form.keys.iter().map(|key| {
        let required = if key.required { "required" } else { "" };
        format!("| `{}` | {} | {required} | {} |\n", key.name, form_text(key.form), key.summary)
    });
    format!("| key | value | | meaning |\n|---|---|---|---|\n{}", rows.collect::<String>())
}

fn form_text(form: Form) -> String {
    match form {
        Form::Text | Form::Name | Form::Pattern => "text".to_owned(),
        Form::Template => "text with `{path}`".to_owned(),
        Form::Literal => "any JSON".to_owned(),
        Form::Character => "one character".to_owned(),
        Form::Integer { at_least: None } => "integer".to_owned(),
        Form::Integer { at_least: Some(bound) } => format!("integer, at least {bound}"),
        Form::Choice(values) => values.iter().map(|value| format!("`\"{value}\"`")).collect::<Vec<_>>().join(" or "),
        Form::Path => "path to one value".to_owned(),
        Form::Value => "VALUE".to_owned(),
        Form::Assignment => "VALUE or attributes".to_owned(),
        Form::Attributes => "attributes".to_owned(),
        Form::Condition => "COND".to_owned(),
        Form::TimeFormats => "time format, or several".to_owned(),
        Form::Group => "name or number".to_owned(),
        Form::Base => "`10`, `16` or `\"auto\"`".to_owned(),
        Form::TextFieldNames => "name of a shipped list, or `{id: [names]}`".to_owned(),
        Form::Object(_) => "object".to_owned(),
        Form::List(item) | Form::NonEmptyList(item) => format!("[{}, …]", form_text(*item)),
        Form::Tuple(items) => format!("[{}]", items.iter().map(|item| form_text(*item)).collect::<Vec<_>>().join(", ")),
        Form::Map(value) | Form::NonEmptyMap(value) => format!("{{key: {}}}", form_text(*value)),
        Form::Either(one, other) => format!("{} or {}", form_text(*one), form_text(*other)),
        _ => panic!("a form without words: {form:?}"),
    }
}
