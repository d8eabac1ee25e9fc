//! A quick, fixed hash for looking a value up among those that the rules name.
//!
//! std's SipHash costs more than the rest of a match, and its random keys would need entropy, which the core does not
//! have. What keyed hashing protects from is a table filled with colliding keys by an adversary; here only the
//! operator's config fills the table. A request merely looks up: a value chosen to collide walks one probe sequence
//! through keys that do not grow with traffic, then is compared with keys of the same tag, and longer values than
//! [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES) are not hashed at all.
//!
//! Eight bytes at a time are XORed in and multiplied to 128 bits, which are folded to 64, so that a difference in any byte
//! reaches both ends (FxHash keeps the low half only, and texts that differ in their eighth byte collide). The end is
//! mixed, because the table takes its position from the low bits and its tag from the high ones. Not for anything that
//! is stored or sent.

use std::hash::{BuildHasherDefault, Hasher};

use crate::draw::mix;

/// Builds the hasher of a value table.
pub(crate) type BuildValueHasher = BuildHasherDefault<ValueHasher>;

#[derive(Default)]
pub(crate) struct ValueHasher(u64);

/// An odd number with its bits spread evenly: the golden ratio in binary.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl ValueHasher {
    #[inline]
    fn add(&mut self, word: u64) {
        let product = u128::from(self.0.rotate_left(5) ^ word) * u128::from(SPREAD);
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }
}

impl Hasher for ValueHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
            self.add(u64::from_le_bytes(*chunk));
            rest = after;
        }
        let tail = rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        // The length tells "a" from "a\0".
        self.add(tail ^ (bytes.len() as u64) << 56);
    }

    #[inline]
    fn write_u8(&mut self, _end: u8) {
        // The mark that str puts after its bytes; the length has done its work.
    }

    #[inline]
    fn finish(&self) -> u64 {
        mix(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;

    fn hash(text: &str) -> u64 {
        BuildValueHasher::default().hash_one(text)
    }

    #[test]
    fn close_texts_differ_in_both_ends_of_the_hash() {
        let texts: Vec<String> = (0..10_000).map(|n| format!("tenant-{n}")).collect();
        let low: HashSet<u64> = texts.iter().map(|text| hash(text) & 0xf_ffff).collect();
        let high: HashSet<u64> = texts.iter().map(|text| hash(text) >> 57).collect();
        assert!(low.len() > 9_900, "{}", low.len());
        assert_eq!(high.len(), 128);
    }

    #[test]
    fn length_and_order_matter() {
        let texts =
            ["", "\0", "a", "a\0", "ab", "ba", "abcdefgh", "abcdefgh\0", "abcdefghabcdefgi", "abcdefgiabcdefgh"];
        let hashes: HashSet<u64> = texts.iter().map(|text| hash(text)).collect();
        assert_eq!(hashes.len(), texts.len());
    }
}
