//! A simulation as data: JSON in, JSON out. What `junctor simulate` asks for.
//!
//! The fleet is the one that a router is made of. Traffic and world are given with every default filled in by whoever
//! asks, so that a job says all that a run depends on; the same job gives the same report.

use junctor_core::request::Needs;
use junctor_core::rules::Flag;
use junctor_core::spec::{Dimension, FleetSpec};
use junctor_core::units::Nanos;
use serde::Deserialize;

use crate::cache::CacheRule;
use crate::fault::{Ailment, Fault, Lie};
use crate::policy::Policy;
use crate::provider::Provider;
use crate::quota::Quota;
use crate::report::Report;
use crate::traffic::{Arrival, Kind, Pattern, Sizes, drawn};
use crate::world::World;

/// What is to be simulated.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Of all draws.
    pub seed: u64,
    /// Who decides.
    pub policy: Policy,
    /// Seconds that a call may take.
    pub deadline_s: f64,
    /// Seconds that it may wait for capacity.
    pub max_wait_s: f64,
    /// Attempts that it may make.
    pub attempts: u32,
    /// Whether answers come in pieces.
    pub streamed: bool,
    /// What calls come.
    pub traffic: Traffic,
    /// Who answers them.
    pub providers: Vec<ProviderSpec>,
    /// What providers really admit.
    pub quotas: Vec<QuotaSpec>,
}

/// What calls come.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// What calls have in common.
    pub kinds: Vec<KindSpec>,
    /// Recorded calls, one column each.
    #[serde(default)]
    pub rows: Option<Rows>,
    /// Calls to draw, all of the first kind.
    #[serde(default)]
    pub drawn: Option<DrawnSpec>,
}

/// What calls have in common.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindSpec {
    model: String,
    #[serde(default)]
    tags: Vec<(String, String)>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    affinity: bool,
}

/// Recorded calls by column; the last three may be empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    arrival_s: Vec<f64>,
    input_tokens: Vec<u64>,
    output_tokens: Vec<u64>,
    #[serde(default)]
    kind: Vec<usize>,
    #[serde(default)]
    session: Vec<u64>,
    #[serde(default)]
    blocks: Vec<Vec<u64>>,
    #[serde(default = "block_tokens")]
    block_tokens: u64,
}

const fn block_tokens() -> u64 {
    512
}

/// Calls to draw.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrawnSpec {
    pattern: PatternWord,
    per_s: f64,
    seconds: f64,
    input_tokens: f64,
    input_spread: f64,
    output_tokens: f64,
    output_spread: f64,
    output_max: f64,
    sessions: u64,
}

/// How calls follow each other.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PatternWord {
    Poisson,
    Constant,
    /// Five times as many for six seconds of each minute.
    Bursts,
}

/// One deployment's provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    name: String,
    first_content_s: f64,
    spread: f64,
    outliers: f64,
    tokens_per_s: f64,
    reads_per_s: f64,
    slots: Option<u32>,
    headers: bool,
    cache_ttl_s: Option<f64>,
    cache_min_tokens: u64,
    faults: Vec<FaultSpec>,
}

/// One fault on schedule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    kind: FaultWord,
    from_s: f64,
    to_s: Option<f64>,
    every_s: Option<f64>,
    for_s: Option<f64>,
    after_s: f64,
    share: f64,
    factor: f64,
    hint_s: Option<f64>,
    per_minute: f64,
    lie: Option<LieWord>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FaultWord {
    Errors,
    Down,
    Throttles,
    Hangs,
    Slow,
    Quota,
    Revoked,
    Exhausted,
    Cuts,
    Stalls,
    Burns,
    Headers,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LieWord {
    Huge,
    Negative,
    Nothing,
    Stale,
}

/// One limit of a pool as it really is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaSpec {
    pool: String,
    dimension: Dimension,
    limit: f64,
    window_s: f64,
    burst_s: f64,
}

/// How often somebody is told how far it is, in steps: some fifty milliseconds of work.
pub const TELL_EVERY: u64 = 20_000;

/// Runs a job. `tell` hears the simulated second and the last one now and then, and says whether to go on.
///
/// # Errors
/// A sentence that names what is wrong with the job or the fleet; `None` if `tell` wanted no more.
pub fn run(fleet: &[u8], job: &[u8], tell: &mut dyn FnMut(f64, f64) -> bool) -> Result<Option<Report>, String> {
    let spec: FleetSpec =
        serde_json::from_slice(fleet).map_err(|error| format!("the fleet cannot be read: {error}"))?;
    let job: Job = serde_json::from_slice(job).map_err(|error| format!("the job cannot be read: {error}"))?;
    let mut world = job.world(&spec)?;
    let last_s = world.arrivals.iter().map(|arrival| arrival.at).max().unwrap_or_default().as_secs_f64();
    while world.step() {
        if world.steps.is_multiple_of(TELL_EVERY) && !tell(world.now.as_secs_f64().min(last_s), last_s) {
            return Ok(None);
        }
    }
    world.finish();
    Ok(Some(Report::of(&world, &spec)))
}

impl Job {
    /// The world that the job describes, its traffic still to come.
    ///
    /// # Errors
    /// As [`run`].
    pub fn world(&self, spec: &FleetSpec) -> Result<World, String> {
        let mut quotas: Vec<(String, Quota)> = Vec::new();
        for quota in &self.quotas {
            let made = Quota::new(quota.dimension, quota.limit, quota.window_s, quota.burst_s);
            quotas.push((quota.pool.clone(), made));
        }
        let mut providers = Vec::with_capacity(self.providers.len());
        for told in &self.providers {
            let Some(deployment) = spec.deployments.iter().find(|deployment| deployment.name == told.name) else {
                return Err(format!("no deployment is called {:?}", told.name));
            };
            let mut provider = told.provider();
            provider.counts_cached = deployment.accounting.count_cached_input;
            // A deployment's own limits are a pool of its name.
            let draws_from = |pool: &String| *pool == deployment.name || deployment.pools.contains(pool);
            provider.shared = (0..quotas.len()).filter(|&at| draws_from(&quotas[at].0)).collect();
            for fault in &told.faults {
                let ailment = fault.ailment();
                provider.ail(ailment);
                if matches!(ailment.fault, Fault::Quota(_) | Fault::Burns(_)) {
                    provider.shared.iter().for_each(|&at| quotas[at].1.faults.push(ailment));
                }
            }
            providers.push(provider);
        }
        let mut world = World::of(spec, providers, self.seed).map_err(|error| error.to_string())?;
        world.pools = quotas.into_iter().map(|(_, quota)| quota).collect();
        world.policy = self.policy;
        (world.deadline_s, world.max_wait_s) = (self.deadline_s, self.max_wait_s);
        (world.max_attempts, world.streamed) = (self.attempts, self.streamed);
        world.kinds = self.traffic.kinds.iter().map(|kind| kind.kind(self.streamed)).collect::<Result<_, _>>()?;
        if let Some(rows) = &self.traffic.rows {
            world.block_tokens = rows.block_tokens;
            world.add(rows.arrivals(world.kinds.len())?);
        }
        if let Some(drawn) = &self.traffic.drawn {
            world.add(drawn.arrivals(self.seed));
        }
        Ok(world)
    }
}

impl KindSpec {
    fn kind(&self, streamed: bool) -> Result<Kind, String> {
        let streaming = if streamed { Needs::NONE.with(Flag::Streaming) } else { Needs::NONE };
        let mut needs = streaming;
        for word in &self.needs {
            needs = needs.and(Needs::named(word).ok_or_else(|| format!("{word:?} is no capability"))?);
        }
        let (model, tags) = (self.model.clone(), self.tags.clone());
        Ok(Kind { model, tags, needs, max_tokens: self.max_tokens, affinity: self.affinity })
    }
}

impl Rows {
    fn arrivals(&self, kinds: usize) -> Result<Vec<Arrival>, String> {
        let rows = self.arrival_s.len();
        let optional = [self.kind.len(), self.session.len(), self.blocks.len()];
        let odd = self.input_tokens.len() != rows || self.output_tokens.len() != rows;
        if odd || optional.iter().any(|count| *count != 0 && *count != rows) {
            return Err(format!("the columns of the traffic differ in length; all have to have {rows} rows"));
        }
        if self.kind.iter().any(|kind| *kind >= kinds) {
            return Err(format!("a call is of a kind that is none of the {kinds}"));
        }
        let mut calls: Vec<Arrival> = (0..rows)
            .map(|at| Arrival {
                at: Nanos::from_secs_f64(self.arrival_s[at]),
                kind: self.kind.get(at).copied().unwrap_or(0),
                input_tokens: self.input_tokens[at],
                output_tokens: self.output_tokens[at],
                session: self.session.get(at).copied().unwrap_or(0),
                blocks: self.blocks.get(at).cloned().unwrap_or_default().into(),
            })
            .collect();
        calls.sort_by_key(|call| call.at);
        Ok(calls)
    }
}

impl DrawnSpec {
    fn arrivals(&self, seed: u64) -> Vec<Arrival> {
        let per_s = self.per_s;
        let pattern = match self.pattern {
            PatternWord::Poisson => Pattern::Poisson { per_s },
            PatternWord::Constant => Pattern::Constant { per_s },
            PatternWord::Bursts => Pattern::Bursts { per_s, every_s: 60.0, lasts_s: 6.0, times: 5.0 },
        };
        let sizes = Sizes {
            input: self.input_tokens,
            input_sigma: self.input_spread,
            output: self.output_tokens,
            output_sigma: self.output_spread,
            output_max: self.output_max,
        };
        drawn(pattern, sizes, 0, self.sessions, (0.0, self.seconds), seed)
    }
}

impl ProviderSpec {
    fn provider(&self) -> Provider {
        let mut made = Provider::free(&self.name, self.first_content_s);
        (made.sigma, made.outliers) = (self.spread, self.outliers);
        (made.tokens_per_s, made.reads_per_s) = (self.tokens_per_s, self.reads_per_s);
        (made.slots, made.headers) = (self.slots, self.headers);
        match self.cache_ttl_s {
            Some(ttl_s) => made.caching(CacheRule { ttl_s, min_tokens: self.cache_min_tokens }),
            None => made,
        }
    }
}

impl FaultSpec {
    fn ailment(&self) -> Ailment {
        let fault = match self.kind {
            FaultWord::Errors => Fault::Errors { after_s: self.after_s, share: self.share },
            FaultWord::Down => Fault::Errors { after_s: 0.001, share: 1.0 },
            FaultWord::Throttles => Fault::Throttles { after_s: self.after_s, hint_s: self.hint_s },
            FaultWord::Hangs => Fault::Hangs,
            FaultWord::Slow => Fault::Slow(self.factor),
            FaultWord::Quota => Fault::Quota(self.share),
            FaultWord::Revoked => Fault::Misconfigured,
            FaultWord::Exhausted => Fault::Exhausted,
            FaultWord::Cuts => Fault::Cuts(self.share),
            FaultWord::Stalls => Fault::Stalls(self.share),
            FaultWord::Burns => Fault::Burns(self.per_minute),
            FaultWord::Headers => Fault::Lies(match self.lie {
                None | Some(LieWord::Huge) => Lie::Huge,
                Some(LieWord::Negative) => Lie::Negative,
                Some(LieWord::Nothing) => Lie::Nothing,
                Some(LieWord::Stale) => Lie::Stale,
            }),
        };
        let round = self.every_s.map(|every_s| (every_s, self.for_s.unwrap_or(every_s / 2.0)));
        Ailment { from_s: self.from_s, to_s: self.to_s.unwrap_or(f64::INFINITY), round, fault }
    }
}
