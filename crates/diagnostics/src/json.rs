//! JSON text as a tree in which every value knows its bytes: the first step of reading a config.
//!
//! Mapping configs and sources files are read by it.
//! The language is strict JSON (RFC 8259): serde_json decides what is JSON and how deep it may nest, and a second pass
//! over text that is known to be JSON finds the places. Duplicate keys are kept; the parser reports them.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde_json::Value as Json;

use crate::{Span, Spanned};

/// A JSON value and where it is written.
#[derive(Clone, Debug)]
pub struct Node {
    /// The bytes of the value, quotes and brackets included.
    pub span: Span,
    /// The value.
    pub kind: NodeKind,
}

/// The value of a [`Node`].
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number in its own spelling.
    Number(serde_json::Number),
    /// A text.
    String {
        /// Its characters, escapes resolved.
        text: String,
        /// Whether it is written without escapes, so that its characters are where they seem to be.
        plain: bool,
    },
    /// The items of an array.
    Array(Vec<Node>),
    /// The members of an object in the order of the file; a key may stand twice.
    Object(Vec<(Spanned<String>, Node)>),
}

/// Why a text is not JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotJson {
    /// The byte at which it stops being JSON.
    pub span: Span,
    /// The error.
    pub message: String,
    /// Which common mistake it is, if it is one.
    pub mistake: Option<Mistake>,
}

/// Common syntax that JSON does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// A comma after the last item.
    TrailingComma,
    /// A comment.
    Comment,
}

impl Mistake {
    /// The way out.
    pub fn help(self) -> &'static str {
        match self {
            Mistake::TrailingComma => "remove the comma before the closing bracket",
            Mistake::Comment => "JSON has no comments",
        }
    }
}

impl Node {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::String { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The bytes of the file behind the bytes `start..end` of this text; the whole text if it is written with escapes.
    pub fn span_within(&self, start: usize, end: usize) -> Span {
        match &self.kind {
            NodeKind::String { text, plain: true } if start <= end && end <= text.len() => {
                let first = self.span.start + 1;
                Span::new(first + start, first + end)
            }
            _ => self.span,
        }
    }

    /// The JSON type with an article, for messages.
    pub fn describe(&self) -> &'static str {
        match &self.kind {
            NodeKind::Null => "null",
            NodeKind::Bool(_) => "a boolean",
            NodeKind::Number(_) => "a number",
            NodeKind::String { .. } => "a text",
            NodeKind::Array(_) => "an array",
            NodeKind::Object(_) => "an object",
        }
    }

    /// The value without places. Of duplicate keys the last wins.
    pub fn to_json(&self) -> Json {
        match &self.kind {
            NodeKind::Null => Json::Null,
            NodeKind::Bool(value) => Json::Bool(*value),
            NodeKind::Number(value) => Json::Number(value.clone()),
            NodeKind::String { text, .. } => Json::String(text.clone()),
            NodeKind::Array(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            NodeKind::Object(members) => {
                Json::Object(members.iter().map(|(key, node)| (key.value.clone(), node.to_json())).collect())
            }
        }
    }
}

/// Reads `text` as one JSON value; a byte order mark before it is skipped.
///
/// # Errors
/// [`NotJson`] with the first place that is not.
pub fn parse(text: &str) -> Result<Node, NotJson> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let skipped = text.len() - body.len();
    if let Err(error) = serde_json::from_str::<Json>(body) {
        let at = skipped + offset_of(body, error.line(), error.column());
        return Err(not_json(text, at, &error.to_string()));
    }
    let parsed = jsonc_parser::parse_to_ast(body, &Default::default(), &Default::default());
    match parsed.ok().and_then(|result| result.value) {
        Some(value) => Ok(convert(body, skipped, value)),
        None => Err(not_json(text, skipped, "the positions in this text cannot be determined")),
    }
}

fn not_json(text: &str, at: usize, message: &str) -> NotJson {
    let message = message.split(" at line ").next().unwrap_or(message);
    let (mut at, mut mistake) = (at.min(text.len()), None);
    if message.contains("trailing comma") {
        at = text.get(..at).and_then(|before| before.rfind(',')).unwrap_or(at);
        mistake = Some(Mistake::TrailingComma);
    } else if matches!(text.as_bytes().get(at), Some(b'/' | b'#')) {
        mistake = Some(Mistake::Comment);
    }
    let width = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    NotJson { span: Span::new(at, at + width), message: format!("this is not JSON: {message}"), mistake }
}

/// The byte that serde_json means by a line and a column (both from 1, column in bytes).
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn convert(text: &str, skipped: usize, value: ast::Value<'_>) -> Node {
    let range = value.range();
    let span = Span::new(skipped + range.start, skipped + range.end);
    let plain =
        |range: jsonc_parser::common::Range| text.get(range.start..range.end).is_some_and(|raw| !raw.contains('\\'));
    let kind = match value {
        ast::Value::NullKeyword(_) => NodeKind::Null,
        ast::Value::BooleanLit(literal) => NodeKind::Bool(literal.value),
        ast::Value::NumberLit(literal) => match literal.value.parse() {
            Ok(number) => NodeKind::Number(number),
            Err(_) => NodeKind::Null,
        },
        ast::Value::StringLit(literal) => {
            NodeKind::String { plain: plain(literal.range), text: literal.value.into_owned() }
        }
        ast::Value::Array(array) => {
            NodeKind::Array(array.elements.into_iter().map(|item| convert(text, skipped, item)).collect())
        }
        ast::Value::Object(object) => {
            let member = |property: ast::ObjectProp<'_>| {
                let range = property.name.range();
                let key_span = Span::new(skipped + range.start, skipped + range.end);
                let key = match property.name {
                    ast::ObjectPropName::String(name) => name.value.into_owned(),
                    ast::ObjectPropName::Word(name) => name.value.to_owned(),
                };
                (Spanned::new(key, key_span), convert(text, skipped, property.value))
            };
            NodeKind::Object(object.properties.into_iter().map(member).collect())
        }
    };
    Node { span, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (usize, String) {
        let error = parse(text).unwrap_err();
        (error.span.start, error.message)
    }

    #[test]
    fn every_value_knows_its_bytes() {
        let text = "\u{feff}{ \"ä\": [1.50, \"x\\u0041y\", \"plain\"] }";
        let node = parse(text).unwrap();
        let NodeKind::Object(members) = &node.kind else { panic!("an object") };
        let (key, array) = &members[0];
        assert_eq!(&text[key.span.range()], "\"ä\"");
        let NodeKind::Array(items) = &array.kind else { panic!("an array") };
        assert_eq!(&text[items[0].span.range()], "1.50");
        assert_eq!(items[1].as_str(), Some("xAy"));
        assert_eq!(&text[items[1].span_within(0, 1).range()], "\"x\\u0041y\"");
        assert_eq!(&text[items[2].span_within(1, 3).range()], "la");
        assert_eq!(node.to_json(), serde_json::from_str::<Json>(&text[3..]).unwrap());
    }

    #[test]
    fn what_is_not_json_is_refused_at_its_byte() {
        assert_eq!(fault("{\"a\": 1,}").0, 7);
        assert_eq!(fault("{\"a\": 1 // no\n}").0, 8);
        assert_eq!(fault("{'a': 1}").0, 1);
        assert_eq!(fault("[1 2]").0, 3);
        assert_eq!(fault("[01]").0, 2);
        assert_eq!(fault("[0x1F]").0, 2);
        assert!(parse("[NaN]").is_err() && parse("").is_err() && parse("1 2").is_err());
        assert!(parse("\"\\ud800\"").is_err());
        assert_eq!(fault("é").0, 0);
    }

    #[test]
    fn nesting_without_end_is_refused_not_followed() {
        assert!(fault(&"[".repeat(100_000)).1.contains("recursion limit"));
        assert!(fault(&"{\"a\":".repeat(100_000)).1.contains("recursion limit"));
    }

    #[test]
    fn duplicate_keys_are_kept() {
        let node = parse("{\"a\": 1, \"a\": 2}").unwrap();
        assert!(matches!(node.kind, NodeKind::Object(members) if members.len() == 2));
    }
}
