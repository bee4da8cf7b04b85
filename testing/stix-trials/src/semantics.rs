//! The cases of the STIX semantics vectors.

use std::collections::BTreeSet;

use serde_json::Value;
use stix::pattern::Pattern;
use stix::{Version, parse};

use crate::trials::Event;

/// A pattern, events, and the ids of the matching events.
#[derive(Debug)]
pub struct Case {
    /// Its id in the vectors, and the text of the pattern.
    pub name: String,
    /// The pattern.
    pub pattern: Pattern,
    /// The events.
    pub events: Vec<Event>,
    /// The ids of the matching events.
    pub rows: BTreeSet<i64>,
}

/// All cases; none if the vectors are not there.
///
/// # Panics
/// The vectors have another form, or no cases.
pub fn cases() -> Option<Vec<Case>> {
    let vectors: Value = serde_json::from_slice(&vectors::stix_semantics()?).unwrap();
    let cases: Vec<Case> = vectors["cases"].as_array().unwrap().iter().map(case).collect();
    assert!(!cases.is_empty(), "no cases");
    Some(cases)
}

fn case(case: &Value) -> Case {
    let integers = |values: &Value| values.as_array().unwrap().iter().map(|value| value.as_i64().unwrap()).collect();
    let text = case["pattern"].as_str().unwrap();
    let pattern = parse(text, Version::V21)
        .or_else(|_| parse(text, Version::V20))
        .or_else(|_| parse(case["pattern_2_0"].as_str().unwrap_or_default(), Version::V20));
    Case {
        name: format!("{} {text}", case["id"]),
        pattern: pattern.unwrap_or_else(|error| panic!("{text}: {error:?}")),
        events: case["events"].as_array().unwrap().iter().map(event).collect(),
        rows: integers(&case["rows"]),
    }
}

fn event(event: &Value) -> Event {
    Event {
        id: event["id"].as_i64().unwrap(),
        time: event["time_ms"].as_i64().unwrap(),
        count: i32::try_from(event["number_observed"].as_i64().unwrap()).unwrap(),
        flags: ["a", "b", "c"].map(|flag| event[flag].as_i64().unwrap()),
        number: None,
        double: None,
        text: None,
        address: None,
    }
}
