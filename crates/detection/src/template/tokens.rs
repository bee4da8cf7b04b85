//! A tokenizer for SQL, as far as templates need it.

use std::ops::Range;

/// A token of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or keyword, in lower case. Quoted names keep their quotes.
    Word(String),
    /// `(` or `[`
    Open,
    Close,
    Comma,
    Dot,
    Semicolon,
    /// `{{content}}`
    Hole(String),
    /// `{{content}}` inside quotes.
    QuotedHole,
    Other,
}

impl Token {
    /// The name or keyword of a word.
    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }
}

/// Words that end the FROM of a SELECT: its other clauses, or another SELECT.
pub(crate) const AFTER_FROM: &[&str] =
    &["where", "group", "having", "order", "limit", "offset", "fetch", "window", "union", "intersect", "except"];

/// Whether a word starts a clause, a join or another SELECT.
pub(crate) fn begins_part(word: &str) -> bool {
    const JOINS: &[&str] = &["join", "inner", "left", "right", "full", "cross", "natural"];
    AFTER_FROM.contains(&word) || JOINS.contains(&word)
}

/// Removes the quotes of a name.
pub(crate) fn unquoted(word: &str) -> String {
    match word.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"').unwrap_or(quoted).replace("\"\"", "\""),
        None => word.to_owned(),
    }
}

/// The tokens of a text, without comments and white space. Invalid SQL becomes [`Token::Other`], because the engine reports
/// it better.
pub(crate) fn tokens(sql: &str) -> Vec<(Token, Range<usize>)> {
    let bytes = sql.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let rest = &bytes[at..];
        let token = match rest {
            [b'-', b'-', ..] => {
                at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                continue;
            }
            [b'/', b'*', ..] => {
                at = sql[at + 2..].find("*/").map_or(bytes.len(), |end| at + 2 + end + 2);
                continue;
            }
            [quote @ (b'\'' | b'"'), ..] => {
                at = end_of_quoted(bytes, at);
                for (hole, _) in sql[start..at].match_indices("{{") {
                    let hole = start + hole;
                    let end = sql[hole..at].find("}}").map_or(at, |end| hole + end + 2);
                    tokens.push((Token::QuotedHole, hole..end));
                }
                match quote {
                    b'"' => Token::Word(sql[start..at].to_owned()),
                    _ => Token::Other,
                }
            }
            [b'{', b'{', ..] => match sql[at..].find("}}") {
                Some(length) => {
                    at += length + 2;
                    Token::Hole(sql[start + 2..at - 2].to_owned())
                }
                None => {
                    at = bytes.len();
                    Token::Hole(sql[start + 2..].to_owned())
                }
            },
            [first, ..] if first.is_ascii_alphabetic() || *first == b'_' => {
                let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
                at += rest.iter().position(|byte| !word(byte)).unwrap_or(rest.len());
                Token::Word(sql[start..at].to_ascii_lowercase())
            }
            _ => {
                // By characters, so that slices end at character boundaries.
                at += sql[at..].chars().next().map_or(1, char::len_utf8);
                match rest[0] {
                    b'(' | b'[' => Token::Open,
                    b')' | b']' => Token::Close,
                    b',' => Token::Comma,
                    b'.' => Token::Dot,
                    b';' => Token::Semicolon,
                    byte if byte.is_ascii_whitespace() => continue,
                    _ => Token::Other,
                }
            }
        };
        tokens.push((token, start..at));
    }
    tokens
}

/// The end of a quoted text that starts at `start`. A doubled quote is part of the text.
fn end_of_quoted(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while at < bytes.len() {
        if bytes[at] == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    at
}
