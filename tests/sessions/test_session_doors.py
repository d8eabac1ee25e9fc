"""Sessions at the doors: who names one, whose it is, and how a dialect says that its budget is spent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from junctor.testing.scripted import ok
from tests.gateway.visit import ASK, CHAT, MESSAGES, Place

ANSWER = ok("hello", input_tokens=100, output_tokens=16)
NAMED = {"x-junctor-session": "s"}


def place(**keys: dict[str, Any]) -> Place:
    return Place({"a": []}, otherwise=ANSWER, keys=keys or None, fleet={"sessions": {"budget_tokens": 250}})


@pytest.mark.parametrize(
    ("path", "kind"),
    [(CHAT, "permission_error"), (MESSAGES, "permission_error")],
)
def test_a_spent_budget_is_told_in_the_dialect_of_the_caller(path: str, kind: str) -> None:
    async def scene() -> None:
        at = place()
        seen = [await at.ask(path, headers=NAMED) for _ in range(3)]
        assert [each.status for each in seen] == [200, 200, 403]
        error = seen[2].json()["error"]
        assert error["type"] == kind
        assert "the session has used 232 of its 250 tokens" in error["message"]
        assert (await at.ask(path, headers={"x-junctor-session": "t"})).status == 200
        at.assert_released()

    asyncio.run(scene())


def test_a_session_may_be_named_in_metadata_and_a_cache_key_or_a_user_is_none() -> None:
    """Many conversations share a cache key, and one person has many: neither may spend the other's budget."""

    async def scene() -> None:
        at = place()
        for more in ({"prompt_cache_key": "s"}, {"user": "s"}, {"safety_identifier": "s"}):
            statuses = [(await at.ask(CHAT, {**ASK, **more})).status for _ in range(4)]
            assert statuses == [200] * 4
        named = {**ASK, "metadata": {"junctor_session": "s"}}
        assert [(await at.ask(CHAT, named)).status for _ in range(3)] == [200, 200, 403]

    asyncio.run(scene())


def test_keys_that_name_a_session_alike_do_not_share_it() -> None:
    async def scene() -> None:
        at = place(one={}, other={})
        for key in ("one", "other"):
            seen = [await at.ask(CHAT, headers={**NAMED, **at.bearer(key)}) for _ in range(3)]
            assert [each.status for each in seen] == [200, 200, 403]

    asyncio.run(scene())
