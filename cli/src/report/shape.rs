//! What a report says of findings: counted, ordered and grouped. All of it is read from the findings in OCSF.

use std::collections::{BTreeMap, BTreeSet};

use detection::attack::tactic_place;
use detection::entity::{EntityKind, of_finding};
use detection::rule::Level;
use serde_json::Value as Json;

use super::text::Text;

/// The most entities, findings of a rule for an entity, and rows of evidence that are shown. All are counted.
const MAX_ENTITIES: usize = 200;
const MAX_FINDINGS: usize = 50;
const MAX_ROWS: usize = 10;
/// The most bars of the timeline.
const MAX_BUCKETS: i64 = 60;

/// What findings say together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) findings: u64,
    /// The events that they count.
    pub(crate) events: u64,
    /// The times of the first and the last event, in milliseconds since 1970.
    pub(crate) span: Option<(i64, i64)>,
    /// Findings by level, the worst first; all levels.
    pub(crate) levels: Vec<(Level, u64)>,
    /// The rules that found something, the worst first.
    pub(crate) rules: Vec<RuleCount>,
    pub(crate) timeline: Timeline,
    /// Tactics in the order of an attack.
    pub(crate) matrix: Vec<Tactic>,
    /// Findings without a tactic or technique.
    pub(crate) unmapped: u64,
    /// Entities: the worst level first, then the most rules, then the earliest.
    pub(crate) entities: Vec<Entity>,
    /// How many entities there are, shown or not. Findings without an entity are none.
    pub(crate) entity_count: u64,
    /// Groups of findings that are counted and not shown.
    pub(crate) more_entities: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RuleCount {
    pub(crate) title: Text,
    pub(crate) level: Level,
    pub(crate) findings: u64,
    pub(crate) events: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// Findings by the time of their first events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timeline {
    /// The length of a bucket in words.
    pub(crate) unit: &'static str,
    /// Buckets in order without gaps.
    pub(crate) buckets: Vec<Bucket>,
    /// The most findings of a bucket.
    pub(crate) highest: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) start: i64,
    pub(crate) findings: u64,
    pub(crate) worst: Option<Level>,
}

/// A column of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tactic {
    pub(crate) id: Text,
    pub(crate) name: Text,
    /// Findings of the tactic, each once.
    pub(crate) findings: u64,
    /// The most frequent first.
    pub(crate) techniques: Vec<Technique>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Technique {
    pub(crate) id: Text,
    pub(crate) name: Text,
    pub(crate) findings: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entity {
    /// `None` for findings that name none.
    pub(crate) name: Option<(EntityKind, Text)>,
    pub(crate) worst: Level,
    pub(crate) findings: u64,
    pub(crate) events: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    /// In the order of their first findings.
    pub(crate) rules: Vec<EntityRule>,
}

/// The findings of a rule for an entity.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EntityRule {
    pub(crate) title: Text,
    pub(crate) level: Level,
    pub(crate) description: Option<Text>,
    /// `TA0006 Credential Access`, `T1110 Brute Force`
    pub(crate) attacks: Vec<Text>,
    pub(crate) response: Vec<Text>,
    pub(crate) references: Vec<Text>,
    pub(crate) count: u64,
    pub(crate) findings: Vec<Finding>,
    /// Findings that are counted and not shown.
    pub(crate) more: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    pub(crate) id: Text,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) events: u64,
    pub(crate) message: Text,
    pub(crate) columns: Vec<Text>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Rows that the finding has and the report does not show.
    pub(crate) more_rows: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Empty,
    Time(i64),
    Text(Text),
}

/// What is read of a finding once.
struct Read<'f> {
    event: &'f Json,
    level: Level,
    first: i64,
    last: i64,
    events: u64,
    rule: &'f str,
}

impl<'f> Read<'f> {
    fn of(event: &'f Json) -> Self {
        let level = match event["severity_id"].as_i64() {
            Some(5..) => Level::Critical,
            Some(4) => Level::High,
            Some(3) => Level::Medium,
            Some(2) => Level::Low,
            _ => Level::Informational,
        };
        let time = |name: &str| event[name].as_i64();
        let first = time("start_time").or_else(|| time("time")).unwrap_or_default();
        Self {
            event,
            level,
            first,
            last: time("end_time").unwrap_or(first),
            events: event["count"].as_u64().unwrap_or(1),
            rule: event.pointer("/finding_info/analytic/uid").and_then(Json::as_str).unwrap_or_default(),
        }
    }

    fn text(&self, place: &str) -> Text {
        self.optional(place).unwrap_or_else(|| Text(String::new()))
    }

    fn optional(&self, place: &str) -> Option<Text> {
        self.event.pointer(place).and_then(Json::as_str).map(|text| Text(text.to_owned()))
    }

    fn attacks(&self) -> &'f [Json] {
        self.event.pointer("/finding_info/attacks").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Report {
    pub(crate) fn of(findings: &[Json]) -> Self {
        let mut read: Vec<Read<'_>> = findings.iter().map(Read::of).collect();
        read.sort_by_key(|finding| finding.first);
        let (matrix, unmapped) = matrix(&read);
        let mut entities = entities(&read);
        let entity_count = entities.iter().filter(|entity| entity.name.is_some()).count() as u64;
        let more_entities = entities.len().saturating_sub(MAX_ENTITIES) as u64;
        entities.truncate(MAX_ENTITIES);
        let levels = [Level::Critical, Level::High, Level::Medium, Level::Low, Level::Informational]
            .map(|level| (level, read.iter().filter(|finding| finding.level == level).count() as u64));
        Self {
            findings: read.len() as u64,
            events: read.iter().map(|finding| finding.events).sum(),
            span: read
                .first()
                .map(|first| (first.first, read.iter().map(|finding| finding.last).fold(first.last, i64::max))),
            levels: levels.to_vec(),
            rules: rules(&read),
            timeline: Timeline::of(&read),
            matrix,
            unmapped,
            entities,
            entity_count,
            more_entities,
        }
    }
}

fn rules(read: &[Read<'_>]) -> Vec<RuleCount> {
    let mut rules: BTreeMap<&str, RuleCount> = BTreeMap::new();
    for finding in read {
        let rule = rules.entry(finding.rule).or_insert_with(|| RuleCount {
            title: finding.text("/finding_info/analytic/name"),
            level: finding.level,
            findings: 0,
            events: 0,
            first: finding.first,
            last: finding.last,
        });
        rule.findings += 1;
        rule.events += finding.events;
        rule.last = rule.last.max(finding.last);
    }
    let mut rules: Vec<RuleCount> = rules.into_values().collect();
    rules.sort_by(|a, b| {
        b.level.cmp(&a.level).then(b.findings.cmp(&a.findings)).then(a.first.cmp(&b.first)).then(a.title.cmp(&b.title))
    });
    rules
}

impl Timeline {
    /// Lengths of buckets in milliseconds: the shortest with no more than [`MAX_BUCKETS`] buckets is used.
    const LENGTHS: [(i64, &'static str); 12] = [
        (1_000, "second"),
        (10_000, "10 seconds"),
        (60_000, "minute"),
        (300_000, "5 minutes"),
        (900_000, "15 minutes"),
        (3_600_000, "hour"),
        (10_800_000, "3 hours"),
        (43_200_000, "12 hours"),
        (86_400_000, "day"),
        (604_800_000, "7 days"),
        (2_592_000_000, "30 days"),
        (31_536_000_000, "365 days"),
    ];

    fn of(read: &[Read<'_>]) -> Self {
        let (Some(first), Some(last)) = (read.first(), read.last()) else {
            return Self { unit: "hour", buckets: Vec::new(), highest: 0 };
        };
        let count = |length: i64| last.first.div_euclid(length) - first.first.div_euclid(length) + 1;
        let fits = |(length, _): &&(i64, &str)| count(*length) <= MAX_BUCKETS;
        let [.., longest] = Self::LENGTHS;
        let (length, unit) = Self::LENGTHS.iter().find(fits).copied().unwrap_or(longest);
        let start = first.first.div_euclid(length);
        let empty = |place| Bucket { start: (start + place) * length, findings: 0, worst: None };
        let mut buckets: Vec<Bucket> = (0..count(length).min(MAX_BUCKETS)).map(empty).collect();
        let end = buckets.len().saturating_sub(1);
        for finding in read {
            // What is centuries apart stands in the last one.
            let place = usize::try_from(finding.first.div_euclid(length) - start).unwrap_or(end).min(end);
            if let Some(bucket) = buckets.get_mut(place) {
                bucket.findings += 1;
                bucket.worst = bucket.worst.max(Some(finding.level));
            }
        }
        let highest = buckets.iter().map(|bucket| bucket.findings).max().unwrap_or_default();
        Self { unit, buckets, highest }
    }
}

/// The tactics and techniques that findings name, and how many name none.
fn matrix(read: &[Read<'_>]) -> (Vec<Tactic>, u64) {
    type Cells = BTreeMap<(String, String), u64>;
    let mut columns: BTreeMap<(usize, String, String), (u64, Cells)> = BTreeMap::new();
    let mut unmapped = 0;
    for finding in read {
        let named = |attack: &Json, name: &str| {
            let text = |member: &str| attack[name][member].as_str().unwrap_or_default().to_owned();
            (text("uid"), text("name"))
        };
        let mut tactics = BTreeSet::new();
        let mut techniques = BTreeSet::new();
        for attack in finding.attacks() {
            let (id, name) = match named(attack, "tactic") {
                (id, name) if id.is_empty() => (id, if name.is_empty() { "No tactic".to_owned() } else { name }),
                found => found,
            };
            let tactic = (tactic_place(&id).unwrap_or(usize::MAX), id, name);
            let (sub, whole) = (named(attack, "sub_technique"), named(attack, "technique"));
            let technique = if sub.0.is_empty() { whole } else { sub };
            if !technique.0.is_empty() {
                techniques.insert((tactic.clone(), technique));
            }
            tactics.insert(tactic);
        }
        unmapped += u64::from(tactics.is_empty());
        for tactic in tactics {
            columns.entry(tactic).or_default().0 += 1;
        }
        for (tactic, technique) in techniques {
            *columns.entry(tactic).or_default().1.entry(technique).or_default() += 1;
        }
    }
    let columns = columns.into_iter().map(|((_, id, name), (findings, cells))| {
        let technique = |((id, name), findings)| Technique { id: Text(id), name: Text(name), findings };
        let mut techniques: Vec<Technique> = cells.into_iter().map(technique).collect();
        techniques.sort_by(|a, b| b.findings.cmp(&a.findings).then(a.id.cmp(&b.id)));
        Tactic { id: Text(id), name: Text(name), findings, techniques }
    });
    (columns.collect(), unmapped)
}

fn entities(read: &[Read<'_>]) -> Vec<Entity> {
    let mut by_name: BTreeMap<Option<(EntityKind, String)>, Vec<&Read<'_>>> = BTreeMap::new();
    for finding in read {
        by_name.entry(of_finding(finding.event)).or_default().push(finding);
    }
    let mut entities: Vec<Entity> = by_name
        .into_iter()
        .map(|(name, findings)| Entity {
            name: name.map(|(kind, name)| (kind, Text(name))),
            worst: findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Informational),
            findings: findings.len() as u64,
            events: findings.iter().map(|finding| finding.events).sum(),
            first: findings.iter().map(|finding| finding.first).min().unwrap_or_default(),
            last: findings.iter().map(|finding| finding.last).max().unwrap_or_default(),
            rules: entity_rules(&findings),
        })
        .collect();
    entities.sort_by(|a, b| {
        // Findings without an entity come last.
        let place = |entity: &Entity| entity.name.is_none();
        (place(a), b.worst, b.rules.len(), a.first).cmp(&(place(b), a.worst, a.rules.len(), b.first))
    });
    entities
}

fn entity_rules(findings: &[&Read<'_>]) -> Vec<EntityRule> {
    let mut order: Vec<&str> = Vec::new();
    let mut by_rule: BTreeMap<&str, Vec<&Read<'_>>> = BTreeMap::new();
    for finding in findings {
        let of_rule = by_rule.entry(finding.rule).or_default();
        if of_rule.is_empty() {
            order.push(finding.rule);
        }
        of_rule.push(finding);
    }
    let rule = |id: &str| {
        let findings = by_rule.get(id)?;
        let first = findings.first()?;
        let references = first.event.pointer("/remediation/references").and_then(Json::as_array);
        let reference = |reference: &Json| Some(Text(reference.as_str()?.to_owned()));
        Some(EntityRule {
            title: first.text("/finding_info/analytic/name"),
            level: first.level,
            description: first.optional("/finding_info/desc"),
            attacks: attack_names(first.attacks()),
            response: first.optional("/remediation/desc").map(|steps| response(&steps.0)).unwrap_or_default(),
            references: references.into_iter().flatten().filter_map(reference).collect(),
            count: findings.len() as u64,
            findings: findings.iter().take(MAX_FINDINGS).map(|finding| Finding::of(finding)).collect(),
            more: findings.len().saturating_sub(MAX_FINDINGS) as u64,
        })
    };
    order.into_iter().filter_map(rule).collect()
}

/// `TA0006 Credential Access`, `T1110 Brute Force`: each once.
fn attack_names(attacks: &[Json]) -> Vec<Text> {
    let mut names = Vec::new();
    for (attack, member) in
        attacks.iter().flat_map(|attack| ["tactic", "technique", "sub_technique"].map(|m| (attack, m)))
    {
        let text = |name: &str| attack[member][name].as_str().unwrap_or_default();
        let name = Text(format!("{} {}", text("uid"), text("name")).trim().to_owned());
        if !name.0.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The steps of a remediation, which numbers them where there are several.
fn response(text: &str) -> Vec<Text> {
    let step = |line: &str| {
        let unnumbered = line.split_once(". ").filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
        Text(unnumbered.map_or(line, |(_, step)| step).trim().to_owned())
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(step).collect()
}

impl Finding {
    fn of(read: &Read<'_>) -> Self {
        let evidences = read.event["evidences"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows: Vec<&serde_json::Map<String, Json>> =
            evidences.iter().take(MAX_ROWS).filter_map(|evidence| evidence["data"].as_object()).collect();
        let mut names: Vec<&str> = Vec::new();
        for name in rows.iter().flat_map(|row| row.keys()) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        // Columns that are empty in all rows say nothing.
        names.retain(|name| rows.iter().any(|row| row.get(*name).is_some_and(|value| !value.is_null())));
        let all = read.event.pointer("/unmapped/evidence.rows").and_then(Json::as_str).and_then(|n| n.parse().ok());
        let cells =
            |row: &&serde_json::Map<String, Json>| names.iter().map(|name| Cell::of(name, row.get(*name))).collect();
        Self {
            id: read.text("/finding_info/uid"),
            first: read.first,
            last: read.last,
            events: read.events,
            message: read.text("/message"),
            rows: rows.iter().map(cells).collect(),
            more_rows: all.unwrap_or(evidences.len() as u64).saturating_sub(rows.len() as u64),
            columns: names.into_iter().map(|name| Text(name.to_owned())).collect(),
        }
    }
}

impl Cell {
    fn of(name: &str, value: Option<&Json>) -> Self {
        match value {
            None | Some(Json::Null) => Self::Empty,
            Some(Json::Number(number)) if matches!(name, "time" | "start_time" | "end_time") && number.is_i64() => {
                Self::Time(number.as_i64().unwrap_or_default())
            }
            Some(Json::String(text)) => Self::Text(Text(text.clone())),
            Some(other) => Self::Text(Text(other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn finding(rule: &str, severity: i64, first: i64, data: Json) -> Json {
        json!({
            "severity_id": severity, "start_time": first, "end_time": first + 5, "count": 2, "message": "m",
            "finding_info": {"uid": "id", "analytic": {"uid": rule, "name": rule}},
            "evidences": [{"data": data}],
        })
    }

    fn with_attacks(mut finding: Json, attacks: Json) -> Json {
        finding["finding_info"]["attacks"] = attacks;
        finding
    }

    #[test]
    fn everything_adds_up_to_the_findings() {
        let findings: Vec<Json> = (0..300)
            .map(|n| {
                finding(&format!("r{}", n % 7), n % 5 + 1, n * HOUR, json!({"user_name": format!("u{}", n % 250)}))
            })
            .collect();
        let report = Report::of(&findings);
        assert_eq!((report.findings, report.events), (300, 600));
        assert_eq!(report.levels.iter().map(|(_, count)| count).sum::<u64>(), 300);
        assert_eq!(report.rules.iter().map(|rule| rule.findings).sum::<u64>(), 300);
        assert_eq!(report.timeline.buckets.iter().map(|bucket| bucket.findings).sum::<u64>(), 300);
        assert_eq!((report.entity_count, report.entities.len(), report.more_entities), (250, 200, 50));
        assert_eq!(report.unmapped, 300);
        assert_eq!(report.span, Some((0, 299 * HOUR + 5)));
    }

    #[test]
    fn no_findings_are_an_empty_report() {
        let report = Report::of(&[]);
        assert_eq!((report.findings, report.span, report.entity_count), (0, None, 0));
        assert!(report.timeline.buckets.is_empty() && report.matrix.is_empty() && report.entities.is_empty());
    }

    #[test]
    fn the_timeline_has_no_gaps_and_fits() {
        let at = |times: &[i64]| {
            let findings: Vec<Json> = times.iter().map(|time| finding("r", 3, *time, json!({}))).collect();
            let timeline = Report::of(&findings).timeline;
            (timeline.unit, timeline.buckets.len(), timeline.highest)
        };
        assert_eq!(at(&[5]), ("second", 1, 1));
        assert_eq!(at(&[0, 59_000, 59_999]), ("second", 60, 2));
        assert_eq!(at(&[0, 24 * HOUR]), ("hour", 25, 1));
        assert_eq!(at(&[-1, 0]), ("second", 2, 1));
        let (_, buckets, _) = at(&[i64::MIN / 2, 0, i64::MAX / 2]);
        assert!(buckets <= 60, "{buckets}");
    }

    #[test]
    fn the_matrix_counts_a_finding_once_in_each_cell() {
        let brute = json!({"tactic": {"uid": "TA0006", "name": "Credential Access"},
            "technique": {"uid": "T1110", "name": "Brute Force"}});
        let sub = json!({"tactic": {"uid": "TA0006", "name": "Credential Access"},
            "technique": {"uid": "T1555", "name": "Stores"}, "sub_technique": {"uid": "T1555.006", "name": "Secrets"}});
        let first = json!({"tactic": {"uid": "TA0001", "name": "Initial Access"}});
        let findings = [
            with_attacks(finding("a", 3, 0, json!({})), json!([brute, brute, sub, first])),
            with_attacks(finding("b", 3, 0, json!({})), json!([brute])),
            finding("c", 3, 0, json!({})),
        ];
        let report = Report::of(&findings);
        let told: Vec<(&str, u64, Vec<_>)> = report
            .matrix
            .iter()
            .map(|tactic| {
                let techniques = tactic.techniques.iter().map(|one| (one.id.0.as_str(), one.findings)).collect();
                (tactic.id.0.as_str(), tactic.findings, techniques)
            })
            .collect();
        assert_eq!(told, [("TA0001", 1, vec![]), ("TA0006", 2, vec![("T1110", 2), ("T1555.006", 1)])]);
        assert_eq!(report.unmapped, 1);
    }

    #[test]
    fn the_worst_entity_comes_first_and_findings_without_one_last() {
        let findings = [
            finding("a", 5, 0, json!({"x": 1})),
            finding("a", 2, 1, json!({"src_ip": "192.0.2.1"})),
            finding("b", 4, 2, json!({"user_name": "u"})),
            finding("a", 2, 3, json!({"user_name": "u"})),
        ];
        let report = Report::of(&findings);
        let names: Vec<_> = report.entities.iter().map(|e| e.name.as_ref().map(|(_, name)| name.0.as_str())).collect();
        assert_eq!(names, [Some("u"), Some("192.0.2.1"), None]);
        assert_eq!(report.entities[0].rules.iter().map(|rule| rule.title.0.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn steps_lose_their_numbers_and_nothing_else() {
        let steps = |text: &str| response(text).into_iter().map(|step| step.0).collect::<Vec<_>>();
        assert_eq!(steps("1. Ask.\n2. Act. Then rest."), ["Ask.", "Act. Then rest."]);
        assert_eq!(steps("Ask. Then act."), ["Ask. Then act."]);
    }

    #[test]
    fn evidence_that_is_not_shown_is_counted() {
        let mut long = finding("a", 3, 0, json!({}));
        long["evidences"] = (0..40).map(|n| json!({"data": {"time": n, "user_name": "u", "empty": null}})).collect();
        long["unmapped"] = json!({"evidence.rows": "120"});
        let report = Report::of(&[long]);
        let shown = &report.entities[0].rules[0].findings[0];
        assert_eq!((shown.rows.len(), shown.more_rows), (10, 110));
        assert_eq!(shown.columns.iter().map(|name| name.0.as_str()).collect::<Vec<_>>(), ["time", "user_name"]);
        assert_eq!(shown.rows[3][0], Cell::Time(3));
    }
}
