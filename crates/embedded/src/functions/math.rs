//! Functions of numbers, and those of any ordered type.

use datafusion::common::{Result, ScalarValue};
use query::QueryError;

use super::arrays::order;
use super::cast::cast;
use super::native::{Cell, Out, Typed, call, failed, mistake, strict};
use crate::functions::numbers::divide_half_up;
use crate::functions::request::{Request, Resolved};
use crate::types::Type;

fn integer_overflow() -> datafusion::common::DataFusionError {
    failed("bigint overflow")
}

/// A double rounded to so many digits, halves away from zero.
fn round_to(value: f64, digits: i32) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    let factor = 10_f64.powi(digits);
    let scaled = value * factor;
    if !scaled.is_finite() {
        return value;
    }
    let rounded = scaled.abs().round().copysign(scaled);
    rounded / factor
}

pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    use Type::{Bigint, Boolean, Double};
    let arguments = &request.arguments;
    let first = arguments.first().map(|argument| argument.ty.clone());
    let double = |f: fn(f64) -> f64| request.simple(&[Double], Double, move |c| Ok(Out::Double(f(c[0].double()?))));
    match (request.name, arguments.len()) {
        ("sqrt", 1) => double(f64::sqrt),
        ("cbrt", 1) => double(f64::cbrt),
        ("exp", 1) => double(f64::exp),
        ("ln", 1) => double(f64::ln),
        ("log2", 1) => double(f64::log2),
        ("log10", 1) => double(f64::log10),
        ("sin", 1) => double(f64::sin),
        ("cos", 1) => double(f64::cos),
        ("tan", 1) => double(f64::tan),
        ("asin", 1) => double(f64::asin),
        ("acos", 1) => double(f64::acos),
        ("atan", 1) => double(f64::atan),
        ("sinh", 1) => double(f64::sinh),
        ("cosh", 1) => double(f64::cosh),
        ("tanh", 1) => double(f64::tanh),
        ("degrees", 1) => double(f64::to_degrees),
        ("radians", 1) => double(f64::to_radians),
        ("log", 2) => {
            request.simple(&[Double, Double], Double, |c| Ok(Out::Double(c[1].double()?.ln() / c[0].double()?.ln())))
        }
        ("pow" | "power", 2) => {
            request.simple(&[Double, Double], Double, |c| Ok(Out::Double(c[0].double()?.powf(c[1].double()?))))
        }
        ("atan2", 2) => {
            request.simple(&[Double, Double], Double, |c| Ok(Out::Double(c[0].double()?.atan2(c[1].double()?))))
        }
        ("is_nan", 1) => request.simple(&[Double], Boolean, |c| Ok(Out::Boolean(c[0].double()?.is_nan()))),
        ("is_finite", 1) => request.simple(&[Double], Boolean, |c| Ok(Out::Boolean(c[0].double()?.is_finite()))),
        ("is_infinite", 1) => request.simple(&[Double], Boolean, |c| Ok(Out::Boolean(c[0].double()?.is_infinite()))),
        ("nan", 0) => Some(Ok(constant(f64::NAN))),
        ("infinity", 0) => Some(Ok(constant(f64::INFINITY))),
        ("pi", 0) => Some(Ok(constant(std::f64::consts::PI))),
        ("e", 0) => Some(Ok(constant(std::f64::consts::E))),
        ("abs" | "sign" | "floor" | "ceil" | "ceiling" | "round" | "truncate", 1 | 2) => Some(rounding(request, first)),
        ("mod", 2) => Some(crate::functions::operators::arithmetic(
            request.at,
            crate::syntax::ast::Arithmetic::Modulus,
            arguments[0].clone(),
            arguments[1].clone(),
        )),
        ("bitwise_and", 2) => {
            request.simple(&[Bigint, Bigint], Bigint, |c| Ok(Out::Integer(c[0].integer()? & c[1].integer()?)))
        }
        ("bitwise_or", 2) => {
            request.simple(&[Bigint, Bigint], Bigint, |c| Ok(Out::Integer(c[0].integer()? | c[1].integer()?)))
        }
        ("bitwise_xor", 2) => {
            request.simple(&[Bigint, Bigint], Bigint, |c| Ok(Out::Integer(c[0].integer()? ^ c[1].integer()?)))
        }
        ("bitwise_not", 1) => request.simple(&[Bigint], Bigint, |c| Ok(Out::Integer(!c[0].integer()?))),
        ("bitwise_left_shift" | "bitwise_right_shift", 2) => {
            // The shift is that of the value's own width.
            let (ty, bits) = match first {
                Some(Type::Tinyint) => (Type::Tinyint, 8),
                Some(Type::Smallint) => (Type::Smallint, 16),
                Some(Type::Integer) => (Type::Integer, 32),
                Some(Bigint) => (Bigint, 64),
                _ => return Some(Err(request.wrong())),
            };
            let left = request.name == "bitwise_left_shift";
            request.simple(&[ty.clone(), Bigint], ty, move |c| {
                let (value, shift) = (c[0].integer()?, c[1].integer()?);
                if !(0..bits).contains(&shift) {
                    return Ok(Out::Integer(0));
                }
                let cut = |value: i64| value << (64 - bits) >> (64 - bits);
                Ok(Out::Integer(if left {
                    cut(value << shift)
                } else {
                    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
                    cut(((value.cast_unsigned() & mask) >> shift).cast_signed())
                }))
            })
        }
        ("greatest" | "least", 1..) => Some(extreme(request)),
        ("to_base", 2) => request.simple(&[Bigint, Bigint], Type::Varchar, |c| {
            let (value, radix) = (c[0].integer()?, c[1].integer()?);
            let radix = u64::try_from(radix).ok().filter(|radix| (2..=36).contains(radix));
            let radix = radix.ok_or_else(|| failed("Radix must be between 2 and 36"))?;
            let mut rest = value.unsigned_abs();
            let mut digits = Vec::new();
            loop {
                let digit = u32::try_from(rest % radix).ok().and_then(|digit| char::from_digit(digit, 36));
                digits.push(digit.ok_or_else(|| mistake("a digit", rest))?);
                rest /= radix;
                if rest == 0 {
                    break;
                }
            }
            let text: String = digits.into_iter().rev().collect();
            Ok(Out::Text(if value < 0 { format!("-{text}") } else { text }))
        }),
        ("from_base", 2) => request.simple(&[Type::Varchar, Bigint], Bigint, |c| {
            let radix = u32::try_from(c[1].integer()?).ok().filter(|radix| (2..=36).contains(radix));
            let radix = radix.ok_or_else(|| failed("Radix must be between 2 and 36"))?;
            let text = c[0].text()?;
            i64::from_str_radix(text, radix)
                .map(Out::Integer)
                .map_err(|_| failed(format!("Not a valid base-{radix} number: {text}")))
        }),
        ("width_bucket", 4) => request.simple(&[Double, Double, Double, Bigint], Bigint, |c| {
            let (value, low, high, buckets) = (c[0].double()?, c[1].double()?, c[2].double()?, c[3].integer()?);
            if buckets < 1 {
                return Err(failed("bucketCount must be greater than 0"));
            }
            if value.is_nan() || !low.is_finite() || !high.is_finite() || low == high {
                return Err(failed("bounds must be finite and differ, and the operand a number"));
            }
            let (lower, upper) = (low.min(high), low.max(high));
            #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a number of a bucket")]
            let mut bucket = if value < lower {
                0
            } else if value >= upper {
                buckets + 1
            } else {
                (buckets as f64 * (value - lower) / (upper - lower)) as i64 + 1
            };
            if low > high {
                bucket = buckets - bucket + 1;
            }
            Ok(Out::Integer(bucket))
        }),
        _ => None,
    }
}

fn constant(value: f64) -> Typed {
    Typed::literal(ScalarValue::Float64(Some(value)), Type::Double)
}

/// abs, sign, floor, ceil, round, truncate, each with the type of its argument.
fn rounding(request: &Request<'_>, first: Option<Type>) -> std::result::Result<Typed, QueryError> {
    let Some(ty) = first else { return Err(request.wrong()) };
    let ty = if ty == Type::Unknown { Type::Bigint } else { ty };
    let two = request.arguments.len() == 2;
    if !ty.is_number() || (two && !matches!(request.name, "round" | "truncate")) {
        return Err(request.wrong());
    }
    let (returns, scale) = match (&ty, request.name) {
        (Type::Decimal(..), "round" | "truncate") if two => {
            return request.unsupported(format!("{} of decimals to digits", request.name), "cast to double");
        }
        (Type::Decimal(_, scale), "sign") => (Type::Decimal(1, 0), *scale),
        (Type::Decimal(precision, scale), "floor" | "ceil" | "ceiling" | "round") => {
            let grown = (precision - scale + u8::from(*scale > 0)).max(1);
            (Type::Decimal(grown, 0), *scale)
        }
        (Type::Decimal(precision, scale), "truncate") => (Type::Decimal((precision - scale).max(1), 0), *scale),
        (Type::Real, "truncate") | (_, _) => (ty.clone(), 0),
    };
    let name = request.name.to_owned();
    let arguments = request.coerced(&[ty, Type::Bigint])?;
    let body = strict(&returns, move |c| -> Result<Out> {
        let digits = c.get(1).map_or(Ok(0), Cell::integer)?;
        // Trino takes an integer here, no bigint.
        let places = || i32::try_from(digits).map_err(|_| failed(format!("Out of range for integer: {digits}")));
        Ok(match (&c[0], name.as_str()) {
            (Cell::Integer(value), "abs") => Out::Integer(value.checked_abs().ok_or_else(integer_overflow)?),
            (Cell::Integer(value), "sign") => Out::Integer(value.signum()),
            (Cell::Integer(value), "round" | "truncate") if digits < 0 => {
                let power = u32::try_from(-digits).ok().and_then(|digits| 10_i128.checked_pow(digits));
                let value = i128::from(*value);
                let rounded = match power {
                    None => 0,
                    Some(power) if name == "round" => divide_half_up(value, power) * power,
                    Some(power) => value / power * power,
                };
                Out::Integer(i64::try_from(rounded).map_err(|_| integer_overflow())?)
            }
            (Cell::Integer(value), _) => Out::Integer(*value),
            (Cell::Double(value), "abs") => Out::Double(value.abs()),
            (Cell::Double(value), "sign") => {
                Out::Double(if *value == 0.0 || value.is_nan() { *value } else { value.signum() })
            }
            (Cell::Double(value), "floor") => Out::Double(value.floor()),
            (Cell::Double(value), "ceil" | "ceiling") => Out::Double(value.ceil()),
            (Cell::Double(value), "round") => Out::Double(round_to(*value, places()?)),
            (Cell::Double(value), _) => {
                let factor = 10_f64.powi(places()?);
                Out::Double((value * factor).trunc() / factor)
            }
            (Cell::Decimal(value), name) => {
                let power = 10_i128.pow(u32::from(scale));
                Out::Decimal(match name {
                    "abs" => value.abs(),
                    "sign" => value.signum(),
                    "floor" => value.div_euclid(power),
                    "ceil" | "ceiling" => -(-value).div_euclid(power),
                    "round" => divide_half_up(*value, power),
                    _ => value / power,
                })
            }
            (other, _) => return Err(mistake("a number", other.kind())),
        })
    });
    Ok(call(request.name, "", arguments, returns, body))
}

/// greatest and least: null if any value is.
fn extreme(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let mut ty = Type::Unknown;
    for argument in &request.arguments {
        ty = ty.common(&argument.ty).ok_or_else(|| request.wrong())?;
    }
    if !ty.is_orderable() || matches!(ty, Type::Array(_) | Type::Row(_)) {
        return Err(request.wrong());
    }
    let arguments = request
        .arguments
        .iter()
        .map(|argument| cast(argument.clone(), &ty, None, false))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let greatest = request.name == "greatest";
    let body = strict(&ty, move |c| {
        let mut best = &c[0];
        for cell in &c[1..] {
            if (if greatest { order(cell, best) } else { order(best, cell) })?.is_gt() {
                best = cell;
            }
        }
        Out::of(best)
    });
    Ok(call(request.name, "", arguments, ty, body))
}
