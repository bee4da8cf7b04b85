//! The tokens under the parser: what stands next, what is taken, names and lists.

use query::QueryError;

use crate::limits::{MAX_DEPTH, too_deep};
use crate::syntax::ast::*;
use crate::syntax::lexer::Token;

/// Words that cannot be names without quotes, from Trino's documentation of reserved keywords.
const RESERVED: [&str; 79] = [
    "ALTER",
    "AND",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "CUBE",
    "CURRENT_CATALOG",
    "CURRENT_DATE",
    "CURRENT_PATH",
    "CURRENT_ROLE",
    "CURRENT_SCHEMA",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "DEALLOCATE",
    "DELETE",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXECUTE",
    "EXISTS",
    "EXTRACT",
    "FALSE",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "GROUPING",
    "HAVING",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "JOIN",
    "JSON_ARRAY",
    "JSON_EXISTS",
    "JSON_OBJECT",
    "JSON_QUERY",
    "JSON_TABLE",
    "JSON_VALUE",
    "LEFT",
    "LIKE",
    "LISTAGG",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "NATURAL",
    "NORMALIZE",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "PREPARE",
    "RECURSIVE",
    "RIGHT",
    "ROLLUP",
    "SELECT",
    "TABLE",
    "THEN",
    "TRIM",
    "TRUE",
    "UESCAPE",
    "UNION",
    "UNNEST",
    "USING",
    "VALUES",
    "WHEN",
];

/// The rest of the reserved words: those that end a clause.
const RESERVED_CLAUSES: [&str; 2] = ["WHERE", "WITH"];

/// Where the parentheses that open at each token close.
fn closing(tokens: &[(At, Token)]) -> Vec<usize> {
    let mut closing = vec![tokens.len(); tokens.len()];
    let mut open = Vec::new();
    for (at, (_, token)) in tokens.iter().enumerate() {
        match token {
            Token::Symbol("(") => open.push(at),
            Token::Symbol(")") => {
                if let Some(open) = open.pop() {
                    closing[open] = at;
                }
            }
            _ => {}
        }
    }
    closing
}

pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().chain(&RESERVED_CLAUSES).any(|reserved| reserved.eq_ignore_ascii_case(word))
}

pub(super) type Parsed<T> = Result<T, QueryError>;

/// A statement, and how far it has been read.
pub(super) struct Parser {
    pub(super) tokens: Vec<(At, Token)>,
    /// For each `(` the place of its `)`, for everything else the end.
    pub(super) closing: Vec<usize>,
    pub(super) next: usize,
    depth: usize,
    pub(super) joins: usize,
}

impl Parser {
    pub(super) fn new(tokens: Vec<(At, Token)>) -> Self {
        let closing = closing(&tokens);
        Self { tokens, closing, next: 0, depth: 0, joins: 0 }
    }

    pub(super) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.next + ahead).map_or(&Token::End, |(_, token)| token)
    }

    pub(super) fn at(&self) -> At {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(At::default(), |(at, _)| *at)
    }

    pub(super) fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    pub(super) fn word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.word_at(0, word)
    }

    pub(super) fn symbol_at(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Symbol(found) if *found == symbol)
    }

    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.symbol_at(0, symbol)
    }

    pub(super) fn accept(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    pub(super) fn accept_all(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(ahead, word)| self.word_at(ahead, word));
        self.next += if found { words.len() } else { 0 };
        found
    }

    pub(super) fn accept_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.next += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, word: &str) -> Parsed<()> {
        if self.accept(word) { Ok(()) } else { Err(self.unexpected(word)) }
    }

    pub(super) fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.accept_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    pub(super) fn unexpected(&self, wanted: &str) -> QueryError {
        let found = match self.peek() {
            Token::Word(word) => format!("'{word}'"),
            Token::Quoted(name) => format!("\"{name}\""),
            Token::Integer(text) | Token::Decimal(text) | Token::Double(text) => format!("'{text}'"),
            Token::Text(text) | Token::UnicodeText(text) => format!("the text '{text}'"),
            Token::Binary(_) => "a binary literal".to_owned(),
            Token::Symbol(symbol) => format!("'{symbol}'"),
            Token::End => "the end".to_owned(),
        };
        let remedy = match self.peek() {
            Token::Word(word) if word.eq_ignore_ascii_case("ILIKE") || word.eq_ignore_ascii_case("RLIKE") => {
                "; write lower(x) LIKE with the pattern in lower case"
            }
            Token::Symbol("=") => "; write one = for equality",
            _ => "",
        };
        QueryError::Invalid(format!("{}: found {found}, expected {wanted}{remedy}", self.at()))
    }

    pub(super) fn name(&mut self) -> Parsed<Name> {
        match self.peek().clone() {
            Token::Quoted(text) => {
                self.next += 1;
                Ok(Name { text, quoted: true })
            }
            Token::Word(text) if !is_reserved(&text) => {
                self.next += 1;
                Ok(Name { text, quoted: false })
            }
            Token::Word(text) => Err(QueryError::Invalid(format!(
                "{}: '{text}' is a reserved word; as a name it needs double quotes",
                self.at()
            ))),
            _ => Err(self.unexpected("a name")),
        }
    }

    pub(super) fn qualified_name(&mut self) -> Parsed<Vec<Name>> {
        let mut names = vec![self.name()?];
        while self.accept_symbol(".") {
            names.push(self.name()?);
        }
        Ok(names)
    }

    pub(super) fn list<T>(&mut self, item: impl Fn(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.accept_symbol(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    pub(super) fn in_parentheses<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.expect_symbol("(")?;
        let value = inner(self)?;
        self.expect_symbol(")")?;
        Ok(value)
    }

    pub(super) fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.fits(1)?;
        self.depth += 1;
        let value = inner(self);
        self.depth -= 1;
        value
    }

    /// Refuses a tree that is `levels` deeper than the place that is read. Operators one after the other, as in `a[1][2][3]`,
    /// make a tree as deep as parentheses do.
    pub(super) fn fits(&self, levels: usize) -> Parsed<()> {
        if self.depth + levels > MAX_DEPTH { Err(too_deep(self.at())) } else { Ok(()) }
    }

    pub(super) fn integer(&mut self) -> Parsed<u64> {
        match self.peek() {
            Token::Integer(digits) => {
                let value = digits.parse();
                let value =
                    value.map_err(|_| QueryError::Invalid(format!("{}: the number is too large", self.at())))?;
                self.next += 1;
                Ok(value)
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// Whether a name stands here that is the alias of what was read before it.
    pub(super) fn starts_alias(&self) -> bool {
        match self.peek() {
            Token::Quoted(_) => true,
            Token::Word(word) => !is_reserved(word) && !self.starts_clause_at(self.next),
            _ => false,
        }
    }

    /// Whether the token begins a clause by a word that is not reserved: `t LIMIT 5` has no alias, `t limit` and
    /// `t limit WHERE …` have one.
    pub(super) fn starts_clause_at(&self, at: usize) -> bool {
        let token = |ahead: usize| self.tokens.get(at + ahead).map_or(&Token::End, |(_, token)| token);
        let is_word = |ahead: usize, words: &[&str]| match token(ahead) {
            Token::Word(found) => words.iter().any(|word| word.eq_ignore_ascii_case(found)),
            _ => false,
        };
        let is_number = matches!(token(1), Token::Integer(_));
        (is_word(0, &["LIMIT"]) && (is_number || is_word(1, &["ALL"])))
            || (is_word(0, &["OFFSET"]) && is_number)
            || (is_word(0, &["FETCH"]) && is_word(1, &["FIRST", "NEXT"]))
            || (is_word(0, &["WINDOW"]) && is_word(2, &["AS"]) && matches!(token(1), Token::Word(_) | Token::Quoted(_)))
    }

    pub(super) fn column_aliases(&mut self) -> Parsed<Option<Vec<Name>>> {
        if !self.is_symbol("(") {
            return Ok(None);
        }
        self.in_parentheses(|parser| parser.list(Self::name)).map(Some)
    }
}
