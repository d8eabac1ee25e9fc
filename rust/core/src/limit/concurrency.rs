//! A limit on how many run at once.
//!
//! **Problem.** Some keys admit a number of parallel requests rather than a rate.
//!
//! **Choice.** A counter in the bucket's level word, compared with the limit in the same compare-exchange that raises
//! it. The release saturates at zero.
//!
//! **Rejected.** Here a counter is exact only among threads that all live to release it. Across processes a killed one
//! would keep its units for ever; there the shared segment counts owner cells instead, and this bucket is not used.
//!
//! **Cost.** One compare-exchange each way. Nobody knows when a running request ends, so a refusal can only suggest
//! when to look again.

use super::Denied;
use crate::units::Nanos;

/// When to look again after a refusal: a tenth of a fast answer, so that a freed place is found soon, and long enough
/// that waiting callers do not spin.
pub const RECHECK: Nanos = Nanos::from_millis(50);

/// The new count.
///
/// # Errors
/// [`Denied::Never`] for more than the limit; otherwise [`Denied::NotUntil`], a guess.
#[inline]
pub fn take(running: u64, n: u64, limit: u64, now: Nanos) -> Result<u64, Denied> {
    if n > limit {
        return Err(Denied::Never);
    }
    match running.checked_add(n) {
        Some(sum) if sum <= limit => Ok(sum),
        _ => Err(Denied::NotUntil(now + RECHECK)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_given_and_no_more() {
        let later = Err(Denied::NotUntil(Nanos(7) + RECHECK));
        assert_eq!(take(2, 1, 3, Nanos(7)), Ok(3));
        assert_eq!(take(3, 1, 3, Nanos(7)), later);
        assert_eq!(take(5, 1, 3, Nanos(7)), later, "a lowered limit refuses until enough have ended");
        assert_eq!(take(u64::MAX, 1, 3, Nanos(7)), later);
        assert_eq!(take(0, 4, 3, Nanos(7)), Err(Denied::Never));
    }
}
