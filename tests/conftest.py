"""How property tests draw their examples: the same ones in every run, and fresh ones for `make explore`.

A gate that now and then fails by an unlucky draw teaches people to run it again. So the ordinary run is deterministic,
and looking for new failures is a word of its own. No example has a time limit: a busy machine is no failure.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = 400
"""Examples per property in the ordinary run."""

settings.register_profile(
    "ordinary",
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore",
    settings.get_profile("ordinary"),
    max_examples=int(os.environ.get("JUNCTOR_CASES", str(EXAMPLES))),
    derandomize=False,
    print_blob=True,
)
settings.load_profile("ordinary")
