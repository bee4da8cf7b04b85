use super::*;

#[test]
fn every_shipped_version_is_readable() {
    for version in Version::ALL {
        let schema = Schema::get(version);
        assert_eq!(schema.version(), version);
        assert_eq!(version.to_string().parse(), Ok(version));
        assert_eq!(format!("v{version}").parse(), Ok(version));
    }
    assert_eq!(Schema::get(Version::V1_1_0).classes().len(), 50);
    assert_eq!(Schema::get(Version::V1_3_0).classes().len(), 72);
    assert!("1.2.0".parse::<Version>().is_err());
}

#[test]
fn a_class_of_an_extension_is_found_by_both_its_names() {
    for version in Version::ALL {
        let schema = Schema::get(version);
        let class = schema.class("registry_key_activity").unwrap();
        assert!(std::ptr::eq(class, schema.class("win/registry_key_activity").unwrap()));
        assert!(std::ptr::eq(class, schema.class_by_uid(201_001).unwrap()));
        assert_eq!((class.extension, class.category_uid), (Some("win"), 1));
        let key = schema.attribute_at(class, "reg_key").unwrap();
        let object = schema.object("win/reg_key").unwrap();
        assert_eq!(key.kind, AttributeKind::Object(object.id));
        assert!(std::ptr::eq(object, schema.object("reg_key").unwrap()));
        assert_eq!(key.observable, Some(28));
    }
}

#[test]
fn unmapped_takes_any_member() {
    let schema = Schema::get(Version::V1_1_0);
    for class in schema.classes() {
        let AttributeKind::Object(id) = class.attribute("unmapped").unwrap().kind else { panic!("not an object") };
        assert!(schema.object_by_id(id).is_free_form());
    }
    assert!(!schema.object("process").unwrap().is_free_form());
}

#[test]
fn a_required_attribute_of_a_profile_is_required_only_with_it() {
    let schema = Schema::get(Version::V1_1_0);
    let cloud = schema.class("network_activity").unwrap().attribute("cloud").unwrap();
    let on: ProfileSet = schema.profile_id("cloud").into_iter().collect();
    assert!(cloud.is_required(on) && !cloud.is_required(ProfileSet::EMPTY) && !cloud.is_present(ProfileSet::EMPTY));
    // api_activity takes `api` out of the cloud profile.
    let api = schema.class("api_activity").unwrap().attribute("api").unwrap();
    assert!(api.is_required(ProfileSet::EMPTY));
}

#[test]
fn enumerations_translate_between_value_and_caption() {
    let schema = Schema::get(Version::V1_1_0);
    let class = schema.class("process_activity").unwrap();
    let severity = class.attribute("severity_id").unwrap().enumeration.unwrap();
    assert_eq!(severity.caption(1), Some("Informational"));
    assert_eq!(severity.caption(7), None);
    assert_eq!(severity.value("informational"), Some(1));
    assert_eq!(severity.value("Odd"), None);
    let method = schema.object("http_request").unwrap().attribute("http_method").unwrap().enumeration.unwrap();
    assert_eq!(method.caption_of_text("GET"), Some("Get"));
    assert_eq!(method.caption_of_text("get"), None);
    assert!(method.integers().is_empty());
    let types = class.attribute("type_uid").unwrap().enumeration.unwrap();
    assert_eq!(types.caption(100_701), Some("Process Activity: Launch"));
}

#[test]
fn observable_types_come_from_the_attribute_then_its_type_then_its_object() {
    let v1_1 = Schema::get(Version::V1_1_0);
    let v1_3 = Schema::get(Version::V1_3_0);
    let at = |schema: &Schema, path| {
        schema.attribute_at(schema.class("process_activity").unwrap(), path).unwrap().observable
    };
    assert_eq!(at(v1_1, "device.ip"), Some(2));
    assert_eq!(at(v1_1, "process"), Some(25));
    assert_eq!((at(v1_1, "process.cmd_line"), at(v1_3, "process.cmd_line")), (None, Some(13)));
    assert_eq!(
        (v1_1.type_facts(ScalarType::Port).observable, v1_3.type_facts(ScalarType::Port).observable),
        (None, Some(11))
    );
}

#[test]
fn a_path_through_something_that_is_not_an_object_leads_nowhere() {
    let schema = Schema::get(Version::V1_1_0);
    let class = schema.class("process_activity").unwrap();
    assert_eq!(schema.attribute_at(class, "process.parent_process.parent_process.pid").unwrap().name, "pid");
    for path in ["", "process.", "time.x", "process..pid", "unmapped.x", "Process"] {
        assert!(schema.attribute_at(class, path).is_none(), "{path:?}");
    }
}

#[test]
fn a_facts_file_with_a_mistake_is_refused_with_its_line() {
    for (text, message) in [
        ("ocsf 1.3.0", "line 1: these are not the facts of 1.1.0"),
        ("ocsf 1.1.0\nextension win two 1.1.0", "line 2: \"two\" is not a number, or out of range"),
        ("\n# a comment\nshape x", "line 3: unknown block \"shape\""),
        ("object o = O\n  a integer_t maybe", "line 2: unknown requirement \"maybe\""),
        ("object o = O\n  a other optional", "line 2: unknown type \"other\""),
        ("object o = O\n  a integer_t optional enum=e", "line 2: unknown enum \"e\""),
        ("object o = O\n  ! all a b", "line 2: unknown constraint \"all\""),
        ("enum e\n  1 = One\n  x = X", "line 3: an enumeration needs members, of one kind"),
        ("type ip_t integer_t = IP", "line 1: ip_t is not a integer_t in this program"),
        ("ocsf 1.1.0", "line 1: each scalar type must be there exactly once"),
    ] {
        assert_eq!(facts::parse(Version::V1_1_0, text).unwrap_err().to_string(), message);
    }
}
