//! The router, as Python sees it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use junctor_core::decision::{Denial, Why};
use junctor_core::draw::{identity, mix};
use junctor_core::fleet::Fleet;
use junctor_core::learned::Learned;
use junctor_core::outcome::{Ending, Outcome};
use junctor_core::record::DecisionRecord;
use junctor_core::request::{Request, Warm};
use junctor_core::reservation::Reservation as Attempt;
use junctor_core::router::Router as Core;
use junctor_core::session::Spending;
use junctor_core::snapshot::Snapshot;
use junctor_core::spec::FleetSpec;
use junctor_core::state::State;
use junctor_core::units::Nanos;
use junctor_segment::{Place, monotonic};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::sync::Arc;

use crate::clock::{Clock, ManualClock};
use crate::embedded::embedding;
use crate::errors::{config_error, denial, fleet_error, invalid_request, json, refused_session, warn_narrower};
use crate::home::Home;
use crate::outline::Outline;
use crate::request::{Arguments, Lists, RequestRecord, Scalars, Tags, affinity, needs};
use crate::reservation::Reservation;
use crate::sessions::{Accounts, Held, Session, sentence};
use crate::told::{ReplayRecord, SnapshotRecord, ToldRecord};

/// Decides where requests go and holds what they need there. Does no I/O.
#[pyclass(frozen, subclass, module = "junctor._core")]
pub struct Router {
    core: Core,
    home: Home,
    clock: Clock,
    /// One Python object per deployment, handed back with its reservation.
    endpoints: ArcSwap<Vec<Py<PyAny>>>,
    /// Where the seeds of decisions come from: a counter, scrambled.
    seeds: AtomicU64,
    /// Whether the first seed was given: then forked children repeat the draws as well.
    seeded: bool,
    /// What sessions have spent and reached.
    accounts: Accounts,
}

impl Router {
    /// The router's time.
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// The core, over a state of this process: a forked child takes a seat of its own first.
    #[inline]
    pub fn core(&self) -> &Core {
        if self.home.is_left() {
            self.come_home();
        }
        &self.core
    }

    /// What a forked child does before its first decision.
    #[cold]
    fn come_home(&self) {
        let shared_before = self.home.why_private().is_none();
        if self.home.is_another_users()
            && let Ok(directory) = Python::attach(runtime_directory)
        {
            self.home.share_in(directory);
        }
        if !self.home.come_home(&self.core, &self.clock) {
            return;
        }
        if !self.seeded {
            // Siblings that draw alike would all choose alike.
            self.seeds.store(entropy(), Ordering::Relaxed);
        }
        if let Some(why) = self.home.why_private().filter(|_| shared_before) {
            let message = format!("in this forked process limits and breakers hold for it alone: {why}");
            Python::attach(|py| warn_narrower(py, &message));
        }
    }

    /// Once a second: goes where the others are if somebody has removed the segment.
    #[inline]
    fn look_for_segment(&self, py: Python<'_>) {
        if self.home.is_removed(&self.core, self.now()) && self.home.move_on(&self.core, &self.clock) {
            let message = "the file of the shared state was removed, or closed by this program, while it was in use: \
                           attempts in flight end where they began, and new ones are counted where others find them now";
            warn_narrower(py, message);
        }
    }

    /// The numbers of a request's embedding, if it brings one: of the size that the fleet's scorer reads.
    #[inline]
    fn embedding(&self, given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<f32>>> {
        let Some(given) = given else { return Ok(None) };
        let fleet = self.core().fleet();
        embedding(given, fleet.learned.as_ref().map(Learned::scorer)).map(Some)
    }

    fn next_seed(&self, given: Option<u64>) -> u64 {
        given.unwrap_or_else(|| mix(self.seeds.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)))
    }
}

/// Where this user's processes share state.
fn runtime_directory(py: Python<'_>) -> PyResult<PathBuf> {
    py.import("junctor.runtime")?.call_method0("directory")?.extract()
}

/// A compiled fleet as the core takes it.
pub fn parse(py: Python<'_>, fleet: &[u8]) -> PyResult<FleetSpec> {
    serde_json::from_slice(fleet).map_err(|error| config_error(py, format!("the compiled fleet is malformed: {error}")))
}

fn same_length(py: Python<'_>, spec: &FleetSpec, endpoints: &[Py<PyAny>]) -> PyResult<()> {
    if spec.deployments.len() == endpoints.len() {
        return Ok(());
    }
    let (given, needed) = (endpoints.len(), spec.deployments.len());
    Err(config_error(py, format!("endpoints has {given} entries; allowed is one per deployment, {needed}")))
}

#[pymethods]
impl Router {
    /// A router over a compiled fleet. `endpoints` holds one object per deployment, in the fleet's order.
    ///
    /// `seed` makes all draws repeatable; None takes one from the system. `clock` is the machine's if not given.
    /// `shared` is a directory and a fleet's name: all processes that give the same share one state, if it can be.
    #[new]
    #[pyo3(signature = (fleet, endpoints, *, seed=None, clock=None, shared=None))]
    fn new(
        py: Python<'_>,
        fleet: &[u8],
        endpoints: Vec<Py<PyAny>>,
        seed: Option<u64>,
        clock: Option<&Bound<'_, ManualClock>>,
        shared: Option<(PathBuf, String)>,
    ) -> PyResult<Self> {
        let spec = parse(py, fleet)?;
        same_length(py, &spec, &endpoints)?;
        let clock = clock.map_or_else(Clock::system, |clock| clock.get().share());
        let place = shared.map(|(directory, fleet)| Place { directory, fleet });
        let (core, home) = Home::open(spec, place, &clock).map_err(|error| fleet_error(py, &error))?;
        Ok(Self {
            core,
            home,
            clock,
            endpoints: ArcSwap::from_pointee(endpoints),
            seeds: AtomicU64::new(seed.unwrap_or_else(entropy)),
            seeded: seed.is_some(),
            accounts: Accounts::default(),
        })
    }

    /// Decides where a request goes and holds what it needs there.
    ///
    /// `model` is `auto`, a group, a model or a deployment. `input_tokens` is taken as counted, or with `estimated` as one
    /// token per 3.5 bytes, which each deployment turns into tokens of its own; `output_tokens` bounds the answer.
    /// `needs` are capability words, `tags` what rules and compliance clauses ask about, `affinity` a session name whose
    /// requests should meet, `tried` the deployments of earlier attempts. With `spare` it is a hedge: only in the asked
    /// group, only where there is room for twice the estimate, and never as a probe. `warm` is a deployment and how many
    /// tokens of the prompt its cache is expected to hold: where cached input does not count, they are not held. `prunes`
    /// says that a long prompt will be cut as the rule or the group asks for, so it is judged by that size. `text` is what
    /// the learned scorer reads, `outline` what it looks at beside it; or `embedding`, one vector of numbers, if it reads
    /// those. `session` is the session that what the fleet says of sessions holds for; it is the affinity too if there is
    /// no other.
    ///
    /// Raises `Refused`, `TooLarge`, `NoCapacity` or `InvalidRequest`.
    #[pyo3(signature = (model=None, *, input_tokens=0, output_tokens=None, needs=None, tags=None, prompt_chars=0,
                        affinity=None, tried=None, regions=None, providers=None, exclude_providers=None,
                        agreements=None, max_wait_s=0.0, spare=false, estimated=false, warm=None, prunes=false,
                        text=None, outline=None, embedding=None, session=None, seed=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn reserve<'py>(
        slf: &Bound<'py, Self>,
        model: Option<Bound<'py, PyString>>,
        input_tokens: u64,
        output_tokens: Option<u64>,
        needs: Option<&Bound<'py, PyAny>>,
        tags: Option<Bound<'py, PyDict>>,
        prompt_chars: u64,
        affinity: Option<&Bound<'py, PyAny>>,
        tried: Option<&Bound<'py, PyAny>>,
        regions: Option<&Bound<'py, PyAny>>,
        providers: Option<&Bound<'py, PyAny>>,
        exclude_providers: Option<&Bound<'py, PyAny>>,
        agreements: Option<&Bound<'py, PyAny>>,
        max_wait_s: f64,
        spare: bool,
        estimated: bool,
        warm: Option<(PyBackedStr, u64)>,
        prunes: bool,
        text: Option<Bound<'py, PyString>>,
        outline: Option<Bound<'py, Outline>>,
        embedding: Option<&Bound<'py, PyAny>>,
        session: Option<PyBackedStr>,
        seed: Option<u64>,
    ) -> PyResult<Reservation> {
        let py = slf.py();
        let lists = [tried, regions, providers, exclude_providers, agreements];
        let mut scalars = scalars(py, input_tokens, output_tokens, prompt_chars, needs, affinity, max_wait_s)?;
        scalars.spare = spare;
        scalars.estimated = estimated;
        scalars.warm = warm.map(|(deployment, tokens)| Warm::at(&deployment, tokens));
        scalars.prunes = prunes;
        let this = slf.get();
        this.look_for_segment(py);
        let (now, seed) = (this.now(), this.next_seed(seed));
        let session = session.and_then(|name| this.session(&name, &mut scalars, now));
        let mut arguments = arguments(py, model, scalars, tags, (text, outline), lists)?;
        arguments.embedding = this.embedding(embedding)?;
        let mut core = Box::new(this.core().vacant(now, seed));
        if core.state().is_sweep_due(now) {
            core.state().sweep_if_due(now);
        }
        let made = arguments.with_request(|request| this.core().reserve_in(&mut core, request))?;
        made.map_err(|denied| this.denied(py, &denied, &arguments))?;
        let held = session.map(|session| this.hold_of_session(py, session, &mut core)).transpose()?;
        let index = core.decision().deployment.map_or(usize::MAX, |index| index as usize);
        let endpoint = this.endpoints.load().get(index).map_or_else(|| py.None(), |endpoint| endpoint.clone_ref(py));
        Ok(Reservation::new(core, slf.clone().unbind(), endpoint, arguments.keep(), held))
    }

    /// The same walk as `reserve` with nothing held, told stage by stage, as JSON.
    #[pyo3(signature = (model=None, *, input_tokens=0, output_tokens=None, needs=None, tags=None, prompt_chars=0,
                        affinity=None, tried=None, regions=None, providers=None, exclude_providers=None,
                        agreements=None, max_wait_s=0.0, spare=false, estimated=false, warm=None, prunes=false,
                        text=None, outline=None, embedding=None, session=None, seed=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn explain_json<'py>(
        slf: &Bound<'py, Self>,
        model: Option<Bound<'py, PyString>>,
        input_tokens: u64,
        output_tokens: Option<u64>,
        needs: Option<&Bound<'py, PyAny>>,
        tags: Option<Bound<'py, PyDict>>,
        prompt_chars: u64,
        affinity: Option<&Bound<'py, PyAny>>,
        tried: Option<&Bound<'py, PyAny>>,
        regions: Option<&Bound<'py, PyAny>>,
        providers: Option<&Bound<'py, PyAny>>,
        exclude_providers: Option<&Bound<'py, PyAny>>,
        agreements: Option<&Bound<'py, PyAny>>,
        max_wait_s: f64,
        spare: bool,
        estimated: bool,
        warm: Option<(PyBackedStr, u64)>,
        prunes: bool,
        text: Option<Bound<'py, PyString>>,
        outline: Option<Bound<'py, Outline>>,
        embedding: Option<&Bound<'py, PyAny>>,
        session: Option<PyBackedStr>,
        seed: Option<u64>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let py = slf.py();
        let lists = [tried, regions, providers, exclude_providers, agreements];
        let mut scalars = scalars(py, input_tokens, output_tokens, prompt_chars, needs, affinity, max_wait_s)?;
        scalars.spare = spare;
        scalars.estimated = estimated;
        scalars.warm = warm.map(|(deployment, tokens)| Warm::at(&deployment, tokens));
        scalars.prunes = prunes;
        if let Some(name) = session {
            let this = slf.get();
            this.session(&name, &mut scalars, this.now());
        }
        let mut arguments = arguments(py, model, scalars, tags, (text, outline), lists)?;
        arguments.embedding = slf.get().embedding(embedding)?;
        let told = arguments.with_request(|request| slf.get().told(py, request, seed))??;
        Ok(PyBytes::new(py, &json(&told)?))
    }

    /// Makes a decision again from its record (JSON of a `Decision` with its request) and answers the new record.
    fn replay_json<'py>(&self, py: Python<'py>, record: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let record: ReplayRecord = serde_json::from_slice(record)
            .map_err(|error| invalid_request(py, format!("the record is not a decision: {error}")))?;
        let fleet = self.core().fleet();
        let made = record.decision;
        if made.config_hash != *fleet.config_hash {
            let (theirs, ours) = (made.config_hash, &fleet.config_hash);
            return Err(invalid_request(
                py,
                format!("the decision was made under config {theirs}; this router has {ours}"),
            ));
        }
        let Some(log) = made.log(&fleet).filter(|_| made.replayable) else {
            return Err(invalid_request(py, "the record does not hold everything that the decision saw".to_owned()));
        };
        let (now, seed) = (Nanos(made.at_ns), made.seed);
        let again = record.request.with_request(|request| self.core().replay(request, now, seed, &log));
        let again = again.unwrap_or_else(|denied| denied.decision);
        let mut again = DecisionRecord::of(&fleet, &again, &record.request.model);
        if again.candidates == made.candidates {
            // A verdict is one word; which limit or clause it was is only in the sentence.
            again.refusals = made.refusals;
        }
        Ok(PyBytes::new(py, &json(&again)?))
    }

    /// State of every deployment and pool, and the counters, as JSON.
    fn snapshot_json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.look_for_segment(py);
        let (core, now) = (self.core(), self.now());
        core.state().sweep_if_due(now);
        let fleet = core.fleet();
        let snapshot = Snapshot::take(&fleet, now);
        let state = self.home.record(&core.state());
        let sessions = fleet.sessions.map(|_| self.accounts.record());
        Ok(PyBytes::new(py, &json(&SnapshotRecord { snapshot, state, sessions })?))
    }

    /// Swaps the fleet. Attempts in flight finish under the old one; state is kept by name.
    fn reload(&self, py: Python<'_>, fleet: &[u8], endpoints: Vec<Py<PyAny>>) -> PyResult<()> {
        let spec = parse(py, fleet)?;
        same_length(py, &spec, &endpoints)?;
        self.home.reload(self.core(), spec, &self.clock).map_err(|error| fleet_error(py, &error))?;
        self.endpoints.store(Arc::new(endpoints));
        Ok(())
    }

    /// Names the configuration in force.
    #[getter]
    fn config_hash(&self) -> String {
        self.core().fleet().config_hash.to_string()
    }

    /// Seconds on the router's clock.
    fn now_s(&self) -> f64 {
        self.now().as_secs_f64()
    }

    /// Why the state is kept by this process alone although it was to be shared; None if it is shared or need not be.
    #[getter]
    fn why_private(&self) -> Option<String> {
        self.core();
        self.home.why_private()
    }

    /// The configuration that another process sharing the state has adopted and this one has not; None if there is none.
    #[getter]
    fn newer_config(&self) -> Option<String> {
        self.core().state().newer_config().map(|newest| format!("{newest:016x}"))
    }

    /// Notes a new call: each adds a fifth of a retry to the shared budget, and a twentieth of a hedge if any group hedges.
    ///
    /// Answers whether another process sharing the state has adopted a newer configuration than this one runs.
    fn note_call(&self) -> bool {
        self.core().note_call(self.now())
    }

    /// Takes one retry from the shared budget; False if there is none.
    fn try_retry(&self) -> bool {
        self.core().try_retry(self.now())
    }

    /// Takes one hedge from the purse that all calls share; False if there is none.
    fn try_hedge(&self) -> bool {
        self.core().try_hedge(self.now())
    }

    /// Seconds to wait before another attempt; `attempt` counts retries from 0, `hint_s` is the provider's.
    #[pyo3(signature = (*, same_deployment, attempt, hint_s=None, seed=0))]
    fn retry_delay_s(&self, same_deployment: bool, attempt: u32, hint_s: Option<f64>, seed: u64) -> f64 {
        Core::retry_delay(same_deployment, attempt, hint_s.map(Nanos::from_secs_f64), seed).as_secs_f64()
    }

    /// Expected seconds to the first content of a deployment.
    fn expected_first_content_s(&self, deployment: &str) -> PyResult<f64> {
        let expected = self.core().expected_first_content(deployment, self.now()).map(Nanos::as_secs_f64);
        expected.ok_or_else(|| PyValueError::new_err(format!("no deployment is called {deployment:?}")))
    }

    /// What is left of a session's budget: micro-dollars and tokens, each None where there is no such budget.
    fn session_left(&self, session: &str) -> (Option<u64>, Option<u64>) {
        let spec = self.core().fleet().sessions;
        spec.map_or((None, None), |spec| self.accounts.left(Session::named(session, spec), self.now()))
    }

    /// The strength that a session has reached by `raise_session`, or by answers of groups whose escalation is one-way.
    fn session_reached(&self, session: &str) -> Option<f32> {
        self.accounts.reached(Session::named(session, self.core().fleet().sessions?), self.now())
    }

    /// Says that a session was answered by somebody of this strength. It never falls until the session was idle.
    fn raise_session(&self, session: &str, strength: f32) {
        if let Some(spec) = self.core().fleet().sessions {
            self.accounts.raise(Session::named(session, spec), strength, self.now());
        }
    }

    /// Sets a deployment's breaker by hand: `open`, `close` or `reset`.
    fn set_breaker(&self, deployment: &str, state: &str) -> PyResult<()> {
        self.core().set_breaker(deployment, state, self.now()).map_err(PyValueError::new_err)
    }
}

impl Router {
    /// The session of a call, if the fleet says anything of sessions, and what it has reached.
    #[cold]
    fn session(&self, name: &str, scalars: &mut Scalars, now: Nanos) -> Option<Session> {
        scalars.affinity = scalars.affinity.or_else(|| Some(identity(&[name])));
        let session = Session::named(name, self.core().fleet().sessions?);
        scalars.reached = self.accounts.reached(session, now);
        Some(session)
    }

    /// Holds what an attempt may take of its session's budget; if it does not fit, the attempt is given up.
    #[cold]
    fn hold_of_session(&self, py: Python<'_>, session: Session, core: &mut Attempt) -> PyResult<Held> {
        let now = core.decision().at;
        self.accounts.hold(session, Spending::expected(core.decision()), now).map_err(|over| {
            core.settle(Outcome::bare(Ending::Cancelled { sent: false }), now);
            refused_session(py, sentence(over))
        })
    }

    #[cold]
    fn denied(&self, py: Python<'_>, denied: &Denial, arguments: &Arguments<'_>) -> PyErr {
        let request = arguments.with_request(RequestRecord::of);
        request.map_or_else(|error| error, |request| denial(py, &self.core().fleet(), denied, request))
    }

    fn told(&self, py: Python<'_>, request: &Request<'_>, seed: Option<u64>) -> PyResult<ToldRecord> {
        let fleet = self.core().fleet();
        let (now, seed) = (self.now(), self.next_seed(seed));
        let (decision, denial) = match self.core().explain(request, now, seed) {
            Ok(decision) => (decision, None),
            Err(denied) if denied.why == Why::UnknownModel => {
                return Err(denial(py, &fleet, &denied, RequestRecord::of(request)));
            }
            Err(denied) => {
                let sentence = denied.describe(&fleet, request.model);
                (denied.decision, Some(sentence))
            }
        };
        Ok(ToldRecord::of(&fleet, &decision, denial, request, self.core().survey(request, now)))
    }
}

#[inline]
fn scalars(
    py: Python<'_>,
    input_tokens: u64,
    output_tokens: Option<u64>,
    prompt_chars: u64,
    words: Option<&Bound<'_, PyAny>>,
    key: Option<&Bound<'_, PyAny>>,
    max_wait_s: f64,
) -> PyResult<Scalars> {
    Ok(Scalars {
        input_tokens,
        output_tokens,
        prompt_chars,
        needs: needs(py, words)?,
        affinity: affinity(key)?,
        max_wait: Nanos::from_secs_f64(max_wait_s),
        ..Scalars::default()
    })
}

#[inline]
fn arguments<'py>(
    py: Python<'py>,
    model: Option<Bound<'py, PyString>>,
    scalars: Scalars,
    tags: Option<Bound<'py, PyDict>>,
    (text, outline): (Option<Bound<'py, PyString>>, Option<Bound<'py, Outline>>),
    [tried, regions, providers, exclude_providers, agreements]: [Option<&Bound<'py, PyAny>>; 5],
) -> PyResult<Arguments<'py>> {
    let lists = Lists::read(
        py,
        [
            ("tried", tried),
            ("regions", regions),
            ("providers", providers),
            ("exclude_providers", exclude_providers),
            ("agreements", agreements),
        ],
    )?;
    let model = model.unwrap_or_else(|| pyo3::intern!(py, "auto").clone());
    Ok(Arguments { model, scalars, tags: Tags::read(tags.as_ref())?, text, outline, embedding: None, lists })
}

/// A seed from the system. Not a secret: only different each time, and in each process.
fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // A forked child has its parent's hash keys.
    mix(RandomState::new().hash_one(std::process::id()) ^ monotonic().0)
}

/// Compiles a fleet without opening a router; raises `ConfigError` if it cannot be.
#[pyfunction]
pub fn check_fleet(py: Python<'_>, fleet: &[u8]) -> PyResult<()> {
    let spec = parse(py, fleet)?;
    let state = Arc::new(State::on_heap(spec.room()));
    Fleet::compile(&spec, &state, None).map(drop).map_err(|error| fleet_error(py, &error))
}

/// Rules that can never be the first to match: (rule, the earlier rules that cover it), by index. A rule that nothing
/// can match has none.
#[pyfunction]
pub fn shadowed_rules(py: Python<'_>, fleet: &[u8]) -> PyResult<Vec<(usize, Vec<usize>)>> {
    let spec = parse(py, fleet)?;
    let state = Arc::new(State::on_heap(spec.room()));
    let fleet = Fleet::compile(&spec, &state, None).map_err(|error| fleet_error(py, &error))?;
    Ok(fleet.rules.all.shadowed().into_iter().map(|shadow| (shadow.rule, shadow.by)).collect())
}

/// What an outcome does to a deployment's health: `hard`, `throttled`, `exhausted`, `config` or `none`.
#[pyfunction]
pub fn health_of(outcome: &str) -> PyResult<&'static str> {
    Ending::named(outcome).map(Ending::health).ok_or_else(|| {
        PyValueError::new_err(format!("{outcome:?} is no outcome; allowed are ok, cancelled and the failure kinds"))
    })
}
