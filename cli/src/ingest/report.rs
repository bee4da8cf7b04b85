//! The final report of `sluice ingest`.

use std::fmt;

use lake::quarantine::Reason;
use pipeline::Stores;
use serde::Serialize;

use crate::exit::{Failure, Outcome, Verdict};
use crate::input::Input;
use crate::output::{Output, counted, harmless};
use crate::summary::Summary;

/// The outcome of all inputs.
#[derive(Serialize)]
pub(crate) struct Ingested {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    pub(super) inputs: InputCounts,
    pub(super) failed: Vec<FailedInput>,
    /// Inputs without a record.
    #[serde(skip)]
    pub(super) empty: Vec<String>,
    /// Inputs of which nothing reached the lake.
    #[serde(skip)]
    pub(super) refused: Vec<String>,
    #[serde(skip)]
    pub(super) earlier: Earlier,
    #[serde(skip)]
    pub(super) first: Option<Input>,
}

/// The outcome of skipped inputs in earlier runs.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// Inputs with records in the lake.
    pub(super) in_lake: u64,
    /// Inputs with all records in quarantine.
    pub(super) refused: u64,
}

/// Counts of inputs by outcome.
#[derive(Debug, Default, Serialize)]
pub(super) struct InputCounts {
    /// All of them.
    pub(super) total: u64,
    /// Read to their end in this run.
    pub(super) read: u64,
    /// Of these, without a record.
    pub(super) empty: u64,
    /// Skipped, since an earlier run finished them.
    pub(super) finished_before: u64,
    /// Skipped, since another one has the same content.
    pub(super) repeated: u64,
    /// Failed.
    pub(super) failed: u64,
    /// Not tried, after a store had failed too often.
    pub(super) not_tried: u64,
}

/// An input that failed: some of its records may not be in the lake or in quarantine.
#[derive(Debug, Serialize)]
pub(super) struct FailedInput {
    pub(super) input: String,
    pub(super) error: String,
}

impl fmt::Display for InputCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} read", counted(self.total, "input"), self.read)?;
        for (number, what) in [
            (self.finished_before, "finished by an earlier run"),
            (self.repeated, "skipped as duplicates"),
            (self.failed, "failed"),
            (self.not_tried, "not tried"),
        ] {
            if number > 0 {
                write!(f, ", {number} {what}")?;
            }
        }
        Ok(())
    }
}

/// Names of inputs that are listed.
const NAMED: usize = 5;
/// Reasons that are listed when everything was refused.
const REASONS: usize = 3;

impl Ingested {
    /// The summary for people.
    pub(super) fn text(&self, output: &Output, stores: &Stores) -> String {
        let mut text = self.summary.text(output, stores);
        if self.inputs.total > 1 {
            text += &format!("{}\n", self.inputs);
        }
        text
    }

    /// Prints warnings and failures, and returns the outcome of the command.
    pub(super) fn conclude(
        &self,
        output: &Output,
        stores: &Stores,
        mapping: &str,
        fail_on_quarantine: bool,
    ) -> Outcome {
        if !self.empty.is_empty() {
            output.say(format_args!("{}: no records", names(&self.empty)));
        }
        let (written, quarantined) = (self.summary.total_written(), self.summary.total_quarantined());
        let is_all_refused = written == 0 && self.earlier.in_lake == 0 && (quarantined > 0 || self.earlier.refused > 0);
        if is_all_refused {
            self.complain_of_refusal(output, stores, mapping);
        } else if !self.refused.is_empty() {
            let inputs = counted(self.refused.len() as u64, "input");
            let warning = output.talk.warning("warning:");
            output.say(format_args!("{warning} all records of {inputs} were refused: {}", names(&self.refused)));
        }
        if !self.failed.is_empty() {
            for FailedInput { input, error } in &self.failed {
                // Most errors begin with the name of their input.
                let named = if error.contains(input.as_str()) { String::new() } else { format!("{input}: ") };
                output.complain(format_args!("{} {}{error}", output.talk.error("failed:"), harmless(&named)));
            }
            let (failed, total) = (self.failed.len(), counted(self.inputs.total, "input"));
            let stopped = match self.inputs.not_tried {
                0 => String::new(),
                more => format!(" and {more} not tried, because the store keeps failing"),
            };
            return Err(Failure::usage(format_args!(
                "{failed} of {total} failed{stopped}. Run it again; objects already written are overwritten"
            )));
        }
        Ok(Verdict::of(is_all_refused || (fail_on_quarantine && quarantined > 0)))
    }

    fn complain_of_refusal(&self, output: &Output, stores: &Stores, mapping: &str) {
        let palette = output.talk;
        let all = match self.summary.total_quarantined() {
            0 => "an earlier run refused all records of these inputs".to_owned(),
            1 => "the only record was refused".to_owned(),
            records if self.summary.discarded.is_empty() => format!("all {} were refused", counted(records, "record")),
            records => format!("all {} that are not discarded were refused", counted(records, "record")),
        };
        let heading = format!("{all}; nothing was written to the lake");
        output.complain(format_args!("{} {}", palette.warning("warning:"), palette.strong(heading)));
        let reasons = self.summary.reasons(REASONS, None);
        if !reasons.is_empty() {
            output.complain(reasons.render("  ", palette).trim_end());
        }
        let has =
            |reasons: &[Reason]| reasons.iter().any(|reason| self.summary.quarantined.contains_key(reason.as_str()));
        let input = match &self.first {
            None | Some(Input::Stdin) => "FILE".to_owned(),
            Some(input) => shell_word(&input.to_string()),
        };
        let mapping = shell_word(mapping);
        let mut advice = vec![
            format!("`sluice map --mapping {mapping} {input}` shows why records are refused"),
            format!("is {mapping} the right mapping for these logs? `sluice mappings` lists the shipped ones"),
        ];
        if has(&[Reason::Undecodable, Reason::Oversized]) {
            advice.push("`decode` in the mapping defines how the input is split into records".to_owned());
        }
        if has(&[Reason::NoMapping]) {
            advice
                .push("`matched_field` in the mapping selects the entry of `ocsf_mapping` for each record".to_owned());
        }
        if has(&[Reason::NoTime]) {
            advice.push("`timestamp` in the mapping names the time field and its format".to_owned());
        }
        let quarantine = stores.quarantine.describe();
        let quarantine = quarantine.trim_end_matches('/');
        advice.push(format!(
            "the records are kept in {}/quarantine/; `sluice replay` retries them with a corrected mapping",
            harmless(quarantine)
        ));
        output.complain(palette.warning("next steps:"));
        for line in advice {
            output.complain(format_args!("  - {line}"));
        }
    }
}

/// The first few names, and how many more there are.
fn names(inputs: &[String]) -> String {
    let shown: Vec<&str> = inputs.iter().take(NAMED).map(String::as_str).collect();
    let more = match inputs.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    harmless(&shown.join(", ")).into_owned() + &more
}

/// A text as one word of a shell, to be copied.
fn shell_word(text: &str) -> String {
    let text = harmless(text);
    let is_plain = |c: char| c.is_alphanumeric() || "/._-:=+,@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_copied_into_a_shell() {
        assert_eq!(shell_word("logs/a-1.gz"), "logs/a-1.gz");
        assert_eq!(shell_word("it's here"), r"'it'\''s here'");
    }

    #[test]
    fn many_names_are_counted() {
        let inputs: Vec<String> = (0..7).map(|n| n.to_string()).collect();
        assert_eq!(names(&inputs), "0, 1, 2, 3, 4 and 2 more");
        assert_eq!(names(&inputs[..1]), "0");
    }
}
