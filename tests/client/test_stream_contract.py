"""The stream contract under any script: one provider's text is delivered, and an end only where that one had one."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from junctor.exceptions import JunctorError, StreamInterrupted
from junctor.reply import Done, Finish
from junctor.testing.scripted import Outcome, fail, hang, ok, raise_connection, raw, stream
from tests.client.stage import MESSAGES, Stage, Streamed, outcomes, read

NAMES = ("a", "b", "c")
GAPS_S = st.sampled_from([0.0, 0.1, 7.0])


@st.composite
def scripts(draw: st.DrawFn) -> dict[str, tuple[Outcome, int | None]]:
    """For each deployment what it does, and after how many pieces it breaks (None: it does not)."""
    made: dict[str, tuple[Outcome, int | None]] = {}
    for name in NAMES:
        pieces = [f"{name}{number} " for number in range(draw(st.integers(1, 6)))]
        place = draw(st.integers(0, len(pieces)))
        after_s, gap_s = draw(GAPS_S), draw(GAPS_S)
        made[name] = draw(
            st.sampled_from(
                [
                    (stream(*pieces, after_s=after_s, gap_s=gap_s), None),
                    (stream(*pieces, cut_after=place, after_s=after_s, gap_s=gap_s), place),
                    (stream(*pieces, cut_after=place, cut="clean", after_s=after_s, gap_s=gap_s), place),
                    (stream(*pieces, error_after=place, error="server", after_s=after_s, gap_s=gap_s), place),
                    (stream(*pieces, stall_after=place, after_s=after_s, gap_s=gap_s), place),
                    (fail(500, after_s=after_s), 0),
                    (fail(429), 0),
                    (hang(), 0),
                    (raise_connection(after_s=after_s), 0),
                    (raw(200, b"<html></html>"), 0),
                ]
            )
        )
    return made


@given(scripts(), st.sampled_from(["openai", "anthropic", "gemini"]), st.booleans())
def test_a_stream_is_one_providers_text_and_ends_only_where_that_did(
    script: dict[str, tuple[Outcome, int | None]], dialect: str, hedge: bool
) -> None:
    """C18, B4, B42–B44: nothing twice, nothing mixed, no clean end of a cut stream, everything released."""
    stage = Stage(
        {name: [outcome] for name, (outcome, _) in script.items()}, dialect=dialect, hedge=hedge, otherwise=hang()
    )
    for _ in range(20):
        stage.router.note_call()
    streamed = stage.stream(deadline_s=100.0)
    stage.assert_released()
    # Gemini's last piece comes in one frame with the end: whatever breaks, breaks before it.
    assert_one_text(streamed, script, unbreakable=1 if dialect == "gemini" else 0)


def assert_one_text(streamed: Streamed, script: dict[str, tuple[Outcome, int | None]], unbreakable: int) -> None:
    error, text = streamed.error, streamed.text
    ended = [type(event) for event in streamed.events if isinstance(event, Done | Finish)]
    if error is None:
        assert ended == [Finish, Done]
        name = outcomes(streamed.reply.receipt)[-1][0]
        outcome, breaks = script[name]
        assert breaks is None
        assert text == streamed.reply.text == "".join(outcome.pieces)
        return
    assert isinstance(error, JunctorError)
    assert ended == []
    if not isinstance(error, StreamInterrupted):
        assert streamed.events == []
        return
    assert text == error.partial != ""
    outcome, breaks = script[text[0]]
    count = len(outcome.pieces)
    whole = "".join(outcome.pieces[: count if breaks is None else min(breaks, count - unbreakable)])
    assert whole.startswith(text), "what that provider sent, from its beginning"
    # Only the caller's own deadline may cut short what was already there.
    assert text == whole or error.kind == "timeout"


def day(seed: int) -> tuple[str, int]:
    """The hash of all receipts of a day with everything, and how many calls there were."""
    receipts = []
    stage = Stage(
        {name: [] for name in NAMES}, otherwise=ok("fine", after_s=0.3), weights=[1.0] * 3, hedge=True,
        on_receipt=lambda receipt: receipts.append(receipt.to_json()), seed=seed,
    )  # fmt: skip
    for name in NAMES:
        stage.provider.add(name, fail(500), stream("x", cut_after=0), hang(), fail(429, retry_after_s=2), ok("y"))

    async def scenario() -> None:
        for number in range(60):
            if number % 2:
                await read(stage.client, deadline_s=30.0)
                continue
            try:
                await stage.client.chat("g", MESSAGES, deadline_s=30.0, session=f"s{number % 5}")
            except JunctorError:
                continue

    stage.run(scenario())
    stage.run(stage.client.aclose())
    return hashlib.sha256(b"\n".join(receipts)).hexdigest(), len(receipts)


def test_equal_seeds_make_equal_receipts_to_the_last_byte() -> None:
    """C30 through the client: decisions, attempts, times, amounts; and another seed is another day."""
    days = [day(seed) for seed in (1, 1, 2, 2, 3)]
    assert days[0] == days[1]
    assert days[2] == days[3]
    assert len(set(days)) == 3
    assert {count for _, count in days} == {60}
