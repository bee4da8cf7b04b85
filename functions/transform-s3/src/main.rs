//! The function that brings objects of buckets into the lake.
//!
//! Lambda hands it messages of a queue that tell of objects. The answer names the messages whose objects are not wholly in
//! the lake or in quarantine; the queue delivers those again.

mod event;
mod handler;
mod notification;

use std::process::ExitCode;

use function::Transformer;

use crate::handler::TransformS3;

fn main() -> ExitCode {
    function::run("transform-s3", async || Ok(TransformS3::new(Transformer::from_environment().await?).await))
}
