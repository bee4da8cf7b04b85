//! The query engine that a command runs on: the embedded one over a lake folder, or Athena.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, ValueHint};
use embedded::{Embedded, Options};
use jiff::SignedDuration;
use query::athena::{Athena, AthenaSettings};
use query::{Engine, Limited};
use sql::table::Table;
use store::aws::{Access, Role};

use crate::aws_access::sdk_config_for;
use crate::exit::Failure;
use crate::lake_arguments::{runtime, size_of};

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum EngineChoice {
    /// Embedded engine, over a lake folder
    #[default]
    Embedded,
    /// Amazon Athena in your account, over the tables of a Glue database
    Athena,
}

/// The engine and its settings.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub(crate) struct EngineArguments {
    /// Engine that runs the queries
    #[arg(long, value_enum, default_value_t)]
    pub(crate) engine: EngineChoice,
    /// Lake folder for the embedded engine
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, required_unless_present = "engine")]
    pub(crate) lake: Option<PathBuf>,
    /// Stop a query that reads more than this from the lake
    #[arg(long, value_name = "SIZE", value_parser = size_of)]
    max_scanned: Option<u64>,
    /// Memory limit of a query of the embedded engine; beyond it, data spills to disk
    #[arg(long, value_name = "SIZE", value_parser = size_of, default_value = "1GB")]
    query_memory: u64,
    /// Timeout of a query, such as 90s, 10m or 2h
    #[arg(long, value_name = "TIME", value_parser = timeout_of, default_value = "10m")]
    timeout: Duration,
    #[command(flatten)]
    pub(crate) athena: AthenaArguments,
}

/// Parses a positive duration: `90s`, `10m`, `2h`.
fn timeout_of(text: &str) -> Result<Duration, String> {
    let span: SignedDuration =
        text.parse().map_err(|_| "a timeout is a number with a unit, such as 90s, 10m or 2h".to_owned())?;
    Duration::try_from(span)
        .ok()
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| "a timeout must be greater than zero".to_owned())
}

/// Athena and the rights to use it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Athena")]
pub(crate) struct AthenaArguments {
    /// Glue database of the tables (repeatable); table names without a database refer to the first
    #[arg(long = "database", value_name = "NAME", env = "SLUICE_DATABASE")]
    pub(crate) databases: Vec<String>,
    /// Athena workgroup
    #[arg(long, value_name = "NAME", env = "SLUICE_WORKGROUP")]
    workgroup: Option<String>,
    /// Location of query results, unless the workgroup sets one: s3://bucket/prefix/
    #[arg(long, value_name = "S3-URL", env = "SLUICE_QUERY_RESULTS")]
    results: Option<String>,
    /// Data catalog [default: AwsDataCatalog]
    #[arg(long, value_name = "NAME")]
    catalog_name: Option<String>,
    /// Reuse a result of the same query that is at most this many minutes old
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=10_080))]
    reuse_results: Option<u64>,
    /// Profile of your AWS configuration
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// AWS Region of Athena
    #[arg(long = "athena-region", value_name = "REGION")]
    region: Option<String>,
    /// IAM role to assume
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    /// External ID that the role requires
    #[arg(long, value_name = "ID", requires = "role")]
    external_id: Option<String>,
}

impl EngineArguments {
    /// The embedded engine over a lake folder.
    pub(crate) fn of_lake(folder: PathBuf) -> Self {
        #[derive(Parser)]
        #[command(no_binary_name = true)]
        struct Defaults {
            #[command(flatten)]
            engine: EngineArguments,
        }
        let Defaults { engine } = Defaults::parse_from(["--lake".into(), folder.into_os_string()]);
        engine
    }

    /// Where the data is, for people: the lake folder, or the databases of Athena.
    pub(crate) fn place(&self) -> String {
        match (self.engine, &self.lake) {
            (EngineChoice::Embedded, Some(folder)) => folder.display().to_string(),
            _ => format!("Athena: {}", self.athena.databases.join(", ")),
        }
    }

    /// The engine, ready to run.
    pub(crate) async fn open(&self) -> Result<Box<dyn Engine>, Failure> {
        let engine: Box<dyn Engine> = match self.engine {
            EngineChoice::Embedded => Box::new(self.embedded().await?),
            EngineChoice::Athena => Box::new(self.athena.open().await?),
        };
        Ok(Box::new(Limited::new(engine, self.timeout, self.max_scanned)))
    }

    async fn embedded(&self) -> Result<Embedded, Failure> {
        let Some(folder) = &self.lake else {
            return Err(Failure::usage("the embedded engine needs a lake folder: give --lake FOLDER"));
        };
        if !folder.is_dir() {
            let folder = folder.display();
            return Err(Failure::usage(format_args!(
                "{folder} is no folder. The embedded engine reads lakes on this machine; for one in S3 use --engine athena"
            )));
        }
        let mut options = Options::default();
        options.memory_limit = Some(self.query_memory);
        Ok(Embedded::over_folder(folder, options).await.with_context(|| format!("{}", folder.display()))?)
    }
}

/// The optional engine whose tables are used.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
pub(crate) struct TablesArguments {
    /// Engine that provides the tables
    #[arg(long, value_enum)]
    engine: Option<EngineChoice>,
    /// Lake folder that provides the tables, for the embedded engine
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    lake: Option<PathBuf>,
    #[command(flatten)]
    athena: AthenaArguments,
}

impl TablesArguments {
    /// Whether an engine is named.
    pub(crate) fn names_one(&self) -> bool {
        self.engine.is_some() || self.lake.is_some()
    }

    /// The engine's tables; none if no engine is named.
    pub(crate) fn tables(&self) -> Result<Vec<Table>, Failure> {
        match (self.engine, &self.lake) {
            (Some(EngineChoice::Athena), _) => {
                let runtime = runtime()?;
                let engine = runtime.block_on(self.athena.open())?;
                Ok(runtime.block_on(engine.tables())?)
            }
            (_, Some(folder)) if !folder.is_dir() => {
                Err(Failure::usage(format_args!("{} is not a folder", folder.display())))
            }
            (_, Some(folder)) => {
                let runtime = runtime()?;
                let engine = runtime.block_on(Embedded::over_folder(folder, Options::default()))?;
                Ok(runtime.block_on(engine.tables())?)
            }
            (Some(EngineChoice::Embedded), None) => {
                Err(Failure::usage("the embedded engine needs a lake folder: give --lake FOLDER"))
            }
            (None, None) => Ok(Vec::new()),
        }
    }
}

impl AthenaArguments {
    /// Athena with the rights that the arguments ask for.
    ///
    /// # Errors
    /// There are no credentials, or no Region is set.
    pub(crate) async fn open(&self) -> Result<Athena, Failure> {
        let access = Access {
            profile: self.profile.clone(),
            region: self.region.clone(),
            role: self.role.clone().map(|arn| Role { arn, external_id: self.external_id.clone(), session_name: None }),
        };
        let settings = AthenaSettings {
            workgroup: self.workgroup.clone(),
            output_location: self.results.clone(),
            catalog: self.catalog_name.clone(),
            databases: self.databases.clone(),
            reuse_results: self.reuse_results.map(|minutes| Duration::from_secs(60 * minutes)),
        };
        let config = sdk_config_for(&access).await?;
        if config.region().is_none() {
            return Err(Failure::usage(
                "no Region is set; give --athena-region, or set AWS_REGION or a profile's region",
            ));
        }
        Ok(Athena::new(&config, settings))
    }
}
