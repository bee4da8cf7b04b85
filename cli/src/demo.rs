//! `sluice demo`: a tour through everything, in a few seconds and with real numbers.

mod logs;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use bumpalo::Bump;
use jiff::Timestamp;
use lake::conformance::{Report, inspect};
use lake::key::{AccountId, Region};
use lake::parquet_object::SealSettings;
use lake::quarantine::{Origin, QuarantineKey, QuarantineLine, read_lines};
use mapping::Unwrapped;
use pipeline::{MappedSource, ReadBuffer, Settings, Stores};
use sources::Item;
use store::{Listed, list_all};
use tokio::runtime::Runtime;

use logs::{Log, logs, repaired_mapping};

use crate::engine::EngineArguments;
use crate::exit::{Failure, Outcome, Verdict};
use crate::hunting::{CatalogArguments, Hunting};
use crate::ingest::Ingestion;
use crate::input::{Candidate, Input};
use crate::lake_arguments::runtime;
use crate::map::explanation::{Explanation, Origin as ValueOrigin, explain, plain};
use crate::mapping_config::MappingConfig;
use crate::output::{Align, Output, Palette, Table, count, counted, cut, harmless, percent, size};
use crate::period::Period;
use crate::replay::quarantine::{Selection, replay};

/// Take a tour with sample logs: mapping, lake, quarantine, replay and detections
///
/// The demo generates sample logs with a few broken records, and shows each step from mapping to detections. Everything
/// stays in one folder on this machine, which you can delete at any time.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice demo
  sluice demo --dir /tmp/tour --events 100000")]
pub(crate) struct Demo {
    /// Folder to work in; a new demo replaces an earlier one
    #[arg(long, value_name = "DIR", default_value = "sluice-demo")]
    dir: PathBuf,
    /// Number of Sysmon events to generate; there are half as many firewall events
    #[arg(long, value_name = "N", default_value = "4000", value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    events: u64,
}

/// What marks a folder as one of a demo.
const README: &str = "README.txt";
const ABOUT: &str = "`sluice demo` made this folder: sample logs, a lake, and its quarantine. Nothing in it is real.\n\
                     Delete it whenever you like.\n";
const REPAIRED: &str = "windows-sysmon-repaired.json";

/// The attributes shown of one event. It has many more.
const SHOWN: [&str; 9] = [
    "time",
    "device.hostname",
    "actor.user.name",
    "actor.process.name",
    "process.name",
    "process.pid",
    "process.cmd_line",
    "process.file.hashes[0].value",
    "type_name",
];

impl Demo {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        prepare(&self.dir)?;
        let tour = Tour {
            output,
            palette: output.data,
            dir: &self.dir,
            runtime: runtime()?,
            settings: Settings {
                region: "us-east-1".parse::<Region>()?,
                account: AccountId::external(),
                seal: SealSettings::default(),
                memory: 64_000_000,
                bounds: Default::default(),
            },
        };
        tour.run(self.events)?;
        Ok(Verdict::Fine)
    }
}

/// Makes the folder, or empties one that an earlier demo has made.
fn prepare(dir: &Path) -> Result<(), Failure> {
    let marked = dir.join(README);
    let is_ours = fs::read_to_string(&marked).is_ok_and(|text| text == ABOUT);
    let is_used = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if is_used && !is_ours {
        let dir = dir.display();
        return Err(Failure::usage(format_args!(
            "{dir} is not empty and not from an earlier demo; give another --dir"
        )));
    }
    for part in ["logs", "lake"] {
        match fs::remove_dir_all(dir.join(part)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(anyhow::Error::new(error).context(format!("cannot empty {}", dir.display())).into());
            }
            _ => {}
        }
    }
    let made = fs::create_dir_all(dir.join("logs")).and_then(|()| fs::write(marked, ABOUT));
    Ok(made.with_context(|| format!("cannot write to {}", dir.display()))?)
}

struct Tour<'t> {
    output: &'t Output,
    palette: Palette,
    dir: &'t Path,
    runtime: Runtime,
    settings: Settings,
}

impl Tour<'_> {
    fn run(&self, events: u64) -> Result<(), Failure> {
        let logs = logs(events);
        self.write_logs(&logs)?;
        let sources = self.lint(&logs)?;
        self.map(&logs[0], &sources[0])?;
        let lake = self.place("lake");
        let store = self.runtime.block_on(store::open(&lake))?;
        let stores = Stores { lake: store.clone(), quarantine: store };
        self.ingest(&logs, &sources, &stores)?;
        self.quarantine(&stores)?;
        self.replay(&stores)?;
        self.inspect(&stores)?;
        self.detect()?;
        self.next()
    }

    /// A file or folder of the demo, as the commands name it.
    fn place(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn heading(&self, number: u32, title: &str, remark: &str) -> Result<(), Failure> {
        let (number, title) = (self.palette.good(number), self.palette.strong(title));
        self.output.write(format_args!("\n{number} {title}  {}\n", self.palette.faint(remark)))
    }

    fn table(&self, table: &Table) -> Result<(), Failure> {
        self.output.write(table.render("  ", self.palette))
    }

    fn write_logs(&self, logs: &[Log]) -> Result<(), Failure> {
        let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Right), ("", Align::Left)]);
        for log in logs {
            let (content, path) = (log.content()?, self.dir.join("logs").join(log.name));
            fs::write(&path, &content).with_context(|| format!("cannot write {}", path.display()))?;
            let lines = counted(log.lines.len() as u64, "line");
            table.row([path.display().to_string(), lines, size(content.len() as u64), log.about.to_owned()]);
        }
        self.heading(1, "Logs", "generated, with a few records broken on purpose")?;
        self.table(&table)
    }

    fn lint(&self, logs: &[Log]) -> Result<Vec<MappedSource>, Failure> {
        let mut table = Table::new([("", Align::Left); 2]);
        let mut sources = Vec::new();
        for log in logs {
            let config = MappingConfig::read(log.mapping)?;
            let source = config.source(self.output)?;
            let checked = config.check();
            let events = counted(checked.config.map_or(0, |config| config.events.len() as u64), "kind");
            let classes = counted(source.mapping().tables().len() as u64, "table");
            let version = source.mapping().schema().version();
            let faults = match checked.diagnostics.len() {
                0 => "no faults".to_owned(),
                warnings => counted(warnings as u64, "warning"),
            };
            table.row([
                log.mapping.to_owned(),
                format!("{events} of events mapped to {classes} of OCSF {version}: {faults}"),
            ]);
            sources.push(source);
        }
        self.heading(2, "Mappings", "JSON files that map each field; `lint` checks them")?;
        self.table(&table)?;
        Ok(sources)
    }

    fn map(&self, log: &Log, source: &MappedSource) -> Result<(), Failure> {
        let line = log.lines.iter().position(|line| line.starts_with(r#"{"EventId":1,"#)).unwrap_or_default();
        let raw = log.lines.get(line).map(String::as_str).unwrap_or_default();
        let Some(explanation) = explanation(source, raw)? else { return Ok(()) };
        self.heading(3, "One event", &format!("line {} of {}", line + 1, log.name))?;
        let width = self.output.width.unwrap_or(110).saturating_sub(4);
        self.output.write(format_args!("  {}\n", self.palette.faint(cut(&harmless(raw), width))))?;
        let (class, uid) = (explanation.class, explanation.class_uid);
        self.output.write(format_args!("  → {} ({uid})\n", self.palette.strong(class)))?;
        let mut table = Table::new([("", Align::Left); 3]);
        for name in SHOWN {
            let Some(found) = explanation.attributes.iter().find(|attribute| attribute.attribute == name) else {
                continue;
            };
            let origin = match &found.origin {
                ValueOrigin::Raw { from, .. } => format!("← {}", from.join(", ")),
                ValueOrigin::Constant => "  constant".to_owned(),
                ValueOrigin::Derived => "  derived".to_owned(),
            };
            let value = found.meaning.clone().unwrap_or_else(|| plain(&found.value));
            table.row([name.to_owned(), origin, cut(&harmless(&value), width.saturating_sub(60)).into_owned()]);
        }
        self.table(&table)?;
        let more = explanation.attributes.len().saturating_sub(SHOWN.len()) as u64;
        let kept = counted(explanation.unmapped.len() as u64, "raw field");
        let more = counted(more, "attribute");
        let remark = format!("and {more} more; {kept} without a place in OCSF stay in `unmapped`");
        self.output.write(format_args!("  {}\n", self.palette.faint(remark)))
    }

    fn ingest(&self, logs: &[Log], sources: &[MappedSource], stores: &Stores) -> Result<(), Failure> {
        let began = Instant::now();
        let mut table = Table::new([("", Align::Left), ("", Align::Right), ("", Align::Left)]);
        let (mut records, mut written, mut problems) = (0, 0, 0);
        for (log, source) in logs.iter().zip(sources) {
            let ingestion = Ingestion {
                output: self.output,
                source,
                settings: &self.settings,
                stores,
                runtime: self.runtime.handle(),
            };
            let input = Candidate::named(Input::File(self.dir.join("logs").join(log.name)));
            let summary = ingestion.run(&[input], None)?.summary;
            for (class, count_of_class) in &summary.written {
                table.row([class.clone(), count(*count_of_class), log.mapping.to_owned()]);
            }
            records += summary.records_in;
            written += summary.total_written();
            problems += summary.problems;
        }
        let seconds = began.elapsed().as_secs_f64();
        let speed = count((records as f64 / seconds.max(0.001)) as u64);
        self.heading(4, "Ingest", &format!("{} in {seconds:.1} s, {speed} a second", counted(records, "record")))?;
        self.table(&table)?;
        let objects = self.objects(stores)?;
        let bytes = objects.iter().map(|object| object.bytes).sum();
        let objects = counted(objects.len() as u64, "object");
        let share = percent(written, records);
        let unfit = if problems == 1 {
            "1 value did not fit and is".to_owned()
        } else {
            format!("{problems} values did not fit and are")
        };
        self.output.write(format_args!(
            "  {} of {} ({share}) are in the lake: {objects}, {}; {unfit} in `unmapped`\n",
            self.palette.good(count(written)),
            count(records),
            size(bytes),
        ))
    }

    fn quarantine(&self, stores: &Stores) -> Result<(), Failure> {
        let lines = self.quarantined(stores)?;
        self.heading(5, "Quarantine", "nothing is dropped: records that cannot be written are kept, with the reason")?;
        let mut table = Table::new([("", Align::Left); 3]);
        for line in &lines {
            let place = match line.origin() {
                Origin::File { line: Some(line), .. } => format!("line {line}"),
                _ => String::new(),
            };
            let message = cut(&harmless(line.message()), 80).into_owned();
            table.row([line.reason().to_owned(), place, message]);
        }
        self.table(&table)
    }

    fn quarantined(&self, stores: &Stores) -> Result<Vec<QuarantineLine>, Failure> {
        let prefix = QuarantineKey::prefix(None, None);
        let mut lines = Vec::new();
        for object in self.runtime.block_on(list_all(stores.quarantine.as_ref(), &prefix))? {
            let content = self.runtime.block_on(stores.quarantine.get(&object.key))?;
            for line in read_lines(&content[..])? {
                lines.push(line?);
            }
        }
        Ok(lines)
    }

    /// The objects of the lake.
    fn objects(&self, stores: &Stores) -> Result<Vec<Listed>, Failure> {
        Ok(self.runtime.block_on(list_all(stores.lake.as_ref(), "ext/"))?)
    }

    fn replay(&self, stores: &Stores) -> Result<(), Failure> {
        let before = self.objects(stores)?.len();
        let file = self.place(REPAIRED);
        fs::write(&file, serde_json::to_string_pretty(&repaired_mapping())? + "\n")
            .with_context(|| format!("cannot write {file}"))?;
        let source = MappingConfig::read(&file)?.source(self.output)?;
        let selection = Selection { source: source.mapping().source_name(), reason: None, dry_run: false };
        let replayed = self.runtime.block_on(replay(self.output, &source, &self.settings, stores, &selection))?;
        self.heading(6, "Replay", &format!("{file} extends windows-sysmon with the unknown event"))?;
        self.output.write(format_args!(
            "  {} left quarantine for {} more in the lake, {}\n",
            self.palette.good(counted(replayed.counts.total_written(), "record")),
            counted((self.objects(stores)?.len() - before) as u64, "object"),
            match replayed.counts.total_quarantined() {
                1 => "1 stays".to_owned(),
                more => format!("{} stay", count(more)),
            }
        ))
    }

    fn inspect(&self, stores: &Stores) -> Result<(), Failure> {
        let mut largest: Option<Report> = None;
        let (mut objects, mut rows, mut conforming) = (0, 0, 0);
        for object in self.objects(stores)? {
            let report = inspect(Some(&object.key), self.runtime.block_on(stores.lake.get(&object.key))?);
            objects += 1;
            rows += report.rows;
            conforming += u64::from(report.conforms());
            if largest.as_ref().is_none_or(|other| other.rows < report.rows) {
                largest = Some(report);
            }
        }
        self.heading(7, "Inspect", "checks the lake against the rules of Security Lake, independently of the writer")?;
        let conforming = format!("{} of {} conform", count(conforming), counted(objects, "object"));
        self.output.write(format_args!(
            "  {} to the rules of Security Lake; {}. The largest:\n",
            self.palette.good(conforming),
            counted(rows, "row")
        ))?;
        let Some(report) = largest else { return Ok(()) };
        let mut table = Table::new([("", Align::Left); 2]);
        let plain: u64 = report.columns.iter().filter_map(|column| u64::try_from(column.uncompressed).ok()).sum();
        let sorted = if report.sorted_by_time == Some(true) { ", sorted by time" } else { "" };
        table.row(["key".to_owned(), report.key.clone().unwrap_or_default()]);
        table.row([
            "rows".to_owned(),
            format!("{} in {}{sorted}", count(report.rows), counted(report.row_groups.len() as u64, "row group")),
        ]);
        table.row([
            "size".to_owned(),
            format!(
                "{} ({} before zstd) in {}",
                size(report.bytes),
                size(plain),
                counted(report.columns.len() as u64, "column")
            ),
        ]);
        self.table(&table)
    }

    /// The shipped rules over the whole lake, as `hunt` runs them.
    fn detect(&self) -> Result<(), Failure> {
        let period = Period { since: Some(Timestamp::UNIX_EPOCH), until: None };
        let engine = EngineArguments::of_lake(self.dir.join("lake"));
        let mut hunting = Hunting::new(&[], &period, &CatalogArguments::default(), &engine, 1_000, self.output)?;
        let (mut rules, mut findings) = (0, 0);
        let mut table = Table::new([("", Align::Left), ("", Align::Left), ("", Align::Right)]);
        let unanswered = hunting.each_rule(self.output, |rule, found, _| {
            rules += 1;
            findings += found.findings.len() as u64;
            if !found.findings.is_empty() {
                let count = counted(found.findings.len() as u64, "finding");
                table.row([harmless(&rule.title).into_owned(), rule.level.as_str().to_owned(), count]);
            }
            Ok(())
        })?;
        self.heading(
            8,
            "Detect",
            &format!("{} over the lake: the findings they would have published", counted(rules, "rule")),
        )?;
        self.table(&table)?;
        self.output.write(format_args!("  {} in all\n", self.palette.good(counted(findings, "finding"))))?;
        hunting.ending(&unanswered, Verdict::Fine).map(|_| ())
    }

    fn next(&self) -> Result<(), Failure> {
        let log = self.place("logs/windows-sysmon.ndjson.gz");
        let (lake, repaired) = (self.place("lake"), self.place(REPAIRED));
        self.output.write(format_args!("\n{}\n", self.palette.strong("Look further")))?;
        let mut table = Table::new([("", Align::Left); 2]);
        let program = program();
        for (command, about) in [
            (format!("map --mapping windows-sysmon --event 22 {log}"), "how DNS queries are mapped"),
            (format!("map --mapping windows-sysmon --summary {log}"), "how much of the log is covered"),
            (format!("inspect {lake}"), "every object of the lake"),
            (
                format!("replay --quarantine {lake} --lake {lake} --mapping {repaired} --dry-run"),
                "records still in quarantine",
            ),
            (
                format!("hunt --lake {lake} --since 2025-01-01 --report {}", self.place("report.html")),
                "the findings, as a page",
            ),
            ("mappings show windows-sysmon".to_owned(), "a mapping, to start your own from"),
            ("ingest --help".to_owned(), "your own logs, into a folder or a bucket"),
        ] {
            table.row([format!("{program} {command}"), format!("# {about}")]);
        }
        self.table(&table)?;
        self.output.write(format_args!(
            "  {}\n",
            self.palette.faint("docs/mapping-reference.md describes mappings, docs/cli.md the commands")
        ))
    }
}

/// How this program was called, for commands to copy.
fn program() -> String {
    std::env::args().next().filter(|name| !name.contains(char::is_whitespace)).unwrap_or_else(|| "sluice".to_owned())
}

fn explanation(source: &MappedSource, raw: &str) -> Result<Option<Explanation>, Failure> {
    let (mut buffer, bump) = (ReadBuffer::default(), Bump::new());
    let decode = source.decode();
    let mut records = decode.records_of_slice(raw.as_bytes());
    let Some(Item::Event(event)) = records.next_unskipped()? else { return Ok(None) };
    let document = decode.document(&event, &mut buffer.documents, &bump)?;
    let mut first = None;
    source.events(document, &mut buffer, &bump, &mut |piece, _| first = first.take().or(Some(piece)));
    let Some(Unwrapped::Event(document)) = first else { return Ok(None) };
    Ok(explain(source.mapping(), &document, &bump)?.ok())
}
