//! Checks whether a constant fits its attribute, by the coercion rules of run time.

use bumpalo::Bump;
use ocsf::schema::{Attribute, AttributeKind, Enumeration, ScalarType, Schema};
use serde_json::Value as Json;
use sources::Document;

use crate::coerce::{Raw, coerce};
use crate::diagnostic::{Code, nearest, quote};
use crate::plan::Target;

/// Why a constant does not fit.
pub(crate) struct Misfit {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// Checks a constant; for an array attribute, each item of a constant array.
pub(crate) fn misfit(schema: &Schema, attribute: &'static Attribute, path: &str, literal: &Json) -> Option<Misfit> {
    let AttributeKind::Scalar(scalar) = attribute.kind else { return None };
    if scalar == ScalarType::Json {
        return None;
    }
    match literal {
        Json::Null => None,
        Json::Array(items) if attribute.is_array => {
            items.iter().find_map(|item| misfit_of_one(schema, attribute, scalar, path, item))
        }
        Json::Array(_) => Some(Misfit {
            code: Code::ListForSingle,
            message: format!("{} is a single value, not an array", quote(path)),
            help: None,
        }),
        Json::Object(_) => Some(Misfit {
            code: Code::ObjectForValue,
            message: format!("{} is a single value of type {scalar}, not an object", quote(path)),
            help: None,
        }),
        _ => misfit_of_one(schema, attribute, scalar, path, literal),
    }
}

fn misfit_of_one(
    schema: &Schema,
    attribute: &'static Attribute,
    scalar: ScalarType,
    path: &str,
    literal: &Json,
) -> Option<Misfit> {
    if is_coercible(schema, attribute, scalar, literal) {
        return None;
    }
    let shown = quote(&literal.to_string());
    if let Some(enumeration) = attribute.enumeration {
        return Some(Misfit {
            code: Code::NotInEnumeration,
            message: format!("{} has no value {shown}", quote(path)),
            help: Some(values_of(enumeration, literal)),
        });
    }
    let facts = schema.type_facts(scalar);
    let too_long =
        facts.max_len.filter(|max| literal.as_str().is_some_and(|text| text.chars().count() > *max as usize));
    Some(Misfit {
        code: Code::WrongLiteral,
        message: match too_long {
            Some(max) => format!("{} can have at most {max} characters", quote(path)),
            None => format!("{shown} cannot be the value of {}, which is {}", quote(path), with_article(scalar)),
        },
        help: facts
            .range
            .filter(|_| literal.is_number())
            .map(|(low, high)| format!("valid values are {low} to {high}")),
    })
}

/// Runs the coercion itself, so that lint and run time cannot disagree.
fn is_coercible(schema: &Schema, attribute: &'static Attribute, scalar: ScalarType, literal: &Json) -> bool {
    let bump = Bump::new();
    let Ok(nothing) = Document::parse(b"null", &bump) else { return true };
    let raw = match literal {
        Json::Null => return true,
        Json::Bool(value) => Raw::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Raw::Integer(value),
            None => Raw::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Raw::Text(bump.alloc_str(text)),
        Json::Array(_) | Json::Object(_) => return false,
    };
    let max_len = schema.type_facts(scalar).max_len;
    let target = Target { attribute, scalar, max_len, is_list: attribute.is_array };
    coerce(raw, &target, &nothing, &bump).is_some()
}

fn with_article(scalar: ScalarType) -> String {
    match scalar {
        ScalarType::Integer | ScalarType::Ip => format!("an {scalar}"),
        _ => format!("a {scalar}"),
    }
}

/// The values of an enumeration with their captions, the nearest first if the constant is a text.
fn values_of(enumeration: &Enumeration, literal: &Json) -> String {
    const MOST: usize = 30;
    let integers = enumeration.integers();
    let texts = enumeration.texts();
    let near = literal.as_str().and_then(|text| {
        if integers.is_empty() {
            nearest(text, texts.iter().map(|(value, _)| *value)).map(quote)
        } else {
            let caption = nearest(text, integers.iter().map(|(_, caption)| *caption))?;
            enumeration.value(caption).map(|value| format!("{value} {caption}"))
        }
    });
    let mut all: Vec<String> = integers.iter().map(|(value, caption)| format!("{value} {caption}")).collect();
    all.extend(texts.iter().map(|(value, _)| quote(value)));
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    let mut listed = all.join(", ");
    if more > 0 {
        listed.push_str(&format!(", {more} more"));
    }
    match near {
        Some(near) => format!("did you mean {near}? Valid values are {listed}"),
        None => format!("valid values are {listed}"),
    }
}
