"""The compiled core: decides, holds and settles. Use it through `junctor.Router`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, final

from typing_extensions import disjoint_base

from junctor.receipts import Receipt
from junctor.request import Vector

__all__ = [
    "DEBUG_BUILD",
    "LeaseDesk",
    "ManualClock",
    "Observer",
    "Outline",
    "Reservation",
    "Router",
    "Scorer",
    "__version__",
    "check_fleet",
    "features",
    "health_of",
    "pack_embedded",
    "pack_scorer",
    "shadowed_rules",
    "simulate",
]

__version__: str
DEBUG_BUILD: bool

@final
class ManualClock:
    """A clock that moves only when told to, for tests and simulations."""

    def __new__(cls, start_s: float = 0.0) -> ManualClock: ...
    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`, 0 or more. It never goes back."""

    def now_s(self) -> float:
        """Seconds that the clock shows."""

@final
class Observer:
    """Looks at the state that other processes share: sits nowhere, holds nothing, claims nothing."""

    def __new__(cls, fleet: bytes, shared: tuple[str, str]) -> Observer:
        """Look through a compiled fleet at the state of all that gave this `shared` directory and name.

        Raises `FileNotFoundError` if there is none, `OSError` if it cannot be looked at.
        """

    def snapshot_json(self) -> bytes:
        """State of every deployment and pool that the processes run, and the counters, as JSON."""

@final
class LeaseDesk:
    """What one process remembers between its reports to the coordinator of leases. Used by `junctor.leases`."""

    def __new__(cls) -> LeaseDesk: ...
    def turn(self, router: Router, owner: int) -> tuple[bool, bool]:
        """What `owner` has to do for its host now: `(speaks, due)`. One process of a host speaks."""

    def join(self, router: Router) -> None:
        """One more process keeps its host's leases."""

    def leave(self, router: Router) -> bool:
        """One less; whether it was surely the last."""

    def resign(self, router: Router, owner: int) -> None:
        """Give the election up, for another process of the host."""

    def hear(self, router: Router, server_ms: int) -> None:
        """The coordinator said what time it is."""

    def report_json(self, router: Router, host: int, *, bye: bool = False) -> bytes | None:
        """A report as JSON; None if the fleet has no leases. `host` names the host if it has no name yet.

        `bye` gives everything back. One of `adopt`, `lost` and `unsent` must follow.
        """

    def adopt(self, router: Router, answer: list[int]) -> bool:
        """Take over the coordinator's answer; False if it is none, or the report came too late to be read."""

    def lost(self, router: Router) -> None:
        """The report went out and nobody knows what became of it."""

    def unsent(self, router: Router) -> None:
        """There was no report, or it was surely not read."""

    def live_alone(self, router: Router) -> None:
        """Grant the host its safe share if its lease is over. To be called several times a second."""

    def disown(self, router: Router) -> None:
        """Forget everything that was granted, and the host's name: in a forked child, if its state is a copy."""

@final
class Reservation:
    """Capacity held for one attempt: send the request to `endpoint`, then `settle`.

    As a context manager it counts as abandoned when left without a settlement, so cancellation needs no extra code.
    """

    @property
    def deployment(self) -> str:
        """Name of the deployment to use."""

    @property
    def provider(self) -> str:
        """Name of its provider."""

    @property
    def model(self) -> str:
        """Name of its model, `provider/model`."""

    @property
    def endpoint(self) -> Any:
        """The object that the router was given for this deployment."""

    @property
    def group(self) -> str:
        """Name of the group that serves."""

    @property
    def downgrade(self) -> bool:
        """Whether a fallback group serves instead of the one that was asked for."""

    @property
    def weaker(self) -> bool:
        """Whether it is weaker than its session has reached."""

    @property
    def rule(self) -> str | None:
        """Name of the rule that matched; None if none did."""

    @property
    def max_output_tokens(self) -> int | None:
        """Bound on the answer's tokens after the rule and the caller had their say; None if there is none."""

    @property
    def effort(self) -> str | None:
        """Reasoning effort that the matching rule asks for; None if it does not."""

    @property
    def hedge_after_s(self) -> float | None:
        """Seconds of silence after which a second attempt beside this one pays; None if it never does.

        Silence is the time without first content, or without an answer if the request does not need `streaming`.
        """

    @property
    def held(self) -> bool:
        """Whether it is still to be settled."""

    @property
    def outcome(self) -> str:
        """How the attempt ended: `ok`, `cancelled`, `abandoned` or a failure kind; `held` before that."""

    @property
    def hedge(self) -> bool:
        """Whether it was made beside a slow one."""

    @property
    def refusals(self) -> dict[str, str]:
        """Why each refused candidate was refused, as a sentence."""

    @property
    def started_s(self) -> float:
        """Seconds on the router's clock at which it was decided."""

    @property
    def duration_s(self) -> float:
        """Seconds from there to its end; 0 before that."""

    @property
    def first_content_s(self) -> float | None:
        """Seconds to the first content; None if there was none, or nobody noted it."""

    @property
    def input_tokens(self) -> int:
        """Input tokens that were settled."""

    @property
    def output_tokens(self) -> int:
        """Output tokens that were settled."""

    @property
    def cost_usd_micros(self) -> int:
        """What it cost, in micro-dollars."""

    @property
    def receipt(self) -> Receipt:
        """The receipt of this attempt: the decision, what it saw, what was held and settled."""

    def first_content(self) -> None:
        """Note the first content: ends the age clock and closes a half-open breaker. Only the first call counts."""

    def settle(
        self,
        outcome: str = "ok",
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        cache_write_1h_tokens: int = 0,
        first_token_s: float | None = None,
        retry_after_s: float | None = None,
        rate_limits: Iterable[tuple[str, int | None, int | None, float | None]] | None = None,
        beaten: bool = False,
    ) -> int:
        """Settle the attempt; answers its cost in micro-dollars. Only the first settlement counts.

        `outcome` is `ok`, `cancelled` or a failure kind. Token counts are the provider's, None if it gave none;
        `input_tokens` includes the cached ones, `cache_write_tokens` those that are kept for an hour. `rate_limits` are
        tuples of dimension, limit, remaining and seconds to reset, as the answer's headers tell them. `beaten` says
        that another attempt of the same call was faster: what this one used is counted as waste. Raises
        `InvalidRequest` for an unknown outcome.
        """

    def cancel(self, *, sent: bool = True, output_tokens: int | None = None) -> None:
        """Give the attempt up. `sent=False` if the request never left: then everything is given back.

        Otherwise the prompt stays charged, and `output_tokens` of the answer if that many are known to have come.
        """

    def __enter__(self) -> Reservation: ...
    def __exit__(self, *_exception: object) -> None: ...

@disjoint_base  # the binary's instances have a layout of their own, so no class can inherit from it and another such
class Router:
    """Decides where requests go and holds what they need there. Does no I/O."""

    def __new__(
        cls,
        fleet: bytes,
        endpoints: Sequence[object],
        *,
        seed: int | None = None,
        clock: ManualClock | None = None,
        shared: tuple[str, str] | None = None,
    ) -> Router: ...
    def reserve(
        self,
        model: str | None = None,
        *,
        input_tokens: int = 0,
        output_tokens: int | None = None,
        needs: Iterable[str] | None = None,
        tags: Mapping[str, str] | None = None,
        prompt_chars: int = 0,
        affinity: str | int | None = None,
        tried: Iterable[str] | None = None,
        regions: Iterable[str] | None = None,
        providers: Iterable[str] | None = None,
        exclude_providers: Iterable[str] | None = None,
        agreements: Iterable[str] | None = None,
        max_wait_s: float = 0.0,
        spare: bool = False,
        estimated: bool = False,
        warm: tuple[str, int] | None = None,
        prunes: bool = False,
        text: str | None = None,
        outline: Outline | None = None,
        embedding: Vector | None = None,
        session: str | None = None,
        seed: int | None = None,
    ) -> Reservation:
        """Decide where a request goes and hold what it needs there.

        `model` is `auto` (the default), a group, a model or a deployment. `input_tokens` is taken as counted, or with
        `estimated` as one token per 3.5 bytes, which each deployment turns into tokens of its own; `output_tokens`
        bounds the answer. `needs` are capability words, `tags` what rules and compliance clauses ask about, `affinity`
        a session name whose requests should meet, `tried` the deployments of earlier attempts. With `spare` it is a
        hedge: only in the asked group, only where there is room for twice the estimate, and never as a probe. `warm` is
        a deployment and how many tokens of the prompt its cache is expected to hold: where cached input does not count,
        they are not held. `prunes` says that a long prompt will be cut as the rule or the group asks for, so it is
        judged by that size. `text` is what the learned scorer reads, if the fleet has one, `outline` what it looks at
        beside it, or `embedding`, if it reads those: they are kept nowhere. `session` is the session that what the
        fleet says of sessions holds for; it is the affinity too if there is no other.

        Raises `Refused`, `TooLarge`, `NoCapacity` or `InvalidRequest`.
        """

    def explain_json(
        self,
        model: str | None = None,
        *,
        input_tokens: int = 0,
        output_tokens: int | None = None,
        needs: Iterable[str] | None = None,
        tags: Mapping[str, str] | None = None,
        prompt_chars: int = 0,
        affinity: str | int | None = None,
        tried: Iterable[str] | None = None,
        regions: Iterable[str] | None = None,
        providers: Iterable[str] | None = None,
        exclude_providers: Iterable[str] | None = None,
        agreements: Iterable[str] | None = None,
        max_wait_s: float = 0.0,
        spare: bool = False,
        estimated: bool = False,
        warm: tuple[str, int] | None = None,
        prunes: bool = False,
        text: str | None = None,
        outline: Outline | None = None,
        embedding: Vector | None = None,
        session: str | None = None,
        seed: int | None = None,
    ) -> bytes:
        """The same walk as `reserve` with nothing held, told stage by stage, as JSON."""

    def replay_json(self, record: bytes) -> bytes:
        """Make a decision again from its record (JSON of a `Decision` with its request); answers the new record."""

    def snapshot_json(self) -> bytes:
        """State of every deployment and pool, and the counters, as JSON."""

    def reload(self, fleet: bytes, endpoints: Sequence[object]) -> None:
        """Swap the fleet. Attempts in flight finish under the old one; state is kept by name."""

    @property
    def config_hash(self) -> str:
        """Names the configuration in force."""

    def now_s(self) -> float:
        """Seconds on the router's clock."""

    @property
    def why_private(self) -> str | None:
        """Why the state is kept by this process alone although it was to be shared; None if it is, or need not be."""

    @property
    def newer_config(self) -> str | None:
        """Hash of the configuration that another process sharing the state has adopted and this one has not, if any."""

    def note_call(self) -> bool:
        """Note a new call: adds a fifth of a retry to the shared budget, a twentieth of a hedge if any group hedges.

        Answers whether another process that shares the state has adopted a newer configuration than this one runs.
        """

    def try_retry(self) -> bool:
        """Take one retry from the shared budget; False if there is none."""

    def try_hedge(self) -> bool:
        """Take one hedge from the purse that all calls share; False if there is none."""

    def retry_delay_s(
        self, *, same_deployment: bool, attempt: int, hint_s: float | None = None, seed: int = 0
    ) -> float:
        """Seconds to wait before another attempt; `attempt` counts retries from 0, `hint_s` is the provider's."""

    def expected_first_content_s(self, deployment: str) -> float:
        """Expected seconds to the first content of a deployment. Raises `ValueError` for an unknown one."""

    def session_left(self, session: str) -> tuple[int | None, int | None]:
        """What is left of a session's budget: micro-dollars and tokens, each None where there is no such budget."""

    def session_reached(self, session: str) -> float | None:
        """The strength that a session has reached by `raise_session`, or by answers of groups that go one way."""

    def raise_session(self, session: str, strength: float) -> None:
        """Say that a session was answered by somebody of this strength. It never falls until the session was idle."""

    def set_breaker(self, deployment: str, state: str) -> None:
        """Set a deployment's breaker by hand: `open`, `close` or `reset`. Raises `ValueError` for anything else."""

@final
class Outline:
    """Figures of one request that the learned scorer looks at beside its text. The defaults are a text alone's.

    `turns` are messages of users, `files` files and recordings, `structured` is 1 where the answer has to be JSON, and
    `max_tokens` the caller's bound, 0 if there is none.
    """

    FIELDS: Final[list[str]]
    def __new__(
        cls,
        *,
        tools: int = 0,
        images: int = 0,
        files: int = 0,
        turns: int = 1,
        system_chars: int = 0,
        structured: int = 0,
        max_tokens: int = 0,
    ) -> Outline: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class Scorer:
    """A scorer out of an artifact: one predicted quality per model."""

    def __new__(cls, artifact: bytes) -> Scorer:
        """Read an artifact. Raises `ValueError` saying what is wrong with it."""

    @property
    def models(self) -> list[str]:
        """Its models, in the order of their scores."""

    @property
    def fields(self) -> list[str]:
        """What it looks at beside the text: names of an outline's figures."""

    @property
    def kind(self) -> str:
        """`linear`, `knn` or `mf`."""

    @property
    def embeddings(self) -> tuple[str, int] | None:
        """The embedding model whose vectors it reads, and how many numbers they have; None if it reads words alone."""

    def scores(self, prompt: str, outline: Outline | None = None, *, embedding: Vector | None = None) -> list[float]:
        """The predicted quality of each model's answer to a prompt, from 0 to 1.

        By its embedding if one is given and the scorer reads them, else by its words and what came with them. Raises
        `InvalidRequest` for what is no embedding.
        """

    def abstains(self, prompt: str, outline: Outline | None = None, *, embedding: Vector | None = None) -> bool:
        """Whether its prediction for a prompt says no more than the means do."""

    def describe_json(self) -> bytes:
        """What the artifact says of itself, as JSON."""

def check_fleet(fleet: bytes) -> None:
    """Compile a fleet without opening a router; raises `ConfigError` if it cannot be."""

def shadowed_rules(fleet: bytes) -> list[tuple[int, list[int]]]:
    """Rules that can never be first: (rule, the earlier rules that cover it), by index. None: nothing can match it."""

def health_of(outcome: str) -> str:
    """What an outcome does to a deployment's health: `hard`, `throttled`, `exhausted`, `config` or `none`."""

def simulate(fleet: bytes, job: bytes, *, tell: Callable[[float, float], object] | None = None) -> bytes:
    """Run a fleet in a simulated world, and answer a report as JSON. `job` says the traffic and the world, as JSON.

    The interpreter is free meanwhile. `tell` hears the simulated second and the last one now and then; what it raises
    ends the run, as Ctrl-C does. The same fleet and job give the same report. Raises `InvalidRequest` for a job or a
    fleet that cannot be read.
    """

def features(
    prompts: Iterable[str],
    *,
    bits: int,
    pairs: bool,
    grams: tuple[int, int],
    fields: Sequence[str] = ...,
    outlines: Sequence[Outline] | None = None,
) -> tuple[bytes, bytes, bytes]:
    """Features of prompts, as the scorer reads them: what training learns from.

    Where each prompt's begin and end (int64), the row of each (uint32) and its block (uint8: words, n-grams, marks,
    outline). A row may come more than once. `fields` of the `outlines`, one for each prompt, are told beside the texts.
    Raises `ValueError` for bits, n-grams or fields that are not made.
    """

def pack_scorer(facts: bytes, weights: bytes) -> bytes:
    """An artifact out of facts (JSON) and weights (float32, row by row, the models' side by side).

    Weights are rounded to a byte each. Raises `ValueError` for what has no meaning.
    """

def pack_embedded(words: bytes, facts: bytes, first: bytes, second: bytes) -> bytes:
    """An artifact that reads embeddings around one that reads words, out of facts (JSON) and two arrays of float32.

    Kind `knn`: vectors and qualities of prompts. Kind `mf`: the projection, factor by factor, and the factors, model by
    model. Raises `ValueError` for what has no meaning.
    """
