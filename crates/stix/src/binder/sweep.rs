//! The sweeps over the rows that keep the best states.

use std::collections::HashSet;

use super::limits::{BindError, Limits};
use super::moments::Moment;
use super::node::Node;
use super::state::{Observed, State};

pub(super) struct Sweep<'n> {
    pub(super) node: &'n Node,
    pub(super) steps: u64,
    pub(super) limits: Limits,
}

impl Sweep<'_> {
    pub(super) fn step(&mut self, steps: usize) -> Result<(), BindError> {
        self.steps += steps as u64;
        if self.steps > self.limits.steps {
            return Err(BindError::TooComplex { most: self.limits.steps });
        }
        Ok(())
    }

    /// For every moment, the states at its end from which the moments after it can complete the pattern.
    pub(super) fn backward(&mut self, moments: &[Moment]) -> Result<Vec<Vec<State>>, BindError> {
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
    pub(super) fn through(&mut self, moment: &Moment, before: Vec<State>) -> Result<Vec<State>, BindError> {
        let mut closed: HashSet<State> = before.into_iter().collect();
        for kind in &moment.kinds {
            let observed = Observed { time: moment.time, leaves: &kind.leaves, only: None };
            self.close(&mut closed, kind.weight, |node, state, add| node.fill(state, observed, add))?;
        }
        closed.retain(|state| self.node.is_in_order(state));
        self.best(closed)
    }

    /// Whether a binding binds an observation of the kind to the leaf.
    pub(super) fn is_bound(
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
