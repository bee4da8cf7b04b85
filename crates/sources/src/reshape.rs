//! One document made from another: the tree operations behind the decode steps of a mapping.
//!
//! A log often arrives wrapped (in a CloudWatch Logs subscription, an EventBridge event, an SNS message), and the same log
//! has other field names from one collector to the next. These functions make the document that a mapping expects out of
//! the one that came. They copy nodes, never texts, and take time linear in the document.

use crate::document::Document;
use crate::node::{Node, NodeId, NodeValue};

/// The member of an unwrapped event that holds what was around it.
pub const ENVELOPE_KEY: &str = "_envelope";

/// The member that holds the values captured from the key of the object that the event is in.
pub const OBJECT_KEY: &str = "_key";

/// New names for members that only Sluice may write, where a log brings its own: it must not pass for an envelope.
const RESERVED: [(&str, &str); 2] = [(ENVELOPE_KEY, "event._envelope"), (OBJECT_KEY, "event._key")];

/// What is put into another place of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved<'a> {
    /// A node, which leaves its old place.
    Node(NodeId),
    /// A node that is in its old place as well.
    CopyOf(NodeId),
    /// A text that is new.
    Text(&'a str),
}

/// Something that is put into a place.
#[derive(Clone, Copy, Debug)]
pub struct Move<'a> {
    /// What.
    pub what: Moved<'a>,
    /// Member names that lead from the root to its new place; not empty.
    pub to: &'a [String],
    /// The last of those names, if it is not the last item of `to`.
    pub name: Option<&'a str>,
}

impl<'a> Move<'a> {
    /// The name at a level of the new place.
    fn name_at(&self, depth: usize) -> Option<&'a str> {
        match self.to.get(depth) {
            Some(name) => Some(name),
            None => self.name.filter(|_| depth == self.to.len()),
        }
    }

    fn depth(&self) -> usize {
        self.to.len() + usize::from(self.name.is_some())
    }

    /// Whether one of two places is the other, or within it.
    fn conflicts(&self, other: &Self) -> bool {
        (0..self.depth().min(other.depth())).all(|depth| self.name_at(depth) == other.name_at(depth))
    }
}

impl<'a> Document<'a> {
    /// The subtree at `node` as a document of its own, with [`ENVELOPE_KEY`] first: the members of the old root without
    /// `left_out`, which is `node` or holds it. A node that is no object becomes the member `value`.
    ///
    /// If the old root was unwrapped itself, there is one envelope with the members of both. Where both have a name, the
    /// inner one has it, and the outer one is in an envelope within the envelope.
    #[must_use]
    pub fn unwrapped(&self, node: NodeId, left_out: NodeId) -> Self {
        let outer = self.get(self.root(), ENVELOPE_KEY);
        let skipped = [left_out].into_iter().chain(outer).collect();
        let mut copy = Copy::new(self, skipped);
        copy.begin(None, NodeValue::Object);
        copy.begin(Some(ENVELOPE_KEY), NodeValue::Object);
        for child in self.children(self.root()) {
            copy.subtree(child, self.key(child));
        }
        copy.skipped.clear();
        let taken = |child: &NodeId| {
            let same = self.key(*child).and_then(|key| self.get(self.root(), key));
            same.is_some_and(|same| same != left_out && Some(same) != outer)
        };
        let (hidden, free): (Vec<_>, Vec<_>) =
            outer.into_iter().flat_map(|outer| self.children(outer)).partition(taken);
        for child in free {
            copy.subtree(child, self.key(child));
        }
        if !hidden.is_empty() {
            copy.begin(Some(ENVELOPE_KEY), NodeValue::Object);
            for child in hidden {
                copy.subtree(child, self.key(child));
            }
            copy.end();
        }
        copy.end();
        if self.value(node) == NodeValue::Object {
            for child in self.children(node) {
                copy.subtree(child, self.key(child).map(unreserved));
            }
        } else {
            copy.subtree(node, Some("value"));
        }
        copy.end();
        copy.finish()
    }

    /// The document with only one of the elements of an array.
    #[must_use]
    pub fn with_one_element(&self, array: NodeId, kept: NodeId) -> Self {
        let mut copy = Copy::new(self, self.children(array).filter(|element| *element != kept).collect());
        copy.subtree(self.root(), None);
        copy.finish()
    }

    /// The document with another one in the place of a node.
    #[must_use]
    pub fn with_replaced(&self, node: NodeId, by: &Document<'a>) -> Self {
        let mut copy = Copy::new(self, Vec::new());
        copy.replaced = Some((node, by));
        copy.subtree(self.root(), None);
        copy.finish()
    }

    /// The document with nodes in other places. A move to a place that is taken, or through one that is no object, is
    /// not made: a field that has the name already is not lost.
    #[must_use]
    pub fn with_moves(&self, moves: &[Move<'a>]) -> Self {
        let leaving = |moves: &[Move<'a>]| {
            let nodes = moves.iter().filter_map(|step| match step.what {
                Moved::Node(node) => Some(node),
                Moved::CopyOf(_) | Moved::Text(_) => None,
            });
            nodes.collect()
        };
        let copy = Copy::new(self, leaving(moves));
        let mut made: Vec<Move<'a>> = Vec::with_capacity(moves.len());
        for step in moves {
            if copy.is_free(step) && !made.iter().any(|other| other.conflicts(step)) {
                made.push(*step);
            }
        }
        let mut copy = Copy::new(self, leaving(&made));
        copy.merged(Some(self.root()), None, &made, 0);
        copy.finish()
    }

    /// The document with an object of texts as the first member of its root; as it is, if its root is no object.
    #[must_use]
    pub fn with_member(&self, key: &'a str, texts: &[(&'a str, &'a str)]) -> Self {
        if self.value(self.root()) != NodeValue::Object {
            return self.clone();
        }
        let mut copy = Copy::new(self, Vec::new());
        copy.begin(None, NodeValue::Object);
        copy.begin(Some(key), NodeValue::Object);
        for (key, text) in texts {
            copy.leaf(Some(key), NodeValue::String(text));
        }
        copy.end();
        for child in self.children(self.root()) {
            copy.subtree(child, self.key(child));
        }
        copy.end();
        copy.finish()
    }

    /// Gives texts among the members of an object another value.
    pub fn rewrite_texts(&mut self, object: NodeId, value_of: impl Fn(&str, &'a str) -> Option<&'a str>) {
        let range = self.subtree(object);
        let mut next = range.start + 1;
        while next < range.end {
            let Some(node) = self.node_mut(next) else { break };
            if let (Some(key), NodeValue::String(text)) = (node.key, node.value)
                && let Some(other) = value_of(key, text)
            {
                node.value = NodeValue::String(other);
            }
            next = node.end;
        }
    }

    /// Gives members of the root another name that have one which only Sluice may use.
    pub fn rename_reserved(&mut self) {
        let mut next = 1;
        while let Some(node) = self.node_mut(next) {
            if let Some(key) = &mut node.key {
                *key = unreserved(key);
            }
            next = node.end;
        }
    }
}

fn unreserved(key: &str) -> &str {
    match key.as_bytes().first() {
        Some(b'_') => RESERVED.iter().find(|(reserved, _)| *reserved == key).map_or(key, |(_, other)| other),
        _ => key,
    }
}

/// A document that is being made from another.
struct Copy<'d, 'a> {
    document: &'d Document<'a>,
    /// Subtrees that are left out, in ascending order.
    skipped: Vec<NodeId>,
    /// A subtree that another document stands in for.
    replaced: Option<(NodeId, &'d Document<'a>)>,
    nodes: Vec<Node<'a>>,
    open: Vec<u32>,
}

impl<'d, 'a> Copy<'d, 'a> {
    fn new(document: &'d Document<'a>, mut skipped: Vec<NodeId>) -> Self {
        skipped.sort_unstable();
        let nodes = Vec::with_capacity(document.len() + 8);
        Self { document, skipped, replaced: None, nodes, open: Vec::new() }
    }

    fn push(&mut self, key: Option<&'a str>, value: NodeValue<'a>) {
        let at = self.nodes.len() as u32;
        let parent = self.open.last().copied().unwrap_or(at);
        self.nodes.push(Node { key, value, end: at + 1, parent });
    }

    fn begin(&mut self, key: Option<&'a str>, value: NodeValue<'a>) {
        let at = self.nodes.len() as u32;
        self.push(key, value);
        self.open.push(at);
    }

    fn leaf(&mut self, key: Option<&'a str>, value: NodeValue<'a>) {
        self.push(key, value);
    }

    fn end(&mut self) {
        let end = self.nodes.len() as u32;
        if let Some(node) = self.open.pop().and_then(|at| self.nodes.get_mut(at as usize)) {
            node.end = end;
        }
    }

    fn is_skipped(&self, node: NodeId) -> bool {
        self.skipped.binary_search(&node).is_ok()
    }

    /// A subtree without what is left out, under another name.
    fn subtree(&mut self, node: NodeId, key: Option<&'a str>) {
        if self.is_skipped(node) {
            return;
        }
        if let Some((replaced, by)) = self.replaced
            && replaced == node
        {
            let mut copy = Copy::new(by, Vec::new());
            std::mem::swap(&mut copy.nodes, &mut self.nodes);
            std::mem::swap(&mut copy.open, &mut self.open);
            copy.subtree(by.root(), key);
            (self.nodes, self.open) = (copy.nodes, copy.open);
            return;
        }
        let value = self.document.value(node);
        if !value.is_container() {
            return self.leaf(key, value);
        }
        self.begin(key, value);
        let document = self.document;
        for child in document.children(node) {
            self.subtree(child, document.key(child));
        }
        self.end();
    }

    /// Whether nothing that stays is in the place that a node moves to.
    fn is_free(&self, step: &Move<'a>) -> bool {
        let mut node = self.document.root();
        for depth in 0..step.depth() {
            let next = step.name_at(depth).and_then(|name| self.document.get(node, name));
            match next.filter(|next| !self.is_skipped(*next)) {
                Some(next) => node = next,
                None => return self.document.value(node) == NodeValue::Object,
            }
        }
        false
    }

    /// The object at `node`, where there is one, with the nodes that move into it; their names from `depth` on count.
    fn merged(&mut self, node: Option<NodeId>, key: Option<&'a str>, moves: &[Move<'a>], depth: usize) {
        self.begin(key, NodeValue::Object);
        let document = self.document;
        let mut done: Vec<&str> = Vec::new();
        for child in node.into_iter().flat_map(|node| document.children(node)) {
            let Some(name) = document.key(child).filter(|_| !self.is_skipped(child)) else { continue };
            let below: Vec<Move<'a>> = moves.iter().filter(|step| step.name_at(depth) == Some(name)).copied().collect();
            if below.is_empty() {
                self.subtree(child, Some(name));
            } else {
                done.push(name);
                self.merged(Some(child), Some(name), &below, depth + 1);
            }
        }
        for step in moves {
            let Some(name) = step.name_at(depth).filter(|name| !done.contains(name)) else { continue };
            if step.depth() == depth + 1 {
                match step.what {
                    Moved::Text(text) => self.leaf(Some(name), NodeValue::String(text)),
                    Moved::Node(node) | Moved::CopyOf(node) => {
                        let skipped = std::mem::take(&mut self.skipped);
                        self.subtree(node, Some(name));
                        self.skipped = skipped;
                    }
                }
            } else {
                done.push(name);
                let below: Vec<Move<'a>> =
                    moves.iter().filter(|other| other.name_at(depth) == Some(name)).copied().collect();
                self.merged(None, Some(name), &below, depth + 1);
            }
        }
        self.end();
    }

    fn finish(self) -> Document<'a> {
        self.document.with_nodes(self.nodes)
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::*;

    fn moved(input: &str, moves: &[(&[&str], &[&str], bool)]) -> String {
        let bump = Bump::new();
        let document = Document::parse(input.as_bytes(), &bump).unwrap();
        let targets: Vec<Vec<String>> =
            moves.iter().map(|(_, to, _)| to.iter().map(|name| (*name).to_owned()).collect()).collect();
        let targets = bump.alloc_slice_fill_iter(targets);
        let moves: Vec<Move<'_>> = moves
            .iter()
            .zip(targets.iter())
            .filter_map(|((from, _, keep), to)| {
                let node = document.find(from)?;
                Some(Move { what: if *keep { Moved::CopyOf(node) } else { Moved::Node(node) }, to, name: None })
            })
            .collect();
        let made = document.with_moves(&moves);
        assert_eq!(Document::parse(made.to_json(NodeId::ROOT).as_bytes(), &bump).unwrap().len(), made.len());
        made.to_json(NodeId::ROOT)
    }

    #[test]
    fn nodes_move_to_new_places_and_into_objects_that_are_there() {
        let input = r#"{"winlog":{"id":1,"data":{"a":[1,{"b":2}]}},"kept":true,"Event":{"x":1}}"#;
        assert_eq!(
            moved(input, &[(&["winlog", "id"], &["Id"], false), (&["winlog", "data"], &["Event", "Data"], false)]),
            r#"{"winlog":{},"kept":true,"Event":{"x":1,"Data":{"a":[1,{"b":2}]}},"Id":1}"#
        );
        assert_eq!(
            moved(r#"{"a":1,"b":2}"#, &[(&["a"], &["x", "y"], false), (&["b"], &["x", "z"], true)]),
            r#"{"b":2,"x":{"y":1,"z":2}}"#
        );
        // Names may be exchanged.
        assert_eq!(moved(r#"{"a":1,"b":2}"#, &[(&["a"], &["b"], false), (&["b"], &["a"], false)]), r#"{"b":1,"a":2}"#);
    }

    #[test]
    fn a_field_that_has_the_name_already_is_kept_and_the_move_is_not_made() {
        assert_eq!(moved(r#"{"a":1,"b":2}"#, &[(&["a"], &["b"], false)]), r#"{"a":1,"b":2}"#);
        assert_eq!(moved(r#"{"a":1,"b":2}"#, &[(&["a"], &["b", "c"], false)]), r#"{"a":1,"b":2}"#);
        assert_eq!(
            moved(r#"{"a":1,"b":2}"#, &[(&["a"], &["c"], false), (&["b"], &["c", "d"], false)]),
            r#"{"b":2,"c":1}"#
        );
    }

    #[test]
    fn an_event_is_taken_out_of_its_envelope() {
        let bump = Bump::new();
        let input = br#"{"owner":"1","events":[{"id":0,"_envelope":"fake"},"text"],"x":{"y":null}}"#;
        let document = Document::parse(input, &bump).unwrap();
        let events = document.find(&["events"]).unwrap();
        let unwrapped: Vec<String> =
            document.children(events).map(|event| document.unwrapped(event, events).to_json(NodeId::ROOT)).collect();
        assert_eq!(
            unwrapped,
            [
                r#"{"_envelope":{"owner":"1","x":{"y":null}},"id":0,"event._envelope":"fake"}"#,
                r#"{"_envelope":{"owner":"1","x":{"y":null}},"value":"text"}"#
            ]
        );
        let second = document.children(events).nth(1).unwrap();
        assert_eq!(
            document.with_one_element(events, second).to_json(NodeId::ROOT),
            r#"{"owner":"1","events":["text"],"x":{"y":null}}"#
        );
    }

    #[test]
    fn an_envelope_within_another_is_one_envelope() {
        let bump = Bump::new();
        let input = br#"{"id":1,"topic":"t","inner":{"id":2,"group":"g","event":{"a":1}}}"#;
        let document = Document::parse(input, &bump).unwrap();
        let inner = document.find(&["inner"]).unwrap();
        let once = document.unwrapped(inner, inner);
        let event = once.find(&["event"]).unwrap();
        assert_eq!(
            once.unwrapped(event, event).to_json(NodeId::ROOT),
            r#"{"_envelope":{"id":2,"group":"g","topic":"t","_envelope":{"id":1}},"a":1}"#
        );
    }

    #[test]
    fn a_text_is_replaced_by_what_it_says() {
        let bump = Bump::new();
        let document = Document::parse(br#"{"a":{"m":"{}"},"z":1}"#, &bump).unwrap();
        let inner = Document::parse(br#"{"k":[1,2]}"#, &bump).unwrap();
        let made = document.with_replaced(document.find(&["a", "m"]).unwrap(), &inner);
        assert_eq!(made.to_json(NodeId::ROOT), r#"{"a":{"m":{"k":[1,2]}},"z":1}"#);
        assert_eq!(made.find(&["a", "m", "k"]).map(|node| made.children(node).count()), Some(2));
    }

    #[test]
    fn names_that_only_sluice_may_use_are_taken_from_a_log() {
        let bump = Bump::new();
        let mut document = Document::parse(br#"{"_envelope":{"_key":1},"_key":2,"_k":3}"#, &bump).unwrap();
        document.rename_reserved();
        let document = document.with_member(OBJECT_KEY, &[("account", "1")]);
        assert_eq!(
            document.to_json(NodeId::ROOT),
            r#"{"_key":{"account":"1"},"event._envelope":{"_key":1},"event._key":2,"_k":3}"#
        );
    }
}
