"""Every transport on loopback: one table of promises for all of them."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from junctor.client import Client
from junctor.request import HttpRequest
from junctor.testing.app import Answer, Request
from junctor.testing.server import Server
from junctor.transport import PROXY_VARIABLES, default_transport
from junctor.transport.base import Transport, TransportError
from junctor.transport.direct import DirectTransport
from junctor.transport.httpx import HttpxTransport
from junctor.transport.pyreqwest import PyreqwestTransport
from tests.client.stage import MESSAGES, turns

SECRET = "sk-canary-7"
TRANSPORTS: list[Callable[[], Transport]] = [DirectTransport, HttpxTransport, PyreqwestTransport]
every_transport = pytest.mark.parametrize("make", TRANSPORTS, ids=lambda make: make.__name__)


def app(request: Request, answer: Answer) -> Coroutine[Any, Any, None] | None:
    """Paths of a small server that does what they say."""
    path = request.path
    if path == "/echo":
        headers = [
            ("content-type", "text/plain"),
            ("X-Mixed-Case", "yes"),
            ("x-got", request.headers.get("x-sent", "")),
        ]
        answer.send(200, headers, request.body)
    elif path == "/limited":
        answer.send(429, [("retry-after", "7")], b'{"error": "slow down"}')
    elif path == "/twice":
        twice = [("X-RateLimit-Remaining-Requests", "4"), ("x-ratelimit-remaining-requests", "5000")]
        answer.send(200, [("content-type", "text/plain"), *twice], b"x")
    elif path == "/redirect":
        answer.send(307, [("location", "/echo")], b"elsewhere")
    elif path == "/close":
        answer.send(200, [("connection", "close")], b"bye")
    else:
        return _streamed(path, answer)
    return None


async def _streamed(path: str, answer: Answer) -> None:
    if path == "/hang":
        await asyncio.Event().wait()
    answer.begin(200, [("content-type", "text/event-stream")])
    for number in range(3):
        answer.write(b"data: %d\n\n" % number)
        await answer.flush()
        if path == "/stall":
            await asyncio.Event().wait()
    while path == "/endless":
        answer.write(b"x" * 4_096)
        await answer.flush()
    if path == "/cut":
        answer.close()
    elif path == "/reset":
        answer.reset()
    else:
        answer.end()


def post(url: str, body: bytes = b"hello", headers: Mapping[str, str] | None = None) -> HttpRequest:
    return HttpRequest("POST", url, headers or {}, body)


def on_loopback(
    make: Callable[[], Transport], scenario: Callable[[Transport, Server], Coroutine[Any, Any, None]]
) -> None:
    """Run a scenario with a transport and the server above."""

    async def run() -> None:
        async with Server(app) as server:
            transport = make()
            try:
                async with asyncio.timeout(20):
                    await scenario(transport, server)
            finally:
                await transport.close()
                await transport.close()

    asyncio.run(run())


@every_transport
def test_a_whole_answer_arrives_with_lower_case_headers(make: Callable[[], Transport]) -> None:
    """Status, headers and every byte of the body; any status is an answer."""

    async def scenario(transport: Transport, server: Server) -> None:
        body = bytes(range(256)) * 400
        answer = await transport.send(post(f"{server.url}/echo", body, {"x-sent": "thing"}), timeout_s=5)
        assert (answer.status, answer.body) == (200, body)
        assert (answer.headers["x-mixed-case"], answer.headers["x-got"]) == ("yes", "thing")
        assert answer.headers.get("absent") is None
        limited = await transport.send(post(f"{server.url}/limited"), timeout_s=5)
        assert (limited.status, limited.headers["retry-after"]) == (429, "7")

    on_loopback(make, scenario)


# pyreqwest reads to the end before it hands anything over, which its header says.
@pytest.mark.parametrize("make", [DirectTransport, HttpxTransport])
def test_an_endless_answer_is_cut_at_a_bound(make: Callable[[], Transport], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's answer may fill the memory of who asked."""
    for module in ("connection", "httpx"):
        monkeypatch.setattr(f"junctor.transport.{module}.MAX_BODY_BYTES", 100_000)

    async def scenario(transport: Transport, server: Server) -> None:
        with pytest.raises(TransportError, match="longer than") as caught:
            await transport.send(post(f"{server.url}/endless"), timeout_s=15)
        assert caught.value.kind == "connection"
        await _until(lambda: not server.connections)

    on_loopback(make, scenario)


@every_transport
def test_a_header_that_was_sent_twice_is_neither_of_the_two(make: Callable[[], Transport]) -> None:
    """B35: whoever reads it sees both values, so that a number is no number and nobody believes the larger one."""

    async def scenario(transport: Transport, server: Server) -> None:
        whole = await transport.send(post(f"{server.url}/twice"), timeout_s=5)
        async with transport.stream(post(f"{server.url}/twice"), timeout_s=5) as streamed:
            await streamed.read()
        for headers in (whole.headers, streamed.headers):
            assert headers["x-ratelimit-remaining-requests"] == "4, 5000"
            assert headers["content-type"] == "text/plain"

    on_loopback(make, scenario)


@every_transport
def test_a_redirect_is_not_followed(make: Callable[[], Transport]) -> None:
    """Following it would hand the key to whoever the server names."""

    async def scenario(transport: Transport, server: Server) -> None:
        answer = await transport.send(post(f"{server.url}/redirect"), timeout_s=5)
        assert (answer.status, answer.body) == (307, b"elsewhere")

    on_loopback(make, scenario)


@every_transport
def test_connections_are_kept_and_used_again(make: Callable[[], Transport]) -> None:
    """Fifty requests one after the other need one connection."""

    async def scenario(transport: Transport, server: Server) -> None:
        for _ in range(50):
            await transport.send(post(f"{server.url}/echo"), timeout_s=5)
        assert server.connections_made == 1
        async with transport.stream(post(f"{server.url}/stream"), timeout_s=5) as answer:
            await answer.read()
        await transport.send(post(f"{server.url}/echo"), timeout_s=5)
        assert server.connections_made == 1

    on_loopback(make, scenario)


@every_transport
def test_a_closing_server_costs_a_new_connection_and_no_error(make: Callable[[], Transport]) -> None:
    """`connection: close` is obeyed."""

    async def scenario(transport: Transport, server: Server) -> None:
        for _ in range(3):
            assert (await transport.send(post(f"{server.url}/close"), timeout_s=5)).body == b"bye"

    on_loopback(make, scenario)


@every_transport
def test_many_requests_at_once_do_not_mix(make: Callable[[], Transport]) -> None:
    """Each caller gets the answer to its own request."""

    async def scenario(transport: Transport, server: Server) -> None:
        async def one(number: int) -> None:
            body = b"%d" % number
            assert (await transport.send(post(f"{server.url}/echo", body), timeout_s=10)).body == body

        await asyncio.gather(*(one(number) for number in range(200)))

    on_loopback(make, scenario)


@every_transport
def test_a_stream_hands_over_what_came_before_more_comes(make: Callable[[], Transport]) -> None:
    """The first event is read while the server still holds the rest back."""

    async def scenario(transport: Transport, server: Server) -> None:
        async with transport.stream(post(f"{server.url}/stall"), timeout_s=5) as answer:
            assert answer.status == 200
            assert answer.headers["content-type"] == "text/event-stream"
            assert await answer.read_chunk() == b"data: 0\n\n"
        async with transport.stream(post(f"{server.url}/stream"), timeout_s=5) as answer:
            assert await answer.read() == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
            assert await answer.read_chunk() is None

    on_loopback(make, scenario)


@every_transport
@pytest.mark.parametrize("path", ["/cut", "/reset"])
def test_a_cut_body_is_never_a_clean_end(make: Callable[[], Transport], path: str) -> None:
    """B44 at the level of bytes: a broken frame is an error, whole or streamed."""

    async def scenario(transport: Transport, server: Server) -> None:
        async with transport.stream(post(f"{server.url}{path}"), timeout_s=5) as answer:
            with pytest.raises(TransportError) as caught:
                await answer.read()
        assert caught.value.kind == "connection"
        with pytest.raises(TransportError):
            await transport.send(post(f"{server.url}{path}"), timeout_s=5)

    on_loopback(make, scenario)


@every_transport
def test_silence_becomes_a_timeout(make: Callable[[], Transport]) -> None:
    """Whole and streamed, at the time that was given."""

    async def scenario(transport: Transport, server: Server) -> None:
        for attempt in (_send, _open):
            with pytest.raises(TransportError) as caught:
                await attempt(transport, post(f"{server.url}/hang"), 0.05)
            assert caught.value.kind == "timeout"

    on_loopback(make, scenario)


@every_transport
def test_no_time_is_a_timeout_and_not_forever(make: Callable[[], Transport]) -> None:
    """A deadline that has passed while the request was built."""

    async def scenario(transport: Transport, server: Server) -> None:
        with pytest.raises(TransportError) as caught:
            await transport.send(post(f"{server.url}/hang"), timeout_s=0.0)
        assert caught.value.kind == "timeout"

    on_loopback(make, scenario)


@every_transport
def test_a_refused_connection_tells_no_query_and_no_header(make: Callable[[], Transport]) -> None:
    """Secrets are in queries (Gemini) and headers; errors carry neither."""

    async def scenario(transport: Transport, _: Server) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}/x?key={SECRET}"
            for attempt in (_send, _open):
                with pytest.raises(TransportError) as caught:
                    await attempt(transport, post(url, headers={"authorization": f"Bearer {SECRET}"}), 5)
                assert caught.value.kind == "connection"
                assert SECRET not in repr(caught.value)
                assert caught.value.__suppress_context__

    on_loopback(make, scenario)


@every_transport
@pytest.mark.parametrize("url", ["not a url", f"ftp://h/{SECRET}", f"http://h:port/{SECRET}", "http://"])
def test_a_malformed_url_is_a_transport_error(make: Callable[[], Transport], url: str) -> None:
    """Nothing else escapes, and the URL is not repeated."""

    async def scenario(transport: Transport, _: Server) -> None:
        with pytest.raises(TransportError) as caught:
            await transport.send(post(url), timeout_s=5)
        assert SECRET not in str(caught.value)

    on_loopback(make, scenario)


@pytest.mark.parametrize("make", [DirectTransport, PyreqwestTransport])
def test_a_header_cannot_smuggle_another(make: Callable[[], Transport]) -> None:
    """A line break in a value is refused before anything is sent."""

    async def scenario(transport: Transport, server: Server) -> None:
        with pytest.raises(TransportError):
            await transport.send(post(f"{server.url}/echo", headers={"x-sent": "a\r\nx-evil: b"}), timeout_s=5)
        assert server.requests == 0

    on_loopback(make, scenario)


# pyreqwest only stops waiting for a cancelled request: its runtime goes on with it, which its header says.
@pytest.mark.parametrize("make", [DirectTransport, HttpxTransport])
def test_cancellation_closes_the_connection(make: Callable[[], Transport]) -> None:
    """A provider stops generating, and billing, when it sees the connection go."""

    async def scenario(transport: Transport, server: Server) -> None:
        for path, attempt in (("/hang", _send), ("/hang", _open), ("/stall", _open)):
            await _cancel_on_arrival(server, attempt(transport, post(server.url + path), 10))
        await _until(lambda: not server.connections)

    on_loopback(make, scenario)


@every_transport
def test_leaving_a_stream_early_closes_its_connection(make: Callable[[], Transport]) -> None:
    """B32 at the level of bytes."""

    async def scenario(transport: Transport, server: Server) -> None:
        async with transport.stream(post(f"{server.url}/stall"), timeout_s=5) as answer:
            await answer.read_chunk()
        await _until(lambda: not server.connections)

    on_loopback(make, scenario)


# A loop that is closed over open connections leaks them, and the interpreter rightly says so.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@every_transport
def test_another_event_loop_works(make: Callable[[], Transport]) -> None:
    """B69: the same transport in three loops, one after the other, without being closed in between."""
    transport = make()

    async def once(url: str) -> None:
        async with asyncio.timeout(30):
            assert (await transport.send(post(f"{url}/echo"), timeout_s=30)).body == b"hello"

    with Server(app).in_thread() as server:
        for _ in range(3):
            asyncio.run(once(server.url))
        asyncio.run(_closing(transport))
        gc.collect()


def test_a_kept_connection_that_the_server_closed_is_replaced_unseen() -> None:
    """The usual race of keep-alive: nothing was done at the server, so asking again repeats nothing."""

    async def scenario() -> None:
        transport = DirectTransport()
        asked = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(5)
            asked += 1
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")  # the second request is read and left without an answer
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            for _ in range(2):
                assert (await transport.send(post(url), timeout_s=5)).body == b"ok"
            assert asked == 2
            await transport.close()
            await turns(20)

    asyncio.run(scenario())


def test_a_kept_connection_that_ends_late_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After more than a round trip the server may have been at work on the request: then it is a failure like any."""
    monkeypatch.setattr("junctor.transport.direct.STALE_S", -1.0)  # every end is a late one
    asked = 0

    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            for answer in (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", b""):
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(5)
                asked += 1
                writer.write(answer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            transport = DirectTransport()
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            await transport.send(post(url), timeout_s=5)
            with pytest.raises(TransportError, match="without an answer"):
                await transport.send(post(url), timeout_s=5)

    asyncio.run(scenario())
    assert asked == 2


def test_a_connection_that_was_busy_while_its_transport_closed_is_not_kept() -> None:
    """Its exchange comes to its end, and then nobody would ever close it."""

    async def scenario() -> None:
        transport = DirectTransport()
        closed = asyncio.Event()
        asked = asyncio.Event()

        async def serve(request: Request, answer: Answer) -> None:
            asked.set()
            await closed.wait()
            answer.send(200, [], request.body)

        async with Server(serve) as server:
            for attempt in (_send, _open):
                asked.clear()
                closed.clear()
                task = asyncio.ensure_future(attempt(transport, post(server.url), 10))
                await asked.wait()
                await transport.close()
                closed.set()
                await task
                await _until(lambda: not server.connections)

    asyncio.run(scenario())


def test_what_this_machine_lacks_is_no_failure_of_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor is left: an `OSError` as it is, and no deployment is blamed."""

    async def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    async def scenario() -> None:
        client = Client.over_keys("openai/gpt-4.1", keys=["k"], base_url="http://127.0.0.1:1")
        for call in (client.chat("gpt-4.1", MESSAGES), anext(aiter(client.stream("gpt-4.1", MESSAGES)))):
            with pytest.raises(OSError, match="too many open files"):
                await call
        for state in client.router.snapshot()["deployments"].values():
            assert (state["failed"], state["in_flight"], state["breaker"]) == (0, 0, "closed")

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", refuse)
    asyncio.run(scenario())


@pytest.mark.parametrize("make", [DirectTransport, HttpxTransport])
def test_no_report_of_local_variables_tells_a_secret(make: Callable[[], Transport]) -> None:
    """Error trackers send the locals of every frame; a cancelled call has them all, down to the socket."""

    async def scenario(transport: Transport, server: Server) -> None:
        request = post(f"{server.url}/hang", headers={"authorization": f"Bearer {SECRET}", "x-api-key": SECRET})
        for attempt in (_send, _open):
            task = asyncio.ensure_future(attempt(transport, request, 10))
            await _until(lambda: bool(server.connections))
            await turns(50)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            lines = "".join(told.format())
            assert "_send" in lines or "_open" in lines
            assert SECRET not in lines
            await _until(lambda: not server.connections)

    on_loopback(make, scenario)


@pytest.mark.parametrize("reset", [False, True])
def test_a_server_that_never_answers_a_fresh_connection_is_an_error(reset: bool) -> None:
    """Asking again is for kept connections only, and only once: here every connection dies at the request."""

    async def scenario() -> None:
        asked = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            await reader.readuntil(b"\r\n\r\n")
            asked += 1
            if reset:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            transport = DirectTransport()
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            with pytest.raises(TransportError, match="without an answer"):
                await transport.send(post(url), timeout_s=5)
            assert asked == 1

    asyncio.run(scenario())


def test_certificates_are_verified(tmp_path: Path) -> None:
    """An unknown authority is refused with a hint; a trusted one serves whole answers and streams."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl program is not installed, so there is no certificate to test with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "2"]
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *subject], check=True, capture_output=True
    )
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(5)
                writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served)
        async with server:
            url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
            with pytest.raises(TransportError, match="SSL_CERT_FILE") as caught:
                await DirectTransport().send(post(url), timeout_s=5)
            assert caught.value.kind == "connection"
            trusting = DirectTransport(tls=ssl.create_default_context(cafile=str(certificate)))
            for _ in range(2):
                assert (await trusting.send(post(url), timeout_s=5)).body == b"ok"
            async with trusting.stream(post(url), timeout_s=5) as streamed:
                assert await streamed.read() == b"ok"
            await trusting.close()
            await turns(20)

    asyncio.run(scenario())


def test_a_proxy_in_the_environment_chooses_the_transport_that_knows_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Going around a proxy that somebody prescribed would be worse than going slower."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert isinstance(default_transport(), DirectTransport)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert isinstance(default_transport(), PyreqwestTransport)


def test_a_slow_reader_stops_the_sender() -> None:
    """A stream that nobody reads does not fill the memory."""

    async def scenario() -> None:
        sent = 0

        def flood(_: Request, answer: Answer) -> Coroutine[Any, Any, None]:
            async def run() -> None:
                nonlocal sent
                answer.begin(200, [])
                for _ in range(400):
                    answer.write(b"x" * 65_536)
                    await answer.flush()
                    sent += 65_536
                answer.end()

            return run()

        async with Server(flood) as server:
            transport = DirectTransport()
            async with transport.stream(post(server.url), timeout_s=5) as answer:
                for _ in range(2_000):
                    await asyncio.sleep(0)
                assert sent < 400 * 65_536
                assert len(await answer.read()) == 400 * 65_536
            await transport.close()

    asyncio.run(scenario())


FORK = """
import asyncio, os, sys
from junctor.request import HttpRequest
from junctor.transport.base import TransportError
from junctor.transport.{module} import {name}

transport = {name}()

async def ask():
    async with asyncio.timeout(30):
        answer = await transport.send(HttpRequest("POST", sys.argv[1] + "/echo", {{}}, b"hello"), timeout_s=30)
    assert answer.body == b"hello"

asyncio.run(ask())
for depth in range(2):
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status))
    try:
        asyncio.run(ask())
        print("served", flush=True)
    except TransportError as error:
        print("refused" if "fork" in str(error) else repr(error), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.parametrize(
    ("module", "name", "told"),
    [
        ("direct", "DirectTransport", ["served", "served"]),
        ("httpx", "HttpxTransport", ["served", "served"]),
        ("pyreqwest", "PyreqwestTransport", ["served", "refused"]),
    ],
)
def test_a_forked_child_is_served_or_told(module: str, name: str, told: list[str]) -> None:
    """C22: a child of a process that has already sent requests, and a grandchild: never a hang."""
    with Server(app).in_thread() as server:
        script = FORK.format(module=module, name=name)
        run = subprocess.run(
            [sys.executable, "-c", script, server.url], capture_output=True, text=True, timeout=120, check=False
        )
    assert (run.returncode, run.stdout.split()) == (0, told), run.stderr


async def _until(happened: Callable[[], bool]) -> None:
    """Let everybody work until something has happened, for a bounded number of turns."""
    for _ in range(200_000):
        if happened():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not happen")


async def _cancel_on_arrival(server: Server, exchange: Coroutine[Any, Any, None]) -> None:
    before = server.requests
    task = asyncio.create_task(exchange)
    await _until(lambda: server.requests > before)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _send(transport: Transport, request: HttpRequest, timeout_s: float) -> None:
    await transport.send(request, timeout_s=timeout_s)


async def _open(transport: Transport, request: HttpRequest, timeout_s: float) -> None:
    async with transport.stream(request, timeout_s=timeout_s) as answer:
        await answer.read()


async def _closing(transport: Transport) -> None:
    await transport.close()
