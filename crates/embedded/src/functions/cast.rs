//! `CAST`, `TRY_CAST` and the coercions that Trino makes by itself.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_empty_array, new_null_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, Expr};
use query::QueryError;

use super::dates::moments;
use super::dates::moments::is_moment;
use super::dates::reading::{parse_date, parse_timestamp, parse_timestamp_tz};
use super::json_text;
use super::json_text::Node;
use super::native::{Cell, Out, Typed, build, call, cell, failed, is_caught, list_of, mistake};
use super::numbers::{divide_half_up, parse_decimal, parse_double, rescale, round_to_integer, trimmed};
use crate::text_form;
use crate::types::{Type, row_fields};

/// Whether Trino has a cast between the types.
fn is_castable(from: &Type, to: &Type) -> bool {
    use Type::{
        Array, Bigint, Boolean, Date, DayInterval, Decimal, Double, Integer, IpAddress, Json, Map, MonthInterval, Real,
        Row, Smallint, Timestamp, TimestampTz, Tinyint, Unknown, Varbinary, Varchar,
    };
    if from == to || *from == Unknown {
        return true;
    }
    match (from, to) {
        (Boolean | Tinyint | Smallint | Integer | Bigint | Real | Double | Decimal(..), to) => {
            to.is_number() || matches!(to, Boolean | Varchar | Json)
        }
        (Varchar, to) => {
            to.is_number() || matches!(to, Boolean | Date | Timestamp(_) | TimestampTz(..) | Json | IpAddress)
        }
        (Date | Timestamp(_) | TimestampTz(..), to) => {
            matches!(to, Date | Timestamp(_) | TimestampTz(..) | Varchar)
                || (*to == Json && !matches!(from, TimestampTz(..)))
        }
        (DayInterval | MonthInterval, Varchar) | (IpAddress, Varchar | Varbinary) | (Varbinary, IpAddress) => true,
        (Json, Array(element)) => *element.as_ref() == Json || is_castable(&Json, element),
        (Json, Map(key, value)) => is_castable(&Varchar, key) && (*value.as_ref() == Json || is_castable(&Json, value)),
        (Json, Row(fields)) => fields.iter().all(|(_, field)| *field == Json || is_castable(&Json, field)),
        (Json, to) => to.is_number() || matches!(to, Boolean | Varchar),
        (Array(element), Json) => is_json(element),
        (Map(key, value), Json) => (key.is_number() || matches!(**key, Boolean | Varchar)) && is_json(value),
        (Row(fields), Json) => fields.iter().all(|(_, field)| is_json(field)),
        (Array(a), Array(b)) => is_castable(a, b),
        (Map(k1, v1), Map(k2, v2)) => is_castable(k1, k2) && is_castable(v1, v2),
        (Row(a), Row(b)) => a.len() == b.len() && a.iter().zip(b).all(|((_, a), (_, b))| is_castable(a, b)),
        _ => false,
    }
}

fn is_json(ty: &Type) -> bool {
    *ty == Type::Json || is_castable(ty, &Type::Json)
}

/// `value` as a value of `target`, where Trino coerces it without being asked.
pub(crate) fn coerce(value: Typed, target: &Type) -> Result<Typed, QueryError> {
    cast(value, target, None, false)
}

/// `CAST(value AS target)`; with `safe`, `TRY_CAST`. `length` is that of `varchar(length)`.
pub(crate) fn cast(value: Typed, target: &Type, length: Option<u32>, safe: bool) -> Result<Typed, QueryError> {
    if !is_castable(&value.ty, target) {
        return Err(QueryError::Invalid(format!("Cannot cast {} to {target}", value.ty)));
    }
    let (from, to) = (value.ty.clone(), target.clone());
    let cut = length.map(|length| length as usize);
    if cut.is_none() && (from.arrow() == to.arrow() && is_same(&from, &to)) {
        return Ok(Typed::new(value.expr, to));
    }
    if let Some(literal) = widened(&value, target) {
        return Ok(literal);
    }
    if cut.is_none() && is_plain_widening(&from, &to) {
        return Ok(Typed::new(Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(value.expr), to.arrow())), to));
    }
    let key = format!("{from}→{to}{length:?}{safe}{}{}", zone(&from), zone(&to));
    let returns = to.clone();
    let body = move |arguments: &[ColumnarValue], _rows: usize| -> Result<ColumnarValue> {
        let (array, single) = match arguments {
            [ColumnarValue::Array(array)] => (Arc::clone(array), false),
            [ColumnarValue::Scalar(value)] => (value.to_array()?, true),
            _ => return Err(failed("a cast has one value")),
        };
        let mut result = convert_or_null(&array, &from, &to, safe)?;
        if let Some(cut) = cut {
            result = shorten(&result, cut);
        }
        if single {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    };
    Ok(call(if safe { "try_cast" } else { "cast" }, key, vec![value], returns, Arc::new(body)))
}

fn zone(ty: &Type) -> &str {
    match ty {
        Type::TimestampTz(_, zone) => zone,
        _ => "",
    }
}

/// Whether no value changes its meaning.
fn is_same(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Timestamp(a), Type::Timestamp(b)) => a <= b,
        (Type::TimestampTz(a, _), Type::TimestampTz(b, _)) => a <= b,
        (Type::Array(a), Type::Array(b)) => is_same(a, b),
        (Type::Map(k1, v1), Type::Map(k2, v2)) => is_same(k1, k2) && is_same(v1, v2),
        (Type::Row(a), Type::Row(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((n1, a), (n2, b))| n1 == n2 && is_same(a, b))
        }
        _ => from == to,
    }
}

/// Casts that DataFusion does in the same way, which its optimizer sees through.
fn is_plain_widening(from: &Type, to: &Type) -> bool {
    use Type::{Bigint, Date, Double, Integer, Real, Smallint, Timestamp, Tinyint};
    matches!(
        (from, to),
        (Tinyint, Smallint | Integer | Bigint | Real | Double)
            | (Smallint, Integer | Bigint | Real | Double)
            | (Integer, Bigint | Double)
            | (Real, Double)
            | (Date, Timestamp(_))
    ) || matches!((from, to), (Timestamp(a), Timestamp(b)) if a < b)
}

/// A literal number in a wider type, and `NULL` in any.
fn widened(value: &Typed, target: &Type) -> Option<Typed> {
    let literal = value.as_literal()?;
    if literal.is_null() {
        return Some(Typed::literal(ScalarValue::try_from(&target.arrow()).ok()?, target.clone()));
    }
    let number = match literal {
        ScalarValue::Int32(Some(value)) => i64::from(*value),
        ScalarValue::Int64(Some(value)) => *value,
        ScalarValue::Decimal128(Some(digits), _, scale) if *target == Type::Double => {
            let scale = u8::try_from(*scale).ok()?;
            let double = text_form::decimal(*digits, scale).parse().ok()?;
            return Some(Typed::literal(ScalarValue::Float64(Some(double)), Type::Double));
        }
        _ => return None,
    };
    let literal = match (&value.ty, target) {
        (Type::Integer, Type::Bigint) => ScalarValue::Int64(Some(number)),
        #[expect(clippy::cast_precision_loss, reason = "Trino rounds to the nearest double, too")]
        (Type::Integer | Type::Bigint, Type::Double) => ScalarValue::Float64(Some(number as f64)),
        (Type::Integer, Type::Smallint) => ScalarValue::Int16(Some(i16::try_from(number).ok()?)),
        (Type::Integer, Type::Tinyint) => ScalarValue::Int8(Some(i8::try_from(number).ok()?)),
        _ => return None,
    };
    Some(Typed::literal(literal, target.clone()))
}

fn shorten(array: &ArrayRef, length: usize) -> ArrayRef {
    let texts = array.as_string::<i32>();
    Arc::new(
        texts
            .iter()
            .map(|text| {
                text.map(|text| match text.char_indices().nth(length) {
                    Some((end, _)) => &text[..end],
                    None => text,
                })
            })
            .collect::<datafusion::arrow::array::StringArray>(),
    )
}

/// The values of `array` in another type. With `safe`, null where that fails.
pub(crate) fn convert_or_null(array: &ArrayRef, from: &Type, to: &Type, safe: bool) -> Result<ArrayRef> {
    if !safe {
        return convert(array, from, to);
    }
    if is_scalar(from) && is_scalar(to) {
        let values = (0..array.len())
            .map(|row| match cell(array.as_ref(), row) {
                Cell::Null => Ok(Out::Null),
                value => match convert_cell(&value, from, to) {
                    Err(error) if is_caught(&error) => Ok(Out::Null),
                    result => result,
                },
            })
            .collect::<Result<Vec<_>>>()?;
        return build(&to.arrow(), values);
    }
    match convert(array, from, to) {
        Err(error) if is_caught(&error) => {}
        result => return result,
    }
    let rows = (0..array.len())
        .map(|row| match convert(&array.slice(row, 1), from, to) {
            Err(error) if is_caught(&error) => Ok(new_null_array(&to.arrow(), 1)),
            result => result,
        })
        .collect::<Result<Vec<_>>>()?;
    let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).collect();
    Ok(if rows.is_empty() { new_empty_array(&to.arrow()) } else { concat(&rows)? })
}

fn is_scalar(ty: &Type) -> bool {
    !matches!(ty, Type::Array(_) | Type::Map(..) | Type::Row(_) | Type::Unknown)
}

/// The values of `array` in another type.
pub(crate) fn convert(array: &ArrayRef, from: &Type, to: &Type) -> Result<ArrayRef> {
    if array.data_type() == &to.arrow() && is_same(from, to) {
        return Ok(Arc::clone(array));
    }
    if *from == Type::Unknown {
        return Ok(new_null_array(&to.arrow(), array.len()));
    }
    match (from, to) {
        (Type::Array(a), Type::Array(b)) => {
            let list = array.as_list::<i32>();
            let values = convert(list.values(), a, b)?;
            let field = Arc::new(Field::new("element", b.arrow(), true));
            Ok(Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?))
        }
        (Type::Map(k1, v1), Type::Map(k2, v2)) => {
            let map = array.as_map();
            let keys = convert(map.keys(), k1, k2)?;
            let values = convert(map.values(), v1, v2)?;
            map_of(keys, values, k2, v2, map.offsets().clone(), map.nulls().cloned())
        }
        (Type::Row(a), Type::Row(b)) => {
            let rows = array.as_struct();
            let columns = a
                .iter()
                .zip(b)
                .enumerate()
                .map(|(at, ((_, a), (_, b)))| convert(rows.column(at), a, b))
                .collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(StructArray::try_new(row_fields(b), columns, rows.nulls().cloned())?))
        }
        (from, Type::Json) => {
            let values = (0..array.len())
                .map(|row| {
                    if array.is_null(row) {
                        return Ok(Out::Null);
                    }
                    let mut text = String::new();
                    write_json(array.as_ref(), row, from, &mut text)?;
                    Ok(Out::Text(text))
                })
                .collect::<Result<Vec<_>>>()?;
            build(&DataType::Utf8, values)
        }
        (Type::Json, to) if !is_scalar(to) => {
            let texts = array.as_string::<i32>();
            let nodes = texts
                .iter()
                .map(|text| {
                    text.map(|text| json_text::parse(text).ok_or_else(|| failed("Cannot read JSON"))).transpose()
                })
                .collect::<Result<Vec<_>>>()?;
            of_json(&nodes.iter().map(Option::as_ref).collect::<Vec<_>>(), to)
        }
        _ => {
            let values = (0..array.len())
                .map(|row| match cell(array.as_ref(), row) {
                    Cell::Null => Ok(Out::Null),
                    value => convert_cell(&value, from, to),
                })
                .collect::<Result<Vec<_>>>()?;
            build(&to.arrow(), values)
        }
    }
}

/// A map array with the types of `Type::Map`. Keys that repeat are an error, as in Trino.
pub(crate) fn map_of(
    keys: ArrayRef,
    values: ArrayRef,
    key: &Type,
    value: &Type,
    offsets: OffsetBuffer<i32>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let DataType::Map(entries_field, sorted) = crate::types::map_type(key.arrow(), value.arrow()) else {
        return Err(failed("not a map"));
    };
    let DataType::Struct(fields) = entries_field.data_type() else { return Err(failed("not a map")) };
    let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    Ok(Arc::new(MapArray::try_new(Arc::clone(&entries_field), offsets, entries, nulls, sorted)?))
}

fn convert_cell(value: &Cell<'_>, from: &Type, to: &Type) -> Result<Out> {
    let shown = |text: &dyn Fn(String) -> String| {
        text_form::scalar(value, from).map_or_else(|error| error, |it| failed(text(it)))
    };
    let wrong = || shown(&|it| format!("Cannot cast '{it}' to {to}"));
    let out_of_range = || shown(&|it| format!("Out of range for {to}: {it}"));
    Ok(match (from, to) {
        (_, Type::Varchar) if *from != Type::Json => Out::Text(text_form::scalar(value, from)?),
        (Type::Varchar, Type::Json) => {
            let mut text = String::new();
            json_text::write_text(value.text()?, &mut text);
            Out::Text(text)
        }
        (Type::Json, to) => {
            let node = json_text::parse(value.text()?).ok_or_else(|| failed("Cannot read JSON"))?;
            node_cell(&node, to)?
        }
        (_, Type::Boolean) => match value {
            Cell::Integer(value) => Out::Boolean(*value != 0),
            Cell::Double(value) => Out::Boolean(*value != 0.0),
            Cell::Decimal(value) => Out::Boolean(*value != 0),
            Cell::Boolean(value) => Out::Boolean(*value),
            Cell::Text(text) => match text.to_lowercase().as_str() {
                "t" | "true" | "1" => Out::Boolean(true),
                "f" | "false" | "0" => Out::Boolean(false),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        },
        (_, Type::Tinyint | Type::Smallint | Type::Integer | Type::Bigint) => {
            let number = match (from, value) {
                (_, Cell::Integer(value)) => *value,
                (_, Cell::Boolean(value)) => i64::from(*value),
                (_, Cell::Double(value)) => round_to_integer(*value).ok_or_else(out_of_range)?,
                (Type::Decimal(_, scale), Cell::Decimal(value)) => {
                    i64::try_from(divide_half_up(*value, 10_i128.pow(u32::from(*scale)))).map_err(|_| out_of_range())?
                }
                (_, Cell::Text(text)) => trimmed(text).parse().map_err(|_| wrong())?,
                _ => return Err(wrong()),
            };
            let range = match to {
                Type::Tinyint => i64::from(i8::MIN)..=i64::from(i8::MAX),
                Type::Smallint => i64::from(i16::MIN)..=i64::from(i16::MAX),
                Type::Integer => i64::from(i32::MIN)..=i64::from(i32::MAX),
                _ => i64::MIN..=i64::MAX,
            };
            if !range.contains(&number) {
                return Err(if matches!(value, Cell::Text(_)) { wrong() } else { out_of_range() });
            }
            Out::Integer(number)
        }
        (_, Type::Double | Type::Real) => Out::Double(match (from, value) {
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
            (_, Cell::Integer(value)) => *value as f64,
            (_, Cell::Boolean(value)) => f64::from(u8::from(*value)),
            (_, Cell::Double(value)) => *value,
            (Type::Decimal(_, scale), Cell::Decimal(value)) => {
                text_form::decimal(*value, *scale).parse().map_err(|_| wrong())?
            }
            (_, Cell::Text(text)) => parse_double(text).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        }),
        (_, Type::Decimal(precision, scale)) => {
            let decimal = match (from, value) {
                (_, Cell::Integer(value)) => rescale(i128::from(*value), 0, *scale),
                (_, Cell::Boolean(value)) => rescale(i128::from(*value), 0, *scale),
                (Type::Decimal(_, from), Cell::Decimal(value)) => rescale(*value, *from, *scale),
                // All digits of the double are written out, so that half a unit is rounded as what it is.
                (_, Cell::Double(value)) if value.is_finite() => parse_decimal(&format!("{value:.400}"), *scale),
                (_, Cell::Text(text)) => Some(parse_decimal(text, *scale).ok_or_else(wrong)?),
                _ => None,
            };
            let decimal = decimal.filter(|value| value.unsigned_abs() < 10_u128.pow(u32::from(*precision)));
            Out::Decimal(decimal.ok_or_else(|| shown(&|it| format!("Cannot cast {from} '{it}' to {to}")))?)
        }
        (Type::Varchar, Type::Date) => Out::Integer(
            parse_date(value.text()?).ok_or_else(|| shown(&|it| format!("Value cannot be cast to date: {it}")))?,
        ),
        (Type::Varchar, Type::Timestamp(digits)) => Out::Integer(
            parse_timestamp(value.text()?, *digits)
                .ok_or_else(|| shown(&|it| format!("Value cannot be cast to timestamp: {it}")))?,
        ),
        (Type::Varchar, Type::TimestampTz(digits, zone)) => Out::Integer(
            parse_timestamp_tz(value.text()?, *digits, zone)?
                .ok_or_else(|| shown(&|it| format!("Value cannot be cast to timestamp with time zone: {it}")))?,
        ),
        (Type::Varchar, Type::IpAddress) => Out::Bytes(
            text_form::parse_ip(value.text()?)
                .ok_or_else(|| shown(&|it| format!("Cannot cast value to IPADDRESS: {it}")))?
                .to_vec(),
        ),
        (Type::IpAddress, Type::Varbinary) => Out::Bytes(value.bytes()?.to_vec()),
        (Type::Varbinary, Type::IpAddress) => match value.bytes()? {
            bytes if bytes.len() == 16 => Out::Bytes(bytes.to_vec()),
            &[a, b, c, d] => Out::Bytes(std::net::Ipv4Addr::new(a, b, c, d).to_ipv6_mapped().octets().to_vec()),
            bytes => return Err(failed(format!("Invalid IP address binary length: {}", bytes.len()))),
        },
        (from, to) if is_moment(from) && is_moment(to) => {
            Out::Integer(moments::convert(value.integer()?, from, to).ok_or_else(wrong)?)
        }
        (from, to) => return Err(mistake(to, from)),
    })
}

// --- JSON -----------------------------------------------------------------------------------------------------------

/// Writes a value as `CAST(… AS JSON)` gives it: rows as objects with all their fields in order, maps sorted by key.
pub(crate) fn write_json(array: &dyn Array, row: usize, ty: &Type, out: &mut String) -> Result<()> {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        out.push_str("null");
        return Ok(());
    }
    match ty {
        Type::Array(element) => {
            let elements = array.as_list::<i32>().value(row);
            out.push('[');
            for at in 0..elements.len() {
                if at > 0 {
                    out.push(',');
                }
                write_json(elements.as_ref(), at, element, out)?;
            }
            out.push(']');
        }
        Type::Map(key, value) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let mut order: Vec<(String, usize)> = (0..entries.len())
                .map(|at| Ok((text_form_of_key(keys.as_ref(), at, key)?, at)))
                .collect::<Result<_>>()?;
            order.sort_by(|(one, _), (other, _)| json_text::by_name(one, other));
            out.push('{');
            for (position, (name, at)) in order.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                json_text::write_text(name, out);
                out.push(':');
                write_json(values.as_ref(), *at, value, out)?;
            }
            out.push('}');
        }
        Type::Row(fields) => {
            let rows = array.as_struct();
            out.push('{');
            for (at, (name, field)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                // The key of a field without a name is empty, as in Trino.
                json_text::write_text(name.as_deref().unwrap_or_default(), out);
                out.push(':');
                write_json(rows.column(at).as_ref(), row, field, out)?;
            }
            out.push('}');
        }
        Type::Json => out.push_str(cell(array, row).text()?),
        Type::Double => write_double(cell(array, row).double()?, text_form::java_double, out),
        Type::Real => write_double(cell(array, row).double()?, text_form::java_real, out),
        Type::Boolean | Type::Decimal(..) => out.push_str(&text_form::scalar(&cell(array, row), ty)?),
        ty if ty.is_integer() => out.push_str(&text_form::scalar(&cell(array, row), ty)?),
        ty => json_text::write_text(&text_form::scalar(&cell(array, row), ty)?, out),
    }
    Ok(())
}

fn write_double(value: f64, text: fn(f64) -> String, out: &mut String) {
    if value.is_finite() {
        out.push_str(&text(value));
    } else {
        json_text::write_text(&text_form::double(value), out);
    }
}

fn text_form_of_key(keys: &dyn Array, at: usize, ty: &Type) -> Result<String> {
    Ok(match ty {
        Type::Double => text_form::java_double(cell(keys, at).double()?),
        Type::Real => text_form::java_real(cell(keys, at).double()?),
        _ => text_form::scalar(&cell(keys, at), ty)?,
    })
}

/// JSON values as an array of a type.
fn of_json(nodes: &[Option<&Node<'_>>], to: &Type) -> Result<ArrayRef> {
    match to {
        Type::Array(element) => {
            let field = Arc::new(Field::new("element", element.arrow(), true));
            let lists = nodes
                .iter()
                .map(|node| match node {
                    None | Some(Node::Null) => Ok(None),
                    Some(Node::Array(items)) => of_json(&items.iter().map(Some).collect::<Vec<_>>(), element).map(Some),
                    Some(other) => Err(mismatch(other, to)),
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(Arc::new(list_of(&field, &lists)?))
        }
        Type::Map(key, value) => {
            let (mut names, mut values, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for node in nodes {
                let fields: &[_] = match node {
                    None | Some(Node::Null) => {
                        valid.push(false);
                        &[]
                    }
                    Some(Node::Object(fields)) => {
                        valid.push(true);
                        fields
                    }
                    Some(other) => return Err(mismatch(other, to)),
                };
                for (name, value) in fields {
                    names.push(Out::Text(name.to_string()));
                    values.push(Some(value));
                }
                lengths.push(fields.len());
            }
            let names = build(&DataType::Utf8, names)?;
            let keys = convert(&names, &Type::Varchar, key)?;
            let nulls = Some(NullBuffer::from(valid));
            map_of(keys, of_json(&values, value)?, key, value, OffsetBuffer::from_lengths(lengths), nulls)
        }
        Type::Row(fields) => {
            let mut columns: Vec<Vec<Option<&Node<'_>>>> = vec![Vec::with_capacity(nodes.len()); fields.len()];
            let mut valid = Vec::with_capacity(nodes.len());
            for node in nodes {
                match node {
                    None | Some(Node::Null) => {
                        valid.push(false);
                        columns.iter_mut().for_each(|column| column.push(None));
                    }
                    Some(Node::Array(items)) if items.len() == fields.len() => {
                        valid.push(true);
                        columns.iter_mut().zip(items).for_each(|(column, item)| column.push(Some(item)));
                    }
                    Some(Node::Object(named)) => {
                        valid.push(true);
                        for (column, (field, _)) in columns.iter_mut().zip(fields) {
                            let found = field.as_ref().and_then(|field| {
                                named.iter().find(|(name, _)| name.to_lowercase() == field.to_lowercase())
                            });
                            column.push(found.map(|(_, value)| value));
                        }
                    }
                    Some(other) => return Err(mismatch(other, to)),
                }
            }
            let columns = columns
                .iter()
                .zip(fields)
                .map(|(column, (_, field))| of_json(column, field))
                .collect::<Result<Vec<_>>>()?;
            let nulls = Some(NullBuffer::from(valid));
            Ok(Arc::new(StructArray::try_new_with_length(row_fields(fields), columns, nulls, nodes.len())?))
        }
        Type::Json => {
            let texts =
                nodes.iter().map(|node| node.map_or(Out::Null, |node| Out::Text(json_text::to_string(node)))).collect();
            build(&DataType::Utf8, texts)
        }
        scalar => {
            let values = nodes
                .iter()
                .map(|node| node.map_or(Ok(Out::Null), |node| node_cell(node, scalar)))
                .collect::<Result<Vec<_>>>()?;
            build(&scalar.arrow(), values)
        }
    }
}

fn mismatch(node: &Node<'_>, to: &Type) -> datafusion::common::DataFusionError {
    failed(format!("Cannot cast to {to}. Unexpected JSON: {}", json_text::to_string(node)))
}

/// A JSON value as a scalar.
fn node_cell(node: &Node<'_>, to: &Type) -> Result<Out> {
    Ok(match (node, to) {
        (Node::Null, _) => Out::Null,
        (Node::Text(text), Type::Varchar) => Out::Text(text.to_string()),
        (Node::Text(text), to) => convert_cell(&Cell::Text(text), &Type::Varchar, to)?,
        (Node::Boolean(value), Type::Varchar) => Out::Text(value.to_string()),
        (Node::Boolean(value), to) => convert_cell(&Cell::Boolean(*value), &Type::Boolean, to)?,
        (Node::Number(_), Type::Varchar) => Out::Text(json_text::to_string(node)),
        (Node::Number(digits), to) => {
            let integral = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            match (integral, to) {
                (_, Type::Decimal(..)) => convert_cell(&Cell::Text(digits), &Type::Varchar, to)?,
                (true, to) => match digits.parse() {
                    Ok(value) => convert_cell(&Cell::Integer(value), &Type::Bigint, to)?,
                    Err(_) if matches!(to, Type::Double | Type::Real) => {
                        convert_cell(&Cell::Text(digits), &Type::Varchar, to)?
                    }
                    Err(_) => return Err(mismatch(node, to)),
                },
                (false, to) => {
                    let value = digits.parse().map_err(|_| mismatch(node, to))?;
                    convert_cell(&Cell::Double(value), &Type::Double, to)?
                }
            }
        }
        (other, to) => return Err(mismatch(other, to)),
    })
}
