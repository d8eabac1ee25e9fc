//! Limits: how much of a provider's quota is left, and when there will be more.
//!
//! **Problem.** A key admits so many requests and tokens per minute, per day or at once. Whoever asks too early pays
//! with a 429, often with a penalty; whoever asks too late leaves paid capacity idle. Many threads and processes ask
//! together, estimates are wrong, and the provider's own count differs from ours.
//!
//! **Choice.** A [`Quota`] (immutable, compiled from the config) beside a [`Bucket`] (a view of eight shared words).
//! Rates use GCRA ([`gcra`]): one word holds the instant at which everything taken so far is paid off, so taking,
//! refunding and going into debt are additions on one atomic. Daily limits count in the provider's own calendar
//! ([`calendar`]), parallel requests in a gauge. Limits that hosts share are handed out in grants ([`grant`]) and
//! paced by who grants. [`hold_all`] takes from up to eight buckets, all or nothing.
//!
//! **Rejected.** A counter per minute admits twice the limit around the edge. A token bucket with a float level needs
//! two words or a lock, and loses fractions. Reserving nothing and waiting for the 429 is what this crate exists for.
//!
//! **Cost.** A take is one compare-exchange on the bucket's own cache line and an addition beside it; a refusal writes
//! nothing. Time is kept in sixteenths of a nanosecond, which lasts 36 years from the epoch.
//!
//! ```
//! use junctor_core::limit::{Bucket, Denied, Quota, BUCKET_WORDS};
//! use junctor_core::{sync::AtomicU64, units::Nanos};
//!
//! let words: [AtomicU64; BUCKET_WORDS] = Default::default();
//! let quota = Quota::paced(60, Nanos::from_secs(60), None)?; // 60 per minute, 10 at once
//! let bucket = Bucket::new(&quota, &words);
//! let now = Nanos::from_secs(100);
//!
//! let held = bucket.take(10, now).expect("a fresh bucket holds its burst");
//! assert_eq!(bucket.take(1, now).err(), Some(Denied::NotUntil(now + Nanos::from_secs(1))));
//! bucket.settle(held, 4, now); // it cost less than estimated
//! assert_eq!(bucket.headroom(now), 6);
//! # Ok::<(), junctor_core::limit::QuotaError>(())
//! ```

pub mod bucket;
pub mod calendar;
pub mod capacity;
pub mod concurrency;
pub mod gcra;
pub mod grant;
pub mod hold;
pub mod output;
pub mod quota;
pub mod reserve;
pub mod resync;

pub use bucket::{BUCKET_WORDS, Bucket, Held};
pub use calendar::{Calendar, Transition};
pub use capacity::Capacity;
pub(crate) use concurrency::RECHECK;
pub(crate) use gcra::Plain;
pub use hold::{Hold, HoldUntil};
pub use output::OutputLength;
pub use quota::{Kind, Quota, QuotaError};
pub(crate) use reserve::hold_all_in;
pub use reserve::{MAX_HOLDS, hold_all};
pub use resync::{Level, Report, Resynced};

use crate::units::Nanos;

/// A refusal that says when asking again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The same call passes at this instant if nobody else takes in between.
    ///
    /// For a concurrency limit it is a guess: nobody knows when a running request ends.
    NotUntil(Nanos),
    /// More than the limit itself: waiting cannot help.
    Never,
}

impl Denied {
    /// The refusal that lasts longer.
    #[must_use]
    pub fn or_later(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotUntil(a), Self::NotUntil(b)) => Self::NotUntil(Nanos(a.0.max(b.0))),
            _ => Self::Never,
        }
    }
}

/// Milliseconds fill 44 bits in 557 years, which leaves 20 bits of the word for something else and never wraps.
const MILLIS_BITS: u32 = 44;
const MILLIS_MAX: u64 = (1 << MILLIS_BITS) - 1;

/// The millisecond that contains `now`.
pub(crate) const fn millis(now: Nanos) -> u64 {
    let ms = now.0 / Nanos::from_millis(1).0;
    if ms > MILLIS_MAX { MILLIS_MAX } else { ms }
}

/// The first millisecond that starts at or after `instant`.
const fn millis_up(instant: Nanos) -> u64 {
    let ms = instant.0.div_ceil(Nanos::from_millis(1).0);
    if ms > MILLIS_MAX { MILLIS_MAX } else { ms }
}
