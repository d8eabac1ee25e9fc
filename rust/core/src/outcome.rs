//! How an attempt ended, in the few words that the core's state understands.

use crate::spec::Dimension;
use crate::units::Nanos;

/// The kinds of ill health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No connection, or a 5xx: nothing was generated.
    Down,
    /// The answer was malformed or broke off: something may have been generated.
    Broken,
    /// A timer ended the wait: the time waited is a lower bound of the latency.
    Silent,
}

/// What an ending means for the deployment's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A complete, good answer.
    Succeeded,
    /// 429 or 529: the provider has no room. A limit signal, not ill health.
    Throttled,
    /// A daily quota, a spend cap or the credit is used up.
    Exhausted,
    /// Ill health.
    Failed(Fault),
    /// The key or model is wrong: 401, 403, 404.
    Misconfigured,
    /// The caller's own fault, or the filter's: nothing about the deployment.
    CallersFault,
    /// The caller left. `sent` if the provider may have seen the request.
    Cancelled {
        /// Whether the request was on its way.
        sent: bool,
    },
}

/// The words for endings; the usual one first.
const WORDS: [(&str, Ending); 17] = [
    ("ok", Ending::Succeeded),
    ("rate_limit", Ending::Throttled),
    ("overloaded", Ending::Throttled),
    ("quota", Ending::Exhausted),
    ("timeout", Ending::Failed(Fault::Silent)),
    ("server", Ending::Failed(Fault::Down)),
    ("connection", Ending::Failed(Fault::Down)),
    ("malformed", Ending::Failed(Fault::Broken)),
    ("truncated", Ending::Failed(Fault::Broken)),
    ("auth", Ending::Misconfigured),
    ("permission", Ending::Misconfigured),
    ("not_found", Ending::Misconfigured),
    ("context_length", Ending::CallersFault),
    ("content_filter", Ending::CallersFault),
    ("invalid_request", Ending::CallersFault),
    ("cancelled", Ending::Cancelled { sent: true }),
    ("abandoned", Ending::Cancelled { sent: true }),
];

impl Ending {
    /// The ending behind an outcome's word: `ok`, `cancelled`, `abandoned` or a failure kind.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::known(word).map(|(_, ending)| ending)
    }

    /// The same, with the word for keeping.
    #[must_use]
    pub fn known(word: &str) -> Option<(&'static str, Self)> {
        WORDS.into_iter().find(|(known, _)| *known == word)
    }

    /// What this ending does to the deployment's health, in the word that the table of failure kinds uses.
    #[must_use]
    pub const fn health(self) -> &'static str {
        match self {
            Self::Failed(_) => "hard",
            Self::Throttled => "throttled",
            Self::Exhausted => "exhausted",
            Self::Misconfigured => "config",
            Self::Succeeded | Self::CallersFault | Self::Cancelled { .. } => "none",
        }
    }

    /// Whether the provider certainly generated nothing, so that held tokens and money go back.
    #[must_use]
    pub const fn used_no_tokens(self) -> bool {
        match self {
            Self::Throttled | Self::Exhausted | Self::Misconfigured | Self::CallersFault => true,
            Self::Cancelled { sent } => !sent,
            Self::Failed(fault) => matches!(fault, Fault::Down),
            Self::Succeeded => false,
        }
    }
}

/// What an answer's headers say about one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReport {
    /// Which limit.
    pub dimension: Dimension,
    /// The provider's limit.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
}

impl LimitReport {
    /// Whether it says nothing at all: a header that made no sense.
    #[must_use]
    pub const fn is_nonsense(&self) -> bool {
        self.limit.is_none() && self.remaining.is_none()
    }
}

/// How an attempt ended and what it really used.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// How it ended.
    pub ending: Ending,
    /// Tokens of the prompt as the provider counted them, cached ones included; `None` if it did not say.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer, reasoning included; `None` if the provider did not say.
    pub output_tokens: Option<u64>,
    /// Input tokens read from the provider's prompt cache.
    pub cached_tokens: u64,
    /// Input tokens written to the provider's prompt cache.
    pub cache_write_tokens: u64,
    /// Those of the written ones that are kept for an hour.
    pub cache_write_1h_tokens: u64,
    /// Time from sending to the first content.
    pub first_content: Option<Nanos>,
    /// The provider's "come back after".
    pub retry_after: Option<Nanos>,
    /// Whether another attempt of the same call was faster: what this one used is waste.
    pub beaten: bool,
    /// Limits that the headers report.
    pub reports: &'a [LimitReport],
}

impl Outcome<'_> {
    /// An ending of which nothing else is known.
    #[must_use]
    pub const fn bare(ending: Ending) -> Self {
        Self {
            ending,
            input_tokens: None,
            output_tokens: None,
            cached_tokens: 0,
            cache_write_tokens: 0,
            cache_write_1h_tokens: 0,
            first_content: None,
            retry_after: None,
            beaten: false,
            reports: &[],
        }
    }
}
