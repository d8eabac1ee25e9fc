//! Clocks: the router reads one once per decision, without calling Python.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use junctor_core::units::Nanos;
use junctor_segment::monotonic;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Where a router gets its time from.
pub enum Clock {
    /// The machine's monotonic clock, counted from this reading of it in nanoseconds.
    System(AtomicU64),
    /// A clock that a test moves.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock, starting now.
    pub fn system() -> Self {
        Self::System(AtomicU64::new(monotonic().0))
    }

    /// The time.
    #[inline]
    pub fn now(&self) -> Nanos {
        match self {
            Self::System(zero) => monotonic().since(Nanos(zero.load(Ordering::Relaxed))),
            Self::Manual(nanos) => Nanos(nanos.load(Ordering::Acquire)),
        }
    }

    /// The reading of the machine's clock that is this one's zero.
    pub fn zero(&self) -> Nanos {
        match self {
            Self::System(zero) => Nanos(zero.load(Ordering::Relaxed)),
            Self::Manual(_) => Nanos::ZERO,
        }
    }

    /// Counts from another reading, as those do who share a state. A clock that a test moves stays its own.
    pub fn begin_at(&self, reading: Nanos) {
        if let Self::System(zero) = self {
            zero.store(reading.0, Ordering::Relaxed);
        }
    }
}

/// A clock that moves only when told to, for tests and simulations.
#[pyclass(frozen, module = "junctor._core")]
pub struct ManualClock {
    nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// The same clock, for a router.
    pub fn share(&self) -> Clock {
        Clock::Manual(Arc::clone(&self.nanos))
    }
}

#[pymethods]
impl ManualClock {
    /// A clock that shows `start_s` seconds.
    #[new]
    #[pyo3(signature = (start_s=0.0))]
    fn new(start_s: f64) -> Self {
        Self { nanos: Arc::new(AtomicU64::new(Nanos::from_secs_f64(start_s).0)) }
    }

    /// Moves the clock forward by `seconds`. It never goes back.
    fn advance(&self, seconds: f64) -> PyResult<()> {
        if !seconds.is_finite() || seconds < 0.0 {
            return Err(PyValueError::new_err(format!(
                "seconds is {seconds}; allowed is 0 or more: this clock never goes back"
            )));
        }
        self.nanos.fetch_add(Nanos::from_secs_f64(seconds).0, Ordering::AcqRel);
        Ok(())
    }

    /// Seconds that the clock shows.
    fn now_s(&self) -> f64 {
        Nanos(self.nanos.load(Ordering::Acquire)).as_secs_f64()
    }

    fn __repr__(&self) -> String {
        format!("ManualClock({:.9})", self.now_s())
    }
}
