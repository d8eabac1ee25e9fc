"""What the MCP server answers, as plain data: nothing here knows the protocol.

A fleet is compiled without opening a secret, and what is told of a deployment is chosen field by field: no key, no
reference to one, no address and no header can come into an answer, because none is read here. Explanations are those of
a router of its own, which nobody else uses: who may, and who would be chosen among idle ones, not who is busy now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from junctor.cli.explain import as_asked
from junctor.cli.text import Paint
from junctor.cli.walk import lines
from junctor.config.catalog import Facts, catalog, facts_of
from junctor.config.errors import did_you_mean
from junctor.config.listing import Wanted, blend_usd, listed, told
from junctor.config.prices import MICROS, cost_usd_micros
from junctor.config.valid import Config, Deployment
from junctor.exceptions import InvalidRequest
from junctor.mcp.preferences import Candidate, Preferences, rank
from junctor.router import Router

MOST: Final = 50
"""Models in one answer: more fill a model's context and help nobody. The count tells how many there are."""


class Answers:
    """The questions, asked of the catalog and of one fleet, if there is one. `today` says which day it is."""

    def __init__(self, *, today: Callable[[], str], fleet: Config | None = None, router: Router | None = None) -> None:
        self.today = today
        self.fleet = fleet
        self.router = router

    def catalog(self) -> dict[str, Any]:
        """When and from what the catalog was made, and the names in it."""
        known = catalog()
        sources = {name: msgspec.to_builtins(source) for name, source in known.sources.items()}
        return {"as_of": known.as_of, "sources": sources, "notes": list(known.notes), "models": sorted(known.models)}

    def model(self, name: str) -> dict[str, Any]:
        """All that is known of one model of the catalog. Raises `InvalidRequest` for one that it does not list."""
        facts = catalog().models.get(name)
        if facts is None:
            hint = did_you_mean(name, catalog().models, what="models")
            raise InvalidRequest(f"the catalog has no model {name!r}; {hint}")
        return told(name, facts, today=self.today())

    def deployments(self) -> list[dict[str, Any]]:
        """The fleet's deployments, as they resolve."""
        fleet = self._fleet()
        return [self._deployment(fleet, item) for item in fleet.deployments]

    def _deployment(self, fleet: Config, item: Deployment) -> dict[str, Any]:
        limits = {f"{name}.{limit.dimension}": limit.limit for name in item.pools for limit in fleet.pools[name].limits}
        return {
            "deployment": item.name,
            "groups": [name for name, group in fleet.groups.items() if item.name in group.members],
            "provider": item.provider,
            "region": item.region,
            "weight": item.weight,
            "quality": item.quality,
            "agreements": list(item.agreements),
            "limits": limits,
            "in_catalog": item.in_catalog,
            **told(item.model, facts_of(fleet, item), today=self.today()),
        }

    def list_models(self, wanted: Wanted) -> dict[str, Any]:
        """The models that are as wanted, and how many there are in all."""
        found = listed(catalog().models, wanted, today=self.today())
        return {"count": len(found), "models": [told(name, facts, today=self.today()) for name, facts in found[:MOST]]}

    def find_models(self, preferences: Preferences, wanted: Wanted) -> dict[str, Any]:
        """The models as wanted by preference: the fleet's deployments, or the catalog's models without a fleet.

        Retired models are left out.
        """
        today, fleet = self.today(), self.fleet
        if fleet is None:
            known = {name: facts for name, facts in catalog().models.items() if not name.startswith("open/")}
            of_name = {name: Candidate(name=name, usd=blend_usd(facts)) for name, facts in known.items()}
        else:
            by_name = {f"{item.name} {item.model}": item for item in fleet.deployments}
            known = {name: facts_of(fleet, item) for name, item in by_name.items()}
            of_name = {name: _candidate(name, item, known[name]) for name, item in by_name.items()}
        fit = [name for name, facts in listed(known, wanted, today=today) if not facts.status(today).startswith("ret")]
        ranked = rank([of_name[name] for name in fit], preferences)
        models = [_place(one.name, one.score, one.hint, known[one.name], in_fleet=fleet is not None) for one in ranked]
        by = "the fleet's quality and latency, and prices" if fleet else "list prices alone, a rule of thumb"
        return {"count": len(models), "ranked_by": by, "models": models[:MOST]}

    def explain_route(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Where the request would go and why, as the Explanation and as text. Raises `InvalidRequest`."""
        fleet, router = self._fleet(), self.router
        assert router is not None  # whoever gives a fleet gives its router
        try:
            model, asked = as_asked(request)
            explanation = router.explain(model, seed=0, prunes=router.shapes, **asked)
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidRequest(f"the request: {error}") from None
        group = fleet.groups.get(explanation.group or "")
        members = None if group is None else frozenset(group.members)
        text = "\n".join(lines(model, asked, explanation, members=members, paint=Paint(enabled=False)))
        return {"text": text, "explanation": msgspec.to_builtins(explanation)}

    def price(self, name: str, tokens: Mapping[str, int]) -> dict[str, Any]:
        """What these tokens cost at a model of the catalog or a deployment of the fleet. Raises `InvalidRequest`."""
        facts = self._facts(name)
        if facts.price is None:
            raise InvalidRequest(f"nobody has named a price of {name!r}; hosts of open models set their own")
        if wrong := [word for word, count in tokens.items() if not 0 <= count <= 10**12]:
            raise InvalidRequest(f"{wrong[0]} is {tokens[wrong[0]]}; allowed are 0 to 10^12")
        whole = facts.price.whole
        micros = cost_usd_micros(whole, **tokens)
        rates = whole.at(tokens["input_tokens"])
        words = ("input", "output", "cached_input", "cache_write", "cache_write_1h")
        return {
            "model": name,
            "cost_usd": micros / MICROS,
            "cost_usd_micros": micros,
            "above_input_tokens": getattr(rates, "above", 0),
            "usd_per_million": {word: getattr(rates, word) / MICROS for word in words},
        }

    def _facts(self, name: str) -> Facts:
        if self.fleet is not None and any(name in (item.name, item.declared) for item in self.fleet.deployments):
            return facts_of(self.fleet, name)
        facts = catalog().models.get(name)
        if facts is None:
            names: Sequence[str] = (
                [*catalog().models, *(item.name for item in self.fleet.deployments)]
                if self.fleet
                else [*catalog().models]
            )
            raise InvalidRequest(f"there is no model {name!r}; {did_you_mean(name, names, what='models')}")
        return facts

    def _fleet(self) -> Config:
        if self.fleet is None:
            raise InvalidRequest("this server was started without a fleet file; start it by: junctor mcp FILE")
        return self.fleet


def _candidate(name: str, item: Deployment, facts: Facts) -> Candidate:
    return Candidate(name=name, usd=blend_usd(facts), latency_s=item.latency_prior_s, quality=item.quality)


def _place(name: str, score: float, hint: str | None, facts: Facts, *, in_fleet: bool) -> dict[str, Any]:
    deployment, _, model = name.partition(" ") if in_fleet else ("", "", name)
    return {
        **({"deployment": deployment} if in_fleet else {}),
        "model": model,
        "score": score,
        **({} if hint is None else {"hint": hint}),
        "usd_per_million_blended": blend_usd(facts),
        "context_tokens": facts.context_tokens,
    }
