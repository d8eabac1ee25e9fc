//! A limit on how many run at once.
//!
//! **Problem.** Some keys admit a number of parallel requests rather than a rate.
//!
//! **Choice.** A [gauge] in the bucket's level word, compared with the limit in the same compare-exchange
//! that raises it. The release saturates at zero. Where processes share it, each place is also listed in a cell of its
//! owner, and the places of a dead one are taken back by the [sweep](crate::process).
//!
//! **Rejected.** One cell per place, and the gauge their number: exact as well, but a full limit would be searched cell
//! by cell for every refusal.
//!
//! **Cost.** One compare-exchange each way. Nobody knows when a running request ends, so a refusal can only suggest
//! when to look again.

use super::Denied;
use crate::gauge;
use crate::units::Nanos;

/// When to look again after a refusal: a tenth of a fast answer, so that a freed place is found soon, and long enough
/// that waiting callers do not spin.
pub const RECHECK: Nanos = Nanos::from_millis(50);

/// The new level word.
///
/// # Errors
/// [`Denied::Never`] for more than the limit; otherwise [`Denied::NotUntil`], a guess.
#[inline]
pub fn take(word: u64, n: u64, limit: u64, now: Nanos) -> Result<u64, Denied> {
    if n > limit {
        return Err(Denied::Never);
    }
    gauge::taken(word, n, limit).ok_or(Denied::NotUntil(now + RECHECK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_given_and_no_more() {
        let later = Err(Denied::NotUntil(Nanos(7) + RECHECK));
        assert_eq!(take(2, 1, 3, Nanos(7)).map(gauge::running), Ok(3));
        assert_eq!(take(3, 1, 3, Nanos(7)), later);
        assert_eq!(take(5, 1, 3, Nanos(7)), later, "a lowered limit refuses until enough have ended");
        assert_eq!(take(u64::MAX, 1, u64::MAX, Nanos(7)), later, "more than a gauge can count");
        assert_eq!(take(0, 4, 3, Nanos(7)), Err(Denied::Never));
    }
}
