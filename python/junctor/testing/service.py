"""One request's way through a simulated provider: read, hit by faults, admitted, answered.

`decide` says what will be answered without writing a byte; `serve` plays it out and counts how it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from email.utils import formatdate
from typing import Any, Final, Literal, NamedTuple

import msgspec

from junctor.testing.app import Answer, Request
from junctor.testing.dialects import Ask, Dialect, ErrorKind, Invalid
from junctor.testing.dialects.base import HeaderList
from junctor.testing.faults import Fault, Kind
from junctor.testing.keys import Account
from junctor.testing.latency import Latency
from junctor.testing.playback import Ending, Play, play_now, play_out
from junctor.testing.prompt_cache import Cached
from junctor.testing.speech import Said, example, halves, output_length, pieces_of, sentence

HTML_BODY: Final = b"<!DOCTYPE html><html><body><h1>Welcome</h1><p>Sign in to continue.</p></body></html>"
JSON: Final = ("content-type", "application/json")
TOOL_CALL_TOKENS: Final = 8  # what a call costs besides its arguments

Outcome = Literal["ok", "throttled", "failed", "broken"]
Hit = dict[Kind, Fault]


class Temper(msgspec.Struct, frozen=True, kw_only=True):
    """How the simulated models behave, for all keys. See `SimulatedProvider` for the meaning of each."""

    latency: Latency = Latency()
    time_scale: float = 1.0
    output_tokens: int = 24
    output_sigma: float = 0.0
    text: str | None = None
    arguments: Mapping[str, Mapping[str, Any]] = {}
    models: frozenset[str] | None = None
    context_tokens: int | None = None
    logprob: float | None = -0.1
    seed: int = 0


class Verdict(NamedTuple):
    """What will be answered and how it counts; `said` when the model speaks."""

    play: Play
    outcome: Outcome
    said: Said | None = None
    streamed: bool = False


class Service:
    """Answers requests of known keys."""

    def __init__(self, temper: Temper, *, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.temper = temper
        self._clock = clock
        self._wall = wall
        self.number = 0
        self._date = (0, "")

    def serve(
        self, account: Account, dialect: Dialect, request: Request, answer: Answer
    ) -> Coroutine[Any, Any, None] | None:
        """Answer one request; at once when nothing takes time."""
        self.number += 1
        account.counts.requests += 1
        verdict = self.decide(account, dialect, request, self.number)
        if verdict.play.waits:
            return self._serve_slowly(account, dialect, answer, verdict)
        _count(account, verdict)
        play_now(answer, verdict.play)
        self._settle(account, dialect, verdict)
        return None

    async def _serve_slowly(self, account: Account, dialect: Dialect, answer: Answer, verdict: Verdict) -> None:
        counts = account.counts
        counts.in_flight += 1
        counts.streams_open += verdict.streamed
        try:
            await play_out(answer, verdict.play)
        except asyncio.CancelledError:
            counts.aborted += 1
            counts.streams += verdict.streamed
            raise
        else:
            _count(account, verdict)
        finally:
            counts.in_flight -= 1
            counts.streams_open -= verdict.streamed
            self._settle(account, dialect, verdict)

    def _settle(self, account: Account, dialect: Dialect, verdict: Verdict) -> None:
        # Providers bill what was generated, whether or not somebody was still listening.
        if verdict.said is not None:
            account.quota.charge(dialect.settled(verdict.said), self._clock())

    def decide(self, account: Account, dialect: Dialect, request: Request, number: int) -> Verdict:
        """What this request will be answered."""
        hit = account.hit_by()
        try:
            ask = dialect.read(request)
        except Invalid as invalid:
            return self._error(account, dialect, "invalid_request", number, message=str(invalid))
        return (
            (self._broken(account, dialect, hit, number) if hit else None)
            or self._unfit(account, dialect, ask, number)
            or self._refused(account, dialect, ask, number)
            or self._spoken(account, dialect, ask, hit, number)
        )

    def _broken(self, account: Account, dialect: Dialect, hit: Hit, number: int) -> Verdict | None:
        """The faults that end a request before a model sees it."""
        if "dead" in hit:
            return self._error(account, dialect, "auth", number)
        if "hang" in hit:
            return Verdict(Play(0, [], [], ending="stall", silent=True), "broken")
        if "throttle" in hit:
            status, headers, body = dialect.throttled(hit["throttle"].retry_after_s, number=number)
            return self._whole(account, dialect, number, status, body, extra=headers, outcome="throttled")
        if "spend_cap" in hit:
            return self._error(account, dialect, "quota", number, status=hit["spend_cap"].status)
        if "overloaded" in hit:
            return self._error(account, dialect, "overloaded", number)
        if "server_error" in hit:
            return self._error(account, dialect, "server", number, status=hit["server_error"].status)
        if "html" in hit:
            html = ("content-type", "text/html; charset=utf-8")
            return self._whole(account, dialect, number, 200, HTML_BODY, kind=html, outcome="failed")
        if "empty" in hit:
            return self._whole(account, dialect, number, 200, b"", outcome="failed")
        return None

    def _unfit(self, account: Account, dialect: Dialect, ask: Ask, number: int) -> Verdict | None:
        if self.temper.models is not None and ask.model not in self.temper.models:
            return self._error(account, dialect, "not_found", number)
        if self.temper.context_tokens is not None and ask.input_tokens > self.temper.context_tokens:
            return self._error(account, dialect, "context_length", number)
        return None

    def _refused(self, account: Account, dialect: Dialect, ask: Ask, number: int) -> Verdict | None:
        refusal = account.quota.admit(dialect.amounts(ask), self._clock())
        if refusal is None:
            return None
        status, headers, body = dialect.refused(ask, refusal, number=number)
        return self._whole(account, dialect, number, status, body, extra=headers, outcome="throttled")

    def _spoken(self, account: Account, dialect: Dialect, ask: Ask, hit: Hit, number: int) -> Verdict:
        said = self._say(account, ask, number, usage="no_usage" not in hit)
        sure = hit["unsure"].logprob if "unsure" in hit else self.temper.logprob
        if sure is not None:
            said = msgspec.structs.replace(said, logprobs=(sure,) * len(said.pieces))
        if ask.blocks:
            said = _cached(said, account.cache.take(ask.blocks, self._clock()))
        latency = account.key.latency or self.temper.latency
        scale = self.temper.time_scale * (hit["slow"].factor if "slow" in hit else 1.0)
        first_s = latency.draw_first_s(ask.input_tokens, account.random) * scale
        gap_s = latency.per_output_token_s * scale
        headers = self._headers(account, dialect, number, limits=True, lying=hit.get("lying_headers"))
        if ask.stream:
            return _streamed(dialect, ask, said, hit, headers, first_s, gap_s)
        return _whole_spoken(dialect, ask, said, hit, headers, first_s + gap_s * said.output_tokens)

    def _say(self, account: Account, ask: Ask, number: int, *, usage: bool) -> Said:
        created_s = int(self._wall())
        if ask.vectors:
            return Said(
                pieces=(),
                input_tokens=ask.input_tokens,
                output_tokens=0,
                number=number,
                created_s=created_s,
                usage=usage,
            )
        if ask.tool is not None:
            given = self.temper.arguments.get(ask.tool)
            arguments = msgspec.json.encode(
                example({"type": "object", **ask.tool_schema}) if given is None else given
            ).decode()
            return Said(
                pieces=(), tool=ask.tool, arguments=halves(arguments), finish="tool", input_tokens=ask.input_tokens,
                output_tokens=TOOL_CALL_TOKENS + len(arguments) // 4, number=number, created_s=created_s, usage=usage,
            )  # fmt: skip
        pieces = self._pieces(account, ask)
        cut = ask.max_tokens is not None and len(pieces) > ask.max_tokens
        pieces = pieces[: ask.max_tokens] if cut else pieces
        return Said(
            pieces=pieces, finish="length" if cut else "stop", input_tokens=ask.input_tokens,
            output_tokens=len(pieces), number=number, created_s=created_s, usage=usage,
        )  # fmt: skip

    def _pieces(self, account: Account, ask: Ask) -> tuple[str, ...]:
        if ask.answer_schema is not None:
            return pieces_of(msgspec.json.format(msgspec.json.encode(example(ask.answer_schema)), indent=1).decode())
        if self.temper.text is not None:
            return pieces_of(self.temper.text)
        return sentence(
            output_length(self.temper.output_tokens, self.temper.output_sigma, account.random), account.random
        )

    def _error(
        self, account: Account, dialect: Dialect, kind: ErrorKind, number: int,
        *, message: str | None = None, status: int | None = None,
    ) -> Verdict:  # fmt: skip
        usual, body = dialect.error(kind, message, number=number)
        outcome: Outcome = "throttled" if (status or usual) == 429 else "failed"
        return self._whole(account, dialect, number, status or usual, body, outcome=outcome)

    def _whole(
        self, account: Account, dialect: Dialect, number: int, status: int, body: bytes,
        *, outcome: Outcome, kind: tuple[str, str] = JSON, extra: HeaderList | None = None,
    ) -> Verdict:  # fmt: skip
        headers = [kind, *self._headers(account, dialect, number, limits=status == 429), *(extra or [])]
        return Verdict(Play(status, headers, [body], framing="length", length=len(body)), outcome)

    def _headers(
        self, account: Account, dialect: Dialect, number: int, *, limits: bool, lying: Fault | None = None
    ) -> HeaderList:
        now = self._wall()
        if int(now) != self._date[0]:
            self._date = (int(now), formatdate(int(now), usegmt=True))
        key = account.key
        headers = [
            ("date", self._date[1]),
            *dialect.common_headers(number),
            ("x-simulated", f"key={key.label};region={key.region};number={number}"),
        ]
        if limits:
            told = dialect.limit_headers(account.quota.standings(self._clock()), now)
            headers += [(name, _lie(name, value, lying)) for name, value in told] if lying else told
        return headers


def _cached(said: Said, cached: Cached) -> Said:
    """What was said, with what its prompt read and wrote; no more than there was, as both are counted roughly."""
    read = min(cached.read, said.input_tokens)
    written = min(cached.written, said.input_tokens - read)
    return msgspec.structs.replace(
        said,
        cached_tokens=read,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(cached.written_1h, written),
    )


def _lie(name: str, value: str, lying: Fault) -> str:
    if "remaining" in name:
        return lying.remaining
    if lying.limit is not None and "reset" not in name:
        return lying.limit
    return value


def _streamed(
    dialect: Dialect, ask: Ask, said: Said, hit: Hit, headers: HeaderList, first_s: float, gap_s: float
) -> Verdict:
    frames = dialect.frames(ask, said)
    ending: Ending = "end"
    outcome: Outcome = "ok"
    # The end in one piece: between a finish reason and the marker after it an answer is whole for one side alone.
    pieces = [*frames.prelude, *frames.content, b"".join(frames.end)]
    if "stall" in hit:
        pieces = frames.prelude + frames.content[: hit["stall"].after_events]
        ending, outcome = "stall", "broken"
    elif "cut" in hit:
        pieces = frames.prelude + frames.content[: hit["cut"].after_events]
        ending, outcome = _ending(hit["cut"]), "broken"
    elif "stream_error" in hit:
        error = dialect.stream_error(hit["stream_error"].cause)
        pieces = [*frames.prelude, *frames.content[: hit["stream_error"].after_events], error]
        outcome = "failed"
    all_headers = dialect.stream_headers(ask) + headers
    return Verdict(Play(200, all_headers, pieces, first_s, gap_s, ending), outcome, said, streamed=True)


def _whole_spoken(dialect: Dialect, ask: Ask, said: Said, hit: Hit, headers: HeaderList, first_s: float) -> Verdict:
    body = dialect.reply(ask, said)
    ending: Ending = "stall" if "stall" in hit else _ending(hit["cut"]) if "cut" in hit else "end"
    broken = "stall" in hit or "cut" in hit
    sent = body[: len(body) // 2] if broken else body
    promised = len(sent) if ending == "end" else len(body)
    play = Play(200, [JSON, *headers], [sent], first_s, ending=ending, framing="length", length=promised)
    return Verdict(play, "broken" if broken else "ok", said)


def _ending(cut: Fault) -> Ending:
    return "end" if cut.how == "clean" else cut.how


def _count(account: Account, verdict: Verdict) -> None:
    counts = account.counts
    counts.saw_status(verdict.play.status)
    counts.streams += verdict.streamed
    match verdict.outcome:
        case "ok":
            counts.ok += 1
        case "throttled":
            counts.throttled += 1
        case "failed":
            counts.failed += 1
        case "broken":
            counts.broken += 1
    if verdict.outcome == "ok" and verdict.said is not None:
        counts.input_tokens += verdict.said.input_tokens
        counts.output_tokens += verdict.said.output_tokens
