//! The constants of a pattern found again in the statement that was made of it.

use std::net::IpAddr;

use sqlparser::dialect::GenericDialect;
use sqlparser::tokenizer::{Token, Tokenizer};
use stix::pattern::{Comparison, ComparisonKind, Observation, ObservationKind, Operator, Span, Value};
use translation::Diagnostic;

/// A constant of a pattern, and the comparison that it is of.
#[derive(Clone, Copy)]
pub(super) struct Constant<'p> {
    pub(super) comparison: &'p Comparison,
    pub(super) value: &'p Value,
}

/// What a translation says of the parts of its pattern.
pub(super) struct Said<'t>(pub(super) &'t [Diagnostic]);

impl Said<'_> {
    /// No row of the table can satisfy the comparison.
    fn is_never(&self, comparison: &Comparison) -> bool {
        let Span { start, end } = comparison.span;
        let is_about = |span: &Span| start <= span.start && span.end <= end;
        let mut whole = self.0.iter().filter(|warning| !warning.is_of_value && !warning.message.contains(LEFT_OUT));
        whole.any(|warning| warning.span.as_ref().is_some_and(is_about))
    }

    fn is_empty_time(&self, leaf: &Observation) -> bool {
        self.0
            .iter()
            .any(|warning| warning.message.contains("its time is empty") && warning.span.as_ref() == Some(&leaf.span))
    }

    /// The constant is not among those of the set in the statement, and is named.
    pub(super) fn is_left_out(&self, constant: &Constant<'_>) -> bool {
        let described = match constant.value {
            Value::Text(text) => format!("{text:?}"),
            Value::Integer(number) => format!("the integer {number}"),
            Value::Timestamp(_) => "the timestamp".to_owned(),
            _ => return false,
        };
        let is_it = |warning: &&Diagnostic| warning.message.contains(LEFT_OUT) && warning.message.contains(&described);
        self.0.iter().filter(is_it).any(|warning| warning.span.as_ref() == Some(&constant.comparison.span))
    }
}

const LEFT_OUT: &str = "a constant is left out of the set";

/// The constants of every comparison that some row of the table can satisfy.
pub(super) fn constants<'p>(observation: &'p Observation, said: &Said<'_>) -> Vec<Constant<'p>> {
    match &observation.kind {
        ObservationKind::Leaf { .. } if said.is_empty_time(observation) => Vec::new(),
        ObservationKind::Leaf { comparison, .. } => of_comparison(comparison, said).unwrap_or_default(),
        ObservationKind::And(left, right)
        | ObservationKind::Or(left, right)
        | ObservationKind::FollowedBy(left, right) => [constants(left, said), constants(right, said)].concat(),
        ObservationKind::Qualified(inner, _) => constants(inner, said),
    }
}

/// [`constants`] of a comparison; nothing if it is never so.
fn of_comparison<'p>(comparison: &'p Comparison, said: &Said<'_>) -> Option<Vec<Constant<'p>>> {
    match &comparison.kind {
        ComparisonKind::And(left, right) => Some([of_comparison(left, said)?, of_comparison(right, said)?].concat()),
        ComparisonKind::Or(left, right) => match (of_comparison(left, said), of_comparison(right, said)) {
            (Some(left), Some(right)) => Some([left, right].concat()),
            (one, other) => one.or(other),
        },
        ComparisonKind::Exists { .. } | ComparisonKind::Test { .. } if said.is_never(comparison) => None,
        ComparisonKind::Exists { .. } => Some(Vec::new()),
        ComparisonKind::Test { operator, negated, .. } => {
            let literals = match operator {
                Operator::In(literals) => &literals[..],
                Operator::Equal(literal)
                | Operator::NotEqual(literal)
                | Operator::Less(literal)
                | Operator::LessOrEqual(literal)
                | Operator::Greater(literal)
                | Operator::GreaterOrEqual(literal)
                | Operator::Like(literal)
                | Operator::Matches(literal)
                | Operator::IsSubset(literal)
                | Operator::IsSuperset(literal) => std::slice::from_ref(literal),
            };
            if let (Operator::IsSuperset(_), true) = (operator, *negated) {
                // Of a single address it is always so: a range holds it, it holds no range.
                return Some(Vec::new());
            }
            Some(literals.iter().map(|literal| Constant { comparison, value: &literal.value }).collect())
        }
    }
}

/// The constants of a statement.
#[derive(Default)]
pub(super) struct Written {
    texts: Vec<String>,
    numbers: Vec<f64>,
    words: Vec<String>,
}

impl Written {
    pub(super) fn of(sql: &str) -> Self {
        let tokens =
            Tokenizer::new(&GenericDialect {}, sql).tokenize().unwrap_or_else(|error| panic!("{error}\n{sql}"));
        let mut written = Self::default();
        for token in tokens {
            match token {
                Token::SingleQuotedString(text) => written.texts.push(text),
                Token::Number(number, _) => written.numbers.push(number.parse().unwrap()),
                Token::Word(word) => written.words.push(word.value),
                _ => {}
            }
        }
        written
    }

    pub(super) fn has(&self, constant: &Constant<'_>) -> bool {
        match constant.value {
            Value::Text(text) => self.has_text(text),
            Value::Integer(number) => self.has_number(*number as f64) || self.has_text(&number.to_string()),
            Value::Float(number) => self.has_number(*number),
            Value::Boolean(value) => self.words.iter().any(|word| word.eq_ignore_ascii_case(&value.to_string())),
            Value::Timestamp(time) => self.has_time(*time),
            Value::Hex(_) | Value::Binary(_) => false,
        }
    }

    fn has_number(&self, number: f64) -> bool {
        self.numbers.contains(&number.abs())
    }

    /// As it is, in lower case, or as what the column has instead of texts.
    fn has_text(&self, text: &str) -> bool {
        let folded = text.to_lowercase();
        let is_it =
            |written: &String| *written == text || *written == folded || written.strip_prefix("(?i)") == Some(text);
        self.texts.iter().any(is_it)
            || text.parse().is_ok_and(|number| self.has_number(number))
            || text.parse::<jiff::Timestamp>().is_ok_and(|time| self.has_time(time.as_nanosecond()))
            || self.has_protocol(&folded)
            || self.has_network(text)
    }

    /// A time of so many nanoseconds since 1970: in milliseconds, in whole seconds, or spelled out.
    fn has_time(&self, time: i128) -> bool {
        let milliseconds = time.div_euclid(1_000_000);
        let is_it = |text: &String| {
            let text = text.trim_end_matches(" UTC").replacen(' ', "T", 1) + "Z";
            text.parse::<jiff::Timestamp>().is_ok_and(|time| i128::from(time.as_millisecond()) == milliseconds)
        };
        self.has_number(milliseconds as f64)
            || self.has_number(milliseconds.div_euclid(1_000) as f64)
            || self.texts.iter().any(is_it)
    }

    /// The name, the number or the pattern of a protocol: by the number of each that is meant, or by its name.
    fn has_protocol(&self, text: &str) -> bool {
        let by_number = |number: &u8| self.has_number(f64::from(*number));
        let meant = PROTOCOLS.iter().find(|(name, _)| *name == text);
        let named = PROTOCOLS.iter().filter(|(_, numbers)| text.parse().is_ok_and(|number: u8| **numbers == [number]));
        meant.is_some_and(|(_, numbers)| numbers.iter().all(by_number))
            || named.into_iter().any(|(name, _)| self.texts.iter().any(|text| text == name))
    }

    /// The first and the last address of a network.
    fn has_network(&self, text: &str) -> bool {
        let Some((address, length)) = text.split_once('/') else { return false };
        let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
        let ends = match address {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(length).unwrap_or_default();
                let address = u32::from(address);
                [IpAddr::V4((address & !host).into()), IpAddr::V4((address | host).into())]
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(length).unwrap_or_default();
                let address = u128::from(address);
                [IpAddr::V6((address & !host).into()), IpAddr::V6((address | host).into())]
            }
        };
        ends.iter().all(|end| self.texts.contains(&end.to_string()))
    }
}

/// What the vectors ask of protocols, by IANA's numbers, and of versions of IP.
const PROTOCOLS: &[(&str, &[u8])] = &[
    ("icmp", &[1]),
    ("tcp", &[6]),
    ("igp", &[9]),
    ("udp", &[17]),
    ("ipv4", &[4]),
    ("ipv6", &[6]),
    ("tc%", &[6]),
    // UDPLite too.
    ("tcp|udp", &[6, 17, 136]),
];
