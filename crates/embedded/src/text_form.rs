//! Values as text: as `CAST(… AS varchar)` gives them, and as Athena prints rows, arrays and maps.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeZone, Timelike};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{Array, AsArray, StructArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

use crate::functions::native::{Cell, cell, mistake};
use crate::types::Type;

/// The civil time of an instant that is counted in the unit of so many digits.
pub(crate) fn civil(value: i64, digits: u8) -> Option<NaiveDateTime> {
    let time = match digits {
        0..=3 => DateTime::from_timestamp_millis(value)?,
        4..=6 => DateTime::from_timestamp_micros(value)?,
        _ => DateTime::from_timestamp_nanos(value),
    };
    Some(time.naive_utc())
}

/// The count, in the unit of so many digits, of a civil time read as UTC.
pub(crate) fn count(time: NaiveDateTime, digits: u8) -> Option<i64> {
    let time = time.and_utc();
    match digits {
        0..=3 => Some(time.timestamp_millis()),
        4..=6 => Some(time.timestamp_micros()),
        _ => time.timestamp_nanos_opt(),
    }
}

pub(crate) fn date_of_days(days: i64) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(chrono::TimeDelta::try_days(days)?)
}

pub(crate) fn days_of_date(date: NaiveDate) -> i64 {
    // `NaiveDate::default()` is 1970-01-01.
    (date - NaiveDate::default()).num_days()
}

pub(crate) fn date(days: i64) -> String {
    date_of_days(days).map_or_else(|| days.to_string(), civil_date)
}

fn civil_date(date: NaiveDate) -> String {
    let year = date.year();
    let sign = if year < 0 {
        "-"
    } else if year > 9999 {
        "+"
    } else {
        ""
    };
    format!("{sign}{:04}-{:02}-{:02}", year.abs(), date.month(), date.day())
}

/// A civil time with so many digits of its second.
pub(crate) fn civil_time(time: NaiveDateTime, digits: u8) -> String {
    let mut text = civil_date(time.date());
    let _ = write!(text, " {:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    if digits > 0 {
        let fraction = format!("{:09}", time.nanosecond() % 1_000_000_000);
        let _ = write!(text, ".{}", &fraction[..usize::from(digits.min(9))]);
    }
    text
}

pub(crate) fn timestamp(value: i64, digits: u8) -> String {
    civil(value, digits).map_or_else(|| value.to_string(), |time| civil_time(time, digits))
}

/// The civil time of an instant in a zone.
pub(crate) fn local(value: i64, digits: u8, zone: &str) -> Option<NaiveDateTime> {
    let time = civil(value, digits)?;
    if zone == "UTC" {
        return Some(time);
    }
    let zone: Tz = zone.parse().ok()?;
    Some(zone.from_utc_datetime(&time).naive_local())
}

pub(crate) fn timestamp_tz(value: i64, digits: u8, zone: &str) -> String {
    local(value, digits, zone).map_or_else(|| value.to_string(), |time| format!("{} {zone}", civil_time(time, digits)))
}

/// A double as `CAST(… AS varchar)` writes it, as `1.0E10`.
pub(crate) fn double(value: f64) -> String {
    scientific(value, format!("{value:e}"))
}

/// A real, as [`double`].
#[expect(clippy::cast_possible_truncation, reason = "the value came from a real")]
pub(crate) fn real(value: f64) -> String {
    scientific(value, format!("{:e}", value as f32))
}

fn scientific(value: f64, shortest: String) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0E0" } else { "0E0" }.to_owned();
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    match shortest.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => shortest,
    }
}

/// A double as Java's `Double.toString` writes it, which is its form in JSON: `7.5`, `1.0E10`.
pub(crate) fn java_double(value: f64) -> String {
    java(value, format!("{value:e}"), format!("{value}"))
}

/// A real, as [`java_double`].
#[expect(clippy::cast_possible_truncation, reason = "the value came from a real")]
pub(crate) fn java_real(value: f64) -> String {
    java(value, format!("{:e}", value as f32), format!("{}", value as f32))
}

fn java(value: f64, shortest: String, plain: String) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0.0" } else { "0.0" }.to_owned();
    }
    if (1e-3..1e7).contains(&value.abs()) {
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    scientific(value, shortest)
}

pub(crate) fn decimal(value: i128, scale: u8) -> String {
    if scale == 0 {
        return value.to_string();
    }
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" })
}

pub(crate) fn day_interval(millis: i64) -> String {
    let (sign, millis) = if millis < 0 { ("-", millis.unsigned_abs()) } else { ("", millis.unsigned_abs()) };
    let (seconds, fraction) = (millis / 1000, millis % 1000);
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    format!("{sign}{days} {:02}:{:02}:{:02}.{fraction:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

pub(crate) fn month_interval(months: i64) -> String {
    let sign = if months < 0 { "-" } else { "" };
    format!("{sign}{}-{}", months.unsigned_abs() / 12, months.unsigned_abs() % 12)
}

/// An address as Java's `InetAddresses.toAddrString` writes it: IPv4 with points, IPv6 with the longest run of zeros cut.
pub(crate) fn ip(bytes: &[u8]) -> String {
    let Ok(octets) = <[u8; 16]>::try_from(bytes) else { return String::new() };
    let address = std::net::Ipv6Addr::from(octets);
    match address.to_ipv4_mapped() {
        Some(v4) => v4.to_string(),
        // Java writes all hexadecimal groups, never the mixed form with points.
        None => {
            let groups = address.segments();
            let (mut best, mut run) = ((0, 0), (0, 0));
            for (at, group) in groups.iter().enumerate() {
                run = if *group == 0 { if run.1 == 0 { (at, 1) } else { (run.0, run.1 + 1) } } else { (0, 0) };
                if run.1 > best.1 {
                    best = run;
                }
            }
            let text = |groups: &[u16]| groups.iter().map(|group| format!("{group:x}")).collect::<Vec<_>>().join(":");
            if best.1 < 2 {
                return text(&groups);
            }
            format!("{}::{}", text(&groups[..best.0]), text(&groups[best.0 + best.1..]))
        }
    }
}

/// The 16 bytes of an address; IPv4 as IPv4-mapped IPv6, which is the order of Trino's type.
pub(crate) fn parse_ip(text: &str) -> Option<[u8; 16]> {
    match text.parse::<std::net::IpAddr>().ok()? {
        std::net::IpAddr::V4(v4) => Some(v4.to_ipv6_mapped().octets()),
        std::net::IpAddr::V6(v6) => Some(v6.octets()),
    }
}

/// The text of a value that is not null, for the types that can be cast to varchar.
pub(crate) fn scalar(value: &Cell<'_>, ty: &Type) -> Result<String> {
    Ok(match (ty, value) {
        (Type::Boolean, Cell::Boolean(value)) => value.to_string(),
        (Type::Double, Cell::Double(value)) => double(*value),
        (Type::Real, Cell::Double(value)) => real(*value),
        (Type::Decimal(_, scale), Cell::Decimal(value)) => decimal(*value, *scale),
        (Type::Date, Cell::Integer(days)) => date(*days),
        (Type::Timestamp(digits), Cell::Integer(value)) => timestamp(*value, *digits),
        (Type::TimestampTz(digits, zone), Cell::Integer(value)) => timestamp_tz(*value, *digits, zone),
        (Type::DayInterval, Cell::Integer(value)) => day_interval(*value),
        (Type::MonthInterval, Cell::Integer(value)) => month_interval(*value),
        (Type::IpAddress, Cell::Bytes(bytes)) => ip(bytes),
        (Type::Varbinary, Cell::Bytes(bytes)) => {
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
        }
        (Type::Tinyint | Type::Smallint | Type::Integer | Type::Bigint, Cell::Integer(value)) => value.to_string(),
        (Type::Varchar | Type::Json, Cell::Text(text)) => (*text).to_owned(),
        (ty, other) => return Err(mistake(ty, other.kind())),
    })
}

/// A value as Athena prints it: `[a, b]`, `{key=value}`, and `null` inside of these.
pub(crate) fn printed(array: &dyn Array, row: usize, ty: &Type, out: &mut String) -> Result<()> {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        out.push_str("null");
        return Ok(());
    }
    match ty {
        Type::Array(element) => {
            let elements = array.as_list::<i32>().value(row);
            out.push('[');
            for at in 0..elements.len() {
                if at > 0 {
                    out.push_str(", ");
                }
                printed(elements.as_ref(), at, element, out)?;
            }
            out.push(']');
        }
        Type::Map(key, value) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            out.push('{');
            for at in 0..entries.len() {
                if at > 0 {
                    out.push_str(", ");
                }
                printed(keys.as_ref(), at, key, out)?;
                out.push('=');
                printed(values.as_ref(), at, value, out)?;
            }
            out.push('}');
        }
        Type::Row(fields) => {
            let row_array: &StructArray = array.as_struct();
            out.push('{');
            for (at, (name, field)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                match name {
                    Some(name) => out.push_str(name),
                    None => out.push_str(&crate::types::anonymous(at)),
                }
                out.push('=');
                printed(row_array.column(at).as_ref(), row, field, out)?;
            }
            out.push('}');
        }
        // Inside of rows and arrays Athena prints doubles as Java does.
        Type::Double => out.push_str(&java_double(cell(array, row).double()?)),
        Type::Real => out.push_str(&java_real(cell(array, row).double()?)),
        _ => out.push_str(&answered(&cell(array, row), ty)?),
    }
    Ok(())
}

/// A value as it leaves a query: as [`scalar`], but every timestamp with milliseconds, rounded.
pub(crate) fn answered(value: &Cell<'_>, ty: &Type) -> Result<String> {
    let millis = |value: i64, digits: u8| match digits {
        0..=3 => value,
        4..=6 => value.saturating_add(500).div_euclid(1_000),
        _ => value.saturating_add(500_000).div_euclid(1_000_000),
    };
    match (ty, value) {
        (Type::Timestamp(digits), Cell::Integer(value)) => Ok(timestamp(millis(*value, *digits), 3)),
        (Type::TimestampTz(digits, zone), Cell::Integer(value)) => Ok(timestamp_tz(millis(*value, *digits), 3, zone)),
        _ => scalar(value, ty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_have_the_forms_of_trino_and_of_java() {
        for (value, varchar, json) in [
            (1e10, "1.0E10", "1.0E10"),
            (0.1, "1.0E-1", "0.1"),
            (37.7, "3.77E1", "37.7"),
            (123_456_789.0, "1.23456789E8", "1.23456789E8"),
            (0.0, "0E0", "0.0"),
            (-0.0, "-0E0", "-0.0"),
            (100.0, "1.0E2", "100.0"),
            (f64::NAN, "NaN", "NaN"),
            (f64::NEG_INFINITY, "-Infinity", "-Infinity"),
        ] {
            assert_eq!((double(value).as_str(), java_double(value).as_str()), (varchar, json));
        }
    }

    #[test]
    fn addresses_are_written_as_trino_writes_them() {
        for (given, written) in [
            ("10.0.0.1", "10.0.0.1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("::1", "::1"),
            ("::", "::"),
            ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
        ] {
            assert_eq!(ip(&parse_ip(given).unwrap()), written);
        }
    }
}
