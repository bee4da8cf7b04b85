//! `sluice map`: shows how a log is mapped, field by field, without writing anything.

mod coverage;
pub(crate) mod explanation;

use std::path::PathBuf;

use bumpalo::Bump;
use clap::ValueHint;
use lake::quarantine::Reason;
use mapping::{Refusal, Unwrapped};
use pipeline::{MappedSource, ReadBuffer, reason_of};
use serde::Serialize;
use serde_json::json;
use sources::{Item, Position, RawEvent};

use coverage::Coverage;
use explanation::{Attribute, Explanation, Origin, explain, plain};

use crate::exit::{Failure, Outcome, Verdict};
use crate::input::{Filter, Input, Search};
use crate::lake_arguments::runtime;
use crate::mapping_config::MappingConfig;
use crate::output::{Align, DataWriter, Format, Output, Table, cut, harmless};

/// Show how a log is mapped, field by field
///
/// For the first events of a log, map shows every OCSF attribute with the raw fields it was made from. It also shows
/// derived values, raw fields without a place in OCSF, and values that do not fit. The last line is the coverage;
/// nothing is written to a lake.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice map --mapping windows-sysmon sysmon.ndjson                 the first 3 events
  sluice map --mapping windows-sysmon --event 22 sysmon.ndjson.gz   the first 3 DNS queries
  sluice map --mapping mine.json --summary sysmon.ndjson            totals over the whole file
  sluice map --mapping mine.json s3://my-logs/2025/03/03/           the first 3 events of a prefix
  sluice map --mapping mine.json --format ndjson log.ndjson | jq .  all events as OCSF JSON")]
pub(crate) struct Map {
    /// Mapping config: a file, or the name of a shipped one
    #[arg(long, short, value_name = "CONFIG", value_hint = ValueHint::FilePath)]
    mapping: String,
    /// Number of events, 0 for all [default: 3; all with --summary and --format ndjson]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Show only events that match this entry of `ocsf_mapping`
    #[arg(long, value_name = "KEY")]
    event: Option<String>,
    /// Print totals over all events instead of single events
    #[arg(long)]
    summary: bool,
    /// Format of the output; ndjson prints the OCSF events themselves
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    filter: Filter,
    /// Files, folders, s3://bucket/key, s3://bucket/prefix/, or `-` for standard input; plain or compressed
    #[arg(value_name = "INPUT", required = true, value_hint = ValueHint::AnyPath)]
    inputs: Vec<PathBuf>,
}

/// The outcome of a raw event.
#[derive(Serialize)]
struct Fate {
    /// The file.
    input: String,
    /// Its line, if the input is cut by lines.
    line: Option<u64>,
    /// Events before it in the file.
    index: u64,
    #[serde(flatten)]
    outcome: EventOutcome,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum EventOutcome {
    Mapped(Box<Explanation>),
    Refused {
        reason: Reason,
        message: String,
    },
    /// Discarded by a step of the mapping.
    Discarded {
        rule: String,
    },
}

impl Map {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let runtime = runtime()?;
        let (filter, mapping) = (&self.filter, self.mapping.as_str());
        let search = Search { output, runtime: runtime.handle(), filter, mapping, outputs: Vec::new() };
        let inputs = search.inputs(&self.inputs)?;
        let config = MappingConfig::read(&self.mapping)?;
        let source = config.source(output)?;
        if let Some(event) = &self.event
            && config.check().config.is_some_and(|config| config.event(event).is_none())
        {
            return Err(Failure::usage(format_args!("{} has no event `{event}`", config.name)));
        }
        let mut coverage = Coverage::default();
        let mut kept = Vec::new();
        output.stream(|data| {
            for candidate in &inputs {
                // Later inputs are not opened.
                if self.is_done(&coverage) {
                    break;
                }
                let is_empty = self.read(&source, &candidate.input, &mut coverage, &mut |fate, coverage| {
                    self.show(output, data, fate, coverage, &mut kept)
                })?;
                if is_empty {
                    output.say(format_args!("{}: no records", candidate.input));
                }
            }
            Ok(())
        })?;
        self.conclude(output, &coverage, &kept)?;
        Ok(Verdict::Fine)
    }

    /// Whether enough events have been seen.
    fn is_done(&self, coverage: &Coverage) -> bool {
        let all = self.summary || self.format == Format::Ndjson;
        let limit = self.limit.unwrap_or(if all { 0 } else { 3 });
        limit > 0 && coverage.events() >= limit
    }

    /// Shows the records of an input; whether it has none.
    fn read(
        &self,
        source: &MappedSource,
        input: &Input,
        coverage: &mut Coverage,
        show: &mut dyn FnMut(Fate, &Coverage) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        let (mut buffer, mut bump) = (ReadBuffer::default(), Bump::new());
        let mut records = source.decode().records_of_stream(input.open()?.reader);
        let mut is_empty = true;
        while !self.is_done(coverage)
            && let Some(item) =
                records.next_item().map_err(|error| anyhow::Error::new(error).context(input.to_string()))?
        {
            is_empty &= matches!(item, Item::Skipped);
            let fate = |position: Position, outcome| Fate {
                input: input.to_string(),
                line: position.line,
                index: position.index,
                outcome,
            };
            let undecodable = |message: String| EventOutcome::Refused { reason: Reason::Undecodable, message };
            let seen = match &item {
                Item::Event(event) => {
                    let outcomes = self.outcomes(source, event, coverage, &mut buffer, &bump)?;
                    for outcome in outcomes {
                        show(fate(event.position, outcome), coverage)?;
                    }
                    None
                }
                Item::Skipped | Item::Oversized { length: None, .. } => None,
                Item::Oversized { position, length: Some(length), .. } => {
                    let message = format!("an event of {length} bytes");
                    let refused = self.refuse(coverage, Reason::Oversized, message, None);
                    refused.map(|outcome| fate(*position, outcome))
                }
                Item::Fault { position, error, .. } => {
                    let refused = self.refuse(coverage, Reason::Undecodable, error.to_string(), None);
                    refused.map(|outcome| fate(*position, outcome))
                }
                other => Some(fate(Position::default(), undecodable(format!("{other:?}")))),
            };
            bump.reset();
            if let Some(fate) = seen {
                show(fate, coverage)?;
            }
        }
        Ok(is_empty)
    }

    /// What becomes of a raw event, or of the events that it holds.
    fn outcomes(
        &self,
        source: &MappedSource,
        event: &RawEvent<'_>,
        coverage: &mut Coverage,
        buffer: &mut ReadBuffer,
        bump: &Bump,
    ) -> Result<Vec<EventOutcome>, Failure> {
        let document = match source.decode().document(event, &mut buffer.documents, bump) {
            Ok(document) => document,
            Err(error) => {
                return Ok(self.refuse(coverage, Reason::Undecodable, error.to_string(), None).into_iter().collect());
            }
        };
        let mut pieces = Vec::new();
        source.events(document, buffer, bump, &mut |piece, _| pieces.push(piece));
        let mut outcomes = Vec::new();
        for piece in pieces {
            outcomes.extend(match piece {
                Unwrapped::Event(document) => {
                    let explained = explain(source.mapping(), &document, bump)?;
                    buffer.documents.recycle(document);
                    self.judge(coverage, explained)
                }
                Unwrapped::Discarded(rule) => {
                    coverage.add_discarded(rule);
                    self.event.is_none().then(|| EventOutcome::Discarded { rule: rule.to_owned() })
                }
                Unwrapped::Refused(message) => self.refuse(coverage, Reason::Undecodable, message, None),
                other => self.refuse(coverage, Reason::Fault, format!("{other:?}"), None),
            });
        }
        Ok(outcomes)
    }

    fn judge(&self, coverage: &mut Coverage, explained: Result<Explanation, Refusal>) -> Option<EventOutcome> {
        match explained {
            Err(refusal) => self.refuse(coverage, reason_of(&refusal), refusal.to_string(), Some(&refusal)),
            Ok(explanation) => {
                if self.event.as_ref().is_some_and(|event| *event != explanation.event) {
                    return None;
                }
                coverage.add_mapped(&explanation);
                Some(EventOutcome::Mapped(Box::new(explanation)))
            }
        }
    }

    fn refuse(
        &self,
        coverage: &mut Coverage,
        reason: Reason,
        message: String,
        refusal: Option<&Refusal>,
    ) -> Option<EventOutcome> {
        // Which event mapping would have taken it is known only if one did.
        if self.event.is_some() && !matches!(refusal, Some(Refusal::Invalid(_) | Refusal::NoTime(_))) {
            return None;
        }
        coverage.add_refused(reason.as_str(), &message, refusal);
        Some(EventOutcome::Refused { reason, message })
    }

    fn show(
        &self,
        output: &Output,
        data: &mut DataWriter,
        fate: Fate,
        coverage: &Coverage,
        kept: &mut Vec<Fate>,
    ) -> Result<(), Failure> {
        match (self.summary, self.format) {
            (true, _) => Ok(()),
            (false, Format::Json) => {
                kept.push(fate);
                Ok(())
            }
            (false, Format::Ndjson) => match &fate.outcome {
                EventOutcome::Mapped(explanation) => data.json(&explanation.ocsf),
                EventOutcome::Refused { reason, message } => {
                    output.say(format_args!("{}: refused, {reason}: {}", place(&fate), harmless(message)));
                    Ok(())
                }
                EventOutcome::Discarded { .. } => Ok(()),
            },
            (false, Format::Table) => {
                if coverage.events() > 1 {
                    data.line("")?;
                }
                data.line(text(output, &fate).trim_end())
            }
        }
    }

    fn conclude(&self, output: &Output, coverage: &Coverage, kept: &[Fate]) -> Result<(), Failure> {
        match self.format {
            Format::Json if self.summary => output.json(&coverage),
            Format::Json => output.json(&json!({ "events": kept, "coverage": coverage })),
            Format::Ndjson => {
                output.say(format_args!("coverage: {coverage}"));
                Ok(())
            }
            Format::Table => {
                let tables = if self.summary { coverage.tables(output) } else { "\n".to_owned() };
                output.write(format_args!("{tables}{} {coverage}\n", output.data.strong("coverage:")))
            }
        }
    }
}

fn place(fate: &Fate) -> String {
    match fate.line {
        Some(line) => format!("{}:{line}", fate.input),
        None => format!("{} event {}", fate.input, fate.index + 1),
    }
}

/// An event for people.
fn text(output: &Output, fate: &Fate) -> String {
    let palette = output.data;
    let place = place(fate);
    let place = palette.faint(harmless(&place));
    let explanation = match &fate.outcome {
        EventOutcome::Refused { reason, message } => {
            let refused = palette.error(format_args!("refused, {reason}")).to_string();
            return format!("{place}  {refused}: {}\n", harmless(message));
        }
        EventOutcome::Discarded { rule } => return format!("{place}  discarded: {}\n", harmless(rule)),
        EventOutcome::Mapped(explanation) => explanation,
    };
    let heading = format!("event {} → {} ({})", explanation.event, explanation.class, explanation.class_uid);
    let mut text = format!("{place}  {}  {}\n", palette.strong(harmless(&heading)), explanation.time);
    let (derived, mapped): (Vec<_>, Vec<_>) =
        explanation.attributes.iter().partition(|attribute| matches!(attribute.origin, Origin::Derived));
    let section = |title: &str, rows: Vec<[String; 3]>, with_origin: bool| {
        if rows.is_empty() {
            return String::new();
        }
        let columns: &[(&str, Align)] = if with_origin { &[("", Align::Left); 3] } else { &[("", Align::Left); 2] };
        let mut table = Table::new(columns.iter().copied());
        let before = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let before = 6 + before(0) + if with_origin { before(1) + 2 } else { 0 };
        let room = output.width.map_or(usize::MAX, |width| width.saturating_sub(before).max(20));
        for [name, origin, value] in &rows {
            let value = cut(value, room).into_owned();
            match with_origin {
                true => table.row([name.clone(), origin.clone(), value]),
                false => table.row([name.clone(), value]),
            }
        }
        format!("  {}\n{}", palette.strong(title), table.render("    ", palette))
    };
    text += &section("mapped", mapped.into_iter().map(row).collect(), true);
    text += &section("derived", derived.into_iter().map(row).collect(), false);
    let pair =
        |(key, value): &(String, String)| [harmless(key).into_owned(), String::new(), harmless(value).into_owned()];
    text += &section("unmapped", explanation.unmapped.iter().map(pair).collect(), false);
    let problems = explanation.problems.iter().map(|trouble| {
        let value = format!("`{}` {}", harmless(&trouble.value), trouble.why);
        [trouble.attribute.clone(), String::new(), value]
    });
    text += &section("problems", problems.collect(), false);
    let violations =
        explanation.violations.iter().map(|text| [harmless(text).into_owned(), String::new(), String::new()]);
    text + &section("OCSF objects", violations.collect(), false)
}

/// An attribute as the cells of a table: name, origin, value.
fn row(attribute: &Attribute) -> [String; 3] {
    let value = plain(&attribute.value);
    let mut value = harmless(&value).into_owned();
    if let Some(meaning) = &attribute.meaning {
        value = format!("{value}  ({})", harmless(meaning));
    }
    let origin = match &attribute.origin {
        Origin::Derived => String::new(),
        Origin::Constant => "  constant".to_owned(),
        Origin::Raw { from, coerced_from } => {
            if let Some(raw) = coerced_from {
                value = format!("{} → {value}", harmless(raw));
            }
            format!("← {}", harmless(&from.join(", ")))
        }
    };
    [attribute.attribute.clone(), origin, value]
}
