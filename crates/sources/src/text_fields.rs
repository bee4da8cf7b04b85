//! Rendered Windows event messages to fields.
//!
//! The Kinesis agent for Windows sends an event's rendered message, not its data: for Sysmon a title line and then one
//! `Name: value` line for each field. [`TextFields`] puts an object in the place of that string, so that a mapping can
//! write `$.Description.ProcessGuid`.
//!
//! A value may hold line breaks (a script as a command line), and what it holds is the attacker's to choose. So a line
//! is a field only if it starts with a name of this event and stands where the event has that field; any other line
//! continues the value above it. Which lines are fields is clear if all of them are in order, as in nearly every
//! message; if not, [`EventFields::reading`] decides. A line that starts with a name and is no field is either such a
//! value or an attempt to look like a field: it is counted in [`Document::repeated_fields`], and its name is in
//! [`Document::repeated_names`]. No byte is lost: title, names and values in order, joined again, are the message.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use crate::document::{Document, Members};
use crate::field_order::{EventFields, FIELD_LIMIT, Line, bit};
use crate::node::NodeValue;
use crate::words;

/// Member that holds the title line of a message.
pub const TITLE_KEY: &str = "_title";

/// Which string of an event is a rendered message, and which fields it may have.
///
/// ```
/// use bumpalo::Bump;
/// use sources::{Document, FieldNames, NodeValue, TextFields};
///
/// let fields = TextFields {
///     at: vec!["Description".to_owned()],
///     event_id: vec!["EventId".to_owned()],
///     names: FieldNames::shipped("windows-sysmon").expect("is shipped"),
/// };
/// let bump = Bump::new();
/// let line = br#"{"EventId":5,"Description":"Process terminated:\r\nRuleName: -\r\nProcessId: 4"}"#;
/// let mut document = Document::parse(line, &bump)?;
/// assert!(fields.apply(&mut document));
/// let id = document.find(&["Description", "ProcessId"]).expect("was split");
/// assert_eq!(document.value(id), NodeValue::String("4"));
/// # Ok::<(), sources::DocumentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TextFields {
    /// Member names that lead from the root to the message.
    pub at: Vec<String>,
    /// Member names that lead to the event's id, a number or a string.
    pub event_id: Vec<String>,
    /// The names by event id.
    pub names: FieldNames,
}

impl TextFields {
    /// Replaces the message by an object: [`TITLE_KEY`] with what stands before the first field, if anything does, then
    /// the fields in their order. False, and the document is as before, if there is no message or it has no fields.
    pub fn apply(&self, document: &mut Document<'_>) -> bool {
        let Some(node) = document.find(&self.at) else { return false };
        let NodeValue::String(message) = document.value(node) else { return false };
        let event =
            document.find(&self.event_id).and_then(|id| document.value(id).text()).and_then(|id| self.names.0.get(id));
        let mut repeated = Repeated::default();
        let was_split = document.replace_with_object(node, |members| match event {
            Some(event) => {
                if !split_in_order(message, event, members) {
                    members.clear();
                    split_by_reading(message, event, members, &mut repeated);
                }
            }
            None => split_generic(message, members, &mut repeated),
        });
        if repeated.lines > 0 {
            document.note_repeated(repeated.lines, repeated.names);
        }
        was_split
    }
}

/// Field names by event id.
///
/// The names of an event are in the order of its message; that is what tells a field from a line of a value that looks
/// like one. An event without list is split by a generic rule: an identifier, a colon and a space at the start of a
/// line, each name once. There, any value can pretend to have later fields.
#[derive(Clone, Debug, Default)]
pub struct FieldNames(Arc<FxHashMap<String, EventFields>>);

impl FieldNames {
    /// Names of the lists that come with Sluice, for [`FieldNames::shipped`].
    pub const SHIPPED: [&'static str; 1] = ["windows-sysmon"];

    /// Lists from configuration, each in the order of its event's message. A message may lack fields.
    ///
    /// # Errors
    /// If a list is longer than [`FIELD_LIMIT`], or a name is empty or holds a colon or a line break, which no line
    /// could ever match.
    pub fn new<I>(lists: I) -> Result<Self, FieldNamesError>
    where
        I: IntoIterator<Item = (String, Vec<String>)>,
    {
        let mut events = FxHashMap::default();
        for (event_id, names) in lists {
            if names.len() > FIELD_LIMIT {
                return Err(FieldNamesError::TooMany { event_id, count: names.len() });
            }
            if let Some(name) = names.iter().find(|name| name.is_empty() || name.contains([':', '\r', '\n'])) {
                return Err(FieldNamesError::BadName { event_id, name: name.clone() });
            }
            events.insert(event_id, EventFields::new(&[names]));
        }
        Ok(Self(Arc::new(events)))
    }

    /// A list that comes with Sluice: `windows-sysmon` has the fields of every event of all schema versions from 2.0 to
    /// 4.90, named and ordered as in the manifest of each.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        static SYSMON: OnceLock<FieldNames> = OnceLock::new();
        (name == "windows-sysmon").then(|| {
            SYSMON
                .get_or_init(|| {
                    let versions: FxHashMap<String, Vec<Vec<String>>> =
                        serde_json::from_str(include_str!("../data/windows-sysmon-fields.json")).unwrap_or_default();
                    let events = versions.into_iter().map(|(id, versions)| (id, EventFields::new(&versions)));
                    Self(Arc::new(events.collect()))
                })
                .clone()
        })
    }

    /// The names of one event: those of its newest version in the order of the message, and among them those that only
    /// older versions have.
    #[must_use]
    pub fn of(&self, event_id: &str) -> Option<&[String]> {
        self.0.get(event_id).map(EventFields::names)
    }
}

/// Why lists of field names cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldNamesError {
    /// A list has more than [`FIELD_LIMIT`] names.
    #[error("event {event_id} has {count} field names, at most {FIELD_LIMIT} are possible")]
    TooMany {
        /// The event.
        event_id: String,
        /// How many names it has.
        count: usize,
    },
    /// No line can start with this name.
    #[error("event {event_id}: {name:?} cannot be the name of a field in a line `name: value`")]
    BadName {
        /// The event.
        event_id: String,
        /// The name.
        name: String,
    },
}

/// Lines that start with the name of a field and are part of a value.
#[derive(Debug, Default)]
struct Repeated<'a> {
    lines: usize,
    /// Their names, each once.
    names: Vec<&'a str>,
}

impl<'a> Repeated<'a> {
    fn add(&mut self, name: &'a str) {
        self.lines += 1;
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

/// Adds title and fields, if all lines that start with a name are in order and of one version. False, and some may have
/// been added, if not.
fn split_in_order<'a>(message: &'a str, event: &EventFields, members: &mut Members<'_, 'a>) -> bool {
    let mut cutter = Cutter::new(message);
    let (mut next, mut set) = (0, 0);
    for line in Lines::new(message, event) {
        if line.place < next {
            return false;
        }
        next = line.place + 1;
        set |= bit(line.place);
        cutter.cut(line.at, line.length, members);
    }
    cutter.end(members);
    event.are_of_one_version(set)
}

/// Adds title and fields of any message.
#[cold]
fn split_by_reading<'a>(
    message: &'a str,
    event: &EventFields,
    members: &mut Members<'_, 'a>,
    repeated: &mut Repeated<'a>,
) {
    let lines: Vec<Line> = Lines::new(message, event).collect();
    let mut cutter = Cutter::new(message);
    let mut fields = event.reading(&lines).into_iter().peekable();
    let mut seen = 0;
    for (at, line) in lines.into_iter().enumerate() {
        if fields.next_if_eq(&at).is_some() {
            cutter.cut(line.at, line.length, members);
            continue;
        }
        // A set of names first, since a message may have very many such lines.
        if seen & bit(line.place) == 0 {
            seen |= bit(line.place);
            repeated.names.push(message.get(line.at..line.at + line.length).unwrap_or_default());
        }
        repeated.lines += 1;
    }
    cutter.end(members);
}

/// Adds title and fields of a message of an event without list: each name's first line is a field.
fn split_generic<'a>(message: &'a str, members: &mut Members<'_, 'a>, repeated: &mut Repeated<'a>) {
    let bytes = message.as_bytes();
    let mut cutter = Cutter::new(message);
    let mut names: Vec<&'a str> = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..) {
        if let Some(name) = generic_name(message, at, rest) {
            if names.contains(&name) {
                repeated.add(name);
            } else if names.len() < FIELD_LIMIT {
                names.push(name);
                cutter.cut(at, name.len(), members);
            }
        }
        let Some(end) = line_end(bytes, at) else { break };
        at = end + 1;
    }
    cutter.end(members);
}

fn generic_name<'a>(message: &'a str, at: usize, rest: &[u8]) -> Option<&'a str> {
    let length = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?;
    let name = message.get(at..at + length)?;
    let starts = name.starts_with(|first: char| !first.is_ascii_digit())
        && rest.get(length..).is_some_and(|rest| rest.starts_with(b": "));
    starts.then_some(name)
}

/// The lines of a message that start with a name of the event: `Name: …` or, where the space at the end was trimmed,
/// `Name:`.
struct Lines<'m, 'n> {
    message: &'m [u8],
    names: &'n [String],
    /// Where the next line starts, if there is one.
    at: Option<usize>,
    /// Place of the name that most likely comes next.
    expected: usize,
}

impl<'m, 'n> Lines<'m, 'n> {
    fn new(message: &'m str, event: &'n EventFields) -> Self {
        Self { message: message.as_bytes(), names: event.names(), at: Some(0), expected: 0 }
    }

    /// Place and length of the name that the line at the start of `rest` starts with.
    #[inline]
    fn place(&self, rest: &[u8]) -> Option<(usize, usize)> {
        let starts = |name: &String| {
            let after = rest.strip_prefix(name.as_bytes());
            matches!(after, Some([b':', b' ' | b'\n', ..] | [b':', b'\r', b'\n', ..] | [b':'] | [b':', b'\r']))
        };
        let (before, from) = self.names.split_at_checked(self.expected)?;
        let find = |names: &[String], first: usize| {
            names.iter().position(starts).and_then(|at| Some((first + at, names.get(at)?.len())))
        };
        find(from, self.expected).or_else(|| find(before, 0))
    }
}

impl Iterator for Lines<'_, '_> {
    type Item = Line;

    #[inline]
    fn next(&mut self) -> Option<Line> {
        loop {
            let at = self.at?;
            let found = self.place(self.message.get(at..)?);
            let length = found.map_or(0, |(_, length)| length);
            self.at = line_end(self.message, at + length).map(|end| end + 1);
            if let Some((place, length)) = found {
                self.expected = place + 1;
                return Some(Line { at, place, length });
            }
        }
    }
}

/// Where the line break is that ends the line of a place.
#[inline]
fn line_end(bytes: &[u8], at: usize) -> Option<usize> {
    words::find(bytes, at, |word| words::equal(word, b'\n'))
}

/// Cuts a message before the lines that are fields.
struct Cutter<'a> {
    message: &'a str,
    /// Name of the field that was begun.
    name: Option<&'a str>,
    /// Where its value begins.
    value: usize,
}

impl<'a> Cutter<'a> {
    fn new(message: &'a str) -> Self {
        Self { message, name: None, value: 0 }
    }

    /// Adds what stands before the line at `line`, which starts with a name of `length` bytes.
    #[inline]
    fn cut(&mut self, line: usize, length: usize, members: &mut Members<'_, 'a>) {
        let bytes = self.message.as_bytes();
        let end = match bytes.get(..line) {
            Some([.., b'\r', b'\n']) => line - 2,
            Some([.., b'\n']) => line - 1,
            _ => line,
        };
        // An empty first line is a title too: a message that starts with a line break keeps it.
        if line > 0 {
            members.add(self.name.unwrap_or(TITLE_KEY), self.message.get(self.value..end).unwrap_or_default());
        }
        self.name = self.message.get(line..line + length);
        let after = line + length + 1;
        self.value = after + usize::from(bytes.get(after) == Some(&b' '));
    }

    /// Adds the last field; nothing if there is none.
    fn end(self, members: &mut Members<'_, 'a>) {
        if let Some(name) = self.name {
            members.add(name, self.message.get(self.value..).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::*;
    use crate::node::NodeId;

    /// The split of a message of an event as JSON.
    fn split(event_id: &str, message: &str) -> (String, usize) {
        let fields = TextFields {
            at: vec!["d".to_owned()],
            event_id: vec!["id".to_owned()],
            names: FieldNames::shipped("windows-sysmon").unwrap(),
        };
        let input = serde_json::json!({"id": event_id, "d": message, "after": [1]}).to_string();
        let bump = Bump::new();
        let mut document = Document::parse(input.as_bytes(), &bump).unwrap();
        let was_split = fields.apply(&mut document);
        let node = document.find(&["d"]).unwrap();
        assert_eq!(was_split, document.value(node) == NodeValue::Object);
        assert_eq!(document.to_json(document.get(NodeId::ROOT, "after").unwrap()), "[1]");
        (document.to_json(node), document.repeated_fields())
    }

    #[test]
    fn a_message_becomes_title_and_fields() {
        let expected = r#"{"_title":"Process terminated:","RuleName":"","ProcessId":"4","Image":"C:\\a: b.exe"}"#;
        assert_eq!(split("5", "Process terminated:\r\nRuleName: \r\nProcessId: 4\r\nImage: C:\\a: b.exe").0, expected);
        assert_eq!(split("5", "Process terminated:\nRuleName: \nProcessId: 4\nImage: C:\\a: b.exe").0, expected);
        assert_eq!(split("5", "Process terminated:\r\nRuleName:\r\nProcessId: 4\r\nImage: C:\\a: b.exe").0, expected);
    }

    #[test]
    fn lines_that_start_no_field_of_the_event_continue_the_value() {
        let (json, repeated) = split("5", "T:\r\nImage: a\r\nHashes: b\n\nImageLoaded: c\r\nUser: d\r\n");
        assert_eq!(json, r#"{"_title":"T:","Image":"a\r\nHashes: b\n\nImageLoaded: c","User":"d\r\n"}"#);
        assert_eq!(repeated, 0);
    }

    #[test]
    fn names_of_a_first_schema_are_fields() {
        let message = "Process Create:\r\nIntegrityLevel: High\r\nHashType: SHA1\r\nHash: 01\r\nParentProcessId: 4";
        let expected = r#"{"_title":"Process Create:","IntegrityLevel":"High","HashType":"SHA1","Hash":"01","ParentProcessId":"4"}"#;
        assert_eq!(split("1", message), (expected.to_owned(), 0));
    }

    #[test]
    fn a_name_counts_once_and_its_repetition_is_noted() {
        let (json, repeated) = split("1", "T:\r\nUtcTime: 1\r\nCommandLine: x\r\nUtcTime: 2\r\nUser: u");
        assert_eq!(json, r#"{"_title":"T:","UtcTime":"1","CommandLine":"x\r\nUtcTime: 2","User":"u"}"#);
        assert_eq!(repeated, 1);
    }

    #[test]
    fn the_title_may_be_missing_empty_or_long() {
        assert_eq!(split("5", "Image: a").0, r#"{"Image":"a"}"#);
        assert_eq!(split("5", "\nImage: a").0, r#"{"_title":"","Image":"a"}"#);
        assert_eq!(split("5", "one\ntwo\r\nImage: a").0, r#"{"_title":"one\ntwo","Image":"a"}"#);
    }

    #[test]
    fn a_text_without_fields_stays_a_string() {
        for message in ["", "Process terminated:", "Hashes: of another event", "Image:x", "  Image: a"] {
            assert_eq!(split("5", message).0, serde_json::to_string(message).unwrap());
        }
    }

    #[test]
    fn an_unknown_event_is_split_by_the_generic_rule() {
        let (json, repeated) = split("999", "Title\r\nA_1: x\r\nC:\\path\r\n9b: y\r\nA_1: z\r\nB: ");
        assert_eq!(json, r#"{"_title":"Title","A_1":"x\r\nC:\\path\r\n9b: y\r\nA_1: z","B":""}"#);
        assert_eq!(repeated, 1);
        let many: String = (0..10_000).map(|n| format!("k{n}: v\n")).collect();
        let fields: serde_json::Value = serde_json::from_str(&split("999", &many).0).unwrap();
        assert_eq!(fields.as_object().unwrap().len(), FIELD_LIMIT);
    }

    #[test]
    fn the_shipped_list_covers_every_sysmon_event() {
        let names = FieldNames::shipped("windows-sysmon").unwrap();
        for event in (1..=29).chain([255]) {
            assert!(names.of(&event.to_string()).is_some_and(|names| names.contains(&"UtcTime".to_owned())), "{event}");
        }
        assert!(names.of("8").unwrap().contains(&"SourceProcessGuid".to_owned()));
        assert!(names.of("10").unwrap().contains(&"SourceProcessGUID".to_owned()));
        assert!(FieldNames::shipped("other").is_none());
        let lists = names.0.iter().map(|(event, fields)| (event.clone(), fields.names().to_vec()));
        assert!(FieldNames::new(lists).is_ok());
    }

    #[test]
    fn lists_that_cannot_work_are_refused() {
        let list = |names: Vec<String>| FieldNames::new([("1".to_owned(), names)]).err();
        assert_eq!(list(vec!["a".to_owned()]), None);
        assert!(matches!(list(vec!["a".to_owned(); 129]), Some(FieldNamesError::TooMany { count: 129, .. })));
        assert!(matches!(list(vec![String::new()]), Some(FieldNamesError::BadName { .. })));
        assert!(matches!(list(vec!["a:b".to_owned()]), Some(FieldNamesError::BadName { .. })));
    }
}
