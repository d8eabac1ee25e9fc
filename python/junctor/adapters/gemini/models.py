"""What each generation of Gemini takes for thinking and for JSON beside tools, by name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import msgspec

_NAME: Final = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?")
_NEWEST: Final = (99, 0)

_BUDGETS: Final = {"minimal": 512, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 24576}
_LEVELS: Final = {
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_PRO_MIN_BUDGET: Final = 128  # 2.5 Pro cannot stop thinking


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One model's rules. `signatures`: tool calls must carry a thought signature, or a mark that there is none."""

    version: tuple[int, int]
    pro: bool
    signatures: bool
    json_with_tools: bool

    @property
    def json_schema(self) -> bool:
        """Whether schemas may be JSON Schema; older models take OpenAPI's part of it."""
        return self.version >= (2, 5)

    @property
    def schemas(self) -> str:
        """The name of this model's schema profiles."""
        return "gemini" if self.json_schema else "gemini-openapi"

    def thinking(self, effort: str) -> tuple[dict[str, Any] | None, bool]:
        """(`thinkingConfig` for the effort or None, whether it says exactly that)."""
        if self.version < (2, 5):
            return None, effort == "none"
        if self.version < (3, 0):
            return self._budget(effort)
        if effort == "none":
            return {"thinkingLevel": "low" if self.pro else "minimal"}, False
        level = _LEVELS.get(effort)
        if level is None:
            return None, False
        if self.pro and level == "minimal":
            return {"thinkingLevel": "low", "includeThoughts": True}, False
        return {"thinkingLevel": level, "includeThoughts": True}, effort == level

    def _budget(self, effort: str) -> tuple[dict[str, Any] | None, bool]:
        if effort == "none":
            return {"thinkingBudget": _PRO_MIN_BUDGET if self.pro else 0}, not self.pro
        budget = _BUDGETS.get(effort)
        return (None, False) if budget is None else ({"thinkingBudget": budget, "includeThoughts": True}, True)


@lru_cache(maxsize=1024)
def model_of(name: str) -> Model:
    """The rules of the model called `name`; a name without a version is taken as the newest."""
    name = name.lower()
    found = _NAME.search(name)
    version = (int(found[1]), int(found[2] or 0)) if found else _NEWEST
    return Model(version=version, pro="pro" in name, signatures=version >= (3, 0), json_with_tools=version >= (3, 0))
