//! Parts of the walk by themselves: a reservation over four limits, its settlement, and the breaker's "yes".

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use junctor_core::breaker::{BREAKER_WORDS, Breaker};
use junctor_core::limit::{BUCKET_WORDS, Bucket, Quota, hold_all};
use junctor_core::sync::AtomicU64;
use junctor_core::units::Nanos;

/// Requests, input tokens, output tokens and all tokens per minute, wide enough never to refuse.
const LIMITS: [u64; 4] = [100_000_000, 32_000_000_000, 32_000_000_000, 32_000_000_000];
/// What one request asks of them, and what it used in the end.
const ASKED: [u64; 4] = [1, 900, 300, 1_200];
const USED: [u64; 4] = [1, 880, 122, 1_002];
/// Time between two requests.
const BETWEEN: Nanos = Nanos(20_000);

fn limits(criterion: &mut Criterion) {
    let quotas = LIMITS.map(|limit| Quota::paced(limit, Nanos::from_secs(60), None).expect("a limit in range"));
    let words: [[AtomicU64; BUCKET_WORDS]; 4] = Default::default();
    let buckets: Vec<Bucket<'_>> = quotas.iter().zip(&words).map(|(quota, words)| Bucket::new(quota, words)).collect();
    let wanted: Vec<_> = buckets.iter().copied().zip(ASKED).collect();
    let mut now = Nanos::from_secs(60);
    criterion.bench_function("parts/limits, 4 held and settled", |bench| {
        bench.iter(|| {
            now = now + BETWEEN;
            let held = hold_all(black_box(&wanted), now).expect("no limit binds");
            for ((bucket, used), held) in buckets.iter().zip(USED).zip(held) {
                bucket.settle(held, used, now);
            }
        });
    });
}

fn breaker(criterion: &mut Criterion) {
    let words: [AtomicU64; BREAKER_WORDS] = Default::default();
    let breaker = Breaker::new(&words);
    let now = Nanos::from_secs(60);
    criterion.bench_function("parts/breaker admits, closed", |bench| {
        bench.iter(|| breaker.admit(black_box(now), Nanos::from_secs(30)));
    });
}

criterion_group!(benches, limits, breaker);
criterion_main!(benches);
