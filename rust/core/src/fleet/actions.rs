//! Rules with their actions.

use super::{Action, FleetError, Names, Rules};
use crate::rules::{Predicate, RuleSet};
use crate::spec::{FleetSpec, RuleSpec};

/// Compiles the rules; `names` says what they may use.
pub(super) fn rules(spec: &FleetSpec, names: &Names) -> Result<Rules, FleetError> {
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
        prune: rule.action.prune,
        rule: rule_name.into(),
    })
}

/// Compiles conditions; `place` names them in errors.
pub(super) fn compile_rules(place: &'static str, conditions: &[Predicate]) -> Result<RuleSet, FleetError> {
    RuleSet::compile(conditions).map_err(|error| FleetError::Condition { place, error })
}
