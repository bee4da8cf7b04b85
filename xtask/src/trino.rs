//! `cargo xtask trino`: the tests of `testing/same-rows` against a real Trino server, which Maven fetches.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use local_trino::{Installation, Server, VERSION};

/// Needs Java 24 or later and Maven. The server is unpacked into `.tools/` (or `$SLUICE_TOOLS`), about 0.4 GB.
#[derive(clap::Args)]
pub(crate) struct Trino {
    /// Start the server, say where it listens, and wait for the end of the input
    #[arg(long)]
    serve: bool,
    /// Run only tests whose names contain this
    filter: Option<String>,
}

impl Trino {
    pub(crate) fn run(self) -> Result<()> {
        let tools = env::var_os("SLUICE_TOOLS").map_or_else(|| crate::workspace().join(".tools"), PathBuf::from);
        let installation = Installation::obtain(&tools.join("trino"))?;
        let folder = tempfile::tempdir().context("a folder for the server")?;
        eprintln!("Trino {VERSION} on {}", installation.java().display());
        let server = Server::start(&installation, folder.path())?;
        eprintln!("It listens on {}", server.address());
        if self.serve {
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
            return Ok(());
        }
        let mut tests = Command::new(env!("CARGO"));
        tests
            // Of the whole workspace, so that dependencies are built in its features and not once more in those of one
            // package.
            .args(["test", "--workspace", "--test", "same_rows", "--"])
            .args(&self.filter)
            .args(["--nocapture", "--test-threads=1"]);
        tests.env("SLUICE_TRINO", server.address().to_string()).current_dir(crate::workspace());
        let status = tests.status().context("running cargo")?;
        ensure!(status.success(), "Trino and the embedded engine do not give the same rows");
        Ok(())
    }
}
