//! What a pattern perhaps does not mean, although it can be read.

use crate::diagnostic::{Code, Diagnostic, found_at, quote};
use crate::network::Network;
use crate::pattern::{
    Comparison, ComparisonKind, Literal, ObjectPath, Observation, ObservationKind, Operator, Pattern, QualifierKind,
    Step, Value,
};
use crate::text_match::Search;

/// The warnings about a pattern that was read from `text`.
pub(crate) fn warnings(pattern: &Pattern, text: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    observation(&pattern.root, text, &mut found);
    found
}

fn observation(at: &Observation, text: &str, found: &mut Vec<Diagnostic>) {
    match &at.kind {
        ObservationKind::Leaf { comparison, .. } => self::comparison(comparison, found),
        ObservationKind::And(left, right)
        | ObservationKind::Or(left, right)
        | ObservationKind::FollowedBy(left, right) => {
            observation(left, text, found);
            observation(right, text, found);
        }
        ObservationKind::Qualified(inner, qualifier) => {
            observation(inner, text, found);
            match qualifier.kind {
                QualifierKind::StartStop(start, stop) if start >= stop => found.push(
                    found_at(Code::EmptyWindow, qualifier.span.clone(), "this window is empty")
                        .help("the window is from START to before STOP; exchange the bounds if they are mixed up"),
                ),
                QualifierKind::Within(_) if inner.is_single() => {
                    let alone = inner.span.start == 0 && qualifier.span.end == text.trim_end().len();
                    let fault = found_at(
                        Code::WithinOne,
                        qualifier.span.clone(),
                        "`WITHIN` binds to one observation here, which narrows nothing",
                    )
                    .also(inner.span.clone().into(), "this one");
                    found.push(match alone {
                        true => fault.help("remove it, or put REPEATS before it"),
                        false => fault.help("put what it is meant for into parentheses: ([…] FOLLOWEDBY […]) WITHIN …"),
                    });
                }
                _ => {}
            }
        }
    }
}

fn comparison(at: &Comparison, found: &mut Vec<Diagnostic>) {
    match &at.kind {
        ComparisonKind::Or(left, right) => {
            comparison(left, found);
            comparison(right, found);
        }
        ComparisonKind::And(left, right) => {
            comparison(left, found);
            comparison(right, found);
            let (mut of_left, mut of_right) = (Vec::new(), Vec::new());
            paths(left, &mut of_left);
            paths(right, &mut of_right);
            let apart = of_left.iter().all(|a| of_right.iter().all(|b| a.object_type != b.object_type));
            if let (Some(a), Some(b), true) = (of_left.last(), of_right.first(), apart) {
                let message =
                    format!("`AND` asks for a `{}` and a `{}` in one observation", a.object_type, b.object_type);
                found.push(
                    found_at(Code::TypesInOneBracket, b.span.clone(), message)
                        .also(a.span.clone().into(), "the other object")
                        .help("if two observations are meant, give each its own brackets: […] AND […]"),
                );
            }
        }
        ComparisonKind::Test { path, operator, .. } => {
            self::path(path, found);
            self::operator(operator, at, found);
        }
        ComparisonKind::Exists { path, .. } => self::path(path, found),
    }
}

fn paths<'c>(at: &'c Comparison, into: &mut Vec<&'c ObjectPath>) {
    match &at.kind {
        ComparisonKind::Or(left, right) | ComparisonKind::And(left, right) => {
            paths(left, into);
            paths(right, into);
        }
        ComparisonKind::Test { path, .. } | ComparisonKind::Exists { path, .. } => into.push(path),
    }
}

fn path(at: &ObjectPath, found: &mut Vec<Diagnostic>) {
    if at.steps.iter().any(|step| matches!(step, Step::Index(number) if *number < 0)) {
        let fault = found_at(Code::NegativeIndex, at.span.clone(), "a negative index selects nothing");
        found.push(fault.help("lists are counted from 0; [*] is any element"));
    }
}

fn operator(operator: &Operator, at: &Comparison, found: &mut Vec<Diagnostic>) {
    match operator {
        Operator::In(literals) if literals.is_empty() => {
            found.push(found_at(Code::EmptyList, at.span.clone(), "`IN` with an empty list is never true"));
        }
        Operator::In(literals) if is_mixed(literals) => found.push(
            found_at(Code::MixedList, at.span.clone(), "the values of this list have different types")
                .help("use OR, or write values of one type"),
        ),
        Operator::IsSubset(Literal { value: Value::Text(text), span })
        | Operator::IsSuperset(Literal { value: Value::Text(text), span })
            if Network::parse(text).is_none() =>
        {
            let message = format!("{} is not an address or network", quote(text));
            found.push(
                found_at(Code::BadNetwork, span.clone(), message)
                    .help("write an address with a prefix: '198.51.100.0/24', '2001:db8::/32'"),
            );
        }
        Operator::Matches(Literal { value: Value::Text(text), span }) => {
            if let Err(fault) = Search::new(text) {
                let message = format!("{} is not a regular expression", quote(text));
                found.push(found_at(Code::BadRegex, span.clone(), message).label(fault.to_string()));
            }
        }
        _ => {}
    }
}

/// Whether the values are not all of one type; integers and floats are one.
pub(crate) fn is_mixed(literals: &[Literal]) -> bool {
    let class = |literal: &Literal| match literal.value {
        Value::Text(_) => 0,
        Value::Integer(_) | Value::Float(_) => 1,
        Value::Boolean(_) => 2,
        Value::Timestamp(_) => 3,
        Value::Hex(_) | Value::Binary(_) => 4,
    };
    literals.windows(2).any(|pair| matches!(pair, [a, b] if class(a) != class(b)))
}
