//! Builds the bitmaps of an axis in one sweep over its classes.
//!
//! Asking every row about every class would take their product, a hundred million questions for 10,000 rules on as many
//! values. Neighbouring classes differ by few rows, so the sweep holds the bitmap of the class it is at, flips the rows
//! whose spans begin or end there, and keeps what then differs from the usual class. The time goes with the number of
//! spans and with the size of the result.

use super::bitmap::{Acceptance, BLOCK, Block, WORD};
use super::classes::ClassSet;

/// What the rows of a group accept on one axis: `None` is everything.
type Accepted<'a> = [Option<&'a ClassSet>];

impl Acceptance {
    /// The bitmaps of all classes of an axis, or `None` if they would take more than `max_bytes`.
    pub(super) fn build(size: u32, usual: u32, rows: &Accepted<'_>, max_bytes: usize) -> Option<Self> {
        let mut sweep = Sweep::at_usual(usual, rows);
        sweep.keep();
        sweep.leave_usual(usual, rows);
        let mut flips = flips(rows).into_iter().peekable();
        let mut views = Vec::with_capacity(size as usize);
        let mut view = if sweep.is_usual() { 0 } else { sweep.keep() };
        for class in 0..size {
            let mut moved = false;
            while let Some((_, row)) = flips.next_if(|&(at, _)| at == class) {
                sweep.flip(row);
                moved = true;
            }
            if moved {
                view = if sweep.is_usual() { 0 } else { sweep.keep() };
            }
            if sweep.bytes() > max_bytes {
                return None;
            }
            views.push(view);
        }
        Some(sweep.finish(views))
    }
}

/// The classes at which rows begin or cease to accept, in order.
fn flips(rows: &Accepted<'_>) -> Vec<(u32, usize)> {
    let mut flips = Vec::new();
    for (row, set) in rows.iter().enumerate() {
        let spans = set.map_or(&[][..], ClassSet::spans);
        flips.extend(spans.iter().flat_map(|span| [(span.from, row), (span.to, row)]));
    }
    flips.sort_unstable();
    flips
}

struct Sweep {
    usual: Vec<u64>,
    /// The bitmap of the class that the sweep is at.
    current: Vec<u64>,
    /// The summaries of `current`.
    summary: Vec<Block>,
    blocks: Vec<Block>,
    differing: Vec<u64>,
}

impl Sweep {
    fn at_usual(class: u32, rows: &Accepted<'_>) -> Self {
        let words = rows.len().div_ceil(WORD);
        let usual = vec![0; words];
        let summary = vec![Block::default(); words.div_ceil(BLOCK)];
        let mut sweep = Self { current: usual.clone(), usual, summary, blocks: Vec::new(), differing: Vec::new() };
        for (row, set) in rows.iter().enumerate() {
            if set.is_none_or(|set| set.contains(class)) {
                sweep.flip(row);
            }
        }
        sweep.usual.clone_from(&sweep.current);
        sweep.summary.iter_mut().for_each(|block| block.differs = 0);
        sweep
    }

    /// Takes out the rows whose spans include the usual class: the flips put them in where the spans begin.
    fn leave_usual(&mut self, class: u32, rows: &Accepted<'_>) {
        for (row, set) in rows.iter().enumerate() {
            if set.is_some_and(|set| set.contains(class)) {
                self.flip(row);
            }
        }
    }

    fn flip(&mut self, row: usize) {
        let word = row / WORD;
        let (Some(current), Some(&usual)) = (self.current.get_mut(word), self.usual.get(word)) else { return };
        *current ^= 1 << (row % WORD);
        let Some(block) = self.summary.get_mut(word / BLOCK) else { return };
        let bit = 1 << (word % BLOCK);
        block.inhabited = if *current == 0 { block.inhabited & !bit } else { block.inhabited | bit };
        block.differs = if *current == usual { block.differs & !bit } else { block.differs | bit };
    }

    fn is_usual(&self) -> bool {
        self.summary.iter().all(|block| block.differs == 0)
    }

    /// Keeps the current bitmap as a view and answers its number.
    fn keep(&mut self) -> u32 {
        let view = self.blocks.len() / self.summary.len().max(1);
        for (block, words) in self.summary.iter().zip(self.current.chunks(BLOCK)) {
            let mostly = block.differs.count_ones() as usize > words.len() / 2;
            let differs = if mostly { u64::MAX } else { block.differs };
            self.blocks.push(Block { inhabited: block.inhabited, differs, first: self.differing.len() });
            let kept = words.iter().enumerate().filter(|&(word, _)| differs >> word & 1 == 1);
            self.differing.extend(kept.map(|(_, bits)| *bits));
        }
        view as u32
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.blocks) + size_of_val(&*self.differing)
    }

    fn finish(self, views: Vec<u32>) -> Acceptance {
        Acceptance {
            usual: self.usual.into(),
            views: views.into(),
            blocks: self.blocks.into(),
            blocks_per_view: self.summary.len(),
            differing: self.differing.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that accept one class each, all but one, a span, and everything, over enough rows for two blocks.
    fn rows(size: u32) -> Vec<Option<ClassSet>> {
        let one = |class: u32| ClassSet::of([class]);
        (0..5_000_u32)
            .map(|row| match row % 7 {
                0..3 => Some(one(row % size)),
                3 => Some(one(row % size).complement(size)),
                4 => Some(ClassSet::span(row % size / 2, row % size + 1)),
                _ if row > 4_500 => Some(one(size - 1)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn every_word_and_summary_is_what_the_rows_say() {
        for (size, usual) in [(2, 0), (9, 1), (9, 8), (40, 1)] {
            let rows = rows(size);
            let borrowed: Vec<_> = rows.iter().map(Option::as_ref).collect();
            let acceptance = Acceptance::build(size, usual, &borrowed, usize::MAX).unwrap();
            for class in 0..size {
                let view = acceptance.view(class);
                for word in 0..rows.len().div_ceil(WORD) {
                    let accepts = |bit: usize| match rows.get(word * WORD + bit) {
                        Some(set) => set.as_ref().is_none_or(|set| set.contains(class)),
                        None => false,
                    };
                    let expected = (0..WORD).filter(|&bit| accepts(bit)).fold(0, |bits, bit| bits | 1 << bit);
                    let (block, word) = (word / BLOCK, word % BLOCK);
                    assert_eq!(view.word(block, word), expected, "class {class} of {size}, word {word} of {block}");
                    assert_eq!(view.inhabited(block) >> word & 1 == 1, expected != 0);
                }
            }
        }
    }

    #[test]
    fn classes_that_no_row_tells_apart_share_a_view() {
        let set = ClassSet::span(3, 6);
        let acceptance = Acceptance::build(1_000, 0, &[Some(&set), None], usize::MAX).unwrap();
        assert_eq!(acceptance.blocks.len(), 2);
        assert_eq!(acceptance.differing.len(), 1);
    }

    #[test]
    fn distinct_values_cost_a_few_words_each() {
        let sets: Vec<ClassSet> = (0..10_000).map(|class| ClassSet::of([class])).collect();
        let rows: Vec<_> = sets.iter().map(Some).collect();
        let acceptance = Acceptance::build(10_001, 10_000, &rows, usize::MAX).unwrap();
        assert!(acceptance.bytes() < 1 << 20, "{}", acceptance.bytes());
    }

    #[test]
    fn too_much_memory_is_refused_while_building() {
        let sets: Vec<ClassSet> = (0..2_000).map(|class| ClassSet::span(class, 2_000)).collect();
        let rows: Vec<_> = sets.iter().map(Some).collect();
        assert!(Acceptance::build(2_000, 0, &rows, 1 << 16).is_none());
        assert!(Acceptance::build(2_000, 0, &rows, 1 << 20).is_some());
    }
}
