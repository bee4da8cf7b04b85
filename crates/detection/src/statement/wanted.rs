//! Which columns of a logical table a query can name. A union selects only these, so that its SQL stays short.

use crate::template::tokens::{Token, tokens};
use crate::template::{Piece, Template};

/// The columns that a SQL text can name.
pub(crate) enum Wanted {
    All,
    /// Columns with one of these names, in lower case and sorted.
    Words(Vec<String>),
}

impl Wanted {
    pub(crate) fn of(text: &str, template: &Template) -> Self {
        let outside: String = template
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(range) => text.get(range.clone()),
                _ => None,
            })
            .collect::<Vec<_>>()
            .join(" ");
        Self::of_text(&outside)
    }

    /// For SQL without templates.
    pub(crate) fn of_text(outside: &str) -> Self {
        // `count(*)` reads no column; `SELECT *` and `e.*` read all.
        let tokens = tokens(outside);
        let reads_all = tokens.windows(2).any(|pair| {
            let [(before, _), (_, place)] = pair else { return false };
            let names_columns = match before {
                Token::Word(word) => matches!(word.as_str(), "select" | "distinct" | "all"),
                token => matches!(token, Token::Comma | Token::Dot),
            };
            names_columns && &outside[place.clone()] == "*"
        });
        if reads_all {
            return Self::All;
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let lower = outside.to_ascii_lowercase();
        let mut words: Vec<String> =
            lower.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        Self::Words(words)
    }

    /// Adds columns, by their names in lower case.
    pub(crate) fn and(self, more: impl IntoIterator<Item = String>) -> Self {
        match self {
            Self::All => Self::All,
            Self::Words(mut words) => {
                words.extend(more);
                words.sort_unstable();
                words.dedup();
                Self::Words(words)
            }
        }
    }

    /// Whether it has a column. Every union has `time` and `class_uid`.
    pub(super) fn has(&self, column: &str) -> bool {
        const ALWAYS: [&str; 2] = ["time", "class_uid"];
        match self {
            Self::All => true,
            Self::Words(words) => {
                let column = column.to_ascii_lowercase();
                ALWAYS.contains(&column.as_str()) || words.binary_search(&column).is_ok()
            }
        }
    }
}
