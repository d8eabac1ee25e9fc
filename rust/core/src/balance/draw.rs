//! Drawing two different candidates by weight, in a time that does not grow with the group.
//!
//! The configured weights are fixed with the fleet, so a member is drawn from their running sums in a few steps (a guide
//! says where to begin, Chen and Asau 1974) and then accepted with the share of its weight that is in force (learned
//! capacity × slow start). That is rejection sampling: among the candidates that pass, the draw is exactly by effective weight, and only members that were drawn
//! are ever looked at. When too few are accepted (most of the group is held or excluded), one pass over all members
//! draws exactly by exponential races (Efraimidis and Spirakis 2006), which needs no memory. Rejected: alias tables
//! over effective weights, stale with every change; a scan for each request, which grows with the group.
//!
//! Groups with an objective are scanned always, and drawn from their best tier. One that explores lets chance rank the
//! models instead in a share of its draws; how likely each choice was is told by [`super::propensity`].

use crate::draw::{Draw, mix};
use crate::fleet::{Group, Member};

/// Draws before the whole group is scanned. With half of the weight in force, the chance of scanning a healthy group
/// for want of a second candidate is below one in a thousand.
const TRIES: usize = 16;

/// What a draw needs to know of a member.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Share of the configured weight in force, in (0, 1].
    pub share: f32,
    /// Effective weight.
    pub weight: f32,
    /// How well it meets the group's objective; only members of the best tier are drawn. 0 without an objective.
    pub tier: i32,
}

/// Two different members by weight, as places in the group; fewer where fewer pass.
///
/// `look` answers `None` for members that are no candidates. It may be asked about a member more than once.
#[inline]
pub fn two(
    group: &Group,
    draw: &mut Draw,
    mut look: impl FnMut(usize) -> Option<Standing>,
) -> (Option<usize>, Option<usize>) {
    if group.members.len() <= 1 {
        return (group.members.first().and_then(|_| look(0)).map(|_| 0), None);
    }
    if group.objective.is_some() || group.tickets.is_empty() {
        return scan(group, draw, look);
    }
    let mut first = None;
    for _ in 0..TRIES {
        let (place, chance) = next(group, draw);
        if first == Some(place) {
            continue;
        }
        if look(place).is_none_or(|standing| chance >= f64::from(standing.share)) {
            continue;
        }
        if first.is_some() {
            return (first, Some(place));
        }
        first = Some(place);
    }
    scan(group, draw, look)
}

/// The places that [`two`] looks at first, whatever it sees there.
#[must_use]
pub fn ahead(group: &Group, draw: &Draw) -> [usize; 2] {
    let mut draw = draw.clone();
    [(); 2].map(|()| next(group, &mut draw).0)
}

/// One draw by configured weight, and the chance by which it is accepted.
#[inline]
fn next(group: &Group, draw: &mut Draw) -> (usize, f64) {
    let place = group.tickets.place(draw.next_u64());
    (place, draw.unit())
}

/// The same by one pass over all members: in each tier, the two that finish an exponential race first.
#[cold]
fn scan(
    group: &Group,
    draw: &mut Draw,
    mut look: impl FnMut(usize) -> Option<Standing>,
) -> (Option<usize>, Option<usize>) {
    let turn = Turn::draw(group, draw);
    let (mut tier, mut first, mut second) = (i64::MIN, None::<(f64, usize)>, None::<(f64, usize)>);
    for (place, member) in group.members.iter().enumerate() {
        // One draw per member, candidate or not, so that the draws of the others do not depend on it.
        let finish = -(1.0 - draw.unit()).ln();
        let Some(standing) = look(place) else { continue };
        let its = turn.tier(*member, standing.tier);
        if its < tier {
            continue;
        }
        if its > tier {
            (tier, first, second) = (its, None, None);
        }
        let finish = finish / f64::from(standing.weight).max(f64::MIN_POSITIVE);
        if first.is_none_or(|(best, _)| finish < best) {
            second = first.replace((finish, place));
        } else if second.is_none_or(|(best, _)| finish < best) {
            second = Some((finish, place));
        }
    }
    (first.map(|(_, place)| place), second.map(|(_, place)| place))
}

/// What decides this time: what the objective says, or chance alone.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Best,
    /// Explores: models are ranked by chance, so that each candidate's model is as likely as any other.
    Any(u64),
}

impl Turn {
    fn draw(group: &Group, draw: &mut Draw) -> Self {
        let Some(share) = group.explore else { return Self::Best };
        let (chance, ranks) = (draw.unit(), draw.next_u64());
        if chance < share { Self::Any(ranks) } else { Self::Best }
    }

    /// The tier in which a member is drawn.
    fn tier(self, member: Member, tier: i32) -> i64 {
        match self {
            Self::Best => i64::from(tier),
            Self::Any(ranks) => mix(ranks ^ u64::from(member.model())).cast_signed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Tickets;

    fn group(weights: &[u64]) -> Group {
        Group {
            name: "g".into(),
            slot: 0,
            members: (0..).take(weights.len()).map(|deployment| Member { deployment, length_slot: 0 }).collect(),
            tickets: Tickets::new(weights.iter().map(|weight| weight * 1_000_000)),
            mean_weight: 1.0,
            fallback: Box::default(),
            objective: None,
            standard: None,
            explore: None,
            hedge: false,
            one_way: false,
            prune: None,
            roomiest: u32::MAX,
        }
    }

    fn shares(group: &Group, pick: impl Fn(&mut Draw) -> (Option<usize>, Option<usize>)) -> Vec<f64> {
        let (mut draw, mut counts) = (Draw::new(11), vec![0.0; group.members.len()]);
        for _ in 0..100_000 {
            let (first, second) = pick(&mut draw);
            assert_ne!(first, second);
            counts[first.unwrap()] += 1e-5;
        }
        counts
    }

    fn close(measured: &[f64], expected: &[f64]) -> bool {
        measured.iter().zip(expected).all(|(m, e)| (m - e).abs() < 0.01)
    }

    #[test]
    fn the_first_draw_follows_the_weights() {
        let group = group(&[1, 2, 3, 4]);
        let all = |place: usize| Some(Standing { share: 1.0, weight: [1.0, 2.0, 3.0, 4.0][place], tier: 0 });
        assert!(close(&shares(&group, |draw| two(&group, draw, all)), &[0.1, 0.2, 0.3, 0.4]));
        assert!(close(&shares(&group, |draw| scan(&group, draw, all)), &[0.1, 0.2, 0.3, 0.4]));
    }

    #[test]
    fn whom_a_draw_looks_at_first_is_known_ahead() {
        let group = group(&[1, 2, 3, 4]);
        for seed in 0..1_000 {
            let (mut draw, mut looked) = (Draw::new(seed), Vec::new());
            let ahead = ahead(&group, &draw);
            two(&group, &mut draw, |place| {
                looked.push(place);
                Some(Standing { share: 1.0, weight: 1.0, tier: 0 })
            });
            assert_eq!(looked[0], ahead[0], "seed {seed}");
            assert!(ahead[0] == ahead[1] || looked[1] == ahead[1], "seed {seed}: {looked:?} after {ahead:?}");
        }
    }

    #[test]
    fn a_share_in_force_scales_the_weight() {
        let group = group(&[1, 1, 2]);
        let standing = |place: usize| {
            let share = [1.0, 0.5, 0.25][place];
            Some(Standing { share, weight: share * [1.0, 1.0, 2.0][place], tier: 0 })
        };
        assert!(close(&shares(&group, |draw| two(&group, draw, standing)), &[0.5, 0.25, 0.25]));
        assert!(close(&shares(&group, |draw| scan(&group, draw, standing)), &[0.5, 0.25, 0.25]));
    }

    #[test]
    fn whoever_is_no_candidate_is_never_drawn_and_the_last_one_always_found() {
        let group = group(&[1_000, 1, 1]);
        let mut draw = Draw::new(3);
        for _ in 0..1_000 {
            let only_last = |place: usize| (place == 2).then_some(Standing { share: 0.05, weight: 0.05, tier: 0 });
            assert_eq!(two(&group, &mut draw, only_last), (Some(2), None));
        }
        assert_eq!(two(&group, &mut draw, |_| None), (None, None));
    }

    #[test]
    fn only_the_best_tier_is_drawn() {
        let group = group(&[1, 1, 1, 1]);
        let tiers = |place: usize| Some(Standing { share: 1.0, weight: 1.0, tier: [1, 5, 5, 2][place] });
        assert!(close(&shares(&group, |draw| scan(&group, draw, tiers)), &[0.0, 0.5, 0.5, 0.0]));
    }
}
