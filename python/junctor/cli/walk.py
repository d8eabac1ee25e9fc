"""An explanation as lines for people: request, gate, rules, candidates, choice, in the order of the walk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from junctor.cli.text import Paint, dollars, plural, seconds, table
from junctor.receipts import Candidate, Explanation

MAX_LISTED: Final = 40
"""Deployments listed per stage: more than a screen helps nobody, and `--json` has them all."""

_LABEL: Final = 12


GATE_WORDS: Final = frozenset(
    {"compliance", "region", "provider", "agreement", "tenant", "capability", "output_length", "context_length",
     "drained", "cost_cap"}
)  # fmt: skip
"""Refusals that time does not lift: the gate's. All others are a matter of load, limits and breakers."""


_FROM: Final = {
    "predicted": "predicted",
    "like": "predicted for the model that it is like",
    "abstained": "as configured: the scorer abstains",
    "": "as configured",
}


def lines(
    model: str, asked: Mapping[str, Any], told: Explanation, *, members: frozenset[str] | None, paint: Paint
) -> list[str]:
    """The whole walk. `members` are those of the serving group, if it is one of the fleet file."""
    out = {**told.reasons, **told.refusals}
    gated = {name: why for name, why in out.items() if why.partition(":")[0] in GATE_WORDS}
    found = [_stage("request", _request(model, asked), paint)]
    found += _gate(told, gated, paint)
    found.append(_stage("rules", _rules(told), paint))
    found += _candidates(told, gated, members, paint)
    found += _scores(told, paint)
    found += _cache(asked, told, paint)
    found += _choice(told, paint)
    found.append(_stage("repeat", f"seed {told.seed}, config {told.config_hash}", paint))
    return found


def _stage(name: str, text: str, paint: Paint) -> str:
    return paint(f"{name:<{_LABEL}}", "bold") + text


def _request(model: str, asked: Mapping[str, Any]) -> str:
    words = [model]
    if "input_tokens" in asked:
        words.append(f"{asked['input_tokens']:,} input tokens")
    if asked.get("output_tokens") is not None:
        words.append(f"at most {asked['output_tokens']:,} output tokens")
    if asked.get("needs"):
        words.append("needs " + ", ".join(asked["needs"]))
    words += [f"{name}={value}" for name, value in sorted(asked.get("tags", {}).items())]
    others = ("affinity", "tried", "regions", "providers", "exclude_providers", "agreements")
    words += [f"{name} {_said(asked[name])}" for name in others if name in asked]
    return " · ".join(words)


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _gate(told: Explanation, gated: Mapping[str, str], paint: Paint) -> Iterator[str]:
    looked_at = len({each.deployment for each in told.survey} | set(gated))
    if not looked_at:
        yield _stage("gate", "nobody to look at", paint)
        return
    yield _stage("gate", f"{looked_at - len(gated)} of {plural(looked_at, 'deployment')} may take it", paint)
    rows = [(name, paint(why, "yellow")) for name, why in sorted(gated.items())]
    yield from table(rows[:MAX_LISTED], "<<", indent=_LABEL)
    yield from _more(len(rows) - MAX_LISTED)


def _rules(told: Explanation) -> str:
    if told.rule is not None:
        return f"{told.rule} → group {told.group}" if told.group else told.rule
    return "none matches" if told.asked == "auto" else f"not asked: the request names {told.asked}"


def _candidates(
    told: Explanation, gated: Mapping[str, str], members: frozenset[str] | None, paint: Paint
) -> Iterator[str]:
    seen = {each.deployment: each for each in (*told.survey, *told.candidates) if each.deployment not in gated}
    looked = {each.deployment for each in told.candidates}
    order = sorted(seen.values(), key=lambda each: (each.verdict != "chosen", each.deployment not in looked))
    if not order:
        return
    drawn = len(looked - set(told.refusals))
    how = "two are drawn, less load is preferred" if drawn > 1 else "one is left" if drawn else "none is free"
    yield _stage("candidates", how, paint)
    header = ("deployment", "", "load", "in flight", "weight", "latency", "success", "cost")
    rows = [tuple(paint(word, "dim") for word in header)]
    for each in order[:MAX_LISTED]:
        spare = members is not None and each.deployment not in members
        verdict = _verdict(each, drawn=each.deployment in looked, spare=spare)
        why = told.refusals.get(each.deployment) or told.reasons.get(each.deployment)
        rows.append(_row(each, verdict, paint) if why is None else _refused(each, why, paint))
    yield from table(rows, "<<>>>>>>")  # further left than other details: it would not fit 80 columns
    yield from _more(len(order) - MAX_LISTED)


def _verdict(each: Candidate, *, drawn: bool, spare: bool) -> str:
    if each.verdict != "passed_over" or drawn:
        return each.verdict.replace("_", " ")
    return "fallback" if spare else "not drawn"


def _row(each: Candidate, verdict: str, paint: Paint) -> tuple[str, ...]:
    style = {"chosen": ("bold", "green"), "passed over": ("cyan",)}.get(verdict, ("dim",))
    return (
        each.deployment,
        paint(verdict, *style),
        f"{each.score:.3g}",
        str(each.in_flight),
        f"{each.weight:.3g}",
        seconds(each.latency_s),
        f"{each.success:.0%}",
        dollars(each.cost_usd_micros),
    )


def _refused(each: Candidate, why: str, paint: Paint) -> tuple[str, ...]:
    """A candidate that time or another try may bring back: its load was not looked at."""
    return (each.deployment, paint(why, "yellow"), "", "", "", "", "", dollars(each.cost_usd_micros))


def _scores(told: Explanation, paint: Paint) -> Iterator[str]:
    judged = [each for each in told.candidates if each.quality > 0]
    if judged:
        asked = f"artifact {told.scorer}" if told.scorer else "qualities as configured: no scorer was asked"
        yield _stage("score", asked, paint)
        rows = [(each.deployment, f"{each.quality:.3f}", _FROM.get(each.quality_from, "")) for each in judged]
        yield from table(rows[:MAX_LISTED], "<><", indent=_LABEL)


def _cache(asked: Mapping[str, Any], told: Explanation, paint: Paint) -> Iterator[str]:
    """What each candidate saves by the prompt cache, or charges for leaving it."""
    if "warm" not in asked:
        return
    place, tokens = asked["warm"]
    yield _stage("cache", f"{tokens:,} tokens of the prompt at {place}; elsewhere leaving them is charged", paint)
    rows = []
    for each in told.candidates:
        expected = dollars(max(0, each.cost_usd_micros + each.cache_usd_micros))
        charge = f"{dollars(each.move_usd_micros)} and {seconds(each.move_s)} of it for leaving"
        rows.append((each.deployment, expected, "read there" if each.deployment == place else charge))
    yield from table(rows[:MAX_LISTED], "<><", indent=_LABEL)


def _choice(told: Explanation, paint: Paint) -> Iterator[str]:
    if told.deployment is None:
        yield _stage("choice", paint(told.denial or "nobody", "bold", "red"), paint)
        return
    group = f" of group {told.group}" if told.group not in (None, told.deployment) else ""
    downgrade = paint(", a downgrade", "yellow") if told.downgrade else ""
    yield _stage("choice", paint(told.deployment, "bold", "green") + group + downgrade, paint)
    bounds = [] if told.max_output_tokens is None else [f"at most {told.max_output_tokens:,} output tokens"]
    bounds += [f"effort {told.effort}"] if told.effort else []
    yield " " * _LABEL + " · ".join([*bounds, f"about {dollars(told.estimated_cost_usd_micros)}"])


def _more(left: int) -> Iterator[str]:
    if left > 0:
        yield " " * _LABEL + f"and {left:,} more; --json lists all"
