//! Types of columns.
//!
//! [`ColumnType`] is written as Trino writes it and read in Trino's and in Glue's (Hive's) spelling:
//!
//! ```
//! use sql::types::ColumnType;
//!
//! let glue: ColumnType = "array<struct<ip:string,port:int>>".parse()?;
//! let trino: ColumnType = r#"array(row(ip varchar, "port" integer))"#.parse()?;
//! assert_eq!(glue, trino);
//! assert_eq!(trino.to_string(), r#"array(row("ip" varchar, "port" integer))"#);
//! assert_eq!(trino.glue().to_string(), "array<struct<ip:string,port:int>>");
//! # Ok::<(), sql::types::TypeError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use crate::text::enclosed;

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

impl ColumnType {
    /// Whether it is `array`, `map` or `row`: what leaves a query as JSON text.
    pub fn is_complex(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Map(..) | Self::Row(_))
    }

    /// Whether numbers compare with it.
    pub fn is_numeric(&self) -> bool {
        matches!(self, Self::Integer | Self::Bigint | Self::Real | Self::Double | Self::Decimal(..))
    }

    /// The type of a field of a `row`, whose names Trino compares without regard to case.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Row(fields) => fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, t)| t),
            _ => None,
        }
    }

    /// Glue's spelling, as in `CREATE EXTERNAL TABLE`.
    pub fn glue(&self) -> Glue<'_> {
        Glue(self)
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Integer => f.write_str("integer"),
            Self::Bigint => f.write_str("bigint"),
            Self::Real => f.write_str("real"),
            Self::Double => f.write_str("double"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision}, {scale})"),
            Self::Varchar => f.write_str("varchar"),
            Self::Varbinary => f.write_str("varbinary"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp(3)"),
            Self::TimestampWithTimeZone => f.write_str("timestamp(3) with time zone"),
            Self::Json => f.write_str("json"),
            Self::Array(element) => write!(f, "array({element})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Row(fields) => {
                f.write_str("row(")?;
                for (place, (name, field)) in fields.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    write!(f, "{comma}{} {field}", enclosed(name, '"'))?;
                }
                f.write_str(")")
            }
        }
    }
}

/// A type as Glue spells it: see [`ColumnType::glue`].
#[derive(Debug, Clone, Copy)]
pub struct Glue<'a>(&'a ColumnType);

impl fmt::Display for Glue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ColumnType::Boolean => f.write_str("boolean"),
            ColumnType::Integer => f.write_str("int"),
            ColumnType::Bigint => f.write_str("bigint"),
            ColumnType::Real => f.write_str("float"),
            ColumnType::Double => f.write_str("double"),
            ColumnType::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            ColumnType::Varchar | ColumnType::Json => f.write_str("string"),
            ColumnType::Varbinary => f.write_str("binary"),
            ColumnType::Date => f.write_str("date"),
            ColumnType::Timestamp | ColumnType::TimestampWithTimeZone => f.write_str("timestamp"),
            ColumnType::Array(element) => write!(f, "array<{}>", element.glue()),
            ColumnType::Map(key, value) => write!(f, "map<{},{}>", key.glue(), value.glue()),
            ColumnType::Row(fields) => {
                f.write_str("struct<")?;
                for (place, (name, field)) in fields.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma}{name}:{}", field.glue())?;
                }
                f.write_str(">")
            }
        }
    }
}

/// The text is no type that is known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no type of Trino or Glue that is known here: {problem} at byte {at}")]
pub struct TypeError {
    text: String,
    problem: String,
    at: usize,
}

impl FromStr for ColumnType {
    type Err = TypeError;

    /// Reads `array(row(a varchar))` and `array<struct<a:string>>`; precisions of times and lengths of texts are dropped.
    fn from_str(text: &str) -> Result<Self, TypeError> {
        let mut reader = Reader { text, at: 0 };
        let column_type = reader.column_type()?;
        reader.spaces();
        match reader.peek() {
            None => Ok(column_type),
            Some(_) => Err(reader.error("something follows the type")),
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn column_type(&mut self) -> Result<ColumnType, TypeError> {
        let start = self.at;
        let word = self.word().to_ascii_lowercase();
        Ok(match word.as_str() {
            "boolean" => ColumnType::Boolean,
            "tinyint" | "smallint" | "int" | "integer" => ColumnType::Integer,
            "bigint" | "long" => ColumnType::Bigint,
            "real" | "float" => ColumnType::Real,
            "double" => {
                self.words(&["precision"]);
                ColumnType::Double
            }
            "decimal" => {
                let numbers = self.numbers()?;
                match numbers[..] {
                    [precision, scale] => ColumnType::Decimal(precision, scale),
                    [precision] => ColumnType::Decimal(precision, 0),
                    // Trino's decimal alone is decimal(38, 0), Hive's decimal(10, 0); the wider one holds both.
                    _ => ColumnType::Decimal(38, 0),
                }
            }
            "string" | "varchar" | "char" => {
                self.numbers()?;
                ColumnType::Varchar
            }
            "binary" | "varbinary" => ColumnType::Varbinary,
            "date" => ColumnType::Date,
            "timestamp" | "timestamptz" => {
                self.numbers()?;
                let zoned = self.words(&["with", "time", "zone"]) || word == "timestamptz";
                self.words(&["without", "time", "zone"]);
                if zoned { ColumnType::TimestampWithTimeZone } else { ColumnType::Timestamp }
            }
            "json" => ColumnType::Json,
            "array" | "list" => {
                let close = self.open()?;
                let element = self.column_type()?;
                self.expect(close)?;
                ColumnType::Array(Box::new(element))
            }
            "map" => {
                let close = self.open()?;
                let key = self.column_type()?;
                self.expect(',')?;
                let value = self.column_type()?;
                self.expect(close)?;
                ColumnType::Map(Box::new(key), Box::new(value))
            }
            "struct" | "row" => {
                let close = self.open()?;
                let mut fields = Vec::new();
                loop {
                    fields.push(self.field(fields.len(), close)?);
                    self.spaces();
                    if self.peek() != Some(',') {
                        break;
                    }
                    self.at += 1;
                }
                self.expect(close)?;
                ColumnType::Row(fields)
            }
            _ => {
                self.at = start;
                self.spaces();
                let name = if word.is_empty() { "a type is missing".to_owned() } else { format!("no type {word:?}") };
                return Err(self.error(&name));
            }
        })
    }

    /// `name:type` between `<` and `>`, `name type` or `type` alone between parentheses.
    fn field(&mut self, place: usize, close: char) -> Result<(String, ColumnType), TypeError> {
        self.spaces();
        if close == '>' {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let Some(length) = rest.find([':', '<', '>', ',']).filter(|&end| rest[end..].starts_with(':')) else {
                return Err(self.error("a field is `name:type`"));
            };
            let name = rest[..length].trim().trim_matches('`').to_owned();
            self.at += length + 1;
            return Ok((name, self.column_type()?));
        }
        if self.peek() == Some('"') {
            let name = self.quoted()?;
            return Ok((name, self.column_type()?));
        }
        let start = self.at;
        let name = self.word().to_owned();
        self.spaces();
        match self.peek() {
            Some(',' | ')' | '(') => {
                self.at = start;
                Ok((format!("field{place}"), self.column_type()?))
            }
            _ => Ok((name, self.column_type()?)),
        }
    }

    fn quoted(&mut self) -> Result<String, TypeError> {
        let mut name = String::new();
        self.at += 1;
        while let Some(character) = self.peek() {
            self.at += character.len_utf8();
            if character == '"' {
                if self.peek() != Some('"') {
                    return Ok(name);
                }
                self.at += 1;
            }
            name.push(character);
        }
        Err(self.error("a quote is not closed"))
    }

    /// `(3)`, `(10, 2)` or nothing.
    fn numbers(&mut self) -> Result<Vec<u8>, TypeError> {
        let mut numbers = Vec::new();
        self.spaces();
        if self.peek() != Some('(') {
            return Ok(numbers);
        }
        loop {
            self.at += 1;
            // A length above 255 is of a text, where only its presence counts.
            let word = self.word();
            let number = word.parse::<u32>().ok().map(|n| u8::try_from(n).unwrap_or(u8::MAX));
            numbers.push(number.ok_or_else(|| self.error("a number is missing"))?);
            self.spaces();
            if self.peek() != Some(',') {
                self.expect(')')?;
                return Ok(numbers);
            }
        }
    }

    fn open(&mut self) -> Result<char, TypeError> {
        self.spaces();
        let close = match self.peek() {
            Some('(') => ')',
            Some('<') => '>',
            _ => return Err(self.error("`(` or `<` is missing")),
        };
        self.at += 1;
        Ok(close)
    }

    fn expect(&mut self, character: char) -> Result<(), TypeError> {
        self.spaces();
        if self.peek() != Some(character) {
            return Err(self.error(&format!("`{character}` is missing")));
        }
        self.at += 1;
        Ok(())
    }

    /// Goes past these words if they follow in that order.
    fn words(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        for word in words {
            if !self.word().eq_ignore_ascii_case(word) {
                self.at = start;
                return false;
            }
        }
        true
    }

    fn word(&mut self) -> &str {
        self.spaces();
        let start = self.at;
        while let Some(character) = self.peek().filter(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '@')) {
            self.at += character.len_utf8();
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn spaces(&mut self) {
        while let Some(character) = self.peek().filter(|c| c.is_whitespace()) {
            self.at += character.len_utf8();
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..).and_then(|rest| rest.chars().next())
    }

    fn error(&self, problem: &str) -> TypeError {
        TypeError { text: self.text.to_owned(), problem: problem.to_owned(), at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> ColumnType {
        text.parse().unwrap()
    }

    fn row<const N: usize>(fields: [(&str, ColumnType); N]) -> ColumnType {
        ColumnType::Row(fields.into_iter().map(|(name, t)| (name.to_owned(), t)).collect())
    }

    #[test]
    fn both_spellings_of_every_scalar_are_read() {
        for (texts, expected) in [
            (&["boolean", "BOOLEAN"][..], ColumnType::Boolean),
            (&["int", "integer", "smallint", "tinyint"], ColumnType::Integer),
            (&["bigint"], ColumnType::Bigint),
            (&["float", "real"], ColumnType::Real),
            (&["double", "double precision"], ColumnType::Double),
            (&["decimal(10,2)", "decimal(10, 2)"], ColumnType::Decimal(10, 2)),
            (&["string", "varchar", "varchar(65535)", "char(3)"], ColumnType::Varchar),
            (&["binary", "varbinary"], ColumnType::Varbinary),
            (&["date"], ColumnType::Date),
            (&["timestamp", "timestamp(6)", "timestamp(3) without time zone"], ColumnType::Timestamp),
            (&["timestamp with time zone", "timestamp(3) with time zone"], ColumnType::TimestampWithTimeZone),
            (&["json"], ColumnType::Json),
        ] {
            for text in texts {
                assert_eq!(read(text), expected, "{text}");
            }
        }
    }

    #[test]
    fn nested_types_are_read_in_both_spellings() {
        let expected = ColumnType::Array(Box::new(row([
            ("group", row([("name", ColumnType::Varchar)])),
            ("at", ColumnType::Timestamp),
            ("of", ColumnType::Map(Box::new(ColumnType::Varchar), Box::new(ColumnType::Decimal(4, 1)))),
        ])));
        assert_eq!(read("array<struct<group:struct<name:string>,at:timestamp,of:map<string,decimal(4,1)>>>"), expected);
        let trino = r#"array(row("group" row(name varchar), at timestamp(3), "of" map(varchar, decimal(4, 1))))"#;
        assert_eq!(read(trino), expected);
    }

    #[test]
    fn a_row_may_have_fields_without_names() {
        assert_eq!(
            read("row(bigint, varchar(2))"),
            row([("field0", ColumnType::Bigint), ("field1", ColumnType::Varchar)])
        );
    }

    #[test]
    fn what_is_no_type_is_said_with_its_place() {
        for (text, message) in [
            (
                "array<strin>",
                r#""array<strin>" is no type of Trino or Glue that is known here: no type "strin" at byte 6"#,
            ),
            (
                "struct<a>",
                r#""struct<a>" is no type of Trino or Glue that is known here: a field is `name:type` at byte 7"#,
            ),
            (
                "map<string>",
                r#""map<string>" is no type of Trino or Glue that is known here: `,` is missing at byte 10"#,
            ),
            (
                "int int",
                r#""int int" is no type of Trino or Glue that is known here: something follows the type at byte 4"#,
            ),
            ("", r#""" is no type of Trino or Glue that is known here: a type is missing at byte 0"#),
        ] {
            assert_eq!(text.parse::<ColumnType>().unwrap_err().to_string(), message);
        }
    }

    fn any_type(names: &'static str) -> impl Strategy<Value = ColumnType> {
        let scalar = prop_oneof![
            Just(ColumnType::Boolean),
            Just(ColumnType::Integer),
            Just(ColumnType::Bigint),
            Just(ColumnType::Real),
            Just(ColumnType::Double),
            (1..38_u8, 0..38_u8).prop_map(|(p, s)| ColumnType::Decimal(p, s)),
            Just(ColumnType::Varchar),
            Just(ColumnType::Varbinary),
            Just(ColumnType::Date),
            Just(ColumnType::Timestamp),
        ];
        scalar.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                inner.clone().prop_map(|t| ColumnType::Array(Box::new(t))),
                (inner.clone(), inner.clone()).prop_map(|(k, v)| ColumnType::Map(Box::new(k), Box::new(v))),
                prop::collection::vec((names, inner), 1..4).prop_map(ColumnType::Row),
            ]
        })
    }

    proptest! {
        #[test]
        fn trinos_spelling_reads_back(t in any_type(r#"[a-z"' :(]{1,6}"#)) {
            prop_assert_eq!(read(&t.to_string()), t);
        }

        #[test]
        fn glues_spelling_reads_back(t in any_type("[a-z_][a-z0-9_.-]{0,5}")) {
            prop_assert_eq!(read(&t.glue().to_string()), t);
        }

        #[test]
        fn no_text_breaks_the_reader(text in any::<String>()) {
            let _ = text.parse::<ColumnType>();
        }
    }
}
