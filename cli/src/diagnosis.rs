//! Diagnostics of checked files, and the outcome of the check.

use clap::Args;
use diagnostics::{Diagnostic, DiagnosticReport, Facts, Kind, Severity, SourceText};

use crate::exit::{Failure, Outcome, Verdict};
use crate::output::{Align, Format, Output, Table};

/// Arguments shared by the commands that check files.
#[derive(Debug, Args)]
pub(crate) struct LintArguments {
    /// Explain a diagnostic by its number, or list all numbers
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, default_missing_value = "all")]
    pub(crate) explain: Option<String>,
    /// Fail on warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Also show the lines of the file for each diagnostic
    #[arg(long, short)]
    verbose: bool,
    /// Format of the diagnostics
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What lint found, written in one format when all is known: errors first, then warnings, each in the order of the
/// files.
pub(crate) struct Diagnosis<'o> {
    output: &'o Output,
    arguments: &'o LintArguments,
    reports: Vec<DiagnosticReport>,
    /// The reports as text.
    texts: Vec<String>,
}

impl<'o> Diagnosis<'o> {
    /// Nothing found yet.
    pub(crate) fn new(output: &'o Output, arguments: &'o LintArguments) -> Self {
        Self { output, arguments, reports: Vec::new(), texts: Vec::new() }
    }

    /// What was found in a file.
    pub(crate) fn add<C: Kind>(&mut self, source: &SourceText<'_>, diagnostics: &[Diagnostic<C>]) {
        let coloured = self.output.data.on;
        for diagnostic in diagnostics {
            self.texts.push(match self.arguments.verbose {
                true => format!("{}\n", diagnostic.render(source, coloured)),
                false => diagnostic.line(source, coloured),
            });
            self.reports.push(diagnostic.report(source));
        }
    }

    /// Says how many faults there are in what was checked, `3 configs`.
    pub(crate) fn finish(self, checked: String) -> Outcome {
        let Self { output, arguments, reports, texts } = self;
        let mut found: Vec<(DiagnosticReport, String)> = reports.into_iter().zip(texts).collect();
        found.sort_by_key(|(report, _)| report.severity);
        let (reports, texts): (Vec<DiagnosticReport>, Vec<String>) = found.into_iter().unzip();
        match arguments.format {
            Format::Table => output.write(texts.iter().map(|text| format!("{text}\n")).collect::<String>())?,
            Format::Json => output.json(&reports)?,
            Format::Ndjson => output.stream(|data| reports.iter().try_for_each(|report| data.json(report)))?,
        }
        let errors = reports.iter().filter(|report| report.severity == Severity::Error).count();
        let warnings = reports.len() - errors;
        let talk = output.talk;
        let counted = |number: usize, what| crate::output::counted(number as u64, what);
        let (errors_said, warnings_said) = (counted(errors, "error"), counted(warnings, "warning"));
        output.say(match (errors, warnings) {
            (0, 0) => format!("{checked}: {}", talk.good("no faults")),
            (0, _) => format!("{checked}: no errors, {}", talk.warning(warnings_said)),
            (_, 0) => format!("{checked}: {}, no warnings", talk.error(errors_said)),
            (_, _) => format!("{checked}: {}, {}", talk.error(errors_said), talk.warning(warnings_said)),
        });
        match errors {
            0 => Ok(Verdict::of(arguments.deny_warnings && warnings > 0)),
            _ => Err(Failure::Refused),
        }
    }
}

/// Explains one diagnostic, or lists all of them. `command` is the command that lists them.
pub(crate) fn explain<C>(output: &Output, number: &str, facts: &[Facts<C>], command: &str) -> Outcome {
    if number == "all" {
        let mut table = Table::new([("NUMBER", Align::Left), ("SEVERITY", Align::Left), ("MEANING", Align::Left)]);
        for facts in facts {
            table.row([facts.number.to_owned(), facts.severity.to_string(), facts.summary.to_owned()]);
        }
        output.write(table.render("", output.data))?;
        return Ok(Verdict::Fine);
    }
    let Some(facts) = facts.iter().find(|facts| facts.number.eq_ignore_ascii_case(number)) else {
        return Err(Failure::usage(format_args!(
            "unknown diagnostic `{number}`; `{command} --explain` lists all of them"
        )));
    };
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
