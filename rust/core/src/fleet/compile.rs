//! From names to indices: compiling a [`FleetSpec`] over the shared state.
//!
//! Every identity keeps its record in the state, so levels, breakers and averages survive a reload that adds, removes
//! or reweights something else. A renamed deployment is a new one; its pool, if it kept its name, is not.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::actions::{compile_rules, rules};
use super::pools::{Quotas, limit_identity};
use super::{Deployment, Fleet, FleetError, MAX_CLAUSES, NameBits};
use crate::draw::identity;
use crate::learned::Learned;
use crate::price::Price;
use crate::request::Needs;
use crate::rules::{Predicate, RuleSet};
use crate::spec::{DeploymentSpec, FleetSpec, Requirement};
use crate::state::{Room, SMALL_WORDS, Section, State};
use crate::sync::{AtomicU64, Ordering};
use crate::units::Nanos;

/// Weights above this would drown the others in rounding.
const MAX_WEIGHT: f64 = 1_000_000.0;
/// A probe's lease is never longer, so that a lost probe is replaced within a minute.
const MAX_PROBE_LEASE: Nanos = Nanos::from_secs(60);
/// What an unknown context or answer length counts as.
const UNBOUNDED: u64 = u64::MAX;

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
    pub fn compile(spec: &FleetSpec, state: &Arc<State>, replaces: Option<(&Self, Nanos)>) -> Result<Self, FleetError> {
        if spec.deployments.is_empty() {
            return Err(FleetError::NoDeployments);
        }
        give_back_if_crowded(spec, state, replaces.map(|(current, _)| current));
        let mut compiler = Compiler::new(state, replaces.map(|(_, now)| now));
        let (pools, limits) = compiler.pools(spec)?;
        let mut deployments = compiler.deployments(spec, &Quotas::new(&pools, &limits))?;
        let (clauses, clause_names) = compiler.clauses(spec, &mut deployments)?;
        let (groups, names) = compiler.groups(spec, &deployments)?;
        let rules = rules(spec, &names)?;
        let models = spec.deployments.iter().map(|deployment| deployment.model.as_str());
        let learned = spec.scorer.as_ref().map(|scorer| Learned::new(scorer, models)).transpose()?;
        let Compiler { regions, providers, agreements, .. } = compiler;
        Ok(Self {
            state: Arc::clone(state),
            config_hash: spec.config_hash.as_str().into(),
            deployments: deployments.into(),
            hedges: groups.iter().any(|group| group.hedge),
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
            leases: spec.leases,
            learned,
            sessions: spec.sessions,
        })
    }
}

/// Frees the records of fleets before `current`, once what is left of the room would not hold a fleet of this size.
///
/// The current fleet keeps its own: it routes until the new one is swapped in, and for good if that does not compile.
/// Where processes share the state, nobody frees anything while others are there: they may run any of those fleets.
fn give_back_if_crowded(spec: &FleetSpec, state: &State, current: Option<&Fleet>) {
    let (needed, room) = (spec.room(), state.room());
    let fits = |section, needed: usize, room: usize| state.claimed(section) + needed <= room;
    let crowded = !(fits(Section::Deployments, needed.deployments, room.deployments)
        && fits(Section::Buckets, needed.buckets, room.buckets)
        && fits(Section::Groups, needed.groups, room.groups)
        && fits(Section::Lengths, needed.lengths, room.lengths));
    if crowded {
        // Somebody who sits down meanwhile must not find its records gone.
        let _ = state.alone(|| give_back(spec, state, current));
    }
}

fn give_back(spec: &FleetSpec, state: &State, current: Option<&Fleet>) {
    let current_of = |list: fn(&Fleet) -> Vec<u64>| current.map(list).unwrap_or_default();
    let new = spec.deployments.iter().map(|deployment| identity(&["deployment", &deployment.name]));
    let old = current_of(|fleet| fleet.deployments.iter().map(|deployment| deployment.identity).collect());
    let kept: BTreeSet<u64> = new.chain(old).collect();
    state.give_back(Section::Deployments, |id, words| kept.contains(&id) || crate::balance::is_busy(words));
    let new = spec
        .pools
        .iter()
        .flat_map(|pool| pool.limits.iter().map(|limit| limit_identity(&pool.name, limit, spec.leases.is_some())));
    let old = current_of(|fleet| fleet.limits.iter().map(|limit| limit.identity).collect());
    let kept: BTreeSet<u64> = new.chain(old).collect();
    state.give_back(Section::Buckets, |id, _| kept.contains(&id));
    // What groups and lengths hold is learned anew in seconds: those of the fleet in force are enough.
    let identity_of = |record: Option<&[AtomicU64; SMALL_WORDS]>| Some(record?.first()?.load(Ordering::Relaxed));
    let groups = current.into_iter().flat_map(|fleet| &fleet.groups);
    let kept: BTreeSet<u64> = groups.filter_map(|group| identity_of(state.group(group.slot))).collect();
    state.give_back(Section::Groups, |id, _| kept.contains(&id));
    let members = current.into_iter().flat_map(|fleet| &fleet.groups).flat_map(|group| &group.members);
    let kept: BTreeSet<u64> = members.filter_map(|member| identity_of(state.length(member.length_slot))).collect();
    state.give_back(Section::Lengths, |id, _| kept.contains(&id));
}

/// Conditions of the compliance clauses, and their names.
type Clauses = (RuleSet, Box<[Box<str>]>);

/// What the steps of compiling share.
pub(super) struct Compiler<'s> {
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

    pub(super) fn claim(&self, section: Section, identity: u64, home: u64) -> Result<(u32, bool), FleetError> {
        let room = self.state.room();
        let room = match section {
            Section::Deployments => room.deployments,
            Section::Buckets => room.buckets,
            Section::Groups => room.groups,
            Section::Lengths => room.lengths,
        };
        self.state.claim(section, identity, home).ok_or_else(|| FleetError::TooMany {
            what: format!("{section:?} of this router, old and new together"),
            count: room + 1,
            room,
            hint: "a router's room is fixed when it is opened: open a new one for a fleet that grew beyond twice its size",
        })
    }

    fn deployments(&mut self, spec: &FleetSpec, quotas: &Quotas<'_>) -> Result<Vec<Deployment>, FleetError> {
        unique("deployment", spec.deployments.iter().map(|d| d.name.as_str()))?;
        spec.deployments.iter().map(|deployment| self.deployment(deployment, quotas)).collect()
    }

    fn deployment(&mut self, spec: &DeploymentSpec, quotas: &Quotas<'_>) -> Result<Deployment, FleetError> {
        let place = |key: &str| format!("deployments.{}.{key}", spec.name);
        if !(0.0..=MAX_WEIGHT).contains(&spec.weight) {
            let allowed = "0 (drained) to 1,000,000; only the proportion between members matters";
            return Err(FleetError::Range { place: place("weight"), value: spec.weight.to_string(), allowed });
        }
        if spec.tokens_permille == 0 {
            let allowed = "1 to 65,535; 1,000 for a tokenizer that makes as many tokens as the estimate says";
            return Err(FleetError::Range { place: place("tokens_permille"), value: "0".into(), allowed });
        }
        let id = identity(&["deployment", &spec.name]);
        let (slot, fresh) = self.claim(Section::Deployments, id, id)?;
        if let Some(now) = self.joins_at.filter(|_| fresh) {
            crate::balance::note_joined(self.state, slot, now);
        }
        let (price, tiers) = Price::of(&spec.price);
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
            tokens_permille: spec.tokens_permille,
            price,
            tiers,
            #[expect(clippy::cast_possible_truncation, reason = "a share in [0, 1] and a logarithm need no double")]
            quality: spec.quality as f32,
            accounting: spec.accounting,
            probe_lease: Nanos::from_secs_f64(spec.first_content_timeout_s).min(MAX_PROBE_LEASE),
            latency_prior: prior.ln() as f32,
            limits: quotas.limits_of(spec)?,
            shared_pools: quotas.shared_by(spec),
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

/// Refuses a name that is there twice.
pub(super) fn unique<'n>(kind: &'static str, names: impl Iterator<Item = &'n str>) -> Result<(), FleetError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(FleetError::Twice { kind, name: name.to_owned() });
        }
    }
    Ok(())
}
