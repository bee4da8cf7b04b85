//! The plan applied to one raw event: values out of the document, typed, into the cells of a record.
//!
//! What was read is tracked node by node. A node counts as mapped once a value made from it has been written; all others
//! end in `unmapped`, so that nothing in the log is thrown away.

use bumpalo::Bump;
use ocsf::schema::Enumeration;
use ocsf::{Cell, Record, Scope, Shape};
use rustc_hash::FxHashMap;
use sources::{Document, NodeId, NodeValue};

use crate::coerce::{Raw, coerce, is_ip_address, read_integer};
use crate::config::IntBase;
use crate::paths::{JsonTree, Slots, descend};
use crate::plan::{
    Assignment, Condition, EachPlan, ElementPlan, EnumPlan, Expression, LookupPlan, ObjectItem, ObjectList, PlanStep,
    SplitPlan,
};
use crate::time::read_any;

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

/// An element that an `$each` body sees.
#[derive(Debug, Clone, Copy)]
enum Element<'a> {
    Node(NodeId),
    Value(Raw<'a>),
}

/// The state of one event's mapping.
pub(crate) struct Evaluation<'m, 'a> {
    pub(crate) document: &'m Document<'a>,
    pub(crate) bump: &'a Bump,
    pub(crate) absent: &'m [String],
    pub(crate) slots: Slots,
    pub(crate) json: JsonTree,
    pub(crate) shape: &'a Shape,
    pub(crate) record: Record<'a>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) written: Option<Vec<Written>>,
    /// Whether raw fields that nothing consumed go to `unmapped` by themselves.
    pub(crate) automatic_unmapped: bool,
    elements: Vec<Element<'a>>,
    /// What the text was read from that the current element is a part of; filled only for `written`.
    split_from: Vec<NodeId>,
    reads: Vec<NodeId>,
    consumed: Vec<bool>,
}

impl<'m, 'a> Evaluation<'m, 'a> {
    pub(crate) fn new(
        document: &'m Document<'a>,
        bump: &'a Bump,
        absent: &'m [String],
        slots: Slots,
        shape: &'a Shape,
        record: Record<'a>,
    ) -> Self {
        Self {
            document,
            bump,
            absent,
            slots,
            json: JsonTree::default(),
            shape,
            record,
            problems: Vec::new(),
            written: None,
            automatic_unmapped: true,
            elements: Vec::new(),
            split_from: Vec::new(),
            reads: Vec::new(),
            consumed: vec![false; document.len()],
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
                    let branch = if self.holds(condition) { then } else { otherwise };
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
        let before = self.reads.len();
        let raw = self.value(&assignment.value);
        if raw.is_absent() {
            self.reads.truncate(before);
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
        let Some(cell) = coerce(raw, &assignment.target, self.document, self.bump) else {
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
        let items = self.items(raw);
        let mut cells = Vec::with_capacity(items.len());
        for item in &items {
            match item {
                Raw::Absent => {}
                item => cells.extend(coerce(*item, &assignment.target, self.document, self.bump)),
            }
        }
        let complete = cells.len() == items.iter().filter(|item| !item.is_absent()).count();
        let wrote = !cells.is_empty();
        self.record.set_scalars(scope, assignment.node, cells);
        complete && wrote
    }

    fn objects(&mut self, list: &'a ObjectList, scope: Scope) -> bool {
        let mut bodies = Vec::new();
        self.gather(&list.items, &mut bodies);
        let start = self.record.open_list(self.shape, list.node, bodies.len());
        let mut len = 0;
        let mut group_failed = false;
        let mut origins = self.origins(&bodies).into_iter();
        for (body, element, held) in bodies {
            if let Some(element) = element {
                self.elements.push(element);
            }
            let outer = origins.next().flatten().map(|nodes| std::mem::replace(&mut self.split_from, nodes));
            let cells = self.record.element(self.shape, list.node, start, len);
            let wrote = self.run(&body.steps, cells) || body.is_constant;
            if let Some(outer) = outer {
                self.split_from = outer;
            }
            if !wrote {
                self.record.clear_element(self.shape, list.node, cells);
            }
            if element.is_some() {
                self.elements.pop();
            }
            len += u32::from(wrote);
            group_failed |= !wrote;
            // A text that was split is mapped once every part of it is.
            if let Some(held) = held {
                if !group_failed {
                    for node in held {
                        self.consume_node(node);
                    }
                }
                group_failed = false;
            }
        }
        self.record.close_list(scope, list.node, start, len);
        len > 0
    }

    /// For `written`: what the text was read from that each body's element is a part of. The last element of its group
    /// holds that.
    #[expect(clippy::type_complexity, reason = "the row of `gather`")]
    fn origins(
        &self,
        bodies: &[(&'a ElementPlan, Option<Element<'a>>, Option<Vec<NodeId>>)],
    ) -> Vec<Option<Vec<NodeId>>> {
        if self.written.is_none() {
            return Vec::new();
        }
        let origin = |at: usize| match bodies[at].1 {
            Some(Element::Value(_)) => bodies[at..].iter().find_map(|(_, _, held)| held.clone()),
            _ => None,
        };
        (0..bodies.len()).map(origin).collect()
    }

    /// The elements of a list of objects. The last element of a group that was split from one text holds what was read.
    #[expect(clippy::type_complexity, reason = "a row of three used in one place")]
    fn gather(
        &mut self,
        items: &'a [ObjectItem],
        bodies: &mut Vec<(&'a ElementPlan, Option<Element<'a>>, Option<Vec<NodeId>>)>,
    ) {
        for item in items {
            match item {
                ObjectItem::One(body) => bodies.push((body, None, None)),
                ObjectItem::When { condition, then, otherwise } => {
                    let branch = if self.holds(condition) { then } else { otherwise };
                    self.gather(branch, bodies);
                }
                ObjectItem::Each { input, filter, body } => {
                    let before = self.reads.len();
                    let elements = self.elements_of(input, filter.as_ref());
                    let held: Vec<NodeId> = self.reads.drain(before..).collect();
                    let last = elements.len().saturating_sub(1);
                    for (index, element) in elements.into_iter().enumerate() {
                        let held = (index == last && !held.is_empty()).then(|| held.clone());
                        bodies.push((body, Some(element), held));
                    }
                }
            }
        }
    }

    fn misplaced(&mut self, path: &'a str, value: &'a Expression) {
        let before = self.reads.len();
        let raw = self.value(value);
        if raw.is_absent() {
            self.reads.truncate(before);
            return;
        }
        let is_literal = self.reads.len() == before;
        self.note_problem(path.to_owned(), raw, ProblemKind::NoPlace, before);
        if is_literal && let Some(text) = raw.json_text(self.document, self.bump) {
            self.record.add_unmapped(path, text);
        }
    }

    /// A keyed value of `unmapped` that the config names.
    pub(crate) fn keep(&mut self, key: &'a str, value: &'a Expression) {
        let before = self.reads.len();
        if let Some(text) = self.value(value).json_text(self.document, self.bump) {
            self.record.add_unmapped(key, text);
            self.consume(before);
        } else {
            self.reads.truncate(before);
        }
    }

    /// The text of an expression, without counting what it reads as mapped.
    pub(crate) fn peek_text(&mut self, value: &'a Expression) -> Option<&'a str> {
        let before = self.reads.len();
        let text = self.value(value).text(self.bump);
        self.reads.truncate(before);
        text
    }

    /// The event's time from the config's `timestamp`, without counting what it reads as mapped.
    pub(crate) fn peek_time(&mut self, value: &'a Expression) -> Option<i64> {
        let before = self.reads.len();
        let raw = self.value(value);
        let from = self.reads[before..].iter().map(|node| raw_path(self.document, *node));
        if let (Raw::Instant(time), Some(written)) = (raw, &mut self.written) {
            written.push(Written { attribute: "time".to_owned(), from: from.collect(), value: time.to_string() });
        }
        self.reads.truncate(before);
        match raw {
            Raw::Instant(value) => Some(value),
            _ => None,
        }
    }

    fn note_written(&mut self, assignment: &Assignment, raw: Raw<'a>, before: usize) {
        if self.written.is_none() {
            return;
        }
        let mut reads = &self.reads[before..];
        if reads.is_empty() && assignment.is_raw {
            reads = &self.split_from;
        }
        let from = reads.iter().map(|node| raw_path(self.document, *node)).collect();
        let value = raw.json_text(self.document, self.bump).unwrap_or_default().to_owned();
        let attribute = self.shape.path(assignment.node);
        if let Some(written) = &mut self.written {
            written.push(Written { attribute, from, value });
        }
    }

    /// Notes a value that found no place. Without automatic `unmapped` it is kept under the attribute that was meant.
    fn note_problem(&mut self, attribute: String, raw: Raw<'a>, kind: ProblemKind, before: usize) {
        let is_raw = self.reads.len() > before;
        self.reads.truncate(before);
        let text = raw.json_text(self.document, self.bump).unwrap_or_default();
        if (!is_raw && kind == ProblemKind::Type) || (is_raw && !self.automatic_unmapped) {
            self.record.add_unmapped(self.bump.alloc_str(&attribute), text);
        }
        self.problems.push(Problem { attribute, value: text.to_owned(), kind });
    }

    fn consume(&mut self, before: usize) {
        while self.reads.len() > before {
            if let Some(node) = self.reads.pop() {
                self.consume_node(node);
            }
        }
    }

    fn consume_node(&mut self, node: NodeId) {
        for index in self.document.subtree(node) {
            if let Some(consumed) = self.consumed.get_mut(index as usize) {
                *consumed = true;
            }
        }
    }

    fn is_absent_text(&self, text: &str) -> bool {
        self.absent.iter().any(|absent| absent == text)
    }

    /// The value of a node; reading it is noted.
    fn node_value(&mut self, node: NodeId) -> Raw<'a> {
        match Raw::of_node(self.document, node) {
            Raw::Text(text) if self.is_absent_text(text) => Raw::Absent,
            Raw::Absent => Raw::Absent,
            raw => {
                self.reads.push(node);
                raw
            }
        }
    }

    fn value(&mut self, expression: &'a Expression) -> Raw<'a> {
        match expression {
            Expression::Absent => Raw::Absent,
            Expression::Text(text) => Raw::Text(text),
            Expression::Integer(value) => Raw::Integer(*value),
            Expression::Float(value) => Raw::Float(*value),
            Expression::Boolean(value) => Raw::Boolean(*value),
            Expression::JsonText(text) => Raw::JsonText(text),
            Expression::Slot(slot) => self.slots.get(*slot).map_or(Raw::Absent, |node| self.node_value(node)),
            Expression::Slots(slots) => {
                let node = slots.iter().find_map(|slot| self.slots.get(*slot));
                node.map_or(Raw::Absent, |node| self.node_value(node))
            }
            Expression::Query(_) | Expression::ElementQuery(_) => {
                let nodes = self.nodes_of(expression).unwrap_or_default();
                let values: Vec<_> = nodes.into_iter().map(|node| self.node_value(node)).collect();
                self.list(values)
            }
            Expression::Element(steps) => match self.elements.last().copied() {
                Some(Element::Node(node)) => {
                    let found = descend(self.document, node, steps);
                    found.map_or(Raw::Absent, |node| self.node_value(node))
                }
                Some(Element::Value(Raw::Node(node))) => {
                    let found = descend(self.document, node, steps);
                    found.map_or(Raw::Absent, |node| Raw::of_node(self.document, node))
                }
                Some(Element::Value(raw)) if steps.is_empty() => raw,
                _ => Raw::Absent,
            },
            Expression::List(items) => {
                let values: Vec<_> = items.iter().map(|item| self.value(item)).collect();
                let values = values.into_iter().filter(|value| !value.is_absent());
                Raw::List(self.bump.alloc_slice_copy(&values.collect::<Vec<_>>()))
            }
            Expression::Object(members) => self.object(members),
            Expression::Enum(plan) => self.enumerate(plan),
            Expression::First(alternatives) => self.first(alternatives),
            Expression::Timestamp(plan) => {
                let raw = self.value(&plan.0);
                let instant = raw.text(self.bump).and_then(|text| plan.1.read(text));
                instant.map_or(Raw::Absent, Raw::Instant)
            }
            Expression::Regex(plan) => self.text_of(&plan.0).map_or(Raw::Absent, |text| {
                let group = plan.1.captures(text).and_then(|captures| captures.get(plan.2));
                group.map_or(Raw::Absent, |group| self.part(group.as_str()))
            }),
            Expression::Split(plan) => self.split(plan),
            Expression::Template(parts) => self.template(parts),
            Expression::Lookup(plan) => self.look_up(plan),
            Expression::Each(plan) => self.each(plan),
            Expression::When(plan) => {
                let branch = if self.holds(&plan.0) { &plan.1 } else { &plan.2 };
                self.value(branch)
            }
            Expression::Json(value) => {
                let text = self.value(value).json_text(self.document, self.bump);
                text.map_or(Raw::Absent, Raw::JsonText)
            }
            Expression::Basename(value) => {
                self.map_text(value, |text| text.rfind(['/', '\\']).map_or(text, |at| &text[at + 1..]))
            }
            Expression::Dirname(value) => {
                self.map_text(value, |text| text.rfind(['/', '\\']).map_or("", |at| &text[..at]))
            }
            Expression::Lower(value) => {
                let bump = self.bump;
                self.map_text(value, |text| bump.alloc_str(&text.to_lowercase()))
            }
            Expression::Upper(value) => {
                let bump = self.bump;
                self.map_text(value, |text| bump.alloc_str(&text.to_uppercase()))
            }
            Expression::Trim(value) => self.map_text(value, str::trim),
            Expression::Int(plan) => {
                self.text_of(&plan.0).and_then(|text| read_based(text, plan.1)).map_or(Raw::Absent, Raw::Integer)
            }
            Expression::IpVersion(value) => match self.text_of(value) {
                Some(text) if is_ip_address(text.trim()) => Raw::Integer(if text.contains(':') { 6 } else { 4 }),
                _ => Raw::Absent,
            },
            Expression::StripPrefix(plan) => {
                self.map_text(&plan.0, |text| text.strip_prefix(plan.1.as_str()).unwrap_or(text))
            }
            Expression::Duration(plan) => {
                let from = self.instant(&plan.0);
                let to = self.instant(&plan.1);
                match from.zip(to) {
                    Some((from, to)) if to >= from => Raw::Integer(to - from),
                    _ => Raw::Absent,
                }
            }
        }
    }

    fn instant(&mut self, value: &'a Expression) -> Option<i64> {
        match self.value(value) {
            Raw::Instant(instant) => Some(instant),
            raw => read_any(raw.text(self.bump)?),
        }
    }

    fn text_of(&mut self, value: &'a Expression) -> Option<&'a str> {
        self.value(value).text(self.bump)
    }

    /// A derived text; an empty one is no value.
    fn part(&self, text: &'a str) -> Raw<'a> {
        if text.is_empty() || self.is_absent_text(text) { Raw::Absent } else { Raw::Text(text) }
    }

    fn map_text(&mut self, value: &'a Expression, f: impl FnOnce(&'a str) -> &'a str) -> Raw<'a> {
        self.text_of(value).map_or(Raw::Absent, |text| self.part(f(text)))
    }

    fn list(&self, values: Vec<Raw<'a>>) -> Raw<'a> {
        let present: Vec<_> = values.into_iter().filter(|value| !value.is_absent()).collect();
        match present.as_slice() {
            [] => Raw::Absent,
            [one] => *one,
            many => Raw::List(self.bump.alloc_slice_copy(many)),
        }
    }

    /// The scalars that a list is made of: the items of an array, else the value itself.
    fn items(&mut self, raw: Raw<'a>) -> Vec<Raw<'a>> {
        match raw {
            Raw::List(items) => items.iter().flat_map(|item| self.items(*item)).collect(),
            Raw::Node(node) if self.document.value(node) == NodeValue::Array => {
                let items = self.document.children(node).map(|child| Raw::of_node(self.document, child));
                items.filter(|item| !matches!(item, Raw::Text(text) if self.is_absent_text(text))).collect()
            }
            other => vec![other],
        }
    }

    /// The nodes that a path selects; none if the expression is no path.
    fn nodes_of(&mut self, expression: &Expression) -> Option<Vec<NodeId>> {
        match expression {
            Expression::Slot(slot) => Some(self.slots.get(*slot).into_iter().collect()),
            Expression::Slots(slots) => Some(slots.iter().find_map(|slot| self.slots.get(*slot)).into_iter().collect()),
            Expression::Query(query) => Some(query.select(self.document, &self.json, self.document.root())),
            Expression::Element(steps) => match self.elements.last() {
                Some(Element::Node(node) | Element::Value(Raw::Node(node))) => {
                    Some(descend(self.document, *node, steps).into_iter().collect())
                }
                _ => None,
            },
            Expression::ElementQuery(query) => match self.elements.last() {
                Some(Element::Node(node) | Element::Value(Raw::Node(node))) => {
                    Some(query.select(self.document, &self.json, *node))
                }
                _ => Some(Vec::new()),
            },
            _ => None,
        }
    }

    /// What an `$each` goes over. Elements that are nodes are read by its body; of other values, what they were made
    /// from is noted as read here.
    fn elements_of(&mut self, input: &'a Expression, filter: Option<&'a Condition>) -> Vec<Element<'a>> {
        let elements: Vec<Element<'a>> = match self.nodes_of(input) {
            Some(nodes) => {
                let expanded = nodes.into_iter().flat_map(|node| match self.document.value(node) {
                    NodeValue::Array => self.document.children(node).collect(),
                    NodeValue::Null => Vec::new(),
                    NodeValue::String(text) if self.is_absent_text(text) => Vec::new(),
                    _ => vec![node],
                });
                expanded.map(Element::Node).collect()
            }
            None => match self.value(input) {
                Raw::Absent => Vec::new(),
                raw => self.items(raw).into_iter().map(Element::Value).collect(),
            },
        };
        let Some(filter) = filter else {
            return elements;
        };
        let mut kept = Vec::with_capacity(elements.len());
        for element in elements {
            self.elements.push(element);
            if self.holds(filter) {
                kept.push(element);
            }
            self.elements.pop();
        }
        kept
    }

    fn each(&mut self, plan: &'a EachPlan) -> Raw<'a> {
        let before = self.reads.len();
        let mut values = Vec::new();
        for element in self.elements_of(&plan.input, plan.filter.as_ref()) {
            self.elements.push(element);
            values.push(self.value(&plan.body));
            self.elements.pop();
        }
        if values.iter().all(Raw::is_absent) {
            self.reads.truncate(before);
            return Raw::Absent;
        }
        Raw::List(self.bump.alloc_slice_copy(&values))
    }

    fn first(&mut self, alternatives: &'a [Expression]) -> Raw<'a> {
        for alternative in alternatives {
            let before = self.reads.len();
            let raw = self.value(alternative);
            if !raw.is_absent() {
                return raw;
            }
            self.reads.truncate(before);
        }
        Raw::Absent
    }

    fn enumerate(&mut self, plan: &'a EnumPlan) -> Raw<'a> {
        let before = self.reads.len();
        let Some(text) = self.text_of(&plan.evaluate) else {
            return Raw::Absent;
        };
        if let Some(value) = plan.values.get(text) {
            return self.value(value);
        }
        // `other` says nothing of the text itself, which therefore stays unmapped.
        self.reads.truncate(before);
        plan.other.as_ref().map_or(Raw::Absent, |other| self.value(other))
    }

    fn look_up(&mut self, plan: &'a LookupPlan) -> Raw<'a> {
        let before = self.reads.len();
        let Some(key) = self.text_of(&plan.key) else {
            return Raw::Absent;
        };
        if let Some(value) = plan.table.get(key) {
            return self.value(value);
        }
        self.reads.truncate(before);
        plan.default.as_ref().map_or(Raw::Absent, |default| self.value(default))
    }

    fn split(&mut self, plan: &'a SplitPlan) -> Raw<'a> {
        let Some(text) = self.text_of(&plan.value) else {
            return Raw::Absent;
        };
        let parts = split_at(self.bump, text, &plan.on, plan.limit.unwrap_or(usize::MAX));
        if parts.len() < plan.min_parts {
            return Raw::Absent;
        }
        match plan.take {
            Some(take) => {
                let index = usize::try_from(take)
                    .ok()
                    .or_else(|| parts.len().checked_sub(usize::try_from(take.unsigned_abs()).ok()?));
                index.and_then(|index| parts.get(index)).map_or(Raw::Absent, |part| self.part(part))
            }
            None => {
                let parts = parts.iter().map(|part| self.part(part)).filter(|part| !part.is_absent());
                Raw::List(bumpalo::collections::Vec::from_iter_in(parts, self.bump).into_bump_slice())
            }
        }
    }

    fn template(&mut self, parts: &'a [Expression]) -> Raw<'a> {
        let mut text = bumpalo::collections::String::new_in(self.bump);
        for part in parts {
            match self.text_of(part) {
                Some(part) => text.push_str(part),
                None => return Raw::Absent,
            }
        }
        Raw::Text(text.into_bump_str())
    }

    /// An object that the config spells out, as JSON text; without any member that has a value it is absent.
    fn object(&mut self, members: &'a [(String, Expression)]) -> Raw<'a> {
        let mut text = String::from("{");
        for (name, value) in members {
            let raw = self.value(value);
            let member = match raw {
                Raw::Absent => continue,
                Raw::Text(text) => serde_json::to_string(text).unwrap_or_default(),
                other => other.json_text(self.document, self.bump).unwrap_or("null").to_owned(),
            };
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&serde_json::to_string(name).unwrap_or_default());
            text.push(':');
            text.push_str(&member);
        }
        if text.len() == 1 {
            return Raw::Absent;
        }
        text.push('}');
        Raw::JsonText(self.bump.alloc_str(&text))
    }

    /// Whether a condition holds; what it reads does not count as mapped.
    pub(crate) fn holds(&mut self, condition: &'a Condition) -> bool {
        let before = self.reads.len();
        let holds = match condition {
            Condition::Exists(value) => !self.value(value).is_absent(),
            Condition::Equals(left, right) => {
                let left = self.text_of(left);
                left.is_some() && left == self.text_of(right)
            }
            Condition::In(value, texts) => {
                self.text_of(value).is_some_and(|value| texts.iter().any(|text| text == value))
            }
            Condition::Matches(value, regex) => self.text_of(value).is_some_and(|text| regex.is_match(text)),
            Condition::StartsWith(value, prefix) => {
                self.text_of(value).is_some_and(|text| text.starts_with(prefix.as_str()))
            }
            Condition::EndsWith(value, suffix) => {
                self.text_of(value).is_some_and(|text| text.ends_with(suffix.as_str()))
            }
            Condition::Contains(value, part) => self.text_of(value).is_some_and(|text| text.contains(part.as_str())),
            Condition::All(conditions) => conditions.iter().all(|condition| self.holds(condition)),
            Condition::Any(conditions) => conditions.iter().any(|condition| self.holds(condition)),
            Condition::Not(condition) => !self.holds(condition),
        };
        self.reads.truncate(before);
        holds
    }

    /// Puts every raw value that nothing consumed under its flattened path.
    pub(crate) fn collect_unmapped(&mut self) {
        let mut flattened = Flattened::default();
        self.flatten(self.document.root(), false, &mut flattened);
        for (key, value) in flattened.entries {
            let value = match value {
                FlatText::One(text) => text,
                FlatText::Joined(text) => self.bump.alloc_str(&text),
            };
            self.record.add_unmapped(self.bump.alloc_str(&key), value);
        }
    }

    fn flatten(&self, node: NodeId, in_array: bool, out: &mut Flattened<'a>) {
        let value = match self.document.value(node) {
            _ if self.consumed.get(node.index()).copied().unwrap_or(false) => return,
            NodeValue::Null => return,
            NodeValue::String(text) if self.is_absent_text(text) => return,
            NodeValue::String(text) | NodeValue::Number(text) => text,
            NodeValue::Bool(true) => "true",
            NodeValue::Bool(false) => "false",
            container => {
                let is_array = container == NodeValue::Array;
                let before = out.path.len();
                if is_array {
                    out.path.push_str("[]");
                }
                let at = out.path.len();
                let mut is_empty = true;
                for child in self.document.children(node) {
                    is_empty = false;
                    if let Some(key) = self.document.key(child) {
                        if at > 0 {
                            out.path.push('.');
                        }
                        out.path.push_str(key);
                    }
                    self.flatten(child, in_array || is_array, out);
                    out.path.truncate(at);
                }
                out.path.truncate(before);
                // The empty event itself is no field.
                if is_empty && !out.path.is_empty() {
                    out.push(in_array, if is_array { "[]" } else { "{}" });
                }
                return;
            }
        };
        out.push(in_array, value);
    }
}

/// Raw fields under their flattened paths; the values of array elements are joined by commas, as in Security Lake's own
/// tables.
#[derive(Default)]
struct Flattened<'a> {
    path: String,
    entries: Vec<(String, FlatText<'a>)>,
    in_arrays: FxHashMap<String, usize>,
}

enum FlatText<'a> {
    One(&'a str),
    Joined(String),
}

impl<'a> Flattened<'a> {
    fn push(&mut self, in_array: bool, value: &'a str) {
        if in_array && let Some(at) = self.in_arrays.get(&self.path) {
            let text = &mut self.entries[*at].1;
            match text {
                FlatText::One(first) => *text = FlatText::Joined(format!("{first},{value}")),
                FlatText::Joined(joined) => {
                    joined.push(',');
                    joined.push_str(value);
                }
            }
            return;
        }
        if in_array {
            self.in_arrays.insert(self.path.clone(), self.entries.len());
        }
        self.entries.push((self.path.clone(), FlatText::One(value)));
    }
}

/// The flattened path of a raw node: `event.http.request_headers[].name`.
pub(crate) fn raw_path(document: &Document<'_>, node: NodeId) -> String {
    let mut steps = Vec::new();
    let mut at = node;
    while let Some(parent) = document.parent(at) {
        steps.push(document.key(at).map_or_else(|| "[]".to_owned(), str::to_owned));
        at = parent;
    }
    steps.reverse();
    steps.join(".").replace(".[]", "[]")
}

/// The parts of a text. A separator of one byte, the common case, is found without setting up a substring search.
fn split_at<'a>(bump: &'a Bump, text: &'a str, on: &str, limit: usize) -> bumpalo::collections::Vec<'a, &'a str> {
    match on.as_bytes() {
        [byte] if byte.is_ascii() => {
            bumpalo::collections::Vec::from_iter_in(text.splitn(limit, char::from(*byte)), bump)
        }
        _ => bumpalo::collections::Vec::from_iter_in(text.splitn(limit, on), bump),
    }
}

fn read_based(text: &str, base: IntBase) -> Option<i64> {
    match base {
        IntBase::Auto => read_integer(text),
        IntBase::Decimal => text.trim().parse().ok(),
        IntBase::Hexadecimal => {
            let text = text.trim();
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
            i64::from_str_radix(digits, 16).ok()
        }
    }
}
