//! One truth per host: the state of junctor's core in a file that all processes of a host map together.
//!
//! **Problem.** Every worker process with limits of its own multiplies the limits by the number of workers, and their
//! breakers disagree. A server that keeps the truth costs a round trip for each decision, and is one more thing to fail.
//!
//! **Choice.** A file of atomic words, mapped by everybody who names the same fleet. The words and what they mean are the
//! core's ([`junctor_core::state`], [`junctor_core::process`]); this crate finds the file, makes it, distrusts it, maps it,
//! and asks the kernel who lives. It contains all the `unsafe` code that the state needs.
//!
//! The file appears whole or not at all: it is written under a name of its own and linked to the final one, and whoever
//! comes second maps the winner's. It is never grown, truncated or repaired. Anything about it that is not as expected is
//! a reason to leave it alone and go on with a private state: see [`Unshared`].
//!
//! **Rejected.** `shm_open` and semaphores: a semaphore held by a killed process is never released. `flock`: one lock per
//! file, where each seat needs one. POSIX record locks: closing any descriptor of the file drops them all.
//!
//! **Cost.** Linux only. Somebody who may write to the user's runtime directory can truncate the file under its users,
//! and a truncated mapping kills whoever reads it: the directory's owner and mode are checked for that reason.

#![deny(unsafe_op_in_unsafe_fn)]

pub mod header;
mod unshared;

#[cfg(target_os = "linux")]
mod attach;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod directory;
#[cfg(target_os = "linux")]
mod file;
#[cfg(target_os = "linux")]
mod fork;
#[cfg(target_os = "linux")]
mod locks;
#[cfg(not(target_os = "linux"))]
mod unsupported;

#[cfg(target_os = "linux")]
pub use self::attach::{attach, observe};
#[cfg(target_os = "linux")]
pub use self::clock::monotonic;
#[cfg(target_os = "linux")]
pub use self::directory::user;
#[cfg(target_os = "linux")]
pub use self::fork::generation;
pub use self::unshared::Unshared;
#[cfg(not(target_os = "linux"))]
pub use self::unsupported::{attach, generation, monotonic, observe, user};

use std::path::PathBuf;
use std::sync::Arc;

use junctor_core::state::State;
use junctor_core::units::Nanos;

/// Which segment: processes that give the same place share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The runtime directory; made if it is not there.
    pub directory: PathBuf,
    /// What the fleet is called; any text, the same for all that share.
    pub fleet: String,
}

/// A state that is shared.
pub struct Attached {
    /// The state; this process sits in it until it is dropped.
    pub state: Arc<State>,
    /// The machine's monotonic time at the zero of the state's clock.
    pub epoch: Nanos,
    /// The file.
    pub path: PathBuf,
}
