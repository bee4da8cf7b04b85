//! `LIKE` and `MATCHES`.

use sql::sql;
use sql::text::Sql;
use stix::pattern::Literal;

use super::scale::{Protocol, Scale, fold, is_cased, scale, text_of};
use super::verdict::{Typed, Verdict, no_scale};
use crate::{protocols, regexes};

pub(super) fn like(typed: &Typed, literal: &Literal, negated: bool) -> Verdict {
    let pattern = match text_of(literal, "LIKE") {
        Ok(pattern) => pattern,
        Err(refused) => return refused,
    };
    match scale(typed) {
        Some(Scale::Text { folded }) => text_like(pattern, folded, negated),
        Some(Scale::Protocol(Protocol::Name)) => text_like(pattern, true, negated),
        Some(Scale::Protocol(protocol)) => {
            let pattern = fold(pattern);
            named_protocols(protocol, negated, |name| is_like(name, &pattern))
        }
        Some(_) => Verdict::never("LIKE compares texts, and the column holds none"),
        None => no_scale(typed),
    }
}

fn text_like(pattern: &str, folded: bool, negated: bool) -> Verdict {
    let folds = folded && is_cased(pattern);
    let value = Sql::text(&if folds { fold(pattern) } else { pattern.to_owned() });
    Verdict::test(move |v| {
        let left = if folds { sql!("lower({})", v) } else { v.clone() };
        if negated { sql!("{} NOT LIKE {}", left, value) } else { sql!("{} LIKE {}", left, value) }
    })
}

/// Whether a text is like a pattern of `%` and `_`.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for token in pattern {
        if token == '%' {
            let first = reachable.iter().position(|r| *r).unwrap_or(reachable.len());
            reachable.iter_mut().skip(first).for_each(|r| *r = true);
        } else {
            for at in (1..reachable.len()).rev() {
                reachable[at] = reachable[at - 1] && (token == '_' || text[at - 1] == token);
            }
            reachable[0] = false;
        }
    }
    reachable[text.len()]
}

/// A test of names, asked of numbers: the numbers whose names satisfy it.
fn named_protocols(protocol: Protocol, negated: bool, satisfies: impl Fn(&str) -> bool) -> Verdict {
    let numbers: Vec<i64> = match protocol {
        Protocol::Number => protocols::numbers_by_name(|name| satisfies(name) != negated),
        _ if negated => Vec::new(),
        _ => [4, 6].into_iter().filter(|v| satisfies(if *v == 4 { "ipv4" } else { "ipv6" })).collect(),
    };
    if numbers.is_empty() {
        return Verdict::never("no protocol's name satisfies it");
    }
    if protocol == Protocol::VersionName {
        let names = Sql::list(numbers.iter().map(|n| Sql::code(if *n == 4 { "'ipv4'" } else { "'ipv6'" })));
        return Verdict::test(move |v| sql!("lower({}) IN ({})", v, names));
    }
    let numbers = Sql::list(numbers.into_iter().map(Sql::integer));
    Verdict::test(move |v| sql!("{} IN ({})", v, numbers))
}

pub(super) fn matches(typed: &Typed, literal: &Literal, negated: bool) -> Verdict {
    let pattern = match text_of(literal, "MATCHES") {
        Ok(pattern) => pattern,
        Err(refused) => return refused,
    };
    let regex = match regexes::check(pattern) {
        Ok(regex) => regex,
        Err(fault) => return Verdict::Refused { message: fault.message, help: fault.help },
    };
    let folded = match scale(typed) {
        Some(Scale::Text { folded }) => folded,
        Some(Scale::Protocol(Protocol::Name)) => true,
        Some(Scale::Protocol(protocol)) => {
            let Ok(regex) = regex::RegexBuilder::new(pattern).case_insensitive(true).build() else {
                return Verdict::never("the regular expression is too large");
            };
            return named_protocols(protocol, negated, |name| regex.is_match(name));
        }
        Some(_) => return Verdict::never("MATCHES compares texts, and the column holds none"),
        None => return no_scale(typed),
    };
    let value = Sql::text(&if folded { format!("(?i){regex}") } else { regex });
    Verdict::test(move |v| {
        let found = sql!("regexp_like({}, {})", v, value);
        if negated { sql!("NOT {}", found) } else { found }
    })
}
