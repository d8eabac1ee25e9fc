//! Nearest prompts: the qualities of the prompts that were most alike, weighted by how alike, held back by the mean.
//!
//! ```text
//! nearest u16 · sharpness u8 · zero u8 · smoothing f32 · count u32
//! vectors i8: count × dimension · qualities u8: count × models, in 254ths, 255 for not measured
//! ```
//!
//! A prompt of cosine `c` weighs `((1 + c) / 2)` to the power of two to the `sharpness`: 1 if it points the same way, next
//! to nothing if it does not, so that a prompt unlike all others gets the means. `smoothing` is what the mean weighs.
//! Every vector is looked at. An index would save time at a hundred thousand of them, for which the file has no room.

use arrayvec::ArrayVec;

use super::dot::{Query, inverse_length};
use crate::learned::MAX_MODELS;
use crate::learned::artifact::{ArtifactError, part, within};
use crate::learned::bytes::Bytes;

/// Most neighbours that are asked.
pub const MAX_NEAREST: usize = 128;
/// Bytes that vectors may take: some thousands of long ones, and no more than a fleet file should carry around.
pub const MAX_BYTES: usize = 12 * 1_048_576;
/// The sharpest weighting: beyond it rounding decides.
const MAX_SHARPNESS: u8 = 10;
/// What stands for a quality of 1.
const WHOLE: f32 = 254.0;
/// What stands for no quality.
const UNKNOWN: u8 = 255;

/// Prompts that were trained on, to be asked for the nearest.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// How many are asked.
    pub nearest: usize,
    /// How fast a weight falls with the angle.
    pub sharpness: u8,
    /// What the mean weighs.
    pub smoothing: f32,
    /// Numbers of a vector.
    dimension: usize,
    vectors: Vec<i8>,
    /// 1 / length of each vector.
    inverses: Vec<f32>,
    /// Prompt by prompt, the models' side by side.
    qualities: Vec<u8>,
}

/// A quality as it is kept; what is no number was not measured.
#[must_use]
pub fn kept_quality(quality: f32) -> u8 {
    if quality.is_nan() { UNKNOWN } else { (quality.clamp(0.0, 1.0) * WHOLE).round() as u8 }
}

impl Neighbours {
    /// Neighbours out of rounded vectors (one after another) and qualities.
    #[must_use]
    pub fn new(
        (nearest, sharpness, smoothing): (usize, u8, f32),
        dimension: usize,
        vectors: Vec<i8>,
        qualities: Vec<u8>,
    ) -> Self {
        let inverses = vectors.chunks(dimension.max(1)).map(inverse_length).collect();
        Self { nearest, sharpness, smoothing, dimension, vectors, inverses, qualities }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.inverses.len()
    }

    pub(super) fn write(&self, body: &mut Vec<u8>) {
        body.extend((self.nearest as u16).to_le_bytes());
        body.extend([self.sharpness, 0]);
        body.extend(self.smoothing.to_le_bytes());
        body.extend((self.count() as u32).to_le_bytes());
        body.extend(self.vectors.iter().map(|number| number.cast_unsigned()));
        body.extend(&self.qualities);
    }

    pub(super) fn read(body: &mut Bytes<'_>, dimension: usize, models: usize) -> Option<Self> {
        let nearest = usize::from(body.u16()?);
        let (sharpness, _) = (body.u8()?, body.u8()?);
        let smoothing = body.f32()?;
        let count = body.u32()? as usize;
        let vectors = body.take(count.checked_mul(dimension)?)?.iter().map(|byte| byte.cast_signed()).collect();
        let qualities = body.take(count.checked_mul(models)?)?.to_vec();
        Some(Self::new((nearest, sharpness, smoothing), dimension, vectors, qualities))
    }

    pub(super) fn check(&self, dimension: usize, models: usize) -> Result<(), ArtifactError> {
        if !(1..=MAX_NEAREST).contains(&self.nearest) {
            return Err(part("number of neighbours", self.nearest.to_string(), "1 to 128"));
        }
        if self.sharpness > MAX_SHARPNESS {
            return Err(part("sharpness", self.sharpness.to_string(), "0 to 10"));
        }
        within("smoothing", self.smoothing, 1e-6, 1_000.0, "a number from 0.000001 to 1,000")?;
        let (count, bytes) = (self.count(), self.vectors.len());
        if count == 0 || bytes > MAX_BYTES || bytes != count * dimension || self.qualities.len() != count * models {
            let value = format!("{bytes} bytes of {count} prompts, with {} qualities", self.qualities.len());
            let allowed = "1 prompt to 12 MiB, each with its vector and a quality for each model";
            return Err(part("list of neighbours", value, allowed));
        }
        if let Some(place) = self.inverses.iter().position(|&inverse| inverse == 0.0) {
            return Err(part(
                "list of neighbours",
                format!("all zeros in vector {place}"),
                "vectors that point somewhere",
            ));
        }
        Ok(())
    }

    /// What the neighbours of `query` say of each model, held back by the models' `means`.
    pub(super) fn raw(&self, query: &Query, means: impl Iterator<Item = f32>, raw: &mut [f32; MAX_MODELS]) {
        let mut weights = [self.smoothing; MAX_MODELS];
        let mut models = 0;
        for (raw, mean) in raw.iter_mut().zip(means) {
            *raw = self.smoothing * mean;
            models += 1;
        }
        for (cosine, place) in self.nearest_to(query) {
            let weight = weight(cosine, self.sharpness);
            let Some(row) = self.qualities.get(place as usize * models..) else { continue };
            for ((raw, sum), &quality) in raw.iter_mut().zip(&mut weights).zip(row).take(models) {
                if quality != UNKNOWN {
                    *raw += weight * (f32::from(quality) / WHOLE);
                    *sum += weight;
                }
            }
        }
        raw.iter_mut().zip(weights).for_each(|(raw, sum)| *raw /= sum);
    }

    /// The nearest with their cosines, the nearest first; of two that are as near, the one that stands first.
    fn nearest_to(&self, query: &Query) -> ArrayVec<(f32, u32), MAX_NEAREST> {
        let mut found: ArrayVec<(f32, u32), MAX_NEAREST> = ArrayVec::new();
        let most = self.nearest.min(MAX_NEAREST);
        let mut bar = f32::NEG_INFINITY;
        let vectors = self.vectors.chunks_exact(self.dimension.max(1));
        for ((vector, inverse), place) in vectors.zip(&self.inverses).zip(0_u32..) {
            let cosine = query.dot(vector) * inverse;
            if cosine <= bar {
                continue;
            }
            if found.len() == most {
                found.pop();
            }
            let at = found.partition_point(|&(nearer, _)| nearer >= cosine);
            found.insert(at, (cosine, place));
            if found.len() == most {
                bar = found.last().map_or(bar, |&(cosine, _)| cosine);
            }
        }
        found
    }
}

/// What a neighbour of this cosine weighs.
fn weight(cosine: f32, sharpness: u8) -> f32 {
    let near = f32::midpoint(1.0, cosine).clamp(0.0, 1.0);
    (0..sharpness).fold(near, |weight, _| weight * weight)
}
