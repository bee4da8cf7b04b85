//! Timestamps of patterns and of STIX objects: RFC 3339 in UTC, upper case, to nanoseconds.
//!
//! `jiff` ends before the year 9999 does, and has no 30 February, which the specification's grammar lets through.

use crate::pattern::Timestamp;

const NANOS: i128 = 1_000_000_000;
const DAY: i128 = 86_400;

/// The first point of the years that are written with four digits.
pub(crate) const FIRST: Timestamp = -62_167_219_200 * NANOS;
/// The last one.
pub(crate) const LAST: Timestamp = 253_402_300_800 * NANOS - 1;

/// A timestamp with what was odd about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    /// The point in time.
    pub(crate) at: Timestamp,
    /// Whether the calendar has that day. A day beyond its month counts on into the next one.
    pub(crate) real_day: bool,
    /// Whether digits after the ninth were dropped.
    pub(crate) cut: bool,
}

/// Reads `2024-01-15T12:30:45.123Z`, exactly the form that the grammar of patterns has.
pub(crate) fn read(text: &str) -> Option<Read> {
    let bytes = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| -> Option<i128> {
        let part = bytes.get(range)?;
        part.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i128::from(byte - b'0')))
    };
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_range || separators.iter().any(|(at, byte)| bytes.get(*at) != Some(byte)) {
        return None;
    }
    let rest = text.get(19..)?.strip_suffix('Z')?;
    let (fraction, cut) = match rest.strip_prefix('.') {
        None if rest.is_empty() => (0, false),
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let nanos = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
            let sum = nanos.fold(0, |sum, byte| sum * 10 + i128::from(byte - b'0'));
            (sum, digits.bytes().skip(9).any(|byte| byte != b'0'))
        }
        _ => return None,
    };
    let days = days_from_civil(year, month, day);
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    Some(Read { at: seconds * NANOS + fraction, real_day: civil_from_days(days).2 == day, cut })
}

/// Writes what [`read`] reads, with as many digits after the point as it takes; years are four digits.
pub(crate) fn write(at: Timestamp) -> String {
    let (seconds, nanos) = (at.div_euclid(NANOS), at.rem_euclid(NANOS));
    let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if nanos > 0 {
        text.push_str(format!(".{nanos:09}").trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level date
/// algorithms").
fn days_from_civil(year: i128, month: i128, day: i128) -> i128 {
    let year = year - i128::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i128) -> (i128, i128, i128) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (of_era + era * 400 + i128::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_ten_thousand_years_is_counted() {
        let first = days_from_civil(0, 1, 1);
        let mut expected = (0, 1, 1);
        for days in first..=days_from_civil(9999, 12, 31) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!((year, month, day), expected);
            assert_eq!(days_from_civil(year, month, day), days);
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                (_, day) if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
        assert_eq!(days_from_civil(1970, 1, 1), 0);
    }

    #[test]
    fn a_timestamp_is_read_to_the_nanosecond_and_written_back() {
        for text in
            ["1970-01-01T00:00:00Z", "2024-01-15T12:30:45.123456789Z", "0000-01-01T00:00:00.5Z", "9999-12-31T23:59:59Z"]
        {
            let read = read(text).unwrap();
            assert!(read.real_day && !read.cut);
            assert_eq!(write(read.at), text);
        }
        assert_eq!(read("1970-01-01T00:00:00.000000001Z").unwrap().at, 1);
        assert_eq!(read("1969-12-31T23:59:59Z").unwrap().at, -NANOS);
        assert!(read("2024-01-01T00:00:00.1234567891Z").unwrap().cut);
    }

    #[test]
    fn years_have_four_digits() {
        assert_eq!(
            (write(FIRST).as_str(), write(LAST).as_str()),
            ("0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z")
        );
    }

    #[test]
    fn a_day_beyond_its_month_counts_on() {
        let read = read("2023-02-29T12:00:00Z").unwrap();
        assert!(!read.real_day);
        assert_eq!(write(read.at), "2023-03-01T12:00:00Z");
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2024-01-15T12:30:45",
            "2024-01-15T12:30:45z",
            "2024-01-15t12:30:45Z",
            "2024/01/15T12:30:45Z",
            "2024-13-01T12:00:00Z",
            "2024-00-01T12:00:00Z",
            "2024-01-32T12:00:00Z",
            "2024-01-15T24:00:00Z",
            "2024-01-15T12:60:00Z",
            "2024-01-15T12:30:61Z",
            "2024-01-15T12:30:45.Z",
            "2024-01-15T12:30:45+00:00",
            "2024-01-15T12:30Z",
            "+024-01-15T12:30:45Z",
            "2024-01-15T12:30:45.1 Z",
            "２024-01-15T12:30:45Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
