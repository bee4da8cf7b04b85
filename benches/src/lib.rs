//! What the benchmarks measure: generated logs, and the steps that they go through.
//!
//! A [`Workload`] is a source with its mapping and its events as they arrive. Each step can be done by itself, with what
//! comes before it done beforehand or measured along with it (see [`Workload::parse`] and its neighbours), and all of
//! them together as the functions do it: [`SysmonStream`] for a Kinesis stream, [`FirewallObject`] for an S3 object.

mod clock;
mod flow;
mod workload;

pub use clock::cpu_time;
pub use flow::{FirewallObject, SysmonStream};
pub use workload::{Failure, Workload};

/// That of the functions and of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
