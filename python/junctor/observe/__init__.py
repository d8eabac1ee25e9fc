"""Observation: what a client's calls were, told to programs that draw, count and alert.

An `Observer` is told of every call after it ended, on the client's own thread (`junctor.sink`), so it can neither delay
nor fail one. Four come with the package, each imported by its own name, because their libraries are optional:
`junctor.observe.otel` (spans and metrics of OpenTelemetry's GenAI conventions), `junctor.observe.prometheus`,
`junctor.observe.log` (JSON lines), and `junctor.observe.grafana`, which is a dashboard and alert rules.

None of them records content unless it is told to.
"""

from __future__ import annotations

from junctor.observe.observed import Answered, Content, Observed, ObservedAttempt
from junctor.observe.observer import Observer

__all__ = ["Answered", "Content", "Observed", "ObservedAttempt", "Observer"]
