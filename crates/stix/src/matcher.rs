//! Asks a pattern of observed data in memory, exactly: the oracle that generated SQL is compared with, and what
//! `sluice stix match` runs.
//!
//! Meaning is that of the specification and of its own matcher (OASIS cti-pattern-matcher), with what `docs/stix.md`
//! lists as different: times are exact to the nanosecond, IPv6 networks work, an address that cannot be read is in no
//! network, and by default `AND` inside brackets is [`AndScope::Row`].

mod error;
mod intervals;
mod observed;
mod values;

pub use error::MatchError;
pub use observed::{Observed, observations};

use serde_json::Value as Json;

use crate::binder::{Bound, Candidate, LeafSet, Limits, bind};
use crate::lint::is_mixed;
use crate::network::{Network, Spellings};
use crate::pattern::{
    Comparison, ComparisonKind, Literal, ObjectPath, Observation, ObservationKind, Operator, Pattern, Step, Value,
};
use crate::text_match::{Like, Search};
use values::{Selected, select};

/// What `AND` inside brackets asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AndScope {
    /// Both are true of the observation, perhaps of different objects of it. One row of a log is one observation with
    /// several objects, and this is what people mean by `[ipv4-addr:value = '…' AND network-traffic:dst_port = 22]`.
    #[default]
    Row,
    /// Both are true of the same object, from which paths through references start; the strict reading.
    Object,
}

/// A pattern that is ready to be asked: expressions compiled, networks read.
#[derive(Debug)]
pub struct Matcher<'p> {
    pattern: &'p Pattern,
    scope: AndScope,
    leaves: Vec<Compiled<'p>>,
}

/// A comparison expression.
#[derive(Debug)]
enum Compiled<'p> {
    And(Box<Compiled<'p>>, Box<Compiled<'p>>),
    Or(Box<Compiled<'p>>, Box<Compiled<'p>>),
    Exists { path: &'p ObjectPath, negated: bool },
    Test { path: &'p ObjectPath, negated: bool, test: Test<'p> },
}

/// What is asked of a value.
#[derive(Debug)]
enum Test<'p> {
    /// The constant, and another spelling of the same address.
    Equal(&'p Literal, Option<Spellings>),
    NotEqual(&'p Literal, Option<Spellings>),
    /// The order that the value must have to the constant.
    Ordered(&'p Literal, fn(std::cmp::Ordering) -> bool),
    In(&'p [Literal], Vec<Spellings>),
    Like(Like),
    Matches(&'p str, Search),
    IsSubset(Network),
    IsSuperset(Network),
}

/// The objects of an observation of which something is true.
enum Truth {
    /// Of the observation as a whole.
    Row(bool),
    /// Of these objects, by their places, ascending.
    Objects(Vec<usize>),
}

impl<'p> Matcher<'p> {
    /// Makes a pattern ready.
    ///
    /// # Errors
    ///
    /// For an expression that does not compile, an operand that is no network, or a list of mixed types.
    pub fn new(pattern: &'p Pattern, scope: AndScope) -> Result<Matcher<'p>, MatchError> {
        let mut leaves = Vec::with_capacity(pattern.leaves);
        compile_leaves(&pattern.root, &mut leaves)?;
        Ok(Matcher { pattern, scope, leaves })
    }

    /// The leaves whose comparisons are true of an observation.
    ///
    /// # Errors
    ///
    /// For a value that cannot be compared, see [`MatchError`].
    pub fn leaves(&self, observed: &Observed) -> Result<LeafSet, MatchError> {
        let mut leaves = LeafSet::new();
        for (number, comparison) in self.leaves.iter().enumerate() {
            if self.truth(comparison, observed)?.is_true() {
                leaves.insert(number);
            }
        }
        Ok(leaves)
    }

    /// The observations that are in at least one match of the whole pattern.
    ///
    /// Observations that last (`last_observed` after `first_observed`) may have been at any time in between, as the
    /// specification has it; with such ones the matches are listed one by one, which is exact but not fast.
    ///
    /// # Errors
    ///
    /// For a value that cannot be compared, and when `limits` do not suffice.
    ///
    /// ```
    /// use stix::matcher::{AndScope, Matcher, observations};
    ///
    /// let pattern = stix::parse("[file:name = 'a.exe' AND process:pid = 4]", stix::Version::V21)?;
    /// let data = serde_json::json!([{
    ///     "type": "observed-data", "number_observed": 1,
    ///     "first_observed": "2024-01-01T00:00:00Z", "last_observed": "2024-01-01T00:00:00Z",
    ///     "objects": {"0": {"type": "file", "name": "a.exe"}, "1": {"type": "process", "pid": 4}},
    /// }]);
    /// let observed = observations(&data, stix::Version::V20)?;
    /// let matched = |scope| Matcher::new(&pattern, scope)?.find(&observed, Default::default());
    /// assert_eq!(matched(AndScope::Row)?.len(), 1);
    /// assert_eq!(matched(AndScope::Object)?.len(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find(&self, observed: &[Observed], limits: Limits) -> Result<Vec<Bound>, MatchError> {
        let leaves = observed.iter().map(|observed| self.leaves(observed)).collect::<Result<Vec<_>, _>>()?;
        if observed.iter().any(|observed| observed.first != observed.last) {
            return Ok(intervals::bind(self.pattern, observed, &leaves, limits)?);
        }
        let candidate = |(observed, leaves): (&Observed, LeafSet)| Candidate {
            time: observed.first,
            number_observed: observed.number_observed,
            leaves,
        };
        let candidates: Vec<Candidate> = observed.iter().zip(leaves).map(candidate).collect();
        Ok(bind(self.pattern, &candidates, limits)?)
    }

    /// Both sides are always looked at, so that a value that cannot be compared is always told.
    fn truth(&self, comparison: &Compiled<'_>, observed: &Observed) -> Result<Truth, MatchError> {
        Ok(match comparison {
            Compiled::And(left, right) => self.truth(left, observed)?.and(self.truth(right, observed)?),
            Compiled::Or(left, right) => self.truth(left, observed)?.or(self.truth(right, observed)?),
            Compiled::Exists { path, negated } => {
                let mut objects = Vec::new();
                for (place, object) in observed.objects_of(&path.object_type) {
                    let exists = select(path, object, observed)?.iter().any(|value| !value.is_null());
                    if exists != (*negated && self.scope == AndScope::Object) {
                        objects.push(place);
                    }
                }
                match self.scope {
                    AndScope::Row => Truth::Row(objects.is_empty() == *negated),
                    AndScope::Object => Truth::Objects(objects),
                }
            }
            Compiled::Test { path, negated, test } => {
                let mut objects = Vec::new();
                for (place, object) in observed.objects_of(&path.object_type) {
                    for value in select(path, object, observed)? {
                        if test.holds(&value, *negated)? {
                            objects.push(place);
                            break;
                        }
                    }
                }
                match self.scope {
                    AndScope::Row => Truth::Row(!objects.is_empty()),
                    AndScope::Object => Truth::Objects(objects),
                }
            }
        })
    }
}

impl Truth {
    fn is_true(&self) -> bool {
        match self {
            Truth::Row(truth) => *truth,
            Truth::Objects(objects) => !objects.is_empty(),
        }
    }

    fn and(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::Objects(mut a), Truth::Objects(b)) => {
                a.retain(|place| b.contains(place));
                Truth::Objects(a)
            }
            (a, b) => Truth::Row(a.is_true() && b.is_true()),
        }
    }

    fn or(self, other: Truth) -> Truth {
        match (self, other) {
            (Truth::Objects(mut a), Truth::Objects(b)) => {
                a.extend(b);
                a.sort_unstable();
                a.dedup();
                Truth::Objects(a)
            }
            (a, b) => Truth::Row(a.is_true() || b.is_true()),
        }
    }
}

fn compile_leaves<'p>(at: &'p Observation, into: &mut Vec<Compiled<'p>>) -> Result<(), MatchError> {
    match &at.kind {
        ObservationKind::Leaf { comparison, .. } => into.push(compile(comparison)?),
        ObservationKind::And(left, right)
        | ObservationKind::Or(left, right)
        | ObservationKind::FollowedBy(left, right) => {
            compile_leaves(left, into)?;
            compile_leaves(right, into)?;
        }
        ObservationKind::Qualified(inner, _) => compile_leaves(inner, into)?,
    }
    Ok(())
}

fn compile(at: &Comparison) -> Result<Compiled<'_>, MatchError> {
    Ok(match &at.kind {
        ComparisonKind::And(left, right) => Compiled::And(Box::new(compile(left)?), Box::new(compile(right)?)),
        ComparisonKind::Or(left, right) => Compiled::Or(Box::new(compile(left)?), Box::new(compile(right)?)),
        ComparisonKind::Exists { path, negated } => Compiled::Exists { path, negated: *negated },
        ComparisonKind::Test { path, negated, operator } => {
            Compiled::Test { path, negated: *negated, test: Test::of(path, operator)? }
        }
    })
}

impl<'p> Test<'p> {
    fn of(path: &ObjectPath, operator: &'p Operator) -> Result<Test<'p>, MatchError> {
        let same = |literal: &Literal| same_address(path, literal);
        Ok(match operator {
            Operator::Equal(literal) => Test::Equal(literal, same(literal)),
            Operator::NotEqual(literal) => Test::NotEqual(literal, same(literal)),
            Operator::Less(literal) => Test::Ordered(literal, std::cmp::Ordering::is_lt),
            Operator::LessOrEqual(literal) => Test::Ordered(literal, std::cmp::Ordering::is_le),
            Operator::Greater(literal) => Test::Ordered(literal, std::cmp::Ordering::is_gt),
            Operator::GreaterOrEqual(literal) => Test::Ordered(literal, std::cmp::Ordering::is_ge),
            Operator::In(literals) if is_mixed(literals) => return Err(MatchError::MixedList(operator.to_string())),
            Operator::In(literals) => Test::In(literals, literals.iter().filter_map(same).collect()),
            Operator::Like(literal) => Test::Like(Like::new(text_of(literal))),
            Operator::Matches(literal) => {
                let regex = text_of(literal);
                let fault = |fault: Box<fancy_regex::Error>| MatchError::Regex {
                    regex: regex.to_owned(),
                    fault: fault.to_string(),
                };
                Test::Matches(regex, Search::new(regex).map_err(fault)?)
            }
            Operator::IsSubset(literal) => Test::IsSubset(network_of(literal)?),
            Operator::IsSuperset(literal) => Test::IsSuperset(network_of(literal)?),
        })
    }

    /// Whether it is true of a value; `negated` turns it around, except for an order between types that have none.
    fn holds(&self, value: &Selected<'_>, negated: bool) -> Result<bool, MatchError> {
        let is_address = |same: &Spellings| matches!(value, Selected::Json(Json::String(text)) if same.contains(text));
        let equals = |literal: &Literal, same: &Option<Spellings>| {
            Ok::<bool, MatchError>(value.equals(&literal.value)? || same.as_ref().is_some_and(is_address))
        };
        let truth = match self {
            Test::Equal(literal, same) => equals(literal, same)?,
            Test::NotEqual(literal, same) => !equals(literal, same)?,
            Test::Ordered(literal, fits) => match value.order(&literal.value)? {
                values::Order::Some(order) => fits(order),
                values::Order::Unreadable => false,
                values::Order::None => return Ok(false),
            },
            Test::In(literals, same) => {
                let mut found = same.iter().any(is_address);
                for literal in *literals {
                    found |= value.equals(&literal.value)?;
                }
                found
            }
            Test::Like(like) => match value {
                Selected::Json(Json::String(text)) => like.matches(text),
                Selected::Bytes(bytes) => like.matches_bytes(bytes),
                Selected::Json(_) | Selected::List(_) => false,
            },
            Test::Matches(regex, search) => match value {
                Selected::Json(Json::String(text)) => search.matches(text),
                Selected::Bytes(bytes) => search.matches_bytes(bytes),
                Selected::Json(_) | Selected::List(_) => Some(false),
            }
            .ok_or_else(|| MatchError::RegexTooSlow((*regex).to_owned()))?,
            Test::IsSubset(network) => value.network().is_some_and(|value| network.contains(&value)),
            Test::IsSuperset(network) => value.network().is_some_and(|value| value.contains(network)),
        };
        Ok(truth != negated)
    }
}

/// How a single address may be written, where the path is of addresses: `198.51.100.7/32` is `198.51.100.7` (STIX 2.1, 6.9
/// and 6.10), and IPv6 is the same in either case and in its short form.
fn same_address(path: &ObjectPath, literal: &Literal) -> Option<Spellings> {
    let is_name = |step: &&Step| matches!(step, Step::Property(_));
    let mut names = path.steps.iter().rev().filter(is_name);
    let (Some(Step::Property(last)), before) = (names.next(), names.next()) else { return None };
    let is_of_address = match before {
        Some(Step::Property(reference)) => reference.ends_with("_ref") || reference.ends_with("_refs"),
        _ => matches!(path.object_type.as_str(), "ipv4-addr" | "ipv6-addr"),
    };
    let Value::Text(text) = &literal.value else { return None };
    if last != "value" || !is_of_address {
        return None;
    }
    Spellings::of(text)
}

/// The parser makes texts of the operands of these operators only.
fn text_of(literal: &Literal) -> &str {
    match &literal.value {
        Value::Text(text) => text,
        _ => "",
    }
}

fn network_of(literal: &Literal) -> Result<Network, MatchError> {
    let text = text_of(literal);
    Network::parse(text).ok_or_else(|| MatchError::NotANetwork(text.to_owned()))
}
