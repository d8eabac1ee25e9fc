"""What a door costs: one request read and one answer written, whole, in pieces, and passed on as it came.

    python -m benches.python.bench_doors

A request of 1 kB and an answer of as much, as in `bench_adapters`, and an event of a stream that holds one word. The
floor is the request decoded into a dictionary: nobody who looks at it can do with less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from benches.python import show
from benches.python.harness import Rounds, Spread, Suite, Verdict, in_rounds, rows
from junctor import adapters
from junctor.doors import Door, Incoming, find
from junctor.doors.contract import Stamp
from junctor.relay import RawReader, keep
from junctor.reply import Reply, TextDelta, Usage

TIMES: Final = 2_000
BUDGET_US: Final = 30.0
"""A tenth of what the gateway may spend on a request."""
EVENT_BUDGET_US: Final = 5.0

WORDS: Final = "The line is free and the call goes through; a second exchange picks it up when the first is busy. " * 2
USER: Final = {"role": "user", "content": WORDS}
STAMP: Final = Stamp("req_1", 1_764_000_000, "m")
BODIES: Final[dict[str, dict[str, Any]]] = {
    "/v1/chat/completions": {"model": "g", "messages": [{"role": "system", "content": WORDS}, USER]},
    "/v1/messages": {"model": "g", "max_tokens": 256, "system": WORDS, "messages": [USER]},
    "/v1/responses": {"model": "g", "instructions": WORDS, "input": [USER]},
}
EVENTS: Final = {
    "openai": b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"content":"word "},"finish_reason":null}]}\n\n',
    "anthropic": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"word "}}\n\n',
}


def reply() -> Reply:
    """A finished answer of another dialect."""
    message = {"role": "assistant", "content": WORDS}
    return Reply(text=WORDS, message=message, finish_reason="stop", usage=Usage(100, 50), model="m", cost_usd=0.001)


def timed(case: Callable[[], object], per: int = 1) -> Callable[[], float]:
    """Microseconds of CPU that one call of `case` takes, or one of `per` things that it does."""

    def measured() -> float:
        started = time.process_time_ns()
        for _ in range(TIMES // per):
            case()
        return (time.process_time_ns() - started) / (TIMES // per) / per / 1e3

    return measured


def cases_of(path: str, door: Door, body: bytes) -> dict[str, Callable[[], float]]:
    """One door: read and write, read and pass on, one event written."""
    headers = {"content-type": "application/json", "authorization": "Bearer key", "user-agent": "bench"}
    incoming = Incoming("POST", path, headers, body)
    asked, answered, passed = door.read(incoming), reply(), reply()
    keep(passed, door.whole(answered, asked, STAMP))

    def written() -> None:
        door.whole(answered, door.read(incoming), STAMP)

    def passed_on() -> None:
        door.whole(passed, door.read(incoming), STAMP)

    def streamed() -> None:
        write = door.writer(asked, STAMP).write
        for _ in range(50):
            write(TextDelta("word "))

    return {
        f"{door.name}: read, written": timed(written),
        f"{door.name}: read, passed on": timed(passed_on),
        f"{door.name}: an event written": timed(streamed, per=50),
    }


def relayed(dialect: str) -> Callable[[], float]:
    """One event of a stream that is read and passed on."""
    feed = RawReader(adapters.get(dialect).reader()).feed
    return timed(lambda: feed(EVENTS[dialect]))


def measure(*, rounds: int = 15) -> Suite:
    """Every door for answers, in rounds."""
    decode = msgspec.json.Decoder().decode
    floor = msgspec.json.encode(BODIES["/v1/chat/completions"])
    cases: dict[str, Callable[[], float]] = {"request decoded alone": timed(lambda: decode(floor))}
    for path, body in BODIES.items():
        door = find("POST", path)
        if door is None:
            raise AssertionError(f"{path} leads to no door")
        cases |= cases_of(path, door, msgspec.json.encode(body))
    cases |= {f"{dialect}: an event read and passed on": relayed(dialect) for dialect in EVENTS}
    found = in_rounds(cases, rounds)
    return Suite(
        name="doors",
        what="Doors: a caller's request read, an answer in its dialect written",
        method=f"{rounds} rounds of {TIMES:,} requests or events each, CPU time of the process; about 1 kB each way.",
        command="python -m benches.python.bench_doors",
        rows=rows(found, unit="µs", floors=("request decoded alone",)),
        verdicts=[_verdict(name, found) for name in cases if ":" in name],
    )


def _verdict(name: str, found: Rounds) -> Verdict:
    budget = EVENT_BUDGET_US if "event" in name else BUDGET_US
    spent = Spread.of(found[name])
    return Verdict(what=name, budget=f"≤ {budget:g} µs", measured=f"{spent.told()} µs", met=spent.median <= budget)


if __name__ == "__main__":
    print(show.text(measure()))
