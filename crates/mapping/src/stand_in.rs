//! Stand-ins for the preprocessors of the AWS transformation library.
//!
//! A config of that library has no `decode`. Instead, its sources file names Python code (`preprocessor_module`) that
//! splits events into fields before mapping. Sluice emulates that code with a config, which such a file extends
//! implicitly.

use crate::config::Spanned;
use crate::diagnostic::Diagnostic;
use crate::extend::{member, member_mut, merge_file, parse_base, placed_at};
use crate::syntax::{Node, NodeKind};

/// The emulation of one preprocessor.
struct StandIn {
    /// `preprocessor_module` of a sources file.
    module: &'static str,
    /// `source_name` of the library's mapping.
    source_name: &'static str,
    /// Prefixes of paths to fields that only this preprocessor creates. A mapping that reads none of them does not need
    /// it.
    reads: &'static [&'static str],
    /// The config that a config without `decode` extends.
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

/// Merges a config without `decode` over the stand-in of its preprocessor: the one that `module` names, otherwise the
/// one of its `source_name`. Also returns the name of that module, at the position of `source_name`.
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

/// Whether any text in the node starts with one of the paths, by itself or in a template.
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

/// Removes the stand-in's `other` if the config does not have that event mapping, as in files that are not the
/// library's.
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
