"""What LangChain wants to know of a model beforehand, from the fleet file: what everybody who may answer can do.

Agents choose by it how they ask for structured answers, and when they summarise. The gate decides again for each call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from langchain_core.language_models import ModelProfile

    from junctor.config import Config

_CAN: Final[dict[str, tuple[str, ...]]] = {
    "tools": ("tool_calling", "tool_choice"),
    "structured_output": ("structured_output",),
    "images": ("image_inputs", "image_url_inputs"),
    "files": ("pdf_inputs",),
    "audio": ("audio_inputs",),
    "reasoning": ("reasoning_output",),
}
"""LangChain's words for our capabilities."""


def profile_of(fleet: Config | None, asked: str) -> ModelProfile | None:
    """The profile of a group, model or deployment, or of all deployments for `auto`; None if nothing is known of it.

    Fallback groups are not counted: they are for bad days.
    """
    if fleet is None:
        return None
    members = fleet.groups[asked].members if asked in fleet.groups else None
    found = [
        each
        for each in fleet.deployments
        if asked in ("auto", each.name, each.declared, each.model) or (members is not None and each.name in members)
    ]
    if not found:
        return None
    profile: ModelProfile = {"text_inputs": True, "text_outputs": True}
    for capability, words in _CAN.items():
        able = all(capability in each.capabilities for each in found)
        profile.update(dict.fromkeys(words, able))  # type: ignore[typeddict-item]  # the words are its keys
    contexts = [each.context_tokens for each in found if each.context_tokens is not None]
    if contexts:
        profile["max_input_tokens"] = min(contexts)
    answers = [each.max_output_tokens for each in found if each.max_output_tokens is not None]
    if answers:
        profile["max_output_tokens"] = min(answers)
    return profile
