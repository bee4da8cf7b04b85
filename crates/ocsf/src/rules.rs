//! The rules of OCSF for completing and checking records, compiled for one shape.
//!
//! They are the same rules that [`crate::validate_event`] checks on JSON. Here they are resolved to node numbers when
//! the shape is built, so that completing and checking an event takes a few hundred nanoseconds. A test compares the
//! two. Rules are grouped by scope: the event, and each array of objects.

pub(crate) mod check;
mod complete;
pub(crate) mod leave_out;

use std::ops::Range;

use crate::layout::{Layout, NodeId, NodeKind};
use crate::record::Cell;
use crate::schema::{
    Attribute, AttributeKind, Constraint, Enumeration, Primitive, ProfileSet, Requirement, ScalarType,
};

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

#[derive(Debug)]
struct ExtensionRule {
    list: NodeId,
    cells: Vec<(NodeId, String)>,
}

/// `writes_observables` says whether a mapping has observables of its own.
pub(crate) fn compile_rules(shape: &Layout, writes_observables: bool) -> Rules {
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

fn compile_scope(shape: &Layout, root: NodeId, scopes: &mut Vec<ScopeRules>) -> usize {
    let at = scopes.len();
    scopes.push(ScopeRules::new(root));
    let mut rules = ScopeRules::new(root);
    compile_object(shape, root, root, &mut rules, scopes);
    scopes[at] = rules;
    at
}

/// The attributes and constraints of the object that a node holds.
fn facts(shape: &Layout, node: NodeId) -> (&'static [Attribute], &'static [Constraint]) {
    match shape.node(node).attribute.map(|attribute| attribute.kind) {
        None => (&shape.class().attributes, &shape.class().constraints),
        Some(AttributeKind::Object(object)) => {
            let object = shape.schema().object_by_id(object);
            (&object.attributes, &object.constraints)
        }
        Some(AttributeKind::Scalar(_)) => (&[], &[]),
    }
}

fn compile_object(shape: &Layout, object: NodeId, root: NodeId, rules: &mut ScopeRules, scopes: &mut Vec<ScopeRules>) {
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
    shape: &Layout,
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

fn compile_observable(shape: &Layout, node: NodeId, attribute: &'static Attribute, rules: &mut ScopeRules) {
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

fn descend(shape: &Layout, from: NodeId, path: &str) -> Option<NodeId> {
    path.split('.').try_fold(from, |at, name| shape.child(at, name))
}

/// The id 0 (Unknown) of an integer enumeration that has it.
pub(crate) fn unknown_id(attribute: &Attribute) -> Option<i64> {
    let integer = matches!(attribute.kind, AttributeKind::Scalar(ScalarType::Integer));
    let has_zero = attribute.enumeration.is_some_and(|values| values.caption(0).is_some());
    (integer && !attribute.is_array && has_zero).then_some(0)
}
