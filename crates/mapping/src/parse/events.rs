//! Event mappings: `common`, fragments, and the entries of `ocsf_mapping` that are built on them.

use std::collections::HashMap;

use super::assignments::Written;
use super::{Fields, Reader};
use crate::config::{EventMapping, ObjectTree, Span, Spanned, Tree, Value};
use crate::diagnostic::{Code, Diagnostic, list, nearest, quote};
use crate::jsonpath::is_path;
use crate::operators;
use crate::syntax::{Node, NodeKind};

/// `common` or a fragment: a layer of an event mapping.
#[derive(Clone, Default)]
pub(super) struct Layer {
    profiles: Vec<Spanned<String>>,
    attributes: ObjectTree,
    unmapped: Vec<(Spanned<String>, Spanned<Value>)>,
}

impl Layer {
    /// Merges `own` over `self`, attribute by attribute; `own` wins.
    fn extended_by(mut self, own: Layer) -> Layer {
        for profile in own.profiles {
            if !self.profiles.contains(&profile) {
                self.profiles.push(profile);
            }
        }
        self.attributes = merge(self.attributes, own.attributes);
        let places: HashMap<String, usize> =
            self.unmapped.iter().enumerate().map(|(at, (key, _))| (key.value.clone(), at)).collect();
        for (key, value) in own.unmapped {
            match places.get(&key.value).and_then(|at| self.unmapped.get_mut(*at)) {
                Some(entry) => *entry = (key, value),
                None => self.unmapped.push((key, value)),
            }
        }
        self
    }
}

fn merge(mut base: ObjectTree, own: ObjectTree) -> ObjectTree {
    base.span = own.span;
    let places: HashMap<String, usize> =
        base.members.iter().enumerate().map(|(at, (key, _))| (key.value.clone(), at)).collect();
    for (key, tree) in own.members {
        match places.get(&key.value).and_then(|at| base.members.get_mut(*at)) {
            None => base.members.push((key, tree)),
            Some(entry) => {
                let inherited = std::mem::replace(&mut entry.1, Tree::Object(ObjectTree::default()));
                entry.0 = key;
                entry.1 = match (inherited, tree) {
                    (Tree::Object(inherited), Tree::Object(tree)) => Tree::Object(merge(inherited, tree)),
                    (_, tree) => tree,
                };
            }
        }
    }
    base
}

impl Reader {
    pub(super) fn layers(&mut self, config: &Fields<'_>) -> Layers {
        let profiles = config.get("profiles").map(|node| self.names(node, "profiles")).unwrap_or_default();
        let defaults = Layer { profiles, ..Layer::default() };
        let common = config.get("common").map(|node| self.layer(node)).unwrap_or_default();
        let mut fragments = Vec::new();
        if let Some(node) = config.get("fragments") {
            for (name, node) in self.map(node, "fragments") {
                fragments.push((name.clone(), self.layer(node)));
            }
        }
        Layers { common: defaults.extended_by(common), fragments }
    }

    fn layer(&mut self, node: &Node) -> Layer {
        match self.fields(node, &operators::FRAGMENT) {
            Some(fields) => self.layer_of(&fields),
            None => Layer::default(),
        }
    }

    /// `profiles` and `schema_mapping` of a fragment or an event.
    fn layer_of(&mut self, fields: &Fields<'_>) -> Layer {
        let mut layer = Layer::default();
        if let Some(node) = fields.get("profiles") {
            layer.profiles = self.names(node, "profiles");
        }
        let Some(node) = fields.get("schema_mapping") else { return layer };
        let NodeKind::Object(members) = &node.kind else {
            self.wrong_type(node, "schema_mapping", "an object of attributes");
            return layer;
        };
        match self.written(members) {
            Written::Faulty => return layer,
            Written::Operator(operator, _) => {
                let message = format!("{} cannot replace the whole `schema_mapping`", quote(operator.name));
                self.report(
                    Diagnostic::new(Code::WrongType, node.span, message)
                        .help("use it for each attribute, or write two event mappings and choose one with `select`"),
                );
                return layer;
            }
            Written::Attributes(_) => {}
        }
        layer.attributes.span = node.span;
        for (key, node) in self.unique(members) {
            let tree = match (key.as_str(), &node.kind) {
                ("unmapped", _) => {
                    self.unmapped(node, "", &mut HashMap::new(), &mut layer.unmapped);
                    continue;
                }
                ("metadata", NodeKind::Object(members)) if members.iter().any(|(key, _)| key.value == "profiles") => {
                    self.metadata(node.span, members, &mut layer.profiles)
                }
                _ => self.tree(node),
            };
            layer.attributes.members.push((key.clone(), tree));
        }
        layer
    }

    /// Parses `metadata`. Its `profiles` become profile declarations.
    fn metadata(
        &mut self,
        span: Span,
        members: &[(Spanned<String>, Node)],
        profiles: &mut Vec<Spanned<String>>,
    ) -> Tree {
        let mut metadata = ObjectTree { span, members: Vec::new() };
        for (key, node) in self.unique(members) {
            if key.value == "profiles" {
                self.metadata_profiles(node, profiles);
            } else {
                let tree = self.tree(node);
                metadata.members.push((key.clone(), tree));
            }
        }
        Tree::Object(metadata)
    }

    fn metadata_profiles(&mut self, node: &Node, profiles: &mut Vec<Spanned<String>>) {
        let computed = |span| {
            Diagnostic::new(Code::ProfilesComputed, span, "`metadata.profiles` must be a list of constant names")
                .help("Sluice derives the profiles of a record from `profiles` and from the attributes that are set")
        };
        match &node.kind {
            NodeKind::Null => {}
            NodeKind::String { text, .. } if is_path(text, self.inside_each) => self.report(computed(node.span)),
            NodeKind::String { text, .. } => {
                let mut names = Vec::new();
                let mut start = 0;
                for part in text.split(',') {
                    let name = part.trim();
                    if !name.is_empty() {
                        let at = start + (part.len() - part.trim_start().len());
                        names.push(Spanned::new(name.to_owned(), node.span_within(at, at + name.len())));
                    }
                    start += part.len() + 1;
                }
                let written: Vec<String> = names.iter().map(|name| format!("{:?}", name.value)).collect();
                self.report(
                    Diagnostic::new(Code::ProfilesAsText, node.span, "`metadata.profiles` is a list, not text")
                        .label("read as a comma-separated list")
                        .help(format!("write \"profiles\": [{}] beside `schema`", written.join(", "))),
                );
                profiles.extend(names);
            }
            NodeKind::Array(items) => {
                for item in items {
                    match item.as_str() {
                        Some(text) if !text.is_empty() && !is_path(text, self.inside_each) => {
                            profiles.push(Spanned::new(text.to_owned(), item.span));
                        }
                        _ => self.report(computed(item.span)),
                    }
                }
            }
            _ => self.report(computed(node.span)),
        }
    }

    fn unmapped(
        &mut self,
        node: &Node,
        prefix: &str,
        seen: &mut HashMap<String, Span>,
        into: &mut Vec<(Spanned<String>, Spanned<Value>)>,
    ) {
        let NodeKind::Object(members) = &node.kind else {
            self.wrong_type(node, "unmapped", "an object");
            return;
        };
        if !matches!(self.written(members), Written::Attributes(_)) {
            if prefix.is_empty() {
                self.wrong_type(node, "unmapped", "an object of keys and values");
            }
            return;
        }
        for (key, node) in self.unique(members) {
            let name = if prefix.is_empty() { key.value.clone() } else { format!("{prefix}.{}", key.value) };
            if let NodeKind::Object(members) = &node.kind
                && matches!(self.written(members), Written::Attributes(_))
            {
                self.unmapped(node, &name, seen, into);
                continue;
            }
            let value = self.value(node);
            let target = Spanned::new(name, key.span);
            if let Some(first) = seen.insert(target.value.clone(), key.span) {
                let message = format!("duplicate key {} in `unmapped`", quote(&target));
                let diagnostic = Diagnostic::new(Code::DuplicateKey, key.span, message);
                self.report(diagnostic.also(first, "first use"));
                continue;
            }
            into.push((target, value));
        }
    }

    pub(super) fn events(&mut self, config: &Fields<'_>, layers: Layers) -> Vec<EventMapping> {
        let Some(node) = config.get("ocsf_mapping") else { return Vec::new() };
        let mut events = Vec::new();
        let members = self.map(node, "ocsf_mapping");
        if members.is_empty() && matches!(node.kind, NodeKind::Object(_)) {
            self.report(Diagnostic::new(Code::EmptyList, node.span, "`ocsf_mapping` has no event mappings"));
        }
        for (key, node) in members {
            let Some(fields) = self.fields(node, &operators::EVENT) else { continue };
            let schema = fields.get("schema").and_then(|node| self.name(node, "schema"));
            let written = fields.get("extends").map(|node| self.names(node, "extends")).unwrap_or_default();
            let mut extends = Vec::with_capacity(written.len());
            let mut layer = layers.common.clone();
            for name in written {
                match layers.fragments.iter().find(|(other, _)| *other == name) {
                    Some((_, fragment)) => {
                        layer = layer.extended_by(fragment.clone());
                        extends.push(name);
                    }
                    None => {
                        let names = layers.fragments.iter().map(|(name, _)| name.as_str());
                        let message = format!("unknown fragment {}", quote(&name));
                        let help = match nearest(&name, names.clone()) {
                            Some(near) => format!("did you mean {}?", quote(near)),
                            None if layers.fragments.is_empty() => "this config has no `fragments`".to_owned(),
                            None => format!("the fragments are {}", list(names)),
                        };
                        self.report(Diagnostic::new(Code::UnknownFragment, name.span, message).help(help));
                    }
                }
            }
            let own = self.layer_of(&fields);
            let mut layer = layer.extended_by(own);
            self.prune(&mut layer.attributes);
            layer
                .unmapped
                .retain(|(_, value)| !matches!(value.value, Value::Absent) || self.failed.contains(&value.span));
            let Some(schema) = schema else { continue };
            events.push(EventMapping {
                span: fields.span,
                key: key.clone(),
                schema,
                extends,
                profiles: layer.profiles,
                attributes: layer.attributes,
                unmapped: layer.unmapped,
            });
        }
        events
    }

    /// Removes attributes that are `null`. Their only purpose was to remove inherited attributes.
    fn prune(&self, object: &mut ObjectTree) {
        object.members.retain(|(_, tree)| {
            !matches!(tree, Tree::Value(Spanned { value: Value::Absent, span }) if !self.failed.contains(span))
        });
        for (_, tree) in &mut object.members {
            self.prune_tree(tree);
        }
    }

    fn prune_tree(&self, tree: &mut Tree) {
        match tree {
            Tree::Object(object) => self.prune(object),
            Tree::Array(array) => array.items.iter_mut().for_each(|item| self.prune_tree(item)),
            Tree::Value(_) => {}
            Tree::When(when) => {
                self.prune_tree(&mut when.then);
                if let Some(otherwise) = &mut when.otherwise {
                    self.prune_tree(otherwise);
                }
            }
            Tree::Each(each) => self.prune_tree(&mut each.body),
        }
    }
}

/// `common` with the default profiles, and the fragments by name.
pub(super) struct Layers {
    common: Layer,
    pub(super) fragments: Vec<(Spanned<String>, Layer)>,
}
