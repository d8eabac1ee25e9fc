//! The world: router, providers, calls, and one queue of events whose next entry is the only clock.
//!
//! What callers do at each event is [`caller`](crate::caller)'s; what a run showed is read in [`figures`](crate::figures).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use junctor_core::draw::Draw;
use junctor_core::fleet::FleetError;
use junctor_core::outcome::Ending;
use junctor_core::reservation::Reservation;
use junctor_core::retry::{Deadline, MAX_ATTEMPTS};
use junctor_core::router::Router;
use junctor_core::spec::{FleetSpec, Price};
use junctor_core::units::Nanos;

use crate::chance::{Stream, stream};
use crate::ledger::Ledger;
use crate::log::DecisionLog;
use crate::policy::{Memory, Policy};
use crate::provider::{Answer, Provider};
use crate::quota::Quota;
use crate::traffic::{Arrival, Kind, Pattern, Sizes, drawn};

/// All deployments are counted again after so many steps; the one that a step concerns after each.
const CHECK_ALL_EVERY: u64 = 4_096;

/// How a call was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a whole answer.
    Answered,
    /// With the failure of its last attempt.
    Failed,
    /// With a broken stream.
    Interrupted,
    /// Nobody was free in time.
    NoCapacity,
    /// Nobody may take it.
    Refused,
    /// Its deadline passed.
    Late,
}

/// One call and how it went.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// When it came.
    pub arrived: Nanos,
    /// When it was over.
    pub ended: Option<Nanos>,
    /// When its caller saw the first content.
    pub first_content: Option<Nanos>,
    /// Attempts that it made.
    pub attempts: u32,
    /// Whether it ended well, once it ended.
    pub well: bool,
    /// How it ended.
    pub end: Option<End>,
    /// Micro-dollars that its attempts cost.
    pub cost: u64,
    pub(crate) tried: Vec<usize>,
    pub(crate) failed: Option<Ending>,
    pub(crate) hint: Option<Nanos>,
    /// Attempts under way: one, or two while a hedge runs.
    pub(crate) running: [Option<usize>; 2],
    pub(crate) late: bool,
}

/// One attempt, for the figures.
#[derive(Debug)]
pub struct Attempt {
    /// When it was decided.
    pub at: Nanos,
    /// Whose it is.
    pub call: usize,
    /// Where it went.
    pub provider: usize,
    /// Unknown until it is over.
    pub ending: Option<Ending>,
    /// When it was over.
    pub ended: Option<Nanos>,
    /// When its first content came.
    pub first_content: Option<Nanos>,
    /// Whether a fallback group served.
    pub downgrade: bool,
    /// Whether it was a forced probe.
    pub last_resort: bool,
    /// Whether it was a second attempt beside a slow first one.
    pub hedge: bool,
    /// Whether another attempt of the call was faster.
    pub beaten: bool,
    /// Prompt tokens that were in the provider's cache.
    pub cached: u64,
    /// Tokens of the answer that were written.
    pub output_tokens: u64,
    /// Whether its provider took it, and bills it.
    pub admitted: bool,
    /// Micro-dollars that its provider bills.
    pub cost: u64,
    pub(crate) held: Option<Box<Held>>,
    /// How long it was silent when a hedge was last thought of.
    pub(crate) silent: Nanos,
}

/// What an attempt under way holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub reservation: Option<Kept>,
    pub answer: Answer,
    pub fate: Fate,
}

/// A reservation, which has no words for itself.
pub(crate) struct Kept(pub Reservation);

impl std::fmt::Debug for Kept {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:?}", self.0.deployment().map(|deployment| &deployment.name))
    }
}

/// What will become of an attempt, once its caller's timers are counted in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub ending: Ending,
    /// Whether content reaches the caller before the end.
    pub content: bool,
    /// Whether the caller's deadline is what ends it.
    pub late: bool,
    /// Part of the answer that was written, 0 to 1.
    pub written: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Arrive,
    Reserve,
    Elsewhere,
    Again,
    Hedge,
    FirstContent,
    End,
}

/// Router, providers, traffic, time.
pub struct World {
    /// The core.
    pub router: Router,
    /// Who answers.
    pub providers: Vec<Provider>,
    /// Limits that providers share.
    pub pools: Vec<Quota>,
    /// What calls ask for; the first is what [`World::traffic`] sends.
    pub kinds: Vec<Kind>,
    /// What came, in the order of `calls`.
    pub arrivals: Vec<Arrival>,
    /// The calls.
    pub calls: Vec<Call>,
    /// Their attempts, in the order of their decisions.
    pub attempts: Vec<Attempt>,
    /// The time.
    pub now: Nanos,
    /// Who decides.
    pub policy: Policy,
    /// Seconds that a call may take.
    pub deadline_s: f64,
    /// Seconds that a call waits for capacity.
    pub max_wait_s: f64,
    /// Attempts per call.
    pub max_attempts: u32,
    /// Whether callers see answers come in pieces. What a call needs of a deployment is said by its kind.
    pub streamed: bool,
    /// Tokens of a block of a prompt, where traffic has blocks.
    pub block_tokens: u64,
    /// What was promised, counted again.
    pub ledger: Ledger,
    /// Hash over every decision in order.
    pub log_hash: u64,
    /// Steps made.
    pub steps: u64,
    pub(crate) seed: u64,
    pub(crate) log: DecisionLog,
    pub(crate) decisions: Draw,
    pub(crate) callers: Draw,
    pub(crate) memory: Memory,
    pub(crate) by_name: HashMap<String, usize>,
    /// Price and longest wait for the first content, by provider.
    pub(crate) terms: Vec<(Price, Nanos)>,
    queue: BinaryHeap<Reverse<(Nanos, u64, usize, Step)>>,
    order: u64,
}

/// Longest wait for the first content unless a fleet says otherwise.
const FIRST_CONTENT_S: f64 = 20.0;

impl World {
    /// A world around `router`. Without its fleet as written, law and limits are not counted again.
    #[must_use]
    pub fn new(router: Router, providers: Vec<Provider>, seed: u64) -> Self {
        let by_name = providers.iter().enumerate().map(|(at, provider)| (provider.name.clone(), at)).collect();
        let memory = Memory::of(providers.len());
        let terms = vec![(Price::default(), Nanos::from_secs_f64(FIRST_CONTENT_S)); providers.len()];
        Self {
            router,
            providers,
            pools: Vec::new(),
            kinds: vec![Kind { max_tokens: Some(1_024), ..Kind::of("all") }],
            arrivals: Vec::new(),
            calls: Vec::new(),
            attempts: Vec::new(),
            now: Nanos::ZERO,
            policy: Policy::Junctor,
            deadline_s: 60.0,
            max_wait_s: 2.0,
            max_attempts: MAX_ATTEMPTS,
            streamed: true,
            block_tokens: 512,
            ledger: Ledger::default(),
            log_hash: 0,
            steps: 0,
            seed,
            log: DecisionLog::default(),
            decisions: stream(seed, Stream::Decisions),
            callers: stream(seed, Stream::Callers),
            memory,
            by_name,
            terms,
            queue: BinaryHeap::new(),
            order: 0,
        }
    }

    /// A world around a fleet, everything counted again.
    ///
    /// # Errors
    /// [`FleetError`] naming what is wrong with the fleet.
    pub fn of(spec: &FleetSpec, providers: Vec<Provider>, seed: u64) -> Result<Self, FleetError> {
        let mut world = Self::new(Router::new(spec)?, providers, seed);
        world.ledger = Ledger::of(spec);
        for (terms, provider) in world.terms.iter_mut().zip(&world.providers) {
            if let Some(found) = spec.deployments.iter().find(|deployment| deployment.name == provider.name) {
                *terms = (found.price.clone(), Nanos::from_secs_f64(found.first_content_timeout_s));
            }
        }
        Ok(world)
    }

    /// Poisson arrivals of SPEC's calls from `from` to `to` seconds.
    pub fn traffic(&mut self, per_s: f64, from: f64, to: f64) {
        let seed = self.seed ^ self.arrivals.len() as u64;
        self.add(drawn(Pattern::Poisson { per_s }, Sizes::default(), 0, 0, (from, to), seed));
    }

    /// These calls are to come.
    pub fn add(&mut self, arrivals: Vec<Arrival>) {
        for arrival in arrivals {
            let (at, call) = (arrival.at, self.calls.len());
            self.calls.push(Call { arrived: at, ..Call::default() });
            self.arrivals.push(arrival);
            self.plan(at, call, Step::Arrive);
        }
    }

    /// Runs until nothing is left to happen.
    pub fn run(&mut self) {
        while self.step() {}
        self.finish();
    }

    /// Lets the next thing happen; false if nothing is left to. Then [`World::finish`] is due.
    pub fn step(&mut self) -> bool {
        let Some(Reverse((at, _, which, step))) = self.queue.pop() else { return false };
        self.now = at;
        match step {
            Step::Arrive => self.arrive(which),
            Step::Reserve => self.reserve(which),
            Step::Elsewhere => self.elsewhere(which),
            Step::Again => self.reserve(which),
            Step::Hedge => self.hedge(which),
            Step::FirstContent => self.first_content(which),
            Step::End => self.end(which),
        }
        self.steps += 1;
        if self.steps.is_multiple_of(CHECK_ALL_EVERY) {
            self.ledger.check_all(&self.router, self.now);
        }
        true
    }

    /// Checks what must hold at the end.
    pub fn finish(&mut self) {
        self.log_hash = self.log.hash();
        self.ledger.check_rest(&self.router, self.now);
        let open = self.attempts.iter().filter(|attempt| attempt.ending.is_none() || attempt.held.is_some()).count();
        let waiting = self.calls.iter().filter(|call| call.ended.is_none()).count();
        if open + waiting > 0 {
            self.ledger.breach(self.now, || format!("{open} attempts and {waiting} calls never ended"));
        }
    }

    pub(crate) fn plan(&mut self, at: Nanos, which: usize, step: Step) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order, which, step)));
    }

    pub(crate) fn deadline(&self, call: usize) -> Deadline {
        Deadline(self.calls[call].arrived + Nanos::from_secs_f64(self.deadline_s))
    }
}
