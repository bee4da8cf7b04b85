//! Expressions by the rank of their operators, from OR down to literals, parentheses and lambdas.

use query::QueryError;

use super::cursor::{Parsed, Parser, is_reserved};
use crate::syntax::ast::*;
use crate::syntax::lexer::Token;

impl Parser {
    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        self.deeper(Self::disjunction)
    }

    pub(super) fn boxed(&mut self) -> Parsed<Box<Expression>> {
        self.expression().map(Box::new)
    }

    fn disjunction(&mut self) -> Parsed<Expression> {
        let at = self.at();
        let first = self.conjunction()?;
        if !self.is_word("OR") {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.accept("OR") {
            terms.push(self.conjunction()?);
        }
        Ok(Expression { at, kind: Kind::Or(terms) })
    }

    fn conjunction(&mut self) -> Parsed<Expression> {
        let at = self.at();
        let first = self.negation()?;
        if !self.is_word("AND") {
            return Ok(first);
        }
        let mut terms = vec![first];
        while self.accept("AND") {
            terms.push(self.negation()?);
        }
        Ok(Expression { at, kind: Kind::And(terms) })
    }

    fn negation(&mut self) -> Parsed<Expression> {
        let at = self.at();
        if self.accept("NOT") {
            let inner = self.deeper(Self::negation)?;
            return Ok(Expression { at, kind: Kind::Not(Box::new(inner)) });
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Parsed<Expression> {
        let mut left = self.value()?;
        for levels in 0.. {
            self.fits(levels)?;
            let at = self.at();
            let comparison = match self.peek() {
                Token::Symbol("=") => Some(Comparison::Equal),
                Token::Symbol("<>" | "!=") => Some(Comparison::NotEqual),
                Token::Symbol("<") => Some(Comparison::Less),
                Token::Symbol("<=") => Some(Comparison::LessOrEqual),
                Token::Symbol(">") => Some(Comparison::Greater),
                Token::Symbol(">=") => Some(Comparison::GreaterOrEqual),
                _ => None,
            };
            if let Some(comparison) = comparison {
                self.next += 1;
                let quantified = ["ALL", "SOME", "ANY"].iter().any(|word| self.is_word(word)) && self.symbol_at(1, "(");
                let kind = if quantified {
                    let all = self.is_word("ALL");
                    self.next += 1;
                    let query = Box::new(self.in_parentheses(Self::query)?);
                    Kind::CompareQuantified { comparison, all, value: Box::new(left), query }
                } else {
                    Kind::Compare(comparison, Box::new(left), Box::new(self.value()?))
                };
                left = Expression { at, kind };
                continue;
            }
            if self.accept("IS") {
                let negated = self.accept("NOT");
                let kind = if self.accept("NULL") {
                    Kind::IsNull(Box::new(left), negated)
                } else if self.accept_all(&["DISTINCT", "FROM"]) {
                    Kind::IsDistinct { left: Box::new(left), right: Box::new(self.value()?), negated }
                } else {
                    return Err(self.unexpected("NULL or DISTINCT FROM"));
                };
                left = Expression { at, kind };
                continue;
            }
            let negated = self.is_word("NOT") && ["BETWEEN", "IN", "LIKE"].iter().any(|word| self.word_at(1, word));
            self.next += usize::from(negated);
            let kind = if self.accept("BETWEEN") {
                let low = self.value()?;
                self.expect("AND")?;
                let high = self.value()?;
                Kind::Between { value: Box::new(left), low: Box::new(low), high: Box::new(high), negated }
            } else if self.accept("IN") {
                let is_query = self.is_query_in_parentheses();
                self.expect_symbol("(")?;
                let kind = if is_query {
                    Kind::InQuery { value: Box::new(left), query: Box::new(self.query()?), negated }
                } else {
                    Kind::InList { value: Box::new(left), list: self.list(Self::expression)?, negated }
                };
                self.expect_symbol(")")?;
                kind
            } else if self.accept("LIKE") {
                let pattern = Box::new(self.value()?);
                let escape = if self.accept("ESCAPE") { Some(Box::new(self.value()?)) } else { None };
                Kind::Like { value: Box::new(left), pattern, escape, negated }
            } else {
                return Ok(left);
            };
            left = Expression { at, kind };
        }
        Ok(left)
    }

    /// Concatenations, of sums, of products: Trino's grammar ranks them in this order.
    pub(super) fn value(&mut self) -> Parsed<Expression> {
        self.chain(Self::sum, &[("||", LinkOperator::Concat)])
    }

    fn sum(&mut self) -> Parsed<Expression> {
        use Arithmetic::{Add, Subtract};
        self.chain(Self::product, &[("+", LinkOperator::Arithmetic(Add)), ("-", LinkOperator::Arithmetic(Subtract))])
    }

    fn product(&mut self) -> Parsed<Expression> {
        use Arithmetic::{Divide, Modulus, Multiply};
        self.chain(
            Self::signed,
            &[
                ("*", LinkOperator::Arithmetic(Multiply)),
                ("/", LinkOperator::Arithmetic(Divide)),
                ("%", LinkOperator::Arithmetic(Modulus)),
            ],
        )
    }

    /// Operators of one rank with what stands between them.
    pub(super) fn chain(
        &mut self,
        operand: impl Fn(&mut Self) -> Parsed<Expression>,
        operators: &[(&str, LinkOperator)],
    ) -> Parsed<Expression> {
        let first = operand(self)?;
        let mut links = Vec::new();
        loop {
            let at = self.at();
            let Some((_, operator)) = operators.iter().find(|(symbol, _)| self.accept_symbol(symbol)) else { break };
            links.push(Link { at, operator: *operator, right: operand(self)? });
        }
        Ok(match links.last() {
            None => first,
            Some(last) => Expression { at: last.at, kind: Kind::Chain(Box::new(first), links) },
        })
    }

    fn signed(&mut self) -> Parsed<Expression> {
        let at = self.at();
        if self.accept_symbol("-") {
            let inner = self.deeper(Self::signed)?;
            return Ok(Expression { at, kind: Kind::Negate(Box::new(inner)) });
        }
        if self.accept_symbol("+") {
            return self.deeper(Self::signed);
        }
        let mut value = self.postfix()?;
        let mut levels = 0;
        while self.is_word("AT") && self.word_at(1, "TIME") && self.word_at(2, "ZONE") {
            levels += 1;
            self.fits(levels)?;
            let at = self.at();
            self.next += 3;
            let zone = self.postfix()?;
            value = Expression { at, kind: Kind::AtTimeZone(Box::new(value), Box::new(zone)) };
        }
        Ok(value)
    }

    fn postfix(&mut self) -> Parsed<Expression> {
        let mut value = self.primary()?;
        for levels in 0.. {
            self.fits(levels)?;
            if self.accept_symbol("[") {
                let index = self.expression()?;
                self.expect_symbol("]")?;
                value = Expression { at: value.at, kind: Kind::Subscript(Box::new(value), Box::new(index)) };
            } else if self.is_symbol(".") && !self.symbol_at(1, "*") {
                self.next += 1;
                let name = self.field_name()?;
                value = Expression { at: value.at, kind: Kind::Field(Box::new(value), name) };
            } else {
                break;
            }
        }
        Ok(value)
    }

    /// A name after a point. Trino's grammar does not take a reserved word here either.
    fn field_name(&mut self) -> Parsed<Name> {
        self.name()
    }

    fn primary(&mut self) -> Parsed<Expression> {
        let at = self.at();
        let expression = |kind| Ok(Expression { at, kind });
        match self.peek().clone() {
            Token::Integer(digits) => {
                self.next += 1;
                expression(Kind::Integer(digits))
            }
            Token::Decimal(digits) => {
                self.next += 1;
                expression(Kind::Decimal(digits))
            }
            Token::Double(digits) => {
                self.next += 1;
                expression(Kind::Double(digits))
            }
            Token::Text(text) => {
                self.next += 1;
                expression(Kind::Text(text))
            }
            Token::UnicodeText(text) => {
                self.next += 1;
                let mut escape = '\\';
                if self.accept("UESCAPE") {
                    match self.advance() {
                        Token::Text(text) if text.chars().count() == 1 => escape = text.chars().next().unwrap_or('\\'),
                        _ => return Err(QueryError::Invalid(format!("{at}: UESCAPE takes one character"))),
                    }
                }
                let text = unescape(&text, escape)
                    .ok_or_else(|| QueryError::Invalid(format!("{at}: the escapes of the text are not valid")))?;
                expression(Kind::Text(text))
            }
            Token::Binary(bytes) => {
                self.next += 1;
                expression(Kind::Binary(bytes))
            }
            Token::Quoted(_) => self.name_or_call(at),
            Token::Word(word) => self.word_primary(at, &word),
            Token::Symbol("(") => self.parenthesized(at),
            _ => Err(self.unexpected("an expression")),
        }
    }

    fn parenthesized(&mut self, at: At) -> Parsed<Expression> {
        if let Some(parameters) = self.lambda_parameters() {
            let body = self.boxed()?;
            return Ok(Expression { at, kind: Kind::Lambda(parameters, body) });
        }
        if self.is_query_in_parentheses() {
            let query = self.in_parentheses(Self::query)?;
            return Ok(Expression { at, kind: Kind::Subquery(Box::new(query)) });
        }
        self.next += 1;
        let mut items = self.list(Self::expression)?;
        self.expect_symbol(")")?;
        match items.len() {
            1 => items.pop().ok_or_else(|| self.unexpected("an expression")),
            _ => Ok(Expression { at, kind: Kind::Row(items) }),
        }
    }

    /// `(a, b) ->` and `() ->`, consumed if they stand here.
    fn lambda_parameters(&mut self) -> Option<Vec<Name>> {
        let mut ahead = 1;
        let mut names = Vec::new();
        if !self.symbol_at(1, ")") {
            loop {
                let name = match self.peek_at(ahead) {
                    Token::Word(text) if !is_reserved(text) => Name { text: text.clone(), quoted: false },
                    Token::Quoted(text) => Name { text: text.clone(), quoted: true },
                    _ => return None,
                };
                names.push(name);
                ahead += 1;
                if self.symbol_at(ahead, ")") {
                    break;
                }
                if !self.symbol_at(ahead, ",") {
                    return None;
                }
                ahead += 1;
            }
        }
        if !self.symbol_at(ahead + 1, "->") {
            return None;
        }
        self.next += ahead + 2;
        Some(names)
    }
}

/// The text of `U&'…'`: `\XXXX` and `\+XXXXXX` are code points, a doubled escape is itself.
fn unescape(text: &str, escape: char) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != escape {
            out.push(c);
            continue;
        }
        let first = chars.next()?;
        if first == escape {
            out.push(escape);
            continue;
        }
        let (mut digits, count) = if first == '+' { (String::new(), 6) } else { (String::from(first), 4) };
        while digits.len() < count {
            digits.push(chars.next()?);
        }
        out.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
    }
    Some(out)
}
