//! An event in, queries started and findings published.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use detection::catalog::KnownSource;
use detection::detector::{DetectError, Due};
use detection::finding::FindingContext;
use detection::shipped_sources;
use detection::{Archived, Catalog, Collected, Detector, Publisher, Rule, Settings};
use diagnostics::causes::chain;
use function::{Handler, HandlerError, Invocation, Metrics, StartError, Unit};
use query::Engine as _;
use query::athena::{Athena, AthenaSettings};
use serde_json::{Value, json};
use store::Store;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::configuration::Configuration;
use crate::event::Event;
use crate::queries::AthenaQueries;
use crate::rules::Rules;
use crate::topic::Topic;

/// Runs detections.
#[derive(Debug)]
pub(crate) struct Detect {
    configuration: Configuration,
    athena: Athena,
    state: Arc<dyn Store>,
    publisher: Arc<dyn Publisher>,
    /// What the shipped mappings say: a rule over a source that has logged nothing yet finds nothing, and does not fail.
    /// Read with the first event, since nothing before needs it.
    sources: OnceLock<Vec<KnownSource>>,
    /// Made with the first event, and anew from time to time, so that new tables and rules are seen.
    made: Mutex<Option<Made>>,
}

#[derive(Debug, Clone)]
struct Made {
    detector: Arc<Detector>,
    rules: Arc<Rules>,
    /// When the rules were read.
    at: Instant,
    /// Whether every table that may come is there.
    has_all_tables: bool,
}

/// How long rules, and tables once they are there, are taken to be as they were read.
const REFRESH: Duration = Duration::from_secs(600);

/// What a detector is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A query is started, which has to see all that is in the lake by then: a table that was not there is looked for again,
    /// since a window that was queried without it would not be looked at a second time.
    Start,
    /// What a query found is published.
    Collect,
}

/// What an event came to.
#[derive(Debug, Default)]
struct Tally {
    started: u64,
    collected: u64,
    published: u64,
    repeated: u64,
    /// Findings whose events came later than their rule allows for.
    late: u64,
    failures: u64,
    scanned: u64,
    /// The longest that a rule is behind, in milliseconds.
    lag: Option<u64>,
    /// Why something has to be tried again.
    transient: Option<String>,
}

impl Detect {
    /// Reads the environment. What it names is asked for with the first event.
    pub(crate) async fn from_environment() -> Result<Self, StartError> {
        let configuration = Configuration::from_environment(|name| std::env::var(name).ok())?;
        let config = store::aws::sdk_config().await;
        let unusable =
            |variable, error: &dyn std::error::Error| StartError::Unusable { variable, reason: error.to_string() };
        let state = store::open(&configuration.state).await.map_err(|error| unusable("SLUICE_STATE", &error))?;
        let settings = AthenaSettings {
            workgroup: Some(configuration.workgroup.clone()),
            catalog: configuration.catalog.clone(),
            databases: vec![configuration.database.clone()],
            ..AthenaSettings::default()
        };
        let mut publisher: Arc<dyn Publisher> =
            Arc::new(Topic::new(aws_sdk_sns::Client::new(&config), configuration.topic.clone()));
        if let Some(findings) = &configuration.findings {
            let files = store::open(findings).await.map_err(|error| unusable("SLUICE_FINDINGS", &error))?;
            publisher = Arc::new(Archived::new(files, publisher));
        }
        Ok(Self {
            athena: Athena::new(&config, settings),
            state,
            publisher,
            sources: OnceLock::new(),
            made: Mutex::default(),
            configuration,
        })
    }

    /// The detector, made where there is none, where it is old, or where it may lack a table.
    async fn detector(&self, purpose: Purpose) -> Result<Made, HandlerError> {
        let mut made = self.made.lock().await;
        let known = made.as_ref().filter(|made| made.at.elapsed() < REFRESH);
        let sees_all = |made: &Made| made.has_all_tables || purpose == Purpose::Collect;
        if let Some(known) = known.filter(|known| sees_all(known)) {
            return Ok(known.clone());
        }
        match self.make(known).await {
            Ok(new) => Ok(made.insert(new).clone()),
            // Better than nothing; the next event tries again.
            Err(error) => match made.as_ref().filter(|old| sees_all(old)) {
                Some(old) => {
                    tracing::warn!(error, "rule refresh failed, using previous rules");
                    Ok(old.clone())
                }
                None => Err(HandlerError::Unfinished(error)),
            },
        }
    }

    /// Reads tables, and rules unless they are `known`.
    async fn make(&self, known: Option<&Made>) -> Result<Made, String> {
        let Configuration { database, account, region, .. } = &self.configuration;
        let (rules, at) = match known {
            Some(known) => (Arc::clone(&known.rules), known.at),
            None => (Arc::new(self.read_rules().await?), Instant::now()),
        };
        let tables = self.athena.tables().await.map_err(|error| format!("the tables of {database}: {error}"))?;
        let mut catalog = Catalog::of_tables(&tables, self.sources(), database);
        if let Some(file) = &rules.catalog {
            catalog = catalog.with_file(file, &tables).map_err(|error| format!("catalog.yaml: {error}"))?;
        }
        tracing::info!(
            rules = rules.rules.len(),
            refused = rules.refused.len(),
            tables = tables.len(),
            without_tables = catalog.without_tables().collect::<Vec<_>>().join(", "),
            "rules loaded"
        );
        let has_all_tables = catalog.has_all_tables();
        let context = FindingContext { account: account.clone(), region: region.clone(), ..FindingContext::default() };
        let settings = Settings { context, ..Settings::default() };
        let queries = Arc::new(AthenaQueries(self.athena.clone()));
        let publisher = Arc::clone(&self.publisher);
        let detector =
            Detector::new(rules.rules.clone(), catalog, queries, Arc::clone(&self.state), publisher, settings);
        Ok(Made { detector: Arc::new(detector), rules, at, has_all_tables })
    }

    fn sources(&self) -> &[KnownSource] {
        self.sources.get_or_init(|| {
            shipped_sources().unwrap_or_else(|error| {
                tracing::error!(%error, "shipped mappings unreadable");
                Vec::new()
            })
        })
    }

    async fn read_rules(&self) -> Result<Rules, String> {
        let location = self.configuration.rules.as_deref();
        let rules = Rules::load(location).await.map_err(|error| format!("SLUICE_RULES: {error}"))?;
        for rule in &rules.refused {
            tracing::error!(file = rule.file, reason = rule.reason, "rule refused");
        }
        Ok(rules)
    }
}

impl Handler for Detect {
    async fn handle(&self, event: &str, invocation: &Invocation, metrics: &mut Metrics) -> Result<Value, HandlerError> {
        let mut tally = Tally::default();
        match Event::parse(event)? {
            Event::StateChange { workgroup, .. } if workgroup != self.configuration.workgroup => {
                tracing::debug!(workgroup, "query ignored");
                return Ok(json!({ "ignored": "workgroup" }));
            }
            Event::StateChange { state, .. } if !["SUCCEEDED", "FAILED", "CANCELLED"].contains(&state.as_str()) => {
                return Ok(json!({ "ignored": "state" }));
            }
            Event::StateChange { query_id, .. } => {
                let Made { detector, .. } = self.detector(Purpose::Collect).await?;
                let rules = collect(&detector, &query_id, &mut tally).await;
                if !rules.is_empty() {
                    // The rules catch up at once if they can; otherwise the next scheduled run continues.
                    match self.detector(Purpose::Start).await {
                        Ok(Made { detector, .. }) => {
                            start_due(&detector, Some(&rules), invocation, &mut tally).await;
                        }
                        Err(error) => {
                            tracing::warn!(%error, "catch-up deferred")
                        }
                    }
                }
            }
            Event::Schedule => {
                let Made { detector, rules, .. } = self.detector(Purpose::Start).await?;
                start_due(&detector, None, invocation, &mut tally).await;
                tally.failures += rules.refused.len() as u64;
                metrics.add("RulesActive", Unit::Count, detector.rules().len() as u64);
                metrics.add("RulesWithoutTables", Unit::Count, detector.rules_without_tables().count() as u64);
            }
        }
        tally.report(metrics);
        match tally.transient {
            Some(reason) => Err(HandlerError::Unfinished(reason)),
            None => Ok(json!({
                "started": tally.started, "collected": tally.collected, "published": tally.published,
                "failures": tally.failures,
            })),
        }
    }
}

async fn start_due(detector: &Detector, only: Option<&[Uuid]>, invocation: &Invocation, tally: &mut Tally) {
    let now = now();
    let due = detector.start_due(only, now, &|| invocation.deadline.has_time()).await;
    if due.deferred > 0 {
        tracing::warn!(left = due.deferred, "rules deferred");
    }
    tally.add_due(detector.rules(), due, now);
}

/// Collects a query, unless that fails. Returns the rules whose next query can start at once.
async fn collect(detector: &Detector, query_id: &str, tally: &mut Tally) -> Vec<Uuid> {
    match detector.collect(query_id, now()).await {
        Ok(collection) => {
            for collected in &collection.collected {
                tally.add_collected(collected);
            }
            for (rule, error) in &collection.faults {
                tally.add_fault(Step::Rule(rule), error);
            }
            collection.collected.iter().filter_map(Collected::may_continue).collect()
        }
        Err(error) => {
            tally.add_fault(Step::Query(query_id), &error);
            Vec::new()
        }
    }
}

/// What a fault is of.
#[derive(Clone, Copy)]
enum Step<'s> {
    /// The start of a rule's queries.
    Rule(&'s dyn fmt::Display),
    /// The collection of a query.
    Query(&'s str),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => write!(f, "rule {rule}"),
            Self::Query(id) => write!(f, "query {id}"),
        }
    }
}

impl Tally {
    fn add_due(&mut self, rules: &[Rule], due: Due, now: i64) {
        for started in &due.started {
            let detection::Started { rules, query_id, window } = started;
            for rule in rules {
                tracing::info!(%rule, query_id, start = window.start, end = window.end, "query started");
            }
            self.started += 1;
        }
        for collected in &due.collected {
            self.add_collected(collected);
        }
        for (rule, error) in &due.faults {
            self.add_fault(Step::Rule(rule), error);
        }
        for (id, behind) in &due.lag {
            let Some(rule) = rules.iter().find(|rule| rule.id == *id) else { continue };
            // Before its first run a rule is not behind, and between two firings of its schedule neither.
            let due = behind.and_then(|behind| rule.schedule.first_after(now - behind));
            let late = due.and_then(|due| u64::try_from(now - due).ok()).unwrap_or_default();
            self.lag = self.lag.max(Some(late));
        }
    }

    fn add_collected(&mut self, collected: &Collected) {
        match collected {
            Collected::Published { rule, window, published, repeated, late, scanned_bytes, truncated } => {
                tracing::info!(
                    %rule, start = window.start, end = window.end, published, repeated, scanned_bytes, truncated,
                    "query collected"
                );
                if *truncated {
                    tracing::error!(%rule, start = window.start, end = window.end, "findings truncated");
                }
                if late.findings > 0 {
                    // Others may have been missed.
                    let (findings, most_milliseconds) = (late.findings, late.most);
                    tracing::error!(%rule, findings, most_milliseconds, "findings late");
                }
                self.collected += 1;
                self.published += published;
                self.repeated += repeated;
                self.late += late.findings;
                self.scanned += scanned_bytes;
            }
            Collected::Narrowed { rule, window } => {
                tracing::info!(
                    %rule, start = window.start, end = window.end,
                    "window split"
                );
                self.collected += 1;
            }
            Collected::Separated { rule, window, error } => {
                let error = error.as_ref().map_or_else(|| "too many rows".to_owned(), ToString::to_string);
                tracing::warn!(
                    %rule, start = window.start, end = window.end, error,
                    "shared query failed, running rule alone"
                );
                self.collected += 1;
            }
            Collected::Failed { rule, window, error } => {
                tracing::error!(%rule, start = window.start, end = window.end, %error, "query failed");
                self.collected += 1;
                self.failures += 1;
            }
            Collected::Unknown | Collected::Outdated | Collected::Running | Collected::Claimed => {
                tracing::debug!(?collected, "nothing to collect");
            }
        }
    }

    fn add_fault(&mut self, step: Step<'_>, error: &DetectError) {
        let chain = chain(error);
        let (rule, query_id) = match step {
            Step::Rule(rule) => (Some(tracing::field::display(rule)), None),
            Step::Query(id) => (None, Some(id)),
        };
        self.failures += 1;
        if error.is_transient() {
            tracing::warn!(rule, query_id, error = chain, "step failed, retrying");
            self.transient.get_or_insert(format!("{step}: {chain}"));
        } else {
            tracing::error!(rule, query_id, error = chain, "step failed");
        }
    }

    fn report(&self, metrics: &mut Metrics) {
        metrics.add("QueriesStarted", Unit::Count, self.started);
        metrics.add("QueriesCollected", Unit::Count, self.collected);
        metrics.add("FindingsPublished", Unit::Count, self.published);
        metrics.add("FindingsRepeated", Unit::Count, self.repeated);
        metrics.add("FindingsLate", Unit::Count, self.late);
        metrics.add("DetectionFailures", Unit::Count, self.failures);
        metrics.add("BytesScanned", Unit::Bytes, self.scanned);
        if let Some(lag) = self.lag {
            metrics.add("DetectionLag", Unit::Milliseconds, lag);
        }
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
