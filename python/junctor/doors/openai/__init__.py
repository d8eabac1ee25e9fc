"""The door of OpenAI's chat completions, Azure's address form included."""

from __future__ import annotations

from typing import Final, cast

from junctor.doors.contract import Answer, Asked, Incoming, Stamp, StreamWriter
from junctor.doors.errors import answer_of, fault_of
from junctor.doors.openai.read import read
from junctor.doors.openai.stream import ChatWriter
from junctor.doors.openai.whole import whole
from junctor.reply import Embeddings, Reply


class ChatDoor:
    """`POST …/chat/completions`."""

    name: Final = "openai"

    def read(self, incoming: Incoming) -> Asked:
        """See `Door`."""
        return read(incoming)

    def whole(self, reply: Reply | Embeddings, asked: Asked, stamp: Stamp) -> bytes:  # noqa: ARG002 - other doors look at it
        """See `Door`."""
        return whole(cast(Reply, reply), stamp)

    def writer(self, asked: Asked, stamp: Stamp) -> StreamWriter:
        """See `Door`."""
        return ChatWriter(asked, stamp)

    def refuse(self, error: Exception, request_id: str = "") -> Answer:
        """See `Door`."""
        return answer_of(fault_of(error), "openai", request_id)


CHAT: Final = ChatDoor()
