//! Generated SQL finds what a pattern means: the rows of the semantics vectors, and on random patterns and events the rows
//! that the matcher finds and that listing every binding finds.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, its helpers too")]

use std::collections::BTreeSet;
use std::net::IpAddr;

use embedded::Embedded;
use query::{Engine, Statement};
use stix::binder::{Candidate, Limits, matches};
use stix::matcher::{AndScope, Matcher, observations};
use stix::pattern::{
    Comparison, ComparisonKind, Literal, ObjectPath, Observation, ObservationKind, Operator, Pattern, QualifierKind,
    Step, Value,
};
use stix_trials::semantics;
use stix_trials::trials::{Event, REGEXES, Trial, any_trials, batch, maps, options, table};
use translation::translate;

/// The ids of the rows that SQL, and the binder where it needs one, finds.
async fn found_by_sql(trials: &[(Pattern, Vec<Event>)]) -> Vec<(BTreeSet<i64>, bool)> {
    let mut engine = Embedded::in_memory();
    for (number, (_, events)) in trials.iter().enumerate() {
        engine = engine.with_table(table(&format!("t{number}")), vec![batch(events)]).unwrap();
    }
    let mut found = Vec::new();
    for (number, (pattern, events)) in trials.iter().enumerate() {
        let translation = match translate(pattern, &[table(&format!("t{number}"))], &maps(), &options(events)) {
            Ok(translation) => translation,
            // What is refused here is what nothing can match, which is held against the listing, too.
            Err(diagnostics) => {
                let text = diagnostics.to_string();
                let nothing = text.contains("its time is empty") || text.contains("is never so");
                assert!(nothing, "{pattern}: {diagnostics}");
                found.push((BTreeSet::new(), false));
                continue;
            }
        };
        sql::testing::keep(&translation.sql).unwrap();
        let answer = engine
            .run(&Statement::new(translation.sql.clone()))
            .await
            .unwrap_or_else(|error| panic!("{pattern}: {error}\n{}", translation.sql));
        let matches = translation.settle(&answer.rows).unwrap();
        let ids = matches.rows.iter().map(|row| {
            let event: serde_json::Value = serde_json::from_str(&row.event).unwrap();
            event["id"].as_i64().unwrap()
        });
        found.push((ids.collect(), translation.refine.is_some()));
    }
    found
}

#[tokio::test]
async fn the_semantics_vectors_rows_are_found_exactly() {
    let Some(cases) = semantics::cases() else { return };
    let trials: Vec<(Pattern, Vec<Event>)> =
        cases.iter().map(|case| (case.pattern.clone(), case.events.clone())).collect();
    let found = found_by_sql(&trials).await;
    let mut wrong = Vec::new();
    let mut by_binder = 0;
    for (case, (found, refined)) in cases.iter().zip(found) {
        by_binder += usize::from(refined);
        if case.rows != found {
            wrong.push(format!("{}: {found:?} instead of {:?}", case.name, case.rows));
        }
    }
    println!("{} of {} cases, {by_binder} of them with the binder", trials.len() - wrong.len(), trials.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// What a pattern means, by listing every binding.

/// One observation: a row, and which of the row's observations it is.
type Observed = (usize, i32);

/// Sets of observations that satisfy an expression, each observation used once.
fn bindings(observation: &Observation, events: &[Event], window: (i128, i128)) -> BTreeSet<BTreeSet<Observed>> {
    let time = |observed: &Observed| events[observed.0].time;
    let disjoint = |left: &BTreeSet<Observed>, right: &BTreeSet<Observed>| left.intersection(right).next().is_none();
    let combined = |left: &BTreeSet<BTreeSet<Observed>>, right: &BTreeSet<BTreeSet<Observed>>, in_order: bool| {
        let mut all = BTreeSet::new();
        for l in left {
            for r in right {
                if disjoint(l, r) && (!in_order || l.iter().map(time).max() <= r.iter().map(time).min()) {
                    all.insert(l | r);
                }
            }
        }
        all
    };
    match &observation.kind {
        ObservationKind::Leaf { comparison, .. } => {
            let mut all = BTreeSet::new();
            for (row, event) in events.iter().enumerate() {
                let at = i128::from(event.time) * 1_000_000;
                if holds(comparison, event) && window.0 <= at && at < window.1 {
                    all.extend((0..event.count).map(|instance| BTreeSet::from([(row, instance)])));
                }
            }
            all
        }
        ObservationKind::Or(left, right) => &bindings(left, events, window) | &bindings(right, events, window),
        ObservationKind::And(left, right) => {
            combined(&bindings(left, events, window), &bindings(right, events, window), false)
        }
        ObservationKind::FollowedBy(left, right) => {
            combined(&bindings(left, events, window), &bindings(right, events, window), true)
        }
        ObservationKind::Qualified(inner, qualifier) => match qualifier.kind {
            QualifierKind::StartStop(start, stop) => bindings(inner, events, (window.0.max(start), window.1.min(stop))),
            QualifierKind::Within(nanoseconds) => bindings(inner, events, window)
                .into_iter()
                .filter(|binding| {
                    let times: Vec<i64> = binding.iter().map(time).collect();
                    let spread = times.iter().max().unwrap() - times.iter().min().unwrap();
                    i128::from(spread) * 1_000_000 <= i128::from(nanoseconds)
                })
                .collect(),
            QualifierKind::Repeats(times) => {
                let one = bindings(inner, events, window);
                (1..times).fold(one.clone(), |so_far, _| combined(&so_far, &one, false))
            }
        },
    }
}

/// A property of an event.
#[derive(Debug, Clone, Copy)]
enum Property {
    Number(f64),
    Text(&'static str),
}

fn property(event: &Event, path: &ObjectPath) -> Option<Property> {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let number = |value: i64| Property::Number(value as f64);
    let [Step::Property(name)] = &path.steps[..] else { panic!("{path:?}") };
    match name.as_str() {
        "a" => Some(number(event.flags[0])),
        "b" => Some(number(event.flags[1])),
        "c" => Some(number(event.flags[2])),
        "number" => event.number.map(number),
        "double" => event.double.map(Property::Number),
        "text" => event.text.map(Property::Text),
        "address" => event.address.map(Property::Text),
        other => panic!("{other}"),
    }
}

/// What a comparison says of an event: nothing of a property that it has not, neither with NOT.
fn holds(comparison: &Comparison, event: &Event) -> bool {
    match &comparison.kind {
        ComparisonKind::And(left, right) => holds(left, event) && holds(right, event),
        ComparisonKind::Or(left, right) => holds(left, event) || holds(right, event),
        ComparisonKind::Exists { path, negated } => property(event, path).is_some() != *negated,
        ComparisonKind::Test { path, negated, operator } => {
            property(event, path).is_some_and(|value| satisfies(value, operator) != *negated)
        }
    }
}

fn satisfies(value: Property, operator: &Operator) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let order = |literal: &Literal| match (value, &literal.value) {
        (Property::Number(value), Value::Integer(constant)) => value.total_cmp(&(*constant as f64)),
        (Property::Number(value), Value::Float(constant)) => value.total_cmp(constant),
        (Property::Text(value), Value::Text(constant)) => value.chars().cmp(constant.chars()),
        other => panic!("{other:?}"),
    };
    let text = |literal: &Literal| match (value, &literal.value) {
        (Property::Text(value), Value::Text(constant)) => (value, constant.clone()),
        other => panic!("{other:?}"),
    };
    match operator {
        Operator::Equal(literal) => order(literal).is_eq(),
        Operator::NotEqual(literal) => order(literal).is_ne(),
        Operator::Less(literal) => order(literal).is_lt(),
        Operator::LessOrEqual(literal) => order(literal).is_le(),
        Operator::Greater(literal) => order(literal).is_gt(),
        Operator::GreaterOrEqual(literal) => order(literal).is_ge(),
        Operator::In(literals) => literals.iter().any(|literal| order(literal).is_eq()),
        Operator::Like(literal) => {
            let (value, pattern) = text(literal);
            is_like(&value.chars().collect::<Vec<_>>(), &pattern.chars().collect::<Vec<_>>())
        }
        Operator::Matches(literal) => {
            let (value, regex) = text(literal);
            REGEXES.iter().find(|(known, _)| *known == regex).unwrap().1(value)
        }
        Operator::IsSubset(literal) => {
            let (value, network) = text(literal);
            let (start, length) = network.split_once('/').unwrap();
            value.parse().is_ok_and(|value| is_within(value, start.parse().unwrap(), length.parse().unwrap()))
        }
        Operator::IsSuperset(literal) => {
            let (value, network) = text(literal);
            let (start, length) = network.split_once('/').unwrap();
            // An address holds itself alone.
            let whole = if start.contains(':') { "128" } else { "32" };
            length == whole && value.parse::<IpAddr>().is_ok_and(|value| value == start.parse::<IpAddr>().unwrap())
        }
    }
}

fn is_like(value: &[char], pattern: &[char]) -> bool {
    match (value, pattern) {
        (_, ['%', pattern @ ..]) => (0..=value.len()).any(|from| is_like(&value[from..], pattern)),
        ([_, value @ ..], ['_', pattern @ ..]) => is_like(value, pattern),
        ([a, value @ ..], [b, pattern @ ..]) => a == b && is_like(value, pattern),
        (value, pattern) => value.is_empty() && pattern.is_empty(),
    }
}

fn is_within(value: IpAddr, start: IpAddr, length: u32) -> bool {
    match (value, start) {
        (IpAddr::V4(value), IpAddr::V4(start)) => u64::from(value.to_bits() ^ start.to_bits()) < 1_u64 << (32 - length),
        (IpAddr::V6(value), IpAddr::V6(start)) => (value.to_bits() ^ start.to_bits()) >> (128 - length) == 0,
        _ => false,
    }
}

fn found_by_listing(pattern: &Pattern, events: &[Event]) -> BTreeSet<i64> {
    let bindings = bindings(&pattern.root, events, (i128::MIN, i128::MAX));
    bindings.iter().flatten().map(|observed| events[observed.0].id).collect()
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

fn found_by_matching(pattern: &Pattern, events: &[Event]) -> BTreeSet<i64> {
    let observed = events.iter().map(|event| {
        let time = jiff::Timestamp::from_millisecond(event.time).unwrap().to_string();
        let [a, b, c] = event.flags;
        let mut object = serde_json::json!({ "type": "p", "a": a, "b": b, "c": c, "number": event.number,
            "double": event.double, "text": event.text, "address": event.address });
        object.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        serde_json::json!({ "type": "observed-data", "number_observed": event.count, "first_observed": time,
            "last_observed": time, "objects": { "0": object } })
    });
    let observed = observations(&observed.collect(), stix::Version::V20).unwrap();
    let matcher = Matcher::new(pattern, AndScope::Row).unwrap();
    let bound = matcher.find(&observed, Limits::default()).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    bound.iter().map(|bound| events[bound.row].id).collect()
}

#[test]
fn the_matcher_finds_what_listing_every_binding_finds() {
    for (pattern, sets) in any_trials(setting("SLUICE_STIX_SEED", 1), 1).take(10_000) {
        let found = found_by_matching(&pattern, &sets[0]);
        assert_eq!(found, found_by_listing(&pattern, &sets[0]), "{pattern}\n{:?}", sets[0]);
    }
}

/// What an OR around everything chooses among, with the qualifiers around it.
fn alternatives(observation: &Observation) -> Vec<Observation> {
    let wrapped = |inner: &Observation, qualifier: &stix::pattern::Qualifier| {
        let wrap = |inner| ObservationKind::Qualified(Box::new(inner), qualifier.clone());
        alternatives(inner).into_iter().map(|inner| Observation { kind: wrap(inner), ..observation.clone() }).collect()
    };
    match &observation.kind {
        ObservationKind::Or(left, right) => [alternatives(left), alternatives(right)].concat(),
        ObservationKind::Qualified(inner, qualifier) => match qualifier.kind {
            QualifierKind::Repeats(2..) => vec![observation.clone()],
            _ => wrapped(inner, qualifier),
        },
        _ => vec![observation.clone()],
    }
}

/// The bindings than which none lies in a shorter part of their time, as the rows of each.
fn tightest_by_listing(pattern: &Pattern, events: &[Event]) -> Vec<BTreeSet<usize>> {
    let mut found = Vec::new();
    for alternative in alternatives(&pattern.root) {
        let rows = |binding: BTreeSet<Observed>| binding.into_iter().map(|(row, _)| row).collect::<BTreeSet<usize>>();
        let all: Vec<BTreeSet<usize>> =
            bindings(&alternative, events, (i128::MIN, i128::MAX)).into_iter().map(rows).collect();
        let inside = |a: (i64, i64), b: (i64, i64)| a != b && b.0 <= a.0 && a.1 <= b.1;
        let is_tight =
            |rows: &&BTreeSet<usize>| !all.iter().any(|other| inside(span(other, events), span(rows, events)));
        found.extend(all.iter().filter(is_tight).cloned());
    }
    found
}

fn span(rows: &BTreeSet<usize>, events: &[Event]) -> (i64, i64) {
    let times = || rows.iter().map(|row| events[*row].time);
    (times().min().unwrap(), times().max().unwrap())
}

fn candidates(pattern: &Pattern, events: &[Event]) -> Vec<Candidate> {
    fn leaves<'p>(at: &'p Observation, found: &mut Vec<&'p Comparison>) {
        match &at.kind {
            ObservationKind::Leaf { comparison, .. } => found.push(comparison),
            ObservationKind::And(a, b) | ObservationKind::Or(a, b) | ObservationKind::FollowedBy(a, b) => {
                leaves(a, found);
                leaves(b, found);
            }
            ObservationKind::Qualified(inner, _) => leaves(inner, found),
        }
    }
    let mut comparisons = Vec::new();
    leaves(&pattern.root, &mut comparisons);
    let candidate = |event: &Event| Candidate {
        time: i128::from(event.time) * 1_000_000,
        number_observed: u64::try_from(event.count).unwrap(),
        leaves: (0..comparisons.len()).filter(|leaf| holds(comparisons[*leaf], event)).collect(),
    };
    events.iter().map(candidate).collect()
}

fn matched(pattern: &Pattern, events: &[Event]) -> Vec<Vec<usize>> {
    let found = matches(pattern, &candidates(pattern, events), Limits::default());
    found.unwrap_or_else(|error| panic!("{pattern}: {error}")).into_iter().map(|found| found.rows).collect()
}

#[test]
fn matches_are_the_bindings_of_the_tightest_spans_each_span_once_at_least() {
    let (mut trials, mut of_several) = (0, 0);
    for (pattern, sets) in any_trials(setting("SLUICE_STIX_SEED", 1), 1).take(10_000) {
        let events = &sets[0];
        let expected = tightest_by_listing(&pattern, events);
        let found = matched(&pattern, events);
        for rows in &found {
            let in_order =
                rows.windows(2).all(|pair| (events[pair[0]].time, pair[0]) < (events[pair[1]].time, pair[1]));
            assert!(in_order, "{pattern}: {rows:?}\n{events:?}");
            let rows: BTreeSet<usize> = rows.iter().copied().collect();
            assert!(expected.contains(&rows), "{pattern}: {rows:?}\n{events:?}");
        }
        let spans = |all: Vec<BTreeSet<usize>>| all.iter().map(|rows| span(rows, events)).collect::<BTreeSet<_>>();
        let found = found.into_iter().map(|rows| rows.into_iter().collect()).collect::<Vec<BTreeSet<usize>>>();
        of_several += usize::from(found.iter().any(|rows| rows.len() > 1));
        trials += 1;
        assert_eq!(spans(found), spans(expected), "{pattern}\n{events:?}");
    }
    println!("{trials} trials, {of_several} with matches of several events");
    assert!(of_several * 10 > trials, "{of_several} of {trials}");
}

/// What one run finds, the next finds as it was: in a window that begins later or ends later, and among events that are not
/// of the match. So a finding keeps its key, and is published once.
#[test]
fn a_match_is_the_same_in_every_window_that_holds_it() {
    let mut seen = 0;
    for (number, (pattern, sets)) in any_trials(setting("SLUICE_STIX_SEED", 1) + 1, 2).take(5_000).enumerate() {
        let mut events = sets.concat();
        events.sort_by_key(|event| (event.time, event.id));
        let times: Vec<i64> = events.iter().map(|event| event.time).collect();
        if times.is_empty() {
            continue;
        }
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        let (begin, end) = (at(number % 50), at(50 + number % 50));
        let of = |from: i64, to: i64| {
            let inside: Vec<Event> = events.iter().filter(|e| from <= e.time && e.time <= to).cloned().collect();
            let found = matched(&pattern, &inside);
            let ids = found.into_iter().map(|rows| rows.into_iter().map(|row| inside[row].id).collect::<Vec<_>>());
            ids.collect::<BTreeSet<_>>()
        };
        let (early, late, all) = (of(i64::MIN, end), of(begin, i64::MAX), of(i64::MIN, i64::MAX));
        let time = |id: &i64| events.iter().find(|event| event.id == *id).unwrap().time;
        let in_both = |ids: &&Vec<i64>| ids.iter().all(|id| (begin..=end).contains(&time(id)));
        let common = |found: &BTreeSet<Vec<i64>>| found.iter().filter(in_both).cloned().collect::<BTreeSet<_>>();
        assert_eq!(common(&early), common(&late), "{pattern} from {begin} to {end}\n{events:?}");
        assert!(early.is_subset(&all) && late.is_subset(&all), "{pattern} from {begin} to {end}\n{events:?}");
        seen += common(&early).len();
    }
    println!("{seen} matches in both windows");
    assert!(seen > 1_000, "{seen}");
}

/// A statement takes about 40 ms in a debug build, nearly all of it for the plan, and 16 sets of events in one table hardly
/// longer than one set. So one pattern in four is asked of one set, with START and STOP among the qualifiers and without a
/// WITHIN around, and the others of 16 sets each. `SLUICE_STIX_TRIALS` is how many sets of events are asked about in all,
/// `SLUICE_STIX_SEED` gives others.
#[tokio::test]
async fn sql_finds_what_matching_and_what_listing_every_binding_finds() {
    const SETS: usize = 16;
    let statements = setting("SLUICE_STIX_TRIALS", 12_000).div_ceil(3 * SETS + 1) * 4;
    let seed = setting("SLUICE_STIX_SEED", 1);
    let (mut alone, mut together) = (any_trials(seed, 1), any_trials(seed, SETS));
    let (mut trials, mut refined, mut matched, mut rows) = (0, 0, 0, 0);
    let mut done = 0;
    while done < statements {
        let size = 100.min(statements - done);
        done += size;
        let mut batch: Vec<Trial> = alone.by_ref().take(size / 4).collect();
        batch.extend(together.by_ref().take(size - size / 4));
        let tables: Vec<(Pattern, Vec<Event>)> =
            batch.iter().map(|(pattern, sets)| (pattern.clone(), sets.concat())).collect();
        let (first, second) = tables.split_at(size / 2);
        let (first, second) = tokio::join!(found_by_sql(first), found_by_sql(second));
        for ((pattern, sets), (found, by_binder)) in batch.iter().zip(first.into_iter().chain(second)) {
            refined += usize::from(by_binder);
            rows += found.len();
            for (number, events) in sets.iter().enumerate() {
                trials += 1;
                let number = i64::try_from(number).unwrap();
                let found: BTreeSet<i64> = found.range(100 * number..100 * (number + 1)).copied().collect();
                let expected = found_by_listing(pattern, events);
                assert_eq!(found, expected, "{pattern}\n{events:?}");
                assert_eq!(found_by_matching(pattern, events), expected, "{pattern}\n{events:?}");
                matched += usize::from(!expected.is_empty());
            }
        }
    }
    println!("{trials} trials of {statements} patterns: {matched} match, {rows} rows, {refined} settled by the binder");
    assert!(matched * 5 > trials, "too few of the trials match to say anything: {matched} of {trials}");
}
