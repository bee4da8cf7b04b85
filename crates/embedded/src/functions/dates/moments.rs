//! Dates and times as numbers: from one type to another, to civil time and back, and later by an interval.

use chrono::{Months, NaiveDateTime, NaiveTime};

use super::reading::to_utc;
use crate::text_form::{civil, count, date_of_days, days_of_date, local};
use crate::types::Type;

pub(super) fn per_second(digits: u8) -> i64 {
    match digits {
        0..=3 => 1000,
        4..=6 => 1_000_000,
        _ => 1_000_000_000,
    }
}

/// The count in another unit, rounded to fewer digits if need be.
fn rescaled(value: i64, from: u8, to: u8) -> Option<i64> {
    let nanos = i128::from(value) * i128::from(1_000_000_000 / per_second(from));
    let step = 10_i128.pow(9 - u32::from(to.min(9)));
    // Halves go up, as Trino rounds times.
    let rounded = (nanos + step / 2).div_euclid(step) * step;
    i64::try_from(rounded / i128::from(1_000_000_000 / per_second(to))).ok()
}

/// A date or time as a value of another such type.
pub(crate) fn convert(value: i64, from: &Type, to: &Type) -> Option<i64> {
    match (from, to) {
        (Type::Date, Type::Timestamp(digits)) => count(date_of_days(value)?.and_time(NaiveTime::MIN), *digits),
        (Type::Date, Type::TimestampTz(digits, zone)) => {
            count(to_utc(date_of_days(value)?.and_time(NaiveTime::MIN), zone)?, *digits)
        }
        (Type::Timestamp(digits), Type::Date) => Some(days_of_date(civil(value, *digits)?.date())),
        (Type::TimestampTz(digits, zone), Type::Date) => Some(days_of_date(local(value, *digits, zone)?.date())),
        (Type::Timestamp(a), Type::Timestamp(b)) | (Type::TimestampTz(a, _), Type::TimestampTz(b, _)) => {
            rescaled(value, *a, *b)
        }
        (Type::Timestamp(a), Type::TimestampTz(b, zone)) => {
            rescaled(count(to_utc(civil(value, *a)?, zone)?, *a)?, *a, *b)
        }
        (Type::TimestampTz(a, zone), Type::Timestamp(b)) => rescaled(count(local(value, *a, zone)?, *a)?, *a, *b),
        _ => None,
    }
}

/// The civil time of a value in its own zone.
pub(super) fn civil_of(value: i64, ty: &Type) -> Option<NaiveDateTime> {
    match ty {
        Type::Date => Some(date_of_days(value)?.and_time(NaiveTime::MIN)),
        Type::Timestamp(digits) => civil(value, *digits),
        Type::TimestampTz(digits, zone) => local(value, *digits, zone),
        _ => None,
    }
}

pub(super) fn of_civil(time: NaiveDateTime, ty: &Type) -> Option<i64> {
    match ty {
        Type::Date => Some(days_of_date(time.date())),
        Type::Timestamp(digits) => count(time, *digits),
        Type::TimestampTz(digits, zone) => count(to_utc(time, zone)?, *digits),
        _ => None,
    }
}

pub(super) fn plus_months(time: NaiveDateTime, months: i64) -> Option<NaiveDateTime> {
    let span = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 { time.checked_sub_months(span) } else { time.checked_add_months(span) }
}

/// `value` later by so many months or ms.
pub(crate) fn shifted(value: i64, ty: &Type, by: i64, months: bool) -> Option<i64> {
    if months {
        return of_civil(plus_months(civil_of(value, ty)?, by)?, ty);
    }
    match ty {
        Type::Date => (by % 86_400_000 == 0).then(|| value.checked_add(by / 86_400_000))?,
        Type::Timestamp(digits) | Type::TimestampTz(digits, _) => {
            value.checked_add(by.checked_mul(per_second(*digits) / 1000)?)
        }
        _ => None,
    }
}

pub(super) fn zone_of(ty: &Type) -> String {
    match ty {
        Type::TimestampTz(_, zone) => zone.to_string(),
        _ => String::new(),
    }
}

pub(crate) fn is_moment(ty: &Type) -> bool {
    matches!(ty, Type::Date | Type::Timestamp(_) | Type::TimestampTz(..))
}

pub(super) fn offset_at(value: i64, digits: u8, zone: &str) -> Option<i32> {
    let (utc_time, local_time) = (civil(value, digits)?, local(value, digits, zone)?);
    i32::try_from((local_time - utc_time).num_seconds()).ok()
}
