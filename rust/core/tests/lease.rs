//! A host's desk against sums on paper, whatever its coordinator does.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

use junctor_core::lease::{Desk, FENCE, FIELDS, LEASE, Report};
use junctor_core::outcome::{Ending, Outcome};
use junctor_core::request::Request;
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::spec::FleetSpec;
use junctor_core::units::Nanos;
use proptest::prelude::*;
use serde_json::json;

const HOSTS: u64 = 3;
const PER_MINUTE: u64 = 6_000;
const HELD: usize = 7;

fn router(limits: &serde_json::Value) -> Router {
    let spec: FleetSpec = serde_json::from_value(json!({
        "leases": {"hosts": HOSTS},
        "pools": [{"name": "p", "limits": limits}],
        "deployments": [{"name": "a", "provider": "x", "model": "x/y", "pools": ["p"]}],
    }))
    .unwrap();
    Router::new(&spec).unwrap()
}

/// A host, and what it may have used by now as sums on paper have it.
struct Host {
    router: Router,
    desk: Desk,
    now: Nanos,
    seed: u64,
    open: Vec<(Reservation, u64)>,
    /// Granted, less what was given back, plus debts that were told.
    credit: i128,
    /// Taken, less what was refunded, plus what was used beyond.
    used: i128,
    /// When the lease is over, and units times 2·10^12 of safe share since.
    over: Nanos,
    alone: i128,
    admitted: u64,
}

/// `6,000 · 9 / (10 · 3 · 60 s)` units per nanosecond are 30 per second.
const SHARE_PARTS: i128 = 30;
const PARTS: i128 = 1_000_000_000;

impl Host {
    fn new() -> Self {
        let router = router(&json!([{"dimension": "tpm", "limit": PER_MINUTE}]));
        let mut host = Self {
            router,
            desk: Desk::default(),
            now: Nanos::from_secs(100),
            seed: 0,
            open: Vec::new(),
            credit: 0,
            used: 0,
            over: Nanos::from_secs(100),
            alone: 0,
            admitted: 0,
        };
        host.desk.turn(&host.router.fleet(), 7, host.now);
        host
    }

    fn pass(&mut self, ms: u64) {
        let before = self.now;
        self.now = self.now + Nanos::from_millis(ms);
        let from = before.max(self.over);
        self.alone += SHARE_PARTS * i128::from(self.now.since(from).0);
        self.desk.live_alone(&self.router.fleet(), self.now);
    }

    fn take(&mut self, n: u64) {
        self.seed += 1;
        let request = Request { model: "a", input_tokens: n, output_tokens: Some(0), ..Request::default() };
        if let Ok(held) = self.router.reserve(&request, self.now, self.seed) {
            self.used += i128::from(n);
            self.admitted += 1;
            assert!(
                self.used * PARTS <= self.credit * PARTS + self.alone,
                "{} used of {} granted and {} of its own",
                self.used,
                self.credit,
                self.alone / PARTS
            );
            self.open.push((held, n));
        }
    }

    fn settle(&mut self, which: usize, actual: u64) {
        if self.open.is_empty() {
            return;
        }
        let (mut held, n) = self.open.swap_remove(which % self.open.len());
        let outcome =
            Outcome { input_tokens: Some(actual), output_tokens: Some(0), ..Outcome::bare(Ending::Succeeded) };
        held.settle(outcome, self.now);
        self.used += i128::from(actual) - i128::from(n);
    }

    fn report(&mut self) -> Report {
        let report = self.desk.report(&self.router.fleet(), 1, false, self.now).unwrap();
        self.over = self.over.max(self.now + FENCE + LEASE);
        assert_eq!((report.keys.len(), report.body.len()), (1, FIELDS));
        report
    }

    fn exchange(&mut self, end: End, latency_ms: u64) {
        let body = self.report().body;
        let [held, returned, debt] = [body[HELD], body[HELD + 1], body[HELD + 2]].map(i128::from);
        assert!(held >= 0 && returned >= 0 && debt >= 0 && held * debt == 0 && returned * debt == 0);
        self.pass(latency_ms);
        let fleet = self.router.fleet();
        match end {
            End::Granted(units) => {
                let units = i64::try_from(units).unwrap();
                assert!(self.desk.adopt(
                    &fleet,
                    &[1, 5_000, HOSTS.cast_signed(), 2_000, units, 2_000, -1, 0],
                    self.now
                ));
                self.credit += i128::from(units) - returned + debt;
                self.over = self.now + LEASE;
            }
            End::Learning => {
                assert!(self.desk.adopt(&fleet, &[0, 5_000, 0, 2_000, 0, 2_000, -1, 0], self.now));
                self.over = self.now;
            }
            End::Lost => {
                self.desk.lost(&fleet);
                self.credit -= returned;
            }
            End::Late => assert!(!self.desk.adopt(&fleet, &[-1, 5_000, 0, 2_000], self.now)),
            End::Unsent => self.desk.unsent(&fleet),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Granted(u64),
    Learning,
    Lost,
    Late,
    Unsent,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take(u64),
    Settle(usize, u64),
    Exchange(End, u64),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        4 => (0_u64..400).prop_map(End::Granted),
        1 => Just(End::Learning),
        1 => Just(End::Lost),
        1 => Just(End::Late),
        1 => Just(End::Unsent),
    ];
    prop_oneof![
        6 => (1_u64..120).prop_map(Step::Take),
        3 => (0_usize..8, 0_u64..200).prop_map(|(which, actual)| Step::Settle(which, actual)),
        2 => (end, 0_u64..600).prop_map(|(end, latency)| Step::Exchange(end, latency)),
        2 => (1_u64..900).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn nothing_is_taken_that_was_neither_granted_nor_the_hosts_own(steps in prop::collection::vec(step(), 1..120)) {
        let mut host = Host::new();
        for step in steps {
            match step {
                Step::Take(n) => host.take(n),
                Step::Settle(which, actual) => host.settle(which, actual),
                Step::Exchange(end, latency) => host.exchange(end, latency),
                Step::Pass(ms) => host.pass(ms),
            }
        }
    }
}

#[test]
fn a_granted_unit_is_taken_once_and_what_is_left_is_given_back() {
    let mut host = Host::new();
    host.exchange(End::Granted(100), 1);
    (0..20).for_each(|_| host.take(10));
    assert_eq!(host.admitted, 10);
    host.settle(0, 4);
    let bye = host.desk.report(&host.router.fleet(), 1, true, host.now).unwrap();
    assert_eq!((bye.verb, bye.body[HELD], bye.body[HELD + 1]), ("bye", 0, 6));
}

#[test]
fn a_host_without_a_coordinator_has_its_share_by_the_configured_number_and_no_more() {
    let mut host = Host::new();
    let mut taken = 0;
    for _ in 0..600 {
        host.pass(100);
        host.take(1);
        host.take(1);
        host.take(1);
        host.take(1);
        taken = host.admitted;
    }
    assert!((1_790..=1_800).contains(&taken), "{taken} in a minute, of 5,400 between three");
}

#[test]
fn a_host_that_refused_somebody_asks_for_more_soon() {
    let mut host = Host::new();
    host.exchange(End::Granted(10), 0);
    let due = |host: &mut Host| host.desk.turn(&host.router.fleet(), 7, host.now).due;
    host.pass(300);
    assert!(!due(&mut host), "nobody was refused");
    host.take(50);
    assert!(due(&mut host));
    let body = host.report().body;
    assert_eq!((body[HELD + 4], body[HELD + 5]), (50, 50), "wanted now, and remembered");
}
