//! What a function needs to bring events into the lake: sources, stores and settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use lake::key::AccountId;
use lake::parquet_object::SealSettings;
use pipeline::{DEFAULT_SOURCES, Settings, Sources, Stores};
use store::{LIST_PAGE, Store, StoreError};

use crate::configuration::{Configuration, SourcesConfiguration};
use crate::invocation::Invocation;
use crate::runtime::StartError;

/// Sources, stores and settings of a deployment.
#[derive(Debug)]
pub struct Transformer {
    /// Which source an event or an object belongs to, and how it is mapped.
    pub sources: Sources,
    /// The lake and quarantine.
    pub stores: Stores,
    configuration: Configuration,
}

impl Transformer {
    /// Reads the environment, and reads and compiles what it names.
    ///
    /// # Errors
    /// [`StartError::Configuration`] or [`StartError::Unusable`], which name the variable.
    pub async fn from_environment() -> Result<Self, StartError> {
        Self::load(Configuration::from_environment(|name| std::env::var(name).ok())?).await
    }

    async fn load(configuration: Configuration) -> Result<Self, StartError> {
        let lake = open("SLUICE_LAKE", &configuration.lake).await?;
        let quarantine = match configuration.quarantine == configuration.lake {
            true => Arc::clone(&lake),
            false => open("SLUICE_QUARANTINE", &configuration.quarantine).await?,
        };
        let mappings = match &configuration.mappings {
            Some(location) => mapping_configs(location).await?,
            None => BTreeMap::new(),
        };
        let text = sources_text(&configuration.sources).await?;
        let sources = Sources::from_text(&text, &|name| mappings.get(name).cloned())
            .map_err(|error| unusable("SLUICE_SOURCES", &error))?;
        Ok(Self { sources, stores: Stores { lake, quarantine }, configuration })
    }

    /// The settings of an invocation. The account of records that name none is the configured one, else the function's
    /// own, else `external`.
    pub fn settings(&self, invocation: &Invocation) -> Settings {
        let own = || account_of(&invocation.function_arn).unwrap_or_else(AccountId::external);
        Settings {
            region: self.configuration.region.clone(),
            account: self.configuration.account.clone().unwrap_or_else(own),
            seal: SealSettings::default(),
            memory: table_memory(self.configuration.memory),
            bounds: self.configuration.bounds,
        }
    }
}

/// The account in an ARN.
fn account_of(arn: &str) -> Option<AccountId> {
    arn.split(':').nth(4)?.parse().ok()
}

/// How many bytes open tables may hold in a function of `megabytes`. What else there is in it: the program, the event (at
/// most 6 MB, several times over), and a table's second life as columns, sorted columns, and pages.
fn table_memory(megabytes: u64) -> usize {
    const PROGRAM: u64 = 96;
    const SMALLEST: u64 = 8;
    const LARGEST: u64 = 512;
    ((megabytes.saturating_sub(PROGRAM) / 6).clamp(SMALLEST, LARGEST) << 20) as usize
}

async fn open(variable: &'static str, location: &str) -> Result<Arc<dyn Store>, StartError> {
    store::open(location).await.map_err(|error| unusable(variable, &error))
}

/// The store of what a location names, and its key there.
async fn open_parent(variable: &'static str, location: &str) -> Result<(Arc<dyn Store>, String), StartError> {
    let (parent, name) = location.rsplit_once('/').unwrap_or((".", location));
    let parent = if parent.is_empty() { "/" } else { parent };
    Ok((open(variable, parent).await?, name.to_owned()))
}

async fn sources_text(sources: &SourcesConfiguration) -> Result<String, StartError> {
    const VARIABLE: &str = "SLUICE_SOURCES";
    match sources {
        SourcesConfiguration::Shipped => Ok(DEFAULT_SOURCES.to_owned()),
        SourcesConfiguration::Inline(text) => Ok(text.clone()),
        SourcesConfiguration::At(location) => {
            let (store, key) = open_parent(VARIABLE, location).await?;
            text(store.as_ref(), &key)
                .await
                .map_err(|error| StartError::Unusable { variable: VARIABLE, reason: error.to_string() })
        }
    }
}

/// All mapping configs of a folder or prefix, by file name.
async fn mapping_configs(location: &str) -> Result<BTreeMap<String, String>, StartError> {
    const VARIABLE: &str = "SLUICE_MAPPINGS";
    let store = open(VARIABLE, location).await?;
    let listed = store.list("", "").await.map_err(|error| unusable(VARIABLE, &error))?;
    let refuse = |what| StartError::Unusable { variable: VARIABLE, reason: format!("{location} {what}") };
    if listed.len() >= LIST_PAGE {
        return Err(refuse("holds a thousand files or more; use a folder that holds only mapping configs"));
    }
    let mut configs = BTreeMap::new();
    for file in listed.iter().filter(|file| file.key.ends_with(".json")) {
        let read = text(store.as_ref(), &file.key).await;
        let text = read.map_err(|error| StartError::Unusable { variable: VARIABLE, reason: error.to_string() })?;
        configs.insert(file.key.clone(), text);
    }
    if configs.is_empty() {
        return Err(refuse("holds no mapping config, a file <source>.json; put one there, or unset the variable"));
    }
    Ok(configs)
}

/// Why a text of the settings cannot be read.
#[derive(Debug, thiserror::Error)]
enum TextFault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{key} of {place} is not UTF-8")]
    NotText { key: String, place: String },
}

async fn text(store: &dyn Store, key: &str) -> Result<String, TextFault> {
    let bytes = store.get(key).await?;
    let fault = |_| TextFault::NotText { key: key.to_owned(), place: store.describe().to_string() };
    String::from_utf8(bytes.into()).map_err(fault)
}

fn unusable(variable: &'static str, error: &(dyn std::error::Error + 'static)) -> StartError {
    StartError::Unusable { variable, reason: pipeline::error_chain(error) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::deadline::Deadline;

    fn configuration(folder: &Path) -> Configuration {
        Configuration {
            lake: folder.join("lake").display().to_string(),
            quarantine: folder.join("lake").display().to_string(),
            region: "eu-central-1".parse().unwrap(),
            account: None,
            sources: SourcesConfiguration::Shipped,
            mappings: None,
            memory: 256,
            bounds: Default::default(),
        }
    }

    fn load(configuration: Configuration) -> Result<Transformer, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Transformer::load(configuration)).map_err(|error| error.to_string())
    }

    fn invocation(function_arn: &str) -> Invocation {
        Invocation {
            request_id: String::new(),
            function_arn: function_arn.to_owned(),
            trace_id: None,
            deadline: Deadline::none(),
            cold_start: true,
        }
    }

    const ARN: &str = "arn:aws:lambda:eu-central-1:111122223333:function:sluice";

    #[test]
    fn the_account_is_the_configured_one_else_the_functions_else_external() {
        let folder = tempfile::tempdir().unwrap();
        let of = |configuration, arn| load(configuration).unwrap().settings(&invocation(arn)).account.to_string();
        let configured =
            Configuration { account: Some("external_acme".parse().unwrap()), ..configuration(folder.path()) };
        assert_eq!(of(configured, ARN), "external_acme");
        assert_eq!(of(configuration(folder.path()), ARN), "111122223333");
        for arn in ["", "arn:aws:lambda", "arn:aws:lambda:eu-central-1:root:function:sluice"] {
            assert_eq!(of(configuration(folder.path()), arn), "external");
        }
    }

    #[test]
    fn a_mapping_config_of_the_folder_replaces_the_shipped_one_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let own = r#"{"custom_source_events": {"source_name": "own-sysmon", "extends": "windows-sysmon", "ocsf_mapping": {}}}"#;
        std::fs::write(folder.path().join("windows-sysmon.json"), own).unwrap();
        std::fs::write(folder.path().join("README.md"), "no config").unwrap();
        let names = |mappings: Option<&Path>| {
            let mappings = mappings.map(|path| path.display().to_string());
            let transformer = load(Configuration { mappings, ..configuration(folder.path()) }).unwrap();
            transformer.sources.iter().map(|source| source.mapping().source_name().to_owned()).collect::<Vec<_>>()
        };
        let shipped = names(None);
        assert!(shipped.contains(&"windows-sysmon".to_owned()) && shipped.len() > 3, "{shipped:?}");
        let own = |name: &String| if name == "windows-sysmon" { "own-sysmon".to_owned() } else { name.clone() };
        assert_eq!(names(Some(folder.path())), shipped.iter().map(own).collect::<Vec<_>>());
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_variable() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.json").display().to_string();
        let sources = |text: &str| Configuration {
            sources: SourcesConfiguration::Inline(text.to_owned()),
            ..configuration(folder.path())
        };
        std::fs::write(folder.path().join("broken.json"), "{\"custom_source_events\": {\"source\": 1}}").unwrap();
        let broken = Configuration {
            mappings: Some(folder.path().display().to_string()),
            ..sources(r#"{"sources":[{"name":"broken","input_paths":{"kinesis":{"enabled":true}}}]}"#)
        };
        let mappings =
            |folder: &Path| Configuration { mappings: Some(folder.display().to_string()), ..configuration(folder) };
        let empty = tempfile::tempdir().unwrap();
        let no_config = format!("SLUICE_MAPPINGS: {} holds no mapping config", empty.path().display());
        for (configuration, start) in [
            (mappings(empty.path()), no_config.as_str()),
            (
                Configuration { sources: SourcesConfiguration::At(missing), ..configuration(folder.path()) },
                "SLUICE_SOURCES: read missing.json: ",
            ),
            (sources("{"), "SLUICE_SOURCES: the sources file has errors: line 1, column 1: this is not JSON: EOF"),
            (
                sources(r#"{"sources":[{"name":"door","input_paths":{"kinesis":{"enabled":true}}}]}"#),
                "SLUICE_SOURCES: the sources file has errors: line 1, column 21: source `door` has no mapping config: \
                 `door.json` was not found",
            ),
            (broken, "SLUICE_SOURCES: the mapping config of `broken` has errors: line 1, column "),
        ] {
            let error = load(configuration).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn tables_are_given_what_the_function_can_spare() {
        let megabytes = |memory| table_memory(memory) >> 20;
        assert_eq!([128, 256, 1024, 1769, 10_240].map(megabytes), [8, 26, 154, 278, 512]);
    }
}
