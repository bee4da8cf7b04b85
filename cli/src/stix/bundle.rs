//! `sluice stix bundle`: rows as STIX.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueHint;
use jiff::Timestamp;
use serde_json::Value;
use stix::Version;
use stix::bundle::{Bundler, ResultsMap, Row};

use super::StixVersion;
use crate::exit::{Failure, Outcome, Verdict};
use crate::input::Input;
use crate::output::Output;

/// Make a bundle of observed data from rows
///
/// Rows are JSON objects, one per line or in an array: output of `sluice query` or `sluice stix run`, or OCSF events.
/// Ids are derived from the content, so the same rows make the same bundle. Values that cannot be converted are
/// reported, and a bad row does not stop the others.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice stix run --lake ./lake --since 7d --format ndjson --file pattern.stix | sluice stix bundle -
  sluice inspect object.parquet --format ndjson | sluice stix bundle --stix-version 2.0 -
  sluice stix bundle --dialect vpcflow rows.ndjson > bundle.json

Exit code: 0 success, 1 part of a row could not be converted, 3 bad usage or unreadable rows.")]
pub(crate) struct Bundle {
    /// Files of rows, or `-` for standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    inputs: Vec<PathBuf>,
    /// Dialect of the rows: ocsf, vpcflow or guardduty
    #[arg(long, value_name = "NAME", default_value = "ocsf")]
    dialect: String,
    /// Your own results map, from rows to objects
    #[arg(long, value_name = "FILE", conflicts_with = "dialect", value_hint = ValueHint::FilePath)]
    map: Option<PathBuf>,
    /// STIX version of the bundle
    #[arg(long, value_enum, default_value_t, value_name = "VERSION")]
    stix_version: StixVersion,
    /// Name of the observing identity
    #[arg(long, value_name = "NAME", default_value = "Sluice")]
    observer: String,
}

impl Bundle {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let map = self.map()?;
        let mut rows: Vec<Row> = Vec::new();
        for input in Input::all(&self.inputs, None)? {
            read_rows(&input, &mut rows)?;
        }
        let version: Version = self.stix_version.into();
        let bundler = Bundler::new(&map, version, self.observer, Timestamp::now().as_nanosecond());
        let (bundle, faults) = bundler.bundle(&rows);
        for fault in &faults {
            output.say(format_args!("{} row {}: {}", output.talk.warning("note:"), fault.row + 1, fault.fault));
        }
        match bundle {
            Some(bundle) => output.json(&bundle)?,
            None => output.say("there are no rows, and so no bundle"),
        }
        Ok(Verdict::of(!faults.is_empty()))
    }

    fn map(&self) -> Result<ResultsMap, Failure> {
        if let Some(file) = &self.map {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            return ResultsMap::parse(&text).map_err(|error| Failure::Invalid(anyhow::Error::new(error).context(name)));
        }
        ResultsMap::shipped(&self.dialect).ok_or_else(|| {
            let known: Vec<_> = ResultsMap::shipped_dialects().collect();
            Failure::usage(format_args!("there is no dialect `{}`; there are {}", self.dialect, known.join(", ")))
        })
    }
}

/// Rows of an array, or one per line. A row of `stix run` holds the lake's row in `event`.
fn read_rows(input: &Input, rows: &mut Vec<Row>) -> Result<(), Failure> {
    let mut reader = BufReader::new(input.open()?.reader);
    let first = loop {
        let buffer = reader.fill_buf().with_context(|| format!("cannot read {input}"))?;
        match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(at) => {
                let first = buffer.get(at).copied();
                reader.consume(at);
                break first;
            }
            None if buffer.is_empty() => break None,
            None => {
                let length = buffer.len();
                reader.consume(length);
            }
        }
    };
    let mut add = |value: Value, place: usize| match value {
        Value::Object(mut row) => {
            let tagged = row.contains_key("leaves") && row.contains_key("number_observed");
            rows.push(match row.remove("event") {
                Some(Value::Object(event)) if tagged => event,
                Some(event) => {
                    row.insert("event".to_owned(), event);
                    row
                }
                None => row,
            });
            Ok(())
        }
        _ => Err(Failure::usage(format_args!("{input}: row {place} is no JSON object"))),
    };
    if first == Some(b'[') {
        let values: Vec<Value> = serde_json::from_reader(reader).with_context(|| format!("{input} is not JSON"))?;
        return values.into_iter().enumerate().try_for_each(|(at, value)| add(value, at + 1));
    }
    for (at, value) in serde_json::Deserializer::from_reader(reader).into_iter::<Value>().enumerate() {
        add(value.with_context(|| format!("{input}: row {}", at + 1))?, at + 1)?;
    }
    Ok(())
}
