//! Fields and units of a moment: `year(…)`, `extract`, and what `date_trunc`, `date_add` and `date_diff` count in.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use query::QueryError;

use super::moments::{civil_of, plus_months, zone_of};
use crate::functions::native::{Out, Typed, call, failed, mistake, strict};
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
        let body = strict(&Type::Bigint, move |c| Ok(Out::Integer(c[0].integer()? / divisor % modulus)));
        return Ok(call(field, "", vec![value], Type::Bigint, body));
    }
    if !fits {
        return Err(QueryError::Invalid(format!("{at}: Unexpected parameters ({ty}) for function {field}")));
    }
    let name = field.to_owned();
    let key = zone_of(&ty);
    let body = strict(&Type::Bigint, move |c| {
        let time = civil_of(c[0].integer()?, &ty).ok_or_else(|| failed("timestamp out of range"))?;
        part(&name, time).map(Out::Integer).ok_or_else(|| mistake("a field of a date or time", &name))
    });
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

/// A unit that dates are counted and cut in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    pub(super) name: &'static str,
    /// Months where `months`, else ms.
    pub(super) size: i64,
    pub(super) months: bool,
}

impl Unit {
    /// Whether it is less than a day.
    pub(super) fn is_of_time(self) -> bool {
        matches!(self.name, "millisecond" | "second" | "minute" | "hour")
    }
}

const UNITS: [Unit; 9] = [
    Unit { name: "millisecond", size: 1, months: false },
    Unit { name: "second", size: 1000, months: false },
    Unit { name: "minute", size: 60_000, months: false },
    Unit { name: "hour", size: 3_600_000, months: false },
    Unit { name: "day", size: 86_400_000, months: false },
    Unit { name: "week", size: 604_800_000, months: false },
    Unit { name: "month", size: 1, months: true },
    Unit { name: "quarter", size: 3, months: true },
    Unit { name: "year", size: 12, months: true },
];

pub(super) fn unit_of(name: &str) -> Option<Unit> {
    UNITS.into_iter().find(|unit| unit.name == name)
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
