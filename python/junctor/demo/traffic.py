"""The demo's traffic: what is asked, when, and how, all from a seed, the same for both runs.

Prompts and arrivals are recorded ones where the machine has them. Arrival times are squeezed into the run, bursts and
all; prompts are filled with further questions up to the length that the trace tells, as few-shot prompts are.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec

from junctor.demo import recorded
from junctor.demo.fleet import EU_PERSONAL
from junctor.demo.prompts import PROMPTS
from junctor.demo.recorded import Arrival

PER_SECOND: Final = 90
"""Calls per second on average: two thirds of what the healthy fleet may take."""

EU_MARK: Final = b"(data class: eu-personal)"
"""Stands in every prompt that may not leave the EU, so that whoever watches the wire can tell."""

MAX_INPUT_TOKENS: Final = 1_200
LEAST_OUTPUT_TOKENS, MAX_OUTPUT_TOKENS = 8, 160
CHARS_PER_TOKEN: Final = 4

STREAMED: Final = 1 / 3
WITH_TOOLS: Final = 0.12
EU_ONLY: Final = 0.12
FREE_TIER: Final = 0.2
CLASSIFICATION: Final = 0.2
ASKS_GROUP: Final = 0.08

LOOKUP_TOOL: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look a fact up in the reference library.",
        "parameters": {
            "type": "object",
            "properties": {"topic": {"type": "string"}, "year": {"type": "integer"}},
            "required": ["topic"],
        },
    },
}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the traffic. `group` is where the fleet's rules send it; `options` are those of `Client.chat`."""

    number: int
    at_s: float
    model: str
    group: str
    messages: list[dict[str, str]]
    options: dict[str, Any]
    streamed: bool
    eu_only: bool


class Traffic(msgspec.Struct, frozen=True):
    """All calls in order of arrival, and in words where they come from."""

    asks: list[Ask]
    origin: str


def traffic(*, seconds: float, seed: int, folder: Path | None) -> Traffic:
    """The traffic of a run that lasts `seconds`. `folder` is where recorded data lies, if anywhere."""
    random = Random(f"traffic/{seed}")
    count = round(PER_SECOND * seconds)
    data = recorded.folder(folder)
    if data is None:
        prompts, arrivals = list(PROMPTS), _invented(count, random)
        origin = f"{len(PROMPTS)} prompts and an arrival process of the project's own"
    else:
        prompts = recorded.prompts(data)
        start = random.randrange(max(1, recorded.TRACE_LENGTH - count))
        arrivals = recorded.trace(data, start=start, count=count)
        origin = "MMLU prompts, arrival times and lengths of the Azure LLM trace 2023"
    arrivals = _squeezed(arrivals, seconds)
    asks = [_ask(number, arrival, prompts, random) for number, arrival in enumerate(arrivals)]
    return Traffic(asks, origin)


def _squeezed(arrivals: list[Arrival], seconds: float) -> list[Arrival]:
    """The same arrivals within `seconds`, their rhythm kept."""
    factor = seconds / max(arrivals[-1].at_s, 1e-9)
    return [arrival._replace(at_s=arrival.at_s * factor) for arrival in arrivals]


def _invented(count: int, random: Random) -> list[Arrival]:
    """Arrivals with bursts: the pace is drawn anew about every forty calls; lengths are log-normal."""
    at_s, pace, found = 0.0, 1.0, []
    for _ in range(count):
        if random.random() < 1 / 40:
            pace = random.lognormvariate(0.0, 0.5)
        at_s += random.expovariate(pace)
        found.append(Arrival(at_s, int(random.lognormvariate(5.5, 1.0)), int(random.lognormvariate(4.2, 0.8))))
    return found


def _ask(number: int, arrival: Arrival, prompts: list[str], random: Random) -> Ask:
    eu_only = random.random() < EU_ONLY
    options: dict[str, Any] = {"max_tokens": min(max(arrival.output_tokens, LEAST_OUTPUT_TOKENS), MAX_OUTPUT_TOKENS)}
    if eu_only:
        options["data"] = EU_PERSONAL
    if random.random() < WITH_TOOLS:
        options["tools"] = [LOOKUP_TOOL]
    model, group = _route(options, random)
    return Ask(
        number=number,
        at_s=arrival.at_s,
        model=model,
        group=group,
        messages=_messages(arrival.input_tokens, prompts, random, eu_only=eu_only),
        options=options,
        streamed=random.random() < STREAMED,
        eu_only=eu_only,
    )


def _route(options: dict[str, Any], random: Random) -> tuple[str, str]:
    """What the call asks for, with the tags that the rules read, and the group where they send it."""
    if random.random() < ASKS_GROUP:
        group = random.choice(("strong", "small"))
        return group, group
    if random.random() < FREE_TIER:
        options["user_tier"] = "free"
        return "auto", "small"
    if random.random() < CLASSIFICATION:
        options["task"] = "classification"
        return "auto", "small"
    options["task"] = "chat"
    return "auto", "strong"


def _messages(input_tokens: int, prompts: list[str], random: Random, *, eu_only: bool) -> list[dict[str, str]]:
    room = min(input_tokens, MAX_INPUT_TOKENS) * CHARS_PER_TOKEN
    texts = [random.choice(prompts)]
    while sum(map(len, texts)) < room:
        texts.append(random.choice(prompts))
    system = "Answer briefly." + (f" {EU_MARK.decode()}" if eu_only else "")
    return [{"role": "system", "content": system}, {"role": "user", "content": "\n\n".join(texts)}]
