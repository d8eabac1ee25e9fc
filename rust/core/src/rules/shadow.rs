//! Rules that can never be first.
//!
//! A rule that nothing reaches is nearly always a mistake: a catch-all too high up, a range turned around, a copy. On
//! classes the question is finite, so the answer is a proof and not a guess: what is reported never happens, for any
//! request at all. The converse is not promised, because the question is NP-hard: a rule is left unreported when
//! proving its row covered would take more than [`MAX_CELLS`] cases, or all rules together more than [`MAX_EFFORT`] or [`MAX_CANDIDATES`].
//!
//! Most rules are cleared by trying: for a few points of each row, ask the compiled set who is first. Only a rule that
//! is never first there is looked at closely. If one earlier row covers a row, that settles it. Else the earlier rows
//! that touch it cut it into cells, within which none of them changes its mind, and every cell must have an earlier
//! owner. That the classes of several axes combine freely is taken for granted, though no request may ever have, say,
//! more tokens than characters: to know better would be to guess.

use std::ops::ControlFlow;

use super::classes::{ClassSet, Span};
use super::matching::{Point, RuleSet};
use super::rows::Row;

/// Most cells a row is cut into.
const MAX_CELLS: usize = 4096;

/// Most comparisons of rows in one search, at most about half a second; a cell counts as [`CELL_EFFORT`].
const MAX_EFFORT: usize = 1 << 22;

/// Most candidates for covering a row alone that one search looks at, at most about half a second. Counted apart, so
/// that hard rules do not use up what the easy ones need.
const MAX_CANDIDATES: usize = 1 << 22;

/// What a look at one cell costs in comparisons.
const CELL_EFFORT: usize = 8;

/// A rule that can never be first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// Index of the rule.
    pub rule: usize,
    /// The earlier rules that together hold wherever it holds, in ascending order. Empty if nothing can match it.
    pub by: Vec<usize>,
}

impl RuleSet {
    /// The rules that can never be first, in ascending order.
    ///
    /// Sound: a reported rule is first for no request. Found is what one earlier rule covers, alternative by
    /// alternative, and what few enough earlier rules cover together; among thousands of rules that overlap in
    /// complicated ways some stay unreported, since the search is bounded. Meant for checking a config, not for the way
    /// of a request: thousands of rules take milliseconds if few are shadowed, and at most about a second.
    ///
    /// ```
    /// # use junctor_core::rules::{Number, Predicate, RuleSet, Shadow};
    /// let tokens = |min, max| Predicate::Number { number: Number::InputTokens, min, max };
    /// let rules = [tokens(None, Some(499)), tokens(Some(500), None), Predicate::Always, tokens(Some(9), Some(8))];
    /// let shadowed = RuleSet::compile(&rules).unwrap().shadowed();
    /// assert_eq!(shadowed, [Shadow { rule: 2, by: vec![0, 1] }, Shadow { rule: 3, by: vec![] }]);
    /// ```
    #[must_use]
    pub fn shadowed(&self) -> Vec<Shadow> {
        let mut search = Search { rules: self, effort_left: MAX_EFFORT, candidates_left: MAX_CANDIDATES };
        (0..self.len()).filter_map(|rule| Some(Shadow { rule, by: search.owners(rule)? })).collect()
    }
}

/// Picks one class of a set; also told which class is the usual one.
type Corner = fn(&ClassSet, u32) -> Option<u32>;

struct Search<'a> {
    rules: &'a RuleSet,
    effort_left: usize,
    candidates_left: usize,
}

impl<'a> Search<'a> {
    /// The earlier rules that cover a rule, `None` if none do or it takes too long to say.
    fn owners(&mut self, rule: usize) -> Option<Vec<usize>> {
        let rules = self.rules;
        let rows = rules.rows.get(rule)?;
        if rows.iter().any(|row| self.is_first_somewhere(rule, row)) {
            return None;
        }
        let mut owners = Vec::new();
        for row in rows {
            owners.extend(self.owners_of_row(rule, row)?);
        }
        owners.sort_unstable();
        owners.dedup();
        Some(owners)
    }

    /// Tries a few points of a row.
    fn is_first_somewhere(&self, rule: usize, row: &Row) -> bool {
        let corners: [Corner; 3] = [
            |classes, _| classes.first(),
            |classes, usual| if classes.contains(usual) { Some(usual) } else { classes.last() },
            |classes, _| classes.last(),
        ];
        corners.into_iter().any(|corner| self.rules.first_at(&self.point(row, corner)) == Some(rule))
    }

    /// A point on the row; the usual classes where the row is silent.
    fn point(&self, row: &Row, corner: Corner) -> Point {
        let class = |(place, usual)| row.term(place).and_then(|classes| corner(classes, usual)).unwrap_or(usual);
        let usual = self.rules.axes.iter().map(|axis| axis.usual());
        usual.enumerate().map(class).collect()
    }

    fn owners_of_row(&mut self, rule: usize, row: &Row) -> Option<Vec<usize>> {
        if let Some(owner) = self.owner_of_row(rule, row) {
            return Some(vec![owner]);
        }
        let touching = self.touching(rule, row)?;
        self.owners_of_cells(rule, row, &touching)
    }

    /// The first earlier rule one of whose rows covers this one.
    fn owner_of_row(&mut self, rule: usize, row: &Row) -> Option<usize> {
        // Whoever covers the row accepts this point of it.
        let point = self.point(row, |classes, _| classes.first());
        let rules = self.rules;
        let owner = rules.walk(&point, |earlier| {
            if earlier >= rule || self.candidates_left == 0 {
                return ControlFlow::Break(None);
            }
            self.candidates_left -= 1;
            let covered = rules.rows.get(earlier).into_iter().flatten().any(|other| other.covers(row));
            if covered { ControlFlow::Break(Some(earlier)) } else { ControlFlow::Continue(()) }
        });
        owner.break_value().flatten()
    }

    /// The earlier rows that have something in common with a row.
    fn touching(&mut self, rule: usize, row: &Row) -> Option<Vec<&'a Row>> {
        let (rules, mut touching) = (self.rules, Vec::new());
        for rows in rules.rows.iter().take(rule) {
            self.effort_left = self.effort_left.checked_sub(rows.len())?;
            touching.extend(rows.iter().filter(|other| other.meets(row)));
        }
        Some(touching)
    }

    /// The earlier rules that own the cells of a row, `None` if a cell has none or there are too many.
    fn owners_of_cells(&mut self, rule: usize, row: &Row, touching: &[&Row]) -> Option<Vec<usize>> {
        let cells = self.cells(row, touching)?;
        let count: usize = cells.iter().map(|(_, classes)| classes.len()).product();
        self.effort_left = self.effort_left.checked_sub(count * CELL_EFFORT)?;
        let mut point = self.point(row, |classes, _| classes.first());
        let mut owners = Vec::new();
        for cell in 0..count {
            let mut digits = cell;
            for (axis, classes) in &cells {
                *point.get_mut(*axis)? = *classes.get(digits % classes.len())?;
                digits /= classes.len();
            }
            owners.push(self.rules.first_at(&point).filter(|&first| first < rule)?);
        }
        Some(owners)
    }

    /// For each axis on which the row must be cut, one class of each piece; `None` if that makes too many cells.
    fn cells(&self, row: &Row, touching: &[&Row]) -> Option<Vec<(usize, Vec<u32>)>> {
        let mut cells = Vec::new();
        let mut count = 1_usize;
        for (place, axis) in self.rules.axes.iter().enumerate() {
            let cuts: Vec<&ClassSet> = touching.iter().filter_map(|other| other.term(place)).collect();
            if cuts.is_empty() {
                continue;
            }
            let whole = ClassSet::span(0, axis.size());
            let pieces = pieces(row.term(place).unwrap_or(&whole), &cuts);
            count = count.checked_mul(pieces.len()).filter(|&count| count <= MAX_CELLS)?;
            cells.push((place, pieces));
        }
        Some(cells)
    }
}

/// The first class of each piece of a set that the boundaries of others leave whole.
fn pieces(set: &ClassSet, cuts: &[&ClassSet]) -> Vec<u32> {
    let boundaries = cuts.iter().flat_map(|cut| cut.spans()).flat_map(|&Span { from, to }| [from, to]);
    let inner = boundaries.filter(|&class| set.contains(class));
    let mut starts: Vec<u32> = inner.chain(set.spans().iter().map(|span| span.from)).collect();
    starts.sort_unstable();
    starts.dedup();
    starts
}
