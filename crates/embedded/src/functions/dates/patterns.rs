//! Patterns of dates: MySQL's of `date_format` and `date_parse`, Joda-Time's of `format_datetime` and `parse_datetime`.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use super::iso::read_offset;
use super::reading::zone;
use crate::types::Zone;

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
pub(super) enum Part {
    Text(String),
    Field { field: Field, width: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
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

/// A part of a pattern that this engine does not read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unsupported(String);

/// A pattern of MySQL, as `date_format` and `date_parse` take it.
pub(super) fn mysql(pattern: &str) -> std::result::Result<Vec<Part>, Unsupported> {
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
        let Some(c) = chars.next() else { return Err(Unsupported("the pattern ends in %".to_owned())) };
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
                return Err(Unsupported(format!("%{c} not currently supported in date format string")));
            }
            '%' => push_text(&mut parts, "%"),
            c => push_text(&mut parts, &c.to_string()),
        }
    }
    Ok(parts)
}

/// A pattern of Joda-Time, as `format_datetime` and `parse_datetime` take it.
pub(super) fn joda(pattern: &str) -> std::result::Result<Vec<Part>, Unsupported> {
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
            ('x', 2) => return Err(Unsupported("xx".to_owned())),
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
            (c, _) => return Err(Unsupported(format!("the letter {c} of the pattern"))),
        };
        parts.push(Part::Field { field, width });
    }
    Ok(parts)
}

pub(super) fn offset_text(offset: i32, colon: bool) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs() / 60;
    format!("{sign}{:02}{}{:02}", minutes / 60, if colon { ":" } else { "" }, minutes % 60)
}

pub(super) fn print(parts: &[Part], time: NaiveDateTime, zone: &str, offset: i32) -> String {
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
pub(super) struct ReadFields {
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
    pub(super) zone: Option<Zone>,
}

pub(super) fn read(parts: &[Part], text: &str) -> Option<ReadFields> {
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

impl ReadFields {
    pub(super) fn time(&self) -> Option<NaiveDateTime> {
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
