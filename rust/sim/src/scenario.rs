//! The worlds of the specification: its fleet of ten, and ten equal keys.

use junctor_core::request::Needs;
use junctor_core::router::Router;
use junctor_core::rules::Flag;
use junctor_core::spec::FleetSpec;
use serde_json::{Value, json};

use crate::fault::Fault;
use crate::provider::Provider;
use crate::traffic::Kind;
use crate::world::World;

/// What the first provider gets when all is well.
pub const FAIR: f64 = 0.16;

/// Tokens per minute of SPEC's ten: 4 × 1.2, 3 × 0.6 and 3 × 0.3 million.
const TPM: [u64; 10] =
    [1_200_000, 1_200_000, 1_200_000, 1_200_000, 600_000, 600_000, 600_000, 300_000, 300_000, 300_000];

/// SPEC's fleet: pools, deployments and providers, the same limits on both sides.
#[must_use]
pub fn members() -> (Vec<Value>, Vec<Value>, Vec<Provider>) {
    let name = |at: usize| format!("d{at}");
    let own = |at: usize| json!({"name": name(at), "limits": [{"dimension": "tpm", "limit": TPM[at]}]});
    let made = |at: usize| {
        json!({"name": name(at), "provider": "acme", "model": "acme/one", "weight": TPM[at] as f64 / 1e6,
               "pools": [name(at)], "accounting": {"output": "learned"}, "capabilities": ["streaming"]})
    };
    let provider = |at: usize| Provider::new(&name(at), 0.4 + 0.05 * ((at * 7) % 10) as f64, TPM[at] as f64);
    ((0..10).map(own).collect(), (0..10).map(made).collect(), (0..10).map(provider).collect())
}

/// A fleet of these with one group of all.
///
/// # Panics
/// If the pieces are no fleet: they are written here.
#[must_use]
#[expect(clippy::expect_used, reason = "the fleets are this file's own")]
fn fleet(pools: &[Value], deployments: &[Value], hedge: bool) -> FleetSpec {
    let names: Vec<&Value> = deployments.iter().map(|deployment| &deployment["name"]).collect();
    let groups = json!([{"name": "all", "members": names, "hedge": hedge}]);
    let whole = json!({"config_hash": "c0ffee", "pools": pools, "deployments": deployments, "groups": groups});
    serde_json::from_value(whole).expect("a fleet")
}

/// SPEC's world with one fault.
#[derive(Clone, Copy, Debug)]
pub struct Ten {
    /// What ails the first provider.
    pub fault: Option<Fault>,
    /// From when to when it does.
    pub span_s: (f64, f64),
    /// Calls per second: 54 are 60 % of what the ten admit.
    pub per_s: f64,
    /// Whether the group hedges, and its calls are streamed.
    pub hedge: bool,
    /// Seconds of traffic.
    pub seconds: f64,
}

impl Default for Ten {
    fn default() -> Self {
        Self { fault: None, span_s: (60.0, 180.0), per_s: 54.0, hedge: false, seconds: 200.0 }
    }
}

impl Ten {
    /// The world, its traffic still to come.
    ///
    /// # Panics
    /// If SPEC's fleet is none.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the fleet is this file's own")]
    pub fn world(&self, seed: u64) -> World {
        let (pools, deployments, mut providers) = members();
        if let Some(fault) = self.fault {
            providers[0] = providers[0].clone().ailing(self.span_s.0, self.span_s.1, fault);
        }
        let mut world = World::of(&fleet(&pools, &deployments, self.hedge), providers, seed).expect("a world");
        if self.hedge {
            let needs = Needs::NONE.with(Flag::Streaming);
            world.kinds = vec![Kind { needs, max_tokens: Some(1_024), ..Kind::of("all") }];
        }
        world.traffic(self.per_s, 0.0, self.seconds);
        world
    }

    /// The same, run to its end.
    #[must_use]
    pub fn run(&self, seed: u64) -> World {
        let mut world = self.world(seed);
        world.run();
        world
    }
}

/// A run of 54 calls a second for 200 s; the first provider ails from 60 to 180 s.
///
/// # Panics
/// If the core breaks a promise on the way.
#[must_use]
pub fn ailing_from_60_to_180(seed: u64, fault: Option<Fault>) -> World {
    let world = Ten { fault, ..Ten::default() }.run(seed);
    assert!(world.is_at_rest(), "seed {seed}: {:?}", world.ledger.breaches);
    let late = world.calls.iter().filter(|call| {
        call.ended.is_some_and(|ended| ended.since(call.arrived).as_secs_f64() > world.deadline_s + 1e-6)
    });
    assert_eq!(late.count(), 0, "no call outlives its deadline");
    world
}

/// Ten equal keys that answer in 20 ms; from 60 s on one takes `slower` times as long, and one is revoked.
///
/// # Panics
/// If its fleet is none.
#[must_use]
#[expect(clippy::expect_used, reason = "the fleet is this file's own")]
pub fn ten_even_keys(seed: u64, per_s: f64, slower: f64) -> World {
    let names: Vec<String> = (0..10).map(|at| format!("d{at}")).collect();
    let made = |name: &String| json!({"name": name, "provider": "acme", "model": "acme/one"});
    let spec = fleet(&[], &names.iter().map(made).collect::<Vec<_>>(), false);
    let mut providers: Vec<_> = names.iter().map(|name| Provider::even(name, 0.02)).collect();
    providers[0] = providers[0].clone().ailing(60.0, 1e9, Fault::Slow(slower));
    providers[1] = providers[1].clone().ailing(60.0, 1e9, Fault::Misconfigured);
    let mut world = World::of(&spec, providers, seed).expect("a world");
    world.traffic(per_s, 0.0, 60.0 + f64::max(1_000.0 / per_s, 40.0));
    world.run();
    world
}

/// Everything down from the first second on, with so many deployments that the breakers alone would let every call try
/// three of them.
///
/// # Panics
/// If its fleet is none.
#[must_use]
#[expect(clippy::expect_used, reason = "the fleet is this file's own")]
pub fn outage(seed: u64, deployments: usize, per_s: f64, seconds: f64) -> World {
    let names: Vec<String> = (0..deployments).map(|at| format!("d{at}")).collect();
    let made = |name: &String| json!({"name": name, "provider": "acme", "model": "acme/one"});
    let spec = fleet(&[], &names.iter().map(made).collect::<Vec<_>>(), false);
    let down = Fault::Errors { after_s: 0.02, share: 1.0 };
    let providers = names.iter().map(|name| Provider::free(name, 0.5).ailing(0.0, 1e9, down)).collect();
    let mut world = World::new(Router::new(&spec).expect("a router"), providers, seed);
    world.ledger = crate::ledger::Ledger::of(&spec);
    world.traffic(per_s, 0.0, seconds);
    world.run();
    world
}
