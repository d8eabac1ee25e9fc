"""What a scrape says, as prometheus_client's own parser reads it."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from junctor.client import Client
from junctor.observe.prometheus import Metrics
from tests.client.stage import Stage

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scraped(metrics: Metrics, accept: str = "") -> Samples:
    """Every sample: its name and labels to its value."""
    content_type, body = metrics.exposition(accept)
    opens = content_type.startswith("application/openmetrics-text")
    families = (openmetrics_families if opens else text_families)(body.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of all samples of this name whose labels include these."""
    wanted = set(labels.items())
    return sum(value for (found, of), value in samples.items() if found == name and wanted <= set(of))


def sets(samples: Samples, name: str) -> int:
    """How many label sets a name has."""
    return sum(found == name for found, _ in samples)


def measured(stage: Stage, metrics: Metrics | None = None, **more: object) -> Metrics:
    """Metrics of this stage, whose client is made anew with their observer."""
    metrics = metrics or Metrics(stage.router, **more)  # type: ignore[arg-type]  # the caller's options, as they are
    stage.client = Client(stage.router, stage.provider, observers=[metrics.observer], seed=1)
    return metrics
