//! Runs a function's program as Lambda does: the real binary with its environment, events with a deadline through the
//! [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), responses and output. [`Buckets`] is a
//! local S3, [`Topics`] a local SNS, and [`http`] a base for other services.
//!
//! It needs only the loopback, and takes no longer than the program itself.

mod buckets;
mod function;
pub mod http;
mod runtime_api;
mod topics;

pub use buckets::Buckets;
pub use function::{Exit, Function, InvocationError, StartUp, peak_memory};
pub use topics::{Published, Topics};
