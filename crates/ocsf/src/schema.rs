//! The OCSF schema as data: which classes, objects, attributes, enumerations and constraints a version has.
//!
//! The rest of the crate builds on it: the column types of a class, the derived captions, the validator. The facts
//! are text files in `data/`, one per version, written by `cargo xtask generate-schema` from the output of the official
//! `ocsf-schema-compiler`; they are embedded and read on first use, and only the version asked for. See
//! [facts files](self#facts-files) for their form.
//!
//! ```
//! use ocsf::schema::{AttributeKind, Requirement, ScalarType, Schema, Version};
//!
//! let schema = Schema::get(Version::V1_1_0);
//! let class = schema.class("process_activity").unwrap();
//! assert_eq!((class.uid, class.caption, class.category_name), (1007, "Process Activity", "System Activity"));
//!
//! let time = class.attribute("time").unwrap();
//! assert_eq!(time.kind, AttributeKind::Scalar(ScalarType::Timestamp));
//! assert_eq!(time.requirement, Requirement::Required);
//!
//! let activity = class.attribute("activity_id").unwrap();
//! assert_eq!(activity.enumeration.unwrap().caption(1), Some("Launch"));
//! assert_eq!(activity.sibling, Some("activity_name"));
//! ```
//!
//! # Facts files
//!
//! Line-based, so that a change of schema reads as a diff. A block starts in the first column, its members are indented
//! by two spaces, ` = ` comes before a caption, and `#` starts a comment line. Blocks come in this order: `ocsf`,
//! `extension`, `profile`, `type`, `enum`, `object`, `class`. An attribute line is
//! `<name> <type>[] <required|recommended|optional>`, then any of `+<profile>,…` (present only with one of them),
//! `enum=<name of an enum block>`, `sibling=<attribute>`, `observable=<type_id>` and `deprecated`.

mod facts;

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use rustc_hash::FxHashMap;

/// A version of OCSF whose facts are shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Version {
    /// 1.1.0, the version of Security Lake's own sources (source version 2).
    #[default]
    V1_1_0,
    /// 1.3.0, the newest version that Security Lake accepts from custom sources.
    V1_3_0,
}

impl Version {
    /// Every shipped version, oldest first.
    pub const ALL: [Self; 2] = [Self::V1_1_0, Self::V1_3_0];

    /// The version as `metadata.version` spells it: `1.1.0`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_1_0 => "1.1.0",
            Self::V1_3_0 => "1.3.0",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no shipped OCSF version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unsupported OCSF version {0:?}; supported versions are 1.1.0 and 1.3.0")]
pub struct UnknownVersion(String);

impl FromStr for Version {
    type Err = UnknownVersion;

    /// Reads `1.1.0`; a leading `v`, as git tags have it, is accepted.
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let number = text.strip_prefix('v').unwrap_or(text);
        Self::ALL.into_iter().find(|v| v.as_str() == number).ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

/// All facts of one OCSF version. Lives as long as the program: see [`Schema::get`].
#[derive(Debug)]
pub struct Schema {
    version: Version,
    extensions: Vec<Extension>,
    profiles: Vec<Profile>,
    types: Vec<TypeFacts>,
    objects: Vec<Object>,
    classes: Vec<EventClass>,
    object_by_name: FxHashMap<&'static str, ObjectId>,
    class_by_name: FxHashMap<&'static str, u16>,
    class_by_uid: FxHashMap<u32, u16>,
}

impl Schema {
    /// The facts of `version`, read from the embedded text, which is compressed, on first use (below two milliseconds)
    /// and kept.
    pub fn get(version: Version) -> &'static Self {
        static V1_1_0: OnceLock<Schema> = OnceLock::new();
        static V1_3_0: OnceLock<Schema> = OnceLock::new();
        let (cell, packed): (_, &[u8]) = match version {
            Version::V1_1_0 => (&V1_1_0, include_bytes!(concat!(env!("OUT_DIR"), "/ocsf-1.1.0.txt"))),
            Version::V1_3_0 => (&V1_3_0, include_bytes!(concat!(env!("OUT_DIR"), "/ocsf-1.3.0.txt"))),
        };
        cell.get_or_init(|| match facts::unpack(packed).and_then(|text| facts::parse(version, text)) {
            Ok(schema) => schema,
            #[expect(
                clippy::panic,
                reason = "the text is part of the program; every_shipped_version_is_readable tests it"
            )]
            Err(error) => panic!("embedded facts of OCSF {version}: {error}"),
        })
    }

    /// Which version these facts are of.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Every event class, ordered by uid.
    pub fn classes(&self) -> &[EventClass] {
        &self.classes
    }

    /// The class of that name. A class of an extension is found by both `registry_key_activity` and
    /// `win/registry_key_activity`.
    pub fn class(&self, name: &str) -> Option<&EventClass> {
        self.class_by_name.get(name).and_then(|&index| self.classes.get(usize::from(index)))
    }

    /// The class with that `class_uid`.
    pub fn class_by_uid(&self, uid: u32) -> Option<&EventClass> {
        self.class_by_uid.get(&uid).and_then(|&index| self.classes.get(usize::from(index)))
    }

    /// Every object, ordered by name; [`Object::id`] is the position.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// The object of that name; one of an extension is found by both `reg_key` and `win/reg_key`.
    pub fn object(&self, name: &str) -> Option<&Object> {
        self.object_by_name.get(name).map(|&id| self.object_by_id(id))
    }

    /// The object that an attribute of kind [`AttributeKind::Object`] points at.
    ///
    /// # Panics
    /// If `id` comes from the schema of another version and is out of range here.
    pub fn object_by_id(&self, id: ObjectId) -> &Object {
        &self.objects[usize::from(id.0)]
    }

    /// Whether a dotted path, without a mark for the arrays it passes through, leads to an attribute that an event of
    /// the class with the profiles `on` may have.
    pub fn has_attribute(&self, class: &EventClass, path: &str, on: ProfileSet) -> bool {
        let mut attributes: &[Attribute] = &class.attributes;
        path.split('.').all(|name| {
            let found = attributes.iter().find(|attribute| attribute.name == name && attribute.is_present(on));
            attributes = match found.map(|attribute| attribute.kind) {
                Some(AttributeKind::Object(object)) => &self.object_by_id(object).attributes,
                _ => &[],
            };
            found.is_some()
        })
    }

    /// Every profile, ordered by name; [`Profile::id`] is the position.
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// The id of the profile with exactly that name, as `metadata.profiles` spells it (`linux/linux_users` has its
    /// extension in front).
    pub fn profile_id(&self, name: &str) -> Option<ProfileId> {
        self.profiles.iter().find(|p| p.name == name).map(|p| p.id)
    }

    /// The extensions that the schema was compiled with.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// The extension of that name: `win`, `linux`.
    pub fn extension(&self, name: &str) -> Option<&Extension> {
        self.extensions.iter().find(|e| e.name == name)
    }

    /// The limits that this version puts on values of a scalar type.
    pub fn type_facts(&self, scalar: ScalarType) -> &TypeFacts {
        &self.types[scalar as usize]
    }

    /// The attribute that a dotted path leads to, starting at `class`: `actor.process.pid`. `None` if any step is
    /// unknown or goes into something that is not an object. Arrays need no index.
    ///
    /// ```
    /// use ocsf::schema::{Schema, Version};
    /// let schema = Schema::get(Version::V1_1_0);
    /// let class = schema.class("file_activity").unwrap();
    /// assert_eq!(schema.attribute_at(class, "file.hashes.algorithm_id").unwrap().sibling, Some("algorithm"));
    /// assert!(schema.attribute_at(class, "file.colour").is_none());
    /// ```
    pub fn attribute_at<'s>(&'s self, class: &'s EventClass, path: &str) -> Option<&'s Attribute> {
        let mut names = path.split('.');
        let mut found = class.attribute(names.next()?)?;
        for name in names {
            let AttributeKind::Object(id) = found.kind else {
                return None;
            };
            found = self.object_by_id(id).attribute(name)?;
        }
        Some(found)
    }
}

/// An event class: the shape of one kind of event.
#[derive(Debug)]
#[non_exhaustive]
pub struct EventClass {
    /// Name without extension: `process_activity`, `registry_key_activity`.
    pub name: &'static str,
    /// Name with the extension in front, if it has one: `process_activity`, `win/registry_key_activity`.
    pub qualified_name: &'static str,
    /// The text of `class_name`: `Process Activity`.
    pub caption: &'static str,
    /// The value of `class_uid`.
    pub uid: u32,
    /// The value of `category_uid`.
    pub category_uid: u32,
    /// The text of `category_name`.
    pub category_name: &'static str,
    /// Name of the extension that defines the class: `win`.
    pub extension: Option<&'static str>,
    /// The profiles that an event of this class may have in `metadata.profiles`.
    pub profiles: ProfileSet,
    /// Ordered by name; those of every profile are here, see [`Attribute::profiles`].
    pub attributes: Vec<Attribute>,
    /// Rules over several attributes of the class.
    pub constraints: Vec<Constraint>,
    /// OCSF advises against its use.
    pub deprecated: bool,
    index: AttributeIndex,
}

impl EventClass {
    /// The attribute of that name, whatever profile it needs.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.index.find(&self.attributes, name)
    }
}

/// An object: a named set of attributes that classes and other objects contain.
#[derive(Debug)]
#[non_exhaustive]
pub struct Object {
    /// Position in [`Schema::objects`].
    pub id: ObjectId,
    /// Name, with the extension in front if it has one: `process`, `win/reg_key`.
    pub name: &'static str,
    /// Human name: `Process`.
    pub caption: &'static str,
    /// Name of the extension that defines the object: `win`.
    pub extension: Option<&'static str>,
    /// `observable.type_id` for objects of this kind.
    pub observable: Option<u16>,
    /// Ordered by name; those of every profile are here, see [`Attribute::profiles`].
    pub attributes: Vec<Attribute>,
    /// Rules over several attributes of the object.
    pub constraints: Vec<Constraint>,
    /// OCSF advises against its use.
    pub deprecated: bool,
    index: AttributeIndex,
}

impl Object {
    /// The attribute of that name, whatever profile it needs.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.index.find(&self.attributes, name)
    }

    /// Whether any member is allowed: the object `object`, which `unmapped` has, defines no attributes.
    pub fn is_free_form(&self) -> bool {
        self.attributes.is_empty()
    }
}

/// Position of each attribute by name. Validation looks every member of every object up, and this is several times
/// faster than a binary search over the names.
#[derive(Debug)]
struct AttributeIndex(FxHashMap<&'static str, u16>);

impl AttributeIndex {
    fn find<'a>(&self, attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
        attributes.get(usize::from(*self.0.get(name)?))
    }
}

/// Finds an attribute in a list ordered by name, by binary search.
pub(crate) fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    let position = attributes.binary_search_by(|attribute| attribute.name.cmp(name)).ok()?;
    attributes.get(position)
}

/// One attribute of a class or object.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Attribute {
    /// The JSON member's name.
    pub name: &'static str,
    /// Type of the value, or of each element if [`is_array`](Self::is_array).
    pub kind: AttributeKind,
    /// Whether the value is an array.
    pub is_array: bool,
    /// Whether it is required, provided that it [`is_present`](Self::is_present).
    pub requirement: Requirement,
    /// Empty: the attribute always exists. Otherwise it exists only if at least one of these profiles is on.
    pub profiles: ProfileSet,
    /// The only allowed values.
    pub enumeration: Option<&'static Enumeration>,
    /// For an enumeration: the sibling attribute with the caption of its value.
    pub sibling: Option<&'static str>,
    /// `observable.type_id` of the value: the attribute's own, else its scalar type's, else its object's.
    pub observable: Option<u16>,
    /// OCSF advises against its use.
    pub deprecated: bool,
}

impl Attribute {
    /// Whether the attribute exists in an event that has the profiles `on`.
    pub fn is_present(&self, on: ProfileSet) -> bool {
        self.profiles.is_empty() || self.profiles.intersects(on)
    }

    /// Whether an event that has the profiles `on` must have it.
    pub fn is_required(&self, on: ProfileSet) -> bool {
        self.requirement == Requirement::Required && self.is_present(on)
    }

    /// The scalar type, unless it is an object.
    pub fn scalar(&self) -> Option<ScalarType> {
        match self.kind {
            AttributeKind::Scalar(scalar) => Some(scalar),
            AttributeKind::Object(_) => None,
        }
    }
}

/// The kind of value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributeKind {
    /// A value of a type of the dictionary.
    Scalar(ScalarType),
    /// An object: [`Schema::object_by_id`].
    Object(ObjectId),
}

/// Whether OCSF requires or recommends an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Requirement {
    /// An event without it is invalid.
    Required,
    /// An event is valid without it.
    Recommended,
    /// An event is valid without it.
    Optional,
}

impl Requirement {
    /// OCSF's name for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Recommended => "recommended",
            Self::Optional => "optional",
        }
    }
}

macro_rules! scalar_types {
    ($($(#[$doc:meta])* $variant:ident = $name:literal: $primitive:ident,)+) => {
        /// A scalar type of the OCSF dictionary; the same in every shipped version. What differs between versions is in
        /// [`TypeFacts`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ScalarType { $($(#[$doc])* $variant,)+ }

        impl ScalarType {
            /// Every scalar type, in the order of the variants.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// OCSF's name: `ip_t`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it is in JSON.
            pub const fn primitive(self) -> Primitive {
                match self { $(Self::$variant => Primitive::$primitive,)+ }
            }
        }
    };
}

scalar_types! {
    /// `true` or `false`.
    Boolean = "boolean_t": Boolean,
    /// Base64 text.
    ByteString = "bytestring_t": String,
    /// RFC 3339 text.
    Datetime = "datetime_t": String,
    /// E-mail address.
    Email = "email_t": String,
    /// Hash in hexadecimal.
    FileHash = "file_hash_t": String,
    /// Name of a file.
    FileName = "file_name_t": String,
    /// Floating-point number.
    Float = "float_t": Float,
    /// Host or domain name.
    Hostname = "hostname_t": String,
    /// Integer; 32 bits in Security Lake's tables.
    Integer = "integer_t": Integer,
    /// IPv4 or IPv6 address.
    Ip = "ip_t": String,
    /// Any JSON value.
    Json = "json_t": Json,
    /// Integer of 64 bits.
    Long = "long_t": Long,
    /// MAC address.
    Mac = "mac_t": String,
    /// TCP or UDP port.
    Port = "port_t": Integer,
    /// Name of a process.
    ProcessName = "process_name_t": String,
    /// Identifier of a resource.
    ResourceUid = "resource_uid_t": String,
    /// Text.
    String = "string_t": String,
    /// Network in CIDR notation.
    Subnet = "subnet_t": String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp = "timestamp_t": Long,
    /// URL.
    Url = "url_t": String,
    /// Name of a user.
    Username = "username_t": String,
    /// UUID.
    Uuid = "uuid_t": String,
}

impl ScalarType {
    /// The type of that OCSF name: `ip_t`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.name() == name)
    }
}

impl fmt::Display for ScalarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The JSON form of a scalar type: OCSF's types without a super type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// `true` or `false`.
    Boolean,
    /// Integer (`integer_t`).
    Integer,
    /// Integer of 64 bits (`long_t`).
    Long,
    /// Number.
    Float,
    /// Text.
    String,
    /// Anything.
    Json,
}

/// Limits that one version puts on the values of a [`ScalarType`]. A type without its own limit has that of its super
/// type, as in OCSF's server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TypeFacts {
    /// Human name: `IP Address`.
    pub caption: &'static str,
    /// Longest text, in characters.
    pub max_len: Option<u32>,
    /// Smallest and largest number.
    pub range: Option<(i64, i64)>,
    /// `observable.type_id` of values of this type.
    pub observable: Option<u16>,
    /// Pattern that texts should match, in the schema's own dialect.
    pub regex: Option<&'static str>,
}

/// The allowed values of an attribute, each with its caption.
#[derive(Debug)]
pub struct Enumeration {
    members: Members,
}

#[derive(Debug)]
enum Members {
    Integers(Vec<(i64, &'static str)>),
    Texts(Vec<(&'static str, &'static str)>),
}

impl Enumeration {
    /// The value that means "not known" in every integer enumeration that has it.
    pub const UNKNOWN: i64 = 0;
    /// The value for anything that the enumeration does not have. The sibling then has the text.
    pub const OTHER: i64 = 99;

    /// The values and captions, ordered by value; empty if the values are texts.
    pub fn integers(&self) -> &[(i64, &'static str)] {
        match &self.members {
            Members::Integers(members) => members,
            Members::Texts(_) => &[],
        }
    }

    /// The values and captions, ordered by value; empty if the values are integers.
    pub fn texts(&self) -> &[(&'static str, &'static str)] {
        match &self.members {
            Members::Integers(_) => &[],
            Members::Texts(members) => members,
        }
    }

    /// The caption of an integer value; `None` if it is not allowed.
    pub fn caption(&self, value: i64) -> Option<&'static str> {
        let members = self.integers();
        // Most enumerations count from 0 without a gap.
        let likely = usize::try_from(value).ok().and_then(|at| members.get(at)).filter(|member| member.0 == value);
        let found =
            likely.or_else(|| members.binary_search_by_key(&value, |m| m.0).ok().and_then(|at| members.get(at)));
        found.map(|member| member.1)
    }

    /// The caption of a text value; `None` if it is not allowed.
    pub fn caption_of_text(&self, value: &str) -> Option<&'static str> {
        let members = self.texts();
        members.binary_search_by(|m| m.0.cmp(value)).ok().and_then(|i| members.get(i)).map(|m| m.1)
    }

    /// The integer value with that caption; an exact match comes first, then a match that ignores ASCII case.
    pub fn value(&self, caption: &str) -> Option<i64> {
        let members = self.integers();
        let exact = members.iter().find(|m| m.1 == caption);
        exact.or_else(|| members.iter().find(|m| m.1.eq_ignore_ascii_case(caption))).map(|m| m.0)
    }
}

/// A rule over several attributes. Paths are relative to the class or object and may be dotted (`device.os.version`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// At least one of them must be set.
    AtLeastOne(Vec<&'static str>),
    /// Exactly one of them must be set.
    JustOne(Vec<&'static str>),
}

/// A profile: a set of attributes that an event may opt into.
#[derive(Debug)]
#[non_exhaustive]
pub struct Profile {
    /// Position in [`Schema::profiles`].
    pub id: ProfileId,
    /// Name as `metadata.profiles` spells it: `security_control`, `linux/linux_users`.
    pub name: &'static str,
    /// Human name: `Security Control`.
    pub caption: &'static str,
}

/// An extension of the core schema.
#[derive(Debug)]
#[non_exhaustive]
pub struct Extension {
    /// `win`.
    pub name: &'static str,
    /// Number of the extension; class uids of an extension start with it.
    pub uid: u32,
    /// Version of the extension, the same as the schema's.
    pub version: &'static str,
}

/// Names an [`Object`] of one [`Schema`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(u16);

impl ObjectId {
    /// Position in [`Schema::objects`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Names a [`Profile`] of one [`Schema`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProfileId(u8);

impl ProfileId {
    /// Position in [`Schema::profiles`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of profiles of one [`Schema`].
///
/// ```
/// use ocsf::schema::{ProfileSet, Schema, Version};
/// let schema = Schema::get(Version::V1_1_0);
/// let host = schema.profile_id("host").unwrap();
/// let on: ProfileSet = [host].into_iter().collect();
/// assert!(on.contains(host) && !on.contains(schema.profile_id("cloud").unwrap()));
/// assert_eq!(on.names(schema).collect::<Vec<_>>(), ["host"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ProfileSet(u32);

impl ProfileSet {
    /// No profile.
    pub const EMPTY: Self = Self(0);

    /// Whether there is no profile in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `profile` is in it.
    pub const fn contains(self, profile: ProfileId) -> bool {
        self.0 & (1 << profile.0) != 0
    }

    /// Adds `profile`.
    pub const fn insert(&mut self, profile: ProfileId) {
        self.0 |= 1 << profile.0;
    }

    /// The profiles of either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The profiles that are in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The profiles that `other` does not have.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether they share a profile.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether every profile of `other` is in it.
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The ids, ascending, which is the order of the names.
    pub fn iter(self) -> impl Iterator<Item = ProfileId> {
        (0..32).map(ProfileId).filter(move |&id| self.contains(id))
    }

    /// The names, ordered.
    pub fn names(self, schema: &Schema) -> impl Iterator<Item = &'static str> {
        schema.profiles.iter().filter(move |p| self.contains(p.id)).map(|p| p.name)
    }
}

impl FromIterator<ProfileId> for ProfileSet {
    fn from_iter<I: IntoIterator<Item = ProfileId>>(profiles: I) -> Self {
        profiles.into_iter().fold(Self::EMPTY, |mut set, profile| {
            set.insert(profile);
            set
        })
    }
}

#[cfg(test)]
mod tests;
