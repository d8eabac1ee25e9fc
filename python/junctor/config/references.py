"""References to secrets: `env:NAME` and `file:path`, read only when endpoints are made.

A fleet file is committed, copied and pasted into tickets, so it holds references and never the secret itself: text in
clear is an error whose message hides it. A `literal:` prefix was rejected because it turns the exception into a habit;
code that has a key in hand passes it to `over_keys`. Reading is separate from loading, so that `check` works on
machines that have no secrets.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from junctor.request import Secret

MAX_SECRET_BYTES: Final = 64 * 1024  # a token of a cloud identity is a few KiB; more is the wrong file
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
HINT: Final = "write env:NAME or file:path instead"


class Unreadable(ValueError):
    """A reference that cannot be read here. The message names the reference, never the secret."""


class Reference(msgspec.Struct, frozen=True):
    """Where a secret is found: an environment variable, or a file (relative to the fleet file)."""

    scheme: Literal["env", "file"]
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"

    def __repr__(self) -> str:
        return f"Reference({self})"

    def read(self, environ: Mapping[str, str], folder: pathlib.Path) -> Secret:
        """The secret itself.

        Raises `Unreadable` if the variable is not set, the file cannot be read, or the text cannot be a header value.
        """
        text = _from_env(self.name, environ) if self.scheme == "env" else _from_file(folder / self.name, str(self))
        if not text:
            raise Unreadable(f"{self} is empty; give it the key")
        if not (text.isascii() and text.isprintable()):
            raise Unreadable(f"{self} holds characters that no HTTP header may carry; it should be one line of ASCII")
        return Secret(text, str(self))


def parse(text: str) -> Reference | None:
    """The reference that the text is, or None if it is none (then it may be a secret: do not show it)."""
    scheme, colon, name = text.partition(":")
    if not colon or not name or len(name) > 4096 or "\0" in name:
        return None
    if scheme == "env" and _ENV_NAME.fullmatch(name):
        return Reference("env", name)
    return Reference("file", name) if scheme == "file" else None


def current_environment() -> Mapping[str, str]:
    """The environment variables of this process."""
    return os.environ


def _from_env(name: str, environ: Mapping[str, str]) -> str:
    if (text := environ.get(name)) is None:
        raise Unreadable(f"the environment variable {name} is not set; set it, or name another one")
    return text.strip()


def _from_file(path: pathlib.Path, reference: str) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"{reference} cannot be read ({error.strerror or 'no such file'})") from None
    if len(raw) > MAX_SECRET_BYTES:
        raise Unreadable(f"{reference} is larger than {MAX_SECRET_BYTES} bytes, so it is no key")
    try:
        return raw.decode("ascii").strip()
    except UnicodeDecodeError:
        raise Unreadable(f"{reference} holds bytes that are no ASCII text, so it is no key") from None
