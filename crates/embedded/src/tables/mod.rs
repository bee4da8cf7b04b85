//! The tables that statements can name.

mod folder;
mod meter;
mod null_rows;

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use query::QueryError;
use sql::table::{Layout, Table};

use crate::types::Type;

pub(crate) use folder::Folder;
pub(crate) use meter::{Meter, STORE_URL};

/// A table as statements see it.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) database: String,
    pub(crate) name: String,
    pub(crate) columns: Vec<RelationColumn>,
    pub(crate) layout: Layout,
    pub(crate) dialect: String,
    pub(crate) provider: Arc<dyn TableProvider>,
}

/// A column of a [`Relation`].
#[derive(Debug, Clone)]
pub(crate) struct RelationColumn {
    /// The name in the Arrow schema.
    pub(crate) name: String,
    pub(crate) column_type: Type,
}

impl Relation {
    /// A table in memory. Columns of `batches` are found by name, without regard to case, and are cast to their types.
    pub(crate) fn in_memory(table: &Table, batches: &[RecordBatch]) -> Result<Self, QueryError> {
        let columns = table
            .columns
            .iter()
            .map(|(name, column_type)| {
                let column_type = Type::of_column(column_type).ok_or_else(|| {
                    QueryError::Invalid(format!("the column `{name}` of `{}` has a type unknown here", table.name))
                })?;
                Ok(RelationColumn { name: name.to_lowercase(), column_type })
            })
            .collect::<Result<Vec<_>, QueryError>>()?;
        let schema = schema_of(&columns);
        let batches =
            batches.iter().map(|batch| conform(&table.name, batch, &schema)).collect::<Result<Vec<_>, _>>()?;
        let provider = MemTable::try_new(schema, vec![batches])
            .map_err(|error| QueryError::Invalid(format!("the table `{}`: {error}", table.name)))?;
        Ok(Self {
            database: table.database.to_lowercase(),
            name: table.name.to_lowercase(),
            columns,
            layout: table.layout,
            dialect: table.dialect.clone(),
            provider: Arc::new(provider),
        })
    }

    pub(crate) fn describe(&self) -> Table {
        Table {
            database: self.database.clone(),
            name: self.name.clone(),
            columns: self
                .columns
                .iter()
                .map(|column| (column.name.to_lowercase(), column.column_type.column_type()))
                .collect(),
            layout: self.layout,
            dialect: self.dialect.clone(),
        }
    }
}

fn schema_of(columns: &[RelationColumn]) -> SchemaRef {
    let fields: Vec<Field> =
        columns.iter().map(|column| Field::new(&column.name, column.column_type.arrow(), true)).collect();
    Arc::new(Schema::new(fields))
}

/// The columns of `batch` in the order and with the types of `schema`.
fn conform(table: &str, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, QueryError> {
    let invalid = |text: String| QueryError::Invalid(format!("the rows given for `{table}`: {text}"));
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let at = batch
                .schema()
                .fields()
                .iter()
                .position(|given| given.name().eq_ignore_ascii_case(field.name()))
                .ok_or_else(|| invalid(format!("there is no column `{}`", field.name())))?;
            cast_with_options(batch.column(at), field.data_type(), &strict)
                .map_err(|error| invalid(format!("column `{}`: {error}", field.name())))
        })
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    RecordBatch::try_new(schema.clone(), columns).map_err(|error| invalid(error.to_string()))
}
