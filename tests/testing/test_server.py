"""The loopback server speaks HTTP/1.1 as clients use it, and breaks it when told to."""

from __future__ import annotations

import asyncio
import gc
import socket
from urllib.request import urlopen

import pytest
from pyreqwest.client import ClientBuilder

from junctor.testing.server import Answer, Request, Server
from tests.testing.raw import Got, fetch, on_manual_time, read_answer, request_bytes

TEXT = [("content-type", "text/plain")]


def echo(request: Request, answer: Answer) -> None:
    """Answers at once with what was asked."""
    answer.send(200, TEXT, f"{request.method} {request.path} {request.query} ".encode() + request.body)


async def slow_echo(request: Request, answer: Answer) -> None:
    """Answers in two chunks with pauses."""
    await asyncio.sleep(1)
    answer.begin(200, TEXT)
    answer.write(request.path.encode())
    await asyncio.sleep(1)
    answer.write_all([b"!", b"?"])
    await answer.flush()
    answer.end()


def test_a_connection_serves_many_requests_one_after_the_other() -> None:
    async def scenario() -> list[bytes]:
        async with Server(echo) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            bodies = []
            for number in range(3):
                writer.write(request_bytes(f"/{number}?a=b", body=b"x" * number))
                got = Got(headers={}, chunks=[])
                await read_answer(reader, got)
                bodies.append(got.body)
            writer.close()
            assert (server.requests, server.connections_made, len(server.arrivals)) == (3, 1, 3)
            return bodies

    assert on_manual_time(scenario()) == [b"POST /0 {'a': 'b'} ", b"POST /1 {'a': 'b'} x", b"POST /2 {'a': 'b'} xx"]


def test_pipelined_requests_are_answered_in_order_even_when_the_answers_take_time() -> None:
    async def scenario() -> list[bytes]:
        async with Server(slow_echo) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(b"".join(request_bytes(f"/{number}") for number in range(5)))
            bodies = []
            for _ in range(5):
                got = Got(headers={}, chunks=[])
                await read_answer(reader, got)
                bodies.append(got.body)
            writer.close()
            return bodies

    assert on_manual_time(scenario()) == [f"/{number}!?".encode() for number in range(5)]


def test_a_request_may_arrive_byte_by_byte() -> None:
    async def scenario() -> bytes:
        async with Server(echo) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            for byte in request_bytes("/slow", body=b"body"):
                writer.write(bytes([byte]))
                await asyncio.sleep(0.01)
            got = Got(headers={}, chunks=[])
            await read_answer(reader, got)
            writer.close()
            return got.body

    assert on_manual_time(scenario()) == b"POST /slow {} body"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\ncontent-length: -4\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nlong: " + b"x" * 70_000, 400),
    ],
)
def test_bytes_that_are_not_http_are_refused_with_a_status(sent: bytes, status: int) -> None:
    async def scenario() -> int:
        async with Server(echo) as server:
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(sent)
            got = Got(headers={}, chunks=[])
            await read_answer(reader, got)
            writer.close()
            return got.status

    assert on_manual_time(scenario()) == status


def test_an_application_may_stop_inside_a_chunked_body_or_reset_the_connection() -> None:
    def stops(request: Request, answer: Answer) -> None:
        answer.begin(200, TEXT)
        answer.write(b"half")
        if request.path == "/close":
            answer.close()
        else:
            answer.reset()

    async def scenario() -> tuple[Got, Got]:
        async with Server(stops) as server:
            return await fetch(server.url, "/close"), await fetch(server.url, "/reset")

    closed, reset = on_manual_time(scenario())
    assert (closed.body, closed.complete, closed.reset) == (b"half", False, False)
    assert (reset.complete, reset.reset) == (False, True)


def test_a_client_that_leaves_cancels_the_answer() -> None:
    ended: list[str] = []

    async def waits(request: Request, answer: Answer) -> None:  # noqa: ARG001 - an application's signature
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(request.path)

    async def scenario() -> None:
        async with Server(waits) as server:
            assert (await fetch(server.url, "/x", give_up_s=5)).silent
            await asyncio.sleep(1)
            assert ended == ["/x"]

    on_manual_time(scenario())


@pytest.mark.parametrize("fails", ["raises", "forgets"])
def test_an_error_of_the_application_breaks_the_connection_and_is_raised_when_the_server_stops(fails: str) -> None:
    async def wrong(request: Request, answer: Answer) -> None:  # noqa: ARG001 - an application's signature
        if fails == "raises":
            raise ZeroDivisionError("in the application")

    async def scenario() -> None:
        async with Server(wrong) as server:
            assert not (await fetch(server.url, "/")).complete

    with pytest.raises((ZeroDivisionError, RuntimeError)):
        on_manual_time(scenario())


def test_a_lost_server_refuses_or_resets_and_comes_back_on_the_same_port() -> None:
    async def scenario() -> None:
        async with Server(echo) as server:
            for _ in range(2):
                assert (await fetch(server.url, "/")).status == 200
                server.refuse()
                assert (await fetch(server.url, "/")).refused
                server.reset_all()
                await asyncio.sleep(0.1)
                assert (await fetch(server.url, "/")).reset
                server.accept()
                server.accept()
            assert (await fetch(server.url, "/")).status == 200

    on_manual_time(scenario())


def test_a_connection_that_was_accepted_last_is_closed_with_the_server() -> None:
    """The loop has taken it, and its task has not run once: a socket that nobody closes is told as a warning."""

    async def scenario() -> socket.socket:
        async with Server(echo) as server:
            client = socket.create_connection((server.host, server.port), timeout=10)
            await asyncio.sleep(0)  # the loop sees that somebody knocks
            await asyncio.sleep(0)  # and accepts
        return client

    with asyncio.run(scenario()) as client, pytest.raises(ConnectionResetError):
        client.recv(1)
    gc.collect()


def test_open_connections_break_when_the_server_is_lost() -> None:
    async def scenario() -> Got:
        async with Server(slow_echo) as server:
            asked = asyncio.ensure_future(fetch(server.url, "/"))
            await asyncio.sleep(0.5)
            server.refuse()
            return await asked

    assert on_manual_time(scenario()).reset


def test_a_server_in_a_thread_answers_a_blocking_client_and_can_be_lost_from_outside() -> None:
    with Server(echo).in_thread() as server:
        with urlopen(server.url + "/hello") as response:
            assert response.read() == b"GET /hello {} "
        server.refuse()
        with pytest.raises(OSError, match="refused"):
            urlopen(server.url)
        server.accept()
        with urlopen(server.url) as response:
            assert response.status == 200


def test_an_error_of_starting_a_thread_server_is_raised_in_the_caller() -> None:
    with (
        Server(echo).in_thread() as first,
        pytest.raises(OSError, match="in use"),
        Server(echo, port=first.port).in_thread(),
    ):
        raise AssertionError("entered")


def test_the_default_http_client_keeps_its_connection() -> None:
    async def scenario() -> None:
        async with Server(echo) as server, ClientBuilder().build() as client:
            for number in range(5):
                response = await client.post(f"{server.url}/{number}").body_bytes(b"abc").build().send()
                assert await response.text() == f"POST /{number} {{}} abc"
            assert server.connections_made == 1

    asyncio.run(scenario())
