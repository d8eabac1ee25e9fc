//! Fleets and requests that the benchmarks share.

#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use junctor_core::draw::Draw;
use junctor_core::learned::Scorer;
use junctor_core::learned::artifact::{Artifact, ModelFacts};
use junctor_core::learned::embedded::dot::kept;
use junctor_core::learned::embedded::factors::Factors;
use junctor_core::learned::embedded::neighbours::Neighbours;
use junctor_core::learned::embedded::{Embedded, Kind};
use junctor_core::learned::features::FeatureSpec;
use junctor_core::learned::outline::Fields;
use junctor_core::outcome::{Ending, Outcome};
use junctor_core::request::{Needs, Request};
use junctor_core::reservation::Reservation;
use junctor_core::router::Router;
use junctor_core::spec::{FleetSpec, Objective, ObjectiveWord};
use junctor_core::units::Nanos;
use serde_json::json;

/// Deployments that share a group: fleets grow by groups, as they do in life.
const GROUP: usize = 20;
/// Deployments that share a pool.
const POOL: usize = 5;

/// Time between two requests: short, and long enough for no limit to bind.
const BETWEEN: Nanos = Nanos(20_000);

/// A fleet of `deployments` in groups of twenty under `rules` rules, each attempt drawing from four limits of two pools.
#[must_use]
pub fn fleet(deployments: usize, rules: usize) -> FleetSpec {
    let limits =
        json!([{"dimension": "rpm", "limit": 100_000_000_u64}, {"dimension": "tpm", "limit": 32_000_000_000_u64}]);
    let pool = |name: String| json!({"name": name, "limits": limits});
    let shared = (0..deployments.div_ceil(POOL)).map(|index| pool(format!("pool-{index}")));
    let own = (0..deployments).map(|index| pool(format!("d{index}")));
    let deployment = |index: usize| {
        json!({
            "name": format!("d{index}"), "provider": format!("p{}", index % 8), "model": format!("p/m{}", index / GROUP),
            "region": if index.is_multiple_of(2) { "us" } else { "eu" }, "pools": [format!("pool-{}", index / POOL), format!("d{index}")],
            "capabilities": ["tools", "images", "streaming"], "context_tokens": 200_000, "max_output_tokens": 32_000,
            "price": {"input": 3_000_000, "output": 15_000_000},
        })
    };
    let group = |index: usize| {
        let members: Vec<_> =
            (index * GROUP..((index + 1) * GROUP).min(deployments)).map(|d| format!("d{d}")).collect();
        json!({"name": format!("g{index}"), "members": members})
    };
    let groups = deployments.div_ceil(GROUP);
    let rule = |index: usize| {
        let when = json!({"all": [
            {"attribute": "task", "one_of": [format!("task-{index}"), "extraction"]},
            {"attribute": "tenant", "one_of": [format!("tenant-{index}")]},
            {"number": "input_tokens", "max": 100 + index},
        ]});
        json!({"name": format!("r{index}"), "when": when, "action": {"use": format!("g{}", index % groups)}})
    };
    let otherwise = json!({"name": "otherwise", "action": {}});
    let spec = json!({
        "config_hash": "bench",
        "pools": shared.chain(own).collect::<Vec<_>>(),
        "deployments": (0..deployments).map(deployment).collect::<Vec<_>>(),
        "groups": (0..groups).map(group).collect::<Vec<_>>(),
        "compliance": [
            {"when": {"attribute": "data", "one_of": ["eu-personal"]}, "require": {"region": ["eu"]}},
            {"when": {"attribute": "data", "one_of": ["phi"]}, "require": {"agreements": ["baa"]}},
        ],
        "rules": (0..rules.saturating_sub(1)).map(rule).chain([otherwise]).collect::<Vec<_>>(),
    });
    serde_json::from_value(spec).expect("the benchmark's fleet is well formed")
}

/// A router over one group of `members`, with or without an objective: an objective makes the walk look at all of them.
#[must_use]
pub fn one_group(members: usize, with_objective: bool) -> Router {
    let mut spec = fleet(members, 1);
    spec.groups.truncate(1);
    if let Some(group) = spec.groups.first_mut() {
        group.members = (0..members).map(|index| format!("d{index}")).collect();
        if with_objective {
            group.objective = Objective::Word(ObjectiveWord::Cheapest);
        }
    }
    Router::new(&spec).expect("the benchmark's fleet compiles")
}

/// A router over [`fleet`].
#[must_use]
pub fn router(deployments: usize, rules: usize) -> Router {
    Router::new(&fleet(deployments, rules)).expect("the benchmark's fleet compiles")
}

/// A good answer.
#[must_use]
pub fn answer() -> Outcome<'static> {
    Outcome {
        input_tokens: Some(880),
        output_tokens: Some(122),
        first_content: Some(Nanos::from_millis(410)),
        ..Outcome::bare(Ending::Succeeded)
    }
}

/// One decision after another, fifty thousand in a second of the router's time, over the groups in turn or over the first one by `auto`.
pub struct Traffic<'r> {
    router: &'r Router,
    groups: Vec<String>,
    needs: Needs,
    turn: u64,
}

impl<'r> Traffic<'r> {
    /// Traffic to `groups` groups of `router`; 0 asks for `auto`.
    #[must_use]
    pub fn new(router: &'r Router, groups: usize) -> Self {
        let groups = (0..groups).map(|index| format!("g{index}")).collect();
        Self { router, groups, needs: Needs::named("tools").unwrap_or(Needs::NONE), turn: 0 }
    }

    /// Decides one request and holds nothing.
    pub fn decide(&mut self) -> Option<u32> {
        self.with_next(|router, request, now, seed| router.explain(request, now, seed).ok()?.deployment)
    }

    /// Decides and holds one request at the end of `held`, where the caller settles it: as the Python face does, the
    /// reservation is made where it stays.
    pub fn reserve(&mut self, held: &mut Vec<Reservation>) {
        self.with_next(|router, request, now, seed| {
            held.push(router.vacant(now, seed));
            let made = held.last_mut().map(|reservation| router.reserve_in(reservation, request).is_ok());
            assert_eq!(made, Some(true), "the benchmark's limits never bind");
        });
    }

    /// Settles what [`reserve`](Self::reserve) held.
    pub fn settle(&self, mut reservation: Reservation) {
        reservation.settle(answer(), BETWEEN);
    }

    /// Decides, holds and settles one request; answers its cost.
    pub fn one(&mut self) -> u64 {
        // Settled where it was made: moving it would be the benchmark's work, not the router's.
        self.with_next(|router, request, now, seed| match &mut router.reserve(request, now, seed) {
            Ok(reservation) => reservation.settle(answer(), now).cost,
            Err(denial) => unreachable!("the benchmark's limits never bind: {:?}", denial.why),
        })
    }

    fn with_next<T>(&mut self, act: impl FnOnce(&Router, &Request<'_>, Nanos, u64) -> T) -> T {
        self.turn += 1;
        let now = Nanos::from_secs(60) + Nanos(self.turn * BETWEEN.0);
        // A large stride, so that neighbours in time are strangers in memory.
        let place = usize::try_from(self.turn.wrapping_mul(7_919)).unwrap_or(0) % self.groups.len().max(1);
        let request = Request {
            model: self.groups.get(place).map_or("auto", String::as_str),
            input_tokens: 900,
            output_tokens: Some(300),
            needs: self.needs,
            tags: &[("task", "extraction"), ("user_tier", "paid"), ("tenant", "acme")],
            ..Request::default()
        };
        act(self.router, &request, now, self.turn)
    }
}

/// A scorer of nine models with the features that `junctor train` makes, and weights that mean nothing.
#[must_use]
pub fn nine_models() -> Scorer {
    Scorer::read(&nine_models_file()).expect("the benchmark's artifact is well formed")
}

fn nine_models_file() -> Vec<u8> {
    let spec = FeatureSpec { bits: 16, pairs: true, grams: (4, 4), fields: Fields::NONE };
    let model = |place: usize| ModelFacts {
        name: format!("m{place}"),
        label_mean: 0.5,
        bias: 0.5,
        step: 0.002,
        knots: (0..12_u8).map(|at| (f32::from(at) / 11.0, f32::from(at) / 11.0)).collect(),
    };
    let mut draw = Draw::new(1);
    let weights = (0..spec.rows() * 9).map(|_| draw.next_u64() as i8).collect();
    let models = (0..9).map(model).collect();
    Artifact { spec, scales: [1.0, 0.5, 0.3, 0.3], band: 0.02, rows: 1, day: 0, models, weights }.write()
}

/// An embedding of so many numbers.
#[must_use]
pub fn embedding(dimension: usize, seed: u64) -> Vec<f32> {
    let mut draw = Draw::new(seed);
    (0..dimension).map(|_| draw.unit() as f32 - 0.5).collect()
}

/// A scorer of nine models that asks the 48 nearest of so many prompts.
#[must_use]
pub fn nearest_of(count: usize, dimension: usize) -> Scorer {
    let vectors = (0..count as u64).flat_map(|seed| kept(&embedding(dimension, seed)).unwrap_or_default()).collect();
    let qualities = (0..count * 9).map(|place| (place % 255) as u8).collect();
    embedded(dimension, Kind::Knn(Neighbours::new((48, 5, 1.0), dimension, vectors, qualities)))
}

/// A scorer of nine models by eight factors.
#[must_use]
pub fn nine_factors(dimension: usize) -> Scorer {
    let projection = (0..8).flat_map(|seed| kept(&embedding(dimension, seed)).unwrap_or_default()).collect();
    let factors = Factors { steps: vec![0.01; 8], biases: vec![0.5; 9], factors: vec![0.1; 72], projection };
    embedded(dimension, Kind::Mf(factors))
}

fn embedded(dimension: usize, kind: Kind) -> Scorer {
    let model = (0.5, [(0.0, 0.0), (1.0, 1.0)].into_iter().collect());
    let made = Embedded { by: "bench".to_owned(), dimension, band: 0.0, models: vec![model; 9], kind };
    Scorer::read(&made.write(&nine_models_file())).expect("the benchmark's artifact is well formed")
}

/// A prompt of so many bytes: words of a vocabulary as people use it, few often and many seldom.
#[must_use]
pub fn prompt(bytes: usize) -> String {
    let mut draw = Draw::new(2);
    let mut text = String::new();
    while text.len() < bytes {
        let word = (draw.unit().powi(3) * 4_000.0) as u64;
        let mut letters = Draw::new(word);
        let length = 2 + letters.below(9);
        text.extend((0..length).map(|_| char::from(b'a' + letters.below(26) as u8)));
        text.push_str(if draw.below(12) == 0 { ". " } else { " " });
    }
    text.truncate(bytes);
    text
}
