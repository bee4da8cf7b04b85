//! Any JSON as observed data is parsed or refused. Parsed data is matched with patterns of every kind.

use std::sync::LazyLock;

use serde_json::Value;
use stix::binder::Limits;
use stix::matcher::{AndScope, Matcher, observations};
use stix::{Pattern, Version, parse};

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    [
        "[ipv4-addr:value ISSUBSET '198.51.100.0/24' OR domain-name:value LIKE '%.example']",
        "[file:name = 'a.exe' AND file:size > 10] FOLLOWEDBY [process:name MATCHES '^a.*'] WITHIN 60 SECONDS",
        "[network-traffic:src_ref.value = '192.0.2.1' AND network-traffic:dst_port IN (22, 3389)] REPEATS 2 TIMES",
    ]
    .iter()
    .map(|text| parse(text, Version::V21).expect("is a pattern"))
    .collect()
});

/// Runs one input, if it is JSON.
pub fn run(input: &[u8]) {
    let Ok(data) = serde_json::from_slice::<Value>(input) else { return };
    for version in [Version::V20, Version::V21] {
        let Ok(observed) = observations(&data, version) else { continue };
        for pattern in PATTERNS.iter() {
            for scope in [AndScope::Row, AndScope::Object] {
                let Ok(matcher) = Matcher::new(pattern, scope) else { continue };
                let limits = Limits { candidates: 100, steps: 100_000 };
                for bound in matcher.find(&observed, limits).unwrap_or_default() {
                    assert!(bound.row < observed.len());
                }
            }
        }
    }
}
