"""The client against broken providers that we did not write: `llmock`, a real server with faults and a verdict.

Our own simulated providers fail as we imagine it. These answer each dialect's errors, quotas and streams as another
project read them, and judge how a client behaved from what reached them. Five dialects are driven; its Cohere and AI21
are none of ours, and its Groq, Together, Perplexity and xAI are OpenAI's dialect once more.

Its verdict holds for what may be tried again. A stream that breaks after its first content must not be: what was read
cannot be taken back, so there the caller's `StreamInterrupted` is the proof, and the verdict's wish for a second
attempt is not followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import pytest
from llmock.chaos import StreamChaos
from llmock.pytest_plugin import LLMock
from llmock.testing import LLMockServer

from junctor import config
from junctor import exceptions as exc
from junctor.client import Client
from junctor.exceptions import JunctorError, NoCapacity, StreamInterrupted
from junctor.failures import KINDS, Kind
from junctor.receipts import Receipt
from junctor.reply import Done, Reply
from junctor.request import Message
from junctor.router import Router
from tests.client.stage import MESSAGES, outcomes, read

T = TypeVar("T")

PATHS = {
    "openai": "/v1",
    "openai-responses": "/v1",
    "anthropic": "/anthropic/v1",
    "gemini": "/gemini/v1beta",
    "mistral": "/mistral/v1",
}
every_dialect = pytest.mark.parametrize("dialect", PATHS)

TEXT = "one two three four five six seven eight"
EARLY, LATE = 0, 6
"""Chunks before the fault: none, so no content; and as many as give every dialect some of the text and not all."""


def opened(
    llmock: LLMock, dialects: Sequence[str], *, keys: int = 2, alike: bool = False, limits: dict[str, Any] | None = None
) -> Client:
    """A client over deployments `DIALECT.1`, … of each dialect, all in the group `g`.

    llmock's judge does not see keys: `alike`, for one model, it takes the attempts at several keys for one call's. Else
    each key has a model of its own, and is judged by itself: was it left alone as long as it said?
    """
    names = [f"{dialect}.{number}" for dialect in dialects for number in range(1, keys + 1)]
    deployments: dict[str, dict[str, Any]] = {}
    for name in names:
        dialect, _, number = name.rpartition(".")
        deployments[name] = {
            "model": f"{dialect}/m" if alike else f"{dialect}/m{number}",
            "key": f"env:{_variable(name)}",
            "capabilities": ["streaming"],
            "idle_timeout_s": 0.2,
            **(limits or {}),
        }
    fleet = config.from_mapping(
        {
            "version": 1,
            "state": "process",
            "providers": {name: {"adapter": name, "base_url": llmock.url + PATHS[name]} for name in dialects},
            "deployments": deployments,
            "groups": {"g": {"members": names}},
        }
    )
    compiled = config.compile(fleet, environ={_variable(name): f"sk-{name}" for name in names})
    return Client(Router(compiled.fleet, compiled.endpoints, seed=1), seed=1)


def _variable(name: str) -> str:
    return name.translate(str.maketrans("-.", "__"))


def run(client: Client, scenario: Coroutine[Any, Any, T]) -> T:
    """Run it, close the client's connections, and see that every permit came back."""

    async def whole() -> T:
        async with client:
            return await scenario

    try:
        return asyncio.run(whole())
    finally:
        states = client.router.snapshot()["deployments"]
        assert {name: state["in_flight"] for name, state in states.items() if state["in_flight"]} == {}


STATUSES: dict[int, dict[str, Kind]] = {
    400: {"": "invalid_request"},
    401: {"": "auth"},
    404: {"": "not_found"},
    408: {"": "timeout"},
    429: {"": "rate_limit"},
    500: {"": "server"},
    503: {"": "server", "anthropic": "overloaded", "gemini": "overloaded"},
    529: {"": "server", "anthropic": "overloaded", "gemini": "overloaded"},
}
"""What each error means, by the words of the dialect's own body where those say more than the status."""


@every_dialect
@pytest.mark.parametrize("status", STATUSES)
def test_an_error_has_its_kind_and_another_key_answers_if_it_can(llmock: LLMock, dialect: str, status: int) -> None:
    """B1, B2, B41: what another key may answer, it does; what every key would refuse is told after one request."""
    kind = STATUSES[status].get(dialect, STATUSES[status][""])
    llmock.fail(status)
    client = opened(llmock, [dialect])
    if KINDS[kind].next == "stop":
        with pytest.raises(KINDS[kind].error) as caught:
            run(client, client.chat("g", MESSAGES))
        assert [ending for _, ending in outcomes(caught.value.receipt)] == [kind]
    else:
        reply = run(client, client.chat("g", MESSAGES))
        assert reply.text
        (failed, first), (answered, second) = outcomes(reply.receipt)
        assert (first, second) == (kind, "ok")
        assert failed != answered
    llmock.assert_resilient()


@every_dialect
def test_an_outage_ends_after_three_attempts_with_its_own_error(llmock: LLMock, dialect: str) -> None:
    """B8: nobody hammers a provider that is down, and its caller learns what it said."""
    llmock.outage()
    client = opened(llmock, [dialect], keys=4)
    with pytest.raises((exc.ServerError, exc.Overloaded)):
        run(client, client.chat("g", MESSAGES))
    assert len(llmock.requests) == 3
    llmock.assert_resilient()


def test_an_outage_of_one_provider_is_another_ones_traffic(llmock: LLMock) -> None:
    """B1: with one of five dialects down for good every call is answered, chats and streams alike."""
    llmock.outage(provider="anthropic")
    client = opened(llmock, list(PATHS))

    async def scenario() -> None:
        for number in range(20):
            if number % 2:
                assert (await client.chat("g", MESSAGES)).text
            else:
                assert (await read(client)).reply.text

    run(client, scenario())
    llmock.assert_resilient()


@every_dialect
def test_a_lone_key_is_asked_again_when_it_said_so_and_not_before(llmock: LLMock, dialect: str) -> None:
    """The judge of the other side finds that `Retry-After` was waited for."""
    llmock.rate_limit(retry_after=0.2)
    client = opened(llmock, [dialect], keys=1)
    reply = run(client, client.chat("g", MESSAGES))
    assert [ending for _, ending in outcomes(reply.receipt)] == ["rate_limit", "ok"]
    llmock.assert_resilient(strict=True)


BROKEN: dict[str, set[Kind]] = {  # a 200 that ends without any event is no stream, so malformed
    "disconnect": {"connection", "truncated"},
    "truncate": {"truncated", "malformed"},
    "malformed": {"malformed"},
    "stall": {"timeout"},
}


def break_stream(llmock: LLMock, fault: str, after_chunks: int) -> None:
    llmock.reply(TEXT, times=None)
    if after_chunks:
        llmock.pace(chunk_delay_ms=3)  # so that text comes before the fault and not with it
    if fault == "stall":
        llmock.stall(after_chunks=after_chunks, seconds=30)
    else:
        {"disconnect": llmock.disconnect, "truncate": llmock.truncate, "malformed": llmock.corrupt}[fault](
            after_chunks=after_chunks
        )


@every_dialect
@pytest.mark.parametrize("fault", [fault for fault in BROKEN if fault != "stall"])
def test_a_stream_that_breaks_before_content_is_one_clean_stream(llmock: LLMock, dialect: str, fault: str) -> None:
    """B42: another key serves the whole text, once, and the other side's judge has nothing to say."""
    break_stream(llmock, fault, EARLY)
    client = opened(llmock, [dialect], alike=True)
    streamed = run(client, read(client))
    assert streamed.error is None
    assert streamed.text == streamed.reply.text == TEXT
    first, second = (ending for _, ending in outcomes(streamed.reply.receipt))
    assert first in BROKEN[fault]
    assert second == "ok"
    llmock.assert_resilient(strict=fault != "malformed")  # whether it saw us leave before its last byte is chance


@every_dialect
@pytest.mark.parametrize("fault", BROKEN)
def test_a_stream_that_breaks_after_content_never_ends_clean(llmock: LLMock, dialect: str, fault: str) -> None:
    """B43, B44, C18: what came is told with the interruption, there is no `Done`, and nobody is asked a second time."""
    break_stream(llmock, fault, LATE)
    client = opened(llmock, [dialect])
    streamed = run(client, read(client))
    if streamed.error is None:  # text and fault came in one piece, so nothing had been handed over yet
        assert fault != "stall"
        assert streamed.text == TEXT
        first, second = (ending for _, ending in outcomes(streamed.reply.receipt))
        assert first in BROKEN[fault]
        assert second == "ok"
        return
    assert isinstance(streamed.error, StreamInterrupted)
    assert streamed.error.partial == streamed.text
    assert TEXT.startswith(streamed.text)
    assert 0 < len(streamed.text) < len(TEXT)
    assert not any(isinstance(event, Done) for event in streamed.events)
    ((_, ending),) = outcomes(streamed.error.receipt)
    assert ending in BROKEN[fault]
    assert [record.completed for record in llmock.requests if record.stall_waited is not None] in ([], [False])


@every_dialect
def test_a_prompt_beyond_the_window_is_the_callers_and_goes_nowhere_else(llmock: LLMock, dialect: str) -> None:
    """One request, the caller's own error, and no deployment's health suffers."""
    llmock.limits(context_window=100)
    client = opened(llmock, [dialect])
    long = [{"role": "user", "content": "word " * 500}]
    with pytest.raises(exc.ContextLengthExceeded):
        run(client, client.chat("g", long))
    assert [record.status for record in llmock.requests] == [400]
    assert {state["breaker"] for state in client.router.snapshot()["deployments"].values()} == {"closed"}


@every_dialect
def test_a_limit_that_is_told_is_never_met(llmock: LLMock, dialect: str) -> None:
    """C1: of forty at once as many are sent as the provider's own bucket admits, and it never has to refuse."""
    llmock.limits(rpm=10, tpm=100_000)
    client = opened(llmock, [dialect], keys=1, limits={"rpm": 10, "tpm": 100_000, "burst_s": 60})

    async def scenario() -> list[Any]:
        calls = (client.chat("g", MESSAGES, max_tokens=20, max_wait_s=0) for _ in range(40))
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = run(client, scenario())
    refused = [answer for answer in answers if isinstance(answer, NoCapacity)]
    assert (len(answers) - len(refused), len(refused)) == (10, 30)
    assert [record.status for record in llmock.requests] == [200] * 10


@every_dialect
@pytest.mark.parametrize("limit", [{"rpm": 2}, {"tpm": 150}])
def test_a_limit_that_nobody_told_is_learned_from_one_refusal(
    llmock: LLMock, dialect: str, limit: dict[str, int]
) -> None:
    """B2: after the provider's 429 the key is left alone for as long as it said, and callers are told until when."""
    llmock.limits(**limit)
    client = opened(llmock, [dialect], keys=1)

    async def scenario() -> list[JunctorError]:
        errors = []
        for _ in range(6):
            try:
                await client.chat("g", MESSAGES, max_tokens=50, max_wait_s=0, deadline_s=1)
            except JunctorError as error:
                errors.append(error)
        return errors

    first, *later = run(client, scenario())
    assert isinstance(first, exc.RateLimited)
    assert [0 < error.retry_after_s <= 60 for error in later if isinstance(error, NoCapacity)] == [True] * 3
    assert [record.status for record in llmock.requests] == [200, 200, 429]
    llmock.assert_resilient()


def test_a_hundred_calls_through_random_faults_all_have_an_honest_end(
    llmock: LLMock, llmock_server: LLMockServer
) -> None:
    """B6, B44: errors and broken streams in every dialect at once. What reached the providers is what receipts tell."""
    llmock.reply(TEXT, times=None)
    state = llmock_server.state
    state.chaos.error_rates = {429: 0.05, 500: 0.1, 503: 0.1}
    state.stream_chaos = StreamChaos(fault_rates=tuple((fault, 0.1) for fault in BROKEN if fault != "stall"))
    client = opened(llmock, list(PATHS), keys=2)
    ends: list[tuple[Receipt | None, JunctorError | None]] = []

    async def one(number: int) -> None:
        messages = [{"role": "user", "content": f"call {number}"}]  # each its own, so that the judge tells them apart
        try:
            reply = await client.chat("g", messages) if number % 2 else await streamed(messages)
        except JunctorError as error:
            ends.append((error.receipt, error))
        else:
            assert reply.text == TEXT
            ends.append((reply.receipt, None))

    async def streamed(messages: Sequence[Message]) -> Reply:
        read_so_far = await read(client, "g", messages)
        if read_so_far.error is not None:
            raise read_so_far.error
        assert read_so_far.text == read_so_far.reply.text
        return read_so_far.reply

    async def scenario() -> None:
        for begin in range(0, 100, 20):
            await asyncio.gather(*(one(number) for number in range(begin, begin + 20)))

    run(client, scenario())
    assert len(ends) == 100
    assert sum(error is None for _, error in ends) > 50
    for _, error in ends:
        assert not isinstance(error, StreamInterrupted) or TEXT.startswith(error.partial)
    assert sum(len(outcomes(receipt)) for receipt, _ in ends) == len(llmock.requests)
    assert not [finding for finding in llmock.verdict().errors if finding.code != "truncated_stream_accepted"]
