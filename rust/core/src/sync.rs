//! The atomics that shared state is made of: the machine's own, or loom's when a model checks the code.

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
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
