//! `--since` and `--until`: from when to before when.

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

/// A range of time that has a beginning before its end.
#[derive(Debug, Clone)]
pub(crate) struct Period {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

/// The arguments as they are given.
#[derive(Debug, Clone, Args)]
struct Bounds {
    /// Start of the range: 2024-05-01, 2024-05-01T12:00:00Z, or an age such as 90m, 24h, 7d
    #[arg(long, value_name = "TIME", value_parser = point_in_time, allow_hyphen_values = true)]
    since: Option<Timestamp>,
    /// End of the range, exclusive [default: now]
    #[arg(long, value_name = "TIME", value_parser = point_in_time, allow_hyphen_values = true)]
    until: Option<Timestamp>,
}

impl Args for Period {
    fn augment_args(command: Command) -> Command {
        Bounds::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Bounds::augment_args_for_update(command)
    }
}

impl FromArgMatches for Period {
    /// Reads the range. One that ends before it begins is refused here, before a command does any work.
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let Bounds { since, until } = Bounds::from_arg_matches(matches)?;
        if let (Some(since), Some(until)) = (since, until)
            && until <= since
        {
            let order = if until == since { "the same time as" } else { "before" };
            let message = format!("`--until` ({until}) is {order} `--since` ({since}); the range is empty\n");
            return Err(Error::raw(ErrorKind::ValueValidation, message));
        }
        Ok(Self { since, until })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Period {
    /// The end, which is now where none is given but there is a beginning.
    pub(crate) fn end(&self) -> Option<Timestamp> {
        self.until.or_else(|| self.since.map(|_| Timestamp::now()))
    }
}

/// A point in time of a person: a UTC day, a date and time, or so long before now.
fn point_in_time(text: &str) -> Result<Timestamp, String> {
    before(text, Timestamp::now()).ok_or_else(|| {
        "a time is a UTC day (2024-05-01), a date and time (2024-05-01T12:00:00Z), or an age (90m, 24h, 7d)".to_owned()
    })
}

fn before(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    if let Ok(day) = text.parse::<civil::Date>() {
        return Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number.parse().ok().filter(|number| *number >= 0)?;
    let unit: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 24 * 3_600,
        "w" => 7 * 24 * 3_600,
        _ => return None,
    };
    now.checked_sub(SignedDuration::from_secs(number.checked_mul(unit)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_absolute_or_before_now() {
        let now: Timestamp = "2024-05-08T12:00:00Z".parse().unwrap();
        for (text, time) in [
            ("2024-05-01", "2024-05-01T00:00:00Z"),
            ("2024-05-01T12:30:00+02:00", "2024-05-01T10:30:00Z"),
            ("90m", "2024-05-08T10:30:00Z"),
            ("36h", "2024-05-07T00:00:00Z"),
            ("7d", "2024-05-01T12:00:00Z"),
        ] {
            assert_eq!(before(text, now), Some(time.parse().unwrap()), "{text}");
        }
        for text in
            ["", "h", "-1h", "1.5h", "2024-13-01", "yesterday", "99999999999999999999d", "9223372036854775807w", "ä"]
        {
            assert_eq!(before(text, now), None, "{text}");
        }
    }
}
