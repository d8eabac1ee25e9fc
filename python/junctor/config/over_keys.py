"""The shortest way in: one model, some keys, no file.

Keys that code has in hand are taken as they are and wrapped at once; the rule that secrets are references is for files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from junctor.config.build import AUTO
from junctor.config.load import from_mapping
from junctor.config.providers import KNOWN
from junctor.config.references import parse
from junctor.config.valid import Config
from junctor.exceptions import ConfigError
from junctor.request import Secret


def over_keys(
    model: str,
    *,
    keys: Sequence[str],
    shared: bool = False,
    base_url: str | None = None,
    **limits: Any,
) -> Config:
    """A fleet of one model with one deployment per key.

    `model` is `provider/model`. `keys` are keys, or `env:`/`file:` references. `limits` are those of a deployment (rpm,
    tpm, …, burst_s) and hold for each key; with `shared=True` for all keys together, as providers count keys of one
    organisation. `base_url` is the host's address, needed for a provider that is not known by name; such a host is
    taken to speak OpenAI's dialect.

    Raises `ConfigError`, as a file with the same content would.
    """
    given = _secrets(keys)
    provider, _, name = str(model).partition("/")
    label = re.sub(r"[^A-Za-z0-9._-]", "-", name).strip("._-")[:80]
    if label in ("", AUTO):
        label = "model"
    deployment: dict[str, Any] = {"model": model, "keys": [str(secret.reference) for secret in given]}
    fleet: dict[str, Any] = {"version": 1, "state": "process", "deployments": {label: deployment}}
    if shared and limits:
        fleet["pools"] = {"all-keys": limits}
        deployment["pools"] = ["all-keys"]
    else:
        deployment.update(limits)
    if base_url is not None:
        own = {} if provider in KNOWN else {"adapter": "openai"}
        fleet["providers"] = {provider: {"base_url": base_url, **own}}
    return _with_keys(from_mapping(fleet, source="over_keys"), given)


def _secrets(keys: Sequence[str]) -> list[Secret]:
    """Each key as a secret with a reference of its own; keys given as references keep theirs and stay unread."""
    if isinstance(keys, str) or not all(isinstance(key, str) for key in keys):
        raise ConfigError("over_keys: keys: is not a list of texts; write keys=[key]")
    if not keys:
        raise ConfigError("over_keys: keys: is empty; name at least one key")
    texts = [key.strip() for key in keys]
    for number, text in enumerate(texts):
        if not (text and text.isascii() and text.isprintable()):
            raise ConfigError(f"over_keys: keys[{number}]: is empty or holds characters that no HTTP header may carry")
        if text in texts[:number]:
            raise ConfigError(
                f"over_keys: keys[{number}]: is the same as keys[{texts.index(text)}]; name each key once"
            )
    return [Secret(text, text if parse(text) else f"env:KEY_{number}") for number, text in enumerate(texts, 1)]


def _with_keys(config: Config, given: list[Secret]) -> Config:
    """Puts the keys in the place of their stand-ins."""
    pairs = zip(config.deployments, given, strict=True)
    placed = (
        item if secret.reveal() == secret.reference else msgspec.structs.replace(item, key=secret)
        for item, secret in pairs
    )
    return msgspec.structs.replace(config, deployments=tuple(placed))
