//! What lint says, to the letter.
//!
//! `tests/lint/<case>.yaml` is a rule with faults, `tests/lint/<case>.txt` what is shown for it.
//! `UPDATE_GOLDEN=1 cargo test -p detection --test lint` writes the texts anew; review the difference like code.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use detection::catalog::Catalog;
use detection::diagnostic::{DIAGNOSTICS, Diagnostic, SourceText, sort};
use detection::{Rule, lint};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// All that can be said of a file, and of its being there twice.
fn faults(name: &str, text: &str) -> Vec<Diagnostic> {
    let checked = lint::check(text);
    let mut faults = checked.diagnostics;
    if let Some(rule) = &checked.rule {
        let catalog = Catalog::of_tables(&[], &detection::shipped_sources().unwrap(), "sluice");
        faults.extend(lint::against_catalog(rule, &catalog));
        if name.starts_with("twice") {
            let twice: Vec<(&str, &Rule)> = vec![("other.yaml", rule), (name, rule)];
            faults.extend(lint::duplicates(&twice).into_iter().map(|(_, fault)| fault));
        }
    }
    sort(&mut faults);
    faults
}

fn named(case: &Path) -> (String, String) {
    (case.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(case).unwrap())
}

#[test]
fn every_fault_is_shown_with_its_place_and_its_remedy() {
    let mut differences = Vec::new();
    for case in cases() {
        let (name, text) = named(&case);
        let source = SourceText::new(&name, &text);
        let shown: String = faults(&name, &text).iter().map(|fault| fault.render(&source, false) + "\n").collect();
        let shown: String = shown.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
        let golden = case.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &shown).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if shown != expected {
            differences.push(format!("{name}\n--- expected\n{expected}\n--- shown\n{shown}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_diagnostic_there_is_has_a_case() {
    let mut shown = BTreeSet::new();
    for case in cases() {
        let (name, text) = named(&case);
        shown.extend(faults(&name, &text).iter().map(|fault| fault.code.number()));
    }
    let without: Vec<_> =
        DIAGNOSTICS.iter().map(|facts| facts.number).filter(|number| !shown.contains(number)).collect();
    assert!(without.is_empty(), "no case shows {without:?}");
}
