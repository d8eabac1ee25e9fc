//! Leases: one limit, many hosts.
//!
//! **Problem.** Hosts with the same keys must not admit more together than the provider allows one of them, and no
//! request may wait for a network to find out. Whoever coordinates them can be slow, gone, or back with an empty memory.
//!
//! **Choice.** A coordinator (a script on Redis or Valkey, `python/junctor/leases`) keeps the one true bucket of each
//! limit and *grants* every host a part of it ahead of time, for a term of [`LEASE`]: deducted when it is granted, so that
//! whatever hosts do with it cannot be too much. This module is the host's side as a calculator: what to report
//! ([`Desk::report`]), what an answer means ([`Desk::adopt`]), and what to do without one: a host that is cut off lives on
//! its *safe share*, nine tenths of the limit divided by the hosts it knows of ([`Desk::live_alone`]). The coordinator
//! charges a silent host with just that, from the moment its lease ended. All state that must outlive a process is in
//! the shared words ([`words`]); what a [`Desk`] remembers besides may be lost at any time, to the safe side.
//!
//! **Rejected.** Asking the coordinator per request: a round trip in front of each. Splitting the limit by the number of
//! hosts: four idle hosts of five would waste four fifths. Counting afterwards and throttling (gossip): over by hosts ×
//! delay.
//!
//! **Cost.** At most two seconds of a limit are in the hands of hosts that may not need them. A host that was quiet may wait
//! a quarter of a second for its first grant, and one that was cut off up to 2.5 s between its last grant and its
//! safe share: it waits until the coordinator surely counts it as cut off.

mod desk;
mod memo;
mod share;
pub mod words;

pub use desk::{Desk, Report, Turn};
pub use memo::FIELDS;
pub use share::Share;

use crate::units::Nanos;

/// How long a grant lasts.
pub const LEASE: Nanos = Nanos::from_secs(2);
/// Time between two reports.
pub const TICK: Nanos = Nanos::from_secs(1);
/// Time between two reports of a host that had to refuse somebody since the last one.
pub const HUNGRY_TICK: Nanos = Nanos::from_millis(250);
/// A report that the coordinator has not begun to read after this long must not be read at all: the fence that is sent
/// with it says so. It is also how long an answer is waited for.
pub const FENCE: Nanos = Nanos::from_millis(500);
/// The coordinator forgets a host that has been silent for this long, and no longer charges it.
pub const FORGET: Nanos = Nanos::from_secs(600);
/// The part of its even share that a host on its own may use, in tenths.
pub const SAFE_TENTHS: u64 = 9;
