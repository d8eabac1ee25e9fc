"""Prompt caching as Anthropic's servers do it: prefixes up to marked blocks, a minimum, a time to live.

A router that places cache points, and one that keeps calls together so that they are read again, can be judged only by
a provider that really remembers. What is remembered is a hash of everything up to a block: tools, then the system
prompt, then messages. An entry is written at each marked block, and read at any block up to twenty before one,
which renews it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from junctor.shaping.cache_points import MAX_POINTS, minimum_tokens

LOOK_BACK_BLOCKS: Final = 20
TTL_S: Final = {"5m": 300.0, "1h": 3600.0}
MAX_ENTRIES: Final = 10_000  # of one account; a longer run forgets the oldest


class Block(NamedTuple):
    """A block of the prompt: the hash of all up to its end, the tokens up to there, and its mark's time to live."""

    prefix: bytes
    tokens: int
    ttl: str | None


class Cached(NamedTuple):
    """Tokens of one prompt that were read, written for five minutes or an hour in all, and for an hour."""

    read: int = 0
    written: int = 0
    written_1h: int = 0


class PromptCache:
    """What one account has cached. Times are seconds of the provider's clock."""

    def __init__(self) -> None:
        self._until: dict[bytes, tuple[float, str]] = {}

    def take(self, blocks: tuple[Block, ...], now_s: float) -> Cached:
        """Read what is known of this prompt, write what is marked and new."""
        marked = [place for place, block in enumerate(blocks) if block.ttl is not None]
        found = next(
            (place for mark in reversed(marked) if (place := self._known(blocks, mark, now_s)) is not None), -1
        )
        read = 0
        if found >= 0:
            read = blocks[found].tokens
            self._keep(blocks[found].prefix, self._until[blocks[found].prefix][1], now_s)
        written = written_1h = 0
        end = read
        for place in marked:
            block = blocks[place]
            if place > found and block.ttl is not None:
                written += block.tokens - end
                written_1h += block.tokens - end if block.ttl == "1h" else 0
                end = block.tokens
                self._keep(block.prefix, block.ttl, now_s)
        return Cached(read, written, written_1h)

    def _known(self, blocks: tuple[Block, ...], mark: int, now_s: float) -> int | None:
        for place in range(mark, max(-1, mark - LOOK_BACK_BLOCKS), -1):
            if self._until.get(blocks[place].prefix, (0.0, ""))[0] > now_s:
                return place
        return None

    def _keep(self, prefix: bytes, ttl: str, now_s: float) -> None:
        self._until.pop(prefix, None)
        self._until[prefix] = (now_s + TTL_S[ttl], ttl)
        if len(self._until) > MAX_ENTRIES:
            del self._until[next(iter(self._until))]


def read_blocks(body: Mapping[str, Any], *, characters_per_token: int = 4) -> tuple[Block, ...]:
    """The blocks of an Anthropic request; marks on prefixes below the model's minimum do not count.

    Raises `ValueError` in the provider's words for too many marks and for a long one after a short one.
    """
    least = minimum_tokens(str(body.get("model")))
    running = hashlib.blake2b(str(body.get("model")).encode(), digest_size=16)
    blocks: list[Block] = []
    marks = size = 0
    short = False
    for place, block in _parts(body):
        mark = block.get("cache_control")
        plain = _unmarked(block)
        running.update(msgspec.json.encode([place, plain], order="sorted"))
        size += characters(plain)
        ttl = None
        if isinstance(mark, Mapping):
            marks += 1
            ttl = str(mark.get("ttl") or "5m")
            if ttl == "1h" and short:
                raise ValueError("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")
            short = short or ttl == "5m"
        tokens = size // characters_per_token
        blocks.append(Block(running.digest(), tokens, ttl if tokens >= least else None))
    if marks > MAX_POINTS:
        raise ValueError(f"A maximum of 4 blocks with cache_control may be provided. Found {marks}.")
    return tuple(blocks) if marks else ()


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from (("tool", tool) for tool in _mappings(body.get("tools") or ()))
    yield from (("system", block) for block in _mappings(_as_blocks(body.get("system"))))
    for message in _mappings(body.get("messages") or ()):
        yield from ((str(message.get("role")), block) for block in _mappings(_as_blocks(message.get("content"))))


def _as_blocks(content: Any) -> Iterable[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content or ()


def _mappings(items: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    return (item for item in items if isinstance(item, Mapping))


def _unmarked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unmarked(inner) for key, inner in value.items() if key != "cache_control"}
    return [_unmarked(inner) for inner in value] if isinstance(value, list) else value


def characters(value: Any) -> int:
    """Characters of all strings inside a JSON value."""
    if isinstance(value, str):
        return len(value)
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return sum(map(characters, inside))
