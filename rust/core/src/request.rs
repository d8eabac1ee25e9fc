//! What a request asks for, as the core sees it: numbers, names and capability words; content only for a
//! learned scorer, which keeps nothing of it.

use crate::draw::identity;
use crate::learned::Outline;
use crate::rules::{Facts, Flag, Number};
use crate::units::Nanos;

/// Capabilities a request needs or a deployment has, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Needs(u16);

impl Needs {
    /// No capability.
    pub const NONE: Self = Self(0);

    /// Every capability.
    pub const ALL: Self = Self((1 << Flag::ALL.len()) - 1);

    /// The set with `flag` in it.
    #[must_use]
    pub const fn with(self, flag: Flag) -> Self {
        Self(self.0 | 1 << flag as u16)
    }

    /// Whether `flag` is in the set.
    #[must_use]
    pub const fn has(self, flag: Flag) -> bool {
        self.0 >> flag as u16 & 1 == 1
    }

    /// What of this set is not in `offered`.
    #[must_use]
    pub const fn missing_in(self, offered: Self) -> Self {
        Self(self.0 & !offered.0)
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The capability called `word`, as a set of one.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Flag::ALL.into_iter().find(|flag| flag.name() == word).map(|flag| Self::NONE.with(flag))
    }

    /// This set and another together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The words of the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Flag::ALL.into_iter().filter(move |&flag| self.has(flag)).map(Flag::name)
    }
}

/// Where the beginning of a prompt was read from a provider's cache lately, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warm {
    /// The deployment's identity.
    pub deployment: u64,
    /// Tokens of the prompt that were read there.
    pub tokens: u64,
}

impl Warm {
    /// At the deployment called `name`.
    #[must_use]
    pub fn at(name: &str, tokens: u64) -> Self {
        Self { deployment: identity(&["deployment", name]), tokens }
    }
}

/// One request. Borrowed throughout: building one costs nothing.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `auto`, or the name of a group, model or deployment.
    pub model: &'a str,
    /// Tokens of the prompt: counted, or estimated.
    pub input_tokens: u64,
    /// The tokens are an estimate in a common measure, which each deployment turns into tokens of its own tokenizer.
    pub estimated: bool,
    /// The caller's bound on the answer's tokens.
    pub output_tokens: Option<u64>,
    /// Characters of the prompt.
    pub prompt_chars: u64,
    /// What the prompt says, for the scorer alone: read during the walk and kept nowhere.
    pub text: Option<&'a str>,
    /// What came with the text, for the scorer as well.
    pub outline: &'a Outline,
    /// What an embedding model made of the prompt, for a scorer that reads it: likewise. See [`crate::learned::embedded`].
    pub embedding: Option<&'a [f32]>,
    /// Capabilities it needs.
    pub needs: Needs,
    /// Names and values that rules and compliance clauses ask about: task, `user_tier`, priority, tenant, data, …
    pub tags: &'a [(&'a str, &'a str)],
    /// Session or prompt prefix whose requests should meet at one deployment.
    pub affinity: Option<u64>,
    /// Where its beginning is expected in the provider's cache again.
    pub warm: Option<Warm>,
    /// The configured quality that its session has reached: groups whose escalation is one-way do not go below it while
    /// they have a choice.
    pub reached: Option<f32>,
    /// Its prompt is cut to what the rule or the group says before it is sent.
    pub prunes: bool,
    /// Deployments that were tried already for this call.
    pub tried: &'a [&'a str],
    /// Only these regions; empty for any.
    pub regions: &'a [&'a str],
    /// Only these providers; empty for any.
    pub providers: &'a [&'a str],
    /// None of these providers.
    pub exclude_providers: &'a [&'a str],
    /// All of these agreements.
    pub agreements: &'a [&'a str],
    /// How long the caller is willing to wait for capacity; 0 is not at all.
    pub max_wait: Nanos,
    /// A second attempt beside a slow first one, see [`crate::hedge`]: only in the group that was asked for, only where
    /// there is room for twice the estimate, and never as a probe.
    pub spare: bool,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Request::plain(crate::spec::AUTO)
    }
}

impl<'a> Request<'a> {
    /// A request for `model` of which nothing else is known.
    #[must_use]
    pub const fn plain(model: &'a str) -> Self {
        Self {
            model,
            input_tokens: 0,
            estimated: false,
            output_tokens: None,
            prompt_chars: 0,
            text: None,
            outline: &Outline::PLAIN,
            embedding: None,
            needs: Needs::NONE,
            tags: &[],
            affinity: None,
            warm: None,
            reached: None,
            prunes: false,
            tried: &[],
            regions: &[],
            providers: &[],
            exclude_providers: &[],
            agreements: &[],
            max_wait: Nanos::ZERO,
            spare: false,
        }
    }

    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(tag, _)| *tag == name).map(|(_, value)| *value)
    }
}

impl Facts for Request<'_> {
    fn text(&self, attribute: &str) -> Option<&str> {
        if attribute == "model" { Some(self.model) } else { self.tag(attribute) }
    }

    fn number(&self, number: Number) -> u64 {
        match number {
            Number::InputTokens => self.input_tokens,
            Number::OutputTokens => self.output_tokens.unwrap_or(0),
            Number::PromptChars => self.prompt_chars,
        }
    }

    fn flag(&self, flag: Flag) -> bool {
        self.needs.has(flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_sets_of_words() {
        let needs = Needs::named("tools").unwrap().and(Needs::named("images").unwrap());
        assert_eq!(needs.names().collect::<Vec<_>>(), ["tools", "images"]);
        assert_eq!(needs.missing_in(Needs::NONE.with(Flag::Tools)), Needs::named("images").unwrap());
        assert!(needs.missing_in(needs).is_empty());
        assert_eq!(Needs::named("telepathy"), None);
    }
}
