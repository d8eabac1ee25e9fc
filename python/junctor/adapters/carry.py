"""What a dialect cannot carry, said another way on the way out and given back on the way in.

Three things are the same at every provider that lacks them, so they are done here, between the canonical request and
the adapter, and no adapter knows of them. Tool names in letters or lengths that a provider refuses get names of its
own, and the reply's calls carry the caller's again, in streams too. A structured answer that a model cannot be held to
is asked for as the arguments of a forced tool, and given back as text. Calls and results in a conversation whose tools
are not sent any more become text where the provider refuses them (Bedrock does).

Names on the wire depend on the name alone, so a conversation keeps them over calls and processes. Renaming tools for
good, in the caller's own list, was rejected: its code looks its functions up by them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from junctor.adapters.content import parts_of, text_of
from junctor.adapters.given_back import Carrying, Undo
from junctor.adapters.tools import MAX_NAME_CHARS, choice_of, function_of
from junctor.exceptions import InvalidRequest
from junctor.request import ChatRequest, Message, Native

if TYPE_CHECKING:
    from junctor.adapters.contract import Adapter

ANSWER: Final = "answer"
"""The tool whose arguments are a structured answer."""

_HASH_CHARS: Final = 8  # 32 bits: a tool list has some hundred names at most


class Naming(msgspec.Struct, frozen=True):
    """What tool names may look like: letters that may not occur, the longest, and a letter or underscore first."""

    foreign: str
    longest: int
    letter_first: bool = False


_PLAIN: Final = Naming(r"[^a-zA-Z0-9_-]", 64)
NAMINGS: Final[dict[str, Naming]] = {
    "openai": _PLAIN,
    "openai-responses": _PLAIN,
    "mistral": _PLAIN,
    "anthropic": Naming(r"[^a-zA-Z0-9_-]", 128),
    "gemini": Naming(r"[^a-zA-Z0-9_.:-]", 64, letter_first=True),
    "bedrock": Naming(r"[^a-zA-Z0-9_-]", 64, letter_first=True),
}
REFUSES_ORPHANS: Final = frozenset({"bedrock"})


def carried(request: ChatRequest, adapter: Adapter, model: str) -> tuple[ChatRequest, Adapter, tuple[str, ...]]:
    """(the request as the adapter's dialect can carry it, the adapter that gives back what was changed, notes).

    Nothing is changed, and nothing copied, where the dialect carries everything. A caller's own body in this dialect
    is left alone: it is in the provider's words already.
    """
    dialect = adapter.name
    if request.native is not None and request.native.dialect == dialect:
        return request, adapter, ()
    notes: list[str] = []
    answer = None
    if request.response_format is not None and _must_ask_by_tool(request, dialect, model):
        request, answer = _asked_by_tool(request)
        notes.append(f"response_format: asked for by a forced tool ({dialect})")
    renamed: dict[str, str] = {}
    if request.tools:
        request, renamed = _renamed(request, NAMINGS.get(dialect, _PLAIN))
        notes.extend(f"tools.{name[:MAX_NAME_CHARS]}: renamed ({dialect})" for name in renamed.values())
    elif dialect in REFUSES_ORPHANS and any(map(_is_call, request.messages)):
        request = msgspec.structs.replace(request, messages=told_as_text(request.messages))
        notes.append(f"messages: tool calls told as text ({dialect})")
    if answer is None and not renamed:
        return request, adapter, tuple(notes)
    return request, Carrying(adapter, Undo(renamed, answer)), tuple(notes)


@lru_cache(maxsize=4096)
def wire_name(name: str, naming: Naming) -> str:
    """The name under which a tool goes over the wire: its own if it may, else a clean one with a hash of its own."""
    clean = re.sub(naming.foreign, "_", name)
    if naming.letter_first and not (clean[:1].isalpha() or clean[:1] == "_"):
        clean = f"_{clean}"
    if clean == name and len(clean) <= naming.longest:
        return name
    hashed = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=_HASH_CHARS // 2).hexdigest()
    return f"{clean[: naming.longest - _HASH_CHARS - 1]}_{hashed}"


def _renamed(request: ChatRequest, naming: Naming) -> tuple[ChatRequest, dict[str, str]]:
    """The request with the dialect's tool names everywhere, and what each new one stands for."""
    renamed: dict[str, str] = {}
    for tool in request.tools:
        function = function_of(tool)
        name = None if function is None else function.get("name")
        if isinstance(name, str) and (wire := wire_name(name, naming)) != name:
            renamed[wire] = name
    if not renamed:
        return request, {}

    def wired(name: Any) -> Any:
        return wire_name(name, naming) if isinstance(name, str) else name

    choice = request.tool_choice
    return msgspec.structs.replace(
        request,
        tools=[_with_name(tool, wired) for tool in request.tools],
        tool_choice=choice if choice is None or isinstance(choice, str) else _choice_with_names(choice, wired),
        messages=[_message_with_names(message, wired) for message in request.messages],
    ), renamed


def _with_name(item: Any, wired: Callable[[Any], Any]) -> Any:
    function = item.get("function") if isinstance(item, Mapping) else None
    if not isinstance(function, Mapping):
        return item
    return {**item, "function": {**function, "name": wired(function.get("name"))}}


def _choice_with_names(choice: Mapping[str, Any], wired: Callable[[Any], Any]) -> Mapping[str, Any]:
    allowed = choice.get("allowed_tools")
    if isinstance(allowed, Mapping):
        tools = [_with_name(tool, wired) for tool in allowed.get("tools") or ()]
        return {**choice, "allowed_tools": {**allowed, "tools": tools}}
    found: Mapping[str, Any] = _with_name(choice, wired)
    return found


def _message_with_names(message: Message, wired: Callable[[Any], Any]) -> Message:
    if message.get("tool_calls"):
        return {**message, "tool_calls": [_with_name(call, wired) for call in message["tool_calls"]]}
    if message.get("role") == "tool" and "name" in message:
        return {**message, "name": wired(message["name"])}
    return message


def _must_ask_by_tool(request: ChatRequest, dialect: str, model: str) -> bool:
    """Whether the model takes no schema for its answer, but can be made to call a tool."""
    wanted = request.response_format or {}
    schema = (wanted.get("json_schema") or {}).get("schema") if wanted.get("type") == "json_schema" else None
    if not isinstance(schema, Mapping):
        return False
    if dialect == "anthropic":
        from junctor.adapters.anthropic.models import model_of as claude  # dialects are imported when they are spoken

        return not claude(model).structured_output and claude(model).forced_tools
    if dialect == "gemini":
        from junctor.adapters.gemini.models import model_of as gemini  # as above

        return bool(request.tools) and not gemini(model).json_with_tools
    return False


def _asked_by_tool(request: ChatRequest) -> tuple[ChatRequest, str]:
    """The request with a tool for its answer, and that tool's name."""
    taken = {(function_of(tool) or {}).get("name") for tool in request.tools}
    name = ANSWER
    while name in taken:
        name += "_"
    asked = (request.response_format or {})["json_schema"]
    about = asked.get("description") or "Gives the answer. Call it once, with the whole answer."
    tool = {"type": "function", "function": {"name": name, "description": about, "parameters": asked["schema"]}}
    choice = choice_of(request)
    forced: Any = {"type": "function", "function": {"name": name}}
    if request.tools and (choice is None or choice.mode == "auto"):
        forced = "required"
    elif choice is not None and choice.mode == "required":
        forced = request.tool_choice
    return msgspec.structs.replace(
        request, tools=[*request.tools, tool], tool_choice=forced, response_format=None, native=None
    ), name


def _is_call(message: Message) -> bool:
    return bool(message.get("tool_calls")) or message.get("role") == "tool"


def told_as_text(messages: Sequence[Message]) -> list[Message]:
    """The conversation with calls and their results told as text, for a provider that takes none without tools."""
    names: dict[str, str] = {}
    out: list[Message] = []
    for index, message in enumerate(messages):
        if message.get("role") == "tool":
            name = names.get(str(message.get("tool_call_id"))) or message.get("name") or "tool"
            words = f"[{name} answered: {text_of(message, index)}]"
            more = [part for part in parts_of(message, index) if part.get("type") != "text"]
            out.append({"role": "user", "content": [{"type": "text", "text": words}, *more] if more else words})
        elif calls := message.get("tool_calls"):
            said = [text_of(message, index)]
            for call in calls:
                function = call.get("function") or {}
                names[str(call.get("id"))] = str(function.get("name"))
                said.append(f"[called {function.get('name')} with {function.get('arguments')}]")
            out.append({"role": "assistant", "content": "\n".join(filter(None, said))})
        else:
            out.append(message)
    return out


def left_behind(native: Native, dialect: str, deployment: str) -> tuple[str, ...]:
    """What a caller's own body says that is not heard: at a deployment of another dialect, or where it was reshaped.

    Raises `InvalidRequest` for what the answer would be wrong without.
    """
    if native.demands and native.dialect == dialect:
        raise InvalidRequest(
            f"{', '.join(native.demands)}: only the caller's own {dialect} body says this, and a prompt variant or "
            f"pruning made another one for {deployment!r}; leave it out, or ask with prune='off' and no prompt"
        )
    if native.demands:
        raise InvalidRequest(
            f"{', '.join(native.demands)}: only a deployment that speaks {native.dialect} understands this, "
            f"and {deployment!r} speaks {dialect}; leave it out or ask for another model"
        )
    return native.drops
