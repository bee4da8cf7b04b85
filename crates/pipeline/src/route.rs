//! The question that reading a record asks: which source does it belong to? The sources file answers it (`routing`).

use sources::Document;

use crate::source::MappedSource;

/// Why an event has no source. The message is that of its line in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// No rule of the sources file is about streams.
    #[error("no source takes stream records")]
    NoStreams,
    /// No rule is about the event's stream.
    #[error("no source takes records of this stream")]
    OtherStream,
    /// The metadata field names a source that is not in the file.
    #[error("the event names source `{name}`, which is not configured")]
    Unconfigured {
        /// What it names.
        name: String,
    },
    /// Some rules have conditions, and none of them holds.
    #[error("no source takes the event: no metadata field names one, and no condition holds")]
    NoCondition,
    /// There are several sources, and the metadata field names none of them.
    #[error("the event's metadata field names none of the configured sources")]
    Unnamed,
}

/// Which source a stream record belongs to.
pub(crate) trait Route<'s> {
    /// The source of a record, whatever is in it.
    fn whatever_it_holds(&self) -> Option<&'s MappedSource>;

    /// The source of a record that holds no JSON, and so cannot say where it belongs.
    fn of_other_formats(&self) -> Option<&'s MappedSource>;

    /// The source of an event.
    fn of_event(&self, document: &Document<'_>) -> Result<&'s MappedSource, RouteError>;
}

/// A source that is known.
pub(crate) struct Known<'s>(pub(crate) &'s MappedSource);

impl<'s> Route<'s> for Known<'s> {
    fn whatever_it_holds(&self) -> Option<&'s MappedSource> {
        Some(self.0)
    }

    fn of_other_formats(&self) -> Option<&'s MappedSource> {
        Some(self.0)
    }

    fn of_event(&self, _: &Document<'_>) -> Result<&'s MappedSource, RouteError> {
        Ok(self.0)
    }
}
