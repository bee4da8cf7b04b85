//! Numbers as texts, and how they are rounded.

/// The nearest integer, halves away from zero.
pub(crate) fn round_to_integer(value: f64) -> Option<i64> {
    let rounded = value.round();
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range, by the comparison")]
    let integer = rounded as i64;
    Some(integer)
}

/// The quotient rounded to the nearest, halves away from zero. `divisor` is positive.
pub(crate) fn divide_half_up(value: i128, divisor: i128) -> i128 {
    let (quotient, remainder) = (value / divisor, value % divisor);
    if remainder.unsigned_abs() >= divisor.unsigned_abs() - remainder.unsigned_abs() && remainder != 0 {
        quotient + value.signum()
    } else {
        quotient
    }
}

pub(crate) fn rescale(value: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        value.checked_mul(10_i128.checked_pow(u32::from(to - from))?)
    } else {
        Some(divide_half_up(value, 10_i128.checked_pow(u32::from(from - to))?))
    }
}

/// A text as Java's `String.trim` leaves it.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// A number as Java's `Double.parseDouble` reads it, without the hexadecimal form.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let text = trimmed(text);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let value = match unsigned {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        digits => {
            let digits = digits.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(digits);
            if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
                return None;
            }
            digits.parse().ok()?
        }
    };
    Some(if text.starts_with('-') { -value } else { value })
}

/// The digits of a decimal with `scale` of them behind the point, rounded half up. Exponents are read, too.
pub(crate) fn parse_decimal(text: &str, scale: u8) -> Option<i128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let negative = mantissa.starts_with('-');
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
    let kept = point + i64::from(scale);
    let mut value: i128 = 0;
    for at in 0..kept.max(0) {
        let digit = usize::try_from(at).ok().and_then(|at| digits.as_bytes().get(at)).map_or(0, |byte| byte - b'0');
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        if value == 0 && at > 10_000 {
            return None;
        }
    }
    let next = usize::try_from(kept).ok().and_then(|at| digits.as_bytes().get(at)).map_or(0, |byte| byte - b'0');
    if next >= 5 {
        value += 1;
    }
    Some(if negative { -value } else { value })
}
