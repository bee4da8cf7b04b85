//! Constants that are of the right type, and that no value of the column is likely to equal.

use stix::network::{Network, single_address};
use stix::pattern::{Literal, Operator, Span, Value};

use super::scale::{Scale, scale};
use super::verdict::Typed;
use crate::map::Kind;

/// A constant with which no value of a column is likely to agree, although their types do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Doubt {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// The constants of a comparison with which no value of the column is likely to agree. `name` is the property, as
/// `type:path`; `allowed` are the values of the column's enumeration, and `captions` the texts of one.
pub(crate) fn doubts(
    typed: &Typed,
    name: &str,
    allowed: Option<&[i64]>,
    captions: &[&'static str],
    operator: &Operator,
    is_negative: bool,
) -> Vec<Doubt> {
    let literals = match operator {
        Operator::Equal(literal) | Operator::NotEqual(literal) => std::slice::from_ref(literal),
        Operator::In(literals) => &literals[..],
        Operator::Like(literal) if typed.kind == Some(Kind::Address) => {
            let Value::Text(text) = &literal.value else { return Vec::new() };
            let Some((before, _)) = text.split_once('/') else { return Vec::new() };
            let message = format!("{text:?} has a prefix, and {name} is compared with single addresses");
            let help = format!("write {name} ISSUBSET '198.51.100.0/24', or LIKE '{before}'");
            return vec![Doubt { span: literal.span.clone(), message, help }];
        }
        _ => return Vec::new(),
    };
    let doubt = |literal: &Literal| {
        let (message, help) = match (&literal.value, typed.kind) {
            // Names do not look like networks either.
            (Value::Text(text), Some(Kind::Address | Kind::Folded)) if is_network(text) => {
                let operator = if is_negative { "NOT ISSUBSET" } else { "ISSUBSET" };
                let message = format!("'{text}' is a network, and {name} is compared with single addresses");
                (message, format!("write {name} {operator} '{text}' for the addresses in it"))
            }
            (Value::Text(text), Some(Kind::Address)) if single_address(text).is_none() => {
                (format!("{text:?} is not an IP address"), "write it as '198.51.100.7' or '2001:db8::7'".to_owned())
            }
            (value, None) if name.ends_with("_port") || name.ends_with(".port") => {
                let port = match value {
                    Value::Integer(number) => *number,
                    Value::Text(text) => text.parse().ok()?,
                    _ => return None,
                };
                if (0..=65_535).contains(&port) {
                    return None;
                }
                (format!("{port} is not a port"), "ports are 0 to 65535".to_owned())
            }
            (Value::Text(text), None) if name.contains("hash") && is_upper_case_hash(text) => {
                let message = format!("{text:?} is in upper case, and the column is compared as it is");
                (message, format!("write '{}', as most sources have it", text.to_ascii_lowercase()))
            }
            (Value::Integer(number), None) => {
                let allowed = allowed.filter(|allowed| !allowed.contains(number))?;
                let known: Vec<String> = allowed.iter().map(ToString::to_string).collect();
                (format!("{name} is never {number}"), format!("its values are {}", known.join(", ")))
            }
            (Value::Text(text), None) if !captions.contains(&text.as_str()) => {
                let caption = captions.iter().find(|caption| caption.eq_ignore_ascii_case(text))?;
                (format!("OCSF writes '{caption}', and {name} is compared with its case"), format!("write '{caption}'"))
            }
            _ => return None,
        };
        Some(Doubt { span: literal.span.clone(), message, help })
    };
    literals.iter().filter_map(doubt).collect()
}

/// Whether a text is a network of more than one address.
pub(super) fn is_network(text: &str) -> bool {
    Network::parse(text).is_some_and(|network| !network.is_single_address())
}

fn is_upper_case_hash(text: &str) -> bool {
    matches!(text.len(), 32 | 40 | 64 | 128)
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// What constants a column can equal, for one that has another type.
pub(crate) fn remedy(typed: &Typed) -> Option<&'static str> {
    Some(match scale(typed)? {
        Scale::Whole { unit: None, .. } => "compare it with a whole number: 22",
        Scale::Whole { unit: Some(_), .. } => "compare it with a timestamp: t'2024-01-15T12:30:45Z'",
        Scale::Double => "compare it with a number: 0.5",
        Scale::Boolean => "compare it with true or false",
        Scale::Text { .. } => "compare it with a text in quotes",
        Scale::Protocol(_) => "compare it with a protocol of the network or transport layer: 'ipv4', 'tcp'",
    })
}
