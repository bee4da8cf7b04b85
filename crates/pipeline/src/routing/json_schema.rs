//! A JSON Schema (2020-12) of sources files, made from the tables that the reader reads by, for editors.

use serde_json::{Map, Value as Json, json};

use super::form::{FILE, Form, ObjectForm};

/// The JSON Schema of a sources file.
///
/// It knows the form only; `sluice lint` says the rest. Every file without a fault of form validates.
pub fn json_schema() -> Json {
    let mut schema = object_schema(&FILE);
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Sluice sources file"));
    Json::Object(schema)
}

fn object_schema(form: &ObjectForm) -> Map<String, Json> {
    let properties = form.keys.iter().map(|key| {
        let mut schema = form_schema(key.form);
        if !key.required {
            schema = json!({ "anyOf": [schema, { "type": "null" }] });
        }
        if let Json::Object(members) = &mut schema {
            members.insert("description".to_owned(), json!(key.summary));
        }
        (key.name.to_owned(), schema)
    });
    let properties: Map<String, Json> = properties.collect();
    let required: Vec<&str> = form.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Json::Object(properties));
    schema.insert("required".to_owned(), json!(required));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

fn form_schema(form: Form) -> Json {
    let text = || json!({ "type": "string" });
    match form {
        Form::Name => json!({ "type": "string", "minLength": 1 }),
        Form::Text | Form::Pattern => text(),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Patterns => json!({ "anyOf": [text(), { "type": "array", "minItems": 1, "items": text() }] }),
        Form::PatternList => json!({ "type": "array", "items": text() }),
        // Its keys are in the schema of mapping configs.
        Form::Condition => json!({ "type": "object" }),
        Form::List(item) => json!({ "type": "array", "items": object_schema(item) }),
        Form::Object(form) => Json::Object(object_schema(form)),
    }
}
