"""The MCP server as a real client sees it: over stdio and HTTP, in both of the protocol's ages, without secrets."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.server.mcpserver import MCPServer

from junctor.cli import main
from junctor.cli.files import decider
from junctor.mcp.answers import Answers
from junctor.mcp.server import server

CANARY = "sk-canary-8f3a91c2d7e64b05"
FLEET = """\
version: 1
providers:
  near: {adapter: openai, base_url: "http://127.0.0.1:9/v1", key: env:CANARY_KEY, headers: {x-team: env:CANARY_TEAM}}
deployments:
  big: {model: near/big, region: eu, rpm: 60, price: {input: 5, output: 25}, quality: 0.9, key: env:CANARY_KEY}
  small: {model: near/small, region: us, price: {input: 1, output: 5}, quality: 0.4, keys: [env:CANARY_A, env:CANARY_B]}
  opus: {model: anthropic/claude-opus-4-8, key: env:CANARY_KEY, region: us, latency_prior_s: 3}
groups:
  all: {members: [big, small, opus]}
rules:
  - {name: otherwise, use: all}
"""
SECRETS = {name: f"{CANARY}-{name}" for name in ("CANARY_KEY", "CANARY_TEAM", "CANARY_A", "CANARY_B")}
TODAY = "2026-11-25"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(FLEET, encoding="utf-8")
    return path


def _in_process(file: Path | None) -> MCPServer:
    router, config = (None, None) if file is None else decider(str(file), seed=0)
    return server(Answers(today=lambda: TODAY, fleet=config, router=router))


@asynccontextmanager
async def _client(to: MCPServer | StdioServerParameters | str, mode: str = "auto") -> AsyncIterator[Client]:
    async with Client(to, mode=mode) as client:
        yield client


async def _called(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    found: dict[str, Any] | None = result.structured_content
    assert found is not None
    return found


async def _read(client: Client, uri: str) -> Any:
    (content,) = (await client.read_resource(uri)).contents
    assert content.mime_type == "application/json"
    return json.loads(getattr(content, "text"))  # noqa: B009 - contents are a union, of which JSON is the texts


def _run(file: Path | None, question: Callable[[Client], Awaitable[None]]) -> None:
    async def ask() -> None:
        async with _client(_in_process(file)) as client:
            await question(client)

    asyncio.run(ask())


ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("list_models", {"text": "opus", "provider": "anthropic"}),
    ("find_models", {"hints": [{"name": "big"}], "costPriority": 1}),
    ("explain_route", {"request": {"input_tokens": 900, "needs": ["tools"]}}),
    ("price", {"model": "big", "input_tokens": 1000, "output_tokens": 100}),
)


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_a_real_client_over_stdio_speaks_the_newest_and_the_older_protocol_and_sees_no_secret(
    fleet: Path, mode: str, version: str
) -> None:
    """Everything that the server can be asked is asked, and no answer holds a key, or which variable has it."""
    started = StdioServerParameters(
        command=sys.executable, args=["-m", "junctor", "mcp", str(fleet)], env={**SECRETS, "HOME": str(fleet.parent)}
    )

    async def ask() -> list[str]:
        async with _client(started, mode) as client:
            assert client.protocol_version == version
            tools = (await client.list_tools()).tools
            assert {tool.name for tool in tools} == {tool for tool, _ in ASKED}
            assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools)
            said = [tool.model_dump_json() for tool in tools]
            for tool, arguments in ASKED:
                said.append(json.dumps(await _called(client, tool, **arguments)))
            for uri in ("models://catalog", "models://catalog/groq/openai/gpt-oss-120b", "fleet://deployments"):
                said.append(json.dumps(await _read(client, uri)))
            wrong = await client.call_tool("explain_route", {"request": {"modle": "x"}})
            assert wrong.is_error
            said.append(wrong.model_dump_json())
            return said

    said = asyncio.run(ask())
    assert len(said) == len(ASKED) * 2 + 4
    assert "modle" in said[-1]
    for text in said:
        assert CANARY not in text
        assert "CANARY_" not in text
        assert "127.0.0.1" not in text


def test_the_route_is_explained_as_text_and_as_data(fleet: Path) -> None:
    async def ask(client: Client) -> None:
        found = await _called(
            client, "explain_route", request={"model": "big", "input_tokens": 1000, "max_tokens": 100}
        )
        assert found["explanation"]["deployment"] == "big"
        assert found["explanation"]["estimated_cost_usd_micros"] > 0
        assert found["text"].splitlines()[0].startswith("request     big")
        refused = await _called(client, "explain_route", request={"model": "big", "needs": ["audio"]})
        assert refused["explanation"].get("deployment") is None
        assert "lacks audio" in refused["text"]

    _run(fleet, ask)


def test_a_price_is_reckoned_by_the_tier_that_the_prompt_reaches(fleet: Path) -> None:
    async def ask(client: Client) -> None:
        found = await _called(client, "price", model="gemini/gemini-2.5-pro", input_tokens=300_000, output_tokens=1_000)
        # 300,000 at $2.50 and 1,000 at $15 per million, the tier above 200,000.
        assert (found["cost_usd_micros"], found["above_input_tokens"]) == (750_000 + 15_000, 200_000)
        own = await _called(client, "price", model="small", input_tokens=1_000_000, output_tokens=0)
        assert own["cost_usd"] == 1.0
        for wrong, said in ({"model": "nobody/x"}, "no model"), ({"model": "open/gpt-oss-20b"}, "price"):
            result = await client.call_tool("price", {**wrong, "input_tokens": 1})
            assert result.is_error
            assert said in str(result.content)

    _run(fleet, ask)


def test_models_are_found_by_preferences_in_mcps_own_shape(fleet: Path) -> None:
    async def best(client: Client, **asked: Any) -> str:
        found = await _called(client, "find_models", **asked)
        return str(found["models"][0]["deployment"])

    async def ask(client: Client) -> None:
        assert await best(client, costPriority=1) in ("small.1", "small.2")
        assert await best(client, intelligencePriority=1) == "big"
        assert await best(client, costPriority=1, hints=[{"name": "none such"}, {"name": "opus"}]) == "opus"
        found = await _called(client, "find_models", capabilities=["files"], costPriority=1)
        assert {model["deployment"] for model in found["models"]} == {"opus"}
        wrong = await client.call_tool("find_models", {"costPriority": 2})
        assert wrong.is_error

    _run(fleet, ask)


def test_without_a_fleet_the_catalog_is_asked_and_no_route_can_be() -> None:
    async def ask(client: Client) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"list_models", "find_models", "price"}
        cheap = await _called(client, "find_models", costPriority=1, capabilities=["tools"])
        usd = [model["usd_per_million_blended"] for model in cheap["models"]]
        assert usd == sorted(usd)
        assert len(usd) == 50
        assert cheap["count"] > 50
        assert "rule of thumb" in cheap["ranked_by"]
        listed = await _called(client, "list_models", text="claude opus", provider="bedrock", order="price")
        assert listed["count"] == len(listed["models"]) > 3
        assert (await _read(client, "models://catalog"))["models"]
        facts = await _read(client, "models://catalog/anthropic/claude-opus-4-8")
        assert facts["price_usd_per_million"]["cache_write_1h"] == 10.0
        with pytest.raises(Exception, match="no model 'acme/none'"):
            await client.read_resource("models://catalog/acme/none")

    _run(None, ask)


def test_streamable_http_serves_the_same_on_loopback() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "junctor", "mcp", "--http", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert any("running on" in line for line in process.stderr)

            async def ask() -> None:
                async with _client(f"http://127.0.0.1:{port}/mcp") as client:
                    assert (await _called(client, "list_models", text="opus"))["count"] > 3

            asyncio.run(ask())
        finally:
            process.terminate()
            process.communicate(timeout=10)


def test_without_the_package_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "junctor.mcp.server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    assert main(["mcp"]) == 2
    assert capsys.readouterr().err == 'junctor: the mcp package is not installed; pip install "junctor[mcp]"\n'
