//! Checks a completed record against the rules of OCSF.

use super::{ConstraintRule, ObservableColumns, Required, ScopeRules, paths};
use crate::layout::{Layout, NodeId};
use crate::record::{Cell, Record, Scope};
use crate::schema::Constraint;
use crate::shape::Shape;

/// The first way in which a record breaks the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Breach {
    /// A required attribute has no value.
    #[error("required attribute `{path}` is missing")]
    Missing {
        /// The attribute's dotted path.
        path: String,
    },
    /// An object does not have the attributes that its constraint requires.
    #[error("`{path}` needs {demand} of {members}")]
    Constraint {
        /// The object's dotted path, or `the event`.
        path: String,
        /// `at least one` or `just one`.
        demand: &'static str,
        /// The attributes to choose from.
        members: String,
    },
    /// An id is not in its enumeration.
    #[error("`{path}` is {value}, which is not in its enumeration")]
    Enumeration {
        /// The attribute's dotted path.
        path: String,
        /// The value.
        value: i64,
    },
    /// The name of an observable is not the path of an attribute.
    #[error("`observables.name` is {name:?}, which is not the path of an attribute of {class}")]
    Observable {
        /// The name of the observable.
        name: String,
        /// The class.
        class: &'static str,
    },
}

impl Shape {
    /// Checks a completed record against the schema.
    ///
    /// Types, and that every attribute exists, hold by construction.
    ///
    /// # Errors
    /// The first [`Breach`] found.
    pub fn check(&self, record: &Record<'_>) -> Result<(), Breach> {
        self.check_scope(record, Scope::EVENT, &self.rules.scopes[0])?;
        match &self.rules.observables {
            Some(columns) if columns.writes_observables => self.check_observables(record, columns),
            _ => Ok(()),
        }
    }

    fn check_observables(&self, record: &Record<'_>, columns: &ObservableColumns) -> Result<(), Breach> {
        let Cell::List { start, len } = record.get(Scope::EVENT, columns.list) else { return Ok(()) };
        for index in 0..len {
            let element = record.element(self, columns.list, start, index);
            if let Some(breach) = self.observable_breach(record, columns.list, element) {
                return Err(breach);
            }
        }
        Ok(())
    }

    /// Checks the name in an element of the array of observables. Other arrays pass.
    pub(super) fn observable_breach(&self, record: &Record<'_>, list: NodeId, element: Scope) -> Option<Breach> {
        let columns = self.rules.observables.as_ref().filter(|columns| columns.list == list)?;
        match record.get(element, columns.name) {
            Cell::Text(name) if !self.schema().has_attribute(self.class(), name, record.profiles()) => {
                Some(Breach::Observable { name: name.to_owned(), class: self.class().name })
            }
            _ => None,
        }
    }

    fn check_scope(&self, record: &Record<'_>, scope: Scope, rules: &ScopeRules) -> Result<(), Breach> {
        let is_there = |owner: Option<NodeId>| owner.is_none_or(|owner| record.is_set(scope, owner));
        for (owner, required) in &rules.required {
            if !is_there(*owner) {
                continue;
            }
            for required in required {
                let missing = required.node.is_none_or(|node| !record.is_set(scope, node));
                if missing && (required.profiles.is_empty() || required.profiles.intersects(record.profiles())) {
                    return Err(missing_breach(self, rules, *owner, required));
                }
            }
        }
        for rule in &rules.constraints {
            if !is_there(rule.owner) {
                continue;
            }
            let set = rule.members.iter().filter(|member| record.is_set(scope, **member)).count();
            let holds = match rule.constraint {
                Constraint::AtLeastOne(_) => set >= 1,
                Constraint::JustOne(_) => set == 1,
            };
            if !holds {
                return Err(constraint_breach(self, rules, rule));
            }
        }
        for (node, enumeration) in &rules.enumerations {
            if record.is_set(scope, *node)
                && let Cell::Integer(value) = record.get(scope, *node)
                && enumeration.caption(value).is_none()
            {
                return Err(Breach::Enumeration { path: self.path(*node), value });
            }
        }
        for (list, inner) in &rules.lists {
            if let Cell::List { start, len } = record.get(scope, *list) {
                for index in 0..len {
                    let element = record.element(self, *list, start, index);
                    self.check_scope(record, element, &self.rules.scopes[*inner])?;
                }
            }
        }
        Ok(())
    }
}

pub(super) fn missing_breach(shape: &Layout, rules: &ScopeRules, owner: Option<NodeId>, required: &Required) -> Breach {
    let owner = shape.path(owner.unwrap_or(rules.root));
    let path = if owner.is_empty() { required.name.to_owned() } else { format!("{owner}.{}", required.name) };
    Breach::Missing { path }
}

pub(super) fn constraint_breach(shape: &Layout, rules: &ScopeRules, rule: &ConstraintRule) -> Breach {
    let owner = shape.path(rule.owner.unwrap_or(rules.root));
    let path = if owner.is_empty() { "the event".to_owned() } else { owner };
    let demand = match rule.constraint {
        Constraint::AtLeastOne(_) => "at least one",
        Constraint::JustOne(_) => "just one",
    };
    Breach::Constraint { path, demand, members: paths(rule.constraint).join(", ") }
}
