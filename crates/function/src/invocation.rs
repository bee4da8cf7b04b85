//! What Lambda says of an event beside the event.

use crate::deadline::Deadline;

/// The circumstances of an event.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Lambda's id of the request.
    pub request_id: String,
    /// The function as it was invoked.
    pub function_arn: String,
    /// X-Ray's header, where Lambda sends one.
    pub trace_id: Option<String>,
    /// When to start nothing more.
    pub deadline: Deadline,
    /// Whether it is the first of this process.
    pub cold_start: bool,
}

impl Invocation {
    /// The trace without its parent and sampling decision.
    pub fn trace_root(&self) -> Option<&str> {
        let header = self.trace_id.as_deref()?;
        header.split(';').find_map(|part| part.trim().strip_prefix("Root=")).or(Some(header))
    }
}
