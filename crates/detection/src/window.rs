//! Which time a run covers. No event is skipped, and the findings do not depend on when runs took place.
//!
//! A rule's *scheduled windows* have the length `lookback` and end at the runs of its schedule. Its *watermark* is the end of
//! its last window whose findings are published. The time that a run covers depends on the rule's [`Shape`]:
//!
//! - **Rows**: from before the watermark to the last run. So every event that reaches the lake within `ingest_delay` is in a
//!   window that was queried after its arrival. Pairs go back further, by `lookback`.
//! - **Groups**: all scheduled windows that end after the time that had settled at the last run. A window is counted when it
//!   ends, although late events may be missing, and again once they have arrived.
//! - **Windows**: the next scheduled window, once all of its events have settled.
//!
//! Rows in the overlap are found twice and published once, see [`crate::ledger`]. After an outage, windows resume at the
//! watermark, and [`Timing::catch_up`] limits the length of each.

use serde::{Deserialize, Serialize};

use crate::rule::Rule;
use crate::schedule::Schedule;
use crate::shape::Shape;

/// A half-open range of event times, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first millisecond.
    pub start: i64,
    /// The millisecond after the last.
    pub end: i64,
}

impl Window {
    /// The length in milliseconds.
    pub fn length(self) -> i64 {
        self.end - self.start
    }
}

/// The time that one statement of a rule covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The range of event times.
    pub window: Window,
    /// The scheduled windows in which groups are counted. `None` if `window` is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
}

impl From<Window> for Look {
    fn from(window: Window) -> Self {
        Self { window, ends: None }
    }
}

/// Scheduled windows, by the runs at which they end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Exclusive start, in milliseconds since 1970.
    pub after: i64,
    /// Inclusive end, in milliseconds since 1970.
    pub until: i64,
}

impl Ends {
    /// The runs, in order.
    pub fn of(self, schedule: &Schedule) -> impl Iterator<Item = i64> + '_ {
        schedule.runs(self.after, self.until)
    }

    /// The runs whose windows, of length `lookback`, contain an event.
    pub fn around(self, time: i64, lookback: i64, schedule: &Schedule) -> impl Iterator<Item = i64> + '_ {
        schedule.runs(time.max(self.after), self.until.min(time.saturating_add(lookback)))
    }
}

/// Whether one of the rule's scheduled windows contains both times.
pub fn fits(rule: &Rule, first: i64, last: i64) -> bool {
    rule.schedule.first_after(last).is_some_and(|end| end - rule.lookback <= first)
}

/// The settings that determine a rule's windows. All are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The longest time between two runs of the schedule.
    pub interval: i64,
    /// The minimum length of a window.
    pub lookback: i64,
    /// The maximum delay until events reach the lake.
    pub ingest_delay: i64,
    /// The longest distance from the watermark to the end of a window.
    pub catch_up: i64,
}

/// The usual limit of a window's length after an outage, in milliseconds.
const LONGEST_CATCH_UP: i64 = 24 * 3_600_000;

/// The progress of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The end of the last window whose findings are published; `None` before the first.
    pub watermark: Option<i64>,
    /// The time up to which events had settled at the last query.
    pub settled: Option<i64>,
    /// How often windows are halved, because one was too large.
    pub halved: u32,
}

impl Timing {
    /// The timing of a rule.
    pub fn of(rule: &Rule) -> Self {
        let interval = rule.schedule.longest_interval();
        let Rule { lookback, ingest_delay, .. } = *rule;
        Self { interval, lookback, ingest_delay, catch_up: LONGEST_CATCH_UP.max(interval) }
    }

    /// A timing with shorter windows, for a window that was too large to query or publish.
    pub fn halved(self, times: u32) -> Self {
        let catch_up = (self.catch_up >> times.min(62)).max(self.interval);
        Self { catch_up, ..self }
    }

    /// How far a window starts before the watermark.
    pub fn overlap(&self) -> i64 {
        self.ingest_delay.max(self.lookback - self.interval)
    }

    /// The window of the run at `fire`; `None` if the watermark is already there.
    ///
    /// The first window of a rule has the length `lookback`.
    pub fn window(&self, watermark: Option<i64>, fire: i64) -> Option<Window> {
        self.overlapping(watermark, fire, self.overlap())
    }

    fn overlapping(&self, watermark: Option<i64>, fire: i64, overlap: i64) -> Option<Window> {
        let watermark = watermark.unwrap_or(fire - self.interval);
        if fire <= watermark {
            return None;
        }
        let end = fire.min(watermark.saturating_add(self.catch_up));
        let start = (watermark - overlap).min(end - self.lookback);
        Some(Window { start, end })
    }
}

/// The watermark with which a rule begins whose first look is `look`. If the first query fails, the next one goes on from it.
pub fn beginning(rule: &Rule, shape: Shape, look: Look) -> i64 {
    let end = look.window.end;
    match shape {
        Shape::Windows => end - 1,
        Shape::Rows | Shape::Pairs | Shape::Groups => end - rule.schedule.longest_interval(),
    }
}

/// What the rule must query next, if a run is due at `now`.
pub fn next(rule: &Rule, shape: Shape, position: Position, now: i64) -> Option<Look> {
    let Position { watermark, settled, halved } = position;
    let timing = Timing::of(rule).halved(halved);
    let Timing { interval, lookback, ingest_delay, .. } = timing;
    let now = if shape.waits(rule) { now - ingest_delay } else { now };
    let fire = rule.schedule.last_at_or_before(now)?;
    match shape {
        Shape::Rows => timing.window(watermark, fire).map(Look::from),
        // The last event of a pair may come late, and its first event may be anywhere in the window before.
        Shape::Pairs => timing.overlapping(watermark, fire, lookback + ingest_delay).map(Look::from),
        Shape::Groups => {
            let Window { end, .. } = timing.window(watermark, fire)?;
            let until = rule.schedule.last_at_or_before(end)?;
            let after = settled.unwrap_or(watermark.unwrap_or(fire - interval) - ingest_delay).min(until - 1);
            let start = rule.schedule.first_after(after)? - lookback;
            Some(Look { window: Window { start, end: until }, ends: Some(Ends { after, until }) })
        }
        Shape::Windows => {
            let end = watermark.map_or(Some(fire), |watermark| rule.schedule.first_after(watermark))?;
            (end <= now).then(|| Window { start: end - lookback, end }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000;

    fn timing(interval: i64, lookback: i64, ingest_delay: i64, catch_up: i64) -> Timing {
        Timing { interval, lookback, ingest_delay, catch_up }
    }

    #[test]
    fn on_time_every_window_is_lookback_long() {
        let timing = timing(5 * MINUTE, 20 * MINUTE, 10 * MINUTE, 60 * MINUTE);
        let first = timing.window(None, 100 * MINUTE).unwrap();
        assert_eq!(first, Window { start: 80 * MINUTE, end: 100 * MINUTE });
        assert_eq!(timing.window(Some(first.end), 100 * MINUTE), None);
        let second = timing.window(Some(first.end), 105 * MINUTE).unwrap();
        assert_eq!(second, Window { start: 85 * MINUTE, end: 105 * MINUTE });
    }

    #[test]
    fn after_a_stop_windows_go_on_where_they_ended_and_are_bounded() {
        let timing = timing(5 * MINUTE, 20 * MINUTE, 10 * MINUTE, 60 * MINUTE);
        let mut watermark = 100 * MINUTE;
        let mut windows = Vec::new();
        while let Some(window) = timing.window(Some(watermark), 255 * MINUTE) {
            windows.push((window.start / MINUTE, window.end / MINUTE));
            watermark = window.end;
        }
        assert_eq!(windows, [(85, 160), (145, 220), (205, 255)]);
    }

    proptest! {
        /// Whatever the schedule misses, whenever a run comes too late, events that reach the lake within `ingest_delay`
        /// are in a window that was queried after their arrival, alone and together with those that belong to them.
        #[test]
        fn no_event_is_skipped(
            interval in 1_i64..20,
            extra in 0_i64..30,
            delay in 0_i64..20,
            catch_up in 1_i64..100,
            // For each firing of the schedule: is it missed, and how long after it is the query run?
            firings in prop::collection::vec((prop::bool::weighted(0.4), 0_i64..5), 1..60),
            events in prop::collection::vec((0_i64..600, 0_i64..=20), 1..40),
        ) {
            let timing = timing(interval, interval + delay + extra, delay, catch_up.max(interval));
            // The rule starts before the first event.
            let mut watermark = Some(-1);
            let mut runs: Vec<(Window, i64)> = Vec::new();
            let mut clock = 0;
            for (number, (missed, late)) in firings.iter().enumerate() {
                let now = (number as i64 * interval + late).max(clock);
                clock = now;
                if *missed {
                    continue;
                }
                while let Some(window) = timing.window(watermark, now.div_euclid(interval) * interval) {
                    prop_assert!(window.end <= now, "the future is not queried");
                    prop_assert!(window.length() >= timing.lookback);
                    prop_assert!(window.end - watermark.unwrap() <= timing.catch_up);
                    watermark = Some(window.end);
                    runs.push((window, now));
                }
            }
            let done = watermark.unwrap();
            let seen = |time: i64, arrival: i64| {
                runs.iter().any(|(window, at)| window.start <= time && time < window.end && arrival <= *at)
            };
            for (time, late) in &events {
                let arrival = time + late.min(&delay);
                // Not in question: what the next run will look at anyhow.
                if time + delay + interval < done {
                    prop_assert!(seen(*time, arrival), "{time} arrived {arrival}, {runs:?}");
                }
            }
            let together = timing.lookback - timing.interval;
            for (first, _) in &events {
                let last = first + together;
                if last < done {
                    prop_assert!(runs.iter().any(|(window, _)| window.start <= *first && last < window.end));
                }
            }
        }
    }
}
