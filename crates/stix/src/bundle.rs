//! Rows of a query as STIX: bundles of observed data with the objects that were seen.
//!
//! Which column becomes which object is data, a [`ResultsMap`]; which properties an object of the specification may
//! have is checked when the map is read. Ids of objects are those that the specification derives from their properties,
//! and all others follow from the row, so that the same rows make the same bundle.
//!
//! A value that cannot be what its property is (a port of 70000, a hash of the wrong length) is left out, and told as a
//! [`RowFault`]; a row never stops the others.

mod ids;
mod map;
mod types;
mod values;

pub use map::{MapError, ResultsMap, Row};

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json, json};

use crate::pattern::Timestamp;
use crate::time;
use crate::version::Version;
use ids::{content_id, derived_id};
use map::Rule;
use types::{Kind, Specified};
use values::{as_integer, read_time, stamp};

/// Something about a row that could not be carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowFault {
    /// Its place among the rows.
    pub row: usize,
    /// What, and what was done instead.
    pub fault: String,
}

/// Makes bundles of rows.
#[derive(Debug, Clone)]
pub struct Bundler<'m> {
    map: &'m ResultsMap,
    version: Version,
    source: String,
    exported_at: Timestamp,
}

/// An object of a row, its references still by name.
struct Draft<'m> {
    rule: &'m Rule,
    object_type: String,
    properties: Map<String, Json>,
}

/// The rows' extension of STIX by objects of their own, which 2.1 wants declared.
const EXTENSION: &str = "extension-definition--5d3fb9d1-7d31-4f60-8a63-5b7c1c6c6f0e";

/// Names that STIX 2.1 keeps for itself, or that make an object one that is not observed: own objects have them with
/// `x_`.
const RESERVED: &[&str] = &["action", "created", "modified", "phone_numbers", "revoked", "severity", "username"];

impl<'m> Bundler<'m> {
    /// `source` names who observed; `exported_at` is when the bundle is made, in nanoseconds since 1970.
    pub fn new(
        map: &'m ResultsMap,
        version: Version,
        source: impl Into<String>,
        exported_at: Timestamp,
    ) -> Bundler<'m> {
        // STIX 2.0 has timestamps to the millisecond exactly.
        Bundler { map, version, source: source.into(), exported_at: exported_at - exported_at.rem_euclid(1_000_000) }
    }

    /// A bundle of all rows, and what could not be carried over. `None` if there are no rows, since an empty bundle is
    /// none.
    ///
    /// ```
    /// use stix::bundle::{Bundler, ResultsMap};
    ///
    /// let map = ResultsMap::shipped("vpcflow").unwrap();
    /// let row = serde_json::json!({
    ///     "srcaddr": "10.0.0.5", "dstaddr": "198.51.100.7", "dstport": "443", "protocol": "6",
    ///     "start": "1704067200", "end": "1704067260",
    /// });
    /// let bundler = Bundler::new(&map, stix::Version::V21, "vpc flow logs", 0);
    /// let (bundle, faults) = bundler.bundle([row.as_object().unwrap()]);
    /// let bundle = bundle.unwrap();
    /// let mut objects = bundle["objects"].as_array().unwrap().iter();
    /// let traffic = objects.find(|object| object["type"] == "network-traffic").unwrap();
    /// assert_eq!(traffic["protocols"], serde_json::json!(["tcp"]));
    /// assert!(faults.is_empty());
    /// ```
    pub fn bundle<'r>(&self, rows: impl IntoIterator<Item = &'r Row>) -> (Option<Json>, Vec<RowFault>) {
        let (mut faults, mut observed_data) = (Vec::new(), Vec::new());
        let mut objects: Vec<Json> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut occurrences: HashMap<String, u64> = HashMap::new();
        let identity = self.identity();
        for (index, row) in rows.into_iter().enumerate() {
            let mut told = Vec::new();
            let content = ids::canonical(&Json::Object(row.clone()));
            let occurrence = occurrences.entry(content.clone()).or_default();
            let seed = format!("{}\n{occurrence}\n{content}", self.map.dialect());
            *occurrence += 1;
            let drafts = self.drafts(row, &mut told);
            let mut observed = self.observed(row, &seed, &identity, &mut told);
            let made = self.finish(drafts, &seed);
            match self.version {
                Version::V20 => observed["objects"] = Json::Object(made.into_iter().collect()),
                Version::V21 => {
                    observed["object_refs"] = made.iter().map(|(id, _)| json!(id)).collect();
                    for (id, object) in made {
                        match places.get(&id).and_then(|place| objects.get_mut(*place)) {
                            Some(known) => add_missing(known, object),
                            None => {
                                places.insert(id, objects.len());
                                objects.push(object);
                            }
                        }
                    }
                }
            }
            observed_data.push(observed);
            faults.extend(told.into_iter().map(|fault| RowFault { row: index, fault }));
        }
        if observed_data.is_empty() {
            return (None, faults);
        }
        let seeds: Vec<&str> = observed_data.iter().filter_map(|observed| observed["id"].as_str()).collect();
        let id = content_id("bundle", &seeds.join("\n"));
        let uses_extension = objects.iter().any(|object| object.get("extensions").is_some());
        let head = std::iter::once(identity.clone()).chain(uses_extension.then(|| self.extension(&identity)));
        let all: Vec<Json> = head.chain(observed_data).chain(objects).collect();
        let mut bundle = json!({"type": "bundle", "id": id});
        if self.version == Version::V20 {
            bundle["spec_version"] = json!("2.0");
        }
        bundle["objects"] = Json::Array(all);
        (Some(bundle), faults)
    }

    fn identity(&self) -> Json {
        let now = stamp(self.exported_at);
        let mut identity = json!({"type": "identity", "id": content_id("identity", &self.source)});
        self.mark(&mut identity);
        for (name, value) in [("created", json!(now)), ("modified", json!(now)), ("name", json!(self.source))] {
            identity[name] = value;
        }
        identity["identity_class"] = json!(if self.version == Version::V20 { "unknown" } else { "system" });
        identity
    }

    fn extension(&self, identity: &Json) -> Json {
        let now = stamp(self.exported_at);
        json!({"type": "extension-definition", "spec_version": "2.1", "id": EXTENSION, "created_by_ref": identity["id"],
            "created": now, "modified": now, "name": "Sluice rows",
            "description": "Objects of log records for which STIX has no type.",
            "schema": "https://json-schema.org/draft/2020-12/schema", "version": "1.0.0",
            "extension_types": ["new-sco"]})
    }

    fn mark(&self, object: &mut Json) {
        if self.version == Version::V21 {
            object["spec_version"] = json!("2.1");
        }
    }

    /// The `observed-data` object without what was seen.
    fn observed(&self, row: &Row, seed: &str, identity: &Json, told: &mut Vec<String>) -> Json {
        let at = |paths: &[map::Path]| paths.iter().find_map(|path| read_time(&path.of_row(row)?));
        let first = at(&self.map.first).or_else(|| at(&self.map.last)).unwrap_or_else(|| {
            told.push("no time: the time of the export is used".to_owned());
            self.exported_at
        });
        let mut last = at(&self.map.last).unwrap_or(first);
        if last < first {
            told.push("it ends before it starts: the start is used for both".to_owned());
            last = first;
        }
        const MOST: u64 = 999_999_999;
        let counted = self.map.count.iter().find_map(|path| as_integer(&path.of_row(row)?));
        let count = counted.and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0).unwrap_or(1);
        if count > MOST {
            told.push(format!("it counts {count}, more than STIX can say: {MOST} is used"));
        }
        let now = stamp(self.exported_at);
        let mut observed = json!({"type": "observed-data", "id": content_id("observed-data", seed)});
        self.mark(&mut observed);
        for (name, value) in [
            ("created_by_ref", identity["id"].clone()),
            ("created", json!(now)),
            ("modified", json!(now)),
            ("first_observed", json!(stamp(first))),
            ("last_observed", json!(stamp(last))),
            ("number_observed", json!(count.min(MOST))),
        ] {
            observed[name] = value;
        }
        observed
    }

    /// The objects that the map makes of a row; at least one.
    fn drafts(&self, row: &Row, told: &mut Vec<String>) -> Vec<Draft<'m>> {
        let mut drafts = Vec::new();
        let whole = Json::Object(row.clone());
        for rule in &self.map.objects {
            let elements = match &rule.each {
                None => vec![whole.clone()],
                Some(path) => match path.of_row(row) {
                    Some(Json::Array(elements)) => elements,
                    _ => Vec::new(),
                },
            };
            drafts.extend(elements.iter().filter_map(|element| self.draft(rule, element, told)));
        }
        if drafts.is_empty() {
            drafts.push(Draft {
                rule: &self.map.whole_row,
                object_type: "x-sluice-row".to_owned(),
                properties: columns(row),
            });
        }
        drafts
    }

    fn draft(&self, rule: &'m Rule, element: &Json, told: &mut Vec<String>) -> Option<Draft<'m>> {
        if !rule.applies(element) {
            return None;
        }
        let mut tell = |fault: String| {
            if !rule.quiet {
                told.push(fault);
            }
        };
        let mut properties = Map::new();
        let mut object_type = rule.object_type.clone();
        for (name, source) in &rule.properties {
            let Some(value) = source.value(element) else { continue };
            let told_here =
                |value: &Json| format!("{}:{name} cannot be {}: it is left out", rule.object_type, shown(value));
            if object_type == types::ADDRESS {
                object_type = address_type(&value).map(str::to_owned).or_else(|| {
                    tell(told_here(&value));
                    None
                })?;
            }
            let kind = types::property(&object_type, name).map_or(Kind::Any, |property| property.kind);
            match kind.read(&value) {
                Some(read) => _ = properties.insert(name.clone(), read),
                None => tell(told_here(&value)),
            }
        }
        let has = |name: &String| properties.contains_key(name);
        let is_there = properties.keys().any(|name| !rule.is_constant(name)) && rule.needs.iter().all(has);
        is_there.then_some(Draft { rule, object_type, properties })
    }

    /// Gives the objects their ids and references, and leaves out those that are not whole without others.
    fn finish(&self, drafts: Vec<Draft<'m>>, seed: &str) -> Vec<(String, Json)> {
        let mut kept: Vec<bool> = vec![true; drafts.len()];
        let named = |kept: &[bool], name: &str| -> Vec<usize> {
            let is_named = |(place, draft): &(usize, &Draft<'_>)| {
                draft.rule.name.as_deref() == Some(name) && kept.get(*place).copied().unwrap_or_default()
            };
            drafts.iter().enumerate().filter(is_named).map(|(place, _)| place).collect()
        };
        let references = |kept: &[bool], draft: &Draft<'_>| -> BTreeMap<String, Vec<usize>> {
            let targets =
                |names: &Vec<String>| names.iter().map(|name| named(kept, name)).find(|found| !found.is_empty());
            draft.rule.references.iter().filter_map(|(name, names)| Some((name.clone(), targets(names)?))).collect()
        };
        // What is left out may have been what another one needs; every round leaves out one or ends.
        loop {
            let lacking = drafts.iter().enumerate().find(|(place, draft)| {
                let has =
                    |name: &&str| draft.properties.contains_key(*name) || references(&kept, draft).contains_key(*name);
                let whole = Specified::of(&draft.object_type)
                    .is_none_or(|specified| specified.needs.iter().all(|any_of| any_of.iter().any(has)));
                kept.get(*place).copied().unwrap_or_default() && !whole
            });
            let Some(keep) = lacking.and_then(|(place, _)| kept.get_mut(place)) else { break };
            *keep = false;
        }
        let mut ids: Vec<Option<String>> = vec![None; drafts.len()];
        let order: Vec<usize> =
            (0..drafts.len()).filter(|place| kept.get(*place).copied().unwrap_or_default()).collect();
        // An id may be derived from those of references, which are of types whose ids are not: two rounds suffice for
        // all but files in directories under traffic, three for everything there is.
        for _ in 0..3 {
            for place in &order {
                if let Some(draft) = drafts.get(*place) {
                    let id = self.id(draft, &references(&kept, draft), &ids, *place, seed);
                    if let Some(slot) = ids.get_mut(*place) {
                        *slot = Some(id);
                    }
                }
            }
        }
        let mut made: Vec<(String, Json)> = Vec::new();
        for place in &order {
            let (Some(draft), Some(Some(id))) = (drafts.get(*place), ids.get(*place)) else { continue };
            let mut object = json!({"type": draft.object_type});
            if self.version == Version::V21 {
                object["id"] = json!(id);
                self.mark(&mut object);
            }
            let mut members: Vec<(String, Json)> =
                draft.properties.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            for (name, targets) in references(&kept, draft) {
                let mut targets: Vec<&String> = targets
                    .iter()
                    .filter_map(|target| ids.get(*target)?.as_ref())
                    .filter(|target| *target != id)
                    .collect();
                let mut seen = std::collections::HashSet::new();
                targets.retain(|target| seen.insert(*target));
                if name.ends_with("_refs") {
                    members.extend((!targets.is_empty()).then(|| (name, json!(targets))));
                } else {
                    members.extend(targets.first().map(|target| (name, json!(target))));
                }
            }
            for (name, value) in members {
                if let Some(name) = self.spelling(&draft.object_type, &name) {
                    object[name] = value;
                }
            }
            self.adjust(&mut object, &draft.object_type);
            match made.iter_mut().find(|(known, _)| known == id) {
                Some((_, known)) => add_missing(known, object),
                None => made.push((id.clone(), object)),
            }
        }
        made
    }

    fn id(
        &self,
        draft: &Draft<'_>,
        references: &BTreeMap<String, Vec<usize>>,
        ids: &[Option<String>],
        place: usize,
        seed: &str,
    ) -> String {
        if self.version == Version::V20 {
            return place.to_string();
        }
        let mut contributing = Map::new();
        for name in Specified::of(&draft.object_type).map_or(&[][..], |specified| specified.identity) {
            if let Some(value) = draft.properties.get(*name) {
                contributing.insert(
                    (*name).to_owned(),
                    if *name == "hashes" { ids::chosen_hash(value) } else { value.clone() },
                );
            } else if let Some(target) = references.get(*name).and_then(|targets| targets.first()) {
                let id = ids.get(*target).cloned().flatten();
                contributing.extend(id.map(|id| ((*name).to_owned(), json!(id))));
            }
        }
        if contributing.is_empty() {
            return content_id(&draft.object_type, &format!("{place}\n{seed}"));
        }
        derived_id(&draft.object_type, &Json::Object(contributing))
    }

    /// What the version calls a property; `None` if it has none of the kind.
    fn spelling(&self, object_type: &str, name: &str) -> Option<String> {
        match types::property(object_type, name) {
            None if self.version == Version::V21 && RESERVED.contains(&name) => Some(format!("x_{name}")),
            None => Some(name.to_owned()),
            Some(property) => match self.version {
                Version::V20 => property.in_20.map(str::to_owned),
                Version::V21 => property.in_21.then(|| name.to_owned()),
            },
        }
    }

    fn adjust(&self, object: &mut Json, object_type: &str) {
        match (object_type, self.version) {
            ("user-account", Version::V20) if object.get("user_id").is_none() => {
                let stand_in = ["account_login", "display_name"].iter().find_map(|name| object.get(*name).cloned());
                object["user_id"] = stand_in.unwrap_or_default();
            }
            ("network-traffic", _) => {
                let ends_early = match (object["start"].as_str(), object["end"].as_str()) {
                    (Some(start), Some(end)) => {
                        time::read(end).map(|read| read.at) < time::read(start).map(|read| read.at)
                    }
                    _ => false,
                };
                if let Some(members) = object.as_object_mut() {
                    if ends_early {
                        members.remove("end");
                    }
                    if members.contains_key("end") {
                        members.insert("is_active".to_owned(), json!(false));
                    }
                }
            }
            _ => {}
        }
        if self.version == Version::V21 && Specified::of(object_type).is_none() {
            object["extensions"] = json!({EXTENSION: {"extension_type": "new-sco"}});
        }
    }
}

fn add_missing(known: &mut Json, object: Json) {
    let (Some(known), Json::Object(object)) = (known.as_object_mut(), object) else { return };
    for (name, value) in object {
        known.entry(name).or_insert(value);
    }
}

/// The columns of a row of which no rule makes anything, as far as STIX can name them.
fn columns(row: &Row) -> Map<String, Json> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= 250
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let text = |value: &Json| match value {
        Json::String(text) => json!(text),
        other => json!(other.to_string()),
    };
    let columns: Map<String, Json> = row
        .iter()
        .filter(|(name, value)| is_name(name) && !value.is_null())
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    let mut properties = Map::new();
    properties.insert("column_count".to_owned(), json!(row.len()));
    if !columns.is_empty() {
        properties.insert("columns".to_owned(), Json::Object(columns));
    }
    properties
}

fn address_type(value: &Json) -> Option<&'static str> {
    match value.as_str()?.parse().ok()? {
        std::net::IpAddr::V4(_) => Some("ipv4-addr"),
        std::net::IpAddr::V6(_) => Some("ipv6-addr"),
    }
}

fn shown(value: &Json) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}…", text.chars().take(60).collect::<String>()) }
}
