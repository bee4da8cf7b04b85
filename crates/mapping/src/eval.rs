//! Applies the plan to one raw event: reads values from the document, coerces them, and writes them to a record.
//!
//! Reads are tracked per node. A node counts as mapped once a value made from it has been written. All other nodes end
//! up in `unmapped`, so that nothing in the log is lost.

use bumpalo::collections::Vec as BumpVec;
use ocsf::schema::Enumeration;
use ocsf::{Breach, Cell, CellId, Record, RecordBuffer, Scope, Shape};
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
    /// Dotted path of the intended attribute.
    pub attribute: String,
    /// The value, as text or JSON.
    pub value: String,
    /// Why it was not written.
    pub kind: ProblemKind,
    /// The OCSF rule that the value breaks, if the kind is [`ProblemKind::Incomplete`].
    pub breach: Option<Breach>,
}

/// Why a value was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// It cannot be coerced to the attribute's type without guessing.
    Type,
    /// OCSF has no such attribute, or the attribute cannot hold such a value.
    NoPlace,
    /// It belongs to an incomplete optional object, or to an attribute that this event must not have.
    Incomplete,
}

/// One value that was written: for `sluice map`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Dotted path of the attribute.
    pub attribute: String,
    /// Flattened raw paths that the value was made from; none for a literal.
    pub from: Vec<String>,
    /// The value before coercion to the attribute's type.
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

/// The state of one event's mapping.
pub(crate) struct Evaluation<'m, 'a> {
    pub(crate) values: Values<'m, 'a>,
    pub(crate) shape: &'a Shape,
    pub(crate) record: Record<'a>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) written: Option<Vec<Written>>,
    /// Whether raw fields that nothing consumed go to `unmapped` automatically.
    pub(crate) automatic_unmapped: bool,
    /// The nodes of the text that the current element was split from; filled only for `written` and `ledger`.
    split_from: &'a [NodeId],
    consumed: &'m mut Vec<bool>,
    /// The source nodes of each value; kept only to repair a record.
    ledger: Option<Vec<LedgerEntry<'a>>>,
}

/// A value of the raw event that was written.
struct LedgerEntry<'a> {
    cell: CellId,
    attribute: ocsf::NodeId,
    value: Raw<'a>,
    /// The raw nodes it was made from.
    from: &'a [NodeId],
}

/// One element of an array of objects, before it is built.
struct Body<'a> {
    plan: &'a ElementPlan,
    element: Option<Element<'a>>,
    /// For the last element of a group that was split from one text: the nodes of that text.
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
            ledger: None,
        }
    }

    /// Starts to record which value is written where; [`Evaluation::leave_out`] needs this.
    pub(crate) fn keep_ledger(&mut self) {
        self.ledger = Some(Vec::new());
    }

    /// Removes optional parts of the record that break the schema. Their source nodes count as unmapped again.
    ///
    /// # Errors
    /// The breach, if the record is still invalid.
    #[cold]
    pub(crate) fn leave_out(&mut self) -> Result<(), Breach> {
        let ledger = self.ledger.take().unwrap_or_default();
        let left_out = self.shape.leave_out(&mut self.record, ledger.iter().map(|entry| entry.cell))?;
        let mut values = vec![serde_json::Map::new(); left_out.omissions().len()];
        let mut gone = Vec::new();
        for entry in &ledger {
            let Some(omission) = left_out.omission_of(entry.cell) else { continue };
            for node in entry.from {
                self.mark(*node, false);
            }
            // An array of objects has no value of its own.
            let Some(text) = entry.value.json_text(self.values.document, self.values.bump) else { continue };
            let path = self.shape.path(entry.attribute);
            if !self.automatic_unmapped {
                self.record.add_unmapped(self.values.bump.alloc_str(&path), text);
            }
            let below = left_out.omissions().get(omission).and_then(|omission| path.strip_prefix(&omission.path));
            let name = below.unwrap_or(&path).trim_start_matches('.').to_owned();
            if let Some(values) = values.get_mut(omission) {
                values.insert(name, text.into());
            }
            gone.push((path, text));
        }
        if let Some(written) = &mut self.written {
            for (path, text) in gone {
                let at = written.iter().position(|written| written.attribute == path && written.value == text);
                at.map(|at| written.remove(at));
            }
        }
        // An object around others that were left out may have nothing of its own.
        let omissions = left_out.omissions().iter().zip(values).filter(|(_, values)| !values.is_empty());
        for (omission, values) in omissions {
            let value = match values.get("") {
                Some(serde_json::Value::String(text)) => text.clone(),
                _ => serde_json::Value::Object(values).to_string(),
            };
            let breach = Some(omission.breach.clone());
            self.problems.push(Problem {
                attribute: omission.path.clone(),
                value,
                kind: ProblemKind::Incomplete,
                breach,
            });
        }
        Ok(())
    }

    /// Runs steps on a scope. Returns whether any of them wrote a value of the raw event.
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
        if self.is_unreadable() {
            self.note_unreadable(&self.shape.path(assignment.node));
        }
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
            self.wrote(assignment, scope, raw, before);
            return assignment.is_raw;
        }
        match self.alternatives(&assignment.value) {
            Some(alternatives) if !assignment.target.is_list && assignment.caption_of.is_none() => {
                self.values.reads.truncate(before);
                self.assign_first_that_fits(assignment, scope, alternatives)
            }
            _ => {
                self.note_problem(self.shape.path(assignment.node), raw, ProblemKind::Type, before);
                false
            }
        }
    }

    /// Inlined like [`Evaluation::assign_one`]: both run for every attribute of every event.
    #[inline(always)]
    fn wrote(&mut self, assignment: &'a Assignment, scope: Scope, raw: Raw<'a>, before: usize) {
        if self.written.is_some() {
            self.note_written(assignment, raw, before);
        }
        if self.ledger.is_some() && assignment.is_raw {
            self.note_in_ledger(scope.cell_id(assignment.node), assignment.node, raw, before);
        }
        self.consume(before);
    }

    /// The alternatives of a `$first` that is the whole value of an attribute, directly or in a branch of `$when`.
    fn alternatives(&mut self, value: &'a Expression) -> Option<&'a [Expression]> {
        match value {
            Expression::First(alternatives) => Some(alternatives),
            Expression::When(plan) => {
                let branch = if self.values.holds(&plan.0) { &plan.1 } else { &plan.2 };
                self.alternatives(branch)
            }
            _ => None,
        }
    }

    /// Writes the first alternative that fits the attribute. Earlier ones count as problems.
    #[cold]
    fn assign_first_that_fits(
        &mut self,
        assignment: &'a Assignment,
        scope: Scope,
        alternatives: &'a [Expression],
    ) -> bool {
        for alternative in alternatives {
            if let Some(inner) = self.alternatives(alternative) {
                if self.assign_first_that_fits(assignment, scope, inner) {
                    return true;
                }
                continue;
            }
            let before = self.values.reads.len();
            let raw = self.values.value(alternative);
            // Already recorded when all alternatives were tried at once.
            self.values.unreadable.clear();
            if raw.is_absent() {
                self.values.reads.truncate(before);
            } else if self.assign_one(assignment, scope, raw) {
                self.wrote(assignment, scope, raw, before);
                return assignment.is_raw;
            } else {
                self.note_problem(self.shape.path(assignment.node), raw, ProblemKind::Type, before);
            }
        }
        false
    }

    #[inline(always)]
    fn assign_one(&mut self, assignment: &Assignment, scope: Scope, raw: Raw<'a>) -> bool {
        let Some(cell) = coerce(raw, &assignment.target, self.values.document, self.values.bump) else {
            return false;
        };
        if let Some(id) = assignment.caption_of
            && let (Cell::Integer(id), Cell::Text(text)) = (self.record.get(scope, id), cell)
            && id != Enumeration::OTHER
        {
            // The caption is derived from the id. A different text stays in the raw fields.
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
        let mut from_event = false;
        let mut group_failed = false;
        for (at, body) in bodies.iter().enumerate() {
            let outer = self.split_from;
            if let Some(element) = body.element {
                self.values.enter(element);
                let is_noted = self.written.is_some() || self.ledger.is_some();
                if is_noted && matches!(element, Element::Value(_)) {
                    self.split_from = bodies[at..].iter().find_map(|body| body.held).unwrap_or_default();
                }
            }
            let cells = self.record.element(self.shape, list.node, start, len);
            let wrote_raw = self.run(&body.plan.steps, cells);
            let wrote = wrote_raw || body.plan.is_constant;
            from_event |= wrote_raw;
            if !wrote {
                self.record.clear_element(self.shape, list.node, cells);
            }
            if body.element.is_some() {
                self.values.leave();
            }
            self.split_from = outer;
            len += u32::from(wrote);
            group_failed |= !wrote;
            // A split text counts as mapped once all its parts are.
            if let Some(held) = body.held {
                if !group_failed {
                    held.iter().for_each(|node| self.consume_node(*node));
                }
                group_failed = false;
            }
        }
        self.record.close_list(scope, list.node, start, len);
        if let Some(ledger) = self.ledger.as_mut().filter(|_| from_event) {
            let (cell, attribute) = (scope.cell_id(list.node), list.node);
            ledger.push(LedgerEntry { cell, attribute, value: Raw::Absent, from: &[] });
        }
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
        if self.is_unreadable() {
            self.note_unreadable(path);
        }
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

    /// Writes a value of `unmapped` for a key that the config names.
    pub(crate) fn keep(&mut self, key: &'a str, value: &'a Expression) {
        let before = self.values.reads.len();
        let raw = self.values.value(value);
        if self.is_unreadable() {
            self.note_unreadable(key);
        }
        if let Some(text) = raw.json_text(self.values.document, self.values.bump) {
            self.record.add_unmapped(key, text);
            self.consume(before);
        } else {
            self.values.reads.truncate(before);
        }
    }

    /// Whether evaluating a value met a time that could not be parsed.
    #[inline]
    fn is_unreadable(&self) -> bool {
        !self.values.unreadable.is_empty()
    }

    /// Counts times that could not be parsed while evaluating a value. Those of raw fields are still unmapped.
    #[cold]
    fn note_unreadable(&mut self, attribute: &str) {
        for (raw, is_field) in std::mem::take(&mut self.values.unreadable) {
            let text = raw.json_text(self.values.document, self.values.bump).unwrap_or_default();
            if !is_field || !self.automatic_unmapped {
                self.record.add_unmapped(self.values.bump.alloc_str(attribute), text);
            }
            self.problem(attribute.to_owned(), text, ProblemKind::Type);
        }
    }

    fn problem(&mut self, attribute: String, value: &str, kind: ProblemKind) {
        self.problems.push(Problem { attribute, value: value.to_owned(), kind, breach: None });
    }

    /// The event's time from the config's `timestamp`, without counting what it reads as mapped.
    pub(crate) fn peek_time(&mut self, value: &'a Expression) -> Option<i64> {
        let before = self.values.reads.len();
        let raw = self.values.value(value);
        if self.is_unreadable() {
            self.note_unreadable("time");
        }
        let from = self.values.reads[before..].iter().map(|node| raw_path(self.values.document, *node));
        if let (Raw::Instant(time), Some(written)) = (raw, &mut self.written) {
            written.push(Written { attribute: "time".to_owned(), from: from.collect(), value: time.to_string() });
        }
        self.values.look_only(before);
        match raw {
            Raw::Instant(value) => Some(value),
            _ => None,
        }
    }

    fn note_written(&mut self, assignment: &Assignment, raw: Raw<'a>, before: usize) {
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

    /// Records a value that could not be written. Without automatic `unmapped`, it is kept under the intended
    /// attribute.
    fn note_problem(&mut self, attribute: String, raw: Raw<'a>, kind: ProblemKind, before: usize) {
        let is_raw = self.values.reads.len() > before;
        self.values.reads.truncate(before);
        let text = raw.json_text(self.values.document, self.values.bump).unwrap_or_default();
        if (!is_raw && kind == ProblemKind::Type) || (is_raw && !self.automatic_unmapped) {
            self.record.add_unmapped(self.values.bump.alloc_str(&attribute), text);
        }
        self.problem(attribute, text, kind);
    }

    fn note_in_ledger(&mut self, cell: CellId, attribute: ocsf::NodeId, value: Raw<'a>, before: usize) {
        let reads = &self.values.reads[before..];
        let from = if reads.is_empty() { self.split_from } else { self.values.bump.alloc_slice_copy(reads) };
        if let Some(ledger) = &mut self.ledger {
            ledger.push(LedgerEntry { cell, attribute, value, from });
        }
    }

    fn consume(&mut self, before: usize) {
        while self.values.reads.len() > before {
            if let Some(node) = self.values.reads.pop() {
                self.consume_node(node);
            }
        }
    }

    fn consume_node(&mut self, node: NodeId) {
        self.mark(node, true);
    }

    /// Marks a node and everything below it as mapped or unmapped.
    fn mark(&mut self, node: NodeId, is_mapped: bool) {
        let subtree = self.values.document.subtree(node);
        if let Some(consumed) = self.consumed.get_mut(subtree.start as usize..subtree.end as usize) {
            consumed.fill(is_mapped);
        }
    }

    /// Writes every raw value that nothing consumed under its flattened path.
    pub(crate) fn collect_unmapped(&mut self) {
        let Values { document, bump, absent, .. } = self.values;
        unmapped::collect(document, bump, absent, self.consumed, |path, text| self.record.add_unmapped(path, text));
    }

    /// Joins the values of one `unmapped` key into one text.
    pub(crate) fn join_unmapped(&mut self) {
        self.record.join_unmapped(|values| unmapped::joined(values.iter().map(|(_, value)| *value), self.values.bump));
    }
}
