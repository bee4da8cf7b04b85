//! Checks the attributes of an event mapping against its class, at every depth.

use ocsf::schema::{
    Attribute, AttributeKind, Constraint, Enumeration, EventClass, ObjectId, ProfileSet, Requirement, ScalarType,
};
use serde_json::Value as Json;

use super::Linter;
use super::literals::misfit;
use super::presence::{asked_by, comes_with, ways_of_tree};
use super::values::{is_list, is_never_absent};
use crate::compile::{is_derived, name_of};
use crate::config::{EnumOperator, EventMapping, JsonPath, ObjectTree, Span, Spanned, Tree, Value};
use crate::diagnostic::{Code, Diagnostic, list, nearest, quote};
use crate::operators::OPERATORS;

/// The event mapping that is examined.
#[derive(Clone, Copy)]
struct Event<'c> {
    mapping: &'c EventMapping,
    class: &'static EventClass,
    /// The profiles it declares.
    declared: ProfileSet,
}

/// A class or an object.
#[derive(Clone, Copy)]
struct Owner {
    name: &'static str,
    what: &'static str,
    attributes: &'static [Attribute],
    constraints: &'static [Constraint],
}

impl Owner {
    fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// The object that is checked.
#[derive(Clone, Copy)]
struct At<'p> {
    /// Dotted path, empty for the event.
    path: &'p str,
    /// Position of its key, or of the name of the class.
    span: Span,
    /// Whether it is assigned only under a condition.
    conditional: bool,
    /// Whether it is optional: it, or an object around it, is not required.
    optional: bool,
    /// The raw fields that the conditions around it test for.
    asked: &'p [&'p JsonPath],
}

impl At<'_> {
    /// What happens to the object, or to the record, when the object is incomplete.
    fn consequence(&self) -> &'static str {
        match self.optional {
            true => "an incomplete object is left out of the record",
            false => "an incomplete record is quarantined as `invalid`",
        }
    }
}

impl<'c> Linter<'c> {
    /// Examines the attributes of one event mapping.
    pub(super) fn attributes(&mut self, mapping: &'c EventMapping, class: &'static EventClass) {
        let declared = mapping.profiles.iter().filter_map(|name| self.schema.profile_id(name)).collect();
        let event = Event { mapping, class, declared };
        let owner =
            Owner { name: class.name, what: "class", attributes: &class.attributes, constraints: &class.constraints };
        let at = At { path: "", span: mapping.schema.span, conditional: false, optional: false, asked: &[] };
        self.object(event, &mapping.attributes, owner, at);
        if mapping.attributes.get("metadata").is_none()
            && let Some(metadata) = class.attribute("metadata")
            && let AttributeKind::Object(object) = metadata.kind
        {
            // It is always there, since its version is derived.
            let at = At { path: "metadata", ..at };
            self.object(event, &ObjectTree::default(), self.owner(object), at);
        }
    }

    fn owner(&self, object: ObjectId) -> Owner {
        let object = self.schema.object_by_id(object);
        Owner { name: object.name, what: "object", attributes: &object.attributes, constraints: &object.constraints }
    }

    fn object(&mut self, event: Event<'c>, tree: &ObjectTree, owner: Owner, at: At<'_>) {
        for (key, assigned) in &tree.members {
            let path = join(at.path, key);
            let Some(attribute) = owner.attribute(key) else {
                self.unknown_attribute(event, tree, owner, key, &path);
                continue;
            };
            if is_derived(&path) {
                self.derived(event, &path, assigned, key.span);
                continue;
            }
            self.profile_of(event, attribute, key, &path, at.conditional || matches!(assigned, Tree::When(_)));
            if attribute.deprecated {
                let message = format!("{} is deprecated in OCSF {}", quote(&path), self.schema.version());
                self.report(Diagnostic::new(Code::DeprecatedAttribute, key.span, message));
            }
            let optional = at.optional || !attribute.is_required(event.declared);
            let at = At { path: &path, span: key.span, optional, ..at };
            self.assigned(event, attribute, assigned, at);
        }
        self.siblings(tree, owner, at.path);
        self.required(event, tree, owner, at);
        self.constraints(event, tree, owner, at);
        if !at.path.is_empty() {
            self.completeness(event, tree, owner, at);
        }
    }

    fn unknown_attribute(
        &mut self,
        event: Event<'c>,
        tree: &ObjectTree,
        owner: Owner,
        key: &Spanned<String>,
        path: &str,
    ) {
        let prefix = path.strip_suffix(key.as_str()).unwrap_or_default();
        let version = self.schema.version();
        let message = format!("unknown attribute {} in {} {version}", quote(path), event.class.name);
        let names = || owner.attributes.iter().map(|attribute| attribute.name);
        let unset = names().filter(|name| tree.get(name).is_none());
        let near = nearest(key, unset).or_else(|| nearest(key, names()));
        let help = if let Some(near) = near {
            format!("did you mean {}?", quote(&format!("{prefix}{near}")))
        } else if let Some(operator) = OPERATORS.iter().find(|operator| operator.name.get(1..) == Some(key.as_str())) {
            format!("did you mean the operator {}?", quote(operator.name))
        } else if let Some((object, rest)) = key.split_once('.') {
            format!("nest the objects: {object:?}: {{{rest:?}: …}}")
        } else {
            let holders = owner.attributes.iter().filter(|attribute| match attribute.kind {
                AttributeKind::Object(object) => self.schema.object_by_id(object).attribute(key).is_some(),
                AttributeKind::Scalar(_) => false,
            });
            let places: Vec<String> = holders.map(|holder| format!("{prefix}{}.{}", holder.name, key.value)).collect();
            match places.is_empty() {
                false => format!("OCSF has {}", list(places.iter().map(String::as_str))),
                true => "its value is kept in `unmapped`; if that is intended, assign it under `unmapped`".to_owned(),
            }
        };
        self.report(
            Diagnostic::new(Code::UnknownAttribute, key.span, message)
                .label(format!("not an attribute of the {} {}", owner.what, owner.name))
                .help(help),
        );
    }

    fn profile_of(
        &mut self,
        event: Event<'c>,
        attribute: &Attribute,
        key: &Spanned<String>,
        path: &str,
        conditional: bool,
    ) {
        if attribute.is_present(event.declared) || conditional {
            return;
        }
        let names: Vec<_> = attribute.profiles.names(self.schema).collect();
        let Some(first) = names.first() else { return };
        let of = match names.len() {
            1 => format!("the profile {}", quote(first)),
            _ => format!("one of the profiles {}", list(names.iter().copied())),
        };
        let diagnostic = self.of_event(event, Code::UndeclaredProfile, key.span, |events| {
            format!("{} belongs to {of}, which {events} not declare", quote(path))
        });
        self.report(diagnostic.help(format!("add {first:?} to `profiles` of the event or of the config")));
    }

    /// A diagnostic about an event. If its position is shared by several events, it is reported once and shows one of
    /// them. `message` gets "the event `1` does" or "some events do".
    fn of_event(&self, event: Event<'c>, code: Code, span: Span, message: impl Fn(&str) -> String) -> Diagnostic {
        let own = event.mapping.span;
        if own.start <= span.start && span.end <= own.end {
            return Diagnostic::new(code, span, message(&format!("the event {} does", quote(&event.mapping.key))));
        }
        Diagnostic::new(code, span, message("some events do")).also(event.mapping.key.span, "this event, for example")
    }

    /// Checks the value of an attribute.
    fn assigned(&mut self, event: Event<'c>, attribute: &'static Attribute, tree: &Tree, at: At<'_>) {
        if let Tree::When(when) = tree {
            let mut asked = at.asked.to_vec();
            asked_by(&when.condition, &mut asked);
            let at = At { conditional: true, asked: &asked, ..at };
            self.assigned(event, attribute, &when.then, at);
            if let Some(otherwise) = &when.otherwise {
                self.assigned(event, attribute, otherwise, at);
            }
            return;
        }
        match attribute.kind {
            AttributeKind::Object(object) => {
                if self.schema.object_by_id(object).is_free_form() {
                    return;
                }
                if !attribute.is_array && matches!(tree, Tree::Array(_) | Tree::Each(_)) {
                    let message = format!("{} is a single object, not an array", quote(at.path));
                    self.report(Diagnostic::new(Code::ListForSingle, tree.span(), message));
                    return;
                }
                self.objects(event, attribute, object, tree, at);
            }
            AttributeKind::Scalar(ScalarType::Json) => {}
            AttributeKind::Scalar(scalar) => self.scalars(attribute, scalar, tree, at),
        }
        if at.path == "observables.name" {
            self.observable(event, tree);
        }
    }

    /// Checks a constant `name` of an observable.
    fn observable(&mut self, event: Event<'c>, tree: &Tree) {
        let Some(name) = literal_of(tree).and_then(Json::as_str) else { return };
        let all = self.schema.profiles().iter().map(|profile| profile.id).collect();
        if !self.schema.has_attribute(event.class, name, all) {
            let message = format!("{} is not the path of an attribute of {}", quote(name), event.class.name);
            let diagnostic = Diagnostic::new(Code::ObservableOfNothing, tree.span(), message);
            self.report(diagnostic.help("name the attribute that holds the value, such as `file.name` or `unmapped`"));
        }
    }

    /// Checks one object, or the items of an array of objects.
    fn objects(&mut self, event: Event<'c>, attribute: &'static Attribute, object: ObjectId, tree: &Tree, at: At<'_>) {
        match tree {
            Tree::Object(members) => self.object(event, members, self.owner(object), at),
            Tree::Array(array) => {
                array.items.iter().for_each(|item| self.objects(event, attribute, object, item, at));
            }
            Tree::When(when) => {
                let mut asked = at.asked.to_vec();
                asked_by(&when.condition, &mut asked);
                let at = At { conditional: true, asked: &asked, ..at };
                self.objects(event, attribute, object, &when.then, at);
                if let Some(otherwise) = &when.otherwise {
                    self.objects(event, attribute, object, otherwise, at);
                }
            }
            Tree::Each(each) => {
                let mut asked = at.asked.to_vec();
                each.filter.iter().for_each(|filter| asked_by(filter, &mut asked));
                self.objects(event, attribute, object, &each.body, At { asked: &asked, ..at });
            }
            Tree::Value(value) if matches!(value.value, Value::Absent) => {}
            Tree::Value(value) => {
                let object = self.schema.object_by_id(object);
                let message = format!("{} is an object of type {}, not a single value", quote(at.path), object.name);
                let help = match name_of(object) {
                    Some(_) => format!("it is read as {}; write {{\"name\": …}}", quote(&format!("{}.name", at.path))),
                    None => match self.needs(attribute) {
                        Some(needs) => format!("write {needs}"),
                        None => {
                            let likely = object.attributes.iter().filter(|attribute| {
                                attribute.requirement != Requirement::Optional && attribute.profiles.is_empty()
                            });
                            format!("write one of its attributes: {}", list(likely.map(|attribute| attribute.name)))
                        }
                    },
                };
                self.report(Diagnostic::new(Code::ValueForObject, value.span, message).help(help));
            }
        }
    }

    fn scalars(&mut self, attribute: &'static Attribute, scalar: ScalarType, tree: &Tree, at: At<'_>) {
        match tree {
            Tree::Value(value) => self.scalar(attribute, value, at),
            Tree::When(when) => {
                self.scalars(attribute, scalar, &when.then, at);
                if let Some(otherwise) = &when.otherwise {
                    self.scalars(attribute, scalar, otherwise, at);
                }
            }
            Tree::Object(object) => {
                let message = format!("{} is a single value of type {scalar}, not an object", quote(at.path));
                let operators = OPERATORS.iter().map(|operator| operator.name);
                let meant = match object.members.as_slice() {
                    [(key, _)] => nearest(&format!("${}", key.value), operators),
                    _ => None,
                };
                let diagnostic = Diagnostic::new(Code::ObjectForValue, tree.span(), message);
                self.report(match meant {
                    Some(name) => diagnostic.help(format!("did you mean the operator {}?", quote(name))),
                    None => diagnostic,
                });
            }
            Tree::Array(_) | Tree::Each(_) if !attribute.is_array => {
                let message = format!("{} is a single value, not an array", quote(at.path));
                self.report(
                    Diagnostic::new(Code::ListForSingle, tree.span(), message)
                        .help("choose one item, for example with `$first` or an index: `$.items[0]`"),
                );
            }
            Tree::Array(array) => array.items.iter().for_each(|item| self.scalars(attribute, scalar, item, at)),
            Tree::Each(each) => self.scalars(attribute, scalar, &each.body, at),
        }
    }

    fn scalar(&mut self, attribute: &'static Attribute, value: &Spanned<Value>, at: At<'_>) {
        if is_list(value) && !attribute.is_array {
            let message = format!("{} is a single value, but this returns a list", quote(at.path));
            self.report(
                Diagnostic::new(Code::ListForSingle, value.span, message)
                    .help("choose one item: `take` of `$split`, `$first`, or an index: `$.items[0]`"),
            );
        }
        let mut constants = Vec::new();
        self.constants(value, &mut constants);
        for (constant, span) in constants {
            if let Some(misfit) = misfit(self.schema, attribute, at.path, constant) {
                let mut diagnostic = Diagnostic::new(misfit.code, span, misfit.message);
                diagnostic.help = misfit.help;
                self.report(diagnostic);
            }
        }
    }

    /// Checks the constants that an expression can return.
    fn constants<'v>(&self, value: &'v Spanned<Value>, into: &mut Vec<(&'v Json, Span)>)
    where
        'c: 'v,
    {
        match &value.value {
            Value::Literal(literal) => into.push((literal, value.span)),
            Value::List(items) | Value::First(items) => items.iter().for_each(|item| self.constants(item, into)),
            Value::Enum(operator) => {
                operator.values.iter().for_each(|(_, value)| self.constants(value, into));
                operator.other.iter().for_each(|value| self.constants(value, into));
            }
            Value::Lookup(operator) => {
                if let Some(table) = self.config.lookup(&operator.table) {
                    into.extend(table.entries.iter().map(|(_, literal)| (&literal.value, literal.span)));
                }
                operator.default.iter().for_each(|value| self.constants(value, into));
            }
            Value::When(operator) => {
                self.constants(&operator.then, into);
                operator.otherwise.iter().for_each(|value| self.constants(value, into));
            }
            Value::Each(operator) => self.constants(&operator.body, into),
            _ => {}
        }
    }

    // Derived attributes.

    fn derived(&mut self, event: Event<'c>, path: &str, tree: &Tree, key: Span) {
        let class = event.class;
        let expected = match path {
            "category_name" => Json::from(class.category_name),
            "category_uid" => Json::from(class.category_uid),
            "class_name" => Json::from(class.caption),
            "class_uid" => Json::from(class.uid),
            "metadata.version" => Json::from(self.schema.version().as_str()),
            "type_uid" | "type_name" => return self.derived_type(event, path, tree),
            _ => {
                let message = format!("{} is derived; this value is ignored", quote(path));
                return self.report(Diagnostic::new(Code::DerivedContradicted, key, message).help("remove it"));
            }
        };
        if !literal_of(tree).is_some_and(|written| same_text(written, &expected)) {
            let message = format!("{} is derived; its value is {expected}", quote(path));
            self.report(
                Diagnostic::new(Code::DerivedContradicted, tree.span(), message)
                    .label("this value is ignored")
                    .help("remove the line"),
            );
        }
    }

    /// `type_uid` is `class_uid` × 100 + `activity_id`.
    fn derived_type(&mut self, event: Event<'c>, path: &str, tree: &Tree) {
        let base = i64::from(event.class.uid) * 100;
        let enumeration = event.class.attribute("type_uid").and_then(|attribute| attribute.enumeration);
        let derive = |activity: &Json| {
            let uid = base + activity.as_i64()?;
            match path {
                "type_uid" => Some(Json::from(uid)),
                _ => enumeration.and_then(|names| names.caption(uid)).map(Json::from),
            }
        };
        let activity = event.mapping.attributes.get("activity_id");
        let single = match activity {
            None => derive(&Json::from(Enumeration::UNKNOWN)),
            Some(tree) => literal_of(tree).and_then(derive),
        };
        let agrees = match (literal_of(tree), &single) {
            (Some(written), Some(expected)) => same_text(written, expected),
            (Some(_), None) => false,
            (None, _) => activity.is_some_and(|activity| follows(tree, activity, &derive)),
        };
        if agrees {
            return;
        }
        let message = match single {
            Some(value) => format!("{} is derived; its value is {value}", quote(path)),
            None => format!("{} is derived; its value is {base} + `activity_id`", quote(path)),
        };
        let mut diagnostic = Diagnostic::new(Code::DerivedContradicted, tree.span(), message)
            .label("this value is ignored")
            .help("remove the line");
        if let Some(activity) = activity {
            diagnostic = diagnostic.also(activity.span(), "`activity_id`");
        }
        self.report(diagnostic);
    }

    /// Checks a caption next to an id with a different caption.
    fn siblings(&mut self, tree: &ObjectTree, owner: Owner, path: &str) {
        for attribute in owner.attributes {
            let (Some(enumeration), Some(sibling)) = (attribute.enumeration, attribute.sibling) else { continue };
            let sibling_path = join(path, sibling);
            if is_derived(&sibling_path) {
                continue;
            }
            let (Some(id), Some(text)) = (tree.get(attribute.name), tree.get(sibling)) else { continue };
            let Some(value) = literal_of(id).and_then(Json::as_i64).filter(|id| *id != Enumeration::OTHER) else {
                continue;
            };
            let (Some(caption), Some(written)) = (enumeration.caption(value), literal_of(text)) else { continue };
            if written.as_str().is_some_and(|written| written.eq_ignore_ascii_case(caption)) {
                continue;
            }
            let message =
                format!("{} is derived from {}: {value} is {caption:?}", quote(&sibling_path), quote(attribute.name));
            let diagnostic = Diagnostic::new(Code::DerivedContradicted, text.span(), message)
                .label("this value is ignored")
                .also(id.span(), quote(attribute.name));
            self.report(match written.as_str().and_then(|written| enumeration.value(written)) {
                Some(meant) => diagnostic.help(format!("remove it, or write {meant} for {}", quote(attribute.name))),
                None => diagnostic.help("remove it"),
            });
        }
    }

    // Required attributes.

    fn required(&mut self, event: Event<'c>, tree: &ObjectTree, owner: Owner, at: At<'_>) {
        for attribute in owner.attributes {
            let written = tree.get(attribute.name);
            if !attribute.is_required(event.declared) || written.is_some_and(|tree| self.writes(attribute, tree)) {
                continue;
            }
            let path = join(at.path, attribute.name);
            if is_derived(&path) || path == "time" || path == "metadata" {
                continue;
            }
            let has_unknown =
                attribute.enumeration.is_some_and(|values| values.caption(Enumeration::UNKNOWN).is_some());
            if has_unknown {
                if attribute.sibling.is_none_or(|sibling| tree.get(sibling).is_none()) {
                    let message = format!("{} is never set, so it is always 0 Unknown", quote(&path));
                    let diagnostic = Diagnostic::new(Code::UnknownEnumId, at.span, message);
                    self.report(diagnostic.help(format!("map {}, or set it to 0 if it cannot be known", quote(&path))));
                }
                continue;
            }
            if !attribute.profiles.is_empty() {
                self.profile_not_satisfied(event, attribute, &path);
                continue;
            }
            let (span, message) = match written {
                None => (at.span, format!("{} requires {}, which is never set", owner.name, quote(&path))),
                Some(tree) => (
                    tree.span(),
                    format!("{} requires {}, and no value assigned here fits it", owner.name, quote(&path)),
                ),
            };
            let is_never_valid = written.is_none() && !at.optional && !at.conditional;
            let code = if is_never_valid { Code::RequiredNeverSet } else { Code::RequiredNotSet };
            let diagnostic = Diagnostic::new(code, span, message).label(at.consequence());
            self.report(match self.needs(attribute) {
                Some(needs) => diagnostic.help(format!("map {}, {needs}", quote(&path))),
                None => diagnostic.help(format!("map {}", quote(&path))),
            });
        }
    }

    fn profile_not_satisfied(&mut self, event: Event<'c>, attribute: &Attribute, path: &str) {
        for name in &event.mapping.profiles {
            if !self.schema.profile_id(name).is_some_and(|id| attribute.profiles.contains(id)) {
                continue;
            }
            let diagnostic = self.of_event(event, Code::ProfileNotSatisfied, name.span, |events| {
                format!("the profile {} requires {}, which {events} not set", quote(name), quote(path))
            });
            self.report(match self.needs(attribute) {
                Some(needs) => diagnostic.help(format!("map {}, {needs}, or do not declare the profile", quote(path))),
                None => diagnostic.help(format!("map {}, or do not declare the profile", quote(path))),
            });
        }
    }

    /// The required attributes of an object, for the help line.
    fn needs(&self, attribute: &Attribute) -> Option<String> {
        let AttributeKind::Object(object) = attribute.kind else { return None };
        let object = self.schema.object_by_id(object);
        let required = object.attributes.iter().filter(|attribute| attribute.is_required(ProfileSet::EMPTY));
        let mut needs: Vec<String> = required.map(|attribute| quote(attribute.name)).collect();
        for constraint in &object.constraints {
            needs.push(match constraint {
                Constraint::AtLeastOne(paths) => format!("at least one of {}", list(paths.iter().copied())),
                Constraint::JustOne(paths) => format!("exactly one of {}", list(paths.iter().copied())),
            });
        }
        if needs.is_empty() {
            return None;
        }
        Some(format!("an object with {}", needs.join(", ")))
    }

    /// Whether any part of the assigned value can be written to the attribute.
    fn writes(&self, attribute: &Attribute, tree: &Tree) -> bool {
        if let Tree::When(when) = tree {
            let otherwise = when.otherwise.as_ref();
            return self.writes(attribute, &when.then) || otherwise.is_some_and(|tree| self.writes(attribute, tree));
        }
        let object = match attribute.kind {
            AttributeKind::Scalar(ScalarType::Json) => return true,
            AttributeKind::Scalar(_) => return !matches!(tree, Tree::Object(_)),
            AttributeKind::Object(object) => self.schema.object_by_id(object),
        };
        match tree {
            _ if object.is_free_form() => true,
            Tree::Value(value) => matches!(value.value, Value::Absent) || name_of(object).is_some(),
            Tree::Array(array) => array.items.iter().any(|item| self.writes(attribute, item)),
            Tree::Each(each) => self.writes(attribute, &each.body),
            Tree::When(_) => false,
            Tree::Object(members) => members
                .members
                .iter()
                .any(|(key, tree)| object.attribute(key).is_some_and(|attribute| self.writes(attribute, tree))),
        }
    }

    /// Whether anything is written to the attribute at a dotted path.
    fn is_set(&self, attributes: &[Attribute], tree: &ObjectTree, path: &str) -> bool {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let Some(attribute) = attributes.iter().find(|attribute| attribute.name == first) else { return false };
        match (tree.get(first), rest) {
            (None, _) => false,
            (Some(tree), None) => self.writes(attribute, tree),
            (Some(tree), Some(rest)) => self.is_set_below(attribute, tree, rest),
        }
    }

    fn is_set_below(&self, attribute: &Attribute, tree: &Tree, path: &str) -> bool {
        let AttributeKind::Object(object) = attribute.kind else { return false };
        match tree {
            Tree::Object(members) => self.is_set(&self.schema.object_by_id(object).attributes, members, path),
            Tree::When(when) => {
                self.is_set_below(attribute, &when.then, path)
                    || when.otherwise.as_ref().is_some_and(|tree| self.is_set_below(attribute, tree, path))
            }
            Tree::Array(array) => array.items.iter().any(|tree| self.is_set_below(attribute, tree, path)),
            Tree::Each(each) => self.is_set_below(attribute, &each.body, path),
            Tree::Value(_) => path == "name",
        }
    }

    fn constraints(&mut self, event: Event<'c>, tree: &ObjectTree, owner: Owner, at: At<'_>) {
        for constraint in owner.constraints {
            let (paths, demand) = match constraint {
                Constraint::AtLeastOne(paths) => (paths, "at least one of"),
                Constraint::JustOne(paths) => (paths, "exactly one of"),
            };
            let set = paths.iter().filter(|path| self.is_set(owner.attributes, tree, path)).count();
            let always = paths.iter().filter(|path| is_always_set(tree, path)).count();
            let too_many = matches!(constraint, Constraint::JustOne(_)) && always > 1;
            if set > 0 && !too_many {
                continue;
            }
            let place = if at.path.is_empty() { event.class.name.to_owned() } else { quote(at.path) };
            let message = format!("{place} must have {demand} {}", list(paths.iter().copied()));
            let consequence = at.consequence();
            self.report(Diagnostic::new(Code::ConstraintNotMet, at.span, message).label(if too_many {
                "more than one of them is always set; only the first is kept".to_owned()
            } else {
                format!("none of them is ever set: {consequence}")
            }));
        }
    }

    /// Checks whether required attributes of an object can be absent while another of its attributes is present.
    fn completeness(&mut self, event: Event<'c>, tree: &ObjectTree, owner: Owner, at: At<'_>) {
        for attribute in owner.attributes {
            let Some(assigned) = tree.get(attribute.name) else { continue };
            let has_unknown =
                attribute.enumeration.is_some_and(|values| values.caption(Enumeration::UNKNOWN).is_some());
            if !attribute.is_required(event.declared) || has_unknown || !self.writes(attribute, assigned) {
                continue;
            }
            let Some(other) = alone(tree, &[attribute.name], at) else { continue };
            let path = join(at.path, attribute.name);
            let message = format!("{} requires {}, which can be absent", quote(at.path), quote(&path));
            let diagnostic = Diagnostic::new(Code::IncompleteObject, assigned.span(), message)
                .label(at.consequence())
                .also(other.span, format!("while {} is present", quote(&join(at.path, other))))
                .help("put the object under a `$when` that tests for the value, or add an alternative with `$first`");
            self.report(diagnostic);
        }
        for constraint in owner.constraints {
            let Constraint::AtLeastOne(paths) = constraint else { continue };
            if !paths.iter().any(|path| self.is_set(owner.attributes, tree, path)) {
                continue;
            }
            let first = |path: &&'static str| path.split('.').next().unwrap_or(path);
            let members: Vec<&str> = paths.iter().map(first).collect();
            let Some(other) = alone(tree, &members, at) else { continue };
            let message = format!("{} can be without any of {}", quote(at.path), list(paths.iter().copied()));
            let diagnostic = Diagnostic::new(Code::IncompleteObject, at.span, message)
                .label(at.consequence())
                .also(other.span, format!("while {} is present", quote(&join(at.path, other))))
                .help("put the object under a `$when` that tests for one of them, or add an alternative with `$first`");
            self.report(diagnostic);
        }
    }
}

/// An attribute of an object that can have a value while none of `members` has one. An object among the members is
/// assumed to be present: its own check reports what it can lack.
fn alone<'t>(tree: &'t ObjectTree, members: &[&str], at: At<'_>) -> Option<&'t Spanned<String>> {
    let assigned: Vec<&Tree> = members.iter().filter_map(|member| tree.get(member)).collect();
    if assigned.iter().any(|tree| matches!(tree, Tree::Object(_))) {
        return None;
    }
    let ways = assigned.iter().map(|tree| ways_of_tree(tree)).collect::<Option<Vec<_>>>()?.concat();
    let others = tree.members.iter().filter(|(name, _)| !members.contains(&name.as_str()));
    // Two values that are made in the same way are present together.
    let mut others = others.filter(|(_, other)| !assigned.contains(&other));
    let can_be_alone = |given: &Vec<_>| !given.is_empty() && !comes_with(&ways, given, at.asked);
    others
        .find(|(_, other)| ways_of_tree(other).is_some_and(|given| given.iter().any(can_be_alone)))
        .map(|(name, _)| name)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The constant that an attribute always is.
fn literal_of(tree: &Tree) -> Option<&Json> {
    match tree {
        Tree::Value(Spanned { value: Value::Literal(literal), .. }) => Some(literal),
        _ => None,
    }
}

/// Whether two constants are equal; a number equals its text.
fn same_text(left: &Json, right: &Json) -> bool {
    let text = |json: &Json| match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    text(left) == text(right)
}

/// Whether an `$enum` gives for each text what follows from the `$enum` of `activity_id` over the same value.
fn follows(tree: &Tree, activity: &Tree, derive: &impl Fn(&Json) -> Option<Json>) -> bool {
    let operator = |tree: &Tree| -> Option<EnumOperator> {
        match tree {
            Tree::Value(Spanned { value: Value::Enum(operator), .. }) => Some((**operator).clone()),
            _ => None,
        }
    };
    let (Some(written), Some(activity)) = (operator(tree), operator(activity)) else { return false };
    let matches = |written: &Spanned<Value>, activity: &Spanned<Value>| match (&written.value, &activity.value) {
        (Value::Literal(written), Value::Literal(activity)) => {
            derive(activity).is_some_and(|expected| same_text(written, &expected))
        }
        _ => false,
    };
    let others = match (&written.other, &activity.other) {
        (Some(written), Some(activity)) => matches(written, activity),
        (None, None) => true,
        _ => false,
    };
    others
        && written.evaluate == activity.evaluate
        && written.values.len() == activity.values.len()
        && written.values.iter().all(|(text, value)| {
            activity.values.iter().any(|(other, activity)| other == text && matches(value, activity))
        })
}

/// Whether the attribute at a dotted path has a value in every record.
fn is_always_set(tree: &ObjectTree, path: &str) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (tree.get(first), rest) {
        (Some(Tree::Object(object)), Some(rest)) => is_always_set(object, rest),
        (Some(tree), None) => always(tree),
        _ => false,
    }
}

fn always(tree: &Tree) -> bool {
    match tree {
        Tree::Value(value) => is_never_absent(value),
        Tree::Object(object) => object.members.iter().any(|(_, tree)| always(tree)),
        Tree::Array(array) => array.items.iter().any(always),
        Tree::When(when) => always(&when.then) && when.otherwise.as_ref().is_some_and(always),
        Tree::Each(_) => false,
    }
}
