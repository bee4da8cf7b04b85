//! `sluice lint`: what is wrong with mapping configs.

use clap::ValueHint;
use mapping::diagnostic::{Code, DIAGNOSTICS, DiagnosticReport, Severity, SourceText};

use crate::exit::{Failure, Outcome, Verdict};
use crate::mapping_config::MappingConfig;
use crate::output::{Align, Format, Output, Table, counted};

/// Check mapping configs
///
/// Reads each config with the very front end that runs it, and shows every fault with its place, its number and the way
/// out. Errors (E…) mean that the mapping is refused; warnings (W…) that it runs, but not in every part as written.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice lint my-source.json              check a file
  sluice lint windows-sysmon              check a shipped config (see `sluice mappings`)
  sluice lint *.json --deny-warnings      in a build: warnings fail it too
  sluice lint --explain W114              what a number means and what to do
  sluice lint --explain                   all numbers
  sluice lint my-source.json --format ndjson | jq -r '\"\\(.line): \\(.message)\"'

Exit code: 0 no errors, 1 warnings and --deny-warnings, 2 errors, 3 a config that cannot be read.")]
pub(crate) struct Lint {
    /// Files, names of shipped configs, or `-` for standard input
    #[arg(value_name = "CONFIG", value_hint = ValueHint::FilePath, required_unless_present = "explain")]
    configs: Vec<String>,
    /// Explain a diagnostic by its number, or list all of them
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, default_missing_value = "all", conflicts_with = "configs")]
    explain: Option<String>,
    /// Let warnings fail the check
    #[arg(long)]
    deny_warnings: bool,
    /// How diagnostics are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Lint {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        if let Some(number) = &self.explain {
            return explain(output, number);
        }
        let configs = self.configs.iter().map(|named| MappingConfig::read(named)).collect::<Result<Vec<_>, _>>()?;
        let mut reports = Vec::new();
        for config in &configs {
            let source = SourceText::new(&config.name, &config.text);
            for diagnostic in config.check().diagnostics {
                if self.format == Format::Table {
                    output.write(format_args!("{}\n\n", diagnostic.render(&source, output.data.on)))?;
                }
                reports.push(diagnostic.report(&source));
            }
        }
        match self.format {
            Format::Table => {}
            Format::Json => output.json(&reports)?,
            Format::Ndjson => output.stream(|data| reports.iter().try_for_each(|report| data.json(report)))?,
        }
        self.judge(output, configs.len(), &reports)
    }

    fn judge(&self, output: &Output, configs: usize, reports: &[DiagnosticReport]) -> Outcome {
        let errors = reports.iter().filter(|report| report.severity == Severity::Error).count();
        let warnings = reports.len() - errors;
        let talk = output.talk;
        let checked = counted(configs as u64, "config");
        let (errors_said, warnings_said) = (counted(errors as u64, "error"), counted(warnings as u64, "warning"));
        output.say(match (errors, warnings) {
            (0, 0) => format!("{checked}: {}", talk.good("no faults")),
            (0, _) => format!("{checked}: no errors, {}", talk.warning(warnings_said)),
            (_, 0) => format!("{checked}: {}, no warnings", talk.error(errors_said)),
            (_, _) => format!("{checked}: {}, {}", talk.error(errors_said), talk.warning(warnings_said)),
        });
        match errors {
            0 => Ok(Verdict::of(self.deny_warnings && warnings > 0)),
            _ => Err(Failure::Mapping),
        }
    }
}

fn explain(output: &Output, number: &str) -> Outcome {
    if number == "all" {
        let mut table = Table::new([("NUMBER", Align::Left), ("SEVERITY", Align::Left), ("MEANING", Align::Left)]);
        for facts in DIAGNOSTICS {
            table.row([facts.number.to_owned(), facts.severity.to_string(), facts.summary.to_owned()]);
        }
        output.write(table.render("", output.data))?;
        return Ok(Verdict::Fine);
    }
    let Some(code) = Code::from_number(number) else {
        return Err(Failure::usage(format_args!(
            "there is no diagnostic `{number}`; `sluice lint --explain` lists all"
        )));
    };
    let facts = code.facts();
    let heading = format!("{} ({}): {}", facts.number, facts.severity, facts.summary);
    output.write(format_args!("{}\n\n{}\n", output.data.strong(heading), wrapped(facts.explanation, 90)))?;
    Ok(Verdict::Fine)
}

/// The text in lines of up to `width` characters.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
