//! How one raw event is mapped, attribute by attribute.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bumpalo::Bump;
use jiff::Timestamp;
use mapping::{Mapped, Mapping, Problem, ProblemKind, Written};
use ocsf::schema::{EventClass, ScalarType, Schema};
use ocsf::validate::validate_event;
use ocsf::{TableBuilder, rows_to_json};
use serde::Serialize;
use serde_json::Value;
use sources::Document;

use crate::exit::Failure;

/// A mapped event, and where each of its values came from.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    /// The entry of `ocsf_mapping` that took it.
    pub(crate) event: String,
    /// Its class.
    pub(crate) class: &'static str,
    /// The class's number.
    pub(crate) class_uid: u32,
    /// The custom source that its record goes to.
    pub(crate) destination: String,
    /// When it happened.
    pub(crate) time: String,
    /// Every value of the OCSF event, in the order of its attributes.
    pub(crate) attributes: Vec<Attribute>,
    /// Raw fields without a place in OCSF.
    pub(crate) unmapped: Vec<(String, String)>,
    /// Values that could not be written as the mapping wants; they are in `unmapped`.
    pub(crate) problems: Vec<Trouble>,
    /// Where the event is not as OCSF demands or advises.
    pub(crate) violations: Vec<String>,
    /// Raw fields that made a value, or decided something: the time, the account, a condition.
    pub(crate) fields_mapped: u64,
    /// Raw fields that did not.
    #[serde(skip)]
    pub(crate) fields_unmapped: u64,
    /// The OCSF event.
    pub(crate) ocsf: Value,
}

/// A value of the OCSF event.
#[derive(Debug, Serialize)]
pub(crate) struct Attribute {
    /// Dotted path, with the number of the element after an array.
    pub(crate) attribute: String,
    /// The value.
    pub(crate) value: Value,
    /// How it got there.
    #[serde(flatten)]
    pub(crate) origin: Origin,
    /// The value in words, where its number says little to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meaning: Option<String>,
}

/// How a value came to be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "origin")]
pub(crate) enum Origin {
    /// Made from fields of the raw event.
    Raw {
        /// Their flattened paths.
        from: Vec<String>,
        /// What the mapping made of them, where the attribute's type changed it.
        #[serde(skip_serializing_if = "Option::is_none")]
        coerced_from: Option<String>,
    },
    /// Written in the mapping config.
    Constant,
    /// Follows from OCSF.
    Derived,
}

/// A value that could not be written.
#[derive(Debug, Serialize)]
pub(crate) struct Trouble {
    /// The attribute that was meant.
    pub(crate) attribute: String,
    /// The value.
    pub(crate) value: String,
    /// Why not.
    pub(crate) why: String,
}

impl Explanation {
    fn new(mapping: &Mapping, mapped: &Mapped<'_>) -> Result<Self, Failure> {
        let table = &mapping.tables()[mapped.table];
        let (schema, class) = (mapping.schema(), table.class());
        let mut builder = TableBuilder::new(table.shape.clone());
        builder.append(&mapped.record);
        let ocsf = rows_to_json(schema, &builder.finish()?)?.pop().unwrap_or_default();
        let mut attributes = Attributes { schema, class, origins: Origins::new(&mapped.written), found: Vec::new() };
        attributes.collect(&ocsf, "", "");
        let read = mapped.written.iter().flat_map(|written| &written.from).map(String::as_str);
        let unmapped: BTreeSet<&str> = mapped.record.unmapped().iter().map(|(key, _)| *key).collect();
        // A field can be read and still be kept: in part, or since it only decided something, such as the time.
        let mut fields: BTreeSet<&str> = read.filter(|path| !unmapped.contains(path)).collect();
        fields.extend(mapped.looked_at.iter().map(String::as_str).filter(|path| unmapped.contains(path)));
        let fields_unmapped = unmapped.difference(&fields).count() as u64;
        Ok(Self {
            event: mapped.event.to_owned(),
            class: class.name,
            class_uid: class.uid,
            destination: table.source.clone(),
            time: instant(mapped.time),
            attributes: attributes.found,
            unmapped: mapped
                .record
                .unmapped()
                .iter()
                .map(|(key, text)| ((*key).to_owned(), (*text).to_owned()))
                .collect(),
            problems: mapped.problems.iter().map(|problem| Trouble::new(schema, class, problem)).collect(),
            violations: validate_event(schema, &ocsf).iter().map(ToString::to_string).collect(),
            fields_mapped: fields.len() as u64,
            fields_unmapped,
            ocsf,
        })
    }
}

/// The explanation of a raw event, or why it is refused.
pub(crate) fn explain(
    mapping: &Mapping,
    document: &Document<'_>,
    bump: &Bump,
) -> Result<Result<Explanation, mapping::Refusal>, Failure> {
    match mapping.explain(document, bump) {
        Ok(mapped) => Explanation::new(mapping, &mapped).map(Ok),
        Err(refusal) => Ok(Err(refusal)),
    }
}

impl Trouble {
    fn new(schema: &'static Schema, class: &'static EventClass, problem: &Problem) -> Self {
        let scalar = schema.attribute_at(class, &problem.attribute).and_then(|attribute| attribute.scalar());
        let why = match (problem.kind, scalar) {
            (ProblemKind::Type, Some(scalar)) => format!("is not of type {}", scalar.name()),
            (ProblemKind::Type, None) => "has the wrong type".to_owned(),
            (ProblemKind::Incomplete, _) => {
                let breach = problem.breach.as_ref().map(|breach| format!(": {breach}"));
                format!("is left out{}", breach.unwrap_or_default())
            }
            _ => "has no place in OCSF".to_owned(),
        };
        Self { attribute: problem.attribute.clone(), value: problem.value.clone(), why }
    }
}

/// The values written to each attribute, in order.
struct Origins<'w>(HashMap<&'w str, VecDeque<&'w Written>>);

impl<'w> Origins<'w> {
    fn new(written: &'w [Written]) -> Self {
        let mut by_path: HashMap<&str, VecDeque<&Written>> = HashMap::new();
        for written in written {
            by_path.entry(&written.attribute).or_default().push_back(written);
        }
        Self(by_path)
    }

    /// Whether something was written to the attribute itself, and not below it.
    fn has(&self, path: &str) -> bool {
        self.0.get(path).is_some_and(|written| !written.is_empty())
    }

    /// What made this value. Elements of arrays share a path; the one with the same text is meant, else the next one.
    fn take(&mut self, path: &str, text: &str) -> Option<&'w Written> {
        let written = self.0.get_mut(path)?;
        let same = written.iter().position(|written| written.value == text).unwrap_or(0);
        written.remove(same)
    }
}

struct Attributes<'w> {
    schema: &'static Schema,
    class: &'static EventClass,
    origins: Origins<'w>,
    found: Vec<Attribute>,
}

impl Attributes<'_> {
    /// Collects the values below `value`; `shown` is its path for people, `path` the one without numbers of elements.
    fn collect(&mut self, value: &Value, shown: &str, path: &str) {
        match value {
            // A json_t that holds an object is one value.
            Value::Object(members) if !self.origins.has(path) => {
                let members = members.iter().filter(|(name, _)| !(path.is_empty() && *name == "unmapped"));
                for (name, value) in members {
                    self.collect(value, &join(shown, name), &join(path, name));
                }
            }
            Value::Array(_) if path == "observables" => {
                let names = value.as_array().into_iter().flatten();
                let names: Vec<&str> = names.filter_map(|item| item["name"].as_str()).collect();
                let meaning = Some(names.join(", "));
                let value = Value::from(names.len());
                self.found.push(Attribute { attribute: path.to_owned(), value, origin: Origin::Derived, meaning });
            }
            Value::Array(items) if items.iter().any(Value::is_object) && !self.origins.has(path) => {
                for (at, item) in items.iter().enumerate() {
                    self.collect(item, &format!("{shown}[{at}]"), path);
                }
            }
            _ => self.add(value, shown, path),
        }
    }

    fn add(&mut self, value: &Value, shown: &str, path: &str) {
        let text = plain(value);
        let origin = match self.origins.take(path, &text) {
            None => Origin::Derived,
            Some(written) if written.from.is_empty() => Origin::Constant,
            Some(written) => {
                let mut from: Vec<String> = Vec::new();
                for path in &written.from {
                    if !from.contains(path) {
                        from.push(path.clone());
                    }
                }
                let coerced_from = Some(written.value.clone()).filter(|raw| *raw != text);
                Origin::Raw { from, coerced_from }
            }
        };
        let scalar = self.schema.attribute_at(self.class, path).and_then(|attribute| attribute.scalar());
        let meaning = value.as_i64().filter(|_| scalar == Some(ScalarType::Timestamp)).map(instant);
        self.found.push(Attribute { attribute: shown.to_owned(), value: value.clone(), origin, meaning });
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A value as people write it: texts without quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn instant(milliseconds: i64) -> String {
    match Timestamp::from_millisecond(milliseconds) {
        Ok(instant) => format!("{instant:.3}"),
        Err(_) => format!("{milliseconds} ms"),
    }
}
