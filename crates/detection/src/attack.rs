//! MITRE ATT&CK: the tags of rules (`attack.t1059.001`) and the `attacks` of findings.

use serde_json::{Value as Json, json};

/// The ATT&CK version of the names in this module.
pub const VERSION: &str = "17.0";

/// Techniques with their names and tactics, tab-separated.
static TECHNIQUES: &str = include_str!("../data/attack.tsv");

/// Tactics: id, word of the tag, name. The last two are new in version 19, which splits Defense Evasion.
static TACTICS: [(&str, &str, &str); 16] = [
    ("TA0043", "reconnaissance", "Reconnaissance"),
    ("TA0042", "resource-development", "Resource Development"),
    ("TA0001", "initial-access", "Initial Access"),
    ("TA0002", "execution", "Execution"),
    ("TA0003", "persistence", "Persistence"),
    ("TA0004", "privilege-escalation", "Privilege Escalation"),
    ("TA0005", "defense-evasion", "Defense Evasion"),
    ("TA0006", "credential-access", "Credential Access"),
    ("TA0007", "discovery", "Discovery"),
    ("TA0008", "lateral-movement", "Lateral Movement"),
    ("TA0009", "collection", "Collection"),
    ("TA0011", "command-and-control", "Command and Control"),
    ("TA0010", "exfiltration", "Exfiltration"),
    ("TA0040", "impact", "Impact"),
    ("TA0005", "stealth", "Stealth"),
    ("TA0112", "defense-impairment", "Defense Impairment"),
];

/// Ids that ATT&CK has revoked, and their successors.
static REPLACED: [(&str, &str); 25] = [
    ("T1035", "T1569.002"),
    ("T1050", "T1543.003"),
    ("T1054", "T1562.006"),
    ("T1060", "T1547.001"),
    ("T1064", "T1059"),
    ("T1075", "T1550.002"),
    ("T1076", "T1021.001"),
    ("T1077", "T1021.002"),
    ("T1081", "T1552.001"),
    ("T1085", "T1218.011"),
    ("T1086", "T1059.001"),
    ("T1088", "T1548.002"),
    ("T1089", "T1562.001"),
    ("T1097", "T1550.003"),
    ("T1108", ""),
    ("T1117", "T1218.010"),
    ("T1170", "T1218.005"),
    ("T1192", "T1566.002"),
    ("T1193", "T1566.001"),
    ("T1194", "T1566.003"),
    ("T1483", "T1568.002"),
    ("T1492", "T1565.001"),
    ("T1503", "T1555.003"),
    ("T1522", "T1552.005"),
    ("T1527", "T1550.001"),
];

/// What an ATT&CK tag names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttackTag {
    /// `attack.credential-access`: the id and the name.
    Tactic(&'static str, &'static str),
    /// `attack.t1059.001`: the id in upper case.
    Technique(String),
    /// `attack.g0016`, `attack.s0002`, `attack.c0001`: a group, software or campaign.
    Other(String),
}

impl AttackTag {
    /// Reads a tag; `None` if it does not start with `attack.`.
    ///
    /// # Errors
    /// The tag is unknown in ATT&CK. The error is the most similar tactic, if there is one.
    pub fn read(tag: &str) -> Option<Result<Self, Option<&'static str>>> {
        let name = tag.strip_prefix("attack.")?;
        // Old rules write `credential_access`.
        let word = name.replace('_', "-");
        if let Some((id, _, caption)) = TACTICS.iter().find(|(_, tactic, _)| *tactic == word) {
            return Some(Ok(Self::Tactic(id, caption)));
        }
        let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        let technique = name.strip_prefix('t').is_some_and(|number| match number.split_once('.') {
            Some((number, sub)) => digits(number, 4) && digits(sub, 3),
            None => digits(number, 4),
        });
        let other = ["g", "s", "c"].iter().any(|kind| name.strip_prefix(kind).is_some_and(|number| digits(number, 4)));
        Some(match (technique, other) {
            (true, _) => Ok(Self::Technique(name.to_ascii_uppercase())),
            (_, true) => Ok(Self::Other(name.to_ascii_uppercase())),
            _ => Err(diagnostics::nearest(&word, TACTICS.iter().map(|(_, tactic, _)| *tactic))),
        })
    }
}

/// The successor of a revoked id: `Some("")` if it has none, `None` if the id is not known to be revoked.
pub fn replacement(technique: &str) -> Option<&'static str> {
    let (base, _) = technique.split_once('.').unwrap_or((technique, ""));
    REPLACED.iter().find(|(old, _)| *old == base).map(|(_, new)| *new)
}

/// Name and tactic ids of a technique in [`VERSION`].
fn technique(id: &str) -> Option<(&'static str, impl Iterator<Item = &'static str>)> {
    let mut lines = TECHNIQUES.lines().map(|line| line.split('\t'));
    let mut found = lines.find_map(|mut fields| (fields.next() == Some(id)).then_some(fields))?;
    Some((found.next()?, found.next().unwrap_or_default().split(',').filter(|id| !id.is_empty())))
}

/// The position of a tactic in an attack: 0 for Reconnaissance.
pub fn tactic_place(id: &str) -> Option<usize> {
    TACTICS.iter().position(|(other, ..)| *other == id)
}

/// The name of a tactic: `Credential Access` for `TA0006`.
pub fn tactic_name(id: &str) -> Option<&'static str> {
    TACTICS.iter().find(|(other, ..)| *other == id).map(|(_, _, name)| *name)
}

/// The tactics and techniques of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attacks {
    /// Ids of the tactics, without duplicates.
    pub tactics: Vec<&'static str>,
    /// Ids of the techniques, without duplicates.
    pub techniques: Vec<String>,
}

impl Attacks {
    /// Reads them from a rule's tags.
    pub fn of_tags<'t>(tags: impl IntoIterator<Item = &'t str>) -> Self {
        let mut attacks = Self::default();
        for tag in tags {
            match AttackTag::read(tag) {
                Some(Ok(AttackTag::Tactic(id, _))) if !attacks.tactics.contains(&id) => attacks.tactics.push(id),
                Some(Ok(AttackTag::Technique(id))) if !attacks.techniques.contains(&id) => attacks.techniques.push(id),
                _ => {}
            }
        }
        attacks
    }

    /// The tactics of the tags, else those of the techniques.
    pub fn tactic_ids(&self) -> Vec<&'static str> {
        if !self.tactics.is_empty() {
            return self.tactics.clone();
        }
        let mut ids = Vec::new();
        for id in self.techniques.iter().filter_map(|id| technique(id)).flat_map(|(_, tactics)| tactics) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// OCSF's `attacks`. Each technique gets those of the rule's tactics that it belongs to, or all of its own if the tags
    /// name none.
    pub fn to_ocsf(&self) -> Vec<Json> {
        let tactic = |id: &str| match tactic_name(id) {
            Some(name) => json!({ "uid": id, "name": name }),
            None => json!({ "uid": id }),
        };
        let named = |id: &str| {
            let mut object = json!({ "uid": id });
            if let Some((name, _)) = technique(id) {
                object["name"] = json!(name);
            }
            object
        };
        let mut attacks = Vec::new();
        let mut used: Vec<&str> = Vec::new();
        for id in &self.techniques {
            let known: Vec<&'static str> = technique(id).map(|(_, tactics)| tactics.collect()).unwrap_or_default();
            let of_rule: Vec<&str> = self.tactics.iter().copied().filter(|id| known.contains(id)).collect();
            let tactics = if of_rule.is_empty() && self.tactics.is_empty() { known } else { of_rule };
            let mut attack = json!({ "version": VERSION });
            match id.split_once('.') {
                Some((base, _)) => {
                    attack["technique"] = named(base);
                    attack["sub_technique"] = named(id);
                }
                None => attack["technique"] = named(id),
            }
            // One object per tactic: the list `tactics` of OCSF 1.0 is deprecated.
            for id in &tactics {
                attack["tactic"] = tactic(id);
                attacks.push(attack.clone());
            }
            if tactics.is_empty() {
                attacks.push(attack);
            }
            used.extend(tactics);
        }
        for id in self.tactics.iter().filter(|id| !used.contains(id)) {
            attacks.push(json!({ "version": VERSION, "tactic": tactic(id) }));
        }
        attacks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_tactics_techniques_and_others() {
        assert_eq!(AttackTag::read("cve.2024-1"), None);
        assert_eq!(
            AttackTag::read("attack.credential_access"),
            Some(Ok(AttackTag::Tactic("TA0006", "Credential Access")))
        );
        assert_eq!(AttackTag::read("attack.t1003.001"), Some(Ok(AttackTag::Technique("T1003.001".to_owned()))));
        assert_eq!(AttackTag::read("attack.g0016"), Some(Ok(AttackTag::Other("G0016".to_owned()))));
        assert_eq!(AttackTag::read("attack.credential-acces"), Some(Err(Some("credential-access"))));
        for tag in ["attack.t10031", "attack.t1003.1", "attack.t11110", "attack."] {
            assert!(matches!(AttackTag::read(tag), Some(Err(_))), "{tag}");
        }
    }

    #[test]
    fn every_replacement_is_of_the_version_that_is_used() {
        for (old, new) in REPLACED {
            assert!(technique(old).is_none(), "{old}");
            assert!(new.is_empty() || technique(new).is_some(), "{new}");
        }
        assert_eq!(replacement("T1089"), Some("T1562.001"));
        assert_eq!(replacement("T1059"), None);
    }

    #[test]
    fn attacks_have_names_and_the_tactics_that_the_rule_means() {
        let attacks = Attacks::of_tags(["attack.persistence", "attack.t1098.001", "attack.t1098.001"]);
        assert_eq!(
            attacks.to_ocsf(),
            [json!({
                "version": "17.0",
                "technique": {"uid": "T1098", "name": "Account Manipulation"},
                "sub_technique": {"uid": "T1098.001", "name": "Additional Cloud Credentials"},
                "tactic": {"uid": "TA0003", "name": "Persistence"},
            })]
        );
        let attacks = Attacks::of_tags(["attack.t1046"]);
        assert_eq!(attacks.tactic_ids(), ["TA0007"]);
        assert_eq!(attacks.to_ocsf()[0]["tactic"]["name"], "Discovery");
        let both = Attacks::of_tags(["attack.t1078", "attack.persistence", "attack.initial-access"]).to_ocsf();
        let of_both: Vec<_> =
            both.iter().map(|attack| (&attack["technique"]["uid"], &attack["tactic"]["uid"])).collect();
        assert_eq!(of_both, [(&json!("T1078"), &json!("TA0003")), (&json!("T1078"), &json!("TA0001"))]);
        // Of a later version than is known here: the id alone.
        assert_eq!(Attacks::of_tags(["attack.t1685"]).to_ocsf()[0]["technique"], json!({"uid": "T1685"}));
        let only = Attacks::of_tags(["attack.impact"]).to_ocsf();
        assert_eq!(only[0]["tactic"], json!({"uid": "TA0040", "name": "Impact"}));
    }
}
