//! A lock per seat, which only the kernel can take from a living process.
//!
//! Open-file-description locks on single bytes of the segment's own file: they belong to the open file and end with it,
//! whether it is closed or its process is killed. A stopped process keeps them.
//!
//! **Rejected.** A file of locks beside the segment: if only that one is removed, by a cleaner or by hand, whoever comes next
//! finds every lock free and takes the living for dead.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use junctor_core::process::Keeper;
use junctor_core::process::seats::SEATS;
use memmap2::MmapRaw;

use crate::fork::Descriptor;

/// The locks of a segment, and the mapping that lasts as long.
pub struct Locks {
    descriptor: Descriptor,
    /// Threads of one process have the lock together, because they have the open file together: only one clears seats.
    clearing: AtomicBool,
    /// Unmapped when this is dropped.
    _mapping: MmapRaw,
}

impl Locks {
    pub const fn new(descriptor: Descriptor, mapping: MmapRaw) -> Self {
        Self { descriptor, clearing: AtomicBool::new(false), _mapping: mapping }
    }
}

impl Keeper for Locks {
    fn hold(&self, seat: u8) -> bool {
        if self.clearing.swap(true, Ordering::Acquire) {
            return false;
        }
        // Where the system says nothing, nobody is taken for dead.
        let held = try_lock(self.descriptor.number(), seat.into()).unwrap_or(false);
        if !held {
            self.clearing.store(false, Ordering::Release);
        }
        held
    }

    fn let_go(&self, seat: u8) {
        unlock(self.descriptor.number(), seat.into());
        self.clearing.store(false, Ordering::Release);
    }

    fn close_latch(&self) -> bool {
        try_lock(self.descriptor.number(), LATCH).unwrap_or(false)
    }

    fn open_latch(&self) {
        unlock(self.descriptor.number(), LATCH);
    }

    fn lives(&self, seat: u8) -> bool {
        is_locked(self.descriptor.number(), seat)
    }

    fn is_found(&self) -> bool {
        self.descriptor.is_found()
    }
}

/// The byte behind those of the seats.
pub const LATCH: i64 = SEATS as i64;

/// Takes the lock of a seat or of the latch, if nobody has it.
///
/// # Errors
/// What the system says if it has no such locks.
pub fn try_lock(file: RawFd, byte: i64) -> io::Result<bool> {
    match set(file, byte, libc::F_WRLCK) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Frees a lock. Should that fail, it ends with this process.
pub fn unlock(file: RawFd, byte: i64) {
    let _ = set(file, byte, libc::F_UNLCK);
}

/// Whether somebody else has the lock of a seat. Takes none itself, not even for a moment.
fn is_locked(file: RawFd, seat: u8) -> bool {
    let mut lock = lock_of(seat.into(), libc::F_WRLCK);
    // SAFETY: the call writes into one `flock` of ours; on a descriptor that is not open it fails.
    let failed = unsafe { libc::fcntl(file, libc::F_OFD_GETLK, &raw mut lock) != 0 };
    // Where the system says nothing, nobody is taken for dead.
    failed || i32::from(lock.l_type) != libc::F_UNLCK
}

fn lock_of(byte: i64, kind: i32) -> libc::flock {
    // SAFETY: all zero is a valid `flock`; Linux wants the process id of such a lock to be 0.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(kind).unwrap_or_default();
    lock.l_whence = i16::try_from(libc::SEEK_SET).unwrap_or_default();
    lock.l_start = byte;
    lock.l_len = 1;
    lock
}

fn set(file: RawFd, byte: i64, kind: i32) -> io::Result<()> {
    let lock = lock_of(byte, kind);
    // SAFETY: the call reads one `flock` and changes nothing of ours; on a descriptor that is not open it fails.
    let done = unsafe { libc::fcntl(file, libc::F_OFD_SETLK, &raw const lock) == 0 };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use memmap2::MmapOptions;

    use super::*;

    fn locks(path: &std::path::Path) -> Locks {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).unwrap();
        file.set_len(4_096).unwrap();
        let mapping = MmapOptions::new().len(4_096).map_raw(&file).unwrap();
        Locks::new(Descriptor::new(file).unwrap_or_else(|_| panic!("no place for a descriptor")), mapping)
    }

    #[test]
    fn a_seat_is_held_by_one_process_and_there_by_one_thread() {
        let path = std::env::temp_dir().join(format!("junctor-test-locks-{}", std::process::id()));
        let (ours, theirs) = (locks(&path), locks(&path));
        assert!(ours.hold(5));
        assert!(!ours.hold(5), "another thread of ours, which has the same open file");
        assert!(!theirs.hold(5), "another process, which has an open file of its own");
        assert!(theirs.hold(6));
        theirs.let_go(6);
        ours.let_go(5);
        assert!(theirs.hold(5));
        drop(theirs);
        assert!(ours.hold(5), "a lock ends with its open file");
        drop(ours);
        std::fs::remove_file(path).unwrap();
    }
}
