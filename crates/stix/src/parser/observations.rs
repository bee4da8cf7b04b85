//! Observation expressions and their qualifiers: FOLLOWEDBY binds loosest, AND tightest.

use super::cursor::{Built, Parser, Read};
use super::faults::TIMESTAMP_HELP;
use crate::diagnostic::{Code, found_at, quote};
use crate::lexer::{Keyword, Kind};
use crate::pattern::{Observation, ObservationKind, Qualifier, QualifierKind, Span};
use crate::time;
use crate::version::Version;

fn joined(
    kind: fn(Box<Observation>, Box<Observation>) -> ObservationKind,
) -> impl Fn(Observation, Observation) -> Observation {
    move |left, right| {
        let span = left.span.start..right.span.end;
        Observation { kind: kind(Box::new(left), Box::new(right)), span }
    }
}

impl<'t> Parser<'t> {
    pub(super) fn observations(&mut self) -> Read<Built<Observation>> {
        self.chain(Keyword::FollowedBy, joined(ObservationKind::FollowedBy), |parser| {
            parser.chain(Keyword::Or, joined(ObservationKind::Or), |parser| {
                parser.chain(Keyword::And, joined(ObservationKind::And), Parser::observation)
            })
        })
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
