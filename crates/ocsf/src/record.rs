//! One OCSF event on its way into columns: typed cells, no tree.
//!
//! A [`Record`] has a cell per node of its [`Shape`]; elements of object arrays take further cells behind them. Texts are
//! borrowed from the raw event, so a record is cheap to fill, to complete (what OCSF derives), to check and to drop.

use crate::schema::ProfileSet;
use crate::shape::{NodeId, Shape};

/// The value at one node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// An object that has at least one attribute set.
    Present,
    /// A boolean.
    Boolean(bool),
    /// Integers, ids, and instants in milliseconds since the epoch.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// Any text.
    Text(&'a str),
    /// Elements, `len` of them, in the cells from `start` on.
    List {
        /// Index of the first element's first cell.
        start: u32,
        /// Number of elements.
        len: u32,
    },
}

impl Cell<'_> {
    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self, Cell::Null)
    }
}

/// Where the cells of an event or of an array element lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope(u32);

impl Scope {
    /// The event's own attributes.
    pub const EVENT: Scope = Scope(0);
}

/// An event as cells of a shape.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    cells: Vec<Cell<'a>>,
    unmapped: Vec<(&'a str, &'a str)>,
    profiles: ProfileSet,
}

impl<'a> Record<'a> {
    /// An empty event; `profiles` are those that are on whatever it holds.
    pub fn new(shape: &Shape, profiles: ProfileSet) -> Self {
        let nodes = shape.nodes().len();
        let mut cells = Vec::with_capacity(nodes * 2);
        cells.resize(nodes, Cell::Null);
        Self { cells, unmapped: Vec::new(), profiles }
    }

    /// The profiles that are on.
    pub fn profiles(&self) -> ProfileSet {
        self.profiles
    }

    pub(crate) fn turn_on(&mut self, profiles: ProfileSet) {
        self.profiles = self.profiles.union(profiles);
    }

    /// The value of a node in the event or in an array element.
    pub fn get(&self, scope: Scope, node: NodeId) -> Cell<'a> {
        self.cells[(scope.0 + node.0) as usize]
    }

    /// Sets the value of a node in the event or in an array element.
    pub fn set(&mut self, scope: Scope, node: NodeId, cell: Cell<'a>) {
        self.cells[(scope.0 + node.0) as usize] = cell;
    }

    /// Takes the value of a node and of everything below it away.
    pub fn clear(&mut self, shape: &Shape, scope: Scope, node: NodeId) {
        let end = shape.node(node).end;
        self.cells[(scope.0 + node.0) as usize..(scope.0 + end) as usize].fill(Cell::Null);
    }

    /// Takes all values of an element of an array of objects away.
    pub fn clear_element(&mut self, shape: &Shape, list: NodeId, element: Scope) {
        let end = shape.node(list).end;
        self.cells[(element.0 + list.0 + 1) as usize..(element.0 + end) as usize].fill(Cell::Null);
    }

    /// At least as many values as the event has in all columns, those of array elements and absent ones included.
    pub fn values_bound(&self) -> usize {
        self.cells.len() + 2 * self.unmapped.len()
    }

    /// The bytes of all texts of the event, unmapped ones included: what it will take in columns before compression.
    pub fn text_bytes(&self) -> usize {
        let cells = self.cells.iter().map(|cell| if let Cell::Text(text) = cell { text.len() } else { 0 });
        let unmapped = self.unmapped.iter().map(|(key, value)| key.len() + value.len());
        cells.chain(unmapped).sum()
    }

    /// Makes room for `capacity` elements of an array of objects; the elements are reached through [`Record::element`].
    ///
    /// The array is there once [`Record::close_list`] has said how many of them were filled.
    pub fn open_list(&mut self, shape: &Shape, list: NodeId, capacity: usize) -> u32 {
        let start = self.cells.len();
        self.cells.resize(start + capacity * shape.element_width(list), Cell::Null);
        start as u32
    }

    /// The scope of element `index` of the array whose cells begin at `start`.
    pub fn element(&self, shape: &Shape, list: NodeId, start: u32, index: u32) -> Scope {
        Scope(start + index * shape.element_width(list) as u32 - list.0 - 1)
    }

    /// Sets an array of objects to its first `len` elements; an empty one stays absent.
    pub fn close_list(&mut self, scope: Scope, list: NodeId, start: u32, len: u32) {
        let cell = if len == 0 { Cell::Null } else { Cell::List { start, len } };
        self.set(scope, list, cell);
    }

    /// Sets an array of scalars; an empty one stays absent.
    pub fn set_scalars(&mut self, scope: Scope, list: NodeId, values: impl IntoIterator<Item = Cell<'a>>) {
        let start = self.cells.len();
        self.cells.extend(values);
        let len = (self.cells.len() - start) as u32;
        self.close_list(scope, list, start as u32, len);
    }

    /// The scalars of an array that [`Record::set_scalars`] wrote.
    pub fn scalars(&self, start: u32, len: u32) -> &[Cell<'a>] {
        &self.cells[start as usize..(start + len) as usize]
    }

    /// Adds a raw value that has no place in OCSF under its flattened key.
    pub fn add_unmapped(&mut self, key: &'a str, value: &'a str) {
        self.unmapped.push((key, value));
    }

    /// The raw values without a place in OCSF, in the order they were added.
    pub fn unmapped(&self) -> &[(&'a str, &'a str)] {
        &self.unmapped
    }

    /// Sorts the unmapped values by key and keeps the last of equal keys: a map has each key once.
    pub(crate) fn settle_unmapped(&mut self) {
        if self.unmapped.is_sorted_by(|a, b| a.0 < b.0) {
            return;
        }
        self.unmapped.sort_by_key(|(key, _)| *key);
        self.unmapped.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
    }
}
