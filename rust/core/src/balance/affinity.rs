//! Prompt-cache affinity: requests of one session or prefix prefer one deployment, unless it is too busy.
//!
//! Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights by Schindelhauer and Schomaker 2005) names the
//! preferred member: when a member joins or leaves, only its own keys move. It is taken only while its load stays
//! within a bound of the group's mean (consistent hashing with bounded loads, Mirrokni et al. 2016), so a popular
//! prefix spills over instead of drowning one deployment. Whoever spilled over, and has its beginning cached there now,
//! stays there. In a group with an objective only members of the best tier are preferred: what is good enough and
//! worth its price comes first, and what leaving the cache costs is part of that price. Rejected: a ring (memory, uneven), sticky tables (state).

use crate::draw::mix;
use crate::fleet::{Fleet, Group, Member};

/// Members compared for one key. A larger group is cut into blocks of so many, and the key chooses a block first:
/// more copies of one prefix would not be warm anyway.
const BLOCK: usize = 256;

/// The place of the member that `key` prefers among those that `lets` lets through.
#[must_use]
pub fn preferred(fleet: &Fleet, group: &Group, key: u64, mut lets: impl FnMut(usize) -> bool) -> Option<usize> {
    let range = block(group, key);
    let first = range.start;
    let mut best = None::<(f64, usize)>;
    for (place, member) in (first..).zip(group.members.get(range)?) {
        let Some(deployment) = fleet.deployment(member.deployment).filter(|d| d.weight > 0.0) else { continue };
        if !lets(place) {
            continue;
        }
        let finish = -unit(mix(key ^ deployment.identity)).ln() / deployment.weight;
        if best.is_none_or(|(least, _)| finish < least) {
            best = Some((finish, place));
        }
    }
    best.map(|(_, place)| place)
}

/// The place of the deployment with this identity, if it is in the block of `key`: where a prompt's beginning is known
/// to be cached goes before where it was meant to be.
#[must_use]
pub fn place_of(fleet: &Fleet, group: &Group, key: u64, identity: u64) -> Option<usize> {
    let range = block(group, key);
    let is_it = |member: &Member| fleet.deployment(member.deployment).is_some_and(|d| d.identity == identity);
    Some(range.start + group.members.get(range)?.iter().position(is_it)?)
}

/// Whether a member with `in_flight` attempts and weight `weight` is within `bound` times the mean load of its block.
///
/// `others` are in-flight count and weight of each member of the block, itself included.
#[must_use]
pub fn within_bound(in_flight: u64, weight: f64, others: impl Iterator<Item = (u64, f64)>, bound: f64) -> bool {
    let (busy, capacity) = others.fold((0.0, 0.0), |(n, w), (in_flight, weight)| (n + as_f64(in_flight), w + weight));
    if capacity <= 0.0 {
        return false;
    }
    // The request itself counts, and everybody may hold at least one.
    as_f64(in_flight) < (bound * (busy + 1.0) * weight / capacity).ceil()
}

/// The places of the block that `key` belongs to.
#[must_use]
pub fn block(group: &Group, key: u64) -> std::ops::Range<usize> {
    let blocks = group.members.len().div_ceil(BLOCK).max(1);
    let block = usize::try_from(mix(key) % blocks as u64).unwrap_or(0);
    block * BLOCK..((block + 1) * BLOCK).min(group.members.len())
}

/// A float in (0, 1].
fn unit(bits: u64) -> f64 {
    as_f64((bits >> 11) + 1) / as_f64(1 << 53)
}

const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_group_keeps_its_preference_and_a_busy_member_gives_way() {
        let idle = [(0, 1.0); 10];
        assert!(within_bound(0, 1.0, idle.into_iter(), 1.25));
        let busy = [(2, 1.0), (0, 1.0), (0, 1.0)];
        assert!(!within_bound(2, 1.0, busy.into_iter(), 1.25));
        let all_busy = [(8, 1.0), (8, 1.0), (8, 1.0)];
        assert!(within_bound(8, 1.0, all_busy.into_iter(), 1.25));
    }

    #[test]
    fn a_heavier_member_may_hold_more() {
        let group = [(4, 4.0), (1, 1.0)];
        assert!(within_bound(4, 4.0, group.into_iter(), 1.25));
        assert!(!within_bound(2, 1.0, [(4, 4.0), (2, 1.0)].into_iter(), 1.25));
    }
}
