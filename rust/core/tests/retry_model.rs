//! The retry budget against a naive twin, and under threads.
//!
//! The twin walks through every second one by one and keeps its sums in plain integers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

use std::sync::Barrier;

use junctor_core::retry::{Allowance, BUDGET_WORDS, RetryBudget};
use junctor_core::sync::AtomicU64;
use junctor_core::units::Nanos;
use proptest::prelude::*;

const ALLOWANCES: [Allowance; 3] = [Allowance::RETRY, Allowance::HEDGE, Allowance { percent: 0, floor_per_s: 1 }];

/// In hundredths of a token.
struct Twin {
    allowance: Allowance,
    purse: u64,
    second: u64,
    requests: u64,
    earlier: u64,
}

impl Twin {
    fn new(allowance: Allowance, now: Nanos) -> Self {
        let purse = u64::from(allowance.floor_per_s) * 1_000;
        Self { allowance, purse, second: now.0 / 1_000_000_000, requests: 0, earlier: 0 }
    }

    fn bounded(&mut self) {
        let saved = (self.earlier + self.requests) * u64::from(self.allowance.percent);
        self.purse = self.purse.min(saved.max(u64::from(self.allowance.floor_per_s) * 1_000).max(100));
    }

    fn pass_to(&mut self, now: Nanos) {
        while self.second < now.0 / 1_000_000_000 {
            let floor = u64::from(self.allowance.floor_per_s) * 100;
            self.purse += floor.saturating_sub(self.requests * u64::from(self.allowance.percent));
            self.earlier = (self.earlier + self.requests) * 9 / 10;
            (self.requests, self.second) = (0, self.second + 1);
            self.bounded();
        }
    }

    fn deposit(&mut self) {
        self.requests += 1;
        self.purse += u64::from(self.allowance.percent);
        self.bounded();
    }

    fn withdraw(&mut self) -> bool {
        let enough = self.purse >= 100;
        self.purse -= if enough { 100 } else { 0 };
        enough
    }
}

#[derive(Clone, Debug)]
enum Step {
    Deposit(u32),
    Withdraw(u32),
    GiveBack,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..200_u32).prop_map(Step::Deposit),
        4 => (1..50_u32).prop_map(Step::Withdraw),
        1 => Just(Step::GiveBack),
        3 => (0..3_000_000_000_u64).prop_map(Step::Pass),
        1 => (0..300_000_000_000_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_agrees_with_the_naive_twin(
        steps in proptest::collection::vec(step(), 1..150), which in 0..3_usize, start in 0..10_000_000_000_u64,
    ) {
        let words: [AtomicU64; BUDGET_WORDS] = Default::default();
        let budget = RetryBudget::new(ALLOWANCES[which], &words);
        let mut now = Nanos(start);
        let mut twin = Twin::new(ALLOWANCES[which], now);
        // The first touch starts the seconds.
        prop_assert_eq!(budget.withdraw(now), twin.withdraw());
        let (mut requests, mut retries) = (0_u64, 0_u64);
        let mut touched = twin.allowance.floor_per_s > 0;
        for step in steps {
            match step {
                Step::Deposit(n) => (0..n).for_each(|_| {
                    if !touched {
                        (twin.second, touched) = (now.0 / 1_000_000_000, true);
                    }
                    budget.deposit(now);
                    twin.deposit();
                    requests += 1;
                }),
                Step::Withdraw(n) => for _ in 0..n {
                    let paid = twin.withdraw();
                    prop_assert_eq!(budget.withdraw(now), paid);
                    retries += u64::from(paid);
                },
                Step::GiveBack => if retries > 0 {
                    budget.give_back(now);
                    twin.purse += 100;
                    twin.bounded();
                    retries -= 1;
                },
                Step::Pass(ns) => {
                    now = now + Nanos(ns);
                    twin.pass_to(now);
                }
            }
            prop_assert_eq!(budget.balance(now), twin.purse as f64 / 100.0);
            let seconds = (now.0 - start) / 1_000_000_000 + 11;
            let allowed = requests * u64::from(twin.allowance.percent) / 100 + seconds * u64::from(twin.allowance.floor_per_s);
            prop_assert!(retries <= allowed, "{retries} of {allowed}");
        }
    }
}

#[test]
fn threads_cannot_spend_one_token_twice() {
    const THREADS: u64 = 8;
    const REQUESTS: u64 = 20_000;
    for allowance in [Allowance::RETRY, Allowance::HEDGE] {
        let words: [AtomicU64; BUDGET_WORDS] = Default::default();
        let budget = RetryBudget::new(allowance, &words);
        let (now, barrier) = (Nanos::from_secs(7), Barrier::new(THREADS as usize));
        // A full purse takes nothing in: make room, so that what is paid in can be counted.
        let first = (0..5).filter(|_| budget.withdraw(now)).count() as u64;
        let spent: Vec<u64> = std::thread::scope(|scope| {
            let storm = || {
                barrier.wait();
                (0..REQUESTS).fold(0, |spent, _| {
                    budget.deposit(now);
                    spent + u64::from(budget.withdraw(now)) + u64::from(budget.withdraw(now))
                })
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(storm)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut total: u64 = first + spent.iter().sum::<u64>();
        while budget.withdraw(now) {
            total += 1;
        }
        // The count of one second is full at 65,535 and caps what can be saved, not what is paid in and spent.
        let paid_in = THREADS * REQUESTS * u64::from(allowance.percent) / 100 + 10 * u64::from(allowance.floor_per_s);
        assert_eq!(total, paid_in, "every token is spent, once");
        assert!(spent.iter().all(|&spent| spent > 0), "all threads took part: {spent:?}");
    }
}
