//! The learned scorer, as training sees it: features of prompts, an artifact out of weights, a scorer out of an artifact.

use arrayvec::ArrayVec;
use junctor_core::learned::artifact::{Artifact, MAX_KNOTS, ModelFacts};
use junctor_core::learned::features::{Block, FeatureSpec, Sink, extract};
use junctor_core::learned::outline::{Field, Outline as Figures};
use junctor_core::learned::scorer::{Prediction, Scorer as Core};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use serde::{Deserialize, Serialize};

use crate::embedded;
use crate::errors::json;
use crate::outline::{self, Outline};

/// The largest weight of a model is so many steps: what a signed byte holds on both sides.
const STEPS: f32 = 127.0;

/// `ValueError` with this message.
pub fn wrong(message: impl ToString) -> PyErr {
    PyValueError::new_err(message.to_string())
}

/// Rows of one prompt, block by block.
#[derive(Default)]
struct Collected([Vec<u32>; Block::COUNT]);

impl Sink for Collected {
    fn add(&mut self, block: Block, row: u32) {
        if let Some(rows) = self.0.get_mut(block as usize) {
            rows.push(row);
        }
    }
}

/// Features of prompts: where each prompt's begin and end, the row of each, and its block, as bytes of int64, uint32
/// and uint8. A row may come more than once. `fields` of `outlines`, one for each prompt, are told beside the texts.
#[pyfunction]
#[pyo3(signature = (prompts, *, bits, pairs, grams, fields=Vec::new(), outlines=None))]
pub fn features<'py>(
    prompts: &Bound<'py, PyAny>,
    bits: u8,
    pairs: bool,
    grams: (u8, u8),
    fields: Vec<String>,
    outlines: Option<Vec<Py<Outline>>>,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let py = prompts.py();
    let spec = FeatureSpec { bits, pairs, grams, fields: outline::fields(&fields)? };
    if !spec.is_valid() {
        let allowed = "8 to 18 bits, and n-grams of 2 to 5 characters or (0, 0) for none";
        return Err(wrong(format!("bits {bits} and grams {grams:?} make no features; allowed are {allowed}")));
    }
    let mut ends = 0_i64.to_ne_bytes().to_vec();
    let (mut rows, mut blocks) = (Vec::new(), Vec::new());
    let mut made = Collected::default();
    for (place, prompt) in prompts.try_iter()?.enumerate() {
        let prompt = prompt?;
        let outline = match &outlines {
            None => Figures::PLAIN,
            Some(given) => {
                given
                    .get(place)
                    .ok_or_else(|| wrong("there are fewer outlines than prompts; give one for each"))?
                    .get()
                    .0
            }
        };
        let prompt = prompt.cast::<PyString>()?.to_string_lossy();
        made.0.iter_mut().for_each(Vec::clear);
        extract(&prompt, &outline, &spec, &mut made);
        for (block, found) in (0_u8..).zip(&made.0) {
            rows.extend(found.iter().flat_map(|row| row.to_ne_bytes()));
            blocks.resize(blocks.len() + found.len(), block);
        }
        ends.extend((blocks.len() as i64).to_ne_bytes());
    }
    Ok((PyBytes::new(py, &ends), PyBytes::new(py, &rows), PyBytes::new(py, &blocks)))
}

/// Everything of an artifact but its weights.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    bits: u8,
    pairs: bool,
    grams: (u8, u8),
    fields: Vec<String>,
    scales: [f32; Block::COUNT],
    band: f32,
    rows: u32,
    day: u32,
    models: Vec<Model>,
    #[serde(default, skip_deserializing)]
    id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    name: String,
    label_mean: f32,
    bias: f32,
    knots: Vec<(f32, f32)>,
}

impl Facts {
    fn of(scorer: &Core) -> Self {
        let Artifact { spec, scales, band, rows, day, models, .. } = scorer.facts();
        let FeatureSpec { bits, pairs, grams, fields } = *spec;
        let fields = fields.iter().map(|field| field.name().to_owned()).collect();
        let model = |facts: &ModelFacts| Model {
            name: facts.name.clone(),
            label_mean: facts.label_mean,
            bias: facts.bias,
            knots: facts.knots.to_vec(),
        };
        let (scales, band, rows, day) = (*scales, *band, *rows, *day);
        let id = format!("{:016x}", scorer.id());
        Self { bits, pairs, grams, fields, scales, band, rows, day, models: models.iter().map(model).collect(), id }
    }
}

/// An artifact out of facts (JSON) and weights (float32, row by row of the table, the models' side by side), which are
/// rounded to a byte each. Raises `ValueError` for what has no meaning.
#[pyfunction]
pub fn pack_scorer<'py>(py: Python<'py>, facts: &[u8], weights: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let facts: Facts = serde_json::from_slice(facts).map_err(wrong)?;
    let (numbers, rest) = weights.as_chunks::<4>();
    let weights: Vec<f32> = numbers.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect();
    let count = facts.models.len().max(1);
    if !rest.is_empty() || weights.iter().any(|weight| !weight.is_finite()) {
        return Err(wrong("the weights hold something that is no finite float32; allowed are finite ones only"));
    }
    let mut steps = vec![0.0_f32; count];
    for row in weights.chunks(count) {
        steps.iter_mut().zip(row).for_each(|(step, weight)| *step = step.max(weight.abs() / STEPS));
    }
    let rounded = |row: &[f32]| -> Vec<i8> {
        let round = |(weight, step): (&f32, &f32)| if *step > 0.0 { (weight / step).round() as i8 } else { 0 };
        row.iter().zip(&steps).map(round).collect()
    };
    let model = |(model, step): (Model, &f32)| {
        let knots: ArrayVec<_, MAX_KNOTS> = model.knots.iter().copied().take(MAX_KNOTS).collect();
        let Model { name, label_mean, bias, .. } = model;
        ModelFacts { name, label_mean, bias, step: *step, knots }
    };
    let Facts { bits, pairs, grams, fields, scales, band, rows, day, models, .. } = facts;
    let artifact = Artifact {
        spec: FeatureSpec { bits, pairs, grams, fields: outline::fields(&fields)? },
        scales,
        band,
        rows,
        day,
        models: models.into_iter().zip(&steps).map(model).collect(),
        weights: weights.chunks(count).flat_map(rounded).collect(),
    };
    artifact.check().map_err(wrong)?;
    Ok(PyBytes::new(py, &artifact.write()))
}

/// A scorer out of an artifact: one predicted quality per model.
#[pyclass(frozen, module = "junctor._core")]
pub struct Scorer(Core);

#[pymethods]
impl Scorer {
    /// Reads an artifact. Raises `ValueError` saying what is wrong with it.
    #[new]
    fn new(artifact: &[u8]) -> PyResult<Self> {
        Core::read(artifact).map(Self).map_err(wrong)
    }

    /// Its models, in the order of their scores.
    #[getter]
    fn models(&self) -> Vec<&str> {
        self.0.facts().models.iter().map(|model| model.name.as_str()).collect()
    }

    /// What it looks at beside the text: names of an outline's figures.
    #[getter]
    fn fields(&self) -> Vec<&str> {
        self.0.facts().spec.fields.iter().map(Field::name).collect()
    }

    /// `linear`, `knn` or `mf`.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.embedded().map_or("linear", |embedded| embedded.kind.word())
    }

    /// The embedding model whose vectors it reads and how many numbers they have; None if it reads words alone.
    #[getter]
    fn embeddings(&self) -> Option<(&str, usize)> {
        self.0.embedded().map(|embedded| (embedded.by.as_str(), embedded.dimension))
    }

    /// The predicted quality of each model's answer to a prompt: by its embedding if one is given and the scorer reads
    /// them, else by its words and what came with them. Raises `InvalidRequest` for what is no embedding.
    #[pyo3(signature = (prompt, outline=None, *, embedding=None))]
    fn scores(
        &self,
        prompt: &Bound<'_, PyString>,
        outline: Option<&Outline>,
        embedding: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<f32>> {
        let count = self.0.facts().models.len();
        let told = self.told(prompt, outline, embedding)?;
        Ok(told.map_or_else(Vec::new, |told| told.qualities.into_iter().take(count).collect()))
    }

    /// Whether its prediction for a prompt says no more than the means do.
    #[pyo3(signature = (prompt, outline=None, *, embedding=None))]
    fn abstains(
        &self,
        prompt: &Bound<'_, PyString>,
        outline: Option<&Outline>,
        embedding: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        Ok(self.told(prompt, outline, embedding)?.is_none_or(|told| told.abstains))
    }

    /// What the artifact says of itself, as JSON.
    fn describe_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let embedded = self.0.embedded().map(embedded::Facts::of);
        Ok(PyBytes::new(py, &json(&Told { words: Facts::of(&self.0), kind: self.kind(), embedded })?))
    }
}

impl Scorer {
    fn told(
        &self,
        prompt: &Bound<'_, PyString>,
        outline: Option<&Outline>,
        given: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Prediction>> {
        let numbers = given.map(|given| embedded::embedding(given, Some(&self.0))).transpose()?;
        let outline = outline.map_or(&Figures::PLAIN, |outline| &outline.0);
        Ok(self.0.tell(Some(&prompt.to_string_lossy()), outline, numbers.as_deref()))
    }
}

/// What an artifact of any kind says of itself.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    words: Facts,
    kind: &'static str,
    embedded: Option<embedded::Facts>,
}
