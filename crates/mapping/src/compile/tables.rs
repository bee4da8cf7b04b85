//! The tables of a mapping: the events of each table, and the column of each attribute.

use std::sync::Arc;

use ocsf::schema::{EventClass, ProfileSet, Schema};
use ocsf::{NodeId, PathError, Shape};

use super::{Fault, SOURCE_NAME_LIMIT, source_name};
use crate::config::{Config, Layout, Spanned};
use crate::plan::{EventPlan, Expression, ObjectItem, PlanStep, Table};

/// An event whose nodes are still indices into its list of target paths.
pub(super) struct Draft {
    pub(super) key: Spanned<String>,
    pub(super) class: &'static EventClass,
    pub(super) profiles: ProfileSet,
    pub(super) steps: Vec<PlanStep>,
    pub(super) unmapped: Vec<(String, Expression)>,
    pub(super) targets: Vec<String>,
}

pub(super) fn lay_out_tables(
    config: &Config,
    schema: &'static Schema,
    drafts: Vec<Draft>,
) -> Result<(Vec<Table>, Vec<EventPlan>), Fault> {
    let mut groups: Vec<(String, &'static EventClass, Vec<usize>)> = Vec::new();
    for (index, draft) in drafts.iter().enumerate() {
        let source = source_name(config, draft.class);
        if source.chars().count() > SOURCE_NAME_LIMIT {
            let message = format!("source name `{source}` has more than {SOURCE_NAME_LIMIT} characters");
            return Err(Fault { span: draft.key.span, message });
        }
        match groups.iter_mut().find(|(_, class, _)| class.uid == draft.class.uid) {
            Some((_, _, members)) => members.push(index),
            None => groups.push((source, draft.class, vec![index])),
        }
    }
    let mut tables: Vec<Table> = Vec::new();
    let mut table_of = vec![0; drafts.len()];
    for (source, class, members) in groups {
        let prefix_per_class = config.destination.layout.value == Layout::PrefixPerClass;
        if !prefix_per_class && let Some(clash) = tables.iter().find(|table| table.source == source) {
            let message = format!("source `{source}` would hold both {} and {}", clash.class().name, class.name);
            return Err(Fault { span: config.destination.layout.span, message });
        }
        let profiles = members.iter().fold(ProfileSet::EMPTY, |all, index| all.union(drafts[*index].profiles));
        let mut builder = Shape::builder(schema, class, profiles);
        for path in members.iter().flat_map(|index| &drafts[*index].targets) {
            match builder.add(path) {
                // An array of objects is a target besides its elements' attributes, which make its columns.
                Ok(()) | Err(PathError::Object { .. }) => {}
                Err(error) => {
                    return Err(Fault { span: config.span, message: error.to_string() });
                }
            }
        }
        for index in members {
            table_of[index] = tables.len();
        }
        let class_prefix = prefix_per_class.then(|| class.caption.to_uppercase().replace([' ', '-'], "_"));
        tables.push(Table { source, class_prefix, shape: Arc::new(builder.build()) });
    }
    let mut events = Vec::new();
    for (mut draft, table) in drafts.into_iter().zip(table_of) {
        let shape = &tables[table].shape;
        let place = |node: NodeId| {
            let found = draft.targets.get(node.0 as usize).and_then(|path| shape.find(path));
            found.ok_or_else(|| Fault { span: draft.key.span, message: "a target path has no column".to_owned() })
        };
        place_steps(&mut draft.steps, &place)?;
        let time = shape.find("time").ok_or_else(|| Fault {
            span: draft.key.span,
            message: format!("class {} has no `time`", draft.class.name),
        })?;
        events.push(EventPlan {
            key: draft.key.value,
            table,
            profiles: draft.profiles,
            steps: draft.steps,
            unmapped: draft.unmapped,
            time,
        });
    }
    Ok((tables, events))
}

/// Replaces indices of target paths with the nodes of the shape.
fn place_steps(steps: &mut [PlanStep], place: &impl Fn(NodeId) -> Result<NodeId, Fault>) -> Result<(), Fault> {
    for step in steps {
        match step {
            PlanStep::Assign(assignment) => {
                assignment.node = place(assignment.node)?;
                // An id without a column of its own is derived from its caption, or not at all.
                assignment.caption_of = assignment.caption_of.map(place).transpose()?;
            }
            PlanStep::Objects(list) => {
                list.node = place(list.node)?;
                place_items(&mut list.items, place)?;
            }
            PlanStep::Object { node, steps } => {
                *node = place(*node)?;
                place_steps(steps, place)?;
            }
            PlanStep::When { then, otherwise, .. } => {
                place_steps(then, place)?;
                place_steps(otherwise, place)?;
            }
            PlanStep::Misplaced { .. } => {}
        }
    }
    Ok(())
}

fn place_items(items: &mut [ObjectItem], place: &impl Fn(NodeId) -> Result<NodeId, Fault>) -> Result<(), Fault> {
    for item in items {
        match item {
            ObjectItem::One(body) | ObjectItem::Each { body, .. } => place_steps(&mut body.steps, place)?,
            ObjectItem::When { then, otherwise, .. } => {
                place_items(then, place)?;
                place_items(otherwise, place)?;
            }
        }
    }
    Ok(())
}
