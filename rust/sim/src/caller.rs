//! What a caller does: the Python dispatch, step by step, on virtual time.
//!
//! Reserve, waiting for capacity as long as the call may; send; settle; after a failure elsewhere at once, or the same
//! ones later, as budget and deadline allow; beside a silent attempt a hedge where the group asks for it. It follows
//! `dispatch.py`, `attempts.py`, `hedge.py` and `streaming.py`; a test of those that changes a rule changes it here.

use junctor_core::decision::Why;
use junctor_core::outcome::{Ending, Fault as Ill, Outcome};
use junctor_core::request::Request;
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::spec::Price;
use junctor_core::units::Nanos;

use crate::cache::Prefix;
use crate::chance::of_attempt;
use crate::policy::Policy;
use crate::provider::{Answer, Asked};
use crate::world::{Attempt, End, Fate, Held, Kept, Step, World};

/// Less time than this is not worth another attempt.
const MIN_ATTEMPT: Nanos = Nanos::from_millis(100);
/// With this much left nobody asks how long a deployment usually takes.
const PLENTY: Nanos = Nanos::from_secs(10);
/// The shortest wait for capacity.
const MIN_WAIT: Nanos = Nanos::from_millis(5);
/// Longest silence in the middle of a stream.
const IDLE_S: f64 = 30.0;
/// A whole answer that comes slower than this is taken for lost.
const SLOWEST_TOKENS_PER_S: f64 = 20.0;
/// The length assumed for its timeout when nothing bounds it.
const UNBOUNDED_TOKENS: u64 = 8_192;
/// Decisions draw from `2^64` seeds; a call's affinity is its session or the first blocks of its prompt.
const AFFINITY_BLOCKS: usize = 2;

/// What came of asking for a place.
pub(crate) enum Decided {
    Made(usize, Option<Box<Reservation>>),
    Full(Nanos),
    Refused,
}

impl World {
    pub(crate) fn arrive(&mut self, call: usize) {
        if self.policy == Policy::Junctor {
            self.router.note_call(self.now);
            self.ledger.note_call(self.now);
        }
        self.reserve(call);
    }

    /// Holds capacity somewhere, waiting for it as long as the call may.
    pub(crate) fn reserve(&mut self, call: usize) {
        let deadline = self.deadline(call);
        if deadline.remaining(self.now) < MIN_ATTEMPT {
            return self.over(call, End::Late);
        }
        let patience = self.calls[call].arrived + Nanos::from_secs_f64(self.max_wait_s);
        let left = patience.min(deadline.0 - MIN_ATTEMPT).since(self.now);
        match self.decide(call, &[], left, false) {
            Decided::Made(provider, made) => self.go(call, provider, made),
            Decided::Full(until) => {
                let after = until.since(self.now);
                let jittered = Nanos(after.0 / 4 * 3 + self.callers.below(after.0 / 2 + 1));
                let wait = jittered.min(left).max(MIN_WAIT);
                if after > left || wait > left {
                    return self.give_up(call, End::NoCapacity);
                }
                self.plan(self.now + wait, call, Step::Reserve);
            }
            Decided::Refused => self.give_up(call, End::Refused),
        }
    }

    /// A deployment that this call has not tried yet; else any, later.
    pub(crate) fn elsewhere(&mut self, call: usize) {
        let tried = self.calls[call].tried.clone();
        if let Decided::Made(provider, made) = self.decide(call, &tried, Nanos::ZERO, false) {
            return self.go(call, provider, made);
        }
        let (made, hint) = (self.calls[call].attempts, self.calls[call].hint);
        let delay = Router::retry_delay(true, made.saturating_sub(1), hint, self.callers.next_u64());
        self.pause(call, delay, Step::Again);
    }

    /// Another attempt after a settled failure, if there may be one.
    fn recover(&mut self, call: usize) {
        let (made, now) = (self.calls[call].attempts, self.now);
        let in_time = self.deadline(call).remaining(now) >= MIN_ATTEMPT;
        if made >= self.max_attempts || !in_time {
            return self.over(call, End::Failed);
        }
        if self.policy == Policy::Junctor {
            if !self.router.try_retry(now) {
                return self.over(call, End::Failed);
            }
            self.ledger.note_retry(now);
        }
        let delay = Router::retry_delay(false, made.saturating_sub(1), None, self.callers.next_u64());
        self.pause(call, delay, Step::Elsewhere);
    }

    fn pause(&mut self, call: usize, delay: Nanos, then: Step) {
        if self.deadline(call).fits(self.now, delay) {
            self.plan(self.now + delay, call, then);
        } else {
            self.over(call, End::Failed);
        }
    }

    /// Sends, unless it is a retry for which too little time is left.
    fn go(&mut self, call: usize, provider: usize, made: Option<Box<Reservation>>) {
        if self.calls[call].failed.is_some() && self.too_slow(call, provider) {
            self.unsent(made);
            return self.over(call, End::Failed);
        }
        self.send(call, provider, made);
    }

    fn too_slow(&self, call: usize, provider: usize) -> bool {
        let remaining = self.deadline(call).remaining(self.now);
        if remaining >= PLENTY || self.policy != Policy::Junctor {
            return false;
        }
        let expected = self.router.expected_first_content(&self.providers[provider].name, self.now);
        remaining < MIN_ATTEMPT.max(Nanos(expected.map_or(0, |expected| expected.0 / 2)))
    }

    /// Asks the core or the policy for a place.
    fn decide(&mut self, call: usize, tried: &[usize], max_wait: Nanos, spare: bool) -> Decided {
        let arrival = &self.arrivals[call];
        let kind = &self.kinds[arrival.kind];
        let tags: Vec<(&str, &str)> = kind.tags.iter().map(|(name, value)| (&**name, &**value)).collect();
        let names: Vec<&str> = tried.iter().map(|&at| &*self.providers[at].name).collect();
        let leading = arrival.blocks.get(AFFINITY_BLOCKS - 1).or(arrival.blocks.last());
        let known = leading.map(|block| block + 1).or((arrival.session != 0).then_some(arrival.session));
        let request = Request {
            model: &kind.model,
            input_tokens: arrival.input_tokens,
            output_tokens: kind.max_tokens,
            needs: kind.needs,
            tags: &tags,
            affinity: known.filter(|_| kind.affinity),
            tried: &names,
            max_wait,
            spare,
            ..Request::default()
        };
        if self.policy != Policy::Junctor {
            let open = self.ledger.law().map_or_else(Vec::new, |law| law.candidates(&request));
            let place = |(at, weight): (usize, f64)| Some((*self.by_name.get(self.name_of(at)?)?, weight));
            let all: Vec<(usize, f64)> = open.into_iter().filter_map(place).collect();
            let fresh: Vec<_> = all.iter().copied().filter(|(at, _)| !tried.contains(at)).collect();
            let from = if fresh.is_empty() { &all } else { &fresh };
            let picked = self.memory.pick(self.policy, from, &mut self.decisions);
            self.log.word(self.now.0 ^ picked.map_or(u64::MAX, |at| at as u64));
            return picked.map_or(Decided::Refused, |at| Decided::Made(at, None));
        }
        match self.router.reserve(&request, self.now, self.decisions.next_u64()) {
            Ok(made) => {
                self.log.decision(made.fleet(), made.decision(), None);
                self.ledger.hold(self.attempts.len(), &request, &made, &self.router, self.now);
                let name = made.deployment().map_or("", |deployment| &*deployment.name);
                match self.by_name.get(name) {
                    Some(&provider) => Decided::Made(provider, Some(Box::new(made))),
                    None => Decided::Refused,
                }
            }
            Err(denial) => {
                self.log.decision(&self.router.fleet(), &denial.decision, Some(&denial.why));
                match denial.why {
                    Why::NoCapacity { until } => Decided::Full(until),
                    _ => Decided::Refused,
                }
            }
        }
    }

    fn name_of(&self, at: usize) -> Option<&str> {
        Some(self.ledger.law()?.spec().deployments.get(at)?.name.as_str())
    }

    /// Gives a reservation back that was never used.
    fn unsent(&mut self, made: Option<Box<Reservation>>) {
        let Some(mut made) = made else { return };
        made.settle(Outcome::bare(Ending::Cancelled { sent: false }), self.now);
        self.ledger.settled(self.attempts.len(), &made, &[], &self.router, self.now);
    }

    fn send(&mut self, call: usize, provider: usize, made: Option<Box<Reservation>>) {
        let (id, now) = (self.attempts.len(), self.now);
        let arrival = &self.arrivals[call];
        let prefix = Prefix { session: arrival.session, blocks: &arrival.blocks, block_tokens: self.block_tokens };
        let bound = made.as_ref().and_then(|made| made.decision().max_tokens);
        let output_tokens = arrival.output_tokens.min(bound.unwrap_or(u64::MAX));
        let asked = Asked { at: now, input_tokens: arrival.input_tokens, output_tokens, prefix };
        let mut draw = of_attempt(self.seed, call, provider, self.calls[call].attempts);
        let answer = self.providers[provider].answer(&asked, &mut self.pools, &mut draw);
        self.calls[call].attempts += 1;
        let (fate, first, end) = self.fate(call, provider, &answer, bound);
        let hedge_after = made.as_ref().and_then(|made| made.hedge_after(now));
        let decision = made.as_ref().map(|made| made.decision());
        let flag = |what: fn(&junctor_core::decision::Decision) -> bool| decision.is_some_and(what);
        let attempt = Attempt {
            at: now,
            call,
            provider,
            ending: None,
            ended: None,
            first_content: None,
            downgrade: flag(junctor_core::decision::Decision::is_downgrade),
            last_resort: flag(|decision| decision.last_resort),
            hedge: flag(|decision| decision.hedge),
            beaten: false,
            cached: answer.cached,
            output_tokens: 0,
            admitted: answer.admitted,
            cost: 0,
            held: None,
            silent: hedge_after.unwrap_or_default(),
        };
        self.attempts.push(attempt);
        self.attempts[id].held = Some(Box::new(Held { reservation: made.map(|made| Kept(*made)), answer, fate }));
        self.memory.seen[provider].in_flight += 1;
        let free = self.calls[call].running.iter_mut().find(|place| place.is_none());
        if let Some(place) = free {
            *place = Some(id);
        }
        if let Some(first) = first {
            self.plan(first, id, Step::FirstContent);
        }
        self.plan(end, id, Step::End);
        if let Some(after) = hedge_after {
            self.plan(now + after, id, Step::Hedge);
        }
    }

    /// What the caller's timers leave of an answer: its fate, and when the caller sees content and the end of it.
    fn fate(&self, call: usize, provider: usize, answer: &Answer, bound: Option<u64>) -> (Fate, Option<Nanos>, Nanos) {
        let now = self.now;
        let remaining_s = self.deadline(call).remaining(now).as_secs_f64();
        let patience_s = self.terms[provider].1.as_secs_f64();
        let fate = |ending, content, late, written| Fate { ending, content, late, written };
        let at = |after_s: f64| now + Nanos::from_secs_f64(after_s);
        let silent = |after_s: f64, late: bool| {
            // Cut off by the caller's deadline it failed only if it had the time that the deployment is granted.
            let failed = !late || after_s >= patience_s;
            let ending = if failed { Ending::Failed(Ill::Silent) } else { Ending::Cancelled { sent: true } };
            (fate(ending, false, late, 0.0), None, at(after_s))
        };
        if !self.streamed {
            let last = self.calls[call].attempts >= self.max_attempts;
            let tokens = bound.unwrap_or(UNBOUNDED_TOKENS).min(UNBOUNDED_TOKENS);
            let allowed_s = (patience_s + tokens as f64 / SLOWEST_TOKENS_PER_S).min(remaining_s);
            let allowed_s = if last { allowed_s } else { allowed_s.min((remaining_s / 2.0).max(patience_s)) };
            if answer.end_s > allowed_s {
                return silent(allowed_s, allowed_s >= remaining_s);
            }
            return (fate(answer.ending, false, false, 1.0), None, at(answer.end_s));
        }
        let wait_s = patience_s.min(remaining_s);
        let Some(first_s) = answer.first_s.filter(|first_s| *first_s <= wait_s) else {
            if answer.first_s.is_none() && answer.end_s <= wait_s {
                return (fate(answer.ending, false, false, 0.0), None, at(answer.end_s));
            }
            return silent(wait_s, remaining_s < patience_s);
        };
        let stalled = answer.end_s == f64::INFINITY;
        let end_s = if stalled { first_s + IDLE_S } else { answer.end_s };
        if end_s > remaining_s {
            let written = if stalled { 0.5 } else { (remaining_s - first_s) / (end_s - first_s) };
            let ending = Ending::Cancelled { sent: true };
            return (fate(ending, true, true, written), Some(at(first_s)), at(remaining_s));
        }
        let written = if matches!(answer.ending, Ending::Succeeded) { 1.0 } else { 0.5 };
        (fate(answer.ending, true, false, written), Some(at(first_s)), at(end_s))
    }

    pub(crate) fn first_content(&mut self, id: usize) {
        let now = self.now;
        let attempt = &mut self.attempts[id];
        let Some(held) = attempt.held.as_mut() else { return };
        if let Some(kept) = held.reservation.as_mut() {
            kept.0.first_content(now);
        }
        attempt.first_content = Some(now);
        let (call, provider, after) = (attempt.call, attempt.provider, now.since(attempt.at));
        self.memory.learn(provider, after.as_secs_f64());
        self.calls[call].first_content = Some(now);
        self.win(call, id);
    }

    /// This attempt is the answer: whoever runs beside it is settled as beaten.
    fn win(&mut self, call: usize, winner: usize) {
        let others: Vec<usize> =
            self.calls[call].running.iter().flatten().copied().filter(|&id| id != winner).collect();
        for id in others {
            self.attempts[id].beaten = true;
            let written = if self.streamed { Some(0) } else { None };
            let ending = Ending::Cancelled { sent: true };
            let outcome = Outcome { output_tokens: written, beaten: true, ..Outcome::bare(ending) };
            self.settle(id, outcome, 0.0);
        }
    }

    /// An attempt's own end.
    pub(crate) fn end(&mut self, id: usize) {
        let Some(held) = self.attempts[id].held.as_ref() else { return };
        let (fate, answer, call) = (held.fate, held.answer.clone(), self.attempts[id].call);
        let arrival = &self.arrivals[call];
        let bound = held.reservation.as_ref().and_then(|kept| kept.0.decision().max_tokens).unwrap_or(u64::MAX);
        let written = (arrival.output_tokens.min(bound) as f64 * fate.written).round() as u64;
        let whole = matches!(fate.ending, Ending::Succeeded);
        let outcome = Outcome {
            input_tokens: whole.then_some(arrival.input_tokens),
            output_tokens: (whole || fate.content).then_some(written),
            cached_tokens: if whole { answer.cached } else { 0 },
            retry_after: answer.retry_after,
            reports: &answer.reports,
            ..Outcome::bare(fate.ending)
        };
        self.settle(id, outcome, fate.written);
        let call_state = &mut self.calls[call];
        if whole {
            call_state.first_content = call_state.first_content.or(Some(self.now));
            self.win(call, id);
            return self.over(call, End::Answered);
        }
        if fate.content {
            return self.over(call, End::Interrupted);
        }
        call_state.late |= fate.late;
        call_state.failed = Some(fate.ending);
        call_state.hint = answer.retry_after;
        let provider = self.attempts[id].provider;
        if !call_state.tried.contains(&provider) {
            call_state.tried.push(provider);
        }
        // Whoever still runs beside it may have the answer.
        if call_state.running.iter().all(Option::is_none) {
            if call_state.late { self.over(call, End::Late) } else { self.recover(call) }
        }
    }

    fn settle(&mut self, id: usize, outcome: Outcome<'_>, written: f64) {
        let now = self.now;
        let attempt = &mut self.attempts[id];
        let Some(held) = attempt.held.take() else {
            return self.ledger.breach(now, || format!("attempt {id} ended twice"));
        };
        (attempt.ending, attempt.ended) = (Some(outcome.ending), Some(now));
        let (provider, call) = (attempt.provider, attempt.call);
        if held.answer.admitted {
            self.providers[provider].release(&mut self.pools);
            let arrival = &self.arrivals[call];
            let bound = held.reservation.as_ref().and_then(|kept| kept.0.decision().max_tokens).unwrap_or(u64::MAX);
            let output = (arrival.output_tokens.min(bound) as f64 * written).round() as u64;
            let price = &self.terms[provider].0;
            let cached = held.answer.cached;
            let (fresh, read, answered) = rates(price, arrival.input_tokens);
            let input = (arrival.input_tokens - cached) * fresh + cached * read;
            // A 429 bills nothing; what was admitted bills its prompt and what was written of the answer.
            attempt.output_tokens = output;
            attempt.cost = (input + output * answered) / 1_000_000;
            self.calls[call].cost += attempt.cost;
        }
        self.memory.seen[provider].in_flight -= 1;
        for place in &mut self.calls[call].running {
            if *place == Some(id) {
                *place = None;
            }
        }
        if let Some(Kept(mut made)) = held.reservation {
            made.settle(outcome, now);
            self.ledger.settled(id, &made, outcome.reports, &self.router, now);
        }
    }

    /// A silent attempt: a second one beside it, if there is time, room and budget for one.
    pub(crate) fn hedge(&mut self, id: usize) {
        let attempt = &self.attempts[id];
        let call = attempt.call;
        let alone = self.calls[call].running.iter().flatten().count() == 1;
        if attempt.held.is_none() || attempt.first_content.is_some() || !alone {
            return;
        }
        let provider = attempt.provider;
        if self.try_hedge(call, provider) {
            return;
        }
        // Who finds no room or budget asks again, at twice and four times the wait.
        let attempt = &mut self.attempts[id];
        let waited = attempt.silent;
        attempt.silent = waited + waited;
        self.plan(self.now + waited, id, Step::Hedge);
    }

    fn try_hedge(&mut self, call: usize, first: usize) -> bool {
        let in_time = self.deadline(call).remaining(self.now) >= MIN_ATTEMPT;
        if self.calls[call].attempts >= self.max_attempts || !in_time {
            return false;
        }
        let mut tried = self.calls[call].tried.clone();
        tried.push(first);
        let Decided::Made(provider, made) = self.decide(call, &tried, Nanos::ZERO, true) else { return false };
        if self.too_slow(call, provider) || !self.router.try_hedge(self.now) {
            self.unsent(made);
            return false;
        }
        self.ledger.note_hedge(self.now);
        self.send(call, provider, made);
        true
    }

    /// No capacity or no one who may: after a failure that failure is what the caller sees.
    fn give_up(&mut self, call: usize, end: End) {
        let end = if self.calls[call].failed.is_some() { End::Failed } else { end };
        self.over(call, end);
    }

    fn over(&mut self, call: usize, end: End) {
        let now = self.now;
        let state = &mut self.calls[call];
        if state.ended.is_some() {
            return self.ledger.breach(now, || format!("call {call} ended twice"));
        }
        (state.ended, state.end, state.well) = (Some(now), Some(end), end == End::Answered);
    }
}

/// What plain input, cached input and output cost in a request with a prompt of this length, read from the price as it
/// was written.
fn rates(price: &Price, input_tokens: u64) -> (u64, u64, u64) {
    let reached = price.tiers.iter().filter(|tier| input_tokens > tier.above).max_by_key(|tier| tier.above);
    reached.map_or((price.input, price.cached_input.unwrap_or(price.input), price.output), |tier| {
        (tier.input, tier.cached_input.unwrap_or(tier.input), tier.output)
    })
}
