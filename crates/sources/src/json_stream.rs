//! JSON documents, or the elements of an array in them, cut out of a stream.
//!
//! Only strings and brackets are looked at: enough to know where a value ends, however long it is, and little enough
//! that a value that is not quite JSON is still cut out, given on, and refused alone.
//!
//! What comes out depends on the bytes and the limits alone, never on how the reader dealt them out: a retry must find
//! the same events.

use crate::compression::InputError;
use crate::framing::{Cursor, Found, FrameError};
use crate::words;

/// What the events are.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Every document.
    Documents,
    /// Every element of the array at this path, in every document.
    ArrayAt(Vec<String>),
}

/// The framer for both shapes.
pub(crate) struct JsonStream {
    shape: Shape,
    state: State,
    /// Bytes read from the front of the window. Until a document's array is found its start stays there, so that a
    /// document without array can be reported whole.
    at: usize,
    /// Objects that are open on the way to the array.
    open: usize,
    found: bool,
    /// The document's start got too long to keep: where it was.
    dropped: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Between,
    Object,
    Array,
    /// Nothing more can be cut; the rest goes out as it is.
    Rest {
        offset: u64,
        reason: &'static str,
    },
    Done,
}

/// Where a value ended.
enum Value {
    At(usize),
    Oversized { offset: u64, length: u64 },
    CutOff,
}

impl JsonStream {
    pub(crate) fn new(shape: Shape) -> Self {
        Self { shape, state: State::Between, at: 0, open: 0, found: false, dropped: None }
    }

    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, InputError> {
        loop {
            let found = match self.state {
                State::Between => {
                    let Some(first) = self.token(cursor)? else { return Ok(None) };
                    self.start_document(cursor, first)?
                }
                State::Object => self.member(cursor)?,
                State::Array => self.element(cursor)?,
                State::Rest { offset, reason } => {
                    let most = cursor.limits.event_bytes.max(1);
                    while cursor.window.bytes().len() < most && cursor.window.grow()? {}
                    let to = cursor.window.bytes().len().min(most);
                    if to == 0 {
                        return Ok(None);
                    }
                    Some(Found::Fault { error: FrameError::Syntax { offset, reason }, to, line: None })
                }
                State::Done => return Ok(None),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn path(&self) -> Option<&[String]> {
        match &self.shape {
            Shape::Documents => None,
            Shape::ArrayAt(path) => Some(path),
        }
    }

    /// On the first byte of a document.
    fn start_document(&mut self, cursor: &mut Cursor<'_>, first: u8) -> Result<Option<Found>, InputError> {
        self.pass(cursor);
        self.found = false;
        self.dropped = None;
        match (self.path(), first) {
            (Some([]), b'[') => {
                self.at = 1;
                self.found = true;
                self.state = State::Array;
                Ok(None)
            }
            (Some([_, ..]), b'{') => {
                self.at = 1;
                self.open = 1;
                self.state = State::Object;
                Ok(None)
            }
            (None, _) => self.event(cursor, is_value_start),
            (Some(at), _) => {
                let error = FrameError::NoArray { at: at.to_vec() };
                Ok(Some(match read_value(cursor, is_value_start)? {
                    Value::At(to) => Found::Fault { error, to, line: None },
                    Value::Oversized { offset, length } => Found::Oversized { offset, length, line: None },
                    Value::CutOff => self.cut_off(cursor),
                }))
            }
        }
    }

    /// In an object on the way to the array: one member.
    fn member(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, InputError> {
        match self.token(cursor)? {
            None => return Ok(Some(self.cut_off(cursor))),
            Some(b',') => self.at += 1,
            Some(b'}') => {
                self.at += 1;
                self.open -= 1;
                if self.open == 0 {
                    return Ok(self.end_document(cursor));
                }
            }
            Some(b'"') => {
                let Some(is_next) = self.member_name(cursor)? else { return Ok(Some(self.cut_off(cursor))) };
                match self.token(cursor)? {
                    None => return Ok(Some(self.cut_off(cursor))),
                    Some(b':') => self.at += 1,
                    Some(_) => return Ok(self.give_up(cursor, "expected `:`")),
                }
                let is_last = self.path().is_some_and(|path| path.len() == self.open);
                match self.token(cursor)? {
                    None => return Ok(Some(self.cut_off(cursor))),
                    Some(b'[') if is_next && is_last => {
                        self.at += 1;
                        self.found = true;
                        self.state = State::Array;
                    }
                    Some(b'{') if is_next && !is_last => {
                        self.at += 1;
                        self.open += 1;
                    }
                    Some(b',' | b':' | b'}' | b']') => return Ok(self.give_up(cursor, "expected a value")),
                    Some(_) => {
                        if !self.skip_value(cursor)? {
                            return Ok(Some(self.cut_off(cursor)));
                        }
                    }
                }
            }
            Some(_) => return Ok(self.give_up(cursor, "expected a member name")),
        }
        Ok(None)
    }

    /// In the array: one element.
    fn element(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, InputError> {
        match self.token(cursor)? {
            None => Ok(Some(self.cut_off(cursor))),
            Some(b',') => {
                self.at += 1;
                Ok(None)
            }
            Some(b']') => {
                self.at += 1;
                self.state = if self.open == 0 { State::Between } else { State::Object };
                Ok(None)
            }
            Some(_) => {
                self.pass(cursor);
                self.event(cursor, |byte| is_value_start(byte) || matches!(byte, b',' | b']'))
            }
        }
    }

    /// At the front of the window: one value as an event. What is no value goes as far as `is_next` says.
    fn event(&mut self, cursor: &mut Cursor<'_>, is_next: fn(u8) -> bool) -> Result<Option<Found>, InputError> {
        Ok(Some(match read_value(cursor, is_next)? {
            Value::At(to) => {
                cursor.given = to;
                Found::Event { from: 0, to, raw: to, line: None }
            }
            Value::Oversized { offset, length } => Found::Oversized { offset, length, line: None },
            Value::CutOff => self.cut_off(cursor),
        }))
    }

    /// Behind the closing brace of a document.
    fn end_document(&mut self, cursor: &mut Cursor<'_>) -> Option<Found> {
        self.state = State::Between;
        if self.found {
            self.pass(cursor);
            return None;
        }
        self.oversized(cursor).or_else(|| {
            let at = self.path().unwrap_or_default().to_vec();
            let to = std::mem::take(&mut self.at);
            Some(Found::Fault { error: FrameError::NoArray { at }, to, line: None })
        })
    }

    /// If what was read of a document without array is longer than an event may be: drops it.
    fn oversized(&mut self, cursor: &mut Cursor<'_>) -> Option<Found> {
        let offset = self.dropped.unwrap_or(cursor.window.offset());
        let length = cursor.window.offset() + self.at as u64 - offset;
        if length <= cursor.limits.event_bytes as u64 {
            return None;
        }
        self.drop_start(cursor);
        Some(Found::Oversized { offset, length, line: None })
    }

    /// Drops what was read of a document whose array was not found yet.
    fn drop_start(&mut self, cursor: &mut Cursor<'_>) {
        if self.dropped.is_none() {
            cursor.start.clear();
            self.dropped = Some(cursor.window.offset());
        }
        cursor.drop_oversized(std::mem::take(&mut self.at));
    }

    /// The input ended within a document.
    fn cut_off(&mut self, cursor: &mut Cursor<'_>) -> Found {
        self.state = State::Done;
        if self.found {
            // What was read behind the array is no part of an event.
            self.pass(cursor);
        } else {
            self.at = cursor.window.bytes().len();
            if let Some(oversized) = self.oversized(cursor) {
                return oversized;
            }
        }
        cursor.cut_off(cursor.window.bytes().len(), None)
    }

    /// What surrounds the events is not JSON.
    fn give_up(&mut self, cursor: &mut Cursor<'_>, reason: &'static str) -> Option<Found> {
        self.state = State::Rest { offset: cursor.window.offset() + self.at as u64, reason };
        if self.found {
            self.pass(cursor);
            return None;
        }
        let oversized = self.oversized(cursor);
        self.at = 0;
        oversized
    }

    /// Whether the name of a member, on whose quote this is, is the next of the path; `None` if it has no end.
    fn member_name(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<bool>, InputError> {
        let from = self.at;
        let mut is_whole = true;
        let mut scanner = Scanner::default();
        loop {
            let bytes = cursor.window.bytes();
            if let Some(length) = scanner.scan(bytes.get(self.at..).unwrap_or_default()) {
                self.at += length;
                break;
            }
            self.at = bytes.len();
            // A name longer than an event is that of no member we look for.
            is_whole &= self.at.saturating_sub(from) <= cursor.limits.event_bytes;
            if !(if is_whole { cursor.window.grow()? } else { self.more(cursor)? }) {
                return Ok(None);
            }
        }
        if !is_whole {
            return Ok(Some(false));
        }
        let name = cursor.window.bytes().get(from..self.at).unwrap_or_default();
        let wanted = self.path().and_then(|path| path.get(self.open - 1));
        Ok(Some(wanted.is_some_and(|wanted| serde_json::from_slice::<String>(name).is_ok_and(|name| name == *wanted))))
    }

    /// Over a value of any length; false if it has no end.
    fn skip_value(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, InputError> {
        let mut scanner = Scanner::default();
        loop {
            let bytes = cursor.window.bytes();
            if let Some(length) = scanner.scan(bytes.get(self.at..).unwrap_or_default()) {
                self.at += length;
                return Ok(true);
            }
            self.at = bytes.len();
            if !self.more(cursor)? {
                return Ok(false);
            }
        }
    }

    /// The next byte that is not white space; stays on it.
    fn token(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<u8>, InputError> {
        loop {
            let rest = cursor.window.bytes().get(self.at..).unwrap_or_default();
            let blank = rest.iter().take_while(|byte| is_blank(**byte)).count();
            self.at += blank;
            if let Some(byte) = rest.get(blank) {
                return Ok(Some(*byte));
            }
            if !self.more(cursor)? {
                return Ok(None);
            }
        }
    }

    /// Lets go of what was read, and reads on.
    fn more(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, InputError> {
        if self.found || matches!(self.state, State::Between) {
            self.pass(cursor);
        } else if self.dropped.is_some() || self.at > cursor.limits.event_bytes {
            self.drop_start(cursor);
        }
        cursor.window.grow()
    }

    /// Drops what was read.
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        cursor.window.drop_front(std::mem::take(&mut self.at));
    }
}

/// Reads the value at the front of the window. What cannot start a value is read up to the byte that `is_next` knows.
fn read_value(cursor: &mut Cursor<'_>, is_next: fn(u8) -> bool) -> Result<Value, InputError> {
    let mut scanner = Scanner::default();
    let mut scanned = 0;
    let limit = cursor.limits.event_bytes;
    loop {
        let bytes = cursor.window.bytes();
        let end = scanner.scan(bytes.get(scanned..).unwrap_or_default()).map(|length| scanned + length);
        if end == Some(0) {
            return read_junk(cursor, is_next);
        }
        if end.unwrap_or(bytes.len()) > limit {
            break;
        }
        if let Some(end) = end {
            return Ok(Value::At(end));
        }
        scanned = bytes.len();
        if !cursor.window.grow()? {
            let is_whole = scanner.is_word() && !cursor.window.has_fault();
            return Ok(if is_whole { Value::At(scanned) } else { Value::CutOff });
        }
    }
    let offset = cursor.window.offset();
    cursor.start.clear();
    scanner = Scanner::default();
    loop {
        let bytes = cursor.window.bytes();
        let end = scanner.scan(bytes);
        cursor.drop_oversized(end.unwrap_or(bytes.len()));
        let length = cursor.window.offset() - offset;
        if end.is_some() || !cursor.window.grow()? {
            return Ok(Value::Oversized { offset, length });
        }
    }
}

/// Reads on from a byte that starts no value, at most as far as an event may be long.
fn read_junk(cursor: &mut Cursor<'_>, is_next: fn(u8) -> bool) -> Result<Value, InputError> {
    let most = cursor.limits.event_bytes.max(1);
    let mut scanned = 1;
    loop {
        let bytes = cursor.window.bytes();
        let rest = bytes.get(scanned..).unwrap_or_default();
        if let Some(length) = rest.iter().position(|&byte| is_blank(byte) || is_next(byte)) {
            return Ok(Value::At((scanned + length).min(most)));
        }
        scanned = bytes.len();
        if scanned >= most || !cursor.window.grow()? {
            return Ok(Value::At(scanned.min(most)));
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_value_start(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"')
}

/// Finds the end of a value, over any number of pieces.
#[derive(Debug, Default)]
struct Scanner {
    depth: u64,
    in_string: bool,
    escaped: bool,
    in_word: bool,
}

impl Scanner {
    /// Length of the rest of the value in `bytes`, or `None` if it goes on behind them. Zero at the start of a value
    /// that is none.
    fn scan(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.in_string {
                if self.escaped {
                    bytes.get(at)?;
                    self.escaped = false;
                    at += 1;
                }
                at = words::find(bytes, at, words::quotes_and_backslashes)? + 1;
                if bytes.get(at - 1) == Some(&b'\\') {
                    self.escaped = true;
                    continue;
                }
                self.in_string = false;
                if self.depth == 0 {
                    return Some(at);
                }
            }
            match bytes.get(at)? {
                b'"' | b'{' | b'[' if self.in_word => return Some(at),
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if self.depth == 0 => return Some(at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => self.in_word = self.depth == 0,
            }
            at += 1;
        }
    }

    /// True if the value is a number or a literal so far, which the end of the input ends.
    fn is_word(&self) -> bool {
        self.in_word
    }
}

/// Length of the value at the start, if it is all there.
pub(crate) fn end_of_value(bytes: &[u8]) -> Option<usize> {
    Scanner::default().scan(bytes)
}

/// True if `bytes` start with an object whose first member has this name and an array as its value.
pub(crate) fn first_member_is_array(bytes: &[u8], name: &str) -> bool {
    let members = bytes.trim_ascii_start().strip_prefix(b"{");
    let value = members
        .and_then(|rest| {
            rest.trim_ascii_start().strip_prefix(b"\"")?.strip_prefix(name.as_bytes())?.strip_prefix(b"\"")
        })
        .and_then(|rest| rest.trim_ascii_start().strip_prefix(b":"));
    value.is_some_and(|value| value.trim_ascii_start().starts_with(b"["))
}
