//! The object types of the specification that rows become, with what their properties hold.

use serde_json::{Map, Value as Json, json};

use super::values::{as_integer, read_time};
use crate::time;

/// In a map: `ipv4-addr` or `ipv6-addr`, by the value.
pub(super) const ADDRESS: &str = "ip-addr";

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// From 0.
    Count,
    /// 0 to 65535.
    Port,
    Time,
    /// Texts; a single one is a list of one.
    Texts,
    /// OCSF's list of hashes, or an object of them.
    Hashes,
    /// Six pairs of hex digits.
    Mac,
    Url,
    Reference,
    References,
    /// As it is, for objects of our own.
    Any,
}

/// A property of a type of the specification.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) in_21: bool,
    /// What STIX 2.0 calls it.
    pub(super) in_20: Option<&'static str>,
}

/// A type of the specification.
#[derive(Debug)]
pub(super) struct Specified {
    pub(super) object_type: &'static str,
    pub(super) properties: &'static [Property],
    /// From which the id is derived.
    pub(super) identity: &'static [&'static str],
    /// At least one of each list must be there.
    pub(super) needs: &'static [&'static [&'static str]],
}

const fn both(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, in_21: true, in_20: Some(name) }
}

const fn renamed(name: &'static str, in_20: &'static str, kind: Kind) -> Property {
    Property { name, kind, in_21: true, in_20: Some(in_20) }
}

const VALUE: &[Property] = &[both("value", Kind::Text)];

static SPECIFIED: &[Specified] = &[
    Specified {
        object_type: "autonomous-system",
        properties: &[both("number", Kind::Count), both("name", Kind::Text)],
        identity: &["number"],
        needs: &[&["number"]],
    },
    Specified {
        object_type: "directory",
        properties: &[both("path", Kind::Text)],
        identity: &["path"],
        needs: &[&["path"]],
    },
    Specified {
        object_type: "domain-name",
        properties: &[both("value", Kind::Text), both("resolves_to_refs", Kind::References)],
        identity: &["value"],
        needs: &[&["value"]],
    },
    Specified {
        object_type: "email-addr",
        properties: &[
            both("value", Kind::Text),
            both("display_name", Kind::Text),
            both("belongs_to_ref", Kind::Reference),
        ],
        identity: &["value"],
        needs: &[&["value"]],
    },
    Specified {
        object_type: "file",
        properties: &[
            both("name", Kind::Text),
            both("size", Kind::Count),
            both("hashes", Kind::Hashes),
            both("mime_type", Kind::Text),
            renamed("ctime", "created", Kind::Time),
            renamed("mtime", "modified", Kind::Time),
            renamed("atime", "accessed", Kind::Time),
            both("parent_directory_ref", Kind::Reference),
        ],
        identity: &["hashes", "name", "parent_directory_ref"],
        needs: &[&["hashes", "name"]],
    },
    Specified { object_type: "ipv4-addr", properties: VALUE, identity: &["value"], needs: &[&["value"]] },
    Specified { object_type: "ipv6-addr", properties: VALUE, identity: &["value"], needs: &[&["value"]] },
    Specified {
        object_type: "mac-addr",
        properties: &[both("value", Kind::Mac)],
        identity: &["value"],
        needs: &[&["value"]],
    },
    Specified {
        object_type: "network-traffic",
        properties: &[
            both("start", Kind::Time),
            both("end", Kind::Time),
            both("src_ref", Kind::Reference),
            both("dst_ref", Kind::Reference),
            both("src_port", Kind::Port),
            both("dst_port", Kind::Port),
            both("protocols", Kind::Texts),
            both("src_byte_count", Kind::Count),
            both("dst_byte_count", Kind::Count),
            both("src_packets", Kind::Count),
            both("dst_packets", Kind::Count),
        ],
        identity: &["start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols"],
        needs: &[&["protocols"], &["src_ref", "dst_ref"]],
    },
    Specified {
        object_type: "process",
        properties: &[
            both("pid", Kind::Count),
            both("command_line", Kind::Text),
            both("cwd", Kind::Text),
            Property { name: "name", kind: Kind::Text, in_21: false, in_20: Some("name") },
            renamed("created_time", "created", Kind::Time),
            renamed("image_ref", "binary_ref", Kind::Reference),
            both("parent_ref", Kind::Reference),
            both("creator_user_ref", Kind::Reference),
        ],
        identity: &[],
        needs: &[&["pid", "command_line", "cwd", "created_time", "image_ref"]],
    },
    Specified {
        object_type: "software",
        properties: &[both("name", Kind::Text), both("vendor", Kind::Text), both("version", Kind::Text)],
        identity: &["name", "vendor", "version"],
        needs: &[&["name"]],
    },
    Specified {
        object_type: "url",
        properties: &[both("value", Kind::Url)],
        identity: &["value"],
        needs: &[&["value"]],
    },
    Specified {
        object_type: "user-account",
        properties: &[
            both("user_id", Kind::Text),
            both("account_login", Kind::Text),
            both("account_type", Kind::Text),
            both("display_name", Kind::Text),
        ],
        identity: &["account_type", "user_id", "account_login"],
        needs: &[&["user_id", "account_login", "display_name"]],
    },
    Specified {
        object_type: "windows-registry-key",
        properties: &[both("key", Kind::Text), renamed("modified_time", "modified", Kind::Time)],
        identity: &["key"],
        needs: &[&["key"]],
    },
];

impl Specified {
    pub(super) fn of(object_type: &str) -> Option<&'static Specified> {
        SPECIFIED.iter().find(|specified| specified.object_type == object_type)
    }
}

/// The property of a type of the specification.
pub(super) fn property(object_type: &str, name: &str) -> Option<&'static Property> {
    let object_type = if object_type == ADDRESS { "ipv4-addr" } else { object_type };
    Specified::of(object_type)?.properties.iter().find(|property| property.name == name)
}

impl Kind {
    /// The value as the property holds it.
    pub(super) fn read(self, value: &Json) -> Option<Json> {
        match self {
            Kind::Text => text(value).map(Json::String),
            Kind::Count => as_integer(value).filter(|count| *count >= 0).map(|count| json!(count)),
            Kind::Port => as_integer(value).filter(|port| (0..=65_535).contains(port)).map(|port| json!(port)),
            Kind::Time => read_time(value).map(|at| json!(time::write(at))),
            Kind::Texts => {
                let texts: Vec<String> = match value {
                    Json::Array(items) => items.iter().filter_map(text).collect(),
                    single => text(single).into_iter().collect(),
                };
                (!texts.is_empty()).then(|| json!(texts))
            }
            Kind::Hashes => hashes(value),
            Kind::Mac => {
                let mac = text(value)?.to_ascii_lowercase().replace('-', ":");
                let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
                (mac.split(':').count() == 6 && mac.split(':').all(is_pair)).then(|| json!(mac))
            }
            Kind::Url => text(value).filter(|url| is_url(url)).map(Json::String),
            Kind::Reference | Kind::References => None,
            Kind::Any => Some(value.clone()),
        }
    }
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        && !rest.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}'))
}

/// OCSF's algorithms, by `algorithm_id`.
const ALGORITHMS: &[(i64, &str)] =
    &[(1, "MD5"), (2, "SHA-1"), (3, "SHA-256"), (4, "SHA-512"), (5, "SSDEEP"), (6, "TLSH")];

fn hashes(value: &Json) -> Option<Json> {
    let mut hashes = Map::new();
    match value {
        Json::Array(fingerprints) => {
            for fingerprint in fingerprints {
                let by_id = fingerprint.get("algorithm_id").and_then(as_integer);
                let name = ALGORITHMS.iter().find(|(id, _)| Some(*id) == by_id).map(|(_, name)| *name);
                let by_name = || {
                    let named = fingerprint.get("algorithm")?.as_str()?.to_uppercase().replace('-', "");
                    ALGORITHMS.iter().map(|(_, name)| *name).find(|name| name.replace('-', "") == named)
                };
                add_hash(&mut hashes, name.or_else(by_name), fingerprint.get("value"));
            }
        }
        Json::Object(named) => {
            for (name, value) in named {
                let folded = name.to_uppercase().replace(['-', '_'], "");
                let known = ALGORITHMS.iter().map(|(_, name)| *name).find(|name| name.replace('-', "") == folded);
                add_hash(&mut hashes, known, Some(value));
            }
        }
        _ => {}
    }
    (!hashes.is_empty()).then_some(Json::Object(hashes))
}

fn add_hash(hashes: &mut Map<String, Json>, name: Option<&str>, value: Option<&Json>) {
    let (Some(name), Some(value)) = (name, value.and_then(Json::as_str)) else { return };
    if crate::parser::is_hash(name, value) {
        hashes.insert(name.to_owned(), json!(value));
    }
}
