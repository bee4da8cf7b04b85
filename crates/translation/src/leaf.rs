//! `[…]` as a condition on the rows of one table.
//!
//! A property of a pattern is looked for in every column that may hold it: one that satisfies the comparison is enough.
//! Under AND, comparisons of the same object type that go through the same array of objects must hold of the same element.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use sql::sql;
use sql::table::Table;
use sql::text::Sql;
use sql::types::ColumnType;
use stix::pattern::{Comparison, ComparisonKind, ObjectPath, Operator, Span, Step};

use crate::compare::{self, Predicate, Typed, Verdict};
use crate::diagnostic::Diagnostic;
use crate::map::{Constant, DialectMap, Family, Kind, Object, Placement, Source, joined, sibling};
use crate::path::{ColumnPath, JsonStep, PathStep};
use crate::{AndScope, Negation, Observables, Options};

/// The most ways in which comparisons may be spread over arrays. Beyond it the statement would be too long to read.
const MOST_WAYS: usize = 256;

/// What a leaf is of a table.
pub(crate) struct LeafCondition {
    /// `None`: no row of the table can satisfy it.
    pub(crate) condition: Option<Sql>,
    /// What is left out of it, or why there is none.
    pub(crate) warnings: Vec<Diagnostic>,
    /// The columns that it reads, with the names below them as far as they lead without going into a list.
    pub(crate) reads: Vec<Vec<String>>,
}

/// The condition of a leaf on a table.
pub(crate) fn condition(
    comparison: &Comparison,
    table: &Table,
    map: &DialectMap,
    options: &Options,
) -> Result<LeafCondition, Diagnostic> {
    let mut reader = Reader { table, map, options, warnings: Vec::new(), reads: Vec::new() };
    let tree = reader.tree(comparison)?;
    let condition = match options.and_scope {
        AndScope::Row => spread(&tree, comparison)?,
        AndScope::Object => {
            let mut instances = Vec::new();
            tree.instances(&mut instances);
            let mut conditions = Vec::new();
            for instance in instances {
                conditions.extend(spread(&tree.restricted(&instance), comparison)?);
            }
            conditions.dedup();
            if conditions.is_empty() && reader.warnings.is_empty() {
                let message = "no object satisfies comparisons of different types at once";
                let help = "compare properties of one type, or let AND mean the same row";
                reader.warnings.push(Diagnostic::warning(
                    Some(comparison.span.clone()),
                    message,
                    Some(help.to_owned()),
                ));
            }
            (!conditions.is_empty()).then(|| Sql::or(conditions))
        }
    };
    Ok(LeafCondition { condition, warnings: reader.warnings, reads: reader.reads })
}

/// A comparison expression with the columns found.
enum Tree {
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Test(Vec<Alternative>),
}

/// One way in which a test can hold of a row.
#[derive(Clone)]
struct Alternative {
    /// The object that it is of: its type and place.
    instance: Instance,
    hops: Vec<Hop>,
    predicate: Predicate,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Instance {
    object_type: String,
    at: String,
}

/// An object type, and the array of objects that its properties are read through.
type Root = (String, String);

/// A step from a row to a value.
#[derive(Clone)]
enum Hop {
    Column(String),
    Field(String),
    Key(String),
    Element(i64),
    /// Some element, of those that the filter lets through. Arrays that serve as dictionaries do not tie comparisons.
    Each {
        filter: Option<Predicate>,
        ties: bool,
    },
    JsonEach(Vec<JsonStep>),
    Json(Vec<JsonStep>),
    Cast(ColumnType),
}

impl Tree {
    fn instances(&self, found: &mut Vec<Instance>) {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.instances(found);
                right.instances(found);
            }
            Self::Test(alternatives) => {
                for alternative in alternatives {
                    if !found.contains(&alternative.instance) {
                        found.push(alternative.instance.clone());
                    }
                }
            }
        }
    }

    /// What it joins by AND or OR, without what does so below.
    fn operands(&self) -> Vec<&Self> {
        let mut operands = Vec::new();
        let mut left_to_see = vec![self];
        while let Some(tree) = left_to_see.pop() {
            match (self, tree) {
                (Self::And(..), Self::And(left, right)) | (Self::Or(..), Self::Or(left, right)) => {
                    left_to_see.extend([&**right, &**left]);
                }
                _ => operands.push(tree),
            }
        }
        operands
    }

    fn restricted(&self, instance: &Instance) -> Self {
        match self {
            Self::And(left, right) => {
                Self::And(Box::new(left.restricted(instance)), Box::new(right.restricted(instance)))
            }
            Self::Or(left, right) => {
                Self::Or(Box::new(left.restricted(instance)), Box::new(right.restricted(instance)))
            }
            Self::Test(alternatives) => {
                Self::Test(alternatives.iter().filter(|a| a.instance == *instance).cloned().collect())
            }
        }
    }

    /// The arrays that tie its tests.
    fn roots(&self) -> Vec<Root> {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                let mut roots = left.roots();
                roots.extend(right.roots());
                roots
            }
            Self::Test(alternatives) => alternatives.iter().filter_map(|a| root_of(&a.instance, &a.hops)).collect(),
        }
    }

    /// The disjunction of conjunctions of tests, unless it has more than so many.
    fn terms(&self) -> Option<Vec<Vec<&Vec<Alternative>>>> {
        match self {
            Self::Test(alternatives) => Some(vec![vec![alternatives]]),
            Self::Or(left, right) => {
                let mut terms = left.terms()?;
                terms.extend(right.terms()?);
                (terms.len() <= MOST_WAYS).then_some(terms)
            }
            Self::And(left, right) => {
                let (left, right) = (left.terms()?, right.terms()?);
                if left.len() * right.len() > MOST_WAYS {
                    return None;
                }
                Some(left.iter().flat_map(|l| right.iter().map(|r| [&l[..], &r[..]].concat())).collect())
            }
        }
    }
}

/// The column of a way to a value, with the names below it before anything else.
fn names(hops: &[Hop]) -> Vec<String> {
    let name = |hop: &Hop| match hop {
        Hop::Column(name) | Hop::Field(name) => Some(name.clone()),
        _ => None,
    };
    hops.iter().map_while(name).collect()
}

/// The condition of a tree; `None` if nothing satisfies it.
fn spread(tree: &Tree, comparison: &Comparison) -> Result<Option<Sql>, Diagnostic> {
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
struct Part<'a> {
    alternative: &'a Alternative,
    hops: &'a [Hop],
}

impl<'a> Part<'a> {
    fn new(alternative: &'a Alternative) -> Self {
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

    fn condition(self, base: Option<Sql>, depth: usize) -> Sql {
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

impl Hop {
    fn apply(&self, value: &Sql) -> Sql {
        match self {
            Self::Column(name) | Self::Field(name) => sql!("{}.{}", value, Sql::name(name)),
            Self::Key(key) => sql!("element_at({}, {})", value, Sql::text(key)),
            Self::Element(place) => sql!("element_at({}, {})", value, Sql::integer(*place)),
            Self::Json(path) => sql!("json_extract_scalar({}, {})", value, Sql::text(&json_path(path))),
            Self::Cast(ColumnType::Bigint) => sql!("TRY_CAST({} AS bigint)", value),
            Self::Cast(ColumnType::Double) => sql!("TRY_CAST({} AS double)", value),
            Self::Cast(ColumnType::Boolean) => sql!("TRY_CAST({} AS boolean)", value),
            Self::Cast(_) | Self::Each { .. } | Self::JsonEach(_) => value.clone(),
        }
    }
}

fn json_list(value: &Sql, path: &[JsonStep]) -> Sql {
    sql!("TRY_CAST(json_extract({}, {}) AS array(json))", value, Sql::text(&json_path(path)))
}

fn json_path(steps: &[JsonStep]) -> String {
    let mut path = "$".to_owned();
    for step in steps {
        match step {
            JsonStep::Key(key) if key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                path.push('.');
                path.push_str(key);
            }
            JsonStep::Key(key) => {
                path.push_str("[\"");
                path.push_str(&key.replace('\\', "\\\\").replace('"', "\\\""));
                path.push_str("\"]");
            }
            JsonStep::Index(index) => path.push_str(&format!("[{index}]")),
            JsonStep::Each => {}
        }
    }
    path
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

/// The object type and the array of objects that an alternative goes through first, written as its path.
fn root_of(instance: &Instance, hops: &[Hop]) -> Option<Root> {
    let mut path = String::new();
    for hop in hops {
        match hop {
            Hop::Column(name) | Hop::Field(name) => {
                path.push('.');
                path.push_str(name);
            }
            Hop::Key(_) | Hop::Element(_) | Hop::Json(_) | Hop::Cast(_) => return None,
            Hop::Each { ties: false, .. } => return None,
            Hop::Each { .. } => return Some((instance.object_type.clone(), path)),
            Hop::JsonEach(steps) => return Some((instance.object_type.clone(), path + &json_path(steps))),
        }
    }
    None
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
        let mut through: BTreeMap<Root, (Hop, Sql, Vec<Part<'_>>)> = BTreeMap::new();
        for part in test {
            match part.root().filter(|(root, _)| shared.contains_key(root)) {
                Some((root, behind)) => {
                    let at = part.hops.len() - behind.hops.len() - 1;
                    let mut list = base.cloned().unwrap_or_else(|| Sql::code("e"));
                    for hop in &part.hops[..at] {
                        list = hop.apply(&list);
                    }
                    let entry = through.entry(root).or_insert_with(|| (part.hops[at].clone(), list, Vec::new()));
                    entry.2.push(behind);
                }
                None => alone.push(*part),
            }
        }
        let mut ways: Vec<Way<'_>> = Vec::new();
        if !alone.is_empty() {
            ways.push(Way::Alone(any_of(alone, base, depth)));
        }
        ways.extend(through.into_iter().map(|(root, (hop, list, parts))| Way::Through { root, hop, list, parts }));
        choices.push(ways);
    }
    if choices.iter().map(Vec::len).try_fold(1_usize, |all, ways| all.checked_mul(ways))? > MOST_WAYS {
        return None;
    }
    let mut conditions = Vec::new();
    let mut chosen = vec![0; choices.len()];
    loop {
        let mut parts: Vec<Sql> = Vec::new();
        let mut by_root: BTreeMap<&Root, (&Hop, &Sql, Vec<Vec<Part<'_>>>)> = BTreeMap::new();
        for (test, choice) in chosen.iter().enumerate() {
            match &choices[test][*choice] {
                Way::Alone(condition) => parts.push(condition.clone()),
                Way::Through { root, hop, list, parts } => {
                    by_root.entry(root).or_insert_with(|| (hop, list, Vec::new())).2.push(parts.clone());
                }
            }
        }
        let mut is_possible = true;
        for (hop, list, tests) in by_root.into_values() {
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
    Through { root: Root, hop: Hop, list: Sql, parts: Vec<Part<'a>> },
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

struct Reader<'a> {
    table: &'a Table,
    map: &'a DialectMap,
    options: &'a Options,
    warnings: Vec<Diagnostic>,
    reads: Vec<Vec<String>>,
}

/// A place where a value may stand, before it is compared.
struct Candidate<'m> {
    instance: Instance,
    at: Option<ColumnPath>,
    source: &'m Source,
    family: Option<Family>,
}

impl<'a> Reader<'a> {
    fn tree(&mut self, comparison: &Comparison) -> Result<Tree, Diagnostic> {
        Ok(match &comparison.kind {
            ComparisonKind::And(left, right) => Tree::And(Box::new(self.tree(left)?), Box::new(self.tree(right)?)),
            ComparisonKind::Or(left, right) => Tree::Or(Box::new(self.tree(left)?), Box::new(self.tree(right)?)),
            ComparisonKind::Test { path, negated, operator } => {
                let asked = Asked::Compare(operator, *negated);
                Tree::Test(self.test(path, &comparison.span, &asked)?)
            }
            ComparisonKind::Exists { path, negated } => {
                Tree::Test(self.test(path, &comparison.span, &Asked::Exists(*negated))?)
            }
        })
    }

    fn test(&mut self, path: &ObjectPath, span: &Span, asked: &Asked<'_>) -> Result<Vec<Alternative>, Diagnostic> {
        let (property, indices) = property(path)?;
        let name = format!("{}:{property}", path.object_type);
        let mut found: Vec<Found> = Vec::new();
        let object = self.map.object(&path.object_type);
        if object.is_some_and(Object::is_passthrough) {
            if let Some(access) = self.passthrough(path) {
                found.push(access);
            }
        } else {
            let mut candidates = Vec::new();
            self.candidates(&path.object_type, None, &property, &mut candidates, 0);
            if candidates.is_empty() {
                return Ok(self.unknown(path, &name));
            }
            for candidate in candidates {
                if let Some(access) = self.access(&candidate, &indices, path)?
                    && !found.iter().any(|other| other.path == access.path && other.typed == access.typed)
                {
                    found.push(access);
                }
            }
            merge_families(&mut found);
            if found.is_empty() && self.options.observables == Observables::WhenUnmapped {
                found.extend(self.observable(path, &property));
            }
        }
        if found.is_empty() {
            let table = &self.table.name;
            let message = format!("{table} has no column for {name}: no row of it can satisfy this");
            self.warnings.push(Diagnostic::warning(Some(span.clone()), message, None));
            return Ok(Vec::new());
        }
        self.reads.extend(found.iter().map(|found| names(&found.hops)));
        self.alternatives(found, span, asked, &name)
    }

    /// The path is in no place of the map.
    fn unknown(&mut self, path: &ObjectPath, name: &str) -> Vec<Alternative> {
        let dialect = self.map.dialect();
        let help = self.map.suggestion(name).map(|known| format!("is {known} meant?"));
        let table = &self.table.name;
        let message = format!("the dialect {dialect} has nothing for {name}: no row of {table} can satisfy this");
        self.warnings.push(Diagnostic::warning(Some(path.span.clone()), message, help));
        Vec::new()
    }

    /// All places of a property, through references too.
    fn candidates(
        &self,
        object_type: &str,
        within: Option<&Option<ColumnPath>>,
        property: &str,
        found: &mut Vec<Candidate<'a>>,
        depth: usize,
    ) {
        let map: &'a DialectMap = self.map;
        let Some(object) = map.object(object_type) else { return };
        if depth > 4 {
            return;
        }
        for placement in &object.placements {
            for at in &placement.at {
                if within.is_some_and(|within| within != at) {
                    continue;
                }
                self.of_placement(object_type, object, placement, at, property, found, depth);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the two halves of one recursion")]
    fn of_placement(
        &self,
        object_type: &str,
        object: &'a Object,
        placement: &'a Placement,
        at: &Option<ColumnPath>,
        property: &str,
        found: &mut Vec<Candidate<'a>>,
        depth: usize,
    ) {
        for source in placement.properties.get(property).into_iter().flatten() {
            let place = at.as_ref().map(ToString::to_string).unwrap_or_default();
            let instance = Instance { object_type: object_type.to_owned(), at: place };
            found.push(Candidate { instance, at: at.clone(), source, family: object.family });
        }
        for (reference, target) in &placement.references {
            let Some(rest) = property.strip_prefix(reference.as_str()).and_then(|rest| rest.strip_prefix('.')) else {
                continue;
            };
            let there = joined(at.as_ref(), target.at.as_ref());
            for referenced in &target.objects {
                let before = found.len();
                self.candidates(referenced, Some(&there), rest, found, depth + 1);
                for candidate in &mut found[before..] {
                    let place = at.as_ref().map(ToString::to_string).unwrap_or_default();
                    candidate.instance = Instance { object_type: object_type.to_owned(), at: place };
                }
            }
        }
    }

    /// How a table's rows are read there, if it has the column.
    fn access(
        &self,
        candidate: &Candidate<'_>,
        indices: &[i64],
        path: &ObjectPath,
    ) -> Result<Option<Found>, Diagnostic> {
        let column = |name: &str| self.table.column(name).cloned();
        for source_path in &candidate.source.paths {
            let mut relative = source_path.clone();
            if let [index] = indices {
                match indexed(&relative, *index) {
                    Indexed::Path(path) => relative = path,
                    Indexed::Absent => continue,
                    Indexed::Unclear => {
                        let message =
                            format!("an index cannot be carried out here: {source_path} holds more than one list");
                        return Err(Diagnostic::error(Some(path.span.clone()), message, "write [*] for any element"));
                    }
                }
            } else if indices.len() > 1 {
                let message = "more than one index cannot be carried out here";
                return Err(Diagnostic::error(Some(path.span.clone()), message, "write [*] for any element"));
            }
            let full = candidate.at.as_ref().map_or_else(|| relative.clone(), |at| at.join(&relative));
            let Some((full, mut found)) = full.resolve(column) else { continue };
            let mut filter: Option<Predicate> = None;
            for (field, constant) in &candidate.source.filter {
                if sibling(&full, field).resolve(column).is_none() {
                    return Ok(None);
                }
                let (field, constant) = (Sql::name(field), constant_sql(constant));
                let before = filter.take();
                filter = Some(Rc::new(move |element| {
                    let own = sql!("{}.{} = {}", element, field, constant);
                    before.as_ref().map_or_else(|| own.clone(), |before| sql!("{} AND {}", before(element), own))
                }));
            }
            let at_length = candidate.at.as_ref().map_or(0, |at| at.steps.len());
            let mut hops = hops_of(&full, filter.as_ref(), at_length);
            if let Some(cast) = &candidate.source.cast {
                hops.push(Hop::Cast(cast.clone()));
                found = cast.clone();
            }
            let kind = candidate.source.kind;
            let family = candidate.family.filter(|_| kind == Some(Kind::Address));
            return Ok(Some(Found {
                instance: candidate.instance.clone(),
                path: format!("{full}{:?}", candidate.source.filter),
                hops,
                typed: Typed { column_type: found, kind, family },
                at: candidate.at.clone(),
            }));
        }
        Ok(None)
    }

    /// The columns' own paths: `x-ocsf:actor.process.cmd_line`.
    fn passthrough(&self, path: &ObjectPath) -> Option<Found> {
        let mut hops = Vec::new();
        let mut json: Vec<JsonStep> = Vec::new();
        let mut reached: Option<ColumnType> = None;
        let mut is_json = false;
        for step in &path.steps {
            match (step, reached.take()) {
                (Step::Property(name), None) => {
                    let (name, column_type) =
                        self.table.columns.iter().find(|(column, _)| column.eq_ignore_ascii_case(name))?;
                    hops.push(Hop::Column(name.clone()));
                    reached = Some(column_type.clone());
                }
                (Step::Property(name), Some(row @ ColumnType::Row(_))) => {
                    hops.push(Hop::Field(name.clone()));
                    reached = Some(row.field(name)?.clone());
                }
                (Step::Property(name), Some(ColumnType::Map(key, value))) if *key == ColumnType::Varchar => {
                    hops.push(Hop::Key(name.clone()));
                    reached = Some(*value);
                }
                (Step::Property(name), Some(text @ (ColumnType::Varchar | ColumnType::Json))) => {
                    is_json = true;
                    json.push(JsonStep::Key(name.clone()));
                    reached = Some(text);
                }
                (Step::AnyElement, Some(ColumnType::Array(element))) => {
                    hops.push(Hop::Each { filter: None, ties: element.is_complex() });
                    reached = Some(*element);
                }
                (Step::Index(index), Some(ColumnType::Array(element))) => {
                    hops.push(Hop::Element(index.checked_add(1)?));
                    reached = Some(*element);
                }
                (Step::AnyElement, Some(text @ (ColumnType::Varchar | ColumnType::Json))) if is_json => {
                    hops.push(Hop::JsonEach(std::mem::take(&mut json)));
                    reached = Some(text);
                }
                (Step::Index(index), Some(text @ (ColumnType::Varchar | ColumnType::Json))) if is_json => {
                    json.push(JsonStep::Index(u32::try_from(*index).ok()?));
                    reached = Some(text);
                }
                _ => return None,
            }
        }
        if is_json {
            hops.push(Hop::Json(json));
            reached = Some(ColumnType::Varchar);
        }
        let mut column_type = reached?;
        while let ColumnType::Array(element) = column_type {
            hops.push(Hop::Each { filter: None, ties: false });
            column_type = *element;
        }
        let instance = Instance { object_type: path.object_type.clone(), at: String::new() };
        let kind = None;
        Some(Found { instance, path: String::new(), hops, typed: Typed { column_type, kind, family: None }, at: None })
    }

    /// OCSF's list of what else an event speaks of.
    fn observable(&self, path: &ObjectPath, property: &str) -> Option<Found> {
        let list = self.map.observables.as_ref()?;
        let object = self.map.object(&path.object_type)?;
        let observable = object.observables.get(property)?.clone();
        let ColumnType::Array(element) = self.table.column(list)? else { return None };
        element.field("type_id")?;
        element.field("value")?;
        let kinds = object.placements.iter().filter_map(|p| p.properties.get(property)).flatten().find_map(|s| s.kind);
        let filter: Predicate = Rc::new(move |element| {
            let ids = Sql::list(observable.type_ids.iter().copied().map(Sql::integer));
            let of_type = match observable.type_ids.as_slice() {
                [_] => sql!("{}.\"type_id\" = {}", element, ids),
                _ => sql!("{}.\"type_id\" IN ({})", element, ids),
            };
            match observable.length {
                Some(length) => sql!("{} AND length({}.\"value\") = {}", of_type, element, Sql::integer(length)),
                None => of_type,
            }
        });
        let hops = vec![
            Hop::Column(list.clone()),
            Hop::Each { filter: Some(filter), ties: false },
            Hop::Field("value".to_owned()),
        ];
        let family = object.family.filter(|_| kinds == Some(Kind::Address));
        Some(Found {
            instance: Instance { object_type: path.object_type.clone(), at: list.clone() },
            path: String::new(),
            hops,
            typed: Typed { column_type: ColumnType::Varchar, kind: kinds, family },
            at: None,
        })
    }

    fn alternatives(
        &mut self,
        found: Vec<Found>,
        span: &Span,
        asked: &Asked<'_>,
        name: &str,
    ) -> Result<Vec<Alternative>, Diagnostic> {
        if let Asked::Compare(operator, _) = asked {
            self.doubt(&found, operator, asked.is_negative(), name);
        }
        if self.options.negation == Negation::Universal && asked.is_negative() {
            return self.universal(found, span, asked, name);
        }
        let mut alternatives = Vec::new();
        let mut reasons: Vec<String> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        // Constants that no value equals, with the number of columns of which it is so.
        let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
        let columns = found.len();
        let remedy = found.iter().find_map(|found| compare::remedy(&found.typed)).map(str::to_owned);
        for found in found {
            let Found { instance, hops, typed, at, .. } = found;
            match asked {
                Asked::Exists(false) => {
                    let (hops, predicate) = existence(hops, &typed);
                    alternatives.push(Alternative { instance, hops, predicate });
                }
                Asked::Exists(true) => {
                    alternatives.push(self.absence(instance, hops, &typed, at.as_ref()));
                }
                Asked::Compare(operator, negated) => match compare::compare(&typed, operator, *negated) {
                    Verdict::Test(predicate) => alternatives.push(Alternative { instance, hops, predicate }),
                    Verdict::Without(predicate, constants) => {
                        alternatives.push(Alternative { instance, hops, predicate });
                        for constant in constants {
                            *left_out.entry(constant).or_default() += 1;
                        }
                    }
                    Verdict::Never(constants) => {
                        for constant in constants {
                            if seen.insert(constant.clone()) {
                                reasons.push(constant.clone());
                            }
                            *left_out.entry(constant).or_default() += 1;
                        }
                    }
                    Verdict::Refused { message, help } => {
                        return Err(Diagnostic::error(Some(span.clone()), message, help));
                    }
                },
            }
        }
        if alternatives.is_empty() {
            let message = format!("{name} in {} is never so: {}", self.table.name, first_of(&reasons));
            let help = remedy.filter(|_| matches!(asked, Asked::Compare(operator, _) if !is_of_text(operator)));
            self.warnings.push(Diagnostic::warning(Some(span.clone()), message, help));
        } else {
            let reasons: Vec<String> =
                left_out.into_iter().filter(|(_, of)| *of == columns).map(|(reason, _)| reason).collect();
            for reason in reasons.iter().take(MOST_REASONS) {
                let message = format!("{name} in {}: a constant is left out of the set: {reason}", self.table.name);
                self.warnings.push(Diagnostic::warning(Some(span.clone()), message, remedy.clone()));
            }
            if let Some(more) = reasons.len().checked_sub(MOST_REASONS).filter(|more| *more > 0) {
                let message = format!("{name} in {}: {more} more constants are left out of the set", self.table.name);
                self.warnings.push(Diagnostic::warning(Some(span.clone()), message, remedy.clone()));
            }
        }
        Ok(alternatives)
    }

    /// Warns of constants with which the values of none of the columns agree.
    fn doubt(&mut self, found: &[Found], operator: &Operator, is_negative: bool, name: &str) {
        const MOST: usize = 5;
        let mut of_all: Option<Vec<compare::Doubt>> = None;
        for found in found {
            let path = attribute_path(&found.hops);
            let is_coded = matches!(found.typed.column_type, ColumnType::Integer | ColumnType::Bigint);
            let allowed = if is_coded { self.map.allowed_values(&path) } else { None };
            let captions = if is_coded { Vec::new() } else { self.map.captions(&path) };
            let doubts = compare::doubts(&found.typed, name, allowed.as_deref(), &captions, operator, is_negative);
            of_all = Some(match of_all {
                None => doubts,
                Some(before) => {
                    let doubts: HashSet<compare::Doubt> = doubts.into_iter().collect();
                    before.into_iter().filter(|doubt| doubts.contains(doubt)).collect()
                }
            });
        }
        let of_all = of_all.unwrap_or_default();
        let left_out = of_all.len().saturating_sub(MOST);
        for (number, compare::Doubt { span, mut message, help }) in of_all.into_iter().take(MOST).enumerate() {
            if number + 1 == MOST && left_out > 0 {
                message = format!("{message}; so are {left_out} more values of the list");
            }
            let warning = Diagnostic::warning(Some(span), message, Some(help));
            self.warnings.push(Diagnostic { is_of_value: true, ..warning });
        }
    }

    /// `NOT` of all values: there is one, and none satisfies the comparison.
    fn universal(
        &mut self,
        found: Vec<Found>,
        span: &Span,
        asked: &Asked<'_>,
        name: &str,
    ) -> Result<Vec<Alternative>, Diagnostic> {
        let mut positives = Vec::new();
        let mut presences = Vec::new();
        let mut instances = Vec::new();
        let mut reasons = Vec::new();
        for found in found {
            let Found { instance, hops, typed, at, .. } = found;
            let positive = match asked {
                Asked::Exists(_) => Verdict::Test(compare::present(&typed)),
                Asked::Compare(Operator::NotEqual(literal), _) => {
                    compare::compare(&typed, &Operator::Equal(literal.clone()), false)
                }
                Asked::Compare(operator, _) => compare::compare(&typed, operator, false),
            };
            let presence: Predicate = match (asked, &at) {
                (Asked::Exists(_), _) => Rc::new(|_| Sql::code("TRUE")),
                _ => compare::present(&typed),
            };
            match positive {
                Verdict::Test(predicate) | Verdict::Without(predicate, _) => {
                    let alternative = Alternative { instance: instance.clone(), hops: hops.clone(), predicate };
                    positives.push(Part::new(&alternative).condition(None, 0));
                    let alternative = Alternative { instance: instance.clone(), hops, predicate: presence };
                    presences.push(Part::new(&alternative).condition(None, 0));
                    instances.push(instance);
                }
                Verdict::Never(constants) => reasons.extend(constants),
                Verdict::Refused { message, help } => return Err(Diagnostic::error(Some(span.clone()), message, help)),
            }
        }
        let Some(instance) = instances.into_iter().next() else {
            let message = format!("{name} in {} is never so: {}", self.table.name, first_of(&reasons));
            self.warnings.push(Diagnostic::warning(Some(span.clone()), message, None));
            return Ok(Vec::new());
        };
        let none = sql!("NOT COALESCE({}, FALSE)", Sql::or(positives));
        let whole = match asked {
            Asked::Exists(_) => none,
            Asked::Compare(..) => Sql::and([Sql::or(presences), none]),
        };
        Ok(vec![Alternative { instance, hops: Vec::new(), predicate: Rc::new(move |_| whole.clone()) }])
    }

    /// `NOT EXISTS`: the object is there, and the property is not.
    fn absence(&self, instance: Instance, hops: Vec<Hop>, typed: &Typed, at: Option<&ColumnPath>) -> Alternative {
        let object_steps = at.map_or(0, |at| at.steps.len());
        let (before, after) = hops.split_at(object_steps.min(hops.len()));
        let (after, predicate) = existence(after.to_vec(), typed);
        let inner = Alternative { instance: instance.clone(), hops: after, predicate };
        let is_event = object_steps == 0;
        let predicate: Predicate = Rc::new(move |object| {
            let exists = Part::new(&inner).condition(Some(object.clone()), 4);
            let absent = sql!("NOT COALESCE({}, FALSE)", exists);
            if is_event { absent } else { sql!("({} IS NOT NULL AND {})", object, absent) }
        });
        Alternative { instance, hops: before.to_vec(), predicate }
    }
}

/// What is asked of a property.
enum Asked<'p> {
    Compare(&'p Operator, bool),
    Exists(bool),
}

impl Asked<'_> {
    fn is_negative(&self) -> bool {
        match self {
            Self::Exists(negated) => *negated,
            Self::Compare(Operator::NotEqual(_), negated) => !negated,
            Self::Compare(_, negated) => *negated,
        }
    }
}

/// How many constants of a list warnings name.
const MOST_REASONS: usize = 5;

/// The first reasons, and how many more there are.
fn first_of(reasons: &[String]) -> String {
    let mut text = reasons.iter().take(MOST_REASONS).map(String::as_str).collect::<Vec<_>>().join("; ");
    if let Some(more) = reasons.len().checked_sub(MOST_REASONS).filter(|more| *more > 0) {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

/// Whether an operator has a text to its right, whatever the column is.
fn is_of_text(operator: &Operator) -> bool {
    matches!(operator, Operator::Like(_) | Operator::Matches(_) | Operator::IsSubset(_) | Operator::IsSuperset(_))
}

/// The names on the way from an event to a value.
fn attribute_path(hops: &[Hop]) -> String {
    let names = hops.iter().filter_map(|hop| match hop {
        Hop::Column(name) | Hop::Field(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    names.collect::<Vec<_>>().join(".")
}

/// A column of a table that holds a property.
struct Found {
    instance: Instance,
    /// What tells it from other columns.
    path: String,
    hops: Vec<Hop>,
    typed: Typed,
    at: Option<ColumnPath>,
}

/// Existence of a list is that it has elements.
fn existence(mut hops: Vec<Hop>, typed: &Typed) -> (Vec<Hop>, Predicate) {
    if let (Some(Hop::Each { filter: None, .. }), None) = (hops.last(), typed.family) {
        hops.pop();
        return (hops, Rc::new(|v| sql!("cardinality({}) > 0", v)));
    }
    (hops, compare::present(typed))
}

/// A column of `ipv4-addr` and of `ipv6-addr` both, as behind `src_ref`, holds any address.
fn merge_families(found: &mut Vec<Found>) {
    let mut merged: Vec<Found> = Vec::new();
    for one in found.drain(..) {
        let is_twin = |other: &&mut Found| other.path == one.path && other.typed.family.is_some();
        match merged.iter_mut().find(is_twin).filter(|_| one.typed.family.is_some()) {
            Some(twin) => twin.typed.family = None,
            None => merged.push(one),
        }
    }
    *found = merged;
}

fn constant_sql(constant: &Constant) -> Sql {
    match constant {
        Constant::Integer(number) => Sql::integer(*number),
        Constant::Text(text) => Sql::text(text),
    }
}

/// The steps of a path, and elements of the list that it ends on.
fn hops_of(path: &ColumnPath, filter: Option<&Predicate>, object_steps: usize) -> Vec<Hop> {
    let last_each = path.steps.iter().rposition(|step| *step == PathStep::Each);
    let mut hops = Vec::new();
    for (place, step) in path.steps.iter().enumerate() {
        hops.push(match step {
            PathStep::Field(name) if place == 0 => Hop::Column(name.clone()),
            PathStep::Field(name) => Hop::Field(name.clone()),
            PathStep::Key(key) => Hop::Key(key.clone()),
            PathStep::Index(index) => Hop::Element(i64::from(*index) + 1),
            PathStep::Each => {
                let filter = filter.filter(|_| last_each == Some(place)).cloned();
                let is_last = place + 1 == path.steps.len() && path.json.is_empty();
                Hop::Each { ties: !is_last && (filter.is_none() || place < object_steps), filter }
            }
        });
    }
    let mut json = Vec::new();
    for step in &path.json {
        match step {
            JsonStep::Each => hops.push(Hop::JsonEach(std::mem::take(&mut json))),
            other => json.push(other.clone()),
        }
    }
    if !path.json.is_empty() {
        hops.push(Hop::Json(json));
    }
    hops
}

enum Indexed {
    Path(ColumnPath),
    Absent,
    Unclear,
}

/// The path with its one list cut down to one element. A scalar is a list of one.
fn indexed(path: &ColumnPath, index: i64) -> Indexed {
    let lists: Vec<usize> =
        path.steps.iter().enumerate().filter(|(_, step)| **step == PathStep::Each).map(|(place, _)| place).collect();
    let json_lists = path.json.iter().filter(|step| **step == JsonStep::Each).count();
    let Ok(index) = u32::try_from(index) else { return Indexed::Absent };
    match (&lists[..], json_lists) {
        ([], 0) if index == 0 => Indexed::Path(path.clone()),
        ([], 0) => Indexed::Absent,
        ([place], 0) => {
            let mut path = path.clone();
            path.steps[*place] = PathStep::Index(index);
            Indexed::Path(path)
        }
        ([], 1) => {
            let mut path = path.clone();
            for step in &mut path.json {
                if *step == JsonStep::Each {
                    *step = JsonStep::Index(index);
                }
            }
            Indexed::Path(path)
        }
        _ => Indexed::Unclear,
    }
}

/// A path of the pattern as maps write it, `[*]` left out, and its indices.
fn property(path: &ObjectPath) -> Result<(String, Vec<i64>), Diagnostic> {
    let mut property = String::new();
    let mut indices = Vec::new();
    for step in &path.steps {
        match step {
            Step::Property(name) => {
                if !property.is_empty() {
                    property.push('.');
                }
                let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if plain {
                    property.push_str(name);
                } else {
                    property.push_str(&format!("'{name}'"));
                }
            }
            Step::AnyElement => {}
            Step::Index(index) if *index < 0 => {
                let message = "a list has no element before its first";
                return Err(Diagnostic::error(Some(path.span.clone()), message, "count elements from 0, or write [*]"));
            }
            Step::Index(index) => indices.push(*index),
        }
    }
    Ok((property, indices))
}
