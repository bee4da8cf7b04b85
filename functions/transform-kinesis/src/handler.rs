//! A batch of records in, the sequence number to go on from out.

use std::time::{SystemTime, UNIX_EPOCH};

use function::{Handler, HandlerError, Invocation, Metrics, Transformer, Unit};
use pipeline::{KinesisEvent, StreamOutcome, StreamRecord, transform_records};
use serde_json::{Value, json};

/// Brings batches of records into the lake.
#[derive(Debug)]
pub(crate) struct TransformKinesis {
    transformer: Transformer,
}

impl TransformKinesis {
    pub(crate) fn new(transformer: Transformer) -> Self {
        Self { transformer }
    }
}

impl Handler for TransformKinesis {
    async fn handle(&self, event: &str, invocation: &Invocation, metrics: &mut Metrics) -> Result<Value, HandlerError> {
        let event = KinesisEvent::parse(event).map_err(|error| HandlerError::Malformed {
            expected: "a batch of Kinesis records",
            reason: error.to_string(),
        })?;
        let records = event.records();
        let Transformer { sources, stores, .. } = &self.transformer;
        let settings = self.transformer.settings(invocation);
        let has_time = || invocation.deadline.has_time();
        let outcome = transform_records(sources, &settings, stores, &records, has_time).await;
        report(&outcome, &records, metrics);
        Ok(answer(&outcome, &records))
    }
}

/// What Lambda is told: the lowest sequence number that is not safe, or that all are. An answer without a number, or with
/// an empty one, would fail the whole batch.
fn answer(outcome: &StreamOutcome, records: &[StreamRecord<'_>]) -> Value {
    let failed = outcome.retry_from.and_then(|index| records.get(index));
    let failures: Vec<Value> =
        failed.map(|record| json!({"itemIdentifier": record.sequence_number})).into_iter().collect();
    json!({ "batchItemFailures": failures })
}

fn report(outcome: &StreamOutcome, records: &[StreamRecord<'_>], metrics: &mut Metrics) {
    let StreamOutcome { retry_from, counts, objects, bytes, errors } = outcome;
    let retried = retry_from.map_or(0, |index| records.len() - index) as u64;
    metrics.add_counts(counts, *objects, *bytes);
    metrics.add("RecordsRetried", Unit::Count, retried);
    if let Some(last) = records.last() {
        metrics.add("IteratorAge", Unit::Milliseconds, age(last.arrival));
    }
    for error in errors {
        tracing::warn!(error, "records retried");
    }
    tracing::info!(
        shard = records.first().map(|record| record.shard),
        first = records.first().map(|record| record.sequence_number),
        last = records.last().map(|record| record.sequence_number),
        retry_from = retry_from.and_then(|index| records.get(index)).map(|record| record.sequence_number),
        records = records.len(),
        events = counts.records_in,
        written = counts.total_written(),
        quarantined = counts.total_quarantined(),
        problems = counts.problems,
        repeated_fields = counts.repeated_fields,
        objects,
        bytes,
        "batch done"
    );
}

/// Milliseconds since a moment.
fn age(millis: i64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    now.saturating_sub(millis).max(0) as u64
}
