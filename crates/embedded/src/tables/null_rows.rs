//! Fields below rows that are null, as a file is read.
//!
//! OCSF's required attributes are required fields of the objects' Parquet groups. Where such an object is absent, the reader hands
//! out an empty text or a zero for them: only the group around says that there is nothing. DataFusion's `get_field`, and the
//! cast that makes a file's column one of the table, hand these values on. So a path to an absent object would be an empty text
//! in place of NULL. The adapter here puts NULL there, and leaves both recognisable, so that a scan still reads just the parts of
//! a column that are asked for.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, RecordBatch, StructArray};
use datafusion::arrow::compute::{is_null, nullif};
use datafusion::arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::{CastExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};

/// Makes adapters that read fields below rows that are null as NULL.
#[derive(Debug)]
pub(super) struct NullRows;

#[derive(Debug)]
struct Adapter(Arc<dyn PhysicalExprAdapter>);

impl PhysicalExprAdapterFactory for NullRows {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        Ok(Arc::new(Adapter(DefaultPhysicalExprAdapterFactory.create(logical, physical)?)))
    }
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let adapted = self.0.rewrite(expr)?.transform_down(|node| {
            let is_read = field_access(&node).is_some() || node.downcast_ref::<CastExpr>().is_some_and(is_of_rows);
            Ok(match is_read {
                true => {
                    Transformed::new(Arc::new(Masked(node)) as Arc<dyn PhysicalExpr>, true, TreeNodeRecursion::Jump)
                }
                false => Transformed::no(node),
            })
        })?;
        Ok(adapted.data)
    }
}

fn is_of_rows(cast: &CastExpr) -> bool {
    holds_rows(cast.target_field().data_type())
}

fn holds_rows(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(_) => true,
        DataType::List(element) | DataType::LargeList(element) => holds_rows(element.data_type()),
        _ => false,
    }
}

/// The row and the names of the fields of a `get_field`.
fn field_access(expr: &Arc<dyn PhysicalExpr>) -> Option<(&Arc<dyn PhysicalExpr>, Vec<&str>)> {
    let call = ScalarFunctionExpr::try_downcast_func::<GetFieldFunc>(expr.as_ref())?;
    let (row, names) = call.args().split_first()?;
    let names = names.iter().map(|expr| expr.downcast_ref::<Literal>()?.value().try_as_str().flatten());
    Some((row, names.collect::<Option<_>>()?))
}

/// The expression, with NULL below rows that are null.
#[derive(Debug, Eq)]
struct Masked(Arc<dyn PhysicalExpr>);

impl PartialEq for Masked {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq(&other.0)
    }
}

impl Hash for Masked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PhysicalExpr for Masked {
    fn return_field(&self, input: &Schema) -> Result<FieldRef> {
        let field = self.0.return_field(input)?;
        Ok(Arc::new(field.as_ref().clone().with_nullable(true)))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Array(masked(&self.0, batch)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.0]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(children.into_iter().next().map_or(self as Arc<dyn PhysicalExpr>, |child| Arc::new(Self(child))))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_sql(f)
    }
}

fn masked(expr: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<ArrayRef> {
    if let Some((row, names)) = field_access(expr) {
        let mut value = masked(row, batch)?;
        for name in names {
            // A map is asked for a key, which is not a part of it that a null could stand above.
            let Some(field) = value.as_struct_opt().and_then(|rows| rows.column_by_name(name)) else {
                return expr.evaluate(batch)?.into_array(batch.num_rows());
            };
            value = below(&value, field)?;
        }
        return Ok(value);
    }
    let value = expr.evaluate(batch)?.into_array(batch.num_rows())?;
    if expr.is::<CastExpr>() { whole(&value) } else { Ok(value) }
}

/// A field of rows: null where the row is. A field that has nulls of its own knows of those around it: a reader counts levels.
fn below(rows: &ArrayRef, field: &ArrayRef) -> Result<ArrayRef> {
    if rows.null_count() == 0 || field.nulls().is_some() || matches!(field.data_type(), DataType::Null) {
        return Ok(Arc::clone(field));
    }
    Ok(nullif(field, &is_null(rows)?)?)
}

/// Rows, or arrays of them, with NULL in each field of a row that is null.
fn whole(value: &ArrayRef) -> Result<ArrayRef> {
    match value.data_type() {
        DataType::Struct(fields) => {
            let rows = value.as_struct();
            let columns =
                rows.columns().iter().map(|field| whole(&below(value, field)?)).collect::<Result<Vec<_>>>()?;
            let nulls = rows.nulls().cloned();
            Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, rows.len())?))
        }
        DataType::List(element) if holds_rows(element.data_type()) => elements(value.as_list::<i32>(), element),
        DataType::LargeList(element) if holds_rows(element.data_type()) => elements(value.as_list::<i64>(), element),
        _ => Ok(Arc::clone(value)),
    }
}

fn elements<O: OffsetSizeTrait>(list: &GenericListArray<O>, element: &FieldRef) -> Result<ArrayRef> {
    let values = whole(list.values())?;
    let (offsets, nulls) = (list.offsets().clone(), list.nulls().cloned());
    Ok(Arc::new(GenericListArray::try_new(Arc::clone(element), offsets, values, nulls)?))
}
