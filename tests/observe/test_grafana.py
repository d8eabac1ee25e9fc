"""Dashboard and alerts name what is exported and nothing else, and everything that is exported is shown."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from junctor.failures import KINDS
from junctor.observe.grafana import DASHBOARD, RULES, __main__, read
from junctor.observe.prometheus import Metrics
from junctor.observe.prometheus.families import FAMILIES
from junctor.observe.prometheus.state import BREAKER_STATES
from junctor.testing.scripted import fail, ok, stream
from scripts import make_dashboard
from tests.client.stage import Stage
from tests.observe import promql
from tests.observe.exposed import measured

BY_NAME = {family.name: family for family in FAMILIES}
OUTCOMES = {
    *KINDS, "ok", "cancelled", "abandoned", "refused", "too_large", "no_capacity", "deadline", "interrupted", "error",
}  # fmt: skip
CLOSED = {
    "outcome": OUTCOMES, "state": set(BREAKER_STATES),
    "kind": {"input", "output", "input_cached", "input_cache_write", "output_reasoning"},
}  # fmt: skip
"""Labels with a closed list of values: a query that compares with another one is always empty."""


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(read(DASHBOARD))["panels"] if panel["type"] != "row"]


def panel_queries() -> list[tuple[str, str, str]]:
    """Title, query and legend of every series."""
    return [
        (panel["title"], target["expr"], target["legendFormat"]) for panel in panels() for target in panel["targets"]
    ]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(read(RULES))["groups"] for rule in group["rules"]]


def queries() -> list[tuple[str, str]]:
    return [(title, query) for title, query, _ in panel_queries()] + [
        (rule["alert"], rule["expr"]) for rule in alerts()
    ]


def labels_of(metric: str) -> set[str]:
    """The labels that a metric's samples have; fails for one that is not exported."""
    family = BY_NAME.get(metric) or BY_NAME[re.sub(r"_(bucket|sum|count)$", "", metric)]
    assert (family.kind == "histogram") == (metric != family.name), metric
    return {*family.labels, *(["le"] if metric.endswith("_bucket") else [])}


@pytest.mark.parametrize(("title", "query"), queries())
def test_a_query_names_what_is_exported(title: str, query: str) -> None:
    """Metrics, matchers, groupings, and the values of labels whose values are a closed list."""
    found = promql.read(query)
    assert found.metrics, title
    known: set[str] = set()
    for metric, matched in found.metrics:
        assert matched <= labels_of(metric), title
        known |= labels_of(metric)
    assert found.grouped <= known, title
    for _, label, value in found.values:
        if label in CLOSED:
            assert set(value.split("|")) <= CLOSED[label], title


@pytest.mark.parametrize(("title", "query", "legend"), panel_queries())
def test_a_legend_names_labels_that_its_series_have(title: str, query: str, legend: str) -> None:
    """A misspelt one would show nothing."""
    found = promql.read(query)
    have = found.grouped or set().union(*(labels_of(metric) for metric, _ in found.metrics))
    assert set(re.findall(r"{{(\w+)}}", legend)) <= have, title


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_tells_what_its_series_have(rule: dict[str, Any]) -> None:
    """A summary, a description and a severity; the labels in them are those that the query groups by."""
    told = "".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", told)) <= promql.read(rule["expr"]).grouped
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["labels"]["severity"] in ("warning", "critical")


def test_every_family_is_shown() -> None:
    """None is left out: a metric that nobody looks at would be one to remove."""
    named = {metric for _, query, _ in panel_queries() for metric, _ in promql.read(query).metrics}
    shown = {re.sub(r"_(bucket|sum|count)$", "", metric) if metric not in BY_NAME else metric for metric in named}
    assert shown == set(BY_NAME)


def test_state_is_never_summed() -> None:
    """Hosts have states of their own, their workers have not; only what is under way on all hosts makes a sum."""
    state = {family.name for family in FAMILIES if family.kind == "gauge"} - {"junctor_in_flight"}
    for title, query in queries():
        assert not [name for name in state if re.search(rf"\bsum\b[^()]*\([^()]*\(?{name}\b", query)], title


def test_the_dashboard_is_what_its_table_says() -> None:
    """Change the table and run `python -m scripts.make_dashboard`."""
    assert read(DASHBOARD) == make_dashboard.text()


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    """Grafana would move them about."""
    told = json.loads(read(DASHBOARD))["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in told)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in told}) == len(told)


def test_the_files_can_be_copied_out_of_the_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By one command; a directory that is not there is an error with a hint."""
    run = subprocess.run(
        [sys.executable, "-m", "junctor.observe.grafana", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [str(tmp_path / DASHBOARD), str(tmp_path / RULES)]
    assert (tmp_path / RULES).read_text(encoding="utf-8") == read(RULES)
    assert __main__.main([str(tmp_path / "absent")]) == 2
    assert "give a directory that exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    "query",
    ["sum(rate(junctor_calls_total[5m])", "junctor_calls_total{outcome}", "frobnicate(junctor_calls_total)", "a ; b",
     "sum by (x (junctor_calls_total)", 'junctor_calls_total{outcome="ok"', "junctor_calls_total)"],
)  # fmt: skip
def test_what_is_no_query_is_refused(query: str) -> None:
    """The reader above is strict, or the tests with it would prove nothing."""
    with pytest.raises((ValueError, StopIteration)):
        promql.read(query)


# ---- with Prometheus' own tool, where there is one ----

PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="no promtool; it is in Debian's package prometheus, or name it in $PROMTOOL"
)


def promtool(*arguments: str, given: str | None = None) -> None:
    """Run it; fails with what it says."""
    assert PROMTOOL is not None
    run = subprocess.run([PROMTOOL, *arguments], input=given, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@needs_promtool
def test_promtool_takes_every_query(tmp_path: Path) -> None:
    """The alerts as they are, the dashboard's queries as recording rules."""
    plain = [query.replace("$__rate_interval", "5m").replace("$deployment", ".*") for _, query, _ in panel_queries()]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(plain)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    promtool("check", "rules", str(file))
    (tmp_path / RULES).write_text(read(RULES), encoding="utf-8")
    promtool("check", "rules", str(tmp_path / RULES))


@needs_promtool
def test_promtool_finds_no_fault_in_the_exposition() -> None:
    """Its linter knows Prometheus' advice on names; the one exception, microseconds, is junctor's own choice."""
    stage = Stage({"a": [fail(500)], "b": [ok(), stream("x", cut_after=1)]})
    metrics = measured(stage)
    stage.chat()
    stage.stream()
    stage.tell()
    assert PROMTOOL is not None
    body = metrics.exposition()[1].decode()
    run = subprocess.run([PROMTOOL, "check", "metrics"], input=body, capture_output=True, text=True, check=False)
    complaints = [line for line in run.stderr.splitlines() if "junctor_overhead_microseconds" not in line]
    assert complaints == []


@needs_promtool
def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    """Evaluated by Prometheus itself over made-up series: the first refused key, an open breaker, scarce headroom."""
    (tmp_path / RULES).write_text(read(RULES), encoding="utf-8")
    place = 'deployment="a", provider="p", model="m"'
    series = {
        f'junctor_attempts_total{{{place}, outcome="auth"}}': "_x20 1x40",
        f'junctor_breaker_state{{{place}, state="open"}}': "0x20 1x40",
        f'junctor_breaker_state{{{place}, state="closed"}}': "1x60",
        'junctor_limit_free_ratio{pool="p", dimension="tpm"}': "1x20 0.05x40",
        f"junctor_cost_usd_total{{{place}}}": "0+5x60",
    }
    expected = {"JunctorKeyRefused": 22, "JunctorBreakerOpen": 27, "JunctorHeadroomLow": 32, "JunctorCostOfADay": 25}
    labels = {
        "JunctorKeyRefused": {"deployment": "a", "provider": "p", "outcome": "auth", "severity": "critical"},
        "JunctorBreakerOpen": {"deployment": "a", "provider": "p", "model": "m", "severity": "warning"},
        "JunctorHeadroomLow": {"pool": "p", "dimension": "tpm", "severity": "warning"},
        "JunctorCostOfADay": {"severity": "warning"},
    }
    checks: list[dict[str, Any]] = [{"eval_time": "15m", "alertname": name, "exp_alerts": []} for name in expected] + [
        {"eval_time": f"{minutes}m", "alertname": name, "exp_alerts": [{"exp_labels": labels[name]}]}
        for name, minutes in expected.items()
    ]
    for check in checks:
        for alert in check["exp_alerts"]:
            alert["exp_annotations"] = _annotations(check["alertname"], alert["exp_labels"])
    file = tmp_path / "tests.yml"
    told = {
        "rule_files": [RULES], "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m", "alert_rule_test": checks,
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
        }],
    }  # fmt: skip
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    promtool("test", "rules", str(file))


def _annotations(name: str, labels: dict[str, str]) -> dict[str, str]:
    (rule,) = (rule for rule in alerts() if rule["alert"] == name)
    return {
        key: re.sub(r"{{ \$labels\.(\w+) }}", lambda match: labels[match[1]], text)
        for key, text in rule["annotations"].items()
    }


def test_metrics_is_the_class_of_the_families() -> None:
    """The dashboard is for these families: the router's metrics expose each of them."""
    names = {metric.name for metric in Metrics(Stage({"a": []}).router).families()}
    assert names == {family.name.removesuffix("_total") for family in FAMILIES}
