//! Two validators that share nothing agree: `validate_event`, which reads our facts, and a JSON Schema made from the
//! compiled OCSF schema.
//!
//! The events are valid ones written by hand (`valid_events.json`) and random ones, both then broken at random. JSON
//! Schema cannot know everything that `validate_event` checks, so only the kinds in [`known_to_json_schema`] count.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use jsonschema::Validator;
use ocsf::schema::{Attribute, AttributeKind, Constraint, EventClass, Object, Primitive, ProfileSet, Schema, Version};
use ocsf::validate::{Severity, ViolationKind, validate_event};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

/// A class and its profiles.
type Kind = (String, Vec<String>);

/// JSON Schemas of one version, made when first asked for.
struct JsonSchemas {
    compiled: Value,
    made: RefCell<HashMap<Kind, Rc<Validator>>>,
}

impl JsonSchemas {
    fn of(version: Version) -> Option<Self> {
        let compiled = ocsf_json_schema::compiled(version.as_str())?;
        Some(Self { compiled, made: RefCell::default() })
    }

    fn validator(&self, class: &str, profiles: &[&str]) -> Rc<Validator> {
        let key = (class.to_owned(), profiles.iter().map(|&name| name.to_owned()).collect());
        let make = || {
            let schema = ocsf_json_schema::class_schema(&self.compiled, class, profiles);
            Rc::new(jsonschema::draft7::new(&schema).unwrap())
        };
        self.made.borrow_mut().entry(key).or_insert_with(make).clone()
    }

    /// What is wrong with the event, in JSON Schema's words.
    fn errors(&self, event: &Value) -> Vec<String> {
        let class = event["class_uid"].as_u64().and_then(|uid| ocsf_json_schema::class_with_uid(&self.compiled, uid));
        let profiles = event["metadata"]["profiles"].as_array();
        let mut profiles: Vec<&str> = profiles.into_iter().flatten().filter_map(Value::as_str).collect();
        profiles.retain(|&name| self.compiled["profiles"].get(name).is_some());
        profiles.sort_unstable();
        profiles.dedup();
        let validator = self.validator(class.unwrap_or("none"), &profiles);
        let event = ocsf_json_schema::without_null_members(event);
        validator.iter_errors(&event).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }
}

fn known_to_json_schema(kind: ViolationKind) -> bool {
    use ViolationKind::*;
    matches!(
        kind,
        ClassUnknown
            | AttributeUnknown
            | AttributeProfileOff
            | RequiredMissing
            | WrongType
            | IntegerOverflow
            | ExceedsRange
            | ExceedsMaxLen
            | EnumValueUnknown
            | ConstraintFailed
    )
}

/// Whether both say the same of the event; otherwise what each says.
fn agree(version: Version, schemas: &JsonSchemas, event: &Value) -> Result<bool, String> {
    let mut ours = validate_event(Schema::get(version), event);
    ours.retain(|violation| known_to_json_schema(violation.kind));
    let theirs = schemas.errors(event);
    if ours.is_empty() == theirs.is_empty() {
        Ok(ours.is_empty())
    } else {
        Err(format!("{event:#}\nvalidate_event: {ours:#?}\nJSON Schema: {theirs:#?}"))
    }
}

fn valid_events(version: Version) -> Vec<Value> {
    let Value::Array(mut events) = serde_json::from_str(include_str!("valid_events.json")).unwrap() else {
        panic!("valid_events.json is an array")
    };
    if version == Version::V1_1_0 {
        events.retain(|event| event["metadata"]["version"] == "1.1.0");
    }
    for event in &mut events {
        event["metadata"]["version"] = json!(version.as_str());
    }
    events
}

#[test]
fn both_accept_valid_events() {
    for version in Version::ALL {
        let Some(schemas) = JsonSchemas::of(version) else { return };
        for event in valid_events(version) {
            let mut ours = validate_event(Schema::get(version), &event);
            ours.retain(|violation| violation.severity() == Severity::Error);
            assert_eq!(ours, [], "{event:#}");
            assert_eq!(schemas.errors(&event), [""; 0], "{event:#}");
        }
    }
}

/// Each kind on its own: chance alone would seldom make some of them.
#[test]
fn both_refuse_each_kind_of_break() {
    use ViolationKind::*;
    let version = Version::V1_1_0;
    let Some(schemas) = JsonSchemas::of(version) else { return };
    let events = valid_events(version);
    for (class, place, value, kind) in [
        (1001, "/class_uid", json!(1), ClassUnknown),
        (1001, "/file/colour", json!("red"), AttributeUnknown),
        (1001, "/cloud", json!({"provider": "AWS"}), AttributeProfileOff),
        (1001, "/file/type_id", json!(null), RequiredMissing),
        (1001, "/file/hashes/0", json!(null), WrongType),
        (1001, "/file/type_id", json!(8), EnumValueUnknown),
        (1001, "/file/hashes/0/value", json!("é".repeat(65)), ExceedsMaxLen),
        (1001, "/actor/process/pid", json!(2147483648_i64), IntegerOverflow),
        (1001, "/actor/process/pid", json!(null), ConstraintFailed),
        (4001, "/src_endpoint/port", json!(65536), ExceedsRange),
        (4001, "/src_endpoint/port", json!(-1), ExceedsRange),
        (4001, "/traffic/bytes", json!(9223372036854775808_u64), IntegerOverflow),
        (4001, "/cloud", json!(null), RequiredMissing),
        (4002, "/http_request/http_method", json!("get"), EnumValueUnknown),
        (4003, "/answers/0/flag_ids/0", json!(42), EnumValueUnknown),
        (5004, "/device/os/version", json!(null), ConstraintFailed),
        (3003, "/privileges", json!(["p"]), ConstraintFailed),
    ] {
        let mut event = events.iter().find(|event| event["class_uid"] == class).unwrap().clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        match event.pointer_mut(parent).unwrap() {
            Value::Array(elements) => elements[name.parse::<usize>().unwrap()] = value,
            members => members[name] = value,
        }
        let mut ours = validate_event(Schema::get(version), &event);
        ours.retain(|violation| known_to_json_schema(violation.kind));
        assert_eq!(ours.iter().map(|violation| violation.kind).collect::<Vec<_>>(), [kind], "{class} {place}");
        assert_ne!(schemas.errors(&event), [""; 0], "{class} {place}");
    }
}

/// A change to an event.
#[derive(Debug, Clone)]
enum Change {
    /// Takes a member or element away.
    Remove(Index),
    /// Puts a value in the place of another.
    Replace(Index, Value),
    /// Puts an attribute into an object: of the same name as one elsewhere in the schema, or of none.
    Add(Index, Index, Value),
    /// Copies a value over another.
    Copy(Index, Index),
    /// Makes an array of a value.
    Wrap(Index),
    /// Puts the first element in the place of an array.
    Unwrap(Index),
    /// Changes the profiles.
    Profiles(Vec<Index>),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1..102_i64).prop_map(Value::from),
        prop::sample::select(vec![-65536_i64, 65535, 65536, 2147483647, 2147483648, -2147483649, i64::MAX])
            .prop_map(Value::from),
        Just(json!(u64::MAX)),
        Just(json!(0.5)),
        "[a-z]{0,5}".prop_map(Value::from),
        (30..70_usize).prop_map(|n| Value::from("é".repeat(n))),
        Just(json!("GET")),
        Just(json!({})),
        Just(json!([])),
        Just(json!({"name": "x"})),
        Just(json!({"uid": "x", "type_id": 1})),
        Just(json!([{"name": "x", "value": "y"}])),
        Just(json!([1, 2])),
        Just(json!(["a", null])),
    ];
    let index = any::<Index>;
    let change = prop_oneof![
        3 => index().prop_map(Change::Remove),
        3 => (index(), value.clone()).prop_map(|(at, value)| Change::Replace(at, value)),
        2 => (index(), index(), value).prop_map(|(at, name, value)| Change::Add(at, name, value)),
        1 => (index(), index()).prop_map(|(from, to)| Change::Copy(from, to)),
        1 => index().prop_map(Change::Wrap),
        1 => index().prop_map(Change::Unwrap),
        1 => prop::collection::vec(index(), 0..3).prop_map(Change::Profiles),
    ];
    prop::collection::vec(change, 0..3)
}

/// Every place in a value below `at`, as JSON Pointers.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    let mut add = |step: &dyn std::fmt::Display, value: &Value| {
        let place = format!("{at}/{step}");
        places(value, &place, out);
        out.push(place);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| add(name, value)),
        Value::Array(elements) => elements.iter().enumerate().for_each(|(index, value)| add(&index, value)),
        _ => {}
    }
}

fn one<'a>(index: &Index, places: &'a [String]) -> &'a str {
    &places[index.index(places.len())]
}

fn apply(schema: &Schema, event: &mut Value, change: &Change) {
    let mut all = Vec::new();
    places(event, "", &mut all);
    if all.is_empty() {
        return;
    }
    match change {
        Change::Remove(at) => {
            let (parent, step) = one(at, &all).rsplit_once('/').unwrap();
            match event.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.remove(step)),
                Value::Array(elements) => drop(elements.remove(step.parse().unwrap())),
                _ => unreachable!(),
            }
        }
        Change::Replace(at, value) => event.pointer_mut(one(at, &all)).unwrap().clone_from(value),
        Change::Add(at, name, value) => {
            all.retain(|place| event.pointer(place).is_some_and(Value::is_object));
            all.push(String::new());
            let mut names: Vec<&str> =
                schema.objects().iter().flat_map(|object| &object.attributes).map(|attribute| attribute.name).collect();
            names.extend(schema.classes().iter().flat_map(|class| &class.attributes).map(|attribute| attribute.name));
            names.push("unheard_of");
            event.pointer_mut(one(at, &all)).unwrap()[names[name.index(names.len())]] = value.clone();
        }
        Change::Copy(from, to) => {
            let copy = event.pointer(one(from, &all)).unwrap().clone();
            *event.pointer_mut(one(to, &all)).unwrap() = copy;
        }
        Change::Wrap(at) => {
            let place = event.pointer_mut(one(at, &all)).unwrap();
            *place = json!([place.take()]);
        }
        Change::Unwrap(at) => {
            all.retain(|place| event.pointer(place).unwrap().get(0).is_some());
            if !all.is_empty() {
                let place = event.pointer_mut(one(at, &all)).unwrap();
                *place = place[0].take();
            }
        }
        Change::Profiles(indexes) => {
            if let Some(metadata) = event.get_mut("metadata").filter(|metadata| metadata.is_object()) {
                metadata["profiles"] = indexes.iter().map(|index| index.get(schema.profiles()).name).collect();
            }
        }
    }
}

#[test]
fn both_judge_changed_events_alike() {
    for version in Version::ALL {
        let schema = Schema::get(version);
        let events = valid_events(version);
        let changed = (any::<Index>(), changes()).prop_map(|(event, changes)| {
            let mut event = event.get(&events).clone();
            changes.iter().for_each(|change| apply(schema, &mut event, change));
            event
        });
        both_agree(version, 600, changed);
    }
}

#[test]
fn both_judge_random_events_alike() {
    for version in Version::ALL {
        let schema = Schema::get(version);
        let random = (any::<u64>(), changes()).prop_map(|(seed, changes)| {
            let mut event = RandomEvents::event(schema, seed);
            changes.iter().for_each(|change| apply(schema, &mut event, change));
            event
        });
        both_agree(version, 120, random);
    }
}

/// Judges so many events, the same ones in every run.
fn both_agree(version: Version, cases: u32, events: impl Strategy<Value = Value>) {
    let Some(schemas) = JsonSchemas::of(version) else { return };
    let (valid, invalid) = (Cell::new(0), Cell::new(0));
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&events, |event| {
        let count = if agree(version, &schemas, &event).map_err(TestCaseError::fail)? { &valid } else { &invalid };
        count.set(count.get() + 1);
        Ok(())
    });
    result.unwrap_or_else(|difference| panic!("{version}: {difference}"));
    assert!(valid.get() > cases / 5 && invalid.get() > cases / 5, "{valid:?} of {cases} valid: one side is untested");
}

/// A small generator of numbers (SplitMix64), so that an event is one number to report.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

/// Makes random events, mostly valid: a random class, none or all or one of its profiles, what is required and some of
/// what is not.
struct RandomEvents<'s> {
    schema: &'s Schema,
    on: ProfileSet,
    dice: Dice,
}

impl<'s> RandomEvents<'s> {
    fn event(schema: &'s Schema, seed: u64) -> Value {
        let mut dice = Dice(seed);
        let class: &EventClass = dice.pick(schema.classes());
        let all: Vec<_> = class.profiles.iter().collect();
        let on: ProfileSet = match dice.roll(4) {
            0 => ProfileSet::EMPTY,
            1 => class.profiles,
            _ => std::iter::once(*dice.pick(&all)).collect(),
        };
        let mut random = Self { schema, on, dice };
        let mut event = random.members(&class.attributes, &class.constraints, 0);
        event["metadata"]["profiles"] = on.names(schema).collect();
        event
    }

    fn members(&mut self, attributes: &[Attribute], constraints: &[Constraint], depth: usize) -> Value {
        let mut members = Map::new();
        for attribute in attributes {
            if attribute.is_required(self.on) || (attribute.is_present(self.on) && self.dice.roll(4 + 8 * depth) == 0) {
                members.insert(attribute.name.to_owned(), self.value(attribute, depth));
            }
        }
        for constraint in constraints {
            let (paths, just_one) = match constraint {
                Constraint::AtLeastOne(paths) => (paths, false),
                Constraint::JustOne(paths) => (paths, true),
            };
            if just_one {
                paths.iter().for_each(|path| drop(members.remove(*path)));
            }
            if !paths.iter().any(|path| members.contains_key(*path)) {
                let path = *self.dice.pick(paths);
                if let Some(attribute) = attributes.iter().find(|attribute| attribute.name == path) {
                    members.insert(attribute.name.to_owned(), self.value(attribute, depth));
                }
            }
        }
        Value::Object(members)
    }

    fn value(&mut self, attribute: &Attribute, depth: usize) -> Value {
        if attribute.is_array {
            (0..self.dice.roll(3)).map(|_| self.single(attribute, depth)).collect()
        } else {
            self.single(attribute, depth)
        }
    }

    fn single(&mut self, attribute: &Attribute, depth: usize) -> Value {
        let scalar = match attribute.kind {
            AttributeKind::Scalar(scalar) => scalar,
            AttributeKind::Object(id) => {
                let object: &Object = self.schema.object_by_id(id);
                return self.members(&object.attributes, &object.constraints, depth + 1);
            }
        };
        if let Some(enumeration) = attribute.enumeration {
            return match enumeration.integers() {
                [] => json!(self.dice.pick(enumeration.texts()).0),
                members => json!(self.dice.pick(members).0),
            };
        }
        match scalar.primitive() {
            Primitive::Boolean => json!(self.dice.roll(2) == 0),
            Primitive::Integer | Primitive::Long => json!(self.dice.roll(65536)),
            Primitive::Float => json!(self.dice.pick(&[0.5, -1.5, 3.0])),
            Primitive::String => json!("x".repeat(self.dice.roll(20))),
            Primitive::Json => self.dice.pick(&[json!("{}"), json!({"a": [null]}), json!(1)]).clone(),
        }
    }
}
