//! The core's refusals as Python exceptions, in one exhaustive match. The classes live in `junctor.exceptions`.

use std::collections::BTreeMap;
use std::ffi::CString;

use junctor_core::decision::{Denial, Why};
use junctor_core::fleet::{Fleet, FleetError};
use junctor_core::record::DecisionRecord;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyType};

use crate::request::RequestRecord;

const EXCEPTIONS: &str = "junctor.exceptions";

fn class<'py>(py: Python<'py>, cell: &'static PyOnceLock<Py<PyType>>, name: &str) -> PyResult<&'py Bound<'py, PyType>> {
    cell.import(py, EXCEPTIONS, name)
}

/// `ConfigError` with this message.
pub fn config_error(py: Python<'_>, message: String) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    raise(class(py, &CLASS, "ConfigError"), message)
}

/// `ConfigError` for a fleet that cannot be compiled.
pub fn fleet_error(py: Python<'_>, error: &FleetError) -> PyErr {
    config_error(py, error.to_string())
}

/// `Refused` because of what holds for the session as a whole.
pub fn refused_session(py: Python<'_>, sentence: String) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let made = class(py, &CLASS, "Refused").and_then(|class| {
        let details = PyDict::new(py);
        details.set_item("refusals", BTreeMap::from([("session", sentence.as_str())]))?;
        Ok(PyErr::from_value(class.call((sentence.as_str(),), Some(&details))?))
    });
    made.unwrap_or_else(|error| error)
}

/// `InvalidRequest` with this message.
pub fn invalid_request(py: Python<'_>, message: String) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    raise(class(py, &CLASS, "InvalidRequest"), message)
}

/// Warns that limits hold for less than they should. Whoever asked is in the middle of another call, which must not fail by
/// it: a warning that is turned into an error is told as one that nobody could catch.
pub fn warn_narrower(py: Python<'_>, message: &str) {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let warned = CString::new(message)
        .map_err(PyErr::from)
        .and_then(|message| PyErr::warn(py, class(py, &CLASS, "NarrowerStateWarning")?, &message, 1));
    if let Err(error) = warned {
        error.write_unraisable(py, None);
    }
}

fn raise(class: PyResult<&Bound<'_, PyType>>, message: String) -> PyErr {
    class.map_or_else(|error| error, |class| PyErr::from_type(class.clone(), message))
}

/// The exception for a walk that found nobody, its receipt attached.
pub fn denial(py: Python<'_>, fleet: &Fleet, denial: &Denial, request: RequestRecord) -> PyErr {
    build(py, fleet, denial, request).unwrap_or_else(|error| error)
}

fn build(py: Python<'_>, fleet: &Fleet, denial: &Denial, request: RequestRecord) -> PyResult<PyErr> {
    static REFUSED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static TOO_LARGE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static NO_CAPACITY: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let message = denial.describe(fleet, &request.model);
    let decision = DecisionRecord::of(fleet, &denial.decision, &request.model);
    let details = PyDict::new(py);
    let class = match denial.why {
        Why::UnknownModel => return Ok(invalid_request(py, message)),
        Why::NoRule | Why::RefusedByRule | Why::Refused => class(py, &REFUSED, "Refused")?,
        Why::TooLarge => class(py, &TOO_LARGE, "TooLarge")?,
        Why::NoCapacity { until } => {
            details.set_item("retry_after_s", until.since(denial.decision.at).as_secs_f64())?;
            class(py, &NO_CAPACITY, "NoCapacity")?
        }
    };
    details.set_item("refusals", decision.refusals.clone())?;
    let error = class.call((message,), Some(&details))?;
    let record = ReceiptRecord { failed_decision: FailedDecision { decision, request } };
    error.setattr("receipt", receipt(py, &record)?)?;
    Ok(PyErr::from_value(error))
}

#[derive(serde::Serialize)]
struct ReceiptRecord {
    failed_decision: FailedDecision,
}

/// A decision that found nobody, with what it takes to make it again.
#[derive(serde::Serialize)]
struct FailedDecision {
    #[serde(flatten)]
    decision: DecisionRecord,
    request: RequestRecord,
}

/// A `junctor.receipts.Receipt` from its JSON form.
pub fn receipt<'py>(py: Python<'py>, record: &impl serde::Serialize) -> PyResult<Bound<'py, PyAny>> {
    static DECODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let decode = DECODE.import(py, "junctor.receipts", "decode_receipt")?;
    decode.call1((PyBytes::new(py, &json(record)?),))
}

/// JSON of a record.
pub fn json(record: &impl serde::Serialize) -> PyResult<Vec<u8>> {
    serde_json::to_vec(record).map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))
}
