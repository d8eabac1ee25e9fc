//! A simulated run, for `junctor simulate`: JSON in, JSON out, the interpreter free meanwhile.

use junctor_sim::job;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::{invalid_request, json};

/// Runs a fleet in a simulated world; answers the report as JSON.
///
/// `tell(now_s, last_s)` is called now and then, and what it raises ends the run; so does Ctrl-C.
#[pyfunction]
#[pyo3(signature = (fleet, job, *, tell=None))]
pub fn simulate<'py>(
    py: Python<'py>,
    fleet: &[u8],
    job: &[u8],
    tell: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut stopped = None;
    let mut go_on = |now_s: f64, last_s: f64| {
        let heard = Python::attach(|py| {
            py.check_signals()?;
            tell.as_ref().map_or(Ok(()), |tell| tell.call1(py, (now_s, last_s)).map(drop))
        });
        stopped = heard.err();
        stopped.is_none()
    };
    let ran = py.detach(|| job::run(fleet, job, &mut go_on));
    if let Some(error) = stopped {
        return Err(error);
    }
    let report = ran.map_err(|message| invalid_request(py, message))?;
    Ok(PyBytes::new(py, &json(&report)?))
}
