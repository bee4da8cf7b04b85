//! A pattern's text as a tree, or what is wrong with it.
//!
//! The language is that of the specification's grammar for the version, with the checks of its validator. The first
//! fault of syntax ends the reading; faults of single parts (a hash of the wrong length, a qualifier twice) are all
//! found.

use std::str::FromStr;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, found_at, nearest, quote};
use crate::lexer::{KEYWORDS, Keyword, Kind, Token, tokens};
use crate::pattern::{
    Comparison, ComparisonKind, Literal, ObjectPath, Observation, ObservationKind, Operator, Pattern, Qualifier,
    QualifierKind, Span, Step, Value,
};
use crate::{lint, time};

/// The version of the STIX specification that a pattern is written for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// 2.0: without `EXISTS`; the bounds of `START … STOP …` may be plain texts; qualifiers may be repeated.
    V20,
    /// 2.1.
    #[default]
    V21,
}

/// How many levels a tree may have: 1,000. A chain of `OR` or `AND` has as many levels as operands, which grouping with
/// parentheses makes fewer. Whoever walks a pattern may recurse.
pub const MOST_LEVELS: usize = 1_000;

/// How many parentheses may be open at once.
pub const MOST_PARENTHESES: usize = 100;

/// Reads a pattern.
///
/// # Errors
///
/// What refuses the pattern; warnings are told by [`check`] only.
///
/// ```
/// let text = "[process:name LIKE '%.exe'] FOLLOWEDBY [file:size > 1024]";
/// let pattern = stix::parse(text, stix::Version::V21)?;
/// assert_eq!((pattern.leaves, pattern.to_string().as_str()), (2, text));
/// # Ok::<(), stix::Diagnostics>(())
/// ```
pub fn parse(text: &str, version: Version) -> Result<Pattern, Diagnostics> {
    let mut parser = Parser::new(text, version);
    match (parser.pattern(), Diagnostics::errors_of(parser.found)) {
        (Some(pattern), None) => Ok(pattern),
        (_, Some(errors)) => Err(errors),
        (None, None) => Err(Diagnostics::from(found_at(Code::Empty, 0..text.len(), "there is no pattern"))),
    }
}

/// A pattern, if it can be read, and all there is to say about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The pattern; `None` if there are errors.
    pub pattern: Option<Pattern>,
    /// Errors and warnings in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a pattern and looks for what it perhaps does not mean.
///
/// ```
/// let checked = stix::check("[a:x = 1] FOLLOWEDBY [a:x = 2] WITHIN 300 SECONDS", stix::Version::V21);
/// assert_eq!(checked.diagnostics[0].code.number(), "W306");
/// assert!(checked.pattern.is_some());
/// ```
pub fn check(text: &str, version: Version) -> Checked {
    let mut parser = Parser::new(text, version);
    let pattern = parser.pattern().filter(|_| !parser.found.iter().any(Diagnostic::is_error));
    let mut diagnostics = parser.found;
    diagnostics.extend(pattern.iter().flat_map(|pattern| lint::warnings(pattern, text)));
    diagnostics.sort_by_key(|found| (found.primary.span.start, found.code));
    Checked { pattern, diagnostics }
}

/// A node with the levels of its tree.
struct Built<T> {
    node: T,
    levels: usize,
}

struct Parser<'t> {
    text: &'t str,
    version: Version,
    tokens: Vec<Token>,
    at: usize,
    leaves: usize,
    parentheses: usize,
    found: Vec<Diagnostic>,
}

/// `None` is a fault that is in [`Parser::found`].
type Read<T> = Option<T>;

impl<'t> Parser<'t> {
    fn new(text: &'t str, version: Version) -> Parser<'t> {
        let tokens = tokens(text, version);
        Parser { text, version, tokens, at: 0, leaves: 0, parentheses: 0, found: Vec::new() }
    }

    fn pattern(&mut self) -> Read<Pattern> {
        if self.kind() == Kind::End {
            let span = 0..self.text.len();
            return self.fail(
                found_at(Code::Empty, span, "there is no pattern")
                    .help("the shortest pattern is one test in brackets: [file:name = 'x']"),
            );
        }
        let root = self.observations()?;
        if self.kind() != Kind::End {
            return self.trailing(&root.node);
        }
        Some(Pattern { root: root.node, leaves: self.leaves })
    }

    // Observation expressions: FOLLOWEDBY binds loosest, AND tightest.

    fn observations(&mut self) -> Read<Built<Observation>> {
        self.observation_chain(Keyword::FollowedBy, ObservationKind::FollowedBy, |parser| {
            parser.observation_chain(Keyword::Or, ObservationKind::Or, |parser| {
                parser.observation_chain(Keyword::And, ObservationKind::And, Parser::observation)
            })
        })
    }

    fn observation_chain(
        &mut self,
        operator: Keyword,
        join: fn(Box<Observation>, Box<Observation>) -> ObservationKind,
        operand: impl Fn(&mut Self) -> Read<Built<Observation>>,
    ) -> Read<Built<Observation>> {
        let mut left = operand(self)?;
        while self.kind() == Kind::Keyword(operator) {
            let sign = self.advance();
            let right = operand(self)?;
            let levels = self.above(left.levels.max(right.levels), &sign)?;
            let span = left.node.span.start..right.node.span.end;
            left = Built { node: Observation { kind: join(Box::new(left.node), Box::new(right.node)), span }, levels };
        }
        Some(left)
    }

    fn observation(&mut self) -> Read<Built<Observation>> {
        let open = self.span();
        let mut seen = (self.kind() == Kind::LeftBracket).then(Vec::new);
        let mut inner = match self.kind() {
            Kind::LeftBracket => {
                self.advance();
                let number = self.leaves;
                self.leaves += 1;
                let comparison = self.comparisons()?;
                let close = self.close(Kind::RightBracket, &open)?;
                let kind = ObservationKind::Leaf { number, comparison: comparison.node };
                Built { node: Observation { kind, span: open.start..close.end }, levels: comparison.levels + 1 }
            }
            Kind::LeftParenthesis => {
                self.open_parenthesis()?;
                let mut inner = self.observations()?;
                let close = self.close(Kind::RightParenthesis, &open)?;
                self.parentheses -= 1;
                inner.node.span = open.start..close.end;
                inner
            }
            _ => return self.no_observation(),
        };
        while let Some(qualifier) = self.qualifier()? {
            if let Some(seen) = &mut seen {
                self.once(seen, &qualifier);
            }
            let levels = self.above(inner.levels, &qualifier.span)?;
            let span = inner.node.span.start..qualifier.span.end;
            let kind = ObservationKind::Qualified(Box::new(inner.node), qualifier);
            inner = Built { node: Observation { kind, span }, levels };
        }
        Some(inner)
    }

    /// In 2.1 a leaf takes each qualifier once; a group in parentheses takes them as often as it likes.
    fn once(&mut self, seen: &mut Vec<Qualifier>, qualifier: &Qualifier) {
        let same = |other: &&Qualifier| std::mem::discriminant(&other.kind) == std::mem::discriminant(&qualifier.kind);
        if let (Version::V21, Some(first)) = (self.version, seen.iter().find(same)) {
            let name = qualifier.name();
            let fault = found_at(
                Code::DuplicateQualifier,
                qualifier.span.clone(),
                format!("`{name}` stands twice on one observation"),
            )
            .label("again here")
            .also(first.span.clone().into(), "first here")
            .help("remove one of them, or put the observation with the first one into parentheses if both are meant");
            self.found.push(fault);
        }
        seen.push(qualifier.clone());
    }

    fn qualifier(&mut self) -> Read<Option<Qualifier>> {
        let start = self.span();
        let kind = match self.kind() {
            Kind::Keyword(Keyword::Within) => {
                self.advance();
                self.within(&start)?
            }
            Kind::Keyword(Keyword::Repeats) => {
                self.advance();
                self.repeats(&start)?
            }
            Kind::Keyword(Keyword::Start) => {
                self.advance();
                let from = self.window_bound()?;
                if self.kind() != Kind::Keyword(Keyword::Stop) {
                    let label = self.here("`STOP` is expected here");
                    return self.fail(
                        found_at(Code::StartWithoutStop, start, "`START` without `STOP`")
                            .also(label.0.into(), label.1)
                            .help("give both ends: START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'"),
                    );
                }
                self.advance();
                QualifierKind::StartStop(from, self.window_bound()?)
            }
            _ => return Some(None),
        };
        Some(Some(Qualifier { kind, span: start.start..self.last_end() }))
    }

    fn within(&mut self, keyword: &Span) -> Read<QualifierKind> {
        let number = self.span();
        let text = self.slice(&number).trim_start_matches('+');
        let nanos = match self.kind() {
            Kind::Integer | Kind::Float => {
                self.advance();
                let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                let fraction = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
                let fraction = fraction.fold(0u64, |sum, byte| sum * 10 + u64::from(byte - b'0'));
                let whole = if whole.is_empty() { Ok(0) } else { whole.parse::<u64>() };
                whole.ok().and_then(|whole| whole.checked_mul(1_000_000_000)?.checked_add(fraction))
            }
            _ => return self.bad_qualifier(keyword, "WITHIN", "a number of seconds, at least 0"),
        };
        let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        match nanos {
            Some(0) if is_zero => self.zero(keyword.start..number.end, "WITHIN 0", "a time above 0"),
            Some(nanos @ 1..) => self.unit(Keyword::Seconds, keyword).map(|()| QualifierKind::Within(nanos)),
            _ => self.fail(
                found_at(Code::NumberOutOfRange, number, format!("{} seconds cannot be held", quote(text)))
                    .help("`WITHIN` takes from 0.000000001 to 18446744073 seconds"),
            ),
        }
    }

    fn repeats(&mut self, keyword: &Span) -> Read<QualifierKind> {
        let number = self.span();
        if self.kind() != Kind::Integer {
            return self.bad_qualifier(keyword, "REPEATS", "a whole number, at least 1");
        }
        self.advance();
        let text = self.slice(&number).trim_start_matches('+');
        match text.parse::<u64>() {
            Ok(0) => self.zero(keyword.start..number.end, "REPEATS 0", "a count of at least 1"),
            Ok(times) => self.unit(Keyword::Times, keyword).map(|()| QualifierKind::Repeats(times)),
            Err(_) => self.fail(found_at(
                Code::NumberOutOfRange,
                number,
                format!("{} is more than can be counted", quote(text)),
            )),
        }
    }

    fn zero(&mut self, span: Span, what: &str, needed: &str) -> Read<QualifierKind> {
        self.fail(
            found_at(Code::ZeroQualifier, span, format!("`{what}` can never be met")).help(format!("give {needed}")),
        )
    }

    fn unit(&mut self, unit: Keyword, qualifier: &Span) -> Read<()> {
        if self.kind() == Kind::Keyword(unit) {
            self.advance();
            return Some(());
        }
        let (span, found) = (self.span(), self.found_here());
        let fault = found_at(Code::BadQualifier, span, format!("expected `{}`, found {found}", unit.text()))
            .also(qualifier.clone().into(), "for this qualifier");
        let fault = match unit {
            Keyword::Seconds => fault.help("the unit of `WITHIN` is always SECONDS: WITHIN 3600 SECONDS"),
            _ => fault.help("write REPEATS 5 TIMES"),
        };
        self.fail(fault)
    }

    fn bad_qualifier(&mut self, qualifier: &Span, name: &str, needed: &str) -> Read<QualifierKind> {
        let (span, found) = (self.span(), self.found_here());
        let example = if name == "WITHIN" { "WITHIN 300 SECONDS" } else { "REPEATS 5 TIMES" };
        self.fail(
            found_at(Code::BadQualifier, span, format!("`{name}` takes {needed}, not {found}"))
                .also(qualifier.clone().into(), "for this qualifier")
                .help(format!("write {example}")),
        )
    }

    fn window_bound(&mut self) -> Read<crate::pattern::Timestamp> {
        let span = self.span();
        match self.kind() {
            Kind::Timestamp => {
                self.advance();
                self.timestamp(&span)
            }
            Kind::Text if self.version == Version::V20 => {
                self.advance();
                let text = self.slice(&(span.start + 1..span.end.saturating_sub(1)));
                match time::read(text) {
                    Some(read) => {
                        self.odd_time(read, &span);
                        Some(read.at)
                    }
                    None => self.fail(
                        found_at(Code::BadWindowText, span, format!("{} is not a timestamp", quote(text)))
                            .help(TIMESTAMP_HELP),
                    ),
                }
            }
            Kind::Text => {
                let text = self.slice(&span).to_owned();
                self.fail(
                    found_at(Code::BadTimestamp, span, "the bounds of a window are timestamps")
                        .label("a text")
                        .help(format!("write t{text}")),
                )
            }
            _ => self.expected("a timestamp", Some(TIMESTAMP_HELP)),
        }
    }

    // Comparison expressions.

    fn comparisons(&mut self) -> Read<Built<Comparison>> {
        self.comparison_chain(Keyword::Or, ComparisonKind::Or, |parser| {
            parser.comparison_chain(Keyword::And, ComparisonKind::And, Parser::comparison)
        })
    }

    fn comparison_chain(
        &mut self,
        operator: Keyword,
        join: fn(Box<Comparison>, Box<Comparison>) -> ComparisonKind,
        operand: impl Fn(&mut Self) -> Read<Built<Comparison>>,
    ) -> Read<Built<Comparison>> {
        let mut left = operand(self)?;
        while self.kind() == Kind::Keyword(operator) {
            let sign = self.advance();
            let right = operand(self)?;
            let levels = self.above(left.levels.max(right.levels), &sign)?;
            let span = left.node.span.start..right.node.span.end;
            left = Built { node: Comparison { kind: join(Box::new(left.node), Box::new(right.node)), span }, levels };
        }
        Some(left)
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

    fn literal(&mut self) -> Read<Literal> {
        let span = self.span();
        let value = match self.kind() {
            Kind::Integer | Kind::NegativeInteger | Kind::Float | Kind::NegativeFloat => {
                let is_float = matches!(self.kind(), Kind::Float | Kind::NegativeFloat);
                self.advance();
                self.glued_number(&span)?;
                if is_float { Value::Float(self.float(&span)?) } else { Value::Integer(self.number(&span)?) }
            }
            Kind::Text => {
                self.advance();
                Value::Text(unescape(self.slice(&span)))
            }
            Kind::Boolean => {
                self.advance();
                Value::Boolean(self.slice(&span) == "true")
            }
            Kind::Timestamp => {
                self.advance();
                Value::Timestamp(self.timestamp(&span)?)
            }
            Kind::Hex => {
                self.advance();
                let digits = self.inside(&span).as_bytes();
                let (pairs, _) = digits.as_chunks::<2>();
                Value::Hex(pairs.iter().map(|[high, low]| hex_digit(*high) << 4 | hex_digit(*low)).collect())
            }
            Kind::Binary => {
                self.advance();
                match base64(self.inside(&span)) {
                    Some(bytes) => Value::Binary(bytes),
                    None => return self.bad_binary(span),
                }
            }
            Kind::Identifier | Kind::HyphenIdentifier | Kind::Keyword(_) => return self.unquoted(),
            _ => return self.expected("a value", None),
        };
        Some(Literal { value, span })
    }

    fn number<N: FromStr>(&mut self, span: &Span) -> Read<N> {
        let text = self.slice(span);
        match text.parse() {
            Ok(number) => Some(number),
            Err(_) => {
                let message = format!("{} is beyond 64 bits", quote(text));
                self.fail(
                    found_at(Code::NumberOutOfRange, span.clone(), message)
                        .help("integers are from -9223372036854775808 to 9223372036854775807"),
                )
            }
        }
    }

    fn float(&mut self, span: &Span) -> Read<f64> {
        let number: f64 = self.number(span)?;
        if number.is_finite() {
            return Some(number);
        }
        self.fail(found_at(Code::NumberOutOfRange, span.clone(), "the number is beyond 64-bit floats"))
    }

    fn timestamp(&mut self, span: &Span) -> Read<crate::pattern::Timestamp> {
        match time::read(self.inside(span)) {
            Some(read) => {
                self.odd_time(read, span);
                Some(read.at)
            }
            None => self.expected("a timestamp", Some(TIMESTAMP_HELP)),
        }
    }

    fn odd_time(&mut self, read: time::Read, span: &Span) {
        if !read.real_day {
            let message = format!("there is no such day; it is read as {}", time::write(read.at));
            self.found.push(found_at(Code::ImpossibleDate, span.clone(), message));
        }
        if read.cut {
            let message = format!("times are exact to the nanosecond; it is read as {}", time::write(read.at));
            self.found.push(found_at(Code::FinerThanNanoseconds, span.clone(), message));
        }
    }

    /// The validator's check of values under a property `hashes`, for the operators that compare with a whole hash.
    fn check_hash(&mut self, path: &ObjectPath, operator: &Operator) {
        let hashes = Step::Property("hashes".to_owned());
        let Some((Step::Property(name), true)) = path.steps.last().map(|last| (last, path.steps.contains(&hashes)))
        else {
            return;
        };
        let literals = match operator {
            Operator::Equal(literal)
            | Operator::NotEqual(literal)
            | Operator::Less(literal)
            | Operator::LessOrEqual(literal)
            | Operator::Greater(literal)
            | Operator::GreaterOrEqual(literal) => std::slice::from_ref(literal),
            Operator::In(literals) => literals,
            _ => return,
        };
        let Some(algorithm) = ALGORITHMS.iter().find(|algorithm| algorithm.is_named(name)) else { return };
        for literal in literals {
            let text = match &literal.value {
                Value::Text(text) => text.replace('\'', ""),
                _ => self.slice(&literal.span).replace('\'', ""),
            };
            if !algorithm.takes(&text) {
                let message = format!("{} is not a {} hash", quote(&text), algorithm.label);
                let fault = found_at(Code::BadHash, literal.span.clone(), message)
                    .label(format!("{} characters", text.chars().count()))
                    .also(path.span.clone().into(), format!("takes {}", algorithm.form()));
                self.found.push(fault);
            }
        }
    }

    // Where the text is.

    fn kind(&self) -> Kind {
        self.tokens.get(self.at).map_or(Kind::End, |token| token.kind)
    }

    fn kind_after(&self) -> Kind {
        self.tokens.get(self.at + 1).map_or(Kind::End, |token| token.kind)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    /// Goes on to the next token; the place of the one that is left behind.
    fn advance(&mut self) -> Span {
        let span = self.span();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        span
    }

    fn last_end(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.span.end)
    }

    fn slice(&self, span: &Span) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// What stands between the quotes of `h'…'`, `b'…'` and `t'…'`.
    fn inside(&self, span: &Span) -> &'t str {
        self.text.get(span.start + 2..span.end.saturating_sub(1)).unwrap_or_default()
    }

    /// From here to white space or to what ends a value: what a person would call a word.
    fn run(&self) -> Span {
        let start = self.span().start;
        let rest = self.text.get(start..).unwrap_or_default();
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, ']' | ')' | '(' | ',' | '\'')).unwrap_or(rest.len());
        start..start + end
    }

    fn found_here(&self) -> String {
        match self.kind() {
            Kind::End => "the end of the pattern".to_owned(),
            _ => quote(self.slice(&self.span())),
        }
    }

    fn here(&self, text: &str) -> (Span, String) {
        (self.span(), text.to_owned())
    }

    // Limits.

    fn above(&mut self, levels: usize, span: &Span) -> Read<usize> {
        if levels < MOST_LEVELS {
            return Some(levels + 1);
        }
        let message = format!("more than {MOST_LEVELS} operators in one chain");
        self.fail(found_at(Code::TooDeep, span.clone(), message).help(
            "write many values of one property as IN ('…', '…'), or group the chain with parentheses: \
             (… OR …) OR (… OR …)",
        ))
    }

    fn open_parenthesis(&mut self) -> Read<()> {
        let span = self.advance();
        self.parentheses += 1;
        if self.parentheses <= MOST_PARENTHESES {
            return Some(());
        }
        let message = format!("more than {MOST_PARENTHESES} parentheses are open");
        self.fail(found_at(Code::TooDeep, span, message).help("remove parentheses that change nothing"))
    }

    // Faults.

    fn fail<T>(&mut self, fault: Diagnostic) -> Read<T> {
        self.found.push(fault);
        None
    }

    fn close(&mut self, kind: Kind, open: &Span) -> Read<Span> {
        if self.kind() == kind {
            return Some(self.advance());
        }
        if self.kind() == Kind::End {
            return self.unclosed(open);
        }
        self.quote_in_text()?;
        let (span, found) = (self.span(), self.found_here());
        let wanted = if kind == Kind::RightBracket { "`]`" } else { "`)`" };
        if let Some(keyword) = self.keyword_in_wrong_case() {
            return self.wrong_case(keyword);
        }
        self.bad_token()?;
        let fault = found_at(Code::UnexpectedToken, span, format!("expected `AND`, `OR` or {wanted}, found {found}"))
            .also(open.clone().into(), "opened here");
        self.fail(match self.kind() {
            Kind::LeftBracket
            | Kind::Keyword(Keyword::FollowedBy | Keyword::Within | Keyword::Repeats | Keyword::Start) => {
                fault.help(format!("close with {wanted} before it"))
            }
            _ => fault,
        })
    }

    fn unclosed<T>(&mut self, open: &Span) -> Read<T> {
        let (opening, closing) = match self.slice(open) {
            "[" => ("[", "]"),
            _ => ("(", ")"),
        };
        let end = self.span();
        self.fail(
            found_at(Code::Unclosed, open.clone(), format!("`{opening}` is never closed"))
                .also(end.into(), "the pattern ends here")
                .help(format!("add `{closing}`")),
        )
    }

    fn trailing<T>(&mut self, before: &Observation) -> Read<T> {
        if let Some(keyword) = self.keyword_in_wrong_case() {
            return self.wrong_case(keyword);
        }
        self.bad_token()?;
        let (span, found) = (self.span().start..self.text.trim_end().len(), self.found_here());
        let fault = match self.kind() {
            Kind::RightBracket | Kind::RightParenthesis => {
                found_at(Code::TrailingText, self.span(), format!("{found} closes nothing"))
                    .help("remove it, or open it where it belongs")
            }
            Kind::LeftBracket | Kind::LeftParenthesis => {
                found_at(Code::TrailingText, self.span(), "two observations stand side by side")
                    .also(before.span.clone().into(), "the first one")
                    .help("join them with AND, OR or FOLLOWEDBY")
            }
            Kind::Keyword(Keyword::Stop) => found_at(Code::TrailingText, self.span(), "`STOP` without `START`")
                .help("give both ends: START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z'"),
            _ => found_at(Code::TrailingText, span, format!("the pattern is over before {found}"))
                .help("remove what follows, or join it with AND, OR or FOLLOWEDBY"),
        };
        self.fail(fault)
    }

    fn no_observation<T>(&mut self) -> Read<T> {
        if let Some(keyword) = self.keyword_in_wrong_case() {
            return self.wrong_case(keyword);
        }
        let span = self.span();
        match self.kind() {
            Kind::Identifier | Kind::HyphenIdentifier | Kind::Keyword(Keyword::Exists) => self.fail(
                found_at(Code::MissingBracket, span, "a comparison outside brackets")
                    .label("`[` is expected here")
                    .help("put the comparison into brackets: [file:size > 1024]"),
            ),
            Kind::Keyword(Keyword::Not) => self.fail(
                found_at(Code::PrefixNot, span, "observations cannot be negated")
                    .help("negate the comparison: [file:name NOT = 'x'], or write !="),
            ),
            _ => self.expected("an observation in brackets", None),
        }
    }

    fn no_path<T>(&mut self) -> Read<T> {
        let span = self.span();
        match self.kind() {
            Kind::Keyword(keyword) => self.fail(
                found_at(Code::BadPath, span, format!("expected an object path, found `{}`", keyword.text()))
                    .help("a path is type:property, as in file:name"),
            ),
            Kind::RightBracket => self.fail(
                found_at(Code::UnexpectedToken, span, "a comparison is missing before `]`")
                    .help("write a test: file:name = 'x'"),
            ),
            Kind::Text => self.fail(
                found_at(Code::BadPath, span, "a path starts with an object type, which has no quotes")
                    .help("a path is type:property, as in file:name"),
            ),
            Kind::LeftBracket => self.fail(
                found_at(Code::UnexpectedToken, span, "brackets do not nest")
                    .help("group comparisons with parentheses, observations with brackets: ([…] OR […]) AND […]"),
            ),
            _ => self.expected("an object path such as file:name", None),
        }
    }

    fn no_colon<T>(&mut self, object_type: &Span) -> Read<T> {
        let word = self.slice(object_type);
        if self.version == Version::V20 && word == "EXISTS" {
            return self.fail(
                found_at(Code::ExistsIn20, object_type.clone(), "STIX 2.0 has no `EXISTS`")
                    .help("read the pattern as STIX 2.1"),
            );
        }
        if let Some(keyword @ (Keyword::Not | Keyword::Exists)) = keyword_like(word) {
            return self.fail(
                found_at(Code::KeywordCase, object_type.clone(), format!("keywords are upper-case: {}", quote(word)))
                    .help(format!("did you mean `{}`?", keyword.text())),
            );
        }
        let (word, found) = (word.to_owned(), self.found_here());
        let fault = found_at(Code::BadPath, self.span(), format!("expected `:` after {}, found {found}", quote(&word)));
        let fault = match self.kind() {
            Kind::Dot => {
                let whole = self.run_from(object_type.start);
                let path = self.slice(&whole).to_owned();
                fault.label("the object type ends here").help(format!("write {}", path.replacen('.', ":", 1)))
            }
            _ => fault.help("a path is type:property, as in file:name"),
        };
        self.fail(fault)
    }

    fn run_from(&self, start: usize) -> Span {
        let rest = self.text.get(start..).unwrap_or_default();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '\'' | '[' | '*')));
        start..start + end.unwrap_or(rest.len())
    }

    fn bare_property<T>(&mut self) -> Read<T> {
        let mut span = self.span();
        let is_float = self.kind() == Kind::Float;
        let rest = self.text.get(span.start + usize::from(is_float)..).unwrap_or_default();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
        span.start += usize::from(is_float);
        let name = rest.get(..length).unwrap_or_default().to_owned();
        let span = span.start..span.start + length.max(1);
        let reason = match keyword_like(&name) {
            Some(keyword) if keyword.text() == name => "is a keyword",
            _ if matches!(name.as_str(), "true" | "false") => "is a keyword",
            _ if name.starts_with(|c: char| c.is_ascii_digit()) => "starts with a digit",
            _ => "has other characters than letters, digits and `_`",
        };
        self.fail(
            found_at(Code::UnquotedProperty, span, format!("the property {} needs quotes", quote(&name)))
                .label(reason)
                .help(format!("write {}", Value::Text(name))),
        )
    }

    fn prefix_not<T>(&mut self) -> Read<T> {
        let not = self.advance();
        let fault = found_at(Code::PrefixNot, not, "`NOT` stands before the operator, not before the path");
        let fault = match self.kind() {
            Kind::LeftParenthesis => {
                fault.help("negate each comparison inside: (a:b != 1 AND a:c != 2) for NOT (… OR …)")
            }
            _ => {
                let whole = self.run_from_path();
                let path = self.slice(&whole).to_owned();
                fault.help(match path.is_empty() {
                    true => "write file:name NOT = 'x'".to_owned(),
                    false => format!("write {path} NOT …"),
                })
            }
        };
        self.fail(fault)
    }

    fn run_from_path(&self) -> Span {
        let start = self.span().start;
        let rest = self.text.get(start..).unwrap_or_default();
        let end =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '!' | '<' | '>' | '(')).unwrap_or(rest.len());
        start..start + end
    }

    fn no_operator<T>(&mut self, path: &ObjectPath) -> Read<T> {
        if let Some(keyword) = self.keyword_in_wrong_case() {
            return self.wrong_case(keyword);
        }
        let span = self.span();
        let signs = "the operators are = != < <= > >= IN LIKE MATCHES ISSUBSET ISSUPERSET";
        match self.kind() {
            Kind::Identifier | Kind::HyphenIdentifier => {
                let word = self.slice(&span);
                let fault = found_at(Code::UnknownOperator, span, format!("there is no operator {}", quote(word)));
                let operators = ["IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET", "NOT"].into_iter();
                let help = match (word.to_ascii_lowercase().as_str(), nearest(word, operators)) {
                    ("contains", _) => "write LIKE '%…%'".to_owned(),
                    ("startswith" | "starts_with", _) => "write LIKE '…%'".to_owned(),
                    ("endswith" | "ends_with", _) => "write LIKE '%…'".to_owned(),
                    ("is", _) => "write =, or EXISTS before the path".to_owned(),
                    (_, Some(near)) => format!("did you mean `{near}`?"),
                    _ => signs.to_owned(),
                };
                self.fail(fault.help(help))
            }
            Kind::Keyword(Keyword::Exists) => self.fail(
                found_at(Code::UnknownOperator, span, "`EXISTS` stands before the path")
                    .help(format!("write EXISTS {path}")),
            ),
            Kind::Bad(Code::UnexpectedCharacter) if matches!(self.slice(&span), "~" | "!" | "&" | "|") => {
                let sign = quote(self.slice(&span));
                self.fail(found_at(Code::UnknownOperator, span, format!("there is no operator {sign}")).help(signs))
            }
            Kind::RightBracket | Kind::End | Kind::Keyword(Keyword::And | Keyword::Or) => {
                let found = self.found_here();
                let fault = found_at(Code::UnexpectedToken, span, format!("expected an operator, found {found}"));
                self.fail(fault.help(format!("compare the path: {path} = 'x', or ask EXISTS {path}")))
            }
            _ => self.expected("an operator", Some(signs)),
        }
    }

    fn unquoted<T>(&mut self) -> Read<T> {
        let run = self.run();
        let word = self.slice(&run).to_owned();
        let fault = found_at(Code::UnquotedText, run, format!("{} has no quotes", quote(&word)));
        self.fail(match word.to_ascii_lowercase().as_str() {
            "null" | "none" | "nil" => fault.help(NULL_HELP),
            lower @ ("true" | "false") => fault.help(format!("did you mean `{lower}`?")),
            _ => fault.help(format!("write {}", Value::Text(word))),
        })
    }

    /// `1.2.3.4`, `2024-01-15`, `007`, `1e5`: what follows a number without a space belongs to it in the writer's mind.
    fn glued_number(&mut self, number: &Span) -> Read<()> {
        if self.span().start != number.end || matches!(self.kind(), Kind::End) {
            return Some(());
        }
        let rest = self.text.get(number.start..).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || matches!(c, ']' | ')' | '(' | ',' | '[' | '\'');
        let length = rest.find(ends).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default().to_owned();
        let span = number.start..number.start + length;
        if span.end == number.end || word.starts_with("//") {
            return Some(());
        }
        let digits = word.trim_start_matches(['+', '-']);
        let numeric = digits.bytes().all(|byte| byte.is_ascii_digit());
        let float = digits.parse::<f64>().is_ok() || digits.ends_with('.');
        if self.text.get(number.end..).is_some_and(|rest| rest.starts_with("/*") || rest.starts_with("//")) {
            return Some(());
        }
        if numeric || float {
            let fault = found_at(Code::BadNumber, span, format!("{} is not a number of the grammar", quote(&word)));
            let help = match numeric {
                true => "integers have no leading zeros; if a text is meant, put it into quotes",
                false => "write digits on both sides of the point and no exponent",
            };
            return self.fail(fault.help(help));
        }
        self.fail(
            found_at(Code::UnquotedText, span, format!("{} has no quotes", quote(&word)))
                .help(format!("write {}", Value::Text(word))),
        )
    }

    /// `'it's'`: what follows a text without a space was meant to be inside it.
    fn quote_in_text(&mut self) -> Read<()> {
        let before = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
        let text = before.filter(|token| token.kind == Kind::Text && token.span.end == self.span().start);
        let meant = matches!(self.kind(), Kind::Identifier | Kind::HyphenIdentifier | Kind::Text);
        let Some(quoted) = text.filter(|_| meant).map(|token| token.span.clone()) else { return Some(()) };
        self.fail(
            found_at(Code::UnexpectedToken, self.span(), "the text before this is over")
                .also(quoted.into(), "this text")
                .help("a quote inside a text is written \\'"),
        )
    }

    fn keyword_in_wrong_case(&self) -> Option<Keyword> {
        if self.kind() != Kind::Identifier {
            return None;
        }
        let word = self.slice(&self.span());
        keyword_like(word).filter(|keyword| keyword.text() != word)
    }

    fn wrong_case<T>(&mut self, keyword: Keyword) -> Read<T> {
        let (span, found) = (self.span(), self.found_here());
        self.fail(
            found_at(Code::KeywordCase, span, format!("keywords are upper-case: {found}"))
                .help(format!("did you mean `{}`?", keyword.text())),
        )
    }

    fn bad_binary<T>(&mut self, span: Span) -> Read<T> {
        self.fail(
            found_at(Code::BadBinary, span, "this is not base64")
                .help("the alphabet is A-Z a-z 0-9 + /, padded with = to a multiple of four: b'AAE='"),
        )
    }

    /// What the lexer could not make a token of.
    fn bad_token(&mut self) -> Read<()> {
        let Kind::Bad(code) = self.kind() else { return Some(()) };
        let span = self.span();
        let text = self.slice(&span);
        match code {
            Code::BadTimestamp => {
                self.fail(found_at(code, span, format!("{} is not a timestamp", quote(text))).help(TIMESTAMP_HELP))
            }
            Code::BadHex => self.fail(
                found_at(code, span, format!("{} is not pairs of hex digits", quote(text)))
                    .help("write two digits for every byte: h'0aff'"),
            ),
            Code::BadBinary => self.bad_binary(span),
            Code::BadEscape => {
                let at = bad_escape(text).unwrap_or(0) + span.start;
                let backslash = at..self
                    .text
                    .get(at + 1..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(at + 1, |c| at + 1 + c.len_utf8());
                let what = quote(self.slice(&backslash));
                self.fail(
                    found_at(code, backslash, format!("{what} is not an escape"))
                        .help("a backslash in a text is written twice: 'C:\\\\Windows'; a quote is \\'"),
                )
            }
            Code::UnterminatedText => {
                let first = span.start..(span.start + 1).min(span.end);
                self.fail(
                    found_at(code, first, "the text that starts here is never closed")
                        .help("close it with a single quote; a quote inside a text is written \\'"),
                )
            }
            _ => {
                let fault =
                    found_at(Code::UnexpectedCharacter, span.clone(), format!("{} does not belong here", quote(text)));
                self.fail(match text {
                    "\"" => fault.help("texts stand in single quotes: 'x'"),
                    "\u{2018}" | "\u{2019}" | "\u{201c}" | "\u{201d}" | "`" | "\u{b4}" => {
                        fault.help("texts stand in straight single quotes: 'x'")
                    }
                    "{" | "}" => fault.help("lists stand in parentheses: IN ('a', 'b')"),
                    "/" => fault.help("a regular expression is a text: MATCHES '…'"),
                    "&" => fault.help("write AND"),
                    "|" => fault.help("write OR"),
                    ";" => fault.help("a pattern has no end mark; remove it"),
                    _ => fault,
                })
            }
        }
    }

    fn expected<T>(&mut self, what: &str, help: Option<&str>) -> Read<T> {
        self.bad_token()?;
        let (span, found) = (self.span(), self.found_here());
        let fault = found_at(Code::UnexpectedToken, span, format!("expected {what}, found {found}"));
        self.fail(match help {
            Some(help) => fault.help(help),
            None => fault,
        })
    }
}

impl Qualifier {
    fn name(&self) -> &'static str {
        match self.kind {
            QualifierKind::Within(_) => "WITHIN",
            QualifierKind::Repeats(_) => "REPEATS",
            QualifierKind::StartStop(..) => "START … STOP",
        }
    }
}

const TIMESTAMP_HELP: &str = "timestamps are UTC with upper-case T and Z: t'2024-01-15T12:30:45.123Z'";
const NULL_HELP: &str = "STIX has no null; ask NOT EXISTS before the path";

fn keyword_like(word: &str) -> Option<Keyword> {
    KEYWORDS.iter().find(|(text, _)| text.eq_ignore_ascii_case(word)).map(|(_, keyword)| *keyword)
}

/// The content of a text with its quotes.
fn unescape(quoted: &str) -> String {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    text
}

fn bad_escape(quoted: &str) -> Option<usize> {
    let bytes = quoted.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'\'' | b'\\')) => at += 2,
            (b'\\', _) => return Some(at),
            _ => at += 1,
        }
    }
    None
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

/// Padded base64; bits that no byte takes may be anything, as the grammar and Python's decoder have it.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let data = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(data.len() * 3 / 4);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in data.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(six)) & 0xfff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// A hash algorithm of the specification with the form of its hashes.
struct Algorithm {
    /// Upper case, without hyphens.
    folded: &'static str,
    label: &'static str,
    lengths: &'static [usize],
}

const ALGORITHMS: &[Algorithm] = &[
    Algorithm { folded: "MD5", label: "MD5", lengths: &[32] },
    Algorithm { folded: "MD6", label: "MD6", lengths: &[32, 40, 56, 64, 96, 128] },
    Algorithm { folded: "RIPEMD160", label: "RIPEMD-160", lengths: &[40] },
    Algorithm { folded: "SHA1", label: "SHA-1", lengths: &[40] },
    Algorithm { folded: "SHA224", label: "SHA-224", lengths: &[56] },
    Algorithm { folded: "SHA256", label: "SHA-256", lengths: &[64] },
    Algorithm { folded: "SHA384", label: "SHA-384", lengths: &[96] },
    Algorithm { folded: "SHA512", label: "SHA-512", lengths: &[128] },
    Algorithm { folded: "SHA3224", label: "SHA3-224", lengths: &[56] },
    Algorithm { folded: "SHA3256", label: "SHA3-256", lengths: &[64] },
    Algorithm { folded: "SHA3384", label: "SHA3-384", lengths: &[96] },
    Algorithm { folded: "SHA3512", label: "SHA3-512", lengths: &[128] },
    Algorithm { folded: "SSDEEP", label: "SSDEEP", lengths: &[] },
    Algorithm { folded: "WHIRLPOOL", label: "WHIRLPOOL", lengths: &[128] },
];

/// Whether the value can be a hash of the algorithm; TLSH is 70 hex digits, with `T1` before them or not.
pub(crate) fn is_hash(algorithm: &str, value: &str) -> bool {
    if algorithm == "TLSH" {
        let digits = value.strip_prefix("T1").unwrap_or(value);
        return digits.len() == 70 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    ALGORITHMS.iter().find(|known| known.is_named(algorithm)).is_some_and(|known| known.takes(value))
}

impl Algorithm {
    fn is_named(&self, name: &str) -> bool {
        name.to_uppercase().replace(['-', '\''], "") == self.folded
    }

    fn takes(&self, text: &str) -> bool {
        if self.lengths.is_empty() {
            let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b':' | b'.');
            return (1..=128).contains(&text.len()) && text.bytes().all(inside);
        }
        self.lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    fn form(&self) -> String {
        match self.lengths {
            [] => "1 to 128 of A-Z a-z 0-9 / + : .".to_owned(),
            [length] => format!("{length} hex digits"),
            lengths => format!("{} hex digits", lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}
