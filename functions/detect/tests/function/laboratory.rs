//! A deployment of the function on this machine.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use local_lambda::{Function, InvocationError, Published};
use serde_json::{Value, json};

use crate::cloud::{Cloud, DATABASE, WORKGROUP};

pub(crate) const RULE: &str = "6f3a1c52-7f2a-4f36-9d6c-0c7f0f8f6a01";
pub(crate) const STANDARD: &str = "arn:aws:sns:eu-central-1:111122223333:findings";
pub(crate) const FIFO: &str = "arn:aws:sns:eu-central-1:111122223333:findings.fifo";

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// How often and how far back the rule looks.
pub(crate) const INTERVAL: i64 = 5 * MINUTE;
/// A time after which the rule is due again, with a window that was not looked at yet: the same window would be the same
/// query, whose answer is known.
pub(crate) const LATER: i64 = 7 * MINUTE;
pub(crate) const LOOKBACK: i64 = 20 * MINUTE;

/// The function, and what it calls.
pub(crate) struct Laboratory {
    pub(crate) cloud: Cloud,
    pub(crate) function: Function,
}

impl Laboratory {
    /// One rule, that finds every sign-in of `mallory`.
    pub(crate) fn new(topic: &str) -> Self {
        Self::with(
            topic,
            &rule("SELECT time, user_name FROM {{aws-cloudtrail}} WHERE {{window}} AND user_name = 'mallory'"),
            &[],
        )
    }

    pub(crate) fn with(topic: &str, rule: &str, environment: &[(&str, &str)]) -> Self {
        let cloud = Cloud::new();
        cloud.buckets.put("settings/rules/sign-in.yaml", rule);
        let mut variables = vec![
            ("AWS_ENDPOINT_URL", cloud.endpoint.as_str()),
            ("AWS_MAX_ATTEMPTS", "1"),
            ("SLUICE_STATE", "s3://state"),
            ("SLUICE_RULES", "s3://settings/rules/"),
            ("SLUICE_TOPIC", topic),
            ("SLUICE_FINDINGS", "s3://staging/sluice-findings"),
            ("SLUICE_WORKGROUP", WORKGROUP),
            ("SLUICE_DATABASE", DATABASE),
            ("SLUICE_ACCOUNT", "111122223333"),
        ];
        variables.extend(environment);
        let function = Function::start(Path::new(env!("CARGO_BIN_EXE_detect")), &variables).unwrap();
        Self { cloud, function }
    }

    /// The schedule fires.
    pub(crate) fn fire(&mut self) -> Result<Value, InvocationError> {
        self.function.invoke(
            &json!({"source": "aws.scheduler", "detail-type": "Scheduled Event", "time": "2024-05-01T00:00:00Z"}),
        )
    }

    /// As [`Laboratory::fire`], and as Lambda does with an event that nobody waits for: it is delivered three times at most.
    pub(crate) fn fire_with_retries(&mut self) {
        let _ = (0..3).any(|_| self.fire().is_ok());
    }

    /// Delivers the ends of all queries, `times` times each, until no query is under way any more.
    pub(crate) fn deliver_ends(&mut self, times: usize) {
        let mut delivered = 0;
        loop {
            let events = self.cloud.athena.events();
            if delivered == events.len() {
                return;
            }
            for event in &events[delivered..] {
                if ["SUCCEEDED", "FAILED", "CANCELLED"].contains(&event["detail"]["currentState"].as_str().unwrap()) {
                    for _ in 0..times {
                        let _ = (0..3).any(|_| self.function.invoke(event).is_ok());
                    }
                }
            }
            delivered = events.len();
        }
    }

    /// What is remembered of the rule.
    pub(crate) fn state(&self) -> Value {
        let objects = self.cloud.buckets.objects(&format!("state/rules/{RULE}.json"));
        objects.first().map_or(Value::Null, |(_, content)| serde_json::from_slice(content).unwrap())
    }

    pub(crate) fn set_state(&self, state: &Value) {
        self.cloud.buckets.put(&format!("state/rules/{RULE}.json"), state.to_string());
    }

    /// As if time had passed: claims run out, pauses end, and the watermark lies further back.
    pub(crate) fn time_passes(&self, millis: i64) {
        let mut state = self.state();
        let Some(members) = state.as_object_mut() else { return };
        members.remove("not_before");
        if let Some(run) = members.get_mut("running").and_then(Value::as_object_mut) {
            run.remove("publishing_until");
        }
        if let Some(watermark) = members.get("watermark").and_then(Value::as_i64) {
            members.insert("watermark".to_owned(), json!(watermark - millis));
        }
        self.set_state(&state);
    }

    /// The ids of the findings that are on their way into the lake.
    pub(crate) fn kept(&self) -> BTreeSet<String> {
        let files = self.cloud.buckets.objects("staging/sluice-findings/").into_iter();
        let id = |(key, content): (String, Vec<u8>)| {
            let finding: Value = serde_json::from_slice(&content).unwrap();
            let id = finding["finding_info"]["uid"].as_str().unwrap().to_owned();
            assert!(key.ends_with(&format!("/{id}.json")), "{key}");
            id
        };
        files.map(id).collect()
    }

    /// The messages of a kind, `finding` or `alert`.
    pub(crate) fn messages(&self, kind: &str) -> Vec<Published> {
        let all = self.cloud.topics.published().into_iter();
        all.filter(|message| message.attributes["kind"] == kind).collect()
    }
}

/// A rule file.
pub(crate) fn rule(sql: &str) -> String {
    format!(
        "title: Mallory signs in\nid: {RULE}\nstatus: test\nlevel: high\nschedule: rate(5 minutes)\nlookback: 20m\n\
         ingest_delay: 10m\nsql: |\n  {sql}\n"
    )
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// The latest firing of the schedule: windows end there.
pub(crate) fn last_firing() -> i64 {
    now() / INTERVAL * INTERVAL
}
