//! Which rows are in a match of a whole pattern: bindings of observations to the pattern's leaves, exactly.
//!
//! A row stands for `number_observed` observations at one point in time, and says which leaves each of them satisfies.
//! A *binding* gives every leaf that is needed an observation of its own: `OR` needs one side, `AND` and `FOLLOWEDBY`
//! both, from different observations; `REPEATS n` needs n bindings that share none; `FOLLOWEDBY` wants nothing on its
//! right before anything on its left; `WITHIN` wants the first and the last no further apart; `START … STOP` wants
//! every observation in the half-open window. [`bind`] tells for every row the leaves for which some binding uses it.
//!
//! # How
//!
//! The bindings themselves are exponentially many and are never listed. Two sweeps over the rows in order of time keep
//! *states*: how much of the pattern is filled, and since when for every `WITHIN` that is under way. The sweep from the
//! end keeps the states from which the rest of the rows can complete a binding, with the latest start they can bear;
//! the sweep from the beginning keeps those that the rows so far can reach, with the latest start they can have. A row
//! is bound to a leaf if a state before it, filled by it, meets a state after it. Of states that differ only in a
//! start, or in how far a repeated leaf has come, only the best is kept, which cannot change an answer.
//!
//! The time is rows × states before × states after. States are few: at most 3 to the number of leaves where each is
//! needed once, at most n for a leaf that `REPEATS n TIMES`, in the order of n² where that repeats a sequence of two,
//! and independent of the number of rows, except that `WITHIN` around other `WITHIN`s can hold several starts of one
//! state. [`Limits`] bounds them; beyond it there is an error, never a part of the answer.

mod matches;

use std::collections::{BTreeMap, HashSet};

use thiserror::Error;

pub use matches::{Match, matches};

use crate::pattern::{Observation, ObservationKind, Pattern, QualifierKind, Span, Timestamp};

/// A set of leaves, by their numbers in the pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeafSet {
    /// No zero at the end, so that equal sets are equal.
    words: Vec<u64>,
}

impl LeafSet {
    /// The empty set.
    pub fn new() -> LeafSet {
        LeafSet::default()
    }

    /// Puts a leaf into the set.
    pub fn insert(&mut self, leaf: usize) {
        let word = leaf / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (leaf % 64);
        }
    }

    /// Whether the leaf is in the set.
    pub fn contains(&self, leaf: usize) -> bool {
        self.words.get(leaf / 64).is_some_and(|word| word >> (leaf % 64) & 1 == 1)
    }

    /// Whether no leaf is.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The leaves in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.words.len() * 64).filter(|leaf| self.contains(*leaf))
    }
}

impl FromIterator<usize> for LeafSet {
    fn from_iter<I: IntoIterator<Item = usize>>(leaves: I) -> LeafSet {
        let mut set = LeafSet::new();
        leaves.into_iter().for_each(|leaf| set.insert(leaf));
        set
    }
}

/// A row that satisfies leaves, before it is known whether the rest of the pattern is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// When it was observed.
    pub time: Timestamp,
    /// For how many observations it stands; 0 is none.
    pub number_observed: u64,
    /// The leaves whose comparisons are true of it. Their windows are looked at here.
    pub leaves: LeafSet,
}

/// A row that is in at least one binding of the whole pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Its place among the candidates.
    pub row: usize,
    /// The leaves to which some binding binds it.
    pub leaves: LeafSet,
}

/// How much may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Candidates.
    pub candidates: usize,
    /// Steps: states made or compared. A million take in the order of a second.
    pub steps: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { candidates: 100_000, steps: 200_000_000 }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BindError {
    /// There are more candidates than [`Limits::candidates`].
    #[error("{found} rows may be part of a match, more than {most}: narrow the time or the pattern")]
    TooManyCandidates {
        /// How many there are.
        found: usize,
        /// How many may be.
        most: usize,
    },
    /// The combinations are more than [`Limits::steps`].
    #[error("the rows combine in too many ways (more than {most} steps): narrow the time, or simplify the pattern")]
    TooComplex {
        /// How many steps may be.
        most: u64,
    },
}

/// The rows that are in at least one binding of `pattern`, in the order of the candidates.
///
/// # Errors
///
/// When `limits` do not suffice; there is no partial answer.
///
/// ```
/// use stix::binder::{Candidate, Limits, bind};
///
/// let pattern = stix::parse("([a:x = 1] FOLLOWEDBY [a:x = 2]) WITHIN 10 SECONDS", stix::Version::V21)?;
/// let row = |seconds: i128, leaf| Candidate {
///     time: seconds * 1_000_000_000,
///     number_observed: 1,
///     leaves: [leaf].into_iter().collect(),
/// };
/// let bound = bind(&pattern, &[row(0, 0), row(5, 0), row(15, 1), row(40, 1)], Limits::default())?;
/// assert_eq!(bound.iter().map(|bound| bound.row).collect::<Vec<_>>(), [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bind(pattern: &Pattern, candidates: &[Candidate], limits: Limits) -> Result<Vec<Bound>, BindError> {
    if candidates.len() > limits.candidates {
        return Err(BindError::TooManyCandidates { found: candidates.len(), most: limits.candidates });
    }
    let node = Node::of(&pattern.root, Window::ALWAYS);
    let moments = moments(candidates);
    let mut sweep = Sweep { node: &node, steps: 0, limits };
    let after = sweep.backward(&moments)?;
    let mut before = vec![State::Fresh];
    let mut bound: Vec<Bound> = Vec::new();
    for (moment, after) in moments.iter().zip(&after) {
        before.retain(|state| state.can_go_on(&node, moment.time));
        for (index, kind) in moment.kinds.iter().enumerate() {
            let mut leaves = LeafSet::new();
            for leaf in kind.leaves.iter() {
                if sweep.is_bound(moment, index, leaf, &before, after)? {
                    leaves.insert(leaf);
                }
            }
            if !leaves.is_empty() {
                bound.extend(kind.rows.iter().map(|row| Bound { row: *row, leaves: leaves.clone() }));
            }
        }
        before = sweep.through(moment, before)?;
    }
    bound.sort_by_key(|bound| bound.row);
    Ok(bound)
}

/// How many states a pattern may have: see [`too_complex`].
pub const MOST_STATES: u64 = 2_048;

/// The part of a pattern that can be filled in more than [`MOST_STATES`] ways, so that the time to find its matches would
/// be out of proportion to the rows; the smallest such part.
///
/// `AND` of n observations has 2 to the n, `REPEATS n TIMES` of one observation has n + 1, of a sequence of two
/// (n + 1)², and `FOLLOWEDBY` and `OR` add up what they join.
///
/// ```
/// let part = |text: &str| {
///     let pattern = stix::parse(text, stix::Version::V21)?;
///     Ok::<_, stix::Diagnostics>(stix::binder::too_complex(&pattern).map(|span| text[span].to_owned()))
/// };
/// assert_eq!(part("[a:x = 1] REPEATS 1000 TIMES FOLLOWEDBY [a:x = 2]")?, None);
/// let all = ["[a:x = 1]"; 20].join(" AND ");
/// assert_eq!(part(&format!("[a:x = 0] FOLLOWEDBY ({all})"))?, Some(["[a:x = 1]"; 12].join(" AND ")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn too_complex(pattern: &Pattern) -> Option<Span> {
    states(&pattern.root).err()
}

/// An upper bound of the states of an expression, or the part that has too many.
fn states(at: &Observation) -> Result<u64, Span> {
    let count = match &at.kind {
        ObservationKind::Leaf { .. } => 2,
        ObservationKind::Or(left, right) if left.is_single() && right.is_single() => 2,
        ObservationKind::Or(left, right) => states(left)?.saturating_add(states(right)?),
        ObservationKind::And(left, right) => states(left)?.saturating_mul(states(right)?),
        ObservationKind::FollowedBy(left, right) => states(left)?.saturating_add(states(right)?) - 1,
        ObservationKind::Qualified(inner, qualifier) => match qualifier.kind {
            QualifierKind::Repeats(times @ 2..) => {
                // What is begun and what is done is counted, of each observation or of each state.
                let counted = members(inner).map_or_else(|| states(inner).map(|count| count - 1), Ok)?;
                let counted = u32::try_from(counted).unwrap_or(u32::MAX);
                match times.saturating_add(1).checked_pow(counted) {
                    // One observation alone is counted without states.
                    Some(_) if counted == 1 => times.saturating_add(1).min(MOST_STATES),
                    count => count.unwrap_or(u64::MAX),
                }
            }
            _ => states(inner)?,
        },
    };
    if count > MOST_STATES { Err(at.span.clone()) } else { Ok(count) }
}

/// How many observations an expression is that is nothing but single ones joined by `AND`.
fn members(at: &Observation) -> Option<u64> {
    match &at.kind {
        ObservationKind::And(left, right) => Some(members(left)?.saturating_add(members(right)?)),
        _ => at.is_single().then_some(1),
    }
}

// The pattern, with windows at the leaves and what is interchangeable counted.

/// A half-open window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    start: Timestamp,
    stop: Timestamp,
}

impl Window {
    const ALWAYS: Window = Window { start: Timestamp::MIN, stop: Timestamp::MAX };

    fn and(self, start: Timestamp, stop: Timestamp) -> Window {
        Window { start: self.start.max(start), stop: self.stop.min(stop) }
    }

    fn contains(self, time: Timestamp) -> bool {
        self.start <= time && time < self.stop
    }
}

#[derive(Debug)]
enum Node {
    /// `count` observations, each of them for any of the leaves in its window.
    Slot { leaves: Vec<(usize, Window)>, count: u64 },
    /// All of them; `ordered`: each not before the one before it is over.
    All { parts: Vec<Node>, ordered: bool },
    /// Any one of them.
    Any(Vec<Node>),
    /// First to last within a time.
    Within(Timestamp, Box<Node>),
    /// So many disjoint bindings of it.
    Repeat(u64, Box<Node>),
}

impl Node {
    fn of(at: &Observation, window: Window) -> Node {
        match &at.kind {
            ObservationKind::Leaf { number, .. } => Node::Slot { leaves: vec![(*number, window)], count: 1 },
            ObservationKind::And(left, right) => {
                let mut parts = Vec::new();
                for side in [left, right] {
                    match Node::of(side, window) {
                        Node::All { parts: inner, ordered: false } => parts.extend(inner),
                        other => parts.push(other),
                    }
                }
                Node::All { parts, ordered: false }
            }
            ObservationKind::Or(left, right) => {
                let (mut slots, mut others) = (Vec::new(), Vec::new());
                for side in [left, right] {
                    let inner = match Node::of(side, window) {
                        Node::Any(inner) => inner,
                        other => vec![other],
                    };
                    for node in inner {
                        match node {
                            Node::Slot { leaves, count: 1 } => slots.extend(leaves),
                            other => others.push(other),
                        }
                    }
                }
                if !slots.is_empty() {
                    others.push(Node::Slot { leaves: slots, count: 1 });
                }
                match (others.pop(), others.is_empty()) {
                    (Some(only), true) => only,
                    (last, _) => {
                        others.extend(last);
                        Node::Any(others)
                    }
                }
            }
            ObservationKind::FollowedBy(left, right) => {
                let mut parts = match Node::of(left, window) {
                    Node::All { parts, ordered: true } => parts,
                    other => vec![other],
                };
                parts.push(Node::of(right, window));
                Node::All { parts, ordered: true }
            }
            ObservationKind::Qualified(inner, qualifier) => match qualifier.kind {
                QualifierKind::StartStop(start, stop) => Node::of(inner, window.and(start, stop)),
                QualifierKind::Within(nanos) => match Node::of(inner, window) {
                    single @ Node::Slot { count: 1, .. } => single,
                    Node::Within(other, inner) => Node::Within(other.min(Timestamp::from(nanos)), inner),
                    other => Node::Within(Timestamp::from(nanos), Box::new(other)),
                },
                QualifierKind::Repeats(times) => Node::of(inner, window).repeated(times),
            },
        }
    }

    /// Repeating what has no order and no time is counting it: which goes with which is all the same.
    fn repeated(self, times: u64) -> Node {
        match self {
            node if times == 1 => node,
            Node::Slot { leaves, count } => Node::Slot { leaves, count: count.saturating_mul(times) },
            Node::All { parts, ordered: false } if parts.iter().all(|part| matches!(part, Node::Slot { .. })) => {
                Node::All { parts: parts.into_iter().map(|part| part.repeated(times)).collect(), ordered: false }
            }
            Node::Repeat(other, inner) => Node::Repeat(other.saturating_mul(times), inner),
            other => Node::Repeat(times, Box::new(other)),
        }
    }
}

// The rows, in order of time; what is alike is one.

/// Rows of one time.
struct Moment {
    time: Timestamp,
    kinds: Vec<Kind>,
}

/// Rows of one time that satisfy the same leaves, which makes them interchangeable.
struct Kind {
    leaves: LeafSet,
    weight: u64,
    rows: Vec<usize>,
}

fn moments(candidates: &[Candidate]) -> Vec<Moment> {
    moments_of(candidates, 0..candidates.len())
}

/// Those of some of the candidates, by their places.
fn moments_of(candidates: &[Candidate], rows: impl IntoIterator<Item = usize>) -> Vec<Moment> {
    let mut grouped: BTreeMap<Timestamp, BTreeMap<&LeafSet, (u64, Vec<usize>)>> = BTreeMap::new();
    for (row, candidate) in rows.into_iter().filter_map(|row| Some((row, candidates.get(row)?))) {
        if candidate.number_observed == 0 || candidate.leaves.is_empty() {
            continue;
        }
        let (weight, rows) = grouped.entry(candidate.time).or_default().entry(&candidate.leaves).or_default();
        *weight = weight.saturating_add(candidate.number_observed);
        rows.push(row);
    }
    let kinds = |kinds: BTreeMap<&LeafSet, (u64, Vec<usize>)>| {
        kinds.into_iter().map(|(leaves, (weight, rows))| Kind { leaves: leaves.clone(), weight, rows }).collect()
    };
    grouped.into_iter().map(|(time, of_time)| Moment { time, kinds: kinds(of_time) }).collect()
}

// States.

/// How far a node is filled.
///
/// `since` of [`State::Within`] is, in the sweep from the beginning, when the first observation was; in the sweep from
/// the end, when it must have been at the earliest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum State {
    /// Nothing yet, for every node.
    Fresh,
    /// Everything, for every node.
    Done,
    /// So many, neither none nor all.
    Slot(u64),
    /// The parts in their order.
    All(Vec<State>),
    /// The choice, and how far it is.
    Any(usize, Box<State>),
    /// The node inside, and since when.
    Within(Timestamp, Box<State>),
    /// How many are done, and how far those are that are begun, sorted.
    Repeat(u64, Vec<State>),
}

/// One observation of a moment that goes into a state, or comes out of it.
#[derive(Clone, Copy)]
struct Observed<'m> {
    time: Timestamp,
    leaves: &'m LeafSet,
    /// Only for this leaf.
    only: Option<usize>,
}

impl Observed<'_> {
    fn fits(&self, leaves: &[(usize, Window)]) -> bool {
        leaves.iter().any(|(leaf, window)| {
            self.only.is_none_or(|only| only == *leaf) && self.leaves.contains(*leaf) && window.contains(self.time)
        })
    }
}

fn all_of(parts: Vec<State>) -> State {
    if parts.iter().all(|part| *part == State::Done) {
        State::Done
    } else if parts.iter().all(|part| *part == State::Fresh) {
        State::Fresh
    } else {
        State::All(parts)
    }
}

fn repeat_of(done: u64, mut begun: Vec<State>, times: u64) -> State {
    begun.sort_unstable();
    if done == times {
        State::Done
    } else if done == 0 && begun.is_empty() {
        State::Fresh
    } else {
        State::Repeat(done, begun)
    }
}

impl Node {
    /// All ways in which the observation can be added to the state.
    fn fill(&self, state: &State, observed: Observed<'_>, add: &mut dyn FnMut(State)) {
        match (self, state) {
            (_, State::Done) => {}
            (Node::Slot { leaves, count }, state) => {
                if observed.fits(leaves) {
                    let filled = if let State::Slot(filled) = state { filled + 1 } else { 1 };
                    add(if filled == *count { State::Done } else { State::Slot(filled) });
                }
            }
            (Node::All { parts, .. }, state) => {
                let fresh;
                let states = if let State::All(states) = state {
                    states
                } else {
                    fresh = vec![State::Fresh; parts.len()];
                    &fresh
                };
                for (index, (part, inner)) in parts.iter().zip(states).enumerate() {
                    part.fill(inner, observed, &mut |filled| {
                        let mut states = states.clone();
                        if let Some(state) = states.get_mut(index) {
                            *state = filled;
                        }
                        add(all_of(states));
                    });
                }
            }
            (Node::Any(choices), State::Any(choice, inner)) => {
                if let Some(node) = choices.get(*choice) {
                    node.fill(inner, observed, &mut |filled| add(any_of(*choice, filled)));
                }
            }
            (Node::Any(choices), _) => {
                for (choice, node) in choices.iter().enumerate() {
                    node.fill(&State::Fresh, observed, &mut |filled| add(any_of(choice, filled)));
                }
            }
            (Node::Within(span, node), state) => {
                let (since, inner) = match state {
                    State::Within(since, inner) => (*since, &**inner),
                    _ => (observed.time, &State::Fresh),
                };
                if observed.time.saturating_sub(since) <= *span {
                    node.fill(inner, observed, &mut |filled| {
                        add(if filled == State::Done { filled } else { State::Within(since, Box::new(filled)) });
                    });
                }
            }
            (Node::Repeat(times, node), state) => {
                let (done, begun) = match state {
                    State::Repeat(done, begun) => (*done, begun.as_slice()),
                    _ => (0, [].as_slice()),
                };
                let mut put = |without: Option<usize>, filled: State| {
                    let mut rest = begun.to_vec();
                    if let Some(index) = without {
                        rest.remove(index);
                    }
                    let is_done = u64::from(filled == State::Done);
                    if is_done == 0 {
                        rest.push(filled);
                    }
                    add(repeat_of(done + is_done, rest, *times));
                };
                for (index, inner) in begun.iter().enumerate() {
                    if index == 0 || begun.get(index - 1) != Some(inner) {
                        node.fill(inner, observed, &mut |filled| put(Some(index), filled));
                    }
                }
                if done + (begun.len() as u64) < *times {
                    node.fill(&State::Fresh, observed, &mut |filled| put(None, filled));
                }
            }
        }
    }

    /// All states that the observation would fill to this one; `since` is a demand here.
    fn drain(&self, state: &State, observed: Observed<'_>, add: &mut dyn FnMut(State)) {
        match (self, state) {
            (_, State::Fresh) => {}
            (Node::Slot { leaves, count }, state) => {
                if observed.fits(leaves) {
                    let filled = if let State::Slot(filled) = state { *filled } else { *count };
                    add(if filled == 1 { State::Fresh } else { State::Slot(filled - 1) });
                }
            }
            (Node::All { parts, .. }, state) => {
                let done;
                let states = if let State::All(states) = state {
                    states
                } else {
                    done = vec![State::Done; parts.len()];
                    &done
                };
                for (index, (part, inner)) in parts.iter().zip(states).enumerate() {
                    part.drain(inner, observed, &mut |drained| {
                        let mut states = states.clone();
                        if let Some(state) = states.get_mut(index) {
                            *state = drained;
                        }
                        add(all_of(states));
                    });
                }
            }
            (Node::Any(choices), State::Any(choice, inner)) => {
                if let Some(node) = choices.get(*choice) {
                    node.drain(inner, observed, &mut |drained| add(any_of(*choice, drained)));
                }
            }
            (Node::Any(choices), _) => {
                for (choice, node) in choices.iter().enumerate() {
                    node.drain(&State::Done, observed, &mut |drained| add(any_of(choice, drained)));
                }
            }
            (Node::Within(span, node), state) => {
                let (since, inner) = match state {
                    State::Within(since, inner) => (*since, &**inner),
                    _ => (Timestamp::MIN, &State::Done),
                };
                node.drain(inner, observed, &mut |drained| match drained {
                    State::Fresh if observed.time >= since => add(State::Fresh),
                    State::Fresh => {}
                    drained => add(State::Within(since.max(observed.time.saturating_sub(*span)), Box::new(drained))),
                });
            }
            (Node::Repeat(times, node), state) => {
                let (done, begun) = match state {
                    State::Repeat(done, begun) => (*done, begun.as_slice()),
                    _ => (*times, [].as_slice()),
                };
                let mut put = |without: Option<usize>, done: u64, drained: State| {
                    let mut rest = begun.to_vec();
                    if let Some(index) = without {
                        rest.remove(index);
                    }
                    if drained != State::Fresh {
                        rest.push(drained);
                    }
                    add(repeat_of(done, rest, *times));
                };
                for (index, inner) in begun.iter().enumerate() {
                    if index == 0 || begun.get(index - 1) != Some(inner) {
                        node.drain(inner, observed, &mut |drained| put(Some(index), done, drained));
                    }
                }
                if done > 0 {
                    node.drain(&State::Done, observed, &mut |drained| put(None, done - 1, drained));
                }
            }
        }
    }

    /// Whether, at the end of a moment, no sequence has begun its later part without having ended its earlier one.
    fn is_in_order(&self, state: &State) -> bool {
        match (self, state) {
            (_, State::Fresh | State::Done) => true,
            (Node::All { parts, ordered }, State::All(states)) => {
                let begun_early = |pair: &[State]| matches!(pair, [a, b] if *a != State::Done && *b != State::Fresh);
                !(*ordered && states.windows(2).any(begun_early))
                    && parts.iter().zip(states).all(|(part, state)| part.is_in_order(state))
            }
            (Node::Any(choices), State::Any(choice, inner)) => {
                choices.get(*choice).is_some_and(|node| node.is_in_order(inner))
            }
            (Node::Within(_, node), State::Within(_, inner)) => node.is_in_order(inner),
            (Node::Repeat(_, node), State::Repeat(_, begun)) => begun.iter().all(|inner| node.is_in_order(inner)),
            _ => true,
        }
    }
}

fn any_of(choice: usize, inner: State) -> State {
    if matches!(inner, State::Fresh | State::Done) { inner } else { State::Any(choice, Box::new(inner)) }
}

impl State {
    /// How much there is to copy.
    fn size(&self) -> usize {
        match self {
            State::Repeat(_, begun) => 1 + begun.iter().map(State::size).sum::<usize>(),
            State::All(states) => 1 + states.iter().map(State::size).sum::<usize>(),
            State::Any(_, inner) | State::Within(_, inner) => 1 + inner.size(),
            _ => 1,
        }
    }

    /// Whether no `WITHIN` under way is over by `time`.
    fn can_go_on(&self, node: &Node, time: Timestamp) -> bool {
        match (node, self) {
            (Node::All { parts, .. }, State::All(states)) => {
                parts.iter().zip(states).all(|(part, state)| state.can_go_on(part, time))
            }
            (Node::Any(choices), State::Any(choice, inner)) => {
                choices.get(*choice).is_some_and(|node| inner.can_go_on(node, time))
            }
            (Node::Within(span, node), State::Within(since, inner)) => {
                time.saturating_sub(*since) <= *span && inner.can_go_on(node, time)
            }
            (Node::Repeat(_, node), State::Repeat(_, begun)) => begun.iter().all(|inner| inner.can_go_on(node, time)),
            _ => true,
        }
    }

    /// Whether this is filled like `other`, except that it may have later starts, and more of a counted leaf of which
    /// neither has all, nor `other` none.
    fn is_ahead_of(&self, other: &State) -> bool {
        match (self, other) {
            (State::Slot(a), State::Slot(b)) => a >= b,
            (State::All(a), State::All(b)) => a.iter().zip(b).all(|(a, b)| a.is_ahead_of(b)),
            (State::Any(a, inner_a), State::Any(b, inner_b)) => a == b && inner_a.is_ahead_of(inner_b),
            (State::Within(a, inner_a), State::Within(b, inner_b)) => a >= b && inner_a.is_ahead_of(inner_b),
            (State::Repeat(done_a, a), State::Repeat(done_b, b)) => {
                done_a == done_b && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_ahead_of(b))
            }
            _ => self == other,
        }
    }

    /// Whether what completes `other` completes this: everything is filled at least as far, and no `WITHIN` began
    /// earlier. `node` is what both are states of.
    fn meets(&self, other: &State, node: &Node) -> bool {
        match (node, self, other) {
            (_, State::Done, _) | (_, State::Fresh, State::Fresh) => true,
            (_, _, State::Done) => false,
            (Node::Slot { .. }, State::Slot(a), State::Slot(b)) => a >= b,
            (Node::Slot { .. }, State::Slot(_), State::Fresh) => true,
            (Node::All { parts, .. }, a, b) => {
                let of = |state: &State, index: usize| match state {
                    State::All(states) => states.get(index).cloned().unwrap_or(State::Fresh),
                    _ => State::Fresh,
                };
                parts.iter().enumerate().all(|(index, part)| of(a, index).meets(&of(b, index), part))
            }
            (Node::Any(choices), State::Any(a, inner_a), State::Any(b, inner_b)) => {
                a == b && choices.get(*a).is_some_and(|node| inner_a.meets(inner_b, node))
            }
            (Node::Within(_, node), State::Within(a, inner_a), State::Within(b, inner_b)) => {
                a >= b && inner_a.meets(inner_b, node)
            }
            (Node::Repeat(times, node), a, b) => repeats_meet(a, b, *times, node),
            _ => false,
        }
    }
}

/// Whether the repetitions of `a` can be paired with those of `b` so that each meets its partner.
fn repeats_meet(a: &State, b: &State, times: u64, node: &Node) -> bool {
    let parts = |state: &State| match state {
        State::Repeat(done, begun) => (*done, begun.clone()),
        _ => (0, Vec::new()),
    };
    let ((done_a, begun_a), (done_b, begun_b)) = (parts(a), parts(b));
    // Done meets anything, and only done meets done; what is left of the done goes to whom the begun do not meet.
    let Some(spare) = done_a.checked_sub(done_b) else { return false };
    let fresh_a = times - done_a - begun_a.len() as u64;
    let fresh_b = times - done_b - begun_b.len() as u64;
    // Begun of a go to begun of b, or to fresh of b; fresh of a goes to fresh of b only.
    let mut partner: Vec<Option<usize>> = vec![None; begun_b.len()];
    let meets: Vec<Vec<bool>> =
        begun_a.iter().map(|a| begun_b.iter().map(|b| a.meets(b, node)).collect::<Vec<_>>()).collect();
    let meets_fresh: Vec<bool> = begun_a.iter().map(|a| a.meets(&State::Fresh, node)).collect();
    // Those of a that cannot stand for a fresh one are paired first: pairing never lets go of one that is paired.
    let mut order: Vec<usize> = (0..begun_a.len()).collect();
    order.sort_by_key(|index| meets_fresh.get(*index).copied().unwrap_or_default());
    for index in order {
        let mut seen = vec![false; begun_b.len()];
        let paired = augment(index, &meets, &mut partner, &mut seen);
        if !paired && !meets_fresh.get(index).copied().unwrap_or_default() {
            return false;
        }
    }
    let unmet = partner.iter().filter(|partner| partner.is_none()).count() as u64;
    unmet <= spare && fresh_a <= fresh_b
}

/// A step of Kuhn's algorithm: gives `index` a partner, moving others to other partners if need be.
fn augment(index: usize, meets: &[Vec<bool>], partner: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    let Some(row) = meets.get(index) else { return false };
    for (candidate, fits) in row.iter().enumerate() {
        if !fits || seen.get(candidate).copied().unwrap_or(true) {
            continue;
        }
        if let Some(seen) = seen.get_mut(candidate) {
            *seen = true;
        }
        let current = partner.get(candidate).copied().flatten();
        if current.is_none_or(|current| augment(current, meets, partner, seen)) {
            if let Some(place) = partner.get_mut(candidate) {
                *place = Some(index);
            }
            return true;
        }
    }
    false
}

// The sweeps.

struct Sweep<'n> {
    node: &'n Node,
    steps: u64,
    limits: Limits,
}

impl Sweep<'_> {
    fn step(&mut self, steps: usize) -> Result<(), BindError> {
        self.steps += steps as u64;
        if self.steps > self.limits.steps {
            return Err(BindError::TooComplex { most: self.limits.steps });
        }
        Ok(())
    }

    /// For every moment, the states at its end from which the moments after it can complete the pattern.
    fn backward(&mut self, moments: &[Moment]) -> Result<Vec<Vec<State>>, BindError> {
        let mut after = Vec::with_capacity(moments.len());
        let mut states = vec![State::Done];
        for moment in moments.iter().rev() {
            after.push(states.clone());
            let mut closed: HashSet<State> = states.into_iter().collect();
            for kind in &moment.kinds {
                let observed = Observed { time: moment.time, leaves: &kind.leaves, only: None };
                self.close(&mut closed, kind.weight, |node, state, add| node.drain(state, observed, add))?;
            }
            closed.retain(|state| self.node.is_in_order(state));
            states = self.least(closed)?;
        }
        after.reverse();
        Ok(after)
    }

    /// The states at the end of a moment, from those before it.
    fn through(&mut self, moment: &Moment, before: Vec<State>) -> Result<Vec<State>, BindError> {
        let mut closed: HashSet<State> = before.into_iter().collect();
        for kind in &moment.kinds {
            let observed = Observed { time: moment.time, leaves: &kind.leaves, only: None };
            self.close(&mut closed, kind.weight, |node, state, add| node.fill(state, observed, add))?;
        }
        closed.retain(|state| self.node.is_in_order(state));
        self.best(closed)
    }

    /// Whether a binding binds an observation of the kind to the leaf.
    fn is_bound(
        &mut self,
        moment: &Moment,
        index: usize,
        leaf: usize,
        before: &[State],
        after: &[State],
    ) -> Result<bool, BindError> {
        let mut closed = HashSet::new();
        if let Some(kind) = moment.kinds.get(index) {
            let observed = Observed { time: moment.time, leaves: &kind.leaves, only: Some(leaf) };
            for state in before {
                self.node.fill(state, observed, &mut |filled| _ = closed.insert(filled));
            }
        }
        self.step(before.len() + closed.len())?;
        if closed.is_empty() {
            return Ok(false);
        }
        for (place, kind) in moment.kinds.iter().enumerate() {
            let observed = Observed { time: moment.time, leaves: &kind.leaves, only: None };
            let weight = kind.weight - u64::from(place == index);
            self.close(&mut closed, weight, |node, state, add| node.fill(state, observed, add))?;
        }
        for state in closed.iter().filter(|state| self.node.is_in_order(state)) {
            self.step(after.len() * state.size())?;
            if after.iter().any(|after| state.meets(after, self.node)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds to the states what up to `weight` observations make of them.
    fn close(
        &mut self,
        states: &mut HashSet<State>,
        weight: u64,
        go: impl Fn(&Node, &State, &mut dyn FnMut(State)),
    ) -> Result<(), BindError> {
        let mut fresh: Vec<State> = states.iter().cloned().collect();
        for _ in 0..weight {
            let mut next = Vec::new();
            for state in &fresh {
                let mut size = state.size();
                go(self.node, state, &mut |made| {
                    size += made.size();
                    if !states.contains(&made) {
                        states.insert(made.clone());
                        next.push(made);
                    }
                });
                self.step(size)?;
            }
            if next.is_empty() {
                break;
            }
            fresh = next;
        }
        Ok(())
    }

    /// Those than which no other is as good.
    fn best(&mut self, states: HashSet<State>) -> Result<Vec<State>, BindError> {
        self.undominated(states, State::is_ahead_of)
    }

    /// Those than which no other demands as little.
    fn least(&mut self, states: HashSet<State>) -> Result<Vec<State>, BindError> {
        self.undominated(states, |other, state| state.is_ahead_of(other))
    }

    fn undominated(
        &mut self,
        states: HashSet<State>,
        beats: impl Fn(&State, &State) -> bool,
    ) -> Result<Vec<State>, BindError> {
        let mut sorted: Vec<State> = states.into_iter().collect();
        sorted.sort_unstable();
        let mut kept: Vec<State> = Vec::new();
        for state in sorted {
            self.step(kept.len() * state.size())?;
            if kept.iter().any(|other| beats(other, &state)) {
                continue;
            }
            kept.retain(|other| !beats(&state, other));
            kept.push(state);
        }
        Ok(kept)
    }
}
