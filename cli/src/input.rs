//! Inputs that the command line names: files, objects of buckets, and `-` for standard input.
//!
//! Each is opened only once, just before it is read, because a pipe cannot be read twice. Earlier checks, such as
//! whether a file exists, only use its name.

mod search;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use store::Store;
use tokio::runtime::Handle;

use crate::exit::Failure;

pub(crate) use search::{Candidate, Filter, Search};

/// Something to read.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// `-`
    Stdin,
    /// A path: of a file, a pipe, a device.
    File(PathBuf),
    /// An object of a bucket.
    Object(BucketObject),
}

/// An object of a bucket.
#[derive(Debug, Clone)]
pub(crate) struct BucketObject {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) runtime: Handle,
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// An input that is being read.
pub(crate) struct Opened {
    pub(crate) reader: Box<dyn Read + Send>,
    /// Its length in bytes, where there is one: pipes and devices have none.
    pub(crate) bytes: Option<u64>,
    /// The version of an object, in buckets that keep versions.
    pub(crate) version: Option<String>,
    /// The ETag of an object.
    pub(crate) etag: Option<String>,
}

impl Input {
    /// The files that arguments name. Standard input and pipes can be read only once, and standard input not at all if
    /// the mapping config comes from there.
    ///
    /// # Errors
    /// A folder, a file that cannot be opened, or the same pipe twice.
    pub(crate) fn all(arguments: &[PathBuf], mapping: Option<&str>) -> Result<Vec<Self>, Failure> {
        let inputs: Vec<Self> = arguments.iter().map(|argument| Self::named(argument)).collect();
        for input in &inputs {
            if let Self::File(path) = input
                && input.look()?.is_dir()
            {
                return Err(Failure::usage(format_args!("{} is a folder; name the files in it", path.display())));
            }
        }
        refuse_repeated_pipes(inputs.iter(), mapping)?;
        Ok(inputs)
    }

    /// The file or standard input that an argument names.
    fn named(argument: &Path) -> Self {
        if argument.as_os_str() == "-" { Self::Stdin } else { Self::File(argument.to_path_buf()) }
    }

    /// The kind of the file, without opening it: opening and closing a pipe would lose its writer's data.
    ///
    /// # Errors
    /// There is no such file, or it is a regular file that may not be read.
    fn look(&self) -> Result<FileKind, Failure> {
        let Self::File(path) = self else { return Ok(FileKind::Pipe) };
        let metadata = fs::metadata(path).with_context(|| format!("cannot read {self}"))?;
        if metadata.is_dir() {
            return Ok(FileKind::Folder);
        }
        if !metadata.is_file() {
            return Ok(FileKind::Pipe);
        }
        File::open(path).with_context(|| format!("cannot read {self}"))?;
        Ok(FileKind::Regular(metadata.len()))
    }

    /// Opens it for reading. Call this only once.
    ///
    /// # Errors
    /// A file or an object that cannot be opened.
    pub(crate) fn open(&self) -> Result<Opened, Failure> {
        let unnamed = |reader, bytes| Opened { reader, bytes, version: None, etag: None };
        Ok(match self {
            Self::Stdin => unnamed(Box::new(io::stdin()), None),
            Self::File(path) => {
                let file = File::open(path).with_context(|| format!("cannot read {self}"))?;
                let metadata = file.metadata().with_context(|| format!("cannot read {self}"))?;
                unnamed(Box::new(file), metadata.is_file().then_some(metadata.len()))
            }
            Self::Object(object) => {
                let chunks = object.runtime.block_on(object.store.read(&object.key))?;
                Opened {
                    bytes: chunks.length(),
                    version: chunks.version().map(str::to_owned),
                    etag: chunks.etag().map(str::to_owned),
                    reader: Box::new(chunks.into_read(object.runtime.clone())),
                }
            }
        })
    }
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    /// A file of so many bytes.
    Regular(u64),
    Folder,
    /// A pipe, a socket, a device: it has no length, and may be read only once.
    Pipe,
}

impl FileKind {
    fn is_dir(self) -> bool {
        self == Self::Folder
    }
}

fn refuse_repeated_pipes<'i>(inputs: impl Iterator<Item = &'i Input>, mapping: Option<&str>) -> Result<(), Failure> {
    let mut seen: Vec<&Path> = mapping.map(Path::new).into_iter().collect();
    for input in inputs {
        let (path, what) = match input {
            Input::Stdin => (Path::new("-"), "standard input"),
            Input::File(path) if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) => (&**path, "a pipe"),
            _ => continue,
        };
        if seen.contains(&path) {
            let path = path.display();
            return Err(Failure::usage(format_args!("`{path}` is given twice, but {what} can be read only once")));
        }
        seen.push(path);
    }
    Ok(())
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
            Self::Object(object) => write!(f, "s3://{}/{}", object.bucket, object.key),
        }
    }
}

/// A text from an argument, a file, or `-` for standard input, with its name for messages.
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
