//! Advisories of RustSec's database: `crates/<crate>/RUSTSEC-<year>-<number>.md`, each with TOML at its head.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::metadata::Package;

#[derive(Deserialize)]
struct File {
    advisory: Advisory,
    #[serde(default)]
    versions: Versions,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    /// Set where it was an error
    withdrawn: Option<toml::Value>,
    /// `unmaintained`, `unsound` or `notice`; nothing for a vulnerability
    informational: Option<String>,
}

#[derive(Deserialize, Default)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

/// The packages that an advisory is about, except where it only gives notice or is ignored; and ignored ones that are not met.
pub(super) fn check(database: &Path, packages: &[Package], ignored: &BTreeSet<&str>) -> Result<Vec<String>> {
    let crates = database.join("crates");
    ensure!(crates.is_dir(), "{} is no clone of RustSec's advisory database", database.display());
    let mut faults = BTreeSet::new();
    let mut met = BTreeSet::new();
    for package in packages.iter().filter(|package| package.source.is_some()) {
        let version = Version::parse(&package.version).with_context(|| package.name.clone())?;
        for entry in fs::read_dir(crates.join(&package.name)).into_iter().flatten() {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let (advisory, title) = read(&text).with_context(|| path.display().to_string())?;
            let File { advisory: Advisory { id, withdrawn, informational }, versions } = advisory;
            let mut is_fixed = false;
            for range in versions.patched.iter().chain(&versions.unaffected) {
                let range = VersionReq::parse(range).with_context(|| format!("{}: `{range}`", path.display()))?;
                is_fixed |= range.matches(&version);
            }
            if is_fixed || withdrawn.is_some() || informational.as_deref() == Some("notice") {
                continue;
            }
            if !ignored.contains(id.as_str()) {
                let kind = informational.map(|kind| format!(", {kind}")).unwrap_or_default();
                faults.insert(format!("{id}{kind}: {} {version}: {title}", package.name));
            }
            met.insert(id);
        }
    }
    let mut faults: Vec<String> = faults.into_iter().collect();
    let needless = ignored.iter().filter(|id| !met.contains(**id));
    faults.extend(needless.map(|id| format!("ignore: {id} is about no package here; remove the line")));
    Ok(faults)
}

/// The TOML at the head of an advisory, and its title.
fn read(text: &str) -> Result<(File, &str)> {
    let (head, body) = text
        .trim_start()
        .strip_prefix("```toml")
        .and_then(|rest| rest.split_once("\n```"))
        .context("no TOML at its head")?;
    let title = body.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
    Ok((toml::from_str(head)?, title))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn packages_are_named_that_an_advisory_is_about() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, more: &str, versions: &str| {
            fs::create_dir_all(folder.path().join("crates/a")).unwrap();
            let text = format!(
                "```toml\n[advisory]\nid = \"{name}\"\npackage = \"a\"\ndate = \"2024-01-02\"\n{more}\n[versions]\n{versions}\n```\n\n# It breaks\n\nText.\n"
            );
            fs::write(folder.path().join(format!("crates/a/{name}.md")), text).unwrap();
        };
        write("RUSTSEC-1", "", "patched = [\">= 1.2.0\"]");
        write("RUSTSEC-2", "", "patched = [\">= 1.3.0\"]\nunaffected = [\"< 1.0.0\"]");
        write("RUSTSEC-3", "withdrawn = \"2024-02-03\"", "patched = []");
        write("RUSTSEC-4", "informational = \"unmaintained\"", "patched = []");
        write("RUSTSEC-5", "informational = \"notice\"", "patched = []");
        let package = |name: &str| {
            serde_json::from_value::<Package>(json!({
                "id": name, "name": name, "version": "1.2.3", "source": "registry+x", "dependencies": [],
                "manifest_path": "/x/Cargo.toml", "targets": []
            }))
            .unwrap()
        };
        let packages = [package("a"), package("b")];
        let found = check(folder.path(), &packages, &BTreeSet::new()).unwrap();
        assert_eq!(found, ["RUSTSEC-2: a 1.2.3: It breaks", "RUSTSEC-4, unmaintained: a 1.2.3: It breaks"]);
        let ignored = BTreeSet::from(["RUSTSEC-2", "RUSTSEC-4", "RUSTSEC-9"]);
        let found = check(folder.path(), &packages, &ignored).unwrap();
        assert_eq!(found, ["ignore: RUSTSEC-9 is about no package here; remove the line"]);
        assert!(check(Path::new("/nowhere"), &packages, &ignored).is_err());
    }
}
