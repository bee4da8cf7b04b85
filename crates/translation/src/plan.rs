//! Which rows belong to a match of the whole pattern, as far as window functions can say it.
//!
//! Every row of the flagged set has its time `t`, its weight `w` and one flag per leaf. A [`Plan`] is a shape of which a row's
//! part in some match can be told from sums over a frame of rows; what has no plan is settled in the client.

use sql::sql;
use sql::text::Sql;
use stix::pattern::{Observation, ObservationKind, QualifierKind};

/// The most members of an AND that SQL counts: it takes two sums for each further one.
const MOST_MEMBERS: usize = 4;

/// A shape that SQL can settle alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// One observation that satisfies any of these leaves.
    Any(Vec<usize>),
    /// Different observations, one for each set of leaves, within so many milliseconds.
    All { members: Vec<Vec<usize>>, within: Option<i64> },
    /// Two different observations, the second not before the first.
    Then { first: Vec<usize>, second: Vec<usize>, within: Option<i64> },
    /// So many different observations of one set.
    Repeated { members: Vec<usize>, times: i64, within: Option<i64> },
    /// Any of these.
    Or(Vec<Plan>),
}

impl Plan {
    /// The plan of an observation expression, if it has one.
    pub(crate) fn of(observation: &Observation) -> Option<Self> {
        match &observation.kind {
            ObservationKind::Leaf { number, .. } => Some(Self::Any(vec![*number])),
            ObservationKind::Or(left, right) => Some(match (Self::of(left)?, Self::of(right)?) {
                (Self::Any(mut left), Self::Any(right)) => {
                    left.extend(right);
                    Self::Any(left)
                }
                (Self::Or(mut left), right) => {
                    left.push(right);
                    Self::Or(left)
                }
                (left, right) => Self::Or(vec![left, right]),
            }),
            ObservationKind::And(left, right) => {
                let mut members = Self::of(left)?.members()?;
                members.extend(Self::of(right)?.members()?);
                (members.len() <= MOST_MEMBERS).then_some(Self::All { members, within: None })
            }
            ObservationKind::FollowedBy(left, right) => match (Self::of(left)?, Self::of(right)?) {
                (Self::Any(first), Self::Any(second)) => Some(Self::Then { first, second, within: None }),
                _ => None,
            },
            ObservationKind::Qualified(inner, qualifier) => {
                let plan = Self::of(inner)?;
                match qualifier.kind {
                    QualifierKind::StartStop(..) => Some(plan),
                    QualifierKind::Within(nanoseconds) => {
                        plan.within(i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX))
                    }
                    QualifierKind::Repeats(times) => plan.repeated(i64::try_from(times).unwrap_or(i64::MAX)),
                }
            }
        }
    }

    fn members(self) -> Option<Vec<Vec<usize>>> {
        match self {
            Self::Any(leaves) => Some(vec![leaves]),
            Self::All { members, within: None } => Some(members),
            _ => None,
        }
    }

    /// `WITHIN` distributes over OR, and says nothing of one observation.
    fn within(self, milliseconds: i64) -> Option<Self> {
        let narrower = |within: Option<i64>| Some(within.map_or(milliseconds, |w| w.min(milliseconds)));
        Some(match self {
            Self::Any(leaves) => Self::Any(leaves),
            Self::All { members, within } if members.len() == 2 => Self::All { members, within: narrower(within) },
            Self::All { .. } => return None,
            Self::Then { first, second, within } => Self::Then { first, second, within: narrower(within) },
            Self::Repeated { members, times, within } => Self::Repeated { members, times, within: narrower(within) },
            Self::Or(plans) => {
                Self::Or(plans.into_iter().map(|plan| plan.within(milliseconds)).collect::<Option<_>>()?)
            }
        })
    }

    fn repeated(self, times: i64) -> Option<Self> {
        match self {
            plan if times == 1 => Some(plan),
            Self::Any(members) => Some(Self::Repeated { members, times, within: None }),
            _ => None,
        }
    }

    /// Whether a row's own flags tell everything.
    pub(crate) fn is_of_single_rows(&self) -> bool {
        matches!(self, Self::Any(_))
    }

    /// The condition that a row belongs to a match, with the sums that it is made of.
    pub(crate) fn windows(&self) -> Windows {
        let mut windows = Windows { sums: Vec::new(), best: Vec::new(), condition: Sql::code("TRUE") };
        windows.condition = self.condition(&mut windows);
        windows
    }

    fn condition(&self, windows: &mut Windows) -> Sql {
        match self {
            Self::Any(leaves) => any(leaves),
            Self::Or(plans) => Sql::or(plans.iter().map(|plan| plan.condition(windows)).collect::<Vec<_>>()),
            Self::All { members, within } => {
                let frame = within.map_or_else(|| Sql::code("()"), |s| frame(&Edge::Before(s), &Edge::After(s)));
                // Hall: the others can be chosen all different, if of any of them there are as many as they are.
                let conditions: Vec<Sql> = (0..members.len())
                    .map(|own| {
                        let others: Vec<&Vec<usize>> =
                            members.iter().enumerate().filter(|(place, _)| *place != own).map(|(_, m)| m).collect();
                        let mut conditions = vec![any(&members[own])];
                        for subset in 1_usize..1 << others.len() {
                            let chosen: Vec<usize> = others
                                .iter()
                                .enumerate()
                                .filter(|(place, _)| subset & (1 << place) != 0)
                                .flat_map(|(_, leaves)| leaves.iter().copied())
                                .collect();
                            let needed = Sql::integer(i64::from(subset.count_ones()));
                            conditions.push(sql!("{} >= {}", windows.others(&chosen, &frame), needed));
                        }
                        Sql::and(conditions)
                    })
                    .collect();
                Sql::or(conditions)
            }
            Self::Then { first, second, within } => {
                let before = within.map_or(Edge::Unbounded, Edge::Before);
                let after = within.map_or(Edge::Unbounded, Edge::After);
                let later = windows.others(second, &frame(&Edge::Current, &after));
                let earlier = windows.others(first, &frame(&before, &Edge::Current));
                Sql::or([
                    Sql::and([any(first), sql!("{} >= 1", later)]),
                    Sql::and([any(second), sql!("{} >= 1", earlier)]),
                ])
            }
            Self::Repeated { members, times, within: None } => {
                let sum = windows.sum(members, &Sql::code("()"));
                Sql::and([any(members), sql!("{} >= {}", sum, Sql::integer(*times))])
            }
            Self::Repeated { members, times, within: Some(within) } => {
                let sum = windows.sum(members, &frame(&Edge::Current, &Edge::After(*within)));
                let best = windows.best(&sum, &frame(&Edge::Before(*within), &Edge::Current));
                Sql::and([any(members), sql!("{} >= {}", best, Sql::integer(*times))])
            }
        }
    }
}

/// Sums over frames of the flagged rows.
pub(crate) struct Windows {
    /// `(name, expression)` over the flagged rows.
    pub(crate) sums: Vec<(Sql, Sql)>,
    /// `(name, expression)` over those with their sums.
    pub(crate) best: Vec<(Sql, Sql)>,
    /// The condition over all.
    pub(crate) condition: Sql,
}

impl Windows {
    fn sum(&mut self, leaves: &[usize], frame: &Sql) -> Sql {
        let sum = sql!("sum(CASE WHEN {} THEN w ELSE 0 END) OVER {}", any(leaves), frame);
        named(&mut self.sums, "n", sum)
    }

    /// How many observations there are beside the row's own.
    fn others(&mut self, leaves: &[usize], frame: &Sql) -> Sql {
        let sum = self.sum(leaves, frame);
        sql!("{} - (CASE WHEN {} THEN 1 ELSE 0 END)", sum, any(leaves))
    }

    fn best(&mut self, sum: &Sql, frame: &Sql) -> Sql {
        named(&mut self.best, "b", sql!("max({}) OVER {}", sum, frame))
    }
}

fn named(list: &mut Vec<(Sql, Sql)>, letter: &str, expression: Sql) -> Sql {
    if let Some((name, _)) = list.iter().find(|(_, known)| *known == expression) {
        return name.clone();
    }
    let name = Sql::name(&format!("{letter}{}", list.len()));
    list.push((name.clone(), expression));
    name
}

enum Edge {
    Unbounded,
    Current,
    Before(i64),
    After(i64),
}

fn frame(from: &Edge, to: &Edge) -> Sql {
    let edge = |edge: &Edge, unbounded: &'static str| match edge {
        Edge::Unbounded => Sql::code(unbounded),
        Edge::Current => Sql::code("CURRENT ROW"),
        Edge::Before(milliseconds) => sql!("{} PRECEDING", Sql::integer(*milliseconds)),
        Edge::After(milliseconds) => sql!("{} FOLLOWING", Sql::integer(*milliseconds)),
    };
    let (from, to) = (edge(from, "UNBOUNDED PRECEDING"), edge(to, "UNBOUNDED FOLLOWING"));
    sql!("(ORDER BY t RANGE BETWEEN {} AND {})", from, to)
}

/// The flag of a leaf.
pub(crate) fn flag(leaf: usize) -> Sql {
    Sql::name(&format!("m{leaf}"))
}

fn any(leaves: &[usize]) -> Sql {
    let mut leaves = leaves.to_vec();
    leaves.sort_unstable();
    leaves.dedup();
    Sql::or(leaves.into_iter().map(flag))
}
