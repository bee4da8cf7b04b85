//! Sample logs made up by a seeded generator: Sysmon events in the envelope of the Kinesis Agent for Windows, AWS Network
//! Firewall logs and AWS CloudTrail events. They feed `examples/`, the golden tests of the shipped mapping configs and the
//! benchmarks. The same seed gives the same text on every machine; there is no clock, no network and nothing copied
//! from a real log: hosts are under `example.com`, public addresses are those of RFC 5737 and RFC 3849.
//!
//! ```
//! let lines: Vec<String> = samples::sysmon(7).take(30).collect();
//! assert_eq!(lines, samples::sysmon(7).take(30).collect::<Vec<_>>());
//! assert!(lines[0].starts_with(r#"{"EventId":1,"Description":"Process Create:\r\n"#));
//! ```

mod cloudtrail;
mod examples;
mod firewall;
mod period;
mod random;
mod sysmon;
mod world;

pub use cloudtrail::{CloudTrail, cloudtrail, cloudtrail_event, cloudtrail_file, cloudtrail_kinds};
pub use examples::example_files;
pub use firewall::{FirewallLog, NetworkFirewall, network_firewall, network_firewall_log};
pub use period::Period;
pub use sysmon::{Share, Sysmon, sysmon, sysmon_event, sysmon_event_ids, sysmon_mix};
