//! Real threads on the machine's own atomics, in numbers: the figures of the specification that count something.
//!
//! loom proves the steps and shuttle the engine; this shows that what was proven is what runs. Each storm counts that it
//! was one. The short ones are part of `make test`, the long ones of `make prove`.

#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, yield_now};

use common::{ALL, deployment, good, router, snapshot};
use junctor_core::breaker::{BREAKER_WORDS, Breaker, Effect, Peek};
use junctor_core::draw::Draw;
use junctor_core::outcome::{Ending, Outcome};
use junctor_core::request::Request;
use junctor_core::units::Nanos;
use serde_json::json;

const LEASE: Nanos = Nanos::from_secs(20);
const TICK: Nanos = Nanos::from_millis(16);

/// What a race for probes showed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Race {
    probes: u64,
    /// Threads that saw that a probe was due and then were refused it.
    beaten: u64,
    /// Probes that were lost, as the breaker says.
    lost: u64,
}

/// What the racing threads share.
struct Track {
    words: [junctor_core::sync::AtomicU64; BREAKER_WORDS],
    clock: AtomicU64,
    /// The round under way, how many have asked in it, and up to which round all have.
    round: AtomicU64,
    asked: AtomicU64,
    all_asked: AtomicU64,
    won: AtomicU64,
    lost: AtomicU64,
    /// Rounds with none or two; noted and not asserted, for a thread that stopped would leave the others waiting.
    wrong: AtomicU64,
}

impl Track {
    /// Gives way until `ready`; `false` if there is no point any more.
    fn wait(&self, ready: impl Fn() -> bool) -> bool {
        while !ready() {
            if self.wrong.load(Ordering::Acquire) > 0 {
                return false;
            }
            yield_now();
        }
        true
    }

    /// Asks for the probe of one round. Answers whether the thread saw it due and was refused; nothing if all is over.
    fn contest(&self, turn: u64, thread: u64, threads: u64) -> Option<bool> {
        if !self.wait(|| self.round.load(Ordering::Acquire) >= turn) {
            return None;
        }
        let breaker = Breaker::new(&self.words);
        let now = Nanos(self.clock.load(Ordering::Acquire));
        let due = breaker.peek(now) == Peek::WouldProbe;
        // The others come to see it as well.
        yield_now();
        // Ordinary admission and the last resort race for the same probe.
        let forced = (thread + turn).is_multiple_of(2);
        let permit = if forced { breaker.force_probe(now, LEASE) } else { breaker.admit(now, LEASE) };
        self.won.fetch_add(u64::from(permit.is_ok()), Ordering::AcqRel);
        if self.asked.fetch_add(1, Ordering::AcqRel) + 1 == threads {
            self.wrong.fetch_add(u64::from(self.won.load(Ordering::Acquire) != turn + 1), Ordering::AcqRel);
            self.asked.store(0, Ordering::Release);
            self.all_asked.store(turn + 1, Ordering::Release);
        }
        let Ok(permit) = permit else { return Some(due) };
        self.wrong.fetch_add(u64::from(!permit.probe), Ordering::AcqRel);
        self.lost.fetch_add(u64::from(permit.lost_probe), Ordering::AcqRel);
        if !self.wait(|| self.all_asked.load(Ordering::Acquire) > turn) {
            return None;
        }
        // A third fails, a third is given up, a third dies without a word.
        let next = match (turn % 3, permit) {
            (0, permit) => match breaker.fail(permit, now) {
                Effect::Opened { until } => until,
                _ => Nanos::ZERO,
            },
            (1, permit) => {
                let _ = breaker.abandon(permit, now);
                now
            }
            _ => now + LEASE + TICK,
        };
        self.clock.store(next.0, Ordering::Release);
        self.round.store(turn + 1, Ordering::Release);
        Some(false)
    }
}

/// All threads race for the one probe of each round, and go on together when all have asked.
fn race_for_probes(threads: u64, rounds: u64) -> Race {
    let track = Track {
        words: Default::default(),
        clock: AtomicU64::new(0),
        round: AtomicU64::new(0),
        asked: AtomicU64::new(0),
        all_asked: AtomicU64::new(0),
        won: AtomicU64::new(0),
        lost: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
    };
    let (breaker, begin) = (Breaker::new(&track.words), Nanos::from_secs(10));
    while let Ok(permit) = breaker.admit(begin, LEASE) {
        if let Effect::Opened { until } = breaker.fail(permit, begin) {
            track.clock.store(until.0, Ordering::Release);
        }
    }
    let track = &track;
    let work = move |thread: u64| {
        let asked = (0..rounds).map_while(move |turn| track.contest(turn, thread, threads));
        asked.filter(|beaten| *beaten).count() as u64
    };
    let beaten = scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(track.wrong.load(Ordering::Acquire), 0, "one probe in each round, and nothing but a probe");
    Race { probes: track.won.load(Ordering::Acquire), beaten, lost: track.lost.load(Ordering::Acquire) }
}

fn of_sixty_four_threads_one_probes(rounds: u64) {
    let race = race_for_probes(64, rounds);
    println!("{rounds} rounds of 64 threads: {race:?}");
    assert_eq!(race.probes, rounds, "exactly one in each");
    assert!(race.beaten > 8 * rounds, "on average more than eight saw it due and were beaten: {race:?}");
    // A third dies without a word; each is noticed once, by the next round.
    assert_eq!(race.lost, (rounds - 1) / 3, "{race:?}");
}

#[test]
fn in_five_thousand_rounds_of_64_threads_each_has_exactly_one_probe() {
    of_sixty_four_threads_one_probes(5_000);
}

#[test]
#[ignore = "long: make prove"]
fn in_a_million_rounds_of_64_threads_each_has_exactly_one_probe() {
    // Ten times, so that one can see how far it is.
    (0..10).for_each(|_| of_sixty_four_threads_one_probes(100_000));
}

/// Requests in a minute and tokens in a minute, at once and as they refill.
const REQUESTS: u64 = 6_000_000;
const TOKENS: u64 = 90_000_000;
/// Of each, so many at once: a second's worth.
const BURST: u64 = 60;
/// The share of the tokens' rate that one request takes is the same as that of the requests' rate.
const TOKENS_EACH: u64 = 15;

/// Threads ask, use and settle on a running clock; nothing above rate and burst is let through, in whole requests and in
/// tokens, and of what is asked for enough is.
fn nothing_is_over_admitted(attempts: u64) {
    const THREADS: u64 = 8;
    let limits = json!([{"dimension": "rpm", "limit": REQUESTS, "burst_s": 1.0},
                        {"dimension": "tpm", "limit": TOKENS, "burst_s": 1.0}]);
    let key = |name: &str| deployment(name, json!({"pools": ["org"]}));
    let router = router(&[key("a"), key("b")], json!({"pools": [{"name": "org", "limits": limits}]}));
    let start = Nanos::from_secs(1_000);
    let (clock, asked) = (AtomicU64::new(start.0), AtomicU64::new(0));
    let (router, clock, asked) = (&router, &clock, &asked);
    let work = move |thread: u64| {
        let (mut draw, mut admitted, mut sent) = (Draw::new(thread), 0_u64, 0_u64);
        while asked.fetch_add(1, Ordering::AcqRel) < attempts {
            // Each call moves the clock by 4 µs, two fifths of what a request costs.
            let now = Nanos(clock.fetch_add(4_000, Ordering::AcqRel));
            let request = Request { input_tokens: TOKENS_EACH - 1, output_tokens: Some(1), ..ALL };
            let Ok(mut made) = router.reserve(&request, now, draw.next_u64()) else { continue };
            admitted += 1;
            // One in eight was never sent, and gives back all that it took.
            if draw.below(8) == 0 {
                made.settle(Outcome::bare(Ending::Cancelled { sent: false }), now);
            } else {
                made.settle(good(TOKENS_EACH - 1, 1), now);
                sent += 1;
            }
        }
        (admitted, sent)
    };
    let each: Vec<(u64, u64)> = scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sent: u64 = each.iter().map(|(_, sent)| sent).sum();
    let elapsed = clock.load(Ordering::Acquire) - start.0;
    let minute = 60_000_000_000_u128;
    let refilled = (u128::from(elapsed) * u128::from(REQUESTS) / minute) as u64;
    let bound = refilled + REQUESTS / BURST;
    println!("{attempts} attempts on {THREADS} threads: {sent} of at most {bound} sent");
    assert!(sent <= bound, "{sent} of at most {bound}");
    assert!(each.iter().all(|(admitted, _)| *admitted > 0), "all took part: {each:?}");
    assert!(sent * 1_000 >= refilled * 995, "and at least 99.5 % of the rate is used: {sent} of {refilled}");
    let end = snapshot(router, Nanos(clock.load(Ordering::Acquire)) + Nanos::from_secs(60));
    assert!(end.deployments.values().all(|one| one.in_flight == 0), "{:?}", end.deployments);
    assert_eq!(end.pools["org"]["rpm"].level as u64, REQUESTS / BURST);
    assert_eq!(end.pools["org"]["tpm"].level as u64, TOKENS / BURST);
}

#[test]
fn in_half_a_million_attempts_on_a_running_clock_none_is_let_through_above_the_limit() {
    nothing_is_over_admitted(500_000);
}

#[test]
#[ignore = "long: make prove"]
fn in_ten_million_attempts_on_a_running_clock_none_is_let_through_above_the_limit() {
    nothing_is_over_admitted(10_000_000);
}

/// The fastest way to a leak is a thread that leaves in the middle: it is always another's turn to find out.
#[test]
fn a_breaker_that_every_thread_trips_and_recovers_is_never_wedged() {
    let words: [junctor_core::sync::AtomicU64; BREAKER_WORDS] = Default::default();
    let (breaker, clock, over) = (Breaker::new(&words), AtomicU64::new(1_000_000_000_000), AtomicBool::new(false));
    let (clock, over) = (&clock, &over);
    let work = move |seed: u64| {
        let (mut draw, mut closed) = (Draw::new(seed), 0_u64);
        while !over.load(Ordering::Acquire) {
            let now = Nanos(clock.fetch_add(draw.below(4_000_000_000), Ordering::AcqRel));
            let Ok(permit) = breaker.admit(now, LEASE) else { continue };
            yield_now();
            let probe = permit.probe;
            match draw.below(4) {
                0 => drop(permit),
                1 => _ = breaker.succeed(permit, now),
                _ => _ = breaker.fail(permit, now),
            }
            closed += u64::from(probe);
            if closed == 500 {
                over.store(true, Ordering::Release);
            }
        }
        closed
    };
    let probes: Vec<u64> = scope(|scope| {
        let threads: Vec<_> = (0..8).map(|seed| scope.spawn(move || work(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(probes.iter().filter(|probes| **probes > 0).count() > 1, "more than one probed: {probes:?}");
    let end = Nanos(clock.load(Ordering::Acquire)) + Nanos::from_secs(3_602);
    assert!(breaker.admit(end, LEASE).is_ok(), "it lets somebody through in the end");
}
