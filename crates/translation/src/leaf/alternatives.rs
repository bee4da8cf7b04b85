//! What is asked of the columns found, and what is said where no value can satisfy it.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use sql::sql;
use sql::text::Sql;
use sql::types::ColumnType;
use stix::pattern::{Operator, Span};

use super::columns::Found;
use super::reader::Reader;
use super::spread::Part;
use super::tree::{Alternative, Hop, Instance};
use crate::compare::{Predicate, Typed, Verdict};
use crate::diagnostic::Diagnostic;
use crate::path::ColumnPath;
use crate::{Negation, compare};

impl<'a> Reader<'a> {
    pub(super) fn alternatives(
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
pub(super) enum Asked<'p> {
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

/// Existence of a list is that it has elements.
fn existence(mut hops: Vec<Hop>, typed: &Typed) -> (Vec<Hop>, Predicate) {
    if let (Some(Hop::Each { filter: None, .. }), None) = (hops.last(), typed.family) {
        hops.pop();
        return (hops, Rc::new(|v| sql!("cardinality({}) > 0", v)));
    }
    (hops, compare::present(typed))
}
