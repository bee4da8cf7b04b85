//! Rendered Windows event messages to fields.
//!
//! The Kinesis agent for Windows sends an event's rendered message, not its data: for Sysmon a title line and then one
//! `Name: value` line for each field. [`TextFields`] puts an object in the place of that string, so that a mapping can
//! write `$.Description.ProcessGuid`.
//!
//! A value may hold line breaks (a script as a command line), and what it holds is the attacker's to choose. So a line
//! starts a field only if its name belongs to this event and was not seen before; any other line continues the value
//! above it. A line whose name was seen before is either such a value or an attempt to look like a field, and is
//! counted in [`Document::repeated_fields`]. No byte is lost: title, names and values in order, joined again, are the
//! message.

use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use crate::document::{Document, NodeValue};
use crate::words;

/// Member that holds the title line of a message.
pub const TITLE_KEY: &str = "_title";

/// Most names an event may have, and most fields the generic rule makes of one message.
pub const FIELD_LIMIT: usize = 128;

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
        let names =
            document.find(&self.event_id).and_then(|id| document.value(id).text()).and_then(|id| self.names.of(id));
        let mut fields = Fields::new(names);
        if !document.replace_with_object(node, |add| fields.split(message, add)) {
            return false;
        }
        document.notes_mut().repeated_fields += fields.repeated;
        true
    }
}

/// Field names by event id.
///
/// An event without list is split by a generic rule: an identifier, a colon and a space at the start of a line.
#[derive(Clone, Debug, Default)]
pub struct FieldNames(Arc<FxHashMap<String, Vec<String>>>);

impl FieldNames {
    /// Names of the lists that come with Sluice, for [`FieldNames::shipped`].
    pub const SHIPPED: [&'static str; 1] = ["windows-sysmon"];

    /// Lists from configuration.
    ///
    /// # Errors
    /// If a list is longer than [`FIELD_LIMIT`], or a name is empty or holds a colon or a line break, which no line
    /// could ever match.
    pub fn new<I>(lists: I) -> Result<Self, FieldNamesError>
    where
        I: IntoIterator<Item = (String, Vec<String>)>,
    {
        let lists: FxHashMap<String, Vec<String>> = lists.into_iter().collect();
        for (event_id, names) in &lists {
            if names.len() > FIELD_LIMIT {
                return Err(FieldNamesError::TooMany { event_id: event_id.clone(), count: names.len() });
            }
            if let Some(name) = names.iter().find(|name| name.is_empty() || name.contains([':', '\r', '\n'])) {
                return Err(FieldNamesError::BadName { event_id: event_id.clone(), name: name.clone() });
            }
        }
        Ok(Self(Arc::new(lists)))
    }

    /// A list that comes with Sluice: `windows-sysmon` has the fields of every event of all schema versions from 2.0 to
    /// 4.90, named as in its manifest.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        static SYSMON: OnceLock<FieldNames> = OnceLock::new();
        (name == "windows-sysmon").then(|| {
            SYSMON
                .get_or_init(|| {
                    let lists = serde_json::from_str(include_str!("../data/windows-sysmon-fields.json"));
                    Self(Arc::new(lists.unwrap_or_default()))
                })
                .clone()
        })
    }

    /// The names of one event, in the order of its message.
    #[must_use]
    pub fn of(&self, event_id: &str) -> Option<&[String]> {
        self.0.get(event_id).map(Vec::as_slice)
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

/// The fields of a message that were found.
struct Fields<'a, 'n> {
    names: Option<&'n [String]>,
    /// Names that had their field, by place in `names`.
    seen: u128,
    /// The place in `names` that most likely comes next.
    expected: usize,
    /// Names that had their field, for the generic rule.
    generic: Vec<&'a str>,
    repeated: usize,
}

impl<'a, 'n> Fields<'a, 'n> {
    fn new(names: Option<&'n [String]>) -> Self {
        Self { names, seen: 0, expected: 0, generic: Vec::new(), repeated: 0 }
    }

    /// Gives `add` the title, if there is one, and the fields of a message in their order; nothing if it has no field.
    fn split(&mut self, message: &'a str, add: &mut dyn FnMut(&'a str, &'a str)) {
        let bytes = message.as_bytes();
        let mut name = None;
        // Where the value begins, and the line that is looked at.
        let (mut value, mut line) = (0, 0);
        while let Some(rest) = bytes.get(line..) {
            let found = match self.names {
                Some(names) => self.field_name(names, message, line, rest),
                None => self.generic_name(message, line, rest),
            };
            let searched = found.map_or(0, str::len);
            if let Some(found) = found {
                let end = match bytes.get(..line) {
                    Some([.., b'\r', b'\n']) => line - 2,
                    Some([.., b'\n']) => line - 1,
                    _ => line,
                };
                // An empty first line is a title too: a message that starts with a line break keeps it.
                if line > 0 {
                    add(name.unwrap_or(TITLE_KEY), message.get(value..end).unwrap_or_default());
                }
                name = Some(found);
                let after = line + found.len() + 1;
                value = after + usize::from(bytes.get(after) == Some(&b' '));
            }
            let Some(end) = words::find(bytes, line + searched, |word| words::equal(word, b'\n')) else { break };
            line = end + 1;
        }
        if let Some(name) = name {
            add(name, message.get(value..).unwrap_or_default());
        }
    }

    /// The name, if the line at the start of `rest` starts a field: `Name: …` or, where the space at the end was trimmed,
    /// `Name:`.
    #[inline]
    fn field_name(&mut self, names: &[String], message: &'a str, line: usize, rest: &[u8]) -> Option<&'a str> {
        let starts = |name: &String| {
            let after = rest.strip_prefix(name.as_bytes());
            matches!(after, Some([b':', b' ' | b'\n', ..] | [b':', b'\r', b'\n', ..] | [b':'] | [b':', b'\r']))
        };
        let place = match names.get(self.expected) {
            Some(name) if starts(name) => self.expected,
            _ => names.iter().position(starts)?,
        };
        let bit = 1u128.checked_shl(place as u32)?;
        if self.seen & bit != 0 {
            self.repeated += 1;
            return None;
        }
        self.seen |= bit;
        self.expected = place + 1;
        names.get(place).and_then(|name| message.get(line..line + name.len()))
    }

    fn generic_name(&mut self, message: &'a str, line: usize, rest: &[u8]) -> Option<&'a str> {
        let length = rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?;
        let name = message.get(line..line + length)?;
        let starts = name.starts_with(|first: char| !first.is_ascii_digit())
            && rest.get(length..).is_some_and(|rest| rest.starts_with(b": "));
        if !starts || self.generic.len() >= FIELD_LIMIT {
            return None;
        }
        if self.generic.contains(&name) {
            self.repeated += 1;
            return None;
        }
        self.generic.push(name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::*;
    use crate::document::NodeId;

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
        assert!(FieldNames::new(names.0.as_ref().clone()).is_ok());
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
