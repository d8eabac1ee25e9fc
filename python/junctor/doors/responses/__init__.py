"""The door of OpenAI's responses."""

from __future__ import annotations

from typing import Final, cast

from junctor.doors.contract import Answer, Asked, Incoming, Stamp, StreamWriter
from junctor.doors.errors import answer_of, fault_of
from junctor.doors.responses.read import read
from junctor.doors.responses.stream import ResponseWriter
from junctor.doors.responses.whole import whole
from junctor.reply import Embeddings, Reply


class ResponsesDoor:
    """`POST …/responses`."""

    name: Final = "openai-responses"

    def read(self, incoming: Incoming) -> Asked:
        """See `Door`."""
        return read(incoming)

    def whole(self, reply: Reply | Embeddings, asked: Asked, stamp: Stamp) -> bytes:
        """See `Door`."""
        return whole(cast(Reply, reply), asked, stamp)

    def writer(self, asked: Asked, stamp: Stamp) -> StreamWriter:
        """See `Door`."""
        return ResponseWriter(asked, stamp)

    def refuse(self, error: Exception, request_id: str = "") -> Answer:
        """See `Door`."""
        return answer_of(fault_of(error), "openai", request_id)


RESPONSES: Final = ResponsesDoor()
