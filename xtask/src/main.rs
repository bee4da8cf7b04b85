//! Developer tasks, run as `cargo xtask <task>`.

mod bench_hunt;
mod examples;
mod measure_functions;
mod schema;
mod test;
mod test_environment;
mod trino;

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
    /// Write the small logs of examples/
    GenerateExamples(examples::GenerateExamples),
    /// Write crates/ocsf/data/ocsf-<version>.txt from the compiled schemas in ../shared/data/ocsf
    GenerateSchema(schema::GenerateSchema),
    /// Size, time to start and memory of the functions' programs
    MeasureFunctions(measure_functions::MeasureFunctions),
    /// Run the whole test suite, with everything it needs
    Test(test::Test),
    /// Run the same statements on a real Trino server and on the embedded engine
    Trino(trino::Trino),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::BenchHunt(task) => task.run(),
        Task::GenerateExamples(task) => task.run(),
        Task::GenerateSchema(task) => task.run(),
        Task::MeasureFunctions(task) => task.run(),
        Task::Test(task) => task.run(),
        Task::Trino(task) => task.run(),
    }
}

/// The workspace's root directory.
fn workspace() -> &'static std::path::Path {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}
