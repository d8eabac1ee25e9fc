//! A set of rules small enough for one word.
//!
//! **Problem.** Most fleets have a dozen rules and one or two compliance clauses, and the clauses are matched for every
//! request. Views, blocks and summaries are made for ten thousand rows; for a handful they are most of the work.
//!
//! **Choice.** Up to [`WORD`] rows are kept a second time as one word per class: the rows that accept it. A match is one
//! AND per axis. Rejected: leaving the other form out for small sets; the search for shadowed rules uses it.
//!
//! **Cost.** Eight bytes per class, less than the text that the class stands for.

use super::axis::Axis;
use super::bitmap::WORD;
use super::facts::Facts;
use super::rows::Row;

/// At most one word of rows.
#[derive(Debug)]
pub(super) struct Few {
    /// A bit per row.
    all: u64,
    /// The rows that accept each class, by axis.
    accepting: Box<[Box<[u64]>]>,
    /// The rule of each row, ascending.
    rule_of_row: Box<[usize]>,
}

impl Few {
    /// The rows of all rules in their order, `None` if there are too many.
    pub(super) fn build(axes: &[Axis], rows: &[Vec<Row>]) -> Option<Self> {
        let in_order = rows.iter().enumerate().flat_map(|(rule, rows)| rows.iter().map(move |row| (rule, row)));
        let (rule_of_row, rows): (Vec<usize>, Vec<&Row>) = in_order.unzip();
        if rows.len() > WORD {
            return None;
        }
        let all = rows.iter().fold(0, |bits, _| bits << 1 | 1);
        let accepting = axes.iter().enumerate().map(|(place, axis)| accepting(axis, place, &rows)).collect();
        Some(Self { all, accepting, rule_of_row: rule_of_row.into() })
    }

    /// The rows that accept a request.
    #[inline]
    pub(super) fn rows(&self, axes: &[Axis], facts: &impl Facts) -> u64 {
        axes.iter().zip(&self.accepting).fold(self.all, |rows, (axis, accepting)| {
            rows & accepting.get(axis.class(facts) as usize).copied().unwrap_or(0)
        })
    }

    /// The rule of the first of some rows.
    #[inline]
    pub(super) fn first_rule(&self, rows: u64) -> Option<usize> {
        self.rule_of_row.get(rows.trailing_zeros() as usize).copied()
    }
}

/// The rows that accept each class of one axis.
fn accepting(axis: &Axis, place: usize, rows: &[&Row]) -> Box<[u64]> {
    let word = |class| {
        let accepts = |row: &&Row| row.term(place).is_none_or(|classes| classes.contains(class));
        (0..).zip(rows).filter(|(_, row)| accepts(row)).fold(0, |word, (bit, _): (u32, _)| word | 1 << bit)
    };
    (0..axis.size()).map(word).collect()
}
