//! One walk: gate → rules → score → balance → reserve, for one request at one time with one seed.
//!
//! The walk branches; whatever computes is in the stages. It looks only at the members that were drawn, remembers what
//! it saw of them, and so can be told and made again later.

mod warm;

use arrayvec::ArrayVec;

use crate::balance::DeploymentRecord;
use crate::balance::draw::{self, Standing};
use crate::balance::group::median;
use crate::balance::load::Load;
use crate::balance::record::Total;
use crate::breaker::Peek;
use crate::counters::{Counter, count};
use crate::decision::{Considered, Decision, Log, MAX_CONSIDERED, Why};
use crate::draw::Draw;
use crate::fleet::{Deployment, Fleet, Group, Member};
use crate::gate::Terms;
use crate::judge::{Judge, is_weaker};
use crate::learned::Source;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::reserve::{self, Hold, Permission};
use crate::route::Route;
use crate::rules::Flag;
use crate::score::{Estimate, Move};
use crate::spec::Prune;
use crate::state::State;
use crate::touch;
use crate::units::Nanos;

/// Rounds of drawing in one group: each loses one candidate to a race or a limit.
const MAX_ROUNDS: usize = 8;
/// Breakers that one request may try to force: all that its log knows, so that a replay knows who refused.
const MAX_FORCED: usize = MAX_CONSIDERED;
/// Deployments that one call may have tried before; attempts are at most three.
const MAX_TRIED: usize = 8;
/// A hedge may take half of what is left and no more: it must not be why another request is turned away.
const SPARE_ROOM: u64 = 2;

/// What a walk does once it has chosen.
#[derive(Clone, Copy, Debug)]
pub enum Intent<'w> {
    /// Hold capacity and a breaker's permit.
    Hold,
    /// Hold nothing: the walk is being explained.
    Tell,
    /// Hold nothing and see only what an earlier walk saw.
    Replay(&'w Log),
}

/// Everything a walk reads.
#[derive(Clone, Copy)]
pub struct Scene<'w> {
    /// The fleet.
    pub fleet: &'w Fleet,
    /// Its state.
    pub state: &'w State,
    /// The request.
    pub request: &'w Request<'w>,
    /// The time.
    pub now: Nanos,
    /// Seed of the draws.
    pub seed: u64,
    /// What to do with the choice.
    pub intent: Intent<'w>,
}

/// Walks. `decision` comes in as [`Decision::nowhere`], `held` as nothing, and both are written in place: they tell all
/// that was looked at and held, and moving them from stage to stage would cost more than a stage. An intent that holds
/// nothing leaves `held` alone.
///
/// # Errors
/// Why nobody was chosen; what was looked at is in the decision.
pub fn walk(scene: Scene<'_>, decision: &mut Decision, held: &mut Hold) -> Result<(), Why> {
    let route = Route::of(scene.fleet, scene.request).map_err(|(why, rule)| {
        decision.rule = rule;
        why
    })?;
    let mut walk = Walk::new(scene, &route, decision, held);
    let asked = scene.fleet.group(route.group).ok_or(Why::UnknownModel)?;
    let mut draw = Draw::new(scene.seed);
    for index in chain(scene, route.group, asked) {
        let Some(group) = scene.fleet.group(index) else { continue };
        if let Some(picked) = walk.pick(group, &mut draw) {
            walk.decide(index, picked);
            return Ok(());
        }
    }
    walk.settle_for_less(route.group, asked)
}

/// Looks at every member of the groups that the request may visit; at as many as a log holds.
#[must_use]
pub fn survey(scene: Scene<'_>) -> Decision {
    let mut decision = Decision::nowhere(scene.now, scene.seed);
    let Ok(route) = Route::of(scene.fleet, scene.request) else { return decision };
    let Some(asked) = scene.fleet.group(route.group) else { return decision };
    let mut held = Hold::default();
    let mut walk = Walk::new(scene, &route, &mut decision, &mut held);
    for index in chain(scene, route.group, asked) {
        let Some(group) = scene.fleet.group(index) else { continue };
        walk.enter(group);
        for place in 0..group.members.len() {
            walk.standing(group, place);
        }
    }
    decision
}

/// The groups that the request may visit, in order. A hedge is no reason for a downgrade.
fn chain<'w>(scene: Scene<'w>, index: u32, asked: &'w Group) -> impl Iterator<Item = u32> + use<'w> {
    let fallbacks = if scene.request.spare { &[][..] } else { &asked.fallback };
    std::iter::once(index).chain(fallbacks.iter().copied())
}

struct Walk<'w> {
    scene: Scene<'w>,
    terms: Terms<'w>,
    max_cost: u64,
    /// What the rule cuts long prompts to.
    prune: Option<Prune>,
    tried: ArrayVec<u32, MAX_TRIED>,
    delays: Delays,
    judge: Judge,
    decision: &'w mut Decision,
    held: &'w mut Hold,
}

/// Who was picked, and what an attempt there is expected to use.
type Picked = (Member, Estimate);

/// When the deployments that are out for a while come back.
#[derive(Clone, Copy, Default)]
struct Delays {
    /// The first to come back, by whatever.
    soonest: Option<Nanos>,
    /// The first whose hold or limit frees by itself.
    frees: Option<Nanos>,
    /// Some candidate's limit is too small for the request.
    too_large: bool,
}

impl Delays {
    fn note(&mut self, refusal: Refusal) {
        self.too_large |= matches!(refusal, Refusal::TooLarge(_));
        let Some(until) = refusal.until() else { return };
        let earlier = |known: Option<Nanos>| Some(known.map_or(until, |known| known.min(until)));
        self.soonest = earlier(self.soonest);
        if refusal.frees_by_itself() {
            self.frees = earlier(self.frees);
        }
    }
}

impl<'w> Walk<'w> {
    fn new(scene: Scene<'w>, route: &Route<'_>, decision: &'w mut Decision, held: &'w mut Hold) -> Self {
        let Scene { fleet, request, .. } = scene;
        let max_tokens = match (request.output_tokens, route.max_tokens) {
            (Some(asked), Some(cap)) => Some(asked.min(cap)),
            (asked, cap) => asked.or(cap),
        };
        decision.rule = route.rule;
        decision.asked_group = Some(route.group);
        decision.max_tokens = max_tokens;
        decision.streamed = request.needs.has(Flag::Streaming);
        decision.hedge = request.spare;
        let mut tried = ArrayVec::new();
        tried.extend(request.tried.iter().filter_map(|name| fleet.deployment_named(name)).take(MAX_TRIED));
        Self {
            scene,
            terms: Terms::of(fleet, request, max_tokens.unwrap_or(0)),
            max_cost: route.max_cost.unwrap_or(u64::MAX),
            prune: route.prune,
            tried,
            delays: Delays::default(),
            judge: Judge::default(),
            decision,
            held,
        }
    }

    /// From here on members of `group` are looked at.
    #[inline]
    fn enter(&mut self, group: &Group) {
        let Scene { fleet, request, .. } = self.scene;
        if request.prunes {
            self.terms.cut_to(self.prune.or(group.prune), fleet.deployment(group.roomiest));
        }
    }

    /// One member of `group`, held; `None` when nobody passes.
    #[inline]
    fn pick(&mut self, group: &Group, draw: &mut Draw) -> Option<Picked> {
        self.enter(group);
        if let Some(found) = self.scene.request.affinity.and_then(|key| self.pick_warm(group, key)) {
            return Some(found);
        }
        touch::two(self.scene.fleet, self.scene.state, group, draw, self.scene.seed);
        for _ in 0..group.members.len().min(MAX_ROUNDS) {
            let (first, second) = draw::two(group, draw, |place| self.standing(group, place));
            let member = self.less_loaded(group, first?, second, draw.unit())?;
            if let Some(estimate) = self.hold(member) {
                return Some((member, estimate));
            }
        }
        None
    }

    fn less_loaded(&self, group: &Group, first: usize, second: Option<usize>, chance: f64) -> Option<Member> {
        let member = |place: usize| group.members.get(place).copied();
        let score = |member: Member| {
            let seen = self.decision.log.find(member.deployment).map(|seen| seen.load);
            let load = seen.unwrap_or_else(|| self.examine(member, group).load);
            load.score(&self.scene.fleet.balance)
        };
        let first = member(first)?;
        let Some(second) = second.and_then(member) else { return Some(first) };
        Some(if Load::prefers(score(first), score(second), chance) { second } else { first })
    }

    /// What the draw needs to know of a member; `None` if it is no candidate.
    #[inline]
    fn standing(&mut self, group: &Group, place: usize) -> Option<Standing> {
        let member = *group.members.get(place)?;
        // Past what the log holds, looking again is quicker than searching it.
        let known = if self.decision.log.is_complete() { self.decision.log.find(member.deployment) } else { None };
        let seen = match known {
            Some(seen) => *seen,
            None => {
                let seen = self.see(member, group);
                if let Some(refusal) = seen.refusal {
                    self.note(member, refusal);
                }
                self.decision.log.add(seen);
                seen
            }
        };
        let Load { share, weight, .. } = seen.load;
        seen.refusal.is_none().then_some(Standing { share, weight, tier: seen.tier })
    }

    /// What there is to see of a member: now, or then when the walk is a replay.
    fn see(&self, member: Member, group: &Group) -> Considered {
        let Intent::Replay(log) = self.scene.intent else { return self.examine(member, group) };
        let mut seen = log.find(member.deployment).copied().unwrap_or_else(|| self.examine(member, group));
        // Whoever was lost in a race was still a candidate when it was looked at.
        seen.refusal = seen.refusal.filter(|refusal| !matches!(refusal, Refusal::Lost(_)));
        // The law is not taken from a record: it is asked again.
        let law = self.scene.fleet.deployment(member.deployment).and_then(|deployment| self.terms.refuse(deployment));
        seen.refusal = law.or(seen.refusal);
        seen
    }

    fn examine(&self, member: Member, group: &Group) -> Considered {
        let Scene { fleet, state, now, .. } = self.scene;
        let mut seen = Considered {
            deployment: member.deployment,
            refusal: Some(Refusal::Drained),
            load: Load::default(),
            tier: 0,
            cost: 0,
            moved: Move::default(),
            quality: 0.0,
            source: Source::Configured,
        };
        let Some(deployment) = fleet.deployment(member.deployment) else { return seen };
        let Some(record) = DeploymentRecord::of(state, deployment.slot) else { return seen };
        let estimate = self.estimate(deployment, member);
        seen.cost = estimate.cost;
        seen.refusal = self.refusal(deployment, member.deployment, record, &estimate);
        if seen.refusal.is_none() {
            seen.load = Load::of(deployment, record, group.mean_weight, median(state, group, now), &fleet.balance, now);
            if !seen.load.is_sane() {
                count(state, Counter::BadLoad);
            }
            if let Some(warm) = self.scene.request.warm {
                self.weigh_move(deployment, member, warm, &mut seen);
            }
            if let Some(weights) = &group.objective {
                self.judge.judge(self.scene, &self.terms, weights, group, &mut seen);
            }
        }
        seen
    }

    #[inline]
    fn estimate(&self, deployment: &Deployment, member: Member) -> Estimate {
        let Scene { state, request, .. } = self.scene;
        let input_tokens = self.terms.prompt_tokens(deployment);
        Estimate::of(state, deployment, member, input_tokens, self.decision.max_tokens, request.warm)
    }

    /// Law first, then what the call already knows, then state.
    #[inline]
    fn refusal(
        &self,
        deployment: &Deployment,
        index: u32,
        record: DeploymentRecord<'_>,
        estimate: &Estimate,
    ) -> Option<Refusal> {
        if let Some(refusal) = self.terms.refuse(deployment) {
            return Some(refusal);
        }
        if self.tried.contains(&index) {
            return Some(Refusal::Tried);
        }
        if estimate.cost > self.max_cost {
            return Some(Refusal::Cost);
        }
        let Scene { fleet, state, request, now, .. } = self.scene;
        let held = record.hold().in_force(now);
        let held = held.map(|h| if h.exhausted { Refusal::Exhausted(h.until) } else { Refusal::Held(h.until) });
        let broken = match record.breaker().peek(now) {
            Peek::Refuses(until) => Some(Refusal::Breaker(until)),
            Peek::WouldProbe if request.spare => Some(Refusal::Breaker(now)),
            Peek::Admits | Peek::WouldProbe => None,
        };
        let times = if request.spare { SPARE_ROOM } else { 1 };
        let full = reserve::peek(fleet, state, deployment, estimate, times, now).err();
        if let (None, None, None) = (held, broken, full) {
            return None;
        }
        // Whoever waits for the first of them to end is refused by the next.
        [held, broken, full].into_iter().flatten().reduce(Refusal::or_longer)
    }

    /// Holds capacity at a member and answers what for; a refusal is noted and answers `None`.
    #[inline]
    fn hold(&mut self, member: Member) -> Option<Estimate> {
        let Scene { fleet, state, request, now, .. } = self.scene;
        let deployment = fleet.deployment(member.deployment)?;
        let estimate = self.estimate(deployment, member);
        let refusal = match self.scene.intent {
            Intent::Tell => return Some(estimate),
            Intent::Replay(log) => match log.find(member.deployment)?.refusal {
                None => return Some(estimate),
                Some(refusal) => refusal,
            },
            Intent::Hold => {
                let permission = if request.spare { Permission::Closed } else { Permission::Asked };
                match reserve::hold(fleet, state, deployment, &estimate, permission, now, self.held) {
                    Ok(()) => return Some(estimate),
                    Err(refusal) => Refusal::Lost(refusal.until().unwrap_or(now)),
                }
            }
        };
        self.note(member, refusal);
        self.decision.log.refuse(member.deployment, refusal);
        None
    }

    /// Remembers when a refused member comes back, and counts at the member that its state turned a request away. A hedge
    /// that finds nobody is no such request.
    #[cold]
    fn note(&mut self, member: Member, refusal: Refusal) {
        self.delays.note(refusal);
        let Scene { fleet, state, request, intent, .. } = self.scene;
        if refusal.is_by_state()
            && matches!(intent, Intent::Hold)
            && !request.spare
            && let Some(deployment) = fleet.deployment(member.deployment)
            && let Some(record) = DeploymentRecord::of(state, deployment.slot)
        {
            record.add(Total::Refusals, 1);
        }
    }

    /// Writes down who was chosen.
    #[inline]
    fn decide(&mut self, group: u32, (member, mut estimate): Picked) {
        if let Intent::Replay(log) = self.scene.intent {
            // Lengths may have been learned since.
            estimate.cost = log.find(member.deployment).map_or(estimate.cost, |seen| seen.cost);
        }
        self.decision.estimate = estimate;
        if self.scene.request.reached.is_some() {
            let served = self.scene.fleet.group(group);
            self.decision.weaker = served.is_some_and(|served| is_weaker(self.scene, served, member.deployment));
        }
        self.decision.group = Some(group);
        self.decision.deployment = Some(member.deployment);
        self.decision.length_slot = Some(member.length_slot);
    }

    /// Nobody was free: wait if that is soon enough, else force a probe, else say when.
    #[cold]
    fn settle_for_less(mut self, asked_index: u32, asked: &Group) -> Result<(), Why> {
        let Scene { now, request, .. } = self.scene;
        let soon = self.delays.frees.is_some_and(|frees| frees.since(now) <= request.max_wait);
        if !soon
            && !request.spare
            && let Some((group, picked)) = self.force_probe(asked_index, asked)
        {
            self.decide(group, picked);
            self.decision.last_resort = true;
            return Ok(());
        }
        Err(match self.delays {
            Delays { soonest: Some(until), .. } => Why::NoCapacity { until },
            Delays { too_large: true, .. } => Why::TooLarge,
            _ => Why::Refused,
        })
    }

    /// Last resort: a probe, before its time, of the deployment whose breaker comes back first and lets itself be
    /// forced.
    fn force_probe(&mut self, asked_index: u32, asked: &Group) -> Option<(u32, Picked)> {
        for (opens, index) in self.open_breakers() {
            let Some((group, member)) = self.place_in_chain(asked_index, asked, index) else { continue };
            if let Some(group) = self.scene.fleet.group(group) {
                self.enter(group);
            }
            match self.force(member, opens) {
                Ok(estimate) => return Some((group, (member, estimate))),
                // Nobody should wait for a last resort: `retry_after` stays the time at which a breaker probes by itself.
                Err(refusal) => self.decision.log.refuse(index, refusal),
            }
        }
        None
    }

    /// Deployments that only their breaker keeps out, the first to come back first.
    fn open_breakers(&self) -> ArrayVec<(Nanos, u32), MAX_FORCED> {
        let open = |seen: &Considered| match seen.refusal? {
            Refusal::Breaker(until) => Some((until, seen.deployment)),
            _ => None,
        };
        let mut found: Vec<(Nanos, u32)> = self.decision.log.considered().filter_map(open).collect();
        found.sort_unstable();
        found.into_iter().take(MAX_FORCED).collect()
    }

    fn place_in_chain(&self, asked_index: u32, asked: &Group, deployment: u32) -> Option<(u32, Member)> {
        let chain = std::iter::once(asked_index).chain(asked.fallback.iter().copied());
        chain.filter_map(|at| Some((at, self.scene.fleet.group(at)?))).find_map(|(at, group)| {
            group.members.iter().find(|member| member.deployment == deployment).map(|member| (at, *member))
        })
    }

    /// Forces a probe at a member whose breaker opens by itself at `opens`.
    fn force(&mut self, member: Member, opens: Nanos) -> Result<Estimate, Refusal> {
        let Scene { fleet, state, now, intent, .. } = self.scene;
        let Some(deployment) = fleet.deployment(member.deployment) else { return Err(Refusal::Drained) };
        let Some(record) = DeploymentRecord::of(state, deployment.slot) else { return Err(Refusal::Drained) };
        let estimate = self.estimate(deployment, member);
        // What a replay finds still named an open breaker was forced then.
        if matches!(intent, Intent::Replay(_)) {
            return Ok(estimate);
        }
        let refused = Refusal::NoProbe(opens);
        if record.hold().in_force(now).is_some() || record.breaker().peek_forced(now).is_err() {
            return Err(refused);
        }
        reserve::peek(fleet, state, deployment, &estimate, 1, now).map_err(|_| refused)?;
        if matches!(intent, Intent::Hold) {
            let permission = Permission::Forced;
            reserve::hold(fleet, state, deployment, &estimate, permission, now, self.held).map_err(|_| refused)?;
        }
        Ok(estimate)
    }
}
