//! Raw fields that no mapping consumed, under their flattened paths: the automatic content of `unmapped`.
//!
//! `event.http.request_headers[].name`: members are joined by dots, and the values of all elements of an array are one
//! text, joined by commas, as in Security Lake's own tables.

use bumpalo::Bump;
use bumpalo::collections::{String as BumpString, Vec as BumpVec};
use rustc_hash::FxHashMap;
use sources::{Document, NodeId, NodeValue};

use crate::values::AbsentTexts;

/// Calls `add` with the path and text of every raw value that was not consumed; `consumed` has a flag for each node.
pub(crate) fn collect<'a>(
    document: &Document<'a>,
    bump: &'a Bump,
    absent: &AbsentTexts,
    consumed: &[bool],
    mut add: impl FnMut(&'a str, &'a str),
) {
    let mut fields: BumpVec<'a, (&'a str, Text<'a>)> = BumpVec::new_in(bump);
    let mut in_arrays = FxHashMap::default();
    let unconsumed = (0u32..).zip(consumed).filter(|(_, consumed)| !**consumed);
    for node in unconsumed.map(|(node, _)| NodeId(node)) {
        let Some(text) = text_of(document, node, absent) else { continue };
        let (path, in_array) = path_of(document, bump, node);
        if in_array && let Some(field) = in_arrays.get(path).and_then(|at: &usize| fields.get_mut(*at)) {
            field.1.join(text, bump);
            continue;
        }
        if in_array {
            in_arrays.insert(path, fields.len());
        }
        fields.push((path, Text::One(text)));
    }
    for (path, text) in fields {
        add(path, text.into_text());
    }
}

/// The text of a node without children: a scalar, or an empty array or object.
#[inline]
fn text_of<'a>(document: &Document<'a>, node: NodeId, absent: &AbsentTexts) -> Option<&'a str> {
    let is_empty = || document.children(node).next().is_none();
    match document.value(node) {
        NodeValue::Null => None,
        NodeValue::String(text) => (!absent.contains(text)).then_some(text),
        NodeValue::Number(text) => Some(text),
        NodeValue::Bool(true) => Some("true"),
        NodeValue::Bool(false) => Some("false"),
        // The empty event itself is no field.
        _ if node == NodeId::ROOT => None,
        NodeValue::Array => is_empty().then_some("[]"),
        NodeValue::Object => is_empty().then_some("{}"),
    }
}

/// The flattened path of a raw node, and whether it is in an array.
fn path_of<'a>(document: &Document<'a>, bump: &'a Bump, node: NodeId) -> (&'a str, bool) {
    if let (Some(NodeId::ROOT), Some(key)) = (document.parent(node), document.key(node)) {
        return (key, false);
    }
    let mut path = BumpString::with_capacity_in(64, bump);
    let in_array = write_path(document, node, &mut |part| path.push_str(part));
    (path.into_bump_str(), in_array)
}

/// The flattened path of a raw node: `event.http.request_headers[].name`.
pub(crate) fn raw_path(document: &Document<'_>, node: NodeId) -> String {
    let mut path = String::new();
    write_path(document, node, &mut |part| path.push_str(part));
    path
}

/// Calls `write` with the parts of a node's path in order. Returns whether the node is in an array.
fn write_path<'a>(document: &Document<'a>, node: NodeId, write: &mut impl FnMut(&'a str)) -> bool {
    let Some(parent) = document.parent(node) else { return false };
    let in_array = write_path(document, parent, write);
    let Some(key) = document.key(node) else {
        write("[]");
        return true;
    };
    if parent != NodeId::ROOT {
        write(".");
    }
    write(key);
    in_array
}

/// Several texts as the one under their common path.
pub(crate) fn joined<'a>(texts: impl Iterator<Item = &'a str>, bump: &'a Bump) -> &'a str {
    let mut all = BumpString::new_in(bump);
    for (index, text) in texts.enumerate() {
        if index > 0 {
            all.push(',');
        }
        all.push_str(text);
    }
    all.into_bump_str()
}

/// The text of a field.
enum Text<'a> {
    One(&'a str),
    Joined(BumpString<'a>),
}

impl<'a> Text<'a> {
    fn join(&mut self, text: &str, bump: &'a Bump) {
        if let Text::One(first) = self {
            *self = Text::Joined(BumpString::from_str_in(first, bump));
        }
        if let Text::Joined(joined) = self {
            joined.push(',');
            joined.push_str(text);
        }
    }

    fn into_text(self) -> &'a str {
        match self {
            Text::One(text) => text,
            Text::Joined(text) => text.into_bump_str(),
        }
    }
}
