//! Sessions: what each has spent of its budget, and how strong a model it has reached.
//!
//! **Problem.** A conversation is many calls, and two promises hold for all of them together: that they cost no more than
//! so much, and that none is answered by a weaker model than one before it was. Calls of one session run side by side.
//!
//! **Choice.** A table of accounts by the session's key, bounded in number. What an attempt may cost is held before it is
//! sent and replaced by what it did cost, as limits do it: so parallel calls cannot pass a budget together, and what was
//! used beyond an estimate is a debt that refuses the next call. An account with an attempt under way is never forgotten.
//! Of the others each is when it has been idle for its time, and the longest unused goes first where the table is full;
//! that session then begins anew.
//!
//! **Rejected.** A bucket of the shared state for each session: a segment has a fixed number of records, and sessions come
//! and go by the thousand. Refusing new sessions when the table is full: whoever names many would lock out the rest.
//! Forgetting nothing: memory that callers control.
//!
//! **Cost.** A hundred bytes per session, a search in a tree and a few links per attempt; nothing for calls without one.
//! Accounts are of one process: several workers behind one door each give a session its budget.

mod queue;

use std::collections::BTreeMap;

use serde::Deserialize;

use self::queue::{Queue, Used};
use crate::decision::Decision;
use crate::fleet::Fleet;
use crate::refusal::Refusal;
use crate::score::UNKNOWN_OUTPUT_TOKENS;
use crate::units::Nanos;

/// Idle accounts that are let go when another is opened: more than one, so that what is idle goes by itself.
const LET_GO: usize = 2;

/// What holds for sessions.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSpec {
    /// A session that was idle for so many seconds begins anew.
    pub idle_s: f64,
    /// Sessions that are remembered at most.
    pub most: usize,
    /// Micro-dollars that all calls of one session may cost together.
    #[serde(default)]
    pub usd_micros: Option<u64>,
    /// Tokens that they may use together, prompts and answers.
    #[serde(default)]
    pub tokens: Option<u64>,
}

/// An amount of both things that budgets count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// Micro-dollars.
    pub usd_micros: u64,
    /// Tokens of prompts and answers.
    pub tokens: u64,
}

impl Spending {
    /// What the attempt of a decision is expected to take. An answer that counts against no limit still is one here.
    #[must_use]
    pub fn expected(decision: &Decision) -> Self {
        let estimate = decision.estimate;
        let unheld = || decision.max_tokens.unwrap_or(UNKNOWN_OUTPUT_TOKENS);
        let answer = if estimate.held_output_tokens > 0 { estimate.held_output_tokens } else { unheld() };
        Self { usd_micros: estimate.cost, tokens: estimate.input_tokens.saturating_add(answer) }
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            usd_micros: self.usd_micros.saturating_add(other.usd_micros),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    const fn less(self, other: Self) -> Self {
        Self {
            usd_micros: self.usd_micros.saturating_sub(other.usd_micros),
            tokens: self.tokens.saturating_sub(other.tokens),
        }
    }
}

/// One session's account.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    spent: Spending,
    held: Spending,
    under_way: u32,
    reached: Option<f32>,
    used: Used,
}

/// What is held of a session's budget for one attempt. To be settled, once.
#[derive(Debug)]
#[must_use = "what is held stays held until it is settled"]
pub struct HeldOfSession {
    key: u64,
    amount: Spending,
}

impl HeldOfSession {
    /// How much.
    #[must_use]
    pub const fn amount(&self) -> Spending {
        self.amount
    }
}

/// Why nothing was held of a session's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The budget does not hold what the attempt would take.
    Budget {
        /// `usd_micros` or `tokens`.
        what: &'static str,
        /// What finished attempts have used.
        spent: u64,
        /// What is held for those under way.
        held: u64,
        /// What this one would take.
        asked: u64,
        /// The budget.
        limit: u64,
    },
    /// Every session that is remembered has an attempt under way, and no more may be.
    Crowded {
        /// How many there are.
        most: usize,
    },
}

/// The accounts of all sessions.
#[derive(Debug, Default)]
pub struct Sessions {
    accounts: BTreeMap<u64, Account>,
    /// Those without an attempt under way, the longest unused first.
    idle: Queue,
    evicted: u64,
}

impl Sessions {
    /// Sessions that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Sessions that were forgotten before their time because there were too many.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// The strength that a session has reached: whatever [`raise`](Self::raise) said, the highest.
    pub fn reached(&mut self, spec: &SessionSpec, key: u64, now: Nanos) -> Option<f32> {
        self.forget_if_idle(spec, key, now);
        self.accounts.get(&key)?.reached
    }

    /// What is left of a session's budget by what it has spent and holds; `None` where there is no budget.
    #[must_use]
    pub fn left(&mut self, spec: &SessionSpec, key: u64, now: Nanos) -> (Option<u64>, Option<u64>) {
        self.forget_if_idle(spec, key, now);
        let account = self.accounts.get(&key).copied().unwrap_or_default();
        let taken = account.spent.plus(account.held);
        (
            spec.usd_micros.map(|limit| limit.saturating_sub(taken.usd_micros)),
            spec.tokens.map(|limit| limit.saturating_sub(taken.tokens)),
        )
    }

    /// Holds what an attempt of a session may take.
    ///
    /// # Errors
    /// [`Over`]; then nothing is held.
    pub fn hold(&mut self, spec: &SessionSpec, key: u64, amount: Spending, now: Nanos) -> Result<HeldOfSession, Over> {
        self.forget_if_idle(spec, key, now);
        let known = self.accounts.get(&key).copied();
        fits(spec, &known.unwrap_or_default(), amount)?;
        if known.is_none() {
            self.make_room(spec, now)?;
        }
        let account = self.accounts.entry(key).or_default();
        account.held = account.held.plus(amount);
        account.under_way += 1;
        let used = std::mem::take(&mut account.used);
        self.idle.leave(used);
        Ok(HeldOfSession { key, amount })
    }

    /// An attempt is over: what it used takes the place of what was held.
    pub fn settle(&mut self, held: HeldOfSession, used: Spending, now: Nanos) {
        let HeldOfSession { key, amount } = held;
        // Whoever holds something is not forgotten.
        let Some(account) = self.accounts.get_mut(&key) else { return };
        account.held = account.held.less(amount);
        account.spent = account.spent.plus(used);
        account.under_way = account.under_way.saturating_sub(1);
        if account.under_way == 0 {
            account.used = self.idle.join(key, now);
        }
    }

    /// A session was answered by somebody of this strength: what it has reached rises to it, and never falls.
    pub fn raise(&mut self, spec: &SessionSpec, key: u64, strength: f32, now: Nanos) {
        self.forget_if_idle(spec, key, now);
        if !self.accounts.contains_key(&key) && self.make_room(spec, now).is_err() {
            return;
        }
        let account = self.accounts.entry(key).or_default();
        account.reached = Some(account.reached.map_or(strength, |reached| reached.max(strength)));
        if account.under_way == 0 {
            let used = std::mem::take(&mut account.used);
            self.idle.leave(used);
            account.used = self.idle.join(key, now);
        }
    }

    fn forget_if_idle(&mut self, spec: &SessionSpec, key: u64, now: Nanos) {
        let Some(account) = self.accounts.get(&key) else { return };
        if account.under_way == 0 && account.used.is_older_than(Nanos::from_secs_f64(spec.idle_s), now) {
            self.idle.leave(account.used);
            self.accounts.remove(&key);
        }
    }

    /// Lets go of what is idle, and of the longest unused if there is no room otherwise.
    fn make_room(&mut self, spec: &SessionSpec, now: Nanos) -> Result<(), Over> {
        let idle = Nanos::from_secs_f64(spec.idle_s);
        for _ in 0..LET_GO {
            let full = self.accounts.len() >= spec.most;
            let Some((used, key)) = self.idle.first() else { break };
            let expired = used.is_older_than(idle, now);
            if !full && !expired {
                break;
            }
            self.evicted += u64::from(!expired);
            self.idle.leave(used);
            self.accounts.remove(&key);
        }
        if self.accounts.len() < spec.most { Ok(()) } else { Err(Over::Crowded { most: spec.most }) }
    }
}

/// The strength to which an answer of this decision raises its session, in a group whose escalation is one-way. Nothing
/// where somebody weaker was only out: what an outage sends to a strong model has not been found to need one.
#[must_use]
pub fn strength_of(fleet: &Fleet, decision: &Decision) -> Option<f32> {
    let group = fleet.group(decision.group?)?;
    let quality = |index: u32| fleet.deployment(index).map(|deployment| deployment.quality);
    let strength = quality(decision.deployment?)?;
    let out = decision.log.considered().any(|seen| {
        let passing = |refusal: Refusal| refusal.is_by_state() || matches!(refusal, Refusal::Tried);
        seen.refusal.is_some_and(passing) && quality(seen.deployment).is_some_and(|other| other < strength)
    });
    (group.one_way && !out).then_some(strength)
}

/// Whether a budget holds this much more.
fn fits(spec: &SessionSpec, account: &Account, amount: Spending) -> Result<(), Over> {
    let Account { spent, held, .. } = *account;
    let kinds = [
        ("usd_micros", spec.usd_micros, spent.usd_micros, held.usd_micros, amount.usd_micros),
        ("tokens", spec.tokens, spent.tokens, held.tokens, amount.tokens),
    ];
    for (what, limit, spent, held, asked) in kinds {
        if let Some(limit) = limit
            && spent.saturating_add(held).saturating_add(asked) > limit
        {
            return Err(Over::Budget { what, spent, held, asked, limit });
        }
    }
    Ok(())
}
