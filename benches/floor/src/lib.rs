//! What `Router.reserve` and `Reservation.settle` would cost if they decided nothing.
//!
//! The same two calls with the same signatures: arguments are taken from Python and looked at, one object is made and
//! freed. What a decision costs beyond this is the router's own work; what this costs is the price of being called.

use std::hint::black_box;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyDict, PyString};

/// Stands for a router.
#[pyclass(frozen, module = "junctor_floor")]
struct Floor;

/// Stands for a reservation, and keeps what one keeps of the call.
#[pyclass(module = "junctor_floor")]
struct Held {
    model: Py<PyString>,
    input_tokens: u64,
}

#[pymethods]
impl Floor {
    #[new]
    const fn new() -> Self {
        Self
    }

    /// Reads the arguments and makes an object.
    #[pyo3(signature = (model=None, *, input_tokens=0, output_tokens=None, needs=None, tags=None, prompt_chars=0,
                        affinity=None, tried=None, regions=None, providers=None, exclude_providers=None,
                        agreements=None, max_wait_s=0.0, spare=false, estimated=false, warm=None, prunes=false,
                        text=None, outline=None, embedding=None, session=None, seed=None))]
    #[expect(clippy::too_many_arguments, reason = "the signature of Router.reserve")]
    fn reserve(
        slf: &Bound<'_, Self>,
        model: Option<Bound<'_, PyString>>,
        input_tokens: u64,
        output_tokens: Option<u64>,
        needs: Option<&Bound<'_, PyAny>>,
        tags: Option<Bound<'_, PyDict>>,
        prompt_chars: u64,
        affinity: Option<&Bound<'_, PyAny>>,
        tried: Option<&Bound<'_, PyAny>>,
        regions: Option<&Bound<'_, PyAny>>,
        providers: Option<&Bound<'_, PyAny>>,
        exclude_providers: Option<&Bound<'_, PyAny>>,
        agreements: Option<&Bound<'_, PyAny>>,
        max_wait_s: f64,
        spare: bool,
        estimated: bool,
        warm: Option<(PyBackedStr, u64)>,
        prunes: bool,
        text: Option<&Bound<'_, PyAny>>,
        outline: Option<&Bound<'_, PyAny>>,
        embedding: Option<&Bound<'_, PyAny>>,
        session: Option<PyBackedStr>,
        seed: Option<u64>,
    ) -> PyResult<Held> {
        black_box((output_tokens, prompt_chars, max_wait_s, spare, estimated, warm, prunes, session, seed));
        black_box([text, outline, embedding, affinity, tried, regions, providers, exclude_providers, agreements]);
        let model = model.unwrap_or_else(|| PyString::new(slf.py(), "auto"));
        black_box(model.to_str()?);
        for word in needs.map(|words| words.try_iter()).transpose()?.into_iter().flatten() {
            black_box(word?.cast::<PyString>()?.to_str()?);
        }
        for (name, value) in tags.iter().flatten() {
            black_box((name.cast::<PyString>()?.to_str()?, value.cast::<PyString>()?.to_str()?));
        }
        Ok(Held { model: model.unbind(), input_tokens })
    }
}

#[pymethods]
impl Held {
    /// Reads the arguments and answers a number.
    #[pyo3(signature = (outcome="ok", *, input_tokens=None, output_tokens=None, cached_tokens=0, cache_write_tokens=0, cache_write_1h_tokens=0,
                        first_token_s=None, retry_after_s=None, rate_limits=None, beaten=false))]
    #[expect(clippy::too_many_arguments, reason = "the signature of Reservation.settle")]
    fn settle(
        &mut self,
        outcome: &str,
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
        cached_tokens: u64,
        cache_write_tokens: u64,
        cache_write_1h_tokens: u64,
        first_token_s: Option<f64>,
        retry_after_s: Option<f64>,
        rate_limits: Option<&Bound<'_, PyAny>>,
        beaten: bool,
    ) -> u64 {
        black_box((outcome, output_tokens, cached_tokens, cache_write_tokens, cache_write_1h_tokens));
        black_box((first_token_s, retry_after_s, beaten));
        black_box((rate_limits, &self.model));
        self.input_tokens = input_tokens.unwrap_or(self.input_tokens);
        self.input_tokens
    }
}

/// The floor of a decision.
#[pymodule]
fn junctor_floor(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Floor>()?;
    module.add_class::<Held>()
}
