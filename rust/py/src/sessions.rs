//! Sessions, as the binding keeps them: the core's table behind a lock.
//!
//! Only calls that name a session take it, of fleets that say something of sessions, and for less than a microsecond.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use junctor_core::draw::identity;
use junctor_core::session::{HeldOfSession, Over, SessionSpec, Sessions, Spending};
use junctor_core::units::Nanos;
use serde::Serialize;

/// The sessions of one router.
#[derive(Clone, Default)]
pub struct Accounts(Arc<Mutex<Sessions>>);

/// One session of a call, under what its fleet says of sessions.
#[derive(Clone, Copy)]
pub struct Session {
    key: u64,
    spec: SessionSpec,
}

impl Session {
    /// The session that a caller calls `name`.
    pub fn named(name: &str, spec: SessionSpec) -> Self {
        Self { key: identity(&["session", name]), spec }
    }
}

impl Accounts {
    fn table(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How strong a model the session has reached.
    pub fn reached(&self, session: Session, now: Nanos) -> Option<f32> {
        self.table().reached(&session.spec, session.key, now)
    }

    /// The session was answered by a model of this strength.
    pub fn raise(&self, session: Session, strength: f32, now: Nanos) {
        self.table().raise(&session.spec, session.key, strength, now);
    }

    /// Micro-dollars and tokens that are left of its budget, each only if there is one.
    pub fn left(&self, session: Session, now: Nanos) -> (Option<u64>, Option<u64>) {
        self.table().left(&session.spec, session.key, now)
    }

    /// Holds what an attempt may take.
    pub fn hold(&self, session: Session, amount: Spending, now: Nanos) -> Result<Held, Over> {
        let held = self.table().hold(&session.spec, session.key, amount, now)?;
        Ok(Held { accounts: self.clone(), session, at: now, held: Some(held) })
    }

    /// How many there are.
    pub fn record(&self) -> SessionsRecord {
        let table = self.table();
        SessionsRecord { remembered: table.len(), evicted: table.evicted() }
    }
}

/// What is held of a session's budget for one attempt. Dropped unsettled, it counts as used whole.
pub struct Held {
    accounts: Accounts,
    session: Session,
    at: Nanos,
    held: Option<HeldOfSession>,
}

impl Held {
    /// The attempt is over: it used so much, and if it was answered where sessions do not go back, by this strength.
    pub fn settle(mut self, used: Spending, strength: Option<f32>, now: Nanos) {
        self.end(used, now);
        if let Some(strength) = strength {
            self.accounts.raise(self.session, strength, now);
        }
    }

    fn end(&mut self, used: Spending, now: Nanos) {
        if let Some(held) = self.held.take() {
            self.accounts.table().settle(held, used, now);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let all = self.held.as_ref().map_or_else(Spending::default, HeldOfSession::amount);
        self.end(all, self.at);
    }
}

/// The sentence for a caller whose session gets nothing.
pub fn sentence(over: Over) -> String {
    match over {
        Over::Budget { what, spent, held, asked, limit } => {
            let unit = if what == "tokens" { "tokens" } else { "micro-dollars" };
            let key = if what == "tokens" { "sessions.budget_tokens" } else { "sessions.budget_usd" };
            format!(
                "the session has used {spent} of its {limit} {unit}, {held} are held for calls under way, and this one would \
                 take {asked}: begin a new session, ask for less by max_tokens, or raise {key}"
            )
        }
        Over::Crowded { most } => format!(
            "{most} sessions have calls under way, and sessions.most allows no more: raise it, or call without a session"
        ),
    }
}

/// What a snapshot says of sessions.
#[derive(Serialize)]
pub struct SessionsRecord {
    remembered: usize,
    evicted: u64,
}
