//! Lint of a rule's SQL that needs only its words, not its tables.

use std::ops::Range;

use crate::template::tokens::{Token, tokens, unquoted};

/// The words of a SQL statement, or of a STIX pattern, whose quotes and names look the same.
pub(super) struct Words<'t> {
    text: &'t str,
    tokens: Vec<(Token, Range<usize>)>,
}

/// A LIMIT, OFFSET or FETCH FIRST that drops rows at random.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) span: Range<usize>,
    /// The keyword for the message, such as `LIMIT`.
    pub(super) word: String,
    /// Whether it limits the rule's own rows, not those of a subquery.
    pub(super) is_outermost: bool,
}

/// Where a parameter is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// `IN {{param:x}}`
    AfterIn,
    /// `IN ({{param:x}})`, or in a list: `IN ('a', {{param:x}})`
    WithinIn,
    Elsewhere,
}

/// The parentheses around a token, or the whole text.
struct Level {
    is_outermost: bool,
    is_exists: bool,
    is_ordered: bool,
}

impl<'t> Words<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, tokens: tokens(text) }
    }

    fn token(&self, index: usize) -> Option<&Token> {
        self.tokens.get(index).map(|(token, _)| token)
    }

    fn is_word(&self, index: Option<usize>, word: &str) -> bool {
        index.and_then(|index| self.token(index)).is_some_and(|token| token.is_word(word))
    }

    fn source(&self, index: usize) -> &'t str {
        self.tokens.get(index).and_then(|(_, span)| self.text.get(span.clone())).unwrap_or_default()
    }

    /// The SELECT whose rows are the result of the statement.
    pub(super) fn main_select(&self) -> Range<usize> {
        let mut depth = 0_usize;
        let mut with = false;
        for (token, span) in &self.tokens {
            match token {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                Token::Word(word) if word == "with" => with = true,
                // Those in parentheses are definitions, unless the whole statement is in parentheses.
                Token::Word(word) if word == "select" && (depth == 0 || !with) => return span.clone(),
                _ => {}
            }
        }
        0..0
    }

    /// The path that contains the token at a byte, such as `api."response".error`.
    pub(super) fn path_at(&self, byte: usize) -> Option<Range<usize>> {
        let at = self.tokens.iter().position(|(_, span)| span.contains(&byte))?;
        let is_name = |index: usize| matches!(self.token(index), Some(Token::Word(_)));
        let is_dot = |index: usize| self.token(index) == Some(&Token::Dot);
        if !is_name(at) && !is_dot(at) {
            return Some(self.tokens.get(at)?.1.clone());
        }
        let (mut first, mut last) = (at, at);
        while first > 0 && (is_dot(first) || is_dot(first - 1)) && (is_name(first - 1) || is_dot(first - 1)) {
            first -= 1;
        }
        while (is_dot(last) || is_dot(last + 1)) && (is_name(last + 1) || is_dot(last + 1)) {
            last += 1;
        }
        Some(self.tokens.get(first)?.1.start..self.tokens.get(last)?.1.end)
    }

    /// A name within a path, such as `eror` in `api.response.eror`.
    pub(super) fn name_within(&self, path: &Range<usize>, name: &str) -> Option<Range<usize>> {
        let is_it = |token: &Token| token.word().is_some_and(|word| unquoted(word).eq_ignore_ascii_case(name));
        let within = self.tokens.iter().filter(|(_, span)| path.start <= span.start && span.end <= path.end);
        within.rev().find(|(token, _)| is_it(token)).map(|(_, span)| span.clone())
    }

    /// The token at a byte.
    pub(super) fn token_at(&self, byte: usize) -> Option<Range<usize>> {
        let at = self.tokens.iter().position(|(_, span)| span.contains(&byte))?;
        let span = self.tokens.get(at)?.1.clone();
        // Numbers and operators are tokenized by character.
        let is_alike = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_');
        let rest = self.text.get(span.start..)?;
        let run = match rest.chars().next() {
            Some(first) if first.is_ascii_digit() => rest.find(|c| !is_alike(c)).unwrap_or(rest.len()),
            _ => 0,
        };
        Some(span.start..span.end.max(span.start + run))
    }

    /// The first place of one or more consecutive words, such as `WITH RECURSIVE`.
    pub(super) fn find(&self, words: &str) -> Option<Range<usize>> {
        let words: Vec<String> = words.split_whitespace().map(str::to_ascii_lowercase).collect();
        let is_here = |at: usize| words.iter().enumerate().all(|(next, word)| self.is_word(Some(at + next), word));
        let at = (0..self.tokens.len()).find(|at| !words.is_empty() && is_here(*at))?;
        Some(self.tokens[at].1.start..self.tokens.get(at + words.len() - 1)?.1.end)
    }

    /// The limits that drop rows at random. A subquery may have a LIMIT with an ORDER BY, or in EXISTS.
    pub(super) fn limits(&self) -> Vec<Limit> {
        let mut found = Vec::new();
        let mut around: Vec<Level> = Vec::new();
        let mut level = Level { is_outermost: true, is_exists: false, is_ordered: false };
        for (index, (token, span)) in self.tokens.iter().enumerate() {
            let before = index.checked_sub(1);
            match token {
                Token::Open => {
                    let is_part = match before.and_then(|before| self.token(before)) {
                        None => true,
                        Some(Token::Open) => level.is_outermost,
                        Some(Token::Word(word)) => {
                            let set = |word: &str| matches!(word, "union" | "intersect" | "except");
                            let all = matches!(word.as_str(), "all" | "distinct");
                            let prior = index.checked_sub(2).and_then(|at| self.token(at)).and_then(Token::word);
                            set(word) || (all && prior.is_some_and(set))
                        }
                        _ => false,
                    };
                    let inner = Level {
                        is_outermost: level.is_outermost && is_part,
                        is_exists: self.is_word(before, "exists"),
                        is_ordered: false,
                    };
                    around.push(std::mem::replace(&mut level, inner));
                }
                Token::Close => level = around.pop().unwrap_or(level),
                Token::Word(word) if before.and_then(|before| self.token(before)) != Some(&Token::Dot) => {
                    match word.as_str() {
                        "order" if self.is_word(Some(index + 1), "by") => level.is_ordered = true,
                        "union" | "intersect" | "except" => level.is_ordered = false,
                        "limit" | "offset" | "fetch" => {
                            let Some(end) = self.end_of_limit(word, index + 1) else { continue };
                            let is_settled = level.is_exists || level.is_ordered;
                            if level.is_outermost || !is_settled {
                                found.push(Limit {
                                    span: span.start..end,
                                    word: word.to_ascii_uppercase(),
                                    is_outermost: level.is_outermost,
                                });
                            }
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// The end of the number of the LIMIT at `index`; `None` if the word is a name.
    fn end_of_limit(&self, word: &str, index: usize) -> Option<usize> {
        let span = &self.tokens.get(index)?.1;
        match self.token(index)? {
            Token::Word(next) if word == "fetch" && matches!(next.as_str(), "first" | "next") => Some(span.end),
            Token::Hole(_) if word != "fetch" => Some(span.end),
            Token::Other if word != "fetch" && self.source(index).starts_with(|first: char| first.is_ascii_digit()) => {
                self.token_at(span.start).map(|number| number.end)
            }
            _ => None,
        }
    }

    /// How the template at a place is used.
    pub(super) fn position(&self, span: &Range<usize>) -> Position {
        let Some(at) = self.tokens.iter().position(|(_, place)| place == span) else { return Position::Elsewhere };
        let mut before = at.checked_sub(1);
        if self.is_word(before, "in") {
            return Position::AfterIn;
        }
        // Skip the other members of a list.
        while let Some(index) = before {
            match &self.tokens[index].0 {
                Token::Open if self.is_word(index.checked_sub(1), "in") => return Position::WithinIn,
                Token::Comma | Token::Hole(_) | Token::Other => before = index.checked_sub(1),
                _ => break,
            }
        }
        Position::Elsewhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(sql: &str) -> Vec<&str> {
        Words::new(sql).limits().into_iter().map(|limit| &sql[limit.span]).collect()
    }

    #[test]
    fn a_limit_is_found_where_it_leaves_rows_to_chance() {
        for (sql, expected) in [
            ("SELECT x FROM {{a}} WHERE {{window}} LIMIT 5", vec!["LIMIT 5"]),
            ("SELECT x FROM {{a}} ORDER BY x LIMIT 5", vec!["LIMIT 5"]),
            ("(SELECT x FROM {{a}} limit\n 10)", vec!["limit\n 10"]),
            (
                "(SELECT x FROM {{a}} LIMIT 1) UNION ALL (SELECT x FROM {{a}} ORDER BY x LIMIT 2)",
                vec!["LIMIT 1", "LIMIT 2"],
            ),
            ("SELECT x FROM {{a}} OFFSET 3 ROWS FETCH FIRST 2 ROWS ONLY", vec!["OFFSET 3", "FETCH FIRST"]),
            ("SELECT x FROM {{a}} FETCH NEXT ROW ONLY", vec!["FETCH NEXT"]),
            ("SELECT x FROM {{a}} LIMIT {{param:most}}", vec!["LIMIT {{param:most}}"]),
            ("SELECT x FROM (SELECT x FROM {{a}} LIMIT 100) LIMIT ALL", vec!["LIMIT 100"]),
            ("WITH t AS (SELECT x FROM {{a}} LIMIT 7) SELECT x FROM t", vec!["LIMIT 7"]),
            ("SELECT (SELECT y FROM {{b}} LIMIT 1) FROM {{a}}", vec!["LIMIT 1"]),
        ] {
            assert_eq!(limits(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_limit_that_says_which_rows_and_a_column_of_that_name_are_none() {
        for sql in [
            "SELECT x FROM {{a}} JOIN (SELECT u FROM {{b}} GROUP BY u ORDER BY count(*) DESC LIMIT 10) t ON t.u = x",
            "SELECT x FROM {{a}} WHERE EXISTS (SELECT 1 FROM {{b}} WHERE y = x LIMIT 1)",
            "SELECT e.limit, \"limit\", limit FROM {{a}} e WHERE e.limit > 5 AND limit > 3 LIMIT ALL",
            "SELECT 'LIMIT 5' -- LIMIT 5\n FROM {{a}}",
        ] {
            assert_eq!(limits(sql), [""; 0], "{sql}");
        }
    }

    #[test]
    fn a_place_is_the_whole_name() {
        let sql = "WITH t AS (SELECT 1) SELECT e.api.\"response\".eror, count(x) FROM {{a}} e WHERE 12.5 < b";
        let words = Words::new(sql);
        let path = |part: &str| &sql[words.path_at(sql.find(part).unwrap()).unwrap()];
        for part in ["e.api", "\"response\"", "eror"] {
            assert_eq!(path(part), "e.api.\"response\".eror");
        }
        assert_eq!((path("count"), path("x)")), ("count", "x"));
        assert_eq!(&sql[words.token_at(sql.find("12").unwrap()).unwrap()], "12.5");
        assert_eq!(words.main_select(), 21..27);
        assert_eq!(words.find("count").map(|span| &sql[span]), Some("count"));
    }

    #[test]
    fn a_parameter_stands_after_in_or_within_or_elsewhere() {
        for (sql, expected) in [
            ("x IN {{param:l}}", Position::AfterIn),
            ("x not in\n {{param:l}}", Position::AfterIn),
            ("x IN ({{param:l}})", Position::WithinIn),
            ("x IN ('a', 5, {{param:l}})", Position::WithinIn),
            ("x = {{param:l}}", Position::Elsewhere),
            ("contains({{param:l}}, x)", Position::Elsewhere),
            ("f(x, {{param:l}})", Position::Elsewhere),
        ] {
            let start = sql.find("{{").unwrap();
            let end = sql.find("}}").unwrap() + 2;
            assert_eq!(Words::new(sql).position(&(start..end)), expected, "{sql}");
        }
    }
}
