//! What a prompt says, as rows of a table: hashed words, pairs of words, character n-grams, a few marks, and what came
//! with it.
//!
//! A model that predicts quality inside a decision has microseconds, so no tokenizer and no embedding: each feature is one
//! multiplication away from its row. Every *distinct* word and pair counts once, and the n-grams of every distinct
//! word once: prompts repeat themselves, and what is said five times is hardly truer. So nothing is sorted or
//! counted, a small table of what was seen is all the memory, and it lies on the stack.
//!
//! Training calls this code through the binding and serving calls it in the walk: there is no second implementation
//! that could drift. Whatever changes a row of any request changes [`VERSION`], and artifacts of another are refused.
//!
//! Work is bounded: of a long prompt the beginning and the end are read ([`super::window`]).

use super::marks::Marks;
use super::outline::{Fields, Outline};
use super::window::window;

/// Names this extraction; artifacts carry it.
pub const VERSION: u8 = 2;
/// Longest word; what is longer continues as another one. Scripts without blanks are cut into such pieces.
const MAX_WORD: usize = 32;
/// Longest character n-gram: as many codes of `CODE_BITS` bits as a word of the machine holds.
pub const MAX_GRAM: u8 = 5;
/// Bits of a character's code: ASCII is itself, the rest is hashed.
const CODE_BITS: u32 = 12;
/// The code before and after each word.
const EDGE: u16 = 1;
/// Odd and without pattern: its high bits depend on all bits of what it is multiplied with.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Which features are made, and how many rows they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureSpec {
    /// The table has `2^bits` rows.
    pub bits: u8,
    /// Whether pairs of neighbouring words are features beside single words.
    pub pairs: bool,
    /// Shortest and longest character n-gram; 0 to 0 makes none.
    pub grams: (u8, u8),
    /// What is looked at beside the text.
    pub fields: Fields,
}

impl FeatureSpec {
    /// Fewest and most bits: a table of 2^18 rows has some megabytes.
    pub const BITS: std::ops::RangeInclusive<u8> = 8..=18;

    /// Whether such features can be made.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let (low, high) = self.grams;
        Self::BITS.contains(&self.bits) && ((low, high) == (0, 0) || (2 <= low && low <= high && high <= MAX_GRAM))
    }

    /// Rows of the table.
    #[must_use]
    pub const fn rows(&self) -> usize {
        1 << self.bits
    }
}

/// Kinds of features; each is normalised by itself, so that a long prompt's n-grams do not drown its marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Words and pairs of words.
    Words = 0,
    /// Character n-grams within words.
    Grams = 1,
    /// Length, layout, script and the like.
    Marks = 2,
    /// What came with the text, see [`Outline`].
    Outline = 3,
}

impl Block {
    /// How many there are.
    pub const COUNT: usize = 4;
}

/// Whoever takes features.
pub trait Sink {
    /// One feature of the prompt: a row, in a block. The same row may come more than once.
    fn add(&mut self, block: Block, row: u32);
}

/// Reads `text` and what came with it, and hands their features to `sink`, in the order of the text.
#[inline]
pub fn extract(text: &str, outline: &Outline, spec: &FeatureSpec, sink: &mut impl Sink) {
    let (head, tail) = window(text);
    let mut reader = Reader::new(*spec, sink);
    reader.read(head);
    reader.read(tail);
    let Reader { sink, marks, .. } = reader;
    marks.tell(text.len(), |mark| sink.add(Block::Marks, row(mark, Block::Marks, spec.bits)));
    outline.tell(spec.fields, |name| sink.add(Block::Outline, row(name, Block::Outline, spec.bits)));
}

/// The row of a feature.
#[inline]
fn row(key: u64, block: Block, bits: u8) -> u32 {
    let salted = (key ^ (block as u64) << 60).wrapping_mul(SPREAD);
    ((salted ^ salted >> 29).wrapping_mul(SPREAD) >> (64 - u32::from(bits))) as u32
}

/// Twice as many places as a window has bytes: hardly fuller than half at the worst.
const PLACES: usize = 2 * super::window::MAX_BYTES;

/// Words and pairs that were seen, as fingerprints.
struct Seen([u32; PLACES]);

impl Seen {
    /// Whether it is new. A full table has seen everything.
    #[inline]
    fn insert(&mut self, hash: u64) -> bool {
        let fingerprint = ((hash >> 32) as u32).max(1);
        let first = (hash.wrapping_mul(SPREAD) >> 32) as usize;
        for step in 0..PLACES {
            match self.0.get_mut((first + step) % PLACES) {
                Some(place) if *place == 0 => {
                    *place = fingerprint;
                    return true;
                }
                Some(place) if *place != fingerprint => {}
                _ => return false,
            }
        }
        false
    }
}

struct Reader<'s, S> {
    spec: FeatureSpec,
    sink: &'s mut S,
    seen: Seen,
    marks: Marks,
    /// Codes of the word under way, its edge first.
    word: [u16; MAX_WORD + 2],
    length: usize,
    hash: u64,
    previous: u64,
}

impl<'s, S: Sink> Reader<'s, S> {
    fn new(spec: FeatureSpec, sink: &'s mut S) -> Self {
        let word = [EDGE; MAX_WORD + 2];
        let seen = Seen([0; PLACES]);
        Self { spec, sink, seen, marks: Marks::default(), word, length: 0, hash: 0, previous: 0 }
    }

    fn read(&mut self, part: &str) {
        // Words on either side of a cut are no neighbours.
        self.previous = 0;
        for character in part.chars() {
            if self.marks.note(character) {
                self.extend(code(character));
            } else {
                self.end_word();
                if !character.is_whitespace() {
                    self.token(u64::from(code(character)).wrapping_mul(SPREAD));
                }
            }
        }
        self.end_word();
    }

    #[inline]
    fn extend(&mut self, code: u16) {
        if self.length == MAX_WORD {
            self.end_word();
        }
        self.length += 1;
        if let Some(place) = self.word.get_mut(self.length) {
            *place = code;
        }
        self.hash = (self.hash ^ u64::from(code)).wrapping_mul(SPREAD).rotate_left(23);
    }

    #[inline]
    fn end_word(&mut self) {
        if self.length == 0 {
            return;
        }
        let hash = self.hash.wrapping_mul(SPREAD);
        if self.token(hash) {
            self.grams();
        }
        (self.length, self.hash) = (0, 0);
    }

    /// A word or a sign, and the pair that it makes with the one before; whether it is new.
    #[inline]
    fn token(&mut self, hash: u64) -> bool {
        let new = self.seen.insert(hash);
        if new {
            self.add(Block::Words, hash);
        }
        if self.spec.pairs && self.previous != 0 {
            let pair = self.previous.rotate_left(17).wrapping_mul(SPREAD) ^ hash;
            if self.seen.insert(pair) {
                self.add(Block::Words, pair);
            }
        }
        self.previous = hash;
        new
    }

    #[inline]
    fn grams(&mut self) {
        let (low, high) = self.spec.grams;
        if high == 0 {
            return;
        }
        let end = self.length + 1;
        if let Some(edge) = self.word.get_mut(end) {
            *edge = EDGE;
        }
        let mut rolling = 0_u64;
        for place in 0..=end {
            let Some(&code) = self.word.get(place) else { return };
            rolling = rolling << CODE_BITS | u64::from(code);
            for length in low..=high.min(place as u8 + 1) {
                let gram = rolling & ((1 << (u32::from(length) * CODE_BITS)) - 1);
                self.add(Block::Grams, gram);
            }
        }
    }

    #[inline]
    fn add(&mut self, block: Block, key: u64) {
        self.sink.add(block, row(key, block, self.spec.bits));
    }
}

/// Twelve bits for a character, small letters for large ones.
#[inline]
fn code(character: char) -> u16 {
    if character.is_ascii() {
        return character.to_ascii_lowercase() as u16;
    }
    let small = character.to_lowercase().next().unwrap_or(character);
    0x800 | ((small as u32).wrapping_mul(0x9e37_79b1) >> 21) as u16
}
