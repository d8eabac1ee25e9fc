//! What a router tells of its decisions and its state, as JSON.

use std::collections::BTreeMap;

use junctor_core::decision::Decision;
use junctor_core::fleet::Fleet;
use junctor_core::record::{CandidateRecord, DecisionRecord};
use junctor_core::request::Request;
use junctor_core::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

use crate::home::HomeRecord;
use crate::request::RequestRecord;
use crate::sessions::SessionsRecord;

/// A snapshot, and where the state is kept.
#[derive(Serialize)]
pub struct SnapshotRecord {
    #[serde(flatten)]
    pub snapshot: Snapshot,
    pub state: HomeRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionsRecord>,
}

/// A decision with what it takes to make it again.
#[derive(Deserialize)]
pub struct ReplayRecord {
    #[serde(flatten)]
    pub decision: DecisionRecord,
    pub request: RequestRecord,
}

/// A decision told in full: every member of the groups that the request may visit.
#[derive(Serialize)]
pub struct ToldRecord {
    #[serde(flatten)]
    pub decision: DecisionRecord,
    denial: Option<String>,
    survey: Vec<CandidateRecord>,
    reasons: BTreeMap<String, String>,
    pub request: RequestRecord,
}

impl ToldRecord {
    pub fn of(
        fleet: &Fleet,
        decision: &Decision,
        denial: Option<String>,
        request: &Request<'_>,
        mut all: Decision,
    ) -> Self {
        all.deployment = decision.deployment;
        let DecisionRecord { candidates: survey, refusals: reasons, .. } =
            DecisionRecord::of(fleet, &all, request.model);
        Self {
            decision: DecisionRecord::of(fleet, decision, request.model),
            denial,
            survey,
            reasons,
            request: RequestRecord::of(request),
        }
    }
}
