"""Where an operation of OpenAI's API is, and how its caller says who it is: OpenAI, its copies, and Azure's two styles.

Azure has the same API under two addresses. The older names the deployment in the path and the version in the query
(`/openai/deployments/NAME/chat/completions?api-version=2024-10-21`); the newer, `/openai/v1`, is OpenAI's own. An
endpoint with an `api_version` is spoken to in the older style, at any host, because gateways stand in front of Azure
under names of their own; a host of Azure's without one in the newer. An address that spells a style out is kept.

An Azure key goes into `api-key`. A token of Entra ID is a JWT, which no key is, so it needs no setting: it goes where
bearer tokens go. Such tokens live an hour; keep one in a file (`file:path`) and reload the fleet when it was renewed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from junctor.adapters.openai.hosts import Host
from junctor.adapters.options import join_url
from junctor.request import Endpoint

RESPONSES: Final = "/responses"
"""The one operation that Azure's older style does not put under a deployment."""

_V1: Final = frozenset({"v1", "latest", "preview"})
_STYLED: Final = re.compile(r"/openai(/v1)?\Z")
_JWT: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*\Z")


def address_of(endpoint: Endpoint, host: Host, path: str) -> str:
    """The whole address of the operation at `path`."""
    if not host.azure and endpoint.api_version is None:
        return join_url(endpoint.base_url, path)
    return _azure(endpoint.base_url, endpoint.model, endpoint.api_version, path)


@lru_cache(maxsize=1024)
def _azure(base_url: str, model: str, version: str | None, path: str) -> str:
    base, mark, query = base_url.partition("?")
    base = base.rstrip("/")
    if version is not None and "api-version=" not in query:
        mark, query = "?", f"{query}&api-version={version}" if query else f"api-version={version}"
    if "/deployments/" in base:
        if path == RESPONSES:
            base = base.partition("/deployments/")[0]
        return base + path + mark + query
    if base.endswith("/models"):  # the interface for models of other makers, which has a style of its own
        return base + path + mark + query
    plain = _STYLED.sub("", base)
    if "api-version=" not in query or version in _V1 or (version is None and base.endswith("/v1")):
        if not base.endswith("/v1"):
            base = plain + "/openai/v1"
        return base + path + mark + query
    styled = plain + "/openai" if path == RESPONSES else f"{plain}/openai/deployments/{quote(model, safe='')}"
    return styled + path + mark + query


def headers_of(endpoint: Endpoint, host: Host) -> Mapping[str, str]:
    """The headers of every operation."""
    headers = {"content-type": "application/json"}
    key = endpoint.key
    if key is not None:
        secret = key.reveal()
        if (host.azure or endpoint.api_version is not None) and not _JWT.match(secret):
            headers["api-key"] = secret
        else:
            headers["authorization"] = f"Bearer {secret}"
    if endpoint.headers:
        headers.update(endpoint.headers)
    return headers
