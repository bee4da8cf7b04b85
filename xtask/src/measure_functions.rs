//! `cargo xtask measure-functions`: what the functions' programs weigh, how soon they ask for their first event, and how
//! much memory the largest batch takes. The programs are those of `sam build`: cargo-lambda makes them, and where it is
//! not installed the test environment's is used.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64_simd::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use local_lambda::{Buckets, Function};
use serde_json::json;

use crate::test_environment::TestEnvironment;
use crate::{MEGABYTE, build, target_folder, workspace};

#[derive(clap::Args)]
pub(crate) struct MeasureFunctions {
    /// Build with plain cargo in this profile instead of with cargo-lambda
    #[arg(long)]
    profile: Option<String>,
    /// Only the sizes
    #[arg(long)]
    sizes: bool,
    /// How often each program is started
    #[arg(long, default_value_t = 20)]
    starts: usize,
    /// Size of the object for transform-s3 before compression, in MB
    #[arg(long, default_value_t = 300)]
    object_megabytes: usize,
}

const FUNCTIONS: [&str; 3] = ["transform-kinesis", "transform-s3", "detect"];

/// What a function may weigh, and how long it may take to ask for its first event.
const LARGEST: u64 = 15_000_000;
const SLOWEST: Duration = Duration::from_millis(30);

/// What `detect` does not start without.
const DETECTIONS: [(&str, &str); 4] = [
    ("SLUICE_STATE", "s3://state"),
    ("SLUICE_TOPIC", "arn:aws:sns:eu-central-1:123456789012:findings"),
    ("SLUICE_WORKGROUP", "detections"),
    ("SLUICE_DATABASE", "lake"),
];

/// The most that Lambda takes as the event of one invocation.
const LARGEST_EVENT: usize = 6 << 20;

/// The least memory that template.yaml allows.
const MEMORY: &str = "256";

/// As template.yaml has it.
const KEEP_MEMORY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "-1");

impl MeasureFunctions {
    pub(crate) fn run(self) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let mut missed = Vec::new();
        for name in FUNCTIONS {
            let program = self.build(name, folder.path())?;
            let size = std::fs::metadata(&program)?.len();
            println!("{name}");
            println!("  size                  {:>8.2} MB", size as f64 / MEGABYTE);
            if size > LARGEST {
                missed.push(format!("{name} weighs more than {} MB", LARGEST as f64 / MEGABYTE));
            }
            if self.sizes {
                continue;
            }
            for (place, lake) in [("a folder", folder.path().display().to_string()), ("S3", "s3://lake".to_owned())] {
                let Some((best, median, worst)) = self.start_ups(&program, &lake)? else {
                    missed.push(format!("{name} asks for no event, with its lake in {place}"));
                    continue;
                };
                println!(
                    "  to first poll, {place:<9}{:>6.1} ms median, {:.1} to {:.1} of {} starts",
                    millis(median),
                    millis(best),
                    millis(worst),
                    self.starts
                );
                if median > SLOWEST {
                    missed.push(format!("{name} takes more than {:.0} ms to its first poll", millis(SLOWEST)));
                }
            }
        }
        if !self.sizes {
            largest_batch(&folder.path().join("transform-kinesis"), folder.path())?;
            large_object(&folder.path().join("transform-s3"), folder.path(), self.object_megabytes)?;
        }
        if !missed.is_empty() {
            bail!("{}", missed.join("; "));
        }
        Ok(())
    }

    /// Builds a program and puts a copy of it, stripped, into `folder`.
    fn build(&self, name: &str, folder: &Path) -> Result<PathBuf> {
        let stripped = folder.join(name);
        let Some(profile) = &self.profile else {
            run(cargo_lambda()?.args(["build", "--release", "--bin", name]))?;
            std::fs::copy(target_folder().join("lambda").join(name).join("bootstrap"), &stripped)?;
            return Ok(stripped);
        };
        run(Command::new("strip").arg("-o").arg(&stripped).arg(build(name, profile)?))?;
        Ok(stripped)
    }

    /// The least, middle and most time to the first poll; none where the program does not come to it.
    fn start_ups(&self, program: &Path, lake: &str) -> Result<Option<(Duration, Duration, Duration)>> {
        let variables = [&[("SLUICE_LAKE", lake)], &DETECTIONS[..]].concat();
        let start = |_| -> Result<Option<Duration>> {
            let function = Function::start(program, &variables)?;
            Ok(function.started().map(|started| started.to_first_poll))
        };
        let times = (0..self.starts.max(1)).map(start).collect::<Result<Option<Vec<_>>>>()?;
        Ok(times.map(|mut times| {
            times.sort();
            (times[0], times[times.len() / 2], times[times.len() - 1])
        }))
    }
}

/// Sysmon events until the event that Lambda would send is as large as it may be.
fn largest_batch(program: &Path, folder: &Path) -> Result<()> {
    let mut records = Vec::new();
    let mut length = 0;
    let mut raw = 0;
    for (index, line) in samples::sysmon_mix(1).enumerate() {
        let sequence_number = format!("4959033827149025660855969253836157109592157598913{index:07}");
        let record = json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "host",
                "sequenceNumber": sequence_number,
                "data": BASE64.encode_to_string(&line),
                "approximateArrivalTimestamp": 1_740_988_850.5,
            },
            "eventSource": "aws:kinesis",
            "eventID": format!("shardId-000000000000:{sequence_number}"),
            "eventSourceARN": "arn:aws:kinesis:eu-central-1:111122223333:stream/logs",
        });
        let size = record.to_string().len() + 1;
        if length + size > LARGEST_EVENT {
            break;
        }
        length += size;
        raw += line.len();
        records.push(record);
    }
    let count = records.len();
    let event = json!({ "Records": records }).to_string();
    let lake = folder.join("lake").display().to_string();
    let environment = [("SLUICE_LAKE", lake.as_str()), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY), KEEP_MEMORY];
    let mut function = Function::start(program, &environment)?;
    function.started();
    let idle = function.peak_memory().unwrap_or_default();
    println!(
        "transform-kinesis, {count} Sysmon events, {:.1} MB of them in an event of {:.1} MB",
        raw as f64 / MEGABYTE,
        event.len() as f64 / MEGABYTE
    );
    for turn in ["first", "second", "third"] {
        let began = Instant::now();
        let answer = function.invoke_text(&event).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        if answer != json!({"batchItemFailures": []}) {
            bail!("the function answered {answer}");
        }
        let peak = function.peak_memory().unwrap_or_default();
        println!(
            "  {turn:<6} batch {:>8.0} ms, {:>6.1} MB at most so far ({:.1} MB before the first)",
            millis(began.elapsed()),
            peak as f64 / MEGABYTE,
            idle as f64 / MEGABYTE
        );
    }
    Ok(())
}

/// A gzip file of Network Firewall logs, many times what the function has for it.
fn large_object(program: &Path, folder: &Path, megabytes: usize) -> Result<()> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let (mut raw, mut count) = (0, 0);
    for line in samples::network_firewall(1) {
        encoder.write_all(line.as_bytes())?;
        encoder.write_all(b"\n")?;
        raw += line.len() + 1;
        count += 1;
        if raw >= megabytes * 1_000_000 {
            break;
        }
    }
    let buckets = Buckets::start()?;
    buckets.put("logs/aws-network-firewall/large.log.gz", encoder.finish()?);
    let lake = folder.join("lake-of-objects").display().to_string();
    let endpoint = buckets.endpoint();
    let environment = [
        ("SLUICE_LAKE", lake.as_str()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY),
        KEEP_MEMORY,
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
    ];
    let mut function = Function::start(program, &environment)?.with_deadline(Duration::from_secs(900));
    let notification = json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {
        "bucket": {"name": "logs"}, "object": {"key": "aws-network-firewall/large.log.gz"}}}]});
    let event = json!({"Records": [{"messageId": "m", "body": notification.to_string()}]});
    let began = Instant::now();
    let answer = function.invoke(&event).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    if answer != json!({"batchItemFailures": []}) {
        bail!("the function answered {answer}");
    }
    println!(
        "transform-s3, an object of {count} Network Firewall events, {:.0} MB\n  {:.1} s, {:.1} MB at most",
        raw as f64 / MEGABYTE,
        began.elapsed().as_secs_f64(),
        function.peak_memory().unwrap_or_default() as f64 / MEGABYTE
    );
    Ok(())
}

/// `cargo lambda`, as `sam build` calls it.
fn cargo_lambda() -> Result<Command> {
    let is_installed =
        Command::new("cargo").args(["lambda", "--version"]).output().is_ok_and(|output| output.status.success());
    let mut command = if is_installed { Command::new("cargo") } else { TestEnvironment::prepare()?.command("cargo") };
    command.arg("lambda").current_dir(workspace());
    Ok(command)
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
