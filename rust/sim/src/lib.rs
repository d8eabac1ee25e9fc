//! A deterministic world around junctor's core.
//!
//! **Problem.** Whether a router behaves shows after minutes of traffic and a dozen faults, and a figure from one run on
//! one machine proves little. Real time is too slow for thousands of such runs and never gives the same one twice.
//!
//! **Choice.** The core is a calculator: time and chance are its arguments. So everything around it can be made up: the
//! providers ([`provider`]), their quotas ([`quota`]) and prefix caches ([`cache`]), traffic ([`traffic`]), and callers
//! who try again as the Python dispatch does ([`caller`]). A [`World`] joins them by one queue of events whose next
//! entry is the only clock. An hour of traffic takes a second, the same seed gives the same decisions to the last bit
//! ([`log`]), and after every step [`ledger`] counts on its own fingers whether the core kept its promises.
//!
//! **Rejected.** A model of the router in the simulator: it would prove the model. Threads and a scaled clock: neither
//! repeats. What needs real threads is proven by loom and by real processes, not here.
//!
//! **Cost.** The world is single-threaded, and a provider is a few distributions: compare figures between two runs of
//! it, and distrust absolute ones.

#![forbid(unsafe_code)]
#![allow(clippy::indexing_slicing, reason = "the world hands out every index itself; a wrong one is its own mistake")]

// what happens outside
pub mod cache;
pub mod chance;
pub mod fault;
pub mod provider;
pub mod quota;
pub mod traffic;
// who decides
pub mod policy;
// the run
pub mod caller;
pub mod world;
// what is watched
pub mod figures;
pub mod law;
pub mod ledger;
pub mod log;
pub mod twin;
// ready-made worlds
pub mod job;
pub mod random;
pub mod report;
pub mod scenario;
pub mod suite;

pub use fault::Fault;
pub use policy::Policy;
pub use provider::Provider;
pub use world::{Attempt, Call, World};
