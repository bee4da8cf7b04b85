//! `cargo xtask generate-examples`: writes the small logs of `examples/`.

use std::fs;

use anyhow::Context as _;

/// Nothing to choose: the content is fixed by the generator.
#[derive(clap::Args)]
pub(crate) struct GenerateExamples {}

impl GenerateExamples {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let folder = crate::workspace().join("examples");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for (name, content) in samples::example_files() {
            let path = folder.join(name);
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
            eprintln!("{}", path.display());
        }
        Ok(())
    }
}
