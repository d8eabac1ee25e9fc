//! The breaker against a naive twin, and under threads.
//!
//! The twin is the table of the specification written down as an enum and a list of results.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

use std::sync::Barrier;

use junctor_core::breaker::{BREAKER_WORDS, Breaker, Effect, Peek, Permit};
use junctor_core::draw::Draw;
use junctor_core::sync::{AtomicU64, Ordering};
use junctor_core::units::Nanos;
use proptest::prelude::*;

type Words = [AtomicU64; BREAKER_WORDS];

const SECOND: u64 = 1_000_000_000;
const TICK: u64 = 16_000_000;
const LEASE: Nanos = Nanos::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Since when, if not for ever.
    Closed(Option<u64>),
    Open(u64),
    Half(u64),
    Forced,
}

#[derive(Debug)]
struct Twin {
    state: State,
    doublings: u32,
    generation: u32,
    run: u32,
    results: Vec<(u64, bool)>,
    last_forced: Option<u64>,
}

/// Times are kept in whole ticks: an end is rounded up, a beginning down.
fn end(at: u64) -> u64 {
    at.div_ceil(TICK) * TICK
}

fn begin(at: u64) -> u64 {
    at / TICK * TICK
}

fn open_secs(doublings: u32) -> u64 {
    [30, 60, 120, 240, 300][doublings as usize]
}

impl Twin {
    fn new() -> Self {
        Self { state: State::Closed(None), doublings: 0, generation: 0, run: 0, results: Vec::new(), last_forced: None }
    }

    fn enter(&mut self, state: State) {
        (self.state, self.generation, self.run) = (state, self.generation + 1, 0);
        self.results.clear();
    }

    fn open(&mut self, secs: u64, now: u64) -> Effect {
        let until = end(now + secs * SECOND);
        self.enter(State::Open(until));
        Effect::Opened { until: Nanos(until) }
    }

    fn close(&mut self, now: u64) -> Effect {
        self.enter(State::Closed(Some(begin(now))));
        Effect::Closed
    }

    fn probe(&mut self, now: u64, forced: bool) -> Permit {
        let lost_probe = matches!(self.state, State::Half(_));
        self.enter(State::Half(end(now + LEASE.0)));
        Permit { probe: true, lost_probe, forced, ..self.ordinary() }
    }

    fn ordinary(&self) -> Permit {
        Permit { generation: self.generation, probe: false, lost_probe: false, forced: false, answered: false }
    }

    fn admit(&mut self, now: u64) -> Result<Permit, Nanos> {
        match self.state {
            State::Closed(_) => Ok(self.ordinary()),
            State::Open(until) | State::Half(until) if now < until => Err(Nanos(until)),
            State::Open(_) | State::Half(_) => Ok(self.probe(now, false)),
            State::Forced => Err(Nanos::MAX),
        }
    }

    fn force_probe(&mut self, now: u64) -> Result<Permit, Nanos> {
        match self.state {
            State::Open(until) if now < until => match self.last_forced {
                Some(last) if now < last + SECOND => Err(Nanos(last + SECOND)),
                _ => {
                    self.last_forced = Some(now);
                    Ok(self.probe(now, true))
                }
            },
            _ => self.admit(now),
        }
    }

    fn report(&mut self, permit: &Permit, how: &How, now: u64) -> Effect {
        let live = permit.generation == self.generation;
        match (self.state, permit.probe) {
            (State::Closed(_), false) if live && permit.answered && matches!(how, How::Succeed) => Effect::None,
            (State::Closed(since), false) if live => self.result(how, since, now),
            (State::Half(_), true) if live => match how {
                How::Succeed => self.close(now),
                How::Fail => self.reopen(permit.forced, 0, now),
                How::Throttled(hint) => self.reopen(permit.forced, hint.unwrap_or(0).min(3_600), now),
                How::Config => self.open(300, now),
                How::Abandon => {
                    self.state = State::Open(begin(now));
                    Effect::ProbeReturned
                }
            },
            _ => Effect::StaleReport,
        }
    }

    /// The answer begins: that is the success, whatever comes after it.
    fn first_content(&mut self, permit: &mut Permit, now: u64) -> Effect {
        let live = permit.generation == self.generation;
        match (self.state, permit.probe) {
            (State::Half(_), true) if live => {
                let effect = self.close(now);
                *permit = Permit { lost_probe: permit.lost_probe, answered: true, ..self.ordinary() };
                effect
            }
            (_, true) => {
                let generation = permit.generation;
                *permit = Permit { generation, lost_probe: permit.lost_probe, answered: true, ..self.ordinary() };
                Effect::StaleReport
            }
            (State::Closed(since), false) if live && !permit.answered => {
                permit.answered = true;
                self.result(&How::Succeed, since, now)
            }
            _ => Effect::None,
        }
    }

    fn reopen(&mut self, forced: bool, at_least: u64, now: u64) -> Effect {
        self.doublings = (self.doublings + u32::from(!forced)).min(4);
        self.open(open_secs(self.doublings).max(at_least), now)
    }

    fn result(&mut self, how: &How, since: Option<u64>, now: u64) -> Effect {
        let failed = match how {
            How::Succeed => false,
            How::Fail => true,
            How::Config => return self.open(300, now),
            _ => return Effect::None,
        };
        self.run = if failed { self.run + 1 } else { 0 };
        self.results.push((now / SECOND, failed));
        let recent: Vec<_> = self.results.iter().filter(|(second, _)| now / SECOND - second < 10).collect();
        let failures = recent.iter().filter(|(_, failed)| *failed).count();
        if self.run < 5 && (recent.len() < 10 || failures * 2 < recent.len()) {
            return Effect::None;
        }
        let minutes = since.map_or(u64::MAX, |since| (begin(now) - since) / (60 * SECOND));
        self.doublings = match minutes {
            0 => (self.doublings + 1).min(4),
            _ => self.doublings.saturating_sub(u32::try_from(minutes).unwrap_or(u32::MAX)),
        };
        self.open(open_secs(self.doublings), now)
    }
}

#[derive(Clone, Debug)]
enum How {
    Succeed,
    Fail,
    Throttled(Option<u64>),
    Abandon,
    Config,
}

#[derive(Clone, Debug)]
enum Step {
    Admit,
    ForceProbe,
    FirstContent(usize),
    Report(usize, How),
    /// Admits and reports at once, a number of times: the way to trip it.
    Rush(u32, How),
    Pass(u64),
    ForceOpen,
    ForceClose,
    Reset,
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        5 => Just(How::Succeed),
        5 => Just(How::Fail),
        2 => proptest::option::of(0..5_000_u64).prop_map(How::Throttled),
        2 => Just(How::Abandon),
        1 => Just(How::Config),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Admit),
        2 => Just(Step::ForceProbe),
        4 => any::<usize>().prop_map(Step::FirstContent),
        6 => (any::<usize>(), how()).prop_map(|(i, how)| Step::Report(i, how)),
        4 => (1..8_u32, how()).prop_map(|(n, how)| Step::Rush(n, how)),
        3 => (0..2 * SECOND).prop_map(Step::Pass),
        3 => (0..400 * SECOND).prop_map(Step::Pass),
        1 => prop_oneof![Just(Step::ForceOpen), Just(Step::ForceClose), Just(Step::Reset)],
    ]
}

fn tell(breaker: &Breaker<'_>, permit: Permit, how: &How, now: Nanos) -> Effect {
    match how {
        How::Succeed => breaker.succeed(permit, now),
        How::Fail => breaker.fail(permit, now),
        How::Throttled(hint) => breaker.throttled(permit, now, hint.map(Nanos::from_secs)),
        How::Abandon => breaker.abandon(permit, now),
        How::Config => breaker.config_failure(permit, now),
    }
}

fn copy(permit: &Permit) -> Permit {
    Permit { ..*permit }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_agrees_with_the_table(steps in proptest::collection::vec(step(), 1..150)) {
        let words = Words::default();
        let (breaker, mut twin) = (Breaker::new(&words), Twin::new());
        let mut permits: Vec<Permit> = Vec::new();
        let mut now = 1_000 * SECOND;
        for step in steps {
            match step {
                Step::Admit => {
                    let answer = breaker.admit(Nanos(now), LEASE);
                    prop_assert_eq!(&answer, &twin.admit(now));
                    permits.extend(answer);
                }
                Step::ForceProbe => {
                    let answer = breaker.force_probe(Nanos(now), LEASE);
                    prop_assert_eq!(&answer, &twin.force_probe(now));
                    permits.extend(answer);
                }
                Step::FirstContent(i) if !permits.is_empty() => {
                    let place = i % permits.len();
                    let mut theirs = copy(&permits[place]);
                    let want = twin.first_content(&mut theirs, now);
                    prop_assert_eq!(breaker.first_content(&mut permits[place], Nanos(now)), want);
                    prop_assert_eq!(&permits[place], &theirs);
                }
                Step::Report(i, how) if !permits.is_empty() => {
                    let permit = permits.swap_remove(i % permits.len());
                    let want = twin.report(&permit, &how, now);
                    prop_assert_eq!(tell(&breaker, permit, &how, Nanos(now)), want, "{:?}", how);
                }
                Step::Rush(n, how) => for _ in 0..n {
                    let Ok(permit) = breaker.admit(Nanos(now), LEASE) else { break };
                    prop_assert_eq!(&permit, &twin.admit(now).unwrap());
                    let want = twin.report(&copy(&permit), &how, now);
                    prop_assert_eq!(tell(&breaker, permit, &how, Nanos(now)), want, "{:?}", how);
                },
                Step::Pass(ns) => now += ns,
                Step::ForceOpen => {
                    breaker.force_open(Nanos(now));
                    twin.enter(State::Forced);
                }
                Step::ForceClose => prop_assert_eq!(breaker.force_close(Nanos(now)), twin.close(now)),
                Step::Reset => {
                    breaker.reset(Nanos(now));
                    twin.enter(State::Closed(Some(begin(now - 60 * SECOND))));
                    (twin.doublings, twin.last_forced) = (0, None);
                }
                Step::FirstContent(_) | Step::Report(..) => {}
            }
            let want = match twin.state {
                State::Closed(_) => Peek::Admits,
                State::Open(until) | State::Half(until) if now < until => Peek::Refuses(Nanos(until)),
                State::Open(_) | State::Half(_) => Peek::WouldProbe,
                State::Forced => Peek::Refuses(Nanos::MAX),
            };
            prop_assert_eq!(breaker.peek(Nanos(now)), want);
            let snapshot = breaker.snapshot(Nanos(now));
            prop_assert_eq!((snapshot.exponent, snapshot.generation, snapshot.run), (twin.doublings, twin.generation, twin.run));
        }
    }
}

const THREADS: usize = 8;

/// Fails until it opens; returns until when.
fn trip(breaker: &Breaker<'_>, now: Nanos) -> Nanos {
    loop {
        if let Effect::Opened { until } = breaker.fail(breaker.admit(now, LEASE).unwrap(), now) {
            return until;
        }
    }
}

#[test]
fn of_all_threads_that_find_the_time_passed_exactly_one_probes() {
    const ROUNDS: usize = 4_000;
    let words = Words::default();
    let breaker = Breaker::new(&words);
    let clock = AtomicU64::new(trip(&breaker, Nanos::from_secs(10)).0);
    let (barrier, winners) = (Barrier::new(THREADS), AtomicU64::new(0));
    let wins: Vec<u32> = std::thread::scope(|scope| {
        let (barrier, winners, clock, breaker) = (&barrier, &winners, &clock, &breaker);
        let race = move |i: usize| {
            let mut wins = 0;
            for round in 0..ROUNDS {
                barrier.wait();
                let now = Nanos(clock.load(Ordering::Acquire));
                // Ordinary admission and the last resort race for the same probe.
                let permit = if (i + round).is_multiple_of(2) {
                    breaker.admit(now, LEASE)
                } else {
                    breaker.force_probe(now, LEASE)
                };
                winners.fetch_add(u64::from(permit.is_ok()), Ordering::AcqRel);
                barrier.wait();
                if let Ok(permit) = permit {
                    assert_eq!(winners.swap(0, Ordering::AcqRel), 1, "round {round}");
                    assert!(permit.probe);
                    wins += 1;
                    // A third fails, a third is cancelled, a third dies without a word.
                    let next = match round % 3 {
                        0 => match breaker.fail(permit, now) {
                            Effect::Opened { until } => until,
                            other => panic!("{other:?}"),
                        },
                        1 => {
                            assert_eq!(breaker.abandon(permit, now), Effect::ProbeReturned);
                            now
                        }
                        _ => now + LEASE + Nanos(TICK),
                    };
                    clock.store(next.0, Ordering::Release);
                }
                barrier.wait();
            }
            wins
        };
        let threads: Vec<_> = (0..THREADS).map(|i| scope.spawn(move || race(i))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(wins.iter().sum::<u32>() as usize, ROUNDS);
    assert!(wins.iter().filter(|&&wins| wins > 0).count() > 1, "the race was a race: {wins:?}");
}

#[test]
fn a_burst_of_failures_from_all_threads_opens_it_once() {
    for _ in 0..300 {
        let words = Words::default();
        let (breaker, barrier, now) = (Breaker::new(&words), Barrier::new(THREADS), Nanos::from_secs(100));
        let permits: Vec<Vec<Permit>> =
            (0..THREADS).map(|_| (0..20).map(|_| breaker.admit(now, LEASE).unwrap()).collect()).collect();
        let opened: usize = std::thread::scope(|scope| {
            let (breaker, barrier) = (&breaker, &barrier);
            let threads: Vec<_> = permits
                .into_iter()
                .map(|permits| {
                    scope.spawn(move || {
                        barrier.wait();
                        let effects = permits.into_iter().map(|permit| breaker.fail(permit, now));
                        effects.filter(|effect| matches!(effect, Effect::Opened { .. })).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let snapshot = breaker.snapshot(now);
        assert_eq!((opened, snapshot.generation, snapshot.exponent), (1, 1, 0));
    }
}

#[test]
fn no_generation_has_two_probes_and_none_is_wedged_whatever_the_threads_do() {
    let words = Words::default();
    let (breaker, clock) = (Breaker::new(&words), AtomicU64::new(1_000 * SECOND));
    let mut probes: Vec<u32> = std::thread::scope(|scope| {
        let (breaker, clock) = (&breaker, &clock);
        let chaos = move |seed: u64| {
            let (mut draw, mut probes) = (Draw::new(seed), Vec::new());
            for _ in 0..30_000 {
                let now = Nanos(clock.fetch_add(draw.below(SECOND), Ordering::AcqRel));
                let Ok(mut permit) = breaker.admit(now, LEASE) else { continue };
                if permit.probe {
                    probes.push(permit.generation);
                }
                std::thread::yield_now();
                let later = Nanos(clock.load(Ordering::Acquire));
                match draw.below(10) {
                    0..4 => breaker.fail(permit, later),
                    4..7 => breaker.succeed(permit, later),
                    7 => {
                        breaker.first_content(&mut permit, later);
                        breaker.succeed(permit, later)
                    }
                    8 => breaker.abandon(permit, later),
                    // Killed: never reports.
                    _ => Effect::None,
                };
            }
            probes
        };
        let threads: Vec<_> = (0..THREADS as u64).map(|seed| scope.spawn(move || chaos(seed))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let all = probes.len();
    probes.sort_unstable();
    probes.dedup();
    assert_eq!(probes.len(), all, "each probe in a generation of its own");
    assert!(all > 100, "{all} probes");
    let end = Nanos(clock.load(Ordering::Acquire)) + Nanos::from_secs(3_602);
    let last = breaker.admit(end, LEASE).unwrap();
    if last.probe {
        assert_eq!(breaker.succeed(last, end), Effect::Closed);
    }
    assert_eq!(breaker.peek(end), Peek::Admits);
}
