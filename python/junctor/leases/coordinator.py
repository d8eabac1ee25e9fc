"""The coordinator as a host reaches it: one connection, two questions, short timeouts.

Nothing is sent twice on its own: a report that was sent again would be counted again. So the client's own retries are
off, and after any failure the connection is gone and the next one begins with `hello`, which changes nothing there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Protocol

from junctor.exceptions import ConfigError

if TYPE_CHECKING:
    from junctor.request import Secret

CONNECT_S: Final = 0.4
"""How long a connection may take. Together with the answer it stays below a second, the time between two reports."""

ANSWER_S: Final = 0.45
"""How long an answer may take. Below the fence (0.5 s) after which the script refuses to read a report."""

SCRIPT: Final = resources.files("junctor.leases").joinpath("coordinator.lua").read_text(encoding="utf-8")
_DIGEST: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
KEYS: Final = ("{junctor}:hosts", "{junctor}:meta")
"""Who is there, and since when. The limits' keys begin alike, so that all live in one slot of a cluster."""


class Unreachable(Exception):
    """No answer. `sent` says whether the question may have been read all the same; the text names no secret."""

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why)
        self.sent = sent


class Coordinator(Protocol):
    """What grants leases."""

    def hello(self) -> int:
        """Connect, and say what time it is there in milliseconds. Raises `Unreachable`."""

    def ask(self, keys: Sequence[str], head: Sequence[str | int], body: Sequence[int]) -> list[int]:
        """Run the script: names of limits, what is said of the host, numbers per limit. Raises `Unreachable`."""

    def close(self) -> None:
        """Drop the connection. The next question needs a `hello` before it."""


class RedisCoordinator:
    """Redis ≥ 7 or Valkey. `now_ms` replaces the server's clock in tests."""

    def __init__(self, address: Secret, *, now_ms: int | None = None) -> None:
        self._redis = _library()
        self._address = address
        self._client: Any = None
        self._run = ""
        self.now_ms = now_ms

    def hello(self) -> int:
        """Connect, learn which run of the server it is, and what time it is there."""
        self.close()
        try:
            self._client = self._redis.Redis.from_url(
                self._address.reveal().replace("valkey", "redis", 1),
                socket_timeout=ANSWER_S,
                socket_connect_timeout=CONNECT_S,
                retry=self._redis.retry.Retry(self._redis.backoff.NoBackoff(), 0),
                single_connection_client=True,
            )
            self._run = str(self._client.info("server").get("run_id", ""))
            seconds, micros = self._client.time()
        except (self._redis.RedisError, OSError, ValueError) as error:
            self.close()
            raise Unreachable(type(error).__name__, sent=False) from None
        return seconds * 1000 + micros // 1000 if self.now_ms is None else self.now_ms

    def ask(self, keys: Sequence[str], head: Sequence[str | int], body: Sequence[int]) -> list[int]:
        """The script, by its digest; a server that does not know it yet gets its text."""
        if self._client is None:
            raise Unreachable("NotConnected", sent=False)
        names = [*KEYS, *(f"{{junctor}}:{key}" for key in keys)]
        arguments = ["" if self.now_ms is None else self.now_ms, self._run, *head, *body]
        try:
            try:
                answer = self._client.evalsha(_DIGEST, len(names), *names, *arguments)
            except self._redis.exceptions.NoScriptError:
                answer = self._client.eval(SCRIPT, len(names), *names, *arguments)
        except (self._redis.RedisError, OSError) as error:
            self.close()
            raise Unreachable(type(error).__name__, sent=True) from None
        return [int(number) for number in answer]

    def close(self) -> None:
        """Drop the connection; nothing that goes wrong with that matters."""
        client, self._client = self._client, None
        if client is not None:
            try:
                client.close()
            except (self._redis.RedisError, OSError):
                return


def _library() -> Any:
    try:
        import redis
        import redis.backoff
        import redis.retry
    except ImportError:
        raise ConfigError(
            "state is redis, but the package `redis` is not installed; install it with `pip install 'junctor[redis]'`"
        ) from None
    return redis
