//! Regular expressions, each compiled once.
//!
//! Compiling takes up to a millisecond. The parser and the compiler both need each pattern, and patterns in `common`
//! are part of every event. Without this cache, the start of a function would mostly be spent on regular expressions.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use regex::Regex;

/// Size limit of the cache, more than any set of configs needs. It bounds the memory of a process that compiles many
/// configs.
const KEPT: usize = 1_000;

/// Compiles a regular expression, or returns the cached one.
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
