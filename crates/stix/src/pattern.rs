//! A pattern as a tree, with the place of every part in the text it was read from.

use std::ops::Range;

/// Bytes of the pattern's text, from start to before end.
pub type Span = Range<usize>;

/// A whole pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// What is to be observed.
    pub root: Observation,
    /// How many observation expressions in brackets there are: their numbers are below it.
    pub leaves: usize,
}

impl Pattern {
    /// Whether `START … STOP …` stands anywhere in it.
    ///
    /// ```
    /// let has_window = |text| stix::parse(text, stix::Version::V21).map(|pattern| pattern.has_window());
    /// assert!(has_window("[a:x = 1] START t'2024-01-01T00:00:00Z' STOP t'2024-01-02T00:00:00Z' OR [a:x = 2]")?);
    /// assert!(!has_window("[a:x = 'START']")?);
    /// # Ok::<(), stix::Diagnostics>(())
    /// ```
    pub fn has_window(&self) -> bool {
        fn has_window(at: &Observation) -> bool {
            match &at.kind {
                ObservationKind::Leaf { .. } => false,
                ObservationKind::And(left, right)
                | ObservationKind::Or(left, right)
                | ObservationKind::FollowedBy(left, right) => has_window(left) || has_window(right),
                ObservationKind::Qualified(inner, qualifier) => {
                    matches!(qualifier.kind, QualifierKind::StartStop(..)) || has_window(inner)
                }
            }
        }
        has_window(&self.root)
    }
}

/// What is to be observed, with the place of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The expression.
    pub kind: ObservationKind,
    /// Where it stands, parentheses included.
    pub span: Span,
}

impl Observation {
    /// Whether every match is a single observation.
    ///
    /// ```
    /// let is_single = |text| stix::parse(text, stix::Version::V21).map(|pattern| pattern.root.is_single());
    /// assert!(is_single("[a:x = 1] OR [a:x = 2] WITHIN 5 SECONDS")?);
    /// assert!(!is_single("[a:x = 1] REPEATS 2 TIMES")?);
    /// # Ok::<(), stix::Diagnostics>(())
    /// ```
    pub fn is_single(&self) -> bool {
        match &self.kind {
            ObservationKind::Leaf { .. } => true,
            ObservationKind::Or(left, right) => left.is_single() && right.is_single(),
            ObservationKind::And(..) | ObservationKind::FollowedBy(..) => false,
            ObservationKind::Qualified(inner, qualifier) => {
                inner.is_single() && !matches!(qualifier.kind, QualifierKind::Repeats(2..))
            }
        }
    }
}

/// Observation expressions. The operators are binary and associate to the left, as the specification's grammar has
/// them; parentheses leave no trace but the shape of the tree.
#[derive(Debug, Clone, PartialEq)]
pub enum ObservationKind {
    /// `[…]`: one observation that satisfies the comparisons.
    Leaf {
        /// Its place among the leaves, from the left and from 0.
        number: usize,
        /// What must hold.
        comparison: Comparison,
    },
    /// `… AND …`: two different observations.
    And(Box<Observation>, Box<Observation>),
    /// `… OR …`.
    Or(Box<Observation>, Box<Observation>),
    /// `… FOLLOWEDBY …`: two different observations, the second not before the first.
    FollowedBy(Box<Observation>, Box<Observation>),
    /// `… WITHIN …` and the other qualifiers, which bind to what stands before them and apply from left to right.
    Qualified(Box<Observation>, Qualifier),
}

/// What narrows an observation expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Qualifier {
    /// Which it is.
    pub kind: QualifierKind,
    /// Where it stands.
    pub span: Span,
}

/// The qualifiers.
#[derive(Debug, Clone, PartialEq)]
pub enum QualifierKind {
    /// `WITHIN s SECONDS`: all observations of a match lie within that time, both ends included. In nanoseconds, above
    /// 0.
    Within(u64),
    /// `REPEATS n TIMES`: so many different matches, above 0.
    Repeats(u64),
    /// `START t STOP u`: observations of the half-open time from `t` to before `u`.
    StartStop(Timestamp, Timestamp),
}

/// A point in time in nanoseconds since 1970 (UTC). Patterns and observations are exact to the nanosecond.
pub type Timestamp = i128;

/// Comparisons within one observation.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The expression.
    pub kind: ComparisonKind,
    /// Where it stands, parentheses included.
    pub span: Span,
}

/// Comparison expressions; AND binds tighter than OR.
#[derive(Debug, Clone, PartialEq)]
pub enum ComparisonKind {
    /// `… AND …`.
    And(Box<Comparison>, Box<Comparison>),
    /// `… OR …`.
    Or(Box<Comparison>, Box<Comparison>),
    /// One test of an object path.
    Test {
        /// What is looked at.
        path: ObjectPath,
        /// Whether `NOT` stands before the operator.
        negated: bool,
        /// How it is compared, and with what.
        operator: Operator,
    },
    /// `EXISTS path` (2.1) or `NOT EXISTS path`.
    Exists {
        /// What must be there.
        path: ObjectPath,
        /// Whether `NOT` stands before it.
        negated: bool,
    },
}

/// Comparison operators with their right sides.
#[derive(Debug, Clone, PartialEq)]
pub enum Operator {
    /// `=` and `==`.
    Equal(Literal),
    /// `!=` and `<>`.
    NotEqual(Literal),
    /// `<`.
    Less(Literal),
    /// `<=`.
    LessOrEqual(Literal),
    /// `>`.
    Greater(Literal),
    /// `>=`.
    GreaterOrEqual(Literal),
    /// `IN (…)`, possibly empty.
    In(Vec<Literal>),
    /// `LIKE`: `%` any text, `_` any character.
    Like(Literal),
    /// `MATCHES`: a regular expression (PCRE), searched anywhere.
    Matches(Literal),
    /// `ISSUBSET`: an address or network within the network.
    IsSubset(Literal),
    /// `ISSUPERSET`: a network that holds the address or network.
    IsSuperset(Literal),
}

/// `type:property.list[*].'other name'`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectPath {
    /// The object type, as `network-traffic`.
    pub object_type: String,
    /// The steps from the object, at least one.
    pub steps: Vec<Step>,
    /// Where it stands.
    pub span: Span,
}

/// A step of an object path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// A property, unquoted.
    Property(String),
    /// An element of a list; negative numbers are grammatical, though they select nothing.
    Index(i64),
    /// Any element of a list.
    AnyElement,
}

/// A constant of a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Literal {
    /// Its value.
    pub value: Value,
    /// Where it stands, quotes included.
    pub span: Span,
}

/// The values of constants.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `'…'`, unescaped.
    Text(String),
    /// `42`.
    Integer(i64),
    /// `4.2`.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// `t'…'`.
    Timestamp(Timestamp),
    /// `h'…'`.
    Hex(Vec<u8>),
    /// `b'…'`.
    Binary(Vec<u8>),
}
