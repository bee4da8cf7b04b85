//! The words of a statement.

use query::QueryError;

use super::ast::At;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A word without quotes, which may be a keyword.
    Word(String),
    /// `"a name"`
    Quoted(String),
    Integer(String),
    Decimal(String),
    Double(String),
    Text(String),
    /// `U&'…'`, before its escapes are read.
    UnicodeText(String),
    /// `X'…'`
    Binary(Vec<u8>),
    Symbol(&'static str),
    End,
}

/// Longer ones first.
const SYMBOLS: [&str; 21] =
    ["->", "=>", "<>", "!=", "<=", ">=", "||", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",", "."];

pub(crate) fn tokens(text: &str) -> Result<Vec<(At, Token)>, QueryError> {
    let mut lexer = Lexer { rest: text, at: At { line: 1, column: 1 } };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank()?;
        let at = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((at, token));
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    at: At,
}

impl<'a> Lexer<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        for c in taken.chars() {
            if c == '\n' {
                self.at.line += 1;
                self.at.column = 1;
            } else {
                self.at.column += 1;
            }
        }
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        self.take(end)
    }

    fn invalid(&self, at: At, text: impl std::fmt::Display) -> QueryError {
        QueryError::Invalid(format!("{at}: {text}"))
    }

    fn skip_blank(&mut self) -> Result<(), QueryError> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
            if self.rest.starts_with("--") {
                self.take_while(|c| c != '\n' && c != '\r');
            } else if self.rest.starts_with("/*") {
                let at = self.at;
                let end = self.rest[2..].find("*/").ok_or_else(|| self.invalid(at, "the comment is not closed"))?;
                self.take(end + 4);
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, QueryError> {
        let at = self.at;
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        let second = self.rest[first.len_utf8()..].chars().next();
        match first {
            '\'' => Ok(Token::Text(self.quoted('\'', "text")?)),
            '"' => match self.quoted('"', "name")? {
                name if name.is_empty() => Err(self.invalid(at, "a name of no characters")),
                name => Ok(Token::Quoted(name)),
            },
            'x' | 'X' if second == Some('\'') => {
                self.take(1);
                let digits = self.quoted('\'', "binary literal")?;
                hex(&digits)
                    .map(Token::Binary)
                    .ok_or_else(|| self.invalid(at, "a binary literal has pairs of hexadecimal digits"))
            }
            'u' | 'U' if self.rest[1..].starts_with("&'") => {
                self.take(2);
                Ok(Token::UnicodeText(self.quoted('\'', "text")?))
            }
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            c if c.is_ascii_alphabetic() || c == '_' => {
                Ok(Token::Word(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned()))
            }
            _ => {
                if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest.starts_with(symbol)) {
                    self.take(symbol.len());
                    return Ok(Token::Symbol(symbol));
                }
                Err(match first {
                    '`' => self.invalid(at, "names are quoted by \", not by `"),
                    ';' => self.invalid(at, "one statement, without a semicolon"),
                    '?' => QueryError::Unsupported {
                        construct: "parameter `?`".to_owned(),
                        remedy: "write the value".to_owned(),
                    },
                    other => self.invalid(at, format_args!("the character {other:?} has no meaning here")),
                })
            }
        }
    }

    /// A text between `quote`s, in which a doubled quote stands for one.
    fn quoted(&mut self, quote: char, what: &str) -> Result<String, QueryError> {
        let at = self.at;
        self.take(1);
        let mut text = String::new();
        loop {
            let Some(end) = self.rest.find(quote) else {
                return Err(self.invalid(at, format_args!("the {what} is not closed")));
            };
            text.push_str(self.take(end));
            self.take(1);
            if !self.rest.starts_with(quote) {
                return Ok(text);
            }
            self.take(1);
            text.push(quote);
        }
    }

    fn number(&mut self) -> Result<Token, QueryError> {
        let at = self.at;
        let mut text = self.digits();
        let mut exact = true;
        let mut integer = true;
        if self.rest.starts_with('.') {
            integer = false;
            text.push_str(self.take(1));
            text.push_str(&self.digits());
        }
        if self.rest.starts_with(['e', 'E']) {
            let signed = self.rest[1..].starts_with(['+', '-']);
            let digits = &self.rest[1 + usize::from(signed)..];
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                exact = false;
                text.push_str(self.take(1 + usize::from(signed)));
                text.push_str(&self.digits());
            }
        }
        if self.rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return Err(self.invalid(at, "a name must not start with a digit; put it in double quotes"));
        }
        Ok(match (exact, integer) {
            (false, _) => Token::Double(text),
            (true, true) => Token::Integer(text),
            (true, false) => Token::Decimal(text),
        })
    }

    fn digits(&mut self) -> String {
        let digits = self.take_while(|c| c.is_ascii_digit());
        digits.to_owned()
    }
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = digits
        .chars()
        .filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'))
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}
