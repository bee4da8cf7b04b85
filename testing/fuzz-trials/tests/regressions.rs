//! Runs inputs that once made a fuzz target fail, and initial inputs, through the target's function.
//!
//! They are in `fuzz/regressions/<target>/`, one per file. Copy a failing input that `cargo xtask fuzz` reports there, under
//! a name that says what broke.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic, its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};

use fuzz_trials::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn no_input_that_once_failed_fails_again() {
    for (target, run) in TARGETS {
        let folder = fuzz().join("regressions").join(target);
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            run(&fs::read(path).unwrap());
        }
    }
}

#[test]
fn every_target_takes_simple_inputs() {
    for (target, run) in TARGETS {
        println!("{target}");
        for input in [&b""[..], b"\0", b"\xff\xfe", b"{}", b"[]", b"a: b", b"SELECT a FROM t", b"PAR1", b"[a:b = 1]"] {
            run(input);
        }
    }
}

#[test]
fn each_target_of_the_fuzzer_has_its_function_and_regressions_belong_to_one() {
    let targets = TARGETS.map(|(name, _)| name);
    assert_eq!(names(&fuzz().join("fuzz_targets")), targets);
    for name in names(&fuzz().join("regressions")) {
        assert!(targets.contains(&name.as_str()), "fuzz/regressions/{name} belongs to no target");
    }
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for target in targets {
        let call = format!("fuzz_trials::{target}::run(");
        let source = fs::read_to_string(fuzz().join(format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(source.contains(&call), "fuzz_targets/{target}.rs does not call {call}…)");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "fuzz/Cargo.toml lacks {target}");
    }
}
