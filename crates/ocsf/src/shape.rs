//! The part of an event class that a source writes, as a tree of columns.
//!
//! A [`Shape`] is the union of the attribute paths that a mapping can set, closed over everything OCSF derives from
//! them: enum siblings, `*_dt` twins, classification, observables. It is built once, when a mapping is compiled, and
//! fixes the Arrow schema of every object of a (source, class): a schema is never inferred from data.
//!
//! Nodes are numbered in preorder, so a subtree is a contiguous range and a [`crate::Record`] can keep one cell per
//! node.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use crate::layout::{Layout, Node, NodeId, NodeKind};
use crate::rules::{Rules, compile_rules, unknown_id};
use crate::schema::{Attribute, AttributeKind, EventClass, ProfileSet, Requirement, ScalarType, Schema, find};

/// Why a path does not name an attribute of a class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A step does not name an attribute of the class or object around it.
    #[error("no attribute `{name}` in {owner}")]
    Unknown {
        /// The unknown step.
        name: String,
        /// The class or object it was looked up in.
        owner: &'static str,
    },
    /// A scalar has no attributes.
    #[error("`{path}` is a scalar and has no attribute `{name}`")]
    IntoScalar {
        /// The path up to the scalar.
        path: String,
        /// The step below it.
        name: String,
    },
    /// The path ends at an object; only its attributes can be written.
    #[error("`{path}` is an object of type {object}; name one of its attributes")]
    Object {
        /// The whole path.
        path: String,
        /// The object's type.
        object: &'static str,
    },
}

/// The columns of one (source, class), with everything needed to complete and check a record. Its [`Layout`] has the
/// columns alone.
#[derive(Debug)]
pub struct Shape {
    layout: Layout,
    pub(crate) rules: Rules,
}

impl Shape {
    /// Starts the shape of `class`. Its records can have the profiles of `profiles`.
    pub fn builder(schema: &'static Schema, class: &'static EventClass, profiles: ProfileSet) -> ShapeBuilder {
        ShapeBuilder { schema, class, profiles, tree: Tree::default() }
    }
}

impl Deref for Shape {
    type Target = Layout;

    #[inline]
    fn deref(&self) -> &Layout {
        &self.layout
    }
}

#[derive(Debug, Default)]
struct Tree(BTreeMap<&'static str, Tree>);

/// Collects target paths, and adds the attributes that OCSF derives from them.
#[derive(Debug)]
pub struct ShapeBuilder {
    schema: &'static Schema,
    class: &'static EventClass,
    profiles: ProfileSet,
    tree: Tree,
}

impl ShapeBuilder {
    /// Adds the attribute at a dotted path. Records can then also have the profile that the attribute needs.
    ///
    /// # Errors
    /// [`PathError`] where the path names no scalar attribute (or free-form object) of the class.
    pub fn add(&mut self, path: &str) -> Result<(), PathError> {
        let mut tree = &mut self.tree;
        let mut attributes = &self.class.attributes;
        let mut owner = self.class.name;
        let mut steps = path.split('.').peekable();
        let mut walked = String::new();
        while let Some(step) = steps.next() {
            let attribute =
                find(attributes, step).ok_or_else(|| PathError::Unknown { name: step.to_owned(), owner })?;
            if !walked.is_empty() {
                walked.push('.');
            }
            walked.push_str(step);
            tree = tree.0.entry(attribute.name).or_default();
            if !attribute.is_present(self.profiles) {
                self.profiles = self.profiles.union(attribute.profiles.iter().take(1).collect());
            }
            match attribute.kind {
                AttributeKind::Scalar(_) => {
                    if let Some(below) = steps.next() {
                        return Err(PathError::IntoScalar { path: walked, name: below.to_owned() });
                    }
                }
                AttributeKind::Object(object) => {
                    let object = self.schema.object_by_id(object);
                    if object.is_free_form() {
                        return Ok(());
                    }
                    if steps.peek().is_none() {
                        return Err(PathError::Object { path: walked, object: object.name });
                    }
                    attributes = &object.attributes;
                    owner = object.name;
                }
            }
        }
        Ok(())
    }

    /// Adds the derived attributes and fixes the columns.
    pub fn build(mut self) -> Shape {
        const ALWAYS: [&str; 5] = ["activity_id", "category_uid", "class_uid", "severity_id", "type_uid"];
        for name in ALWAYS {
            self.add_if_known(name);
        }
        for path in ["time", "metadata.version", "metadata.profiles", "unmapped"] {
            self.add_if_known(path);
        }
        if self.class.extension.is_some() {
            for name in ["name", "uid", "version"] {
                self.add_if_known(&format!("metadata.extensions.{name}"));
            }
        }
        let (schema, profiles) = (self.schema, self.profiles);
        let writes_observables = self.tree.0.contains_key("observables");
        close(schema, profiles, &self.class.attributes, &mut self.tree);
        if writes_observables || has_observable(schema, &self.class.attributes, &self.tree) {
            for name in ["name", "type", "type_id", "value"] {
                self.add_if_known(&format!("observables.{name}"));
            }
        }
        let mut nodes = vec![Node { name: "", kind: NodeKind::Object, attribute: None, parent: NodeId::ROOT, end: 0 }];
        lay_out(schema, &self.class.attributes, &self.tree, NodeId::ROOT, &mut nodes);
        nodes[0].end = nodes.len() as u32;
        let layout = Layout::new(schema, self.class, profiles, nodes);
        let rules = compile_rules(&layout, writes_observables);
        Shape { layout, rules }
    }

    /// Adds a path that this class may lack (`metadata.extensions` in a future version, say).
    fn add_if_known(&mut self, path: &str) {
        // An unknown derived path has no column to fill: nothing is lost by leaving it out.
        let _ = self.add(path);
    }
}

/// Adds, at every depth, the attributes that are derived from the ones present.
fn close(schema: &'static Schema, profiles: ProfileSet, attributes: &'static [Attribute], tree: &mut Tree) {
    let mut derived = BTreeSet::new();
    for attribute in attributes {
        let applies = attribute.profiles.is_empty() || attribute.profiles.intersects(profiles);
        if applies && unknown_id(attribute).is_some() && attribute.requirement == Requirement::Required {
            derived.insert(attribute.name);
        }
    }
    for name in tree.0.keys().copied().chain(derived.clone()).collect::<Vec<_>>() {
        let Some(attribute) = find(attributes, name) else {
            continue;
        };
        if attribute.enumeration.is_some()
            && let Some(sibling) = attribute.sibling.and_then(|sibling| find(attributes, sibling))
        {
            derived.insert(sibling.name);
        }
        if attribute.kind == AttributeKind::Scalar(ScalarType::Timestamp)
            && let Some(twin) = find(attributes, &format!("{name}_dt"))
            && twin.profiles.intersects(profiles)
        {
            derived.insert(twin.name);
        }
    }
    // A text whose id nobody sets (`severity` without `severity_id`) needs the id's column.
    for attribute in attributes {
        if attribute.enumeration.is_some() && attribute.sibling.is_some_and(|text| tree.0.contains_key(text)) {
            derived.insert(attribute.name);
        }
    }
    for name in derived {
        tree.0.entry(name).or_default();
    }
    for (name, below) in &mut tree.0 {
        if let Some(AttributeKind::Object(object)) = find(attributes, name).map(|attribute| attribute.kind) {
            let object = schema.object_by_id(object);
            if !object.is_free_form() {
                close(schema, profiles, &object.attributes, below);
            }
        }
    }
}

fn has_observable(schema: &'static Schema, attributes: &'static [Attribute], tree: &Tree) -> bool {
    tree.0.iter().any(|(name, below)| {
        find(attributes, name).is_some_and(|attribute| match attribute.kind {
            AttributeKind::Scalar(_) => attribute.observable.is_some(),
            AttributeKind::Object(object) => has_observable(schema, &schema.object_by_id(object).attributes, below),
        })
    })
}

fn lay_out(
    schema: &'static Schema,
    attributes: &'static [Attribute],
    tree: &Tree,
    parent: NodeId,
    nodes: &mut Vec<Node>,
) {
    for (name, below) in &tree.0 {
        let Some(attribute) = find(attributes, name) else {
            continue;
        };
        let id = NodeId(nodes.len() as u32);
        let (kind, inner) = match (attribute.kind, attribute.is_array) {
            (AttributeKind::Scalar(scalar), false) => (NodeKind::Scalar(scalar), None),
            (AttributeKind::Scalar(scalar), true) => (NodeKind::ScalarList(scalar), None),
            (AttributeKind::Object(object), is_array) => {
                let object = schema.object_by_id(object);
                match (object.is_free_form(), is_array) {
                    (true, _) => (NodeKind::Map, None),
                    (false, true) => (NodeKind::ObjectList, Some(object)),
                    (false, false) => (NodeKind::Object, Some(object)),
                }
            }
        };
        nodes.push(Node { name: attribute.name, kind, attribute: Some(attribute), parent, end: id.0 + 1 });
        if let Some(object) = inner {
            lay_out(schema, &object.attributes, below, id, nodes);
            nodes[id.index()].end = nodes.len() as u32;
        }
    }
}
