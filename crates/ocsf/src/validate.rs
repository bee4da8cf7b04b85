//! The strict check of one OCSF event in JSON form.
//!
//! Tests compare the mapped output and the compiled rules of a shape with it, and the command line offers it to users.
//! Its checks and severities follow OCSF's own server (`ocsf/ocsf-server`, `lib/schema/validator2.ex`), whose error
//! names are in [`ViolationKind::code`]. For example, a violated length or range is an error, but text that does not
//! match the pattern of its type is a warning. It differs where the server is lax or wrong:
//!
//! | here | OCSF's server |
//! |---|---|
//! | `integer_t` is 32 bits, `long_t` 64 bits, as the columns of Security Lake are | 64 and 128 bits |
//! | the text next to an enumeration value must be its caption: error | warning; error only in arrays |
//! | `metadata.version` must be the schema's: error | warning if it is older |
//! | a profile that the class does not have: error | not checked |
//! | dotted constraint paths (`device.os.version`) are followed | looked up as one member name, so they always fail |
//! | an integer is a valid `float_t`, because JSON does not distinguish them | wrong type |
//! | an `ip_t` must be an address | its pattern takes any character for the dots of IPv4 |
//! | a member that is `null` counts as absent, known or not | an unknown one is an error |
//!
//! Missing recommended attributes are not reported.
//!
//! ```
//! use ocsf::schema::{Schema, Version};
//! use ocsf::validate::{ViolationKind, validate_event};
//!
//! let event = serde_json::json!({
//!     "class_uid": 6002, "category_uid": 6, "activity_id": 3, "type_uid": 600203, "severity_id": 1,
//!     "time": "2024-05-01T10:00:00Z",
//!     "metadata": {"version": "1.1.0", "product": {"name": "Sysmon", "vendor_name": "Microsoft"}},
//!     "app": {"name": "Sysmon", "vendor_name": "Microsoft"}
//! });
//! let violations = validate_event(Schema::get(Version::V1_1_0), &event);
//! assert_eq!(violations.len(), 1);
//! assert_eq!((violations[0].path.as_str(), violations[0].kind), ("time", ViolationKind::WrongType));
//! assert_eq!(violations[0].message, "expected timestamp_t, found the text \"2024-05-01T10:00:00Z\"");
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use crate::schema::{
    Attribute, AttributeKind, Constraint, Enumeration, EventClass, Object, Primitive, ProfileSet, ScalarType, Schema,
    Version,
};

/// One violation of the schema by an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Path of the value: `process.file.hashes[0].value`. Empty for the event as a whole.
    pub path: String,
    /// The kind of violation, for programs.
    pub kind: ViolationKind,
    /// The message for people, without the path.
    pub message: String,
}

impl Violation {
    /// Whether the event is invalid because of it.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the event" } else { &self.path };
        write!(f, "{path}: {}", self.message)
    }
}

/// The severity of a [`Violation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The event is valid, but OCSF advises against it.
    Warning,
    /// The event is not valid OCSF.
    Error,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ViolationKind {
    /// No class has this `class_uid`; nothing else of the event was checked.
    ClassUnknown,
    /// `metadata.version` is not the version of the schema.
    VersionIncorrect,
    /// No profile has this name.
    ProfileUnknown,
    /// The profile exists, but the class does not have it.
    ProfileNotOfClass,
    /// The class or object has no such attribute.
    AttributeUnknown,
    /// The attribute exists only with a profile that the event does not have.
    AttributeProfileOff,
    /// A required attribute is missing.
    RequiredMissing,
    /// The value is not of the attribute's type, or is not an array where the attribute is one.
    WrongType,
    /// The integer does not fit 32 bits (`integer_t`) or 64 bits (`long_t`).
    IntegerOverflow,
    /// The number is outside the range of its type.
    ExceedsRange,
    /// The text is longer than its type allows.
    ExceedsMaxLen,
    /// The text does not have the form of its type.
    PatternNotMatched,
    /// The value is not one of the enumeration's.
    EnumValueUnknown,
    /// The text next to an enumeration value is not its caption.
    SiblingIncorrect,
    /// The array of captions is shorter than its array of enumeration values.
    SiblingMissing,
    /// The value is 99 (Other), and the text next to it is only the caption `Other`.
    SiblingUninformative,
    /// `at_least_one` or `just_one` does not hold.
    ConstraintFailed,
    /// `type_uid` is not `class_uid * 100 + activity_id`.
    TypeUidIncorrect,
    /// The name of an observable is not the path of an attribute of the class.
    ObservableReference,
    /// OCSF advises against the class, object or attribute.
    Deprecated,
}

impl ViolationKind {
    /// The name that OCSF's server gives the same finding, where it has one.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ClassUnknown => "class_uid_unknown",
            Self::VersionIncorrect => "version_incorrect",
            Self::ProfileUnknown => "profile_unknown",
            Self::ProfileNotOfClass => "profile_not_of_class",
            Self::AttributeUnknown => "attribute_unknown",
            Self::AttributeProfileOff => "attribute_profile_off",
            Self::RequiredMissing => "attribute_required_missing",
            Self::WrongType => "attribute_wrong_type",
            Self::IntegerOverflow => "attribute_integer_overflow",
            Self::ExceedsRange => "attribute_value_exceeds_range",
            Self::ExceedsMaxLen => "attribute_value_exceeds_max_len",
            Self::PatternNotMatched => "attribute_value_regex_not_matched",
            Self::EnumValueUnknown => "attribute_enum_value_unknown",
            Self::SiblingIncorrect => "attribute_enum_sibling_incorrect",
            Self::SiblingMissing => "attribute_enum_array_sibling_missing",
            Self::SiblingUninformative => "attribute_enum_sibling_suspicious_other",
            Self::ConstraintFailed => "constraint_failed",
            Self::TypeUidIncorrect => "type_uid_incorrect",
            Self::ObservableReference => "observable_name_invalid_reference",
            Self::Deprecated => "deprecated",
        }
    }

    /// Whether it makes an event invalid.
    pub const fn severity(self) -> Severity {
        match self {
            Self::PatternNotMatched | Self::SiblingUninformative | Self::Deprecated => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for ViolationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Returns every violation of `schema` by `event`; none if it is valid. `class_uid` of the event determines the class,
/// and `metadata.profiles` the profiles.
///
/// An event with an unknown class is not checked further. Costs a few microseconds for an event of usual size, and
/// allocates nothing if there is nothing to say.
pub fn validate_event(schema: &Schema, event: &Value) -> Vec<Violation> {
    let mut check = Check { schema, on: ProfileSet::EMPTY, patterns: Patterns::of(schema), violations: Vec::new() };
    match event {
        Value::Object(members) => check.event(members),
        other => {
            check.report(&Path::Root, ViolationKind::WrongType, format!("expected an event, found {}", Found(other)))
        }
    }
    check.violations
}

/// The class or object that a JSON object is an instance of.
#[derive(Clone, Copy)]
enum Item<'s> {
    Class(&'s EventClass),
    Object(&'s Object),
}

impl<'s> Item<'s> {
    fn attribute(self, name: &str) -> Option<&'s Attribute> {
        match self {
            Self::Class(class) => class.attribute(name),
            Self::Object(object) => object.attribute(name),
        }
    }

    fn attributes(self) -> &'s [Attribute] {
        match self {
            Self::Class(class) => &class.attributes,
            Self::Object(object) => &object.attributes,
        }
    }

    fn constraints(self) -> &'s [Constraint] {
        match self {
            Self::Class(class) => &class.constraints,
            Self::Object(object) => &object.constraints,
        }
    }

    fn is_deprecated(self) -> bool {
        match self {
            Self::Class(class) => class.deprecated,
            Self::Object(object) => object.deprecated,
        }
    }
}

impl fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => write!(f, "class {}", class.qualified_name),
            Self::Object(object) => write!(f, "object {}", object.name),
        }
    }
}

/// The path of the value being checked; formatted as text only for a violation.
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Element(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(Self::Root, name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Element(array, index) => write!(f, "{array}[{index}]"),
        }
    }
}

struct Check<'s> {
    schema: &'s Schema,
    on: ProfileSet,
    patterns: &'static Patterns,
    violations: Vec<Violation>,
}

impl<'s> Check<'s> {
    fn report(&mut self, at: &Path, kind: ViolationKind, message: String) {
        self.violations.push(Violation { path: at.to_string(), kind, message });
    }

    fn event(&mut self, event: &Map<String, Value>) {
        let at = Path::Member(&Path::Root, "class_uid");
        let class = match event.get("class_uid") {
            None | Some(Value::Null) => {
                return self.report(&at, ViolationKind::RequiredMissing, "required attribute is missing".to_owned());
            }
            Some(value @ Value::Number(number)) if number.is_i64() || number.is_u64() => {
                let uid = number.as_u64().and_then(|uid| u32::try_from(uid).ok());
                match uid.and_then(|uid| self.schema.class_by_uid(uid)) {
                    Some(class) => class,
                    None => {
                        let message = format!("OCSF {} has no class {}", self.schema.version(), Excerpt(value));
                        return self.report(&at, ViolationKind::ClassUnknown, message);
                    }
                }
            }
            Some(other) => {
                let message = format!("expected integer_t, found {}", Found(other));
                return self.report(&at, ViolationKind::WrongType, message);
            }
        };
        self.profiles(class, event);
        self.members(Item::Class(class), event, &Path::Root);
        self.version(event);
        self.type_uid(event);
        self.observables(class, event);
    }

    /// Turns on the profiles of `metadata.profiles`. Wrong types are reported with the other attributes.
    fn profiles(&mut self, class: &EventClass, event: &Map<String, Value>) {
        let Some(Value::Array(names)) = event.get("metadata").and_then(|metadata| metadata.get("profiles")) else {
            return;
        };
        let metadata = Path::Member(&Path::Root, "metadata");
        let profiles = Path::Member(&metadata, "profiles");
        for (index, name) in names.iter().enumerate() {
            let Value::String(text) = name else { continue };
            let at = Path::Element(&profiles, index);
            match self.schema.profile_id(text) {
                None => {
                    let message = format!("OCSF {} has no profile {}", self.schema.version(), Excerpt(name));
                    self.report(&at, ViolationKind::ProfileUnknown, message);
                }
                Some(profile) => {
                    self.on.insert(profile);
                    if !class.profiles.contains(profile) {
                        let message = format!("class {} does not have the profile {text:?}", class.qualified_name);
                        self.report(&at, ViolationKind::ProfileNotOfClass, message);
                    }
                }
            }
        }
    }

    /// Checks the members of a JSON object against its class or object.
    fn members(&mut self, item: Item<'s>, members: &Map<String, Value>, at: &Path) {
        if item.is_deprecated() {
            self.report(at, ViolationKind::Deprecated, format!("{item} is deprecated"));
        }
        if item.attributes().is_empty() {
            return;
        }
        for (name, value) in members {
            if value.is_null() {
                continue;
            }
            let at = Path::Member(at, name);
            match item.attribute(name) {
                None => self.report(&at, ViolationKind::AttributeUnknown, format!("{item} has no such attribute")),
                Some(attribute) if !attribute.is_present(self.on) => {
                    let needed: Vec<&str> = attribute.profiles.names(self.schema).collect();
                    let message = format!("{item} has this attribute only with the profile {}", needed.join(" or "));
                    self.report(&at, ViolationKind::AttributeProfileOff, message);
                }
                Some(attribute) => {
                    if attribute.deprecated {
                        self.report(&at, ViolationKind::Deprecated, "the attribute is deprecated".to_owned());
                    }
                    self.value(attribute, value, &at);
                }
            }
        }
        for attribute in item.attributes() {
            if attribute.is_required(self.on) && !is_there(members.get(attribute.name)) {
                let at = Path::Member(at, attribute.name);
                self.report(&at, ViolationKind::RequiredMissing, "required attribute is missing".to_owned());
            }
            if let (Some(enumeration), Some(sibling)) = (attribute.enumeration, attribute.sibling)
                && let Some(value) = members.get(attribute.name)
                && let Some(text) = members.get(sibling)
                // OCSF has a sibling that is no text: `priority` of incident_finding.
                && item.attribute(sibling).is_some_and(|sibling| sibling.kind == TEXT)
            {
                self.sibling(attribute, enumeration, value, text, &Path::Member(at, sibling));
            }
        }
        for constraint in item.constraints() {
            self.constraint(item, constraint, members, at);
        }
    }

    /// Checks the value of an attribute: one value or an array.
    fn value(&mut self, attribute: &Attribute, value: &Value, at: &Path) {
        if !attribute.is_array {
            return self.single(attribute, value, at);
        }
        match value {
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.single(attribute, element, &Path::Element(at, index));
                }
            }
            other => {
                let message = format!("expected an array of {}, found {}", self.type_name(attribute), Found(other));
                self.report(at, ViolationKind::WrongType, message);
            }
        }
    }

    /// Checks one value, or one element of an array.
    fn single(&mut self, attribute: &Attribute, value: &Value, at: &Path) {
        let scalar = match attribute.kind {
            AttributeKind::Scalar(scalar) => scalar,
            AttributeKind::Object(id) => match value {
                Value::Object(members) => {
                    return self.members(Item::Object(self.schema.object_by_id(id)), members, at);
                }
                other => return self.wrong_type(attribute, other, at),
            },
        };
        match (scalar.primitive(), value) {
            (Primitive::Json, _) | (Primitive::Boolean, Value::Bool(_)) | (Primitive::Float, Value::Number(_)) => {}
            (Primitive::String, Value::String(text)) => {
                self.text(scalar, text, value, at);
                if let Some(enumeration) = attribute.enumeration
                    && enumeration.caption_of_text(text).is_none()
                {
                    self.not_in_enumeration(value, at);
                }
            }
            (Primitive::Integer | Primitive::Long, Value::Number(number)) if number.is_i64() || number.is_u64() => {
                let bits = if scalar.primitive() == Primitive::Integer { 32 } else { 64 };
                match number.as_i64().filter(|&n| bits == 64 || i32::try_from(n).is_ok()) {
                    Some(number) => self.integer(scalar, attribute.enumeration, number, value, at),
                    None => {
                        let message = format!("{} does not fit {scalar} ({bits} bits)", Excerpt(value));
                        self.report(at, ViolationKind::IntegerOverflow, message);
                    }
                }
            }
            _ => self.wrong_type(attribute, value, at),
        }
    }

    fn integer(
        &mut self,
        scalar: ScalarType,
        enumeration: Option<&Enumeration>,
        number: i64,
        value: &Value,
        at: &Path,
    ) {
        if let Some((low, high)) = self.schema.type_facts(scalar).range
            && !(low..=high).contains(&number)
        {
            let message = format!("{number} is outside the range of {scalar}, {low} to {high}");
            self.report(at, ViolationKind::ExceedsRange, message);
        }
        if enumeration.is_some_and(|enumeration| enumeration.caption(number).is_none()) {
            self.not_in_enumeration(value, at);
        }
    }

    fn text(&mut self, scalar: ScalarType, text: &str, value: &Value, at: &Path) {
        // The limit is in characters; there are never more of them than bytes.
        if let Some(max_len) = self.schema.type_facts(scalar).max_len
            && text.len() > max_len as usize
        {
            let length = text.chars().count();
            if length > max_len as usize {
                let message = format!("{length} characters exceed the limit of {scalar}, {max_len}");
                self.report(at, ViolationKind::ExceedsMaxLen, message);
            }
        }
        let matches = match scalar {
            ScalarType::Ip => is_ip(text),
            _ => self.patterns.of_type(scalar).is_none_or(|pattern| pattern.is_match(text.as_bytes())),
        };
        if !matches {
            self.report(at, ViolationKind::PatternNotMatched, format!("{} is not a valid {scalar}", Found(value)));
        }
    }

    fn sibling(&mut self, attribute: &Attribute, enumeration: &Enumeration, value: &Value, text: &Value, at: &Path) {
        match (value, text) {
            (Value::Array(values), Value::Array(texts)) => {
                for (index, value) in values.iter().enumerate() {
                    let at = Path::Element(at, index);
                    let Some(number) = value.as_i64().filter(|&n| n != Enumeration::OTHER) else {
                        continue;
                    };
                    let Some(caption) = enumeration.caption(number) else {
                        continue;
                    };
                    match texts.get(index) {
                        None | Some(Value::Null) => {
                            let message = format!("{} {number} needs the caption {caption:?}", attribute.name);
                            self.report(&at, ViolationKind::SiblingMissing, message);
                        }
                        Some(text) => self.caption(attribute, number, caption, text, &at),
                    }
                }
            }
            (Value::Number(number), Value::String(_)) => {
                let Some(number) = number.as_i64() else {
                    return;
                };
                let Some(caption) = enumeration.caption(number) else {
                    return;
                };
                if number != Enumeration::OTHER {
                    self.caption(attribute, number, caption, text, at);
                } else if text == caption {
                    let message =
                        format!("{} is 99 (Other), so this should be the value from the source", attribute.name);
                    self.report(at, ViolationKind::SiblingUninformative, message);
                }
            }
            // A wrong type, which is reported with the attribute itself.
            _ => {}
        }
    }

    fn caption(&mut self, attribute: &Attribute, number: i64, caption: &str, text: &Value, at: &Path) {
        if text.is_string() && text != caption {
            let message = format!("{} is {number}, so this must be {caption:?}, not {}", attribute.name, Excerpt(text));
            self.report(at, ViolationKind::SiblingIncorrect, message);
        }
    }

    fn constraint(&mut self, item: Item, constraint: &Constraint, members: &Map<String, Value>, at: &Path) {
        let count = |paths: &[&str]| paths.iter().filter(|path| has_path(members, path)).count();
        let message = match constraint {
            Constraint::AtLeastOne(paths) if paths.iter().all(|path| !has_path(members, path)) => {
                format!("{item} needs at least one of {}", paths.join(", "))
            }
            Constraint::JustOne(paths) if count(paths) != 1 => {
                format!("{item} needs exactly one of {}, but has {}", paths.join(", "), count(paths))
            }
            _ => return,
        };
        self.report(at, ViolationKind::ConstraintFailed, message);
    }

    fn version(&mut self, event: &Map<String, Value>) {
        let version = self.schema.version().as_str();
        if let Some(found @ Value::String(text)) = event.get("metadata").and_then(|metadata| metadata.get("version"))
            && text != version
        {
            let metadata = Path::Member(&Path::Root, "metadata");
            let message = format!("the schema version is {version}, but the event says {}", Excerpt(found));
            self.report(&Path::Member(&metadata, "version"), ViolationKind::VersionIncorrect, message);
        }
    }

    fn type_uid(&mut self, event: &Map<String, Value>) {
        let number = |name| event.get(name).and_then(Value::as_i64);
        if let (Some(class), Some(activity), Some(found)) =
            (number("class_uid"), number("activity_id"), number("type_uid"))
            && class.checked_mul(100).and_then(|uid| uid.checked_add(activity)) != Some(found)
        {
            let message = format!("class_uid {class} * 100 + activity_id {activity} is not {found}");
            self.report(&Path::Member(&Path::Root, "type_uid"), ViolationKind::TypeUidIncorrect, message);
        }
    }

    fn observables(&mut self, class: &EventClass, event: &Map<String, Value>) {
        let Some(Value::Array(observables)) = event.get("observables") else {
            return;
        };
        let list = Path::Member(&Path::Root, "observables");
        for (index, observable) in observables.iter().enumerate() {
            if let Some(name @ Value::String(path)) = observable.get("name")
                && !self.schema.has_attribute(class, path, self.on)
            {
                let at = Path::Element(&list, index);
                let message = format!("{} is not the path of an attribute of {}", Excerpt(name), Item::Class(class));
                self.report(&Path::Member(&at, "name"), ViolationKind::ObservableReference, message);
            }
        }
    }

    fn not_in_enumeration(&mut self, value: &Value, at: &Path) {
        let message = format!("{} is not a value of the enumeration", Excerpt(value));
        self.report(at, ViolationKind::EnumValueUnknown, message);
    }

    fn wrong_type(&mut self, attribute: &Attribute, value: &Value, at: &Path) {
        let message = format!("expected {}, found {}", self.type_name(attribute), Found(value));
        self.report(at, ViolationKind::WrongType, message);
    }

    fn type_name(&self, attribute: &Attribute) -> &'static str {
        match attribute.kind {
            AttributeKind::Scalar(scalar) => scalar.name(),
            AttributeKind::Object(id) => self.schema.object_by_id(id).name,
        }
    }
}

const TEXT: AttributeKind = AttributeKind::Scalar(ScalarType::String);

fn is_there(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !value.is_null())
}

/// Whether a dotted path leads to a value; in an array, one element is enough.
fn has_path(members: &Map<String, Value>, path: &str) -> bool {
    fn leads_on(value: &Value, rest: Option<&str>) -> bool {
        match (value, rest) {
            (Value::Null, _) => false,
            (_, None) => true,
            (Value::Object(members), Some(rest)) => has_path(members, rest),
            (Value::Array(elements), rest) => elements.iter().any(|element| leads_on(element, rest)),
            _ => false,
        }
    }
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    members.get(name).is_some_and(|value| leads_on(value, rest))
}

/// Whether the text is an IP address; IPv6 addresses can have a zone (`fe80::1%eth0`).
fn is_ip(text: &str) -> bool {
    match text.split_once('%') {
        Some((address, zone)) => !zone.is_empty() && address.parse::<Ipv6Addr>().is_ok(),
        None => text.parse::<IpAddr>().is_ok(),
    }
}

/// The patterns of a version's scalar types, compiled on first use.
struct Patterns(Vec<Option<Regex>>);

impl Patterns {
    fn of(schema: &Schema) -> &'static Self {
        static V1_1_0: OnceLock<Patterns> = OnceLock::new();
        static V1_3_0: OnceLock<Patterns> = OnceLock::new();
        let cell = match schema.version() {
            Version::V1_1_0 => &V1_1_0,
            Version::V1_3_0 => &V1_3_0,
        };
        cell.get_or_init(|| Self(ScalarType::ALL.iter().map(|&scalar| Self::compile(schema, scalar)).collect()))
    }

    /// OCSF's patterns are those of PCRE without Unicode classes, hence bytes. `every_pattern_compiles` tests that none
    /// is lost here; that of `ip_t` is not used.
    fn compile(schema: &Schema, scalar: ScalarType) -> Option<Regex> {
        let pattern = schema.type_facts(scalar).regex.filter(|_| scalar != ScalarType::Ip)?;
        RegexBuilder::new(pattern).unicode(false).build().ok()
    }

    fn of_type(&self, scalar: ScalarType) -> Option<&Regex> {
        self.0.get(scalar as usize)?.as_ref()
    }
}

/// A value for a message: the beginning of its JSON text.
struct Excerpt<'a>(&'a Value);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 80;
        match self.0 {
            Value::String(text) if text.chars().nth(LONGEST).is_some() => {
                write!(f, "{:?}…", text.chars().take(LONGEST).collect::<String>())
            }
            Value::String(text) => write!(f, "{text:?}"),
            Value::Array(_) => f.write_str("an array"),
            Value::Object(_) => f.write_str("an object"),
            other => write!(f, "{other}"),
        }
    }
}

/// A value for a message, with its type.
struct Found<'a>(&'a Value);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.0 {
            Value::String(_) => "the text ",
            Value::Number(_) => "the number ",
            _ => "",
        };
        write!(f, "{what}{}", Excerpt(self.0))
    }
}

#[cfg(test)]
mod tests;
