"""Keys, tokens and passwords in a text, by the beginnings that their makers gave them so that they can be found.

presidio knows what identifies people and nothing of credentials. People paste them into prompts all the same. What has
no such beginning, a bare password, is not told from a word and stays in.
"""

from __future__ import annotations

import re
from typing import Final

KIND: Final = "SECRET"

_SECRET: Final = re.compile(
    r"""
    -----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY-----(?s:.{0,20000}?)(?:-----END\ [A-Z ]{0,40}PRIVATE\ KEY-----|\Z)
    | \beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*            # JSON web tokens
    | \b(?:sk|rk|pk)[-_][\w-]{20,}                  # OpenAI, Anthropic, OpenRouter, Stripe
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                 # AWS
    | \bAIza[\w-]{35}                               # Google
    | \b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,})
    | \b(?:hf|gsk|xai|r8|pplx|npm|pypi)[-_]\w[\w-]{19,}
    | \bxox[abeoprs]-[\w-]{10,}                     # Slack
    | (?i:(?<=bearer\ )[\w.~+/=-]{16,})
    | (?i:(?<=password)["']?\s{0,3}[:=]\s{0,3}["']?)(?P<after>[^\s"',;]{4,200})
    """,
    re.VERBOSE,
)


def secrets(text: str) -> list[tuple[int, int, float, str]]:
    """The finds in `text`: start, end, how sure (always 1) and kind."""
    return [(*(found.span("after") if found["after"] else found.span()), 1.0, KIND) for found in _SECRET.finditer(text)]
