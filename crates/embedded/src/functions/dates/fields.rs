//! Fields and units of a moment: `year(…)`, `extract`, and what `date_trunc`, `date_add` and `date_diff` count in.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use query::QueryError;

use super::moments::{civil_of, plus_months, zone_of};
use crate::functions::native::{Out, Typed, call, strict};
use crate::syntax::ast::At;
use crate::types::Type;

pub(super) fn part(field: &str, time: NaiveDateTime) -> Option<i64> {
    Some(match field {
        "year" => time.year().into(),
        "quarter" => (i64::from(time.month()) - 1) / 3 + 1,
        "month" => time.month().into(),
        "week" | "week_of_year" => time.iso_week().week().into(),
        "day" | "day_of_month" => time.day().into(),
        "day_of_week" | "dow" => time.weekday().number_from_monday().into(),
        "day_of_year" | "doy" => time.ordinal().into(),
        "year_of_week" | "yow" => time.iso_week().year().into(),
        "hour" => time.hour().into(),
        "minute" => time.minute().into(),
        "second" => time.second().into(),
        "millisecond" => (time.nanosecond() / 1_000_000).into(),
        _ => return None,
    })
}

pub(crate) fn extract(at: At, field: &str, value: Typed) -> std::result::Result<Typed, QueryError> {
    let field = field.to_lowercase();
    let known = [
        "year",
        "quarter",
        "month",
        "week",
        "day",
        "day_of_month",
        "day_of_week",
        "dow",
        "day_of_year",
        "doy",
        "year_of_week",
        "yow",
        "hour",
        "minute",
        "second",
    ];
    if !known.contains(&field.as_str()) {
        return Err(QueryError::Invalid(format!("{at}: there is no field {field} to extract")));
    }
    take_part(at, &field, value)
}

pub(super) fn take_part(at: At, field: &str, value: Typed) -> std::result::Result<Typed, QueryError> {
    let ty = value.ty.clone();
    let of_time = matches!(field, "hour" | "minute" | "second" | "millisecond");
    let fits = match &ty {
        Type::Date => !of_time,
        Type::Timestamp(_) | Type::TimestampTz(..) => true,
        _ => false,
    };
    if let (Type::DayInterval, "day" | "hour" | "minute" | "second" | "millisecond") = (&ty, field) {
        let (divisor, modulus) = match field {
            "day" => (86_400_000, i64::MAX),
            "hour" => (3_600_000, 24),
            "minute" => (60_000, 60),
            "second" => (1000, 60),
            _ => (1, 1000),
        };
        let body = strict(&Type::Bigint, move |c| Ok(Out::Integer(c[0].integer() / divisor % modulus)));
        return Ok(call(field, "", vec![value], Type::Bigint, body));
    }
    if !fits {
        return Err(QueryError::Invalid(format!("{at}: Unexpected parameters ({ty}) for function {field}")));
    }
    let name = field.to_owned();
    let key = zone_of(&ty);
    let body =
        strict(&Type::Bigint, move |c| Ok(civil_of(c[0].integer(), &ty).and_then(|time| part(&name, time)).into()));
    Ok(call(field, key, vec![value], Type::Bigint, body))
}

pub(super) fn truncated(unit: &str, time: NaiveDateTime) -> Option<NaiveDateTime> {
    let date = time.date();
    let day = |date: NaiveDate| date.and_time(NaiveTime::MIN);
    Some(match unit {
        "millisecond" => time.with_nanosecond(time.nanosecond() / 1_000_000 * 1_000_000)?,
        "second" => time.with_nanosecond(0)?,
        "minute" => time.with_nanosecond(0)?.with_second(0)?,
        "hour" => time.with_nanosecond(0)?.with_second(0)?.with_minute(0)?,
        "day" => day(date),
        "week" => day(date - TimeDelta::try_days(date.weekday().num_days_from_monday().into())?),
        "month" => day(date.with_day(1)?),
        "quarter" => day(date.with_day(1)?.with_month((date.month() - 1) / 3 * 3 + 1)?),
        "year" => day(date.with_day(1)?.with_month(1)?),
        _ => return None,
    })
}

/// A unit in months, or in ms.
pub(super) fn unit_of(unit: &str) -> Option<(i64, bool)> {
    Some(match unit {
        "millisecond" => (1, false),
        "second" => (1000, false),
        "minute" => (60_000, false),
        "hour" => (3_600_000, false),
        "day" => (86_400_000, false),
        "week" => (604_800_000, false),
        "month" => (1, true),
        "quarter" => (3, true),
        "year" => (12, true),
        _ => return None,
    })
}

/// Whole months from one time to the other.
pub(super) fn months_between(from: NaiveDateTime, to: NaiveDateTime) -> Option<i64> {
    let month = |time: NaiveDateTime| i64::from(time.year()) * 12 + i64::from(time.month());
    let mut months = month(to) - month(from);
    let reached = plus_months(from, months)?;
    if months > 0 && reached > to {
        months -= 1;
    } else if months < 0 && reached < to {
        months += 1;
    }
    Some(months)
}
