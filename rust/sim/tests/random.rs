//! Three hundred worlds that seeds make up, and what must hold in each. `explore` looks at fresh ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use junctor_sim::world::End;
use junctor_sim::{World, random};

fn run(seed: u64) -> World {
    let world = random::run(seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    assert_eq!(world.ledger.breaches, [""; 0], "seed {seed}");
    for call in &world.calls {
        let took_s = call.ended.unwrap().since(call.arrived).as_secs_f64();
        assert!(took_s <= world.deadline_s + 1e-6, "seed {seed}: {took_s} s of {}", world.deadline_s);
        assert!(call.attempts <= world.max_attempts, "seed {seed}: {} attempts", call.attempts);
        let waited = call.end == Some(End::NoCapacity) && took_s > world.max_wait_s + 1e-6;
        assert!(!waited, "seed {seed}: waited {took_s} s for capacity, of {}", world.max_wait_s);
    }
    world
}

#[test]
fn in_three_hundred_worlds_no_promise_is_broken() {
    let worlds: Vec<World> = (0..300).map(run).collect();
    // They are worth running only if much goes wrong in them, and in many ways.
    let ended = |end| worlds.iter().flat_map(|world| &world.calls).filter(|call| call.end == Some(end)).count();
    let ends = [End::Answered, End::Failed, End::Interrupted, End::NoCapacity, End::Refused, End::Late].map(ended);
    println!("answered, failed, interrupted, no capacity, refused, late: {ends:?}");
    assert!(ends.iter().all(|count| *count > 1_000), "{ends:?}");
    let attempts = || worlds.iter().flat_map(|world| &world.attempts);
    let hedges = attempts().filter(|attempt| attempt.hedge).count();
    let beaten = attempts().filter(|attempt| attempt.beaten).count();
    let probes = attempts().filter(|attempt| attempt.last_resort).count();
    let downgrades = attempts().filter(|attempt| attempt.downgrade).count();
    let cached = attempts().filter(|attempt| attempt.cached > 0).count();
    println!("hedges {hedges}, beaten {beaten}, forced probes {probes}, downgrades {downgrades}, cached {cached}");
    assert!([hedges, beaten, probes, downgrades, cached].iter().all(|count| *count > 100));
}
