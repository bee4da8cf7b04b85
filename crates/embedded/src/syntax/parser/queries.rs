//! Queries: WITH, SELECT, set operations, GROUP BY, ORDER BY and limits.

use query::QueryError;

use super::cursor::{Parsed, Parser};
use crate::error::unsupported;
use crate::syntax::ast::*;
use crate::syntax::lexer::Token;

/// Words that start a query.
pub(super) const QUERY: [&str; 4] = ["SELECT", "WITH", "VALUES", "TABLE"];

impl Parser {
    pub(super) fn query(&mut self) -> Parsed<Query> {
        self.deeper(Self::query_inner)
    }

    fn query_inner(&mut self) -> Parsed<Query> {
        let mut with = Vec::new();
        if self.is_word("WITH") && (self.word_at(1, "FUNCTION") || self.word_at(1, "SESSION")) {
            return unsupported("WITH FUNCTION", "write the expression where it is used");
        }
        if self.accept("WITH") {
            if self.accept("RECURSIVE") {
                return unsupported("WITH RECURSIVE", "write the steps out, one common table for each");
            }
            with = self.list(|parser| {
                let name = parser.name()?;
                let columns = parser.column_aliases()?;
                parser.expect("AS")?;
                let query = parser.in_parentheses(Self::query)?;
                Ok(CommonTable { name, columns, query })
            })?;
        }
        let body = self.set_operation()?;
        let order_by = if self.accept_all(&["ORDER", "BY"]) { self.list(Self::sort_item)? } else { Vec::new() };
        let mut offset = 0;
        if self.accept("OFFSET") {
            offset = self.integer()?;
            let _ = self.accept("ROW") || self.accept("ROWS");
        }
        let mut limit = None;
        let mut with_ties = false;
        if self.accept("LIMIT") {
            if !self.accept("ALL") {
                limit = Some(self.integer()?);
            }
            if self.is_word("OFFSET") {
                return Err(QueryError::Invalid(format!("{}: OFFSET stands before LIMIT", self.at())));
            }
        } else if self.accept("FETCH") {
            if !self.accept("FIRST") {
                self.expect("NEXT")?;
            }
            limit = Some(if matches!(self.peek(), Token::Integer(_)) { self.integer()? } else { 1 });
            if !self.accept("ROW") {
                self.expect("ROWS")?;
            }
            if !self.accept("ONLY") {
                if !self.accept_all(&["WITH", "TIES"]) {
                    return Err(self.unexpected("ONLY or WITH TIES"));
                }
                with_ties = true;
            }
        }
        Ok(Query { with, body, order_by, offset, limit, with_ties })
    }

    pub(super) fn sort_item(&mut self) -> Parsed<SortItem> {
        let expression = self.expression()?;
        let descending = !self.accept("ASC") && self.accept("DESC");
        let mut nulls_first = false;
        if self.accept("NULLS") {
            nulls_first = self.accept("FIRST");
            if !nulls_first {
                self.expect("LAST")?;
            }
        }
        Ok(SortItem { expression, descending, nulls_first })
    }

    fn set_operation(&mut self) -> Parsed<Body> {
        self.set_operators(Self::intersection, |parser| {
            if parser.accept("UNION") {
                Some(SetOperator::Union)
            } else {
                parser.accept("EXCEPT").then_some(SetOperator::Except)
            }
        })
    }

    fn intersection(&mut self) -> Parsed<Body> {
        let operator = |parser: &mut Self| parser.accept("INTERSECT").then_some(SetOperator::Intersect);
        self.set_operators(Self::query_primary, operator)
    }

    /// Operators of one rank with what stands between them.
    fn set_operators(
        &mut self,
        operand: impl Fn(&mut Self) -> Parsed<Body>,
        operator: impl Fn(&mut Self) -> Option<SetOperator>,
    ) -> Parsed<Body> {
        let first = operand(self)?;
        let mut rest = Vec::new();
        loop {
            let at = self.at();
            let Some(operator) = operator(self) else { break };
            let distinct = self.set_quantifier()?;
            rest.push(SetOperation { at, operator, distinct, right: operand(self)? });
        }
        Ok(if rest.is_empty() { first } else { Body::Sets(Box::new(first), rest) })
    }

    /// `ALL` or `DISTINCT`; whether rows are to be distinct.
    fn set_quantifier(&mut self) -> Parsed<bool> {
        let distinct = self.accept("DISTINCT") || !self.accept("ALL");
        if self.is_word("CORRESPONDING") {
            return unsupported("CORRESPONDING", "name the columns in both queries in the same order");
        }
        Ok(distinct)
    }

    fn query_primary(&mut self) -> Parsed<Body> {
        let at = self.at();
        if self.accept("SELECT") {
            return self.select(at);
        }
        if self.accept("TABLE") {
            return Ok(Body::Table(at, self.qualified_name()?));
        }
        if self.accept("VALUES") {
            return Ok(Body::Values(at, self.list(Self::expression)?));
        }
        if self.is_symbol("(") {
            let query = self.in_parentheses(|parser| parser.deeper(Self::query_without_with))?;
            return Ok(Body::Query(Box::new(query)));
        }
        Err(self.unexpected("SELECT, VALUES, TABLE or '('"))
    }

    fn query_without_with(&mut self) -> Parsed<Query> {
        if self.is_word("WITH") {
            return Err(self.unexpected("SELECT"));
        }
        self.query_inner()
    }

    fn select(&mut self, at: At) -> Parsed<Body> {
        let distinct = !self.accept("ALL") && self.accept("DISTINCT");
        let items = self.list(Self::select_item)?;
        let from = if self.accept("FROM") { Some(self.relations()?) } else { None };
        let filter = if self.accept("WHERE") { Some(self.expression()?) } else { None };
        let group_by = if self.accept_all(&["GROUP", "BY"]) { Some(self.group_by()?) } else { None };
        let having = if self.accept("HAVING") { Some(self.expression()?) } else { None };
        let windows = if self.is_word("WINDOW") && self.word_at(2, "AS") {
            self.next += 1;
            self.list(|parser| {
                let name = parser.name()?;
                parser.expect("AS")?;
                Ok((name, parser.window()?))
            })?
        } else {
            Vec::new()
        };
        Ok(Body::Select(Box::new(Select { at, distinct, items, from, filter, group_by, having, windows })))
    }

    fn select_item(&mut self) -> Parsed<SelectItem> {
        let at = self.at();
        if self.accept_symbol("*") {
            return Ok(SelectItem::All(at));
        }
        let expression = self.expression()?;
        if self.is_symbol(".") && self.symbol_at(1, "*") {
            self.next += 2;
            let names = if self.accept("AS") { self.column_aliases()? } else { None };
            return Ok(SelectItem::AllOf(expression, names));
        }
        let alias = if self.accept("AS") || self.starts_alias() { Some(self.name()?) } else { None };
        Ok(SelectItem::Expression(expression, alias))
    }

    fn group_by(&mut self) -> Parsed<GroupBy> {
        let distinct = self.accept("DISTINCT");
        if !distinct {
            self.accept("ALL");
        }
        let elements = self.list(|parser| {
            if parser.accept("ROLLUP") {
                return Ok(GroupingElement::Rollup(parser.in_parentheses(|parser| parser.list(Self::grouping_set))?));
            }
            if parser.accept("CUBE") {
                return Ok(GroupingElement::Cube(parser.in_parentheses(|parser| parser.list(Self::grouping_set))?));
            }
            if parser.accept_all(&["GROUPING", "SETS"]) {
                return Ok(GroupingElement::Sets(parser.in_parentheses(|parser| parser.list(Self::grouping_set))?));
            }
            parser.grouping_set().map(GroupingElement::Simple)
        })?;
        Ok(GroupBy { distinct, elements })
    }

    fn grouping_set(&mut self) -> Parsed<Vec<Expression>> {
        if self.is_symbol("(") && self.symbol_at(1, ")") {
            self.next += 2;
            return Ok(Vec::new());
        }
        let expression = self.expression()?;
        Ok(match expression.kind {
            Kind::Row(items) => items,
            _ => vec![expression],
        })
    }

    /// Whether the parenthesis that opens here holds a query, not an expression or a join that begins with one. Told from
    /// what follows each parenthesis within: to try and to go back would take twice as long for each level.
    pub(super) fn is_query_in_parentheses(&self) -> bool {
        let mut first = self.next;
        while matches!(self.tokens.get(first), Some((_, Token::Symbol("(")))) {
            first += 1;
        }
        let word = first - self.next;
        if word == 0 || !QUERY.iter().any(|query| self.word_at(word, query)) {
            return false;
        }
        (self.next + 1..first).all(|open| {
            let after = self.closing[open] + 1;
            match self.tokens.get(after) {
                None => true,
                Some((_, token)) => match token {
                    Token::Symbol(")") | Token::End => true,
                    Token::Word(word) => {
                        let follows = ["UNION", "EXCEPT", "INTERSECT", "ORDER"];
                        follows.iter().any(|follows| follows.eq_ignore_ascii_case(word)) || self.starts_clause_at(after)
                    }
                    _ => false,
                },
            }
        })
    }
}
