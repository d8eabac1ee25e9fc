//! Attaching: from a place to a state in which this process sits.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
use crate::header::{HEADER_BYTES, Header};
use crate::locks::{Locks, try_lock};
use crate::{Attached, Place, Unshared, directory, monotonic};

/// Longest readable part of a file's name.
const LABEL: usize = 40;

/// The state at `place` with room for fleets of this size, made if nobody has. This process sits in it.
///
/// # Errors
/// [`Unshared`]: then nothing has changed, and the caller keeps a state of its own.
pub fn attach(place: &Place, room: Room) -> Result<Attached, Unshared> {
    directory::prepare(&place.directory)?;
    let expected = file::expected(room)?;
    let path = path(place, &expected);
    let (file, epoch) = file::open_or_make(&path, &expected)?;
    let descriptor = locks_of(&path, true)?;
    let seats = (0..SEATS).filter_map(|seat| u8::try_from(seat).ok());
    let number = seats.into_iter().find(|&seat| try_lock(descriptor.number(), seat));
    let number = number.ok_or_else(|| Unshared::Full { path: path.clone(), seats: SEATS })?;
    let seat = Seat::new(number, random(), generation());
    let state = map(&file, &path, room, descriptor, Some(seat))?;
    state.take_seat(std::process::id(), monotonic() - Nanos(epoch));
    Ok(Attached { state, epoch: Nanos(epoch), path })
}

/// The state at `place`, to be looked at from outside: no seat is taken, no file made, no record claimed.
///
/// # Errors
/// [`Unshared`]; [`Unshared::Nobody`] if nobody has made it.
pub fn observe(place: &Place, room: Room) -> Result<Attached, Unshared> {
    if place.directory.exists() {
        directory::prepare(&place.directory)?;
    }
    let expected = file::expected(room)?;
    let path = path(place, &expected);
    let (file, epoch) = file::open(&path, &expected)?.ok_or_else(|| Unshared::Nobody { path: path.clone() })?;
    let state = map(&file, &path, room, locks_of(&path, false)?, None)?;
    Ok(Attached { state, epoch: Nanos(epoch), path })
}

/// The name says for people whose it is, and for us all that must be the same: another size of fleet, another version or
/// another start of the machine is another file.
fn path(place: &Place, expected: &Header) -> PathBuf {
    let readable = |letter: char| if letter.is_ascii_alphanumeric() || ".-_".contains(letter) { letter } else { '-' };
    let letters: Vec<char> = place.fleet.chars().map(readable).collect();
    let label: String = letters.get(letters.len().saturating_sub(LABEL)..).into_iter().flatten().collect();
    let Room { deployments, buckets, groups, lengths } = expected.room;
    let shape = format!("{deployments}.{buckets}.{groups}.{lengths}.{}", crate::header::LAYOUT);
    let name = identity(&[&place.fleet, &shape, &expected.boot.to_string()]);
    place.directory.join(format!("{}-{name:016x}.segment", label.trim_matches('-')))
}

/// The file of locks beside a segment.
fn locks_of(path: &Path, make: bool) -> Result<Descriptor, Unshared> {
    let path = path.with_extension("seats");
    let file = file::open_ours(&path, make)?.ok_or_else(|| Unshared::Nobody { path: path.clone() })?;
    let too_many = |_| failed(&path, "opened")(std::io::Error::other("this process holds too many seats already"));
    Descriptor::new(file).map_err(too_many)
}

fn map(
    file: &File,
    path: &Path,
    room: Room,
    descriptor: Descriptor,
    seat: Option<Seat>,
) -> Result<Arc<State>, Unshared> {
    let count = file::words(room);
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
