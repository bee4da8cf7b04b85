//! Which columns and common tables a name can mean.

use datafusion::common::Column;
use query::QueryError;

use crate::error::{did_you_mean, invalid};
use crate::syntax::ast::{At, CommonTable, Expression, Kind, Name, same_name};
use crate::types::Type;

/// A column that a clause can name.
#[derive(Debug, Clone)]
pub(crate) struct ScopeField {
    /// The relation that qualifies it: a table with its database, or an alias.
    pub(crate) relation: Option<RelationName>,
    pub(crate) name: Option<String>,
    pub(crate) column: Column,
    pub(crate) ty: Type,
}

#[derive(Debug, Clone)]
pub(crate) struct RelationName {
    pub(crate) database: Option<String>,
    pub(crate) name: String,
}

impl RelationName {
    /// Whether `qualifier`, as `t` or `db.t`, means this relation.
    pub(crate) fn is(&self, qualifier: &[Name]) -> bool {
        match qualifier {
            [name] => name.is(&self.name),
            [database, name] => name.is(&self.name) && self.database.as_ref().is_some_and(|known| database.is(known)),
            _ => false,
        }
    }
}

/// The columns of a clause, and of the query around it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope<'p> {
    pub(crate) fields: Vec<ScopeField>,
    pub(crate) parent: Option<&'p Scope<'p>>,
}

impl<'p> Scope<'p> {
    /// The column that `names`, as `column` or `relation.column`, means, and how many queries further out it is.
    pub(crate) fn find(&self, at: At, names: &[Name]) -> Result<Option<(&ScopeField, usize)>, QueryError> {
        let Some((column, qualifier)) = names.split_last() else { return Ok(None) };
        let mut scope = Some(self);
        let mut depth = 0;
        while let Some(here) = scope {
            let mut found = here.fields.iter().filter(|field| {
                field.name.as_ref().is_some_and(|name| column.is(name))
                    && (qualifier.is_empty() || field.relation.as_ref().is_some_and(|known| known.is(qualifier)))
            });
            if let Some(field) = found.next() {
                if found.next().is_some() {
                    return invalid(at, format_args!("Column '{}' is ambiguous", spelled(names)));
                }
                return Ok(Some((field, depth)));
            }
            scope = here.parent;
            depth += 1;
        }
        Ok(None)
    }

    pub(crate) fn unknown(&self, at: At, name: &str) -> QueryError {
        let mut names: Vec<&str> = Vec::new();
        let mut scope = Some(self);
        while let Some(here) = scope {
            names.extend(here.fields.iter().filter_map(|field| field.name.as_deref()));
            scope = here.parent;
        }
        let hint = did_you_mean(name, names.into_iter());
        QueryError::Invalid(format!("{at}: Column '{name}' cannot be resolved{hint}"))
    }

    /// Gives all fields the name of a relation.
    pub(crate) fn named(mut self, relation: &str) -> Self {
        for field in &mut self.fields {
            field.relation = Some(RelationName { database: None, name: relation.to_owned() });
        }
        self
    }

    /// The fields of `qualifier.*`.
    pub(crate) fn of_relation(&self, qualifier: &[Name]) -> Vec<&ScopeField> {
        self.fields.iter().filter(|field| field.relation.as_ref().is_some_and(|known| known.is(qualifier))).collect()
    }
}

pub(crate) fn spelled(names: &[Name]) -> String {
    names.iter().map(|name| name.text.as_str()).collect::<Vec<_>>().join(".")
}

/// The position of a row's field.
pub(crate) fn field_position(fields: &[(Option<String>, Type)], name: &str) -> Option<usize> {
    fields.iter().position(|(known, _)| known.as_ref().is_some_and(|known| same_name(known, name)))
}

/// The common tables that a query can name, innermost last.
#[derive(Clone, Copy, Default)]
pub(crate) struct CommonTables<'a> {
    pub(crate) tables: &'a [CommonTable],
    /// How many of them stand before the place in question.
    pub(crate) visible: usize,
    pub(crate) outer: Option<&'a CommonTables<'a>>,
}

/// `a`, `a.b` or `a.b.c` as names.
pub(crate) fn qualified(expression: &Expression) -> Option<Vec<Name>> {
    match &expression.kind {
        Kind::Identifier(name) => Some(vec![name.clone()]),
        Kind::Field(base, name) => {
            let mut names = qualified(base)?;
            names.push(name.clone());
            Some(names)
        }
        _ => None,
    }
}
