//! Groups: the named ones, and one for each model and each deployment.

use std::collections::{BTreeMap, HashMap};

use super::compile::{Compiler, unique};
use super::{Deployment, FleetError, Group, MAX_CHAIN, Member, Names, Tickets};
use crate::draw::identity;
use crate::spec::{FleetSpec, GroupSpec, ObjectiveWeights};
use crate::state::Section;

/// One integer part of weight; a weight of 1 has a million of them.
const WEIGHT_PARTS: f64 = 1_000_000.0;
/// What decides among those whose quality is enough, unless the objective says otherwise.
const CHEAPEST: ObjectiveWeights = ObjectiveWeights { quality: 0.0, cost: 1.0, latency: 0.0 };

impl Compiler<'_> {
    /// Named groups, then one per model, then one per deployment: all that a caller may ask for.
    pub(super) fn groups(
        &self,
        spec: &FleetSpec,
        deployments: &[Deployment],
    ) -> Result<(Vec<Group>, Names), FleetError> {
        unique("group", spec.groups.iter().map(|group| group.name.as_str()))?;
        let index: HashMap<&str, u32> = (0..).zip(deployments).map(|(index, d)| (&*d.name, index)).collect();
        let mut models: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        (0..).zip(deployments).for_each(|(index, d)| models.entry(&d.model).or_default().push(index));
        let load_alone = ObjectiveWeights::default();
        let mut groups = Vec::with_capacity(spec.groups.len() + models.len() + deployments.len());
        for group in &spec.groups {
            let compiled = self.group(&group.name, &members(group, &index)?, group.objective.weights(), deployments)?;
            if compiled.members.len() > 1 && compiled.tickets.is_empty() {
                let (place, value) = (format!("groups.{}", group.name), "all weights 0".into());
                let allowed = "at least one member with a weight above 0; weight 0 drains a deployment";
                return Err(FleetError::Range { place, value, allowed });
            }
            let standard = group.objective.standard().map(Box::new);
            let objective = compiled.objective.or(standard.as_ref().map(|_| CHEAPEST));
            let explore = explored(group)?;
            // Whoever explores looks at everyone, as an objective does: one that prefers nobody, if there is none.
            let objective = objective.or(explore.map(|_| load_alone));
            let GroupSpec { hedge, prune, one_way, .. } = *group;
            groups.push(Group { hedge, prune, one_way, objective, standard, explore, ..compiled });
        }
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
        let weights = members.iter().filter_map(of).map(|deployment| weight_parts(deployment.weight));
        let place = |&index: &u32| -> Result<Member, FleetError> {
            let model = deployments.get(index as usize).map_or("", |deployment| &*deployment.model);
            // A deployment asked for by its own name shares what its model learned.
            let route = if members.len() == 1 { model } else { name };
            let id = identity(&["length", model, route]);
            let length_slot = self.claim(Section::Lengths, id, id)?.0;
            Ok(Member { deployment: index, length_slot })
        };
        let room = |&index: &u32| {
            deployments.get(index as usize).map(|deployment| deployment.measured(deployment.context_tokens))
        };
        let id = identity(&["group", name]);
        Ok(Group {
            name: name.into(),
            slot: self.claim(Section::Groups, id, id)?.0,
            members: members.iter().map(place).collect::<Result<_, _>>()?,
            // Whoever is alone is not drawn.
            tickets: if members.len() > 1 { Tickets::new(weights) } else { Tickets::default() },
            mean_weight: mean_weight(members.iter().filter_map(of)),
            fallback: Box::default(),
            objective: (objective != ObjectiveWeights::default()).then_some(objective),
            standard: None,
            explore: None,
            hedge: false,
            one_way: false,
            prune: None,
            roomiest: members.iter().copied().max_by_key(room).unwrap_or(u32::MAX),
        })
    }
}

/// The share that a group explores.
fn explored(group: &GroupSpec) -> Result<Option<f64>, FleetError> {
    let Some(share) = group.explore else { return Ok(None) };
    if (0.0..=1.0).contains(&share) {
        return Ok(Some(share));
    }
    let (place, value) = (format!("groups.{}.explore", group.name), share.to_string());
    Err(FleetError::Range { place, value, allowed: "a share from 0 to 1; 0.05 explores one choice in twenty" })
}

/// Mean weight of those that are not drained; 1 if all are.
fn mean_weight<'d>(members: impl Iterator<Item = &'d Deployment>) -> f32 {
    let weights = members.map(|member| member.weight).filter(|weight| *weight > 0.0);
    let (sum, count) = weights.fold((0.0, 0_u32), |(sum, count), weight| (sum + weight, count + 1));
    if count == 0 { 1.0 } else { (sum / f64::from(count)) as f32 }
}

fn weight_parts(weight: f64) -> u64 {
    if weight <= 0.0 { 0 } else { ((weight * WEIGHT_PARTS) as u64).max(1) }
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
            open.extend(direct.get(&next).into_iter().flatten().rev());
        }
        let chain = seen.get(1..).unwrap_or_default();
        if chain.len() > MAX_CHAIN {
            return Err(FleetError::TooMany {
                what: format!("fallbacks of groups.{}", group.name),
                count: chain.len(),
                room: MAX_CHAIN,
                hint: "a request visits at most 8 groups",
            });
        }
        group.fallback = chain.into();
    }
    Ok(())
}
