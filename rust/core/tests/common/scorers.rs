//! Artifacts made by hand, for tests of what uses them.

use junctor_core::learned::Outline;
use junctor_core::learned::artifact::{Artifact, ModelFacts};
use junctor_core::learned::features::{Block, FeatureSpec, Sink, extract};
use junctor_core::learned::outline::Fields;

/// Features in a small table.
pub const SPEC: FeatureSpec = FeatureSpec { bits: 10, pairs: true, grams: (4, 4), fields: Fields::NONE };

/// Takes features and keeps them.
#[derive(Default, Debug, PartialEq, Clone)]
pub struct All(pub Vec<(u8, u32)>);

impl Sink for All {
    fn add(&mut self, block: Block, row: u32) {
        self.0.push((block as u8, row));
    }
}

/// The features of a text.
pub fn rows(text: &str, spec: &FeatureSpec) -> Vec<(u8, u32)> {
    let mut all = All::default();
    extract(text, &Outline::PLAIN, spec, &mut all);
    all.0
}

/// A scorer that knows one word: `hard` is bad for the small model and does not move the large one.
pub fn artifact(names: &[&str]) -> Artifact {
    let spec = SPEC;
    let hard = rows("hard", &FeatureSpec { grams: (0, 0), ..spec })[0].1 as usize;
    let model = |(place, name): (usize, &&str)| ModelFacts {
        name: (*name).to_owned(),
        label_mean: if place == 0 { 0.7 } else { 0.8 },
        bias: if place == 0 { 0.7 } else { 0.8 },
        step: 0.01,
        knots: [(0.0, 0.0), (1.0, 1.0)].into_iter().collect(),
    };
    let mut weights = vec![0; spec.rows() * names.len()];
    weights[hard * names.len()] = -60;
    Artifact {
        spec,
        scales: [1.0, 0.0, 0.0, 0.0],
        band: 0.02,
        rows: 1_000,
        day: 20_000,
        models: names.iter().enumerate().map(model).collect(),
        weights,
    }
}

/// Bytes as a compiled fleet holds them.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = group.iter().chain(&[0; 2]).take(3).fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        let letters = (0..4).map(|place| LETTERS[bits >> (18 - 6 * place) & 63] as char);
        letters.take(group.len() + 1).chain("==".chars()).take(4).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}
