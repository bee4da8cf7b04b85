//! Metrics in CloudWatch's embedded metric format: lines of JSON on standard output that CloudWatch Logs turns into
//! metrics.

use std::collections::BTreeMap;

use pipeline::Counts;
use serde_json::{Map, Value, json};

use crate::deadline::now;

/// The metrics of one invocation.
///
/// Every one has the dimension `service`; some have another, and stand under each set of dimensions in a blob of its own.
#[derive(Debug)]
pub struct Metrics {
    namespace: String,
    service: String,
    /// By the dimensions besides `service`.
    groups: BTreeMap<Dimensions, Vec<Metric>>,
}

/// Names and values.
type Dimensions = Vec<(&'static str, String)>;

/// Name, unit and value.
type Metric = (&'static str, Unit, u64);

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Thousandths of a second.
    Milliseconds,
}

/// How many metrics CloudWatch takes from one blob.
const METRICS_PER_BLOB: usize = 100;

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Count => "Count",
            Unit::Bytes => "Bytes",
            Unit::Milliseconds => "Milliseconds",
        }
    }
}

impl Metrics {
    /// Nothing yet.
    pub fn new(namespace: impl Into<String>, service: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), service: service.into(), groups: BTreeMap::new() }
    }

    /// Adds a metric of the service.
    pub fn add(&mut self, name: &'static str, unit: Unit, value: u64) {
        self.add_by(&[], name, unit, value);
    }

    /// Adds a metric with further dimensions.
    pub fn add_by(&mut self, dimensions: &[(&'static str, &str)], name: &'static str, unit: Unit, value: u64) {
        let dimensions = dimensions.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.groups.entry(dimensions).or_default().push((name, unit, value));
    }

    /// Adds what became of events: how many came in, were written (by class too), quarantined (by reason too) and discarded
    /// (by rule too), and the objects that hold them.
    pub fn add_counts(&mut self, counts: &Counts, objects: u64, bytes: u64) {
        self.add("RecordsIn", Unit::Count, counts.records_in);
        self.add("RecordsWritten", Unit::Count, counts.total_written());
        self.add("RecordsQuarantined", Unit::Count, counts.total_quarantined());
        self.add("RecordsDiscarded", Unit::Count, counts.total_discarded());
        self.add("ValueProblems", Unit::Count, counts.problems);
        self.add("RepeatedFields", Unit::Count, counts.repeated_fields);
        self.add("ObjectsWritten", Unit::Count, objects);
        self.add("BytesWritten", Unit::Bytes, bytes);
        for (reason, count) in &counts.quarantined {
            self.add_by(&[("reason", reason)], "RecordsQuarantined", Unit::Count, *count);
        }
        for (rule, count) in &counts.discarded {
            self.add_by(&[("rule", rule)], "RecordsDiscarded", Unit::Count, *count);
        }
        for (class, count) in &counts.written {
            self.add_by(&[("class", class)], "RecordsWritten", Unit::Count, *count);
        }
    }

    /// The blobs, one line each.
    pub fn lines(&self) -> Vec<String> {
        self.lines_at(now())
    }

    fn lines_at(&self, millis: u64) -> Vec<String> {
        let blobs = self.groups.iter().flat_map(|(dimensions, metrics)| {
            metrics.chunks(METRICS_PER_BLOB).map(move |metrics| self.blob(millis, dimensions, metrics).to_string())
        });
        blobs.collect()
    }

    fn blob(&self, millis: u64, dimensions: &Dimensions, metrics: &[Metric]) -> Value {
        let names: Vec<&str> = ["service"].into_iter().chain(dimensions.iter().map(|(name, _)| *name)).collect();
        let units: Vec<Value> =
            metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit.name()})).collect();
        let mut blob = Map::new();
        blob.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": millis,
                "CloudWatchMetrics": [{"Namespace": self.namespace, "Dimensions": [names], "Metrics": units}],
            }),
        );
        blob.insert("service".to_owned(), json!(self.service));
        blob.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        blob.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))));
        Value::Object(blob)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_as_cloudwatch_reads_it() {
        let mut metrics = Metrics::new("Sluice", "transform-kinesis");
        metrics.add("RecordsIn", Unit::Count, 7);
        metrics.add("IteratorAge", Unit::Milliseconds, 1500);
        metrics.add_by(&[("reason", "no_mapping")], "RecordsQuarantined", Unit::Count, 2);
        let expected = [
            r#"{"_aws":{"Timestamp":5,"CloudWatchMetrics":[{"Namespace":"Sluice","Dimensions":[["service"]],"Metrics":[{"Name":"RecordsIn","Unit":"Count"},{"Name":"IteratorAge","Unit":"Milliseconds"}]}]},"service":"transform-kinesis","RecordsIn":7,"IteratorAge":1500}"#,
            r#"{"_aws":{"Timestamp":5,"CloudWatchMetrics":[{"Namespace":"Sluice","Dimensions":[["service","reason"]],"Metrics":[{"Name":"RecordsQuarantined","Unit":"Count"}]}]},"service":"transform-kinesis","reason":"no_mapping","RecordsQuarantined":2}"#,
        ];
        assert_eq!(metrics.lines_at(5), expected);
    }

    #[test]
    fn no_blob_has_more_metrics_than_cloudwatch_takes() {
        let names: Vec<&'static str> = (0..250).map(|n| &*Box::leak(format!("M{n}").into_boxed_str())).collect();
        let mut metrics = Metrics::new("Sluice", "test");
        for name in &names {
            metrics.add(name, Unit::Count, 1);
        }
        let blobs: Vec<Value> = metrics.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sizes: Vec<_> = blobs
            .iter()
            .map(|blob| blob["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [100, 100, 50]);
        assert!(blobs.iter().all(|blob| blob["service"] == "test"));
    }

    #[test]
    fn nothing_to_report_is_no_line() {
        assert!(Metrics::new("Sluice", "test").lines().is_empty());
    }
}
