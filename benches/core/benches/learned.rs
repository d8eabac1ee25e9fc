//! The learned scorer by itself: features of a prompt and the qualities of nine models, and the features alone; then the
//! kinds that read embeddings.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use junctor_benches::{embedding, nearest_of, nine_factors, nine_models, prompt};
use junctor_core::learned::Outline;
use junctor_core::learned::features::{Block, Sink, extract};

/// Takes features and forgets them.
struct Nobody(u32);

impl Sink for Nobody {
    fn add(&mut self, block: Block, row: u32) {
        self.0 ^= row ^ block as u32;
    }
}

fn scores(criterion: &mut Criterion) {
    let scorer = nine_models();
    for bytes in [200, 2_000, 5_000_000] {
        let text = prompt(bytes);
        criterion.bench_function(&format!("learned/scores of 9 models, {bytes} bytes"), |bench| {
            bench.iter(|| scorer.predict(black_box(&text), &Outline::PLAIN));
        });
        criterion.bench_function(&format!("learned/features alone, {bytes} bytes"), |bench| {
            bench.iter(|| {
                let mut nobody = Nobody(0);
                extract(black_box(&text), &Outline::PLAIN, &scorer.facts().spec, &mut nobody);
                nobody.0
            });
        });
    }
}

fn embedded(criterion: &mut Criterion) {
    for dimension in [384, 1_024] {
        let asked = embedding(dimension, 7);
        for (name, scorer) in
            [("10000 neighbours", nearest_of(10_000, dimension)), ("factors", nine_factors(dimension))]
        {
            criterion.bench_function(&format!("learned/{name} of {dimension} numbers"), |bench| {
                bench.iter(|| scorer.tell(None, &Outline::PLAIN, Some(black_box(&asked))));
            });
        }
    }
}

criterion_group!(benches, scores, embedded);
criterion_main!(benches);
