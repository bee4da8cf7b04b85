//! Texts of ISO 8601.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::reading::{number, zone};
use crate::types::{Zone, utc};

/// `Z`, `+02`, `+0200`, `+02:00`.
pub(super) fn read_offset(text: &str) -> Option<(Zone, &str)> {
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

/// A text of ISO 8601: a date, with a time and an offset if there are.
pub(super) fn read_iso(text: &str) -> Option<(NaiveDateTime, Option<Zone>)> {
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
