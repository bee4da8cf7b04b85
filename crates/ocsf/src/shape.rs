//! The part of an event class that a source writes, as a tree of columns.
//!
//! A [`Shape`] is the union of the attribute paths that a mapping can set, closed over everything OCSF derives from
//! them: enum siblings, `*_dt` twins, classification, observables. It is built once, when a mapping is compiled, and
//! fixes the Arrow schema of every object of a (source, class): a schema is never inferred from data.
//!
//! Nodes are numbered in preorder, so a subtree is a contiguous range and a [`crate::Record`] can keep one cell per node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema as ArrowSchema, SchemaRef, TimeUnit};

use crate::rules::{Rules, compile_rules};
use crate::schema::{Attribute, AttributeKind, EventClass, ProfileSet, Requirement, ScalarType, Schema, find};

/// Index of a node in its [`Shape`]; the root, the event itself, is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The event itself.
    pub const ROOT: NodeId = NodeId(0);

    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node of a shape holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// An object (or the event): its value is its children.
    Object,
    /// An array of objects: each element has a cell per node of the subtree.
    ObjectList,
    /// One scalar.
    Scalar(ScalarType),
    /// An array of scalars.
    ScalarList(ScalarType),
    /// A free-form object, stored as a map of flattened keys to texts (`unmapped`).
    Map,
}

/// One attribute of a shape.
#[derive(Debug)]
pub struct Node {
    /// The attribute's name; empty for the root.
    pub name: &'static str,
    /// What it holds.
    pub kind: NodeKind,
    /// The schema's facts about it; none for the root.
    pub attribute: Option<&'static Attribute>,
    /// The enclosing node.
    pub parent: NodeId,
    /// One past the last node of this subtree.
    pub(crate) end: u32,
}

/// Why a path is no attribute of a class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A step names no attribute of the class or object it stands in.
    #[error("no attribute `{name}` in {owner}")]
    Unknown {
        /// The step that is not there.
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

/// The columns of one (source, class), with everything needed to complete and check a record.
#[derive(Debug)]
pub struct Shape {
    schema: &'static Schema,
    class: &'static EventClass,
    profiles: ProfileSet,
    nodes: Vec<Node>,
    arrow: SchemaRef,
    pub(crate) rules: Rules,
}

impl Shape {
    /// Starts the shape of `class`, in which the profiles of `profiles` may be on.
    pub fn builder(schema: &'static Schema, class: &'static EventClass, profiles: ProfileSet) -> ShapeBuilder {
        ShapeBuilder { schema, class, profiles, tree: Tree::default() }
    }

    /// The schema version the class belongs to.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The event class.
    pub fn class(&self) -> &'static EventClass {
        self.class
    }

    /// The profiles that a record of this shape may have on.
    pub fn profiles(&self) -> ProfileSet {
        self.profiles
    }

    /// All nodes in preorder; the first is the event itself.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node.
    #[inline]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The fixed Arrow schema of every batch of this shape.
    pub fn arrow_schema(&self) -> &SchemaRef {
        &self.arrow
    }

    /// The node at a dotted path (`actor.process.pid`); array elements are entered without a step of their own.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        path.split('.').try_fold(NodeId::ROOT, |at, name| self.child(at, name))
    }

    /// The child of a node by attribute name.
    pub fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        self.children(parent).find(|id| self.node(*id).name == name)
    }

    /// The children of a node; of an array of objects, the children of an element.
    pub fn children(&self, parent: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let end = self.node(parent).end;
        let mut next = parent.0 + 1;
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let id = NodeId(next);
                next = self.nodes[id.index()].end;
                id
            })
        })
    }

    /// The dotted path of a node, without a mark for the arrays it passes through: as OCSF names observables, too.
    pub fn path(&self, id: NodeId) -> String {
        let mut steps = Vec::new();
        let mut at = id;
        while at != NodeId::ROOT {
            let node = self.node(at);
            steps.push(node.name);
            at = node.parent;
        }
        steps.reverse();
        steps.join(".")
    }

    /// Cells per element of an array of objects.
    #[inline]
    pub fn element_width(&self, list: NodeId) -> usize {
        (self.node(list).end - list.0 - 1) as usize
    }
}

#[derive(Debug, Default)]
struct Tree(BTreeMap<&'static str, Tree>);

/// Collects target paths and closes them over what OCSF derives.
#[derive(Debug)]
pub struct ShapeBuilder {
    schema: &'static Schema,
    class: &'static EventClass,
    profiles: ProfileSet,
    tree: Tree,
}

impl ShapeBuilder {
    /// Adds the attribute at a dotted path; the profile that it needs may then be on.
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

    /// Closes the paths over derived attributes and fixes the columns.
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
        let arrow = Arc::new(ArrowSchema::new(arrow_fields(&nodes, NodeId::ROOT)));
        let mut shape = Shape { schema, class: self.class, profiles, nodes, arrow, rules: Rules::default() };
        shape.rules = compile_rules(&shape, writes_observables);
        shape
    }

    /// Adds a path that this class may lack (`metadata.extensions` in a future version, say).
    fn add_if_known(&mut self, path: &str) {
        // An unknown derived path has no column to fill: nothing is lost by leaving it out.
        let _ = self.add(path);
    }
}

/// Adds, at every depth, the attributes that follow from the ones present.
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

/// The id 0 (Unknown) of an integer enumeration that has it.
pub(crate) fn unknown_id(attribute: &Attribute) -> Option<i64> {
    let integer = matches!(attribute.kind, AttributeKind::Scalar(ScalarType::Integer));
    let has_zero = attribute.enumeration.is_some_and(|values| values.caption(0).is_some());
    (integer && !attribute.is_array && has_zero).then_some(0)
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

fn arrow_fields(nodes: &[Node], parent: NodeId) -> Fields {
    let mut fields = Vec::new();
    let mut next = parent.0 + 1;
    while next < nodes[parent.index()].end {
        let node = &nodes[next as usize];
        fields.push(arrow_field(nodes, NodeId(next), node));
        next = node.end;
    }
    Fields::from(fields)
}

fn arrow_field(nodes: &[Node], id: NodeId, node: &Node) -> Field {
    let data_type = match node.kind {
        NodeKind::Scalar(scalar) => arrow_type(scalar),
        NodeKind::Object => DataType::Struct(arrow_fields(nodes, id)),
        NodeKind::ObjectList => {
            DataType::List(Arc::new(Field::new("element", DataType::Struct(arrow_fields(nodes, id)), false)))
        }
        NodeKind::ScalarList(scalar) => DataType::List(Arc::new(Field::new("element", arrow_type(scalar), false))),
        NodeKind::Map => map_type(),
    };
    let required = node
        .attribute
        .is_some_and(|attribute| attribute.requirement == Requirement::Required && attribute.profiles.is_empty());
    Field::new(node.name, data_type, !required)
}

/// `unmapped` as Security Lake's own tables have it: map<string, string>.
pub(crate) fn map_type() -> DataType {
    let entries =
        Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, false)]);
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false)
}

/// The column type of a scalar, as Security Lake's own tables have it.
pub fn arrow_type(scalar: ScalarType) -> DataType {
    match scalar {
        ScalarType::Boolean => DataType::Boolean,
        ScalarType::Integer | ScalarType::Port => DataType::Int32,
        ScalarType::Long | ScalarType::Timestamp => DataType::Int64,
        ScalarType::Float => DataType::Float64,
        ScalarType::Datetime => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        _ => DataType::Utf8,
    }
}
