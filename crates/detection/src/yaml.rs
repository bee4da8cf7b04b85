//! YAML as a tree in which every key and value has its place in the text, for diagnostics.

use std::fmt;

use diagnostics::{Span, Spanned};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value as Json};
use serde_saphyr::options::DuplicateKeyPolicy;

/// A value of a YAML document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// Why a text is not a single YAML document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub(crate) span: Span,
    pub(crate) message: String,
}

/// Parses a document. Duplicate keys are kept, so that diagnostics can show both.
pub(crate) fn parse(text: &str) -> Result<Spanned<Node>, YamlError> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let tree: serde_saphyr::Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location();
        let start = place.map_or(0, |place| offset_of(text, place.line(), place.column()));
        // The snippet shows the place instead of "… at line 3, column 7".
        let message = error.without_snippet().to_string();
        let end = message.find(" at line ").unwrap_or(message.len());
        YamlError { span: Span::new(start, start), message: message[..end].to_owned() }
    })?;
    Ok(node(text, tree))
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn offset_of(text: &str, line: u64, column: u64) -> usize {
    let before: usize = text.split_inclusive('\n').take(index(line).saturating_sub(1)).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    before + rest.chars().take(index(column).saturating_sub(1)).map(char::len_utf8).sum::<usize>()
}

/// The values of serde-saphyr, with its own spans.
#[derive(Debug)]
enum Raw {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<serde_saphyr::Spanned<Raw>>),
    Map(Vec<(serde_saphyr::Spanned<String>, serde_saphyr::Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyValue;

        impl<'de> Visitor<'de> for AnyValue {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
                Ok(Raw::Boolean(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
                Ok(Raw::Integer(value))
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Raw, E> {
                i64::try_from(value).map(Raw::Integer).map_err(|_| E::custom("a number of more than 63 bits"))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
                Ok(Raw::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
                Ok(Raw::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Raw::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Raw::Map(map))
            }

            fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Raw, E> {
                Err(E::custom("binary values are not used here"))
            }
        }

        deserializer.deserialize_any(AnyValue)
    }
}

fn span_of<T>(text: &str, value: &serde_saphyr::Spanned<T>) -> Span {
    let place = value.referenced.span();
    let start = place.byte_offset().map_or(0, index).min(text.len());
    let end = start.saturating_add(place.byte_len().map_or(0, index)).min(text.len());
    // Where the parser includes the white space after a value.
    let trimmed = text.get(start..end).map_or(0, |content| content.trim_end().len());
    Span::new(start, start + trimmed)
}

fn node(text: &str, raw: serde_saphyr::Spanned<Raw>) -> Spanned<Node> {
    let span = span_of(text, &raw);
    let value = match raw.value {
        Raw::Null => Node::Null,
        Raw::Boolean(value) => Node::Boolean(value),
        Raw::Integer(value) => Node::Integer(value),
        Raw::Float(value) => Node::Float(value),
        Raw::Text(value) => Node::Text(value),
        Raw::List(items) => Node::List(items.into_iter().map(|item| node(text, item)).collect()),
        Raw::Map(entries) => {
            let entry = |(key, value): (serde_saphyr::Spanned<String>, _)| {
                let span = span_of(text, &key);
                (Spanned::new(key.value, span), node(text, value))
            };
            Node::Map(entries.into_iter().map(entry).collect())
        }
    };
    Spanned::new(value, span)
}

impl Node {
    /// The kind of value, in the words of a diagnostic.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    /// The value as JSON. Of duplicate keys the last counts.
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Boolean(value) => Json::Bool(*value),
            Self::Integer(value) => Json::from(*value),
            Self::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Self::Text(value) => Json::String(value.clone()),
            Self::List(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Map(entries) => {
                entries.iter().map(|(key, value)| (key.value.clone(), value.value.to_json())).collect()
            }
        }
    }
}

/// Maps the bytes of a scalar's value to the bytes of the file.
///
/// YAML indents, folds and escapes, so the value differs from the source. Both are matched from left to right, ignoring white
/// space. If that fails (numeric escapes), every place is the whole scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// For every byte of the value, the byte offset in the file; one more entry for the end.
    offsets: Option<Vec<usize>>,
    whole: Span,
}

impl Places {
    pub(crate) fn new(text: &str, span: Span, value: &str) -> Self {
        Self { offsets: aligned(text, span, value), whole: span }
    }

    /// The place of a byte range of the value.
    pub(crate) fn of(&self, range: std::ops::Range<usize>) -> Span {
        let Some(offsets) = &self.offsets else { return self.whole };
        let at = |index: usize| offsets.get(index).or(offsets.last()).copied().unwrap_or(self.whole.start);
        let start = at(range.start);
        // The end is after the last byte, not before the next one: a line's indentation may lie between them.
        let end = if range.end > range.start { at(range.end - 1) + 1 } else { start };
        // A block scalar's value ends with a line end also where the file does not.
        let last = self.whole.end;
        Span::new(start.min(last), end.max(start).min(last))
    }
}

fn aligned(text: &str, span: Span, value: &str) -> Option<Vec<usize>> {
    let source = text.as_bytes();
    let mut at = span.start;
    let quoted = matches!(source.get(at), Some(b'"' | b'\'')) && !value.starts_with(['"', '\'']) || {
        // For a quoted scalar whose value starts with a quote too: it ends with the same quote as it starts.
        let content = text.get(span.start..span.end)?;
        content.len() > value.len() && content.starts_with(['"', '\'']) && content.ends_with(['"', '\''])
    };
    if quoted {
        at += 1;
    }
    let mut offsets = Vec::with_capacity(value.len() + 1);
    for byte in value.bytes() {
        if byte.is_ascii_whitespace() {
            // Runs of white space match as a whole. Their first byte stands for folded ones.
            offsets.push(at.min(span.end));
            if source.get(at).is_some_and(u8::is_ascii_whitespace) {
                at += 1;
            }
            continue;
        }
        while at < span.end && source[at].is_ascii_whitespace() {
            at += 1;
        }
        // `\"`, `\\`, `''`.
        let escaped = match (source.get(at), source.get(at + 1)) {
            (Some(b'\\'), Some(next)) => quoted && *next == byte,
            (Some(b'\''), Some(b'\'')) => quoted && byte == b'\'',
            _ => false,
        };
        at += usize::from(escaped);
        if at >= span.end || source[at] != byte {
            return None;
        }
        offsets.push(at);
        at += 1;
    }
    offsets.push(at.min(span.end));
    Some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'n>(tree: &'n Spanned<Node>, key: &str) -> &'n Spanned<Node> {
        let Node::Map(entries) = &tree.value else { panic!("no mapping") };
        &entries.iter().find(|(name, _)| name.value == key).unwrap().1
    }

    #[test]
    fn keys_and_values_know_their_place() {
        let text = "title: ä bc # no\nlist:\n  - 'it''s'\n  - {a: 1.5}\nzero: 0123\n";
        let tree = parse(text).unwrap();
        assert_eq!(&text[value(&tree, "title").span.range()], "ä bc");
        let Node::List(items) = &value(&tree, "list").value else { panic!("no list") };
        assert_eq!(items[0].value, Node::Text("it's".to_owned()));
        assert_eq!(&text[items[0].span.range()], "'it''s'");
        assert_eq!(value(&tree, "zero").value, Node::Text("0123".to_owned()));
        assert_eq!(tree.value.to_json()["list"][1]["a"], 1.5);
    }

    #[test]
    fn what_is_no_yaml_has_a_place_too() {
        for (text, line) in [("a: b: c\n", 1), ("a: 1\nb: [1\nc: 2\n", 3), ("a: *x\n", 1), ("a: 1\n---\nb: 2\n", 3)] {
            let error = parse(text).unwrap_err();
            assert_eq!(text[..error.span.start].matches('\n').count() + 1, line, "{text:?}: {error:?}");
            assert!(!error.message.contains(" at line "), "{}", error.message);
        }
    }

    #[test]
    fn a_part_of_a_scalar_is_found_in_the_file_whatever_its_style() {
        for text in [
            "x: [find me]\n",
            "x: \"say \\\"x\\\": find me\"\n",
            "x: 'it''s: find me'\n",
            "x: |\n  first ä\n\n    find me\n  last\n",
            "x: >-\n  folded\n  lines find me\n  here\n",
            "x: plain\n   lines find me\n",
        ] {
            let tree = parse(text).unwrap();
            let node = match &value(&tree, "x").value {
                Node::List(items) => items[0].clone(),
                _ => value(&tree, "x").clone(),
            };
            let Node::Text(content) = &node.value else { panic!("no text") };
            let places = Places::new(text, node.span, content);
            let at = content.find("find me").unwrap();
            assert_eq!(&text[places.of(at..at + 7).range()], "find me", "{text:?}");
        }
    }

    #[test]
    fn where_value_and_source_cannot_be_laid_side_by_side_the_place_is_the_scalar() {
        let text = "x: \"a\\u0041b\"\n";
        let tree = parse(text).unwrap();
        let node = value(&tree, "x");
        assert_eq!(Places::new(text, node.span, "aAb").of(1..2), node.span);
    }
}
