//! Dates, times and intervals.
//!
//! A timestamp with time zone is an instant; its zone is that of its column. Where Trino would keep another zone for each
//! value, as in `from_iso8601_timestamp` of texts with offsets, a value in another zone than UTC is an error that says so.

use chrono::{Datelike, LocalResult, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike};
use datafusion::arrow::array::timezone::Tz;
use datafusion::common::Result;
use query::QueryError;

use super::cast::cast;
use super::native::{Out, Typed, call, failed, strict};
use super::{Request, Resolved};
use crate::syntax::ast::{Arithmetic, At};
use crate::text_form::{civil, count, date_of_days, days_of_date, local};
use crate::types::{Type, Zone, utc};

// --- reading --------------------------------------------------------------------------------------------------------

/// A date and time as `CAST` and literals read them: `2024-01-31[ 12:30[:15[.123]]][ zone]`.
pub(crate) struct ReadTimestamp {
    time: NaiveDateTime,
    /// The digits behind the second's point.
    fraction: String,
    pub(crate) fraction_digits: usize,
    pub(crate) zone: Option<String>,
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    (digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn read_date(text: &str) -> Option<NaiveDate> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = unsigned.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let year = i32::try_from(number(year, 4..=6)?).ok()?;
    NaiveDate::from_ymd_opt(if negative { -year } else { year }, number(month, 1..=2)?, number(day, 1..=2)?)
}

pub(crate) fn parse_date(text: &str) -> Option<i64> {
    read_date(text.trim_matches(' ')).map(days_of_date)
}

pub(crate) fn read_timestamp(text: &str) -> Option<ReadTimestamp> {
    let text = text.trim_matches(' ');
    let (date, rest) = text.split_once(' ').unwrap_or((text, ""));
    let date = read_date(date)?;
    let rest = rest.trim_matches(' ');
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
    let (time, zone) = rest.split_at(end);
    let zone = zone.trim_matches(' ');
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    if time.contains('.') && (fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let mut parts = clock.split(':');
    let time = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(""), None, None, None) if fraction.is_empty() => NaiveTime::MIN,
        (Some(hour), Some(minute), second, None) => {
            let second = second.map_or(Some(0), |second| number(second, 1..=2))?;
            NaiveTime::from_hms_opt(number(hour, 1..=2)?, number(minute, 1..=2)?, second)?
        }
        _ => return None,
    };
    Some(ReadTimestamp {
        time: date.and_time(time),
        fraction: fraction.to_owned(),
        fraction_digits: fraction.len(),
        zone: Some(zone.to_owned()).filter(|zone| !zone.is_empty()),
    })
}

impl ReadTimestamp {
    /// The civil time, its fraction rounded to so many digits.
    fn rounded(&self, digits: u8) -> Option<NaiveDateTime> {
        let scaled = super::cast::parse_decimal(&format!("0.{}0", self.fraction), digits)?;
        let nanos = i64::try_from(scaled).ok()? * 10_i64.pow(9 - u32::from(digits.min(9)));
        self.time.checked_add_signed(TimeDelta::nanoseconds(nanos))
    }

    pub(crate) fn instant(&self, digits: u8, zone: &str) -> Option<i64> {
        count(to_utc(self.rounded(digits)?, zone)?, digits)
    }
}

/// A zone by a name that Trino knows: `UTC`, `Europe/Berlin`, `+02:00`.
pub(crate) fn zone(text: &str) -> Option<Zone> {
    let upper = text.to_uppercase();
    if matches!(upper.as_str(), "UTC" | "Z" | "GMT" | "UT" | "+00:00" | "-00:00" | "ETC/UTC" | "ZULU") {
        return Some(utc());
    }
    if let Some(rest) = text.strip_prefix(['+', '-']) {
        let (hours, minutes) = rest.split_once(':')?;
        let (hours, minutes) = (number(hours, 1..=2)?, number(minutes, 2..=2)?);
        if hours > 14 || minutes > 59 {
            return None;
        }
        return Some(Zone::from(format!("{}{hours:02}:{minutes:02}", &text[..1])));
    }
    text.parse::<Tz>().ok()?;
    Some(Zone::from(text))
}

/// The UTC time of a civil time in a zone: of two the earlier, of none that after the gap.
fn to_utc(time: NaiveDateTime, zone: &str) -> Option<NaiveDateTime> {
    if zone == "UTC" {
        return Some(time);
    }
    let tz: Tz = zone.parse().ok()?;
    match tz.from_local_datetime(&time) {
        LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => Some(instant.naive_utc()),
        LocalResult::None => {
            let before = tz.from_local_datetime(&(time - TimeDelta::try_hours(3)?)).earliest()?;
            Some(before.naive_utc() + TimeDelta::try_hours(3)?)
        }
    }
}

pub(crate) fn parse_timestamp(text: &str, digits: u8) -> Option<i64> {
    let read = read_timestamp(text)?;
    if read.zone.is_some() {
        return None;
    }
    count(read.rounded(digits)?, digits)
}

/// The text as an instant of a column in `column_zone`. A text with another zone is an error.
pub(crate) fn parse_timestamp_tz(text: &str, digits: u8, column_zone: &str) -> Result<Option<i64>> {
    let Some(read) = read_timestamp(text) else { return Ok(None) };
    if let Some(given) = &read.zone {
        match zone(given) {
            Some(given) if *given == *column_zone => {}
            Some(given) => return Err(other_zone(text, &given)),
            None => return Ok(None),
        }
    }
    Ok(read.instant(digits, column_zone))
}

fn other_zone(text: &str, zone: &str) -> datafusion::common::DataFusionError {
    datafusion::common::DataFusionError::External(Box::new(QueryError::Unsupported {
        construct: format!("column of timestamps with different time zones ('{text}' is in {zone})"),
        remedy: "cut the offset off and shift by date_add, or run the statement on Athena".to_owned(),
    }))
}

// --- between types --------------------------------------------------------------------------------------------------

fn per_second(digits: u8) -> i64 {
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
fn civil_of(value: i64, ty: &Type) -> Option<NaiveDateTime> {
    match ty {
        Type::Date => Some(date_of_days(value)?.and_time(NaiveTime::MIN)),
        Type::Timestamp(digits) => civil(value, *digits),
        Type::TimestampTz(digits, zone) => local(value, *digits, zone),
        _ => None,
    }
}

fn of_civil(time: NaiveDateTime, ty: &Type) -> Option<i64> {
    match ty {
        Type::Date => Some(days_of_date(time.date())),
        Type::Timestamp(digits) => count(time, *digits),
        Type::TimestampTz(digits, zone) => count(to_utc(time, zone)?, *digits),
        _ => None,
    }
}

fn plus_months(time: NaiveDateTime, months: i64) -> Option<NaiveDateTime> {
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
                let difference = c[0].integer() - c[1].integer();
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
        let by = sign * c[1].integer();
        shifted(c[0].integer(), &shown, by, months).map(Out::Integer).ok_or_else(|| match shown {
            Type::Date if !months => failed("Cannot add hour, minutes or seconds to a date"),
            _ => failed(format!("{shown} out of range")),
        })
    });
    let key = format!("{}{}", sign, zone_of(&ty));
    Some(Ok(call(symbol, key, vec![moment, interval], ty, body)))
}

fn zone_of(ty: &Type) -> String {
    match ty {
        Type::TimestampTz(_, zone) => zone.to_string(),
        _ => String::new(),
    }
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

// --- fields ---------------------------------------------------------------------------------------------------------

fn part(field: &str, time: NaiveDateTime) -> Option<i64> {
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

fn take_part(at: At, field: &str, value: Typed) -> std::result::Result<Typed, QueryError> {
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

fn truncated(unit: &str, time: NaiveDateTime) -> Option<NaiveDateTime> {
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
fn unit_of(unit: &str) -> Option<(i64, bool)> {
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
fn months_between(from: NaiveDateTime, to: NaiveDateTime) -> Option<i64> {
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

// --- formats --------------------------------------------------------------------------------------------------------

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// One part of a pattern.
#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Field { field: Field, width: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Year,
    /// The last two digits.
    ShortYear,
    Month,
    MonthName,
    ShortMonthName,
    Day,
    DayOfYear,
    WeekYear,
    Week,
    WeekdayNumber,
    Weekday,
    ShortWeekday,
    Hour24,
    Hour12,
    /// 1 to 24.
    ClockHour,
    /// 0 to 11.
    HalfHour,
    Minute,
    Second,
    Fraction,
    AmPm,
    Offset,
    OffsetWithColon,
    ZoneName,
}

/// A pattern of MySQL, as `date_format` and `date_parse` take it.
fn mysql(pattern: &str) -> std::result::Result<Vec<Part>, String> {
    let mut parts: Vec<Part> = Vec::new();
    let mut chars = pattern.chars();
    let push_text = |parts: &mut Vec<Part>, text: &str| match parts.last_mut() {
        Some(Part::Text(known)) => known.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    };
    while let Some(c) = chars.next() {
        if c != '%' {
            push_text(&mut parts, &c.to_string());
            continue;
        }
        let Some(c) = chars.next() else { return Err("the pattern ends in %".to_owned()) };
        let field = |field, width| Part::Field { field, width };
        match c {
            'a' => parts.push(field(Field::ShortWeekday, 3)),
            'b' => parts.push(field(Field::ShortMonthName, 3)),
            'c' => parts.push(field(Field::Month, 1)),
            'd' => parts.push(field(Field::Day, 2)),
            'e' => parts.push(field(Field::Day, 1)),
            'f' => parts.push(field(Field::Fraction, 6)),
            'H' => parts.push(field(Field::Hour24, 2)),
            'h' | 'I' => parts.push(field(Field::Hour12, 2)),
            'i' => parts.push(field(Field::Minute, 2)),
            'j' => parts.push(field(Field::DayOfYear, 3)),
            'k' => parts.push(field(Field::Hour24, 1)),
            'l' => parts.push(field(Field::Hour12, 1)),
            'M' => parts.push(field(Field::MonthName, 4)),
            'm' => parts.push(field(Field::Month, 2)),
            'p' => parts.push(field(Field::AmPm, 2)),
            'r' => {
                parts.push(field(Field::Hour12, 2));
                push_text(&mut parts, ":");
                parts.push(field(Field::Minute, 2));
                push_text(&mut parts, ":");
                parts.push(field(Field::Second, 2));
                push_text(&mut parts, " ");
                parts.push(field(Field::AmPm, 2));
            }
            'S' | 's' => parts.push(field(Field::Second, 2)),
            'T' => {
                parts.push(field(Field::Hour24, 2));
                push_text(&mut parts, ":");
                parts.push(field(Field::Minute, 2));
                push_text(&mut parts, ":");
                parts.push(field(Field::Second, 2));
            }
            'v' => parts.push(field(Field::Week, 2)),
            'W' => parts.push(field(Field::Weekday, 4)),
            'x' => parts.push(field(Field::WeekYear, 4)),
            'Y' => parts.push(field(Field::Year, 4)),
            'y' => parts.push(field(Field::ShortYear, 2)),
            'D' | 'U' | 'u' | 'V' | 'w' | 'X' => {
                return Err(format!("%{c} not currently supported in date format string"));
            }
            '%' => push_text(&mut parts, "%"),
            c => push_text(&mut parts, &c.to_string()),
        }
    }
    Ok(parts)
}

/// A pattern of Joda-Time, as `format_datetime` and `parse_datetime` take it.
fn joda(pattern: &str) -> std::result::Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c == '\'' {
            if chars.get(at + 1) == Some(&'\'') {
                parts.push(Part::Text("'".to_owned()));
                at += 2;
                continue;
            }
            let mut text = String::new();
            at += 1;
            loop {
                match chars.get(at) {
                    Some('\'') if chars.get(at + 1) == Some(&'\'') => {
                        text.push('\'');
                        at += 2;
                    }
                    Some('\'') => {
                        at += 1;
                        break;
                    }
                    Some(c) => {
                        text.push(*c);
                        at += 1;
                    }
                    None => break,
                }
            }
            parts.push(Part::Text(text));
            continue;
        }
        if !c.is_ascii_alphabetic() {
            parts.push(Part::Text(c.to_string()));
            at += 1;
            continue;
        }
        let width = chars[at..].iter().take_while(|next| **next == c).count();
        at += width;
        let field = match (c, width) {
            ('y' | 'Y', 2) => Field::ShortYear,
            ('y' | 'Y', _) => Field::Year,
            ('x', 2) => return Err("xx".to_owned()),
            ('x', _) => Field::WeekYear,
            ('w', _) => Field::Week,
            ('M', 1 | 2) => Field::Month,
            ('M', 3) => Field::ShortMonthName,
            ('M', _) => Field::MonthName,
            ('d', _) => Field::Day,
            ('D', _) => Field::DayOfYear,
            ('e', _) => Field::WeekdayNumber,
            ('E', 1..=3) => Field::ShortWeekday,
            ('E', _) => Field::Weekday,
            ('H', _) => Field::Hour24,
            ('k', _) => Field::ClockHour,
            ('h', _) => Field::Hour12,
            ('K', _) => Field::HalfHour,
            ('m', _) => Field::Minute,
            ('s', _) => Field::Second,
            ('S', _) => Field::Fraction,
            ('a', _) => Field::AmPm,
            ('Z', 1) => Field::Offset,
            ('Z', 2) => Field::OffsetWithColon,
            ('Z', _) => Field::ZoneName,
            (c, _) => return Err(format!("the letter {c} of the pattern")),
        };
        parts.push(Part::Field { field, width });
    }
    Ok(parts)
}

fn offset_text(offset: i32, colon: bool) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs() / 60;
    format!("{sign}{:02}{}{:02}", minutes / 60, if colon { ":" } else { "" }, minutes % 60)
}

fn print(parts: &[Part], time: NaiveDateTime, zone: &str, offset: i32) -> String {
    let mut out = String::new();
    for part in parts {
        let (field, width) = match part {
            Part::Text(text) => {
                out.push_str(text);
                continue;
            }
            Part::Field { field, width } => (*field, *width),
        };
        let month = MONTHS[time.month0() as usize];
        let weekday = DAYS[time.weekday().num_days_from_monday() as usize];
        let padded = |value: i64| if value < 0 { format!("-{:0width$}", -value) } else { format!("{value:0width$}") };
        out.push_str(&match field {
            Field::Year => padded(time.year().into()),
            Field::ShortYear => format!("{:02}", time.year().rem_euclid(100)),
            Field::Month => padded(time.month().into()),
            Field::MonthName => month.to_owned(),
            Field::ShortMonthName => month[..3].to_owned(),
            Field::Day => padded(time.day().into()),
            Field::DayOfYear => padded(time.ordinal().into()),
            Field::WeekYear => padded(time.iso_week().year().into()),
            Field::Week => padded(time.iso_week().week().into()),
            Field::WeekdayNumber => padded(time.weekday().number_from_monday().into()),
            Field::Weekday => weekday.to_owned(),
            Field::ShortWeekday => weekday[..3].to_owned(),
            Field::Hour24 => padded(time.hour().into()),
            Field::ClockHour => padded(if time.hour() == 0 { 24 } else { time.hour().into() }),
            Field::Hour12 => padded(if time.hour().is_multiple_of(12) { 12 } else { (time.hour() % 12).into() }),
            Field::HalfHour => padded((time.hour() % 12).into()),
            Field::Minute => padded(time.minute().into()),
            Field::Second => padded(time.second().into()),
            // Trino's formatters know milliseconds, and put zeros behind them.
            Field::Fraction => {
                let millis = format!("{:03}", time.nanosecond() / 1_000_000);
                format!("{millis:0<width$}")[..width.min(9.max(width))].to_owned()
            }
            Field::AmPm => if time.hour() < 12 { "AM" } else { "PM" }.to_owned(),
            Field::Offset => offset_text(offset, false),
            Field::OffsetWithColon => offset_text(offset, true),
            Field::ZoneName => zone.to_owned(),
        });
    }
    out
}

/// What a text said.
#[derive(Default)]
struct ReadFields {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: Option<u32>,
    half_hour: Option<u32>,
    afternoon: Option<bool>,
    minute: u32,
    second: u32,
    nanos: u32,
    zone: Option<Zone>,
}

fn read(parts: &[Part], text: &str) -> Option<ReadFields> {
    let mut fields = ReadFields::default();
    let mut rest = text;
    for (at, part) in parts.iter().enumerate() {
        let (field, width) = match part {
            Part::Text(expected) => {
                rest = rest.strip_prefix(expected.as_str())?;
                continue;
            }
            Part::Field { field, width } => (*field, *width),
        };
        // A number followed by another takes no more than its width.
        let adjacent = matches!(parts.get(at + 1), Some(Part::Field { field, .. }) if is_numeric(*field));
        let mut digits = |most: usize| -> Option<u32> {
            let most = if adjacent { width.max(1) } else { most };
            let end = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(end);
            rest = after;
            number.parse().ok()
        };
        match field {
            Field::Year => fields.year = Some(i32::try_from(digits(9)?).ok()?),
            Field::ShortYear => {
                let short = i32::try_from(digits(2)?).ok()?;
                fields.year = Some(if short < 70 { 2000 + short } else { 1900 + short });
            }
            Field::Month => fields.month = Some(digits(2)?),
            Field::Day => fields.day = Some(digits(2)?),
            Field::DayOfYear => fields.day_of_year = Some(digits(3)?),
            Field::Hour24 => fields.hour = Some(digits(2).filter(|hour| *hour < 24)?),
            Field::ClockHour => fields.hour = Some(digits(2).filter(|hour| (1..=24).contains(hour))? % 24),
            Field::Hour12 => fields.half_hour = Some(digits(2).filter(|hour| (1..=12).contains(hour))? % 12),
            Field::HalfHour => fields.half_hour = Some(digits(2).filter(|hour| *hour < 12)?),
            Field::Minute => fields.minute = digits(2).filter(|minute| *minute < 60)?,
            Field::Second => fields.second = digits(2).filter(|second| *second < 60)?,
            Field::Fraction => {
                let end = rest.bytes().take(9).take_while(u8::is_ascii_digit).count();
                let (fraction, after) = rest.split_at(end);
                rest = after;
                let millis: String = format!("{fraction:0<3}").chars().take(3).collect();
                fields.nanos = millis.parse::<u32>().ok()? * 1_000_000;
            }
            Field::MonthName | Field::ShortMonthName => {
                let found = (0_u32..).zip(MONTHS).find_map(|(at, name)| {
                    let long = rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
                    let short = rest.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(&name[..3]));
                    if long { Some((at, name.len())) } else { short.then_some((at, 3)) }
                });
                let (month, length) = found?;
                fields.month = Some(month + 1);
                rest = &rest[length..];
            }
            Field::Weekday | Field::ShortWeekday => {
                let found = DAYS.iter().find_map(|name| {
                    let long = rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
                    let short = rest.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(&name[..3]));
                    if long { Some(name.len()) } else { short.then_some(3) }
                });
                rest = &rest[found?..];
            }
            Field::AmPm => {
                let half = rest.get(..2)?;
                fields.afternoon = Some(match half.to_uppercase().as_str() {
                    "AM" => false,
                    "PM" => true,
                    _ => return None,
                });
                rest = &rest[2..];
            }
            Field::Offset | Field::OffsetWithColon => {
                let (offset, after) = read_offset(rest)?;
                fields.zone = Some(offset);
                rest = after;
            }
            Field::ZoneName => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"/_+-:".contains(c)).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                fields.zone = Some(zone(name)?);
                rest = after;
            }
            Field::WeekYear | Field::Week | Field::WeekdayNumber => return None,
        }
    }
    rest.is_empty().then_some(fields)
}

fn is_numeric(field: Field) -> bool {
    !matches!(
        field,
        Field::MonthName
            | Field::ShortMonthName
            | Field::Weekday
            | Field::ShortWeekday
            | Field::AmPm
            | Field::Offset
            | Field::OffsetWithColon
            | Field::ZoneName
    )
}

/// `Z`, `+02`, `+0200`, `+02:00`.
fn read_offset(text: &str) -> Option<(Zone, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((utc(), rest));
    }
    let sign = text.chars().next().filter(|c| matches!(c, '+' | '-'))?;
    let rest = &text[1..];
    let hours = number(rest.get(..2)?, 2..=2)?;
    let rest = &rest[2..];
    let after_colon = rest.strip_prefix(':').unwrap_or(rest);
    let (minutes, rest) = match after_colon.get(..2).and_then(|minutes| number(minutes, 2..=2)) {
        Some(minutes) => (minutes, &after_colon[2..]),
        None => (0, rest),
    };
    Some((zone(&format!("{sign}{hours:02}:{minutes:02}"))?, rest))
}

impl ReadFields {
    fn time(&self) -> Option<NaiveDateTime> {
        let year = self.year.unwrap_or(1970);
        let date = match self.day_of_year {
            Some(day) => NaiveDate::from_yo_opt(year, day)?,
            None => NaiveDate::from_ymd_opt(year, self.month.unwrap_or(1), self.day.unwrap_or(1))?,
        };
        let hour = match (self.hour, self.half_hour) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour + if self.afternoon == Some(true) { 12 } else { 0 },
            (None, None) => 0,
        };
        Some(date.and_time(NaiveTime::from_hms_nano_opt(hour, self.minute, self.second, self.nanos)?))
    }
}

/// A text of ISO 8601: a date, with a time and an offset if there are.
fn read_iso(text: &str) -> Option<(NaiveDateTime, Option<Zone>)> {
    let (date, rest) = match text.find('T') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let date = match date.split('-').collect::<Vec<_>>()[..] {
        [year, week] if week.starts_with('W') => NaiveDate::from_isoywd_opt(
            number(year, 4..=4)?.cast_signed(),
            number(&week[1..], 1..=2)?,
            chrono::Weekday::Mon,
        )?,
        [year, week, day] if week.starts_with('W') => {
            let days = TimeDelta::try_days(i64::from(number(day, 1..=1)?) - 1)?;
            NaiveDate::from_isoywd_opt(
                number(year, 4..=4)?.cast_signed(),
                number(&week[1..], 1..=2)?,
                chrono::Weekday::Mon,
            )? + days
        }
        [year, month, day] => {
            NaiveDate::from_ymd_opt(number(year, 4..=4)?.cast_signed(), number(month, 1..=2)?, number(day, 1..=2)?)?
        }
        [year, day] if day.len() == 3 => {
            NaiveDate::from_yo_opt(number(year, 4..=4)?.cast_signed(), number(day, 3..=3)?)?
        }
        [year, month] => NaiveDate::from_ymd_opt(number(year, 4..=4)?.cast_signed(), number(month, 1..=2)?, 1)?,
        [year] => NaiveDate::from_ymd_opt(number(year, 4..=4)?.cast_signed(), 1, 1)?,
        _ => return None,
    };
    let end = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, offset) = rest.split_at(end);
    let offset = match offset.is_empty() {
        true => None,
        false => {
            let (offset, after) = read_offset(offset)?;
            if !after.is_empty() {
                return None;
            }
            Some(offset)
        }
    };
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parts: Vec<&str> = if clock.is_empty() { Vec::new() } else { clock.split(':').collect() };
    if parts.len() > 3 || (!fraction.is_empty() && parts.len() != 3) {
        return None;
    }
    let mut numbers = [0_u32; 3];
    for (slot, part) in numbers.iter_mut().zip(parts) {
        *slot = number(part, 1..=2)?;
    }
    // Joda keeps milliseconds.
    let millis: String = format!("{fraction:0<3}").chars().take(3).collect();
    let nanos = millis.parse::<u32>().ok()? * 1_000_000;
    let time = match numbers {
        [24, 0, 0] => return Some((date.succ_opt()?.and_time(NaiveTime::MIN), offset)),
        [hour, minute, second] => NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?,
    };
    Some((date.and_time(time), offset))
}

// --- calls ----------------------------------------------------------------------------------------------------------

fn fixed_text<'r>(request: &'r Request<'_>, at: usize, what: &str) -> std::result::Result<&'r str, QueryError> {
    let argument = request.arguments.get(at).ok_or_else(|| request.wrong())?;
    if argument.ty != Type::Varchar {
        return Err(request.wrong());
    }
    argument.as_text().ok_or_else(|| QueryError::Unsupported {
        construct: format!("{what} of {} that is computed", request.name),
        remedy: "write it as a text".to_owned(),
    })
}

fn fixed_unit(request: &Request<'_>) -> std::result::Result<String, QueryError> {
    let unit = fixed_text(request, 0, "unit")?.to_lowercase();
    match unit_of(&unit) {
        Some(_) => Ok(unit),
        None => Err(QueryError::Invalid(format!("{}: '{unit}' is not a valid TIMESTAMP field", request.at))),
    }
}

fn is_moment(ty: &Type) -> bool {
    matches!(ty, Type::Date | Type::Timestamp(_) | Type::TimestampTz(..))
}

fn pattern_of(
    request: &Request<'_>,
    at: usize,
    read: fn(&str) -> std::result::Result<Vec<Part>, String>,
) -> std::result::Result<Vec<Part>, QueryError> {
    let text = fixed_text(request, at, "pattern")?;
    read(text).map_err(|what| QueryError::Unsupported {
        construct: format!("{} in the pattern '{text}' of {}", what, request.name),
        remedy: "leave it out".to_owned(),
    })
}

pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    use Type::{Bigint, Date, Double, Timestamp, TimestampTz, Varchar};
    let arguments = &request.arguments;
    match (request.name, arguments.len()) {
        ("date", 1) => Some(cast(arguments[0].clone(), &Date, None, false).map_err(|_| request.wrong())),
        (
            "year" | "quarter" | "month" | "week" | "week_of_year" | "day" | "day_of_month" | "day_of_week" | "dow"
            | "day_of_year" | "doy" | "year_of_week" | "yow" | "hour" | "minute" | "second" | "millisecond",
            1,
        ) => Some(take_part(request.at, request.name, arguments[0].clone())),
        ("date_trunc", 2) => Some(date_trunc(request)),
        ("date_add", 3) => Some(date_add(request)),
        ("date_diff", 3) => Some(date_diff(request)),
        ("last_day_of_month", 1) if is_moment(&arguments[0].ty) => {
            let ty = arguments[0].ty.clone();
            let body = strict(&Date, move |c| {
                let time = civil_of(c[0].integer(), &ty);
                let first = time.and_then(|time| time.date().with_day(1));
                let last = first.and_then(|first| first.checked_add_months(Months::new(1))?.pred_opt());
                Ok(last.map(days_of_date).into())
            });
            Some(Ok(call("last_day_of_month", zone_of(&arguments[0].ty), arguments.clone(), Date, body)))
        }
        ("from_unixtime", 1 | 2) => {
            let zone_name = match arguments.len() {
                2 => match fixed_text(request, 1, "time zone") {
                    Ok(text) => match zone(text) {
                        Some(zone) => zone,
                        None => {
                            return Some(Err(QueryError::Invalid(format!(
                                "{}: '{text}' is not a time zone",
                                request.at
                            ))));
                        }
                    },
                    Err(error) => return Some(Err(error)),
                },
                _ => utc(),
            };
            if !arguments[0].ty.coerces_to(&Double) {
                return Some(Err(request.wrong()));
            }
            let seconds = match cast(arguments[0].clone(), &Double, None, false) {
                Ok(seconds) => seconds,
                Err(error) => return Some(Err(error)),
            };
            let returns = TimestampTz(3, zone_name.clone());
            let body = strict(&returns, |c| {
                let millis = super::cast::round_to_integer(c[0].double() * 1000.0);
                millis.map(Out::Integer).ok_or_else(|| failed("timestamp out of range"))
            });
            Some(Ok(call("from_unixtime", zone_name.to_string(), vec![seconds], returns, body)))
        }
        ("to_unixtime", 1) => {
            let digits = match &arguments[0].ty {
                Timestamp(digits) | TimestampTz(digits, _) => *digits,
                Date => {
                    let given = cast(arguments[0].clone(), &Timestamp(3), None, false);
                    return Some(given.and_then(|given| super::resolve(request.at, "to_unixtime", vec![given])));
                }
                _ => return Some(Err(request.wrong())),
            };
            #[expect(clippy::cast_precision_loss, reason = "a double is what is wanted")]
            let body = strict(&Double, move |c| Ok(Out::Double(c[0].integer() as f64 / per_second(digits) as f64)));
            Some(Ok(call("to_unixtime", "", arguments.clone(), Double, body)))
        }
        ("to_iso8601", 1) => {
            let ty = arguments[0].ty.clone();
            if !is_moment(&ty) {
                return Some(Err(request.wrong()));
            }
            let key = zone_of(&ty);
            let body = strict(&Varchar, move |c| {
                let value = c[0].integer();
                let text = match &ty {
                    Date => crate::text_form::date(value),
                    Timestamp(digits) => crate::text_form::timestamp(value, *digits).replacen(' ', "T", 1),
                    TimestampTz(digits, zone) => {
                        let time = civil_of(value, &ty).ok_or_else(|| failed("timestamp out of range"))?;
                        let text = crate::text_form::civil_time(time, *digits).replacen(' ', "T", 1);
                        let offset = offset_at(value, *digits, zone).unwrap_or(0);
                        format!("{text}{}", if offset == 0 { "Z".to_owned() } else { offset_text(offset, true) })
                    }
                    _ => return Ok(Out::Null),
                };
                Ok(Out::Text(text))
            });
            Some(Ok(call("to_iso8601", key, arguments.clone(), Varchar, body)))
        }
        ("from_iso8601_timestamp", 1) => request.simple(&[Varchar], Type::instant(), |c| {
            let text = c[0].text();
            let (time, offset) = read_iso(text).ok_or_else(|| failed(format!("Invalid format: \"{text}\"")))?;
            match offset {
                Some(offset) if *offset != *"UTC" => Err(other_zone(text, &offset)),
                _ => Ok(count(time, 3).into()),
            }
        }),
        ("from_iso8601_date", 1) => request.simple(&[Varchar], Date, |c| {
            let text = c[0].text();
            match read_iso(text) {
                Some((time, None)) if !text.contains('T') => Ok(Out::Integer(days_of_date(time.date()))),
                _ => Err(failed(format!("Invalid format: \"{text}\""))),
            }
        }),
        ("at_timezone", 2) => Some(at_timezone(request.at, arguments[0].clone(), &arguments[1])),
        ("with_timezone", 2) => {
            let Timestamp(digits) = arguments[0].ty else { return Some(Err(request.wrong())) };
            let text = match fixed_text(request, 1, "time zone") {
                Ok(text) => text,
                Err(error) => return Some(Err(error)),
            };
            Some(match zone(text) {
                Some(zone) => cast(arguments[0].clone(), &TimestampTz(digits, zone), None, false),
                None => Err(QueryError::Invalid(format!("{}: '{text}' is not a time zone", request.at))),
            })
        }
        ("timezone_hour", 1) => {
            let TimestampTz(digits, zone) = arguments[0].ty.clone() else { return Some(Err(request.wrong())) };
            let key = zone.to_string();
            let body = strict(&Bigint, move |c| {
                Ok(offset_at(c[0].integer(), digits, &zone).map(|offset| i64::from(offset / 3600)).into())
            });
            Some(Ok(call("timezone_hour", key, arguments.clone(), Bigint, body)))
        }
        ("date_format" | "format_datetime", 2) => Some(format(request)),
        ("date_parse", 2) => Some(pattern_of(request, 1, mysql).and_then(|parts| {
            let text = request.coerced(&[Varchar, Varchar])?;
            let body = strict(&Timestamp(3), move |c| {
                let value = read(&parts, c[0].text()).and_then(|fields| count(fields.time()?, 3));
                value.map(Out::Integer).ok_or_else(|| failed(format!("Invalid format: \"{}\"", c[0].text())))
            });
            Ok(call("date_parse", "", text, Timestamp(3), body))
        })),
        ("parse_datetime", 2) => Some(pattern_of(request, 1, joda).and_then(|parts| {
            let text = request.coerced(&[Varchar, Varchar])?;
            let body = strict(&Type::instant(), move |c| {
                let invalid = || failed(format!("Invalid format: \"{}\"", c[0].text()));
                let fields = read(&parts, c[0].text()).ok_or_else(invalid)?;
                match &fields.zone {
                    Some(zone) if **zone != *"UTC" => Err(other_zone(c[0].text(), zone)),
                    _ => fields.time().and_then(|time| count(time, 3)).map(Out::Integer).ok_or_else(invalid),
                }
            });
            Ok(call("parse_datetime", "", text, Type::instant(), body))
        })),
        _ => None,
    }
}

fn offset_at(value: i64, digits: u8, zone: &str) -> Option<i32> {
    let (utc_time, local_time) = (civil(value, digits)?, local(value, digits, zone)?);
    i32::try_from((local_time - utc_time).num_seconds()).ok()
}

fn format(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let parts = match request.name {
        "date_format" => pattern_of(request, 1, mysql)?,
        _ => pattern_of(request, 1, joda)?,
    };
    let value = match &request.arguments[0].ty {
        Type::Date => cast(request.arguments[0].clone(), &Type::Timestamp(3), None, false)?,
        ty if is_moment(ty) => request.arguments[0].clone(),
        _ => return Err(request.wrong()),
    };
    let ty = value.ty.clone();
    let key = format!("{}{parts:?}", zone_of(&ty));
    let body = strict(&Type::Varchar, move |c| {
        let time = civil_of(c[0].integer(), &ty).ok_or_else(|| failed("timestamp out of range"))?;
        let (zone, offset) = match &ty {
            Type::TimestampTz(digits, zone) => (&**zone, offset_at(c[0].integer(), *digits, zone).unwrap_or(0)),
            _ => ("UTC", 0),
        };
        Ok(Out::Text(print(&parts, time, zone, offset)))
    });
    Ok(call(request.name, key, vec![value], Type::Varchar, body))
}

fn date_trunc(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let unit = fixed_unit(request)?;
    let value = request.arguments[1].clone();
    let ty = value.ty.clone();
    if !is_moment(&ty) {
        return Err(request.wrong());
    }
    if ty == Type::Date && matches!(unit.as_str(), "millisecond" | "second" | "minute" | "hour") {
        return Err(QueryError::Invalid(format!("{}: '{unit}' is not a valid DATE field", request.at)));
    }
    let key = format!("{unit}{}", zone_of(&ty));
    let returns = ty.clone();
    let body = strict(&returns, move |c| {
        let value = civil_of(c[0].integer(), &ty).and_then(|time| of_civil(truncated(&unit, time)?, &ty));
        value.map(Out::Integer).ok_or_else(|| failed("timestamp out of range"))
    });
    Ok(call("date_trunc", key, vec![value], returns, body))
}

fn date_add(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let unit = fixed_unit(request)?;
    let (number, value) = (request.arguments[1].clone(), request.arguments[2].clone());
    let ty = value.ty.clone();
    if !is_moment(&ty) || !number.ty.coerces_to(&Type::Bigint) {
        return Err(request.wrong());
    }
    if ty == Type::Date && matches!(unit.as_str(), "millisecond" | "second" | "minute" | "hour") {
        return Err(QueryError::Invalid(format!("{}: '{unit}' is not a valid DATE field", request.at)));
    }
    let number = cast(number, &Type::Bigint, None, false)?;
    let (size, months) = unit_of(&unit).unwrap_or((1, false));
    let key = format!("{unit}{}", zone_of(&ty));
    let returns = ty.clone();
    let body = strict(&returns, move |c| {
        let by = c[0].integer().checked_mul(size);
        let by_day = matches!(unit.as_str(), "day" | "week");
        let value = by.and_then(|by| match &ty {
            // A day in a zone may have 23 or 25 hours.
            Type::TimestampTz(_, zone) if by_day && **zone != *"UTC" => {
                let time = civil_of(c[1].integer(), &ty)?.checked_add_signed(TimeDelta::try_milliseconds(by)?)?;
                of_civil(time, &ty)
            }
            _ => shifted(c[1].integer(), &ty, by, months),
        });
        value.map(Out::Integer).ok_or_else(|| failed("date out of range"))
    });
    Ok(call("date_add", key, vec![number, value], returns, body))
}

fn date_diff(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let unit = fixed_unit(request)?;
    let (from, to) = (request.arguments[1].clone(), request.arguments[2].clone());
    let Some(ty) = from.ty.common(&to.ty).filter(is_moment) else { return Err(request.wrong()) };
    if ty == Type::Date && matches!(unit.as_str(), "millisecond" | "second" | "minute" | "hour") {
        return Err(QueryError::Invalid(format!("{}: '{unit}' is not a valid DATE field", request.at)));
    }
    let (from, to) = (cast(from, &ty, None, false)?, cast(to, &ty, None, false)?);
    let (size, months) = unit_of(&unit).unwrap_or((1, false));
    let key = format!("{unit}{}", zone_of(&ty));
    let body = strict(&Type::Bigint, move |c| {
        let by_day = matches!(unit.as_str(), "day" | "week");
        let (a, b) = match &ty {
            // Hours are those that passed, days are those of the calendar.
            Type::TimestampTz(digits, _) if !months && !by_day => {
                (civil(c[0].integer(), *digits), civil(c[1].integer(), *digits))
            }
            ty => (civil_of(c[0].integer(), ty), civil_of(c[1].integer(), ty)),
        };
        let (Some(a), Some(b)) = (a, b) else { return Err(failed("date out of range")) };
        Ok(match months {
            true => months_between(a, b).map(|between| between / size).into(),
            false => {
                let millis = |time: NaiveDateTime| time.and_utc().timestamp_millis();
                Out::Integer((millis(b) - millis(a)) / size)
            }
        })
    });
    Ok(call("date_diff", key, vec![from, to], Type::Bigint, body))
}
