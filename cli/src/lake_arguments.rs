//! Arguments shared by the commands that write to a lake: its location, and how objects are written.

use clap::{Args, ValueHint};
use lake::key::{AccountId, EventDay, Region};
use lake::parquet_object::{SealSettings, ZstdLevel};
use pipeline::{Bounds, PartitionLimit, PlausibleDays, Settings, Stores};
use tokio::runtime::Runtime;

use crate::exit::Failure;

/// The lake and its settings.
#[derive(Debug, Clone, Args)]
pub(crate) struct LakeArguments {
    /// Lake to write to: a folder, or s3://bucket[/prefix]
    #[arg(long, value_name = "LOCATION", value_hint = ValueHint::AnyPath)]
    pub(crate) lake: String,
    /// Region of the lake, for `region=` in object keys
    #[arg(long, value_name = "REGION", env = "AWS_REGION", hide_env_values = true, default_value = "us-east-1")]
    pub(crate) region: Region,
    /// Account for records that name none: 12 digits, `external` or `external_<id>`
    #[arg(long, value_name = "ACCOUNT", default_value = "external")]
    pub(crate) account: AccountId,
    /// Compression level of objects, 1 (fastest) to 22 (smallest)
    #[arg(long, value_name = "LEVEL", value_parser = zstd_level, default_value_t)]
    pub(crate) zstd_level: ZstdLevel,
    /// Size of the events held before objects are written; more makes larger objects. The process uses about three
    /// times as much
    #[arg(long, value_name = "SIZE", value_parser = memory, default_value = "64MB")]
    pub(crate) memory: usize,
    /// Partitions (class, account and day) written at once; events beyond this limit go to quarantine
    #[arg(long, value_name = "COUNT", value_parser = PartitionLimit::parse, default_value_t)]
    pub(crate) partitions: PartitionLimit,
    /// First plausible day of an event; earlier events go to quarantine
    #[arg(long, value_name = "DATE", value_parser = PlausibleDays::parse_day, default_value = "1970-01-01")]
    pub(crate) earliest_day: EventDay,
    /// Plausible days after today; later events go to quarantine
    #[arg(long, value_name = "DAYS", value_parser = PlausibleDays::parse_ahead, default_value = "2")]
    pub(crate) days_ahead: u32,
}

impl LakeArguments {
    /// The settings of the pipeline.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            region: self.region.clone(),
            account: self.account.clone(),
            seal: SealSettings { zstd: self.zstd_level, ..SealSettings::default() },
            memory: self.memory,
            bounds: Bounds {
                partitions: self.partitions,
                days: PlausibleDays::new(self.earliest_day, self.days_ahead),
            },
        }
    }

    /// The stores of the lake and of quarantine. Quarantine is in the lake unless it has its own location.
    pub(crate) async fn stores(&self, quarantine: Option<&str>) -> Result<Stores, Failure> {
        let lake = crate::aws_access::open_store(&self.lake).await?;
        let quarantine = match quarantine {
            Some(location) => crate::aws_access::open_store(location).await?,
            None => lake.clone(),
        };
        Ok(Stores { lake, quarantine })
    }
}

/// The runtime for puts and gets, which run while this thread maps.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn zstd_level(text: &str) -> Result<ZstdLevel, String> {
    let level = text.parse().map_err(|_| "a level is a number from 1 to 22".to_owned())?;
    ZstdLevel::new(level).map_err(|error| error.to_string())
}

const MEMORY: std::ops::RangeInclusive<u64> = 100_000..=16_000_000_000;

fn memory(text: &str) -> Result<usize, String> {
    let bytes = Some(size_of(text)?).filter(|bytes| MEMORY.contains(bytes));
    bytes.and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(|| "it must be between 100kB and 16GB".to_owned())
}

/// Bytes of a size with its unit: `64MB`, `2GiB`, `1000`.
pub(crate) fn size_of(text: &str) -> Result<u64, String> {
    let malformed = || "a size is a number and a unit, such as 64MB".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(malformed()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| malformed())?;
    number.checked_mul(unit).ok_or_else(|| "it is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(memory("64MB"), Ok(64_000_000));
        assert_eq!(memory("64 mib"), Ok(64 << 20));
        assert_eq!(memory("2000000"), Ok(2_000_000));
        assert_eq!(memory("1g"), Ok(1_000_000_000));
        for wrong in ["", "MB", "64 apples", "-1MB", "1.5MB", "0", "99kB", "17GB", "99999999999999999999GB"] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
    }
}
