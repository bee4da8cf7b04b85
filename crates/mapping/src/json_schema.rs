//! A JSON Schema (2020-12) of the config format for editors, generated from the tables that the parser uses.

use serde_json::{Map, Value as Json, json};

use crate::operators::{CONDITIONS, CONFIG, FILE, Form, OPERATORS, ObjectForm};

/// The JSON Schema of a mapping config.
///
/// It covers only the form; `sluice lint` checks the rest. Every well-formed config validates.
pub fn json_schema() -> Json {
    let mut schema = object_schema(&FILE);
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Sluice mapping config"));
    schema.insert("$defs".to_owned(), definitions());
    Json::Object(schema)
}

fn definitions() -> Json {
    let not_an_operator = json!({ "not": { "pattern": r"^(\$.*|enum)$" } });
    json!({
        "value": {
            "description": "An expression that evaluates to one JSON value, or to none.",
            "anyOf": [
                { "type": ["null", "boolean", "number", "string"] },
                { "type": "array", "items": { "$ref": "#/$defs/value" } },
                { "$ref": "#/$defs/operator" },
            ],
        },
        "assignment": {
            "description": "The value of an attribute: an expression, an object of attributes, or an array of them.",
            "anyOf": [
                { "type": ["null", "boolean", "number", "string"] },
                { "type": "array", "items": { "$ref": "#/$defs/assignment" } },
                { "$ref": "#/$defs/operator" },
                { "$ref": "#/$defs/attributes" },
            ],
        },
        "attributes": {
            "description": "OCSF attributes and their values.",
            "type": "object",
            "propertyNames": not_an_operator,
            "additionalProperties": { "$ref": "#/$defs/assignment" },
        },
        "operator": one_of_keys(
            "An operator: an object with exactly one key.",
            OPERATORS
                .iter()
                .map(|operator| (operator.name, operator.argument, operator.summary))
                // The AWS library writes it without `$`.
                .chain(OPERATORS.iter().filter(|operator| operator.name == "$enum").map(|operator| {
                    ("enum", operator.argument, operator.summary)
                })),
        ),
        "condition": one_of_keys(
            "A condition: an object with exactly one key.",
            CONDITIONS.iter().map(|condition| (condition.name, condition.argument, condition.summary)),
        ),
        "time_format": {
            "description": "`epoch`, `epoch_ms`, `epoch_us`, `epoch_ns`, `iso8601`, `auto`, or a strptime pattern.",
            "type": "string",
            "examples": ["auto", "epoch_ms", "%Y-%m-%d %H:%M:%S.%f"],
        },
    })
}

/// An object with exactly one of these keys.
fn one_of_keys<'k>(description: &str, keys: impl Iterator<Item = (&'k str, Form, &'k str)>) -> Json {
    let properties: Map<String, Json> =
        keys.map(|(name, form, summary)| (name.to_owned(), described(form, summary))).collect();
    json!({
        "description": description,
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn object_schema(form: &ObjectForm) -> Map<String, Json> {
    let properties: Map<String, Json> =
        form.keys.iter().map(|key| (key.name.to_owned(), described(key.form, key.summary))).collect();
    let required: Vec<&str> = form.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Json::Object(properties));
    if std::ptr::eq(form, &CONFIG) {
        // Missing keys may come from the config that this one extends.
        schema.insert("if".to_owned(), json!({ "not": { "required": ["extends"] } }));
        schema.insert("then".to_owned(), json!({ "required": required }));
    } else {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

fn described(form: Form, summary: &str) -> Json {
    let mut schema = form_schema(form);
    if let Json::Object(members) = &mut schema {
        members.insert("description".to_owned(), json!(summary));
    }
    schema
}

fn form_schema(form: Form) -> Json {
    match form {
        Form::Text | Form::Pattern | Form::Template => json!({ "type": "string" }),
        Form::Name => json!({ "type": "string", "minLength": 1 }),
        Form::Literal => json!({}),
        Form::Character => json!({ "type": "string", "pattern": r"^[\x00-\x7f]$" }),
        Form::Integer { at_least: None } => json!({ "type": "integer" }),
        Form::Integer { at_least: Some(bound) } => json!({ "type": "integer", "minimum": bound }),
        Form::Choice(values) => json!({ "enum": values }),
        Form::Path => json!({ "type": "string", "pattern": r"^\$" }),
        Form::Value => json!({ "$ref": "#/$defs/value" }),
        Form::Assignment => json!({ "$ref": "#/$defs/assignment" }),
        Form::Attributes => json!({ "$ref": "#/$defs/attributes" }),
        Form::Condition => json!({ "$ref": "#/$defs/condition" }),
        Form::TimeFormats => {
            let one = json!({ "$ref": "#/$defs/time_format" });
            json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
        }
        Form::Group => json!({ "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }] }),
        Form::Base => json!({ "enum": [10, 16, "auto"] }),
        Form::TextFieldNames => {
            let lists = form_schema(Form::Map(&Form::List(&Form::Name)));
            json!({ "anyOf": [{ "type": "string", "minLength": 1 }, lists] })
        }
        Form::Object(form) => Json::Object(object_schema(form)),
        Form::List(item) => json!({ "type": "array", "items": form_schema(*item) }),
        Form::NonEmptyList(item) => json!({ "type": "array", "minItems": 1, "items": form_schema(*item) }),
        Form::Tuple(items) => {
            let forms: Vec<Json> = items.iter().map(|item| form_schema(*item)).collect();
            json!({ "type": "array", "prefixItems": forms, "items": false, "minItems": items.len() })
        }
        Form::Map(value) => json!({ "type": "object", "additionalProperties": form_schema(*value) }),
        Form::NonEmptyMap(value) => {
            json!({ "type": "object", "minProperties": 1, "additionalProperties": form_schema(*value) })
        }
        Form::Either(one, other) => json!({ "anyOf": [form_schema(*one), form_schema(*other)] }),
    }
}
