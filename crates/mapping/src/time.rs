//! Parses times as logs write them, to milliseconds since the epoch.

use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

use crate::config::{EpochUnit, TimeFormat};

/// Bare numbers below this many digits' worth are seconds, milliseconds, microseconds, nanoseconds in turn: each bound
/// is the year 5138 in its unit, so no plausible event time is taken for another unit.
const SECONDS_BELOW: f64 = 1e11;

/// Whether an instant is in the years 0 to 9999, the range of RFC 3339 and so of the lake.
pub(crate) fn has_date(instant: i64) -> bool {
    (-62_167_219_200_000..253_402_300_800_000).contains(&instant)
}

static ISO_8601: DateTimeParser = DateTimeParser::new();

/// Parses a time with the first format that fits.
#[derive(Clone, Debug)]
pub(crate) struct TimeReader(Vec<Format>);

#[derive(Clone, Debug)]
enum Format {
    Pattern { pattern: String, plain: Option<PlainPattern> },
    Epoch(EpochUnit),
    Iso8601,
    Auto,
}

impl TimeReader {
    pub(crate) fn new(formats: impl IntoIterator<Item = TimeFormat>) -> Self {
        let formats = formats.into_iter().map(|format| match format {
            TimeFormat::Strptime(pattern) => {
                // Python's `%f` needs a fraction; logs leave it out when it is zero.
                let pattern = pattern.replace(".%f", "%.f");
                Format::Pattern { plain: PlainPattern::of(&pattern), pattern }
            }
            TimeFormat::Epoch(unit) => Format::Epoch(unit),
            TimeFormat::Iso8601 => Format::Iso8601,
            TimeFormat::Auto => Format::Auto,
        });
        Self(formats.collect())
    }

    /// Milliseconds since 1970-01-01T00:00:00Z; a text without an offset is UTC.
    pub(crate) fn read(&self, text: &str) -> Option<i64> {
        let mut instants = self.0.iter().filter_map(|format| match format {
            Format::Pattern { pattern, plain } => {
                let plain = plain.as_ref().and_then(|plain| plain.read(text));
                plain.or_else(|| read_pattern(pattern, text))
            }
            Format::Epoch(unit) => read_epoch(text, *unit),
            Format::Iso8601 => read_iso_8601(text),
            Format::Auto => read_any(text),
        });
        instants.find(|instant| has_date(*instant))
    }
}

/// A pattern for texts in the plain form: `2020-10-05 20:43:58.350`, with whatever stands between date and time,
/// perhaps without a fraction, perhaps with a `Z`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PlainPattern {
    between: u8,
    has_fraction: bool,
    zulu: bool,
}

impl PlainPattern {
    fn of(pattern: &str) -> Option<Self> {
        let rest = pattern.strip_prefix("%Y-%m-%d")?;
        let between = *rest.as_bytes().first().filter(|byte| matches!(byte, b' ' | b'T'))?;
        let rest = rest.get(1..)?.strip_prefix("%H:%M:%S")?;
        let (has_fraction, zone) = rest.strip_prefix("%.f").map_or((false, rest), |zone| (true, zone));
        matches!(zone, "" | "Z").then_some(Self { between, has_fraction, zulu: zone == "Z" })
    }

    fn read(&self, text: &str) -> Option<i64> {
        let time = PlainTime::read(text.as_bytes())?;
        let zone: &[u8] = if self.zulu { b"Z" } else { b"" };
        let fits =
            time.between == self.between && time.zone == zone && (self.has_fraction || time.fraction_digits == 0);
        fits.then_some(time.milliseconds)
    }
}

/// A complete date and time from 1970 on, the form of nearly every time in a log. Parsing it here takes a tenth of the
/// time of the general parser, which handles all other forms.
#[derive(Debug)]
struct PlainTime<'a> {
    /// Since 1970, taken as UTC.
    milliseconds: i64,
    /// The separator between date and time.
    between: u8,
    fraction_digits: usize,
    /// The text after the time.
    zone: &'a [u8],
}

impl<'a> PlainTime<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let (whole, rest) = text.split_first_chunk::<19>()?;
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, between, h0, h1, b':', n0, n1, b':', s0, s1] = *whole else {
            return None;
        };
        let year = two_digits(y0, y1)? * 100 + two_digits(y2, y3)?;
        let (month, day) = (two_digits(m0, m1)?, two_digits(d0, d1)?);
        let (hour, minute, second) = (two_digits(h0, h1)?, two_digits(n0, n1)?, two_digits(s0, s1)?);
        let valid = year >= 1970
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !valid {
            return None;
        }
        let (mut fraction_digits, mut thousandths) = (0, 0);
        let mut zone = rest;
        if let [b'.', digits @ ..] = rest {
            fraction_digits = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
            if !(1..=9).contains(&fraction_digits) {
                return None;
            }
            for place in 0..3 {
                let digit = digits.get(place).filter(|_| place < fraction_digits).map_or(0, |digit| digit - b'0');
                thousandths = thousandths * 10 + i64::from(digit);
            }
            zone = digits.get(fraction_digits..)?;
        }
        let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self { milliseconds: seconds * 1_000 + thousandths, between, fraction_digits, zone })
    }

    /// As ISO 8601: `T` or a space, and no zone, `Z`, `+02:00` or `+0200`.
    fn as_iso_8601(&self) -> Option<i64> {
        if !matches!(self.between, b'T' | b' ') {
            return None;
        }
        let (sign, hours, minutes) = match *self.zone {
            [] | [b'Z'] => return Some(self.milliseconds),
            [sign, h0, h1, b':', m0, m1] | [sign, h0, h1, m0, m1] => (sign, two_digits(h0, h1)?, two_digits(m0, m1)?),
            _ => return None,
        };
        let offset = (hours * 60 + minutes) * 60_000;
        match sign {
            _ if hours > 23 || minutes > 59 => None,
            b'+' => Some(self.milliseconds - offset),
            b'-' if offset > 0 => Some(self.milliseconds + offset),
            _ => None,
        }
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date from then on: years begin in March, so that leap days are their last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469
}

/// An instant in any of the forms that need no format: ISO 8601 with `T` or a space, or a bare number whose size tells
/// its unit.
pub(crate) fn read_any(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(instant) = PlainTime::read(text.as_bytes()).and_then(|time| time.as_iso_8601()) {
        return Some(instant);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-') && !text.contains(':') {
        let magnitude = text.parse::<f64>().ok()?.abs();
        let unit = match magnitude {
            m if m < SECONDS_BELOW => EpochUnit::Seconds,
            m if m < SECONDS_BELOW * 1e3 => EpochUnit::Milliseconds,
            m if m < SECONDS_BELOW * 1e6 => EpochUnit::Microseconds,
            _ => EpochUnit::Nanoseconds,
        };
        return read_epoch(text, unit).filter(|instant| has_date(*instant));
    }
    read_iso_8601(text).filter(|instant| has_date(*instant))
}

fn read_iso_8601(text: &str) -> Option<i64> {
    let plain = PlainTime::read(text.as_bytes()).and_then(|time| time.as_iso_8601());
    plain.or_else(|| read_any_iso_8601(text))
}

fn read_any_iso_8601(text: &str) -> Option<i64> {
    if let Ok(instant) = ISO_8601.parse_timestamp(text) {
        return Some(instant.as_millisecond());
    }
    let local = ISO_8601.parse_datetime(text).ok()?;
    Some(TimeZone::UTC.to_timestamp(local).ok()?.as_millisecond())
}

fn read_pattern(pattern: &str, text: &str) -> Option<i64> {
    let parts = BrokenDownTime::parse(pattern, text).ok()?;
    if let Ok(instant) = parts.to_timestamp() {
        return Some(instant.as_millisecond());
    }
    Some(TimeZone::UTC.to_timestamp(parts.to_datetime().ok()?).ok()?.as_millisecond())
}

fn read_epoch(text: &str, unit: EpochUnit) -> Option<i64> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return match unit {
            EpochUnit::Seconds => whole.checked_mul(1_000),
            EpochUnit::Milliseconds => Some(whole),
            EpochUnit::Microseconds => Some(whole.div_euclid(1_000)),
            EpochUnit::Nanoseconds => Some(whole.div_euclid(1_000_000)),
        };
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    let milliseconds = match unit {
        EpochUnit::Seconds => number * 1e3,
        EpochUnit::Milliseconds => number,
        EpochUnit::Microseconds => number / 1e3,
        EpochUnit::Nanoseconds => number / 1e6,
    };
    (milliseconds.abs() < 9e15).then_some(milliseconds.floor() as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_that_logs_use_are_read_as_utc_milliseconds() {
        for (text, expected) in [
            ("2020-10-05 20:43:58.350", 1_601_930_638_350),
            ("2020-10-05 20:43:58", 1_601_930_638_000),
            ("2020-10-05T20:43:58.3501234Z", 1_601_930_638_350),
            ("2020-10-05T20:43:58.350926+0000", 1_601_930_638_350),
            ("2020-10-05T22:43:58.350+02:00", 1_601_930_638_350),
            ("1601930638", 1_601_930_638_000),
            ("1601930638350", 1_601_930_638_350),
            ("1601930638.35", 1_601_930_638_350),
        ] {
            assert_eq!(read_any(text), Some(expected), "{text}");
        }
        for text in ["", "-", "yesterday", "2020-13-05 20:43:58", "12:30"] {
            assert_eq!(read_any(text), None, "{text}");
        }
    }

    #[test]
    fn a_fraction_may_be_missing_where_the_format_names_one() {
        let reader = TimeReader::new([TimeFormat::Strptime("%Y-%m-%d %H:%M:%S.%f".into())]);
        assert_eq!(reader.read("2020-10-05 20:43:58.350"), Some(1_601_930_638_350));
        assert_eq!(reader.read("2020-10-05 20:43:58"), Some(1_601_930_638_000));
        let zulu = TimeReader::new([TimeFormat::Strptime("%Y-%m-%dT%H:%M:%S.%fZ".into())]);
        assert_eq!(zulu.read("2020-10-05T20:43:58.3501234Z"), Some(1_601_930_638_350));
    }

    /// Texts near the plain form: times of all kinds, and such with a character changed.
    fn nearly_plain_times() -> impl Strategy<Value = String> {
        let part = |range: std::ops::Range<u32>| range.prop_map(|number| format!("{number:02}"));
        let year = prop_oneof![1_960..2_040u32, 1_000..9_999u32];
        let fraction = prop_oneof![Just(String::new()), "[.][0-9]{0,11}", ",[0-9]{3}"];
        let zone = prop_oneof![Just(String::new()), "Z", "z", "[+-][0-2][0-9](:?[0-6][0-9])?", " UTC"];
        let time = (year, part(0..14), part(0..33), "[T t]", part(0..26), part(0..62), part(0..62), fraction, zone);
        let time = time.prop_map(|(year, month, day, between, hour, minute, second, fraction, zone)| {
            format!("{year}-{month}-{day}{between}{hour}:{minute}:{second}{fraction}{zone}")
        });
        (time, proptest::option::weighted(0.2, (0..30usize, "[ -~]"))).prop_map(|(time, change)| match change {
            Some((at, text)) if at < time.len() => format!("{}{text}{}", &time[..at], &time[at + 1..]),
            _ => time,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn a_plain_time_is_read_as_the_general_parsers_read_it(text in nearly_plain_times()) {
            if let Some(instant) = PlainTime::read(text.as_bytes()).and_then(|time| time.as_iso_8601()) {
                prop_assert_eq!(Some(instant), read_any_iso_8601(&text));
            }
            for pattern in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%dT%H:%M:%SZ"] {
                let plain = PlainPattern::of(pattern).unwrap();
                if let Some(instant) = plain.read(&text) {
                    prop_assert_eq!(Some(instant), read_pattern(pattern, &text), "{}", pattern);
                }
            }
        }
    }

    #[test]
    fn the_usual_forms_are_plain() {
        for text in ["2020-10-05 20:43:58.350", "2020-10-05T20:43:58Z", "2020-02-29T22:43:58.350926+0200"] {
            assert!(PlainTime::read(text.as_bytes()).and_then(|time| time.as_iso_8601()).is_some(), "{text}");
        }
        assert_eq!(PlainPattern::of("%d.%m.%Y %H:%M:%S"), None);
        assert_eq!(PlainPattern::of("%Y-%m-%d %H:%M:%S %z"), None);
    }
}
