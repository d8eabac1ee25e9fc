"""What each family of models takes through Converse, by name.

Converse gives all models one request form, yet what is in it differs by maker: where thinking is asked for (a field of
the maker's own under `additionalModelRequestFields`), whether a tool can be forced, whether prompts can be cached. The
maker stands in the model's name. An application inference profile's name (an ARN) tells nothing: it is treated as an
unknown maker's, which gets only what Converse itself defines.

State of November 2026, from AWS's user guide and from requests that were accepted; `provider_options` overrides
anything decided here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

from junctor.adapters.anthropic.models import Model as Claude
from junctor.adapters.anthropic.models import model_of as claude_of

__all__ = ["Claude", "Family", "bare", "family_of", "same_model"]

Forcing = Literal["none", "any", "one"]

_REGION: Final = re.compile(r"(?:us-gov|us|eu|apac|jp|au|ca|sa|me|af|il|mx|global)\.")
_AUTO_ONLY: Final = ("meta.", "cohere.", "ai21.", "deepseek.r1", "writer.")
_NO_FORMAT: Final = ("amazon.", "meta.", "cohere.", "ai21.", "deepseek.r1", "writer.", "mistral.pixtral")


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One model's rules.

    `claude` are the rules of the maker's own API, where the model is one. `forcing` says which tool choices beyond
    `auto` it takes; `cache` whether it takes cache points, `cache_tools` also after tools; `format` whether its answer
    can be held to a schema.
    """

    claude: Claude | None = None
    nova: bool = False
    nova_thinks: bool = False
    effort_words: tuple[str, ...] = ()
    effort_field: str | None = None
    forcing: Forcing = "one"
    cache: bool = False
    cache_tools: bool = False
    format: bool = True


@lru_cache(maxsize=1024)
def family_of(name: str) -> Family:
    """The rules of the model called `name`; a region prefix (`us.`) and the rest of an ARN are ignored."""
    name = bare(name)
    if "claude" in name:
        claude = claude_of(name)
        return Family(
            claude=claude,
            forcing="one" if claude.forced_tools else "none",
            cache=True,
            cache_tools=True,
            format=claude.structured_output,
        )
    if name.startswith("amazon.nova"):
        return Family(nova=True, nova_thinks="nova-2" in name, cache=True, format=False)
    words = ("low", "medium", "high")
    forcing: Forcing = "none" if name.startswith(_AUTO_ONLY) else "any" if name.startswith("mistral.") else "one"
    field = {"openai.gpt-oss": "reasoning_effort", "qwen.": "reasoning_config"}
    found = next((word for start, word in field.items() if name.startswith(start)), None)
    return Family(
        effort_field=found,
        effort_words=words if found else (),
        forcing=forcing,
        format=not name.startswith(_NO_FORMAT),
    )


def bare(name: str) -> str:
    """The model's name without what says where it runs: `us.`, or an ARN's front."""
    return _REGION.sub("", name.rpartition("/")[2].lower(), count=1)


def same_model(asked: str, answered: str) -> bool:
    """Whether two names mean one model, wherever it runs."""
    return bool(answered) and bare(asked) == bare(answered)
