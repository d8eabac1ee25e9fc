//! Where the system lacks what sharing takes.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use junctor_core::state::Room;
use junctor_core::units::Nanos;

use crate::{Attached, Place, Unshared};

/// Never attaches.
///
/// # Errors
/// [`Unshared::System`].
pub fn attach(_: &Place, _: Room) -> Result<Attached, Unshared> {
    Err(Unshared::System)
}

/// Never observes.
///
/// # Errors
/// [`Unshared::System`].
pub fn observe(_: &Place, _: Room) -> Result<Attached, Unshared> {
    Err(Unshared::System)
}

/// Nobody in particular.
#[must_use]
pub const fn user() -> u32 {
    0
}

/// A number that would change with a fork.
#[must_use]
pub fn generation() -> &'static AtomicU64 {
    static GENERATION: AtomicU64 = AtomicU64::new(1);
    &GENERATION
}

/// The time since it was first asked for.
#[must_use]
pub fn monotonic() -> Nanos {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    Nanos(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
}
