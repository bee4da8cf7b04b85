//! Values that stand in the statement.

use datafusion::common::ScalarValue;
use query::QueryError;

use crate::error::{internal, invalid};
use crate::functions::cast::cast;
use crate::functions::dates;
use crate::functions::native::Typed;
use crate::functions::numbers::parse_decimal;
use crate::syntax::ast::{At, IntervalField, Kind, TypedLiteral};
use crate::types::{Type, utc};

pub(crate) fn literal(at: At, kind: &Kind) -> Result<Typed, QueryError> {
    Ok(match kind {
        Kind::Null => Typed::literal(ScalarValue::Null, Type::Unknown),
        Kind::Boolean(value) => Typed::literal(ScalarValue::Boolean(Some(*value)), Type::Boolean),
        Kind::Integer(digits) => match (digits.parse::<i32>(), digits.parse::<i64>()) {
            (Ok(value), _) => Typed::literal(ScalarValue::Int32(Some(value)), Type::Integer),
            (_, Ok(value)) => Typed::literal(ScalarValue::Int64(Some(value)), Type::Bigint),
            _ => return invalid(at, format_args!("Invalid numeric literal: {digits}")),
        },
        Kind::Decimal(digits) => {
            let unsigned = digits.strip_prefix('-').unwrap_or(digits);
            let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
            let whole = whole.trim_start_matches('0');
            let scale = u8::try_from(fraction.len()).unwrap_or(u8::MAX);
            let precision = u8::try_from(whole.len() + fraction.len()).unwrap_or(u8::MAX).max(1);
            match parse_decimal(digits, scale) {
                Some(value) if precision <= 38 => {
                    let ty = Type::Decimal(precision, scale);
                    let signed = i8::try_from(scale).map_err(|_| internal("a scale of at most 38", scale))?;
                    Typed::literal(ScalarValue::Decimal128(Some(value), precision, signed), ty)
                }
                _ => return invalid(at, format_args!("Invalid numeric literal: {digits}")),
            }
        }
        Kind::Double(digits) => match digits.parse() {
            Ok(value) => Typed::literal(ScalarValue::Float64(Some(value)), Type::Double),
            Err(_) => return invalid(at, format_args!("Invalid numeric literal: {digits}")),
        },
        Kind::Text(text) => Typed::text(text.as_str()),
        Kind::Binary(bytes) => Typed::literal(ScalarValue::Binary(Some(bytes.clone())), Type::Varbinary),
        Kind::Typed(TypedLiteral::Timestamp, text) => timestamp_literal(at, text)?,
        Kind::Typed(TypedLiteral::Other(ty), text) => typed(at, ty, text)?,
        Kind::Interval { text, negative, from, to } => interval(at, text, *negative, *from, *to)?,
        _ => return invalid(at, "not a literal"),
    })
}

/// `DATE '…'`, `IPADDRESS '…'`, …: the cast of the text, made now, so that a wrong text is an error of the statement.
fn typed(at: At, ty: &Type, text: &str) -> Result<Typed, QueryError> {
    let ty = match (ty, text.split_once('.')) {
        (Type::Decimal(..), _) => return literal(at, &Kind::Decimal(text.to_owned())),
        (ty, _) => ty.clone(),
    };
    if ty == Type::Json {
        return match crate::functions::json_text::parse(text) {
            Some(node) => {
                let text = crate::functions::json_text::to_string(&crate::functions::json_text::canonical(node));
                Ok(Typed::literal(ScalarValue::Utf8(Some(text)), Type::Json))
            }
            None => invalid(at, format_args!("'{text}' is not a valid json literal")),
        };
    }
    let array = ScalarValue::Utf8(Some(text.to_owned())).to_array();
    let value = array
        .and_then(|array| crate::functions::cast::convert(&array, &Type::Varchar, &ty))
        .and_then(|array| ScalarValue::try_from_array(&array, 0));
    match value {
        Ok(value) if !matches!(ty, Type::Varchar | Type::Varbinary) => Ok(Typed::literal(value, ty)),
        Ok(_) => cast(Typed::text(text), &ty, None, false),
        Err(_) => invalid(at, format_args!("'{text}' is not a valid {ty} literal")),
    }
}

fn timestamp_literal(at: At, text: &str) -> Result<Typed, QueryError> {
    let wrong = || invalid(at, format_args!("'{text}' is not a valid timestamp literal"));
    let Some(parsed) = dates::reading::read_timestamp(text) else { return wrong() };
    let digits = u8::try_from(parsed.fraction_digits).unwrap_or(u8::MAX);
    if digits > 9 {
        return crate::error::unsupported("timestamp of more than 9 digits", "write at most 9 digits of the second");
    }
    match &parsed.zone {
        None => match dates::reading::parse_timestamp(text, digits) {
            Some(value) => Ok(timestamp_raw(value, digits)),
            None => wrong(),
        },
        Some(zone) => {
            let Some(zone) = dates::reading::zone(zone) else {
                return invalid(at, format_args!("'{zone}' is not a time zone"));
            };
            match parsed.instant(digits, &zone) {
                Some(value) => {
                    let ty = Type::TimestampTz(digits, zone);
                    let value = scalar_timestamp(value, digits, true);
                    Ok(Typed::literal(value, ty))
                }
                None => wrong(),
            }
        }
    }
}

fn scalar_timestamp(value: i64, digits: u8, with_zone: bool) -> ScalarValue {
    let zone = with_zone.then(|| std::sync::Arc::from("+00:00"));
    match digits {
        0..=3 => ScalarValue::TimestampMillisecond(Some(value), zone),
        4..=6 => ScalarValue::TimestampMicrosecond(Some(value), zone),
        _ => ScalarValue::TimestampNanosecond(Some(value), zone),
    }
}

fn timestamp_raw(value: i64, digits: u8) -> Typed {
    Typed::literal(scalar_timestamp(value, digits, false), Type::Timestamp(digits))
}

fn of_millis(millis: i64, digits: u8) -> i64 {
    match digits {
        0 => millis.div_euclid(1000) * 1000,
        1..=2 => millis - millis.rem_euclid(10_i64.pow(u32::from(3 - digits))),
        3 => millis,
        4..=6 => millis.saturating_mul(1000),
        _ => millis.saturating_mul(1_000_000),
    }
}

/// A timestamp without zone at an instant in ms, in UTC.
pub(crate) fn timestamp(millis: i64, digits: u8) -> Typed {
    timestamp_raw(of_millis(millis, digits), digits)
}

/// A timestamp with zone at an instant in ms.
pub(crate) fn instant(millis: i64, digits: u8) -> Typed {
    Typed::literal(scalar_timestamp(of_millis(millis, digits), digits, true), Type::TimestampTz(digits, utc()))
}

pub(crate) fn date(days: i64) -> Result<Typed, QueryError> {
    let days = i32::try_from(days).map_err(|_| internal("a day of 32 bits", days))?;
    Ok(Typed::literal(ScalarValue::Date32(Some(days)), Type::Date))
}

fn interval(
    at: At,
    text: &str,
    negative: bool,
    from: IntervalField,
    to: Option<IntervalField>,
) -> Result<Typed, QueryError> {
    let wrong = || QueryError::Invalid(format!("{at}: '{text}' is not a valid interval literal"));
    let (text, inner_negative) = match text.trim().strip_prefix('-') {
        Some(rest) => (rest.to_owned(), true),
        None => (text.trim().trim_start_matches('+').to_owned(), false),
    };
    let to = to.unwrap_or(from);
    let year_month = from <= IntervalField::Month;
    if to < from || (to <= IntervalField::Month) != year_month {
        return Err(wrong());
    }
    let fields = [
        IntervalField::Year,
        IntervalField::Month,
        IntervalField::Day,
        IntervalField::Hour,
        IntervalField::Minute,
        IntervalField::Second,
    ];
    let wanted: Vec<IntervalField> = fields.into_iter().filter(|field| (from..=to).contains(field)).collect();
    let parts: Vec<&str> = text.split([' ', ':', '-']).filter(|part| !part.is_empty()).collect();
    if parts.len() != wanted.len() {
        return Err(wrong());
    }
    let mut total: i64 = 0;
    for (field, part) in wanted.iter().zip(parts) {
        let unit: i64 = match field {
            IntervalField::Year => 12,
            IntervalField::Month => 1,
            IntervalField::Day => 86_400_000,
            IntervalField::Hour => 3_600_000,
            IntervalField::Minute => 60_000,
            IntervalField::Second => 1000,
        };
        let value = if *field == IntervalField::Second {
            let thousandths = parse_decimal(part, 3).ok_or_else(wrong)?;
            i64::try_from(thousandths).map_err(|_| wrong())?
        } else {
            part.parse::<i64>().ok().and_then(|value| value.checked_mul(unit)).ok_or_else(wrong)?
        };
        total = total.checked_add(value).ok_or_else(wrong)?;
    }
    if negative != inner_negative {
        total = -total;
    }
    Ok(if year_month {
        Typed::literal(ScalarValue::Int32(Some(i32::try_from(total).map_err(|_| wrong())?)), Type::MonthInterval)
    } else {
        Typed::literal(ScalarValue::Int64(Some(total)), Type::DayInterval)
    })
}
