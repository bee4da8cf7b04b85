//! `+` and `-` of moments and intervals, and `AT TIME ZONE`.

use query::QueryError;

use super::moments::{per_second, shifted, zone_of};
use super::reading::zone;
use crate::functions::cast::cast;
use crate::functions::native::{Out, Typed, call, failed, strict};
use crate::syntax::ast::{Arithmetic, At};
use crate::types::{Type, utc};

pub(crate) fn arithmetic(
    operator: Arithmetic,
    symbol: &str,
    left: Typed,
    right: Typed,
) -> Option<std::result::Result<Typed, QueryError>> {
    let is_interval = |ty: &Type| matches!(ty, Type::DayInterval | Type::MonthInterval);
    let (moment, interval, sign) = match (operator, is_interval(&left.ty), is_interval(&right.ty)) {
        (Arithmetic::Add, false, true) => (left, right, 1),
        (Arithmetic::Add, true, false) => (right, left, 1),
        (Arithmetic::Subtract, false, true) => (left, right, -1),
        (Arithmetic::Subtract, false, false) => {
            let ty = match (&left.ty, &right.ty) {
                (Type::Date, Type::Date) => Type::Date,
                (Type::TimestampTz(a, _), Type::TimestampTz(b, _)) => Type::TimestampTz(*a.max(b), utc()),
                (a, b) => a.common(b)?,
            };
            let unit = match &ty {
                Type::Date => None,
                Type::Timestamp(digits) | Type::TimestampTz(digits, _) => Some(per_second(*digits) / 1000),
                _ => return None,
            };
            let sides = cast(left, &ty, None, false).and_then(|left| Ok((left, cast(right, &ty, None, false)?)));
            let (left, right) = match sides {
                Ok(sides) => sides,
                Err(error) => return Some(Err(error)),
            };
            let body = strict(&Type::DayInterval, move |c| {
                let difference = c[0].integer()? - c[1].integer()?;
                Ok(Out::Integer(unit.map_or(difference * 86_400_000, |unit| difference / unit)))
            });
            return Some(Ok(call("-", "times", vec![left, right], Type::DayInterval, body)));
        }
        _ => return None,
    };
    let ty = moment.ty.clone();
    let months = interval.ty == Type::MonthInterval;
    let shown = ty.clone();
    let body = strict(&ty, move |c| {
        let by = sign * c[1].integer()?;
        shifted(c[0].integer()?, &shown, by, months).map(Out::Integer).ok_or_else(|| match shown {
            Type::Date if !months => failed("Cannot add hour, minutes or seconds to a date"),
            _ => failed(format!("{shown} out of range")),
        })
    });
    let key = format!("{}{}", sign, zone_of(&ty));
    Some(Ok(call(symbol, key, vec![moment, interval], ty, body)))
}

pub(crate) fn at_timezone(at: At, value: Typed, zone_text: &Typed) -> std::result::Result<Typed, QueryError> {
    let Some(text) = zone_text.as_text() else {
        return Err(QueryError::Unsupported {
            construct: "time zone that is computed".to_owned(),
            remedy: "write the zone as a text".to_owned(),
        });
    };
    let Some(zone) = zone(text) else {
        return Err(QueryError::Invalid(format!("{at}: '{text}' is not a time zone")));
    };
    match value.ty.clone() {
        Type::TimestampTz(digits, _) => Ok(Typed::new(value.expr, Type::TimestampTz(digits, zone))),
        Type::Timestamp(digits) => {
            let instant = cast(value, &Type::TimestampTz(digits, utc()), None, false)?;
            Ok(Typed::new(instant.expr, Type::TimestampTz(digits, zone)))
        }
        other => Err(QueryError::Invalid(format!("{at}: AT TIME ZONE takes a timestamp, not {other}"))),
    }
}
