//! The file that training writes and serving reads: names, features, weights, calibration, and what it was made of.
//!
//! ```text
//! 0   magic "junctorQ" · version u16 · kind u16 · length u32 · checksum u64 of all that follows, and the kind
//! 24  features: version, bits, pairs, shortest and longest n-gram u8 · models u8 · fields of the outline u8 · zero u8
//! 32  scale of each block 4 × f32 · band f32 · rows trained on u32 · day trained on u32 (since 1970)
//! 60  per model: length u8, name · label mean, bias, step f32 · knots u8, (raw, quality) 2 × f32 each
//!     weights i8: rows of the table × models, a row's side by side
//! ```
//!
//! All numbers are little-endian. Reading checks everything once, so that evaluation can trust it: a file that was cut,
//! damaged, made by another version or for other features is an error of its own kind, never a wrong prediction.
//! Kind 0 is what is told here; a file of another kind holds one of kind 0 at its end, see [`super::embedded`].

use arrayvec::ArrayVec;
use thiserror::Error;

use super::MAX_MODELS;
use super::bytes::{Bytes, checksum};
use super::features::{self, Block, FeatureSpec};
use super::outline::Fields;

const MAGIC: &[u8; 8] = b"junctorQ";
/// Names the layout of the file.
pub const VERSION: u16 = 2;
/// Bytes before what the checksum covers.
const COVERED_FROM: usize = 24;
/// Most points of a calibration.
pub const MAX_KNOTS: usize = 16;
/// A calibration: points from raw prediction to quality.
pub type Knots = ArrayVec<(f32, f32), MAX_KNOTS>;

/// Why bytes are no artifact. Each says what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArtifactError {
    /// Other bytes.
    #[error("this is no scorer artifact: it does not begin with `junctorQ`; make one with `junctor train`")]
    NoArtifact,
    /// Written by another version.
    #[error("the artifact's layout has version {0}; this junctor reads version {VERSION}: train it again")]
    Version(u16),
    /// Longer or shorter than it says.
    #[error("the artifact has {found} bytes; it says that it has {said}: copy it again")]
    Length {
        /// Bytes there are.
        found: usize,
        /// Bytes there should be.
        said: usize,
    },
    /// Damaged.
    #[error("the artifact's checksum is {found:016x}; it should be {said:016x}: copy it again")]
    Checksum {
        /// The sum of what is there.
        found: u64,
        /// The sum that was written.
        said: u64,
    },
    /// Made for other features than this version extracts.
    #[error("the artifact was trained on features of version {0}; this junctor makes version {made}: train it again", made = features::VERSION)]
    Features(u8),
    /// A part that has no meaning.
    #[error("the artifact's {what} is {value}; allowed is {allowed}")]
    Part {
        /// Which.
        what: String,
        /// What it is.
        value: String,
        /// What it may be.
        allowed: &'static str,
    },
}

/// What an artifact knows of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFacts {
    /// Its name in the table that was trained on.
    pub name: String,
    /// Mean quality of its answers there.
    pub label_mean: f32,
    /// Raw prediction for a prompt without features.
    pub bias: f32,
    /// What one unit of a weight stands for.
    pub step: f32,
    /// From raw prediction to quality: straight lines between these points, both rising.
    pub knots: Knots,
}

/// A trained scorer as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// The features that it was trained on.
    pub spec: FeatureSpec,
    /// How much each block of features counts.
    pub scales: [f32; Block::COUNT],
    /// Predictions that differ less than this from the label means, for every model, say nothing.
    pub band: f32,
    /// Prompts that it was trained on.
    pub rows: u32,
    /// Days from 1970 to when it was trained.
    pub day: u32,
    /// Its models.
    pub models: Vec<ModelFacts>,
    /// Row by row, the models' weights side by side.
    pub weights: Vec<i8>,
}

impl Artifact {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ArtifactError`] naming the first thing that is wrong.
    pub fn read(file: &[u8]) -> Result<Self, ArtifactError> {
        let (kind, mut body) = covered(file)?;
        if kind != 0 {
            return Err(part("kind", kind.to_string(), "0 for a part that reads words"));
        }
        let artifact = Self::parts(&mut body)?;
        artifact.check()?;
        Ok(artifact)
    }

    fn parts(body: &mut Bytes<'_>) -> Result<Self, ArtifactError> {
        let short = || part("end", "in the middle of a part", "a whole number of parts");
        let version = body.u8().ok_or_else(short)?;
        if version != features::VERSION {
            return Err(ArtifactError::Features(version));
        }
        let mut byte = || body.u8().ok_or_else(short);
        let (bits, pairs, low, high) = (byte()?, byte()?, byte()?, byte()?);
        let (count, fields, zero) = (byte()?, byte()?, byte()?);
        let told = Fields::of_bits(fields);
        let spec = FeatureSpec { bits, pairs: pairs != 0, grams: (low, high), fields: told.unwrap_or_default() };
        if pairs > 1 || !spec.is_valid() || told.is_none() || zero != 0 {
            let allowed = "8 to 18 bits, pairs 0 or 1, n-grams of 2 to 5 characters or none, fields 0 to 127";
            return Err(part("feature specification", format!("{spec:?}, fields {fields}"), allowed));
        }
        let mut number = || body.f32().ok_or_else(short);
        let scales = [number()?, number()?, number()?, number()?];
        let band = number()?;
        let (rows, day) = (body.u32().ok_or_else(short)?, body.u32().ok_or_else(short)?);
        let models: Vec<_> = (0..count).map(|_| model(body)).collect::<Option<_>>().ok_or_else(short)?;
        let weights = body.0.iter().map(|&byte| byte.cast_signed()).collect();
        Ok(Self { spec, scales, band, rows, day, models, weights })
    }

    /// Checks what a file or a trainer may say.
    ///
    /// # Errors
    /// [`ArtifactError::Part`] naming the first thing that has no meaning.
    pub fn check(&self) -> Result<(), ArtifactError> {
        if !self.spec.is_valid() {
            return Err(part("feature specification", format!("{:?}", self.spec), "see `FeatureSpec`"));
        }
        let count = self.models.len();
        if !(1..=MAX_MODELS).contains(&count) {
            return Err(part("number of models", count.to_string(), "1 to 32"));
        }
        let needed = self.spec.rows() * count;
        if self.weights.len() != needed {
            let value = format!("{} of {needed}", self.weights.len());
            return Err(part("number of weights", value, "one for each row of the table and each model"));
        }
        let scale = "a number from 0 to 1,000";
        for (name, value) in
            ["scale of words", "scale of n-grams", "scale of marks", "scale of the outline"].iter().zip(self.scales)
        {
            within(name, value, 0.0, 1_000.0, scale)?;
        }
        within("band", self.band, 0.0, 1.0, "0 to 1")?;
        let mut names: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
        names.sort_unstable();
        if let Some((twice, _)) = names.iter().zip(names.iter().skip(1)).find(|(one, other)| one == other) {
            return Err(part("list of models", format!("{twice:?} twice"), "each model once"));
        }
        self.models.iter().try_for_each(ModelFacts::check)
    }

    /// The file, to be read by [`Artifact::read`].
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let FeatureSpec { bits, pairs, grams: (low, high), fields } = self.spec;
        let mut body = vec![features::VERSION, bits, u8::from(pairs), low, high];
        body.extend([self.models.len() as u8, fields.bits(), 0]);
        let numbers = self.scales.into_iter().chain([self.band]);
        body.extend(numbers.flat_map(f32::to_le_bytes));
        body.extend([self.rows, self.day].into_iter().flat_map(u32::to_le_bytes));
        for model in &self.models {
            body.push(model.name.len() as u8);
            body.extend(model.name.bytes());
            body.extend([model.label_mean, model.bias, model.step].into_iter().flat_map(f32::to_le_bytes));
            write_knots(&model.knots, &mut body);
        }
        body.extend(self.weights.iter().map(|weight| weight.cast_unsigned()));
        sealed(0, &body)
    }
}

/// The kind of a file, and what its checksum covers.
pub(super) fn covered(file: &[u8]) -> Result<(u16, Bytes<'_>), ArtifactError> {
    if file.get(..MAGIC.len()) != Some(MAGIC) {
        return Err(ArtifactError::NoArtifact);
    }
    let cut = || ArtifactError::Length { found: file.len(), said: file.len().max(COVERED_FROM) + 1 };
    let mut head = Bytes(file.get(MAGIC.len()..).unwrap_or_default());
    let version = head.u16().ok_or_else(cut)?;
    if version != VERSION {
        return Err(ArtifactError::Version(version));
    }
    let kind = head.u16().ok_or_else(cut)?;
    let length = head.u32().ok_or_else(cut)? as usize;
    if length != file.len() {
        return Err(ArtifactError::Length { found: file.len(), said: length });
    }
    let said = head.u64().ok_or_else(cut)?;
    let found = checksum(head.0) ^ u64::from(kind);
    if found == said { Ok((kind, head)) } else { Err(ArtifactError::Checksum { found, said }) }
}

/// A file of this kind around a body.
pub(super) fn sealed(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    file.extend(kind.to_le_bytes());
    file.extend(((COVERED_FROM + body.len()) as u32).to_le_bytes());
    file.extend((checksum(body) ^ u64::from(kind)).to_le_bytes());
    file.extend(body);
    file
}

impl ModelFacts {
    fn check(&self) -> Result<(), ArtifactError> {
        let name = &self.name;
        if name.is_empty() || name.len() > usize::from(u8::MAX) || name.chars().any(char::is_control) {
            return Err(part("name of a model", format!("{name:?}"), "1 to 255 bytes of printable text"));
        }
        let of = |what: &str| format!("{what} of {name:?}");
        within(&of("label mean"), self.label_mean, 0.0, 1.0, "0 to 1")?;
        within(&of("bias"), self.bias, -1_000.0, 1_000.0, "a number from -1,000 to 1,000")?;
        within(&of("step"), self.step, 0.0, 1_000.0, "a number from 0 to 1,000")?;
        check_knots(&of("calibration"), &self.knots)
    }
}

/// Refuses points that are no rising curve of qualities.
pub(super) fn check_knots(what: &str, knots: &Knots) -> Result<(), ArtifactError> {
    let next = knots.iter().skip(1);
    let rising = knots.iter().zip(next).all(|(one, other)| one.0 < other.0 && one.1 <= other.1);
    let sane = |&(raw, quality): &(f32, f32)| raw.is_finite() && (0.0..=1.0).contains(&quality);
    if knots.len() >= 2 && rising && knots.iter().all(sane) {
        return Ok(());
    }
    let allowed = "2 to 16 points from a raw prediction to a quality in [0, 1], both rising";
    Err(part(what, format!("{:?}", knots.as_slice()), allowed))
}

/// A calibration as it stands in a file.
pub(super) fn write_knots(knots: &Knots, body: &mut Vec<u8>) {
    body.push(knots.len() as u8);
    body.extend(knots.iter().flat_map(|&(raw, quality)| [raw, quality]).flat_map(f32::to_le_bytes));
}

/// Reads what [`write_knots`] wrote.
pub(super) fn read_knots(body: &mut Bytes<'_>) -> Option<Knots> {
    let count = usize::from(body.u8()?);
    let mut knots = Knots::new();
    for _ in 0..count {
        knots.try_push((body.f32()?, body.f32()?)).ok()?;
    }
    Some(knots)
}

fn model(body: &mut Bytes<'_>) -> Option<ModelFacts> {
    let length = usize::from(body.u8()?);
    // A name that is no text is refused as an empty one.
    let name = String::from_utf8(body.take(length)?.to_vec()).unwrap_or_default();
    let (label_mean, bias, step) = (body.f32()?, body.f32()?, body.f32()?);
    let knots = read_knots(body)?;
    Some(ModelFacts { name, label_mean, bias, step, knots })
}

pub(super) fn part(what: &str, value: impl Into<String>, allowed: &'static str) -> ArtifactError {
    ArtifactError::Part { what: what.to_owned(), value: value.into(), allowed }
}

/// Refuses what is outside a range, NaN included.
pub(super) fn within(what: &str, value: f32, low: f32, high: f32, allowed: &'static str) -> Result<(), ArtifactError> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(part(what, value.to_string(), allowed)) }
}
