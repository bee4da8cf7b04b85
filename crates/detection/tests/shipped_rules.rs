//! The shipped rules have no faults, pass their tests, and their findings are valid OCSF.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bumpalo::Bump;
use detection::catalog::Catalog;
use detection::diagnostic::SourceText;
use detection::finding::FindingContext;
use detection::lint;
use detection::message::MAX_MESSAGE_BYTES;
use detection::rule::{Expectation, ParameterValues, Test, TestEvents, TestInput};
use detection::trial::{self, Engines};
use detection::{Rule, Window};
use diagnostics::{Span, Spanned};
use embedded::{Embedded, Options};
use lake::key::EventDay;
use ocsf::validate::Severity;
use ocsf::{Schema, TableBuilder, Version, validate_event};
use pipeline::MappedSource;
use query::{BoxFuture, Engine, QueryError};
use serde_json::{Value as Json, json};
use sources::Document;

struct OverFolder;

impl Engines for OverFolder {
    fn open<'a>(&'a self, lake: &'a Path) -> BoxFuture<'a, Result<Box<dyn Engine>, QueryError>> {
        Box::pin(async move {
            let engine = Embedded::over_folder(lake, Options::default()).await?;
            Ok(Box::new(engine) as Box<dyn Engine>)
        })
    }
}

fn rule_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../detections");
    let mut found = Vec::new();
    for source in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(source.unwrap().path()).unwrap() {
            found.push(file.unwrap().path());
        }
    }
    found.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    found.sort();
    found
}

fn rules() -> Vec<(PathBuf, Rule)> {
    let read = |path: PathBuf| {
        let rule = Rule::from_text(&fs::read_to_string(&path).unwrap()).ok();
        rule.map(|rule| (path, rule))
    };
    rule_files().into_iter().filter_map(read).collect()
}

fn catalog() -> Catalog {
    Catalog::of_tables(&[], &detection::shipped_sources().unwrap(), "sluice")
}

#[test]
fn every_rule_is_without_a_fault() {
    let mut shown = String::new();
    let catalog = catalog();
    for path in rule_files() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.display().to_string();
        let source = SourceText::new(&name, &text);
        let mut checked = lint::check(&text);
        checked.complete(&catalog, embedded::plan);
        for fault in &checked.diagnostics {
            shown.push_str(&format!("{}\n", fault.render(&source, false)));
        }
    }
    assert!(shown.is_empty(), "{shown}");
    let rules = rules();
    assert!(rules.len() >= 12, "{}", rules.len());
    let named: Vec<(String, &Rule)> = rules.iter().map(|(path, rule)| (path.display().to_string(), rule)).collect();
    let named: Vec<(&str, &Rule)> = named.iter().map(|(name, rule)| (name.as_str(), *rule)).collect();
    assert!(lint::duplicates(&named).is_empty());
}

#[test]
fn every_statement_means_the_same_on_athena_and_on_trino() {
    let catalog = catalog();
    for (path, rule) in rules() {
        let window = Window { start: 0, end: 86_400_000 };
        let prepared = detection::statement::build(&rule, &catalog, window, &ParameterValues::new(), 10).unwrap();
        let sql = prepared.statement.sql.as_str();
        // UNNEST gives Athena one column per row, and Trino one per field. Statements with any_match and filter do not depend
        // on that.
        let words = sql.to_lowercase();
        assert!(!words.contains("unnest"), "{}: {sql}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_finds_what_its_tests_say_and_ocsf_accepts_its_findings() {
    let mut failures = Vec::new();
    let mut tests = 0;
    for (path, rule) in rules() {
        for test in &rule.tests {
            tests += 1;
            let lake = tempfile::tempdir().unwrap();
            let verdict = trial::run(&rule, test, path.parent().unwrap(), lake.path(), &OverFolder).await;
            if let Some(failure) = &verdict.failure {
                failures.push(format!("{}: {}: {failure}", path.file_name().unwrap().display(), test.name));
            }
            for finding in &verdict.findings {
                for version in [Version::V1_1_0, Version::V1_3_0] {
                    let mut event = finding.event.clone();
                    event["metadata"]["version"] = version.as_str().into();
                    let faults = validate_event(Schema::get(version), &event);
                    let errors: Vec<_> = faults.iter().filter(|fault| fault.severity() == Severity::Error).collect();
                    if !errors.is_empty() {
                        failures.push(format!("{}: {errors:?}", path.display()));
                    }
                }
                let message = finding.message(&rule);
                assert!(message.body.len() <= MAX_MESSAGE_BYTES);
                assert!(message.attributes.len() <= 10, "raw delivery of SNS takes ten");
            }
        }
    }
    assert!(failures.is_empty(), "{} of {tests} tests:\n{}", failures.len(), failures.join("\n"));
    println!("{tests} tests of rules");
}

/// A finding as the mapping `sluice-findings` writes it to the lake.
fn in_lake(finding: &str) -> Json {
    let text = pipeline::shipped_mapping("sluice-findings").unwrap();
    let source = MappedSource::new("sluice-findings", text, &|_| None).unwrap();
    let bump = Bump::new();
    let document = Document::parse(finding.as_bytes(), &bump).unwrap();
    let mapped = source.mapping().apply(&document, &bump).unwrap();
    assert!(mapped.problems.is_empty(), "{:?} in {finding}", mapped.problems);
    let table = &source.mapping().tables()[mapped.table];
    let mut builder = TableBuilder::new(Arc::clone(&table.shape));
    builder.append(&mapped.record);
    let event = ocsf::rows_to_json(source.mapping().schema(), &builder.finish().unwrap()).unwrap().remove(0);
    let faults = validate_event(source.mapping().schema(), &event);
    assert!(faults.iter().all(|fault| fault.severity() != Severity::Error), "{faults:?}");
    event
}

/// The differences of two documents, each with its path.
fn differences(path: &str, one: &Json, other: &Json) -> Vec<String> {
    match (one, other) {
        (Json::Object(ones), Json::Object(others)) => {
            let names: BTreeSet<&String> = ones.keys().chain(others.keys()).collect();
            names
                .into_iter()
                .flat_map(|name| differences(&format!("{path}.{name}"), &one[name], &other[name]))
                .collect()
        }
        (Json::Array(ones), Json::Array(others)) if ones.len() == others.len() => {
            let pairs = ones.iter().zip(others).enumerate();
            pairs.flat_map(|(index, (one, other))| differences(&format!("{path}[{index}]"), one, other)).collect()
        }
        _ if one == other => Vec::new(),
        _ => vec![format!("{path}: {one} has become {other}")],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_comes_into_the_lake_as_it_is() {
    let mut found = 0;
    for (path, rule) in rules() {
        for test in &rule.tests {
            let lake = tempfile::tempdir().unwrap();
            let verdict = trial::run(&rule, test, path.parent().unwrap(), lake.path(), &OverFolder).await;
            for finding in verdict.findings {
                found += 1;
                let mut published: Json = serde_json::from_str(&finding.message(&rule).body).unwrap();
                if found % 2 == 0 {
                    published["cloud"] =
                        json!({ "provider": "AWS", "region": "eu-central-1", "account": { "uid": "111122223333" } });
                    published["metadata"]["profiles"] = json!(["cloud"]);
                    published["unmapped"]["evidence.omitted"] = json!("7");
                }
                let mut kept = in_lake(&published.to_string());
                // OCSF derives further observables from attributes outside the evidence.
                let wanted = published["observables"].as_array().map_or(0, Vec::len);
                if let Some(observables) = kept["observables"].as_array_mut() {
                    for derived in observables.drain(wanted..) {
                        assert!(!derived["name"].as_str().unwrap().starts_with("evidences."), "{derived}");
                    }
                }
                if wanted == 0 {
                    kept.as_object_mut().unwrap().remove("observables");
                }
                let differences = differences("", &published, &kept);
                assert!(differences.is_empty(), "{}:\n{}", path.display(), differences.join("\n"));
            }
        }
    }
    assert!(found > 10, "{found}");
}

/// The objects in a folder.
fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(objects(&path)),
            false => found.push(path),
        }
    }
    found
}

/// The number of objects that a rule's statement reads of a lake.
async fn objects_read(rule: &Rule, lake: &Path, window: Window) -> u64 {
    let engine = OverFolder.open(lake).await.unwrap();
    let tables = engine.tables().await.unwrap();
    let catalog = Catalog::of_tables(&tables, &detection::shipped_sources().unwrap(), "sluice");
    let prepared = detection::statement::build(rule, &catalog, window, &rule.tests[0].parameters, 10_000).unwrap();
    engine.run(&prepared.statement).await.unwrap().statistics.scanned_objects.unwrap()
}

/// A lake of 31 days, each with the objects of a test's day: only those of the requested day are opened.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_over_one_day_reads_the_objects_of_that_day_only() {
    const DAY: i64 = 86_400_000;
    for (path, rule) in rules() {
        let lake = tempfile::tempdir().unwrap();
        trial::run(&rule, &rule.tests[0], path.parent().unwrap(), lake.path(), &OverFolder).await;
        let of_day = |path: &Path| {
            let folder = path.parent().unwrap().to_str().unwrap().to_owned();
            let (partition, day) = folder.rsplit_once("eventDay=").unwrap();
            (partition.to_owned(), day.parse::<EventDay>().unwrap())
        };
        let written = objects(&lake.path().join("ext"));
        let first = written.iter().map(|path| of_day(path).1.start_millis()).min().unwrap();
        for object in &written {
            let (partition, day) = of_day(object);
            for days in 1..=30 {
                let before = EventDay::of_millis(day.start_millis() - days * DAY).unwrap();
                let folder = format!("{partition}eventDay={before}");
                fs::create_dir_all(&folder).unwrap();
                fs::copy(object, Path::new(&folder).join(object.file_name().unwrap())).unwrap();
            }
        }
        let of_first_day = objects(&lake.path().join("ext"));
        let of_first_day = of_first_day.iter().filter(|path| of_day(path).1.start_millis() == first).count() as u64;
        let one = objects_read(&rule, lake.path(), Window { start: first, end: first + DAY }).await;
        let all = objects_read(&rule, lake.path(), Window { start: first - 30 * DAY, end: first + DAY }).await;
        assert!(one > 0 && one <= of_first_day, "{}: {one} of {of_first_day} objects", path.display());
        // If a test has events of two days, those of the second have no copy on the first of the 31 days.
        assert!(all >= one * 30, "{}: {one} objects of a day, {all} of 31", path.display());
        println!("{}: {one} objects of a day, {all} of 31", rule.title);
    }
}

/// The YAML blocks of the reference page that are rules, and the one that is a catalog.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_reference_page_work() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/detections.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks: Vec<&str> = page.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    let mut rules = 0;
    for text in blocks {
        if text.starts_with("# catalog.yaml") {
            let catalog = Catalog::from_text(text, &[]).unwrap();
            assert_eq!(catalog.names().collect::<Vec<_>>(), ["aws-cloudtrail", "windows-sysmon"]);
            continue;
        }
        let mut checked = lint::check(text);
        checked.complete(&catalog(), embedded::plan);
        let source = SourceText::new("docs/detections.md", text);
        let shown: Vec<String> = checked.diagnostics.iter().map(|fault| fault.render(&source, false)).collect();
        assert!(shown.is_empty(), "{}", shown.join("\n"));
        let rule = checked.rule.unwrap();
        for test in &rule.tests {
            let lake = tempfile::tempdir().unwrap();
            let verdict = trial::run(&rule, test, Path::new("."), lake.path(), &OverFolder).await;
            assert_eq!(verdict.failure, None, "{}", test.name);
            rules += 1;
        }
    }
    assert!(rules > 0);
}

/// Rules also run over Security Lake's own tables: each has a statement for them.
#[test]
fn every_rule_has_a_statement_that_names_partitions() {
    let window = Window { start: 1_714_557_600_000, end: 1_714_561_200_000 };
    let known = detection::shipped_sources().unwrap();
    // As if all tables existed.
    let tables: Vec<sql::table::Table> = known
        .iter()
        .flat_map(|source| &source.tables)
        .map(|(name, _, columns)| sql::table::Table {
            database: "sluice".to_owned(),
            name: name.clone(),
            columns: columns.clone(),
            layout: sql::table::Layout::EventDay,
            dialect: "ocsf".to_owned(),
        })
        .collect();
    let catalog = Catalog::of_tables(&tables, &known, "sluice");
    for (path, rule) in rules() {
        let prepared = detection::statement::build(&rule, &catalog, window, &Default::default(), 100).unwrap();
        let text = prepared.statement.sql.as_str();
        let reads = text.matches("FROM \"sluice\".").count();
        let bounds = text.matches("\"eventday\" BETWEEN '20240501' AND '20240501'").count();
        assert!(reads > 0 && bounds >= reads, "{}: {text}", path.display());
        assert!(!text.contains("{{"), "{text}");
        sql::testing::keep(&prepared.statement.sql).unwrap();
    }
    let _ = FindingContext::default();
}

/// The values with which the list was made, by the name of a rule's parameter.
fn parameters(rule: &Rule, bindings: &Json) -> ParameterValues {
    let list = |name: &str| json!([bindings[name]]);
    let value = |parameter: &str| match parameter {
        "source_ips" => list("source_ip"),
        "access_keys" => list("access_key_id"),
        "user_arns" => list("user_arn"),
        "user_agents" => list("user_agent"),
        "office_prefix" => bindings["corporate_prefix"].clone(),
        "decoy_secrets" => bindings["decoy_secret_ids"].clone(),
        "decoy_buckets" => bindings["decoy_bucket_names"].clone(),
        "decoy_users" => bindings["decoy_user_names"].clone(),
        "decoy_access_keys" => bindings["decoy_access_key_ids"].clone(),
        other => bindings[other].clone(),
    };
    let set = rule.parameters.iter().map(|parameter| (parameter.name.value.clone(), value(&parameter.name.value)));
    set.filter(|(_, value)| !value.is_null() && *value != json!([null])).collect()
}

fn expected(entry: &Json) -> BTreeSet<String> {
    let ids = entry.get("as_meant").filter(|meant| meant.is_array()).unwrap_or(&entry["event_ids"]);
    ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_finds_the_events_of_an_independent_list() {
    let (Some(trail), Some(list)) =
        (vectors::read("synthetic-cloudtrail-events.json"), vectors::read("detections-expected-synthetic.json"))
    else {
        return;
    };
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("trail.json"), trail).unwrap();
    let list: Json = serde_json::from_slice(&list).unwrap();
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../detections/aws-cloudtrail");
    let (mut compared, mut differing) = (0, BTreeMap::new());
    for (id, entry) in list["detections"].as_object().unwrap() {
        let Ok(text) = fs::read_to_string(folder.join(format!("{id}.yaml"))) else { continue };
        // Rules that count have no events of their own.
        if !text.contains("metadata.uid AS event_uid") {
            continue;
        }
        let rule = Rule::from_text(&text).unwrap();
        let file = TestEvents::File(Spanned::new("trail.json".to_owned(), Span::default()));
        let test = Test {
            name: id.clone(),
            span: Span::default(),
            inputs: vec![TestInput {
                source: Spanned::new("aws-cloudtrail".to_owned(), Span::default()),
                events: file,
            }],
            parameters: parameters(&rule, &list["parameter_bindings"]),
            expect: Expectation::Nothing,
        };
        let lake = tempfile::tempdir().unwrap();
        let verdict = trial::run(&rule, &test, files.path(), lake.path(), &OverFolder).await;
        let rows = verdict.findings.iter().flat_map(|finding| &finding.rows);
        let found: BTreeSet<String> =
            rows.filter_map(|row| row.get("event_uid")?.as_str()).map(str::to_owned).collect();
        let expected = expected(entry);
        compared += 1;
        if found != expected {
            let (more, fewer) = (found.difference(&expected).count(), expected.difference(&found).count());
            differing
                .insert(id.clone(), format!("{more} more, {fewer} fewer of {}; {:?}", expected.len(), verdict.failure));
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
    assert!(compared > 45, "{compared}");
}
