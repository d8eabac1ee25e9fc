"""A request shaped for the deployment that was reserved: prompt variant, pruning, cache points, in this order.

What is sent depends on who gets it: a prompt tuned for one family, a context that holds less, a cache that wants marks.
All of that is known only after the pick, and anew at every attempt, so it happens between the reservation and the
adapter, by pure functions from a request to a request. Pruning comes after the variant because it must know the final
length, and cache points last because they name places in what is sent.

The size that the gate and the limits see is the shaped one. What rules and groups prune to, the core knows from the
fleet and judges by; what a call asks for itself, or the group that it names, bounds the estimate here. A call that
shapes nothing has no `Shape` and pays one comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.adapters.openai.hosts import host_of
from junctor.config.shaping import PRUNE_TO_CONTEXT, PruneSpec
from junctor.estimate import BYTES_PER_TOKEN, SUMMARY_TOKENS, beside_messages, weigh
from junctor.exceptions import InvalidRequest
from junctor.receipts import Pruned, Shaped
from junctor.request import ChatRequest
from junctor.shaping import cache_points, prune, variants

if TYPE_CHECKING:
    from collections.abc import Iterable

    from junctor._core import Reservation
    from junctor.config.valid import Config, Deployment

__all__ = ["Shape", "Shaping"]

MARGIN: Final = 0.98
"""Of a context window: the estimate errs on the high side already, so little is kept free for its error."""


class Shaping:
    """What the fleet file says about shaping, looked up by group, rule and deployment."""

    def __init__(self, fleet: Config | None) -> None:
        self.prompts: Mapping[str, Mapping[str, str]] = {} if fleet is None else fleet.prompts
        self.deployments: dict[str, Deployment] = {}
        self.members: dict[str, tuple[str, ...]] = {}
        self.prunes: dict[str, PruneSpec] = {}
        self.rules: dict[str, PruneSpec] = {}
        self.cached: set[str] = set()
        self.warm: set[str] = set()
        if fleet is not None:
            self._read(fleet)

    def _read(self, fleet: Config) -> None:
        self.deployments = {item.name: item for item in fleet.deployments}
        self.rules = {rule.name: rule.prune for rule in fleet.rules if rule.prune is not None}
        for item in fleet.deployments:
            for name in (item.model, item.name):
                self.members[name] = (*self.members.get(name, ()), item.name)
            if fleet.providers[item.provider].cache:
                self.warm.add(item.name)
        for name, group in fleet.groups.items():
            self.members[name] = group.members
            if group.prune is not None:
                self.prunes[name] = group.prune
            if group.cache:
                self.cached.add(name)

    def shape(self, model: str, asked: dict[str, Any] | None) -> Shape | None:
        """What is to be done with this call's requests; None if nothing.

        Raises `InvalidRequest` for an unknown prompt or an option that has no such value.
        """
        asked = asked or {}
        texts = self._texts(asked.get("prompt"), asked.get("prompt_values"))
        told = _told_prune(asked.get("prune"))
        cache = asked.get("cache")
        if cache not in (None, "auto", "off"):
            raise InvalidRequest(f"cache is {cache!r}; it must be 'auto' or 'off'")
        if told is not None and told.by is not None and told.by not in self.members:
            raise InvalidRequest(f"prune.by: there is no group, model or deployment {told.by!r}")
        wants_prune = told is not None or (asked.get("prune") != "off" and bool(self.prunes or self.rules))
        wants_cache = cache == "auto" or (cache is None and bool(self.cached or self.warm))
        if texts is None and not wants_prune and not wants_cache:
            return None
        return Shape(
            self,
            model,
            texts=texts,
            prompt=asked.get("prompt"),
            prune=told,
            prunes=wants_prune,
            cache=cache,
            caches=wants_cache,
        )

    def _texts(self, name: str | None, values: Mapping[str, Any] | None) -> dict[str, str] | None:
        if name is None:
            if values:
                raise InvalidRequest("prompt_values: there is no prompt to fill; name one by prompt=")
            return None
        found = self.prompts.get(name)
        if found is None:
            raise InvalidRequest(f"prompt: there is no prompt {name!r}; {_nearest(name, self.prompts)}")
        return variants.filled(found, values or {}, prompt=name)

    def budget(self, spec: PruneSpec, deployment: str, max_tokens: int | None) -> float | None:
        """How many tokens in the common measure a prompt may have there; None if nobody knows."""
        item = self.deployments.get(deployment)
        factor = BYTES_PER_TOKEN / item.bytes_per_token if item is not None else 1.0
        if spec.to_tokens is not None:
            return spec.to_tokens / factor
        if item is None or item.context_tokens is None:
            return None
        room = item.context_tokens - (max_tokens or 0)
        return max(0.0, room * MARGIN / factor)


class Shape:
    """What one call wants done with its requests."""

    def __init__(
        self,
        shaping: Shaping,
        model: str,
        *,
        texts: Mapping[str, str] | None,
        prompt: str | None,
        prune: PruneSpec | None,
        prunes: bool,
        cache: str | None,
        caches: bool,
    ) -> None:
        self.shaping = shaping
        self.model = model
        self.texts = texts
        self.prompt = prompt
        self.prune = prune
        self.prunes = prunes
        self.cache = cache
        self.caches = caches
        self.summaries: dict[tuple[int, ...], str | None] = {}

    def input_tokens(self, measured: int, request: ChatRequest) -> int:
        """The estimate as the gate should see it: with the longest variant, and no more than is pruned to."""
        if self.texts is not None:
            longest = max(len(text.encode("utf-8", "replace")) for text in self.texts.values())
            measured += int(longest / BYTES_PER_TOKEN)
        spec = self.prune or (self.shaping.prunes.get(self.model) if self.prunes else None)
        if spec is None:
            return measured
        names: Iterable[str] = self.shaping.members.get(self.model) or self.shaping.deployments
        budgets = [self.shaping.budget(spec, name, request.max_tokens) for name in names]
        known = [budget for budget in budgets if budget is not None]
        return measured if len(known) < len(budgets) or not known else min(measured, int(max(known)))

    @property
    def leaves_pruning_to_the_file(self) -> bool:
        """Whether rules and groups say how prompts are cut: then the gate judges by the size that each leaves."""
        return self.prunes and self.prune is None

    def pruning(self, reservation: Reservation) -> PruneSpec | None:
        """How this reservation's request is pruned: as the call says, else its rule, its group, the asked group."""
        if not self.prunes:
            return None
        if self.prune is not None:
            return self.prune
        shaping = self.shaping
        if shaping.rules:
            rule = reservation.receipt.attempts[0].decision.rule
            if rule is not None and rule in shaping.rules:
                return shaping.rules[rule]
        return shaping.prunes.get(reservation.group) or shaping.prunes.get(self.model)

    def varied(self, request: ChatRequest, reservation: Reservation) -> tuple[ChatRequest, str | None]:
        """(the request with the variant for this deployment, the variant's name)."""
        if self.texts is None:
            return request, None
        chosen = variants.choose(self.texts, model=reservation.model, group=reservation.group)
        if chosen is None:
            raise InvalidRequest(
                f"prompt: {self.prompt!r} has no variant for {reservation.model!r}; add one, or a default"
            )
        messages = variants.applied(request.messages, self.texts[chosen])
        return msgspec.structs.replace(request, messages=messages, native=None), chosen

    def cut(self, request: ChatRequest, reservation: Reservation) -> tuple[PruneSpec, prune.Cut] | None:
        """What is to be left out for this reservation; None if everything fits."""
        spec = self.pruning(reservation)
        if spec is None:
            return None
        budget = self.shaping.budget(spec, reservation.deployment, request.max_tokens)
        if budget is None:
            return None
        beside = beside_messages(request)
        found = prune.cut(request.messages, budget=budget, keep_turns=spec.keep_turns, beside=beside)
        if found.gone and (spec.marker or spec.how == "summarise"):
            room = weigh(prune.left_out(9_999)) if spec.how == "drop" else SUMMARY_TOKENS
            found = prune.cut(request.messages, budget=budget, keep_turns=spec.keep_turns, beside=beside + room)
        return (spec, found) if found.gone or not found.fits else None

    def pruned(self, request: ChatRequest, reservation: Reservation) -> tuple[ChatRequest, Pruned | None]:
        """(the request within its budget, what was left out)."""
        wanted = self.cut(request, reservation)
        if wanted is None:
            return request, None
        spec, found = wanted
        told = Pruned(turns=found.turns, tokens=found.tokens, fits=found.fits)
        if not found.gone:
            return request, told
        summary = self.summaries.get(found.gone)
        note = prune.left_out(found.turns) if spec.marker else None
        if summary:
            note = prune.summary_of(found.turns, summary)
            told = msgspec.structs.replace(told, summarised=True)
        messages = prune.assembled(request.messages, found, note)
        return msgspec.structs.replace(request, messages=messages, native=None), told

    def warmed(self, request: ChatRequest, reservation: Reservation, affinity: str | None) -> ChatRequest:
        """The request with its cache points, where they are wanted and the caller set none."""
        if not self.caches or not self._keeps_warm(reservation):
            return request
        endpoint = reservation.endpoint
        dialect = endpoint.adapter
        if request.native is not None and request.native.dialect in (dialect, *endpoint.dialects):
            return request  # the caller's own body goes there, and says itself what is cached
        if dialect in cache_points.MARKED:
            return cache_points.placed(request, endpoint.model)
        if dialect in cache_points.KEYED and affinity is not None and host_of(endpoint.base_url).official:
            return cache_points.keyed(request, dialect, affinity)
        return request

    def _keeps_warm(self, reservation: Reservation) -> bool:
        if self.cache is not None:
            return self.cache == "auto"
        return reservation.group in self.shaping.cached or reservation.deployment in self.shaping.warm

    def shaped(
        self, request: ChatRequest, reservation: Reservation, affinity: str | None
    ) -> tuple[ChatRequest, Shaped | None]:
        """(the request as this reservation's deployment gets it, what was done)."""
        request, variant = self.varied(request, reservation)
        request, pruned = self.pruned(request, reservation)
        request = self.warmed(request, reservation, affinity)
        if variant is None and pruned is None:
            return request, None
        return request, Shaped(variant=None if variant is None else f"{self.prompt}/{variant}", pruned=pruned)


def _told_prune(asked: Any) -> PruneSpec | None:
    if asked is None or asked == "off":
        return None
    if asked == "auto":
        return PRUNE_TO_CONTEXT
    try:
        spec = msgspec.convert(asked, PruneSpec)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"prune: {error}; give 'auto', 'off' or to_tokens, keep_turns, how, by") from None
    if spec.how == "summarise" and spec.by is None:
        raise InvalidRequest("prune.by is missing; name the group that summarises, or leave out how='summarise'")
    return spec


def _nearest(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only a typo needs it

    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are {', '.join(names[:8])}" if names else "the fleet file has no prompts section"
