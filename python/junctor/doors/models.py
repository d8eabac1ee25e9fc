"""What can be asked for, in the form of OpenAI's or Anthropic's list of models.

Groups, models and deployments may all stand in a request's `model`, and so may `auto`; a caller that is bound to some
groups sees those alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from junctor.doors.contract import Answer, Asked, Caller
from junctor.doors.errors import turn_away
from junctor.exceptions import JunctorError

if TYPE_CHECKING:
    from junctor.client import Client

AUTO: Final = "auto"
_EPOCH: Final = "1970-01-01T00:00:00Z"
"""The date of everything: fleets do not say when a model was made, and the SDKs demand a date."""

_encode: Final = msgspec.json.Encoder().encode


def models_path(method: str, path: str) -> tuple[str | None] | None:
    """Whether this asks for the list of models: `(None,)` for all of them, `(name,)` for one, None if it does not."""
    if method != "GET":
        return None
    if path.endswith(("/models", "/models/")):
        return (None,)
    _, mark, name = path.partition("/models/")
    return (unquote(name),) if mark and name else None


def list_models(client: Client, dialect: str, caller: Caller | None = None, *, name: str | None = None) -> Answer:
    """`GET …/models`, or `GET …/models/{name}` with a `name`, in this dialect's form."""
    kinds = _names(client, caller)
    anthropic = dialect == "anthropic"
    row = _anthropic_row if anthropic else _openai_row
    if name is not None:
        if name not in kinds:
            return turn_away(dialect, 404, f"there is no model {name[:200]!r}", code="model_not_found")
        return _json(row(name, kinds[name]))
    rows = [row(each, kind) for each, kind in kinds.items()]
    if anthropic:
        ends = {"first_id": rows[0]["id"], "last_id": rows[-1]["id"]} if rows else {"first_id": None, "last_id": None}
        return _json({"data": rows, "has_more": False, **ends})
    return _json({"object": "list", "data": rows})


def _names(client: Client, caller: Caller | None) -> Mapping[str, str]:
    """Every name that may be asked for, and what it is."""
    kinds: dict[str, str] = {AUTO: "auto"}
    for group in client.router.groups:
        kinds.setdefault(group, "group")
    deployments: Mapping[str, Any] = client.router.snapshot()["deployments"]
    for deployment in deployments.values():
        kinds.setdefault(deployment["model"], "model")
    for name in deployments:
        kinds.setdefault(name, "deployment")
    if caller is None:
        return kinds
    return {name: kind for name, kind in kinds.items() if _may_ask(caller, name)}


def _may_ask(caller: Caller, name: str) -> bool:
    try:
        caller.options(Asked(model=name, options={}))
    except JunctorError:
        return False
    return True


def _openai_row(name: str, kind: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "junctor", "kind": kind}


def _anthropic_row(name: str, kind: str) -> dict[str, Any]:
    # The SDK's type demands a stage of life; what a fleet offers can be asked for, so it is alive.
    stage = "active"
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": _EPOCH,
        "lifecycle": stage,
        "kind": kind,
    }


def _json(body: dict[str, Any]) -> Answer:
    return Answer(200, {"content-type": "application/json"}, _encode(body))
