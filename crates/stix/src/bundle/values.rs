//! Numbers and times as rows hold them.

use serde_json::Value as Json;

use crate::pattern::Timestamp;
use crate::time;

pub(super) fn as_integer(value: &Json) -> Option<i64> {
    match value {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A point in time: a number since 1970, in seconds to nanoseconds by its size, or ISO 8601 text.
pub(super) fn read_time(value: &Json) -> Option<Timestamp> {
    let number = match value {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.parse().ok(),
        _ => None,
    };
    let at = match number.map(i128::from) {
        Some(number) => {
            let factor = match number.unsigned_abs() {
                0..100_000_000_000 => 1_000_000_000,
                100_000_000_000..100_000_000_000_000 => 1_000_000,
                100_000_000_000_000..100_000_000_000_000_000 => 1_000,
                _ => 1,
            };
            number * factor
        }
        None => {
            let text = value.as_str()?.trim();
            let text = text.strip_suffix(" UTC").map_or_else(|| text.to_owned(), |bare| format!("{bare}Z"));
            let zoned = text.parse::<jiff::Timestamp>().map(|at| at.as_nanosecond());
            zoned.or_else(|_| format!("{text}Z").parse::<jiff::Timestamp>().map(|at| at.as_nanosecond())).ok()?
        }
    };
    (time::FIRST..=time::LAST).contains(&at).then_some(at)
}

/// With three digits after the point, or as many more as it takes.
pub(super) fn stamp(at: Timestamp) -> String {
    let text = time::write(at.clamp(time::FIRST, time::LAST));
    let bare = text.trim_end_matches('Z');
    let digits = bare.split_once('.').map_or(0, |(_, digits)| digits.len());
    match digits {
        0 => format!("{bare}.000Z"),
        1 | 2 => format!("{bare}{}Z", "0".repeat(3 - digits)),
        _ => text,
    }
}
