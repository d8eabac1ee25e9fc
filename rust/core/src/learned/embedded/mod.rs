//! Quality from an embedding that the caller has at hand: nearest prompts, or factors of models and prompts.
//!
//! An embedding knows that two prompts mean the same in other words, which hashed words do not. Making one costs a call
//! or a GPU, so the core never asks for it: a request brings it along, and one that does not is read by its words, by the
//! linear scorer that stands in the same file. What stands here:
//!
//! ```text
//! 24  models u8 · name of the embedding model: length u8, text · dimension u16 · band f32
//!     per model: label mean f32 · knots u8, (raw, quality) 2 × f32 each
//!     kind 1, knn, see [`neighbours`]; kind 2, mf, see [`factors`]
//!     a whole file of kind 0, which reads words
//! ```
//!
//! Any length of an embedding is right: only its direction counts. It is rounded to 12 bits a number and the stored side to
//! a byte, products are summed in integers, and no function of the machine's own is called: the same bits everywhere.

pub mod dot;
pub mod factors;
pub mod neighbours;

use thiserror::Error;

use self::dot::Query;
use self::factors::Factors;
use self::neighbours::Neighbours;
use super::MAX_MODELS;
use super::artifact::{
    Artifact, ArtifactError, Knots, check_knots, covered, part, read_knots, sealed, within, write_knots,
};
use super::bytes::Bytes;
use super::scorer::{Prediction, along};

/// Most numbers of an embedding: the longest that embedding models make, and what the sums have room for.
pub const MAX_DIMENSION: usize = 4_096;

/// Why a vector is no embedding for a scorer. Each says what it is, what is allowed and what to do.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum EmbeddingError {
    /// Another length.
    #[error("the embedding has {found} numbers; the scorer was trained on {wanted}: make it with {by}")]
    Dimension {
        /// Numbers there are.
        found: usize,
        /// Numbers there should be.
        wanted: usize,
        /// The embedding model.
        by: String,
    },
    /// NaN or infinite.
    #[error("number {place} of the embedding is {value}; allowed are finite numbers: look at what made it")]
    NoNumber {
        /// Which, from 0.
        place: usize,
        /// What it is.
        value: f32,
    },
    /// Zeros.
    #[error("the embedding is all zeros, which points nowhere; allowed is any other vector: leave it out")]
    Nowhere,
}

/// The part of a scorer that reads embeddings.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// The embedding model whose vectors it was trained on.
    pub by: String,
    /// Numbers of its vectors.
    pub dimension: usize,
    /// As in [`Artifact`], for these predictions.
    pub band: f32,
    /// Label mean and calibration of each model, in the order of the artifact.
    pub models: Vec<(f32, Knots)>,
    /// How qualities are told.
    pub kind: Kind,
}

/// How qualities are told from an embedding.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// By prompts nearby.
    Knn(Neighbours),
    /// By factors of models and prompts.
    Mf(Factors),
}

impl Kind {
    /// Its word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Knn(_) => "knn",
            Self::Mf(_) => "mf",
        }
    }

    const fn number(&self) -> u16 {
        match self {
            Self::Knn(_) => 1,
            Self::Mf(_) => 2,
        }
    }
}

/// Reads a file of any kind: what reads words, and what reads embeddings if it has that.
///
/// # Errors
/// [`ArtifactError`] naming the first thing that is wrong.
pub fn open(file: &[u8]) -> Result<(Artifact, Option<Embedded>), ArtifactError> {
    let (number, mut body) = covered(file)?;
    if number == 0 {
        return Ok((Artifact::read(file)?, None));
    }
    let embedded = Embedded::read(number, &mut body)?;
    let words = Artifact::read(body.0)?;
    embedded.check_part(words.models.len())?;
    Ok((words, Some(embedded)))
}

impl Embedded {
    /// The file around a file that reads words, to be read by [`open`].
    #[must_use]
    pub fn write(&self, words: &[u8]) -> Vec<u8> {
        let mut body = vec![self.models.len() as u8, self.by.len() as u8];
        body.extend(self.by.bytes());
        body.extend((self.dimension as u16).to_le_bytes());
        body.extend(self.band.to_le_bytes());
        for (label_mean, knots) in &self.models {
            body.extend(label_mean.to_le_bytes());
            write_knots(knots, &mut body);
        }
        match &self.kind {
            Kind::Knn(neighbours) => neighbours.write(&mut body),
            Kind::Mf(factors) => factors.write(&mut body),
        }
        body.extend(words);
        sealed(self.kind.number(), &body)
    }

    fn read(number: u16, body: &mut Bytes<'_>) -> Result<Self, ArtifactError> {
        let short = || part("end", "in the middle of a part", "a whole number of parts");
        let (count, length) = (body.u8().ok_or_else(short)?, body.u8().ok_or_else(short)?);
        // A name that is no text is refused as an empty one.
        let name = body.take(usize::from(length)).ok_or_else(short)?;
        let by = String::from_utf8(name.to_vec()).unwrap_or_default();
        let dimension = usize::from(body.u16().ok_or_else(short)?);
        let band = body.f32().ok_or_else(short)?;
        let model = |body: &mut Bytes<'_>| Some((body.f32()?, read_knots(body)?));
        let models: Vec<_> = (0..count).map(|_| model(body)).collect::<Option<_>>().ok_or_else(short)?;
        let kind = match number {
            1 => Neighbours::read(body, dimension, models.len()).map(Kind::Knn),
            2 => Factors::read(body, dimension, models.len()).map(Kind::Mf),
            _ => return Err(part("kind", number.to_string(), "0 (linear), 1 (knn) and 2 (mf): use a newer junctor")),
        };
        Ok(Self { by, dimension, band, models, kind: kind.ok_or_else(short)? })
    }

    /// Checks what a file or a trainer may say, beside a part for words that knows `count` models.
    ///
    /// # Errors
    /// [`ArtifactError::Part`] naming the first thing that has no meaning.
    pub fn check_part(&self, count: usize) -> Result<(), ArtifactError> {
        let Self { by, dimension, models, .. } = self;
        if by.is_empty() || by.len() > usize::from(u8::MAX) || by.chars().any(char::is_control) {
            return Err(part("name of the embedding model", format!("{by:?}"), "1 to 255 bytes of printable text"));
        }
        if !(1..=MAX_DIMENSION).contains(dimension) {
            return Err(part("dimension of embeddings", dimension.to_string(), "1 to 4,096"));
        }
        if models.len() != count || count > MAX_MODELS {
            let value = format!("{} beside {count} of the part for words", models.len());
            return Err(part("number of models of embeddings", value, "the same number"));
        }
        within("band of embeddings", self.band, 0.0, 1.0, "0 to 1")?;
        for (place, (label_mean, knots)) in models.iter().enumerate() {
            within(&format!("label mean {place} of embeddings"), *label_mean, 0.0, 1.0, "0 to 1")?;
            check_knots(&format!("calibration {place} of embeddings"), knots)?;
        }
        match &self.kind {
            Kind::Knn(neighbours) => neighbours.check(*dimension, count),
            Kind::Mf(factors) => factors.check(*dimension, count),
        }
    }

    /// Whether an embedding could be of the model that this was trained on.
    ///
    /// # Errors
    /// As [`super::Scorer::check`].
    pub fn check(&self, embedding: &[f32]) -> Result<(), EmbeddingError> {
        if embedding.len() != self.dimension {
            let (found, wanted) = (embedding.len(), self.dimension);
            return Err(EmbeddingError::Dimension { found, wanted, by: self.by.clone() });
        }
        check_numbers(embedding)
    }

    /// Qualities by an embedding; nothing for what [`check`](Self::check) refuses.
    #[must_use]
    pub fn predict(&self, embedding: &[f32]) -> Option<Prediction> {
        if embedding.len() != self.dimension {
            return None;
        }
        let query = Query::of(embedding)?;
        let mut raw = [0.0; MAX_MODELS];
        match &self.kind {
            Kind::Knn(neighbours) => neighbours.raw(&query, self.models.iter().map(|(mean, _)| *mean), &mut raw),
            Kind::Mf(factors) => factors.raw(&query, &mut raw),
        }
        let mut told = Prediction { qualities: [0.0; MAX_MODELS], abstains: true, instead: false };
        for ((quality, raw), (label_mean, knots)) in told.qualities.iter_mut().zip(raw).zip(&self.models) {
            *quality = along(knots, raw).unwrap_or(*label_mean);
            told.abstains &= (*quality - label_mean).abs() < self.band;
        }
        Some(told)
    }
}

/// Whether every number is one, and not all are zero.
///
/// # Errors
/// [`EmbeddingError`] naming the first that is none.
pub fn check_numbers(embedding: &[f32]) -> Result<(), EmbeddingError> {
    if let Some(place) = embedding.iter().position(|number| !number.is_finite()) {
        let value = embedding.get(place).copied().unwrap_or(f32::NAN);
        return Err(EmbeddingError::NoNumber { place, value });
    }
    if embedding.iter().all(|&number| number == 0.0) { Err(EmbeddingError::Nowhere) } else { Ok(()) }
}
