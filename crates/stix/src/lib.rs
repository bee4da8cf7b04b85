//! STIX patterns (version 2.1; 2.0 accepted) as text, as a typed tree, and as a question to observations.
//!
//! Nothing here knows SQL, OCSF or AWS. `translation` makes SQL of a [`pattern::Pattern`].
//!
//! ```
//! let pattern = stix::parse("[ipv4-addr:value = '198.51.100.7'] REPEATS 3 TIMES", stix::Version::V21)?;
//! assert_eq!(pattern.leaves, 1);
//! let fault = stix::parse("[ipv4-addr:value = 198.51.100.7]", stix::Version::V21).unwrap_err();
//! assert_eq!(fault.first().help.as_deref(), Some("write '198.51.100.7'"));
//! # Ok::<(), stix::Diagnostics>(())
//! ```

pub mod binder;
pub mod bundle;
pub mod diagnostic;
mod display;
mod lexer;
mod lint;
pub mod matcher;
pub mod network;
mod parser;
pub mod pattern;
mod text_match;
mod time;
mod version;

pub use diagnostic::Diagnostics;
pub use parser::{Checked, MOST_LEVELS, MOST_PARENTHESES, check, parse};
pub use pattern::Pattern;
pub use version::Version;
