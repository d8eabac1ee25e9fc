"""What models are called: one name per model, whoever serves it and however a table spells it. Pure.

A catalog of every spelling would be ten times as long and no use: a date at the end, a host's version suffix and the
region of an inference profile mean the same model. Names that mean another model tomorrow, or a kind that no fleet asks
for, get no row at all.
"""

from __future__ import annotations

import re
from typing import Final

_DATE: Final = re.compile(r"[-@](\d{8}|\d{4}-\d{2}-\d{2}|default)\Z")
_SHORT_DATE: Final = re.compile(r"-\d{4}\Z")
_VERSION: Final = re.compile(r"(-v\d+(:\d+)?|-\d+:\d+)\Z")
_SPECIAL: Final = re.compile(
    r"audio|realtime|-live|tts|transcribe|search|research|computer-use|robotics|image|lyria|veo|guard|cyber|"
    r"rosalind|daybreak|customtools|-law\b|multi-agent|omni|-exp\b|exp-|experimental|beta|^ft:|container|-chat$|"
    r"vision-exp|gv2|compound|learnlm|gemini-gemma|codex|voxtral|ocr|mamba|labs-|vibe|-code-|model.router|"
    r"multimodalembedding|marengo|pegasus|instruct-v0|titan-text|preview-\d|medlm|light-text|ada-002-v2"
)
"""Kinds that no general fleet asks for, access by invitation, and what was tried out once."""

DATED_VERSIONS: Final = frozenset({"mistral", "cohere", "bedrock"})
"""Where four digits at the end of a name are its version."""

UNDIVIDED: Final = frozenset({"openai", "azure", "bedrock", "vertex"})
"""Where a stroke in a name is a table's own addition: a size of pictures, a region."""

FAMILIES: Final = (
    ("bedrock", r"anthropic\.(claude-.*)", "anthropic"),
    ("bedrock", r"openai\.(gpt-.*)", "openai"),
    ("bedrock", r"xai\.(grok-.*)", "xai"),
    ("azure", r"(claude-.*)", "anthropic"),
    ("azure", r"((?:gpt|o\d|text-embedding).*)", "openai"),
    ("azure", r"(grok-.*)", "xai"),
    ("vertex", r"(claude-.*)", "anthropic"),
    ("vertex", r"(gemini-.*)", "gemini"),
)
"""Whose model it is that a host serves: the host, the name there, the maker."""

REGIONS: Final = re.compile(r"(us|eu|apac|au|jp|ca|in|us-gov|global)\.")


def canonical(provider: str, name: str) -> str:
    """The name without date and version, in which the tables agree."""
    short = _VERSION.sub("", name) if provider in ("bedrock", "vertex") else name
    return _DATE.sub("", short)


def is_general(provider: str, name: str, kind: str = "chat") -> bool:
    """Whether the name is one that a fleet may name: no date, no special kind, no alias."""
    alias = "latest" in name and provider != "mistral"  # there the alias is the name that people know
    dated = provider not in DATED_VERSIONS and _SHORT_DATE.search(name) is not None
    vector = "embed" in name and kind != "embedding"
    strange = (provider in UNDIVIDED and "/" in name) or (provider == "bedrock" and "." not in name)
    return not (dated or alias or vector or strange or _DATE.search(name) or _SPECIAL.search(name))


def maker_of(provider: str, name: str) -> str | None:
    """Under which name its maker serves the model of a host, or None if it is the host's own."""
    placeless = REGIONS.sub("", name, count=1) if provider == "bedrock" else name
    for host, pattern, maker in FAMILIES:
        if host == provider and (found := re.fullmatch(pattern, placeless)) is not None:
            return f"{maker}/{found[1]}"
    return None
