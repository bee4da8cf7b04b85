//! The shipped facts say what the compiled schema says, class by class, attribute by attribute.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use ocsf::schema::{Attribute, AttributeKind, Constraint, Enumeration, ProfileSet, ScalarType, Schema, Version};
use serde_json::{Map, Value};

#[test]
fn the_facts_are_those_of_the_compiled_schema() {
    for version in Version::ALL {
        let Some(compiled) = ocsf_json_schema::compiled(version.as_str()) else {
            return;
        };
        let schema = Schema::get(version);

        let types = &compiled["dictionary"]["types"]["attributes"];
        assert_eq!(ScalarType::ALL.len(), types.as_object().unwrap().len());
        for (name, expected) in types.as_object().unwrap() {
            let facts = schema.type_facts(ScalarType::from_name(name).unwrap());
            let limit = |key: &str| expected.get(key).or_else(|| types[expected["type"].as_str()?].get(key));
            assert_eq!(facts.caption, expected["caption"], "{name}");
            assert_eq!(facts.max_len.map(u64::from), limit("max_len").and_then(Value::as_u64), "{name}");
            assert_eq!(facts.regex, limit("regex").and_then(Value::as_str), "{name}");
            let range = limit("range").map(|range| (range[0].as_i64().unwrap(), range[1].as_i64().unwrap()));
            assert_eq!(facts.range, range, "{name}");
            assert_eq!(facts.observable.map(u64::from), expected["observable"].as_u64(), "{name}");
        }

        let profiles = compiled["profiles"].as_object().unwrap();
        assert_eq!(schema.profiles().len(), profiles.len());
        for (name, profile) in profiles {
            let id = schema.profile_id(name).unwrap();
            assert_eq!(schema.profiles()[id.index()].caption, profile["caption"]);
        }
        let extensions = compiled["extensions"].as_object().unwrap();
        assert_eq!(schema.extensions().len(), extensions.len());
        for (name, expected) in extensions {
            let extension = schema.extension(name).unwrap();
            assert_eq!(
                (u64::from(extension.uid), extension.version),
                (expected["uid"].as_u64().unwrap(), expected["version"].as_str().unwrap())
            );
        }

        let classes = compiled["classes"].as_object().unwrap();
        assert_eq!(schema.classes().len(), classes.len());
        for (name, expected) in classes {
            let class = schema.class(name).unwrap();
            assert!(std::ptr::eq(class, schema.class_by_uid(class.uid).unwrap()), "{name}");
            assert_eq!(class.qualified_name, name);
            assert_eq!(class.name, expected["name"]);
            assert_eq!(class.caption, expected["caption"], "{name}");
            assert_eq!(u64::from(class.uid), expected["uid"], "{name}");
            assert_eq!(u64::from(class.category_uid), expected["category_uid"], "{name}");
            // The base event's category has no entry of its own.
            let category = expected.get("category_name").and_then(Value::as_str).unwrap_or("Uncategorized");
            assert_eq!(class.category_name, category, "{name}");
            assert_eq!(class.extension, expected["extension"].as_str(), "{name}");
            assert_eq!(names(schema, class.profiles), texts(&expected["profiles"]), "{name}");
            assert_eq!(class.deprecated, expected.get("@deprecated").is_some(), "{name}");
            same_members(schema, types, name, &class.attributes, &class.constraints, expected);
        }

        let objects = compiled["objects"].as_object().unwrap();
        assert_eq!(schema.objects().len(), objects.len());
        for (name, expected) in objects {
            let object = schema.object(name).unwrap();
            assert!(std::ptr::eq(object, schema.object_by_id(object.id)), "{name}");
            assert_eq!(object.name, name);
            assert_eq!(object.caption, expected["caption"], "{name}");
            assert_eq!(object.extension, expected["extension"].as_str(), "{name}");
            assert_eq!(object.observable.map(u64::from), expected["observable"].as_u64(), "{name}");
            assert_eq!(object.deprecated, expected.get("@deprecated").is_some(), "{name}");
            same_members(schema, types, name, &object.attributes, &object.constraints, expected);
        }
    }
}

fn same_members(
    schema: &Schema,
    types: &Value,
    owner: &str,
    attributes: &[Attribute],
    constraints: &[Constraint],
    expected: &Value,
) {
    let expected_constraints = expected["constraints"].as_object().map_or(0, Map::len);
    assert_eq!(constraints.len(), expected_constraints, "{owner}");
    for constraint in constraints {
        let (kind, paths) = match constraint {
            Constraint::AtLeastOne(paths) => ("at_least_one", paths),
            Constraint::JustOne(paths) => ("just_one", paths),
        };
        assert_eq!(paths, &texts(&expected["constraints"][kind]), "{owner}");
    }

    let expected = expected["attributes"].as_object().unwrap();
    assert_eq!(attributes.len(), expected.len(), "{owner}");
    assert!(attributes.is_sorted_by_key(|attribute| attribute.name));
    for attribute in attributes {
        let at = format!("{} {owner}.{}", schema.version(), attribute.name);
        let expected = &expected[attribute.name];
        let observable = match attribute.kind {
            AttributeKind::Scalar(scalar) => {
                assert_eq!(scalar.name(), expected["type"], "{at}");
                assert!(expected.get("object_type").is_none(), "{at}");
                &types[scalar.name()]["observable"]
            }
            AttributeKind::Object(id) => {
                let object = schema.object_by_id(id);
                assert_eq!(
                    (Some("object_t"), Some(object.name)),
                    (expected["type"].as_str(), expected["object_type"].as_str()),
                    "{at}"
                );
                &object.observable.map_or(Value::Null, Value::from)
            }
        };
        assert_eq!(attribute.is_array, expected["is_array"] == true, "{at}");
        assert_eq!(attribute.requirement.as_str(), expected["requirement"], "{at}");
        assert_eq!(names(schema, attribute.profiles), texts(&expected["profiles"]), "{at}");
        assert_eq!(attribute.enumeration.map(members), expected.get("enum").map(captions), "{at}");
        assert_eq!(attribute.sibling, expected["sibling"].as_str(), "{at}");
        let observable = expected.get("observable").unwrap_or(observable);
        assert_eq!(attribute.observable.map(u64::from), observable.as_u64(), "{at}");
        assert_eq!(attribute.deprecated, expected.get("@deprecated").is_some(), "{at}");
    }
}

fn members(enumeration: &Enumeration) -> Vec<(String, &str)> {
    let integers = enumeration.integers().iter().map(|&(value, caption)| (value.to_string(), caption));
    let mut members: Vec<_> =
        integers.chain(enumeration.texts().iter().map(|&(value, caption)| (value.to_owned(), caption))).collect();
    members.sort_unstable();
    members
}

fn captions(members: &Value) -> Vec<(String, &str)> {
    let members = members.as_object().unwrap().iter();
    let mut members: Vec<_> =
        members.map(|(value, facts)| (value.clone(), facts["caption"].as_str().unwrap())).collect();
    members.sort_unstable();
    members
}

fn names(schema: &Schema, profiles: ProfileSet) -> Vec<&str> {
    profiles.names(schema).collect()
}

/// The texts of a list; `null` is an empty list.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect()
}
