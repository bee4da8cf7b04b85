//! STIX patterns (version 2.1; 2.0 accepted) as text, as a typed tree, and as a question to observations.
//!
//! Nothing here knows SQL, OCSF or AWS. `translation` makes SQL of a [`pattern::Pattern`].

pub mod pattern;
