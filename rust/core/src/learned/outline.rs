//! What is known of a request without reading it: how many tools, images and turns it brings, what answer it wants.
//!
//! A question with twelve tools beside it is not the question alone, and no word of it says so. These figures are
//! columns of a table that training reads, and counted from the request when it is served; both hand them to the same
//! code. An artifact names the fields that its table had. The others are not looked at: nothing was learned of them, and
//! their rows belong to words.

/// Something that a request can bring beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Tools that may be called.
    Tools = 0,
    /// Images in all messages.
    Images = 1,
    /// Files and recordings in all messages.
    Files = 2,
    /// Messages of users; 1 where it is not said.
    Turns = 3,
    /// Characters of the system prompt.
    SystemChars = 4,
    /// 1 where the answer has to be JSON, whatever its schema.
    Structured = 5,
    /// The caller's bound on the answer; 0 where there is none.
    MaxTokens = 6,
}

impl Field {
    /// How many there are.
    pub const COUNT: usize = 7;
    /// All of them, in their order.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Tools, Self::Images, Self::Files, Self::Turns, Self::SystemChars, Self::Structured, Self::MaxTokens];

    /// The word for it: a column of tables, a keyword of the binding.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Images => "images",
            Self::Files => "files",
            Self::Turns => "turns",
            Self::SystemChars => "system_chars",
            Self::Structured => "structured",
            Self::MaxTokens => "max_tokens",
        }
    }

    /// What a request has that brings nothing.
    const fn plain(self) -> u32 {
        matches!(self, Self::Turns) as u32
    }
}

/// A set of fields: those that an artifact was trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u8);

impl Fields {
    /// None of them: text alone.
    pub const NONE: Self = Self(0);

    /// The set with these bits, one for each field in its order; `None` for a bit that is no field.
    #[must_use]
    pub const fn of_bits(bits: u8) -> Option<Self> {
        if bits >> Field::COUNT == 0 { Some(Self(bits)) } else { None }
    }

    /// Its bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set with the field called `word` in it; `None` if none is called so.
    #[must_use]
    pub fn with(self, word: &str) -> Option<Self> {
        let field = Field::ALL.into_iter().find(|field| field.name() == word)?;
        Some(Self(self.0 | 1 << field as u8))
    }

    /// The fields of the set.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(move |&field| self.0 >> field as u8 & 1 == 1)
    }
}

/// The figures of one request, one for each [`Field`] in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline(pub [u32; Field::COUNT]);

impl Outline {
    /// One turn and nothing else: what a text alone is.
    pub const PLAIN: Self = Self([0, 0, 0, Field::Turns.plain(), 0, 0, 0]);

    /// Names two things of each field of the set: the power of two that its figure has, and whether it is more than plain.
    /// As many for every request, so that none drowns another.
    #[inline]
    pub fn tell(&self, fields: Fields, mut tell: impl FnMut(u64)) {
        for (field, figure) in Field::ALL.into_iter().zip(self.0) {
            if fields.0 >> field as u8 & 1 == 1 {
                let kind = (field as u64) << 8;
                tell(kind | u64::from(u32::BITS - figure.leading_zeros()));
                tell(kind | 0x80 | u64::from(figure > field.plain()));
            }
        }
    }
}

impl Default for Outline {
    fn default() -> Self {
        Self::PLAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outline: &Outline, fields: Fields) -> Vec<u64> {
        let mut all = Vec::new();
        outline.tell(fields, |name| all.push(name));
        all
    }

    #[test]
    fn only_the_fields_of_the_set_are_told_and_each_by_its_size() {
        let both = Fields::NONE.with("tools").unwrap().with("turns").unwrap();
        assert_eq!(both.iter().map(Field::name).collect::<Vec<_>>(), ["tools", "turns"]);
        assert!(told(&Outline([9; Field::COUNT]), Fields::NONE).is_empty());
        assert_eq!(told(&Outline::PLAIN, both), [0, 0x80, 0x301, 0x380]);
        let mut busy = Outline::PLAIN;
        busy.0[Field::Tools as usize] = 12;
        busy.0[Field::Images as usize] = 3;
        assert_eq!(told(&busy, both), [4, 0x81, 0x301, 0x380]);
    }

    #[test]
    fn sets_are_bits_and_words() {
        assert_eq!(Fields::of_bits(0x7f).map(|all| all.iter().count()), Some(Field::COUNT));
        assert_eq!(Fields::of_bits(0x80), None);
        assert_eq!(Fields::NONE.with("temperature"), None);
        assert!(Field::ALL.into_iter().enumerate().all(|(place, field)| field as usize == place));
    }
}
