//! How many states a pattern has, and the part that has too many.

use crate::pattern::{Observation, ObservationKind, Pattern, QualifierKind, Span};

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
pub(super) fn states(at: &Observation) -> Result<u64, Span> {
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
