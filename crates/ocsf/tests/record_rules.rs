//! The compiled rules of a shape against the strict validator: a record that one accepts, the other accepts.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use ocsf::schema::{AttributeKind, ProfileSet, Schema, Version};
use ocsf::validate::{Severity, validate_event};
use ocsf::{Cell, CellId, NodeId, NodeKind, Record, Scope, Shape, TableBuilder, rows_to_json};
use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};

use serde_json::{Map, Value, json};

/// Every scalar path of a class down to a depth; an object is entered once on a path.
fn paths(schema: &'static Schema, class: &str, depth: usize) -> Vec<String> {
    fn walk(
        schema: &'static Schema,
        attributes: &'static [ocsf::schema::Attribute],
        prefix: &str,
        entered: &mut Vec<usize>,
        depth: usize,
        out: &mut Vec<String>,
    ) {
        for attribute in attributes {
            let path =
                if prefix.is_empty() { attribute.name.to_owned() } else { format!("{prefix}.{}", attribute.name) };
            match attribute.kind {
                _ if path.starts_with("metadata.extension") => {}
                AttributeKind::Scalar(_) => out.push(path),
                AttributeKind::Object(object) if depth > 1 && !entered.contains(&object.index()) => {
                    entered.push(object.index());
                    walk(schema, &schema.object_by_id(object).attributes, &path, entered, depth - 1, out);
                    entered.pop();
                }
                AttributeKind::Object(_) => {}
            }
        }
    }
    let mut out = Vec::new();
    walk(schema, &schema.class(class).unwrap().attributes, "", &mut Vec::new(), depth, &mut out);
    out
}

/// A shape of some of the paths, with what every class needs.
fn shape(class: &str, chosen: &[String], profiles: &[&str]) -> Arc<Shape> {
    let schema = Schema::get(Version::V1_1_0);
    let profiles: ProfileSet = profiles.iter().filter_map(|name| schema.profile_id(name)).collect();
    let class = schema.class(class).unwrap();
    let mut builder = Shape::builder(schema, class, profiles);
    for path in chosen {
        // Paths into free-form objects are none; a shape without them is as good.
        let _ = builder.add(path);
    }
    Arc::new(builder.build())
}

/// Sets about half of the scalars below a node but for the `derived`, lists of objects with one or two elements.
fn fill<'a>(
    shape: &'a Shape,
    record: &mut Record<'a>,
    scope: Scope,
    parent: NodeId,
    derived: &[&str],
    rng: &mut TestRng,
) {
    for id in shape.children(parent) {
        let node = shape.node(id);
        let is_derived = derived.contains(&shape.path(id).as_str());
        if is_derived || node.name.ends_with("_dt") || rng.random_ratio(2, 5) {
            continue;
        }
        match node.kind {
            NodeKind::Object => fill(shape, record, scope, id, derived, rng),
            NodeKind::ObjectList => {
                let start = record.open_list(shape, id, 2);
                let len = rng.random_range(1..=2);
                for index in 0..len {
                    let element = record.element(shape, id, start, index);
                    fill(shape, record, element, id, derived, rng);
                    // An element without any attribute is none; give it one.
                    let first = shape.children(id).find(|child| matches!(shape.node(*child).kind, NodeKind::Scalar(_)));
                    if let Some(first) = first {
                        record.set(element, first, scalar(shape, first, rng));
                    }
                }
                record.close_list(scope, id, start, len);
            }
            NodeKind::Scalar(_) => record.set(scope, id, scalar(shape, id, rng)),
            NodeKind::ScalarList(_) => {
                let value = scalar(shape, id, rng);
                record.set_scalars(scope, id, [value]);
            }
            NodeKind::Map => record.add_unmapped("raw.field", "kept"),
        }
    }
}

/// A value of a scalar's type; an enumeration now and then gets a number that it does not have.
fn scalar(shape: &Shape, id: NodeId, rng: &mut TestRng) -> Cell<'static> {
    let attribute = shape.node(id).attribute.unwrap();
    if shape.path(id) == "observables.name" {
        return Cell::Text(if rng.random_ratio(1, 10) { "no.attribute" } else { "metadata.product.name" });
    }
    if let Some(values) = attribute.enumeration {
        if let [_, ..] = values.integers() {
            let known = values.integers();
            let value = if rng.random_ratio(1, 60) { 4242 } else { known[rng.random_range(0..known.len())].0 };
            return Cell::Integer(value);
        }
        if let [first, ..] = values.texts() {
            return Cell::Text(first.0);
        }
    }
    use ocsf::schema::ScalarType::{Boolean, Datetime, Float, Integer, Ip, Json, Long, Port, Timestamp};
    match attribute.scalar().unwrap() {
        Boolean => Cell::Boolean(true),
        Integer | Port => Cell::Integer(443),
        Long | Timestamp | Datetime => Cell::Integer(1_700_000_000_123),
        Float => Cell::Float(0.5),
        Ip => Cell::Text("192.0.2.1"),
        Json => Cell::Text("{\"a\":1}"),
        _ => Cell::Text("text"),
    }
}

/// A record as JSON, without going through columns.
fn to_json(shape: &Shape, record: &Record<'_>, scope: Scope, parent: NodeId) -> Value {
    let mut object = Map::new();
    for id in shape.children(parent) {
        let node = shape.node(id);
        let value = match (node.kind, record.get(scope, id)) {
            (NodeKind::Map, _) if record.unmapped().is_empty() => continue,
            (NodeKind::Map, _) => {
                record.unmapped().iter().map(|(key, value)| (key.to_string(), json!(value))).collect()
            }
            (_, Cell::Null) => continue,
            (NodeKind::Object, _) => to_json(shape, record, scope, id),
            (NodeKind::ObjectList, Cell::List { start, len }) => {
                let elements =
                    (0..len).map(|index| to_json(shape, record, record.element(shape, id, start, index), id));
                elements.collect()
            }
            (_, Cell::List { start, len }) => {
                record.scalars(start, len).iter().map(|cell| one(shape, id, *cell)).collect()
            }
            (_, cell) => one(shape, id, cell),
        };
        object.insert(node.name.to_owned(), value);
    }
    Value::Object(object)
}

fn one(shape: &Shape, id: NodeId, cell: Cell<'_>) -> Value {
    use ocsf::schema::ScalarType::{Datetime, Json};
    let scalar = shape.node(id).attribute.unwrap().scalar().unwrap();
    match cell {
        Cell::Text(text) if scalar == Json => serde_json::from_str(text).unwrap(),
        Cell::Text(text) => json!(text),
        Cell::Integer(value) if scalar == Datetime => {
            json!(format!("{:.3}", jiff::Timestamp::from_millisecond(value).unwrap()))
        }
        Cell::Integer(value) if shape.path(id) == "observables.value" => json!(value.to_string()),
        Cell::Integer(value) => json!(value),
        Cell::Float(value) => json!(value),
        Cell::Boolean(value) => json!(value),
        Cell::Null | Cell::Present | Cell::List { .. } => Value::Null,
    }
}

fn errors(event: &Value) -> Vec<String> {
    let violations = validate_event(Schema::get(Version::V1_1_0), event).into_iter();
    violations.filter(|v| v.severity() == Severity::Error).map(|v| format!("{}: {}", v.path, v.message)).collect()
}

/// Classes, and attributes that make a valid event of each.
const CLASSES: [(&str, &[&str]); 6] = [
    ("process_activity", &["process.pid", "actor.process.uid", "device.hostname"]),
    ("file_activity", &["file.name", "file.type_id", "actor.user.name", "device.ip"]),
    ("network_activity", &["src_endpoint.ip", "dst_endpoint.hostname"]),
    ("dns_activity", &["src_endpoint.ip", "dst_endpoint.ip", "query.hostname"]),
    ("registry_key_activity", &["reg_key.path", "actor.process.pid", "device.uid"]),
    ("authentication", &["user.name", "dst_endpoint.ip"]),
];

/// What an event of any class needs.
const ALWAYS: [&str; 3] = ["time", "metadata.product.name", "metadata.product.vendor_name"];

/// A record of random attributes of a class: what the rules and the validator say of it, and that columns keep it.
fn judge(case: u64) -> Verdict {
    let schema = Schema::get(Version::V1_1_0);
    let (class, needed) = CLASSES[case as usize % CLASSES.len()];
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&case.to_le_bytes());
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    // Few attributes make valid records likely, many make rules meet.
    let share = 4 + (case as u32 % 20).pow(2);
    let mut chosen: Vec<String> = paths(schema, class, 3).into_iter().filter(|_| rng.random_ratio(1, share)).collect();
    let needed: Vec<&str> = needed.iter().copied().chain(ALWAYS).filter(|_| !rng.random_ratio(1, 20)).collect();
    chosen.extend(needed.iter().map(|path| (*path).to_owned()));
    let profiles: &[&str] = if rng.random_ratio(1, 2) { &["datetime"] } else { &[] };
    let shape = shape(class, &chosen, profiles);
    let mut record = Record::new(&shape, profiles.iter().filter_map(|name| schema.profile_id(name)).collect());
    let mut derived = vec!["metadata.profiles", "metadata.version", "metadata.extensions"];
    if !chosen.iter().any(|path| path.starts_with("observables.")) {
        derived.push("observables");
    }
    fill(&shape, &mut record, Scope::EVENT, NodeId::ROOT, &derived, &mut rng);
    for path in needed {
        let node = shape.find(path).unwrap();
        record.set(Scope::EVENT, node, scalar(&shape, node, &mut rng));
    }
    let as_mapped = record.clone();
    shape.complete(&mut record);
    let event = to_json(&shape, &record, Scope::EVENT, NodeId::ROOT);
    let (ours, theirs) = (shape.check(&record), errors(&event));
    assert_eq!(ours.is_ok(), theirs.is_empty(), "case {case}: {ours:?} against {theirs:?}\n{event:#}");
    if ours.is_ok() {
        let mut table = TableBuilder::new(Arc::clone(&shape));
        table.append(&record);
        table.append(&record);
        let rows = rows_to_json(schema, &table.finish().unwrap()).unwrap();
        assert_eq!(rows, [event.clone(), event], "case {case}");
        return Verdict::Valid;
    }
    leave_out(case, &shape, as_mapped)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Valid,
    /// Once some of it was left out.
    Repaired,
    Invalid,
}

/// A record that breaks the schema: what is left of it is valid, and what is not left is accounted for.
fn leave_out<'a>(case: u64, shape: &'a Shape, mut record: Record<'a>) -> Verdict {
    let (mut cells, mut lists) = (Vec::new(), Vec::new());
    collect_cells(shape, &record, Scope::EVENT, NodeId::ROOT, &mut cells, &mut lists);
    let left_out = match shape.leave_out(&mut record, cells.iter().chain(&lists).copied()) {
        Ok(left_out) => left_out,
        Err(breach) => {
            let text = breach.to_string();
            let named = text.split('`').nth(1).unwrap_or_default().split('.').next().unwrap();
            let attribute = shape.class().attribute(named);
            let is_required =
                attribute.is_some_and(|attribute| attribute.requirement == ocsf::schema::Requirement::Required);
            assert!(is_required || named == "the event", "case {case}: {text}");
            return Verdict::Invalid;
        }
    };
    let mut kept = Vec::new();
    collect_cells(shape, &record, Scope::EVENT, NodeId::ROOT, &mut kept, &mut lists);
    let taken = cells.iter().filter(|cell| left_out.omission_of(**cell).is_some()).count();
    assert_eq!(kept.len() + taken, cells.len(), "case {case}: {:?}", left_out.omissions());
    assert!(!left_out.omissions().is_empty(), "case {case}");
    shape.complete(&mut record);
    assert_eq!(shape.check(&record), Ok(()), "case {case}");
    let event = to_json(shape, &record, Scope::EVENT, NodeId::ROOT);
    assert_eq!(errors(&event), [""; 0], "case {case}: {:?}\n{event:#}", left_out.omissions());
    Verdict::Repaired
}

/// The cells of all scalars and arrays of them, and those of arrays of objects.
fn collect_cells(
    shape: &Shape,
    record: &Record<'_>,
    scope: Scope,
    parent: NodeId,
    cells: &mut Vec<CellId>,
    lists: &mut Vec<CellId>,
) {
    for id in shape.children(parent) {
        match (shape.node(id).kind, record.get(scope, id)) {
            (NodeKind::Object, _) => collect_cells(shape, record, scope, id, cells, lists),
            (_, Cell::Null) => {}
            (NodeKind::ObjectList, Cell::List { start, len }) => {
                lists.push(scope.cell_id(id));
                for index in 0..len {
                    let element = record.element(shape, id, start, index);
                    collect_cells(shape, record, element, id, cells, lists);
                }
            }
            _ => cells.push(scope.cell_id(id)),
        }
    }
}

#[test]
fn compiled_rules_and_the_validator_agree_and_what_is_left_of_a_broken_record_is_valid() {
    let mut verdicts = std::collections::BTreeMap::<Verdict, u32>::new();
    (0..1_500).for_each(|case| *verdicts.entry(judge(case)).or_default() += 1);
    println!("{verdicts:?} of 1,500 records");
    for verdict in [Verdict::Valid, Verdict::Repaired, Verdict::Invalid] {
        let count = verdicts.get(&verdict).copied().unwrap_or_default();
        assert!((100..1_400).contains(&count), "{verdict:?} {count} times: every verdict must be met often");
    }
}

/// A list of hashes as a mapping sets it: `None` is one without a value.
fn file_with_hashes<'a>(shape: &'a Shape, hashes: &[Option<&'a str>]) -> (Record<'a>, Vec<CellId>) {
    let mut record = Record::new(shape, ProfileSet::EMPTY);
    let mut cells = Vec::new();
    let mut set = |record: &mut Record<'a>, scope: Scope, path: &str, cell| {
        let node = shape.find(path).unwrap();
        record.set(scope, node, cell);
        cells.push(scope.cell_id(node));
    };
    set(&mut record, Scope::EVENT, "time", Cell::Integer(0));
    set(&mut record, Scope::EVENT, "metadata.product.name", Cell::Text("p"));
    set(&mut record, Scope::EVENT, "metadata.product.vendor_name", Cell::Text("v"));
    set(&mut record, Scope::EVENT, "actor.user.name", Cell::Text("ann"));
    set(&mut record, Scope::EVENT, "device.ip", Cell::Text("192.0.2.1"));
    set(&mut record, Scope::EVENT, "file.name", Cell::Text("a"));
    let list = shape.find("file.hashes").unwrap();
    let start = record.open_list(shape, list, hashes.len());
    for (index, hash) in hashes.iter().enumerate() {
        let element = record.element(shape, list, start, index as u32);
        set(&mut record, element, "file.hashes.algorithm", Cell::Text("MD5"));
        if let Some(value) = hash {
            set(&mut record, element, "file.hashes.value", Cell::Text(value));
        }
    }
    record.close_list(Scope::EVENT, list, start, hashes.len() as u32);
    (record, cells)
}

const FILE: [&str; 8] = [
    "time",
    "metadata.product.name",
    "metadata.product.vendor_name",
    "actor.user.name",
    "device.ip",
    "file.name",
    "file.hashes.algorithm",
    "file.hashes.value",
];

#[test]
fn only_the_elements_that_are_incomplete_are_left_out() {
    let shape = shape("file_activity", &FILE.map(str::to_owned), &[]);
    let (mut record, cells) = file_with_hashes(&shape, &[None, Some("a"), None, Some("b"), None]);
    let left_out = shape.leave_out(&mut record, cells).unwrap();
    let paths: Vec<_> =
        left_out.omissions().iter().map(|omission| (omission.path.as_str(), omission.breach.to_string())).collect();
    assert_eq!(paths, vec![("file.hashes", "required attribute `file.hashes.value` is missing".to_owned()); 3]);
    shape.complete(&mut record);
    let event = to_json(&shape, &record, Scope::EVENT, NodeId::ROOT);
    let values: Vec<_> = event["file"]["hashes"].as_array().unwrap().iter().map(|hash| &hash["value"]).collect();
    assert_eq!(values, ["a", "b"]);
    let observed = event["observables"].as_array().unwrap().iter().filter(|found| found["type_id"] == 8);
    assert_eq!(observed.map(|found| &found["value"]).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn leaving_out_takes_time_in_proportion_to_what_there_is() {
    let shape = shape("file_activity", &FILE.map(str::to_owned), &[]);
    let hashes: Vec<_> = (0..100_000).map(|index| (index % 2 == 0).then_some("a")).collect();
    let (mut record, cells) = file_with_hashes(&shape, &hashes);
    let left_out = shape.leave_out(&mut record, cells).unwrap();
    assert_eq!(left_out.omissions().len(), 50_000);
}
