//! Looks up all raw paths of a mapping at once.
//!
//! Every singular JSONPath of a config is a slot. One walk over a document, guided by a tree of the paths, fills the
//! slots with the nodes that they select; a field that no path names costs one hash lookup. Other queries go through
//! [`Query`], which keeps RFC 9535's semantics by way of a JSON value.

use std::cell::OnceCell;

use jsonpath_rust::parser::errors::JsonPathError;
use jsonpath_rust::parser::model::JpQuery;
use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use sources::{Document, NodeId, NodeValue};

use crate::config::Step;

/// Number of a singular path in its [`PathTree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot(u32);

/// The nodes that the slots of a document select.
#[derive(Debug, Default)]
pub(crate) struct Slots(Vec<Option<NodeId>>);

impl Slots {
    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<NodeId> {
        self.0[slot.0 as usize]
    }
}

/// Singular paths that share their beginnings.
#[derive(Debug, Default)]
pub(crate) struct PathTree {
    root: Branch,
    slots: u32,
}

#[derive(Debug, Default)]
struct Branch {
    slot: Option<Slot>,
    names: Names,
    items: Vec<(i64, Branch)>,
}

/// Branches by name. A lookup is the whole cost of an unread field, so it must be cheap. The hash uses the length and
/// the ends of a name, which is enough for the few names that a mapping has per object.
#[derive(Debug, Default)]
struct Names {
    branches: Vec<(Box<str>, Branch)>,
    /// Places in `branches`, and [`Names::FREE`]; twice as many as there are branches, or more, and a power of two.
    table: Vec<u32>,
}

impl Names {
    const FREE: u32 = u32::MAX;

    fn is_empty(&self) -> bool {
        self.branches.is_empty()
    }

    #[inline]
    fn get(&self, name: &str) -> Option<&Branch> {
        self.find(name).map(|(_, branch)| branch)
    }

    fn get_or_insert(&mut self, name: &str) -> &mut Branch {
        let at = self.find(name).map(|(at, _)| at).unwrap_or_else(|| {
            self.branches.push((name.into(), Branch::default()));
            self.table = vec![Self::FREE; (self.branches.len() * 2).next_power_of_two()];
            for (at, (name, _)) in (0..).zip(&self.branches) {
                let mut place = hash(name);
                while self.table[place & (self.table.len() - 1)] != Self::FREE {
                    place += 1;
                }
                let mask = self.table.len() - 1;
                self.table[place & mask] = at;
            }
            self.branches.len() - 1
        });
        &mut self.branches[at].1
    }

    #[inline]
    fn find(&self, name: &str) -> Option<(usize, &Branch)> {
        let mask = self.table.len().checked_sub(1)?;
        let mut place = hash(name);
        loop {
            let at = *self.table.get(place & mask)? as usize;
            let (found, branch) = self.branches.get(at)?;
            if **found == *name {
                return Some((at, branch));
            }
            place += 1;
        }
    }
}

#[inline]
fn hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let (start, end) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>(), bytes) {
        (Some(start), Some(end), _) => (u64::from_le_bytes(*start), u64::from_le_bytes(*end)),
        (_, _, [first, .., last]) => (u64::from(*first), u64::from(*last) << 8 | u64::from(bytes[bytes.len() / 2])),
        _ => (0, u64::from(bytes.first().copied().unwrap_or_default())),
    };
    let mixed = (start ^ end.rotate_left(23) ^ bytes.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as usize
}

impl PathTree {
    /// The slot of a path; the same path has the same slot.
    pub(crate) fn slot(&mut self, steps: &[Step]) -> Slot {
        let mut branch = &mut self.root;
        for step in steps {
            branch = match step {
                Step::Name(name) => branch.names.get_or_insert(name),
                Step::Index(index) => {
                    let at = branch.items.iter().position(|(item, _)| item == index).unwrap_or_else(|| {
                        branch.items.push((*index, Branch::default()));
                        branch.items.len() - 1
                    });
                    &mut branch.items[at].1
                }
            };
        }
        let slots = &mut self.slots;
        *branch.slot.get_or_insert_with(|| {
            *slots += 1;
            Slot(*slots - 1)
        })
    }

    /// Whether any path continues below a member of the root.
    pub(crate) fn reads_below(&self, member: &str) -> bool {
        self.root.names.get(member).is_some_and(Branch::goes_on)
    }

    /// The member of the root that a slot's path starts with, and whether the path continues below it. `None` if the
    /// path does not start with a name.
    pub(crate) fn root_member(&self, slot: Slot) -> Option<(&str, bool)> {
        let (name, branch) = self.root.names.branches.iter().find(|(_, branch)| branch.leads_to(slot))?;
        Some((name, branch.slot != Some(slot)))
    }

    /// Finds what the paths select in a document.
    pub(crate) fn fill(&self, document: &Document<'_>, slots: &mut Slots) {
        slots.0.clear();
        slots.0.resize(self.slots as usize, None);
        self.root.fill(document, document.root(), slots);
    }
}

impl Branch {
    /// Whether any path continues below this branch.
    #[inline]
    fn goes_on(&self) -> bool {
        !self.names.is_empty() || !self.items.is_empty()
    }

    fn leads_to(&self, slot: Slot) -> bool {
        self.slot == Some(slot)
            || self.names.branches.iter().any(|(_, branch)| branch.leads_to(slot))
            || self.items.iter().any(|(_, branch)| branch.leads_to(slot))
    }

    /// Fills the slots of this branch, which leads to `node`. Most branches end there, and are not worth a call.
    #[inline(always)]
    fn fill(&self, document: &Document<'_>, node: NodeId, slots: &mut Slots) {
        if let Some(slot) = self.slot {
            slots.0[slot.0 as usize] = Some(node);
        }
        if self.goes_on() {
            self.fill_below(document, node, slots);
        }
    }

    /// Never inlined: otherwise the compiler merges the two functions into one that calls itself for every branch.
    #[inline(never)]
    fn fill_below(&self, document: &Document<'_>, node: NodeId, slots: &mut Slots) {
        match document.value(node) {
            NodeValue::Object if !self.names.is_empty() => {
                for (name, member) in document.members(node) {
                    if let Some(branch) = self.names.get(name) {
                        branch.fill(document, member, slots);
                    }
                }
            }
            NodeValue::Array => {
                for (index, branch) in &self.items {
                    if let Some(child) = item(document, node, *index) {
                        branch.fill(document, child, slots);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Follows singular steps from a node.
pub(crate) fn descend(document: &Document<'_>, from: NodeId, steps: &[Step]) -> Option<NodeId> {
    steps.iter().try_fold(from, |node, step| match step {
        Step::Name(name) => document.get(node, name),
        Step::Index(index) => item(document, node, *index),
    })
}

fn item(document: &Document<'_>, array: NodeId, index: i64) -> Option<NodeId> {
    if document.value(array) != NodeValue::Array {
        return None;
    }
    let skip = match usize::try_from(index) {
        Ok(from_start) => from_start,
        Err(_) => document.children(array).count().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
    };
    document.children(array).nth(skip)
}

/// A JSONPath that is not singular.
#[derive(Debug)]
pub(crate) struct Query(JpQuery);

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, JsonPathError> {
        jsonpath_rust::parser::parse_json_path(text).map(Self)
    }

    /// The nodes that the query selects below `from`, in the order of RFC 9535.
    pub(crate) fn select(&self, document: &Document<'_>, tree: &JsonTree, from: NodeId) -> Vec<NodeId> {
        let Some((value, node_of)) = tree.get(document, from) else {
            return Vec::new();
        };
        let found = jsonpath_rust::query::js_path_process(&self.0, value).unwrap_or_default();
        found.into_iter().filter_map(|found| node_of.get(&address(found.val())).copied()).collect()
    }
}

/// A document as a JSON value, created when the first query needs it.
#[derive(Debug, Default)]
pub(crate) struct JsonTree(OnceCell<JsonCopy>);

#[derive(Debug)]
struct JsonCopy {
    root: Box<Json>,
    /// The node that the value at an address was made from.
    node_of: FxHashMap<usize, NodeId>,
    /// Each node's position among its siblings.
    positions: Vec<u32>,
}

impl JsonTree {
    fn get(&self, document: &Document<'_>, from: NodeId) -> Option<(&Json, &FxHashMap<usize, NodeId>)> {
        let copy = self.0.get_or_init(|| {
            let mut copy = JsonCopy {
                root: Box::new(document.to_value(document.root())),
                node_of: FxHashMap::default(),
                positions: vec![0; document.len()],
            };
            pair(document, document.root(), &copy.root, &mut copy.node_of, &mut copy.positions);
            copy
        });
        Some((copy.find(document, from)?, &copy.node_of))
    }
}

impl JsonCopy {
    /// The value that was made from a node.
    fn find(&self, document: &Document<'_>, node: NodeId) -> Option<&Json> {
        let Some(parent) = document.parent(node) else {
            return Some(&self.root);
        };
        let position = *self.positions.get(node.index())? as usize;
        match self.find(document, parent)? {
            Json::Array(items) => items.get(position),
            Json::Object(members) => members.values().nth(position),
            _ => None,
        }
    }
}

/// Records the source node of each value: the two trees have the same order.
fn pair(
    document: &Document<'_>,
    node: NodeId,
    value: &Json,
    node_of: &mut FxHashMap<usize, NodeId>,
    positions: &mut [u32],
) {
    node_of.insert(address(value), node);
    let values: Box<dyn Iterator<Item = &Json>> = match value {
        Json::Array(items) => Box::new(items.iter()),
        Json::Object(members) => Box::new(members.values()),
        _ => return,
    };
    for (position, (child, value)) in document.children(node).zip(values).enumerate() {
        if let Some(slot) = positions.get_mut(child.index()) {
            *slot = position as u32;
        }
        pair(document, child, value, node_of, positions);
    }
}

fn address(value: &Json) -> usize {
    std::ptr::from_ref(value).addr()
}
