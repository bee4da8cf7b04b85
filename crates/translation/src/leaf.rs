//! `[…]` as a condition on the rows of one table.
//!
//! A property of a pattern is looked for in every column that may hold it: one that satisfies the comparison is enough.
//! Under AND, comparisons of the same object type that go through the same array of objects must hold of the same element.

mod alternatives;
mod columns;
mod reader;
mod spread;
mod tree;

use sql::table::Table;
use sql::text::Sql;
use stix::pattern::{Comparison, ComparisonKind, ObjectPath, Span};

use crate::diagnostic::Diagnostic;
use crate::map::{DialectMap, Object};
use crate::{AndScope, Observables, Options};
use alternatives::Asked;
use columns::{Found, merge_families, property};
use reader::Reader;
use spread::spread;
use tree::{Alternative, Tree, names};

/// What a leaf is of a table.
pub(crate) struct LeafCondition {
    /// `None`: no row of the table can satisfy it.
    pub(crate) condition: Option<Sql>,
    /// What is left out of it, or why there is none.
    pub(crate) warnings: Vec<Diagnostic>,
    /// The columns that it reads, with the names below them as far as they lead without going into a list.
    pub(crate) reads: Vec<Vec<String>>,
}

/// The condition of a leaf on a table.
pub(crate) fn condition(
    comparison: &Comparison,
    table: &Table,
    map: &DialectMap,
    options: &Options,
) -> Result<LeafCondition, Diagnostic> {
    let mut reader = Reader { table, map, options, warnings: Vec::new(), reads: Vec::new() };
    let tree = reader.tree(comparison)?;
    let condition = match options.and_scope {
        AndScope::Row => spread(&tree, comparison)?,
        AndScope::Object => {
            let mut instances = Vec::new();
            tree.instances(&mut instances);
            let mut conditions = Vec::new();
            for instance in instances {
                conditions.extend(spread(&tree.restricted(&instance), comparison)?);
            }
            conditions.dedup();
            if conditions.is_empty() && reader.warnings.is_empty() {
                let message = "no object satisfies comparisons of different types at once";
                let help = "compare properties of one type, or let AND mean the same row";
                reader.warnings.push(Diagnostic::warning(
                    Some(comparison.span.clone()),
                    message,
                    Some(help.to_owned()),
                ));
            }
            (!conditions.is_empty()).then(|| Sql::or(conditions))
        }
    };
    Ok(LeafCondition { condition, warnings: reader.warnings, reads: reader.reads })
}

impl Reader<'_> {
    fn tree(&mut self, comparison: &Comparison) -> Result<Tree, Diagnostic> {
        Ok(match &comparison.kind {
            ComparisonKind::And(left, right) => Tree::And(Box::new(self.tree(left)?), Box::new(self.tree(right)?)),
            ComparisonKind::Or(left, right) => Tree::Or(Box::new(self.tree(left)?), Box::new(self.tree(right)?)),
            ComparisonKind::Test { path, negated, operator } => {
                let asked = Asked::Compare(operator, *negated);
                Tree::Test(self.test(path, &comparison.span, &asked)?)
            }
            ComparisonKind::Exists { path, negated } => {
                Tree::Test(self.test(path, &comparison.span, &Asked::Exists(*negated))?)
            }
        })
    }

    fn test(&mut self, path: &ObjectPath, span: &Span, asked: &Asked<'_>) -> Result<Vec<Alternative>, Diagnostic> {
        let (property, indices) = property(path)?;
        let name = format!("{}:{property}", path.object_type);
        let mut found: Vec<Found> = Vec::new();
        let object = self.map.object(&path.object_type);
        if object.is_some_and(Object::is_passthrough) {
            if let Some(access) = self.passthrough(path) {
                found.push(access);
            }
        } else {
            let mut candidates = Vec::new();
            self.candidates(&path.object_type, None, &property, &mut candidates, 0);
            if candidates.is_empty() {
                return Ok(self.unknown(path, &name));
            }
            for candidate in candidates {
                if let Some(access) = self.access(&candidate, &indices, path)?
                    && !found.iter().any(|other| other.path == access.path && other.typed == access.typed)
                {
                    found.push(access);
                }
            }
            merge_families(&mut found);
            if found.is_empty() && self.options.observables == Observables::WhenUnmapped {
                found.extend(self.observable(path, &property));
            }
        }
        if found.is_empty() {
            let table = &self.table.name;
            let message = format!("{table} has no column for {name}: no row of it can satisfy this");
            self.warnings.push(Diagnostic::warning(Some(span.clone()), message, None));
            return Ok(Vec::new());
        }
        self.reads.extend(found.iter().map(|found| names(&found.hops)));
        self.alternatives(found, span, asked, &name)
    }

    /// The path is in no place of the map.
    fn unknown(&mut self, path: &ObjectPath, name: &str) -> Vec<Alternative> {
        let dialect = self.map.dialect();
        let help = self.map.suggestion(name).map(|known| format!("is {known} meant?"));
        let table = &self.table.name;
        let message = format!("the dialect {dialect} has nothing for {name}: no row of {table} can satisfy this");
        self.warnings.push(Diagnostic::warning(Some(path.span.clone()), message, help));
        Vec::new()
    }
}
