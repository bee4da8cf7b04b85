//! The nodes that a document is made of.

/// Index of a node of a [`Document`](crate::Document). The root is [`NodeId::ROOT`]; descendants have larger ids than their ancestors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The root of every document.
    pub const ROOT: Self = Self(0);

    /// The id as an index, for tables beside the document.
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node holds. Members and elements of containers are nodes of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeValue<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, in the exact text of the input: `550941191520756123456`, `1.0` and `1e5` stay as they are.
    Number(&'a str),
    /// A string, unescaped.
    String(&'a str),
    /// An array; its elements are the node's children.
    Array,
    /// An object; its members are the node's children and have a [`Document::key`](crate::Document::key).
    Object,
}

impl<'a> NodeValue<'a> {
    /// The text of a string or number; `None` for everything else.
    #[inline]
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        match self {
            Self::Number(text) | Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// True for objects and arrays.
    #[inline]
    #[must_use]
    pub fn is_container(self) -> bool {
        matches!(self, Self::Array | Self::Object)
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    pub(crate) key: Option<&'a str>,
    pub(crate) value: NodeValue<'a>,
    /// One past the last descendant.
    pub(crate) end: u32,
    /// The root is its own parent.
    pub(crate) parent: u32,
}
