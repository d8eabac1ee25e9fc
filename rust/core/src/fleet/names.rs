//! Names: to groups by a hash table, to bits of a word where sets of names are compared.

use std::collections::{BTreeMap, HashMap};

use crate::rules::BuildValueHasher;

/// Longest name that a caller can ask for.
pub const MAX_NAME_BYTES: usize = 256;

/// What a caller may ask for and the group that stands for it, and the deployments themselves.
#[derive(Debug, Default)]
pub struct Names {
    groups: HashMap<Box<str>, u32, BuildValueHasher>,
    deployments: HashMap<Box<str>, u32, BuildValueHasher>,
}

impl Names {
    /// Gives `name` to a group unless somebody has it: named groups come before models, models before deployments.
    pub fn offer(&mut self, name: &str, group: u32) {
        self.groups.entry(name.into()).or_insert(group);
    }

    /// Notes the name of a deployment.
    pub fn note(&mut self, name: &str, deployment: u32) {
        self.deployments.insert(name.into(), deployment);
    }

    /// The deployment called `name`.
    #[must_use]
    pub fn deployment(&self, name: &str) -> Option<u32> {
        self.deployments.get(name).copied()
    }

    /// The group called `name`.
    #[must_use]
    #[inline]
    pub fn group(&self, name: &str) -> Option<u32> {
        // A caller's name is neither hashed nor compared beyond what a name may be.
        if name.len() > MAX_NAME_BYTES { None } else { self.groups.get(name).copied() }
    }

    /// The known name most like `name`, if any is close.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        if name.len() > MAX_NAME_BYTES {
            return None;
        }
        let close = |known: &&str| strsim::jaro_winkler(known, name);
        let known = self.groups.keys().map(AsRef::as_ref);
        known.max_by(|a, b| close(a).total_cmp(&close(b))).filter(|best| close(best) > 0.75)
    }
}

/// Interns names as bits of one word, so that sets of them are compared with one AND.
#[derive(Clone, Debug, Default)]
pub struct NameBits {
    bits: BTreeMap<Box<str>, u32>,
}

impl NameBits {
    /// The bit of `name`, given to it now if it has none yet; `None` when all 64 are taken.
    pub fn intern(&mut self, name: &str) -> Option<u64> {
        if let Some(&bit) = self.bits.get(name) {
            return Some(1 << bit);
        }
        let bit = u32::try_from(self.bits.len()).ok().filter(|&bit| bit < u64::BITS)?;
        self.bits.insert(name.into(), bit);
        Some(1 << bit)
    }

    /// The bit of `name`; no bit at all if nothing is called so.
    #[must_use]
    pub fn bit(&self, name: &str) -> u64 {
        self.bits.get(name).map_or(0, |&bit| 1 << bit)
    }

    /// The bits of all `names` together, unknown ones left out.
    #[must_use]
    pub fn mask(&self, names: &[&str]) -> u64 {
        names.iter().map(|name| self.bit(name)).fold(0, std::ops::BitOr::bitor)
    }
}
