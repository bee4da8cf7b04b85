//! Functions.

pub(crate) mod native;
