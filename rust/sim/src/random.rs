//! Worlds that a seed makes up: any fleet, any traffic, any faults. Nothing is asked of them but the invariants.
//!
//! What people write down as scenarios is what they thought of. Here limits of every dimension are shared and private,
//! tight and wide; clauses and rules cross; providers hang, flap, cut, lie and share their keys with strangers; callers
//! are patient or not. Whatever happens, the [ledger](crate::ledger) must agree.

use junctor_core::draw::Draw;
use junctor_core::fleet::FleetError;
use junctor_core::request::Needs;
use junctor_core::rules::Flag;
use junctor_core::spec::{Dimension, FleetSpec};
use serde_json::{Value, json};

use crate::cache::CacheRule;
use crate::chance::{Stream, stream};
use crate::fault::{Ailment, Fault, Lie};
use crate::provider::Provider;
use crate::quota::Quota;
use crate::traffic::{Kind, Pattern, Sizes, drawn};
use crate::world::World;

/// Seconds of traffic.
const SECONDS: f64 = 60.0;
/// Deployments at most, so that every one of them sees something.
const MOST: u64 = 12;

/// The world of a seed, its traffic still to come.
///
/// # Errors
/// [`FleetError`] if it made up a fleet that is none, which is a mistake of this file.
pub fn world(seed: u64) -> Result<World, FleetError> {
    let mut draw = stream(seed, Stream::Worlds);
    let spec = fleet(&mut draw)?;
    let mut shared = Vec::new();
    let mut providers: Vec<Provider> = Vec::new();
    for pool in &spec.pools {
        // The truth may be tighter than what the operator believes.
        let truth = if draw.unit() < 0.3 { 0.5 } else { 1.0 };
        let quotas = pool.limits.iter().filter_map(Quota::of);
        shared.extend(quotas.map(|quota| (pool.name.clone(), quota.scaled(truth))));
    }
    for deployment in &spec.deployments {
        let base = match draw.below(3) {
            0 => Provider::even(&deployment.name, 0.05 + draw.unit()),
            _ => Provider::free(&deployment.name, 0.1 + draw.unit()),
        };
        let mut provider = Provider { headers: draw.unit() < 0.5, ..base };
        if draw.unit() < 0.5 {
            provider = provider.caching(CacheRule { ttl_s: 30.0, min_tokens: 100 });
        }
        let mine = (0..shared.len()).filter(|&at| deployment.pools.contains(&shared[at].0));
        provider.shared = mine.collect();
        provider.slots = (draw.unit() < 0.2).then_some(4);
        for _ in 0..draw.below(3) {
            let ailment = ailment(&mut draw);
            provider.ail(ailment);
            provider.shared.iter().for_each(|&at| {
                if matches!(ailment.fault, Fault::Quota(_) | Fault::Burns(_)) {
                    shared[at].1.faults.push(ailment);
                }
            });
        }
        providers.push(provider);
    }
    let mut world = World::of(&spec, providers, seed)?;
    world.pools = shared.into_iter().map(|(_, quota)| quota).collect();
    world.streamed = draw.unit() < 0.7;
    world.deadline_s = one(&mut draw, &[0.5, 5.0, 30.0, 300.0]);
    world.max_wait_s = one(&mut draw, &[0.0, 0.5, 2.0, 20.0]);
    world.max_attempts = 1 + draw.below(3) as u32;
    let kinds = kinds(&mut draw, world.streamed);
    let count = kinds.len();
    world.kinds = kinds;
    let per_s = 1.0 + draw.unit() * 20.0 / count as f64;
    for kind in 0..count {
        let pattern = match draw.below(3) {
            0 => Pattern::Poisson { per_s },
            1 => Pattern::Constant { per_s },
            _ => Pattern::Bursts { per_s, every_s: 20.0, lasts_s: 2.0, times: 8.0 },
        };
        let sizes = Sizes { input: 400.0, input_sigma: 1.0, output: 100.0, ..Sizes::default() };
        world.add(drawn(pattern, sizes, kind, draw.below(30), (0.0, SECONDS), seed ^ kind as u64));
    }
    Ok(world)
}

/// The same, run to its end.
///
/// # Errors
/// As [`world`].
pub fn run(seed: u64) -> Result<World, FleetError> {
    let mut world = world(seed)?;
    world.run();
    Ok(world)
}

fn one<T: Copy>(draw: &mut Draw, of: &[T]) -> T {
    of[draw.below(of.len() as u64) as usize]
}

fn ailment(draw: &mut Draw) -> Ailment {
    let fault = match draw.below(13) {
        0 => Fault::Errors { after_s: 0.01, share: 1.0 },
        1 => Fault::Errors { after_s: 0.2, share: draw.unit() },
        2 => Fault::Throttles { after_s: 0.005, hint_s: None },
        3 => Fault::Throttles { after_s: 0.01, hint_s: Some(draw.unit() * 20.0) },
        4 => Fault::Hangs,
        5 => Fault::Slow(1.0 + draw.unit() * 30.0),
        6 => Fault::Quota(draw.unit()),
        7 => Fault::Misconfigured,
        8 => Fault::Exhausted,
        9 => Fault::Cuts(draw.unit()),
        10 => Fault::Stalls(draw.unit()),
        11 => Fault::Burns(draw.unit() * 60_000.0),
        _ => Fault::Lies(one(draw, &[Lie::Huge, Lie::Negative, Lie::Nothing, Lie::Stale])),
    };
    let from_s = draw.unit() * SECONDS;
    let round = (draw.unit() < 0.3).then_some((10.0, 4.0));
    Ailment { from_s, to_s: from_s + draw.unit() * SECONDS, round, fault }
}

fn fleet(draw: &mut Draw) -> Result<FleetSpec, FleetError> {
    let count = 1 + draw.below(MOST);
    let limits = |draw: &mut Draw, tight: f64| -> Vec<Value> {
        let each = Dimension::ALL.into_iter().filter_map(|dimension| limit(dimension, tight, draw));
        each.take(4).collect()
    };
    let mut pools = Vec::new();
    let mut deployments = Vec::new();
    for shared in 0..draw.below(3) {
        pools.push(json!({"name": format!("shared{shared}"), "limits": limits(draw, 4.0)}));
    }
    let shared = pools.len() as u64;
    for at in 0..count {
        let name = format!("d{at}");
        pools.push(json!({"name": name, "limits": limits(draw, 1.0)}));
        let mut mine = vec![name.clone()];
        if shared > 0 && draw.unit() < 0.5 {
            mine.insert(0, format!("shared{}", draw.below(shared)));
        }
        let words = one(draw, &[&["streaming", "tools"][..], &["streaming"]]);
        let output = one(draw, &["max_tokens", "learned", "none"]);
        deployments.push(json!({
            "name": name, "provider": format!("p{}", at % 3), "model": format!("acme/m{}", at % 2),
            "region": one(draw, &["eu", "us"]), "pools": mine, "capabilities": words,
            "weight": if at == 0 { 1.0 } else { one(draw, &[1.0, 1.0, 2.0, 5.0, 0.0]) },
            "context_tokens": one(draw, &[4_000, 200_000]),
            "tenants": if draw.unit() < 0.1 { vec!["acme"] } else { vec![] },
            "price": {"input": 1_000_000, "output": 5_000_000, "cached_input": 100_000},
            "accounting": {"output": output, "count_cached_input": draw.unit() < 0.5, "reconcile": draw.unit() < 0.8},
            "first_content_timeout_s": one(draw, &[2.0, 20.0]),
        }));
    }
    let names = |from: u64, to: u64| (from..to).map(|at| format!("d{at}")).collect::<Vec<_>>();
    let half = count.div_ceil(2);
    let whole = json!({
        "config_hash": "made up", "wall_epoch_s": draw.below(86_400 * 40), "pools": pools, "deployments": deployments,
        "groups": [
            {"name": "all", "members": names(0, count), "hedge": draw.unit() < 0.5},
            {"name": "first", "members": names(0, half), "fallback": ["all"], "hedge": draw.unit() < 0.5},
        ],
        "compliance": [
            {"name": "eu", "when": {"attribute": "data", "one_of": ["eu"]}, "require": {"region": ["eu"]}},
            {"name": "not p1", "when": {"all": [{"attribute": "task", "prefix": "ex"}, {"not": {"flag": "tools", "is": true}}]},
             "require": {"not_provider": ["p1"]}},
        ],
        "rules": [
            {"name": "robots", "when": {"attribute": "user_tier", "one_of": ["robot"]}, "action": {"refuse": "people only"}},
            {"name": "short", "when": {"number": "input_tokens", "max": 200}, "action": {"use": "first", "max_tokens": 80}},
            {"name": "rest", "when": {}, "action": {"use": "all"}},
        ],
    });
    serde_json::from_value(whole).map_err(|_| FleetError::Range {
        place: "a made-up fleet".into(),
        value: "not a fleet".into(),
        allowed: "what the core reads",
    })
}

/// One limit in three, around what a share of the traffic needs.
fn limit(dimension: Dimension, wider: f64, draw: &mut Draw) -> Option<Value> {
    let usual = match dimension {
        Dimension::Rpm => 120.0,
        Dimension::Tpm | Dimension::InputTpm => 60_000.0,
        Dimension::OutputTpm => 20_000.0,
        Dimension::Rpd => 400.0,
        Dimension::Tpd => 400_000.0,
        Dimension::Concurrency => 6.0,
        Dimension::UsdPerDay => 5_000_000.0,
    };
    if draw.unit() < 0.66 {
        return None;
    }
    let value = (usual * wider * (0.2 + 2.0 * draw.unit())).max(1.0) as u64;
    let mut made = json!({"dimension": dimension.name(), "limit": value});
    match dimension {
        Dimension::Rpd | Dimension::Tpd | Dimension::UsdPerDay => {
            made["calendar"] = json!([[0, -3_600 * draw.below(12) as i64]]);
        }
        Dimension::Rpm | Dimension::Tpm if draw.unit() < 0.3 => made["fixed_window"] = json!(true),
        Dimension::Concurrency => {}
        _ => made["burst_s"] = json!(one(draw, &[1.0, 10.0, 60.0])),
    }
    Some(made)
}

fn kinds(draw: &mut Draw, streamed: bool) -> Vec<Kind> {
    let streaming = if streamed { Needs::NONE.with(Flag::Streaming) } else { Needs::NONE };
    let mut kind = || {
        let tag = |draw: &mut Draw, name: &str, value: &str, chance: f64| {
            (draw.unit() < chance).then(|| (name.to_owned(), value.to_owned()))
        };
        let tags =
            [("data", "eu", 0.3), ("task", "extraction", 0.3), ("user_tier", "robot", 0.1), ("tenant", "acme", 0.5)];
        let tags = tags.into_iter().filter_map(|(name, value, chance)| tag(draw, name, value, chance)).collect();
        Kind {
            model: one(draw, &["auto", "all", "first", "acme/m0", "d0"]).to_owned(),
            tags,
            needs: if draw.unit() < 0.2 { streaming.with(Flag::Tools) } else { streaming },
            max_tokens: one(draw, &[None, Some(50), Some(1_000)]),
            affinity: draw.unit() < 0.3,
        }
    };
    (0..4).map(|_| kind()).collect()
}
