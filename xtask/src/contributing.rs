//! CONTRIBUTING.md is true where a program can tell: files, names in files, tasks and test suites that it names exist.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;

use crate::{Arguments, members, workspace};

fn page() -> String {
    fs::read_to_string(workspace().join("CONTRIBUTING.md")).unwrap()
}

/// The texts in backquotes, each with the text that follows it.
fn quoted(page: &str) -> Vec<(String, String)> {
    let mut prose = String::new();
    for (number, part) in page.split("```").enumerate() {
        if number % 2 == 0 {
            prose.push_str(part);
        }
    }
    let parts: Vec<&str> = prose.split('`').collect();
    let after = |at: usize| parts.get(at + 1).copied().unwrap_or_default().to_owned();
    (1..parts.len()).step_by(2).map(|at| (parts[at].replace('\n', " "), after(at))).collect()
}

/// Whether a text is a path in this repository: its first part is a file or folder at the root.
fn is_path(text: &str) -> bool {
    let first = text.split('/').next().unwrap_or_default();
    !text.contains(' ') && text.contains(['/', '.']) && !first.is_empty() && workspace().join(first).exists()
}

/// Whether a path exists. `<name>` stands for some name, `*` in the last part for any text.
fn exists(path: &str) -> bool {
    let mut folders = vec![workspace().to_path_buf()];
    for part in path.trim_end_matches('/').split('/') {
        let is_pattern = part.contains(['<', '*']);
        let (start, end) = match part.find('*') {
            Some(star) => (&part[..star], &part[star + 1..]),
            None => ("", ""),
        };
        let mut found = Vec::new();
        for folder in &folders {
            if !is_pattern {
                found.push(folder.join(part));
                continue;
            }
            let end = part.rsplit_once('>').map_or(end, |(_, end)| end);
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let name = entry.unwrap().file_name().to_string_lossy().into_owned();
                if name.starts_with(start) && name.ends_with(end) {
                    found.push(folder.join(name));
                }
            }
        }
        found.retain(|path| path.exists());
        folders = found;
    }
    !folders.is_empty()
}

#[test]
fn the_paths_that_it_names_exist() {
    let page = page();
    let paths: Vec<String> = quoted(&page).into_iter().map(|(text, _)| text).filter(|text| is_path(text)).collect();
    assert!(paths.len() > 40, "{paths:?}");
    let missing: Vec<&String> = paths.iter().filter(|path| !exists(path)).collect();
    assert!(missing.is_empty(), "CONTRIBUTING.md names what is not there: {missing:?}");
}

#[test]
fn names_that_it_places_in_a_file_are_in_that_file() {
    let page = page();
    let quoted = quoted(&page);
    let mut checked = 0;
    for pair in quoted.windows(2) {
        let [(name, between), (path, _)] = pair else { continue };
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name || between.trim() != "in" || !is_path(path) || path.contains('<') {
            continue;
        }
        let text = fs::read_to_string(workspace().join(path)).unwrap();
        assert!(text.contains(name.as_str()), "`{name}` is not in `{path}`");
        checked += 1;
    }
    assert!(checked >= 3, "{checked}");
}

#[test]
fn the_tasks_and_suites_of_its_commands_exist() {
    let page = page();
    let tasks = Arguments::command();
    let words: Vec<&str> = page.split(|c: char| c.is_whitespace() || "`.,;:)".contains(c)).collect();
    let suites: Vec<_> = members(workspace()).unwrap().iter().map(|member| member.join("tests")).collect();
    let (mut runs, mut tests) = (0, 0);
    for at in 0..words.len().saturating_sub(2) {
        let word = words[at + 2];
        if words[at] == "cargo" && words[at + 1] == "xtask" && !word.is_empty() && !word.starts_with('-') {
            assert!(tasks.find_subcommand(word).is_some(), "there is no task {word}");
            runs += 1;
        }
        if words[at + 1] == "--test" {
            let is_there = |tests: &Path| tests.join(word).is_dir() || tests.join(format!("{word}.rs")).is_file();
            assert!(suites.iter().any(|tests| is_there(tests)), "there is no test suite {word}");
            tests += 1;
        }
    }
    assert!(runs > 10 && tests > 3, "{runs} {tests}");
}
