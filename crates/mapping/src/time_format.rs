//! Checks a strptime pattern: formats a sample time with it and parses the result.

use jiff::Timestamp;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

/// 2021-11-12T23:58:59.123456Z: the hour needs a 24-hour clock or AM/PM. Hour 23 detects `%I` without `%p`.
const SAMPLE_MICROSECONDS: i64 = 1_636_761_539_123_456;

/// Why a pattern cannot read times.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StrptimeFault {
    #[error("it has no directive such as `%Y`")]
    NoDirective,
    #[error("it does not determine the date")]
    NoDate,
    #[error("it does not determine the hour: `%I` needs `%p`, or use `%H`")]
    NoHour,
    #[error(transparent)]
    Directive(#[from] jiff::Error),
}

/// Checks that a pattern has only directives that can be parsed, and that it determines the date. A pattern may omit
/// the time of day.
pub(crate) fn check_strptime(pattern: &str) -> Result<(), StrptimeFault> {
    if !pattern.contains('%') {
        return Err(StrptimeFault::NoDirective);
    }
    let sample = Timestamp::from_microsecond(SAMPLE_MICROSECONDS)?;
    let sample = sample.to_zoned(TimeZone::UTC);
    let text = strtime::format(pattern, &sample)?;
    let read = BrokenDownTime::parse(pattern, &text)?;
    let instant = match read.to_timestamp() {
        Ok(timestamp) => timestamp.to_zoned(TimeZone::UTC).datetime(),
        Err(_) => read.to_datetime().map_err(|_| StrptimeFault::NoDate)?,
    };
    if instant.date() != sample.date() {
        return Err(StrptimeFault::NoDate);
    }
    if instant.hour() != sample.hour() && instant.hour() != 0 {
        return Err(StrptimeFault::NoHour);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_real_mappings_are_taken() {
        for pattern in [
            "%Y-%m-%d %H:%M:%S.%f",
            "%Y-%m-%dT%H:%M:%S.%fZ",
            "%Y-%m-%dT%H:%M:%S%z",
            "%Y-%m-%dT%H:%M:%S%.f%:z",
            "%d/%b/%Y:%H:%M:%S %z",
            "%m/%d/%Y %I:%M:%S %p",
            "%Y-%m-%d",
            "%y%m%d",
            "%s",
            "%F %T",
            "%Y-%j",
        ] {
            assert!(check_strptime(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_cannot_read_a_time_are_refused() {
        for (pattern, reason) in [
            ("yyyy-MM-dd", "no directive"),
            ("%b %d %H:%M:%S", "determine the date"),
            ("%H:%M", "determine the date"),
            ("%Y-%m-%d %I:%M", ""),
            ("%Y-%m-%d %Z", ""),
            ("%Y-%m-%d %!", ""),
            ("%", ""),
            ("", "no directive"),
        ] {
            let refused = check_strptime(pattern).expect_err(pattern).to_string();
            assert!(refused.contains(reason), "{pattern}: {refused}");
        }
    }
}
