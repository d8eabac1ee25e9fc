//! Faults that only a whole world shows: strangers on a key, headers that lie, caches that affinity keeps warm.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use junctor_core::spec::FleetSpec;
use junctor_sim::cache::CacheRule;
use junctor_sim::fault::{Ailment, Lie};
use junctor_sim::traffic::{Kind, Pattern, Sizes, drawn};
use junctor_sim::{Fault, Provider, World};
use serde_json::json;

/// Keys `a` and `b` with so many tokens a minute each, in one group.
fn two_keys(tpm: u64) -> FleetSpec {
    let own = |name: &str| json!({"name": name, "limits": [{"dimension": "tpm", "limit": tpm, "burst_s": 60}]});
    let made = |name: &str| {
        json!({"name": name, "provider": "acme", "model": "acme/one", "pools": [name],
                                   "accounting": {"output": "learned"}})
    };
    let whole = json!({"pools": [own("a"), own("b")], "deployments": [made("a"), made("b")],
                       "groups": [{"name": "all", "members": ["a", "b"]}]});
    serde_json::from_value(whole).unwrap()
}

/// Ten minutes of three calls a second, some 70 % of what two honest keys of 200,000 admit; `a` ails all the time.
fn under(fault: Fault, headers: bool, seed: u64) -> World {
    let key = |name: &str| {
        let mut key = Provider::new(name, 0.5, 200_000.0);
        key.headers = headers;
        key.quotas
            .iter_mut()
            .for_each(|quota| *quota = junctor_sim::quota::Quota::new(quota.dimension, 2e5, 60.0, 60.0));
        key
    };
    let mut ailing = key("a");
    ailing.ail(Ailment { from_s: 0.0, to_s: 1e9, round: None, fault });
    let mut world = World::of(&two_keys(200_000), vec![ailing, key("b")], seed).unwrap();
    world.traffic(3.0, 0.0, 600.0);
    world.run();
    assert!(world.is_at_rest(), "{:?}", world.ledger.breaches);
    world
}

#[test]
fn a_stranger_on_the_key_costs_few_refusals_and_fewer_where_headers_tell() {
    for seed in 1..=5 {
        let told = under(Fault::Burns(100_000.0), true, seed);
        let untold = under(Fault::Burns(100_000.0), false, seed);
        assert!(told.share_of_429(30.0, 600.0) <= 0.01, "seed {seed}: {}", told.share_of_429(30.0, 600.0));
        assert!(told.share_of_429(0.0, 600.0) <= untold.share_of_429(0.0, 600.0), "seed {seed}");
        assert!(told.failures(0.0, 600.0) <= 0.01, "seed {seed}: {}", told.failures(0.0, 600.0));
    }
}

#[test]
fn headers_that_lie_lift_no_limit_by_more_than_half_and_shut_nobody_out_for_ever() {
    for lie in [Lie::Huge, Lie::Negative, Lie::Stale, Lie::Nothing] {
        let world = under(Fault::Lies(lie), true, 1);
        let used = |from: f64| -> u64 {
            world
                .between(from, from + 60.0)
                .filter(|attempt| attempt.provider == 0)
                .map(|attempt| attempt.output_tokens + 1_000)
                .sum()
        };
        let most = (1..9).map(|minute| used(f64::from(minute) * 60.0)).max().unwrap();
        assert!(most <= 300_000 + 200_000, "{lie:?}: {most} tokens in a minute, burst included");
        assert!(world.share(0, 300.0, 600.0) > 0.02, "{lie:?}: {}", world.share(0, 300.0, 600.0));
    }
}

#[test]
fn sessions_that_stay_find_their_prompts_warm() {
    let run = |affinity: bool| {
        let keys = ["a", "b"]
            .map(|name| Provider::free(name, 0.5).caching(CacheRule { ttl_s: 120.0, ..CacheRule::default() }));
        let mut world = World::of(&two_keys(1_000_000_000), keys.into(), 1).unwrap();
        world.kinds = vec![Kind { affinity, ..Kind::of("all") }];
        let sizes = Sizes { input: 8_000.0, ..Sizes::default() };
        world.add(drawn(Pattern::Poisson { per_s: 2.0 }, sizes, 0, 200, (0.0, 600.0), 1));
        world.run();
        let cached: u64 = world.attempts.iter().map(|attempt| attempt.cached).sum();
        let asked: u64 = world.arrivals.iter().map(|call| call.input_tokens).sum();
        cached as f64 / asked as f64
    };
    let (stays, wanders) = (run(true), run(false));
    assert!(stays > wanders + 0.1, "{stays} {wanders}");
}
