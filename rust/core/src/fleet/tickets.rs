//! Tickets of a group: members drawn by weight, in a time that does not grow with the group.
//!
//! **Problem.** A draw by running sums is a binary search: thirteen steps in a group of ten thousand, most of them into
//! lines that no cache holds.
//!
//! **Choice.** A guide table (Chen and Asau 1974): the line of drawn bits is cut into as many cells as there are members,
//! and each cell knows between which places its answer lies. With weights of one size that is one place or two; with
//! others the search goes on there, so that no mixture is worse than before. The answer is the same to the bit.
//!
//! **Rejected.** Alias tables: two lookups always, but another answer for the same bits.
//!
//! **Cost.** Twelve bytes per member.

use crate::draw::scaled;

/// Running sums of weights, and where to look among them.
#[derive(Debug, Default)]
pub struct Tickets {
    /// Sums of the weights up to each place, that place included.
    cumulative: Box<[u64]>,
    /// For each cell the first place that it can lead to; one more for the end.
    guide: Box<[u32]>,
}

impl Tickets {
    /// Tickets of members with these weights, in integer parts.
    #[must_use]
    pub fn new(weights: impl Iterator<Item = u64>) -> Self {
        let sums = weights.scan(0_u64, |sum, weight| {
            *sum = sum.saturating_add(weight);
            Some(*sum)
        });
        let cumulative: Box<[u64]> = sums.collect();
        let (cells, total) = (cumulative.len() as u64, cumulative.last().copied().unwrap_or(0));
        let begin = |cell: u64| {
            // The least bits of the cell: no cell has less, and none between them and the next cell more.
            let bits = (u128::from(cell) << 64).div_ceil(u128::from(cells.max(1)));
            let ticket = u64::try_from(bits).map_or(total, |bits| scaled(bits, total));
            u32::try_from(cumulative.partition_point(|&sum| sum <= ticket)).unwrap_or(u32::MAX)
        };
        let guide = (0..=cells).map(begin).collect();
        Self { cumulative, guide }
    }

    /// Whether no ticket can be drawn: there are no members, or none has a weight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cumulative.last().is_none_or(|&total| total == 0)
    }

    /// The place that 64 drawn bits stand for.
    #[must_use]
    #[inline]
    pub fn place(&self, bits: u64) -> usize {
        let Some(&total) = self.cumulative.last() else { return 0 };
        let (ticket, cell) = (scaled(bits, total), scaled(bits, self.cumulative.len() as u64) as usize);
        let Some(&[from, to]) = self.guide.get(cell..).and_then(<[u32]>::first_chunk) else { return 0 };
        let between = self.cumulative.get(from as usize..to as usize).unwrap_or_default();
        from as usize + between.partition_point(|&sum| sum <= ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draw;

    #[test]
    fn a_place_is_where_the_running_sums_say() {
        let shapes: [&[u64]; 8] = [
            &[1],
            &[0, 0, 5],
            &[5, 0, 0],
            &[1, 1_000_000, 1, 1],
            &[3; 20],
            &[7, 0, 1, 0, 900, 2, 2],
            &[u64::MAX, 1],
            &[1; 257],
        ];
        let mut draw = Draw::new(5);
        for weights in shapes {
            let tickets = Tickets::new(weights.iter().copied());
            let edges = [0, 1, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1];
            for bits in edges.into_iter().chain((0..20_000).map(|_| draw.next_u64())) {
                let total = *tickets.cumulative.last().unwrap();
                let place = tickets.cumulative.partition_point(|&sum| sum <= scaled(bits, total));
                assert_eq!(tickets.place(bits), place, "{bits} among {weights:?}");
            }
        }
    }

    #[test]
    fn without_weight_there_is_no_ticket() {
        assert!(Tickets::default().is_empty() && Tickets::new([0, 0].into_iter()).is_empty());
        assert!(!Tickets::new([0, 1].into_iter()).is_empty());
    }
}
