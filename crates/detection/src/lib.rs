//! Detection rules: files, lint, statements, windows, findings, and the state of what was published.
//!
//! A [`Rule`] is one YAML file, and [`lint`] finds its faults. [`statement`] builds the query of a rule for a [`Window`],
//! over the physical tables that a [`Catalog`] has for each logical table. A [`Detector`] starts the queries that are due,
//! collects their answers, and publishes each finding once. A [`session`] lets people query the same logical tables.

pub mod archive;
pub mod attack;
pub mod catalog;
pub mod detector;
pub mod diagnostic;
pub mod entity;
pub mod finding;
mod form;
mod groups;
pub mod hunt;
mod json_schema;
pub mod ledger;
pub mod lint;
mod matches;
pub mod message;
mod names;
mod parse;
mod pattern;
pub mod rule;
pub mod schedule;
pub mod session;
pub mod shape;
pub mod shared;
mod shipped;
pub mod state;
pub mod statement;
mod template;
pub mod trial;
pub mod window;
mod yaml;

pub use archive::Archived;
pub use catalog::Catalog;
pub use detector::{Collected, Detector, Progress, Queries, RunToEnd, Settings, Started};
pub use finding::Finding;
pub use hunt::{Found, Hunt};
pub use json_schema::json_schema;
pub use matches::columns as stix_columns;
pub use message::{Message, PublishError, Publisher};
pub use rule::Rule;
pub use shape::Shape;
pub use shipped::{SHIPPED_RULES, ShippedSourcesError, shipped_sources};
pub use window::{Look, Window};
