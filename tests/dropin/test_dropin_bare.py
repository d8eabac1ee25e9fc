"""The transport under bare clients of both libraries, and how it is made."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import junctor
from junctor.receipts import Receipt
from junctor.testing import Key, SimulatedProvider
from junctor.testing.scripted import ok, stream
from tests.dropin.place import HELLO, LIBRARIES, WORDS, scripted, until

URL = "https://anywhere.example/v1/chat/completions"
ASK = {"model": "g", "messages": HELLO}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_bare_client_gets_responses_of_its_own_library(library: Any) -> None:
    """Whole and streamed, sync and async, with the length, the time and the end that the library knows of answers."""
    place = scripted({"a": [ok("hello"), stream("one", " two")] * 2})
    with library.Client(transport=place.transport) as http:
        answer = http.post(URL, json=ASK)
        assert type(answer) is library.Response
        assert (answer.status_code, answer.http_version) == (200, "HTTP/1.1")
        assert answer.json()["choices"][0]["message"]["content"] == "hello"
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert answer.elapsed.total_seconds() > 0
        with http.stream("POST", URL, json={**ASK, "stream": True}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = [line for line in answer.iter_lines() if line]
        assert lines[-1] == "data: [DONE]"

    async def scene() -> list[str]:
        async with library.AsyncClient(transport=place.transport) as http:
            answer = await http.post(URL, json=ASK)
            assert type(answer) is library.Response
            assert answer.json()["choices"][0]["message"]["content"] == "hello"
            async with http.stream("POST", URL, json={**ASK, "stream": True}) as answer:
                return [line async for line in answer.aiter_lines() if line]

    assert asyncio.run(scene())[-1] == "data: [DONE]"
    assert not place.in_flight


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_body_that_comes_in_pieces_is_read_whole(library: Any) -> None:
    """Generators, sync and async, as the libraries take them."""
    place = scripted({"a": []}, otherwise=ok("hello"))
    body = json.dumps(ASK).encode()
    with library.Client(transport=place.transport) as http:
        assert http.post(URL, content=iter([body[:9], body[9:]])).status_code == 200

    async def pieces() -> Any:
        yield body[:9]
        yield body[9:]

    async def scene() -> int:
        async with library.AsyncClient(transport=place.transport) as http:
            status: int = (await http.post(URL, content=pieces())).status_code
            return status

    assert asyncio.run(scene()) == 200


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_mount_takes_what_it_is_for_and_leaves_the_rest(library: Any) -> None:
    """One client: models go to the fleet, everything else where it always went."""
    place = scripted({"a": []}, otherwise=ok("hello"))
    elsewhere = library.MockTransport(lambda _: library.Response(204))
    with library.Client(mounts={"https://anywhere.example": place.transport}, transport=elsewhere) as http:
        assert http.post(URL, json=ASK).status_code == 200
        assert http.get("https://other.example/").status_code == 204


def test_from_a_file_it_owns_its_client_and_tells_receipts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`on_receipt` hears of every call, the last one told before closing returns; closed twice it stays closed."""
    told: list[Receipt] = []
    monkeypatch.setenv("SIM_KEY", "sk-a")
    with SimulatedProvider([Key("sk-a")], output_tokens=WORDS).in_thread() as provider:
        file = tmp_path / "fleet.yaml"
        file.write_text(
            f"version: 1\nstate: process\nproviders:\n"
            f"  sim: {{adapter: openai, base_url: '{provider.base_url('openai')}', key: env:SIM_KEY}}\n"
            "deployments: {a: {model: sim/m}}\n"
        )
        transport = junctor.httpx_transport(file, on_receipt=told.append)
        for library in LIBRARIES:
            with library.Client(transport=transport) as http:
                assert http.post(URL, json={**ASK, "model": "a"}).status_code == 200
        transport.close()
        assert len(told) == 2

        async def scene() -> None:
            for library in LIBRARIES:
                async with library.AsyncClient(transport=transport) as http:
                    assert (await http.post(URL, json={**ASK, "model": "a"})).status_code == 200
            await transport.aclose()

        asyncio.run(scene())
        assert len(told) == 4
        until(lambda: provider.counts().in_flight == 0, "nothing is under way")


def test_what_cannot_be_a_source_is_said_at_once(tmp_path: Path) -> None:
    """A file that is not there or wrong, and options that belong to the client that was given."""
    with pytest.raises(junctor.ConfigError, match="missing"):
        junctor.httpx_transport(tmp_path / "missing.yaml")
    place = scripted({"a": []})
    with pytest.raises(TypeError, match="belong to the client"):
        junctor.httpx_transport(place.client, on_receipt=print)


@pytest.mark.parametrize(("name", "other"), [("httpx", "httpx2"), ("httpx2", "httpx")])
def test_only_the_library_that_is_used_is_imported(name: str, other: str) -> None:
    """And none of them by making a transport."""
    script = f"""
import sys, junctor
client = junctor.Client.over_keys("openai/gpt-5.6", keys=["k"])
transport = junctor.httpx_transport(client)
assert not {{"httpx", "httpx2", "openai"}} & set(sys.modules)
import {name}
with {name}.Client(transport=transport) as http:
    print(http.get("https://anywhere.example/v1/models").status_code, "{other}" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert (run.stdout.split(), run.stderr) == (["200", "False"], "")
