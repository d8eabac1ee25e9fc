//! Learned quality: how well each model is likely to do a prompt, told in microseconds from a frozen artifact.
//!
//! Quality differs by prompt, and a table of past answers says how. An embedding model would read prompts better and
//! costs a call or a GPU per decision; a linear model over hashed words costs less than the rest of the walk's caller,
//! needs nothing that is not in the file, and on the data that this project has seen comes within a point of both. It
//! knows the kind of prompts it was trained on and no others: where its prediction does not differ enough from the
//! mean to have paid out of fold, it abstains, and the configured quality counts.
//!
//! Whoever has an embedding at hand anyway can have it read too: [`embedded`].
//!
//! [`features`] reads a prompt, [`outline`] what came with it, [`artifact`] is the file, [`scorer`] evaluates it,
//! [`standing`] gives each deployment its model.

pub mod artifact;
mod bytes;
pub mod embedded;
pub mod features;
mod marks;
pub mod outline;
pub mod scorer;
pub mod standing;
pub mod window;

pub use self::artifact::{Artifact, ArtifactError};
pub use self::outline::Outline;
pub use self::scorer::{Prediction, Scorer};
pub use self::standing::{Learned, Source};

/// Most models of one artifact: their weights for a feature lie side by side.
pub const MAX_MODELS: usize = 32;
