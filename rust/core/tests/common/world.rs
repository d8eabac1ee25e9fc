//! A world on virtual time: scripted providers, Poisson arrivals, and the attempts of each call as a client makes them.
//!
//! The only clock is the next event's time and all chance comes from one seed, so a run is the same every time. A
//! provider is the SPEC's simulated one: log-normal times to first content with one outlier in a hundred, log-normal
//! answers, a token bucket that really answers 429, and faults that begin and end on schedule.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use junctor_core::decision::Why;
use junctor_core::draw::{Draw, identity};
use junctor_core::outcome::{Ending, Fault as Ill, Outcome};
use junctor_core::request::Request;
use junctor_core::reservation::Reservation;
use junctor_core::retry::{Deadline, MAX_ATTEMPTS};
use junctor_core::router::Router;
use junctor_core::units::Nanos;
use serde_json::{Value, json};

use super::{secs, told};

/// What ails a provider for a while.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// This share of the calls is answered with a 500 after `after_s`.
    Errors { after_s: f64, share: f64 },
    /// Every call is answered with a 429 after `after_s`.
    Throttles { after_s: f64, hint_s: Option<f64> },
    /// Nothing comes, ever.
    Hangs,
    /// First content takes so many times longer.
    Slow(f64),
    /// The quota is so many times smaller, and nobody says so.
    Quota(f64),
    /// Every call is answered with a 401.
    Misconfigured,
}

/// One provider's key.
#[derive(Clone, Debug)]
pub struct Provider {
    pub name: String,
    /// Median seconds to the first content.
    pub median_s: f64,
    /// Standard deviation of its logarithm; one in a hundred takes eight times longer unless it is 0.
    pub sigma: f64,
    /// Tokens that it writes in a second.
    pub tokens_per_s: f64,
    /// Tokens per minute that it really admits, with ten seconds of burst.
    pub tpm: f64,
    pub faults: Vec<(f64, f64, Fault)>,
    free: f64,
    filled_at: Nanos,
}

impl Provider {
    pub fn new(name: &str, median_s: f64, tpm: f64) -> Self {
        Self {
            name: name.into(),
            median_s,
            sigma: 0.6,
            tokens_per_s: 100.0,
            tpm,
            faults: Vec::new(),
            free: tpm / 6.0,
            filled_at: Nanos::ZERO,
        }
    }

    /// A key that always takes the same time, writes at once and has no quota.
    pub fn even(name: &str, seconds: f64) -> Self {
        Self { sigma: 0.0, tokens_per_s: f64::INFINITY, ..Self::new(name, seconds, 1e12) }
    }

    /// The same, ailing from `from` to `to` seconds.
    pub fn ailing(mut self, from: f64, to: f64, fault: Fault) -> Self {
        self.faults.push((from, to, fault));
        self
    }

    fn fault(&self, now: Nanos) -> Option<Fault> {
        let at = now.as_secs_f64();
        self.faults.iter().find(|(from, to, _)| (*from..*to).contains(&at)).map(|(_, _, fault)| *fault)
    }

    fn admits(&mut self, tokens: f64, now: Nanos) -> bool {
        let tpm = if let Some(Fault::Quota(share)) = self.fault(now) { self.tpm * share } else { self.tpm };
        self.free = (self.free + now.since(self.filled_at).as_secs_f64() * tpm / 60.0).min(tpm / 6.0);
        self.filled_at = now;
        let admits = self.free >= tokens;
        self.free -= if admits { tokens } else { 0.0 };
        admits
    }

    fn answer(&mut self, prompt: u64, now: Nanos, draw: &mut Draw) -> Answer {
        let bare =
            |after_s: f64, ending| Answer { first: None, end: now + secs(after_s), outcome: Outcome::bare(ending) };
        let output = log_normal(draw, 250.0, 1.1).round().clamp(1.0, 1_024.0);
        let outlier = if draw.unit() < 0.01 && self.sigma > 0.0 { 8.0 } else { 1.0 };
        let mut first_s = log_normal(draw, self.median_s, self.sigma) * outlier;
        match self.fault(now) {
            Some(Fault::Errors { after_s, share }) if draw.unit() < share => {
                return bare(after_s, Ending::Failed(Ill::Down));
            }
            Some(Fault::Throttles { after_s, hint_s }) => {
                let mut answer = bare(after_s, Ending::Throttled);
                answer.outcome.retry_after = hint_s.map(secs);
                return answer;
            }
            Some(Fault::Misconfigured) => return bare(0.02, Ending::Misconfigured),
            Some(Fault::Hangs) => return bare(FIRST_CONTENT_S, Ending::Failed(Ill::Silent)),
            Some(Fault::Slow(factor)) => first_s *= factor,
            _ => {}
        }
        if !self.admits(prompt as f64 + output, now) {
            return bare(0.05, Ending::Throttled);
        }
        if first_s > FIRST_CONTENT_S {
            return bare(FIRST_CONTENT_S, Ending::Failed(Ill::Silent));
        }
        let outcome = super::good(prompt, output as u64);
        Answer { first: Some(now + secs(first_s)), end: now + secs(first_s + output / self.tokens_per_s), outcome }
    }
}

/// Longest wait for the first content.
const FIRST_CONTENT_S: f64 = 20.0;

fn log_normal(draw: &mut Draw, median: f64, sigma: f64) -> f64 {
    let radius = (-2.0 * (1.0 - draw.unit()).ln()).sqrt();
    median * (sigma * radius * (std::f64::consts::TAU * draw.unit()).cos()).exp()
}

struct Answer {
    first: Option<Nanos>,
    end: Nanos,
    outcome: Outcome<'static>,
}

/// One attempt, for the figures.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub at: Nanos,
    pub call: usize,
    pub provider: usize,
    /// Unknown until it is over.
    pub ending: Option<Ending>,
    pub ended: Option<Nanos>,
    pub downgrade: bool,
    pub last_resort: bool,
}

/// One call and how it went.
#[derive(Default)]
pub struct Call {
    pub arrived: Nanos,
    pub ended: Option<Nanos>,
    pub first_content: Option<Nanos>,
    pub attempts: u32,
    /// Whether it ended well, once it ended.
    pub well: bool,
    tried: Vec<String>,
    reservation: Option<Reservation>,
    answer: Option<Answer>,
    /// Place of the attempt under way.
    attempt: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Try,
    FirstContent,
    End,
}

/// Router, providers, traffic, time.
pub struct World {
    pub router: Router,
    pub providers: Vec<Provider>,
    pub calls: Vec<Call>,
    pub attempts: Vec<Attempt>,
    pub now: Nanos,
    /// Seconds that a call may take.
    pub deadline_s: f64,
    /// Seconds that a call waits for capacity.
    pub max_wait_s: f64,
    /// Hash over every decision in order.
    pub log_hash: u64,
    queue: BinaryHeap<Reverse<(Nanos, u64, usize, Step)>>,
    order: u64,
    draw: Draw,
}

impl World {
    pub fn new(router: Router, providers: Vec<Provider>, seed: u64) -> Self {
        let (calls, attempts, queue) = (Vec::new(), Vec::new(), BinaryHeap::new());
        let (now, order, draw) = (Nanos::ZERO, 0, Draw::new(seed));
        let (deadline_s, max_wait_s, log_hash) = (60.0, 2.0, 0);
        Self { router, providers, calls, attempts, now, deadline_s, max_wait_s, log_hash, queue, order, draw }
    }

    /// Poisson arrivals from `from` to `to` seconds.
    pub fn traffic(&mut self, per_s: f64, from: f64, to: f64) {
        let mut at = from;
        loop {
            at -= (1.0 - self.draw.unit()).ln() / per_s;
            if at >= to {
                return;
            }
            self.calls.push(Call { arrived: secs(at), ..Call::default() });
            self.plan(secs(at), self.calls.len() - 1, Step::Try);
        }
    }

    /// Runs until nothing is left to happen.
    pub fn run(&mut self) {
        while let Some(Reverse((at, _, call, step))) = self.queue.pop() {
            self.now = at;
            match step {
                Step::Try => self.attempt(call),
                Step::FirstContent => self.first_content(call),
                Step::End => self.end(call),
            }
        }
    }

    fn plan(&mut self, at: Nanos, call: usize, step: Step) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order, call, step)));
    }

    fn deadline(&self, call: usize) -> Deadline {
        Deadline(self.calls[call].arrived + secs(self.deadline_s))
    }

    fn attempt(&mut self, call: usize) {
        if self.calls[call].arrived == self.now {
            self.router.note_call(self.now);
        }
        if !self.deadline(call).may_start(self.now, None) {
            return self.over(call, false);
        }
        let tried: Vec<&str> = self.calls[call].tried.iter().map(String::as_str).collect();
        let max_wait = secs(self.max_wait_s);
        let request =
            Request { tried: &tried, input_tokens: 1_000, output_tokens: Some(1_024), max_wait, ..super::ALL };
        match self.router.reserve(&request, self.now, self.draw.next_u64()) {
            Ok(reservation) => self.send(call, reservation),
            Err(denial) => match denial.why {
                Why::NoCapacity { until }
                    if until.since(self.calls[call].arrived) <= max_wait
                        && self.deadline(call).fits(until, Nanos::ZERO) =>
                {
                    let spread = self.draw.below(until.since(self.now).0 / 4 + 1_000);
                    self.plan(until + Nanos(spread), call, Step::Try);
                }
                // Everybody was tried: the same ones once more, later.
                Why::Refused if !tried.is_empty() => {
                    self.calls[call].tried.clear();
                    let wait = Router::retry_delay(true, self.calls[call].attempts - 1, None, self.draw.next_u64());
                    self.plan(self.now + wait, call, Step::Try);
                }
                _ => self.over(call, false),
            },
        }
    }

    fn send(&mut self, call: usize, reservation: Reservation) {
        let record = told(&self.router, reservation.decision(), "all");
        self.log_hash = identity(&[&self.log_hash.to_string(), &serde_json::to_string(&record).unwrap()]);
        let name = super::chosen(&reservation);
        let provider = self.providers.iter().position(|provider| provider.name == name).unwrap();
        let answer = self.providers[provider].answer(1_000, self.now, &mut self.draw);
        let Answer { first, end, .. } = answer;
        let (at, downgrade, last_resort) = (self.now, record.downgrade, record.last_resort);
        self.attempts.push(Attempt { at, call, provider, ending: None, ended: None, downgrade, last_resort });
        let under_way = &mut self.calls[call];
        under_way.attempts += 1;
        under_way.attempt = self.attempts.len() - 1;
        under_way.tried.push(name);
        (under_way.reservation, under_way.answer) = (Some(reservation), Some(answer));
        if let Some(first) = first {
            self.plan(first, call, Step::FirstContent);
        }
        self.plan(end, call, Step::End);
    }

    fn first_content(&mut self, call: usize) {
        let call = &mut self.calls[call];
        call.first_content = Some(self.now);
        call.reservation.as_mut().unwrap().first_content(self.now);
    }

    fn end(&mut self, call: usize) {
        let under_way = &mut self.calls[call];
        let Answer { outcome, .. } = under_way.answer.take().unwrap();
        let ending = outcome.ending;
        under_way.reservation.take().unwrap().settle(outcome, self.now);
        let attempt = &mut self.attempts[under_way.attempt];
        (attempt.ending, attempt.ended) = (Some(ending), Some(self.now));
        if matches!(ending, Ending::Succeeded) {
            return self.over(call, true);
        }
        if self.calls[call].attempts >= MAX_ATTEMPTS || !self.router.try_retry(self.now) {
            return self.over(call, false);
        }
        let wait = Router::retry_delay(false, 0, None, self.draw.next_u64());
        self.plan(self.now + wait, call, Step::Try);
    }

    fn over(&mut self, call: usize, well: bool) {
        (self.calls[call].ended, self.calls[call].well) = (Some(self.now), well);
    }
}

/// What a run showed.
impl World {
    /// Attempts that began in [`from`, `to`) seconds.
    pub fn between(&self, from: f64, to: f64) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(move |attempt| (secs(from)..secs(to)).contains(&attempt.at))
    }

    /// Share of the attempts in [`from`, `to`) that went to a provider.
    pub fn share(&self, provider: usize, from: f64, to: f64) -> f64 {
        let all = self.between(from, to).count();
        self.between(from, to).filter(|attempt| attempt.provider == provider).count() as f64 / all.max(1) as f64
    }

    /// Seconds from `from` until the first half second in which a provider gets less than a tenth of `fair`.
    pub fn time_to_shift(&self, provider: usize, from: f64, fair: f64) -> f64 {
        let quiet = (0..1_000).find(|half| {
            let begin = from + f64::from(*half) / 2.0;
            self.share(provider, begin, begin + 0.5) < fair / 10.0
        });
        quiet.map_or(f64::INFINITY, |half| f64::from(half + 1) / 2.0)
    }

    /// How many attempts ended so, of those that began in [`from`, `to`).
    pub fn endings(&self, from: f64, to: f64, ended: impl Fn(Ending) -> bool) -> usize {
        self.between(from, to).filter(|attempt| attempt.ending.is_some_and(&ended)).count()
    }

    /// Share of the calls that came in [`from`, `to`) and failed.
    pub fn failures(&self, from: f64, to: f64) -> f64 {
        let came: Vec<_> = self.calls.iter().filter(|call| (secs(from)..secs(to)).contains(&call.arrived)).collect();
        came.iter().filter(|call| !call.well).count() as f64 / came.len().max(1) as f64
    }

    /// The 99th percentile of seconds to the first content, retries included.
    pub fn p99_s(&self, from: f64, to: f64) -> f64 {
        let came = self.calls.iter().filter(|call| (secs(from)..secs(to)).contains(&call.arrived));
        let mut waits: Vec<f64> =
            came.filter_map(|call| Some(call.first_content?.since(call.arrived).as_secs_f64())).collect();
        waits.sort_unstable_by(f64::total_cmp);
        waits[waits.len() * 99 / 100]
    }

    /// Whether everything that was held has been given back.
    pub fn is_at_rest(&self) -> bool {
        let snapshot = super::snapshot(&self.router, self.now);
        self.calls.iter().all(|call| call.ended.is_some()) && snapshot.deployments.values().all(|d| d.in_flight == 0)
    }
}

/// What the first provider gets when all is well.
pub const FAIR: f64 = 0.16;

/// SPEC's fleet: pools, deployments and providers with quotas 4 × 1.2, 3 × 0.6 and 3 × 0.3 million tokens a minute.
pub fn members() -> (Vec<Value>, Vec<Value>, Vec<Provider>) {
    let tpm = |at: usize| {
        [1_200_000_u64, 1_200_000, 1_200_000, 1_200_000, 600_000, 600_000, 600_000, 300_000, 300_000, 300_000][at]
    };
    let name = |at: usize| format!("d{at}");
    let own = |at: usize| json!({"name": name(at), "limits": [{"dimension": "tpm", "limit": tpm(at)}]});
    let made = |at: usize| {
        let extra = json!({"weight": tpm(at) as f64 / 1e6, "pools": [name(at)], "accounting": {"output": "learned"}});
        super::deployment(&name(at), extra)
    };
    let provider = |at: usize| Provider::new(&name(at), 0.4 + 0.05 * ((at * 7) % 10) as f64, tpm(at) as f64);
    ((0..10).map(own).collect(), (0..10).map(made).collect(), (0..10).map(provider).collect())
}

/// A run of 54 calls a second for 200 s; the first provider ails from 60 to 180 s.
pub fn ailing_from_60_to_180(seed: u64, fault: Option<Fault>) -> World {
    let (pools, deployments, mut providers) = members();
    if let Some(fault) = fault {
        providers[0] = providers[0].clone().ailing(60.0, 180.0, fault);
    }
    let mut world = World::new(super::router(&deployments, json!({"pools": pools})), providers, seed);
    world.traffic(54.0, 0.0, 200.0);
    world.run();
    assert!(world.is_at_rest(), "something is still held");
    let late = world.calls.iter().filter(|call| call.ended.unwrap().since(call.arrived) > secs(world.deadline_s));
    assert_eq!(late.count(), 0, "no call outlives its deadline by starting anew");
    world
}

/// Ten equal keys that answer in 20 ms; from 60 s on one takes `slower` times as long, and one is revoked.
pub fn ten_even_keys(seed: u64, per_s: f64, slower: f64) -> World {
    let deployments: Vec<Value> = (0..10).map(|at| super::deployment(&format!("d{at}"), json!({}))).collect();
    let mut providers: Vec<_> = (0..10).map(|at| Provider::even(&format!("d{at}"), 0.02)).collect();
    providers[0] = providers[0].clone().ailing(60.0, 1e9, Fault::Slow(slower));
    providers[1] = providers[1].clone().ailing(60.0, 1e9, Fault::Misconfigured);
    let mut world = World::new(super::router(&deployments, json!({})), providers, seed);
    world.traffic(per_s, 0.0, 60.0 + f64::max(1_000.0 / per_s, 40.0));
    world.run();
    world
}
