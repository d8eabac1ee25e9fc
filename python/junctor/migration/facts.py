"""What an entry says of its model: price, context, abilities."""

from __future__ import annotations

from typing import Any, Final

from junctor.config.catalog import catalog
from junctor.config.providers import KNOWN
from junctor.config.spec import CAPABILITIES
from junctor.migration.hosts import Host
from junctor.migration.notes import Section
from junctor.migration.values import number, plain

MODES: Final = ("chat", "responses", "embedding")
"""What LiteLLM calls the kinds of models that junctor serves."""

_PRICES: Final = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
}
_SIZES: Final = {"max_input_tokens": "context_tokens", "max_output_tokens": "max_output_tokens"}
_ABILITIES: Final = {
    "supports_function_calling": "tools",
    "supports_parallel_function_calling": "parallel_tools",
    "supports_vision": "images",
    "supports_pdf_input": "files",
    "supports_audio_input": "audio",
    "supports_response_schema": "structured_output",
    "supports_reasoning": "reasoning",
    "supports_native_streaming": "streaming",
}
_PER_MILLION: Final = 1_000_000
_DEAREST_USD: Final = 10_000
_LONGEST: Final = 10**8


def read_facts(params: Section, about: Section, fields: dict[str, Any], host: Host, mode: object) -> None:
    """Take what both sections say of the model into the deployment's fields."""
    _prices(params, about, fields)
    _sizes(about, fields)
    _abilities(about, fields, host, mode)


def _prices(params: Section, about: Section, fields: dict[str, Any]) -> None:
    price: dict[str, Any] = {}
    taken: list[tuple[Section, str, object]] = []
    for section in (params, about):
        for old, new in _PRICES.items():
            if (given := section.take(old)) is None:
                continue
            taken.append((section, old, given))
            value = number(given)
            if value is not None and value * _PER_MILLION <= _DEAREST_USD:
                price.setdefault(new, plain(round(value * _PER_MILLION, 6)))
    if {"input", "output"} <= price.keys():
        fields["price"] = {name: price[name] for name in _PRICES.values() if name in price}
        return
    for section, old, given in taken:
        section.leave(old, given, "a price needs both input and output, as numbers", "write price at the deployment")


def _sizes(about: Section, fields: dict[str, Any]) -> None:
    for old, new in _SIZES.items():
        if (given := about.take(old)) is None:
            continue
        value = number(given)
        if value is None or not 1 <= value <= _LONGEST or value != int(value):
            about.leave(old, given, "it is no number of tokens", f"write {new} at the deployment")
        else:
            fields[new] = int(value)


def _abilities(about: Section, fields: dict[str, Any], host: Host, mode: object) -> None:
    said = {ability: about.take(flag) for flag, ability in _ABILITIES.items()}
    if mode == "embedding" and "embeddings" in CAPABILITIES:
        fields["capabilities"] = ["embeddings"]
        return
    if all(value is None for value in said.values()):
        return
    families = catalog().families
    adapter = KNOWN[host.provider].adapter if host.known else "openai"
    facts, _ = catalog().find(str(fields["model"]), adapter if adapter in families else "openai")
    known = set(facts.capabilities)
    able = {word for word in known if said.get(word) is not False} | {
        word for word, value in said.items() if value is True
    }
    if able != known:
        fields["capabilities"] = [word for word in CAPABILITIES if word in able]
