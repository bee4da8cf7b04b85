//! The columns of one (source, class) as a tree of numbered nodes, and its Arrow schema.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema as ArrowSchema, SchemaRef, TimeUnit};

use crate::schema::{Attribute, EventClass, ProfileSet, Requirement, ScalarType, Schema};

/// Index of a node in its [`Layout`]; the root, the event itself, is 0.
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

/// The attributes of a class that have columns, with their positions: a [`Shape`](crate::Shape) without its rules.
#[derive(Debug)]
pub struct Layout {
    schema: &'static Schema,
    class: &'static EventClass,
    profiles: ProfileSet,
    nodes: Vec<Node>,
    arrow: SchemaRef,
}

impl Layout {
    /// `nodes` in preorder, the first being the event.
    pub(crate) fn new(
        schema: &'static Schema,
        class: &'static EventClass,
        profiles: ProfileSet,
        nodes: Vec<Node>,
    ) -> Layout {
        let arrow = Arc::new(ArrowSchema::new(arrow_fields(&nodes, NodeId::ROOT)));
        Layout { schema, class, profiles, nodes, arrow }
    }

    /// The schema version the class belongs to.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The event class.
    pub fn class(&self) -> &'static EventClass {
        self.class
    }

    /// The profiles that a record of this shape can have.
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

    /// The dotted path of a node, without markers for arrays, as in the names of OCSF observables.
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
