//! The first page of a segment: what must be the same for everybody who maps it.
//!
//! A pure function of bytes, because the bytes may be anything: whatever is not exactly as this build would write it is
//! a [`Mismatch`], and then nothing else of the file is looked at.

use junctor_core::state::{Room, State};

/// Bytes before the words: a page, so that the words begin at one.
pub const HEADER_BYTES: usize = 4_096;

/// What the words mean. Changed with every change of their layout, so that two versions never share a file.
pub const LAYOUT: u64 = 2;

const MAGIC: u64 = u64::from_le_bytes(*b"junctor\0");
/// Magic, layout, size, boot (2), clock's zero, time namespace, room (4), checksum.
const FIELDS: usize = 12;

/// The most records of a kind: what a cell can name is far above it, and a fleet far below.
const MOST: u64 = 1 << 20;

/// Where a segment means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Here {
    /// The boot of the machine.
    pub boot: u128,
    /// The time namespace; clocks of another one may be offset.
    pub time_namespace: u64,
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many records there is room for.
    pub room: Room,
    /// Where it was made.
    pub here: Here,
    /// The monotonic clock at the zero of the state's, in nanoseconds.
    pub epoch: u64,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Another kind of file.
    #[error("it is not a regular file")]
    Kind,
    /// Somebody else's.
    #[error("it belongs to user {0}")]
    Owner(u32),
    /// Open to others.
    #[error("its mode is {0:o}; expected 600")]
    Mode(u32),
    /// Another size than its header says.
    #[error("it has {0} bytes; expected {1}")]
    Size(u64, u64),
    /// No segment at all.
    #[error("it does not begin like a segment")]
    Magic,
    /// Made by another version.
    #[error("it has layout {0}; this version has {LAYOUT}")]
    Layout(u64),
    /// Made before the machine was started.
    #[error("it was made before this machine was started, or on another one")]
    Boot,
    /// Made where clocks run differently.
    #[error("it was made in another time namespace")]
    TimeNamespace,
    /// Its room is none that we would make, or does not fit its size.
    #[error("its room makes no sense")]
    Room,
    /// Changed after it was made.
    #[error("its checksum is wrong")]
    Checksum,
}

impl Header {
    /// Bytes of the whole file.
    #[must_use]
    pub const fn file_bytes(room: Room) -> u64 {
        (HEADER_BYTES + State::shared_words_needed(room) * size_of::<u64>()) as u64
    }

    /// As the file begins.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        for (place, field) in bytes.chunks_exact_mut(8).zip(self.fields()) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    fn fields(&self) -> [u64; FIELDS] {
        let Room { deployments, buckets, groups, lengths } = self.room;
        let [low, high] = [self.here.boot as u64, (self.here.boot >> 64) as u64];
        let mut fields = [
            MAGIC,
            LAYOUT,
            Self::file_bytes(self.room),
            low,
            high,
            self.epoch,
            self.here.time_namespace,
            deployments as u64,
            buckets as u64,
            groups as u64,
            lengths as u64,
            0,
        ];
        fields[FIELDS - 1] = checksum(&fields[..FIELDS - 1]);
        fields
    }

    /// What a file with these first bytes says, if it was made here and by this version.
    ///
    /// # Errors
    /// The first thing that is not as it should be.
    pub fn read(bytes: &[u8], here: &Here) -> Result<Self, Mismatch> {
        let mut found = [0; FIELDS];
        let fields = bytes.get(..FIELDS * 8).ok_or(Mismatch::Magic)?.chunks_exact(8);
        for (field, bytes) in found.iter_mut().zip(fields) {
            *field = bytes.try_into().map(u64::from_le_bytes).map_err(|_| Mismatch::Magic)?;
        }
        let [magic, layout, size, low, high, epoch, time_namespace, .., sum] = found;
        let [.., deployments, buckets, groups, lengths, _] = found.map(|count| count.min(MOST + 1) as usize);
        let room = Room { deployments, buckets, groups, lengths };
        let found_at = Here { boot: u128::from(high) << 64 | u128::from(low), time_namespace };
        let sane = [deployments, buckets, groups, lengths].iter().all(|&count| count <= MOST as usize);
        let checks = [
            (magic == MAGIC, Mismatch::Magic),
            (layout == LAYOUT, Mismatch::Layout(layout)),
            (checksum(&found[..FIELDS - 1]) == sum, Mismatch::Checksum),
            (found_at.boot == here.boot, Mismatch::Boot),
            (found_at.time_namespace == here.time_namespace, Mismatch::TimeNamespace),
            (sane && size == Self::file_bytes(room), Mismatch::Room),
        ];
        match checks.into_iter().find(|(right, _)| !right) {
            Some((_, mismatch)) => Err(mismatch),
            None => Ok(Self { room, here: found_at, epoch }),
        }
    }
}

/// FNV-1a over the words, mixed: finds damage, not malice.
fn checksum(fields: &[u64]) -> u64 {
    let bytes = fields.iter().flat_map(|field| field.to_le_bytes());
    junctor_core::draw::mix(
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: Room = Room { deployments: 64, buckets: 64, groups: 128, lengths: 64 };
    const HERE: Here = Here { boot: 7 << 70 | 5, time_namespace: 4_026_531_834 };
    const HEADER: Header = Header { room: ROOM, here: HERE, epoch: 99 };

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(Header::read(&HEADER.to_bytes(), &HERE), Ok(HEADER));
    }

    #[test]
    fn each_difference_is_named() {
        let read = |header: Header| Header::read(&header.to_bytes(), &HERE).unwrap_err();
        assert_eq!(read(Header { here: Here { boot: 6, ..HERE }, ..HEADER }), Mismatch::Boot);
        assert_eq!(read(Header { here: Here { time_namespace: 1, ..HERE }, ..HEADER }), Mismatch::TimeNamespace);
        assert_eq!(read(Header { room: Room { groups: 1 << 21, ..ROOM }, ..HEADER }), Mismatch::Room);
        let mut bytes = HEADER.to_bytes();
        bytes[8] = 9;
        assert_eq!(Header::read(&bytes, &HERE), Err(Mismatch::Layout(9)));
        bytes = HEADER.to_bytes();
        bytes[40] ^= 1;
        assert_eq!(Header::read(&bytes, &HERE), Err(Mismatch::Checksum));
        for nothing in [&[][..], &[0; 11], &[0; HEADER_BYTES], &[0xff; HEADER_BYTES]] {
            assert_eq!(Header::read(nothing, &HERE), Err(Mismatch::Magic));
        }
    }

    proptest! {
        #[test]
        fn any_other_bytes_are_refused(
            flips in prop::collection::vec((0..FIELDS * 8, 1..=255_u8), 1..6),
            cut in prop::option::of(0..FIELDS * 8),
        ) {
            let mut bytes = HEADER.to_bytes().to_vec();
            flips.iter().for_each(|&(at, mask)| bytes[at] ^= mask);
            bytes.truncate(cut.unwrap_or(HEADER_BYTES));
            let unchanged = bytes.get(..FIELDS * 8) == Some(&HEADER.to_bytes()[..FIELDS * 8]);
            prop_assert_eq!(Header::read(&bytes, &HERE).is_ok(), unchanged);
        }
    }
}
