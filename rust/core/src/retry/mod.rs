//! Trying again: how often, how soon, and whether there is time for it.
//!
//! **Problem.** One retry saves a request; retries of everything turn a slow provider into a dead one, and a retry that
//! starts after its caller has left is pure waste.
//!
//! **Choice.** Three bounds that hold together: at most [`MAX_ATTEMPTS`] per request, a [`RetryBudget`] that all
//! requests share, and one absolute [`Deadline`] that spans all attempts. Between attempts a short random [`delay`].
//!
//! **Rejected.** A number of retries alone: with three attempts a total outage triples the load. A timeout per attempt
//! alone: three attempts then take three times as long as the caller agreed to.
//!
//! **Cost.** One exchange per request for the budget; the rest is arithmetic.

pub mod budget;
mod delay;

pub use budget::{Allowance, BUDGET_WORDS, RetryBudget};
pub use delay::{Deadline, delay};

/// Attempts per request, the first included. A third failure of three different deployments says that the next would
/// fail too (SRE book: three).
pub const MAX_ATTEMPTS: u32 = 3;
