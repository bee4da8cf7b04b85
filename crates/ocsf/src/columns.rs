//! Records into columns: the last step before Parquet.
//!
//! A [`TableBuilder`] takes the completed records of one [`Shape`] and gives Arrow record batches of its fixed schema.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow_array::{ArrayRef, ListArray, MapArray, RecordBatch, StructArray};
use arrow_buffer::{NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields};

use crate::record::{Cell, Record, Scope};
use crate::shape::{NodeId, NodeKind, Shape, arrow_type};

/// Bytes that a row takes in each column whatever it holds: an offset and a validity bit, rounded up.
const CELL_OVERHEAD: usize = 5;

/// Collects records of one shape as columns.
#[derive(Debug)]
pub struct TableBuilder {
    shape: Arc<Shape>,
    columns: Vec<Column>,
    rows: usize,
    text_bytes: usize,
}

/// A column under construction. Rows without a value cost nothing until a later one has a value: every column knows how
/// many rows it holds, and catches up with nulls before it takes the next value.
#[derive(Debug)]
enum Column {
    Text(StringBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Boolean(BooleanBuilder),
    Instant(TimestampMillisecondBuilder),
    Object(NullBufferBuilder),
    List(ListColumn),
    ScalarList(ListColumn, Box<Column>),
    Map { list: ListColumn, keys: StringBuilder, values: StringBuilder },
}

#[derive(Debug)]
struct ListColumn {
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ListColumn {
    fn new() -> Self {
        Self { offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }

    fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Elements of all rows.
    fn elements(&self) -> usize {
        self.offsets.last().map_or(0, |last| *last as usize)
    }

    /// Rows without a list up to `rows`.
    fn pad(&mut self, rows: usize) {
        let missing = rows - self.rows();
        self.nulls.append_n_nulls(missing);
        self.offsets.resize(rows + 1, self.elements() as i32);
    }

    /// A row of `len` elements.
    fn push(&mut self, len: usize) {
        self.offsets.push((self.elements() + len) as i32);
        self.nulls.append_non_null();
    }

    fn finish(&mut self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), self.nulls.finish())
    }
}

impl TableBuilder {
    /// An empty table.
    pub fn new(shape: Arc<Shape>) -> Self {
        let columns = shape.nodes().iter().map(|node| Column::new(node.kind)).collect();
        Self { shape, columns, rows: 0, text_bytes: 0 }
    }

    /// The shape of its records.
    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    /// Records appended since the last batch was finished.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// About how many bytes the columns hold.
    pub fn bytes(&self) -> usize {
        self.text_bytes + self.rows * self.columns.len() * CELL_OVERHEAD
    }

    /// Appends a completed record of this shape.
    pub fn append(&mut self, record: &Record<'_>) {
        let shape = Arc::clone(&self.shape);
        let row = self.rows;
        self.append_children(&shape, record, Scope::EVENT, NodeId::ROOT, row);
        self.rows += 1;
    }

    /// Appends what a scope has below a node as row `row` of its columns.
    fn append_children(&mut self, shape: &Shape, record: &Record<'_>, scope: Scope, parent: NodeId, row: usize) {
        for id in shape.children(parent) {
            let cell = record.get(scope, id);
            let column = &mut self.columns[id.index()];
            if let Column::Map { .. } = column {
                self.append_unmapped(id, record, row);
                continue;
            }
            if cell.is_null() {
                continue;
            }
            column.pad(row);
            match (column, cell) {
                (Column::Object(present), _) => {
                    present.append_non_null();
                    self.append_children(shape, record, scope, id, row);
                }
                (Column::List(list), Cell::List { start, len }) => {
                    let first = list.elements();
                    list.push(len as usize);
                    for index in 0..len {
                        let element = record.element(shape, id, start, index);
                        self.append_children(shape, record, element, id, first + index as usize);
                    }
                }
                (Column::ScalarList(list, values), Cell::List { start, len }) => {
                    list.push(len as usize);
                    for value in record.scalars(start, len) {
                        self.text_bytes += values.append(*value);
                    }
                }
                (scalar, cell) => self.text_bytes += scalar.append(cell),
            }
        }
    }

    fn append_unmapped(&mut self, id: NodeId, record: &Record<'_>, row: usize) {
        let entries = record.unmapped();
        if entries.is_empty() {
            return;
        }
        let column = &mut self.columns[id.index()];
        column.pad(row);
        if let Column::Map { list, keys, values } = column {
            list.push(entries.len());
            for (key, value) in entries {
                keys.append_value(key);
                values.append_value(value);
                self.text_bytes += key.len() + value.len() + 2 * CELL_OVERHEAD;
            }
        }
    }

    /// The records appended so far as one batch; the builder is empty afterwards and can be used on.
    ///
    /// # Errors
    /// [`ArrowError`] if the columns do not fit the schema, for example where a record was appended that
    /// [`Shape::check`] refuses.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let shape = Arc::clone(&self.shape);
        let schema = Arc::clone(shape.arrow_schema());
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
        self.columns[id.index()].pad(rows);
        Ok(match (field.data_type(), &shape.node(id).kind) {
            (DataType::Struct(fields), _) => {
                let children = self.finish_children(shape, id, fields, rows)?;
                let Column::Object(nulls) = &mut self.columns[id.index()] else {
                    return Err(mismatch(field));
                };
                Arc::new(StructArray::try_new(fields.clone(), children, nulls.finish())?)
            }
            (DataType::List(element), NodeKind::ObjectList) => {
                let DataType::Struct(fields) = element.data_type() else {
                    return Err(mismatch(field));
                };
                let elements = match &self.columns[id.index()] {
                    Column::List(list) => list.elements(),
                    _ => return Err(mismatch(field)),
                };
                let children = self.finish_children(shape, id, fields, elements)?;
                let items = StructArray::try_new(fields.clone(), children, None)?;
                let Column::List(list) = &mut self.columns[id.index()] else {
                    return Err(mismatch(field));
                };
                let (offsets, nulls) = list.finish();
                Arc::new(ListArray::try_new(Arc::clone(element), offsets, Arc::new(items), nulls)?)
            }
            (DataType::List(element), _) => {
                let Column::ScalarList(list, values) = &mut self.columns[id.index()] else {
                    return Err(mismatch(field));
                };
                let values = values.finish().ok_or_else(|| mismatch(field))?;
                let (offsets, nulls) = list.finish();
                Arc::new(ListArray::try_new(Arc::clone(element), offsets, values, nulls)?)
            }
            (DataType::Map(entry, sorted), _) => {
                let DataType::Struct(fields) = entry.data_type() else {
                    return Err(mismatch(field));
                };
                let Column::Map { list, keys, values } = &mut self.columns[id.index()] else {
                    return Err(mismatch(field));
                };
                let texts: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(values.finish())];
                let entries = StructArray::try_new(fields.clone(), texts, None)?;
                let (offsets, nulls) = list.finish();
                Arc::new(MapArray::try_new(Arc::clone(entry), offsets, entries, nulls, *sorted)?)
            }
            _ => self.columns[id.index()].finish().ok_or_else(|| mismatch(field))?,
        })
    }
}

fn mismatch(field: &Field) -> ArrowError {
    ArrowError::SchemaError(format!("column `{}` is not built as {}", field.name(), field.data_type()))
}

impl Column {
    fn new(kind: NodeKind) -> Self {
        match kind {
            NodeKind::Object => Self::Object(NullBufferBuilder::new(0)),
            NodeKind::ObjectList => Self::List(ListColumn::new()),
            NodeKind::Map => {
                Self::Map { list: ListColumn::new(), keys: StringBuilder::new(), values: StringBuilder::new() }
            }
            NodeKind::ScalarList(scalar) => Self::ScalarList(ListColumn::new(), Box::new(Self::scalar(scalar))),
            NodeKind::Scalar(scalar) => Self::scalar(scalar),
        }
    }

    fn scalar(scalar: crate::schema::ScalarType) -> Self {
        match arrow_type(scalar) {
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            DataType::Int32 => Self::Int32(Int32Builder::new()),
            DataType::Int64 => Self::Int64(Int64Builder::new()),
            DataType::Float64 => Self::Float64(Float64Builder::new()),
            DataType::Timestamp(_, zone) => Self::Instant(TimestampMillisecondBuilder::new().with_timezone_opt(zone)),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::Text(builder) => builder.len(),
            Self::Int32(builder) => builder.len(),
            Self::Int64(builder) => builder.len(),
            Self::Float64(builder) => builder.len(),
            Self::Boolean(builder) => builder.len(),
            Self::Instant(builder) => builder.len(),
            Self::Object(present) => present.len(),
            Self::List(list) | Self::ScalarList(list, _) | Self::Map { list, .. } => list.rows(),
        }
    }

    /// Nulls up to `rows`.
    fn pad(&mut self, rows: usize) {
        if self.rows() == rows {
            return;
        }
        match self {
            Self::Text(builder) => builder.append_nulls(rows - builder.len()),
            Self::Int32(builder) => builder.append_nulls(rows - builder.len()),
            Self::Int64(builder) => builder.append_nulls(rows - builder.len()),
            Self::Float64(builder) => builder.append_nulls(rows - builder.len()),
            Self::Boolean(builder) => builder.append_nulls(rows - builder.len()),
            Self::Instant(builder) => builder.append_nulls(rows - builder.len()),
            Self::Object(present) => present.append_n_nulls(rows - present.len()),
            Self::List(list) | Self::ScalarList(list, _) | Self::Map { list, .. } => list.pad(rows),
        }
    }

    /// Appends a scalar; a cell of another type than the column's is no value. Gives the bytes of text added.
    fn append(&mut self, cell: Cell<'_>) -> usize {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => {
                builder.append_value(text);
                return text.len();
            }
            (Self::Text(builder), Cell::Null) => builder.append_null(),
            // An observable's value is text whatever the type of the attribute it repeats.
            (Self::Text(builder), Cell::Integer(value)) => {
                // Writing into a string builder cannot fail.
                let _ = write!(builder, "{value}");
                builder.append_value("");
            }
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Int32(builder), Cell::Integer(value)) => builder.append_option(i32::try_from(value).ok()),
            (Self::Int32(builder), _) => builder.append_null(),
            (Self::Int64(builder), Cell::Integer(value)) => builder.append_value(value),
            (Self::Int64(builder), _) => builder.append_null(),
            (Self::Float64(builder), Cell::Float(value)) => builder.append_value(value),
            (Self::Float64(builder), Cell::Integer(value)) => builder.append_value(value as f64),
            (Self::Float64(builder), _) => builder.append_null(),
            (Self::Boolean(builder), Cell::Boolean(value)) => builder.append_value(value),
            (Self::Boolean(builder), _) => builder.append_null(),
            (Self::Instant(builder), Cell::Integer(value)) => builder.append_value(value),
            (Self::Instant(builder), _) => builder.append_null(),
            (Self::Object(_) | Self::List(_) | Self::ScalarList(..) | Self::Map { .. }, _) => {}
        }
        0
    }

    fn finish(&mut self) -> Option<ArrayRef> {
        Some(match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Int32(builder) => Arc::new(builder.finish()),
            Self::Int64(builder) => Arc::new(builder.finish()),
            Self::Float64(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Instant(builder) => Arc::new(builder.finish()),
            Self::Object(_) | Self::List(_) | Self::ScalarList(..) | Self::Map { .. } => {
                return None;
            }
        })
    }
}
