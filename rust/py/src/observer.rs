//! An observer: the shared state as seen from outside the processes that share it.
//!
//! It sits nowhere, holds nothing and claims no record: a deployment of the file that nobody runs is not in its pictures.
//! The one thing that it may write is the hint of who has waited longest, which every reader corrects.

use std::path::PathBuf;
use std::sync::Arc;

use junctor_core::fleet::Fleet;
use junctor_core::snapshot::Snapshot;
use junctor_core::state::State;
use junctor_core::units::Nanos;
use junctor_segment::{Attached, Place, Unshared, monotonic, observe};
use pyo3::exceptions::{PyFileNotFoundError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;

use crate::clock::Clock;
use crate::errors::{fleet_error, json};
use crate::home::{config, seconds};
use crate::router::parse;

/// Looks at the state that other processes share.
#[pyclass(frozen, module = "junctor._core")]
pub struct Observer {
    fleet: Fleet,
    state: Arc<State>,
    /// The machine's monotonic time at the zero of the state's clock.
    epoch: Nanos,
    path: PathBuf,
}

#[pymethods]
impl Observer {
    /// Looks at the state that processes share which gave this `shared` directory and name, through a compiled fleet.
    ///
    /// Raises `FileNotFoundError` if there is none, `OSError` if it cannot be looked at.
    #[new]
    fn new(py: Python<'_>, fleet: &[u8], shared: (PathBuf, String)) -> PyResult<Self> {
        let mut spec = parse(py, fleet)?;
        let (directory, name) = shared;
        let found = observe(&Place { directory, fleet: name }, spec.room());
        let Attached { state, epoch, path } = found.map_err(|unshared| error(&unshared))?;
        let wall_at_zero = spec.wall_epoch_s - seconds(Clock::system().zero()) + seconds(epoch);
        spec.wall_epoch_s = state.agree_on_wall(wall_at_zero);
        let fleet = Fleet::compile(&spec, &state, None).map_err(|error| fleet_error(py, &error))?;
        Ok(Self { fleet, state, epoch, path })
    }

    /// State of every deployment and pool that the processes run, and the counters, as JSON.
    fn snapshot_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let snapshot = Snapshot::take(&self.fleet, monotonic().since(self.epoch));
        let is_newest = self.state.newest_config() == Some(config(&self.fleet.config_hash));
        let segment = self.path.display().to_string();
        Ok(PyBytes::new(py, &json(&ObservedRecord { snapshot, is_newest, segment })?))
    }
}

/// A snapshot from outside.
#[derive(Serialize)]
struct ObservedRecord {
    #[serde(flatten)]
    snapshot: Snapshot,
    /// Whether the fleet that it was taken through is the one that was adopted last.
    is_newest: bool,
    /// The segment's file.
    segment: String,
}

fn error(unshared: &Unshared) -> PyErr {
    let message = unshared.to_string();
    match unshared {
        Unshared::Nobody { .. } => PyFileNotFoundError::new_err(message),
        _ => PyOSError::new_err(message),
    }
}
