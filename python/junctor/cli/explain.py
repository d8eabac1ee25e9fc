"""`junctor explain FILE REQUEST`: the walk of one request, stage by stage, with nothing held and nothing sent.

The request is written as for `Client.chat`, with its `messages`, or as for `Router.reserve`, with its token counts.
Counts that are given win over what the messages would be estimated at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from junctor import adapters
from junctor.cli.ending import OK, PROBLEMS, USAGE, CommandError, reader_may_leave
from junctor.cli.files import decider, json_object
from junctor.cli.options import seed
from junctor.cli.text import paint_for
from junctor.cli.walk import lines
from junctor.config.errors import Problems, did_you_mean
from junctor.config.read import look
from junctor.config.spec import Count
from junctor.estimate import last_question, measure
from junctor.exceptions import InvalidRequest
from junctor.options import KNOWN_TAGS
from junctor.outline import outline
from junctor.request import ChatRequest

T = TypeVar("T")
LISTS: Final = ("tried", "regions", "providers", "exclude_providers", "agreements")
"""Names that bound the walk, as `Router.reserve` takes them."""


def declare(command: argparse.ArgumentParser) -> None:
    """The options of `junctor explain`."""
    command.add_argument("file", metavar="FILE", help="a fleet file: *.yaml, *.yml or *.toml")
    command.add_argument(
        "request",
        metavar="REQUEST",
        help="a JSON object, a file that holds one (also @FILE), or - for standard input; for example "
        """'{"model": "auto", "input_tokens": 900, "tags": {"task": "chat"}, "needs": ["tools"]}'""",
    )
    command.add_argument("--seed", type=seed, default=0, help="of the draws (default 0): same seed, same choice")


def run(arguments: argparse.Namespace) -> int:
    """Explain and print; 1 if the request would be refused or find nobody."""
    router, fleet = decider(arguments.file, seed=arguments.seed)
    request = json_object(arguments.request)
    try:
        model, asked = as_asked(request)
        told = router.explain(model, seed=arguments.seed, prunes=router.shapes, **asked)
    except (InvalidRequest, ValueError, TypeError, OverflowError) as error:
        raise CommandError(f"the request: {error}", status=USAGE) from None
    with reader_may_leave():
        if arguments.json:
            print(msgspec.json.encode(told).decode())
        else:
            group = fleet.groups.get(told.group or "")
            members = None if group is None else frozenset(group.members)
            print("\n".join(lines(model, asked, told, members=members, paint=paint_for(sys.stdout))))
    return OK if told.deployment is not None else PROBLEMS


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a request that route it; those that are sent are `ChatRequest`'s."""

    model: str = "auto"
    stream: bool = False
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    prompt_chars: Count | None = None
    needs: list[str] = []
    tags: dict[str, str] = {}
    task: str | None = None
    user_tier: str | None = None
    priority: str | None = None
    tenant: str | None = None
    data: str | None = None
    session: str | None = None
    warm: dict[str, Count] = {}
    tried: list[str] = []
    regions: list[str] = []
    providers: list[str] = []
    exclude_providers: list[str] = []
    agreements: list[str] = []

    @property
    def all_tags(self) -> dict[str, str]:
        """The well-known tags, which have fields of their own, among the others."""
        known = {name: getattr(self, name) for name in KNOWN_TAGS}
        return self.tags | {name: value for name, value in known.items() if value is not None}


def as_asked(request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A request in either form as the arguments of `Router.explain`.

    Raises `InvalidRequest` for unknown fields and for values of a wrong type or range.
    """
    sent_fields, routing_fields = ChatRequest.__struct_fields__, Asked.__struct_fields__
    _refuse_unknown(request, {*sent_fields, *routing_fields})
    asked = _typed({name: request[name] for name in request if name in routing_fields}, Asked)
    sent = {name: request[name] for name in request if name in sent_fields}
    found = _measured(_typed({"messages": [], **sent}, ChatRequest))
    needs = {*found.pop("needs"), *asked.needs, *(["streaming"] if asked.stream else [])}
    given = {name: getattr(asked, name) for name in ("input_tokens", "output_tokens", "prompt_chars")}
    found.update({name: value for name, value in given.items() if value is not None})
    found.update({name: value for name in LISTS if (value := getattr(asked, name))})
    if asked.session is not None:
        found["affinity"] = asked.session
    if len(asked.warm) > 1:
        raise InvalidRequest(f"warm names {len(asked.warm)} deployments; it may name one, with the tokens cached there")
    for place in asked.warm.items():
        found["warm"] = place
    return asked.model, found | {"needs": sorted(needs), "tags": asked.all_tags}


def _typed(fields: dict[str, Any], kind: type[T]) -> T:
    """The fields as this struct, or the first that is wrong, told as in a fleet file."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        problems = Problems("the request")
        look(fields, kind, (), problems)
        found = [f"{problem.path}: {problem.message}" for problem in problems.found]
        raise InvalidRequest(found[0] if found else str(error)) from None


def _measured(request: ChatRequest) -> dict[str, Any]:
    """What the client would say of the size and the needs of this request; nothing of its size without messages."""
    found: dict[str, Any] = {"needs": adapters.needs(request)}
    if request.messages:
        found["input_tokens"], found["prompt_chars"] = measure(request)
        if text := last_question(request.messages):
            found |= {"text": text, "outline": outline(request)}
    if request.max_tokens is not None:
        found["output_tokens"] = request.max_tokens
    return found


def _refuse_unknown(request: Mapping[str, Any], known: set[str]) -> None:
    for name in request:
        if name not in known:
            raise InvalidRequest(f"it has no field {name!r}; {did_you_mean(name, sorted(known), what='fields')}")
