//! Expressions that start with a word: special forms such as CASE and CAST, typed literals, names and calls.

use super::cursor::{Parsed, Parser, is_reserved};
use super::types::{simple_type, unknown_type};
use crate::error::unsupported;
use crate::syntax::ast::*;
use crate::syntax::lexer::Token;
use crate::types::Type;

impl Parser {
    pub(super) fn word_primary(&mut self, at: At, word: &str) -> Parsed<Expression> {
        let expression = |kind| Ok(Expression { at, kind });
        let upper = word.to_uppercase();
        match upper.as_str() {
            "NULL" => {
                self.next += 1;
                return expression(Kind::Null);
            }
            "TRUE" | "FALSE" => {
                self.next += 1;
                return expression(Kind::Boolean(upper == "TRUE"));
            }
            "CASE" => return self.case(at),
            "CAST" | "TRY_CAST" if self.symbol_at(1, "(") => {
                self.next += 2;
                let value = self.boxed()?;
                self.expect("AS")?;
                let (target, length) = self.type_with_length()?;
                self.expect_symbol(")")?;
                return expression(Kind::Cast { value, target, length, safe: upper == "TRY_CAST" });
            }
            "EXISTS" if self.symbol_at(1, "(") => {
                self.next += 1;
                let query = self.in_parentheses(Self::query)?;
                return expression(Kind::Exists(Box::new(query)));
            }
            "ARRAY" if self.symbol_at(1, "[") => {
                self.next += 2;
                let items = if self.is_symbol("]") { Vec::new() } else { self.list(Self::expression)? };
                self.expect_symbol("]")?;
                return expression(Kind::Array(items));
            }
            "ROW" if self.symbol_at(1, "(") => {
                self.next += 1;
                let items = self.in_parentheses(|parser| parser.list(Self::expression))?;
                return expression(Kind::Row(items));
            }
            "EXTRACT" if self.symbol_at(1, "(") => {
                self.next += 2;
                let field = self.name()?.text.to_uppercase();
                self.expect("FROM")?;
                let value = self.boxed()?;
                self.expect_symbol(")")?;
                return expression(Kind::Extract(field, value));
            }
            "POSITION" if self.symbol_at(1, "(") => {
                self.next += 2;
                let needle = self.value()?;
                self.expect("IN")?;
                let text = self.value()?;
                self.expect_symbol(")")?;
                return expression(call("strpos", vec![text, needle]));
            }
            "SUBSTRING" if self.symbol_at(1, "(") => {
                self.next += 2;
                let mut arguments = vec![self.expression()?];
                if self.accept("FROM") {
                    arguments.push(self.expression()?);
                    if self.accept("FOR") {
                        arguments.push(self.expression()?);
                    }
                } else {
                    while self.accept_symbol(",") {
                        arguments.push(self.expression()?);
                    }
                }
                self.expect_symbol(")")?;
                return expression(call("substring", arguments));
            }
            "TRIM" if self.symbol_at(1, "(") => {
                self.next += 2;
                let side = ["LEADING", "TRAILING", "BOTH"].into_iter().find(|side| self.accept(side));
                let function = match side {
                    Some("LEADING") => "ltrim",
                    Some("TRAILING") => "rtrim",
                    _ => "trim",
                };
                let arguments = if side.is_some() && self.accept("FROM") {
                    vec![self.expression()?]
                } else {
                    let first = self.expression()?;
                    if self.accept("FROM") {
                        vec![self.expression()?, first]
                    } else if side.is_none() && self.accept_symbol(",") {
                        vec![first, self.expression()?]
                    } else {
                        vec![first]
                    }
                };
                self.expect_symbol(")")?;
                return expression(call(function, arguments));
            }
            "LISTAGG" if self.symbol_at(1, "(") => return self.listagg(at),
            "GROUPING" if self.symbol_at(1, "(") => {
                self.next += 1;
                let items = self.in_parentheses(|parser| parser.list(Self::expression))?;
                return expression(Kind::Grouping(items));
            }
            "CURRENT_DATE" => {
                self.next += 1;
                return expression(Kind::CurrentDate);
            }
            "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP" => {
                self.next += 1;
                let digits = if self.is_symbol("(") { self.in_parentheses(Self::precision)? } else { 3 };
                return expression(match upper.as_str() {
                    "CURRENT_TIMESTAMP" => Kind::CurrentTimestamp(digits),
                    _ => Kind::LocalTimestamp(digits),
                });
            }
            "CURRENT_TIME" | "LOCALTIME" => {
                return unsupported("type time", "use timestamps");
            }
            "CURRENT_USER" | "CURRENT_ROLE" | "CURRENT_CATALOG" | "CURRENT_SCHEMA" | "CURRENT_PATH" => {
                return unsupported(upper, "write the value");
            }
            "NORMALIZE" | "JSON_ARRAY" | "JSON_OBJECT" => {
                return unsupported(format!("function {}", upper.to_lowercase()), "build the value by other functions");
            }
            "JSON_EXISTS" | "JSON_QUERY" | "JSON_VALUE" => {
                return unsupported(
                    format!("function {}", upper.to_lowercase()),
                    "use json_extract or json_extract_scalar",
                );
            }
            "INTERVAL" if matches!(self.peek_at(1), Token::Text(_) | Token::Symbol("+" | "-")) => {
                return self.interval(at);
            }
            "DOUBLE" if self.word_at(1, "PRECISION") && matches!(self.peek_at(2), Token::Text(_)) => {
                self.next += 2;
                let Token::Text(text) = self.advance() else { return Err(self.unexpected("a text")) };
                return expression(Kind::Typed(TypedLiteral::Other(Type::Double), text));
            }
            _ => {}
        }
        if let (Token::Text(text), false) = (self.peek_at(1).clone(), is_reserved(word)) {
            self.next += 2;
            let literal = match upper.as_str() {
                "TIMESTAMP" => TypedLiteral::Timestamp,
                _ => TypedLiteral::Other(simple_type(&upper).ok_or_else(|| unknown_type(at, &upper))??),
            };
            return expression(Kind::Typed(literal, text));
        }
        self.name_or_call(at)
    }

    pub(super) fn precision(&mut self) -> Parsed<u8> {
        let digits = self.integer()?;
        u8::try_from(digits)
            .ok()
            .filter(|digits| *digits <= 9)
            .map_or_else(|| unsupported(format!("precision {digits} of a time"), "use at most 9 digits"), Ok)
    }

    fn case(&mut self, at: At) -> Parsed<Expression> {
        self.next += 1;
        let operand = if self.is_word("WHEN") { None } else { Some(self.boxed()?) };
        let mut branches = Vec::new();
        while self.accept("WHEN") {
            let condition = self.expression()?;
            self.expect("THEN")?;
            branches.push((condition, self.expression()?));
        }
        if branches.is_empty() {
            return Err(self.unexpected("WHEN"));
        }
        let otherwise = if self.accept("ELSE") { Some(self.boxed()?) } else { None };
        self.expect("END")?;
        Ok(Expression { at, kind: Kind::Case { operand, branches, otherwise } })
    }

    fn interval(&mut self, at: At) -> Parsed<Expression> {
        self.next += 1;
        let negative = self.accept_symbol("-");
        if !negative {
            self.accept_symbol("+");
        }
        let Token::Text(text) = self.advance() else {
            self.next -= 1;
            return Err(self.unexpected("a text"));
        };
        let from = self.interval_field()?;
        let to = if self.accept("TO") { Some(self.interval_field()?) } else { None };
        Ok(Expression { at, kind: Kind::Interval { text, negative, from, to } })
    }

    fn interval_field(&mut self) -> Parsed<IntervalField> {
        let fields = [
            ("YEAR", IntervalField::Year),
            ("MONTH", IntervalField::Month),
            ("DAY", IntervalField::Day),
            ("HOUR", IntervalField::Hour),
            ("MINUTE", IntervalField::Minute),
            ("SECOND", IntervalField::Second),
        ];
        for (word, field) in fields {
            if self.accept(word) {
                return Ok(field);
            }
        }
        Err(self.unexpected("YEAR, MONTH, DAY, HOUR, MINUTE or SECOND"))
    }

    fn listagg(&mut self, at: At) -> Parsed<Expression> {
        self.next += 2;
        let distinct = !self.accept("ALL") && self.accept("DISTINCT");
        let mut arguments = vec![self.expression()?];
        if self.accept_symbol(",") {
            arguments.push(self.expression()?);
        }
        if self.accept_all(&["ON", "OVERFLOW"]) && !self.accept("ERROR") {
            return unsupported("listagg(… ON OVERFLOW TRUNCATE …)", "leave it out; long texts are an error");
        }
        self.expect_symbol(")")?;
        if !self.accept_all(&["WITHIN", "GROUP"]) {
            return Err(self.unexpected("WITHIN GROUP"));
        }
        let order_by = self.in_parentheses(|parser| {
            parser.expect("ORDER")?;
            parser.expect("BY")?;
            parser.list(Self::sort_item)
        })?;
        let filter = self.filter_clause()?;
        let call = Call {
            name: "listagg".to_owned(),
            arguments,
            star: false,
            distinct,
            order_by,
            filter,
            ignore_nulls: false,
            over: None,
        };
        Ok(Expression { at, kind: Kind::Call(Box::new(call)) })
    }

    fn filter_clause(&mut self) -> Parsed<Option<Expression>> {
        if self.is_word("FILTER") && self.symbol_at(1, "(") {
            self.next += 1;
            return self
                .in_parentheses(|parser| {
                    parser.expect("WHERE")?;
                    parser.expression()
                })
                .map(Some);
        }
        Ok(None)
    }

    pub(super) fn name_or_call(&mut self, at: At) -> Parsed<Expression> {
        if self.symbol_at(1, "->") {
            let name = self.name()?;
            self.next += 1;
            let body = self.boxed()?;
            return Ok(Expression { at, kind: Kind::Lambda(vec![name], body) });
        }
        let name = self.name()?;
        if !self.is_symbol("(") {
            return Ok(Expression { at, kind: Kind::Identifier(name) });
        }
        self.next += 1;
        let mut call = Call::new(name.text.to_lowercase(), Vec::new());
        if self.accept_symbol("*") {
            call.star = true;
        } else if !self.is_symbol(")") {
            call.distinct = !self.accept("ALL") && self.accept("DISTINCT");
            call.arguments = self.list(Self::expression)?;
            if self.accept_all(&["ORDER", "BY"]) {
                call.order_by = self.list(Self::sort_item)?;
            }
        }
        self.expect_symbol(")")?;
        call.filter = self.filter_clause()?;
        if self.accept_all(&["IGNORE", "NULLS"]) {
            call.ignore_nulls = true;
        } else {
            self.accept_all(&["RESPECT", "NULLS"]);
        }
        if self.accept("OVER") {
            call.over = Some(if self.is_symbol("(") {
                Over::Inline(Box::new(self.window()?))
            } else {
                Over::Named(self.name()?)
            });
        }
        Ok(Expression { at, kind: Kind::Call(Box::new(call)) })
    }
}

fn call(name: &str, arguments: Vec<Expression>) -> Kind {
    Kind::Call(Box::new(Call::new(name, arguments)))
}
