//! `cargo xtask sbom`: a software bill of materials for each program, in CycloneDX 1.5.
//!
//! Which packages are in a program, `cargo tree` says, with the features of that program alone; what they are and how they
//! depend on each other, `cargo metadata`; their checksums, `Cargo.lock`. Same lock file, same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::metadata::{Metadata, Package, checksums};
use crate::{cargo, target_folder};

/// The programs, which have the names of their packages.
const PROGRAMS: [&str; 4] = ["sluice", "transform-kinesis", "transform-s3", "detect"];

/// A component that only builds the program, as a build script, has the scope `excluded`; a package of this project has no
/// purl, for it is in no registry.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask sbom\n  cargo xtask sbom --output bom --timestamp 2026-01-31T12:00:00Z detect"
)]
pub(crate) struct Sbom {
    /// Which programs; all if none is named
    #[arg(value_parser = PROGRAMS)]
    programs: Vec<String>,
    /// Folder for <program>.cdx.json [default: sbom in cargo's target folder]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Platform that the programs are built for
    #[arg(long, value_name = "TRIPLE", default_value = "x86_64-unknown-linux-gnu")]
    target: String,
    /// Time to state in the files, in UTC [default: none, so that the files do not change between runs]
    #[arg(long, value_name = "TIME")]
    timestamp: Option<jiff::Timestamp>,
}

impl Sbom {
    pub(crate) fn run(self) -> Result<()> {
        let folder = self.output.unwrap_or_else(|| target_folder().join("sbom"));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let metadata = Metadata::read(std::slice::from_ref(&self.target))?;
        let programs: Vec<&str> = match &self.programs[..] {
            [] => PROGRAMS.to_vec(),
            named => named.iter().map(String::as_str).collect(),
        };
        for program in programs {
            let document = document(&metadata, program, &self.target, self.timestamp)?;
            let path = folder.join(format!("{program}.cdx.json"));
            fs::write(&path, format!("{document:#}\n")).with_context(|| path.display().to_string())?;
            let count = document["components"].as_array().map_or(0, Vec::len);
            println!("{}: {count} components", path.display());
        }
        Ok(())
    }
}

fn document(metadata: &Metadata, program: &str, target: &str, time: Option<jiff::Timestamp>) -> Result<Value> {
    let built = tree(program, target, "no-dev")?;
    let linked = tree(program, target, "no-dev,no-build,no-proc-macro")?;
    let checksums = checksums()?;
    let mut packages: BTreeMap<&str, (&Package, String)> = BTreeMap::new();
    let mut components: BTreeMap<String, Value> = BTreeMap::new();
    let mut root = None;
    for package in &metadata.packages {
        let key = (package.name.clone(), package.version.clone());
        if !built.contains(&key) {
            continue;
        }
        let reference = reference(package);
        packages.insert(&package.id, (package, reference.clone()));
        if package.name == program && package.source.is_none() {
            root = Some(component(package, &reference, "application", None, checksums.get(&key))?);
            continue;
        }
        let scope = if linked.contains(&key) { "required" } else { "excluded" };
        let value = component(package, &reference, "library", Some(scope), checksums.get(&key))?;
        components.insert(reference, value);
    }
    let root = root.with_context(|| format!("no package {program}"))?;
    ensure!(packages.len() == built.len(), "cargo tree and cargo metadata do not list the same packages");

    let edges = metadata.edges();
    let mut dependencies: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, (_, reference)) in &packages {
        let of = edges.get(id).into_iter().flatten().filter_map(|id| Some(packages.get(id)?.1.as_str()));
        let of: BTreeSet<&str> = of.collect();
        dependencies.insert(reference, of.into_iter().collect());
    }
    let dependencies: Vec<Value> =
        dependencies.into_iter().map(|(reference, on)| json!({ "ref": reference, "dependsOn": on })).collect();

    let mut about = Map::new();
    if let Some(time) = time {
        about.insert("timestamp".to_owned(), json!(time.to_string()));
    }
    about.insert("component".to_owned(), root);
    about.insert("properties".to_owned(), json!([{ "name": "cargo:target", "value": target }]));
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": about,
        "components": components.into_values().collect::<Vec<_>>(),
        "dependencies": dependencies,
    }))
}

/// A package's reference in the document: its purl, or its name in this project.
fn reference(package: &Package) -> String {
    match &package.source {
        Some(_) => format!("pkg:cargo/{}@{}", package.name, package.version),
        None => format!("workspace:{}@{}", package.name, package.version),
    }
}

fn component(
    package: &Package,
    reference: &str,
    kind: &str,
    scope: Option<&str>,
    checksum: Option<&String>,
) -> Result<Value> {
    let mut component = Map::new();
    let mut put = |key: &str, value: Value| component.insert(key.to_owned(), value);
    put("type", json!(kind));
    put("bom-ref", json!(reference));
    put("name", json!(package.name));
    put("version", json!(package.version));
    if let Some(description) = &package.description {
        put("description", json!(description.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    if let Some(scope) = scope {
        put("scope", json!(scope));
    }
    if package.source.is_some() {
        let Some(checksum) = checksum else { bail!("Cargo.lock has no checksum of {reference}") };
        put("hashes", json!([{ "alg": "SHA-256", "content": checksum }]));
    }
    if let Some(license) = &package.license {
        // `/` is the old way to write OR, and no SPDX.
        let expression = license.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ");
        put("licenses", json!([{ "expression": expression }]));
    }
    if package.source.is_some() {
        put("purl", json!(reference));
    }
    if let Some(repository) = &package.repository {
        put("externalReferences", json!([{ "type": "vcs", "url": repository }]));
    }
    Ok(Value::Object(component))
}

/// Name and version of all packages in a program, itself included. `edges` are those of `cargo tree`.
fn tree(program: &str, target: &str, edges: &str) -> Result<BTreeSet<(String, String)>> {
    let arguments = ["--locked", "--package", program, "--target", target, "--edges", edges];
    let output = cargo()
        .args(["tree", "--prefix", "none", "--format", "{p}"])
        .args(arguments)
        .output()
        .context("running cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    // name v1.2.3 (proc-macro) (*)
    let text = String::from_utf8_lossy(&output.stdout);
    let packages = text.lines().filter_map(|line| line.split_once(' '));
    let packages = packages.filter_map(|(name, rest)| {
        let version = rest.strip_prefix('v')?.split(' ').next()?;
        Some((name.to_owned(), version.to_owned()))
    });
    Ok(packages.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "x86_64-unknown-linux-gnu";

    fn made(program: &str) -> Value {
        document(&Metadata::read(&[TARGET.to_owned()]).unwrap(), program, TARGET, None).unwrap()
    }

    fn names(document: &Value, scope: &str) -> BTreeSet<String> {
        let components = document["components"].as_array().unwrap().iter();
        components.filter(|c| c["scope"] == scope).map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_document_has_what_is_linked_and_what_builds_it_but_not_what_tests_it() {
        let document = made("transform-s3");
        assert_eq!(document["metadata"]["component"]["name"], "transform-s3");
        let (linked, building) = (names(&document, "required"), names(&document, "excluded"));
        for name in ["lake", "parquet", "tokio", "aws-sdk-s3"] {
            assert!(linked.contains(name), "{name}");
        }
        for name in ["serde_derive", "syn"] {
            assert!(building.contains(name), "{name}");
        }
        for name in ["proptest", "jsonschema", "datafusion", "xtask", "local-lambda"] {
            assert!(!linked.contains(name) && !building.contains(name), "{name}");
        }
        assert!(names(&made("sluice"), "required").contains("datafusion"));
    }

    #[test]
    fn components_are_complete_and_dependencies_closed() {
        for program in PROGRAMS {
            let document = made(program);
            assert_eq!((&document["bomFormat"], &document["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
            let root = &document["metadata"]["component"];
            let mut references = BTreeSet::from([root["bom-ref"].as_str().unwrap()]);
            for component in document["components"].as_array().unwrap() {
                let reference = component["bom-ref"].as_str().unwrap();
                assert!(references.insert(reference), "{reference} is there twice");
                assert!(component["licenses"][0]["expression"].is_string(), "{reference}");
                if let Some(purl) = component["purl"].as_str() {
                    assert!(purl.starts_with("pkg:cargo/"), "{purl}");
                    assert_eq!(component["hashes"][0]["content"].as_str().unwrap().len(), 64, "{reference}");
                }
            }
            let mut reached = BTreeSet::from([root["bom-ref"].as_str().unwrap()]);
            for dependency in document["dependencies"].as_array().unwrap() {
                assert!(references.contains(dependency["ref"].as_str().unwrap()), "{dependency}");
                for on in dependency["dependsOn"].as_array().unwrap() {
                    reached.insert(on.as_str().unwrap());
                }
            }
            assert_eq!(reached, references, "{program}: each component is needed by one");
        }
    }

    #[test]
    fn it_is_the_same_each_time_and_has_a_time_only_if_asked() {
        let metadata = Metadata::read(&[TARGET.to_owned()]).unwrap();
        let document = |time| document(&metadata, "detect", TARGET, time).unwrap();
        assert_eq!(document(None).to_string(), document(None).to_string());
        assert!(document(None)["metadata"].get("timestamp").is_none());
        let time = "2026-01-31T12:00:00Z".parse().unwrap();
        assert_eq!(document(Some(time))["metadata"]["timestamp"], "2026-01-31T12:00:00Z");
    }
}
