//! The binder finds exactly the rows that the enumeration of all bindings finds, and those of the shared vectors.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde::Deserialize;
use stix::binder::{BindError, Candidate, LeafSet, Limits, bind};
use stix::pattern::{ComparisonKind, Observation, ObservationKind, Operator, Pattern, QualifierKind, Step, Value};
use stix::{Version, parse};

const SECOND: i128 = 1_000_000_000;

/// For every row the leaves to which some binding binds it.
type Answer = BTreeMap<usize, BTreeSet<usize>>;

fn bound(pattern: &Pattern, candidates: &[Candidate]) -> Answer {
    let bound = bind(pattern, candidates, Limits::default()).unwrap();
    bound.into_iter().map(|bound| (bound.row, bound.leaves.iter().collect())).collect()
}

// All bindings, one by one.

/// An observation of a row, and the leaf that it is bound to.
type Binding = BTreeSet<(usize, u64, usize)>;

const MOST_BINDINGS: usize = 20_000;

/// `None` if they are too many to list.
fn bindings(at: &Observation, candidates: &[Candidate]) -> Option<BTreeSet<Binding>> {
    let times = |binding: &Binding| binding.iter().map(|(row, ..)| candidates[*row].time).collect::<Vec<_>>();
    let joined = |left: &Observation, right: &Observation, fits: &dyn Fn(&Binding, &Binding) -> bool| {
        let (left, right) = (bindings(left, candidates)?, bindings(right, candidates)?);
        if left.len() * right.len() > MOST_BINDINGS {
            return None;
        }
        let mut joined = BTreeSet::new();
        for a in &left {
            for b in right.iter().filter(|b| are_disjoint(a, b) && fits(a, b)) {
                joined.insert(a.union(b).copied().collect());
            }
        }
        Some(joined)
    };
    Some(match &at.kind {
        ObservationKind::Leaf { number, .. } => {
            let rows = candidates.iter().enumerate().filter(|(_, row)| row.leaves.contains(*number));
            rows.flat_map(|(id, row)| (0..row.number_observed).map(move |one| BTreeSet::from([(id, one, *number)])))
                .collect()
        }
        ObservationKind::And(left, right) => joined(left, right, &|_, _| true)?,
        ObservationKind::FollowedBy(left, right) => {
            joined(left, right, &|a, b| times(a).into_iter().max() <= times(b).into_iter().min())?
        }
        ObservationKind::Or(left, right) => {
            bindings(left, candidates)?.union(&bindings(right, candidates)?).cloned().collect()
        }
        ObservationKind::Qualified(inner, qualifier) => {
            let inner = bindings(inner, candidates)?;
            match qualifier.kind {
                QualifierKind::Within(nanos) => inner
                    .into_iter()
                    .filter(|binding| {
                        let times = times(binding);
                        times.iter().max().unwrap() - times.iter().min().unwrap() <= i128::from(nanos)
                    })
                    .collect(),
                QualifierKind::StartStop(start, stop) => inner
                    .into_iter()
                    .filter(|binding| times(binding).iter().all(|time| (start..stop).contains(time)))
                    .collect(),
                QualifierKind::Repeats(n) => {
                    let mut combined = BTreeSet::from([Binding::new()]);
                    for _ in 0..n {
                        if combined.len() * inner.len() > MOST_BINDINGS {
                            return None;
                        }
                        let mut next = BTreeSet::new();
                        for a in &combined {
                            next.extend(
                                inner.iter().filter(|b| are_disjoint(a, b)).map(|b| a.union(b).copied().collect()),
                            );
                        }
                        combined = next;
                    }
                    combined
                }
            }
        }
    })
}

fn are_disjoint(a: &Binding, b: &Binding) -> bool {
    a.iter().all(|(row, one, _)| b.iter().all(|(other, two, _)| (row, one) != (other, two)))
}

fn enumerated(pattern: &Pattern, candidates: &[Candidate]) -> Option<Answer> {
    let mut answer = Answer::new();
    for binding in bindings(&pattern.root, candidates)? {
        for (row, _, leaf) in binding {
            answer.entry(row).or_default().insert(leaf);
        }
    }
    Some(answer)
}

// Random patterns over three properties, and random rows.

fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["[p:a = 1]", "[p:b = 1]", "[p:c = 1]"]).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 2, |inner| {
        let qualifier = prop_oneof![
            3 => (1u64..=6).prop_map(|seconds| format!("WITHIN {seconds} SECONDS")),
            3 => (1u64..=3).prop_map(|times| format!("REPEATS {times} TIMES")),
            1 => (0u32..8, 1u32..8).prop_map(|(start, length)| format!(
                "START t'1970-01-01T00:00:{start:02}Z' STOP t'1970-01-01T00:00:{:02}Z'",
                start + length
            )),
        ];
        prop_oneof![
            2 => (inner.clone(), prop::sample::select(vec!["AND", "OR", "FOLLOWEDBY"]), inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            1 => (inner, qualifier).prop_map(|(inner, qualifier)| format!("({inner}) {qualifier}")),
        ]
    })
}

/// A second, for how many observations it stands, and which of the three properties are 1.
fn rows() -> impl Strategy<Value = Vec<(u8, u64, u8)>> {
    prop::collection::vec((0u8..7, prop_oneof![3 => Just(1u64), 1 => Just(2)], 1u8..8), 0..7)
}

fn candidates(pattern: &Pattern, rows: &[(u8, u64, u8)]) -> Vec<Candidate> {
    let mut properties = Vec::new();
    leaf_properties(&pattern.root, &mut properties);
    let candidate = |(second, number_observed, flags): &(u8, u64, u8)| Candidate {
        time: i128::from(*second) * SECOND,
        number_observed: *number_observed,
        leaves: (0..pattern.leaves).filter(|leaf| flags >> properties[*leaf] & 1 == 1).collect(),
    };
    rows.iter().map(candidate).collect()
}

/// For every leaf `[p:x = 1]` the place of x in a, b, c.
fn leaf_properties(at: &Observation, into: &mut Vec<u8>) {
    match &at.kind {
        ObservationKind::Leaf { comparison, .. } => {
            let ComparisonKind::Test { path, operator: Operator::Equal(literal), .. } = &comparison.kind else {
                panic!("{comparison}")
            };
            assert_eq!(literal.value, Value::Integer(1));
            let [Step::Property(name)] = path.steps.as_slice() else { panic!("{path}") };
            into.push(["a", "b", "c"].iter().position(|known| known == name).unwrap() as u8);
        }
        ObservationKind::And(left, right)
        | ObservationKind::Or(left, right)
        | ObservationKind::FollowedBy(left, right) => {
            leaf_properties(left, into);
            leaf_properties(right, into);
        }
        ObservationKind::Qualified(inner, _) => leaf_properties(inner, into),
    }
}

#[test]
fn the_binder_finds_what_the_enumeration_of_all_bindings_finds() {
    let trials = std::env::var("SLUICE_STIX_TRIALS").ok().and_then(|text| text.parse().ok()).unwrap_or(12_000);
    let config = Config { cases: trials, failure_persistence: None, max_global_rejects: u32::MAX, ..Config::default() };
    let mut runner = match std::env::var("SLUICE_STIX_SEED") {
        Ok(seed) => {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.parse::<u64>().unwrap().to_le_bytes());
            TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
        }
        Err(_) => TestRunner::new(config),
    };
    let matched = std::cell::Cell::new(0);
    let result = runner.run(&(pattern(), rows()), |(text, rows)| {
        let pattern = parse(&text, Version::V21).unwrap();
        let candidates = candidates(&pattern, &rows);
        let Some(expected) = enumerated(&pattern, &candidates) else {
            return Err(TestCaseError::reject("too many bindings to list"));
        };
        matched.set(matched.get() + u32::from(!expected.is_empty()));
        prop_assert_eq!(bound(&pattern, &candidates), expected, "{}", text);
        Ok(())
    });
    result.unwrap_or_else(|fault| panic!("{fault}"));
    assert!(matched.get() > trials / 4, "only {} of {trials} match", matched.get());
}

// The shared vectors.

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    pattern: String,
    pattern_2_0: String,
    events: Vec<Event>,
    #[serde(rename = "match")]
    is_match: bool,
    rows: Vec<u64>,
}

#[derive(Deserialize)]
struct Event {
    id: u64,
    time_ms: i128,
    number_observed: u64,
    a: u8,
    b: u8,
    c: u8,
}

fn vectors() -> Option<Vectors> {
    vectors::stix_semantics().map(|text| serde_json::from_slice(&text).unwrap())
}

#[test]
fn every_expected_row_set_of_the_vectors_is_found() {
    let Some(vectors) = vectors() else { return };
    let mut compared = 0;
    for case in &vectors.cases {
        for (text, version) in [(&case.pattern, Version::V21), (&case.pattern_2_0, Version::V20)] {
            let pattern = parse(text, version).unwrap();
            let mut properties = Vec::new();
            leaf_properties(&pattern.root, &mut properties);
            let candidate = |event: &Event| Candidate {
                time: event.time_ms * 1_000_000,
                number_observed: event.number_observed,
                leaves: (0..pattern.leaves)
                    .filter(|leaf| [event.a, event.b, event.c][usize::from(properties[*leaf])] == 1)
                    .collect(),
            };
            let candidates: Vec<Candidate> = case.events.iter().map(candidate).collect();
            let answer = bound(&pattern, &candidates);
            let mut rows: Vec<u64> = answer.keys().map(|row| case.events[*row].id).collect();
            rows.sort_unstable();
            assert_eq!(rows, case.rows, "{}: {text}", case.id);
            assert_eq!(!rows.is_empty(), case.is_match, "{}: {text}", case.id);
            assert_eq!(Some(answer), enumerated(&pattern, &candidates), "{}: {text}", case.id);
        }
        compared += 1;
    }
    assert!(compared > 0);
    println!("{compared} cases");
}

// What the answer means, by example.

fn row(second: i128, leaves: &[usize]) -> Candidate {
    Candidate { time: second * SECOND, number_observed: 1, leaves: leaves.iter().copied().collect() }
}

fn rows_of(text: &str, candidates: &[Candidate]) -> Vec<usize> {
    bound(&parse(text, Version::V21).unwrap(), candidates).into_keys().collect()
}

#[test]
fn one_observation_is_not_two() {
    let both = Candidate { number_observed: 1, ..row(0, &[0, 1]) };
    assert_eq!(rows_of("[p:a = 1] AND [p:b = 1]", std::slice::from_ref(&both)), [0usize; 0]);
    let twice = Candidate { number_observed: 2, ..both };
    assert_eq!(rows_of("[p:a = 1] AND [p:b = 1]", &[twice]), [0]);
}

#[test]
fn a_row_tells_only_the_leaves_that_a_binding_gives_it() {
    let pattern = parse("[p:a = 1] FOLLOWEDBY [p:b = 1]", Version::V21).unwrap();
    let answer = bound(&pattern, &[row(0, &[0, 1]), row(1, &[0, 1])]);
    assert_eq!(answer, Answer::from([(0, BTreeSet::from([0])), (1, BTreeSet::from([1]))]));
}

#[test]
fn a_limit_is_an_error_and_not_a_part_of_the_answer() {
    let pattern = parse("[p:a = 1]", Version::V21).unwrap();
    let candidates = vec![row(0, &[0]); 11];
    let error = bind(&pattern, &candidates, Limits { candidates: 10, ..Limits::default() }).unwrap_err();
    assert_eq!(error, BindError::TooManyCandidates { found: 11, most: 10 });
    let pattern = parse("([p:a = 1] FOLLOWEDBY [p:b = 1]) REPEATS 500 TIMES", Version::V21).unwrap();
    let candidates: Vec<_> = (0..2_000).map(|second| row(second, &[0, 1])).collect();
    let error = bind(&pattern, &candidates, Limits { steps: 1_000_000, ..Limits::default() }).unwrap_err();
    assert_eq!(error, BindError::TooComplex { most: 1_000_000 });
}

#[test]
fn a_leaf_set_knows_leaves_beyond_a_word() {
    let set: LeafSet = [3, 64, 130].into_iter().collect();
    assert_eq!(set.iter().collect::<Vec<_>>(), [3, 64, 130]);
    assert!(!set.contains(2) && !set.contains(1_000) && !set.is_empty() && LeafSet::new().is_empty());
}

/// Thousands of rows of three kinds, one of them rare, for the shapes that people write. Each takes well under a minute
/// even without optimisation.
#[test]
fn thousands_of_candidates_are_bound() {
    let shapes = [
        "[p:a = 1] AND [p:b = 1] AND [p:c = 1]",
        "([p:a = 1] AND [p:b = 1] AND [p:c = 1]) WITHIN 60 SECONDS",
        "([p:a = 1] FOLLOWEDBY [p:b = 1] FOLLOWEDBY [p:c = 1]) WITHIN 60 SECONDS",
        "([p:a = 1] REPEATS 5 TIMES FOLLOWEDBY [p:c = 1]) WITHIN 60 SECONDS",
        "([p:a = 1] REPEATS 20 TIMES WITHIN 60 SECONDS) FOLLOWEDBY [p:c = 1]",
        "([p:a = 1] FOLLOWEDBY [p:c = 1]) REPEATS 3 TIMES WITHIN 600 SECONDS",
        "(([p:a = 1] FOLLOWEDBY [p:b = 1]) WITHIN 5 SECONDS AND [p:c = 1]) WITHIN 60 SECONDS",
        "([p:a = 1] AND [p:c = 1]) WITHIN 5 SECONDS REPEATS 3 TIMES",
        "(([p:a = 1] OR [p:b = 1]) FOLLOWEDBY [p:c = 1]) WITHIN 30 SECONDS",
    ];
    let kinds = |index: i128| -> &[usize] {
        match index % 97 {
            0 => &[2],
            _ if index % 3 == 0 => &[0, 1],
            _ if index % 2 == 0 => &[0],
            _ => &[1],
        }
    };
    for text in shapes {
        let pattern = parse(text, Version::V21).unwrap();
        let candidates: Vec<_> = (0..3_000).map(|index| row(index * 7 % 6_007, kinds(index))).collect();
        let start = Instant::now();
        let found = bind(&pattern, &candidates, Limits::default()).unwrap();
        println!("{:>6} rows, {:>5} ms: {text}", found.len(), start.elapsed().as_millis());
        assert!(!found.is_empty(), "{text}");
        assert!(start.elapsed().as_secs() < 60, "{text}");
    }
}

/// Every choice of up to three rows of every kind in three moments, for patterns in which parts compete for rows.
#[test]
fn the_binder_finds_what_the_enumeration_finds_for_every_small_set_of_rows() {
    let patterns = [
        "[p:a = 1] OR ([p:a = 1] REPEATS 2 TIMES AND [p:c = 1])",
        "([p:a = 1] AND [p:b = 1]) WITHIN 1 SECONDS",
        "(([p:a = 1] FOLLOWEDBY [p:b = 1]) WITHIN 1 SECONDS) REPEATS 2 TIMES",
        "([p:a = 1] OR ([p:b = 1] AND [p:c = 1])) REPEATS 2 TIMES WITHIN 1 SECONDS",
        "([p:a = 1] AND [p:b = 1]) FOLLOWEDBY ([p:a = 1] OR [p:c = 1])",
    ];
    let kinds: Vec<(u8, u64, u8)> = (0..3)
        .flat_map(|second| (1..8).flat_map(move |flags| (1..3).map(move |number| (second, number, flags))))
        .collect();
    for text in patterns {
        let pattern = parse(text, Version::V21).unwrap();
        for (index, first) in kinds.iter().enumerate() {
            for (next, second) in kinds.iter().enumerate().skip(index) {
                for third in kinds.iter().skip(next).step_by(7) {
                    let candidates = candidates(&pattern, &[*first, *second, *third]);
                    let expected = enumerated(&pattern, &candidates).unwrap();
                    assert_eq!(bound(&pattern, &candidates), expected, "{text}: {first:?} {second:?} {third:?}");
                }
            }
        }
    }
}
