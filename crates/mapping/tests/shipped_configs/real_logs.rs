//! The shipped configs over real logs, which are not part of this repository: these tests do something where
//! `../shared/data` exists beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::forms::comparable;
use crate::harness::{Fate, Harness};
use flate2::read::MultiGzDecoder;

/// The folder of real logs, if it is there.
fn real_logs() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !folder.is_dir() {
        eprintln!("skipped: ../shared/data is not here");
    }
    folder.is_dir().then_some(folder)
}

fn lines(path: &Path) -> impl Iterator<Item = String> + use<> {
    let file = File::open(path).unwrap();
    let bytes: Box<dyn Read> = match path.extension() {
        Some(extension) if extension == "gz" => Box::new(MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    BufReader::new(bytes).lines().map(Result::unwrap)
}

/// What stands between two texts, the first time.
fn between<'l>(line: &'l str, before: &str, after: &str) -> Option<&'l str> {
    Some(line.split_once(before)?.1.split_once(after)?.0)
}

/// Events of a kind that are also read back and checked against the schema; all are mapped.
const CHECKED_OF_A_KIND: usize = 40;

/// What became of the lines of a file.
#[derive(Debug, Default)]
struct Tally {
    lines: usize,
    refused: BTreeMap<String, usize>,
    problems: BTreeMap<String, usize>,
    invalid: BTreeSet<String>,
}

/// Maps the lines whose kind is wanted. Reads back and checks the first of each kind, and all that have a problem.
fn tally(config: &str, path: &Path, kind: impl Fn(&str) -> Option<String>) -> Tally {
    let harness = Harness::shipped(config);
    let mut tally = Tally::default();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines(path) {
        let Some(kind) = kind(&line) else { continue };
        tally.lines += 1;
        let nth = seen.entry(kind.clone()).or_default();
        *nth += 1;
        let problems = match harness.problems(&line) {
            Ok(problems) => problems,
            Err(reason) => {
                *tally.refused.entry(format!("{kind}: {reason}")).or_default() += 1;
                continue;
            }
        };
        for problem in &problems {
            *tally.problems.entry(format!("{kind}: {}: {}", problem.attribute, problem.value)).or_default() += 1;
        }
        if (*nth <= CHECKED_OF_A_KIND || !problems.is_empty())
            && let Fate::Mapped(mapped) = harness.map(&line)
        {
            tally.invalid.extend(mapped.errors.iter().map(|error| format!("{kind}: {error}")));
        }
    }
    tally
}

/// `wanted`: event ids, or all.
fn check_sysmon(config: &str, wanted: Option<&[u64]>) {
    let Some(folder) = real_logs() else { return };
    let tally = tally(config, &folder.join("sysmon-kinesis.ndjson.gz"), |line| {
        let id = between(line, "\"EventId\":", ",").and_then(|id| id.parse().ok()).unwrap();
        wanted.is_none_or(|wanted| wanted.contains(&id)).then(|| id.to_string())
    });
    assert!(tally.invalid.is_empty(), "{tally:#?}");
    let refused: usize = tally.refused.values().sum();
    let problems: usize = tally.problems.values().sum();
    assert!(refused * 1_000 <= tally.lines && problems * 1_000 <= tally.lines, "{tally:#?}");
}

#[test]
fn nearly_every_real_sysmon_event_is_mapped_and_valid() {
    check_sysmon("windows-sysmon", None);
}

#[test]
fn so_are_those_that_the_precise_config_maps_in_its_own_way() {
    check_sysmon("windows-sysmon-precise", Some(&[6, 7, 9, 12, 13, 14]));
}

#[test]
fn every_real_network_firewall_record_is_mapped_and_valid() {
    let Some(folder) = real_logs() else { return };
    for file in ["nfw-suricata.ndjson.gz", "nfw-aws.ndjson"] {
        let tally = tally("aws-network-firewall", &folder.join(file), |line| {
            Some(between(line, "\"event_type\":\"", "\"").unwrap_or("tls").to_owned())
        });
        assert!(tally.invalid.is_empty() && tally.refused.is_empty() && tally.problems.is_empty(), "{tally:#?}");
    }
}

/// Every real event is there as the agent sends it and as evtx_dump writes it.
#[test]
fn a_real_sysmon_event_gives_the_same_row_as_rendered_message_and_as_binary_event() {
    let Some(folder) = real_logs() else { return };
    let harness = Harness::shipped("windows-sysmon");
    let row = |line: &str| match harness.map(line) {
        Fate::Mapped(mut mapped) => {
            // Its title changed with Sysmon 13; a binary event has none.
            if mapped.event["metadata"]["event_code"] == "23" {
                mapped.event["message"].take();
            }
            Ok((mapped.destination, comparable(mapped.event)))
        }
        Fate::Refused(reason) => Err(reason),
    };
    let pairs = lines(&folder.join("sysmon-evtx.ndjson.gz")).zip(lines(&folder.join("sysmon-kinesis.ndjson.gz")));
    let (mut same, mut differing) = (0, Vec::<String>::new());
    for (binary, rendered) in pairs {
        let mut agent: serde_json::Value = serde_json::from_str(&rendered).unwrap();
        agent.as_object_mut().unwrap().remove("source_instance_id");
        match (row(&binary), row(&agent.to_string())) {
            (binary, rendered) if binary == rendered => same += 1,
            (found, expected) => differing.push(format!("{found:?}\n{expected:?}\n{rendered}")),
        }
    }
    assert!(
        differing.is_empty(),
        "{same} same, {} not:\n{}",
        differing.len(),
        differing[..differing.len().min(12)].join("\n\n")
    );
}
