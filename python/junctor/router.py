"""The router as Python sees it: the core's walk, opened from a fleet file, its answers typed.

No routing is decided here. The class adds to the core what needs files, YAML or msgspec: opening, reloading, and
turning the core's JSON into `Decision`. It does no I/O after opening, so it also serves programs with their own HTTP
code: `with router.reserve(...) as reservation: ...; reservation.settle(...)`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self
from warnings import warn

import msgspec

from junctor import _core, runtime
from junctor.attempts import DEFAULT_DEADLINE_S, DEFAULT_MAX_WAIT_S, MAX_ATTEMPTS
from junctor.exceptions import ConfigError, InvalidRequest, NarrowerStateWarning
from junctor.follow import Follower
from junctor.receipts import Decision, Explanation, Receipt

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from os import PathLike

    from junctor.cascade.ladder import Ladders
    from junctor.config import Config
    from junctor.leases import Courier
    from junctor.request import Endpoint, Secret
    from junctor.shaping import Shaping
    from junctor.signing import Signer

_decision_of = msgspec.json.Decoder(Decision).decode
_explanation_of = msgspec.json.Decoder(Explanation).decode


class Router(_core.Router):
    """Decides where each request goes, holds the capacity, learns from the outcome.

    Make one by `open`, `from_config` or `over_keys`. `attempts`, `deadline_s` and `max_wait_s` are the defaults
    of the clients that use it; `groups` names what callers can ask for beside models and deployments; `config` is the
    fleet as it was read last, None for a router that was made of bytes.
    """

    attempts: int = MAX_ATTEMPTS
    deadline_s: float = DEFAULT_DEADLINE_S
    max_wait_s: float = DEFAULT_MAX_WAIT_S
    shapes: bool = False
    """Whether the fleet file asks for requests to be pruned or cached; prompts are asked for by calls."""
    reads_text: bool = False
    """Whether the fleet has a learned scorer, which reads what is asked: `reserve(..., text=...)`."""
    reads_outline: bool = False
    """Whether that scorer looks at what comes with the text as well: `reserve(..., outline=...)`."""
    groups: tuple[str, ...] = ()
    config: Config | None = None
    _keys: bool = True
    ladders: Ladders | None = None
    """The cascades of the fleet file; None if it has none."""
    keeps_sessions: bool = False
    """Whether the fleet file says anything of sessions: `reserve(..., session=...)`."""
    classifies: bool = False
    """Whether rules of the fleet file ask for labels."""
    _prefix_groups: frozenset[str] = frozenset()
    _shaping: Shaping | None = None
    _courier: Courier | None = None
    _coordinator: Secret | None = None
    _file: str | None = None
    _follower: Follower | None = None
    _signers: Collection[Signer] = ()
    _sends: bool = False

    @classmethod
    def open(
        cls, path: str | PathLike[str], *, seed: int | None = None, clock: _core.ManualClock | None = None
    ) -> Self:
        """The router for the fleet file at `path`. Raises `ConfigError` naming everything that is wrong with it.

        `seed` makes every draw repeatable; `clock` replaces the system's clock in tests.
        """
        from junctor import config

        return cls.from_config(config.load(path), seed=seed, clock=clock)

    @classmethod
    def from_config(
        cls,
        fleet: Config,
        *,
        seed: int | None = None,
        clock: _core.ManualClock | None = None,
        keys: bool = True,
    ) -> Self:
        """The router for a valid configuration. Secrets are read now; a missing one raises `ConfigError`.

        `keys=False` reads none of providers: for programs that only decide here, and send with keys of their own.
        """
        from junctor import config

        started_s = 0.0 if clock is None else clock.now_s()
        compiled = config.compile(fleet, wall_epoch_s=int(time.time() - started_s), keys=keys)
        # A clock that a test moves cannot be another process's clock too.
        shared = runtime.place(fleet, compiled.config_hash) if clock is None else None
        router = cls(compiled.fleet, compiled.endpoints, seed=seed, clock=clock, shared=shared)
        router._keys = keys
        router._adopt(fleet, compiled.endpoints)
        if router.why_private is not None:
            warn(
                f"{fleet.source}: limits and breakers hold for this process alone: {router.why_private}",
                NarrowerStateWarning,
                stacklevel=3,
            )
        router._share(compiled.coordinator, keep=clock is None)
        return router

    @classmethod
    def over_keys(
        cls,
        model: str,
        *,
        keys: Sequence[str],
        shared: bool = False,
        base_url: str | None = None,
        seed: int | None = None,
        clock: _core.ManualClock | None = None,
        **limits: float,
    ) -> Self:
        """A router for one model over several keys, without a file.

        `limits` (rpm, tpm, input_tpm, output_tpm, rpd, tpd, concurrency, usd_per_day, burst_s) hold for each key, or
        with `shared=True` for all together, as providers count the keys of one organisation. Raises `ConfigError`.
        """
        from junctor import config

        fleet = config.over_keys(model, keys=keys, shared=shared, base_url=base_url, **limits)
        return cls.from_config(fleet, seed=seed, clock=clock)

    def reload_from(self, path: str | PathLike[str]) -> None:
        """Adopt a changed fleet file. Calls under way finish where they are; limits and breakers keep their state.

        Raises `ConfigError` and changes nothing if the file is wrong.
        """
        from junctor import config

        self.reload_config(config.load(path))

    def reload_config(self, fleet: Config) -> None:
        """As `reload_from`, for a configuration that the program has in hand."""
        from junctor import config

        compiled = config.compile(fleet, wall_epoch_s=int(time.time() - self.now_s()), keys=self._keys)
        self.reload(compiled.fleet, compiled.endpoints)
        self._adopt(fleet, compiled.endpoints)
        self._share(compiled.coordinator, keep=True)

    def close(self) -> None:
        """Say goodbye to the coordinator, if limits are shared with other hosts; otherwise there is nothing to close.

        The router decides on, without new grants. Twice is harmless.
        """
        self._share(None, keep=False)

    @property
    def shares_limits(self) -> bool:
        """Whether a coordinator grants it a part of limits that other hosts use as well."""
        return self._courier is not None

    def catch_up(self) -> bool:
        """Adopt the fleet file as it is now if another process that shares the state has; whether that was so.

        A file that is wrong, or is not what the other process adopted, changes nothing: then `snapshot()` shows this
        process as `behind`. Clients call this by themselves; a program with its own loop calls it now and then.
        """
        from junctor import config

        newest = self.newer_config
        if self._file is None or newest is None:
            return False
        try:
            fleet = config.load(self._file)
            compiled = config.compile(fleet, wall_epoch_s=int(time.time() - self.now_s()), keys=self._keys)
        except ConfigError:
            return False
        if compiled.config_hash != newest:
            return False
        self.reload(compiled.fleet, compiled.endpoints)
        self._adopt(fleet, compiled.endpoints)
        return True

    def catch_up_soon(self) -> None:
        """As `catch_up`, on a thread and at most once for each state of the file."""
        if self._file is not None:
            self._follower = self._follower or Follower(self)
            self._follower.soon(self._file)

    def explain(self, model: str = "auto", **asked: Any) -> Explanation:
        """The same walk as `reserve` with the same arguments, nothing held: every stage told."""
        return _explanation_of(self.explain_json(model, **asked))

    def snapshot(self) -> dict[str, Any]:
        """The state of every deployment and pool, the counters, and the processes that share them.

        Read one by one: the whole is not one instant.
        """
        told: dict[str, Any] = msgspec.json.decode(self.snapshot_json())
        return told

    def replay(self, told: Receipt | Decision) -> Decision:
        """Make the same decision again from what a receipt recorded; a difference would be a fault of the core.

        Raises `InvalidRequest` if the receipt holds no decision or its config is not the one loaded now.
        """
        decision = told.decision if isinstance(told, Receipt) else told
        if decision is None:
            raise InvalidRequest("this receipt holds no decision to replay; only calls that reached the walk have one")
        again = _decision_of(self.replay_json(msgspec.json.encode(decision)))
        # What was asked and held is no decision: the walk is made again from the one, and nothing is held now.
        return msgspec.structs.replace(again, held=decision.held, request=decision.request)

    def keeps_prefixes(self, model: str) -> bool:
        """Whether calls for `model` should stay where their prompt's beginning is warm."""
        return bool(self._prefix_groups) and (model == "auto" or model in self._prefix_groups)

    @property
    def shaping(self) -> Shaping:
        """How requests are shaped for deployments. Made when it is first needed: most fleets shape nothing."""
        if self._shaping is None:
            from junctor.shaping import Shaping

            self._shaping = Shaping(self.config)
        return self._shaping

    def _share(self, coordinator: Secret | None, *, keep: bool) -> None:
        """Share limits by this coordinator from now on. With `keep` a thread does so, else who holds `_courier`."""
        if coordinator == self._coordinator and (coordinator is None) == (self._courier is None):
            return
        courier, self._courier, self._coordinator = self._courier, None, coordinator
        if courier is not None:
            courier.close()
        if coordinator is not None:
            from junctor import leases  # threads and sockets are for those who share

            shown = f"the coordinator at {coordinator.reference}"
            self._courier = leases.Courier(self, leases.RedisCoordinator(coordinator), name=shown)
            if keep:
                self._courier.start()

    def begin_sending(self) -> None:
        """Said by clients: from now on whoever signs for this fleet, or for one adopted later, is told to get ready.

        So no call has to wait for credentials that could have been there. A router that only decides fetches none.
        """
        self._sends = True
        for signer in self._signers:
            signer.prepare()

    def _adopt(self, fleet: Config, endpoints: Sequence[Endpoint]) -> None:
        self.config, self._shaping = fleet, None
        self._signers = {endpoint.signer for endpoint in endpoints if endpoint.signer is not None}
        if self._sends:
            self.begin_sending()
        self.shapes = any(group.prune or group.cache for group in fleet.groups.values()) or any(
            item.prune for item in fleet.rules
        )
        self.classifies = any(item.classify for item in fleet.rules)
        self.ladders = None
        if fleet.cascades:
            from junctor.cascade.ladder import Ladders

            self.ladders = Ladders(fleet)
        self.reads_text = fleet.scorer is not None
        self.reads_outline = fleet.scorer is not None and bool(fleet.scorer.fields)
        self.keeps_sessions = fleet.sessions is not None
        self._file = fleet.file
        self.attempts = fleet.dispatch.attempts
        self.deadline_s = fleet.dispatch.deadline_s
        self.max_wait_s = fleet.dispatch.max_wait_s
        self.groups = tuple(fleet.groups)
        self._prefix_groups = frozenset(name for name, group in fleet.groups.items() if group.affinity == "prefix")
