//! The atomics that shared state is made of: the machine's own, or those of a checker when a proof runs the code.
//!
//! loom tries every order of the accesses of two or three threads and everything the memory model lets each of them
//! see; shuttle tries random orders of many threads, one access at a time. Both need their own type in the place of the
//! machine's, and this is the only place that knows (docs/decisions/021).

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(shuttle, not(loom)))]
pub use shuttle::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(any(loom, shuttle)))]
pub use std::sync::atomic::{AtomicU64, Ordering};

/// Applies a pure `old → new` function to one word until it sticks, and returns both values.
///
/// `next` answers `None` to leave the word as it is. The success ordering is AcqRel and the failure ordering Acquire:
/// whoever sees the new word also sees everything that its writer did before.
///
/// # Errors
/// The word's value when `next` answered `None`.
#[inline]
pub fn update(word: &AtomicU64, mut next: impl FnMut(u64) -> Option<u64>) -> Result<(u64, u64), u64> {
    let mut old = word.load(Ordering::Acquire);
    loop {
        let Some(new) = next(old) else { return Err(old) };
        match word.compare_exchange_weak(old, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return Ok((old, new)),
            Err(seen) => old = seen,
        }
    }
}
