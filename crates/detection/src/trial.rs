//! The tests that rules carry: events go through the real mapping into a lake folder, the rule's own statement runs over it,
//! and what it finds is compared with what it was to find.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lake::key::{AccountId, EventDay, Region};
use lake::parquet_object::SealSettings;
use lake::quarantine::{Origin, read_lines};
use pipeline::{Batch, Destination, MappedSource, Parcel, SHIPPED_MAPPINGS};
use query::{BoxFuture, Engine, QueryError};
use serde_json::{Map, Value as Json};
use sql::table::{PARTITION_KEYS, name_of_source};
use sql::types::ColumnType;
use store::{FolderStore, Store};

use crate::catalog::{Catalog, KnownSource};
use crate::finding::{Finding, FindingContext};
use crate::hunt::Hunt;
use crate::rule::{Expectation, Rule, Test, TestEvents, TestInput};
use crate::shipped_sources;
use crate::window::Window;

/// Makes an engine over a lake folder.
pub trait Engines: Sync {
    /// An engine over the lake in this folder.
    fn open<'a>(&'a self, lake: &'a Path) -> BoxFuture<'a, Result<Box<dyn Engine>, QueryError>>;
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The test's name.
    pub name: String,
    /// Why it failed; `None` if it did not.
    pub failure: Option<String>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Why a test could not be carried out.
type Trouble = String;

fn trouble(error: impl std::error::Error) -> Trouble {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The database that the embedded engine has a lake folder's tables in.
const DATABASE: &str = "sluice";
/// More rows than a test needs.
const MAX_ROWS: u64 = 10_000;

/// Carries out a test. `files` is the folder that the test's paths start from, the rule file's; `lake` is an empty folder.
pub async fn run(rule: &Rule, test: &Test, files: &Path, lake: &Path, engines: &dyn Engines) -> Verdict {
    let (findings, failure) = match found(rule, test, files, lake, engines).await {
        Ok(findings) => {
            let failure = compare(&test.expect, &findings);
            (findings, failure)
        }
        Err(trouble) => (Vec::new(), Some(trouble)),
    };
    Verdict { name: test.name.clone(), failure, findings }
}

async fn found(
    rule: &Rule,
    test: &Test,
    files: &Path,
    lake: &Path,
    engines: &dyn Engines,
) -> Result<Vec<Finding>, Trouble> {
    let mut known = shipped_sources()?;
    let mut days: Vec<EventDay> = Vec::new();
    let store = FolderStore::new(lake);
    for (number, input) in test.inputs.iter().enumerate() {
        let source = source(&input.source, files)?;
        for source in known_sources(&source) {
            if !known.iter().any(|other| other.name == source.name) {
                known.push(source);
            }
        }
        for parcel in mapped(&source, input, files, number)? {
            days.extend(day_of(&parcel.key));
            store.put(&parcel.key, parcel.bytes).await.map_err(trouble)?;
        }
    }
    let first = days.iter().min().ok_or("the test has no events")?.start_millis();
    let last = days.iter().max().map_or(first, |day| day.start_millis());
    let window = Window { start: first, end: last + 86_400_000 };
    let engine = engines.open(lake).await.map_err(trouble)?;
    let tables = engine.tables().await.map_err(trouble)?;
    let catalog = Catalog::of_tables(&tables, &known, DATABASE);
    let hunt = Hunt {
        engine: engine.as_ref(),
        catalog: &catalog,
        parameters: &test.parameters,
        max_rows: MAX_ROWS,
        context: &FindingContext::default(),
    };
    let found = hunt.rule(rule, window, window.end, &mut |_, _| {}).await.map_err(trouble)?;
    if found.truncated {
        return Err(format!("the test gives more than {MAX_ROWS} rows"));
    }
    Ok(found.findings)
}

/// What a source's mapping says of its tables, for a [`Catalog`].
pub fn known_source(source: &MappedSource) -> KnownSource {
    let tables = source.mapping().tables().iter().map(|table| {
        let mut columns = sql::arrow::columns_of(table.shape.arrow_schema());
        columns.extend(PARTITION_KEYS.map(|key| (key.to_owned(), ColumnType::Varchar)));
        (name_of_source(&table.source, table.class_prefix.as_deref()), table.class().uid, columns)
    });
    KnownSource { name: source.name().to_owned(), tables: tables.collect() }
}

/// The source under the names that rules may call it by: that of its config file, as lint and tests know it, and its
/// `source_name`, as its tables in a lake are called.
pub fn known_sources(source: &MappedSource) -> Vec<KnownSource> {
    let by_file = known_source(source);
    let source_name = source.mapping().source_name();
    let by_name =
        (source_name != by_file.name).then(|| KnownSource { name: source_name.to_owned(), ..by_file.clone() });
    std::iter::once(by_file).chain(by_name).collect()
}

/// The source of a test's input: a shipped mapping by its name or its `source_name`, or a mapping config beside the rule. What
/// a config extends is looked for beside it.
///
/// # Errors
/// It cannot be read, or is refused.
pub fn source(name: &str, files: &Path) -> Result<MappedSource, Trouble> {
    let shipped =
        |is_meant: &dyn Fn(&str, &str) -> bool| SHIPPED_MAPPINGS.iter().find(|(file, text)| is_meant(file, text));
    let by_source = || shipped(&|_, text| source_name(text).as_deref() == Some(name));
    if let Some((file, text)) = shipped(&|file, _| file == name).or_else(by_source) {
        return MappedSource::new(file, text, &|_| None).map_err(trouble);
    }
    let path: PathBuf = files.join(name);
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("`{name}` is no shipped mapping, and {} cannot be read: {error}", path.display()))?;
    let beside = |base: &str| {
        let folder = path.parent()?;
        fs::read_to_string(folder.join(base)).or_else(|_| fs::read_to_string(folder.join(format!("{base}.json")))).ok()
    };
    let name = path.file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned());
    MappedSource::new(&name, &text, &beside).map_err(trouble)
}

/// The name that a mapping config gives its source.
fn source_name(config: &str) -> Option<String> {
    let config: Json = serde_json::from_str(config).ok()?;
    config.pointer("/custom_source_events/source_name")?.as_str().map(str::to_owned)
}

/// The lake objects of an input. An event that cannot be mapped fails the test.
fn mapped(source: &MappedSource, input: &TestInput, files: &Path, number: usize) -> Result<Vec<Parcel>, Trouble> {
    let bytes = match &input.events {
        TestEvents::Inline(bytes) => bytes.clone(),
        TestEvents::File(name) => {
            let path = files.join(&name.value);
            fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?
        }
    };
    let settings = pipeline::Settings {
        region: "us-east-1".parse::<Region>().map_err(trouble)?,
        account: AccountId::external(),
        seal: SealSettings::default(),
        memory: usize::MAX,
        bounds: pipeline::Bounds::NONE,
    };
    let mut batch = Batch::new(&settings);
    let mut records = source.decode().records_of_stream(&bytes[..]);
    let origin = || Origin::File { name: "test".to_owned(), offset: 0, index: 0, line: None };
    while let Some(item) = records.next_item().map_err(trouble)? {
        batch.push_item(&item, source.decode(), Some(source), &origin, 0, |_| Ok(source));
    }
    let parcels = batch.seal("test", &[&number.to_string()]).collect::<Result<Vec<_>, _>>().map_err(trouble)?;
    for parcel in parcels.iter().filter(|parcel| parcel.destination == Destination::Quarantine) {
        if let Some(Ok(line)) = read_lines(&parcel.bytes[..]).map_err(trouble)?.next() {
            return Err(format!("an event cannot be mapped ({}): {}", line.reason(), line.message()));
        }
    }
    Ok(parcels)
}

/// The day in an object's key.
fn day_of(key: &str) -> Option<EventDay> {
    let day = key.split('/').find_map(|segment| segment.strip_prefix("eventDay="))?;
    day.to_owned().try_into().ok()
}

/// What is wrong with what was found.
fn compare(expected: &Expectation, found: &[Finding]) -> Option<String> {
    let shown = || {
        let rows: Vec<String> = found.iter().flat_map(|finding| finding.rows.first()).map(one_line).collect();
        if rows.is_empty() { String::new() } else { format!(": {}", rows.join("; ")) }
    };
    match expected {
        Expectation::Nothing if found.is_empty() => None,
        Expectation::Nothing => Some(format!("nothing was to be found, but {} findings{}", found.len(), shown())),
        Expectation::Hits(count) if found.len() as u64 == *count => None,
        Expectation::Hits(count) => Some(format!("{count} findings were expected, but {}{}", found.len(), shown())),
        Expectation::Findings(wanted) => {
            let mut left: Vec<&Finding> = found.iter().collect();
            for values in wanted {
                match left.iter().position(|finding| finding.rows.iter().any(|row| has(row, values))) {
                    Some(index) => {
                        left.remove(index);
                    }
                    None => {
                        let values: Map<String, Json> = values.clone().into_iter().collect();
                        return Some(format!("not found: {}; found{}", one_line(&values), shown()));
                    }
                }
            }
            left.first().and_then(|extra| extra.rows.first()).map(|row| format!("found too much: {}", one_line(row)))
        }
    }
}

fn has(row: &Map<String, Json>, values: &BTreeMap<String, Json>) -> bool {
    values.iter().all(|(name, wanted)| row.get(name).is_some_and(|value| value == wanted))
}

fn one_line(row: &Map<String, Json>) -> String {
    let cells: Vec<String> = row.iter().map(|(name, value)| format!("{name}={value}")).collect();
    cells.join(" ")
}
