//! Compiled rules against the plain reading of their conditions.

#![allow(clippy::indexing_slicing, reason = "a test that is out of bounds fails, as it should")]

use std::collections::BTreeMap;

use junctor_core::rules::{
    Facts, Flag, MAX_ATTRIBUTES, MAX_DEPTH, MAX_ROWS, MAX_TEXT_BYTES, Number, Predicate, RuleError, RuleSet, Shadow,
};
use proptest::prelude::*;

/// A request made of tables.
#[derive(Clone, Debug, Default)]
struct Request {
    texts: BTreeMap<&'static str, String>,
    numbers: BTreeMap<Number, u64>,
    flags: Vec<Flag>,
}

impl Facts for Request {
    fn text(&self, attribute: &str) -> Option<&str> {
        self.texts.get(attribute).map(String::as_str)
    }
    fn number(&self, number: Number) -> u64 {
        self.numbers.get(&number).copied().unwrap_or(0)
    }
    fn flag(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }
}

impl Request {
    fn tagged(attribute: &'static str, value: &str) -> Self {
        Self { texts: [(attribute, value.to_owned())].into(), ..Self::default() }
    }
}

fn text(attribute: &str, values: &[&str]) -> Predicate {
    Predicate::Text { attribute: attribute.into(), one_of: values.iter().map(|&value| value.into()).collect() }
}

fn prefix(attribute: &str, prefix: &str) -> Predicate {
    Predicate::Prefix { attribute: attribute.into(), prefix: prefix.into() }
}

fn tokens(min: impl Into<Option<u64>>, max: impl Into<Option<u64>>) -> Predicate {
    Predicate::Number { number: Number::InputTokens, min: min.into(), max: max.into() }
}

fn all_matches(rules: &RuleSet, facts: &Request) -> Vec<usize> {
    let mut matches = Vec::new();
    rules.for_each_match(facts, |rule| matches.push(rule));
    matches
}

fn plain_matches(predicates: &[Predicate], facts: &Request) -> Vec<usize> {
    (0..predicates.len()).filter(|&rule| predicates[rule].matches(facts)).collect()
}

// Few words and few bounds, so that random rules and requests often meet at the edges.
const ATTRIBUTES: [&str; 3] = ["task", "env", "model"];
const TEXTS: [&str; 9] = ["", "a", "ab", "abc", "abd", "b", "ba", "é", "z"];
const EDGES: [u64; 8] = [0, 1, 2, 499, 500, 501, u64::MAX - 1, u64::MAX];
const FLAGS: [Flag; 3] = [Flag::Tools, Flag::Images, Flag::Logprobs];

fn condition() -> impl Strategy<Value = Predicate> {
    let attribute = || prop::sample::select(&ATTRIBUTES[..]).prop_map(String::from);
    let word = || prop::sample::select(&TEXTS[..]).prop_map(String::from);
    let edge = || prop::option::of(prop::sample::select(&EDGES[..]));
    prop_oneof![
        1 => Just(Predicate::Always),
        4 => (attribute(), prop::collection::vec(word(), 0..4))
            .prop_map(|(attribute, one_of)| Predicate::Text { attribute, one_of }),
        4 => (attribute(), word()).prop_map(|(attribute, prefix)| Predicate::Prefix { attribute, prefix }),
        2 => (attribute(), any::<bool>()).prop_map(|(attribute, present)| Predicate::Present { attribute, present }),
        4 => (prop::sample::select(&Number::ALL[..2]), edge(), edge())
            .prop_map(|(number, min, max)| Predicate::Number { number, min, max }),
        2 => (prop::sample::select(&FLAGS[..]), any::<bool>()).prop_map(|(flag, is)| Predicate::Flag { flag, is }),
    ]
}

fn predicate() -> impl Strategy<Value = Predicate> {
    condition().prop_recursive(4, 12, 3, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            some().prop_map(Predicate::All),
            some().prop_map(Predicate::Any),
            inner.prop_map(|part| Predicate::Not(Box::new(part))),
        ]
    })
}

fn request() -> impl Strategy<Value = Request> {
    // Words that rules name, words that go on after those, and words they do not know.
    let word = (prop::sample::select(&TEXTS[..]), prop::sample::select(&["", "", "c", "q", "\0"][..]));
    let value = prop::option::of(word.prop_map(|(start, end)| format!("{start}{end}")));
    let number = prop_oneof![prop::sample::select(&EDGES[..]), 0..600_u64, any::<u64>()];
    (
        prop::collection::vec(value, ATTRIBUTES.len()),
        prop::collection::vec(number, Number::ALL.len()),
        prop::sample::subsequence(&FLAGS[..], 0..=FLAGS.len()),
    )
        .prop_map(|(values, numbers, flags)| Request {
            texts: ATTRIBUTES.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect(),
            numbers: Number::ALL.into_iter().zip(numbers).collect(),
            flags,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_compiled_rules_say_what_the_conditions_say(
        predicates in prop::collection::vec(predicate(), 0..12),
        requests in prop::collection::vec(request(), 40),
    ) {
        let few = RuleSet::compile(&predicates).unwrap();
        prop_assert_eq!(few.len(), predicates.len());
        // More rules than one word holds are matched in another way.
        let nobodys = (0..65).map(|n| text("nobody", &[&n.to_string()]));
        let many = RuleSet::compile(&predicates.iter().cloned().chain(nobodys).collect::<Vec<_>>()).unwrap();
        for (rules, request) in [&few, &many].into_iter().flat_map(|rules| requests.iter().map(move |it| (rules, it))) {
            let plain = plain_matches(&predicates, request);
            prop_assert_eq!(rules.first_match(request), plain.first().copied(), "{:?}", request);
            prop_assert_eq!(all_matches(rules, request), plain, "{:?}", request);
        }
    }

    #[test]
    fn a_shadowed_rule_is_never_first_and_its_owners_hold_wherever_it_does(
        predicates in prop::collection::vec(predicate(), 1..12),
        requests in prop::collection::vec(request(), 60),
    ) {
        let shadowed = RuleSet::compile(&predicates).unwrap().shadowed();
        for request in &requests {
            let plain = plain_matches(&predicates, request);
            for Shadow { rule, by } in &shadowed {
                prop_assert_ne!(plain.first(), Some(rule));
                prop_assert!(!plain.contains(rule) || by.iter().any(|owner| plain.contains(owner)));
                prop_assert!(by.iter().all(|owner| owner < rule));
            }
        }
    }

    /// Enough rules for several groups and blocks: the small alphabet alone never gets there.
    #[test]
    fn many_rules_in_several_groups_match_as_few_do(
        picks in prop::collection::vec((0..6_usize, 0..40_u32, 0..40_u64), 500..6_000),
        probes in prop::collection::vec((0..45_u32, 0..45_u32, 0..45_u64), 20),
    ) {
        let predicates: Vec<Predicate> = picks.iter().map(|&(kind, word, number)| mixed_rule(kind, word, number)).collect();
        let rules = RuleSet::compile(&predicates).unwrap();
        for (task, tenant, number) in probes {
            let request = Request {
                texts: [("task", format!("t{task}")), ("tenant", format!("t{tenant}"))].into(),
                numbers: [(Number::InputTokens, number)].into(),
                flags: vec![],
            };
            let plain = plain_matches(&predicates, &request);
            prop_assert_eq!(rules.first_match(&request), plain.first().copied());
            prop_assert_eq!(all_matches(&rules, &request), plain);
        }
    }
}

fn mixed_rule(kind: usize, word: u32, number: u64) -> Predicate {
    let task = text("task", &[&format!("t{word}")]);
    let tenant = text("tenant", &[&format!("t{number}")]);
    match kind {
        0 => Predicate::All(vec![task, tenant, tokens(number, number + 1)]),
        1 => Predicate::All(vec![tenant, tokens(None, 3)]),
        2 => Predicate::All(vec![Predicate::Not(Box::new(prefix("task", "t"))), tenant]),
        3 => Predicate::All(vec![Predicate::Any(vec![task, tokens(number, number)]), tokens(30, None)]),
        4 => Predicate::All(vec![tokens(40, None), Predicate::Flag { flag: Flag::Tools, is: true }]),
        _ => Predicate::All(vec![task, prefix("tenant", &format!("t{}", number % 10)), tokens(20, 21)]),
    }
}

/// Every request of a small world. "aa" begins with "a" without being one of the words that rules name.
fn small_world() -> Vec<Request> {
    const VALUES: [Option<&str>; 5] = [None, Some("a"), Some("ab"), Some("aa"), Some("q")];
    const NUMBERS: [u64; 5] = [498, 499, 500, 501, 502];
    let request = |n: usize| {
        let texts = [("task", VALUES[n % 5]), ("env", VALUES[n / 5 % 5])];
        let flags = [(Flag::Tools, n / 125 % 2), (Flag::Images, n / 250)];
        Request {
            texts: texts.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))).collect(),
            numbers: [(Number::InputTokens, NUMBERS[n / 25 % 5])].into(),
            flags: flags.into_iter().filter_map(|(flag, is)| (is == 1).then_some(flag)).collect(),
        }
    };
    (0..500).map(request).collect()
}

fn small_condition() -> impl Strategy<Value = Predicate> {
    let attribute = || prop::sample::select(&ATTRIBUTES[..2]);
    let bound = || prop::option::of(prop::sample::select(&[499_u64, 500, 501][..]));
    prop_oneof![
        (attribute(), prop::sample::subsequence(&["a", "ab"][..], 1..=2))
            .prop_map(|(name, values)| text(name, &values)),
        attribute().prop_map(|name| prefix(name, "a")),
        (attribute(), any::<bool>()).prop_map(|(name, present)| Predicate::Present { attribute: name.into(), present }),
        (bound(), bound()).prop_map(|(min, max)| tokens(min, max)),
        (prop::sample::select(&FLAGS[..2]), any::<bool>()).prop_map(|(flag, is)| Predicate::Flag { flag, is }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// In a world this small every class has a request and every cut is looked at, so both directions hold.
    #[test]
    fn in_a_small_world_exactly_the_rules_that_are_never_first_are_shadowed(
        predicates in prop::collection::vec(
            small_condition().prop_recursive(2, 5, 3, |inner| prop_oneof![
                prop::collection::vec(inner.clone(), 1..3).prop_map(Predicate::All),
                prop::collection::vec(inner.clone(), 1..3).prop_map(Predicate::Any),
                inner.prop_map(|part| Predicate::Not(Box::new(part))),
            ]),
            1..8,
        ),
    ) {
        let mut is_first = vec![false; predicates.len()];
        let mut holds = vec![false; predicates.len()];
        for plain in small_world().iter().map(|request| plain_matches(&predicates, request)) {
            plain.first().into_iter().for_each(|&rule| is_first[rule] = true);
            plain.into_iter().for_each(|rule| holds[rule] = true);
        }
        let never_first: Vec<usize> = (0..predicates.len()).filter(|&rule| !is_first[rule]).collect();
        let shadowed = RuleSet::compile(&predicates).unwrap().shadowed();
        prop_assert_eq!(shadowed.iter().map(|shadow| shadow.rule).collect::<Vec<_>>(), never_first);
        for Shadow { rule, by } in shadowed {
            prop_assert_eq!(by.is_empty(), !holds[rule], "only what never holds has no owner");
        }
    }
}

#[test]
fn the_last_of_ten_thousand_rules_is_found() {
    let mut predicates: Vec<Predicate> = (0..9_999)
        .map(|n| Predicate::All(vec![text("tenant", &[&format!("tenant-{n}")]), tokens(n % 100, n % 100 + 500)]))
        .collect();
    predicates.push(text("tenant", &["last"]));
    let rules = RuleSet::compile(&predicates).unwrap();
    assert_eq!(rules.first_match(&Request::tagged("tenant", "last")), Some(9_999));
    assert_eq!(all_matches(&rules, &Request::tagged("tenant", "last")), [9_999]);
    assert_eq!(rules.first_match(&Request::tagged("tenant", "nobody")), None);
    let mut request = Request::tagged("tenant", "tenant-7654");
    assert_eq!(rules.first_match(&request), None);
    request.numbers.insert(Number::InputTokens, 54);
    assert_eq!(rules.first_match(&request), Some(7_654));
    assert_eq!(rules.shadowed(), []);
}

#[test]
fn every_one_of_ten_thousand_matching_rules_is_visited_in_order() {
    let open =
        |n: u64| if n.is_multiple_of(3) { tokens(None, n) } else { text("tenant", &["everyone", &n.to_string()]) };
    let rules = RuleSet::compile(&(0..10_000).map(open).collect::<Vec<_>>()).unwrap();
    assert!(all_matches(&rules, &Request::tagged("tenant", "everyone")).into_iter().eq(0..10_000));
    assert!(all_matches(&rules, &Request::default()).into_iter().eq((0..10_000).step_by(3)));
}

#[test]
fn matches_far_apart_are_visited_across_words_and_summaries() {
    let far = [5, 4_000, 4_095, 4_100, 8_191, 8_192, 9_999];
    let rule = |n: usize| text("tenant", &[if far.contains(&n) { "some" } else { "none" }]);
    let rules = RuleSet::compile(&(0..10_000).map(rule).collect::<Vec<_>>()).unwrap();
    assert_eq!(all_matches(&rules, &Request::tagged("tenant", "some")), far);
    assert_eq!(all_matches(&rules, &Request::tagged("tenant", "none")).len(), 10_000 - far.len());
}

#[test]
fn no_rules_and_only_open_rules_work() {
    let none = RuleSet::compile(&[]).unwrap();
    assert_eq!((none.len(), none.is_empty(), none.first_match(&Request::default())), (0, true, None));
    assert_eq!(RuleSet::default().first_match(&Request::default()), None);
    let open = RuleSet::compile(&vec![Predicate::Always; 100]).unwrap();
    assert_eq!(open.first_match(&Request::default()), Some(0));
    assert_eq!(all_matches(&open, &Request::default()), (0..100).collect::<Vec<_>>());
    assert_eq!(open.shadowed().len(), 99);
}

#[test]
fn attributes_are_the_names_that_rules_ask_for() {
    let inner = Predicate::Any(vec![prefix("team", "a"), tokens(1, 2)]);
    let predicates = [Predicate::Not(Box::new(inner)), text("model", &["auto"]), text("env", &[])];
    let rules = RuleSet::compile(&predicates).unwrap();
    assert_eq!(rules.attributes().collect::<Vec<_>>(), ["env", "model", "team"]);
}

#[test]
fn a_megabyte_tag_is_compared_once_with_the_prefixes() {
    let longest = "a".repeat(MAX_TEXT_BYTES);
    let nested = (1..=MAX_TEXT_BYTES).rev().map(|length| prefix("tag", &longest[..length]));
    let predicates: Vec<Predicate> = std::iter::once(text("tag", &[&longest])).chain(nested).collect();
    let rules = RuleSet::compile(&predicates).unwrap();
    assert_eq!(rules.first_match(&Request::tagged("tag", &longest)), Some(0));
    assert_eq!(rules.first_match(&Request::tagged("tag", &"a".repeat(1 << 20))), Some(1));
    assert_eq!(rules.first_match(&Request::tagged("tag", &format!("a{}", "b".repeat(1 << 20)))), Some(MAX_TEXT_BYTES));
    assert_eq!(rules.first_match(&Request::tagged("tag", &"b".repeat(1 << 20))), None);
}

/// A shadowed rule and its owners.
type Owned = (usize, Vec<usize>);

#[test]
fn shadows_name_their_owners() {
    let not = |part| Predicate::Not(Box::new(part));
    let free = || text("tier", &["free"]);
    let table: Vec<(&str, Vec<Predicate>, Vec<Owned>)> = vec![
        ("a copy", vec![free(), free()], vec![(1, vec![0])]),
        ("a catch-all too high up", vec![Predicate::Always, free(), tokens(1, 2)], vec![(1, vec![0]), (2, vec![0])]),
        ("a narrower range", vec![tokens(None, 499), tokens(10, 20)], vec![(1, vec![0])]),
        ("a wider range is not", vec![tokens(10, 20), tokens(None, 499)], vec![]),
        ("two ranges together", vec![tokens(None, 99), tokens(100, None), free()], vec![(2, vec![0, 1])]),
        ("a gap of one", vec![tokens(None, 99), tokens(101, None), free()], vec![]),
        ("a prefix within a prefix", vec![prefix("env", "prod"), prefix("env", "prod-eu")], vec![(1, vec![0])]),
        ("a value within a prefix", vec![prefix("env", "prod"), text("env", &["prod-1", "prod"])], vec![(1, vec![0])]),
        ("the empty prefix is presence", vec![prefix("env", ""), text("env", &["x"])], vec![(1, vec![0])]),
        ("it and its opposite", vec![free(), not(free()), Predicate::Always], vec![(2, vec![0, 1])]),
        (
            "alternatives owned apart",
            vec![free(), tokens(5, 6), Predicate::Any(vec![tokens(5, 5), free()])],
            vec![(2, vec![0, 1])],
        ),
        ("bounds that cross", vec![tokens(500, 499)], vec![(0, vec![])]),
        ("bounds that cross, negated", vec![not(tokens(500, 499)), free()], vec![(1, vec![0])]),
        ("one of nothing", vec![text("env", &[])], vec![(0, vec![])]),
        ("any of nothing", vec![Predicate::Any(vec![])], vec![(0, vec![])]),
        ("two values at once", vec![Predicate::All(vec![free(), text("tier", &["paid"])])], vec![(0, vec![])]),
        (
            "both flags",
            vec![
                Predicate::Flag { flag: Flag::Tools, is: true },
                Predicate::Flag { flag: Flag::Tools, is: false },
                free(),
            ],
            vec![(2, vec![0, 1])],
        ),
    ];
    for (name, predicates, expected) in table {
        let found = RuleSet::compile(&predicates).unwrap().shadowed();
        let found: Vec<_> = found.into_iter().map(|shadow| (shadow.rule, shadow.by)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn ten_thousand_rules_are_searched_for_shadows() {
    let mut predicates: Vec<Predicate> =
        (0..10_000).map(|n| text("tenant", &[&format!("tenant-{}", n % 9_000)])).collect();
    predicates.push(Predicate::Always);
    let shadowed = RuleSet::compile(&predicates).unwrap().shadowed();
    assert_eq!(shadowed.len(), 1_000);
    assert!(shadowed.iter().all(|shadow| shadow.by == [shadow.rule - 9_000]));
}

#[test]
fn alternatives_that_are_one_set_do_not_multiply() {
    let wide = |name: &str| Predicate::Any((0..100).map(|n| text(name, &[&n.to_string()])).collect());
    let names: Vec<String> = (0..8).map(|n| format!("tag{n}")).collect();
    let rules = RuleSet::compile(&[Predicate::All(names.iter().map(|name| wide(name)).collect())]);
    assert!(rules.is_ok());
}

/// A rule of `n` tags, each of which may instead be few tokens: the two axes multiply.
fn multiplying(n: u32) -> Predicate {
    let either = |n: u32| Predicate::Any(vec![text(&format!("tag{n}"), &["a"]), text(&format!("tag{n}b"), &["a"])]);
    Predicate::All((0..n).map(either).collect())
}

#[test]
fn limits_are_refused_with_rule_size_range_and_hint() {
    let nested = |depth| (0..depth).fold(tokens(1, 2), |inner, _| Predicate::Not(Box::new(inner)));
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    let table: Vec<(Vec<Predicate>, &str)> = vec![
        (
            vec![nested(MAX_DEPTH), nested(MAX_DEPTH + 1)],
            "rule 1: conditions are nested 9 deep, allowed are 0 to 8; \
             join an all inside an all, an any inside an any",
        ),
        (
            vec![text("team", &["a", &long])],
            "rule 0: a text for attribute \"team\" has 4097 bytes, allowed are 0 to 4096; match on a prefix of it",
        ),
        (
            (0..=MAX_ATTRIBUTES).map(|n| text(&format!("tag{n}"), &["a"])).collect(),
            "rule 48: with attribute \"tag48\" the rules ask about 49 attributes, allowed are 0 to 48; \
             fold rare ones into one tag",
        ),
        (
            vec![Predicate::Always, multiplying(6), multiplying(7)],
            "rule 2: its condition unfolds into up to 128 alternatives, allowed are 0 to 64; \
             split it into several rules, or list the values of one attribute in one condition",
        ),
        (
            vec![multiplying(6); MAX_ROWS / 64 + 1],
            "rule 1024: with it the rules unfold into 65600 alternatives, allowed are 0 to 65536; \
             use fewer rules or fewer any",
        ),
    ];
    for (predicates, message) in table {
        let error = RuleSet::compile(&predicates).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(error.rule().is_some());
    }
    assert_eq!(
        RuleError::TooLarge.to_string(),
        "the rules need more than 134217728 bytes of bitmaps; \
         use fewer distinct ranges of numbers, or fewer values negated by not"
    );
}
