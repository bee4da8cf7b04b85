//! Trino's types, which of them become which, and the Arrow types that carry their values here.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use sql::types::ColumnType;

/// A type of Trino's SQL.
///
/// The length of a `varchar` is not kept: no value depends on it once it is cast.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    /// The type of `NULL`.
    Unknown,
    Boolean,
    Tinyint,
    Smallint,
    Integer,
    Bigint,
    Real,
    Double,
    Decimal(u8, u8),
    Varchar,
    Varbinary,
    Date,
    /// Without zone, with so many digits of the second.
    Timestamp(u8),
    /// With zone. The zone is that of the column, see `functions::dates`.
    TimestampTz(u8, Zone),
    /// `interval day to second`, in milliseconds.
    DayInterval,
    /// `interval year to month`, in months.
    MonthInterval,
    Json,
    IpAddress,
    Array(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Row(Vec<(Option<String>, Type)>),
}

/// The zone of all values of a `timestamp with time zone` column, by name.
pub(crate) type Zone = Arc<str>;

pub(crate) fn utc() -> Zone {
    Arc::from("UTC")
}

impl Type {
    pub(crate) fn array(element: Type) -> Self {
        Self::Array(Box::new(element))
    }

    pub(crate) fn map(key: Type, value: Type) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    /// `timestamp(3) with time zone` in UTC.
    pub(crate) fn instant() -> Self {
        Self::TimestampTz(3, utc())
    }

    pub(crate) fn is_integer(&self) -> bool {
        matches!(self, Self::Tinyint | Self::Smallint | Self::Integer | Self::Bigint)
    }

    pub(crate) fn is_number(&self) -> bool {
        self.is_integer() || matches!(self, Self::Real | Self::Double | Self::Decimal(..))
    }

    /// Whether `=` has a meaning for it.
    pub(crate) fn is_comparable(&self) -> bool {
        match self {
            Self::Array(element) => element.is_comparable(),
            Self::Map(key, value) => key.is_comparable() && value.is_comparable(),
            Self::Row(fields) => fields.iter().all(|(_, field)| field.is_comparable()),
            _ => true,
        }
    }

    /// Whether `<` has a meaning for it.
    pub(crate) fn is_orderable(&self) -> bool {
        match self {
            Self::Json | Self::Map(..) => false,
            Self::Array(element) => element.is_orderable(),
            Self::Row(fields) => fields.iter().all(|(_, field)| field.is_orderable()),
            _ => true,
        }
    }

    /// The Arrow type of values.
    pub(crate) fn arrow(&self) -> DataType {
        match self {
            Self::Unknown => DataType::Null,
            Self::Boolean => DataType::Boolean,
            Self::Tinyint => DataType::Int8,
            Self::Smallint => DataType::Int16,
            Self::Integer | Self::MonthInterval => DataType::Int32,
            Self::Bigint | Self::DayInterval => DataType::Int64,
            Self::Real => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal(precision, scale) => {
                DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
            }
            Self::Varchar | Self::Json => DataType::Utf8,
            Self::Varbinary | Self::IpAddress => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp(digits) => DataType::Timestamp(unit(*digits), None),
            Self::TimestampTz(digits, _) => DataType::Timestamp(unit(*digits), Some(Arc::from("+00:00"))),
            Self::Array(element) => DataType::List(Arc::new(Field::new("element", element.arrow(), true))),
            Self::Map(key, value) => map_type(key.arrow(), value.arrow()),
            Self::Row(fields) => DataType::Struct(row_fields(fields)),
        }
    }

    /// The type as answers and table descriptions name it.
    pub(crate) fn column_type(&self) -> ColumnType {
        match self {
            Self::Boolean => ColumnType::Boolean,
            Self::Tinyint | Self::Smallint | Self::Integer => ColumnType::Integer,
            Self::Bigint => ColumnType::Bigint,
            Self::Real => ColumnType::Real,
            Self::Double => ColumnType::Double,
            Self::Decimal(precision, scale) => ColumnType::Decimal(*precision, *scale),
            Self::Unknown | Self::Varchar | Self::IpAddress | Self::DayInterval | Self::MonthInterval => {
                ColumnType::Varchar
            }
            Self::Varbinary => ColumnType::Varbinary,
            Self::Date => ColumnType::Date,
            Self::Timestamp(_) => ColumnType::Timestamp,
            Self::TimestampTz(..) => ColumnType::TimestampWithTimeZone,
            Self::Json => ColumnType::Json,
            Self::Array(element) => ColumnType::Array(Box::new(element.column_type())),
            Self::Map(key, value) => ColumnType::Map(Box::new(key.column_type()), Box::new(value.column_type())),
            Self::Row(fields) => ColumnType::Row(
                fields
                    .iter()
                    .enumerate()
                    .map(|(at, (name, field))| (name.clone().unwrap_or_else(|| anonymous(at)), field.column_type()))
                    .collect(),
            ),
        }
    }

    /// The type that a table's description means; `None` for a type that this engine does not know.
    pub(crate) fn of_column(column: &ColumnType) -> Option<Self> {
        Some(match column {
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Integer => Self::Integer,
            ColumnType::Bigint => Self::Bigint,
            ColumnType::Real => Self::Real,
            ColumnType::Double => Self::Double,
            ColumnType::Decimal(precision, scale) => Self::Decimal(*precision, *scale),
            ColumnType::Varchar => Self::Varchar,
            ColumnType::Varbinary => Self::Varbinary,
            ColumnType::Date => Self::Date,
            ColumnType::Timestamp => Self::Timestamp(3),
            ColumnType::TimestampWithTimeZone => Self::instant(),
            ColumnType::Json => Self::Json,
            ColumnType::Array(element) => Self::array(Self::of_column(element)?),
            ColumnType::Map(key, value) => Self::map(Self::of_column(key)?, Self::of_column(value)?),
            ColumnType::Row(fields) => Self::Row(
                fields
                    .iter()
                    .map(|(name, field)| Some((Some(name.clone()), Self::of_column(field)?)))
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        })
    }

    /// The narrowest type that values of both become, as Trino coerces them; `None` if there is none.
    pub(crate) fn common(&self, other: &Type) -> Option<Type> {
        if self == other {
            return Some(self.clone());
        }
        Some(match (self, other) {
            (Self::Unknown, other) | (other, Self::Unknown) => other.clone(),
            (Self::Decimal(p1, s1), Self::Decimal(p2, s2)) => {
                let scale = *s1.max(s2);
                Self::Decimal(((p1 - s1).max(p2 - s2) + scale).min(38), scale)
            }
            (a, b) if a.is_number() && b.is_number() => match (a, b) {
                (Self::Double, _) | (_, Self::Double) => Self::Double,
                (Self::Real, _) | (_, Self::Real) => Self::Real,
                (Self::Decimal(..), integer) => return a.common(&integer.as_decimal()),
                (integer, Self::Decimal(..)) => return integer.as_decimal().common(b),
                (Self::Bigint, _) | (_, Self::Bigint) => Self::Bigint,
                (Self::Integer, _) | (_, Self::Integer) => Self::Integer,
                _ => Self::Smallint,
            },
            (Self::Date, Self::Timestamp(digits)) | (Self::Timestamp(digits), Self::Date) => Self::Timestamp(*digits),
            (Self::Timestamp(a), Self::Timestamp(b)) => Self::Timestamp(*a.max(b)),
            // The zone belongs to the column here, so that values of two zones do not fit into one column.
            (Self::TimestampTz(a, zone), Self::TimestampTz(b, other)) if zone == other => {
                Self::TimestampTz(*a.max(b), zone.clone())
            }
            (Self::TimestampTz(a, zone), Self::Timestamp(b)) | (Self::Timestamp(b), Self::TimestampTz(a, zone))
                if **zone == *"UTC" =>
            {
                Self::TimestampTz(*a.max(b), zone.clone())
            }
            (Self::TimestampTz(a, zone), Self::Date) | (Self::Date, Self::TimestampTz(a, zone)) if **zone == *"UTC" => {
                Self::TimestampTz(*a, zone.clone())
            }
            (Self::Array(a), Self::Array(b)) => Self::array(a.common(b)?),
            (Self::Map(k1, v1), Self::Map(k2, v2)) => Self::map(k1.common(k2)?, v1.common(v2)?),
            (Self::Row(a), Self::Row(b)) if a.len() == b.len() => Self::Row(
                a.iter()
                    .zip(b)
                    .map(|((name, a), (other, b))| Some((name.clone().filter(|_| name == other), a.common(b)?)))
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        })
    }

    /// Whether a value of this type stands where `other` is wanted without a cast.
    pub(crate) fn coerces_to(&self, other: &Type) -> bool {
        match (self, other) {
            (Self::Row(a), Self::Row(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((_, a), (_, b))| a.coerces_to(b))
            }
            (Self::Array(a), Self::Array(b)) => a.coerces_to(b),
            (Self::Map(k1, v1), Self::Map(k2, v2)) => k1.coerces_to(k2) && v1.coerces_to(v2),
            _ => self.common(other).is_some_and(|common| common == *other),
        }
    }

    /// The decimal that holds every value of an integer type.
    pub(crate) fn as_decimal(&self) -> Type {
        match self {
            Self::Tinyint => Self::Decimal(3, 0),
            Self::Smallint => Self::Decimal(5, 0),
            Self::Integer => Self::Decimal(10, 0),
            Self::Bigint => Self::Decimal(19, 0),
            other => other.clone(),
        }
    }
}

fn unit(digits: u8) -> TimeUnit {
    match digits {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// The Arrow name of a row's field without name.
pub(crate) fn anonymous(at: usize) -> String {
    format!("field{at}")
}

pub(crate) fn row_fields(fields: &[(Option<String>, Type)]) -> Fields {
    fields
        .iter()
        .enumerate()
        .map(|(at, (name, field))| Field::new(name.clone().unwrap_or_else(|| anonymous(at)), field.arrow(), true))
        .collect()
}

pub(crate) fn map_type(key: DataType, value: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
}

/// The type in Trino's spelling, as `typeof` shows it.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Boolean => f.write_str("boolean"),
            Self::Tinyint => f.write_str("tinyint"),
            Self::Smallint => f.write_str("smallint"),
            Self::Integer => f.write_str("integer"),
            Self::Bigint => f.write_str("bigint"),
            Self::Real => f.write_str("real"),
            Self::Double => f.write_str("double"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Self::Varchar => f.write_str("varchar"),
            Self::Varbinary => f.write_str("varbinary"),
            Self::Date => f.write_str("date"),
            Self::Timestamp(digits) => write!(f, "timestamp({digits})"),
            Self::TimestampTz(digits, _) => write!(f, "timestamp({digits}) with time zone"),
            Self::DayInterval => f.write_str("interval day to second"),
            Self::MonthInterval => f.write_str("interval year to month"),
            Self::Json => f.write_str("json"),
            Self::IpAddress => f.write_str("ipaddress"),
            Self::Array(element) => write!(f, "array({element})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Row(fields) => {
                f.write_str("row(")?;
                for (at, (name, field)) in fields.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    match name {
                        Some(name) if is_plain(name) => write!(f, "{name} {field}")?,
                        Some(name) => write!(f, "\"{}\" {field}", name.replace('"', "\"\""))?,
                        None => write!(f, "{field}")?,
                    }
                }
                f.write_str(")")
            }
        }
    }
}

/// Whether Trino shows a field's name without quotes.
fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
