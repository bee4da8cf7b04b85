//! The entity of a finding.

use std::fmt;

use serde_json::Value as Json;

/// Kinds of entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EntityKind {
    /// A person, role or service: an ARN or the name of a user.
    Actor,
    /// A source address.
    Address,
    /// A host.
    Host,
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Actor => "actor",
            Self::Address => "source address",
            Self::Host => "host",
        })
    }
}

/// JSON pointers to entities in the evidence of a finding. `data` has the whole row of a rule, `data.event` the event of a
/// pattern.
static PLACES: [(EntityKind, &[&str]); 3] = [
    (
        EntityKind::Actor,
        &[
            "/data/user_uid",
            "/data/user_arn",
            "/data/arn",
            "/actor/user/uid",
            "/data/event/actor/user/uid",
            "/data/user_name",
            "/data/user",
            "/actor/user/name",
            "/data/event/actor/user/name",
        ],
    ),
    (EntityKind::Address, &["/data/src_ip", "/src_endpoint/ip", "/data/source_ip", "/data/event/src_endpoint/ip"]),
    (
        EntityKind::Host,
        &[
            "/data/hostname",
            "/data/host",
            "/data/src_hostname",
            "/src_endpoint/hostname",
            "/data/event/device/hostname",
        ],
    ),
];

/// Observable types that name an entity: a resource (only if its name is an ARN), a user, an address, a host.
static OBSERVABLES: [(EntityKind, i64); 4] =
    [(EntityKind::Actor, 10), (EntityKind::Actor, 4), (EntityKind::Address, 2), (EntityKind::Host, 1)];

/// The entity of a Detection Finding: its actor, else its source address, else its host. Evidence takes precedence over
/// observables. The first row that names an entity of a kind counts.
///
/// ```
/// use detection::entity::{EntityKind, of_finding};
///
/// let finding = serde_json::json!({"evidences": [{"data": {"src_ip": "192.0.2.1", "user_name": "backup"}}]});
/// assert_eq!(of_finding(&finding), Some((EntityKind::Actor, "backup".to_owned())));
/// ```
pub fn of_finding(finding: &Json) -> Option<(EntityKind, String)> {
    let list = |name: &str| finding.get(name).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let in_evidence = PLACES.iter().find_map(|(kind, places)| {
        let text = list("evidences").iter().find_map(|row| {
            let texts = places.iter().filter_map(|place| row.pointer(place)?.as_str());
            texts.into_iter().find(|text| !text.is_empty())
        });
        Some((*kind, text?.to_owned()))
    });
    in_evidence.or_else(|| {
        OBSERVABLES.iter().find_map(|(kind, type_id)| {
            let of_type = list("observables").iter().filter(|observable| observable["type_id"] == *type_id);
            let mut texts = of_type.filter_map(|observable| observable["value"].as_str());
            let text = texts.find(|text| !text.is_empty() && (*type_id != 10 || text.starts_with("arn:")))?;
            Some((*kind, text.to_owned()))
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(finding: &Json) -> Option<(EntityKind, &'static str)> {
        let (kind, text) = of_finding(finding)?;
        Some((kind, text.leak()))
    }

    #[test]
    fn the_actor_comes_before_the_address_and_that_before_the_host() {
        let evidence = |data: Json| json!({"evidences": [{"data": data}]});
        let all =
            json!({"hostname": "h", "src_ip": "192.0.2.1", "user_name": "u", "user_uid": "arn:aws:iam::1:user/u"});
        assert_eq!(of(&evidence(all)), Some((EntityKind::Actor, "arn:aws:iam::1:user/u")));
        assert_eq!(
            of(&evidence(json!({"hostname": "h", "src_ip": "192.0.2.1"}))),
            Some((EntityKind::Address, "192.0.2.1"))
        );
        assert_eq!(of(&evidence(json!({"hostname": "h", "user_name": ""}))), Some((EntityKind::Host, "h")));
        assert_eq!(of(&evidence(json!({"time": 5, "user_name": null}))), None);
        let event = json!({"event": {"actor": {"user": {"name": "n"}}, "device": {"hostname": "h"}}});
        assert_eq!(of(&evidence(event)), Some((EntityKind::Actor, "n")));
    }

    #[test]
    fn a_later_row_names_what_the_first_does_not() {
        let rows = json!({"evidences": [{"data": {"src_ip": "192.0.2.1"}}, {"data": {"user_name": "u"}}]});
        assert_eq!(of(&rows), Some((EntityKind::Actor, "u")));
    }

    #[test]
    fn observables_name_what_evidence_does_not() {
        let observable = |type_id: i64, value: &str| json!({"name": "x", "type_id": type_id, "value": value});
        let finding =
            json!({"observables": [observable(1, "h"), observable(10, "bucket"), observable(2, "192.0.2.9")]});
        assert_eq!(of(&finding), Some((EntityKind::Address, "192.0.2.9")));
    }
}
