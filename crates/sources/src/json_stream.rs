//! JSON documents, or the elements of an array in them, cut out of a stream.
//!
//! Only strings and brackets are looked at: enough to know where a value ends, however long it is, and little enough
//! that a value that is not quite JSON is still cut out, given on, and refused alone.
//!
//! What comes out depends on the bytes and the limits alone, never on how the reader dealt them out: a retry must find
//! the same events.

use crate::cursor::Cursor;
use crate::found::{Found, Halt};
use crate::item::FrameError;
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
///
/// Each call of [`JsonStream::next`] may come back in the middle of anything (see [`Halt`]), so all that is known is kept
/// here.
pub(crate) struct JsonStream {
    shape: Shape,
    state: State,
    /// Bytes read from the front of the window. Until a document's array is found its start stays there, so that a
    /// document without array can be reported whole.
    at: usize,
    /// For the value or name on which this is.
    scanner: Scanner,
    /// Objects that are open on the way to the array.
    open: usize,
    found: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Between,
    /// In an object on the way to the array, before a member or its end.
    Member,
    /// In the name of a member, which starts here if all of it is still in the window.
    Name {
        from: Option<usize>,
    },
    /// Behind a name; whether it is the next of the path.
    Colon {
        is_next: bool,
    },
    MemberValue {
        is_next: bool,
    },
    /// In the value of a member that is not on the way.
    Skip,
    Array,
    /// In a value at the front of the window.
    Value(Role),
    /// As [`State::Value`], but its first byte starts no value.
    Junk(Role),
    /// Nothing more can be cut; the rest goes out as it is.
    Rest {
        offset: u64,
        reason: &'static str,
    },
    Done,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Document,
    Element,
    /// A document in which there cannot be the array.
    WithoutArray,
}

impl JsonStream {
    pub(crate) fn new(shape: Shape) -> Self {
        Self { shape, state: State::Between, at: 0, scanner: Scanner::default(), open: 0, found: false }
    }

    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Halt> {
        loop {
            let found = match self.state {
                State::Between => {
                    let Some(first) = self.token(cursor)? else { return Ok(None) };
                    self.start_document(cursor, first);
                    None
                }
                State::Member => self.member(cursor)?,
                State::Name { from } => self.member_name(cursor, from)?,
                State::Colon { is_next } => match self.token(cursor)? {
                    None => Some(self.cut_off(cursor)),
                    Some(b':') => {
                        self.at += 1;
                        self.state = State::MemberValue { is_next };
                        None
                    }
                    Some(_) => self.give_up(cursor, "expected `:`"),
                },
                State::MemberValue { is_next } => self.member_value(cursor, is_next)?,
                State::Skip => self.skip_value(cursor)?,
                State::Array => self.element(cursor)?,
                State::Value(role) => self.value(cursor, role)?,
                State::Junk(role) => Some(self.junk(cursor, role)?),
                State::Rest { offset, reason } => {
                    let to = cursor.fill()?;
                    if to == 0 {
                        return Ok(None);
                    }
                    Some(Found::Fault { error: FrameError::Syntax { offset, reason }.into(), to, line: None })
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
    fn start_document(&mut self, cursor: &mut Cursor<'_>, first: u8) {
        self.pass(cursor);
        self.found = false;
        match (self.path(), first) {
            (Some([]), b'[') => {
                self.at = 1;
                self.found = true;
                self.state = State::Array;
            }
            (Some([_, ..]), b'{') => {
                self.at = 1;
                self.open = 1;
                self.state = State::Member;
            }
            (None, _) => self.start_value(State::Value(Role::Document)),
            (Some(_), _) => self.start_value(State::Value(Role::WithoutArray)),
        }
    }

    fn start_value(&mut self, state: State) {
        self.scanner = Scanner::default();
        self.state = state;
    }

    /// In an object on the way to the array: one member.
    fn member(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Halt> {
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
                if self.found {
                    self.pass(cursor);
                }
                self.start_value(State::Name { from: Some(self.at) });
            }
            Some(_) => return Ok(self.give_up(cursor, "expected a member name")),
        }
        Ok(None)
    }

    /// In the name of a member.
    fn member_name(&mut self, cursor: &mut Cursor<'_>, from: Option<usize>) -> Result<Option<Found>, Halt> {
        if !self.scan(cursor)? {
            return Ok(Some(self.cut_off(cursor)));
        }
        // The name may have lost its start while it was scanned.
        let from = if let State::Name { from } = self.state { from } else { from };
        let name = from.and_then(|from| cursor.window.bytes().get(from..self.at));
        let name = name.filter(|name| name.len() <= cursor.most()).unwrap_or_default();
        let wanted = self.path().and_then(|path| path.get(self.open - 1));
        let is_next =
            wanted.is_some_and(|wanted| serde_json::from_slice::<String>(name).is_ok_and(|name| name == *wanted));
        self.state = State::Colon { is_next };
        Ok(None)
    }

    fn member_value(&mut self, cursor: &mut Cursor<'_>, is_next: bool) -> Result<Option<Found>, Halt> {
        let is_last = self.path().is_some_and(|path| path.len() == self.open);
        match self.token(cursor)? {
            None => return Ok(Some(self.cut_off(cursor))),
            Some(b'[') if is_next && is_last => {
                self.at += 1;
                self.found = true;
                self.state = State::Array;
                if cursor.is_in_parts() {
                    let to = std::mem::take(&mut self.at);
                    return Ok(Some(Found::Part { to, is_last: true, line: None }));
                }
            }
            Some(b'{') if is_next && !is_last => {
                self.at += 1;
                self.open += 1;
                self.state = State::Member;
            }
            Some(b',' | b':' | b'}' | b']') => return Ok(self.give_up(cursor, "expected a value")),
            Some(_) => self.start_value(State::Skip),
        }
        Ok(None)
    }

    /// Over a value of any length.
    fn skip_value(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Halt> {
        if !self.scan(cursor)? {
            return Ok(Some(self.cut_off(cursor)));
        }
        self.state = State::Member;
        Ok(None)
    }

    /// In the array: one element.
    fn element(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Halt> {
        match self.token(cursor)? {
            None => return Ok(Some(self.cut_off(cursor))),
            Some(b',') => self.at += 1,
            Some(b']') => {
                self.at += 1;
                self.state = if self.open == 0 { State::Between } else { State::Member };
            }
            Some(_) => {
                self.pass(cursor);
                self.start_value(State::Value(Role::Element));
            }
        }
        Ok(None)
    }

    /// In a value at the front of the window, `at` bytes of which were scanned.
    fn value(&mut self, cursor: &mut Cursor<'_>, role: Role) -> Result<Option<Found>, Halt> {
        let most = cursor.most();
        loop {
            let bytes = cursor.window.bytes();
            let (look, behind) = bytes.split_at_checked(most).unwrap_or((bytes, &[]));
            let end = self.scanner.scan(look.get(self.at..).unwrap_or_default()).map(|length| self.at + length);
            if end == Some(0) {
                self.state = State::Junk(role);
                return Ok(None);
            }
            if let Some(to) = end {
                return Ok(Some(self.end_value(cursor, role, to)));
            }
            self.at = look.len();
            if !behind.is_empty() {
                let mut ahead = self.scanner;
                if ahead.is_word() && ahead.scan(behind.get(..1).unwrap_or_default()) == Some(0) {
                    return Ok(Some(self.end_value(cursor, role, most)));
                }
                self.at = 0;
                return Ok(Some(Found::Part { to: most, is_last: false, line: None }));
            }
            if !cursor.window.grow()? {
                let to = self.at;
                if cursor.is_in_parts() || self.scanner.is_word() && !cursor.window.has_fault() {
                    return Ok(Some(self.end_value(cursor, role, to)));
                }
                self.at = 0;
                return Ok(Some(self.cut_off(cursor)));
            }
        }
    }

    /// Reads on from a byte that starts no value, at most as far as an event may be long.
    fn junk(&mut self, cursor: &mut Cursor<'_>, role: Role) -> Result<Found, Halt> {
        let is_end = |byte: &u8| {
            is_blank(*byte) || is_value_start(*byte) || role == Role::Element && matches!(byte, b',' | b']')
        };
        let most = cursor.most();
        self.at = self.at.max(1);
        loop {
            let bytes = cursor.window.bytes();
            let rest = bytes.get(self.at..).unwrap_or_default();
            if let Some(length) = rest.iter().position(is_end) {
                let to = (self.at + length).min(most);
                return Ok(self.end_value(cursor, role, to));
            }
            self.at = bytes.len();
            if self.at >= most || !cursor.window.grow()? {
                let to = self.at.min(most);
                return Ok(self.end_value(cursor, role, to));
            }
        }
    }

    /// At the end of a value, or of its last part.
    fn end_value(&mut self, cursor: &mut Cursor<'_>, role: Role, to: usize) -> Found {
        self.at = 0;
        self.state = if role == Role::Element { State::Array } else { State::Between };
        if cursor.is_in_parts() {
            return Found::Part { to, is_last: true, line: None };
        }
        cursor.given = to;
        if role == Role::WithoutArray {
            let error = FrameError::NoArray { at: self.path().unwrap_or_default().to_vec() };
            return Found::Fault { error: error.into(), to, line: None };
        }
        Found::Event { from: 0, to, raw: to, line: None }
    }

    /// Behind the closing brace of a document.
    fn end_document(&mut self, cursor: &mut Cursor<'_>) -> Option<Found> {
        self.state = State::Between;
        if self.found {
            self.pass(cursor);
            return None;
        }
        let to = self.at;
        Some(self.end_value(cursor, Role::WithoutArray, to))
    }

    /// The input ended within a document.
    fn cut_off(&mut self, cursor: &mut Cursor<'_>) -> Found {
        self.state = State::Done;
        if self.found {
            // What was read behind the array is no part of an event.
            self.pass(cursor);
        }
        let to = cursor.window.bytes().len();
        if cursor.is_in_parts() {
            return Found::Part { to, is_last: true, line: None };
        }
        cursor.cut_off(to, None)
    }

    /// What surrounds the events is not JSON.
    fn give_up(&mut self, cursor: &mut Cursor<'_>, reason: &'static str) -> Option<Found> {
        self.state = State::Rest { offset: cursor.window.offset() + self.at as u64, reason };
        if self.found {
            self.pass(cursor);
        }
        let to = std::mem::take(&mut self.at);
        cursor.is_in_parts().then_some(Found::Part { to, is_last: true, line: None })
    }

    /// To the end of a string or a value; false if it has none.
    fn scan(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Halt> {
        loop {
            let bytes = self.in_reach(cursor);
            if let Some(length) = self.scanner.scan(bytes.get(self.at..).unwrap_or_default()) {
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
    fn token(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<u8>, Halt> {
        loop {
            let rest = self.in_reach(cursor).get(self.at..).unwrap_or_default();
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

    /// True if what was read must not be let go of: it may turn out to be a document without array.
    fn holds_start(&self) -> bool {
        !self.found && !matches!(self.state, State::Between)
    }

    /// What may be read of the window: of a document that may have to be reported whole, no more than one item may be
    /// long, so that where it is cut does not depend on what is in memory.
    fn in_reach<'c>(&self, cursor: &'c Cursor<'_>) -> &'c [u8] {
        let bytes = cursor.window.bytes();
        if self.holds_start() { bytes.get(..cursor.most()).unwrap_or(bytes) } else { bytes }
    }

    /// Reads on. Lets go of what was read, if need be as a part of a document that is too long.
    fn more(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Halt> {
        let most = cursor.most();
        if self.holds_start() {
            if self.at >= most && (self.at < cursor.window.bytes().len() || cursor.window.grow()?) {
                let to = match &mut self.state {
                    // A name that may be the one we look for stays in one piece.
                    State::Name { from: Some(from) } if *from > 0 => std::mem::take(from),
                    State::Name { from } => {
                        *from = None;
                        self.at
                    }
                    _ => self.at,
                };
                self.at -= to;
                return Err(Halt::Found(Found::Part { to, is_last: false, line: None }));
            }
        } else {
            match &mut self.state {
                State::Name { from: Some(_) } if self.at <= most => {}
                State::Name { from } => {
                    *from = None;
                    self.pass(cursor);
                }
                _ => self.pass(cursor),
            }
        }
        cursor.window.grow()
    }

    /// Drops what was read.
    fn pass(&mut self, cursor: &mut Cursor<'_>) {
        cursor.window.drop_front(std::mem::take(&mut self.at));
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_value_start(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"')
}

/// Finds the end of a value, over any number of pieces.
#[derive(Clone, Copy, Debug, Default)]
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
