//! Counts of records by outcome.

use std::collections::BTreeMap;
use std::time::Instant;

use lake::quarantine::Origin;
use pipeline::{Counts, Stores};
use serde::Serialize;

use crate::output::{Align, Output, Table, count, counted, cut, harmless, percent, size};

/// Counts of records by outcome.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    /// Records in the inputs.
    pub(crate) records_in: u64,
    /// Records in the lake, by class.
    pub(crate) written: BTreeMap<String, u64>,
    /// Records in quarantine, by reason.
    pub(crate) quarantined: BTreeMap<String, u64>,
    /// Records that the mapping says are no events, by the name of the step that discards them.
    pub(crate) discarded: BTreeMap<String, u64>,
    /// The first record in quarantine of each reason.
    pub(crate) examples: BTreeMap<String, Example>,
    /// Objects put, those of quarantine included.
    pub(crate) objects: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Time it took.
    pub(crate) seconds: f64,
    /// Values that did not fit, and are in `unmapped`.
    pub(crate) problems: u64,
    /// Lines of rendered messages that start with the name of a field, and are part of the value above them.
    pub(crate) repeated_fields: u64,
}

/// A record in quarantine.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Example {
    /// Why it was refused.
    message: String,
    /// Where it is: `log.ndjson:17`.
    place: String,
}

impl Example {
    fn new(example: pipeline::Example) -> Self {
        Self { message: example.message, place: place(&example.origin) }
    }

    /// As one line of at most `room` columns, harmless to a terminal.
    fn line(&self, room: usize) -> String {
        let text = format!("{}: {}", self.place, self.message);
        cut(&harmless(&text), room).into_owned()
    }
}

/// Where a record is, as people write it: by its line where there are lines, else by its number and offset.
fn place(origin: &Origin) -> String {
    match origin {
        Origin::File { name, line: Some(line), .. } => format!("{name}:{line}"),
        Origin::File { name, offset, index, line: None } => format!("{name}, record {} at byte {offset}", index + 1),
        Origin::S3 { bucket, key, offset, index, .. } => {
            format!("s3://{bucket}/{key}, record {} at byte {offset}", index + 1)
        }
        Origin::Kinesis { shard, sequence_number, .. } => format!("{shard}, record {sequence_number}"),
        // An origin of a kind that this command does not make.
        _ => String::new(),
    }
}

impl Summary {
    /// The summary of work that began at `began`.
    pub(crate) fn new(counts: Counts, objects: u64, bytes: u64, began: Instant) -> Self {
        let Counts { records_in, written, quarantined, discarded, problems, repeated_fields } = counts;
        let seconds = seconds_since(began);
        let examples = BTreeMap::new();
        Self {
            records_in,
            written,
            quarantined,
            discarded,
            examples,
            objects,
            bytes,
            seconds,
            problems,
            repeated_fields,
        }
    }

    /// The same with a record in quarantine for each reason.
    pub(crate) fn with_examples(mut self, examples: BTreeMap<String, pipeline::Example>) -> Self {
        self.examples = examples.into_iter().map(|(reason, example)| (reason, Example::new(example))).collect();
        self
    }

    /// The reasons of quarantine, the most frequent first, as many as `most`: records, and an example.
    pub(crate) fn reasons(&self, most: usize, width: Option<usize>) -> Table {
        let mut reasons: Vec<(&String, &u64)> = self.quarantined.iter().collect();
        reasons.sort_by_key(|(_, records)| std::cmp::Reverse(**records));
        reasons.truncate(most);
        let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
        let before = widest(&mut reasons.iter().map(|(reason, _)| reason.len()))
            + widest(&mut reasons.iter().map(|(_, records)| count(**records).len()));
        // Two blanks before each of the four columns; a share has at most six characters.
        let room = width.map_or(MESSAGE_COLUMNS, |width| width.saturating_sub(before + 14).max(40));
        let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Right), ("", Align::Left)]);
        for (reason, records) in reasons {
            let example = self.examples.get(reason).map(|example| example.line(room)).unwrap_or_default();
            table.row([reason.clone(), count(*records), percent(*records, self.records_in), example]);
        }
        table
    }

    /// Records in the lake.
    pub(crate) fn total_written(&self) -> u64 {
        self.written.values().sum()
    }

    /// Records in quarantine.
    pub(crate) fn total_quarantined(&self) -> u64 {
        self.quarantined.values().sum()
    }

    pub(crate) fn text(&self, output: &Output, stores: &Stores) -> String {
        let palette = output.data;
        let (written, quarantined) = (self.total_written(), self.total_quarantined());
        let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Right)]);
        for (class, records) in &self.written {
            table.row([class.clone(), count(*records), percent(*records, self.records_in)]);
        }
        let mut text = format!(
            "{} {} in {:.1} s\n\n{} {}  {}\n{}",
            palette.strong(counted(self.records_in, "record")),
            palette.faint("read"),
            self.seconds,
            palette.good("written"),
            count(written),
            palette.faint(stores.lake.describe()),
            table.render("  ", palette),
        );
        if quarantined > 0 {
            text += &format!(
                "\n{} {}  {}\n{}",
                palette.warning("in quarantine"),
                count(quarantined),
                palette.faint(format_args!("{}/quarantine/", stores.quarantine.describe().trim_end_matches('/'))),
                self.reasons(usize::MAX, output.width).render("  ", palette)
            );
        }
        if !self.discarded.is_empty() {
            let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Right)]);
            for (rule, records) in &self.discarded {
                table.row([harmless(rule).into_owned(), count(*records), percent(*records, self.records_in)]);
            }
            let discarded = count(self.discarded.values().sum());
            let by = palette.faint("by the mapping");
            text += &format!("\ndiscarded {discarded}  {by}\n{}", table.render("  ", palette));
        }
        text += &format!("\n{}, {}", counted(self.objects, "object"), size(self.bytes));
        let be = |count| if count == 1 { "is" } else { "are" };
        if self.problems > 0 {
            text += &format!("; {} did not fit and {} in unmapped", counted(self.problems, "value"), be(self.problems));
        }
        if self.repeated_fields > 0 {
            let (lines, be) = (counted(self.repeated_fields, "line"), be(self.repeated_fields));
            text += &format!("; {lines} of messages repeated a field's name and {be} in the value above");
        }
        text.push('\n');
        text
    }
}

/// How much of a message is shown where no terminal says how wide it is.
const MESSAGE_COLUMNS: usize = 240;

/// Seconds since `began`, to the millisecond.
pub(crate) fn seconds_since(began: Instant) -> f64 {
    (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
}
