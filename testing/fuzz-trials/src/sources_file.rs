//! A sources file and a key: lint ends, a file works exactly if it has no errors, and captured values are parts of the key.
//! File and key are separated by the first line feed before `s3://`.

use pipeline::{Sources, check_sources, is_sources_file, shipped_mapping};

/// Runs one input, if it is text.
pub fn run(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let (file, place) =
        input.split_once("\ns3://").unwrap_or((input, "logs/AWSLogs/111122223333/CloudTrail/a.json.gz"));
    let load = |_: &str| shipped_mapping("aws-network-firewall").map(str::to_owned);
    let checked = check_sources(file, &load);
    for diagnostic in &checked.diagnostics {
        let span = diagnostic.primary.span;
        assert!(span.start <= span.end && span.end <= file.len());
    }
    let sources = Sources::from_text(file, &load);
    assert_eq!(sources.is_ok(), !checked.diagnostics.iter().any(|diagnostic| diagnostic.is_error()));
    let Ok(sources) = sources else { return };
    assert!(is_sources_file(file));
    let (bucket, key) = place.split_once('/').unwrap_or((place, ""));
    let _ = sources.of_stream(place);
    if let Some(routed) = sources.of_object(bucket, key).taken() {
        for (_, value) in routed.captures.iter() {
            assert!(!value.is_empty() && !value.contains('/') && (bucket.contains(value) || key.contains(value)));
        }
    }
}
