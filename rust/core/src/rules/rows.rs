//! A condition unfolded into rows: alternatives, each a set of accepted classes per axis.
//!
//! This is the disjunctive normal form, with sets in place of literals. Sets do most of the work that makes the form
//! infamous: "not" is a complement, any over values of one axis is one set, and rows that differ on one axis only are
//! joined again. What is left to multiply is "any" across axes inside "all"; that is bounded by
//! [`MAX_ROWS_PER_RULE`]. Keeping the tree and evaluating it on bitmaps was rejected: it needs scratch space per node,
//! and questions such as "does one rule cover another" become hard, while on rows they are a loop.

use super::axis::{Axis, Subject};
use super::classes::ClassSet;
use super::error::MAX_ROWS_PER_RULE;
use super::predicate::Predicate;

/// The classes of one axis that a row accepts: some, but not all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) axis: usize,
    pub(super) classes: ClassSet,
}

/// One alternative: it accepts what all its terms accept. Axes ascend; a missing axis accepts everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) terms: Vec<Term>,
}

impl Row {
    pub(super) fn term(&self, axis: usize) -> Option<&ClassSet> {
        self.terms.iter().find(|term| term.axis == axis).map(|term| &term.classes)
    }

    /// Whether it accepts everything that `other` accepts.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.terms.iter().all(|term| other.term(term.axis).is_some_and(|theirs| term.classes.covers(theirs)))
    }

    /// Whether something is accepted by both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.terms.iter().all(|term| other.term(term.axis).is_none_or(|theirs| term.classes.meets(theirs)))
    }

    /// What both accept, `None` if that is nothing.
    fn and(&self, other: &Self) -> Option<Self> {
        let mut terms = self.terms.clone();
        for theirs in &other.terms {
            match terms.binary_search_by_key(&theirs.axis, |term| term.axis) {
                Ok(place) => {
                    let term = terms.get_mut(place)?;
                    term.classes = term.classes.intersection(&theirs.classes);
                    if term.classes.is_empty() {
                        return None;
                    }
                }
                Err(place) => terms.insert(place, theirs.clone()),
            }
        }
        Some(Self { terms })
    }

    /// The row that accepts exactly what either accepts, if one row can.
    fn or(&self, other: &Self, axes: &[Axis]) -> Option<Self> {
        if self.covers(other) {
            return Some(self.clone());
        }
        if other.covers(self) {
            return Some(other.clone());
        }
        let differing = self.only_difference(other)?;
        let mut terms = self.terms.clone();
        let (term, theirs) = (terms.get_mut(differing)?, other.terms.get(differing)?);
        term.classes = term.classes.union(&theirs.classes);
        if axes.get(term.axis).is_some_and(|axis| term.classes.is_all(axis.size())) {
            terms.remove(differing);
        }
        Some(Self { terms })
    }

    /// The place of the one term in which two rows on the same axes differ.
    fn only_difference(&self, other: &Self) -> Option<usize> {
        let same_axes = self.terms.len() == other.terms.len()
            && self.terms.iter().zip(&other.terms).all(|(ours, theirs)| ours.axis == theirs.axis);
        let mut places = (0..self.terms.len()).filter(|&place| self.terms.get(place) != other.terms.get(place));
        let first = places.next().filter(|_| same_axes)?;
        places.next().is_none().then_some(first)
    }
}

/// There were more rows than a rule may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// Unfolds conditions on these axes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfolding<'a> {
    pub(super) axes: &'a [Axis],
}

impl Unfolding<'_> {
    /// The rows in which the condition is as `wanted`; none if it never is.
    ///
    /// The recursion is bounded by the nesting, which was checked before.
    pub(super) fn rows(self, predicate: &Predicate, wanted: bool) -> Result<Vec<Row>, TooMany> {
        match predicate {
            Predicate::Always => Ok(if wanted { vec![Row::default()] } else { vec![] }),
            Predicate::Not(part) => self.rows(part, !wanted),
            // By De Morgan, not all is any not.
            Predicate::All(parts) if wanted => self.all(parts, wanted),
            Predicate::Any(parts) if !wanted => self.all(parts, wanted),
            Predicate::All(parts) | Predicate::Any(parts) => self.any(parts, wanted),
            condition => Ok(self.leaf(condition, wanted).into_iter().collect()),
        }
    }

    fn all(self, parts: &[Predicate], wanted: bool) -> Result<Vec<Row>, TooMany> {
        let mut rows = vec![Row::default()];
        for part in parts {
            let factors = self.rows(part, wanted)?;
            let mut product = Vec::new();
            for both in rows.iter().flat_map(|row| factors.iter().filter_map(|factor| row.and(factor))) {
                self.add(&mut product, both)?;
            }
            rows = product;
        }
        Ok(rows)
    }

    fn any(self, parts: &[Predicate], wanted: bool) -> Result<Vec<Row>, TooMany> {
        let mut rows = Vec::new();
        for part in parts {
            for row in self.rows(part, wanted)? {
                self.add(&mut rows, row)?;
            }
        }
        Ok(rows)
    }

    fn leaf(self, condition: &Predicate, wanted: bool) -> Option<Row> {
        let subject = Subject::of(condition)?;
        let place = self.axes.binary_search_by(|axis| axis.subject().cmp(&subject)).ok()?;
        let axis = self.axes.get(place)?;
        let accepted = axis.accepted(condition);
        let classes = if wanted { accepted } else { accepted.complement(axis.size()) };
        if classes.is_all(axis.size()) {
            return Some(Row::default());
        }
        (!classes.is_empty()).then(|| Row { terms: vec![Term { axis: place, classes }] })
    }

    /// Adds an alternative, joined with those that it can be one row with.
    fn add(self, rows: &mut Vec<Row>, mut row: Row) -> Result<(), TooMany> {
        // Each round takes one row away, so it ends.
        while let Some((place, joined)) =
            rows.iter().enumerate().find_map(|(place, old)| Some((place, old.or(&row, self.axes)?)))
        {
            rows.swap_remove(place);
            row = joined;
        }
        rows.push(row);
        if rows.len() > MAX_ROWS_PER_RULE { Err(TooMany) } else { Ok(()) }
    }
}

/// How many rows a condition unfolds into if none of them are joined or contradict themselves: for messages.
pub(super) fn count_unjoined(predicate: &Predicate, wanted: bool) -> u64 {
    let parts = || predicate.parts().iter().map(|part| count_unjoined(part, wanted));
    match predicate {
        Predicate::Not(part) => count_unjoined(part, !wanted),
        Predicate::All(_) if wanted => parts().fold(1, u64::saturating_mul),
        Predicate::Any(_) if !wanted => parts().fold(1, u64::saturating_mul),
        Predicate::All(_) | Predicate::Any(_) => parts().fold(0, u64::saturating_add),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::super::axis::Words;
    use super::super::facts::{Flag, Number};
    use super::*;

    /// Axes for a task, a number of tokens and the flag for tools, with what these conditions name.
    fn axes(conditions: &[Predicate]) -> Vec<Axis> {
        [Subject::Text("task"), Subject::Number(Number::InputTokens), Subject::Flag(Flag::Tools)]
            .into_iter()
            .map(|subject| {
                let mut words = Words::default();
                conditions
                    .iter()
                    .filter(|condition| Subject::of(condition) == Some(subject))
                    .for_each(|c| words.add(c));
                Axis::new(subject, &words)
            })
            .collect()
    }

    fn task(value: &str) -> Predicate {
        Predicate::Text { attribute: "task".into(), one_of: vec![value.into()] }
    }

    fn tokens(min: u64, max: u64) -> Predicate {
        Predicate::Number { number: Number::InputTokens, min: Some(min), max: Some(max) }
    }

    fn not(part: Predicate) -> Predicate {
        Predicate::Not(Box::new(part))
    }

    const TOOLS: Predicate = Predicate::Flag { flag: Flag::Tools, is: true };

    #[test]
    fn alternatives_stay_as_few_as_sets_allow() {
        use Predicate::{All, Always, Any};
        let axes = axes(&[task("a"), task("b"), tokens(1, 5), tokens(6, 9), TOOLS]);
        let table = [
            ("always", Always, 1),
            ("never", not(Always), 0),
            ("a contradiction", All(vec![task("a"), task("b")]), 0),
            ("values of one axis", Any(vec![task("a"), task("b"), not(task("a"))]), 1),
            ("ranges that touch", Any(vec![tokens(1, 5), tokens(6, 9)]), 1),
            ("different axes", Any(vec![task("a"), tokens(1, 5), TOOLS]), 3),
            ("not all is any not", not(All(vec![task("a"), tokens(1, 5), TOOLS])), 3),
            ("not any is all not", not(Any(vec![task("a"), tokens(1, 5), TOOLS])), 1),
            ("one inside the other", Any(vec![task("a"), All(vec![task("a"), TOOLS])]), 1),
            ("the other around the one", Any(vec![All(vec![task("a"), TOOLS]), task("a")]), 1),
            ("a case split", Any(vec![All(vec![task("a"), TOOLS]), All(vec![task("a"), not(TOOLS)])]), 1),
            (
                "joined in two rounds",
                Any(vec![All(vec![task("a"), TOOLS]), not(TOOLS), All(vec![not(task("a")), TOOLS])]),
                1,
            ),
        ];
        for (name, predicate, rows) in table {
            assert_eq!(Unfolding { axes: &axes }.rows(&predicate, true).unwrap().len(), rows, "{name}");
        }
    }

    #[test]
    fn the_count_for_messages_saturates() {
        let pair = Predicate::Any(vec![TOOLS, TOOLS]);
        assert_eq!(count_unjoined(&Predicate::All(vec![pair.clone(); 3]), true), 8);
        assert_eq!(count_unjoined(&not(Predicate::Any(vec![not(pair.clone()), TOOLS])), true), 2);
        assert_eq!(count_unjoined(&Predicate::All(vec![pair; 70]), true), u64::MAX);
    }
}
