//! A scripted provider: one key, with latencies, quotas, a prompt cache, headers and faults on schedule.
//!
//! The first content of a prompt comes after a log-normal time with one outlier in a hundred, later if much of the prompt
//! must be read anew; the rest is written at a steady pace. Admission is decided when the attempt arrives. A refused
//! attempt costs nothing and is answered in 50 ms, as measured at real ones.

use junctor_core::draw::Draw;
use junctor_core::outcome::{Ending, Fault as Ill, LimitReport};
use junctor_core::units::Nanos;

use crate::cache::{Cache, CacheRule, Prefix};
use crate::chance::log_normal;
use crate::fault::{Ailment, Fault, Lie};
use crate::quota::{Quota, Want};

/// Seconds in which a provider refuses.
const REFUSED_S: f64 = 0.05;
/// Seconds in which it says that a key is wrong.
const MISCONFIGURED_S: f64 = 0.02;
/// Prompt tokens that the time to first content is stated for.
const USUAL_PROMPT: f64 = 1_000.0;
/// A prompt that is wholly cached still needs this part of the usual time.
const LEAST_SHARE: f64 = 0.3;
/// An outlier takes so many times longer.
const OUTLIER: f64 = 8.0;

/// One provider's key.
#[derive(Clone, Debug)]
pub struct Provider {
    /// The deployment that it stands behind.
    pub name: String,
    /// Median seconds to the first content of a prompt of 1,000 tokens.
    pub median_s: f64,
    /// Standard deviation of its logarithm.
    pub sigma: f64,
    /// Share of the answers that take eight times longer.
    pub outliers: f64,
    /// Tokens that it writes in a second.
    pub tokens_per_s: f64,
    /// Prompt tokens that it reads in a second.
    pub reads_per_s: f64,
    /// Attempts at a time beyond which all of them get slower; none for a provider that never feels load.
    pub slots: Option<u32>,
    /// Whether its headers tell limits and what is left of them.
    pub headers: bool,
    /// Whether cached prompt tokens count against its limits.
    pub counts_cached: bool,
    /// Limits of its own.
    pub quotas: Vec<Quota>,
    /// Limits that it shares, as places in [`World::pools`](crate::World::pools).
    pub shared: Vec<usize>,
    /// What ails it, and when.
    pub faults: Vec<Ailment>,
    /// Its prompt cache.
    pub cache: Option<Cache>,
    pub(crate) running: u32,
}

impl Provider {
    /// SPEC's provider: a token bucket of `tpm` with ten seconds of burst, a wide spread, one outlier in a hundred.
    #[must_use]
    pub fn new(name: &str, median_s: f64, tpm: f64) -> Self {
        let quota = Quota::new(junctor_core::spec::Dimension::Tpm, tpm, 60.0, 10.0);
        Self { quotas: vec![quota], ..Self::free(name, median_s) }
    }

    /// The same without any limit.
    #[must_use]
    pub fn free(name: &str, median_s: f64) -> Self {
        Self {
            name: name.into(),
            median_s,
            sigma: 0.6,
            outliers: 0.01,
            tokens_per_s: 100.0,
            reads_per_s: 12_500.0,
            slots: None,
            headers: false,
            counts_cached: true,
            quotas: Vec::new(),
            shared: Vec::new(),
            faults: Vec::new(),
            cache: None,
            running: 0,
        }
    }

    /// A key that always takes the same time, writes at once and has no quota.
    #[must_use]
    pub fn even(name: &str, seconds: f64) -> Self {
        Self { sigma: 0.0, outliers: 0.0, tokens_per_s: f64::INFINITY, ..Self::free(name, seconds) }
    }

    /// The same with a prompt cache.
    #[must_use]
    pub fn caching(mut self, rule: CacheRule) -> Self {
        self.cache = Some(Cache::new(rule));
        self
    }

    /// The same, ailing from `from_s` to `to_s`.
    #[must_use]
    pub fn ailing(mut self, from_s: f64, to_s: f64, fault: Fault) -> Self {
        self.ail(Ailment { from_s, to_s, round: None, fault });
        self
    }

    /// Lets it ail. What ails a quota ails all that are its own.
    pub fn ail(&mut self, ailment: Ailment) {
        match ailment.fault {
            Fault::Quota(_) | Fault::Burns(_) => self.quotas.iter_mut().for_each(|quota| quota.faults.push(ailment)),
            _ => self.faults.push(ailment),
        }
    }

    /// Answers one attempt. `pools` are the limits that are shared.
    pub fn answer(&mut self, asked: &Asked<'_>, pools: &mut [Quota], draw: &mut Draw) -> Answer {
        let now = asked.at;
        // Drawn in any case and first of all, so that a fault changes no other luck of the same attempt.
        let outlier = if draw.unit() < self.outliers { OUTLIER } else { 1.0 };
        let luck = log_normal(draw, 1.0, self.sigma) * outlier;
        let chance = draw.unit();
        let mut slower = 1.0;
        let mut broken = None;
        for ailment in self.faults.iter().filter(|ailment| ailment.hits(now)) {
            match ailment.fault {
                Fault::Errors { after_s, share } if chance < share => {
                    return Answer::bare(after_s, Ending::Failed(Ill::Down));
                }
                Fault::Throttles { after_s, hint_s } => {
                    let retry_after = hint_s.map(Nanos::from_secs_f64);
                    return Answer { retry_after, ..Answer::bare(after_s, Ending::Throttled) };
                }
                Fault::Misconfigured => return Answer::bare(MISCONFIGURED_S, Ending::Misconfigured),
                Fault::Exhausted => return Answer::bare(REFUSED_S, Ending::Exhausted),
                Fault::Hangs => return Answer { first_s: None, ..Answer::bare(f64::INFINITY, Ending::Succeeded) },
                Fault::Slow(factor) => slower *= factor,
                Fault::Cuts(share) if chance < share => broken = Some(Ending::Failed(Ill::Broken)),
                Fault::Stalls(share) if chance < share => broken = Some(Ending::Failed(Ill::Silent)),
                _ => {}
            }
        }
        let cached = self.cache.as_mut().map_or(0, |cache| cache.visit(asked.prefix, asked.input_tokens, now));
        let counted = asked.input_tokens - if self.counts_cached { 0 } else { cached };
        let want = Want { input: counted as f64, output: asked.output_tokens as f64 };
        if !self.admits(want, pools, now) {
            return Answer { reports: self.reports(pools, now), ..Answer::bare(REFUSED_S, Ending::Throttled) };
        }
        self.running += 1;
        let crowded = self.slots.map_or(1.0, |slots| (f64::from(self.running) / f64::from(slots.max(1))).max(1.0));
        let extra_s = ((asked.input_tokens - cached) as f64 - USUAL_PROMPT) / self.reads_per_s;
        let usual_s = (self.median_s + extra_s).max(self.median_s * LEAST_SHARE);
        let first_s = usual_s * luck * slower * crowded;
        let writing_s = asked.output_tokens as f64 / self.tokens_per_s * crowded;
        Answer {
            first_s: Some(first_s),
            end_s: match broken {
                Some(Ending::Failed(Ill::Silent)) => f64::INFINITY,
                Some(_) => first_s + writing_s / 2.0,
                None => first_s + writing_s,
            },
            ending: broken.unwrap_or(Ending::Succeeded),
            admitted: true,
            cached,
            retry_after: None,
            reports: self.reports(pools, now),
        }
    }

    /// An admitted attempt is over, whoever ended it.
    pub fn release(&mut self, pools: &mut [Quota]) {
        self.running = self.running.saturating_sub(1);
        self.quotas.iter_mut().for_each(Quota::release);
        self.shared.iter().for_each(|&at| pools[at].release());
    }

    fn admits(&mut self, want: Want, pools: &mut [Quota], now: Nanos) -> bool {
        let own = self.quotas.iter_mut().all(|quota| quota.has_room(want, now));
        if !own || !self.shared.iter().all(|&at| pools[at].has_room(want, now)) {
            return false;
        }
        self.quotas.iter_mut().for_each(|quota| quota.take(want));
        self.shared.iter().for_each(|&at| pools[at].take(want));
        true
    }

    fn reports(&self, pools: &[Quota], now: Nanos) -> Vec<LimitReport> {
        if !self.headers {
            return Vec::new();
        }
        let lie = self.faults.iter().find_map(|ailment| match ailment.fault {
            Fault::Lies(lie) if ailment.hits(now) => Some(lie),
            _ => None,
        });
        let all = self.quotas.iter().chain(self.shared.iter().map(|&at| &pools[at]));
        all.map(|quota| {
            let (limit, left) = quota.told();
            let remaining = match lie {
                None => Some(left),
                Some(Lie::Huge) => Some(1 << 52),
                Some(Lie::Negative) => None,
                Some(Lie::Nothing) => Some(0),
                Some(Lie::Stale) => Some(limit),
            };
            let limit = (lie != Some(Lie::Negative)).then_some(if lie == Some(Lie::Huge) { 1 << 52 } else { limit });
            LimitReport { dimension: quota.dimension, limit, remaining }
        })
        .collect()
    }
}

/// One attempt as its provider sees it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// When it comes.
    pub at: Nanos,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens that the answer will have.
    pub output_tokens: u64,
    /// How the prompt begins.
    pub prefix: Prefix<'a>,
}

/// What becomes of an attempt if nobody ends it before.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Seconds to the first content, if there is any.
    pub first_s: Option<f64>,
    /// Seconds to the end; never for one that hangs.
    pub end_s: f64,
    /// How it ends.
    pub ending: Ending,
    /// Whether a quota was taken for it.
    pub admitted: bool,
    /// Prompt tokens that were in the cache.
    pub cached: u64,
    /// When to come back.
    pub retry_after: Option<Nanos>,
    /// What its headers tell.
    pub reports: Vec<LimitReport>,
}

impl Answer {
    fn bare(after_s: f64, ending: Ending) -> Self {
        let (cached, retry_after, reports) = (0, None, Vec::new());
        Self { first_s: None, end_s: after_s, ending, admitted: false, cached, retry_after, reports }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(at: u64, input_tokens: u64, session: u64) -> Asked<'static> {
        let prefix = Prefix { session, ..Prefix::default() };
        Asked { at: Nanos::from_secs(at), input_tokens, output_tokens: 100, prefix }
    }

    fn answer(provider: &mut Provider, asked: Asked<'_>) -> Answer {
        provider.answer(&asked, &mut [], &mut Draw::new(1))
    }

    #[test]
    fn a_warm_prefix_is_answered_sooner_and_said_to_be_cached() {
        let mut key = Provider::even("a", 1.0).caching(CacheRule::default());
        let cold = answer(&mut key, asked(0, 20_000, 7));
        let warm = answer(&mut key, asked(9, 20_000, 7));
        assert_eq!((cold.cached, warm.cached), (0, 20_000));
        assert!(cold.first_s > Some(2.5) && warm.first_s < Some(1.0), "{cold:?} {warm:?}");
    }

    #[test]
    fn faults_do_what_they_are_called() {
        let ailing = |fault| answer(&mut Provider::even("a", 1.0).ailing(0.0, 9.0, fault), asked(1, 1_000, 0));
        assert_eq!(ailing(Fault::Slow(8.0)).first_s, Some(8.0));
        assert_eq!(ailing(Fault::Errors { after_s: 0.02, share: 1.0 }).ending, Ending::Failed(Ill::Down));
        assert_eq!(ailing(Fault::Errors { after_s: 0.02, share: 0.0 }).ending, Ending::Succeeded);
        assert_eq!(ailing(Fault::Misconfigured).ending, Ending::Misconfigured);
        assert_eq!(ailing(Fault::Exhausted).ending, Ending::Exhausted);
        let hung = ailing(Fault::Hangs);
        assert_eq!((hung.first_s, hung.end_s), (None, f64::INFINITY));
        let stalled = ailing(Fault::Stalls(1.0));
        assert_eq!((stalled.first_s, stalled.end_s), (Some(1.0), f64::INFINITY));
        assert_eq!(ailing(Fault::Cuts(1.0)).ending, Ending::Failed(Ill::Broken));
        let throttled = ailing(Fault::Throttles { after_s: 0.1, hint_s: Some(3.0) });
        assert_eq!((throttled.ending, throttled.retry_after), (Ending::Throttled, Some(Nanos::from_secs(3))));
    }

    #[test]
    fn a_full_key_refuses_and_a_crowded_one_is_slow() {
        let mut key = Provider { sigma: 0.0, outliers: 0.0, ..Provider::new("a", 1.0, 12_000.0) };
        assert_eq!(answer(&mut key, asked(0, 1_000, 0)).ending, Ending::Succeeded);
        assert_eq!(answer(&mut key, asked(0, 1_000, 0)).ending, Ending::Throttled);
        let mut crowded = Provider { slots: Some(1), ..Provider::even("b", 1.0) };
        let firsts = [0, 0, 0].map(|at| answer(&mut crowded, asked(at, 1_000, 0)).first_s);
        assert_eq!(firsts, [Some(1.0), Some(2.0), Some(3.0)]);
    }

    #[test]
    fn headers_tell_what_is_left_or_lie() {
        let told = |fault: Option<Fault>| {
            let mut key = Provider { headers: true, ..Provider::new("a", 1.0, 12_000.0) };
            if let Some(fault) = fault {
                key = key.ailing(0.0, 9.0, fault);
            }
            let report = answer(&mut key, asked(0, 400, 0)).reports[0];
            (report.limit, report.remaining)
        };
        assert_eq!(told(None), (Some(12_000), Some(1_500)));
        assert_eq!(told(Some(Fault::Lies(Lie::Huge))), (Some(1 << 52), Some(1 << 52)));
        assert_eq!(told(Some(Fault::Lies(Lie::Negative))), (None, None));
        assert_eq!(told(Some(Fault::Lies(Lie::Nothing))), (Some(12_000), Some(0)));
        assert_eq!(told(Some(Fault::Lies(Lie::Stale))), (Some(12_000), Some(12_000)));
    }
}
