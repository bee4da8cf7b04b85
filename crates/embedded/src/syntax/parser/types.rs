//! Names of types, as CAST and typed literals have them.

use query::QueryError;

use super::cursor::{Parsed, Parser};
use crate::error::unsupported;
use crate::syntax::ast::*;
use crate::syntax::lexer::Token;
use crate::types::{Type, utc};

impl Parser {
    pub(super) fn type_with_length(&mut self) -> Parsed<(Type, Option<u32>)> {
        if self.is_word("VARCHAR") && self.symbol_at(1, "(") && !self.symbol_at(4, "ARRAY") {
            self.next += 1;
            let length = self.in_parentheses(Self::integer)?;
            if self.is_word("ARRAY") {
                return unsupported("varchar(n) inside an array", "use varchar");
            }
            return Ok((Type::Varchar, Some(u32::try_from(length).unwrap_or(u32::MAX))));
        }
        Ok((self.data_type()?, None))
    }

    fn data_type(&mut self) -> Parsed<Type> {
        let mut data_type = self.deeper(Self::data_type_inner)?;
        let mut levels = 0;
        while self.accept("ARRAY") {
            levels += 1;
            self.fits(levels)?;
            data_type = Type::array(data_type);
        }
        Ok(data_type)
    }

    fn data_type_inner(&mut self) -> Parsed<Type> {
        let at = self.at();
        let word = match self.advance() {
            Token::Word(word) | Token::Quoted(word) => word.to_uppercase(),
            _ => {
                self.next -= 1;
                return Err(self.unexpected("a type"));
            }
        };
        match word.as_str() {
            "ROW" => {
                let fields = self.in_parentheses(|parser| parser.list(Self::row_field))?;
                Ok(Type::Row(fields))
            }
            "ARRAY" => {
                let open = if self.is_symbol("<") { ("<", ">") } else { ("(", ")") };
                self.expect_symbol(open.0)?;
                let element = self.data_type()?;
                self.expect_symbol(open.1)?;
                Ok(Type::array(element))
            }
            "MAP" => {
                let open = if self.is_symbol("<") { ("<", ">") } else { ("(", ")") };
                self.expect_symbol(open.0)?;
                let key = self.data_type()?;
                self.expect_symbol(",")?;
                let value = self.data_type()?;
                self.expect_symbol(open.1)?;
                Ok(Type::map(key, value))
            }
            "DECIMAL" | "NUMERIC" | "DEC" => {
                let (mut precision, mut scale) = (38, 0);
                if self.accept_symbol("(") {
                    precision = self.integer()?;
                    if self.accept_symbol(",") {
                        scale = self.integer()?;
                    }
                    self.expect_symbol(")")?;
                }
                if precision == 0 || precision > 38 || scale > precision {
                    return Err(QueryError::Invalid(format!("{at}: decimal({precision}, {scale}) is not a type")));
                }
                let small = |number: u64| u8::try_from(number).unwrap_or(38);
                Ok(Type::Decimal(small(precision), small(scale)))
            }
            "TIMESTAMP" => {
                let digits = if self.is_symbol("(") { self.in_parentheses(Self::precision)? } else { 3 };
                if self.accept_all(&["WITH", "TIME", "ZONE"]) {
                    return Ok(Type::TimestampTz(digits, utc()));
                }
                self.accept_all(&["WITHOUT", "TIME", "ZONE"]);
                Ok(Type::Timestamp(digits))
            }
            "DOUBLE" => {
                self.accept("PRECISION");
                Ok(Type::Double)
            }
            "VARCHAR" if self.is_symbol("(") => {
                unsupported("varchar(n) inside another type", "use varchar without a length")
            }
            other => match simple_type(other) {
                Some(found) => found,
                None => Err(unknown_type(at, other)),
            },
        }
    }

    fn row_field(&mut self) -> Parsed<(Option<String>, Type)> {
        // A field is `type` or `name type`; a type of one word is followed by a comma or a parenthesis.
        let begin = self.next;
        if let Ok(data_type) = self.data_type()
            && (self.is_symbol(",") || self.is_symbol(")"))
        {
            return Ok((None, data_type));
        }
        self.next = begin;
        let name = self.name()?;
        Ok((Some(name.label()), self.data_type()?))
    }
}

/// A type of one word.
pub(super) fn simple_type(word: &str) -> Option<Parsed<Type>> {
    Some(Ok(match word {
        "BOOLEAN" => Type::Boolean,
        "TINYINT" => Type::Tinyint,
        "SMALLINT" => Type::Smallint,
        "INTEGER" | "INT" => Type::Integer,
        "BIGINT" => Type::Bigint,
        "REAL" => Type::Real,
        "DOUBLE" => Type::Double,
        "DECIMAL" => Type::Decimal(38, 0),
        "VARCHAR" => Type::Varchar,
        "VARBINARY" => Type::Varbinary,
        "DATE" => Type::Date,
        "JSON" => Type::Json,
        "IPADDRESS" => Type::IpAddress,
        "CHAR" | "TIME" | "UUID" | "HYPERLOGLOG" | "P4HYPERLOGLOG" | "QDIGEST" | "TDIGEST" | "SETDIGEST"
        | "INTERVAL" | "COLOR" | "GEOMETRY" | "IPPREFIX" | "JSON2016" => {
            let remedy = match word {
                "CHAR" => "use varchar",
                "TIME" => "use timestamp",
                "UUID" => "compare the text in lower case",
                _ => "run the statement on Athena",
            };
            return Some(unsupported(format!("type {}", word.to_lowercase()), remedy));
        }
        _ => return None,
    }))
}

pub(super) fn unknown_type(at: At, word: &str) -> QueryError {
    QueryError::Invalid(format!("{at}: there is no type {}", word.to_lowercase()))
}
