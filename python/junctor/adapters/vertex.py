"""Vertex AI serves Gemini and Claude in their own dialects, at addresses of its own form and with Google's tokens.

What differs is small enough for the two dialects to do themselves; which form an address has is read off the address,
so a proxy in front of Vertex works if it keeps the path.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from junctor.adapters.options import join_url
from junctor.request import Endpoint

CLAUDE_VERSION: Final = "vertex-2023-10-16"
"""Stands in the body of requests for Claude, where Anthropic's own API wants a header."""


def on_vertex(base_url: str) -> bool:
    """Whether the address is of Vertex's form: a project's models in a location."""
    return "/projects/" in base_url and "/locations/" in base_url


def vertex_url(endpoint: Endpoint, publisher: str, verb: str) -> str:
    """The address of one model's method. A name with slashes is a path of its own: another publisher's, say."""
    name = endpoint.model if "/" in endpoint.model else f"publishers/{publisher}/models/{endpoint.model}"
    return join_url(endpoint.base_url, f"/{quote(name, safe='/@.-_')}:{verb}")
