//! When the events of a stream happen.

use jiff::Timestamp;

use crate::random::Random;

/// The first instant of a stream of events and how close they follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// Not earlier than this, in milliseconds since 1970-01-01T00:00:00Z.
    pub start: i64,
    /// Mean distance of two events in milliseconds. Events never go back in time.
    pub gap: u64,
}

impl Period {
    /// `count` events from `start` (ms since 1970-01-01T00:00:00Z) over about `spread` milliseconds.
    ///
    /// ```
    /// let day = samples::Period::spread(1_741_000_000_000, 86_400_000, 10_000);
    /// assert_eq!(day.gap, 8_640);
    /// ```
    pub fn spread(start: i64, spread: u64, count: u64) -> Period {
        Period { start, gap: spread.checked_div(count).unwrap_or_default() }
    }
}

impl Default for Period {
    /// From 2025-03-03T08:00:00Z, four events a second.
    fn default() -> Period {
        Period { start: 1_740_988_800_000, gap: 250 }
    }
}

/// The running time of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    now: i64,
    gap: u64,
}

impl Clock {
    pub(crate) fn new(period: Period) -> Clock {
        Clock { now: period.start, gap: period.gap }
    }

    /// The time of the next event, in milliseconds since 1970.
    pub(crate) fn tick(&mut self, random: &mut Random) -> i64 {
        self.now += random.between(0, 2 * self.gap) as i64;
        self.now
    }
}

/// `milliseconds` since 1970 in a strftime form; the last representable instant where out of range.
pub(crate) fn format_time(milliseconds: i64, form: &str) -> String {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX).strftime(form).to_string()
}
