//! The host's desk, as Python sees it: what to tell the coordinator, and what its answer means.

use std::sync::{Mutex, MutexGuard, PoisonError};

use junctor_core::lease;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::json;
use crate::router::Router;

/// What one process remembers between its reports to the coordinator. Used by one thread at a time; the lock is for
/// callers who do otherwise, and no request ever takes it.
#[pyclass(frozen, module = "junctor._core")]
pub struct LeaseDesk {
    desk: Mutex<lease::Desk>,
}

impl LeaseDesk {
    fn desk(&self) -> MutexGuard<'_, lease::Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl LeaseDesk {
    /// A desk that remembers nothing.
    #[new]
    fn new() -> Self {
        Self { desk: Mutex::default() }
    }

    /// What `owner` has to do for its host now: `(speaks, due)`. It speaks if it is the host's one process that does.
    fn turn(&self, router: &Router, owner: u64) -> (bool, bool) {
        let turn = self.desk().turn(&router.core().fleet(), owner, router.now());
        (turn.speaks, turn.due)
    }

    /// One more process keeps its host's leases.
    fn join(&self, router: &Router) {
        if let Some(words) = router.core().state().leases() {
            lease::words::LeaseWords::new(words).join();
        }
    }

    /// One less; whether it was surely the last.
    fn leave(&self, router: &Router) -> bool {
        router.core().state().leases().is_some_and(|words| lease::words::LeaseWords::new(words).leave())
    }

    /// Gives the election up, for another process of the host.
    fn resign(&self, router: &Router, owner: u64) {
        if let Some(words) = router.core().state().leases() {
            lease::words::LeaseWords::new(words).resign(owner);
        }
    }

    /// The coordinator said what time it is.
    fn hear(&self, router: &Router, server_ms: i64) {
        self.desk().hear(server_ms, router.now());
    }

    /// A report as JSON; None if the fleet has no leases. `host` names the host if it has no name yet; `bye` gives
    /// everything back. One of `adopt`, `lost` and `unsent` must follow.
    #[pyo3(signature = (router, host, *, bye=false))]
    fn report_json<'py>(
        &self,
        py: Python<'py>,
        router: &Router,
        host: u64,
        bye: bool,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let report = self.desk().report(&router.core().fleet(), host, bye, router.now());
        report.map(|report| Ok(PyBytes::new(py, &json(&report)?))).transpose()
    }

    /// Takes over the coordinator's answer; False if it is none, or the report came too late to be read.
    #[expect(clippy::needless_pass_by_value, reason = "a list from Python")]
    fn adopt(&self, router: &Router, answer: Vec<i64>) -> bool {
        self.desk().adopt(&router.core().fleet(), &answer, router.now())
    }

    /// The report went out and nobody knows what became of it.
    fn lost(&self, router: &Router) {
        self.desk().lost(&router.core().fleet());
    }

    /// There was no report, or it was surely not read.
    fn unsent(&self, router: &Router) {
        self.desk().unsent(&router.core().fleet());
    }

    /// Forgets everything that was granted, and the host's name: in a forked child, if its state is a copy.
    fn disown(&self, router: &Router) {
        self.desk().disown(&router.core().fleet());
    }

    /// Grants the host its safe share if its lease is over. To be called several times a second.
    fn live_alone(&self, router: &Router) {
        self.desk().live_alone(&router.core().fleet(), router.now());
    }
}
