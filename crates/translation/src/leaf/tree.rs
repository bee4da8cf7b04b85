//! A comparison expression with the columns found, and the ways from a row to the values.

use sql::sql;
use sql::text::Sql;
use sql::types::ColumnType;

use crate::compare::Predicate;
use crate::path::JsonStep;

/// The most ways in which comparisons may be spread over arrays. Beyond it the statement would be too long to read.
pub(super) const MOST_WAYS: usize = 256;

/// A comparison expression with the columns found.
pub(super) enum Tree {
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Test(Vec<Alternative>),
}

/// One way in which a test can hold of a row.
#[derive(Clone)]
pub(super) struct Alternative {
    /// The object that it is of: its type and place.
    pub(super) instance: Instance,
    pub(super) hops: Vec<Hop>,
    pub(super) predicate: Predicate,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instance {
    pub(super) object_type: String,
    pub(super) at: String,
}

/// The array of objects that properties of an object type are read through.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Root {
    pub(super) object_type: String,
    /// The way to the array, written as a path.
    pub(super) path: String,
}

/// A step from a row to a value.
#[derive(Clone)]
pub(super) enum Hop {
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
    pub(super) fn instances(&self, found: &mut Vec<Instance>) {
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
    pub(super) fn operands(&self) -> Vec<&Self> {
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

    pub(super) fn restricted(&self, instance: &Instance) -> Self {
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
    pub(super) fn roots(&self) -> Vec<Root> {
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
    pub(super) fn terms(&self) -> Option<Vec<Vec<&Vec<Alternative>>>> {
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
pub(super) fn names(hops: &[Hop]) -> Vec<String> {
    let name = |hop: &Hop| match hop {
        Hop::Column(name) | Hop::Field(name) => Some(name.clone()),
        _ => None,
    };
    hops.iter().map_while(name).collect()
}

impl Hop {
    pub(super) fn apply(&self, value: &Sql) -> Sql {
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

pub(super) fn json_list(value: &Sql, path: &[JsonStep]) -> Sql {
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

/// The array of objects that an alternative goes through first.
pub(super) fn root_of(instance: &Instance, hops: &[Hop]) -> Option<Root> {
    let root = |path: String| Root { object_type: instance.object_type.clone(), path };
    let mut path = String::new();
    for hop in hops {
        match hop {
            Hop::Column(name) | Hop::Field(name) => {
                path.push('.');
                path.push_str(name);
            }
            Hop::Key(_) | Hop::Element(_) | Hop::Json(_) | Hop::Cast(_) => return None,
            Hop::Each { ties: false, .. } => return None,
            Hop::Each { .. } => return Some(root(path)),
            Hop::JsonEach(steps) => return Some(root(path + &json_path(steps))),
        }
    }
    None
}
