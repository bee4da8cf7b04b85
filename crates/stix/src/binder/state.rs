//! States: how far a pattern is filled, what fills it further, and which two states make a whole.

use super::leaf_set::LeafSet;
use super::node::{Node, Window};
use crate::pattern::Timestamp;

/// How far a node is filled.
///
/// `since` of [`State::Within`] is, in the sweep from the beginning, when the first observation was; in the sweep from
/// the end, when it must have been at the earliest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum State {
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
pub(super) struct Observed<'m> {
    pub(super) time: Timestamp,
    pub(super) leaves: &'m LeafSet,
    /// Only for this leaf.
    pub(super) only: Option<usize>,
}

impl Observed<'_> {
    pub(super) fn fits(&self, leaves: &[(usize, Window)]) -> bool {
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
    pub(super) fn fill(&self, state: &State, observed: Observed<'_>, add: &mut dyn FnMut(State)) {
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
    pub(super) fn drain(&self, state: &State, observed: Observed<'_>, add: &mut dyn FnMut(State)) {
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
    pub(super) fn is_in_order(&self, state: &State) -> bool {
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
    pub(super) fn size(&self) -> usize {
        match self {
            State::Repeat(_, begun) => 1 + begun.iter().map(State::size).sum::<usize>(),
            State::All(states) => 1 + states.iter().map(State::size).sum::<usize>(),
            State::Any(_, inner) | State::Within(_, inner) => 1 + inner.size(),
            _ => 1,
        }
    }

    /// Whether no `WITHIN` under way is over by `time`.
    pub(super) fn can_go_on(&self, node: &Node, time: Timestamp) -> bool {
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
    pub(super) fn is_ahead_of(&self, other: &State) -> bool {
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
    pub(super) fn meets(&self, other: &State, node: &Node) -> bool {
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
