//! Developer tasks, run as `cargo xtask <task>`.

mod bench_hunt;
mod bless;
#[cfg(test)]
mod contributing;
mod examples;
mod fuzz;
mod measure_functions;
mod metadata;
mod runner;
mod sbom;
mod schema;
mod supply_chain;
mod test;
mod test_environment;
mod trino;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer tasks of this workspace")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Time and memory of the shipped CloudTrail rules over millions of events
    BenchHunt(bench_hunt::BenchHunt),
    /// Rewrite the golden files of tests, and list those that changed
    Bless(bless::Bless),
    /// Fuzz the readers of bytes from outside
    Fuzz(fuzz::Fuzz),
    /// Write the small logs of examples/
    GenerateExamples(examples::GenerateExamples),
    /// Write crates/ocsf/data/ocsf-<version>.txt from the compiled schemas in ../shared/data/ocsf
    GenerateSchema(schema::GenerateSchema),
    /// Size, time to start and memory of the functions' programs
    MeasureFunctions(measure_functions::MeasureFunctions),
    /// Write a software bill of materials (CycloneDX) for each program
    Sbom(sbom::Sbom),
    /// Run the whole test suite, with everything it needs
    Test(test::Test),
    /// Run the same statements on a real Trino server and on the embedded engine
    Trino(trino::Trino),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::BenchHunt(task) => task.run(),
        Task::Bless(task) => task.run(),
        Task::Fuzz(task) => task.run(),
        Task::GenerateExamples(task) => task.run(),
        Task::GenerateSchema(task) => task.run(),
        Task::MeasureFunctions(task) => task.run(),
        Task::Sbom(task) => task.run(),
        Task::Test(task) => task.run(),
        Task::Trino(task) => task.run(),
    }
}

/// The workspace's root directory.
fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// The folders of the workspace's packages.
fn members(workspace: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut members = Vec::new();
    for pattern in ["benches", "crates/*", "cli", "functions/*", "testing/*", "xtask"] {
        match pattern.strip_suffix("/*") {
            None => members.push(workspace.join(pattern)),
            Some(parent) => {
                let parent = workspace.join(parent);
                for entry in std::fs::read_dir(&parent).with_context(|| parent.display().to_string())? {
                    members.push(entry?.path());
                }
            }
        }
    }
    members.retain(|member| member.join("Cargo.toml").exists());
    members.sort();
    Ok(members)
}

/// The cargo that runs this task, in the workspace.
fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

/// Where cargo puts what it builds.
fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// Builds the program of a package, which has its name, in a profile.
fn build(package: &str, profile: &str) -> anyhow::Result<PathBuf> {
    let status = cargo().args(["build", "--profile", profile, "--package", package]).status();
    ensure!(status.context("cannot run cargo")?.success(), "{package} cannot be built");
    Ok(target_folder().join(if profile == "dev" { "debug" } else { profile }).join(package))
}

/// Bytes of a megabyte, as figures are given.
const MEGABYTE: f64 = 1_000_000.0;
