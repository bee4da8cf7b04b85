//! Functions of texts and bytes.

use datafusion::common::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Like;
use query::QueryError;

use super::native::{Cell, Out, Typed, build, by_row, call, cell, failed, mistake, strict, whole};
use crate::functions::request::{Request, Resolved};
use crate::text_form;
use crate::types::Type;

/// `value LIKE pattern [ESCAPE escape]`. Without ESCAPE a backslash is a backslash.
pub(crate) fn like(value: Typed, pattern: Typed, escape: Option<Typed>) -> std::result::Result<Typed, QueryError> {
    let fixed = match (pattern.as_text(), escape.as_ref().map(|escape| escape.as_text())) {
        (Some(pattern), None) => Some((pattern.to_owned(), None)),
        (Some(pattern), Some(Some(escape))) => {
            let mut chars = escape.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => Some((pattern.to_owned(), Some(c))),
                _ => return Err(QueryError::Invalid("Escape string must be a single character".to_owned())),
            }
        }
        _ => None,
    };
    if let Some((text, escape)) = &fixed {
        // DataFusion's patterns escape by backslash always. Those without one mean the same, and prune row groups.
        if escape.is_none() && !text.contains('\\') {
            let like = Like::new(false, Box::new(value.expr), Box::new(pattern.expr), None, false);
            return Ok(Typed::new(Expr::Like(like), Type::Boolean));
        }
        let matcher = Matcher::new(text, *escape).map_err(|error| match crate::error::of_datafusion(error) {
            QueryError::Failed(text) => QueryError::Invalid(text),
            other => other,
        })?;
        let body = strict(&Type::Boolean, move |cells| Ok(Out::Boolean(matcher.matches(cells[0].text()?))));
        return Ok(call("like", format!("{text:?}{escape:?}"), vec![value], Type::Boolean, body));
    }
    let mut arguments = vec![value, pattern];
    arguments.extend(escape);
    let body = strict(&Type::Boolean, |cells| {
        let escape = match cells.get(2).map(Cell::text).transpose()?.map(|escape| escape.chars().collect::<Vec<_>>()) {
            None => None,
            Some(chars) if chars.len() == 1 => Some(chars[0]),
            Some(_) => return Err(failed("Escape string must be a single character")),
        };
        Ok(Out::Boolean(Matcher::new(cells[1].text()?, escape)?.matches(cells[0].text()?)))
    });
    Ok(call("like", "", arguments, Type::Boolean, body))
}

/// A pattern of LIKE.
struct Matcher(Vec<Part>);

enum Part {
    Character(char),
    One,
    Any,
}

impl Matcher {
    fn new(pattern: &str, escape: Option<char>) -> Result<Self> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                c if Some(c) == escape => match chars.next() {
                    Some(next) if next == '%' || next == '_' || Some(next) == escape => Part::Character(next),
                    _ => {
                        return Err(failed(
                            "Escape character must be followed by '%', '_' or the escape character itself",
                        ));
                    }
                },
                '%' => Part::Any,
                '_' => Part::One,
                c => Part::Character(c),
            });
        }
        Ok(Self(parts))
    }

    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut part) = (0, 0);
        // Where the last `%` was, and how far it has reached.
        let mut back: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(part) {
                Some(Part::Any) => {
                    back = Some((part, at));
                    part += 1;
                    continue;
                }
                Some(Part::One) => {
                    at += 1;
                    part += 1;
                    continue;
                }
                Some(Part::Character(c)) if *c == text[at] => {
                    at += 1;
                    part += 1;
                    continue;
                }
                _ => {}
            }
            let Some((any, reached)) = back else { return false };
            back = Some((any, reached + 1));
            part = any + 1;
            at = reached + 1;
        }
        self.0[part..].iter().all(|part| matches!(part, Part::Any))
    }
}

fn count(text: &str) -> i64 {
    // A text in memory is never so long.
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// Letters one by one, as Java's `Character.toLowerCase` does: never more letters than there were.
fn by_letter(text: &str, letter: impl Fn(char) -> Option<char>) -> String {
    text.chars().map(|c| letter(c).unwrap_or(c)).collect()
}

fn single(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let first = letters.next()?;
    letters.next().is_none().then_some(first)
}

fn substr(text: &str, start: i64, length: Option<i64>) -> String {
    let size = count(text);
    let begin = match start {
        0 => return String::new(),
        start if start > 0 => start - 1,
        start => size + start,
    };
    if begin < 0 || begin >= size || length.is_some_and(|length| length <= 0) {
        return String::new();
    }
    let skip = usize::try_from(begin).unwrap_or(usize::MAX);
    let take = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
    text.chars().skip(skip).take(take).collect()
}

fn pad(cells: &[Cell<'_>], left: bool) -> Result<Out> {
    let (text, size, fill) = (cells[0].text()?, cells[1].integer()?, cells[2].text()?);
    if !(0..=1_000_000).contains(&size) {
        return Err(failed("Target length must be in the range [0..1000000]"));
    }
    if fill.is_empty() {
        return Err(failed("Padding string must not be empty"));
    }
    let size = usize::try_from(size).map_err(|_| mistake("a length", size))?;
    let length = text.chars().count();
    if length >= size {
        return Ok(Out::Text(text.chars().take(size).collect()));
    }
    let padding: String = fill.chars().cycle().take(size - length).collect();
    Ok(Out::Text(if left { format!("{padding}{text}") } else { format!("{text}{padding}") }))
}

fn strpos(text: &str, part: &str, instance: i64, from_end: bool) -> Result<i64> {
    if instance < 1 {
        return Err(failed("'instance' must be a positive number."));
    }
    if part.is_empty() {
        return Ok(if from_end { count(text) + 1 } else { 1 });
    }
    let nth = usize::try_from(instance - 1).unwrap_or(usize::MAX);
    // Matches may overlap.
    let mut found = text.char_indices().map(|(at, _)| at).filter(|at| text[*at..].starts_with(part));
    let at = if from_end { found.collect::<Vec<_>>().into_iter().rev().nth(nth) } else { found.nth(nth) };
    Ok(at.map_or(0, |at| count(&text[..at]) + 1))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0_u8; 3];
        word[..chunk.len()].copy_from_slice(chunk);
        let number = u32::from(word[0]) << 16 | u32::from(word[1]) << 8 | u32::from(word[2]);
        for at in 0..4 {
            if at <= chunk.len() {
                out.push(char::from(BASE64[(number >> (18 - 6 * at) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .trim_end_matches('=')
        .bytes()
        .map(|byte| BASE64.iter().position(|known| *known == byte).and_then(|at| u32::try_from(at).ok()))
        .collect::<Option<_>>()?;
    let padding = text.len() - text.trim_end_matches('=').len();
    if padding > 2 || (padding > 0 && !text.len().is_multiple_of(4)) || digits.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::new();
    for chunk in digits.chunks(4) {
        let number = chunk.iter().enumerate().fold(0, |number, (at, digit)| number | digit << (18 - 6 * at));
        out.extend(number.to_be_bytes()[1..chunk.len()].iter());
    }
    Some(out)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

fn texts(parts: Vec<&str>) -> Result<Out> {
    let parts = parts.into_iter().map(|part| Out::Text(part.to_owned())).collect();
    Ok(Out::List(build(&Type::Varchar.arrow(), parts)?))
}

#[expect(clippy::too_many_lines, reason = "a table of functions")]
pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    use Type::{Bigint, Boolean, Varbinary, Varchar};
    let first = request.arguments.first().map(|argument| &argument.ty);
    match (request.name, first) {
        ("lower", _) => request
            .simple(&[Varchar], Varchar, |c| Ok(Out::Text(by_letter(c[0].text()?, |c| single(c.to_lowercase()))))),
        ("upper", _) => request
            .simple(&[Varchar], Varchar, |c| Ok(Out::Text(by_letter(c[0].text()?, |c| single(c.to_uppercase()))))),
        ("length", Some(Varbinary)) => {
            request.simple(&[Varbinary], Bigint, |c| whole(c[0].bytes()?.len()).map(Out::Integer))
        }
        ("length", _) => request.simple(&[Varchar], Bigint, |c| Ok(Out::Integer(count(c[0].text()?)))),
        ("reverse", Some(Varchar)) => {
            request.simple(&[Varchar], Varchar, |c| Ok(Out::Text(c[0].text()?.chars().rev().collect())))
        }
        ("trim" | "ltrim" | "rtrim", _) => {
            let (left, right) = (request.name != "rtrim", request.name != "ltrim");
            request.simple_from(1, &[Varchar, Varchar], Varchar, move |c| {
                let set = c.get(1).map(Cell::text).transpose()?.map(|set| set.chars().collect::<Vec<_>>());
                let cut = |c: char| set.as_ref().map_or(c.is_whitespace(), |set| set.contains(&c));
                let mut text = c[0].text()?;
                if left {
                    text = text.trim_start_matches(cut);
                }
                if right {
                    text = text.trim_end_matches(cut);
                }
                Ok(Out::Text(text.to_owned()))
            })
        }
        ("replace", _) => request.simple_from(2, &[Varchar, Varchar, Varchar], Varchar, |c| {
            let with = c.get(2).map_or(Ok(""), Cell::text)?;
            Ok(Out::Text(c[0].text()?.replace(c[1].text()?, with)))
        }),
        ("substr" | "substring", _) => request.simple_from(2, &[Varchar, Bigint, Bigint], Varchar, |c| {
            Ok(Out::Text(substr(c[0].text()?, c[1].integer()?, c.get(2).map(Cell::integer).transpose()?)))
        }),
        ("strpos" | "strrpos", _) => {
            let from_end = request.name == "strrpos";
            request.simple_from(2, &[Varchar, Varchar, Bigint], Bigint, move |c| {
                Ok(Out::Integer(strpos(c[0].text()?, c[1].text()?, c.get(2).map_or(Ok(1), Cell::integer)?, from_end)?))
            })
        }
        ("starts_with", _) => {
            request.simple(&[Varchar, Varchar], Boolean, |c| Ok(Out::Boolean(c[0].text()?.starts_with(c[1].text()?))))
        }
        ("ends_with", _) => {
            request.simple(&[Varchar, Varchar], Boolean, |c| Ok(Out::Boolean(c[0].text()?.ends_with(c[1].text()?))))
        }
        ("split", _) => request.simple_from(2, &[Varchar, Varchar, Bigint], Type::array(Varchar), |c| {
            let (text, delimiter) = (c[0].text()?, c[1].text()?);
            if delimiter.is_empty() {
                return Err(failed("The delimiter may not be the empty string"));
            }
            match c.get(2).map(Cell::integer).transpose()? {
                None => texts(text.split(delimiter).collect()),
                Some(limit) if limit > 0 => {
                    texts(text.splitn(usize::try_from(limit).unwrap_or(usize::MAX), delimiter).collect())
                }
                Some(_) => Err(failed("Limit must be positive")),
            }
        }),
        ("split_part", _) => request.simple(&[Varchar, Varchar, Bigint], Varchar, |c| {
            let (text, delimiter, index) = (c[0].text()?, c[1].text()?, c[2].integer()?);
            let Some(at) = index.checked_sub(1).and_then(|at| usize::try_from(at).ok()) else {
                return Err(failed("Index must be greater than zero"));
            };
            let part = match delimiter.is_empty() {
                true => text.chars().nth(at).map(String::from),
                false => text.split(delimiter).nth(at).map(str::to_owned),
            };
            Ok(part.into())
        }),
        ("concat", _) if matches!(&request.arguments[..], [a, b] if a.ty == Type::Unknown || b.ty == Type::Unknown) => {
            let [left, right] = &request.arguments[..] else { return None };
            Some(crate::functions::operators::concat(request.at, left.clone(), right.clone()))
        }
        ("concat", Some(Varchar))
            if request.arguments.iter().all(|argument| matches!(argument.ty, Varchar | Type::Unknown)) =>
        {
            let types = vec![Varchar; request.arguments.len()];
            request.simple_from(2, &types, Varchar, |c| c.iter().map(Cell::text).collect::<Result<_>>().map(Out::Text))
        }
        ("concat_ws", Some(Varchar)) => {
            if let [_, list] = &request.arguments[..]
                && list.ty == Type::array(Varchar)
            {
                let body = strict(&Varchar, |c| {
                    let list = c[1].list()?;
                    let parts = (0..list.len())
                        .filter(|at| list.is_valid(*at))
                        .map(|at| cell(list.as_ref(), at).text().map(str::to_owned))
                        .collect::<Result<Vec<_>>>()?;
                    Ok(Out::Text(parts.join(c[0].text()?)))
                });
                return Some(Ok(call("concat_ws", "array", request.arguments.clone(), Varchar, body)));
            }
            let types = vec![Varchar; request.arguments.len()];
            let arguments = match request.coerced(&types) {
                Ok(arguments) => arguments,
                Err(error) => return Some(Err(error)),
            };
            let body = by_row(&Varchar, |c| {
                if matches!(c[0], Cell::Null) {
                    return Ok(Out::Null);
                }
                let parts = c[1..].iter().filter(|cell| !matches!(cell, Cell::Null)).map(Cell::text);
                Ok(Out::Text(parts.collect::<Result<Vec<_>>>()?.join(c[0].text()?)))
            });
            Some(Ok(call("concat_ws", "", arguments, Varchar, body)))
        }
        ("lpad", Some(Varchar)) => request.simple(&[Varchar, Bigint, Varchar], Varchar, |c| pad(c, true)),
        ("rpad", Some(Varchar)) => request.simple(&[Varchar, Bigint, Varchar], Varchar, |c| pad(c, false)),
        ("chr", _) => request.simple(&[Bigint], Varchar, |c| {
            let number = c[0].integer()?;
            let point = u32::try_from(number).ok().and_then(char::from_u32);
            point
                .map(|c| Out::Text(c.to_string()))
                .ok_or_else(|| failed(format!("Not a valid Unicode code point: {number}")))
        }),
        ("codepoint", _) => request.simple(&[Varchar], Type::Integer, |c| {
            single(c[0].text()?.chars())
                .map(|c| Out::Integer(u32::from(c).into()))
                .ok_or_else(|| failed("Input string must be a single character string"))
        }),
        ("levenshtein_distance", _) => request.simple(&[Varchar, Varchar], Bigint, |c| {
            whole(strsim::levenshtein(c[0].text()?, c[1].text()?)).map(Out::Integer)
        }),
        ("hamming_distance", _) => request.simple(&[Varchar, Varchar], Bigint, |c| {
            let (a, b) = (c[0].text()?, c[1].text()?);
            if count(a) != count(b) {
                return Err(failed("The input strings to hamming_distance function must have the same length"));
            }
            let different = a.chars().zip(b.chars()).filter(|(a, b)| a != b).count();
            whole(different).map(Out::Integer)
        }),
        ("to_utf8", _) => request.simple(&[Varchar], Varbinary, |c| Ok(Out::Bytes(c[0].text()?.as_bytes().to_vec()))),
        ("from_utf8", _) => request
            .simple(&[Varbinary], Varchar, |c| Ok(Out::Text(String::from_utf8_lossy(c[0].bytes()?).into_owned()))),
        ("to_hex", _) => request.simple(&[Varbinary], Varchar, |c| {
            Ok(Out::Text(c[0].bytes()?.iter().map(|byte| format!("{byte:02X}")).collect()))
        }),
        ("from_hex", _) => request.simple(&[Varchar], Varbinary, |c| {
            from_hex(c[0].text()?).map(Out::Bytes).ok_or_else(|| failed("invalid hex string"))
        }),
        ("to_base64", _) => request.simple(&[Varbinary], Varchar, |c| Ok(Out::Text(to_base64(c[0].bytes()?)))),
        ("from_base64", _) => request.simple(&[Varchar], Varbinary, |c| {
            from_base64(c[0].text()?).map(Out::Bytes).ok_or_else(|| failed("invalid base64 string"))
        }),
        ("format", Some(Varchar)) => Some(format(request)),
        _ => None,
    }
}

/// `format(text, …)` with Java's `%s`, `%d`, `%f`, `%x`, `%b`, `%c`, `%e`-less flags, widths and precisions.
fn format(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let types: Vec<Type> = request.arguments.iter().map(|argument| argument.ty.clone()).collect();
    if let Some(ty) = types.iter().find(|ty| matches!(ty, Type::Array(_) | Type::Map(..) | Type::Row(_))) {
        return request.unsupported(format!("format of {ty}"), "format its parts");
    }
    let body = by_row(&Type::Varchar, move |cells| {
        if matches!(cells[0], Cell::Null) {
            return Ok(Out::Null);
        }
        let pattern = cells[0].text()?;
        let mut out = String::new();
        let mut next = 1;
        let mut rest = pattern;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let end = rest
                .find(|c: char| c.is_ascii_alphabetic() || c == '%')
                .ok_or_else(|| failed(format!("Invalid format string: {pattern}")))?;
            let (mut flags, kind) = (&rest[..end], &rest[end..=end]);
            rest = &rest[end + 1..];
            if kind == "%" {
                out.push('%');
                continue;
            }
            if kind == "n" {
                out.push('\n');
                continue;
            }
            let mut index = next;
            if let Some((position, after)) = flags.split_once('$') {
                index = position.parse().map_err(|_| failed(format!("Invalid format string: {pattern}")))?;
                flags = after;
            } else {
                next += 1;
            }
            let (Some(cell), Some(ty)) = (cells.get(index), types.get(index)) else {
                return Err(failed(format!("Invalid format string: {pattern} (Format specifier '%{kind}')")));
            };
            out.push_str(&formatted(cell, ty, flags, kind)?);
        }
        out.push_str(rest);
        Ok(Out::Text(out))
    });
    Ok(call("format", "", request.arguments.clone(), Type::Varchar, body))
}

fn formatted(cell: &Cell<'_>, ty: &Type, flags: &str, kind: &str) -> Result<String> {
    let wrong = || failed(format!("format: %{flags}{kind} is not for {ty}"));
    let (flags, precision) = match flags.split_once('.') {
        Some((flags, precision)) => (flags, Some(precision.parse::<usize>().map_err(|_| wrong())?)),
        None => (flags, None),
    };
    let split = flags.find(|c: char| ('1'..='9').contains(&c)).unwrap_or(flags.len());
    let (flags, width) = flags.split_at(split);
    if flags.chars().any(|flag| !"-0,+ (".contains(flag)) {
        return Err(wrong());
    }
    let width: usize = if width.is_empty() { 0 } else { width.parse().map_err(|_| wrong())? };
    let is_null = matches!(cell, Cell::Null);
    let mut text = match (kind, cell) {
        (_, Cell::Null) => "null".to_owned(),
        ("s" | "S", Cell::Double(value)) => text_form::java_double(*value),
        ("s" | "S", cell) => text_form::scalar(cell, ty)?,
        ("b", Cell::Boolean(value)) => value.to_string(),
        ("d", Cell::Integer(value)) => grouped(&value.to_string(), flags),
        ("x", Cell::Integer(value)) => match ty {
            #[expect(clippy::cast_possible_truncation, reason = "the value is an integer")]
            Type::Integer => format!("{:x}", *value as i32),
            _ => format!("{value:x}"),
        },
        ("f", Cell::Double(value)) => {
            let digits = precision.unwrap_or(6);
            let scale = u8::try_from(digits).map_err(|_| wrong())?;
            let rounded = crate::functions::numbers::parse_decimal(&shortest(*value), scale).ok_or_else(wrong)?;
            grouped(&text_form::decimal(rounded, scale), flags)
        }
        ("f", Cell::Decimal(value)) => {
            let digits = u8::try_from(precision.unwrap_or(6)).map_err(|_| wrong())?;
            let Type::Decimal(_, scale) = ty else { return Err(wrong()) };
            let rounded = crate::functions::numbers::rescale(*value, *scale, digits).ok_or_else(wrong)?;
            grouped(&text_form::decimal(rounded, digits), flags)
        }
        _ => return Err(wrong()),
    };
    if kind == "s" || kind == "S" || is_null {
        if let Some(precision) = precision {
            text = text.chars().take(precision).collect();
        }
        if kind == "S" {
            text = text.to_uppercase();
        }
    } else if flags.contains('+') && !text.starts_with('-') {
        text.insert(0, '+');
    }
    let length = text.chars().count();
    if length < width {
        let fill = width - length;
        if flags.contains('-') {
            text.push_str(&" ".repeat(fill));
        } else if flags.contains('0') && !is_null {
            let sign = usize::from(text.starts_with(['-', '+']));
            text.insert_str(sign, &"0".repeat(fill));
        } else {
            text.insert_str(0, &" ".repeat(fill));
        }
    }
    Ok(text)
}

/// The shortest digits of a double, without exponent: Java rounds these, not the double's exact value.
fn shortest(value: f64) -> String {
    format!("{value}")
}

fn grouped(number: &str, flags: &str) -> String {
    if !flags.contains(',') {
        return number.to_owned();
    }
    let (sign, number) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{sign}{out}.{fraction}"),
        None => format!("{sign}{out}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The matcher agrees with the regular expression that the pattern stands for.
        #[test]
        fn like_is_its_regular_expression(text in "[ab%_\\\\\n]{0,8}", pattern in "[ab%_\\\\]{0,6}") {
            let expected = format!("(?s)\\A{}\\z", pattern.chars().map(|c| match c {
                '%' => ".*".to_owned(),
                '_' => ".".to_owned(),
                c => ::regex::escape(&c.to_string()),
            }).collect::<String>());
            let expected = ::regex::Regex::new(&expected).unwrap().is_match(&text);
            prop_assert_eq!(Matcher::new(&pattern, None).unwrap().matches(&text), expected);
        }

        #[test]
        fn base64_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(from_base64(&to_base64(&bytes)), Some(bytes));
        }
    }
}
