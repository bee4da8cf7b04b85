//! Runs a function's program as Lambda does: the real binary, its environment, events with a deadline through the
//! [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), its answers and its output. For the
//! functions that use S3 there are [`Buckets`], for those that publish [`Topics`]. [`http`] is for what stands in for
//! other services.
//!
//! It needs nothing but this machine's loopback, and takes no time beyond what the program takes.

mod buckets;
mod function;
pub mod http;
mod runtime_api;
mod topics;

pub use buckets::Buckets;
pub use function::{Exit, Function, InvocationError, StartUp, peak_memory};
pub use topics::{Published, Topics};
