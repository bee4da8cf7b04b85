//! Which matches there are: one for each tightest span of time that holds a binding.
//!
//! The bindings of a pattern are exponentially many, and most say the same: of 100 failed sign-ins before a success, each
//! choice of five is one. A *match* here is a minimal occurrence, as the mining of episodes in event sequences has it
//! (Mannila, Toivonen, Verkamo: Discovery of Frequent Episodes in Event Sequences, 1997): a binding from its first to its
//! last event, such that no shorter part of that time holds a binding. Whether a span is one depends on the events in it
//! alone. So a match is the same in every window of time that holds it, whatever else the window holds.
//!
//! Where rows share their times, one span can hold several bindings. Matches of one span share no row, and there are as
//! many as are found one after another. The alternatives of an `OR` around everything are matched each by itself: one of
//! them within the span of another hides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::candidate::Candidate;
use super::limits::{BindError, Limits};
use super::moments::{Moment, moments_of};
use super::node::{Node, Window};
use super::state::{Observed, State};
use super::sweep::Sweep;
use crate::pattern::{Pattern, Timestamp};

/// The rows of a match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    /// The time of its first row.
    pub first: Timestamp,
    /// The time of its last row.
    pub last: Timestamp,
    /// The places of its rows among the candidates, in order of time, those of one time in the order of the candidates.
    pub rows: Vec<usize>,
}

/// The matches of a pattern in order of time: first rows, then last rows.
///
/// Of rows that share a time and satisfy the same leaves, those that come first among the candidates are taken first.
///
/// ```
/// use stix::binder::{Candidate, Limits, matches};
///
/// let pattern = stix::parse("[a:x = 1] FOLLOWEDBY [a:x = 2]", stix::Version::V21)?;
/// let row = |seconds: i128, leaf| Candidate {
///     time: seconds * 1_000_000_000,
///     number_observed: 1,
///     leaves: [leaf].into_iter().collect(),
/// };
/// let rows = [row(0, 0), row(5, 0), row(15, 1), row(40, 1), row(50, 0), row(51, 1)];
/// let found = matches(&pattern, &rows, Limits::default())?;
/// assert_eq!(found.iter().map(|found| &found.rows[..]).collect::<Vec<_>>(), [[1, 2], [4, 5]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// When `limits` do not suffice; there is no partial answer.
pub fn matches(pattern: &Pattern, candidates: &[Candidate], limits: Limits) -> Result<Vec<Match>, BindError> {
    if candidates.len() > limits.candidates {
        return Err(BindError::TooManyCandidates { found: candidates.len(), most: limits.candidates });
    }
    let mut alternatives = Vec::new();
    split(Node::of(&pattern.root, Window::ALWAYS), &mut alternatives);
    let mut found = Vec::new();
    let mut steps = 0;
    for node in alternatives {
        let mut search = Search { candidates, sweep: Sweep { node: &node, steps, limits } };
        search.all(&mut found)?;
        steps = search.sweep.steps;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The alternatives of an `OR` around everything. `WITHIN` distributes over it.
fn split(node: Node, into: &mut Vec<Node>) {
    match node {
        Node::Any(choices) => choices.into_iter().for_each(|choice| split(choice, into)),
        Node::Within(span, inner) => {
            let mut choices = Vec::new();
            split(*inner, &mut choices);
            into.extend(choices.into_iter().map(|choice| match choice {
                Node::Within(other, inner) => Node::Within(span.min(other), inner),
                single @ Node::Slot { count: 1, .. } => single,
                other => Node::Within(span, Box::new(other)),
            }));
        }
        other => into.push(other),
    }
}

/// The observations that led to a state, the last one first.
#[derive(Clone)]
struct Path(Option<Rc<Link>>);

struct Link {
    /// Places of the moment and of the kind in it.
    moment: usize,
    kind: usize,
    before: Path,
}

impl Drop for Path {
    /// Without recursion: a path is as long as `REPEATS` says.
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut link) = next.and_then(Rc::into_inner) {
            next = link.before.0.take();
        }
    }
}

/// A binding: how many observations it takes of each kind of row.
type Binding = BTreeMap<(usize, usize), u64>;

/// From the first to the last time.
type Span = (Timestamp, Timestamp);

struct Search<'n, 'c> {
    candidates: &'c [Candidate],
    sweep: Sweep<'n>,
}

impl Search<'_, '_> {
    fn all(&mut self, found: &mut Vec<Match>) -> Result<(), BindError> {
        let node = self.sweep.node;
        if let Node::Slot { leaves, count: 1 } = node {
            // Every row is a match.
            self.sweep.step(self.candidates.len())?;
            for (row, candidate) in self.candidates.iter().enumerate() {
                let observed = Observed { time: candidate.time, leaves: &candidate.leaves, only: None };
                if candidate.number_observed > 0 && observed.fits(leaves) {
                    found.push(Match { first: candidate.time, last: candidate.time, rows: vec![row] });
                }
            }
            return Ok(());
        }
        let takes = |candidate: &Candidate| {
            node.takes(Observed { time: candidate.time, leaves: &candidate.leaves, only: None })
        };
        let rows = self.candidates.iter().enumerate().filter(|(_, candidate)| takes(candidate)).map(|(row, _)| row);
        let all = moments_of(self.candidates, rows);
        for (span, rows) in self.tightest(&all)? {
            let mut used: BTreeSet<usize> = rows.iter().copied().collect();
            found.push(Match { first: span.0, last: span.1, rows });
            while let Some(rest) = self.rest(&all, span, &used)? {
                let Some((_, rows)) = self.tightest(&rest)?.into_iter().next() else { break };
                used.extend(&rows);
                found.push(Match { first: span.0, last: span.1, rows });
            }
        }
        Ok(())
    }

    /// The rows of a span that are not used; `None` if what is left no longer begins or ends with it.
    fn rest(
        &mut self,
        all: &[Moment],
        (first, last): Span,
        used: &BTreeSet<usize>,
    ) -> Result<Option<Vec<Moment>>, BindError> {
        let from = all.partition_point(|moment| moment.time < first);
        let to = all.partition_point(|moment| moment.time <= last);
        let inside = all.get(from..to).unwrap_or_default();
        let unused = |moment: &Moment| {
            let rows = moment.kinds.iter().flat_map(|kind| &kind.rows).copied();
            rows.filter(|row| !used.contains(row)).collect::<Vec<_>>()
        };
        if [inside.first(), inside.last()].into_iter().flatten().any(|moment| unused(moment).is_empty()) {
            return Ok(None);
        }
        let rest: Vec<usize> = inside.iter().flat_map(unused).collect();
        self.sweep.step(used.len() + rest.len())?;
        Ok(Some(moments_of(self.candidates, rest)))
    }

    /// The minimal spans with a binding of each, in order of time.
    fn tightest(&mut self, moments: &[Moment]) -> Result<Vec<(Span, Vec<usize>)>, BindError> {
        match self.sweep.node {
            Node::Slot { count, .. } => self.tightest_of_counted(moments, *count, Timestamp::MAX),
            Node::Within(span, inner) => match &**inner {
                Node::Slot { count, .. } => self.tightest_of_counted(moments, *count, *span),
                inner => self.tightest_of_states(moments, inner, *span),
            },
            node => self.tightest_of_states(moments, node, Timestamp::MAX),
        }
    }

    /// Of `count` observations of one sort: the count of what lies between two moves with them.
    fn tightest_of_counted(
        &mut self,
        moments: &[Moment],
        count: u64,
        longest: Timestamp,
    ) -> Result<Vec<(Span, Vec<usize>)>, BindError> {
        let weight = |moment: &Moment| moment.kinds.iter().map(|kind| kind.weight).fold(0, u64::saturating_add);
        let mut found: Vec<(Span, Vec<usize>)> = Vec::new();
        let (mut from, mut inside) = (0, 0_u64);
        for (to, last) in moments.iter().enumerate() {
            self.sweep.step(1)?;
            inside = inside.saturating_add(weight(last));
            // The latest beginning from which there are enough.
            while let Some(first) = moments.get(from).filter(|first| from < to && inside - weight(first) >= count) {
                inside -= weight(first);
                from += 1;
            }
            let Some(first) = moments.get(from).filter(|_| inside >= count) else { continue };
            let is_new = found.last().is_none_or(|((before, _), _)| *before < first.time);
            if !is_new || last.time.saturating_sub(first.time) > longest {
                continue;
            }
            // It needs some observation of the last moment, and all of those between.
            let mut left = count;
            let mut binding = Binding::new();
            let at_least_at_end = u64::from(to > from);
            for (place, moment) in moments.iter().enumerate().take(to + 1).skip(from) {
                let reserved = if place < to { at_least_at_end } else { 0 };
                let between: u64 =
                    if place == from { (from + 1..to).map(|m| moments.get(m).map_or(0, weight)).sum() } else { 0 };
                let mut free = left.saturating_sub(reserved + between);
                for (kind, of_kind) in moment.kinds.iter().enumerate() {
                    let taken = of_kind.weight.min(free);
                    if taken > 0 {
                        binding.insert((place, kind), taken);
                        free -= taken;
                        left -= taken;
                    }
                }
            }
            self.sweep.step(binding.len())?;
            found.push(((first.time, last.time), self.rows(moments, &binding)));
        }
        Ok(found)
    }

    /// Of anything: states carry the latest beginning that they can have, and how they came about.
    fn tightest_of_states(
        &mut self,
        moments: &[Moment],
        inner: &Node,
        longest: Timestamp,
    ) -> Result<Vec<(Span, Vec<usize>)>, BindError> {
        let mut found: Vec<(Span, Vec<usize>)> = Vec::new();
        let mut states: BTreeMap<Begun, Path> = BTreeMap::new();
        for (place, moment) in moments.iter().enumerate() {
            states.retain(|begun, _| {
                moment.time.saturating_sub(begun.since) <= longest && begun.state.can_go_on(inner, moment.time)
            });
            let mut done: Option<(Timestamp, Path)> = None;
            for (number, kind) in moment.kinds.iter().enumerate() {
                let observed = Observed { time: moment.time, leaves: &kind.leaves, only: None };
                let mut fresh: Vec<(Begun, Path)> = states.iter().map(|(b, p)| (b.clone(), p.clone())).collect();
                fresh.push((Begun { since: moment.time, state: State::Fresh }, Path(None)));
                for _ in 0..kind.weight {
                    let mut next: Vec<(Begun, Path)> = Vec::new();
                    for (begun, path) in &fresh {
                        let mut size = begun.state.size();
                        inner.fill(&begun.state, observed, &mut |state| {
                            size += state.size();
                            let link =
                                || Path(Some(Rc::new(Link { moment: place, kind: number, before: path.clone() })));
                            if state == State::Done {
                                if done.as_ref().is_none_or(|(since, _)| *since < begun.since) {
                                    done = Some((begun.since, link()));
                                }
                                return;
                            }
                            let made = Begun { since: begun.since, state };
                            if !states.contains_key(&made) {
                                let path = link();
                                states.insert(made.clone(), path.clone());
                                next.push((made, path));
                            }
                        });
                        self.sweep.step(size)?;
                    }
                    if next.is_empty() {
                        break;
                    }
                    fresh = next;
                }
            }
            states.retain(|begun, _| inner.is_in_order(&begun.state));
            self.keep_best(&mut states)?;
            if let Some((since, path)) = done
                && found.last().is_none_or(|((before, _), _)| *before < since)
            {
                // What has begun no later ends later: it is not as tight as this.
                states.retain(|begun, _| begun.since > since);
                let mut binding = Binding::new();
                let mut next = path.0.as_ref();
                while let Some(link) = next {
                    *binding.entry((link.moment, link.kind)).or_default() += 1;
                    next = link.before.0.as_ref();
                }
                self.sweep.step(binding.len())?;
                found.push(((since, moment.time), self.rows(moments, &binding)));
            }
        }
        Ok(found)
    }

    /// Leaves out states than which another is filled alike and has begun no earlier.
    fn keep_best(&mut self, states: &mut BTreeMap<Begun, Path>) -> Result<(), BindError> {
        let mut kept: Vec<&Begun> = Vec::with_capacity(states.len());
        // From the latest beginning on, so that what is kept is never beaten by what comes later.
        for begun in states.keys().rev() {
            self.sweep.step(kept.len())?;
            if !kept.iter().any(|other| other.since >= begun.since && other.state.is_ahead_of(&begun.state)) {
                kept.push(begun);
            }
        }
        if kept.len() < states.len() {
            let kept: BTreeSet<Begun> = kept.into_iter().cloned().collect();
            states.retain(|begun, _| kept.contains(begun));
        }
        Ok(())
    }

    /// The rows that a binding takes: of each kind the first ones.
    fn rows(&self, moments: &[Moment], binding: &Binding) -> Vec<usize> {
        let mut rows = Vec::new();
        let mut of_moment = Vec::new();
        let mut current = None;
        for ((place, number), count) in binding {
            if current != Some(*place) {
                of_moment.sort_unstable();
                rows.append(&mut of_moment);
                current = Some(*place);
            }
            let mut left = *count;
            let kind = moments.get(*place).and_then(|moment| moment.kinds.get(*number));
            for row in kind.into_iter().flat_map(|kind| &kind.rows) {
                if left == 0 {
                    break;
                }
                left = left.saturating_sub(self.candidates.get(*row).map_or(0, |candidate| candidate.number_observed));
                of_moment.push(*row);
            }
        }
        of_moment.sort_unstable();
        rows.append(&mut of_moment);
        rows
    }
}

/// How far a binding is, and when its first observation was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Begun {
    since: Timestamp,
    state: State,
}

impl Node {
    /// Whether any of its leaves takes the observation.
    fn takes(&self, observed: Observed<'_>) -> bool {
        match self {
            Node::Slot { leaves, .. } => observed.fits(leaves),
            Node::All { parts, .. } | Node::Any(parts) => parts.iter().any(|part| part.takes(observed)),
            Node::Within(_, inner) | Node::Repeat(_, inner) => inner.takes(observed),
        }
    }
}
