"""The families of metrics: the one table that counting, exposition, the guide and the dashboard go by.

Names follow Prometheus' own advice (base units, `_total` for what only grows) with one exception: junctor's overhead
is told in microseconds, because that is what it is, and nobody reads 0.000041.

Label values come from the fleet file and from closed lists. The one that callers choose, the tenant, is told only for
tenants that the program listed. Models are those of the fleet, not what a caller asked for.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]

SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""From a cached short answer to the default deadline; dense where models usually answer."""
MICROSECONDS: Final = (10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 250.0, 500.0, 1_000.0, 2_500.0, 10_000.0, 100_000.0)
"""A call costs some forty microseconds; the upper half is for a process that is short of time."""


class Family(msgspec.Struct, frozen=True):
    """One metric: its name as written in queries (a histogram's without `_bucket`), labels and meaning."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


_PLACE: Final = ("deployment", "provider", "model")

CALLS: Final = Family(
    "junctor_calls_total", "counter", ("operation", "group", "rule", "outcome"),
    "Calls that ended, by the group that served them (empty if none did) and how they ended.",
)  # fmt: skip
DECISIONS: Final = Family(
    "junctor_decisions_total", "counter", ("group", "rule", "deployment"),
    "Decisions that sent an attempt somewhere: the shares of the deployments.",
)  # fmt: skip
REFUSALS: Final = Family(
    "junctor_refusals_total", "counter", ("deployment", "reason"),
    "Deployments that a decision looked at and ruled out, by the reason.",
)  # fmt: skip
ATTEMPTS: Final = Family(
    "junctor_attempts_total", "counter", (*_PLACE, "outcome"),
    "Attempts by outcome: ok, a failure kind, cancelled or abandoned.",
)  # fmt: skip
RETRIES: Final = Family(
    "junctor_retries_total", "counter", ("group",), "Attempts that followed a failed one of the same call."
)
DOWNGRADES: Final = Family(
    "junctor_downgrades_total", "counter", ("group",),
    "Calls that this fallback group served instead of the group that was asked for.",
)  # fmt: skip
HEDGES: Final = Family(
    "junctor_hedges_total", "counter", ("group", "result"),
    "Attempts started beside a slow one: they won, lost to it, or failed.",
)  # fmt: skip
STEPS: Final = Family(
    "junctor_cascade_steps_total", "counter", ("cascade", "step", "verdict"),
    "Steps of cascades by what became of them: accepted, escalated, rejected, answered, failed, beaten or kept.",
)  # fmt: skip
WASTE: Final = Family(
    "junctor_cascade_waste_usd_total", "counter", ("cascade",),
    "Dollars of attempts that were started ahead in a cascade and not needed.",
)  # fmt: skip
LABELS: Final = Family(
    "junctor_labels_total", "counter", ("classifier", "source"),
    "Labels that classifiers gave, by where they came from: model, cache or fallback.",
)  # fmt: skip
TOKENS: Final = Family(
    "junctor_tokens_total", "counter", (*_PLACE, "kind"),
    "Tokens used: input and output, and as parts of them input_cached, input_cache_write and output_reasoning.",
)  # fmt: skip
COST: Final = Family("junctor_cost_usd_total", "counter", _PLACE, "Dollars that attempts cost.")
INTERRUPTIONS: Final = Family(
    "junctor_stream_interruptions_total", "counter", _PLACE, "Streams that broke after their first content."
)
TENANT_CALLS: Final = Family(
    "junctor_tenant_calls_total", "counter", ("tenant", "outcome"),
    "Calls by tenant: those that were listed; all others together as `other`, those without one as empty.",
)  # fmt: skip
TENANT_TOKENS: Final = Family(
    "junctor_tenant_tokens_total", "counter", ("tenant", "kind"), "Tokens of the tenants' calls: input and output."
)
TENANT_COST: Final = Family("junctor_tenant_cost_usd_total", "counter", ("tenant",), "Dollars of the tenants' calls.")
CALLBACKS: Final = Family(
    "junctor_callback_events_total", "counter", ("event",),
    "Callbacks and observers that raised (error) or took too long (slow), calls that none was told of (dropped).",
)  # fmt: skip
OVERFLOW: Final = Family(
    "junctor_label_overflow_total", "counter", ("family",),
    "Counts that went to the label value `other`, because the family has as many label sets as it may have.",
)  # fmt: skip
DURATION: Final = Family(
    "junctor_call_duration_seconds", "histogram", ("operation", "group", "streamed"),
    "Whole calls that ended well.", SECONDS,
)  # fmt: skip
FIRST_CONTENT: Final = Family(
    "junctor_first_content_seconds", "histogram", _PLACE,
    "From the start of a streamed attempt to its first content.", SECONDS,
)  # fmt: skip
ATTEMPT_DURATION: Final = Family(
    "junctor_attempt_duration_seconds", "histogram", _PLACE, "Whole attempts that ended well.", SECONDS
)
OVERHEAD: Final = Family(
    "junctor_overhead_microseconds", "histogram", ("operation",),
    "What a call took beside waiting and its providers: junctor's own time.", MICROSECONDS,
)  # fmt: skip
WAIT: Final = Family(
    "junctor_wait_seconds", "histogram", ("group",),
    "Waiting for capacity or between attempts, of the calls that waited.", SECONDS,
)  # fmt: skip

COUNTED: Final = (
    CALLS, DECISIONS, REFUSALS, ATTEMPTS, RETRIES, DOWNGRADES, HEDGES, STEPS, WASTE, LABELS, TOKENS, COST,
    INTERRUPTIONS, TENANT_CALLS, TENANT_TOKENS, TENANT_COST, CALLBACKS, OVERFLOW, DURATION, FIRST_CONTENT,
    ATTEMPT_DURATION, OVERHEAD, WAIT,
)  # fmt: skip
"""Counted from the calls of this process, or summed over the workers that share a directory."""

BREAKER: Final = Family(
    "junctor_breaker_state", "gauge", (*_PLACE, "state"),
    "1 for the state that the breaker is in: closed, open, half_open or forced_open.",
)  # fmt: skip
IN_FLIGHT: Final = Family("junctor_in_flight", "gauge", _PLACE, "Attempts under way.")
HELD: Final = Family(
    "junctor_hold_seconds", "gauge", _PLACE, "Seconds for which the provider asked to be left alone; 0 if it did not."
)
SUCCESS: Final = Family("junctor_success_ratio", "gauge", _PLACE, "Recent attempts that ended well, 0 to 1.")
SHARE: Final = Family(
    "junctor_share_ratio",
    "gauge",
    _PLACE,
    "Part of its weight that a deployment has: learned capacity, slow start.",
)
LATENCY: Final = Family(
    "junctor_expected_first_content_seconds", "gauge", _PLACE, "Time to first content that balancing goes by."
)
LIMIT: Final = Family("junctor_limit", "gauge", ("pool", "dimension"), "The limit in force, in its own unit.")
LEVEL: Final = Family(
    "junctor_limit_level", "gauge", ("pool", "dimension"), "What could be taken of the limit now; negative is debt."
)
FREE: Final = Family("junctor_limit_free_ratio", "gauge", ("pool", "dimension"), "Headroom: what is free, 0 to 1.")
CORE: Final = Family(
    "junctor_core_events_total", "counter", ("event",),
    "What the core counts since its state was made: reserved, refused, no_capacity, opened, retry_denied and so on.",
)  # fmt: skip
STATE: Final = Family(
    "junctor_state_info", "gauge", ("scope", "config"),
    "1; labels say whether the state is of this process or of the host, and which configuration is in force.",
)  # fmt: skip
PROCESSES: Final = Family("junctor_processes", "gauge", (), "Living processes that share the state; 1 if none can.")
BEHIND: Final = Family("junctor_processes_behind", "gauge", (), "Those of them whose configuration is an older one.")
CONFIG: Final = Family(
    "junctor_config_checksum", "gauge", (), "A number that is another for each configuration: changes() counts reloads."
)
HOSTS: Final = Family("junctor_lease_hosts", "gauge", (), "Hosts that share limits, as last told; 0 if none do.")
COORDINATOR: Final = Family(
    "junctor_lease_coordinator_reachable",
    "gauge",
    (),
    "1 if the coordinator of leases is; 0 also if there is none.",
)

OF_STATE: Final = (
    BREAKER, IN_FLIGHT, HELD, SUCCESS, SHARE, LATENCY, LIMIT, LEVEL, FREE, CORE, STATE, PROCESSES, BEHIND, CONFIG,
    HOSTS, COORDINATOR,
)  # fmt: skip
"""Read from the router when somebody scrapes: with the host scope the same from every worker, never to be summed."""

FAMILIES: Final = (*COUNTED, *OF_STATE)
