//! `sluice completions`: completion scripts for shells.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::exit::{Outcome, Verdict};
use crate::output::Output;

/// Print a completion script for a shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice completions bash > ~/.local/share/bash-completion/completions/sluice
  sluice completions zsh > ~/.zfunc/_sluice
  sluice completions fish > ~/.config/fish/completions/sluice.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::Cli::command(), "sluice", &mut script);
        output.write(String::from_utf8_lossy(&script))?;
        Ok(Verdict::Fine)
    }
}
