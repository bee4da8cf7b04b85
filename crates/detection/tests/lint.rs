//! The texts of lint, word for word.
//!
//! `tests/lint/<case>.yaml` is a rule with faults, and `tests/lint/<case>.txt` the output of lint. The tables are those of
//! the shipped mappings, and of the catalog `tests/lint/<case>.catalog` if it exists.
//! `cargo xtask bless lint` rewrites the texts; review the difference like code.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use detection::catalog::Catalog;
use detection::diagnostic::{DIAGNOSTICS, Diagnostic, SourceText, sort};
use detection::{Rule, lint};

fn catalog_of(case: &Path) -> Catalog {
    let catalog = Catalog::of_tables(&[], &detection::shipped_sources().unwrap(), "sluice");
    match fs::read_to_string(case.with_extension("catalog")) {
        Ok(text) => catalog.with_file(&Catalog::read_file(&text).unwrap(), &[]).unwrap(),
        Err(_) => catalog,
    }
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// All faults of a file, including those of a second file with the same id.
fn faults(name: &str, text: &str, catalog: &Catalog) -> Vec<Diagnostic> {
    let mut checked = lint::check(text);
    checked.complete(catalog, embedded::plan);
    let mut faults = checked.diagnostics;
    if let (Some(rule), true) = (&checked.rule, name.starts_with("twice")) {
        let twice: Vec<(&str, &Rule)> = vec![("other.yaml", rule), (name, rule)];
        faults.extend(lint::duplicates(&twice).into_iter().map(|(_, fault)| fault));
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
        let shown: String =
            faults(&name, &text, &catalog_of(&case)).iter().map(|fault| fault.render(&source, false) + "\n").collect();
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
        shown.extend(faults(&name, &text, &catalog_of(&case)).iter().map(|fault| fault.code.number()));
    }
    let without: Vec<_> =
        DIAGNOSTICS.iter().map(|facts| facts.number).filter(|number| !shown.contains(number)).collect();
    assert!(without.is_empty(), "no case shows {without:?}");
}

/// A rule with this SQL.
fn with_sql(sql: &str) -> String {
    let indented = sql.replace('\n', "\n  ");
    format!(
        "title: t\nid: 6f5b1c5e-2a43-4b0e-9d5f-0f3c0a1b2c3d\nstatus: test\nlevel: low\nschedule: rate(5 minutes)\n\
         lookback: 1h\ningest_delay: 10m\nsql: |\n  {indented}\n"
    )
}

#[test]
fn every_name_that_is_not_there_is_told_of_at_its_place() {
    let catalog = catalog_of(Path::new("none"));
    let sql = "SELECT time, one.two AS a,\n  three AS b\nFROM {{aws-cloudtrail}}\nWHERE {{window}} AND lower(four) = 'x'\n  AND api.five.six = 'y'";
    let text = with_sql(sql);
    let source = SourceText::new("names.yaml", &text);
    let faults = faults("names.yaml", &text, &catalog);
    let mut found: Vec<&str> = faults
        .iter()
        .filter(|fault| fault.code.number() == "E228")
        .map(|fault| &text[fault.primary.span.range()])
        .collect();
    found.sort_unstable();
    assert_eq!(found, ["five", "four", "one.two", "three"]);
    assert_eq!(source.position(faults.last().unwrap().primary.span.start).line, 13);
}
#[test]
fn a_long_statement_is_planned_and_one_that_is_too_deep_is_a_fault() {
    let catalog = catalog_of(Path::new("none"));
    let of = |value: &str| {
        let text = with_sql(&format!("SELECT time, {value} AS n FROM {{{{aws-cloudtrail}}}} WHERE {{{{window}}}}"));
        let faults = faults("large.yaml", &text, &catalog);
        let line = |fault: &Diagnostic| SourceText::new("large.yaml", &text).position(fault.primary.span.start).line;
        faults.iter().find(|fault| fault.is_error()).map(|fault| (fault.code.number(), line(fault)))
    };
    assert_eq!(of(&format!("{}1", "1+".repeat(20_000))), None);
    assert_eq!(of(&format!("{}1{}", "(".repeat(20_000), ")".repeat(20_000))), Some(("E228", 9)));
}
