//! The Python face of junctor's core: convert in, call, convert out. A table of contents; one file per noun.

mod clock;
mod embedded;
mod errors;
mod home;
mod learned;
mod leases;
mod observer;
mod outline;
mod request;
mod reservation;
mod router;
mod sessions;
mod simulate;
mod told;

use pyo3::prelude::*;

/// The compiled core of junctor: decides, holds and settles. Use it through `junctor.Router`.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::clock::ManualClock;
    #[pymodule_export]
    use super::embedded::pack_embedded;
    #[pymodule_export]
    use super::learned::{Scorer, features, pack_scorer};
    #[pymodule_export]
    use super::leases::LeaseDesk;
    #[pymodule_export]
    use super::observer::Observer;
    #[pymodule_export]
    use super::outline::Outline;
    #[pymodule_export]
    use super::reservation::Reservation;
    #[pymodule_export]
    use super::router::{Router, check_fleet, health_of, shadowed_rules};
    #[pymodule_export]
    use super::simulate::simulate;

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DEBUG_BUILD", cfg!(debug_assertions))
    }
}
