//! Removes the invalid parts of a record that breaks the schema, so that the rest can be written.
//!
//! Only records that [`Shape::check`] has refused come here. Each pass completes a copy of the record, visits its
//! objects from the innermost outwards, and removes every optional part that is incomplete from the record. A removal
//! can make an outer object incomplete (by a constraint, a profile or an observable), which the next pass finds. So the
//! number of passes is limited by the nesting depth.

use std::ops::Range;

use super::check::{Breach, constraint_breach, missing_breach};
use super::{ConstraintRule, ScopeRules};
use crate::bits::Bits;
use crate::layout::{NodeId, NodeKind};
use crate::record::{Cell, CellId, Record, Scope};
use crate::schema::{Constraint, ProfileSet, Requirement};
use crate::shape::Shape;

/// Upper bound on passes: greater than any nesting depth plus the number of profiles.
const MOST_PASSES: usize = 100;

/// No omission took the cell.
const KEPT: u32 = u32::MAX;

/// A part that was left out of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Omission {
    /// Dotted path of the object, of the array whose element it was, or of the attribute.
    pub path: String,
    /// Why it was left out.
    pub breach: Breach,
}

/// The parts that [`Shape::leave_out`] removed from a record.
#[derive(Debug)]
pub struct LeftOut {
    omissions: Vec<Omission>,
    /// For each cell of the original record, the omission that removed it.
    taken_by: Vec<u32>,
}

impl LeftOut {
    /// The removed parts, inner before outer.
    pub fn omissions(&self) -> &[Omission] {
        &self.omissions
    }

    /// The index of the omission that removed the value of this cell; `None` if it is still in the record.
    pub fn omission_of(&self, cell: CellId) -> Option<usize> {
        self.taken_by.get(cell.index()).filter(|by| **by != KEPT).map(|by| *by as usize)
    }
}

impl Shape {
    /// Removes invalid optional objects, elements and attributes from a record until the completed record is valid.
    /// `from_event` names the cells whose values come from the raw event: an object that loses the last of them is
    /// removed too, because constants alone do not make an object.
    ///
    /// The record must not have been completed; complete it afterwards. Linear in the record's cells.
    ///
    /// # Errors
    /// The breach, if the event itself lacks something that it requires. `record` must then be discarded.
    pub fn leave_out<'a>(
        &'a self,
        record: &mut Record<'a>,
        from_event: impl IntoIterator<Item = CellId>,
    ) -> Result<LeftOut, Breach> {
        let cells = record.cell_count();
        let mut from = Bits::default();
        from.reset(cells);
        from_event.into_iter().for_each(|cell| from.insert(cell.index()));
        let mut pruning = Pruning {
            shape: self,
            record,
            from,
            set: Bits::default(),
            origin: (0..cells as u32).collect(),
            left_out: LeftOut { omissions: Vec::new(), taken_by: vec![KEPT; cells] },
            changed: false,
        };
        for _ in 0..MOST_PASSES {
            let mut completed = pruning.record.clone();
            self.complete(&mut completed);
            let Err(breach) = self.check(&completed) else { break };
            pruning.changed = false;
            pruning.pass(&completed)?;
            if !pruning.changed {
                return Err(breach);
            }
        }
        Ok(pruning.left_out)
    }
}

/// A breach, and the profiles under which it is one; no profiles if it always is.
struct Fault {
    breach: Breach,
    profiles: ProfileSet,
}

struct Pruning<'s, 'r, 'a> {
    shape: &'s Shape,
    record: &'r mut Record<'a>,
    /// The record's cells whose values come from the raw event.
    from: Bits,
    /// The cells of the completed copy that are set, without those that this pass has removed.
    set: Bits,
    /// The original position of each cell's value: elements move up when an earlier one is removed.
    origin: Vec<u32>,
    left_out: LeftOut,
    changed: bool,
}

/// The same element, or the event, in the completed copy and in the record.
#[derive(Clone, Copy)]
struct At {
    completed: Scope,
    here: Scope,
}

impl Pruning<'_, '_, '_> {
    fn pass(&mut self, completed: &Record<'_>) -> Result<(), Breach> {
        self.set = completed.set_cells().clone();
        let at = At { completed: Scope::EVENT, here: Scope::EVENT };
        match self.scope(completed, 0, at) {
            None => Ok(()),
            Some(Fault { breach, profiles }) if profiles.is_empty() => Err(self.cause(breach)),
            Some(Fault { breach, profiles }) => {
                self.turn_off(completed.profiles(), profiles, &breach);
                Ok(())
            }
        }
    }

    /// The first breach in the part that the event lacks.
    fn cause(&self, breach: Breach) -> Breach {
        let Breach::Missing { path } = &breach else { return breach };
        let inside = |omission: &&Omission| {
            omission.path.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        match self.left_out.omissions.iter().find(inside) {
            Some(first) => first.breach.clone(),
            None => breach,
        }
    }

    /// Prunes the contents of the event or of an element, and returns what is then wrong with it as a whole.
    fn scope(&mut self, completed: &Record<'_>, rules: usize, at: At) -> Option<Fault> {
        let shape = self.shape;
        let rules = &shape.rules.scopes[rules];
        for (list, inner) in &rules.lists {
            self.list(completed, *list, *inner, at);
        }
        for (node, enumeration) in &rules.enumerations {
            if self.is_set(at, *node)
                && let Cell::Integer(value) = completed.get(at.completed, *node)
                && enumeration.caption(value).is_none()
            {
                self.omit(at, *node, Breach::Enumeration { path: shape.path(*node), value });
            }
        }
        for (object, _) in rules.objects.iter().rev() {
            if !self.is_set(at, *object) {
                continue;
            }
            self.choose_one(rules, at, Some(*object));
            if let Some(Fault { breach, .. }) = self.fault(completed.profiles(), rules, at, Some(*object)) {
                self.omit(at, *object, breach);
                self.unset(at, *object);
            }
        }
        self.choose_one(rules, at, None);
        self.fault(completed.profiles(), rules, at, None)
    }

    fn list(&mut self, completed: &Record<'_>, list: NodeId, inner: usize, at: At) {
        let shape = self.shape;
        // What completing has added is not in the record, and not wrong.
        let Cell::List { start, len } = self.record.get(at.here, list) else { return };
        let Cell::List { start: completed_start, .. } = completed.get(at.completed, list) else { return };
        let width = shape.element_width(list);
        let mut kept = 0;
        for index in 0..len {
            let element = At {
                completed: completed.element(shape, list, completed_start, index),
                here: self.record.element(shape, list, start, index),
            };
            let first = start as usize + index as usize * width;
            let cells = first..first + width;
            let was_from_event = self.from.any(cells.clone());
            let fault = self.scope(completed, inner, element).map(|fault| fault.breach);
            let fault = fault.or_else(|| shape.observable_breach(completed, list, element.completed));
            if let Some(breach) = fault {
                let omission = self.note(shape.path(list), breach);
                self.take(element.here, list.0 + 1..shape.node(list).end, omission);
            } else if was_from_event && !self.from.any(cells.clone()) {
                self.record.clear_cells(cells);
                self.changed = true;
            } else {
                if kept < index {
                    self.move_cells(cells, start as usize + kept as usize * width);
                }
                kept += 1;
            }
        }
        if kept < len {
            self.record.close_list(at.here, list, start, kept);
        }
        if kept == 0 {
            self.from.remove(at.here.cell(list));
            self.set.remove(at.completed.cell(list));
            self.drop_constants_around(at.here, list);
        }
    }

    /// Keeps only the first of several mutually exclusive attributes.
    fn choose_one(&mut self, rules: &ScopeRules, at: At, owner: Option<NodeId>) {
        for rule in rules.constraints.iter().filter(|rule| rule.owner == owner) {
            if !matches!(rule.constraint, Constraint::JustOne(_)) {
                continue;
            }
            let set: Vec<NodeId> = rule.members.iter().copied().filter(|member| self.is_set(at, *member)).collect();
            for member in set.into_iter().skip(1) {
                self.omit(at, member, constraint_breach(self.shape, rules, rule));
                self.unset(at, member);
            }
        }
    }

    /// Returns what is wrong with an object, or with the scope itself. Breaches that do not depend on profiles come
    /// first.
    fn fault(&self, on: ProfileSet, rules: &ScopeRules, at: At, owner: Option<NodeId>) -> Option<Fault> {
        let mut of_profile = None;
        let required = rules.required.iter().filter(|(object, _)| *object == owner).flat_map(|(_, required)| required);
        for required in required.filter(|required| required.node.is_none_or(|node| !self.is_set(at, node))) {
            let breach = || missing_breach(self.shape, rules, owner, required);
            if required.profiles.is_empty() {
                return Some(Fault { breach: breach(), profiles: ProfileSet::EMPTY });
            }
            if of_profile.is_none() && required.profiles.intersects(on) {
                of_profile = Some(Fault { breach: breach(), profiles: required.profiles });
            }
        }
        let holds = |rule: &&ConstraintRule| {
            let set = rule.members.iter().filter(|member| self.is_set(at, **member)).count();
            match rule.constraint {
                Constraint::AtLeastOne(_) => set >= 1,
                Constraint::JustOne(_) => set == 1,
            }
        };
        let broken = rules.constraints.iter().filter(|rule| rule.owner == owner).find(|rule| !holds(rule));
        match broken {
            Some(rule) => {
                Some(Fault { breach: constraint_breach(self.shape, rules, rule), profiles: ProfileSet::EMPTY })
            }
            None => of_profile,
        }
    }

    /// Turns off profiles whose required attributes are missing, and removes the attributes that only they allow.
    fn turn_off(&mut self, on: ProfileSet, off: ProfileSet, breach: &Breach) {
        let off = on.intersection(off);
        self.changed |= self.record.profiles().intersects(off);
        self.record.turn_off(off);
        self.drop_gated(Scope::EVENT, 0, on.difference(off), breach);
    }

    fn drop_gated(&mut self, here: Scope, rules: usize, on: ProfileSet, breach: &Breach) {
        let shape = self.shape;
        let rules = &shape.rules.scopes[rules];
        for (node, profiles) in &rules.gated {
            if !profiles.intersects(on) {
                self.omit(At { completed: here, here }, *node, breach.clone());
            }
        }
        for (list, inner) in &rules.lists {
            if let Cell::List { start, len } = self.record.get(here, *list) {
                for index in 0..len {
                    let element = self.record.element(shape, *list, start, index);
                    self.drop_gated(element, *inner, on, breach);
                }
            }
        }
    }

    fn is_set(&self, at: At, node: NodeId) -> bool {
        self.set.contains(at.completed.cell(node))
    }

    fn unset(&mut self, at: At, node: NodeId) {
        self.set.remove_range(at.completed.cells(node.0..self.shape.node(node).end));
    }

    fn note(&mut self, path: String, breach: Breach) -> u32 {
        self.changed = true;
        self.left_out.omissions.push(Omission { path, breach });
        self.left_out.omissions.len() as u32 - 1
    }

    /// Removes an object or attribute from the record.
    fn omit(&mut self, at: At, node: NodeId, breach: Breach) {
        let nodes = node.0..self.shape.node(node).end;
        let cells = at.here.cells(nodes.clone());
        if !self.record.set_cells().any(cells.clone()) {
            return;
        }
        let was_from_event = self.from.any(cells);
        let omission = self.note(self.shape.path(node), breach);
        self.take(at.here, nodes, omission);
        if was_from_event {
            self.drop_constants_around(at.here, node);
        }
    }

    /// Removes the values of some nodes from the record, including those in elements of arrays.
    fn take(&mut self, here: Scope, nodes: Range<u32>, omission: u32) {
        let shape = self.shape;
        for node in nodes.clone().map(NodeId) {
            let cell = here.cell(node);
            // What an inner omission has taken stays with it.
            let taken_by = &mut self.left_out.taken_by[self.origin[cell] as usize];
            if *taken_by == KEPT {
                *taken_by = omission;
            }
            if shape.node(node).kind == NodeKind::ObjectList
                && let Cell::List { start, len } = self.record.get(here, node)
            {
                for index in 0..len {
                    let element = self.record.element(shape, node, start, index);
                    self.take(element, node.0 + 1..shape.node(node).end, omission);
                }
            }
        }
        let cells = here.cells(nodes);
        self.record.clear_cells(cells.clone());
        self.from.remove_range(cells);
    }

    /// Clears the optional objects around a node that have no values of the raw event left.
    fn drop_constants_around(&mut self, here: Scope, node: NodeId) {
        let shape = self.shape;
        let mut object = shape.node(node).parent;
        while shape.node(object).kind == NodeKind::Object && object != NodeId::ROOT {
            let is_required =
                shape.node(object).attribute.is_some_and(|attribute| attribute.requirement == Requirement::Required);
            let cells = here.cells(object.0..shape.node(object).end);
            if is_required || self.from.any(cells.clone()) {
                return;
            }
            self.record.clear_cells(cells);
            object = shape.node(object).parent;
        }
    }

    fn move_cells(&mut self, cells: Range<usize>, to: usize) {
        self.record.move_cells(cells.clone(), to);
        for (offset, cell) in cells.enumerate() {
            self.origin[to + offset] = self.origin[cell];
            if self.from.contains(cell) {
                self.from.insert(to + offset);
            } else {
                self.from.remove(to + offset);
            }
            self.from.remove(cell);
        }
    }
}
