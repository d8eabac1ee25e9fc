//! Attaching: from a place to a state in which this process sits.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use junctor_core::draw::identity;
use junctor_core::process::seats::SEATS;
use junctor_core::process::{Party, Seat};
use junctor_core::state::{Room, State};
use junctor_core::sync::AtomicU64;
use junctor_core::units::Nanos;
use memmap2::{MmapOptions, MmapRaw};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::file::{self, failed};
use crate::fork::{Descriptor, generation};
use crate::header::{HEADER_BYTES, Here, LAYOUT};
use crate::locks::{LATCH, Locks, try_lock, unlock};
use crate::{Attached, Place, Unshared, directory, monotonic};

/// Longest wait for the latch: only somebody who was stopped behind it takes longer.
const LATCH_WAIT: Nanos = Nanos::from_secs(2);
/// Longest readable part of a file's name.
const LABEL: usize = 40;

/// The state at `place` with room for fleets of this size, made if nobody has. This process sits in it.
///
/// # Errors
/// [`Unshared`]: then nothing has changed, and the caller keeps a state of its own.
pub fn attach(place: &Place, needed: Room) -> Result<Attached, Unshared> {
    directory::prepare(&place.directory)?;
    let here = file::here()?;
    let room = needed.twice();
    let usual = path(place, &here, None);
    let (path, file, header) = match file::open_or_make(&usual, &here, room)? {
        (file, header) if header.room.holds(needed) => (usual, file, header),
        // Outgrown: fleets of this size meet in a file of their own.
        _ => {
            let larger = path(place, &here, Some(room));
            let (file, header) = file::open_or_make(&larger, &here, room)?;
            (larger, file, header)
        }
    };
    let descriptor = locks_of(&file, &path)?;
    close_latch(&descriptor, &path)?;
    let number = free_seat(&descriptor, &path)?;
    let locks = descriptor.number();
    let seat = Seat::new(number, random(), generation());
    // Should anything fail before it is opened, the latch opens with the descriptor's end.
    let state = map(&file, &path, header.room, descriptor, Some(seat))?;
    state.take_seat(std::process::id(), monotonic() - Nanos(header.epoch));
    unlock(locks, LATCH);
    Ok(Attached { state, epoch: Nanos(header.epoch), path })
}

/// The state at `place`, to be looked at from outside: no seat is taken, no file made, no record claimed.
///
/// # Errors
/// [`Unshared`]; [`Unshared::Nobody`] if nobody has made it.
pub fn observe(place: &Place, needed: Room) -> Result<Attached, Unshared> {
    if place.directory.exists() {
        directory::prepare(&place.directory)?;
    }
    let here = file::here()?;
    let [usual, larger] = [None, Some(needed.twice())].map(|room| path(place, &here, room));
    let found = match file::open(&usual, &here)? {
        Some((file, header)) if header.room.holds(needed) => Some((usual.clone(), file, header)),
        // Outgrown: its workers have moved, or have not read the file yet that is looked through.
        other => match file::open(&larger, &here)? {
            Some((file, header)) => Some((larger, file, header)),
            None => other.map(|(file, header)| (usual.clone(), file, header)),
        },
    };
    let (path, file, header) = found.ok_or(Unshared::Nobody { path: usual })?;
    let state = map(&file, &path, header.room, locks_of(&file, &path)?, None)?;
    Ok(Attached { state, epoch: Nanos(header.epoch), path })
}

/// Waits for the latch, which others hold for moments only.
fn close_latch(locks: &Descriptor, path: &Path) -> Result<(), Unshared> {
    let begun = monotonic();
    while !try_lock(locks.number(), LATCH).map_err(failed(path, "locked"))? {
        if monotonic().since(begun) > LATCH_WAIT {
            return Err(failed(path, "locked")(std::io::Error::from(std::io::ErrorKind::TimedOut)));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The first seat whose lock is free, now held.
fn free_seat(locks: &Descriptor, path: &Path) -> Result<u8, Unshared> {
    for seat in (0..SEATS).filter_map(|seat| u8::try_from(seat).ok()) {
        if try_lock(locks.number(), seat.into()).map_err(failed(path, "locked"))? {
            return Ok(seat);
        }
    }
    Err(Unshared::Full { path: path.to_owned(), seats: SEATS })
}

/// The name says for people whose it is, and for us all that must be the same: another version, another start of the
/// machine or, for fleets that have outgrown the usual file, another size is another file.
fn path(place: &Place, here: &Here, room: Option<Room>) -> PathBuf {
    path_of(place, here, room, LAYOUT)
}

fn path_of(place: &Place, here: &Here, room: Option<Room>, layout: u64) -> PathBuf {
    let readable = |letter: char| if letter.is_ascii_alphanumeric() || ".-_".contains(letter) { letter } else { '-' };
    let letters: Vec<char> = place.fleet.chars().map(readable).collect();
    let label: String = letters.get(letters.len().saturating_sub(LABEL)..).into_iter().flatten().collect();
    let name = identity(&[&place.fleet, &layout.to_string(), &here.boot.to_string(), &format!("{room:?}")]);
    place.directory.join(format!("{}-{name:016x}.segment", label.trim_matches('-')))
}

/// The segment opened once more, for its locks. A mapping keeps the open file that it was made from, in a forked child too:
/// locks of that one would outlive their owner for as long as a child has the mapping.
fn locks_of(file: &File, path: &Path) -> Result<Descriptor, Unshared> {
    let again = file::again(file).map_err(failed(path, "opened"))?;
    let too_many = |_| failed(path, "opened")(std::io::Error::other("this process holds too many seats already"));
    Descriptor::new(again).map_err(too_many)
}

fn map(
    file: &File,
    path: &Path,
    room: Room,
    descriptor: Descriptor,
    seat: Option<Seat>,
) -> Result<Arc<State>, Unshared> {
    let count = State::shared_words_needed(room);
    let size = HEADER_BYTES + count * size_of::<u64>();
    let mapping: MmapRaw = MmapOptions::new().len(size).map_raw(file).map_err(failed(path, "mapped"))?;
    // SAFETY: the mapping has `size` bytes, begins at a page and is only ever accessed as atomic words, by all processes
    // alike; all bytes are valid words. The file has that size (checked) and room on its disk (allocated when made), is
    // never truncated by us, and nobody else may open it (owner and mode checked). The slice does not live for ever: the
    // state keeps the mapping, as its keeper, for as long as it keeps the slice, and lends it for no longer than itself.
    let words = unsafe {
        let first = mapping.as_mut_ptr().add(HEADER_BYTES).cast::<AtomicU64>();
        std::slice::from_raw_parts(first.cast_const(), count)
    };
    Ok(Arc::new(State::shared(words, room, Party { keeper: Box::new(Locks::new(descriptor, mapping)), seat })))
}

/// 64 bits that nobody else draws.
fn random() -> u64 {
    let mut bytes = [0; 8];
    // Before the kernel's pool is ready the time has to do: a name need only differ from its neighbours'.
    match getrandom(&mut bytes, GetRandomFlags::NONBLOCK) {
        Ok(8) => u64::from_ne_bytes(bytes),
        _ => junctor_core::draw::mix(monotonic().0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_and_another_boot_are_other_files() {
        let place = Place { directory: "/run".into(), fleet: "f".into() };
        let (here, later) = (Here { boot: 1, time_namespace: 1 }, Here { boot: 2, time_namespace: 1 });
        assert_eq!(path(&place, &here, None), path_of(&place, &here, None, LAYOUT));
        assert_ne!(path(&place, &here, None), path_of(&place, &here, None, LAYOUT + 1));
        assert_ne!(path(&place, &here, None), path(&place, &later, None));
    }
}
