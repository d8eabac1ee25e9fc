"""How big is a request, before anybody has counted its tokens? And which prompt does it share with others?

Limits are held before the provider counts, so an estimate is needed on every call; a tokenizer costs milliseconds and
a full JSON encoding as much as the request itself. So text counts one token per 3.5 bytes of UTF-8, and images, sound
and files count a constant. That is the common measure; the core turns it into tokens of each candidate's own tokenizer:
1.43 times as many for the newer Claude models (`bytes_per_token` of the catalog, docs/decisions/014). Settling
corrects what was wrong.

It errs on the high side, because what is held too much comes back when the attempt is settled, and what is held too
little is a 429: by a sixth to a half for English prose, hardly for code. Beside a GPT tokenizer it is no worse in
Chinese, Japanese and Korean (a Chinese character counts 0.86 tokens where GPT makes 0.7), up to twice too high in
Cyrillic, Greek and Arabic, and two to three times in Indic scripts and Thai. Telling scripts apart would cost a look
at every character; who fills contexts with such text gives `bytes_per_token` in the fleet file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.request import ChatRequest, Message

BYTES_PER_TOKEN: Final = 3.5
"""The common measure: what the factor of every tokenizer is relative to."""

TOKENS_PER_MESSAGE: Final = 4
"""The role and the separators that every chat format adds."""

SUMMARY_TOKENS: Final = 512
"""How long a summary of turns that are left out may be, and what is kept free for it."""

PART_TOKENS: Final[Mapping[str, int]] = {"image_url": 1_000, "input_audio": 1_000, "file": 3_000}
"""Parts that are no text: a full-size image costs 750 to 1,600 tokens, a few pages of a document some thousand."""

CACHEABLE_CHARS: Final = 3_600
"""Providers cache prompt prefixes from 1,024 tokens on; below that a warm place saves nothing."""

SCORED_CHARS: Final = 4_096
"""Handed to the scorer from each end of a long text: more than it reads."""

PREFIX_CHARS: Final = 4_096
"""How much of the prompt's beginning tells one shared prefix from another."""


def measure(request: ChatRequest) -> tuple[int, int]:
    """Estimated input tokens in the common measure, and the characters of text in the messages."""
    size_bytes = chars = 0
    tokens = 3 + TOKENS_PER_MESSAGE * len(request.messages)
    for message in request.messages:
        content = message.get("content")
        if type(content) is str:
            chars += len(content)
            size_bytes += len(content) if content.isascii() else len(content.encode("utf-8", "replace"))
        elif content:
            part_bytes, part_chars, part_tokens = _measure_parts(content)
            size_bytes += part_bytes
            chars += part_chars
            tokens += part_tokens
        if "tool_calls" in message:
            size_bytes += _rough_bytes(message["tool_calls"])
    if request.tools:
        size_bytes += _rough_bytes(request.tools)
    if request.response_format:
        size_bytes += _rough_bytes(request.response_format)
    return tokens + int(size_bytes / BYTES_PER_TOKEN), chars


def weigh(message: Message) -> float:
    """Estimated tokens of one message in the common measure, its role and separators included."""
    content = message.get("content")
    size_bytes, tokens = 0, TOKENS_PER_MESSAGE
    if type(content) is str:
        size_bytes = len(content.encode("utf-8", "replace"))
    elif content:
        size_bytes, _, tokens = _measure_parts(content)
        tokens += TOKENS_PER_MESSAGE
    if "tool_calls" in message:
        size_bytes += _rough_bytes(message["tool_calls"])
    return tokens + size_bytes / BYTES_PER_TOKEN


def beside_messages(request: ChatRequest) -> float:
    """Estimated tokens of what is sent beside the messages: tools and the schema of the answer."""
    size_bytes = _rough_bytes(request.tools) if request.tools else 0
    if request.response_format:
        size_bytes += _rough_bytes(request.response_format)
    return 3 + size_bytes / BYTES_PER_TOKEN


def shared_tokens(request: ChatRequest) -> int:
    """Estimated tokens of what requests with one prefix have in common: tools, and all before the first user's word."""
    tokens = beside_messages(request)
    for message in request.messages:
        if message.get("role") == "user":
            break
        tokens += weigh(message)
    return int(tokens)


def measure_inputs(inputs: Sequence[str] | Sequence[Sequence[int]]) -> tuple[int, int, bool]:
    """Input tokens of what is to be embedded, its characters, and whether the tokens are an estimate."""
    if isinstance(inputs[0], str):
        chars = sum(map(len, inputs))
        size_bytes = sum(len(text.encode("utf-8", "replace")) for text in inputs if isinstance(text, str))
        return int(size_bytes / BYTES_PER_TOKEN) + len(inputs), chars, True
    return sum(map(len, inputs)), 0, False


def last_question(messages: Sequence[Message]) -> str:
    """What the learned scorer reads: the text of the last message of a user, "" if there is none.

    Not the system prompt, which is the same for a program's every call and in no table of questions; nor earlier turns,
    nor what tools answered. Of a long text the beginning and the end, of which the core reads a part.
    """
    for message in reversed(messages):
        if message.get("role") == "user" and (text := _text(message.get("content"))):
            return text if len(text) <= 2 * SCORED_CHARS else text[:SCORED_CHARS] + text[-SCORED_CHARS:]
    return ""


def prefix_affinity(messages: Sequence[Message]) -> str | None:
    """A stable name for the beginning of this prompt, or None if it is too short for any provider's prompt cache.

    The name is a hash: receipts carry it, and they must not carry content.
    """
    texts: list[str] = []
    length = 0
    for message in messages:
        text = _text(message.get("content"))
        texts.append(text)
        length += len(text)
        if length >= CACHEABLE_CHARS or message.get("role") == "user":
            break
    if length < CACHEABLE_CHARS:
        return None
    import hashlib  # it brings OpenSSL's digests along, and only groups with this affinity come here

    prefix = "\0".join(texts)[:PREFIX_CHARS].encode("utf-8", "replace")
    return hashlib.blake2b(prefix, digest_size=8).hexdigest()


def _measure_parts(content: Any) -> tuple[int, int, int]:
    size_bytes = chars = tokens = 0
    if not isinstance(content, Sequence):
        return _rough_bytes(content), 0, 0
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if isinstance(kind, str) and kind in PART_TOKENS:
            tokens += PART_TOKENS[kind]
            continue
        text = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(text, str):
            chars += len(text)
            size_bytes += len(text.encode("utf-8", "replace"))
        else:
            size_bytes += _rough_bytes(part)
    return size_bytes, chars, tokens


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    return "".join(p["text"] for p in content if isinstance(p, Mapping) and isinstance(p.get("text"), str))


def _rough_bytes(value: Any) -> int:
    """About the size of this value as JSON. `str` of plain containers is one pass in C."""
    return len(str(value))
