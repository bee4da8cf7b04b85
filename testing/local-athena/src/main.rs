//! Serves Athena's API over a lake, for tests in other languages. It prints the endpoint as its first line, and ends when its
//! standard input is closed.

use std::io::{self, Read as _};

use anyhow::{Context as _, Result};
use clap::Parser;
use local_athena::{LakeFolder, LocalAthena, Mirror, Settings};

#[derive(Debug, Parser)]
#[command(about = "Athena's API over a lake")]
struct Arguments {
    /// A folder, or s3://bucket of the AWS account in the environment
    #[arg(long)]
    lake: String,
    /// Database of the lake's tables
    #[arg(long, default_value = "sluice")]
    database: String,
    /// Workgroup besides `primary`
    #[arg(long)]
    workgroup: Vec<String>,
    /// Scan limit of these workgroups, in bytes
    #[arg(long)]
    cutoff: Option<u64>,
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
    #[arg(long, default_value = "000000000000")]
    account: String,
}

fn main() -> Result<()> {
    let Arguments { lake, database, workgroup, cutoff, region, account } = Arguments::parse();
    let workgroups = workgroup.into_iter().map(|name| (name, cutoff)).collect();
    let settings = Settings { workgroups, region, account };
    let athena = if lake.starts_with("s3://") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let store = runtime.block_on(store::open(&lake)).context("opening the lake")?;
        LocalAthena::new(settings, Mirror::new(store, database)?)?
    } else {
        LocalAthena::new(settings, LakeFolder { folder: lake.into(), database })?
    };
    println!("{}", athena.serve()?);
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
