//! The JSON Schema (2020-12) of rule files, for editors. It is generated from the tables of [`crate::form`].

use serde_json::{Map, Value as Json, json};

use crate::form::{FILE, Form, ObjectForm, TextForm};

/// The JSON Schema of a rule file.
///
/// It covers the form of the file only; lint checks the rest. Every rule without form errors is valid.
pub fn json_schema() -> Json {
    let mut schema = object_schema(&FILE);
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Sluice detection rule"));
    let one_logic = json!([
        { "required": ["stix", "tables"], "not": { "required": ["sql"] } },
        { "required": ["sql"], "not": { "anyOf": [{ "required": ["stix"] }, { "required": ["tables"] }] } },
    ]);
    schema.insert("oneOf".to_owned(), one_logic);
    // A rule on demand has no scheduled windows.
    let on_demand = json!({ "properties": { "schedule": { "const": "on demand" } }, "required": ["schedule"] });
    schema.insert("if".to_owned(), on_demand);
    schema.insert(
        "then".to_owned(),
        json!({ "not": { "anyOf": [{ "required": ["lookback"] }, { "required": ["ingest_delay"] }] } }),
    );
    schema.insert("else".to_owned(), json!({ "required": ["lookback", "ingest_delay"] }));
    Json::Object(schema)
}

fn object_schema(form: &ObjectForm) -> Map<String, Json> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    if form.keys.is_empty() {
        return schema;
    }
    let properties: Map<String, Json> = form
        .keys
        .iter()
        .map(|key| {
            let mut described = form_schema(key.form);
            if let Json::Object(members) = &mut described {
                members.insert("description".to_owned(), json!(key.summary));
            }
            (key.name.to_owned(), described)
        })
        .collect();
    let required: Vec<&str> = form.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    schema.insert("properties".to_owned(), Json::Object(properties));
    schema.insert("required".to_owned(), json!(required));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

fn text_schema(form: &TextForm) -> Json {
    json!({ "type": "string", "pattern": form.pattern, "examples": [form.example] })
}

fn form_schema(form: Form) -> Json {
    match form {
        Form::Text => json!({ "type": "string", "pattern": r"\S" }),
        Form::Formed(form) => text_schema(form),
        Form::Choice(words) => json!({ "enum": words }),
        Form::Integer(least) => json!({ "type": "integer", "minimum": least }),
        Form::Any => json!({}),
        Form::Scalar => json!({ "type": ["boolean", "number", "string"] }),
        Form::List(item) => json!({ "type": "array", "minItems": 1, "items": form_schema(*item) }),
        Form::Map(key, value) => json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": key.pattern },
            "additionalProperties": form_schema(*value),
        }),
        Form::Object(form) => Json::Object(object_schema(form)),
        Form::Either(forms) => json!({ "anyOf": forms.iter().map(|form| form_schema(*form)).collect::<Vec<_>>() }),
    }
}
