//! `sluice detect backtest`: how noisy rules would have been.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{fmt, fs};

use anyhow::Context as _;
use clap::ValueHint;
use detection::Window;
use detection::rule::PerDay;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde::Serialize;

use crate::engine::EngineArguments;
use crate::exit::{Outcome, Verdict};
use crate::hunting::{CatalogArguments, Hunting, Unanswered};
use crate::output::{Align, Output, Palette, ResultFormat, Table, count, counted, harmless, size};
use crate::period::Period;

/// Count the findings of rules by day, before you deploy them
///
/// Counts the findings of `sluice hunt` by the UTC day of their first event, and the bytes that each rule reads. If a
/// rule sets `expect_per_day`, days outside that range are named.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice detect backtest --lake ./lake --since 30d my-rules/brute-force.yaml
  sluice detect backtest --engine athena --database security_lake --since 7d --format json my-rules/
  sluice detect backtest --lake ./lake --since 30d --junit backtest.xml my-rules/

A rule with `expect_per_day` counts as a finding only if a day is outside that range.
Exit code: 0 nothing found, 1 findings, 2 a rule is refused, 3 bad usage or engine failure.")]
pub(crate) struct Backtest {
    /// Files, folders, or names of shipped rules [default: all shipped rules]
    #[arg(value_name = "RULES", value_hint = ValueHint::AnyPath)]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    period: Period,
    /// Maximum number of rows for each rule
    #[arg(long, value_name = "ROWS", default_value_t = 10_000)]
    limit: u64,
    /// Also write the results as JUnit XML, with one test case for each rule
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    junit: Option<PathBuf>,
    /// Format of the counts
    #[arg(long, value_enum, default_value_t)]
    format: ResultFormat,
    #[command(flatten)]
    catalog: CatalogArguments,
    #[command(flatten)]
    engine: EngineArguments,
}

#[derive(Serialize)]
struct Tested {
    rule: String,
    title: String,
    /// Statements that were run for this rule.
    statements: u64,
    /// Whether it shared its statement with other rules. `scanned_bytes` and `seconds` are its share then.
    shared: bool,
    findings: usize,
    /// By UTC day.
    days: BTreeMap<String, u64>,
    /// Days with more or fewer findings than the rule expects.
    surprises: Vec<Surprise>,
    truncated: bool,
    scanned_bytes: u64,
    seconds: f64,
    #[serde(skip)]
    is_expected: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Surprise {
    day: String,
    findings: u64,
    expected: String,
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, expected {}", self.day, counted(self.findings, "finding"), self.expected)
    }
}

impl Backtest {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let Self { period, catalog, engine, limit, .. } = &self;
        let mut hunting = Hunting::new(&self.rules, period, catalog, engine, *limit, output)?;
        let whole_days = whole_days(hunting.window);
        let mut tested = Vec::new();
        let unanswered = hunting.each_rule(output, |rule, found, _| {
            let mut days = BTreeMap::new();
            for finding in &found.findings {
                *days.entry(day(finding.first)).or_default() += 1;
            }
            tested.push(Tested {
                rule: rule.id.to_string(),
                title: rule.title.clone(),
                statements: found.statements,
                shared: found.is_shared,
                findings: found.findings.len(),
                surprises: rule
                    .expect_per_day
                    .map_or_else(Vec::new, |expected| surprises(expected, &days, &whole_days)),
                days,
                truncated: found.truncated,
                scanned_bytes: found.statistics.scanned_bytes,
                seconds: found.statistics.duration.as_secs_f64(),
                is_expected: rule.expect_per_day.is_some(),
            });
            Ok(())
        })?;
        match self.format {
            ResultFormat::Json => output.json(&tested)?,
            ResultFormat::Table => output.write(table(&tested, output.data))?,
        }
        if let Some(file) = &self.junit {
            let text = junit(&tested, &unanswered, &hunting.rules.refused)?;
            fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        hunting.ending(&unanswered, Verdict::of(tested.iter().any(Tested::is_surprising)))
    }
}

impl Tested {
    /// A rule that says how many findings a day are usual is surprising if a day is not; any other if it finds something.
    fn is_surprising(&self) -> bool {
        if self.is_expected { !self.surprises.is_empty() } else { self.findings > 0 }
    }
}

fn table(tested: &[Tested], palette: Palette) -> String {
    /// Days that are named; a rule that is wrong on every day need not be told day by day.
    const NAMED: usize = 5;
    let right = Align::Right;
    let columns = [("RULE", Align::Left), ("FINDINGS", right), ("DAYS", right), ("MOST A DAY", right)];
    let mut table = Table::new(columns.into_iter().chain([("STATEMENTS", right), ("READ", right), ("", Align::Left)]));
    for rule in tested {
        let named = rule.surprises.iter().take(NAMED).map(Surprise::to_string);
        let more = rule.surprises.len().checked_sub(NAMED).filter(|more| *more > 0);
        let notes = rule.truncated.then(|| "cut: raise --limit".to_owned()).into_iter();
        let notes = notes.chain(named).chain(more.map(|more| format!("{} more", counted(more as u64, "day"))));
        table.row([
            harmless(&rule.title).into_owned(),
            count(rule.findings as u64),
            rule.days.len().to_string(),
            count(rule.days.values().copied().max().unwrap_or(0)),
            if rule.shared { "shared".to_owned() } else { count(rule.statements) },
            size(rule.scanned_bytes),
            notes.collect::<Vec<_>>().join("; "),
        ]);
    }
    table.render("", palette)
}

/// The days on which there were not as many findings as the rule expects. A day that is looked at only in part may have too
/// many, but not too few.
fn surprises(expected: PerDay, days: &BTreeMap<String, u64>, whole_days: &BTreeSet<String>) -> Vec<Surprise> {
    let wanted = match expected {
        PerDay { least, most: u64::MAX } => format!("at least {least}"),
        PerDay { least: 0, most } => format!("at most {most}"),
        PerDay { least, most } => format!("{least} to {most}"),
    };
    let all: BTreeSet<&String> = days.keys().chain(whole_days).collect();
    let counts = all.into_iter().map(|day| (day, days.get(day).copied().unwrap_or(0)));
    let is_usual =
        |day: &String, count: u64| count <= expected.most && (count >= expected.least || !whole_days.contains(day));
    counts
        .filter(|(day, count)| !is_usual(day, *count))
        .map(|(day, findings)| Surprise { day: day.clone(), findings, expected: wanted.clone() })
        .collect()
}

/// The UTC days that are wholly within a time.
fn whole_days(window: Window) -> BTreeSet<String> {
    const DAY: i64 = 86_400_000;
    let first = window.start.div_euclid(DAY) + i64::from(window.start.rem_euclid(DAY) > 0);
    (first..window.end.div_euclid(DAY)).map(|number| day(number * DAY)).collect()
}

/// A test case for each rule, as build servers read them. One that is surprising has failed; one that gave no answer, or whose
/// file is refused, is an error.
fn junit(tested: &[Tested], unanswered: &[Unanswered], refused: &[String]) -> anyhow::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let failures = tested.iter().filter(|rule| rule.is_surprising()).count().to_string();
    let errors: Vec<(&str, &str, &str)> = unanswered
        .iter()
        .map(|rule| (rule.title.as_str(), rule.id.as_str(), rule.reason.as_str()))
        .chain(refused.iter().map(|file| (file.as_str(), "", "lint refuses the file")))
        .collect();
    let suite = [
        ("name", "sluice detect backtest"),
        ("tests", &(tested.len() + errors.len()).to_string()),
        ("failures", &failures),
        ("errors", &errors.len().to_string()),
    ];
    writer.create_element("testsuites").write_inner_content(|writer| {
        writer.create_element("testsuite").with_attributes(suite).write_inner_content(|writer| {
            for rule in tested {
                let seconds = format!("{:.3}", rule.seconds);
                let title = harmless(&rule.title);
                let attributes = [("name", title.as_ref()), ("classname", &rule.rule), ("time", &seconds)];
                let case = writer.create_element("testcase").with_attributes(attributes);
                if !rule.is_surprising() {
                    case.write_empty()?;
                    continue;
                }
                case.write_inner_content(|writer| {
                    let message = counted(rule.findings as u64, "finding");
                    let surprises: Vec<String> = rule.surprises.iter().map(Surprise::to_string).collect();
                    let failure = writer.create_element("failure").with_attribute(("message", message.as_str()));
                    failure.write_text_content(BytesText::new(&surprises.join("\n"))).map(|_| ())
                })?;
            }
            for (name, class, reason) in errors {
                let name = harmless(name);
                let case = writer.create_element("testcase");
                let case = case.with_attributes([("name", name.as_ref()), ("classname", class)]);
                case.write_inner_content(|writer| {
                    writer.create_element("error").with_attribute(("message", reason)).write_empty().map(|_| ())
                })?;
            }
            Ok(())
        })?;
        Ok(())
    })?;
    let mut text = writer.into_inner();
    text.push(b'\n');
    Ok(text)
}

/// The UTC day of milliseconds since 1970.
fn day(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| milliseconds.to_string(), |time| time.to_zoned(TimeZone::UTC).date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_surprising_with_more_findings_than_usual_or_fewer_if_it_was_looked_at_to_its_end() {
        let days = [("2024-05-01", 9), ("2024-05-02", 3), ("2024-05-04", 1)];
        let days = days.map(|(day, count)| (day.to_owned(), count)).into();
        // From noon of the first day to noon of the fourth.
        let noon = 1_714_521_600_000 + 43_200_000;
        let whole = whole_days(Window { start: noon, end: noon + 3 * 86_400_000 });
        let surprises = surprises(PerDay { least: 2, most: 5 }, &days, &whole);
        let told: Vec<String> = surprises.iter().map(Surprise::to_string).collect();
        assert_eq!(told, ["2024-05-01: 9 findings, expected 2 to 5", "2024-05-03: 0 findings, expected 2 to 5",]);
    }
}
