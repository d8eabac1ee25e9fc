"""How far estimates of tokens are from what providers counted, by family of models.

    JUNCTOR_DATA=… python -m benches.python.bench_estimate

Told is tokens as counted over tokens as estimated: 1 is exact, below 1 the estimate was too high. Once by the common
measure alone (one token per 3.5 bytes for every model), once turned into tokens of the family's tokenizer, as the core
does. Three kinds of evidence, none of which is part of the project:

- prompts of RouterArena with the input tokens that two models were billed;
- recorded answers in plain text of at least 60 tokens, whose bytes and output tokens are both known;
- recorded prompts in OpenAI's shape without images, files or tools, with the input tokens of their usage. Most are a
  line or two, so the separators that chat formats add weigh more than the text.

Nothing here depends on the machine.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from junctor import adapters
from junctor.config.catalog import catalog
from junctor.estimate import BYTES_PER_TOKEN, measure
from junctor.reply import Reply
from junctor.request import ChatRequest
from tests.adapters import recorded

ARENA: Final = recorded.ROOT.parent / "routerarena_sub10" / "train.csv.gz"
FAMILIES: Final[dict[str, tuple[str, str]]] = {
    "GPT": (r"gpt|^o[134]\b", "openai/gpt-4.1"),
    "Claude, newer": (r"claude.*(opus-4-[78]|opus-5|sonnet-5)", "anthropic/claude-opus-4-8"),
    "Claude up to 4.6": (r"claude", "anthropic/claude-haiku-4-5"),
    "Gemini": (r"gemini", "gemini/gemini-2.5-flash"),
    "Mistral": (r"mi[sx]tral|codestral|ministral|magistral", "mistral/unlisted"),
    "Llama": (r"llama", "open/llama-3.3-70b-instruct"),
    "Grok": (r"grok", "xai/unlisted"),
}
"""How a family's models are called, and one of them whose row of the catalog holds for all."""

HIDDEN_IN_PROMPTS: Final = re.compile("tool|image|file|audio|video|search|cache|schema|mcp|reasoning_in|signature")
HIDDEN_IN_ANSWERS: Final = re.compile("tool_call|server_tool|reasoning|signature|citations|filtered|logprobs")
"""Features of recorded exchanges with tokens that are not in the text."""

MIN_ANSWER_TOKENS: Final = 60


class Sample(NamedTuple):
    """One text: what it was, whose, its tokens as the provider counted them and by the common measure."""

    evidence: str
    family: str
    counted: int
    estimated: float


def samples() -> Iterator[Sample]:
    """Everything that is there."""
    if ARENA.exists():
        yield from _arena()
    for row in recorded.rows(errors=False):
        family = _family(row["model"] or "")
        if family is not None:
            yield from _recorded(row, family)


def _arena() -> Iterator[Sample]:
    csv.field_size_limit(sys.maxsize)
    with gzip.open(ARENA, "rb") as packed:
        for row in csv.DictReader(io.TextIOWrapper(packed, "utf-8", newline="")):
            estimated, _ = measure(ChatRequest(messages=[{"role": "user", "content": row["prompt"]}]))
            for model, family in (("claude-3-haiku-20240307", "Claude up to 4.6"), ("gemini-2.0-flash-001", "Gemini")):
                yield Sample("prompts", family, round(float(row[f"{model}|in_tok"])), estimated)


def _recorded(row: dict[str, Any], family: str) -> Iterator[Sample]:
    reply = _reply(row)
    if reply is None or not reply.usage.known:
        return
    features = " ".join(row["features"])
    counted = reply.usage.output_tokens - reply.usage.reasoning_tokens
    if counted >= MIN_ANSWER_TOKENS and reply.text and not HIDDEN_IN_ANSWERS.search(features):
        yield Sample("recorded answers", family, counted, len(reply.text.encode()) / BYTES_PER_TOKEN)
    asked = recorded.request_of(row["id"]).get("json") or {}
    plain = recorded.adapter_of(row) == "openai" and "messages" in asked and not HIDDEN_IN_PROMPTS.search(features)
    if plain and reply.usage.input_tokens:
        estimated, _ = measure(ChatRequest(messages=asked["messages"]))
        yield Sample("recorded prompts", family, reply.usage.input_tokens, estimated)


def _reply(row: dict[str, Any]) -> Reply | None:
    adapter = adapters.get(recorded.adapter_of(row))
    if row["stream"]:
        reader = adapter.reader()
        reader.feed(recorded.stream_bytes(row))
        told = reader.close()
    else:
        response = recorded.response_of(row["id"])
        told = adapter.parse(response["status"], {}, json.dumps(response["json"]).encode())
    return told if isinstance(told, Reply) else None


def _family(model: str) -> str | None:
    return next((name for name, (pattern, _) in FAMILIES.items() if re.search(pattern, model.lower())), None)


def factor(family: str) -> float:
    """Tokens of this family's tokenizer per token of the common measure, as a fleet is compiled."""
    model = FAMILIES[family][1]
    dialect = model.partition("/")[0]
    facts, _ = catalog().find(model, dialect if dialect in catalog().families else "openai")
    return BYTES_PER_TOKEN / facts.bytes_per_token


def told(found: Iterator[Sample]) -> list[str]:
    """One line per kind of evidence and family."""
    groups: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for sample in found:
        groups[sample.evidence, sample.family].append(sample.counted / sample.estimated)
    lines = [
        f"{'evidence':18}{'family':18}{'n':>5}   {'3.5 bytes per token':22}{'factor':>6}   {'as its tokenizer':22}"
    ]
    for (evidence, family), ratios in sorted(groups.items()):
        own = factor(family)
        after = [ratio / own for ratio in ratios]
        lines.append(f"{evidence:18}{family:18}{len(ratios):5}   {_spread(ratios):22}{own:6.2f}   {_spread(after):22}")
    return [line.rstrip() for line in lines]


def _spread(ratios: list[float]) -> str:
    if len(ratios) == 1:
        return f"{ratios[0]:.2f}"
    tenths = statistics.quantiles(ratios, n=10, method="inclusive")
    return f"{statistics.median(ratios):.2f} ({tenths[0]:.2f} … {tenths[-1]:.2f})"


def main() -> int:
    """Print the table, or what is missing."""
    if not Path(recorded.ROOT, "index.json").exists():
        print("the recorded exchanges are not there; set JUNCTOR_DATA to their folder", file=sys.stderr)
        return 1
    print("tokens as counted over tokens as estimated: median (tenth … ninetieth percentile)")
    print("\n".join(told(samples())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
