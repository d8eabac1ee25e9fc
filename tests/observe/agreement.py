"""What observers are told of a call, beside the receipt that is put together when somebody asks."""

from __future__ import annotations

from junctor.observe import Observed

OF_ATTEMPT = (
    "deployment", "outcome", "status", "hedge", "input_tokens", "output_tokens", "cost_usd_micros", "duration_s",
    "first_content_s",
)  # fmt: skip
OF_DECISION = ("rule", "downgrade", "refusals")
OF_CALL = ("downgrade", "cost_usd_micros", "failed_decision", "cascade", "labels", "dropped")


def assert_agrees(call: Observed) -> None:
    """Every field that is read without the receipt says what the receipt says."""
    receipt = call.receipt
    assert [attempt.told for attempt in call.attempts] == list(receipt.attempts)
    for attempt in call.attempts:
        told = attempt.told
        assert {name: getattr(attempt, name) for name in OF_ATTEMPT} == {
            name: getattr(told, name) for name in OF_ATTEMPT
        }
        decision = told.decision
        assert attempt.group == (decision.group or "")
        assert {name: getattr(attempt, name) for name in OF_DECISION} == {
            name: getattr(decision, name) for name in OF_DECISION
        }
    assert {name: getattr(call, name) for name in OF_CALL} == {name: getattr(receipt, name) for name in OF_CALL}
    assert call.rule == (None if receipt.decision is None else receipt.decision.rule)
