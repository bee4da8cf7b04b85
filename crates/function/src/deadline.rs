//! When an invocation stops starting new work.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time after which a function starts no new work. The rest of the timeout is for writing what it has begun and for
/// reporting what it has not, before Lambda stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// Milliseconds since 1970; `None` means no limit.
    stop: Option<u64>,
}

/// What is kept back for putting objects, in milliseconds.
const RESERVE: u64 = 10_000;

impl Deadline {
    /// Of an invocation that starts at `now` and is ended at `end`, both in milliseconds since 1970. Kept back are 10
    /// seconds or a tenth of the time, whichever is longer, but never more than half of it. An `end` of 0 is none, as
    /// some emulators have it.
    pub fn new(now: u64, end: u64) -> Self {
        if end == 0 {
            return Self::none();
        }
        let all = end.saturating_sub(now);
        Self { stop: Some(end - RESERVE.max(all / 10).min(all / 2)) }
    }

    /// Of work that may take as long as it takes.
    pub fn none() -> Self {
        Self { stop: None }
    }

    /// Whether something may still be started.
    pub fn has_time(&self) -> bool {
        self.has_time_at(now())
    }

    /// Whether something may be started at a moment in milliseconds since 1970.
    pub fn has_time_at(&self, now: u64) -> bool {
        self.stop.is_none_or(|stop| now < stop)
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long an invocation of `all` milliseconds starts things.
    fn working_time(all: u64) -> u64 {
        let deadline = Deadline::new(1_000_000, 1_000_000 + all);
        (0..=all).rev().find(|after| deadline.has_time_at(1_000_000 + after)).map_or(0, |last| last + 1)
    }

    #[test]
    fn time_is_kept_back_for_putting_what_was_begun() {
        assert_eq!(working_time(60_000), 50_000);
        assert_eq!(working_time(300_000), 270_000);
    }

    #[test]
    fn a_short_invocation_still_gets_to_work() {
        assert_eq!(working_time(10_000), 5_000);
        assert_eq!(working_time(3_000), 1_500);
    }

    #[test]
    fn an_invocation_that_is_over_starts_nothing() {
        assert!(!Deadline::new(2_000, 2_000).has_time_at(2_000));
        assert!(!Deadline::new(3_000, 2_000).has_time_at(3_000));
    }

    #[test]
    fn no_deadline_is_no_limit() {
        assert!(Deadline::new(5, 0).has_time_at(u64::MAX));
        assert_eq!(Deadline::new(5, 0), Deadline::none());
    }
}
