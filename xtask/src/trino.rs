//! `cargo xtask trino`: the tests of `testing/same-rows` against a real Trino server, which Maven fetches.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

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
        if !self.serve {
            ensure!(self.names_tests()?, "no test's name contains {:?}", self.filter.unwrap_or_default());
        }
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
        let mut tests = self.tests();
        tests.args(["--nocapture", "--test-threads=1"]).env("SLUICE_TRINO", server.address().to_string());
        let status = tests.status().context("running cargo")?;
        ensure!(status.success(), "Trino and the embedded engine do not give the same rows");
        Ok(())
    }

    fn tests(&self) -> Command {
        let mut tests = Command::new(env!("CARGO"));
        // Of the whole workspace, so that dependencies are built in its features and not once more in those of one package.
        tests.args(["test", "--workspace", "--test", "same_rows", "--"]).args(&self.filter);
        tests.current_dir(crate::workspace());
        tests
    }

    /// Whether the filter leaves any test.
    fn names_tests(&self) -> Result<bool> {
        let listed = self.tests().arg("--list").stderr(Stdio::inherit()).output().context("running cargo")?;
        ensure!(listed.status.success(), "the tests cannot be built");
        Ok(String::from_utf8_lossy(&listed.stdout).lines().any(|line| line.ends_with(": test")))
    }
}
