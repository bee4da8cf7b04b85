//! What lint says, to the letter.
//!
//! `tests/lint/<case>.json` is a config with faults, `tests/lint/<case>.txt` what is shown for it. The configs of the AWS
//! transformation library, where they are at hand, are held to `tests/lint/aws-library/<config>.txt` line by line.
//! `cargo xtask bless lint` rewrites the texts; review the difference like code.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mapping::diagnostic::{DIAGNOSTICS, SourceText};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint")
}

/// Holds a text to its file, or rewrites it under `cargo xtask bless`.
fn hold(file: &Path, shown: &str) -> Result<(), String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, shown).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    if shown == expected {
        return Ok(());
    }
    Err(format!("{}\n--- expected\n{expected}\n--- shown\n{shown}", file.display()))
}

fn cases() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn no_base(_: &str) -> Option<String> {
    None
}

#[test]
fn every_fault_is_shown_with_its_place_and_its_remedy() {
    let mut faults = Vec::new();
    for case in cases() {
        let text = fs::read_to_string(&case).unwrap();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let source = SourceText::new(&name, &text);
        let checked = mapping::check(&text, &no_base);
        let shown: Vec<String> =
            checked.diagnostics.iter().map(|diagnostic| diagnostic.render(&source, false) + "\n").collect();
        let shown: Vec<String> =
            shown.iter().flat_map(|text| text.lines()).map(|line| line.trim_end().to_owned() + "\n").collect();
        faults.extend(hold(&case.with_extension("txt"), &shown.concat()).err());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_diagnostic_there_is_has_a_case() {
    let mut shown = BTreeSet::new();
    for case in cases() {
        let text = fs::read_to_string(&case).unwrap();
        shown.extend(mapping::check(&text, &no_base).diagnostics.iter().map(|diagnostic| diagnostic.code.number()));
    }
    let without: Vec<_> =
        DIAGNOSTICS.iter().map(|facts| facts.number).filter(|number| !shown.contains(number)).collect();
    assert!(without.is_empty(), "no case shows {without:?}");
}

#[test]
fn the_configs_of_the_aws_library_load_and_their_faults_are_named() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/aws-library");
    let mut faults = Vec::new();
    for name in ["aws_alb", "aws_nfw", "windows_sysmon"] {
        let Ok(text) = fs::read_to_string(library.join(name).with_extension("json")) else {
            println!("skipped: ../shared/data is not here");
            return;
        };
        let checked = mapping::check(&text, &no_base);
        let source = SourceText::new(name, &text);
        let mut shown = String::new();
        for diagnostic in &checked.diagnostics {
            let report = diagnostic.report(&source);
            shown.push_str(&format!("{}:{} {} {}\n", report.line, report.column, report.code, report.message));
            if let Some(help) = report.help {
                shown.push_str(&format!("    {help}\n"));
            }
        }
        assert!(checked.accepted().is_some(), "{shown}");
        faults.extend(hold(&folder().join("aws-library").join(name).with_extension("txt"), &shown).err());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
