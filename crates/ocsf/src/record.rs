//! One OCSF event on its way into columns: typed cells, no tree.
//!
//! A [`Record`] has a cell per node of its [`Layout`]; elements of object arrays take further cells behind them. Texts
//! are borrowed from the raw event, so a record is cheap to fill, to complete (what OCSF derives), to check and to
//! drop.

use std::ops::Range;

use crate::bits::Bits;
use crate::layout::{Layout, NodeId};
use crate::schema::ProfileSet;

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

/// The place of one value in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellId(u32);

impl CellId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where the cells of an event or of an array element lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope(u32);

impl Scope {
    /// The event's own attributes.
    pub const EVENT: Scope = Scope(0);

    /// The scope in which `node` has the cell `cell`.
    #[inline]
    pub(crate) fn of_cells(cell: u32, node: u32) -> Self {
        Scope(cell - node)
    }

    /// The place of a node's value.
    pub fn cell_id(self, node: NodeId) -> CellId {
        CellId(self.0 + node.0)
    }

    #[inline]
    pub(crate) fn cell(self, node: NodeId) -> usize {
        (self.0 + node.0) as usize
    }

    #[inline]
    pub(crate) fn cells(self, nodes: Range<u32>) -> Range<usize> {
        (self.0 + nodes.start) as usize..(self.0 + nodes.end) as usize
    }
}

/// An event as cells of a shape.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    cells: Vec<Cell<'a>>,
    /// The cells that are not null.
    set: Bits,
    unmapped: Vec<(&'a str, &'a str)>,
    profiles: ProfileSet,
    /// Whether `unmapped` is sorted, each key once.
    is_settled: bool,
    /// Bytes of all texts ever set, including those replaced or cleared later.
    text_bytes: usize,
}

/// The memory of a record, kept between events.
///
/// ```
/// use ocsf::schema::{ProfileSet, Schema};
/// use ocsf::{Cell, RecordBuffer, Scope, Shape};
///
/// let schema = Schema::get(Default::default());
/// let class = schema.class("process_activity").ok_or("no such class")?;
/// let mut builder = Shape::builder(schema, class, ProfileSet::EMPTY);
/// builder.add("message")?;
/// let shape = builder.build();
/// let message = shape.find("message").ok_or("it was added")?;
/// let mut buffer = RecordBuffer::default();
/// for text in ["one".to_owned(), "two".to_owned()] {
///     let mut record = buffer.record(&shape, ProfileSet::EMPTY);
///     assert!(record.get(Scope::EVENT, message).is_null());
///     record.set(Scope::EVENT, message, Cell::Text(&text));
///     buffer.recycle(record);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct RecordBuffer {
    cells: Vec<Cell<'static>>,
    set: Bits,
    unmapped: Vec<(&'static str, &'static str)>,
}

impl RecordBuffer {
    /// [`Record::new`] in the memory of this buffer.
    pub fn record<'a>(&mut self, shape: &Layout, profiles: ProfileSet) -> Record<'a> {
        let Self { cells, mut set, unmapped } = std::mem::take(self);
        let nodes = shape.nodes().len();
        let mut cells = emptied(cells, |_| Cell::Null);
        cells.resize(nodes, Cell::Null);
        set.reset(nodes);
        Record { cells, set, unmapped: emptied(unmapped, |_| ("", "")), profiles, is_settled: false, text_bytes: 0 }
    }

    /// Returns a record's memory for the next event.
    pub fn recycle(&mut self, record: Record<'_>) {
        let Record { cells, set, unmapped, .. } = record;
        *self = Self { cells: emptied(cells, |_| Cell::Null), set, unmapped: emptied(unmapped, |_| ("", "")) };
    }
}

/// An empty vector in the same memory for another lifetime: the standard library collects a mapped vector in place.
fn emptied<T, U>(mut items: Vec<T>, convert: impl Fn(T) -> U) -> Vec<U> {
    items.clear();
    items.into_iter().map(convert).collect()
}

impl<'a> Record<'a> {
    /// An empty event; `profiles` are always on, regardless of its values.
    pub fn new(shape: &Layout, profiles: ProfileSet) -> Self {
        RecordBuffer::default().record(shape, profiles)
    }

    /// The profiles that are on.
    pub fn profiles(&self) -> ProfileSet {
        self.profiles
    }

    pub(crate) fn turn_on(&mut self, profiles: ProfileSet) {
        self.profiles = self.profiles.union(profiles);
    }

    pub(crate) fn turn_off(&mut self, profiles: ProfileSet) {
        self.profiles = self.profiles.difference(profiles);
    }

    /// The cells of the event and of all array elements.
    pub(crate) fn cell_count(&self) -> usize {
        self.cells.len()
    }

    /// The cells that hold a value.
    pub(crate) fn set_cells(&self) -> &Bits {
        &self.set
    }

    /// The value of a node in the event or in an array element.
    #[inline]
    pub fn get(&self, scope: Scope, node: NodeId) -> Cell<'a> {
        self.cells[scope.cell(node)]
    }

    /// Sets the value of a node in the event or in an array element.
    #[inline]
    pub fn set(&mut self, scope: Scope, node: NodeId, cell: Cell<'a>) {
        let at = scope.cell(node);
        if cell.is_null() {
            self.cells[at] = cell;
            self.set.remove(at);
        } else {
            self.put(at, cell);
        }
    }

    #[inline]
    fn put(&mut self, at: usize, cell: Cell<'a>) {
        if let Cell::Text(text) = cell {
            self.text_bytes += text.len();
        }
        self.cells[at] = cell;
        self.set.insert(at);
    }

    /// Whether a node has a value.
    #[inline]
    pub(crate) fn is_set(&self, scope: Scope, node: NodeId) -> bool {
        self.set.contains(scope.cell(node))
    }

    /// Whether any node of a range has a value.
    #[inline]
    pub(crate) fn any_set(&self, scope: Scope, nodes: Range<u32>) -> bool {
        self.set.any(scope.cells(nodes))
    }

    /// The nodes of a range that have a value, in preorder, with their values.
    #[inline]
    pub(crate) fn values(&self, scope: Scope, nodes: Range<u32>) -> impl Iterator<Item = (NodeId, &Cell<'a>)> {
        self.set.ones(scope.cells(nodes)).map(move |at| (NodeId(at as u32 - scope.0), &self.cells[at]))
    }

    /// Removes the value of a node and of everything below it.
    pub fn clear(&mut self, shape: &Layout, scope: Scope, node: NodeId) {
        self.clear_cells(scope.cells(node.0..shape.node(node).end));
    }

    /// Removes all values of an element of an array of objects.
    pub fn clear_element(&mut self, shape: &Layout, list: NodeId, element: Scope) {
        self.clear_cells(element.cells(list.0 + 1..shape.node(list).end));
    }

    pub(crate) fn clear_cells(&mut self, cells: Range<usize>) {
        if self.set.any(cells.clone()) {
            self.cells[cells.clone()].fill(Cell::Null);
            self.set.remove_range(cells);
        }
    }

    /// Moves the values of some cells to those from `to` on, which lie before them or overlap them.
    pub(crate) fn move_cells(&mut self, cells: Range<usize>, to: usize) {
        for (offset, at) in cells.enumerate() {
            let cell = std::mem::replace(&mut self.cells[at], Cell::Null);
            self.set.remove(at);
            self.cells[to + offset] = cell;
            if cell.is_null() {
                self.set.remove(to + offset);
            } else {
                self.set.insert(to + offset);
            }
        }
    }

    /// An upper bound on the event's values in all columns, including those of array elements and absent ones.
    pub fn values_bound(&self) -> usize {
        self.cells.len() + 2 * self.unmapped.len()
    }

    /// An upper bound on the bytes of all texts of the event, including unmapped ones: its size in columns before
    /// compression.
    pub fn text_bytes_bound(&self) -> usize {
        self.text_bytes
    }

    /// Makes room for `capacity` elements of an array of objects; the elements are reached through [`Record::element`].
    ///
    /// The array is set once [`Record::close_list`] is called with the number of elements that were filled.
    pub fn open_list(&mut self, shape: &Layout, list: NodeId, capacity: usize) -> u32 {
        let start = self.cells.len();
        self.grow(capacity * shape.element_width(list));
        start as u32
    }

    /// Adds an element of `width` cells to the array opened last, with values at some of them.
    #[inline]
    pub(crate) fn push_element<const N: usize>(&mut self, width: usize, values: [(u32, Cell<'a>); N]) {
        let start = self.cells.len();
        self.grow(width);
        for (offset, cell) in values {
            self.put(start + offset as usize, cell);
        }
    }

    /// Adds copies of `len` elements of `width` cells to the array opened last.
    pub(crate) fn copy_elements(&mut self, width: usize, start: u32, len: u32) {
        let (from, cells, to) = (start as usize, len as usize * width, self.cells.len());
        self.grow(cells);
        for offset in 0..cells {
            let cell = self.cells[from + offset];
            if !cell.is_null() {
                self.put(to + offset, cell);
            }
        }
    }

    #[inline]
    fn grow(&mut self, cells: usize) {
        let len = self.cells.len() + cells;
        self.cells.resize(len, Cell::Null);
        self.set.grow(len);
    }

    /// The scope of element `index` of the array whose cells begin at `start`.
    #[inline]
    pub fn element(&self, shape: &Layout, list: NodeId, start: u32, index: u32) -> Scope {
        Scope::of_cells(start + index * shape.element_width(list) as u32, list.0 + 1)
    }

    /// Sets an array of objects to its first `len` elements; an empty one stays absent.
    pub fn close_list(&mut self, scope: Scope, list: NodeId, start: u32, len: u32) {
        let cell = if len == 0 { Cell::Null } else { Cell::List { start, len } };
        self.set(scope, list, cell);
    }

    /// Sets an array of scalars; an empty one stays absent.
    pub fn set_scalars(&mut self, scope: Scope, list: NodeId, values: impl IntoIterator<Item = Cell<'a>>) {
        let start = self.cells.len();
        for value in values {
            let at = self.cells.len();
            self.grow(1);
            self.put(at, value);
        }
        let len = (self.cells.len() - start) as u32;
        self.close_list(scope, list, start as u32, len);
    }

    /// The scalars of an array that [`Record::set_scalars`] wrote.
    pub fn scalars(&self, start: u32, len: u32) -> &[Cell<'a>] {
        &self.cells[start as usize..(start + len) as usize]
    }

    pub(crate) fn scalar(&self, at: u32) -> Cell<'a> {
        self.cells[at as usize]
    }

    /// Adds a raw value that has no place in OCSF under its flattened key.
    pub fn add_unmapped(&mut self, key: &'a str, value: &'a str) {
        self.text_bytes += key.len() + value.len();
        self.is_settled = false;
        self.unmapped.push((key, value));
    }

    /// The raw values without a place in OCSF, in the order they were added.
    pub fn unmapped(&self) -> &[(&'a str, &'a str)] {
        &self.unmapped
    }

    /// Sorts the unmapped values by key: a map has each key once. Different values of one key become the one that
    /// `join` makes of them, in the order in which they were added; without this, completing keeps the last.
    pub fn join_unmapped(&mut self, mut join: impl FnMut(&[(&'a str, &'a str)]) -> &'a str) {
        self.is_settled = true;
        // Equal keys end side by side, so sorting has compared them.
        let mut has_equal_keys = false;
        self.unmapped.sort_by(|(a, _), (b, _)| {
            let order = a.cmp(b);
            has_equal_keys |= order.is_eq();
            order
        });
        if !has_equal_keys {
            return;
        }
        let (mut read, mut written) = (0, 0);
        while let Some((key, first)) = self.unmapped.get(read).copied() {
            let len = self.unmapped[read..].iter().take_while(|(other, _)| *other == key).count();
            let group = &self.unmapped[read..read + len];
            let value = if group.iter().all(|(_, value)| *value == first) { first } else { join(group) };
            self.text_bytes += len;
            self.unmapped[written] = (key, value);
            read += len;
            written += 1;
        }
        self.unmapped.truncate(written);
    }

    /// Sorts the unmapped values by key and keeps the last of equal keys, unless they are joined already.
    pub(crate) fn settle_unmapped(&mut self) {
        if self.is_settled || self.unmapped.is_sorted_by(|a, b| a.0 < b.0) {
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
