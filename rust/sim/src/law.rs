//! Who may take a call, read from the fleet as it was written: the plain way, call by call, with nothing compiled.
//!
//! The core compiles rules and clauses to bitmaps; here they are evaluated as they stand. An attempt that the one lets
//! through and the other forbids is a broken promise, whoever is wrong.

use std::collections::HashMap;

use junctor_core::request::{Needs, Request};
use junctor_core::spec::{AUTO, DeploymentSpec, FleetSpec};

/// A fleet's rules and terms, to be asked about single calls.
#[derive(Clone, Debug)]
pub struct Law {
    spec: FleetSpec,
    by_name: HashMap<String, usize>,
    abilities: Vec<Needs>,
    /// Behind each name that a request may ask for.
    behind: HashMap<String, Behind>,
}

/// Places in the fleet, ascending, of those who may serve a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Members of the group.
    pub asked: Vec<usize>,
    /// Members of its fallback groups.
    pub fallback: Vec<usize>,
}

impl Law {
    /// The law of a fleet.
    #[must_use]
    pub fn of(spec: &FleetSpec) -> Self {
        let name = |(at, deployment): (usize, &DeploymentSpec)| (deployment.name.clone(), at);
        let able = |deployment: &DeploymentSpec| {
            let words = deployment.capabilities.iter().filter_map(|word| Needs::named(word));
            words.fold(Needs::NONE, Needs::and)
        };
        Self {
            by_name: spec.deployments.iter().enumerate().map(name).collect(),
            abilities: spec.deployments.iter().map(able).collect(),
            spec: spec.clone(),
            behind: behind(spec),
        }
    }

    /// The fleet.
    #[must_use]
    pub const fn spec(&self) -> &FleetSpec {
        &self.spec
    }

    /// Who stands behind what a request asks for, and the rule's and the caller's bound on its answer; `None` if a rule
    /// or the lack of one refuses it.
    #[must_use]
    pub fn reach(&self, request: &Request<'_>) -> Option<(&Behind, Option<u64>)> {
        if request.model != AUTO {
            return Some((self.behind.get(request.model)?, request.output_tokens));
        }
        let action = &self.spec.rules.iter().find(|rule| rule.when.matches(request))?.action;
        let max_tokens = [action.max_tokens, request.output_tokens].into_iter().flatten().min();
        let target = action.target.as_deref().filter(|_| action.refuse.is_none())?;
        Some((self.behind.get(target)?, max_tokens))
    }

    /// Why the deployment at this place may not take the request, if it may not.
    #[must_use]
    pub fn forbids(&self, request: &Request<'_>, max_tokens: Option<u64>, at: usize) -> Option<String> {
        let deployment = &self.spec.deployments[at];
        if deployment.weight <= 0.0 {
            return Some("it is drained".into());
        }
        if !request.needs.missing_in(self.abilities[at]).is_empty() {
            return Some("it lacks what the call needs".into());
        }
        let tenant_in = |tenant: &str| deployment.tenants.iter().any(|allowed| allowed == tenant);
        if !deployment.tenants.is_empty() && !request.tag("tenant").is_some_and(tenant_in) {
            return Some("it is for other tenants".into());
        }
        let answer = max_tokens.unwrap_or(0);
        if deployment.context_tokens.is_some_and(|most| request.input_tokens + answer > most) {
            return Some("the call does not fit its context".into());
        }
        if deployment.max_output_tokens.is_some_and(|most| answer > most) {
            return Some("the answer is longer than it can give".into());
        }
        let broken = self.spec.compliance.iter().find(|clause| {
            let require = &clause.require;
            let lacks = |asked: &[String], has: &[String]| asked.iter().any(|word| !has.contains(word));
            clause.when.matches(request)
                && (!require.region.is_empty() && !require.region.contains(&deployment.region)
                    || !require.provider.is_empty() && !require.provider.contains(&deployment.provider)
                    || require.not_provider.contains(&deployment.provider)
                    || lacks(&require.agreements, &deployment.agreements)
                    || lacks(&require.data, &deployment.data))
        });
        broken.map(|clause| format!("the clause {:?} forbids it", clause.name))
    }

    /// What is wrong about the deployment at this place taking the request, if anything is.
    #[must_use]
    pub fn objects(&self, request: &Request<'_>, at: usize) -> Option<String> {
        let Some((behind, max_tokens)) = self.reach(request) else {
            return Some("a rule refuses the call, or nothing is called so".into());
        };
        let among = |places: &[usize]| places.binary_search(&at).is_ok();
        let reachable = among(&behind.asked) || (!request.spare && among(&behind.fallback));
        if !reachable {
            return Some("it is in no group that the call may visit".into());
        }
        let name = self.spec.deployments[at].name.as_str();
        if request.tried.contains(&name) {
            return Some("it was tried already".into());
        }
        self.forbids(request, max_tokens, at)
    }

    /// Members of the asked group that may take the request, with their weights.
    #[must_use]
    pub fn candidates(&self, request: &Request<'_>) -> Vec<(usize, f64)> {
        let Some((behind, max_tokens)) = self.reach(request) else { return Vec::new() };
        let allowed = |at: &usize| self.forbids(request, max_tokens, *at).is_none();
        let weighed = |at: usize| (at, self.spec.deployments[at].weight);
        behind.asked.iter().copied().filter(allowed).map(weighed).collect()
    }

    /// The place of the deployment called `name`.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// Every name that a request may ask for, with who stands behind it: deployments, models, and named groups, which win.
fn behind(spec: &FleetSpec) -> HashMap<String, Behind> {
    let mut all: HashMap<String, Behind> = HashMap::new();
    for (at, deployment) in spec.deployments.iter().enumerate() {
        all.entry(deployment.model.clone()).or_default().asked.push(at);
    }
    for (at, deployment) in spec.deployments.iter().enumerate() {
        all.insert(deployment.name.clone(), Behind { asked: vec![at], fallback: Vec::new() });
    }
    let places: HashMap<&str, usize> = (0..).zip(&spec.deployments).map(|(at, d)| (d.name.as_str(), at)).collect();
    let sorted = |mut places: Vec<usize>| {
        places.sort_unstable();
        places.dedup();
        places
    };
    for group in &spec.groups {
        let asked = group.members.iter().filter_map(|name| places.get(name.as_str())).copied().collect();
        all.insert(group.name.clone(), Behind { asked: sorted(asked), fallback: Vec::new() });
    }
    for group in &spec.groups {
        let fallback = group.fallback.iter().filter_map(|name| Some(all.get(name)?.asked.clone())).flatten().collect();
        if let Some(found) = all.get_mut(&group.name) {
            found.fallback = sorted(fallback);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use junctor_core::rules::Flag;
    use serde_json::json;

    fn law() -> Law {
        let with = |name: &str, region: &str, weight: f64, capabilities: &[&str]| {
            json!({"name": name, "provider": "acme", "model": "acme/one", "region": region, "weight": weight,
                   "capabilities": capabilities, "context_tokens": 1_000})
        };
        let spec = json!({
            "deployments": [with("a", "eu", 1.0, &["tools"]), with("b", "us", 1.0, &[]), with("c", "eu", 0.0, &[]),
                            with("d", "eu", 1.0, &[])],
            "groups": [{"name": "all", "members": ["a", "b", "c"], "fallback": ["last"]},
                       {"name": "last", "members": ["d"]}],
            "compliance": [{"name": "eu", "when": {"attribute": "data", "one_of": ["eu"]},
                            "require": {"region": ["eu"]}}],
            "rules": [{"name": "no robots", "when": {"attribute": "user_tier", "one_of": ["robot"]},
                       "action": {"refuse": "people only"}},
                      {"name": "rest", "action": {"use": "all", "max_tokens": 100}}],
        });
        Law::of(&serde_json::from_value(spec).unwrap())
    }

    fn objection(request: &Request<'_>, at: usize) -> String {
        law().objects(request, at).unwrap_or_default()
    }

    #[test]
    fn every_way_to_the_wrong_deployment_is_seen() {
        let all = Request { model: "all", input_tokens: 10, ..Request::default() };
        assert_eq!(law().objects(&all, 0), None);
        assert_eq!(law().objects(&all, 3), None, "a fallback");
        assert!(objection(&Request { spare: true, ..all.clone() }, 3).contains("no group"));
        assert!(objection(&all, 2).contains("drained"));
        assert!(objection(&Request { tried: &["a"], ..all.clone() }, 0).contains("tried"));
        assert!(objection(&Request { tags: &[("data", "eu")], ..all.clone() }, 1).contains("clause"));
        assert!(objection(&Request { needs: Needs::NONE.with(Flag::Tools), ..all.clone() }, 1).contains("needs"));
        assert!(objection(&Request { input_tokens: 1_001, ..all.clone() }, 0).contains("context"));
        assert!(objection(&Request { model: "last", ..all }, 0).contains("no group"));
        assert!(objection(&Request { tags: &[("user_tier", "robot")], ..Request::default() }, 0).contains("rule"));
    }

    #[test]
    fn candidates_are_the_members_that_pass() {
        let eu = Request { tags: &[("data", "eu")], ..Request::default() };
        assert_eq!(law().candidates(&eu), [(0, 1.0)]);
        assert_eq!(law().candidates(&Request::default()), [(0, 1.0), (1, 1.0)]);
    }
}
