//! `sluice inspect`: what an object of the lake is, and whether it keeps the lake's rules.

mod objects;

use arrow_array::RecordBatchReader as _;
use bytes::Bytes;
use clap::ValueHint;
use lake::conformance::{Finding, Report, Rule, SchemaNode, inspect};
use ocsf::{Schema, Version, rows_to_json};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use serde::Serialize;

use objects::{Object, find_objects, lake_key};

use crate::exit::{Failure, Outcome, Verdict};
use crate::lake_arguments::runtime;
use crate::output::{Align, Format, Output, Palette, Table, count, counted, harmless, instant, percent, size};

/// Show objects of a lake, and check them against Security Lake's rules
///
/// For one object, inspect shows key, size, rows, row groups, classes, times, compression and schema. Several objects
/// or a folder get one line per object, and totals. Any Parquet file can be inspected, whatever wrote it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice inspect ./lake                                      one line for each object
  sluice inspect s3://my-lake/ext/windows-sysmon-1007/…parquet
  sluice inspect object.parquet --columns                    size of each column
  sluice inspect ./lake --format ndjson | jq .process.name   the rows as OCSF JSON

Exit code: 0 all objects conform, 1 an object does not conform, 3 unreadable object.")]
pub(crate) struct Inspect {
    /// Format of the report; ndjson prints the rows as OCSF events
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Show the size of each column instead of the schema
    #[arg(long)]
    columns: bool,
    /// Files, folders, s3://bucket/key, or s3://bucket/prefix/
    #[arg(value_name = "LOCATION", required = true, value_hint = ValueHint::AnyPath)]
    locations: Vec<String>,
}

/// A report and whose it is.
#[derive(Serialize)]
struct Inspected {
    location: String,
    conforms: bool,
    #[serde(flatten)]
    report: Report,
}

/// Sums over objects.
#[derive(Default)]
struct Totals {
    objects: u64,
    rows: u64,
    bytes: u64,
    nonconforming: u64,
}

impl Inspect {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let runtime = runtime()?;
        let objects = runtime.block_on(find_objects(&self.locations))?;
        // One object alone is looked at closely.
        let alone = objects.len() == 1;
        let mut totals = Totals::default();
        let mut reports = Vec::new();
        output.stream(|data| {
            for object in &objects {
                let bytes = runtime.block_on(object.read())?;
                let inspected = inspect_object(object, bytes.clone());
                totals.add(&inspected.report);
                match self.format {
                    Format::Ndjson => {
                        self.complain(output, &inspected);
                        if can_be_read(&inspected.report) {
                            rows(&inspected.report, bytes, &mut |event| data.json(event))?;
                        }
                    }
                    Format::Json => reports.push(inspected),
                    Format::Table if alone => data.line(closely(&inspected, output.data, self.columns).trim_end())?,
                    Format::Table => data.line(in_a_line(&inspected, output.data))?,
                }
            }
            Ok(())
        })?;
        match (self.format, reports.as_slice()) {
            (Format::Json, [report]) if alone => output.json(report)?,
            (Format::Json, reports) => output.json(&reports)?,
            (Format::Table, _) if !alone => output.write(format_args!("\n{}\n", totals.text(output.data)))?,
            _ => {}
        }
        Ok(Verdict::of(totals.nonconforming > 0))
    }

    /// Says what is wrong with an object whose rows are the data.
    fn complain(&self, output: &Output, inspected: &Inspected) {
        for finding in &inspected.report.findings {
            output.complain(format_args!("{}: {}", harmless(&inspected.location), finding_text(finding)));
        }
    }
}

impl Totals {
    fn add(&mut self, report: &Report) {
        self.objects += 1;
        self.rows += report.rows;
        self.bytes += report.bytes;
        self.nonconforming += u64::from(!report.conforms());
    }

    fn text(&self, palette: Palette) -> String {
        let sums = format!("{}, {}, {}", counted(self.objects, "object"), counted(self.rows, "row"), size(self.bytes));
        match self.nonconforming {
            0 => format!("{}: {}", palette.strong(sums), palette.good("all conform")),
            bad => format!("{}: {}", palette.strong(sums), palette.error(format_args!("{} nonconforming", count(bad)))),
        }
    }
}

fn inspect_object(object: &Object, bytes: Bytes) -> Inspected {
    let location = object.location();
    let report = inspect(lake_key(&location), bytes);
    Inspected { conforms: report.conforms(), location, report }
}

/// Whether the rows can be read without risk: the check has read what the rules are about, page by page.
fn can_be_read(report: &Report) -> bool {
    report.findings.iter().all(|finding| finding.rule != Rule::Readable)
}

/// Gives the rows as OCSF events.
fn rows(
    report: &Report,
    object: Bytes,
    take: &mut dyn FnMut(&serde_json::Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let version = report.ocsf_versions.iter().find_map(|version| version.parse::<Version>().ok());
    let schema = Schema::get(version.unwrap_or_default());
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new_with_options(object, options)?.with_batch_size(1024).build()?;
    if reader.schema().fields().is_empty() {
        return Ok(());
    }
    for batch in reader {
        rows_to_json(schema, &batch?)?.iter().try_for_each(&mut *take)?;
    }
    Ok(())
}

fn finding_text(finding: &Finding) -> String {
    let rule = serde_json::to_value(finding.rule).ok().and_then(|rule| rule.as_str().map(str::to_owned));
    format!("{}: {}", rule.unwrap_or_default(), harmless(&finding.message))
}

fn in_a_line(inspected: &Inspected, palette: Palette) -> String {
    let report = &inspected.report;
    let shown = report.key.as_deref().unwrap_or(&inspected.location);
    let mark = if report.conforms() { palette.good("ok  ").to_string() } else { palette.error("FAIL").to_string() };
    let facts = format!("{:>9} rows  {:>9}", count(report.rows), size(report.bytes));
    let mut line = format!("{mark}  {facts}  {}", harmless(shown));
    for finding in &report.findings {
        line += &format!("\n        {}", palette.error(finding_text(finding)));
    }
    line
}

/// Everything about one object.
fn closely(inspected: &Inspected, palette: Palette, columns: bool) -> String {
    let report = &inspected.report;
    let shown = report.key.as_deref().unwrap_or(&inspected.location);
    let mut text = format!("{}\n{}\n", palette.strong(harmless(shown)), verdict(report, palette));
    text += &facts(report).render("  ", palette);
    if report.row_groups.len() > 1 {
        let right = Align::Right;
        let mut table = Table::new([("ROW GROUP", right), ("ROWS", right), ("STORED", right), ("PLAIN", right)]);
        for (number, group) in report.row_groups.iter().enumerate() {
            let sizes = [group.compressed, group.uncompressed].map(|bytes| size(unsigned(bytes)));
            let [stored, plain] = sizes;
            table.row([number.to_string(), count(unsigned(group.rows)), stored, plain]);
        }
        text += &format!("\n{}", table.render("  ", palette));
    }
    text.push('\n');
    text + &if columns { column_table(report, palette) } else { schema_tree(report, palette) }
}

fn verdict(report: &Report, palette: Palette) -> String {
    if report.conforms() {
        return palette.good("conforms to the rules of Security Lake").to_string();
    }
    let findings = report.findings.iter().map(|finding| format!("\n  {}", finding_text(finding)));
    format!("{}{}", palette.error("does not conform"), findings.collect::<String>())
}

fn facts(report: &Report) -> Table {
    let mut table = Table::new([("", Align::Left); 2]);
    let mut fact = |name: &str, value: String| table.row([name.to_owned(), value]);
    let plain: u64 = report.row_groups.iter().map(|group| unsigned(group.uncompressed)).fold(0, u64::saturating_add);
    if report.columns.is_empty() {
        fact("size", size(report.bytes));
        return table;
    }
    fact("size", format!("{} ({} before compression)", size(report.bytes), size(plain)));
    let groups = counted(report.row_groups.len() as u64, "row group");
    fact("rows", format!("{} in {groups}", count(report.rows)));
    if let (Some(first), Some(last)) = (report.first_time, report.last_time) {
        let order = if report.sorted_by_time == Some(true) { "sorted" } else { "not sorted" };
        fact("time", format!("{} to {}, {order}", instant(first), instant(last)));
    }
    let classes = report.class_uids.iter().map(|uid| class_name(report, *uid));
    fact("class", classes.collect::<Vec<_>>().join(", "));
    let versions: Vec<_> = report.ocsf_versions.iter().map(|version| harmless(version)).collect();
    fact("OCSF", versions.join(", "));
    let mut codecs: Vec<&str> =
        report.columns.iter().flat_map(|column| &column.compression).map(String::as_str).collect();
    codecs.sort_unstable();
    codecs.dedup();
    let columns = counted(report.columns.len() as u64, "column");
    fact("columns", format!("{columns}, {}; the largest page is {}", codecs.join(" and "), size(report.largest_page)));
    if let Some(writer) = &report.created_by {
        fact("written by", harmless(writer).into_owned());
    }
    for (name, value) in report.metadata.iter().filter(|(name, _)| name.as_str() != "ARROW:schema") {
        fact(&harmless(name), crate::output::cut(&harmless(value), 200).into_owned());
    }
    table
}

fn class_name(report: &Report, uid: i64) -> String {
    let version = report.ocsf_versions.iter().find_map(|version| version.parse::<Version>().ok()).unwrap_or_default();
    let class = u32::try_from(uid).ok().and_then(|uid| Schema::get(version).class_by_uid(uid));
    class.map_or_else(|| uid.to_string(), |class| format!("{} ({uid})", class.name))
}

fn column_table(report: &Report, palette: Palette) -> String {
    let right = Align::Right;
    let columns = [
        ("COLUMN", Align::Left),
        ("STORED", right),
        ("SHARE", right),
        ("PLAIN", right),
        ("PAGES", right),
        ("NULLS", right),
    ];
    let mut table = Table::new(columns);
    let mut columns: Vec<_> = report.columns.iter().collect();
    columns.sort_by_key(|column| std::cmp::Reverse(column.compressed));
    let all: u64 = columns.iter().map(|column| unsigned(column.compressed)).fold(0, u64::saturating_add);
    for column in columns {
        let stored = unsigned(column.compressed);
        table.row([
            harmless(&column.path).into_owned(),
            size(stored),
            percent(stored, all),
            size(unsigned(column.uncompressed)),
            count(column.pages),
            column.nulls.map_or("?".to_owned(), |nulls| percent(nulls, unsigned(column.values))),
        ]);
    }
    table.render("  ", palette)
}

fn schema_tree(report: &Report, palette: Palette) -> String {
    fn add(nodes: &[SchemaNode], depth: usize, palette: Palette, text: &mut String) {
        for node in nodes {
            let required = if node.nullable { "" } else { " not null" };
            let indent = "  ".repeat(depth + 1);
            let name = palette.name(harmless(&node.name)).to_string();
            let kind = palette.faint(format_args!("{}{required}", node.kind)).to_string();
            *text += &format!("{indent}{name} {kind}\n");
            add(&node.fields, depth + 1, palette, text);
        }
    }
    let mut text = String::new();
    add(&report.schema, 0, palette, &mut text);
    text
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
