//! Which rows accept which class of an axis, as bitmaps of two levels.
//!
//! Written out, every class would have one bit per row: 10,000 rows on 10,000 values are 12 MiB per axis, of which a
//! match reads one line. But classes resemble each other: a row that is silent on the axis accepts them all, a row that
//! names one value only that one, a row that negates one all but that. So the *usual* class (a value that no rule
//! names) is kept whole, and every other class as a *view*: those words in which it differs, found by counting bits.
//! Classes that the rows do not tell apart share one view; a block of words that mostly differs is kept whole. Compressed bitmaps (Roaring and kin) were rejected: they pay
//! for the general case with a dispatch per block, and cannot say "the same as usual".
//!
//! Per [`BLOCK`] words a view also says which of its words are not zero. These summaries are ANDed over the axes first,
//! and only the words that remain are looked at.

/// Rows per word.
pub(super) const WORD: usize = 64;
/// Words per summary.
pub(super) const BLOCK: usize = 64;

/// The rows that accept each class of one axis.
#[derive(Debug)]
pub(super) struct Acceptance {
    /// The words of the usual class.
    pub(super) usual: Box<[u64]>,
    /// The view of each class.
    pub(super) views: Box<[u32]>,
    /// The blocks of all views, `blocks_per_view` for each.
    pub(super) blocks: Box<[Block]>,
    pub(super) blocks_per_view: usize,
    /// The words in which views differ from the usual one.
    pub(super) differing: Box<[u64]>,
}

/// What a view says about [`BLOCK`] words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Words that are not zero.
    pub(super) inhabited: u64,
    /// Words that differ from the usual class.
    pub(super) differs: u64,
    /// Where the first of those is kept.
    pub(super) first: usize,
}

/// The rows that accept one class.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    of: &'a Acceptance,
    /// Where its blocks begin.
    start: usize,
}

impl View<'_> {
    /// A bit for each word of the block that is not zero.
    #[inline]
    pub(super) fn inhabited(&self, block: usize) -> u64 {
        self.of.blocks.get(self.start + block).map_or(0, |block| block.inhabited)
    }

    /// Word `word` of a block.
    #[inline]
    pub(super) fn word(&self, block: usize, word: usize) -> u64 {
        let Some(&Block { differs, first, .. }) = self.of.blocks.get(self.start + block) else { return 0 };
        let bit = 1_u64 << (word % BLOCK);
        let found = if differs & bit == 0 {
            self.of.usual.get(block * BLOCK + word)
        } else {
            // Many machines this is built for have no instruction that counts bits, and whole blocks need none.
            let before = if differs == u64::MAX { word } else { (differs & (bit - 1)).count_ones() as usize };
            self.of.differing.get(first + before)
        };
        found.copied().unwrap_or(0)
    }
}

impl Acceptance {
    /// The rows that accept `class`.
    #[inline]
    pub(super) fn view(&self, class: u32) -> View<'_> {
        let view = self.views.get(class as usize).map_or(0, |&view| view as usize);
        View { of: self, start: view * self.blocks_per_view }
    }

    /// How many rows accept the usual class.
    pub(super) fn usual_rows(&self) -> u32 {
        self.usual.iter().map(|word| word.count_ones()).sum()
    }

    /// Memory taken.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.usual)
            + size_of_val(&*self.views)
            + size_of_val(&*self.blocks)
            + size_of_val(&*self.differing)
    }
}
