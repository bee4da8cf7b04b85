//! `cargo xtask generate-schema`: the facts files of the `ocsf` crate, from compiled OCSF schemas.
//!
//! Input: the JSON that the official `ocsf-schema-compiler` prints for a tag of `ocsf/ocsf-schema`, with all extensions
//! and every profile's attributes. Output: the line-based form that the module documentation of `ocsf::schema` gives,
//! without the descriptions. Same input, same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};

const VERSIONS: [&str; 2] = ["1.1.0", "1.3.0"];

#[derive(clap::Args)]
pub(crate) struct GenerateSchema {
    /// Directory with the compiled schemas, ocsf-<version>.json [default: ../shared/data/ocsf of the workspace]
    #[arg(long)]
    from: Option<PathBuf>,
    /// Write nothing; fail if a file would change
    #[arg(long)]
    check: bool,
}

impl GenerateSchema {
    pub(crate) fn run(self) -> Result<()> {
        let from = self.from.unwrap_or_else(|| crate::workspace().join("../shared/data/ocsf"));
        for version in VERSIONS {
            let source = from.join(format!("ocsf-{version}.json"));
            let compiled = fs::read(&source).with_context(|| format!("reading {}", source.display()))?;
            let compiled: Value =
                serde_json::from_slice(&compiled).with_context(|| format!("parsing {}", source.display()))?;
            let facts = facts(version, &compiled).with_context(|| format!("in {}", source.display()))?;

            let target = crate::workspace().join(format!("crates/ocsf/data/ocsf-{version}.txt"));
            if fs::read_to_string(&target).is_ok_and(|old| old == facts) {
                println!("{} is up to date", target.display());
            } else if self.check {
                bail!("{} is not what `cargo xtask generate-schema` writes", target.display());
            } else {
                fs::write(&target, facts).with_context(|| format!("writing {}", target.display()))?;
                println!("wrote {}", target.display());
            }
        }
        Ok(())
    }
}

/// The facts file of a compiled schema.
fn facts(version: &str, compiled: &Value) -> Result<String> {
    ensure!(compiled["version"] == version, "it says that it is version {}", compiled["version"]);
    let mut out = String::new();
    writeln!(out, "# Facts of OCSF {version}. Written by `cargo xtask generate-schema`; the form is documented in")?;
    writeln!(out, "# crates/ocsf/src/schema.rs. Do not edit.")?;
    writeln!(out, "ocsf {version}\n")?;

    for (name, extension) in sorted(&compiled["extensions"])? {
        writeln!(out, "extension {name} {} {}", extension["uid"], text(&extension["version"])?)?;
    }
    out.push('\n');
    for (name, profile) in sorted(&compiled["profiles"])? {
        writeln!(out, "profile {name} = {}", text(&profile["caption"])?)?;
    }
    out.push('\n');
    let types = &compiled["dictionary"]["types"]["attributes"];
    for (name, facts) in sorted(types)? {
        scalar_type(&mut out, types, name, facts).with_context(|| format!("type {name}"))?;
    }

    let objects = sorted(&compiled["objects"])?;
    let classes = sorted(&compiled["classes"])?;
    let mut by_uid: Vec<_> = classes.iter().map(|(name, class)| (class["uid"].as_u64(), *name, *class)).collect();
    by_uid.sort_unstable_by_key(|(uid, name, _)| (*uid, *name));

    let owners: Vec<(&str, &Value)> =
        objects.iter().map(|(name, object)| (*name, *object)).chain(by_uid.iter().map(|c| (c.1, c.2))).collect();
    let enumerations = Enumerations::collect(&owners)?;
    enumerations.write(&mut out)?;

    for (name, object) in &objects {
        write!(out, "\nobject {name}")?;
        if let Some(observable) = object.get("observable") {
            write!(out, " observable={observable}")?;
        }
        end_of_head(&mut out, object)?;
        members(&mut out, object, &enumerations).with_context(|| format!("object {name}"))?;
    }
    for (uid, name, class) in &by_uid {
        let uid = uid.with_context(|| format!("class {name} has no uid"))?;
        write!(out, "\nclass {uid} {name}")?;
        if let Some(profiles) = profiles(class)? {
            write!(out, " {profiles}")?;
        }
        end_of_head(&mut out, class)?;
        members(&mut out, class, &enumerations).with_context(|| format!("class {name}"))?;
    }
    Ok(out)
}

/// A scalar type, with the limits of its super type where it has none: that is how OCSF's server reads them.
fn scalar_type(out: &mut String, types: &Value, name: &str, facts: &Value) -> Result<()> {
    let primitive = match facts.get("type") {
        Some(super_type) => text(super_type)?,
        None => name,
    };
    write!(out, "type {name} {primitive}")?;
    let limit = |key: &str| facts.get(key).or_else(|| types[primitive].get(key));
    if let Some(max_len) = limit("max_len") {
        write!(out, " max_len={max_len}")?;
    }
    if let Some(range) = limit("range") {
        write!(out, " range={}..{}", range[0], range[1])?;
    }
    if let Some(observable) = facts.get("observable") {
        write!(out, " observable={observable}")?;
    }
    writeln!(out, " = {}", text(&facts["caption"])?)?;
    if let Some(regex) = limit("regex") {
        writeln!(out, "  regex {}", text(regex)?)?;
    }
    Ok(())
}

fn end_of_head(out: &mut String, item: &Value) -> Result<()> {
    if item.get("@deprecated").is_some() {
        out.push_str(" deprecated");
    }
    writeln!(out, " = {}", text(&item["caption"])?)?;
    Ok(())
}

/// The constraints and attributes of an object or class.
fn members(out: &mut String, item: &Value, enumerations: &Enumerations) -> Result<()> {
    if let Some(constraints) = item.get("constraints") {
        for (kind, paths) in sorted(constraints)? {
            ensure!(matches!(kind, "at_least_one" | "just_one"), "unknown constraint {kind}");
            let paths: Vec<&str> =
                paths.as_array().context("a constraint is a list")?.iter().map(text).collect::<Result<_>>()?;
            writeln!(out, "  ! {kind} {}", paths.join(" "))?;
        }
    }
    for (name, attribute) in sorted(&item["attributes"])? {
        let kind = match text(&attribute["type"])? {
            "object_t" => text(&attribute["object_type"])?,
            scalar => scalar,
        };
        let array = if attribute["is_array"] == true { "[]" } else { "" };
        write!(out, "  {name} {kind}{array} {}", text(&attribute["requirement"])?)?;
        if let Some(profiles) = profiles(attribute)? {
            write!(out, " {profiles}")?;
        }
        if let Some(members) = attribute.get("enum") {
            write!(out, " enum={}", enumerations.name(name, members)?)?;
        }
        if let Some(sibling) = attribute.get("sibling") {
            write!(out, " sibling={}", text(sibling)?)?;
        }
        if let Some(observable) = attribute.get("observable") {
            write!(out, " observable={observable}")?;
        }
        if attribute.get("@deprecated").is_some() {
            out.push_str(" deprecated");
        }
        out.push('\n');
    }
    Ok(())
}

/// `+a,b`, or nothing: the compiler writes `null` where a class takes an attribute out of its profile.
fn profiles(item: &Value) -> Result<Option<String>> {
    match item.get("profiles") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(names)) if names.is_empty() => Ok(None),
        Some(Value::Array(names)) => {
            let mut names: Vec<&str> = names.iter().map(text).collect::<Result<_>>()?;
            names.sort_unstable();
            Ok(Some(format!("+{}", names.join(","))))
        }
        Some(other) => bail!("profiles is {other}"),
    }
}

/// The distinct enumerations. One that its attribute's name tells apart has that name; otherwise its first owner follows:
/// `activity_id@process_activity`.
struct Enumerations {
    /// Attribute, then the members as text, to the enumeration's name.
    names: BTreeMap<String, BTreeMap<String, String>>,
}

impl Enumerations {
    fn collect(owners: &[(&str, &Value)]) -> Result<Self> {
        let mut names: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (owner, item) in owners {
            for (attribute, facts) in sorted(&item["attributes"])? {
                if let Some(members) = facts.get("enum") {
                    let members = Self::members(members).with_context(|| format!("{owner}.{attribute}"))?;
                    let of_attribute = names.entry(attribute.to_owned()).or_default();
                    of_attribute.entry(members).or_insert_with(|| format!("{attribute}@{owner}"));
                }
            }
        }
        for (attribute, of_attribute) in &mut names {
            if of_attribute.len() == 1 {
                of_attribute.values_mut().for_each(|name| name.clone_from(attribute));
            }
        }
        Ok(Self { names })
    }

    fn members(members: &Value) -> Result<String> {
        let mut members = sorted(members)?;
        ensure!(!members.is_empty(), "an enumeration without members");
        members.sort_by_key(|(value, _)| (value.parse::<i64>().ok(), *value));
        let mut out = String::new();
        for (value, facts) in members {
            ensure!(!value.contains(" = "), "the value {value:?} cannot be written");
            ensure!(facts.get("@deprecated").is_none(), "the form has no word for a deprecated value");
            writeln!(out, "  {value} = {}", text(&facts["caption"])?)?;
        }
        Ok(out)
    }

    fn name(&self, attribute: &str, members: &Value) -> Result<&str> {
        let name = self.names.get(attribute).and_then(|names| names.get(&Self::members(members).ok()?));
        name.map(String::as_str).context("an enumeration that was not collected")
    }

    fn write(&self, out: &mut String) -> Result<()> {
        let mut all: Vec<(&str, &str)> =
            self.names.values().flatten().map(|(members, name)| (name.as_str(), members.as_str())).collect();
        all.sort_unstable();
        for (name, members) in all {
            write!(out, "\nenum {name}\n{members}")?;
        }
        Ok(())
    }
}

fn sorted(value: &Value) -> Result<Vec<(&str, &Value)>> {
    let members: &Map<String, Value> = value.as_object().context("an object is missing")?;
    let mut members: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), value)).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    Ok(members)
}

fn text(value: &Value) -> Result<&str> {
    let text = value.as_str().with_context(|| format!("{value} is not a text"))?;
    ensure!(!text.contains('\n'), "{text:?} is more than a line");
    Ok(text)
}
