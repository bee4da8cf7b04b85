//! Completes a record with the attributes that OCSF derives from those that a mapping has set.

use super::{Observable, ObservableColumns, ScopeRules, Sibling};
use crate::layout::NodeId;
use crate::record::{Cell, Record, Scope};
use crate::schema::{Enumeration, ProfileSet};
use crate::shape::Shape;

/// The observables that the mapping itself wrote, at the start of the list.
#[derive(Debug, Clone, Copy)]
struct Written {
    start: u32,
    len: u32,
}

impl Shape {
    /// Fills in the derived attributes: classification, enum siblings, `*_dt` twins, unknown ids, profiles,
    /// observables.
    pub fn complete<'a>(&'a self, record: &mut Record<'a>) {
        let rules = &self.rules;
        let event = Scope::EVENT;
        for (node, cell) in &rules.constants {
            record.set(event, *node, *cell);
        }
        if let Some(version) = rules.version {
            record.set(event, version, Cell::Text(self.schema().version().as_str()));
        }
        if let Some(rule) = &rules.extension {
            let start = record.open_list(self, rule.list, 1);
            let element = record.element(self, rule.list, start, 0);
            for (node, text) in &rule.cells {
                record.set(element, *node, Cell::Text(text));
            }
            record.close_list(event, rule.list, start, 1);
        }
        self.find_present(record, event, &rules.scopes[0]);
        self.derive_scope(record, event, 0);
        if let Some(profiles) = rules.profiles {
            let on = record.profiles();
            let names = self.schema().profiles().iter().filter(|profile| on.contains(profile.id));
            record.set_scalars(event, profiles, names.map(|profile| Cell::Text(profile.name)));
        }
        self.collect_observables(record);
        record.settle_unmapped();
    }

    /// Marks objects that have content, at every depth, and turns on the profiles of the attributes that are set.
    fn find_present(&self, record: &mut Record<'_>, scope: Scope, rules: &ScopeRules) {
        for (object, below) in &rules.objects {
            if record.any_set(scope, below.clone()) {
                record.set(scope, *object, Cell::Present);
            }
        }
        for (node, profiles) in &rules.gated {
            if record.is_set(scope, *node) && !record.profiles().intersects(*profiles) {
                record.turn_on(profiles.iter().take(1).collect());
            }
        }
        for (list, inner) in &rules.lists {
            if let Cell::List { start, len } = record.get(scope, *list) {
                for index in 0..len {
                    let element = record.element(self, *list, start, index);
                    self.find_present(record, element, &self.rules.scopes[*inner]);
                }
            }
        }
    }

    fn derive_scope<'a>(&'a self, record: &mut Record<'a>, scope: Scope, rules_index: usize) {
        let rules = &self.rules.scopes[rules_index];
        for sibling in &rules.siblings {
            if !record.is_set(scope, sibling.id)
                && record.is_set(scope, sibling.text)
                && let Cell::Text(text) = record.get(scope, sibling.text)
                && let Some(id) = sibling
                    .enumeration
                    .value(text)
                    .or(sibling.enumeration.caption(Enumeration::OTHER).map(|_| Enumeration::OTHER))
            {
                record.set(scope, sibling.id, Cell::Integer(id));
            }
        }
        for unknown in &rules.unknowns {
            let owner_is_there = unknown.owner.is_none_or(|owner| record.is_set(scope, owner));
            let applies = unknown.profiles.is_empty() || unknown.profiles.intersects(record.profiles());
            if owner_is_there && applies && !record.is_set(scope, unknown.id) {
                record.set(scope, unknown.id, Cell::Integer(0));
            }
        }
        if let (0, Some((activity, type_uid, base))) = (rules_index, self.rules.activity)
            && let Cell::Integer(activity) = record.get(scope, activity)
        {
            record.set(scope, type_uid, Cell::Integer(base + activity));
        }
        for sibling in &rules.siblings {
            if !record.is_set(scope, sibling.id) {
                continue;
            }
            let Cell::Integer(id) = record.get(scope, sibling.id) else {
                continue;
            };
            if id == Enumeration::OTHER && record.is_set(scope, sibling.text) {
                continue;
            }
            if let Some(caption) = sibling.enumeration.caption(id) {
                record.set(scope, sibling.text, Cell::Text(caption));
            }
        }
        for sibling in &rules.list_siblings {
            if record.is_set(scope, sibling.id) && record.is_set(scope, sibling.text) {
                self.caption_list(record, scope, sibling);
            }
        }
        for (instant, twin) in &rules.twins {
            let twin_profiles =
                self.node(*twin).attribute.map_or(ProfileSet::default(), |attribute| attribute.profiles);
            if twin_profiles.intersects(record.profiles()) {
                record.set(scope, *twin, record.get(scope, *instant));
            }
        }
        for (list, inner) in &rules.lists {
            if let Cell::List { start, len } = record.get(scope, *list) {
                for index in 0..len {
                    let element = record.element(self, *list, start, index);
                    self.derive_scope(record, element, *inner);
                }
            }
        }
    }

    /// Fills an array of texts with the captions of its ids. The text of an id 99 (Other) is kept.
    #[cold]
    fn caption_list<'a>(&'a self, record: &mut Record<'a>, scope: Scope, sibling: &Sibling) {
        let Cell::List { start, len } = record.get(scope, sibling.id) else { return };
        let Cell::List { start: text_start, len: text_len } = record.get(scope, sibling.text) else { return };
        let captions = (0..len.max(text_len)).map(|index| {
            let text = if index < text_len { record.scalar(text_start + index) } else { Cell::Null };
            let id = if index < len { record.scalar(start + index) } else { Cell::Null };
            match id {
                Cell::Integer(Enumeration::OTHER) if !text.is_null() => text,
                Cell::Integer(id) => sibling.enumeration.caption(id).map_or(text, Cell::Text),
                _ => text,
            }
        });
        let captions: Vec<_> = captions.filter(|text| !text.is_null()).collect();
        record.set_scalars(scope, sibling.text, captions);
    }

    fn collect_observables<'a>(&'a self, record: &mut Record<'a>) {
        let Some(columns) = &self.rules.observables else {
            return;
        };
        let of_mapping = record.get(Scope::EVENT, columns.list);
        let start = record.open_list(self, columns.list, 0);
        let mut written = Written { start, len: 0 };
        if let Cell::List { start, len } = of_mapping {
            record.copy_elements(self.element_width(columns.list), start, len);
            written.len = len;
        }
        let found = self.find_observables(record, Scope::EVENT, &self.rules.scopes[0], columns, written);
        record.close_list(Scope::EVENT, columns.list, start, written.len + found);
    }

    /// Whether a mapping has written this observable itself.
    fn is_written(
        &self,
        record: &Record<'_>,
        columns: &ObservableColumns,
        written: Written,
        cells: &[Cell<'_>; 3],
    ) -> bool {
        (0..written.len).any(|index| {
            let element = record.element(self, columns.list, written.start, index);
            [columns.name, columns.type_id, columns.value].map(|node| record.get(element, node)) == *cells
        })
    }

    /// Adds the observables of a scope to the array opened last, except those that the array already starts with.
    /// Returns their number.
    fn find_observables<'a>(
        &'a self,
        record: &mut Record<'a>,
        scope: Scope,
        rules: &'a ScopeRules,
        columns: &ObservableColumns,
        written: Written,
    ) -> u32 {
        let mut found = 0;
        let width = self.element_width(columns.list);
        let offset = |node: NodeId| node.0 - columns.list.0 - 1;
        let mut add = |record: &mut Record<'a>, observable: &'a Observable, value| {
            let facts = [Cell::Text(&observable.reference), Cell::Integer(observable.type_id), value];
            if self.is_written(record, columns, written, &facts) {
                return;
            }
            let cells = [
                (offset(columns.name), Cell::Text(&observable.reference)),
                (offset(columns.caption), Cell::Text(observable.caption)),
                (offset(columns.type_id), Cell::Integer(observable.type_id)),
                (offset(columns.value), value),
            ];
            record.push_element(width, cells);
            found += 1;
        };
        for observable in &rules.observables {
            if !record.is_set(scope, observable.node) {
                continue;
            }
            match record.get(scope, observable.node) {
                Cell::Text("") => {}
                Cell::List { start, len } => {
                    for index in 0..len {
                        let value = record.scalar(start + index);
                        add(record, observable, value);
                    }
                }
                value => add(record, observable, value),
            }
        }
        for (list, inner) in rules.lists.iter().filter(|(list, _)| *list != columns.list) {
            if let Cell::List { start, len } = record.get(scope, *list) {
                for index in 0..len {
                    let element = record.element(self, *list, start, index);
                    found += self.find_observables(record, element, &self.rules.scopes[*inner], columns, written);
                }
            }
        }
        found
    }
}
