//! One thing that rules ask about, and the classes of values on it that no rule tells apart.
//!
//! Rules ask about attributes, numbers and flags, each in its own way; the axis turns all of that into numbered classes
//! and sets of them, so that nothing behind it knows the difference. On an attribute the classes are the texts that
//! rules name (see [`TextAxis`]). On a number the bounds of all rules cut the line into intervals, searched by
//! bisection. A flag has two classes.

use std::collections::BTreeSet;

use super::classes::ClassSet;
use super::facts::{Facts, Flag, Number};
use super::predicate::Predicate;
use super::texts::{ABSENT, OTHER, TextAxis};

/// What a condition asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject<'a> {
    Text(&'a str),
    Number(Number),
    Flag(Flag),
}

impl<'a> Subject<'a> {
    /// The subject of a condition, `None` if it has none of its own.
    pub(super) fn of(predicate: &'a Predicate) -> Option<Self> {
        match predicate {
            Predicate::Text { attribute, .. }
            | Predicate::Prefix { attribute, .. }
            | Predicate::Present { attribute, .. } => Some(Self::Text(attribute)),
            Predicate::Number { number, .. } => Some(Self::Number(*number)),
            Predicate::Flag { flag, .. } => Some(Self::Flag(*flag)),
            Predicate::Always | Predicate::All(_) | Predicate::Any(_) | Predicate::Not(_) => None,
        }
    }
}

/// Everything the rules name on one subject.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    exact: BTreeSet<&'a str>,
    prefixes: BTreeSet<&'a str>,
    starts: BTreeSet<u64>,
}

impl<'a> Words<'a> {
    pub(super) fn add(&mut self, predicate: &'a Predicate) {
        match predicate {
            Predicate::Text { one_of, .. } => self.exact.extend(one_of.iter().map(String::as_str)),
            // Everything begins with the empty prefix: it asks for presence and needs no class.
            Predicate::Prefix { prefix, .. } if !prefix.is_empty() => _ = self.prefixes.insert(prefix),
            Predicate::Number { min, max, .. } => {
                self.starts.extend(*min);
                self.starts.extend(max.and_then(|max| max.checked_add(1)));
            }
            _ => {}
        }
    }
}

/// One thing that rules ask about.
#[derive(Debug)]
pub(super) enum Axis {
    Text(TextAxis),
    Number { number: Number, starts: Box<[u64]> },
    Flag(Flag),
}

impl Axis {
    pub(super) fn new(subject: Subject<'_>, words: &Words<'_>) -> Self {
        match subject {
            Subject::Text(attribute) => Self::Text(TextAxis::new(attribute, &words.exact, &words.prefixes)),
            Subject::Number(number) => {
                Self::Number { number, starts: words.starts.iter().copied().filter(|&start| start > 0).collect() }
            }
            Subject::Flag(flag) => Self::Flag(flag),
        }
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        match self {
            Self::Text(text) => Subject::Text(text.attribute()),
            Self::Number { number, .. } => Subject::Number(*number),
            Self::Flag(flag) => Subject::Flag(*flag),
        }
    }

    /// How many classes there are. Each of them has at least one value.
    pub(super) fn size(&self) -> u32 {
        match self {
            Self::Text(text) => text.size(),
            Self::Number { starts, .. } => starts.len() as u32 + 1,
            Self::Flag(_) => 2,
        }
    }

    /// The class that most others are expected to resemble.
    pub(super) const fn usual(&self) -> u32 {
        match self {
            Self::Text(_) => OTHER,
            Self::Number { .. } | Self::Flag(_) => 0,
        }
    }

    /// The class of a request.
    #[inline]
    pub(super) fn class(&self, facts: &impl Facts) -> u32 {
        match self {
            Self::Text(text) => facts.text(text.attribute()).map_or(ABSENT, |value| text.class(value)),
            Self::Number { number, starts } => interval(starts, facts.number(*number)),
            Self::Flag(flag) => u32::from(facts.flag(*flag)),
        }
    }

    /// The classes that a condition on this axis accepts.
    pub(super) fn accepted(&self, predicate: &Predicate) -> ClassSet {
        match (self, predicate) {
            (Self::Text(text), Predicate::Text { one_of, .. }) => text.one_of(one_of),
            (Self::Text(text), Predicate::Prefix { prefix, .. }) => text.beginning_with(prefix),
            (Self::Text(_), Predicate::Present { present: false, .. }) => ClassSet::of([ABSENT]),
            (Self::Text(text), Predicate::Present { present: true, .. }) => text.beginning_with(""),
            (Self::Number { starts, .. }, Predicate::Number { min, max, .. }) => {
                // Bounds that cross make a span that ends before it begins, and that is empty.
                let (min, max) = (min.unwrap_or(0), max.unwrap_or(u64::MAX));
                ClassSet::span(interval(starts, min), interval(starts, max) + 1)
            }
            (Self::Flag(_), Predicate::Flag { is, .. }) => ClassSet::of([u32::from(*is)]),
            // A condition on something else leaves this axis open.
            _ => ClassSet::span(0, self.size()),
        }
    }
}

/// Which interval a value lies in. Interval 0 lies before the first start.
#[inline]
fn interval(starts: &[u64], value: u64) -> u32 {
    starts.partition_point(|&start| start <= value) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_begin_at_the_bounds() {
        let words = Words { starts: [0, 10, 11, u64::MAX].into(), ..Words::default() };
        let axis = Axis::new(Subject::Number(Number::InputTokens), &words);
        let Axis::Number { starts, .. } = &axis else { panic!("a number axis") };
        let table = [(0, 0), (9, 0), (10, 1), (11, 2), (u64::MAX - 1, 2), (u64::MAX, 3)];
        for (value, class) in table {
            assert_eq!(interval(starts, value), class, "{value}");
        }
        assert_eq!(axis.size(), 4);
    }
}
