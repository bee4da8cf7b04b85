//! `cargo xtask bench-hunt`: how long the shipped rules for CloudTrail take over millions of events, and in how much memory.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use local_lambda::peak_memory;
use samples::{CloudTrail, Period};

use crate::{MEGABYTE, build, workspace};

#[derive(clap::Args)]
pub(crate) struct BenchHunt {
    /// How many events there are
    #[arg(long, default_value_t = 2_000_000)]
    events: usize,
    /// Over how many days they are spread
    #[arg(long, default_value_t = 4)]
    days: u64,
    /// The cargo profile of `sluice`
    #[arg(long, default_value = "release")]
    profile: String,
}

/// 2025-03-03T00:00:00Z, in milliseconds since 1970.
const START: i64 = 1_740_960_000_000;
const DAY: u64 = 86_400_000;

/// About as many as CloudTrail puts into a large file of a busy account.
const EVENTS_OF_A_FILE: usize = 20_000;

impl BenchHunt {
    pub(crate) fn run(self) -> Result<()> {
        let sluice = build("sluice", &self.profile)?;
        let folder = tempfile::tempdir().context("a folder for the lake")?;
        let (files, raw) = self.generate(folder.path())?;
        let lake = folder.path().join("lake");

        let mut ingest = Command::new(&sluice);
        ingest.args(["ingest", "--quiet", "--mapping", "aws-cloudtrail", "--lake"]).arg(&lake).args(&files);
        let ingested = measure(&mut ingest, folder.path())?;
        ensure!(ingested.code == 0, "sluice ingest ended with exit code {}", ingested.code);
        println!(
            "{} events of {} days, {:.0} MB raw, {:.0} MB as a lake\n",
            self.events,
            self.days,
            raw as f64 / MEGABYTE,
            size_of(&lake)? as f64 / MEGABYTE
        );
        println!("{:<40}{:>9}{:>14}{:>10}{:>10}", "", "seconds", "rows/s", "peak MB", "findings");
        self.report("ingest", &ingested, "");

        let rules = workspace().join("detections/aws-cloudtrail");
        let mut names = fs::read_dir(&rules)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        names.sort();
        for rule in &names {
            let title = rule.file_stem().unwrap_or_default().to_string_lossy();
            self.hunt(&sluice, &lake, rule, &format!("hunt, {title}"), folder.path())?;
        }
        self.hunt(&sluice, &lake, &rules, "hunt, all of them", folder.path())
    }

    fn hunt(&self, sluice: &Path, lake: &Path, rules: &Path, title: &str, folder: &Path) -> Result<()> {
        let since = Timestamp::from_millisecond(START)?;
        // A day more than there is: the generator keeps to the time on average only.
        let until = since + SignedDuration::from_millis(((self.days + 1) * DAY).try_into()?);
        let mut hunt = Command::new(sluice);
        hunt.args(["hunt", "--quiet", "--format", "ndjson", "--limit", "100000"]);
        hunt.args(["--since", &since.to_string(), "--until", &until.to_string()]);
        hunt.arg("--lake").arg(lake).arg("--rules").arg(rules);
        let measured = measure(&mut hunt, folder)?;
        ensure!(measured.code <= 1, "sluice hunt ended with exit code {}", measured.code);
        self.report(title, &measured, &measured.lines.to_string());
        Ok(())
    }

    /// Log files as CloudTrail puts them into a bucket, and their size before compression.
    fn generate(&self, folder: &Path) -> Result<(Vec<PathBuf>, usize)> {
        let period = Period::spread(START, self.days * DAY, self.events.try_into()?);
        let mut events = CloudTrail::new(1, period);
        let (mut files, mut raw, mut left) = (Vec::new(), 0, self.events);
        while left > 0 {
            let count = left.min(EVENTS_OF_A_FILE);
            let text = samples::cloudtrail_file(events.by_ref().take(count));
            let path = folder.join(format!("cloudtrail-{:05}.json.gz", files.len()));
            let mut encoder = GzEncoder::new(File::create(&path)?, Compression::fast());
            encoder.write_all(text.as_bytes())?;
            encoder.finish()?;
            raw += text.len();
            left -= count;
            files.push(path);
        }
        Ok((files, raw))
    }

    fn report(&self, what: &str, measured: &Measured, findings: &str) {
        let seconds = measured.took.as_secs_f64();
        let rate = self.events as f64 / seconds;
        println!("{what:<40}{seconds:>9.2}{rate:>14.0}{:>10.0}{findings:>10}", measured.peak as f64 / MEGABYTE);
    }
}

/// How a command ran.
struct Measured {
    code: i32,
    took: Duration,
    /// The most memory that it had, in bytes.
    peak: u64,
    /// Lines of its output.
    lines: usize,
}

fn measure(command: &mut Command, folder: &Path) -> Result<Measured> {
    let output = folder.join("output");
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&output)?)
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    let mut peak = 0;
    // The system forgets a process's peak with the process, so that it is asked for now and then.
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak = peak_memory(child.id()).unwrap_or_default().max(peak);
        sleep(Duration::from_millis(5));
    };
    let took = began.elapsed();
    let Some(code) = status.code() else { bail!("{command:?}: {status}") };
    let lines = fs::read_to_string(&output)?.lines().count();
    Ok(Measured { code, took, peak, lines })
}

/// The bytes of all files below a folder.
fn size_of(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        size += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(size)
}
