//! JSON text (RFC 8259) to the nodes of a document.
//!
//! Why not a library: a mapping needs every number's own text, every duplicate key and the offset of a fault, and
//! hostile nesting must not cost stack. serde's data model drops the first two (sonic-rs and serde_json give an `f64`
//! for `1.0`), lazy readers scan each level again, and all of them recurse (128 levels of sonic-rs overflow a thread's
//! stack in a debug build). One loop over the bytes with the open containers in a vector has all four, and was half
//! again as fast as sonic-rs through serde. Strings, the bulk of any log, are scanned sixteen bytes at a time.
//! `tests/json.rs` holds it against serde_json.

use std::hash::Hasher as _;

use bumpalo::Bump;
use rustc_hash::FxHasher;

use crate::document_error::{DEPTH_LIMIT, DocumentError, NODE_LIMIT};
use crate::node::{Node, NodeValue};
use crate::words;

/// What the reader needs beside the nodes, kept between documents.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    open: Vec<Open>,
    keys: Keys,
    unescaped: Vec<u8>,
}

/// What happened on the way, for the document's own record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) duplicate_keys: usize,
    pub(crate) replaced_surrogates: bool,
    pub(crate) repeated_fields: usize,
}

/// Fills `nodes` (which is empty) with the one JSON document in `input`.
pub(crate) fn parse<'a>(
    input: &'a [u8],
    bump: &'a Bump,
    nodes: &mut Vec<Node<'a>>,
    scratch: &mut Scratch,
) -> Result<Notes, DocumentError> {
    let text = utf8(input).map_err(|error| DocumentError::NotUtf8 { offset: error.valid_up_to() })?;
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let Scratch { open, keys, unescaped } = scratch;
    open.clear();
    keys.hashes.clear();
    let mut reader = Reader { text, bytes: input, at, bump, keys, unescaped, replaced_surrogates: false };
    let dropped = reader.document(nodes, open)?;
    let notes =
        Notes { duplicate_keys: dropped.len(), replaced_surrogates: reader.replaced_surrogates, ..Notes::default() };
    if !dropped.is_empty() {
        remove(&dropped, nodes);
    }
    Ok(notes)
}

/// Like the standard library's, by vectors where the processor has them.
#[inline]
fn utf8(bytes: &[u8]) -> Result<&str, std::str::Utf8Error> {
    simdutf8::basic::from_utf8(bytes).or_else(|_| std::str::from_utf8(bytes))
}

/// An object or array that is not closed yet.
#[derive(Debug)]
struct Open {
    id: u32,
    is_object: bool,
    maybe_twice: bool,
    bits: u64,
    /// Where its hashes start in [`Keys`].
    first_hash: usize,
}

/// Hashes of the keys of all open objects, and for each object a Bloom filter of one bit per key: what tells at little
/// cost that an object certainly has no key twice.
#[derive(Debug, Default)]
struct Keys {
    hashes: Vec<u32>,
}

/// Members from which on an object is not checked key by key: it is sorted once at its end.
const MANY_MEMBERS: usize = 128;

impl Keys {
    #[inline]
    fn add(&mut self, key: &str, object: &mut Open) {
        let mut hasher = FxHasher::default();
        hasher.write(key.as_bytes());
        let hash = (hasher.finish() >> 32) as u32;
        let bit = 1 << (hash % 64);
        if object.bits & bit != 0 && !object.maybe_twice {
            let others = self.hashes.get(object.first_hash..).unwrap_or_default();
            object.maybe_twice = others.len() > MANY_MEMBERS || others.contains(&hash);
        }
        object.bits |= bit;
        self.hashes.push(hash);
    }
}

struct Reader<'a, 's> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    bump: &'a Bump,
    keys: &'s mut Keys,
    unescaped: &'s mut Vec<u8>,
    replaced_surrogates: bool,
}

impl<'a> Reader<'a, '_> {
    /// Reads to the end of the input; returns the ids of members that a later one of the same name replaces.
    fn document(&mut self, nodes: &mut Vec<Node<'a>>, open: &mut Vec<Open>) -> Result<Vec<u32>, DocumentError> {
        let mut dropped = Vec::new();
        let mut key = None;
        'value: loop {
            let id = nodes.len();
            if id >= NODE_LIMIT {
                return Err(DocumentError::TooManyNodes);
            }
            let id = id as u32;
            let parent = open.last().map_or(0, |container| container.id);
            let mut push = |value| nodes.push(Node { key, value, end: id + 1, parent });
            match self.next_token() {
                Some(b'"') => push(NodeValue::String(self.string()?)),
                Some(b'-' | b'0'..=b'9') => push(NodeValue::Number(self.number()?)),
                Some(b'{') => {
                    push(NodeValue::Object);
                    self.enter(open)?;
                    if self.next_token() == Some(b'}') {
                        self.at += 1;
                    } else {
                        let mut object = self.opened(id, true);
                        key = Some(self.member_name(&mut object)?);
                        open.push(object);
                        continue 'value;
                    }
                }
                Some(b'[') => {
                    push(NodeValue::Array);
                    self.enter(open)?;
                    if self.next_token() == Some(b']') {
                        self.at += 1;
                    } else {
                        key = None;
                        open.push(self.opened(id, false));
                        continue 'value;
                    }
                }
                Some(b't') => push(self.literal("true", NodeValue::Bool(true))?),
                Some(b'f') => push(self.literal("false", NodeValue::Bool(false))?),
                Some(b'n') => push(self.literal("null", NodeValue::Null)?),
                _ => return Err(self.fault("expected a value")),
            }
            // A value ended: so may containers around it.
            loop {
                let token = self.next_token();
                let Some(container) = open.last_mut() else {
                    return if token.is_none() {
                        Ok(dropped)
                    } else {
                        Err(self.fault("expected the end of the input"))
                    };
                };
                match token {
                    Some(b',') => {
                        self.at += 1;
                        key = None;
                        if container.is_object {
                            self.next_token();
                            key = Some(self.member_name(container)?);
                        }
                        continue 'value;
                    }
                    Some(b'}') if container.is_object => {
                        self.keys.hashes.truncate(container.first_hash);
                        if container.maybe_twice {
                            find_duplicates(container.id, nodes, &mut dropped);
                        }
                    }
                    Some(b']') if !container.is_object => {}
                    _ if container.is_object => return Err(self.fault("expected `,` or `}`")),
                    _ => return Err(self.fault("expected `,` or `]`")),
                }
                self.at += 1;
                let end = nodes.len() as u32;
                if let Some(node) = nodes.get_mut(container.id as usize) {
                    node.end = end;
                }
                open.pop();
            }
        }
    }

    fn opened(&self, id: u32, is_object: bool) -> Open {
        Open { id, is_object, maybe_twice: false, bits: 0, first_hash: self.keys.hashes.len() }
    }

    /// Steps over an opening bracket.
    #[inline]
    fn enter(&mut self, open: &[Open]) -> Result<(), DocumentError> {
        self.at += 1;
        if open.len() >= DEPTH_LIMIT { Err(DocumentError::TooDeep) } else { Ok(()) }
    }

    /// A member name and the colon after it.
    #[inline]
    fn member_name(&mut self, object: &mut Open) -> Result<&'a str, DocumentError> {
        if self.peek() != Some(b'"') {
            return Err(self.fault("expected a member name"));
        }
        let name = self.string()?;
        self.keys.add(name, object);
        if self.next_token() != Some(b':') {
            return Err(self.fault("expected `:`"));
        }
        self.at += 1;
        Ok(name)
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is not white space; stays on it.
    #[inline]
    fn next_token(&mut self) -> Option<u8> {
        loop {
            let byte = self.peek()?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    #[inline]
    fn literal(&mut self, word: &str, value: NodeValue<'a>) -> Result<NodeValue<'a>, DocumentError> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.fault("expected a value"))
        }
    }

    /// A number's text; on its first byte.
    #[inline]
    fn number(&mut self) -> Result<&'a str, DocumentError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(self.fault("a number has a leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), DocumentError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault("expected a digit")) } else { Ok(()) }
    }

    /// A string's text; on its opening quote.
    #[inline]
    fn string(&mut self) -> Result<&'a str, DocumentError> {
        let start = self.at + 1;
        self.at = start;
        self.skip_plain();
        match self.peek() {
            Some(b'"') => {
                let text = self.text.get(start..self.at).unwrap_or_default();
                self.at += 1;
                Ok(text)
            }
            Some(b'\\') => self.escaped_string(start),
            Some(_) => Err(self.fault("a control character in a string")),
            None => Err(self.fault("a string without end")),
        }
    }

    /// Goes on to the next byte that is no plain text in a string.
    #[inline]
    fn skip_plain(&mut self) {
        self.at = words::find(self.bytes, self.at, words::specials).unwrap_or(self.bytes.len());
    }

    /// The rest of a string that began at `start`; on its first backslash.
    fn escaped_string(&mut self, start: usize) -> Result<&'a str, DocumentError> {
        let mut unescaped = std::mem::take(self.unescaped);
        // No escape is shorter than what it stands for, and a whole word may be written before it is known how much of
        // it counts.
        let room = self.bytes.len() - start + words::WIDTH;
        if unescaped.len() < room {
            unescaped.resize(room, 0);
        }
        let text = self.unescape(start, &mut unescaped).map(|length| {
            // It was cut at ASCII bytes and filled with characters: it is UTF-8.
            let text = unescaped.get(..length).map(utf8);
            self.bump.alloc_str(text.and_then(Result::ok).unwrap_or_default())
        });
        *self.unescaped = unescaped;
        text.map(|text| &*text)
    }

    /// Writes the string that began at `start` to the start of `out`; gives its length.
    fn unescape(&mut self, start: usize, out: &mut [u8]) -> Result<usize, DocumentError> {
        let mut length = self.at - start;
        if let (Some(to), Some(from)) = (out.get_mut(..length), self.bytes.get(start..self.at)) {
            to.copy_from_slice(from);
        }
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = out.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        loop {
            // Plain text is copied while it is scanned. One escape often follows another.
            while self.peek() != Some(b'\\')
                && let Some(word) = words::load(self.bytes, self.at)
            {
                put(length, word.as_array());
                let plain = words::first(words::specials(word));
                self.at += plain;
                length += plain;
                if plain < words::WIDTH {
                    break;
                }
            }
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    let escape = self.peek().unwrap_or_default();
                    match ESCAPES.get(escape as usize) {
                        Some(0) | None if escape == b'u' => {
                            let mut utf8 = [0; 4];
                            let utf8 = self.unicode_escape()?.encode_utf8(&mut utf8).as_bytes();
                            put(length, utf8);
                            length += utf8.len();
                        }
                        Some(0) | None => return Err(self.fault("an unknown escape")),
                        Some(byte) => {
                            put(length, &[*byte]);
                            length += 1;
                            self.at += 1;
                        }
                    }
                }
                Some(byte) if !is_special(byte) => {
                    put(length, &[byte]);
                    length += 1;
                    self.at += 1;
                }
                Some(_) => return Err(self.fault("a control character in a string")),
                None => return Err(self.fault("a string without end")),
            }
        }
        self.at += 1;
        Ok(length)
    }

    /// The `uXXXX` of an escape and, behind a high surrogate, the low one.
    fn unicode_escape(&mut self) -> Result<char, DocumentError> {
        let high = self.hex()?;
        let code = match high {
            0xD800..=0xDBFF if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u")) => {
                let before = self.at;
                self.at += 1;
                match self.hex()? {
                    low @ 0xDC00..=0xDFFF => 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00),
                    _ => {
                        self.at = before;
                        high
                    }
                }
            }
            code => code,
        };
        Ok(char::from_u32(code).unwrap_or_else(|| {
            self.replaced_surrogates = true;
            char::REPLACEMENT_CHARACTER
        }))
    }

    /// Four hexadecimal digits behind the `u` on which it stands.
    fn hex(&mut self) -> Result<u32, DocumentError> {
        self.at += 1;
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.fault("expected four hexadecimal digits")) };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    #[cold]
    fn fault(&self, reason: &'static str) -> DocumentError {
        DocumentError::Syntax { offset: self.at, reason }
    }
}

/// What the byte behind a backslash stands for; zero if it is no escape of one byte.
const ESCAPES: [u8; 128] = {
    let mut escapes = [0; 128];
    let pairs = [
        (b'"', b'"'),
        (b'\\', b'\\'),
        (b'/', b'/'),
        (b'n', b'\n'),
        (b'r', b'\r'),
        (b't', b'\t'),
        (b'b', 0x08),
        (b'f', 0x0c),
    ];
    let mut at = 0;
    while at < pairs.len() {
        escapes[pairs[at].0 as usize] = pairs[at].1;
        at += 1;
    }
    escapes
};

/// Quote, backslash and control characters end plain text in a string.
#[inline]
fn is_special(byte: u8) -> bool {
    byte == b'"' || byte == b'\\' || byte < 0x20
}

/// Adds all members of an object but the last of each name.
#[cold]
fn find_duplicates(object: u32, nodes: &[Node<'_>], dropped: &mut Vec<u32>) {
    let mut members = Vec::new();
    let mut next = object + 1;
    while let Some(node) = nodes.get(next as usize) {
        members.push((node.key.unwrap_or_default(), next));
        next = node.end;
    }
    members.sort_unstable();
    for pair in members.windows(2) {
        if let [(earlier, id), (later, _)] = pair
            && earlier == later
        {
            dropped.push(*id);
        }
    }
}

/// Takes the subtrees at `roots` out of `nodes`.
#[cold]
fn remove(roots: &[u32], nodes: &mut Vec<Node<'_>>) {
    let mut kept = vec![true; nodes.len()];
    for &root in roots {
        let end = nodes.get(root as usize).map_or(root, |node| node.end);
        // A root within a removed subtree went with it; looking at it again could be quadratic.
        if kept.get(root as usize) == Some(&true)
            && let Some(subtree) = kept.get_mut(root as usize..end as usize)
        {
            subtree.fill(false);
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
