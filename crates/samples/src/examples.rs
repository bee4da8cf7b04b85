//! The content of `examples/`: small logs to try everything with. `cargo xtask generate-examples` writes them.

use crate::{CloudTrail, FirewallLog, NetworkFirewall, Period, Share, Sysmon};

/// Name and content of each file below `examples/`.
///
/// `windows-sysmon.ndjson` has each event id three times and ten events more; `aws-network-firewall.ndjson` has each
/// kind of record twice between flows, `aws-cloudtrail.json` each kind of event and as many more. All happen within two
/// hours of 2025-03-03.
pub fn example_files() -> [(&'static str, String); 3] {
    let start = Period::default().start;
    let sysmon = Sysmon::new(2025, Share::Equal, Period::spread(start, 7_200_000, 100)).take(100);

    let mut firewall = NetworkFirewall::new(2025, Period::spread(start, 7_200_000, 50));
    let kinds = FirewallLog::ALL.into_iter().cycle().take(20);
    let firewall = kinds.flat_map(|kind| {
        let flows = if kind == FirewallLog::Netflow { 6 } else { 1 };
        let mut records = vec![firewall.log(kind)];
        records.extend((0..flows).map(|_| firewall.log(FirewallLog::Netflow)));
        records
    });

    let kinds = crate::cloudtrail_kinds().count();
    let mut trail = CloudTrail::new(2025, Period::spread(start, 7_200_000, 2 * kinds as u64));
    let mut events: Vec<String> = crate::cloudtrail_kinds().filter_map(|kind| trail.event(kind)).collect();
    events.extend(trail.take(kinds));
    [
        ("windows-sysmon.ndjson", lines(sysmon)),
        ("aws-network-firewall.ndjson", lines(firewall)),
        ("aws-cloudtrail.json", crate::cloudtrail_file(events.into_iter()) + "\n"),
    ]
}

fn lines(events: impl Iterator<Item = String>) -> String {
    events.flat_map(|event| [event, "\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_committed_examples_are_what_the_generator_writes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        for (name, content) in example_files() {
            let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            assert!(committed == content, "examples/{name} differs: run `cargo xtask generate-examples`");
        }
    }

    #[test]
    fn each_sysmon_event_id_occurs_at_least_twice() {
        let [(_, sysmon), ..] = example_files();
        for id in crate::sysmon_event_ids() {
            let start = format!("{{\"EventId\":{id},");
            assert!(sysmon.lines().filter(|line| line.starts_with(&start)).count() >= 2, "event {id}");
        }
    }
}
