//! Why a fleet cannot be compiled.

use thiserror::Error;

use crate::limit::QuotaError;
use crate::rules::RuleError;

/// Why a fleet cannot be compiled. Each message names the thing, the value and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FleetError {
    /// Nothing to route to.
    #[error("the fleet has no deployments; give it at least one under `deployments`")]
    NoDeployments,
    /// A name that leads nowhere.
    #[error("{user} refers to {kind} {name:?}, which does not exist; declare it or correct the name")]
    Unbound {
        /// Who refers to it.
        user: String,
        /// What it should be.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Two things with one name.
    #[error("{kind} {name:?} is declared twice; names must be unique")]
    Twice {
        /// What is declared.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A number outside its range.
    #[error("{place} is {value}; allowed is {allowed}")]
    Range {
        /// Where.
        place: String,
        /// The value.
        value: String,
        /// The range and a hint.
        allowed: &'static str,
    },
    /// A word that is not one of the known ones.
    #[error(
        "{place} is {value:?}; allowed are tools, parallel_tools, images, files, audio, structured_output, reasoning, streaming, logprobs, embeddings"
    )]
    Capability {
        /// Where.
        place: String,
        /// The word.
        value: String,
    },
    /// More of something than fits.
    #[error("{what}: {count} are more than the {room} there is room for; {hint}")]
    TooMany {
        /// Of what.
        what: String,
        /// How many.
        count: usize,
        /// How many fit.
        room: usize,
        /// What to do.
        hint: &'static str,
    },
    /// A limit that cannot be kept.
    #[error("{place}: {error}")]
    Quota {
        /// Where.
        place: String,
        /// What is wrong.
        error: QuotaError,
    },
    /// A condition that cannot be compiled.
    #[error("{place}: {error}")]
    Condition {
        /// Rules or compliance.
        place: &'static str,
        /// What is wrong.
        error: RuleError,
    },
}
