//! A provider's prompt cache: what the beginning of a prompt saves where the same beginning was just seen.
//!
//! A prompt is known either by its blocks (ids of pieces of a fixed length, equal leading ids being an equal beginning,
//! as the Mooncake traces have them) or by its session, whose prompts grow: the last one is the next one's beginning.

use std::collections::HashMap;

use junctor_core::units::Nanos;

/// How a cache works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheRule {
    /// Seconds after its last use for which a prefix is kept.
    pub ttl_s: f64,
    /// Prompts with a shorter common beginning are read anew.
    pub min_tokens: u64,
}

impl Default for CacheRule {
    /// What most providers do: five minutes, from 1,024 tokens on.
    fn default() -> Self {
        Self { ttl_s: 300.0, min_tokens: 1_024 }
    }
}

/// The beginning of a prompt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefix<'a> {
    /// The session, 0 for none.
    pub session: u64,
    /// Its leading blocks.
    pub blocks: &'a [u64],
    /// Tokens of a block.
    pub block_tokens: u64,
}

/// What one key remembers.
#[derive(Clone, Debug)]
pub struct Cache {
    rule: CacheRule,
    blocks: HashMap<u64, Nanos>,
    sessions: HashMap<u64, (u64, Nanos)>,
    forget_at: Nanos,
}

impl Cache {
    /// An empty one.
    #[must_use]
    pub fn new(rule: CacheRule) -> Self {
        Self { rule, blocks: HashMap::new(), sessions: HashMap::new(), forget_at: Nanos::ZERO }
    }

    /// Tokens of a prompt of `tokens` that need not be read anew; the whole of it is remembered from now on.
    pub fn visit(&mut self, prefix: Prefix<'_>, tokens: u64, now: Nanos) -> u64 {
        let ttl = Nanos::from_secs_f64(self.rule.ttl_s);
        self.forget(ttl, now);
        let fresh = |seen: &Nanos| now.since(*seen) <= ttl;
        let by_block = prefix.blocks.iter().take_while(|block| self.blocks.get(block).is_some_and(fresh)).count();
        let mut warm = by_block as u64 * prefix.block_tokens;
        prefix.blocks.iter().for_each(|block| _ = self.blocks.insert(*block, now));
        if prefix.session != 0 && prefix.blocks.is_empty() {
            let before = self.sessions.insert(prefix.session, (tokens, now));
            warm = before.filter(|(_, seen)| fresh(seen)).map_or(0, |(before, _)| before);
        }
        let warm = warm.min(tokens);
        if warm >= self.rule.min_tokens { warm } else { 0 }
    }

    /// Lets go of what is stale, once per time to live: a cache is no leak, and what it keeps is bounded by the traffic
    /// of two such times.
    fn forget(&mut self, ttl: Nanos, now: Nanos) {
        if now < self.forget_at {
            return;
        }
        self.forget_at = now + ttl;
        self.blocks.retain(|_, seen| now.since(*seen) <= ttl);
        self.sessions.retain(|_, (_, seen)| now.since(*seen) <= ttl);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Nanos {
        Nanos::from_secs(secs)
    }

    #[test]
    fn a_growing_session_is_warm_up_to_its_last_prompt_until_it_is_stale() {
        let mut cache = Cache::new(CacheRule::default());
        let session = Prefix { session: 7, ..Prefix::default() };
        let other = Prefix { session: 8, ..Prefix::default() };
        assert_eq!(cache.visit(session, 2_000, at(0)), 0);
        assert_eq!(cache.visit(session, 3_000, at(10)), 2_000);
        assert_eq!(cache.visit(other, 3_000, at(20)), 0);
        assert_eq!(cache.visit(session, 3_500, at(400)), 0, "too long ago");
        assert_eq!(cache.visit(session, 900, at(401)), 0, "too short");
    }

    #[test]
    fn blocks_are_warm_as_far_as_they_lead() {
        let mut cache = Cache::new(CacheRule { min_tokens: 512, ..CacheRule::default() });
        let of = |blocks| Prefix { session: 0, blocks, block_tokens: 512 };
        assert_eq!(cache.visit(of(&[1, 2, 3]), 1_500, at(0)), 0);
        assert_eq!(cache.visit(of(&[1, 2, 9, 3]), 2_000, at(1)), 1_024, "what follows a gap is cold");
        assert_eq!(cache.visit(of(&[1, 2, 3]), 1_500, at(2)), 1_500, "no more than there is");
    }
}
