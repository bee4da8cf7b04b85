//! Observed data as the specification's versions have it, made one form.

use serde_json::{Map, Value as Json};

use super::error::MatchError;
use crate::pattern::Timestamp;
use crate::time;
use crate::version::Version;

/// An observation: what was seen, when, and how often.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Observed {
    /// The id of the `observed-data` object, if it has one.
    pub id: Option<String>,
    /// When it was first seen.
    pub first: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
    /// How often, at least once.
    pub number_observed: u64,
    /// Objects with their ids.
    objects: Vec<(String, Json)>,
    /// Whether types of other STIX objects (identities, reports) are none of an observation.
    only_cyber: bool,
}

impl Observed {
    /// The objects of a type with their places.
    pub(super) fn objects_of<'o>(&'o self, object_type: &'o str) -> impl Iterator<Item = (usize, &'o Json)> {
        let is_cyber = !self.only_cyber || !OTHER_TYPES.contains(&object_type);
        let is_of_type =
            move |object: &Json| is_cyber && object.get("type").and_then(Json::as_str) == Some(object_type);
        let places = self.objects.iter().enumerate();
        places.filter(move |(_, (_, object))| is_of_type(object)).map(|(place, (_, object))| (place, object))
    }

    /// The object that a reference of another one leads to.
    pub(super) fn object(&self, id: &str) -> Option<&Json> {
        self.objects.iter().find(|(other, _)| other == id).map(|(_, object)| object)
    }
}

/// Reads observed data: bundles, `observed-data` objects, and lists of both, of STIX 2.0 and of 2.1 alike. Each object shows
/// its own version: one of 2.0 holds its objects in `objects`, one of 2.1 refers to others of the data in `object_refs`.
///
/// `version` decides only where an object shows neither: 2.0 takes it as an observation without objects, 2.1 refuses it.
///
/// # Errors
///
/// [`MatchError::Observed`] for what is in another form.
pub fn observations(data: &Json, version: Version) -> Result<Vec<Observed>, MatchError> {
    let list = match data {
        Json::Array(list) => list.as_slice(),
        single => std::slice::from_ref(single),
    };
    let mut known: Map<String, Json> = Map::new();
    let mut found = Vec::new();
    for (index, element) in list.iter().enumerate() {
        let fault = |fault: &str| MatchError::Observed { index, fault: fault.to_owned() };
        let objects = match (element.get("type").and_then(Json::as_str), element.get("objects")) {
            (Some("bundle") | None, Some(Json::Array(objects))) => objects.as_slice(),
            // A bundle of 2.0 may have none.
            (Some("bundle"), None) if version == Version::V20 => &[],
            (Some("bundle"), _) => return Err(fault("a bundle has `objects`")),
            _ => std::slice::from_ref(element),
        };
        for object in objects {
            let kind = object.get("type").and_then(Json::as_str);
            // An observation of 2.0 shows itself by its form, whatever its type is called.
            let is_dictionary = || object.get("objects").is_some_and(Json::is_object);
            let is_observed = || object.get("first_observed").is_some() && (kind.is_none() || is_dictionary());
            if kind == Some("observed-data") || is_observed() {
                found.push((index, object));
            } else if let Some(id) = object.get("id").and_then(Json::as_str) {
                known.insert(id.to_owned(), object.clone());
            } else if kind.is_some() {
                return Err(fault("an object has an `id`"));
            } else {
                return Err(fault("it is neither a bundle nor an object of STIX"));
            }
        }
    }
    found.into_iter().map(|(index, data)| of_object(data, index, &known, version)).collect()
}

fn of_object(data: &Json, index: usize, known: &Map<String, Json>, version: Version) -> Result<Observed, MatchError> {
    let mut observed = read(data, index)?;
    match (data.get("object_refs").and_then(Json::as_array), data.get("objects")) {
        (Some(refs), _) => {
            let ids = refs.iter().filter_map(Json::as_str);
            observed.only_cyber = true;
            observed.objects = ids.filter_map(|id| Some((id.to_owned(), known.get(id)?.clone()))).collect();
        }
        (None, Some(Json::Object(objects))) => {
            observed.objects = objects.iter().map(|(id, object)| (id.clone(), object.clone())).collect();
        }
        (None, _) if version == Version::V20 => {}
        (None, _) => {
            let fault = "observed data has `object_refs` (STIX 2.1) or `objects` (2.0)".to_owned();
            return Err(MatchError::Observed { index, fault });
        }
    }
    Ok(observed)
}

fn read(data: &Json, index: usize) -> Result<Observed, MatchError> {
    let fault = |fault: String| MatchError::Observed { index, fault };
    let time = |name: &str| {
        let text = data.get(name).and_then(Json::as_str).ok_or_else(|| fault(format!("`{name}` is missing")))?;
        let read = time::read(text).filter(|read| read.real_day);
        read.map(|read| read.at).ok_or_else(|| fault(format!("`{name}` is not a timestamp: {text:?}")))
    };
    let number = data.get("number_observed").and_then(Json::as_u64).filter(|number| *number > 0);
    let (first, last) = (time("first_observed")?, time("last_observed")?);
    if last < first {
        return Err(fault("`last_observed` is before `first_observed`".to_owned()));
    }
    Ok(Observed {
        id: data.get("id").and_then(Json::as_str).map(str::to_owned),
        first,
        last,
        number_observed: number.ok_or_else(|| fault("`number_observed` is a whole number, at least 1".to_owned()))?,
        objects: Vec::new(),
        only_cyber: false,
    })
}

/// Types of STIX 2.1 objects that are no cyber observables.
const OTHER_TYPES: &[&str] = &[
    "attack-pattern",
    "bundle",
    "campaign",
    "course-of-action",
    "extension-definition",
    "grouping",
    "identity",
    "incident",
    "indicator",
    "infrastructure",
    "intrusion-set",
    "language-content",
    "location",
    "malware",
    "malware-analysis",
    "marking-definition",
    "note",
    "observed-data",
    "opinion",
    "relationship",
    "report",
    "sighting",
    "threat-actor",
    "tool",
    "vulnerability",
];
