//! Column types that several tables have in common, and the conversion of values to them.

use sql::sql;
use sql::text::Sql;
use sql::types::ColumnType;

fn type_sql(column_type: &ColumnType) -> Sql {
    // The Display of a type quotes the names of fields.
    Sql::of_author(column_type.to_string())
}

pub(super) fn null_of(column_type: &ColumnType) -> Sql {
    sql!("CAST(NULL AS {})", type_sql(column_type))
}

/// The narrowest type that holds the values of both types; `None` if there is none.
pub(crate) fn merge(one: &ColumnType, other: &ColumnType) -> Option<ColumnType> {
    use ColumnType::{Array, Bigint, Double, Integer, Map, Real, Row};
    Some(match (one, other) {
        (one, other) if one == other => one.clone(),
        (Integer, Bigint) | (Bigint, Integer) => Bigint,
        (Real, Double) | (Double, Real) => Double,
        (Array(one), Array(other)) => Array(Box::new(merge(one, other)?)),
        (Map(key, one), Map(other_key, other)) if key == other_key => Map(key.clone(), Box::new(merge(one, other)?)),
        (Row(one), Row(other)) => {
            let mut fields = one.clone();
            for (name, field) in other {
                match fields.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                    None => fields.push((name.clone(), field.clone())),
                    Some((_, merged)) => *merged = merge(merged, field)?,
                }
            }
            Row(fields)
        }
        _ => return None,
    })
}

/// Converts a value to a wider type, as [`merge`] returns it.
pub(super) fn converted(value: Sql, from: &ColumnType, to: &ColumnType) -> Sql {
    match (from, to) {
        (from, to) if from == to => value,
        (ColumnType::Row(_), ColumnType::Row(fields)) => {
            let members = fields.iter().map(|(name, field)| match from.field(name) {
                Some(own) => converted(sql!("{}.{}", value, Sql::name(name)), own, field),
                None => null_of(field),
            });
            sql!("IF({} IS NULL, NULL, CAST(ROW({}) AS {}))", value, Sql::list(members), type_sql(to))
        }
        (ColumnType::Array(own), ColumnType::Array(element)) => {
            let element = converted(Sql::name("element"), own, element);
            sql!("transform({}, \"element\" -> {})", value, element)
        }
        _ => sql!("CAST({} AS {})", value, type_sql(to)),
    }
}
