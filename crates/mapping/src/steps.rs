//! Applies the decode steps of a config: one raw event in, the events it contains out, each as the mapping expects it.
//!
//! A step changes the document (unwraps the event from its envelope, parses JSON in a text, renames fields), splits it,
//! or discards it. Steps run in order, each on the result of the previous one. An event that no step applies to costs
//! one check of its member names and is not copied.

use bumpalo::Bump;
use regex::Regex;
use sources::{Decode, Document, DocumentBuffer, FieldNames, Move, Moved, NodeId, NodeValue};

use crate::paths::{PathTree, Slot, Slots};
use crate::plan::{Condition, Expression};
use crate::values::{AbsentTexts, Values};

/// Limit on repeated envelope text, in bytes per byte of the raw event. Every event carries its envelope, so many small
/// events in a large envelope would otherwise grow without bound.
const ENVELOPE_GROWTH: usize = 8;

/// Bytes of repeated envelopes that are always allowed.
const ENVELOPE_BYTES: usize = 64 << 10;

/// The rule name for envelopes without events, which count as discarded.
pub const EMPTY_ENVELOPE: &str = "empty-envelope";

/// The compiled steps of a config.
#[derive(Debug, Default)]
pub(crate) struct StepsPlan {
    paths: PathTree,
    steps: Vec<StepPlan>,
    /// `None` if a step has no sign.
    signs: Option<Signs>,
}

impl StepsPlan {
    pub(crate) fn new(paths: PathTree, steps: Vec<StepPlan>) -> Self {
        let signs = steps.iter().map(|step| step.sign(&paths)).collect();
        Self { paths, steps, signs }
    }

    /// Whether any step may change a document; `false` is certain. Much cheaper than looking up the paths of the steps.
    #[inline]
    pub(crate) fn may_apply(&self, document: &Document<'_>) -> bool {
        self.signs.as_ref().is_none_or(|signs| signs.are_in(document))
    }
}

/// A member of the root that a step needs; without it, the step does nothing.
#[derive(Debug)]
struct Sign {
    name: String,
    /// Whether it must be an object or array.
    is_container: bool,
}

/// The signs of all steps, each name once.
#[derive(Debug, Default)]
struct Signs {
    signs: Vec<Sign>,
    /// The [bits](Signs::bit) of their names.
    bits: u64,
}

impl FromIterator<Sign> for Signs {
    fn from_iter<I: IntoIterator<Item = Sign>>(signs: I) -> Self {
        let mut all = Self::default();
        for sign in signs {
            all.bits |= Self::bit(&sign.name);
            match all.signs.iter_mut().find(|known| known.name == sign.name) {
                Some(known) => known.is_container &= sign.is_container,
                None => all.signs.push(sign),
            }
        }
        all
    }
}

impl Signs {
    #[inline]
    fn are_in(&self, document: &Document<'_>) -> bool {
        document.members(document.root()).any(|(name, member)| {
            self.bits & Self::bit(name) != 0 && self.has(name, document.value(member).is_container())
        })
    }

    fn has(&self, name: &str, is_container: bool) -> bool {
        self.signs.iter().any(|sign| (is_container || !sign.is_container) && sign.name == name)
    }

    /// One of 64 bits, which distinguishes most names from those of signs without a comparison.
    #[inline]
    fn bit(name: &str) -> u64 {
        match name.as_bytes() {
            [first, .., last] => 1 << (first.wrapping_add(*last) % 64),
            _ => 1,
        }
    }
}

#[derive(Debug)]
pub(crate) struct StepPlan {
    when: Option<Condition>,
    action: Action,
    /// Slots that the step needs. Most steps are skipped by these, without evaluating their condition.
    needs: Vec<Slot>,
}

impl StepPlan {
    pub(crate) fn new(when: Option<Condition>, action: Action) -> Self {
        let mut needs = when.as_ref().map(needs).unwrap_or_default();
        needs.extend(match &action {
            Action::Each(slot) | Action::Root(slot) | Action::Parse(slot) | Action::WindowsValues(slot) => Some(*slot),
            Action::Extract { from, .. } => Some(*from),
            Action::Nest { event_id, .. } => Some(*event_id),
            Action::Discard(_) | Action::Move { .. } => None,
        });
        Self { when, action, needs }
    }

    fn sign(&self, paths: &PathTree) -> Option<Sign> {
        // Only members of an object are rewritten.
        let (slot, is_container) = match &self.action {
            Action::WindowsValues(slot) => (*slot, true),
            _ => (*self.needs.first()?, false),
        };
        let (name, goes_on) = paths.root_member(slot)?;
        Some(Sign { name: name.to_owned(), is_container: is_container || goes_on })
    }
}

/// Slots that select a node wherever a condition holds.
fn needs(condition: &Condition) -> Vec<Slot> {
    let slot = |value: &Expression| match value {
        Expression::Slot(slot) => Some(*slot),
        _ => None,
    };
    match condition {
        Condition::Exists(value)
        | Condition::In(value, _)
        | Condition::Matches(value, _)
        | Condition::StartsWith(value, _)
        | Condition::EndsWith(value, _)
        | Condition::Contains(value, _) => slot(value).into_iter().collect(),
        Condition::Equals(left, right) => slot(left).into_iter().chain(slot(right)).collect(),
        Condition::All(conditions) => conditions.iter().flat_map(needs).collect(),
        Condition::Any(conditions) => {
            let of_all = conditions.iter().map(needs).reduce(|mut of_all, needs| {
                of_all.retain(|slot| needs.contains(slot));
                of_all
            });
            of_all.unwrap_or_default()
        }
        Condition::Not(_) => Vec::new(),
    }
}

#[derive(Debug)]
pub(crate) enum Action {
    Discard(String),
    Each(Slot),
    Root(Slot),
    Parse(Slot),
    Move { fields: Vec<(Slot, Vec<String>)>, keep: bool },
    Nest { into: Vec<String>, names: FieldNames, event_id: Slot },
    Extract { from: Slot, pattern: Regex, into: Vec<String> },
    WindowsValues(Slot),
}

/// The result of the steps for a raw event.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unwrapped<'a> {
    /// An event.
    Event(Document<'a>),
    /// Discarded by the `discard` step of this name.
    Discarded(&'a str),
    /// The events cannot be extracted, for this reason.
    Refused(String),
}

/// One of several events of a raw event.
#[derive(Debug, Clone, Copy)]
pub struct Part<'p, 'a> {
    document: &'p Document<'a>,
    array: NodeId,
    element: NodeId,
}

impl Part<'_, '_> {
    /// The raw event with only this event, as JSON: mapping it again yields this event.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.document.with_one_element(self.array, self.element).to_json(NodeId::ROOT)
    }
}

/// The memory of the steps, reused between events.
#[derive(Debug, Default)]
pub struct StepsBuffer {
    slots: Slots,
    reads: Vec<NodeId>,
}

/// One raw event on its way through the steps.
pub(crate) struct Run<'r, 'a> {
    pub(crate) plan: &'a StepsPlan,
    pub(crate) absent: &'a AbsentTexts,
    pub(crate) decode: &'a Decode,
    pub(crate) bump: &'a Bump,
    pub(crate) documents: &'r mut DocumentBuffer,
    pub(crate) memory: &'r mut StepsBuffer,
    pub(crate) take: &'r mut dyn FnMut(Unwrapped<'a>, Option<Part<'_, 'a>>),
}

impl<'a> Run<'_, 'a> {
    /// Applies the steps from `at` on.
    pub(crate) fn from(&mut self, at: usize, mut document: Document<'a>, part: Option<Part<'_, 'a>>) {
        let plan = self.plan;
        self.look_at(&document);
        for (at, step) in plan.steps.iter().enumerate().skip(at) {
            if !self.applies(step, &document) {
                continue;
            }
            let changed = match &step.action {
                Action::Discard(rule) => return (self.take)(Unwrapped::Discarded(rule), part),
                Action::Each(slot) => match self.readable(*slot, &document) {
                    Some((array, parsed)) => {
                        let document = parsed.unwrap_or(document);
                        return self.each(at + 1, &document, array);
                    }
                    None => None,
                },
                Action::Root(slot) => self.readable(*slot, &document).map(|(node, parsed)| {
                    let document = parsed.as_ref().unwrap_or(&document);
                    document.unwrapped(node, node)
                }),
                Action::Parse(slot) => self.readable(*slot, &document).and_then(|(_, parsed)| parsed),
                Action::Move { fields, keep } => {
                    let slots = &self.memory.slots;
                    let moves = fields.iter().filter_map(|(slot, to)| {
                        let node = slots.get(*slot)?;
                        Some(Move { what: if *keep { Moved::CopyOf(node) } else { Moved::Node(node) }, to, name: None })
                    });
                    with_any_moves(&document, moves.collect())
                }
                Action::Extract { from, pattern, into } => {
                    let text = self.memory.slots.get(*from).and_then(|node| document.value(node).text());
                    text.and_then(|text| with_groups(&document, text, pattern, into))
                }
                Action::Nest { into, names, event_id } => self.nested(&document, into, names, *event_id),
                Action::WindowsValues(slot) => {
                    if let Some(object) = self.memory.slots.get(*slot) {
                        let bump = self.bump;
                        document.rewrite_texts(object, |name, text| as_rendered(name, text, bump));
                    }
                    None
                }
            };
            if let Some(changed) = changed {
                document = changed;
                self.look_at(&document);
            }
        }
        (self.take)(Unwrapped::Event(document), part);
    }

    fn look_at(&mut self, document: &Document<'a>) {
        self.plan.paths.fill(document, &mut self.memory.slots);
    }

    fn applies(&mut self, step: &'a StepPlan, document: &Document<'a>) -> bool {
        let StepsBuffer { slots, reads } = &mut *self.memory;
        if step.needs.iter().any(|slot| slots.get(*slot).is_none()) {
            return false;
        }
        let Some(when) = &step.when else { return true };
        Values::new(document, self.bump, self.absent, slots, reads).holds(when)
    }

    /// The object or array of a slot. If the slot is a text that contains one, also the document with the text replaced
    /// by it. `None` if it is neither.
    fn readable(&mut self, slot: Slot, document: &Document<'a>) -> Option<(NodeId, Option<Document<'a>>)> {
        let node = self.memory.slots.get(slot)?;
        match document.value(node) {
            NodeValue::Object | NodeValue::Array => Some((node, None)),
            NodeValue::String(text) => {
                let inner = self.decode.document_of_text(text, self.documents, self.bump)?;
                inner.value(NodeId::ROOT).is_container().then(|| (node, Some(document.with_replaced(node, &inner))))
            }
            _ => None,
        }
    }

    fn each(&mut self, at: usize, document: &Document<'a>, array: NodeId) {
        if document.value(array) != NodeValue::Array {
            // A single event in place of an array.
            return self.from(at, document.unwrapped(array, array), None);
        }
        let events = document.children(array).count();
        if events == 0 {
            return (self.take)(Unwrapped::Discarded(EMPTY_ENVELOPE), None);
        }
        let (all, inside) = (text_bytes(document, document.root()), text_bytes(document, array));
        let repeated = (all - inside).saturating_mul(events);
        if repeated > ENVELOPE_BYTES && repeated > all.saturating_mul(ENVELOPE_GROWTH) {
            let message = format!("an envelope of {} bytes around {events} small events", all - inside);
            return (self.take)(Unwrapped::Refused(message), None);
        }
        for element in document.children(array) {
            let part = Part { document, array, element };
            self.from(at, document.unwrapped(element, array), Some(part));
        }
    }

    /// Moves the event's fields from the root into an object.
    fn nested(
        &self,
        document: &Document<'a>,
        into: &'a [String],
        names: &'a FieldNames,
        event_id: Slot,
    ) -> Option<Document<'a>> {
        let id = self.memory.slots.get(event_id).and_then(|node| document.value(node).text())?;
        let names = names.of(id)?;
        let fields = document.children(document.root()).filter_map(|from| {
            let name = document.key(from)?;
            let is_field = names.iter().any(|field| field == name);
            is_field.then_some(Move { what: Moved::Node(from), to: into, name: Some(name) })
        });
        with_any_moves(document, fields.collect())
    }
}

fn with_any_moves<'a>(document: &Document<'a>, moves: Vec<Move<'a>>) -> Option<Document<'a>> {
    (!moves.is_empty()).then(|| document.with_moves(&moves))
}

/// The document with the named groups of the first match in a text as additional members.
fn with_groups<'a>(
    document: &Document<'a>,
    text: &'a str,
    pattern: &'a Regex,
    into: &'a [String],
) -> Option<Document<'a>> {
    let found = pattern.captures(text)?;
    let groups = pattern.capture_names().flatten().filter_map(|name| {
        let text = found.name(name)?.as_str();
        Some(Move { what: Moved::Text(text), to: into, name: Some(name) })
    });
    with_any_moves(document, groups.collect())
}

/// Bytes of the texts and names below a node, and a few for each value.
fn text_bytes(document: &Document<'_>, node: NodeId) -> usize {
    let nodes = document.subtree(node).map(NodeId);
    nodes.map(|node| 4 + document.key(node).map_or(0, str::len) + document.value(node).text().map_or(0, str::len)).sum()
}

/// A value of a Windows event in the form of rendered messages: GUIDs in braces and lower case, hexadecimal digits in
/// upper case. `None` if it already has that form or is neither.
fn as_rendered<'a>(name: &str, text: &'a str, bump: &'a Bump) -> Option<&'a str> {
    if name.ends_with("Guid") || name.ends_with("GUID") {
        let digits = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
        let is_guid = digits.len() == 36
            && digits.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        let is_rendered = digits.len() < text.len() && !digits.bytes().any(|byte| byte.is_ascii_uppercase());
        (is_guid && !is_rendered).then(|| &*bump.alloc_str(&format!("{{{}}}", digits.to_ascii_lowercase())))
    } else if name.ends_with("LogonId") || name == "GrantedAccess" {
        let digits = text.strip_prefix("0x")?;
        let is_lower = digits.bytes().any(|byte| byte.is_ascii_lowercase());
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex && is_lower).then(|| &*bump.alloc_str(&format!("0x{}", digits.to_ascii_uppercase())))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Step as PathStep;

    fn slot(paths: &mut PathTree, names: &[&str]) -> Slot {
        paths.slot(&names.iter().map(|name| PathStep::Name((*name).to_owned())).collect::<Vec<_>>())
    }

    fn check(plan: &StepsPlan, event: &str, may_apply: bool) {
        let bump = Bump::new();
        assert_eq!(plan.may_apply(&Document::parse(event.as_bytes(), &bump).unwrap()), may_apply, "{event}");
    }

    #[test]
    fn an_event_is_passed_over_only_where_no_step_does_anything() {
        let mut paths = PathTree::default();
        let message = slot(&mut paths, &["message"]);
        let values = slot(&mut paths, &["data"]);
        let id = slot(&mut paths, &["event", "id"]);
        let has_id = Condition::Exists(Expression::Slot(id));
        let plan = StepsPlan::new(
            paths,
            vec![
                StepPlan::new(None, Action::Root(message)),
                StepPlan::new(None, Action::WindowsValues(values)),
                StepPlan::new(Some(has_id), Action::Discard("with-id".to_owned())),
            ],
        );
        for (event, may_apply) in [
            (r#"{"a":1,"message":"text"}"#, true),
            (r#"{"massage":{},"me":{}}"#, false),
            (r#"{"data":{"LogonId":"0xa"}}"#, true),
            (r#"{"data":"text"}"#, false),
            (r#"{"event":{"id":1}}"#, true),
            (r#"{"event":1,"id":1}"#, false),
            (r#"{"below":{"message":{},"data":{},"event":{"id":1}}}"#, false),
            ("{}", false),
            (r#"[{"message":"text"}]"#, false),
        ] {
            check(&plan, event, may_apply);
        }
    }

    #[test]
    fn a_step_that_needs_nothing_of_an_event_is_never_passed_over() {
        let mut paths = PathTree::default();
        let root = paths.slot(&[]);
        let everything = StepsPlan::new(paths, vec![StepPlan::new(None, Action::Discard("all".to_owned()))]);
        check(&everything, "{}", true);
        check(&StepsPlan::new(PathTree::default(), Vec::new()), r#"{"a":1}"#, false);
        let mut paths = PathTree::default();
        assert_eq!(paths.slot(&[]), root);
        check(&StepsPlan::new(paths, vec![StepPlan::new(None, Action::Each(root))]), "[{}]", true);
    }

    #[test]
    fn one_name_can_be_the_sign_of_several_steps() {
        let mut paths = PathTree::default();
        let (values, text) = (slot(&mut paths, &["data"]), slot(&mut paths, &["data"]));
        let steps = vec![StepPlan::new(None, Action::WindowsValues(values)), StepPlan::new(None, Action::Parse(text))];
        check(&StepsPlan::new(paths, steps), r#"{"data":"{}"}"#, true);
    }
}
