"""Every conversation that real providers had goes on at every provider, in bodies that the SDKs' own types accept."""

from __future__ import annotations

import json
from functools import cache

import pytest

from junctor import adapters
from junctor.adapters.draft import name_model
from junctor.reply import Reply
from junctor.request import ChatRequest
from tests.adapters import recorded
from tests.adapters.cases import MODELS, endpoint, text, user
from tests.adapters.judged import accepted

ROWS = recorded.rows(errors=False)
JUDGE = {"anthropic": "anthropic-beta"}  # only the beta types know what Anthropic's own tools did


@cache
def replies() -> dict[str, tuple[str, Reply]]:
    """Every recorded answer that is one, with the adapter that read it."""
    found: dict[str, tuple[str, Reply]] = {}
    for row in ROWS:
        adapter = recorded.adapter_of(row)
        if row["stream"]:
            reader = adapters.get(adapter).reader()
            reader.feed(recorded.stream_bytes(row))
            answer = reader.close()
        else:
            body = json.dumps(recorded.response_of(row["id"])["json"]).encode()
            answer = adapters.get(adapter).parse(200, {}, body)
        if isinstance(answer, Reply):
            if not answer.model:
                name_model(answer, MODELS[adapter])
            found[row["id"]] = (adapter, answer)
    return found


def going_on(reply: Reply) -> ChatRequest:
    """The conversation with the reply in it, its calls answered, and one more question."""
    names = dict.fromkeys(call.name for call in reply.tool_calls)
    results = [{"role": "tool", "tool_call_id": call.id, "content": '{"ok": true}'} for call in reply.tool_calls]
    return ChatRequest(
        messages=[
            {"role": "system", "content": "Be brief."},
            user([text("Look", cache_control={"type": "ephemeral"})]),
            reply.message,
            *results,
            user("And now?"),
        ],
        tools=[{"type": "function", "function": {"name": name}} for name in names],
        max_tokens=900,
    )


def hosted(body: str) -> bool:
    """Whether a body carries what a tool of the provider itself did, as the provider told it."""
    items = json.loads(body).get("input", ())
    kinds = [item.get("type", "") for item in items]
    return any(kind.endswith("_call") and kind != "function_call" for kind in kinds)


@pytest.mark.parametrize("target", adapters.names())
def test_every_recorded_answer_goes_on_at_every_provider(target: str) -> None:
    if not ROWS:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    bodies = {
        id: adapters.get(target).build(going_on(reply), endpoint(target)).body.decode()
        for id, (_, reply) in replies().items()
    }
    assert len(bodies) > 700
    assert {id: wrong for id, wrong in accepted(JUDGE.get(target, target), bodies).items() if wrong} == {}


@pytest.mark.parametrize("target", adapters.names())
def test_every_recorded_answer_goes_on_at_its_own_model(target: str) -> None:
    """With all that the model must see again: thinking, signatures, tools that the provider ran itself."""
    if not ROWS:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    bodies = {
        id: adapters.get(target).build(going_on(reply), endpoint(target, model=reply.model)).body.decode()
        for id, (source, reply) in replies().items()
        if source == target
    }
    assert len(bodies) > 60
    wrong = {id for id, said in accepted(JUDGE.get(target, target), bodies).items() if said}
    # OpenAI tells more of what its own tools did than its types let anybody say; the API takes it back.
    assert wrong == ({id for id in wrong if hosted(bodies[id])} if target == "openai-responses" else set())
    assert len(wrong) <= 18


def test_a_body_that_goes_on_holds_what_was_said() -> None:
    """The judged bodies are the conversations: no text and no call of an answer is missing in any of them."""
    if not ROWS:
        pytest.skip("recorded exchanges are absent (set JUNCTOR_DATA)")
    for target in adapters.names():
        for id, (source, reply) in replies().items():
            written = adapters.get(target).build(going_on(reply), endpoint(target)).body.decode()
            for call in reply.tool_calls:
                assert json.dumps(call.name) in written, id
            if source != target and reply.text.strip():
                assert json.dumps(reply.text.rstrip(), ensure_ascii=False)[1:-1] in written, id
