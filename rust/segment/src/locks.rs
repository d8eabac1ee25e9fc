//! A lock per seat, which only the kernel can take from a living process.
//!
//! Open-file-description locks on single bytes of a file beside the segment: they belong to the open file and end with it,
//! whether it is closed or its process is killed. A stopped process keeps them.

use std::io;
use std::os::fd::RawFd;

use junctor_core::process::Keeper;
use junctor_core::process::seats::SEATS;
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
        // Where the system says nothing, nobody is taken for dead.
        try_lock(self.descriptor.number(), seat.into()).unwrap_or(false)
    }

    fn let_go(&self, seat: u8) {
        unlock(self.descriptor.number(), seat.into());
    }

    fn close_door(&self) -> bool {
        try_lock(self.descriptor.number(), DOOR).unwrap_or(false)
    }

    fn open_door(&self) {
        unlock(self.descriptor.number(), DOOR);
    }

    fn lives(&self, seat: u8) -> bool {
        is_locked(self.descriptor.number(), seat)
    }
}

/// The byte behind those of the seats.
pub const DOOR: i64 = SEATS as i64;

/// Takes the lock of a seat or of the door, if nobody has it.
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
