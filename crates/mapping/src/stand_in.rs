//! Stand-ins for the preprocessors of the AWS transformation library.
//!
//! A config of that library has no `decode`: Python code that its sources file names (`preprocessor_module`) cuts the
//! events into fields before the mapping reads them. What that code does is data here, a config of its own, and a file
//! that counts on it extends it without saying so.

use crate::config::Spanned;
use crate::diagnostic::Diagnostic;
use crate::extend::{member, member_mut, merge_file, parse_base, placed_at};
use crate::syntax::{Node, NodeKind};

/// What stands in for one preprocessor.
struct StandIn {
    /// `preprocessor_module` of a sources file.
    module: &'static str,
    /// `source_name` of the library's mapping.
    source_name: &'static str,
    /// Beginnings of paths that only this preprocessor makes. A mapping that reads none of them does not need it.
    reads: &'static [&'static str],
    /// What a config without `decode` extends.
    config: &'static str,
}

static STAND_INS: [StandIn; 2] = [
    StandIn {
        module: "alb_preprocessor",
        source_name: "aws-alb",
        reads: &["$.client_ip", "$.target_ip", "$.request_method", "$.request_url"],
        config: include_str!("../data/stand-ins/alb_preprocessor.json"),
    },
    StandIn {
        module: "sysmon_preprocessor",
        source_name: "windows-sysmon",
        reads: &["$.Description.", "$['Description'].", "$.Description["],
        config: include_str!("../data/stand-ins/sysmon_preprocessor.json"),
    },
];

/// Lays a config without `decode` over the stand-in of its preprocessor: the one that `module` names, else the one of its
/// `source_name`. Gives the name of that module, at the place of `source_name`.
pub(crate) fn with_stand_in(
    file: Node,
    module: Option<&str>,
) -> Result<(Node, Option<Spanned<&'static str>>), Diagnostic> {
    let Some(config) = member(&file, "custom_source_events") else { return Ok((file, None)) };
    let Some(source_name) = member(config, "source_name") else { return Ok((file, None)) };
    let by_module = STAND_INS.iter().find(|stand_in| module == Some(stand_in.module));
    let by_name = STAND_INS.iter().find(|stand_in| source_name.as_str() == Some(stand_in.source_name));
    let Some(stand_in) = by_module.or(by_name) else { return Ok((file, None)) };
    if member(config, "decode").is_some() || !reads(config, stand_in.reads) {
        return Ok((file, None));
    }
    let span = source_name.span;
    let mut base = placed_at(parse_base(stand_in.config, stand_in.module, span)?, span);
    drop_other_event(&mut base, config);
    Ok((merge_file(base, file), Some(Spanned::new(stand_in.module, span))))
}

/// Whether a text in it starts like one of the paths, alone or in a template.
fn reads(node: &Node, paths: &[&str]) -> bool {
    match &node.kind {
        NodeKind::String { text, .. } => {
            paths.iter().any(|path| text.starts_with(path) || text.contains(&format!("{{{path}")))
        }
        NodeKind::Array(items) => items.iter().any(|item| reads(item, paths)),
        NodeKind::Object(members) => members.iter().any(|(_, value)| reads(value, paths)),
        _ => false,
    }
}

/// The event mapping for all other types is one of the library's file; another file may not have it.
fn drop_other_event(base: &mut Node, config: &Node) {
    let events = member(config, "ocsf_mapping");
    let Some(base) = member_mut(base, "custom_source_events") else { return };
    let event = member(base, "other").and_then(|other| member(other, "event")).and_then(Node::as_str);
    if event.is_some_and(|event| events.and_then(|events| member(events, event)).is_none())
        && let NodeKind::Object(members) = &mut base.kind
    {
        members.retain(|(key, _)| key.value != "other");
    }
}
