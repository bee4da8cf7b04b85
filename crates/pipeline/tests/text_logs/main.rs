//! Logs of lines, and the same as Parquet, from the bytes to valid OCSF events.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

mod access_logs;
mod flow_logs;
mod laboratory;
mod load_balancer;
