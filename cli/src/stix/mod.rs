//! `sluice stix`: patterns to SQL, to rows, to bundles.

mod bundle;
mod matches;
mod objects;
mod run;
mod translate;

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueHint};
use jiff::Timestamp;
use stix::Version;
use stix::diagnostic::SourceText;
use stix::pattern::Pattern;
use translation::{AndScope, Columns, DialectMap, DialectMaps, Negation, Options, Severity};

use crate::exit::{Failure, Outcome};
use crate::input::given_text;
use crate::output::Output;
use crate::period::Period;

/// Translate, run and match STIX patterns
///
/// Patterns are STIX 2.1 or 2.0. A pattern is either evaluated exactly or refused, with the place of the fault and a
/// fix.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice stix run --lake ./lake --since 7d \"[ipv4-addr:value = '198.51.100.7']\"
  sluice stix translate --since 24h --for aws-cloudtrail --file pattern.stix
  sluice stix match --file pattern.stix --data bundle.json
  sluice stix bundle rows.ndjson > bundle.json
  sluice stix objects --dialect ocsf")]
pub(crate) struct Stix {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Translate(Box<translate::Translate>),
    Run(Box<run::Run>),
    Match(matches::Match),
    Bundle(bundle::Bundle),
    Objects(objects::Objects),
}

impl Stix {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.action {
            Action::Translate(translate) => translate.run(output),
            Action::Run(run) => run.run(output),
            Action::Match(matches) => matches.run(output),
            Action::Bundle(bundle) => bundle.run(output),
            Action::Objects(objects) => objects.run(output),
        }
    }
}

/// A pattern and how it is read.
#[derive(Debug, Clone, Args)]
pub(crate) struct PatternArguments {
    /// Pattern, or `-` to read it from standard input
    #[arg(value_name = "PATTERN", required_unless_present = "file")]
    pattern: Option<String>,
    /// Read the pattern from a file
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "pattern")]
    file: Option<PathBuf>,
    /// STIX version of the pattern
    #[arg(long, value_enum, default_value_t, value_name = "VERSION")]
    stix_version: StixVersion,
}

/// Versions of STIX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum StixVersion {
    /// STIX 2.0
    #[value(name = "2.0")]
    V20,
    /// STIX 2.1
    #[default]
    #[value(name = "2.1")]
    V21,
}

impl From<StixVersion> for Version {
    fn from(version: StixVersion) -> Self {
        match version {
            StixVersion::V20 => Version::V20,
            StixVersion::V21 => Version::V21,
        }
    }
}

impl PatternArguments {
    /// The version of STIX.
    pub(crate) fn version(&self) -> Version {
        self.stix_version.into()
    }

    /// The pattern and its text. What is wrong with it is said.
    ///
    /// # Errors
    /// [`Failure::Refused`] for a pattern with errors.
    pub(crate) fn read(&self, output: &Output) -> Result<(Pattern, String), Failure> {
        let (name, text) = given_text(self.pattern.as_deref(), self.file.as_deref(), "pattern")?;
        let text = text.trim_end().to_owned();
        let checked = stix::check(&text, self.version());
        let source = SourceText::new(&name, &text);
        for diagnostic in &checked.diagnostics {
            let rendered = || diagnostic.render(&source, output.talk.on);
            if diagnostic.is_error() {
                output.complain(format_args!("{}\n", rendered()));
            } else if checked.pattern.is_some() {
                output.say(format_args!("{}\n", rendered()));
            }
        }
        Ok((checked.pattern.ok_or(Failure::Refused)?, text))
    }
}

/// How a pattern becomes SQL.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Meaning")]
pub(crate) struct TranslationArguments {
    #[command(flatten)]
    pub(crate) period: Period,
    /// Whether NOT and != need one differing value of a property (existential), or only such values (universal)
    #[arg(long, value_enum, default_value_t)]
    negation: NegationChoice,
    /// Scope of AND within []: the same row, or the same object as in the specification's matcher
    #[arg(long, value_enum, default_value_t)]
    and_scope: AndScopeChoice,
    /// Search only this value of the partition column `region` (repeatable)
    #[arg(long = "in-region", value_name = "REGION")]
    regions: Vec<String>,
    /// Search only this value of the partition column `accountid` (repeatable)
    #[arg(long = "in-account", value_name = "ACCOUNT")]
    accounts: Vec<String>,
    /// Also search this many days before and after, for sources whose `eventday` is not the UTC day of the event
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    day_slack: u16,
    /// Maximum number of rows in the result
    #[arg(long, value_name = "ROWS", default_value_t = 10_000)]
    limit: u64,
    /// Read whole rows, not only the columns that findings, bundles and the pattern need
    #[arg(long)]
    whole_rows: bool,
    /// Dialect map that replaces the shipped one of the same dialect (repeatable)
    #[arg(long = "dialect-map", value_name = "FILE", value_hint = ValueHint::FilePath)]
    maps: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum NegationChoice {
    #[default]
    Existential,
    Universal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum AndScopeChoice {
    #[default]
    Row,
    Object,
}

impl TranslationArguments {
    /// The same as the translation takes it.
    pub(crate) fn options(&self) -> Options {
        let nanoseconds = |time: Timestamp| time.as_nanosecond();
        Options {
            since: self.period.since.map(nanoseconds),
            until: self.period.end().map(nanoseconds),
            negation: match self.negation {
                NegationChoice::Existential => Negation::Existential,
                NegationChoice::Universal => Negation::Universal,
            },
            and_scope: match self.and_scope {
                AndScopeChoice::Row => AndScope::Row,
                AndScopeChoice::Object => AndScope::Object,
            },
            regions: self.regions.clone(),
            accounts: self.accounts.clone(),
            day_slack: self.day_slack,
            limit: self.limit,
            columns: if self.whole_rows { Columns::All } else { Columns::Needed },
            ..Options::default()
        }
    }

    /// Whether there is a beginning of time: of the command or, by START, of the pattern.
    ///
    /// # Errors
    /// Neither says so.
    pub(crate) fn is_bounded(&self, pattern: &stix::Pattern) -> Result<(), Failure> {
        if self.period.since.is_none() && !pattern.has_window() {
            return Err(Failure::usage(
                "`--since` is missing: the start of the range to search, such as 2024-05-01 or 7d; or write START and STOP \
                 into the pattern",
            ));
        }
        Ok(())
    }

    /// The dialect maps.
    pub(crate) fn maps(&self) -> Result<DialectMaps, Failure> {
        let mut maps = DialectMaps::embedded()?;
        for file in &self.maps {
            let name = file.display();
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            let map = DialectMap::from_json(&text);
            maps.insert(map.map_err(|error| Failure::Invalid(anyhow::Error::new(error).context(name.to_string())))?);
        }
        Ok(maps)
    }
}

/// Says what stands against a translation, or is left out of it.
pub(crate) fn say_diagnostics<'d>(
    diagnostics: impl IntoIterator<Item = &'d translation::Diagnostic>,
    pattern: &str,
    output: &Output,
) {
    for diagnostic in diagnostics {
        let rendered = diagnostic.render("pattern", pattern, output.talk.on);
        match diagnostic.severity {
            Severity::Error => output.complain(format_args!("{rendered}\n")),
            _ => output.say(format_args!("{rendered}\n")),
        }
    }
}
