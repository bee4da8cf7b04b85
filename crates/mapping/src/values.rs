//! Evaluates the expressions of a plan for one raw event.
//!
//! Every read of a node is recorded in [`Values::reads`], so that the writer of a value knows its raw fields. Temporary
//! values are in the event's bump allocator.

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use sources::{Document, NodeId, NodeValue};

use crate::coerce::{Raw, is_ip_address, read_integer};
use crate::config::IntBase;
use crate::paths::{JsonTree, Slots, descend};
use crate::plan::{Condition, EachPlan, EnumPlan, Expression, LookupPlan, SplitPlan};
use crate::time::read_any;

/// Texts that mean "no value".
#[derive(Debug)]
pub(crate) struct AbsentTexts {
    texts: Vec<String>,
    longest: usize,
}

impl AbsentTexts {
    pub(crate) fn new(texts: Vec<String>) -> Self {
        let longest = texts.iter().map(String::len).max().unwrap_or_default();
        Self { texts, longest }
    }

    /// Whether a text means "no value".
    #[inline]
    pub(crate) fn contains(&self, text: &str) -> bool {
        text.len() <= self.longest && self.texts.iter().any(|absent| absent == text)
    }
}

/// An element that an `$each` body sees.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Element<'a> {
    Node(NodeId),
    Value(Raw<'a>),
}

/// One raw event, as the expressions of a plan see it.
pub(crate) struct Values<'m, 'a> {
    pub(crate) document: &'m Document<'a>,
    pub(crate) bump: &'a Bump,
    pub(crate) absent: &'m AbsentTexts,
    pub(crate) slots: &'m Slots,
    /// The nodes that were read, in order. A caller looks at the entries added by its own call.
    pub(crate) reads: &'m mut Vec<NodeId>,
    /// The nodes that decided something without being written (a condition, the time, the account); kept only on
    /// request.
    pub(crate) looked_at: Option<Vec<NodeId>>,
    /// The text that a `$timestamp` could not parse, and whether it came from raw fields. The caller of a value takes
    /// it.
    pub(crate) unreadable: Vec<(Raw<'a>, bool)>,
    json: JsonTree,
    /// The elements of the `$each` bodies that are being evaluated, the innermost last.
    elements: BumpVec<'a, Element<'a>>,
}

impl<'m, 'a> Values<'m, 'a> {
    pub(crate) fn new(
        document: &'m Document<'a>,
        bump: &'a Bump,
        absent: &'m AbsentTexts,
        slots: &'m Slots,
        reads: &'m mut Vec<NodeId>,
    ) -> Self {
        reads.clear();
        let elements = BumpVec::new_in(bump);
        Self {
            document,
            bump,
            absent,
            slots,
            reads,
            looked_at: None,
            unreadable: Vec::new(),
            json: JsonTree::default(),
            elements,
        }
    }

    /// The text of an expression, without recording its reads.
    pub(crate) fn peek_text(&mut self, value: &'a Expression) -> Option<&'a str> {
        let before = self.reads.len();
        let text = self.value(value).text(self.bump);
        self.look_only(before);
        self.unreadable.clear();
        text
    }

    /// Discards the reads since `before`, because they produced no value.
    pub(crate) fn look_only(&mut self, before: usize) {
        if let Some(looked_at) = &mut self.looked_at {
            looked_at.extend(self.reads.iter().skip(before));
        }
        self.reads.truncate(before);
    }

    /// Starts an `$each` body with `element` as `@`.
    #[inline]
    pub(crate) fn enter(&mut self, element: Element<'a>) {
        self.elements.push(element);
    }

    /// Ends the innermost body.
    #[inline]
    pub(crate) fn leave(&mut self) {
        self.elements.pop();
    }

    /// The value of a node. The read is recorded.
    #[inline]
    fn node_value(&mut self, node: NodeId) -> Raw<'a> {
        match Raw::of_node(self.document, node) {
            Raw::Text(text) if self.absent.contains(text) => Raw::Absent,
            Raw::Absent => Raw::Absent,
            raw => {
                self.reads.push(node);
                raw
            }
        }
    }

    /// The value of an expression. Its reads are recorded.
    #[inline]
    pub(crate) fn value(&mut self, expression: &'a Expression) -> Raw<'a> {
        match expression {
            Expression::Slot(slot) => self.slots.get(*slot).map_or(Raw::Absent, |node| self.node_value(node)),
            Expression::Text(text) => Raw::Text(text),
            other => self.evaluate(other),
        }
    }

    /// One of several alternatives. If it is absent, its reads do not count.
    fn value_or_unread(&mut self, expression: &'a Expression) -> Raw<'a> {
        let before = self.reads.len();
        let raw = self.value(expression);
        if raw.is_absent() {
            self.reads.truncate(before);
        }
        raw
    }

    fn evaluate(&mut self, expression: &'a Expression) -> Raw<'a> {
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
                let nodes = self.nodes_of(expression).unwrap_or_else(|| BumpVec::new_in(self.bump));
                let mut values = BumpVec::with_capacity_in(nodes.len(), self.bump);
                values.extend(nodes.into_iter().map(|node| self.node_value(node)).filter(|value| !value.is_absent()));
                match *values {
                    [] => Raw::Absent,
                    [one] => one,
                    _ => Raw::List(values.into_bump_slice()),
                }
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
                let mut values = BumpVec::with_capacity_in(items.len(), self.bump);
                values.extend(items.iter().map(|item| self.value_or_unread(item)).filter(|value| !value.is_absent()));
                Raw::List(values.into_bump_slice())
            }
            Expression::Object(members) => self.object(members),
            Expression::Enum(plan) => self.enumerate(plan),
            Expression::First(alternatives) => self.first(alternatives),
            Expression::Timestamp(plan) => {
                let before = self.reads.len();
                let raw = self.value(&plan.0);
                if raw.is_absent() {
                    return raw;
                }
                match raw.text(self.bump).and_then(|text| plan.1.read(text)) {
                    Some(instant) => Raw::Instant(instant),
                    None => {
                        self.unreadable.push((raw, self.reads.len() > before));
                        self.reads.truncate(before);
                        Raw::Absent
                    }
                }
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
                self.map_text(value, |text| last_slash(text).and_then(|at| text.get(at + 1..)).unwrap_or(text))
            }
            Expression::Dirname(value) => {
                self.map_text(value, |text| last_slash(text).and_then(|at| text.get(..at)).unwrap_or_default())
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

    /// A derived text; empty text is no value.
    fn part(&self, text: &'a str) -> Raw<'a> {
        if text.is_empty() || self.absent.contains(text) { Raw::Absent } else { Raw::Text(text) }
    }

    fn map_text(&mut self, value: &'a Expression, f: impl FnOnce(&'a str) -> &'a str) -> Raw<'a> {
        self.text_of(value).map_or(Raw::Absent, |text| self.part(f(text)))
    }

    /// The scalars of a list: the items of an array, otherwise the value itself.
    pub(crate) fn items(&self, raw: Raw<'a>) -> &'a [Raw<'a>] {
        let mut items = BumpVec::new_in(self.bump);
        self.collect_items(raw, &mut items);
        items.into_bump_slice()
    }

    fn collect_items(&self, raw: Raw<'a>, items: &mut BumpVec<'a, Raw<'a>>) {
        match raw {
            Raw::List(list) => list.iter().for_each(|item| self.collect_items(*item, items)),
            Raw::Node(node) if self.document.value(node) == NodeValue::Array => {
                let values = self.document.children(node).map(|child| Raw::of_node(self.document, child));
                items.extend(values.filter(|item| !matches!(item, Raw::Text(text) if self.absent.contains(text))));
            }
            other => items.push(other),
        }
    }

    /// The nodes that a path selects; none if the expression is not a path.
    fn nodes_of(&self, expression: &Expression) -> Option<BumpVec<'a, NodeId>> {
        let in_bump = |nodes: Vec<NodeId>| BumpVec::from_iter_in(nodes, self.bump);
        let one = |node: Option<NodeId>| BumpVec::from_iter_in(node, self.bump);
        match expression {
            Expression::Slot(slot) => Some(one(self.slots.get(*slot))),
            Expression::Slots(slots) => Some(one(slots.iter().find_map(|slot| self.slots.get(*slot)))),
            Expression::Query(query) => Some(in_bump(query.select(self.document, &self.json, self.document.root()))),
            Expression::Element(steps) => match self.elements.last() {
                Some(Element::Node(node) | Element::Value(Raw::Node(node))) => {
                    Some(one(descend(self.document, *node, steps)))
                }
                _ => None,
            },
            Expression::ElementQuery(query) => Some(match self.elements.last() {
                Some(Element::Node(node) | Element::Value(Raw::Node(node))) => {
                    in_bump(query.select(self.document, &self.json, *node))
                }
                _ => one(None),
            }),
            _ => None,
        }
    }

    /// The elements of an `$each`. Its body records reads of elements that are nodes; for other values, the source
    /// nodes are recorded here.
    pub(crate) fn elements_of(
        &mut self,
        input: &'a Expression,
        filter: Option<&'a Condition>,
    ) -> BumpVec<'a, Element<'a>> {
        let mut elements = BumpVec::new_in(self.bump);
        match self.nodes_of(input) {
            Some(nodes) => {
                for node in nodes {
                    match self.document.value(node) {
                        NodeValue::Array => elements.extend(self.document.children(node).map(Element::Node)),
                        NodeValue::Null => {}
                        NodeValue::String(text) if self.absent.contains(text) => {}
                        _ => elements.push(Element::Node(node)),
                    }
                }
            }
            None => match self.value(input) {
                Raw::Absent => {}
                raw => elements.extend(self.items(raw).iter().copied().map(Element::Value)),
            },
        }
        if let Some(filter) = filter {
            elements.retain(|element| {
                self.enter(*element);
                let kept = self.holds(filter);
                self.leave();
                kept
            });
        }
        elements
    }

    fn each(&mut self, plan: &'a EachPlan) -> Raw<'a> {
        let before = self.reads.len();
        let elements = self.elements_of(&plan.input, plan.filter.as_ref());
        let mut values = BumpVec::with_capacity_in(elements.len(), self.bump);
        for element in elements {
            self.enter(element);
            values.push(self.value_or_unread(&plan.body));
            self.leave();
        }
        if values.iter().all(Raw::is_absent) {
            self.reads.truncate(before);
            return Raw::Absent;
        }
        Raw::List(values.into_bump_slice())
    }

    fn first(&mut self, alternatives: &'a [Expression]) -> Raw<'a> {
        for alternative in alternatives {
            let raw = self.value_or_unread(alternative);
            if !raw.is_absent() {
                return raw;
            }
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
        // `other` does not contain the text itself, which therefore stays unmapped.
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
        match plan.take {
            Some(take) => part_of(text, plan, take).map_or(Raw::Absent, |part| self.part(part)),
            None => {
                let mut parts = BumpVec::new_in(self.bump);
                let mut count = 0;
                for part in parts_of(text, plan) {
                    count += 1;
                    match self.part(part) {
                        Raw::Absent => {}
                        part => parts.push(part),
                    }
                }
                if count < plan.min_parts { Raw::Absent } else { Raw::List(parts.into_bump_slice()) }
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

    /// A literal object of the config as JSON text; absent if no member has a value.
    fn object(&mut self, members: &'a [(String, Expression)]) -> Raw<'a> {
        let mut text = String::from("{");
        for (name, value) in members {
            let raw = self.value_or_unread(value);
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
        let (before, unreadable) = (self.reads.len(), self.unreadable.len());
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
            Condition::Contains(value, part) => self.text_of(value).is_some_and(|text| contains(text, part)),
            Condition::All(conditions) => conditions.iter().all(|condition| self.holds(condition)),
            Condition::Any(conditions) => conditions.iter().any(|condition| self.holds(condition)),
            Condition::Not(condition) => !self.holds(condition),
        };
        self.look_only(before);
        self.unreadable.truncate(unreadable);
        holds
    }
}

/// The parts of a text. A separator of one byte, the common case, is found without setting up a substring search.
fn parts_of<'a>(text: &'a str, plan: &'a SplitPlan) -> impl Iterator<Item = &'a str> {
    let mut rest = Some(text);
    let mut left = plan.limit.unwrap_or(usize::MAX);
    std::iter::from_fn(move || {
        left = left.checked_sub(1)?;
        let text = rest.take()?;
        let at = if left == 0 { None } else { find(text, &plan.on) };
        let Some(at) = at else { return Some(text) };
        rest = text.get(at + plan.on.len()..);
        text.get(..at)
    })
}

/// The part that `$split` takes, from the end if `take` is negative; `None` if there are too few parts.
fn part_of<'a>(text: &'a str, plan: &'a SplitPlan, take: i64) -> Option<&'a str> {
    if take == -1
        && plan.limit.is_none()
        && plan.min_parts <= 2
        && let [separator] = plan.on.as_bytes()
    {
        return match memchr::memrchr(*separator, text.as_bytes()) {
            Some(at) => text.get(at + 1..),
            None => (plan.min_parts < 2).then_some(text),
        };
    }
    let Ok(take) = usize::try_from(take) else {
        let parts = parts_of(text, plan).count();
        let from_end = usize::try_from(take.unsigned_abs()).ok()?;
        return (parts >= plan.min_parts).then(|| parts_of(text, plan).nth(parts.checked_sub(from_end)?))?;
    };
    let mut parts = parts_of(text, plan);
    let part = parts.nth(take)?;
    let more = plan.min_parts.saturating_sub(take + 1);
    (more == 0 || parts.nth(more - 1).is_some()).then_some(part)
}

fn contains(text: &str, part: &str) -> bool {
    find(text, part).is_some()
}

/// The position of the first `part` in a text.
#[inline]
fn find(text: &str, part: &str) -> Option<usize> {
    match part.as_bytes() {
        [byte] => memchr::memchr(*byte, text.as_bytes()),
        _ => text.find(part),
    }
}

fn last_slash(text: &str) -> Option<usize> {
    memchr::memrchr2(b'/', b'\\', text.as_bytes())
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
