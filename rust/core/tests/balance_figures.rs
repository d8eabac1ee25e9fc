//! The figures of the balancer over many seeds: what decisions about it are judged by.
//!
//! `cargo test --release -p junctor-core --test balance_figures -- --ignored --nocapture` prints them. Nothing is asserted
//! here; `balance.rs` asserts, on a few seeds of its own, so that no constant is chosen on the seeds that test it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

use junctor_core::outcome::Ending;
use junctor_sim::scenario::{FAIR, ailing_from_60_to_180, ten_even_keys};
use junctor_sim::{Fault, World};

const SEEDS: std::ops::Range<u64> = 100..124;

/// One figure over all seeds.
fn row(what: &str, figures: impl Iterator<Item = f64>) {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let (least, median, most) = (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    println!("{what:<60} {median:>9.4}   {least:.4} … {most:.4}");
}

fn worlds(fault: Option<Fault>) -> Vec<World> {
    SEEDS.map(|seed| ailing_from_60_to_180(seed, fault)).collect()
}

fn failed_of_the_first(world: &World, from: f64, to: f64) -> f64 {
    let failed =
        |attempt: &&junctor_sim::Attempt| attempt.provider == 0 && matches!(attempt.ending, Some(Ending::Failed(_)));
    world.between(from, to).filter(failed).count() as f64
}

fn share_of_429(world: &World, from: f64, to: f64) -> f64 {
    let throttled = world.endings(from, to, |ending| matches!(ending, Ending::Throttled));
    throttled as f64 / world.between(from, to).count() as f64
}

#[test]
#[ignore = "prints figures, asserts nothing"]
fn figures() {
    println!("{:<60} {:>9}   least … most of {} seeds", "", "median", SEEDS.count());
    let healthy = worlds(None);
    row("healthy: p99 to first content, s", healthy.iter().map(|w| w.p99_s(20.0, 200.0)));
    row(
        "healthy: share elsewhere than the weights say",
        healthy.iter().map(|world| {
            let weight = |at: usize| world.router.fleet().deployments[at].weight / 7.5;
            (0..10).map(|at| (world.share(at, 20.0, 200.0) - weight(at)).abs()).sum::<f64>() / 2.0
        }),
    );
    for (what, share) in [("all fail fast", 1.0), ("half fail fast", 0.5)] {
        let worlds = worlds(Some(Fault::Errors { after_s: 0.02, share }));
        row(&format!("{what}: failed calls, 60–180 s"), worlds.iter().map(|w| w.failures(60.0, 180.0)));
        row(&format!("{what}: attempts wasted before 89 s"), worlds.iter().map(|w| failed_of_the_first(w, 60.0, 89.0)));
        row(&format!("{what}: time to shift, s"), worlds.iter().map(|w| w.time_to_shift(0, 60.0, FAIR)));
        row(&format!("{what}: share of fair, 62–89 s"), worlds.iter().map(|w| w.share(0, 62.0, 89.0) / FAIR));
        row(&format!("{what}: share of fair, 62–180 s"), worlds.iter().map(|w| w.share(0, 62.0, 180.0) / FAIR));
    }
    for (what, fault) in [("hangs", Fault::Hangs), ("8 times slower", Fault::Slow(8.0))] {
        let worlds = worlds(Some(fault));
        row(&format!("{what}: time to shift, s"), worlds.iter().map(|w| w.time_to_shift(0, 60.0, FAIR)));
        row(&format!("{what}: share of fair, 70–180 s"), worlds.iter().map(|w| w.share(0, 70.0, 180.0) / FAIR));
        row(&format!("{what}: p99 to first content, 60–180 s"), worlds.iter().map(|w| w.p99_s(60.0, 180.0)));
    }
    let throttled = worlds(Some(Fault::Throttles { after_s: 0.005, hint_s: None }));
    row("429 at once: share of 429", throttled.iter().map(|w| share_of_429(w, 60.0, 180.0)));
    for left in [0.9, 0.5, 0.2, 0.05] {
        let worlds = worlds(Some(Fault::Quota(left)));
        let what = format!("quota cut to {left}");
        row(&format!("{what}: share of 429, 60–90 s"), worlds.iter().map(|w| share_of_429(w, 60.0, 90.0)));
        row(&format!("{what}: share of 429, 90–180 s"), worlds.iter().map(|w| share_of_429(w, 90.0, 180.0)));
        row(&format!("{what}: share of fair, 90–180 s"), worlds.iter().map(|w| w.share(0, 90.0, 180.0) / FAIR));
        row(&format!("{what}: p99 to first content, 60–180 s"), worlds.iter().map(|w| w.p99_s(60.0, 180.0)));
    }
    for per_s in [10.0, 25.0, 100.0] {
        for slower in [8.0, 100.0] {
            let worlds: Vec<_> = SEEDS.map(|seed| ten_even_keys(seed, per_s, slower)).collect();
            let what = format!("ten keys, {per_s}/s, one {slower} times slower, one dead");
            row(&format!("{what}: failed"), worlds.iter().map(|w| w.failures(60.0, 1e9)));
            row(&format!("{what}: share of fair"), worlds.iter().map(|w| w.share(0, 60.0, 1e9) * 10.0));
            row(&format!("{what}: first 200"), worlds.iter().map(|w| w.share(0, 60.0, 60.0 + 200.0 / per_s) * 10.0));
            row(&format!("{what}: p99 × healthy"), worlds.iter().map(|w| w.p99_s(60.0, 1e9) / w.p99_s(0.0, 60.0)));
        }
    }
}
