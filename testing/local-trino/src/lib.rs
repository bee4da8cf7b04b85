//! A real Trino server over lake folders, so that what the embedded engine answers can be held against what Trino
//! answers.
//!
//! [`Installation`] is the server as Maven has it, [`Server`] a process of it on the loopback, and `Trino` (feature
//! `engine`) a schema on a server as a query engine: a lake folder's custom sources are its tables.
//!
//! `cargo xtask trino` starts a server and runs the tests of `testing/same-rows` against it.

#[cfg(feature = "engine")]
mod engine;
mod http;
mod installation;
mod server;

#[cfg(feature = "engine")]
pub use engine::Trino;
pub use installation::{Installation, VERSION};
pub use server::Server;

/// Why there is no Trino to ask.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrinoError {
    /// A program that is needed is missing, or too old.
    #[error("{0}")]
    Missing(String),
    /// A program that was run ended with an error.
    #[error("{program} failed: {output}")]
    Program {
        /// Its name.
        program: String,
        /// What it said.
        output: String,
    },
    /// The server does not start or cannot be asked.
    #[error("the Trino server: {0}")]
    Server(String),
    /// Trino refuses a statement that makes tables.
    #[cfg(feature = "engine")]
    #[error("{statement}: {error}")]
    Statement {
        /// What was asked.
        statement: String,
        /// Trino's answer.
        error: query::QueryError,
    },
    /// An object of the lake cannot be read.
    #[cfg(feature = "engine")]
    #[error("{object}: {error}")]
    Object {
        /// Where it is.
        object: String,
        /// What is wrong.
        error: parquet::errors::ParquetError,
    },
    /// A file or folder.
    #[error("{path}: {error}")]
    File {
        /// Where it is.
        path: String,
        /// What is wrong.
        error: std::io::Error,
    },
}

/// Adds the path to an error of a file.
fn at(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> TrinoError {
    let path = path.display().to_string();
    move |error| TrinoError::File { path, error }
}
