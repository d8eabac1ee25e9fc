"""PromQL as far as our own queries use it: strict tokens, which metrics with which matchers, grouping by what.

There is no parser of PromQL on PyPI, and `promtool` is not everywhere. This reads too little to evaluate anything, and
enough to refuse a misspelt name: what is no token, function, metric or label of ours is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<string>"[^"]*")|(?P<range>\[(?:\d+[smhd]|\$__rate_interval)\])|(?P<duration>\d+[smhd]\b)
    |(?P<number>\d+(?:\.\d+)?)|(?P<word>[a-zA-Z_]\w*)|(?P<match>=~|!~|!=|==|>=|<=|=|>|<)|(?P<sign>[-+*/(){},])""",
    re.VERBOSE,
)
_FUNCTIONS = {"sum", "rate", "increase", "histogram_quantile", "max", "min", "changes"}
_KEYWORDS = {"by", "ignoring", "group_left", "or", "unless", "offset"}
_PAIRS = {"(": ")", "{": "}"}


@dataclass
class Query:
    """What a query names: each metric with the labels that its matchers use, and the labels of all groupings."""

    metrics: list[tuple[str, set[str]]] = field(default_factory=list)
    grouped: set[str] = field(default_factory=set)
    values: list[tuple[str, str, str]] = field(default_factory=list)
    """Metric, label and the text that it is compared with."""


def tokens(query: str) -> list[tuple[str, str]]:
    """Kind and text of every token. Raises `ValueError` at what is none."""
    found, at = list[tuple[str, str]](), 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None:
            raise ValueError(f"{query[at : at + 20]!r} is no token of PromQL, in {query}")
        at = match.end()
        if match.lastgroup != "space":
            found.append((match.lastgroup or "", match[0]))
    return found


def read(query: str) -> Query:
    """What a query names. Raises `ValueError` for unbalanced brackets and unknown words."""
    found, rest = Query(), iter(tokens(query))
    open_ones: list[str] = []
    metric = ""
    for kind, text in rest:
        if text == "{":
            _matchers(found, metric, rest)
        elif text in _PAIRS:
            open_ones.append(_PAIRS[text])
        elif text in _PAIRS.values():
            if not open_ones or open_ones.pop() != text:
                raise ValueError(f"{text} closes nothing, in {query}")
        elif kind == "word" and text in ("by", "ignoring"):
            labels = _labels(rest)
            found.grouped |= labels if text == "by" else set()
        elif kind == "word" and text.startswith("junctor_"):
            metric = text
            found.metrics.append((text, set()))
        elif kind == "word" and text not in _FUNCTIONS | _KEYWORDS:
            raise ValueError(f"{text!r} is neither a function, a keyword nor a metric, in {query}")
    if open_ones:
        raise ValueError(f"{open_ones} is missing, in {query}")
    return found


def _matchers(found: Query, metric: str, rest: Iterator[tuple[str, str]]) -> None:
    for kind, text in rest:
        if text == "}":
            return
        if kind == "word":
            _, sign = next(rest)
            _, value = next(rest)
            if sign not in ("=", "!=", "=~", "!~") or not value.startswith('"'):
                raise ValueError(f"{metric}: {text}{sign}{value} is no matcher")
            found.metrics[-1][1].add(text)
            found.values.append((metric, text, value.strip('"')))
        elif text != ",":
            raise ValueError(f"{metric}: {text!r} among its matchers")
    raise ValueError(f"{metric}: its matchers do not end")


def _labels(rest: Iterator[tuple[str, str]]) -> set[str]:
    if next(rest) != ("sign", "("):
        raise ValueError("a grouping without labels")
    found = set[str]()
    for kind, text in rest:
        if text == ")":
            return found
        if kind == "word":
            found.add(text)
        elif text != ",":
            raise ValueError(f"{text!r} among the labels of a grouping")
    raise ValueError("a grouping that does not end")
