//! Columns that hold several fields: the `client` of a load balancer is an address and a port.

use bumpalo::Bump;
use regex::Regex;

use crate::node::{Node, NodeValue};

/// Which columns fall into fields, and how: `decode.split_columns` of a mapping.
///
/// A column whose text matches its pattern is replaced by the pattern's named groups, in their order; a group that took
/// no part in the match is left out. A column that does not match stays as it is, so nothing is lost.
///
/// ```
/// use sources::SplitColumns;
///
/// let pattern = r"^\[?(?<client_ip>[0-9A-Fa-f:.]+?)\]?:(?<client_port>[0-9]+)$";
/// let split_columns = SplitColumns::new([("client".to_owned(), pattern.to_owned())])?;
/// assert_eq!(split_columns.fields("client", "[2001:db8::5]:443"), [("client_ip", "2001:db8::5"), ("client_port", "443")]);
/// assert_eq!(split_columns.fields("client", "-"), []);
/// # Ok::<(), sources::SplitColumnsError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SplitColumns {
    columns: Vec<(String, Regex)>,
}

/// A pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitColumnsError {
    /// It is no regular expression.
    #[error("the pattern of the column `{column}` does not compile: {reason}")]
    Pattern {
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// It names no group, so the column would vanish.
    #[error("the pattern of the column `{column}` names no group: write (?<name>…)")]
    NoGroup {
        /// The column.
        column: String,
    },
}

impl SplitColumns {
    /// Columns and their patterns, in the syntax of the `regex` crate.
    ///
    /// # Errors
    /// [`SplitColumnsError`] for the first pattern that does not compile or names no group.
    pub fn new(columns: impl IntoIterator<Item = (String, String)>) -> Result<Self, SplitColumnsError> {
        let compile = |(column, pattern): (String, String)| {
            let regex = Regex::new(&pattern)
                .map_err(|error| SplitColumnsError::Pattern { column: column.clone(), reason: error.to_string() })?;
            if regex.capture_names().flatten().next().is_none() {
                return Err(SplitColumnsError::NoGroup { column });
            }
            Ok((column, regex))
        };
        Ok(Self { columns: columns.into_iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// The fields that a column with this text falls into; none if it has no pattern or does not match.
    #[must_use]
    pub fn fields<'p, 't>(&'p self, column: &str, text: &'t str) -> Vec<(&'p str, &'t str)> {
        let Some(pattern) = self.pattern(column) else { return Vec::new() };
        let Some(found) = pattern.captures(text) else { return Vec::new() };
        let groups = pattern.capture_names().zip(found.iter());
        groups.filter_map(|(name, group)| Some((name?, group?.as_str()))).collect()
    }

    /// Appends the fields of a column as members of the root; false if the column stays as it is.
    pub(crate) fn push<'a>(&self, column: &str, text: &'a str, nodes: &mut Vec<Node<'a>>, bump: &'a Bump) -> bool {
        let Some(pattern) = self.pattern(column) else { return false };
        let Some(found) = pattern.captures(text) else { return false };
        let before = nodes.len();
        for (name, group) in pattern.capture_names().zip(found.iter()) {
            if let (Some(name), Some(group)) = (name, group) {
                let (key, value) = (Some(&*bump.alloc_str(name)), NodeValue::String(group.as_str()));
                nodes.push(Node { key, value, end: nodes.len() as u32 + 1, parent: 0 });
            }
        }
        nodes.len() > before
    }

    fn pattern(&self, column: &str) -> Option<&Regex> {
        self.columns.iter().find(|(name, _)| name == column).map(|(_, pattern)| pattern)
    }
}
