//! The SQL of a rule as a list of columns, one logical table and a condition, where it is no more than that.

use std::ops::Range;

use super::tokens::{AFTER_FROM, Token, begins_part, tokens, unquoted};
use super::{Piece, TableReference, Template, alias_after};

/// `SELECT columns FROM {{table}} WHERE condition`: what a row says depends on one event alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowQuery<'t> {
    pub(crate) table: &'t TableReference,
    /// The columns of the SELECT, in order.
    pub(crate) columns: Vec<SelectedColumn>,
    /// Where the condition stands in the text.
    pub(crate) condition: Range<usize>,
}

/// A column of a SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SelectedColumn {
    /// Its name, in lower case unless it was quoted.
    pub(crate) name: String,
    /// Where its expression stands in the text.
    pub(crate) expression: Range<usize>,
    /// Whether it is a column or a field of one, which can be read of any row without an error.
    pub(crate) is_plain: bool,
}

impl<'t> RowQuery<'t> {
    /// Reads the SQL that `template` was made of. `None` if it is anything else, or if a column has no name that is certain.
    pub(crate) fn of(sql: &str, template: &'t Template) -> Option<Self> {
        let [table] = &template.tables[..] else { return None };
        let tokens = tokens(sql);
        let token = |at: usize| tokens.get(at).map(|(token, _)| token);
        let top = top_level(&tokens);
        let is_top = |at: usize, word: &str| token(at).is_some_and(|token| token.is_word(word));
        let from = *top.iter().find(|at| is_top(**at, "from"))?;
        if !is_top(0, "select") || !matches!(token(from + 1), Some(Token::Hole(_))) || tokens[from + 1].1 != table.span
        {
            return None;
        }
        let where_at = *top.iter().find(|at| is_top(**at, "where"))?;
        // Between the table and WHERE there is an alias at most.
        let between = where_at.checked_sub(from + 2)?;
        let of_alias = usize::from(is_top(from + 2, "as")) + usize::from(table.alias.is_some());
        let is_clause = |at: &usize| {
            let word = token(*at).and_then(Token::word);
            word.is_some_and(|word| begins_part(word) || AFTER_FROM.contains(&word))
        };
        let others = top.iter().filter(|at| **at != where_at).any(is_clause);
        if between != of_alias || alias_after(&tokens[from + 2..]) != table.alias || others {
            return None;
        }
        let selected: Vec<usize> = top.iter().copied().filter(|at| (1..from).contains(at)).collect();
        let columns = selected
            .split(|at| token(*at) == Some(&Token::Comma))
            .map(|places| column(sql, &tokens, places))
            .collect::<Option<Vec<_>>>()?;
        let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let condition = tokens.get(where_at + 1)?.1.start..tokens.last()?.1.end;
        Some(Self { table, columns, condition })
    }
}

/// The indices of the tokens outside of all parentheses, each opening parenthesis included.
fn top_level(tokens: &[(Token, Range<usize>)]) -> Vec<usize> {
    let mut depth = 0_usize;
    let mut top = Vec::new();
    for (at, (token, _)) in tokens.iter().enumerate() {
        if *token == Token::Close {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 {
            top.push(at);
        }
        if *token == Token::Open {
            depth += 1;
        }
    }
    top
}

/// `expression AS name`, or a path whose last part is the name. `places` are its tokens outside of parentheses.
fn column(sql: &str, tokens: &[(Token, Range<usize>)], places: &[usize]) -> Option<SelectedColumn> {
    const NO_EXPRESSION: &[&str] = &["all", "distinct"];
    let word = |at: usize| tokens[at].0.word();
    let (first, last) = (*places.first()?, *places.last()?);
    if word(first).is_some_and(|word| NO_EXPRESSION.contains(&word)) {
        return None;
    }
    let (name, end) = match places {
        [.., before, marker, name] if tokens[*marker].0.is_word("as") => (word(*name)?, *before),
        _ => (word(last)?, last),
    };
    let is_path = (first..=end).enumerate().all(|(number, at)| match &tokens[at].0 {
        Token::Word(_) => number % 2 == 0,
        token => number % 2 == 1 && *token == Token::Dot,
    });
    // Without AS only a path has a name that is certain.
    if end == last && !is_path {
        return None;
    }
    let expression = tokens[first].1.start..tokens[end].1.end;
    // `SELECT x AS "*"` would be one.
    let is_whole = !sql.get(expression.clone())?.is_empty();
    is_whole.then(|| SelectedColumn { name: unquoted(name), expression, is_plain: is_path })
}

impl Template {
    /// The pieces of a part of the text that the template was made of.
    pub(crate) fn part(&self, range: &Range<usize>) -> Vec<Piece> {
        let mut at = 0;
        let mut part = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => {
                    at = text.end;
                    let cut = text.start.max(range.start)..text.end.min(range.end);
                    if !cut.is_empty() {
                        part.push(Piece::Text(cut));
                    }
                }
                // A template begins where the text before it ends.
                other if range.contains(&at) => part.push(other.clone()),
                _ => {}
            }
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::read;

    /// The columns as `name=expression`, and the condition.
    fn read_as(sql: &str) -> Option<(Vec<String>, String)> {
        let template = read(sql).unwrap();
        let query = RowQuery::of(sql, &template)?;
        let columns = query.columns.iter().map(|column| {
            let plain = if column.is_plain { "" } else { "!" };
            format!("{}={plain}{}", column.name, &sql[column.expression.clone()])
        });
        Some((columns.collect(), sql[query.condition.clone()].to_owned()))
    }

    #[test]
    fn columns_and_condition_are_cut_out_as_they_are_written() {
        let sql = "SELECT time, actor.\"user\".uid AS user_uid, -- who\n  COALESCE(a.b, 'x, y') AS \"Who\" FROM {{t}} e\n\
                   WHERE {{window}} AND (x = 'from' OR y IN {{param:p}}) -- end";
        let (columns, condition) = read_as(sql).unwrap();
        assert_eq!(columns, ["time=time", "user_uid=actor.\"user\".uid", "Who=!COALESCE(a.b, 'x, y')"]);
        assert_eq!(condition, "{{window}} AND (x = 'from' OR y IN {{param:p}})");
        assert!(read_as("SELECT e.time FROM {{t}} AS e WHERE {{window:e}}").is_some());
    }

    #[test]
    fn what_is_more_than_one_table_and_a_condition_is_left_alone() {
        for sql in [
            "SELECT * FROM {{t}} WHERE {{window}}",
            "SELECT time, lower(x) FROM {{t}} WHERE {{window}}",
            "SELECT time, x y FROM {{t}} WHERE {{window}}",
            "SELECT time, x AS time FROM {{t}} WHERE {{window}}",
            "SELECT DISTINCT time FROM {{t}} WHERE {{window}}",
            "SELECT time FROM {{t}} WHERE {{window}} ORDER BY time",
            "SELECT time FROM {{t}} CROSS JOIN UNNEST(xs) AS u(x) WHERE {{window}}",
            "SELECT time FROM (SELECT time FROM {{t}} WHERE {{window}}) AS e WHERE time > 5",
            "WITH e AS (SELECT time FROM {{t}} WHERE {{window}}) SELECT time FROM e WHERE time > 5",
            "SELECT time FROM {{t}} WHERE {{window}} UNION ALL SELECT time FROM {{u}} WHERE {{window}}",
        ] {
            assert_eq!(read_as(sql), None, "{sql}");
        }
    }

    #[test]
    fn a_part_has_the_templates_that_stand_in_it() {
        let sql = "SELECT a FROM {{t}} WHERE {{window}} AND b = {{param:p}} AND c";
        let template = read(sql).unwrap();
        let at = |text: &str| sql.find(text).unwrap();
        let part = template.part(&(at("AND b")..at(" AND c")));
        assert_eq!(
            part,
            [Piece::Text(at("AND b")..at("{{param")), Piece::Parameter("p".to_owned(), at("{{param")..at(" AND c")),]
        );
    }
}
