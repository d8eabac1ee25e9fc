//! Capacity held for one attempt, as Python sees it.

use std::collections::BTreeMap;

use junctor_core::fleet::Action;
use junctor_core::outcome::{Ending, LimitReport, Outcome};
use junctor_core::record::{DecisionRecord, refusals};
use junctor_core::reservation::Reservation as Core;
use junctor_core::session::{Spending, strength_of};
use junctor_core::spec::Dimension;
use junctor_core::units::Nanos;
use pyo3::intern;
use pyo3::prelude::*;
use serde::Serialize;

use crate::errors::{invalid_request, receipt};
use crate::request::{Kept, RequestRecord};
use crate::router::Router;
use crate::sessions::Held;

/// Capacity held for one attempt: send the request to `endpoint`, then `settle`.
///
/// As a context manager it counts as abandoned when left without a settlement, so cancellation needs no extra code.
#[pyclass(module = "junctor._core")]
pub struct Reservation {
    /// Apart, so that the Python object is small enough for Python's own allocator and neither is moved about.
    core: Box<Core>,
    router: Py<Router>,
    endpoint: Py<PyAny>,
    call: Kept,
    outcome: Option<&'static str>,
    ended_at: Nanos,
    /// What is held of its session's budget, until it is settled.
    session: Option<Held>,
}

impl Reservation {
    /// A reservation that `router` made for `call`.
    pub const fn new(
        core: Box<Core>,
        router: Py<Router>,
        endpoint: Py<PyAny>,
        call: Kept,
        session: Option<Held>,
    ) -> Self {
        Self { core, router, endpoint, call, outcome: None, ended_at: Nanos::ZERO, session }
    }

    fn end(&mut self, word: &'static str, outcome: Outcome<'_>) -> u64 {
        if self.core.is_held() {
            self.ended_at = self.router.get().now();
            self.outcome = Some(word);
        }
        let cost = self.core.settle(outcome, self.ended_at).cost;
        if self.session.is_some() {
            self.settle_session();
        }
        cost
    }

    /// What the attempt used takes the place of what was held of its session's budget.
    #[cold]
    fn settle_session(&mut self) {
        let Some(held) = self.session.take() else { return };
        let settled = self.core.settlement();
        let tokens = settled.input_tokens.saturating_add(settled.output_tokens);
        let answered = self.outcome == Some("ok");
        let strength = answered.then(|| strength_of(self.core.fleet(), self.core.decision())).flatten();
        held.settle(Spending { usd_micros: settled.cost, tokens }, strength, self.ended_at);
    }
}

/// One limit as a provider's headers tell it: dimension, limit, remaining, seconds to reset.
type LimitTuple<'py> = (Bound<'py, PyAny>, Option<u64>, Option<u64>, Option<f64>);

#[pymethods]
impl Reservation {
    /// Name of the deployment to use.
    #[getter]
    fn deployment(&self) -> &str {
        self.core.deployment().map_or("", |deployment| &deployment.name)
    }

    /// Name of its provider.
    #[getter]
    fn provider(&self) -> &str {
        self.core.deployment().map_or("", |deployment| &deployment.provider)
    }

    /// Name of its model, `provider/model`.
    #[getter]
    fn model(&self) -> &str {
        self.core.deployment().map_or("", |deployment| &deployment.model)
    }

    /// The endpoint that the fleet gives for it.
    #[getter]
    fn endpoint(&self, py: Python<'_>) -> Py<PyAny> {
        self.endpoint.clone_ref(py)
    }

    /// Name of the group that serves.
    #[getter]
    fn group(&self) -> &str {
        let group = self.core.decision().group.and_then(|index| self.core.fleet().group(index));
        group.map_or("", |group| &group.name)
    }

    /// Whether a fallback group serves instead of the one that was asked for.
    #[getter]
    fn downgrade(&self) -> bool {
        self.core.decision().is_downgrade()
    }

    /// Whether it is weaker than its session has reached.
    #[getter]
    const fn weaker(&self) -> bool {
        self.core.decision().weaker
    }

    /// Name of the rule that matched; None if none did.
    #[getter]
    fn rule(&self) -> Option<&str> {
        self.action().map(|action| &*action.rule)
    }

    /// Bound on the answer's tokens after the rule and the caller had their say; None if there is none.
    #[getter]
    const fn max_output_tokens(&self) -> Option<u64> {
        self.core.decision().max_tokens
    }

    /// Reasoning effort that the matching rule asks for; None if it does not.
    #[getter]
    fn effort(&self) -> Option<&str> {
        self.action()?.effort.as_deref()
    }

    /// Seconds of silence after which a second attempt beside this one pays; None if it never does.
    ///
    /// Silence is the time without first content, or without an answer if the request does not need `streaming`.
    #[getter]
    fn hedge_after_s(&self) -> Option<f64> {
        self.core.hedge_after(self.router.get().now()).map(Nanos::as_secs_f64)
    }

    /// Whether it is still to be settled.
    #[getter]
    const fn held(&self) -> bool {
        self.core.is_held()
    }

    // What observers count of every attempt, each a field of its receipt: a receipt is put together for who reads it.

    /// How the attempt ended: `ok`, `cancelled`, `abandoned` or a failure kind; `held` before that.
    #[getter]
    fn outcome(&self) -> &'static str {
        self.outcome.unwrap_or("held")
    }

    /// Whether it was made beside a slow one.
    #[getter]
    const fn hedge(&self) -> bool {
        self.core.decision().hedge
    }

    /// Why each refused candidate was refused, as a sentence.
    #[getter]
    fn refusals(&self) -> BTreeMap<String, String> {
        refusals(self.core.fleet(), self.core.decision())
    }

    /// Seconds on the router's clock at which it was decided.
    #[getter]
    fn started_s(&self) -> f64 {
        self.core.decision().at.as_secs_f64()
    }

    /// Seconds from there to its end; 0 before that.
    #[getter]
    fn duration_s(&self) -> f64 {
        self.ended_at.since(self.core.decision().at).as_secs_f64()
    }

    /// Seconds to the first content; None if there was none, or nobody noted it.
    #[getter]
    fn first_content_s(&self) -> Option<f64> {
        self.core.first_content_after().map(Nanos::as_secs_f64)
    }

    /// Input tokens that were settled.
    #[getter]
    const fn input_tokens(&self) -> u64 {
        self.core.settlement().input_tokens
    }

    /// Output tokens that were settled.
    #[getter]
    const fn output_tokens(&self) -> u64 {
        self.core.settlement().output_tokens
    }

    /// What it cost, in micro-dollars.
    #[getter]
    const fn cost_usd_micros(&self) -> u64 {
        self.core.settlement().cost
    }

    /// The receipt of this attempt: the decision, what it saw, what was held and settled.
    #[getter]
    fn receipt<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        receipt(py, &ReceiptRecord { attempts: [self.attempt(py)?] })
    }

    /// Notes the first content: ends the age clock and closes a half-open breaker. Only the first call counts.
    fn first_content(&mut self) {
        let now = self.router.get().now();
        self.core.first_content(now);
    }

    /// Settles the attempt and answers its cost in micro-dollars. Only the first settlement counts.
    ///
    /// `outcome` is `ok`, `cancelled` or a failure kind. Token counts are the provider's, None if it gave none;
    /// `input_tokens` includes the cached ones, `cache_write_tokens` those that are kept for an hour. Times are seconds.
    /// `rate_limits` are tuples of dimension, limit, remaining and seconds to reset, as the answer's headers tell them.
    /// `beaten` says that another attempt of the same call was faster: what this one used is counted as waste.
    #[pyo3(signature = (outcome="ok", *, input_tokens=None, output_tokens=None, cached_tokens=0, cache_write_tokens=0,
                        cache_write_1h_tokens=0, first_token_s=None, retry_after_s=None, rate_limits=None, beaten=false))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python face")]
    fn settle(
        &mut self,
        py: Python<'_>,
        outcome: &str,
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
        cached_tokens: u64,
        cache_write_tokens: u64,
        cache_write_1h_tokens: u64,
        first_token_s: Option<f64>,
        retry_after_s: Option<f64>,
        rate_limits: Option<&Bound<'_, PyAny>>,
        beaten: bool,
    ) -> PyResult<u64> {
        let Some((word, ending)) = Ending::known(outcome) else {
            let message = format!("outcome is {outcome:?}; allowed are ok, cancelled and the failure kinds");
            return Err(invalid_request(py, message));
        };
        let mut end = Outcome::bare(ending);
        end.input_tokens = input_tokens;
        end.output_tokens = output_tokens;
        end.cached_tokens = cached_tokens;
        end.cache_write_tokens = cache_write_tokens;
        end.cache_write_1h_tokens = cache_write_1h_tokens;
        end.first_content = first_token_s.map(Nanos::from_secs_f64);
        end.beaten = beaten;
        end.retry_after = retry_after_s.filter(|hint| *hint >= 0.0).map(Nanos::from_secs_f64);
        let reports = rate_limits.map(read_reports).transpose()?.unwrap_or_default();
        end.reports = &reports;
        Ok(self.end(word, end))
    }

    /// Gives the attempt up. `sent=False` if the request never left: then everything is given back.
    ///
    /// Otherwise the prompt stays charged, and `output_tokens` of the answer if that many are known to have come.
    #[pyo3(signature = (*, sent=true, output_tokens=None))]
    fn cancel(&mut self, sent: bool, output_tokens: Option<u64>) {
        let mut end = Outcome::bare(Ending::Cancelled { sent });
        end.output_tokens = output_tokens;
        self.end("cancelled", end);
    }

    const fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&mut self, _exception: &Bound<'_, pyo3::types::PyTuple>) {
        if self.core.is_held() {
            self.ended_at = self.router.get().now();
            self.outcome = Some("abandoned");
            self.core.abandon(self.ended_at);
            self.settle_session();
        }
    }

    fn __repr__(&self) -> String {
        let state = if self.core.is_held() { "held" } else { "settled" };
        format!("Reservation({:?}, group={:?}, {state})", self.deployment(), self.group())
    }
}

fn read_reports(reports: &Bound<'_, PyAny>) -> PyResult<Vec<LimitReport>> {
    let mut read = Vec::new();
    for report in reports.try_iter()? {
        let (dimension, limit, remaining, _reset_s): LimitTuple<'_> = report?.extract()?;
        if let Some(dimension) = Dimension::named(dimension.extract()?) {
            read.push(LimitReport { dimension, limit, remaining });
        }
    }
    Ok(read)
}

#[derive(Serialize)]
struct ReceiptRecord {
    attempts: [AttemptRecord; 1],
}

#[derive(Serialize)]
struct AttemptRecord {
    deployment: String,
    outcome: String,
    decision: HeldDecision,
    started_s: f64,
    first_content_s: Option<f64>,
    duration_s: f64,
    settled: BTreeMap<String, u64>,
    input_tokens: u64,
    output_tokens: u64,
    cost_usd_micros: u64,
    usage_known: bool,
    hedge: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    model_status: String,
}

#[derive(Serialize)]
struct HeldDecision {
    #[serde(flatten)]
    decision: DecisionRecord,
    held: BTreeMap<String, u64>,
    request: RequestRecord,
}

impl Reservation {
    /// What the rule that matched asks for.
    fn action(&self) -> Option<&Action> {
        self.core.fleet().rules.actions.get(self.core.decision().rule? as usize)
    }

    /// What the endpoint says of its model's end; nothing for endpoints of a program's own.
    fn model_status(&self, py: Python<'_>) -> String {
        let told = self.endpoint.bind(py).getattr(intern!(py, "model_status"));
        told.and_then(|status| status.extract()).unwrap_or_default()
    }

    fn attempt(&self, py: Python<'_>) -> PyResult<AttemptRecord> {
        let request = self.call.record(py)?;
        let decision = DecisionRecord::of(self.core.fleet(), self.core.decision(), &request.model);
        Ok(AttemptRecord {
            deployment: self.deployment().to_owned(),
            outcome: self.outcome().to_owned(),
            started_s: self.started_s(),
            first_content_s: self.first_content_s(),
            duration_s: self.duration_s(),
            settled: self
                .core
                .charged()
                .map(|(pool, dimension, units)| (format!("{pool}.{dimension}"), units))
                .collect(),
            input_tokens: self.input_tokens(),
            output_tokens: self.output_tokens(),
            cost_usd_micros: self.cost_usd_micros(),
            usage_known: self.core.is_held() || self.core.settlement().usage_known,
            hedge: self.hedge(),
            model_status: self.model_status(py),
            decision: HeldDecision {
                decision,
                held: self
                    .core
                    .estimated()
                    .map(|(pool, dimension, units)| (format!("{pool}.{dimension}"), units))
                    .collect(),
                request,
            },
        })
    }
}
