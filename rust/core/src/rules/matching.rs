//! The compiled rules and the questions a request asks of them.
//!
//! A match finds the class of the request on every axis once, then asks each group for its first row that all classes
//! accept. Rows of a group are in the order of their rules, so the lowest bit is the first rule, and the lowest over
//! the groups is the answer. Everything lives on the stack, in arrays as long as the limits on axes and groups.

use std::ops::ControlFlow;

use arrayvec::ArrayVec;

use super::axis::{Axis, Subject};
use super::bitmap::{Acceptance, BLOCK, View, WORD};
use super::compile::{MAX_AXES, MAX_GROUPS};
use super::facts::Facts;
use super::few::Few;
use super::rows::Row;

/// Ordered rules, compiled. Immutable; many threads may match at once.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(super) axes: Box<[Axis]>,
    /// The rows of each rule, for questions about the rules themselves.
    pub(super) rows: Vec<Vec<Row>>,
    pub(super) groups: Vec<Group>,
    /// The same rows once more where one word holds them.
    pub(super) few: Option<Few>,
}

/// The class of a request on each axis.
pub(super) type Point = ArrayVec<u32, MAX_AXES>;

impl RuleSet {
    /// Index of the first rule that holds for the request, `None` if none does.
    #[inline]
    pub fn first_match(&self, facts: &impl Facts) -> Option<usize> {
        match &self.few {
            Some(few) => few.first_rule(few.rows(&self.axes, facts)),
            None => self.first_of_many(facts),
        }
    }

    fn first_of_many(&self, facts: &impl Facts) -> Option<usize> {
        let mut point = Point::new();
        self.locate(facts, &mut point);
        self.first_at(&point)
    }

    /// Visits the index of each rule that holds for the request, once, in ascending order.
    ///
    /// ```
    /// # use junctor_core::rules::{Facts, Flag, Number, Predicate, RuleSet};
    /// # struct Request;
    /// # impl Facts for Request {
    /// #     fn text(&self, attribute: &str) -> Option<&str> { (attribute == "data").then_some("phi") }
    /// #     fn number(&self, _: Number) -> u64 { 0 }
    /// #     fn flag(&self, _: Flag) -> bool { false }
    /// # }
    /// let data = |class: &str| Predicate::Text { attribute: "data".into(), one_of: vec![class.into()] };
    /// let clauses = RuleSet::compile(&[data("phi"), data("eu-personal"), Predicate::Always]).unwrap();
    /// let mut binding = vec![];
    /// clauses.for_each_match(&Request, |clause| binding.push(clause));
    /// assert_eq!(binding, [0, 2]);
    /// ```
    #[inline]
    pub fn for_each_match(&self, facts: &impl Facts, mut visit: impl FnMut(usize)) {
        let Some(few) = &self.few else { return self.each_of_many(facts, visit) };
        let (mut rows, mut last) = (few.rows(&self.axes, facts), None);
        while rows != 0 {
            let rule = few.first_rule(rows);
            // The rows of one rule are neighbours.
            if rule != last
                && let Some(rule) = rule
            {
                visit(rule);
            }
            last = rule;
            rows &= rows - 1;
        }
    }

    fn each_of_many(&self, facts: &impl Facts, mut visit: impl FnMut(usize)) {
        let mut point = Point::new();
        self.locate(facts, &mut point);
        let _ = self.walk(&point, |rule| {
            visit(rule);
            ControlFlow::<()>::Continue(())
        });
    }

    /// The attributes that rules ask about, in alphabetic order. No other is ever asked of a request.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.axes.iter().filter_map(|axis| match axis.subject() {
            Subject::Text(attribute) => Some(attribute),
            Subject::Number(_) | Subject::Flag(_) => None,
        })
    }

    /// How many rules there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rules.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Finds the class on each axis, in place: a point is as long as there may be axes.
    #[inline]
    fn locate(&self, facts: &impl Facts, point: &mut Point) {
        point.extend(self.axes.iter().map(|axis| axis.class(facts)));
    }

    /// Visits the rules that accept these classes, once each and in ascending order, until told to stop.
    pub(super) fn walk<T>(&self, point: &Point, mut visit: impl FnMut(usize) -> ControlFlow<T>) -> ControlFlow<T> {
        let mut heads: ArrayVec<(&Group, Option<Found>), MAX_GROUPS> =
            self.groups.iter().map(|group| (group, group.next(point, 0))).collect();
        // The groups partition the rules, so merging them by the lowest head visits each rule once and in order.
        while let Some((group, head)) =
            heads.iter_mut().filter(|(_, head)| head.is_some()).min_by_key(|(_, head)| *head)
        {
            let Some(found) = *head else { break };
            visit(found.rule)?;
            while head.is_some_and(|next| next.rule == found.rule) {
                *head = head.and_then(|next| group.next(point, next.row + 1));
            }
        }
        ControlFlow::Continue(())
    }

    /// The first rule that accepts these classes.
    pub(super) fn first_at(&self, point: &Point) -> Option<usize> {
        let mut first = usize::MAX;
        for group in &self.groups {
            if group.first_rule() < first
                && let Some(found) = group.next(point, 0)
            {
                first = first.min(found.rule);
            }
        }
        (first != usize::MAX).then_some(first)
    }
}

/// Rules that ask about the same axes, or a remainder of rules too few to be kept apart.
#[derive(Debug)]
pub(super) struct Group {
    /// The rule of each row, ascending.
    rule_of_row: Box<[usize]>,
    acceptances: Box<[(usize, Acceptance)]>,
}

/// A row that accepts a point, ordered by its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    rule: usize,
    row: usize,
}

impl Group {
    pub(super) fn new(rule_of_row: Vec<usize>, acceptances: Vec<(usize, Acceptance)>) -> Self {
        Self { rule_of_row: rule_of_row.into(), acceptances: acceptances.into() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.acceptances.iter().map(|(_, acceptance)| acceptance.bytes()).sum()
    }

    fn first_rule(&self) -> usize {
        self.rule_of_row.first().copied().unwrap_or(usize::MAX)
    }

    /// The first row at or after `from` that accepts the point.
    #[inline]
    fn next(&self, point: &Point, from: usize) -> Option<Found> {
        if self.acceptances.is_empty() {
            // Rules that ask for nothing hold for everybody.
            return self.rule_of_row.get(from).map(|&rule| Found { rule, row: from });
        }
        let mut views: ArrayVec<View<'_>, MAX_AXES> = ArrayVec::new();
        for (axis, acceptance) in &self.acceptances {
            views.push(acceptance.view(*point.get(*axis)?));
        }
        let first_word = from / WORD;
        let mut after = u64::MAX << (first_word % BLOCK);
        for block in first_word / BLOCK..self.rule_of_row.len().div_ceil(WORD * BLOCK) {
            let mut open = views.iter().fold(after, |words, view| words & view.inhabited(block));
            after = u64::MAX;
            while open != 0 {
                let word = open.trailing_zeros() as usize;
                open &= open - 1;
                let passed = if block * BLOCK + word == first_word { u64::MAX << (from % WORD) } else { u64::MAX };
                let rows = accepted_by_all(&views, block, word, passed);
                if rows != 0 {
                    let row = (block * BLOCK + word) * WORD + rows.trailing_zeros() as usize;
                    return self.rule_of_row.get(row).map(|&rule| Found { rule, row });
                }
            }
        }
        None
    }
}

/// The rows of one word that are in `rows` and in every view.
#[inline]
fn accepted_by_all(views: &[View<'_>], block: usize, word: usize, mut rows: u64) -> u64 {
    for view in views {
        rows &= view.word(block, word);
        if rows == 0 {
            break;
        }
    }
    rows
}
