"""A conversation cut to a token budget: the oldest turns go first, and nothing that belongs together is torn.

A turn is a user's message with everything up to the next one. System messages stay wherever they stand, and so does the
last user's message. What a model called and what the tools answered is one piece, parallel calls included: providers
refuse a call without its result and a result without its call. When whole turns are not enough, which is the case of an
agent that works for hours on one question, the oldest of those pieces inside the kept turns go too; the newest stays.

Cutting by messages was rejected (it tears pairs), and so was cutting text inside a message: what a half sentence means
nobody knows. If all of this is not enough, the result says so, and nothing pretends to fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from junctor.estimate import weigh
from junctor.request import Message
from junctor.shaping.variants import SYSTEM_ROLES

MARKER: Final = "[{turns} earlier {word} of this conversation left out]"
SUMMARY: Final = "[Summary of {turns} earlier {word} of this conversation]\n{text}"


class Cut(msgspec.Struct, frozen=True):
    """A pruned conversation.

    `kept` are places in the original, `gone` those left out, in order; `turns` how many turns lost something, `tokens`
    what that was by the estimate, in the common measure. `fits` is False when nothing more could go.
    """

    kept: tuple[int, ...]
    gone: tuple[int, ...]
    turns: int
    tokens: int
    fits: bool


class _Piece(msgspec.Struct):
    places: list[int]
    tokens: float
    turn: int
    fixed: bool


def cut(messages: Sequence[Message], *, budget: float, keep_turns: int, beside: float = 0.0) -> Cut:
    """What stays within `budget` tokens, `beside` of which the tools and whatever else is sent take.

    The last `keep_turns` turns (at least one) lose nothing but old tool calls. Applied to its own result it changes
    nothing.
    """
    pieces = _pieces(messages)
    total = beside + sum(piece.tokens for piece in pieces)
    last_turn = pieces[-1].turn if pieces else 0
    first_kept = max(0, last_turn - max(1, keep_turns) + 1)
    gone: list[_Piece] = []
    if total > budget:
        for turn in range(first_kept):
            whole = [piece for piece in pieces if piece.turn == turn and not piece.fixed]
            gone += whole
            total -= sum(piece.tokens for piece in whole)
            if total <= budget:
                break
    if total > budget:
        for piece in _old_calls(messages, pieces, first_kept):
            gone.append(piece)
            total -= piece.tokens
            if total <= budget:
                break
    lost = sorted(place for piece in gone for place in piece.places)
    left = set(lost)
    return Cut(
        kept=tuple(place for place in range(len(messages)) if place not in left),
        gone=tuple(lost),
        turns=len({piece.turn for piece in gone}),
        tokens=round(sum(piece.tokens for piece in gone)),
        fits=total <= budget,
    )


def _old_calls(messages: Sequence[Message], pieces: list[_Piece], first_kept: int) -> list[_Piece]:
    """Calls with their results in the turns that stay, oldest first, without the newest of all."""
    calls = [
        piece
        for piece in pieces
        if piece.turn >= first_kept
        and not piece.fixed
        and messages[piece.places[0]].get("role") == "assistant"
        and any(messages[place].get("role") == "tool" for place in piece.places)
    ]
    return calls[:-1] if calls and calls[-1] is pieces[-1] else calls


def _pieces(messages: Sequence[Message]) -> list[_Piece]:
    """Messages that only make sense together, with their turn. What nobody may drop is `fixed`."""
    answered = {str(message.get("tool_call_id")) for message in messages if message.get("role") == "tool"}
    last_user = max((place for place, m in enumerate(messages) if m.get("role") == "user"), default=-1)
    pieces: list[_Piece] = []
    turn, open_calls = 0, set[str]()
    seen_user = False
    holder: _Piece | None = None
    for place, message in enumerate(messages):
        role, tokens = message.get("role"), weigh(message)
        if role == "tool" and holder is not None:
            holder.places.append(place)
            holder.tokens += tokens
            open_calls.discard(str(message.get("tool_call_id")))
            continue
        if role == "user" and (not open_calls or place == last_user):
            turn += seen_user
            seen_user = True
        piece = _Piece([place], tokens, turn, role in SYSTEM_ROLES or place == last_user)
        if open_calls and holder is not None and role not in SYSTEM_ROLES and place != last_user:
            # Something stands between a call and its result: it goes or stays with them.
            holder.places.append(place)
            holder.tokens += tokens
            open_calls |= _called(message) & answered
            continue
        pieces.append(piece)
        if role == "assistant":
            open_calls = _called(message) & answered
            holder = piece
        elif role not in SYSTEM_ROLES and not open_calls:
            holder = piece if role != "user" else None
    return pieces


def _called(message: Message) -> set[str]:
    calls: Any = message.get("tool_calls") or ()
    return {str(call.get("id")) for call in calls if hasattr(call, "get")}


def left_out(count: int) -> Message:
    """The message that stands where turns were left out.

    It speaks as the user, like a summary does: what was said must not come back with a system prompt's authority.
    """
    return {"role": "user", "content": MARKER.format(turns=count, word=_word(count))}


def summary_of(count: int, text: str) -> Message:
    """The message that says in short what was left out."""
    return {"role": "user", "content": SUMMARY.format(turns=count, word=_word(count), text=text)}


def _word(count: int) -> str:
    return "turn" if count == 1 else "turns"


def assembled(messages: Sequence[Message], found: Cut, note: Message | None) -> list[Message]:
    """The kept messages, with `note` in place of the first that is gone."""
    if note is None or not found.gone:
        return [messages[place] for place in found.kept]
    before = [messages[place] for place in found.kept if place < found.gone[0]]
    return [*before, note, *(messages[place] for place in found.kept if place > found.gone[0])]
