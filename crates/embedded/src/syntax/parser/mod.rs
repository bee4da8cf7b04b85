//! Tokens into a tree, by recursive descent.

mod cursor;
mod expressions;
mod forms;
mod queries;
mod relations;
mod types;
mod windows;

use query::QueryError;

use crate::limits::{MAX_BYTES, too_long};
use crate::syntax::ast::*;
use crate::syntax::lexer::{Token, tokens};
use cursor::Parser;
use queries::QUERY;

/// The tree of one query.
pub(crate) fn parse(text: &str) -> Result<Query, QueryError> {
    crate::deep_stack::with_deep_stack(|| parse_here(text))
}

fn parse_here(text: &str) -> Result<Query, QueryError> {
    if text.len() > MAX_BYTES {
        return Err(too_long(text));
    }
    let mut parser = Parser::new(tokens(text)?);
    let starts_query = QUERY.iter().any(|word| parser.is_word(word));
    if let (false, Token::Word(word)) = (starts_query, parser.peek()) {
        return Err(QueryError::Unsupported {
            construct: format!("statement {}", word.to_uppercase()),
            remedy: "queries are run: SELECT, WITH, VALUES or TABLE".to_owned(),
        });
    }
    let query = parser.query()?;
    match parser.peek() {
        Token::End => Ok(query),
        _ => Err(parser.unexpected("the end of the statement")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_trino_is_not_read() {
        for text in [
            "SELECT a == b FROM t",
            "SELECT a::varchar FROM t",
            "SELECT `a` FROM t",
            "SELECT 1;",
            "SELECT a FROM t LIMIT 1 OFFSET 2",
            "SELECT INTERVAL 1 DAY",
            "SELECT a FROM t QUALIFY row_number() OVER () = 1",
            "SELECT 1 AS group",
            "SELECT a ILIKE 'b' FROM t",
            "SELECT 'a' 'b' 'c'",
            "SELECT [1, 2]",
            "SELECT {'a': 1}",
            "SELECT E'a\\n'",
            "SELECT 1 WHERE",
            "SELECT * EXCLUDE (a) FROM t",
            "SELECT a FROM t GROUP BY ALL",
            "SELECT a.group FROM t",
            "SELECT 1x",
            "",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        assert_eq!(
            refusal("SELECT a\nFROM t WHERE"),
            "the query is refused: line 2:13: found the end, expected an expression"
        );
        assert_eq!(
            refusal("SELECT a.group FROM t"),
            "the query is refused: line 1:10: 'group' is a reserved word; as a name it needs double quotes"
        );
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_crash() {
        let text = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(refusal(&text).contains("nested too deeply"));
    }
}
