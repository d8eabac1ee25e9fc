//! Embeddings, as callers give them and as training packs them.

use junctor_core::learned::artifact::Knots;
use junctor_core::learned::embedded::dot::kept;
use junctor_core::learned::embedded::factors::Factors;
use junctor_core::learned::embedded::neighbours::{Neighbours, kept_quality};
use junctor_core::learned::embedded::{Embedded, Kind, MAX_DIMENSION, check_numbers, open};
use junctor_core::learned::scorer::Scorer;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};
use serde::{Deserialize, Serialize};

use crate::errors::invalid_request;
use crate::learned::wrong;

/// The numbers of an embedding: any one-dimensional buffer of floats, or any sequence of numbers. Checked to be one that
/// `scorer` can read, if there is a scorer.
pub fn embedding(given: &Bound<'_, PyAny>, scorer: Option<&Scorer>) -> PyResult<Vec<f32>> {
    let py = given.py();
    let numbers = numbers(given)?;
    let checked = check_numbers(&numbers).and_then(|()| scorer.map_or(Ok(()), |scorer| scorer.check(&numbers)));
    checked.map_err(|error| invalid_request(py, error.to_string()))?;
    Ok(numbers)
}

fn numbers(given: &Bound<'_, PyAny>) -> PyResult<Vec<f32>> {
    let py = given.py();
    let refuse = |what: String| invalid_request(py, format!("embedding is {what}; allowed is one vector of numbers"));
    let bounded = |count: usize| match count {
        0..=MAX_DIMENSION => Ok(()),
        _ => Err(refuse(format!("a vector of {count} numbers, and {MAX_DIMENSION} are the most"))),
    };
    if let Ok(buffer) = PyBuffer::<f32>::get(given).map_err(drop).and_then(|found| one_vector(found).ok_or(())) {
        bounded(buffer.item_count())?;
        return buffer.to_vec(py);
    }
    if let Ok(buffer) = PyBuffer::<f64>::get(given).map_err(drop).and_then(|found| one_vector(found).ok_or(())) {
        bounded(buffer.item_count())?;
        return Ok(buffer.to_vec(py)?.into_iter().map(|number| number as f32).collect());
    }
    let kind = || given.get_type().name().map_or_else(|_| "something".to_owned(), |name| name.to_string());
    if given.is_instance_of::<PyString>() || given.is_instance_of::<PyBytes>() || given.is_instance_of::<PyByteArray>()
    {
        return Err(refuse(format!("a {}", kind())));
    }
    let count = given.len().map_err(|_| refuse(format!("a {}", kind())))?;
    bounded(count)?;
    let number = |(place, number): (usize, PyResult<Bound<'_, PyAny>>)| {
        let number = number?.extract::<f64>();
        number.map(|number| number as f32).map_err(|_| refuse(format!("a {} whose item {place} is no number", kind())))
    };
    given.try_iter()?.enumerate().map(number).collect()
}

fn one_vector<T: pyo3::buffer::Element>(buffer: PyBuffer<T>) -> Option<PyBuffer<T>> {
    (buffer.dimensions() == 1).then_some(buffer)
}

/// Everything of the part for embeddings but its arrays.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    by: String,
    dimension: usize,
    band: f32,
    models: Vec<(f32, Vec<(f32, f32)>)>,
    how: KindFacts,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum KindFacts {
    Knn {
        nearest: usize,
        sharpness: u8,
        smoothing: f32,
        #[serde(default)]
        count: usize,
    },
    Mf {
        #[serde(default)]
        biases: Vec<f32>,
        rank: usize,
    },
}

impl Facts {
    /// What a part says of itself.
    pub fn of(embedded: &Embedded) -> Self {
        let how = match &embedded.kind {
            Kind::Knn(near) => KindFacts::Knn {
                nearest: near.nearest,
                sharpness: near.sharpness,
                smoothing: near.smoothing,
                count: near.count(),
            },
            Kind::Mf(factors) => KindFacts::Mf { biases: factors.biases.clone(), rank: factors.steps.len() },
        };
        let models = embedded.models.iter().map(|(mean, knots)| (*mean, knots.to_vec())).collect();
        Self { by: embedded.by.clone(), dimension: embedded.dimension, band: embedded.band, models, how }
    }
}

/// An artifact that reads embeddings, around one that reads words. Of kind `knn` the arrays are the vectors and the
/// qualities of prompts; of kind `mf` the projection, factor by factor, and the factors, model by model: all float32.
#[pyfunction]
pub fn pack_embedded<'py>(
    py: Python<'py>,
    words: &[u8],
    facts: &[u8],
    first: &[u8],
    second: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let facts: Facts = serde_json::from_slice(facts).map_err(wrong)?;
    let (first, second) = (floats(first)?, floats(second)?);
    let rows: Vec<&[f32]> = first.chunks(facts.dimension.max(1)).collect();
    let rounded = |zero: bool| -> PyResult<Vec<i8>> {
        let row = |(place, row): (usize, &&[f32])| match kept(row) {
            Some(row) => Ok(row),
            None if zero && row.iter().all(|&number| number == 0.0) => Ok(vec![0; row.len()]),
            None => Err(wrong(format!("vector {place} is all zeros or holds no numbers; leave it out"))),
        };
        Ok(rows.iter().enumerate().map(row).collect::<PyResult<Vec<_>>>()?.concat())
    };
    let kind = match facts.how {
        KindFacts::Knn { nearest, sharpness, smoothing, .. } => {
            let qualities = second.iter().map(|&quality| kept_quality(quality)).collect();
            Kind::Knn(Neighbours::new((nearest, sharpness, smoothing), facts.dimension, rounded(false)?, qualities))
        }
        KindFacts::Mf { biases, .. } => {
            let step = |row: &&[f32]| row.iter().fold(0.0_f32, |most, number| most.max(number.abs())) / 127.0;
            let steps = rows.iter().map(step).collect();
            Kind::Mf(Factors { steps, biases, factors: second, projection: rounded(true)? })
        }
    };
    let knots = |points: Vec<(f32, f32)>| points.into_iter().take(Knots::new().capacity()).collect();
    let models = facts.models.into_iter().map(|(mean, points)| (mean, knots(points))).collect();
    let embedded = Embedded { by: facts.by, dimension: facts.dimension, band: facts.band, models, kind };
    let (read, _) = open(words).map_err(wrong)?;
    embedded.check_part(read.models.len()).map_err(wrong)?;
    Ok(PyBytes::new(py, &embedded.write(words)))
}

fn floats(bytes: &[u8]) -> PyResult<Vec<f32>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(wrong("an array's bytes are no whole number of float32"));
    }
    Ok(numbers.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect())
}
