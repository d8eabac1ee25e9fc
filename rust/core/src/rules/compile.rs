//! From conditions to bitmaps.
//!
//! Four steps, each bounded: *survey* what the rules name and refuse what is too big; make the *axes*; *unfold* each
//! rule into rows; *group* the rules by the axes they ask about and build the bitmaps of each group.
//!
//! Groups are there for mixed rule sets. A row that is silent on an axis accepts all of its classes; put 5,000 rules on
//! tenants and 5,000 on tasks into one bitmap, and both axes are full of each other's silence: the summaries rule
//! nothing out and every word is looked at. Apart, each axis speaks for all its rows. Few rules gain nothing from it,
//! so only a set of axes with more than a word of rules has its own group; the others share one.

use std::collections::BTreeMap;

use super::axis::{Axis, Subject, Words};
use super::bitmap::{Acceptance, WORD};
use super::error::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_INDEX_BYTES, MAX_ROWS, MAX_TEXT_BYTES, RuleError};
use super::facts::{Flag, Number};
use super::few::Few;
use super::matching::{Group, RuleSet};
use super::predicate::Predicate;
use super::rows::{Row, Unfolding, count_unjoined};

/// Most axes a set of rules may have; the set of those that a rule asks about then fits into one word.
pub(super) const MAX_AXES: usize = MAX_ATTRIBUTES + Number::ALL.len() + Flag::ALL.len();
const _: () = assert!(MAX_AXES <= 64, "a set of axes is one u64");

/// Most groups of rules. Each costs a match as much as a small set of rules, so they must stay few.
pub(super) const MAX_GROUPS: usize = 16;

impl RuleSet {
    /// Compiles rules, given in their order.
    ///
    /// # Errors
    /// [`RuleError`] if a rule, or all of them together, break one of the limits of this module. A rule that can never
    /// match is no error here: [`RuleSet::shadowed`] finds it.
    pub fn compile(predicates: &[Predicate]) -> Result<Self, RuleError> {
        let axes = axes(predicates)?;
        let rows = unfold(predicates, &axes)?;
        let groups = build_groups(&axes, &rows)?;
        let few = Few::build(&axes, &rows);
        Ok(Self { axes, rows, groups, few })
    }
}

type Survey<'a> = BTreeMap<Subject<'a>, Words<'a>>;

/// The axes that the rules ask about, in the order of their subjects.
fn axes(predicates: &[Predicate]) -> Result<Box<[Axis]>, RuleError> {
    let mut survey = Survey::new();
    let mut attributes = 0;
    for (rule, predicate) in predicates.iter().enumerate() {
        for condition in conditions(rule, predicate)? {
            let Some(subject) = Subject::of(condition) else { continue };
            check_texts(rule, condition)?;
            if let (Subject::Text(attribute), false) = (subject, survey.contains_key(&subject)) {
                attributes += 1;
                check_attributes(rule, attribute, attributes)?;
            }
            survey.entry(subject).or_default().add(condition);
        }
    }
    Ok(survey.iter().map(|(subject, words)| Axis::new(*subject, words)).collect())
}

/// All conditions inside one, itself included, in no particular order; without recursion, as its depth is unchecked.
fn conditions(rule: usize, predicate: &Predicate) -> Result<Vec<&Predicate>, RuleError> {
    let (mut found, mut deepest) = (Vec::new(), 0);
    let mut open = vec![(predicate, 0)];
    while let Some((condition, depth)) = open.pop() {
        found.push(condition);
        if matches!(condition, Predicate::All(_) | Predicate::Any(_) | Predicate::Not(_)) {
            deepest = deepest.max(depth + 1);
        }
        open.extend(condition.parts().iter().map(|part| (part, depth + 1)));
    }
    if deepest > MAX_DEPTH { Err(RuleError::TooDeep { rule, depth: deepest }) } else { Ok(found) }
}

fn check_texts(rule: usize, condition: &Predicate) -> Result<(), RuleError> {
    let (attribute, longest) = match condition {
        Predicate::Text { attribute, one_of } => (attribute, one_of.iter().map(String::len).max().unwrap_or(0)),
        Predicate::Prefix { attribute, prefix } => (attribute, prefix.len()),
        _ => return Ok(()),
    };
    if longest <= MAX_TEXT_BYTES {
        return Ok(());
    }
    Err(RuleError::TextTooLong { rule, attribute: attribute.clone(), bytes: longest })
}

fn check_attributes(rule: usize, attribute: &str, count: usize) -> Result<(), RuleError> {
    if count <= MAX_ATTRIBUTES {
        return Ok(());
    }
    Err(RuleError::TooManyAttributes { rule, attribute: attribute.to_owned(), count })
}

/// The rows of each rule.
fn unfold(predicates: &[Predicate], axes: &[Axis]) -> Result<Vec<Vec<Row>>, RuleError> {
    let mut total = 0;
    let unfold_one = |(rule, predicate): (usize, &Predicate)| {
        let rows = Unfolding { axes }.rows(predicate, true);
        let rows = rows.map_err(|_| RuleError::TooManyRows { rule, rows: count_unjoined(predicate, true) })?;
        total += rows.len();
        if total > MAX_ROWS { Err(RuleError::TooManyRowsInAll { rule, rows: total }) } else { Ok(rows) }
    };
    predicates.iter().enumerate().map(unfold_one).collect()
}

/// The axes that some row of a rule asks about, one bit each.
fn asked_by(rows: &[Row]) -> u64 {
    rows.iter().flat_map(|row| &row.terms).fold(0, |asked, term| asked | 1 << term.axis)
}

/// Which rules are matched together: lists of rules in ascending order.
fn group_rules(rows: &[Vec<Row>]) -> Vec<Vec<usize>> {
    let mut by_axes: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (rule, rows) in rows.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
        by_axes.entry(asked_by(rows)).or_default().push(rule);
    }
    let mut lists: Vec<Vec<usize>> = by_axes.into_values().collect();
    lists.sort_by_key(|rules| std::cmp::Reverse(rules.len()));
    let large = lists.iter().take(MAX_GROUPS - 1).take_while(|rules| rules.len() > WORD).count();
    let mut shared = lists.split_off(large).concat();
    shared.sort_unstable();
    lists.push(shared);
    lists.retain(|rules| !rules.is_empty());
    lists
}

fn build_groups(axes: &[Axis], rows: &[Vec<Row>]) -> Result<Vec<Group>, RuleError> {
    let mut bytes_left = MAX_INDEX_BYTES;
    let mut groups = Vec::new();
    for rules in group_rules(rows) {
        let group = build_group(axes, rows, &rules, bytes_left).ok_or(RuleError::TooLarge)?;
        bytes_left = bytes_left.saturating_sub(group.bytes());
        groups.push(group);
    }
    Ok(groups)
}

/// One group, or `None` if it would take more than `max_bytes`.
fn build_group(axes: &[Axis], rows: &[Vec<Row>], rules: &[usize], max_bytes: usize) -> Option<Group> {
    let of_rule = |&rule: &usize| rows.get(rule).into_iter().flatten().map(move |row| (rule, row));
    let (rule_of_row, rows): (Vec<usize>, Vec<&Row>) = rules.iter().flat_map(of_rule).unzip();
    let asked = rows.iter().fold(0, |asked, row| asked | asked_by(std::slice::from_ref(*row)));
    let mut bytes_left = max_bytes;
    let mut acceptances = Vec::new();
    for (place, axis) in axes.iter().enumerate().filter(|(place, _)| asked >> place & 1 == 1) {
        let accepted: Vec<_> = rows.iter().map(|row| row.term(place)).collect();
        let acceptance = Acceptance::build(axis.size(), axis.usual(), &accepted, bytes_left)?;
        bytes_left = bytes_left.saturating_sub(acceptance.bytes());
        acceptances.push((place, acceptance));
    }
    // The axis that rules out most comes first: a word that is zero already is not looked at on the others.
    acceptances.sort_by_key(|(_, acceptance)| acceptance.usual_rows());
    Some(Group::new(rule_of_row, acceptances))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(flag: Flag) -> Predicate {
        Predicate::Flag { flag, is: true }
    }

    fn compiled(predicates: &[Predicate]) -> (Box<[Axis]>, Vec<Vec<Row>>) {
        let axes = axes(predicates).unwrap();
        let rows = unfold(predicates, &axes).unwrap();
        (axes, rows)
    }

    #[test]
    fn only_many_rules_on_the_same_axes_are_kept_apart() {
        let mut predicates = vec![flag(Flag::Tools); WORD];
        predicates.push(flag(Flag::Images));
        assert_eq!(group_rules(&compiled(&predicates).1).len(), 1);
        predicates.push(flag(Flag::Tools));
        let groups = group_rules(&compiled(&predicates).1);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [WORD + 1, 1]);
        assert_eq!(groups.concat().len(), predicates.len());
    }

    #[test]
    fn groups_stay_few_and_hold_every_rule_that_can_match() {
        let pairs =
            Flag::ALL.iter().flat_map(|&a| Flag::ALL.iter().map(move |&b| Predicate::All(vec![flag(a), flag(b)])));
        let mut predicates: Vec<Predicate> = pairs.flat_map(|pair| vec![pair; WORD + 1]).collect();
        predicates.push(Predicate::Any(vec![]));
        let groups = group_rules(&compiled(&predicates).1);
        assert_eq!(groups.len(), MAX_GROUPS);
        let mut rules = groups.concat();
        rules.sort_unstable();
        assert!(rules.into_iter().eq(0..predicates.len() - 1));
    }

    #[test]
    fn a_group_over_its_memory_is_not_built() {
        let (axes, rows) = compiled(&[flag(Flag::Tools), flag(Flag::Images)]);
        assert!(build_group(&axes, &rows, &[0, 1], 10).is_none());
        assert!(build_group(&axes, &rows, &[0, 1], 1_000).is_some());
    }

    #[test]
    fn ten_thousand_ranges_of_one_number_fit() {
        let range = |n: u64| Predicate::Number { number: Number::InputTokens, min: Some(n), max: Some(2 * n + 20_000) };
        let rules = RuleSet::compile(&(0..10_000).map(range).collect::<Vec<_>>()).unwrap();
        let bytes: usize = rules.groups.iter().map(Group::bytes).sum();
        assert!((10 << 20..32 << 20).contains(&bytes), "{bytes}");
    }
}
