//! Functions of maps.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{concat, take};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::Result;
use query::QueryError;

use super::cast::{cast, map_of};
use super::native::{Out, Typed, build, by_array, call, cell, conform, failed, list_of, position};
use crate::error::internal;
use crate::functions::equality::{first, is_equal};
use crate::functions::request::{Request, Resolved};
use crate::text_form;
use crate::types::Type;

/// A map array whose keys are neither null nor repeated.
pub(crate) fn checked(
    keys: ArrayRef,
    values: ArrayRef,
    key: &Type,
    value: &Type,
    offsets: OffsetBuffer<i32>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    if keys.null_count() > 0 {
        return Err(failed("map key cannot be null"));
    }
    for window in offsets.windows(2) {
        let (start, end) = (window[0].unsigned_abs() as usize, window[1].unsigned_abs() as usize);
        for at in start..end {
            let repeated = first(start..at, |other| is_equal(keys.as_ref(), at, keys.as_ref(), other, key))?;
            if repeated.is_some() {
                let shown = text_form::scalar(&cell(keys.as_ref(), at), key)?;
                return Err(failed(format!("Duplicate map keys ({shown}) are not allowed")));
            }
        }
    }
    map_of(keys, values, key, value, offsets, nulls)
}

/// The value of a key. `subscript` is `map[key]`, for which a missing key is an error.
pub(crate) fn value_of(map: Typed, key: Typed, subscript: bool) -> std::result::Result<Typed, QueryError> {
    let Type::Map(key_type, value_type) = map.ty.clone() else { return Err(internal("a map", &map.ty)) };
    let target = value_type.arrow();
    let body = by_array(move |arrays: &[ArrayRef]| {
        let map = arrays[0].as_map();
        let wanted = &arrays[1];
        let mut positions = Vec::with_capacity(map.len());
        for row in 0..map.len() {
            if map.is_null(row) || wanted.is_null(row) {
                positions.push(None);
                continue;
            }
            let range = map.value_offsets()[row]..map.value_offsets()[row + 1];
            let found = first(range.map(i32::unsigned_abs), |at| {
                is_equal(map.keys().as_ref(), at as usize, wanted.as_ref(), row, &key_type)
            })?;
            if subscript && found.is_none() {
                let shown = text_form::scalar(&cell(wanted.as_ref(), row), &key_type)?;
                return Err(failed(format!("Key not present in map: {shown}")));
            }
            positions.push(found);
        }
        conform(&take(map.values(), &UInt32Array::from(positions), None)?, &target)
    });
    Ok(call(if subscript { "subscript" } else { "element_at" }, "", vec![map, key], *value_type, body))
}

/// A map of a list of rows (key, value): of a repeated key the first, or with `many` all values in an array.
pub(crate) fn of_entries(entries: Typed, map: &Type, many: bool) -> std::result::Result<Typed, QueryError> {
    let Type::Map(key, value) = map.clone() else { return Err(internal("a map", map)) };
    let returns = if many { Type::map((*key).clone(), Type::array((*value).clone())) } else { map.clone() };
    let result = returns.clone();
    let body = by_array(move |arrays: &[ArrayRef]| {
        let list = arrays[0].as_list::<i32>();
        let rows = list.values().as_struct();
        let (keys, values) = (rows.column(0), rows.column(1));
        let mut kept: Vec<u32> = Vec::new();
        let mut lengths = Vec::new();
        let mut groups: Vec<Vec<u32>> = Vec::new();
        for row in 0..list.len() {
            let start = kept.len();
            if list.is_valid(row) {
                for at in list.value_offsets()[row]..list.value_offsets()[row + 1] {
                    let at = at.unsigned_abs();
                    let known = first(0..kept.len() - start, |known| {
                        is_equal(keys.as_ref(), at as usize, keys.as_ref(), kept[start + known] as usize, &key)
                    })?;
                    match known {
                        Some(position) => groups[start + position].push(at),
                        None => {
                            kept.push(at);
                            groups.push(vec![at]);
                        }
                    }
                }
            }
            lengths.push(kept.len() - start);
        }
        let nulls = list.nulls().cloned();
        let kept = UInt32Array::from(kept);
        let keys = conform(&take(keys, &kept, None)?, &key.arrow())?;
        let Type::Map(_, value_type) = &result else { return Err(failed("not a map")) };
        let values = if many {
            let lists = groups
                .into_iter()
                .map(|group| Ok(Some(take(values, &UInt32Array::from(group), None)?)))
                .collect::<Result<Vec<_>>>()?;
            let element = Arc::new(Field::new("element", value.arrow(), true));
            Arc::new(list_of(&element, &lists)?) as ArrayRef
        } else {
            conform(&take(values, &kept, None)?, &value.arrow())?
        };
        map_of(keys, values, &key, value_type, OffsetBuffer::from_lengths(lengths), nulls)
    });
    Ok(call("map_of_entries", format!("{many}"), vec![entries], returns, body))
}

/// A map from each element of a list to how often it is there.
pub(crate) fn histogram(list: Typed) -> std::result::Result<Typed, QueryError> {
    let Type::Array(element) = list.ty.clone() else { return Err(internal("an array", &list.ty)) };
    let returns = Type::map((*element).clone(), Type::Bigint);
    let body = by_array(move |arrays: &[ArrayRef]| {
        let list = arrays[0].as_list::<i32>();
        let mut kept: Vec<u32> = Vec::new();
        let mut counts: Vec<i64> = Vec::new();
        let mut lengths = Vec::new();
        for row in 0..list.len() {
            let start = kept.len();
            let mut known: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
            if list.is_valid(row) {
                for at in list.value_offsets()[row]..list.value_offsets()[row + 1] {
                    let at = at.unsigned_abs();
                    let mut shown = String::new();
                    text_form::printed(list.values().as_ref(), at as usize, &element, &mut shown)?;
                    let position = *known.entry(shown).or_insert_with(|| {
                        kept.push(at);
                        counts.push(0);
                        kept.len() - 1
                    });
                    counts[position] += 1;
                }
            }
            lengths.push(kept.len() - start);
        }
        let keys = conform(&take(list.values(), &UInt32Array::from(kept), None)?, &element.arrow())?;
        let counts = build(&DataType::Int64, counts.into_iter().map(Out::Integer).collect())?;
        map_of(keys, counts, &element, &Type::Bigint, OffsetBuffer::from_lengths(lengths), list.nulls().cloned())
    });
    Ok(call("histogram", "", vec![list], returns, body))
}

pub(crate) fn resolve(request: &Request<'_>) -> Resolved {
    let arguments = &request.arguments;
    let types: Vec<&Type> = arguments.iter().map(|argument| &argument.ty).collect();
    match (request.name, &types[..]) {
        ("element_at", [Type::Map(key, _), given]) => {
            if !given.coerces_to(key) {
                return Some(Err(request.wrong()));
            }
            Some(
                cast(arguments[1].clone(), key, None, false).and_then(|key| value_of(arguments[0].clone(), key, false)),
            )
        }
        ("map", []) => {
            let returns = Type::map(Type::Unknown, Type::Unknown);
            let list = super::arrays::array(Vec::new(), Type::Unknown);
            Some(map_of_arrays(list.clone(), list, returns))
        }
        ("map", [Type::Array(key), Type::Array(value)]) => {
            let returns = Type::map((**key).clone(), (**value).clone());
            Some(map_of_arrays(arguments[0].clone(), arguments[1].clone(), returns))
        }
        ("map_keys" | "map_values", [Type::Map(key, value)]) => {
            let keys = request.name == "map_keys";
            let element = if keys { (**key).clone() } else { (**value).clone() };
            let returns = Type::array(element);
            let target = returns.arrow();
            let body = by_array(move |arrays: &[ArrayRef]| {
                let map = arrays[0].as_map();
                let DataType::List(field) = &target else { return Err(failed("not an array")) };
                let values = conform(if keys { map.keys() } else { map.values() }, field.data_type())?;
                let list = datafusion::arrow::array::ListArray::try_new(
                    Arc::clone(field),
                    map.offsets().clone(),
                    values,
                    map.nulls().cloned(),
                )?;
                Ok(Arc::new(list) as ArrayRef)
            });
            Some(Ok(call(request.name, "", arguments.clone(), returns, body)))
        }
        ("map_entries", [Type::Map(key, value)]) => {
            let row = Type::Row(vec![(None, (**key).clone()), (None, (**value).clone())]);
            let returns = Type::array(row);
            let target = returns.arrow();
            let body = by_array(move |arrays: &[ArrayRef]| {
                let map = arrays[0].as_map();
                let DataType::List(field) = &target else { return Err(failed("not an array")) };
                let DataType::Struct(fields) = field.data_type() else { return Err(failed("not rows")) };
                let columns =
                    vec![conform(map.keys(), fields[0].data_type())?, conform(map.values(), fields[1].data_type())?];
                let rows = datafusion::arrow::array::StructArray::try_new(fields.clone(), columns, None)?;
                let list = datafusion::arrow::array::ListArray::try_new(
                    Arc::clone(field),
                    map.offsets().clone(),
                    Arc::new(rows),
                    map.nulls().cloned(),
                )?;
                Ok(Arc::new(list) as ArrayRef)
            });
            Some(Ok(call("map_entries", "", arguments.clone(), returns, body)))
        }
        ("map_from_entries", [Type::Array(row)]) => match row.as_ref() {
            Type::Row(fields) if fields.len() == 2 => {
                let (key, value) = (fields[0].1.clone(), fields[1].1.clone());
                let returns = Type::map(key.clone(), value.clone());
                let body = by_array(move |arrays: &[ArrayRef]| {
                    let list = arrays[0].as_list::<i32>();
                    let rows = list.values().as_struct();
                    let keys = conform(rows.column(0), &key.arrow())?;
                    let values = conform(rows.column(1), &value.arrow())?;
                    checked(keys, values, &key, &value, list.offsets().clone(), list.nulls().cloned())
                });
                Some(Ok(call("map_from_entries", "", arguments.clone(), returns, body)))
            }
            _ => Some(Err(request.wrong())),
        },
        ("map_concat", [Type::Map(..), Type::Map(..), ..]) => {
            let mut ty = arguments[0].ty.clone();
            for argument in arguments {
                match ty.common(&argument.ty) {
                    Some(common) => ty = common,
                    None => return Some(Err(request.wrong())),
                }
            }
            let given = arguments
                .iter()
                .map(|argument| cast(argument.clone(), &ty, None, false))
                .collect::<std::result::Result<Vec<_>, _>>();
            let given = match given {
                Ok(given) => given,
                Err(error) => return Some(Err(error)),
            };
            let Type::Map(key, value) = ty.clone() else { return Some(Err(request.wrong())) };
            let body = by_array(move |arrays: &[ArrayRef]| {
                let maps: Vec<_> = arrays.iter().map(|array| array.as_map()).collect();
                let (mut keys, mut values, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
                for row in 0..arrays[0].len() {
                    let is_valid = maps.iter().all(|map| map.is_valid(row));
                    valid.push(is_valid);
                    let before: usize = keys.iter().map(|part: &ArrayRef| part.len()).sum();
                    if is_valid {
                        let all = maps.iter().map(|map| map.value(row)).collect::<Vec<_>>();
                        let key_parts: Vec<&dyn Array> = all.iter().map(|entries| entries.column(0).as_ref()).collect();
                        let value_parts: Vec<&dyn Array> =
                            all.iter().map(|entries| entries.column(1).as_ref()).collect();
                        let (all_keys, all_values) = (concat(&key_parts)?, concat(&value_parts)?);
                        // The last value of a key stays.
                        let mut kept: Vec<u32> = Vec::with_capacity(all_keys.len());
                        for at in 0..all_keys.len() {
                            let again = first(at + 1..all_keys.len(), |later| {
                                is_equal(all_keys.as_ref(), at, all_keys.as_ref(), later, &key)
                            })?;
                            if again.is_none() {
                                kept.push(position(at)?);
                            }
                        }
                        let kept = UInt32Array::from(kept);
                        keys.push(take(&all_keys, &kept, None)?);
                        values.push(take(&all_values, &kept, None)?);
                    }
                    let after: usize = keys.iter().map(|part: &ArrayRef| part.len()).sum();
                    lengths.push(after - before);
                }
                let gather = |parts: &[ArrayRef], ty: &Type| {
                    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                    match parts.is_empty() {
                        true => Ok(datafusion::arrow::array::new_empty_array(&ty.arrow())),
                        false => concat(&parts),
                    }
                };
                let (keys, values) = (gather(&keys, &key)?, gather(&values, &value)?);
                let nulls = Some(NullBuffer::from(valid));
                map_of(keys, values, &key, &value, OffsetBuffer::from_lengths(lengths), nulls)
            });
            Some(Ok(call("map_concat", "", given, ty, body)))
        }
        ("split_to_map", [Type::Varchar, Type::Varchar, Type::Varchar]) => {
            let returns = Type::map(Type::Varchar, Type::Varchar);
            let body = by_array(|arrays: &[ArrayRef]| {
                let (mut keys, mut values, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
                for row in 0..arrays[0].len() {
                    let cells: Vec<_> = arrays.iter().map(|array| cell(array.as_ref(), row)).collect();
                    let is_valid = arrays.iter().all(|array| array.is_valid(row));
                    valid.push(is_valid);
                    if !is_valid {
                        lengths.push(0);
                        continue;
                    }
                    let before = keys.len();
                    let (text, entry, pair) = (cells[0].text()?, cells[1].text()?, cells[2].text()?);
                    if entry.is_empty() || pair.is_empty() {
                        return Err(failed("delimiters of split_to_map must not be empty"));
                    }
                    for part in text.split(entry).filter(|part| !part.is_empty()) {
                        let Some((key, value)) = part.split_once(pair).filter(|(_, value)| !value.contains(pair))
                        else {
                            return Err(failed(format!(
                                "Key-value delimiter must appear exactly once in each entry. Bad input: '{part}'"
                            )));
                        };
                        keys.push(Out::Text(key.to_owned()));
                        values.push(Out::Text(value.to_owned()));
                    }
                    lengths.push(keys.len() - before);
                }
                let (keys, values) = (build(&DataType::Utf8, keys)?, build(&DataType::Utf8, values)?);
                let nulls = Some(NullBuffer::from(valid));
                checked(keys, values, &Type::Varchar, &Type::Varchar, OffsetBuffer::from_lengths(lengths), nulls)
            });
            Some(Ok(call("split_to_map", "", arguments.clone(), returns, body)))
        }
        _ => None,
    }
}

fn map_of_arrays(keys: Typed, values: Typed, returns: Type) -> std::result::Result<Typed, QueryError> {
    let Type::Map(key, value) = returns.clone() else { return Err(internal("a map", &returns)) };
    let body = by_array(move |arrays: &[ArrayRef]| {
        let (keys, values) = (arrays[0].as_list::<i32>(), arrays[1].as_list::<i32>());
        let (mut key_at, mut value_at, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for row in 0..keys.len() {
            let is_valid = keys.is_valid(row) && values.is_valid(row);
            valid.push(is_valid);
            if !is_valid {
                lengths.push(0);
                continue;
            }
            let length = keys.value_length(row);
            if length != values.value_length(row) {
                return Err(failed("Key and value arrays must be the same length"));
            }
            let (k, v) = (keys.value_offsets()[row], values.value_offsets()[row]);
            key_at.extend((k..k + length).map(i32::unsigned_abs));
            value_at.extend((v..v + length).map(i32::unsigned_abs));
            lengths.push(length.unsigned_abs() as usize);
        }
        let keys = conform(&take(keys.values(), &UInt32Array::from(key_at), None)?, &key.arrow())?;
        let values = conform(&take(values.values(), &UInt32Array::from(value_at), None)?, &value.arrow())?;
        let nulls = Some(NullBuffer::from(valid));
        checked(keys, values, &key, &value, OffsetBuffer::from_lengths(lengths), nulls)
    });
    Ok(call("map", "", vec![keys, values], returns, body))
}
