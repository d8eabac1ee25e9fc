//! Why a state is not shared.

use std::io;
use std::path::PathBuf;

use crate::header::Mismatch;

/// Why this process keeps a state of its own. Each says what to do about it; none is ever fatal.
#[derive(Debug, thiserror::Error)]
pub enum Unshared {
    /// The system lacks what it takes.
    #[error("sharing state between processes needs Linux; on this system each process keeps its own")]
    System,
    /// The runtime directory cannot be used.
    #[error("the runtime directory {} {problem}; name another in JUNCTOR_RUNTIME_DIR", path.display())]
    Directory {
        /// It.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file cannot be made or opened.
    #[error("{} cannot be {verb}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// The file is not one that we would have made.
    #[error("{} is not a segment of this fleet: {mismatch}; it is left alone, remove it when no worker runs", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        mismatch: Mismatch,
    },
    /// Every seat is taken.
    #[error("all {seats} seats of {} are taken by other processes", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// How many there are.
        seats: usize,
    },
    /// Nobody has made the segment.
    #[error("no process has opened this fleet: {} does not exist", path.display())]
    Nobody {
        /// The file.
        path: PathBuf,
    },
}
