//! The step `supply-chain` of `cargo xtask test`: what Sluice is built from.
//!
//! Licences, duplicates and sources are held to `deny.toml`, which `cargo deny` reads too; this check needs neither that
//! program nor the network. Advisories are checked where a clone of RustSec's database is at hand.

mod advisories;
mod license;
mod unused;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use semver::Version;
use serde::Deserialize;

use crate::metadata::{Metadata, Package};
use crate::runner::{Counts, Outcome, Skip};
use crate::workspace;
use license::Expression;

/// The part of `deny.toml` that is checked here. A key that is not would be silently without effect.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
    advisories: Advisories,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Bans {
    #[expect(dead_code, reason = "of cargo deny; here more than one version is always denied")]
    multiple_versions: Deny,
    #[expect(dead_code, reason = "of cargo deny")]
    wildcards: String,
    deny: Vec<Named>,
    skip: Vec<Named>,
}

/// A crate, as `name` or `name@version`, and why it is listed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Sources {
    #[expect(dead_code, reason = "of cargo deny; here others than those allowed are always denied")]
    unknown_registry: Deny,
    #[expect(dead_code, reason = "of cargo deny; here others than those allowed are always denied")]
    unknown_git: Deny,
    allow_registry: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deny {
    Deny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisories {
    ignore: Vec<Ignored>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignored {
    id: String,
    #[expect(dead_code, reason = "for those who read the file")]
    reason: String,
}

/// A check and what it finds.
type Check = (&'static str, Vec<String>);

/// Runs all checks; each counts as one test.
///
/// `database` is a clone of RustSec's advisory database.
pub(crate) fn check(database: Option<&Path>) -> Result<Outcome> {
    let text = fs::read_to_string(workspace().join("deny.toml")).context("deny.toml")?;
    let policy: Policy = toml::from_str(&text).context("deny.toml")?;
    let metadata = Metadata::read(&policy.graph.targets)?;
    let readme = fs::read_to_string(workspace().join("README.md")).context("README.md")?;
    let mut checks: Vec<Check> = vec![
        ("licences", licences(&metadata.packages, &policy.licenses.allow)),
        ("duplicates and banned crates", bans(&metadata.packages, &policy.bans)),
        ("sources", sources(&metadata.packages, &policy.sources.allow_registry)),
        ("minimum version of Rust", minimum_rust(&metadata, &readme)),
        ("unused dependencies", unused::check(&metadata)?),
    ];
    let mut outcome = Outcome { succeeded: true, ..Outcome::default() };
    match database {
        Some(database) => {
            let ignored: BTreeSet<&str> = policy.advisories.ignore.iter().map(|ignored| ignored.id.as_str()).collect();
            checks.push(("advisories", advisories::check(database, &metadata.packages, &ignored)?));
        }
        None => {
            outcome.counts.skipped += 1;
            let reason =
                "no advisory database; clone https://github.com/rustsec/advisory-db and pass --advisories PATH";
            println!("skipped: {reason}");
            outcome.skips.push(Skip { reason: reason.to_owned(), test: "advisories".to_owned() });
        }
    }
    println!("{} packages", metadata.packages.len());
    for (name, faults) in checks {
        println!("{name}: {}", if faults.is_empty() { "ok" } else { "FAILED" });
        for fault in &faults {
            println!("  {fault}");
        }
        outcome.succeeded &= faults.is_empty();
        outcome.counts.add(Counts {
            passed: u64::from(faults.is_empty()),
            failed: u64::from(!faults.is_empty()),
            skipped: 0,
        });
    }
    Ok(outcome)
}

/// Packages that no allowed licence covers, and allowed licences that no package has.
fn licences(packages: &[Package], allowed: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut met = BTreeSet::new();
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        let Some(license) = &package.license else {
            faults.push(format!("{name} states no licence"));
            continue;
        };
        match Expression::parse(license) {
            None => faults.push(format!("{name}: `{license}` is no SPDX expression")),
            Some(expression) => {
                if !expression.is_allowed(&|id| allowed.iter().any(|allowed| allowed == id)) {
                    faults.push(format!("{name}: `{license}` is not allowed"));
                }
                met.extend(expression.ids().map(str::to_owned));
            }
        }
    }
    faults.extend(
        allowed.iter().filter(|id| !met.contains(*id)).map(|id| format!("`{id}` is allowed, but no package has it")),
    );
    faults
}

/// Crates of which there are several versions, banned crates, and exceptions that are not needed.
fn bans(packages: &[Package], bans: &Bans) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().insert(&package.version);
        if let Some(banned) = bans.deny.iter().find(|banned| banned.name == package.name) {
            faults.push(format!("{} is banned: {}", banned.name, banned.reason));
        }
    }
    for skip in &bans.skip {
        let (name, version) = skip.name.split_once('@').unwrap_or((&skip.name, ""));
        match versions.get_mut(name).is_some_and(|versions| versions.len() > 1 && versions.remove(version)) {
            true => {}
            false => faults.push(format!("skip: {} is no second version of a crate; remove the line", skip.name)),
        }
    }
    faults.extend(versions.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, versions)| {
        let versions = versions.iter().copied().collect::<Vec<_>>().join(", ");
        format!("{name} is there in several versions: {versions}; `cargo tree --invert {name}@VERSION` says why")
    }));
    faults
}

/// Packages from anywhere else than the allowed registries and this workspace.
fn sources(packages: &[Package], allowed: &[String]) -> Vec<String> {
    let is_allowed =
        |source: &str| source.strip_prefix("registry+").is_some_and(|url| allowed.iter().any(|a| a == url));
    let strange = packages.iter().filter(|package| match &package.source {
        Some(source) => !is_allowed(source),
        None => !package.manifest_path.starts_with(workspace()),
    });
    strange
        .map(|package| {
            let from = package.source.clone().unwrap_or_else(|| package.manifest_path.display().to_string());
            format!("{} {} comes from {from}", package.name, package.version)
        })
        .collect()
}

/// The workspace states one version of Rust, README the same, and no dependency needs a later one.
fn minimum_rust(metadata: &Metadata, readme: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let members: BTreeSet<&str> = metadata.members().filter_map(|member| member.rust_version.as_deref()).collect();
    let without = metadata.members().filter(|member| member.rust_version.is_none());
    faults.extend(without.map(|member| format!("{} has no rust-version", member.name)));
    let stated = match members.iter().copied().collect::<Vec<_>>()[..] {
        [stated] => stated,
        _ => {
            faults.push(format!("the workspace's packages state several: {members:?}"));
            return faults;
        }
    };
    if !readme.contains(&format!("Rust {stated}")) {
        faults.push(format!("README.md does not say `Rust {stated}`"));
    }
    let Some(minimum) = rust_version(stated) else {
        faults.push(format!("`{stated}` is no version"));
        return faults;
    };
    for package in &metadata.packages {
        let needs = package.rust_version.as_deref().and_then(rust_version);
        if let Some(needs) = needs.filter(|needs| *needs > minimum) {
            faults.push(format!("{} {} needs Rust {needs}, Cargo.toml says {stated}", package.name, package.version));
        }
    }
    faults
}

/// A `rust-version`, which may have two parts.
fn rust_version(text: &str) -> Option<Version> {
    let full = if text.matches('.').count() == 1 { format!("{text}.0") } else { text.to_owned() };
    Version::parse(&full).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn packages(list: &[(&str, &str, &str)]) -> Vec<Package> {
        let package = |(name, version, license): &(&str, &str, &str)| {
            serde_json::from_value(json!({
                "id": format!("{name}@{version}"), "name": name, "version": version, "license": license,
                "source": "registry+https://index", "dependencies": [], "manifest_path": "/x/Cargo.toml", "targets": []
            }))
            .unwrap()
        };
        list.iter().map(package).collect()
    }

    fn named(name: &str) -> Named {
        Named { name: name.to_owned(), reason: "why".to_owned() }
    }

    #[test]
    fn a_licence_that_is_not_allowed_is_named_and_so_is_one_that_is_not_met() {
        let packages = packages(&[("a", "1.0.0", "MIT"), ("b", "1.0.0", "GPL-3.0"), ("c", "1.0.0", "MIT OR GPL-3.0")]);
        let allowed = ["MIT".to_owned(), "ISC".to_owned()];
        let expected = ["b 1.0.0: `GPL-3.0` is not allowed", "`ISC` is allowed, but no package has it"];
        assert_eq!(licences(&packages, &allowed), expected);
    }

    #[test]
    fn a_second_version_needs_a_line_and_a_line_needs_a_second_version() {
        let packages = packages(&[("a", "1.0.0", ""), ("a", "2.0.0", ""), ("b", "1.0.0", ""), ("c", "1.0.0", "")]);
        let policy = |skip: &[&str], deny: &[&str]| Bans {
            multiple_versions: Deny::Deny,
            wildcards: String::new(),
            deny: deny.iter().map(|name| named(name)).collect(),
            skip: skip.iter().map(|name| named(name)).collect(),
        };
        let several = "a is there in several versions: 1.0.0, 2.0.0; `cargo tree --invert a@VERSION` says why";
        assert_eq!(bans(&packages, &policy(&[], &[])), [several]);
        assert_eq!(bans(&packages, &policy(&["a@1.0.0"], &["c"])), ["c is banned: why"]);
        let needless = "skip: b@1.0.0 is no second version of a crate; remove the line";
        assert_eq!(bans(&packages, &policy(&["a@1.0.0", "b@1.0.0"], &[])), [needless]);
    }

    #[test]
    fn a_package_from_another_registry_or_folder_is_named() {
        let packages = packages(&[("a", "1.0.0", "MIT")]);
        assert!(sources(&packages, &["https://index".to_owned()]).is_empty());
        let expected = ["a 1.0.0 comes from registry+https://index"];
        assert_eq!(sources(&packages, &["https://other".to_owned()]), expected);
    }

    #[test]
    fn versions_of_rust_are_compared_as_numbers() {
        assert!(rust_version("1.94.1") > rust_version("1.94"));
        assert!(rust_version("1.100") > rust_version("1.94.1"));
    }
}
