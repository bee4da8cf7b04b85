//! The configs of `mapping-configs/`: what becomes of generated events, file by file, and of real logs in bulk.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

mod any_value;
mod forms;
mod golden;
mod harness;
mod odd_values;
mod real_logs;
mod windows_security;
