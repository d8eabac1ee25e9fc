//! Time of a decision in Rust alone: reserve + settle, by size of the fleet and number of rules.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use junctor_benches::{Traffic, router};

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

criterion_group!(benches, by_rules, over_the_fleet);
criterion_main!(benches);
