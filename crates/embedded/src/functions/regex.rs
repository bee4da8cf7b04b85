//! Regular expressions, as Trino's engine Joni reads them.
//!
//! What the linear engine has is run by it; look-around, back references and the like by a backtracking one.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Result;
use parking_lot::Mutex;
use query::QueryError;

use super::native::{Cell, Out, Typed, build, call, failed, strict};
use crate::functions::request::{Request, Resolved};
use crate::types::Type;

/// A compiled pattern.
#[derive(Debug)]
struct Pattern {
    /// The linear engine, for texts that do not end in a newline if the pattern has a `$`.
    linear: Option<regex::Regex>,
    backtracking: Option<fancy_regex::Regex>,
    ends: bool,
}

/// A match: where each group is.
struct Found {
    groups: Vec<Option<(usize, usize)>>,
}

impl Found {
    fn whole(&self) -> (usize, usize) {
        // A match has its whole first, which is always there.
        self.groups.first().copied().flatten().unwrap_or((0, 0))
    }
}

impl Pattern {
    fn new(text: &str) -> std::result::Result<Self, Box<fancy_regex::Error>> {
        let ends = has_end_anchor(text);
        let linear = regex::Regex::new(text).ok();
        // `$` stands before a last newline, too, which the linear engine cannot look for.
        let needed = linear.is_none() || ends;
        let backtracking = match needed {
            true => {
                let text = if ends { with_end_anchors(text) } else { text.to_owned() };
                Some(fancy_regex::Regex::new(&text)?)
            }
            false => None,
        };
        Ok(Self { linear, backtracking, ends })
    }

    fn linear_for(&self, text: &str) -> Option<&regex::Regex> {
        self.linear.as_ref().filter(|_| !(self.ends && text.ends_with('\n')))
    }

    fn is_match(&self, text: &str) -> Result<bool> {
        if let Some(linear) = self.linear_for(text) {
            return Ok(linear.is_match(text));
        }
        match &self.backtracking {
            Some(pattern) => pattern.is_match(text).map_err(|error| failed(error.to_string())),
            None => Ok(false),
        }
    }

    fn find_at(&self, text: &str, start: usize) -> Result<Option<Found>> {
        if start > text.len() {
            return Ok(None);
        }
        if let Some(linear) = self.linear_for(text) {
            return Ok(linear.captures_at(text, start).map(|captures| Found {
                groups: captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect(),
            }));
        }
        match &self.backtracking {
            Some(pattern) => {
                let captures = pattern.captures_from_pos(text, start).map_err(|error| failed(error.to_string()))?;
                Ok(captures.map(|captures| Found {
                    groups: captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect(),
                }))
            }
            None => Ok(None),
        }
    }

    fn groups(&self) -> usize {
        match (&self.linear, &self.backtracking) {
            (Some(linear), _) => linear.captures_len() - 1,
            (_, Some(pattern)) => pattern.captures_len() - 1,
            _ => 0,
        }
    }

    fn group_of_name(&self, name: &str) -> Option<usize> {
        match (&self.linear, &self.backtracking) {
            (Some(linear), _) => linear.capture_names().position(|known| known == Some(name)),
            (_, Some(pattern)) => pattern.capture_names().position(|known| known == Some(name)),
            _ => None,
        }
    }

    /// All matches, each looked for where the one before ended, and one further after a match of nothing.
    fn all(&self, text: &str, start: usize, mut each: impl FnMut(&Found) -> Result<bool>) -> Result<()> {
        let mut next = start;
        while let Some(found) = self.find_at(text, next)? {
            let (begin, end) = found.whole();
            next = if begin == end { end + text[end..].chars().next().map_or(1, char::len_utf8) } else { end };
            if !each(&found)? {
                break;
            }
        }
        Ok(())
    }
}

/// Whether the pattern has a `$` that is an anchor.
fn has_end_anchor(text: &str) -> bool {
    with_end_anchors(text) != text
}

fn with_end_anchors(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    let mut in_class = 0;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
            }
            '[' => {
                in_class += 1;
                out.push(c);
            }
            ']' if in_class > 0 => {
                in_class -= 1;
                out.push(c);
            }
            '$' if in_class == 0 => out.push_str("(?=\\n?\\z)"),
            c => out.push(c),
        }
    }
    out
}

fn refused(pattern: &str, error: &str) -> QueryError {
    let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
    QueryError::Unsupported {
        construct: format!("regular expression '{pattern}' ({reason})"),
        remedy: "write it without what the message names".to_owned(),
    }
}

/// Where patterns come from: the statement, or each row.
enum Source {
    Fixed(Arc<Pattern>),
    Computed(Mutex<HashMap<String, Arc<Pattern>>>),
}

impl Source {
    fn of(pattern: &Typed) -> std::result::Result<Self, QueryError> {
        match pattern.as_text() {
            Some(text) => {
                let compiled = Pattern::new(text).map_err(|error| refused(text, &error.to_string()))?;
                Ok(Self::Fixed(Arc::new(compiled)))
            }
            None => Ok(Self::Computed(Mutex::new(HashMap::new()))),
        }
    }

    fn get(&self, text: &str) -> Result<Arc<Pattern>> {
        match self {
            Self::Fixed(pattern) => Ok(Arc::clone(pattern)),
            Self::Computed(known) => {
                if let Some(pattern) = known.lock().get(text) {
                    return Ok(Arc::clone(pattern));
                }
                let pattern = Arc::new(Pattern::new(text).map_err(|error| {
                    datafusion::common::DataFusionError::External(Box::new(refused(text, &error.to_string())))
                })?);
                let mut known = known.lock();
                if known.len() >= 1000 {
                    known.clear();
                }
                known.insert(text.to_owned(), Arc::clone(&pattern));
                Ok(pattern)
            }
        }
    }
}

/// The text that stands for a match, with `$1` and `${name}` filled in.
fn replacement(template: &str, text: &str, found: &Found, pattern: &Pattern, out: &mut String) -> Result<()> {
    let group = |at: usize| found.groups.get(at).copied().flatten().map_or("", |(begin, end)| &text[begin..end]);
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(next) => out.push(next),
                None => return Err(failed(format!("Illegal replacement sequence: {template}"))),
            },
            '$' => match chars.peek().copied() {
                Some('{') => {
                    chars.next();
                    let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                    let at = pattern
                        .group_of_name(&name)
                        .ok_or_else(|| failed(format!("Illegal replacement sequence: unknown group {{ {name} }}")))?;
                    out.push_str(group(at));
                }
                Some(digit) if digit.is_ascii_digit() => {
                    let mut number = 0_usize;
                    let mut first = true;
                    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                        let longer = number * 10 + digit as usize;
                        if !first && longer > pattern.groups() {
                            break;
                        }
                        number = longer;
                        first = false;
                        chars.next();
                    }
                    if number > pattern.groups() {
                        return Err(failed(format!("Illegal replacement sequence: unknown group {number}")));
                    }
                    out.push_str(group(number));
                }
                _ => return Err(failed(format!("Illegal replacement sequence: {template}"))),
            },
            c => out.push(c),
        }
    }
    Ok(())
}

fn group_of(cells: &[Cell<'_>], pattern: &Pattern) -> Result<usize> {
    let group = cells.get(2).map_or(Ok(0), Cell::integer)?;
    match usize::try_from(group) {
        Ok(group) if group <= pattern.groups() => Ok(group),
        Ok(_) => Err(failed(format!("Pattern has {} groups. Cannot access group {group}", pattern.groups()))),
        Err(_) => Err(failed("Group cannot be negative")),
    }
}

pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    use Type::{Bigint, Boolean, Varchar};
    let (types, least, returns) = match request.name {
        "regexp_like" => (vec![Varchar, Varchar], 2, Boolean),
        "regexp_extract" => (vec![Varchar, Varchar, Bigint], 2, Varchar),
        "regexp_extract_all" => (vec![Varchar, Varchar, Bigint], 2, Type::array(Varchar)),
        "regexp_replace" => (vec![Varchar, Varchar, Varchar], 2, Varchar),
        "regexp_split" => (vec![Varchar, Varchar], 2, Type::array(Varchar)),
        "regexp_count" => (vec![Varchar, Varchar], 2, Bigint),
        "regexp_position" => (vec![Varchar, Varchar, Bigint, Bigint], 2, Type::Integer),
        _ => return None,
    };
    if request.arguments.len() < least {
        return Some(Err(request.wrong()));
    }
    let build_call = || -> std::result::Result<Typed, QueryError> {
        let arguments = request.coerced(&types)?;
        let source = Source::of(&arguments[1])?;
        let name = request.name.to_owned();
        let body = strict(&returns, move |cells| {
            let (text, pattern) = (cells[0].text()?, source.get(cells[1].text()?)?);
            match name.as_str() {
                "regexp_like" => Ok(Out::Boolean(pattern.is_match(text)?)),
                "regexp_extract" => {
                    let group = group_of(cells, &pattern)?;
                    let found = pattern.find_at(text, 0)?;
                    let part = found.and_then(|found| found.groups.get(group).copied().flatten());
                    Ok(part.map(|(begin, end)| text[begin..end].to_owned()).into())
                }
                "regexp_extract_all" => {
                    let group = group_of(cells, &pattern)?;
                    let mut parts = Vec::new();
                    pattern.all(text, 0, |found| {
                        let part = found.groups.get(group).copied().flatten();
                        parts.push(Out::from(part.map(|(begin, end)| text[begin..end].to_owned())));
                        Ok(true)
                    })?;
                    Ok(Out::List(build(&Varchar.arrow(), parts)?))
                }
                "regexp_replace" => {
                    let template = cells.get(2).map_or(Ok(""), Cell::text)?;
                    let mut out = String::new();
                    let mut last = 0;
                    pattern.all(text, 0, |found| {
                        let (begin, end) = found.whole();
                        out.push_str(&text[last..begin]);
                        last = end;
                        replacement(template, text, found, &pattern, &mut out)?;
                        Ok(true)
                    })?;
                    out.push_str(&text[last..]);
                    Ok(Out::Text(out))
                }
                "regexp_split" => {
                    let mut parts = Vec::new();
                    let mut last = 0;
                    pattern.all(text, 0, |found| {
                        let (begin, end) = found.whole();
                        parts.push(Out::Text(text[last..begin].to_owned()));
                        last = end;
                        Ok(true)
                    })?;
                    parts.push(Out::Text(text[last..].to_owned()));
                    Ok(Out::List(build(&Varchar.arrow(), parts)?))
                }
                "regexp_count" => {
                    let mut count = 0;
                    pattern.all(text, 0, |_| {
                        count += 1;
                        Ok(true)
                    })?;
                    Ok(Out::Integer(count))
                }
                _ => {
                    let start = cells.get(2).map_or(Ok(1), Cell::integer)?;
                    let occurrence = cells.get(3).map_or(Ok(1), Cell::integer)?;
                    if start < 1 || occurrence < 1 {
                        return Err(failed("start position and occurrence must be positive"));
                    }
                    let skip = usize::try_from(start - 1).unwrap_or(usize::MAX);
                    let Some(from) = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(skip) else {
                        return Ok(Out::Integer(-1));
                    };
                    let (mut seen, mut position) = (0, -1);
                    pattern.all(text, from, |found| {
                        seen += 1;
                        if seen == occurrence {
                            let before = text[..found.whole().0].chars().count();
                            position = i64::try_from(before + 1).unwrap_or(i64::MAX);
                        }
                        Ok(seen < occurrence)
                    })?;
                    Ok(Out::Integer(position))
                }
            }
        });
        Ok(call(request.name, "", arguments, returns.clone(), body))
    };
    Some(build_call())
}
