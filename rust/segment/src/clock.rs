//! The clock that all processes of a host read.

use junctor_core::units::Nanos;
use rustix::time::{ClockId, clock_gettime};

/// The machine's monotonic time. It stands still while the machine sleeps, and no one can set it.
#[must_use]
#[inline]
pub fn monotonic() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    Nanos(seconds * 1_000_000_000 + nanos)
}
