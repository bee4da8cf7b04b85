//! Comparison expressions: what stands between the brackets of an observation.

use super::cursor::{Built, Parser, Read};
use super::faults::NULL_HELP;
use super::literals::unescape;
use crate::diagnostic::{Code, found_at};
use crate::lexer::{Keyword, Kind};
use crate::pattern::{Comparison, ComparisonKind, Literal, ObjectPath, Operator, Span, Step, Value};

fn joined(
    kind: fn(Box<Comparison>, Box<Comparison>) -> ComparisonKind,
) -> impl Fn(Comparison, Comparison) -> Comparison {
    move |left, right| {
        let span = left.span.start..right.span.end;
        Comparison { kind: kind(Box::new(left), Box::new(right)), span }
    }
}

impl<'t> Parser<'t> {
    pub(super) fn comparisons(&mut self) -> Read<Built<Comparison>> {
        self.chain(Keyword::Or, joined(ComparisonKind::Or), |parser| {
            parser.chain(Keyword::And, joined(ComparisonKind::And), Parser::comparison)
        })
    }

    fn comparison(&mut self) -> Read<Built<Comparison>> {
        let start = self.span();
        let kind = match (self.kind(), self.kind_after()) {
            (Kind::LeftParenthesis, _) => {
                self.open_parenthesis()?;
                let mut inner = self.comparisons()?;
                let close = self.close(Kind::RightParenthesis, &start)?;
                self.parentheses -= 1;
                inner.node.span = start.start..close.end;
                return Some(inner);
            }
            (Kind::Keyword(Keyword::Exists), _) => {
                self.advance();
                ComparisonKind::Exists { path: self.path()?, negated: false }
            }
            (Kind::Keyword(Keyword::Not), Kind::Keyword(Keyword::Exists)) => {
                self.advance();
                self.advance();
                ComparisonKind::Exists { path: self.path()?, negated: true }
            }
            (Kind::Keyword(Keyword::Not), _) => return self.prefix_not(),
            _ => self.test()?,
        };
        Some(Built { node: Comparison { kind, span: start.start..self.last_end() }, levels: 1 })
    }

    fn test(&mut self) -> Read<ComparisonKind> {
        let path = self.path()?;
        let negated = self.kind() == Kind::Keyword(Keyword::Not);
        if negated {
            self.advance();
        }
        let sign = self.span();
        let kind = self.kind();
        let operator = match kind {
            Kind::Equal | Kind::NotEqual => {
                self.advance();
                let literal = self.literal()?;
                if kind == Kind::Equal { Operator::Equal(literal) } else { Operator::NotEqual(literal) }
            }
            Kind::Less | Kind::LessOrEqual | Kind::Greater | Kind::GreaterOrEqual => {
                self.advance();
                let literal = self.orderable(&sign)?;
                match kind {
                    Kind::Less => Operator::Less(literal),
                    Kind::LessOrEqual => Operator::LessOrEqual(literal),
                    Kind::Greater => Operator::Greater(literal),
                    _ => Operator::GreaterOrEqual(literal),
                }
            }
            Kind::Keyword(Keyword::In) => {
                self.advance();
                Operator::In(self.list()?)
            }
            Kind::Keyword(keyword @ (Keyword::Like | Keyword::Matches | Keyword::IsSubset | Keyword::IsSuperset)) => {
                self.advance();
                let text = self.text_operand(keyword)?;
                match keyword {
                    Keyword::Like => Operator::Like(text),
                    Keyword::Matches => Operator::Matches(text),
                    Keyword::IsSubset => Operator::IsSubset(text),
                    _ => Operator::IsSuperset(text),
                }
            }
            _ => return self.no_operator(&path),
        };
        self.check_hash(&path, &operator);
        Some(ComparisonKind::Test { path, negated, operator })
    }

    fn path(&mut self) -> Read<ObjectPath> {
        let start = self.span();
        if !matches!(self.kind(), Kind::Identifier | Kind::HyphenIdentifier) {
            return self.no_path();
        }
        self.advance();
        if self.kind() != Kind::Colon {
            return self.no_colon(&start);
        }
        self.advance();
        let mut steps = vec![self.property()?];
        loop {
            match self.kind() {
                Kind::Dot => {
                    self.advance();
                    steps.push(self.property()?);
                }
                Kind::LeftBracket => {
                    let open = self.advance();
                    steps.push(self.index()?);
                    self.close(Kind::RightBracket, &open)?;
                }
                Kind::Float if self.slice(&self.span()).starts_with('.') => return self.bare_property(),
                _ => break,
            }
        }
        let object_type = self.slice(&start).to_owned();
        Some(ObjectPath { object_type, steps, span: start.start..self.last_end() })
    }

    fn property(&mut self) -> Read<Step> {
        let span = self.span();
        match self.kind() {
            Kind::Identifier => {
                self.advance();
                Some(Step::Property(self.slice(&span).to_owned()))
            }
            Kind::Text => {
                self.advance();
                Some(Step::Property(unescape(self.slice(&span))))
            }
            Kind::HyphenIdentifier
            | Kind::Keyword(_)
            | Kind::Boolean
            | Kind::Integer
            | Kind::Hex
            | Kind::Binary
            | Kind::Timestamp => self.bare_property(),
            _ => self.expected("a property name", None),
        }
    }

    fn index(&mut self) -> Read<Step> {
        let span = self.span();
        match self.kind() {
            Kind::Asterisk => {
                self.advance();
                Some(Step::AnyElement)
            }
            Kind::Integer | Kind::NegativeInteger => {
                self.advance();
                self.number::<i64>(&span).map(Step::Index)
            }
            Kind::Text => {
                let text = self.slice(&span).to_owned();
                self.fail(
                    found_at(Code::BadPath, span, "a property does not stand in brackets")
                        .help(format!("write .{text}")),
                )
            }
            _ => self.expected("a list index or `*`", Some("write [0] for the first element, [*] for any")),
        }
    }

    fn list(&mut self) -> Read<Vec<Literal>> {
        if self.kind() != Kind::LeftParenthesis {
            let (span, found) = (self.span(), self.found_here());
            return self.fail(
                found_at(Code::WrongOperand, span, format!("`IN` takes a list in parentheses, not {found}"))
                    .help("write IN ('a', 'b')"),
            );
        }
        let open = self.advance();
        let mut literals = Vec::new();
        if self.kind() == Kind::RightParenthesis {
            self.advance();
            return Some(literals);
        }
        loop {
            literals.push(self.literal()?);
            match self.kind() {
                Kind::Comma => _ = self.advance(),
                Kind::RightParenthesis => {
                    self.advance();
                    return Some(literals);
                }
                Kind::End => return self.unclosed(&open),
                _ => {
                    self.quote_in_text()?;
                    return self.expected("`,` or `)`", None);
                }
            }
        }
    }

    fn orderable(&mut self, sign: &Span) -> Read<Literal> {
        if self.kind() == Kind::Boolean {
            let (span, found, sign) = (self.span(), self.found_here(), self.slice(sign).to_owned());
            return self.fail(
                found_at(Code::WrongOperand, span, format!("`{sign}` does not take {found}"))
                    .label("has no order")
                    .help("compare with `=` or `!=`"),
            );
        }
        self.literal()
    }

    fn text_operand(&mut self, keyword: Keyword) -> Read<Literal> {
        if self.kind() == Kind::Text {
            return self.literal();
        }
        if let Kind::Bad(_) = self.kind() {
            return self.expected("a text", None);
        }
        let (span, run) = (self.span(), self.run());
        let written = self.slice(&run).to_owned();
        let fault = found_at(
            Code::WrongOperand,
            if written.is_empty() { span } else { run },
            format!("`{}` takes a text in quotes", keyword.text()),
        );
        let fault = match written.as_str() {
            "" => fault,
            "null" => fault.help(NULL_HELP),
            _ => fault.help(format!("write {}", Value::Text(written))),
        };
        self.fail(fault)
    }
}
