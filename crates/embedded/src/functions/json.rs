//! Functions of JSON.

use datafusion::common::Result;
use query::QueryError;

use super::json_text::{Node, canonical, parse, to_string};
use super::native::{Cell, Out, Typed, call, failed, strict, whole};
use crate::functions::request::{Request, Resolved};
use crate::types::Type;

/// A path as `$.a["b"][0]`, in steps.
fn path(text: &str) -> Option<Vec<String>> {
    let mut steps = Vec::new();
    let mut rest = text.strip_prefix('$')?;
    let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|c: char| !is_plain(c) && c != ':').unwrap_or(after.len());
            if end == 0 {
                return None;
            }
            steps.push(after[..end].to_owned());
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix("[\"") {
            let mut step = String::new();
            let mut chars = after.char_indices();
            loop {
                match chars.next()? {
                    (_, '\\') => match chars.next()? {
                        (_, c @ ('"' | '\\')) => step.push(c),
                        _ => return None,
                    },
                    (at, '"') => {
                        rest = after[at + 1..].strip_prefix(']')?;
                        break;
                    }
                    (_, c) => step.push(c),
                }
            }
            steps.push(step);
        } else if let Some(after) = rest.strip_prefix('[') {
            let end = after.find(']')?;
            let step = &after[..end];
            if step.is_empty() || !step.chars().all(is_plain) {
                return None;
            }
            steps.push(step.to_owned());
            rest = &after[end + 1..];
        } else {
            return None;
        }
    }
    Some(steps)
}

fn walk<'n, 'a>(node: &'n Node<'a>, steps: &[String]) -> Option<&'n Node<'a>> {
    steps.iter().try_fold(node, |node, step| match node {
        Node::Object(fields) => fields.iter().find(|(name, _)| name == step).map(|(_, value)| value),
        Node::Array(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
        _ => None,
    })
}

fn scalar_text(node: &Node<'_>) -> Option<String> {
    match node {
        Node::Text(text) => Some(text.to_string()),
        Node::Number(digits) => Some((*digits).to_owned()),
        Node::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}

/// A function of a JSON value and a path. What is not JSON gives null.
fn by_path(
    request: &Request<'_>,
    returns: Type,
    result: impl Fn(&Node<'_>) -> Result<Out> + Send + Sync + 'static,
) -> std::result::Result<Typed, QueryError> {
    let [value, given] = &request.arguments[..] else { return Err(request.wrong()) };
    if !matches!(value.ty, Type::Varchar | Type::Json | Type::Unknown)
        || !matches!(given.ty, Type::Varchar | Type::Unknown)
    {
        return Err(request.wrong());
    }
    let arguments =
        request.coerced(&[if value.ty == Type::Json { Type::Json } else { Type::Varchar }, Type::Varchar])?;
    let wrong = |text: &str| format!("Invalid JSON path: '{text}'");
    let fixed = match arguments[1].as_text() {
        Some(text) => Some(path(text).ok_or_else(|| QueryError::Invalid(wrong(text)))?),
        None => None,
    };
    let body = strict(&returns, move |cells| {
        let computed;
        let steps = match &fixed {
            Some(steps) => steps,
            None => {
                let text = cells[1].text()?;
                computed = path(text).ok_or_else(|| failed(wrong(text)))?;
                &computed
            }
        };
        let Some(node) = parse(cells[0].text()?) else { return Ok(Out::Null) };
        walk(&node, steps).map_or(Ok(Out::Null), &result)
    });
    Ok(call(request.name, "", arguments, returns, body))
}

fn length(count: usize) -> Result<Out> {
    whole(count).map(Out::Integer)
}

pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    use Type::{Bigint, Boolean, Json, Varchar};
    let first = request.arguments.first().map(|argument| &argument.ty);
    let given = if first == Some(&Json) { Json } else { Varchar };
    match request.name {
        "json_parse" => request.simple(&[Varchar], Json, |c| {
            let text = c[0].text()?;
            let node = parse(text).ok_or_else(|| failed(format!("Cannot convert value to JSON: '{text}'")))?;
            Ok(Out::Text(to_string(&canonical(node))))
        }),
        "json_format" => request.simple(&[Json], Varchar, |c| Ok(Out::Text(c[0].text()?.to_owned()))),
        "json_extract_scalar" => Some(by_path(request, Varchar, |node| Ok(scalar_text(node).into()))),
        "json_extract" => Some(by_path(request, Json, |node| Ok(Out::Text(to_string(node))))),
        "json_size" => Some(by_path(request, Bigint, |node| {
            length(match node {
                Node::Array(items) => items.len(),
                Node::Object(fields) => fields.len(),
                // Trino's size of a scalar.
                _ => 0,
            })
        })),
        "json_array_length" => request.simple(&[given], Bigint, |c| {
            match parse(c[0].text()?) {
                Some(Node::Array(items)) => length(items.len()),
                // Trino's answer for what is no array, or no JSON.
                _ => Ok(Out::Null),
            }
        }),
        "is_json_scalar" => request.simple(&[given], Boolean, |c| {
            let node = parse(c[0].text()?).ok_or_else(|| failed("Invalid JSON value"))?;
            Ok(Out::Boolean(!matches!(node, Node::Array(_) | Node::Object(_))))
        }),
        "json_array_contains" => {
            let value = match request.arguments.get(1).map(|argument| &argument.ty) {
                Some(Boolean) => Boolean,
                Some(Varchar) => Varchar,
                Some(ty) if ty.is_integer() => Bigint,
                Some(ty) if ty.is_number() => Type::Double,
                _ => return Some(Err(request.wrong())),
            };
            #[expect(clippy::float_cmp, reason = "equality is what is asked for")]
            request.simple(&[given, value], Boolean, |c| {
                let Some(Node::Array(items)) = parse(c[0].text()?) else { return Ok(Out::Null) };
                let is_same = |item: &Node<'_>| match (item, &c[1]) {
                    (Node::Boolean(a), Cell::Boolean(b)) => a == b,
                    (Node::Text(a), Cell::Text(b)) => a == b,
                    (Node::Number(a), Cell::Integer(b)) => a.parse() == Ok(*b),
                    (Node::Number(a), Cell::Double(b)) => {
                        a.contains(['.', 'e', 'E']) && a.parse::<f64>().is_ok_and(|a| a == *b)
                    }
                    _ => false,
                };
                Ok(Out::Boolean(items.iter().any(is_same)))
            })
        }
        "json_array_get" => Some(request.unsupported(
            "function json_array_get",
            "use json_extract(value, '$[0]'): json_array_get is documented as broken",
        )),
        _ => None,
    }
}
