//! A lock per seat, which only the kernel can take from a living process.
//!
//! Open-file-description locks on single bytes of a file beside the segment: they belong to the open file and end with it,
//! whether it is closed or its process is killed. A stopped process keeps them.

use std::os::fd::RawFd;

use junctor_core::process::Keeper;
use memmap2::MmapRaw;

use crate::fork::Descriptor;

/// The locks of a segment, and the mapping that lasts as long.
pub struct Locks {
    descriptor: Descriptor,
    /// Unmapped when this is dropped.
    _mapping: MmapRaw,
}

impl Locks {
    pub const fn new(descriptor: Descriptor, mapping: MmapRaw) -> Self {
        Self { descriptor, _mapping: mapping }
    }
}

impl Keeper for Locks {
    fn hold(&self, seat: u8) -> bool {
        try_lock(self.descriptor.number(), seat)
    }

    fn let_go(&self, seat: u8) {
        unlock(self.descriptor.number(), seat);
    }

    fn lives(&self, seat: u8) -> bool {
        is_locked(self.descriptor.number(), seat)
    }
}

/// Takes the lock of a seat, if nobody has it.
pub fn try_lock(file: RawFd, seat: u8) -> bool {
    set(file, seat, libc::F_WRLCK)
}

fn unlock(file: RawFd, seat: u8) {
    set(file, seat, libc::F_UNLCK);
}

/// Whether somebody else has the lock of a seat. Takes none itself, not even for a moment.
fn is_locked(file: RawFd, seat: u8) -> bool {
    let mut lock = lock_of(seat, libc::F_WRLCK);
    // SAFETY: the call writes into one `flock` of ours; on a descriptor that is not open it fails.
    let asked = unsafe { libc::fcntl(file, libc::F_OFD_GETLK, &raw mut lock) } == 0;
    asked && i32::from(lock.l_type) != libc::F_UNLCK
}

fn lock_of(seat: u8, kind: i32) -> libc::flock {
    // SAFETY: all zero is a valid `flock`; Linux wants the process id of such a lock to be 0.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(kind).unwrap_or_default();
    lock.l_whence = i16::try_from(libc::SEEK_SET).unwrap_or_default();
    lock.l_start = i64::from(seat);
    lock.l_len = 1;
    lock
}

fn set(file: RawFd, seat: u8, kind: i32) -> bool {
    let lock = lock_of(seat, kind);
    // SAFETY: the call reads one `flock` and changes nothing of ours; on a descriptor that is not open it fails.
    unsafe { libc::fcntl(file, libc::F_OFD_SETLK, &raw const lock) == 0 }
}
