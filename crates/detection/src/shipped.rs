//! The rules that ship with Sluice.

/// The rule files of the project's `detections/`, by their path in it.
pub const SHIPPED_RULES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shipped_rules.rs"));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rule;

    #[test]
    fn every_shipped_rule_is_accepted_without_a_warning() {
        for (name, text) in SHIPPED_RULES {
            let checked = crate::lint::check(text);
            assert!(checked.diagnostics.is_empty(), "{name}: {:?}", checked.diagnostics);
            assert!(Rule::from_text(text).is_ok(), "{name}");
        }
    }
}
