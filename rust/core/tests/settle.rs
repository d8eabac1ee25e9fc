//! What is held is settled, once, and nothing is lost on the way: limits, money, flights, reloads.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod common;

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::{
    ALL, bits, chosen, counter, deployment, failed, fleet, good, level, level_bits, plain, pool, reserve_at, router,
    secs, snapshot, state_of, throttled, trip,
};
use junctor_core::decision::Why;
use junctor_core::draw::Draw;
use junctor_core::outcome::{Ending, Fault, LimitReport, Outcome};
use junctor_core::request::Request;
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::spec::{Dimension, FleetSpec};
use junctor_core::units::Nanos;
use proptest::prelude::*;
use serde_json::{Value, json};

const T: Nanos = Nanos::from_secs(1_000);
const UNSENT: Ending = Ending::Cancelled { sent: false };

// ---- conservation ----

/// A limit as a sum on paper.
#[derive(Clone, Debug)]
enum Sum {
    /// Units × window still to be paid off, and when that was last worked out.
    Paced { limit: u64, owed: u128, at: Nanos },
    /// Units of one day.
    Daily { limit: u64, used: u64, day: u64 },
    /// Units at once.
    AtOnce { limit: u64, used: u64 },
}

const MINUTE: u128 = 60_000_000_000;
const DAY: u64 = 86_400_000_000_000;

impl Sum {
    fn pass(&mut self, now: Nanos) {
        match self {
            Self::Paced { limit, owed, at } => {
                *owed = owed.saturating_sub(u128::from(now.since(*at).0) * u128::from(*limit));
                *at = now;
            }
            Self::Daily { used, day, .. } if now.0 / DAY > *day => (*used, *day) = (0, now.0 / DAY),
            _ => {}
        }
    }

    fn fits(&self, units: u64) -> bool {
        match self {
            Self::Paced { limit, owed, .. } => owed + u128::from(units) * MINUTE <= u128::from(*limit) * MINUTE,
            Self::Daily { limit, used, .. } | Self::AtOnce { limit, used } => used + units <= *limit,
        }
    }

    fn add(&mut self, units: u64) {
        match self {
            Self::Paced { owed, .. } => *owed += u128::from(units) * MINUTE,
            Self::Daily { used, .. } | Self::AtOnce { used, .. } => *used += units,
        }
    }

    /// Replaces what was taken on `day` by what was used.
    fn settle(&mut self, held: u64, used: u64, taken_on: u64) {
        if used > held {
            return self.add(used - held);
        }
        match self {
            Self::Paced { owed, .. } => *owed = owed.saturating_sub(u128::from(held - used) * MINUTE),
            Self::Daily { used: sum, day, .. } if *day == taken_on => *sum -= held - used,
            Self::Daily { .. } => {}
            Self::AtOnce { used: sum, .. } => *sum -= held,
        }
    }

    fn level(&self) -> i64 {
        match self {
            Self::Paced { limit, owed, .. } => {
                let (limit, owed) = (i128::from(*limit), i128::try_from(owed.div_ceil(MINUTE)).unwrap());
                i64::try_from(limit - owed).unwrap()
            }
            Self::Daily { limit, used, .. } | Self::AtOnce { limit, used } => {
                i64::try_from(*limit).unwrap() - i64::try_from(*used).unwrap()
            }
        }
    }
}

/// Pools and dimensions of each deployment, as in [`pooled`].
const DRAWS: [(&str, &[(&str, &str)]); 3] = [
    ("a", &[("shared", "rpm"), ("shared", "tpm"), ("a", "concurrency")]),
    ("b", &[("shared", "rpm"), ("shared", "tpm"), ("b", "rpd"), ("b", "tpd")]),
    ("c", &[("c", "usd_per_day"), ("c", "input_tpm"), ("c", "output_tpm")]),
];

fn pooled(weight: f64) -> FleetSpec {
    let daily = |dimension: &str, limit: u64| json!({"dimension": dimension, "limit": limit, "calendar": []});
    let pools = json!([
        pool("shared", &[("rpm", 60), ("tpm", 60_000)]), pool("a", &[("concurrency", 4)]),
        {"name": "b", "limits": [daily("rpd", 50), daily("tpd", 100_000)]},
        {"name": "c", "limits": [daily("usd_per_day", 200_000), pool("", &[("input_tpm", 30_000)])["limits"][0], pool("", &[("output_tpm", 6_000)])["limits"][0]]},
    ]);
    let with = |name: &str, pools: Value| {
        deployment(name, json!({"pools": pools, "weight": weight, "price": {"input": 1_000_000, "output": 4_000_000}}))
    };
    let all = [with("a", json!(["shared", "a"])), with("b", json!(["shared", "b"])), with("c", json!(["c"]))];
    fleet(&all, json!({"pools": pools}))
}

fn paper() -> BTreeMap<(&'static str, &'static str), Sum> {
    let paced = |limit| Sum::Paced { limit, owed: 0, at: Nanos::ZERO };
    let daily = |limit| Sum::Daily { limit, used: 0, day: 0 };
    BTreeMap::from([
        (("shared", "rpm"), paced(60)),
        (("shared", "tpm"), paced(60_000)),
        (("a", "concurrency"), Sum::AtOnce { limit: 4, used: 0 }),
        (("b", "rpd"), daily(50)),
        (("b", "tpd"), daily(100_000)),
        (("c", "usd_per_day"), daily(200_000)),
        (("c", "input_tpm"), paced(30_000)),
        (("c", "output_tpm"), paced(6_000)),
    ])
}

/// Units of a dimension for a prompt and an answer: one micro-dollar and four.
fn units(dimension: &str, input: u64, output: u64) -> u64 {
    match dimension {
        "rpm" | "rpd" | "concurrency" => 1,
        "tpm" | "tpd" => input + output,
        "input_tpm" => input,
        "output_tpm" => output,
        _ => input + 4 * output,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Reserve { at: usize, input: u64, output: u64 },
    FirstContent(usize),
    Settle(usize, u64, u64),
    SettleUnknown(usize),
    TheirFault(usize),
    Unsent(usize),
    Abandon(usize),
    Drop(usize),
    SettleAgain(usize, u64),
    Reload(f64),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let any = || 0..1_000_usize;
    let tokens = || 0..3_000_u64;
    prop_oneof![
        12 => (0..3_usize, tokens(), tokens()).prop_map(|(at, input, output)| Step::Reserve { at, input, output }),
        2 => any().prop_map(Step::FirstContent),
        5 => (any(), tokens(), 0..9_000_u64).prop_map(|(which, input, output)| Step::Settle(which, input, output)),
        1 => any().prop_map(Step::SettleUnknown),
        1 => any().prop_map(Step::TheirFault),
        1 => any().prop_map(Step::Unsent),
        1 => any().prop_map(Step::Abandon),
        1 => any().prop_map(Step::Drop),
        2 => (any(), tokens()).prop_map(|(which, tokens)| Step::SettleAgain(which, tokens)),
        1 => (1..5_u32).prop_map(|weight| Step::Reload(f64::from(weight))),
        4 => (0..20_000_000_000_u64).prop_map(Step::Pass),
        1 => (0..DAY).prop_map(Step::Pass),
    ]
}

/// One reservation and what was written down for it.
struct Flight {
    reservation: Reservation,
    at: usize,
    input: u64,
    output: u64,
    day: u64,
}

struct Twin {
    router: Router,
    paper: BTreeMap<(&'static str, &'static str), Sum>,
    flying: Vec<Flight>,
    landed: Vec<Flight>,
    now: Nanos,
}

impl Twin {
    fn reserve(&mut self, at: usize, input: u64, output: u64) {
        let (name, draws) = DRAWS[at];
        let request = Request { input_tokens: input, output_tokens: Some(output), ..Request::plain(name) };
        let fits = draws.iter().all(|draw| self.paper[draw].fits(units(draw.1, input, output)));
        let Ok(reservation) = self.router.reserve(&request, self.now, 1) else {
            return assert!(!fits, "there was room at {name}");
        };
        assert!(fits, "there was no room at {name}");
        draws.iter().for_each(|draw| self.paper.get_mut(draw).unwrap().add(units(draw.1, input, output)));
        self.flying.push(Flight { reservation, at, input, output, day: self.now.0 / DAY });
    }

    /// Takes one out and writes down what it used; `None` is nothing at all, not even the request.
    fn land(
        &mut self,
        which: usize,
        used: impl Fn(&Flight) -> Option<(u64, u64)>,
        end: impl Fn(&mut Reservation, Nanos),
    ) {
        if self.flying.is_empty() {
            return;
        }
        let mut flight = self.flying.swap_remove(which % self.flying.len());
        for draw in DRAWS[flight.at].1 {
            let charged = used(&flight).map_or(0, |(input, output)| units(draw.1, input, output));
            let held = units(draw.1, flight.input, flight.output);
            self.paper.get_mut(draw).unwrap().settle(held, charged, flight.day);
        }
        end(&mut flight.reservation, self.now);
        self.landed.push(flight);
    }

    fn take(&mut self, step: Step) {
        let estimate = |flight: &Flight| Some((flight.input, flight.output));
        match step {
            Step::Reserve { at, input, output } => self.reserve(at, input, output),
            Step::FirstContent(which) => {
                let count = self.flying.len().max(1);
                let flight = self.flying.get_mut(which % count);
                flight.into_iter().for_each(|flight| flight.reservation.first_content(self.now));
            }
            Step::Settle(which, input, output) => self.land(
                which,
                |_| Some((input, output)),
                |reservation, now| {
                    reservation.settle(good(input, output), now);
                },
            ),
            Step::SettleUnknown(which) => self.land(which, estimate, |reservation, now| {
                assert!(!reservation.settle(Outcome::bare(Ending::Succeeded), now).usage_known);
            }),
            Step::TheirFault(which) => self.land(
                which,
                |_| Some((0, 0)),
                |reservation, now| {
                    reservation.settle(Outcome::bare(Ending::CallersFault), now);
                },
            ),
            Step::Unsent(which) => self.land(
                which,
                |_| None,
                |reservation, now| {
                    reservation.settle(Outcome::bare(UNSENT), now);
                },
            ),
            Step::Abandon(which) => self.land(which, estimate, |reservation, now| {
                reservation.abandon(now);
            }),
            Step::Drop(which) => {
                self.land(which, estimate, |_, _| {});
                self.landed.pop();
            }
            Step::SettleAgain(which, tokens) => {
                let count = self.landed.len().max(1);
                if let Some(Flight { reservation, .. }) = self.landed.get_mut(which % count) {
                    let first = reservation.settlement().clone();
                    assert_eq!(reservation.settle(good(tokens, tokens), self.now), &first);
                    assert_eq!(reservation.abandon(self.now), &first);
                }
            }
            Step::Reload(weight) => self.router.reload(&pooled(weight), self.now).unwrap(),
            Step::Pass(nanos) => self.now = self.now + Nanos(nanos),
        }
        self.paper.values_mut().for_each(|sum| sum.pass(self.now));
    }

    fn agrees(&self) {
        let snapshot = snapshot(&self.router, self.now);
        for (&(pool, dimension), sum) in &self.paper {
            assert_eq!(snapshot.pools[pool][dimension].level, sum.level(), "{dimension} of {pool}");
        }
        for (at, (name, _)) in DRAWS.iter().enumerate() {
            let live = self.flying.iter().filter(|flight| flight.at == at).count();
            assert_eq!(snapshot.deployments[*name].in_flight as usize, live, "{name} in flight");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_agrees_with_sums_on_paper(steps in proptest::collection::vec(step(), 1..200)) {
        let router = Router::new(&pooled(1.0)).unwrap();
        let mut twin = Twin { router, paper: paper(), flying: Vec::new(), landed: Vec::new(), now: T };
        twin.paper.values_mut().for_each(|sum| sum.pass(T));
        for step in steps {
            twin.take(step);
            twin.agrees();
        }
        while !twin.flying.is_empty() {
            twin.take(Step::Settle(0, 5, 5));
        }
        twin.agrees();
    }
}

// ---- once, and to the bit ----

/// One deployment with requests, tokens and money.
fn lone() -> Router {
    let pools = json!([merged_daily(pool("a", &[("rpm", 60), ("tpm", 60_000)]))]);
    router(
        &[deployment("a", json!({"pools": ["a"], "price": {"input": 1_000_000, "output": 1_000_000}}))],
        json!({"pools": pools}),
    )
}

fn merged_daily(mut pool: Value) -> Value {
    let money = json!({"dimension": "usd_per_day", "limit": 1_000_000, "calendar": []});
    pool["limits"].as_array_mut().unwrap().push(money);
    pool
}

fn sized(input_tokens: u64, output_tokens: u64) -> Request<'static> {
    Request { input_tokens, output_tokens: Some(output_tokens), ..ALL }
}

#[test]
fn settling_twice_changes_nothing_and_answers_with_the_first() {
    let router = lone();
    let mut reservation = router.reserve(&sized(100, 100), T, 1).unwrap();
    let first = reservation.settle(good(90, 10), T).clone();
    assert_eq!((first.cost, first.usage_known), (100, true));
    let before = bits(&router);
    for outcome in [good(9_000, 9_000), failed(), Outcome::bare(UNSENT), throttled(Some(60.0))] {
        assert_eq!(reservation.settle(outcome, T + secs(1.0)), &first);
    }
    assert_eq!(reservation.abandon(T + secs(2.0)), &first);
    reservation.first_content(T + secs(3.0));
    drop(reservation);
    assert_eq!(bits(&router), before);
    assert_eq!(counter(&router, "abandoned"), 0);
}

#[test]
fn what_was_never_sent_gives_every_bit_back() {
    let router = lone();
    let mut other = router.reserve(&sized(70, 30), T, 1).unwrap();
    let before = level_bits(&router);
    for seed in 0..20 {
        router.reserve(&sized(1_234, 567), T, seed).unwrap().settle(Outcome::bare(UNSENT), T + secs(1.0));
    }
    assert_eq!(level_bits(&router), before);
    assert_eq!(state_of(&router, "a", T).in_flight, 1);
    other.settle(Outcome::bare(UNSENT), T);
}

#[test]
fn when_one_limit_refuses_the_others_are_untouched() {
    let pools = json!([pool("a", &[("rpm", 60), ("tpm", 1_000), ("concurrency", 5)])]);
    let router = router(&[deployment("a", json!({"pools": ["a"]}))], json!({"pools": pools}));
    let held = router.reserve(&sized(900, 0), T, 1).unwrap();
    let before = bits(&router);
    for seed in 0..50 {
        assert!(router.reserve(&sized(101, 0), T, seed).is_err());
    }
    assert_eq!(bits(&router), before);
    assert!(router.reserve(&sized(100, 0), T, 1).is_ok(), "the last unit is given");
    drop(held);
}

#[test]
fn ten_times_the_estimate_is_debt_and_later_calls_wait() {
    let router = lone();
    let mut reservation = router.reserve(&sized(5_000, 5_000), T, 1).unwrap();
    reservation.settle(good(50_000, 50_000), T);
    assert_eq!(level(&router, "a", "tpm", T), -40_000);
    let until = match router.reserve(&sized(500, 500), T, 2).err().unwrap().why {
        Why::NoCapacity { until } => until,
        why => panic!("{why:?}"),
    };
    assert_eq!(until, T + secs(41.0), "the debt and the request itself, at 1,000 tokens a second");
    assert!(router.reserve(&sized(500, 500), until, 2).is_ok());
}

#[test]
fn missing_usage_is_settled_by_the_estimate_and_flagged() {
    let router = lone();
    for ending in [Ending::Succeeded, Ending::Failed(Fault::Broken), Ending::Failed(Fault::Silent)] {
        let mut reservation = router.reserve(&sized(100, 50), T, 1).unwrap();
        let settled = reservation.settle(Outcome::bare(ending), T).clone();
        assert_eq!((settled.input_tokens, settled.output_tokens, settled.cost), (100, 50, 150), "{ending:?}");
        assert!(!settled.usage_known);
    }
    assert_eq!(counter(&router, "usage_unknown"), 3);
    assert_eq!(level(&router, "a", "tpm", T), 60_000 - 450);
}

#[test]
fn missing_usage_costs_what_was_expected_where_output_counts_against_no_limit() {
    let money = json!([{"name": "a", "limits": [{"dimension": "usd_per_day", "limit": 1_000_000, "calendar": []}]}]);
    let priced = json!({"pools": ["a"], "price": {"output": 1_000_000}, "accounting": {"output": "none"}});
    let router = router(&[deployment("a", priced)], json!({"pools": money}));
    let mut reservation = router.reserve(&ALL, T, 1).unwrap();
    let held: Vec<_> = reservation.estimated().map(|(_, _, units)| units).collect();
    assert_eq!(held, [512]);
    assert_eq!(reservation.settle(Outcome::bare(Ending::Succeeded), T).cost, 512);
}

#[test]
fn an_ending_in_which_nothing_was_generated_gives_tokens_and_money_back_but_not_the_request() {
    let endings = [
        Ending::Throttled,
        Ending::Exhausted,
        Ending::Misconfigured,
        Ending::CallersFault,
        Ending::Failed(Fault::Down),
    ];
    for ending in endings {
        let router = lone();
        let mut reservation = router.reserve(&sized(100, 50), T, 1).unwrap();
        let settled = reservation.settle(Outcome::bare(ending), T).clone();
        assert_eq!((settled.cost, settled.usage_known), (0, true), "{ending:?}");
        let levels = ["rpm", "tpm", "usd_per_day"].map(|dimension| level(&router, "a", dimension, T));
        assert_eq!(levels, [59, 60_000, 1_000_000], "{ending:?}");
    }
}

#[test]
fn a_partial_stream_that_was_cancelled_costs_what_had_come() {
    let router = lone();
    let mut reservation = router.reserve(&sized(100, 1_000), T, 1).unwrap();
    reservation.first_content(T + secs(1.0));
    let cut = Outcome { output_tokens: Some(30), ..Outcome::bare(Ending::Cancelled { sent: true }) };
    assert_eq!(reservation.settle(cut, T + secs(2.0)).cost, 130);
    assert_eq!(state_of(&router, "a", T + secs(2.0)).in_flight, 0);
}

#[test]
fn a_dropped_reservation_counts_as_abandoned_and_leaves_nothing_in_flight() {
    let router = lone();
    for seed in 0..1_000 {
        let now = T + secs(seed as f64 * 2.0);
        let mut reservation = router.reserve(&sized(10, 10), now, seed).unwrap();
        if seed % 2 == 0 {
            reservation.first_content(now + secs(0.1));
        }
    }
    assert_eq!(counter(&router, "abandoned"), 1_000);
    let state = state_of(&router, "a", T + secs(2_000.0));
    assert_eq!((state.in_flight, state.age_s, state.attempts, state.failed), (0, 0.0, 1_000, 0));
}

// ---- accounting ----

#[test]
fn each_way_of_accounting_holds_and_charges_what_it_says() {
    // (accounting, most tokens asked, used input, cached, output, held, charged)
    let table = [
        (json!({}), Some(800), 100, 0, 50, 900, 150),
        (json!({}), None, 100, 0, 50, 612, 150),
        (json!({"output": "learned"}), Some(800), 100, 0, 50, 612, 150),
        (json!({"output": "learned"}), Some(200), 100, 0, 50, 300, 150),
        (json!({"output": "none"}), Some(800), 100, 0, 50, 100, 100),
        (json!({"reconcile": false}), Some(800), 100, 0, 50, 900, 900),
        (json!({"reconcile": false}), Some(20), 100, 0, 50, 120, 150),
        (json!({"count_cached_input": false}), Some(800), 100, 80, 50, 900, 70),
        (json!({"count_cached_input": true}), Some(800), 100, 80, 50, 900, 150),
    ];
    for (accounting, asked, input, cached, output, held, charged) in table {
        let pools = json!([pool("a", &[("tpm", 60_000)])]);
        let router =
            router(&[deployment("a", json!({"pools": ["a"], "accounting": accounting}))], json!({"pools": pools}));
        let mut reservation =
            router.reserve(&Request { input_tokens: 100, output_tokens: asked, ..ALL }, T, 1).unwrap();
        assert_eq!(reservation.estimated().next(), Some(("a", "tpm", held)), "{accounting}");
        reservation.settle(Outcome { cached_tokens: cached, ..good(input, output) }, T);
        assert_eq!(reservation.charged().next(), Some(("a", "tpm", charged)), "{accounting}");
        assert_eq!(level(&router, "a", "tpm", T), 60_000 - i64::try_from(charged).unwrap(), "{accounting}");
    }
}

#[test]
fn the_learned_length_of_answers_is_held_per_model_and_route() {
    let accounting = json!({"output": "learned"});
    let deployments = ["a", "b"]
        .map(|name| deployment(name, json!({"model": format!("m/{name}"), "accounting": accounting, "pools": [name]})));
    let pools = json!({"pools": [pool("a", &[("output_tpm", 60_000)]), pool("b", &[("output_tpm", 60_000)])]});
    let router = router(&deployments, pools);
    let held = |model| router.explain(&Request::plain(model), T, 1).unwrap().estimate.held_output_tokens;
    for _ in 0..200 {
        reserve_at(&router, &ALL, "a", T).settle(good(1, 40), T);
    }
    let in_group = router.explain(&Request { tried: &["b"], ..ALL }, T, 1).unwrap();
    assert_eq!(in_group.estimate.held_output_tokens, 40);
    assert_eq!(
        router.explain(&Request { tried: &["a"], ..ALL }, T, 1).unwrap().estimate.held_output_tokens,
        512,
        "another model"
    );
    assert_eq!(held("a"), 512, "another route");
    assert_eq!(
        router
            .explain(&Request { tried: &["b"], output_tokens: Some(7), ..ALL }, T, 1)
            .unwrap()
            .estimate
            .held_output_tokens,
        7
    );
}

#[test]
fn money_per_day_is_held_settled_and_new_at_midnight() {
    let pools = json!([{"name": "a", "limits": [{"dimension": "usd_per_day", "limit": 1_000, "calendar": []}]}]);
    let priced = deployment(
        "a",
        json!({"pools": ["a"], "price": {"input": 1_000_000, "cached_input": 100_000, "output": 1_000_000}}),
    );
    let router = router(&[priced], json!({"pools": pools}));
    let mut first = router.reserve(&sized(300, 400), T, 1).unwrap();
    assert_eq!(level(&router, "a", "usd_per_day", T), 300);
    let midnight = Nanos(DAY);
    assert_eq!(router.reserve(&sized(300, 1), T, 1).err().unwrap().why, Why::NoCapacity { until: midnight });
    assert_eq!(first.settle(Outcome { cached_tokens: 200, ..good(300, 100) }, T).cost, 220);
    assert_eq!(level(&router, "a", "usd_per_day", T), 780);
    router.reserve(&sized(780, 0), T, 1).unwrap().settle(good(780, 2_000), T);
    assert_eq!(level(&router, "a", "usd_per_day", T), -2_000);
    assert_eq!(level(&router, "a", "usd_per_day", midnight), 1_000);
    assert_eq!(router.reserve(&sized(1_001, 0), midnight, 1).err().unwrap().why, Why::TooLarge);
}

// ---- quotas, keys, holds ----

#[test]
fn a_spent_quota_keeps_everybody_of_the_pool_out_until_its_reset() {
    for (hint, out_s) in [(None, 3_600.0), (Some(600.0), 600.0), (Some(1e9), 3_600.0)] {
        let with = |name: &str, pools: Value| deployment(name, json!({"pools": pools}));
        let deployments = [with("a", json!(["org"])), with("b", json!(["org", "b"])), with("c", json!(["c"]))];
        let pools = json!([pool("org", &[("tpm", 60_000)]), pool("b", &[("rpm", 60)]), pool("c", &[("rpm", 6_000)])]);
        let router = router(&deployments, json!({"pools": pools}));
        let spent = Outcome { retry_after: hint.map(secs), ..Outcome::bare(Ending::Exhausted) };
        reserve_at(&router, &ALL, "a", T).settle(spent, T);
        for at in 0..90 {
            let now = T + secs(out_s * f64::from(at) / 90.0);
            assert_eq!(chosen(&router.reserve(&ALL, now, 1).unwrap()), "c", "no attempt to the pool");
        }
        let attempts = |name| state_of(&router, name, T).attempts;
        assert_eq!((attempts("a"), attempts("b")), (1, 0));
        assert_eq!(state_of(&router, "a", T).breaker, "closed", "a spent quota is not ill health");
        reserve_at(&router, &ALL, "b", T + secs(out_s)).settle(good(1, 1), T + secs(out_s));
    }
}

#[test]
fn a_spent_quota_keeps_everybody_out_of_a_pool_without_numbers_too() {
    let deployments = ["a", "b"].map(|name| deployment(name, json!({"pools": ["org"]})));
    let router = router(&deployments, json!({"pools": [{"name": "org", "limits": []}]}));
    reserve_at(&router, &ALL, "a", T).settle(Outcome::bare(Ending::Exhausted), T);
    assert!(router.reserve(&ALL, T + secs(1.0), 1).is_err(), "b draws from the same spent account");
}

#[test]
fn a_spent_quota_of_one_key_leaves_the_others_alone() {
    let deployments = ["a", "b"].map(|name| deployment(name, json!({"pools": [name]})));
    let router = router(&deployments, json!({"pools": [pool("a", &[("rpm", 60)]), pool("b", &[("rpm", 60)])]}));
    reserve_at(&router, &ALL, "a", T).settle(Outcome::bare(Ending::Exhausted), T);
    assert!((0..20).all(|seed| chosen(&router.reserve(&ALL, T, seed).unwrap()) == "b"));
}

#[test]
fn a_refused_key_is_out_for_five_minutes_and_named_and_the_others_go_on() {
    let router = router(&plain(&["a", "b"]), json!({}));
    reserve_at(&router, &ALL, "a", T).settle(Outcome::bare(Ending::Misconfigured), T);
    let state = state_of(&router, "a", T);
    assert_eq!((state.breaker, state.breaker_reason), ("open", "config"));
    assert_eq!(counter(&router, "misconfigured"), 1);
    for second in 0..300 {
        let mut served = router.reserve(&ALL, T + secs(f64::from(second)), 1).unwrap();
        assert_eq!(chosen(&served), "b");
        served.settle(good(1, 1), T + secs(f64::from(second)));
    }
    reserve_at(&router, &ALL, "a", T + secs(300.1)).settle(good(1, 1), T + secs(300.2));
}

#[test]
fn a_stream_teaches_at_its_first_content_and_once() {
    let router = router(&plain(&["a"]), json!({}));
    let now = T + secs(1.0);
    let mut stream = reserve_at(&router, &ALL, "a", T);
    for _ in 0..20 {
        reserve_at(&router, &ALL, "a", now).settle(Outcome { first_content: Some(secs(0.5)), ..good(1, 1) }, now);
    }
    let latency = || state_of(&router, "a", now).latency_s;
    let before = latency();
    stream.first_content(now);
    let taught = latency();
    assert!(
        (taught.ln() - 0.9 * before.ln()).abs() < 1e-3,
        "a tenth of the way to one second: {before}, then {taught}"
    );
    stream.settle(good(1, 1), now);
    assert_eq!(latency(), taught, "its end says nothing new");
    let mut broken = reserve_at(&router, &ALL, "a", now);
    broken.first_content(now + secs(1.0));
    assert_eq!(state_of(&router, "a", now + secs(1.0)).success, 1.0);
    broken.settle(failed(), now + secs(2.0));
    assert!(state_of(&router, "a", now + secs(2.0)).success < 0.95, "a break after it is a failure");
}

#[test]
fn a_long_answer_from_before_a_hold_does_not_make_the_next_hold_short_again() {
    let router = router(&plain(&["a"]), json!({}));
    let mut long = reserve_at(&router, &ALL, "a", T);
    reserve_at(&router, &ALL, "a", T).settle(throttled(None), T);
    assert_eq!(state_of(&router, "a", T).held_s, 1.0);
    long.settle(good(1, 1), T + secs(1.5));
    let after = T + secs(2.0);
    reserve_at(&router, &ALL, "a", after).settle(throttled(None), after);
    assert_eq!(state_of(&router, "a", after).held_s, 2.0);
    let later = T + secs(5.0);
    reserve_at(&router, &ALL, "a", later).settle(good(1, 1), later);
    reserve_at(&router, &ALL, "a", later).settle(throttled(None), later);
    assert_eq!(state_of(&router, "a", later).held_s, 1.0);
}

#[test]
fn a_shorter_hint_never_shortens_a_hold() {
    let router = router(&plain(&["a", "b"]), json!({}));
    let mut flights: Vec<_> = (0..4).map(|_| reserve_at(&router, &ALL, "a", T)).collect();
    let held = |seconds: f64| state_of(&router, "a", T + secs(seconds)).held_s;
    for (hint, at, until) in
        [(Some(20.0), 0.0, 20.0), (Some(5.0), 1.0, 20.0), (None, 2.0, 20.0), (Some(30.0), 3.0, 33.0)]
    {
        flights.pop().unwrap().settle(throttled(hint), T + secs(at));
        assert!((held(at) - (until - at)).abs() < 0.002, "{hint:?}: {}", held(at));
    }
    assert!(router.reserve(&Request::plain("a"), T + secs(32.9), 1).is_err());
    assert!(router.reserve(&Request::plain("a"), T + secs(33.0), 1).is_ok());
}

#[test]
fn throttling_is_no_ill_health_but_costs_share() {
    let router = router(&plain(&["a", "b"]), json!({}));
    for at in 0..20 {
        let now = T + secs(f64::from(at) * 100.0);
        reserve_at(&router, &ALL, "a", now).settle(throttled(Some(0.5)), now);
    }
    let state = state_of(&router, "a", T + secs(1_900.0));
    assert_eq!((state.breaker, state.success, state.throttled, state.failed), ("closed", 1.0, 20, 0));
    assert!(state.share < 0.75, "{}", state.share);
}

// ---- headers ----

/// Settles with a header that says so much about tokens per minute.
fn tell(reservation: &mut Reservation, limit: Option<u64>, remaining: Option<u64>, now: Nanos) {
    let reports = [LimitReport { dimension: Dimension::Tpm, limit, remaining }];
    reservation.settle(Outcome { reports: &reports, ..good(100, 0) }, now);
}

fn metered() -> Router {
    router(&[deployment("a", json!({"pools": ["a"]}))], json!({"pools": [pool("a", &[("tpm", 60_000)])]}))
}

#[test]
fn another_host_on_the_same_key_lowers_us_by_what_the_header_says() {
    let router = metered();
    let mut first = router.reserve(&sized(100, 0), T, 1).unwrap();
    let later = router.reserve(&sized(2_000, 0), T + secs(0.1), 2).unwrap();
    tell(&mut first, Some(60_000), Some(20_000), T + secs(0.2));
    // Without what was sent since.
    assert_eq!(level(&router, "a", "tpm", T + secs(0.2)), 20_000 - 2_000);
    drop(later);
}

#[test]
fn an_older_answer_that_comes_late_raises_nothing() {
    let router = metered();
    let mut first = router.reserve(&sized(100, 0), T, 1).unwrap();
    let mut second = router.reserve(&sized(100, 0), T + secs(1.0), 2).unwrap();
    tell(&mut second, Some(60_000), Some(5_000), T + secs(2.0));
    let before = level(&router, "a", "tpm", T + secs(2.0));
    assert_eq!(before, 5_000);
    for _ in 0..5 {
        tell(&mut first, Some(60_000), Some(59_000), T + secs(2.0));
    }
    assert_eq!(level(&router, "a", "tpm", T + secs(2.0)), before);
}

#[test]
fn lying_headers_are_counted_and_change_nothing() {
    let lies = [
        (Some(0), Some(0)),
        (Some(u64::MAX), Some(1)),
        (Some(60_000), Some(1 << 60)),
        (Some(100), Some(90_000)),
        (None, Some(u64::MAX)),
    ];
    let router = metered();
    for (at, (limit, remaining)) in lies.into_iter().enumerate() {
        tell(&mut router.reserve(&sized(100, 0), T, 1).unwrap(), limit, remaining, T);
        assert_eq!(counter(&router, "bad_header"), at as u64 + 1, "{limit:?} {remaining:?}");
        assert_eq!(level(&router, "a", "tpm", T), 60_000 - 100 * (at as i64 + 1));
    }
}

#[test]
fn a_lower_limit_is_believed_the_second_time_and_a_higher_one_never() {
    let router = metered();
    let tell = |limit, at: f64| {
        let now = T + secs(at);
        tell(&mut router.reserve(&sized(100, 0), now, 1).unwrap(), Some(limit), None, now);
        snapshot(&router, now).pools["a"]["tpm"].limit
    };
    assert_eq!(
        [tell(30_000, 0.0), tell(30_000, 1.0), tell(90_000, 2.0), tell(90_000, 3.0)],
        [60_000, 30_000, 30_000, 60_000]
    );
    assert_eq!(counter(&router, "limit_changed"), 2);
}

#[test]
fn when_nothing_is_left_nothing_is_sent() {
    let router = metered();
    tell(&mut router.reserve(&sized(100, 0), T, 1).unwrap(), Some(60_000), Some(0), T);
    assert_eq!(level(&router, "a", "tpm", T), 0);
    assert!(router.reserve(&sized(100, 0), T, 2).is_err());
    assert!(router.reserve(&sized(100, 0), T + secs(0.1), 2).is_ok(), "but the pace goes on");
}

#[test]
fn headers_speak_of_the_shared_pool_first() {
    let pools = json!([pool("org", &[("tpm", 60_000)]), pool("a", &[("tpm", 50_000)])]);
    let router = router(&[deployment("a", json!({"pools": ["org", "a"]}))], json!({"pools": pools}));
    tell(&mut router.reserve(&sized(100, 0), T, 1).unwrap(), Some(60_000), Some(5_000), T);
    assert_eq!((level(&router, "org", "tpm", T), level(&router, "a", "tpm", T)), (5_000, 49_900));
}

// ---- reload ----

#[test]
fn levels_breakers_and_holds_carry_over_by_name() {
    let before = [
        deployment("a", json!({"pools": ["org"]})),
        deployment("b", json!({})),
        deployment("old", json!({"pools": ["org"]})),
    ];
    let pools = json!({"pools": [pool("org", &[("rpm", 60), ("tpm", 60_000)])]});
    let router = router(&before, pools.clone());
    let mut flying = reserve_at(&router, &sized(1_000, 0), "old", T);
    reserve_at(&router, &sized(2_000, 0), "a", T).settle(good(2_000, 0), T);
    reserve_at(&router, &ALL, "a", T).settle(throttled(Some(50.0)), T);
    trip(&router, &ALL, "b", T);
    let (rpm, tpm) = (level(&router, "org", "rpm", T), level(&router, "org", "tpm", T));
    // `old` is gone, `new` is there under another name with the same pool, `a` weighs more.
    let after = [
        deployment("a", json!({"pools": ["org"], "weight": 3.0})),
        deployment("b", json!({})),
        deployment("new", json!({"pools": ["org"]})),
    ];
    router.reload(&fleet(&after, pools), T).unwrap();
    assert_eq!((level(&router, "org", "rpm", T), level(&router, "org", "tpm", T)), (rpm, tpm));
    assert_eq!(state_of(&router, "b", T).breaker, "open");
    assert!(state_of(&router, "a", T).held_s > 49.0);
    assert_eq!(chosen(&router.reserve(&sized(0, 0), T, 1).unwrap()), "new");
    assert_eq!(flying.deployment().unwrap().name.as_ref(), "old", "what is in flight finishes where it is");
    flying.settle(good(0, 0), T);
    assert_eq!(level(&router, "org", "tpm", T), tpm + 1_000, "and its tokens go back to the pool");
}

#[test]
fn a_new_deployment_starts_slowly_and_one_that_was_there_does_not() {
    let router = router(&plain(&["a", "b"]), json!({}));
    router.reload(&fleet(&plain(&["a", "b", "new"]), json!({})), T).unwrap();
    let share = |name, at: f64| state_of(&router, name, T + secs(at)).share;
    assert_eq!([share("a", 0.0), share("new", 0.0), share("new", 15.0), share("new", 30.0)], [1.0, 0.1, 0.5, 1.0]);
}

#[test]
fn a_fleet_that_does_not_compile_leaves_the_old_one_in_force() {
    let router = router(&plain(&["a"]), json!({}));
    let broken = fleet(&[deployment("b", json!({"pools": ["nowhere"]}))], json!({}));
    let error = router.reload(&broken, T).unwrap_err().to_string();
    assert_eq!(
        error,
        "deployments.b.pools refers to pool \"nowhere\", which does not exist; declare it or correct the name"
    );
    assert_eq!(chosen(&router.reserve(&ALL, T, 1).unwrap()), "a");
}

#[test]
fn a_lowered_limit_clamps_and_a_raised_one_gives_room() {
    let limited =
        |limit| fleet(&[deployment("a", json!({"pools": ["a"]}))], json!({"pools": [pool("a", &[("tpm", limit)])]}));
    let router = Router::new(&limited(60_000)).unwrap();
    let mut held = router.reserve(&sized(30_000, 0), T, 1).unwrap();
    for (limit, least, most) in [(6_000_u64, 0, 6_000), (120_000, 60_000, 120_000), (60_000, 0, 60_000)] {
        router.reload(&limited(limit), T).unwrap();
        let level = level(&router, "a", "tpm", T);
        assert!((least..=most).contains(&level), "{level} of {limit}");
    }
    held.settle(good(0, 0), T);
    assert_eq!(level(&router, "a", "tpm", T), 60_000, "and what is given back makes it full, no more");
}

#[test]
fn many_reloads_do_not_use_the_room_up() {
    let router = router(&plain(&["a", "b"]), json!({}));
    for round in 0..500 {
        let names = [format!("x{round}"), format!("y{round}")];
        let pools = json!({"pools": [pool(&names[0], &[("rpm", 60)])]});
        let deployments = [deployment(&names[0], json!({"pools": [names[0]]})), deployment(&names[1], json!({}))];
        router.reload(&fleet(&deployments, pools), T + secs(f64::from(round))).unwrap();
        router.reserve(&ALL, T + secs(f64::from(round)), 1).unwrap().settle(good(1, 1), T + secs(f64::from(round)));
    }
}

// ---- threads ----

#[test]
fn a_thousand_at_once_on_a_limit_of_a_hundred_admit_exactly_a_hundred() {
    for dimension in ["rpm", "concurrency"] {
        let router = router(
            &[deployment("a", json!({"pools": ["a"]}))],
            json!({"pools": [pool("a", &[(dimension, 100), ("tpm", 600_000)])]}),
        );
        let barrier = Barrier::new(8);
        let storm = |thread: u64| {
            barrier.wait();
            (0..125).filter_map(|seed| router.reserve(&sized(10, 0), T, thread * 1_000 + seed).ok()).collect::<Vec<_>>()
        };
        let admitted: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || storm(thread))).collect();
            let flights: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
            assert_eq!(state_of(&router, "a", T).in_flight, 100);
            vec![flights.len()]
        });
        assert_eq!(admitted, [100], "{dimension}");
        assert_eq!(state_of(&router, "a", T).in_flight, 0);
    }
}

#[test]
fn hardly_a_refusal_is_for_what_nobody_keeps() {
    // `a` needs a place and something scarce, which is used up; `b` needs all of the places.
    let deployments =
        [deployment("a", json!({"pools": ["places", "scarce"]})), deployment("b", json!({"pools": ["places"]}))];
    let pools = json!({"pools": [pool("places", &[("tpm", 6_000)]), pool("scarce", &[("concurrency", 1)])]});
    let router = router(&deployments, pools);
    let held = reserve_at(&router, &sized(0, 0), "a", T);
    let (barrier, working) = (Barrier::new(8), AtomicU64::new(7));
    let refused = |asked: &'static str, tokens: u64| {
        let made =
            router.reserve(&Request { input_tokens: tokens, output_tokens: Some(0), ..Request::plain(asked) }, T, 1);
        made.map(|mut made| made.settle(Outcome::bare(UNSENT), T).cost).is_err()
    };
    let storm = |thread: u64| {
        barrier.wait();
        if thread > 0 {
            let refusals = (0..20_000).filter(|_| refused("a", 1)).count() as u64;
            working.fetch_sub(1, Ordering::AcqRel);
            return refusals;
        }
        // Who wants everything is refused only because somebody held a part of it that they could not keep.
        std::iter::repeat_with(|| u64::from(refused("b", 6_000)))
            .take_while(|_| working.load(Ordering::Acquire) > 0)
            .sum()
    };
    let refusals: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || storm(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (phantom, true_ones) = (refusals[0], refusals[1..].iter().sum::<u64>());
    assert_eq!(true_ones, 7 * 20_000, "all are refused");
    assert!(phantom * 1_000 <= true_ones, "{phantom} of {true_ones}");
    drop(held);
    assert_eq!(level(&router, "places", "tpm", T), 6_000, "and nothing is left behind");
}

/// The deployments of this round of reloads: `a` weighs differently each time, `b` has another name, `c` comes and goes.
fn reloaded(round: u32, others: &[&str]) -> FleetSpec {
    let of = |name: &str, weight: f64| {
        let pool = if name == "c" { "c" } else { "org" };
        deployment(name, json!({"pools": [pool], "weight": weight}))
    };
    let mut deployments = vec![of("a", f64::from(round + 1))];
    deployments.extend(others.iter().map(|name| of(name, 1.0)));
    let org = pool("org", &[("concurrency", 1_000), ("tpm", 60_000_000)]);
    fleet(&deployments, json!({"pools": [org, pool("c", &[("rpm", 60_000_000)])]}))
}

/// All that come and go in those rounds.
const NAMES: [&str; 4] = ["a", "b", "b2", "c"];

#[test]
fn reloads_under_load_fail_no_call_and_lose_nothing() {
    let specs = [reloaded(0, &["b"]), reloaded(1, &["b", "c"]), reloaded(2, &["b2"]), reloaded(3, &["b2", "c"])];
    let router = Router::new(&specs[1]).unwrap();
    // Late enough for what has just joined to have started, and everybody is as quick as anybody expects.
    let warm = T + secs(100.0);
    let usual = || Outcome { first_content: Some(secs(0.8)), ..good(0, 0) };
    let (barrier, over, seen) = (Barrier::new(5), AtomicBool::new(false), AtomicU64::new(0));
    let work = |thread: u64| {
        let (mut flying, mut draw, mut calls) = (Vec::new(), Draw::new(thread), 0_u64);
        barrier.wait();
        while !over.load(Ordering::Acquire) {
            let made = router.reserve(&sized(100, 100), warm, draw.next_u64());
            let made = made.unwrap_or_else(|denial| panic!("{:?}", denial.why));
            seen.fetch_or(1 << NAMES.iter().position(|name| *name == chosen(&made)).unwrap(), Ordering::AcqRel);
            flying.push(made);
            calls += 1;
            if flying.len() > 20 {
                flying.swap_remove(draw.below(20) as usize).settle(usual(), warm);
            }
            std::thread::yield_now();
        }
        for flight in &mut flying {
            flight.settle(usual(), warm);
        }
        calls
    };
    let calls: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || work(thread))).collect();
        barrier.wait();
        // At least 2,000 of them, and until calls have gone to all that come and go.
        for (round, spec) in specs.iter().cycle().take(500_000).enumerate() {
            router.reload(spec, T).unwrap();
            std::thread::yield_now();
            if round >= 2_000 && seen.load(Ordering::Acquire) == 0b1111 {
                break;
            }
        }
        over.store(true, Ordering::Release);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(seen.into_inner(), 0b1111, "calls went to all of {NAMES:?}");
    router.reload(&reloaded(0, &["b", "b2", "c"]), T).unwrap();
    let end = snapshot(&router, warm);
    assert!(end.deployments.values().all(|deployment| deployment.in_flight == 0));
    assert_eq!((end.pools["org"]["concurrency"].level, end.pools["org"]["tpm"].level), (1_000, 60_000_000));
    assert_eq!(end.deployments.values().map(|deployment| deployment.attempts).sum::<u64>(), calls);
    assert_eq!((end.counters["abandoned"], end.counters["no_capacity"], end.counters["refused"]), (0, 0, 0));
}
