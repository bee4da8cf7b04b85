//! `sluice stix match`: a pattern against observed data.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueHint;
use serde::Serialize;
use serde_json::Value;
use stix::matcher::{AndScope, Matcher, Observed, observations};

use super::{AndScopeChoice, PatternArguments};
use crate::exit::{Failure, Outcome, Verdict};
use crate::input::Input;
use crate::output::{Align, Format, Output, Table, counted, instant};

/// Match a pattern against observed data, as the specification's matcher does
///
/// The data is STIX 2.0 or 2.1: bundles, observed-data objects, arrays of them, or one object per line. Prints the
/// observations that belong to at least one match of the whole pattern.
#[derive(clap::Args)]
#[command(override_usage = "sluice stix match [OPTIONS] <PATTERN|--file <FILE>> --data <FILE>...")]
#[command(after_help = "\
Examples:
  sluice stix match \"[ipv4-addr:value = '198.51.100.7']\" --data bundle.json
  sluice stix match --file pattern.stix --data one.json two.json --format ndjson

Exit code: 0 nothing found, 1 matches, 2 the pattern is refused or does not fit the data,
3 bad usage.")]
pub(crate) struct Match {
    #[command(flatten)]
    pattern: PatternArguments,
    /// Files of observed data, or `-` for standard input
    #[arg(long, value_name = "FILE", required = true, num_args = 1.., value_hint = ValueHint::FilePath)]
    data: Vec<PathBuf>,
    /// Scope of AND within []: the same observation, or the same object as in the specification's matcher
    #[arg(long, value_enum, default_value_t)]
    and_scope: AndScopeChoice,
    /// Format of the observations
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// An observation that belongs to a match.
#[derive(Serialize)]
struct Matched<'o> {
    /// Its id, where it has one.
    id: Option<&'o str>,
    /// Its place among all that were read, from 1.
    place: usize,
    /// When it was first seen, in milliseconds since 1970.
    first_observed: i64,
    number_observed: u64,
    /// The `[…]` that it satisfies, from 1.
    leaves: Vec<usize>,
}

impl Match {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let (pattern, _) = self.pattern.read(output)?;
        let scope = match self.and_scope {
            AndScopeChoice::Row => AndScope::Row,
            AndScopeChoice::Object => AndScope::Object,
        };
        let invalid = |error: stix::matcher::MatchError| Failure::Invalid(error.into());
        let mut observed: Vec<Observed> = Vec::new();
        for input in Input::all(&self.data, None)? {
            let reader = std::io::BufReader::new(input.open()?.reader);
            let mut data: Vec<Value> = Vec::new();
            for document in serde_json::Deserializer::from_reader(reader).into_iter::<Value>() {
                match document.with_context(|| format!("{input} is not JSON"))? {
                    Value::Array(list) => data.extend(list),
                    single => data.push(single),
                }
            }
            let found = observations(&Value::Array(data), self.pattern.version()).map_err(invalid)?;
            if found.is_empty() {
                output.say(format_args!("{} {input} holds no observed data", output.talk.warning("note:")));
            }
            observed.extend(found);
        }
        let matcher = Matcher::new(&pattern, scope).map_err(invalid)?;
        let bound = matcher.find(&observed, stix::binder::Limits::default()).map_err(invalid)?;
        let matched: Vec<Matched<'_>> = bound
            .iter()
            .filter_map(|bound| {
                let of = observed.get(bound.row)?;
                Some(Matched {
                    id: of.id.as_deref(),
                    place: bound.row + 1,
                    first_observed: i64::try_from(of.first.div_euclid(1_000_000)).unwrap_or_default(),
                    number_observed: of.number_observed,
                    leaves: (0..pattern.leaves)
                        .filter(|leaf| bound.leaves.contains(*leaf))
                        .map(|leaf| leaf + 1)
                        .collect(),
                })
            })
            .collect();
        match self.format {
            Format::Json => output.json(&matched)?,
            Format::Ndjson => output.stream(|data| matched.iter().try_for_each(|matched| data.json(matched)))?,
            Format::Table => {
                let columns = ["TIME", "OBSERVATION", "[…]"];
                let mut table = Table::new(columns.map(|title| (title, Align::Left)));
                for matched in &matched {
                    let leaves: Vec<_> = matched.leaves.iter().map(ToString::to_string).collect();
                    let name = matched.id.map_or_else(|| format!("number {}", matched.place), str::to_owned);
                    table.row([instant(matched.first_observed), name, leaves.join(",")]);
                }
                if !table.is_empty() {
                    output.write(table.render("", output.data))?;
                }
            }
        }
        let (found, of) = (counted(matched.len() as u64, "observation"), observed.len());
        output.say(output.talk.faint(format_args!("{found} of {of} in a match")));
        Ok(Verdict::of(!matched.is_empty()))
    }
}
