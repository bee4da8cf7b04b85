//! How the values of a column are compared, and what a constant is among them.

use sql::sql;
use sql::text::Sql;
use sql::types::ColumnType;
use stix::pattern::{Literal, Value};

use super::verdict::{Typed, Verdict};
use crate::map::Kind;
use crate::protocols;

const NANOSECONDS_PER_MILLISECOND: i128 = 1_000_000;

/// A point on a scale of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Point {
    At(i64),
    /// Between this number and the next.
    After(i64),
    BelowAll,
    AboveAll,
}

impl Point {
    fn of_fraction(value: i128, unit: i128) -> Self {
        let floor = value.div_euclid(unit);
        match i64::try_from(floor) {
            Ok(floor) if value.rem_euclid(unit) == 0 => Self::At(floor),
            Ok(floor) => Self::After(floor),
            Err(_) if floor < 0 => Self::BelowAll,
            Err(_) => Self::AboveAll,
        }
    }

    fn of_float(value: f64) -> Option<Self> {
        const BOUND: f64 = 9_223_372_036_854_775_808.0;
        if value.is_nan() {
            return None;
        }
        Some(if value >= BOUND {
            Self::AboveAll
        } else if value < -BOUND {
            Self::BelowAll
        } else if value.fract() == 0.0 {
            Self::At(value as i64)
        } else {
            Self::After(value.floor() as i64)
        })
    }
}

/// How a value is brought to the form that constants are compared in.
#[derive(Clone)]
pub(super) enum Scale {
    /// Whole numbers: integers, and times in a unit of so many nanoseconds.
    Whole {
        unit: Option<i128>,
        write: fn(i64) -> Sql,
        read: fn(&Sql) -> Sql,
    },
    Double,
    Boolean,
    Text {
        folded: bool,
    },
    Protocol(Protocol),
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Protocol {
    Number,
    Name,
    Version,
    VersionName,
}

pub(super) fn unchanged(value: &Sql) -> Sql {
    value.clone()
}

pub(super) fn scale(typed: &Typed) -> Option<Scale> {
    let unit = match typed.kind {
        Some(Kind::Milliseconds) => Some(NANOSECONDS_PER_MILLISECOND),
        Some(Kind::Seconds) => Some(1_000 * NANOSECONDS_PER_MILLISECOND),
        _ => None,
    };
    let of_milliseconds = |write: fn(i64) -> Sql, read: fn(&Sql) -> Sql| Scale::Whole {
        unit: Some(NANOSECONDS_PER_MILLISECOND),
        write,
        read,
    };
    Some(match (&typed.column_type, typed.kind) {
        (ColumnType::Integer | ColumnType::Bigint, Some(Kind::ProtocolNumber)) => Scale::Protocol(Protocol::Number),
        (ColumnType::Integer | ColumnType::Bigint, Some(Kind::ProtocolVersion)) => Scale::Protocol(Protocol::Version),
        (ColumnType::Varchar, Some(Kind::ProtocolVersion)) => Scale::Protocol(Protocol::VersionName),
        (ColumnType::Varchar, Some(Kind::ProtocolName)) => Scale::Protocol(Protocol::Name),
        (ColumnType::Varchar, Some(Kind::Iso8601)) => {
            of_milliseconds(Sql::timestamp_utc, |v| sql!("TRY(from_iso8601_timestamp({}))", v))
        }
        (ColumnType::Varchar, Some(Kind::Milliseconds | Kind::Seconds | Kind::ProtocolNumber)) => return None,
        (ColumnType::Integer | ColumnType::Bigint, _) => Scale::Whole { unit, write: Sql::integer, read: unchanged },
        (ColumnType::Real | ColumnType::Double | ColumnType::Decimal(..), _) => Scale::Double,
        (ColumnType::Boolean, _) => Scale::Boolean,
        (ColumnType::Timestamp, _) => of_milliseconds(Sql::timestamp, unchanged),
        (ColumnType::TimestampWithTimeZone, _) => of_milliseconds(Sql::timestamp_utc, unchanged),
        (ColumnType::Date, _) => Scale::Whole {
            unit: Some(86_400_000 * NANOSECONDS_PER_MILLISECOND),
            write: |day| Sql::date(day.saturating_mul(86_400_000)),
            read: unchanged,
        },
        (ColumnType::Varchar, kind) => {
            Scale::Text { folded: matches!(kind, Some(Kind::Folded | Kind::Address | Kind::Network)) }
        }
        _ => return None,
    })
}

/// What a constant is on a scale.
pub(super) enum Operand {
    Point(Point),
    Double(f64),
    Boolean(bool),
    Text(String),
}

/// Why a constant is no value of a scale.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoOperand(String);

pub(super) fn operand(scale: &Scale, literal: &Literal) -> Result<Operand, NoOperand> {
    let described = describe(&literal.value);
    let point = |point| Ok(Operand::Point(point));
    match (scale, &literal.value) {
        (Scale::Whole { .. }, Value::Integer(number)) => point(Point::At(*number)),
        (Scale::Whole { .. }, Value::Float(number)) => {
            Point::of_float(*number).map(Operand::Point).ok_or_else(|| NoOperand("it is no number".to_owned()))
        }
        (Scale::Whole { unit: Some(unit), .. }, Value::Timestamp(time)) => point(Point::of_fraction(*time, *unit)),
        (Scale::Whole { unit, .. }, Value::Text(text)) => match (text.parse::<i64>(), unit) {
            (Ok(number), _) => point(Point::At(number)),
            (Err(_), Some(unit)) => match text.parse::<jiff::Timestamp>() {
                Ok(time) => point(Point::of_fraction(time.as_nanosecond(), *unit)),
                Err(_) => Err(NoOperand(format!("{described} is neither a number nor a time"))),
            },
            (Err(_), None) => match decimal(text).and_then(Point::of_float) {
                Some(number) => point(number),
                None => Err(NoOperand(format!("{described} is no number"))),
            },
        },
        (Scale::Double, Value::Integer(number)) => Ok(Operand::Double(*number as f64)),
        (Scale::Double, Value::Float(number)) => Ok(Operand::Double(*number)),
        (Scale::Double, Value::Text(text)) => {
            decimal(text).map(Operand::Double).ok_or_else(|| NoOperand(format!("{described} is no number")))
        }
        (Scale::Boolean, Value::Boolean(value)) => Ok(Operand::Boolean(*value)),
        (Scale::Boolean, Value::Text(text)) if text.eq_ignore_ascii_case("true") => Ok(Operand::Boolean(true)),
        (Scale::Boolean, Value::Text(text)) if text.eq_ignore_ascii_case("false") => Ok(Operand::Boolean(false)),
        (Scale::Text { .. }, Value::Text(text)) => Ok(Operand::Text(text.clone())),
        // Account numbers and the like are texts that people write as numbers.
        (Scale::Text { .. }, Value::Integer(number)) => Ok(Operand::Text(number.to_string())),
        (Scale::Protocol(protocol), Value::Text(_) | Value::Integer(_)) => {
            let text = match &literal.value {
                Value::Text(text) => text.clone(),
                Value::Integer(number) => number.to_string(),
                _ => String::new(),
            };
            let found = match protocol {
                Protocol::Number => protocols::number(&text).map(|n| Operand::Point(Point::At(n))),
                Protocol::Version => protocols::version(&text).map(|n| Operand::Point(Point::At(n))),
                Protocol::VersionName => {
                    protocols::version(&text).map(|n| Operand::Text(if n == 4 { "ipv4" } else { "ipv6" }.to_owned()))
                }
                Protocol::Name if protocols::version(&text).is_some() => None,
                Protocol::Name => Some(Operand::Text(match text.parse::<i64>() {
                    Ok(number) => protocols::name(number).unwrap_or(&text).to_owned(),
                    Err(_) => fold(&text),
                })),
            };
            found.ok_or_else(|| NoOperand(format!("{described} is not what the column holds of protocols")))
        }
        _ => Err(NoOperand(format!("{described} cannot equal a value of that type"))),
    }
}

/// A decimal number as people write it: no `inf`, no `nan`.
fn decimal(text: &str) -> Option<f64> {
    text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)).then(|| text.parse().ok()).flatten()
}

/// The text that `operator` compares with; a constant of another type is refused.
pub(super) fn text_of<'l>(literal: &'l Literal, operator: &str) -> Result<&'l str, Verdict> {
    match &literal.value {
        Value::Text(text) => Ok(text),
        other => Err(Verdict::Refused {
            message: format!("{operator} takes a text, not {}", describe(other)),
            help: "put the text in apostrophes".to_owned(),
        }),
    }
}

pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("the text {text:?}"),
        Value::Integer(number) => format!("the integer {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::Boolean(value) => format!("the boolean {value}"),
        Value::Timestamp(_) => "the timestamp".to_owned(),
        Value::Hex(_) | Value::Binary(_) => "the binary constant".to_owned(),
    }
}

/// Whether lower-casing changes anything.
pub(super) fn is_cased(text: &str) -> bool {
    text.chars().any(|c| c.is_lowercase() || c.is_uppercase())
}

/// Lower case, character by character, as Trino's `lower` has it.
pub(crate) fn fold(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut lower = c.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(only), None) => only,
                _ => c,
            }
        })
        .collect()
}

/// A number that compares with the column without turning the column into another type.
pub(super) fn double(column_type: &ColumnType, number: f64) -> Sql {
    match column_type {
        ColumnType::Real => sql!("CAST({} AS real)", Sql::double(number)),
        _ => Sql::double(number),
    }
}
