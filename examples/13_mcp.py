"""What an agent can ask about models and routes over MCP: `junctor mcp` as a server, a client beside it.

The server is a program of its own on standard input and output, as agents start it. It reads a fleet file and opens no
key: what it tells is what the catalog and the core's own walk say. Needs the extra `mcp`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters

FLEET = Path(__file__).with_name("fleet.yaml")
SERVER = StdioServerParameters(command=sys.executable, args=["-m", "junctor", "mcp", str(FLEET)])


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """One call of a tool, and its answer as data."""
    result = await client.call_tool(tool, arguments)
    if result.is_error or result.structured_content is None:
        raise SystemExit(f"{tool}: {result.content}")
    return dict(result.structured_content)


async def main() -> None:
    """Which tools there are, which model fits a wish, where a request would go, and what it would cost."""
    async with Client(SERVER) as client:
        print("tools:", ", ".join(sorted(tool.name for tool in (await client.list_tools()).tools)))

        found = await ask(client, "find_models", hints=[{"name": "opus"}], intelligencePriority=1)
        print("a clever one:", found["models"][0]["model"])

        wanted = {"input_tokens": 2_000, "max_tokens": 300, "tags": {"data": "eu-personal"}}
        route = await ask(client, "explain_route", request=wanted)
        print(route["text"])

        cost = await ask(client, "price", model="opus-b", input_tokens=2_000, output_tokens=300)
        print(f"at opus-b it costs ${cost['cost_usd']}")


asyncio.run(main())
