//! JSON read and written as Trino's functions do: numbers keep their digits, names their order.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;

/// A JSON value whose numbers are still text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

const MAX_DEPTH: usize = 500;

/// The value that `text` is, or `None` if it is not JSON.
pub(crate) fn parse(text: &str) -> Option<Node<'_>> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let node = reader.value()?;
    reader.blank();
    (reader.at == text.len()).then_some(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.blank();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, node: Node<'a>) -> Option<Node<'a>> {
        self.text[self.at..].starts_with(word).then(|| {
            self.at += word.len();
            node
        })
    }

    fn value(&mut self) -> Option<Node<'a>> {
        self.blank();
        match self.peek()? {
            b'n' => self.word("null", Node::Null),
            b't' => self.word("true", Node::Boolean(true)),
            b'f' => self.word("false", Node::Boolean(false)),
            b'"' => self.string().map(Node::Text),
            b'[' | b'{' if self.depth == MAX_DEPTH => None,
            b'[' => {
                self.at += 1;
                self.depth += 1;
                let mut items = Vec::new();
                if !self.accept(b']') {
                    loop {
                        items.push(self.value()?);
                        if self.accept(b']') {
                            break;
                        }
                        if !self.accept(b',') {
                            return None;
                        }
                    }
                }
                self.depth -= 1;
                Some(Node::Array(items))
            }
            b'{' => {
                self.at += 1;
                self.depth += 1;
                let mut fields = Vec::new();
                if !self.accept(b'}') {
                    loop {
                        self.blank();
                        if self.peek()? != b'"' {
                            return None;
                        }
                        let name = self.string()?;
                        if !self.accept(b':') {
                            return None;
                        }
                        fields.push((name, self.value()?));
                        if self.accept(b'}') {
                            break;
                        }
                        if !self.accept(b',') {
                            return None;
                        }
                    }
                }
                self.depth -= 1;
                Some(Node::Object(fields))
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => None,
        }
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - begin
    }

    fn number(&mut self) -> Option<Node<'a>> {
        let begin = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let leading_zero = self.peek() == Some(b'0');
        let digits = self.digits();
        if digits == 0 || (leading_zero && digits > 1) {
            return None;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return None;
            }
        }
        Some(Node::Number(&self.text[begin..self.at]))
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.at += 1;
        let begin = self.at;
        let mut unescaped: Option<String> = None;
        let mut plain = begin;
        loop {
            match self.peek()? {
                b'"' => {
                    let rest = &self.text[plain..self.at];
                    self.at += 1;
                    return Some(match unescaped {
                        Some(mut text) => {
                            text.push_str(rest);
                            Cow::Owned(text)
                        }
                        None => Cow::Borrowed(rest),
                    });
                }
                b'\\' => {
                    let text = unescaped.get_or_insert_with(String::new);
                    text.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    let escaped = self.peek()?;
                    self.at += 1;
                    let c = match escaped {
                        b'"' => '"',
                        b'\\' => '\\',
                        b'/' => '/',
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        b'u' => self.code_point()?,
                        _ => return None,
                    };
                    unescaped.get_or_insert_with(String::new).push(c);
                    plain = self.at;
                }
                byte if byte < 0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    fn code_point(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            // A lone low surrogate has no character; Java keeps it, and writes it as a question mark.
            return Some(char::from_u32(first).unwrap_or('?'));
        }
        if !self.text[self.at..].starts_with("\\u") {
            return Some('?');
        }
        self.at += 2;
        let second = self.four_digits()?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)
    }
}

/// A text as a JSON string.
pub(crate) fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            // As Jackson does in UTF-8.
            c if u32::from(c) > 0xffff => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The order of names, which is that of Java's strings.
pub(crate) fn by_name(one: &str, other: &str) -> Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}

/// The value without blanks, names in their order.
pub(crate) fn write(node: &Node<'_>, out: &mut String) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Node::Number(digits) => write_number(digits, out),
        Node::Text(text) => write_text(text, out),
        Node::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Node::Object(fields) => {
            out.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// A number as Jackson writes it once it has read it: integers with their digits, others as Java's double.
fn write_number(digits: &str, out: &mut String) {
    if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        let negative_zero = digits == "-0";
        out.push_str(if negative_zero { "0" } else { digits });
        return;
    }
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() => out.push_str(&crate::text_form::java_double(value)),
        _ => out.push_str(digits),
    }
}

/// The value as Trino's type `json` keeps it: without blanks, names sorted, of a repeated name the last.
pub(crate) fn canonical(node: Node<'_>) -> Node<'_> {
    match node {
        Node::Array(items) => Node::Array(items.into_iter().map(canonical).collect()),
        Node::Object(fields) => {
            let mut sorted: Vec<(Cow<'_, str>, Node<'_>)> = Vec::with_capacity(fields.len());
            for (name, value) in fields {
                let value = canonical(value);
                match sorted.binary_search_by(|(known, _)| by_name(known, &name)) {
                    Ok(at) => sorted[at].1 = value,
                    Err(at) => sorted.insert(at, (name, value)),
                }
            }
            Node::Object(sorted)
        }
        other => other,
    }
}

pub(crate) fn to_string(node: &Node<'_>) -> String {
    let mut out = String::new();
    write(node, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_and_written() {
        for (text, written) in [
            ("null", "null"),
            (" { \"b\" : [1, 2.50, -3e2] , \"a\" : \"x\\u00e9\\n\" } ", "{\"a\":\"xé\\n\",\"b\":[1,2.5,-300.0]}"),
            ("{\"a\":1,\"a\":2}", "{\"a\":2}"),
            ("\"\\ud83d\\ude00\\u0001\"", "\"\\uD83D\\uDE00\\u0001\""),
            ("{\"\u{ff5e}\":1,\"\u{1f600}\":2}", "{\"\\uD83D\\uDE00\":2,\"\u{ff5e}\":1}"),
            ("12345678901234567890", "12345678901234567890"),
        ] {
            assert_eq!(to_string(&canonical(parse(text).unwrap())), written);
        }
        for text in ["", "nul", "[1,]", "{a:1}", "01", "1.", "'x'", "[1", "1 2", "\"\n\"", &"[".repeat(100_000)] {
            assert_eq!(parse(text), None, "{text:.20}");
        }
    }
}
