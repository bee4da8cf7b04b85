//! `sluice schema`: what OCSF's classes and objects have.

use ocsf::schema::{Attribute, AttributeKind, Constraint, EventClass, Object, ProfileSet};
use ocsf::{Schema, Version};
use serde::Serialize;

use crate::exit::{Failure, Outcome, Verdict};
use crate::output::{Align, Format, Output, Table};

/// List the classes of OCSF, or the attributes of a class or object
///
/// Attributes of a profile exist only in events with that profile. With `--required`, the list has everything that an
/// event of the class must have, down to the attributes of required objects.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  sluice schema                                      the classes
  sluice schema http_activity --required             attributes that a mapping must set
  sluice schema process --ocsf 1.3.0                 attributes of an object
  sluice schema 6003 --profile cloud --format json | jq '.[] | select(.requirement == \"required\")'")]
pub(crate) struct SchemaCommand {
    /// Class by name or class_uid, or object by name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// List only required attributes, including those of required objects
    #[arg(long, requires = "name")]
    required: bool,
    /// List only attributes of events with this profile (repeatable)
    #[arg(long = "profile", value_name = "NAME", requires = "name")]
    profiles: Vec<String>,
    /// OCSF version
    #[arg(long = "ocsf", value_name = "VERSION", default_value_t)]
    version: Version,
    /// Format of the list
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct ClassEntry {
    class: &'static str,
    class_uid: u32,
    category: &'static str,
    caption: &'static str,
    deprecated: bool,
}

#[derive(Serialize)]
struct AttributeEntry {
    attribute: String,
    /// `ip_t`, or the name of an object.
    #[serde(rename = "type")]
    kind: &'static str,
    array: bool,
    requirement: &'static str,
    /// The attribute exists if one of them is on; empty: always.
    profiles: Vec<&'static str>,
    /// The values of an enumeration with their captions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
    deprecated: bool,
}

impl SchemaCommand {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let schema = Schema::get(self.version);
        match &self.name {
            None => classes(schema, self.format, output)?,
            Some(name) => self.attributes(schema, name, output)?,
        }
        Ok(Verdict::Fine)
    }

    fn attributes(&self, schema: &'static Schema, name: &str, output: &Output) -> Result<(), Failure> {
        let shape = Shape::of(schema, name)?;
        let on = self.profiles(schema)?;
        let mut entries = Vec::new();
        match self.required {
            true => required(schema, shape.attributes(), on, "", &mut Vec::new(), &mut entries),
            false => {
                let is_listed = |attribute: &&Attribute| self.profiles.is_empty() || attribute.is_present(on);
                entries.extend(shape.attributes().iter().filter(is_listed).map(|it| entry(schema, it, String::new())));
            }
        }
        match self.format {
            Format::Json => output.json(&entries)?,
            Format::Ndjson => output.stream(|data| entries.iter().try_for_each(|entry| data.json(entry)))?,
            Format::Table => {
                let columns = ["ATTRIBUTE", "TYPE", "REQUIREMENT", "PROFILES", "VALUES"];
                let mut table = Table::new(columns.map(|title| (title, Align::Left)));
                for entry in &entries {
                    let array = if entry.array { "[]" } else { "" };
                    table.row([
                        entry.attribute.clone(),
                        format!("{}{array}", entry.kind),
                        entry.requirement.to_owned(),
                        entry.profiles.join(", "),
                        entry.values.join(", "),
                    ]);
                }
                if let Some(width) = output.width {
                    table.fit(width);
                }
                output.write(table.render("", output.data))?;
            }
        }
        output.say(output.talk.faint(shape.title(schema.version())));
        for constraint in shape.constraints() {
            let (rule, paths) = match constraint {
                Constraint::AtLeastOne(paths) => ("at least one of", paths),
                Constraint::JustOne(paths) => ("exactly one of", paths),
            };
            output.say(output.talk.faint(format_args!("{rule} {}", paths.join(", "))));
        }
        Ok(())
    }

    fn profiles(&self, schema: &Schema) -> Result<ProfileSet, Failure> {
        let of_name = |name: &String| {
            schema.profile_id(name).ok_or_else(|| {
                let known: Vec<&str> = schema.profiles().iter().map(|profile| profile.name).collect();
                let version = schema.version();
                Failure::usage(format_args!(
                    "OCSF {version} has no profile `{name}`; the profiles are {}",
                    known.join(", ")
                ))
            })
        };
        self.profiles.iter().map(of_name).collect()
    }
}

fn classes(schema: &'static Schema, format: Format, output: &Output) -> Result<(), Failure> {
    let entry = |class: &EventClass| ClassEntry {
        class: class.qualified_name,
        class_uid: class.uid,
        category: class.category_name,
        caption: class.caption,
        deprecated: class.deprecated,
    };
    let entries: Vec<ClassEntry> = schema.classes().iter().map(entry).collect();
    match format {
        Format::Json => output.json(&entries),
        Format::Ndjson => output.stream(|data| entries.iter().try_for_each(|entry| data.json(entry))),
        Format::Table => {
            let columns =
                [("CLASS", Align::Left), ("UID", Align::Right), ("CAPTION", Align::Left), ("CATEGORY", Align::Left)];
            let mut table = Table::new(columns);
            for entry in entries {
                let caption = if entry.deprecated { " (deprecated)" } else { "" };
                table.row([
                    entry.class.to_owned(),
                    entry.class_uid.to_string(),
                    format!("{}{caption}", entry.caption),
                    entry.category.to_owned(),
                ]);
            }
            output.write(table.render("", output.data))
        }
    }
}

/// A class or an object.
enum Shape {
    Class(&'static EventClass),
    Object(&'static Object),
}

impl Shape {
    fn of(schema: &'static Schema, name: &str) -> Result<Self, Failure> {
        let class = name.parse().ok().and_then(|uid| schema.class_by_uid(uid)).or_else(|| schema.class(name));
        if let Some(class) = class {
            return Ok(Self::Class(class));
        }
        if let Some(object) = schema.object(name) {
            return Ok(Self::Object(object));
        }
        let classes = schema.classes().iter().flat_map(|class| [class.name, class.qualified_name]);
        let names = classes.chain(schema.objects().iter().map(|object| object.name));
        let near = names.map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
        let near = near.filter(|(distance, known)| *distance <= known.len() / 3);
        let hint = near.map_or_else(
            || "; `sluice schema` lists the classes".to_owned(),
            |(_, known)| format!("; did you mean `{known}`?"),
        );
        Err(Failure::usage(format_args!("OCSF {} has no class or object `{name}`{hint}", schema.version())))
    }

    fn attributes(&self) -> &'static [Attribute] {
        match self {
            Self::Class(class) => &class.attributes,
            Self::Object(object) => &object.attributes,
        }
    }

    fn constraints(&self) -> &'static [Constraint] {
        match self {
            Self::Class(class) => &class.constraints,
            Self::Object(object) => &object.constraints,
        }
    }

    fn title(&self, version: Version) -> String {
        match self {
            Self::Class(class) => format!("{} ({}), OCSF {version}", class.caption, class.uid),
            Self::Object(object) => format!("object {}, OCSF {version}", object.caption),
        }
    }
}

/// The attributes that events with the profiles `on` must have, below `path`. `open` are the objects around it: an
/// object that requires itself ends there.
fn required(
    schema: &'static Schema,
    attributes: &'static [Attribute],
    on: ProfileSet,
    path: &str,
    open: &mut Vec<&'static str>,
    entries: &mut Vec<AttributeEntry>,
) {
    for attribute in attributes.iter().filter(|attribute| attribute.is_required(on)) {
        let path = if path.is_empty() { attribute.name.to_owned() } else { format!("{path}.{}", attribute.name) };
        entries.push(entry(schema, attribute, path.clone()));
        if let AttributeKind::Object(id) = attribute.kind {
            let object = schema.object_by_id(id);
            if !open.contains(&object.name) {
                open.push(object.name);
                let path = if attribute.is_array { format!("{path}[]") } else { path };
                required(schema, &object.attributes, on, &path, open, entries);
                open.pop();
            }
        }
    }
}

/// An attribute, under a path of its own if one is given.
fn entry(schema: &'static Schema, attribute: &Attribute, path: String) -> AttributeEntry {
    let integers = attribute.enumeration.into_iter().flat_map(|values| values.integers());
    let texts = attribute.enumeration.into_iter().flat_map(|values| values.texts());
    AttributeEntry {
        attribute: if path.is_empty() { attribute.name.to_owned() } else { path },
        kind: match attribute.kind {
            AttributeKind::Scalar(scalar) => scalar.name(),
            AttributeKind::Object(id) => schema.object_by_id(id).name,
        },
        array: attribute.is_array,
        requirement: attribute.requirement.as_str(),
        profiles: attribute.profiles.names(schema).collect(),
        values: integers
            .map(|(value, caption)| format!("{value} {caption}"))
            .chain(texts.map(|(value, caption)| format!("{value} {caption}")))
            .collect(),
        deprecated: attribute.deprecated,
    }
}
