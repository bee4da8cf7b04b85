//! Schedules: `rate(5 minutes)` and `cron(0 8 ? * MON-FRI *)`, with the syntax and meaning of Amazon EventBridge (UTC), and
//! `on demand`.
//!
//! Times are milliseconds since 1970. A rate runs at multiples of its interval since 1970, not since the rule was deployed.
//! So the same time always gives the same window.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan, tz::TimeZone};

/// A minute in milliseconds.
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The schedule of a rule that runs only when somebody runs it.
const ON_DEMAND: &str = "on demand";

/// When a rule runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// The interval in milliseconds.
    Rate(i64),
    Cron(Box<Cron>),
    /// Never by itself.
    OnDemand,
}

/// The six fields of a cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cron {
    minutes: Vec<u8>,
    hours: Vec<u8>,
    days: Days,
    months: Vec<u8>,
    years: Option<Vec<i16>>,
}

/// The days of a month. The other of the two day fields is `?` or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    All,
    OfMonth(Vec<DayOfMonth>),
    OfWeek(Vec<DayOfWeek>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayOfMonth {
    Number(i8),
    /// `L`
    Last,
    /// `15W`: the weekday nearest to the 15th, within the month.
    WeekdayNear(i8),
    /// `LW`
    LastWeekday,
}

/// 1 is Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayOfWeek {
    Every(i8),
    /// `5#2`: the second Thursday.
    Nth(i8, i8),
    /// `5L`: the last Thursday.
    Last(i8),
}

/// Why EventBridge would not accept a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

impl Schedule {
    /// The last run at or before `now`; `None` if there is none within about ten years.
    pub fn last_at_or_before(&self, now: i64) -> Option<i64> {
        match &self.kind {
            Kind::Rate(every) => Some(now.div_euclid(*every) * every),
            Kind::Cron(cron) => cron.fires_downwards(now).next(),
            Kind::OnDemand => None,
        }
    }

    /// The first run after `now`.
    pub fn first_after(&self, now: i64) -> Option<i64> {
        match &self.kind {
            Kind::Rate(every) => Some((now.div_euclid(*every) + 1) * every),
            Kind::Cron(cron) => cron.fires_upwards(now).next(),
            Kind::OnDemand => None,
        }
    }

    /// The runs after `after`, up to and including `until`, in order.
    pub fn runs(&self, after: i64, until: i64) -> impl Iterator<Item = i64> + '_ {
        std::iter::successors(self.first_after(after), |run| self.first_after(*run))
            .take_while(move |run| *run <= until)
    }

    /// The interval of a `rate`, in milliseconds; `None` for a `cron`, whose runs may be irregular.
    pub fn rate(&self) -> Option<i64> {
        match self.kind {
            Kind::Rate(every) => Some(every),
            Kind::Cron(_) | Kind::OnDemand => None,
        }
    }

    /// The longest time between two runs, in milliseconds. For a cron expression it is measured over the four years from
    /// 2024. With fewer than two runs in these years, it is four years.
    pub fn longest_interval(&self) -> i64 {
        match &self.kind {
            Kind::Rate(every) => *every,
            Kind::Cron(cron) => cron.longest_interval(),
            Kind::OnDemand => 0,
        }
    }

    /// Whether the rule runs only when somebody runs it.
    pub fn is_on_demand(&self) -> bool {
        self.kind == Kind::OnDemand
    }

    /// The schedule as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let inner = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        let kind = if let Some(rate) = inner("rate") {
            Kind::Rate(parse_rate(rate)?)
        } else if let Some(cron) = inner("cron") {
            Kind::Cron(Box::new(parse_cron(cron)?))
        } else if text == ON_DEMAND {
            Kind::OnDemand
        } else {
            return fail("a schedule is `rate(5 minutes)`, `cron(0 8 ? * MON-FRI *)` or `on demand`");
        };
        Ok(Self { text: text.to_owned(), kind })
    }
}

fn fail<T>(message: impl Into<String>) -> Result<T, ScheduleError> {
    Err(ScheduleError(message.into()))
}

fn parse_rate(text: &str) -> Result<i64, ScheduleError> {
    let Some((number, unit)) = text.split_once(' ') else {
        return fail("a rate is a number, a space and a unit: `rate(5 minutes)`");
    };
    let count = number.parse::<i64>().ok().filter(|count| (1..=1_000_000).contains(count));
    let Some(count) = count else { return fail(format!("`{number}` is not a positive whole number")) };
    let length = match unit {
        "minute" | "minutes" => MINUTE,
        "hour" | "hours" => HOUR,
        "day" | "days" => DAY,
        _ => return fail(format!("unknown unit `{unit}`: write minute, minutes, hour, hours, day or days")),
    };
    if (count == 1) == unit.ends_with('s') {
        let right = if count == 1 { unit.trim_end_matches('s').to_owned() } else { format!("{unit}s") };
        return fail(format!("write `rate({count} {right})`"));
    }
    Ok(count * length)
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

fn parse_cron(text: &str) -> Result<Cron, ScheduleError> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minutes, hours, day, month, weekday, year] = fields[..] else {
        return fail(format!(
            "a cron expression has six fields (minutes, hours, day of month, month, day of week, year), not {}",
            fields.len()
        ));
    };
    let days = match (day, weekday) {
        ("?", "?") => return fail("only one of day of month and day of week can be `?`"),
        ("?", "*") | ("*", "?") => Days::All,
        ("?", weekday) => Days::OfWeek(parse_days_of_week(weekday)?),
        (day, "?") => Days::OfMonth(parse_days_of_month(day)?),
        _ => return fail("one of day of month and day of week must be `?`"),
    };
    let narrow = |values: Vec<i64>| values.into_iter().filter_map(|value| u8::try_from(value).ok()).collect();
    Ok(Cron {
        minutes: narrow(numbers("minutes", minutes, 0, 59, &[])?),
        hours: narrow(numbers("hours", hours, 0, 23, &[])?),
        days,
        months: narrow(numbers("month", month, 1, 12, &MONTHS)?),
        years: if year == "*" {
            None
        } else {
            let years = numbers("year", year, 1970, 2199, &[])?;
            Some(years.into_iter().filter_map(|year| i16::try_from(year).ok()).collect())
        },
    })
}

/// Parses `*`, `5`, `1-5`, `*/15`, `10/15`, `1-20/5` and lists of them to ascending numbers.
fn numbers(field: &str, text: &str, least: i64, most: i64, names: &[&str]) -> Result<Vec<i64>, ScheduleError> {
    let number = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|index| index as i64 + least);
        let digits = || text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let value: Option<i64> = named.or_else(digits);
        match value.filter(|value| (least..=most).contains(value)) {
            Some(value) => Ok(value),
            None => fail(format!("`{text}` is not a value for {field} ({least} to {most})")),
        }
    };
    let mut found = Vec::new();
    for item in text.split(',') {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let every = match step.map(str::parse::<usize>) {
            None => 1,
            Some(Ok(step)) if step > 0 => step,
            Some(_) => return fail(format!("`{item}`: the step of {field} must be a positive number")),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((first, last)) => (number(first)?, number(last)?),
            None if step.is_some() => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if first > last {
            return fail(format!("`{item}`: a range of {field} must be ascending"));
        }
        found.extend((first..=last).step_by(every));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn parse_days_of_month(text: &str) -> Result<Vec<DayOfMonth>, ScheduleError> {
    match text {
        "L" => return Ok(vec![DayOfMonth::Last]),
        "LW" => return Ok(vec![DayOfMonth::LastWeekday]),
        _ => {}
    }
    if let Some(day) = text.strip_suffix('W') {
        return match day.parse() {
            Ok(day @ 1..=31) => Ok(vec![DayOfMonth::WeekdayNear(day)]),
            _ => fail(format!("`{text}` is not a day of month")),
        };
    }
    let days = numbers("day of month", text, 1, 31, &[])?;
    Ok(days.into_iter().filter_map(|day| i8::try_from(day).ok()).map(DayOfMonth::Number).collect())
}

fn parse_days_of_week(text: &str) -> Result<Vec<DayOfWeek>, ScheduleError> {
    let weekday = |text: &str| match numbers("day of week", text, 1, 7, &WEEKDAYS)?[..] {
        [day] => Ok(i8::try_from(day).unwrap_or(1)),
        _ => fail(format!("`{text}` is not a day of week")),
    };
    if let Some((day, nth)) = text.split_once('#') {
        return match nth.parse() {
            Ok(nth @ 1..=5) => Ok(vec![DayOfWeek::Nth(weekday(day)?, nth)]),
            _ => fail(format!("`{text}`: the number after # must be 1 to 5")),
        };
    }
    if text == "L" {
        return Ok(vec![DayOfWeek::Every(7)]);
    }
    if let Some(day) = text.strip_suffix('L').filter(|day| !day.is_empty()) {
        return Ok(vec![DayOfWeek::Last(weekday(day)?)]);
    }
    let days = numbers("day of week", text, 1, 7, &WEEKDAYS)?;
    Ok(days.into_iter().filter_map(|day| i8::try_from(day).ok()).map(DayOfWeek::Every).collect())
}

/// The most days to search for the next or last run. February 29 on a given weekday is rarer than any real schedule.
const SEARCHED_DAYS: usize = 11 * 366;

impl Cron {
    fn fires_on(&self, date: Date) -> bool {
        let in_month = u8::try_from(date.month()).is_ok_and(|month| self.months.contains(&month));
        let in_year = self.years.as_ref().is_none_or(|years| years.contains(&date.year()));
        in_month && in_year && self.days.contain(date)
    }

    fn times_on(&self, date: Date) -> impl DoubleEndedIterator<Item = i64> + '_ {
        let midnight = date.to_zoned(TimeZone::UTC).map_or(0, |day| day.timestamp().as_millisecond());
        self.hours.iter().flat_map(move |hour| {
            self.minutes.iter().map(move |minute| midnight + i64::from(*hour) * HOUR + i64::from(*minute) * MINUTE)
        })
    }

    fn fires_upwards(&self, after: i64) -> impl Iterator<Item = i64> + '_ {
        let days = std::iter::successors(date_of(after), |date| date.tomorrow().ok());
        days.take(SEARCHED_DAYS)
            .filter(|date| self.fires_on(*date))
            .flat_map(|date| self.times_on(date))
            .filter(move |time| *time > after)
    }

    fn fires_downwards(&self, until: i64) -> impl Iterator<Item = i64> + '_ {
        let days = std::iter::successors(date_of(until), |date| date.yesterday().ok());
        days.take(SEARCHED_DAYS)
            .filter(|date| self.fires_on(*date))
            .flat_map(|date| self.times_on(date).rev())
            .filter(move |time| *time <= until)
    }

    fn longest_interval(&self) -> i64 {
        /// 2024-01-01.
        const FROM: i64 = 1_704_067_200_000;
        const YEARS: i64 = 4 * 366 * DAY;
        let mut last = None;
        let mut longest = None;
        for time in self.fires_upwards(FROM - 1).take_while(|time| *time < FROM + YEARS) {
            if let Some(last) = last {
                longest = longest.max(Some(time - last));
            }
            last = Some(time);
        }
        longest.unwrap_or(YEARS)
    }
}

fn date_of(millis: i64) -> Option<Date> {
    Some(Timestamp::from_millisecond(millis).ok()?.to_zoned(TimeZone::UTC).date())
}

/// Sunday is 1, as in EventBridge.
fn weekday_number(date: Date) -> i8 {
    date.weekday().to_sunday_one_offset()
}

impl Days {
    fn contain(&self, date: Date) -> bool {
        match self {
            Self::All => true,
            Self::OfMonth(days) => days.iter().any(|day| day.is(date)),
            Self::OfWeek(days) => days.iter().any(|day| day.is(date)),
        }
    }
}

impl DayOfMonth {
    fn is(self, date: Date) -> bool {
        let last = date.last_of_month();
        match self {
            Self::Number(day) => date.day() == day,
            Self::Last => date == last,
            Self::WeekdayNear(day) => {
                date.first_of_month().with().day(day).build().is_ok_and(|day| date == nearest_weekday(day))
            }
            Self::LastWeekday => date == nearest_weekday(last),
        }
    }
}

/// The weekday nearest to a day, within its month.
fn nearest_weekday(day: Date) -> Date {
    let days = match day.weekday() {
        Weekday::Saturday if day.day() == 1 => 2,
        Weekday::Saturday => -1,
        Weekday::Sunday if day == day.last_of_month() => -2,
        Weekday::Sunday => 1,
        _ => 0,
    };
    day.checked_add(days.days()).unwrap_or(day)
}

impl DayOfWeek {
    fn is(self, date: Date) -> bool {
        let weekday = weekday_number(date);
        match self {
            Self::Every(day) => weekday == day,
            Self::Nth(day, nth) => weekday == day && (date.day() - 1) / 7 + 1 == nth,
            Self::Last(day) => weekday == day && date.day() + 7 > date.last_of_month().day(),
        }
    }
}

/// Parses a duration such as `90s`, `15m`, `6h` or `1d` to milliseconds.
///
/// # Errors
/// The text is not a number with one of these units.
pub fn parse_duration(text: &str) -> Result<i64, ScheduleError> {
    let split = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
    let (number, unit) = text.split_at(split);
    let length = match unit {
        "s" => 1000,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return fail("a duration is a number with s, m, h or d: `15m`"),
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match number.parse::<i64>().ok().filter(|count| digits && (0..=1_000_000).contains(count)) {
        Some(count) => Ok(count * length),
        None => fail("a duration is a number with s, m, h or d: `15m`"),
    }
}

/// Writes a duration for [`parse_duration`], in the largest unit that divides it.
pub fn format_duration(millis: i64) -> String {
    let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m")];
    match units.iter().find(|(length, _)| millis % length == 0 && millis >= *length) {
        Some((length, unit)) => format!("{}{unit}", millis / length),
        None => format!("{}s", millis / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str) -> Schedule {
        text.parse().unwrap()
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[track_caller]
    fn fires(text: &str, after: &str, expected: &[&str]) {
        let schedule = schedule(text);
        let mut now = at(after);
        for expected in expected {
            let next = schedule.first_after(now).unwrap();
            assert_eq!(Timestamp::from_millisecond(next).unwrap().to_string(), *expected, "{text}");
            assert_eq!(schedule.last_at_or_before(next), Some(next), "{text}");
            assert_eq!(schedule.last_at_or_before(next + 1), Some(next), "{text}");
            now = next;
        }
    }

    #[test]
    fn a_rate_fires_at_multiples_of_itself() {
        fires("rate(5 minutes)", "2024-05-01T10:02:00Z", &["2024-05-01T10:05:00Z", "2024-05-01T10:10:00Z"]);
        fires("rate(1 day)", "2024-05-01T10:02:00Z", &["2024-05-02T00:00:00Z"]);
        assert_eq!(schedule("rate(5 minutes)").last_at_or_before(at("2024-05-01T10:05:00Z") - 1), {
            Some(at("2024-05-01T10:00:00Z"))
        });
        assert_eq!(schedule("rate(2 hours)").longest_interval(), 2 * HOUR);
    }

    /// The examples of EventBridge's documentation, and the rarer signs.
    #[test]
    fn cron_fires_as_eventbridge_says() {
        let from = "2024-02-28T12:00:00Z";
        fires("cron(0 10 * * ? *)", from, &["2024-02-29T10:00:00Z", "2024-03-01T10:00:00Z"]);
        fires("cron(15 12 * * ? *)", from, &["2024-02-28T12:15:00Z"]);
        fires(
            "cron(0 18 ? * MON-FRI *)",
            from,
            &["2024-02-28T18:00:00Z", "2024-02-29T18:00:00Z", "2024-03-01T18:00:00Z", "2024-03-04T18:00:00Z"],
        );
        fires("cron(0 8 1 * ? *)", from, &["2024-03-01T08:00:00Z", "2024-04-01T08:00:00Z"]);
        fires("cron(0/15 * * * ? *)", from, &["2024-02-28T12:15:00Z", "2024-02-28T12:30:00Z"]);
        fires(
            "cron(0/30 20-2/2 * * ? *)".replace("20-2/2", "20,22,0,2").as_str(),
            from,
            &["2024-02-28T20:00:00Z", "2024-02-28T20:30:00Z", "2024-02-28T22:00:00Z"],
        );
        fires("cron(0 0 L * ? *)", from, &["2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"]);
        fires("cron(0 0 LW * ? *)", from, &["2024-02-29T00:00:00Z", "2024-03-29T00:00:00Z"]);
        // 2024-06-15 is a Saturday; 2024-06-01 too, whose month has no earlier day.
        fires("cron(0 0 15W 6 ? *)", from, &["2024-06-14T00:00:00Z"]);
        fires("cron(0 0 1W JUN ? *)", from, &["2024-06-03T00:00:00Z"]);
        fires("cron(0 0 ? * 3#2 *)", from, &["2024-03-12T00:00:00Z", "2024-04-09T00:00:00Z"]);
        fires("cron(0 0 ? * 6L *)", from, &["2024-03-29T00:00:00Z"]);
        fires("cron(0 0 29 2 ? *)", "2024-03-01T00:00:00Z", &["2028-02-29T00:00:00Z"]);
        assert_eq!(schedule("cron(0 0 1 1 ? 2023)").first_after(at(from)), None);
        assert_eq!(schedule("cron(0 0 1 1 ? 2023)").last_at_or_before(at(from)), Some(at("2023-01-01T00:00:00Z")));
    }

    #[test]
    fn the_longest_pause_of_a_cron_is_known() {
        assert_eq!(schedule("cron(0/10 * * * ? *)").longest_interval(), 10 * MINUTE);
        assert_eq!(schedule("cron(0 8 ? * MON-FRI *)").longest_interval(), 3 * DAY);
        assert_eq!(schedule("cron(0 0 1 1 ? *)").longest_interval(), 366 * DAY);
    }

    #[test]
    fn what_eventbridge_refuses_is_refused() {
        for (text, why) in [
            ("rate(1 minutes)", "write `rate(1 minute)`"),
            ("rate(5 minute)", "write `rate(5 minutes)`"),
            ("rate(0 minutes)", "`0` is not a positive whole number"),
            ("rate(5 weeks)", "unknown unit `weeks`: write minute, minutes, hour, hours, day or days"),
            ("every 5 minutes", "a schedule is `rate(5 minutes)`, `cron(0 8 ? * MON-FRI *)` or `on demand`"),
            (
                "cron(0 8 * * *)",
                "a cron expression has six fields (minutes, hours, day of month, month, day of week, year), not 5",
            ),
            ("cron(0 8 * * * *)", "one of day of month and day of week must be `?`"),
            ("cron(0 8 ? * ? *)", "only one of day of month and day of week can be `?`"),
            ("cron(61 8 * * ? *)", "`61` is not a value for minutes (0 to 59)"),
            ("cron(0 22-2 * * ? *)", "`22-2`: a range of hours must be ascending"),
            ("cron(0/0 8 * * ? *)", "`0/0`: the step of minutes must be a positive number"),
            ("cron(0 8 ? * 2#6 *)", "`2#6`: the number after # must be 1 to 5"),
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap_err().to_string(), why, "{text}");
        }
    }

    #[test]
    fn lengths_of_time_are_read_as_they_are_written() {
        for (text, millis) in [("90s", 90_000), ("15m", 15 * MINUTE), ("6h", 6 * HOUR), ("7d", 7 * DAY)] {
            assert_eq!(parse_duration(text), Ok(millis));
            assert_eq!(format_duration(millis), text);
        }
        for text in ["", "m", "15", "1.5h", "-1m", "15 m", "15min", "+5m", "5ä"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
