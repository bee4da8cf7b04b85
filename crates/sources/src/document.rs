//! One raw event as a tree.
//!
//! Every decoder of this crate ends here and every mapping starts here: a [`Document`] is what a plan reads its values
//! from. It is flat: nodes in preorder in one vector, a node's subtree being a contiguous range, so that walking what
//! no mapping consumed is a loop over indices. Keys and strings point into the input where it spells them without an
//! escape, else into the caller's [`Bump`]; numbers keep the text they had, because a flow id of 19 digits or a `1.0`
//! must reach the lake as it was logged.
//!
//! One document lives for one record. [`DocumentBuffer`] keeps the vector between records, so that the steady state
//! allocates nothing but what the Bump hands out.

use std::ops::Range;

use bumpalo::Bump;

use crate::document_error::DocumentError;
use crate::json;
use crate::node::{Node, NodeId, NodeValue};

/// Most nodes that a [`DocumentBuffer`] keeps room for: 3 MiB.
const KEPT_NODES: usize = 1 << 16;

/// One raw event: a tree of borrowed nodes.
///
/// ```
/// use bumpalo::Bump;
/// use sources::{Document, NodeId, NodeValue};
///
/// let bump = Bump::new();
/// let document = Document::parse(br#"{"EventId": 1, "tags": ["a", "b"]}"#, &bump)?;
/// let id = document.get(NodeId::ROOT, "EventId").expect("is there");
/// assert_eq!(document.value(id), NodeValue::Number("1"));
/// let tags = document.get(NodeId::ROOT, "tags").expect("is there");
/// assert_eq!(document.children(tags).count(), 2);
/// # Ok::<(), sources::DocumentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Document<'a> {
    /// In preorder, never empty.
    nodes: Vec<Node<'a>>,
    notes: json::Notes,
    /// Empty, which costs nothing, for nearly every document.
    repeated_names: Vec<&'a str>,
}

/// The allocations of a document, kept between records.
///
/// ```
/// use bumpalo::Bump;
/// use sources::DocumentBuffer;
///
/// let mut buffer = DocumentBuffer::default();
/// let mut bump = Bump::new();
/// for line in [&br#"{"a":1}"#[..], br#"{"a":2}"#] {
///     let document = buffer.parse(line, &bump)?;
///     assert_eq!(document.len(), 2);
///     buffer.recycle(document);
///     bump.reset();
/// }
/// # Ok::<(), sources::DocumentError>(())
/// ```
#[derive(Debug, Default)]
pub struct DocumentBuffer {
    nodes: Vec<Node<'static>>,
    scratch: json::Scratch,
}

impl DocumentBuffer {
    /// [`Document::parse`] into the memory of this buffer.
    ///
    /// # Errors
    /// As [`Document::parse`]. The memory stays with the buffer.
    pub fn parse<'a>(&mut self, input: &'a [u8], bump: &'a Bump) -> Result<Document<'a>, DocumentError> {
        let mut nodes = self.take();
        match json::parse(input, bump, &mut nodes, &mut self.scratch) {
            Ok(notes) => Ok(Document { nodes, notes, repeated_names: Vec::new() }),
            Err(error) => {
                self.nodes = emptied(nodes);
                Err(error)
            }
        }
    }

    /// Takes a document's memory back for the next record. That of a giant is let go.
    pub fn recycle(&mut self, document: Document<'_>) {
        let nodes = emptied(document.nodes);
        if nodes.capacity() > self.nodes.capacity() && nodes.capacity() <= KEPT_NODES {
            self.nodes = nodes;
        }
    }

    /// The memory, for the builders of this crate.
    pub(crate) fn take<'a>(&mut self) -> Vec<Node<'a>> {
        emptied(std::mem::take(&mut self.nodes))
    }
}

/// An empty vector in the same memory with another lifetime: the standard library collects a mapped vector in place.
fn emptied<'b>(mut nodes: Vec<Node<'_>>) -> Vec<Node<'b>> {
    nodes.clear();
    nodes.into_iter().map(|_| Node { key: None, value: NodeValue::Null, end: 0, parent: 0 }).collect()
}

impl<'a> Document<'a> {
    /// Reads one JSON document (RFC 8259) that fills `input` but for white space and a leading byte order mark.
    ///
    /// Of members of one object with the same key the last one counts, as in every common JSON reader; the others are
    /// not in the tree, only in [`Document::duplicate_keys`]. An escaped lone surrogate (`\ud800`) has no text in UTF-8
    /// and becomes U+FFFD, which is what the .NET encoder of the Windows agents makes of it too; refusing it would let
    /// a file name keep its record out of the lake. [`Document::replaced_surrogates`] tells.
    ///
    /// # Errors
    /// Bytes that are not UTF-8, are not JSON or have more than white space after the document; more than
    /// [`DEPTH_LIMIT`] levels or [`NODE_LIMIT`] values.
    pub fn parse(input: &'a [u8], bump: &'a Bump) -> Result<Self, DocumentError> {
        DocumentBuffer::default().parse(input, bump)
    }

    /// How many nodes there are, at least one.
    #[inline]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a document always has its root")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The root node.
    #[inline]
    #[must_use]
    pub fn root(&self) -> NodeId {
        NodeId::ROOT
    }

    /// What the node holds. A node id of another document gives that of no node: `Null`.
    #[inline]
    #[must_use]
    pub fn value(&self, node: NodeId) -> NodeValue<'a> {
        self.nodes.get(node.index()).map_or(NodeValue::Null, |n| n.value)
    }

    /// The member name, if the node's parent is an object.
    #[inline]
    #[must_use]
    pub fn key(&self, node: NodeId) -> Option<&'a str> {
        self.nodes.get(node.index()).and_then(|n| n.key)
    }

    /// The object or array that holds the node; `None` for the root.
    #[inline]
    #[must_use]
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        if node == NodeId::ROOT { None } else { self.nodes.get(node.index()).map(|n| NodeId(n.parent)) }
    }

    /// Ids of the node and all its descendants, in preorder.
    #[inline]
    #[must_use]
    pub fn subtree(&self, node: NodeId) -> Range<u32> {
        node.0..self.end(node)
    }

    /// Members or elements of a node in order; nothing for a scalar.
    #[inline]
    #[must_use]
    pub fn children(&self, node: NodeId) -> Children<'_, 'a> {
        Children { document: self, next: node.0.saturating_add(1), end: self.end(node) }
    }

    /// Names and nodes of an object's members in order; nothing for any other value.
    #[inline]
    pub fn members(&self, object: NodeId) -> impl Iterator<Item = (&'a str, NodeId)> {
        let nodes = self.nodes.get(..self.end(object) as usize).unwrap_or_default();
        let mut next = object.0.saturating_add(1);
        std::iter::from_fn(move || {
            let (node, member) = (NodeId(next), nodes.get(next as usize)?);
            next = member.end;
            Some((member.key?, node))
        })
    }

    /// The member of an object with that name.
    #[inline]
    #[must_use]
    pub fn get(&self, node: NodeId, key: &str) -> Option<NodeId> {
        self.children(node).find(|&child| self.key(child) == Some(key))
    }

    /// The node at a path of member names from the root.
    #[must_use]
    pub fn find<K: AsRef<str>>(&self, path: &[K]) -> Option<NodeId> {
        path.iter().try_fold(NodeId::ROOT, |node, key| self.get(node, key.as_ref()))
    }

    /// How many members were dropped because a later member of the same object had the same key.
    #[must_use]
    pub fn duplicate_keys(&self) -> usize {
        self.notes.duplicate_keys
    }

    /// True if a lone surrogate escape was replaced by U+FFFD.
    #[must_use]
    pub fn replaced_surrogates(&self) -> bool {
        self.notes.replaced_surrogates
    }

    /// How many lines of a rendered message start with the name of a field and are part of a value; see
    /// [`TextFields`](crate::TextFields).
    #[must_use]
    pub fn repeated_fields(&self) -> usize {
        self.notes.repeated_fields
    }

    /// The names of these lines, each once: the fields that the message, read in another way, may have other values
    /// for.
    #[must_use]
    pub fn repeated_names(&self) -> &[&'a str] {
        &self.repeated_names
    }

    /// The subtree as JSON text. Numbers keep their text.
    #[must_use]
    pub fn to_json(&self, node: NodeId) -> String {
        let mut text = String::new();
        self.write_json(node, &mut text);
        text
    }

    /// Appends [`Document::to_json`] to `out`.
    pub fn write_json(&self, node: NodeId, out: &mut String) {
        match self.value(node) {
            NodeValue::Null => out.push_str("null"),
            NodeValue::Bool(true) => out.push_str("true"),
            NodeValue::Bool(false) => out.push_str("false"),
            NodeValue::Number(text) => out.push_str(text),
            NodeValue::String(text) => write_json_string(text, out),
            NodeValue::Array => {
                out.push('[');
                for (position, child) in self.children(node).enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    self.write_json(child, out);
                }
                out.push(']');
            }
            NodeValue::Object => {
                out.push('{');
                for (position, child) in self.children(node).enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    write_json_string(self.key(child).unwrap_or_default(), out);
                    out.push(':');
                    self.write_json(child, out);
                }
                out.push('}');
            }
        }
    }

    /// The subtree as a `serde_json` value, for tools and tests. Numbers that are neither `i64`, `u64` nor `f64`
    /// lose digits here; use [`Document::to_json`] where that matters.
    #[must_use]
    pub fn to_value(&self, node: NodeId) -> serde_json::Value {
        match self.value(node) {
            NodeValue::Null => serde_json::Value::Null,
            NodeValue::Bool(value) => value.into(),
            NodeValue::Number(text) => {
                serde_json::from_str(text).map_or_else(|_| text.into(), serde_json::Value::Number)
            }
            NodeValue::String(text) => text.into(),
            NodeValue::Array => self.children(node).map(|child| self.to_value(child)).collect(),
            NodeValue::Object => serde_json::Value::Object(
                self.children(node)
                    .map(|child| (self.key(child).unwrap_or_default().to_owned(), self.to_value(child)))
                    .collect(),
            ),
        }
    }

    /// A document from nodes built elsewhere in this crate.
    pub(crate) fn from_nodes(nodes: Vec<Node<'a>>) -> Self {
        debug_assert!(!nodes.is_empty(), "a document has a root");
        Self { nodes, notes: json::Notes::default(), repeated_names: Vec::new() }
    }

    /// Other nodes, made from those of this document.
    pub(crate) fn with_nodes(&self, nodes: Vec<Node<'a>>) -> Self {
        debug_assert!(!nodes.is_empty(), "a document has a root");
        Self { nodes, notes: self.notes, repeated_names: self.repeated_names.clone() }
    }

    pub(crate) fn node_mut(&mut self, at: u32) -> Option<&mut Node<'a>> {
        self.nodes.get_mut(at as usize)
    }

    /// Notes lines of a rendered message that name a field and are part of a value.
    pub(crate) fn note_repeated(&mut self, lines: usize, names: Vec<&'a str>) {
        self.notes.repeated_fields += lines;
        self.repeated_names = names;
    }

    /// Puts an object where the leaf `node` is, with the string members that `fill` adds; ids after it move up by their
    /// number. False, and the document is as before, if there are none or the node is no leaf.
    pub(crate) fn replace_with_object(&mut self, node: NodeId, fill: impl FnOnce(&mut Members<'_, 'a>)) -> bool {
        let at = node.index();
        if self.nodes.get(at).is_none_or(|leaf| leaf.end != node.0 + 1) {
            return false;
        }
        let before = self.nodes.len();
        // Members go to the end first and are rotated into place: their number is not known before.
        fill(&mut Members { nodes: &mut self.nodes, before, parent: node.0 });
        let added = self.nodes.len() - before;
        if added == 0 {
            return false;
        }
        let Some((ancestors, tail)) = self.nodes.split_at_mut_checked(at + 1) else { return false };
        tail.rotate_right(added);
        let added = added as u32;
        for later in tail.iter_mut().skip(added as usize) {
            later.end += added;
            if later.parent > node.0 {
                later.parent += added;
            }
        }
        for ancestor in ancestors.iter_mut().filter(|ancestor| ancestor.end > node.0) {
            ancestor.end += added;
        }
        if let Some(leaf) = ancestors.last_mut() {
            leaf.value = NodeValue::Object;
        }
        true
    }

    #[inline]
    fn end(&self, node: NodeId) -> u32 {
        self.nodes.get(node.index()).map_or(node.0, |n| n.end)
    }
}

/// The members of an object that is made of a leaf.
pub(crate) struct Members<'d, 'a> {
    nodes: &'d mut Vec<Node<'a>>,
    /// How many nodes there were without them.
    before: usize,
    parent: u32,
}

impl<'a> Members<'_, 'a> {
    #[inline]
    pub(crate) fn add(&mut self, key: &'a str, text: &'a str) {
        let end = self.parent + 2 + (self.nodes.len() - self.before) as u32;
        self.nodes.push(Node { key: Some(key), value: NodeValue::String(text), end, parent: self.parent });
    }

    /// Takes all members back.
    pub(crate) fn clear(&mut self) {
        self.nodes.truncate(self.before);
    }
}

pub(crate) fn write_json_string(text: &str, out: &mut String) {
    // Serialising a &str cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Iterator over the members or elements of a node; see [`Document::children`].
#[derive(Clone, Debug)]
pub struct Children<'d, 'a> {
    document: &'d Document<'a>,
    next: u32,
    end: u32,
}

impl Iterator for Children<'_, '_> {
    type Item = NodeId;

    #[inline]
    fn next(&mut self) -> Option<NodeId> {
        if self.next >= self.end {
            return None;
        }
        let child = NodeId(self.next);
        self.next = self.document.end(child);
        Some(child)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document_error::{DEPTH_LIMIT, NODE_LIMIT};

    fn check(input: &str, expected: &str) {
        let bump = Bump::new();
        let document = Document::parse(input.as_bytes(), &bump).unwrap();
        assert_eq!(document.to_json(NodeId::ROOT), expected, "{input}");
        check_shape(&document);
    }

    /// Every id leads back to its parent, and subtrees nest.
    pub(crate) fn check_shape(document: &Document<'_>) {
        fn walk(document: &Document<'_>, node: NodeId, next: &mut u32) {
            assert_eq!(node.0, *next, "preorder");
            *next += 1;
            for child in document.children(node) {
                assert_eq!(document.parent(child), Some(node));
                assert_eq!(document.key(child).is_some(), document.value(node) == NodeValue::Object);
                walk(document, child, next);
            }
            assert_eq!(document.subtree(node), node.0..*next);
        }
        let mut next = 0;
        walk(document, NodeId::ROOT, &mut next);
        assert_eq!(document.len(), next as usize);
    }

    fn error(input: &[u8]) -> DocumentError {
        Document::parse(input, &Bump::new()).unwrap_err()
    }

    #[test]
    fn only_objects_have_members() {
        let bump = Bump::new();
        let document = Document::parse(br#"{"a":{"x":1},"b":[{"y":2}],"c":"t"}"#, &bump).unwrap();
        let members = |node| document.members(node).collect::<Vec<_>>();
        assert_eq!(members(NodeId::ROOT), [("a", NodeId(1)), ("b", NodeId(3)), ("c", NodeId(6))]);
        assert_eq!(members(NodeId(1)), [("x", NodeId(2))]);
        for other in [3, 6, 7] {
            assert!(members(NodeId(other)).is_empty(), "{other}");
        }
    }

    #[test]
    fn numbers_keep_their_text() {
        let numbers = r#"[0,-0,-1,550941191520756123456,18446744073709551615,18446744073709551616,-9223372036854775808,-9223372036854775809,1.0,1e5,1E+5,1.50,0.1e-7,-0.0]"#;
        check(numbers, numbers);
        check("1.10", "1.10");
    }

    #[test]
    fn values_of_all_kinds_may_follow_each_other() {
        check(r#"[{"a":1},2,{"b":[]},[3]]"#, r#"[{"a":1},2,{"b":[]},[3]]"#);
        check(
            r#"{"a":"x","b":[true,null,{"c":1.0}],"d":[],"e":2.50}"#,
            r#"{"a":"x","b":[true,null,{"c":1.0}],"d":[],"e":2.50}"#,
        );
    }

    #[test]
    fn strings_without_escape_point_into_the_input() {
        let input = br#"{"plain":"text","esc\u0061ped":"a\nb"}"#.to_vec();
        let bump = Bump::new();
        let document = Document::parse(&input, &bump).unwrap();
        let inside = |text: &str| input.as_ptr_range().contains(&text.as_ptr());
        let plain = document.get(NodeId::ROOT, "plain").unwrap();
        assert!(inside(document.key(plain).unwrap()) && inside(document.value(plain).text().unwrap()));
        let escaped = document.get(NodeId::ROOT, "escaped").unwrap();
        assert_eq!(document.value(escaped), NodeValue::String("a\nb"));
    }

    #[test]
    fn of_equal_keys_the_last_counts() {
        check(r#"{"a":1,"b":{"x":[1,2]},"b":3}"#, r#"{"a":1,"b":3}"#);
        check(
            r#"{"b":{"x":1,"x":{"y":2}},"c":[{"b":1,"\u0062":2.0}],"b":{"x":4,"z":5,"x":6}}"#,
            r#"{"c":[{"b":2.0}],"b":{"z":5,"x":6}}"#,
        );
        check(r#"{"":1,"":2}"#, r#"{"":2}"#);

        let many: Vec<String> = (0..500).map(|n| format!(r#""k{}":{n}"#, n % 250)).collect();
        let input = format!("{{{}}}", many.join(","));
        let bump = Bump::new();
        let document = Document::parse(input.as_bytes(), &bump).unwrap();
        assert_eq!(document.duplicate_keys(), 250);
        assert_eq!(document.value(document.get(NodeId::ROOT, "k7").unwrap()), NodeValue::Number("257"));
        check_shape(&document);
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        check(&nested(DEPTH_LIMIT), &nested(DEPTH_LIMIT));
        assert_eq!(error(nested(DEPTH_LIMIT + 1).as_bytes()), DocumentError::TooDeep);
        assert_eq!(error("[".repeat(1_000_000).as_bytes()), DocumentError::TooDeep);
        assert_eq!(error(r#"{"a":"#.repeat(1_000_000).as_bytes()), DocumentError::TooDeep);
    }

    #[test]
    fn a_line_of_nothing_but_values_is_refused() {
        let input = format!("[{}0]", "0,".repeat(NODE_LIMIT));
        assert_eq!(error(input.as_bytes()), DocumentError::TooManyNodes);
    }

    #[test]
    fn bad_utf8_is_named_by_offset() {
        assert_eq!(error(b"{\"a\":\"\xff\"}"), DocumentError::NotUtf8 { offset: 6 });
        assert_eq!(error(b"\"\xe2\x82"), DocumentError::NotUtf8 { offset: 1 });
    }

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        let bump = Bump::new();
        for (input, expected) in [
            (r#"["\ud800"]"#, "\u{fffd}"),
            (r#"["x\udc00y"]"#, "x\u{fffd}y"),
            (r#"["\ud800\u0041"]"#, "\u{fffd}A"),
            (r#"["\uD83D\uD83D\uDE00"]"#, "\u{fffd}\u{1f600}"),
        ] {
            let document = Document::parse(input.as_bytes(), &bump).unwrap();
            assert_eq!(document.value(NodeId(1)), NodeValue::String(expected), "{input}");
            assert!(document.replaced_surrogates());
        }
        let document = Document::parse(br#"["\ud83d\ude00"]"#, &bump).unwrap();
        assert_eq!(document.value(NodeId(1)), NodeValue::String("\u{1f600}"));
        assert!(!document.replaced_surrogates());
    }

    #[test]
    fn what_is_not_one_json_document_is_an_error_with_its_offset() {
        let offset = |input: &str| match error(input.as_bytes()) {
            DocumentError::Syntax { offset, reason } => {
                assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
                offset
            }
            other => panic!("{other}"),
        };
        assert!(offset(r#"{"a":1} x"#) >= 7);
        assert!(offset(r#"{"a":tru}"#) >= 5);
        for bad in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            r#"{"a":1,}"#,
            r#"{"a"}"#,
            "01",
            "1.",
            "-",
            "+1",
            ".5",
            "nul",
            "\"a\nb\"",
            "'a'",
            "[1 2]",
            "{} {}",
            "\"\\x\"",
        ] {
            offset(bad);
        }
    }

    #[test]
    fn nul_bytes_and_a_byte_order_mark_are_no_obstacle() {
        check("\u{feff}{\"a\":\"x\\u0000y\"}", r#"{"a":"x\u0000y"}"#);
        check(" \t\r\n[ ] \n", "[]");
    }

    #[test]
    fn a_buffer_is_used_again() {
        let mut buffer = DocumentBuffer::default();
        let bump = Bump::new();
        let document = buffer.parse(b"[1,2,3,4,5,6,7,8,9]", &bump).unwrap();
        let place = document.nodes.as_ptr() as usize;
        buffer.recycle(document);
        assert!(buffer.parse(b"[1,2", &bump).is_err());
        let document = buffer.parse(b"[1,2,3]", &bump).unwrap();
        assert_eq!(document.nodes.as_ptr() as usize, place);
    }

    #[test]
    fn a_leaf_is_replaced_by_an_object() {
        let bump = Bump::new();
        for (path, expected) in [
            ("a", r#"{"a":{"x":"1","y":"2"},"b":{"c":"t","d":[1,{"e":2}]},"f":3}"#),
            ("b.c", r#"{"a":"t","b":{"c":{"x":"1","y":"2"},"d":[1,{"e":2}]},"f":3}"#),
        ] {
            let mut document = Document::parse(br#"{"a":"t","b":{"c":"t","d":[1,{"e":2}]},"f":3}"#, &bump).unwrap();
            let path: Vec<&str> = path.split('.').collect();
            let node = document.find(&path).unwrap();
            assert!(document.replace_with_object(node, |members| {
                members.add("cleared", "0");
                members.clear();
                [("x", "1"), ("y", "2")].iter().for_each(|(key, text)| members.add(key, text));
            }));
            assert_eq!(document.to_json(NodeId::ROOT), expected);
            check_shape(&document);
        }
    }
}
