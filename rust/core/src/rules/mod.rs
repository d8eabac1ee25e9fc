//! What did the operator ask for: ordered rules, first match wins, in a time that does not grow with their number.
//!
//! **Problem.** A list of rules walked one by one costs more with every rule, most of all for the request that only
//! the last rule wants; people answer by keeping their rules few, and by writing code where a rule would have done.
//!
//! **Choice.** [`RuleSet::compile`] turns the rules around. Each thing a rule may ask about (an attribute, a number, a
//! flag) is an *axis*; the values on it that no rule tells apart form one *class*. A rule becomes a few *rows*, each
//! a set of accepted classes per axis, and each class knows as a bitmap which rows accept it. To match is to find one
//! class per axis, AND the bitmaps and take the lowest bit. A summary bit per 64 rows skips the empty stretches, and
//! rules that ask about the same axes are kept together, so that silence on an axis does not fill the bitmaps.
//!
//! **Rejected.** Walking the rules (linear; kept as [`Predicate::matches`], the oracle of the tests). A decision tree
//! or diagram (can explode, and how fast it is depends on the order of the axes). Regular expressions and embedded
//! code (unbounded time, no way to prove a rule unreachable, and a config that must be trusted).
//!
//! **Cost.** A match is one hash or binary search per axis, then one AND per axis for each stretch of 64 rows that the
//! summaries leave over; no allocation, no recursion, no lock. In the worst case (many axes, each accepting much, and
//! hardly anything accepted by all) every word is looked at: 157 words per axis for 10,000 rows. Memory is what
//! distinguishes the classes from the usual one, bounded by [`MAX_INDEX_BYTES`].
//!
//! ```
//! use junctor_core::rules::{Facts, Flag, Number, Predicate, RuleSet};
//!
//! struct Request { task: &'static str, input_tokens: u64 }
//! impl Facts for Request {
//!     fn text(&self, attribute: &str) -> Option<&str> { (attribute == "task").then_some(self.task) }
//!     fn number(&self, _: Number) -> u64 { self.input_tokens }
//!     fn flag(&self, _: Flag) -> bool { false }
//! }
//!
//! let extraction = Predicate::Text { attribute: "task".into(), one_of: vec!["extraction".into()] };
//! let short = Predicate::Number { number: Number::InputTokens, min: None, max: Some(499) };
//! let rules = RuleSet::compile(&[extraction, short, Predicate::Always]).unwrap();
//! assert_eq!(rules.first_match(&Request { task: "extraction", input_tokens: 9_000 }), Some(0));
//! assert_eq!(rules.first_match(&Request { task: "chat", input_tokens: 499 }), Some(1));
//! assert_eq!(rules.first_match(&Request { task: "chat", input_tokens: 500 }), Some(2));
//! ```

// what a rule says
mod facts;
mod predicate;
// what it is compiled to
mod axis;
mod bitmap;
mod classes;
mod compile;
mod few;
mod hash;
mod rows;
mod sweep;
mod texts;
// what is asked of it
mod matching;
mod shadow;
// what may go wrong
mod error;

pub use error::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_INDEX_BYTES, MAX_ROWS, MAX_ROWS_PER_RULE, MAX_TEXT_BYTES, RuleError};
pub use facts::{Facts, Flag, Number};
pub(crate) use hash::BuildValueHasher;
pub use matching::RuleSet;
pub use predicate::Predicate;
pub use shadow::Shadow;
