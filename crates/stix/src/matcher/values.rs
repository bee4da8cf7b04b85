//! The values that an object path selects, and how they compare with the constants of patterns.

use std::cmp::Ordering;

use serde_json::{Number, Value as Json};

use super::error::MatchError;
use super::observed::Observed;
use crate::network::Network;
use crate::pattern::{ObjectPath, Step, Value};
use crate::time;

/// A value at the end of a path.
#[derive(Debug, Clone)]
pub(super) enum Selected<'j> {
    /// As it stands in the object.
    Json(&'j Json),
    /// What a property with the suffix `_hex` or `_bin` means.
    Bytes(Vec<u8>),
    /// The objects that a property with the suffix `_refs` refers to.
    List(Vec<&'j Json>),
}

/// How a value stands to a constant.
pub(super) enum Order {
    Some(Ordering),
    /// A text that cannot be bytes: nothing is true of it, but its negation is.
    Unreadable,
    /// Their types have no order: neither a comparison nor its negation is true.
    None,
}

/// The values that a path selects of an object.
pub(super) fn select<'j>(
    path: &ObjectPath,
    object: &'j Json,
    observed: &'j Observed,
) -> Result<Vec<Selected<'j>>, MatchError> {
    let mut selected = vec![Selected::Json(object)];
    for step in &path.steps {
        let mut next = Vec::new();
        for value in selected {
            match (step, value) {
                (Step::Property(name), Selected::Json(Json::Object(members))) => {
                    if let Some(member) = members.get(name) {
                        next.extend(read_property(name, member, observed)?);
                    }
                }
                (Step::Index(index), Selected::Json(Json::Array(items))) => {
                    let item = usize::try_from(*index).ok().and_then(|index| items.get(index));
                    next.extend(item.map(Selected::Json));
                }
                (Step::Index(index), Selected::List(objects)) => {
                    let object = usize::try_from(*index).ok().and_then(|index| objects.get(index));
                    next.extend(object.map(|object| Selected::Json(object)));
                }
                (Step::AnyElement, Selected::Json(Json::Array(items))) => next.extend(items.iter().map(Selected::Json)),
                (Step::AnyElement, Selected::List(objects)) => next.extend(objects.into_iter().map(Selected::Json)),
                _ => {}
            }
        }
        selected = next;
    }
    Ok(selected)
}

/// The value of a property as its name's suffix has it; nothing for a reference that leads nowhere.
fn read_property<'j>(name: &str, value: &'j Json, observed: &'j Observed) -> Result<Option<Selected<'j>>, MatchError> {
    let no_reference = || MatchError::NotAReference(name.to_owned());
    if name.ends_with("_hex") || name.ends_with("_bin") {
        let bytes = value.as_str().and_then(if name.ends_with("_hex") { read_hex } else { crate::parser::base64 });
        return bytes.map(|bytes| Some(Selected::Bytes(bytes))).ok_or_else(|| MatchError::NotBinary(name.to_owned()));
    }
    if name.ends_with("_ref") {
        let id = value.as_str().ok_or_else(no_reference)?;
        return Ok(observed.object(id).map(Selected::Json));
    }
    if name.ends_with("_refs") {
        let ids = value.as_array().ok_or_else(no_reference)?;
        let mut objects = Vec::with_capacity(ids.len());
        for id in ids {
            objects.extend(observed.object(id.as_str().ok_or_else(no_reference)?));
        }
        return Ok(Some(objects).filter(|objects| !objects.is_empty()).map(Selected::List));
    }
    Ok(Some(Selected::Json(value)))
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
}

impl Selected<'_> {
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Selected::Json(Json::Null))
    }

    /// Values of different types are not equal, which is no fault.
    pub(super) fn equals(&self, literal: &Value) -> Result<bool, MatchError> {
        if let (Selected::Json(Json::Bool(truth)), Value::Boolean(literal)) = (self, literal) {
            return Ok(truth == literal);
        }
        Ok(matches!(self.order(literal)?, Order::Some(Ordering::Equal)))
    }

    pub(super) fn order(&self, literal: &Value) -> Result<Order, MatchError> {
        let latin = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>();
        let order = match (self, literal) {
            (Selected::Json(Json::Number(number)), Value::Integer(literal)) => compare_with_integer(number, *literal),
            (Selected::Json(Json::Number(number)), Value::Float(literal)) => compare_with_float(number, *literal),
            (Selected::Json(Json::String(text)), Value::Text(literal)) => Some(text.as_str().cmp(literal)),
            (Selected::Json(Json::String(text)), Value::Hex(literal) | Value::Binary(literal)) => match latin(text) {
                Some(bytes) => Some(bytes.cmp(literal)),
                None => return Ok(Order::Unreadable),
            },
            (Selected::Bytes(bytes), Value::Hex(literal) | Value::Binary(literal)) => Some(bytes.cmp(literal)),
            (Selected::Bytes(bytes), Value::Text(literal)) => match latin(literal) {
                Some(literal) => Some(bytes.cmp(&literal)),
                None => return Ok(Order::Unreadable),
            },
            (Selected::Json(Json::String(text)), Value::Timestamp(literal)) => {
                let read = time::read(text).filter(|read| read.real_day);
                let read = read.ok_or_else(|| MatchError::NotATimestamp(text.clone()))?;
                Some(read.at.cmp(literal))
            }
            _ => None,
        };
        Ok(order.map_or(Order::None, Order::Some))
    }

    /// The address or network that a text is.
    pub(super) fn network(&self) -> Option<Network> {
        match self {
            Selected::Json(Json::String(text)) => Network::parse(text),
            _ => None,
        }
    }
}

fn compare_with_integer(number: &Number, literal: i64) -> Option<Ordering> {
    match (number.as_i64(), number.as_u64()) {
        (Some(number), _) => Some(number.cmp(&literal)),
        (None, Some(_)) => Some(Ordering::Greater),
        (None, None) => compare_exactly(literal, number.as_f64()?).map(Ordering::reverse),
    }
}

fn compare_with_float(number: &Number, literal: f64) -> Option<Ordering> {
    match (number.as_i64(), number.as_u64()) {
        (Some(number), _) => compare_exactly(number, literal),
        (None, Some(number)) => compare_exactly(number, literal),
        (None, None) => number.as_f64()?.partial_cmp(&literal),
    }
}

/// An integer with a float, without rounding the integer.
fn compare_exactly(integer: impl Into<i128>, float: f64) -> Option<Ordering> {
    const BEYOND: f64 = 1e30;
    if float.is_nan() {
        return None;
    }
    if float.abs() >= BEYOND {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = float.floor();
    let order = integer.into().cmp(&(whole as i128));
    Some(if order == Ordering::Equal && float > whole { Ordering::Less } else { order })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_floats_compare_without_rounding() {
        let number = |text: &str| serde_json::from_str::<Number>(text).unwrap();
        assert_eq!(compare_with_float(&number("9007199254740993"), 9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!(compare_with_integer(&number("9007199254740992.0"), 9_007_199_254_740_993), Some(Ordering::Less));
        assert_eq!(compare_with_integer(&number("18446744073709551615"), i64::MAX), Some(Ordering::Greater));
        assert_eq!(compare_with_float(&number("18446744073709551615"), 1e19), Some(Ordering::Greater));
        assert_eq!(compare_with_float(&number("5"), 5.0), Some(Ordering::Equal));
        assert_eq!(compare_with_float(&number("-5"), -4.5), Some(Ordering::Less));
        assert_eq!(compare_with_integer(&number("12.5"), 12), Some(Ordering::Greater));
        assert_eq!(compare_with_integer(&number("1e300"), i64::MAX), Some(Ordering::Greater));
    }
}
