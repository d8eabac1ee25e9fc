//! What a host remembers as a holder of leases, beyond the life of any process.
//!
//! | word | holds |
//! |---|---|
//! | 0 | who speaks with the coordinator: `owner:20 | until_ms:44` |
//! | 1 | the host's name at the coordinator, a random number; 0 if it has none yet |
//! | 2 | how many hosts there are, as last told; 0 if never |
//! | 3 | when our lease is surely over at the coordinator, in nanoseconds |
//! | 4 | what the coordinator is to us, a [`Standing`] |
//! | 5, 6 | answers, and calls that brought none |
//! | 7 | processes that keep the host's leases, and those that died while they did |

use crate::limit::millis;
use crate::state::LEASE_WORDS;
use crate::sync::{AtomicU64, Ordering, update};
use crate::units::Nanos;

/// How long an elected process speaks for its host without being heard of: three ticks, so that one late tick costs
/// nothing and a dead process is replaced before its host's safe share begins.
pub const TENURE: Nanos = Nanos::from_secs(3);

const UNTIL_BITS: u32 = 44;
const UNTIL_MASK: u64 = (1 << UNTIL_BITS) - 1;
const OWNER_MASK: u64 = (1 << (64 - UNTIL_BITS)) - 1;

/// What the coordinator is to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Never heard.
    Unknown,
    /// It answers.
    Reachable,
    /// It answers and grants nothing yet: it has just started and does not know what it granted before.
    Learning,
    /// It does not answer.
    Away,
}

impl Standing {
    /// Its word in snapshots.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Reachable => "reachable",
            Self::Learning => "learning",
            Self::Away => "away",
        }
    }

    const fn of(word: u64) -> Self {
        match word {
            1 => Self::Reachable,
            2 => Self::Learning,
            3 => Self::Away,
            _ => Self::Unknown,
        }
    }
}

/// A view of a host's words.
#[derive(Clone, Copy, Debug)]
pub struct LeaseWords<'a>(&'a [AtomicU64; LEASE_WORDS]);

impl<'a> LeaseWords<'a> {
    /// A view of `words`.
    #[must_use]
    pub const fn new(words: &'a [AtomicU64; LEASE_WORDS]) -> Self {
        Self(words)
    }

    /// Whether `owner` speaks with the coordinator for this host; extends its tenure if so. Its lowest 20 bits count.
    ///
    /// One at a time: whoever finds the tenure of another one over takes its place, in one exchange.
    pub fn elect(&self, owner: u64, now: Nanos) -> bool {
        let [election, ..] = self.0;
        // Zero is nobody.
        let owner = (owner & OWNER_MASK).max(1);
        let (now_ms, until) = (millis(now), millis(now + TENURE));
        let mine = |word: u64| word >> UNTIL_BITS == owner || word & UNTIL_MASK <= now_ms;
        update(election, |word| mine(word).then_some(owner << UNTIL_BITS | until)).is_ok()
    }

    /// Gives the election up, so that another process need not wait for the end of the tenure.
    pub fn resign(&self, owner: u64) {
        let [election, ..] = self.0;
        let owner = (owner & OWNER_MASK).max(1);
        let _ = update(election, |word| (word >> UNTIL_BITS == owner).then_some(0));
    }

    /// One more process keeps this host's leases.
    pub fn join(&self) {
        let [_, _, _, _, _, _, _, keepers, ..] = self.0;
        keepers.fetch_add(1, Ordering::AcqRel);
    }

    /// One less; whether it was surely the last.
    pub fn leave(&self) -> bool {
        let [_, _, _, _, _, _, _, keepers, ..] = self.0;
        update(keepers, |count| count.checked_sub(1)).is_ok_and(|(_, left)| left == 0)
    }

    /// The host's name at the coordinator; `fresh` becomes it if there is none.
    pub fn host(&self, fresh: u64) -> u64 {
        let [_, host, ..] = self.0;
        match update(host, |word| (word == 0).then_some(fresh.max(1))) {
            Ok((_, host)) | Err(host) => host,
        }
    }

    /// How many hosts there are, as last told; 0 if never.
    #[must_use]
    pub fn hosts(&self) -> u64 {
        let [_, _, hosts, ..] = self.0;
        hosts.load(Ordering::Acquire)
    }

    /// What the coordinator is to us.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let [_, _, _, _, standing, ..] = self.0;
        Standing::of(standing.load(Ordering::Acquire))
    }

    /// Answers so far, and calls that brought none.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let [_, _, _, _, _, answers, failures, ..] = self.0;
        (answers.load(Ordering::Relaxed), failures.load(Ordering::Relaxed))
    }

    pub(super) fn set_hosts(&self, count: u64) {
        let [_, _, hosts, ..] = self.0;
        hosts.store(count, Ordering::Release);
    }

    pub(super) fn set_standing(&self, standing: Standing) {
        let [_, _, _, _, word, ..] = self.0;
        word.store(standing as u64, Ordering::Release);
    }

    /// When our lease is surely over at the coordinator.
    pub(super) fn over(&self) -> Nanos {
        let [_, _, _, over, ..] = self.0;
        Nanos(over.load(Ordering::Acquire))
    }

    pub(super) fn set_over(&self, instant: Nanos) {
        let [_, _, _, over, ..] = self.0;
        over.store(instant.0, Ordering::Release);
    }

    /// Our lease is not over before `instant`.
    pub(super) fn not_over_before(&self, instant: Nanos) {
        let [_, _, _, over, ..] = self.0;
        over.fetch_max(instant.0, Ordering::AcqRel);
    }

    /// All but how many hosts there are.
    pub(super) fn clear(&self) {
        let hosts = self.hosts();
        self.0.iter().for_each(|word| word.store(0, Ordering::Release));
        self.set_hosts(hosts);
    }

    pub(super) fn count_answer(&self) {
        let [_, _, _, _, _, answers, ..] = self.0;
        answers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failure(&self) {
        let [_, _, _, _, _, _, failures, ..] = self.0;
        failures.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const T: Nanos = Nanos::from_secs(100);

    #[test]
    fn one_process_speaks_at_a_time_and_a_silent_one_is_replaced() {
        let words: [AtomicU64; LEASE_WORDS] = Default::default();
        let words = LeaseWords::new(&words);
        assert!(words.elect(7, T));
        assert!(!words.elect(8, T + Nanos::from_secs(2)));
        assert!(words.elect(7, T + Nanos::from_secs(2)), "it extends its own tenure");
        assert!(!words.elect(8, T + Nanos::from_secs(4)));
        assert!(words.elect(8, T + Nanos::from_secs(5)));
        assert!(!words.elect(7, T + Nanos::from_secs(5)), "and the old one finds that out");
        words.resign(7);
        assert!(!words.elect(7, T + Nanos::from_secs(5)), "only the elected one resigns");
        words.resign(8);
        assert!(words.elect(7, T + Nanos::from_secs(5)));
    }

    #[test]
    fn the_last_process_to_leave_knows_that_it_is() {
        let words: [AtomicU64; LEASE_WORDS] = Default::default();
        let words = LeaseWords::new(&words);
        words.join();
        words.join();
        assert!(!words.leave());
        assert!(words.leave());
        assert!(!words.leave(), "nobody is left to be the last");
    }

    #[test]
    fn a_host_keeps_its_name() {
        let words: [AtomicU64; LEASE_WORDS] = Default::default();
        assert_eq!(LeaseWords::new(&words).host(41), 41);
        assert_eq!(LeaseWords::new(&words).host(42), 41);
    }
}
