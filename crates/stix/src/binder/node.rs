//! The pattern, with windows at the leaves and what is interchangeable counted.

use crate::pattern::{Observation, ObservationKind, QualifierKind, Timestamp};

/// A half-open window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Timestamp,
    pub(super) stop: Timestamp,
}

impl Window {
    pub(super) const ALWAYS: Window = Window { start: Timestamp::MIN, stop: Timestamp::MAX };

    fn and(self, start: Timestamp, stop: Timestamp) -> Window {
        Window { start: self.start.max(start), stop: self.stop.min(stop) }
    }

    pub(super) fn contains(self, time: Timestamp) -> bool {
        self.start <= time && time < self.stop
    }
}

#[derive(Debug)]
pub(super) enum Node {
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
    pub(super) fn of(at: &Observation, window: Window) -> Node {
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
