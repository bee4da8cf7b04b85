//! The function that brings records of a Kinesis stream into the lake.
//!
//! Lambda hands it a batch of records of one shard. The answer names the lowest sequence number that is neither in the
//! lake nor in quarantine; Lambda delivers that record and all after it again.

mod handler;

use std::process::ExitCode;

use function::Transformer;

use crate::handler::TransformKinesis;

fn main() -> ExitCode {
    function::run("transform-kinesis", async || Ok(TransformKinesis::new(Transformer::from_environment().await?)))
}
