//! Object keys of the lake, as types that cannot break Security Lake's rules.
//!
//! A [`Partition`] says where a group of rows belongs, an [`ObjectName`] says which input they came from, and together
//! they are an [`ObjectKey`]:
//!
//! ```text
//! ext/<source>/[<CLASS>/]region=<region>/accountId=<account>/eventDay=<YYYYMMDD>/<name>.zstd.parquet
//! ```
//!
//! Every type here is checked when it is made and prints in exactly one way, so nothing has to be checked twice and
//! `key.to_string().parse()` gives the key back. The grammar is that of "Collecting data from custom sources" in the
//! Security Lake user guide; where the guide leaves a choice, the strictest reading is taken.
//!
//! ```
//! use lake::key::{EventDay, Layout, ObjectKey, ObjectName, Partition};
//!
//! let partition = Partition {
//!     source: "windows-sysmon-1007".parse()?,
//!     class: Layout::SourcePerClass.class_prefix("process_activity")?,
//!     region: "eu-central-1".parse()?,
//!     account: "123456789012".parse()?,
//!     day: EventDay::of_millis(1_700_000_000_000)?,
//! };
//! let key = partition.object(ObjectName::derive("shard-0", &["stream", "shard-0", "49590338", "49590399"], 0));
//! assert_eq!(key.to_string().parse::<ObjectKey>()?, key);
//! assert!(key.to_string().starts_with(
//!     "ext/windows-sysmon-1007/region=eu-central-1/accountId=123456789012/eventDay=20231114/shard-0-00000-"
//! ));
//! # Ok::<(), lake::key::KeyError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Why a text is not a part of a key, or not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A custom source's name is empty, longer than 20 characters or has a character that Security Lake refuses.
    #[error("{text:?} is not a source name: {reason}")]
    SourceName {
        /// The text refused.
        text: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// Not an upper-case event class, as `PROCESS_ACTIVITY`.
    #[error("{0:?} is not an event class: upper-case letters, digits and '_', as PROCESS_ACTIVITY")]
    ClassPrefix(String),
    /// Not the name of an AWS Region.
    #[error("{0:?} is not an AWS Region: lower-case words and a number joined by '-', as eu-central-1")]
    Region(String),
    /// Neither twelve digits nor `external` nor `external_<id>`.
    #[error(
        "{0:?} is not an account: twelve digits, `external`, or `external_` and up to {max} of A-Z a-z 0-9 . _ -",
        max = AccountId::MAX_EXTERNAL_LEN
    )]
    AccountId(String),
    /// Not a day as `YYYYMMDD`.
    #[error("{0:?} is not a day: a date of the calendar as YYYYMMDD")]
    EventDay(String),
    /// A time outside the years that `YYYYMMDD` can name.
    #[error("{0} ms since 1970 lies outside the years 0000 to 9999")]
    Time(i64),
    /// A name that would be hidden from Athena, leave its folder, or be unsafe in a key.
    #[error("{text:?} is not an object name: {reason}")]
    ObjectName {
        /// The text refused.
        text: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A key whose segments are not those of the grammar.
    #[error("segment {segment} of the key is {found:?}, expected {expected}")]
    Segment {
        /// Position of the segment between slashes, from 1.
        segment: usize,
        /// What stands there; empty if the key ended before.
        found: String,
        /// What the grammar wants there.
        expected: &'static str,
    },
    /// A segment that names the right thing with a wrong value.
    #[error("segment {segment} of the key: {error}")]
    Value {
        /// Position of the segment between slashes, from 1.
        segment: usize,
        /// What is wrong with its value.
        #[source]
        error: Box<KeyError>,
    },
}

/// The name of a Security Lake custom source: 1 to 20 characters of `A-Z a-z 0-9 _ - : .`, not only dots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(String);

/// The event class of a key in the `prefix-per-class` layout, as `PROCESS_ACTIVITY`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClassPrefix(String);

/// An AWS Region by its code, as `eu-central-1`. Only the form is checked, since AWS adds Regions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

/// The account that records pertain to: twelve digits, `external`, or `external_<id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

/// A day of event time in UTC, from 0000-01-01 to 9999-12-31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventDay {
    /// Days since 1970-01-01.
    days: i32,
}

/// How the classes of one source are told apart in the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Each class is a custom source of its own (what Security Lake asks for).
    #[default]
    SourcePerClass,
    /// One custom source whose classes are folders below it (crawler table level 4).
    PrefixPerClass,
}

/// The last part of a key without its `.zstd.parquet`, derived from the input alone so that a retry writes over itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectName(String);

/// Where rows belong in the lake. Rows of one object share all of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The custom source.
    pub source: SourceName,
    /// The class folder, in the `prefix-per-class` layout only.
    pub class: Option<ClassPrefix>,
    /// The lake's Region (not the log's origin).
    pub region: Region,
    /// The account that the records pertain to.
    pub account: AccountId,
    /// The UTC day of the records' event time.
    pub day: EventDay,
}

/// The full key of an object of the lake, without the bucket and the store's own prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Where the object's rows belong.
    pub partition: Partition,
    /// Which input they came from.
    pub name: ObjectName,
}

/// What every key of a custom source begins with.
const ROOT: &str = "ext";
/// What every key of a lake object ends with.
const SUFFIX: &str = ".zstd.parquet";
const MILLIS_PER_DAY: i64 = 86_400_000;

impl SourceName {
    /// The longest name that `CreateCustomLogSource` takes, in characters.
    pub const MAX_LEN: usize = 20;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceName {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let reason = if text.is_empty() {
            "it is empty"
        } else if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:.".contains(&b)) {
            "only A-Z a-z 0-9 _ - : . are allowed"
        } else if text.len() > Self::MAX_LEN {
            "Security Lake allows at most 20 characters"
        } else if text.bytes().all(|b| b == b'.') {
            // The pattern of the API allows it, but in a folder it would name the folder above.
            "it has nothing but dots"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(KeyError::SourceName { text: excerpt(text), reason })
    }
}

impl ClassPrefix {
    /// The class as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClassPrefix {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError::ClassPrefix(excerpt(text)))
        }
    }
}

impl Region {
    /// The Region's code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Region {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut words = text.split('-');
        let number = words.next_back().unwrap_or_default();
        let sound = text.len() <= 32
            && (1..=2).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_digit())
            && words.clone().count() >= 2
            && words.all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()));
        if sound { Ok(Self(text.to_owned())) } else { Err(KeyError::Region(excerpt(text))) }
    }
}

impl AccountId {
    /// The longest id that `external_` takes, in characters.
    pub const MAX_EXTERNAL_LEN: usize = 64;

    /// For records that pertain to no AWS account.
    pub fn external() -> Self {
        Self("external".to_owned())
    }

    /// The account as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let sound = match text.strip_prefix("external") {
            Some("") => true,
            Some(rest) => rest
                .strip_prefix('_')
                .is_some_and(|id| (1..=Self::MAX_EXTERNAL_LEN).contains(&id.len()) && id.bytes().all(is_name_byte)),
            None => text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()),
        };
        if sound { Ok(Self(text.to_owned())) } else { Err(KeyError::AccountId(excerpt(text))) }
    }
}

impl EventDay {
    /// 0000-01-01, the first day that `YYYYMMDD` can name.
    pub const FIRST: Self = Self { days: -719_528 };
    /// 1970-01-01, where OCSF's time begins to count.
    pub const EPOCH: Self = Self { days: 0 };
    /// 9999-12-31, the last day that `YYYYMMDD` can name.
    pub const LAST: Self = Self { days: 2_932_896 };

    /// The day that a time lies in, in UTC. `millis` counts milliseconds since 1970-01-01T00:00:00Z, as OCSF's `time`.
    ///
    /// # Errors
    /// [`KeyError::Time`] outside the years 0000 to 9999, which `YYYYMMDD` cannot name.
    pub fn of_millis(millis: i64) -> Result<Self, KeyError> {
        // Floor, not truncation: one millisecond before 1970 is a day of 1969.
        let days = i32::try_from(millis.div_euclid(MILLIS_PER_DAY)).map(|days| Self { days });
        days.ok().filter(|day| (Self::FIRST..=Self::LAST).contains(day)).ok_or(KeyError::Time(millis))
    }

    /// The first millisecond of the day, since 1970-01-01T00:00:00Z.
    pub fn start_millis(self) -> i64 {
        i64::from(self.days) * MILLIS_PER_DAY
    }

    /// Whether a time, in milliseconds since 1970, lies in this day.
    pub fn contains_millis(self, millis: i64) -> bool {
        millis.div_euclid(MILLIS_PER_DAY) == i64::from(self.days)
    }

    fn date(self) -> Date {
        // Every day that can be made lies between the years 0000 and 9999, so the addition never saturates.
        EPOCH.saturating_add(jiff::Span::new().days(self.days))
    }
}

const EPOCH: Date = Date::constant(1970, 1, 1);

/// Days from 1970-01-01 to `date`.
fn days_since_epoch(date: Date) -> i32 {
    (date - EPOCH).get_days()
}

impl fmt::Display for EventDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(f, "{:04}{:02}{:02}", date.year(), date.month(), date.day())
    }
}

impl FromStr for EventDay {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let date = || {
            if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok()
        };
        match date() {
            Some(date) => Ok(Self { days: days_since_epoch(date) }),
            None => Err(KeyError::EventDay(excerpt(text))),
        }
    }
}

impl Layout {
    /// The class folder of a key in this layout, from the class's OCSF name (`process_activity`,
    /// `win/registry_key_activity`) or the name it is registered under (`FILE_SYSTEM_ACTIVITY`).
    ///
    /// # Errors
    /// [`KeyError::ClassPrefix`] if the name cannot be a folder.
    pub fn class_prefix(self, class: &str) -> Result<Option<ClassPrefix>, KeyError> {
        match self {
            Layout::SourcePerClass => Ok(None),
            Layout::PrefixPerClass => {
                let name = class.rsplit_once('/').map_or(class, |(_extension, name)| name);
                name.to_ascii_uppercase().parse().map(Some)
            }
        }
    }
}

impl ObjectName {
    /// The longest name, in characters.
    pub const MAX_LEN: usize = 200;
    /// How much of a label is kept, in characters.
    const MAX_LABEL_LEN: usize = 120;

    /// The name of part `part` of what `identity` names: `<label>-<part>-<hash of identity>`.
    ///
    /// The label is for people: what is unsafe in it becomes `_`, and it is cut after 120 characters. The hash (128 bits
    /// of BLAKE3 over the length and bytes of each element) is what keeps different inputs apart.
    ///
    /// ```
    /// use lake::key::ObjectName;
    ///
    /// let name = ObjectName::derive("logs/a b.gz", &["bucket", "logs/a b.gz", "version"], 3);
    /// assert!(name.as_str().starts_with("logs_a_b.gz-00003-"));
    /// assert_ne!(name, ObjectName::derive("logs/a b.gz", &["bucket", "logs/a b.g", "zversion"], 3));
    /// ```
    pub fn derive(label: &str, identity: &[&str], part: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        for element in identity {
            hasher.update(&(element.len() as u64).to_le_bytes());
            hasher.update(element.as_bytes());
        }
        let hash = hasher.finalize().to_hex();
        let label: String = label
            .chars()
            .take(Self::MAX_LABEL_LEN)
            .map(|c| if c.is_ascii() && is_name_byte(c as u8) { c } else { '_' })
            .collect();
        // A leading '_' or '.' would hide the object from Athena.
        let label = label.trim_start_matches(['_', '.']);
        let label = if label.is_empty() { "object" } else { label };
        Self(format!("{label}-{part:05}-{}", &hash[..32]))
    }

    /// The name as text, without the suffix.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let reason = if text.is_empty() {
            "it is empty"
        } else if text.len() > Self::MAX_LEN {
            "it is longer than 200 characters"
        } else if text.starts_with(['_', '.']) {
            "Athena ignores objects whose name begins with '_' or '.'"
        } else if !text.bytes().all(is_name_byte) {
            "only A-Z a-z 0-9 . _ - are allowed"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(KeyError::ObjectName { text: excerpt(text), reason })
    }
}

/// The bytes that need no escaping in a key, a URL or a file name.
fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"._-".contains(&b)
}

/// Enough of a refused text to recognise it. Keys come from notifications, so they may be anything.
fn excerpt(text: &str) -> String {
    const MAX_CHARS: usize = 100;
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Partition {
    /// The key of an object in this partition.
    pub fn object(self, name: ObjectName) -> ObjectKey {
        ObjectKey { partition: self, name }
    }
}

impl fmt::Display for Partition {
    /// The folder of the partition, without a trailing slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}/{}/", self.source)?;
        if let Some(class) = &self.class {
            write!(f, "{class}/")?;
        }
        write!(f, "region={}/accountId={}/eventDay={}", self.region, self.account, self.day)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{SUFFIX}", self.partition, self.name)
    }
}

impl FromStr for ObjectKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut segments = Segments { rest: Some(text), position: 0 };
        segments.next_as("`ext`", |found| (found == ROOT).then_some(Ok(())))?;
        let source = segments.next_as("a source name", |found| Some(found.parse()))?;
        // A class has no '=', which the segment after it always has.
        let class = match segments.peek() {
            Some(found) if !found.contains('=') => {
                Some(segments.next_as("an event class or `region=<region>`", |found| Some(found.parse()))?)
            }
            _ => None,
        };
        let region = segments.next_as("`region=<region>`", |found| found.strip_prefix("region=").map(str::parse))?;
        let account =
            segments.next_as("`accountId=<account>`", |found| found.strip_prefix("accountId=").map(str::parse))?;
        let day = segments.next_as("`eventDay=<YYYYMMDD>`", |found| found.strip_prefix("eventDay=").map(str::parse))?;
        let name = segments.next_as("`<name>.zstd.parquet`", |found| found.strip_suffix(SUFFIX).map(str::parse))?;
        segments.end()?;
        Ok(ObjectKey { partition: Partition { source, class, region, account, day }, name })
    }
}

/// The segments of a key between its slashes, with the position for errors.
struct Segments<'a> {
    rest: Option<&'a str>,
    position: usize,
}

impl<'a> Segments<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.rest.map(|rest| rest.split_once('/').map_or(rest, |(head, _)| head))
    }

    /// Takes the next segment. `read` gives `None` if it is not of the `expected` form.
    fn next_as<T>(
        &mut self,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<Result<T, KeyError>>,
    ) -> Result<T, KeyError> {
        self.position += 1;
        let segment = self.position;
        let found = self.peek().unwrap_or_default();
        self.rest = self.rest.and_then(|rest| rest.split_once('/')).map(|(_, tail)| tail);
        match read(found) {
            None => Err(KeyError::Segment { segment, found: excerpt(found), expected }),
            Some(value) => value.map_err(|error| KeyError::Value { segment, error: Box::new(error) }),
        }
    }

    fn end(&self) -> Result<(), KeyError> {
        match self.rest {
            None => Ok(()),
            Some(rest) => Err(KeyError::Segment {
                segment: self.position + 1,
                found: excerpt(rest),
                expected: "nothing after the object's name",
            }),
        }
    }
}

macro_rules! text_forms {
    ($($type:ty),+) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = KeyError;

            fn try_from(text: String) -> Result<Self, KeyError> {
                text.parse()
            }
        }
    )+};
}

text_forms!(SourceName, ClassPrefix, Region, AccountId, ObjectName);

impl From<EventDay> for String {
    fn from(day: EventDay) -> Self {
        day.to_string()
    }
}

impl TryFrom<String> for EventDay {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests;
