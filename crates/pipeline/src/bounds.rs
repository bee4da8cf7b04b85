//! How far a batch goes by what its events say of where they belong.
//!
//! An event names its account and its time, and each pair of account and day is a partition with an object of its own. A
//! sender that makes them up could have one small record become any number of objects, in days that no query looks at and
//! no lifecycle rule expires. Events beyond these bounds go to quarantine, from where they can be replayed.

use std::fmt;
use std::ops::Range;

use lake::key::EventDay;

/// What a batch takes from its events without a person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Partitions that a batch opens at most.
    pub partitions: PartitionLimit,
    /// The days that its events may be of.
    pub days: PlausibleDays,
}

impl Bounds {
    /// Whatever events say is taken.
    pub const NONE: Self = Self { partitions: PartitionLimit::NONE, days: PlausibleDays::ANY };
}

/// A bound that cannot be read from its text. The message says what would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BoundsError {
    /// [`PartitionLimit::parse`] takes another number.
    #[error("it is a number from 1 to 100000")]
    Partitions,
    /// [`PlausibleDays::parse_day`] takes a day in another form.
    #[error("a day is written like 2000-01-31")]
    Day,
    /// [`PlausibleDays::parse_ahead`] takes another number.
    #[error("it is a number from 0 to 36500")]
    DaysAhead,
}

/// How many partitions (class, account and day) one batch opens at most. The default is 1,000.
///
/// An object costs about a millisecond of processor time and one put, however few rows it has. 1,000 objects take some
/// seconds, which leaves an invocation of two minutes time for the rest of its event. 1,000 also covers an organization of
/// several hundred accounts whose events arrive around midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionLimit(usize);

impl PartitionLimit {
    /// No limit.
    pub const NONE: Self = Self(usize::MAX);

    /// A limit from 1 to 100,000.
    ///
    /// # Errors
    /// [`BoundsError::Partitions`] for any other text.
    pub fn parse(text: &str) -> Result<Self, BoundsError> {
        let partitions = text.parse().ok().filter(|partitions| (1..=100_000).contains(partitions));
        partitions.map(Self).ok_or(BoundsError::Partitions)
    }

    /// Partitions.
    pub fn get(self) -> usize {
        self.0
    }
}

impl Default for PartitionLimit {
    fn default() -> Self {
        Self(1_000)
    }
}

impl fmt::Display for PartitionLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The event days that are plausible, from a fixed day to some days after today, in UTC. The default is from 1970-01-01,
/// so that a recording with a clock that began at zero is kept, to two days ahead, so that a clock that is wrong by a time
/// zone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlausibleDays {
    earliest: EventDay,
    ahead: u32,
}

const MILLIS_PER_DAY: i64 = 86_400_000;

impl PlausibleDays {
    /// Every day that a key of the lake can name.
    pub const ANY: Self = Self { earliest: EventDay::FIRST, ahead: u32::MAX };

    /// Days from `earliest` to `ahead` days after today.
    pub fn new(earliest: EventDay, ahead: u32) -> Self {
        Self { earliest, ahead }
    }

    /// The first day.
    pub fn earliest(self) -> EventDay {
        self.earliest
    }

    /// Days after today that are still plausible.
    pub fn ahead(self) -> u32 {
        self.ahead
    }

    /// A day written as `2000-01-31`.
    ///
    /// # Errors
    /// [`BoundsError::Day`] for any other text.
    pub fn parse_day(text: &str) -> Result<EventDay, BoundsError> {
        let parts: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        let day = if lengths == [4, 2, 2] { parts.concat().parse().ok() } else { None };
        day.ok_or(BoundsError::Day)
    }

    /// A number of days ahead, from 0 to 36,500.
    ///
    /// # Errors
    /// [`BoundsError::DaysAhead`] for any other text.
    pub fn parse_ahead(text: &str) -> Result<u32, BoundsError> {
        let days = text.parse().ok().filter(|days| *days <= 36_500);
        days.ok_or(BoundsError::DaysAhead)
    }

    /// The times that are plausible at `now`, all in milliseconds since 1970.
    pub(crate) fn times(self, now: i64) -> Range<i64> {
        let tomorrow = (now.div_euclid(MILLIS_PER_DAY) + 1).saturating_mul(MILLIS_PER_DAY);
        let end = tomorrow.saturating_add(i64::from(self.ahead) * MILLIS_PER_DAY);
        self.earliest.start_millis()..end.min(EventDay::LAST.start_millis() + MILLIS_PER_DAY)
    }
}

impl Default for PlausibleDays {
    fn default() -> Self {
        Self { earliest: EventDay::EPOCH, ahead: 2 }
    }
}

/// Why a time outside of `plausible` is refused.
pub(crate) fn implausible(time: i64, plausible: &Range<i64>) -> String {
    let instant = |millis: i64| jiff::Timestamp::from_millisecond(millis);
    let time = instant(time).map_or_else(|_| format!("{time} ms since 1970"), |time| time.to_string());
    let day = |millis| instant(millis).map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%d").to_string());
    let (first, last) = (day(plausible.start), day(plausible.end - 1));
    format!(
        "its time is {time}, outside the plausible days {first} to {last}; if it is right, widen them (--earliest-day and \
         --days-ahead; SLUICE_EARLIEST_DAY and SLUICE_DAYS_AHEAD of a function) and replay"
    )
}

/// Why an event of one more partition is refused.
pub(crate) fn too_many(limit: PartitionLimit) -> String {
    format!(
        "its batch has events of {limit} partitions (class, account and day) already, which is the limit; replay writes it; \
         where so many are right, raise the limit (--partitions; SLUICE_PARTITIONS of a function)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_plausible_from_the_first_to_the_end_of_the_last() {
        let days = PlausibleDays::new("20240229".parse().unwrap(), 1);
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        for now in ["2025-03-03T00:00:00Z", "2025-03-03T23:59:59.999Z"] {
            let times = days.times(at(now));
            assert_eq!(times, at("2024-02-29T00:00:00Z")..at("2025-03-05T00:00:00Z"));
        }
        // No time of the range is without a day, whatever the clock says.
        for now in [i64::MIN, 0, i64::MAX] {
            for days in [PlausibleDays::ANY, PlausibleDays::new(EventDay::FIRST, u32::MAX), days] {
                let times = days.times(now);
                assert!(times.is_empty() || EventDay::of_millis(times.start).is_ok(), "{times:?}");
                assert!(times.is_empty() || EventDay::of_millis(times.end - 1).is_ok(), "{times:?}");
            }
        }
        assert!(PlausibleDays::ANY.times(0).contains(&253_402_300_799_999));
    }

    #[test]
    fn a_refusal_names_the_bound_and_the_way_out() {
        let times = PlausibleDays::default().times(1_741_000_000_000);
        assert_eq!(
            implausible(4_070_908_800_000, &times),
            "its time is 2099-01-01T00:00:00Z, outside the plausible days 1970-01-01 to 2025-03-05; if it is right, widen \
             them (--earliest-day and --days-ahead; SLUICE_EARLIEST_DAY and SLUICE_DAYS_AHEAD of a function) and replay"
        );
        assert!(implausible(i64::MAX, &times).starts_with("its time is 9223372036854775807 ms since 1970, outside"));
        assert!(too_many(PartitionLimit::default()).starts_with("its batch has events of 1000 partitions ("));
    }

    #[test]
    fn bounds_are_written_in_one_way() {
        assert_eq!(PlausibleDays::parse_day("1970-01-01"), Ok(EventDay::EPOCH));
        for wrong in ["", "20000101", "2000-1-1", "2000-02-30", "2000-01-01T00:00:00Z", "-2000-01-1", "2000-01-01-"] {
            assert!(PlausibleDays::parse_day(wrong).is_err(), "{wrong}");
        }
        assert_eq!((PlausibleDays::parse_ahead("0"), PlausibleDays::parse_ahead("36500")), (Ok(0), Ok(36_500)));
        for wrong in ["", "-1", "36501", "two", "99999999999"] {
            assert!(PlausibleDays::parse_ahead(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "0", "-1", "100001", "all"] {
            assert!(PartitionLimit::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(PartitionLimit::parse("1000"), Ok(PartitionLimit::default()));
    }
}
