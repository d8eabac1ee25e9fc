//! Cells: what the attempts of one process are counted in, readable by others after its death.
//!
//! **Problem.** A gauge says how many, not whose. When a process dies its part must be found and nobody else's touched.
//!
//! **Choice.** Cells lie in blocks of 64; a block belongs to one process, whose name its owner word holds, so that its
//! lines are nobody else's. A cell names one gauge. It is written before the gauge is raised and cleared after the gauge
//! is lowered: at any instant without a death, a gauge is at most the number of its cells. In between it is *sure*:
//! whoever reads that knows that it is in the gauge now, and not only may be.
//!
//! **Rejected.** Cells per deployment, searched by all processes: contended lines and a bound on each deployment. A count
//! per process and deployment: a quarter of a million words for a thousand deployments, and raised apart from the gauge.
//!
//! **Cost.** Two stores more per cell, so that it says whether it is sure. Half a mebibyte and 131,072 cells for all processes together. A process that needs more than it has takes
//! another block; it keeps its blocks until it leaves. When none is left, attempts are refused, because an attempt that
//! is not listed could be lost.

use crate::state::State;
use crate::sync::{AtomicU64, Ordering};

/// Blocks of a shared state.
pub const BLOCKS: usize = if cfg!(loom) { 2 } else { 2_048 };
/// Cells of a block: eight lines.
pub const BLOCK_CELLS: usize = if cfg!(loom) { 2 } else { 64 };

/// Cells that are looked at in one block: a line. Then there are too few free ones in it to be found quickly.
const TRIES: usize = 8;

/// A gauge that an attempt is counted in, by its record's slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Attempts in flight at a deployment.
    Deployment(u32),
    /// Places of a concurrency limit.
    Bucket(u32),
}

const BUCKET: u64 = 1 << 32;
/// The attempt is in the gauge: it has been raised, and will be lowered only after this bit is gone.
const SURE: u64 = 1 << 33;

impl Counted {
    const fn word(self) -> u64 {
        match self {
            Self::Deployment(slot) => slot as u64 + 1,
            Self::Bucket(slot) => (slot as u64 + 1) | BUCKET,
        }
    }

    /// What a cell names; nothing if it is free.
    pub(super) fn of(word: u64) -> Option<Self> {
        let slot = u32::try_from((word & (BUCKET - 1)).checked_sub(1)?).ok()?;
        Some(if word & BUCKET == 0 { Self::Deployment(slot) } else { Self::Bucket(slot) })
    }
}

/// A cell that is taken, to be given to [`State::unlist`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellAt(u32);

/// No block is left: more attempts are in flight on this host than it can keep account of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCell;

/// The blocks of one process, for itself: their numbers plus one, in the order in which it took them.
pub(super) struct OwnBlocks {
    numbers: Box<[AtomicU64]>,
    count: AtomicU64,
}

impl Default for OwnBlocks {
    fn default() -> Self {
        Self { numbers: (0..BLOCKS).map(|_| AtomicU64::new(0)).collect(), count: AtomicU64::new(0) }
    }
}

impl OwnBlocks {
    fn len(&self) -> usize {
        usize::try_from(self.count.load(Ordering::Acquire)).unwrap_or(BLOCKS).min(BLOCKS)
    }

    fn get(&self, place: usize) -> Option<usize> {
        let number = self.numbers.get(place)?.load(Ordering::Acquire);
        usize::try_from(number).ok()?.checked_sub(1)
    }

    fn add(&self, block: usize) {
        let place = self.count.fetch_add(1, Ordering::AcqRel);
        if let Some(number) = usize::try_from(place).ok().and_then(|place| self.numbers.get(place)) {
            number.store(block as u64 + 1, Ordering::Release);
        }
    }
}

impl State {
    /// Writes down that an attempt is about to be counted in a gauge. Nothing to do in a state that is not shared.
    /// `spread` chooses where the search begins.
    ///
    /// # Errors
    /// [`NoCell`]: then it must not be counted.
    #[inline]
    pub fn list(&self, counted: Counted, spread: u64) -> Result<Option<CellAt>, NoCell> {
        let Some(seat) = self.seat() else { return Ok(None) };
        let (blocks, word) = (seat.blocks.len(), counted.word());
        if let Some(block) = seat.blocks.get(spread as usize % blocks.max(1))
            && let Some(cell) = self.take_cell(block, word, spread >> 32, TRIES)
        {
            return Ok(Some(cell));
        }
        self.list_elsewhere(word, spread).map(Some)
    }

    /// Takes another block; if there is none, looks at every cell of those it has.
    #[cold]
    fn list_elsewhere(&self, word: u64, spread: u64) -> Result<CellAt, NoCell> {
        let seat = self.seat().ok_or(NoCell)?;
        if let Some(block) = self.take_block(seat.owner())
            && let Some(cell) = self.take_cell(block, word, spread, BLOCK_CELLS)
        {
            seat.blocks.add(block);
            return Ok(cell);
        }
        let own = (0..seat.blocks.len()).filter_map(|place| seat.blocks.get(place));
        own.filter_map(|block| self.take_cell(block, word, spread, BLOCK_CELLS)).next().ok_or(NoCell)
    }

    fn take_block(&self, owner: u64) -> Option<usize> {
        let owners = self.block_owners();
        owners.iter().position(|word| {
            word.load(Ordering::Relaxed) == 0
                && word.compare_exchange(0, owner, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })
    }

    #[inline]
    fn take_cell(&self, block: usize, word: u64, spread: u64, tries: usize) -> Option<CellAt> {
        let cells = self.cells_of(block)?;
        let first = spread as usize % BLOCK_CELLS;
        let place = (0..tries.min(BLOCK_CELLS)).map(|step| (first + step) % BLOCK_CELLS).find(|&place| {
            cells.get(place).is_some_and(|cell| {
                cell.load(Ordering::Relaxed) == 0
                    && cell.compare_exchange(0, word, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            })
        })?;
        u32::try_from(block * BLOCK_CELLS + place).ok().map(CellAt)
    }

    /// Says that the gauge of a cell is raised.
    #[inline]
    pub fn vouch(&self, at: CellAt) {
        self.rewrite(at, |word| word | SURE);
    }

    /// Says that the gauge of a cell is about to be lowered.
    #[inline]
    pub fn doubt(&self, at: CellAt) {
        self.rewrite(at, |word| word & !SURE);
    }

    /// Nobody else writes to it, so a store does.
    #[inline]
    fn rewrite(&self, at: CellAt, next: impl Fn(u64) -> u64) {
        if let Some(cell) = self.cell(at) {
            cell.store(next(cell.load(Ordering::Relaxed)), Ordering::Release);
        }
    }

    #[inline]
    fn cell(&self, CellAt(at): CellAt) -> Option<&AtomicU64> {
        let at = at as usize;
        self.cells_of(at / BLOCK_CELLS)?.get(at % BLOCK_CELLS)
    }

    /// Gives a cell back, once its gauge is lowered.
    #[inline]
    pub fn unlist(&self, at: CellAt) {
        if let Some(cell) = self.cell(at) {
            cell.store(0, Ordering::Release);
        }
    }

    /// Frees every block of `owner`, and so everything that it was counted in.
    pub(super) fn free_blocks(&self, owner: u64) {
        for (block, word) in self.block_owners().iter().enumerate() {
            if word.load(Ordering::Acquire) == owner {
                self.cells_of(block).into_iter().flatten().for_each(|cell| cell.store(0, Ordering::Release));
                word.store(0, Ordering::Release);
            }
        }
    }

    /// Cells of blocks that are nobody's; none in a state that is not shared. When there are no more, attempts of a process
    /// that needs another block are refused.
    #[must_use]
    pub fn free_cells(&self) -> usize {
        self.block_owners().iter().filter(|word| word.load(Ordering::Relaxed) == 0).count() * BLOCK_CELLS
    }

    /// Everything that living processes are counted in or may be, and whether that is sure.
    pub(super) fn all_counted(&self) -> impl Iterator<Item = (Counted, bool)> {
        let owned = |(block, word): (usize, &AtomicU64)| (word.load(Ordering::Acquire) != 0).then_some(block);
        let blocks = self.block_owners().iter().enumerate().filter_map(owned);
        blocks.flat_map(|block| self.cells_of(block).into_iter().flatten()).filter_map(|cell| {
            // Acquire pairs with the release of `unlist`: whoever sees a cell free sees its gauge lowered.
            let word = cell.load(Ordering::Acquire);
            Some((Counted::of(word)?, word & SURE != 0))
        })
    }
}
