//! The configs of `mapping-configs/`: what becomes of generated events, file by file, and of real logs in bulk.

mod golden;
mod harness;
mod real_logs;
