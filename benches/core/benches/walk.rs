//! Time of a decision in Rust alone: reserve + settle, by size of the fleet and number of rules.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use junctor_benches::{Traffic, one_group, router};

/// One group asked by `auto` through all rules.
fn by_rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("walk/auto");
    for (deployments, rules) in [(10, 10), (100, 100), (1_000, 1_000), (10_000, 10_000)] {
        let router = router(deployments, rules);
        let mut traffic = Traffic::new(&router, 0);
        group.bench_function(BenchmarkId::new(format!("{deployments}d"), format!("{rules}r")), |bench| {
            bench.iter(|| black_box(traffic.one()));
        });
    }
    group.finish();
}

/// The decision alone: the same walk, nothing held.
fn decision(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("walk/decide");
    for (deployments, rules) in [(100, 100), (10_000, 10_000)] {
        let router = router(deployments, rules);
        let mut traffic = Traffic::new(&router, 0);
        group.bench_function(BenchmarkId::new(format!("{deployments}d"), format!("{rules}r")), |bench| {
            bench.iter(|| black_box(traffic.decide()));
        });
    }
    group.finish();
}

/// The walk as a caller waits for it: decided and held. Settling comes after the call and is left out of the time.
fn reserve(criterion: &mut Criterion) {
    /// Few enough that they do not crowd the deployments.
    const BATCH: u64 = 16;
    let router = router(100, 100);
    let mut traffic = Traffic::new(&router, 0);
    criterion.bench_function("walk/reserve/100d/100r", |bench| {
        bench.iter_custom(|calls| {
            let mut held = Vec::with_capacity(BATCH as usize);
            let mut spent = Duration::ZERO;
            for _ in 0..calls.div_ceil(BATCH) {
                let started = Instant::now();
                (0..BATCH).for_each(|_| traffic.reserve(black_box(&mut held)));
                spent += started.elapsed();
                held.drain(..).for_each(|reservation| traffic.settle(reservation));
            }
            spent.mul_f64(calls as f64 / (calls.div_ceil(BATCH) * BATCH) as f64)
        });
    });
}

/// All groups in turn: the memory of the whole fleet is visited.
fn over_the_fleet(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("walk/fleet");
    for deployments in [20, 100, 1_000, 10_000] {
        let router = router(deployments, 1);
        let mut traffic = Traffic::new(&router, deployments / 20);
        group.bench_function(BenchmarkId::from_parameter(deployments), |bench| {
            bench.iter(|| black_box(traffic.one()));
        });
    }
    group.finish();
}

/// One group, drawn from and scanned.
fn one_group_by_size(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("walk/group");
    for (members, with_objective) in [(20, false), (10_000, false), (20, true), (10_000, true)] {
        let router = one_group(members, with_objective);
        let mut traffic = Traffic::new(&router, 1);
        let how = if with_objective { "scanned" } else { "drawn" };
        group.bench_function(BenchmarkId::new(how, members), |bench| bench.iter(|| black_box(traffic.one())));
    }
    group.finish();
}

criterion_group!(benches, by_rules, decision, reserve, over_the_fleet, one_group_by_size);
criterion_main!(benches);
