//! Why a set of rules cannot be compiled, and the limits it then broke.
//!
//! Rules come from a file that somebody wrote, perhaps with a program. Every dimension in which such a file can blow up
//! has a bound here, with the reason beside its value, so that the worst config costs a message and not the memory.

/// Longest value or prefix a rule may name, and longest value that is looked up as a whole.
///
/// A longer value in a request can then equal none that a rule names, so it is never hashed, only compared with the
/// prefixes: a tag of a megabyte costs as much as one of four kilobytes.
pub const MAX_TEXT_BYTES: usize = 4096;

/// Most alternatives one rule may unfold into: one word of a bitmap.
pub const MAX_ROWS_PER_RULE: usize = 64;

/// Deepest nesting of all, any and not around one condition. What people write by hand has three.
pub const MAX_DEPTH: usize = 8;

/// Most attributes that the rules of one set may ask about. Every match asks the request for each of them.
pub const MAX_ATTRIBUTES: usize = 48;

/// Most alternatives of all rules together: 10,000 rules of six.
pub const MAX_ROWS: usize = 65_536;

/// Most memory for the bitmaps of one set. Ten thousand rules on distinct values need about 1 MiB, ten thousand
/// distinct ranges of one number about 25.
pub const MAX_INDEX_BYTES: usize = 128 << 20;

/// A set of rules that cannot be compiled.
///
/// ```
/// # use junctor_core::rules::{Predicate, RuleSet};
/// let long = Predicate::Prefix { attribute: "team".into(), prefix: "x".repeat(5000) };
/// let error = RuleSet::compile(&[Predicate::Always, long]).unwrap_err();
/// assert_eq!(error.rule(), Some(1));
/// assert_eq!(
///     error.to_string(),
///     "rule 1: a text for attribute \"team\" has 5000 bytes, allowed are 0 to 4096; match on a prefix of it"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A rule's all, any and not are nested too deep.
    #[error(
        "rule {rule}: conditions are nested {depth} deep, allowed are 0 to {MAX_DEPTH}; \
         join an all inside an all, an any inside an any"
    )]
    TooDeep {
        /// Index of the rule.
        rule: usize,
        /// Levels of all, any and not.
        depth: usize,
    },
    /// A value or prefix is too long.
    #[error(
        "rule {rule}: a text for attribute {attribute:?} has {bytes} bytes, allowed are 0 to {MAX_TEXT_BYTES}; \
         match on a prefix of it"
    )]
    TextTooLong {
        /// Index of the rule.
        rule: usize,
        /// The attribute it is compared with.
        attribute: String,
        /// Its length.
        bytes: usize,
    },
    /// The rules up to this one ask about too many attributes.
    #[error(
        "rule {rule}: with attribute {attribute:?} the rules ask about {count} attributes, \
         allowed are 0 to {MAX_ATTRIBUTES}; fold rare ones into one tag"
    )]
    TooManyAttributes {
        /// Index of the rule.
        rule: usize,
        /// The attribute that is one too many.
        attribute: String,
        /// How many there are with it.
        count: usize,
    },
    /// A rule unfolds into too many alternatives.
    #[error(
        "rule {rule}: its condition unfolds into up to {rows} alternatives, allowed are 0 to {MAX_ROWS_PER_RULE}; \
         split it into several rules, or list the values of one attribute in one condition"
    )]
    TooManyRows {
        /// Index of the rule.
        rule: usize,
        /// Alternatives before any of them were joined.
        rows: u64,
    },
    /// The rules up to this one unfold into too many alternatives together.
    #[error(
        "rule {rule}: with it the rules unfold into {rows} alternatives, allowed are 0 to {MAX_ROWS}; \
         use fewer rules or fewer any"
    )]
    TooManyRowsInAll {
        /// Index of the rule.
        rule: usize,
        /// Alternatives of this and the rules before it.
        rows: usize,
    },
    /// The bitmaps need too much memory.
    #[error(
        "the rules need more than {MAX_INDEX_BYTES} bytes of bitmaps; \
         use fewer distinct ranges of numbers, or fewer values negated by not"
    )]
    TooLarge,
}

impl RuleError {
    /// Index of the rule that broke the limit, `None` if only the whole set did.
    #[must_use]
    pub const fn rule(&self) -> Option<usize> {
        match self {
            Self::TooDeep { rule, .. }
            | Self::TextTooLong { rule, .. }
            | Self::TooManyAttributes { rule, .. }
            | Self::TooManyRows { rule, .. }
            | Self::TooManyRowsInAll { rule, .. } => Some(*rule),
            Self::TooLarge => None,
        }
    }
}
