//! How the command ends: four exit codes, kept by contract.

use std::fmt;
use std::process::ExitCode;

/// How a command ended that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing to object to.
    Fine,
    /// It found what it was asked to look for: the checks failed.
    Findings,
}

impl Verdict {
    /// [`Verdict::Findings`] if there are any.
    pub(crate) fn of(findings: bool) -> Self {
        if findings { Self::Findings } else { Self::Fine }
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A mapping config, a rule, a pattern or a query is refused. What is wrong with it has been said.
    Refused,
    /// One of these is refused, for a reason that is still to be said.
    Invalid(anyhow::Error),
    /// Arguments, configuration, or what they name: a file, a store, a stream.
    Other(anyhow::Error),
    /// The reader of standard output has stopped reading. This is not an error.
    OutputClosed,
}

/// The result of every command.
pub(crate) type Outcome = Result<Verdict, Failure>;

impl Failure {
    /// A query that gave no answer: the query's fault, or the engine's.
    pub(crate) fn of_query(error: query::QueryError) -> Self {
        if error.is_of_statement() { Self::Invalid(error.into()) } else { Self::Other(error.into()) }
    }

    /// The same, with what it is about.
    pub(crate) fn context(self, about: impl fmt::Display + Send + Sync + 'static) -> Self {
        match self {
            Self::Invalid(error) => Self::Invalid(error.context(about)),
            Self::Other(error) => Self::Other(error.context(about)),
            other => other,
        }
    }

    /// A fault of the arguments, in words.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::Other(anyhow::anyhow!("{message}"))
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Fine.
pub(crate) const FINE: u8 = 0;
/// Findings, or checks that failed.
pub(crate) const FINDINGS: u8 = 1;
/// A mapping config, rule, pattern or query that is refused.
pub(crate) const REFUSED: u8 = 2;
/// Bad usage or configuration, or something named there that cannot be read or written.
pub(crate) const BAD_USAGE: u8 = 3;

/// The code that the process ends with.
pub(crate) fn code(outcome: &Outcome) -> ExitCode {
    ExitCode::from(match outcome {
        Ok(Verdict::Fine) | Err(Failure::OutputClosed) => FINE,
        Ok(Verdict::Findings) => FINDINGS,
        Err(Failure::Refused | Failure::Invalid(_)) => REFUSED,
        Err(Failure::Other(_)) => BAD_USAGE,
    })
}
