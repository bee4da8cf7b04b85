//! The question that reading a record asks: which source does it belong to? The sources file answers it (`routing`).

use sources::Document;

use crate::source::Source;

/// Which source a stream record belongs to.
pub(crate) trait Route<'s> {
    /// The source of a record, whatever is in it.
    fn whatever_it_holds(&self) -> Option<&'s Source>;

    /// The source of a record that holds no JSON, and so cannot say where it belongs.
    fn of_other_formats(&self) -> Option<&'s Source>;

    /// The source of an event.
    fn of_event(&self, document: &Document<'_>) -> Result<&'s Source, String>;
}

/// A source that is known.
pub(crate) struct Known<'s>(pub(crate) &'s Source);

impl<'s> Route<'s> for Known<'s> {
    fn whatever_it_holds(&self) -> Option<&'s Source> {
        Some(self.0)
    }

    fn of_other_formats(&self) -> Option<&'s Source> {
        Some(self.0)
    }

    fn of_event(&self, _: &Document<'_>) -> Result<&'s Source, String> {
        Ok(self.0)
    }
}
