"""What each generation of Claude takes, by name.

Generations differ in how thinking is asked for (a token budget, or adaptive with an effort), whether it can be turned
off, whether sampling parameters and forced tools are refused. A name that is not understood is treated as the newest
generation: it refuses the most, so what is sent to it works everywhere.

State of November 2026, from the provider's migration guides; `provider_options` overrides anything decided here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

Thinking = Literal["none", "budget", "adaptive"]
Off = Literal["omit", "disabled", "between_tools", "cannot"]

_NAME: Final = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_FAMILIES: Final = ("opus", "sonnet", "haiku", "fable", "mythos")
_NEWEST: Final = (99, 0)


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model's rules. `efforts` are the words of `output_config.effort`; `off` says how thinking is turned off."""

    thinking: Thinking
    off: Off = "omit"
    thinks_by_default: bool = False
    efforts: tuple[str, ...] = ()
    sampling: bool = True
    temperature_with_top_p: bool = True
    forced_tools: bool = True
    structured_output: bool = True
    display: bool = False


@lru_cache(maxsize=1024)
def model_of(name: str) -> Model:
    """The rules of the model called `name`."""
    name = name.lower()
    found = _NAME.search(name)
    version = (int(found[1]), int(found[2] or 0)) if found else _NEWEST
    family = next((word for word in _FAMILIES if word in name), "")
    if version < (4, 6):
        return _before_adaptive(family, version)
    always = family in ("fable", "mythos") or version >= (5, 5)
    return Model(
        thinking="adaptive",
        off=_off(family, version, always=always),
        thinks_by_default=version >= (5, 0),
        efforts=_efforts(version),
        sampling=version < (4, 7),
        temperature_with_top_p=False,
        forced_tools=version < (5, 1) if family in ("fable", "mythos") else version < (5, 5),
        display=version >= (4, 7),
    )


def _before_adaptive(family: str, version: tuple[int, int]) -> Model:
    return Model(
        thinking="budget" if version >= (3, 7) else "none",
        efforts=("low", "medium", "high") if family == "opus" and version == (4, 5) else (),
        temperature_with_top_p=version < (4, 1),
        structured_output=version >= (4, 5) or (family == "opus" and version == (4, 1)),
    )


def _efforts(version: tuple[int, int]) -> tuple[str, ...]:
    return ("low", "medium", "high", "max") if version < (4, 7) else ("low", "medium", "high", "xhigh", "max")


def _off(family: str, version: tuple[int, int], *, always: bool) -> Off:
    if version < (5, 0):
        return "omit"
    if not always or family == "haiku":
        return "disabled"
    return "between_tools" if family == "sonnet" and version < (6, 0) else "cannot"


def same_model(asked: str, answered: str) -> bool:
    """Whether two names mean one model: the answer often carries the date that the request left out."""
    asked, answered = asked.rpartition("/")[2], answered.rpartition("/")[2]
    return bool(answered) and (asked.startswith(answered) or answered.startswith(asked))
