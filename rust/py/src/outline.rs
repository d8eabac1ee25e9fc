//! What is known of a request without reading it, as Python gives it.

use junctor_core::learned::outline::{Field, Fields, Outline as Core};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Figures of one request that the scorer looks at beside its text.
#[pyclass(frozen, eq, module = "junctor._core")]
#[derive(Clone, PartialEq)]
pub struct Outline(pub Core);

#[pymethods]
impl Outline {
    /// Figures that are larger than a word of 32 bits are as large as that.
    #[new]
    #[pyo3(signature = (*, tools=0, images=0, files=0, turns=1, system_chars=0, structured=0, max_tokens=0))]
    fn new(
        tools: u64,
        images: u64,
        files: u64,
        turns: u64,
        system_chars: u64,
        structured: u64,
        max_tokens: u64,
    ) -> Self {
        let figures = [tools, images, files, turns, system_chars, structured, max_tokens];
        Self(Core(figures.map(|figure| u32::try_from(figure).unwrap_or(u32::MAX))))
    }

    /// The names of the figures, in their order.
    #[classattr]
    #[pyo3(name = "FIELDS")]
    fn fields() -> [&'static str; Field::COUNT] {
        Field::ALL.map(Field::name)
    }

    fn __repr__(&self) -> String {
        let said = Field::ALL.into_iter().zip(self.0.0).map(|(field, figure)| format!("{}={figure}", field.name()));
        format!("Outline({})", said.collect::<Vec<_>>().join(", "))
    }
}

/// Words as a set of fields. `ValueError` for one that is none.
pub fn fields(words: &[String]) -> PyResult<Fields> {
    words.iter().try_fold(Fields::NONE, |fields, word| {
        fields.with(word).ok_or_else(|| {
            let known = Field::ALL.map(Field::name).join(", ");
            PyValueError::new_err(format!("fields holds {word:?}; allowed are {known}"))
        })
    })
}
