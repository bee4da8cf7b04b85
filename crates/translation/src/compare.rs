//! One comparison of one value: the operator and constant of a pattern, typed by the column.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use sql::sql;
use sql::text::Sql;
use sql::types::ColumnType;
use stix::pattern::{Literal, Operator, Span, Value};

use crate::map::{Family, Kind};
use crate::protocols;
use crate::regexes;

/// A condition on a value.
pub(crate) type Predicate = Rc<dyn Fn(&Sql) -> Sql>;

/// What a value is: its column's type, and what the map says beyond it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Typed {
    pub(crate) column_type: ColumnType,
    pub(crate) kind: Option<Kind>,
    pub(crate) family: Option<Family>,
}

/// What becomes of a comparison.
pub(crate) enum Verdict {
    /// It can be asked.
    Test(Predicate),
    /// It can be asked, without the constants that no value equals.
    Without(Predicate, Vec<String>),
    /// No value of that type satisfies it: why, of each constant.
    Never(Vec<String>),
    /// The pattern itself is at fault.
    Refused { message: String, help: String },
}

impl Verdict {
    fn test(predicate: impl Fn(&Sql) -> Sql + 'static) -> Self {
        Self::Test(Rc::new(predicate))
    }

    fn never(reason: impl Into<String>) -> Self {
        Self::Never(vec![reason.into()])
    }
}

const NANOSECONDS_PER_MILLISECOND: i128 = 1_000_000;

/// The comparison as the pattern has it, or its complement for `NOT`. Either holds only of a value that is there.
pub(crate) fn compare(typed: &Typed, operator: &Operator, negated: bool) -> Verdict {
    let verdict = match operator {
        Operator::Equal(literal) => equality(typed, std::slice::from_ref(literal), negated),
        Operator::NotEqual(literal) => equality(typed, std::slice::from_ref(literal), !negated),
        Operator::In(literals) => equality(typed, literals, negated),
        Operator::Less(literal) => ordering(typed, Order::new(Relation::Less, negated), literal),
        Operator::LessOrEqual(literal) => ordering(typed, Order::new(Relation::LessOrEqual, negated), literal),
        Operator::Greater(literal) => ordering(typed, Order::new(Relation::Greater, negated), literal),
        Operator::GreaterOrEqual(literal) => ordering(typed, Order::new(Relation::GreaterOrEqual, negated), literal),
        Operator::Like(literal) => like(typed, literal, negated),
        Operator::Matches(literal) => matches(typed, literal, negated),
        Operator::IsSubset(literal) => subset(typed, literal, negated),
        Operator::IsSuperset(literal) => superset(typed, literal, negated),
    };
    guarded(typed, operator, negated, verdict)
}

/// `IS NOT NULL`, or the addresses of the family alone.
pub(crate) fn present(typed: &Typed) -> Predicate {
    match (&typed.column_type, family_condition(typed)) {
        (ColumnType::Array(_) | ColumnType::Map(..), _) => Rc::new(|v| sql!("cardinality({}) > 0", v)),
        (_, Some(family)) => family,
        (_, None) => Rc::new(|v| sql!("{} IS NOT NULL", v)),
    }
}

/// The columns of `ipv4-addr` and `ipv6-addr` are the same. What an equality finds is of the family that its constant is
/// of; any other comparison has to ask.
fn guarded(typed: &Typed, operator: &Operator, negated: bool, verdict: Verdict) -> Verdict {
    let is_equality = match operator {
        Operator::Equal(_) | Operator::In(_) => !negated,
        Operator::NotEqual(_) => negated,
        Operator::IsSubset(_) => !negated,
        _ => false,
    };
    match (verdict, family_condition(typed)) {
        (Verdict::Test(predicate), Some(family)) if !is_equality => {
            Verdict::test(move |v| Sql::and([family(v), predicate(v)]))
        }
        (Verdict::Without(predicate, left_out), Some(family)) if !is_equality => {
            Verdict::Without(Rc::new(move |v| Sql::and([family(v), predicate(v)])), left_out)
        }
        (verdict, _) => verdict,
    }
}

fn family_condition(typed: &Typed) -> Option<Predicate> {
    match typed.family? {
        Family::Ipv4 => Some(Rc::new(|v| sql!("{} NOT LIKE '%:%'", v))),
        Family::Ipv6 => Some(Rc::new(|v| sql!("{} LIKE '%:%'", v))),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A relation, `NOT` already applied: the complement of an order is an order.
#[derive(Clone, Copy)]
struct Order(Relation);

impl Order {
    fn new(relation: Relation, negated: bool) -> Self {
        Self(match (relation, negated) {
            (relation, false) => relation,
            (Relation::Less, true) => Relation::GreaterOrEqual,
            (Relation::LessOrEqual, true) => Relation::Greater,
            (Relation::Greater, true) => Relation::LessOrEqual,
            (Relation::GreaterOrEqual, true) => Relation::Less,
        })
    }

    fn condition(self, left: &Sql, right: &Sql) -> Sql {
        match self.0 {
            Relation::Less => sql!("{} < {}", left, right),
            Relation::LessOrEqual => sql!("{} <= {}", left, right),
            Relation::Greater => sql!("{} > {}", left, right),
            Relation::GreaterOrEqual => sql!("{} >= {}", left, right),
        }
    }
}

/// A point on a scale of whole numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Point {
    At(i64),
    /// Between this number and the next.
    After(i64),
    BelowAll,
    AboveAll,
}

impl Point {
    fn of_fraction(value: i128, unit: i128) -> Self {
        let floor = value.div_euclid(unit);
        match i64::try_from(floor) {
            Ok(floor) if value.rem_euclid(unit) == 0 => Self::At(floor),
            Ok(floor) => Self::After(floor),
            Err(_) if floor < 0 => Self::BelowAll,
            Err(_) => Self::AboveAll,
        }
    }

    fn of_float(value: f64) -> Option<Self> {
        const BOUND: f64 = 9_223_372_036_854_775_808.0;
        if value.is_nan() {
            return None;
        }
        Some(if value >= BOUND {
            Self::AboveAll
        } else if value < -BOUND {
            Self::BelowAll
        } else if value.fract() == 0.0 {
            Self::At(value as i64)
        } else {
            Self::After(value.floor() as i64)
        })
    }
}

/// How a value is brought to the form that constants are compared in.
#[derive(Clone)]
enum Scale {
    /// Whole numbers: integers, and times in a unit of so many nanoseconds.
    Whole {
        unit: Option<i128>,
        write: fn(i64) -> Sql,
        read: fn(&Sql) -> Sql,
    },
    Double,
    Boolean,
    Text {
        folded: bool,
    },
    Protocol(Protocol),
}

#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Number,
    Name,
    Version,
    VersionName,
}

fn unchanged(value: &Sql) -> Sql {
    value.clone()
}

fn scale(typed: &Typed) -> Option<Scale> {
    let unit = match typed.kind {
        Some(Kind::Milliseconds) => Some(NANOSECONDS_PER_MILLISECOND),
        Some(Kind::Seconds) => Some(1_000 * NANOSECONDS_PER_MILLISECOND),
        _ => None,
    };
    let of_milliseconds = |write: fn(i64) -> Sql, read: fn(&Sql) -> Sql| Scale::Whole {
        unit: Some(NANOSECONDS_PER_MILLISECOND),
        write,
        read,
    };
    Some(match (&typed.column_type, typed.kind) {
        (ColumnType::Integer | ColumnType::Bigint, Some(Kind::ProtocolNumber)) => Scale::Protocol(Protocol::Number),
        (ColumnType::Integer | ColumnType::Bigint, Some(Kind::ProtocolVersion)) => Scale::Protocol(Protocol::Version),
        (ColumnType::Varchar, Some(Kind::ProtocolVersion)) => Scale::Protocol(Protocol::VersionName),
        (ColumnType::Varchar, Some(Kind::ProtocolName)) => Scale::Protocol(Protocol::Name),
        (ColumnType::Varchar, Some(Kind::Iso8601)) => {
            of_milliseconds(Sql::timestamp_utc, |v| sql!("TRY(from_iso8601_timestamp({}))", v))
        }
        (ColumnType::Varchar, Some(Kind::Milliseconds | Kind::Seconds | Kind::ProtocolNumber)) => return None,
        (ColumnType::Integer | ColumnType::Bigint, _) => Scale::Whole { unit, write: Sql::integer, read: unchanged },
        (ColumnType::Real | ColumnType::Double | ColumnType::Decimal(..), _) => Scale::Double,
        (ColumnType::Boolean, _) => Scale::Boolean,
        (ColumnType::Timestamp, _) => of_milliseconds(Sql::timestamp, unchanged),
        (ColumnType::TimestampWithTimeZone, _) => of_milliseconds(Sql::timestamp_utc, unchanged),
        (ColumnType::Date, _) => Scale::Whole {
            unit: Some(86_400_000 * NANOSECONDS_PER_MILLISECOND),
            write: |day| Sql::date(day.saturating_mul(86_400_000)),
            read: unchanged,
        },
        (ColumnType::Varchar, kind) => {
            Scale::Text { folded: matches!(kind, Some(Kind::Folded | Kind::Address | Kind::Network)) }
        }
        _ => return None,
    })
}

/// What a constant is on a scale.
enum Operand {
    Point(Point),
    Double(f64),
    Boolean(bool),
    Text(String),
}

fn operand(scale: &Scale, literal: &Literal) -> Result<Operand, String> {
    let described = describe(&literal.value);
    let point = |point| Ok(Operand::Point(point));
    match (scale, &literal.value) {
        (Scale::Whole { .. }, Value::Integer(number)) => point(Point::At(*number)),
        (Scale::Whole { .. }, Value::Float(number)) => {
            Point::of_float(*number).map(Operand::Point).ok_or_else(|| "it is no number".to_owned())
        }
        (Scale::Whole { unit: Some(unit), .. }, Value::Timestamp(time)) => point(Point::of_fraction(*time, *unit)),
        (Scale::Whole { unit, .. }, Value::Text(text)) => match (text.parse::<i64>(), unit) {
            (Ok(number), _) => point(Point::At(number)),
            (Err(_), Some(unit)) => match text.parse::<jiff::Timestamp>() {
                Ok(time) => point(Point::of_fraction(time.as_nanosecond(), *unit)),
                Err(_) => Err(format!("{described} is neither a number nor a time")),
            },
            (Err(_), None) => match decimal(text).and_then(Point::of_float) {
                Some(number) => point(number),
                None => Err(format!("{described} is no number")),
            },
        },
        (Scale::Double, Value::Integer(number)) => Ok(Operand::Double(*number as f64)),
        (Scale::Double, Value::Float(number)) => Ok(Operand::Double(*number)),
        (Scale::Double, Value::Text(text)) => {
            decimal(text).map(Operand::Double).ok_or_else(|| format!("{described} is no number"))
        }
        (Scale::Boolean, Value::Boolean(value)) => Ok(Operand::Boolean(*value)),
        (Scale::Boolean, Value::Text(text)) if text.eq_ignore_ascii_case("true") => Ok(Operand::Boolean(true)),
        (Scale::Boolean, Value::Text(text)) if text.eq_ignore_ascii_case("false") => Ok(Operand::Boolean(false)),
        (Scale::Text { .. }, Value::Text(text)) => Ok(Operand::Text(text.clone())),
        // Account numbers and the like are texts that people write as numbers.
        (Scale::Text { .. }, Value::Integer(number)) => Ok(Operand::Text(number.to_string())),
        (Scale::Protocol(protocol), Value::Text(_) | Value::Integer(_)) => {
            let text = match &literal.value {
                Value::Text(text) => text.clone(),
                Value::Integer(number) => number.to_string(),
                _ => String::new(),
            };
            let found = match protocol {
                Protocol::Number => protocols::number(&text).map(|n| Operand::Point(Point::At(n))),
                Protocol::Version => protocols::version(&text).map(|n| Operand::Point(Point::At(n))),
                Protocol::VersionName => {
                    protocols::version(&text).map(|n| Operand::Text(if n == 4 { "ipv4" } else { "ipv6" }.to_owned()))
                }
                Protocol::Name if protocols::version(&text).is_some() => None,
                Protocol::Name => Some(Operand::Text(match text.parse::<i64>() {
                    Ok(number) => protocols::name(number).unwrap_or(&text).to_owned(),
                    Err(_) => fold(&text),
                })),
            };
            found.ok_or_else(|| format!("{described} is not what the column holds of protocols"))
        }
        _ => Err(format!("{described} cannot equal a value of that type")),
    }
}

/// A decimal number as people write it: no `inf`, no `nan`.
fn decimal(text: &str) -> Option<f64> {
    text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)).then(|| text.parse().ok()).flatten()
}

fn describe(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("the text {text:?}"),
        Value::Integer(number) => format!("the integer {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::Boolean(value) => format!("the boolean {value}"),
        Value::Timestamp(_) => "the timestamp".to_owned(),
        Value::Hex(_) | Value::Binary(_) => "the binary constant".to_owned(),
    }
}

fn no_scale(typed: &Typed) -> Verdict {
    Verdict::never(match &typed.column_type {
        t if t.is_complex() => "it is an object or a list of objects: name a property of it".to_owned(),
        t => format!("values of the type {t} are not compared"),
    })
}

/// Whether lower-casing changes anything.
fn is_cased(text: &str) -> bool {
    text.chars().any(|c| c.is_lowercase() || c.is_uppercase())
}

/// Lower case, character by character, as Trino's `lower` has it.
pub(crate) fn fold(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut lower = c.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(only), None) => only,
                _ => c,
            }
        })
        .collect()
}

fn equality(typed: &Typed, literals: &[Literal], negated: bool) -> Verdict {
    let Some(scale) = scale(typed) else { return no_scale(typed) };
    if literals.is_empty() {
        let anything = |v: &Sql| sql!("{} IS NOT NULL", v);
        return if negated { Verdict::test(anything) } else { Verdict::never("nothing is in an empty set") };
    }
    let mut values: Vec<Sql> = Vec::new();
    let mut folded = false;
    let mut reasons = Vec::new();
    // A constant of the right type between the values that the column can have: never equal, always different.
    let mut is_comparable = false;
    for literal in literals {
        match operand(&scale, literal) {
            Err(reason) => reasons.push(reason),
            Ok(operand) => {
                is_comparable = true;
                match operand {
                    Operand::Point(Point::At(number)) => values.push(match &scale {
                        Scale::Whole { write, .. } => write(number),
                        _ => Sql::integer(number),
                    }),
                    Operand::Point(_) => reasons.push(format!("no value equals {}", describe(&literal.value))),
                    Operand::Double(number) => values.push(double(&typed.column_type, number)),
                    Operand::Boolean(value) => values.push(Sql::boolean(value)),
                    Operand::Text(text) => {
                        let folds = matches!(scale, Scale::Text { folded: true } | Scale::Protocol(_));
                        for text in spellings(typed.kind, text) {
                            folded |= folds && is_cased(&text);
                            values.push(Sql::text(&if folds { fold(&text) } else { text }));
                        }
                    }
                }
            }
        }
    }
    // `IN` may name a constant twice.
    let mut seen = BTreeSet::new();
    reasons.retain(|reason: &String| seen.insert(reason.clone()));
    let read: Rc<dyn Fn(&Sql) -> Sql> = match (&scale, folded) {
        (Scale::Whole { read, .. }, _) => Rc::new(*read),
        (_, true) => Rc::new(|v| sql!("lower({})", v)),
        (_, false) => Rc::new(unchanged),
    };
    let predicate: Predicate = match (&values[..], negated) {
        ([], true) if is_comparable => Rc::new(|v| sql!("{} IS NOT NULL", v)),
        ([], _) => return Verdict::Never(reasons),
        ([value], _) => {
            let value = value.clone();
            Rc::new(move |v| if negated { sql!("{} <> {}", read(v), value) } else { sql!("{} = {}", read(v), value) })
        }
        (_, _) => {
            let list = Sql::list(values);
            Rc::new(
                move |v| {
                    if negated { sql!("{} NOT IN ({})", read(v), list) } else { sql!("{} IN ({})", read(v), list) }
                },
            )
        }
    };
    if reasons.is_empty() { Verdict::Test(predicate) } else { Verdict::Without(predicate, reasons) }
}

/// The texts that a column has for a constant. An address is the same with the prefix that leaves no bit open (STIX 2.1,
/// 6.9 and 6.10: a single address may be given as `/32` or `/128`), and IPv6 has a short form.
fn spellings(kind: Option<Kind>, text: String) -> Vec<String> {
    let (Some(Kind::Address | Kind::Network), Some((address, written))) = (kind, single_address(&text)) else {
        return vec![text];
    };
    let mut found = vec![written.to_owned()];
    let short = address.to_string();
    if !short.eq_ignore_ascii_case(written) {
        found.push(short);
    }
    if kind == Some(Kind::Network) {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        let whole: Vec<String> = found.iter().map(|address| format!("{address}/{prefix}")).collect();
        found.extend(whole);
    }
    found
}

/// The address that a text is, alone or as the network of just that address, and how it is written.
fn single_address(text: &str) -> Option<(IpAddr, &str)> {
    let (written, prefix) = text.split_once('/').map_or((text, None), |(written, prefix)| (written, Some(prefix)));
    let address: IpAddr = written.parse().ok()?;
    let whole = if address.is_ipv4() { "32" } else { "128" };
    prefix.is_none_or(|prefix| prefix == whole).then_some((address, written))
}

/// A constant with which no value of a column is likely to agree, although their types do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Doubt {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// The constants of a comparison with which no value of the column is likely to agree. `name` is the property, as
/// `type:path`; `allowed` are the values of the column's enumeration, and `captions` the texts of one.
pub(crate) fn doubts(
    typed: &Typed,
    name: &str,
    allowed: Option<&[i64]>,
    captions: &[&'static str],
    operator: &Operator,
    is_negative: bool,
) -> Vec<Doubt> {
    let literals = match operator {
        Operator::Equal(literal) | Operator::NotEqual(literal) => std::slice::from_ref(literal),
        Operator::In(literals) => &literals[..],
        Operator::Like(literal) if typed.kind == Some(Kind::Address) => {
            let Value::Text(text) = &literal.value else { return Vec::new() };
            let Some((before, _)) = text.split_once('/') else { return Vec::new() };
            let message = format!("{text:?} has a prefix, and {name} is compared with single addresses");
            let help = format!("write {name} ISSUBSET '198.51.100.0/24', or LIKE '{before}'");
            return vec![Doubt { span: literal.span.clone(), message, help }];
        }
        _ => return Vec::new(),
    };
    let doubt = |literal: &Literal| {
        let (message, help) = match (&literal.value, typed.kind) {
            // Names do not look like networks either.
            (Value::Text(text), Some(Kind::Address | Kind::Folded)) if is_network(text) => {
                let operator = if is_negative { "NOT ISSUBSET" } else { "ISSUBSET" };
                let message = format!("'{text}' is a network, and {name} is compared with single addresses");
                (message, format!("write {name} {operator} '{text}' for the addresses in it"))
            }
            (Value::Text(text), Some(Kind::Address)) if single_address(text).is_none() => {
                (format!("{text:?} is not an IP address"), "write it as '198.51.100.7' or '2001:db8::7'".to_owned())
            }
            (value, None) if name.ends_with("_port") || name.ends_with(".port") => {
                let port = match value {
                    Value::Integer(number) => *number,
                    Value::Text(text) => text.parse().ok()?,
                    _ => return None,
                };
                if (0..=65_535).contains(&port) {
                    return None;
                }
                (format!("{port} is not a port"), "ports are 0 to 65535".to_owned())
            }
            (Value::Text(text), None) if name.contains("hash") && is_upper_case_hash(text) => {
                let message = format!("{text:?} is in upper case, and the column is compared as it is");
                (message, format!("write '{}', as most sources have it", text.to_ascii_lowercase()))
            }
            (Value::Integer(number), None) => {
                let allowed = allowed.filter(|allowed| !allowed.contains(number))?;
                let known: Vec<String> = allowed.iter().map(ToString::to_string).collect();
                (format!("{name} is never {number}"), format!("its values are {}", known.join(", ")))
            }
            (Value::Text(text), None) if !captions.contains(&text.as_str()) => {
                let caption = captions.iter().find(|caption| caption.eq_ignore_ascii_case(text))?;
                (format!("OCSF writes '{caption}', and {name} is compared with its case"), format!("write '{caption}'"))
            }
            _ => return None,
        };
        Some(Doubt { span: literal.span.clone(), message, help })
    };
    literals.iter().filter_map(doubt).collect()
}

/// Whether a text is a network of more than one address.
fn is_network(text: &str) -> bool {
    Network::parse(text).is_some_and(|network| network.first != network.last)
}

fn is_upper_case_hash(text: &str) -> bool {
    matches!(text.len(), 32 | 40 | 64 | 128)
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// What constants a column can equal, for one that has another type.
pub(crate) fn remedy(typed: &Typed) -> Option<&'static str> {
    Some(match scale(typed)? {
        Scale::Whole { unit: None, .. } => "compare it with a whole number: 22",
        Scale::Whole { unit: Some(_), .. } => "compare it with a timestamp: t'2024-01-15T12:30:45Z'",
        Scale::Double => "compare it with a number: 0.5",
        Scale::Boolean => "compare it with true or false",
        Scale::Text { .. } => "compare it with a text in quotes",
        Scale::Protocol(_) => "compare it with a protocol of the network or transport layer: 'ipv4', 'tcp'",
    })
}

/// A number that compares with the column without turning the column into another type.
fn double(column_type: &ColumnType, number: f64) -> Sql {
    match column_type {
        ColumnType::Real => sql!("CAST({} AS real)", Sql::double(number)),
        _ => Sql::double(number),
    }
}

fn ordering(typed: &Typed, order: Order, literal: &Literal) -> Verdict {
    let Some(scale) = scale(typed) else { return no_scale(typed) };
    if let (Scale::Text { .. }, Value::Integer(_)) = (&scale, &literal.value) {
        return Verdict::never(format!("{} has no order among texts", describe(&literal.value)));
    }
    let operand = match operand(&scale, literal) {
        Ok(operand) => operand,
        Err(reason) => return Verdict::never(reason),
    };
    match operand {
        Operand::Point(point) => {
            let Scale::Whole { write, read, .. } = scale else {
                return Verdict::never("protocols have no order");
            };
            let upwards = matches!(order.0, Relation::Greater | Relation::GreaterOrEqual);
            let (order, number) = match point {
                Point::At(number) => (order, number),
                // `< 4.2` of whole numbers is `<= 4`, and so is `<= 4.2`.
                Point::After(number) if upwards => (Order(Relation::Greater), number),
                Point::After(number) => (Order(Relation::LessOrEqual), number),
                Point::BelowAll if upwards => return Verdict::test(|v| sql!("{} IS NOT NULL", v)),
                Point::AboveAll if !upwards => return Verdict::test(|v| sql!("{} IS NOT NULL", v)),
                Point::BelowAll | Point::AboveAll => return Verdict::never("no value of the column is there"),
            };
            let value = write(number);
            Verdict::test(move |v| order.condition(&read(v), &value))
        }
        Operand::Double(number) => {
            let value = double(&typed.column_type, number);
            Verdict::test(move |v| order.condition(v, &value))
        }
        Operand::Text(text) => match scale {
            Scale::Text { folded: true } => {
                let value = Sql::text(&fold(&text));
                Verdict::test(move |v| order.condition(&sql!("lower({})", v), &value))
            }
            Scale::Text { folded: false } => {
                let value = Sql::text(&text);
                Verdict::test(move |v| order.condition(v, &value))
            }
            _ => Verdict::never("protocols have no order"),
        },
        Operand::Boolean(_) => Verdict::never("booleans have no order"),
    }
}

fn text_of<'l>(literal: &'l Literal, operator: &str) -> Result<&'l str, Verdict> {
    match &literal.value {
        Value::Text(text) => Ok(text),
        other => Err(Verdict::Refused {
            message: format!("{operator} takes a text, not {}", describe(other)),
            help: "put the text in apostrophes".to_owned(),
        }),
    }
}

fn like(typed: &Typed, literal: &Literal, negated: bool) -> Verdict {
    let pattern = match text_of(literal, "LIKE") {
        Ok(pattern) => pattern,
        Err(refused) => return refused,
    };
    match scale(typed) {
        Some(Scale::Text { folded }) => text_like(pattern, folded, negated),
        Some(Scale::Protocol(Protocol::Name)) => text_like(pattern, true, negated),
        Some(Scale::Protocol(protocol)) => {
            let pattern = fold(pattern);
            named_protocols(protocol, negated, |name| is_like(name, &pattern))
        }
        Some(_) => Verdict::never("LIKE compares texts, and the column holds none"),
        None => no_scale(typed),
    }
}

fn text_like(pattern: &str, folded: bool, negated: bool) -> Verdict {
    let folds = folded && is_cased(pattern);
    let value = Sql::text(&if folds { fold(pattern) } else { pattern.to_owned() });
    Verdict::test(move |v| {
        let left = if folds { sql!("lower({})", v) } else { v.clone() };
        if negated { sql!("{} NOT LIKE {}", left, value) } else { sql!("{} LIKE {}", left, value) }
    })
}

/// Whether a text is like a pattern of `%` and `_`.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for token in pattern {
        if token == '%' {
            let first = reachable.iter().position(|r| *r).unwrap_or(reachable.len());
            reachable.iter_mut().skip(first).for_each(|r| *r = true);
        } else {
            for at in (1..reachable.len()).rev() {
                reachable[at] = reachable[at - 1] && (token == '_' || text[at - 1] == token);
            }
            reachable[0] = false;
        }
    }
    reachable[text.len()]
}

/// A test of names, asked of numbers: the numbers whose names satisfy it.
fn named_protocols(protocol: Protocol, negated: bool, satisfies: impl Fn(&str) -> bool) -> Verdict {
    let numbers: Vec<i64> = match protocol {
        Protocol::Number => protocols::numbers_by_name(|name| satisfies(name) != negated),
        _ if negated => Vec::new(),
        _ => [4, 6].into_iter().filter(|v| satisfies(if *v == 4 { "ipv4" } else { "ipv6" })).collect(),
    };
    if numbers.is_empty() {
        return Verdict::never("no protocol's name satisfies it");
    }
    if protocol == Protocol::VersionName {
        let names = Sql::list(numbers.iter().map(|n| Sql::code(if *n == 4 { "'ipv4'" } else { "'ipv6'" })));
        return Verdict::test(move |v| sql!("lower({}) IN ({})", v, names));
    }
    let numbers = Sql::list(numbers.into_iter().map(Sql::integer));
    Verdict::test(move |v| sql!("{} IN ({})", v, numbers))
}

fn matches(typed: &Typed, literal: &Literal, negated: bool) -> Verdict {
    let pattern = match text_of(literal, "MATCHES") {
        Ok(pattern) => pattern,
        Err(refused) => return refused,
    };
    let regex = match regexes::check(pattern) {
        Ok(regex) => regex,
        Err(fault) => return Verdict::Refused { message: fault.message, help: fault.help },
    };
    let folded = match scale(typed) {
        Some(Scale::Text { folded }) => folded,
        Some(Scale::Protocol(Protocol::Name)) => true,
        Some(Scale::Protocol(protocol)) => {
            let Ok(regex) = regex::RegexBuilder::new(pattern).case_insensitive(true).build() else {
                return Verdict::never("the regular expression is too large");
            };
            return named_protocols(protocol, negated, |name| regex.is_match(name));
        }
        Some(_) => return Verdict::never("MATCHES compares texts, and the column holds none"),
        None => return no_scale(typed),
    };
    let value = Sql::text(&if folded { format!("(?i){regex}") } else { regex });
    Verdict::test(move |v| {
        let found = sql!("regexp_like({}, {})", v, value);
        if negated { sql!("NOT {}", found) } else { found }
    })
}

/// The first and the last address of a network, and the length of its prefix.
struct Network {
    first: IpAddr,
    last: IpAddr,
    prefix: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) if prefix.bytes().all(|b| b.is_ascii_digit()) => {
                (address.parse().ok()?, Some(prefix.parse::<u8>().ok()?))
            }
            Some(_) => return None,
            None => (text.parse().ok()?, None),
        };
        match address {
            IpAddr::V4(address) => {
                let prefix = prefix.unwrap_or(32);
                let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
                let bits = u32::from(address);
                (prefix <= 32).then(|| Self {
                    first: Ipv4Addr::from(bits & !host).into(),
                    last: Ipv4Addr::from(bits | host).into(),
                    prefix,
                })
            }
            IpAddr::V6(address) => {
                let prefix = prefix.unwrap_or(128);
                let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
                let bits = u128::from(address);
                (prefix <= 128).then(|| Self {
                    first: Ipv6Addr::from(bits & !host).into(),
                    last: Ipv6Addr::from(bits | host).into(),
                    prefix,
                })
            }
        }
    }

    /// Whether the IPv4 addresses, which Trino's `ipaddress` keeps as `::ffff:a.b.c.d`, lie within an IPv6 network.
    fn swallows_ipv4(&self) -> bool {
        let (IpAddr::V6(first), IpAddr::V6(last)) = (self.first, self.last) else { return false };
        first <= Ipv4Addr::UNSPECIFIED.to_ipv6_mapped() && Ipv4Addr::BROADCAST.to_ipv6_mapped() <= last
    }
}

fn network(literal: &Literal, operator: &str) -> Result<Network, Verdict> {
    let text = text_of(literal, operator)?;
    Network::parse(text).ok_or_else(|| Verdict::Refused {
        message: format!("{text:?} is neither an address nor a network"),
        help: "write it as '198.51.100.0/24' or '2001:db8::/32'".to_owned(),
    })
}

fn subset(typed: &Typed, literal: &Literal, negated: bool) -> Verdict {
    let network = match network(literal, "ISSUBSET") {
        Ok(network) => network,
        Err(refused) => return refused,
    };
    match (typed.family, network.first) {
        (Some(Family::Ipv4), IpAddr::V6(_)) if !negated => {
            return Verdict::never("an IPv4 address lies in no IPv6 network");
        }
        (Some(Family::Ipv6), IpAddr::V4(_)) if !negated => {
            return Verdict::never("an IPv6 address lies in no IPv4 network");
        }
        _ => {}
    }
    match scale(typed) {
        Some(Scale::Text { .. }) => {}
        Some(_) => return Verdict::never("ISSUBSET compares addresses, and the column holds none"),
        None => return no_scale(typed),
    }
    let (first, last) = (Sql::ip_address(network.first), Sql::ip_address(network.last));
    let is_network = typed.kind == Some(Kind::Network);
    let (swallows_ipv4, prefix) = (network.swallows_ipv4(), Sql::integer(network.prefix.into()));
    let within = move |v: &Sql| {
        let address = if is_network { sql!("split_part({}, '/', 1)", v) } else { v.clone() };
        let mut conditions = vec![sql!("TRY_CAST({} AS IPADDRESS) BETWEEN {} AND {}", address, first, last)];
        if swallows_ipv4 {
            conditions.push(sql!("{} LIKE '%:%'", v));
        }
        if is_network {
            conditions.push(sql!("TRY_CAST(split_part({}, '/', 2) AS integer) >= {}", v, prefix));
        }
        Sql::and(conditions)
    };
    if negated {
        Verdict::test(move |v| sql!("({} IS NOT NULL AND NOT COALESCE({}, FALSE))", v, within(v)))
    } else {
        Verdict::test(within)
    }
}

fn superset(typed: &Typed, literal: &Literal, negated: bool) -> Verdict {
    let network = match network(literal, "ISSUPERSET") {
        Ok(network) => network,
        Err(refused) => return refused,
    };
    match scale(typed) {
        Some(Scale::Text { .. }) => {}
        Some(_) => return Verdict::never("ISSUPERSET compares networks, and the column holds none"),
        None => return no_scale(typed),
    }
    let (first, last) = (Sql::ip_address(network.first), Sql::ip_address(network.last));
    let contains: Predicate = if typed.kind == Some(Kind::Network) {
        Rc::new(move |v| sql!("(TRY(contains({}, {})) AND TRY(contains({}, {})))", v, first, v, last))
    } else if network.first == network.last {
        Rc::new(move |v| sql!("TRY_CAST({} AS IPADDRESS) = {}", v, first))
    } else if negated {
        return Verdict::test(|v| sql!("{} IS NOT NULL", v));
    } else {
        return Verdict::never("a single address holds no network");
    };
    if negated {
        Verdict::test(move |v| sql!("({} IS NOT NULL AND NOT COALESCE({}, FALSE))", v, contains(v)))
    } else {
        Verdict::Test(contains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(value: Value) -> Literal {
        Literal { value, span: 0..0 }
    }

    fn asked(column_type: &str, kind: Option<Kind>, operator: &Operator, negated: bool) -> String {
        let typed = Typed { column_type: column_type.parse().unwrap(), kind, family: None };
        match compare(&typed, operator, negated) {
            Verdict::Test(predicate) | Verdict::Without(predicate, _) => predicate(&Sql::code("c")).to_string(),
            Verdict::Never(reasons) => format!("never: {}", reasons.join("; ")),
            Verdict::Refused { message, .. } => format!("refused: {message}"),
        }
    }

    fn text(value: &str) -> Literal {
        literal(Value::Text(value.to_owned()))
    }

    #[test]
    fn constants_are_typed_by_the_column() {
        let equal = |t: &str, value| asked(t, None, &Operator::Equal(literal(value)), false);
        assert_eq!(equal("integer", Value::Integer(3389)), "c = 3389");
        assert_eq!(equal("integer", Value::Text("3389".to_owned())), "c = 3389");
        assert_eq!(equal("bigint", Value::Integer(16_777_217)), "c = 16777217");
        assert_eq!(equal("bigint", Value::Float(7.0)), "c = 7");
        assert_eq!(equal("bigint", Value::Float(7.5)), "never: no value equals the number 7.5");
        assert_eq!(equal("integer", Value::Text("rdp".to_owned())), "never: the text \"rdp\" is no number");
        assert_eq!(equal("double", Value::Text("7.5".to_owned())), "c = 7.5E0");
        assert_eq!(equal("boolean", Value::Text("True".to_owned())), "c = TRUE");
        assert_eq!(equal("varchar", Value::Integer(979_326_520_502)), "c = '979326520502'");
        assert_eq!(equal("varchar", Value::Boolean(true)), "never: the boolean true cannot equal a value of that type");
        assert_eq!(equal("timestamp(3)", Value::Timestamp(1_500_000_000)), "c = TIMESTAMP '1970-01-01 00:00:01.500'");
    }

    #[test]
    fn a_constant_that_no_value_equals_is_named_once() {
        let typed = Typed { column_type: ColumnType::Integer, kind: None, family: None };
        let ports = Operator::In(vec![text("ssh"), literal(Value::Integer(22)), text("ssh"), text("rdp")]);
        let Verdict::Without(_, left_out) = compare(&typed, &ports, false) else { panic!("two are no numbers") };
        assert_eq!(left_out, ["the text \"ssh\" is no number", "the text \"rdp\" is no number"]);
    }

    #[test]
    fn an_order_among_whole_numbers_keeps_fractions_exact() {
        let value = || literal(Value::Float(4.2));
        assert_eq!(asked("bigint", None, &Operator::Less(value()), false), "c <= 4");
        assert_eq!(asked("bigint", None, &Operator::LessOrEqual(value()), false), "c <= 4");
        assert_eq!(asked("bigint", None, &Operator::Greater(value()), false), "c > 4");
        assert_eq!(asked("bigint", None, &Operator::GreaterOrEqual(value()), true), "c <= 4");
        let time = || literal(Value::Timestamp(1_704_067_200_123_456_789));
        let milliseconds = Some(Kind::Milliseconds);
        assert_eq!(asked("bigint", milliseconds, &Operator::Less(time()), false), "c <= 1704067200123");
        assert_eq!(asked("bigint", milliseconds, &Operator::Greater(time()), false), "c > 1704067200123");
        assert_eq!(asked("bigint", Some(Kind::Seconds), &Operator::Greater(time()), false), "c > 1704067200");
        assert_eq!(asked("bigint", milliseconds, &Operator::NotEqual(time()), false), "c IS NOT NULL");
        assert_eq!(asked("bigint", None, &Operator::Less(literal(Value::Float(1e300))), false), "c IS NOT NULL");
    }

    #[test]
    fn folded_columns_are_lower_cased_only_where_it_matters() {
        let folded = Some(Kind::Folded);
        assert_eq!(asked("varchar", folded, &Operator::Equal(text("AbC")), false), "lower(c) = 'abc'");
        assert_eq!(asked("varchar", folded, &Operator::Equal(text("198.51.100.7")), false), "c = '198.51.100.7'");
        assert_eq!(asked("varchar", folded, &Operator::Like(text("%.COM")), true), "lower(c) NOT LIKE '%.com'");
        assert_eq!(asked("varchar", folded, &Operator::Matches(text("^A")), false), "regexp_like(c, '(?i)^A')");
        assert_eq!(asked("varchar", None, &Operator::Equal(text("AbC")), false), "c = 'AbC'");
    }

    #[test]
    fn an_address_with_the_prefix_of_a_single_one_is_the_address() {
        let equal = |kind, value: &str| asked("varchar", Some(kind), &Operator::Equal(text(value)), false);
        assert_eq!(equal(Kind::Address, "10.8.8.10/32"), "c = '10.8.8.10'");
        assert_eq!(equal(Kind::Address, "2001:DB8:0::7/128"), "lower(c) IN ('2001:db8:0::7', '2001:db8::7')");
        assert_eq!(equal(Kind::Address, "10.8.8.10/31"), "c = '10.8.8.10/31'");
        assert_eq!(equal(Kind::Network, "10.8.8.10"), "c IN ('10.8.8.10', '10.8.8.10/32')");
        assert_eq!(equal(Kind::Folded, "10.8.8.10/32"), "c = '10.8.8.10/32'");
        let list = Operator::In(vec![text("10.8.8.10/32"), text("198.51.100.7")]);
        assert_eq!(asked("varchar", Some(Kind::Address), &list, true), "c NOT IN ('10.8.8.10', '198.51.100.7')");
        let different = Operator::NotEqual(text("10.8.8.10/32"));
        assert_eq!(asked("varchar", Some(Kind::Address), &different, false), "c <> '10.8.8.10'");
    }

    #[test]
    fn sets_keep_what_can_be_equal() {
        let set = Operator::In(vec![text("22"), text("ssh"), literal(Value::Integer(3389))]);
        assert_eq!(asked("integer", None, &set, false), "c IN (22, 3389)");
        assert_eq!(asked("integer", None, &set, true), "c NOT IN (22, 3389)");
        assert_eq!(asked("integer", None, &Operator::In(vec![]), false), "never: nothing is in an empty set");
        assert_eq!(asked("integer", None, &Operator::In(vec![]), true), "c IS NOT NULL");
    }

    #[test]
    fn networks_are_ranges_of_addresses() {
        let address = Some(Kind::Address);
        let subset = |network: &str| asked("varchar", address, &Operator::IsSubset(text(network)), false);
        assert_eq!(
            subset("198.51.100.77/24"),
            "TRY_CAST(c AS IPADDRESS) BETWEEN IPADDRESS '198.51.100.0' AND IPADDRESS '198.51.100.255'"
        );
        assert_eq!(
            subset("2001:db8::/32"),
            "TRY_CAST(c AS IPADDRESS) BETWEEN IPADDRESS '2001:db8::' AND IPADDRESS '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'"
        );
        assert!(subset("::/0").ends_with(" AND c LIKE '%:%')"), "{}", subset("::/0"));
        assert!(subset("0.0.0.0/0").ends_with("IPADDRESS '255.255.255.255'"));
        assert_eq!(subset("198.51.100.0/33"), "refused: \"198.51.100.0/33\" is neither an address nor a network");
        let superset = |network: &str| asked("varchar", address, &Operator::IsSuperset(text(network)), false);
        assert_eq!(superset("198.51.100.7/32"), "TRY_CAST(c AS IPADDRESS) = IPADDRESS '198.51.100.7'");
        assert_eq!(superset("198.51.100.0/24"), "never: a single address holds no network");
    }

    #[test]
    fn protocols_are_found_by_name_and_by_number() {
        let number = |operator: &Operator| asked("integer", Some(Kind::ProtocolNumber), operator, false);
        assert_eq!(number(&Operator::Equal(text("TCP"))), "c = 6");
        assert_eq!(number(&Operator::Equal(literal(Value::Integer(17)))), "c = 17");
        assert!(number(&Operator::Equal(text("http"))).starts_with("never"));
        assert!(number(&Operator::Equal(text("ipv6"))).starts_with("never"));
        assert_eq!(number(&Operator::Like(text("tc_"))), "c IN (6)");
        let name = |operator: &Operator| asked("varchar", Some(Kind::ProtocolName), operator, false);
        assert_eq!(name(&Operator::Equal(text("TCP"))), "lower(c) = 'tcp'");
        assert_eq!(name(&Operator::Equal(literal(Value::Integer(6)))), "lower(c) = 'tcp'");
        let version = |operator: &Operator| asked("integer", Some(Kind::ProtocolVersion), operator, false);
        assert_eq!(version(&Operator::Equal(text("ipv6"))), "c = 6");
        assert!(version(&Operator::Equal(text("tcp"))).starts_with("never"));
    }

    #[test]
    fn like_is_decided_here_as_in_sql() {
        for (value, pattern, expected) in
            [("tcp", "t%", true), ("tcp", "_c_", true), ("tcp", "%", true), ("tcp", "tc", false), ("", "%%", true)]
        {
            assert_eq!(is_like(value, pattern), expected, "{value} {pattern}");
        }
    }
}
