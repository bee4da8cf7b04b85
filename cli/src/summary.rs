//! What has become of records, in numbers.

use std::collections::BTreeMap;
use std::time::Instant;

use pipeline::{Counts, Stores};
use serde::Serialize;

use crate::output::{Align, Output, Table, count, counted, percent, size};

/// What has become of records.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    /// Records in the inputs.
    pub(crate) records_in: u64,
    /// Records in the lake, by class.
    pub(crate) written: BTreeMap<String, u64>,
    /// Records in quarantine, by reason.
    pub(crate) quarantined: BTreeMap<String, u64>,
    /// Objects put, those of quarantine included.
    pub(crate) objects: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Time it took.
    pub(crate) seconds: f64,
    /// Values that did not fit, and are in `unmapped`.
    pub(crate) problems: u64,
    /// Lines of rendered messages that look like a field which was there before, and are in the value above them.
    pub(crate) repeated_fields: u64,
}

impl Summary {
    /// The summary of work that began at `began`.
    pub(crate) fn new(counts: Counts, objects: u64, bytes: u64, began: Instant) -> Self {
        let Counts { records_in, written, quarantined, problems, repeated_fields } = counts;
        let seconds = seconds_since(began);
        Self { records_in, written, quarantined, objects, bytes, seconds, problems, repeated_fields }
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
            let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Right)]);
            for (reason, records) in &self.quarantined {
                table.row([reason.clone(), count(*records), percent(*records, self.records_in)]);
            }
            text += &format!(
                "\n{} {}  {}\n{}",
                palette.warning("in quarantine"),
                count(quarantined),
                palette.faint(format_args!("{}/quarantine/", stores.quarantine.describe().trim_end_matches('/'))),
                table.render("  ", palette)
            );
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

/// Seconds since `began`, to the millisecond.
pub(crate) fn seconds_since(began: Instant) -> f64 {
    (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
}
