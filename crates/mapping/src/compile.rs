//! Config to plan: every name resolved, every pattern compiled, the columns of each table fixed.
//!
//! Attributes that OCSF does not have, or that cannot hold the assigned value, become [`PlanStep::Misplaced`]: lint has
//! warned about them, and at run time the value goes to `unmapped`. [`ocsf::Shape`] handles attributes that OCSF
//! derives.

mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;

use bumpalo::Bump;
use ocsf::schema::{
    Attribute, AttributeKind, Constraint, EventClass, Object, ProfileSet, Requirement, ScalarType, Schema,
};
use ocsf::{Cell, NodeId};
use regex::Regex;
use rustc_hash::FxHashMap;
use serde_json::Value as Json;
use sources::{Document, FieldNames};

use crate::coerce::{Raw, coerce};
use crate::config::{
    Condition as AstCondition, Config, EachTree, EventMapping, JsonPath, Layout, ObjectTree, PathRoot, Places,
    RegexGroup, Span, Spanned, Step as PathStep, StepAction, TemplatePart, TextFieldNames, Tree, Value,
};
use crate::paths::{PathTree, Query};
use crate::plan::{
    Assignment, Condition, Constant, EachPlan, ElementPlan, EnumPlan, EventPlan, Expression, LookupPlan, ObjectItem,
    ObjectList, PlanStep, SplitPlan, Table, Target, reads_raw,
};
use crate::steps::{Action, StepPlan, StepsPlan};
use crate::time::TimeReader;

use tables::{Draft, lay_out_tables};

/// Maximum length of a custom source name in Security Lake, in characters.
pub(crate) const SOURCE_NAME_LIMIT: usize = 20;

/// A config that cannot be compiled. Lint reports each of these first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) span: Span,
    pub(crate) message: String,
}

/// Everything of a config that the evaluation needs.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) paths: PathTree,
    pub(crate) events: Vec<EventPlan>,
    pub(crate) event_of_key: FxHashMap<String, usize>,
    pub(crate) rules: Vec<(Condition, usize)>,
    pub(crate) matched_field: Option<Expression>,
    pub(crate) other: Option<usize>,
    pub(crate) time: Option<Expression>,
    pub(crate) account: Option<Expression>,
    pub(crate) tables: Vec<Table>,
    pub(crate) steps: StepsPlan,
}

/// Attributes that are derived from the class and from other attributes, regardless of the config.
const DERIVED: [&str; 8] = [
    "category_name",
    "category_uid",
    "class_name",
    "class_uid",
    "metadata.profiles",
    "metadata.version",
    "type_name",
    "type_uid",
];

/// Whether OCSF derives the attribute at a dotted path.
pub(crate) fn is_derived(path: &str) -> bool {
    DERIVED.contains(&path)
}

/// The custom source that the records of a class go to.
pub(crate) fn source_name(config: &Config, class: &EventClass) -> String {
    let named = config.destination.sources.iter().find(|(name, _)| is_class(class, name));
    match (named, config.destination.layout.value) {
        (Some((_, source)), _) => source.value.clone(),
        (None, Layout::SourcePerClass) => format!("{}-{}", config.source_name.value, class.uid),
        (None, Layout::PrefixPerClass) => config.source_name.value.clone(),
    }
}

fn is_class(class: &EventClass, name: &str) -> bool {
    class.name == name || class.qualified_name == name
}

pub(crate) fn compile(config: &Config, schema: &'static Schema) -> Result<Plan, Fault> {
    let mut paths = PathTree::default();
    let lookups = compile_lookups(config);
    let mut drafts = Vec::new();
    for event in &config.events {
        drafts.push(Compiler::new(schema, &mut paths, &lookups).event(event)?);
    }
    let mut compiler = Compiler::new(schema, &mut paths, &lookups);
    let rules = config.selector.rules.iter().map(|rule| {
        let event = config.events.iter().position(|event| event.key == rule.event).ok_or_else(|| Fault {
            span: rule.event.span,
            message: format!("no event `{}` in ocsf_mapping", rule.event.value),
        })?;
        Ok((compiler.condition(&rule.condition)?, event))
    });
    let rules = rules.collect::<Result<_, Fault>>()?;
    let matched_field = config.selector.matched_field.as_ref().map(|path| compiler.path(path)).transpose()?;
    let account = config.account.as_ref().map(|account| compiler.value(account)).transpose()?;
    let time = config.timestamp.as_ref().map(|timestamp| {
        let formats = timestamp.formats.iter().map(|format| format.value.clone());
        Ok(time_of(compiler.value(&timestamp.field)?, &TimeReader::new(formats)))
    });
    let time = time.transpose()?;
    let event_of_key =
        config.events.iter().enumerate().map(|(index, event)| (event.key.value.clone(), index)).collect();
    let other = match &config.other.value {
        crate::config::Other::Quarantine => None,
        crate::config::Other::Event(key) => {
            Some(config.events.iter().position(|event| event.key.value == *key).ok_or_else(|| Fault {
                span: config.other.span,
                message: format!("no event `{key}` in ocsf_mapping"),
            })?)
        }
    };
    let (tables, events) = lay_out_tables(config, schema, drafts)?;
    let steps = compile_steps(config, schema, &lookups)?;
    Ok(Plan { paths, events, event_of_key, rules, matched_field, other, time, account, tables, steps })
}

/// Compiles the steps with their own path tree: they read different documents from the mapping.
fn compile_steps(config: &Config, schema: &'static Schema, lookups: &Lookups) -> Result<StepsPlan, Fault> {
    let mut paths = PathTree::default();
    let mut steps = Vec::new();
    for step in &config.decode.steps {
        let mut compiler = Compiler::new(schema, &mut paths, lookups);
        let when = step.when.as_ref().map(|condition| compiler.condition(condition)).transpose()?;
        let mut slot = |names: &[String]| paths.slot(&names.iter().cloned().map(PathStep::Name).collect::<Vec<_>>());
        let mut fields = |places: &Places| places.iter().map(|(from, to)| (slot(from), to.value.clone())).collect();
        let action = match &step.action {
            StepAction::Discard(rule) => Action::Discard(rule.value.clone()),
            StepAction::Move(places) => Action::Move { fields: fields(places), keep: false },
            StepAction::Copy(places) => Action::Move { fields: fields(places), keep: true },
            StepAction::Each(at) => Action::Each(slot(at)),
            StepAction::Root(at) => Action::Root(slot(at)),
            StepAction::Parse(at) => Action::Parse(slot(at)),
            StepAction::WindowsValues(at) => Action::WindowsValues(slot(at)),
            StepAction::Extract(extract) => Action::Extract {
                from: slot(&extract.from),
                pattern: pattern(&extract.pattern)?,
                into: extract.into.value.clone(),
            },
            StepAction::Nest(nest) => Action::Nest {
                into: nest.into.value.clone(),
                names: field_names(&nest.names)
                    .map_err(|error| Fault { span: nest.span, message: error.to_string() })?,
                event_id: slot(&nest.event_id),
            },
        };
        steps.push(StepPlan::new(when, action));
    }
    Ok(StepsPlan::new(paths, steps))
}

/// A list of field names that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FieldNamesFault {
    #[error("unknown shipped list of fields `{0}`")]
    Unknown(String),
    #[error(transparent)]
    Invalid(#[from] sources::FieldNamesError),
}

/// The lists of field names that a config contains or names.
pub(crate) fn field_names(names: &TextFieldNames) -> Result<FieldNames, FieldNamesFault> {
    match names {
        TextFieldNames::Shipped(list) => {
            FieldNames::shipped(list).ok_or_else(|| FieldNamesFault::Unknown(list.value.clone()))
        }
        TextFieldNames::Inline(lists) => {
            let lists = lists
                .iter()
                .map(|(id, names)| (id.value.clone(), names.iter().map(|name| name.value.clone()).collect::<Vec<_>>()));
            Ok(FieldNames::new(lists)?)
        }
    }
}

/// The tables of `lookups` by name.
pub(crate) type Lookups = BTreeMap<String, Arc<FxHashMap<String, Expression>>>;

fn compile_lookups(config: &Config) -> Lookups {
    let tables = config.lookups.iter().map(|lookup| {
        let entries = lookup.entries.iter().map(|(key, value)| (key.value.clone(), literal(&value.value)));
        (lookup.name.value.clone(), Arc::new(entries.collect()))
    });
    tables.collect()
}

pub(crate) struct Compiler<'c> {
    schema: &'static Schema,
    paths: &'c mut PathTree,
    lookups: &'c Lookups,
    targets: Vec<String>,
}

impl<'c> Compiler<'c> {
    pub(crate) fn new(schema: &'static Schema, paths: &'c mut PathTree, lookups: &'c Lookups) -> Self {
        Self { schema, paths, lookups, targets: Vec::new() }
    }

    fn event(mut self, event: &EventMapping) -> Result<Draft, Fault> {
        let class = self.schema.class(&event.schema).ok_or_else(|| Fault {
            span: event.schema.span,
            message: format!("no class `{}` in OCSF {}", event.schema.value, self.schema.version()),
        })?;
        let mut steps = Vec::new();
        self.object(&event.attributes, "", &class.attributes, &mut steps)?;
        let mut unmapped = Vec::new();
        for (key, value) in &event.unmapped {
            unmapped.push((key.value.clone(), self.value(value)?));
        }
        let profiles = self.profiles(event, class);
        Ok(Draft { key: event.key.clone(), class, profiles, steps, unmapped, targets: self.targets })
    }

    /// The declared profiles that the class has and whose required attributes the event sets.
    fn profiles(&self, event: &EventMapping, class: &'static EventClass) -> ProfileSet {
        let known = event.profiles.iter().filter_map(|name| self.schema.profile_id(name));
        let kept = known.filter(|profile| {
            let of_profile = class.attributes.iter().filter(|attribute| attribute.profiles.contains(*profile));
            let mut required = of_profile.filter(|attribute| attribute.requirement == Requirement::Required);
            class.profiles.contains(*profile) && required.all(|attribute| self.is_set(attribute))
        });
        kept.collect()
    }

    fn is_set(&self, attribute: &Attribute) -> bool {
        let has_default = attribute.enumeration.is_some_and(|values| values.caption(0).is_some());
        let below = format!("{}.", attribute.name);
        has_default || self.targets.iter().any(|path| path == attribute.name || path.starts_with(&below))
    }

    /// The number of a target path.
    fn target(&mut self, path: &str) -> NodeId {
        let at = self.targets.iter().position(|target| target == path).unwrap_or_else(|| {
            self.targets.push(path.to_owned());
            self.targets.len() - 1
        });
        NodeId(at as u32)
    }

    /// Captions come after the ids that they belong to.
    fn object(
        &mut self,
        object: &ObjectTree,
        prefix: &str,
        attributes: &'static [Attribute],
        steps: &mut Vec<PlanStep>,
    ) -> Result<(), Fault> {
        let id_of = |name: &str| attributes.iter().find(|id| id.enumeration.is_some() && id.sibling == Some(name));
        let (captions, others): (Vec<_>, Vec<_>) =
            object.members.iter().partition(|(name, _)| id_of(&name.value).is_some());
        for (name, tree) in others.into_iter().chain(captions) {
            let path = if prefix.is_empty() { name.value.clone() } else { format!("{prefix}.{}", name.value) };
            if is_derived(&path) {
                continue;
            }
            let Some(attribute) = attributes.iter().find(|attribute| attribute.name == name.value) else {
                self.misplaced(&path, tree, steps)?;
                continue;
            };
            let id = id_of(attribute.name).map(|id| path[..path.len() - attribute.name.len()].to_owned() + id.name);
            self.attribute(attribute, &path, id.as_deref(), tree, steps)?;
        }
        Ok(())
    }

    fn attribute(
        &mut self,
        attribute: &'static Attribute,
        path: &str,
        caption_of: Option<&str>,
        tree: &Tree,
        steps: &mut Vec<PlanStep>,
    ) -> Result<(), Fault> {
        if let Tree::When(when) = tree {
            let (mut then, mut otherwise) = (Vec::new(), Vec::new());
            self.attribute(attribute, path, caption_of, &when.then, &mut then)?;
            if let Some(tree) = &when.otherwise {
                self.attribute(attribute, path, caption_of, tree, &mut otherwise)?;
            }
            steps.push(PlanStep::When { condition: self.condition(&when.condition)?, then, otherwise });
            return Ok(());
        }
        match attribute.kind {
            AttributeKind::Scalar(scalar) => {
                let is_json = scalar == ScalarType::Json;
                if matches!(tree, Tree::Object(_)) && !is_json {
                    return self.misplaced(path, tree, steps);
                }
                let value = self.tree_value(tree)?;
                self.assign(attribute, scalar, path, caption_of, value, steps);
                Ok(())
            }
            AttributeKind::Object(object) => {
                let object = self.schema.object_by_id(object);
                if attribute.is_array {
                    return self.objects(object, path, tree, steps);
                }
                let mut inner = Vec::new();
                self.one_object(object, path, tree, &mut inner)?;
                // A required object is kept even without raw values, so that the check reports what is missing.
                if attribute.requirement != Requirement::Required && inner.iter().any(reads_raw) {
                    let node = self.target(path);
                    steps.push(PlanStep::Object { node, steps: inner });
                } else {
                    steps.extend(inner);
                }
                Ok(())
            }
        }
    }

    fn assign(
        &mut self,
        attribute: &'static Attribute,
        scalar: ScalarType,
        path: &str,
        caption_of: Option<&str>,
        value: Expression,
        steps: &mut Vec<PlanStep>,
    ) {
        let max_len = self.schema.type_facts(scalar).max_len;
        let target = Target { attribute, scalar, max_len, is_list: attribute.is_array };
        let caption_of = caption_of.map(|id| self.target(id));
        let node = self.target(path);
        let is_raw = value.is_raw();
        let constant = if caption_of.is_none() { constant(&value, &target) } else { None };
        steps.push(PlanStep::Assign(Assignment { node, target, value, caption_of, is_raw, constant }));
    }

    fn one_object(
        &mut self,
        object: &'static Object,
        path: &str,
        tree: &Tree,
        steps: &mut Vec<PlanStep>,
    ) -> Result<(), Fault> {
        match tree {
            Tree::Object(members) if !object.is_free_form() => self.object(members, path, &object.attributes, steps),
            Tree::Value(value) => match name_of(object) {
                Some((attribute, scalar)) => {
                    let value = self.value(value)?;
                    self.assign(attribute, scalar, &format!("{path}.name"), None, value, steps);
                    Ok(())
                }
                None => self.misplaced(path, tree, steps),
            },
            _ => self.misplaced(path, tree, steps),
        }
    }

    fn objects(
        &mut self,
        object: &'static Object,
        path: &str,
        tree: &Tree,
        steps: &mut Vec<PlanStep>,
    ) -> Result<(), Fault> {
        let is_scalar = matches!(tree, Tree::Value(_));
        if object.is_free_form() || (is_scalar && name_of(object).is_none()) {
            return self.misplaced(path, tree, steps);
        }
        let before = self.targets.len();
        let mut items = Vec::new();
        self.object_items(object, path, tree, &mut items)?;
        if self.targets.len() == before && !self.targets.iter().any(|target| target.starts_with(&format!("{path}."))) {
            return self.misplaced(path, tree, steps);
        }
        let node = self.target(path);
        steps.push(PlanStep::Objects(ObjectList { node, items }));
        Ok(())
    }

    fn object_items(
        &mut self,
        object: &'static Object,
        path: &str,
        tree: &Tree,
        items: &mut Vec<ObjectItem>,
    ) -> Result<(), Fault> {
        match tree {
            Tree::Array(array) => {
                for item in &array.items {
                    self.object_items(object, path, item, items)?;
                }
            }
            Tree::When(when) => {
                let (mut then, mut otherwise) = (Vec::new(), Vec::new());
                self.object_items(object, path, &when.then, &mut then)?;
                if let Some(tree) = &when.otherwise {
                    self.object_items(object, path, tree, &mut otherwise)?;
                }
                items.push(ObjectItem::When { condition: self.condition(&when.condition)?, then, otherwise });
            }
            Tree::Each(each) => {
                let input = self.value(&each.input)?;
                let filter = self.filter(each)?;
                let mut body = Vec::new();
                self.one_object(object, path, &each.body, &mut body)?;
                items.push(ObjectItem::Each { input, filter, body: ElementPlan::new(body) });
            }
            Tree::Object(_) => {
                let mut body = Vec::new();
                self.one_object(object, path, tree, &mut body)?;
                items.push(ObjectItem::One(ElementPlan::new(body)));
            }
            Tree::Value(value) => {
                let input = self.value(value)?;
                if let Some((attribute, scalar)) = name_of(object) {
                    let mut body = Vec::new();
                    let element = Expression::Element(Vec::new());
                    self.assign(attribute, scalar, &format!("{path}.name"), None, element, &mut body);
                    items.push(ObjectItem::Each { input, filter: None, body: ElementPlan::new(body) });
                }
            }
        }
        Ok(())
    }

    fn filter(&mut self, each: &EachTree) -> Result<Option<Condition>, Fault> {
        each.filter.as_ref().map(|filter| self.condition(filter)).transpose()
    }

    fn misplaced(&mut self, path: &str, tree: &Tree, steps: &mut Vec<PlanStep>) -> Result<(), Fault> {
        match tree {
            Tree::Object(object) => {
                for (name, tree) in &object.members {
                    self.misplaced(&format!("{path}.{}", name.value), tree, steps)?;
                }
            }
            Tree::When(when) => {
                let (mut then, mut otherwise) = (Vec::new(), Vec::new());
                self.misplaced(path, &when.then, &mut then)?;
                if let Some(tree) = &when.otherwise {
                    self.misplaced(path, tree, &mut otherwise)?;
                }
                steps.push(PlanStep::When { condition: self.condition(&when.condition)?, then, otherwise });
            }
            Tree::Value(_) | Tree::Array(_) | Tree::Each(_) => {
                let value = self.tree_value(tree)?;
                steps.push(PlanStep::Misplaced { path: path.to_owned(), value });
            }
        }
        Ok(())
    }

    /// An object assigned to a scalar attribute.
    fn tree_value(&mut self, tree: &Tree) -> Result<Expression, Fault> {
        Ok(match tree {
            Tree::Value(value) => self.value(value)?,
            Tree::Array(array) => {
                Expression::List(array.items.iter().map(|item| self.tree_value(item)).collect::<Result<_, _>>()?)
            }
            Tree::Object(object) => {
                let members =
                    object.members.iter().map(|(name, tree)| Ok((name.value.clone(), self.tree_value(tree)?)));
                Expression::Object(members.collect::<Result<_, Fault>>()?)
            }
            Tree::When(when) => {
                let condition = self.condition(&when.condition)?;
                let then = self.tree_value(&when.then)?;
                let otherwise = when.otherwise.as_ref().map(|tree| self.tree_value(tree)).transpose()?;
                Expression::When(Box::new((condition, then, otherwise.unwrap_or(Expression::Absent))))
            }
            Tree::Each(each) => Expression::Each(Box::new(EachPlan {
                input: self.value(&each.input)?,
                filter: self.filter(each)?,
                body: self.tree_value(&each.body)?,
            })),
        })
    }

    fn values(&mut self, values: &[Spanned<Value>]) -> Result<Vec<Expression>, Fault> {
        values.iter().map(|value| self.value(value)).collect()
    }

    fn boxed(&mut self, value: &Spanned<Value>) -> Result<Box<Expression>, Fault> {
        Ok(Box::new(self.value(value)?))
    }

    fn optional(&mut self, value: Option<&Spanned<Value>>) -> Result<Option<Expression>, Fault> {
        value.map(|value| self.value(value)).transpose()
    }

    fn value(&mut self, value: &Spanned<Value>) -> Result<Expression, Fault> {
        Ok(match &value.value {
            Value::Absent => Expression::Absent,
            Value::Literal(json) => literal(json),
            Value::Path(path) => self.path(&Spanned::new(path.clone(), value.span))?,
            Value::List(items) => Expression::List(self.values(items)?),
            Value::First(alternatives) => Expression::First(self.values(alternatives)?),
            Value::Enum(operator) => {
                let values = operator.values.iter().map(|(text, value)| Ok((text.value.clone(), self.value(value)?)));
                let values = values.collect::<Result<_, Fault>>()?;
                let evaluate = self.value(&operator.evaluate)?;
                let other = self.optional(operator.other.as_ref())?;
                Expression::Enum(Box::new(EnumPlan { evaluate, values, other }))
            }
            Value::Timestamp(operator) => {
                let formats = operator.formats.iter().map(|format| format.value.clone());
                time_of(self.value(&operator.value)?, &TimeReader::new(formats))
            }
            Value::Regex(operator) => {
                let regex = pattern(&operator.pattern)?;
                let group = match &operator.group.value {
                    RegexGroup::Index(index) => Some(*index),
                    RegexGroup::Name(name) => {
                        regex.capture_names().position(|candidate| candidate == Some(name.as_str()))
                    }
                };
                let group = group.ok_or_else(|| Fault {
                    span: operator.group.span,
                    message: "the pattern has no such group".to_owned(),
                })?;
                Expression::Regex(Box::new((self.value(&operator.value)?, regex, group)))
            }
            Value::Split(operator) => Expression::Split(Box::new(SplitPlan {
                value: self.value(&operator.value)?,
                on: operator.on.value.clone(),
                take: operator.take.as_ref().map(|take| take.value),
                min_parts: operator.min_parts.as_ref().map_or(1, |parts| parts.value),
                limit: operator.limit.as_ref().map(|limit| limit.value),
            })),
            Value::Template(parts) => {
                let parts = parts.iter().map(|part| match part {
                    TemplatePart::Text(text) => Ok(Expression::Text(text.clone())),
                    TemplatePart::Path(path) => self.path(path),
                });
                Expression::Template(parts.collect::<Result<_, _>>()?)
            }
            Value::Lookup(operator) => {
                let table = self.lookups.get(&operator.table.value).cloned().ok_or_else(|| Fault {
                    span: operator.table.span,
                    message: format!("no lookup table `{}`", operator.table.value),
                })?;
                let key = self.value(&operator.key)?;
                let default = self.optional(operator.default.as_ref())?;
                Expression::Lookup(Box::new(LookupPlan { table, key, default }))
            }
            Value::Each(operator) => Expression::Each(Box::new(EachPlan {
                input: self.value(&operator.input)?,
                filter: operator.filter.as_ref().map(|filter| self.condition(filter)).transpose()?,
                body: self.value(&operator.body)?,
            })),
            Value::When(operator) => {
                let condition = self.condition(&operator.condition)?;
                let then = self.value(&operator.then)?;
                let otherwise = self.optional(operator.otherwise.as_ref())?.unwrap_or(Expression::Absent);
                Expression::When(Box::new((condition, then, otherwise)))
            }
            Value::Json(value) => Expression::Json(self.boxed(value)?),
            Value::Basename(value) => Expression::Basename(self.boxed(value)?),
            Value::Dirname(value) => Expression::Dirname(self.boxed(value)?),
            Value::Lower(value) => Expression::Lower(self.boxed(value)?),
            Value::Upper(value) => Expression::Upper(self.boxed(value)?),
            Value::Trim(value) => Expression::Trim(self.boxed(value)?),
            Value::Int(operator) => Expression::Int(Box::new((self.value(&operator.value)?, operator.base.value))),
            Value::IpVersion(value) => Expression::IpVersion(self.boxed(value)?),
            Value::StripPrefix(operator) => {
                Expression::StripPrefix(Box::new((self.value(&operator.value)?, operator.prefix.value.clone())))
            }
            Value::Duration(operator) => {
                Expression::Duration(Box::new((self.value(&operator.from)?, self.value(&operator.to)?)))
            }
        })
    }

    fn path(&mut self, path: &Spanned<JsonPath>) -> Result<Expression, Fault> {
        let query = || {
            let query =
                Query::parse(&path.query()).map_err(|error| Fault { span: path.span, message: error.to_string() })?;
            Ok(Box::new(query))
        };
        Ok(match (path.root, &path.singular) {
            (PathRoot::Document, Some(steps)) => match steps.split_first() {
                Some((PathStep::Name(name), rest)) if name == "UserDefined" && !rest.is_empty() => {
                    Expression::Slots(vec![self.paths.slot(steps), self.paths.slot(rest)])
                }
                _ => Expression::Slot(self.paths.slot(steps)),
            },
            (PathRoot::Document, None) => Expression::Query(query()?),
            (PathRoot::Element, Some(steps)) => Expression::Element(steps.clone()),
            (PathRoot::Element, None) => Expression::ElementQuery(query()?),
        })
    }

    pub(crate) fn condition(&mut self, condition: &Spanned<AstCondition>) -> Result<Condition, Fault> {
        Ok(match &condition.value {
            AstCondition::Exists(value) => Condition::Exists(self.value(value)?),
            AstCondition::Equals(left, right) => Condition::Equals(self.value(left)?, self.value(right)?),
            AstCondition::In(value, literals) => {
                let texts = literals.iter().map(|literal| match &literal.value {
                    Json::String(text) => text.clone(),
                    other => other.to_string(),
                });
                Condition::In(self.value(value)?, texts.collect())
            }
            AstCondition::Matches(value, text) => Condition::Matches(self.value(value)?, pattern(text)?),
            AstCondition::StartsWith(value, text) => Condition::StartsWith(self.value(value)?, text.value.clone()),
            AstCondition::EndsWith(value, text) => Condition::EndsWith(self.value(value)?, text.value.clone()),
            AstCondition::Contains(value, text) => Condition::Contains(self.value(value)?, text.value.clone()),
            AstCondition::All(conditions) => Condition::All(self.conditions(conditions)?),
            AstCondition::Any(conditions) => Condition::Any(self.conditions(conditions)?),
            AstCondition::Not(condition) => Condition::Not(Box::new(self.condition(condition)?)),
        })
    }

    fn conditions(&mut self, conditions: &[Spanned<AstCondition>]) -> Result<Vec<Condition>, Fault> {
        conditions.iter().map(|condition| self.condition(condition)).collect()
    }
}

/// The time in a value; of several alternatives, the first that can be parsed.
fn time_of(value: Expression, reader: &TimeReader) -> Expression {
    match value {
        Expression::First(alternatives) => {
            Expression::First(alternatives.into_iter().map(|value| time_of(value, reader)).collect())
        }
        Expression::When(plan) => {
            let (condition, then, otherwise) = *plan;
            Expression::When(Box::new((condition, time_of(then, reader), time_of(otherwise, reader))))
        }
        Expression::Absent => Expression::Absent,
        value => Expression::Timestamp(Box::new((value, reader.clone()))),
    }
}

/// A literal coerced to the type of its target, if it is a scalar that can be coerced.
fn constant(value: &Expression, target: &Target) -> Option<Constant> {
    let raw = match value {
        Expression::Text(text) => Raw::Text(text),
        Expression::Integer(value) => Raw::Integer(*value),
        Expression::Float(value) => Raw::Float(*value),
        Expression::Boolean(value) => Raw::Boolean(*value),
        _ => return None,
    };
    if target.is_list {
        return None;
    }
    let bump = Bump::new();
    let no_event = Document::parse(b"null", &bump).ok()?;
    match coerce(raw, target, &no_event, &bump)? {
        Cell::Boolean(value) => Some(Constant::Boolean(value)),
        Cell::Integer(value) => Some(Constant::Integer(value)),
        Cell::Float(value) => Some(Constant::Float(value)),
        Cell::Text(text) => Some(Constant::Text(text.to_owned())),
        Cell::Null | Cell::Present | Cell::List { .. } => None,
    }
}

fn pattern(text: &Spanned<String>) -> Result<Regex, Fault> {
    crate::pattern::compiled(text).map_err(|error| Fault { span: text.span, message: error.to_string() })
}

fn literal(json: &Json) -> Expression {
    match json {
        Json::Null => Expression::Absent,
        Json::Bool(value) => Expression::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Expression::Integer(value),
            None => Expression::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Expression::Text(text.clone()),
        Json::Array(items) => Expression::List(items.iter().map(literal).collect()),
        Json::Object(_) => Expression::JsonText(json.to_string()),
    }
}

/// The attribute `name` of an object that is valid with only a name. Text assigned to such an object becomes its name.
pub(crate) fn name_of(object: &'static Object) -> Option<(&'static Attribute, ScalarType)> {
    let name = object.attribute("name")?;
    let AttributeKind::Scalar(scalar) = name.kind else {
        return None;
    };
    let required_alone = object.attributes.iter().all(|attribute| {
        attribute.requirement != Requirement::Required
            || attribute.name == "name"
            || !attribute.profiles.is_empty()
            || attribute.enumeration.is_some_and(|values| values.caption(0).is_some())
    });
    let allowed = object.constraints.iter().all(|constraint| match constraint {
        Constraint::AtLeastOne(paths) | Constraint::JustOne(paths) => paths.contains(&"name"),
    });
    (required_alone && allowed).then_some((name, scalar))
}
