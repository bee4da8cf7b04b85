//! The columns of a table that hold a property of a pattern, and the way to each.

use std::rc::Rc;

use sql::sql;
use sql::text::Sql;
use sql::types::ColumnType;
use stix::pattern::{ObjectPath, Step};

use super::reader::Reader;
use super::tree::{Hop, Instance};
use crate::compare::{Predicate, Typed};
use crate::diagnostic::Diagnostic;
use crate::map::{Constant, DialectMap, Family, Kind, Object, Placement, Source, joined, sibling};
use crate::path::{ColumnPath, JsonStep, PathStep};

/// A place where a value may stand, before it is compared.
pub(super) struct Candidate<'m> {
    instance: Instance,
    at: Option<ColumnPath>,
    source: &'m Source,
    family: Option<Family>,
}

impl<'a> Reader<'a> {
    /// All places of a property, through references too.
    pub(super) fn candidates(
        &self,
        object_type: &str,
        within: Option<&Option<ColumnPath>>,
        property: &str,
        found: &mut Vec<Candidate<'a>>,
        depth: usize,
    ) {
        let map: &'a DialectMap = self.map;
        let Some(object) = map.object(object_type) else { return };
        if depth > 4 {
            return;
        }
        for placement in &object.placements {
            for at in &placement.at {
                if within.is_some_and(|within| within != at) {
                    continue;
                }
                self.of_placement(object_type, object, placement, at, property, found, depth);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the two halves of one recursion")]
    fn of_placement(
        &self,
        object_type: &str,
        object: &'a Object,
        placement: &'a Placement,
        at: &Option<ColumnPath>,
        property: &str,
        found: &mut Vec<Candidate<'a>>,
        depth: usize,
    ) {
        for source in placement.properties.get(property).into_iter().flatten() {
            let place = at.as_ref().map(ToString::to_string).unwrap_or_default();
            let instance = Instance { object_type: object_type.to_owned(), at: place };
            found.push(Candidate { instance, at: at.clone(), source, family: object.family });
        }
        for (reference, target) in &placement.references {
            let Some(rest) = property.strip_prefix(reference.as_str()).and_then(|rest| rest.strip_prefix('.')) else {
                continue;
            };
            let there = joined(at.as_ref(), target.at.as_ref());
            for referenced in &target.objects {
                let before = found.len();
                self.candidates(referenced, Some(&there), rest, found, depth + 1);
                for candidate in &mut found[before..] {
                    let place = at.as_ref().map(ToString::to_string).unwrap_or_default();
                    candidate.instance = Instance { object_type: object_type.to_owned(), at: place };
                }
            }
        }
    }

    /// How a table's rows are read there, if it has the column.
    pub(super) fn access(
        &self,
        candidate: &Candidate<'_>,
        indices: &[i64],
        path: &ObjectPath,
    ) -> Result<Option<Found>, Diagnostic> {
        let column = |name: &str| self.table.column(name).cloned();
        for source_path in &candidate.source.paths {
            let mut relative = source_path.clone();
            if let [index] = indices {
                match indexed(&relative, *index) {
                    Indexed::Path(path) => relative = path,
                    Indexed::Absent => continue,
                    Indexed::Unclear => {
                        let message =
                            format!("an index cannot be carried out here: {source_path} holds more than one list");
                        return Err(Diagnostic::error(Some(path.span.clone()), message, "write [*] for any element"));
                    }
                }
            } else if indices.len() > 1 {
                let message = "more than one index cannot be carried out here";
                return Err(Diagnostic::error(Some(path.span.clone()), message, "write [*] for any element"));
            }
            let full = candidate.at.as_ref().map_or_else(|| relative.clone(), |at| at.join(&relative));
            let Some((full, mut found)) = full.resolve(column) else { continue };
            let mut filter: Option<Predicate> = None;
            for (field, constant) in &candidate.source.filter {
                if sibling(&full, field).resolve(column).is_none() {
                    return Ok(None);
                }
                let (field, constant) = (Sql::name(field), constant_sql(constant));
                let before = filter.take();
                filter = Some(Rc::new(move |element| {
                    let own = sql!("{}.{} = {}", element, field, constant);
                    before.as_ref().map_or_else(|| own.clone(), |before| sql!("{} AND {}", before(element), own))
                }));
            }
            let at_length = candidate.at.as_ref().map_or(0, |at| at.steps.len());
            let mut hops = hops_of(&full, filter.as_ref(), at_length);
            if let Some(cast) = &candidate.source.cast {
                hops.push(Hop::Cast(cast.clone()));
                found = cast.clone();
            }
            let kind = candidate.source.kind;
            let family = candidate.family.filter(|_| kind == Some(Kind::Address));
            return Ok(Some(Found {
                instance: candidate.instance.clone(),
                path: format!("{full}{:?}", candidate.source.filter),
                hops,
                typed: Typed { column_type: found, kind, family },
                at: candidate.at.clone(),
            }));
        }
        Ok(None)
    }

    /// The columns' own paths: `x-ocsf:actor.process.cmd_line`.
    pub(super) fn passthrough(&self, path: &ObjectPath) -> Option<Found> {
        let mut hops = Vec::new();
        let mut json: Vec<JsonStep> = Vec::new();
        let mut reached: Option<ColumnType> = None;
        let mut is_json = false;
        for step in &path.steps {
            match (step, reached.take()) {
                (Step::Property(name), None) => {
                    let (name, column_type) =
                        self.table.columns.iter().find(|(column, _)| column.eq_ignore_ascii_case(name))?;
                    hops.push(Hop::Column(name.clone()));
                    reached = Some(column_type.clone());
                }
                (Step::Property(name), Some(row @ ColumnType::Row(_))) => {
                    hops.push(Hop::Field(name.clone()));
                    reached = Some(row.field(name)?.clone());
                }
                (Step::Property(name), Some(ColumnType::Map(key, value))) if *key == ColumnType::Varchar => {
                    hops.push(Hop::Key(name.clone()));
                    reached = Some(*value);
                }
                (Step::Property(name), Some(text @ (ColumnType::Varchar | ColumnType::Json))) => {
                    is_json = true;
                    json.push(JsonStep::Key(name.clone()));
                    reached = Some(text);
                }
                (Step::AnyElement, Some(ColumnType::Array(element))) => {
                    hops.push(Hop::Each { filter: None, ties: element.is_complex() });
                    reached = Some(*element);
                }
                (Step::Index(index), Some(ColumnType::Array(element))) => {
                    hops.push(Hop::Element(index.checked_add(1)?));
                    reached = Some(*element);
                }
                (Step::AnyElement, Some(text @ (ColumnType::Varchar | ColumnType::Json))) if is_json => {
                    hops.push(Hop::JsonEach(std::mem::take(&mut json)));
                    reached = Some(text);
                }
                (Step::Index(index), Some(text @ (ColumnType::Varchar | ColumnType::Json))) if is_json => {
                    json.push(JsonStep::Index(u32::try_from(*index).ok()?));
                    reached = Some(text);
                }
                _ => return None,
            }
        }
        if is_json {
            hops.push(Hop::Json(json));
            reached = Some(ColumnType::Varchar);
        }
        let mut column_type = reached?;
        while let ColumnType::Array(element) = column_type {
            hops.push(Hop::Each { filter: None, ties: false });
            column_type = *element;
        }
        let instance = Instance { object_type: path.object_type.clone(), at: String::new() };
        let kind = None;
        Some(Found { instance, path: String::new(), hops, typed: Typed { column_type, kind, family: None }, at: None })
    }

    /// OCSF's list of what else an event speaks of.
    pub(super) fn observable(&self, path: &ObjectPath, property: &str) -> Option<Found> {
        let list = self.map.observables.as_ref()?;
        let object = self.map.object(&path.object_type)?;
        let observable = object.observables.get(property)?.clone();
        let ColumnType::Array(element) = self.table.column(list)? else { return None };
        element.field("type_id")?;
        element.field("value")?;
        let kinds = object.placements.iter().filter_map(|p| p.properties.get(property)).flatten().find_map(|s| s.kind);
        let filter: Predicate = Rc::new(move |element| {
            let ids = Sql::list(observable.type_ids.iter().copied().map(Sql::integer));
            let of_type = match observable.type_ids.as_slice() {
                [_] => sql!("{}.\"type_id\" = {}", element, ids),
                _ => sql!("{}.\"type_id\" IN ({})", element, ids),
            };
            match observable.length {
                Some(length) => sql!("{} AND length({}.\"value\") = {}", of_type, element, Sql::integer(length)),
                None => of_type,
            }
        });
        let hops = vec![
            Hop::Column(list.clone()),
            Hop::Each { filter: Some(filter), ties: false },
            Hop::Field("value".to_owned()),
        ];
        let family = object.family.filter(|_| kinds == Some(Kind::Address));
        Some(Found {
            instance: Instance { object_type: path.object_type.clone(), at: list.clone() },
            path: String::new(),
            hops,
            typed: Typed { column_type: ColumnType::Varchar, kind: kinds, family },
            at: None,
        })
    }
}

/// A column of a table that holds a property.
pub(super) struct Found {
    pub(super) instance: Instance,
    /// What tells it from other columns.
    pub(super) path: String,
    pub(super) hops: Vec<Hop>,
    pub(super) typed: Typed,
    pub(super) at: Option<ColumnPath>,
}

/// A column of `ipv4-addr` and of `ipv6-addr` both, as behind `src_ref`, holds any address.
pub(super) fn merge_families(found: &mut Vec<Found>) {
    let mut merged: Vec<Found> = Vec::new();
    for one in found.drain(..) {
        let is_twin = |other: &&mut Found| other.path == one.path && other.typed.family.is_some();
        match merged.iter_mut().find(is_twin).filter(|_| one.typed.family.is_some()) {
            Some(twin) => twin.typed.family = None,
            None => merged.push(one),
        }
    }
    *found = merged;
}

fn constant_sql(constant: &Constant) -> Sql {
    match constant {
        Constant::Integer(number) => Sql::integer(*number),
        Constant::Text(text) => Sql::text(text),
    }
}

/// The steps of a path, and elements of the list that it ends on.
fn hops_of(path: &ColumnPath, filter: Option<&Predicate>, object_steps: usize) -> Vec<Hop> {
    let last_each = path.steps.iter().rposition(|step| *step == PathStep::Each);
    let mut hops = Vec::new();
    for (place, step) in path.steps.iter().enumerate() {
        hops.push(match step {
            PathStep::Field(name) if place == 0 => Hop::Column(name.clone()),
            PathStep::Field(name) => Hop::Field(name.clone()),
            PathStep::Key(key) => Hop::Key(key.clone()),
            PathStep::Index(index) => Hop::Element(i64::from(*index) + 1),
            PathStep::Each => {
                let filter = filter.filter(|_| last_each == Some(place)).cloned();
                let is_last = place + 1 == path.steps.len() && path.json.is_empty();
                Hop::Each { ties: !is_last && (filter.is_none() || place < object_steps), filter }
            }
        });
    }
    let mut json = Vec::new();
    for step in &path.json {
        match step {
            JsonStep::Each => hops.push(Hop::JsonEach(std::mem::take(&mut json))),
            other => json.push(other.clone()),
        }
    }
    if !path.json.is_empty() {
        hops.push(Hop::Json(json));
    }
    hops
}

enum Indexed {
    Path(ColumnPath),
    Absent,
    Unclear,
}

/// The path with its one list cut down to one element. A scalar is a list of one.
fn indexed(path: &ColumnPath, index: i64) -> Indexed {
    let lists: Vec<usize> =
        path.steps.iter().enumerate().filter(|(_, step)| **step == PathStep::Each).map(|(place, _)| place).collect();
    let json_lists = path.json.iter().filter(|step| **step == JsonStep::Each).count();
    let Ok(index) = u32::try_from(index) else { return Indexed::Absent };
    match (&lists[..], json_lists) {
        ([], 0) if index == 0 => Indexed::Path(path.clone()),
        ([], 0) => Indexed::Absent,
        ([place], 0) => {
            let mut path = path.clone();
            path.steps[*place] = PathStep::Index(index);
            Indexed::Path(path)
        }
        ([], 1) => {
            let mut path = path.clone();
            for step in &mut path.json {
                if *step == JsonStep::Each {
                    *step = JsonStep::Index(index);
                }
            }
            Indexed::Path(path)
        }
        _ => Indexed::Unclear,
    }
}

/// A path of the pattern as maps write it, `[*]` left out, and its indices.
pub(super) fn property(path: &ObjectPath) -> Result<(String, Vec<i64>), Diagnostic> {
    let mut property = String::new();
    let mut indices = Vec::new();
    for step in &path.steps {
        match step {
            Step::Property(name) => {
                if !property.is_empty() {
                    property.push('.');
                }
                let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if plain {
                    property.push_str(name);
                } else {
                    property.push_str(&format!("'{name}'"));
                }
            }
            Step::AnyElement => {}
            Step::Index(index) if *index < 0 => {
                let message = "a list has no element before its first";
                return Err(Diagnostic::error(Some(path.span.clone()), message, "count elements from 0, or write [*]"));
            }
            Step::Index(index) => indices.push(*index),
        }
    }
    Ok((property, indices))
}
