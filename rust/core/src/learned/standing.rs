//! Which model of an artifact speaks for which deployment of a fleet.
//!
//! By the name of the deployment's model, with its provider or without; or by the fleet file, which may also say that a
//! model that was never measured is *like* one that was. A deployment that nobody speaks for keeps its configured
//! quality, and explanations say so.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use super::bytes::from_base64;
use super::scorer::{Prediction, Scorer};
use crate::fleet::FleetError;

/// A scorer as it arrives with a fleet.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScorerSpec {
    /// The file, as base64.
    #[serde(deserialize_with = "artifact")]
    pub artifact: Arc<Scorer>,
    /// The artifact's model for models of the fleet whose names differ.
    #[serde(default)]
    pub models: BTreeMap<String, String>,
    /// The artifact's model that a model of the fleet is taken to be like.
    #[serde(default)]
    pub like: BTreeMap<String, String>,
}

fn artifact<'de, D: Deserializer<'de>>(text: D) -> Result<Arc<Scorer>, D::Error> {
    let text = String::deserialize(text)?;
    let file = from_base64(&text).ok_or_else(|| serde::de::Error::custom("scorer.artifact is no base64"))?;
    Scorer::read(&file).map(Arc::new).map_err(serde::de::Error::custom)
}

/// Where a quality comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The configuration: there is no scorer, no text, or nobody speaks for this deployment.
    #[default]
    Configured,
    /// The scorer, which knows this model.
    Predicted,
    /// The scorer, which would have read an embedding and had words only.
    Words,
    /// The scorer, for another model that this one is said to be like.
    Like,
    /// The configuration, because the scorer has nothing to say about this prompt.
    Abstained,
}

impl Source {
    /// Its word in receipts; nothing for a configured quality.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Configured => "",
            Self::Predicted => "predicted",
            Self::Words => "words",
            Self::Like => "like",
            Self::Abstained => "abstained",
        }
    }

    /// The source with this word.
    #[must_use]
    pub fn named(word: &str) -> Self {
        [Self::Predicted, Self::Words, Self::Like, Self::Abstained]
            .into_iter()
            .find(|source| source.word() == word)
            .unwrap_or_default()
    }
}

/// A scorer and, for each deployment, the model that speaks for it.
#[derive(Debug)]
pub struct Learned {
    scorer: Arc<Scorer>,
    places: Box<[Option<(u8, Source)>]>,
}

impl Learned {
    /// Finds the models of a fleet's deployments, given by the names of their models.
    ///
    /// # Errors
    /// [`FleetError::Unbound`] for a name that the artifact does not know.
    pub fn new<'d>(spec: &ScorerSpec, deployments: impl Iterator<Item = &'d str>) -> Result<Self, FleetError> {
        let scorer = Arc::clone(&spec.artifact);
        let mut named: BTreeMap<&str, (u8, Source)> = BTreeMap::new();
        for (key, map, source) in [("like", &spec.like, Source::Like), ("models", &spec.models, Source::Predicted)] {
            for (model, name) in map {
                let place = scorer.model(name).ok_or_else(|| FleetError::Unbound {
                    user: format!("scorer.{key}.{model}"),
                    kind: "the artifact's model",
                    name: name.clone(),
                })?;
                named.insert(model, (place, source));
            }
        }
        let by_name = |model: &str| {
            let bare = model.split_once('/').map_or(model, |(_, bare)| bare);
            scorer.model(model).or_else(|| scorer.model(bare)).map(|place| (place, Source::Predicted))
        };
        let places = deployments.map(|model| named.get(model).copied().or_else(|| by_name(model))).collect();
        Ok(Self { scorer, places })
    }

    /// The scorer.
    #[must_use]
    pub fn scorer(&self) -> &Scorer {
        &self.scorer
    }

    /// The quality of a deployment under a prediction, and where it comes from.
    #[must_use]
    #[inline]
    pub fn quality(&self, told: &Prediction, deployment: u32, configured: f32) -> (f32, Source) {
        let place = self.places.get(deployment as usize).copied().flatten();
        match place.and_then(|(place, source)| Some((*told.qualities.get(usize::from(place))?, source))) {
            Some(_) if told.abstains => (configured, Source::Abstained),
            Some((quality, Source::Predicted)) if told.instead => (quality, Source::Words),
            Some((quality, source)) => (quality, source),
            None => (configured, Source::Configured),
        }
    }
}
