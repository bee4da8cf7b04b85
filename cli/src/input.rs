//! Inputs that the command line names: files, and `-` for standard input.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::exit::Failure;

/// A file, or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// `-`
    Stdin,
    /// A path.
    File(PathBuf),
}

impl Input {
    /// The inputs that arguments name. Each can be opened now; standard input can be read only once, and not at all if
    /// the mapping config comes from there.
    ///
    /// # Errors
    /// A folder, a file that cannot be opened, or `-` twice.
    pub(crate) fn all(arguments: &[PathBuf], mapping: Option<&str>) -> Result<Vec<Self>, Failure> {
        let inputs: Vec<Self> = arguments
            .iter()
            .map(|argument| if argument.as_os_str() == "-" { Self::Stdin } else { Self::File(argument.clone()) })
            .collect();
        for (at, input) in inputs.iter().enumerate() {
            if *input == Self::Stdin && (inputs[..at].contains(input) || mapping == Some("-")) {
                return Err(Failure::usage("`-` stands twice, but standard input can be read only once"));
            }
            input.length()?;
        }
        Ok(inputs)
    }

    /// Its length in bytes, if that is known.
    ///
    /// # Errors
    /// A file that cannot be opened, or a folder.
    pub(crate) fn length(&self) -> Result<Option<u64>, Failure> {
        let Self::File(path) = self else { return Ok(None) };
        let metadata =
            File::open(path).and_then(|file| file.metadata()).with_context(|| format!("cannot read {self}"))?;
        if metadata.is_dir() {
            return Err(Failure::usage(format_args!("{self} is a folder; name the files in it")));
        }
        // A pipe or device has no length worth showing.
        Ok(metadata.is_file().then_some(metadata.len()))
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>, Failure> {
        Ok(match self {
            Self::Stdin => Box::new(io::stdin()),
            Self::File(path) => Box::new(File::open(path).with_context(|| format!("cannot read {self}"))?),
        })
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A text that a person gives as an argument, in a file, or by `-` on standard input; and what to call it.
///
/// # Errors
/// It cannot be read, or is not UTF-8.
pub(crate) fn given_text(inline: Option<&str>, file: Option<&Path>, what: &str) -> Result<(String, String), Failure> {
    match (inline, file) {
        (Some("-"), _) => read_standard_input(),
        (_, Some(dash)) if dash == Path::new("-") => read_standard_input(),
        (Some(text), _) => Ok((what.to_owned(), text.to_owned())),
        (None, Some(file)) => {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            Ok((name, text))
        }
        (None, None) => Err(Failure::usage(format_args!("give a {what}, or --file"))),
    }
}

fn read_standard_input() -> Result<(String, String), Failure> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text).context("cannot read standard input")?;
    Ok(("standard input".to_owned(), text))
}
