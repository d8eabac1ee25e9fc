//! Forks: a child must neither sit at its parent's seat nor keep it taken.
//!
//! **Problem.** A forked child has its parent's memory and descriptors. The lock that proves the parent alive belongs to
//! the open file that both now share: while the child keeps it open, the parent cannot be found dead.
//!
//! **Choice.** A handler that runs in every child of `fork`, whoever called it: it raises the generation by which states
//! know that they are a parent's, and closes the descriptors that hold seats. It only stores to atomics and closes, both
//! of which are safe there. A child that goes on to run another program closes them by itself (`O_CLOEXEC`).
//!
//! **Rejected.** Comparing process ids for each decision: a system call. Python's own hooks: a fork from C does not run
//! them.
//!
//! **Cost.** A bound of 1,024 seats that one process may hold at a time, in as many routers.

use std::fs::File;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

const HELD: usize = 1_024;
const NONE: i32 = -1;

static GENERATION: AtomicU64 = AtomicU64::new(1);
static DESCRIPTORS: [AtomicI32; HELD] = [const { AtomicI32::new(NONE) }; HELD];

/// A number that every fork raises in the child.
#[must_use]
pub fn generation() -> &'static AtomicU64 {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler is a function of this library, which is never unloaded, and only does what is safe after
        // a fork of a program with threads. Without memory for it the call fails, and then only forks go unnoticed.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    &GENERATION
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
    for place in &DESCRIPTORS {
        let descriptor = place.swap(NONE, Ordering::AcqRel);
        if descriptor != NONE {
            // SAFETY: the number was registered by `Descriptor::new`, whose owner closes it only after taking it out.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// An open file that children of this process do not keep.
pub struct Descriptor {
    place: &'static AtomicI32,
    number: RawFd,
    /// The generation that opened it: a child may have the same number at the same place, for a file of its own.
    born: u64,
    /// Device and inode: a program that closes all its descriptors may have given the number to a file of its own.
    file: Option<(u64, u64)>,
}

impl Descriptor {
    /// Takes charge of `file`; gives it back if this process holds too many already.
    pub fn new(file: File) -> Result<Self, File> {
        let which = file.metadata().ok().map(|found| (found.dev(), found.ino()));
        let born = generation().load(Ordering::Acquire);
        let number = file.into_raw_fd();
        let take =
            |place: &&AtomicI32| place.compare_exchange(NONE, number, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        match DESCRIPTORS.iter().find(take) {
            Some(place) => Ok(Self { place, number, born, file: which }),
            // SAFETY: the number comes from `into_raw_fd` above and nobody else has seen it.
            None => Err(unsafe { File::from_raw_fd(number) }),
        }
    }

    /// Its number. In a forked child it may be closed already; then system calls on it fail or, if the child has opened
    /// something since, would reach that: whoever asks must know that it is not in such a child.
    pub const fn number(&self) -> RawFd {
        self.number
    }

    /// Whether the number is still this file's, and the file has a name by which others find it.
    pub fn is_found(&self) -> bool {
        self.links().is_some_and(|links| links > 0)
    }

    /// How many names the file has left, if the number is still this file's.
    fn links(&self) -> Option<u64> {
        // SAFETY: should the number have been closed or be another file's, the answer is an error or about that file, and
        // is not believed.
        let file = unsafe { BorrowedFd::borrow_raw(self.number) };
        let found = rustix::fs::fstat(file).ok()?;
        (self.file == Some((found.st_dev, found.st_ino))).then_some(found.st_nlink)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // Only who takes the number out closes it: in a forked child the handler has. And only if it is still this file's.
        let is_ours = self.links().is_some();
        if generation().load(Ordering::Acquire) == self.born
            && self.place.compare_exchange(self.number, NONE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
            && is_ours
        {
            // SAFETY: the number was ours alone, and is closed once.
            drop(unsafe { File::from_raw_fd(self.number) });
        }
    }
}
