//! The inputs that arguments stand for: files, the files in folders, and objects of buckets.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use glob::{MatchOptions, Pattern};
use store::Listed;
use tokio::runtime::Handle;

use super::{BucketObject, FileKind, Input, refuse_repeated_pipes};
use crate::exit::Failure;
use crate::output::{Output, counted, harmless};

/// An input, and what is known of it before it is read.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) input: Input,
    /// Its length in bytes.
    pub(crate) bytes: Option<u64>,
    /// The ETag of an object.
    pub(crate) etag: Option<String>,
    /// Whether it was found in a folder or below a prefix, and not named itself.
    pub(crate) is_found: bool,
}

impl Candidate {
    /// An input that was named itself.
    pub(crate) fn named(input: Input) -> Self {
        Self { input, bytes: None, etag: None, is_found: false }
    }
}

/// Which files of folders and prefixes are read.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filter {
    /// Read only matching files of a folder or prefix: `*.gz`, `2025/**/*.log` (repeatable)
    #[arg(long, value_name = "GLOB")]
    include: Vec<Pattern>,
    /// Skip matching files of a folder or prefix (repeatable)
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<Pattern>,
}

impl Filter {
    /// Whether the file is to be read that stands at `path` in its folder, with slashes between names.
    fn takes(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
        let matches = |pattern: &Pattern| {
            // As in .gitignore: a pattern without a slash is about the name, wherever it stands.
            let subject = if pattern.as_str().contains('/') { path } else { name };
            pattern.matches_with(subject, options)
        };
        (self.include.is_empty() || self.include.iter().any(matches)) && !self.exclude.iter().any(matches)
    }
}

/// How arguments become inputs.
pub(crate) struct Search<'s> {
    pub(crate) output: &'s Output,
    pub(crate) runtime: &'s Handle,
    pub(crate) filter: &'s Filter,
    /// The mapping config, which may come from standard input.
    pub(crate) mapping: &'s str,
    /// Locations of the lake and of quarantine. What is kept there is no input, should they lie among the inputs.
    pub(crate) outputs: Vec<&'s str>,
}

/// Where objects are below the location of a lake or of quarantine.
const OUTPUT_FOLDERS: [&str; 3] = ["ext", "quarantine", crate::ingest::LEDGER_FOLDER];

/// What was passed over in a folder or below a prefix: examples and how many, by what it is.
#[derive(Default)]
struct Skipped(BTreeMap<&'static str, (Vec<String>, u64)>);

const HIDDEN: &str = "hidden";
const LINKED: &str = "symbolic link to a folder";
const SPECIAL: &str = "pipe or device";
const OUTPUT: &str = "part of the lake or quarantine";

impl Skipped {
    fn note(&mut self, what: &'static str, name: impl FnOnce() -> String) {
        let (examples, count) = self.0.entry(what).or_default();
        *count += 1;
        if examples.len() < 3 {
            examples.push(name());
        }
    }

    fn say(&self, output: &Output, place: &str) {
        for (what, (examples, count)) in &self.0 {
            let more = count - examples.len() as u64;
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let names = examples.join(", ");
            let names = harmless(&names);
            output.say(format_args!("{}: skipped ({what}): {names}{more}", harmless(place)));
        }
    }
}

impl Search<'_> {
    /// The inputs, in the order of the arguments; those of a folder sorted by name, those of a prefix by key.
    ///
    /// # Errors
    /// An argument that cannot be read, or a folder or prefix without a file to read.
    pub(crate) fn inputs(&self, arguments: &[PathBuf]) -> Result<Vec<Candidate>, Failure> {
        let mut found = Vec::new();
        for argument in arguments {
            if let Some(place) = argument.to_str().and_then(|text| text.strip_prefix("s3://")) {
                self.runtime.block_on(self.bucket(place, &mut found))?;
                continue;
            }
            let input = Input::named(argument);
            match input.look()? {
                FileKind::Folder => self.folder(argument, &mut found)?,
                FileKind::Regular(bytes) => found.push(Candidate { bytes: Some(bytes), ..Candidate::named(input) }),
                FileKind::Pipe => found.push(Candidate::named(input)),
            }
        }
        refuse_repeated_pipes(found.iter().map(|candidate| &candidate.input), Some(self.mapping))?;
        Ok(found)
    }

    fn folder(&self, root: &Path, found: &mut Vec<Candidate>) -> Result<(), Failure> {
        let outputs = self.outputs.iter().filter(|location| !location.starts_with("s3://"));
        let outputs: Vec<PathBuf> = outputs
            .flat_map(|location| OUTPUT_FOLDERS.map(|folder| Path::new(location).join(folder)))
            .filter_map(|folder| folder.canonicalize().ok())
            .collect();
        let before = found.len();
        let mut skipped = Skipped::default();
        self.walk(root, "", &outputs, &mut skipped, found)?;
        let root = root.display().to_string();
        skipped.say(self.output, &root);
        if found.len() == before {
            return Err(Failure::usage(format_args!("{root} is a folder without a file to read")));
        }
        Ok(())
    }

    /// Adds the files below `folder`, whose names begin with `parent`.
    fn walk(
        &self,
        folder: &Path,
        parent: &str,
        outputs: &[PathBuf],
        skipped: &mut Skipped,
        found: &mut Vec<Candidate>,
    ) -> Result<(), Failure> {
        let context = |path: &Path| format!("cannot read {}", path.display());
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| context(folder))? {
            entries.push(entry.with_context(|| context(folder))?);
        }
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let name = format!("{parent}{}", entry.file_name().to_string_lossy());
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                skipped.note(HIDDEN, || name);
                continue;
            }
            let kind = entry.file_type().with_context(|| context(&path))?;
            if kind.is_dir() {
                if path.canonicalize().is_ok_and(|path| outputs.contains(&path)) {
                    skipped.note(OUTPUT, || name);
                } else {
                    self.walk(&path, &format!("{name}/"), outputs, skipped, found)?;
                }
                continue;
            }
            // A broken link, or a file that has just gone, is an input that cannot be read: that is told in its turn.
            let metadata = fs::metadata(&path).ok();
            match metadata {
                Some(metadata) if metadata.is_dir() => skipped.note(LINKED, || name),
                Some(metadata) if !metadata.is_file() => skipped.note(SPECIAL, || name),
                metadata if self.filter.takes(&name) => found.push(Candidate {
                    input: Input::File(path),
                    bytes: metadata.map(|metadata| metadata.len()),
                    etag: None,
                    is_found: true,
                }),
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds the object `bucket/key`; if there is none of that key, those below `bucket/key/`; if there are none either,
    /// those whose key begins so.
    async fn bucket(&self, place: &str, found: &mut Vec<Candidate>) -> Result<(), Failure> {
        let (bucket, given) = place.split_once('/').unwrap_or((place, ""));
        let store = crate::aws_access::open_store(&format!("s3://{bucket}")).await?;
        let object = |listed: Listed, is_found| Candidate {
            input: Input::Object(BucketObject {
                store: Arc::clone(&store),
                runtime: self.runtime.clone(),
                bucket: bucket.to_owned(),
                key: listed.key,
            }),
            bytes: Some(listed.bytes),
            etag: listed.tag,
            is_found,
        };
        let is_prefix = given.is_empty() || given.ends_with('/');
        let first = store.list(given, "").await?;
        if first.is_empty() {
            return Err(Failure::usage(format_args!("s3://{place} has no objects")));
        }
        if !is_prefix && let Some(listed) = first.into_iter().find(|listed| listed.key == given) {
            found.push(object(listed, false));
            return Ok(());
        }
        let mut prefix = given.to_owned();
        if !is_prefix {
            prefix.push('/');
            if store.list(&prefix, "").await?.is_empty() {
                prefix.pop();
                self.output.say(format_args!(
                    "s3://{place} is no object, and nothing is below s3://{place}/: reading the objects whose key begins \
                     with {prefix}"
                ));
            }
        }
        let outputs = self.outputs.iter().filter_map(|location| {
            let (of, root) = location.strip_prefix("s3://")?.split_once('/').unwrap_or((&location[5..], ""));
            let root = root.trim_matches('/');
            (of == bucket).then(|| if root.is_empty() { String::new() } else { format!("{root}/") })
        });
        let outputs: Vec<String> =
            outputs.flat_map(|root| OUTPUT_FOLDERS.map(|folder| format!("{root}{folder}/"))).collect();
        let (mut skipped, before) = (Skipped::default(), found.len());
        // Names are relative to the folder that the prefix names or ends in.
        let folder = prefix.rfind('/').map_or(0, |slash| slash + 1);
        let listing = self.output.waiting("listing objects");
        let mut after = String::new();
        loop {
            let page = store.list(&prefix, &after).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.key);
            for listed in page {
                let name = listed.key.get(folder..).unwrap_or_default().to_owned();
                // What S3's console leaves for an empty folder.
                if listed.key.ends_with('/') && listed.bytes == 0 {
                    continue;
                }
                if outputs.iter().any(|output| listed.key.starts_with(output)) {
                    skipped.note(OUTPUT, || name);
                } else if name.split('/').any(|segment| segment.starts_with('.')) {
                    skipped.note(HIDDEN, || name);
                } else if self.filter.takes(&name) {
                    found.push(object(listed, true));
                }
            }
        }
        listing.finish_and_clear();
        skipped.say(self.output, &format!("s3://{place}"));
        let taken = (found.len() - before) as u64;
        if taken == 0 {
            return Err(Failure::usage(format_args!("s3://{place} has no object to read")));
        }
        self.output.say(format_args!("s3://{place}: {}", counted(taken, "object")));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let patterns = |globs: &[&str]| globs.iter().map(|glob| Pattern::new(glob).unwrap()).collect();
        Filter { include: patterns(include), exclude: patterns(exclude) }
    }

    #[test]
    fn a_glob_with_a_slash_is_about_the_path_and_one_without_about_the_name() {
        for (include, exclude, path, taken) in [
            (&[][..], &[][..], "a/b.log", true),
            (&["*.gz"], &[], "a/b.gz", true),
            (&["*.gz"], &[], "a/b.log", false),
            (&["*.gz", "*.log"], &[], "a/b.log", true),
            (&["a/*.gz"], &[], "a/b.gz", true),
            (&["a/*.gz"], &[], "a/x/b.gz", false),
            (&["a/**/*.gz"], &[], "a/x/y/b.gz", true),
            (&["a/**/*.gz"], &[], "a/b.gz", true),
            (&[], &["*.gz"], "a/b.gz", false),
            (&["*.gz"], &["a/**"], "a/b.gz", false),
            (&["*.gz"], &["a/**"], "b.gz", true),
        ] {
            assert_eq!(filter(include, exclude).takes(path), taken, "{include:?} {exclude:?} {path}");
        }
    }
}
