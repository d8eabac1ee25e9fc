"""Prometheus metrics of a client and its router (`pip install "junctor[prometheus]"`).

```python
metrics = Metrics(client_router)
client = Client(client_router, observers=[metrics.observer])
content_type, body = metrics.exposition(request.headers.get("accept", ""))
```

What calls do is counted as they end; what the router's state is, is read when somebody scrapes. Every family is in
`families`, every family's label sets are bounded (`slots`), and no label holds what a caller wrote, except tenants that
were listed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError as error:
    raise ImportError('prometheus_client is not installed; pip install "junctor[prometheus]"') from error

from junctor.observe.prometheus.count import Counting
from junctor.observe.prometheus.families import COUNTED, OF_STATE, Family
from junctor.observe.prometheus.slots import MAX_LABEL_SETS, Slots
from junctor.observe.prometheus.state import State

if TYPE_CHECKING:
    from junctor.observe.observer import Observer
    from junctor.router import Router

__all__ = ["Metrics"]


class Metrics:
    """The metrics of one router and of every client that has `observer` among its observers.

    `registry` is prometheus_client's, a new one by default; another one's own metrics are exposed beside these.
    `tenants` are those that have a label of their own; all others are counted as `other`.
    `directory` makes several workers one: each writes its counts to files there, and whoever is scraped tells the sum
    of all, those that are gone included. It must be new for each start of the whole service, on a local disk or in
    memory, and for these metrics alone.
    `max_label_sets` bounds each family; what comes beyond is counted under labels that are all `other`, and in
    `junctor_label_overflow_total`. Raises `ConfigError` if it is not between 1 and 100,000.
    """

    def __init__(
        self,
        router: Router,
        registry: CollectorRegistry | None = None,
        *,
        tenants: Collection[str] = (),
        directory: str | PathLike[str] | None = None,
        max_label_sets: int = MAX_LABEL_SETS,
    ) -> None:
        place = None if directory is None else Path(directory)
        self._slots = Slots(COUNTED, directory=place, max_label_sets=max_label_sets)
        self._state = State(router)
        self._counting = Counting(self._slots, tenants)
        self.registry = CollectorRegistry() if registry is None else registry
        self.registry.register(_Exposed(self))

    @property
    def observer(self) -> Observer:
        """What counts the calls of a client: `Client(router, observers=[metrics.observer])`."""
        return self._counting

    def exposition(self, accept: str = "") -> tuple[str, bytes]:
        """Content type and body of a scrape, in the format that the `accept` header asks for: text or OpenMetrics."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self.registry)

    def families(self) -> Iterator[Metric]:
        """Everything as prometheus_client's families, read now."""
        self._counting.catch_up()
        found = {family.name: _empty(family) for family in (*COUNTED, *OF_STATE)}
        kinds = {family.name: family for family in COUNTED}
        for (name, labels), numbers in self._slots.numbers().items():
            _fill(found[name], kinds[name], labels, numbers)
        for family, labels, value in self._state.samples():
            _fill(found[family.name], family, labels, [value])
        yield from found.values()


class _Exposed(Collector):
    """What the registry asks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """All families, at the time of the scrape."""
        return self._metrics.families()

    def describe(self) -> Iterator[Metric]:
        """Their names, for the registry to find clashes without a scrape."""
        return (_empty(family) for family in (*COUNTED, *OF_STATE))


Filled = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


def _empty(family: Family) -> Filled:
    if family.kind == "counter":
        return CounterMetricFamily(family.name, family.help, labels=family.labels)
    if family.kind == "gauge":
        return GaugeMetricFamily(family.name, family.help, labels=family.labels)
    return HistogramMetricFamily(family.name, family.help, labels=family.labels)


def _fill(filled: Filled, family: Family, labels: tuple[str, ...], numbers: list[float]) -> None:
    if not isinstance(filled, HistogramMetricFamily):
        filled.add_metric(labels, numbers[0])
        return
    total, buckets = 0.0, []
    for bound, count in zip((*map(str, family.buckets), "+Inf"), numbers[1:], strict=True):
        total += count
        buckets.append((bound, total))
    filled.add_metric(labels, buckets, sum_value=numbers[0])
