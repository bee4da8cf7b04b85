//! Relations: what stands after FROM, joins and their aliases.

use super::cursor::{Parsed, Parser};
use crate::error::unsupported;
use crate::limits::{MAX_JOINS, too_many_joins};
use crate::syntax::ast::*;

impl Parser {
    pub(super) fn relations(&mut self) -> Parsed<Relation> {
        let mut left = self.relation()?;
        loop {
            let at = self.at();
            if !self.accept_symbol(",") {
                return Ok(left);
            }
            self.count_join(at)?;
            let right = self.relation()?;
            left = Relation::Join {
                at,
                kind: JoinKind::Cross,
                left: Box::new(left),
                right: Box::new(right),
                criteria: Criteria::None,
            };
        }
    }

    /// Counts a join, which is a level of the tree and of the plan.
    fn count_join(&mut self, at: At) -> Parsed<()> {
        self.joins += 1;
        if self.joins > MAX_JOINS { Err(too_many_joins(at)) } else { Ok(()) }
    }

    fn relation(&mut self) -> Parsed<Relation> {
        let mut left = self.aliased_relation()?;
        loop {
            let at = self.at();
            if self.accept_all(&["CROSS", "JOIN"]) {
                self.count_join(at)?;
                let right = self.aliased_relation()?;
                let (kind, criteria) = (JoinKind::Cross, Criteria::None);
                left = Relation::Join { at, kind, left: Box::new(left), right: Box::new(right), criteria };
                continue;
            }
            let natural = self.accept("NATURAL");
            let kind = if self.accept("LEFT") {
                self.accept("OUTER");
                JoinKind::Left
            } else if self.accept("RIGHT") {
                self.accept("OUTER");
                JoinKind::Right
            } else if self.accept("FULL") {
                self.accept("OUTER");
                JoinKind::Full
            } else if self.is_word("JOIN") || self.is_word("INNER") {
                self.accept("INNER");
                JoinKind::Inner
            } else if natural {
                return Err(self.unexpected("JOIN"));
            } else {
                return Ok(left);
            };
            self.expect("JOIN")?;
            self.count_join(at)?;
            let (right, criteria) = if natural {
                (self.aliased_relation()?, Criteria::Natural)
            } else {
                let right = self.deeper(Self::relation)?;
                if self.accept("ON") {
                    (right, Criteria::On(self.expression()?))
                } else if self.accept("USING") {
                    (right, Criteria::Using(self.in_parentheses(|parser| parser.list(Self::name))?))
                } else {
                    return Err(self.unexpected("ON or USING"));
                }
            };
            left = Relation::Join { at, kind, left: Box::new(left), right: Box::new(right), criteria };
        }
    }

    fn aliased_relation(&mut self) -> Parsed<Relation> {
        let relation = self.relation_primary()?;
        if self.is_word("MATCH_RECOGNIZE") {
            return unsupported(
                "MATCH_RECOGNIZE",
                "use window functions over the rows in order, as lag, lead and sum OVER (… RANGE …)",
            );
        }
        let relation = if self.accept("AS") || self.starts_relation_alias() {
            let name = self.name()?;
            let columns = self.column_aliases()?;
            Relation::Alias(Box::new(relation), name, columns)
        } else {
            relation
        };
        if self.is_word("MATCH_RECOGNIZE") {
            return unsupported("MATCH_RECOGNIZE", "use window functions over the rows in order");
        }
        if self.is_word("TABLESAMPLE") {
            return unsupported("TABLESAMPLE", "filter by a hash or a window of time");
        }
        Ok(relation)
    }

    fn starts_relation_alias(&self) -> bool {
        self.starts_alias() && !self.is_word("TABLESAMPLE") && !self.is_word("MATCH_RECOGNIZE")
    }

    fn relation_primary(&mut self) -> Parsed<Relation> {
        let at = self.at();
        if self.accept("UNNEST") {
            let arrays = self.in_parentheses(|parser| parser.list(Self::expression))?;
            let ordinality = self.accept_all(&["WITH", "ORDINALITY"]);
            return Ok(Relation::Unnest { at, arrays, ordinality });
        }
        if self.is_word("LATERAL") && self.symbol_at(1, "(") {
            self.next += 1;
            self.in_parentheses(Self::query)?;
            return Ok(Relation::Lateral(at));
        }
        if self.is_word("JSON_TABLE") {
            return unsupported("JSON_TABLE", "use json_extract with CROSS JOIN UNNEST(CAST(… AS array(json)))");
        }
        if self.is_word("TABLE") && self.symbol_at(1, "(") {
            return unsupported("TABLE(function)", "for numbers use UNNEST(sequence(…))");
        }
        if self.is_symbol("(") {
            return self.deeper(|parser| {
                // `((SELECT …))` and `((SELECT …) AS a JOIN …)` begin alike.
                if parser.is_query_in_parentheses() {
                    let query = parser.in_parentheses(Self::query)?;
                    return Ok(Relation::Query(Box::new(query)));
                }
                parser.in_parentheses(Self::relations_of_join)
            });
        }
        let name = self.qualified_name()?;
        if self.is_symbol("(") {
            return Err(self.unexpected("an alias; functions of tables stand in TABLE(…)"));
        }
        if self.is_word("FOR") && (self.word_at(1, "TIMESTAMP") || self.word_at(1, "VERSION")) {
            return unsupported("time travel (FOR TIMESTAMP AS OF)", "filter by a column of time");
        }
        Ok(Relation::Table(at, name))
    }

    fn relations_of_join(&mut self) -> Parsed<Relation> {
        self.relation()
    }
}
