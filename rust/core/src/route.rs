//! Stage 2, rules: what did the operator ask for?
//!
//! From the asked name and the matching rule to a group and its overrides. Rules speak for requests that ask for
//! `auto`; a rule that names a model also speaks for requests that ask for that model.

use crate::decision::Why;
use crate::fleet::{Action, Fleet};
use crate::request::Request;
use crate::rules::RuleSet;
use crate::spec::{AUTO, Prune};

/// Where a request goes and under which overrides.
#[derive(Clone, Copy, Debug)]
pub struct Route<'f> {
    /// Index of the group.
    pub group: u32,
    /// Index of the rule that matched.
    pub rule: Option<u32>,
    /// Cap on the answer's tokens.
    pub max_tokens: Option<u64>,
    /// Cap on the estimated cost of one attempt in micro-dollars.
    pub max_cost: Option<u64>,
    /// Reasoning effort.
    pub effort: Option<&'f str>,
    /// What long prompts are cut to.
    pub prune: Option<Prune>,
}

impl<'f> Route<'f> {
    /// The route of a request.
    ///
    /// # Errors
    /// The name means nothing, no rule matches, or a rule refuses; with the rule if there is one.
    #[inline]
    pub fn of(fleet: &'f Fleet, request: &Request<'_>) -> Result<Self, (Why, Option<u32>)> {
        let auto = request.model == AUTO;
        let rule = Self::rule(fleet, request, auto);
        let action = rule.and_then(|rule| fleet.rules.actions.get(rule as usize));
        if action.is_some_and(|action| action.refuse.is_some()) {
            return Err((Why::RefusedByRule, rule));
        }
        let asked = || match (auto, rule, fleet.rules.actions.is_empty()) {
            // A fleet without rules, or a rule that only sets bounds, means the first group.
            (true, Some(_), _) | (true, None, true) => Ok(0),
            (true, None, false) => Err((Why::NoRule, None)),
            (false, ..) => fleet.names.group(request.model).ok_or((Why::UnknownModel, rule)),
        };
        let group = action.and_then(|action| action.group).map_or_else(asked, Ok)?;
        Ok(Self::with(group, rule, action))
    }

    fn with(group: u32, rule: Option<u32>, action: Option<&'f Action>) -> Self {
        Self {
            group,
            rule,
            max_tokens: action.and_then(|action| action.max_tokens),
            max_cost: action.and_then(|action| action.max_cost),
            effort: action.and_then(|action| action.effort.as_deref()),
            prune: action.and_then(|action| action.prune),
        }
    }

    fn rule(fleet: &Fleet, request: &Request<'_>, auto: bool) -> Option<u32> {
        let index = |set: &RuleSet| set.first_match(request);
        if auto {
            return index(&fleet.rules.all).and_then(|rule| u32::try_from(rule).ok());
        }
        if fleet.rules.naming_model.is_empty() {
            return None;
        }
        index(&fleet.rules.naming_model).and_then(|place| fleet.rules.naming_model_index.get(place).copied())
    }
}
