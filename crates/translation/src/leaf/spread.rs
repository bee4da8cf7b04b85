//! A tree as SQL: comparisons of one object are held by the same element of an array.

use std::collections::BTreeMap;

use sql::sql;
use sql::text::Sql;
use stix::pattern::Comparison;

use super::tree::{Alternative, Hop, MOST_WAYS, Root, Tree, json_list, root_of};
use crate::diagnostic::Diagnostic;

/// The condition of a tree; `None` if nothing satisfies it.
pub(super) fn spread(tree: &Tree, comparison: &Comparison) -> Result<Option<Sql>, Diagnostic> {
    Ok(match tree {
        Tree::Or(..) => {
            let mut conditions = Vec::new();
            for operand in tree.operands() {
                conditions.extend(spread(operand, comparison)?);
            }
            (!conditions.is_empty()).then(|| Sql::or(conditions))
        }
        Tree::And(..) => {
            let mut conditions = Vec::new();
            for tied in tied(tree.operands()) {
                let condition = match tied[..] {
                    [alone] => spread(alone, comparison)?,
                    _ => tied_conditions(&tied, comparison)?,
                };
                match condition {
                    Some(condition) => conditions.push(condition),
                    None => return Ok(None),
                }
            }
            Some(Sql::and(conditions))
        }
        Tree::Test(alternatives) => {
            (!alternatives.is_empty()).then(|| any_of(alternatives.iter().map(Part::new), None, 0))
        }
    })
}

/// Operands of an AND in groups: those of one group share arrays of objects, so that they may have to hold of one element.
fn tied(operands: Vec<&Tree>) -> Vec<Vec<&Tree>> {
    /// Their arrays, and the operands with their places.
    type Group<'t> = (Vec<Root>, Vec<(usize, &'t Tree)>);
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (place, operand) in operands.into_iter().enumerate() {
        let mut roots = operand.roots();
        let mut members = vec![(place, operand)];
        let (with, without): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(of_group, _)| of_group.iter().any(|root| roots.contains(root)));
        groups = without;
        for (more_roots, more) in with {
            roots.extend(more_roots);
            members.extend(more);
        }
        roots.sort_unstable();
        roots.dedup();
        members.sort_unstable_by_key(|(place, _)| *place);
        groups.push((roots, members));
    }
    groups.sort_by_key(|(_, members)| members.first().map(|(place, _)| *place));
    groups.into_iter().map(|(_, members)| members.into_iter().map(|(_, operand)| operand).collect()).collect()
}

/// The condition that operands hold which share arrays of objects.
fn tied_conditions(operands: &[&Tree], comparison: &Comparison) -> Result<Option<Sql>, Diagnostic> {
    let too_many = || {
        let message = "the comparisons can be spread over lists of objects in too many ways";
        let help = "write values of one property as IN (…) or NOT IN (…), or split the pattern in several";
        Diagnostic::error(Some(comparison.span.clone()), message, help)
    };
    let mut terms: Vec<Vec<&Vec<Alternative>>> = vec![Vec::new()];
    for operand in operands {
        let of_operand = operand.terms().ok_or_else(too_many)?;
        if terms.len() * of_operand.len() > MOST_WAYS {
            return Err(too_many());
        }
        terms = terms.iter().flat_map(|l| of_operand.iter().map(|r| [&l[..], &r[..]].concat())).collect();
    }
    let mut conditions = Vec::new();
    for term in terms {
        let tests: Vec<Vec<Part<'_>>> =
            term.into_iter().map(|alternatives| alternatives.iter().map(Part::new).collect()).collect();
        conditions.extend(conjunction(&tests, None, 0).ok_or_else(too_many)?);
    }
    Ok((!conditions.is_empty()).then(|| Sql::or(conditions)))
}

/// From this length on a condition on several columns is written once, as `any_match(ARRAY[a, b], x -> …)`: it is true where
/// `… a … OR … b …` is.
const LONG_CONDITION: usize = 1_000;

/// The condition that some part holds.
fn any_of<'a>(parts: impl IntoIterator<Item = Part<'a>>, base: Option<&Sql>, depth: usize) -> Sql {
    // Values that are compared alike, by the comparison.
    let mut alike: Vec<(Option<Sql>, Vec<Part<'a>>)> = Vec::new();
    for part in parts {
        let condition = (part.alternative.predicate)(&variable(depth));
        let long = Some(condition).filter(|condition| condition.as_str().len() >= LONG_CONDITION);
        match alike.iter_mut().find(|(other, _)| other.is_some() && *other == long) {
            Some((_, parts)) => parts.push(part),
            None => alike.push((long, vec![part])),
        }
    }
    Sql::or(alike.into_iter().map(|(condition, parts)| match (condition, &parts[..]) {
        (Some(condition), [first, _, ..]) => {
            let (lists, values): (Vec<Part<'_>>, Vec<Part<'_>>) = parts.iter().partition(|part| part.is_in_list());
            let values = sql!("ARRAY[{}]", Sql::list(values.iter().map(|part| part.value(base.cloned(), depth))));
            if lists.is_empty() {
                return sql!("any_match({}, {} -> {})", values, variable(depth), condition);
            }
            let lists = lists.iter().map(|part| part.value(base.cloned(), depth));
            let all = Some(values).filter(|values| values.as_str() != "ARRAY[]").into_iter().chain(lists);
            let (list, value) = (variable(depth), variable(depth + 1));
            let condition = (first.alternative.predicate)(&value);
            sql!("any_match(ARRAY[{}], {} -> any_match({}, {} -> {}))", Sql::list(all), list, list, value, condition)
        }
        _ => Sql::or(parts.into_iter().map(|part| part.condition(base.cloned(), depth))),
    }))
}

/// An alternative, from some element of an array on.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) alternative: &'a Alternative,
    pub(super) hops: &'a [Hop],
}

impl<'a> Part<'a> {
    pub(super) fn new(alternative: &'a Alternative) -> Self {
        Self { alternative, hops: &alternative.hops }
    }

    /// The first array on the way that ties, with what is behind it.
    fn root(self) -> Option<(Root, Self)> {
        let root = root_of(&self.alternative.instance, self.hops)?;
        let at = self.hops.iter().position(|hop| matches!(hop, Hop::Each { .. } | Hop::JsonEach(_)))?;
        Some((root, Self { alternative: self.alternative, hops: &self.hops[at + 1..] }))
    }

    fn is_in_list(self) -> bool {
        self.hops.iter().any(|hop| matches!(hop, Hop::Each { .. } | Hop::JsonEach(_)))
    }

    /// The value; where it is in a list, the list of the values.
    fn value(self, base: Option<Sql>, depth: usize) -> Sql {
        let mut value = base.unwrap_or_else(|| Sql::code("e"));
        for (place, hop) in self.hops.iter().enumerate() {
            let element = variable(depth);
            let list = match hop {
                Hop::Each { filter: None, .. } => value,
                Hop::Each { filter: Some(filter), .. } => {
                    sql!("filter({}, {} -> {})", value, element, filter(&element))
                }
                Hop::JsonEach(path) => json_list(&value, path),
                other => {
                    value = other.apply(&value);
                    continue;
                }
            };
            let rest = Self { alternative: self.alternative, hops: &self.hops[place + 1..] };
            if rest.hops.is_empty() {
                return list;
            }
            let behind = rest.value(Some(element.clone()), depth + 1);
            let values = sql!("transform({}, {} -> {})", list, element, behind);
            return if rest.is_in_list() { sql!("flatten({})", values) } else { values };
        }
        value
    }

    pub(super) fn condition(self, base: Option<Sql>, depth: usize) -> Sql {
        let mut value = base.unwrap_or_else(|| Sql::code("e"));
        for (place, hop) in self.hops.iter().enumerate() {
            let rest = Self { alternative: self.alternative, hops: &self.hops[place + 1..] };
            match hop {
                Hop::Each { filter, .. } => {
                    let variable = variable(depth);
                    let mut conditions: Vec<Sql> = filter.iter().map(|filter| filter(&variable)).collect();
                    conditions.push(rest.condition(Some(variable.clone()), depth + 1));
                    let inner = joined_by_and(conditions);
                    return sql!("any_match({}, {} -> {})", value, variable, inner);
                }
                Hop::JsonEach(path) => {
                    let variable = variable(depth);
                    let inner = rest.condition(Some(variable.clone()), depth + 1);
                    let list = json_list(&value, path);
                    return sql!("any_match({}, {} -> {})", list, variable, inner);
                }
                other => value = other.apply(&value),
            }
        }
        (self.alternative.predicate)(&value)
    }
}

/// The parameter of a lambda, by how deep it stands.
fn variable(depth: usize) -> Sql {
    const NAMES: [&str; 8] = ["x", "y", "z", "u", "v", "w", "p", "q"];
    Sql::code(NAMES[depth % NAMES.len()])
}

/// Conditions joined without parentheses around all, for the body of a lambda.
fn joined_by_and(conditions: Vec<Sql>) -> Sql {
    Sql::joined(" AND ", conditions)
}

/// The condition that all tests hold: through the same element where they share an array.
fn conjunction(tests: &[Vec<Part<'_>>], base: Option<&Sql>, depth: usize) -> Option<Option<Sql>> {
    if tests.iter().any(Vec::is_empty) {
        return Some(None);
    }
    let mut shared: BTreeMap<Root, usize> = BTreeMap::new();
    for test in tests {
        let mut roots: Vec<_> = test.iter().filter_map(|part| part.root()).map(|(root, _)| root).collect();
        roots.sort();
        roots.dedup();
        for root in roots {
            *shared.entry(root).or_default() += 1;
        }
    }
    shared.retain(|_, tests| *tests > 1);
    // Each test holds in one of these ways: through one of the shared arrays, or by itself.
    let mut choices: Vec<Vec<Way<'_>>> = Vec::new();
    for test in tests {
        let mut alone = Vec::new();
        let mut through: BTreeMap<Root, Shared<'_>> = BTreeMap::new();
        for part in test {
            match part.root().filter(|(root, _)| shared.contains_key(root)) {
                Some((root, behind)) => {
                    let at = part.hops.len() - behind.hops.len() - 1;
                    let mut list = base.cloned().unwrap_or_else(|| Sql::code("e"));
                    for hop in &part.hops[..at] {
                        list = hop.apply(&list);
                    }
                    let hop = part.hops[at].clone();
                    let shared = through.entry(root).or_insert_with(|| Shared { hop, list, parts: Vec::new() });
                    shared.parts.push(behind);
                }
                None => alone.push(*part),
            }
        }
        let mut ways: Vec<Way<'_>> = Vec::new();
        if !alone.is_empty() {
            ways.push(Way::Alone(any_of(alone, base, depth)));
        }
        ways.extend(through.into_iter().map(|(root, shared)| Way::Through(root, shared)));
        choices.push(ways);
    }
    if choices.iter().map(Vec::len).try_fold(1_usize, |all, ways| all.checked_mul(ways))? > MOST_WAYS {
        return None;
    }
    let mut conditions = Vec::new();
    let mut chosen = vec![0; choices.len()];
    loop {
        let mut parts: Vec<Sql> = Vec::new();
        let mut by_root: BTreeMap<&Root, Vec<&Shared<'_>>> = BTreeMap::new();
        for (test, choice) in chosen.iter().enumerate() {
            match &choices[test][*choice] {
                Way::Alone(condition) => parts.push(condition.clone()),
                Way::Through(root, shared) => by_root.entry(root).or_default().push(shared),
            }
        }
        let mut is_possible = true;
        for of_root in by_root.into_values() {
            let Some(Shared { hop, list, .. }) = of_root.first() else { continue };
            let tests: Vec<Vec<Part<'_>>> = of_root.iter().map(|shared| shared.parts.clone()).collect();
            let variable = variable(depth);
            let Some(inner) = conjunction(&tests, Some(&variable), depth + 1)? else {
                is_possible = false;
                break;
            };
            let list = match hop {
                Hop::JsonEach(path) => json_list(list, path),
                _ => list.clone(),
            };
            parts.push(sql!("any_match({}, {} -> {})", list, variable, inner));
        }
        if is_possible {
            conditions.push(Sql::and(parts));
        }
        if !advance(&mut chosen, &choices) {
            break;
        }
    }
    Some((!conditions.is_empty()).then(|| Sql::or(conditions)))
}

enum Way<'a> {
    Alone(Sql),
    Through(Root, Shared<'a>),
}

/// An array that several tests go through.
struct Shared<'a> {
    /// The step from the array to its elements.
    hop: Hop,
    /// The array.
    list: Sql,
    /// What a test asks of an element.
    parts: Vec<Part<'a>>,
}

/// The next combination, as an odometer has it.
fn advance(chosen: &mut [usize], choices: &[Vec<Way<'_>>]) -> bool {
    for (place, ways) in choices.iter().enumerate() {
        chosen[place] += 1;
        if chosen[place] < ways.len() {
            return true;
        }
        chosen[place] = 0;
    }
    false
}
