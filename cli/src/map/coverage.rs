//! How much of a log a mapping covers.

use std::collections::BTreeMap;
use std::fmt;

use mapping::Refusal;
use ocsf::Breach;
use serde::Serialize;

use super::explanation::Explanation;
use crate::output::{Align, Output, Table, count, counted, cut, harmless, percent};

/// Distinct names that are counted; a hostile log could make up any number of them.
const NAMES: usize = 10_000;

/// Sums over the events looked at.
#[derive(Debug, Default, Serialize)]
pub(super) struct Coverage {
    /// Events looked at.
    events: u64,
    /// Of these, events that the mapping takes, by its key.
    mapped: BTreeMap<String, PerEvent>,
    /// The others, by reason.
    refused: BTreeMap<String, u64>,
    /// Discarded records, by the name of the step.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    discarded: BTreeMap<String, u64>,
    /// Raw fields that made a value of an event, or decided something: its time, its account, a condition.
    fields_mapped: u64,
    /// Raw fields that are in `unmapped` and did nothing else.
    fields_unmapped: u64,
    /// Values that could not be written.
    problems: u64,
    /// Required attributes whose lack made an event be refused.
    required_missing: BTreeMap<String, u64>,
    /// Events that OCSF objects to.
    violations: BTreeMap<String, Example>,
    /// Fields in `unmapped`.
    unmapped: BTreeMap<String, Example>,
    /// Attributes with values that could not be written.
    troubles: BTreeMap<String, Example>,
    /// What refused events lack.
    refusals: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Serialize)]
struct PerEvent {
    class: &'static str,
    destination: String,
    events: u64,
    fields_mapped: u64,
    fields_unmapped: u64,
    problems: u64,
}

#[derive(Debug, Serialize)]
struct Example {
    events: u64,
    example: String,
}

impl Coverage {
    /// Events looked at.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    pub(super) fn add_mapped(&mut self, explanation: &Explanation) {
        self.events += 1;
        let (mapped, unmapped) = (explanation.fields_mapped, explanation.fields_unmapped);
        let problems = explanation.problems.len() as u64;
        self.fields_mapped += mapped;
        self.fields_unmapped += unmapped;
        self.problems += problems;
        let event = self.mapped.entry(explanation.event.clone()).or_default();
        event.class = explanation.class;
        event.destination.clone_from(&explanation.destination);
        event.events += 1;
        event.fields_mapped += mapped;
        event.fields_unmapped += unmapped;
        event.problems += problems;
        for (field, value) in &explanation.unmapped {
            note(&mut self.unmapped, field, value);
        }
        for trouble in &explanation.problems {
            let example = format!("`{}` {}", trouble.value, trouble.why);
            note(&mut self.troubles, &trouble.attribute, &example);
        }
        for violation in &explanation.violations {
            note(&mut self.violations, violation, &explanation.event);
        }
    }

    pub(super) fn add_refused(&mut self, reason: &str, message: &str, refusal: Option<&Refusal>) {
        self.events += 1;
        *self.refused.entry(reason.to_owned()).or_default() += 1;
        if let Some(Refusal::Invalid(Breach::Missing { path })) = refusal {
            *self.required_missing.entry(path.clone()).or_default() += 1;
        }
        let why = format!("{reason}: {message}");
        if self.refusals.len() < NAMES || self.refusals.contains_key(&why) {
            *self.refusals.entry(why).or_default() += 1;
        }
    }

    pub(super) fn add_discarded(&mut self, rule: &str) {
        self.events += 1;
        *self.discarded.entry(rule.to_owned()).or_default() += 1;
    }

    /// Everything in tables.
    pub(super) fn tables(&self, output: &Output) -> String {
        let palette = output.data;
        let width = output.width.map_or(60, |width| width.saturating_sub(60).max(20));
        let right = Align::Right;
        let mut events = Table::new([
            ("EVENT", Align::Left),
            ("CLASS", Align::Left),
            ("CUSTOM SOURCE", Align::Left),
            ("EVENTS", right),
            ("FIELDS MAPPED", right),
            ("UNMAPPED", right),
            ("PROBLEMS", right),
        ]);
        for (key, event) in &self.mapped {
            events.row([
                harmless(key).into_owned(),
                event.class.to_owned(),
                event.destination.clone(),
                count(event.events),
                percent(event.fields_mapped, event.fields_mapped + event.fields_unmapped),
                count(event.fields_unmapped),
                count(event.problems),
            ]);
        }
        let mut text = if events.is_empty() { String::new() } else { events.render("", palette) };
        let mut section = |title: &'static str, second: &'static str, entries: Vec<(&String, u64, &str)>| {
            let mut table = Table::new([(title, Align::Left), ("EVENTS", right), (second, Align::Left)]);
            let mut entries = entries;
            entries.sort_by_key(|(name, events, _)| (std::cmp::Reverse(*events), (*name).clone()));
            for (name, events, example) in entries {
                let name = cut(&harmless(name), 100).into_owned();
                table.row([name, count(events), cut(&harmless(example), width).into_owned()]);
            }
            if !table.is_empty() {
                text += &format!("\n{}", table.render("", palette));
            }
        };
        let examples = |map: &'_ BTreeMap<String, Example>| -> Vec<_> {
            map.iter().map(|(name, example)| (name.clone(), example.events, example.example.clone())).collect()
        };
        for (title, second, map) in [
            ("IN UNMAPPED", "EXAMPLE", &self.unmapped),
            ("PROBLEM", "EXAMPLE", &self.troubles),
            ("OCSF OBJECTS", "EVENT", &self.violations),
        ] {
            let entries = examples(map);
            section(title, second, entries.iter().map(|(name, n, example)| (name, *n, example.as_str())).collect());
        }
        section("DISCARDED", "", self.discarded.iter().map(|(rule, events)| (rule, *events, "")).collect());
        section("REFUSED", "", self.refusals.iter().map(|(why, events)| (why, *events, "")).collect());
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}

fn note(map: &mut BTreeMap<String, Example>, name: &str, example: &str) {
    if let Some(known) = map.get_mut(name) {
        known.events += 1;
    } else if map.len() < NAMES {
        map.insert(name.to_owned(), Example { events: 1, example: cut(example, 200).into_owned() });
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.fields_mapped + self.fields_unmapped;
        let refused: u64 = self.refused.values().sum();
        write!(
            f,
            "{} ({} refused), {}: {} mapped, {} in unmapped, {} with problems; required attributes missing: ",
            counted(self.events, "event"),
            count(refused),
            counted(fields, "field"),
            percent(self.fields_mapped, fields),
            percent(self.fields_unmapped, fields),
            percent(self.problems.min(fields), fields),
        )?;
        if self.required_missing.is_empty() {
            return f.write_str("none");
        }
        let missing =
            self.required_missing.iter().map(|(path, events)| format!("{path} ({})", counted(*events, "event")));
        f.write_str(&missing.collect::<Vec<_>>().join(", "))
    }
}
