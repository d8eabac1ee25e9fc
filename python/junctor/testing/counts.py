"""What a simulated provider really saw: the ground truth that a client's own figures are compared with."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Counts(msgspec.Struct, kw_only=True):
    """Counters of one key, or the sum over several.

    `requests` = `ok` + `throttled` + `failed` + `broken` + `aborted` + `in_flight` at every moment.

    `ok`: answered in full. `throttled`: 429 for whatever reason. `failed`: any other error answer, a 200 with junk or
    with an error event included. `broken`: the provider cut the answer. `aborted`: the client left before the end.
    `streams` counts streamed answers begun, `streams_open` those not ended yet. Tokens are those of delivered answers.
    """

    requests: int = 0
    ok: int = 0
    throttled: int = 0
    failed: int = 0
    broken: int = 0
    aborted: int = 0
    in_flight: int = 0
    streams: int = 0
    streams_open: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    statuses: dict[int, int] = msgspec.field(default_factory=dict)
    faults: dict[str, int] = msgspec.field(default_factory=dict)

    def saw_status(self, status: int) -> None:
        """One more answer with this status."""
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def saw_fault(self, kind: str) -> None:
        """One more request hit by this kind of fault."""
        self.faults[kind] = self.faults.get(kind, 0) + 1


def total(parts: Iterable[Counts]) -> Counts:
    """The sum."""
    result = Counts()
    for part in parts:
        for name in Counts.__struct_fields__:
            value = getattr(part, name)
            if isinstance(value, int):
                setattr(result, name, getattr(result, name) + value)
            else:
                merged = getattr(result, name)
                for key, count in value.items():
                    merged[key] = merged.get(key, 0) + count
    return result
