"""The same application inside others: Starlette and FastAPI, under a prefix, with and without a lifespan."""

from __future__ import annotations

import asyncio
from typing import Any

import fastapi
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from junctor import gateway
from junctor.testing.scripted import ok, stream
from tests.gateway.visit import ASK, Place


def starlette(app: Any) -> Any:
    return Starlette(routes=[Mount("/llm", app=app)])


def fast(app: Any) -> Any:
    host = fastapi.FastAPI()
    host.mount("/llm", app)

    @host.get("/own")
    def own() -> str:
        return "mine"

    return host


@pytest.mark.parametrize("host", [starlette, fast])
def test_mounted_under_a_prefix_every_path_is_found_below_it(host: Any) -> None:
    """Health, models, errors, whole answers and streams; opened by the first request, closed by hand."""

    async def scene() -> None:
        place = Place({"a": [ok("hello"), stream("one", " two")]})
        mounted = host(place.gateway)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(mounted), base_url="http://host/llm") as client:
            assert not place.gateway.is_open
            assert (await client.get("/healthz")).json() == {"status": "alive"}
            assert (await client.get("/v1/models")).status_code == 200
            assert (await client.get("/v1/chat/completions")).status_code == 405
            assert (await client.get("/elsewhere")).json()["error"]["code"] == "unknown_url"
            whole = await client.post("/v1/chat/completions", json=ASK)
            assert whole.json()["choices"][0]["message"]["content"] == "hello"
            streamed = await client.post("/v1/chat/completions", json={**ASK, "stream": True})
            assert streamed.text.endswith("data: [DONE]\n\n")
        place.assert_released()
        await place.gateway.aclose()
        assert not place.gateway.is_open

    asyncio.run(scene())


def test_alone_the_lifespan_opens_and_closes_it() -> None:
    """A server that runs the lifespan has everything open before the first request, and closed after the last."""

    async def scene() -> None:
        place = Place({"a": []})
        told = asyncio.Queue[Any]()
        events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        opened = []

        async def receive() -> Any:
            opened.append(place.gateway.is_open)
            return next(events)

        await place.gateway({"type": "lifespan"}, receive, told.put)
        assert opened == [False, True]
        assert not place.gateway.is_open
        assert [told.get_nowait()["type"] for _ in range(2)] == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]

    asyncio.run(scene())


def test_a_secret_that_is_missing_fails_the_start_and_says_which(tmp_path: Any) -> None:
    """Before any request is taken."""
    file = tmp_path / "fleet.yaml"
    file.write_text(
        "version: 1\nproviders: {l: {adapter: openai, base_url: http://127.0.0.1:9/v1, key: env:NOT_SET_HERE}}\n"
        "deployments: {a: {model: l/m}}\ngateway: {keys: none}\n"
    )

    async def scene() -> None:
        told: list[Any] = []

        async def receive() -> Any:
            return {"type": "lifespan.startup"}

        async def send(message: Any) -> None:
            told.append(message)

        await gateway.app(file)({"type": "lifespan"}, receive, send)
        assert told[0]["type"] == "lifespan.startup.failed"
        assert "NOT_SET_HERE" in told[0]["message"]

    asyncio.run(scene())


def test_a_websocket_is_closed() -> None:
    """There is nothing to talk about over one."""

    async def scene() -> None:
        told: list[Any] = []

        async def send(message: Any) -> None:
            told.append(message)

        await Place({"a": []}).gateway({"type": "websocket"}, None, send)  # type: ignore[arg-type]  # never received from
        assert told == [{"type": "websocket.close", "code": 1003}]

    asyncio.run(scene())


def test_used_from_a_second_event_loop_it_goes_on() -> None:
    """B69: what was opened in one loop serves another after it."""
    place = Place({"a": []}, otherwise=ok("hello"))
    for _ in range(2):
        assert asyncio.run(place.ask()).status == 200
    place.assert_released()
