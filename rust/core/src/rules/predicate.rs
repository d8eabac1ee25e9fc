//! A condition as closed data, and its meaning.
//!
//! Conditions come from config files, so they are data and never code: a rule can be checked, explained and proven
//! unreachable. The JSON form has one shape per kind of condition, told apart by its keys. serde's own "untagged"
//! reading would do, but it answers every mistake with "did not match any variant"; here the keys are read into one
//! flat struct first and a wrong combination is named together with the shapes that exist.
//!
//! [`Predicate::matches`] is the meaning of a condition, written the plain way. Routing uses the compiled
//! [`RuleSet`](super::RuleSet); the tests hold the two together and explanations use this one.

use serde::Deserialize;

use super::facts::{Facts, Flag, Number};

/// A condition on a request.
///
/// ```
/// # use junctor_core::rules::Predicate;
/// let json = r#"{"all": [{"attribute": "task", "one_of": ["chat"]}, {"number": "input_tokens", "max": 499}]}"#;
/// assert!(matches!(serde_json::from_str(json).unwrap(), Predicate::All(parts) if parts.len() == 2));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Spec")]
pub enum Predicate {
    /// Holds for every request: `{}`.
    #[default]
    Always,
    /// All of them hold; an empty list holds always.
    All(Vec<Predicate>),
    /// At least one of them holds; an empty list never holds.
    Any(Vec<Predicate>),
    /// It does not hold.
    Not(Box<Predicate>),
    /// The attribute is there and has one of these values, byte for byte.
    Text {
        /// Name of the attribute.
        attribute: String,
        /// The accepted values.
        one_of: Vec<String>,
    },
    /// The attribute is there and its value begins with this.
    Prefix {
        /// Name of the attribute.
        attribute: String,
        /// What the value begins with.
        prefix: String,
    },
    /// The attribute is there, or is not.
    Present {
        /// Name of the attribute.
        attribute: String,
        /// True asks that it is there, false that it is absent.
        present: bool,
    },
    /// The number lies within both bounds; a missing bound does not bind.
    Number {
        /// Which number.
        number: Number,
        /// The smallest accepted value.
        min: Option<u64>,
        /// The largest accepted value.
        max: Option<u64>,
    },
    /// The flag is set, or is not.
    Flag {
        /// Which flag.
        flag: Flag,
        /// True asks that it is set.
        is: bool,
    },
}

impl Predicate {
    /// Whether the condition asks about the attribute called `name`, anywhere in it.
    #[must_use]
    pub fn mentions(&self, name: &str) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.mentions(name)),
            Self::Not(part) => part.mentions(name),
            Self::Text { attribute, .. } | Self::Prefix { attribute, .. } | Self::Present { attribute, .. } => {
                attribute == name
            }
            Self::Always | Self::Number { .. } | Self::Flag { .. } => false,
        }
    }

    /// Whether the condition holds, evaluated the plain way.
    ///
    /// It recurses as deep as the condition is nested and looks at every value; see [`RuleSet`](super::RuleSet) for
    /// the way that routing takes.
    pub fn matches(&self, facts: &impl Facts) -> bool {
        match self {
            Self::Always => true,
            Self::All(parts) => parts.iter().all(|part| part.matches(facts)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(facts)),
            Self::Not(part) => !part.matches(facts),
            Self::Text { attribute, one_of } => {
                facts.text(attribute).is_some_and(|value| one_of.iter().any(|accepted| accepted == value))
            }
            Self::Prefix { attribute, prefix } => {
                facts.text(attribute).is_some_and(|value| value.starts_with(prefix.as_str()))
            }
            Self::Present { attribute, present } => facts.text(attribute).is_some() == *present,
            Self::Number { number, min, max } => {
                let value = facts.number(*number);
                min.is_none_or(|min| min <= value) && max.is_none_or(|max| value <= max)
            }
            Self::Flag { flag, is } => facts.flag(*flag) == *is,
        }
    }

    /// The conditions directly inside this one.
    pub(super) fn parts(&self) -> &[Self] {
        match self {
            Self::All(parts) | Self::Any(parts) => parts,
            Self::Not(part) => std::slice::from_ref(part),
            _ => &[],
        }
    }
}

/// A condition as typed: any of the known keys, in any combination.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    all: Option<Vec<Predicate>>,
    any: Option<Vec<Predicate>>,
    not: Option<Box<Predicate>>,
    attribute: Option<String>,
    one_of: Option<Vec<String>>,
    prefix: Option<String>,
    present: Option<bool>,
    number: Option<Number>,
    min: Option<u64>,
    max: Option<u64>,
    flag: Option<Flag>,
    is: Option<bool>,
}

const SHAPES: &str = "{} | {all} | {any} | {not} | {attribute, one_of} | {attribute, prefix} | {attribute, present} | \
                      {number, min, max} | {flag, is}";

impl Spec {
    /// The keys that were given, in the order of the struct.
    fn keys(&self) -> Vec<&'static str> {
        let given = [
            ("all", self.all.is_some()),
            ("any", self.any.is_some()),
            ("not", self.not.is_some()),
            ("attribute", self.attribute.is_some()),
            ("one_of", self.one_of.is_some()),
            ("prefix", self.prefix.is_some()),
            ("present", self.present.is_some()),
            ("number", self.number.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("flag", self.flag.is_some()),
            ("is", self.is.is_some()),
        ];
        given.into_iter().filter_map(|(key, is_given)| is_given.then_some(key)).collect()
    }
}

impl TryFrom<Spec> for Predicate {
    type Error = String;

    fn try_from(spec: Spec) -> Result<Self, String> {
        let keys = spec.keys();
        let Spec { attribute, number, min, max, .. } = spec;
        let known = match keys.as_slice() {
            [] => Some(Self::Always),
            ["all"] => spec.all.map(Self::All),
            ["any"] => spec.any.map(Self::Any),
            ["not"] => spec.not.map(Self::Not),
            ["attribute", "one_of"] => {
                attribute.zip(spec.one_of).map(|(attribute, one_of)| Self::Text { attribute, one_of })
            }
            ["attribute", "prefix"] => {
                attribute.zip(spec.prefix).map(|(attribute, prefix)| Self::Prefix { attribute, prefix })
            }
            ["attribute", "present"] => {
                attribute.zip(spec.present).map(|(attribute, present)| Self::Present { attribute, present })
            }
            ["number"] | ["number", "min"] | ["number", "max"] | ["number", "min", "max"] => {
                number.map(|number| Self::Number { number, min, max })
            }
            ["flag", "is"] => spec.flag.zip(spec.is).map(|(flag, is)| Self::Flag { flag, is }),
            _ => None,
        };
        known.ok_or_else(|| format!("no condition has the keys {{{}}}; known are {SHAPES}", keys.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Predicate, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_shape_is_read() {
        let task = || "task".to_owned();
        let table = [
            ("{}", Predicate::Always),
            (r#"{"all": [{}]}"#, Predicate::All(vec![Predicate::Always])),
            (r#"{"any": []}"#, Predicate::Any(vec![])),
            (r#"{"not": {}}"#, Predicate::Not(Box::new(Predicate::Always))),
            (
                r#"{"attribute": "task", "one_of": ["a"]}"#,
                Predicate::Text { attribute: task(), one_of: vec!["a".into()] },
            ),
            (r#"{"prefix": "x", "attribute": "task"}"#, Predicate::Prefix { attribute: task(), prefix: "x".into() }),
            (r#"{"attribute": "task", "present": false}"#, Predicate::Present { attribute: task(), present: false }),
            (
                r#"{"number": "input_tokens", "min": null, "max": 499}"#,
                Predicate::Number { number: Number::InputTokens, min: None, max: Some(499) },
            ),
            (
                r#"{"number": "prompt_chars", "min": 18446744073709551615}"#,
                Predicate::Number { number: Number::PromptChars, min: Some(u64::MAX), max: None },
            ),
            (
                r#"{"number": "output_tokens"}"#,
                Predicate::Number { number: Number::OutputTokens, min: None, max: None },
            ),
            (r#"{"flag": "parallel_tools", "is": true}"#, Predicate::Flag { flag: Flag::ParallelTools, is: true }),
        ];
        for (json, expected) in table {
            assert_eq!(read(json), Ok(expected), "{json}");
        }
    }

    #[test]
    fn a_wrong_shape_is_named_with_the_known_ones() {
        let shapes = "known are {} | {all} | {any} | {not} | {attribute, one_of} | {attribute, prefix} | \
                      {attribute, present} | {number, min, max} | {flag, is}";
        let table = [
            (r#"{"attribute": "task"}"#, "{attribute}"),
            (r#"{"attribute": "task", "prefix": "a", "one_of": []}"#, "{attribute, one_of, prefix}"),
            (r#"{"flag": "tools"}"#, "{flag}"),
            (r#"{"min": 3}"#, "{min}"),
            (r#"{"any": [], "all": []}"#, "{all, any}"),
            (r#"{"not": {"is": true}}"#, "{is}"),
        ];
        for (json, keys) in table {
            let message = read(json).unwrap_err();
            assert!(message.starts_with(&format!("no condition has the keys {keys}; {shapes}")), "{message}");
        }
    }

    #[test]
    fn unknown_words_and_types_are_errors() {
        let table = [
            (r#"{"attribut": "task"}"#, "unknown field `attribut`, expected one of `all`, `any`, `not`, `attribute`,"),
            (r#"{"flag": "tool", "is": true}"#, "unknown variant `tool`, expected one of `tools`, `parallel_tools`,"),
            (r#"{"number": "tokens"}"#, "unknown variant `tokens`, expected one of `input_tokens`, `output_tokens`,"),
            (r#"{"number": "input_tokens", "max": -1}"#, "invalid value: integer `-1`, expected u64"),
            (r#"{"number": "input_tokens", "max": "9"}"#, "invalid type: string \"9\", expected u64"),
            (r#""always""#, "invalid type: string \"always\", expected struct Spec"),
        ];
        for (json, start) in table {
            let message = read(json).unwrap_err();
            assert!(message.starts_with(start), "{message}");
        }
    }
}
