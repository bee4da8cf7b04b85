//! A real Trino server over lake folders, to compare its answers with those of the embedded engine.
//!
//! [`Installation`] is the server as installed by Maven, and [`Server`] is a running process on the loopback. `Trino`
//! (feature `engine`) is a schema as a query engine, whose tables are the custom sources of a lake folder.
//!
//! `cargo xtask trino` starts a server, and runs the tests of `testing/same-rows` with it.

#[cfg(feature = "engine")]
mod engine;
mod http;
mod installation;
mod server;

#[cfg(feature = "engine")]
pub use engine::Trino;
pub use installation::{Installation, VERSION};
pub use server::Server;

/// Why Trino cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrinoError {
    /// A required program is missing or too old.
    #[error("{0}")]
    Missing(String),
    /// A program ended with an error.
    #[error("{program} failed: {output}")]
    Program {
        /// The program.
        program: String,
        /// Its output.
        output: String,
    },
    /// The server does not start or does not answer.
    #[error("the Trino server: {0}")]
    Server(String),
    /// Trino refuses a statement that creates tables.
    #[cfg(feature = "engine")]
    #[error("{statement}: {error}")]
    Statement {
        /// The statement.
        statement: String,
        /// Trino's error.
        error: query::QueryError,
    },
    /// An object of the lake cannot be read.
    #[cfg(feature = "engine")]
    #[error("{object}: {error}")]
    Object {
        /// The object.
        object: String,
        /// The error.
        error: parquet::errors::ParquetError,
    },
    /// A file or folder cannot be used.
    #[error("{path}: {error}")]
    File {
        /// The path.
        path: String,
        /// The error.
        error: std::io::Error,
    },
}

/// Adds the path to an error of a file.
fn at(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> TrinoError {
    let path = path.display().to_string();
    move |error| TrinoError::File { path, error }
}
