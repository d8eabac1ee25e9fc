//! Stage 4, balance: who is free, near and warm?
//!
//! Two candidates are drawn by weight and the one with less load wins (Mitzenmacher's power of two choices): random
//! enough that a fast or freshly recovered deployment is never stampeded, informed enough that a slow one loses its
//! share in seconds. Load is the product of permits in flight, expected time to first content, age of the oldest
//! unanswered attempt and success rate over capacity. Rejected: least load of all (herds onto one fast failure),
//! Peak-EWMA (one outlier shuns a good deployment), total latency (measures the length of answers).
//!
//! What the averages are made of is in [`averages`], the unanswered attempts in [`pending`], the draw in [`draw`], the
//! prompt-cache preference in [`affinity`], how likely a choice of model was in [`propensity`].

pub mod affinity;
pub mod averages;
pub mod draw;
pub mod group;
pub mod load;
pub mod pending;
pub mod propensity;
pub mod record;

pub use self::record::{DeploymentRecord, is_busy, note_joined};
