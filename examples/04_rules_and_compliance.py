"""Rules and the law: what the operator asks for, what may never happen, and how to see why.

No request is sent here. `reserve` decides and holds, `explain` walks the same way and holds nothing; both read the
fleet file beside this program, whose keys are references: any text will do for them here.
"""

from __future__ import annotations

import os
from pathlib import Path

import junctor

FLEET = Path(__file__).with_name("fleet.yaml")
CASES = {
    "a free user": {"user_tier": "free"},
    "an extraction": {"task": "extraction"},
    "a long question": {"task": "chat"},
    "the same with personal data of the EU": {"task": "chat", "data": "eu-personal"},
    "the same with health data": {"task": "chat", "data": "phi"},
}


def main() -> None:
    """Shows where each case would go, by which rule, and who may not have it."""
    os.environ |= dict.fromkeys(("ANTHROPIC_KEY_A", "ANTHROPIC_KEY_B", "OPENAI_API_KEY"), "not needed to decide")
    router = junctor.Router.open(FLEET, seed=1)
    for case, tags in CASES.items():
        told = router.explain(input_tokens=2_000, output_tokens=300, tags=tags)
        print(f"{case}: {told.deployment}, by rule {told.rule!r}")
        for deployment, reason in told.reasons.items():
            print(f"    not {deployment}: {reason}")

    # What the law sends nowhere is refused with the reasons, whoever asks for it and however.
    try:
        router.reserve("small", input_tokens=100, output_tokens=100, tags={"data": "phi"})
    except junctor.Refused as refused:
        print(f"refused: {refused}")

    # A decision can be made again from its receipt, wherever the same fleet file is loaded.
    with router.reserve(input_tokens=2_000, output_tokens=300, tags={"task": "chat"}) as reservation:
        receipt = reservation.receipt
        reservation.cancel(sent=False)  # nothing was sent: give everything back
    print(f"replayed: {router.replay(receipt) == receipt.decision}")


main()
