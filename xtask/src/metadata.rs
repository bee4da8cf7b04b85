//! What `cargo metadata` and `Cargo.lock` say about the packages that Sluice is built from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::{cargo, workspace};

#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) rust_version: Option<String>,
    /// Where it comes from, as `registry+https://…`; nothing for a folder.
    pub(crate) source: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) manifest_path: PathBuf,
    targets: Vec<Target>,
    /// `[package.metadata]` of its manifest.
    pub(crate) metadata: Option<serde_json::Value>,
}

/// An entry of a manifest.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) rename: Option<String>,
    /// `dev`, `build`, or nothing for `[dependencies]`
    pub(crate) kind: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDependency>,
}

#[derive(Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Metadata {
    /// Of the workspace's lock file, for some platforms. Needs no network where these packages were downloaded before.
    pub(crate) fn read(platforms: &[String]) -> Result<Self> {
        let mut metadata = cargo();
        metadata.args(["metadata", "--format-version", "1", "--locked"]);
        metadata.args(platforms.iter().flat_map(|platform| ["--filter-platform", platform]));
        let output = metadata.output().context("running cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).context("the output of cargo metadata")
    }

    /// The workspace's own packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// What each package needs to be built, without what only its tests need.
    pub(crate) fn edges(&self) -> BTreeMap<&str, Vec<&str>> {
        let is_needed =
            |dependency: &&NodeDependency| dependency.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
        let needed = |node: &'_ Node| node.deps.iter().filter(is_needed).map(|d| d.pkg.clone()).collect::<Vec<_>>();
        let by_id: BTreeMap<&str, &str> = self.packages.iter().map(|p| (p.id.as_str(), p.id.as_str())).collect();
        let edge = |node: &Node| {
            let ids = needed(node).iter().filter_map(|id| by_id.get(id.as_str()).copied()).collect::<Vec<_>>();
            Some((*by_id.get(node.id.as_str())?, ids))
        };
        self.resolve.nodes.iter().filter_map(edge).collect()
    }
}

impl Package {
    /// The name under which other packages' sources know its library.
    pub(crate) fn library(&self) -> Option<&str> {
        let is_library = |target: &&Target| target.kind.iter().any(|kind| kind.contains("lib") || kind == "proc-macro");
        self.targets.iter().find(is_library).map(|target| target.name.as_str())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

/// SHA-256 of the packages of `Cargo.lock` that come from a registry, by name and version.
pub(crate) fn checksums() -> Result<BTreeMap<(String, String), String>> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        version: String,
        checksum: Option<String>,
    }
    let path = workspace().join("Cargo.lock");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let lock: Lock = toml::from_str(&text).context("Cargo.lock")?;
    Ok(lock.package.into_iter().filter_map(|p| Some(((p.name, p.version), p.checksum?))).collect())
}
