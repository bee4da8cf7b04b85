//! `cargo xtask bless`: rewrites golden files by the tests that compare with them, and says which changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{cargo, members, runner, workspace};

/// Golden files hold the expected output of tests: texts of diagnostics, mapped events, generated SQL, JSON Schemas, and the
/// tables and examples of docs/. Blessing rewrites them with the output of today. Review the difference like code.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bless\n  cargo xtask bless lint reference\n  cargo xtask bless --list"
)]
pub(crate) struct Bless {
    /// Test suites whose files to rewrite [default: all]
    suites: Vec<String>,
    /// Print the suites and change nothing
    #[arg(long)]
    list: bool,
}

/// Tests rewrite their golden files where this is set, instead of comparing.
const UPDATE_GOLDEN: &str = "UPDATE_GOLDEN";

/// Files may be compiled into the tests of other suites; more rounds than this would mean that one never settles.
const ROUNDS: usize = 3;

impl Bless {
    pub(crate) fn run(self) -> Result<()> {
        let known = suites(workspace())?;
        if self.list {
            for (suite, packages) in &known {
                println!("{suite:<20}{}", packages.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
            }
            return Ok(());
        }
        let suites = select(&known, &self.suites)?;
        let before = contents(workspace())?;
        let mut last = before.clone();
        for _ in 0..ROUNDS {
            let mut tests = cargo();
            tests.args(["test", "--workspace", "--no-fail-fast", "--quiet"]);
            tests.args(suites.iter().flat_map(|suite| ["--test", suite]));
            tests.args(["--", "--show-output"]).env(UPDATE_GOLDEN, "1");
            let outcome = runner::cargo_tests(&mut tests)?;
            for skip in &outcome.skips {
                println!("not rewritten: {}: {}", skip.test, skip.reason);
            }
            let now = contents(workspace())?;
            if !outcome.succeeded {
                report(&differences(&before, &now));
                bail!("these tests fail although their files were rewritten, so it is not the files that are wrong");
            }
            // A suite that ran before may have had the old file compiled in.
            let again = differences(&last, &now).iter().any(|(_, path)| !is_only_compared(path));
            last = now;
            if !again {
                break;
            }
        }
        report(&differences(&before, &last));
        Ok(())
    }
}

/// The named suites, or all of them.
fn select(known: &BTreeMap<String, BTreeSet<String>>, named: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = named.iter().find(|suite| !known.contains_key(*suite)) {
        let names = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        bail!("no suite `{unknown}` has golden files; those that do: {names}");
    }
    Ok(if named.is_empty() { known.keys().cloned().collect() } else { named.to_vec() })
}

/// The test suites that have golden files, with the packages they belong to: those whose source reads the variable.
fn suites(workspace: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut suites: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for member in members(workspace)? {
        let tests = member.join("tests");
        let package = member.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (path, content) in contents(&tests)? {
            let is_rust = path.extension().is_some_and(|extension| extension == "rs");
            if !is_rust || !String::from_utf8_lossy(&content).contains(UPDATE_GOLDEN) {
                continue;
            }
            if let Some(first) = path.components().next() {
                let suite = Path::new(&first).with_extension("").to_string_lossy().into_owned();
                suites.entry(suite).or_default().insert(package.clone());
            }
        }
    }
    Ok(suites)
}

/// Whether a file is only compared with, and not compiled into a program.
fn is_only_compared(path: &Path) -> bool {
    path.starts_with("docs") || path.components().any(|part| part.as_os_str() == "tests")
}

/// The files below a folder, without hidden ones and what cargo builds.
fn contents(root: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            let name = name.to_string_lossy();
            if name.starts_with('.') || name == "target" || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).with_context(|| path.display().to_string())?;
                files.insert(path.strip_prefix(root).unwrap_or(&path).to_path_buf(), content);
            }
        }
    }
    Ok(files)
}

type Difference = (&'static str, PathBuf);

fn differences(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<Difference> {
    let paths: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    let what = |path: &PathBuf| match (before.get(path), after.get(path)) {
        (None, _) => Some("created"),
        (_, None) => Some("removed"),
        (old, new) => (old != new).then_some("changed"),
    };
    paths.into_iter().filter_map(|path| Some((what(path)?, path.clone()))).collect()
}

fn report(differences: &[Difference]) {
    for (what, path) in differences {
        println!("{what}  {}", path.display());
    }
    match differences.len() {
        0 => println!("No golden file changed."),
        count => println!("{count} golden files changed. Review them: git diff"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_found_by_the_variable_that_their_tests_read() {
        let suites = suites(workspace()).unwrap();
        let packages = |suite: &str| suites[suite].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(packages("lint"), ["detection", "mapping"]);
        assert_eq!(packages("routing"), ["pipeline"]);
        assert_eq!(packages("cli"), ["cli"]);
        assert!(!suites.contains_key("fate"));
    }

    #[test]
    fn no_golden_file_is_out_of_its_reach() {
        for member in members(workspace()).unwrap() {
            for (path, content) in contents(&member.join("src")).unwrap() {
                let reads = String::from_utf8_lossy(&content).contains(&format!("(\"{UPDATE_GOLDEN}\")"));
                assert!(!reads, "{}: move this test to the folder tests", member.join("src").join(path).display());
            }
        }
    }

    #[test]
    fn an_unknown_suite_is_refused_with_those_there_are() {
        let known = BTreeMap::from([("cli".to_owned(), BTreeSet::new()), ("lint".to_owned(), BTreeSet::new())]);
        let refused = select(&known, &["lnt".to_owned()]).unwrap_err().to_string();
        assert_eq!(refused, "no suite `lnt` has golden files; those that do: cli, lint");
        assert_eq!(select(&known, &[]).unwrap(), ["cli", "lint"]);
        assert_eq!(select(&known, &["lint".to_owned()]).unwrap(), ["lint"]);
    }

    #[test]
    fn files_that_changed_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("target")).unwrap();
        write("a", "1");
        write("b", "1");
        write("c", "1");
        let before = contents(folder.path()).unwrap();
        write("b", "2");
        write("d", "1");
        write("target/e", "1");
        write(".f", "1");
        fs::remove_file(folder.path().join("c")).unwrap();
        let after = contents(folder.path()).unwrap();
        let found = differences(&before, &after);
        let found: Vec<_> = found.iter().map(|(what, path)| (*what, path.to_str().unwrap())).collect();
        assert_eq!(found, [("changed", "b"), ("removed", "c"), ("created", "d")]);
    }
}
