//! A mapping config by the name that the command line gives: a shipped one, a file, or standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mapping::Checked;
use mapping::diagnostic::{Diagnostic, SourceText};
use pipeline::{MappedSource, SHIPPED_MAPPINGS, SourceError, shipped_mapping};

use crate::exit::Failure;
use crate::output::{Output, counted};

/// The text of a mapping config and where it is from.
#[derive(Debug)]
pub(crate) struct MappingConfig {
    /// Its name for messages: the name or path given.
    pub(crate) name: String,
    /// The JSON text.
    pub(crate) text: String,
    /// The folder that the configs it extends are looked up in.
    folder: PathBuf,
}

impl MappingConfig {
    /// Reads the config `named`: `-` for standard input, the name of a shipped config, or a file. For a file with the
    /// same name as a shipped config, write `./<name>`.
    ///
    /// # Errors
    /// There is no such config, it cannot be read, or it is not UTF-8.
    pub(crate) fn read(named: &str) -> Result<Self, Failure> {
        if let Some(text) = shipped_mapping(named) {
            return Ok(Self { name: named.to_owned(), text: text.to_owned(), folder: PathBuf::new() });
        }
        let (name, bytes, folder) = if named == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
            ("standard input", bytes, PathBuf::new())
        } else {
            let path = Path::new(named);
            if !path.exists() && !named.contains(['/', '\\', '.']) {
                return Err(Failure::usage(unknown(named)));
            }
            let bytes = std::fs::read(path).with_context(|| format!("cannot read the mapping config {named}"))?;
            (named, bytes, path.parent().map(Path::to_path_buf).unwrap_or_default())
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            Failure::usage(format_args!("{name} is not UTF-8 at byte {}", error.utf8_error().valid_up_to()))
        })?;
        Ok(Self { name: name.to_owned(), text, folder })
    }

    /// The config in a file of that name: in `folder`, else beside this one.
    pub(crate) fn neighbour(&self, folder: Option<&Path>, name: &str) -> Option<Self> {
        let folder = folder.unwrap_or(&self.folder);
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).ok()?;
        Some(Self { name: path.display().to_string(), text, folder: folder.to_path_buf() })
    }

    /// The result of lint.
    pub(crate) fn check(&self) -> Checked {
        mapping::check(&self.text, &|base| self.base(base))
    }

    /// The text of the config of that name: this one, or one that it extends.
    pub(crate) fn load(&self, name: &str) -> Option<String> {
        if name == self.name { Some(self.text.clone()) } else { self.base(name) }
    }

    /// The text of a config that this one extends.
    fn base(&self, name: &str) -> Option<String> {
        let file = self.folder.join(name);
        shipped_mapping(name).map(str::to_owned).or_else(|| std::fs::read_to_string(file).ok())
    }

    /// The log source that it describes, ready to transform events. The diagnostics of a config that is refused are
    /// said, and so is that there are warnings.
    ///
    /// # Errors
    /// [`Failure::Refused`] for a config that is refused.
    pub(crate) fn source(&self, output: &Output) -> Result<MappedSource, Failure> {
        let checked = self.check();
        let refuse = |diagnostics: &[Diagnostic]| {
            let errors: Vec<&Diagnostic> = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
            self.say(output, &errors);
            Failure::Refused
        };
        let Some(config) = checked.accepted() else {
            return Err(refuse(&checked.diagnostics));
        };
        let source = MappedSource::new(&config.source_name.value, &self.text, &|base| self.base(base));
        let source = source.map_err(|error| match error {
            SourceError::Mapping { diagnostics, .. } => refuse(&diagnostics),
            other => {
                output.error(&anyhow::Error::new(other).context(self.name.clone()));
                Failure::Refused
            }
        })?;
        let warnings = checked.diagnostics.len() as u64;
        if warnings > 0 {
            let warnings = counted(warnings, "warning");
            output.say(format_args!("{}: {warnings}; `sluice lint {}` shows them", self.name, self.name));
        }
        Ok(source)
    }

    fn say(&self, output: &Output, diagnostics: &[&Diagnostic]) {
        let source = SourceText::new(&self.name, &self.text);
        for diagnostic in diagnostics {
            output.complain(format_args!("{}\n", diagnostic.render(&source, output.talk.on)));
        }
        let errors = counted(diagnostics.len() as u64, "error");
        output.complain(format_args!("{}: {errors}; the mapping is refused", self.name));
    }
}

/// The message for a name that is neither a shipped config nor a file.
fn unknown(name: &str) -> String {
    let nearest = SHIPPED_MAPPINGS.iter().map(|(shipped, _)| (distance(name, shipped), *shipped)).min();
    let names = SHIPPED_MAPPINGS.map(|(shipped, _)| shipped).join(", ");
    match nearest {
        Some((distance, shipped)) if distance <= shipped.len() / 3 => {
            format!("no mapping config `{name}`; did you mean `{shipped}`?")
        }
        _ => format!("no mapping config `{name}`; give a file, or one of {names}"),
    }
}

/// How many characters must be changed to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    strsim::damerau_levenshtein(one, other)
}
