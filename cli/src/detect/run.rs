//! `sluice detect run`: what is due, as the deployed function does it.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueHint;
use detection::message::Attribute;
use detection::{Collected, Detector, Message, PublishError, Publisher, RunToEnd, Settings};
use jiff::Timestamp;
use query::BoxFuture;
use serde_json::{Map, Value, json};

use crate::engine::EngineArguments;
use crate::exit::{Failure, Outcome, Verdict};
use crate::hunting::CatalogArguments;
use crate::lake_arguments::runtime;
use crate::output::{Output, counted, harmless, size};
use crate::rules::Accepted;

/// Run due rules like the deployed function
///
/// Each due rule covers the time since its watermark, and prints each finding once. Watermarks and published findings
/// are kept in the state, so a rule catches up without a gap after a pause. Run this command from cron or a timer.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice detect run --lake ./lake --state ./state
  */5 * * * *  sluice detect run --lake /srv/lake --state /srv/state /etc/sluice/rules | notify

Each line is a message as the topic would get it: id, group, subject, attributes and body.
Exit code: 0 success, 1 findings or alerts, 2 a rule is refused,
3 bad usage, or engine or store failure.")]
pub(crate) struct Run {
    /// Files, folders, or names of shipped rules [default: all shipped rules]
    #[arg(value_name = "RULES", value_hint = ValueHint::AnyPath)]
    rules: Vec<PathBuf>,
    /// Location of watermarks and published findings: a folder, or s3://bucket[/prefix]
    #[arg(long, value_name = "LOCATION", value_hint = ValueHint::AnyPath)]
    state: String,
    /// Time of the run [default: now]
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    #[command(flatten)]
    catalog: CatalogArguments,
    #[command(flatten)]
    engine: EngineArguments,
}

impl Run {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let accepted = Accepted::at(&self.rules, output)?;
        let rules: Vec<_> = accepted.rules().cloned().collect();
        let runtime = runtime()?;
        let engine: Arc<dyn query::Engine> = Arc::from(runtime.block_on(self.engine.open())?);
        let catalog = self.catalog.catalog(&runtime.block_on(engine.tables())?)?;
        let store = runtime.block_on(crate::aws_access::open_store(&self.state))?;
        let publisher = Arc::new(StandardOutput(*output));
        let queries = Arc::new(RunToEnd::new(engine));
        let titles: Vec<_> = rules.iter().map(|rule| (rule.id, rule.title.clone())).collect();
        let detector = Detector::new(rules, catalog, queries, store, publisher, Settings::default());
        let now = || self.now.unwrap_or_else(Timestamp::now).as_millisecond();
        let (mut published, mut scanned, mut failed, mut runs) = (0, 0, 0, 0);
        let mut faults = Vec::new();
        let start = |rules: Option<&[_]>| runtime.block_on(detector.start_due(rules, now(), &|| true));
        let mut due = start(None);
        while !due.started.is_empty() || !due.collected.is_empty() {
            let mut next = detection::detector::Due::default();
            for collected in std::mem::take(&mut due.collected) {
                note(&collected, &mut published, &mut scanned, &mut failed);
            }
            for started in &due.started {
                runs += 1;
                match runtime.block_on(detector.collect(&started.query_id, now())) {
                    Ok(collection) => {
                        for collected in &collection.collected {
                            note(collected, &mut published, &mut scanned, &mut failed);
                        }
                        faults.extend(collection.faults);
                        let rules: Vec<_> = collection.collected.iter().filter_map(Collected::may_continue).collect();
                        let more = start(Some(&rules));
                        next.started.extend(more.started);
                        next.collected.extend(more.collected);
                        next.faults.extend(more.faults);
                    }
                    Err(error) => faults.extend(started.rules.first().map(|rule| (*rule, error))),
                }
            }
            faults.append(&mut due.faults);
            due = next;
        }
        faults.append(&mut due.faults);
        let title = |rule| titles.iter().find(|(id, _)| *id == rule).map_or("", |(_, title)| title.as_str());
        // Another run did this one's work, which is no failure.
        let (overtaken, faults): (Vec<_>, Vec<_>) = faults.into_iter().partition(|(_, error)| error.is_conflict());
        for (rule, _) in &overtaken {
            output
                .say(format_args!("rule `{}`: skipped, another run is already processing it", harmless(title(*rule))));
        }
        let refused = faults.len() as u64;
        for (rule, error) in faults {
            output.error(&anyhow::Error::new(error).context(format!("rule `{}`", harmless(title(rule)))));
        }
        let (windows, found) = (counted(runs, "run"), counted(published, "finding"));
        output.say(output.talk.faint(format_args!("{windows}, {found}, {failed} failed; {} read", size(scanned))));
        match refused {
            0 => accepted.ending(Verdict::of(published + failed > 0)),
            _ => Err(Failure::usage(format_args!("{} could not be run", counted(refused, "rule")))),
        }
    }
}

fn note(collected: &Collected, published: &mut u64, scanned: &mut u64, failed: &mut u64) {
    match collected {
        Collected::Published { published: found, scanned_bytes, .. } => {
            *published += found;
            *scanned += scanned_bytes;
        }
        Collected::Failed { .. } => *failed += 1,
        _ => {}
    }
}

/// Messages as lines of JSON.
#[derive(Debug)]
struct StandardOutput(Output);

impl Publisher for StandardOutput {
    fn publish<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), PublishError>> {
        let attributes: Map<String, Value> = message
            .attributes
            .iter()
            .map(|(name, attribute)| {
                let value = match attribute {
                    Attribute::Text(text) => json!(text),
                    Attribute::Texts(texts) => json!(texts),
                };
                ((*name).to_owned(), value)
            })
            .collect();
        let body = serde_json::from_str::<Value>(&message.body).unwrap_or_else(|_| json!(message.body));
        let line = json!({
            "id": message.id,
            "group": message.group,
            "subject": message.subject,
            "attributes": attributes,
            "body": body,
        });
        let written = self.0.stream(|data| data.json(&line));
        Box::pin(async move {
            written.map_err(|_| PublishError { message: "standard output is closed".to_owned(), transient: false })
        })
    }
}
