//! A decision that reads an embedding allocates nothing, as no decision does.

#![cfg(not(any(loom, shuttle)))]
#![allow(unsafe_code, reason = "a global allocator is unsafe by its signature; this one counts and forwards")]
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use junctor_core::learned::Scorer;
use junctor_core::learned::artifact::{Artifact, ModelFacts};
use junctor_core::learned::embedded::factors::Factors;
use junctor_core::learned::embedded::neighbours::Neighbours;
use junctor_core::learned::embedded::{Embedded, Kind};
use junctor_core::learned::features::FeatureSpec;
use junctor_core::learned::outline::{Fields, Outline};

struct Counting;

thread_local! {
    /// Of this thread alone: others are the test runner's.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise about `pointer` and `layout` is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

fn scorer(kind: Kind) -> Scorer {
    let spec = FeatureSpec { bits: 8, pairs: true, grams: (4, 4), fields: Fields::NONE };
    let model = ModelFacts {
        name: "m".to_owned(),
        label_mean: 0.5,
        bias: 0.5,
        step: 0.0,
        knots: [(0.0, 0.0), (1.0, 1.0)].into_iter().collect(),
    };
    let weights = vec![0; spec.rows()];
    let words = Artifact { spec, scales: [1.0; 4], band: 0.0, rows: 9, day: 1, models: vec![model], weights };
    let knots = [(0.0, 0.0), (1.0, 1.0)].into_iter().collect();
    let models = vec![(0.5, knots)];
    let embedded = Embedded { by: "embedder-1".to_owned(), dimension: 64, band: 0.0, models, kind };
    Scorer::read(&embedded.write(&words.write())).unwrap()
}

#[test]
fn no_kind_allocates_once_it_was_read() {
    let vectors = (0..64 * 500).map(|number: i32| (number.wrapping_mul(7_919) % 127) as i8).collect();
    let near = Kind::Knn(Neighbours::new((128, 4, 1.0), 64, vectors, vec![200; 500]));
    let factors = Factors { steps: vec![0.1; 8], biases: vec![0.5], factors: vec![0.1; 8], projection: vec![3; 512] };
    for scorer in [scorer(near), scorer(Kind::Mf(factors))] {
        let embedding: Vec<f32> = (0..64).map(|place| (place as f32).sin()).collect();
        let tell = |embedding| black_box(scorer.tell(Some("and the words too"), &Outline::PLAIN, embedding)).is_some();
        assert!(tell(Some(&embedding)) && tell(None));
        let before = ALLOCATIONS.get();
        for _ in 0..1_000 {
            tell(Some(black_box(&embedding)));
            tell(None);
        }
        assert_eq!(ALLOCATIONS.get() - before, 0);
    }
    let before = ALLOCATIONS.get();
    drop(black_box(vec![1_u8]));
    assert_eq!(ALLOCATIONS.get() - before, 1, "who allocates is counted");
}
