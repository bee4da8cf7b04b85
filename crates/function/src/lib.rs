//! What every Lambda function of Sluice stands on.
//!
//! [`run`] makes a [`Handler`], tells Lambda what keeps it from starting, and hands it event by event with the [`Deadline`]
//! it has to keep. [`logs`] and [`Metrics`] have the key names of Powertools for AWS Lambda, so that its queries and
//! dashboards work. [`Transformer`] is what the functions that write to the lake are configured to: sources, stores and
//! settings, from the environment.

mod configuration;
mod deadline;
mod invocation;
pub mod logs;
mod metrics;
mod runtime;
mod transformer;

pub use configuration::{ConfigurationError, Variables};
pub use deadline::Deadline;
pub use invocation::Invocation;
pub use metrics::{Metrics, Unit};
pub use runtime::{Handler, HandlerError, StartError, run};
pub use transformer::Transformer;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
