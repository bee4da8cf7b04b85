//! Instants as logs write them, in milliseconds since the epoch.

use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

use crate::config::{EpochUnit, TimeFormat};

/// Bare numbers below this many digits' worth are seconds, milliseconds, microseconds, nanoseconds in turn: each bound
/// is the year 5138 in its unit, so no plausible event time is taken for another unit.
const SECONDS_BELOW: f64 = 1e11;

static ISO_8601: DateTimeParser = DateTimeParser::new();

/// Reads an instant in the first of several formats that fits.
#[derive(Debug)]
pub(crate) struct TimeReader(Vec<TimeFormat>);

impl TimeReader {
    pub(crate) fn new(formats: impl IntoIterator<Item = TimeFormat>) -> Self {
        Self(formats.into_iter().map(lenient).collect())
    }

    /// Milliseconds since 1970-01-01T00:00:00Z; a text without an offset is UTC.
    pub(crate) fn read(&self, text: &str) -> Option<i64> {
        self.0.iter().find_map(|format| match format {
            TimeFormat::Strptime(pattern) => read_pattern(pattern, text),
            TimeFormat::Epoch(unit) => read_epoch(text, *unit),
            TimeFormat::Iso8601 => read_iso_8601(text),
            TimeFormat::Auto => read_any(text),
        })
    }
}

/// Python's `%f` needs a fraction; logs leave it out when it is zero.
fn lenient(format: TimeFormat) -> TimeFormat {
    match format {
        TimeFormat::Strptime(pattern) => TimeFormat::Strptime(pattern.replace(".%f", "%.f")),
        other => other,
    }
}

/// An instant in any of the forms that need no format: ISO 8601 with `T` or a space, or a bare number whose size tells
/// its unit.
pub(crate) fn read_any(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-') && !text.contains(':') {
        let magnitude = text.parse::<f64>().ok()?.abs();
        let unit = match magnitude {
            m if m < SECONDS_BELOW => EpochUnit::Seconds,
            m if m < SECONDS_BELOW * 1e3 => EpochUnit::Milliseconds,
            m if m < SECONDS_BELOW * 1e6 => EpochUnit::Microseconds,
            _ => EpochUnit::Nanoseconds,
        };
        return read_epoch(text, unit);
    }
    read_iso_8601(text)
}

fn read_iso_8601(text: &str) -> Option<i64> {
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
}
