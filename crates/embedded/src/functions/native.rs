//! Functions for DataFusion whose types are settled before they are made, and the reading and writing of their cells.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Decimal128Builder, Float32Builder, Float64Builder,
    Int8Builder, Int16Builder, ListArray, StringBuilder, new_empty_array, new_null_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{CastOptions, cast_with_options, concat};
use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::error::internal;
use crate::types::Type;

/// An expression and its type.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) expr: Expr,
    pub(crate) ty: Type,
}

impl Typed {
    pub(crate) fn new(expr: Expr, ty: Type) -> Self {
        Self { expr, ty }
    }

    pub(crate) fn literal(value: ScalarValue, ty: Type) -> Self {
        Self { expr: Expr::Literal(value, None), ty }
    }

    pub(crate) fn text(value: impl Into<String>) -> Self {
        Self::literal(ScalarValue::Utf8(Some(value.into())), Type::Varchar)
    }

    pub(crate) fn as_literal(&self) -> Option<&ScalarValue> {
        match &self.expr {
            Expr::Literal(value, _) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self.as_literal() {
            Some(ScalarValue::Utf8(Some(text))) => Some(text),
            _ => None,
        }
    }
}

/// What a function does with its evaluated arguments, for so many rows.
pub(crate) type Body = Arc<dyn Fn(&[ColumnarValue], usize) -> Result<ColumnarValue> + Send + Sync>;

/// A function with fixed types. Two are the same if their names, keys and types are.
#[derive(Clone)]
pub(crate) struct Native {
    name: String,
    key: String,
    /// What tells this call from others, its arguments as they were made included.
    fingerprint: u64,
    signature: Signature,
    returns: DataType,
    body: Body,
}

impl fmt::Debug for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Native").field("name", &self.name).field("key", &self.key).finish_non_exhaustive()
    }
}

impl PartialEq for Native {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.key == other.key && self.returns == other.returns
    }
}

impl Eq for Native {}

impl Hash for Native {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.key.hash(state);
    }
}

impl ScalarUDFImpl for Native {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    /// A name of fixed length. DataFusion asks for it at each level of an expression, and by itself would make it of the
    /// names of all levels below: time that grows by the cube of the depth.
    fn schema_name(&self, _: &[Expr]) -> Result<String> {
        Ok(format!("{}#{:016x}", self.name, self.fingerprint))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        (self.body)(&args.args, args.number_rows)
    }
}

/// A call of a function that is made here. `key` tells apart functions of one name that differ in what is not an argument.
pub(crate) fn call(name: &str, key: impl Into<String>, arguments: Vec<Typed>, returns: Type, body: Body) -> Typed {
    made(name, key.into(), arguments, returns, Volatility::Immutable, body)
}

/// The value, computed where it stands: the optimizer does not put what it is computed from in its place.
pub(crate) fn kept(value: Typed) -> Typed {
    let returns = value.ty.clone();
    let body: Body = Arc::new(|arguments, _| Ok(arguments[0].clone()));
    made("kept", String::new(), vec![value], returns, Volatility::Volatile, body)
}

fn made(name: &str, key: String, arguments: Vec<Typed>, returns: Type, volatility: Volatility, body: Body) -> Typed {
    let types: Vec<String> = arguments.iter().map(|argument| argument.ty.to_string()).collect();
    let key = format!("{}|{key}", types.join(","));
    let mut hasher = DefaultHasher::new();
    (name, &key).hash(&mut hasher);
    for argument in &arguments {
        match &argument.expr {
            Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Native>() {
                Some(native) => native.fingerprint.hash(&mut hasher),
                None => argument.expr.hash(&mut hasher),
            },
            other => other.hash(&mut hasher),
        }
    }
    let native = Native {
        name: name.to_owned(),
        key,
        fingerprint: hasher.finish(),
        signature: Signature::user_defined(volatility),
        returns: returns.arrow(),
        body,
    };
    let arguments = arguments.into_iter().map(|argument| argument.expr).collect();
    Typed::new(ScalarUDF::new_from_impl(native).call(arguments), returns)
}

/// A failure that `TRY` turns into null.
pub(crate) fn failed(text: impl Into<String>) -> DataFusionError {
    DataFusionError::Execution(text.into())
}

/// A fault of this engine: a value is not what the analysis promised. `TRY` does not turn it into null.
pub(crate) fn mistake(expected: impl fmt::Display, found: impl fmt::Display) -> DataFusionError {
    DataFusionError::External(Box::new(internal(expected, found)))
}

/// Whether `TRY` and `TRY_CAST` turn the error into null: what values cause, not what the engine lacks.
pub(crate) fn is_caught(error: &DataFusionError) -> bool {
    match error {
        DataFusionError::Execution(_) => true,
        DataFusionError::ArrowError(..) => true,
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => is_caught(inner),
        DataFusionError::Shared(inner) => is_caught(inner),
        _ => false,
    }
}

/// A position as Arrow's kernels take it: they count in 32 bits.
pub(crate) fn position(at: usize) -> Result<u32> {
    u32::try_from(at).map_err(|_| failed(format!("more than {} values in one batch", u32::MAX)))
}

/// A length as a bigint.
pub(crate) fn whole(length: usize) -> Result<i64> {
    i64::try_from(length).map_err(|_| mistake("a length of 63 bits", length))
}

// --- cells ----------------------------------------------------------------------------------------------------------

/// One value of an argument.
#[derive(Debug, Clone)]
pub(crate) enum Cell<'a> {
    Null,
    Boolean(bool),
    /// Integers, dates in days, timestamps in their unit, intervals.
    Integer(i64),
    Double(f64),
    Decimal(i128),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// A list's elements.
    List(ArrayRef),
    /// A value of a type that is not read cell by cell, as a row or a map.
    Other(&'a DataType),
}

impl<'a> Cell<'a> {
    /// What it is, for [`mistake`].
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Double(_) => "a double",
            Self::Decimal(_) => "a decimal",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Other(_) => "a row or a map",
        }
    }

    pub(crate) fn text(&self) -> Result<&'a str> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(mistake("a text", other.kind())),
        }
    }

    pub(crate) fn bytes(&self) -> Result<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            other => Err(mistake("bytes", other.kind())),
        }
    }

    pub(crate) fn integer(&self) -> Result<i64> {
        match self {
            Self::Integer(value) => Ok(*value),
            other => Err(mistake("an integer", other.kind())),
        }
    }

    pub(crate) fn double(&self) -> Result<f64> {
        match self {
            Self::Double(value) => Ok(*value),
            other => Err(mistake("a double", other.kind())),
        }
    }

    pub(crate) fn list(&self) -> Result<ArrayRef> {
        match self {
            Self::List(elements) => Ok(Arc::clone(elements)),
            other => Err(mistake("a list", other.kind())),
        }
    }
}

/// The cell of `array` at `row`.
pub(crate) fn cell(array: &dyn Array, row: usize) -> Cell<'_> {
    if array.is_null(row) {
        return Cell::Null;
    }
    match array.data_type() {
        DataType::Boolean => Cell::Boolean(array.as_boolean().value(row)),
        DataType::Int8 => Cell::Integer(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Cell::Integer(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Cell::Integer(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Date32 => Cell::Integer(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Int64 => Cell::Integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Cell::Integer(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Cell::Integer(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Cell::Integer(array.as_primitive::<TimestampNanosecondType>().value(row))
        }
        DataType::Float32 => Cell::Double(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Cell::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => Cell::Decimal(array.as_primitive::<Decimal128Type>().value(row)),
        DataType::Utf8 => Cell::Text(array.as_string::<i32>().value(row)),
        DataType::Binary => Cell::Bytes(array.as_binary::<i32>().value(row)),
        DataType::List(_) => Cell::List(array.as_list::<i32>().value(row)),
        DataType::Null => Cell::Null,
        other => Cell::Other(other),
    }
}

/// One value of a result.
#[derive(Debug, Clone)]
pub(crate) enum Out {
    Null,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Decimal(i128),
    Text(String),
    Bytes(Vec<u8>),
    List(ArrayRef),
}

impl Out {
    /// Of a cell, the value that it is.
    pub(crate) fn of(cell: &Cell<'_>) -> Result<Self> {
        Ok(match cell {
            Cell::Null => Self::Null,
            Cell::Boolean(value) => Self::Boolean(*value),
            Cell::Integer(value) => Self::Integer(*value),
            Cell::Double(value) => Self::Double(*value),
            Cell::Decimal(value) => Self::Decimal(*value),
            Cell::Text(text) => Self::Text((*text).to_owned()),
            Cell::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
            Cell::List(list) => Self::List(Arc::clone(list)),
            Cell::Other(other) => return Err(mistake("a scalar or a list", other)),
        })
    }

    /// Null is a value of every type; anything else must be of the type of the array.
    fn null(self, expected: &DataType) -> Result<()> {
        match self {
            Self::Null => Ok(()),
            other => Err(mistake(expected, format_args!("{other:?}"))),
        }
    }
}

impl From<Option<String>> for Out {
    fn from(value: Option<String>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }
}

impl From<Option<i64>> for Out {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Self::Null, Self::Integer)
    }
}

/// The values as an array of `data_type`.
pub(crate) fn build(data_type: &DataType, values: Vec<Out>) -> Result<ArrayRef> {
    macro_rules! collect {
        ($builder:expr, $variant:ident, $convert:expr) => {{
            let mut builder = $builder;
            for value in values {
                match value {
                    Out::$variant(value) => builder.append_value($convert(value)?),
                    other => {
                        other.null(data_type)?;
                        builder.append_null();
                    }
                }
            }
            Arc::new(builder.finish()) as ArrayRef
        }};
    }
    fn narrow<T: TryFrom<i64>>(value: i64) -> Result<T> {
        T::try_from(value).map_err(|_| failed(format!("value out of range: {value}")))
    }
    macro_rules! integers {
        ($type:ty) => {{
            let values = values
                .into_iter()
                .map(|value| match value {
                    Out::Integer(value) => narrow(value).map(Some),
                    other => other.null(data_type).map(|()| None),
                })
                .collect::<Result<Vec<Option<_>>>>()?;
            Arc::new(datafusion::arrow::array::PrimitiveArray::<$type>::from_iter(values)) as ArrayRef
        }};
    }
    Ok(match data_type {
        DataType::Null => {
            let length = values.len();
            values.into_iter().try_for_each(|value| value.null(data_type))?;
            new_null_array(&DataType::Null, length)
        }
        DataType::Boolean => collect!(BooleanBuilder::new(), Boolean, Ok::<_, DataFusionError>),
        DataType::Int8 => collect!(Int8Builder::new(), Integer, narrow::<i8>),
        DataType::Int16 => collect!(Int16Builder::new(), Integer, narrow::<i16>),
        DataType::Int32 => integers!(Int32Type),
        DataType::Date32 => integers!(Date32Type),
        DataType::Int64 => integers!(Int64Type),
        DataType::Timestamp(unit, zone) => {
            let array = match unit {
                TimeUnit::Microsecond => integers!(TimestampMicrosecondType),
                TimeUnit::Nanosecond => integers!(TimestampNanosecondType),
                _ => integers!(TimestampMillisecondType),
            };
            match zone {
                Some(_) => conform(&conform(&array, &DataType::Int64)?, data_type)?,
                None => array,
            }
        }
        DataType::Float32 => {
            #[expect(clippy::cast_possible_truncation, reason = "a real is what is wanted")]
            let narrow = |value: f64| Ok::<_, DataFusionError>(value as f32);
            collect!(Float32Builder::new(), Double, narrow)
        }
        DataType::Float64 => collect!(Float64Builder::new(), Double, Ok::<_, DataFusionError>),
        DataType::Decimal128(precision, scale) => {
            let limit = 10_i128.pow(u32::from(*precision));
            let check = |value: i128| {
                if value.abs() < limit { Ok(value) } else { Err(failed("decimal overflow")) }
            };
            let builder = Decimal128Builder::new().with_precision_and_scale(*precision, *scale)?;
            collect!(builder, Decimal, check)
        }
        DataType::Utf8 => collect!(StringBuilder::new(), Text, Ok::<_, DataFusionError>),
        DataType::Binary => collect!(BinaryBuilder::new(), Bytes, Ok::<_, DataFusionError>),
        DataType::List(element) => {
            let lists = values
                .into_iter()
                .map(|value| match value {
                    Out::List(elements) => Ok(Some(elements)),
                    other => other.null(data_type).map(|()| None),
                })
                .collect::<Result<Vec<_>>>()?;
            Arc::new(list_of(element, &lists)?)
        }
        other => return Err(mistake("a type of cells", other)),
    })
}

/// Lists made of each row's elements.
pub(crate) fn list_of(element: &Arc<Field>, lists: &[Option<ArrayRef>]) -> Result<ListArray> {
    let lengths = lists.iter().map(|list| list.as_ref().map_or(0, |elements| elements.len()));
    let offsets = OffsetBuffer::from_lengths(lengths);
    let parts: Vec<&dyn Array> = lists.iter().flatten().map(AsRef::as_ref).collect();
    let values = if parts.is_empty() { new_empty_array(element.data_type()) } else { concat(&parts)? };
    let values = conform(&values, element.data_type())?;
    let nulls = NullBuffer::from(lists.iter().map(Option::is_some).collect::<Vec<bool>>());
    Ok(ListArray::try_new(Arc::clone(element), offsets, values, Some(nulls))?)
}

/// A body that is computed row by row; `cells` are given only if none of them is null.
pub(crate) fn strict(returns: &Type, row: impl Fn(&[Cell<'_>]) -> Result<Out> + Send + Sync + 'static) -> Body {
    by_row(
        returns,
        move |cells| {
            if cells.iter().any(|cell| matches!(cell, Cell::Null)) { Ok(Out::Null) } else { row(cells) }
        },
    )
}

/// A body that is computed row by row, nulls and all.
pub(crate) fn by_row(returns: &Type, row: impl Fn(&[Cell<'_>]) -> Result<Out> + Send + Sync + 'static) -> Body {
    let returns = returns.arrow();
    Arc::new(move |arguments, rows| {
        let constant = arguments.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let arrays = arguments
            .iter()
            .map(|argument| match argument {
                ColumnarValue::Array(array) => Ok((Arc::clone(array), false)),
                ColumnarValue::Scalar(value) => Ok((value.to_array()?, true)),
            })
            .collect::<Result<Vec<_>>>()?;
        let rows = if constant { 1 } else { rows };
        let mut values = Vec::with_capacity(rows);
        let mut cells = Vec::with_capacity(arrays.len());
        for at in 0..rows {
            cells.clear();
            cells.extend(arrays.iter().map(|(array, single)| cell(array.as_ref(), if *single { 0 } else { at })));
            values.push(row(&cells)?);
        }
        let array = build(&returns, values)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    })
}

/// A body over whole arrays of one length.
pub(crate) fn by_array(body: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static) -> Body {
    Arc::new(move |arguments, rows| {
        let constant =
            !arguments.is_empty() && arguments.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { rows };
        let arrays = arguments.iter().map(|argument| argument.clone().into_array(rows)).collect::<Result<Vec<_>>>()?;
        let array = body(&arrays)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    })
}

/// The array as one of `data_type`: the same values, other names of fields. A value that the type cannot hold is an error.
pub(crate) fn conform(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if array.data_type() == data_type {
        return Ok(Arc::clone(array));
    }
    let exact = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, data_type, &exact).map_err(|error| mistake(data_type, error))
}

/// The value as one that may be null for DataFusion, which believes in what it is told of columns.
pub(crate) fn nullable(value: Typed) -> Typed {
    let returns = value.ty.clone();
    call("nullable", "", vec![value], returns, Arc::new(|arguments, _| Ok(arguments[0].clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_than_promised_is_an_error_and_no_null() {
        assert!(Cell::Integer(1).text().is_err() && Cell::Null.integer().is_err() && Cell::Text("1").double().is_err());
        assert!(build(&DataType::Int64, vec![Out::Text("1".to_owned())]).is_err());
        assert!(build(&DataType::Utf8, vec![Out::Null, Out::Integer(1)]).is_err());
        let rows = Arc::new(datafusion::arrow::array::StructArray::new_empty_fields(1, None)) as ArrayRef;
        assert!(matches!(cell(rows.as_ref(), 0), Cell::Other(_)) && Out::of(&cell(rows.as_ref(), 0)).is_err());
        let texts = Arc::new(datafusion::arrow::array::StringArray::from(vec!["x"])) as ArrayRef;
        assert!(conform(&texts, &DataType::Int64).is_err());
    }

    #[test]
    fn try_makes_null_of_what_a_value_causes_and_not_of_a_mistake() {
        assert!(is_caught(&failed("Division by zero")));
        assert!(!is_caught(&mistake("a text", "an integer")));
    }
}
