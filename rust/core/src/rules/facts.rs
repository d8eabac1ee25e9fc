//! What rules may ask of a request.
//!
//! A rule names three kinds of things: attributes (text, absent unless the caller gave them), numbers and flags (always
//! there). They are a trait and not a map, so that a request answers from its own fields and nothing is copied or
//! collected for the sake of the rules. Numbers and flags are closed sets: a misspelt one is an error when the config
//! is read. Attributes are open, because tags are the caller's own words.

use serde::Deserialize;

/// A quantity that every request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    /// Estimated tokens of the prompt.
    InputTokens,
    /// Tokens the caller allows, or the estimate, for the answer.
    OutputTokens,
    /// Characters of the prompt.
    PromptChars,
}

impl Number {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::InputTokens, Self::OutputTokens, Self::PromptChars];

    /// The word for it in configs and messages.
    ///
    /// ```
    /// # use junctor_core::rules::Number;
    /// assert_eq!(Number::InputTokens.name(), "input_tokens");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::PromptChars => "prompt_chars",
        }
    }
}

/// Something a request needs or does not need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// It offers tools.
    Tools,
    /// It lets several tools be called at once.
    ParallelTools,
    /// It carries images.
    Images,
    /// It carries files.
    Files,
    /// It carries or wants audio.
    Audio,
    /// It wants an answer of a given schema.
    StructuredOutput,
    /// It asks for reasoning.
    Reasoning,
    /// It wants the answer as a stream.
    Streaming,
    /// It wants log-probabilities.
    Logprobs,
    /// It wants vectors instead of an answer.
    Embeddings,
}

impl Flag {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 10] = [
        Self::Tools,
        Self::ParallelTools,
        Self::Images,
        Self::Files,
        Self::Audio,
        Self::StructuredOutput,
        Self::Reasoning,
        Self::Streaming,
        Self::Logprobs,
        Self::Embeddings,
    ];

    /// The word for it in configs and messages.
    ///
    /// ```
    /// # use junctor_core::rules::Flag;
    /// assert_eq!(Flag::StructuredOutput.name(), "structured_output");
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::ParallelTools => "parallel_tools",
            Self::Images => "images",
            Self::Files => "files",
            Self::Audio => "audio",
            Self::StructuredOutput => "structured_output",
            Self::Reasoning => "reasoning",
            Self::Streaming => "streaming",
            Self::Logprobs => "logprobs",
            Self::Embeddings => "embeddings",
        }
    }
}

/// A request as the rules see it.
///
/// Each axis that some rule asks about is asked for once per match, so the answers should be cheap; they must not
/// change while a match runs.
pub trait Facts {
    /// The value of an attribute, `None` if the request has none. The attribute `model` is the asked model.
    fn text(&self, attribute: &str) -> Option<&str>;
    /// The value of a number.
    fn number(&self, number: Number) -> u64;
    /// Whether a flag is set.
    fn flag(&self, flag: Flag) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_config_words_are_the_same() {
        for number in Number::ALL {
            assert_eq!(serde_json::from_str::<Number>(&format!("{:?}", number.name())).unwrap(), number);
        }
        for flag in Flag::ALL {
            assert_eq!(serde_json::from_str::<Flag>(&format!("{:?}", flag.name())).unwrap(), flag);
        }
    }
}
