//! A Python call's arguments as a core request. Borrowed: the hot path copies no text.

use arrayvec::ArrayVec;
use junctor_core::draw::identity;
use junctor_core::learned::Outline as Figures;
use junctor_core::request::{Needs, Request, Warm};
use junctor_core::units::Nanos;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString};
use serde::{Deserialize, Serialize};

use crate::errors::invalid_request;
use crate::outline::Outline;

/// Most tags of one request.
const MAX_TAGS: usize = 32;
/// Most names in one of the lists.
const MAX_NAMES: usize = 16;

/// Tags that are kept without allocating: more than most requests have.
const FEW_TAGS: usize = 4;

/// The arguments of `reserve` and `explain`, checked but not copied.
pub struct Arguments<'py> {
    pub model: Bound<'py, PyString>,
    pub scalars: Scalars,
    pub tags: Tags,
    /// What the prompt says: for the scorer, and not kept.
    pub text: Option<Bound<'py, PyString>>,
    /// What came with it: likewise.
    pub outline: Option<Bound<'py, Outline>>,
    /// What an embedding model made of it: likewise.
    pub embedding: Option<Vec<f32>>,
    /// Absent when all of them are empty, as they nearly always are.
    pub lists: Option<Box<Lists>>,
}

/// Name and value of one tag.
type Tag = (Py<PyString>, Py<PyString>);

/// A request's tags as they were when it was made: their mapping may change afterwards.
pub enum Tags {
    Few(ArrayVec<Tag, FEW_TAGS>),
    Many(Vec<Tag>),
}

/// The arguments that are one number or set.
#[derive(Clone, Copy, Default)]
pub struct Scalars {
    pub input_tokens: u64,
    pub estimated: bool,
    pub output_tokens: Option<u64>,
    pub prompt_chars: u64,
    pub needs: Needs,
    pub affinity: Option<u64>,
    pub warm: Option<Warm>,
    pub reached: Option<f32>,
    pub prunes: bool,
    pub max_wait: Nanos,
    pub spare: bool,
}

/// The arguments that are lists of names.
#[derive(Clone, Default)]
pub struct Lists {
    pub tried: Vec<String>,
    pub regions: Vec<String>,
    pub providers: Vec<String>,
    pub exclude_providers: Vec<String>,
    pub agreements: Vec<String>,
}

impl Arguments<'_> {
    /// Calls `act` with the core's form of these arguments.
    pub fn with_request<T>(&self, act: impl FnOnce(&Request<'_>) -> T) -> PyResult<T> {
        let py = self.model.py();
        let mut tags: ArrayVec<(&str, &str), MAX_TAGS> = ArrayVec::new();
        for (name, value) in self.tags.iter() {
            tags.push((name.bind(py).to_str()?, value.bind(py).to_str()?));
        }
        // A surrogate that stands alone is no text of any language: it is read as a mark of replacement.
        let text = self.text.as_ref().map(|text| text.to_string_lossy());
        let outline = self.outline.as_ref().map_or(&Figures::PLAIN, |outline| &outline.get().0);
        let embedding = self.embedding.as_deref();
        let scalars = self.scalars.request(self.model.to_str()?, &tags);
        let request = Request { text: text.as_deref(), outline, embedding, ..scalars };
        Ok(match &self.lists {
            None => act(&request),
            Some(lists) => lists.with(request, act),
        })
    }

    /// The same, kept for the receipt after the call.
    pub fn keep(self) -> Kept {
        Kept { model: self.model.unbind(), scalars: self.scalars, tags: self.tags, lists: self.lists }
    }
}

impl Scalars {
    fn request<'a>(&self, model: &'a str, tags: &'a [(&'a str, &'a str)]) -> Request<'a> {
        Request {
            model,
            input_tokens: self.input_tokens,
            estimated: self.estimated,
            output_tokens: self.output_tokens,
            prompt_chars: self.prompt_chars,
            needs: self.needs,
            tags,
            affinity: self.affinity,
            warm: self.warm,
            reached: self.reached,
            prunes: self.prunes,
            max_wait: self.max_wait,
            spare: self.spare,
            ..Request::default()
        }
    }
}

impl Lists {
    /// The lists, if any of them has a name in it.
    pub fn read(py: Python<'_>, named: [(&str, Option<&Bound<'_, PyAny>>); 5]) -> PyResult<Option<Box<Self>>> {
        if named.iter().all(|(_, list)| list.is_none()) {
            return Ok(None);
        }
        let [tried, regions, providers, exclude_providers, agreements] =
            named.map(|(what, list)| names(py, what, list));
        Ok(Some(Box::new(Self {
            tried: tried?,
            regions: regions?,
            providers: providers?,
            exclude_providers: exclude_providers?,
            agreements: agreements?,
        })))
    }

    fn with<T>(&self, request: Request<'_>, act: impl FnOnce(&Request<'_>) -> T) -> T {
        let lists = [&self.tried, &self.regions, &self.providers, &self.exclude_providers, &self.agreements];
        let [tried, regions, providers, exclude_providers, agreements] =
            lists.map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
        act(&Request {
            tried: &tried,
            regions: &regions,
            providers: &providers,
            exclude_providers: &exclude_providers,
            agreements: &agreements,
            ..request
        })
    }
}

/// A call's arguments, kept without copying for a receipt that may never be asked for.
pub struct Kept {
    model: Py<PyString>,
    scalars: Scalars,
    tags: Tags,
    lists: Option<Box<Lists>>,
}

impl Kept {
    /// The arguments as plain data.
    pub fn record(&self, py: Python<'_>) -> PyResult<RequestRecord> {
        let arguments = Arguments {
            model: self.model.bind(py).clone(),
            scalars: self.scalars,
            tags: self.tags.clone_ref(py),
            text: None,
            outline: None,
            embedding: None,
            lists: self.lists.clone(),
        };
        arguments.with_request(RequestRecord::of)
    }
}

impl Tags {
    /// The tags of a mapping, both sides checked to be text.
    #[inline]
    pub fn read(tags: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut read = Self::Few(ArrayVec::new());
        let Some(tags) = tags else { return Ok(read) };
        if tags.len() > MAX_TAGS {
            let message = format!("a request carries {} tags; allowed are up to {MAX_TAGS}: merge some", tags.len());
            return Err(invalid_request(tags.py(), message));
        }
        for (name, value) in tags {
            match (name.cast_into::<PyString>(), value.cast_into::<PyString>()) {
                (Ok(name), Ok(value)) => read.add((name.unbind(), value.unbind())),
                _ => return Err(invalid_request(tags.py(), "tags map names to values, both text".to_owned())),
            }
        }
        Ok(read)
    }

    #[inline]
    fn add(&mut self, tag: Tag) {
        match self {
            Self::Few(few) => {
                if let Err(full) = few.try_push(tag) {
                    let more = few.drain(..).chain([full.element()]).collect();
                    *self = Self::Many(more);
                }
            }
            Self::Many(many) => many.push(tag),
        }
    }

    fn iter(&self) -> std::slice::Iter<'_, Tag> {
        match self {
            Self::Few(few) => few.iter(),
            Self::Many(many) => many.iter(),
        }
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        Self::Many(self.iter().map(|(name, value)| (name.clone_ref(py), value.clone_ref(py))).collect())
    }
}

/// Capability words as a set.
pub fn needs(py: Python<'_>, words: Option<&Bound<'_, PyAny>>) -> PyResult<Needs> {
    let Some(words) = words else { return Ok(Needs::NONE) };
    let mut needs = Needs::NONE;
    for word in words.try_iter()? {
        let word = word?;
        let word = word.cast::<PyString>()?.to_str()?;
        let Some(need) = Needs::named(word) else {
            let known: Vec<_> = Needs::ALL.names().collect();
            let message = format!("needs holds {word:?}; allowed are {}", known.join(", "));
            return Err(invalid_request(py, message));
        };
        needs = needs.and(need);
    }
    Ok(needs)
}

fn names(py: Python<'_>, what: &str, list: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let found: Vec<String> = list.try_iter()?.map(|name| name?.extract()).collect::<PyResult<_>>()?;
    if found.len() > MAX_NAMES {
        let message = format!("{what} holds {} names; allowed are up to {MAX_NAMES}", found.len());
        return Err(invalid_request(py, message));
    }
    Ok(found)
}

/// A session name or a hash as an affinity key.
pub fn affinity(key: Option<&Bound<'_, PyAny>>) -> PyResult<Option<u64>> {
    let Some(key) = key else { return Ok(None) };
    if let Ok(name) = key.cast::<PyString>() {
        return Ok(Some(identity(&[name.to_str()?])));
    }
    key.cast::<PyInt>()?.extract().map(Some)
}

/// A request in a receipt: what is needed to walk again. Neither content nor secrets; the affinity key is a hash.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestRecord {
    pub model: String,
    pub input_tokens: u64,
    #[serde(skip_serializing_if = "is_false")]
    pub estimated: bool,
    pub output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub prompt_chars: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<u64>,
    /// A deployment's identity, and the tokens that its cache holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<(u64, u64)>,
    /// How strong a model its session had reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<f32>,
    #[serde(skip_serializing_if = "is_false")]
    pub prunes: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_providers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agreements: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub max_wait_ns: u64,
    #[serde(skip_serializing_if = "is_false")]
    pub spare: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as above")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl RequestRecord {
    /// The record of a request.
    pub fn of(request: &Request<'_>) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            model: request.model.to_owned(),
            input_tokens: request.input_tokens,
            estimated: request.estimated,
            output_tokens: request.output_tokens,
            prompt_chars: request.prompt_chars,
            needs: request.needs.names().map(ToOwned::to_owned).collect(),
            tags: request.tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            affinity: request.affinity,
            warm: request.warm.map(|warm| (warm.deployment, warm.tokens)),
            reached: request.reached,
            prunes: request.prunes,
            tried: owned(request.tried),
            regions: owned(request.regions),
            providers: owned(request.providers),
            exclude_providers: owned(request.exclude_providers),
            agreements: owned(request.agreements),
            max_wait_ns: request.max_wait.0,
            spare: request.spare,
        }
    }

    /// Calls `act` with the core's form of this record.
    pub fn with_request<T>(&self, act: impl FnOnce(&Request<'_>) -> T) -> T {
        let tags: Vec<(&str, &str)> = self.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let scalars = Scalars {
            input_tokens: self.input_tokens,
            estimated: self.estimated,
            output_tokens: self.output_tokens,
            prompt_chars: self.prompt_chars,
            needs: self.needs.iter().filter_map(|word| Needs::named(word)).fold(Needs::NONE, Needs::and),
            affinity: self.affinity,
            warm: self.warm.map(|(deployment, tokens)| Warm { deployment, tokens }),
            reached: self.reached,
            prunes: self.prunes,
            max_wait: Nanos(self.max_wait_ns),
            spare: self.spare,
        };
        let lists = Lists {
            tried: self.tried.clone(),
            regions: self.regions.clone(),
            providers: self.providers.clone(),
            exclude_providers: self.exclude_providers.clone(),
            agreements: self.agreements.clone(),
        };
        lists.with(scalars.request(&self.model, &tags), act)
    }
}
