//! The `sluice` command: the crates of this workspace on a laptop.
//!
//! Each subcommand is a module; [`output`] says what goes to standard output and what to standard error, and [`exit`]
//! how the process ends.

mod aws_access;
mod aws_error;
mod completions;
mod ddl;
mod demo;
mod detect;
mod diagnosis;
mod engine;
mod exit;
mod hunt;
mod hunting;
mod ingest;
mod input;
mod inspect;
mod lake_arguments;
mod lint;
mod map;
mod mapping_config;
mod mappings;
mod output;
mod period;
mod query;
mod replay;
mod report;
mod rows;
mod rules;
mod schema;
mod send;
mod stix;
mod summary;

use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

use exit::{Failure, Outcome};
use output::{ColourChoice, Output};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Map security logs to OCSF and write them to Amazon Security Lake
///
/// This command runs the code of the deployed functions on your machine, over files, folders and buckets. You can
/// write, try and check a mapping before you deploy it.
#[derive(Parser)]
#[command(name = "sluice", version, styles = STYLES, max_term_width = 110, disable_help_flag = true, after_help = "\
Start with:
  sluice demo                                              a tour in a few seconds
  sluice map --mapping windows-sysmon sysmon.ndjson        how each field is mapped
  sluice ingest --lake ./lake --mapping windows-sysmon sysmon.ndjson

Data goes to standard output, everything else to standard error.

Exit code:
  0  success
  1  findings or matches, or a failed check
  2  a mapping config, rule, pattern or query is refused
  3  bad usage or configuration, or a failed input, store or stream")]
pub(crate) struct Cli {
    /// Use colours: auto (on a terminal, unless NO_COLOR is set), always, never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    #[arg(hide_default_value = true, help_heading = GLOBAL)]
    color: ColourChoice,
    /// Print only errors on standard error: no progress, no notes
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    quiet: bool,
    /// Print help (summary with -h)
    #[arg(long, short, global = true, action = ArgAction::Help, help_heading = GLOBAL)]
    help: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Lint(lint::Lint),
    Mappings(mappings::Mappings),
    Map(map::Map),
    Ingest(ingest::Ingest),
    Inspect(inspect::Inspect),
    Query(query::Query),
    Hunt(hunt::Hunt),
    Detect(detect::Detect),
    Ddl(ddl::Ddl),
    Replay(replay::Replay),
    Schema(schema::SchemaCommand),
    Send(send::Send),
    Stix(Box<stix::Stix>),
    Completions(completions::Completions),
}

/// Where help shows the options that every command has.
const GLOBAL: &str = "Global options";

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing is left to do if even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::BAD_USAGE } else { exit::FINE });
        }
    };
    let output = Output::new(arguments.color, arguments.quiet);
    let outcome = run(arguments.command, &output);
    if let Err(Failure::Invalid(error) | Failure::Other(error)) = &outcome {
        output.error(error);
    }
    exit::code(&outcome)
}

fn run(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Demo(demo) => demo.run(output),
        Command::Lint(lint) => lint.run(output),
        Command::Mappings(mappings) => mappings.run(output),
        Command::Map(map) => map.run(output),
        Command::Ingest(ingest) => ingest.run(output),
        Command::Inspect(inspect) => inspect.run(output),
        Command::Query(query) => query.run(output),
        Command::Hunt(hunt) => hunt.run(output),
        Command::Detect(detect) => detect.run(output),
        Command::Ddl(ddl) => ddl.run(output),
        Command::Replay(replay) => replay.run(output),
        Command::Schema(schema) => schema.run(output),
        Command::Send(send) => send.run(output),
        Command::Stix(stix) => stix.run(output),
        Command::Completions(completions) => completions.run(output),
    }
}

/// The arguments. Help and errors are coloured as `--color` says, which must therefore be known before the rest.
fn arguments() -> Result<Cli, clap::Error> {
    let given: Vec<_> = std::env::args_os().collect();
    let choice = given.iter().enumerate().find_map(|(at, argument)| {
        let argument = argument.to_str()?;
        argument.strip_prefix("--color=").or_else(|| (argument == "--color").then(|| given.get(at + 1)?.to_str())?)
    });
    let choice = match choice {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    };
    Cli::from_arg_matches(&Cli::command().color(choice).try_get_matches_from(given)?)
}
