//! SQL text that is safe to run, since values and names come into it quoted only.

use std::fmt;

/// A piece of SQL: an expression, a clause or a whole statement.
///
/// It is made of texts in Sluice's source ([`Sql::code`]), of quoted values and names, and of the text of a rule, which its
/// author is answerable for ([`Sql::of_author`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sql(String);

impl Sql {
    /// SQL that stands in Sluice's source.
    pub fn code(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// SQL that a person wrote as SQL: a rule's or a query's text. Never anything made of data.
    pub fn of_author(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
