//! Types of columns.

/// A type of Trino's SQL, as far as tables of the lake and answers of queries have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnType {
    /// `boolean`
    Boolean,
    /// `tinyint`, `smallint` and `integer`
    Integer,
    /// `bigint`
    Bigint,
    /// `real`
    Real,
    /// `double`
    Double,
    /// `decimal(p, s)`
    Decimal(u8, u8),
    /// `varchar` and `char`
    Varchar,
    /// `varbinary`
    Varbinary,
    /// `date`
    Date,
    /// `timestamp(3)` and other precisions, without zone
    Timestamp,
    /// `timestamp(3) with time zone`
    TimestampWithTimeZone,
    /// `json`
    Json,
    /// `array(…)`
    Array(Box<ColumnType>),
    /// `map(…, …)`
    Map(Box<ColumnType>, Box<ColumnType>),
    /// `row(name type, …)`
    Row(Vec<(String, ColumnType)>),
}
