//! Dates, times and intervals.
//!
//! A timestamp with time zone is an instant; its zone is that of its column. Where Trino would keep another zone for each
//! value, as in `from_iso8601_timestamp` of texts with offsets, a value in another zone than UTC is an error that says so.

mod arithmetic;
mod fields;
mod iso;
pub(crate) mod moments;
mod patterns;
pub(crate) mod reading;

use chrono::{Datelike, Months, NaiveDateTime, TimeDelta};
use query::QueryError;

use crate::functions::cast::cast;
use crate::functions::native::{Out, Typed, call, failed, mistake, strict};
use crate::functions::request::{Request, Resolved};
use crate::text_form::{civil, count, days_of_date};
use crate::types::{Type, utc};
use fields::{Unit, months_between, take_part, truncated, unit_of};
use iso::read_iso;
use moments::{civil_of, is_moment, of_civil, offset_at, per_second, shifted, zone_of};
use patterns::{Part, Unsupported, joda, mysql, offset_text, print, read};
use reading::{other_zone, zone};

pub(crate) use arithmetic::{arithmetic, at_timezone};
pub(crate) use fields::extract;

fn fixed_text<'r>(request: &'r Request<'_>, at: usize, what: &str) -> std::result::Result<&'r str, QueryError> {
    let argument = request.arguments.get(at).ok_or_else(|| request.wrong())?;
    if argument.ty != Type::Varchar {
        return Err(request.wrong());
    }
    argument.as_text().ok_or_else(|| QueryError::Unsupported {
        construct: format!("{what} of {} that is computed", request.name),
        remedy: "write it as a text".to_owned(),
    })
}

fn fixed_unit(request: &Request<'_>) -> std::result::Result<Unit, QueryError> {
    let unit = fixed_text(request, 0, "unit")?.to_lowercase();
    match unit_of(&unit) {
        Some(unit) => Ok(unit),
        None => Err(QueryError::Invalid(format!("{}: '{unit}' is not a valid TIMESTAMP field", request.at))),
    }
}

fn pattern_of(
    request: &Request<'_>,
    at: usize,
    read: fn(&str) -> std::result::Result<Vec<Part>, Unsupported>,
) -> std::result::Result<Vec<Part>, QueryError> {
    let text = fixed_text(request, at, "pattern")?;
    read(text).map_err(|what| QueryError::Unsupported {
        construct: format!("{} in the pattern '{text}' of {}", what, request.name),
        remedy: "leave it out".to_owned(),
    })
}

pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    use Type::{Bigint, Date, Double, Timestamp, TimestampTz, Varchar};
    let arguments = &request.arguments;
    match (request.name, arguments.len()) {
        ("date", 1) => Some(cast(arguments[0].clone(), &Date, None, false).map_err(|_| request.wrong())),
        (
            "year" | "quarter" | "month" | "week" | "week_of_year" | "day" | "day_of_month" | "day_of_week" | "dow"
            | "day_of_year" | "doy" | "year_of_week" | "yow" | "hour" | "minute" | "second" | "millisecond",
            1,
        ) => Some(take_part(request.at, request.name, arguments[0].clone())),
        ("date_trunc", 2) => Some(date_trunc(request)),
        ("date_add", 3) => Some(date_add(request)),
        ("date_diff", 3) => Some(date_diff(request)),
        ("last_day_of_month", 1) if is_moment(&arguments[0].ty) => {
            let ty = arguments[0].ty.clone();
            let body = strict(&Date, move |c| {
                let time = civil_of(c[0].integer()?, &ty);
                let first = time.and_then(|time| time.date().with_day(1));
                let last = first.and_then(|first| first.checked_add_months(Months::new(1))?.pred_opt());
                last.map(|last| Out::Integer(days_of_date(last))).ok_or_else(|| failed("date out of range"))
            });
            Some(Ok(call("last_day_of_month", zone_of(&arguments[0].ty), arguments.clone(), Date, body)))
        }
        ("from_unixtime", 1 | 2) => {
            let zone_name = match arguments.len() {
                2 => match fixed_text(request, 1, "time zone") {
                    Ok(text) => match zone(text) {
                        Some(zone) => zone,
                        None => {
                            return Some(Err(QueryError::Invalid(format!(
                                "{}: '{text}' is not a time zone",
                                request.at
                            ))));
                        }
                    },
                    Err(error) => return Some(Err(error)),
                },
                _ => utc(),
            };
            if !arguments[0].ty.coerces_to(&Double) {
                return Some(Err(request.wrong()));
            }
            let seconds = match cast(arguments[0].clone(), &Double, None, false) {
                Ok(seconds) => seconds,
                Err(error) => return Some(Err(error)),
            };
            let returns = TimestampTz(3, zone_name.clone());
            let body = strict(&returns, |c| {
                let millis = crate::functions::numbers::round_to_integer(c[0].double()? * 1000.0);
                millis.map(Out::Integer).ok_or_else(|| failed("timestamp out of range"))
            });
            Some(Ok(call("from_unixtime", zone_name.to_string(), vec![seconds], returns, body)))
        }
        ("to_unixtime", 1) => {
            let digits = match &arguments[0].ty {
                Timestamp(digits) | TimestampTz(digits, _) => *digits,
                Date => {
                    let given = cast(arguments[0].clone(), &Timestamp(3), None, false);
                    return Some(given.and_then(|given| {
                        let request = Request { at: request.at, name: request.name, arguments: vec![given] };
                        resolve(&request).unwrap_or_else(|| Err(request.wrong()))
                    }));
                }
                _ => return Some(Err(request.wrong())),
            };
            #[expect(clippy::cast_precision_loss, reason = "a double is what is wanted")]
            let body = strict(&Double, move |c| Ok(Out::Double(c[0].integer()? as f64 / per_second(digits) as f64)));
            Some(Ok(call("to_unixtime", "", arguments.clone(), Double, body)))
        }
        ("to_iso8601", 1) => {
            let ty = arguments[0].ty.clone();
            if !is_moment(&ty) {
                return Some(Err(request.wrong()));
            }
            let key = zone_of(&ty);
            let body = strict(&Varchar, move |c| {
                let value = c[0].integer()?;
                let text = match &ty {
                    Date => crate::text_form::date(value),
                    Timestamp(digits) => crate::text_form::timestamp(value, *digits).replacen(' ', "T", 1),
                    TimestampTz(digits, zone) => {
                        let time = civil_of(value, &ty).ok_or_else(|| failed("timestamp out of range"))?;
                        let text = crate::text_form::civil_time(time, *digits).replacen(' ', "T", 1);
                        let offset = offset_at(value, *digits, zone).ok_or_else(|| failed("timestamp out of range"))?;
                        format!("{text}{}", if offset == 0 { "Z".to_owned() } else { offset_text(offset, true) })
                    }
                    other => return Err(mistake("a date or timestamp", other)),
                };
                Ok(Out::Text(text))
            });
            Some(Ok(call("to_iso8601", key, arguments.clone(), Varchar, body)))
        }
        ("from_iso8601_timestamp", 1) => request.simple(&[Varchar], Type::instant(), |c| {
            let text = c[0].text()?;
            let (time, offset) = read_iso(text).ok_or_else(|| failed(format!("Invalid format: \"{text}\"")))?;
            match offset {
                Some(offset) if *offset != *"UTC" => Err(other_zone(text, &offset)),
                _ => count(time, 3).map(Out::Integer).ok_or_else(|| failed("timestamp out of range")),
            }
        }),
        ("from_iso8601_date", 1) => request.simple(&[Varchar], Date, |c| {
            let text = c[0].text()?;
            match read_iso(text) {
                Some((time, None)) if !text.contains('T') => Ok(Out::Integer(days_of_date(time.date()))),
                _ => Err(failed(format!("Invalid format: \"{text}\""))),
            }
        }),
        ("at_timezone", 2) => Some(at_timezone(request.at, arguments[0].clone(), &arguments[1])),
        ("with_timezone", 2) => {
            let Timestamp(digits) = arguments[0].ty else { return Some(Err(request.wrong())) };
            let text = match fixed_text(request, 1, "time zone") {
                Ok(text) => text,
                Err(error) => return Some(Err(error)),
            };
            Some(match zone(text) {
                Some(zone) => cast(arguments[0].clone(), &TimestampTz(digits, zone), None, false),
                None => Err(QueryError::Invalid(format!("{}: '{text}' is not a time zone", request.at))),
            })
        }
        ("timezone_hour", 1) => {
            let TimestampTz(digits, zone) = arguments[0].ty.clone() else { return Some(Err(request.wrong())) };
            let key = zone.to_string();
            let body = strict(&Bigint, move |c| {
                let offset =
                    offset_at(c[0].integer()?, digits, &zone).ok_or_else(|| failed("timestamp out of range"))?;
                Ok(Out::Integer(i64::from(offset / 3600)))
            });
            Some(Ok(call("timezone_hour", key, arguments.clone(), Bigint, body)))
        }
        ("date_format" | "format_datetime", 2) => Some(format(request)),
        ("date_parse", 2) => Some(pattern_of(request, 1, mysql).and_then(|parts| {
            let text = request.coerced(&[Varchar, Varchar])?;
            let body = strict(&Timestamp(3), move |c| {
                let text = c[0].text()?;
                let value = read(&parts, text).and_then(|fields| count(fields.time()?, 3));
                value.map(Out::Integer).ok_or_else(|| failed(format!("Invalid format: \"{text}\"")))
            });
            Ok(call("date_parse", "", text, Timestamp(3), body))
        })),
        ("parse_datetime", 2) => Some(pattern_of(request, 1, joda).and_then(|parts| {
            let text = request.coerced(&[Varchar, Varchar])?;
            let body = strict(&Type::instant(), move |c| {
                let text = c[0].text()?;
                let invalid = || failed(format!("Invalid format: \"{text}\""));
                let fields = read(&parts, text).ok_or_else(invalid)?;
                match &fields.zone {
                    Some(zone) if **zone != *"UTC" => Err(other_zone(text, zone)),
                    _ => fields.time().and_then(|time| count(time, 3)).map(Out::Integer).ok_or_else(invalid),
                }
            });
            Ok(call("parse_datetime", "", text, Type::instant(), body))
        })),
        _ => None,
    }
}

fn format(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let parts = match request.name {
        "date_format" => pattern_of(request, 1, mysql)?,
        _ => pattern_of(request, 1, joda)?,
    };
    let value = match &request.arguments[0].ty {
        Type::Date => cast(request.arguments[0].clone(), &Type::Timestamp(3), None, false)?,
        ty if is_moment(ty) => request.arguments[0].clone(),
        _ => return Err(request.wrong()),
    };
    let ty = value.ty.clone();
    let key = format!("{}{parts:?}", zone_of(&ty));
    let body = strict(&Type::Varchar, move |c| {
        let time = civil_of(c[0].integer()?, &ty).ok_or_else(|| failed("timestamp out of range"))?;
        let (zone, offset) = match &ty {
            Type::TimestampTz(digits, zone) => {
                let offset = offset_at(c[0].integer()?, *digits, zone);
                (&**zone, offset.ok_or_else(|| failed("timestamp out of range"))?)
            }
            // Trino prints a timestamp without zone as one of UTC.
            _ => ("UTC", 0),
        };
        Ok(Out::Text(print(&parts, time, zone, offset)))
    });
    Ok(call(request.name, key, vec![value], Type::Varchar, body))
}

fn date_trunc(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let unit = fixed_unit(request)?;
    let value = request.arguments[1].clone();
    let ty = value.ty.clone();
    if !is_moment(&ty) {
        return Err(request.wrong());
    }
    if ty == Type::Date && unit.is_of_time() {
        return Err(QueryError::Invalid(format!("{}: '{}' is not a valid DATE field", request.at, unit.name)));
    }
    let key = format!("{}{}", unit.name, zone_of(&ty));
    let returns = ty.clone();
    let body = strict(&returns, move |c| {
        let value = civil_of(c[0].integer()?, &ty).and_then(|time| of_civil(truncated(unit.name, time)?, &ty));
        value.map(Out::Integer).ok_or_else(|| failed("timestamp out of range"))
    });
    Ok(call("date_trunc", key, vec![value], returns, body))
}

fn date_add(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let unit = fixed_unit(request)?;
    let (number, value) = (request.arguments[1].clone(), request.arguments[2].clone());
    let ty = value.ty.clone();
    if !is_moment(&ty) || !number.ty.coerces_to(&Type::Bigint) {
        return Err(request.wrong());
    }
    if ty == Type::Date && unit.is_of_time() {
        return Err(QueryError::Invalid(format!("{}: '{}' is not a valid DATE field", request.at, unit.name)));
    }
    let number = cast(number, &Type::Bigint, None, false)?;
    let Unit { size, months, .. } = unit;
    let key = format!("{}{}", unit.name, zone_of(&ty));
    let returns = ty.clone();
    let body = strict(&returns, move |c| {
        let by = c[0].integer()?.checked_mul(size);
        let by_day = matches!(unit.name, "day" | "week");
        let start = c[1].integer()?;
        let value = by.and_then(|by| match &ty {
            // A day in a zone may have 23 or 25 hours.
            Type::TimestampTz(_, zone) if by_day && **zone != *"UTC" => {
                let time = civil_of(start, &ty)?.checked_add_signed(TimeDelta::try_milliseconds(by)?)?;
                of_civil(time, &ty)
            }
            _ => shifted(start, &ty, by, months),
        });
        value.map(Out::Integer).ok_or_else(|| failed("date out of range"))
    });
    Ok(call("date_add", key, vec![number, value], returns, body))
}

fn date_diff(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let unit = fixed_unit(request)?;
    let (from, to) = (request.arguments[1].clone(), request.arguments[2].clone());
    let Some(ty) = from.ty.common(&to.ty).filter(is_moment) else { return Err(request.wrong()) };
    if ty == Type::Date && unit.is_of_time() {
        return Err(QueryError::Invalid(format!("{}: '{}' is not a valid DATE field", request.at, unit.name)));
    }
    let (from, to) = (cast(from, &ty, None, false)?, cast(to, &ty, None, false)?);
    let Unit { size, months, .. } = unit;
    let key = format!("{}{}", unit.name, zone_of(&ty));
    let body = strict(&Type::Bigint, move |c| {
        let by_day = matches!(unit.name, "day" | "week");
        let (a, b) = match &ty {
            // Hours are those that passed, days are those of the calendar.
            Type::TimestampTz(digits, _) if !months && !by_day => {
                (civil(c[0].integer()?, *digits), civil(c[1].integer()?, *digits))
            }
            ty => (civil_of(c[0].integer()?, ty), civil_of(c[1].integer()?, ty)),
        };
        let (Some(a), Some(b)) = (a, b) else { return Err(failed("date out of range")) };
        Ok(match months {
            true => {
                let between = months_between(a, b).ok_or_else(|| failed("date out of range"))?;
                Out::Integer(between / size)
            }
            false => {
                let millis = |time: NaiveDateTime| time.and_utc().timestamp_millis();
                Out::Integer((millis(b) - millis(a)) / size)
            }
        })
    });
    Ok(call("date_diff", key, vec![from, to], Type::Bigint, body))
}
