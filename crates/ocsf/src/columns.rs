//! Records into columns: the last step before Parquet.
//!
//! A [`TableBuilder`] collects completed records of one [`Shape`] and returns Arrow record batches with its fixed
//! schema.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, BooleanArray, ListArray, MapArray, RecordBatch, StructArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};

use crate::cells::Cells;
use crate::layout::{Node, NodeId, NodeKind, arrow_type};
use crate::record::{Cell, Record, Scope};
use crate::schema::ScalarType;
use crate::shape::Shape;
use crate::texts::TextColumn;

/// Bytes that a row takes in each column regardless of its value: an offset and a validity bit, rounded up.
const CELL_OVERHEAD: usize = 5;

/// Collects records of one shape as columns.
#[derive(Debug)]
pub struct TableBuilder {
    shape: Arc<Shape>,
    /// The shape's with dictionaries for texts.
    schema: SchemaRef,
    columns: Vec<Column>,
    /// The column of the raw values without a place in OCSF.
    unmapped: Option<NodeId>,
    rows: usize,
    text_bytes: usize,
}

/// A column under construction. Absent values cost nothing until the column is finished.
#[derive(Debug)]
enum Column {
    Text(TextColumn),
    Int32(Cells<i32>),
    Int64(Cells<i64>),
    Float64(Cells<f64>),
    Boolean(Cells<bool>),
    Instant(Cells<i64>, DataType),
    Object(Cells<()>),
    List(ListColumn, Range<u32>),
    ScalarList(ListColumn, Box<Column>),
    Map { list: ListColumn, keys: TextColumn, values: TextColumn },
}

/// The end offset of each row's list.
#[derive(Debug)]
struct ListColumn(Cells<i32>);

impl ListColumn {
    fn new() -> Self {
        Self(Cells::new())
    }

    /// Elements of all rows.
    fn elements(&self) -> u32 {
        self.0.last().unwrap_or_default() as u32
    }

    /// Adds a row of `len` elements. Returns the number of the first.
    fn push(&mut self, row: u32, len: u32) -> u32 {
        let first = self.elements();
        self.0.push(row, (first + len) as i32);
        first
    }

    fn finish(&mut self, rows: usize) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        let finished = (self.0.offsets(rows), self.0.nulls(rows));
        self.0.clear(rows);
        finished
    }
}

impl TableBuilder {
    /// An empty table.
    pub fn new(shape: Arc<Shape>) -> Self {
        let below = |at: usize, node: &Node| at as u32 + 1..node.end;
        let columns =
            shape.nodes().iter().enumerate().map(|(at, node)| Column::new(node.kind, below(at, node))).collect();
        let unmapped = shape.children(NodeId::ROOT).find(|id| shape.node(*id).kind == NodeKind::Map);
        let schema = Arc::new(Schema::new(with_dictionaries(shape.arrow_schema().fields())));
        Self { shape, schema, columns, unmapped, rows: 0, text_bytes: 0 }
    }

    /// The shape of its records.
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Records appended since the last batch was finished.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Approximate size of the columns in bytes.
    pub fn bytes(&self) -> usize {
        self.text_bytes + self.rows * self.columns.len() * CELL_OVERHEAD
    }

    /// Appends a completed record of this shape.
    pub fn append(&mut self, record: &Record<'_>) {
        let all = 1..self.columns.len() as u32;
        self.text_bytes += append_values(&mut self.columns, record, Scope::EVENT, all, self.rows as u32);
        self.append_unmapped(record);
        self.rows += 1;
    }

    fn append_unmapped(&mut self, record: &Record<'_>) {
        let entries = record.unmapped();
        let Some(id) = self.unmapped.filter(|_| !entries.is_empty()) else {
            return;
        };
        if let Column::Map { list, keys, values } = &mut self.columns[id.index()] {
            let first = list.push(self.rows as u32, entries.len() as u32);
            for ((key, value), row) in entries.iter().zip(first..) {
                keys.push(row, key);
                values.push(row, value);
                self.text_bytes += key.len() + value.len() + 2 * CELL_OVERHEAD;
            }
        }
    }

    /// Returns the records appended so far as one batch. The builder is then empty and can be reused.
    ///
    /// The batch has the shape's schema, but with a dictionary of distinct texts, in the order in which they came,
    /// wherever that has texts.
    ///
    /// # Errors
    /// [`ArrowError`] if the columns do not fit the schema, for example where a record was appended that
    /// [`Shape::check`] refuses.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let shape = Arc::clone(&self.shape);
        let schema = Arc::clone(&self.schema);
        let rows = self.rows;
        let arrays = self.finish_children(&shape, NodeId::ROOT, schema.fields(), rows)?;
        self.rows = 0;
        self.text_bytes = 0;
        RecordBatch::try_new(schema, arrays)
    }

    fn finish_children(
        &mut self,
        shape: &Shape,
        parent: NodeId,
        fields: &Fields,
        rows: usize,
    ) -> Result<Vec<ArrayRef>, ArrowError> {
        shape.children(parent).zip(fields).map(|(id, field)| self.finish_node(shape, id, field, rows)).collect()
    }

    fn finish_node(&mut self, shape: &Shape, id: NodeId, field: &Field, rows: usize) -> Result<ArrayRef, ArrowError> {
        Ok(match (field.data_type(), &mut self.columns[id.index()]) {
            (DataType::Struct(fields), Column::Object(present)) => {
                let nulls = present.nulls(rows);
                present.clear(rows);
                let children = self.finish_children(shape, id, fields, rows)?;
                Arc::new(StructArray::try_new(fields.clone(), children, nulls)?)
            }
            (DataType::List(element), Column::List(list, _)) => {
                let DataType::Struct(fields) = element.data_type() else {
                    return Err(mismatch(field));
                };
                let elements = list.elements() as usize;
                let (offsets, nulls) = list.finish(rows);
                let children = self.finish_children(shape, id, fields, elements)?;
                let items = StructArray::try_new(fields.clone(), children, None)?;
                Arc::new(ListArray::try_new(Arc::clone(element), offsets, Arc::new(items), nulls)?)
            }
            (DataType::List(element), Column::ScalarList(list, values)) => {
                let values = values.finish(field, list.elements() as usize)?;
                let (offsets, nulls) = list.finish(rows);
                Arc::new(ListArray::try_new(Arc::clone(element), offsets, values, nulls)?)
            }
            (DataType::Map(entry, sorted), Column::Map { list, keys, values }) => {
                let DataType::Struct(fields) = entry.data_type() else {
                    return Err(mismatch(field));
                };
                let elements = list.elements() as usize;
                let texts: Vec<ArrayRef> = vec![keys.finish(elements)?, values.finish(elements)?];
                let entries = StructArray::try_new(fields.clone(), texts, None)?;
                let (offsets, nulls) = list.finish(rows);
                Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, nulls, *sorted)?)
            }
            (_, scalar) => scalar.finish(field, rows)?,
        })
    }
}

/// Appends a scope's values in a range of nodes as row `row` of their columns. Returns the bytes of text added.
fn append_values(columns: &mut [Column], record: &Record<'_>, scope: Scope, nodes: Range<u32>, row: u32) -> usize {
    let mut text_bytes = 0;
    for (id, cell) in record.values(scope, nodes) {
        match &mut columns[id.index()] {
            Column::Text(column) => text_bytes += column.append(row, cell),
            Column::Object(present) => present.push(row, ()),
            Column::List(list, below) => {
                if let Cell::List { start, len } = *cell {
                    let first = list.push(row, len);
                    let below = below.clone();
                    let width = below.len() as u32;
                    for index in 0..len {
                        let element = Scope::of_cells(start + index * width, below.start);
                        text_bytes += append_values(columns, record, element, below.clone(), first + index);
                    }
                }
            }
            Column::ScalarList(list, values) => {
                if let Cell::List { start, len } = *cell {
                    let first = list.push(row, len);
                    for (value, row) in record.scalars(start, len).iter().zip(first..) {
                        text_bytes += values.append(row, value);
                    }
                }
            }
            scalar => text_bytes += scalar.append(row, cell),
        }
    }
    text_bytes
}

/// The fields with a dictionary in the place of each text, as the builder's batches have them.
pub fn with_dictionaries(fields: &Fields) -> Fields {
    let field = |field: &Arc<Field>| with_dictionary(field);
    fields.iter().map(field).collect()
}

fn with_dictionary(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Utf8 => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        DataType::Struct(fields) => DataType::Struct(with_dictionaries(fields)),
        DataType::List(element) => DataType::List(Arc::new(with_dictionary(element))),
        DataType::Map(entry, sorted) => DataType::Map(Arc::new(with_dictionary(entry)), *sorted),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

fn mismatch(field: &Field) -> ArrowError {
    ArrowError::SchemaError(format!("column `{}` is not built as {}", field.name(), field.data_type()))
}

impl Column {
    fn new(kind: NodeKind, below: Range<u32>) -> Self {
        match kind {
            NodeKind::Object => Self::Object(Cells::new()),
            NodeKind::ObjectList => Self::List(ListColumn::new(), below),
            NodeKind::Map => Self::Map { list: ListColumn::new(), keys: TextColumn::new(), values: TextColumn::new() },
            NodeKind::ScalarList(scalar) => Self::ScalarList(ListColumn::new(), Box::new(Self::scalar(scalar))),
            NodeKind::Scalar(scalar) => Self::scalar(scalar),
        }
    }

    fn scalar(scalar: ScalarType) -> Self {
        match arrow_type(scalar) {
            DataType::Boolean => Self::Boolean(Cells::new()),
            DataType::Int32 => Self::Int32(Cells::new()),
            DataType::Int64 => Self::Int64(Cells::new()),
            DataType::Float64 => Self::Float64(Cells::new()),
            instant @ DataType::Timestamp(..) => Self::Instant(Cells::new(), instant),
            _ => Self::Text(TextColumn::new()),
        }
    }

    /// Appends a scalar; a cell of a type other than the column's counts as absent. Returns the bytes of text added.
    #[inline]
    fn append(&mut self, row: u32, cell: &Cell<'_>) -> usize {
        match (self, *cell) {
            (Self::Text(column), _) => return column.append(row, cell),
            (Self::Int32(column), Cell::Integer(value)) => {
                if let Ok(value) = i32::try_from(value) {
                    column.push(row, value);
                }
            }
            (Self::Int64(column) | Self::Instant(column, _), Cell::Integer(value)) => column.push(row, value),
            (Self::Float64(column), Cell::Float(value)) => column.push(row, value),
            (Self::Float64(column), Cell::Integer(value)) => column.push(row, value as f64),
            (Self::Boolean(column), Cell::Boolean(value)) => column.push(row, value),
            _ => {}
        }
        0
    }

    fn finish(&mut self, field: &Field, rows: usize) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(column) => column.finish(rows)?,
            Self::Int32(column) => Arc::new(column.finish::<Int32Type>(rows)?),
            Self::Int64(column) => Arc::new(column.finish::<Int64Type>(rows)?),
            Self::Float64(column) => Arc::new(column.finish::<Float64Type>(rows)?),
            Self::Instant(column, data_type) => {
                let instants = column.finish::<TimestampMillisecondType>(rows)?;
                Arc::new(instants.with_data_type(data_type.clone()))
            }
            Self::Boolean(column) => {
                let array = BooleanArray::new(BooleanBuffer::from(column.values(rows)), column.nulls(rows));
                column.clear(rows);
                Arc::new(array)
            }
            Self::Object(_) | Self::List(..) | Self::ScalarList(..) | Self::Map { .. } => return Err(mismatch(field)),
        })
    }
}
