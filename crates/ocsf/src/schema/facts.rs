//! Reads a facts file (form: module documentation of [`schema`](super)) into a [`Schema`].
//!
//! All names borrow from the embedded text. The reader is strict, because the file is generated: anything unknown is an
//! error with the line number.

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use rustc_hash::FxHashMap;

use super::{
    Attribute, AttributeIndex, AttributeKind, Constraint, Enumeration, EventClass, Extension, Members, Object,
    ObjectId, Primitive, Profile, ProfileId, ProfileSet, Requirement, ScalarType, Schema, TypeFacts, Version,
};

/// A line of a facts file that does not have the documented form.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(super) struct FactsError {
    line: usize,
    problem: String,
}

/// Reads the facts of `version`.
/// The text of a facts file that the build has compressed.
pub(super) fn unpack(packed: &[u8]) -> Result<&'static str, FactsError> {
    let mut text = String::new();
    match ZlibDecoder::new(packed).read_to_string(&mut text) {
        Ok(_) => Ok(text.leak()),
        Err(error) => Err(FactsError { line: 0, problem: error.to_string() }),
    }
}

pub(super) fn parse(version: Version, text: &'static str) -> Result<Schema, FactsError> {
    let mut reader = Reader::new(text);
    // Attributes point at objects that come later in the file, so their ids are given out first.
    for (position, line) in text.lines().filter(|line| line.starts_with("object ")).enumerate() {
        let name = line.split(' ').nth(1).unwrap_or_default();
        let id = u16::try_from(position).map(ObjectId).map_err(|_| reader.error("too many objects"))?;
        reader.object_by_name.insert(name, id);
    }
    while let Some(line) = reader.next_line() {
        reader.block(version, line)?;
    }
    reader.finish(version)
}

struct Reader {
    lines: std::iter::Peekable<std::iter::Enumerate<std::str::Lines<'static>>>,
    /// Number of the line that was read last, from 1.
    line: usize,
    extensions: Vec<Extension>,
    profiles: Vec<Profile>,
    types: Vec<(ScalarType, TypeFacts)>,
    enumerations: FxHashMap<&'static str, &'static Enumeration>,
    object_by_name: FxHashMap<&'static str, ObjectId>,
    objects: Vec<Object>,
    classes: Vec<EventClass>,
}

impl Reader {
    fn new(text: &'static str) -> Self {
        Self {
            lines: text.lines().enumerate().peekable(),
            line: 0,
            extensions: Vec::new(),
            profiles: Vec::new(),
            types: Vec::new(),
            enumerations: FxHashMap::default(),
            object_by_name: FxHashMap::default(),
            objects: Vec::new(),
            classes: Vec::new(),
        }
    }

    fn error(&self, problem: impl Into<String>) -> FactsError {
        FactsError { line: self.line, problem: problem.into() }
    }

    fn next_line(&mut self) -> Option<&'static str> {
        loop {
            let (index, line) = self.lines.next()?;
            self.line = index + 1;
            if !line.is_empty() && !line.starts_with('#') {
                return Some(line);
            }
        }
    }

    /// The next line of the current block, without its indent.
    fn next_member(&mut self) -> Option<&'static str> {
        let member = self.lines.peek()?.1.strip_prefix("  ")?;
        self.next_line();
        Some(member)
    }

    fn block(&mut self, version: Version, line: &'static str) -> Result<(), FactsError> {
        let (head, caption) = line.split_once(" = ").unwrap_or((line, ""));
        let mut words = Words(head);
        match self.word(&mut words)? {
            "ocsf" => {
                if self.word(&mut words)? != version.as_str() {
                    return Err(self.error(format!("these are not the facts of {version}")));
                }
            }
            "extension" => {
                let name = self.word(&mut words)?;
                let uid = self.number(&mut words)?;
                self.extensions.push(Extension { name, uid, version: self.word(&mut words)? });
            }
            "profile" => {
                let id = match u8::try_from(self.profiles.len()) {
                    Ok(id @ 0..32) => ProfileId(id),
                    _ => return Err(self.error("a set of profiles holds 32")),
                };
                self.profiles.push(Profile { id, name: self.word(&mut words)?, caption });
            }
            "type" => self.scalar_type(words, caption)?,
            "enum" => self.enumeration(words)?,
            "object" => self.object(words, caption)?,
            "class" => self.class(words, caption)?,
            other => return Err(self.error(format!("unknown block {other:?}"))),
        }
        Ok(())
    }

    fn scalar_type(&mut self, mut words: Words, caption: &'static str) -> Result<(), FactsError> {
        let name = self.word(&mut words)?;
        let scalar = ScalarType::from_name(name).ok_or_else(|| self.error(format!("unknown type {name:?}")))?;
        let primitive = self.word(&mut words)?;
        if primitive_name(scalar.primitive()) != primitive {
            return Err(self.error(format!("{name} is not a {primitive} in this program")));
        }
        let mut facts = TypeFacts { caption, max_len: None, range: None, observable: None, regex: None };
        for word in words {
            match word.split_once('=') {
                Some(("max_len", n)) => facts.max_len = Some(self.parsed(n)?),
                Some(("observable", n)) => facts.observable = Some(self.parsed(n)?),
                Some(("range", ends)) => {
                    let (low, high) = ends.split_once("..").ok_or_else(|| self.error("range has no `..`"))?;
                    facts.range = Some((self.parsed(low)?, self.parsed(high)?));
                }
                _ => return Err(self.error(format!("unknown word {word:?}"))),
            }
        }
        while let Some(member) = self.next_member() {
            match member.strip_prefix("regex ") {
                Some(regex) => facts.regex = Some(regex),
                None => return Err(self.error("a type has only `regex`")),
            }
        }
        self.types.push((scalar, facts));
        Ok(())
    }

    fn enumeration(&mut self, mut words: Words) -> Result<(), FactsError> {
        let name = self.word(&mut words)?;
        let mut integers = Vec::new();
        let mut texts = Vec::new();
        while let Some(member) = self.next_member() {
            let (value, caption) =
                member.split_once(" = ").ok_or_else(|| self.error("an enumeration's member needs ` = `"))?;
            match value.parse::<i64>() {
                Ok(number) => integers.push((number, caption)),
                Err(_) => texts.push((value, caption)),
            }
        }
        integers.sort_unstable();
        texts.sort_unstable();
        let members = match (integers.is_empty(), texts.is_empty()) {
            (false, true) => Members::Integers(integers),
            (true, false) => Members::Texts(texts),
            _ => return Err(self.error("an enumeration needs members, of one kind")),
        };
        // Read once per version and kept for the life of the program, like the Schema itself.
        self.enumerations.insert(name, Box::leak(Box::new(Enumeration { members })));
        Ok(())
    }

    fn object(&mut self, mut words: Words, caption: &'static str) -> Result<(), FactsError> {
        let name = self.word(&mut words)?;
        let id = *self.object_by_name.get(name).ok_or_else(|| self.error("object without id"))?;
        let (mut observable, mut deprecated) = (None, false);
        for word in words {
            match word.split_once('=') {
                Some(("observable", n)) => observable = Some(self.parsed(n)?),
                None if word == "deprecated" => deprecated = true,
                _ => return Err(self.error(format!("unknown word {word:?}"))),
            }
        }
        let (attributes, index, constraints) = self.members()?;
        let extension = name.split_once('/').map(|(extension, _)| extension);
        self.objects.push(Object {
            id,
            name,
            caption,
            extension,
            observable,
            attributes,
            constraints,
            deprecated,
            index,
        });
        Ok(())
    }

    fn class(&mut self, mut words: Words, caption: &'static str) -> Result<(), FactsError> {
        let uid = self.number(&mut words)?;
        let qualified_name = self.word(&mut words)?;
        let (extension, name) = match qualified_name.split_once('/') {
            Some((extension, name)) => (Some(extension), name),
            None => (None, qualified_name),
        };
        let (mut profiles, mut deprecated) = (ProfileSet::EMPTY, false);
        for word in words {
            match word.strip_prefix('+') {
                Some(names) => profiles = self.profile_set(names)?,
                None if word == "deprecated" => deprecated = true,
                None => return Err(self.error(format!("unknown word {word:?}"))),
            }
        }
        let (attributes, index, constraints) = self.members()?;
        let category = index.find(&attributes, "category_uid").and_then(|a| a.enumeration);
        let Some(&[(category_uid, category_name)]) = category.map(Enumeration::integers) else {
            return Err(self.error("a class needs exactly one category_uid"));
        };
        let category_uid = u32::try_from(category_uid).map_err(|_| self.error("category_uid is negative"))?;
        self.classes.push(EventClass {
            name,
            qualified_name,
            caption,
            uid,
            category_uid,
            category_name,
            extension,
            profiles,
            attributes,
            constraints,
            deprecated,
            index,
        });
        Ok(())
    }

    /// The attributes and constraints of the current object or class.
    fn members(&mut self) -> Result<(Vec<Attribute>, AttributeIndex, Vec<Constraint>), FactsError> {
        let (mut attributes, mut constraints) = (Vec::new(), Vec::new());
        while let Some(member) = self.next_member() {
            if let Some(constraint) = member.strip_prefix("! ") {
                let mut words = Words(constraint);
                constraints.push(match self.word(&mut words)? {
                    "at_least_one" => Constraint::AtLeastOne(words.collect()),
                    "just_one" => Constraint::JustOne(words.collect()),
                    other => return Err(self.error(format!("unknown constraint {other:?}"))),
                });
            } else {
                attributes.push(self.attribute(Words(member))?);
            }
        }
        attributes.sort_unstable_by_key(|a: &Attribute| a.name);
        let mut index = FxHashMap::with_capacity_and_hasher(attributes.len(), Default::default());
        for (position, attribute) in attributes.iter().enumerate() {
            let position = u16::try_from(position).map_err(|_| self.error("too many attributes"))?;
            if index.insert(attribute.name, position).is_some() {
                return Err(self.error(format!("the attribute {:?} is there twice", attribute.name)));
            }
        }
        Ok((attributes, AttributeIndex(index), constraints))
    }

    fn attribute(&self, mut words: Words) -> Result<Attribute, FactsError> {
        let name = self.word(&mut words)?;
        let type_name = self.word(&mut words)?;
        let (type_name, is_array) = match type_name.strip_suffix("[]") {
            Some(element) => (element, true),
            None => (type_name, false),
        };
        let kind = match ScalarType::from_name(type_name) {
            Some(scalar) => AttributeKind::Scalar(scalar),
            None => match self.object_by_name.get(type_name) {
                Some(&id) => AttributeKind::Object(id),
                None => return Err(self.error(format!("unknown type {type_name:?}"))),
            },
        };
        let requirement = match self.word(&mut words)? {
            "required" => Requirement::Required,
            "recommended" => Requirement::Recommended,
            "optional" => Requirement::Optional,
            other => return Err(self.error(format!("unknown requirement {other:?}"))),
        };
        let mut attribute = Attribute {
            name,
            kind,
            is_array,
            requirement,
            profiles: ProfileSet::EMPTY,
            enumeration: None,
            sibling: None,
            observable: None,
            deprecated: false,
        };
        for word in words {
            match word.split_once('=') {
                Some(("enum", name)) => match self.enumerations.get(name) {
                    Some(enumeration) => attribute.enumeration = Some(enumeration),
                    None => return Err(self.error(format!("unknown enum {name:?}"))),
                },
                Some(("sibling", name)) => attribute.sibling = Some(name),
                Some(("observable", n)) => attribute.observable = Some(self.parsed(n)?),
                None if word == "deprecated" => attribute.deprecated = true,
                None if word.starts_with('+') => attribute.profiles = self.profile_set(&word[1..])?,
                _ => return Err(self.error(format!("unknown word {word:?}"))),
            }
        }
        Ok(attribute)
    }

    fn profile_set(&self, names: &'static str) -> Result<ProfileSet, FactsError> {
        let id = |name| match self.profiles.iter().find(|p| p.name == name) {
            Some(profile) => Ok(profile.id),
            None => Err(self.error(format!("unknown profile {name:?}"))),
        };
        names.split(',').map(id).collect()
    }

    fn word(&self, words: &mut Words) -> Result<&'static str, FactsError> {
        words.next().ok_or_else(|| self.error("a word is missing"))
    }

    fn number<T: std::str::FromStr>(&self, words: &mut Words) -> Result<T, FactsError> {
        self.parsed(self.word(words)?)
    }

    fn parsed<T: std::str::FromStr>(&self, text: &'static str) -> Result<T, FactsError> {
        text.parse().map_err(|_| self.error(format!("{text:?} is not a number, or out of range")))
    }

    /// Orders everything, gives each attribute its observable type and builds the look-up tables.
    fn finish(self, version: Version) -> Result<Schema, FactsError> {
        let misses = |problem: &str| FactsError { line: self.line, problem: problem.to_owned() };
        let Self { extensions, profiles, mut types, mut objects, mut classes, mut object_by_name, .. } = self;

        types.sort_unstable_by_key(|t| t.0 as usize);
        if !types.iter().map(|t| t.0).eq(ScalarType::ALL.iter().copied()) {
            return Err(misses("each scalar type must be there exactly once"));
        }
        let types: Vec<TypeFacts> = types.into_iter().map(|t| t.1).collect();
        if !objects.iter().enumerate().all(|(position, object)| object.id.index() == position) {
            return Err(misses("each object must be there exactly once"));
        }
        classes.sort_unstable_by_key(|c| c.uid);

        let object_observables: Vec<Option<u16>> = objects.iter().map(|o| o.observable).collect();
        let observable_of = |kind: AttributeKind| match kind {
            AttributeKind::Scalar(scalar) => types.get(scalar as usize).and_then(|t| t.observable),
            AttributeKind::Object(id) => object_observables.get(id.index()).copied().flatten(),
        };
        let of_objects = objects.iter_mut().flat_map(|o| &mut o.attributes);
        for attribute in of_objects.chain(classes.iter_mut().flat_map(|c| &mut c.attributes)) {
            attribute.observable = attribute.observable.or_else(|| observable_of(attribute.kind));
        }

        // The short name of an extension's object or class also finds it, unless the core schema has that name.
        for object in &objects {
            if let Some((_, short)) = object.name.split_once('/') {
                object_by_name.entry(short).or_insert(object.id);
            }
        }
        let mut class_by_name: FxHashMap<&'static str, u16> = FxHashMap::default();
        let mut class_by_uid = FxHashMap::default();
        for (position, class) in classes.iter().enumerate() {
            let position = u16::try_from(position).map_err(|_| misses("too many classes"))?;
            class_by_uid.insert(class.uid, position);
            class_by_name.insert(class.qualified_name, position);
        }
        for class in classes.iter().filter(|c| c.extension.is_some()) {
            if let Some(&position) = class_by_name.get(class.qualified_name) {
                class_by_name.entry(class.name).or_insert(position);
            }
        }
        Ok(Schema {
            version,
            extensions,
            profiles,
            types,
            objects,
            classes,
            object_by_name,
            class_by_name,
            class_by_uid,
        })
    }
}

fn primitive_name(primitive: Primitive) -> &'static str {
    match primitive {
        Primitive::Boolean => "boolean_t",
        Primitive::Integer => "integer_t",
        Primitive::Long => "long_t",
        Primitive::Float => "float_t",
        Primitive::String => "string_t",
        Primitive::Json => "json_t",
    }
}

/// The words of a line.
struct Words(&'static str);

impl Iterator for Words {
    type Item = &'static str;

    fn next(&mut self) -> Option<&'static str> {
        if self.0.is_empty() {
            return None;
        }
        let (word, rest) = self.0.split_once(' ').unwrap_or((self.0, ""));
        self.0 = rest;
        Some(word)
    }
}
