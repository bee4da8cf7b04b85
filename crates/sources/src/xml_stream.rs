//! XML elements of one name, cut out of a stream.
//!
//! Markup is told from text, and no more: enough to know where an element ends. Whether it is well-formed is for
//! [`crate::xml`] to find out, so that one bad element costs one event.

use crate::cursor::Cursor;
use crate::found::{Found, Halt};
use crate::item::FrameError;

/// Longest start tag that is compared with later ones.
const START_TAG: usize = 4 << 10;

/// The framer.
pub(crate) struct XmlStream {
    /// Name of the elements.
    element: String,
    state: State,
    /// Bytes read from the front of the window.
    at: usize,
    /// Elements of the same name that are open within the element, and itself.
    depth: u64,
    /// The element's start tag, empty if it is a long one.
    start_tag: Vec<u8>,
    /// The name of the root that is open.
    root: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between elements.
    Between,
    /// In an element whose start is the front of the window, or that is given out in parts.
    Element,
    /// In what is no part of any element.
    Other,
    /// In a comment or the like of an element that is longer than an item may be.
    Inside(Markup),
}

/// What starts with `<`, and text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Markup {
    Text,
    Comment,
    CharacterData,
    /// Also the XML declaration.
    Instruction,
    /// `<!DOCTYPE` and its like.
    Declaration,
    StartTag,
    EmptyTag,
    EndTag,
}

impl Markup {
    /// What ends it, if that is all there is to know.
    fn terminator(self) -> &'static [u8] {
        match self {
            Self::Comment => b"-->",
            Self::CharacterData => b"]]>",
            Self::Instruction => b"?>",
            Self::Text => b"<",
            Self::Declaration | Self::StartTag | Self::EmptyTag | Self::EndTag => b">",
        }
    }
}

impl XmlStream {
    pub(crate) fn new(element: String) -> Self {
        Self { element, state: State::Between, at: 0, depth: 0, start_tag: Vec::new(), root: None }
    }

    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Halt> {
        loop {
            let found = match self.state {
                State::Between => match self.between(cursor)? {
                    Between::Passed => None,
                    Between::Found(found) => Some(found),
                    Between::End => return Ok(None),
                },
                State::Element => Some(self.in_element(cursor)?),
                State::Other => self.other(cursor)?,
                State::Inside(markup) => self.inside(cursor, markup)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Passes one thing that may stand between elements, or finds that there is something else.
    fn between(&mut self, cursor: &mut Cursor<'_>) -> Result<Between, Halt> {
        let blank = blank(cursor.window.bytes());
        cursor.window.drop_front(blank);
        if may_become_blank(cursor.window.bytes()) && cursor.window.grow()? {
            return Ok(Between::Passed);
        }
        if cursor.window.bytes().is_empty() {
            return Ok(Between::End);
        }
        let Some((markup, end)) = self.token(cursor, 0)? else {
            self.state = State::Other;
            return Ok(Between::Passed);
        };
        let bytes = cursor.window.bytes().get(..end).unwrap_or_default();
        match markup {
            Markup::Comment | Markup::Instruction => {
                cursor.window.drop_front(end);
                return Ok(Between::Passed);
            }
            Markup::StartTag | Markup::EmptyTag if name(bytes) == self.element.as_bytes() => {
                if markup == Markup::EmptyTag {
                    cursor.given = end;
                    return Ok(Between::Found(Found::Event { from: 0, to: end, raw: end, line: None }));
                }
                self.state = State::Element;
                self.depth = 1;
                self.at = end;
                self.start_tag.clear();
                if end <= START_TAG {
                    self.start_tag.extend_from_slice(bytes);
                }
                return Ok(Between::Passed);
            }
            Markup::EndTag if self.root.as_deref() == Some(name(bytes)) && is_whole(bytes) => {
                self.root = None;
                cursor.window.drop_front(end);
                return Ok(Between::Passed);
            }
            Markup::EmptyTag if self.root.is_none() && self.is_plural(name(bytes)) => {
                cursor.window.drop_front(end);
                return Ok(Between::Passed);
            }
            Markup::StartTag if self.root.is_none() && is_whole(bytes) => {
                let root = name(bytes).to_vec();
                if self.is_plural(&root) || self.element_follows(cursor, end)? {
                    self.root = Some(root);
                    cursor.window.drop_front(end);
                    return Ok(Between::Passed);
                }
            }
            _ => {}
        }
        self.state = State::Other;
        Ok(Between::Passed)
    }

    /// True for `Events` if the elements are called `Event`.
    fn is_plural(&self, name: &[u8]) -> bool {
        name.strip_suffix(b"s") == Some(self.element.as_bytes())
    }

    /// Whether the next thing behind `at` but white space and comments is an element: only then is the tag before it the
    /// root's, and may be passed.
    fn element_follows(&mut self, cursor: &mut Cursor<'_>, mut at: usize) -> Result<bool, Halt> {
        loop {
            let rest = cursor.window.bytes().get(at..).unwrap_or_default();
            at += blank(rest);
            if may_become_blank(cursor.window.bytes().get(at..).unwrap_or_default())
                && cursor.window.bytes().len() < cursor.most()
                && cursor.window.grow()?
            {
                continue;
            }
            let Some((markup, end)) = self.token(cursor, at)? else { return Ok(false) };
            match markup {
                Markup::Comment | Markup::Instruction => at = end,
                Markup::StartTag | Markup::EmptyTag => {
                    return Ok(name(cursor.window.bytes().get(at..end).unwrap_or_default()) == self.element.as_bytes());
                }
                _ => return Ok(false),
            }
        }
    }

    /// The markup or text that starts at `at`, and where it ends; text may go on behind it. `None` if it ends neither in
    /// the input nor in as many bytes as an item may have.
    fn token(&self, cursor: &mut Cursor<'_>, at: usize) -> Result<Option<(Markup, usize)>, Halt> {
        let most = cursor.most();
        loop {
            let bytes = cursor.window.bytes();
            // So far and no further: what is found must not depend on what is in memory.
            let look = bytes.get(..most).unwrap_or(bytes);
            let rest = look.get(at..).unwrap_or_default();
            if let Some(markup) = kind(rest)
                && let Some((markup, length)) = end_of(markup, rest)
            {
                return Ok(Some((markup, at + length)));
            }
            // Behind 64 KiB, a token is looked at again only when it has doubled, so that time stays linear.
            let seen = bytes.len();
            let wanted = if rest.len() < 64 << 10 { seen } else { at + rest.len() * 2 };
            let wanted = wanted.min(most);
            if seen > most {
                return Ok(None);
            }
            while cursor.window.bytes().len() <= wanted && cursor.window.grow()? {}
            if cursor.window.bytes().len() == seen {
                return Ok(None);
            }
        }
    }

    /// In an element.
    fn in_element(&mut self, cursor: &mut Cursor<'_>) -> Result<Found, Halt> {
        loop {
            let Some((markup, end)) = self.token(cursor, self.at)? else {
                return Ok(self.unfinished(cursor));
            };
            let token = cursor.window.bytes().get(self.at..end).unwrap_or_default();
            match markup {
                Markup::StartTag if name(token) == self.element.as_bytes() => {
                    if self.start_tag == token {
                        // The element before was cut off.
                        let to = self.at;
                        return Ok(self.end_element(cursor, to));
                    }
                    self.depth += 1;
                }
                Markup::EndTag if name(token) == self.element.as_bytes() => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(self.end_element(cursor, end));
                    }
                }
                _ => {}
            }
            self.at = end;
        }
    }

    /// The element goes on behind what one item may have, or behind the end of the input.
    fn unfinished(&mut self, cursor: &mut Cursor<'_>) -> Found {
        let bytes = cursor.window.bytes();
        if bytes.len() <= cursor.most() {
            let to = bytes.len();
            self.state = State::Between;
            self.at = 0;
            if cursor.is_in_parts() {
                return Found::Part { to, is_last: true, line: None };
            }
            return cursor.cut_off(to, None);
        }
        let mut to = std::mem::take(&mut self.at);
        if to == 0 {
            let markup = kind(bytes).unwrap_or(Markup::Text);
            self.state = State::Inside(markup);
            to = cursor.most().saturating_sub(markup.terminator().len() - 1).max(1);
        }
        Found::Part { to, is_last: false, line: None }
    }

    fn end_element(&mut self, cursor: &mut Cursor<'_>, to: usize) -> Found {
        self.state = State::Between;
        self.at = 0;
        if cursor.is_in_parts() {
            return Found::Part { to, is_last: true, line: None };
        }
        let raw = cursor.window.bytes().get(..to).unwrap_or_default();
        let length = raw.trim_ascii_end().len();
        cursor.given = to;
        Found::Event { from: 0, to: length, raw: to, line: None }
    }

    /// In markup that is longer than an item may be: to its end.
    fn inside(&mut self, cursor: &mut Cursor<'_>, markup: Markup) -> Result<Option<Found>, Halt> {
        let terminator = markup.terminator();
        let filled = cursor.fill()?;
        let bytes = cursor.window.bytes();
        if let Some(at) = memchr::memmem::find(bytes.get(..filled).unwrap_or_default(), terminator) {
            self.state = State::Element;
            self.at = at + terminator.len();
            return Ok(None);
        }
        let is_last = filled < cursor.most();
        if is_last {
            self.state = State::Between;
        }
        // The terminator may have begun.
        let to = if is_last { filled } else { filled.saturating_sub(terminator.len() - 1).max(1) };
        Ok(Some(Found::Part { to, is_last, line: None }))
    }

    /// What is no part of an element, up to the next element, the end of the root or the start of one.
    fn other(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Found>, Halt> {
        loop {
            let Some((markup, end)) = self.token(cursor, self.at)? else {
                // All that is there, or as much as an item may have.
                let bytes = cursor.window.bytes();
                let is_long = bytes.len() > cursor.most();
                let to = if is_long && self.at > 0 { self.at } else { bytes.len().min(cursor.most()) };
                if !is_long {
                    self.state = State::Between;
                }
                return Ok(self.fault(cursor, to, is_long));
            };
            let token = cursor.window.bytes().get(self.at..end).unwrap_or_default();
            let is_next = match markup {
                Markup::StartTag | Markup::EmptyTag => {
                    name(token) == self.element.as_bytes() || self.root.is_none() && self.is_plural(name(token))
                }
                Markup::EndTag => self.root.as_deref() == Some(name(token)),
                _ => false,
            };
            if is_next && self.at > 0 {
                self.state = State::Between;
                let to = self.at;
                return Ok(self.fault(cursor, to, false));
            }
            self.at = end;
        }
    }

    /// `None` where only white space is left.
    fn fault(&mut self, cursor: &mut Cursor<'_>, to: usize, goes_on: bool) -> Option<Found> {
        self.at = 0;
        let bytes = cursor.window.bytes().get(..to).unwrap_or_default();
        let length = if goes_on { to } else { bytes.trim_ascii_end().len() };
        if length == 0 {
            cursor.window.drop_front(to);
            return None;
        }
        cursor.given = to;
        let error = FrameError::BetweenElements { element: self.element.clone() };
        Some(Found::Fault { error: error.into(), to: length, line: None })
    }
}

enum Between {
    Passed,
    Found(Found),
    End,
}

/// True if these bytes are no thing yet: none, or the beginning of a byte order mark.
fn may_become_blank(bytes: &[u8]) -> bool {
    bytes.len() < 3 && "\u{feff}".as_bytes().starts_with(bytes)
}

/// Length of the white space and byte order marks at the start. Files that were joined have marks in the middle.
fn blank(bytes: &[u8]) -> usize {
    let mut rest = bytes.trim_ascii_start();
    while let Some(behind) = rest.strip_prefix("\u{feff}".as_bytes()) {
        rest = behind.trim_ascii_start();
    }
    bytes.len() - rest.len()
}

/// What starts here; `None` if more bytes are needed to know.
fn kind(bytes: &[u8]) -> Option<Markup> {
    const COMMENT: &[u8] = b"<!--";
    const CHARACTER_DATA: &[u8] = b"<![CDATA[";
    Some(match bytes {
        [] | [b'<'] => return None,
        [b'<', b'/', ..] => Markup::EndTag,
        [b'<', b'?', ..] => Markup::Instruction,
        _ if bytes.starts_with(COMMENT) => Markup::Comment,
        _ if bytes.starts_with(CHARACTER_DATA) => Markup::CharacterData,
        _ if COMMENT.starts_with(bytes) || CHARACTER_DATA.starts_with(bytes) => return None,
        [b'<', b'!', ..] => Markup::Declaration,
        [b'<', ..] => Markup::StartTag,
        _ => Markup::Text,
    })
}

/// Where the token at the start ends, `None` if it goes on. A `<` in a tag ends the tag: it is not allowed there, and what
/// was meant to end the tag is missing.
fn end_of(markup: Markup, bytes: &[u8]) -> Option<(Markup, usize)> {
    match markup {
        // Text in pieces is still text.
        Markup::Text => Some((markup, memchr::memchr(b'<', bytes).unwrap_or(bytes.len()))),
        Markup::Comment | Markup::CharacterData | Markup::Instruction => {
            let start = match markup {
                Markup::Comment => 4,
                Markup::CharacterData => 9,
                _ => 2,
            };
            let rest = bytes.get(start..).unwrap_or_default();
            let terminator = markup.terminator();
            Some((markup, start + memchr::memmem::find(rest, terminator)? + terminator.len()))
        }
        Markup::Declaration | Markup::EndTag => {
            let at = 1 + memchr::memchr2(b'>', b'<', bytes.get(1..)?)?;
            Some((markup, if bytes.get(at) == Some(&b'>') { at + 1 } else { at }))
        }
        Markup::StartTag | Markup::EmptyTag => end_of_start_tag(bytes),
    }
}

fn end_of_start_tag(bytes: &[u8]) -> Option<(Markup, usize)> {
    let mut at = 1;
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|byte| matches!(byte, b'>' | b'<' | b'"' | b'\''))?;
        match bytes.get(at)? {
            b'>' => {
                let is_empty = bytes.get(at - 1) == Some(&b'/');
                return Some((if is_empty { Markup::EmptyTag } else { Markup::StartTag }, at + 1));
            }
            b'<' => return Some((Markup::StartTag, at)),
            quote => {
                at += 1;
                at += memchr::memchr2(*quote, b'<', bytes.get(at..)?)?;
                if bytes.get(at) == Some(quote) {
                    at += 1;
                }
            }
        }
    }
}

/// True if a tag has a name and its end.
fn is_whole(tag: &[u8]) -> bool {
    tag.ends_with(b">") && !name(tag).is_empty()
}

/// The name in a tag.
fn name(tag: &[u8]) -> &[u8] {
    let tag = tag.strip_prefix(b"<").unwrap_or(tag);
    let tag = tag.strip_prefix(b"/").unwrap_or(tag);
    let length = tag.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'<'));
    tag.get(..length.unwrap_or(tag.len())).unwrap_or_default()
}

/// True if an element of this name starts somewhere in `bytes`.
pub(crate) fn has_element(bytes: &[u8], element: &str) -> bool {
    memchr::memmem::find_iter(bytes, element).any(|at| {
        let behind = bytes.get(at + element.len());
        at > 0
            && bytes.get(at - 1) == Some(&b'<')
            && behind.is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
    })
}
