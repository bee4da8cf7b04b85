//! ocsf

pub mod schema;
