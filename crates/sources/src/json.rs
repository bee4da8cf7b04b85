//! JSON text to the nodes of a document.
//!
//! sonic-rs reads the text in one pass. It hands numbers over as `u64`, `i64` or `f64`; of these only the integers give
//! their text back, so a document that has any other number (`1.0`, `1e5`, `-0`, more than 64 bits) is walked a second
//! time along the tree that the first pass left, taking only the numbers' texts. Events with such numbers are rare.

use std::fmt;

use bumpalo::Bump;

use serde::de::{DeserializeSeed, Deserialize, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::document::{DEPTH_LIMIT, DocumentError, NODE_LIMIT, Node, NodeValue};

/// What happened on the way, for the document's own record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) duplicate_keys: usize,
    pub(crate) replaced_surrogates: bool,
}

/// Fills `nodes` (which is empty) with the one JSON document in `input`.
pub(crate) fn parse<'a>(
    input: &'a [u8],
    bump: &'a Bump,
    nodes: &mut Vec<Node<'a>>,
) -> Result<Notes, DocumentError> {
    let text = std::str::from_utf8(input).map_err(|error| DocumentError::NotUtf8 { offset: error.valid_up_to() })?;
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let text = text.get(mark..).unwrap_or_default();

    let mut builder = Builder::new(nodes, bump);
    let mut result = builder.read(text, Surrogates::Refuse);
    let mut replaced_surrogates = false;
    if result.is_err() && builder.fault.is_none() && may_have_surrogates(text) {
        let mut lossy = Builder::new(nodes, bump);
        let second = lossy.read(text, Surrogates::Replace);
        // Only if it was the surrogates: any other fault keeps its first report.
        if second.is_ok() {
            result = second;
            replaced_surrogates = true;
        }
        builder = lossy;
    }
    let Builder { fault, inexact, dropped, .. } = builder;
    if let Err(error) = result {
        return Err(fault.unwrap_or_else(|| syntax_error(&error, mark)));
    }
    if inexact {
        let surrogates = if replaced_surrogates { Surrogates::Replace } else { Surrogates::Refuse };
        read_exact_numbers(text, surrogates, nodes, bump).map_err(|error| syntax_error(&error, mark))?;
    }
    if !dropped.is_empty() {
        remove(&dropped, nodes);
    }
    Ok(Notes { duplicate_keys: dropped.len(), replaced_surrogates })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Surrogates {
    Refuse,
    Replace,
}

fn reader(text: &str, surrogates: Surrogates) -> sonic_rs::Deserializer<sonic_rs::Read<'_>> {
    let reader = sonic_rs::Deserializer::from_str(text);
    if surrogates == Surrogates::Replace { reader.utf8_lossy() } else { reader }
}

fn may_have_surrogates(text: &str) -> bool {
    text.contains("\\ud") || text.contains("\\uD")
}

fn syntax_error(error: &sonic_rs::Error, mark: usize) -> DocumentError {
    let text = error.to_string();
    // The rest of sonic-rs's message is an excerpt of the input, which the caller has.
    let reason = text.lines().next().unwrap_or_default();
    let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
    DocumentError::Syntax { offset: mark + error.offset(), reason }
}

/// The first pass.
struct Builder<'n, 'a> {
    nodes: &'n mut Vec<Node<'a>>,
    bump: &'a Bump,
    depth: usize,
    /// Some number's text is not yet the input's.
    inexact: bool,
    /// Members that a later one of the same name replaces.
    dropped: Vec<u32>,
    /// The limit that made a visitor stop; sonic-rs only knows that one did.
    fault: Option<DocumentError>,
}

impl<'n, 'a> Builder<'n, 'a> {
    fn new(nodes: &'n mut Vec<Node<'a>>, bump: &'a Bump) -> Self {
        nodes.clear();
        Self { nodes, bump, depth: 0, inexact: false, dropped: Vec::new(), fault: None }
    }

    fn read(&mut self, text: &'a str, surrogates: Surrogates) -> Result<(), sonic_rs::Error> {
        let mut reader = reader(text, surrogates);
        Value { builder: self, key: None, parent: 0 }.deserialize(&mut reader)?;
        reader.end()
    }

    fn push<E: serde::de::Error>(
        &mut self,
        key: Option<&'a str>,
        parent: u32,
        value: NodeValue<'a>,
    ) -> Result<u32, E> {
        let id = self.nodes.len();
        if id >= NODE_LIMIT {
            self.fault = Some(DocumentError::TooManyNodes);
            return Err(E::custom("too many values"));
        }
        let id = id as u32;
        self.nodes.push(Node { key, value, end: id + 1, parent });
        Ok(id)
    }

    fn open<E: serde::de::Error>(
        &mut self,
        key: Option<&'a str>,
        parent: u32,
        value: NodeValue<'a>,
    ) -> Result<u32, E> {
        if self.depth >= DEPTH_LIMIT {
            self.fault = Some(DocumentError::TooDeep);
            return Err(E::custom("too deep"));
        }
        self.depth += 1;
        self.push(key, parent, value)
    }

    fn close(&mut self, id: u32) {
        self.depth -= 1;
        let end = self.nodes.len() as u32;
        if let Some(node) = self.nodes.get_mut(id as usize) {
            node.end = end;
        }
    }

    /// Notes all members of the object but the last of each name.
    #[cold]
    fn find_duplicates(&mut self, object: u32) {
        let mut members = Vec::new();
        let mut next = object + 1;
        while let Some(node) = self.nodes.get(next as usize) {
            members.push((node.key.unwrap_or_default(), next));
            next = node.end;
        }
        members.sort_unstable();
        for pair in members.windows(2) {
            if let [(earlier, id), (later, _)] = pair
                && earlier == later
            {
                self.dropped.push(*id);
            }
        }
    }
}

/// Reads one value into a new node of `parent`.
struct Value<'b, 'n, 'a> {
    builder: &'b mut Builder<'n, 'a>,
    key: Option<&'a str>,
    parent: u32,
}

impl<'a> DeserializeSeed<'a> for Value<'_, '_, 'a> {
    type Value = ();

    #[inline]
    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Value<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    #[inline]
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.builder.push(self.key, self.parent, NodeValue::Null).map(drop)
    }

    #[inline]
    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.builder.push(self.key, self.parent, NodeValue::Bool(value)).map(drop)
    }

    #[inline]
    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        let text = self.builder.bump.alloc_str(itoa::Buffer::new().format(value));
        self.builder.push(self.key, self.parent, NodeValue::Number(text)).map(drop)
    }

    #[inline]
    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        // Only `-0` arrives here without being negative.
        self.builder.inexact |= value >= 0;
        let text = self.builder.bump.alloc_str(itoa::Buffer::new().format(value));
        self.builder.push(self.key, self.parent, NodeValue::Number(text)).map(drop)
    }

    #[inline]
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.builder.inexact = true;
        self.builder.push(self.key, self.parent, NodeValue::Number("")).map(drop)
    }

    #[inline]
    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'a str) -> Result<(), E> {
        self.builder.push(self.key, self.parent, NodeValue::String(value)).map(drop)
    }

    #[inline]
    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        let value = self.builder.bump.alloc_str(value);
        self.builder.push(self.key, self.parent, NodeValue::String(value)).map(drop)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        let builder = self.builder;
        let id = builder.open(self.key, self.parent, NodeValue::Array)?;
        while elements.next_element_seed(Value { builder: &mut *builder, key: None, parent: id })?.is_some() {}
        builder.close(id);
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<(), A::Error> {
        let builder = self.builder;
        let id = builder.open(self.key, self.parent, NodeValue::Object)?;
        let mut seen = SeenKeys::default();
        while let Some(key) = members.next_key_seed(Key(builder.bump))? {
            seen.add(key);
            members.next_value_seed(Value { builder: &mut *builder, key: Some(key), parent: id })?;
        }
        builder.close(id);
        if seen.maybe_twice {
            builder.find_duplicates(id);
        }
        Ok(())
    }
}

/// A 256-bit Bloom filter with one hash: most objects have few keys, and most keys differ in length or at their ends.
#[derive(Default)]
struct SeenKeys {
    bits: [u64; 4],
    maybe_twice: bool,
}

impl SeenKeys {
    #[inline]
    fn add(&mut self, key: &str) {
        let bytes = key.as_bytes();
        let first = bytes.first().copied().unwrap_or_default();
        let middle = bytes.get(bytes.len() / 2).copied().unwrap_or_default();
        let last = bytes.last().copied().unwrap_or_default();
        let hash = (u32::from_le_bytes([first, middle, last, bytes.len() as u8])).wrapping_mul(0x9E37_79B1) >> 24;
        let bit = 1 << (hash % 64);
        let word = &mut self.bits[(hash / 64) as usize % 4];
        self.maybe_twice |= *word & bit != 0;
        *word |= bit;
    }
}

/// Reads a member name.
struct Key<'a>(&'a Bump);

impl<'a> DeserializeSeed<'a> for Key<'a> {
    type Value = &'a str;

    #[inline]
    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<&'a str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key<'a> {
    type Value = &'a str;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member name")
    }

    #[inline]
    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'a str) -> Result<&'a str, E> {
        Ok(value)
    }

    #[inline]
    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<&'a str, E> {
        Ok(self.0.alloc_str(value))
    }
}

/// The second pass: the text of every number. `nodes` are those of the first pass, so that each value's kind is known
/// before it is read.
fn read_exact_numbers<'a>(
    text: &'a str,
    surrogates: Surrogates,
    nodes: &mut [Node<'a>],
    bump: &'a Bump,
) -> Result<(), sonic_rs::Error> {
    let mut next = 0;
    Numbers { nodes, next: &mut next, bump }.deserialize(&mut reader(text, surrogates))
}

struct Numbers<'n, 'a> {
    nodes: &'n mut [Node<'a>],
    next: &'n mut usize,
    bump: &'a Bump,
}

impl<'a> Numbers<'_, 'a> {
    fn next(&mut self) -> Numbers<'_, 'a> {
        Numbers { nodes: self.nodes, next: self.next, bump: self.bump }
    }
}

impl<'a> DeserializeSeed<'a> for Numbers<'_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        let Some(node) = self.nodes.get_mut(*self.next) else {
            return Err(D::Error::custom("the document changed between two passes"));
        };
        *self.next += 1;
        match node.value {
            NodeValue::Number(_) => {
                let number = sonic_rs::RawNumber::deserialize(deserializer)?;
                node.value = NodeValue::Number(self.bump.alloc_str(number.as_str()));
                Ok(())
            }
            NodeValue::Array => deserializer.deserialize_seq(self),
            NodeValue::Object => deserializer.deserialize_map(self),
            _ => deserializer.deserialize_ignored_any(IgnoredAny).map(drop),
        }
    }
}

impl<'a> Visitor<'a> for Numbers<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("what the first pass found")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(self.next())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut members: A) -> Result<(), A::Error> {
        while members.next_key_seed(Key(self.bump))?.is_some() {
            members.next_value_seed(self.next())?;
        }
        Ok(())
    }
}

/// Takes the subtrees at `roots` out of `nodes`.
fn remove(roots: &[u32], nodes: &mut Vec<Node<'_>>) {
    // New id of every old id, where a removed node has that of the next kept one.
    let mut kept = vec![true; nodes.len()];
    for root in roots {
        let range = *root as usize..nodes.get(*root as usize).map_or(0, |node| node.end as usize);
        // A root within a removed subtree was blanked with it.
        if kept.get(range.start) == Some(&true)
            && let Some(slice) = kept.get_mut(range)
        {
            slice.fill(false);
        }
    }
    let mut ids = Vec::with_capacity(nodes.len() + 1);
    let mut id = 0;
    for keep in &kept {
        ids.push(id);
        id += u32::from(*keep);
    }
    ids.push(id);
    let renumbered = |id: u32| ids.get(id as usize).copied().unwrap_or(id);
    let mut keep = kept.iter();
    nodes.retain_mut(|node| {
        node.end = renumbered(node.end);
        node.parent = renumbered(node.parent);
        keep.next() == Some(&true)
    });
}
