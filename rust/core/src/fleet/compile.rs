//! From names to indices: compiling a [`FleetSpec`] over the shared state.
//!
//! Every identity keeps its record in the state, so levels, breakers and averages survive a reload that adds, removes
//! or reweights something else. A renamed deployment is a new one; its pool, if it kept its name, is not.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrayvec::ArrayVec;
use thiserror::Error;

use super::{
    Action, Deployment, Fleet, Group, Limit, MAX_CHAIN, MAX_CLAUSES, MAX_LIMITS, Member, NameBits, Names, Pool, Rules,
};
use crate::draw::identity;
use crate::limit::{Calendar, Quota, QuotaError, Transition};
use crate::request::Needs;
use crate::rules::{Predicate, RuleError, RuleSet};
use crate::spec::{
    DeploymentSpec, Dimension, FleetSpec, GroupSpec, LimitSpec, ObjectiveWeights, Requirement, RuleSpec,
};
use crate::state::{Room, Section, State};
use crate::units::Nanos;

/// One integer part of weight; a weight of 1 has a million of them.
const WEIGHT_PARTS: f64 = 1_000_000.0;
/// Weights above this would drown the others in rounding.
const MAX_WEIGHT: f64 = 1_000_000.0;
/// SPEC A4: a probe's lease is never longer.
const MAX_PROBE_LEASE: Nanos = Nanos::from_secs(60);
/// What an unknown context or answer length counts as.
const UNBOUNDED: u64 = u64::MAX;

/// Why a fleet cannot be compiled. Each message names the thing, the value and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FleetError {
    /// Nothing to route to.
    #[error("the fleet has no deployments; give it at least one under `deployments`")]
    NoDeployments,
    /// A name that leads nowhere.
    #[error("{user} refers to {kind} {name:?}, which does not exist; declare it or correct the name")]
    Unbound {
        /// Who refers to it.
        user: String,
        /// What it should be.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Two things with one name.
    #[error("{kind} {name:?} is declared twice; names must be unique")]
    Twice {
        /// What is declared.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A number outside its range.
    #[error("{place} is {value}; allowed is {allowed}")]
    Range {
        /// Where.
        place: String,
        /// The value.
        value: String,
        /// The range and a hint.
        allowed: &'static str,
    },
    /// A word that is not one of the known ones.
    #[error(
        "{place} is {value:?}; allowed are tools, parallel_tools, images, files, audio, structured_output, reasoning, streaming, logprobs"
    )]
    Capability {
        /// Where.
        place: String,
        /// The word.
        value: String,
    },
    /// More of something than fits.
    #[error("{what}: {count} are more than the {room} there is room for; {hint}")]
    TooMany {
        /// Of what.
        what: String,
        /// How many.
        count: usize,
        /// How many fit.
        room: usize,
        /// What to do.
        hint: &'static str,
    },
    /// A limit that cannot be kept.
    #[error("{place}: {error}")]
    Quota {
        /// Where.
        place: String,
        /// What is wrong.
        error: QuotaError,
    },
    /// A condition that cannot be compiled.
    #[error("{place}: {error}")]
    Condition {
        /// Rules or compliance.
        place: &'static str,
        /// What is wrong.
        error: RuleError,
    },
}

impl FleetSpec {
    /// How many records this fleet needs.
    #[must_use]
    pub fn room(&self) -> Room {
        let groups = self.groups.len() + 2 * self.deployments.len();
        let memberships: usize = self.groups.iter().map(|group| group.members.len()).sum();
        Room {
            deployments: self.deployments.len(),
            buckets: self.pools.iter().map(|pool| pool.limits.len()).sum(),
            groups,
            lengths: memberships + self.deployments.len(),
        }
    }
}

impl Fleet {
    /// Compiles `spec` over `state`, claiming a record for every identity that has none yet. On a reload `replaces` is
    /// the fleet in force with the time, and deployments that are new start slowly.
    ///
    /// # Errors
    /// [`FleetError`] naming what is wrong; the state is then as usable as before.
    pub fn compile(spec: &FleetSpec, state: &State, replaces: Option<(&Self, Nanos)>) -> Result<Self, FleetError> {
        if spec.deployments.is_empty() {
            return Err(FleetError::NoDeployments);
        }
        give_back_if_crowded(spec, state, replaces.map(|(current, _)| current));
        let mut compiler = Compiler::new(state, replaces.map(|(_, now)| now));
        let (pools, limits) = compiler.pools(spec)?;
        let mut deployments = compiler.deployments(spec, &pools)?;
        let (clauses, clause_names) = compiler.clauses(spec, &mut deployments)?;
        let (groups, names) = compiler.groups(spec, &deployments)?;
        let rules = rules(spec, &names)?;
        let Compiler { regions, providers, agreements, .. } = compiler;
        Ok(Self {
            config_hash: spec.config_hash.as_str().into(),
            deployments: deployments.into(),
            groups: groups.into(),
            pools: pools.into(),
            limits: limits.into(),
            names,
            rules,
            clauses,
            clause_names,
            regions,
            providers,
            agreements,
            balance: spec.balance,
            retry: spec.retry,
        })
    }
}

/// Frees the records of fleets before `current`, once the room would not hold two fleets of this size.
///
/// The current fleet keeps its own: it routes until the new one is swapped in, and for good if that does not compile.
fn give_back_if_crowded(spec: &FleetSpec, state: &State, current: Option<&Fleet>) {
    let (needed, room) = (spec.room(), state.room());
    let Some(current) = current else { return };
    if needed.deployments * 2 <= room.deployments && needed.buckets * 2 <= room.buckets {
        return;
    }
    let new = spec.deployments.iter().map(|deployment| identity(&["deployment", &deployment.name]));
    let kept: BTreeSet<u64> = new.chain(current.deployments.iter().map(|deployment| deployment.identity)).collect();
    state.give_back(Section::Deployments, |id, words| kept.contains(&id) || crate::balance::is_busy(words));
    let new = spec.pools.iter().flat_map(|pool| pool.limits.iter().map(|limit| limit_identity(&pool.name, limit)));
    let kept: BTreeSet<u64> = new.chain(current.limits.iter().map(|limit| limit.identity)).collect();
    state.give_back(Section::Buckets, |id, _| kept.contains(&id));
}

/// What names a limit's record. The way of counting is part of it: it decides what the level means.
fn limit_identity(pool: &str, limit: &LimitSpec) -> u64 {
    let counted = match limit {
        LimitSpec { dimension: Dimension::Concurrency, .. } => "at once",
        LimitSpec { calendar: Some(_), .. } => "by day",
        LimitSpec { fixed_window: true, .. } => "by window",
        _ => "paced",
    };
    identity(&["limit", pool, limit.dimension.name(), counted])
}

/// Conditions of the compliance clauses, and their names.
type Clauses = (RuleSet, Box<[Box<str>]>);

/// What the steps of compiling share.
struct Compiler<'s> {
    state: &'s State,
    joins_at: Option<Nanos>,
    regions: NameBits,
    providers: NameBits,
    agreements: NameBits,
}

impl<'s> Compiler<'s> {
    fn new(state: &'s State, joins_at: Option<Nanos>) -> Self {
        let (regions, providers, agreements) = Default::default();
        Self { state, joins_at, regions, providers, agreements }
    }

    fn claim(&self, section: Section, identity: u64) -> Result<(u32, bool), FleetError> {
        let room = self.state.room();
        let room = match section {
            Section::Deployments => room.deployments,
            Section::Buckets => room.buckets,
            Section::Groups => room.groups,
            Section::Lengths => room.lengths,
        };
        self.state.claim(section, identity).ok_or_else(|| FleetError::TooMany {
            what: format!("{section:?} of this router, old and new together"),
            count: room + 1,
            room,
            hint: "a router's room is fixed when it is opened: open a new one for a fleet that grew beyond twice its size",
        })
    }

    fn pools(&self, spec: &FleetSpec) -> Result<(Vec<Pool>, Vec<Limit>), FleetError> {
        unique("pool", spec.pools.iter().map(|pool| pool.name.as_str()))?;
        let own: BTreeSet<&str> = spec.deployments.iter().map(|d| d.name.as_str()).collect();
        let (mut pools, mut limits) = (Vec::with_capacity(spec.pools.len()), Vec::new());
        for (index, pool) in (0..).zip(&spec.pools) {
            let first = u32::try_from(limits.len()).unwrap_or(u32::MAX);
            for limit in &pool.limits {
                limits.push(self.limit(index, &pool.name, limit, spec)?);
            }
            let private = own.contains(pool.name.as_str());
            let end = u32::try_from(limits.len()).unwrap_or(u32::MAX);
            pools.push(Pool { name: pool.name.as_str().into(), private, limits: first..end });
        }
        Ok((pools, limits))
    }

    fn limit(&self, index: u32, pool: &str, limit: &LimitSpec, spec: &FleetSpec) -> Result<Limit, FleetError> {
        let place = || format!("pools.{pool}.{}", limit.dimension.name());
        let window = Nanos::from_secs_f64(limit.window_s);
        let quota = match (&limit.calendar, limit.dimension) {
            (_, Dimension::Concurrency) => Quota::concurrency(limit.limit),
            (Some(transitions), _) => {
                let transition = |&(from_wall_s, utc_offset_s)| Transition { from_wall_s, utc_offset_s };
                Calendar::new(spec.wall_epoch_s, transitions.iter().map(transition).collect())
                    .and_then(|calendar| Quota::calendar(limit.limit, calendar))
            }
            (None, _) if limit.fixed_window => Quota::fixed_window(limit.limit, window),
            (None, _) => Quota::paced(limit.limit, window, Some(Nanos::from_secs_f64(limit.burst_s))),
        };
        let quota = quota.map_err(|error| FleetError::Quota { place: place(), error })?;
        let id = limit_identity(pool, limit);
        Ok(Limit {
            pool: index,
            dimension: limit.dimension,
            quota,
            identity: id,
            slot: self.claim(Section::Buckets, id)?.0,
        })
    }

    fn deployments(&mut self, spec: &FleetSpec, pools: &[Pool]) -> Result<Vec<Deployment>, FleetError> {
        unique("deployment", spec.deployments.iter().map(|d| d.name.as_str()))?;
        let by_name: HashMap<&str, u32> = (0..).zip(pools).map(|(index, pool)| (&*pool.name, index)).collect();
        spec.deployments.iter().map(|deployment| self.deployment(deployment, pools, &by_name)).collect()
    }

    fn deployment(
        &mut self,
        spec: &DeploymentSpec,
        pools: &[Pool],
        by_name: &HashMap<&str, u32>,
    ) -> Result<Deployment, FleetError> {
        let place = |key: &str| format!("deployments.{}.{key}", spec.name);
        if !(0.0..=MAX_WEIGHT).contains(&spec.weight) {
            let allowed = "0 (drained) to 1,000,000; only the proportion between members matters";
            return Err(FleetError::Range { place: place("weight"), value: spec.weight.to_string(), allowed });
        }
        let id = identity(&["deployment", &spec.name]);
        let (slot, fresh) = self.claim(Section::Deployments, id)?;
        if let Some(now) = self.joins_at.filter(|_| fresh) {
            crate::balance::note_joined(self.state, slot, now);
        }
        let limits = limits_of(spec, pools, by_name)?;
        let prior = if spec.latency_prior_s > 0.0 { spec.latency_prior_s } else { 0.8 };
        Ok(Deployment {
            name: spec.name.as_str().into(),
            provider: spec.provider.as_str().into(),
            model: spec.model.as_str().into(),
            identity: id,
            slot,
            weight: spec.weight,
            capabilities: capabilities(spec)?,
            provider_bit: bit(&mut self.providers, &spec.provider, "providers")?,
            region_bit: if spec.region.is_empty() { 0 } else { bit(&mut self.regions, &spec.region, "regions")? },
            agreements: bits(&mut self.agreements, &spec.agreements, "agreements")?,
            satisfies: 0,
            tenants: spec.tenants.iter().map(|tenant| tenant.as_str().into()).collect(),
            context_tokens: spec.context_tokens.unwrap_or(UNBOUNDED),
            max_output_tokens: spec.max_output_tokens.unwrap_or(UNBOUNDED),
            price: spec.price,
            #[expect(clippy::cast_possible_truncation, reason = "a share in [0, 1] and a logarithm need no double")]
            quality: spec.quality as f32,
            accounting: spec.accounting,
            probe_lease: Nanos::from_secs_f64(spec.first_content_timeout_s).min(MAX_PROBE_LEASE),
            latency_prior: prior.ln() as f32,
            limits,
        })
    }

    fn clauses(&mut self, spec: &FleetSpec, deployments: &mut [Deployment]) -> Result<Clauses, FleetError> {
        if spec.compliance.len() > MAX_CLAUSES {
            let hint = "join clauses that ask for the same thing";
            let count = spec.compliance.len();
            return Err(FleetError::TooMany { what: "compliance clauses".into(), count, room: MAX_CLAUSES, hint });
        }
        for (deployment, declared) in deployments.iter_mut().zip(&spec.deployments) {
            let met = (0..).zip(&spec.compliance).filter(|(_, clause)| meets(declared, &clause.require));
            deployment.satisfies = met.fold(0, |bits, (index, _): (u32, _)| bits | 1 << index);
        }
        let conditions: Vec<Predicate> = spec.compliance.iter().map(|clause| clause.when.clone()).collect();
        let set = compile_rules("compliance", &conditions)?;
        let named = |(index, clause): (usize, &crate::spec::ClauseSpec)| -> Box<str> {
            if clause.name.is_empty() { format!("#{}", index + 1).into() } else { clause.name.as_str().into() }
        };
        Ok((set, spec.compliance.iter().enumerate().map(named).collect()))
    }

    /// Named groups, then one per model, then one per deployment: all that a caller may ask for.
    fn groups(&self, spec: &FleetSpec, deployments: &[Deployment]) -> Result<(Vec<Group>, Names), FleetError> {
        unique("group", spec.groups.iter().map(|group| group.name.as_str()))?;
        let index: HashMap<&str, u32> = (0..).zip(deployments).map(|(index, d)| (&*d.name, index)).collect();
        let mut models: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        (0..).zip(deployments).for_each(|(index, d)| models.entry(&d.model).or_default().push(index));
        let mut groups = Vec::with_capacity(spec.groups.len() + models.len() + deployments.len());
        for group in &spec.groups {
            groups.push(self.group(&group.name, &members(group, &index)?, group.objective.weights(), deployments)?);
        }
        let load_alone = ObjectiveWeights::default();
        for (model, members) in &models {
            groups.push(self.group(model, members, load_alone, deployments)?);
        }
        for (index, deployment) in (0..).zip(deployments) {
            groups.push(self.group(&deployment.name, &[index], load_alone, deployments)?);
        }
        let mut names = Names::default();
        (0..).zip(&groups).for_each(|(index, group)| names.offer(&group.name, index));
        (0..).zip(deployments).for_each(|(index, deployment)| names.note(&deployment.name, index));
        link_fallbacks(spec, &mut groups, &names)?;
        Ok((groups, names))
    }

    fn group(
        &self,
        name: &str,
        members: &[u32],
        objective: ObjectiveWeights,
        deployments: &[Deployment],
    ) -> Result<Group, FleetError> {
        let of = |&index: &u32| deployments.get(index as usize);
        let mut sum = 0_u64;
        let cumulative = members.iter().filter_map(of).map(|deployment| {
            sum = sum.saturating_add(weight_parts(deployment.weight));
            sum
        });
        let cumulative = cumulative.collect();
        if sum == 0 && members.len() > 1 {
            let allowed = "at least one member with a weight above 0; weight 0 drains a deployment";
            return Err(FleetError::Range { place: format!("groups.{name}"), value: "all weights 0".into(), allowed });
        }
        let place = |&index: &u32| -> Result<Member, FleetError> {
            let model = deployments.get(index as usize).map_or("", |deployment| &*deployment.model);
            // A deployment asked for by its own name shares what its model learned.
            let route = if members.len() == 1 { model } else { name };
            let length_slot = self.claim(Section::Lengths, identity(&["length", model, route]))?.0;
            Ok(Member { deployment: index, length_slot })
        };
        Ok(Group {
            name: name.into(),
            slot: self.claim(Section::Groups, identity(&["group", name]))?.0,
            members: members.iter().map(place).collect::<Result<_, _>>()?,
            cumulative,
            fallback: ArrayVec::new(),
            objective: (objective != ObjectiveWeights::default()).then_some(objective),
        })
    }
}

fn weight_parts(weight: f64) -> u64 {
    if weight <= 0.0 { 0 } else { ((weight * WEIGHT_PARTS) as u64).max(1) }
}

fn limits_of(
    spec: &DeploymentSpec,
    pools: &[Pool],
    by_name: &HashMap<&str, u32>,
) -> Result<ArrayVec<u32, MAX_LIMITS>, FleetError> {
    let mut limits = ArrayVec::new();
    for name in &spec.pools {
        let found = by_name.get(name.as_str()).and_then(|&index| pools.get(index as usize));
        let pool = found.ok_or_else(|| FleetError::Unbound {
            user: format!("deployments.{}.pools", spec.name),
            kind: "pool",
            name: name.clone(),
        })?;
        for limit in pool.limits.clone() {
            limits.try_push(limit).map_err(|_| FleetError::TooMany {
                what: format!("limits of deployments.{}, those of its pools included", spec.name),
                count: MAX_LIMITS + 1,
                room: MAX_LIMITS,
                hint: "a reservation holds at most 8 at once: drop the ones that never bind",
            })?;
        }
    }
    Ok(limits)
}

fn capabilities(spec: &DeploymentSpec) -> Result<Needs, FleetError> {
    spec.capabilities.iter().try_fold(Needs::NONE, |needs, word| {
        Needs::named(word).map(|need| needs.and(need)).ok_or_else(|| FleetError::Capability {
            place: format!("deployments.{}.capabilities", spec.name),
            value: word.clone(),
        })
    })
}

fn bit(names: &mut NameBits, name: &str, what: &str) -> Result<u64, FleetError> {
    names.intern(name).ok_or_else(|| FleetError::TooMany {
        what: format!("different {what}"),
        count: 65,
        room: 64,
        hint: "each is one bit of a word: join those that requests never tell apart",
    })
}

fn bits(names: &mut NameBits, list: &[String], what: &str) -> Result<u64, FleetError> {
    list.iter().try_fold(0, |mask, name| Ok(mask | bit(names, name, what)?))
}

fn meets(deployment: &DeploymentSpec, require: &Requirement) -> bool {
    let one_of = |list: &[String], value: &String| list.is_empty() || list.contains(value);
    one_of(&require.region, &deployment.region)
        && one_of(&require.provider, &deployment.provider)
        && !require.not_provider.contains(&deployment.provider)
        && require.agreements.iter().all(|agreement| deployment.agreements.contains(agreement))
        && require.data.iter().all(|class| deployment.data.contains(class))
}

fn members(group: &GroupSpec, index: &HashMap<&str, u32>) -> Result<Vec<u32>, FleetError> {
    if group.members.is_empty() {
        let allowed = "at least one member";
        return Err(FleetError::Range { place: format!("groups.{}.members", group.name), value: "[]".into(), allowed });
    }
    unique("member", group.members.iter().map(String::as_str))?;
    let find = |name: &String| {
        index.get(name.as_str()).copied().ok_or_else(|| FleetError::Unbound {
            user: format!("groups.{}.members", group.name),
            kind: "deployment",
            name: name.clone(),
        })
    };
    group.members.iter().map(find).collect()
}

/// Writes each group's chain of fallbacks: depth first, each group once, so that cycles end by themselves.
fn link_fallbacks(spec: &FleetSpec, groups: &mut [Group], names: &Names) -> Result<(), FleetError> {
    let mut direct: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (index, group) in (0..).zip(&spec.groups) {
        for name in &group.fallback {
            let to = names.group(name).ok_or_else(|| FleetError::Unbound {
                user: format!("groups.{}.fallback", group.name),
                kind: "group",
                name: name.clone(),
            })?;
            direct.entry(index).or_default().push(to);
        }
    }
    for (index, group) in (0..).zip(groups.iter_mut()) {
        let (mut seen, mut open) = (vec![index], direct.get(&index).cloned().unwrap_or_default());
        open.reverse();
        while let Some(next) = open.pop() {
            if seen.contains(&next) {
                continue;
            }
            seen.push(next);
            group.fallback.try_push(next).map_err(|_| FleetError::TooMany {
                what: format!("fallbacks of groups.{}", group.name),
                count: MAX_CHAIN + 1,
                room: MAX_CHAIN,
                hint: "a request visits at most 8 groups",
            })?;
            open.extend(direct.get(&next).into_iter().flatten().rev());
        }
    }
    Ok(())
}

fn rules(spec: &FleetSpec, names: &Names) -> Result<Rules, FleetError> {
    let conditions: Vec<Predicate> = spec.rules.iter().map(|rule| rule.when.clone()).collect();
    let naming: Vec<u32> =
        (0..).zip(&conditions).filter(|(_, when)| when.mentions("model")).map(|(index, _)| index).collect();
    let pick = |&index: &u32| conditions.get(index as usize).cloned();
    Ok(Rules {
        naming_model: compile_rules("rules", &naming.iter().filter_map(pick).collect::<Vec<_>>())?,
        all: compile_rules("rules", &conditions)?,
        naming_model_index: naming.into(),
        actions: spec.rules.iter().enumerate().map(|(at, rule)| action(at, rule, names)).collect::<Result<_, _>>()?,
    })
}

fn action(at: usize, rule: &RuleSpec, names: &Names) -> Result<Action, FleetError> {
    let rule_name = if rule.name.is_empty() { format!("#{}", at + 1) } else { rule.name.clone() };
    let find = |name: &String| {
        names.group(name).ok_or_else(|| FleetError::Unbound {
            user: format!("rules.{rule_name}.use"),
            kind: "group, model or deployment",
            name: name.clone(),
        })
    };
    Ok(Action {
        group: rule.action.target.as_ref().map(find).transpose()?,
        max_tokens: rule.action.max_tokens,
        effort: rule.action.effort.as_deref().map(Into::into),
        max_cost: rule.action.max_cost_usd_micros,
        refuse: rule.action.refuse.as_deref().map(Into::into),
        rule: rule_name.into(),
    })
}

fn compile_rules(place: &'static str, conditions: &[Predicate]) -> Result<RuleSet, FleetError> {
    RuleSet::compile(conditions).map_err(|error| FleetError::Condition { place, error })
}

fn unique<'n>(kind: &'static str, names: impl Iterator<Item = &'n str>) -> Result<(), FleetError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(FleetError::Twice { kind, name: name.to_owned() });
        }
    }
    Ok(())
}
