//! A set of classes of one axis, as spans.
//!
//! The classes of an axis are numbered so that what a condition accepts lies close together: intervals of numbers in
//! their order, texts in theirs, so that a prefix is one span. Sorted spans then stay short where a bitmap per row
//! would need as many bits as the config has values, and union, intersection and complement are one pass each.

/// Classes from `from` up to but not including `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) from: u32,
    pub(super) to: u32,
}

/// Spans in ascending order, none empty, none touching the next: equal sets have equal spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClassSet(Vec<Span>);

impl ClassSet {
    pub(super) fn span(from: u32, to: u32) -> Self {
        Self::join(vec![Span { from, to }])
    }

    pub(super) fn of(classes: impl IntoIterator<Item = u32>) -> Self {
        Self::join(classes.into_iter().map(|class| Span { from: class, to: class + 1 }).collect())
    }

    /// Any spans in any order, brought into form.
    fn join(mut spans: Vec<Span>) -> Self {
        spans.retain(|span| span.from < span.to);
        spans.sort_unstable();
        let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match joined.last_mut() {
                Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
                _ => joined.push(span),
            }
        }
        Self(joined)
    }

    pub(super) fn spans(&self) -> &[Span] {
        &self.0
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has all classes of an axis of that size.
    pub(super) fn is_all(&self, size: u32) -> bool {
        matches!(self.0.as_slice(), [Span { from: 0, to }] if *to == size)
    }

    pub(super) fn first(&self) -> Option<u32> {
        self.0.first().map(|span| span.from)
    }

    pub(super) fn last(&self) -> Option<u32> {
        self.0.last().map(|span| span.to - 1)
    }

    pub(super) fn contains(&self, class: u32) -> bool {
        self.holds(Span { from: class, to: class + 1 })
    }

    fn holds(&self, span: Span) -> bool {
        let after = self.0.partition_point(|own| own.from <= span.from);
        after.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|own| span.to <= own.to)
    }

    /// Whether every class of `other` is in this set.
    pub(super) fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|&span| self.holds(span))
    }

    /// Whether some class is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.common(other).next().is_some()
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        Self(self.common(other).collect())
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        Self::join([self.spans(), other.spans()].concat())
    }

    /// The classes of an axis of that size which are not in this set.
    pub(super) fn complement(&self, size: u32) -> Self {
        let starts = std::iter::once(0).chain(self.0.iter().map(|span| span.to));
        let ends = self.0.iter().map(|span| span.from).chain(std::iter::once(size));
        Self(starts.zip(ends).map(|(from, to)| Span { from, to }).filter(|gap| gap.from < gap.to).collect())
    }

    /// The spans of the intersection, found by walking both sets side by side.
    fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Span> + 'a {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        std::iter::from_fn(move || {
            loop {
                let (a, b) = (**ours.peek()?, **theirs.peek()?);
                let _ = if a.to <= b.to { ours.next() } else { theirs.next() };
                let span = Span { from: a.from.max(b.from), to: a.to.min(b.to) };
                if span.from < span.to {
                    return Some(span);
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 6;

    /// Every subset of six classes: the space is small, so it is enumerated.
    fn subsets() -> impl Iterator<Item = (u32, ClassSet)> {
        (0..1_u32 << SIZE).map(|bits| (bits, ClassSet::of((0..SIZE).filter(|class| bits >> class & 1 == 1))))
    }

    fn bits(set: &ClassSet) -> u32 {
        (0..SIZE).filter(|&class| set.contains(class)).fold(0, |bits, class| bits | 1 << class)
    }

    #[test]
    fn one_set_alone_behaves_like_its_bits() {
        let all = (1 << SIZE) - 1;
        for (a, set) in subsets() {
            assert_eq!(bits(&set), a);
            assert_eq!(bits(&set.complement(SIZE)), !a & all);
            assert_eq!((set.is_empty(), set.is_all(SIZE)), (a == 0, a == all));
            assert_eq!(set.first(), (a != 0).then(|| a.trailing_zeros()));
            assert_eq!(set.last(), (a != 0).then(|| a.ilog2()));
        }
    }

    #[test]
    fn two_sets_together_behave_like_their_bits() {
        for (a, left) in subsets() {
            for (b, right) in subsets() {
                assert_eq!(bits(&left.union(&right)), a | b);
                assert_eq!(bits(&left.intersection(&right)), a & b);
                assert_eq!(left.meets(&right), a & b != 0);
                assert_eq!(left.covers(&right), a & b == b);
                assert_eq!(left == right, a == b);
                assert_eq!(left.union(&right) == left, left.covers(&right), "equal sets have equal spans");
            }
        }
    }

    #[test]
    fn an_empty_span_is_no_span() {
        assert!(ClassSet::span(3, 3).is_empty());
        assert!(ClassSet::span(4, 3).is_empty());
    }
}
