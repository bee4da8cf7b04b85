//! Adds columns to the SELECT of a rule, so that each row names its event or block.

use std::ops::Range;

use sql::text::Sql;

use crate::shape::AGGREGATES;
use crate::template::tokens::{AFTER_FROM, Token, tokens};
use crate::template::{Piece, Template};

/// The places in a rule's SELECT where columns are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Select {
    /// The table whose rows are the events: the first one after FROM.
    pub(super) table: usize,
    /// Before FROM.
    columns_end: usize,
    /// After the last expression of GROUP BY.
    group_end: Option<usize>,
}

impl Select {
    /// Finds the places. The error says why the rows of this SELECT cannot be assigned to events.
    pub(super) fn of(sql: &str, template: &Template) -> Result<Self, &'static str> {
        let tokens = tokens(sql);
        let mut depth = 0_usize;
        // The tokens outside parentheses.
        let outer: Vec<(usize, &Token, &Range<usize>)> = tokens
            .iter()
            .enumerate()
            .filter_map(|(index, (token, span))| {
                let at = depth;
                match token {
                    Token::Open => depth += 1,
                    Token::Close => depth = depth.saturating_sub(1),
                    _ => {}
                }
                (at == 0).then_some((index, token, span))
            })
            .collect();
        if !outer.first().is_some_and(|(_, token, _)| token.is_word("select")) {
            return Err("its SQL does not begin with SELECT");
        }
        if outer.iter().any(|(_, token, _)| ["union", "intersect", "except"].iter().any(|word| token.is_word(word))) {
            return Err("its SQL joins several SELECTs");
        }
        if outer.iter().any(|(_, token, _)| ["limit", "offset", "fetch"].iter().any(|word| token.is_word(word))) {
            return Err("its SQL limits the number of rows");
        }
        // `a IS DISTINCT FROM b` is not a clause. After `SELECT DISTINCT` a column comes before FROM.
        let from = outer
            .windows(2)
            .position(|pair| pair[1].1.is_word("from") && !pair[0].1.is_word("distinct"))
            .ok_or("its SQL has no FROM")?
            + 1;
        let (from_index, _, from_span) = outer[from];
        let table = outer.get(from + 1).and_then(|(_, _, span)| {
            template.tables.iter().position(|table| span.start <= table.span.start && table.span.end <= span.end)
        });
        let table = table.ok_or("its SQL reads another query first, not a table")?;
        let before = &tokens[..from_index];
        if before.iter().any(|(token, _)| token.is_word("over")) {
            return Err("its SQL has window functions");
        }
        let clause =
            |word: &str| outer[from..].iter().position(|(_, token, _)| token.is_word(word)).map(|at| at + from);
        let group_end = match clause("group") {
            None => {
                let aggregates = before.windows(2).any(|pair| {
                    pair[1].0 == Token::Open && pair[0].0.word().is_some_and(|word| AGGREGATES.contains(&word))
                });
                if aggregates || clause("having").is_some() {
                    return Err("its SQL counts all rows as one group");
                }
                None
            }
            Some(group) => {
                let clauses = &outer[group..];
                if clauses.iter().any(|(_, token, _)| ["rollup", "cube", "sets"].iter().any(|w| token.is_word(w))) {
                    return Err("its SQL groups in several ways");
                }
                let is_next = |(_, token, _): &&(usize, &Token, &Range<usize>)| {
                    token.word().is_some_and(|word| word != "group" && AFTER_FROM.contains(&word))
                };
                let end = match clauses.iter().find(is_next) {
                    Some((index, ..)) => tokens.get(index - 1),
                    None => tokens.last(),
                };
                Some(end.map(|(_, span)| span.end).ok_or("its SQL has an empty GROUP BY")?)
            }
        };
        Ok(Self { table, columns_end: from_span.start, group_end })
    }

    /// Whether it has a GROUP BY.
    pub(super) fn is_grouped(&self) -> bool {
        self.group_end.is_some()
    }

    /// The SQL with more columns, and grouped by more columns. `fill` returns the replacement of a template.
    pub(super) fn with(
        &self,
        sql: &str,
        template: &Template,
        columns: &Sql,
        groups: &Sql,
        mut fill: impl FnMut(&Piece) -> Sql,
    ) -> Sql {
        let mut added: Vec<(usize, Sql)> =
            vec![(self.columns_end, Sql::joined("", [Sql::code(", "), columns.clone(), Sql::code(" ")]))];
        if let Some(end) = self.group_end {
            added.push((end, Sql::joined("", [Sql::code(", "), groups.clone()])));
        }
        let mut whole = Vec::new();
        for piece in &template.pieces {
            let Piece::Text(range) = piece else {
                whole.push(fill(piece));
                continue;
            };
            let mut at = range.start;
            // A place at the end of a text belongs to that text, not to the next.
            while let Some((place, _)) = added.first().filter(|(place, _)| at <= *place && *place <= range.end) {
                let place = *place;
                whole.push(Sql::of_author(sql.get(at..place).unwrap_or_default()));
                whole.push(added.remove(0).1);
                at = place;
            }
            whole.push(Sql::of_author(sql.get(at..range.end).unwrap_or_default()));
        }
        // No text follows a GROUP BY that ends with a parameter.
        whole.extend(added.into_iter().map(|(_, sql)| sql));
        Sql::joined("", whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template;

    fn with(text: &str) -> Result<String, &'static str> {
        let template = template::read(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
        let select = Select::of(text, &template)?;
        assert_eq!(template.tables[select.table].name, "t");
        let fill = |piece: &Piece| match piece {
            Piece::Table(_) => Sql::code("T"),
            Piece::Window(_) => Sql::code("W"),
            _ => Sql::code("P"),
        };
        Ok(select.with(text, &template, &Sql::code("k"), &Sql::code("g"), fill).as_str().to_owned())
    }

    #[test]
    fn columns_come_last_before_from() {
        for (text, expected) in [
            ("SELECT a, b FROM {{t}} WHERE {{window}}", "SELECT a, b , k FROM T WHERE W"),
            (
                "SELECT * FROM {{t}} e JOIN {{u}} f ON TRUE WHERE {{window:e}} AND {{window:f}}",
                "SELECT * , k FROM T e JOIN T f ON TRUE WHERE W AND W",
            ),
            (
                "SELECT DISTINCT a -- all, FROM x\nFROM {{t}} WHERE {{window}}",
                "SELECT DISTINCT a -- all, FROM x\n, k FROM T WHERE W",
            ),
            (
                "SELECT a IS DISTINCT FROM b FROM {{t}} WHERE {{window}}",
                "SELECT a IS DISTINCT FROM b , k FROM T WHERE W",
            ),
            (
                "SELECT extract(hour FROM d) FROM {{t}} WHERE {{window}}",
                "SELECT extract(hour FROM d) , k FROM T WHERE W",
            ),
            (
                "SELECT 'from', a FROM {{t}} WHERE {{window}} AND x = {{param:p}}",
                "SELECT 'from', a , k FROM T WHERE W AND x = P",
            ),
        ] {
            assert_eq!(with(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn groups_are_made_finer() {
        assert_eq!(
            with("SELECT a, count(*) FROM {{t}} WHERE {{window}} GROUP BY 1 HAVING count(*) > 2 ORDER BY 2").as_deref(),
            Ok("SELECT a, count(*) , k FROM T WHERE W GROUP BY 1, g HAVING count(*) > 2 ORDER BY 2")
        );
        assert_eq!(
            with("SELECT max(time) FROM {{t}} WHERE {{window}} GROUP BY lower(a) -- done").as_deref(),
            Ok("SELECT max(time) , k FROM T WHERE W GROUP BY lower(a), g -- done")
        );
    }

    #[test]
    fn what_does_not_tell_its_events_says_why() {
        for text in [
            "WITH c AS (SELECT a FROM {{t}} WHERE {{window}}) SELECT a FROM c",
            "SELECT a FROM {{t}} WHERE {{window}} UNION ALL SELECT a FROM {{t}} WHERE {{window}}",
            "SELECT count(*) FROM {{t}} WHERE {{window}}",
            // An aggregate of another query is taken for one of this.
            "SELECT a, (SELECT max(x) FROM (VALUES 1) v(x)) FROM {{t}} WHERE {{window}}",
            "SELECT a FROM {{t}} WHERE {{window}} LIMIT 5",
            "SELECT a FROM (SELECT a FROM {{t}} WHERE {{window}}) q",
            "SELECT a, row_number() OVER (ORDER BY a) FROM {{t}} WHERE {{window}}",
            "SELECT a, count(*) FROM {{t}} WHERE {{window}} GROUP BY ROLLUP (a)",
        ] {
            assert!(with(text).is_err(), "{text}");
        }
    }
}
