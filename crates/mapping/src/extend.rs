//! One config on top of another: `"extends": "windows-sysmon"`.
//!
//! The two are merged as JSON before parsing. The extending file's value of each key wins. Values from the base get the
//! position of the `extends` key, so that diagnostics point into the extending file.

use crate::config::{Span, Spanned};
use crate::diagnostic::{Code, Diagnostic, quote};
use crate::syntax::{Node, NodeKind, parse_json};

/// Longest chain of bases.
const LEVELS: usize = 8;

/// The key that names the base.
const EXTENDS: &str = "extends";

/// Merges a config with the one that it extends. `load` returns the text of a shipped config or of a file.
pub(crate) fn with_bases(file: Node, load: &dyn Fn(&str) -> Option<String>) -> Result<Node, Diagnostic> {
    extend(file, load, &mut Vec::new())
}

fn extend(mut file: Node, load: &dyn Fn(&str) -> Option<String>, above: &mut Vec<String>) -> Result<Node, Diagnostic> {
    let Some(base) = take_base(&mut file) else { return Ok(file) };
    let span = base.span;
    let Some(name) = base.as_str().map(str::to_owned) else {
        return Err(Diagnostic::new(Code::WrongType, span, "`extends` must be the name of a config"));
    };
    if above.contains(&name) || above.len() == LEVELS {
        let message = format!("{} extends itself through {}", quote(&name), above.join(", "));
        return Err(Diagnostic::new(Code::UnknownBase, span, message).help("break the cycle"));
    }
    let Some(text) = load(&name) else {
        let message = format!("unknown config {} in `extends`", quote(&name));
        let help = "name a shipped config, or a file in the same folder";
        return Err(Diagnostic::new(Code::UnknownBase, span, message).help(help));
    };
    let base = parse_base(&text, &name, span)?;
    above.push(name);
    let base = extend(placed_at(base, span), load, above)?;
    Ok(merge_file(base, file))
}

/// Parses the config that is extended at `span`.
pub(crate) fn parse_base(text: &str, name: &str, span: Span) -> Result<Node, Diagnostic> {
    parse_json(text).map_err(|fault| {
        let message = format!("{} cannot be read: {}", quote(name), fault.message);
        Diagnostic::new(Code::UnknownBase, span, message)
    })
}

/// The position of the `extends` key.
pub(crate) fn extends_of(file: &Node) -> Option<Span> {
    let config = member(file, "custom_source_events")?;
    member(config, EXTENDS).map(|base| base.span)
}

/// The member of that name, if the value is an object that has it.
pub(crate) fn member<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.kind {
        NodeKind::Object(members) => members.iter().find(|(key, _)| key.value == name).map(|(_, value)| value),
        _ => None,
    }
}

/// Removes the `extends` key from `custom_source_events`.
fn take_base(file: &mut Node) -> Option<Node> {
    let config = member_mut(file, "custom_source_events")?;
    let NodeKind::Object(members) = &mut config.kind else { return None };
    let at = members.iter().position(|(key, _)| key.value == EXTENDS)?;
    Some(members.remove(at).1)
}

/// [`member`], to change it.
pub(crate) fn member_mut<'n>(node: &'n mut Node, name: &str) -> Option<&'n mut Node> {
    match &mut node.kind {
        NodeKind::Object(members) => members.iter_mut().find(|(key, _)| key.value == name).map(|(_, value)| value),
        _ => None,
    }
}

/// The same value with every position replaced by `span`.
pub(crate) fn placed_at(node: Node, span: Span) -> Node {
    let kind = match node.kind {
        NodeKind::String { text, .. } => NodeKind::String { text, plain: false },
        NodeKind::Array(items) => NodeKind::Array(items.into_iter().map(|item| placed_at(item, span)).collect()),
        NodeKind::Object(members) => {
            let members = members.into_iter();
            NodeKind::Object(
                members.map(|(key, value)| (Spanned::new(key.value, span), placed_at(value, span))).collect(),
            )
        }
        scalar => scalar,
    };
    Node { span, kind }
}

/// How the members of two objects are merged.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    File,
    Config,
    Decode,
    Events,
    Event,
    Below,
}

/// Merges the file `own` over the file `base`; `own` wins.
pub(crate) fn merge_file(base: Node, own: Node) -> Node {
    merge(base, own, Level::File)
}

fn merge(base: Node, own: Node, level: Level) -> Node {
    let (base_members, own_members) = match (base.kind, own.kind) {
        (NodeKind::Object(base_members), NodeKind::Object(own_members))
            if !is_operator(&base_members) && !is_operator(&own_members) =>
        {
            (base_members, own_members)
        }
        (_, kind) => return Node { span: own.span, kind },
    };
    let mut merged = base_members;
    let inherited_keys = merged.len();
    let mut replaced = Vec::new();
    for (key, value) in own_members {
        // A duplicate key in this file is kept, so that the parser reports it.
        match merged[..inherited_keys].iter_mut().find(|(other, _)| other.value == key.value) {
            None => merged.push((key, value)),
            Some(_) if replaced.contains(&key.value) => merged.push((key, value)),
            Some(entry) => {
                let inherited = std::mem::replace(&mut entry.1, Node { span: own.span, kind: NodeKind::Null });
                entry.1 = merge_member(inherited, value, &key.value, level);
                replaced.push(key.value.clone());
                entry.0 = key;
            }
        }
    }
    Node { span: own.span, kind: NodeKind::Object(merged) }
}

fn merge_member(base: Node, own: Node, key: &str, level: Level) -> Node {
    match (level, key) {
        (Level::File, "custom_source_events") => merge(base, own, Level::Config),
        (Level::Config, "ocsf_mapping") => merge(base, own, Level::Events),
        (Level::Config, "decode") => merge(base, own, Level::Decode),
        // Rules and steps of this file run before those of the base.
        (Level::Config, "select") | (Level::Decode, "steps") => concatenate(own, base),
        (Level::Config | Level::Event, "profiles") | (Level::Event, EXTENDS) => concatenate(base, own),
        // An event mapping of another class inherits nothing.
        (Level::Events, _) if class_of(&own).is_some_and(|class| class_of(&base) != Some(class)) => own,
        (Level::Events, _) => merge(base, own, Level::Event),
        _ => merge(base, own, Level::Below),
    }
}

fn class_of(event: &Node) -> Option<&str> {
    match &event.kind {
        NodeKind::Object(members) => {
            members.iter().find(|(key, _)| key.value == "schema").and_then(|(_, class)| class.as_str())
        }
        _ => None,
    }
}

fn concatenate(first: Node, second: Node) -> Node {
    match (first.kind, second.kind) {
        (NodeKind::Array(mut items), NodeKind::Array(more)) => {
            for item in more {
                let known = item.as_str().is_some() && items.iter().any(|other| other.as_str() == item.as_str());
                if !known {
                    items.push(item);
                }
            }
            Node { span: second.span, kind: NodeKind::Array(items) }
        }
        // Malformed; the parser reports it.
        (_, kind) => Node { span: second.span, kind },
    }
}

fn is_operator(members: &[(Spanned<String>, Node)]) -> bool {
    matches!(members, [(key, _)] if key.value.starts_with('$') || key.value == "enum")
}
