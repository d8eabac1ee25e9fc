"""What OpenAI's reasoning models refuse, by name.

They answer 400 to sampling parameters and to some efforts. A router sends one request to models of several makers, so
a temperature that the others take must not fail here: it is left out and reported. Only official hosts are treated so;
a copy of the API that serves some model under an OpenAI-like name is left alone.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

_GPT: Final = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?![\d])")
_O_SERIES: Final = re.compile(r"o\d")

_LADDER: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model's limits. `efforts` is empty for a model that does not reason."""

    efforts: frozenset[str] = frozenset()
    reasons_by_default: bool = False
    tools_need_no_effort: bool = False

    def effort(self, wanted: str) -> str | None:
        """The nearest effort the model knows, rather less than more; None if it does not reason.

        Only who asks for "none" gets "none": little thinking is nearer to "low".
        """
        if not self.efforts or wanted in self.efforts:
            return wanted if self.efforts else None
        rank = _LADDER.index(wanted) if wanted in _LADDER else _LADDER.index("medium")
        known = sorted(_LADDER.index(effort) for effort in self.efforts if effort != "none")
        return _LADDER[max((step for step in known if step <= rank), default=known[0])]

    def fixed_sampling(self, effort: str | None) -> bool:
        """Whether sampling parameters are refused at this effort (None: the model's own)."""
        return bool(self.efforts) and (self.reasons_by_default if effort is None else effort != "none")


PLAIN: Final = Model()
"""A model of which nothing is known: it gets what was asked for."""

_DATE: Final = re.compile(r"-\d{4}-\d{2}-\d{2}\Z")


def same_model(one: str, other: str) -> bool:
    """Whether two names mean one model: a vendor's prefix and a date do not count."""
    return _DATE.sub("", one.rpartition("/")[2].lower()) == _DATE.sub("", other.rpartition("/")[2].lower())


@lru_cache(maxsize=1024)
def model_of(name: str) -> Model:
    """The limits of the model called `name` (a vendor prefix is ignored)."""
    name = name.rpartition("/")[2].lower()
    if _O_SERIES.match(name):
        return Model(efforts=frozenset({"low", "medium", "high"}), reasons_by_default=True)
    found = _GPT.match(name)
    if found is None or "chat" in name:
        return PLAIN
    version = (int(found[1]), int(found[2] or 0))
    if version < (5, 0):
        return PLAIN
    if version < (5, 1):
        return Model(efforts=frozenset({"minimal", "low", "medium", "high"}), reasons_by_default=True)
    efforts = {"none", "low", "medium", "high"}
    if version >= (5, 2):
        efforts.add("xhigh")
    if version >= (5, 6):
        efforts.add("max")
    return Model(
        efforts=frozenset(efforts),
        reasons_by_default=version >= (5, 6),
        # From 5.4 on, chat completions refuse function tools together with reasoning (that is the responses API's).
        tools_need_no_effort=version >= (5, 4),
    )
