//! A compiled mapping config: the work per event, with every name resolved.

use std::sync::Arc;

use ocsf::schema::{Attribute, EventClass, ProfileSet, ScalarType};
use ocsf::{Cell, NodeId, Shape};
use regex::Regex;
use rustc_hash::FxHashMap;

use crate::config::{IntBase, Step as PathStep};
use crate::paths::{Query, Slot};
use crate::time::TimeReader;

/// The table of one (custom source, class).
#[derive(Debug)]
pub struct Table {
    /// Name of the custom source in Security Lake, at most 20 characters.
    pub source: String,
    /// The class's name in Security Lake (`PROCESS_ACTIVITY`) where the layout puts it below the source.
    pub class_prefix: Option<String>,
    /// Its columns.
    pub shape: Arc<Shape>,
}

impl Table {
    /// The event class of its records.
    pub fn class(&self) -> &'static EventClass {
        self.shape.class()
    }
}

/// The plan of one entry of `ocsf_mapping`.
#[derive(Debug)]
pub(crate) struct EventPlan {
    pub(crate) key: String,
    pub(crate) table: usize,
    pub(crate) profiles: ProfileSet,
    pub(crate) steps: Vec<PlanStep>,
    /// Keys and values of `unmapped` that the config names.
    pub(crate) unmapped: Vec<(String, Expression)>,
    /// The event's `time`.
    pub(crate) time: NodeId,
}

#[derive(Debug)]
pub(crate) enum PlanStep {
    Assign(Assignment),
    Objects(ObjectList),
    /// An object that is written only if at least one of its values comes from the raw event: constants alone do not
    /// make it.
    Object {
        node: NodeId,
        steps: Vec<PlanStep>,
    },
    When {
        condition: Condition,
        then: Vec<PlanStep>,
        otherwise: Vec<PlanStep>,
    },
    /// A value without a place in OCSF. It goes to `unmapped` under the intended attribute path.
    Misplaced {
        path: String,
        value: Expression,
    },
}

#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) node: NodeId,
    pub(crate) target: Target,
    pub(crate) value: Expression,
    /// The id that this text is the caption of (`activity_id` for `activity_name`); it is assigned first.
    pub(crate) caption_of: Option<NodeId>,
    /// Whether the value comes from the raw event.
    pub(crate) is_raw: bool,
    /// The value as the attribute's type, if it is the same for every event.
    pub(crate) constant: Option<Constant>,
}

/// A scalar of the config.
#[derive(Debug)]
pub(crate) enum Constant {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Constant {
    pub(crate) fn cell(&self) -> Cell<'_> {
        match self {
            Self::Boolean(value) => Cell::Boolean(*value),
            Self::Integer(value) => Cell::Integer(*value),
            Self::Float(value) => Cell::Float(*value),
            Self::Text(text) => Cell::Text(text),
        }
    }
}

/// The target type of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) attribute: &'static Attribute,
    pub(crate) scalar: ScalarType,
    pub(crate) max_len: Option<u32>,
    pub(crate) is_list: bool,
}

#[derive(Debug)]
pub(crate) struct ObjectList {
    pub(crate) node: NodeId,
    pub(crate) items: Vec<ObjectItem>,
}

#[derive(Debug)]
pub(crate) enum ObjectItem {
    One(ElementPlan),
    When { condition: Condition, then: Vec<ObjectItem>, otherwise: Vec<ObjectItem> },
    Each { input: Expression, filter: Option<Condition>, body: ElementPlan },
}

/// The plan of one element of a list of objects.
#[derive(Debug)]
pub(crate) struct ElementPlan {
    pub(crate) steps: Vec<PlanStep>,
    /// The element is written even without values from the raw event, because all its values are constants.
    pub(crate) is_constant: bool,
}

impl ElementPlan {
    pub(crate) fn new(steps: Vec<PlanStep>) -> Self {
        let is_constant = !steps.iter().any(reads_raw);
        Self { steps, is_constant }
    }
}

/// Whether a step takes a value from the raw event.
pub(crate) fn reads_raw(step: &PlanStep) -> bool {
    match step {
        PlanStep::Assign(assignment) => assignment.is_raw,
        PlanStep::Objects(_) | PlanStep::Object { .. } => true,
        PlanStep::When { then, otherwise, .. } => then.iter().chain(otherwise).any(reads_raw),
        PlanStep::Misplaced { .. } => false,
    }
}

#[derive(Debug)]
pub(crate) enum Expression {
    Absent,
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A literal array or object of the config, as JSON text.
    JsonText(String),
    Slot(Slot),
    /// The slots of one field that can be in several places; the first present one counts.
    Slots(Vec<Slot>),
    Query(Box<Query>),
    Element(Vec<PathStep>),
    ElementQuery(Box<Query>),
    List(Vec<Expression>),
    Object(Vec<(String, Expression)>),
    Enum(Box<EnumPlan>),
    First(Vec<Expression>),
    Timestamp(Box<(Expression, TimeReader)>),
    Regex(Box<(Expression, Regex, usize)>),
    Split(Box<SplitPlan>),
    Template(Vec<Expression>),
    Lookup(Box<LookupPlan>),
    Each(Box<EachPlan>),
    When(Box<(Condition, Expression, Expression)>),
    Json(Box<Expression>),
    Basename(Box<Expression>),
    Dirname(Box<Expression>),
    Lower(Box<Expression>),
    Upper(Box<Expression>),
    Trim(Box<Expression>),
    Int(Box<(Expression, IntBase)>),
    IpVersion(Box<Expression>),
    StripPrefix(Box<(Expression, String)>),
    Duration(Box<(Expression, Expression)>),
}

#[derive(Debug)]
pub(crate) struct EnumPlan {
    pub(crate) evaluate: Expression,
    pub(crate) values: FxHashMap<String, Expression>,
    pub(crate) other: Option<Expression>,
}

#[derive(Debug)]
pub(crate) struct SplitPlan {
    pub(crate) value: Expression,
    pub(crate) on: String,
    pub(crate) take: Option<i64>,
    pub(crate) min_parts: usize,
    pub(crate) limit: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct LookupPlan {
    pub(crate) table: Arc<FxHashMap<String, Expression>>,
    pub(crate) key: Expression,
    pub(crate) default: Option<Expression>,
}

#[derive(Debug)]
pub(crate) struct EachPlan {
    pub(crate) input: Expression,
    pub(crate) filter: Option<Condition>,
    pub(crate) body: Expression,
}

#[derive(Debug)]
pub(crate) enum Condition {
    Exists(Expression),
    Equals(Expression, Expression),
    In(Expression, Vec<String>),
    Matches(Expression, Regex),
    StartsWith(Expression, String),
    EndsWith(Expression, String),
    Contains(Expression, String),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
}

impl Expression {
    /// Whether the value comes from the raw event.
    pub(crate) fn is_raw(&self) -> bool {
        !matches!(
            self,
            Expression::Absent
                | Expression::Text(_)
                | Expression::Integer(_)
                | Expression::Float(_)
                | Expression::Boolean(_)
                | Expression::JsonText(_)
        ) && !matches!(self, Expression::List(items) if items.iter().all(|item| !item.is_raw()))
            && !matches!(self, Expression::When(plan) if !plan.1.is_raw() && !plan.2.is_raw())
    }
}
