//! A source applied to an input as the pipeline does it, and golden files.

use std::path::Path;
use std::sync::Arc;

use bumpalo::Bump;
use mapping::{StepsBuffer, Unwrapped};
use ocsf::validate::{Severity, validate_event};
use ocsf::{TableBuilder, rows_to_json};
use pipeline::{MappedSource, shipped_mapping};
use serde_json::{Value, json};
use sources::{Document, DocumentBuffer, Item, NodeId};

pub(crate) fn shipped(name: &str) -> MappedSource {
    MappedSource::new(name, shipped_mapping(name).unwrap(), &|_| None).unwrap()
}

/// What becomes of each event: the OCSF event, or why there is none. Every event must be valid.
pub(crate) fn mapped(source: &MappedSource, input: &[u8]) -> Vec<Result<Value, String>> {
    documents(source, input).into_iter().map(|(_, fate)| fate).collect()
}

/// The raw fields of each event, and what becomes of it.
pub(crate) fn documents(source: &MappedSource, input: &[u8]) -> Vec<(Value, Result<Value, String>)> {
    let mut fates = Vec::new();
    let (mut buffer, mut memory) = (DocumentBuffer::default(), StepsBuffer::default());
    let mut records = source.decode().records_of_slice(input);
    while let Some(item) = records.next_item().unwrap() {
        let Item::Event(event) = item else { panic!("{item:?}") };
        let bump = Bump::new();
        let document = match source.decode().document(&event, &mut DocumentBuffer::default(), &bump) {
            Ok(document) => document,
            Err(error) => {
                fates.push((Value::Null, Err(error.to_string())));
                continue;
            }
        };
        let raw: Value = serde_json::from_str(&document.to_json(NodeId::ROOT)).unwrap();
        let mut take = |unwrapped: Unwrapped<'_>, _: Option<mapping::Part<'_, '_>>| {
            let fate = match unwrapped {
                Unwrapped::Event(document) => ocsf_event(source, &document),
                Unwrapped::Discarded(name) => Err(format!("discarded: {name}")),
                other => Err(format!("{other:?}")),
            };
            fates.push((raw.clone(), fate));
        };
        source.mapping().unwrap(document, source.decode(), &bump, &mut buffer, &mut memory, &mut take);
    }
    fates
}

fn ocsf_event(source: &MappedSource, document: &Document<'_>) -> Result<Value, String> {
    let (mapping, bump) = (source.mapping(), Bump::new());
    let mapped = mapping.apply(document, &bump).map_err(|refusal| refusal.to_string())?;
    let is_shipped =
        shipped_mapping(source.name()).is_some_and(|_| source.mapping().version() == version(source.name()));
    assert!(!is_shipped || mapped.problems.is_empty(), "{:?}", mapped.problems);
    let mut builder = TableBuilder::new(Arc::clone(&mapping.tables()[mapped.table].shape));
    builder.append(&mapped.record);
    let event = rows_to_json(mapping.schema(), &builder.finish().unwrap()).unwrap().remove(0);
    let faults = validate_event(mapping.schema(), &event);
    let errors: Vec<_> = faults.iter().filter(|fault| fault.severity() == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?} in {event}");
    Ok(event)
}

fn version(name: &str) -> String {
    shipped(name).mapping().version().to_owned()
}

/// Compares with `golden/<name>.json`, or rewrites it under `cargo xtask bless`; review the difference like code.
pub(crate) fn check_golden(name: &str, source: &MappedSource, log: &str) {
    let shown: Vec<Value> = documents(source, log.as_bytes())
        .into_iter()
        .map(|(raw, fate)| match fate {
            Ok(event) => json!({ "raw": raw, "event": event }),
            Err(reason) => json!({ "raw": raw, "no_event": reason }),
        })
        .collect();
    let shown = serde_json::to_string_pretty(&shown).unwrap() + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/text_logs/golden").join(format!("{name}.json"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write(file, shown).unwrap();
    }
    assert!(std::fs::read_to_string(file).unwrap_or_default() == shown, "golden/{name}.json differs");
}

/// The example of `docs/<name>.md`: what the page shows of an event is what comes out.
pub(crate) fn check_page(name: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(format!("{name}.md"));
    let page = std::fs::read_to_string(page).unwrap();
    let (_, example) = page.split_once("```text\n").unwrap();
    let (log, rest) = example.split_once("```").unwrap();
    let (_, shown) = rest.split_once("```json\n").unwrap();
    let shown: Value = serde_json::from_str(shown.split_once("```").unwrap().0).unwrap();
    let event = mapped(&shipped(name), log.as_bytes()).remove(0).unwrap();
    assert!(holds(&event, &shown), "docs/{name}.md shows {shown}, but the event is {event}");
}

/// Whether all of `part` is in `whole`.
fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| holds(whole, part)))
        }
        _ => whole == part,
    }
}
