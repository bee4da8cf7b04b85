//! `sluice schema`.

use crate::support::run;

fn required(name: &str, more: &[&str]) -> Vec<String> {
    let arguments = [&["schema", name, "--required", "--format", "ndjson"], more].concat();
    let listed = run(0, &arguments).lines();
    assert!(listed.iter().all(|entry| entry["requirement"] == "required"));
    listed.iter().map(|entry| entry["attribute"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn required_attributes_are_listed_down_to_those_of_required_objects() {
    let listed = required("http_activity", &[]);
    for path in ["activity_id", "metadata", "metadata.product", "metadata.product.vendor_name", "time", "type_uid"] {
        assert!(listed.contains(&path.to_owned()), "{path}: {listed:?}");
    }
    assert_eq!(listed, required("4002", &[]));
    // `cloud` belongs to a profile, and its provider is required of it.
    assert!(!listed.contains(&"cloud.provider".to_owned()));
    assert!(required("http_activity", &["--profile", "cloud"]).contains(&"cloud.provider".to_owned()));
}

#[test]
fn classes_objects_and_enumerations_are_listed() {
    let classes = run(0, &["schema", "--format", "json"]).json();
    assert!(
        classes.as_array().unwrap().iter().any(|class| class["class"] == "http_activity" && class["class_uid"] == 4002)
    );
    let shown = run(0, &["schema", "fingerprint"]);
    assert!(shown.stdout.contains("algorithm_id  integer_t") && shown.stdout.contains("3 SHA-256"), "{}", shown.stdout);
    assert_eq!(shown.stderr, "object Fingerprint, OCSF 1.1.0\n");
    let constrained = run(0, &["schema", "network_endpoint"]).stderr;
    assert!(constrained.contains("at least one of "), "{constrained}");
}

#[test]
fn a_name_that_is_not_there_is_refused_with_one_that_is() {
    let unknown = run(3, &["schema", "http_activty"]).stderr;
    assert!(unknown.contains("no class or object `http_activty`; did you mean `http_activity`?"), "{unknown}");
    let profile = run(3, &["schema", "http_activity", "--profile", "clod"]).stderr;
    assert!(profile.contains("has no profile `clod`; the profiles are ") && profile.contains("cloud"), "{profile}");
    run(3, &["schema", "--required"]);
}
