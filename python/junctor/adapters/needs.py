"""What a request needs of a deployment, in the words the gate checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from junctor.request import ChatRequest

_PART_NEEDS: Final = {"image_url": "images", "file": "files", "input_audio": "audio"}


def needs(request: ChatRequest) -> frozenset[str]:
    """The capabilities without which `request` cannot be answered as asked.

    `streaming` is the caller's to add: a request does not know how its answer is fetched.
    """
    found: set[str] = set()
    for message in request.messages:
        content = message.get("content")
        if content.__class__ is not str and isinstance(content, list | tuple):
            # What is no part at all is for the adapters to refuse: they say where it stands.
            kinds = [part.get("type") for part in content if isinstance(part, Mapping)]
            found.update(_PART_NEEDS[kind] for kind in kinds if isinstance(kind, str) and kind in _PART_NEEDS)
    if request.tools:
        found.add("tools")
        if request.parallel_tool_calls:
            found.add("parallel_tools")
    if request.response_format is not None and request.response_format.get("type") == "json_schema":
        found.add("structured_output")
    if request.effort is not None and request.effort != "none":
        found.add("reasoning")
    if request.logprobs or request.top_logprobs:
        found.add("logprobs")
    return frozenset(found)
