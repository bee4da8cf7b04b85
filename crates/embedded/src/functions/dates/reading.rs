//! Texts of dates, times and zones, as `CAST` and literals read them.

use chrono::{LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use datafusion::arrow::array::timezone::Tz;
use datafusion::common::Result;
use query::QueryError;

use crate::text_form::{count, days_of_date};
use crate::types::{Zone, utc};

/// A date and time as `CAST` and literals read them: `2024-01-31[ 12:30[:15[.123]]][ zone]`.
pub(crate) struct ReadTimestamp {
    time: NaiveDateTime,
    /// The digits behind the second's point.
    fraction: String,
    pub(crate) fraction_digits: usize,
    pub(crate) zone: Option<String>,
}

pub(super) fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
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
        let scaled = crate::functions::numbers::parse_decimal(&format!("0.{}0", self.fraction), digits)?;
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
pub(super) fn to_utc(time: NaiveDateTime, zone: &str) -> Option<NaiveDateTime> {
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

pub(super) fn other_zone(text: &str, zone: &str) -> datafusion::common::DataFusionError {
    datafusion::common::DataFusionError::External(Box::new(QueryError::Unsupported {
        construct: format!("column of timestamps with different time zones ('{text}' is in {zone})"),
        remedy: "cut the offset off and shift by date_add, or run the statement on Athena".to_owned(),
    }))
}
