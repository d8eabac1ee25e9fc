"""One row of the catalog from what several public tables say of a model. Pure: `make_catalog` reads and writes.

The tables disagree, so each field has an order of trust. Prices: genai-prices, which dates them, then LiteLLM, then
models.dev. Context and abilities: models.dev, which is about models, then LiteLLM, which is about interfaces; for files
and sound the other way round, since what matters is whether the interface takes them. A context that another table puts
much lower is taken at the lower value: the higher one needs a special header or a special contract. A model that any
table calls retired, or that has no text answer behind a chat interface, gets no row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

BYTES_PER_TOKEN: Final = 3.5
"""Of the o200k vocabulary, erring on the low side; families have a factor to it."""

FACTORS: Final = (
    (r"claude-(opus-4-[78]|(opus|sonnet|haiku|fable|mythos)-[5-9])", 1.43),
    (r"claude", 1.13),
    (r"mistral|ministral|magistral|codestral|devstral|mixtral", 1.08),
    (r"gemini|gemma|llama|deepseek", 1.03),
    (r"qwen", 1.02),
    (r"grok", 0.97),
)
"""Tokens per o200k token, measured on the families' own reported usage; the first that fits counts, else 1."""

ROUNDED: Final = 0.9
"""Tables write 1,000,000 for 1,048,576: a context above this part of another is the same one."""

PRICE_ORDER: Final = ("genai-prices", "LiteLLM", "models.dev")
FACT_ORDER: Final = ("models.dev", "genai-prices", "LiteLLM")
OF_INTERFACES: Final = ("files", "audio")
ABILITIES: Final = (
    "tools", "parallel_tools", "images", "files", "audio", "structured_output", "reasoning", "streaming", "logprobs",
)  # fmt: skip
_DATED: Final = re.compile(r"-(\d{8}|\d{4}|\d{4}-\d{2}-\d{2})\Z")
_SPECIAL: Final = re.compile(
    r"audio|realtime|-live|tts|transcribe|search|research|computer-use|robotics|image|embed|lyria|veo|guard|cyber|"
    r"rosalind|daybreak|customtools|-law\b|multi-agent|omni|-exp\b|exp-|latest|beta|^ft:|container|-chat$|vision-exp|gv2|"
    r"compound|learnlm|gemini-gemma|codex"
)
"""Kinds that no general chat fleet asks for, aliases that mean another model tomorrow, and access by invitation."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """Micro-dollars per million tokens, at the base tier."""

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one table says of one model. None and absent abilities: it does not say."""

    source: str
    as_of: str
    chat: bool = True
    retired: bool = False
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    abilities: Mapping[str, bool] = field(default_factory=dict)
    price: Price | None = None


def is_general(name: str) -> bool:
    """Whether the name is one that a chat fleet may name: no date, no special kind, no alias."""
    return not _DATED.search(name) and not _SPECIAL.search(name)


def row(provider: str, name: str, said: Sequence[Said]) -> dict[str, Any] | None:
    """The row of `provider/name`, or None if the tables do not tell enough or the model is none for a fleet."""
    facts = _ordered(said, FACT_ORDER)
    answer = next((each.max_output_tokens for each in facts if each.max_output_tokens), None)
    priced_by = next((each for each in _ordered(said, PRICE_ORDER) if each.price is not None), None)
    found = open_row(name, said, provider=provider)
    if found is None or answer is None or priced_by is None:
        return None
    return {
        "context_tokens": found["context_tokens"],
        "max_output_tokens": min(answer, found["context_tokens"]),
        **found,
        "price": {word: value for word, value in vars(priced_by.price).items() if value is not None},
        "as_of": priced_by.as_of,
        "source": ", ".join(dict.fromkeys((priced_by.source, *found["source"].split(", ")))),
    }


def open_row(name: str, said: Sequence[Said], *, provider: str = "open") -> dict[str, Any] | None:
    """The row of a model that anybody may serve: hosts set their own price and longest answer."""
    facts = _ordered(said, FACT_ORDER)
    context = _context(facts)
    able = [each for each in facts if each.abilities]
    if context is None or not able or any(each.retired or not each.chat for each in said):
        return None
    return {
        "context_tokens": context,
        "capabilities": abilities(provider, said),
        "bytes_per_token": bytes_per_token(name),
        "as_of": facts[0].as_of,
        "source": ", ".join(dict.fromkeys((facts[0].source, able[0].source))),
    }


def abilities(provider: str, said: Sequence[Said]) -> list[str]:
    """What the model can do, in the order of the fleet file's own list."""
    found = {"streaming": True}
    for each in reversed(_ordered(said, FACT_ORDER)):
        found.update(each.abilities)
    for each in said:
        if each.source == "LiteLLM":
            found.update({word: each.abilities[word] for word in OF_INTERFACES if word in each.abilities})
    if provider in ("anthropic", "gemini"):  # their dialects have no way to turn it off that a model could lack
        found["parallel_tools"] = found.get("tools", False)
    if provider == "openai":  # returned by the chat interface wherever no reasoning stands before the answer
        found["logprobs"] = not found.get("reasoning", False)
    return [word for word in ABILITIES if found.get(word)]


def bytes_per_token(name: str) -> float:
    """Bytes of English text per token of the model's family."""
    factor = next((factor for pattern, factor in FACTORS if re.search(pattern, name)), 1.0)
    return round(BYTES_PER_TOKEN / factor, 2)


def disagreements(said: Iterable[Said]) -> list[str]:
    """Where two tables name different base prices: for whoever reviews a new catalog."""
    told = [(each.source, each.price) for each in said if each.price is not None]
    first = told[0] if told else None
    return [
        f"{first[0]} {first[1].input}/{first[1].output}, {source} {price.input}/{price.output}"
        for source, price in told[1:]
        if first is not None and (price.input, price.output) != (first[1].input, first[1].output)
    ]


def _ordered(said: Sequence[Said], order: Sequence[str]) -> list[Said]:
    return sorted(said, key=lambda each: order.index(each.source))


def _context(said: Sequence[Said]) -> int | None:
    known = [each.context_tokens for each in said if each.context_tokens]
    if not known:
        return None
    return next((other for other in known[1:] if other < ROUNDED * known[0]), known[0])
