//! The logs of the demo: made up, the same every time, with a few records that are broken on purpose.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use samples::{NetworkFirewall, Period, Share, Sysmon};
use serde_json::{Value, json};

/// 2025-03-03T20:00:00Z: the logs run over midnight, so that they fall into two days.
const START: i64 = 1_741_032_000_000;
const SPREAD: u64 = 8 * 3_600_000;
const SEED: u64 = 2025;

/// A log file to be.
pub(super) struct Log {
    pub(super) name: &'static str,
    pub(super) mapping: &'static str,
    pub(super) about: &'static str,
    pub(super) lines: Vec<String>,
}

impl Log {
    /// The bytes of the file, compressed if its name says so.
    pub(super) fn content(&self) -> io::Result<Vec<u8>> {
        let text = self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
        if !self.name.ends_with(".gz") {
            return Ok(text.into_bytes());
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes())?;
        encoder.finish()
    }
}

/// The two logs, `events` of Sysmon and half as many of the firewall.
pub(super) fn logs(events: u64) -> [Log; 2] {
    let sysmon = Sysmon::new(SEED, Share::Fleet, Period::spread(START, SPREAD, events));
    let mut sysmon: Vec<String> = sysmon.take(usize::try_from(events).unwrap_or(usize::MAX)).collect();
    for (number, broken) in (1..).zip(broken()) {
        // Here and there among the others.
        let at = sysmon.len() * number / 8;
        sysmon.insert(at, broken);
    }
    let firewall = NetworkFirewall::new(SEED, Period::spread(START, SPREAD, events / 2));
    let firewall = firewall.take(usize::try_from(events / 2).unwrap_or(usize::MAX)).collect();
    [
        Log {
            name: "windows-sysmon.ndjson.gz",
            mapping: "windows-sysmon",
            about: "Sysmon, as the Kinesis Agent for Windows sends it",
            lines: sysmon,
        },
        Log {
            name: "aws-network-firewall.ndjson",
            mapping: "aws-network-firewall",
            about: "AWS Network Firewall: flows, alerts, TLS inspection",
            lines: firewall,
        },
    ]
}

/// Records as they should not be, but are.
fn broken() -> Vec<String> {
    let event = |id: u16, change: &dyn Fn(&mut Value)| {
        let text = samples::sysmon_event(id, SEED).unwrap_or_default();
        let mut event: Value = serde_json::from_str(&text).unwrap_or_default();
        change(&mut event);
        event.to_string()
    };
    let cut: String = event(3, &|_| {}).chars().take(160).collect();
    let newer = |event: &mut Value| {
        event["EventId"] = json!(30);
        event["Description"] = json!("Something that no release of Sysmon has written yet:");
    };
    vec![
        // The agent was stopped in the middle of a line.
        cut,
        // Somebody else writes into the same file.
        "-- MARK --".to_owned(),
        // A release of Sysmon that is newer than the mapping.
        event(1, &newer),
        event(1, &newer),
        // Neither the message nor the envelope says when.
        event(1, &|event| {
            let text = event["Description"].as_str().unwrap_or_default();
            let lines: Vec<&str> = text.split("\r\n").filter(|line| !line.starts_with("UtcTime: ")).collect();
            event["Description"] = json!(lines.join("\r\n"));
            event["TimeCreated"] = json!("yesterday");
        }),
        // A number that is none: the record is written, the value kept in `unmapped`.
        event(5, &|event| {
            let text = event["Description"].as_str().unwrap_or_default();
            let lines =
                text.split("\r\n").map(|line| if line.starts_with("ProcessId: ") { "ProcessId: ?!" } else { line });
            event["Description"] = json!(lines.collect::<Vec<_>>().join("\r\n"));
        }),
    ]
}

/// A mapping that knows the newer event, built on the shipped one.
pub(super) fn repaired_mapping() -> Value {
    json!({ "custom_source_events": {
        "extends": "windows-sysmon",
        "source_name": "windows-sysmon",
        "ocsf_mapping": {
            "30": {
                "schema": "application_lifecycle",
                "schema_mapping": {
                    "activity_id": 99,
                    "activity_name": "Newer event",
                    "app": { "name": "Sysmon", "vendor_name": "Microsoft" }
                }
            }
        }
    } })
}
