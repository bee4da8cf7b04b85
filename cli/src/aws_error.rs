//! What AWS says went wrong, in one line.

use std::error::Error;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use diagnostics::causes::innermost;

/// The service's code and message; where it did not answer, the innermost cause, which is the one to act on.
pub(crate) fn describe<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    match error.code() {
        Some(code) => format!("{code}: {}", error.message().unwrap_or("no reason is given")),
        None => format!("{error}: {}", innermost(error)),
    }
}
