//! Counts what a walk costs without a clock: allocations by the allocator, instructions under callgrind.
//!
//! `walk-count DEPLOYMENTS RULES DECISIONS GROUPS` warms up, then makes the decisions and prints the allocations they
//! made. With `GROUPS` above 0 they ask for so many groups in turn, otherwise for `auto`.
//! Under `valgrind --tool=callgrind --toggle-collect=counted` only the decisions are counted.

#![allow(unsafe_code, reason = "a global allocator is unsafe by its signature; this one counts and forwards")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use junctor_benches::{Traffic, router};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is forwarded unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
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

#[unsafe(no_mangle)]
#[inline(never)]
fn counted(traffic: &mut Traffic<'_>, decisions: u64) {
    for _ in 0..decisions {
        black_box(traffic.one());
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().expect("a number"));
    let mut next = |otherwise| arguments.next().unwrap_or(otherwise);
    let (deployments, rules, decisions) = (next(100), next(100), next(10_000));
    let router = router(deployments, rules);
    let mut traffic = Traffic::new(&router, next(0));
    (0..1_000).for_each(|_| {
        traffic.one();
    });
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    counted(&mut traffic, decisions as u64);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    println!(
        "{{\"deployments\": {deployments}, \"rules\": {rules}, \"decisions\": {decisions}, \"allocations\": {allocations}}}"
    );
}
