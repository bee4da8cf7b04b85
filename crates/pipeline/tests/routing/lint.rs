//! What lint says, to the letter: `lint/<case>.json` is a file with faults, `lint/<case>.txt` what is shown for it.
//! `cargo xtask bless routing` rewrites the texts; review the difference like code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use diagnostics::SourceText;
use pipeline::diagnostic::DIAGNOSTICS;
use pipeline::{CheckedSources, DEFAULT_SOURCES, RoutingError, Sources, check_sources, is_sources_file};
use proptest::prelude::*;

use crate::workspace;

fn cases() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/routing/lint");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn check(text: &str) -> CheckedSources {
    check_sources(text, &|_| None)
}

#[test]
fn every_fault_is_shown_with_its_place_and_its_remedy() {
    let mut faults = Vec::new();
    for (case, text) in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let source = SourceText::new(&name, &text);
        let shown: Vec<String> =
            check(&text).diagnostics.iter().map(|diagnostic| diagnostic.render(&source, false) + "\n").collect();
        let shown: String =
            shown.iter().flat_map(|text| text.lines()).map(|line| line.trim_end().to_owned() + "\n").collect();
        let file = case.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&file, &shown).unwrap();
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        if shown != expected {
            faults.push(format!("{}\n--- expected\n{expected}\n--- shown\n{shown}", file.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_diagnostic_there_is_has_a_case() {
    let shown: BTreeSet<_> = cases()
        .iter()
        .flat_map(|(_, text)| check(text).diagnostics)
        .map(|diagnostic| diagnostic.code.number())
        .collect();
    let without: Vec<_> =
        DIAGNOSTICS.iter().map(|facts| facts.number).filter(|number| !shown.contains(number)).collect();
    assert!(without.is_empty(), "no case shows {without:?}");
}

#[test]
fn the_shipped_file_and_that_of_the_aws_library_have_no_faults() {
    assert_eq!(check(DEFAULT_SOURCES).diagnostics, []);
    let file = workspace().join("../shared/data/aws-library/sources_config.json");
    let Ok(text) = fs::read_to_string(file) else {
        println!("skipped: ../shared/data is not here");
        return;
    };
    let checked = check_sources(&text, &crate::any_mapping);
    assert_eq!(checked.diagnostics, []);
    let names: Vec<_> = checked.mappings.iter().map(|mapping| mapping.name.as_str()).collect();
    assert_eq!(names, ["windows-sysmon.json", "aws_alb.json", "aws_nfw.json"]);
}

#[test]
fn a_file_is_refused_with_the_places_of_its_first_errors() {
    let text = "{\"sources\": [\n  {\"nam\": 1, \"input_paths\": {}}]}";
    let Err(RoutingError::Refused { summary, diagnostics }) = Sources::from_text(text, &|_| None) else {
        panic!("an error is expected")
    };
    assert_eq!(summary, "line 2, column 3: a source has no `name`; line 2, column 4: unknown key `nam` in a source");
    assert_eq!(diagnostics.len(), 2);
}

#[test]
fn a_sources_file_is_told_from_a_mapping_config() {
    for (text, is_sources) in [
        (DEFAULT_SOURCES, true),
        (r#"{"sources": []}"#, true),
        ("\u{feff}{\"sources\": []}", true),
        (r#"{"sources": [,]}"#, true),
        (r#"{"custom_source_events": {"destination": {"sources": {}}}}"#, false),
        (r#"{"custom_source_events": {"sources": 1,}}"#, false),
        ("{}", false),
        ("", false),
    ] {
        assert_eq!(is_sources_file(text), is_sources, "{text}");
    }
}

proptest! {
    #[test]
    fn a_file_works_exactly_if_it_has_no_errors(at in 0..DEFAULT_SOURCES.len(), cut in 0..40_usize, text in "[\"{}\\[\\]:,*a-z]{0,8}") {
        let end = (at + cut).min(DEFAULT_SOURCES.len());
        let text = [&DEFAULT_SOURCES[..at], &text, &DEFAULT_SOURCES[end..]].concat();
        let errors = check(&text).diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        prop_assert_eq!(Sources::from_text(&text, &|_| None).is_ok(), errors == 0, "{}", text);
    }
}
