//! `cargo xtask fuzz`: the targets of `fuzz/`, each for some minutes of processor time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{cargo, target_folder, workspace};

/// The stable compiler will do. Inputs that reach new code are kept in the target folder for the next run, and so is an input
/// that fails.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask fuzz --minutes 10 envelopes sources_file")]
pub(crate) struct Fuzz {
    /// Which targets; all if none is named
    targets: Vec<String>,
    /// Minutes of processor time for each target
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
}

/// Coverage that libFuzzer follows, as `cargo fuzz` asks for it, without a sanitizer: that would need a nightly compiler.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// Where inputs to begin with are found.
const SEEDS: [(&str, &str); 6] = [
    ("document", "examples"),
    ("envelopes", "examples"),
    ("mapping_config", "mapping-configs"),
    ("records", "examples"),
    ("rule", "detections"),
    ("sql", "crates/embedded/tests/trino"),
];

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

impl Fuzz {
    pub(crate) fn run(self) -> Result<()> {
        let known = targets()?;
        if let Some(unknown) = self.targets.iter().find(|target| !known.contains(target)) {
            bail!("there is no target {unknown}; there are {}", known.join(", "));
        }
        let targets = if self.targets.is_empty() { known } else { self.targets };
        let folder = target_folder().join("fuzz");
        build(&folder)?;
        let mut failed = Vec::new();
        for target in targets {
            let program = folder.join(TRIPLE).join("release").join(&target);
            let corpus = folder.join("corpus").join(&target);
            fs::create_dir_all(&corpus).with_context(|| corpus.display().to_string())?;
            if !fuzz(&target, &program, &corpus, self.minutes)? {
                failed.push(target);
            }
        }
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        Ok(())
    }
}

fn targets() -> Result<Vec<String>> {
    let folder = workspace().join("fuzz/fuzz_targets");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        targets.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    targets.sort();
    Ok(targets)
}

fn build(folder: &Path) -> Result<()> {
    let status = cargo()
        .args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target", TRIPLE])
        .env("CARGO_TARGET_DIR", folder)
        .env("RUSTFLAGS", COVERAGE)
        .status();
    ensure!(status.context("cannot run cargo")?.success(), "the fuzz targets cannot be built");
    Ok(())
}

/// Whether a target ran its time without a failure.
fn fuzz(target: &str, program: &Path, corpus: &Path, minutes: f64) -> Result<bool> {
    let artifacts = corpus.with_extension("failures");
    fs::create_dir_all(&artifacts).with_context(|| artifacts.display().to_string())?;
    let log = corpus.with_extension("log");
    let mut command = Command::new(program);
    command.arg(corpus).args(seeds(target));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    command.stderr(fs::File::create(&log).with_context(|| log.display().to_string())?);
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| program.display().to_string())?;
    let mut used = 0.0;
    let failed = loop {
        if child.try_wait()?.is_some() {
            break true;
        }
        used = processor_seconds(&child)?;
        if used >= minutes * 60.0 {
            child.kill()?;
            child.wait()?;
            break false;
        }
        sleep(Duration::from_millis(500));
    };
    let text = fs::read_to_string(&log).unwrap_or_default();
    let last = text.lines().rev().find(|line| line.starts_with('#')).unwrap_or_default();
    println!(
        "{target:<16} {} after {:.1} minutes of processor time ({:.1} by the clock): {last}",
        if failed { "FAILED" } else { "clean" },
        used / 60.0,
        began.elapsed().as_secs_f64() / 60.0
    );
    if failed {
        println!("what it printed is in {}, the input in {}", log.display(), artifacts.display());
        println!(
            "copy the input to fuzz/regressions/{target}/, under a name that says what broke; then a test holds it"
        );
    }
    Ok(!failed)
}

/// Folders of inputs to begin with; the inputs that once failed are among them.
fn seeds(target: &str) -> Vec<PathBuf> {
    let seeds = SEEDS.iter().filter(|(of, _)| *of == target).map(|(_, folder)| workspace().join(folder));
    let regressions = workspace().join("fuzz/regressions").join(target);
    seeds.chain(std::iter::once(regressions)).filter(|folder| folder.exists()).collect()
}

/// Processor time of a process so far.
fn processor_seconds(child: &Child) -> Result<f64> {
    /// `USER_HZ`: what /proc counts in, the same on all Linux machines
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).context("/proc: processor time")?;
    // The name of the program may hold anything, blanks too; it is in parentheses.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS)
}
