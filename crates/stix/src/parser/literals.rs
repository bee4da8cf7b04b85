//! Constants of a pattern: numbers, texts, times and bytes.

use std::str::FromStr;

use super::cursor::{Parser, Read};
use super::faults::TIMESTAMP_HELP;
use crate::diagnostic::{Code, found_at, quote};
use crate::lexer::Kind;
use crate::pattern::{Literal, Span, Value};
use crate::time;

impl<'t> Parser<'t> {
    pub(super) fn literal(&mut self) -> Read<Literal> {
        let span = self.span();
        let value = match self.kind() {
            Kind::Integer | Kind::NegativeInteger | Kind::Float | Kind::NegativeFloat => {
                let is_float = matches!(self.kind(), Kind::Float | Kind::NegativeFloat);
                self.advance();
                self.glued_number(&span)?;
                if is_float { Value::Float(self.float(&span)?) } else { Value::Integer(self.number(&span)?) }
            }
            Kind::Text => {
                self.advance();
                Value::Text(unescape(self.slice(&span)))
            }
            Kind::Boolean => {
                self.advance();
                Value::Boolean(self.slice(&span) == "true")
            }
            Kind::Timestamp => {
                self.advance();
                Value::Timestamp(self.timestamp(&span)?)
            }
            Kind::Hex => {
                self.advance();
                let digits = self.inside(&span).as_bytes();
                let (pairs, _) = digits.as_chunks::<2>();
                Value::Hex(pairs.iter().map(|[high, low]| hex_digit(*high) << 4 | hex_digit(*low)).collect())
            }
            Kind::Binary => {
                self.advance();
                match base64(self.inside(&span)) {
                    Some(bytes) => Value::Binary(bytes),
                    None => return self.bad_binary(span),
                }
            }
            Kind::Identifier | Kind::HyphenIdentifier | Kind::Keyword(_) => return self.unquoted(),
            _ => return self.expected("a value", None),
        };
        Some(Literal { value, span })
    }

    pub(super) fn number<N: FromStr>(&mut self, span: &Span) -> Read<N> {
        let text = self.slice(span);
        match text.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                let message = format!("{} is beyond 64 bits", quote(text));
                self.fail(
                    found_at(Code::NumberOutOfRange, span.clone(), message)
                        .help("integers are from -9223372036854775808 to 9223372036854775807"),
                )
            }
        }
    }

    fn float(&mut self, span: &Span) -> Read<f64> {
        let number: f64 = self.number(span)?;
        if number.is_finite() {
            return Some(number);
        }
        self.fail(found_at(Code::NumberOutOfRange, span.clone(), "the number is beyond 64-bit floats"))
    }

    pub(super) fn timestamp(&mut self, span: &Span) -> Read<crate::pattern::Timestamp> {
        match time::read(self.inside(span)) {
            Some(read) => {
                self.odd_time(read, span);
                Some(read.at)
            }
            None => self.expected("a timestamp", Some(TIMESTAMP_HELP)),
        }
    }

    pub(super) fn odd_time(&mut self, read: time::Read, span: &Span) {
        if !read.real_day {
            let message = format!("there is no such day; it is read as {}", time::write(read.at));
            self.found.push(found_at(Code::ImpossibleDate, span.clone(), message));
        }
        if read.cut {
            let message = format!("times are exact to the nanosecond; it is read as {}", time::write(read.at));
            self.found.push(found_at(Code::FinerThanNanoseconds, span.clone(), message));
        }
    }

    /// `1.2.3.4`, `2024-01-15`, `007`, `1e5`: what follows a number without a space belongs to it in the writer's mind.
    fn glued_number(&mut self, number: &Span) -> Read<()> {
        if self.span().start != number.end || matches!(self.kind(), Kind::End) {
            return Some(());
        }
        let rest = self.text.get(number.start..).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || matches!(c, ']' | ')' | '(' | ',' | '[' | '\'');
        let length = rest.find(ends).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default().to_owned();
        let span = number.start..number.start + length;
        if span.end == number.end || word.starts_with("//") {
            return Some(());
        }
        let digits = word.trim_start_matches(['+', '-']);
        let numeric = digits.bytes().all(|byte| byte.is_ascii_digit());
        let float = digits.parse::<f64>().is_ok() || digits.ends_with('.');
        if self.text.get(number.end..).is_some_and(|rest| rest.starts_with("/*") || rest.starts_with("//")) {
            return Some(());
        }
        if numeric || float {
            let fault = found_at(Code::BadNumber, span, format!("{} is not a number of the grammar", quote(&word)));
            let help = match numeric {
                true => "integers have no leading zeros; if a text is meant, put it into quotes",
                false => "write digits on both sides of the point and no exponent",
            };
            return self.fail(fault.help(help));
        }
        self.fail(
            found_at(Code::UnquotedText, span, format!("{} has no quotes", quote(&word)))
                .help(format!("write {}", Value::Text(word))),
        )
    }
}

/// The content of a text with its quotes.
pub(super) fn unescape(quoted: &str) -> String {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    text
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// Padded base64; bits that no byte takes may be anything, as the grammar and Python's decoder have it.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let data = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(data.len() * 3 / 4);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in data.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(six)) & 0xfff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}
