//! A pattern's text in tokens, as the specification's lexer cuts it: the longest match, keywords before identifiers.
//!
//! Where that lexer would fall back to single characters, which no pattern can use, the token is [`Kind::Bad`] and says
//! what was meant.

use crate::diagnostic::Code;
use crate::pattern::Span;
use crate::version::Version;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    NegativeInteger,
    Float,
    NegativeFloat,
    Hex,
    Binary,
    Text,
    Timestamp,
    Boolean,
    Keyword(Keyword),
    Identifier,
    HyphenIdentifier,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Colon,
    Dot,
    Comma,
    LeftParenthesis,
    RightParenthesis,
    LeftBracket,
    RightBracket,
    Asterisk,
    Bad(Code),
    End,
}

macro_rules! keywords {
    ($($name:ident $text:literal)+) => {
        /// Words that are never identifiers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Keyword { $($name,)+ }

        pub(crate) const KEYWORDS: &[(&str, Keyword)] = &[$(($text, Keyword::$name),)+];
    };
}

keywords! {
    And "AND"
    Or "OR"
    Not "NOT"
    FollowedBy "FOLLOWEDBY"
    Like "LIKE"
    Matches "MATCHES"
    IsSuperset "ISSUPERSET"
    IsSubset "ISSUBSET"
    Exists "EXISTS"
    Last "LAST"
    In "IN"
    Start "START"
    Stop "STOP"
    Seconds "SECONDS"
    Within "WITHIN"
    Repeats "REPEATS"
    Times "TIMES"
}

impl Keyword {
    pub(crate) fn text(self) -> &'static str {
        KEYWORDS.iter().find(|(_, keyword)| *keyword == self).map_or("", |(text, _)| text)
    }
}

/// A piece of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// The tokens of `text`; the last one is [`Kind::End`] and empty.
pub(crate) fn tokens(text: &str, version: Version) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(skipped) = skipped(rest) {
            at += skipped;
            continue;
        }
        let (kind, length) = token(rest, version);
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    tokens.push(Token { kind: Kind::End, span: text.len()..text.len() });
    tokens
}

/// Whether `text` is an identifier that a path takes without quotes, in both versions.
pub(crate) fn is_plain_identifier(text: &str) -> bool {
    word_length(text, false) == text.len()
        && !text.is_empty()
        && !KEYWORDS.iter().any(|(keyword, _)| *keyword == text)
        && !matches!(text, "true" | "false")
}

/// The bytes of white space or of a comment at the start.
fn skipped(rest: &str) -> Option<usize> {
    if rest.starts_with("/*") {
        return rest.get(2..)?.find("*/").map(|end| end + 4);
    }
    if rest.starts_with("//") {
        return Some(rest.find(['\r', '\n']).unwrap_or(rest.len()));
    }
    let space = rest.find(|c| !is_space(c)).unwrap_or(rest.len());
    (space > 0).then_some(space)
}

fn is_space(c: char) -> bool {
    matches!(
        c,
        '\t'..='\r'
            | ' '
            | '\u{85}'
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
    )
}

fn token(rest: &str, version: Version) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let two = bytes.get(..2).unwrap_or_default();
    match two {
        b"==" => return (Kind::Equal, 2),
        b"!=" | b"<>" => return (Kind::NotEqual, 2),
        b"<=" => return (Kind::LessOrEqual, 2),
        b">=" => return (Kind::GreaterOrEqual, 2),
        b"h'" => return prefixed(rest, Kind::Hex, Code::BadHex, is_hex),
        b"b'" => return prefixed(rest, Kind::Binary, Code::BadBinary, is_base64),
        b"t'" => return prefixed(rest, Kind::Timestamp, Code::BadTimestamp, |text| crate::time::read(text).is_some()),
        _ => {}
    }
    match bytes.first().copied().unwrap_or_default() {
        b'=' => (Kind::Equal, 1),
        b'<' => (Kind::Less, 1),
        b'>' => (Kind::Greater, 1),
        b':' => (Kind::Colon, 1),
        b',' => (Kind::Comma, 1),
        b'(' => (Kind::LeftParenthesis, 1),
        b')' => (Kind::RightParenthesis, 1),
        b'[' => (Kind::LeftBracket, 1),
        b']' => (Kind::RightBracket, 1),
        b'*' => (Kind::Asterisk, 1),
        b'\'' => quoted(rest),
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => word(rest, version),
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(rest),
        _ => (Kind::Bad(Code::UnexpectedCharacter), rest.chars().next().map_or(1, char::len_utf8)),
    }
}

fn word_length(rest: &str, hyphens: bool) -> usize {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (hyphens && byte == b'-');
    match rest.bytes().next() {
        Some(first) if first.is_ascii_alphabetic() || first == b'_' => {
            rest.bytes().position(|byte| !inside(byte)).unwrap_or(rest.len())
        }
        _ => 0,
    }
}

fn word(rest: &str, version: Version) -> (Kind, usize) {
    let length = word_length(rest, true);
    let text = rest.get(..length).unwrap_or_default();
    if text.contains('-') {
        return (Kind::HyphenIdentifier, length);
    }
    let keyword = KEYWORDS.iter().find(|(keyword, _)| *keyword == text).map(|(_, keyword)| *keyword);
    let kind = match (text, keyword) {
        ("true" | "false", _) => Kind::Boolean,
        (_, Some(Keyword::Exists)) if version == Version::V20 => Kind::Identifier,
        (_, Some(keyword)) => Kind::Keyword(keyword),
        _ => Kind::Identifier,
    };
    (kind, length)
}

/// Integers have no leading zeros, floats may; neither has an exponent.
fn number(rest: &str) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let negative = bytes.first() == Some(&b'-');
    let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(sign);
    if bytes.get(sign + whole) == Some(&b'.') {
        let fraction = digits(sign + whole + 1);
        if fraction > 0 {
            let kind = if negative { Kind::NegativeFloat } else { Kind::Float };
            return (kind, sign + whole + 1 + fraction);
        }
    }
    if whole > 0 {
        let kind = if negative { Kind::NegativeInteger } else { Kind::Integer };
        let length = if bytes.get(sign) == Some(&b'0') { 1 } else { whole };
        return (kind, sign + length);
    }
    if bytes.first() == Some(&b'.') { (Kind::Dot, 1) } else { (Kind::Bad(Code::UnexpectedCharacter), 1) }
}

/// `'…'` with `\'` and `\\`, no other backslash.
fn quoted(rest: &str) -> (Kind, usize) {
    let mut bytes = rest.bytes().enumerate().skip(1);
    let mut kind = Kind::Text;
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\'' => return (kind, at + 1),
            b'\\' if matches!(bytes.next(), Some((_, b'\'' | b'\\'))) => {}
            b'\\' => kind = Kind::Bad(Code::BadEscape),
            _ => {}
        }
    }
    (if kind == Kind::Text { Kind::Bad(Code::UnterminatedText) } else { kind }, rest.len())
}

/// `h'…'`, `b'…'` and `t'…'`. A letter before a quote is nothing else in any pattern.
fn prefixed(rest: &str, kind: Kind, fault: Code, is_right: impl Fn(&str) -> bool) -> (Kind, usize) {
    let Some(length) = rest.get(2..).and_then(|inner| inner.find('\'')) else {
        return (Kind::Bad(Code::UnterminatedText), rest.len());
    };
    let inner = rest.get(2..2 + length).unwrap_or_default();
    (if is_right(inner) { kind } else { Kind::Bad(fault) }, length + 3)
}

fn is_hex(text: &str) -> bool {
    text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_base64(text: &str) -> bool {
    let data = text.trim_end_matches('=');
    let padding = text.len() - data.len();
    text.len().is_multiple_of(4)
        && padding <= 2
        && (data.is_empty() == text.is_empty())
        && data.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        tokens(text, Version::V21).into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn the_longest_match_wins() {
        assert_eq!(kinds("a-b"), [Kind::HyphenIdentifier, Kind::End]);
        assert_eq!(kinds("ANDY AND"), [Kind::Identifier, Kind::Keyword(Keyword::And), Kind::End]);
        assert_eq!(kinds("007"), [Kind::Integer, Kind::Integer, Kind::Integer, Kind::End]);
        assert_eq!(kinds("00.7"), [Kind::Float, Kind::End]);
        assert_eq!(kinds("1.2.3"), [Kind::Float, Kind::Float, Kind::End]);
        assert_eq!(kinds("-.5-0"), [Kind::NegativeFloat, Kind::NegativeInteger, Kind::End]);
        assert_eq!(kinds("===<>"), [Kind::Equal, Kind::Equal, Kind::NotEqual, Kind::End]);
        assert_eq!(kinds("a.b[*]").len(), 7);
    }

    #[test]
    fn comments_and_every_space_are_skipped() {
        assert_eq!(kinds("/* a ' */ 1 // b ' \n 2\u{2003}3"), [Kind::Integer, Kind::Integer, Kind::Integer, Kind::End]);
        assert!(kinds("/* never closed").contains(&Kind::Asterisk));
    }

    #[test]
    fn texts_know_two_escapes() {
        assert_eq!(kinds(r"'it\'s \\'"), [Kind::Text, Kind::End]);
        assert_eq!(kinds(r"'C:\Windows'"), [Kind::Bad(Code::BadEscape), Kind::End]);
        assert_eq!(kinds("'abc"), [Kind::Bad(Code::UnterminatedText), Kind::End]);
        assert_eq!(kinds(r"'abc\'"), [Kind::Bad(Code::UnterminatedText), Kind::End]);
    }

    #[test]
    fn hex_and_base64_are_whole() {
        assert_eq!(kinds("h'' h'0aFF'"), [Kind::Hex, Kind::Hex, Kind::End]);
        assert_eq!(kinds("h'0'"), [Kind::Bad(Code::BadHex), Kind::End]);
        assert_eq!(kinds("b'' b'AA==' b'AAA=' b'AAAA'").len(), 5);
        for bad in ["b'===='", "b'A'", "b'A==='", "b'AA=A'", "b'AA-_'", "b'AAAA===='"] {
            assert_eq!(kinds(bad), [Kind::Bad(Code::BadBinary), Kind::End], "{bad}");
        }
    }

    #[test]
    fn exists_is_a_word_of_2_1() {
        assert_eq!(kinds("EXISTS"), [Kind::Keyword(Keyword::Exists), Kind::End]);
        assert_eq!(tokens("EXISTS", Version::V20)[0].kind, Kind::Identifier);
    }
}
