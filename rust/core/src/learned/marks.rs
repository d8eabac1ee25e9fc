//! What can be told of a prompt without understanding a word of it: its length, layout and script.

/// Kinds of ASCII characters that are counted apart; 0 is all the others.
const KINDS: usize = 9;
/// Scripts that are told apart, besides the ASCII letters.
const SCRIPTS: usize = 8;
/// The kind of a new line.
const LINES: u8 = 1;
/// In a character's entry beside its kind: it is part of a word.
const IN_WORD: u8 = 0x80;

/// The kind of each ASCII character: a table, because every character of a prompt is looked up.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it: what would panic does not build")]
const KIND: [u8; 128] = {
    let mut kinds = [0; 128];
    let mut at = 0;
    while at < kinds.len() {
        kinds[at] = match at as u8 {
            b'\n' => LINES,
            b'0'..=b'9' => IN_WORD | 2,
            b'A'..=b'Z' => IN_WORD | 3,
            b'a'..=b'z' => IN_WORD,
            b'?' => 4,
            b'{' | b'}' | b';' | b'<' | b'>' | b'[' | b']' | b'`' | b'#' => 5,
            b'\\' | b'$' | b'^' | b'=' | b'+' | b'*' | b'/' | b'%' => 6,
            b'"' | b'\'' => 7,
            b'_' => 8,
            _ => 0,
        };
        at += 1;
    }
    kinds
};

/// Counts over the characters that were read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    kinds: [u32; KINDS],
    options: u32,
    scripts: [u32; SCRIPTS],
    line: Line,
}

/// How far into an option such as "B. …" or "(c) …" the line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Begins,
    Lettered,
    GoesOn,
}

impl Marks {
    /// One more character; whether it is part of a word.
    #[inline]
    pub fn note(&mut self, character: char) -> bool {
        if self.line != Line::GoesOn {
            self.begin_line(character);
        }
        let Some(&kind) = KIND.get(character as usize) else { return self.note_other(character) };
        if let Some(count) = self.kinds.get_mut(usize::from(kind & !IN_WORD)) {
            *count += 1;
        }
        if kind == LINES {
            self.line = Line::Begins;
        }
        kind & IN_WORD != 0
    }

    fn note_other(&mut self, character: char) -> bool {
        if let Some(count) = self.scripts.get_mut(script(character)) {
            *count += 1;
        }
        character.is_alphanumeric()
    }

    fn begin_line(&mut self, character: char) {
        self.line = match (self.line, character) {
            (Line::Begins, ' ' | '(' | '\n') => Line::Begins,
            (Line::Begins, letter) if letter.is_ascii_alphanumeric() => Line::Lettered,
            (Line::Lettered, '.' | ')' | ':') => {
                self.options += 1;
                Line::GoesOn
            }
            _ => Line::GoesOn,
        };
    }

    /// Names what was counted, for a text of `bytes` bytes: one mark per kind, by its size in powers of two.
    #[inline]
    pub fn tell(&self, bytes: usize, mut tell: impl FnMut(u64)) {
        // Beyond the window a text is long, however long.
        let bytes = bytes.min(super::window::MAX_BYTES + 1) as u32;
        // Half powers of two: lengths matter most.
        tell(named(0, half_powers(bytes)));
        let [_, lines, digits, capitals, questions, code, formula, quotes, blanks] = self.kinds;
        let counts = [lines, digits, capitals, questions, code, formula, quotes, blanks, self.options];
        (1..).zip(counts).for_each(|(kind, count)| tell(named(kind, powers(count))));
        let characters = self.kinds.iter().chain(&self.scripts).sum::<u32>().max(1);
        let shares = [digits, code + formula, capitals];
        (16..).zip(shares).for_each(|(kind, count)| tell(named(kind, powers(count * 256 / characters))));
        (32..).zip(self.scripts).filter(|(_, count)| *count > 0).for_each(|(kind, count)| {
            tell(named(kind, powers(count * 16 / characters)));
        });
    }
}

const fn named(kind: u64, size: u32) -> u64 {
    kind << 8 | size as u64
}

/// 0 for none, 1 for one, 2 for two or three, and so on.
const fn powers(count: u32) -> u32 {
    u32::BITS - count.leading_zeros()
}

const fn half_powers(count: u32) -> u32 {
    let power = powers(count);
    let upper = power > 1 && count >> (power - 2) & 1 == 1;
    2 * power + upper as u32
}

/// A coarse script: enough to know another language from another.
const fn script(character: char) -> usize {
    match character as u32 {
        0x80..=0x24f => 0,
        0x370..=0x3ff => 1,
        0x400..=0x52f => 2,
        0x590..=0x6ff => 3,
        0x900..=0xdff => 4,
        0x3040..=0x30ff | 0xac00..=0xd7af => 5,
        0x3400..=0x9fff => 6,
        _ => 7,
    }
}
