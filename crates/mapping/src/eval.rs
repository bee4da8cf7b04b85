//! The plan applied to one raw event: values out of the document, typed, into the cells of a record.
//!
//! What was read is tracked node by node. A node counts as mapped once a value made from it has been written; all others
//! end in `unmapped`, so that nothing in the log is thrown away.

use bumpalo::collections::Vec as BumpVec;
use ocsf::schema::Enumeration;
use ocsf::{Cell, Record, RecordBuffer, Scope, Shape};
use sources::NodeId;

use crate::coerce::{Raw, coerce};
use crate::paths::Slots;
use crate::plan::{Assignment, ElementPlan, Expression, ObjectItem, ObjectList, PlanStep};
use crate::unmapped::{self, raw_path};
use crate::values::{Element, Values};

/// A value that could not be written where the mapping wanted it; it is in `unmapped` instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Dotted path of the attribute that was meant.
    pub attribute: String,
    /// The value, as text or JSON.
    pub value: String,
    /// Why it was not written.
    pub kind: ProblemKind,
}

/// Why a value was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// It cannot be made the attribute's type without a guess.
    Type,
    /// OCSF has no such attribute, or it cannot hold such a value.
    NoPlace,
}

/// One value that was written: for `sluice map`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Dotted path of the attribute.
    pub attribute: String,
    /// Flattened raw paths that the value was made from; none for a literal.
    pub from: Vec<String>,
    /// The value before it was given the attribute's type.
    pub value: String,
}

/// The memory that mapping an event takes, kept between events: see [`Mapping::apply_in`](crate::Mapping::apply_in).
#[derive(Debug, Default)]
pub struct MappingBuffer {
    pub(crate) record: RecordBuffer,
    pub(crate) slots: Slots,
    pub(crate) reads: Vec<NodeId>,
    pub(crate) consumed: Vec<bool>,
}

impl MappingBuffer {
    /// Takes the memory of a mapped event back for the next one.
    pub fn recycle(&mut self, mapped: crate::Mapped<'_>) {
        self.record.recycle(mapped.record);
    }
}

/// The state of one event's mapping.
pub(crate) struct Evaluation<'m, 'a> {
    pub(crate) values: Values<'m, 'a>,
    pub(crate) shape: &'a Shape,
    pub(crate) record: Record<'a>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) written: Option<Vec<Written>>,
    /// Whether raw fields that nothing consumed go to `unmapped` by themselves.
    pub(crate) automatic_unmapped: bool,
    /// What the text was read from that the current element is a part of; filled only for `written`.
    split_from: &'a [NodeId],
    consumed: &'m mut Vec<bool>,
}

/// One element of an array of objects that is about to be made.
struct Body<'a> {
    plan: &'a ElementPlan,
    element: Option<Element<'a>>,
    /// Of the last element of a group that was split from one text: what that was read from.
    held: Option<&'a [NodeId]>,
}

impl<'m, 'a> Evaluation<'m, 'a> {
    pub(crate) fn new(
        values: Values<'m, 'a>,
        consumed: &'m mut Vec<bool>,
        shape: &'a Shape,
        record: Record<'a>,
    ) -> Self {
        consumed.clear();
        consumed.resize(values.document.len(), false);
        Self {
            values,
            shape,
            record,
            problems: Vec::new(),
            written: None,
            automatic_unmapped: true,
            split_from: &[],
            consumed,
        }
    }

    /// Runs steps on a scope; whether any of them wrote a value of the raw event.
    pub(crate) fn run(&mut self, steps: &'a [PlanStep], scope: Scope) -> bool {
        let mut wrote = false;
        for step in steps {
            wrote |= match step {
                PlanStep::Object { node, steps } => {
                    let wrote = self.run(steps, scope);
                    if !wrote {
                        self.record.clear(self.shape, scope, *node);
                    }
                    wrote
                }
                PlanStep::Assign(assignment) => self.assign(assignment, scope),
                PlanStep::Objects(list) => self.objects(list, scope),
                PlanStep::When { condition, then, otherwise } => {
                    let branch = if self.values.holds(condition) { then } else { otherwise };
                    self.run(branch, scope)
                }
                PlanStep::Misplaced { path, value } => {
                    self.misplaced(path, value);
                    false
                }
            };
        }
        wrote
    }

    fn assign(&mut self, assignment: &'a Assignment, scope: Scope) -> bool {
        if let (Some(constant), None) = (&assignment.constant, &self.written) {
            self.record.set(scope, assignment.node, constant.cell());
            return false;
        }
        let before = self.values.reads.len();
        let raw = self.values.value(&assignment.value);
        if raw.is_absent() {
            self.values.reads.truncate(before);
            return false;
        }
        let done = if assignment.target.is_list {
            self.assign_list(assignment, scope, raw)
        } else {
            self.assign_one(assignment, scope, raw)
        };
        if done {
            self.note_written(assignment, raw, before);
            self.consume(before);
        } else {
            self.note_problem(self.shape.path(assignment.node), raw, ProblemKind::Type, before);
        }
        done && assignment.is_raw
    }

    fn assign_one(&mut self, assignment: &Assignment, scope: Scope, raw: Raw<'a>) -> bool {
        let Some(cell) = coerce(raw, &assignment.target, self.values.document, self.values.bump) else {
            return false;
        };
        if let Some(id) = assignment.caption_of
            && let (Cell::Integer(id), Cell::Text(text)) = (self.record.get(scope, id), cell)
            && id != Enumeration::OTHER
        {
            // The caption follows from the id; another text for it stays with the raw fields.
            let caption = self.shape.node(assignment.node).attribute.and_then(|_| self.caption(assignment, id));
            return caption.is_some_and(|caption| caption.eq_ignore_ascii_case(text));
        }
        self.record.set(scope, assignment.node, cell);
        true
    }

    fn caption(&self, assignment: &Assignment, id: i64) -> Option<&'static str> {
        let node = assignment.caption_of?;
        self.shape.node(node).attribute?.enumeration?.caption(id)
    }

    fn assign_list(&mut self, assignment: &Assignment, scope: Scope, raw: Raw<'a>) -> bool {
        let items = self.values.items(raw);
        let mut cells = BumpVec::with_capacity_in(items.len(), self.values.bump);
        let mut complete = true;
        for item in items.iter().filter(|item| !item.is_absent()) {
            match coerce(*item, &assignment.target, self.values.document, self.values.bump) {
                Some(cell) => cells.push(cell),
                None => complete = false,
            }
        }
        let wrote = !cells.is_empty();
        self.record.set_scalars(scope, assignment.node, cells);
        complete && wrote
    }

    fn objects(&mut self, list: &'a ObjectList, scope: Scope) -> bool {
        let mut bodies = BumpVec::new_in(self.values.bump);
        self.gather(&list.items, &mut bodies);
        let start = self.record.open_list(self.shape, list.node, bodies.len());
        let mut len = 0;
        let mut group_failed = false;
        for (at, body) in bodies.iter().enumerate() {
            let outer = self.split_from;
            if let Some(element) = body.element {
                self.values.enter(element);
                if self.written.is_some() && matches!(element, Element::Value(_)) {
                    self.split_from = bodies[at..].iter().find_map(|body| body.held).unwrap_or_default();
                }
            }
            let cells = self.record.element(self.shape, list.node, start, len);
            let wrote = self.run(&body.plan.steps, cells) || body.plan.is_constant;
            if !wrote {
                self.record.clear_element(self.shape, list.node, cells);
            }
            if body.element.is_some() {
                self.values.leave();
            }
            self.split_from = outer;
            len += u32::from(wrote);
            group_failed |= !wrote;
            // A text that was split is mapped once every part of it is.
            if let Some(held) = body.held {
                if !group_failed {
                    held.iter().for_each(|node| self.consume_node(*node));
                }
                group_failed = false;
            }
        }
        self.record.close_list(scope, list.node, start, len);
        len > 0
    }

    /// The elements of a list of objects.
    fn gather(&mut self, items: &'a [ObjectItem], bodies: &mut BumpVec<'a, Body<'a>>) {
        for item in items {
            match item {
                ObjectItem::One(plan) => bodies.push(Body { plan, element: None, held: None }),
                ObjectItem::When { condition, then, otherwise } => {
                    let branch = if self.values.holds(condition) { then } else { otherwise };
                    self.gather(branch, bodies);
                }
                ObjectItem::Each { input, filter, body } => {
                    let before = self.values.reads.len();
                    let elements = self.values.elements_of(input, filter.as_ref());
                    let held: &[NodeId] = self.values.bump.alloc_slice_copy(&self.values.reads[before..]);
                    self.values.reads.truncate(before);
                    let first = bodies.len();
                    let bodies_of_each = elements.into_iter();
                    bodies.extend(bodies_of_each.map(|element| Body {
                        plan: body,
                        element: Some(element),
                        held: None,
                    }));
                    if let Some(last) = bodies[first..].last_mut().filter(|_| !held.is_empty()) {
                        last.held = Some(held);
                    }
                }
            }
        }
    }

    fn misplaced(&mut self, path: &'a str, value: &'a Expression) {
        let before = self.values.reads.len();
        let raw = self.values.value(value);
        if raw.is_absent() {
            self.values.reads.truncate(before);
            return;
        }
        let is_literal = self.values.reads.len() == before;
        self.note_problem(path.to_owned(), raw, ProblemKind::NoPlace, before);
        if is_literal && let Some(text) = raw.json_text(self.values.document, self.values.bump) {
            self.record.add_unmapped(path, text);
        }
    }

    /// A keyed value of `unmapped` that the config names.
    pub(crate) fn keep(&mut self, key: &'a str, value: &'a Expression) {
        let before = self.values.reads.len();
        if let Some(text) = self.values.value(value).json_text(self.values.document, self.values.bump) {
            self.record.add_unmapped(key, text);
            self.consume(before);
        } else {
            self.values.reads.truncate(before);
        }
    }

    /// The event's time from the config's `timestamp`, without counting what it reads as mapped.
    pub(crate) fn peek_time(&mut self, value: &'a Expression) -> Option<i64> {
        let before = self.values.reads.len();
        let raw = self.values.value(value);
        let from = self.values.reads[before..].iter().map(|node| raw_path(self.values.document, *node));
        if let (Raw::Instant(time), Some(written)) = (raw, &mut self.written) {
            written.push(Written { attribute: "time".to_owned(), from: from.collect(), value: time.to_string() });
        }
        self.values.reads.truncate(before);
        match raw {
            Raw::Instant(value) => Some(value),
            _ => None,
        }
    }

    fn note_written(&mut self, assignment: &Assignment, raw: Raw<'a>, before: usize) {
        if self.written.is_none() {
            return;
        }
        let mut reads = &self.values.reads[before..];
        if reads.is_empty() && assignment.is_raw {
            reads = self.split_from;
        }
        let from = reads.iter().map(|node| raw_path(self.values.document, *node)).collect();
        let value = raw.json_text(self.values.document, self.values.bump).unwrap_or_default().to_owned();
        let attribute = self.shape.path(assignment.node);
        if let Some(written) = &mut self.written {
            written.push(Written { attribute, from, value });
        }
    }

    /// Notes a value that found no place. Without automatic `unmapped` it is kept under the attribute that was meant.
    fn note_problem(&mut self, attribute: String, raw: Raw<'a>, kind: ProblemKind, before: usize) {
        let is_raw = self.values.reads.len() > before;
        self.values.reads.truncate(before);
        let text = raw.json_text(self.values.document, self.values.bump).unwrap_or_default();
        if (!is_raw && kind == ProblemKind::Type) || (is_raw && !self.automatic_unmapped) {
            self.record.add_unmapped(self.values.bump.alloc_str(&attribute), text);
        }
        self.problems.push(Problem { attribute, value: text.to_owned(), kind });
    }

    fn consume(&mut self, before: usize) {
        while self.values.reads.len() > before {
            if let Some(node) = self.values.reads.pop() {
                self.consume_node(node);
            }
        }
    }

    fn consume_node(&mut self, node: NodeId) {
        let subtree = self.values.document.subtree(node);
        if let Some(consumed) = self.consumed.get_mut(subtree.start as usize..subtree.end as usize) {
            consumed.fill(true);
        }
    }

    /// Puts every raw value that nothing consumed under its flattened path.
    pub(crate) fn collect_unmapped(&mut self) {
        let Values { document, bump, absent, .. } = self.values;
        unmapped::collect(document, bump, absent, self.consumed, |path, text| self.record.add_unmapped(path, text));
    }
}
