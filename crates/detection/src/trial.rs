//! Runs the tests in rule files. The events go through the mapping into a lake folder, the rule's own statement runs over it,
//! and the findings are compared with the expected ones.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fs, io};

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
use crate::hunt::{Hunt, SharedAnswers};
use crate::rule::{Expectation, Rule, Test, TestEvents, TestInput};
use crate::shipped_sources;
use crate::window::Window;

/// Opens query engines over lake folders.
pub trait Engines: Sync {
    /// An engine over the lake in this folder.
    fn open<'a>(&'a self, lake: &'a Path) -> BoxFuture<'a, Result<Box<dyn Engine>, QueryError>>;
}

/// The result of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The test's name.
    pub name: String,
    /// Why the test failed or could not run; `None` if it passed.
    pub failure: Option<String>,
    /// The findings; none if the test could not run.
    pub findings: Vec<Finding>,
}

/// The source of a test cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestSourceError {
    /// There is no shipped mapping of this name, and no readable file.
    #[error("`{name}` is not a shipped mapping, and {} cannot be read: {error}", path.display())]
    Unreadable {
        /// The source as the test names it.
        name: String,
        /// The path that it stands for.
        path: PathBuf,
        /// Why the file cannot be read.
        error: io::Error,
    },
    /// The mapping config has errors.
    #[error(transparent)]
    Refused(#[from] pipeline::SourceError),
}

/// Why a test could not run.
#[derive(Debug, thiserror::Error)]
enum TestError {
    #[error("the test has no events")]
    NoEvents,
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("an event cannot be mapped ({reason}): {message}")]
    Unmapped { reason: String, message: String },
    #[error("the test returns more than {MAX_ROWS} rows")]
    TooManyRows,
    /// An error of another crate, shown with its causes.
    #[error("{}", diagnostics::causes::chain(&**.0))]
    Other(Box<dyn Error + Send + Sync>),
}

fn other(error: impl Error + Send + Sync + 'static) -> TestError {
    TestError::Other(Box::new(error))
}

/// The embedded engine's database for the tables of a lake folder.
const DATABASE: &str = "sluice";
/// The most rows of a test; a test needs fewer.
const MAX_ROWS: u64 = 10_000;

/// Runs a test. `files` is the folder of the rule file, to which the test's paths are relative; `lake` is an empty folder.
pub async fn run(rule: &Rule, test: &Test, files: &Path, lake: &Path, engines: &dyn Engines) -> Verdict {
    let (findings, failure) = match found(rule, test, files, lake, engines).await {
        Ok(findings) => {
            let failure = compare(&test.expect, &findings);
            (findings, failure)
        }
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    Verdict { name: test.name.clone(), failure, findings }
}

async fn found(
    rule: &Rule,
    test: &Test,
    files: &Path,
    lake: &Path,
    engines: &dyn Engines,
) -> Result<Vec<Finding>, TestError> {
    let mut known = shipped_sources().map_err(other)?;
    let mut days: Vec<EventDay> = Vec::new();
    let store = FolderStore::new(lake);
    for (number, input) in test.inputs.iter().enumerate() {
        let source = source(&input.source, files).map_err(other)?;
        for source in known_sources(&source) {
            if !known.iter().any(|other| other.name == source.name) {
                known.push(source);
            }
        }
        for parcel in mapped(&source, input, files, number)? {
            days.extend(day_of(&parcel.key));
            store.put(&parcel.key, parcel.bytes).await.map_err(other)?;
        }
    }
    let first = days.iter().min().ok_or(TestError::NoEvents)?.start_millis();
    let last = days.iter().max().map_or(first, |day| day.start_millis());
    let window = Window { start: first, end: last + 86_400_000 };
    let engine = engines.open(lake).await.map_err(other)?;
    let tables = engine.tables().await.map_err(other)?;
    let catalog = Catalog::of_tables(&tables, &known, DATABASE);
    let hunt = Hunt {
        engine: engine.as_ref(),
        catalog: &catalog,
        parameters: &test.parameters,
        max_rows: MAX_ROWS,
        context: &FindingContext::default(),
        shared: &SharedAnswers::default(),
    };
    let found = hunt.rule(rule, window, window.end, &mut |_, _| {}).await.map_err(other)?;
    if found.truncated {
        return Err(TestError::TooManyRows);
    }
    Ok(found.findings)
}

/// The tables of a source's mapping, for a [`Catalog`].
pub fn known_source(source: &MappedSource) -> KnownSource {
    let tables = source.mapping().tables().iter().map(|table| {
        let mut columns = sql::arrow::columns_of(table.shape.arrow_schema());
        columns.extend(PARTITION_KEYS.map(|key| (key.to_owned(), ColumnType::Varchar)));
        (name_of_source(&table.source, table.class_prefix.as_deref()), table.class().uid, columns)
    });
    KnownSource { name: source.name().to_owned(), tables: tables.collect() }
}

/// A source under each name that rules can use: that of its config file, and its `source_name`, after which its tables in a
/// lake are named.
pub fn known_sources(source: &MappedSource) -> Vec<KnownSource> {
    let by_file = known_source(source);
    let source_name = source.mapping().source_name();
    let by_name =
        (source_name != by_file.name).then(|| KnownSource { name: source_name.to_owned(), ..by_file.clone() });
    std::iter::once(by_file).chain(by_name).collect()
}

/// The source of a test's input. `name` is a shipped mapping, its `source_name`, or the path of a mapping config, relative to
/// `files`. A config that this config extends is looked for in the same folder.
///
/// # Errors
/// [`TestSourceError`]
pub fn source(name: &str, files: &Path) -> Result<MappedSource, TestSourceError> {
    let shipped =
        |is_meant: &dyn Fn(&str, &str) -> bool| SHIPPED_MAPPINGS.iter().find(|(file, text)| is_meant(file, text));
    let by_source = || shipped(&|_, text| source_name(text).as_deref() == Some(name));
    if let Some((file, text)) = shipped(&|file, _| file == name).or_else(by_source) {
        return Ok(MappedSource::new(file, text, &|_| None)?);
    }
    let path: PathBuf = files.join(name);
    let text = fs::read_to_string(&path).map_err(|error| {
        let (name, path) = (name.to_owned(), path.clone());
        TestSourceError::Unreadable { name, path, error }
    })?;
    let beside = |base: &str| {
        let folder = path.parent()?;
        fs::read_to_string(folder.join(base)).or_else(|_| fs::read_to_string(folder.join(format!("{base}.json")))).ok()
    };
    let name = path.file_stem().map_or_else(|| name.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok(MappedSource::new(&name, &text, &beside)?)
}

/// The `source_name` of a mapping config.
fn source_name(config: &str) -> Option<String> {
    let config: Json = serde_json::from_str(config).ok()?;
    config.pointer("/custom_source_events/source_name")?.as_str().map(str::to_owned)
}

/// The lake objects of a test's input. An event that cannot be mapped fails the test.
fn mapped(source: &MappedSource, input: &TestInput, files: &Path, number: usize) -> Result<Vec<Parcel>, TestError> {
    let bytes = match &input.events {
        TestEvents::Inline(bytes) => bytes.clone(),
        TestEvents::File(name) => {
            let path = files.join(&name.value);
            fs::read(&path).map_err(|error| TestError::Unreadable { path, error })?
        }
    };
    let settings = pipeline::Settings {
        region: "us-east-1".parse::<Region>().map_err(other)?,
        account: AccountId::external(),
        seal: SealSettings::default(),
        memory: usize::MAX,
        bounds: pipeline::Bounds::NONE,
    };
    let mut batch = Batch::new(&settings);
    let mut records = source.decode().records_of_stream(&bytes[..]);
    let origin = || Origin::File { name: "test".to_owned(), offset: 0, index: 0, line: None };
    while let Some(item) = records.next_item().map_err(other)? {
        batch.push_item(&item, source.decode(), Some(source), &origin, 0, |_| Ok(source));
    }
    let parcels = batch.seal("test", &[&number.to_string()]).collect::<Result<Vec<_>, _>>().map_err(other)?;
    for parcel in parcels.iter().filter(|parcel| parcel.destination == Destination::Quarantine) {
        if let Some(Ok(line)) = read_lines(&parcel.bytes[..]).map_err(other)?.next() {
            let (reason, message) = (line.reason().to_string(), line.message().to_string());
            return Err(TestError::Unmapped { reason, message });
        }
    }
    Ok(parcels)
}

/// The day in an object's key.
fn day_of(key: &str) -> Option<EventDay> {
    let day = key.split('/').find_map(|segment| segment.strip_prefix("eventDay="))?;
    day.to_owned().try_into().ok()
}

/// How the findings differ from the expected ones; `None` if they do not.
fn compare(expected: &Expectation, found: &[Finding]) -> Option<String> {
    let shown = || {
        let rows: Vec<String> = found.iter().flat_map(|finding| finding.rows.first()).map(one_line).collect();
        if rows.is_empty() { String::new() } else { format!(": {}", rows.join("; ")) }
    };
    match expected {
        Expectation::Nothing if found.is_empty() => None,
        Expectation::Nothing => Some(format!("expected no findings, found {}{}", found.len(), shown())),
        Expectation::Hits(count) if found.len() as u64 == *count => None,
        Expectation::Hits(count) => Some(format!("expected {count} findings, found {}{}", found.len(), shown())),
        Expectation::Findings(wanted) => {
            let mut left: Vec<&Finding> = found.iter().collect();
            for values in wanted {
                match left.iter().position(|finding| finding.rows.iter().any(|row| has(row, values))) {
                    Some(index) => {
                        left.remove(index);
                    }
                    None => {
                        let values: Map<String, Json> = values.clone().into_iter().collect();
                        return Some(format!(
                            "missing finding: {}; found {}{}",
                            one_line(&values),
                            found.len(),
                            shown()
                        ));
                    }
                }
            }
            left.first()
                .and_then(|extra| extra.rows.first())
                .map(|row| format!("unexpected finding: {}", one_line(row)))
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
