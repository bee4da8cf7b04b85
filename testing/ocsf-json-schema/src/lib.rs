//! An independent check for tests: the JSON Schema of an OCSF class. It is made only from the compiled schema in
//! `../shared/data/ocsf`, not from anything that the program uses.
//!
//! The schema is the one that OCSF's server offers for a class and its profiles, but strict. It allows no undefined members
//! at any depth, and checks constraints, and lengths and ranges of the types. Integers are no wider than Security Lake's
//! columns (`integer_t` 32 bits, `long_t` 64). JSON Schema cannot express how `type_uid` is computed, that a caption belongs
//! to the value next to it, or what the profiles of an event are.
//!
//! ```
//! let Some(compiled) = ocsf_json_schema::compiled("1.1.0") else { return };
//! let schema = ocsf_json_schema::class_schema(&compiled, "application_lifecycle", &["host"]);
//! let validator = jsonschema::draft7::new(&schema).unwrap();
//! assert!(!validator.is_valid(&serde_json::json!({"class_uid": 6002})));
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

/// The compiled schema of a version (`1.1.0`), as `ocsf-schema-compiler` prints it. `None`, with a message on standard
/// output, if `../shared/data` is not there.
pub fn compiled(version: &str) -> Option<Value> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ocsf").join(format!("ocsf-{version}.json"));
    let text = fs::read(path).ok();
    if text.is_none() {
        println!("skipped: ../shared/data is not here");
    }
    serde_json::from_slice(&text?).ok()
}

/// The key of the class with this `class_uid`: `process_activity`, `win/registry_key_activity`.
pub fn class_with_uid(compiled: &Value, uid: u64) -> Option<&str> {
    let classes = compiled["classes"].as_object()?;
    classes.iter().find(|(_, class)| class["uid"] == uid).map(|(name, _)| name.as_str())
}

/// The JSON Schema (draft 7) of events of `class` with these `profiles`. `class` is a key of the compiled schema; the schema
/// for an unknown key accepts nothing.
pub fn class_schema(compiled: &Value, class: &str, profiles: &[&str]) -> Value {
    let Some(item) = compiled["classes"].get(class) else {
        return json!(false);
    };
    let builder = Builder { compiled, profiles };
    let mut schema = builder.item(item);
    let mut definitions = Map::new();
    let mut missing: BTreeSet<&str> = builder.objects_of(item).collect();
    while let Some(name) = missing.pop_first() {
        let object = &compiled["objects"][name];
        definitions.insert(definition_name(name), builder.item(object));
        missing.extend(builder.objects_of(object).filter(|name| !definitions.contains_key(&definition_name(name))));
    }
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = item["caption"].clone();
    schema["definitions"] = Value::Object(definitions);
    schema
}

/// A copy without members that are `null`, which means absent. Elements of arrays stay.
pub fn without_null_members(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_null_members(value)))
            .collect(),
        Value::Array(elements) => elements.iter().map(without_null_members).collect(),
        scalar => scalar.clone(),
    }
}

fn definition_name(object: &str) -> String {
    object.replace('/', "_")
}

struct Builder<'a> {
    compiled: &'a Value,
    profiles: &'a [&'a str],
}

impl<'a> Builder<'a> {
    /// The attributes that a class or object has with these profiles.
    fn attributes(&self, item: &'a Value) -> impl Iterator<Item = (&'a String, &'a Value)> {
        item["attributes"].as_object().into_iter().flatten().filter(|(_, attribute)| {
            match attribute["profiles"].as_array() {
                Some(of) if !of.is_empty() => of.iter().any(|name| self.profiles.iter().any(|on| name == on)),
                _ => true,
            }
        })
    }

    fn objects_of(&self, item: &'a Value) -> impl Iterator<Item = &'a str> {
        self.attributes(item).filter_map(|(_, attribute)| attribute["object_type"].as_str())
    }

    /// The schema of a class or object.
    fn item(&self, item: &'a Value) -> Value {
        if item["attributes"].as_object().is_none_or(Map::is_empty) {
            return json!({"type": "object"});
        }
        let mut properties = Map::new();
        let mut required = Vec::new();
        for (name, attribute) in self.attributes(item) {
            properties.insert(name.clone(), self.attribute(attribute));
            if attribute["requirement"] == "required" {
                required.push(name);
            }
        }
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        for (constraint, keyword) in [("at_least_one", "anyOf"), ("just_one", "oneOf")] {
            if let Some(paths) = item["constraints"][constraint].as_array() {
                schema[keyword] = paths.iter().filter_map(Value::as_str).map(demand).collect();
            }
        }
        schema
    }

    fn attribute(&self, attribute: &Value) -> Value {
        let mut element = match attribute["object_type"].as_str() {
            Some(object) => json!({"$ref": format!("#/definitions/{}", definition_name(object))}),
            None => self.scalar(&attribute["type"]),
        };
        if let Some(members) = attribute["enum"].as_object() {
            let is_text = element["type"] == "string";
            let values = members.keys().map(|value| match value.parse::<i64>() {
                Ok(number) if !is_text => json!(number),
                _ => json!(value),
            });
            element["enum"] = values.collect();
        }
        if attribute["is_array"] == true { json!({"type": "array", "items": element}) } else { element }
    }

    fn scalar(&self, name: &Value) -> Value {
        let types = &self.compiled["dictionary"]["types"]["attributes"];
        let facts = &types[name.as_str().unwrap_or_default()];
        let primitive = facts["type"].as_str().or(name.as_str()).unwrap_or_default();
        let limit = |key: &str| facts.get(key).or_else(|| types[primitive].get(key));
        let mut schema = match primitive {
            "boolean_t" => json!({"type": "boolean"}),
            "float_t" => json!({"type": "number"}),
            "integer_t" => json!({"type": "integer", "minimum": i32::MIN, "maximum": i32::MAX}),
            "long_t" => json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}),
            "string_t" => json!({"type": "string"}),
            // json_t.
            _ => return json!(true),
        };
        if let Some(range) = limit("range") {
            schema["minimum"] = range[0].clone();
            schema["maximum"] = range[1].clone();
        }
        if let Some(max_len) = limit("max_len") {
            schema["maxLength"] = max_len.clone();
        }
        schema
    }
}

/// The schema of objects in which a dotted path exists.
fn demand(path: &str) -> Value {
    match path.split_once('.') {
        Some((name, rest)) => json!({"required": [name], "properties": {name: demand(rest)}}),
        None => json!({"required": [path]}),
    }
}
