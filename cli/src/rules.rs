//! Rule files that the command line names: files, folders, or those that ship with Sluice.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use detection::catalog::CatalogTable;
use detection::diagnostic::SourceText;
use detection::lint::{Checked, check, duplicates};
use detection::{Catalog, Rule, SHIPPED_RULES, trial};
use pipeline::shipped_mapping;
use sql::table::Table;

use crate::exit::{Failure, Outcome, Verdict};
use crate::output::{Output, counted};

/// A rule file and its diagnostics.
#[derive(Debug)]
pub(crate) struct RuleFile {
    /// Its path, or its name among the shipped ones.
    pub(crate) name: String,
    /// The folder that paths in it are looked up from.
    pub(crate) folder: PathBuf,
    /// Its text.
    pub(crate) text: String,
    /// The result of lint.
    pub(crate) checked: Checked,
    /// Whether the command line names this rule, and not a folder of rules.
    pub(crate) is_named: bool,
}

/// The rule files at these places, in the order of their names; the shipped ones if there are none. A place that does
/// not exist may be the name of shipped rules.
///
/// # Errors
/// A place that cannot be read, or holds no rule file.
pub(crate) fn rule_files(places: &[PathBuf]) -> Result<Vec<RuleFile>, Failure> {
    let mut files = Vec::new();
    if places.is_empty() {
        files.extend(SHIPPED_RULES.iter().map(shipped));
    }
    for place in places {
        if !place.exists() {
            files.extend(shipped_at(place)?);
            continue;
        }
        let mut found = Vec::new();
        if place.is_dir() {
            collect(place, &mut found)?;
            found.sort();
            if found.is_empty() {
                return Err(Failure::usage(format_args!("{} holds no .yaml file", place.display())));
            }
        } else {
            found.push(place.clone());
        }
        for path in found {
            let name = path.display().to_string();
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
            let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
            let checked = check(&text);
            let is_named = path == *place;
            files.push(RuleFile { name, folder, text, checked, is_named });
        }
    }
    let rules: Vec<(usize, &str, &Rule)> = files
        .iter()
        .enumerate()
        .filter_map(|(index, file)| Some((index, file.name.as_str(), file.checked.rule.as_ref()?)))
        .collect();
    let named: Vec<(&str, &Rule)> = rules.iter().map(|(_, name, rule)| (*name, *rule)).collect();
    let repeated: Vec<_> =
        duplicates(&named).into_iter().filter_map(|(at, fault)| Some((rules.get(at)?.0, fault))).collect();
    for (index, fault) in repeated {
        if let Some(file) = files.get_mut(index) {
            file.checked.diagnostics.push(fault);
        }
    }
    Ok(files)
}

impl RuleFile {
    /// Plans the rule's statement over the tables of a catalog and of the mapping configs that its tests name, and adds
    /// what is wrong with it.
    pub(crate) fn plan(&mut self, catalog: &Catalog) {
        if let Some(rule) = &self.checked.rule {
            let catalog = with_tests(catalog, rule, &self.folder);
            self.checked.complete(&catalog, embedded::plan);
        }
    }
}

/// The catalog with the sources of the mapping configs that a rule's tests name.
fn with_tests(catalog: &Catalog, rule: &Rule, folder: &Path) -> Catalog {
    let mut catalog = catalog.clone();
    let named = rule.tests.iter().flat_map(|test| &test.inputs).map(|input| input.source.value.as_str());
    for name in named.filter(|name| shipped_mapping(name).is_none()) {
        // One that cannot be used is `detect test`'s to say.
        let Ok(source) = trial::source(name, folder) else { continue };
        for source in trial::known_sources(&source) {
            if catalog.names().any(|known| known == source.name) {
                continue;
            }
            for (table, class, columns) in source.tables {
                let table = Table::ocsf("sluice", table, columns);
                catalog.add(&source.name, CatalogTable::new(table, vec![class], false));
            }
        }
    }
    catalog
}

fn shipped((name, text): &(&str, &str)) -> RuleFile {
    let (checked, is_named) = (check(text), false);
    RuleFile { name: (*name).to_owned(), folder: PathBuf::new(), text: (*text).to_owned(), checked, is_named }
}

/// The shipped rules of a name: `aws-cloudtrail` is all rules of that folder, `aws-cloudtrail/cloudtrail-disruption` is one.
///
/// # Errors
/// There is neither a file nor a shipped rule of that name.
fn shipped_at(place: &Path) -> Result<Vec<RuleFile>, Failure> {
    let name = place.to_str().unwrap_or_default().trim_end_matches('/');
    let stem = |rule: &'static str| rule.strip_suffix(".yaml").unwrap_or(rule);
    let is_meant = |rule: &'static str| {
        stem(rule) == name || rule == name || rule.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))
    };
    let is_named = |rule: &'static str| stem(rule) == name || rule == name;
    let found = SHIPPED_RULES.iter().filter(|(rule, _)| is_meant(rule));
    let found: Vec<RuleFile> = found.map(|rule| RuleFile { is_named: is_named(rule.0), ..shipped(rule) }).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let file = place.display();
    if place.extension().is_some() {
        return Err(anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::NotFound))
            .context(format!("cannot read {file}"))
            .into());
    }
    let all = SHIPPED_RULES.iter().map(|(rule, _)| stem(rule));
    let near = all.map(|rule| (strsim::damerau_levenshtein(name, rule), rule)).min();
    let near = near.filter(|(distance, rule)| *distance <= rule.len() / 3);
    let hint = near.map(|(_, rule)| format!("; did you mean `{rule}`?")).unwrap_or_default();
    Err(Failure::usage(format_args!("there is no file or folder {file}, and no shipped rule of that name{hint}")))
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let context = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
            && path.file_stem().is_none_or(|stem| stem != "catalog")
        {
            found.push(path);
        }
    }
    Ok(())
}

/// Rule files, those that lint refuses apart.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The files that are not refused.
    pub(crate) files: Vec<RuleFile>,
    /// The names of those that are.
    pub(crate) refused: Vec<String>,
}

impl Accepted {
    /// The rules at these locations, or the shipped rules if there are none. Prints why files are refused.
    ///
    /// # Errors
    /// As [`rule_files`].
    pub(crate) fn at(places: &[PathBuf], output: &Output) -> Result<Self, Failure> {
        let mut accepted = Self { files: Vec::new(), refused: Vec::new() };
        for file in rule_files(places)? {
            match complain(&file, output) {
                true => accepted.refused.push(file.name),
                false => accepted.files.push(file),
            }
        }
        if !accepted.refused.is_empty() {
            output.complain(format_args!("{} refused", counted(accepted.refused.len() as u64, "rule file")));
        }
        Ok(accepted)
    }

    /// The rules.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.files.iter().filter_map(|file| file.checked.rule.as_ref())
    }

    /// The outcome of a command that has processed the accepted rules.
    pub(crate) fn ending(&self, verdict: Verdict) -> Outcome {
        if self.refused.is_empty() { Ok(verdict) } else { Err(Failure::Refused) }
    }
}

/// Prints each error of a file. Returns whether there was one.
pub(crate) fn complain(file: &RuleFile, output: &Output) -> bool {
    let source = SourceText::new(&file.name, &file.text);
    let mut is_refused = false;
    for error in file.checked.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()) {
        output.complain(error.line(&source, output.talk.on));
        is_refused = true;
    }
    is_refused
}
