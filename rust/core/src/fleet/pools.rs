//! Pools and their limits.

use std::collections::{BTreeSet, HashMap};

use arrayvec::ArrayVec;

use super::compile::{Compiler, unique};
use super::{FleetError, Limit, LimitRef, MAX_LIMITS, Pool};
use crate::draw::identity;
use crate::limit::{Calendar, Quota, Transition};
use crate::spec::{DeploymentSpec, Dimension, FleetSpec, LimitSpec};
use crate::state::Section;
use crate::units::Nanos;

impl Compiler<'_> {
    /// All pools, and the limits of all of them in a row.
    pub(super) fn pools(&self, spec: &FleetSpec) -> Result<(Vec<Pool>, Vec<Limit>), FleetError> {
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
        let quota = if spec.leases.is_some() { quota.leased() } else { quota };
        let id = limit_identity(pool, limit, spec.leases.is_some());
        // The limits of one pool are taken together: neighbours share cache lines.
        let home = (identity(&["pool", pool]) & !7) + limit.dimension as u64;
        let slot = self.claim(Section::Buckets, id, home)?.0;
        Ok(Limit { pool: index, dimension: limit.dimension, quota, identity: id, slot })
    }
}

/// What names a limit's record. The way of counting is part of it: it decides what the level means. The lowest bit says
/// whether that is a gauge, so that a sweep knows it without the fleet.
pub(super) fn limit_identity(pool: &str, limit: &LimitSpec, leased: bool) -> u64 {
    let counted = match limit {
        LimitSpec { dimension: Dimension::Concurrency, .. } => "at once",
        LimitSpec { calendar: Some(_), .. } => "by day",
        LimitSpec { fixed_window: true, .. } => "by window",
        _ => "paced",
    };
    let how = if leased { "granted" } else { "here" };
    let parts = ["limit", pool, limit.dimension.name(), counted, how];
    let name = identity(if leased { &parts } else { parts.get(..4).unwrap_or_default() });
    if counted == "at once" { name | 1 } else { (name & !1).max(2) }
}

/// The compiled pools and limits, as deployments refer to them.
pub(super) struct Quotas<'p> {
    pools: &'p [Pool],
    limits: &'p [Limit],
    by_name: HashMap<&'p str, u32>,
}

impl<'p> Quotas<'p> {
    pub fn new(pools: &'p [Pool], limits: &'p [Limit]) -> Self {
        Self { pools, limits, by_name: (0..).zip(pools).map(|(index, pool)| (&*pool.name, index)).collect() }
    }

    /// The pools that a deployment names and shares with others, as indices.
    pub fn shared_by(&self, spec: &DeploymentSpec) -> Box<[u32]> {
        let named = spec.pools.iter().filter_map(|name| self.by_name.get(name.as_str()).copied());
        named.filter(|&index| self.pools.get(index as usize).is_some_and(|pool| !pool.private)).collect()
    }

    /// The limits that a deployment draws from, in the order of its pools.
    pub fn limits_of(&self, spec: &DeploymentSpec) -> Result<ArrayVec<LimitRef, MAX_LIMITS>, FleetError> {
        let mut limits = ArrayVec::new();
        for name in &spec.pools {
            for index in self.pool(spec, name)?.limits.clone() {
                let Some(limit) = self.limits.get(index as usize) else { continue };
                limits.try_push(limit.referred_to_by(index)).map_err(|_| FleetError::TooMany {
                    what: format!("limits of deployments.{}, those of its pools included", spec.name),
                    count: MAX_LIMITS + 1,
                    room: MAX_LIMITS,
                    hint: "a reservation holds at most 8 at once: drop the ones that never bind",
                })?;
            }
        }
        Ok(limits)
    }

    fn pool(&self, spec: &DeploymentSpec, name: &str) -> Result<&'p Pool, FleetError> {
        let found = self.by_name.get(name).and_then(|&index| self.pools.get(index as usize));
        found.ok_or_else(|| FleetError::Unbound {
            user: format!("deployments.{}.pools", spec.name),
            kind: "pool",
            name: name.to_owned(),
        })
    }
}
