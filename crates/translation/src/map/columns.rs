//! The columns that a map of OCSF events speaks of, with their types from the schema.

use std::collections::BTreeMap;

use ocsf::schema::ScalarType;
use sql::types::ColumnType;

use super::check::Attributes;
use super::{DialectMap, sibling};
use crate::path::{ColumnPath, PathStep};

impl DialectMap {
    /// The columns that the map's paths speak of, typed by the schema.
    pub(super) fn columns_of_schema(
        &self,
        schema: &Attributes,
        declared: Vec<(String, ColumnType)>,
    ) -> Vec<(String, ColumnType)> {
        let mut tree = Tree::default();
        for object in self.objects.values() {
            for placement in &object.placements {
                for at in &placement.at {
                    for source in placement.properties.values().flatten() {
                        for path in &source.paths {
                            let path = at.as_ref().map_or_else(|| path.clone(), |at| at.join(path));
                            tree.add(schema, &path);
                            for (field, _) in &source.filter {
                                tree.add(schema, &sibling(&path, field));
                            }
                        }
                    }
                }
            }
        }
        for name in ["time", "time_dt", "count", "class_uid", "class_name", "category_uid", "message"] {
            tree.add(schema, &ColumnPath { steps: vec![PathStep::Field(name.to_owned())], json: Vec::new() });
        }
        for name in ["name", "type", "type_id", "value"] {
            let steps = ["observables", name].map(|n| PathStep::Field(n.to_owned()));
            tree.add(
                schema,
                &ColumnPath { steps: vec![steps[0].clone(), PathStep::Each, steps[1].clone()], json: vec![] },
            );
        }
        let mut columns: Vec<(String, ColumnType)> =
            tree.members.into_iter().map(|(name, member)| (name, member.column_type())).collect();
        for (name, column_type) in declared {
            columns.retain(|(column, _)| *column != name);
            columns.push((name, column_type));
        }
        columns
    }
}

/// Names with what is below them.
#[derive(Default)]
struct Tree {
    members: BTreeMap<String, Tree>,
    scalar: Option<ColumnType>,
    is_array: bool,
}

impl Tree {
    fn add(&mut self, schema: &Attributes, path: &ColumnPath) {
        let names = path.attribute_path();
        let mut at = self;
        let mut so_far = String::new();
        for name in names.split('.') {
            so_far = if so_far.is_empty() { name.to_owned() } else { format!("{so_far}.{name}") };
            let attribute = schema.at(&so_far);
            let Some(attribute) = attribute else { return };
            at = at.members.entry(name.to_owned()).or_default();
            at.is_array = attribute.is_array;
            at.scalar = attribute.scalar().map(column_type_of);
        }
    }

    fn column_type(self) -> ColumnType {
        let inner = match self.scalar {
            Some(scalar) => scalar,
            None if self.members.is_empty() => {
                ColumnType::Map(Box::new(ColumnType::Varchar), Box::new(ColumnType::Varchar))
            }
            None => ColumnType::Row(self.members.into_iter().map(|(name, tree)| (name, tree.column_type())).collect()),
        };
        if self.is_array { ColumnType::Array(Box::new(inner)) } else { inner }
    }
}

pub(crate) fn column_type_of(scalar: ScalarType) -> ColumnType {
    match scalar {
        ScalarType::Boolean => ColumnType::Boolean,
        ScalarType::Integer | ScalarType::Port => ColumnType::Integer,
        ScalarType::Long | ScalarType::Timestamp => ColumnType::Bigint,
        ScalarType::Float => ColumnType::Double,
        ScalarType::Datetime => ColumnType::Timestamp,
        _ => ColumnType::Varchar,
    }
}
