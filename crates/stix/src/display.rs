//! A pattern as canonical text: what [`crate::parse`] reads back as the same tree.

use std::fmt::{self, Display, Formatter, Write};

use crate::lexer::is_plain_identifier;
use crate::pattern::{
    Comparison, ComparisonKind, Literal, ObjectPath, Observation, ObservationKind, Operator, Pattern, Qualifier,
    QualifierKind, Step, Value,
};
use crate::time;

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl Display for Observation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let own = binding(self);
        let operator = match &self.kind {
            ObservationKind::And(..) => "AND",
            ObservationKind::Or(..) => "OR",
            ObservationKind::FollowedBy(..) => "FOLLOWEDBY",
            ObservationKind::Leaf { comparison, .. } => return write!(f, "[{comparison}]"),
            ObservationKind::Qualified(inner, qualifier) => {
                let again = on_one_leaf(inner).any(|kind| std::mem::discriminant(kind) == qualifier.discriminant());
                parenthesised(f, inner, binding(inner) < own || again)?;
                return write!(f, " {qualifier}");
            }
        };
        if let ObservationKind::And(left, right)
        | ObservationKind::Or(left, right)
        | ObservationKind::FollowedBy(left, right) = &self.kind
        {
            parenthesised(f, left, binding(left) < own)?;
            write!(f, " {operator} ")?;
            parenthesised(f, right, binding(right) <= own)?;
        }
        Ok(())
    }
}

impl Qualifier {
    fn discriminant(&self) -> std::mem::Discriminant<QualifierKind> {
        std::mem::discriminant(&self.kind)
    }
}

/// How tightly the operator binds.
fn binding(observation: &Observation) -> u8 {
    match observation.kind {
        ObservationKind::FollowedBy(..) => 0,
        ObservationKind::Or(..) => 1,
        ObservationKind::And(..) => 2,
        ObservationKind::Qualified(..) | ObservationKind::Leaf { .. } => 3,
    }
}

/// The qualifiers that stand one after another on a leaf: in 2.1 each of them only once.
fn on_one_leaf(observation: &Observation) -> impl Iterator<Item = &QualifierKind> {
    let mut at = Some(observation);
    std::iter::from_fn(move || match at.map(|observation| &observation.kind) {
        Some(ObservationKind::Qualified(inner, qualifier)) => {
            at = Some(inner);
            Some(&qualifier.kind)
        }
        _ => None,
    })
}

fn parenthesised(f: &mut Formatter<'_>, inner: &impl Display, parentheses: bool) -> fmt::Result {
    if parentheses { write!(f, "({inner})") } else { inner.fmt(f) }
}

impl Display for Qualifier {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            QualifierKind::Within(nanos) => {
                let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
                write!(f, "WITHIN {seconds}")?;
                if rest > 0 {
                    write!(f, ".{}", format!("{rest:09}").trim_end_matches('0'))?;
                }
                f.write_str(" SECONDS")
            }
            QualifierKind::Repeats(times) => write!(f, "REPEATS {times} TIMES"),
            QualifierKind::StartStop(start, stop) => {
                write!(f, "START t'{}' STOP t'{}'", time::write(*start), time::write(*stop))
            }
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ComparisonKind::Or(left, right) => {
                write!(f, "{left} OR ")?;
                parenthesised(f, right, matches!(right.kind, ComparisonKind::Or(..)))
            }
            ComparisonKind::And(left, right) => {
                parenthesised(f, left, matches!(left.kind, ComparisonKind::Or(..)))?;
                f.write_str(" AND ")?;
                parenthesised(f, right, matches!(right.kind, ComparisonKind::Or(..) | ComparisonKind::And(..)))
            }
            ComparisonKind::Test { path, negated, operator } => {
                write!(f, "{path} {}{operator}", if *negated { "NOT " } else { "" })
            }
            ComparisonKind::Exists { path, negated } => {
                write!(f, "{}EXISTS {path}", if *negated { "NOT " } else { "" })
            }
        }
    }
}

impl Display for Operator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (sign, literal) = match self {
            Operator::Equal(literal) => ("=", literal),
            Operator::NotEqual(literal) => ("!=", literal),
            Operator::Less(literal) => ("<", literal),
            Operator::LessOrEqual(literal) => ("<=", literal),
            Operator::Greater(literal) => (">", literal),
            Operator::GreaterOrEqual(literal) => (">=", literal),
            Operator::Like(literal) => ("LIKE", literal),
            Operator::Matches(literal) => ("MATCHES", literal),
            Operator::IsSubset(literal) => ("ISSUBSET", literal),
            Operator::IsSuperset(literal) => ("ISSUPERSET", literal),
            Operator::In(literals) => {
                f.write_str("IN (")?;
                for (index, literal) in literals.iter().enumerate() {
                    write!(f, "{}{literal}", if index > 0 { ", " } else { "" })?;
                }
                return f.write_char(')');
            }
        };
        write!(f, "{sign} {literal}")
    }
}

impl Display for ObjectPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.object_type)?;
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Property(name) => {
                    f.write_str(if index > 0 { "." } else { "" })?;
                    if is_plain_identifier(name) { f.write_str(name)? } else { quoted(f, name)? }
                }
                Step::Index(number) => write!(f, "[{number}]")?,
                Step::AnyElement => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => quoted(f, text),
            Value::Integer(number) => number.fmt(f),
            Value::Float(number) => {
                let text = number.to_string();
                f.write_str(&text)?;
                f.write_str(if text.contains('.') { "" } else { ".0" })
            }
            Value::Boolean(truth) => truth.fmt(f),
            Value::Timestamp(at) => write!(f, "t'{}'", time::write(*at)),
            Value::Hex(bytes) => {
                f.write_str("h'")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_char('\'')
            }
            Value::Binary(bytes) => write!(f, "b'{}'", base64_simd::STANDARD.encode_to_string(bytes)),
        }
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('\'')?;
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('\'')
}
