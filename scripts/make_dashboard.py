"""Writes the Grafana dashboard from the table below: `python -m scripts.make_dashboard`.

A dashboard exported from Grafana has 3,000 lines that nobody reviews. Here a panel is one entry: title, queries with
their legends, unit, and a sentence for the reader. What the table does not say is the same for every panel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from scripts.markdown import ROOT

TARGET: Final = ROOT / "python/junctor/observe/grafana/junctor.json"
COLUMNS: Final = 24
HEIGHT: Final = 8
RATE: Final = "$__rate_interval"
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
PLACE: Final = 'deployment=~"$deployment"'


class Panel(msgspec.Struct, frozen=True):
    """One panel: each query with the legend of its series."""

    title: str
    queries: dict[str, str]
    unit: str = "short"
    what: str = ""
    kind: str = "timeseries"
    stacked: bool = False
    top: float | None = None


def rate(name: str, by: str, where: str = "") -> str:
    """How fast a counter grows, by these labels."""
    return f"sum by ({by}) (rate({name}{where and '{' + where + '}'}[{RATE}]))"


def quantile(share: float, name: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram, by these labels."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{name}_bucket', labels, where)})"


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Traffic and shares": (
        Panel("Calls by outcome", {rate("junctor_calls_total", "outcome"): "{{outcome}}"}, "reqps",
              "Calls that ended, each once, however many attempts it took.", stacked=True),
        Panel("Shares of the deployments", {
            f"{rate('junctor_decisions_total', 'deployment', PLACE)} / ignoring(deployment) group_left "
            f"sum(rate(junctor_decisions_total[{RATE}]))": "{{deployment}}",
        }, "percentunit", "Where decisions send attempts.", stacked=True, top=1),
        Panel("Attempts under way", {f"sum by (deployment) (junctor_in_flight{{{PLACE}}})": "{{deployment}}"},
              what="Of the host, where workers share a state: never add workers up.", stacked=True),
        Panel("Calls by group and rule", {rate("junctor_calls_total", "group, rule"): "{{group}} {{rule}}"}, "reqps"),
        Panel("Calls of the tenants", {rate("junctor_tenant_calls_total", "tenant"): "{{tenant}}"}, "reqps",
              "Listed tenants; all others are `other`."),
        Panel("Learned share of weight", {f"junctor_share_ratio{{{PLACE}}}": "{{deployment}}"}, "percentunit",
              "Below one: slow start, or capacity that throttling taught.", top=1),
    ),
    "Errors and fallbacks": (
        Panel("Failed attempts", {
            rate("junctor_attempts_total", "deployment, outcome", f'{PLACE}, outcome!~"ok|cancelled"'):
                "{{deployment}} {{outcome}}",
        }, "reqps", "By failure kind."),
        Panel("Breakers that are not closed", {
            f'junctor_breaker_state{{{PLACE}, state!="closed"}} == 1': "{{deployment}} {{state}}",
        }, what="Empty is good."),
        Panel("Success ratio", {f"junctor_success_ratio{{{PLACE}}}": "{{deployment}}"}, "percentunit", top=1),
        Panel("Refusals by reason", {rate("junctor_refusals_total", "reason"): "{{reason}}"}, "reqps",
              "Deployments that decisions ruled out. `tried` comes of retries, `limit` of full pools.", stacked=True),
        Panel("Retries, fallbacks and hedges", {
            rate("junctor_retries_total", "group"): "retry {{group}}",
            rate("junctor_downgrades_total", "group"): "fallback to {{group}}",
            rate("junctor_hedges_total", "result"): "hedge {{result}}",
        }, "reqps"),
        Panel("Streams that broke", {rate("junctor_stream_interruptions_total", "deployment", PLACE): "{{deployment}}"},
              "reqps", "After their first content: callers saw half an answer."),
        Panel("Held by their provider", {f"junctor_hold_seconds{{{PLACE}}} > 0": "{{deployment}}"}, "s",
              "Providers asked for so many seconds of peace (429, 529)."),
        Panel("What the core counts", {
            rate("junctor_core_events_total", "event", 'event!~"reserved|hedge_waste.*"') + " > 0": "{{event}}",
        }, "reqps", "Rare events: each is a question that an operator asks."),
    ),
    "Cascades and labels": (
        Panel("Steps of cascades", {
            rate("junctor_cascade_steps_total", "cascade, step, verdict"): "{{cascade}} {{step}} {{verdict}}",
        }, "reqps", "`kept` are answers that should have been escalated.", stacked=True),
        Panel("Dollars per hour of drafts' rivals", {
            f"3600 * {rate('junctor_cascade_waste_usd_total', 'cascade')}": "{{cascade}}",
        }, "currencyUSD", "Of attempts that were started ahead and not needed."),
        Panel("Labels of classifiers", {
            rate("junctor_labels_total", "classifier, source"): "{{classifier}} {{source}}",
        }, "reqps", "`fallback`: the model was down, late or answered none of the labels."),
    ),
    "Headroom of limits": (
        Panel("Headroom", {"junctor_limit_free_ratio": "{{pool}} {{dimension}}"}, "percentunit",
              "What is free of each limit. At zero callers wait or go elsewhere.", top=1),
        Panel("Level and limit", {
            "junctor_limit_level": "{{pool}} {{dimension}}", "junctor_limit": "{{pool}} {{dimension}} limit",
        }, what="Requests, tokens or micro-dollars, as the dimension says; below zero is debt."),
        Panel("Wait for capacity, p95", {quantile(0.95, "junctor_wait_seconds", "group"): "{{group}}"}, "s",
              "Of the calls that waited, before an attempt or between two."),
    ),
    "Latency": (
        Panel("Whole calls", {
            quantile(share, "junctor_call_duration_seconds", "streamed"): f"p{100 * share:g} streamed {{{{streamed}}}}"
            for share in (0.5, 0.95, 0.99)
        }, "s", "Calls that ended well, attempts and waits included."),
        Panel("First content, p95", {
            quantile(0.95, "junctor_first_content_seconds", "deployment", PLACE): "{{deployment}}",
        }, "s", "Of streams."),
        Panel("Whole attempts, p95", {
            quantile(0.95, "junctor_attempt_duration_seconds", "deployment", PLACE): "{{deployment}}",
        }, "s"),
        Panel("Expected first content", {
            f"junctor_expected_first_content_seconds{{{PLACE}}}": "{{deployment}}",
        }, "s", "What balancing goes by."),
    ),
    "Tokens and money": (
        Panel("Tokens", {rate("junctor_tokens_total", "kind", PLACE): "{{kind}}"}, "short", "Per second."),
        Panel("Prompt cache", {
            f'sum(rate(junctor_tokens_total{{kind="input_cached"}}[{RATE}])) / '
            f'sum(rate(junctor_tokens_total{{kind="input"}}[{RATE}]))': "read from cache",
        }, "percentunit", "Share of input tokens that providers read from their caches.", top=1),
        Panel("Dollars per hour", {
            f"3600 * {rate('junctor_cost_usd_total', 'model', PLACE)}": "{{model}}",
        }, "currencyUSD", stacked=True),
        Panel("Dollars of a day", {"sum(increase(junctor_cost_usd_total[1d]))": "all"}, "currencyUSD", kind="stat"),
        Panel("Dollars per hour of the tenants", {
            f"3600 * {rate('junctor_tenant_cost_usd_total', 'tenant')}": "{{tenant}}",
        }, "currencyUSD"),
        Panel("Tokens of the tenants", {rate("junctor_tenant_tokens_total", "tenant, kind"): "{{tenant}} {{kind}}"}),
    ),
    "Overhead and the process itself": (
        Panel("Overhead", {
            quantile(share, "junctor_overhead_microseconds"): f"p{100 * share:g}" for share in (0.5, 0.95, 0.99)
        }, "µs", "What a call takes beside waiting and its providers."),
        Panel("Callbacks", {rate("junctor_callback_events_total", "event"): "{{event}}"}, "reqps",
              "Observers that raised or were slow; calls that nobody was told of."),
        Panel("Counted as `other`", {rate("junctor_label_overflow_total", "family"): "{{family}}"}, "reqps",
              "Raise `max_label_sets` if this is not empty."),
        Panel("Processes", {
            "max(junctor_processes)": "living", "max(junctor_processes_behind)": "with an older configuration",
            "max(junctor_lease_hosts)": "hosts that share limits",
            "max(junctor_lease_coordinator_reachable)": "coordinator reachable",
        }),
        Panel("Reloads", {"changes(junctor_config_checksum[1h])": "in an hour"}),
        Panel("State", {"junctor_state_info": "{{scope}} {{config}}"}, kind="table",
              what="Whether limits hold for the host or for each process, and under which configuration."),
    ),
}  # fmt: skip


def dashboard() -> dict[str, Any]:
    """The whole dashboard, as Grafana imports it."""
    return {
        "uid": "junctor",
        "title": "junctor",
        "description": "Where requests for language models went, what was in the way, what it took and cost.",
        "tags": ["junctor", "llm"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source(), _deployment()]},
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for title, panels in ROWS.items():
        number += 1
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": [],
               "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}}  # fmt: skip
        y += 1
        for place, panel in enumerate(panels):
            number += 1
            x = place % 3 * (COLUMNS // 3)
            yield _panel(panel, number, {"x": x, "y": y + place // 3 * HEIGHT, "w": COLUMNS // 3, "h": HEIGHT})
        y += -(-len(panels) // 3) * HEIGHT


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    custom: dict[str, Any] = {"fillOpacity": 10, "showPoints": "never"}
    if panel.stacked:
        custom |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40}
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "custom": custom}
    if panel.title == "Level and limit":
        del defaults["min"]  # debt is below zero
    if panel.top is not None:
        defaults["max"] = panel.top
    table = panel.kind == "table"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.what,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}} if panel.kind == "timeseries" else {},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": SOURCE,
                "expr": query,
                "legendFormat": legend,
                "range": not table,
            }
            | ({"instant": True, "format": "table"} if table else {})
            for at, (query, legend) in enumerate(panel.queries.items())
        ],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}


def _deployment() -> dict[str, Any]:
    return {
        "name": "deployment", "label": "Deployment", "type": "query", "datasource": SOURCE,
        "query": {"query": "label_values(junctor_in_flight, deployment)", "refId": "deployment"},
        "definition": "label_values(junctor_in_flight, deployment)",
        "multi": True, "includeAll": True, "allValue": ".*", "refresh": 2, "sort": 1,
        "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip


def text() -> str:
    """The file's text."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def main(target: Path = TARGET) -> None:
    """Write it."""
    target.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
