//! The columns that a map of OCSF events speaks of, with their types from the schema.

use sql::types::ColumnType;

use super::check::Attributes;
use super::{DialectMap, sibling};
use crate::attribute_tree::AttributeTree;
use crate::path::{ColumnPath, PathStep};

impl DialectMap {
    /// The columns that the map's paths speak of, typed by the schema.
    pub(super) fn columns_of_schema(
        &self,
        schema: &Attributes,
        declared: Vec<(String, ColumnType)>,
    ) -> Vec<(String, ColumnType)> {
        let mut tree = AttributeTree::default();
        for object in self.objects.values() {
            for placement in &object.placements {
                for at in &placement.at {
                    for source in placement.properties.values().flatten() {
                        for path in &source.paths {
                            let path = at.as_ref().map_or_else(|| path.clone(), |at| at.join(path));
                            add(&mut tree, schema, &path);
                            for (field, _) in &source.filter {
                                add(&mut tree, schema, &sibling(&path, field));
                            }
                        }
                    }
                }
            }
        }
        for name in ["time", "time_dt", "count", "class_uid", "class_name", "category_uid", "message"] {
            add(&mut tree, schema, &ColumnPath { steps: vec![PathStep::Field(name.to_owned())], json: Vec::new() });
        }
        for name in ["name", "type", "type_id", "value"] {
            let steps = ["observables", name].map(|n| PathStep::Field(n.to_owned()));
            add(
                &mut tree,
                schema,
                &ColumnPath { steps: vec![steps[0].clone(), PathStep::Each, steps[1].clone()], json: vec![] },
            );
        }
        let mut columns = tree.sorted().columns();
        for (name, column_type) in declared {
            columns.retain(|(column, _)| *column != name);
            columns.push((name, column_type));
        }
        columns
    }
}

/// Puts a path into the tree as far as the schema has it.
fn add(tree: &mut AttributeTree, schema: &Attributes, path: &ColumnPath) {
    let names = path.attribute_path();
    let mut at = tree;
    let mut so_far = String::new();
    for name in names.split('.') {
        so_far = if so_far.is_empty() { name.to_owned() } else { format!("{so_far}.{name}") };
        let Some(attribute) = schema.at(&so_far) else { return };
        at = at.member(name, Some(attribute));
    }
}
