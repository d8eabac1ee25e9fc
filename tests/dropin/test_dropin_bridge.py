"""The thread under sync clients: when it starts and ends, what forks and forgotten closes leave, who is told."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import httpx2
import openai
import pytest

import junctor
from junctor.request import HttpRequest
from junctor.testing.scripted import Outcome, ScriptedProvider, hang, ok, stream
from junctor.transport.base import Response
from tests.dropin.place import HELLO, LIBRARIES, Place, keys, scripted, until

ASK: dict[str, Any] = {"model": "g", "messages": HELLO}
URL = "https://anywhere.example/v1/chat/completions"


def bridges() -> list[threading.Thread]:
    """The threads of bridges."""
    return [thread for thread in threading.enumerate() if thread.name == "junctor-bridge"]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Whatever a test closes, or forgets, is gone after it."""
    yield
    if bridges():
        gc.collect()
    until(lambda: not bridges(), "the bridges end")


def test_the_thread_starts_with_the_first_sync_request_and_ends_with_the_client() -> None:
    """Not when it is made, and never for async callers; a transport that was closed begins anew."""
    place = scripted({"a": []}, otherwise=ok("hello"))

    async def scene() -> None:
        async with httpx2.AsyncClient(transport=place.transport) as http:
            assert (await http.post(URL, json=ASK)).status_code == 200

    asyncio.run(scene())
    assert bridges() == []
    for _ in range(2):
        with httpx2.Client(transport=place.transport) as http:
            assert http.post(URL, json=ASK).status_code == 200
            assert len(bridges()) == 1
        assert bridges() == []
    assert not place.provider.closed, "a client that was handed in stays its owner's"


def test_a_transport_that_is_forgotten_ends_its_thread() -> None:
    """It is collected like anything else, though not while an answer of it is read."""
    place = scripted({"a": []}, otherwise=stream("one", " two"))
    http = httpx2.Client(transport=place.transport)
    with http.stream("POST", URL, json={**ASK, "stream": True}) as answer:
        pieces = answer.iter_bytes()
        assert next(pieces)
        client, provider = place.client, place.provider
        del place, http
        gc.collect()
        assert len(bridges()) == 1
        assert b"[DONE]" in b"".join(pieces)
    del answer, pieces
    gc.collect()
    until(lambda: not bridges(), "the bridge ends")
    assert provider.open == 0
    assert all(not each["in_flight"] for each in client.router.snapshot()["deployments"].values())


def test_an_answer_that_is_lost_in_a_cycle_is_released_by_whichever_thread_collects_it() -> None:
    """The bridge's own thread among them, which must not wait for itself."""
    place = scripted({"a": []}, otherwise=stream("one", " two", stall_after=1))
    http = httpx2.Client(transport=place.transport)
    for collect in (gc.collect, lambda: place.transport._bridge.line()._loop.call_soon_threadsafe(gc.collect)):
        gc.disable()
        try:
            answer = http.send(http.build_request("POST", URL, json={**ASK, "stream": True}), stream=True)
            pieces = answer.iter_bytes()
            next(pieces)
            cycle: list[Any] = [answer, pieces]
            cycle.append(cycle)
            del answer, pieces, cycle
            assert place.in_flight == {"a": 1}
            collect()
            until(lambda: not place.in_flight, "the answer is released")
        finally:
            gc.enable()
        assert http.get("https://anywhere.example/v1/models").status_code == 200
    http.close()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_stream_that_is_left_early_is_cancelled_and_settled_when_the_block_is_left(library: Any, after: int) -> None:
    """B32: `with` returns when the permit is free, sync and async, after any number of pieces."""
    place = scripted({"a": []}, otherwise=stream("one", " two", " three", stall_after=3))
    with place.openai(library) as llm:
        with llm.chat.completions.create(**ASK, stream=True) as events:
            for _ in range(after):
                next(events)
            assert place.in_flight == {"a": 1}
        assert not place.in_flight

    async def scene() -> None:
        async with place.openai_async(library) as llm:
            async with await llm.chat.completions.create(**ASK, stream=True) as events:
                for _ in range(after):
                    await anext(aiter(events))
                assert place.in_flight == {"a": 1}
            assert not place.in_flight

    asyncio.run(scene())
    assert [sent.state for sent in place.provider.sent] == ["abandoned"] * 2
    assert place.client.router.snapshot()["deployments"]["a"]["in_flight"] == 0


@pytest.mark.parametrize("streamed", [False, True])
def test_a_task_that_is_cancelled_at_any_step_is_settled_once(streamed: bool) -> None:
    """Cancellation goes through as itself, wherever it strikes, and holds nothing back."""

    async def whole(llm: openai.AsyncOpenAI) -> None:
        if streamed:
            async with await llm.chat.completions.create(**ASK, stream=True) as events:
                async for _ in events:
                    pass
        else:
            await llm.chat.completions.create(**ASK)

    async def scene(place: Place, steps: int) -> bool:
        async with place.openai_async() as llm:
            running = asyncio.ensure_future(whole(llm))
            for _ in range(steps):
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.wait([running])
            return running.cancelled()

    cancelled = []
    for steps in range(40):
        place = scripted({"a": []}, otherwise=stream("one", " two", " three"))
        cancelled.append(asyncio.run(scene(place, steps)))
        assert not place.in_flight
        assert place.provider.open == 0
    assert cancelled[0] is True
    assert cancelled[-1] is False


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("outcome", [hang(), stream("one", stall_after=1)])
def test_closing_under_a_request_tells_who_waits_for_it(library: Any, outcome: Outcome) -> None:
    """Another thread closes: the library's `ReadError`, never a wait without end, never a clean end of a stream."""
    place = scripted({"a": []}, otherwise=outcome)
    http = library.Client(transport=place.transport)

    def ask() -> bytes:
        with http.stream("POST", URL, json={**ASK, "stream": True}, timeout=None) as answer:
            body: bytes = answer.read()
            return body

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask)
        until(lambda: place.in_flight, "the request is under way")
        place.transport.close()
        with pytest.raises(library.ReadError, match="the transport was closed"):
            asked.result()
    assert not place.in_flight
    assert place.provider.open == 0


def test_a_stream_that_waits_while_its_transport_closes_has_no_clean_end() -> None:
    """Nobody reads it at that moment; whoever goes on reading is told."""
    place = scripted({"a": []}, otherwise=stream("one", " two", " three"))
    http = httpx2.Client(transport=place.transport)
    with http.stream("POST", URL, json={**ASK, "stream": True}) as answer:
        pieces = answer.iter_bytes()
        assert next(pieces)
        place.transport.close()
        assert not place.in_flight
        with pytest.raises(httpx2.ReadError, match="the transport was closed"):
            b"".join(pieces)
    http.close()


def test_a_thread_that_is_interrupted_cancels_what_it_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while an answer is awaited: the interrupt comes out, and the provider is let go."""
    place = scripted({"a": []}, otherwise=hang())

    struck: list[bool] = []
    real = Future.result

    def result(self: Any, timeout: float | None = None) -> Any:
        if threading.current_thread() is not threading.main_thread() or struck:
            return real(self, timeout)
        until(lambda: place.in_flight, "the request is under way")
        struck.append(True)
        raise KeyboardInterrupt

    with httpx2.Client(transport=place.transport) as http:
        assert http.get("https://anywhere.example/v1/models").status_code == 200  # the thread has started
        monkeypatch.setattr(Future, "result", result)
        with pytest.raises(KeyboardInterrupt):
            http.post(URL, json=ASK, timeout=None)
        until(lambda: not place.in_flight, "the request is released")
    assert struck


FORK = """
import os, sys
import httpx2, junctor

client = junctor.Client.over_keys("openai/gpt-5.6", keys=["sk-a"], base_url=sys.argv[1])
transport = junctor.httpx_transport(client)
http = httpx2.Client(transport=transport, timeout=60)
url = "https://anywhere.example/v1/chat/completions"
body = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}

def ask(word):
    assert http.post(url, json=body).status_code == 200
    print(word, flush=True)

ask("parent")
stream = http.send(http.build_request("POST", url, json={**body, "stream": True}), stream=True)
pieces = stream.iter_bytes()
next(pieces)
child = os.fork()
if child == 0:
    ask("child")
    grandchild = os.fork()
    if grandchild == 0:
        ask("grandchild")
        sys.exit(0)
    _, status = os.waitpid(grandchild, 0)
    try:
        list(pieces)
    except httpx2.ReadError:
        print("told", flush=True)
    transport.close()
    sys.exit(os.waitstatus_to_exitcode(status))
_, status = os.waitpid(child, 0)
ask("parent")
assert b"[DONE]" in b"".join(pieces)
print("whole", flush=True)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_forked_child_has_a_bridge_of_its_own_and_leaves_its_parents_alone() -> None:
    """B69: child and grandchild are served; the parent's open stream goes on in the parent and nowhere else."""
    with keys(["sk-a"]) as place:
        command = [sys.executable, "-c", FORK, place.provider.base_url("openai")]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    told = ["parent", "child", "grandchild", "told", "parent", "whole"]
    assert (run.returncode, run.stdout.split(), run.stderr) == (0, told, "")


FORGOTTEN = """
import sys
import httpx2, junctor

client = junctor.Client.over_keys("openai/gpt-5.6", keys=["sk-a"], base_url=sys.argv[1])
http = httpx2.Client(transport=junctor.httpx_transport(client))
url = "https://anywhere.example/v1/chat/completions"
body = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
assert http.post(url, json=body).status_code == 200
stream = http.send(http.build_request("POST", url, json={**body, "stream": True}), stream=True)
pieces = stream.iter_bytes()
next(pieces)
print("done")
"""


def test_a_program_that_closes_nothing_ends_in_silence() -> None:
    """A thread, kept connections and a stream in the middle: the interpreter ends at once and warns of nothing."""
    with keys(["sk-a"]) as place:
        command = [sys.executable, "-W", "error", "-c", FORGOTTEN, place.provider.base_url("openai")]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        until(lambda: place.provider.counts().in_flight == 0, "the provider is let go")
    assert (run.returncode, run.stdout.split(), run.stderr) == (0, ["done"], "")


def test_what_surrounds_a_sync_call_surrounds_its_work_on_the_bridge() -> None:
    """Context variables, by which traces know the span that a call belongs to, go over with each request."""
    asked: ContextVar[str] = ContextVar("asked")
    seen = []

    class Looking(ScriptedProvider):
        async def send(self, request: HttpRequest, *, timeout_s: float) -> Response:
            seen.append(asked.get())
            return await super().send(request, timeout_s=timeout_s)

    place = scripted({"a": []})
    place.client._transport = Looking({"a": []}, otherwise=ok("hello"))
    with httpx2.Client(transport=place.transport) as http:
        for word in ("one", "two"):
            asked.set(word)
            assert http.post(URL, json=ASK).status_code == 200
    assert seen == ["one", "two"]


def test_a_sync_client_works_inside_an_event_loop_too() -> None:
    """As in a notebook: it blocks its caller, as sync clients do, and nothing else."""
    place = scripted({"a": []}, otherwise=ok("hello"))

    async def scene() -> None:
        with place.openai() as llm:
            assert llm.chat.completions.create(**ASK).choices[0].message.content == "hello"
        await place.transport.aclose()

    asyncio.run(scene())
    assert isinstance(place.transport.client, junctor.Client)
