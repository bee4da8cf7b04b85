//! `sluice ddl`: Athena's tables over the objects that a mapping writes.

use sql::arrow::columns_of;
use sql::ddl::{Accounts, ExternalTable};
use sql::table::name_of_source;

use crate::exit::{Failure, Outcome, Verdict};
use crate::mapping_config::MappingConfig;
use crate::output::Output;

/// Print the Athena tables for a mapping
///
/// Prints a CREATE EXTERNAL TABLE for each custom source, with the columns that the mapping can set. The tables use
/// partition projection, so new days need no crawler. For Security Lake, they are optional: its crawler creates tables
/// for custom sources.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice ddl --mapping windows-sysmon --location s3://my-lake --database sluice --region eu-central-1 --account external
  sluice ddl --mapping aws-network-firewall --location s3://my-lake --region eu-central-1 --region us-east-1

Without --account, queries must compare `accountid` with constants, because Athena requires this for
injected partitions.
Exit code: 0 success, 2 the mapping is refused, 3 bad usage.")]
pub(crate) struct Ddl {
    /// Mapping config: a file, or the name of a shipped one
    #[arg(long, value_name = "MAPPING")]
    mapping: String,
    /// Location of the lake: s3://bucket[/prefix]
    #[arg(long, value_name = "S3-URL")]
    location: String,
    /// Glue database of the tables
    #[arg(long, value_name = "NAME", default_value = "sluice")]
    database: String,
    /// Region of the lake, a value of `region=` (repeatable)
    #[arg(long = "region", value_name = "REGION", required = true)]
    regions: Vec<String>,
    /// Account, a value of `accountId=` (repeatable)
    #[arg(long = "account", value_name = "ACCOUNT")]
    accounts: Vec<String>,
    /// First UTC day that may have objects
    #[arg(long, value_name = "YYYYMMDD", default_value = "20200101")]
    first_day: String,
}

impl Ddl {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let source = MappingConfig::read(&self.mapping)?.source(output)?;
        let accounts = match self.accounts.is_empty() {
            true => Accounts::Injected,
            false => Accounts::Listed(self.accounts),
        };
        let lake = self.location.trim_end_matches('/');
        for table in source.mapping().tables() {
            let prefix = table.class_prefix.as_ref().map(|class| format!("{class}/")).unwrap_or_default();
            let external = ExternalTable {
                database: self.database.clone(),
                name: name_of_source(&table.source, table.class_prefix.as_deref()),
                columns: columns_of(table.shape.arrow_schema()),
                location: format!("{lake}/ext/{}/{prefix}", table.source),
                regions: self.regions.clone(),
                accounts: accounts.clone(),
                first_day: self.first_day.clone(),
            };
            let statement = external.statement().map_err(Failure::usage)?;
            output.write(format_args!("{statement};\n\n"))?;
        }
        Ok(Verdict::Fine)
    }
}
