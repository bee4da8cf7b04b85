//! What a function needs to bring events into the lake: sources, stores and settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use lake::key::AccountId;
use lake::parquet_object::SealSettings;
use lake::store::{self, Store, StoreError};
use pipeline::{DEFAULT_SOURCES, Settings, Sources, Stores};

use crate::configuration::{Configuration, SourcesConfiguration};
use crate::runtime::{Invocation, StartError};

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
    /// Reads and compiles what the configuration names.
    ///
    /// # Errors
    /// [`StartError::Unusable`], which names the variable.
    pub async fn load(configuration: Configuration) -> Result<Self, StartError> {
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
            text(store.as_ref(), &key).await.map_err(|reason| StartError::Unusable { variable: VARIABLE, reason })
        }
    }
}

/// All mapping configs of a folder or prefix, by file name.
async fn mapping_configs(location: &str) -> Result<BTreeMap<String, String>, StartError> {
    const VARIABLE: &str = "SLUICE_MAPPINGS";
    let store = open(VARIABLE, location).await?;
    // One page is a thousand files; nobody has that many sources.
    let listed = store.list("", "").await.map_err(|error| unusable(VARIABLE, &error))?;
    let mut configs = BTreeMap::new();
    for file in listed.iter().filter(|file| file.key.ends_with(".json")) {
        let read = text(store.as_ref(), &file.key).await;
        let text = read.map_err(|reason| StartError::Unusable { variable: VARIABLE, reason })?;
        configs.insert(file.key.clone(), text);
    }
    Ok(configs)
}

async fn text(store: &dyn Store, key: &str) -> Result<String, String> {
    let bytes = store.get(key).await.map_err(|error: StoreError| error.to_string())?;
    String::from_utf8(bytes.into()).map_err(|_| format!("{key} of {} is not UTF-8", store.describe()))
}

fn unusable(variable: &'static str, error: &dyn std::error::Error) -> StartError {
    StartError::Unusable { variable, reason: pipeline::error_chain(error) }
}
