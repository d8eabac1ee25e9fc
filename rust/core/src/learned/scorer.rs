//! An artifact, laid out for evaluation: the weights of all models for one feature lie in one cache line.
//!
//! Sums are integers, so the order of features and the machine's vector unit change nothing: the same text and artifact
//! give the same bits everywhere. Only the last steps, one division and one straight line per model, are floating.

use super::MAX_MODELS;
use super::artifact::{Artifact, ArtifactError, Knots, ModelFacts};
use super::embedded::{Embedded, EmbeddingError};
use super::features::{Block, Sink, extract};
use super::outline::Outline;

/// Evaluates an artifact. Immutable; shared between fleets and threads.
#[derive(Debug)]
pub struct Scorer {
    artifact: Artifact,
    id: u64,
    table: Table,
    embedded: Option<Embedded>,
}

/// Rows of weights, as wide as the models need.
#[derive(Debug)]
enum Table {
    Few(Box<[Row<8>]>),
    Some(Box<[Row<16>]>),
    Many(Box<[Row<MAX_MODELS>]>),
}

/// Weights of all models for one feature.
#[derive(Clone, Copy, Debug)]
#[repr(align(8))]
struct Row<const N: usize>([i8; N]);

/// What is predicted for one prompt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Quality in [0, 1] by the artifact's models.
    pub qualities: [f32; MAX_MODELS],
    /// Whether the prediction says no more than the means did.
    pub abstains: bool,
    /// Whether it was made of words because no embedding was there for a scorer that reads them.
    pub instead: bool,
}

impl Scorer {
    /// A scorer out of a file.
    ///
    /// # Errors
    /// [`ArtifactError`] naming the first thing that is wrong with it.
    pub fn read(file: &[u8]) -> Result<Self, ArtifactError> {
        let (mut artifact, embedded) = super::embedded::open(file)?;
        let (weights, count) = (std::mem::take(&mut artifact.weights), artifact.models.len());
        let table = match count {
            ..=8 => Table::Few(rows(&weights, count)),
            9..=16 => Table::Some(rows(&weights, count)),
            _ => Table::Many(rows(&weights, count)),
        };
        Ok(Self { artifact, id: super::bytes::checksum(file), table, embedded })
    }

    /// Names the artifact in receipts.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The part that reads embeddings, if it has one.
    #[must_use]
    pub const fn embedded(&self) -> Option<&Embedded> {
        self.embedded.as_ref()
    }

    /// Whether an embedding could be of the model that this scorer was trained on: always, if it reads none.
    ///
    /// # Errors
    /// [`EmbeddingError`] for another dimension, for what is no number, and for a vector without direction.
    pub fn check(&self, embedding: &[f32]) -> Result<(), EmbeddingError> {
        self.embedded.as_ref().map_or(Ok(()), |embedded| embedded.check(embedding))
    }

    /// What there is to say of a request: by its embedding, if the scorer reads them and this is one; else by its text
    /// and what came with it.
    #[must_use]
    pub fn tell(&self, text: Option<&str>, outline: &Outline, embedding: Option<&[f32]>) -> Option<Prediction> {
        if let (Some(embedded), Some(embedding)) = (&self.embedded, embedding)
            && let Some(told) = embedded.predict(embedding)
        {
            return Some(told);
        }
        text.map(|text| Prediction { instead: self.embedded.is_some(), ..self.predict(text, outline) })
    }

    /// What the file says beside its weights.
    #[must_use]
    pub const fn facts(&self) -> &Artifact {
        &self.artifact
    }

    /// The place of a model by its name in the table that was trained on.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<u8> {
        (0..).zip(&self.artifact.models).find(|(_, model)| model.name == name).map(|(place, _)| place)
    }

    /// Predicts the quality of every model's answer to `text`, with `outline` beside it.
    #[must_use]
    pub fn predict(&self, text: &str, outline: &Outline) -> Prediction {
        match &self.table {
            Table::Few(rows) => self.evaluate(text, outline, rows),
            Table::Some(rows) => self.evaluate(text, outline, rows),
            Table::Many(rows) => self.evaluate(text, outline, rows),
        }
    }

    fn evaluate<const N: usize>(&self, text: &str, outline: &Outline, rows: &[Row<N>]) -> Prediction {
        let mut sums = Sums { rows, of: [Sum::NONE; Block::COUNT] };
        extract(text, outline, &self.artifact.spec, &mut sums);
        let mut raw = [0.0; N];
        for (mut sum, scale) in sums.of.into_iter().zip(self.artifact.scales) {
            sum.carry();
            let norm = scale / (sum.count.max(1) as f32).sqrt();
            raw.iter_mut().zip(sum.totals).for_each(|(raw, total)| *raw += norm * total as f32);
        }
        let mut told = Prediction { qualities: [0.0; MAX_MODELS], abstains: true, instead: false };
        for ((quality, raw), model) in told.qualities.iter_mut().zip(raw).zip(&self.artifact.models) {
            *quality = model.quality(raw);
            told.abstains &= (*quality - model.label_mean).abs() < self.artifact.band;
        }
        told
    }
}

impl ModelFacts {
    /// The quality that a sum of weights stands for.
    #[inline]
    fn quality(&self, sum: f32) -> f32 {
        along(&self.knots, self.bias + self.step * sum).unwrap_or(self.label_mean)
    }
}

/// What a raw prediction is worth by a calibration: along its lines, level beyond its ends.
#[inline]
pub(super) fn along(knots: &Knots, raw: f32) -> Option<f32> {
    let after = knots.partition_point(|&(at, _)| at <= raw);
    match (after.checked_sub(1).and_then(|before| knots.get(before)), knots.get(after)) {
        (Some(&(from, low)), Some(&(to, high))) => Some(low + (high - low) * ((raw - from) / (to - from))),
        (Some(&(_, end)), None) | (None, Some(&(_, end))) => Some(end),
        (None, None) => None,
    }
}

/// Takes features and adds up their weights.
struct Sums<'r, const N: usize> {
    rows: &'r [Row<N>],
    of: [Sum<N>; Block::COUNT],
}

/// The sum of one block, for every model. Most of it is added in half words, which is half the work: as many weights
/// as [`Sum::CARRY_EVERY`] fit, whatever they are.
#[derive(Clone, Copy)]
struct Sum<const N: usize> {
    count: u32,
    recent: [i16; N],
    totals: [i32; N],
}

impl<const N: usize> Sum<N> {
    const NONE: Self = Self { count: 0, recent: [0; N], totals: [0; N] };
    const CARRY_EVERY: u32 = 256;

    #[inline]
    fn add(&mut self, Row(weights): &Row<N>) {
        self.recent.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum = sum.wrapping_add(i16::from(weight)));
        self.count += 1;
        if self.count.is_multiple_of(Self::CARRY_EVERY) {
            self.carry();
        }
    }

    fn carry(&mut self) {
        let recent = std::mem::replace(&mut self.recent, [0; N]);
        self.totals.iter_mut().zip(recent).for_each(|(total, sum)| *total += i32::from(sum));
    }
}

impl<const N: usize> Sink for Sums<'_, N> {
    #[inline]
    fn add(&mut self, block: Block, row: u32) {
        if let (Some(sum), Some(row)) = (self.of.get_mut(block as usize), self.rows.get(row as usize)) {
            sum.add(row);
        }
    }
}

fn rows<const N: usize>(weights: &[i8], count: usize) -> Box<[Row<N>]> {
    let row = |weights: &[i8]| {
        let mut row = [0; N];
        row.iter_mut().zip(weights).for_each(|(place, &weight)| *place = weight);
        Row(row)
    };
    weights.chunks(count.max(1)).map(row).collect()
}
