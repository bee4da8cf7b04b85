//! Dependencies that a package names in its manifest and not in its sources.
//!
//! Sources are scanned for the crate's name at the head of a path (`name::`) or in a `use`. What only the presence of a
//! dependency does, as turning on a feature, needs an exception in the package's manifest, in the form that `cargo machete`
//! reads too: `[package.metadata.cargo-machete]`, `ignored = ["name"]`, with the reason as a comment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::metadata::{Dependency, Metadata, Package};

/// A line for each dependency that is not used, and each exception that is not needed.
pub(super) fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let libraries: BTreeMap<&str, &str> =
        metadata.packages.iter().filter_map(|package| Some((package.name.as_str(), package.library()?))).collect();
    let mut faults = Vec::new();
    for member in metadata.members() {
        let texts = Texts::read(member.folder())?;
        let mut exceptions = exceptions(member);
        for dependency in &member.dependencies {
            let name = dependency.rename.as_ref().unwrap_or(&dependency.name);
            let library = dependency.rename.as_deref().or_else(|| libraries.get(&*dependency.name).copied());
            let identifier = library.unwrap_or(name).replace('-', "_");
            if texts.of(dependency).any(|text| is_used(text, &identifier)) {
                continue;
            }
            // One that is there for tests with more features needs no use of its own.
            let is_also_normal = dependency.kind.as_deref() == Some("dev")
                && member.dependencies.iter().any(|other| other.kind.is_none() && other.name == dependency.name);
            if is_also_normal {
                continue;
            }
            match exceptions.iter().position(|exception| exception == name) {
                Some(at) => drop(exceptions.remove(at)),
                None => faults.push(format!("{}: {}dependency `{name}` is not used", member.name, kind(dependency))),
            }
        }
        faults
            .extend(exceptions.iter().map(|name| format!("{}: the exception for `{name}` is not needed", member.name)));
    }
    Ok(faults)
}

fn kind(dependency: &Dependency) -> String {
    dependency.kind.as_ref().map(|kind| format!("{kind}-")).unwrap_or_default()
}

fn exceptions(package: &Package) -> Vec<String> {
    let ignored = package.metadata.as_ref().and_then(|metadata| metadata.pointer("/cargo-machete/ignored"));
    let names = ignored.and_then(|ignored| ignored.as_array()).into_iter().flatten();
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// A package's sources.
struct Texts {
    /// Of its library and programs, without comments
    own: Vec<String>,
    /// Of its tests, benchmarks and examples, and the examples in comments
    tests: Vec<String>,
    build: Vec<String>,
}

impl Texts {
    fn read(package: &Path) -> Result<Self> {
        let sources = rust_files(&package.join("src"))?;
        let own: Vec<String> = sources.iter().map(|text| without_comments(text)).collect();
        let mut tests = sources;
        for folder in ["tests", "benches", "examples"] {
            tests.extend(rust_files(&package.join(folder))?);
        }
        // The package of benchmarks keeps modules of all of them beside its manifest.
        let build = fs::read_to_string(package.join("build.rs")).into_iter().collect();
        Ok(Self { own, tests, build })
    }

    fn of(&self, dependency: &Dependency) -> impl Iterator<Item = &String> {
        match dependency.kind.as_deref() {
            Some("build") => self.build.iter(),
            Some("dev") => self.tests.iter(),
            _ => self.own.iter(),
        }
    }
}

fn rust_files(folder: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(fs::read_to_string(&path).with_context(|| path.display().to_string())?);
            }
        }
    }
    Ok(texts)
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

/// Whether a crate's name stands at the head of a path or in a `use`.
fn is_used(text: &str, identifier: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(identifier).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + identifier.len()..]);
        if before.ends_with(is_part) || after.starts_with(is_part) {
            return false;
        }
        let inside_a_path = before.trim_end().ends_with("::") && !begins_a_path(before);
        let imported = ["use", "crate"].iter().any(|word| {
            before.trim_end().strip_suffix(word).is_some_and(|rest| !rest.ends_with(is_part) && before.ends_with(' '))
        });
        !inside_a_path && (after.trim_start().starts_with("::") || imported)
    })
}

/// Whether the `::` at the end is that of `::name`, not of `module::name`.
fn begins_a_path(before: &str) -> bool {
    let rest = before.trim_end().trim_end_matches(':');
    !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_used_where_a_path_or_an_import_begins_with_it() {
        for text in [
            "use lake::key;",
            "use lake;",
            "pub use lake as store;",
            "extern crate lake;",
            "let x = lake::key();",
            "x(::lake::key())",
            "use {lake::key, other};",
            "#[derive(lake::Key)]",
        ] {
            assert!(is_used(text, "lake"), "{text}");
        }
        for text in
            ["let lake = 1;", "use data_lake::x;", "lakes::x()", "crate::lake::x()", "self::lake::x()", "mod lake;"]
        {
            assert!(!is_used(text, "lake"), "{text}");
        }
    }

    #[test]
    fn comments_do_not_use_a_crate() {
        assert!(!is_used(&without_comments("//! use lake::key;\n    // lake::key\nfn f() {}\n"), "lake"));
    }
}
