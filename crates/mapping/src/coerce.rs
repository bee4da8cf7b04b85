//! Coerces raw values to OCSF types.
//!
//! Logs write numbers as text, ids as captions and times in many forms; OCSF requires one type. A value that cannot be
//! coerced without guessing is not written: the caller puts the raw value into `unmapped` and counts it.

use std::net::IpAddr;

use bumpalo::Bump;
use ocsf::Cell;
use ocsf::schema::ScalarType;
use sources::{Document, NodeId, NodeValue};

use crate::plan::Target;
use crate::time::{has_date, read_any};

/// A value on its way from a document to a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Raw<'a> {
    Absent,
    Text(&'a str),
    /// A number in the document's own spelling.
    Number(&'a str),
    Integer(i64),
    /// Milliseconds since the epoch.
    Instant(i64),
    Float(f64),
    Boolean(bool),
    /// An array or object of the document.
    Node(NodeId),
    /// An array or object as JSON text.
    JsonText(&'a str),
    List(&'a [Raw<'a>]),
}

impl<'a> Raw<'a> {
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Raw::Absent)
    }

    /// The value of a document's node.
    pub(crate) fn of_node(document: &Document<'a>, node: NodeId) -> Self {
        match document.value(node) {
            NodeValue::Null => Raw::Absent,
            NodeValue::Bool(value) => Raw::Boolean(value),
            NodeValue::Number(text) => Raw::Number(text),
            NodeValue::String(text) => Raw::Text(text),
            NodeValue::Array | NodeValue::Object => Raw::Node(node),
        }
    }

    /// A scalar as text; none for arrays and objects.
    pub(crate) fn text(&self, bump: &'a Bump) -> Option<&'a str> {
        Some(match *self {
            Raw::Text(text) | Raw::Number(text) | Raw::JsonText(text) => text,
            Raw::Boolean(true) => "true",
            Raw::Boolean(false) => "false",
            Raw::Integer(value) | Raw::Instant(value) => bump.alloc_str(&value.to_string()),
            Raw::Float(value) => bump.alloc_str(&value.to_string()),
            Raw::Absent | Raw::Node(_) | Raw::List(_) => return None,
        })
    }

    /// Any value as text, arrays and objects as JSON.
    pub(crate) fn json_text(&self, document: &Document<'a>, bump: &'a Bump) -> Option<&'a str> {
        match self {
            Raw::Absent => None,
            Raw::Node(node) => Some(bump.alloc_str(&document.to_json(*node))),
            Raw::List(items) => {
                let items = items.iter().map(|item| match item {
                    Raw::Text(text) => serde_json::to_string(text).unwrap_or_default(),
                    other => other.json_text(document, bump).unwrap_or("null").to_owned(),
                });
                Some(bump.alloc_str(&format!("[{}]", items.collect::<Vec<_>>().join(","))))
            }
            scalar => scalar.text(bump),
        }
    }
}

/// Coerces a scalar to the type of its target; `None` where that would need guessing.
pub(crate) fn coerce<'a>(raw: Raw<'a>, target: &Target, document: &Document<'a>, bump: &'a Bump) -> Option<Cell<'a>> {
    match target.scalar {
        ScalarType::Boolean => match raw {
            Raw::Boolean(value) => Some(Cell::Boolean(value)),
            other => match other.text(bump)? {
                "true" | "True" | "TRUE" | "1" => Some(Cell::Boolean(true)),
                "false" | "False" | "FALSE" | "0" => Some(Cell::Boolean(false)),
                _ => None,
            },
        },
        ScalarType::Integer => {
            let value = integer(raw, target)?;
            i32::try_from(value).ok()?;
            Some(Cell::Integer(value))
        }
        ScalarType::Port => {
            let value = integer(raw, target)?;
            u16::try_from(value).ok()?;
            Some(Cell::Integer(value))
        }
        ScalarType::Long => integer(raw, target).map(Cell::Integer),
        ScalarType::Timestamp | ScalarType::Datetime => match raw {
            Raw::Instant(value) | Raw::Integer(value) => has_date(value).then_some(Cell::Integer(value)),
            other => read_any(other.text(bump)?).map(Cell::Integer),
        },
        ScalarType::Float => match raw {
            Raw::Float(value) => Some(Cell::Float(value)),
            Raw::Integer(value) => Some(Cell::Float(value as f64)),
            other => other.text(bump)?.trim().parse().ok().filter(|value: &f64| value.is_finite()).map(Cell::Float),
        },
        ScalarType::Json => raw.json_text(document, bump).map(Cell::Text),
        ScalarType::Ip => {
            let text = raw.text(bump)?.trim();
            is_ip_address(text).then_some(Cell::Text(text))
        }
        _ => {
            let text = match raw {
                Raw::Instant(value) => bump.alloc_str(&jiff::Timestamp::from_millisecond(value).ok()?.to_string()),
                other => other.text(bump)?,
            };
            let too_long =
                target.max_len.is_some_and(|max| text.len() > max as usize && text.chars().count() > max as usize);
            let allowed = target
                .attribute
                .enumeration
                .is_none_or(|values| values.texts().is_empty() || values.caption_of_text(text).is_some());
            (allowed && !too_long).then_some(Cell::Text(text))
        }
    }
}

/// An IPv4 or IPv6 address; an IPv6 one may have a zone (`fe80::1%eth0`).
pub(crate) fn is_ip_address(text: &str) -> bool {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<IpAddr>().is_ok()
}

fn integer(raw: Raw<'_>, target: &Target) -> Option<i64> {
    let values = target.attribute.enumeration.filter(|values| !values.integers().is_empty());
    let value = match raw {
        Raw::Integer(value) | Raw::Instant(value) => Some(value),
        Raw::Float(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(value as i64),
        Raw::Boolean(_) | Raw::Node(_) | Raw::List(_) | Raw::Absent | Raw::Float(_) => None,
        Raw::Text(text) | Raw::Number(text) | Raw::JsonText(text) => {
            read_integer(text).or_else(|| values.and_then(|values| values.value(text)))
        }
    }?;
    values.is_none_or(|values| values.caption(value).is_some()).then_some(value)
}

/// A whole number in decimal, in hexadecimal after `0x`, or with a zero fraction.
pub(crate) fn read_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok();
    }
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        (number.fract() == 0.0 && number.abs() < 9e15 && text.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
            .then_some(number as i64)
    })
}
