"""The protocol's side: resources and tools over `Answers`, by the official `mcp` package.

Arguments are named as MCP names its own (camelCase) where they are MCP's, in ModelPreferences, and as junctor names its
own elsewhere. What is asked wrongly comes back as a tool's error with its hint, so that a model can ask again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from junctor import __version__
from junctor.config.listing import Wanted
from junctor.exceptions import InvalidRequest
from junctor.mcp.answers import Answers
from junctor.mcp.preferences import Preferences

T = TypeVar("T")
Priority = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
JSON = "application/json"
READS = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

INSTRUCTIONS = """\
Facts about language models (capabilities, limits, prices, end of life), and why junctor would route a request where it
would. Prices are US dollars per million tokens. Nothing here sends a request to a model or changes anything.
"""


class Hint(BaseModel):
    """A part of a model's name."""

    name: str


def server(answers: Answers) -> MCPServer:
    """The server over these answers; resources and tools of a fleet are there only if there is one."""
    made = MCPServer("junctor", version=__version__, instructions=INSTRUCTIONS)
    _add_catalog(made, answers)
    if answers.fleet is not None:
        _add_fleet(made, answers)
    return made


def _add_catalog(made: MCPServer, answers: Answers) -> None:
    @made.resource("models://catalog", mime_type=JSON, title="The models that the catalog lists")
    def the_catalog() -> str:
        return _text(answers.catalog())

    @made.resource("models://catalog/{provider}/{+model}", mime_type=JSON, title="What is known of one model")
    def one_model(provider: str, model: str) -> str:
        return _found(lambda: _text(answers.model(f"{provider}/{model}")))

    @made.tool(annotations=READS)
    def list_models(
        text: str = "",
        provider: str = "",
        capabilities: list[str] | None = None,
        max_usd_per_million: float | None = None,
        min_context_tokens: int | None = None,
        deprecated_only: bool = False,
        order: Literal["name", "price", "context"] = "name",
    ) -> dict[str, Any]:
        """Models of the catalog whose name holds all words of `text`, with their facts; at most 50 of `count`.

        `max_usd_per_million` bounds the blend of three tokens of prompt for one of answer.
        """
        wanted = Wanted(
            text=text.split(),
            providers=[provider] if provider else [],
            can=capabilities or [],
            max_usd=max_usd_per_million,
            min_context=min_context_tokens,
            ending=deprecated_only,
            order=order,
        )
        return answers.list_models(wanted)

    @made.tool(annotations=READS)
    def find_models(
        hints: list[Hint] | None = None,
        costPriority: Priority = 0.0,
        speedPriority: Priority = 0.0,
        intelligencePriority: Priority = 0.0,
        capabilities: list[str] | None = None,
        min_context_tokens: int | None = None,
    ) -> dict[str, Any]:
        """Models by preference, best first: the fleet's deployments if there is a fleet, else the catalog's.

        Takes MCP's ModelPreferences: hints are parts of names, the first that fits wins; priorities are 0 to 1.
        """
        preferences = Preferences(
            hints=[hint.name for hint in hints or []],
            cost=costPriority,
            speed=speedPriority,
            intelligence=intelligencePriority,
        )
        return answers.find_models(preferences, Wanted(can=capabilities or [], min_context=min_context_tokens))

    @made.tool(annotations=READS)
    def price(
        model: str,
        input_tokens: Count,
        output_tokens: Count = 0,
        cached_tokens: Count = 0,
        cache_write_tokens: Count = 0,
        cache_write_1h_tokens: Count = 0,
    ) -> dict[str, Any]:
        """What a request costs, by the tier that its prompt reaches.

        `model` is `provider/model`, or a deployment of the fleet. `cached_tokens` and `cache_write_tokens` are part of
        `input_tokens`, `cache_write_1h_tokens` of the written ones.
        """
        tokens = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "cached_tokens": cached_tokens,
            "cache_write_tokens": cache_write_tokens,
            "cache_write_1h_tokens": cache_write_1h_tokens,
        }
        return _asked(lambda: answers.price(model, tokens))


def _add_fleet(made: MCPServer, answers: Answers) -> None:
    @made.resource("fleet://deployments", mime_type=JSON, title="The deployments of the fleet, as they resolve")
    def deployments() -> str:
        return _text(answers.deployments())

    @made.tool(annotations=READS)
    def explain_route(request: dict[str, Any]) -> dict[str, Any]:
        """Where the fleet would send a request, and why, stage by stage: as text and as data. Nothing is sent.

        The request has messages, or sizes: {"model": "auto", "input_tokens": 900, "needs": ["tools"], "tags":
        {"task": "chat"}, "tenant": "acme"}.
        """
        return _asked(lambda: answers.explain_route(request))


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except InvalidRequest as error:
        raise ToolError(str(error)) from None


def _found(question: Callable[[], T]) -> T:
    try:
        return question()
    except InvalidRequest as error:
        raise ResourceNotFoundError(str(error)) from None
