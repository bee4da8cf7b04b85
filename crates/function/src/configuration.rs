//! The environment of a transform function as one typed value. Whatever is wrong with it is said before the first event.

use lake::key::{AccountId, Region};
use pipeline::{Bounds, BoundsError, PartitionLimit, PlausibleDays};

/// What the environment says, checked as far as that goes without reading anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// `SLUICE_LAKE`: the lake's store, `s3://bucket` or a folder.
    pub(crate) lake: String,
    /// `SLUICE_QUARANTINE`: the store of quarantine; the lake's where it is not set.
    pub(crate) quarantine: String,
    /// `SLUICE_REGION`, else `AWS_REGION`: the lake's Region.
    pub(crate) region: Region,
    /// `SLUICE_ACCOUNT`: the account of records that name none. Where it is not set, the function's own is meant.
    pub(crate) account: Option<AccountId>,
    /// `SLUICE_SOURCES`: which source an event or an object belongs to.
    pub(crate) sources: SourcesConfiguration,
    /// `SLUICE_MAPPINGS`: a folder or `s3://bucket/prefix/` of mapping configs that replace shipped ones or join them.
    pub(crate) mappings: Option<String>,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`: what the function may take, in MB (of 1024 · 1024 bytes).
    pub(crate) memory: u64,
    /// `SLUICE_PARTITIONS`, `SLUICE_EARLIEST_DAY` and `SLUICE_DAYS_AHEAD`: what is believed of accounts and times.
    pub(crate) bounds: Bounds,
}

/// Where the configuration of sources comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourcesConfiguration {
    /// The one that ships with Sluice.
    Shipped,
    /// The variable's own text.
    Inline(String),
    /// A file, or `s3://bucket/key`.
    At(String),
}

/// A variable that keeps the function from starting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}. {remedy}.")]
pub struct ConfigurationError {
    variable: &'static str,
    problem: String,
    remedy: &'static str,
}

impl ConfigurationError {
    /// `problem` goes on from the variable's name, `remedy` is what to do, a sentence without its full stop.
    pub fn new(variable: &'static str, problem: impl Into<String>, remedy: &'static str) -> Self {
        Self { variable, problem: problem.into(), remedy }
    }
}

/// The variables of an environment. Empty counts as unset, since templates cannot omit a variable.
pub struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl<'a> Variables<'a> {
    /// `variable` looks one up.
    pub fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self(variable)
    }

    /// The value of a variable.
    pub fn read(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The value of a variable that cannot be done without.
    ///
    /// # Errors
    /// It is not set.
    pub fn required(&self, name: &'static str, remedy: &'static str) -> Result<String, ConfigurationError> {
        self.read(name).ok_or_else(|| ConfigurationError::new(name, "is not set", remedy))
    }

    /// A store: `s3://bucket`, `s3://bucket/prefix` or a folder.
    ///
    /// # Errors
    /// It is none.
    pub fn location(&self, name: &'static str) -> Result<Option<String>, ConfigurationError> {
        let value = self.read(name);
        if let Some(value) = &value {
            location(name, value)?;
        }
        Ok(value)
    }
}

/// Lambda's smallest memory, in MB. It stands for the function's where nobody says, as outside of Lambda.
const SMALLEST_MEMORY: u64 = 128;

impl Configuration {
    /// Reads the configuration; `variable` looks one up.
    ///
    /// # Errors
    /// [`ConfigurationError`] for the first variable that is missing or wrong.
    pub(crate) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationError> {
        const REMEDY: &str = "Give the bucket of the lake as s3://aws-security-data-lake-<region>-<id>";
        let variables = Variables::new(&variable);
        let read = |name| variables.read(name);
        let lake = variables.required("SLUICE_LAKE", REMEDY)?;
        variables.location("SLUICE_LAKE")?;
        let quarantine = variables.location("SLUICE_QUARANTINE")?.unwrap_or_else(|| lake.clone());
        let mappings = variables.location("SLUICE_MAPPINGS")?;
        Ok(Self {
            region: region(read("SLUICE_REGION").or_else(|| read("AWS_REGION")))?,
            account: read("SLUICE_ACCOUNT").map(account).transpose()?,
            sources: sources(read("SLUICE_SOURCES"))?,
            memory: memory(read("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"))?,
            bounds: bounds(&variables)?,
            lake,
            quarantine,
            mappings,
        })
    }
}

fn location(variable: &'static str, value: &str) -> Result<(), ConfigurationError> {
    let problem = match value.split_once("://") {
        None => return Ok(()),
        Some(("s3", place)) if !place.is_empty() && !place.starts_with('/') => return Ok(()),
        Some(("s3", _)) => format!("is `{value}`, which names no bucket"),
        Some(_) => format!("is `{value}`, which is neither s3:// nor a folder"),
    };
    Err(ConfigurationError { variable, problem, remedy: "Write s3://bucket or s3://bucket/prefix" })
}

fn region(value: Option<String>) -> Result<Region, ConfigurationError> {
    let refuse = |problem| ConfigurationError {
        variable: "SLUICE_REGION",
        problem,
        remedy: "Give the Region of the lake, as eu-central-1",
    };
    let value = value.ok_or_else(|| refuse("is not set, and neither is AWS_REGION".to_owned()))?;
    value.parse().map_err(|_| refuse(format!("is `{value}`, which is no Region")))
}

fn account(value: String) -> Result<AccountId, ConfigurationError> {
    value.parse().map_err(|_| ConfigurationError {
        variable: "SLUICE_ACCOUNT",
        problem: format!("is `{value}`, which is no account"),
        remedy: "Give twelve digits, `external` or `external_<id>`, or leave it out for the function's own account",
    })
}

fn sources(value: Option<String>) -> Result<SourcesConfiguration, ConfigurationError> {
    Ok(match value {
        None => SourcesConfiguration::Shipped,
        Some(text) if text.starts_with('{') => SourcesConfiguration::Inline(text),
        Some(place) => {
            let keyless = place.strip_prefix("s3://").is_some_and(|place| !object_of(place));
            if keyless || (place.contains("://") && !place.starts_with("s3://")) {
                return Err(ConfigurationError {
                    variable: "SLUICE_SOURCES",
                    problem: format!("is `{place}`, which names no object"),
                    remedy: "Write s3://bucket/key, the path of a file, or the JSON itself",
                });
            }
            SourcesConfiguration::At(place)
        }
    })
}

/// Whether `bucket/key` has both.
fn object_of(place: &str) -> bool {
    place.split_once('/').is_some_and(|(bucket, key)| !bucket.is_empty() && !key.is_empty() && !key.ends_with('/'))
}

fn memory(value: Option<String>) -> Result<u64, ConfigurationError> {
    let Some(value) = value else { return Ok(SMALLEST_MEMORY) };
    value.parse().ok().filter(|megabytes| *megabytes >= SMALLEST_MEMORY).ok_or_else(|| ConfigurationError {
        variable: "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        problem: format!("is `{value}`"),
        remedy: "Lambda sets it to 128 or more megabytes; leave it alone",
    })
}

fn bounds(variables: &Variables<'_>) -> Result<Bounds, ConfigurationError> {
    let refuse = |variable, value: &str, expected: BoundsError, remedy| {
        ConfigurationError::new(variable, format!("is `{value}`, but {expected}"), remedy)
    };
    let mut bounds = Bounds::default();
    let (mut earliest, mut ahead) = (bounds.days.earliest(), bounds.days.ahead());
    if let Some(value) = variables.read("SLUICE_PARTITIONS") {
        const REMEDY: &str = "Give the partitions (class, account and day) that a batch may write";
        bounds.partitions =
            PartitionLimit::parse(&value).map_err(|expected| refuse("SLUICE_PARTITIONS", &value, expected, REMEDY))?;
    }
    if let Some(value) = variables.read("SLUICE_EARLIEST_DAY") {
        const REMEDY: &str = "Give the first day that an event may be of";
        earliest = PlausibleDays::parse_day(&value)
            .map_err(|expected| refuse("SLUICE_EARLIEST_DAY", &value, expected, REMEDY))?;
    }
    if let Some(value) = variables.read("SLUICE_DAYS_AHEAD") {
        const REMEDY: &str = "Give the days after today that an event may be of";
        ahead = PlausibleDays::parse_ahead(&value)
            .map_err(|expected| refuse("SLUICE_DAYS_AHEAD", &value, expected, REMEDY))?;
    }
    bounds.days = PlausibleDays::new(earliest, ahead);
    Ok(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Configuration, String> {
        let look_up = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
        Configuration::from_environment(look_up).map_err(|error| error.to_string())
    }

    const LAKE: (&str, &str) = ("SLUICE_LAKE", "s3://lake");
    const REGION: (&str, &str) = ("AWS_REGION", "eu-central-1");

    #[test]
    fn the_lake_and_a_region_are_enough() {
        let expected = Configuration {
            lake: "s3://lake".to_owned(),
            quarantine: "s3://lake".to_owned(),
            region: "eu-central-1".parse().unwrap(),
            account: None,
            sources: SourcesConfiguration::Shipped,
            mappings: None,
            memory: 128,
            bounds: Bounds::default(),
        };
        assert_eq!(read(&[LAKE, REGION]).unwrap(), expected);
        let empty = [
            "SLUICE_QUARANTINE",
            "SLUICE_REGION",
            "SLUICE_ACCOUNT",
            "SLUICE_SOURCES",
            "SLUICE_MAPPINGS",
            "SLUICE_PARTITIONS",
            "SLUICE_EARLIEST_DAY",
            "SLUICE_DAYS_AHEAD",
        ];
        let variables: Vec<_> = [LAKE, REGION].into_iter().chain(empty.map(|name| (name, " "))).collect();
        assert_eq!(read(&variables).unwrap(), expected);
    }

    #[test]
    fn everything_can_be_said() {
        let variables = [
            LAKE,
            REGION,
            ("SLUICE_QUARANTINE", "/var/quarantine"),
            ("SLUICE_REGION", "us-east-1"),
            ("SLUICE_ACCOUNT", "external_acme"),
            ("SLUICE_SOURCES", "s3://settings/sources.json"),
            ("SLUICE_MAPPINGS", "s3://settings/mappings/"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"),
            ("SLUICE_PARTITIONS", "5000"),
            ("SLUICE_EARLIEST_DAY", "1995-07-01"),
            ("SLUICE_DAYS_AHEAD", "0"),
        ];
        let expected = Configuration {
            lake: "s3://lake".to_owned(),
            quarantine: "/var/quarantine".to_owned(),
            region: "us-east-1".parse().unwrap(),
            account: Some("external_acme".parse().unwrap()),
            sources: SourcesConfiguration::At("s3://settings/sources.json".to_owned()),
            mappings: Some("s3://settings/mappings/".to_owned()),
            memory: 1769,
            bounds: Bounds {
                partitions: PartitionLimit::parse("5000").unwrap(),
                days: PlausibleDays::new("19950701".parse().unwrap(), 0),
            },
        };
        assert_eq!(read(&variables).unwrap(), expected);
        let inline = read(&[LAKE, REGION, ("SLUICE_SOURCES", " {\"sources\":[]}\n")]).unwrap();
        assert_eq!(inline.sources, SourcesConfiguration::Inline("{\"sources\":[]}".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_variable_and_the_way_out() {
        for (variables, message) in [
            (
                &[REGION][..],
                "SLUICE_LAKE is not set. Give the bucket of the lake as s3://aws-security-data-lake-<region>-<id>.",
            ),
            (
                &[("SLUICE_LAKE", "s3:///ext"), REGION],
                "SLUICE_LAKE is `s3:///ext`, which names no bucket. Write s3://bucket or s3://bucket/prefix.",
            ),
            (
                &[LAKE, REGION, ("SLUICE_QUARANTINE", "gs://bucket")],
                "SLUICE_QUARANTINE is `gs://bucket`, which is neither s3:// nor a folder. Write s3://bucket or \
                 s3://bucket/prefix.",
            ),
            (
                &[LAKE],
                "SLUICE_REGION is not set, and neither is AWS_REGION. Give the Region of the lake, as eu-central-1.",
            ),
            (
                &[LAKE, ("SLUICE_REGION", "Frankfurt")],
                "SLUICE_REGION is `Frankfurt`, which is no Region. Give the Region of the lake, as eu-central-1.",
            ),
            (
                &[LAKE, REGION, ("SLUICE_ACCOUNT", "1234")],
                "SLUICE_ACCOUNT is `1234`, which is no account. Give twelve digits, `external` or `external_<id>`, or \
                 leave it out for the function's own account.",
            ),
            (
                &[LAKE, REGION, ("SLUICE_SOURCES", "s3://settings")],
                "SLUICE_SOURCES is `s3://settings`, which names no object. Write s3://bucket/key, the path of a file, \
                 or the JSON itself.",
            ),
            (
                &[LAKE, REGION, ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1 GB")],
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE is `1 GB`. Lambda sets it to 128 or more megabytes; leave it alone.",
            ),
            (
                &[LAKE, REGION, ("SLUICE_PARTITIONS", "many")],
                "SLUICE_PARTITIONS is `many`, but it is a number from 1 to 100000. Give the partitions (class, account \
                 and day) that a batch may write.",
            ),
            (
                &[LAKE, REGION, ("SLUICE_EARLIEST_DAY", "1.7.1995")],
                "SLUICE_EARLIEST_DAY is `1.7.1995`, but a day is written like 2000-01-31. Give the first day that an \
                 event may be of.",
            ),
            (
                &[LAKE, REGION, ("SLUICE_DAYS_AHEAD", "-1")],
                "SLUICE_DAYS_AHEAD is `-1`, but it is a number from 0 to 36500. Give the days after today that an event \
                 may be of.",
            ),
        ] {
            assert_eq!(read(variables).unwrap_err(), message);
        }
    }
}
