//! What every Lambda function of Sluice stands on.
//!
//! [`run`] reads the [`Configuration`] from the environment, says what is wrong with it before the first event, and hands
//! event by event to a [`Handler`] with the [`Deadline`] it has to keep. [`logs`] and [`Metrics`] have the key names of
//! Powertools for AWS Lambda, so that its queries and dashboards work. [`Transformer`] is what the functions that write
//! to the lake share.

mod configuration;
mod deadline;
pub mod logs;
mod metrics;
mod runtime;
mod transformer;

pub use configuration::{Configuration, ConfigurationError, SourcesConfiguration};
pub use deadline::Deadline;
pub use metrics::{Metrics, Unit};
pub use runtime::{Handler, HandlerError, Invocation, StartError, run};
pub use transformer::Transformer;
