//! Regular expressions, each compiled once.
//!
//! Compiling takes up to a millisecond, the parser and the compiler both need it, and what a config says in `common` is
//! part of every event: without this, the start of a function would mostly be regular expressions.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use regex::Regex;

/// More than any set of configs has. Whoever compiles config after config does not keep them all.
const KEPT: usize = 1_000;

/// The regular expression of a text.
///
/// # Errors
/// As [`Regex::new`].
pub(crate) fn compiled(text: &str) -> Result<Regex, regex::Error> {
    static COMPILED: OnceLock<Mutex<HashMap<String, Regex>>> = OnceLock::new();
    let mut compiled = COMPILED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = compiled.get(text) {
        return Ok(regex.clone());
    }
    let regex = Regex::new(text)?;
    if compiled.len() >= KEPT {
        compiled.clear();
    }
    compiled.insert(text.to_owned(), regex.clone());
    Ok(regex)
}
