"""The doors of Anthropic's messages, and of counting their tokens."""

from __future__ import annotations

from typing import Final, cast

import msgspec

from junctor.doors.anthropic.read import read
from junctor.doors.anthropic.stream import MessageWriter
from junctor.doors.anthropic.whole import whole
from junctor.doors.contract import Answer, Asked, Incoming, Stamp, StreamWriter
from junctor.doors.errors import answer_of, fault_of
from junctor.reply import Embeddings, Reply


class MessagesDoor:
    """`POST …/messages`."""

    name: Final = "anthropic"

    def read(self, incoming: Incoming) -> Asked:
        """See `Door`."""
        return read(incoming)

    def whole(self, reply: Reply | Embeddings, asked: Asked, stamp: Stamp) -> bytes:  # noqa: ARG002 - other doors look at it
        """See `Door`."""
        return whole(cast(Reply, reply), stamp)

    def writer(self, asked: Asked, stamp: Stamp) -> StreamWriter:  # noqa: ARG002 - other doors look at it
        """See `Door`."""
        return MessageWriter(stamp)

    def refuse(self, error: Exception, request_id: str = "") -> Answer:
        """See `Door`."""
        return answer_of(fault_of(error), "anthropic", request_id)


class CountTokensDoor(MessagesDoor):
    """`POST …/messages/count_tokens`."""

    def read(self, incoming: Incoming) -> Asked:
        """See `Door`."""
        return msgspec.structs.replace(read(incoming), kind="count", stream=False)


MESSAGES: Final = MessagesDoor()
COUNT_TOKENS: Final = CountTokensDoor()
