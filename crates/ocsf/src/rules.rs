//! What OCSF derives from a record, and what it demands of it, compiled for one shape.
//!
//! The facts are those that [`crate::validate_event`] checks on JSON; here they are resolved to node numbers when the
//! shape is built, so that completing and checking an event costs a few hundred nanoseconds. A test holds the two against
//! each other. Rules are grouped by scope: the event, and each array of objects.

mod leave_out;

use std::ops::Range;

pub use leave_out::{LeftOut, Omission};

use crate::record::{Cell, Record, Scope};
use crate::schema::{
    Attribute, AttributeKind, Constraint, Enumeration, Primitive, ProfileSet, Requirement, ScalarType,
};
use crate::shape::{NodeId, NodeKind, Shape, unknown_id};

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
    /// An object lacks the attributes that its constraint asks for.
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
    /// An observable is of no attribute.
    #[error("`observables.name` is {name:?}, which is not the path of an attribute of {class}")]
    Observable {
        /// What it names.
        name: String,
        /// The class.
        class: &'static str,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Rules {
    scopes: Vec<ScopeRules>,
    constants: Vec<(NodeId, Cell<'static>)>,
    version: Option<NodeId>,
    profiles: Option<NodeId>,
    extension: Option<ExtensionRule>,
    activity: Option<(NodeId, NodeId, i64)>,
    observables: Option<ObservableColumns>,
}

/// Rules of the event (the first scope) or of the elements of an array of objects.
#[derive(Debug)]
struct ScopeRules {
    /// The event, or the array whose elements the rules are about.
    root: NodeId,
    /// The objects, each with the range of nodes below it.
    objects: Vec<(NodeId, Range<u32>)>,
    siblings: Vec<Sibling>,
    /// Arrays of ids with an array of captions beside each.
    list_siblings: Vec<Sibling>,
    unknowns: Vec<Unknown>,
    twins: Vec<(NodeId, NodeId)>,
    gated: Vec<(NodeId, ProfileSet)>,
    /// What each object requires.
    required: Vec<(Option<NodeId>, Vec<Required>)>,
    constraints: Vec<ConstraintRule>,
    enumerations: Vec<(NodeId, &'static Enumeration)>,
    observables: Vec<Observable>,
    lists: Vec<(NodeId, usize)>,
}

impl ScopeRules {
    fn new(root: NodeId) -> Self {
        Self {
            root,
            objects: Vec::new(),
            siblings: Vec::new(),
            list_siblings: Vec::new(),
            unknowns: Vec::new(),
            twins: Vec::new(),
            gated: Vec::new(),
            required: Vec::new(),
            constraints: Vec::new(),
            enumerations: Vec::new(),
            observables: Vec::new(),
            lists: Vec::new(),
        }
    }
}

#[derive(Debug)]
struct Sibling {
    id: NodeId,
    text: NodeId,
    enumeration: &'static Enumeration,
}

/// A required id that is 0 (Unknown) where its object is there and nobody set it.
#[derive(Debug)]
struct Unknown {
    owner: Option<NodeId>,
    id: NodeId,
    profiles: ProfileSet,
}

#[derive(Debug)]
struct Required {
    /// The attribute's node; none where no mapping can set it.
    node: Option<NodeId>,
    name: &'static str,
    profiles: ProfileSet,
}

#[derive(Debug)]
struct ConstraintRule {
    owner: Option<NodeId>,
    members: Vec<NodeId>,
    constraint: &'static Constraint,
}

#[derive(Debug)]
struct Observable {
    node: NodeId,
    reference: String,
    type_id: i64,
    caption: &'static str,
}

#[derive(Debug)]
struct ObservableColumns {
    list: NodeId,
    name: NodeId,
    caption: NodeId,
    type_id: NodeId,
    value: NodeId,
    /// Whether a mapping writes some, so that they have to be checked.
    writes_observables: bool,
}

/// The observables that a mapping has written, at the beginning of the list.
#[derive(Debug, Clone, Copy)]
struct Written {
    start: u32,
    len: u32,
}

#[derive(Debug)]
struct ExtensionRule {
    list: NodeId,
    cells: Vec<(NodeId, String)>,
}

/// `writes_observables` says whether a mapping has observables of its own.
pub(crate) fn compile_rules(shape: &Shape, writes_observables: bool) -> Rules {
    let class = shape.class();
    let mut rules = Rules::default();
    compile_scope(shape, NodeId::ROOT, &mut rules.scopes);
    for (name, value) in [("class_uid", class.uid), ("category_uid", class.category_uid)] {
        if let Some(node) = shape.find(name) {
            rules.constants.push((node, Cell::Integer(i64::from(value))));
        }
    }
    rules.version = shape.find("metadata.version");
    rules.profiles = shape.find("metadata.profiles");
    if let (Some(activity), Some(type_uid)) = (shape.find("activity_id"), shape.find("type_uid")) {
        rules.activity = Some((activity, type_uid, i64::from(class.uid) * 100));
    }
    if let (Some(list), Some(name)) = (shape.find("metadata.extensions"), class.extension)
        && let Some(extension) = shape.schema().extensions().iter().find(|extension| extension.name == name)
    {
        let cells = [
            ("name", extension.name.to_owned()),
            ("uid", extension.uid.to_string()),
            ("version", extension.version.to_owned()),
        ];
        let cells = cells.into_iter().filter_map(|(name, value)| Some((shape.child(list, name)?, value))).collect();
        rules.extension = Some(ExtensionRule { list, cells });
    }
    if let Some(list) = shape.find("observables") {
        let child = |name| shape.child(list, name);
        if let (Some(name), Some(caption), Some(type_id), Some(value)) =
            (child("name"), child("type"), child("type_id"), child("value"))
        {
            rules.observables = Some(ObservableColumns { list, name, caption, type_id, value, writes_observables });
            // They are made here, from what was completed and checked, unless a mapping writes some of its own.
            if !writes_observables {
                rules.scopes[0].lists.retain(|(other, _)| *other != list);
            }
        }
    }
    rules
}

fn compile_scope(shape: &Shape, root: NodeId, scopes: &mut Vec<ScopeRules>) -> usize {
    let at = scopes.len();
    scopes.push(ScopeRules::new(root));
    let mut rules = ScopeRules::new(root);
    compile_object(shape, root, root, &mut rules, scopes);
    scopes[at] = rules;
    at
}

/// The attributes and constraints of the object that a node holds.
fn facts(shape: &Shape, node: NodeId) -> (&'static [Attribute], &'static [Constraint]) {
    match shape.node(node).attribute.map(|attribute| attribute.kind) {
        None => (&shape.class().attributes, &shape.class().constraints),
        Some(AttributeKind::Object(object)) => {
            let object = shape.schema().object_by_id(object);
            (&object.attributes, &object.constraints)
        }
        Some(AttributeKind::Scalar(_)) => (&[], &[]),
    }
}

fn compile_object(shape: &Shape, object: NodeId, root: NodeId, rules: &mut ScopeRules, scopes: &mut Vec<ScopeRules>) {
    let owner = (object != root).then_some(object);
    let (attributes, constraints) = facts(shape, object);
    let mut required = Vec::new();
    for attribute in attributes {
        let possible = attribute.profiles.is_empty() || attribute.profiles.intersects(shape.profiles());
        if attribute.requirement == Requirement::Required && possible {
            let node = shape.child(object, attribute.name);
            if let (Some(id), Some(_)) = (node, unknown_id(attribute)) {
                rules.unknowns.push(Unknown { owner, id, profiles: attribute.profiles });
            }
            required.push(Required { node, name: attribute.name, profiles: attribute.profiles });
        }
    }
    if !required.is_empty() {
        rules.required.push((owner, required));
    }
    for constraint in constraints {
        let members = paths(constraint).iter().filter_map(|path| descend(shape, object, path)).collect();
        rules.constraints.push(ConstraintRule { owner, members, constraint });
    }
    for id in shape.children(object) {
        let node = shape.node(id);
        let Some(attribute) = node.attribute else {
            continue;
        };
        if !attribute.profiles.is_empty() {
            rules.gated.push((id, attribute.profiles));
        }
        match node.kind {
            NodeKind::Object => {
                rules.objects.push((id, id.0 + 1..node.end));
                compile_object(shape, id, root, rules, scopes);
            }
            NodeKind::ObjectList => {
                let scope = compile_scope(shape, id, scopes);
                rules.lists.push((id, scope));
            }
            NodeKind::Scalar(scalar) => compile_scalar(shape, id, scalar, attribute, rules),
            NodeKind::ScalarList(_) => {
                let text = attribute.sibling.and_then(|sibling| shape.child(object, sibling));
                let text = text.filter(|text| matches!(shape.node(*text).kind, NodeKind::ScalarList(_)));
                if let (Some(enumeration), Some(text)) = (attribute.enumeration, text) {
                    rules.list_siblings.push(Sibling { id, text, enumeration });
                }
                compile_observable(shape, id, attribute, rules);
            }
            NodeKind::Map => {}
        }
    }
}

fn compile_scalar(
    shape: &Shape,
    id: NodeId,
    scalar: ScalarType,
    attribute: &'static Attribute,
    rules: &mut ScopeRules,
) {
    let parent = shape.node(id).parent;
    let sibling = |name: &str| shape.child(parent, name);
    if let Some(enumeration) = attribute.enumeration
        && matches!(scalar.primitive(), Primitive::Integer | Primitive::Long)
    {
        rules.enumerations.push((id, enumeration));
        // `priority_id` of incident_finding has a sibling that is an integer itself.
        let is_text = |node: &NodeId| matches!(shape.node(*node).kind, NodeKind::Scalar(kind) if kind.primitive() == Primitive::String);
        if let Some(text) = attribute.sibling.and_then(sibling).filter(is_text) {
            rules.siblings.push(Sibling { id, text, enumeration });
        }
    }
    if scalar == ScalarType::Timestamp
        && let Some(twin) = sibling(&format!("{}_dt", attribute.name))
    {
        rules.twins.push((id, twin));
    }
    compile_observable(shape, id, attribute, rules);
}

fn compile_observable(shape: &Shape, node: NodeId, attribute: &'static Attribute, rules: &mut ScopeRules) {
    let Some(type_id) = attribute.observable.map(i64::from) else {
        return;
    };
    let Some(types) = shape.schema().object("observable").and_then(|object| {
        let type_id = object.attributes.iter().find(|attribute| attribute.name == "type_id")?;
        type_id.enumeration
    }) else {
        return;
    };
    let Some(caption) = types.caption(type_id) else {
        return;
    };
    rules.observables.push(Observable { node, reference: shape.path(node), type_id, caption });
}

/// The attributes that a constraint speaks of.
fn paths(constraint: &Constraint) -> &[&'static str] {
    match constraint {
        Constraint::AtLeastOne(paths) | Constraint::JustOne(paths) => paths,
    }
}

fn missing_breach(shape: &Shape, rules: &ScopeRules, owner: Option<NodeId>, required: &Required) -> Breach {
    let owner = shape.path(owner.unwrap_or(rules.root));
    let path = if owner.is_empty() { required.name.to_owned() } else { format!("{owner}.{}", required.name) };
    Breach::Missing { path }
}

fn constraint_breach(shape: &Shape, rules: &ScopeRules, rule: &ConstraintRule) -> Breach {
    let owner = shape.path(rule.owner.unwrap_or(rules.root));
    let path = if owner.is_empty() { "the event".to_owned() } else { owner };
    let demand = match rule.constraint {
        Constraint::AtLeastOne(_) => "at least one",
        Constraint::JustOne(_) => "just one",
    };
    Breach::Constraint { path, demand, members: paths(rule.constraint).join(", ") }
}

fn descend(shape: &Shape, from: NodeId, path: &str) -> Option<NodeId> {
    path.split('.').try_fold(from, |at, name| shape.child(at, name))
}

impl Shape {
    /// Fills in what OCSF derives from what a mapping has set: classification, enum siblings, `*_dt` twins, ids that
    /// nobody knows, profiles, observables.
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

    /// Makes an array of texts the captions of the ids beside it. The text beside 99 (Other) stays.
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

    /// Adds the observables of a scope, elements of the array opened last, but for those that it begins with; the number of
    /// them.
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

    /// What is wrong with what an element of the array of observables names; nothing if the array is another one.
    fn observable_breach(&self, record: &Record<'_>, list: NodeId, element: Scope) -> Option<Breach> {
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
