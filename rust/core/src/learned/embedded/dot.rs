//! Cosines of rounded vectors: a request's in 12 bits and a sign, the file's in bytes, sums in 32 bits.
//!
//! The largest number of a vector becomes the largest integer, so what rounding changes depends on how the vector is
//! spread, not on its length. Lengths are those of the rounded vectors: a cosine never leaves [-1, 1] by more than the
//! last bit, and a vector is nearest to itself.

use super::MAX_DIMENSION;

/// Largest number of a request's embedding.
const MOST: i16 = 2_047;
// As many products as an embedding may have fit into a sum, whatever they are.
const _: () = assert!(MOST as i64 * 128 * (MAX_DIMENSION as i64) < i32::MAX as i64);
/// Largest number of a vector that is kept.
const MOST_KEPT: f32 = 127.0;

/// An embedding, rounded.
pub struct Query {
    numbers: [i16; MAX_DIMENSION],
    count: usize,
    /// 1 / length.
    inverse: f32,
}

impl Query {
    /// Rounds an embedding; none if it holds what is no number, or points nowhere, or is too long.
    #[must_use]
    pub fn of(embedding: &[f32]) -> Option<Self> {
        let step = largest(embedding)? / f32::from(MOST);
        let mut numbers = [0; MAX_DIMENSION];
        let rounded = numbers.get_mut(..embedding.len())?;
        rounded.iter_mut().zip(embedding).for_each(|(place, number)| *place = (number / step).round() as i16);
        let square: i64 = rounded.iter().map(|&number| i64::from(number) * i64::from(number)).sum();
        Some(Self { numbers, count: embedding.len(), inverse: inverse_root(square) })
    }

    /// The sum of products with a kept vector, by the length of the embedding alone.
    #[inline]
    #[must_use]
    pub fn dot(&self, kept: &[i8]) -> f32 {
        let numbers = self.numbers.get(..self.count).unwrap_or_default();
        let sum: i32 = kept.iter().zip(numbers).map(|(&one, &other)| i32::from(one) * i32::from(other)).sum();
        sum as f32 * self.inverse
    }
}

/// A vector as it is kept: bytes, whose direction is its own up to half a step of each number. None as for a query.
#[must_use]
pub fn kept(vector: &[f32]) -> Option<Vec<i8>> {
    let step = largest(vector)? / MOST_KEPT;
    Some(vector.iter().map(|number| (number / step).round() as i8).collect())
}

/// 1 / length of a kept vector; 0 for zeros.
#[must_use]
pub fn inverse_length(kept: &[i8]) -> f32 {
    inverse_root(kept.iter().map(|&number| i64::from(number) * i64::from(number)).sum())
}

/// The largest of the numbers without their signs; none if one is no number, or if it is so small that a step of it
/// would be nothing.
fn largest(vector: &[f32]) -> Option<f32> {
    let largest = vector.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
    let sane = largest > 1e-30 && vector.iter().all(|number| number.is_finite());
    sane.then_some(largest)
}

fn inverse_root(square: i64) -> f32 {
    if square > 0 { (1.0 / (square as f64).sqrt()) as f32 } else { 0.0 }
}
