//! Ids: those that STIX 2.1 derives from an object's properties, and those that only have to be the same again.

use serde_json::{Value as Json, json};
use uuid::{Builder, Uuid, Variant, Version};

/// The namespace of derived ids (STIX 2.1 §2.9).
const NAMESPACE: Uuid = Uuid::from_u128(0x00ab_edb4_aa42_466c_9c01_fed2_3315_a9b7);

/// The id of an object by the properties that contribute to it.
pub(super) fn derived_id(object_type: &str, contributing: &Json) -> String {
    format!("{object_type}--{}", Uuid::new_v5(&NAMESPACE, canonical(contributing).as_bytes()))
}

/// An id where the specification wants a random one: the same for the same content, and of the form of random ones.
pub(super) fn content_id(object_type: &str, content: &str) -> String {
    let digest = Uuid::new_v5(&NAMESPACE, format!("sluice {object_type}\n{content}").as_bytes());
    let random = Builder::from_bytes(digest.into_bytes()).with_variant(Variant::RFC4122).with_version(Version::Random);
    format!("{object_type}--{}", random.into_uuid())
}

/// Of several hashes the one that an id is derived from.
pub(super) fn chosen_hash(hashes: &Json) -> Json {
    let preferred = ["MD5", "SHA-1", "SHA-256", "SHA-512"];
    let chosen = preferred.iter().find_map(|name| Some(((*name).to_owned(), hashes.get(name)?)));
    let first = || hashes.as_object()?.iter().next().map(|(name, value)| (name.clone(), value));
    chosen.or_else(first).map_or_else(|| hashes.clone(), |(name, value)| json!({name: value}))
}

/// JSON in the canonical form of RFC 8785, for values without fractions.
pub(super) fn canonical(value: &Json) -> String {
    match value {
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            let members = sorted.iter().map(|(name, value)| format!("{}:{}", json!(name), canonical(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_those_of_the_specification() {
        let hashes = json!({"SHA-256": "a".repeat(64), "MD5": "b".repeat(32)});
        // As python-stix2 derives them.
        for (object_type, contributing, expected) in [
            ("ipv4-addr", json!({"value": "198.51.100.3"}), "ipv4-addr--28bb3599-77cd-5a82-a950-b5bc3caf07c4"),
            ("domain-name", json!({"value": "example.com"}), "domain-name--bedb4899-d24b-5401-bc86-8f6b4cc18ec7"),
            (
                "file",
                json!({"name": "a.exe", "hashes": chosen_hash(&hashes)}),
                "file--e1b5a944-94ee-544e-9acf-7c35a855ac95",
            ),
        ] {
            assert_eq!(derived_id(object_type, &contributing), expected);
        }
    }

    #[test]
    fn canonical_json_is_sorted_and_tight() {
        let value = json!({"b": [1, {"z": null, "a": "é\n\u{1}"}], "a": true});
        assert_eq!(canonical(&value), r#"{"a":true,"b":[1,{"a":"é\n\u0001","z":null}]}"#);
    }

    #[test]
    fn an_id_of_content_is_stable_and_looks_random() {
        let id = content_id("process", "x");
        assert_eq!(id, content_id("process", "x"));
        assert_ne!(id, content_id("process", "y"));
        let uuid: Uuid = id.trim_start_matches("process--").parse().unwrap();
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (4, Variant::RFC4122));
    }
}
