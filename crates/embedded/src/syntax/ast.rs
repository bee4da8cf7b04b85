//! The tree of a query.

use std::fmt;

use crate::types::Type;

/// A place in the statement: line and column from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct At {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}:{}", self.line, self.column)
    }
}

/// A name as written. Names are compared without regard to case, quoted or not, as Trino does.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) quoted: bool,
}

impl Name {
    /// The name as columns of answers have it.
    pub(crate) fn label(&self) -> String {
        if self.quoted { self.text.clone() } else { self.text.to_lowercase() }
    }

    pub(crate) fn is(&self, other: &str) -> bool {
        same_name(&self.text, other)
    }
}

pub(crate) fn same_name(a: &str, b: &str) -> bool {
    a == b || a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}

#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) with: Vec<CommonTable>,
    pub(crate) body: Body,
    pub(crate) order_by: Vec<SortItem>,
    pub(crate) offset: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) with_ties: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct CommonTable {
    pub(crate) name: Name,
    pub(crate) columns: Option<Vec<Name>>,
    pub(crate) query: Query,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values(At, Vec<Expression>),
    Table(At, Vec<Name>),
    Query(Box<Query>),
    /// `a UNION b EXCEPT c`, from the left: as many operators as there are, without a tree as deep as that.
    Sets(Box<Body>, Vec<SetOperation>),
}

/// What is done with the rows so far and those of another query.
#[derive(Debug, Clone)]
pub(crate) struct SetOperation {
    pub(crate) at: At,
    pub(crate) operator: SetOperator,
    pub(crate) distinct: bool,
    pub(crate) right: Body,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetOperator {
    Union,
    Intersect,
    Except,
}

#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub(crate) at: At,
    pub(crate) distinct: bool,
    pub(crate) items: Vec<SelectItem>,
    pub(crate) from: Option<Relation>,
    pub(crate) filter: Option<Expression>,
    pub(crate) group_by: Option<GroupBy>,
    pub(crate) having: Option<Expression>,
    pub(crate) windows: Vec<(Name, Window)>,
}

#[derive(Debug, Clone)]
pub(crate) enum SelectItem {
    Expression(Expression, Option<Name>),
    /// `*`
    All(At),
    /// `x.*`, with names
    AllOf(Expression, Option<Vec<Name>>),
}

#[derive(Debug, Clone)]
pub(crate) struct GroupBy {
    pub(crate) distinct: bool,
    pub(crate) elements: Vec<GroupingElement>,
}

#[derive(Debug, Clone)]
pub(crate) enum GroupingElement {
    Simple(Vec<Expression>),
    Rollup(Vec<Vec<Expression>>),
    Cube(Vec<Vec<Expression>>),
    Sets(Vec<Vec<Expression>>),
}

#[derive(Debug, Clone)]
pub(crate) enum Relation {
    Table(At, Vec<Name>),
    Query(Box<Query>),
    Unnest { at: At, arrays: Vec<Expression>, ordinality: bool },
    Lateral(At),
    Join { at: At, kind: JoinKind, left: Box<Relation>, right: Box<Relation>, criteria: Criteria },
    Alias(Box<Relation>, Name, Option<Vec<Name>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Cross,
    Inner,
    Left,
    Right,
    Full,
}

#[derive(Debug, Clone)]
pub(crate) enum Criteria {
    None,
    On(Expression),
    Using(Vec<Name>),
    Natural,
}

#[derive(Debug, Clone)]
pub(crate) struct SortItem {
    pub(crate) expression: Expression,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    pub(crate) base: Option<Name>,
    pub(crate) partition_by: Vec<Expression>,
    pub(crate) order_by: Vec<SortItem>,
    pub(crate) frame: Option<Frame>,
}

#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) units: FrameUnits,
    pub(crate) start: Bound,
    pub(crate) end: Option<Bound>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameUnits {
    Rows,
    Range,
    Groups,
}

#[derive(Debug, Clone)]
pub(crate) enum Bound {
    UnboundedPreceding,
    Preceding(Expression),
    CurrentRow,
    Following(Expression),
    UnboundedFollowing,
}

#[derive(Debug, Clone)]
pub(crate) enum Over {
    Named(Name),
    Inline(Box<Window>),
}

#[derive(Debug, Clone)]
pub(crate) struct Expression {
    pub(crate) at: At,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulus,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Boolean(bool),
    /// Digits.
    Integer(String),
    /// Digits with a point: an exact number.
    Decimal(String),
    /// With an exponent: a double.
    Double(String),
    Text(String),
    Binary(Vec<u8>),
    /// `DATE '…'`, `TIMESTAMP '…'`, `IPADDRESS '…'`, …
    Typed(TypedLiteral, String),
    Interval {
        text: String,
        negative: bool,
        from: IntervalField,
        to: Option<IntervalField>,
    },
    Identifier(Name),
    Field(Box<Expression>, Name),
    Subscript(Box<Expression>, Box<Expression>),
    Array(Vec<Expression>),
    Row(Vec<Expression>),
    Call(Box<Call>),
    Lambda(Vec<Name>, Box<Expression>),
    Cast {
        value: Box<Expression>,
        target: Type,
        length: Option<u32>,
        safe: bool,
    },
    Case {
        operand: Option<Box<Expression>>,
        branches: Vec<(Expression, Expression)>,
        otherwise: Option<Box<Expression>>,
    },
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Negate(Box<Expression>),
    /// `a + b - c`, from the left: as many operators as there are, without a tree as deep as that.
    Chain(Box<Expression>, Vec<Link>),
    Compare(Comparison, Box<Expression>, Box<Expression>),
    CompareQuantified {
        comparison: Comparison,
        all: bool,
        value: Box<Expression>,
        query: Box<Query>,
    },
    Between {
        value: Box<Expression>,
        low: Box<Expression>,
        high: Box<Expression>,
        negated: bool,
    },
    InList {
        value: Box<Expression>,
        list: Vec<Expression>,
        negated: bool,
    },
    InQuery {
        value: Box<Expression>,
        query: Box<Query>,
        negated: bool,
    },
    Like {
        value: Box<Expression>,
        pattern: Box<Expression>,
        escape: Option<Box<Expression>>,
        negated: bool,
    },
    IsNull(Box<Expression>, bool),
    IsDistinct {
        left: Box<Expression>,
        right: Box<Expression>,
        negated: bool,
    },
    AtTimeZone(Box<Expression>, Box<Expression>),
    Extract(String, Box<Expression>),
    Subquery(Box<Query>),
    Exists(Box<Query>),
    CurrentDate,
    CurrentTimestamp(u8),
    LocalTimestamp(u8),
    Grouping(Vec<Expression>),
}

/// An operator that stands after others of its rank, and its right side.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) at: At,
    pub(crate) operator: LinkOperator,
    pub(crate) right: Expression,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LinkOperator {
    Arithmetic(Arithmetic),
    Concat,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TypedLiteral {
    Timestamp,
    Other(Type),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IntervalField {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Vec<Expression>,
    /// `count(*)`
    pub(crate) star: bool,
    pub(crate) distinct: bool,
    pub(crate) order_by: Vec<SortItem>,
    pub(crate) filter: Option<Expression>,
    pub(crate) ignore_nulls: bool,
    pub(crate) over: Option<Over>,
}

impl Call {
    /// A call of these arguments, without any clause.
    pub(crate) fn new(name: impl Into<String>, arguments: Vec<Expression>) -> Self {
        Self {
            name: name.into(),
            arguments,
            star: false,
            distinct: false,
            order_by: Vec::new(),
            filter: None,
            ignore_nulls: false,
            over: None,
        }
    }
}
