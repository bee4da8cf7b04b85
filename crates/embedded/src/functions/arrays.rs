//! Functions of arrays.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, UInt32Array, new_empty_array};
use datafusion::arrow::compute::{concat as concat_arrays, take};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue};
use query::QueryError;

use super::cast::cast;
use super::native::{
    Cell, Out, Typed, build, by_array, call, cell, conform, failed, list_of, mistake, position, strict, whole,
};
use crate::error::internal;
use crate::functions::equality::{first as first_of, is_equal, structural};
use crate::functions::request::{Request, Resolved};
use crate::syntax::ast::At;
use crate::text_form;
use crate::types::Type;

fn element_field(element: &Type) -> Arc<Field> {
    Arc::new(Field::new("element", element.arrow(), true))
}

/// `ARRAY[…]` of items of one type.
pub(crate) fn array(items: Vec<Typed>, element: Type) -> Typed {
    let field = element_field(&element);
    let returns = Type::array(element);
    if items.is_empty() {
        let list = list_of(&field, &[Some(new_empty_array(field.data_type()))]);
        if let Ok(literal) = list.and_then(|list| ScalarValue::try_from_array(&list, 0)) {
            return Typed::literal(literal, returns);
        }
    }
    let body = by_array(move |arrays: &[ArrayRef]| {
        let rows = arrays.first().map_or(1, |array| array.len());
        let arrays = arrays.iter().map(|array| conform(array, field.data_type())).collect::<Result<Vec<_>>>()?;
        let lists = (0..rows)
            .map(|row| {
                let parts: Vec<ArrayRef> = arrays.iter().map(|array| array.slice(row, 1)).collect();
                let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                Ok(Some(concat_arrays(&parts)?))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(list_of(&field, &lists)?) as ArrayRef)
    });
    call("array", "", items, returns, body)
}

/// The same array with the names of fields that this engine's arrays have.
pub(crate) fn renamed(array: Typed) -> Typed {
    let returns = array.ty.clone();
    let target = returns.arrow();
    let body = by_array(move |arrays: &[ArrayRef]| conform(&arrays[0], &target));
    call("as_array", "", vec![array], returns, body)
}

/// The first so many elements.
pub(crate) fn first(array: Typed, number: Typed) -> Typed {
    let returns = array.ty.clone();
    let body = strict(&returns, |cells| {
        let (list, number) = (cells[0].list()?, cells[1].integer()?);
        if number < 1 {
            return Err(failed("third argument of max_by/min_by and second of max/min must be a positive integer"));
        }
        // More than there are is all of them.
        let length = usize::try_from(number).map_or(list.len(), |number| number.min(list.len()));
        Ok(Out::List(list.slice(0, length)))
    });
    call("first_elements", "", vec![array, number], returns, body)
}

/// The element at a position from 1, or from -1 backwards. `subscript` is `array[index]`, for which other positions are errors.
pub(crate) fn element(array: Typed, index: Typed, subscript: bool) -> std::result::Result<Typed, QueryError> {
    let Type::Array(element) = &array.ty else { return Err(internal("an array", &array.ty)) };
    let returns = (**element).clone();
    let target = returns.arrow();
    let body = by_array(move |arrays: &[ArrayRef]| {
        let list = arrays[0].as_list::<i32>();
        let mut positions = Vec::with_capacity(list.len());
        for row in 0..list.len() {
            if list.is_null(row) || arrays[1].is_null(row) {
                positions.push(None);
                continue;
            }
            let index = cell(arrays[1].as_ref(), row).integer()?;
            let length = i64::from(list.value_length(row));
            if index == 0 {
                return Err(failed("SQL array indices start at 1"));
            }
            if subscript && index < 0 {
                return Err(failed(format!("Array subscript is negative: {index}")));
            }
            if subscript && index > length {
                return Err(failed(format!(
                    "Array subscript must be less than or equal to array length: {index} > {length}"
                )));
            }
            let at = if index > 0 { index - 1 } else { length + index };
            let start = i64::from(list.value_offsets()[row]);
            let within = (0..length).contains(&at);
            positions.push(if within {
                Some(u32::try_from(start + at).map_err(|_| mistake("a position", at))?)
            } else {
                None
            });
        }
        conform(&take(list.values(), &UInt32Array::from(positions), None)?, &target)
    });
    Ok(call(if subscript { "subscript" } else { "element_at" }, "", vec![array, index], returns, body))
}

/// The elements of all arrays; a value that is not an array is an element.
pub(crate) fn concat(at: At, values: Vec<Typed>) -> std::result::Result<Typed, QueryError> {
    let wrong = |text: String| Err(QueryError::Invalid(format!("{at}: {text}")));
    let mut element = Type::Unknown;
    for value in &values {
        let found = match &value.ty {
            Type::Array(found) => found.as_ref(),
            other => other,
        };
        match element.common(found) {
            Some(common) => element = common,
            None => return wrong(format!("cannot concatenate array({element}) and {}", value.ty)),
        }
    }
    let whole = Type::array(element.clone());
    let values = values
        .into_iter()
        .map(|value| match &value.ty {
            Type::Array(_) => cast(value, &whole, None, false),
            // A null beside an array is a null array.
            Type::Unknown => cast(value, &whole, None, false),
            _ => Ok(array(vec![cast(value, &element, None, false)?], element.clone())),
        })
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let field = element_field(&element);
    let body = strict(&whole, move |cells| {
        let lists: Vec<ArrayRef> =
            cells.iter().map(|cell| conform(&cell.list()?, field.data_type())).collect::<Result<_>>()?;
        let lists: Vec<&dyn Array> = lists.iter().map(AsRef::as_ref).collect();
        Ok(Out::List(concat_arrays(&lists)?))
    });
    Ok(call("concat", "", values, whole, body))
}

/// The value at a percentile of a sorted array, by the nearest rank.
pub(crate) fn percentile(at: At, sorted: Typed, percentile: Typed) -> std::result::Result<Typed, QueryError> {
    let Type::Array(element) = sorted.ty.clone() else { return Err(internal("an array", &sorted.ty)) };
    let many = matches!(percentile.ty, Type::Array(_));
    let wanted = if many { Type::array(Type::Double) } else { Type::Double };
    if !percentile.ty.coerces_to(&wanted) {
        return Err(QueryError::Invalid(format!("{at}: the percentile must be double, not {}", percentile.ty)));
    }
    let percentile = cast(percentile, &wanted, None, false)?;
    let returns = if many { Type::array((*element).clone()) } else { (*element).clone() };
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
    let rank = |percentile: f64, length: usize| -> Result<usize> {
        if !(0.0..=1.0).contains(&percentile) {
            return Err(failed("Percentile must be between 0 and 1"));
        }
        Ok(((percentile * length as f64).ceil() as usize).clamp(1, length) - 1)
    };
    let body = strict(&returns, move |cells| {
        let list = cells[0].list()?;
        if list.is_empty() {
            return Ok(Out::Null);
        }
        match &cells[1] {
            Cell::List(percentiles) => {
                let ranks = (0..percentiles.len())
                    .map(|at| position(rank(cell(percentiles.as_ref(), at).double()?, list.len())?))
                    .collect::<Result<Vec<_>>>()?;
                Ok(Out::List(take(&list, &UInt32Array::from(ranks), None)?))
            }
            percentile => Out::of(&cell(list.as_ref(), rank(percentile.double()?, list.len())?)),
        }
    });
    Ok(call("percentile", "", vec![sorted, percentile], returns, body))
}

/// The order of two values of one type that are not null: NaN is the largest double.
pub(crate) fn order(a: &Cell<'_>, b: &Cell<'_>) -> Result<Ordering> {
    Ok(match (a, b) {
        (Cell::Boolean(a), Cell::Boolean(b)) => a.cmp(b),
        (Cell::Integer(a), Cell::Integer(b)) => a.cmp(b),
        (Cell::Double(a), Cell::Double(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
        (Cell::Decimal(a), Cell::Decimal(b)) => a.cmp(b),
        (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
        (Cell::Bytes(a), Cell::Bytes(b)) => a.cmp(b),
        (a, b) => return Err(mistake(a.kind(), b.kind())),
    })
}

fn picked(list: &ArrayRef, positions: Vec<usize>) -> Result<Out> {
    let positions = positions.into_iter().map(position).collect::<Result<Vec<_>>>()?;
    Ok(Out::List(take(list, &UInt32Array::from(positions), None)?))
}

/// Whether two elements are the same where nulls are, too.
fn is_same(a: &dyn Array, i: usize, b: &dyn Array, j: usize, ty: &Type) -> Result<bool> {
    match (a.is_null(i), b.is_null(j)) {
        (true, true) => Ok(true),
        (false, false) => is_equal(a, i, b, j, ty),
        _ => Ok(false),
    }
}

/// The positions of elements whose equals do not stand before them.
fn distinct(list: &ArrayRef, ty: &Type) -> Result<Vec<usize>> {
    let mut kept: Vec<usize> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for at in 0..list.len() {
        let new = match cell(list.as_ref(), at) {
            Cell::Text(text) => seen.insert(text.as_bytes().to_vec()),
            Cell::Integer(value) => seen.insert(value.to_be_bytes().to_vec()),
            _ => {
                first_of(kept.iter().copied(), |known| is_same(list.as_ref(), known, list.as_ref(), at, ty))?.is_none()
            }
        };
        if new {
            kept.push(at);
        }
    }
    Ok(kept)
}

pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    let arguments = &request.arguments;
    let element = match arguments.first().map(|argument| &argument.ty) {
        Some(Type::Array(element)) => Some((**element).clone()),
        _ => None,
    };
    let is_array = |at: usize| matches!(arguments.get(at).map(|argument| &argument.ty), Some(Type::Array(_)));
    match (request.name, arguments.len(), element) {
        ("cardinality", 1, _) => match arguments[0].ty {
            Type::Array(_) | Type::Map(..) => {
                let body = by_array(|arrays: &[ArrayRef]| {
                    let lengths = (0..arrays[0].len())
                        .map(|row| {
                            Ok(match arrays[0].data_type() {
                                _ if arrays[0].is_null(row) => Out::Null,
                                DataType::List(_) => Out::Integer(arrays[0].as_list::<i32>().value_length(row).into()),
                                DataType::Map(..) => Out::Integer(arrays[0].as_map().value_length(row).into()),
                                other => return Err(mistake("an array or a map", other)),
                            })
                        })
                        .collect::<Result<Vec<_>>>()?;
                    build(&DataType::Int64, lengths)
                });
                Some(Ok(call("cardinality", "", arguments.clone(), Type::Bigint, body)))
            }
            _ => Some(Err(request.wrong())),
        },
        ("element_at", 2, Some(_)) => {
            if !arguments[1].ty.coerces_to(&Type::Bigint) {
                return Some(Err(request.wrong()));
            }
            Some(
                cast(arguments[1].clone(), &Type::Bigint, None, false)
                    .and_then(|at| element_at(arguments[0].clone(), at)),
            )
        }
        ("contains" | "array_position" | "array_remove", 2, Some(element)) => {
            let Some(common) = element.common(&arguments[1].ty) else { return Some(Err(request.wrong())) };
            Some(search(request, common))
        }
        ("array_distinct", 1, Some(element)) => {
            let body = strict(&arguments[0].ty, move |cells| {
                let list = cells[0].list()?;
                picked(&list, distinct(&list, &element)?)
            });
            Some(Ok(call("array_distinct", "", arguments.clone(), arguments[0].ty.clone(), body)))
        }
        ("array_union" | "array_intersect" | "array_except" | "arrays_overlap", 2, Some(_)) => {
            let Some(common) = arguments[0].ty.common(&arguments[1].ty) else { return Some(Err(request.wrong())) };
            Some(combine(request, common))
        }
        ("array_join", 2 | 3, Some(element)) => {
            if matches!(element, Type::Array(_) | Type::Map(..) | Type::Row(_)) {
                return Some(Err(request.wrong()));
            }
            let mut given = vec![arguments[0].clone()];
            for argument in &arguments[1..] {
                if argument.ty != Type::Varchar {
                    return Some(Err(request.wrong()));
                }
                given.push(argument.clone());
            }
            let body = strict(&Type::Varchar, move |cells| {
                let list = cells[0].list()?;
                let separator = cells[1].text()?;
                let replacement = cells.get(2).map(Cell::text).transpose()?;
                let parts: Vec<String> = (0..list.len())
                    .filter_map(|at| match cell(list.as_ref(), at) {
                        Cell::Null => replacement.map(|replacement| Ok(replacement.to_owned())),
                        value => Some(text_form::scalar(&value, &element)),
                    })
                    .collect::<Result<_>>()?;
                Ok(Out::Text(parts.join(separator)))
            });
            Some(Ok(call("array_join", "", given, Type::Varchar, body)))
        }
        ("array_max" | "array_min", 1, Some(element)) => {
            if !element.is_orderable() {
                return Some(Err(request.wrong()));
            }
            if matches!(element, Type::Array(_) | Type::Row(_)) {
                return Some(
                    request.unsupported(format!("{} of {element}", request.name), "use array_sort with a lambda"),
                );
            }
            let wanted = if request.name == "array_max" { Ordering::Greater } else { Ordering::Less };
            let body = strict(&element, move |cells| {
                let list = cells[0].list()?;
                let mut best: Option<usize> = None;
                for at in 0..list.len() {
                    let value = cell(list.as_ref(), at);
                    if matches!(value, Cell::Null) {
                        return Ok(Out::Null);
                    }
                    let is_better = match best {
                        Some(best) => order(&value, &cell(list.as_ref(), best))? == wanted,
                        None => true,
                    };
                    if is_better {
                        best = Some(at);
                    }
                }
                best.map_or(Ok(Out::Null), |best| Out::of(&cell(list.as_ref(), best)))
            });
            Some(Ok(call(request.name, "", arguments.clone(), element, body)))
        }
        ("array_sort", 1, Some(element)) => {
            if !element.is_orderable() || matches!(element, Type::Array(_) | Type::Row(_)) {
                return Some(request.unsupported(format!("array_sort of {element}"), "give a lambda that compares"));
            }
            let body = strict(&arguments[0].ty, |cells| {
                let list = cells[0].list()?;
                let mut positions: Vec<usize> = (0..list.len()).collect();
                let mut fault = None;
                positions.sort_by(|a, b| match (list.is_null(*a), list.is_null(*b)) {
                    (false, false) => {
                        let order = order(&cell(list.as_ref(), *a), &cell(list.as_ref(), *b));
                        order.unwrap_or_else(|error| {
                            fault.get_or_insert(error);
                            Ordering::Equal
                        })
                    }
                    (a, b) => a.cmp(&b),
                });
                match fault {
                    Some(fault) => Err(fault),
                    None => picked(&list, positions),
                }
            });
            Some(Ok(call("array_sort", "", arguments.clone(), arguments[0].ty.clone(), body)))
        }
        ("slice", 3, Some(_)) => {
            let ty = arguments[0].ty.clone();
            let given = match request.coerced(&[ty.clone(), Type::Bigint, Type::Bigint]) {
                Ok(given) => given,
                Err(error) => return Some(Err(error)),
            };
            let body = strict(&ty, |cells| {
                let (list, start, length) = (cells[0].list()?, cells[1].integer()?, cells[2].integer()?);
                if start == 0 {
                    return Err(failed("SQL array indices start at 1"));
                }
                if length < 0 {
                    return Err(failed("length must be greater than or equal to 0"));
                }
                let size = whole(list.len())?;
                let begin = if start > 0 { start - 1 } else { size + start };
                if begin >= size || begin < 0 {
                    return Ok(Out::List(list.slice(0, 0)));
                }
                let length = length.min(size - begin);
                let small = |value: i64| usize::try_from(value).map_err(|_| mistake("a position", value));
                Ok(Out::List(list.slice(small(begin)?, small(length)?)))
            });
            Some(Ok(call("slice", "", given, ty, body)))
        }
        ("reverse", 1, Some(_)) => {
            let body = strict(&arguments[0].ty, |cells| {
                let list = cells[0].list()?;
                picked(&list, (0..list.len()).rev().collect())
            });
            Some(Ok(call("reverse", "", arguments.clone(), arguments[0].ty.clone(), body)))
        }
        ("flatten", 1, Some(Type::Array(inner))) => {
            let returns = Type::Array(inner.clone());
            let target = inner.arrow();
            let body = strict(&returns, move |cells| {
                let lists = cells[0].list()?;
                let lists = lists.as_list::<i32>();
                let parts: Vec<ArrayRef> =
                    (0..lists.len()).filter(|at| lists.is_valid(*at)).map(|at| lists.value(at)).collect();
                let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                Ok(Out::List(if parts.is_empty() { new_empty_array(&target) } else { concat_arrays(&parts)? }))
            });
            Some(Ok(call("flatten", "", arguments.clone(), returns, body)))
        }
        ("trim_array", 2, Some(_)) => {
            let ty = arguments[0].ty.clone();
            request.simple(&[ty.clone(), Type::Bigint], ty, |cells| {
                let list = cells[0].list()?;
                let cut = usize::try_from(cells[1].integer()?).map_err(|_| failed("size must not be negative"))?;
                let length = list
                    .len()
                    .checked_sub(cut)
                    .ok_or_else(|| failed(format!("size must not exceed array cardinality {}: {cut}", list.len())))?;
                Ok(Out::List(list.slice(0, length)))
            })
        }
        ("concat", 2.., _) if (0..arguments.len()).any(is_array) => Some(concat(request.at, arguments.clone())),
        ("sequence", 2 | 3, _) => Some(sequence(request)),
        ("repeat", 2, _) => {
            let element = arguments[0].ty.clone();
            let returns = Type::array(element.clone());
            let count = match cast(arguments[1].clone(), &Type::Bigint, None, false) {
                Ok(count) => count,
                Err(_) => return Some(Err(request.wrong())),
            };
            let target = element.arrow();
            let body = by_array(move |arrays: &[ArrayRef]| {
                let lists = (0..arrays[0].len())
                    .map(|row| {
                        if arrays[1].is_null(row) {
                            return Ok(None);
                        }
                        let count = cell(arrays[1].as_ref(), row).integer()?;
                        let count = usize::try_from(count).map_err(|_| {
                            failed("count argument of repeat function must be greater than or equal to 0")
                        })?;
                        if count > 10_000 {
                            return Err(failed(
                                "count argument of repeat function must be less than or equal to 10000",
                            ));
                        }
                        let at = vec![position(row)?; count];
                        Ok(Some(take(&arrays[0], &UInt32Array::from(at), None)?))
                    })
                    .collect::<Result<Vec<_>>>()?;
                Ok(Arc::new(list_of(&Arc::new(Field::new("element", target.clone(), true)), &lists)?) as ArrayRef)
            });
            Some(Ok(call("repeat", "", vec![arguments[0].clone(), count], returns, body)))
        }
        _ => None,
    }
}

fn element_at(array: Typed, at: Typed) -> std::result::Result<Typed, QueryError> {
    element(array, at, false)
}

/// contains, array_position, array_remove.
fn search(request: &Request<'_>, element: Type) -> std::result::Result<Typed, QueryError> {
    let array_type = Type::array(element.clone());
    let array = cast(request.arguments[0].clone(), &array_type, None, false)?;
    let wanted = cast(request.arguments[1].clone(), &element, None, false)?;
    let (kind, returns) = match request.name {
        "contains" => (0, Type::Boolean),
        "array_position" => (1, Type::Bigint),
        _ => (2, array_type),
    };
    let target = returns.arrow();
    let body = by_array(move |arrays: &[ArrayRef]| {
        let list = arrays[0].as_list::<i32>();
        let wanted = &arrays[1];
        let values = (0..list.len())
            .map(|row| {
                if list.is_null(row) || wanted.is_null(row) {
                    return Ok(Out::Null);
                }
                let elements = list.value(row);
                let same = |at: usize| structural(elements.as_ref(), at, wanted.as_ref(), row, &element);
                Ok(match kind {
                    0 => {
                        let mut unknown = false;
                        let mut found = false;
                        for at in 0..elements.len() {
                            match same(at)? {
                                Some(true) => {
                                    found = true;
                                    break;
                                }
                                None => unknown = true,
                                Some(false) => {}
                            }
                        }
                        if found || !unknown { Out::Boolean(found) } else { Out::Null }
                    }
                    1 => match first_of(0..elements.len(), |at| Ok(same(at)? == Some(true)))? {
                        Some(at) => Out::Integer(whole(at + 1)?),
                        None => Out::Integer(0),
                    },
                    _ => {
                        let mut kept = Vec::new();
                        for at in 0..elements.len() {
                            if same(at)? != Some(true) {
                                kept.push(at);
                            }
                        }
                        picked(&elements, kept)?
                    }
                })
            })
            .collect::<Result<Vec<_>>>()?;
        build(&target, values)
    });
    Ok(call(request.name, "", vec![array, wanted], returns, body))
}

/// `value IN (…)` for the values of a list: false if there are none, null if a null decides.
pub(crate) fn is_in(value: Typed, list: Typed) -> Typed {
    let element = value.ty.clone();
    let body = by_array(move |arrays: &[ArrayRef]| {
        let (wanted, list) = (&arrays[0], arrays[1].as_list::<i32>());
        let values = (0..list.len())
            .map(|row| {
                if list.is_null(row) || list.value_length(row) == 0 {
                    return Ok(Out::Boolean(false));
                }
                let elements = list.value(row);
                let mut unknown = false;
                for at in 0..elements.len() {
                    match structural(elements.as_ref(), at, wanted.as_ref(), row, &element)? {
                        Some(true) => return Ok(Out::Boolean(true)),
                        None => unknown = true,
                        Some(false) => {}
                    }
                }
                Ok(if unknown { Out::Null } else { Out::Boolean(false) })
            })
            .collect::<Result<Vec<_>>>()?;
        build(&DataType::Boolean, values)
    });
    call("is_in", "", vec![value, list], Type::Boolean, body)
}

/// array_union, array_intersect, array_except, arrays_overlap.
fn combine(request: &Request<'_>, ty: Type) -> std::result::Result<Typed, QueryError> {
    let Type::Array(element) = ty.clone() else { return Err(request.wrong()) };
    let given = request
        .arguments
        .iter()
        .map(|argument| cast(argument.clone(), &ty, None, false))
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let name = request.name.to_owned();
    let returns = if name == "arrays_overlap" { Type::Boolean } else { ty };
    let body = strict(&returns, move |cells| {
        let (a, b) = (cells[0].list()?, cells[1].list()?);
        let within = |list: &ArrayRef, at: usize, other: &ArrayRef| {
            first_of(0..other.len(), |j| is_same(list.as_ref(), at, other.as_ref(), j, &element)).map(|at| at.is_some())
        };
        match name.as_str() {
            "arrays_overlap" => {
                let found = first_of(0..a.len(), |at| Ok(a.is_valid(at) && within(&a, at, &b)?))?.is_some();
                let unknown = (a.null_count() > 0 && !b.is_empty()) || (b.null_count() > 0 && !a.is_empty());
                Ok(if found || !unknown { Out::Boolean(found) } else { Out::Null })
            }
            "array_union" => {
                let both = concat_arrays(&[a.as_ref(), b.as_ref()])?;
                picked(&both, distinct(&both, &element)?)
            }
            kind => {
                let wanted = kind == "array_intersect";
                let mut kept = Vec::new();
                for at in distinct(&a, &element)? {
                    if within(&a, at, &b)? == wanted {
                        kept.push(at);
                    }
                }
                picked(&a, kept)
            }
        }
    });
    Ok(call(request.name, "", given, returns, body))
}

fn sequence(request: &Request<'_>) -> std::result::Result<Typed, QueryError> {
    let arguments = &request.arguments;
    let too_long = || failed("result of sequence function must not have more than 10000 entries");
    let first = &arguments[0].ty;
    if first.is_integer() || *first == Type::Unknown {
        let given = request.coerced(&[Type::Bigint, Type::Bigint, Type::Bigint])?;
        let returns = Type::array(Type::Bigint);
        let body = strict(&returns, move |cells| {
            let (start, stop) = (cells[0].integer()?, cells[1].integer()?);
            let step = cells.get(2).map_or(Ok(if start <= stop { 1 } else { -1 }), Cell::integer)?;
            if step == 0 || (step > 0) != (start <= stop) && start != stop {
                return Err(failed(
                    "sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop should be less than or equal to start",
                ));
            }
            let count = (i128::from(stop) - i128::from(start)) / i128::from(step) + 1;
            if count > 10_000 {
                return Err(too_long());
            }
            let count = i64::try_from(count).map_err(|_| too_long())?;
            let values = (0..count).map(|at| Out::Integer(start + at * step)).collect();
            Ok(Out::List(build(&DataType::Int64, values)?))
        });
        return Ok(call("sequence", "", given, returns, body));
    }
    let ty = match (first, &arguments[1].ty) {
        (Type::Date, Type::Date) => Type::Date,
        (Type::Timestamp(a), Type::Timestamp(b)) => Type::Timestamp(*a.max(b)),
        _ => return Err(request.wrong()),
    };
    let mut given = vec![cast(arguments[0].clone(), &ty, None, false)?, cast(arguments[1].clone(), &ty, None, false)?];
    let months = match arguments.get(2).map(|step| &step.ty) {
        Some(Type::DayInterval) => false,
        Some(Type::MonthInterval) => true,
        None if ty == Type::Date => false,
        _ => return Err(request.wrong()),
    };
    given.extend(arguments.get(2).cloned());
    let returns = Type::array(ty.clone());
    let body = strict(&returns, move |cells| {
        let (start, stop) = (cells[0].integer()?, cells[1].integer()?);
        let step = cells.get(2).map_or(Ok(if start <= stop { 86_400_000 } else { -86_400_000 }), Cell::integer)?;
        if step == 0 || ((step > 0) != (start <= stop) && start != stop) {
            return Err(failed(
                "sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop should be less than or equal to start",
            ));
        }
        let mut values = Vec::new();
        for at in 0_i64.. {
            let value = super::dates::moments::shifted(start, &ty, at * step, months)
                .ok_or_else(|| failed("date out of range"))?;
            if (step > 0 && value > stop) || (step < 0 && value < stop) {
                break;
            }
            values.push(Out::Integer(value));
            if values.len() > 10_000 {
                return Err(too_long());
            }
        }
        Ok(Out::List(build(&ty.arrow(), values)?))
    });
    Ok(call("sequence", "", given, returns, body))
}
