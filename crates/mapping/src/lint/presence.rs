//! Checks whether an object can be present without its required attributes.
//!
//! A value is present in one of several *ways*: each way is a set of raw fields that must be present. Fields of one raw
//! object, and of the objects around it, are assumed to occur together: `$.event.src_port` implies `$.event.src_ip`,
//! but `$.port.number` does not. A field that a condition around the object tests for is also assumed to be present.

use super::values::is_never_absent;
use crate::config::{Condition, JsonPath, Spanned, Step, TemplatePart, Tree, Value};

/// A raw field that a value needs.
#[derive(Clone, Copy)]
pub(super) struct Field<'c> {
    path: &'c JsonPath,
    /// Whether the value is present whenever the field is.
    is_enough: bool,
}

/// The fields that a value needs, all of them; empty if it is present in every event.
type Way<'c> = Vec<Field<'c>>;

/// The ways in which an attribute can have a value. `None` if unknown: for paths that select several nodes.
pub(super) fn ways_of_tree(tree: &Tree) -> Option<Vec<Way<'_>>> {
    match tree {
        Tree::Value(value) => ways(value),
        Tree::Object(object) => {
            let mut all = Vec::new();
            for (_, tree) in &object.members {
                all.extend(ways_of_tree(tree)?);
            }
            // Constants alone make an object only if none of its attributes is read from the event.
            if all.iter().any(|way| !way.is_empty()) {
                all.retain(|way| !way.is_empty());
            }
            Some(all)
        }
        Tree::Array(array) => union(array.items.iter().map(ways_of_tree)),
        Tree::When(when) => {
            let then = ways_of_tree(&when.then)?;
            Some(match &when.otherwise {
                Some(otherwise) => [then, ways_of_tree(otherwise)?].concat(),
                None => not_enough(then),
            })
        }
        Tree::Each(each) => ways(&each.input),
    }
}

fn ways(value: &Value) -> Option<Vec<Way<'_>>> {
    match value {
        Value::Absent => Some(Vec::new()),
        Value::Literal(_) => Some(vec![Vec::new()]),
        Value::Path(path) => field(path).map(|field| vec![vec![field]]),
        Value::List(items) | Value::First(items) => union(items.iter().map(|item| ways(item))),
        Value::Template(parts) => {
            let paths = parts.iter().filter_map(|part| match part {
                TemplatePart::Path(path) => Some(field(path)),
                TemplatePart::Text(_) => None,
            });
            Some(vec![paths.collect::<Option<Way<'_>>>()?])
        }
        Value::When(operator) => {
            let then = ways(&operator.then)?;
            Some(match &operator.otherwise {
                Some(otherwise) => [then, ways(otherwise)?].concat(),
                None => not_enough(then),
            })
        }
        Value::Enum(operator) => {
            let always = operator.other.as_ref().is_some_and(|other| is_never_absent(other));
            ways(&operator.evaluate).map(|ways| if always { ways } else { not_enough(ways) })
        }
        Value::Lookup(operator) => {
            let always = operator.default.as_ref().is_some_and(|default| is_never_absent(default));
            ways(&operator.key).map(|ways| if always { ways } else { not_enough(ways) })
        }
        Value::Split(operator) => {
            let at_an_end = operator.take.as_ref().is_none_or(|take| matches!(take.value, 0 | -1));
            let always = at_an_end && operator.min_parts.as_ref().is_none_or(|parts| parts.value <= 1);
            ways(&operator.value).map(|ways| if always { ways } else { not_enough(ways) })
        }
        Value::Timestamp(operator) => ways(&operator.value).map(not_enough),
        Value::Regex(operator) => ways(&operator.value).map(not_enough),
        Value::Int(operator) => ways(&operator.value).map(not_enough),
        Value::IpVersion(value) | Value::Basename(value) | Value::Dirname(value) => ways(value).map(not_enough),
        Value::StripPrefix(operator) => ways(&operator.value),
        Value::Json(value) | Value::Lower(value) | Value::Upper(value) | Value::Trim(value) => ways(value),
        Value::Each(operator) => ways(&operator.input),
        Value::Duration(operator) => {
            let (from, to) = (ways(&operator.from)?, ways(&operator.to)?);
            let pairs = from.iter().flat_map(|from| to.iter().map(move |to| [from.as_slice(), to].concat()));
            Some(not_enough(pairs.collect()))
        }
    }
}

fn union<'c>(all: impl Iterator<Item = Option<Vec<Way<'c>>>>) -> Option<Vec<Way<'c>>> {
    let all: Vec<Vec<Way<'c>>> = all.collect::<Option<_>>()?;
    Some(all.concat())
}

fn not_enough(mut ways: Vec<Way<'_>>) -> Vec<Way<'_>> {
    ways.iter_mut().flatten().for_each(|field| field.is_enough = false);
    ways
}

fn field(path: &JsonPath) -> Option<Field<'_>> {
    path.singular.as_ref().map(|_| Field { path, is_enough: true })
}

/// Whether a value with these ways is present whenever all fields of `given` are. `asked` are the fields that the
/// conditions around both test for.
pub(super) fn comes_with(ways: &[Way<'_>], given: &[Field<'_>], asked: &[&JsonPath]) -> bool {
    let comes = |field: &Field<'_>| {
        asked.iter().any(|path| same(path, field.path))
            || (field.is_enough
                && (is_at_top(field.path) || given.iter().any(|other| is_beside(field.path, other.path))))
    };
    ways.iter().any(|way| way.iter().all(comes))
}

fn same(left: &JsonPath, right: &JsonPath) -> bool {
    left.root == right.root && left.singular.is_some() && left.singular == right.singular
}

fn steps(path: &JsonPath) -> &[Step] {
    path.singular.as_deref().unwrap_or_default()
}

/// Whether a field is a direct member of the raw event, or of the element of an `$each`.
fn is_at_top(path: &JsonPath) -> bool {
    steps(path).len() <= 1
}

/// Whether a field is in the same raw object as another, or in an object around it.
fn is_beside(field: &JsonPath, other: &JsonPath) -> bool {
    let parent = steps(field).split_last().map_or(&[] as &[Step], |(_, parent)| parent);
    field.root == other.root && steps(other).starts_with(parent)
}

/// The fields that a condition reads.
pub(super) fn asked_by<'c>(condition: &'c Condition, into: &mut Vec<&'c JsonPath>) {
    match condition {
        Condition::Exists(value)
        | Condition::In(value, _)
        | Condition::Matches(value, _)
        | Condition::StartsWith(value, _)
        | Condition::EndsWith(value, _)
        | Condition::Contains(value, _) => paths(value, into),
        Condition::Equals(left, right) => [left, right].into_iter().for_each(|side| paths(side, into)),
        Condition::All(conditions) | Condition::Any(conditions) => {
            conditions.iter().for_each(|condition| asked_by(condition, into));
        }
        Condition::Not(condition) => asked_by(condition, into),
    }
}

fn paths<'c>(value: &'c Spanned<Value>, into: &mut Vec<&'c JsonPath>) {
    let found = ways(value).into_iter().flatten().flatten();
    into.extend(found.map(|field| field.path));
}
