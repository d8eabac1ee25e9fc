"""A call that wants vectors: the attempts, limits, waits and receipts of a chat, with another request in it.

What differs from a chat is small, so it is a subclass of `Call` with three methods of its own: which of the adapter's
functions build and read, and that there is no answer to bound. Retries, hedges, deadlines and settling are not said
twice. Rejected: a field in `ChatRequest` that says what it really is, because every adapter would have to look at it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from junctor.dispatch import Call
from junctor.estimate import measure_inputs
from junctor.exceptions import InvalidRequest
from junctor.failures import Failure
from junctor.reply import Embeddings, Reply
from junctor.request import ChatRequest, EmbeddingRequest, HttpRequest

if TYPE_CHECKING:
    from junctor._core import Reservation
    from junctor.adapters import Adapter
    from junctor.client import Client
    from junctor.options import Wish
    from junctor.transport.base import Response


class EmbedCall(Call):
    """The state of one call for vectors. `inputs` is what it asks for; `request` stays an empty conversation."""

    __slots__ = ("inputs",)

    def __init__(self, client: Client, model: str, wish: Wish[EmbeddingRequest], *, clock: Callable[[], float]) -> None:
        self.inputs = wish.request
        super().__init__(
            client,
            model,
            ChatRequest(messages=()),
            _ask(wish, keeps_sessions=client.router.keeps_sessions),
            clock=clock,
            deadline_s=wish.deadline_s,
            max_wait_s=wish.max_wait_s,
            attempts=wish.attempts,
        )

    def build(self, adapter: Adapter, reservation: Reservation, *, stream: bool) -> tuple[Adapter, HttpRequest]:  # noqa: ARG002 - vectors are never streamed
        """The inputs in the endpoint's dialect. Raises `InvalidRequest` if that dialect has no embeddings."""
        if adapter.build_embeddings is None:
            raise InvalidRequest(
                f"{reservation.deployment!r} speaks {adapter.name}, a dialect without embeddings; take the capability "
                "'embeddings' from it, or route this call to a deployment of another adapter"
            )
        return adapter, adapter.build_embeddings(self.inputs, reservation.endpoint)

    def read(self, adapter: Adapter, response: Response) -> Reply | Embeddings | Failure:
        """The vectors. An answer with another number of them than there were inputs is none."""
        assert adapter.parse_embeddings is not None
        answer = adapter.parse_embeddings(response.status, response.headers, response.body)
        wanted = len(self.inputs.inputs)
        if type(answer) is Embeddings and len(answer.vectors) != wanted:
            return Failure(kind="malformed", message=f"{len(answer.vectors)} vectors for {wanted} inputs", status=200)
        return answer

    def ladder_at(self, reservation: Reservation) -> None:
        """Vectors are not judged."""

    @property
    def answer_tokens(self) -> int | None:
        """Nothing is written, so an attempt gets the time to first content and no more."""
        return 1


def _ask(wish: Wish[EmbeddingRequest], *, keeps_sessions: bool) -> dict[str, Any]:
    """What the walk is asked, the same for every attempt."""
    input_tokens, prompt_chars, estimated = measure_inputs(wish.request.inputs)
    ask: dict[str, Any] = {
        "input_tokens": input_tokens,
        "estimated": estimated,
        "prompt_chars": prompt_chars,
        "output_tokens": 0,
        "needs": frozenset({"embeddings"}),
    }
    if wish.tags is not None:
        ask["tags"] = wish.tags
    if wish.session is not None:
        ask["affinity"] = wish.session
    if wish.account is not None and keeps_sessions:
        ask["session"] = wish.account
    return ask
