//! The texts that rules name for one attribute, and the class of a value among them.
//!
//! Every named value is a class; every prefix is the class of what begins with it and with no longer one; then there is
//! [`OTHER`] for all the rest and [`ABSENT`]. Texts are numbered in their order, a prefix before what begins with it:
//! what a prefix accepts is then one span, prefixes within prefixes included.
//!
//! Values are looked up by hash. Prefixes are searched by bisection: the greatest known prefix not after the value
//! begins with every known prefix that the value has, so one comparison and a walk over lengths finds the longest. A
//! trie would do the same with more memory and more misses; hashing the value at each known length would be quadratic
//! for those who choose the value. Each step compares at most [`MAX_TEXT_BYTES`] bytes, however long the value.

use std::collections::{BTreeSet, HashMap};

use super::classes::ClassSet;
use super::error::MAX_TEXT_BYTES;
use super::hash::BuildValueHasher;

/// The attribute is not there.
pub(super) const ABSENT: u32 = 0;
/// The attribute has a value that no rule names.
pub(super) const OTHER: u32 = 1;
/// First class of a text that some rule names.
const FIRST_NAMED: u32 = 2;

/// The texts that rules name for one attribute.
#[derive(Debug)]
pub(super) struct TextAxis {
    attribute: Box<str>,
    exact: HashMap<Box<str>, u32, BuildValueHasher>,
    prefixes: Box<[Prefix]>,
    size: u32,
}

/// A prefix that some rule names, in the order of their texts.
#[derive(Debug)]
struct Prefix {
    text: Box<str>,
    class: u32,
    /// First class after those that begin with it.
    end: u32,
    /// The longest known prefix of this prefix.
    within: Option<u32>,
}

impl TextAxis {
    /// The classes of an attribute, given the values and the prefixes that rules name. No prefix may be empty.
    pub(super) fn new(attribute: &str, exact: &BTreeSet<&str>, prefixes: &BTreeSet<&str>) -> Self {
        let prefixes = prefixes.iter().map(|&text| (text, false));
        let exact = exact.iter().map(|&text| (text, true));
        let mut named: Vec<(&str, bool)> = prefixes.chain(exact).collect();
        named.sort_unstable();
        let numbered = || (FIRST_NAMED..).zip(&named);
        let exact = numbered().filter(|(_, (_, is_exact))| *is_exact).map(|(class, (text, _))| ((*text).into(), class));
        Self {
            attribute: attribute.into(),
            exact: exact.collect(),
            prefixes: known_prefixes(&named),
            size: FIRST_NAMED + named.len() as u32,
        }
    }

    pub(super) fn attribute(&self) -> &str {
        &self.attribute
    }

    pub(super) const fn size(&self) -> u32 {
        self.size
    }

    /// The class of a value.
    #[inline]
    pub(super) fn class(&self, value: &str) -> u32 {
        let exact = if value.len() <= MAX_TEXT_BYTES { self.exact.get(value) } else { None };
        match exact {
            Some(&class) => class,
            None if self.prefixes.is_empty() => OTHER,
            None => self.longest_prefix(value).map_or(OTHER, |prefix| prefix.class),
        }
    }

    /// The longest known prefix of a value.
    fn longest_prefix(&self, value: &str) -> Option<&Prefix> {
        let after = self.prefixes.partition_point(|prefix| *prefix.text <= *value);
        let mut prefix = self.prefixes.get(after.checked_sub(1)?)?;
        let shared = shared_bytes(&prefix.text, value);
        while prefix.text.len() > shared {
            prefix = self.prefixes.get(prefix.within? as usize)?;
        }
        Some(prefix)
    }

    /// The classes of some named values.
    pub(super) fn one_of(&self, values: &[String]) -> ClassSet {
        ClassSet::of(values.iter().filter_map(|value| self.exact.get(value.as_str()).copied()))
    }

    /// The classes of all values that begin with a named prefix, or with the empty one.
    pub(super) fn beginning_with(&self, text: &str) -> ClassSet {
        if text.is_empty() {
            return ClassSet::span(OTHER, self.size);
        }
        match self.prefixes.binary_search_by(|prefix| (*prefix.text).cmp(text)) {
            Ok(place) => self.prefixes.get(place).map_or(ClassSet::of([]), |p| ClassSet::span(p.class, p.end)),
            Err(_) => ClassSet::of([]),
        }
    }
}

/// Finds for each prefix among the sorted texts where its classes end and which prefix it lies within.
fn known_prefixes(named: &[(&str, bool)]) -> Box<[Prefix]> {
    let mut known: Vec<Prefix> = Vec::new();
    for (place, &(text, is_exact)) in named.iter().enumerate() {
        if is_exact {
            continue;
        }
        let rest = named.get(place..).unwrap_or_default();
        let class = FIRST_NAMED + place as u32;
        let end = class + rest.partition_point(|(other, _)| other.starts_with(text)) as u32;
        // The one before is either around this one, or beside it within the same.
        let mut within = known.len().checked_sub(1).map(|last| last as u32);
        while let Some(around) = within.and_then(|index| known.get(index as usize)) {
            if text.starts_with(&*around.text) {
                break;
            }
            within = around.within;
        }
        known.push(Prefix { text: text.into(), class, end, within });
    }
    known.into()
}

fn shared_bytes(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_axis(exact: &[&'static str], prefixes: &[&'static str]) -> TextAxis {
        TextAxis::new("env", &exact.iter().copied().collect(), &prefixes.iter().copied().collect())
    }

    #[test]
    fn a_value_is_itself_else_its_longest_prefix_else_other() {
        let axis = text_axis(&["prod", "prod-eu-1", "dev"], &["prod", "prod-eu", "prod-us", "p"]);
        // In order: dev, p*, prod*, prod, prod-eu*, prod-eu-1, prod-us*.
        let table = [
            ("dev", 2),
            ("devel", OTHER),
            ("p", 3),
            ("pro", 3),
            ("prod", 5),
            ("prod-", 4),
            ("prod-eu", 6),
            ("prod-eu-1", 7),
            ("prod-eu-12", 6),
            ("prod-f", 4),
            ("prod-us", 8),
            ("prod-ut", 4),
            ("q", OTHER),
            ("", OTHER),
        ];
        for (value, class) in table {
            assert_eq!(axis.class(value), class, "{value}");
        }
        assert_eq!(axis.beginning_with("prod"), ClassSet::span(4, 9));
        assert_eq!(axis.beginning_with("prod-eu"), ClassSet::span(6, 8));
        assert_eq!(axis.beginning_with("p"), ClassSet::span(3, 9));
        assert_eq!(axis.beginning_with(""), ClassSet::span(OTHER, 9));
    }

    #[test]
    fn values_over_the_longest_are_known_by_their_prefix_only() {
        let longest: &'static str = "p".repeat(MAX_TEXT_BYTES).leak();
        let axis = text_axis(&[longest], &["p"]);
        assert_eq!(axis.class(longest), 3);
        assert_eq!(axis.class(&format!("{longest}p")), 2);
        assert_eq!(axis.class(&"q".repeat(1 << 20)), OTHER);
    }

    #[test]
    fn a_megabyte_is_compared_once_even_among_nested_prefixes() {
        let nested: Vec<&'static str> = (1..=MAX_TEXT_BYTES).map(|length| &*"a".repeat(length).leak()).collect();
        let axis = text_axis(&[], &nested);
        let deepest = axis.longest_prefix(&"a".repeat(1 << 20)).map(|prefix| prefix.text.len());
        assert_eq!(deepest, Some(MAX_TEXT_BYTES));
        let turned = format!("{}{}", "a".repeat(100), "b".repeat(1 << 20));
        assert_eq!(axis.longest_prefix(&turned).map(|prefix| prefix.text.len()), Some(100));
    }
}
