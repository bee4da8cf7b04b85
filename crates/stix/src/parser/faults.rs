//! What is said of a text that is no pattern: the fault, its place and the remedy.

use super::cursor::{Parser, Read};
use crate::diagnostic::{Code, Diagnostic, found_at, nearest, quote};
use crate::lexer::{KEYWORDS, Keyword, Kind};
use crate::pattern::{ObjectPath, Observation, Span, Value};
use crate::version::Version;

impl<'t> Parser<'t> {
    pub(super) fn fail<T>(&mut self, fault: Diagnostic) -> Read<T> {
        self.found.push(fault);
        None
    }

    pub(super) fn close(&mut self, kind: Kind, open: &Span) -> Read<Span> {
        if self.kind() == kind {
            return Some(self.advance());
        }
        if self.kind() == Kind::End {
            return self.unclosed(open);
        }
        self.quote_in_text()?;
        let (span, found) = (self.span(), self.found_here());
        let wanted = if kind == Kind::RightBracket { "`]`" } else { "`)`" };
        if let Some(keyword) = self.keyword_in_wrong_case() {
            return self.wrong_case(keyword);
        }
        self.bad_token()?;
        let fault = found_at(Code::UnexpectedToken, span, format!("expected `AND`, `OR` or {wanted}, found {found}"))
            .also(open.clone().into(), "opened here");
        self.fail(match self.kind() {
            Kind::LeftBracket
            | Kind::Keyword(Keyword::FollowedBy | Keyword::Within | Keyword::Repeats | Keyword::Start) => {
                fault.help(format!("close with {wanted} before it"))
            }
            _ => fault,
        })
    }

    pub(super) fn unclosed<T>(&mut self, open: &Span) -> Read<T> {
        let (opening, closing) = match self.slice(open) {
            "[" => ("[", "]"),
            _ => ("(", ")"),
        };
        let end = self.span();
        self.fail(
            found_at(Code::Unclosed, open.clone(), format!("`{opening}` is never closed"))
                .also(end.into(), "the pattern ends here")
                .help(format!("add `{closing}`")),
        )
    }

    pub(super) fn trailing<T>(&mut self, before: &Observation) -> Read<T> {
        if let Some(keyword) = self.keyword_in_wrong_case() {
            return self.wrong_case(keyword);
        }
        self.bad_token()?;
        let (span, found) = (self.span().start..self.text.trim_end().len(), self.found_here());
        let fault = match self.kind() {
            Kind::RightBracket | Kind::RightParenthesis => {
                found_at(Code::TrailingText, self.span(), format!("{found} closes nothing"))
                    .help("remove it, or open it where it belongs")
            }
            Kind::LeftBracket | Kind::LeftParenthesis => {
                found_at(Code::TrailingText, self.span(), "two observations stand side by side")
                    .also(before.span.clone().into(), "the first one")
                    .help("join them with AND, OR or FOLLOWEDBY")
            }
            Kind::Keyword(Keyword::Stop) => found_at(Code::TrailingText, self.span(), "`STOP` without `START`")
                .help("give both ends: START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'"),
            _ => found_at(Code::TrailingText, span, format!("the pattern is over before {found}"))
                .help("remove what follows, or join it with AND, OR or FOLLOWEDBY"),
        };
        self.fail(fault)
    }

    pub(super) fn no_observation<T>(&mut self) -> Read<T> {
        if let Some(keyword) = self.keyword_in_wrong_case() {
            return self.wrong_case(keyword);
        }
        let span = self.span();
        match self.kind() {
            Kind::Identifier | Kind::HyphenIdentifier | Kind::Keyword(Keyword::Exists) => self.fail(
                found_at(Code::MissingBracket, span, "a comparison outside brackets")
                    .label("`[` is expected here")
                    .help("put the comparison into brackets: [file:size > 1024]"),
            ),
            Kind::Keyword(Keyword::Not) => self.fail(
                found_at(Code::PrefixNot, span, "observations cannot be negated")
                    .help("negate the comparison: [file:name NOT = 'x'], or write !="),
            ),
            _ => self.expected("an observation in brackets", None),
        }
    }

    pub(super) fn no_path<T>(&mut self) -> Read<T> {
        let span = self.span();
        match self.kind() {
            Kind::Keyword(keyword) => self.fail(
                found_at(Code::BadPath, span, format!("expected an object path, found `{}`", keyword.text()))
                    .help("a path is type:property, as in file:name"),
            ),
            Kind::RightBracket => self.fail(
                found_at(Code::UnexpectedToken, span, "a comparison is missing before `]`")
                    .help("write a test: file:name = 'x'"),
            ),
            Kind::Text => self.fail(
                found_at(Code::BadPath, span, "a path starts with an object type, which has no quotes")
                    .help("a path is type:property, as in file:name"),
            ),
            Kind::LeftBracket => self.fail(
                found_at(Code::UnexpectedToken, span, "brackets do not nest")
                    .help("group comparisons with parentheses, observations with brackets: ([…] OR […]) AND […]"),
            ),
            _ => self.expected("an object path such as file:name", None),
        }
    }

    pub(super) fn no_colon<T>(&mut self, object_type: &Span) -> Read<T> {
        let word = self.slice(object_type);
        if self.version == Version::V20 && word == "EXISTS" {
            return self.fail(
                found_at(Code::ExistsIn20, object_type.clone(), "STIX 2.0 has no `EXISTS`")
                    .help("read the pattern as STIX 2.1"),
            );
        }
        if let Some(keyword @ (Keyword::Not | Keyword::Exists)) = keyword_like(word) {
            return self.fail(
                found_at(Code::KeywordCase, object_type.clone(), format!("keywords are upper-case: {}", quote(word)))
                    .help(format!("did you mean `{}`?", keyword.text())),
            );
        }
        let (word, found) = (word.to_owned(), self.found_here());
        let fault = found_at(Code::BadPath, self.span(), format!("expected `:` after {}, found {found}", quote(&word)));
        let fault = match self.kind() {
            Kind::Dot => {
                let whole = self.run_from(object_type.start);
                let path = self.slice(&whole).to_owned();
                fault.label("the object type ends here").help(format!("write {}", path.replacen('.', ":", 1)))
            }
            _ => fault.help("a path is type:property, as in file:name"),
        };
        self.fail(fault)
    }

    pub(super) fn bare_property<T>(&mut self) -> Read<T> {
        let mut span = self.span();
        let is_float = self.kind() == Kind::Float;
        let rest = self.text.get(span.start + usize::from(is_float)..).unwrap_or_default();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
        span.start += usize::from(is_float);
        let name = rest.get(..length).unwrap_or_default().to_owned();
        let span = span.start..span.start + length.max(1);
        let reason = match keyword_like(&name) {
            Some(keyword) if keyword.text() == name => "is a keyword",
            _ if matches!(name.as_str(), "true" | "false") => "is a keyword",
            _ if name.starts_with(|c: char| c.is_ascii_digit()) => "starts with a digit",
            _ => "has other characters than letters, digits and `_`",
        };
        self.fail(
            found_at(Code::UnquotedProperty, span, format!("the property {} needs quotes", quote(&name)))
                .label(reason)
                .help(format!("write {}", Value::Text(name))),
        )
    }

    pub(super) fn prefix_not<T>(&mut self) -> Read<T> {
        let not = self.advance();
        let fault = found_at(Code::PrefixNot, not, "`NOT` stands before the operator, not before the path");
        let fault = match self.kind() {
            Kind::LeftParenthesis => {
                fault.help("negate each comparison inside: (a:b != 1 AND a:c != 2) for NOT (… OR …)")
            }
            _ => {
                let whole = self.run_from_path();
                let path = self.slice(&whole).to_owned();
                fault.help(match path.is_empty() {
                    true => "write file:name NOT = 'x'".to_owned(),
                    false => format!("write {path} NOT …"),
                })
            }
        };
        self.fail(fault)
    }

    pub(super) fn no_operator<T>(&mut self, path: &ObjectPath) -> Read<T> {
        if let Some(keyword) = self.keyword_in_wrong_case() {
            return self.wrong_case(keyword);
        }
        let span = self.span();
        let signs = "the operators are = != < <= > >= IN LIKE MATCHES ISSUBSET ISSUPERSET";
        match self.kind() {
            Kind::Identifier | Kind::HyphenIdentifier => {
                let word = self.slice(&span);
                let fault = found_at(Code::UnknownOperator, span, format!("there is no operator {}", quote(word)));
                let operators = ["IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET", "NOT"].into_iter();
                let help = match (word.to_ascii_lowercase().as_str(), nearest(word, operators)) {
                    ("contains", _) => "write LIKE '%…%'".to_owned(),
                    ("startswith" | "starts_with", _) => "write LIKE '…%'".to_owned(),
                    ("endswith" | "ends_with", _) => "write LIKE '%…'".to_owned(),
                    ("is", _) => "write =, or EXISTS before the path".to_owned(),
                    (_, Some(near)) => format!("did you mean `{near}`?"),
                    _ => signs.to_owned(),
                };
                self.fail(fault.help(help))
            }
            Kind::Keyword(Keyword::Exists) => self.fail(
                found_at(Code::UnknownOperator, span, "`EXISTS` stands before the path")
                    .help(format!("write EXISTS {path}")),
            ),
            Kind::Bad(Code::UnexpectedCharacter) if matches!(self.slice(&span), "~" | "!" | "&" | "|") => {
                let sign = quote(self.slice(&span));
                self.fail(found_at(Code::UnknownOperator, span, format!("there is no operator {sign}")).help(signs))
            }
            Kind::RightBracket | Kind::End | Kind::Keyword(Keyword::And | Keyword::Or) => {
                let found = self.found_here();
                let fault = found_at(Code::UnexpectedToken, span, format!("expected an operator, found {found}"));
                self.fail(fault.help(format!("compare the path: {path} = 'x', or ask EXISTS {path}")))
            }
            _ => self.expected("an operator", Some(signs)),
        }
    }

    pub(super) fn unquoted<T>(&mut self) -> Read<T> {
        let run = self.run();
        let word = self.slice(&run).to_owned();
        let fault = found_at(Code::UnquotedText, run, format!("{} has no quotes", quote(&word)));
        self.fail(match word.to_ascii_lowercase().as_str() {
            "null" | "none" | "nil" => fault.help(NULL_HELP),
            lower @ ("true" | "false") => fault.help(format!("did you mean `{lower}`?")),
            _ => fault.help(format!("write {}", Value::Text(word))),
        })
    }

    /// `'it's'`: what follows a text without a space was meant to be inside it.
    pub(super) fn quote_in_text(&mut self) -> Read<()> {
        let before = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
        let text = before.filter(|token| token.kind == Kind::Text && token.span.end == self.span().start);
        let meant = matches!(self.kind(), Kind::Identifier | Kind::HyphenIdentifier | Kind::Text);
        let Some(quoted) = text.filter(|_| meant).map(|token| token.span.clone()) else { return Some(()) };
        self.fail(
            found_at(Code::UnexpectedToken, self.span(), "the text before this is over")
                .also(quoted.into(), "this text")
                .help("a quote inside a text is written \\'"),
        )
    }

    fn keyword_in_wrong_case(&self) -> Option<Keyword> {
        if self.kind() != Kind::Identifier {
            return None;
        }
        let word = self.slice(&self.span());
        keyword_like(word).filter(|keyword| keyword.text() != word)
    }

    fn wrong_case<T>(&mut self, keyword: Keyword) -> Read<T> {
        let (span, found) = (self.span(), self.found_here());
        self.fail(
            found_at(Code::KeywordCase, span, format!("keywords are upper-case: {found}"))
                .help(format!("did you mean `{}`?", keyword.text())),
        )
    }

    pub(super) fn bad_binary<T>(&mut self, span: Span) -> Read<T> {
        self.fail(
            found_at(Code::BadBinary, span, "this is not base64")
                .help("the alphabet is A-Z a-z 0-9 + /, padded with = to a multiple of four: b'AAE='"),
        )
    }

    /// What the lexer could not make a token of.
    fn bad_token(&mut self) -> Read<()> {
        let Kind::Bad(code) = self.kind() else { return Some(()) };
        let span = self.span();
        let text = self.slice(&span);
        match code {
            Code::BadTimestamp => {
                self.fail(found_at(code, span, format!("{} is not a timestamp", quote(text))).help(TIMESTAMP_HELP))
            }
            Code::BadHex => self.fail(
                found_at(code, span, format!("{} is not pairs of hex digits", quote(text)))
                    .help("write two digits for every byte: h'0aff'"),
            ),
            Code::BadBinary => self.bad_binary(span),
            Code::BadEscape => {
                let at = bad_escape(text).unwrap_or(0) + span.start;
                let backslash = at..self
                    .text
                    .get(at + 1..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(at + 1, |c| at + 1 + c.len_utf8());
                let what = quote(self.slice(&backslash));
                self.fail(
                    found_at(code, backslash, format!("{what} is not an escape"))
                        .help("a backslash in a text is written twice: 'C:\\\\Windows'; a quote is \\'"),
                )
            }
            Code::UnterminatedText => {
                let first = span.start..(span.start + 1).min(span.end);
                self.fail(
                    found_at(code, first, "the text that starts here is never closed")
                        .help("close it with a single quote; a quote inside a text is written \\'"),
                )
            }
            _ => {
                let fault =
                    found_at(Code::UnexpectedCharacter, span.clone(), format!("{} does not belong here", quote(text)));
                self.fail(match text {
                    "\"" => fault.help("texts stand in single quotes: 'x'"),
                    "\u{2018}" | "\u{2019}" | "\u{201c}" | "\u{201d}" | "`" | "\u{b4}" => {
                        fault.help("texts stand in straight single quotes: 'x'")
                    }
                    "{" | "}" => fault.help("lists stand in parentheses: IN ('a', 'b')"),
                    "/" => fault.help("a regular expression is a text: MATCHES '…'"),
                    "&" => fault.help("write AND"),
                    "|" => fault.help("write OR"),
                    ";" => fault.help("a pattern has no end mark; remove it"),
                    _ => fault,
                })
            }
        }
    }

    pub(super) fn expected<T>(&mut self, what: &str, help: Option<&str>) -> Read<T> {
        self.bad_token()?;
        let (span, found) = (self.span(), self.found_here());
        let fault = found_at(Code::UnexpectedToken, span, format!("expected {what}, found {found}"));
        self.fail(match help {
            Some(help) => fault.help(help),
            None => fault,
        })
    }
}

pub(super) const TIMESTAMP_HELP: &str = "timestamps are UTC with upper-case T and Z: t'2024-01-15T12:30:45.123Z'";

pub(super) const NULL_HELP: &str = "STIX has no null; ask NOT EXISTS before the path";

fn keyword_like(word: &str) -> Option<Keyword> {
    KEYWORDS.iter().find(|(text, _)| text.eq_ignore_ascii_case(word)).map(|(_, keyword)| *keyword)
}

/// The place of the first backslash in a text that escapes neither a quote nor a backslash.
fn bad_escape(quoted: &str) -> Option<usize> {
    let bytes = quoted.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'\'' | b'\\')) => at += 2,
            (b'\\', _) => return Some(at),
            _ => at += 1,
        }
    }
    None
}
