//! Factors: a prompt's embedding, projected to a few numbers, times as many numbers of each model.
//!
//! ```text
//! rank u8 · per factor: step f32 · per model: bias f32, rank × f32 · projection i8: rank × dimension
//! ```
//!
//! What the models have in common is in the projection, which all their answers train; what is each model's own is a
//! handful of numbers. With as many factors as models it is a linear regression for each of them.

use super::dot::Query;
use crate::learned::MAX_MODELS;
use crate::learned::artifact::{ArtifactError, part, within};
use crate::learned::bytes::Bytes;

/// Most factors: more than models tells nothing more.
pub const MAX_RANK: usize = MAX_MODELS;
/// What is allowed of every number.
const LARGEST: f32 = 1e6;

/// A projection and the models' factors.
#[derive(Clone, Debug, PartialEq)]
pub struct Factors {
    /// What one unit of a row of the projection stands for.
    pub steps: Vec<f32>,
    /// Raw prediction of each model for an average prompt.
    pub biases: Vec<f32>,
    /// Model by model, as many numbers as steps.
    pub factors: Vec<f32>,
    /// Factor by factor, as many numbers as an embedding has.
    pub projection: Vec<i8>,
}

impl Factors {
    pub(super) fn write(&self, body: &mut Vec<u8>) {
        body.push(self.steps.len() as u8);
        body.extend(self.steps.iter().copied().flat_map(f32::to_le_bytes));
        let rank = self.steps.len().max(1);
        for (bias, factors) in self.biases.iter().zip(self.factors.chunks(rank)) {
            body.extend(bias.to_le_bytes());
            body.extend(factors.iter().copied().flat_map(f32::to_le_bytes));
        }
        body.extend(self.projection.iter().map(|number| number.cast_unsigned()));
    }

    pub(super) fn read(body: &mut Bytes<'_>, dimension: usize, models: usize) -> Option<Self> {
        let rank = usize::from(body.u8()?);
        let steps = (0..rank).map(|_| body.f32()).collect::<Option<_>>()?;
        let (mut biases, mut factors) = (Vec::with_capacity(models), Vec::with_capacity(models * rank));
        for _ in 0..models {
            biases.push(body.f32()?);
            for _ in 0..rank {
                factors.push(body.f32()?);
            }
        }
        let projection = body.take(rank * dimension)?.iter().map(|byte| byte.cast_signed()).collect();
        Some(Self { steps, biases, factors, projection })
    }

    pub(super) fn check(&self, dimension: usize, models: usize) -> Result<(), ArtifactError> {
        let rank = self.steps.len();
        if !(1..=MAX_RANK).contains(&rank) {
            return Err(part("number of factors", rank.to_string(), "1 to 32"));
        }
        let sizes = [self.biases.len(), self.factors.len(), self.projection.len()];
        if sizes != [models, models * rank, rank * dimension] {
            let allowed = "a bias and a factor of each kind for each model, and a row for each kind";
            return Err(part("list of factors", format!("{sizes:?}"), allowed));
        }
        let all = [("step", &self.steps), ("bias", &self.biases), ("factor", &self.factors)];
        let mut each = all.into_iter().flat_map(|(name, numbers)| numbers.iter().map(move |&number| (name, number)));
        let allowed = "a number from -1,000,000 to 1,000,000";
        each.try_for_each(|(name, number)| within(&format!("{name} of embeddings"), number, -LARGEST, LARGEST, allowed))
    }

    /// What the factors say of each model.
    pub(super) fn raw(&self, query: &Query, raw: &mut [f32; MAX_MODELS]) {
        let rank = self.steps.len().max(1);
        let width = self.projection.len() / rank;
        let mut seen = [0.0_f32; MAX_RANK];
        let rows = self.projection.chunks_exact(width.max(1)).zip(&self.steps);
        seen.iter_mut().zip(rows).for_each(|(seen, (row, step))| *seen = step * query.dot(row));
        for ((raw, bias), factors) in raw.iter_mut().zip(&self.biases).zip(self.factors.chunks(rank)) {
            *raw = factors.iter().zip(seen).fold(*bias, |sum, (factor, seen)| sum + factor * seen);
        }
    }
}
