//! A mapping config as typed data: the parser's output, and the input of lint and compiler. Everything that a
//! diagnostic may point at keeps its byte range in the file.
//!
//! The parser has already resolved all shorthand: `common` and `extends` are merged into each event attribute by
//! attribute, `null` attributes are gone, `metadata.profiles` has become
//! [`EventMapping::profiles`] and `unmapped` has become [`EventMapping::unmapped`].

use ocsf::schema::Version;
use serde_json::Value as Json;

pub use diagnostics::{Span, Spanned};

/// One mapping config: the content of `custom_source_events`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The whole `custom_source_events` object.
    pub span: Span,
    /// Position of the `extends` key. Everything inherited from the extended config has this position.
    pub extends: Option<Span>,
    /// The preprocessor of the AWS transformation library that this file relies on and that Sluice emulates. Everything
    /// inherited from its stand-in has this position.
    pub stand_in: Option<Spanned<&'static str>>,
    /// `source_name`: not empty. Lint checks its length, because the default source names of classes append to it.
    pub source_name: Spanned<String>,
    /// `description`, free text.
    pub description: Option<Spanned<String>>,
    /// `ocsf_version`, default 1.1.0.
    pub ocsf_version: Spanned<Version>,
    /// `decode`: how bytes become raw events.
    pub decode: DecodeSpec,
    /// `absent`: texts that mean "no value". Default: the empty text.
    pub absent: Vec<Spanned<String>>,
    /// `matched_field` and `select`: the event mapping of a raw event.
    pub selector: Selector,
    /// `timestamp`: the time of the event. `None`: the `time` attribute of the event mapping is the only source.
    pub timestamp: Option<TimestampSpec>,
    /// `account`: the value of the `accountId` partition.
    pub account: Option<Spanned<Value>>,
    /// `destination`: custom source names and object layout.
    pub destination: Destination,
    /// `lookups`, in the order of the file.
    pub lookups: Vec<Lookup>,
    /// Names of `fragments`, in the order of the file. Their content is merged into the events that extend them.
    pub fragments: Vec<Spanned<String>>,
    /// `ocsf_mapping`, in the order of the file. Keys are unique.
    pub events: Vec<EventMapping>,
    /// `other`: what happens to a raw event that no event mapping matches.
    pub other: Spanned<Other>,
    /// `unmapped`: what happens to raw fields that no assignment read.
    pub unmapped: Spanned<UnmappedMode>,
}

impl Config {
    /// The event mapping of that key of `ocsf_mapping`.
    pub fn event(&self, key: &str) -> Option<&EventMapping> {
        self.events.iter().find(|event| event.key.value == key)
    }

    /// The lookup table of that name.
    pub fn lookup(&self, name: &str) -> Option<&Lookup> {
        self.lookups.iter().find(|lookup| lookup.name.value == name)
    }
}

/// `decode`: framing of the input and, for rendered messages, the text that becomes an object.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodeSpec {
    /// The `decode` object; empty when the file has none.
    pub span: Span,
    /// `format`, default [`Format::Auto`].
    pub format: Spanned<Format>,
    /// `at`: member names from the root to the array of events, for [`Format::JsonArray`].
    pub at: Option<Spanned<Vec<String>>>,
    /// `columns`: field names in order, for [`Format::Delimited`]; empty: those of the first line.
    pub columns: Vec<Spanned<String>>,
    /// `separator`: the ASCII character between two columns, default one space.
    pub separator: Option<Spanned<String>>,
    /// `quote`: one ASCII character around a column that may contain the separator.
    pub quote: Option<Spanned<char>>,
    /// `line_prefix`: what may stand before an event on its line; it compiles.
    pub line_prefix: Option<Spanned<String>>,
    /// `steps`: what is done to a raw event before it is mapped, in order. Shipped lists are written out.
    pub steps: Vec<StepSpec>,
    /// `split_columns`: column and the pattern whose named groups replace it. Each compiles and names a group.
    pub split_columns: Vec<(Spanned<String>, Spanned<String>)>,
    /// `text_fields`: a rendered message that is made an object, after the steps.
    pub text_fields: Option<TextFieldsSpec>,
}

/// One item of `decode.steps`.
#[derive(Clone, Debug, PartialEq)]
pub struct StepSpec {
    /// The step.
    pub span: Span,
    /// `when`: without it the step always applies.
    pub when: Option<Spanned<Condition>>,
    /// What it does.
    pub action: StepAction,
}

/// From where to where: member names from the root.
pub type Places = Vec<(Spanned<Vec<String>>, Spanned<Vec<String>>)>;

/// What a step does. Paths are member names from the root.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum StepAction {
    /// `discard`: it is no event; counted under this name.
    Discard(Spanned<String>),
    /// `each`: every element of the array is an event, in an envelope of what is around the array.
    Each(Spanned<Vec<String>>),
    /// `root`: the event is this object, in an envelope of what is around it.
    Root(Spanned<Vec<String>>),
    /// `parse`: the text there is replaced by what it says.
    Parse(Spanned<Vec<String>>),
    /// `move`: fields get other places.
    Move(Places),
    /// `copy`: fields get further places.
    Copy(Places),
    /// `nest`.
    Nest(NestSpec),
    /// `extract`.
    Extract(ExtractSpec),
    /// `windows_values`: values of this object are written as in a rendered message.
    WindowsValues(Spanned<Vec<String>>),
}

/// `extract`: the named groups of the first match in a text become members.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtractSpec {
    /// The `extract` object.
    pub span: Span,
    /// `from`: member names from the root to the text.
    pub from: Spanned<Vec<String>>,
    /// `pattern`: it compiles and has a named group.
    pub pattern: Spanned<String>,
    /// `into`: member names from the root to the object that gets the members; default: the root.
    pub into: Spanned<Vec<String>>,
}

/// `nest`: members of the root that are fields of the event move into an object.
#[derive(Clone, Debug, PartialEq)]
pub struct NestSpec {
    /// The `nest` object.
    pub span: Span,
    /// `into`: member names from the root to the object; not empty.
    pub into: Spanned<Vec<String>>,
    /// `event_id`: member names from the root to the id that selects the list of names.
    pub event_id: Spanned<Vec<String>>,
    /// `names`: the field names of each event id.
    pub names: TextFieldNames,
}

/// How the input is split into raw events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON value per line.
    Ndjson,
    /// One JSON document is one event.
    Json,
    /// A JSON document with an array of events at [`DecodeSpec::at`].
    JsonArray,
    /// Lines of columns.
    Delimited,
    /// Detected from the first bytes.
    Auto,
}

/// `decode.text_fields`.
#[derive(Clone, Debug, PartialEq)]
pub struct TextFieldsSpec {
    /// The `text_fields` object.
    pub span: Span,
    /// `at`: member names from the root to the text.
    pub at: Spanned<Vec<String>>,
    /// `event_id`: member names from the root to the id that selects the list of names.
    pub event_id: Spanned<Vec<String>>,
    /// `names`: the field names of each event id.
    pub names: TextFieldNames,
}

/// Where the field names of a rendered message come from.
#[derive(Clone, Debug, PartialEq)]
pub enum TextFieldNames {
    /// The name of a list that is shipped (`windows-sysmon`).
    Shipped(Spanned<String>),
    /// Event id and its field names in order.
    Inline(Vec<(Spanned<String>, Vec<Spanned<String>>)>),
}

/// Selects the event mapping of a raw event: by the first rule that holds, otherwise by the text of `matched_field`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    /// `select`, in order.
    pub rules: Vec<SelectRule>,
    /// `matched_field`: a path whose text is a key of `ocsf_mapping`.
    pub matched_field: Option<Spanned<JsonPath>>,
}

/// One item of `select`.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectRule {
    /// `when`.
    pub condition: Spanned<Condition>,
    /// `event`: a key of `ocsf_mapping`.
    pub event: Spanned<String>,
}

/// `timestamp`: where the time of the event is and how it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct TimestampSpec {
    /// The `timestamp` object.
    pub span: Span,
    /// `field`: any value, commonly a path or `$first`.
    pub field: Spanned<Value>,
    /// `format`: tried in order; never empty, default [`TimeFormat::Auto`].
    pub formats: Vec<Spanned<TimeFormat>>,
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// A strptime pattern (`%Y-%m-%d %H:%M:%S.%f`); no offset in the text means UTC.
    Strptime(String),
    /// A number since 1970-01-01T00:00:00Z, in that unit.
    Epoch(EpochUnit),
    /// RFC 3339 and related ISO 8601 forms.
    Iso8601,
    /// Any of the above forms. The size of a bare number determines its unit.
    Auto,
}

/// The unit of an epoch number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochUnit {
    /// `epoch`: seconds, a fraction is allowed.
    Seconds,
    /// `epoch_ms`.
    Milliseconds,
    /// `epoch_us`.
    Microseconds,
    /// `epoch_ns`.
    Nanoseconds,
}

/// `destination`: how the objects of this source are named in the lake.
#[derive(Clone, Debug, PartialEq)]
pub struct Destination {
    /// `layout`, default [`Layout::SourcePerClass`].
    pub layout: Spanned<Layout>,
    /// `sources`: class name and the name of its custom source.
    pub sources: Vec<(Spanned<String>, Spanned<String>)>,
}

/// Whether each class has a custom source of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `source-per-class`: one custom source for each class.
    SourcePerClass,
    /// `prefix-per-class`: one custom source, one prefix below it for each class.
    PrefixPerClass,
}

/// A table of `lookups`.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// Its name.
    pub name: Spanned<String>,
    /// Key text and literal, in the order of the file. Keys are unique.
    pub entries: Vec<(Spanned<String>, Spanned<Json>)>,
}

/// What happens to a raw event that no event mapping matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Other {
    /// It goes to quarantine.
    Quarantine,
    /// It uses the event mapping with this key.
    Event(String),
}

/// What happens to raw fields that no successful assignment read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmappedMode {
    /// They go to `unmapped` under their raw path.
    Auto,
    /// Only values that `schema_mapping.unmapped` names go there.
    Explicit,
}

/// One entry of `ocsf_mapping`, with `common` and its fragments merged in.
#[derive(Clone, Debug, PartialEq)]
pub struct EventMapping {
    /// The whole entry.
    pub span: Span,
    /// Its key.
    pub key: Spanned<String>,
    /// `schema`: the name of the class as written.
    pub schema: Spanned<String>,
    /// `extends`: names of fragments that exist, in the order they apply.
    pub extends: Vec<Spanned<String>>,
    /// Profiles declared anywhere for this event (defaults, fragments, own, `metadata.profiles`), each once, trimmed.
    /// They may not exist in OCSF: lint says so.
    pub profiles: Vec<Spanned<String>>,
    /// The attributes of the class.
    pub attributes: ObjectTree,
    /// `schema_mapping.unmapped`, flattened: dotted key and value.
    pub unmapped: Vec<(Spanned<String>, Spanned<Value>)>,
}

/// The value assigned to an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// An object of attributes.
    Object(ObjectTree),
    /// A list, item by item; absent items are left out.
    Array(ArrayTree),
    /// One computed value.
    Value(Spanned<Value>),
    /// `$when` in an attribute's place: guards the whole subtree.
    When(Box<WhenTree>),
    /// `$each` in an attribute's place: one item for each element.
    Each(Box<EachTree>),
}

impl Tree {
    /// Where it is written.
    pub fn span(&self) -> Span {
        match self {
            Tree::Object(object) => object.span,
            Tree::Array(array) => array.span,
            Tree::Value(value) => value.span,
            Tree::When(when) => when.span,
            Tree::Each(each) => each.span,
        }
    }
}

/// An object of attributes, in the order of the file; a name occurs once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectTree {
    /// The object as last written (an event's own wins over what it extends).
    pub span: Span,
    /// Attribute name and what it is assigned.
    pub members: Vec<(Spanned<String>, Tree)>,
}

impl ObjectTree {
    /// The value assigned to the attribute of that name.
    pub fn get(&self, name: &str) -> Option<&Tree> {
        self.members.iter().find(|(key, _)| key.value == name).map(|(_, tree)| tree)
    }
}

/// A list of attribute values.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayTree {
    /// The JSON array.
    pub span: Span,
    /// Its items.
    pub items: Vec<Tree>,
}

/// `{"$when": {"if": …, "then": …, "else": …}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct WhenTree {
    /// The operator object.
    pub span: Span,
    /// `if`.
    pub condition: Spanned<Condition>,
    /// `then`.
    pub then: Tree,
    /// `else`; without it the attribute is absent when the condition fails.
    pub otherwise: Option<Tree>,
}

/// `{"$each": {"in": …, "where": …, "as": …}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct EachTree {
    /// The operator object.
    pub span: Span,
    /// `in`: a list or array. A single value that is no array is a list of one.
    pub input: Spanned<Value>,
    /// `where`: elements for which it fails are left out.
    pub filter: Option<Spanned<Condition>>,
    /// `as`: what each element becomes; paths that start with `@` are relative to the element.
    pub body: Tree,
}

/// An expression that evaluates to one JSON value, or to none.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`: no value.
    Absent,
    /// A constant; never null.
    Literal(Json),
    /// A JSONPath.
    Path(JsonPath),
    /// An array of expressions; absent items are left out.
    List(Vec<Spanned<Value>>),
    /// `$enum`.
    Enum(Box<EnumOperator>),
    /// `$first`: the first alternative that has a value; never empty.
    First(Vec<Spanned<Value>>),
    /// `$timestamp`.
    Timestamp(Box<TimestampOperator>),
    /// `$regex`.
    Regex(Box<RegexOperator>),
    /// `$split`.
    Split(Box<SplitOperator>),
    /// `$template`.
    Template(Vec<TemplatePart>),
    /// `$lookup`.
    Lookup(Box<LookupOperator>),
    /// `$each` inside another expression: a list of values.
    Each(Box<EachOperator>),
    /// `$when` inside another expression.
    When(Box<WhenOperator>),
    /// `$json`: the subtree as JSON text.
    Json(Box<Spanned<Value>>),
    /// `$basename`: the part after the last `/` or `\`.
    Basename(Box<Spanned<Value>>),
    /// `$dirname`: the part before the last `/` or `\`.
    Dirname(Box<Spanned<Value>>),
    /// `$lower`.
    Lower(Box<Spanned<Value>>),
    /// `$upper`.
    Upper(Box<Spanned<Value>>),
    /// `$trim`: without white space at either end.
    Trim(Box<Spanned<Value>>),
    /// `$int`.
    Int(Box<IntOperator>),
    /// `$ip_version`: 4 or 6.
    IpVersion(Box<Spanned<Value>>),
    /// `$strip_prefix`.
    StripPrefix(Box<StripPrefixOperator>),
    /// `$duration`.
    Duration(Box<DurationOperator>),
}

/// `$enum {evaluate, values, other}`: the value listed under the text of `evaluate`.
#[derive(Clone, Debug, PartialEq)]
pub struct EnumOperator {
    /// `evaluate`.
    pub evaluate: Spanned<Value>,
    /// `values`: text and result, in the order of the file. Texts are unique.
    pub values: Vec<(Spanned<String>, Spanned<Value>)>,
    /// `other`: the result for a text that is not listed. It does not apply when `evaluate` is absent.
    pub other: Option<Spanned<Value>>,
}

/// `$timestamp {value, format}`.
#[derive(Clone, Debug, PartialEq)]
pub struct TimestampOperator {
    /// `value`.
    pub value: Spanned<Value>,
    /// `format`: tried in order; never empty, default [`TimeFormat::Auto`].
    pub formats: Vec<Spanned<TimeFormat>>,
}

/// `$regex {value, pattern, group}`: the text of a group of the first match; absent without a match.
#[derive(Clone, Debug, PartialEq)]
pub struct RegexOperator {
    /// `value`.
    pub value: Spanned<Value>,
    /// `pattern`, in the syntax of the `regex` crate; it compiles.
    pub pattern: Spanned<String>,
    /// `group`; it exists. Default: group 1 if the pattern has one, else the whole match.
    pub group: Spanned<RegexGroup>,
}

/// A capture group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegexGroup {
    /// By number; 0 is the whole match.
    Index(usize),
    /// By name.
    Name(String),
}

/// `$split {value, on, take, min_parts, limit}`.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitOperator {
    /// `value`.
    pub value: Spanned<Value>,
    /// `on`: not empty.
    pub on: Spanned<String>,
    /// `take`: which part, from 0; negative from the end. Without it: the list of parts.
    pub take: Option<Spanned<i64>>,
    /// `min_parts`: absent if there are fewer.
    pub min_parts: Option<Spanned<usize>>,
    /// `limit`: maximum number of parts, at least 1; the last part keeps the rest.
    pub limit: Option<Spanned<usize>>,
}

/// A piece of a `$template`.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplatePart {
    /// Text as it is, escapes undone.
    Text(String),
    /// `{$.path}`: absent makes the whole text absent.
    Path(Spanned<JsonPath>),
}

/// `$lookup {table, key, default}`.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupOperator {
    /// `table`: a name of `lookups`. Lint checks that it exists.
    pub table: Spanned<String>,
    /// `key`: its text is looked up.
    pub key: Spanned<Value>,
    /// `default`: for a key that is not in the table. It does not apply when `key` is absent.
    pub default: Option<Spanned<Value>>,
}

/// `$each` that makes a list of values.
#[derive(Clone, Debug, PartialEq)]
pub struct EachOperator {
    /// `in`.
    pub input: Spanned<Value>,
    /// `where`.
    pub filter: Option<Spanned<Condition>>,
    /// `as`.
    pub body: Spanned<Value>,
}

/// `$when` that chooses between values.
#[derive(Clone, Debug, PartialEq)]
pub struct WhenOperator {
    /// `if`.
    pub condition: Spanned<Condition>,
    /// `then`.
    pub then: Spanned<Value>,
    /// `else`.
    pub otherwise: Option<Spanned<Value>>,
}

/// `$int {value, base}`.
#[derive(Clone, Debug, PartialEq)]
pub struct IntOperator {
    /// `value`.
    pub value: Spanned<Value>,
    /// `base`, default [`IntBase::Auto`].
    pub base: Spanned<IntBase>,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntBase {
    /// `10`.
    Decimal,
    /// `16`, with or without `0x`.
    Hexadecimal,
    /// `"auto"`: hexadecimal after `0x`, else decimal.
    Auto,
}

/// `$strip_prefix {value, prefix}`: the text without the prefix if it has it, else unchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct StripPrefixOperator {
    /// `value`.
    pub value: Spanned<Value>,
    /// `prefix`: not empty.
    pub prefix: Spanned<String>,
}

/// `$duration {from, to}`: the milliseconds between two instants; absent if either is absent or `to` is before `from`.
#[derive(Clone, Debug, PartialEq)]
pub struct DurationOperator {
    /// `from`.
    pub from: Spanned<Value>,
    /// `to`.
    pub to: Spanned<Value>,
}

/// A condition on a raw event (or on an element, inside `$each`).
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `exists`: has a value that is neither null nor an absent text.
    Exists(Spanned<Value>),
    /// `equals`: both have a value and their texts are the same.
    Equals(Spanned<Value>, Spanned<Value>),
    /// `in`: equals one of the literals.
    In(Spanned<Value>, Vec<Spanned<Json>>),
    /// `matches`: the pattern is found in the text; it compiles.
    Matches(Spanned<Value>, Spanned<String>),
    /// `starts_with`.
    StartsWith(Spanned<Value>, Spanned<String>),
    /// `ends_with`.
    EndsWith(Spanned<Value>, Spanned<String>),
    /// `contains`.
    Contains(Spanned<Value>, Spanned<String>),
    /// `all`: every one holds; true without any.
    All(Vec<Spanned<Condition>>),
    /// `any`: at least one holds; false without any.
    Any(Vec<Spanned<Condition>>),
    /// `not`.
    Not(Box<Spanned<Condition>>),
}

/// A checked JSONPath (RFC 9535): it parses, and it can be evaluated exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    /// As written, with `$` or `@`.
    pub text: String,
    /// What it starts from.
    pub root: PathRoot,
    /// The steps of a singular query (names and indices only); `None` for any other query.
    pub singular: Option<Vec<Step>>,
}

impl JsonPath {
    /// The query with `$` as its root, for evaluation on the node it starts from.
    pub fn query(&self) -> String {
        match self.root {
            PathRoot::Document => self.text.clone(),
            PathRoot::Element => format!("${}", self.text.get(1..).unwrap_or_default()),
        }
    }
}

/// What a path starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathRoot {
    /// `$`: the raw event.
    Document,
    /// `@`: the element of the innermost `$each`.
    Element,
}

/// One step of a singular path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Name(String),
    /// An item of an array; negative from the end.
    Index(i64),
}
