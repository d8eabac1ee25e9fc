//! Processes that share one state: who sits there, what each is counted in, and what becomes of it when one dies.
//!
//! **Problem.** Workers of one host share limits and load through one mapped slice of words. Any of them can be killed
//! between any two of its instructions, stopped for minutes, or forked; none may leave a count behind for good, and none
//! may be taken for dead while it lives.
//!
//! **Choice.** Three things beside the records that one process alone would have too:
//! *Seats* ([`seats`]): a place for each process, with its counters. Only the kernel knows who is dead, so the shell
//! lends its word as a [`Keeper`]: a lock on the seat that the kernel frees when its owner ends.
//! *Cells* ([`cells`]): a word for each gauge that an attempt of the process is counted in, written before the gauge is
//! raised and cleared after it is lowered. Without deaths no gauge is ever above its number of cells.
//! *The sweep* ([`mod@sweep`]): clears the cells of the dead and lowers the gauges to the number of cells.
//!
//! **Rejected.** A lock that guards counts and cells together: a stopped process would hold it. Counting by cells alone:
//! a pick would read hundreds of words where it reads one. Leases on every attempt: an answer that takes ten minutes
//! would have to be renewed, and a dead worker's places stay taken for as long.
//!
//! **Cost.** Two words written per attempt and concurrency limit, on lines that no other process touches. Between a
//! death and the next sweep, at most [`sweep::EVERY`], gauges are too high; never too low.

pub mod cells;
pub mod seats;
pub mod sweep;

pub use self::cells::{CellAt, Counted};
pub use self::seats::Seat;

/// The kernel's word on who lives. Implemented by whoever mapped the state; dropping it ends the mapping.
pub trait Keeper: Send + Sync {
    /// Tries to become the only one who may clear `seat`. `false` means that its owner lives, or that somebody else is
    /// clearing it.
    fn hold(&self, seat: u8) -> bool;

    /// Ends what [`hold`](Self::hold) began.
    fn let_go(&self, seat: u8);

    /// Whether somebody else's hold keeps `seat`, as its owner's does for as long as that lives. For a look from outside.
    fn lives(&self, seat: u8) -> bool {
        let free = self.hold(seat);
        if free {
            self.let_go(seat);
        }
        !free
    }

    /// Tries to keep everybody else from sitting down. `false` means that somebody is at it.
    fn close_latch(&self) -> bool;

    /// Ends what [`close_latch`](Self::close_latch) began.
    fn open_latch(&self);

    /// Whether those who come later will find the same words: not if somebody has removed them.
    fn is_found(&self) -> bool {
        true
    }
}

/// What a process has of its own in a state that it shares.
pub struct Party {
    /// Who tells the living from the dead, and keeps the words mapped.
    pub keeper: Box<dyn Keeper>,
    /// Its seat; none for somebody who only looks.
    pub seat: Option<Seat>,
}
