//! The relations that a query reads by name: neither templates nor defined by the query itself.

use std::ops::Range;

use super::tokens::{AFTER_FROM, Token, unquoted};

/// Table functions that read only their arguments.
const TABLE_FUNCTIONS: &[&str] = &["unnest", "sequence", "exclude_columns", "json_table"];

/// The state between one pair of parentheses, or outside all of them.
#[derive(Debug, Default)]
struct Level {
    /// Whether a SELECT began here. Otherwise a FROM belongs to a function such as `extract(year FROM time)`.
    is_query: bool,
    /// Inside FROM, where a comma is followed by a relation.
    in_from: bool,
    /// The next token is a relation.
    relation_next: bool,
    /// Inside WITH, before its main query.
    with: Option<With>,
    /// The names that WITH has defined so far.
    defined: Vec<String>,
    /// Whether this is the body of a definition of the enclosing level.
    is_definition: bool,
}

#[derive(Debug, Default)]
struct With {
    recursive: bool,
    /// The name being defined; `None` after WITH and after a comma.
    name: Option<String>,
}

impl Level {
    fn define(&mut self, word: &str) {
        let Some(with) = &mut self.with else { return };
        if word == "recursive" {
            with.recursive = true;
            return;
        }
        let name = unquoted(word).to_ascii_lowercase();
        if with.recursive {
            self.defined.push(name.clone());
        }
        with.name = Some(name);
    }

    /// A definition is visible after its end. A recursive one is visible inside its body too.
    fn end_definition(&mut self) {
        self.defined.extend(self.with.as_ref().and_then(|with| with.name.clone()));
    }

    fn needs_name(&self) -> bool {
        self.with.as_ref().is_some_and(|with| with.name.is_none())
    }

    fn leave_from(&mut self) {
        self.in_from = false;
        self.relation_next = false;
    }
}

/// The places of relations that are read by name.
pub(crate) fn relations(tokens: &[(Token, Range<usize>)]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    let token = |index: usize| tokens.get(index).map(|(token, _)| token);
    for (index, (this, span)) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).and_then(token);
        let after = token(index + 1);
        match this {
            Token::Open => {
                let begins_query = after.and_then(Token::word).is_some_and(|word| BEGINS_QUERY.contains(&word));
                let has_relations = level.relation_next && !begins_query;
                let is_definition = level.with.is_some() && before.is_some_and(|before| before.is_word("as"));
                level.relation_next = false;
                let inner =
                    Level { in_from: has_relations, relation_next: has_relations, is_definition, ..Level::default() };
                outer.push(std::mem::replace(&mut level, inner));
            }
            Token::Close => {
                let Some(around) = outer.pop() else { continue };
                let inner = std::mem::replace(&mut level, around);
                if inner.is_definition {
                    level.end_definition();
                }
            }
            Token::Comma => {
                level.relation_next = level.in_from;
                if let Some(with) = &mut level.with {
                    with.name = None;
                }
            }
            Token::Word(word) if before != Some(&Token::Dot) => match word.as_str() {
                "with" if before.is_none_or(|before| *before == Token::Open) => level.with = Some(With::default()),
                _ if level.needs_name() => level.define(word),
                "select" => {
                    level.with = None;
                    level.is_query = true;
                    level.leave_from();
                }
                // Not the FROM of IS DISTINCT FROM.
                "from" if level.is_query && !before.is_some_and(|before| before.is_word("distinct")) => {
                    level.in_from = true;
                    level.relation_next = true;
                }
                "join" | "table" => level.relation_next = true,
                "lateral" if level.relation_next => {}
                word if AFTER_FROM.contains(&word) => level.leave_from(),
                word if level.relation_next => {
                    level.relation_next = false;
                    let name = unquoted(word).to_ascii_lowercase();
                    let is_known = match after {
                        Some(Token::Open) => TABLE_FUNCTIONS.contains(&name.as_str()),
                        Some(Token::Dot) => false,
                        _ => level.defined.contains(&name) || outer.iter().any(|level| level.defined.contains(&name)),
                    };
                    if !is_known {
                        found.push(span.start..end_of_path(tokens, index));
                    }
                }
                _ => {}
            },
            // A name with other than ASCII letters, which an engine may accept.
            Token::Other if level.relation_next => {
                level.relation_next = false;
                found.push(span.clone());
            }
            Token::Hole(_) | Token::QuotedHole => level.relation_next = false,
            _ => {}
        }
    }
    found
}

const BEGINS_QUERY: &[&str] = &["select", "with", "values", "table"];

/// The end of `database.table`, which starts with the word at `index`.
fn end_of_path(tokens: &[(Token, Range<usize>)], index: usize) -> usize {
    let parts = tokens[index + 1..].chunks_exact(2);
    let path = parts.take_while(|pair| matches!(pair, [(Token::Dot, _), (Token::Word(_), _)]));
    path.last().map_or(tokens[index].1.end, |pair| pair[1].1.end)
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn names(sql: &str) -> Vec<&str> {
        relations(&tokens(sql)).into_iter().map(|span| &sql[span]).collect()
    }

    #[test]
    fn a_relation_is_read_by_name_wherever_a_query_reads_one() {
        assert_eq!(names("SELECT * FROM lake.a"), ["lake.a"]);
        assert_eq!(names("SELECT * FROM {{a}} JOIN lake.b ON TRUE"), ["lake.b"]);
        assert_eq!(names("SELECT * FROM {{a}} e, b AS f, \"c\".\"D\" WHERE x IN (1, 2)"), ["b", "\"c\".\"D\""]);
        assert_eq!(names("SELECT * FROM {{a}} JOIN {{b}} ON x = y, awsdatacatalog.lake.c"), ["awsdatacatalog.lake.c"]);
        assert_eq!(names("SELECT * FROM (a CROSS JOIN ({{b}} JOIN c USING (x, y)))"), ["a", "c"]);
        assert_eq!(names("SELECT * FROM {{a}} WHERE x IN (SELECT x FROM b) AND EXISTS (TABLE c)"), ["b", "c"]);
        assert_eq!(names("SELECT * FROM {{a}} UNION ALL SELECT * FROM b UNION TABLE c"), ["b", "c"]);
        assert_eq!(names("SELECT (SELECT max(x) FROM b), y FROM {{a}}"), ["b"]);
        assert_eq!(names("SELECT * FROM {{a}}, LATERAL (SELECT * FROM b)"), ["b"]);
        assert_eq!(names("SELECT extract(hour FROM (SELECT max(t) FROM b)) FROM {{a}}"), ["b"]);
        assert_eq!(names("SELECT * FROM TABLE(lake.system.query(query => 'x'))"), ["lake.system.query"]);
        assert_eq!(names("SELECT * FROM TABLE(exclude_columns(input => TABLE(b), columns => DESCRIPTOR(x)))"), ["b"]);
        assert_eq!(names("SELECT * FROM read_parquet('x')"), ["read_parquet"]);
        assert_eq!(names("SELECT * FROM \u{e9}t\u{e9}"), ["\u{e9}"]);
    }

    #[test]
    fn what_is_no_table_is_none() {
        for sql in [
            "SELECT * FROM {{a}} AS e, {{b}} f WHERE f(x, y) AND z IN (u, v) ORDER BY x, y",
            "SELECT x, y FROM {{a}} CROSS JOIN UNNEST(p, q) WITH ORDINALITY AS t (r, s), unnest(u) v",
            "SELECT * FROM (VALUES (1, x), (2, y)) t (u, v), ((SELECT 1) UNION (SELECT 2)) w, {{a}}",
            "SELECT extract(year FROM time), trim(BOTH ' ' FROM y), substring(x FROM 2) FROM {{a}}",
            "SELECT x FROM {{a}} WHERE x IS DISTINCT FROM y AND u IS NOT DISTINCT FROM v GROUP BY x, y",
            "SELECT e.\"from\", \"join\", e.from, x FROM {{a}} e",
            "SELECT x, rank() OVER w, y FROM {{a}} WINDOW w AS (PARTITION BY x, y), v AS (ORDER BY z, u)",
            "SELECT * FROM {{a}} e JOIN {{b}} f ON e.x = ARRAY[f.y, f.z][1] AND contains(ARRAY[1, 2], f.x)",
            "SELECT * FROM TABLE(sequence(start => 1, stop => 2)), {{a}} TABLESAMPLE BERNOULLI (10)",
        ] {
            assert_eq!(names(sql), [""; 0], "{sql}");
        }
    }

    #[test]
    fn a_name_that_the_query_defines_is_known_where_it_reaches() {
        for sql in [
            "WITH x AS (SELECT * FROM {{a}}), y (u, v) AS (SELECT * FROM x) SELECT * FROM y JOIN \"X\" ON TRUE",
            "WITH x AS (SELECT 1) SELECT * FROM {{a}} WHERE y IN (SELECT y FROM x)",
            "WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n FROM x) SELECT * FROM x",
            "SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x)",
        ] {
            assert_eq!(names(sql), [""; 0], "{sql}");
        }
        assert_eq!(names("WITH x (n) AS (SELECT n FROM x) SELECT * FROM x"), ["x"]);
        assert_eq!(names("WITH x AS (SELECT * FROM y), y AS (SELECT 1) SELECT * FROM y"), ["y"]);
        assert_eq!(names("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) JOIN x ON TRUE"), ["x"]);
        assert_eq!(names("WITH x AS (SELECT 1) SELECT * FROM lake.x"), ["lake.x"]);
    }
}
